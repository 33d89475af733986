//! All addresses of the browser's door, and what every answer passes through.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::error::{LANG, WebError, redirect};
use super::headers::{self, Policy};
use super::me::Signed;
use super::{assets, auth, compose, help, live, mail, pwa, settings};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::service::App;

/// The browser's door. The caller wraps it in TLS and gives it the peer's address.
pub fn router(app: App) -> Router {
    let policy = Policy::default();
    // A whole message and the form around it.
    let largest = usize::try_from(app.config.smtp.message_size)
        .unwrap_or(usize::MAX)
        .saturating_add(app.config.web.compose_body);
    Router::new()
        .route("/", get(|| async { redirect("/mail/inbox") }))
        .route("/events", get(live::events))
        .route("/events/since", get(live::since))
        .route("/login", get(auth::login_page).post(auth::login))
        .route("/login/code", get(auth::code_page).post(auth::code))
        .route("/logout", post(auth::logout))
        .route(
            "/password/first",
            get(auth::first_page).post(auth::first_change),
        )
        .merge(mail::routes())
        .merge(mail::pictures::routes(&app))
        .merge(compose::routes(largest))
        .merge(help::routes())
        .merge(pwa::routes())
        .merge(settings::routes())
        .layer(DefaultBodyLimit::max(app.config.web.form_body))
        .layer(middleware::from_fn_with_state(app.clone(), own_origin))
        .layer(middleware::from_fn(in_language))
        .layer(middleware::from_fn_with_state(app.clone(), auth::recognise))
        .layer(auth::session_layer(&app))
        .route("/assets/{name}", get(assets::serve))
        .fallback(|| async { WebError::from(Refusal::NotFound) })
        .layer(middleware::from_fn_with_state(policy, headers::secure))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                // What it held is not told to anybody; the panic hook has logged the place.
                metrics::counter!("postamt_panics_total", "protocol" => "web").increment(1);
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            },
        ))
        .with_state(app)
}

/// Writes must come from our own pages (security.md S-42): `Origin` is ours, or, where a browser sends none, the fetch is
/// `same-origin`. Reading needs neither.
async fn own_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) || is_own(&app, &request)
    {
        next.run(request).await
    } else {
        WebError::Forbidden.into_response()
    }
}

fn is_own(app: &App, request: &Request) -> bool {
    let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    let host = request.uri().host().map_or_else(
        || text("host").map(str::to_owned),
        |host| {
            Some(
                request
                    .uri()
                    .port()
                    .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            )
        },
    );
    match text("origin") {
        Some(origin) => {
            let Some(from) = origin.strip_prefix("https://") else {
                return false;
            };
            host.as_deref() == Some(from) || app.config.server.hostname == from
        }
        None => text("sec-fetch-site") == Some("same-origin"),
    }
}

/// Sets the language of this request's answers: the account's, else a cookie's, else the browser's.
async fn in_language(request: Request, next: Next) -> Response {
    let lang = match request.extensions().get::<Arc<Signed>>() {
        Some(signed) => signed.lang,
        None => anonymous_lang(&request),
    };
    LANG.scope(lang, next.run(request)).await
}

/// The language somebody who is not signed in reads.
#[must_use]
pub fn anonymous_lang(request: &Request) -> Lang {
    let text = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
    text(header::COOKIE)
        .and_then(|cookies| {
            cookies
                .split(';')
                .find_map(|c| c.trim().strip_prefix("lang=")?.parse().ok())
        })
        .or_else(|| text(header::ACCEPT_LANGUAGE).map(Lang::from_accept_language))
        .unwrap_or_default()
}
