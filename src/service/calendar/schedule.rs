//! What a change of an object makes known, and taking in what others made known.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::error::Refusal;
use crate::format::ical::itip::{
    self, Message, Method, Outcome, apply_cancel, apply_counter, apply_reply, apply_request,
    guests_reply, organizer, organizers_messages,
};
use crate::format::ical::{NewProperty, Object};
use crate::model::AccountId;
use crate::service::items::{At, Denied, FullItem, Items, Precondition};

/// The kind of job rows.
pub(in crate::service) const KIND: &str = "itip";
/// How often a copy is tried again when another door was quicker.
const TRIES: usize = 4;

/// The messages of one change, as the job row keeps them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in crate::service) struct Batch {
    /// Whose address they come from.
    pub from: String,
    /// The objects; guests who see the same share one.
    pub texts: Vec<String>,
    /// To whom, what, which object.
    pub letters: Vec<Letter>,
    /// So many were delivered.
    pub done: usize,
}

/// One message of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::service) struct Letter {
    /// Whose copy.
    pub to: AccountId,
    /// The address they were invited by.
    pub address: String,
    /// What is asked for.
    pub method: Method,
    /// Which of the batch's texts.
    pub text: usize,
}

impl Items {
    /// What a change of `owner`'s object makes known to accounts of this host; none when nothing is.
    pub(in crate::service) async fn plan(
        &self,
        owner: AccountId,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Result<Option<Batch>, Refusal> {
        let own = self.store.own_addresses(owner).await?;
        let Some((from, messages)) = self.messages(&own, before, after) else {
            return Ok(None);
        };
        self.batch(from, messages).await
    }

    fn messages(
        &self,
        own: &[String],
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Option<(String, Vec<Message>)> {
        let read = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let (before, after) = (read(before), read(after));
        let before = before
            .as_deref()
            .and_then(|b| Object::parse(b, &self.limits).ok());
        let after = after
            .as_deref()
            .and_then(|b| Object::parse(b, &self.limits).ok());
        let now = OffsetDateTime::now_utc();
        let host = after.as_ref().or(before.as_ref()).and_then(organizer)?;
        if own.contains(&host) {
            let messages = organizers_messages(before.as_ref(), after.as_ref(), now);
            return Some((host, messages));
        }
        let me = own.iter().find(|address| {
            after
                .as_ref()
                .or(before.as_ref())
                .is_some_and(|o| itip::is_invited(o, address))
        })?;
        let reply = guests_reply(me, before.as_ref(), after.as_ref(), now)?;
        Some((me.clone(), vec![reply]))
    }

    /// Those of the messages that go to accounts of this host.
    async fn batch(&self, from: String, messages: Vec<Message>) -> Result<Option<Batch>, Refusal> {
        if messages.is_empty() {
            return Ok(None);
        }
        let addresses: Vec<String> = messages.iter().map(|m| m.to.clone()).collect();
        let here: HashMap<String, AccountId> = self
            .store
            .accounts_at(&addresses)
            .await?
            .into_iter()
            .collect();
        let mut batch = Batch {
            from,
            ..Batch::default()
        };
        let mut known: HashMap<String, usize> = HashMap::new();
        for message in messages {
            let Some(to) = here.get(&message.to) else {
                continue;
            };
            let Ok(text) = String::from_utf8(message.object) else {
                continue;
            };
            let place = *known.entry(text.clone()).or_insert_with(|| {
                batch.texts.push(text);
                batch.texts.len() - 1
            });
            batch.letters.push(Letter {
                to: *to,
                address: message.to,
                method: message.method,
                text: place,
            });
        }
        Ok((!batch.letters.is_empty()).then_some(batch))
    }

    /// Proposes another time to the organiser of an own copy (RFC 5546 3.2.7). The copy stays as it is.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] without the copy, [`Refusal::Invalid`] when the account is not invited or the organiser is not here.
    pub async fn propose(
        &self,
        at: At,
        href: &str,
        starts: (OffsetDateTime, OffsetDateTime),
    ) -> Result<(), Refusal> {
        if !at.is_own() {
            return Err(Refusal::NotAllowed);
        }
        let item = self.item(at, href).await?;
        let own = self.store.own_addresses(at.owner).await?;
        let message = {
            let object = Object::parse(&item.source, &self.limits)
                .map_err(|_| Refusal::Internal("a stored object that is none"))?;
            let me = own
                .iter()
                .find(|a| itip::is_invited(&object, a))
                .filter(|me| organizer(&object).as_ref() != Some(*me))
                .ok_or(Refusal::Invalid("not invited"))?;
            let line = |name: &str, at: OffsetDateTime| {
                NewProperty::raw(name, &crate::format::ical::DateValue::utc(at).to_ical())
            };
            let end = if object.kind() == crate::format::ical::Kind::Task {
                "DUE"
            } else {
                "DTEND"
            };
            let now = OffsetDateTime::now_utc();
            itip::counter(
                &object,
                me,
                &line("DTSTART", starts.0),
                &line(end, starts.1),
                now,
            )
            .map(|message| (me.clone(), message))
        };
        let (me, message) = message.ok_or(Refusal::Invalid("nobody invites"))?;
        let batch = self
            .batch(me, vec![message])
            .await?
            .ok_or(Refusal::Invalid("the organiser is elsewhere"))?;
        let draft = self.store.draft().await?;
        let mut write = draft.lock(at.owner, crate::model::Charge::NONE).await?;
        write.add_job(KIND, &payload(&batch)?).await?;
        self.hub.wake(write.commit().await?);
        self.work.notify_one();
        Ok(())
    }

    /// Takes one message into its reader's copy: one transaction, tried again when another door was quicker.
    ///
    /// # Errors
    /// [`Denied`]; what cannot be taken in stays as it is.
    pub(in crate::service) async fn take_in(
        &self,
        from: &str,
        letter: &Letter,
        text: &str,
    ) -> Result<(), Denied> {
        for _ in 0..TRIES {
            match self.try_take_in(from, letter, text).await {
                Err(Denied::Refused(Refusal::Stale) | Denied::UidConflict { .. }) => {}
                other => return other,
            }
        }
        Err(Refusal::Stale.into())
    }

    async fn try_take_in(&self, from: &str, letter: &Letter, text: &str) -> Result<(), Denied> {
        let (uid, kind) = {
            let message = Object::parse(text.as_bytes(), &self.limits)?;
            (message.uid().to_owned(), message.kind())
        };
        let mine = self
            .store
            .items_of_uid(letter.to, kind.word(), &uid)
            .await?
            .into_iter()
            .next();
        let own = match letter.method {
            Method::Reply | Method::Counter => self.store.own_addresses(letter.to).await?,
            Method::Request | Method::Cancel | Method::DeclineCounter => Vec::new(),
        };
        let outcome = self.outcome(from, letter, text, mine.as_ref(), &own)?;
        match (outcome, mine) {
            (Outcome::Changed(bytes), Some(item)) => {
                let at = At::own(letter.to, item.row.collection_id);
                let when = Precondition::Is(item.row.modseq);
                self.put_quietly(at, &item.row.href, bytes, when).await?;
            }
            (Outcome::Changed(bytes), None) => {
                let shelf = self.default_shelf(letter.to, kind.collection()).await?;
                let name = Sha256::digest(uid.as_bytes());
                let name = name
                    .iter()
                    .take(16)
                    .fold(0u128, |n, byte| (n << 8) | u128::from(*byte));
                self.put_quietly(
                    shelf.at,
                    &format!("{name:032x}.ics"),
                    bytes,
                    Precondition::Absent,
                )
                .await?;
            }
            (Outcome::Gone, Some(item)) => {
                let at = At::own(letter.to, item.row.collection_id);
                let when = Precondition::Is(item.row.modseq);
                self.remove_quietly(at, &item.row.href, when).await?;
            }
            (Outcome::Same, _) | (Outcome::Gone, None) => {}
        }
        Ok(())
    }

    fn outcome(
        &self,
        from: &str,
        letter: &Letter,
        text: &str,
        mine: Option<&FullItem>,
        own: &[String],
    ) -> Result<Outcome, Denied> {
        let message = Object::parse(text.as_bytes(), &self.limits)?;
        let mine = match mine {
            Some(item) => Some(Object::parse(&item.source, &self.limits)?),
            None => None,
        };
        let is_host = || {
            mine.as_ref()
                .and_then(organizer)
                .is_some_and(|host| own.contains(&host))
        };
        Ok(match (letter.method, &mine) {
            (Method::Request, mine) => {
                // Only who invites may invite: the sender's own address stands in the object.
                if organizer(&message).as_deref() == Some(from) {
                    apply_request(mine.as_ref(), &message, &letter.address)
                } else {
                    Outcome::Same
                }
            }
            (Method::Cancel, Some(mine)) if organizer(mine).as_deref() == Some(from) => {
                apply_cancel(mine, &message)
            }
            (Method::Reply, Some(mine)) if is_host() => apply_reply(mine, &message, from),
            (Method::Counter, Some(mine)) if is_host() => apply_counter(mine, &message, from),
            _ => Outcome::Same,
        })
    }
}

/// A batch as the job row keeps it.
pub(in crate::service) fn payload(batch: &Batch) -> Result<serde_json::Value, Refusal> {
    serde_json::to_value(batch).map_err(|_| Refusal::Internal("a batch that is no JSON"))
}
