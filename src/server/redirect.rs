//! The HTTP port: every request is sent to HTTPS (308), no cookie is ever set, nothing else is answered.
//!
//! Departure: `Host` is used in the redirect when it is a name of ours or the very address the request came to, so
//! that `http://localhost:8080` and every mail domain lead where they should; any other name leads to `server.hostname`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::service::App;

/// Our address the request came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct CameTo(pub(super) SocketAddr);

#[derive(Clone)]
struct Target {
    app: App,
    https_port: u16,
}

/// Redirects to `https_port` of the same host.
pub(super) fn router(app: App, https_port: u16) -> Router {
    Router::new()
        .fallback(redirect)
        .with_state(Target { app, https_port })
}

async fn redirect(
    State(target): State<Target>,
    Extension(CameTo(local)): Extension<CameTo>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let asked = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(|host| without_port(host).to_ascii_lowercase());
    let host = match asked {
        Some(host) if is_ours(&target.app, &host, local).await => host,
        _ => target.app.config.server.hostname.clone(),
    };
    let port = match target.https_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let location = format!("https://{host}{port}{path}");
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, location)],
    )
        .into_response()
}

async fn is_ours(app: &App, host: &str, local: SocketAddr) -> bool {
    let config = &app.config;
    if host == "localhost"
        || host == config.server.hostname
        || config.web.hosts.iter().any(|name| name == host)
    {
        return true;
    }
    if host.trim_matches(['[', ']']).parse() == Ok(local.ip()) {
        return true;
    }
    let parent = host.split_once('.').map(|(_, parent)| parent);
    for domain in [Some(host), parent].into_iter().flatten() {
        if matches!(app.accounts.is_local_domain(domain).await, Ok(true)) {
            return true;
        }
    }
    false
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_cut_off() {
        assert_eq!(without_port("mail.example.org:8080"), "mail.example.org");
        assert_eq!(without_port("mail.example.org"), "mail.example.org");
        assert_eq!(without_port("[::1]:8080"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
    }
}
