//! Promise S-04 at the pages, the event stream and mail together: without its database the program says so everywhere, writes
//! nothing by half, counts no wrong password, and works again by itself when the database is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use postamt::config::Secret;

use crate::browser::{Browser, user};
use crate::common::TestDb;
use crate::common::people::PASSWORD;
use crate::common::server::TestServer;
use crate::common::smtp::Client;
use crate::relay::Relay;

async fn say(client: &mut Client, line: &str) -> String {
    client.send(format!("{line}\r\n").as_bytes()).await;
    client.reply().await.unwrap().swap_remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_the_database_goes_and_comes_back() {
    let mut wire = Relay::new();
    let db = Arc::new(TestDb::new().await);
    let url = Secret::new(wire.url(&db));
    let program = TestServer::start_on(Arc::clone(&db), |config| {
        config.database.url = Some(url);
        config.database.acquire_timeout = Duration::from_secs(1);
    })
    .await;
    let anna = user(program.app(), "anna").await;
    let browser = Browser::signed_in(program.https(), "anna").await;
    let mut events = browser.events(0).await;
    let mx = program.addresses().mx[0];
    let mut early = Client::to(mx).await.unwrap();
    early.reply().await.unwrap();
    say(&mut early, "EHLO client.example").await;
    say(&mut early, "MAIL FROM:<me@away.example>").await;
    assert!(
        say(&mut early, "RCPT TO:<anna@x.test>")
            .await
            .starts_with("250 ")
    );

    wire.cut();
    pages_are_away(&browser, &db).await;
    let mut late = mail_is_away(&program, early).await;

    wire.mend();
    let mended = Instant::now();
    while browser.get("/mail/inbox").await.status != StatusCode::OK {
        assert!(
            mended.elapsed() < Duration::from_secs(30),
            "it comes back by itself"
        );
    }
    for (what, sql) in [
        (
            "messages",
            "select count(*) from message where account_id = $1",
        ),
        ("bodies", "select count(*) from body where account_id = $1"),
        (
            "folders",
            "select count(*) from folder where account_id = $1 and name = 'Half'",
        ),
        (
            "queued",
            "select count(*) from outbound where account_id = $1",
        ),
        (
            "failures",
            "select count(*) from login_failure where $1 > 0",
        ),
    ] {
        assert_eq!(db.number(sql, anna).await, 0, "{what}");
    }
    // The stream may have ended, then the browser asks again from where it stood; either way it hears of what comes now.
    say(&mut late, "RSET").await;
    say(&mut late, "MAIL FROM:<me@away.example>").await;
    assert!(
        say(&mut late, "RCPT TO:<anna@x.test>")
            .await
            .starts_with("250 ")
    );
    assert!(say(&mut late, "DATA").await.starts_with("354 "));
    late.send(b"Subject: afterwards\r\n\r\n.\r\n").await;
    assert!(late.reply().await.unwrap()[0].starts_with("250 "));
    if !events.wait_for("mail.new").await {
        let mut again = browser.events(1).await;
        assert!(again.wait_for("mail.new").await, "the mail is told");
    }
    assert_eq!(
        db.number("select count(*) from message where account_id = $1", anna)
            .await,
        1
    );
    db.assert_adds_up(anna).await;
    let mut other = Browser::new(program.https());
    assert_eq!(
        other.sign_in("anna", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    program.stop().await;
}

/// What the pages say while the database is away, and what they do not tell.
async fn pages_are_away(browser: &Browser, db: &TestDb) {
    let page = browser.get("/mail/inbox").await;
    assert_eq!(
        page.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        page.text
    );
    assert_eq!(page.headers["retry-after"], "10");
    let words = [
        postamt::i18n::Lang::De.t("error-unavailable"),
        postamt::i18n::Lang::En.t("error-unavailable"),
    ];
    assert!(words.iter().any(|w| page.text.contains(w)), "{}", page.text);
    assert!(!page.text.contains(&db.url()) && !page.text.contains("PGSQL"));
    let folder = format!("_t={}&name=Half", browser.csrf);
    for (path, body) in [
        ("/mail/folders", folder.as_str()),
        ("/login", "name=anna%40x.test&password=wrong"),
    ] {
        let answer = browser.post(path, body).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(
        browser.get("/healthz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        browser.get("/login").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

/// What mail is told meanwhile; `early` has a recipient already. A connection that goes on.
async fn mail_is_away(program: &TestServer, mut early: Client) -> Client {
    let mx = program.addresses().mx[0];
    // What comes in at the end of the data is not kept; neither the mailbox nor the sender is told anything final.
    assert!(say(&mut early, "DATA").await.starts_with("354 "));
    early.send(b"Subject: too early\r\n\r\n.\r\n").await;
    assert!(early.reply().await.unwrap()[0].starts_with("451 4.3.0 "));
    let mut late = Client::to(mx).await.unwrap();
    late.reply().await.unwrap();
    say(&mut late, "EHLO client.example").await;
    say(&mut late, "MAIL FROM:<me@away.example>").await;
    for to in ["anna", "nobody"] {
        let answer = say(&mut late, &format!("RCPT TO:<{to}@x.test>")).await;
        assert!(answer.starts_with("451 4.3.0 "), "{answer}");
    }
    let mut submission = Client::to(program.addresses().submissions[0])
        .await
        .unwrap();
    submission.start_tls().await;
    submission.reply().await.unwrap();
    say(&mut submission, "EHLO client.example").await;
    for password in [PASSWORD, "wrong"] {
        let secret =
            postamt::format::sasl::encode_base64(format!("\0anna@x.test\0{password}").as_bytes());
        let answer = say(&mut submission, &format!("AUTH PLAIN {secret}")).await;
        assert!(answer.starts_with("454 4.7.0 "), "{answer}");
    }
    late
}
