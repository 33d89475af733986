//! A mail connection: lines and blocks in, replies out, every one with a deadline; STARTTLS in place.
//!
//! A line ends at LF. Whether a CR stood before it, and whether another CR stands inside, is told to the caller
//! ([`Line::is_clean`]), because a bare CR or LF is how mail is smuggled and each protocol has its own word for it
//! (S-32). What was read beyond the line waits in the buffer; octets in it at STARTTLS are an attack (S-33),
//! so [`Wire::start_tls`] refuses them.
//!
//! Invariants: the buffer never holds more than the limit of the running call plus one read; a line that is too long
//! is dropped as it comes. [`Wire::read_line`] and [`Wire::fill`] may be cancelled and called again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::deadline::{TooSlow, until};
use super::deflate::Deflate;
use super::tls::TlsInfo;

/// A connection in clear or under TLS.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Under TLS, as server or as client.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why nothing more can be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side closed.
    #[error("the other side closed the connection")]
    Closed,
    /// The deadline passed.
    #[error(transparent)]
    TooSlow(#[from] TooSlow),
    /// A line longer than the limit; it was dropped to its end, the next line can be read.
    #[error("the line is too long")]
    LineTooLong,
    /// So many octets without a line end that nobody waits for it.
    #[error("octets without end and without a line end")]
    Flood,
    /// Octets came before the TLS handshake they belong behind.
    #[error("data before the TLS handshake")]
    DataBeforeTls,
    /// The network or TLS failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// CRLF.
    CrLf,
    /// LF with no CR before it.
    BareLf,
}

/// One line without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The octets before the ending.
    pub octets: Bytes,
    /// How it ended.
    pub ending: Ending,
}

impl Line {
    /// Whether it ended in CRLF and holds no other CR.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.ending == Ending::CrLf && !self.octets.contains(&b'\r')
    }
}

/// A connection read by lines or blocks and written by replies.
#[derive(Debug)]
pub struct Wire {
    stream: Stream,
    input: BytesMut,
    /// Octets at the front of `input` that are known to hold no LF.
    searched: usize,
    /// Octets of the running line that were dropped for being too many.
    dropped: usize,
    output: BytesMut,
    write_timeout: Duration,
    octets_in: u64,
    octets_out: u64,
    deflate: Option<Box<Deflate>>,
}

impl Wire {
    /// Takes over a connection; a write the other side does not take within `write_timeout` fails.
    #[must_use]
    pub fn new(stream: Stream, write_timeout: Duration) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            searched: 0,
            dropped: 0,
            output: BytesMut::new(),
            write_timeout,
            octets_in: 0,
            octets_out: 0,
            deflate: None,
        }
    }

    /// Reads a line of at most `limit` octets, its ending included.
    ///
    /// # Errors
    /// [`WireError::LineTooLong`] after the whole line was dropped; [`WireError::Flood`] after `flood` octets
    /// without a line end; otherwise the connection is over.
    pub async fn read_line(
        &mut self,
        limit: usize,
        flood: usize,
        deadline: Instant,
    ) -> Result<Line, WireError> {
        loop {
            let fresh = self.input.get(self.searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|octet| *octet == b'\n') {
                let length = self.searched + at + 1;
                return self.take_line(length, limit);
            }
            self.searched = self.input.len();
            if self.dropped + self.searched > limit {
                self.dropped += self.searched;
                self.searched = 0;
                self.input.clear();
                if self.dropped > flood {
                    return Err(WireError::Flood);
                }
            }
            self.fill(deadline).await?;
        }
    }

    /// Cuts off the line of `length` octets, ending included, at the front of the buffer.
    fn take_line(&mut self, length: usize, limit: usize) -> Result<Line, WireError> {
        let whole = self.dropped + length;
        self.dropped = 0;
        self.searched = 0;
        let mut octets = self.input.split_to(length).freeze();
        if whole > limit {
            return Err(WireError::LineTooLong);
        }
        octets.truncate(length - 1);
        let ending = if octets.last() == Some(&b'\r') {
            octets.truncate(length - 2);
            Ending::CrLf
        } else {
            Ending::BareLf
        };
        Ok(Line { octets, ending })
    }

    /// What was read and not yet taken.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.input
    }

    /// Takes `count` octets off the buffer's front (never more than are there).
    pub fn consume(&mut self, count: usize) {
        self.input.advance(count.min(self.input.len()));
        self.searched = 0;
    }

    /// Reads what comes, at least one octet, behind what is buffered; says how many octets came.
    ///
    /// # Errors
    /// [`WireError::Closed`] at the end of the stream.
    pub async fn fill(&mut self, deadline: Instant) -> Result<usize, WireError> {
        if self.input.is_empty() && self.input.capacity() > KEPT {
            self.input = BytesMut::new();
        }
        if self.input.capacity() - self.input.len() < FIRST_READ {
            // Commands are short; what has filled a first block is data and gets a larger one.
            let room = if self.input.is_empty() {
                FIRST_READ
            } else {
                BLOCK
            };
            self.input.reserve(room);
        }
        if let Some(deflate) = &mut self.deflate {
            loop {
                let made = deflate.unpack(&mut self.input).map_err(WireError::Io)?;
                if made > 0 {
                    return Ok(made);
                }
                let read = until(deadline, self.stream.read_buf(deflate.input())).await?;
                match read {
                    Ok(0) => return Err(WireError::Closed),
                    Ok(count) => self.octets_in += u64::try_from(count).unwrap_or(u64::MAX),
                    Err(error) => return Err(gone(error)),
                }
            }
        }
        let read = until(deadline, self.stream.read_buf(&mut self.input)).await?;
        match read {
            Ok(0) => Err(WireError::Closed),
            Ok(count) => {
                self.octets_in += u64::try_from(count).unwrap_or(u64::MAX);
                Ok(count)
            }
            Err(error) => Err(gone(error)),
        }
    }

    /// Puts a reply behind those that wait for [`Wire::flush`], so that pipelined replies leave together.
    pub fn push(&mut self, reply: &[u8]) {
        self.output.extend_from_slice(reply);
    }

    /// Octets that wait for [`Wire::flush`].
    #[must_use]
    pub fn pending_output(&self) -> usize {
        self.output.len()
    }

    /// Sends all that waits.
    ///
    /// # Errors
    /// [`WireError::TooSlow`] when the other side does not take it in time.
    pub async fn flush(&mut self) -> Result<(), WireError> {
        let deadline = Instant::now() + self.write_timeout;
        if let Some(deflate) = &mut self.deflate
            && !self.output.is_empty()
        {
            let packed = deflate.pack(&self.output).map_err(WireError::Io)?;
            self.output = BytesMut::from(packed.as_slice());
        }
        let length = self.output.len();
        let sent = until(deadline, async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        });
        sent.await?.map_err(gone)?;
        self.octets_out += u64::try_from(length).unwrap_or(u64::MAX);
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        } else {
            self.output.clear();
        }
        Ok(())
    }

    /// Sends `octets` behind what waits.
    ///
    /// # Errors
    /// As [`Wire::flush`].
    pub async fn send(&mut self, octets: &[u8]) -> Result<(), WireError> {
        self.push(octets);
        self.flush().await
    }

    /// Sends what waits as it is; from now on both directions are deflated (RFC 4978 3).
    ///
    /// # Errors
    /// As [`Wire::flush`].
    pub async fn start_deflate(&mut self) -> Result<(), WireError> {
        self.flush().await?;
        let mut deflate = Box::<Deflate>::default();
        // A client that did not wait for the answer has deflated already.
        let early = self.input.split();
        deflate.input().extend_from_slice(&early);
        self.searched = 0;
        self.deflate = Some(deflate);
        Ok(())
    }

    /// Becomes the server's end of a TLS connection, after the go-ahead was flushed.
    ///
    /// # Errors
    /// [`WireError::DataBeforeTls`] when octets wait in the buffer; [`WireError::Io`] when the handshake fails.
    pub async fn start_tls(
        self,
        acceptor: &TlsAcceptor,
        deadline: Instant,
    ) -> Result<Self, WireError> {
        let (plain, timeout) = self.into_plain()?;
        let tls = until(deadline, acceptor.accept(plain))
            .await?
            .map_err(WireError::Io)?;
        Ok(Self::new(Stream::Tls(Box::new(tls.into())), timeout))
    }

    /// Becomes the client's end of a TLS connection, after the server's go-ahead.
    ///
    /// # Errors
    /// As [`Wire::start_tls`].
    pub async fn start_tls_as_client(
        self,
        connector: &tokio_rustls::TlsConnector,
        name: rustls::pki_types::ServerName<'static>,
        deadline: Instant,
    ) -> Result<Self, WireError> {
        let (plain, timeout) = self.into_plain()?;
        let tls = until(deadline, connector.connect(name, plain))
            .await?
            .map_err(WireError::Io)?;
        Ok(Self::new(Stream::Tls(Box::new(tls.into())), timeout))
    }

    fn into_plain(self) -> Result<(TcpStream, Duration), WireError> {
        match self.stream {
            Stream::Plain(plain) if self.input.is_empty() => Ok((plain, self.write_timeout)),
            Stream::Plain(_) => Err(WireError::DataBeforeTls),
            Stream::Tls(_) => Err(WireError::Io(io::Error::other("TLS inside TLS"))),
        }
    }

    /// How the connection is protected; none in clear.
    #[must_use]
    pub fn tls(&self) -> Option<TlsInfo> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(tls) => Some(TlsInfo::of(tls)),
        }
    }

    /// Octets read so far, on this side of TLS.
    #[must_use]
    pub fn octets_in(&self) -> u64 {
        self.octets_in
    }

    /// Octets written so far, on this side of TLS.
    #[must_use]
    pub fn octets_out(&self) -> u64 {
        self.octets_out
    }

    /// The other end's address as the socket knows it.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plain(plain) => plain.peer_addr(),
            Stream::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }

    /// Sends what waits and closes in order (with TLS's own good-bye); a peer that does not take it is left.
    pub async fn close(mut self) {
        if self.flush().await.is_ok() {
            let deadline = Instant::now() + CLOSE_WAIT;
            if !matches!(until(deadline, self.stream.shutdown()).await, Ok(Ok(()))) {
                tracing::debug!("the connection did not close in order");
            }
        }
    }
}

/// A close without TLS's good-bye, or a reset, is how many clients leave; it is an end like any other.
fn gone(error: io::Error) -> WireError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => WireError::Closed,
        _ => WireError::Io(error),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// The first block: a command with its arguments.
const FIRST_READ: usize = 2_048;
/// A block of data (S-10: at most 64 KB on the wire).
const BLOCK: usize = 65_536;
/// Buffers larger than this are given back when they are empty, so that idle connections stay small (S-14).
const KEPT: usize = 8_192;
const CLOSE_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const FLOOD: usize = 1_000;

    /// A wire that has been sent `octets`, whose sender has then closed.
    async fn wire_with(octets: &[u8]) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(octets).await.unwrap();
        client.shutdown().await.unwrap();
        Wire::new(Stream::Plain(server), Duration::from_secs(5))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    async fn lines(octets: &[u8], limit: usize) -> Vec<String> {
        let mut wire = wire_with(octets).await;
        let mut said = Vec::new();
        loop {
            said.push(match wire.read_line(limit, FLOOD, soon()).await {
                Ok(line) => format!(
                    "{}{:?}",
                    if line.is_clean() { "" } else { "!" },
                    line.octets
                ),
                Err(WireError::Closed) => return said,
                Err(WireError::LineTooLong) => "too long".to_owned(),
                Err(WireError::Flood) => {
                    said.push("flood".to_owned());
                    return said;
                }
                Err(other) => panic!("{other}"),
            });
        }
    }

    #[tokio::test]
    async fn lines_are_told_apart_by_their_endings() {
        assert_eq!(
            lines(b"EHLO a\r\nbare\n\r\nin\rside\r\nx\r\r\nno end", 100).await,
            [
                r#"b"EHLO a""#,
                r#"!b"bare""#,
                r#"b"""#,
                r#"!b"in\rside""#,
                r#"!b"x\r""#
            ]
        );
    }

    #[tokio::test]
    async fn the_limit_counts_the_ending() {
        assert_eq!(
            lines(b"12345678\r\nok\r\n", 10).await,
            [r#"b"12345678""#, r#"b"ok""#]
        );
        assert_eq!(
            lines(b"123456789\r\nok\r\n", 10).await,
            ["too long", r#"b"ok""#]
        );
    }

    #[tokio::test]
    async fn a_long_line_is_dropped_and_a_flood_ends_it() {
        let mut octets = vec![b'x'; FLOOD - 100];
        octets.extend(b"\r\nok\r\n");
        assert_eq!(lines(&octets, 10).await, ["too long", r#"b"ok""#]);
        assert_eq!(lines(&vec![b'x'; 10 * FLOOD], 10).await, ["flood"]);
    }

    #[tokio::test]
    async fn octets_before_the_handshake_are_an_attack() {
        let mut wire = wire_with(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n").await;
        wire.read_line(100, FLOOD, soon()).await.unwrap();
        assert!(matches!(wire.into_plain(), Err(WireError::DataBeforeTls)));
    }

    #[tokio::test]
    async fn a_silent_peer_meets_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let mut wire = Wire::new(Stream::Plain(server), Duration::from_secs(5));
        let read = wire
            .read_line(100, FLOOD, Instant::now() + Duration::from_millis(20))
            .await;
        assert!(matches!(read, Err(WireError::TooSlow(_))));
    }

    #[tokio::test]
    async fn blocks_and_lines_share_one_buffer() {
        let mut wire = wire_with(b"BDAT 5\r\n12345NOOP\r\n").await;
        assert_eq!(
            &wire.read_line(100, FLOOD, soon()).await.unwrap().octets[..],
            b"BDAT 5"
        );
        while wire.buffered().len() < 5 {
            wire.fill(soon()).await.unwrap();
        }
        assert_eq!(&wire.buffered()[..5], b"12345");
        wire.consume(5);
        assert_eq!(
            &wire.read_line(100, FLOOD, soon()).await.unwrap().octets[..],
            b"NOOP"
        );
        assert_eq!(wire.octets_in(), 19);
    }
}
