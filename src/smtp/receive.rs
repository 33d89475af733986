//! The message itself: DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030 2), from the wire through the checks of
//! `content.rs` into the mail service, and the one answer for it.
//!
//! The answer is written after the commit (S-01). Until the end of the data nothing is decided: a message
//! that breaks a rule, or that the storage does not take, is read to its end and refused there, and takes
//! no room from then on. At no time does this hold more than two blocks of 64 KB beside what the service
//! holds itself.
//!
//! A sender below the least speed (`smtp.minimum_rate`) is cut off: the connection, not the message, is
//! what it would hold for hours.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::content::{Content, ContentLimits, ContentSummary};
use super::data::DataReader;
use super::reply::{self, Reply};
use super::session::Session;
use crate::error::Refusal;
use crate::net::deadline::RateFloor;
use crate::net::line::WireError;
use crate::service::mail::Incoming;

/// A message that BDAT is sending, between two chunks.
pub(super) struct Chunks {
    content: Content,
    store: Sink,
}

/// Where a message goes: into the service, until that refuses.
struct Sink {
    incoming: Result<Incoming, Refusal>,
    block: Vec<u8>,
}

impl Sink {
    /// Passes the block on; after a refusal it is thrown away.
    async fn pass_on(&mut self, is_refused: bool) {
        if !is_refused
            && let Ok(incoming) = &mut self.incoming
            && let Err(refusal) = incoming.push(&self.block).await
        {
            self.incoming = Err(refusal);
        }
        self.block.clear();
    }
}

impl Session<'_> {
    /// DATA: 354, the message, the answer.
    pub(super) async fn data(&mut self) -> Result<Reply, WireError> {
        let mut sink = match self.begin().await {
            Ok(sink) => sink,
            Err(reply) => {
                self.state.end();
                return Ok(reply);
            }
        };
        self.answer(&Reply::plain(
            354,
            "Send the message, end with <CRLF>.<CRLF>",
        ));
        self.wire.flush().await?;
        let mut reader = DataReader::new(ContentLimits::from_config(self.limits()));
        let mut floor = self.floor();
        loop {
            if self.wire.buffered().is_empty() {
                self.more(&mut floor).await?;
            }
            let fed = reader.feed(self.wire.buffered(), &mut sink.block);
            self.took(fed.used);
            sink.pass_on(reader.error().is_some()).await;
            if fed.ended {
                break;
            }
        }
        let checked = reader.finish(&mut sink.block);
        Ok(self.stored(checked.map_err(Reply::from), sink).await)
    }

    /// BDAT: the octets of one chunk, and the answer for it or, with the last one, for the message.
    pub(super) async fn chunk(&mut self, size_bytes: u64, last: bool) -> Result<Reply, WireError> {
        let mut chunks = match self.chunks.take() {
            Some(chunks) => chunks,
            None => match self.begin().await {
                Ok(store) => Chunks {
                    content: Content::new(ContentLimits::from_config(self.limits())),
                    store,
                },
                Err(reply) => {
                    self.discard(size_bytes).await?;
                    self.state.end();
                    return Ok(reply);
                }
            },
        };
        let mut floor = self.floor();
        let mut left = size_bytes;
        while left > 0 {
            if self.wire.buffered().is_empty() {
                self.more(&mut floor).await?;
            }
            let here = self.wire.buffered();
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(here.len());
            let block = here.get(..count).unwrap_or_default();
            chunks.content.push(block, &mut chunks.store.block);
            self.took(count);
            left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            chunks.store.pass_on(chunks.content.error().is_some()).await;
        }
        if last {
            let Chunks { content, mut store } = chunks;
            let checked = content.finish(&mut store.block);
            return Ok(self.stored(checked.map_err(Reply::from), store).await);
        }
        let refusal = match (chunks.content.error(), &chunks.store.incoming) {
            (Some(error), _) => Some(Reply::from(error)),
            (None, Err(refusal)) => Some(reply::refused(refusal)),
            (None, Ok(_)) => None,
        };
        if let Some(refusal) = refusal {
            self.state.end();
            return Ok(refusal);
        }
        self.chunks = Some(chunks);
        Ok(reply::chunk_taken(size_bytes))
    }

    /// Reads octets that nobody wants.
    pub(super) async fn discard(&mut self, size_bytes: u64) -> Result<(), WireError> {
        let mut floor = self.floor();
        let mut left = size_bytes;
        while left > 0 {
            if self.wire.buffered().is_empty() {
                self.more(&mut floor).await?;
            }
            let here = self.wire.buffered().len();
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(here);
            self.took(count);
            left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    /// Asks the service for a place to put a message.
    async fn begin(&mut self) -> Result<Sink, Reply> {
        if !self
            .smtp
            .sources
            .message(self.source, Instant::now().into_std())
            && self.door == super::state::Door::Mx
        {
            return Err(reply::source_is_too_busy());
        }
        let trace = self.trace();
        match self.smtp.app.mail.incoming(trace).await {
            Ok(incoming) => Ok(Sink {
                incoming: Ok(incoming),
                block: Vec::new(),
            }),
            Err(refusal) => Err(reply::refused(&refusal)),
        }
    }

    /// The end of the data: a last word of the checks, then the services, then the answer.
    async fn stored(&mut self, checked: Result<ContentSummary, Reply>, mut sink: Sink) -> Reply {
        sink.pass_on(checked.is_err()).await;
        let Some(transaction) = self.state.end() else {
            return reply::bad_sequence("MAIL first");
        };
        let summary = match checked {
            Ok(summary) => summary,
            Err(reply) => return reply,
        };
        let incoming = match sink.incoming {
            Ok(incoming) => incoming,
            Err(refusal) => return reply::refused(&refusal),
        };
        let patience = self.limits().end_of_data_timeout;
        let finished = tokio::time::timeout(patience, self.finish(transaction, &summary, incoming));
        finished.await.unwrap_or_else(|_| {
            warn!(session = %self.id, "a message was not stored in time");
            reply::unavailable()
        })
    }

    /// Takes octets off the buffer and counts them for their source.
    fn took(&mut self, octets: usize) {
        self.wire.consume(octets);
        let count = u64::try_from(octets).unwrap_or(u64::MAX);
        self.smtp
            .sources
            .bytes(self.source, count, Instant::now().into_std());
    }

    /// Waits for more of the message.
    async fn more(&mut self, floor: &mut RateFloor) -> Result<(), WireError> {
        let deadline = self.deadline(self.limits().data_timeout);
        let came = self.wire.fill(deadline).await?;
        Ok(floor.came(came)?)
    }

    fn floor(&self) -> RateFloor {
        RateFloor::new(self.limits().minimum_rate, RATE_WINDOW)
    }
}

/// Over which the speed of a sender is averaged.
const RATE_WINDOW: Duration = Duration::from_mins(1);
