//! `demo.test`: two mailboxes with sample mail, made by `postamt demo` for trying the host out.
//!
//! Nothing but the demo has known passwords. The letters stand in `demo/letters.txt`, written by us; they are put
//! through the same parser and the same write path as mail from outside, in all the header encodings that senders
//! use. A mailbox that exists already is left as it is.

use std::fmt::Write as _;

use time::{Duration, OffsetDateTime};

use crate::error::Refusal;
use crate::format::html::html_to_text;
use crate::format::mime::codec;
use crate::i18n::Lang;
use crate::model::{AccountId, Flags, Role, SpecialUse};
use crate::service::App;
use crate::service::accounts::admin::{Actor, CreateAccount};
use crate::service::mail::Arrival;
use crate::store::mail::Target;

/// The demo's domain.
pub const DOMAIN: &str = "demo.test";

/// A mailbox of the demo, with its known password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// The address, also the name to sign in with.
    pub address: &'static str,
    /// The name people see.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
    lang: Lang,
    role: Role,
}

/// Who lives at the demo.
pub const PEOPLE: [Person; 2] = [
    Person {
        address: "anna@demo.test",
        name: "Anna Lindström",
        password: "kranich-segel-ofenrohr-41",
        lang: Lang::De,
        role: Role::DomainAdmin,
    },
    Person {
        address: "ben@demo.test",
        name: "Ben Carter",
        password: "harbour-lantern-thicket-58",
        lang: Lang::En,
        role: Role::User,
    },
];

/// Makes the demo where it is missing; how many letters were put into mailboxes.
///
/// # Errors
/// [`Refusal`] when the database goes away, or a letter of ours cannot be stored.
pub async fn prepare(app: &App) -> Result<usize, Refusal> {
    let actor = Actor::command_line();
    match app.accounts.create_domain(&actor, DOMAIN).await {
        Ok(_) | Err(Refusal::Exists) => {}
        Err(refusal) => return Err(refusal),
    }
    let now = OffsetDateTime::now_utc();
    let mut letters = 0;
    for person in PEOPLE {
        let new = CreateAccount {
            address: person.address,
            display_name: person.name,
            role: Some(person.role),
            lang: Some(person.lang),
            password: Some(person.password),
            must_change: Some(false),
            ..CreateAccount::default()
        };
        match app.accounts.create_account(&actor, &new).await {
            Ok(created) => letters += fill(app, created.account, person, now).await?,
            Err(Refusal::Exists) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(letters)
}

/// Puts a person's letters into the new mailbox, the oldest first, as time would have.
async fn fill(
    app: &App,
    account: AccountId,
    person: Person,
    now: OffsetDateTime,
) -> Result<usize, Refusal> {
    let mut letters: Vec<Letter<'_>> = letters().filter(|letter| letter.is_for(person)).collect();
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.hours_ago));
    for letter in &letters {
        let at = now - Duration::hours(letter.hours_ago);
        let received = app.mail.receive_whole(&letter.message(person, at)).await?;
        let arrival = Arrival {
            received_at: at,
            ..Arrival::to(Target::Special(letter.folder), letter.flags())
        };
        app.mail.append(account, &received, &arrival).await?;
    }
    Ok(letters.len())
}

/// A letter of `letters.txt`.
#[derive(Debug)]
struct Letter<'a> {
    /// Its own name, for those that answer it.
    id: &'a str,
    /// The letter it answers, with the whole chain before it.
    answers: Vec<&'a str>,
    mailbox: &'a str,
    folder: SpecialUse,
    from: &'a str,
    subject: &'a str,
    /// How the subject is encoded: `q`, `b`, `latin1`, `raw`.
    encoding: &'a str,
    hours_ago: i64,
    marks: &'a str,
    /// `name type`, its content after the line `--`.
    attachment: Option<&'a str>,
    headers: Vec<&'a str>,
    body: &'a str,
}

/// All letters, in the order of the file.
fn letters() -> impl Iterator<Item = Letter<'static>> {
    LETTERS
        .split("\n====\n")
        .filter(|text| !text.trim().is_empty())
        .map(Letter::read)
}

impl<'a> Letter<'a> {
    fn read(text: &'a str) -> Self {
        let (head, body) = text.trim_start().split_once("\n\n").unwrap_or((text, ""));
        let mut letter = Letter {
            id: "",
            answers: Vec::new(),
            mailbox: "",
            folder: SpecialUse::Inbox,
            from: "",
            subject: "",
            encoding: "q",
            hours_ago: 0,
            marks: "",
            attachment: None,
            headers: Vec::new(),
            body,
        };
        for line in head.lines() {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            match key {
                "id" => letter.id = value,
                "re" => letter.answers = value.split(' ').collect(),
                "box" => letter.mailbox = value,
                "in" => letter.folder = SpecialUse::from_word(value).unwrap_or(SpecialUse::Inbox),
                "from" => letter.from = value,
                "subject" => letter.subject = value,
                "enc" => letter.encoding = value,
                "ago" => letter.hours_ago = value.parse().unwrap_or(0),
                "marks" => letter.marks = value,
                "attach" => letter.attachment = Some(value),
                _ => letter.headers.push(line),
            }
        }
        letter
    }

    fn is_for(&self, person: Person) -> bool {
        person.address.split('@').next() == Some(self.mailbox)
    }

    fn flags(&self) -> Flags {
        self.marks
            .split(' ')
            .fold(Flags::NONE, |flags, mark| match mark {
                "seen" => flags.with(Flags::SEEN),
                "starred" => flags.with(Flags::FLAGGED),
                "answered" => flags.with(Flags::ANSWERED),
                _ => flags,
            })
    }

    /// The whole message as its sender's program would have written it.
    fn message(&self, person: Person, at: OffsetDateTime) -> Vec<u8> {
        let mut out = String::new();
        let from = if self.from.is_empty() {
            named(person.name, person.address)
        } else {
            self.from.to_owned()
        };
        let (name, address) = from.split_once(" <").unwrap_or(("", &from));
        let _ = write!(out, "From: {} <{address}\r\n", encode(name, self.encoding));
        if !self.headers.iter().any(|line| line.starts_with("To: ")) {
            let _ = write!(
                out,
                "To: {} <{}>\r\n",
                encode(person.name, "q"),
                person.address
            );
        }
        for line in &self.headers {
            let _ = write!(out, "{line}\r\n");
        }
        let _ = write!(out, "Subject: {}\r\n", encode(self.subject, self.encoding));
        let date = at
            .format(&time::format_description::well_known::Rfc2822)
            .unwrap_or_default();
        let _ = write!(
            out,
            "Date: {date}\r\nMessage-ID: {}\r\n",
            message_id(self.id)
        );
        if let Some(parent) = self.answers.last() {
            let chain: Vec<String> = self.answers.iter().map(|id| message_id(id)).collect();
            let _ = write!(
                out,
                "In-Reply-To: {}\r\nReferences: {}\r\n",
                message_id(parent),
                chain.join(" ")
            );
        }
        out.push_str("MIME-Version: 1.0\r\n");
        let (text, attached) = self.body.split_once("\n--\n").unwrap_or((self.body, ""));
        let mut bytes = out.into_bytes();
        match self.attachment.and_then(|words| words.split_once(' ')) {
            Some((name, kind)) => {
                part(&mut bytes, b"Content-Type: multipart/mixed; boundary=\"demo-mixed\"\r\n\r\n--demo-mixed\r\n");
                content(&mut bytes, text);
                let head = format!(
                    "--demo-mixed\r\nContent-Type: {kind}\r\nContent-Disposition: attachment; \
                     filename*=utf-8''{}\r\nContent-Transfer-Encoding: base64\r\n\r\n",
                    percent(name)
                );
                part(&mut bytes, head.as_bytes());
                codec::base64_lines(attached.as_bytes(), &mut bytes);
                part(&mut bytes, b"--demo-mixed--\r\n");
            }
            None => content(&mut bytes, text),
        }
        bytes
    }
}

/// A text part; one that begins with a tag is sent as HTML with its text beside it, as newsletters are.
fn content(out: &mut Vec<u8>, text: &str) {
    if !text.trim_start().starts_with('<') {
        return one_text(out, "plain", text);
    }
    part(out, b"Content-Type: multipart/alternative; boundary=\"demo-alternative\"\r\n\r\n--demo-alternative\r\n");
    one_text(out, "plain", &html_to_text(text));
    part(out, b"--demo-alternative\r\n");
    one_text(out, "html", text);
    part(out, b"--demo-alternative--\r\n");
}

fn one_text(out: &mut Vec<u8>, kind: &str, text: &str) {
    let head = format!(
        "Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    );
    part(out, head.as_bytes());
    codec::quoted_printable(text, out);
    part(out, b"\r\n");
}

fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn named(name: &str, address: &str) -> String {
    format!("{name} <{address}>")
}

fn message_id(id: &str) -> String {
    format!("<{id}@letters.demo.test>")
}

/// A header's text in the encoding its sender would have chosen (RFC 2047; `raw` is RFC 6532).
fn encode(text: &str, encoding: &str) -> String {
    if text.is_ascii() || encoding == "raw" {
        return text.to_owned();
    }
    let word = |charset: &str, bytes: &[u8]| {
        let body = bytes.iter().fold(String::new(), |mut word, byte| {
            match byte {
                b' ' => word.push('_'),
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => word.push(char::from(*byte)),
                _ => {
                    let _ = write!(word, "={byte:02X}");
                }
            }
            word
        });
        format!("=?{charset}?Q?{body}?=")
    };
    match encoding {
        "b" => format!("=?UTF-8?B?{}?=", codec::base64(text.as_bytes())),
        "latin1" => {
            let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(text);
            word("iso-8859-1", &bytes)
        }
        _ => word("utf-8", text.as_bytes()),
    }
}

fn percent(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

const LETTERS: &str = include_str!("demo/letters.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_whole() {
        let all: Vec<_> = letters().collect();
        assert!(all.len() >= 60, "{}", all.len());
        for letter in &all {
            assert!(
                !letter.id.is_empty() && !letter.subject.is_empty() && !letter.body.is_empty(),
                "{letter:?}"
            );
            assert!(
                PEOPLE.iter().any(|person| letter.is_for(*person)),
                "{letter:?}"
            );
            for id in &letter.answers {
                assert!(
                    all.iter().any(|other| other.id == *id),
                    "{} answers {id}",
                    letter.id
                );
            }
        }
    }

    #[test]
    fn letters_read_back_as_they_were_meant() {
        let now = OffsetDateTime::now_utc();
        for letter in letters() {
            let message = letter.message(PEOPLE[0], now);
            let parsed = crate::format::mime::read::parse(&message, now, now);
            assert_eq!(parsed.subject, letter.subject);
            assert_eq!(
                parsed.has_attachment,
                letter.attachment.is_some(),
                "{}",
                letter.id
            );
            assert_eq!(parsed.references.len(), letter.answers.len());
            let name = letter.from.split(" <").next().unwrap();
            assert!(
                name.is_empty() || parsed.from[0].name == name,
                "{}",
                letter.id
            );
        }
    }
}
