//! Remote pictures: blocked until the reader agrees, then fetched by us and by nobody else (security.md 7, ui.md 7.11).

use std::collections::HashMap;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use image::{DynamicImage, ImageFormat};
use postamt::model::EmailId;
use postamt::service::accounts::preferences::{Preferences, RemotePictures};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::browser::{Answer, Browser, deliver, world_with};
use crate::common::people::World;

/// A web server of a newsletter's sender.
struct Sender {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Sender {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answers = answers();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), answers.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    let mut block = [0; 4096];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut block).await {
                            Ok(0) | Err(_) => return,
                            Ok(n) => head.extend_from_slice(&block[..n]),
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    log.lock().unwrap().push(head);
                    let (kind, bytes) = answers.get(path.as_str()).cloned().unwrap();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nSet-Cookie: a=b\r\nContent-Length: {}\r\n\r\n",
                        bytes.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(&bytes).await;
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn letter(&self, from: &str, html: &str) -> Vec<u8> {
        let html = html.replace("SENDER", &format!("http://{}", self.address));
        format!(
            "From: Laden <{from}>\r\nTo: anna@x.test\r\nSubject: Neu im Laden\r\nMessage-ID: <{:x}@y.test>\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n",
            rand::random::<u64>()
        )
        .into_bytes()
    }

    /// A host whose settings allow this server.
    async fn world(&self) -> World {
        let allow = vec![self.address];
        world_with(|config| {
            config.fetch.allow = allow;
            config.fetch.body = 65_536;
            config.fetch.pixels = 1_000_000;
        })
        .await
    }
}

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height)
        .write_to(&mut out, format)
        .unwrap();
    out.into_inner()
}

fn answers() -> HashMap<&'static str, (&'static str, Vec<u8>)> {
    let png = picture(40, 30, ImageFormat::Png);
    let mut long = png.clone();
    long.resize(65_537, 0);
    HashMap::from([
        ("/hero.png", ("image/png", png.clone())),
        ("/photo", ("text/html", picture(40, 30, ImageFormat::Jpeg))),
        ("/dot.gif", ("image/gif", picture(1, 1, ImageFormat::Gif))),
        (
            "/page.png",
            (
                "image/png",
                b"<!doctype html><script>alert(1)</script>".to_vec(),
            ),
        ),
        (
            "/logo.svg",
            (
                "image/svg+xml",
                b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            ),
        ),
        ("/broken.png", ("image/png", png[..png.len() - 20].to_vec())),
        ("/long.png", ("image/png", long)),
        (
            "/vast.png",
            ("image/png", picture(1_001, 1_000, ImageFormat::Png)),
        ),
    ])
}

const HERO: &str = "<p>Hallo</p><img src='SENDER/hero.png' width=40 height=30 alt=Bild>";

fn text(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.text()
}

/// The addresses of `src` in a page that go through the proxy.
fn proxied(page: &str) -> Vec<String> {
    page.split("src=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|src| src.contains("/remote/"))
        .map(str::to_owned)
        .collect()
}

/// The address of the body frame in a reader's page.
fn frame_of(page: &str, id: EmailId) -> String {
    let at = page.find(&format!("src=\"/mail/m/{id}/body")).unwrap() + 5;
    page[at..].split('"').next().unwrap().replace("&#38;", "&")
}

async fn reader(browser: &Browser, id: EmailId) -> String {
    text(&browser.get(&format!("/mail/inbox/m{id}")).await)
}

async fn body(browser: &Browser, page: &str, id: EmailId) -> String {
    text(&browser.get(&frame_of(page, id)).await)
}

async fn consent(browser: &Browser, id: EmailId, scope: &str, script: bool) -> Answer {
    let form = format!("_t={}&scope={scope}&folder=inbox&row=m{id}", browser.csrf);
    let kind = "application/x-www-form-urlencoded";
    let headers: &[(&str, &str)] = if script {
        &[("hx-request", "true")]
    } else {
        &[]
    };
    browser
        .post_body(
            &format!("/mail/m/{id}/images"),
            kind,
            form.into_bytes(),
            headers,
        )
        .await
}

/// The first picture of a message after consent.
async fn shown(browser: &Browser, id: EmailId) -> String {
    let block = text(&consent(browser, id, "once", true).await);
    let frame = body(browser, &block, id).await;
    proxied(&frame).first().cloned().unwrap_or_default()
}

async fn wish(world: &World, browser: &Browser, wish: RemotePictures) {
    let prefs = Preferences {
        remote_pictures: wish,
        ..Preferences::default()
    };
    let accounts = &world.app.accounts;
    accounts
        .set_preferences(browser.account, &prefs)
        .await
        .unwrap();
}

const BANNER: &str = "Externe Bilder wurden nicht geladen.";

#[tokio::test]
async fn nothing_is_fetched_before_consent_and_once_is_once() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let page = reader(&anna, id).await;
    assert!(page.contains(BANNER) && page.contains("Von Laden immer"));
    let blocked = body(&anna, &page, id).await;
    assert!(
        blocked.contains("pm-blocked") && !blocked.contains("<img"),
        "{blocked}"
    );
    assert_eq!(sender.asked(), 0);

    let block = text(&consent(&anna, id, "once", true).await);
    assert!(block.starts_with("<article") && block.contains(&format!("id=\"m-{id}\"")));
    assert!(!block.contains(BANNER));
    let frame = body(&anna, &block, id).await;
    let pictures = proxied(&frame);
    assert_eq!(pictures.len(), 1, "{frame}");
    let answer = anna.get(&pictures[0]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, picture(40, 30, ImageFormat::Png));
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(
        answer.header("content-security-policy"),
        "default-src 'none'; sandbox"
    );
    assert!(
        answer
            .header("cache-control")
            .contains("private, max-age=86400")
    );
    assert!(answer.headers.get("set-cookie").is_none());
    let heard = sender.asked.lock().unwrap().concat().to_ascii_lowercase();
    assert!(
        !heard.contains("cookie") && !heard.contains("referer"),
        "{heard}"
    );

    // The next time the reader is asked again.
    assert!(reader(&anna, id).await.contains(BANNER));
    assert_eq!(sender.asked(), 1);
}

#[tokio::test]
async fn without_a_script_the_page_comes_back_with_the_pictures() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let answer = consent(&anna, id, "once", false).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let to = answer.header("location").to_owned();
    assert!(
        to.starts_with(&format!("/mail/inbox/m{id}?pictures=")),
        "{to}"
    );
    let page = text(&anna.get(to.split('#').next().unwrap()).await);
    assert!(!page.contains(BANNER));
    assert_eq!(proxied(&body(&anna, &page, id).await).len(), 1);
}

#[tokio::test]
async fn consent_of_another_session_shows_nothing() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let frame = frame_of(&text(&consent(&anna, id, "once", true).await), id);
    for bad in [
        format!("/mail/m/{id}/body?pictures=1"),
        format!("/mail/m/{id}/body?pictures="),
        format!("{frame}A"),
        frame.replace("pictures=", "pictures=A"),
    ] {
        assert!(proxied(&text(&anna.get(&bad).await)).is_empty(), "{bad}");
    }
    let bob = Browser::sign_in(&world, "bob@x.test").await;
    let theirs = deliver(&world, bob.account, &sender.letter("news@y.test", HERO)).await;
    let word = frame.split_once('?').unwrap().1;
    let stolen = format!("/mail/m/{theirs}/body?{word}");
    assert!(proxied(&text(&bob.get(&stolen).await)).is_empty());
}

#[tokio::test]
async fn a_sender_is_remembered_until_the_consent_is_withdrawn() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let first = deliver(&world, anna.account, &sender.letter("News@Y.test", HERO)).await;
    let answer = consent(&anna, first, "sender", true).await;
    assert!(!text(&answer).contains(BANNER));
    let next = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let page = reader(&anna, next).await;
    assert!(!page.contains(BANNER));
    assert_eq!(proxied(&body(&anna, &page, next).await).len(), 1);
    let other = deliver(&world, anna.account, &sender.letter("other@y.test", HERO)).await;
    assert!(reader(&anna, other).await.contains(BANNER));

    let settings = text(&anna.get("/settings/mail").await);
    assert!(settings.contains("news@y.test") && !settings.contains("other@y.test"));
    let form = format!("_t={}&address=news%40y.test", anna.csrf);
    let kind = "application/x-www-form-urlencoded";
    let path = "/settings/mail/pictures";
    let answer = anna
        .post_body(path, kind, form.clone().into_bytes(), &[])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(reader(&anna, next).await.contains(BANNER));
    assert!(!text(&anna.get("/settings/mail").await).contains("news@y.test"));
    let answer = anna.post_body(path, kind, form.into_bytes(), &[]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_preference_decides_whether_one_is_asked() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    wish(&world, &anna, RemotePictures::Never).await;
    let page = reader(&anna, id).await;
    assert!(!page.contains(BANNER) && page.contains("Externe Bilder anzeigen"));
    assert!(proxied(&body(&anna, &page, id).await).is_empty());
    assert!(
        !shown(&anna, id).await.is_empty(),
        "on a click all the same"
    );

    wish(&world, &anna, RemotePictures::Known).await;
    assert!(reader(&anna, id).await.contains(BANNER), "a stranger");
    sqlx::query(
        "insert into known_address (account_id, address, written_count) values ($1, 'news@y.test', 1)",
    )
    .bind(anna.account)
    .execute(&world.db.pool)
    .await
    .unwrap();
    let page = reader(&anna, id).await;
    assert!(!page.contains(BANNER), "somebody one writes to");
    assert_eq!(proxied(&body(&anna, &page, id).await).len(), 1);
    wish(&world, &anna, RemotePictures::Ask).await;
    assert!(reader(&anna, id).await.contains(BANNER));
}

#[tokio::test]
async fn in_junk_no_name_counts() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    text(&consent(&anna, id, "sender", true).await);
    let form = format!("_t={}&op=junk&from=inbox&ids=m{id}", anna.csrf);
    let kind = "application/x-www-form-urlencoded";
    anna.post_body("/mail/do", kind, form.into_bytes(), &[])
        .await;
    let page = text(&anna.get(&format!("/mail/junk/m{id}")).await);
    assert!(page.contains(BANNER) && !page.contains("Von Laden immer"));
}

#[tokio::test]
async fn only_what_is_a_picture_is_passed_on() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    for (path, kind) in [
        ("/hero.png", Some("image/png")),
        ("/photo", Some("image/jpeg")),
        ("/dot.gif", None),
        ("/page.png", None),
        ("/logo.svg", None),
        ("/broken.png", None),
        ("/long.png", None),
        ("/vast.png", None),
    ] {
        let html = format!("<img src='{}' width=40 height=30>", sender.url(path));
        let id = deliver(&world, anna.account, &sender.letter("news@y.test", &html)).await;
        let answer = anna.get(&shown(&anna, id).await).await;
        match kind {
            Some(kind) => assert_eq!(answer.header("content-type"), kind, "{path}"),
            None => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}"),
        }
        assert_eq!(
            sender
                .asked
                .lock()
                .unwrap()
                .last()
                .unwrap()
                .split(' ')
                .nth(1),
            Some(path)
        );
    }
    let asked = sender.asked();
    let inside = "<img src='http://127.0.0.1/x.png' width=40 height=30>";
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", inside)).await;
    let answer = anna.get(&shown(&anna, id).await).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(sender.asked(), asked);
}

#[tokio::test]
async fn a_picture_has_one_address_for_one_account_and_message() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let bob = Browser::sign_in(&world, "bob@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let again = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let address = shown(&anna, id).await;
    let signed = address.rsplit('/').next().unwrap();
    let mut forged = signed.to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for bad in [
        format!("/mail/m/{again}/remote/{signed}"),
        format!("/mail/m/999999/remote/{signed}"),
        format!("/mail/m/{id}/remote/{forged}"),
        format!("/mail/m/{id}/remote/{signed}AA"),
        format!("/mail/m/{id}/remote/AAAA"),
        format!("/mail/m/{id}/remote/aHR0cHM6Ly9hLmV4YW1wbGUv"),
    ] {
        assert_eq!(anna.get(&bad).await.status, StatusCode::NOT_FOUND, "{bad}");
    }
    assert_eq!(bob.get(&address).await.status, StatusCode::NOT_FOUND);
    let foreign = consent(&bob, id, "sender", true).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(sender.asked(), 0);
}

#[tokio::test]
async fn consent_needs_the_token_of_the_session() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", HERO)).await;
    let kind = "application/x-www-form-urlencoded";
    let path = format!("/mail/m/{id}/images");
    let form = format!("scope=sender&folder=inbox&row=m{id}").into_bytes();
    let answer = anna.post_body(&path, kind, form, &[]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(reader(&anna, id).await.contains(BANNER));
}

#[tokio::test]
async fn the_reader_is_told_of_trackers_and_of_links_that_pretend() {
    let sender = Sender::start().await;
    let world = sender.world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let html = "<p>Guten Tag</p><img src='SENDER/dot.gif' width=1 height=1><img src='SENDER/dot.gif' width=2 height=2>\
        <a href='https://evil.example/login'>www.sparkasse.de</a>";
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", html)).await;
    let page = reader(&anna, id).await;
    assert!(!page.contains(BANNER), "there is nothing to be shown");
    assert!(page.contains("2 Zählpixel wurden entfernt."));
    assert!(page.contains("führt woandershin, als sein Text sagt"));
    let plain = "<p>Nur Text</p>";
    let id = deliver(&world, anna.account, &sender.letter("news@y.test", plain)).await;
    let page = reader(&anna, id).await;
    for said in [
        BANNER,
        "Zählpixel",
        "woandershin",
        "Externe Bilder anzeigen",
    ] {
        assert!(!page.contains(said), "{said}");
    }
}
