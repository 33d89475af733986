//! Forms: url-encoded bodies with repeated fields, and the token that every write must carry (ui.md 3.4, security.md S-42).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::error::WebError;
use super::me::Signed;
use crate::error::Refusal;
use crate::service::App;

/// The name of the token's header; forms say `_t`.
pub const TOKEN_HEADER: &str = "x-csrf-token";

/// A form whose token has been checked. The body's size is limited by the router.
#[derive(Debug, Clone)]
pub struct Form<T>(pub T);

#[derive(Deserialize)]
struct Token {
    #[serde(rename = "_t", default)]
    token: String,
}

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = WebError;

    async fn from_request(request: Request, app: &App) -> Result<Self, WebError> {
        let expected = request
            .extensions()
            .get::<Arc<Signed>>()
            .map(|s| s.csrf.clone());
        let in_header = request
            .headers()
            .get(TOKEN_HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| {
                kind.as_bytes()
                    .starts_with(b"application/x-www-form-urlencoded")
            });
        let body = Bytes::from_request(request, app)
            .await
            .map_err(|rejection| {
                if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                    WebError::Refused(Refusal::TooLarge {
                        limit_bytes: app.config.web.form_body.try_into().unwrap_or(u64::MAX),
                    })
                } else {
                    WebError::Bad("error-bad-request")
                }
            })?;
        let body: &[u8] = if is_form { &body } else { b"" };
        let given = match in_header {
            Some(token) => token,
            None => serde_html_form::from_bytes::<Token>(body)
                .map(|t| t.token)
                .unwrap_or_default(),
        };
        let Some(expected) = expected else {
            return Err(WebError::SignIn("/".to_owned()));
        };
        if !token_is(&given, &expected) {
            return Err(WebError::Forbidden);
        }
        serde_html_form::from_bytes(body)
            .map(Self)
            .map_err(|_| WebError::Bad("error-bad-request"))
    }
}

/// Compares tokens in constant time.
#[must_use]
pub fn token_is(given: &str, expected: &str) -> bool {
    !expected.is_empty() && bool::from(given.as_bytes().ct_eq(expected.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_compared_whole() {
        assert!(token_is("abc", "abc"));
        for bad in ["", "ab", "abcd", "ABC"] {
            assert!(!token_is(bad, "abc"));
        }
        assert!(!token_is("", ""));
    }
}
