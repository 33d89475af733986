//! A folder as one session knows it: UIDs in order, their flags, and what of its changes has been told.
//!
//! Eight octets a message: the UID, ten bits of flags and the index of its set of keywords. Sequence number `n` is place
//! `n - 1`; places change only in [`View::apply`] and [`View::become_like`], which the session calls when its protocol allows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::error::Refusal;
use crate::model::{AccountId, Flags, FolderId, ModSeq};
use crate::store::changes::FolderChanges;
use crate::store::mailbox::FolderImage;

/// UIDs and flags of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    uids: Vec<u32>,
    /// Flags in the low bits, index into `sets` above.
    marks: Vec<u32>,
    /// Sets of keywords in use; the first is empty.
    sets: Vec<Arc<[String]>>,
}

/// Bits of [`Flags`].
const FLAG_BITS: u32 = 10;
const FLAG_MASK: u32 = (1 << FLAG_BITS) - 1;

impl Rows {
    /// Of a folder's image.
    pub(super) fn of(image: FolderImage) -> Result<Self, Refusal> {
        let mut rows = Self {
            uids: Vec::with_capacity(image.uids.len()),
            marks: Vec::with_capacity(image.uids.len()),
            sets: vec![Arc::from([])],
        };
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut marked = image.marked.into_iter().zip(image.keywords).peekable();
        for (uid, flags) in image.uids.into_iter().zip(image.flags) {
            let set = match marked.next_if(|(marked, _)| *marked == uid) {
                None => 0,
                Some((_, words)) => {
                    if let Some(set) = known.get(&words) {
                        *set
                    } else {
                        let set = rows.add_set(words.split(' ').map(str::to_owned).collect());
                        known.insert(words, set);
                        set
                    }
                }
            };
            rows.uids.push(narrow(uid)?);
            rows.marks.push(mark(Flags(flags), set));
        }
        Ok(rows)
    }

    /// Messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether the folder is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// All UIDs, ascending.
    #[must_use]
    pub fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// The UID at a sequence number.
    #[must_use]
    pub fn uid(&self, number: u32) -> Option<u32> {
        self.uids.get(place(number)?).copied()
    }

    /// The highest UID; 0 in an empty folder.
    #[must_use]
    pub fn last_uid(&self) -> u32 {
        self.uids.last().copied().unwrap_or_default()
    }

    /// The sequence number of a UID.
    #[must_use]
    pub fn number(&self, uid: u32) -> Option<u32> {
        let at = self.uids.binary_search(&uid).ok()?;
        u32::try_from(at + 1).ok()
    }

    /// The sequence number of the last message.
    #[must_use]
    pub fn last_number(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    /// The flags at a sequence number.
    #[must_use]
    pub fn flags(&self, number: u32) -> Flags {
        let mark = place(number)
            .and_then(|at| self.marks.get(at))
            .copied()
            .unwrap_or_default();
        Flags(i32::try_from(mark & FLAG_MASK).unwrap_or_default())
    }

    /// The keywords at a sequence number.
    #[must_use]
    pub fn keywords(&self, number: u32) -> &[String] {
        place(number)
            .and_then(|at| self.marks.get(at))
            .and_then(|mark| self.sets.get(index(mark >> FLAG_BITS)))
            .map_or(&[], |set| set)
    }

    /// The sets of keywords that were ever seen.
    pub fn sets(&self) -> impl Iterator<Item = &[String]> {
        self.sets.iter().map(|set| &**set)
    }

    /// All keywords in use, sorted.
    #[must_use]
    pub fn all_keywords(&self) -> Vec<String> {
        let mut used = vec![false; self.sets.len()];
        for mark in &self.marks {
            if let Some(used) = used.get_mut(index(mark >> FLAG_BITS)) {
                *used = true;
            }
        }
        let mut all: Vec<String> = self
            .sets
            .iter()
            .zip(used)
            .filter(|(_, used)| *used)
            .flat_map(|(set, _)| set.iter().cloned())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The first sequence number without `\Seen`.
    #[must_use]
    pub fn first_unseen(&self) -> Option<u32> {
        let seen = u32::try_from(Flags::SEEN.0).unwrap_or_default();
        let at = self.marks.iter().position(|mark| mark & seen == 0)?;
        u32::try_from(at + 1).ok()
    }

    /// Sequence numbers inside ranges of sequence numbers.
    #[must_use]
    pub fn numbers_in(&self, ranges: &[(u32, u32)]) -> Vec<u32> {
        let last = self.last_number();
        ranges
            .iter()
            .flat_map(|(first, end)| (*first).max(1)..=(*end).min(last))
            .collect()
    }

    /// Sequence numbers of the messages with a UID inside ranges of UIDs.
    #[must_use]
    pub fn numbers_of_uids(&self, ranges: &[(u32, u32)]) -> Vec<u32> {
        let mut out = Vec::new();
        for (first, last) in ranges {
            let from = self.uids.partition_point(|uid| uid < first);
            let to = self.uids.partition_point(|uid| uid <= last);
            out.extend((from + 1..=to).filter_map(|n| u32::try_from(n).ok()));
        }
        out
    }

    /// Octets it takes in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        200 + self.uids.len() * 8 + self.sets.len() * 64
    }

    fn add_set(&mut self, mut words: Vec<String>) -> u32 {
        words.retain(|w| !w.is_empty());
        if words.is_empty() {
            return 0;
        }
        if self.sets.is_empty() {
            self.sets.push(Arc::from([]));
        }
        if let Some(at) = self.sets.iter().position(|set| **set == *words) {
            return u32::try_from(at).unwrap_or_default();
        }
        self.sets.push(Arc::from(words));
        u32::try_from(self.sets.len() - 1).unwrap_or_default()
    }

    fn push(&mut self, uid: u32, flags: Flags, keywords: Vec<String>) {
        let set = self.add_set(keywords);
        self.uids.push(uid);
        self.marks.push(mark(flags, set));
    }

    /// Sets the flags at a place; whether they were others.
    fn set(&mut self, number: u32, flags: Flags, keywords: Vec<String>) -> bool {
        let set = self.add_set(keywords);
        let new = mark(flags, set);
        match place(number).and_then(|at| self.marks.get_mut(at)) {
            Some(old) if *old != new => {
                *old = new;
                true
            }
            _ => false,
        }
    }

    /// Takes away the messages at these places, which are ascending.
    fn remove(&mut self, numbers: &[u32]) {
        let mut gone = numbers.iter().filter_map(|n| place(*n)).peekable();
        let mut kept = 0;
        for at in 0..self.uids.len() {
            if gone.next_if_eq(&at).is_some() {
                continue;
            }
            self.uids.swap(kept, at);
            self.marks.swap(kept, at);
            kept += 1;
        }
        self.uids.truncate(kept);
        self.marks.truncate(kept);
    }
}

fn place(number: u32) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

fn index(set: u32) -> usize {
    usize::try_from(set).unwrap_or_default()
}

fn mark(flags: Flags, set: u32) -> u32 {
    (u32::try_from(flags.0).unwrap_or_default() & FLAG_MASK) | (set << FLAG_BITS)
}

/// UIDs are 32 bits on the wire; the database has more.
pub(super) fn narrow(uid: i64) -> Result<u32, Refusal> {
    u32::try_from(uid).map_err(|_| Refusal::Internal("a UID beyond 32 bits"))
}

/// A folder as a session knows it.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) account: AccountId,
    pub(super) folder: FolderId,
    rows: Arc<Rows>,
    /// Everything up to this number is in it.
    pub(super) upto: ModSeq,
    /// The highest number of anything in it.
    pub(super) highest: ModSeq,
    /// What the session itself changed since `upto`, and has been told in the answer.
    own: HashMap<u32, ModSeq>,
}

/// What is new since the last look. Numbers are those before it for `gone`, those after it for the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Left: sequence number and UID, the highest first, as they are to be told.
    pub gone: Vec<(u32, u32)>,
    /// Changed: sequence number and the number of the change.
    pub changed: Vec<(u32, ModSeq)>,
    /// Came: how many, at the end.
    pub arrived: usize,
    /// Their change numbers, in order.
    pub arrived_modseqs: Vec<ModSeq>,
}

impl News {
    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.changed.is_empty() && self.arrived == 0
    }
}

/// Pages of changes put together.
#[derive(Default)]
pub(super) struct Gathered {
    messages: BTreeMap<i64, (Flags, Vec<String>, ModSeq)>,
    gone: Vec<(i64, i64)>,
    highest: ModSeq,
}

impl Gathered {
    pub(super) fn take(&mut self, page: FolderChanges) {
        for m in page.messages {
            self.highest = self.highest.max(m.modseq);
            self.messages
                .insert(m.uid.0, (m.flags, m.keywords, m.modseq));
        }
        for g in page.gone {
            self.highest = self.highest.max(g.modseq);
            self.gone.push((g.first.0, g.last.0));
        }
    }
}

impl View {
    pub(super) fn of(
        account: AccountId,
        folder: FolderId,
        rows: Arc<Rows>,
        upto: ModSeq,
        highest: ModSeq,
    ) -> Self {
        Self {
            account,
            folder,
            rows,
            upto,
            highest,
            own: HashMap::new(),
        }
    }

    /// Whose folder it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Which folder it is.
    #[must_use]
    pub fn folder(&self) -> FolderId {
        self.folder
    }

    /// The messages in it.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Everything up to this number has been looked at.
    #[must_use]
    pub fn upto(&self) -> ModSeq {
        self.upto
    }

    /// The highest change number of anything that was seen in it.
    #[must_use]
    pub fn highest(&self) -> ModSeq {
        self.highest
    }

    /// The change number to tell of a message whose row has `stored`: never one whose flags are not known here yet.
    #[must_use]
    pub fn modseq(&self, uid: u32, stored: ModSeq) -> ModSeq {
        if stored <= self.upto || self.own.get(&uid) == Some(&stored) {
            stored
        } else {
            self.upto
        }
    }

    pub(super) fn shared_rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows)
    }

    /// Enters what the session itself changed; places stay.
    pub(super) fn note_own(
        &mut self,
        uid: u32,
        flags: Flags,
        keywords: Vec<String>,
        modseq: ModSeq,
    ) {
        if let Some(number) = self.rows.number(uid) {
            Arc::make_mut(&mut self.rows).set(number, flags, keywords);
            self.own.insert(uid, modseq);
        }
    }

    /// Enters changes up to `upto`.
    pub(super) fn apply(&mut self, gathered: Gathered, upto: ModSeq) -> Result<News, Refusal> {
        let mut news = News::default();
        self.highest = self.highest.max(gathered.highest);
        self.upto = upto;
        let own = std::mem::take(&mut self.own);
        if gathered.messages.is_empty() && gathered.gone.is_empty() {
            return Ok(news);
        }
        let is_gone = |uid: i64| {
            gathered
                .gone
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&uid))
        };
        let mut gone = Vec::new();
        for (first, last) in &gathered.gone {
            let range = (
                u32::try_from(*first).unwrap_or(u32::MAX),
                u32::try_from(*last).unwrap_or(u32::MAX),
            );
            gone.extend(self.rows.numbers_of_uids(&[range]));
        }
        gone.sort_unstable();
        gone.dedup();
        news.gone = gone
            .iter()
            .rev()
            .filter_map(|n| Some((*n, self.rows.uid(*n)?)))
            .collect();
        let rows = Arc::make_mut(&mut self.rows);
        rows.remove(&gone);
        let last = i64::from(rows.last_uid());
        for (uid, (flags, keywords, modseq)) in gathered.messages {
            let narrow = narrow(uid)?;
            if let Some(number) = rows.number(narrow) {
                let differs = rows.set(number, flags, keywords);
                if differs || own.get(&narrow) != Some(&modseq) {
                    news.changed.push((number, modseq));
                }
            } else if uid > last && !is_gone(uid) {
                rows.push(narrow, flags, keywords);
                news.arrived += 1;
                news.arrived_modseqs.push(modseq);
            }
        }
        Ok(news)
    }

    /// Becomes what another view of the same folder is; says how it differed.
    pub(super) fn become_like(&mut self, fresh: &View) -> News {
        let mut news = News::default();
        for number in (1..=self.rows.last_number()).rev() {
            let Some(uid) = self.rows.uid(number) else {
                continue;
            };
            match fresh.rows.number(uid) {
                None => news.gone.push((number, uid)),
                Some(there) => {
                    if self.rows.flags(number) != fresh.rows.flags(there)
                        || self.rows.keywords(number) != fresh.rows.keywords(there)
                    {
                        news.changed.push((there, fresh.highest));
                    }
                }
            }
        }
        news.changed.reverse();
        let last = self.rows.last_uid();
        news.arrived = fresh.rows.uids().iter().filter(|uid| **uid > last).count();
        news.arrived_modseqs = vec![fresh.highest; news.arrived];
        self.rows = Arc::clone(&fresh.rows);
        self.upto = fresh.upto;
        self.highest = self.highest.max(fresh.highest);
        self.own.clear();
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EmailId, ThreadId, Uid};
    use crate::store::changes::{ChangedMessage, GoneRange};
    use time::OffsetDateTime;

    fn rows(uids: &[i64]) -> Rows {
        Rows::of(FolderImage {
            upto: ModSeq(1),
            content_modseq: ModSeq(1),
            uid_next: Uid(100),
            uids: uids.to_vec(),
            flags: uids.iter().map(|u| i32::try_from(u % 2).unwrap()).collect(),
            marked: vec![3],
            keywords: vec!["a b".to_owned()],
        })
        .unwrap()
    }

    fn view(uids: &[i64]) -> View {
        View::of(
            AccountId(1),
            FolderId(1),
            Arc::new(rows(uids)),
            ModSeq(1),
            ModSeq(1),
        )
    }

    fn changes(messages: &[(i64, i32, i64)], gone: &[(i64, i64)]) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.take(FolderChanges {
            messages: messages
                .iter()
                .map(|(uid, flags, modseq)| ChangedMessage {
                    uid: Uid(*uid),
                    email_id: EmailId(1),
                    thread_id: ThreadId(1),
                    flags: Flags(*flags),
                    keywords: Vec::new(),
                    size_bytes: 1,
                    received_at: OffsetDateTime::UNIX_EPOCH,
                    created_modseq: ModSeq(1),
                    modseq: ModSeq(*modseq),
                })
                .collect(),
            gone: gone
                .iter()
                .map(|(first, last)| GoneRange {
                    first: Uid(*first),
                    last: Uid(*last),
                    newest_at: None,
                    modseq: ModSeq(5),
                })
                .collect(),
            next: SyncPoint::at(ModSeq(9)),
            more: false,
        });
        gathered
    }
    use crate::model::SyncPoint;

    #[test]
    fn places_and_flags() {
        let rows = rows(&[1, 3, 4, 9]);
        assert_eq!(
            (rows.len(), rows.uid(2), rows.number(9), rows.number(5)),
            (4, Some(3), Some(4), None)
        );
        assert_eq!(rows.keywords(2), ["a", "b"]);
        assert_eq!(rows.all_keywords(), ["a", "b"]);
        assert_eq!((rows.flags(1), rows.flags(3)), (Flags::SEEN, Flags::NONE));
        assert_eq!(rows.first_unseen(), Some(3));
        assert_eq!(rows.numbers_of_uids(&[(2, 4), (8, 20)]), [2, 3, 4]);
        assert_eq!(rows.numbers_in(&[(0, 2), (4, 9)]), [1, 2, 4]);
    }

    #[test]
    fn news_in_the_order_they_are_told() {
        let mut view = view(&[1, 3, 4, 9]);
        let news = view
            .apply(
                changes(
                    &[(9, 4, 6), (10, 0, 7), (11, 0, 8), (12, 0, 9)],
                    &[(2, 3), (4, 4), (11, 11)],
                ),
                ModSeq(9),
            )
            .unwrap();
        assert_eq!(news.gone, [(3, 4), (2, 3)]);
        assert_eq!(news.changed, [(2, ModSeq(6))]);
        assert_eq!(news.arrived, 2);
        assert_eq!(view.rows().uids(), [1, 9, 10, 12]);
        assert_eq!((view.upto(), view.highest()), (ModSeq(9), ModSeq(9)));
        assert!(
            view.apply(changes(&[], &[]), ModSeq(11))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn own_changes_are_no_news_but_others_are() {
        let mut view = view(&[1, 3]);
        view.note_own(1, Flags::FLAGGED, Vec::new(), ModSeq(6));
        view.note_own(3, Flags::FLAGGED, Vec::new(), ModSeq(6));
        let news = view
            .apply(changes(&[(1, 4, 6), (3, 5, 7)], &[]), ModSeq(7))
            .unwrap();
        assert_eq!(news.changed, [(2, ModSeq(7))]);
    }

    #[test]
    fn becoming_like_a_fresh_one_says_the_same() {
        let mut old = view(&[1, 3, 4, 9]);
        let fresh = view(&[1, 3, 9, 12]);
        let news = old.become_like(&fresh);
        assert_eq!((news.gone, news.arrived), (vec![(3, 4)], 1));
        assert_eq!(old.rows().uids(), fresh.rows().uids());
    }
}
