//! What pages do with the session they are shown in.

use axum::http::StatusCode;

use crate::browser::{Answer, Browser, world};
use crate::common::people::World;

/// Which write the session's row is of.
async fn written(world: &World) -> String {
    sqlx::query_scalar("select xmin::text from session")
        .fetch_one(&world.db.pool)
        .await
        .unwrap()
}

fn set_cookie(answer: &Answer) -> &str {
    answer.header("set-cookie")
}

#[tokio::test]
async fn looking_at_a_page_writes_nothing() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let before = written(&world).await;
    for path in [
        "/mail/inbox",
        "/mail/inbox/rows",
        "/settings",
        "/mail/starred",
    ] {
        let page = anna.get(path).await;
        assert!(page.status.is_success() || page.status.is_redirection());
        assert_eq!(set_cookie(&page), "", "{path}");
    }
    assert_eq!(written(&world).await, before);
}

#[tokio::test]
async fn a_message_for_the_next_page_is_shown_once_and_the_cookie_keeps_its_age() {
    let world = world().await;
    let anna = Browser::sign_in_with(&world, "anna@x.test", "&stays=1").await;
    let body = format!("_t={}&name=Vorhaben", anna.csrf).into_bytes();
    let kind = "application/x-www-form-urlencoded";
    let made = anna.post_body("/mail/folders", kind, body, &[]).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text());
    assert!(set_cookie(&made).contains("Max-Age="), "{made:?}");
    let told = anna.get("/mail/inbox").await;
    assert!(told.text().contains("Vorhaben"));
    assert!(set_cookie(&told).contains("Max-Age="));
    // Said once: the page after it has nothing to say and nothing to save.
    assert_eq!(set_cookie(&anna.get("/mail/inbox").await), "");
}

#[tokio::test]
async fn the_count_of_a_list_follows_what_changes() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let total = |answer: &Answer| -> String {
        let page = answer.text();
        let at = page
            .find("data-total=\"")
            .expect("the list says how long it is")
            + 12;
        page[at..].split('"').next().unwrap().to_owned()
    };
    for n in 1..=3 {
        let letter =
            format!("From: a@y.test\r\nSubject: {n}\r\nMessage-ID: <{n}@y.test>\r\n\r\nx\r\n");
        crate::browser::deliver(&world, anna.account, letter.as_bytes()).await;
        for _ in 0..2 {
            assert_eq!(total(&anna.get("/mail/inbox").await), n.to_string());
        }
    }
}
