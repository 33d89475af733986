//! A browser over TLS against a whole program: one connection a request, as many event streams as it likes.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use postamt::model::{AccountId, Role};
use postamt::service::App;
use postamt::service::accounts::admin::{Actor, CreateAccount};

use crate::common::people::PASSWORD;
use crate::common::server::tls;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// Somebody at their browser.
pub struct Browser {
    https: SocketAddr,
    /// Sent with every request.
    pub forwarded: Option<&'static str>,
    cookie: String,
    pub csrf: String,
}

/// Makes a user of `x.test`, the domain too when it is missing, with [`PASSWORD`].
pub async fn user(app: &App, name: &str) -> AccountId {
    let host = Actor::command_line();
    drop(app.accounts.create_domain(&host, "x.test").await);
    let new = CreateAccount {
        address: &format!("{name}@x.test"),
        role: Some(Role::User),
        password: Some(PASSWORD),
        must_change: Some(false),
        ..CreateAccount::default()
    };
    app.accounts
        .create_account(&host, &new)
        .await
        .unwrap()
        .account
}

impl Browser {
    /// A browser that nobody signed in with.
    pub fn new(https: SocketAddr) -> Self {
        Self {
            https,
            forwarded: None,
            cookie: String::new(),
            csrf: String::new(),
        }
    }

    /// One in which `name@x.test` is signed in.
    pub async fn signed_in(https: SocketAddr, name: &str) -> Self {
        let mut browser = Self::new(https);
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        browser.csrf = value_of(&browser.get("/mail/compose").await.text, "_t");
        browser
    }

    /// Asks for the form and sends it.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let form = self.get("/login").await;
        assert_eq!(form.status, StatusCode::OK, "{}", form.text);
        self.take_cookie(&form);
        let token = value_of(&form.text, "_t");
        let password = postamt::web::query_escape(password);
        let body = format!("_t={token}&name={name}@x.test&password={password}");
        let answer = self.post("/login", &body).await;
        self.take_cookie(&answer);
        answer
    }

    fn take_cookie(&mut self, answer: &Answer) {
        for value in answer.headers.get_all("set-cookie") {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            if pair.starts_with("__Host-sid=") {
                pair.clone_into(&mut self.cookie);
            }
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self.request("GET", path).body(Full::default()).unwrap();
        whole(self.ask(request).await).await
    }

    /// A form.
    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.post_as(path, &[], body.as_bytes()).await
    }

    /// A form with further header fields.
    pub async fn post_as(&self, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = self
            .request("POST", path)
            .header("origin", "https://localhost")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body));
        whole(self.ask(request.body(body).unwrap()).await).await
    }

    /// The event stream, from change `after` on.
    pub async fn events(&self, after: i64) -> Events {
        let path = format!("/events?after={after}");
        let request = self.request("GET", &path).body(Full::default()).unwrap();
        let answer = self.ask(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Events {
            body: answer.into_body(),
            text: String::new(),
        }
    }

    fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("cookie", &self.cookie);
        match self.forwarded {
            Some(client) => request.header("x-forwarded-for", client),
            None => request,
        }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> hyper::Response<Incoming> {
        let io = TokioIo::new(tls(self.https, b"http/1.1").await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

async fn whole(answer: hyper::Response<Incoming>) -> Answer {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// An open event stream.
pub struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    /// Reads until an event of this name has come; false: the stream has ended before.
    pub async fn wait_for(&mut self, name: &str) -> bool {
        let wanted = format!("event: {name}\n");
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.text.find(&wanted) {
                self.text.drain(..at + wanted.len());
                return true;
            }
            // The stream's heartbeat is a frame too.
            let frame = tokio::time::timeout_at(until, self.body.frame()).await;
            let late = |_| panic!("no {name} and no end, but {:?}", self.text);
            match frame.unwrap_or_else(late) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.text.push_str(&String::from_utf8_lossy(&data));
                }
                Some(Err(_)) | None => return false,
            }
        }
    }
}

/// The value of a form's field in a page.
pub fn value_of(page: &str, name: &str) -> String {
    let at = page
        .find(&format!("name=\"{name}\""))
        .unwrap_or_else(|| panic!("no field {name} in {page}"));
    let rest = &page[at..];
    let rest = &rest[rest.find("value=\"").unwrap() + 7..];
    rest[..rest.find('"').unwrap()].to_owned()
}

const PATIENCE: Duration = Duration::from_secs(30);
