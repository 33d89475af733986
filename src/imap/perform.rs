//! What is legal when, and one function for each command (RFC 9051 6).

use super::reply::Reply;
use super::session::{Next, Session};
use crate::format::imap::Body;
use crate::format::imap::command::Entry;
use crate::net::line::WireError;

impl Session<'_> {
    /// Carries a command out. What changed meanwhile is told before its answer, unless it may not be.
    pub(super) async fn perform(&mut self, tag: &str, body: Body) -> Result<Next, WireError> {
        if self.enabled.uid_only && uses_numbers(&body) {
            return Ok(Reply {
                status: "BAD",
                code: "UIDREQUIRED".to_owned(),
                text: "Sequence numbers are switched off",
            }
            .into());
        }
        let freezes = body.freezes_numbers();
        let next = match self.any_time(body).await? {
            Ok(next) => next,
            Err(body) => self.signed_in(tag, body).await?,
        };
        if !freezes && matches!(next, Next::Answer(_)) && !self.tell().await {
            return Ok(Next::Leave("The mailbox was deleted"));
        }
        Ok(next)
    }

    /// Commands of any state, and of the state before the sign-in.
    async fn any_time(&mut self, body: Body) -> Result<Result<Next, Body>, WireError> {
        Ok(Ok(match body {
            Body::Capability => {
                let all = self.capabilities();
                self.say(&format!("* CAPABILITY {all}\r\n"));
                Reply::ok("That is all").into()
            }
            Body::Noop => Reply::ok("Nothing was done").into(),
            Body::Logout => Next::Goodbye(Reply::ok("Signed out")),
            Body::Id(entries) => self.identify(&entries).into(),
            Body::StartTls if self.is_secure => Reply::bad("TLS is on already").into(),
            Body::StartTls if self.user.is_some() => Reply::bad("Signed in already").into(),
            Body::StartTls => Next::StartTls(Reply::ok("Begin TLS now")),
            Body::Authenticate(auth) => self.authenticate(auth).await?,
            Body::Login { name, password } => self.login(name, password).await?,
            other => return Ok(Err(other)),
        }))
    }

    /// Commands of the authenticated and the selected state.
    async fn signed_in(&mut self, tag: &str, body: Body) -> Result<Next, WireError> {
        let Some(account) = self.user.as_ref().map(|u| u.account) else {
            return Ok(Reply::bad("Sign in first").into());
        };
        let reply = match body {
            Body::Enable(names)
                if self.selected.is_some() && names.iter().any(|n| n == "UTF8=ACCEPT") =>
            {
                // RFC 6855 3: names would change under an open mailbox.
                Reply::bad("UTF8=ACCEPT is enabled before a mailbox is selected")
            }
            Body::Enable(names) => self.enable(&names),
            Body::Compress(mechanism) => return Ok(self.compress(&mechanism)),
            Body::Select(args) => self.select(account, args).await?,
            Body::Create { mailbox, uses } => self.create(account, &mailbox, &uses).await,
            Body::Delete(mailbox) => self.delete(account, &mailbox).await,
            Body::Rename { from, to } => self.rename(account, &from, &to).await,
            Body::Subscribe(mailbox) => self.subscribe(account, &mailbox, true).await,
            Body::Unsubscribe(mailbox) => self.subscribe(account, &mailbox, false).await,
            Body::List(list) => self.list(account, &list).await?,
            Body::Namespace => {
                self.say("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
                Reply::ok("That is all")
            }
            Body::Status { mailbox, items } => self.status(account, &mailbox, &items).await,
            Body::GetQuota(root) => self.quota(account, &root).await,
            Body::GetQuotaRoot(mailbox) => self.quota_root(account, &mailbox).await,
            Body::SetQuota(_) => Reply::no("NOPERM", "Only the administrator sets the quota"),
            Body::GetMetadata {
                mailbox,
                entries,
                max_size,
                depth,
            } => {
                self.get_metadata(account, &mailbox, &entries, max_size, depth)
                    .await
            }
            Body::SetMetadata { mailbox, entries } => {
                self.set_metadata(account, &mailbox, &entries).await
            }
            Body::Idle => return self.idle().await,
            Body::Unauthenticate
            | Body::GetAcl(_)
            | Body::SetAcl(_)
            | Body::DeleteAcl { .. }
            | Body::ListRights { .. }
            | Body::MyRights(_)
            | Body::Notify(_) => Reply::bad("Unknown command"),
            selected => self.selected(tag, selected).await?,
        };
        Ok(reply.into())
    }

    /// Commands of the selected state.
    async fn selected(&mut self, tag: &str, body: Body) -> Result<Reply, WireError> {
        if self.selected.is_none() {
            return Ok(Reply::bad("Select a mailbox first"));
        }
        Ok(match body {
            Body::Check => Reply::ok("Everything is written already"),
            Body::Close => self.close().await,
            Body::Unselect => self.unselect(),
            Body::Expunge(messages) => self.expunge(messages.as_ref()).await,
            Body::Fetch(fetch) => self.fetch(&fetch).await?,
            Body::Store(store) => self.store(&store).await?,
            Body::Search(search) => self.search(tag, &search).await?,
            Body::Sort(sort) => self.sort(tag, &sort).await?,
            Body::Thread(thread) => self.thread(tag, &thread).await?,
            Body::Copy {
                uid,
                messages,
                mailbox,
                is_move,
            } => self.copy(uid, &messages, &mailbox, is_move).await,
            _ => Reply::bad("Unknown command"),
        })
    }

    /// `ID` (RFC 2971): the client's name goes into the sign-in history.
    fn identify(&mut self, entries: &[Entry]) -> Reply {
        let value = |wanted: &str| {
            entries
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.as_deref())
                .map(|v| {
                    String::from_utf8_lossy(v)
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(100)
                        .collect::<String>()
                })
        };
        let parts: Vec<String> = ["name", "version"]
            .iter()
            .filter_map(|n| value(n))
            .collect();
        self.client = parts.join(" ");
        self.say("* ID (\"name\" \"Postamt\")\r\n");
        Reply::ok("Pleased to meet you")
    }

    /// `COMPRESS` (RFC 4978).
    fn compress(&self, mechanism: &str) -> Next {
        if mechanism != "DEFLATE" {
            return Reply::no("CANNOT", "No such mechanism").into();
        }
        if self.is_compressed {
            return Reply::no("COMPRESSIONACTIVE", "On already").into();
        }
        Next::Deflate(Reply::ok("Deflated from here on"))
    }
}

/// Whether a command speaks of messages by number (RFC 9586 3).
fn uses_numbers(body: &Body) -> bool {
    match body {
        Body::Copy { uid, .. } => !uid,
        other => other.freezes_numbers(),
    }
}
