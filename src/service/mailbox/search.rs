//! SEARCH (RFC 9051 6.4.4): which messages of an open folder a tree of conditions fits.
//!
//! ```text
//! flags, numbers, `$`      from the view, in memory
//! sizes, dates, ids        one index range each, as a set of places
//! texts                    only for the messages that the rest leaves undecided, a bite at a time
//! ```
//!
//! Texts are looked for as the RFC says, as octets anywhere in a text (a word index would not find "bahnhof" in
//! "Hauptbahnhof"), in what delivery folded and kept (`email_text`). Only a message that was stored before, or is too long
//! to be kept whole, is looked into itself, one at a time.
//!
//! Dropping the future ends the search at the next bite; [`Progress`] tells how far it is.

use std::sync::atomic::{AtomicU32, Ordering};

use time::{Date, Duration, OffsetDateTime, Time};
use tokio::sync::Semaphore;

use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::format::imap::search::{DateKey, SearchKey, Which};
use crate::format::mime::{self, FullText, Needle};
use crate::model::{EmailId, Flags, ModSeq, ThreadId};
use crate::service::mail::deliver::day_number;
use crate::store::mailbox_search::{Asked, Bounds, Place, TextsRow};

/// A search of one session.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What is looked for.
    pub key: &'a SearchKey,
    /// UIDs of `$`, ascending.
    pub saved: &'a [u32],
    /// The first UID that is recent in this session (RFC 3501 2.3.2).
    pub recent_from: u32,
    /// The present moment, for `OLDER` and `YOUNGER`.
    pub now: OffsetDateTime,
}

/// How far a search is; another task may look.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU32,
    goal: AtomicU32,
}

impl Progress {
    /// Messages looked into, and how many there are to look into; both 0 before that is known.
    #[must_use]
    pub fn now(&self) -> (u32, u32) {
        let goal = self.goal.load(Ordering::Relaxed);
        (self.done.load(Ordering::Relaxed).min(goal), goal)
    }

    fn begin(&self, goal: usize) {
        self.done.store(0, Ordering::Relaxed);
        self.goal
            .store(u32::try_from(goal).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    fn advance(&self, by: usize) {
        self.done
            .fetch_add(u32::try_from(by).unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

impl Mailboxes {
    /// UIDs of the messages of `view` that fit, ascending. A message that left meanwhile may be missing.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn search(
        &self,
        view: &View,
        question: &Question<'_>,
        progress: &Progress,
    ) -> Result<Vec<u32>, Refusal> {
        let mut plan = Plan::default();
        let tree = plan.tree(question.key, view, question);
        for (slot, wish) in plan.wishes.iter().zip(&mut plan.sets) {
            let uids = match slot {
                Wish::Within(bounds) => {
                    self.store
                        .uids_within(view.account, view.folder, bounds)
                        .await?
                }
                Wish::Sent(from, before) => {
                    self.store
                        .uids_sent(view.account, view.folder, *from, *before)
                        .await?
                }
            };
            *wish = Places::of(view, &uids);
        }
        let mut found = Vec::new();
        let mut open = Vec::new();
        for (place, uid) in view.rows().uids().iter().enumerate() {
            let at = At {
                view,
                place,
                plan: &plan,
            };
            match tree.fits(&at, None) {
                Some(true) => found.push(*uid),
                Some(false) => {}
                None => open.push(place),
            }
        }
        progress.begin(open.len());
        for bite in open.chunks(BITE) {
            found.extend(self.look_into(view, &tree, &plan, bite).await?);
            progress.advance(bite.len());
        }
        if !open.is_empty() {
            found.sort_unstable();
        }
        Ok(found)
    }

    /// Decides those messages whose texts decide.
    async fn look_into(
        &self,
        view: &View,
        tree: &Node,
        plan: &Plan,
        places: &[usize],
    ) -> Result<Vec<u32>, Refusal> {
        let all = view.rows().uids();
        let uids: Vec<i64> = places
            .iter()
            .filter_map(|place| all.get(*place).map(|uid| i64::from(*uid)))
            .collect();
        let asked: Vec<Asked> = plan.texts.iter().map(Look::asked).collect();
        let rows = self
            .store
            .find_texts(view.account, view.folder, &uids, &asked)
            .await?;
        let mut found = Vec::new();
        for row in rows {
            let Some((place, uid)) = u32::try_from(row.uid.0)
                .ok()
                .and_then(|uid| Some((all.binary_search(&uid).ok()?, uid)))
                .filter(|(place, _)| places.binary_search(place).is_ok())
            else {
                continue;
            };
            let at = At { view, place, plan };
            let known: Vec<Option<bool>> = match &row.found {
                Some(found) => found
                    .iter()
                    .map(|hit| (*hit || !row.is_cut).then_some(*hit))
                    .collect(),
                None => vec![None; asked.len()],
            };
            let fits = if let Some(fits) = tree.fits(&at, Some(&known)) {
                fits
            } else {
                let known = self.read_whole(view, plan, &row).await?;
                tree.fits(&at, Some(&known)).unwrap_or(false)
            };
            if fits {
                found.push(uid);
            }
        }
        Ok(found)
    }

    /// Looks into a message itself. One at a time in the whole process, so that at most one is in memory.
    async fn read_whole(
        &self,
        view: &View,
        plan: &Plan,
        row: &TextsRow,
    ) -> Result<Vec<Option<bool>>, Refusal> {
        let _only_one = WHOLE
            .acquire()
            .await
            .map_err(|_| Refusal::Internal("the semaphore is closed"))?;
        let Some(email) = self.store.email(view.account, row.email_id).await? else {
            return Ok(Vec::new());
        };
        let raw = self.store.body_whole(view.account, email.body_id).await?;
        let looks = plan.texts.clone();
        tokio::task::spawn_blocking(move || {
            let now = OffsetDateTime::UNIX_EPOCH;
            let parts = mime::parse(&raw, now, now).parts;
            let text = FullText::within(&raw, &parts, (usize::MAX, usize::MAX));
            looks.iter().map(|look| Some(look.is_in(&text))).collect()
        })
        .await
        .map_err(|_| Refusal::Internal("the reader panicked"))
    }
}

/// What has to be asked, gathered from a tree.
#[derive(Debug, Default)]
struct Plan {
    wishes: Vec<Wish>,
    /// The answers, by the same index.
    sets: Vec<Places>,
    texts: Vec<Look>,
}

/// A question about columns.
#[derive(Debug)]
enum Wish {
    Within(Bounds),
    Sent(Option<i32>, Option<i32>),
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    place: Place,
    field: String,
    needle: Needle,
}

impl Look {
    fn asked(&self) -> Asked {
        let plain = self.needle.plain.clone();
        Asked {
            place: self.place,
            field: self.field.clone(),
            expanded: self
                .needle
                .expanded
                .clone()
                .unwrap_or_else(|| plain.clone()),
            plain,
        }
    }

    fn is_in(&self, text: &FullText) -> bool {
        match self.place {
            Place::Field => self.needle.is_in_field(&text.header, &self.field),
            Place::Text => self.needle.is_in(&text.header) || self.needle.is_in(&text.body),
            Place::Body => self.needle.is_in(&text.body),
        }
    }
}

/// A condition with everything resolved that does not depend on a message.
#[derive(Debug)]
enum Node {
    Is(bool),
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Flag(Flags, bool),
    Keyword(String, bool),
    /// Places known from the start.
    In(Places),
    /// The set of this index.
    Set(usize),
    /// The text of this index.
    Text(usize),
}

/// One message.
struct At<'a> {
    view: &'a View,
    place: usize,
    plan: &'a Plan,
}

impl Node {
    /// Whether a message fits; none while texts that decide it are unknown.
    fn fits(&self, at: &At<'_>, texts: Option<&[Option<bool>]>) -> Option<bool> {
        match self {
            Self::Is(fits) => Some(*fits),
            Self::And(all) => {
                let mut result = Some(true);
                for node in all {
                    match node.fits(at, texts) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => result = None,
                    }
                }
                result
            }
            Self::Or(a, b) => match a.fits(at, texts) {
                Some(true) => Some(true),
                Some(false) => b.fits(at, texts),
                None => b.fits(at, texts).filter(|fits| *fits),
            },
            Self::Not(node) => node.fits(at, texts).map(|fits| !fits),
            Self::Flag(flags, is_set) => {
                Some(at.view.rows().flags(at.number()).has(*flags) == *is_set)
            }
            Self::Keyword(word, is_set) => {
                let words = at.view.rows().keywords(at.number());
                let has = words.iter().any(|w| w.eq_ignore_ascii_case(word));
                Some(has == *is_set)
            }
            Self::In(places) => Some(places.has(at.place)),
            Self::Set(set) => Some(at.plan.sets.get(*set).is_some_and(|s| s.has(at.place))),
            Self::Text(text) => texts?.get(*text).copied().flatten(),
        }
    }
}

impl At<'_> {
    fn number(&self) -> u32 {
        u32::try_from(self.place + 1).unwrap_or(u32::MAX)
    }
}

impl Plan {
    /// Resolves a key. As deep as the grammar lets a client nest.
    fn tree(&mut self, key: &SearchKey, view: &View, question: &Question<'_>) -> Node {
        let rows = view.rows();
        match key {
            SearchKey::All | SearchKey::SaveDateSupported => Node::Is(true),
            SearchKey::And(keys) => Node::And(
                keys.iter()
                    .map(|key| self.tree(key, view, question))
                    .collect(),
            ),
            SearchKey::Or(a, b) => Node::Or(
                Box::new(self.tree(a, view, question)),
                Box::new(self.tree(b, view, question)),
            ),
            SearchKey::Not(key) => Node::Not(Box::new(self.tree(key, view, question))),
            SearchKey::Sequence(set) => {
                let numbers = rows.numbers_in(&set.resolve(rows.last_number()));
                Node::In(Places::of_numbers(rows.len(), numbers))
            }
            SearchKey::Uid(set) => {
                let numbers = rows.numbers_of_uids(&set.resolve(rows.last_uid()));
                Node::In(Places::of_numbers(rows.len(), numbers))
            }
            SearchKey::Saved => {
                let numbers = question.saved.iter().filter_map(|uid| rows.number(*uid));
                Node::In(Places::of_numbers(rows.len(), numbers))
            }
            SearchKey::Recent => {
                let numbers = rows.numbers_of_uids(&[(question.recent_from, u32::MAX)]);
                Node::In(Places::of_numbers(rows.len(), numbers))
            }
            SearchKey::Flag(flags, is_set) => Node::Flag(*flags, *is_set),
            SearchKey::Keyword(word, is_set) => Node::Keyword(word.clone(), *is_set),
            SearchKey::Header(field, text) => self.text(Place::Field, field, text),
            SearchKey::Body(text) => self.text(Place::Body, "", text),
            SearchKey::Text(text) => self.text(Place::Text, "", text),
            SearchKey::Date(Which::Sent, how, day) => {
                let (from, before) = days(*how, *day);
                self.wish(Wish::Sent(from.map(day_number), before.map(day_number)))
            }
            other => match bounds(other, question.now) {
                Some(bounds) => self.wish(Wish::Within(bounds)),
                None => Node::Is(false),
            },
        }
    }

    fn wish(&mut self, wish: Wish) -> Node {
        self.wishes.push(wish);
        self.sets.push(Places::default());
        Node::Set(self.sets.len() - 1)
    }

    fn text(&mut self, place: Place, field: &str, text: &str) -> Node {
        let look = Look {
            place,
            field: field.to_ascii_lowercase(),
            needle: Needle::new(text),
        };
        if look.needle.plain.is_empty() && place != Place::Field {
            return Node::Is(true);
        }
        let known = self.texts.iter().position(|other| *other == look);
        Node::Text(known.unwrap_or_else(|| {
            self.texts.push(look);
            self.texts.len() - 1
        }))
    }
}

/// Keys about columns of the narrow row; none for an id that nothing can have.
fn bounds(key: &SearchKey, now: OffsetDateTime) -> Option<Bounds> {
    let mut bounds = Bounds::default();
    let ago = |seconds: u32| now.checked_sub(Duration::seconds(i64::from(seconds)));
    match key {
        SearchKey::Larger(octets) => bounds.larger = Some(signed(*octets)),
        SearchKey::Smaller(octets) => bounds.smaller = Some(signed(*octets)),
        // RFC 5032 3: at or beyond so many seconds ago, and within them.
        SearchKey::Older(seconds) => bounds.arrived_before = ago(*seconds),
        SearchKey::Younger(seconds) => bounds.arrived_from = ago(*seconds),
        SearchKey::ModSeq(modseq) => bounds.modseq = Some(ModSeq(*modseq)),
        SearchKey::EmailId(id) => bounds.email = Some(EmailId(object(id, 'M')?)),
        SearchKey::ThreadId(id) => bounds.thread = Some(ThreadId(object(id, 'T')?)),
        SearchKey::Date(which, how, day) => {
            let (from, before) = days(*how, *day);
            let (from, before) = (from.map(midnight), before.map(midnight));
            match which {
                Which::Saved => (bounds.saved_from, bounds.saved_before) = (from, before),
                Which::Arrived | Which::Sent => {
                    (bounds.arrived_from, bounds.arrived_before) = (from, before);
                }
            }
        }
        // Answered by the tree.
        SearchKey::All
        | SearchKey::And(_)
        | SearchKey::Or(..)
        | SearchKey::Not(_)
        | SearchKey::Sequence(_)
        | SearchKey::Uid(_)
        | SearchKey::Saved
        | SearchKey::Flag(..)
        | SearchKey::Keyword(..)
        | SearchKey::Recent
        | SearchKey::SaveDateSupported
        | SearchKey::Header(..)
        | SearchKey::Body(_)
        | SearchKey::Text(_) => return None,
    }
    Some(bounds)
}

/// From this day on, and before that one.
fn days(how: DateKey, day: Date) -> (Option<Date>, Option<Date>) {
    match how {
        DateKey::Before => (None, Some(day)),
        DateKey::On => (Some(day), day.next_day()),
        DateKey::Since => (Some(day), None),
    }
}

/// Instants are shown in UTC, so their days are UTC's.
fn midnight(day: Date) -> OffsetDateTime {
    day.with_time(Time::MIDNIGHT).assume_utc()
}

fn signed(octets: u64) -> i64 {
    i64::try_from(octets).unwrap_or(i64::MAX)
}

/// The number of an object id as the door writes it: its letter and digits.
fn object(id: &str, letter: char) -> Option<i64> {
    let digits = id.strip_prefix(letter)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// A set of places, a bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Places {
    bits: Vec<u64>,
}

impl Places {
    fn of_numbers(len: usize, numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut places = Self {
            bits: vec![0; len.div_ceil(64)],
        };
        for number in numbers {
            let at = number.checked_sub(1).and_then(|n| usize::try_from(n).ok());
            if let Some(at) = at.filter(|at| *at < len) {
                places.add(at);
            }
        }
        places
    }

    /// Of ascending UIDs; those that the view does not know are left out.
    fn of(view: &View, uids: &[i64]) -> Self {
        let rows = view.rows();
        let mut places = Self::of_numbers(rows.len(), []);
        let mut known = rows.uids().iter().enumerate().peekable();
        for uid in uids {
            while known.next_if(|(_, k)| i64::from(**k) < *uid).is_some() {}
            if let Some((at, _)) = known.next_if(|(_, k)| i64::from(**k) == *uid) {
                places.add(at);
            }
        }
        places
    }

    fn add(&mut self, at: usize) {
        if let Some(bits) = self.bits.get_mut(at / 64) {
            *bits |= 1 << (at % 64);
        }
    }

    fn has(&self, at: usize) -> bool {
        self.bits
            .get(at / 64)
            .is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }
}

/// Messages whose texts are looked into by one statement.
const BITE: usize = 1_000;
/// Whole messages in memory for searches, in this process.
static WHOLE: Semaphore = Semaphore::const_new(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bits() {
        let places = Places::of_numbers(130, [1, 64, 65, 130, 131, 0]);
        for at in 0..200 {
            assert_eq!(places.has(at), [0, 63, 64, 129].contains(&at), "{at}");
        }
    }

    #[test]
    fn ids_are_a_letter_and_a_number() {
        assert_eq!(object("M12", 'M'), Some(12));
        for id in [
            "T12",
            "12",
            "M",
            "M-1",
            "M+1",
            "M1x",
            "M99999999999999999999",
            "",
        ] {
            assert_eq!(object(id, 'M'), None, "{id}");
        }
    }
}
