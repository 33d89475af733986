//! What is read of a maildrop, and its end: STAT, LIST, UIDL, RETR, TOP, DELE, QUIT (RFC 1939 5 to 7).
//!
//! A message goes from its stored pieces to the socket, one piece at a time. Whatever can fail is asked before `+OK`; when the
//! database goes away in the middle of a message, the connection is closed, because nothing can be said inside one.

use futures_util::TryStreamExt;
use tracing::error;

use super::reply::{self, Code, Reply};
use super::session::{Next, Session};
use crate::error::Refusal;
use crate::format::lines::{Extent, LineWriter};
use crate::net::line::{Wire, WireError};
use crate::service::maildrop::{Maildrop, Message};

impl Session<'_> {
    /// STAT: what is there but for the marked ones.
    pub(super) fn stat(&self) -> Next {
        let (messages, octets) = self.left();
        Next::Answer(Reply::ok(format!("{messages} {octets}")))
    }

    /// LIST of one message.
    pub(super) async fn size(&mut self, number: u32) -> Next {
        Next::Answer(match self.message(number).await {
            Ok(message) => Reply::ok(format!("{number} {}", message.octets)),
            Err(reply) => reply,
        })
    }

    /// LIST of all: messages that another door removed are left out.
    pub(super) async fn sizes(&mut self) -> Result<Next, WireError> {
        let last = self.maildrop().map_or(0, |maildrop| maildrop.messages());
        for number in 1..=last {
            let found = match self.maildrop() {
                // A marked one too: its page is the next one's.
                Some(maildrop) => maildrop.message(number).await,
                None => Err(Refusal::Internal("no maildrop")),
            };
            match found {
                Ok(_) if number == 1 => self.answer_left(),
                Ok(_) => {}
                Err(refusal) if number == 1 => return Ok(Next::Answer(self.refused(&refusal))),
                Err(refusal) => {
                    self.refused(&refusal);
                    return Ok(Next::Hangup);
                }
            }
            if let Ok(Some(message)) = found
                && !self.is_marked(number)
            {
                let line = format!("{number} {}\r\n", message.octets);
                self.wire.push(line.as_bytes());
                flush_much(&mut self.wire).await?;
            }
        }
        if last == 0 {
            self.answer_left();
        }
        self.wire.push(b".\r\n");
        Ok(Next::Answered)
    }

    fn answer_left(&mut self) {
        let (messages, octets) = self.left();
        self.answer(&Reply::ok(format!("{messages} messages ({octets} octets)")));
    }

    /// UIDL of one message.
    pub(super) fn unique_id(&mut self, number: u32) -> Next {
        let id = self
            .maildrop()
            .and_then(|maildrop| maildrop.unique_id(number));
        Next::Answer(match id {
            Some(id) => Reply::ok(format!("{number} {id}")),
            None => reply::no_such_message(),
        })
    }

    /// UIDL of all, from the snapshot alone.
    pub(super) async fn unique_ids(&mut self) -> Result<Next, WireError> {
        self.answer(&Reply::ok("Unique ids"));
        if let (Some(open), Some(marks)) = (&self.open, self.state.marks()) {
            for (number, id) in open.maildrop.unique_ids(1) {
                if !marks.is_set(number) {
                    self.wire.push(format!("{number} {id}\r\n").as_bytes());
                    flush_much(&mut self.wire).await?;
                }
            }
        }
        self.wire.push(b".\r\n");
        Ok(Next::Answered)
    }

    /// RETR.
    pub(super) async fn retrieve(&mut self, number: u32) -> Result<Next, WireError> {
        let message = match self.message(number).await {
            Ok(message) => message,
            Err(reply) => return Ok(Next::Answer(reply)),
        };
        let first = Reply::ok(format!("{} octets", message.octets));
        let next = self.send(message, Extent::Whole, first).await?;
        if matches!(next, Next::Answered) {
            self.done.retrieved = self.done.retrieved.saturating_add(1);
            metrics::counter!("postamt_pop3_messages_total", "command" => "retr").increment(1);
        }
        Ok(next)
    }

    /// TOP.
    pub(super) async fn top(&mut self, number: u32, lines: u32) -> Result<Next, WireError> {
        let message = match self.message(number).await {
            Ok(message) => message,
            Err(reply) => return Ok(Next::Answer(reply)),
        };
        let next = self
            .send(message, Extent::Top(lines), Reply::ok("Top of message"))
            .await?;
        if matches!(next, Next::Answered) {
            self.done.tops = self.done.tops.saturating_add(1);
            metrics::counter!("postamt_pop3_messages_total", "command" => "top").increment(1);
        }
        Ok(next)
    }

    /// Sends a message behind the first line of the answer.
    async fn send(
        &mut self,
        message: Message,
        extent: Extent,
        first: Reply,
    ) -> Result<Next, WireError> {
        let opening = match extent {
            Extent::Whole => usize::MAX,
            Extent::Top(_) => HEADER,
        };
        let content = match self.maildrop() {
            Some(maildrop) => maildrop.content(message, opening).await,
            None => Err(Refusal::Internal("no maildrop")),
        };
        let (piece, rest) = match content {
            Ok(content) => content,
            Err(refusal) => return Ok(Next::Answer(self.refused(&refusal))),
        };
        self.answer(&first);
        let mut writer = LineWriter::new(extent);
        write(&mut writer, &mut self.wire, &piece).await?;
        let mut rest = std::pin::pin!(rest);
        while !writer.is_done() {
            match rest.try_next().await {
                Ok(Some(piece)) => write(&mut writer, &mut self.wire, &piece).await?,
                Ok(None) => break,
                Err(refusal) => {
                    self.refused(&refusal);
                    return Ok(Next::Hangup);
                }
            }
        }
        writer.finish(&mut |octets| self.wire.push(octets));
        Ok(Next::Answered)
    }

    /// DELE: marks only; a message that another door has removed is as good as marked.
    pub(super) async fn delete(&mut self, number: u32) -> Next {
        let found = match self.maildrop() {
            Some(maildrop) => maildrop.message(number).await,
            None => Err(Refusal::Internal("no maildrop")),
        };
        match found {
            Ok(message) => {
                self.state.mark(number, message.map_or(0, |m| m.octets));
                Next::Answer(Reply::ok("Marked as deleted"))
            }
            Err(refusal) => Next::Answer(self.refused(&refusal)),
        }
    }

    /// QUIT: removes what is marked, however long it takes, and says good-bye.
    pub(super) async fn commit(&mut self) -> Next {
        let (Some(open), Some(marks)) = (&self.open, self.state.marks()) else {
            return Next::Close(Reply::ok("Bye"));
        };
        if marks.marked() == 0 {
            return Next::Close(Reply::ok("Bye"));
        }
        let removal = open.maildrop.remove(marks.iter()).await;
        self.done.removed = removal.messages;
        metrics::counter!("postamt_pop3_removed_total")
            .increment(u64::try_from(removal.messages).unwrap_or(u64::MAX));
        Next::Close(match &removal.refused {
            None => Reply::ok("Bye"),
            // RFC 1939 6
            Some(refusal) => {
                self.refused(refusal);
                Reply::coded(Code::SysTemp, "Some marked messages were not removed")
            }
        })
    }

    /// A message that is there, or why not.
    async fn message(&mut self, number: u32) -> Result<Message, Reply> {
        let found = match self.maildrop() {
            Some(maildrop) => maildrop.message(number).await,
            None => Err(Refusal::Internal("no maildrop")),
        };
        match found {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(reply::gone()),
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    fn maildrop(&mut self) -> Option<&mut Maildrop> {
        self.open.as_mut().map(|open| &mut open.maildrop)
    }

    fn is_marked(&self, number: u32) -> bool {
        self.state.marks().is_some_and(|marks| marks.is_set(number))
    }

    /// Messages and octets but for the marked ones.
    fn left(&self) -> (u32, u64) {
        let (Some(open), Some(marks)) = (&self.open, self.state.marks()) else {
            return (0, 0);
        };
        (
            open.maildrop.messages().saturating_sub(marks.marked()),
            open.maildrop.octets().saturating_sub(marks.octets()),
        )
    }

    /// A refusal's reply; trouble that is ours is logged here, once.
    pub(super) fn refused(&self, refusal: &Refusal) -> Reply {
        if matches!(
            refusal,
            Refusal::Unavailable(_) | Refusal::StorageFull(_) | Refusal::Internal(_)
        ) {
            let cause: &(dyn std::error::Error + 'static) = refusal;
            error!(session = %self.id, protocol = "pop3", error = cause, "refused for now");
        }
        reply::refused(refusal)
    }
}

/// Writes the wire form of a piece, a block at a time.
async fn write(writer: &mut LineWriter, wire: &mut Wire, piece: &[u8]) -> Result<(), WireError> {
    for block in piece.chunks(BLOCK) {
        writer.push(block, &mut |octets| wire.push(octets));
        if writer.is_done() {
            return Ok(());
        }
        flush_much(wire).await?;
    }
    Ok(())
}

async fn flush_much(wire: &mut Wire) -> Result<(), WireError> {
    if wire.pending_output() >= BLOCK {
        wire.flush().await?;
    }
    Ok(())
}

/// Octets sent at once (S-10: at most 64 KB on the wire).
const BLOCK: usize = 32_768;
/// Octets that most headers fit into, read first for TOP.
const HEADER: usize = 16_384;
