//! HTTP over TLS: hyper on our own accept loop, with the limits of `security.md` 2 that hyper has no words for.
//!
//! ```text
//! TLS handshake -> first header -> request .. answer -> idle -> next header -> …
//!    10 s             15 s         120 s to the answer  75 s       15 s
//! ```
//!
//! [`Pace`] knows where a connection stands; its driver closes it when the step's time has passed. Event streams and
//! downloads are answers under way and have no end of their own. HTTP/2 and 1.1 go the same way.
//!
//! Not here: routes, sessions, security headers ([`crate::web`]).

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
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
    let pace = Pace::new(limits.header_timeout, limits.idle_timeout);
    let io = TokioIo::new(Watched {
        inner: stream,
        pace: pace.clone(),
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
                Ok::<_, std::convert::Infallible>(answer.map(|body| Guarded {
                    body,
                    _under_way: under_way,
                }))
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
    let deadline = limits.body_timeout;
    let mut request = request.map(|body| Body::new(Timed::new(body, deadline)));
    request.extensions_mut().insert(ConnectInfo(client));
    let answer = router.oneshot(request);
    match tokio::time::timeout(limits.request_timeout, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response(),
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
}

#[derive(Debug)]
struct Step {
    under_way: usize,
    /// The last request's end, or the connection's beginning.
    idle_since: Instant,
    /// The first octet after it; a header is coming.
    header_since: Option<Instant>,
    has_asked: bool,
}

impl Pace {
    fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        let now = Instant::now();
        let step = Step {
            under_way: 0,
            idle_since: now,
            header_since: Some(now),
            has_asked: false,
        };
        Self {
            step: Arc::new(Mutex::new(step)),
            header_timeout,
            idle_timeout,
        }
    }

    /// A request's header is whole; it is under way until the guard is dropped.
    fn begin(&self) -> UnderWay {
        let mut step = self.step();
        step.under_way += 1;
        step.header_since = None;
        step.has_asked = true;
        UnderWay(self.clone())
    }

    /// Octets came. Between requests they begin a header.
    fn octets(&self) {
        let mut step = self.step();
        if step.under_way == 0 && step.header_since.is_none() {
            step.header_since = Some(Instant::now());
        }
    }

    /// When the present step has taken too long; none while an answer is under way.
    fn deadline(&self) -> Option<Instant> {
        let step = self.step();
        if step.under_way > 0 {
            return None;
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
struct UnderWay(Pace);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut step = self.0.step();
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
    _under_way: UnderWay,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
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
}

impl Timed {
    fn new(body: Incoming, grace: Duration) -> Self {
        Self {
            body,
            began: Instant::now(),
            grace,
            octets: 0,
            timer: None,
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
                timer
                    .as_mut()
                    .poll(cx)
                    .map(|()| Some(Err(io::ErrorKind::TimedOut.into())))
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

/// A stream that tells the pace when octets come.
struct Watched<S> {
    inner: S,
    pace: Pace,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.pace.octets();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
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

/// hyper refuses a smaller buffer.
const HYPER_LEAST_BUFFER: usize = 8_192;
/// What one stream, and one connection, may send us before we take it: small, so that 5,000 connections stay small.
const H2_STREAM_WINDOW: u32 = 262_144;
const H2_CONNECTION_WINDOW: u32 = 1_048_576;
const H2_SEND_BUFFER: usize = 65_536;
const H2_PING_WAIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_the_time_of_its_step() {
        let header = Duration::from_secs(15);
        let idle = Duration::from_secs(75);
        let pace = Pace::new(header, idle);
        let began = pace.step().idle_since;
        assert_eq!(pace.deadline(), Some(began + header), "the first header");
        let first = pace.begin();
        let second = pace.begin();
        assert_eq!(pace.deadline(), None, "an answer may take its time");
        drop(first);
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
