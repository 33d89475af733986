//! What the program says about itself: log lines, counters, the two pages for machines.

use std::io::IsTerminal;
use std::sync::OnceLock;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::service::App;

/// Begins to log to standard error, once a process.
///
/// # Errors
/// The text of `log.level` that cannot be read, or that logging runs already.
pub fn init_log(settings: &Log) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::builder().parse(&settings.level)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match settings.format {
        LogFormat::Json => log.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => log.with_target(false).finish().try_init()?,
    }
    // The message of a panic may hold what a user wrote; its place never does (S-15).
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "panic");
    }));
    Ok(())
}

/// The process' counters; the first caller begins to count.
///
/// # Errors
/// When another recorder counts already.
pub(super) fn counters() -> Result<PrometheusHandle, BuildError> {
    static COUNTERS: OnceLock<PrometheusHandle> = OnceLock::new();
    static BEGIN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = BEGIN.lock();
    if let Some(counters) = COUNTERS.get() {
        return Ok(counters.clone());
    }
    let counters = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    Ok(COUNTERS.get_or_init(|| counters).clone())
}

/// `/healthz`: 200 when the database answers, else 503. Open to everybody, says nothing else.
pub(super) fn health(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .with_state(app)
}

async fn healthz(State(app): State<App>) -> impl IntoResponse {
    let (status, text) = match app.healthy().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "database unavailable\n"),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text)
}

/// `/metrics` (and `/healthz`) for the loopback listener.
pub(super) fn pages(app: App, counters: PrometheusHandle) -> Router {
    let metrics = get(move || {
        let page = counters.render();
        async { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page) }
    });
    health(app).route("/metrics", metrics)
}

const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
