//! Exchange ActiveSync: phones, over HTTPS beside the pages (MS-ASHTTP, MS-ASCMD).
//!
//! ```text
//! query + headers ─> sign-in ─> device ─> body (gzip undone, tokens counted) ─> one command ─> its answer
//! ```
//!
//! A command is a function of [`call::Call`]; it makes calls of `service::devices` and `service::mail` and writes its answer with the
//! encoder. [`http`] turns verdicts into what the version expects: up to 12.1 the code of the HTTP answer, from 14.0 on a status
//! inside a good one. A wrong password is 401 and nothing else is: phones ask their owner for the password then.
//!
//! Not here: what a device knows of a folder (`service/devices`), the octets (`format/wbxml`).

mod autodiscover;
mod body;
mod call;
mod compose;
mod email;
mod estimate;
mod folders;
mod http;
mod moves;
mod operations;
mod ping;
mod provision;
mod query;
mod settings;
mod sync;
mod version;

use axum::Router;
use axum::http::uri::{PathAndQuery, Uri};
use axum::routing::any;
use tokio_util::sync::CancellationToken;

use crate::service::App;

/// The one path of the protocol.
const PATH: &str = "/Microsoft-Server-ActiveSync";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Door {
    app: App,
    /// The program stops: whoever waits is answered now.
    stop: CancellationToken,
}

/// The phones' door, to be merged with the pages. `stop` ends all waiting.
pub fn router(app: App, stop: CancellationToken) -> Router {
    Router::new()
        .route(PATH, any(http::serve))
        .merge(autodiscover::routes())
        .with_state(Door { app, stop })
}

/// Clients write our paths in any case and with a slash at the end; the router knows one way to write them.
///
/// None for what is no path of ours, or is written that way already.
#[must_use]
pub fn canonical(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let known = std::iter::once(PATH)
        .chain(autodiscover::PATHS)
        .find(|known| known.eq_ignore_ascii_case(path))?;
    if known == uri.path() {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    let target = match uri.query() {
        Some(query) => format!("{known}?{query}"),
        None => known.to_owned(),
    };
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether a request may wait as long as a heartbeat.
#[must_use]
pub fn may_wait(uri: &Uri) -> bool {
    uri.path() == PATH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_in_any_case() {
        let canonical = |path: &str| canonical(&path.parse().unwrap()).map(|uri| uri.to_string());
        for path in [
            "/microsoft-server-activesync?Cmd=Sync&x=%20",
            "/Microsoft-Server-Activesync/?Cmd=Sync&x=%20",
        ] {
            assert_eq!(
                canonical(path).as_deref(),
                Some("/Microsoft-Server-ActiveSync?Cmd=Sync&x=%20")
            );
        }
        assert_eq!(
            canonical("https://a.test/AutoDiscover/AutoDiscover.xml").as_deref(),
            Some("https://a.test/autodiscover/autodiscover.xml")
        );
        for path in ["/Microsoft-Server-ActiveSync?a=b", "/mail/inbox", "/", "*"] {
            assert_eq!(canonical(path), None, "{path}");
        }
    }
}
