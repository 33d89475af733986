//! APPEND and REPLACE (RFC 9051 6.3.12; RFC 3502, 4315, 6855 4, 8508): the messages go into the store as they come, and
//! into the mailbox all at once.
//!
//! Everything that can be refused is refused before the client is asked for the octets: no such mailbox, too large, no room.

use time::OffsetDateTime;

use super::reply::Reply;
use super::session::{Next, Session};
use crate::error::Refusal;
use crate::format::imap::append::{Head, Piece, Replaces, next};
use crate::format::imap::set::SequenceSet;
use crate::format::imap::{Refused, announced};
use crate::model::AccountId;
use crate::net::line::WireError;
use crate::service::mailbox::NewMessage;

/// A message was taken, or the command is over.
enum Taken {
    Message(Box<NewMessage>),
    Refused(Reply),
    Leave(Reply),
}

impl Session<'_> {
    /// `APPEND` and `REPLACE`; the head was read up to the first literal.
    pub(super) async fn append(&mut self, head: Head) -> Result<Next, WireError> {
        let Some(account) = self.user.as_ref().map(|u| u.account) else {
            return Ok(Reply::bad("Sign in first").into());
        };
        let replaced = match head.replaces.map(|r| self.replaced(r)).transpose() {
            Ok(replaced) => replaced,
            Err(reply) => return self.refuse(reply, head.first).await,
        };
        if let Err(refusal) = self.imap.app.mailbox.folder(account, &head.mailbox).await {
            return self
                .refuse(Reply::refused_target(&refusal), head.first)
                .await;
        }
        let mut messages = Vec::new();
        let mut coming = 0;
        let mut piece = Some(head.first);
        while let Some(now) = piece {
            coming += now.literal.size_bytes;
            match self
                .take(account, now.clone(), coming, messages.len())
                .await?
            {
                Taken::Message(message) => messages.push(*message),
                Taken::Refused(reply) => return self.end(reply).await,
                Taken::Leave(reply) => return Ok(self.answer_and_leave(&head.tag, &reply)),
            }
            let most = self.settings().command_line;
            let line = match self.line(most).await {
                Ok(Ok(line)) => line,
                Ok(Err(word)) => return Ok(Next::Leave(word)),
                Err(WireError::LineTooLong) => return Ok(Reply::bad("The line is too long").into()),
                Err(error) => return Err(error),
            };
            piece = match next(&line.octets, &now, &self.limits()) {
                Ok(piece) if head.replaces.is_none() || piece.is_none() => piece,
                Ok(_) => {
                    let reply = Reply::bad("REPLACE takes one message");
                    return self.refuse_line(&head.tag, reply, &line.octets).await;
                }
                Err(why) => {
                    let refused = Refused { tag: None, why };
                    let reply = Reply::bad(match refused.why {
                        crate::format::imap::Why::Syntax(text) => text,
                        _ => "Not the end of an APPEND",
                    });
                    return self.refuse_line(&head.tag, reply, &line.octets).await;
                }
            };
        }
        let view = self.selected.as_deref().map(|s| &s.view);
        let replaced = replaced.and_then(|uid| Some((view?, uid)));
        let appended = self
            .imap
            .app
            .mailbox
            .append(account, &head.mailbox, &messages, replaced)
            .await;
        let reply = match appended {
            Ok(appended) => {
                let code = format!(
                    "APPENDUID {} {}",
                    appended.uid_validity,
                    SequenceSet::of(appended.uids)
                );
                if replaced.is_some() {
                    // RFC 8508 3.4: before the replaced one leaves.
                    self.say(&format!("* OK [{code}] Replaced\r\n"));
                    Reply::ok("Replaced")
                } else {
                    Reply::ok_with(code, "Appended")
                }
            }
            Err(refusal) => Reply::refused_target(&refusal),
        };
        drop(messages);
        self.end(reply).await
    }

    /// The answer after what changed was told; the selected mailbox may be the one.
    async fn end(&mut self, reply: Reply) -> Result<Next, WireError> {
        if self.tell().await {
            Ok(reply.into())
        } else {
            Ok(Next::Leave("The mailbox was deleted"))
        }
    }

    fn answer_and_leave(&mut self, tag: &str, reply: &Reply) -> Next {
        self.answer(tag, reply);
        Next::Leave("That was too much")
    }

    /// The UID that REPLACE takes away.
    fn replaced(&self, replaces: Replaces) -> Result<u32, Reply> {
        let Some(selected) = self.selected.as_deref() else {
            return Err(Reply::bad("Select a mailbox first"));
        };
        if selected.is_read_only {
            return Err(Reply::no(
                "READ-ONLY",
                "The mailbox is open for reading only",
            ));
        }
        if self.enabled.uid_only && !replaces.uid {
            return Err(Reply::bad("Sequence numbers are switched off"));
        }
        let rows = selected.view.rows();
        let uid = match (replaces.number, replaces.uid) {
            (None, _) => Some(rows.last_uid()).filter(|uid| *uid > 0),
            (Some(uid), true) => rows.number(uid).map(|_| uid),
            (Some(number), false) => rows.uid(number),
        };
        uid.ok_or(Reply::no("NONEXISTENT", "No such message"))
    }

    /// Takes one message in.
    async fn take(
        &mut self,
        account: AccountId,
        piece: Piece,
        coming: u64,
        before: usize,
    ) -> Result<Taken, WireError> {
        if let Some(reply) = self.check(account, &piece, coming, before).await {
            return Ok(if self.skip(piece.literal).await? {
                Taken::Refused(reply)
            } else {
                Taken::Leave(reply)
            });
        }
        self.go_ahead(piece.literal).await?;
        let mail = &self.imap.app.mail;
        let mut incoming = match mail.incoming(Vec::new()).await {
            Ok(incoming) => Ok(incoming.verbatim()),
            Err(refusal) => Err(refusal),
        };
        let mut left = piece.literal.size_bytes;
        let mut has_nul = false;
        while left > 0 {
            if self.wire.buffered().is_empty() {
                let deadline = self.deadline();
                self.wire.fill(deadline).await?;
            }
            let there = self.wire.buffered();
            let some = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(there.len())
                .min(BLOCK);
            let octets = there.get(..some).unwrap_or_default();
            has_nul |= octets.contains(&0);
            if let Ok(into) = &mut incoming
                && let Err(refusal) = into.push(octets).await
            {
                incoming = Err(refusal);
            }
            self.wire.consume(some);
            left -= u64::try_from(some).unwrap_or(left);
        }
        if has_nul && !piece.literal.is_binary {
            self.skip_rest().await?;
            return Ok(Taken::Refused(Reply::bad("NUL needs a literal8")));
        }
        let received = match incoming {
            Ok(incoming) => self.imap.app.mail.finish(incoming).await,
            Err(refusal) => Err(refusal),
        };
        match received {
            Ok(received) => Ok(Taken::Message(Box::new(NewMessage {
                received,
                flags: piece.list.flags,
                keywords: piece.list.keywords,
                received_at: piece.date.unwrap_or_else(OffsetDateTime::now_utc),
            }))),
            Err(refusal) => {
                self.skip_rest().await?;
                Ok(Taken::Refused(Reply::refused(&refusal)))
            }
        }
    }

    /// Why a message is not even asked for.
    async fn check(
        &mut self,
        account: AccountId,
        piece: &Piece,
        coming: u64,
        before: usize,
    ) -> Option<Reply> {
        let most = self.imap.app.config.smtp.message_size;
        if piece.literal.size_bytes == 0 {
            return Some(Reply::no("CANNOT", "The message is empty"));
        }
        if piece.literal.size_bytes > most {
            return Some(Reply::refused(&Refusal::TooLarge { limit_bytes: most }));
        }
        if before >= self.settings().appended_messages {
            return Some(Reply::no("LIMIT", "Too many messages in one command"));
        }
        match self.imap.app.mailbox.usage(account).await {
            Ok(usage) => {
                let room = u64::try_from(usage.quota_bytes - usage.used_bytes).unwrap_or_default();
                (coming > room).then(|| {
                    Reply::refused(&Refusal::OverQuota {
                        limit_bytes: usage.quota_bytes,
                    })
                })
            }
            Err(refusal) => Some(Reply::refused(&refusal)),
        }
    }

    /// Refuses before the first message.
    async fn refuse(&mut self, reply: Reply, piece: Piece) -> Result<Next, WireError> {
        if self.skip(piece.literal).await? {
            return self.end(reply).await;
        }
        Ok(Next::Leave("That was too much"))
    }

    /// Refuses a line behind a message; a literal it announces by itself is read and dropped.
    async fn refuse_line(
        &mut self,
        tag: &str,
        reply: Reply,
        line: &[u8],
    ) -> Result<Next, WireError> {
        if let Some(literal) = announced(line)
            && !self.skip(literal).await?
        {
            return Ok(self.answer_and_leave(tag, &reply));
        }
        Ok(reply.into())
    }

    /// Drops the rest of a command whose message was refused after it came.
    async fn skip_rest(&mut self) -> Result<(), WireError> {
        let most = self.settings().command_line;
        if let Ok(line) = self.line(most).await?
            && let Some(literal) = announced(&line.octets)
        {
            self.skip(literal).await?;
        }
        Ok(())
    }
}

/// Octets handed on at a time.
const BLOCK: usize = 65_536;
