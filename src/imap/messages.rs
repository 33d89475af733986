//! STORE, COPY, MOVE, EXPUNGE (RFC 9051 6.4.3, 6.4.6 - 6.4.9), with what RFC 4315, 6851 and 7162 add to them.

use super::reply::Reply;
use super::session::Session;
use crate::error::Refusal;
use crate::format::imap::command::{Messages, Store, StoreHow};
use crate::format::imap::parse::SETTABLE;
use crate::format::imap::set::SequenceSet;
use crate::model::{Flags, ModSeq};
use crate::net::line::WireError;
use crate::service::mailbox::{FlagWish, Wanted};

impl Session<'_> {
    /// The sequence numbers a command speaks of, ascending.
    pub(super) fn numbers(&self, uid: bool, messages: &Messages) -> Result<Vec<u32>, Reply> {
        let Some(selected) = self.selected.as_deref() else {
            return Err(Reply::bad("Select a mailbox first"));
        };
        let rows = selected.view.rows();
        Ok(match messages {
            Messages::Saved => selected
                .saved
                .iter()
                .filter_map(|uid| rows.number(*uid))
                .collect(),
            Messages::Set(set) if uid => rows.numbers_of_uids(&set.resolve(rows.last_uid())),
            Messages::Set(set) => {
                let last = rows.last_number();
                let ranges = set.resolve(last);
                if ranges.last().is_some_and(|(_, end)| *end > last) && !set.has_last() {
                    // RFC 9051 9, `seq-number`: a number that does not exist is an error.
                    return Err(Reply::bad("No such message"));
                }
                rows.numbers_in(&ranges)
            }
        })
    }

    fn uids(&self, numbers: &[u32]) -> Vec<u32> {
        let Some(selected) = self.selected.as_deref() else {
            return Vec::new();
        };
        let rows = selected.view.rows();
        numbers.iter().filter_map(|n| rows.uid(*n)).collect()
    }

    /// `STORE` — changes flags; messages that have gone meanwhile are passed over (RFC 2180 4.2.1).
    pub(super) async fn store(&mut self, args: &Store) -> Result<Reply, WireError> {
        let numbers = match self.numbers(args.uid, &args.messages) {
            Ok(numbers) => numbers,
            Err(reply) => return Ok(reply),
        };
        let uids = self.uids(&numbers);
        let Some(selected) = self.selected.as_deref_mut() else {
            return Ok(Reply::bad("Select a mailbox first"));
        };
        if selected.is_read_only {
            return Ok(Reply::no(
                "READ-ONLY",
                "The mailbox is open for reading only",
            ));
        }
        if args.unchanged_since.is_some() {
            self.enabled.condstore = true;
        }
        let wish = wish(args);
        let stored = match self
            .imap
            .app
            .mailbox
            .set_flags(&mut selected.view, &uids, &wish)
            .await
        {
            Ok(stored) => stored,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        self.tell_keywords();
        self.tell_stored(args, &numbers, &stored.changed, &stored.modified)
            .await?;
        if stored.modified.is_empty() {
            return Ok(Reply::ok("Stored"));
        }
        // RFC 7162 3.1.3: the failed ones, by the kind of number that was asked with.
        let failed = SequenceSet::of(stored.modified.iter().filter_map(|uid| {
            if args.uid {
                Some(*uid)
            } else {
                self.selected.as_deref()?.view.rows().number(*uid)
            }
        }));
        Ok(Reply::ok_with(
            format!("MODIFIED {failed}"),
            "Some had changed meanwhile",
        ))
    }

    async fn tell_stored(
        &mut self,
        args: &Store,
        numbers: &[u32],
        changed: &[(u32, ModSeq)],
        modified: &[u32],
    ) -> Result<(), WireError> {
        let Some(selected) = self.selected.as_deref() else {
            return Ok(());
        };
        // With UNCHANGEDSINCE every message that was not refused is answered with its number.
        let mut others = Vec::new();
        if args.unchanged_since.is_some() {
            let rows = selected.view.rows();
            let untouched: Vec<u32> = numbers
                .iter()
                .filter_map(|n| rows.uid(*n))
                .filter(|uid| changed.binary_search_by_key(uid, |(u, _)| *u).is_err())
                .collect();
            if let Ok(rows) = self
                .imap
                .app
                .mailbox
                .rows(&selected.view, &untouched, Wanted::default())
                .await
            {
                others = rows.iter().map(|r| (r.uid.0, r.modseq)).collect();
            }
        }
        for number in numbers {
            let Some(selected) = self.selected.as_deref() else {
                break;
            };
            let Some(uid) = selected.view.rows().uid(*number) else {
                continue;
            };
            if modified.binary_search(&uid).is_ok() {
                continue;
            }
            let modseq = changed
                .binary_search_by_key(&uid, |(u, _)| *u)
                .ok()
                .and_then(|at| changed.get(at))
                .map(|(_, modseq)| *modseq)
                .or_else(|| {
                    let at = others
                        .binary_search_by_key(&i64::from(uid), |(u, _)| *u)
                        .ok()?;
                    others.get(at).map(|(_, modseq)| *modseq)
                });
            let mut out = Vec::with_capacity(80);
            self.begin_fetch(&mut out, *number, uid);
            let mut items: Vec<Vec<u8>> = Vec::new();
            if (args.uid || self.enabled.qresync) && !self.enabled.uid_only {
                items.push(format!("UID {uid}").into_bytes());
            }
            if let Some(modseq) = modseq.filter(|_| self.enabled.condstore) {
                items.push(format!("MODSEQ ({modseq})").into_bytes());
            } else if args.silent {
                continue;
            }
            if !args.silent {
                let mut flags = b"FLAGS ".to_vec();
                selected.write_flags(&mut flags, *number, self.enabled.rev2);
                items.push(flags);
            }
            out.extend_from_slice(&items.join(&b' '));
            out.extend_from_slice(b")\r\n");
            self.wire.push(&out);
            self.relieve().await?;
        }
        Ok(())
    }

    /// `COPY` and `MOVE`
    pub(super) async fn copy(
        &mut self,
        uid: bool,
        messages: &Messages,
        mailbox: &str,
        is_move: bool,
    ) -> Reply {
        let numbers = match self.numbers(uid, messages) {
            Ok(numbers) => numbers,
            Err(reply) => return reply,
        };
        let uids = self.uids(&numbers);
        let Some(selected) = self.selected.as_deref() else {
            return Reply::bad("Select a mailbox first");
        };
        if is_move && selected.is_read_only {
            return Reply::no("READ-ONLY", "The mailbox is open for reading only");
        }
        let mailboxes = &self.imap.app.mailbox;
        let copied = if is_move {
            mailboxes.relocate(&selected.view, &uids, mailbox).await
        } else {
            mailboxes.copy(&selected.view, &uids, mailbox).await
        };
        let copied = match copied {
            Ok(copied) => copied,
            Err(refusal) => return Reply::refused_target(&refusal),
        };
        let text = if is_move { "Moved" } else { "Copied" };
        if copied.pairs.is_empty() {
            return Reply::ok(text);
        }
        let code = format!(
            "COPYUID {} {} {}",
            copied.uid_validity,
            SequenceSet::of(copied.pairs.iter().map(|(from, _)| *from)),
            SequenceSet::of(copied.pairs.iter().map(|(_, to)| *to)),
        );
        if is_move {
            // RFC 9051 6.4.8: before the messages leave, so that their UIDs still mean something.
            self.say(&format!("* OK [{code}] Moved\r\n"));
            return Reply::ok(text);
        }
        Reply::ok_with(code, text)
    }

    /// `EXPUNGE` and `UID EXPUNGE`; what left is told like everything that left.
    pub(super) async fn expunge(&mut self, messages: Option<&Messages>) -> Reply {
        let among = match messages.map(|m| self.numbers(true, m)).transpose() {
            Ok(among) => among.map(|numbers| self.uids(&numbers)),
            Err(reply) => return reply,
        };
        let Some(selected) = self.selected.as_deref() else {
            return Reply::bad("Select a mailbox first");
        };
        if selected.is_read_only {
            return Reply::no("READ-ONLY", "The mailbox is open for reading only");
        }
        if let Err(refusal) = self
            .imap
            .app
            .mailbox
            .expunge(&selected.view, among.as_deref())
            .await
        {
            return Reply::refused(&refusal);
        }
        if !self.tell().await {
            return Reply::refused(&Refusal::NoFolder);
        }
        let highest = self.selected.as_deref().map(|s| s.view.highest().0.max(1));
        match highest.filter(|_| self.enabled.qresync) {
            // RFC 7162 3.2.7
            Some(highest) => Reply::ok_with(format!("HIGHESTMODSEQ {highest}"), "Expunged"),
            None => Reply::ok("Expunged"),
        }
    }
}

fn wish(args: &Store) -> FlagWish {
    let mut wish = FlagWish {
        unchanged_since: args.unchanged_since,
        ..FlagWish::default()
    };
    match args.how {
        StoreHow::Add => {
            wish.set = args.list.flags;
            wish.add_keywords.clone_from(&args.list.keywords);
        }
        StoreHow::Remove => {
            wish.clear = args.list.flags;
            wish.remove_keywords.clone_from(&args.list.keywords);
        }
        StoreHow::Replace => {
            wish.set = args.list.flags;
            wish.clear = Flags(SETTABLE.0 & !args.list.flags.0);
            wish.add_keywords.clone_from(&args.list.keywords);
            wish.replaces_keywords = true;
        }
    }
    wish
}
