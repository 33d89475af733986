//! Answering and forwarding: subject, references, recipients, quote (RFC 5322 3.6, RFC 3676 4.5).

use time::OffsetDateTime;

use super::read::{MAX_REFERENCES, Parsed};
use super::{Language, subject, text};
use crate::format::address::{Address, Mailbox};

/// `Re: ` and the subject without its marks; `AW:` and `Re:` never double.
#[must_use]
pub fn reply_subject(original: &str) -> String {
    marked("Re:", original)
}

/// `Fwd: ` and the subject without its marks.
#[must_use]
pub fn forward_subject(original: &str) -> String {
    marked("Fwd:", original)
}

fn marked(mark: &str, original: &str) -> String {
    let base = subject::base(original).text;
    if base.is_empty() {
        mark.to_owned()
    } else {
        format!("{mark} {base}")
    }
}

/// What an answer needs to know of the message it answers: of one just read, or of what is stored of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Original<'a> {
    /// Without brackets, here and below.
    pub message_id: Option<&'a str>,
    pub in_reply_to: &'a [String],
    pub references: &'a [String],
    pub from: &'a [Mailbox],
    pub sender: &'a [Mailbox],
    pub reply_to: &'a [Mailbox],
    pub to: &'a [Mailbox],
    pub cc: &'a [Mailbox],
    pub subject: &'a str,
    /// The list's address ([`Parsed::list_post`]).
    pub list_post: Option<&'a str>,
}

impl<'a> From<&'a Parsed> for Original<'a> {
    fn from(parsed: &'a Parsed) -> Self {
        Self {
            message_id: parsed.message_id.as_deref(),
            in_reply_to: &parsed.in_reply_to,
            references: &parsed.references,
            from: &parsed.from,
            sender: &parsed.sender,
            reply_to: &parsed.reply_to,
            to: &parsed.to,
            cc: &parsed.cc,
            subject: &parsed.subject,
            list_post: parsed.list_post.as_deref(),
        }
    }
}

/// What a reply names in its threading headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadHeaders {
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
}

/// `In-Reply-To` and `References` of a reply to `original` (RFC 5322 3.6.4).
///
/// A long chain keeps its first id, which is the thread's, and its last ones.
#[must_use]
pub fn thread_headers(original: &Original<'_>) -> ThreadHeaders {
    let Some(id) = original.message_id.map(str::to_owned) else {
        return ThreadHeaders {
            in_reply_to: Vec::new(),
            references: original.references.to_vec(),
        };
    };
    let mut references = match (original.references, original.in_reply_to) {
        ([], [only]) => vec![only.clone()],
        (references, _) => references.to_vec(),
    };
    references.retain(|r| *r != id);
    if references.len() >= MAX_REFERENCES {
        let surplus = references.len() + 1 - MAX_REFERENCES;
        references.drain(1..=surplus);
    }
    references.push(id.clone());
    ThreadHeaders {
        in_reply_to: vec![id],
        references,
    }
}

/// To whom an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyTo {
    /// To the sender, or where the sender asked for it.
    Sender,
    /// To everybody who got the message as well.
    All,
    /// To the mailing list it came by; as [`ReplyTo::Sender`] when it came by none.
    List,
}

/// Recipients of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipients {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
}

/// The recipients of an answer to `original` by somebody who owns the addresses `own` (with any `+tag`).
///
/// `Reply-To` stands before `From`. The own addresses never get an answer to oneself, unless nobody else is left. An
/// answer to a message one has sent oneself goes to its recipients once more.
#[must_use]
pub fn recipients(original: &Original<'_>, own: &[Address], kind: ReplyTo) -> Recipients {
    let own: Vec<String> = own.iter().map(Address::compare_form).collect();
    let is_own = |m: &Mailbox| {
        m.smtp_address().is_ok_and(|a| {
            own.contains(&a.compare_form()) || own.contains(&a.base().compare_form())
        })
    };
    let reachable = |list: &[Mailbox]| -> Vec<Mailbox> {
        list.iter()
            .filter(|m| m.smtp_address().is_ok())
            .cloned()
            .collect()
    };

    if let (ReplyTo::List, Some(list)) = (kind, original.list_post) {
        let to = vec![Mailbox {
            name: String::new(),
            address: list.to_owned(),
        }];
        return Recipients { to, cc: Vec::new() };
    }
    let from_self = !original.from.is_empty() && original.from.iter().all(is_own);
    let author = [original.reply_to, original.from, original.sender]
        .into_iter()
        .map(reachable)
        .find(|list| !list.is_empty())
        .unwrap_or_default();
    let mut to = if from_self {
        reachable(original.to)
    } else {
        author.clone()
    };
    let mut cc = Vec::new();
    if kind == ReplyTo::All {
        if !from_self {
            cc = reachable(original.to);
        }
        cc.extend(reachable(original.cc));
    }
    let mut seen = std::collections::HashSet::new();
    to.retain(|m| !is_own(m) && seen.insert(m.compare_form()));
    cc.retain(|m| !is_own(m) && seen.insert(m.compare_form()));
    if to.is_empty() {
        if cc.is_empty() {
            // A note to oneself is answered to oneself.
            to = if from_self && !original.to.is_empty() {
                reachable(original.to)
            } else {
                author
            };
            let mut once = std::collections::HashSet::new();
            to.retain(|m| once.insert(m.compare_form()));
        } else {
            to = std::mem::take(&mut cc);
        }
    }
    Recipients { to, cc }
}

/// Quotes a plain text: `> ` before each line, `>` before lines that are quotes already (RFC 3676 4.5).
///
/// The signature and empty lines at the end are left out.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if let Some(at) = lines
        .iter()
        .rposition(|l| *l == "-- ")
        .filter(|at| lines.len() - at <= MAX_SIGNATURE)
    {
        lines.truncate(at);
    }
    while lines.last().is_some_and(|l| l.trim().is_empty()) {
        lines.pop();
    }
    let mut out = String::with_capacity(text.len() + lines.len() * 2);
    for line in lines {
        let line = line.trim_end();
        out.push_str(if line.is_empty() || line.starts_with('>') {
            ">"
        } else {
            "> "
        });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Quotes a text part as it stands in a message: flowed lines are joined first.
#[must_use]
pub fn quote_part(text: &str, part: &super::Part) -> String {
    if part.content_type == "text/html" {
        quote(&text::from_html(text, false, usize::MAX))
    } else if part.is_flowed {
        quote(&text::unflow(text, part.is_delsp))
    } else {
        quote(text)
    }
}

/// Lines a signature may have; a `-- ` further up is part of the text.
const MAX_SIGNATURE: usize = 25;

/// The line above a quote. `at` is the message's date in the reader's own zone.
#[must_use]
pub fn attribution(language: Language, author: &str, at: OffsetDateTime) -> String {
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    match language {
        Language::German => {
            let month = u8::from(at.month());
            format!("Am {day:02}.{month:02}.{year} um {hour:02}:{minute:02} schrieb {author}:")
        }
        Language::English => {
            let month = at.month();
            format!("On {day} {month} {year} at {hour:02}:{minute:02}, {author} wrote:")
        }
    }
}

/// The lines above a forwarded text: who wrote what to whom and when, `at` in the reader's own zone.
#[must_use]
pub fn forward_head(language: Language, original: &Original<'_>, at: OffsetDateTime) -> String {
    let people = |list: &[Mailbox]| {
        list.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (title, names) = match language {
        Language::German => (
            "---------- Weitergeleitete Nachricht ----------",
            ["Von", "Datum", "Betreff", "An", "Kopie"],
        ),
        Language::English => (
            "---------- Forwarded message ----------",
            ["From", "Date", "Subject", "To", "Cc"],
        ),
    };
    let values = [
        people(original.from),
        written_date(language, at),
        original.subject.to_owned(),
        people(original.to),
        people(original.cc),
    ];
    let mut out = format!("{title}\n");
    for (name, value) in names
        .iter()
        .zip(values)
        .filter(|(_, value)| !value.is_empty())
    {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(&value);
        out.push('\n');
    }
    out
}

/// `Montag, 23. November 2026, 09:05` or `Monday, 23 November 2026, 09:05`.
pub(super) fn written_date(language: Language, at: OffsetDateTime) -> String {
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    match language {
        Language::English => format!(
            "{}, {day} {} {year}, {hour:02}:{minute:02}",
            at.weekday(),
            at.month()
        ),
        Language::German => {
            let weekday = match at.weekday() {
                time::Weekday::Monday => "Montag",
                time::Weekday::Tuesday => "Dienstag",
                time::Weekday::Wednesday => "Mittwoch",
                time::Weekday::Thursday => "Donnerstag",
                time::Weekday::Friday => "Freitag",
                time::Weekday::Saturday => "Samstag",
                time::Weekday::Sunday => "Sonntag",
            };
            let month = match at.month() {
                time::Month::January => "Januar",
                time::Month::February => "Februar",
                time::Month::March => "März",
                time::Month::April => "April",
                time::Month::May => "Mai",
                time::Month::June => "Juni",
                time::Month::July => "Juli",
                time::Month::August => "August",
                time::Month::September => "September",
                time::Month::October => "Oktober",
                time::Month::November => "November",
                time::Month::December => "Dezember",
            };
            format!("{weekday}, {day}. {month} {year}, {hour:02}:{minute:02}")
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::parse;
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 09:05 UTC);

    fn read(head: &str) -> Parsed {
        parse(format!("{head}\n\nText\n").as_bytes(), NOW, NOW)
    }

    fn own(list: &[&str]) -> Vec<Address> {
        list.iter().map(|a| Address::parse(a).unwrap()).collect()
    }

    fn show(list: &[Mailbox]) -> String {
        list.iter()
            .map(|m| m.address.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn subjects_are_marked_once() {
        assert_eq!(reply_subject("AW: Re: Angebot"), "Re: Angebot");
        assert_eq!(reply_subject(""), "Re:");
        assert_eq!(forward_subject("WG: Fwd: Angebot"), "Fwd: Angebot");
    }

    #[test]
    fn the_chain_of_references_grows_at_its_end() {
        let t = thread_headers(&Original::from(&read(
            "Message-ID: <3@a>\nReferences: <1@a> <2@a>",
        )));
        assert_eq!(t.in_reply_to, ["3@a"]);
        assert_eq!(t.references, ["1@a", "2@a", "3@a"]);
        let t = thread_headers(&Original::from(&read(
            "Message-ID: <3@a>\nIn-Reply-To: <2@a>",
        )));
        assert_eq!(t.references, ["2@a", "3@a"]);
        assert_eq!(
            thread_headers(&Original::from(&read("Subject: x"))),
            ThreadHeaders::default()
        );
        let mut long = read("Message-ID: <new@a>");
        long.references = (0..100).map(|i| format!("{i}@a")).collect();
        let t = thread_headers(&Original::from(&long));
        assert_eq!(t.references.len(), 100);
        assert_eq!(
            (
                t.references[0].as_str(),
                t.references[1].as_str(),
                t.references[99].as_str()
            ),
            ("0@a", "2@a", "new@a")
        );
    }

    #[test]
    fn answers_reach_the_right_people() {
        let me = own(&["me@a.de", "alias@a.de"]);
        let m =
            read("From: anna@b.de\nTo: ME@a.de, carl@b.de\nCc: dora@b.de, me+shop@a.de, anna@b.de");
        let r = recipients(&Original::from(&m), &me, ReplyTo::Sender);
        assert_eq!(
            (show(&r.to), show(&r.cc)),
            ("anna@b.de".into(), String::new())
        );
        let r = recipients(&Original::from(&m), &me, ReplyTo::All);
        assert_eq!(
            (show(&r.to), show(&r.cc)),
            ("anna@b.de".into(), "carl@b.de dora@b.de".into())
        );

        let m = read("From: anna@b.de\nReply-To: office@b.de\nTo: me@a.de");
        assert_eq!(
            show(&recipients(&Original::from(&m), &me, ReplyTo::All).to),
            "office@b.de"
        );

        let m = read("From: me@a.de\nTo: anna@b.de\nCc: carl@b.de");
        let r = recipients(&Original::from(&m), &me, ReplyTo::All);
        assert_eq!(
            (show(&r.to), show(&r.cc)),
            ("anna@b.de".into(), "carl@b.de".into())
        );
        assert_eq!(
            show(&recipients(&Original::from(&m), &me, ReplyTo::Sender).to),
            "anna@b.de"
        );

        let m = read("From: me@a.de\nTo: me@a.de");
        assert_eq!(
            show(&recipients(&Original::from(&m), &me, ReplyTo::Sender).to),
            "me@a.de"
        );
        let m = read("From: root\nTo: me@a.de");
        assert_eq!(
            recipients(&Original::from(&m), &me, ReplyTo::All),
            Recipients::default()
        );
    }

    #[test]
    fn a_list_is_answered_to_the_list() {
        let m = read("From: anna@b.de\nTo: list@b.de\nList-Post: <mailto:list@b.de?subject=x>");
        assert_eq!(
            show(&recipients(&Original::from(&m), &[], ReplyTo::List).to),
            "list@b.de"
        );
        let m = read("From: anna@b.de\nList-Post: NO");
        assert_eq!(
            show(&recipients(&Original::from(&m), &[], ReplyTo::List).to),
            "anna@b.de"
        );
    }

    #[test]
    fn quotes_are_marked_as_rfc_3676_wants() {
        assert_eq!(
            quote("Hallo\n\n> alt\n>> älter\nNeu  \n\n-- \nJörg\n"),
            "> Hallo\n>\n>> alt\n>>> älter\n> Neu\n"
        );
        assert_eq!(quote(""), "");
    }

    #[test]
    fn heads_are_written_in_both_languages() {
        assert_eq!(
            attribution(Language::German, "Jörg", NOW),
            "Am 23.11.2026 um 09:05 schrieb Jörg:"
        );
        assert_eq!(
            attribution(Language::English, "Jörg", NOW),
            "On 23 November 2026 at 09:05, Jörg wrote:"
        );
        let m = read("From: Anna <a@b.de>\nTo: c@d.de\nSubject: Hi");
        assert_eq!(
            forward_head(Language::German, &Original::from(&m), NOW),
            "---------- Weitergeleitete Nachricht ----------\nVon: Anna <a@b.de>\nDatum: Montag, 23. November 2026, 09:05\nBetreff: Hi\nAn: c@d.de\n"
        );
    }
}
