//! What changed, told to the client (RFC 9051 7.4.1, 7.5.1, 7.5.2; RFC 7162 3.2.10): the only place where sequence numbers
//! move.

use std::fmt::Write;

use tracing::debug;

use super::session::{Selected, Session};
use crate::error::Refusal;
use crate::format::imap::set::SequenceSet;
use crate::format::imap::write;
use crate::model::ModSeq;
use crate::service::mailbox::News;

impl Session<'_> {
    /// Looks what is new in the selected mailbox and tells it. False when the mailbox is gone.
    ///
    /// Asks the database only when the account is known to have changed.
    pub(super) async fn tell(&mut self) -> bool {
        let Some(selected) = self.selected.as_deref_mut() else {
            return true;
        };
        if selected.watch.newest() <= selected.view.upto() {
            return true;
        }
        let news = match self.imap.app.mailbox.look(&mut selected.view).await {
            Ok(news) => news,
            Err(Refusal::NoFolder) => return false,
            Err(refusal) => {
                // What cannot be looked at now is told another time.
                debug!(session = %self.id, error = %refusal, "the mailbox could not be looked at");
                return true;
            }
        };
        self.tell_news(news).await;
        true
    }

    async fn tell_news(&mut self, news: News) {
        if !news.gone.is_empty() {
            let mut line = String::new();
            if self.enabled.qresync || self.enabled.uid_only {
                let uids = SequenceSet::of(news.gone.iter().map(|(_, uid)| *uid));
                let _ = write!(line, "* VANISHED {uids}\r\n");
            } else {
                for (number, _) in &news.gone {
                    let _ = write!(line, "* {number} EXPUNGE\r\n");
                }
            }
            self.say(&line);
            if let Some(selected) = self.selected.as_deref_mut() {
                let gone: Vec<u32> = news.gone.iter().rev().map(|(_, uid)| *uid).collect();
                selected
                    .saved
                    .retain(|uid| gone.binary_search(uid).is_err());
            }
        }
        if news.arrived > 0 {
            self.tell_arrival().await;
        }
        self.tell_keywords();
        for (number, modseq) in &news.changed {
            self.tell_flags(*number, Some(*modseq));
        }
    }

    /// `EXISTS`, and `RECENT` for clients of RFC 3501.
    async fn tell_arrival(&mut self) {
        let Some(selected) = self.selected.as_deref_mut() else {
            return;
        };
        let count = selected.view.rows().len();
        let mut line = format!("* {count} EXISTS\r\n");
        if !self.enabled.rev2 {
            if !selected.is_read_only
                && let Ok(Some(first)) = self.imap.app.mailbox.claim_recent(&selected.view).await
            {
                selected
                    .recent
                    .push((first, selected.view.rows().last_uid()));
            }
            let _ = write!(line, "* {} RECENT\r\n", selected.recent_count());
        }
        self.say(&line);
    }

    /// FLAGS again when keywords are in use that the client has not heard of (RFC 9051 7.3.1).
    pub(super) fn tell_keywords(&mut self) {
        let Some(selected) = self.selected.as_deref_mut() else {
            return;
        };
        if selected.knows_all_keywords() {
            return;
        }
        selected.told_keywords = selected.view.rows().all_keywords();
        let lines = flag_lines(selected);
        self.wire.push(&lines);
    }

    /// `FETCH (FLAGS ..)` nobody asked for.
    pub(super) fn tell_flags(&mut self, number: u32, modseq: Option<ModSeq>) {
        let Some(selected) = self.selected.as_deref() else {
            return;
        };
        let Some(uid) = selected.view.rows().uid(number) else {
            return;
        };
        let mut out = Vec::with_capacity(80);
        self.begin_fetch(&mut out, number, uid);
        if (self.enabled.qresync || self.enabled.rev2) && !self.enabled.uid_only {
            out.extend_from_slice(format!("UID {uid} ").as_bytes());
        }
        out.extend_from_slice(b"FLAGS ");
        selected.write_flags(&mut out, number, self.enabled.rev2);
        if let Some(modseq) = modseq.filter(|_| self.enabled.condstore) {
            out.extend_from_slice(format!(" MODSEQ ({modseq})").as_bytes());
        }
        out.extend_from_slice(b")\r\n");
        self.wire.push(&out);
    }

    /// `* n FETCH (`, or `* uid UIDFETCH (` (RFC 9586 3.3).
    pub(super) fn begin_fetch(&self, out: &mut Vec<u8>, number: u32, uid: u32) {
        let line = if self.enabled.uid_only {
            format!("* {uid} UIDFETCH (")
        } else {
            format!("* {number} FETCH (")
        };
        out.extend_from_slice(line.as_bytes());
    }
}

impl Selected {
    /// How many messages this session was the first to be told of.
    pub(super) fn recent_count(&self) -> usize {
        self.view.rows().numbers_of_uids(&self.recent).len()
    }

    fn is_recent(&self, uid: u32) -> bool {
        self.recent
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&uid))
    }

    /// The flags of a message.
    pub(super) fn write_flags(&self, out: &mut Vec<u8>, number: u32, rev2: bool) {
        let rows = self.view.rows();
        let is_recent = !rev2 && rows.uid(number).is_some_and(|uid| self.is_recent(uid));
        let keywords = rows.keywords(number).iter().map(String::as_str);
        write::flags(out, rows.flags(number), keywords, is_recent);
    }

    fn knows_all_keywords(&self) -> bool {
        self.view
            .rows()
            .sets()
            .all(|set| set.iter().all(|k| self.told_keywords.contains(k)))
    }
}

/// `FLAGS` and `PERMANENTFLAGS`.
pub(super) fn flag_lines(selected: &Selected) -> Vec<u8> {
    let every = crate::model::Flags(1023);
    let words = selected.told_keywords.iter().map(String::as_str);
    let mut out = b"* FLAGS ".to_vec();
    write::flags(&mut out, every, words.clone(), false);
    out.extend_from_slice(b"\r\n* OK [PERMANENTFLAGS ");
    if selected.is_read_only {
        out.extend_from_slice(b"()");
    } else {
        write::flags(&mut out, every, words.chain(["\\*"]), false);
    }
    out.extend_from_slice(b"] What can be kept\r\n");
    out
}
