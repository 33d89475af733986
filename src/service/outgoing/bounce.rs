//! Who is told what about a message's fate (RFC 3461 5.2, 6; security.md 9).
//!
//! | outcome | told when |
//! | --- | --- |
//! | failed | NOTIFY says FAILURE, or nothing |
//! | delayed | NOTIFY says DELAY, or nothing; once a recipient, after `queue.delay_notice` |
//! | sent | NOTIFY says SUCCESS, and the next host does not tell it itself |
//!
//! Only for mail that a user of ours submitted, and to its envelope sender; never about a notice or to the null sender.
//! What cannot be told is counted and logged, so that it does not go without a trace.

use std::time::Duration;

use rand::RngExt;
use time::OffsetDateTime;

use super::deliver::Told;
use super::transport::Verdict;
use super::worker::Worker;
use super::{Outgoing, schedule};
use crate::config;
use crate::error::{Refusal, StoreError};
use crate::format::address::Address;
use crate::format::mime::dsn::{self, Action, RecipientStatus, Report};
use crate::format::mime::{Language, head};
use crate::store::queue::{
    Claim, ClaimedRecipient, Content, Fate, NewOutbound, NewRecipient, Notice, Outcome,
};

/// What is written about one recipient, and what its sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// For the queue.
    pub outcome: Outcome,
    /// For the sender; none: nothing.
    pub tells: Option<Action>,
    /// It failed and nobody may be told.
    pub is_silent_failure: bool,
}

/// Decides about one recipient.
pub(super) fn decide(
    claim: &Claim,
    recipient: &ClaimedRecipient,
    told: &Told,
    settings: &config::Queue,
) -> Decision {
    let may_tell = claim.account.is_some() && !claim.sender.is_empty() && !claim.is_bounce;
    let wants = |word: &str| {
        may_tell
            && if recipient.notify.is_empty() {
                word != "SUCCESS"
            } else {
                recipient.notify.iter().any(|w| w == word)
            }
    };
    let (fate, tells) = match told.answer.verdict {
        Verdict::Sent => {
            let action = if told.tls.is_none() {
                Action::Delivered
            } else {
                Action::Relayed
            };
            let tells = wants("SUCCESS") && !told.answer.passes_dsn;
            (Fate::Sent, tells.then_some(action))
        }
        Verdict::Failed => (Fate::Failed, wants("FAILURE").then_some(Action::Failed)),
        Verdict::Elsewhere | Verdict::Later => {
            match schedule::next(recipient.attempts, claim.left, settings) {
                schedule::Next::GiveUp => {
                    (Fate::Failed, wants("FAILURE").then_some(Action::Failed))
                }
                schedule::Next::Retry(wait) => {
                    let is_late = claim.age >= settings.delay_notice && !recipient.delay_told;
                    let tells_delay = is_late && wants("DELAY");
                    (
                        Fate::Retry { wait, tells_delay },
                        tells_delay.then_some(Action::Delayed),
                    )
                }
            }
        }
    };
    Decision {
        is_silent_failure: fate == Fate::Failed && !may_tell,
        outcome: Outcome {
            recipient_id: recipient.recipient_id,
            fate,
            status: told.answer.status.clone(),
            reply: told.answer.text.clone(),
            host: told.host.clone(),
            tls: told.tls.clone(),
        },
        tells,
    }
}

/// A notice, written.
pub(super) struct Written {
    about: Vec<i32>,
    bytes: Vec<u8>,
    to: Vec<NewRecipient>,
}

impl Written {
    /// As the queue takes it: the null sender, and nothing is told about it in turn.
    pub fn notice(&self, outgoing: &Outgoing) -> Notice<'_> {
        Notice {
            about: self.about.clone(),
            mail: NewOutbound {
                is_bounce: true,
                ..outgoing.outbound("", Content::bytes(&self.bytes), &self.to)
            },
        }
    }
}

impl Worker {
    /// Writes the notices that the decisions call for, one for each kind.
    pub(super) async fn notices(
        &self,
        claim: &Claim,
        decisions: &[Decision],
    ) -> Result<Vec<Written>, Refusal> {
        let mut written = Vec::new();
        if decisions.iter().all(|d| d.tells.is_none()) {
            return Ok(written);
        }
        let Ok(to) = Address::parse(&claim.sender) else {
            return Ok(written);
        };
        let account = match claim.account {
            Some(account) => self.app.accounts.account(account).await.ok(),
            None => None,
        };
        let language = match account.as_ref().map(|a| a.locale.as_str()) {
            Some("en") => Language::English,
            _ => Language::German,
        };
        let zone = account.map_or(String::new(), |a| a.time_zone);
        let original = self.original_header(claim).await?;
        let host = &self.app.config.server.hostname;
        let envelope_id = claim.env_id.as_deref().map(decode_xtext);
        for action in [
            Action::Failed,
            Action::Delayed,
            Action::Delivered,
            Action::Relayed,
        ] {
            let about: Vec<&Decision> = decisions
                .iter()
                .filter(|d| d.tells == Some(action))
                .collect();
            if about.is_empty() {
                continue;
            }
            let recipients = statuses(claim, &about, action, &zone);
            let report = Report {
                reporting_mta: host,
                to: &to,
                languages: &[language],
                date: local(OffsetDateTime::now_utc(), &zone),
                message_id: &head::new_message_id(rand::rng().random(), host),
                envelope_id: envelope_id.as_deref(),
                arrived_at: local(claim.created_at, &zone),
                recipients: &recipients,
                original: &original,
            };
            let bytes = match dsn::build(&report) {
                Ok(bytes) => bytes,
                Err(e) => {
                    // Ours to mend; the outcome is recorded all the same, or the message would be sent for ever.
                    tracing::error!(queue_id = claim.queue_id.0, error = %e, "a notice could not be written");
                    continue;
                }
            };
            written.push(Written {
                about: about.iter().map(|d| d.outcome.recipient_id).collect(),
                bytes,
                to: self.app.outgoing.recipients([&to]),
            });
        }
        Ok(written)
    }

    /// The beginning of the message, as much as a notice may bring back.
    async fn original_header(&self, claim: &Claim) -> Result<Vec<u8>, StoreError> {
        use futures_util::TryStreamExt;
        let mut chunks = std::pin::pin!(self.queue.content(claim.queue_id));
        let mut original = Vec::new();
        while let Some(chunk) = chunks.try_next().await? {
            original.extend_from_slice(&chunk);
            if original.len() > dsn::MAX_HEADER || head::body_start(&original, false).is_some() {
                break;
            }
        }
        Ok(original)
    }
}

fn statuses(
    claim: &Claim,
    about: &[&Decision],
    action: Action,
    zone: &str,
) -> Vec<RecipientStatus> {
    let now = OffsetDateTime::now_utc();
    about
        .iter()
        .filter_map(|decision| {
            let outcome = &decision.outcome;
            let recipient = claim
                .recipients
                .iter()
                .find(|r| r.recipient_id == outcome.recipient_id)?;
            Some(RecipientStatus {
                recipient: Address::parse(&recipient.address).ok()?,
                original_recipient: recipient.orcpt.as_deref().map(decode_xtext),
                action,
                status: status_of(&outcome.status, action),
                diagnostic: Some(outcome.reply.clone()).filter(|t| !t.is_empty()),
                remote_mta: Some(outcome.host.clone()).filter(|h| !h.is_empty()),
                last_attempt: Some(local(now, zone)),
                will_retry_until: Some(local(now.saturating_add(signed(claim.left)), zone)),
            })
        })
        .collect()
}

/// RFC 3464 2.3.4: a failure that came of waiting keeps the 4 in front; a delay is never a 5.
fn status_of(status: &str, action: Action) -> String {
    match (action, status.split_once('.')) {
        (Action::Delayed, Some(("5", rest))) => format!("4.{rest}"),
        _ => status.to_owned(),
    }
}

fn signed(left: Duration) -> time::Duration {
    time::Duration::try_from(left).unwrap_or(time::Duration::ZERO)
}

/// The instant with the offset of the account's time zone; UTC where that is unknown.
fn local(at: OffsetDateTime, zone: &str) -> OffsetDateTime {
    use chrono::{Offset, TimeZone};
    let offset = zone
        .parse::<chrono_tz::Tz>()
        .ok()
        .zip(chrono::DateTime::from_timestamp(at.unix_timestamp(), 0))
        .map(|(zone, at)| zone.offset_from_utc_datetime(&at.naive_utc()).fix())
        .and_then(|offset| time::UtcOffset::from_whole_seconds(offset.local_minus_utc()).ok());
    at.to_offset(offset.unwrap_or(time::UtcOffset::UTC))
}

/// RFC 3461 4: `+` and two hexadecimal digits stand for an octet. What does not decode stays as it is.
fn decode_xtext(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = |b: &u8| {
            char::from(*b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let octet = match (first, tail) {
            (b'+', [a, b, ..]) => hex(a).zip(hex(b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        if let Some(octet) = octet {
            out.push(octet);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::transport::Answer;
    use super::*;
    use crate::model::{AccountId, QueueId};

    fn claim() -> Claim {
        Claim {
            queue_id: QueueId(1),
            account: Some(AccountId(1)),
            sender: "anna@x.test".to_owned(),
            ret_full: false,
            env_id: None,
            needs_utf8: false,
            is_bounce: false,
            size_bytes: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            age: Duration::ZERO,
            left: Duration::from_hours(100),
            destination: "y.test".to_owned(),
            lease: OffsetDateTime::UNIX_EPOCH,
            recipients: Vec::new(),
        }
    }

    fn told(verdict: Verdict, remote: bool, passes_dsn: bool) -> Told {
        Told {
            answer: Answer {
                passes_dsn,
                ..Answer::local(verdict, "4.0.0", "text")
            },
            host: String::new(),
            tls: remote.then(|| "none".to_owned()),
        }
    }

    fn tells(claim: &Claim, notify: &[&str], told: &Told) -> Option<Action> {
        let recipient = ClaimedRecipient {
            recipient_id: 1,
            address: "b@y.test".to_owned(),
            notify: notify.iter().map(|w| (*w).to_owned()).collect(),
            orcpt: None,
            attempts: 0,
            delay_told: false,
        };
        decide(claim, &recipient, told, &config::Queue::default()).tells
    }

    #[test]
    fn the_table_of_rfc_3461() {
        let failed = told(Verdict::Failed, true, false);
        let sent = told(Verdict::Sent, true, false);
        let here = told(Verdict::Sent, false, false);
        let later = told(Verdict::Later, true, false);
        let old = Claim {
            age: Duration::from_hours(5),
            ..claim()
        };
        let over = Claim {
            left: Duration::ZERO,
            ..claim()
        };
        for (claim, notify, told, expected) in [
            (claim(), &[][..], &failed, Some(Action::Failed)),
            (claim(), &["FAILURE"], &failed, Some(Action::Failed)),
            (claim(), &["NEVER"], &failed, None),
            (claim(), &["SUCCESS"], &failed, None),
            (claim(), &[], &sent, None),
            (claim(), &["SUCCESS"], &sent, Some(Action::Relayed)),
            (claim(), &["SUCCESS"], &here, Some(Action::Delivered)),
            (
                claim(),
                &["SUCCESS"],
                &self::told(Verdict::Sent, true, true),
                None,
            ),
            (claim(), &[], &later, None),
            (old.clone(), &[], &later, Some(Action::Delayed)),
            (old.clone(), &["DELAY"], &later, Some(Action::Delayed)),
            (old, &["FAILURE"], &later, None),
            (over, &[], &later, Some(Action::Failed)),
        ] {
            assert_eq!(tells(&claim, notify, told), expected, "{notify:?} {told:?}");
        }
    }

    #[test]
    fn s30_strangers_and_notices_are_told_nothing() {
        let failed = told(Verdict::Failed, true, false);
        for claim in [
            Claim {
                account: None,
                ..claim()
            },
            Claim {
                sender: String::new(),
                ..claim()
            },
            Claim {
                is_bounce: true,
                ..claim()
            },
        ] {
            assert_eq!(
                tells(&claim, &["FAILURE", "SUCCESS", "DELAY"], &failed),
                None
            );
        }
    }

    #[test]
    fn times_in_the_senders_zone() {
        let at = time::macros::datetime!(2026-11-23 12:00 UTC);
        assert_eq!(local(at, "Europe/Berlin").hour(), 13);
        assert_eq!(local(at, "nowhere").hour(), 12);
    }

    /// RFC 3461 4's own example of an encoded address.
    #[test]
    fn xtext() {
        assert_eq!(decode_xtext("rfc822;Bob+2Bx@y.test"), "rfc822;Bob+x@y.test");
        for odd in ["a+", "a+2", "a+zz", "+FF"] {
            assert_eq!(decode_xtext(odd), odd);
        }
    }
}
