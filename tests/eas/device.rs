//! A simulated device: speaks every version over HTTPS, and looks at every answer with a device's eyes.
//!
//! ```ignore
//! let world = World::new().await;
//! let phone = world.phone("14.1");
//! let answer = phone.send("FolderSync", |out| out.element(..)).await;
//! assert_eq!(answer.root().text(&[f::STATUS]), "1");
//! ```
//!
//! Whatever comes back must be a good document without a tag that this version does not have: each answer of each test is held
//! to that.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use postamt::config::Config;
use postamt::format::mime::codec;
use postamt::format::wbxml::{Element, Encoder, Limits, Node, Tag, pages};
use postamt::model::{AccountId, Role};
use postamt::service::accounts::admin::{Actor, CreateAccount};

use crate::common::people::PASSWORD;
use crate::common::server::{TestServer, tls};

/// A program with the domain `x.test` and anna and bob in it.
pub struct World {
    pub server: TestServer,
    pub anna: AccountId,
    pub bob: AccountId,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::start_with(|config| {
            "mail.x.test".clone_into(&mut config.server.hostname);
            change(config);
        })
        .await;
        let host = Actor::command_line();
        let accounts = &server.app().accounts;
        accounts.create_domain(&host, "x.test").await.unwrap();
        let account = async |address: &str, name: &str| {
            let new = CreateAccount {
                address,
                display_name: name,
                role: Some(Role::User),
                password: Some(PASSWORD),
                must_change: Some(false),
                ..CreateAccount::default()
            };
            accounts.create_account(&host, &new).await.unwrap().account
        };
        let anna = account("anna@x.test", "Anna Meier").await;
        let bob = account("bob@x.test", "Bob").await;
        Self { server, anna, bob }
    }

    /// Anna's phone.
    pub fn phone(&self, version: &'static str) -> Device {
        self.phone_named(version, "PHONE1")
    }

    pub fn phone_named(&self, version: &'static str, id: &str) -> Device {
        Device {
            address: self.server.https(),
            version,
            id: id.to_owned(),
            user: "anna@x.test".to_owned(),
            password: PASSWORD.to_owned(),
            headers: Vec::new(),
            requests: AtomicUsize::new(0),
        }
    }
}

/// A device.
pub struct Device {
    pub address: SocketAddr,
    pub version: &'static str,
    pub id: String,
    pub user: String,
    pub password: String,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
    /// How often it asked.
    pub requests: AtomicUsize,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// The document that it must be.
    pub fn root(&self) -> Tree {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/vnd.ms-sync.wbxml"),
            "{self:?}"
        );
        Tree::of(&Element::parse(&self.body, Limits::default()).unwrap())
    }

    /// A good answer that says nothing.
    pub fn is_empty(&self) -> bool {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        if self.body.is_empty() {
            assert_eq!(self.header("content-length"), Some("0"));
            assert_eq!(self.header("content-type"), None);
        }
        self.body.is_empty()
    }
}

/// A document of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub tag: Tag,
    pub octets: Vec<u8>,
    pub kids: Vec<Tree>,
}

impl Tree {
    pub fn of(element: &Element<'_>) -> Self {
        Self {
            tag: element.tag,
            octets: element.bytes().into_owned(),
            kids: element
                .nodes
                .iter()
                .filter_map(|node| match node {
                    Node::El(element) => Some(Self::of(element)),
                    _ => None,
                })
                .collect(),
        }
    }

    pub fn find(&self, path: &[Tag]) -> Option<&Self> {
        path.iter().try_fold(self, |tree, tag| {
            tree.kids.iter().find(|kid| kid.tag == *tag)
        })
    }

    pub fn at(&self, path: &[Tag]) -> &Self {
        self.find(path).unwrap_or_else(|| {
            let names: Vec<_> = path.iter().map(|tag| tag.name()).collect();
            panic!("no {names:?} in {}", self.shown(0))
        })
    }

    pub fn all(&self, tag: Tag) -> Vec<&Self> {
        self.kids.iter().filter(|kid| kid.tag == tag).collect()
    }

    /// The text at the end of a path that must be there.
    pub fn text(&self, path: &[Tag]) -> String {
        String::from_utf8(self.at(path).octets.clone()).unwrap()
    }

    /// The names of what is inside, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.kids.iter().map(|kid| kid.tag.name()).collect()
    }

    pub fn shown(&self, depth: usize) -> String {
        let mut out = format!(
            "{}{} {:?}\n",
            "  ".repeat(depth),
            self.tag.name(),
            String::from_utf8_lossy(&self.octets)
        );
        for kid in &self.kids {
            out.push_str(&kid.shown(depth + 1));
        }
        out
    }

    /// Panics when a tag is none that `version` has.
    fn assert_fits(&self, version: u16) {
        let entry = pages::entry(self.tag).unwrap_or_else(|| panic!("unknown tag {:?}", self.tag));
        assert!(
            (entry.since..=entry.until).contains(&version),
            "{} is no tag of {version}",
            entry.name
        );
        for kid in &self.kids {
            kid.assert_fits(version);
        }
    }
}

impl Device {
    pub fn number(&self) -> u16 {
        self.version.replace('.', "").parse().unwrap()
    }

    /// The same device with another version or name.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn authorization(&self) -> String {
        let text = format!("{}:{}", self.user, self.password);
        format!("Basic {}", codec::base64(text.as_bytes()))
    }

    /// Any request.
    pub async fn request(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Answer {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let io = TokioIo::new(tls(self.address, b"http/1.1").await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "mail.x.test");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub fn own_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            ("authorization", self.authorization()),
            ("ms-asprotocolversion", self.version.to_owned()),
            ("user-agent", "Postamt-Test/1.0".to_owned()),
        ];
        headers.extend(self.headers.iter().cloned());
        headers
    }

    pub fn target(&self, command: &str, more: &str) -> String {
        format!(
            "/Microsoft-Server-ActiveSync?Cmd={command}&User=anna&DeviceId={}&DeviceType=Test{more}",
            self.id
        )
    }

    /// A command with these octets as its body.
    pub async fn post(&self, command: &str, body: Vec<u8>) -> Answer {
        let mut headers = self.own_headers();
        if !body.is_empty() {
            headers.push(("content-type", "application/vnd.ms-sync.wbxml".to_owned()));
        }
        let answer = self
            .request(Method::POST, &self.target(command, ""), &headers, body)
            .await;
        if answer.status == StatusCode::OK && !answer.body.is_empty() && command != "GetAttachment"
        {
            let is_document =
                answer.header("content-type") == Some("application/vnd.ms-sync.wbxml");
            let is_packed = answer.header("content-encoding").is_some();
            if is_document && !is_packed {
                answer.root().assert_fits(self.number());
            }
        }
        answer
    }

    /// A command with a document.
    pub async fn send(&self, command: &str, write: impl FnOnce(&mut Encoder)) -> Answer {
        let mut out = Encoder::new();
        write(&mut out);
        self.post(command, out.finish().bytes).await
    }
}
