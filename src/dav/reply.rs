//! Why a request failed, as `WebDAV` says it: a status and, where a document names one, the condition that did not hold
//! (RFC 4918 16, RFC 4791 1.3, RFC 6352 6.3). One table for every [`Refusal`].

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use crate::error::Refusal;
use crate::format::davxml::{BadRequest, BadXml, Ns, Writer};

/// A request that failed.
#[derive(Debug)]
pub struct Fault {
    status: StatusCode,
    details: Box<Details>,
}

/// What most faults have none of.
#[derive(Debug, Default)]
struct Details {
    condition: Option<Condition>,
    /// Resources the condition is about.
    hrefs: Vec<String>,
    /// For people who read logs.
    why: String,
    retry_after: Option<u32>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// The result of a handler.
pub type Answer = Result<Response<Body>, Fault>;

/// A precondition or postcondition by its element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    ns: Ns,
    local: &'static str,
}

impl Condition {
    /// One of RFC 4918 and its kin.
    #[must_use]
    pub fn dav(local: &'static str) -> Self {
        Self { ns: Ns::Dav, local }
    }

    /// One of `CalDAV`.
    #[must_use]
    pub fn caldav(local: &'static str) -> Self {
        Self {
            ns: Ns::CalDav,
            local,
        }
    }

    /// One of `CardDAV`.
    #[must_use]
    pub fn carddav(local: &'static str) -> Self {
        Self {
            ns: Ns::CardDav,
            local,
        }
    }
}

impl Fault {
    /// A bare status.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self {
            status,
            details: Box::default(),
        }
    }

    /// There is nothing, or nothing that the asker may see: the two are one.
    #[must_use]
    pub fn not_found() -> Self {
        Self::status(StatusCode::NOT_FOUND)
    }

    /// A condition does not hold: 403, trying again would not help (RFC 4918 16).
    #[must_use]
    pub fn forbidden(condition: Condition) -> Self {
        Self::status(StatusCode::FORBIDDEN).with(condition)
    }

    /// A condition does not hold now: 409.
    #[must_use]
    pub fn conflict(condition: Condition) -> Self {
        Self::status(StatusCode::CONFLICT).with(condition)
    }

    /// The request cannot be understood.
    #[must_use]
    pub fn bad(why: impl Into<String>) -> Self {
        Self::status(StatusCode::BAD_REQUEST).because(why)
    }

    /// The same with a condition.
    #[must_use]
    pub fn with(mut self, condition: Condition) -> Self {
        self.details.condition = Some(condition);
        self
    }

    /// The same about a resource.
    #[must_use]
    pub fn about(mut self, href: String) -> Self {
        self.details.hrefs.push(href);
        self
    }

    /// The same with a sentence.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.details.why = why.into();
        self
    }

    /// The same with a header field.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.details.headers.push((name, value));
        self
    }

    /// The same, to be tried again in so many seconds.
    #[must_use]
    pub fn later(mut self, seconds: u32) -> Self {
        self.details.retry_after = Some(seconds);
        self
    }

    /// Its status: how a multistatus tells of it.
    #[must_use]
    pub fn code(&self) -> StatusCode {
        self.status
    }

    /// Its condition, as it stands inside `error`.
    pub fn write_error(&self, writer: &mut Writer) {
        let Some(condition) = &self.details.condition else {
            return;
        };
        if self.details.hrefs.is_empty() {
            writer.empty(&condition.ns, condition.local);
            return;
        }
        writer.open(&condition.ns, condition.local);
        for href in &self.details.hrefs {
            writer.leaf(&Ns::Dav, "href", href);
        }
        writer.close(&condition.ns, condition.local);
    }

    /// Whether a condition is named.
    #[must_use]
    pub fn has_condition(&self) -> bool {
        self.details.condition.is_some()
    }

    /// The answer.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let (kind, body) = if self.details.condition.is_some() {
            let mut writer = Writer::document(&Ns::Dav, "error");
            self.write_error(&mut writer);
            if !self.details.why.is_empty() {
                writer.leaf(&Ns::Other(OWN.to_owned()), "message", &self.details.why);
            }
            writer.close(&Ns::Dav, "error");
            (XML, writer.take())
        } else {
            (TEXT, self.details.why)
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.details.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        for (name, value) in self.details.headers {
            headers.insert(name, value);
        }
        response
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // RFC 4331 6.
            Refusal::OverQuota { .. } => Self::status(StatusCode::INSUFFICIENT_STORAGE)
                .with(Condition::dav("quota-not-exceeded")),
            Refusal::TooLarge { .. } => Self::status(StatusCode::PAYLOAD_TOO_LARGE),
            Refusal::NoFolder | Refusal::NoMessage | Refusal::NotFound => Self::not_found(),
            Refusal::Exists => Self::status(StatusCode::CONFLICT),
            Refusal::Stale => Self::status(StatusCode::PRECONDITION_FAILED),
            Refusal::Invalid(rule) => Self::status(StatusCode::FORBIDDEN).because(rule),
            Refusal::NotAllowed => Self::forbidden(Condition::dav("need-privileges")),
            Refusal::TooMany { retry_after_secs } => {
                Self::status(StatusCode::TOO_MANY_REQUESTS).later(retry_after_secs)
            }
            // Not `quota-not-exceeded`: the account has room, the host has not (S-05).
            Refusal::StorageFull(error) => {
                tracing::error!(%error, protocol = "dav", "the storage takes no writes");
                Self::status(StatusCode::INSUFFICIENT_STORAGE).later(300)
            }
            Refusal::Unavailable(error) => {
                tracing::error!(%error, cause = ?error, protocol = "dav", "the storage is away");
                Self::status(StatusCode::SERVICE_UNAVAILABLE).later(10)
            }
            Refusal::Internal(what) => {
                tracing::error!(what, protocol = "dav", "an invariant is broken");
                Self::status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<BadXml> for Fault {
    fn from(bad: BadXml) -> Self {
        match bad {
            BadXml::TooLarge => Self::status(StatusCode::PAYLOAD_TOO_LARGE),
            // RFC 4918 17 and 20.6: a server may refuse what could be an attack.
            BadXml::Active => {
                Self::bad(bad.to_string()).with(Condition::dav("no-external-entities"))
            }
            BadXml::TooDeep
            | BadXml::TooManyElements
            | BadXml::TooManyAttributes
            | BadXml::Broken => Self::bad(bad.to_string()),
        }
    }
}

impl From<BadRequest> for Fault {
    fn from(bad: BadRequest) -> Self {
        let why = bad.to_string();
        match bad {
            BadRequest::Root | BadRequest::Shape(_) | BadRequest::Value(_) => Self::bad(why),
            BadRequest::Filter(_) => {
                Self::forbidden(Condition::caldav("valid-filter")).because(why)
            }
            BadRequest::Collation => Self::forbidden(Condition::caldav("supported-collation")),
            BadRequest::Report => Self::forbidden(Condition::dav("supported-report")),
        }
    }
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A multistatus or another XML document that is whole already.
#[must_use]
pub fn xml(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(XML));
    response
}

/// The status line as a multistatus bears it.
#[must_use]
pub fn status_line(status: StatusCode) -> String {
    format!(
        "HTTP/1.1 {} {}",
        status.as_str(),
        status.canonical_reason().unwrap_or_default()
    )
}

/// The type of all our XML.
pub const XML: &str = "application/xml; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
/// Namespace of what we say beyond the documents.
const OWN: &str = "urn:postamt:dav";
