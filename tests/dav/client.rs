//! A client of ours: one TLS connection a request, Basic authentication, multistatus read into plain values.

use std::collections::BTreeMap;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use postamt::format::davxml::{Element, Limits, Node, Ns, parse};
use postamt::format::sasl::encode_base64;
use postamt::model::{AccountId, Role};
use postamt::service::accounts::admin::{Actor, CreateAccount};

use crate::common::people::PASSWORD;
use crate::common::server::{TestServer, tls};

/// A program with two people of one domain and one of another.
pub struct World {
    pub server: TestServer,
    pub anna: AccountId,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut postamt::config::Config)) -> Self {
        let server = TestServer::start_with(change).await;
        let accounts = &server.app().accounts;
        let host = Actor::command_line();
        for domain in ["x.test", "y.test"] {
            accounts.create_domain(&host, domain).await.unwrap();
        }
        let mut first = None;
        for (address, name) in [
            ("anna@x.test", "Anna Weiß"),
            ("ben@x.test", "Ben"),
            ("eve@y.test", "Eve"),
        ] {
            let new = CreateAccount {
                address,
                role: Some(Role::User),
                password: Some(PASSWORD),
                must_change: Some(false),
                display_name: name,
                ..CreateAccount::default()
            };
            let made = accounts.create_account(&host, &new).await.unwrap();
            first.get_or_insert(made.account);
        }
        Self {
            anna: first.unwrap(),
            server,
        }
    }

    pub fn anna(&self) -> Dav<'_> {
        self.client("anna@x.test")
    }

    pub fn ben(&self) -> Dav<'_> {
        self.client("ben@x.test")
    }

    pub fn eve(&self) -> Dav<'_> {
        self.client("eve@y.test")
    }

    pub fn client(&self, name: &str) -> Dav<'_> {
        Dav {
            server: &self.server,
            authorization: Some(basic(name, PASSWORD)),
        }
    }

    pub fn stranger(&self) -> Dav<'_> {
        Dav {
            server: &self.server,
            authorization: None,
        }
    }
}

pub fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        encode_base64(format!("{name}:{password}").as_bytes())
    )
}

pub struct Dav<'s> {
    server: &'s TestServer,
    pub authorization: Option<String>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub octets: Vec<u8>,
}

impl Answer {
    pub fn code(&self) -> u16 {
        self.status.as_u16()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets).into_owned()
    }

    pub fn xml(&self) -> Element {
        let limits = Limits {
            octets: usize::MAX,
            depth: 64,
            elements: usize::MAX,
            attributes: 64,
        };
        parse(&self.octets, limits).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The condition in the body of an error.
    pub fn condition(&self) -> String {
        let root = self.xml();
        assert!(root.name.is(&Ns::Dav, "error"), "{}", self.text());
        root.elements().next().unwrap().name.local.clone()
    }

    /// A multistatus by address.
    pub fn responses(&self) -> BTreeMap<String, Told> {
        assert_eq!(self.code(), 207, "{}", self.text());
        self.xml()
            .all(&Ns::Dav, "response")
            .map(|response| {
                let href = response.child(&Ns::Dav, "href").unwrap().text();
                (href, Told::of(response))
            })
            .collect()
    }

    /// The only response.
    pub fn only(&self) -> Told {
        let mut all = self.responses();
        assert_eq!(all.len(), 1, "{}", self.text());
        all.pop_first().unwrap().1
    }

    pub fn sync_token(&self) -> String {
        self.xml().child(&Ns::Dav, "sync-token").unwrap().text()
    }
}

/// What a multistatus says of one resource.
#[derive(Debug, Default)]
pub struct Told {
    /// The status of the resource itself.
    pub status: Option<u16>,
    /// Its properties by local name.
    pub props: BTreeMap<String, Element>,
    /// Properties by the status that is not 200.
    pub others: BTreeMap<String, u16>,
}

impl Told {
    fn of(response: &Element) -> Self {
        let code = |e: &Element| {
            let line = e.child(&Ns::Dav, "status")?.text();
            line.split(' ').nth(1)?.parse().ok()
        };
        let mut told = Self {
            status: code(response),
            ..Self::default()
        };
        for propstat in response.all(&Ns::Dav, "propstat") {
            let status: u16 = code(propstat).unwrap();
            for prop in propstat.child(&Ns::Dav, "prop").unwrap().elements() {
                if status == 200 {
                    told.props.insert(prop.name.local.clone(), prop.clone());
                } else {
                    told.others.insert(prop.name.local.clone(), status);
                }
            }
        }
        told
    }

    pub fn text(&self, name: &str) -> String {
        self.props
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .text()
    }

    pub fn href(&self, name: &str) -> String {
        self.props
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
            .child(&Ns::Dav, "href")
            .unwrap()
            .text()
    }

    /// Local names of the elements inside a property.
    pub fn inside(&self, name: &str) -> Vec<String> {
        fn walk(e: &Element, out: &mut Vec<String>) {
            for child in &e.children {
                if let Node::Element(child) = child {
                    out.push(child.name.local.clone());
                    walk(child, out);
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.props[name], &mut out);
        out
    }
}

impl Dav<'_> {
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let io = TokioIo::new(tls(self.server.https(), b"http/1.1").await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            octets: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// PUT without conditions.
    pub async fn put(&self, path: &str, body: &str) -> Answer {
        let kind = if path.contains("/addressbooks/") || path.contains("/Contacts/") {
            "text/vcard"
        } else {
            "text/calendar"
        };
        self.send("PUT", path, &[("content-type", kind)], body.to_owned())
            .await
    }

    pub async fn propfind(&self, path: &str, depth: &str, props: &str) -> Answer {
        let body = format!("<D:propfind {NS}><D:prop>{props}</D:prop></D:propfind>");
        self.send("PROPFIND", path, &[("depth", depth)], body).await
    }

    pub async fn report(&self, path: &str, body: &str) -> Answer {
        self.send(
            "REPORT",
            path,
            &[("depth", "1"), ("content-type", "application/xml")],
            body.to_owned(),
        )
        .await
    }

    /// `sync-collection` with entity tags, empty token for the first.
    pub async fn sync(&self, path: &str, token: &str, limit: Option<usize>) -> Answer {
        let limit = limit.map_or(String::new(), |n| {
            format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>")
        });
        let body = format!(
            "<D:sync-collection {NS}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>{limit}\
             <D:prop><D:getetag/></D:prop></D:sync-collection>"
        );
        self.report(path, &body).await
    }
}

/// The declarations of every body in these tests.
pub const NS: &str = "xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' \
    xmlns:R='urn:ietf:params:xml:ns:carddav' xmlns:S='http://calendarserver.org/ns/' \
    xmlns:A='http://apple.com/ns/ical/' xmlns:Z='http://z.test/'";

/// Anna's first calendar and book.
pub const CALENDAR: &str = "/dav/calendars/anna@x.test/calendar/";
pub const TASKS: &str = "/dav/calendars/anna@x.test/tasks/";
pub const BOOK: &str = "/dav/addressbooks/anna@x.test/contacts/";

/// An event of an hour; more lines go in before the end.
pub fn event(uid: &str, start: &str, more: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\nSUMMARY:Besuch & <Kaffee> {uid}\r\n\
         {more}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

pub fn card(uid: &str, name: &str, more: &str) -> String {
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\n{more}END:VCARD\r\n"
    )
}
