//! Who asks: HTTP Basic (RFC 7617), on every request, and how many requests one account has at work.
//!
//! The door stands behind TLS only; there is no cookie and no session. The lock, app passwords and the memory of right
//! log-ins are the accounts service's. Whatever is wrong with a log-in, the answer is the same 401.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reply::Fault;
use crate::format::sasl::decode_base64;
use crate::model::{AccountId, Protocol, Source};
use crate::service::App;
use crate::service::accounts::{LoggedIn, Login, LoginRefused};

/// Lets the asker in.
///
/// # Errors
/// 401 with the challenge, 503 when it cannot be known now.
pub async fn login(app: &App, parts: &Parts) -> Result<LoggedIn, Fault> {
    let Some((name, password)) = credentials(parts) else {
        return Err(challenge());
    };
    let source = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.ip()
        });
    let login = Login {
        name: &name,
        password: &password,
        protocol: Protocol::Dav,
        source: Source::of(source),
        device_cookie: None,
        eas_device: None,
        client: super::headers::text(&parts.headers, "user-agent").unwrap_or_default(),
    };
    app.accounts
        .login(&login)
        .await
        .map_err(|refused| match refused {
            LoginRefused::Wrong { .. }
            | LoginRefused::Locked { .. }
            | LoginRefused::Disabled
            | LoginRefused::NeedsCode { .. } => challenge(),
            LoginRefused::TryLater => Fault::status(StatusCode::SERVICE_UNAVAILABLE).later(5),
            LoginRefused::Unavailable(e) => crate::error::Refusal::from(e).into(),
        })
}

/// Name and password of the request. UTF-8 as we ask for it; what is none is read as Latin-1, which old clients send.
fn credentials(parts: &Parts) -> Option<(String, String)> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let secret = decode_base64(rest.trim().as_bytes()).ok()?;
    let text = match secret.expose_str() {
        Some(text) => text.to_owned(),
        None => secret.expose().iter().copied().map(char::from).collect(),
    };
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn challenge() -> Fault {
    Fault::status(StatusCode::UNAUTHORIZED)
        .because("Sign in with your address and password.")
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"Postamt\", charset=\"UTF-8\""),
        )
}

/// The requests of each account that are at work on this node.
#[derive(Debug, Clone)]
pub struct Busy {
    most: usize,
    accounts: Arc<Mutex<HashMap<AccountId, Arc<Semaphore>>>>,
}

impl Busy {
    /// At most so many of one account at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            accounts: Arc::default(),
        }
    }

    /// A place; who comes beyond them waits a while, since clients open many connections without meaning harm.
    ///
    /// # Errors
    /// 429.
    pub async fn enter(&self, account: AccountId) -> Result<OwnedSemaphorePermit, Fault> {
        let places = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            if accounts.len() > MANY {
                // Held by the map alone: nobody of that account is here.
                accounts.retain(|_, places| Arc::strong_count(places) > 1);
            }
            Arc::clone(
                accounts
                    .entry(account)
                    .or_insert_with(|| Arc::new(Semaphore::new(self.most))),
            )
        };
        match tokio::time::timeout(PATIENCE, places.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Fault::status(StatusCode::TOO_MANY_REQUESTS).later(5)),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// Accounts in the map before those that went are looked for.
const MANY: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::sasl::encode_base64;
    use axum::http::Request;

    fn read(value: &str) -> Option<(String, String)> {
        let request = Request::get("/")
            .header(header::AUTHORIZATION, value)
            .body(())
            .unwrap();
        credentials(&request.into_parts().0)
    }

    #[test]
    fn basic_is_read_and_nothing_else() {
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        let basic = |octets: &[u8]| format!("Basic {}", encode_base64(octets));
        assert_eq!(
            read(&basic("anna@x.test:pä:ss".as_bytes())),
            pair("anna@x.test", "pä:ss")
        );
        assert_eq!(read(&basic(b"a:p\xe4")), pair("a", "pä"));
        assert_eq!(read("bAsIc YTpi"), pair("a", "b"));
        for bad in ["Basic", "Basic YQ", "Basic !!!!", "Bearer YTpi", "YTpi"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn one_account_cannot_take_every_place() {
        let busy = Busy::new(2);
        let first = busy.enter(AccountId(1)).await.unwrap();
        let _second = busy.enter(AccountId(1)).await.unwrap();
        let other = busy.enter(AccountId(2)).await;
        assert!(other.is_ok());
        let refused = busy.enter(AccountId(1)).await.unwrap_err();
        assert_eq!(refused.code(), StatusCode::TOO_MANY_REQUESTS);
        drop(first);
        assert!(busy.enter(AccountId(1)).await.is_ok());
    }
}
