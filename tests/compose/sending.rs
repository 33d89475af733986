//! Sending, answering, forwarding, taking back.

use axum::http::StatusCode;

use crate::browser::*;

#[tokio::test]
async fn a_letter_is_sent_once_and_kept() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let fields = letter()
        .set("bcc", "secret@elsewhere.test")
        .set("sure", "1");
    let answer = anna.submit("/mail/draft/77/send", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());

    let queue_now = queue(&world).await;
    assert_eq!(queue_now.len(), 1);
    let (sent, recipients) = &queue_now[0];
    assert_eq!(recipients, &["bob@elsewhere.test", "secret@elsewhere.test"]);
    let top = head(sent);
    assert!(
        !top.to_lowercase().contains("bcc") && !top.contains("secret"),
        "{top}"
    );
    assert!(
        !top.contains("Received") && !top.contains("127.0.0.1"),
        "{top}"
    );
    let message = parsed(sent);
    assert_eq!(message.from[0].address, "anna@x.test");
    assert_eq!(message.to[0].name, "Bob");
    assert_eq!(message.subject, "Grüße");
    assert!(message.message_id.unwrap().ends_with("@x.test"));
    assert!(top.contains("Date: "));

    let kept = folder(&world, anna.account, "sent").await;
    assert_eq!(kept.len(), 1);
    assert!(head(&kept[0]).contains("Bcc: secret@elsewhere.test"));
    let body = |raw: &[u8]| {
        String::from_utf8_lossy(raw)
            .split_once("\r\n\r\n")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(body(&kept[0]), body(sent));
    assert!(folder(&world, anna.account, "drafts").await.is_empty());

    // The answer was lost and the browser tries again.
    let again = anna.post("/mail/draft/77/send", &fields).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(queue(&world).await.len(), 1);
    assert_eq!(folder(&world, anna.account, "sent").await.len(), 1);
    world.db.assert_adds_up(anna.account).await;

    // Whom one wrote to is offered the next time, by any word.
    for typed in ["bo", "BOB", "elsew", "bob@else"] {
        let people = anna.get(&format!("/people?q={typed}")).await.json();
        let all: Vec<&str> = people
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|p| p["address"].as_str())
            .collect();
        assert!(all.contains(&"bob@elsewhere.test"), "{typed}: {people}");
    }
    assert_eq!(
        anna.get("/people?q=%25").await.json(),
        serde_json::json!([])
    );
}

#[tokio::test]
async fn colleagues_are_offered_and_strangers_are_not() {
    let world = world().await;
    world.domain("other.test").await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    world
        .account("miriam.hofmann@x.test", postamt::model::Role::User)
        .await;
    world
        .account("miriam@other.test", postamt::model::Role::User)
        .await;
    for typed in ["mir", "hof"] {
        let people = anna.get(&format!("/people?q={typed}")).await.json();
        assert_eq!(people.as_array().unwrap().len(), 1, "{people}");
        assert_eq!(people[0]["address"], "miriam.hofmann@x.test");
    }
}

const ORIGINAL: &str = "From: Miriam Hofmann <m@bau.test>\r\nTo: anna@x.test\r\nCc: kern@bau.test\r\n\
Subject: AW: Angebot\r\nMessage-ID: <3@bau.test>\r\nReferences: <1@bau.test> <2@bau.test>\r\n\
Date: Mon, 23 Nov 2026 10:42:00 +0100\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=b\r\n\r\n\
--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPosition 4?\r\n-- \r\nMiriam\r\n\
--b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n\
Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQAAQID/w==\r\n\
--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\nSubject: inner\r\n\r\ninner text\r\n\
--b--\r\n";

#[tokio::test]
async fn an_answer_names_what_it_answers_and_marks_it() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let email = deliver(&world, anna.account, ORIGINAL.as_bytes()).await;
    let page = anna
        .get(&format!("/mail/compose?reply={email}&all=1"))
        .await
        .text();
    assert_eq!(value_of(&page, "subject"), "Re: Angebot");
    assert!(value_of(&page, "to").contains("m@bau.test"));
    assert!(value_of(&page, "cc").contains("kern@bau.test"));
    let text = area_of(&page, "text");
    assert!(
        text.starts_with("\n\nAm 23.11.2026 um 10:42 schrieb Miriam Hofmann:\n> Position 4?\n"),
        "{text}"
    );
    assert!(
        !text.contains("> Miriam"),
        "the signature is not quoted: {text}"
    );
    assert!(area_of(&page, "html").contains("<blockquote type=\"cite\">"));
    assert!(
        !page.contains("a.pdf"),
        "an answer leaves attachments behind"
    );

    let id = draft_of(&page);
    let fields = letter()
        .set("reply", &email.to_string())
        .set("subject", "Re: Angebot")
        .set("text", "Ja.\n> Position 4?\n");
    let answer = anna.post(&format!("/mail/draft/{id}/send"), &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let toast = answer.toast();
    assert_eq!(toast["seconds"], 10);
    assert!(toast["now"].as_str().unwrap().starts_with("/mail/outbox/"));
    let sent = parsed(&queue(&world).await[0].0);
    assert_eq!(sent.in_reply_to, ["3@bau.test"]);
    assert_eq!(sent.references, ["1@bau.test", "2@bau.test", "3@bau.test"]);
    let marked = flags(&world, anna.account, email).await;
    assert_eq!(marked & 2, 2, "answered");

    // Within the ten seconds everything goes back to what it was.
    let back = anna.undo(toast["undo"].as_str().unwrap()).await;
    let events: serde_json::Value = serde_json::from_str(back.header("hx-trigger")).unwrap();
    assert_eq!(
        events["compose"]["href"],
        format!("/mail/compose?draft={id}")
    );
    assert!(queue(&world).await.is_empty());
    assert!(folder(&world, anna.account, "sent").await.is_empty());
    assert_eq!(folder(&world, anna.account, "drafts").await.len(), 1);
    assert_eq!(flags(&world, anna.account, email).await & 2, 0);
    let page = anna.get(&format!("/mail/compose?draft={id}")).await.text();
    assert_eq!(area_of(&page, "text"), "Ja.\n> Position 4?\n");
    world.db.assert_adds_up(anna.account).await;

    // And it can be sent after all.
    let fields = fields.set("rev", &value_of(&page, "rev")).set("page", "p2");
    let answer = anna.post(&format!("/mail/draft/{id}/send"), &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(queue(&world).await.len(), 1);
    assert!(folder(&world, anna.account, "drafts").await.is_empty());
    let now = answer.toast()["now"].as_str().unwrap().to_owned();
    let body = format!("_t={}", anna.csrf).into_bytes();
    let kind = "application/x-www-form-urlencoded";
    let hurried = anna
        .post_body(&now, kind, body.clone(), &[("hx-request", "true")])
        .await;
    assert_eq!(hurried.status, StatusCode::OK);
    let due: bool = sqlx::query_scalar("select bool_and(next_at <= now()) from outbound_recipient")
        .fetch_one(&world.db.pool)
        .await
        .unwrap();
    assert!(due);

    // A worker that has it ends the time for second thoughts.
    sqlx::query("update outbound_recipient set attempts = 1")
        .execute(&world.db.pool)
        .await
        .unwrap();
    let late = anna.undo(answer.toast()["undo"].as_str().unwrap()).await;
    assert_eq!(late.toast()["danger"], true, "{late:?}");
    assert_eq!(folder(&world, anna.account, "sent").await.len(), 1);

    // Nobody hurries somebody else's message.
    let bob = Browser::sign_in(&world, "bob@x.test").await;
    let body = format!("_t={}", bob.csrf).into_bytes();
    let foreign = bob
        .post_body(&now, kind, body, &[("hx-request", "true")])
        .await;
    assert_eq!(foreign.toast()["danger"], true);
}

#[tokio::test]
async fn a_forward_takes_the_files_along_byte_for_byte() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let email = deliver(&world, anna.account, ORIGINAL.as_bytes()).await;
    let page = anna
        .get(&format!("/mail/compose?forward={email}"))
        .await
        .text();
    assert_eq!(value_of(&page, "subject"), "Fwd: Angebot");
    assert!(area_of(&page, "text").contains("Von: Miriam Hofmann <m@bau.test>"));
    assert!(page.contains("a.pdf"));
    assert_eq!(page.matches("name=\"keep\"").count(), 2);
    let id = draft_of(&page);
    let mut fields = letter().set("forward", &email.to_string()).set("keep", "2");
    let answer = anna.post(&format!("/mail/draft/{id}"), &fields).await;
    assert_eq!(answer.json()["rev"], 1, "{}", answer.text());
    fields = fields.set("rev", "1");
    let answer = anna.post(&format!("/mail/draft/{id}/send"), &fields).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let raw = &queue(&world).await[0].0;
    let sent = parsed(raw);
    let files = mime_files(raw, &sent);
    assert_eq!(
        files,
        [("a.pdf".to_owned(), b"%PDF-1.4\x00\x01\x02\x03\xff".to_vec())]
    );
    assert_eq!(
        flags(&world, anna.account, email).await & 32,
        32,
        "forwarded"
    );
    assert!(sent.in_reply_to.is_empty());

    // With the attached message.
    let page = anna
        .get(&format!("/mail/compose?forward={email}"))
        .await
        .text();
    let id = draft_of(&page);
    let fields = letter().set("forward", &email.to_string()).set("keep", "3");
    anna.post(&format!("/mail/draft/{id}/send"), &fields).await;
    let raw = &queue(&world).await[1].0;
    let files = mime_files(raw, &parsed(raw));
    assert_eq!(files[0].0, "inner.eml");
    assert_eq!(
        String::from_utf8_lossy(&files[0].1).trim_end(),
        "Subject: inner\r\n\r\ninner text"
    );
}

/// Names and bytes of a message's attachments.
pub fn mime_files(raw: &[u8], message: &postamt::format::mime::Parsed) -> Vec<(String, Vec<u8>)> {
    postamt::format::mime::attachments(&message.parts)
        .into_iter()
        .map(|part| {
            let bytes = postamt::format::mime::decode_part(part.raw_body(raw), part);
            (part.name.clone().unwrap_or_default(), bytes)
        })
        .collect()
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_and_kept() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let wrong = async |fields: &Fields, field: &str| {
        let answer = anna.post("/mail/draft/5/send", fields).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            answer.text()
        );
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors[0]["field"], field, "{errors}");
    };
    wrong(&letter().set("to", ""), "to").await;
    wrong(&letter().set("cc", "nobody"), "cc").await;
    wrong(&letter().set("from", "boss@x.test"), "from").await;
    let many: Vec<String> = (0..201).map(|n| format!("p{n}@y.test")).collect();
    wrong(&letter().set("bcc", &many.join(",")), "to").await;
    assert!(queue(&world).await.is_empty());

    // Without a script the page comes back with the text and the sentence.
    let page = anna
        .submit("/mail/draft/5/send", &letter().set("to", ""))
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text().contains("Hallo Bob") && page.text().contains("role=\"alert\""));

    // An empty subject and a missing attachment are asked once.
    let fields = letter().set("subject", "").set("text", "Anbei das Angebot");
    let page = anna.submit("/mail/draft/6/send", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(value_of(&page.text(), "sure"), "1");
    assert!(queue(&world).await.is_empty());
    let fields = fields
        .set("sure", "1")
        .set("rev", &value_of(&page.text(), "rev"));
    let sent = anna.submit("/mail/draft/6/send", &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    assert_eq!(queue(&world).await.len(), 1);
}

#[tokio::test]
async fn a_full_mailbox_sends_without_keeping() {
    let world = world().await;
    let anna = Browser::sign_in(&world, "anna@x.test").await;
    let fields = letter();
    assert_eq!(
        anna.post("/mail/draft/5", &fields).await.status,
        StatusCode::OK
    );
    world
        .db
        .tamper(
            "update account set quota_bytes = 100 where account_id = $1",
            anna.account,
        )
        .await;

    let page = anna.get("/mail/compose").await.text();
    assert!(
        page.contains("Ihr Postfach ist voll. Die Nachricht wird gesendet, aber nicht"),
        "{page}"
    );
    let saved = anna.post("/mail/draft/9", &letter()).await;
    assert_eq!(saved.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(
        saved.json()["saved"]
            .as_str()
            .unwrap()
            .contains("Speicher voll")
    );

    let sent = anna
        .post("/mail/draft/5/send", &fields.set("rev", "1"))
        .await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
    let toast = sent.toast();
    assert!(
        toast["text"].as_str().unwrap().contains("keine Kopie"),
        "{toast}"
    );
    assert_eq!(queue(&world).await.len(), 1);
    assert!(folder(&world, anna.account, "sent").await.is_empty());
    assert!(folder(&world, anna.account, "drafts").await.is_empty());

    // Taking it back is not refused for want of room.
    anna.undo(toast["undo"].as_str().unwrap()).await;
    assert!(queue(&world).await.is_empty());
    assert_eq!(folder(&world, anna.account, "drafts").await.len(), 1);
    world.db.assert_adds_up(anna.account).await;
}
