//! A browser that is signed in, and a look at what it did.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use postamt::config::Config;
use postamt::format::mime;
use postamt::model::{AccountId, EmailId, Role};
use serde_json::Value;
use tower::ServiceExt;

use crate::common::people::{PASSWORD, World, settings};

/// The name of the host.
pub const HOST: &str = "mail.x.test";

/// A world with one domain.
pub async fn world() -> World {
    world_with(|_| {}).await
}

/// The same with settings of one's own.
pub async fn world_with(change: impl FnOnce(&mut Config)) -> World {
    let mut config = settings();
    HOST.clone_into(&mut config.server.hostname);
    change(&mut config);
    let world = World::with(config).await;
    world.domain("x.test").await;
    world
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The toast of `HX-Trigger`.
    pub fn toast(&self) -> Value {
        let events: Value = serde_json::from_str(self.header("hx-trigger")).unwrap();
        events["toast"].clone()
    }
}

/// Somebody at their browser.
pub struct Browser {
    router: Router,
    pub account: AccountId,
    cookie: String,
    pub csrf: String,
}

/// A form's fields and files, as they are sent.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<Field>);

/// Name, file name and type of a file, value.
type Field = (String, Option<(String, String)>, Vec<u8>);

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field; the last one counts.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0
            .retain(|(have, file, _)| have != name || file.is_some());
        self.0
            .push((name.to_owned(), None, value.as_bytes().to_vec()));
        self
    }

    pub fn file(mut self, name: &str, kind: &str, bytes: &[u8]) -> Self {
        let file = Some((name.to_owned(), kind.to_owned()));
        self.0.push(("file".to_owned(), file, bytes.to_vec()));
        self
    }

    fn multipart(&self, csrf: &str) -> (String, Vec<u8>) {
        let boundary = "----a-boundary-of-the-test";
        let mut out = Vec::new();
        let token = ("_t".to_owned(), None, csrf.as_bytes().to_vec());
        for (name, file, bytes) in std::iter::once(&token).chain(&self.0) {
            out.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"")
                    .as_bytes(),
            );
            if let Some((file, kind)) = file {
                out.extend_from_slice(
                    format!("; filename=\"{file}\"\r\nContent-Type: {kind}").as_bytes(),
                );
            }
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), out)
    }
}

impl Browser {
    /// Makes `name@x.test` and signs in.
    pub async fn sign_in(world: &World, address: &str) -> Self {
        Self::sign_in_with(world, address, "").await
    }

    /// The same with more fields in the form, such as `&stays=1`.
    pub async fn sign_in_with(world: &World, address: &str, more: &str) -> Self {
        let account = world.account(address, Role::User).await;
        let mut browser = Self {
            router: postamt::web::router(world.app.clone()),
            account,
            cookie: String::new(),
            csrf: String::new(),
        };
        let form = browser.get("/login").await;
        browser.take_cookie(&form);
        let token = value_of(&form.text(), "_t");
        let body = format!(
            "_t={token}&name={address}&password={}{more}",
            postamt::web::query_escape(PASSWORD)
        );
        let kind = "application/x-www-form-urlencoded";
        let answer = browser
            .post_body("/login", kind, body.into_bytes(), &[])
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        browser.take_cookie(&answer);
        browser.csrf = value_of(&browser.get("/mail/compose").await.text(), "_t");
        browser
    }

    fn take_cookie(&mut self, answer: &Answer) {
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            if pair.starts_with("__Host-sid=") {
                pair.clone_into(&mut self.cookie);
            }
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path)
            .header("host", HOST)
            .header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// As a script posts: multipart, wanting JSON.
    pub async fn post(&self, path: &str, fields: &Fields) -> Answer {
        let (kind, body) = fields.multipart(&self.csrf);
        self.post_body(path, &kind, body, &[("accept", "application/json")])
            .await
    }

    /// As a form without a script posts.
    pub async fn submit(&self, path: &str, fields: &Fields) -> Answer {
        let (kind, body) = fields.multipart(&self.csrf);
        self.post_body(path, &kind, body, &[("accept", "text/html")])
            .await
    }

    pub async fn post_body(
        &self,
        path: &str,
        kind: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::post(path)
            .header("host", HOST)
            .header("cookie", &self.cookie)
            .header("content-type", kind);
        if headers.iter().all(|(name, _)| *name != "origin") {
            request = request.header("origin", format!("https://{HOST}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::from(body)).unwrap()).await
    }

    /// Takes back the last action as the script does.
    pub async fn undo(&self, token: &str) -> Answer {
        let body = format!("_t={}", self.csrf).into_bytes();
        let kind = "application/x-www-form-urlencoded";
        let path = format!("/undo/{token}");
        self.post_body(&path, kind, body, &[("hx-request", "true")])
            .await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX)
                .await
                .unwrap()
                .to_vec(),
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

/// What stands in a text area.
pub fn area_of(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\"")).unwrap();
    let rest = &page[at..];
    let rest = &rest[rest.find('>').unwrap() + 1..];
    let text = &rest[..rest.find("</textarea>").unwrap()];
    text.strip_prefix('\n')
        .unwrap_or(text)
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

/// The draft id of a compose page.
pub fn draft_of(page: &str) -> String {
    let at = page.find("data-draft=\"").unwrap() + 12;
    page[at..at + page[at..].find('"').unwrap()].to_owned()
}

/// What lies in a folder: the raw messages, oldest first.
pub async fn folder(world: &World, account: AccountId, special: &str) -> Vec<Vec<u8>> {
    sqlx::query_scalar(
        "select (select string_agg(c.bytes, ''::bytea order by c.n) from body_chunk c
                  where c.account_id = $1 and c.body_id = e.body_id)
           from message m
           join folder f on f.account_id = m.account_id and f.folder_id = m.folder_id
           join email e on e.account_id = m.account_id and e.email_id = m.email_id
          where m.account_id = $1 and f.special_use = $2
          order by m.uid",
    )
    .bind(account)
    .bind(special)
    .fetch_all(&world.db.pool)
    .await
    .unwrap()
}

/// The messages in the queue with their recipients.
pub async fn queue(world: &World) -> Vec<(Vec<u8>, Vec<String>)> {
    sqlx::query_as(
        "select (select string_agg(c.bytes, ''::bytea order by c.n) from outbound_chunk c where c.queue_id = o.queue_id),
                (select array_agg(r.address order by r.recipient_id) from outbound_recipient r where r.queue_id = o.queue_id)
           from outbound o
          order by o.queue_id",
    )
    .fetch_all(&world.db.pool)
    .await
    .unwrap()
}

/// Puts a letter into somebody's inbox.
pub async fn deliver(world: &World, to: AccountId, letter: &[u8]) -> EmailId {
    let received = world.app.mail.receive_whole(letter).await.unwrap();
    let done = world.app.mail.deliver(&received, &[to]).await;
    done.into_iter()
        .next()
        .unwrap()
        .outcome
        .unwrap()
        .unwrap()
        .email_id
}

/// The flags of a message.
pub async fn flags(world: &World, account: AccountId, email: EmailId) -> i32 {
    sqlx::query_scalar("select flags from message where account_id = $1 and email_id = $2")
        .bind(account)
        .bind(email)
        .fetch_one(&world.db.pool)
        .await
        .unwrap()
}

/// A message, read.
pub fn parsed(raw: &[u8]) -> mime::Parsed {
    let now = time::OffsetDateTime::now_utc();
    mime::parse(raw, now, now)
}

/// The header block as text.
pub fn head(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw).into_owned();
    text.split("\r\n\r\n").next().unwrap().to_owned()
}

/// The fields of a small message.
pub fn letter() -> Fields {
    Fields::new()
        .set("rev", "0")
        .set("page", "p1")
        .set("to", "Bob <bob@elsewhere.test>")
        .set("subject", "Grüße")
        .set("text", "Hallo Bob\n")
        .set("format", "text")
}
