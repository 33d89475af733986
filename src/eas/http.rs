//! The HTTP layer (MS-ASHTTP): verbs, headers, sign-in, bodies in and out.
//!
//! What a client makes of a code decides which is used: 401 asks the owner for the password, so only a wrong one is that; a lock,
//! a full queue and a database that is away are 503 with `Retry-After`. A good answer without a body has no type and the length 0.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};

use super::call::{Call, Fault, Reply, http_code};
use super::query::{Asked, BadQuery, Command, Headers};
use super::{
    Door, compose, estimate, folders, moves, operations, ping, provision, query, settings, sync,
};
use crate::format::mime::codec::{self, Encoding};
use crate::format::wbxml::{Encoded, Encoder};
use crate::model::{Protocol, Source};
use crate::service::accounts::{LoggedIn, Login, LoginRefused};
use crate::service::devices::SeenDevice;

/// Everything under the one path.
pub(super) async fn serve(
    State(door): State<Door>,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
) -> Response {
    let source = source_of(peer);
    let (parts, body) = request.into_parts();
    let mut response = match parts.method {
        Method::OPTIONS => options(&door, &parts, source).await,
        Method::POST => post(&door, &parts, body, source).await,
        // 405 would say to old clients that this is no ActiveSync at all.
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("ms-server-activesync"),
        HeaderValue::from_static("15.1"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    response
}

pub(super) fn source_of(peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>) -> Source {
    let unknown = std::net::IpAddr::from([0, 0, 0, 0]);
    Source::of(peer.map_or(unknown, |axum::Extension(ConnectInfo(peer))| peer.ip()))
}

/// What we speak (MS-ASHTTP 2.2.3.2). Asks for a sign-in like everything else.
async fn options(door: &Door, parts: &Parts, source: Source) -> Response {
    if let Err(refused) = sign_in(door, &parts.headers, source, None).await {
        return refused;
    }
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    let versions = door.app.config.eas.versions.join(",");
    if let Ok(versions) = HeaderValue::from_str(&versions) {
        headers.insert(HeaderName::from_static("ms-asprotocolversions"), versions);
    }
    headers.insert(
        HeaderName::from_static("ms-asprotocolcommands"),
        HeaderValue::from_static(COMMANDS),
    );
    headers.insert(
        HeaderName::from_static("public"),
        HeaderValue::from_static("OPTIONS,POST"),
    );
    headers.insert(header::ALLOW, HeaderValue::from_static("OPTIONS,POST"));
    response
}

/// The commands that are built.
const COMMANDS: &str = "Sync,SendMail,SmartForward,SmartReply,GetAttachment,FolderSync,FolderCreate,FolderDelete,FolderUpdate,MoveItems,GetItemEstimate,Settings,Ping,ItemOperations,Provision";

async fn post(door: &Door, parts: &Parts, body: Body, source: Source) -> Response {
    let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let asked = query::read(
        parts.uri.query().unwrap_or_default(),
        Headers {
            version: text("ms-asprotocolversion"),
            policy_key: text("x-ms-policykey"),
            multipart: text("ms-asacceptmultipart"),
        },
    );
    let device = asked.as_ref().ok().map(|asked| asked.device_id.as_str());
    let who = match sign_in(door, &parts.headers, source, device).await {
        Ok(who) => who,
        Err(refused) => return refused,
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => return bad_query(why).into_response(),
    };
    let account = who.account.account_id;
    let gzip = text("accept-encoding").is_some_and(|value| value.contains("gzip"));
    let (version, command) = (asked.version, asked.command);
    let call = match accept(door, parts, body, source, (asked, who)).await {
        Ok(call) => Arc::new(call),
        Err(fault) => return fault_response(&fault, version.tells_in_band(), command),
    };
    let reply = run(&call).await;
    match reply {
        Ok(reply) => reply_response(reply, gzip),
        Err(fault) => {
            tracing::debug!(
                account = account.0,
                protocol = "eas",
                command = command.name(),
                ?fault,
                "refused"
            );
            fault_response(&fault, version.tells_in_band(), command)
        }
    }
}

/// A device that may speak, with its body read.
async fn accept(
    door: &Door,
    parts: &Parts,
    body: Body,
    source: Source,
    (asked, who): (Asked, LoggedIn),
) -> Result<Call, Fault> {
    let offered = &door.app.config.eas.versions;
    if !offered.contains(&asked.version.to_string()) {
        return Err(Fault::Status(138));
    }
    let agent = parts
        .headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let protocol = asked.version.to_string();
    let seen = SeenDevice {
        device_id: &asked.device_id,
        device_type: &asked.device_type,
        user_agent: agent
            .get(..agent.floor_char_boundary(200))
            .unwrap_or_default(),
        protocol: &protocol,
        source: &source.to_string(),
    };
    let device = match door.app.devices.seen(who.account.account_id, seen).await {
        Ok(device) => device,
        Err(crate::error::Refusal::TooMany { .. }) => return Err(Fault::Status(177)),
        Err(refusal) => return Err(refusal.into()),
    };
    if device.is_blocked || device.wipe == "done" {
        return Err(Fault::Status(129));
    }
    if matches!(device.wipe.as_str(), "asked" | "sent") && asked.command != Command::Provision {
        return Err(Fault::Status(140));
    }
    let body = read_body(door, &parts.headers, body, asked.command).await?;
    Ok(Call {
        app: door.app.clone(),
        asked,
        who,
        device,
        body,
        stop: door.stop.clone(),
    })
}

async fn run(call: &Arc<Call>) -> Result<Reply, Fault> {
    match call.asked.command {
        Command::Provision => provision::run(call).await,
        Command::Settings => settings::run(call).await,
        Command::FolderSync => folders::sync(call).await,
        Command::FolderCreate => folders::create(call).await,
        Command::FolderUpdate => folders::update(call).await,
        Command::FolderDelete => folders::delete(call).await,
        Command::Sync => sync::run(call).await,
        Command::Ping => ping::run(call).await,
        Command::GetItemEstimate => estimate::run(call).await,
        Command::MoveItems => moves::run(call).await,
        Command::SendMail | Command::SmartForward | Command::SmartReply => compose::run(call).await,
        Command::ItemOperations => operations::run(call).await,
        Command::GetAttachment => operations::get_attachment(call).await,
        Command::MeetingResponse
        | Command::Search
        | Command::ResolveRecipients
        | Command::ValidateCert
        | Command::Find => Err(Fault::Status(137)),
    }
}

/// Reads the body within its limit and undoes one layer of gzip.
async fn read_body(
    door: &Door,
    headers: &HeaderMap,
    body: Body,
    command: Command,
) -> Result<Vec<u8>, Fault> {
    let config = &door.app.config;
    let limit = match command {
        // A message grows by a third in base64, and a little by what stands around it.
        Command::SendMail | Command::SmartReply | Command::SmartForward => {
            let message = usize::try_from(config.smtp.message_size).unwrap_or(usize::MAX);
            message.saturating_add(message / 5 * 2)
        }
        _ => config.eas.request_body,
    };
    let encodings: Vec<String> = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|v| v.trim().to_ascii_lowercase())
        .filter(|v| !v.is_empty() && v != "identity")
        .collect();
    let bytes = to_bytes(body, limit).await.map_err(|error| {
        let is_large = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        Fault::Http(if is_large {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        })
    })?;
    match encodings.as_slice() {
        [] => Ok(bytes.to_vec()),
        [one] if one == "gzip" || one == "x-gzip" => gunzip(&bytes, limit),
        _ => Err(Fault::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
    }
}

/// Unpacks at most 20 times what came and some (`security.md` 2).
fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let most = limit.min(packed.len().saturating_mul(20).saturating_add(65_536));
    let mut unpacked = Vec::new();
    let reach = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(packed)
        .take(reach)
        .read_to_end(&mut unpacked)
        .map_err(|_| Fault::Http(StatusCode::BAD_REQUEST))?;
    if unpacked.len() > most {
        return Err(Fault::Http(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(unpacked)
}

/// The account of the Authorization field, or the answer that refuses it.
pub(super) async fn sign_in(
    door: &Door,
    headers: &HeaderMap,
    source: Source,
    device: Option<&str>,
) -> Result<LoggedIn, Response> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let Some((name, password)) = text(header::AUTHORIZATION).and_then(credentials) else {
        // Nobody tried anything: that is how clients ask which sign-in we want.
        return Err(ask_password(door));
    };
    let login = Login {
        name: &name,
        password: &password,
        protocol: Protocol::Eas,
        source,
        device_cookie: None,
        eas_device: device,
        client: text(header::USER_AGENT).unwrap_or_default(),
    };
    door.app
        .accounts
        .login(&login)
        .await
        .map_err(|refused| match refused {
            LoginRefused::Wrong { .. } | LoginRefused::NeedsCode { .. } => ask_password(door),
            LoginRefused::Locked { seconds_left } => try_later(seconds_left),
            LoginRefused::TryLater => try_later(5),
            LoginRefused::Disabled => StatusCode::FORBIDDEN.into_response(),
            LoginRefused::Unavailable(error) => {
                tracing::error!(protocol = "eas", %error, "a sign-in could not be checked");
                try_later(30)
            }
        })
}

fn ask_password(door: &Door) -> Response {
    let realm = format!(
        "Basic realm=\"{}\", charset=\"UTF-8\"",
        door.app.config.server.hostname
    );
    let mut response = StatusCode::UNAUTHORIZED.into_response();
    if let Ok(realm) = HeaderValue::from_str(&realm) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

fn try_later(seconds: u32) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, seconds.to_string())],
    )
        .into_response()
}

/// Name and password of `Basic` (RFC 7617). Text that is no UTF-8 is Latin-1: desktop Outlook writes it so. A Windows domain
/// in front of the name is left out.
fn credentials(field: &str) -> Option<(String, String)> {
    let (scheme, packed) = field.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let octets = codec::decode(packed.trim().as_bytes(), Encoding::Base64);
    let text = match String::from_utf8(octets) {
        Ok(text) => text,
        Err(e) => e.into_bytes().into_iter().map(char::from).collect(),
    };
    let (name, password) = text.split_once(':')?;
    let name = name.rsplit_once('\\').map_or(name, |(_, name)| name);
    Some((name.to_owned(), password.to_owned()))
}

fn bad_query(why: BadQuery) -> StatusCode {
    match why {
        BadQuery::Command => StatusCode::NOT_IMPLEMENTED,
        BadQuery::Malformed | BadQuery::Version | BadQuery::Device => StatusCode::BAD_REQUEST,
    }
}

fn fault_response(fault: &Fault, in_band: bool, command: Command) -> Response {
    let status = match fault {
        Fault::Http(code) => return code.into_response(),
        Fault::Status(status) => *status,
        Fault::Refused(refusal) => {
            let status = Fault::of(refusal);
            if status == 111 {
                tracing::error!(protocol = "eas", command = command.name(), error = %refusal, "not answered");
            }
            status
        }
    };
    match command.root() {
        Some((root, verdict)) if in_band => {
            let mut out = Encoder::new();
            out.element(root, |out| out.value(verdict, status));
            document(out.finish(), false)
        }
        _ => match http_code(status) {
            StatusCode::SERVICE_UNAVAILABLE => try_later(30),
            StatusCode::INTERNAL_SERVER_ERROR if (1..100).contains(&status) => {
                // A verdict of the command's own is told in its own way in every version.
                match command.root() {
                    Some((root, verdict)) => {
                        let mut out = Encoder::new();
                        out.element(root, |out| out.value(verdict, status));
                        document(out.finish(), false)
                    }
                    None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            }
            code => code.into_response(),
        },
    }
}

fn reply_response(reply: Reply, gzip: bool) -> Response {
    match reply {
        Reply::Empty => StatusCode::OK.into_response(),
        Reply::Document(out) => document(out.finish(), gzip),
        Reply::Raw {
            content_type,
            bytes,
        } => {
            let mut response = Body::from(bytes).into_response();
            let kind = HeaderValue::from_str(&content_type)
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
    }
}

/// A document as an answer, packed when the client takes that and it is worth it.
fn document(encoded: Encoded, gzip: bool) -> Response {
    let mut bytes = encoded.bytes;
    let mut is_packed = false;
    if gzip && bytes.len() > WORTH_PACKING {
        let mut packed = Vec::new();
        if GzEncoder::new(bytes.as_slice(), Compression::fast())
            .read_to_end(&mut packed)
            .is_ok()
        {
            bytes = packed;
            is_packed = true;
        }
    }
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.ms-sync.wbxml"),
    );
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Octets from which an answer is packed.
const WORTH_PACKING: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_come_in_many_clothes() {
        let basic = |octets: &[u8]| credentials(&format!("Basic {}", codec::base64(octets)));
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(
            basic("anna@x.test:a:bü".as_bytes()),
            pair("anna@x.test", "a:bü")
        );
        assert_eq!(basic(b"anna@x.test:b\xFC"), pair("anna@x.test", "bü"));
        assert_eq!(basic(b"FIRMA\\anna@x.test:p"), pair("anna@x.test", "p"));
        assert_eq!(basic(b"no colon"), None);
        assert_eq!(credentials("Bearer abc"), None);
        assert_eq!(credentials("basic YTpi"), pair("a", "b"));
    }

    #[test]
    fn what_unpacks_beyond_its_limit_is_refused() {
        let mut bomb = Vec::new();
        GzEncoder::new(&vec![0; 10_000_000][..], Compression::best())
            .read_to_end(&mut bomb)
            .unwrap();
        assert!(matches!(
            gunzip(&bomb, usize::MAX),
            Err(Fault::Http(StatusCode::PAYLOAD_TOO_LARGE))
        ));
        let mut small = Vec::new();
        GzEncoder::new(&b"hello"[..], Compression::fast())
            .read_to_end(&mut small)
            .unwrap();
        assert_eq!(gunzip(&small, 100).unwrap(), b"hello");
        assert!(gunzip(&small, 4).is_err());
        assert!(gunzip(b"no gzip", 100).is_err());
    }

    #[test]
    fn a_code_without_a_name_is_itself() {
        assert_eq!(super::super::call::code(449).as_u16(), 449);
        assert_eq!(http_code(142).as_u16(), 449);
        assert_eq!(http_code(113).as_u16(), 507);
        assert_eq!(http_code(111).as_u16(), 503);
    }
}
