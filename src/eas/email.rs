//! The class Email (MS-ASEMAIL): a message as a device reads it.
//!
//! Elements stand in the order Exchange gives them. All text is decoded; names and addresses are cut at an address's border.
//! Fetching a message marks nothing.

use ring::digest::{SHA256, digest};
use time::OffsetDateTime;
use time::macros::format_description;

use super::body::{self, Data, HTML, Options};
use super::call::Call;
use super::version::Version;
use crate::error::Refusal;
use crate::format::address::Mailbox;
use crate::format::mime::{self, Importance, Part};
use crate::format::wbxml::Encoder;
use crate::format::wbxml::pages::{base as b, email as e, email2 as e2};
use crate::model::{Flags, FolderId};
use crate::service::devices::mail_commands::{COMPLETE, is_category};
use crate::service::devices::mail_sync::MessageRow;
use crate::service::mail::deliver::Facts;
use crate::service::mail::{EmailRow, Mail};

/// `<folder>:<uid>`
pub(super) fn server_id(folder: FolderId, uid: i64) -> String {
    format!("{folder}:{uid}")
}

/// Folder and UID of a server id.
pub(super) fn place(id: &str) -> Option<(FolderId, i64)> {
    let (folder, uid) = id.trim().split_once(':')?;
    let folder = crate::service::devices::hierarchy::mail_folder(folder)?;
    let is_number = !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_digit());
    let uid = is_number.then(|| uid.parse().ok()).flatten()?;
    Some((folder, uid))
}

/// `2026-11-23T15:04:05.000Z`: the long form of a time.
pub(super) fn long_time(at: OffsetDateTime) -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(time::UtcOffset::UTC)
        .format(&form)
        .unwrap_or_default()
}

/// The facts by which its parts are found.
pub(super) fn facts(row: &MessageRow) -> EmailRow {
    EmailRow {
        email_id: row.email_id,
        body_id: row.body_id,
        thread_id: row.thread_id,
        size_bytes: row.size_bytes,
        sent_at: row.sent_at,
        message_id: row.message_id.clone(),
        sender_name: row.sender_name.clone(),
        sender_address: row.sender_address.clone(),
        recipients: row.recipients.clone(),
        subject: row.subject.clone(),
        preview: row.preview.clone(),
        parts: row.parts.clone(),
        facts: row.facts.clone(),
    }
}

/// What is inside `ApplicationData` of a message that is told whole.
pub(super) async fn write(
    call: &Call,
    out: &mut Encoder,
    row: &MessageRow,
    options: &Options,
) -> Result<(), Refusal> {
    let (version, account) = (call.version(), call.account());
    let parts = Mail::parts(&row.parts)?;
    let facts_row = facts(row);
    let shown = call.app.mail.shown_body(account, &facts_row, false).await?;
    let is_smime = smime_class(&parts).is_some();
    let size = usize::try_from(row.size_bytes).unwrap_or(usize::MAX);
    let chosen = body::choose(options, is_smime, size, &shown);
    let message = match &chosen.data {
        Some(Data::Mime(_)) => call.app.mail.message_bytes(account, &facts_row).await?,
        Some(Data::Text(_)) | None => Vec::new(),
    };
    let known = Facts::read(&row.facts);
    header(out, row, &known);
    let attached = attachments(&parts);
    if !attached.is_empty() {
        out.element(b::ATTACHMENTS, |out| {
            for part in attached {
                attachment(out, row, part);
            }
        });
    }
    body::write(out, version, &chosen, &message, &row.preview);
    out.text(e::MESSAGE_CLASS, message_class(&parts));
    out.text(e::INTERNET_CPID, "65001");
    flag(out, row);
    out.text(e::CONTENT_CLASS, "urn:content-classes:message");
    out.value(
        b::NATIVE_BODY_TYPE,
        if shown.html.is_some() { HTML } else { 1 },
    );
    if version >= Version::V14_0 {
        conversation(call, out, row);
        last_verb(out, row);
        categories(out, row);
    }
    Ok(())
}

/// What is inside `ApplicationData` of a message whose flags changed: the flags alone.
pub(super) fn write_change(out: &mut Encoder, row: &MessageRow, version: Version) {
    out.flag(e::READ, row.flags.has(Flags::SEEN));
    flag(out, row);
    if version >= Version::V14_0 {
        last_verb(out, row);
        categories(out, row);
    }
}

fn header(out: &mut Encoder, row: &MessageRow, known: &Facts) {
    let list = |out: &mut Encoder, tag, mailboxes: &[Mailbox], between: &str| {
        let text = joined(mailboxes, between);
        if !text.is_empty() {
            out.text(tag, &text);
        }
    };
    list(out, e::TO, &known.to, ", ");
    list(out, e::CC, &known.cc, ", ");
    list(out, e::FROM, &known.from, ", ");
    out.text(e::SUBJECT, &row.subject);
    list(out, e::REPLY_TO, &known.reply_to, "; ");
    out.text(e::DATE_RECEIVED, &long_time(row.received_at));
    let names: Vec<&str> = known.to.iter().map(Mailbox::label).collect();
    if !names.is_empty() {
        out.text(e::DISPLAY_TO, &names.join("; "));
    }
    let topic = mime::subject::base(&row.subject).text;
    out.text(
        e::THREAD_TOPIC,
        if topic.is_empty() {
            &row.subject
        } else {
            &topic
        },
    );
    // Old Android takes a missing one for "low".
    out.value(
        e::IMPORTANCE,
        match known.importance {
            Importance::Low => 0,
            Importance::Normal => 1,
            Importance::High => 2,
        },
    );
    out.flag(e::READ, row.flags.has(Flags::SEEN));
}

/// `"Name" <a@b>`, as many as fit.
fn joined(mailboxes: &[Mailbox], between: &str) -> String {
    let mut out = String::new();
    for mailbox in mailboxes {
        let one = mailbox.to_string();
        if out.len() + between.len() + one.len() > ADDRESSES {
            break;
        }
        if !out.is_empty() {
            out.push_str(between);
        }
        out.push_str(&one);
    }
    out
}

/// Parts that a device offers as files, and the pictures its HTML shows.
pub(super) fn attachments(parts: &[Part]) -> Vec<&Part> {
    parts
        .iter()
        .filter(|part| part.is_attachment || (part.is_inline && part.content_id.is_some()))
        .collect()
}

fn attachment(out: &mut Encoder, row: &MessageRow, part: &Part) {
    let mut name = part.name.clone().unwrap_or_else(|| "attachment".to_owned());
    if part.is_message() && !name.to_ascii_lowercase().ends_with(".eml") {
        // Without the ending, Android does not open it.
        name.push_str(".eml");
    }
    out.element(b::ATTACHMENT, |out| {
        out.text(b::DISPLAY_NAME, &name);
        out.text(
            b::FILE_REFERENCE,
            &format!("{}:{}", server_id(row.folder_id, row.uid.0), part.section),
        );
        out.value(b::METHOD, if part.is_message() { 5 } else { 1 });
        // AOSP does not show what has the size 0.
        out.value(b::ESTIMATED_DATA_SIZE, part.decoded_size.max(1));
        if let Some(id) = &part.content_id {
            out.text(b::CONTENT_ID, id);
        }
        if part.is_inline {
            out.flag(b::IS_INLINE, true);
        }
    });
}

fn smime_class(parts: &[Part]) -> Option<&'static str> {
    let root = parts.first()?;
    match root.content_type.as_str() {
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => Some("IPM.Note.SMIME"),
        "multipart/signed"
            if parts.iter().any(|p| {
                matches!(
                    p.content_type.as_str(),
                    "application/pkcs7-signature" | "application/x-pkcs7-signature"
                )
            }) =>
        {
            Some("IPM.Note.SMIME.MultipartSigned")
        }
        _ => None,
    }
}

fn message_class(parts: &[Part]) -> &'static str {
    if let Some(class) = smime_class(parts) {
        return class;
    }
    let has = |kind: &str| parts.iter().any(|p| p.content_type == kind);
    match parts.first().map(|p| p.content_type.as_str()) {
        Some("multipart/report") if has("message/delivery-status") => "REPORT.IPM.Note.NDR",
        Some("multipart/report") if has("message/disposition-notification") => {
            "REPORT.IPM.Note.IPNRN"
        }
        _ => "IPM.Note",
    }
}

fn flag(out: &mut Encoder, row: &MessageRow) {
    let status = if row.flags.has(Flags::FLAGGED) {
        2
    } else if row.keywords.iter().any(|k| k == COMPLETE) {
        1
    } else {
        out.empty(e::FLAG);
        return;
    };
    out.element(e::FLAG, |out| {
        out.value(e::STATUS, status);
        out.text(e::FLAG_TYPE, "Flag for follow up");
    });
}

fn last_verb(out: &mut Encoder, row: &MessageRow) {
    let verb = if row.flags.has(Flags::FORWARDED) {
        3
    } else if row.flags.has(Flags::ANSWERED) {
        1
    } else {
        return;
    };
    out.value(e2::LAST_VERB_EXECUTED, verb);
}

/// Always there: an empty one says that there is none any more.
fn categories(out: &mut Encoder, row: &MessageRow) {
    out.element(e::CATEGORIES, |out| {
        for keyword in row
            .keywords
            .iter()
            .filter(|k| is_category(k))
            .take(CATEGORIES)
        {
            out.text(e::CATEGORY, keyword);
        }
    });
}

/// The same for all messages of a conversation, on every device and for ever.
fn conversation(call: &Call, out: &mut Encoder, row: &MessageRow) {
    let mut named = call.account().0.to_be_bytes().to_vec();
    named.extend(row.thread_id.0.to_be_bytes());
    let hash = digest(&SHA256, &named);
    out.opaque(
        e2::CONVERSATION_ID,
        hash.as_ref().get(..16).unwrap_or_default(),
    );
    out.opaque(e2::CONVERSATION_INDEX, &index(row.sent_at));
}

/// The first five octets of the time in hundreds of nanoseconds since 1601: clients sort by it.
fn index(at: OffsetDateTime) -> [u8; 5] {
    let ticks = (at - time::macros::datetime!(1601-01-01 00:00 UTC)).whole_nanoseconds() / 100;
    let mut first = [0; 5];
    for (to, from) in first
        .iter_mut()
        .zip(u64::try_from(ticks).unwrap_or(0).to_be_bytes())
    {
        *to = from;
    }
    first
}

/// Octets of a field of addresses (MS-ASEMAIL 2.2.2.79).
const ADDRESSES: usize = 32_768;
/// MS-ASEMAIL 2.2.2.15.
const CATEGORIES: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_have_thousandths() {
        assert_eq!(
            long_time(datetime!(2026-11-23 15:04:05 UTC)),
            "2026-11-23T15:04:05.000Z"
        );
        assert_eq!(
            long_time(datetime!(2026-01-02 01:04:05.6789 +1)),
            "2026-01-02T00:04:05.678Z"
        );
    }

    #[test]
    fn ids_are_places() {
        assert_eq!(place("12:7"), Some((FolderId(12), 7)));
        assert_eq!(place(&server_id(FolderId(3), 4)), Some((FolderId(3), 4)));
        for id in ["12", "12:", ":7", "12:x", "0:7", "12:7:1", "12:-7"] {
            assert_eq!(place(id), None, "{id}");
        }
    }

    #[test]
    fn addresses_end_at_a_border() {
        let many = vec![
            Mailbox {
                name: "Anna \"A\" Meier, Dr.".to_owned(),
                address: "a@x.test".to_owned()
            };
            2_000
        ];
        let text = joined(&many, ", ");
        assert!(text.len() <= ADDRESSES && text.ends_with("<a@x.test>"));
        assert!(
            text.starts_with("\"Anna \\\"A\\\" Meier, Dr.\" <a@x.test>, "),
            "{}",
            &text[..60]
        );
    }
}
