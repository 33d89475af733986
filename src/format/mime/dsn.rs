//! Delivery status notifications: what the sender is told of a message's fate (RFC 3461 6, RFC 3462, RFC 3464).
//!
//! A `multipart/report` of three parts: a text for people (German, English or both), `message/delivery-status`, and
//! the header of the original, at most [`MAX_HEADER`] bytes of it (never the body: a bounce is no way to spread one).
//! The caller sends it with the null sender and only for mail it accepted from an authenticated user.
//!
//! Everything that came from outside (a remote host's words) is cut, cleaned to printable ASCII and folded, so it can
//! neither make a field nor a line.

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::compose::{Boundaries, clean_line_ends, multipart, text_entity};
use super::write::{BadHeader, HeaderWriter};
use super::{Language, date, reply, scan};
use crate::format::address::{Address, Mailbox};

/// Bytes of the original's header that go back.
pub const MAX_HEADER: usize = 51_200;
/// Characters of a remote host's answer that are told.
const MAX_DIAGNOSTIC: usize = 1_000;

/// What became of the message for one recipient (RFC 3464 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    /// Handed to a host that sends no notifications itself.
    Relayed,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }
}

/// The fate of one recipient.
#[derive(Debug, Clone)]
pub struct RecipientStatus {
    /// The address the message was sent to.
    pub recipient: Address,
    /// `ORCPT` as the sender gave it (`rfc822;anna@a.de`, decoded), if any.
    pub original_recipient: Option<String>,
    pub action: Action,
    /// Enhanced status code (RFC 3463), `5.1.1`.
    pub status: String,
    /// What the remote host answered, or our own words (RFC 3464 2.3.6).
    pub diagnostic: Option<String>,
    /// The host that answered.
    pub remote_mta: Option<String>,
    pub last_attempt: Option<OffsetDateTime>,
    /// For a delay: until when it is tried.
    pub will_retry_until: Option<OffsetDateTime>,
}

/// A notification to be written.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// Our host name.
    pub reporting_mta: &'a str,
    /// To whom the notification goes: the envelope sender.
    pub to: &'a Address,
    /// The languages of the text, in order; empty means German and English.
    pub languages: &'a [Language],
    pub date: OffsetDateTime,
    /// Without brackets.
    pub message_id: &'a str,
    /// `ENVID` of the original, decoded (RFC 3461 4.4).
    pub envelope_id: Option<&'a str>,
    /// When the original was accepted.
    pub arrived_at: OffsetDateTime,
    pub recipients: &'a [RecipientStatus],
    /// The original from its first byte; the header is taken from it, more does no harm.
    pub original: &'a [u8],
}

/// Writes a notification. The subject and text follow the gravest action among the recipients.
///
/// # Errors
/// [`BadHeader`] when our own host name or message id cannot be in a header.
pub fn build(report: &Report<'_>) -> Result<Vec<u8>, BadHeader> {
    let languages: &[Language] = if report.languages.is_empty() {
        &[Language::German, Language::English]
    } else {
        report.languages
    };
    let gravest = gravest(report.recipients);
    let subjects: Vec<&str> = languages.iter().map(|l| subject(*l, gravest)).collect();
    let original = scan::header_block(report.original, 0);
    let original_head = report.original.get(..original.end).unwrap_or_default();
    let thread = super::head::values(original_head, "message-id");
    let thread: Vec<String> = thread
        .first()
        .map(|v| super::read::message_ids(v))
        .unwrap_or_default();

    let mut head = HeaderWriter::new();
    head.date("Date", report.date)?;
    // The From is not the null sender's: people answer to it, so it is the postmaster's (RFC 3464 2).
    let from = Address::from_parts("postmaster", report.reporting_mta)
        .map_err(|_| BadHeader::Syntax("From".to_owned()))?;
    head.mailboxes("From", &[Mailbox::new("Mail Delivery System", &from)])?;
    head.mailboxes("To", &[Mailbox::new("", report.to)])?;
    head.text("Subject", &subjects.join(" / "))?;
    head.raw("Message-ID", &format!("<{}>", report.message_id))?;
    head.ids("In-Reply-To", &thread)?;
    head.ids("References", &thread)?;
    head.raw("Auto-Submitted", "auto-replied")?;
    head.raw("MIME-Version", "1.0")?;
    let texts: Vec<String> = languages
        .iter()
        .map(|l| text(*l, report, gravest))
        .collect();
    let parts = vec![
        text_entity("text/plain", &texts.join("\n\n"))?,
        status_entity(report)?,
        header_entity(original_head),
    ];
    let mut out = head.into_bytes();
    let boundary = Boundaries::new(report.message_id).get("d");
    out.append(&mut multipart(
        "report",
        &boundary,
        &[("report-type", "delivery-status")],
        parts,
    )?);
    Ok(out)
}

fn gravest(recipients: &[RecipientStatus]) -> Action {
    let has = |action| recipients.iter().any(|r| r.action == action);
    [Action::Failed, Action::Delayed, Action::Delivered]
        .into_iter()
        .find(|a| has(*a))
        .unwrap_or(Action::Relayed)
}

fn subject(language: Language, action: Action) -> &'static str {
    match (language, action) {
        (Language::German, Action::Failed) => "Nachricht konnte nicht zugestellt werden",
        (Language::English, Action::Failed) => "Message could not be delivered",
        (Language::German, Action::Delayed) => "Zustellung verzögert sich",
        (Language::English, Action::Delayed) => "Delivery is delayed",
        (Language::German, Action::Delivered | Action::Relayed) => "Nachricht zugestellt",
        (Language::English, Action::Delivered | Action::Relayed) => "Message delivered",
    }
}

/// The text for people: what happened, to which message, for whom and why.
fn text(language: Language, report: &Report<'_>, gravest: Action) -> String {
    let intro = match (language, gravest) {
        (Language::German, Action::Failed) => {
            "Ihre Nachricht konnte nicht an alle Empfänger zugestellt werden."
        }
        (Language::English, Action::Failed) => {
            "Your message could not be delivered to all recipients."
        }
        (Language::German, Action::Delayed) => {
            "Ihre Nachricht konnte noch nicht an alle Empfänger zugestellt werden. Sie müssen nichts tun: Die Zustellung wird weiter versucht."
        }
        (Language::English, Action::Delayed) => {
            "Your message could not be delivered to all recipients yet. You need not do anything: delivery will be tried again."
        }
        (Language::German, _) => "Ihre Nachricht wurde zugestellt.",
        (Language::English, _) => "Your message was delivered.",
    };
    let mut out = format!("{intro}\n");
    let original_subject = super::head::values(report.original, "subject")
        .first()
        .map(|s| super::words::decode(s))
        .unwrap_or_default();
    if !original_subject.is_empty() {
        let label = match language {
            Language::German => "Betreff",
            Language::English => "Subject",
        };
        let short: String = original_subject.chars().take(200).collect();
        let _ = write!(out, "\n{label}: {short}\n");
    }
    for recipient in report.recipients {
        out.push('\n');
        out.push_str(&recipient_text(language, recipient));
    }
    out
}

fn recipient_text(language: Language, r: &RecipientStatus) -> String {
    let mut out = format!("{}\n", r.recipient);
    let _ = writeln!(out, "  {}", reason(language, r));
    if let Some(until) = r.will_retry_until.filter(|_| r.action == Action::Delayed) {
        let when = reply::written_date(language, until);
        let label = match language {
            Language::German => "Es wird versucht bis",
            Language::English => "It will be tried until",
        };
        let _ = writeln!(out, "  {label}: {when} ({})", zone(until));
    }
    if let Some(diagnostic) = r
        .diagnostic
        .as_deref()
        .map(printable)
        .filter(|d| !d.is_empty())
    {
        let host = r
            .remote_mta
            .as_deref()
            .map(printable)
            .filter(|h| !h.is_empty());
        let label = match (language, host) {
            (Language::German, Some(host)) => format!("Antwort von {host}"),
            (Language::English, Some(host)) => format!("Answer of {host}"),
            (Language::German, None) => "Grund".to_owned(),
            (Language::English, None) => "Reason".to_owned(),
        };
        let _ = writeln!(out, "  {label}: {diagnostic}");
    }
    out
}

fn zone(at: OffsetDateTime) -> String {
    let minutes = at.offset().whole_minutes();
    let sign = if minutes < 0 { '-' } else { '+' };
    format!(
        "UTC{sign}{:02}:{:02}",
        minutes.abs() / 60,
        minutes.abs() % 60
    )
}

/// The enhanced status code in words (RFC 3463).
fn reason(language: Language, r: &RecipientStatus) -> &'static str {
    let detail = r.status.split_once('.').map_or("", |(_, detail)| detail);
    let german = language == Language::German;
    let pick = |de: &'static str, en: &'static str| if german { de } else { en };
    match (r.action, detail) {
        (Action::Delivered, _) => pick(
            "Die Nachricht wurde zugestellt.",
            "The message was delivered.",
        ),
        (Action::Relayed, _) => pick(
            "Die Nachricht wurde an einen Server weitergegeben, der keine Bestätigungen sendet.",
            "The message was passed to a server that sends no confirmations.",
        ),
        (_, "1.1" | "1.3" | "1.6") => pick(
            "Diese Adresse gibt es dort nicht.",
            "This address does not exist there.",
        ),
        (_, "1.2" | "1.10" | "4.4" | "4.6") => pick(
            "Die Domain nach dem @ gibt es nicht, oder sie nimmt keine E-Mail an.",
            "The domain after the @ does not exist or takes no mail.",
        ),
        (_, "2.1") => pick(
            "Das Postfach ist abgeschaltet.",
            "The mailbox is switched off.",
        ),
        (_, "2.2") => pick("Das Postfach ist voll.", "The mailbox is full."),
        (_, "2.3" | "3.4") => pick("Die Nachricht ist zu groß.", "The message is too large."),
        (_, "4.1" | "4.2" | "4.3") => pick(
            "Der Server des Empfängers war nicht zu erreichen.",
            "The recipient's server could not be reached.",
        ),
        (_, "4.7") => pick(
            "Die Zustellung ist in der vorgesehenen Zeit nicht gelungen.",
            "Delivery did not succeed in the time allowed.",
        ),
        (_, detail) if detail.starts_with("7.") => pick(
            "Der Server des Empfängers lehnt die Nachricht ab.",
            "The recipient's server refuses the message.",
        ),
        (Action::Delayed, _) => pick(
            "Der Server des Empfängers hat die Nachricht vorerst nicht angenommen.",
            "The recipient's server has not taken the message so far.",
        ),
        (Action::Failed, _) => pick(
            "Der Server des Empfängers hat die Nachricht nicht angenommen.",
            "The recipient's server did not take the message.",
        ),
    }
}

/// `message/delivery-status` (RFC 3464 2): the fields of the message, then a block for each recipient.
fn status_entity(report: &Report<'_>) -> Result<Vec<u8>, BadHeader> {
    let mut fields = HeaderWriter::new();
    fields.raw(
        "Reporting-MTA",
        &format!("dns; {}", printable(report.reporting_mta)),
    )?;
    if let Some(id) = report
        .envelope_id
        .map(printable)
        .filter(|id| !id.is_empty())
    {
        fields.raw("Original-Envelope-Id", &id)?;
    }
    fields.raw("Arrival-Date", &date::format(report.arrived_at))?;
    let mut out = b"Content-Type: message/delivery-status\r\n\r\n".to_vec();
    out.append(&mut fields.into_bytes());
    for r in report.recipients {
        out.extend_from_slice(b"\r\n");
        let mut fields = HeaderWriter::new();
        if let Some(original) = r
            .original_recipient
            .as_deref()
            .map(printable)
            .filter(|o| o.contains(';'))
        {
            fields.raw("Original-Recipient", &original)?;
        }
        fields.raw("Final-Recipient", &final_recipient(&r.recipient))?;
        fields.raw("Action", r.action.word())?;
        fields.raw("Status", &status_code(r))?;
        if let Some(host) = r
            .remote_mta
            .as_deref()
            .map(printable)
            .filter(|h| !h.is_empty())
        {
            fields.raw("Remote-MTA", &format!("dns; {host}"))?;
        }
        if let Some(diagnostic) = r
            .diagnostic
            .as_deref()
            .map(printable)
            .filter(|d| !d.is_empty())
        {
            fields.raw("Diagnostic-Code", &format!("smtp; {diagnostic}"))?;
        }
        if let Some(at) = r.last_attempt {
            fields.raw("Last-Attempt-Date", &date::format(at))?;
        }
        if let Some(at) = r.will_retry_until.filter(|_| r.action == Action::Delayed) {
            fields.raw("Will-Retry-Until", &date::format(at))?;
        }
        out.append(&mut fields.into_bytes());
    }
    Ok(out)
}

/// The address with its type; one that is not ASCII in the escaped form of RFC 6533 3.
fn final_recipient(address: &Address) -> String {
    let text = address.to_string();
    if text.is_ascii() {
        return format!("rfc822; {}", printable(&text));
    }
    let mut out = String::from("utf-8; ");
    for c in text.chars() {
        match c {
            '!'..='~' if !matches!(c, '\\' | '+' | '=') => out.push(c),
            c => {
                let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
            }
        }
    }
    out
}

/// A code of RFC 3463, or the general one of the action when the caller's is none.
fn status_code(r: &RecipientStatus) -> String {
    let mut parts = r.status.split('.');
    let class = parts.next().is_some_and(|c| matches!(c, "2" | "4" | "5"));
    let number = |n: Option<&str>| {
        n.is_some_and(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let good = class && number(parts.next()) && number(parts.next()) && parts.next().is_none();
    if good {
        return r.status.clone();
    }
    match r.action {
        Action::Failed => "5.0.0",
        Action::Delayed => "4.0.0",
        Action::Delivered | Action::Relayed => "2.0.0",
    }
    .to_owned()
}

/// `text/rfc822-headers` (RFC 6522 4): the header in clean lines, cut between two fields.
fn header_entity(head: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(head.len().min(MAX_HEADER));
    let mut cut = 0;
    for line in head.split_inclusive(|b| *b == b'\n') {
        let is_fold = matches!(line.first(), Some(b' ' | b'\t'));
        if !is_fold {
            cut = clean.len();
        }
        if clean.len() + line.len() + 2 > MAX_HEADER {
            clean.truncate(cut);
            break;
        }
        for piece in line.chunks(990) {
            clean_line_ends(piece, &mut clean);
            if piece.len() == 990 && !piece.ends_with(b"\n") {
                clean.extend_from_slice(b"\r\n ");
            }
        }
    }
    clean.retain(|b| *b != 0);
    let encoding = if clean.is_ascii() { "7bit" } else { "8bit" };
    let mut out = format!(
        "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    .into_bytes();
    out.append(&mut clean);
    out
}

/// Foreign words on one line: printable ASCII, blanks folded, long words broken, at most [`MAX_DIAGNOSTIC`] long.
fn printable(text: &str) -> String {
    let mut out = String::new();
    let mut run = 0;
    for c in text.chars().take(MAX_DIAGNOSTIC) {
        let c = match c {
            '!'..='~' => c,
            c if c.is_ascii() => ' ',
            _ => '?',
        };
        if c == ' ' || run >= 400 {
            run = 0;
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        }
        if c != ' ' {
            out.push(c);
            run += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::{parse, part_text};
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
    const ORIGINAL: &[u8] = b"From: anna@a.de\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <7@a.de>\r\n\r\nsecret body\r\n";

    fn failed(status: &str, diagnostic: &str) -> RecipientStatus {
        RecipientStatus {
            recipient: Address::parse("b@c.de").unwrap(),
            original_recipient: Some("rfc822;b@c.de".into()),
            action: Action::Failed,
            status: status.into(),
            diagnostic: Some(diagnostic.into()),
            remote_mta: Some("mx.c.de".into()),
            last_attempt: Some(NOW),
            will_retry_until: None,
        }
    }

    fn write(recipients: &[RecipientStatus], languages: &[Language], original: &[u8]) -> Vec<u8> {
        let to = Address::parse("anna@a.de").unwrap();
        build(&Report {
            reporting_mta: "mx.a.de",
            to: &to,
            languages,
            date: NOW,
            message_id: "n1@mx.a.de",
            envelope_id: Some("QQ314159"),
            arrived_at: NOW,
            recipients,
            original,
        })
        .unwrap()
    }

    #[test]
    fn a_bounce_has_its_three_parts() {
        let raw = write(
            &[failed("5.1.1", "550 5.1.1 no such user\r\nX-Evil: 1")],
            &[],
            ORIGINAL,
        );
        let p = parse(&raw, NOW, NOW);
        let kinds: Vec<&str> = p.parts.iter().map(|p| p.content_type.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "multipart/report",
                "text/plain",
                "message/delivery-status",
                "text/rfc822-headers"
            ]
        );
        assert_eq!(
            p.subject,
            "Nachricht konnte nicht zugestellt werden / Message could not be delivered"
        );
        assert_eq!(p.auto_submitted.as_deref(), Some("auto-replied"));
        assert_eq!(p.in_reply_to, ["7@a.de"]);
        assert!(!p.has_attachment);
        let part = |i: usize| part_text(p.parts[i].raw_body(&raw), &p.parts[i]);
        let text = part(1);
        assert!(text.contains("Diese Adresse gibt es dort nicht."));
        assert!(text.contains("This address does not exist there."));
        assert!(text.contains("Betreff: Grüße"));
        assert!(text.contains("Antwort von mx.c.de: 550 5.1.1 no such user X-Evil: 1"));
        assert_eq!(
            part(2),
            "Reporting-MTA: dns; mx.a.de\nOriginal-Envelope-Id: QQ314159\nArrival-Date: Mon, 23 Nov 2026 12:00:00 +0000\n\nOriginal-Recipient: rfc822;b@c.de\nFinal-Recipient: rfc822; b@c.de\nAction: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.c.de\nDiagnostic-Code: smtp; 550 5.1.1 no such user X-Evil: 1\nLast-Attempt-Date: Mon, 23 Nov 2026 12:00:00 +0000"
        );
        assert!(!String::from_utf8_lossy(&raw).contains("secret body"));
        assert!(part(3).contains("Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?="));
    }

    #[test]
    fn delays_and_deliveries_say_so() {
        let mut r = failed("4.4.1", "timeout");
        r.action = Action::Delayed;
        r.will_retry_until = Some(datetime!(2026-11-28 12:00 UTC));
        let raw = write(&[r.clone()], &[Language::German], ORIGINAL);
        let p = parse(&raw, NOW, NOW);
        assert_eq!(p.subject, "Zustellung verzögert sich");
        let text = part_text(p.parts[1].raw_body(&raw), &p.parts[1]);
        assert!(
            text.contains("Es wird versucht bis: Samstag, 28. November 2026, 12:00 (UTC+00:00)"),
            "{text}"
        );
        assert!(!text.contains("Answer"));
        r.action = Action::Delivered;
        r.status = "nonsense".into();
        let raw = write(&[r], &[Language::English], ORIGINAL);
        assert_eq!(
            final_recipient(&Address::parse("jörg@a.de").unwrap()),
            "utf-8; j\\x{F6}rg@a.de"
        );
        assert!(String::from_utf8_lossy(&raw).contains("Action: delivered\r\nStatus: 2.0.0\r\n"));
    }

    #[test]
    fn what_goes_back_is_small_and_clean() {
        let mut original = b"Subject: x\r\n".to_vec();
        for _ in 0..20_000 {
            original.extend_from_slice(b"X-Filler: aaaaaaaaaaaaaaaaaaaa\n");
        }
        original.extend_from_slice(b"X:\0a");
        let raw = write(&[failed("5.0.0", &"x".repeat(100_000))], &[], &original);
        assert!(raw.len() < MAX_HEADER + 10_000);
        let text = String::from_utf8(raw).unwrap();
        assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
        assert!(text.split("\r\n").all(|l| l.len() <= 998));
        let long = write(
            &[failed("5.0.0", "")],
            &[],
            &[b"Subject: ".to_vec(), vec![b'y'; 40_000]].concat(),
        );
        assert!(
            String::from_utf8(long)
                .unwrap()
                .split("\r\n")
                .all(|l| l.len() <= 998)
        );
    }
}
