//! QUOTA (RFC 9208): one root for the whole account, mail and calendars and contacts in one number, as everywhere.

use super::reply::Reply;
use super::session::Session;
use crate::format::imap::write;
use crate::model::AccountId;

impl Session<'_> {
    /// `GETQUOTA ""`
    pub(super) async fn quota(&mut self, account: AccountId, root: &str) -> Reply {
        if !root.is_empty() {
            return Reply::no("NONEXISTENT", "No such quota root");
        }
        match self.imap.app.mailbox.usage(account).await {
            Ok(usage) => {
                // Units of 1,024 octets, used ones rounded up: a full box is told as full.
                let used = usage.used_bytes.saturating_add(1_023) / 1_024;
                let most = usage.quota_bytes / 1_024;
                self.say(&format!(
                    "* QUOTA \"\" (STORAGE {} {most})\r\n",
                    used.min(most.max(used))
                ));
                Reply::ok("That is all")
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// `GETQUOTAROOT mailbox`
    pub(super) async fn quota_root(&mut self, account: AccountId, mailbox: &str) -> Reply {
        if let Err(refusal) = self.imap.app.mailbox.folder(account, mailbox).await {
            return Reply::refused(&refusal);
        }
        let mut out = b"* QUOTAROOT ".to_vec();
        write::mailbox(&mut out, mailbox, self.utf8());
        out.extend_from_slice(b" \"\"\r\n");
        self.wire.push(&out);
        self.quota(account, "").await
    }
}
