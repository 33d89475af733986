//! METADATA (RFC 5464): annotations of mailboxes, and of the account under the empty name.
//!
//! An account is one person's, so `/private` and `/shared` differ only in name. What the server says of itself
//! (`/shared` of the empty name) is nobody's to set.

use super::reply::Reply;
use super::session::Session;
use crate::error::Refusal;
use crate::format::imap::command::Entry;
use crate::format::imap::write;
use crate::model::AccountId;

/// Octets of a value.
const VALUE: usize = 4_096;

impl Session<'_> {
    /// `GETMETADATA`
    pub(super) async fn get_metadata(
        &mut self,
        account: AccountId,
        mailbox: &str,
        entries: &[String],
        max_size: Option<u64>,
        depth: Option<u8>,
    ) -> Reply {
        let all = match self.imap.app.mailbox.metadata(account, mailbox).await {
            Ok(all) => all,
            Err(refusal) => return Reply::refused(&refusal),
        };
        let mut out = b"* METADATA ".to_vec();
        name(&mut out, mailbox, self.utf8());
        let (mut between, mut longest) = (" (", 0);
        for (entry, value) in &all {
            if !entries.iter().any(|asked| is_asked(asked, entry, depth)) {
                continue;
            }
            let size = u64::try_from(value.len()).unwrap_or(u64::MAX);
            if max_size.is_some_and(|most| size > most) {
                longest = longest.max(size);
                continue;
            }
            out.extend_from_slice(between.as_bytes());
            write::astring(&mut out, entry.as_bytes());
            out.push(b' ');
            if value.contains(&0) {
                out.extend_from_slice(format!("~{{{}}}\r\n", value.len()).as_bytes());
                out.extend_from_slice(value);
            } else {
                write::string(&mut out, value);
            }
            between = " ";
        }
        if between == " " {
            out.extend_from_slice(b")\r\n");
            self.wire.push(&out);
        }
        if longest > 0 {
            return Reply::ok_with(format!("METADATA LONGENTRIES {longest}"), "Some are longer");
        }
        Reply::ok("That is all")
    }

    /// `SETMETADATA`
    pub(super) async fn set_metadata(
        &mut self,
        account: AccountId,
        mailbox: &str,
        entries: &[Entry],
    ) -> Reply {
        for (entry, value) in entries {
            let is_shared = entry.starts_with("/shared/");
            if !is_shared && !entry.starts_with("/private/") {
                return Reply::bad("An entry begins with /private/ or /shared/");
            }
            if is_shared && mailbox.is_empty() {
                return Reply::no("NOPERM", "This is the server's own");
            }
            if value.as_ref().is_some_and(|v| v.len() > VALUE) {
                return Reply::no(format!("METADATA MAXSIZE {VALUE}"), "The value is too long");
            }
        }
        match self
            .imap
            .app
            .mailbox
            .set_metadata(account, mailbox, entries)
            .await
        {
            Ok(()) => Reply::ok("Noted"),
            Err(Refusal::TooMany { .. }) => {
                Reply::no("METADATA TOOMANY", "There are too many of them")
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }
}

/// The empty name is the server's, and no mailbox.
fn name(out: &mut Vec<u8>, mailbox: &str, utf8: bool) {
    if mailbox.is_empty() {
        out.extend_from_slice(b"\"\"");
    } else {
        write::mailbox(out, mailbox, utf8);
    }
}

/// Whether an entry is the one asked for, or so far below it (RFC 5464 4.2.2).
fn is_asked(asked: &str, entry: &str, depth: Option<u8>) -> bool {
    let Some(below) = entry.strip_prefix(asked) else {
        return false;
    };
    below.is_empty()
        || (below.starts_with('/')
            && match depth {
                Some(depth) => below.matches('/').count() <= usize::from(depth),
                None => true,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths() {
        assert!(is_asked("/private/a", "/private/a", Some(0)));
        assert!(!is_asked("/private/a", "/private/ab", None));
        assert!(!is_asked("/private/a", "/private/a/b", Some(0)));
        assert!(is_asked("/private/a", "/private/a/b", Some(1)));
        assert!(!is_asked("/private/a", "/private/a/b/c", Some(1)));
        assert!(is_asked("/private/a", "/private/a/b/c", None));
    }
}
