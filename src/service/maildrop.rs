//! The inbox as POP3 sees it: a numbered snapshot, read piece by piece, emptied at the end (RFC 1939 4 to 6).
//!
//! ```text
//! open    numbers 1..n for the UIDs there are now, kept as gaps and runs (two octets a gap): 100,000 messages in a few KB
//! page    sizes of 500 messages at a time, asked when one of them is
//! read    a message in pieces, one held at a time
//! remove  500 messages a transaction, their octets out of the quota with them
//! ```
//!
//! No lock is held: every phone and program of a user opens its own snapshot, and the browser goes on meanwhile. What
//! another door removed in between has no size and no content any more ([`Maildrop::message`] finds none); its number stays.
//! Reading changes nothing: a program that collects mail every few minutes does not take the unread mark from the
//! phone and the browser.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};

use super::App;
use crate::error::Refusal;
use crate::model::{AccountId, BodyId, Charge, EmailId, FolderId, Uid};
use crate::store::Store;
use crate::store::maildrop::MaildropRow;

/// A snapshot of an inbox.
pub struct Maildrop {
    app: App,
    account: AccountId,
    folder: FolderId,
    uid_validity: i64,
    uids: Numbered,
    octets: u64,
    page: Option<Page>,
}

/// A message that is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    uid: Uid,
    email: EmailId,
    size_bytes: i64,
    /// Octets as lines that end in CRLF (RFC 1939 11).
    pub octets: u64,
}

/// What a removal did before it ended.
#[derive(Debug, Default)]
pub struct Removal {
    /// Messages that are gone by it.
    pub messages: usize,
    /// Why it ended early.
    pub refused: Option<Refusal>,
}

/// Sizes of the messages `first..`, as many as a page holds.
#[derive(Debug)]
struct Page {
    number: u32,
    rows: Vec<MaildropRow>,
}

impl App {
    /// The inbox of `account` as it is now.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`] for an account without one, [`Refusal::Unavailable`].
    pub async fn maildrop(&self, account: AccountId) -> Result<Maildrop, Refusal> {
        let mut opened: Option<Maildrop> = None;
        let mut runs = std::pin::pin!(self.store().maildrop_runs(account));
        while let Some(run) = runs.try_next().await? {
            let drop = opened.get_or_insert_with(|| Maildrop {
                app: self.clone(),
                account,
                folder: run.folder_id,
                uid_validity: run.uid_validity,
                uids: Numbered::default(),
                octets: u64::try_from(run.crlf_bytes).unwrap_or_default(),
                page: None,
            });
            drop.uids.push(
                run.first_uid.0,
                u32::try_from(run.messages).unwrap_or(u32::MAX),
            );
            drop.octets += u64::try_from(run.octets).unwrap_or_default();
        }
        opened.ok_or(Refusal::NoFolder)
    }
}

impl Maildrop {
    /// Messages of the snapshot, numbered from 1.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.uids.count
    }

    /// Octets of all of them, as lines.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whose it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Octets that the snapshot itself takes, for whoever watches memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.uids.steps.capacity() + self.uids.marks.capacity() * size_of::<Mark>()
    }

    /// What tells a message from every other one for ever: `uidvalidity.uid` (RFC 1939 7, UIDL).
    #[must_use]
    pub fn unique_id(&self, number: u32) -> Option<String> {
        let uid = self.uids.uid(number)?;
        Some(format!("{}.{uid}", self.uid_validity))
    }

    /// Numbers with their unique ids, from `from` on.
    pub fn unique_ids(&self, from: u32) -> impl Iterator<Item = (u32, String)> + '_ {
        self.uids
            .iter_from(from)
            .map(|(number, uid)| (number, format!("{}.{uid}", self.uid_validity)))
    }

    /// The message of a number; none when there is no such number, or another door removed it meanwhile.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn message(&mut self, number: u32) -> Result<Option<Message>, Refusal> {
        let Some(uid) = self.uids.uid(number) else {
            return Ok(None);
        };
        let of_page = number.saturating_sub(1) / PAGE;
        if self.page.as_ref().is_none_or(|page| page.number != of_page) {
            self.page = Some(self.load(of_page).await?);
        }
        let rows = self.page.as_ref().map_or(&[][..], |page| &page.rows);
        let found = rows.binary_search_by_key(&uid, |row| row.uid.0);
        Ok(found.ok().and_then(|at| rows.get(at)).map(|row| Message {
            uid: row.uid,
            email: row.email_id,
            size_bytes: row.size_bytes,
            octets: u64::try_from(row.octets).unwrap_or_default(),
        }))
    }

    async fn load(&self, number: u32) -> Result<Page, Refusal> {
        let first = number.saturating_mul(PAGE).saturating_add(1);
        let last = first.saturating_add(PAGE - 1).min(self.messages());
        let (Some(from), Some(to)) = (self.uids.uid(first), self.uids.uid(last)) else {
            return Err(Refusal::Internal("a page beyond the maildrop"));
        };
        let rows = self
            .app
            .store()
            .maildrop_page(self.account, self.folder, (Uid(from), Uid(to)), PAGE.into())
            .await?;
        Ok(Page { number, rows })
    }

    /// The octets of a message as they are stored, the first piece already read; at most `first` octets in it.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`] when it has been removed for good, [`Refusal::Unavailable`].
    pub async fn content(
        &self,
        message: Message,
        first: usize,
    ) -> Result<
        (
            Bytes,
            impl Stream<Item = Result<Bytes, Refusal>> + Send + use<>,
        ),
        Refusal,
    > {
        let store = self.app.store().clone();
        let length = i32::try_from(first.min(PIECE)).unwrap_or(i32::MAX);
        let (body, opening) = store
            .maildrop_opening(self.account, message.email, length)
            .await?
            .ok_or(Refusal::NoMessage)?;
        if opening.is_empty() && message.size_bytes > 0 {
            return Err(Refusal::NoMessage);
        }
        let read = i64::try_from(opening.len()).unwrap_or(i64::MAX);
        let rest = pieces(store, self.account, body, (read, message.size_bytes));
        Ok((Bytes::from(opening), rest))
    }

    /// Removes messages for good by their numbers, 500 a transaction; they can be brought back like any other removed mail.
    ///
    /// What another door removed already is no failure. Ends at the first refusal and says how far it came.
    pub async fn remove(&self, numbers: impl Iterator<Item = u32>) -> Removal {
        let mut removal = Removal::default();
        let mut uids = numbers.filter_map(|number| self.uids.uid(number));
        loop {
            let bite: Vec<i64> = uids.by_ref().take(BITE).collect();
            if bite.is_empty() {
                return removal;
            }
            match self.remove_bite(&bite).await {
                Ok(gone) => removal.messages += gone,
                Err(refusal) => {
                    removal.refused = Some(refusal);
                    return removal;
                }
            }
        }
    }

    async fn remove_bite(&self, uids: &[i64]) -> Result<usize, Refusal> {
        let days = i32::try_from(self.app.config.server.retention_days).unwrap_or(i32::MAX);
        let draft = self.app.store().draft().await?;
        let mut write = draft.lock(self.account, Charge::NONE).await?;
        let gone = write.expunge(self.folder, uids, Some(days)).await?;
        if gone.is_empty() {
            write.abandon().await?;
            return Ok(0);
        }
        self.app.changes.wake(write.commit().await?);
        Ok(gone.len())
    }
}

/// The octets of a body from `at` to `end`, a piece at a time.
fn pieces(
    store: Store,
    account: AccountId,
    body: BodyId,
    (at, end): (i64, i64),
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    let piece = i64::try_from(PIECE).unwrap_or(i64::MAX);
    futures_util::stream::try_unfold(at, move |at| {
        let store = store.clone();
        async move {
            if at >= end {
                return Ok(None);
            }
            // To the end of the stored chunk, so that each one is read once.
            let length = piece - at % piece;
            let octets = store.body_range(account, body, at, length).await?;
            if octets.is_empty() {
                return Err(Refusal::Internal("a body is shorter than its size"));
            }
            let next = at.saturating_add(i64::try_from(octets.len()).unwrap_or(i64::MAX));
            Ok(Some((Bytes::from(octets), next)))
        }
    })
}

/// Numbers 1..=count for ascending UIDs: gaps and runs as variable-length numbers, with a mark at every 64th run.
#[derive(Debug, Default)]
struct Numbered {
    count: u32,
    /// By turns: how far behind the end of the last run the next one begins, and its length.
    steps: Vec<u8>,
    marks: Vec<Mark>,
    runs: usize,
    /// The UID behind the last one.
    end: i64,
}

/// Where in `steps` a run begins, and what was counted before it.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: usize,
    /// The number before its first one.
    number: u32,
    /// The UID its gap is counted from.
    end: i64,
}

impl Numbered {
    /// Appends a run that begins behind all others.
    fn push(&mut self, first: i64, length: u32) {
        if length == 0 {
            return;
        }
        debug_assert!(first >= self.end, "runs come by UID");
        if self.runs.is_multiple_of(RUNS_A_MARK) {
            self.marks.push(Mark {
                offset: self.steps.len(),
                number: self.count,
                end: self.end,
            });
        }
        put(
            &mut self.steps,
            u64::try_from(first - self.end).unwrap_or_default(),
        );
        put(&mut self.steps, u64::from(length));
        self.runs += 1;
        self.count = self.count.saturating_add(length);
        self.end = first.saturating_add(i64::from(length));
    }

    /// The UID of a number.
    fn uid(&self, number: u32) -> Option<i64> {
        self.iter_from(number).next().map(|(_, uid)| uid)
    }

    /// Numbers with their UIDs, from `from` on; nothing from 0.
    fn iter_from(&self, from: u32) -> impl Iterator<Item = (u32, i64)> + '_ {
        let before = self.marks.partition_point(|mark| mark.number < from);
        let mark = before.checked_sub(1).and_then(|at| self.marks.get(at));
        let mut at = mark.copied().unwrap_or(Mark {
            offset: self.steps.len(),
            number: self.count,
            end: self.end,
        });
        std::iter::from_fn(move || {
            let gap = take(&self.steps, &mut at.offset)?;
            let length = u32::try_from(take(&self.steps, &mut at.offset)?).ok()?;
            let first = at.end.saturating_add(i64::try_from(gap).ok()?);
            let run = (at.number, first, length);
            at.number = at.number.saturating_add(length);
            at.end = first.saturating_add(i64::from(length));
            Some(run)
        })
        .skip_while(move |(before, _, length)| before.saturating_add(*length) < from)
        .flat_map(move |(before, first, length)| {
            let skipped = from.saturating_sub(before).saturating_sub(1);
            (skipped..length).map(move |at| {
                let number = before.saturating_add(at).saturating_add(1);
                (number, first.saturating_add(i64::from(at)))
            })
        })
    }
}

/// Appends a number, seven bits an octet, the highest bit set on all but the last.
fn put(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            to.push(low);
            return;
        }
        to.push(low | 0x80);
    }
}

/// Reads a number at `offset` and steps behind it; none at the end.
fn take(from: &[u8], offset: &mut usize) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    loop {
        let octet = *from.get(*offset)?;
        *offset += 1;
        value |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

/// Messages whose sizes are asked for at once.
const PAGE: u32 = 500;
/// Messages removed in one transaction (style.md 6).
const BITE: usize = 500;
/// Octets of one piece: a stored chunk.
const PIECE: usize = crate::store::body::CHUNK_BYTES;
const RUNS_A_MARK: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbered(uids: &[i64]) -> Numbered {
        let mut numbered = Numbered::default();
        let mut rest = uids;
        while let [first, ..] = rest {
            let length = (0_i64..)
                .zip(rest)
                .take_while(|(n, uid)| first + n == **uid)
                .count();
            numbered.push(*first, u32::try_from(length).unwrap());
            rest = &rest[length..];
        }
        numbered
    }

    #[test]
    fn an_empty_maildrop_has_no_numbers() {
        let none = Numbered::default();
        assert_eq!((none.count, none.uid(0), none.uid(1)), (0, None, None));
        assert_eq!(none.iter_from(0).count(), 0);
        assert_eq!(none.iter_from(1).count(), 0);
    }

    #[test]
    fn the_worst_maildrop_of_100_000_is_small() {
        let every_second: Vec<i64> = (1..=100_000).map(|n| n * 2).collect();
        let numbered = numbered(&every_second);
        assert_eq!(numbered.count, 100_000);
        assert_eq!(numbered.uid(77_777), Some(155_554));
        let held = numbered.steps.len() + numbered.marks.len() * size_of::<Mark>();
        assert!(held < 256_000, "{held}");
        let mut whole = Numbered::default();
        whole.push(1, 100_000);
        assert!(whole.steps.len() < 8);
        assert_eq!(whole.uid(100_000), Some(100_000));
        assert_eq!(whole.uid(100_001), None);
    }

    proptest! {
        #[test]
        fn numbers_find_their_uids(gaps in proptest::collection::vec(0_i64..4, 0..600), from in 0_u32..620) {
            let mut next = 0;
            let uids: Vec<i64> = gaps.iter().map(|gap| { next += 1 + gap.saturating_sub(1).max(0); next }).collect();
            let numbered = numbered(&uids);
            prop_assert_eq!(usize::try_from(numbered.count).unwrap(), uids.len());
            for (number, uid) in (1_u32..).zip(&uids) {
                prop_assert_eq!(numbered.uid(number), Some(*uid));
            }
            prop_assert_eq!(numbered.uid(0), None);
            prop_assert_eq!(numbered.uid(numbered.count + 1), None);
            let expected: Vec<(u32, i64)> = (1_u32..).zip(uids).filter(|(n, _)| from > 0 && *n >= from).collect();
            prop_assert_eq!(numbered.iter_from(from).collect::<Vec<_>>(), expected);
        }
    }
}
