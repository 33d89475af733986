//! One mail transaction as a client (RFC 5321 3.3), without I/O: what is said, and what each answer means for each
//! recipient.
//!
//! ```text
//! MAIL ── RCPT .. RCPT ── DATA ──354── content ── end of data ── done
//!   with PIPELINING in one go            └ nobody accepted: "." alone, or RSET
//! ```
//!
//! A recipient has one answer at the end. After the end of data nothing is
//! tried elsewhere at once: the host may have taken the message whose answer we did not get, and another host would make a
//! second copy of it (S-07).
//!
//! Departure: a message with 8-bit text goes out as it is, also to a host without 8BITMIME (RFC 6152 3 wants it converted
//! or returned). Hosts that are not 8-bit clean have not been met for decades, and converting would break signatures.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::capabilities::Capabilities;
use super::said;
use crate::service::outgoing::transport::{Answer, Mail, MailRecipient, Verdict};
use crate::smtp::path::{Mailbox, PathLimits};
use crate::smtp::reply::{Reply, Status};

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes this; then reads replies as long as something is awaited.
    Write(Vec<u8>),
    /// Writes the message, calls [`Transaction::end_of_data`], writes the end of data; then reads the reply.
    Content,
    /// Every recipient has its answer.
    Done,
}

/// What a reply is awaited for; each has its own time (RFC 5321 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// MAIL
    Mail,
    /// RCPT of one recipient, by its place.
    Rcpt(usize),
    /// DATA
    Data,
    /// The end of data.
    End,
    /// The end of data that nobody gets, or RSET.
    Nothing,
}

/// The transaction.
#[derive(Debug)]
pub struct Transaction {
    mail: String,
    rcpts: Vec<String>,
    pipelining: bool,
    passes_dsn: bool,
    stage: Stage,
    awaited: VecDeque<Awaited>,
    recipients: Vec<Place>,
    connection: Connection,
    is_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Good,
    Gone,
}

#[derive(Debug)]
enum Place {
    Open,
    Accepted,
    Done(Answer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Mail,
    Rcpt(usize),
    Data,
    Content,
    CloseData,
    Reset,
    Over,
}

impl Transaction {
    /// Prepares a transaction; what the host cannot take has its answer already.
    #[must_use]
    pub fn new(mail: &Mail<'_>, host: &Capabilities) -> Self {
        let refusal = refusal(mail, host);
        let sender = if mail.sender.is_empty() {
            Some("<>".to_owned())
        } else {
            path(mail.sender)
        };
        let mut rcpts = Vec::with_capacity(mail.recipients.len());
        let mut recipients = Vec::with_capacity(mail.recipients.len());
        for recipient in mail.recipients {
            let line = path(recipient.address).map(|to| rcpt(&to, recipient, host));
            recipients.push(match (&refusal, &sender, &line) {
                (Some(why), ..) => Place::Done(why.clone()),
                (None, None, _) => failed("5.1.7", "The sender's address cannot be written"),
                (None, Some(_), None) => failed("5.1.3", "The address cannot be written"),
                (None, Some(_), Some(_)) if needs_smtputf8(recipient, host) => failed(
                    "5.6.7",
                    "The host takes no addresses beyond ASCII (SMTPUTF8)",
                ),
                (None, Some(_), Some(_)) => Place::Open,
            });
            rcpts.push(line.unwrap_or_default());
        }
        Self {
            mail: mail_from(&sender.unwrap_or_default(), mail, host),
            rcpts,
            pipelining: host.pipelining,
            passes_dsn: host.dsn,
            stage: Stage::Start,
            awaited: VecDeque::new(),
            recipients,
            connection: Connection::Good,
            is_ended: false,
        }
    }

    /// What comes next; call it when nothing is awaited.
    pub fn step(&mut self) -> Step {
        match self.stage {
            Stage::Start if !self.has(|p| matches!(p, Place::Open)) => self.over(),
            Stage::Start if self.pipelining => {
                let mut all = self.mail.clone();
                self.awaited.push_back(Awaited::Mail);
                for (n, (line, place)) in self.rcpts.iter().zip(&self.recipients).enumerate() {
                    if matches!(place, Place::Open) {
                        all.push_str(line);
                        self.awaited.push_back(Awaited::Rcpt(n));
                    }
                }
                all.push_str("DATA\r\n");
                self.awaited.push_back(Awaited::Data);
                self.stage = Stage::Data;
                Step::Write(all.into_bytes())
            }
            Stage::Start => {
                self.stage = Stage::Mail;
                self.say(self.mail.clone(), Awaited::Mail)
            }
            Stage::Mail => self.next_rcpt(0),
            Stage::Rcpt(n) => self.next_rcpt(n.saturating_add(1)),
            // The answer to DATA moves the stage on, to one of the next three.
            Stage::Data | Stage::Reset => {
                self.stage = Stage::Over;
                self.say("RSET\r\n".to_owned(), Awaited::Nothing)
            }
            Stage::CloseData => {
                self.stage = Stage::Over;
                self.say(".\r\n".to_owned(), Awaited::Nothing)
            }
            Stage::Content => {
                self.stage = Stage::Over;
                self.awaited.push_back(Awaited::End);
                Step::Content
            }
            Stage::Over => self.over(),
        }
    }

    /// The end of data is about to be written: from here on the host may have the message.
    pub fn end_of_data(&mut self) {
        self.is_ended = true;
    }

    /// What the next reply is for.
    #[must_use]
    pub fn awaited(&self) -> Option<Awaited> {
        self.awaited.front().copied()
    }

    /// Takes the next reply.
    pub fn reply(&mut self, reply: &Reply) {
        if reply.code() == 421 {
            self.connection = Connection::Gone;
        }
        match self.awaited.pop_front() {
            Some(Awaited::Mail) if !is_done(reply) => {
                self.settle(&self.answer(reply, refused(reply)));
                if self.stage == Stage::Mail {
                    self.stage = Stage::Reset;
                }
            }
            Some(Awaited::Rcpt(n)) => {
                let place = if is_done(reply) {
                    Place::Accepted
                } else if is_too_many(reply) {
                    Place::Done(self.answer(reply, Verdict::Elsewhere))
                } else {
                    Place::Done(self.answer(reply, refused(reply)))
                };
                // After a refused MAIL the answer is settled, whatever the host says to RCPT.
                if let Some(open @ Place::Open) = self.recipients.get_mut(n) {
                    *open = place;
                }
            }
            Some(Awaited::Data) => {
                let anybody = self.has(|p| matches!(p, Place::Accepted));
                self.stage = match (reply.code(), anybody) {
                    (354, true) => Stage::Content,
                    (354, false) => Stage::CloseData,
                    _ => Stage::Reset,
                };
                if self.stage == Stage::Reset {
                    self.settle(&self.answer(reply, refused(reply)));
                }
            }
            Some(Awaited::End) => {
                let verdict = if is_done(reply) {
                    Verdict::Sent
                } else if reply.is_permanent() {
                    Verdict::Failed
                } else {
                    Verdict::Later
                };
                self.settle(&self.answer(reply, verdict));
            }
            Some(Awaited::Mail | Awaited::Nothing) | None => {}
        }
        if self.connection == Connection::Gone {
            self.lost(&format!("The host closes: {}", said(reply).1));
        }
    }

    /// The connection is gone or of no use: whoever has no answer gets this one.
    pub fn lost(&mut self, why: &str) {
        let verdict = if self.is_ended {
            Verdict::Later
        } else {
            Verdict::Elsewhere
        };
        self.settle(&Answer::local(verdict, "4.4.2", why));
        self.connection = Connection::Gone;
        self.stage = Stage::Over;
        self.awaited.clear();
    }

    /// Whether the connection can be used for another transaction.
    #[must_use]
    pub fn leaves_usable(&self) -> bool {
        self.connection == Connection::Good
    }

    /// The answers, in the recipients' order.
    #[must_use]
    pub fn answers(self) -> Vec<Answer> {
        self.recipients
            .into_iter()
            .map(|place| match place {
                Place::Done(answer) => answer,
                Place::Open | Place::Accepted => {
                    Answer::local(Verdict::Later, "4.3.0", "The transaction came to no end")
                }
            })
            .collect()
    }

    fn next_rcpt(&mut self, from: usize) -> Step {
        let open = self
            .recipients
            .iter()
            .enumerate()
            .skip(from)
            .find(|(_, place)| matches!(place, Place::Open))
            .map(|(n, _)| n);
        if let Some(n) = open {
            self.stage = Stage::Rcpt(n);
            let line = self.rcpts.get(n).cloned().unwrap_or_default();
            return self.say(line, Awaited::Rcpt(n));
        }
        if self.has(|p| matches!(p, Place::Accepted)) {
            self.stage = Stage::Data;
            return self.say("DATA\r\n".to_owned(), Awaited::Data);
        }
        self.stage = Stage::Over;
        self.say("RSET\r\n".to_owned(), Awaited::Nothing)
    }

    fn say(&mut self, line: String, awaited: Awaited) -> Step {
        self.awaited.push_back(awaited);
        Step::Write(line.into_bytes())
    }

    fn over(&mut self) -> Step {
        self.stage = Stage::Over;
        Step::Done
    }

    fn has(&self, what: fn(&Place) -> bool) -> bool {
        self.recipients.iter().any(what)
    }

    /// Gives everybody without an answer this one.
    fn settle(&mut self, answer: &Answer) {
        for place in &mut self.recipients {
            if !matches!(place, Place::Done(_)) {
                *place = Place::Done(answer.clone());
            }
        }
    }

    fn answer(&self, reply: &Reply, verdict: Verdict) -> Answer {
        let (status, text) = said(reply);
        Answer {
            verdict,
            status,
            text,
            is_remote: true,
            passes_dsn: self.passes_dsn && verdict == Verdict::Sent,
        }
    }
}

/// 2xx: only at the end of data does it mean that the host has the message.
fn is_done(reply: &Reply) -> bool {
    matches!(reply.code(), 200..=299)
}

/// What a refusal before the end of data means; an answer that makes no sense at its place is one too, and no success.
fn refused(reply: &Reply) -> Verdict {
    if reply.is_permanent() {
        Verdict::Failed
    } else {
        Verdict::Elsewhere
    }
}

/// RFC 5321 4.5.3.1.10: 552 for "too many recipients" is meant as 452. With a status code that says something else, such
/// as a message beyond the quota, it is meant as it stands.
fn is_too_many(reply: &Reply) -> bool {
    reply.code() == 552
        && reply
            .status()
            .is_none_or(|status| status == Status(5, 5, 3))
}

/// Why the host cannot take this message at all, if we know it beforehand.
fn refusal(mail: &Mail<'_>, host: &Capabilities) -> Option<Answer> {
    let size = u64::try_from(mail.size_bytes).unwrap_or(u64::MAX);
    if let Some(most) = host.size.filter(|most| size > *most) {
        return Some(Answer::local(
            Verdict::Failed,
            "5.3.4",
            format!("The message has {size} octets, the host takes {most}"),
        ));
    }
    if (mail.needs_utf8 || !mail.sender.is_ascii()) && !host.smtputf8 {
        return Some(Answer::local(
            Verdict::Failed,
            "5.6.7",
            "The host takes no addresses beyond ASCII (SMTPUTF8)",
        ));
    }
    None
}

fn needs_smtputf8(recipient: &MailRecipient<'_>, host: &Capabilities) -> bool {
    !recipient.address.is_ascii() && !host.smtputf8
}

fn failed(status: &str, text: &str) -> Place {
    Place::Done(Answer::local(Verdict::Failed, status, text))
}

/// The address in angle brackets; none when it could break the line it stands in.
fn path(address: &str) -> Option<String> {
    let limits = PathLimits {
        path: 1_024,
        local: 512,
        ..PathLimits::default()
    };
    Mailbox::parse(address, &limits).ok()?;
    Some(format!("<{address}>"))
}

fn mail_from(sender: &str, mail: &Mail<'_>, host: &Capabilities) -> String {
    let mut line = format!("MAIL FROM:{sender}");
    if host.has_size {
        write!(line, " SIZE={}", mail.size_bytes).ok();
    }
    if host.eight_bit_mime {
        line.push_str(" BODY=8BITMIME");
    }
    let foreign = !mail.sender.is_ascii() || mail.recipients.iter().any(|r| !r.address.is_ascii());
    if host.smtputf8 && (mail.needs_utf8 || foreign) {
        line.push_str(" SMTPUTF8");
    }
    if host.dsn {
        line.push_str(if mail.ret_full {
            " RET=FULL"
        } else {
            " RET=HDRS"
        });
        if let Some(id) = mail.env_id.filter(|id| is_word(id)) {
            write!(line, " ENVID={id}").ok();
        }
    }
    line.push_str("\r\n");
    line
}

fn rcpt(to: &str, recipient: &MailRecipient<'_>, host: &Capabilities) -> String {
    let mut line = format!("RCPT TO:{to}");
    if host.dsn {
        if !recipient.notify.is_empty() && recipient.notify.iter().all(|word| is_word(word)) {
            write!(line, " NOTIFY={}", recipient.notify.join(",")).ok();
        }
        if let Some(original) = recipient.orcpt.filter(|text| is_word(text)) {
            write!(line, " ORCPT={original}").ok();
        }
    }
    line.push_str("\r\n");
    line
}

/// Printable and without a blank, so that it stays one parameter.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests;
