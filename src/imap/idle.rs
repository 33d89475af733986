//! IDLE (RFC 9051 6.3.13): what changes is told as it happens, a sign of life every two minutes.

use tokio::time::Instant;

use super::hear::ended;
use super::reply::Reply;
use super::session::{Next, Session};
use crate::net::line::WireError;

/// What ended a wait.
enum Heard {
    Line(Result<bool, WireError>),
    Change,
    Sign,
    Leave(&'static str),
}

impl Session<'_> {
    /// `IDLE` until `DONE`.
    pub(super) async fn idle(&mut self) -> Result<Next, WireError> {
        self.say("+ Idling\r\n");
        let ends = Instant::now() + self.settings().idle_timeout;
        loop {
            if !self.tell().await {
                return Ok(Next::Leave("The mailbox was deleted"));
            }
            self.wire.flush().await?;
            match self.wait(ends).await {
                Heard::Line(Ok(true)) => return Ok(Reply::ok("Idled").into()),
                Heard::Line(Ok(false)) => return Ok(Reply::bad("DONE was expected").into()),
                Heard::Line(Err(WireError::LineTooLong)) => {
                    return Ok(Reply::bad("DONE was expected").into());
                }
                Heard::Line(Err(error)) => return Err(error),
                Heard::Change => {}
                Heard::Sign => self.say("* OK Still here\r\n"),
                Heard::Leave(word) => return Ok(Next::Leave(word)),
            }
        }
    }

    async fn wait(&mut self, ends: Instant) -> Heard {
        let sign = Instant::now() + self.settings().idle_sign;
        let flood = self.settings().line_flood;
        let watch = self.selected.as_deref_mut().map(|s| &mut s.watch);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Heard::Leave("The server stops, come back soon"),
            () = ended(self.user.as_mut()) => Heard::Leave("The password was changed"),
            line = self.wire.read_line(DONE, flood, ends) => {
                Heard::Line(line.map(|line| line.octets.eq_ignore_ascii_case(b"DONE")))
            }
            () = changed(watch) => Heard::Change,
            () = tokio::time::sleep_until(sign) => Heard::Sign,
        }
    }
}

/// The next change of the account; never, without a mailbox.
async fn changed(watch: Option<&mut crate::service::changes::Watch>) {
    match watch {
        Some(watch) => {
            watch.changed().await;
        }
        None => std::future::pending().await,
    }
}

/// Octets of the line that ends it.
const DONE: usize = 64;
