//! A browser without a page: signs in by the form, keeps its cookies, reads addresses and event streams over HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postamt::net::outbound::{Demand, connector};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A signed-in browser.
pub struct Browser {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    cookies: Vec<(String, String)>,
}

/// One connector for all: thousands of connections share its configuration.
pub fn tls() -> TlsConnector {
    let (any, _) = connector(Demand::Any).unwrap();
    let mut config = (**any.config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Each connection is a browser of its own.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

/// A connection over which requests go.
pub async fn connect(address: SocketAddr, tls: &TlsConnector) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tls.connect(name, stream).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

impl Browser {
    /// Signs in by the form.
    pub async fn sign_in(
        address: SocketAddr,
        tls: &TlsConnector,
        name: &str,
        password: &str,
    ) -> Self {
        let sender = connect(address, tls).await;
        let mut browser = Self {
            address,
            sender,
            cookies: Vec::new(),
        };
        let page = browser.text("/login").await;
        let (_, rest) = page.split_once("name=\"_t\" value=\"").unwrap();
        let token = rest.split_once('"').unwrap().0.to_owned();
        let form = format!("_t={token}&next=&name={name}&password={password}");
        let request = browser
            .request("/login")
            .method("POST")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .unwrap();
        let answer = browser.send(request).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "sign-in of {name}");
        browser
    }

    fn request(&self, path: &str) -> hyper::http::request::Builder {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        Request::builder()
            .uri(format!("https://{}{path}", self.address))
            .header("origin", format!("https://{}", self.address))
            .header("cookie", cookies.join("; "))
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let answer = self.sender.send_request(request).await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            let (name, rest) = text.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            self.cookies.retain(|(n, _)| n != name);
            self.cookies.push((name.to_owned(), value));
        }
        answer
    }

    /// The text of a page that must be there.
    pub async fn text(&mut self, path: &str) -> String {
        let request = self.request(path).body(Full::default()).unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    }

    /// An event stream over this browser's connection.
    pub async fn events(&mut self) -> Events {
        let request = self
            .request("/events?after=0")
            .body(Full::default())
            .unwrap();
        Events::open(self.send(request).await)
    }

    /// An event stream over another connection, with this browser's session: another of its windows.
    pub async fn events_over(&self, sender: &mut SendRequest<Full<Bytes>>) -> Events {
        let request = self
            .request("/events?after=0")
            .body(Full::default())
            .unwrap();
        Events::open(sender.send_request(request).await.unwrap())
    }
}

/// An open event stream.
pub struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    fn open(answer: Response<Incoming>) -> Self {
        assert_eq!(answer.status(), StatusCode::OK, "the event stream");
        Self {
            body: answer.into_body(),
            text: String::new(),
        }
    }

    /// Waits for the next event of this name.
    pub async fn next(&mut self, name: &str) {
        let wanted = format!("event: {name}\n");
        loop {
            if let Some(at) = self.text.find(&wanted) {
                self.text.drain(..at + wanted.len());
                return;
            }
            let frame = self
                .body
                .frame()
                .await
                .expect("the stream goes on")
                .unwrap();
            if let Ok(data) = frame.into_data() {
                self.text.push_str(&String::from_utf8_lossy(&data));
            }
        }
    }
}
