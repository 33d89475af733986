//! Drafts: saving, two writers, the copy in Drafts, discarding, whose they are.

use axum::http::StatusCode;

use crate::browser::*;

#[tokio::test]
async fn a_draft_has_one_copy_in_drafts() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let page = anna.get("/mail/compose?to=bob@y.test").await.text();
    assert_eq!(value_of(&page, "rev"), "0");
    assert_eq!(value_of(&page, "to"), "bob@y.test");
    let id = draft_of(&page);
    assert_eq!(
        anna.get(&format!("/mail/compose?draft={id}")).await.status,
        StatusCode::NOT_FOUND
    );

    let path = format!("/mail/draft/{id}");
    let saved = anna.post(&path, &letter().set("bcc", "c@y.test")).await;
    assert_eq!(saved.status, StatusCode::OK);
    assert_eq!(saved.json()["rev"], 1);
    assert!(
        saved.json()["saved"]
            .as_str()
            .unwrap()
            .starts_with("Entwurf gespeichert ")
    );
    let first = folder(&world, anna.account, "drafts").await;
    assert_eq!(first.len(), 1);
    assert!(head(&first[0]).contains("Bcc: c@y.test"));

    // Within a minute the row alone is renewed; leaving the page renews the copy.
    let saved = anna
        .post(&path, &letter().set("rev", "1").set("text", "zwei"))
        .await;
    assert_eq!(saved.json()["rev"], 2);
    assert_eq!(folder(&world, anna.account, "drafts").await, first);
    anna.post(
        &path,
        &letter()
            .set("rev", "2")
            .set("text", "drei")
            .set("close", "1"),
    )
    .await;
    let second = folder(&world, anna.account, "drafts").await;
    assert_eq!(second.len(), 1);
    assert!(String::from_utf8_lossy(&second[0]).ends_with("drei\r\n"));
    assert_eq!(parsed(&first[0]).message_id, parsed(&second[0]).message_id);

    // Opened from the folder it is the same draft.
    let email: postamt::model::EmailId =
        sqlx::query_scalar("select max(email_id) from message where account_id = $1")
            .bind(anna.account)
            .fetch_one(&world.db.pool)
            .await
            .unwrap();
    let page = anna
        .get(&format!("/mail/compose?edit={email}"))
        .await
        .text();
    assert_eq!(draft_of(&page), id);
    assert_eq!(area_of(&page, "text"), "drei");
    world.db.assert_adds_up(anna.account).await;

    // Discarding takes both away, and both come back.
    let gone = anna.post(&format!("{path}/discard"), &Fields::new()).await;
    assert!(folder(&world, anna.account, "drafts").await.is_empty());
    assert_eq!(
        anna.get(&format!("/mail/compose?draft={id}")).await.status,
        StatusCode::NOT_FOUND
    );
    let late = anna
        .post(&path, &letter().set("rev", "3").set("text", "zu spät"))
        .await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    anna.undo(gone.toast()["undo"].as_str().unwrap()).await;
    assert_eq!(folder(&world, anna.account, "drafts").await.len(), 1);
    let page = anna.get(&format!("/mail/compose?draft={id}")).await.text();
    assert_eq!(area_of(&page, "text"), "drei");
}

#[tokio::test]
async fn two_writers_keep_both_texts() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    anna.post("/mail/draft/5", &letter()).await;
    // The page that wrote last may have lost the answer: that is no second writer.
    let own = anna
        .post("/mail/draft/5", &letter().set("text", "eins"))
        .await;
    assert_eq!(
        (own.status, own.json()["rev"].as_i64()),
        (StatusCode::OK, Some(2))
    );

    let other = letter().set("page", "p2").set("text", "anders");
    let fork = anna.post("/mail/draft/5", &other).await;
    assert_eq!(fork.status, StatusCode::CONFLICT);
    let id = fork.json()["draft"].as_str().unwrap().to_owned();
    assert_ne!(id, "5");
    let on = anna
        .post(&format!("/mail/draft/{id}"), &other.set("rev", "1"))
        .await;
    assert_eq!(on.status, StatusCode::OK, "{}", on.text());
    for (draft, text) in [("5", "eins"), (id.as_str(), "anders")] {
        let page = anna
            .get(&format!("/mail/compose?draft={draft}"))
            .await
            .text();
        assert_eq!(area_of(&page, "text"), text);
    }
    assert_eq!(folder(&world, anna.account, "drafts").await.len(), 2);
}

#[tokio::test]
async fn a_copy_that_was_left_behind_is_caught_up() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    anna.post("/mail/draft/5", &letter()).await;
    anna.post(
        "/mail/draft/5",
        &letter().set("rev", "1").set("text", "neu"),
    )
    .await;
    world.app.drafts().tidy().await;
    let now = folder(&world, anna.account, "drafts").await;
    assert!(
        !String::from_utf8_lossy(&now[0]).ends_with("neu\r\n"),
        "it is being written"
    );
    world
        .db
        .tamper(
            "update draft set updated_at = now() - interval '2 minutes' where account_id = $1",
            anna.account,
        )
        .await;
    world.app.drafts().tidy().await;
    let now = folder(&world, anna.account, "drafts").await;
    assert_eq!(now.len(), 1);
    assert!(String::from_utf8_lossy(&now[0]).ends_with("neu\r\n"));
}

#[tokio::test]
async fn html_is_cleaned_and_has_a_plain_twin() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let html = "<div>Hallo <b>Bob</b><script>alert(1)</script><img src=x onerror=alert(1)></div>";
    let fields = letter().set("format", "html").set("html", html);
    let sent = anna.post("/mail/draft/5/send", &fields).await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let raw = queue(&world).await.remove(0).0;
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(text.contains("multipart/alternative"));
    assert!(
        text.contains("Hallo <b>Bob</b>") && text.contains("Hallo Bob"),
        "{text}"
    );
    assert!(
        !text.contains("script") && !text.contains("onerror"),
        "{text}"
    );
}

#[tokio::test]
async fn drafts_are_their_owners_alone() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let bob = Browser::sign_in(&world, "bob@x.test").await;
    anna.post("/mail/draft/5", &letter()).await;
    let row = anna
        .post(
            "/mail/draft/5/file",
            &Fields::new().file("a.txt", "text/plain", b"geheim"),
        )
        .await;
    let part = row
        .text()
        .split("/file/")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();

    for path in [
        "/mail/compose?draft=5".to_owned(),
        format!("/mail/draft/5/file/{part}"),
    ] {
        let missing = path.replace('5', "6");
        let (foreign, missing) = (bob.get(&path).await, bob.get(&missing).await);
        assert_eq!(foreign.status, StatusCode::NOT_FOUND);
        assert_eq!(foreign.status, missing.status);
    }
    let fields = letter().set("rev", "1");
    for path in ["/mail/draft/5", "/mail/draft/5/send"] {
        assert_eq!(
            bob.post(path, &fields).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let removed = bob
        .post(&format!("/mail/draft/5/file/{part}/remove"), &Fields::new())
        .await;
    assert_eq!(removed.status, StatusCode::NOT_FOUND);
    bob.post("/mail/draft/5/discard", &Fields::new()).await;
    let still = anna.get(&format!("/mail/draft/5/file/{part}")).await;
    assert_eq!(still.body, b"geheim");
    assert_eq!(
        anna.get("/mail/compose?draft=5").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_foreign_page_can_write_nothing() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let kind = "application/x-www-form-urlencoded";
    for path in [
        "/mail/draft/5",
        "/mail/draft/5/send",
        "/mail/draft/5/discard",
        "/mail/draft/5/file",
    ] {
        for token in ["", "_t=wrong&"] {
            let body = format!("{token}to=a%40b.test&text=x").into_bytes();
            let answer = anna.post_body(path, kind, body, &[]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {token}");
        }
        let body = format!("_t={}&to=a%40b.test", anna.csrf).into_bytes();
        let answer = anna
            .post_body(path, kind, body, &[("origin", "https://evil.test")])
            .await;
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{path} from elsewhere"
        );
    }
    assert!(queue(&world).await.is_empty());
    assert_eq!(
        world
            .db
            .number(
                "select count(*) from draft where account_id = $1",
                anna.account
            )
            .await,
        0
    );
}

#[tokio::test]
async fn the_dock_and_the_editor_are_parts() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let dock = anna
        .get_with("/mail/compose", &[("hx-request", "true")])
        .await;
    assert!(
        dock.text()
            .trim_start()
            .starts_with("<section class=\"comp\""),
        "{}",
        dock.text()
    );
    assert!(dock.header("vary").to_lowercase().contains("hx-request"));
    let editor = anna.get("/mail/editor").await;
    assert!(editor.text().contains("id=\"edit\""));
    assert_eq!(editor.header("x-frame-options"), "SAMEORIGIN");
    let filled = anna
        .get("/mail/compose?mailto=mailto%3Aa%40b.test%3Fsubject%3DHi")
        .await
        .text();
    assert_eq!(
        (value_of(&filled, "to"), value_of(&filled, "subject")),
        ("a@b.test".to_owned(), "Hi".to_owned())
    );
}
