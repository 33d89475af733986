//! Files of a message being written.

use axum::http::StatusCode;

use crate::browser::*;
use crate::sending::mime_files;

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00";

#[tokio::test]
async fn files_stream_in_and_out_unchanged() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    // Larger than a chunk and no multiple of a base64 line.
    let large: Vec<u8> = (0..1_000_003_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let row = anna
        .post(
            "/mail/draft/5/file",
            &Fields::new().file("Übersicht.bin", "application/x-thing", &large),
        )
        .await;
    assert_eq!(row.status, StatusCode::OK, "{}", row.text());
    assert!(
        row.text().contains("class=\"att\"") && row.text().contains("Übersicht.bin"),
        "{}",
        row.text()
    );
    anna.post(
        "/mail/draft/5/file",
        &Fields::new().file("leer.txt", "text/plain", b""),
    )
    .await;
    let gone = anna
        .post(
            "/mail/draft/5/file",
            &Fields::new().file("weg.txt", "text/plain", b"weg"),
        )
        .await;
    let part = gone
        .text()
        .split("/file/")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let removed = anna
        .post(&format!("/mail/draft/5/file/{part}/remove"), &Fields::new())
        .await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);

    // A file that was there before the first saving makes no second writer.
    let saved = anna.post("/mail/draft/5", &letter()).await;
    assert_eq!(
        (saved.status, saved.json()["rev"].as_i64()),
        (StatusCode::OK, Some(1))
    );
    let page = anna.get("/mail/compose?draft=5").await.text();
    assert!(page.contains("Übersicht.bin") && !page.contains("weg.txt"));

    let sent = anna
        .post("/mail/draft/5/send", &letter().set("rev", "1"))
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let raw = queue(&world).await.remove(0).0;
    let files = mime_files(&raw, &parsed(&raw));
    assert_eq!(files.len(), 2);
    assert_eq!(files[0].0, "Übersicht.bin");
    assert!(files[0].1 == large, "the bytes are the same");
    assert_eq!(files[1], ("leer.txt".to_owned(), Vec::new()));
    let (left,): (i64,) = sqlx::query_as("select count(*) from draft_part")
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
    assert_eq!(left, 2, "they are there for taking it back");
    world.db.assert_adds_up(anna.account).await;
}

#[tokio::test]
async fn pictures_stand_in_the_text() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let inline = Fields::new().set("inline", "1");
    let shown = anna
        .post(
            "/mail/draft/5/file",
            &inline.clone().file("a.png", "image/png", PNG),
        )
        .await;
    let address = shown.header("x-part").to_owned();
    assert!(address.starts_with("/mail/draft/5/file/"), "{shown:?}");
    assert_eq!(anna.get(&address).await.header("content-type"), "image/png");
    let refused = anna
        .post(
            "/mail/draft/5/file",
            &inline.file("a.png", "image/png", b"<svg>"),
        )
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.json()["error"].as_str().unwrap().contains("Bild"));

    let html = format!("<div>Siehe <img src=\"{address}\"></div>");
    let fields = letter().set("format", "html").set("html", &html);
    anna.post("/mail/draft/5", &fields).await;
    // Opened again, the editor shows it; and its own words can be saved once more.
    let page = anna.get("/mail/compose?draft=5").await.text();
    let edited = area_of(&page, "html");
    assert!(edited.contains(&format!("src=\"{address}\"")), "{edited}");
    let fields = fields.set("html", &edited).set("rev", "1");
    let sent = anna.post("/mail/draft/5/send", &fields).await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let raw = queue(&world).await.remove(0).0;
    let message = parsed(&raw);
    let picture = message
        .parts
        .iter()
        .find(|p| p.content_type == "image/png")
        .unwrap();
    let cid = picture.content_id.clone().unwrap();
    let text = String::from_utf8_lossy(&raw)
        .replace("=\r\n", "")
        .replace("=3D", "=");
    assert!(text.contains(&format!("src=\"cid:{cid}\"")), "{text}");
    assert!(
        text.contains("multipart/related") && !text.contains("/mail/draft/"),
        "{text}"
    );
    assert!(!message.has_attachment);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let world = world_with(|config| config.smtp.message_size = 1_048_576).await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let refused = anna
        .post(
            "/mail/draft/5/file",
            &Fields::new().file("a", "", &vec![0; 1_200_000]),
        )
        .await;
    assert_eq!(
        refused.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        refused.text()
    );
    assert!(refused.json()["error"].is_string());
    // Two that fit alone do not fit together.
    let half = Fields::new().file("a", "", &vec![1; 500_000]);
    assert_eq!(
        anna.post("/mail/draft/5/file", &half).await.status,
        StatusCode::OK
    );
    assert_eq!(
        anna.post("/mail/draft/5/file", &half).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );

    // A mailbox without room takes one message's worth of files, and no more.
    world
        .db
        .tamper(
            "update account set quota_bytes = 10 where account_id = $1",
            anna.account,
        )
        .await;
    assert_eq!(
        anna.post("/mail/draft/6/file", &half).await.status,
        StatusCode::OK
    );
    let full = anna.post("/mail/draft/7/file", &half).await;
    assert_eq!(
        full.status,
        StatusCode::INSUFFICIENT_STORAGE,
        "{}",
        full.text()
    );
}

#[tokio::test]
async fn a_form_without_a_script_brings_its_files() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let fields =
        letter()
            .file("a.txt", "text/plain", b"eins")
            .file("", "application/octet-stream", b"");
    let saved = anna.submit("/mail/draft/5", &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text());
    assert_eq!(saved.header("location"), "/mail/compose?draft=5");
    let page = anna.get("/mail/compose?draft=5").await.text();
    assert!(page.contains("a.txt"));
    let part = page
        .split("/file/")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let fields = letter().set("rev", "1").set("text", "anders");
    let removed = anna
        .submit(&format!("/mail/draft/5/file/{part}/remove"), &fields)
        .await;
    assert_eq!(removed.status, StatusCode::SEE_OTHER);
    let page = anna.get("/mail/compose?draft=5").await.text();
    assert!(!page.contains("a.txt"));
    assert_eq!(area_of(&page, "text"), "anders", "the text was kept, too");
}
