//! Mailboxes that need not be selected: LIST, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE (RFC 9051 6.3; RFC 5258, 5819,
//! 6154).

use std::fmt::Write;

use super::reply::Reply;
use super::session::Session;
use crate::error::Refusal;
use crate::format::imap::list::{List, ListVerb, StatusItem};
use crate::format::imap::pattern::Pattern;
use crate::format::imap::write;
use crate::model::{AccountId, SpecialUse};
use crate::net::line::WireError;
use crate::service::mail::FolderRow;

impl Session<'_> {
    /// `LIST` and `LSUB`.
    pub(super) async fn list(
        &mut self,
        account: AccountId,
        list: &List,
    ) -> Result<Reply, WireError> {
        let verb = match list.verb {
            ListVerb::List => "LIST",
            ListVerb::Lsub => "LSUB",
        };
        if list.patterns.iter().all(String::is_empty) && !list.returns.is_extended {
            // RFC 9051 6.3.9: asks for the separator and the root of the reference.
            self.say(&format!("* {verb} (\\Noselect) \"/\" \"\"\r\n"));
            return Ok(Reply::ok("That is all"));
        }
        let folders = match self.imap.app.mailbox.folders(account).await {
            Ok(folders) => folders,
            Err(refusal) => return Ok(Reply::refused(&refusal)),
        };
        let patterns: Vec<Pattern> = list
            .patterns
            .iter()
            .map(|pattern| Pattern::new(&list.reference, pattern))
            .collect();
        let utf8 = self.utf8();
        for (folder, below) in with_those_below(&folders) {
            if !patterns.iter().any(|p| p.matches(&folder.name)) {
                continue;
            }
            let is_chosen = fits(list, folder);
            let chosen_below = list.select.recursive && below.iter().any(|f| fits(list, f));
            // RFC 3501 6.3.9: LSUB with % shows the level above what is subscribed.
            let is_level = list.verb == ListVerb::Lsub
                && !is_chosen
                && list.patterns.iter().any(|p| p.ends_with('%'))
                && below.iter().any(|f| f.is_subscribed);
            if !is_chosen && !chosen_below && !is_level {
                continue;
            }
            let mut out = format!("* {verb} (").into_bytes();
            out.extend_from_slice(attributes(list, folder, !below.is_empty(), is_level).as_bytes());
            out.extend_from_slice(b") \"/\" ");
            write::mailbox(&mut out, &folder.name, utf8);
            if chosen_below {
                out.extend_from_slice(b" (CHILDINFO (\"SUBSCRIBED\"))");
            }
            out.extend_from_slice(b"\r\n");
            self.wire.push(&out);
            if list.returns.my_rights {
                let mut out = b"* MYRIGHTS ".to_vec();
                write::mailbox(&mut out, &folder.name, utf8);
                out.extend_from_slice(b" lrswipkxteacd\r\n");
                self.wire.push(&out);
            }
            if !list.returns.status.is_empty()
                && let Ok(line) = self
                    .status_line(account, folder, &list.returns.status)
                    .await
            {
                self.wire.push(&line);
            }
            self.relieve().await?;
        }
        Ok(Reply::ok("That is all"))
    }

    /// `STATUS` — counters of a mailbox that need not be selected.
    pub(super) async fn status(
        &mut self,
        account: AccountId,
        mailbox: &str,
        items: &[StatusItem],
    ) -> Reply {
        if items.contains(&StatusItem::HighestModSeq) {
            // RFC 7162 3.1.2: asking for it enables it.
            self.enabled.condstore = true;
        }
        let folder = match self.imap.app.mailbox.folder(account, mailbox).await {
            Ok(folder) => folder,
            Err(refusal) => return Reply::refused(&refusal),
        };
        match self.status_line(account, &folder, items).await {
            Ok(line) => {
                self.wire.push(&line);
                Reply::ok("That is all")
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    async fn status_line(
        &mut self,
        account: AccountId,
        folder: &FolderRow,
        items: &[StatusItem],
    ) -> Result<Vec<u8>, Refusal> {
        let needs_count = items.iter().any(|item| match item {
            StatusItem::Deleted | StatusItem::DeletedStorage => folder.message_count > 0,
            StatusItem::Recent => folder.recent_uid < folder.uid_next,
            _ => false,
        });
        let counted = if needs_count {
            self.imap.app.mailbox.count(account, folder).await?
        } else {
            crate::service::mailbox::Counted::default()
        };
        let mut out = b"* STATUS ".to_vec();
        write::mailbox(&mut out, &folder.name, self.utf8());
        let mut text = String::from(" (");
        for (i, item) in items.iter().enumerate() {
            let between = if i > 0 { " " } else { "" };
            let _ = write!(text, "{between}{} ", item.word());
            let number = match item {
                StatusItem::MailboxId => {
                    let _ = write!(text, "({})", write::object_id('F', folder.folder_id.0));
                    continue;
                }
                StatusItem::Messages => folder.message_count,
                StatusItem::Recent => counted.recent,
                StatusItem::UidNext => folder.uid_next.0,
                StatusItem::UidValidity => folder.uid_validity,
                StatusItem::Unseen => folder.unseen_count,
                StatusItem::Deleted => counted.deleted,
                StatusItem::DeletedStorage => counted.deleted_bytes / 1024,
                StatusItem::Size => folder.total_bytes,
                StatusItem::HighestModSeq => folder.content_modseq.0.max(1),
                StatusItem::AppendLimit => {
                    i64::try_from(self.imap.app.config.smtp.message_size).unwrap_or(i64::MAX)
                }
            };
            let _ = write!(text, "{number}");
        }
        text.push_str(")\r\n");
        out.extend_from_slice(text.as_bytes());
        Ok(out)
    }

    /// `CREATE` — with the levels above it, and with a special use nobody has yet.
    pub(super) async fn create(
        &mut self,
        account: AccountId,
        mailbox: &str,
        uses: &[Option<SpecialUse>],
    ) -> Reply {
        let special = match uses {
            [] => None,
            [Some(special)] => Some(*special),
            // RFC 6154 3: what cannot be is refused whole. One folder has one use with us.
            _ => return Reply::no("USEATTR", "This special use cannot be given"),
        };
        if mailbox.trim_end_matches('/') == "INBOX" {
            return Reply::no("ALREADYEXISTS", "The inbox is there always");
        }
        if let Some(special) = special {
            let taken = self.imap.app.mailbox.folders(account).await;
            if taken.is_ok_and(|all| all.iter().any(|f| f.special_use() == Some(special))) {
                return Reply::no("USEATTR", "Another mailbox has this special use");
            }
        }
        match self
            .imap
            .app
            .mailbox
            .create(account, mailbox, special)
            .await
        {
            Ok(id) => Reply::ok_with(
                format!("MAILBOXID ({})", write::object_id('F', id.0)),
                "Created",
            ),
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// `DELETE` — the messages stay restorable in the browser for a time.
    pub(super) async fn delete(&mut self, account: AccountId, mailbox: &str) -> Reply {
        if self
            .selected
            .as_ref()
            .is_some_and(|s| s.folder.name == mailbox)
        {
            self.selected = None;
        }
        match self.imap.app.mailbox.delete(account, mailbox).await {
            Ok(()) => Reply::ok("Deleted"),
            Err(Refusal::Exists) => Reply::no("HASCHILDREN", "There are mailboxes below it"),
            Err(Refusal::NotAllowed) => Reply::no("CANNOT", "This mailbox is needed"),
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// `RENAME`
    pub(super) async fn rename(&mut self, account: AccountId, from: &str, to: &str) -> Reply {
        match self.imap.app.mailbox.rename(account, from, to).await {
            Ok(()) => {
                if let Some(selected) = self.selected.as_deref_mut()
                    && selected.folder.name == from
                    && from != "INBOX"
                {
                    to.clone_into(&mut selected.folder.name);
                }
                Reply::ok("Renamed")
            }
            Err(Refusal::NotAllowed) => {
                Reply::no("CANNOT", "This mailbox is needed under its name")
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// `SUBSCRIBE` and `UNSUBSCRIBE`
    pub(super) async fn subscribe(
        &mut self,
        account: AccountId,
        mailbox: &str,
        is_on: bool,
    ) -> Reply {
        match self
            .imap
            .app
            .mailbox
            .subscribe(account, mailbox, is_on)
            .await
        {
            Ok(()) => Reply::ok("Done"),
            // Nothing to take back.
            Err(Refusal::NoFolder) if !is_on => Reply::ok("It was not subscribed"),
            Err(refusal) => Reply::refused(&refusal),
        }
    }
}

/// Each folder with those below it.
fn with_those_below(folders: &[FolderRow]) -> impl Iterator<Item = (&FolderRow, Vec<&FolderRow>)> {
    let mut by_name: Vec<&FolderRow> = folders.iter().collect();
    by_name.sort_by(|a, b| a.name.split('/').cmp(b.name.split('/')));
    folders.iter().map(move |folder| {
        let prefix = format!("{}/", folder.name);
        let from = by_name.partition_point(|f| f.name.split('/').lt(folder.name.split('/')));
        let below = by_name
            .get(from..)
            .unwrap_or_default()
            .iter()
            .skip_while(|f| f.name == folder.name)
            .take_while(|f| f.name.starts_with(&prefix))
            .copied()
            .collect();
        (folder, below)
    })
}

/// Whether a folder is what the selection options ask for.
fn fits(list: &List, folder: &FolderRow) -> bool {
    (!list.select.subscribed || folder.is_subscribed)
        && (!list.select.special_use || folder.special_use().and_then(write::special_use).is_some())
}

fn attributes(list: &List, folder: &FolderRow, has_children: bool, is_level: bool) -> String {
    let mut all = vec![if is_level {
        "\\Noselect"
    } else if has_children {
        "\\HasChildren"
    } else {
        "\\HasNoChildren"
    }];
    if list.returns.subscribed && folder.is_subscribed {
        all.push("\\Subscribed");
    }
    if let Some(special) = folder.special_use().and_then(write::special_use) {
        all.push(special);
    }
    all.join(" ")
}
