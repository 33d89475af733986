//! The outbox: what waits, what is done about it, what open pages hear of it (ui.md 6.2, 10).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use postamt::service::outgoing::Worker;
use postamt::service::outgoing::resolve::{NameError, Names};
use postamt::smtp::client::SmtpTransport;
use serde_json::Value;

use crate::browser::{Answer, Browser, letter, queue, world};

/// A DNS in which nothing exists.
struct Nothing;

#[async_trait]
impl Names for Nothing {
    async fn mx(&self, _: &str) -> Result<Vec<(u16, String)>, NameError> {
        Err(NameError::NoSuchName)
    }

    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, NameError> {
        Err(NameError::NoSuchName)
    }
}

async fn act(browser: &Browser, id: &str, op: &str) -> Answer {
    let form = format!("_t={}&op={op}", browser.csrf).into_bytes();
    let kind = "application/x-www-form-urlencoded";
    let path = format!("/mail/outbox/{id}");
    browser.post_body(&path, kind, form, &[]).await
}

/// Sends a message that is held for ten seconds; its number in the queue.
async fn sent(browser: &Browser) -> String {
    let draft = rand::random::<u32>();
    let path = format!("/mail/draft/{draft}/send");
    let answer = browser.post(&path, &letter()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let page = browser.get("/mail/outbox").await.text();
    let at = page.rfind("action=\"/mail/outbox/").unwrap() + 21;
    page[at..].split('"').next().unwrap().to_owned()
}

/// What a page that stood at `after` hears, and where it stands then.
async fn heard(browser: &Browser, after: i64) -> (i64, Vec<(String, Value)>) {
    let answer = browser
        .get(&format!("/events/since?after={after}"))
        .await
        .json();
    let events = answer["events"].as_array().unwrap();
    (
        answer["id"].as_i64().unwrap(),
        events
            .iter()
            .map(|e| (e["event"].as_str().unwrap().to_owned(), e["data"].clone()))
            .collect(),
    )
}

async fn states(browser: &Browser, after: i64) -> Vec<String> {
    let (_, events) = heard(browser, after).await;
    events
        .into_iter()
        .filter(|(name, _)| name == "outbox")
        .map(|(_, data)| data["state"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_held_stands_in_the_outbox_and_is_taken_back() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    assert!(
        !anna
            .get("/mail/inbox")
            .await
            .text()
            .contains("/mail/outbox")
    );
    let id = sent(&anna).await;
    assert!(
        anna.get("/mail/inbox")
            .await
            .text()
            .contains("href=\"/mail/outbox\"")
    );
    let page = anna.get("/mail/outbox").await.text();
    for said in [
        "Grüße",
        "bob@elsewhere.test",
        "Wird gesendet:",
        "Zurückholen",
        "Jetzt senden",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let answer = act(&anna, &id, "recall").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(
        answer
            .header("location")
            .starts_with("/mail/compose?draft=")
    );
    assert!(queue(&world).await.is_empty());
    assert!(
        anna.get("/mail/outbox")
            .await
            .text()
            .contains("Alles ist unterwegs.")
    );
    assert_eq!(
        act(&anna, &id, "recall").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn it_is_sent_at_once_or_given_up_by_its_owner_only() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let bob = Browser::sign_in(&world, "bob@x.test").await;
    let id = sent(&anna).await;
    assert!(!bob.get("/mail/outbox").await.text().contains("Grüße"));
    for op in ["recall", "now", "retry", "drop"] {
        assert_eq!(
            act(&bob, &id, op).await.status,
            StatusCode::NOT_FOUND,
            "{op}"
        );
    }
    assert_eq!(
        act(&anna, &id, "nonsense").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(act(&anna, &id, "now").await.status, StatusCode::SEE_OTHER);
    let page = anna.get("/mail/outbox").await.text();
    assert!(
        page.contains("Wird gerade gesendet") && page.contains("Erneut senden"),
        "{page}"
    );
    assert_eq!(act(&anna, &id, "retry").await.status, StatusCode::SEE_OTHER);
    assert_eq!(act(&anna, &id, "drop").await.status, StatusCode::SEE_OTHER);
    assert!(
        anna.get("/mail/outbox")
            .await
            .text()
            .contains("Alles ist unterwegs.")
    );
    assert_eq!(act(&anna, &id, "drop").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_hear_of_drafts_and_of_what_becomes_of_a_message() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let before = world.app.changes_upto(anna.account).await.unwrap().0;
    let draft = rand::random::<u32>();
    let path = format!("/mail/draft/{draft}");
    assert_eq!(anna.post(&path, &letter()).await.status, StatusCode::OK);
    let (upto, events) = heard(&anna, before).await;
    let told = events.iter().find(|(name, _)| name == "draft").unwrap();
    assert_eq!(told.1["draft"], draft.to_string());
    assert_eq!(told.1["rev"], 1);

    sent(&anna).await;
    assert_eq!(states(&anna, upto).await, ["waiting"]);
    let upto = world.app.changes_upto(anna.account).await.unwrap().0;
    let transport = Arc::new(SmtpTransport::new(&world.app.config));
    let worker = Worker::new(world.app.clone(), transport, Arc::new(Nothing));
    worker.ahead(Duration::from_mins(1)).drain().await.unwrap();
    assert_eq!(states(&anna, upto).await, ["failed"]);
    let page = anna.get("/mail/outbox").await.text();
    assert!(
        page.contains("Nicht zugestellt an: bob@elsewhere.test"),
        "{page}"
    );
    assert!(
        !anna
            .get("/mail/inbox")
            .await
            .text()
            .contains("href=\"/mail/outbox\"")
    );
}
