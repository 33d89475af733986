//! What a device is to be told of a mail folder, and what it tells (MS-ASCMD 2.2.1.21; two generations, one interval each).
//!
//! ```text
//!            backfill                frontier
//!    still to come |  the device knows  |  still to come     UID, and of these only what is not below the bound
//!   ---------------+--------------------+----------------->
//!    <-- pages of the first sync          new arrivals -->
//! ```
//!
//! `previous` is what the device had when it asked last, `current` what it has if it got the answer. Asked with `current`'s key,
//! receipt is proven: a page is made from there on, and becomes `current`. Asked with `previous`' key, the answer was lost: the same
//! stretch again with the content of now, under the same key.
//!
//! One page, in this order: what left and changed, what fell out of the filter, what arrived, the first sync's rest, what a wider
//! filter lets in. Numbers are read before rows, so what comes in between comes again and is never lost.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime, Time};

use super::Devices;
use super::hierarchy::{first_key, next_key};
use super::mail_commands::{Command, Ran};
use crate::error::Refusal;
use crate::model::{AccountId, FolderId, ModSeq, SyncPoint};
use crate::store::device_sync::{Bound, Interval, OPEN};

pub use crate::store::message::MessageRow;

/// Why a folder cannot be synchronised.
#[derive(Debug)]
pub enum SyncFault {
    /// The device knows another state, or one too old: it starts anew.
    Key,
    /// There is no such folder (any more).
    NoFolder,
    /// Another exchange of the device is at work on the folder: try again.
    Busy,
    /// A service said no.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for SyncFault {
    fn from(e: E) -> Self {
        Self::Refused(e.into())
    }
}

/// Days of mail a filter lets in; none: all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(pub Option<u16>);

/// Where a device stands in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub point: SyncPoint,
    pub known: Interval,
}

/// What a device knows at one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Generation {
    key: String,
    pub position: Position,
    /// (UID, change number) of the device's own changes.
    pub echo: Vec<(i64, ModSeq)>,
    /// What it wants to see, in the door's own words.
    options: Value,
}

/// What to tell of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// It left the folder.
    Delete,
    /// It is outside the filter now.
    SoftDelete,
    /// Its flags.
    Change,
    /// All of it.
    Add,
}

/// One message to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How.
    pub tell: Tell,
    /// Which.
    pub uid: i64,
    pub(super) after: Position,
}

/// A page that may still be cut shorter.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub entries: Vec<Entry>,
    pub end: Position,
    pub more: bool,
}

/// How a device asks.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The folder.
    pub folder: FolderId,
    /// The key it has.
    pub key: AskedKey<'a>,
    /// What it wants to see from now on; none: as before.
    pub options: Option<Value>,
    /// Days of mail it wants, by its options.
    pub days: fn(&Value) -> Option<u16>,
    /// What it did.
    pub commands: &'a [Command],
    /// Whether deleted messages go to the trash.
    pub deletes_as_moves: bool,
    /// Whether it wants to be told anything.
    pub get_changes: bool,
    /// Most messages to tell of.
    pub window: usize,
}

/// The key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedKey<'a> {
    /// This one.
    Key(&'a str),
    /// Whichever is valid now: an empty request repeats the last one.
    Current,
}

/// An exchange under way: it has the turn, and ends with [`Exchange::finish`].
#[derive(Debug)]
pub struct Exchange {
    by: i64,
    folder: FolderId,
    current: Generation,
    previous: Option<Generation>,
    /// What is kept without a new key.
    is_touched: bool,
    page: Page,
    /// A lost answer is given again; nothing moves on.
    is_repeat: bool,
    /// The device's commands demand a new key.
    must_go_on: bool,
    /// What became of the commands, in their order.
    pub ran: Vec<Ran>,
    /// The messages to tell of, in order.
    pub rows: Vec<MessageRow>,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The key the device has then.
    pub key: String,
    /// There is more to tell.
    pub more: bool,
    /// Nothing happened; the key is the one it had.
    pub is_same: bool,
}

impl Exchange {
    /// What to tell, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.page.entries
    }

    /// What the device wants to see.
    #[must_use]
    pub fn options(&self) -> &Value {
        &self.current.options
    }

    /// Whether there is nothing to answer but the key.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.page.entries.is_empty() && !self.must_go_on
    }
}

impl Devices {
    /// Begins anew: everything known of the folder on this device is forgotten. Returns the first key.
    ///
    /// # Errors
    /// [`SyncFault`].
    pub async fn start_mail(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
        options: Option<Value>,
    ) -> Result<String, SyncFault> {
        let row = self
            .store
            .folder(account, folder)
            .await?
            .ok_or(SyncFault::NoFolder)?;
        let (by, _, _) = self.turn(account, device, folder).await?;
        // The number first: what comes after it is told.
        let upto = self.store.modseq(account).await?;
        let highest = self
            .store
            .folder(account, folder)
            .await?
            .map_or(row.uid_next, |row| row.uid_next)
            .0
            .saturating_sub(1);
        let current = Generation {
            key: first_key(),
            position: Position {
                point: SyncPoint::at(upto),
                known: Interval {
                    backfill: highest,
                    frontier: highest,
                    bound: OPEN,
                },
            },
            echo: Vec::new(),
            options: options.unwrap_or(Value::Null),
        };
        let key = current.key.clone();
        self.give_back(account, device, folder, by, Some((&current, None)))
            .await?;
        Ok(key)
    }

    /// Takes the turn, runs the device's commands and chooses what to tell. The caller must come back to [`Devices::finish_mail`].
    ///
    /// # Errors
    /// [`SyncFault`]; then nothing is left to finish.
    pub async fn exchange_mail(
        &self,
        account: AccountId,
        device: &str,
        ask: Ask<'_>,
    ) -> Result<Exchange, SyncFault> {
        let folder = ask.folder;
        self.waits.asked(account, device);
        self.store
            .folder(account, folder)
            .await?
            .ok_or(SyncFault::NoFolder)?;
        let (by, current, previous) = self.turn(account, device, folder).await?;
        let made = match current {
            Some(current) => self.make(account, (by, current, previous), ask).await,
            None => Err(SyncFault::Key),
        };
        if made.is_err() {
            self.store
                .end_device_turn(account, device, folder, by, None)
                .await?;
        }
        made
    }

    /// Ends an exchange after `taken` of its entries were told, and keeps what the device knows then.
    ///
    /// # Errors
    /// [`SyncFault::Busy`] when the turn was lost; nothing may be answered then.
    pub async fn finish_mail(
        &self,
        account: AccountId,
        device: &str,
        exchange: Exchange,
        taken: usize,
    ) -> Result<Finished, SyncFault> {
        let Exchange {
            by,
            folder,
            mut current,
            previous,
            is_touched,
            page,
            is_repeat,
            must_go_on,
            ..
        } = exchange;
        let is_cut = taken < page.entries.len();
        let more = page.more || is_cut;
        if is_repeat {
            let kept = is_touched.then_some((&current, previous.as_ref()));
            let key = current.key.clone();
            self.give_back(account, device, folder, by, kept).await?;
            return Ok(Finished {
                key,
                more,
                is_same: false,
            });
        }
        if page.entries.is_empty() && !must_go_on {
            // Nothing to say; so that a quiet folder never falls behind what is pruned, the place moves on from time to time.
            let is_far = page.end.point.modseq.0 - current.position.point.modseq.0 > FAR;
            if is_far {
                current.position = page.end;
            }
            let kept = (is_touched || is_far).then_some((&current, previous.as_ref()));
            let key = current.key.clone();
            self.give_back(account, device, folder, by, kept).await?;
            return Ok(Finished {
                key,
                more: false,
                is_same: true,
            });
        }
        let position = match taken.checked_sub(1).and_then(|last| page.entries.get(last)) {
            Some(last) if is_cut || page.more => last.after,
            None if is_cut => current.position,
            Some(_) | None => page.end,
        };
        let mut next = Generation {
            key: next_key(&current.key),
            position,
            echo: current.echo.clone(),
            options: current.options.clone(),
        };
        let told = position.point;
        next.echo
            .retain(|(uid, modseq)| (modseq.0, *uid) > (told.modseq.0, told.object));
        let key = next.key.clone();
        self.give_back(account, device, folder, by, Some((&next, Some(&current))))
            .await?;
        Ok(Finished {
            key,
            more,
            is_same: false,
        })
    }

    /// Ends an exchange of which nothing is answered; what the device's commands did stays done, and stays known.
    pub async fn drop_mail(&self, account: AccountId, device: &str, exchange: Exchange) {
        let kept = exchange
            .is_touched
            .then_some((&exchange.current, exchange.previous.as_ref()));
        let given = self
            .give_back(account, device, exchange.folder, exchange.by, kept)
            .await;
        if let Err(fault) = given {
            // It ends by itself.
            tracing::debug!(account = account.0, ?fault, "a turn was not given back");
        }
    }

    /// Messages of a folder by their UIDs, with everything a device is told of them.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn messages(
        &self,
        account: AccountId,
        folder: FolderId,
        uids: &[i64],
    ) -> Result<Vec<MessageRow>, Refusal> {
        Ok(self.store.messages_at(account, folder, uids).await?)
    }

    /// Whether the next exchange would tell the device anything: the same choice, one entry of it, with the filter as it stands.
    ///
    /// # Errors
    /// [`SyncFault::NoFolder`]; a device that never began is told nothing.
    pub async fn has_news(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
    ) -> Result<bool, SyncFault> {
        let row = self
            .store
            .folder(account, folder)
            .await?
            .ok_or(SyncFault::NoFolder)?;
        let state = self.store.device_state(account, device, folder).await?;
        let Some(current) = state.and_then(|state| Generation::deserialize(&state.current).ok())
        else {
            return Ok(false);
        };
        let position = current.position;
        let is_still = row.content_modseq <= position.point.modseq
            && row.uid_next.0 <= position.known.frontier.saturating_add(1)
            && position.known.backfill == 0;
        if is_still {
            return Ok(false);
        }
        match self
            .page(account, folder, &current, position.known.bound, 1)
            .await
        {
            Ok(page) => Ok(!page.entries.is_empty()),
            // It has to start anew, and learns so by asking.
            Err(SyncFault::Key) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    /// How much the next exchanges would tell a device with this key, at most `most`.
    ///
    /// # Errors
    /// [`SyncFault`].
    pub async fn estimate_mail(
        &self,
        account: AccountId,
        device: &str,
        (folder, key): (FolderId, &str),
        days: Option<Days>,
        most: usize,
    ) -> Result<usize, SyncFault> {
        self.store
            .folder(account, folder)
            .await?
            .ok_or(SyncFault::NoFolder)?;
        let state = self
            .store
            .device_state(account, device, folder)
            .await?
            .ok_or(SyncFault::Key)?;
        let read = |value: &Value| Generation::deserialize(value).ok().filter(|g| g.key == key);
        let known = read(&state.current)
            .or_else(|| state.previous.as_ref().and_then(read))
            .ok_or(SyncFault::Key)?;
        let target = days.map_or(known.position.known.bound, |Days(days)| bound_of(days));
        Ok(self
            .page(account, folder, &known, target, most)
            .await?
            .entries
            .len())
    }

    async fn make(
        &self,
        account: AccountId,
        (by, mut current, previous): (i64, Generation, Option<Generation>),
        ask: Ask<'_>,
    ) -> Result<Exchange, SyncFault> {
        let is_key = |g: &Generation| ask.key == AskedKey::Key(&g.key);
        let is_current = ask.key == AskedKey::Current || is_key(&current);
        let lost = previous
            .as_ref()
            .filter(|g| !is_current && is_key(g))
            .cloned();
        if !is_current && lost.is_none() {
            return Err(SyncFault::Key);
        }
        let mut is_touched = false;
        if let Some(options) = &ask.options
            && *options != current.options
        {
            current.options.clone_from(options);
            is_touched = true;
        }
        let mut ran = Vec::new();
        let mut did = false;
        if !ask.commands.is_empty() {
            let began = lost.as_ref().unwrap_or(&current).position.point;
            let (results, echo) = self.run(account, &ask, began, &current.echo).await?;
            ran = results;
            did = true;
            is_touched |= !echo.is_empty();
            for (uid, modseq) in echo {
                current.echo.retain(|(known, _)| *known != uid);
                current.echo.push((uid, modseq));
            }
        }
        let target = bound_of((ask.days)(&current.options));
        let page = match &lost {
            Some(lost) => {
                self.lost_page(account, ask.folder, lost, &current, target)
                    .await?
            }
            None if ask.get_changes => {
                self.page(account, ask.folder, &current, target, ask.window)
                    .await?
            }
            None => Page {
                entries: Vec::new(),
                end: current.position,
                more: false,
            },
        };
        let wanted: Vec<i64> = page
            .entries
            .iter()
            .filter(|e| matches!(e.tell, Tell::Add | Tell::Change))
            .map(|e| e.uid)
            .collect();
        let rows = if wanted.is_empty() {
            Vec::new()
        } else {
            self.store.messages_at(account, ask.folder, &wanted).await?
        };
        Ok(Exchange {
            by,
            folder: ask.folder,
            current,
            previous,
            is_touched,
            page,
            is_repeat: lost.is_some(),
            must_go_on: did,
            ran,
            rows,
        })
    }

    /// Takes the turn, waiting a little for an exchange that has it.
    async fn turn(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
    ) -> Result<(i64, Option<Generation>, Option<Generation>), SyncFault> {
        let by = rand::rng().random::<i64>();
        let until = tokio::time::Instant::now() + TURN_WAIT;
        loop {
            if let Some(row) = self
                .store
                .take_device_turn(account, device, folder, (by, TURN_SECONDS))
                .await?
            {
                let read = |value: &Value| Generation::deserialize(value).ok();
                return Ok((by, read(&row.current), row.previous.as_ref().and_then(read)));
            }
            if tokio::time::Instant::now() >= until {
                return Err(SyncFault::Busy);
            }
            tokio::time::sleep(TURN_LOOK).await;
        }
    }

    async fn give_back(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
        by: i64,
        state: Option<(&Generation, Option<&Generation>)>,
    ) -> Result<(), SyncFault> {
        let value =
            |g: &Generation| serde_json::to_value(g).map_err(|_| Refusal::Internal("device state"));
        let kept = match state {
            None => {
                self.store
                    .end_device_turn(account, device, folder, by, None)
                    .await?
            }
            Some((current, previous)) => {
                let current = value(current)?;
                let previous = previous.map(value).transpose()?;
                self.store
                    .end_device_turn(
                        account,
                        device,
                        folder,
                        by,
                        Some((&current, previous.as_ref())),
                    )
                    .await?
            }
        };
        if kept { Ok(()) } else { Err(SyncFault::Busy) }
    }
}

/// The bound of a filter of so many days: it moves with the day, not with every request.
fn bound_of(days: Option<u16>) -> Bound {
    match days {
        None => OPEN,
        Some(days) => Bound {
            at: OffsetDateTime::now_utc().replace_time(Time::MIDNIGHT)
                - Duration::days(days.into()),
            id: 0,
        },
    }
}

/// Change numbers after which the place of a quiet folder is moved on.
const FAR: i64 = 1_000;
/// Seconds an exchange may have the turn; its node is dead then.
const TURN_SECONDS: i32 = 60;
/// How long a second exchange waits for the turn.
const TURN_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
const TURN_LOOK: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_moves_with_the_day() {
        assert_eq!(bound_of(None), OPEN);
        let three = bound_of(Some(3));
        assert_eq!(three.at.time(), Time::MIDNIGHT);
        assert!(three > bound_of(Some(7)) && bound_of(Some(7)) > OPEN);
    }
}
