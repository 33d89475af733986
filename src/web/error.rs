//! What a page answers when a service refuses or a request is wrong: one table, in the reader's language.
//!
//! Errors show an id, never a cause, a path, SQL or a stack (security.md 5). The language is that of the request; it travels in a
//! task-local, so that `?` works in every handler.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rand::RngExt;

use crate::error::Refusal;
use crate::i18n::Lang;

tokio::task_local! {
    /// The language of the request that is being answered.
    pub static LANG: Lang;
}

/// The language of this request; German outside of one.
#[must_use]
pub fn request_lang() -> Lang {
    LANG.try_with(|lang| *lang).unwrap_or_default()
}

/// Why a page was not served.
#[derive(Debug)]
pub enum WebError {
    /// A service said no.
    Refused(Refusal),
    /// Nobody is signed in: to the sign-in page and back to this path afterwards.
    SignIn(String),
    /// The session must first choose a new password.
    FirstPassword,
    /// The session could not be read: the storage is away.
    Unavailable,
    /// The request is not one of ours: wrong token, wrong origin.
    Forbidden,
    /// The request cannot be understood; the key names the sentence.
    Bad(&'static str),
}

impl From<Refusal> for WebError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<crate::error::StoreError> for WebError {
    fn from(e: crate::error::StoreError) -> Self {
        Self::Refused(e.into())
    }
}

impl From<askama::Error> for WebError {
    fn from(_: askama::Error) -> Self {
        Self::Refused(Refusal::Internal("a page could not be written"))
    }
}

/// The result of a page handler.
pub type Page = Result<Response, WebError>;

#[derive(Template)]
#[template(path = "auth/error.html")]
struct ErrorPage {
    layout: super::page::Bare,
    text: String,
    id: String,
}

impl WebError {
    /// Status and the key of the sentence that says so.
    #[must_use]
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::SignIn(_) => (StatusCode::UNAUTHORIZED, "error-sign-in"),
            Self::FirstPassword => (StatusCode::FORBIDDEN, "error-first-password"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "error-unavailable"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "error-forbidden"),
            Self::Bad(key) => (StatusCode::BAD_REQUEST, key),
            Self::Refused(refusal) => match refusal {
                Refusal::OverQuota { .. } => (StatusCode::INSUFFICIENT_STORAGE, "over-quota"),
                Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "error-too-large"),
                Refusal::NoFolder => (StatusCode::NOT_FOUND, "error-no-folder"),
                Refusal::NoMessage => (StatusCode::NOT_FOUND, "error-no-message"),
                Refusal::NotFound => (StatusCode::NOT_FOUND, "error-not-found"),
                Refusal::Exists => (StatusCode::CONFLICT, "error-exists"),
                Refusal::Stale => (StatusCode::CONFLICT, "error-stale"),
                Refusal::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "error-invalid"),
                Refusal::NotAllowed => (StatusCode::FORBIDDEN, "error-not-allowed"),
                Refusal::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "error-too-many"),
                Refusal::StorageFull(_) => (StatusCode::INSUFFICIENT_STORAGE, "error-storage-full"),
                Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "error-unavailable"),
                Refusal::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "error-internal"),
            },
        }
    }

    /// The sentence for the reader.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        if let Self::Refused(Refusal::Invalid(rule)) = self {
            let key = format!("error-{rule}");
            if lang.has(&key) {
                return lang.t(&key);
            }
        }
        lang.t(self.status().1)
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let lang = request_lang();
        let (status, _) = self.status();
        let id = format!("{:08x}", rand::rng().random::<u32>());
        if status.is_server_error() {
            tracing::error!(protocol = "web", id, error = ?self, "a page was not served");
        } else {
            tracing::debug!(protocol = "web", id, error = ?self, "a page was refused");
        }
        if let Self::SignIn(back) = &self {
            return sign_in(back);
        }
        if matches!(self, Self::FirstPassword) {
            return redirect("/password/first");
        }
        let page = ErrorPage {
            layout: super::page::Bare {
                lang,
                look: super::page::Look::default(),
                title: lang.t("error-title"),
                csrf: String::new(),
                host: String::new(),
                path: "/".to_owned(),
                imprint: None,
                privacy: None,
            },
            text: self.text(lang),
            id,
        };
        let html = page.render().unwrap_or_else(|_| page.text.clone());
        let mut response = (status, Html(html)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        }
        response
    }
}

/// 303 to the sign-in page; a script's request is told by `HX-Redirect` and 401.
fn sign_in(back: &str) -> Response {
    let to = format!("/login?next={}", super::query_escape(back));
    let mut response = redirect(&to);
    if let Ok(value) = HeaderValue::from_str(&to) {
        response.headers_mut().insert("HX-Redirect", value);
    }
    response
}

/// 303 to one of our own paths.
#[must_use]
pub fn redirect(to: &str) -> Response {
    let to = if to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\") {
        to
    } else {
        "/"
    };
    match HeaderValue::from_str(to) {
        Ok(value) => (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
