//! Bytes on their way in: up to one chunk stays in memory, more goes into the spool as it comes (DESIGN.md 4).
//!
//! The header block is looked at once, when its end has been seen: this host's trace fields go in front, the fields that
//! have no business in a stored message (`Return-Path`, `Bcc`, `X-Envelope-*`) go out. Everything else is stored as it came.
//! No transaction is open while bytes arrive.

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use ring::digest::{Context, SHA256};
use tokio::sync::OwnedSemaphorePermit;

use super::Mail;
use crate::error::Refusal;
use crate::format::{lines, mime};
use crate::model::SpoolId;
use crate::store::Store;
use crate::store::body::{CHUNK_BYTES, Place, Stored};
use crate::store::mail::NewEmail;

/// A message that is being received.
pub struct Incoming {
    store: Store,
    /// Goes in front of the message once its header block is complete.
    trace: Vec<u8>,
    /// Bytes of the header block until its end is seen; none afterwards.
    header: Option<Vec<u8>>,
    buffer: BytesMut,
    spool: Option<SpoolId>,
    chunks: i32,
    size_bytes: u64,
    max_bytes: u64,
    max_header: usize,
    stored_hash: Context,
    data_hash: Context,
    permit: Option<OwnedSemaphorePermit>,
    keeps_bcc: bool,
    is_verbatim: bool,
}

/// A message whose end was seen: stored in memory or spool, parsed once.
#[derive(Debug)]
pub struct Received {
    /// The bytes as they will be stored.
    pub stored: Stored,
    /// SHA-256 of the data as the sender gave it: tells a retry from a new message.
    pub data_hash: [u8; 32],
    /// What every account gets.
    pub email: NewEmail,
    /// What doors want to know of the headers.
    pub parsed: mime::Parsed,
    store: Store,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Mail {
    /// Begins to receive a message. `trace` is put in front of its header: whole fields, each ended by CRLF.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] never; waits while the byte budget is used up.
    pub async fn incoming(&self, trace: Vec<u8>) -> Result<Incoming, Refusal> {
        let permit = self
            .budget
            .clone()
            .acquire_many_owned(self.units(CHUNK_BYTES))
            .await
            .map_err(|_| Refusal::Internal("the byte budget is closed"))?;
        Ok(Incoming {
            store: self.store.clone(),
            trace,
            header: Some(Vec::new()),
            buffer: BytesMut::new(),
            spool: None,
            chunks: 0,
            size_bytes: 0,
            max_bytes: self.config.smtp.message_size,
            max_header: self.config.smtp.header_block,
            stored_hash: Context::new(&SHA256),
            data_hash: Context::new(&SHA256),
            permit: Some(permit),
            keeps_bcc: false,
            is_verbatim: false,
        })
    }

    /// Ends a message: parses it once, in the blocking pool when it is large.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Unavailable`], [`Refusal::StorageFull`]; the spool is dropped then.
    pub async fn finish(&self, mut incoming: Incoming) -> Result<Received, Refusal> {
        incoming.end_header().await?;
        let sha256 = digest(incoming.stored_hash.clone());
        let data_hash = digest(incoming.data_hash.clone());
        let size_bytes =
            i64::try_from(incoming.size_bytes).map_err(|_| Refusal::Internal("size"))?;
        let now = time::OffsetDateTime::now_utc();
        if incoming.spool.is_none() {
            let bytes = incoming.buffer.split().freeze();
            let (email, parsed) = prepare(&bytes, now);
            return Ok(Received {
                stored: Stored {
                    size_bytes,
                    sha256,
                    place: Place::Memory(bytes),
                },
                data_hash,
                email,
                parsed,
                store: incoming.store.clone(),
                _permit: incoming.permit.take(),
            });
        }
        incoming.flush().await?;
        let spool = incoming.spool.take().ok_or(Refusal::Internal("no spool"))?;
        incoming.buffer = BytesMut::new();
        incoming.permit = None;
        let guard = SpoolGuard {
            store: incoming.store.clone(),
            spool: Some(spool),
        };
        // The one whole copy, inside the budget, dropped right after the parse.
        let permit = self
            .budget
            .clone()
            .acquire_many_owned(
                self.units(usize::try_from(incoming.size_bytes).unwrap_or(usize::MAX)),
            )
            .await
            .map_err(|_| Refusal::Internal("the byte budget is closed"))?;
        let mut whole = Vec::with_capacity(usize::try_from(incoming.size_bytes).unwrap_or(0));
        for n in 0..incoming.chunks {
            let chunk = self.store.spool_chunk(spool, n).await?;
            whole.extend_from_slice(&chunk.ok_or(Refusal::Internal("a spool chunk is missing"))?);
        }
        let (email, parsed) = tokio::task::spawn_blocking(move || {
            let prepared = prepare(&whole, now);
            drop(whole);
            drop(permit);
            prepared
        })
        .await
        .map_err(|_| Refusal::Internal("the parser panicked"))?;
        Ok(Received {
            stored: Stored {
                size_bytes,
                sha256,
                place: Place::Spool(guard.release()),
            },
            data_hash,
            email,
            parsed,
            store: incoming.store.clone(),
            _permit: None,
        })
    }

    /// A message that is complete in memory already: what the program writes itself, what a form sent.
    ///
    /// # Errors
    /// As [`Mail::finish`].
    pub async fn receive_whole(&self, bytes: &[u8]) -> Result<Received, Refusal> {
        let mut incoming = self.incoming(Vec::new()).await?;
        incoming.push(bytes).await?;
        self.finish(incoming).await
    }
}

impl Incoming {
    /// Leaves `Bcc` in the header: a draft or the copy in Sent is the author's own.
    #[must_use]
    pub fn keeping_bcc(mut self) -> Self {
        self.keeps_bcc = true;
        self
    }

    /// Stores every byte as it comes: what a client appends is what it reads again.
    #[must_use]
    pub fn verbatim(mut self) -> Self {
        self.is_verbatim = true;
        self
    }

    /// Takes the next bytes of the message, already freed of transport (dots undone).
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when the message passes the limit, [`Refusal::Unavailable`] when the spool cannot be written.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.data_hash.update(bytes);
        if let Some(header) = &mut self.header {
            let searched = header.len().saturating_sub(3);
            header.extend_from_slice(bytes);
            if header_is_complete(header, searched) || header.len() > self.max_header {
                return self.end_header().await;
            }
            return Ok(());
        }
        self.store_bytes(bytes).await
    }

    /// Octets stored so far, the trace included once the header is complete.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    async fn end_header(&mut self) -> Result<(), Refusal> {
        let Some(header) = self.header.take() else {
            return Ok(());
        };
        let trace = std::mem::take(&mut self.trace);
        self.store_bytes(&trace).await?;
        if self.is_verbatim {
            return self.store_bytes(&header).await;
        }
        let kept = without_envelope_fields(&header, self.keeps_bcc);
        self.store_bytes(&kept).await
    }

    async fn store_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.size_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.size_bytes > self.max_bytes {
            return Err(Refusal::TooLarge {
                limit_bytes: self.max_bytes,
            });
        }
        self.stored_hash.update(bytes);
        while !bytes.is_empty() {
            if self.buffer.len() == CHUNK_BYTES {
                self.flush().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Commits the buffer as the next spool chunk.
    async fn flush(&mut self) -> Result<(), Refusal> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let spool = *self
            .spool
            .get_or_insert_with(|| SpoolId(rand::rng().random()));
        self.store
            .spool_push(spool, self.chunks, &self.buffer)
            .await?;
        self.chunks += 1;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Incoming {
    /// A connection that broke off leaves nothing behind; what this misses, the sweep finds.
    fn drop(&mut self) {
        if let Some(spool) = self.spool.take() {
            drop(SpoolGuard {
                store: self.store.clone(),
                spool: Some(spool),
            });
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Place::Spool(spool) = self.stored.place {
            drop(SpoolGuard {
                store: self.store.clone(),
                spool: Some(spool),
            });
        }
    }
}

/// Drops a spool in the background when it goes out of scope.
struct SpoolGuard {
    store: Store,
    spool: Option<SpoolId>,
}

impl SpoolGuard {
    fn release(mut self) -> SpoolId {
        self.spool.take().unwrap_or_default()
    }
}

impl Drop for SpoolGuard {
    fn drop(&mut self) {
        if let (Some(spool), Ok(runtime)) =
            (self.spool.take(), tokio::runtime::Handle::try_current())
        {
            let store = self.store.clone();
            runtime.spawn(async move {
                if let Err(e) = store.spool_drop(spool).await {
                    tracing::debug!(error = %e, "a spool stays for the sweep");
                }
            });
        }
    }
}

/// Parses a message and computes what its rows hold.
fn prepare(raw: &[u8], now: time::OffsetDateTime) -> (NewEmail, mime::Parsed) {
    let mut parsed = mime::parse(raw, now, now);
    let mut email = super::deliver::facts(&mut parsed);
    email.crlf_bytes = i64::try_from(lines::crlf_missing(raw)).unwrap_or(i64::MAX);
    let text = mime::FullText::of(raw, &parsed.parts);
    email.header_text = text.header;
    email.body_text = text.body;
    email.is_text_cut = text.is_cut;
    (email, parsed)
}

/// The header block without the fields that only an envelope may hold (security.md 9): they would show a reader what the
/// sender hid, or pretend to be ours.
fn without_envelope_fields(header: &[u8], keeps_bcc: bool) -> Vec<u8> {
    mime::head::without(header, |name, _| {
        (ENVELOPE_FIELDS.contains(&name) && !(keeps_bcc && name == "bcc"))
            || name.starts_with("x-envelope-")
    })
}

const ENVELOPE_FIELDS: [&str; 3] = ["return-path", "bcc", "resent-bcc"];

fn header_is_complete(header: &[u8], from: usize) -> bool {
    header.starts_with(b"\r\n")
        || header
            .get(from..)
            .is_some_and(|tail| tail.windows(4).any(|w| w == b"\r\n\r\n"))
}

fn digest(context: Context) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

impl Received {
    /// The bytes when they are in memory.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.stored.place {
            Place::Memory(bytes) => Some(bytes),
            Place::Spool(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_header_is_found_over_any_cut() {
        let whole = b"A: b\r\nC: d\r\n\r\nbody";
        for cut in 0..whole.len() {
            let mut header = whole[..cut].to_vec();
            let early = header_is_complete(&header, 0);
            let from = header.len().saturating_sub(3);
            header.extend_from_slice(&whole[cut..]);
            assert!(early || header_is_complete(&header, from), "cut at {cut}");
        }
    }

    #[test]
    fn envelope_fields_go_and_nothing_else() {
        let header = b"Return-Path: <a@b>\r\nFrom: x\r\nBCC: secret@x,\r\n other@y\r\nX-Envelope-To: z\r\nSubject: Bcc: no\r\n\r\nBcc: body";
        assert_eq!(
            String::from_utf8(without_envelope_fields(header, false)).unwrap(),
            "From: x\r\nSubject: Bcc: no\r\n\r\nBcc: body"
        );
        assert_eq!(
            without_envelope_fields(b"no header at all", false),
            b"no header at all"
        );
    }

    #[test]
    fn a_message_without_header_has_an_empty_one() {
        assert!(header_is_complete(b"\r\nbody", 0));
    }
}
