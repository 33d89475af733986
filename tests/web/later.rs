//! Sending later, marking as important, asking for a receipt (ui.md 6.2 "Compose").

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;
use time::OffsetDateTime;

use crate::browser::{Browser, head, letter, queue, world};
use crate::common::people::World;

/// A time on the writer's clock as the field gives it.
fn clock(at: DateTime<Utc>) -> String {
    at.with_timezone(&Berlin)
        .format("%Y-%m-%dT%H:%M")
        .to_string()
}

async fn send_after(world: &World) -> OffsetDateTime {
    sqlx::query_scalar("select send_after from outbound")
        .fetch_one(&world.db.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_message_waits_until_its_time_and_says_what_it_is() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let at = Utc::now() + TimeDelta::days(3);
    let draft = rand::random::<u32>();
    let fields = letter()
        .set("send_at", &clock(at))
        .set("important", "1")
        .set("receipt", "1");
    let answer = anna
        .post(&format!("/mail/draft/{draft}/send"), &fields)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let toast = answer.toast();
    assert!(
        toast["text"]
            .as_str()
            .unwrap()
            .starts_with("Wird gesendet: "),
        "{toast}"
    );
    assert!(toast["undo"].is_string() && toast["seconds"].is_null());
    let due = send_after(&world).await.unix_timestamp();
    assert!(
        (at.timestamp() - 61..=at.timestamp() + 1).contains(&due),
        "{due}"
    );

    let sent = queue(&world).await;
    let head = head(&sent[0].0);
    assert!(head.contains("\r\nImportance: high\r\n"), "{head}");
    assert!(
        head.contains("\r\nDisposition-Notification-To: <anna@x.test>"),
        "{head}"
    );
    let day = at.format("%-d %b %Y").to_string();
    assert!(head.contains(&day), "dated when it leaves: {head}");

    // Long after an undo would be over it can still be taken back, with everything.
    world
        .db
        .tamper(
            "update draft set updated_at = now() - interval '1 hour' where account_id = $1",
            anna.account,
        )
        .await;
    world.db.store.drafts_sweep().await.unwrap();
    let page = anna.get("/mail/outbox").await.text();
    let from = page.rfind("action=\"/mail/outbox/").unwrap() + 8;
    let path = page[from..].split('"').next().unwrap().to_owned();
    let form = format!("_t={}&op=recall", anna.csrf).into_bytes();
    let kind = "application/x-www-form-urlencoded";
    let answer = anna.post_body(&path, kind, form, &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let page = anna.get(answer.header("location")).await.text();
    assert!(page.contains(&format!("value=\"{}\"", clock(at))), "{page}");
    for name in ["important", "receipt"] {
        assert!(
            page.contains(&format!("name=\"{name}\" value=\"1\" checked")),
            "{name}"
        );
    }
    assert!(queue(&world).await.is_empty());
}

#[tokio::test]
async fn a_time_that_is_over_or_none_at_all_is_refused() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    for bad in [
        clock(Utc::now() - TimeDelta::hours(1)),
        clock(Utc::now() + TimeDelta::days(400)),
        "morgen".to_owned(),
        "2026-13-01T00:00".to_owned(),
    ] {
        let draft = rand::random::<u32>();
        let fields = letter().set("send_at", &bad);
        let answer = anna
            .post(&format!("/mail/draft/{draft}/send"), &fields)
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert_eq!(answer.json()["errors"][0]["field"], "send_at");
    }
    assert!(queue(&world).await.is_empty());
}

#[tokio::test]
async fn without_a_wish_nothing_is_said() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let draft = rand::random::<u32>();
    anna.post(&format!("/mail/draft/{draft}/send"), &letter())
        .await;
    let head = head(&queue(&world).await[0].0);
    for field in ["Importance", "X-Priority", "Disposition-Notification"] {
        assert!(!head.contains(field), "{head}");
    }
}
