//! SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 6.3.2, 6.3.3, 6.4.1, 6.4.2), with what RFC 7162 adds to them.

use std::fmt::Write;

use super::reply::Reply;
use super::session::{Selected, Session};
use super::tell::flag_lines;
use crate::format::imap::command::{Resync, Select};
use crate::format::imap::set::SequenceSet;
use crate::format::imap::write;
use crate::model::{AccountId, ModSeq};
use crate::net::line::WireError;

impl Session<'_> {
    /// `SELECT` and `EXAMINE` — opens a mailbox; the one that was open is closed whatever comes of it.
    pub(super) async fn select(
        &mut self,
        account: AccountId,
        args: Select,
    ) -> Result<Reply, WireError> {
        if args.resync.is_some() && !self.enabled.qresync {
            return Ok(Reply::bad("QRESYNC was not enabled"));
        }
        if self.selected.take().is_some() && (self.enabled.qresync || self.enabled.rev2) {
            self.say("* OK [CLOSED] The former mailbox is closed\r\n");
        }
        if args.condstore {
            self.enabled.condstore = true;
        }
        let mailboxes = &self.imap.app.mailbox;
        // The watch comes first, so that nothing is missed between it and the opening.
        let watch = mailboxes.watch(account);
        let opened = match mailboxes.open(account, &args.mailbox).await {
            Ok(opened) => opened,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        let mut selected = Box::new(Selected {
            told_keywords: opened.view.rows().all_keywords(),
            folder: opened.folder,
            view: opened.view,
            watch,
            is_read_only: args.is_read_only,
            recent: Vec::new(),
            saved: Vec::new(),
        });
        if !self.enabled.rev2 {
            let first = u32::try_from(selected.folder.recent_uid.0).unwrap_or(u32::MAX);
            if selected.view.rows().last_uid() >= first {
                let claimed = if args.is_read_only {
                    Ok(Some(first))
                } else {
                    mailboxes.claim_recent(&selected.view).await
                };
                if let Ok(Some(first)) = claimed {
                    selected
                        .recent
                        .push((first, selected.view.rows().last_uid()));
                }
            }
        }
        self.opening(&selected);
        self.selected = Some(selected);
        if let Some(resync) = args.resync {
            self.resync(&resync).await?;
        }
        Ok(if args.is_read_only {
            Reply::ok_with("READ-ONLY", "Opened for reading")
        } else {
            Reply::ok_with("READ-WRITE", "Opened")
        })
    }

    fn opening(&mut self, selected: &Selected) {
        let rows = selected.view.rows();
        let folder = &selected.folder;
        let mut text = format!("* {} EXISTS\r\n", rows.len());
        if self.enabled.rev2 {
            let mut name = Vec::new();
            write::mailbox(&mut name, &folder.name, true);
            let _ = write!(
                text,
                "* LIST () \"/\" {}\r\n",
                String::from_utf8_lossy(&name)
            );
        } else {
            let _ = write!(text, "* {} RECENT\r\n", selected.recent_count());
            if let Some(first) = rows.first_unseen().filter(|_| !self.enabled.uid_only) {
                let _ = write!(text, "* OK [UNSEEN {first}] The first unseen one\r\n");
            }
        }
        let _ = write!(
            text,
            "* OK [UIDVALIDITY {}] UIDs are valid\r\n* OK [UIDNEXT {}] The next UID\r\n* OK [HIGHESTMODSEQ {}] The last change\r\n\
             * OK [MAILBOXID ({})] Stays over a renaming\r\n",
            folder.uid_validity,
            folder.uid_next,
            folder.content_modseq.0.max(1),
            write::object_id('F', folder.folder_id.0),
        );
        self.wire.push(&flag_lines(selected));
        self.say(&text);
    }

    /// What changed since the client was here (RFC 7162 3.2.5).
    async fn resync(&mut self, resync: &Resync) -> Result<(), WireError> {
        let Some(selected) = self.selected.as_deref() else {
            return Ok(());
        };
        if resync.uid_validity != selected.folder.uid_validity {
            return Ok(());
        }
        let (rows, pruned) = (selected.view.rows(), selected.folder.pruned_modseq);
        let since = ModSeq(resync.modseq);
        let mailboxes = &self.imap.app.mailbox;
        let vanished = mailboxes
            .vanished_since(&selected.view, since, pruned)
            .await;
        let changed = mailboxes.changed_since(&selected.view, since).await;
        let (Ok(vanished), Ok(changed)) = (vanished, changed) else {
            // The client does a full sync by itself when it hears nothing of its UIDs.
            self.say("* OK [NOOP] Changes cannot be told now\r\n");
            return Ok(());
        };
        let last = u32::try_from(selected.folder.uid_next.0.saturating_sub(1)).unwrap_or(u32::MAX);
        let known = match &resync.known {
            Some(known) => within(&known.resolve(last), &[(1, last)]).resolve(last),
            None if last > 0 => vec![(1, last)],
            None => Vec::new(),
        };
        let gone = match vanished {
            Some(ranges) => within(&ranges, &known),
            // Too long ago: everything the client may know and that is not there.
            None => missing(&known, rows.uids()),
        };
        let numbers: Vec<(u32, ModSeq)> = changed
            .into_iter()
            .filter(|(uid, _)| known.iter().any(|(a, b)| (*a..=*b).contains(uid)))
            .filter_map(|(uid, modseq)| Some((rows.number(uid)?, modseq)))
            .collect();
        if !gone.is_empty() {
            self.say(&format!("* VANISHED (EARLIER) {gone}\r\n"));
        }
        for (number, modseq) in numbers {
            self.tell_flags(number, Some(modseq));
            self.relieve().await?;
        }
        Ok(())
    }

    /// `CLOSE` — removes what is marked as deleted, without a word about it, and closes.
    pub(super) async fn close(&mut self) -> Reply {
        let Some(selected) = self.selected.take() else {
            return Reply::bad("No mailbox is selected");
        };
        if !selected.is_read_only
            && let Err(refusal) = self.imap.app.mailbox.expunge(&selected.view, None).await
        {
            return Reply::refused(&refusal);
        }
        Reply::ok("Closed")
    }

    /// `UNSELECT` — closes and removes nothing.
    pub(super) fn unselect(&mut self) -> Reply {
        match self.selected.take() {
            Some(_) => Reply::ok("Closed"),
            None => Reply::bad("No mailbox is selected"),
        }
    }
}

/// Ranges cut to other ranges, which are sorted.
pub(super) fn within(ranges: &[(u32, u32)], known: &[(u32, u32)]) -> SequenceSet {
    let cut = ranges.iter().flat_map(|(first, last)| {
        let from = known.partition_point(|(_, b)| b < first);
        known
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |(a, _)| a <= last)
            .map(move |(a, b)| (*first.max(a), *last.min(b)))
    });
    SequenceSet::of_ranges(cut)
}

/// The numbers inside the ranges that are not among `there`, which is sorted.
fn missing(known: &[(u32, u32)], there: &[u32]) -> SequenceSet {
    let mut gaps = Vec::new();
    for (first, last) in known {
        let mut next = *first;
        let from = there.partition_point(|uid| uid < first);
        for uid in there.get(from..).unwrap_or_default() {
            if uid > last {
                break;
            }
            if *uid > next {
                gaps.push((next, uid - 1));
            }
            next = uid.saturating_add(1);
        }
        if next <= *last {
            gaps.push((next, *last));
        }
    }
    SequenceSet::of_ranges(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_gaps() {
        assert_eq!(
            within(&[(2, 5), (8, 8), (20, 30)], &[(1, 3), (5, 25)]).to_string(),
            "2:3,5,8,20:25"
        );
        assert_eq!(within(&[], &[(1, 3)]).to_string(), "");
        assert_eq!(missing(&[(1, 10)], &[2, 3, 7]).to_string(), "1,4:6,8:10");
        assert_eq!(
            missing(&[(1, 4_294_967_295)], &[2]).to_string(),
            "1,3:4294967295"
        );
        assert_eq!(missing(&[(2, 3), (7, 7)], &[2, 3, 7]).to_string(), "");
    }
}
