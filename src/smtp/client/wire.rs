//! A connection's bytes: whole replies in, blocks out, each within its time.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::smtp::reply::{REPLY_OCTETS, Reply, ReplyError, ReplyReader};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A stream with what was read ahead of it.
pub struct Wire {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    reader: ReplyReader,
}

/// Why no more can be said over this connection.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The host said nothing for too long.
    #[error("The host did not answer in time")]
    TimedOut,
    /// The host took nothing for too long.
    #[error("The host took no data in time")]
    Stuck,
    /// The host hung up.
    #[error("The host closed the connection")]
    Closed,
    /// The network.
    #[error("The connection broke: {0}")]
    Broken(std::io::ErrorKind),
    /// The host does not speak SMTP.
    #[error("The host sent {0}")]
    NotSmtp(#[from] ReplyError),
}

impl Wire {
    /// Over a stream.
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            reader: ReplyReader::default(),
        }
    }

    /// The stream itself; call it only when nothing was read ahead.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Whether the host said more than it was asked.
    pub fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next reply, all of it within `time`: a host that drips its lines is not waited for longer than a silent one.
    pub async fn reply(&mut self, time: Duration) -> Result<Reply, WireError> {
        let deadline = Instant::now() + time;
        loop {
            while let Some(at) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(at);
                self.buffer.advance(1);
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                if let Some(reply) = self.reader.push(line)? {
                    return Ok(reply);
                }
            }
            if self.buffer.len() > REPLY_OCTETS {
                return Err(ReplyError::TooLong.into());
            }
            match timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await {
                Err(_) => return Err(WireError::TimedOut),
                Ok(Err(e)) => return Err(WireError::Broken(e.kind())),
                Ok(Ok(0)) => return Err(WireError::Closed),
                Ok(Ok(_)) => {}
            }
        }
    }

    /// Writes all of it within `time`.
    pub async fn write(&mut self, bytes: &[u8], time: Duration) -> Result<(), WireError> {
        let all = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(time, all).await {
            Err(_) => Err(WireError::Stuck),
            Ok(Err(e)) => Err(WireError::Broken(e.kind())),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Closes, with TLS's own farewell.
    pub async fn close(mut self, time: Duration) {
        timeout(time, self.stream.shutdown()).await.ok();
    }
}
