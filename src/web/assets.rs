//! `/assets/{name}-{hash}.{ext}`: bundles, fonts, pictures (`static/dist`, made by `static/build.mjs`).
//!
//! A name carries a hash of its content, so an answer may be kept for ever; a new build makes new names. The
//! build leaves a `.br` and a `.gz` beside each text file, and we only choose between them: nothing is
//! compressed while serving. A release holds the files inside the program; a debug build reads the folder.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::Embed;

/// The address of an asset for a template: `asset("app.css")` is `/assets/app-3f…c1.css`.
///
/// Every name used in a template is held by `tests/templates.rs`, so the fallback (the plain name, which
/// answers 404) is not seen by anyone.
#[must_use]
pub fn asset(name: &str) -> &'static str {
    debug_assert!(NAMES.contains_key(name), "no asset {name}");
    NAMES.get(name).map_or("/assets/missing", String::as_str)
}

/// True when the build made an asset of this plain name.
#[must_use]
pub fn exists(name: &str) -> bool {
    NAMES.contains_key(name)
}

/// The routes of this module, for any state.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/{file}", get(serve))
        .route("/favicon.ico", get(favicon))
}

/// `GET /assets/{file}`: 200 in the smallest coding the client takes, or 404.
pub async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    // The siblings and the manifest lie in the same folder but have no address.
    let Some(content_type) = content_type(&file).filter(|_| !file.contains(['/', '\\'])) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let chosen = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(coding, _)| accepts(accepted, coding))
        .find_map(|(coding, suffix)| {
            Dist::get(&format!("{file}{suffix}")).map(|found| (Some(coding), found))
        })
        .or_else(|| Dist::get(&file).map(|found| (None, found)));
    let Some((coding, found)) = chosen else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = match found.data {
        std::borrow::Cow::Borrowed(bytes) => Body::from(bytes),
        std::borrow::Cow::Owned(bytes) => Body::from(bytes),
    };
    let mut response = Response::new(body);
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    out.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// `GET /favicon.ico`: browsers ask for it whatever the page says.
async fn favicon() -> Response {
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, asset("favicon.svg"))],
    )
        .into_response()
}

/// Whether an `Accept-Encoding` value takes `coding` (RFC 9110 12.5.3: named, or `*`, and not with `q=0`).
fn accepts(header: &str, coding: &str) -> bool {
    let mut star = false;
    for item in header.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let refused = parts.any(|p| {
            p.strip_prefix("q=")
                .or_else(|| p.strip_prefix("Q="))
                .is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        });
        if name.eq_ignore_ascii_case(coding) {
            return !refused;
        }
        star |= name == "*" && !refused;
    }
    star
}

/// The type by extension; `None` for what this door does not serve.
fn content_type(file: &str) -> Option<&'static str> {
    Some(match file.rsplit_once('.')?.1 {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        "png" => "image/png",
        _ => return None,
    })
}

#[derive(Embed)]
#[folder = "static/dist"]
struct Dist;

/// Plain name -> address.
static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let names: HashMap<String, String> = Dist::get("manifest.json")
        .and_then(|file| serde_json::from_slice(&file.data).ok())
        .unwrap_or_default();
    names
        .into_iter()
        .map(|(name, file)| (name, format!("/assets/{file}")))
        .collect()
});

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn fetch(path: &str, accept: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        let file = path.trim_start_matches("/assets/").to_owned();
        let answer = serve(Path(file), headers).await;
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        (parts.status, parts.headers, bytes)
    }

    #[tokio::test]
    async fn the_best_coding_the_client_takes_is_sent() {
        let path = asset("app.js");
        let (status, headers, br) = fetch(path, "gzip, deflate, br, zstd").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_ENCODING], "br");
        assert_eq!(
            headers[header::CONTENT_TYPE],
            "text/javascript; charset=utf-8"
        );
        assert!(
            headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let (_, headers, gz) = fetch(path, "gzip;q=0.5, br;q=0").await;
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        let (_, headers, plain) = fetch(path, "identity").await;
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
        assert!(br.len() < gz.len() && gz.len() < plain.len());
        assert_eq!(headers[header::VARY], "accept-encoding");
    }

    #[tokio::test]
    async fn nothing_beside_the_assets_is_served() {
        for path in [
            "manifest.json",
            "app.js",
            "app.js.br",
            "../build.mjs",
            "x",
            "",
        ] {
            assert_eq!(fetch(path, "br").await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn accept_encoding_is_read_as_the_rfc_says() {
        assert!(accepts("br", "br"));
        assert!(accepts("gzip, BR", "br"));
        assert!(accepts("*", "br"));
        assert!(!accepts("*;q=0", "br"));
        assert!(!accepts("br;q=0, *", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }
}
