//! Calendars and address books over HTTP: `WebDAV` class 1 and 3 (RFC 4918), access control as far as clients need it
//! (RFC 3744, 5397), `CalDAV` (RFC 4791), `CardDAV` (RFC 6352), collection synchronisation (RFC 6578), extended MKCOL
//! (RFC 5689), quota (RFC 4331), discovery (RFC 6764), short answers (RFC 8144), and what Apple's server added to them.
//!
//! ```text
//! /.well-known/caldav, carddav --307--> /dav/ --> principal --> homes --> collections --> objects
//!
//! request -> router: path -> Place     auth: Basic -> Asker     body: octets -> XML under limits
//!         -> one function a method -> ONE call of the items service -> a status, or a multistatus that is written
//!            while it is sent
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `path` | what a path names, in both address shapes |
//! | `auth` | who asks |
//! | `resource` | what is there for who asks |
//! | `props`, `values` | live properties |
//! | `multistatus` | answers about several resources |
//! | `propfind`, `collection`, `object`, `transfer`, `report/` | the methods |
//!
//! Everything lies in the asker's own homes; what is somebody else's answers as what is not there. No cookies, no sessions,
//! no locks (class 2): clients of calendars and contacts use entity tags. Not here: any rule about objects, rights and quota
//! ([`crate::service::items`]), the XML ([`crate::format::davxml`]).

mod auth;
mod body;
mod collection;
mod data;
mod headers;
mod multistatus;
mod object;
mod path;
mod propfind;
mod props;
mod reply;
mod report;
mod resource;
mod token;
mod transfer;
mod values;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::any;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use crate::service::App;
use auth::Busy;
use path::{Place, Shape};
use reply::{Answer, Fault, empty};
use resource::Asker;

/// A request on its way: where, how, with what.
struct Call {
    place: Place,
    parts: Parts,
    body: Body,
}

#[derive(Clone)]
struct Door {
    app: App,
    busy: Busy,
}

/// The door. The caller wraps it in TLS and gives it the peer's address.
pub fn router(app: App) -> Router {
    let door = Door {
        busy: Busy::new(app.config.web.requests_per_account),
        app,
    };
    let mut router = Router::new()
        .route("/.well-known/caldav", any(well_known))
        .route("/.well-known/carddav", any(well_known))
        .route("/dav", any(own))
        .route("/dav/", any(own))
        .route("/dav/{*rest}", any(own));
    if door.app.config.dav.sogo_alias {
        router = router
            .route("/SOGo/dav", any(sogo))
            .route("/SOGo/dav/", any(sogo))
            .route("/SOGo/dav/{*rest}", any(sogo));
    }
    router
        .layer(middleware::from_fn(plain))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| {
                // What it held is not told to anybody; the panic hook has logged the place.
                metrics::counter!("postamt_panics_total", "protocol" => "dav").increment(1);
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            },
        ))
        .with_state(door)
}

/// Sends a client that only knows the host to the root (RFC 6764 5). 307, because some clients lose a request's body on 301.
async fn well_known() -> Response<Body> {
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    let location = HeaderValue::from_static("/dav/");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Sends clients that begin at the root of the host, or at an address that others have, to ours. The pages take none of
/// these methods.
pub async fn strays(request: Request, next: Next) -> Response<Body> {
    let is_stray = matches!(request.method().as_str(), "PROPFIND" | "REPORT")
        && matches!(request.uri().path(), "/" | "/principals" | "/principals/");
    if is_stray {
        return well_known().await;
    }
    next.run(request).await
}

async fn own(State(door): State<Door>, request: Request) -> Response<Body> {
    serve(door, Shape::Own, request).await
}

async fn sogo(State(door): State<Door>, request: Request) -> Response<Body> {
    serve(door, Shape::Sogo, request).await
}

/// Answers one request. What is allowed is said before anybody signed in, for clients ask it first; nothing else is.
async fn serve(door: Door, shape: Shape, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let place = shape.read(parts.uri.path());
    if parts.method == Method::OPTIONS {
        return options(place.as_ref());
    }
    let is_head = parts.method == Method::HEAD;
    let is_minimal = headers::wants_minimal(&parts.headers);
    let answer = answer(&door, shape, place, parts, body).await;
    let mut response = answer.unwrap_or_else(Fault::into_response);
    if is_head {
        // What GET would say of its length, without the rest.
        if let Some(length) = response.body().size_hint().exact() {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::empty();
    }
    if is_minimal && response.status().is_success() {
        // RFC 8144 2.
        let applied = HeaderValue::from_static("return=minimal");
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}

async fn answer(
    door: &Door,
    shape: Shape,
    place: Option<Place>,
    parts: Parts,
    body: Body,
) -> Answer {
    let who = auth::login(&door.app, &parts).await?;
    let _place = door.busy.enter(who.account.account_id).await?;
    let asker = Asker::new(&door.app, &who, shape);
    let place = place.ok_or_else(Fault::not_found)?;
    let method = parts.method.clone();
    let call = Call { place, parts, body };
    match method.as_str() {
        "GET" | "HEAD" => object::get(asker, call).await,
        "PUT" => object::put(asker, call).await,
        "DELETE" => object::delete(asker, call).await,
        "COPY" => transfer::copy(asker, call).await,
        "MOVE" => transfer::relocate(asker, call).await,
        "PROPFIND" => propfind::propfind(asker, call).await,
        "PROPPATCH" => propfind::patch(asker, call).await,
        "MKCALENDAR" => collection::make_calendar(asker, call).await,
        "MKCOL" => collection::make_collection_of_kind(asker, call).await,
        "REPORT" => report::report(asker, call).await,
        _ => Err(not_allowed(&call.place)),
    }
}

/// RFC 4918 10.1, RFC 4791 5.1, RFC 6352 6.1.
fn options(place: Option<&Place>) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert("DAV", HeaderValue::from_static(CLASSES));
    headers.insert(header::ALLOW, HeaderValue::from_static(allowed(place)));
    response
}

fn allowed(place: Option<&Place>) -> &'static str {
    match place {
        Some(Place::Item(..)) => {
            "OPTIONS, GET, HEAD, PUT, DELETE, COPY, MOVE, PROPFIND, PROPPATCH, REPORT"
        }
        Some(Place::Collection(..)) => {
            "OPTIONS, GET, HEAD, DELETE, PROPFIND, PROPPATCH, REPORT, MKCALENDAR, MKCOL"
        }
        _ => "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, REPORT",
    }
}

fn not_allowed(place: &Place) -> Fault {
    Fault::status(StatusCode::METHOD_NOT_ALLOWED).header(
        header::ALLOW,
        HeaderValue::from_static(allowed(Some(place))),
    )
}

/// What every answer carries: nothing of it is a page, and nothing is kept by caches between us and the client.
async fn plain(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        ),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::CACHE_CONTROL, "private, no-cache"),
    ] {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    headers
        .entry("DAV")
        .or_insert_with(|| HeaderValue::from_static(CLASSES));
    response
}

/// No 2: there are no locks.
const CLASSES: &str = "1, 3, access-control, extended-mkcol, calendar-access, addressbook, calendarserver-principal-property-search";
