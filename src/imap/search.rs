//! SEARCH, SORT and THREAD (RFC 9051 6.4.4, 7.3.4; RFC 5256): untagged SEARCH of RFC 3501, ESEARCH (RFC 4731) with `$` (RFC 5182) and windows
//! (RFC 9394).

use std::fmt::Write;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::reply::Reply;
use super::session::Session;
use crate::error::Refusal;
use crate::format::imap::fetch::Window;
use crate::format::imap::search::{Returns, Search, SearchKey, Sort, Thread};
use crate::format::imap::set::SequenceSet;
use crate::format::imap::write;
use crate::net::line::WireError;
use crate::service::mailbox::{Progress, Question, Wanted};

impl Session<'_> {
    /// `SEARCH` and `UID SEARCH`
    pub(super) async fn search(&mut self, tag: &str, args: &Search) -> Result<Reply, WireError> {
        if self.selected.is_none() {
            return Ok(Reply::bad("Select a mailbox first"));
        }
        if asks_for_modseq(&args.key) {
            // RFC 7162 3.1.2
            self.enabled.condstore = true;
        }
        let uids = match self.look_for(tag, &args.key).await? {
            Ok(uids) => uids,
            Err(refusal) => {
                // RFC 9051 6.4.4.1: a failed SAVE leaves nothing.
                if args.returns.as_ref().is_some_and(|r| r.save)
                    && let Some(selected) = self.selected.as_deref_mut()
                {
                    selected.saved.clear();
                }
                return Ok(Reply::refused(&refusal));
            }
        };
        let Some(selected) = self.selected.as_deref() else {
            return Ok(Reply::bad("Select a mailbox first"));
        };
        let rows = selected.view.rows();
        let found: Vec<u32> = if args.uid {
            uids.clone()
        } else {
            uids.iter().filter_map(|uid| rows.number(*uid)).collect()
        };
        let highest = self.highest_of(&args.key, &uids).await;
        match &args.returns {
            // RFC 9051 A.: rev2 answers with ESEARCH always.
            None if self.enabled.rev2 => {
                let all = Returns {
                    all: true,
                    ..Returns::default()
                };
                self.esearch(tag, args.uid, &all, &found, highest);
            }
            None => {
                let mut line = String::from("* SEARCH");
                for number in &found {
                    let _ = write!(line, " {number}");
                }
                if let Some(highest) = highest {
                    let _ = write!(line, " (MODSEQ {highest})");
                }
                self.say(&format!("{line}\r\n"));
            }
            Some(returns) => {
                if returns.save {
                    self.save(returns, &uids);
                }
                let only_save = Returns {
                    save: true,
                    ..Returns::default()
                };
                // RFC 5182 2.1: nothing but SAVE is answered by OK alone.
                if *returns != only_save {
                    self.esearch(tag, args.uid, returns, &found, highest);
                }
            }
        }
        Ok(Reply::ok("That is all"))
    }

    /// Searches; tells how far it is every ten seconds (RFC 9585), and stops when the client hangs up.
    pub(super) async fn look_for(
        &mut self,
        tag: &str,
        key: &SearchKey,
    ) -> Result<Result<Vec<u32>, Refusal>, WireError> {
        let Self {
            imap,
            wire,
            selected,
            ..
        } = self;
        let Some(selected) = selected.as_deref() else {
            return Ok(Ok(Vec::new()));
        };
        let first_recent = selected.recent.iter().map(|(first, _)| *first).min();
        let question = Question {
            key,
            saved: &selected.saved,
            recent_from: first_recent.unwrap_or(u32::MAX),
            now: OffsetDateTime::now_utc(),
        };
        let progress = Progress::default();
        let mut search = std::pin::pin!(imap.app.mailbox.search(
            &selected.view,
            &question,
            &progress
        ));
        let mut tick = tokio::time::interval_at(Instant::now() + TICK, TICK);
        let forever = Instant::now() + Duration::from_hours(24);
        loop {
            let has_room = wire.buffered().len() < PIPELINE;
            tokio::select! {
                biased;
                found = &mut search => return Ok(found),
                heard = wire.fill(forever), if has_room => {
                    heard?;
                }
                _ = tick.tick() => {
                    let (done, goal) = progress.now();
                    let code = if goal > 0 {
                        format!("INPROGRESS ({} {done} {goal})", quoted(tag))
                    } else {
                        format!("INPROGRESS ({} NIL NIL)", quoted(tag))
                    };
                    wire.push(format!("* OK [{code}] Still searching\r\n").as_bytes());
                    wire.flush().await?;
                }
            }
        }
    }

    /// The highest change number of what was found, when the search asked for one (RFC 7162 3.1.5).
    async fn highest_of(&mut self, key: &SearchKey, uids: &[u32]) -> Option<i64> {
        if !asks_for_modseq(key) || uids.is_empty() {
            return None;
        }
        let imap = self.imap;
        let selected = self.selected.as_deref()?;
        let mut highest = 0;
        for bite in uids.chunks(imap.app.mailbox.bite()) {
            let rows = imap
                .app
                .mailbox
                .rows(&selected.view, bite, Wanted::default());
            for row in rows.await.ok()? {
                highest = highest.max(row.modseq.0);
            }
        }
        (highest > 0).then_some(highest)
    }

    /// What `$` means from here on (RFC 5182 2.1): with MIN and MAX alone only those.
    fn save(&mut self, returns: &Returns, uids: &[u32]) {
        let Some(selected) = self.selected.as_deref_mut() else {
            return;
        };
        let is_all = returns.all
            || returns.count
            || returns.partial.is_some()
            || !(returns.min || returns.max);
        selected.saved = if is_all {
            uids.to_vec()
        } else {
            let first = uids.first().filter(|_| returns.min);
            let last = uids.last().filter(|_| returns.max);
            let mut ends: Vec<u32> = first.into_iter().chain(last).copied().collect();
            ends.dedup();
            ends
        };
    }

    /// `ESEARCH`; `found` is ascending.
    pub(super) fn esearch(
        &mut self,
        tag: &str,
        uid: bool,
        returns: &Returns,
        found: &[u32],
        highest: Option<i64>,
    ) {
        let mut line = format!("* ESEARCH (TAG {})", quoted(tag));
        if uid {
            line.push_str(" UID");
        }
        if returns.min
            && let Some(first) = found.first()
        {
            let _ = write!(line, " MIN {first}");
        }
        if returns.max
            && let Some(last) = found.last()
        {
            let _ = write!(line, " MAX {last}");
        }
        if returns.count {
            let _ = write!(line, " COUNT {}", found.len());
        }
        if returns.all && !found.is_empty() {
            let _ = write!(line, " ALL {}", SequenceSet::of(found.iter().copied()));
        }
        if let Some(window) = returns.partial {
            let shown = SequenceSet::of(super::fetch::windowed(found, window));
            let range = written(window);
            if shown.is_empty() {
                let _ = write!(line, " PARTIAL ({range} NIL)");
            } else {
                let _ = write!(line, " PARTIAL ({range} {shown})");
            }
        }
        if let Some(highest) = highest {
            let _ = write!(line, " MODSEQ {highest}");
        }
        self.say(&format!("{line}\r\n"));
    }

    /// `SORT` and `UID SORT` (RFC 5256)
    pub(super) async fn sort(&mut self, tag: &str, args: &Sort) -> Result<Reply, WireError> {
        let uids = match self.look_for(tag, &args.search.key).await? {
            Ok(uids) => uids,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        let imap = self.imap;
        let Some(selected) = self.selected.as_deref() else {
            return Ok(Reply::bad("Select a mailbox first"));
        };
        let sorted = match imap.app.mailbox.sort(&selected.view, &uids, &args.by).await {
            Ok(sorted) => sorted,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        let rows = selected.view.rows();
        let told: Vec<u32> = if args.search.uid {
            sorted
        } else {
            sorted.iter().filter_map(|uid| rows.number(*uid)).collect()
        };
        let Some(returns) = &args.search.returns else {
            let mut line = String::from("* SORT");
            for number in &told {
                let _ = write!(line, " {number}");
            }
            self.say(&format!("{line}\r\n"));
            return Ok(Reply::ok("That is all"));
        };
        if returns.save {
            self.save(returns, &uids);
        }
        self.esort(tag, args.search.uid, returns, &told);
        Ok(Reply::ok("That is all"))
    }

    /// ESEARCH in the order of a SORT (RFC 5267 3): sets keep that order, so nothing is merged.
    fn esort(&mut self, tag: &str, uid: bool, returns: &Returns, told: &[u32]) {
        let mut line = format!("* ESEARCH (TAG {})", quoted(tag));
        if uid {
            line.push_str(" UID");
        }
        if returns.min
            && let Some(first) = told.first()
        {
            let _ = write!(line, " MIN {first}");
        }
        if returns.max
            && let Some(last) = told.last()
        {
            let _ = write!(line, " MAX {last}");
        }
        if returns.count {
            let _ = write!(line, " COUNT {}", told.len());
        }
        if returns.all && !told.is_empty() {
            let _ = write!(line, " ALL {}", joined(told));
        }
        if let Some(window) = returns.partial {
            let shown = super::fetch::windowed(told, window);
            let range = written(window);
            if shown.is_empty() {
                let _ = write!(line, " PARTIAL ({range} NIL)");
            } else {
                let _ = write!(line, " PARTIAL ({range} {})", joined(&shown));
            }
        }
        self.say(&format!("{line}\r\n"));
    }

    /// `THREAD` and `UID THREAD` (RFC 5256)
    pub(super) async fn thread(&mut self, tag: &str, args: &Thread) -> Result<Reply, WireError> {
        let uids = match self.look_for(tag, &args.search.key).await? {
            Ok(uids) => uids,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        let imap = self.imap;
        let Some(selected) = self.selected.as_deref() else {
            return Ok(Reply::bad("Select a mailbox first"));
        };
        let forest = imap
            .app
            .mailbox
            .threads(&selected.view, &uids, args.algorithm, args.search.uid)
            .await;
        match forest {
            Ok(forest) => {
                let mut out = b"* THREAD".to_vec();
                if !forest.is_empty() {
                    out.push(b' ');
                    forest.write(&mut out);
                }
                out.extend_from_slice(b"\r\n");
                self.wire.push(&out);
                Ok(Reply::ok("That is all"))
            }
            Err(refusal) => Ok(Reply::refused(&refusal)),
        }
    }
}

/// A tag in quotes.
fn quoted(tag: &str) -> String {
    let mut out = Vec::new();
    write::string(&mut out, tag.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

/// Numbers in their own order.
fn joined(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    words.join(",")
}

/// A window as it was asked for.
fn written(window: Window) -> String {
    if window.from_end {
        format!("-{}:-{}", window.first, window.last)
    } else {
        format!("{}:{}", window.first, window.last)
    }
}

fn asks_for_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::And(all) => all.iter().any(asks_for_modseq),
        SearchKey::Or(a, b) => asks_for_modseq(a) || asks_for_modseq(b),
        SearchKey::Not(key) => asks_for_modseq(key),
        _ => false,
    }
}

/// How often a long search says how far it is.
const TICK: Duration = Duration::from_secs(10);
/// Octets of further commands that wait while a search runs.
const PIPELINE: usize = 65_536;
