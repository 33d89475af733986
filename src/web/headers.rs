//! Security headers (`security.md` 5, `ui.md` 3.1): what every answer carries, and the four kinds of answer
//! that carry something else.
//!
//! [`secure`] is the outermost layer of the web door: it fills in what a handler has not set, so an answer
//! without a policy cannot leave. A handler that serves a mail body, the editor frame or an attachment returns
//! one of the sets below with its answer: `(headers::body_frame(), html)`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Pages of the application: nothing inline, nothing from elsewhere, never inside a foreign frame.
pub const APP_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; frame-src 'self'; \
    manifest-src 'self'; worker-src 'self'; media-src 'self'; form-action 'self'; \
    base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

/// A mail body in its frame: no scripts at all, styles of its own, pictures only through us.
pub const BODY_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'self'; \
    sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox";

/// The editor's frame: our script, inline styles (they belong to the mail that is written).
pub const EDITOR_CSP: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// Attachments and remote pictures: whatever the bytes turn out to be, they do nothing.
pub const ATTACHMENT_CSP: &str = "default-src 'none'; sandbox";

/// PDF shown in the browser's own viewer; Safari's breaks under `sandbox`.
pub const PDF_CSP: &str = "default-src 'none'";

/// What the operator may choose.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// `includeSubDomains` in `Strict-Transport-Security`; off for a host that shares its name.
    pub hsts_subdomains: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hsts_subdomains: true,
        }
    }
}

/// The layer: `Router::layer(axum::middleware::from_fn_with_state(Policy::default(), headers::secure))`.
pub async fn secure(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    fill(response.headers_mut(), policy);
    response
}

/// Fills in what the handler has not set.
pub fn fill(headers: &mut HeaderMap, policy: Policy) {
    let hsts = if policy.hsts_subdomains {
        "max-age=31536000; includeSubDomains"
    } else {
        "max-age=31536000"
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, APP_CSP),
        (header::STRICT_TRANSPORT_SECURITY, hsts),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    headers.remove(header::SERVER);
}

/// Headers of `/mail/m/{id}/body`.
#[must_use]
pub fn body_frame() -> HeaderMap {
    framed(BODY_CSP)
}

/// Headers of `/mail/editor`.
#[must_use]
pub fn editor_frame() -> HeaderMap {
    framed(EDITOR_CSP)
}

/// Headers of a part shown or downloaded. The caller sets type and disposition.
#[must_use]
pub fn attachment(content_type: &str) -> HeaderMap {
    let csp = if content_type == "application/pdf" {
        PDF_CSP
    } else {
        ATTACHMENT_CSP
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(csp),
    );
    headers
}

/// `Vary` of every page that answers htmx with a part of itself (`ui.md` 3.3).
#[must_use]
pub fn varies() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::VARY,
        HeaderValue::from_static("HX-Request, HX-Request-Type"),
    );
    headers
}

/// True when htmx asks for a part of the page: `HX-Request` is there and `HX-Request-Type` is not `full`.
///
/// Any other request, the browser's "back" among them, gets the whole page.
#[must_use]
pub fn wants_part(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
        && headers
            .get("hx-request-type")
            .is_none_or(|kind| kind.as_bytes() != b"full")
}

fn framed(csp: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(csp),
    );
    headers.insert(
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    );
    headers
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Everything a page could ask for is off, save writing to the clipboard on a click.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), clipboard-read=(), \
    clipboard-write=(self), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), \
    gyroscope=(), hid=(), idle-detection=(), magnetometer=(), microphone=(), midi=(), payment=(), \
    picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), \
    xr-spatial-tracking=()";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_policy_gets_the_strict_one() {
        let mut headers = HeaderMap::new();
        headers.insert(header::SERVER, HeaderValue::from_static("x"));
        fill(&mut headers, Policy::default());
        let csp = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(!csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(
            headers[header::STRICT_TRANSPORT_SECURITY],
            "max-age=31536000; includeSubDomains"
        );
        assert!(!headers.contains_key(header::SERVER));
    }

    #[test]
    fn a_handlers_own_policy_stays() {
        let mut headers = body_frame();
        fill(
            &mut headers,
            Policy {
                hsts_subdomains: false,
            },
        );
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], BODY_CSP);
        assert_eq!(headers[header::X_FRAME_OPTIONS], "SAMEORIGIN");
        assert_eq!(
            headers[header::STRICT_TRANSPORT_SECURITY],
            "max-age=31536000"
        );
        assert!(!BODY_CSP.contains("allow-scripts") && !BODY_CSP.contains("script-src"));
        assert!(!EDITOR_CSP.contains("script-src 'unsafe"));
        assert_eq!(
            attachment("application/pdf")[header::CONTENT_SECURITY_POLICY],
            "default-src 'none'"
        );
        assert!(
            attachment("image/png")[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("sandbox")
        );
    }

    #[test]
    fn only_a_partial_htmx_request_gets_a_part() {
        let mut headers = HeaderMap::new();
        assert!(!wants_part(&headers));
        headers.insert("hx-request", HeaderValue::from_static("true"));
        assert!(wants_part(&headers));
        headers.insert("hx-request-type", HeaderValue::from_static("partial"));
        assert!(wants_part(&headers));
        headers.insert("hx-request-type", HeaderValue::from_static("full"));
        assert!(!wants_part(&headers));
    }
}
