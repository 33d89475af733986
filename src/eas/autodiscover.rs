//! Setting up an account from its address (MS-OXDSCLI, MS-ASCMD 2.2.1.2): the old XML for phones and for Outlook, the new JSON.
//!
//! The address of the server is the configured one, never one that the request names. A probe without a password is asked for one
//! and counts nowhere; the JSON form tells nothing about anybody and asks for none.

use std::net::SocketAddr;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::json;

use super::http::{sign_in, source_of};
use super::{Door, PATH};
use crate::config::Config;

/// Ways these addresses are written in the router.
pub(super) const PATHS: [&str; 2] = [XML, JSON];

const XML: &str = "/autodiscover/autodiscover.xml";
const JSON: &str = "/autodiscover/autodiscover.json";

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route(XML, any(xml))
        .route(JSON, get(json_of_query))
        .route(
            "/autodiscover/autodiscover.json/v1.0/{address}",
            get(json_of_path),
        )
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(rename = "Protocol", alias = "protocol", default)]
    protocol: String,
}

async fn json_of_query(State(door): State<Door>, Query(wanted): Query<Wanted>) -> Response {
    json_answer(&door.app.config, &wanted.protocol)
}

async fn json_of_path(
    State(door): State<Door>,
    Path(_address): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Response {
    json_answer(&door.app.config, &wanted.protocol)
}

fn json_answer(config: &Config, protocol: &str) -> Response {
    let base = base(config);
    match protocol.to_ascii_lowercase().as_str() {
        "activesync" => Json(json!({ "Protocol": "ActiveSync", "Url": format!("{base}{PATH}") }))
            .into_response(),
        "autodiscoverv1" => {
            Json(json!({ "Protocol": "AutodiscoverV1", "Url": format!("{base}{XML}") }))
                .into_response()
        }
        _ => {
            let error = json!({
                "ErrorCode": "ProtocolNotSupported",
                "ErrorMessage": "ActiveSync and AutodiscoverV1 are known here.",
            });
            (StatusCode::BAD_REQUEST, Json(error)).into_response()
        }
    }
}

/// `https://host`, with the port where it is none of the usual.
fn base(config: &Config) -> String {
    let port = match (config.web.public_port, config.web.listen.first()) {
        (0, Some(listen)) => listen.port(),
        (port, _) => port,
    };
    let host = &config.server.hostname;
    match port {
        0 | 443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Asked {
    address: String,
    schema: String,
}

async fn xml(
    State(door): State<Door>,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
) -> Response {
    let source = source_of(peer);
    let (parts, body) = request.into_parts();
    let who = match sign_in(&door, &parts.headers, source, None).await {
        Ok(who) => who,
        Err(refused) => return refused,
    };
    let is_post = parts.method == Method::POST;
    let Ok(body) = to_bytes(body, BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = match read(&String::from_utf8_lossy(&body)) {
        Some(asked) if is_post && !asked.address.is_empty() => asked,
        _ => return xml_response(&error(600, "Invalid Request")),
    };
    let account = &who.account;
    let text = if asked.schema.is_empty() || asked.schema.contains("/mobilesync/") {
        mobile(
            &door.app.config,
            &account.locale,
            &account.display_name,
            &account.address,
        )
    } else if asked.schema.contains("/outlook/") {
        outlook(&door.app.config, &account.display_name, &account.address)
    } else {
        error(601, "The requested schema version is not supported")
    };
    xml_response(&text)
}

fn xml_response(text: &str) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{text}");
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}

/// Address and schema, whatever the names' prefixes. None for what is no XML, nests too deep or brings a document type along.
fn read(text: &str) -> Option<Asked> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{FEFF}').trim());
    let mut asked = Asked::default();
    let mut open: Vec<String> = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                open.push(start.local_name().as_ref().to_owned());
                if open.len() > DEPTH {
                    return None;
                }
            }
            Event::End(_) => {
                open.pop()?;
            }
            Event::Text(piece) => {
                let piece: &str = &piece;
                match open.last().map(String::as_str) {
                    Some("EMailAddress") => asked.address.push_str(piece.trim()),
                    Some("AcceptableResponseSchema") => asked.schema.push_str(piece.trim()),
                    _ => {}
                }
            }
            Event::DocType(_) => return None,
            Event::Eof => return open.is_empty().then_some(asked),
            _ => {}
        }
    }
}

fn mobile(config: &Config, locale: &str, name: &str, address: &str) -> String {
    let url = format!("{}{PATH}", base(config));
    let culture = if locale == "de" { "de:de" } else { "en:us" };
    let (url, name, address) = (escape(url.as_str()), escape(name), escape(address));
    format!(
        "<Autodiscover xmlns=\"{RESPONSE}\"><Response xmlns=\"{MOBILE}\"><Culture>{culture}</Culture>\
         <User><DisplayName>{name}</DisplayName><EMailAddress>{address}</EMailAddress></User>\
         <Action><Settings><Server><Type>MobileSync</Type><Url>{url}</Url><Name>{url}</Name></Server></Settings></Action>\
         </Response></Autodiscover>"
    )
}

/// Outlook on a desk asks where mail is fetched and handed in.
fn outlook(config: &Config, name: &str, address: &str) -> String {
    let host = escape(config.server.hostname.as_str());
    let port = |listen: &[SocketAddr], usual: u16| listen.first().map_or(usual, SocketAddr::port);
    let protocol = |kind: &str, port: u16| {
        format!(
            "<Protocol><Type>{kind}</Type><Server>{host}</Server><Port>{port}</Port><LoginName>{}</LoginName>\
             <SSL>on</SSL><SPA>off</SPA><AuthRequired>on</AuthRequired></Protocol>",
            escape(address)
        )
    };
    let imap = protocol("IMAP", port(&config.imap.listen_tls, 993));
    let smtp = protocol("SMTP", port(&config.submission.listen_tls, 465));
    format!(
        "<Autodiscover xmlns=\"{RESPONSE}\"><Response xmlns=\"{OUTLOOK}\"><User><DisplayName>{}</DisplayName></User>\
         <Account><AccountType>email</AccountType><Action>settings</Action>{imap}{smtp}</Account></Response></Autodiscover>",
        escape(name)
    )
}

fn error(code: u16, message: &str) -> String {
    format!(
        "<Autodiscover xmlns=\"{RESPONSE}\"><Response><Error Time=\"00:00:00\" Id=\"0\"><ErrorCode>{code}</ErrorCode>\
         <Message>{message}</Message><DebugData/></Error></Response></Autodiscover>"
    )
}

const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const MOBILE: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
/// Octets of a question; it holds an address and a name.
const BODY: usize = 65_536;
const DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_with_and_without_prefixes() {
        let text = "\u{FEFF}<?xml version=\"1.0\"?><a:Autodiscover xmlns:a=\"x\"><a:Request>\n<a:EMailAddress> anna@x.test </a:EMailAddress>\
                    <a:AcceptableResponseSchema>http://y/mobilesync/z</a:AcceptableResponseSchema></a:Request></a:Autodiscover>";
        let asked = read(text).unwrap();
        assert_eq!(asked.address, "anna@x.test");
        assert_eq!(asked.schema, "http://y/mobilesync/z");
    }

    #[test]
    fn what_is_no_question_is_none() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        for text in ["<a", "<!DOCTYPE a><a/>", "<a><b></a>", "<a>", &deep] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(""), Some(Asked::default()));
    }
}
