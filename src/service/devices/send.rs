//! Sending by a device, exactly once (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20).
//!
//! One commit: the queue's copy, the copy in Sent, the mark on what was answered, and the memory of the device's own name for this
//! sending. A device that lost the answer tries again with the same name and the same octets, and is told that it is sent.
//!
//! `From` is the account's, whatever the device wrote (S-31). `Bcc` stays in the copy and leaves with nobody.
//!
//! A reply or forward without `ReplaceMime` is put together here: the device's words, then the original's, then the files. One with
//! it goes as it is.

use rand::RngExt;
use ring::digest::{SHA256, digest};
use time::{OffsetDateTime, UtcOffset};

use super::Devices;
use crate::error::Refusal;
use crate::format::address::{Address, Mailbox};
use crate::format::html::{TextOptions, html_to_text, text_to_html};
use crate::format::mime::reply::{self, Original};
use crate::format::mime::write::HeaderWriter;
use crate::format::mime::{self, File, Language, Outgoing, Part, head, text};
use crate::model::{Charge, Flags, FolderId, SpecialUse};
use crate::service::App;
use crate::service::mail::deliver::Facts;
use crate::service::mail::{EmailRow, Mail};
use crate::store::account::admin::AccountRow;
use crate::store::body::Place;
use crate::store::mail::{FlagEdit, Placement, Target};
use crate::store::queue::{Content, NewOutbound, Source};

/// What is done with an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is answered.
    Reply,
    /// It is sent on.
    Forward,
}

/// A sending as a device asks for it.
#[derive(Debug, Clone)]
pub struct Sending<'a> {
    /// The device's own name of this sending; none up to 12.1.
    pub client_id: Option<&'a str>,
    /// The message.
    pub mime: &'a [u8],
    /// Whether a copy is kept in Sent.
    pub keep: bool,
    /// The original: folder and UID.
    pub source: Option<(Verb, FolderId, i64)>,
    /// The message holds the original already.
    pub is_whole: bool,
}

/// Why a message was not sent.
#[derive(Debug)]
pub enum SendFault {
    /// The device has sent another message under this name.
    AlreadySent,
    /// There is no message in it.
    NoMessage,
    /// Nobody gets it.
    NoRecipient,
    /// The original is not there.
    NoSource,
    /// A service said no.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for SendFault {
    fn from(e: E) -> Self {
        Self::Refused(e.into())
    }
}

impl Devices {
    /// Sends a message of a device; a second time the same is sent once.
    ///
    /// # Errors
    /// [`SendFault`].
    #[expect(
        clippy::too_many_lines,
        reason = "one commit, read whole, and what it needs"
    )]
    pub async fn send(
        &self,
        app: &App,
        account: &AccountRow,
        device: &str,
        sending: &Sending<'_>,
    ) -> Result<(), SendFault> {
        let owner = account.account_id;
        let hash = hex(digest(&SHA256, sending.mime).as_ref());
        let name = match (sending.client_id, sending.source) {
            (Some(id), _) => format!("id:{id}"),
            // The same octets with the same original are the same sending.
            (None, Some((verb, folder, uid))) => format!("mime:{verb:?}:{folder}:{uid}:{hash}"),
            (None, None) => format!("mime:{hash}"),
        };
        match self.store.sent_hash(owner, device, &name).await? {
            Some(sent) if sent == hash => return Ok(()),
            Some(_) => return Err(SendFault::AlreadySent),
            None => {}
        }
        let clean = crlf(sending.mime);
        let original = match sending.source {
            Some((verb, folder, uid)) => {
                let rows = self.store.messages_at(owner, folder, &[uid]).await?;
                let row = rows.into_iter().next().ok_or(SendFault::NoSource)?;
                Some((verb, app.mail.email(owner, row.email_id).await?))
            }
            None => None,
        };
        let bytes = match &original {
            Some((verb, original)) if !sending.is_whole => {
                put_together(app, account, &clean, *verb, original).await?
            }
            _ => clean,
        };
        let bytes = own_header(app, account, &bytes, original.as_ref().map(|(_, row)| row)).await?;
        let mut incoming = app.mail.incoming(Vec::new()).await?.keeping_bcc();
        incoming.push(&bytes).await?;
        let received = app.mail.finish(incoming).await?;
        let people: Vec<Address> = [
            &received.parsed.to,
            &received.parsed.cc,
            &received.parsed.bcc,
        ]
        .into_iter()
        .flatten()
        .filter_map(|mailbox| mailbox.smtp_address().ok())
        .collect();
        if people.is_empty() {
            return Err(SendFault::NoRecipient);
        }
        let header_end = head::body_start(&bytes, true).unwrap_or(bytes.len());
        let header = bytes.get(..header_end).unwrap_or_default();
        let sent_head = head::without(header, |name, _| matches!(name, "bcc" | "resent-bcc"));
        let recipients = app.outgoing.recipients(&people);
        let sender = Address::parse(&account.address)
            .ok()
            .and_then(|a| Address::from_parts(a.local(), &a.domain_ascii()).ok())
            .map_or_else(|| account.address.clone(), |a| a.to_string());
        let content = Content {
            head: &sent_head,
            skip: i64::try_from(header_end).unwrap_or(i64::MAX),
            rest: match &received.stored.place {
                Place::Memory(bytes) => Source::Memory(bytes),
                Place::Spool(spool) => Source::Spool(*spool, received.stored.size_bytes),
            },
        };
        let key = format!("eas:{device}:{name}");
        let usual = app.outgoing.outbound(&sender, content, &recipients);
        let outbound = NewOutbound {
            client_id: Some(&key),
            needs_utf8: usual.needs_utf8 || !sent_head.is_ascii(),
            ..usual
        };
        let places = match &original {
            Some((_, row)) => self.store.places_of_emails(owner, &[row.email_id]).await?,
            None => Vec::new(),
        };

        let mut draft = self.store.draft().await?;
        let body = if sending.keep {
            Some(draft.put_body(owner, &received.stored).await?)
        } else {
            None
        };
        let mut write = draft.lock(owner, Charge::NONE).await?;
        // Asked again under the lock: the device's second try may be at work beside this one.
        match write.sent_hash(device, &name).await? {
            Some(sent) => {
                write.abandon().await?;
                return if sent == hash {
                    Ok(())
                } else {
                    Err(SendFault::AlreadySent)
                };
            }
            None => write.note_sent(device, &name, &hash).await?,
        }
        write
            .enqueue(&outbound, Some(&app.outgoing.limits()))
            .await?;
        if let Some(body) = body {
            match write.charge(Charge::mail(body.size_bytes)).await {
                Ok(()) => {
                    let placement = Placement {
                        target: Target::Special(SpecialUse::Sent),
                        flags: Flags::SEEN,
                        keywords: &[],
                        received_at: OffsetDateTime::now_utc(),
                        thread: None,
                    };
                    write.add_message(body, &received.email, &placement).await?;
                }
                // Sending works while the mailbox is full; the copy is left out.
                Err(Refusal::OverQuota { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        if let Some((verb, _)) = &original {
            let set = match verb {
                Verb::Reply => Flags::ANSWERED,
                Verb::Forward => Flags::FORWARDED,
            };
            let edit = FlagEdit {
                set,
                ..FlagEdit::default()
            };
            for place in &places {
                write
                    .set_flags(place.folder_id, &[place.uid.0], &edit)
                    .await?;
            }
        }
        let usage = write.usage();
        self.hub.wake(write.commit().await?);
        app.mail.look(owner, usage);
        app.outgoing.wake();
        tracing::info!(
            account = owner.0,
            protocol = "eas",
            recipients = recipients.len(),
            "mail sent by a device"
        );
        Ok(())
    }
}

/// The message with a `From` that is the account's, and with what was missing.
async fn own_header(
    app: &App,
    account: &AccountRow,
    bytes: &[u8],
    original: Option<&EmailRow>,
) -> Result<Vec<u8>, SendFault> {
    let end = head::body_start(bytes, true).unwrap_or(bytes.len());
    let (header, body) = bytes.split_at_checked(end).unwrap_or((bytes, b""));
    if header.iter().all(u8::is_ascii_whitespace) {
        return Err(SendFault::NoMessage);
    }
    let from = head::values(header, "from");
    let is_own = !from.is_empty()
        && app
            .outgoing
            .owns_from(account.account_id, &from)
            .await
            .is_ok();
    let mut kept = head::without(header, |name, _| {
        matches!(name, "return-path" | "sender") || (name == "from" && !is_own)
    });
    let mut front = HeaderWriter::new();
    let bad = |_| SendFault::Refused(Refusal::Internal("own header"));
    if !is_own {
        let own = Address::parse(&account.address).map_err(|_| Refusal::Internal("own address"))?;
        front
            .mailboxes("From", &[Mailbox::new(account.display_name.clone(), &own)])
            .map_err(bad)?;
    }
    if let Some(original) = original.filter(|row| !row.message_id.is_empty()) {
        let facts = Facts::read(&original.facts);
        let threads = reply::thread_headers(&Original {
            message_id: Some(&original.message_id),
            references: &facts.references,
            ..Original::default()
        });
        if head::count(header, "in-reply-to") == 0 {
            front
                .ids("In-Reply-To", &threads.in_reply_to)
                .map_err(bad)?;
        }
        if head::count(header, "references") == 0 {
            front.ids("References", &threads.references).map_err(bad)?;
        }
    }
    let mut out = front.into_bytes();
    let id = head::new_message_id(rand::rng().random(), &app.config.server.hostname);
    out.extend(head::missing_fields(&kept, OffsetDateTime::now_utc(), &id).map_err(bad)?);
    out.append(&mut kept);
    if !out.ends_with(b"\r\n\r\n") {
        out.extend_from_slice(if out.ends_with(b"\r\n") {
            b"\r\n"
        } else {
            b"\r\n\r\n"
        });
    }
    out.extend_from_slice(body);
    Ok(out)
}

/// The device's words, the original's below them, the device's files, and with a forward the original's files.
#[expect(clippy::too_many_lines, reason = "one message from top to bottom")]
async fn put_together(
    app: &App,
    account: &AccountRow,
    bytes: &[u8],
    verb: Verb,
    original: &EmailRow,
) -> Result<Vec<u8>, SendFault> {
    let now = OffsetDateTime::now_utc();
    let own = mime::parse(bytes, now, now);
    let owner = account.account_id;
    let address = Address::parse(&account.address).map_err(|_| Refusal::Internal("own address"))?;
    let from = own
        .from
        .first()
        .cloned()
        .unwrap_or_else(|| Mailbox::new(account.display_name.clone(), &address));
    let id = own
        .message_id
        .clone()
        .unwrap_or_else(|| head::new_message_id(rand::rng().random(), &app.config.server.hostname));
    let mut out = Outgoing::new(from, now, id);
    out.to.clone_from(&own.to);
    out.cc.clone_from(&own.cc);
    out.bcc.clone_from(&own.bcc);
    out.reply_to.clone_from(&own.reply_to);
    out.subject.clone_from(&own.subject);

    let raw = |part: &Part| mime::decode_part(part.raw_body(bytes), part);
    let texts = |parts: Vec<&Part>, kind: &str| -> String {
        parts
            .into_iter()
            .filter(|part| part.content_type == kind)
            .map(|part| {
                let written = mime::part_text(part.raw_body(bytes), part);
                if part.is_flowed {
                    text::unflow(&written, part.is_delsp)
                } else {
                    written
                }
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let own_html = texts(mime::html_body(&own.parts), "text/html");
    let own_text = texts(mime::text_body(&own.parts), "text/plain");

    let shown = app.mail.shown_body(owner, original, false).await?;
    let quoted_text = match (&shown.text, &shown.html) {
        (Some(written), _) if shown.is_flowed => text::unflow(written, shown.is_delsp),
        (Some(written), _) => written.clone(),
        (None, Some(html)) => html_to_text(html),
        (None, None) => String::new(),
    };
    let facts = Facts::read(&original.facts);
    let language = if account.locale == "de" {
        Language::German
    } else {
        Language::English
    };
    let at = local(original.sent_at, &account.time_zone);
    let line = match verb {
        Verb::Reply => {
            let author = if original.sender_name.is_empty() {
                &original.sender_address
            } else {
                &original.sender_name
            };
            reply::attribution(language, author, at)
        }
        Verb::Forward => {
            let about = Original {
                from: &facts.from,
                to: &facts.to,
                cc: &facts.cc,
                subject: &original.subject,
                ..Original::default()
            };
            reply::forward_head(language, &about, at)
        }
    };
    let below = match verb {
        Verb::Reply => reply::quote(&quoted_text),
        Verb::Forward => quoted_text,
    };
    let words = if own_text.is_empty() {
        html_to_text(&own_html)
    } else {
        own_text
    };
    out.text = format!("{}\n\n{line}\n{below}", words.trim_end());
    if !own_html.is_empty() {
        let plain = |text: &str| {
            text_to_html(
                text,
                &TextOptions {
                    flowed: false,
                    delsp: false,
                    fold: false,
                    fold_label: "",
                },
            )
        };
        let inside = shown.html.clone().unwrap_or_else(|| plain(&below));
        out.html = Some(format!(
            "{own_html}<br>{}<blockquote>{inside}</blockquote>",
            plain(&line)
        ));
    }
    for part in own
        .parts
        .iter()
        .filter(|p| p.is_attachment || (p.is_inline && p.content_id.is_some()))
    {
        let file = file(part, raw(part));
        if part.is_attachment {
            out.attachments.push(file);
        } else {
            out.inline.push(file);
        }
    }
    let parts = Mail::parts(&original.parts)?;
    for part in &parts {
        let goes_along = match verb {
            Verb::Forward => part.is_attachment || (part.is_inline && part.content_id.is_some()),
            // The pictures that its quoted HTML shows.
            Verb::Reply => {
                out.html.is_some()
                    && part.is_inline
                    && !part.is_attachment
                    && part.content_id.is_some()
            }
        };
        if goes_along {
            let bytes = app
                .mail
                .part(owner, original.email_id, &part.section)
                .await?
                .bytes;
            let file = file(part, bytes);
            if part.is_attachment {
                out.attachments.push(file);
            } else {
                out.inline.push(file);
            }
        }
    }
    out.with_bcc().map_err(|_| SendFault::NoMessage)
}

fn file(part: &Part, bytes: Vec<u8>) -> File<'static> {
    File {
        name: part.name.clone().unwrap_or_default(),
        content_type: part.content_type.clone(),
        charset: part.charset.clone(),
        content_id: part.content_id.clone(),
        bytes: bytes.into(),
    }
}

/// The hour its reader knows.
fn local(at: OffsetDateTime, zone: &str) -> OffsetDateTime {
    use chrono::{Offset, TimeZone};
    let seconds = zone
        .parse::<chrono_tz::Tz>()
        .ok()
        .and_then(|zone| zone.timestamp_opt(at.unix_timestamp(), 0).single())
        .map_or(0, |local| local.offset().fix().local_minus_utc());
    at.to_offset(UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC))
}

/// Lines end with CR LF; Android writes LF, others mix.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        let (line, end) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        rest = end
            .strip_prefix(b"\r\n")
            .or_else(|| end.get(1..))
            .unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut all, b| {
        // A String takes everything.
        let _ = write!(all, "{b:02x}");
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_with_cr_lf() {
        assert_eq!(crlf(b"a\nb\r\nc\rd\r\n\ne"), b"a\r\nb\r\nc\r\nd\r\n\r\ne");
        assert_eq!(crlf(b""), b"");
        assert_eq!(crlf(b"\r"), b"\r\n");
    }

    #[test]
    fn the_hour_is_the_reader_s() {
        let at = time::macros::datetime!(2026-11-23 09:00 UTC);
        assert_eq!(local(at, "Europe/Berlin").hour(), 10);
        assert_eq!(local(at, "nowhere").hour(), 9);
    }
}
