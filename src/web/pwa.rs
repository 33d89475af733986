//! What lets a browser keep the program at hand: the web app manifest, the service worker, the page for "no connection".
//!
//! The service worker keeps hashed assets and `/offline` only, never mail (ui.md 7.13), so nothing here asks who is signed in.

use askama::Template;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::assets::{self, asset};
use super::error::{WebError, request_lang};
use super::page::{Bare, Look};
use crate::service::App;

/// The routes of this module.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/sw.js", get(worker))
        .route("/manifest.webmanifest", get(manifest))
        .route("/offline", get(offline))
}

/// `GET /sw.js`: the one script whose address carries no hash, because a browser looks for its next version there. The worker's
/// scope is its folder, so it cannot lie under `/assets/`.
async fn worker(headers: HeaderMap) -> Response {
    let file = asset("sw.js").trim_start_matches("/assets/").to_owned();
    let mut response = assets::serve(axum::extract::Path(file), headers).await;
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache"),
    );
    response
}

/// `GET /manifest.webmanifest` (W3C Web App Manifest).
async fn manifest() -> Response {
    let lang = request_lang();
    let icon = |size: u32, name: &str| {
        json!({
            "src": asset(name),
            "sizes": format!("{size}x{size}"),
            "type": "image/png",
            "purpose": "any maskable",
        })
    };
    let body = json!({
        "name": lang.t("app-name"),
        "short_name": lang.t("app-name"),
        "lang": lang,
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f4f4f1",
        "theme_color": "#f4f4f1",
        "icons": [icon(192, "icon-192.png"), icon(512, "icon-512.png")],
        "shortcuts": [{ "name": lang.t("new-message"), "url": "/mail/compose" }],
    });
    (
        [
            (header::CONTENT_TYPE, "application/manifest+json"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ],
        Json(body).into_response().into_body(),
    )
        .into_response()
}

#[derive(Template)]
#[template(path = "help/offline.html")]
struct Offline {
    layout: Bare,
}

/// `GET /offline`: what the service worker shows when a page cannot be fetched.
async fn offline(State(app): State<App>) -> Result<Html<String>, WebError> {
    let lang = request_lang();
    let page = Offline {
        layout: Bare {
            lang,
            look: Look::default(),
            title: lang.t("offline-title"),
            csrf: String::new(),
            host: app.config.server.hostname.clone(),
            path: "/offline".to_owned(),
            imprint: None,
            privacy: None,
        },
    };
    Ok(Html(page.render()?))
}
