//! HTTP over TLS: hyper on our own accept loop, with the limits of `security.md` 2 that hyper has no words for.
//!
//! ```text
//! TLS handshake -> first header -> request .. answer -> idle -> next header -> …
//!    10 s             15 s         120 s to the answer  75 s       15 s
//! ```
//!
//! [`Pace`] knows where a connection stands; its driver closes it when the step's time has passed. Event streams and
//! downloads are answers under way and have no end of their own, but each piece of them must be taken within the time of an
//! answer. HTTP/2 and 1.1 go the same way; what HTTP/1 leaves in doubt is refused before hyper reads it ([`Framing`]).
//!
//! Not here: routes, sessions, security headers ([`crate::web`]).

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::{Network, Web};
use crate::eas;
use crate::net::http1::{Framing, Passed};
use crate::net::proxy::forwarded_client;

/// Serves one connection until it ends, its time is over, or `stop` lets it finish what it is answering.
pub async fn serve<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: Arc<Web>,
    proxies: Arc<[Network]>,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pace = Pace::new(&limits);
    let io = TokioIo::new(Watched {
        inner: stream,
        pace: pace.clone(),
        framing: Framing::new(limits.request_line.max(limits.header_field) + LINE_SLACK),
        is_ended: false,
        ending: b"",
        thrown_away: 0,
    });
    let service = {
        let (pace, limits) = (pace.clone(), Arc::clone(&limits));
        service_fn(move |request: Request<Incoming>| {
            let under_way = pace.begin();
            let answer = answer(
                request,
                peer,
                router.clone(),
                Arc::clone(&limits),
                Arc::clone(&proxies),
            );
            async move {
                let answer = answer.await;
                // The guard goes with the body: the request is over when its last octet is handed to hyper.
                Ok::<_, std::convert::Infallible>(answer.map(|body| Guarded { body, under_way }))
            }
        })
    };
    let builder = builder(&limits);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut stopping = pin!(stop.cancelled());
    let mut told = false;
    let end = std::future::poll_fn(|cx| {
        if !told && stopping.as_mut().poll(cx).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(end) = connection.as_mut().poll(cx) {
            return Poll::Ready(end.map_err(|error| error.to_string()));
        }
        // Read after hyper has moved on, so that the deadline is that of the step it has reached.
        match pace.deadline() {
            Some(deadline) => {
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                timer
                    .as_mut()
                    .poll(cx)
                    .map(|()| Err("its time is over".to_owned()))
            }
            None => Poll::Pending,
        }
    });
    if let Err(why) = end.await {
        tracing::debug!(%peer, why, protocol = "https", "connection closed");
    }
}

fn builder(limits: &Web) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The driver holds the times; hyper's own would end idle connections too.
        .header_read_timeout(None)
        .max_headers(limits.header_fields)
        .max_buf_size(limits.header_block.max(HYPER_LEAST_BUFFER))
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(limits.h2_header_list)
        .max_pending_accept_reset_streams(limits.h2_pending_resets)
        .max_local_error_reset_streams(limits.h2_pending_resets)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(H2_PING_WAIT);
    builder
}

/// Checks what hyper does not, tells the handlers the real client, and bounds the time to the answer.
async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    router: Router,
    limits: Arc<Web>,
    proxies: Arc<[Network]>,
) -> Response<Body> {
    if let Some(status) = beyond_limits(&request, &limits) {
        return (status, [(header::CONNECTION, "close")]).into_response();
    }
    let client = SocketAddr::new(
        client_of(peer.ip(), request.headers(), &proxies),
        peer.port(),
    );
    let is_late = Arc::new(AtomicBool::new(false));
    let (grace, late) = (limits.body_timeout, Arc::clone(&is_late));
    let mut request = request.map(|body| Body::new(Timed::new(body, grace, late)));
    request.extensions_mut().insert(ConnectInfo(client));
    if let Some(uri) = eas::canonical(request.uri()) {
        *request.uri_mut() = uri;
    }
    let mut patience = limits.request_timeout;
    if eas::may_wait(request.uri()) {
        patience += LONGEST_HEARTBEAT;
    }
    let answer = router.oneshot(request);
    match tokio::time::timeout(patience, answer).await {
        // Whatever the handler made of a body that broke off.
        Ok(Ok(answer)) if !is_late.load(Ordering::Relaxed) => answer,
        Ok(Err(never)) => match never {},
        Ok(Ok(_)) | Err(_) => {
            (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response()
        }
    }
}

fn beyond_limits<B>(request: &Request<B>, limits: &Web) -> Option<StatusCode> {
    // "GET " and " HTTP/1.1" around the target.
    let line = request.method().as_str().len()
        + request
            .uri()
            .path_and_query()
            .map_or(0, |p| p.as_str().len())
        + 11;
    if line > limits.request_line {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let fields = request.headers();
    let sizes = || {
        fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
    };
    if fields.len() > limits.header_fields
        || sizes().any(|size| size > limits.header_field)
        || sizes().sum::<usize>() > limits.header_block
    {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    None
}

fn client_of(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok());
    // HeaderMap's iterator of one name is not double-ended.
    let forwarded: Vec<&str> = forwarded.collect();
    forwarded_client(peer, proxies, forwarded.into_iter())
}

/// Where a connection stands; clones look at the same one.
#[derive(Debug, Clone)]
struct Pace {
    step: Arc<Mutex<Step>>,
    header_timeout: Duration,
    idle_timeout: Duration,
    answer_timeout: Duration,
}

#[derive(Debug, Default)]
struct Untaken {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

#[derive(Debug)]
struct Step {
    under_way: usize,
    /// Pieces of answers that the client's side has no room for, and since when.
    untaken: Untaken,
    /// The last request's end, or the connection's beginning.
    idle_since: Instant,
    /// The first octet after it; a header is coming.
    header_since: Option<Instant>,
    has_asked: bool,
}

impl Pace {
    fn new(limits: &Web) -> Self {
        let now = Instant::now();
        let step = Step {
            under_way: 0,
            untaken: Untaken::default(),
            idle_since: now,
            header_since: Some(now),
            has_asked: false,
        };
        Self {
            step: Arc::new(Mutex::new(step)),
            header_timeout: limits.header_timeout,
            idle_timeout: limits.idle_timeout,
            answer_timeout: limits.request_timeout,
        }
    }

    /// A request's header is whole; it is under way until the guard is dropped.
    fn begin(&self) -> UnderWay {
        let mut step = self.step();
        step.under_way += 1;
        step.header_since = None;
        step.has_asked = true;
        step.untaken.next += 1;
        UnderWay {
            number: step.untaken.next,
            pace: self.clone(),
        }
    }

    /// Octets came. Between requests they begin a header.
    fn octets(&self) {
        let mut step = self.step();
        if step.under_way == 0 && step.header_since.is_none() {
            step.header_since = Some(Instant::now());
        }
    }

    /// When the present step has taken too long; none while an answer is made, or waits for something to say.
    fn deadline(&self) -> Option<Instant> {
        let step = self.step();
        if step.under_way > 0 {
            let oldest = step.untaken.since.values().min();
            return oldest.map(|since| *since + self.answer_timeout);
        }
        let idle = step.idle_since + self.idle_timeout;
        // After the first request, HTTP/2's own frames are octets too; they may not outlast the idle time.
        Some(step.header_since.map_or(idle, |since| {
            let header = since + self.header_timeout;
            if step.has_asked {
                header.max(idle)
            } else {
                header
            }
        }))
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way.
#[derive(Debug)]
struct UnderWay {
    number: u64,
    pace: Pace,
}

impl UnderWay {
    /// hyper has a piece of the answer. It asks for the next one when the client's side has room.
    fn handed(&self) {
        let mut step = self.pace.step();
        step.untaken.since.insert(self.number, Instant::now());
    }

    /// hyper asks for more.
    fn taken(&self) {
        self.pace.step().untaken.since.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut step = self.pace.step();
        step.untaken.since.remove(&self.number);
        step.under_way = step.under_way.saturating_sub(1);
        if step.under_way == 0 {
            step.idle_since = Instant::now();
            step.header_since = None;
        }
    }
}

/// An answer's body that keeps its request under way until it is sent.
#[derive(Debug)]
struct Guarded {
    body: Body,
    under_way: UnderWay,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        this.under_way.taken();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = &frame {
            this.under_way.handed();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body that must come at 64 KB a second, after a first grace.
#[derive(Debug)]
struct Timed {
    body: Incoming,
    began: Instant,
    grace: Duration,
    octets: u64,
    timer: Option<Pin<Box<Sleep>>>,
    /// Set when it did not.
    is_late: Arc<AtomicBool>,
}

impl Timed {
    fn new(body: Incoming, grace: Duration, is_late: Arc<AtomicBool>) -> Self {
        Self {
            body,
            began: Instant::now(),
            grace,
            octets: 0,
            timer: None,
            is_late,
        }
    }

    fn deadline(&self) -> Instant {
        self.began + self.grace + Duration::from_secs(self.octets >> 16)
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let came = frame.data_ref().map_or(0, Bytes::len);
                this.octets += u64::try_from(came).unwrap_or(u64::MAX);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let deadline = this.deadline();
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if timer.deadline() != deadline {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                this.is_late.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells the pace when octets come, and passes on what leaves no doubt about where requests end.
struct Watched<S> {
    inner: S,
    pace: Pace,
    framing: Framing,
    /// Nothing more is passed on; hyper answers and closes.
    is_ended: bool,
    /// What hyper is still given behind a doubtful octet: it looks at a header again only when an empty line has come.
    ending: &'static [u8],
    /// Octets read after our side was closed.
    thrown_away: usize,
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads what a refused client still sends: closed with unread octets, the connection would be reset, and the answer lost
    /// on its way. The pace's deadline ends it for who sends slowly.
    fn poll_throw_away(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 4_096];
        while self.thrown_away < MOST_THROWN_AWAY {
            let mut buf = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                break;
            }
            self.thrown_away += buf.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_ended {
            let (now, later) = this.ending.split_at(this.ending.len().min(buf.remaining()));
            this.ending = later;
            if !now.is_empty() {
                buf.put_slice(now);
                return Poll::Ready(Ok(()));
            }
            // Not the end of the stream: that would make hyper drop the answer. The pace's deadlines go on.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        let came = buf.filled_mut().get_mut(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.pace.octets();
        let passed = match this.framing.feed(came) {
            Passed::All => return Poll::Ready(Ok(())),
            Passed::Only(count) => count,
            Passed::Doubtful(at, fault) => {
                tracing::debug!(%fault, protocol = "https", "a request leaves doubt about its end");
                if let Some(octet) = came.get_mut(at) {
                    *octet = 0;
                }
                this.ending = b"\r\n\r\n";
                at + 1
            }
        };
        this.is_ended = true;
        buf.set_filled(before + passed);
        if passed == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
        if this.framing.is_between() {
            return Poll::Ready(Ok(()));
        }
        this.poll_throw_away(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Octets of a line beside what the limits count: the colon, the space, the version.
const LINE_SLACK: usize = 64;
/// What a refused client may still send before it is cut off.
const MOST_THROWN_AWAY: usize = 1_048_576;
/// A phone's request may wait for a change so long (MS-ASCMD 2.2.3.84), and is worked on before and after.
const LONGEST_HEARTBEAT: Duration = Duration::from_mins(59);
/// hyper refuses a smaller buffer.
const HYPER_LEAST_BUFFER: usize = 8_192;
/// What one stream, and one connection, may send us before we take it: small, so that 5,000 connections stay small.
const H2_STREAM_WINDOW: u32 = 262_144;
const H2_CONNECTION_WINDOW: u32 = 1_048_576;
const H2_SEND_BUFFER: usize = 65_536;
const H2_PING_WAIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_connection_has_the_time_of_its_step() {
        let limits = Web::default();
        let (header, idle) = (limits.header_timeout, limits.idle_timeout);
        let pace = Pace::new(&limits);
        let began = pace.step().idle_since;
        assert_eq!(pace.deadline(), Some(began + header), "the first header");
        let first = pace.begin();
        let second = pace.begin();
        assert_eq!(pace.deadline(), None, "an answer may take its time");
        first.handed();
        let since = pace.step().untaken.since[&first.number];
        assert_eq!(pace.deadline(), Some(since + limits.request_timeout));
        first.taken();
        assert_eq!(pace.deadline(), None, "it waits for something to say");
        second.handed();
        first.handed();
        drop(first);
        assert!(pace.deadline().is_some(), "the other one is not taken");
        second.taken();
        assert_eq!(pace.deadline(), None);
        drop(second);
        let ended = pace.step().idle_since;
        assert_eq!(pace.deadline(), Some(ended + idle), "idle");
        pace.step().header_since = Some(ended + idle);
        assert_eq!(
            pace.deadline(),
            Some(ended + idle + header),
            "a late header has its time too"
        );
    }

    /// One connection without TLS and network; the other end has room for 1,024 octets.
    fn connection(limits: Web) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
        let endless = || async {
            let piece = Bytes::from_static(&[b'x'; 4_096]);
            Body::from_stream(futures_util::stream::repeat_with(move || {
                Ok::<_, io::Error>(piece.clone())
            }))
        };
        let router = Router::new()
            .route("/endless", axum::routing::get(endless))
            .route("/length", axum::routing::post(length));
        let (ours, theirs) = tokio::io::duplex(1_024);
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        let served = serve(
            ours,
            peer,
            router,
            Arc::new(limits),
            Arc::new([]),
            CancellationToken::new(),
        );
        (theirs, tokio::spawn(served))
    }

    async fn length(body: Bytes) -> String {
        format!("{} octets\n", body.len())
    }

    fn hasty() -> Web {
        Web {
            body_timeout: Duration::from_millis(100),
            request_timeout: Duration::from_millis(100),
            ..Web::default()
        }
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_left() {
        let (mut client, served) = connection(hasty());
        let request = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(request).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
        assert!(ended.is_ok(), "the connection is closed");
    }

    /// Over HTTP/2 the connection goes on, only this stream's window stays shut.
    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_over_http2_is_left() {
        let (client, served) = connection(hasty());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
                .await
                .unwrap();
        tokio::spawn(connection);
        let request = Request::get("http://a/endless")
            .body(Body::empty())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await;
        assert!(ended.is_ok(), "the connection is closed");
        drop(answer);
    }

    #[tokio::test]
    async fn a_header_that_comes_octet_by_octet_has_no_more_time() {
        let (mut client, served) = connection(Web {
            header_timeout: Duration::from_millis(100),
            ..Web::default()
        });
        let began = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        while client.write_all(b"y").await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "closed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(100));
        served.await.unwrap();
    }

    #[tokio::test]
    async fn who_takes_an_answer_slowly_but_takes_it_is_served() {
        let (mut client, served) = connection(hasty());
        let request = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
        client.write_all(request).await.unwrap();
        let began = Instant::now();
        let mut piece = [0; 512];
        while began.elapsed() < Duration::from_millis(500) {
            client.read_exact(&mut piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(!served.is_finished());
        served.abort();
    }

    #[tokio::test]
    async fn a_body_that_comes_too_slowly_is_answered_408() {
        let (mut client, _served) = connection(Web {
            request_timeout: Duration::from_mins(5),
            ..hasty()
        });
        let request = b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx";
        client.write_all(request).await.unwrap();
        let mut said = String::new();
        let read = client.read_to_string(&mut said);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(read.is_ok(), "closed");
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    }

    /// What is in order before a doubtful request is answered; the doubtful one and all behind it are not.
    #[tokio::test]
    async fn a_doubtful_request_is_refused_in_its_turn() {
        let (mut client, _served) = connection(Web::default());
        let requests = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\
                        POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nc\
                        POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        client.write_all(requests.as_bytes()).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said.matches("HTTP/1.1 ").count(), 2, "{said}");
        assert!(said.contains("2 octets\nHTTP/1.1 400 "), "{said}");
    }

    #[test]
    fn long_requests_are_refused() {
        let limits = Web::default();
        let request = |path: usize, field: usize| {
            let path = format!("/{}", "x".repeat(path));
            Request::get(path)
                .header("x", "y".repeat(field))
                .body(())
                .unwrap()
        };
        assert_eq!(beyond_limits(&request(8_000, 8_000), &limits), None);
        assert_eq!(
            beyond_limits(&request(8_192, 1), &limits),
            Some(StatusCode::URI_TOO_LONG)
        );
        assert_eq!(
            beyond_limits(&request(1, 8_192), &limits),
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        );
    }
}
