//! Hearing a command: its lines and literals (RFC 9051 2.2.1, 4.3; RFC 7888), up to the message of an APPEND.
//!
//! A literal is looked at before its octets are asked for. One that is too large is refused; when the client sends it
//! without waiting, a small one is read and dropped, and before a large one the connection is closed.

use zeroize::Zeroizing;

use super::session::Session;
use crate::format::imap::append::{self, Head};
use crate::format::imap::{Announced, Command, Refused, Why, announced, parse};
use crate::net::line::{Line, WireError};

/// What was heard of a client.
pub(super) enum Heard {
    /// A whole command.
    Command(Command),
    /// An APPEND up to its first message.
    Append(Head),
    /// What was none.
    Refused(Refused),
    /// What was none, and it is time to go.
    RefusedAndLeave(Refused),
    /// Nothing, and it is time to go.
    Leave(&'static str),
}

impl Session<'_> {
    /// The next command. Sends what waits before it waits itself.
    pub(super) async fn hear(&mut self) -> Result<Heard, WireError> {
        let mut octets: Zeroizing<Vec<u8>> = Zeroizing::new(Vec::new());
        let (mut text, mut literals) = (0, 0);
        loop {
            let settings = self.settings();
            let most = if self.user.is_some() {
                settings.command_line
            } else {
                settings.command_line_before_login
            };
            let line = match self.line(most.saturating_sub(text).max(2)).await {
                Ok(Ok(line)) => line,
                Ok(Err(word)) => return Ok(Heard::Leave(word)),
                Err(WireError::LineTooLong) => {
                    let refused = Refused {
                        tag: tag_of(&octets),
                        why: Why::TooMany("octets in a line"),
                    };
                    return Ok(if self.user.is_some() {
                        Heard::Refused(refused)
                    } else {
                        Heard::RefusedAndLeave(refused)
                    });
                }
                Err(error) => return Err(error),
            };
            text += line.octets.len() + 2;
            octets.extend_from_slice(&line.octets);
            if !line.is_clean() {
                return Ok(Heard::Refused(Refused {
                    tag: tag_of(&octets),
                    why: Why::Syntax("a line ends with CR LF"),
                }));
            }
            let Some(literal) = announced(&line.octets) else {
                return Ok(match parse(&octets, &self.limits()) {
                    Ok(command) => Heard::Command(command),
                    Err(refused) => Heard::Refused(refused),
                });
            };
            if self.user.is_some() {
                match append::start(&octets, &self.limits()) {
                    Some(Ok(head)) => return Ok(Heard::Append(head)),
                    Some(Err(refused)) => return self.refuse_literal(refused, literal).await,
                    None => {}
                }
            }
            literals += 1;
            if let Some(refused) = self.check_literal(&octets, literal, literals) {
                if self.user.is_none() {
                    return Ok(Heard::RefusedAndLeave(refused));
                }
                return self.refuse_literal(refused, literal).await;
            }
            octets.extend_from_slice(b"\r\n");
            self.go_ahead(literal).await?;
            self.read_into(&mut octets, literal.size_bytes).await?;
        }
    }

    /// Asks for a literal that the client holds back.
    pub(super) async fn go_ahead(&mut self, literal: Announced) -> Result<(), WireError> {
        if literal.is_synchronizing {
            self.say("+ Ready\r\n");
            self.wire.flush().await?;
        }
        Ok(())
    }

    fn check_literal(&self, octets: &[u8], literal: Announced, literals: usize) -> Option<Refused> {
        let settings = self.settings();
        let (size, count) = if self.user.is_some() {
            (settings.literal, settings.literals)
        } else {
            (
                settings.literal_before_login,
                settings.literals_before_login,
            )
        };
        let is_within =
            usize::try_from(literal.size_bytes).is_ok_and(|n| n <= size) && literals <= count;
        (!is_within).then(|| Refused {
            tag: tag_of(octets),
            why: Why::TooMany("octets in a literal"),
        })
    }

    /// Refuses a command whose literal has not been read.
    pub(super) async fn refuse_literal(
        &mut self,
        refused: Refused,
        literal: Announced,
    ) -> Result<Heard, WireError> {
        Ok(if self.skip(literal).await? {
            Heard::Refused(refused)
        } else {
            Heard::RefusedAndLeave(refused)
        })
    }

    /// Drops a literal that comes by itself, and the rest of its command; false when that is too much.
    pub(super) async fn skip(&mut self, mut literal: Announced) -> Result<bool, WireError> {
        let mut left = self.settings().literal;
        while !literal.is_synchronizing {
            let size = usize::try_from(literal.size_bytes).unwrap_or(usize::MAX);
            if size > left {
                return Ok(false);
            }
            left -= size;
            self.drop_octets(size).await?;
            let most = self.settings().command_line;
            let line = match self.line(most).await {
                Ok(Ok(line)) => line,
                Ok(Err(_)) => return Ok(false),
                Err(WireError::LineTooLong) => return Ok(true),
                Err(error) => return Err(error),
            };
            match announced(&line.octets) {
                Some(next) => literal = next,
                None => break,
            }
        }
        Ok(true)
    }

    async fn drop_octets(&mut self, mut count: usize) -> Result<(), WireError> {
        while count > 0 {
            if self.wire.buffered().is_empty() {
                let deadline = self.deadline();
                self.wire.fill(deadline).await?;
            }
            let some = count.min(self.wire.buffered().len());
            self.wire.consume(some);
            count -= some;
        }
        Ok(())
    }

    async fn read_into(&mut self, octets: &mut Vec<u8>, size: u64) -> Result<(), WireError> {
        let mut left = usize::try_from(size).unwrap_or(usize::MAX);
        while left > 0 {
            if self.wire.buffered().is_empty() {
                let deadline = self.deadline();
                self.wire.fill(deadline).await?;
            }
            let some = left.min(self.wire.buffered().len());
            octets.extend_from_slice(self.wire.buffered().get(..some).unwrap_or_default());
            self.wire.consume(some);
            left -= some;
        }
        Ok(())
    }

    /// The next line; or why it is time to go.
    pub(super) async fn line(
        &mut self,
        most: usize,
    ) -> Result<Result<Line, &'static str>, WireError> {
        let deadline = self.deadline();
        let flood = self.settings().line_flood;
        if !self.wire.buffered().contains(&b'\n') {
            self.wire.flush().await?;
        }
        self.relieve().await?;
        Ok(tokio::select! {
            biased;
            () = self.stop.cancelled() => Err("The server stops, come back soon"),
            () = ended(self.user.as_mut()) => Err("The password was changed"),
            line = self.wire.read_line(most, flood, deadline) => Ok(line?),
        })
    }
}

/// The end of a sign-in; never, as long as nobody has signed in.
pub(super) async fn ended(user: Option<&mut super::session::User<'_>>) {
    match user {
        Some(user) => (&mut user.ended).await,
        None => std::future::pending().await,
    }
}

/// The tag of a command that was not read whole.
fn tag_of(octets: &[u8]) -> Option<String> {
    let first = octets.split(|b| *b == b' ').next()?;
    let is_tag = !first.is_empty()
        && first.len() < octets.len()
        && first
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(b));
    is_tag.then(|| String::from_utf8_lossy(first).into_owned())
}
