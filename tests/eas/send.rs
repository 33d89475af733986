//! Sending by a device (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20): exactly once, under the own name, with the original.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use postamt::format::wbxml::Encoder;
use postamt::format::wbxml::pages::compose as c;
use postamt::model::{AccountId, SpecialUse};

use crate::device::{Answer, Device, World};

const MAIL: &[u8] = b"From: Anna <anna@x.test>\nTo: Bob <bob@x.test>\nBcc: anna@x.test\nSubject: Hallo\nMIME-Version: 1.0\n\
    Content-Type: text/plain; charset=utf-8\n\nErste Zeile\nZweite Zeile\n";

async fn send(
    phone: &Device,
    command: &str,
    id: &str,
    mime: &[u8],
    more: &dyn Fn(&mut Encoder),
) -> Answer {
    phone
        .send(command, |out| {
            let root = match command {
                "SmartReply" => c::SMART_REPLY,
                "SmartForward" => c::SMART_FORWARD,
                _ => c::SEND_MAIL,
            };
            out.element(root, |out| {
                out.text(c::CLIENT_ID, id);
                out.empty(c::SAVE_IN_SENT_ITEMS);
                more(out);
                out.opaque(c::MIME, mime);
            });
        })
        .await
}

fn status(answer: &Answer) -> String {
    answer.root().text(&[c::STATUS])
}

/// The messages of an account's folder as they are stored, oldest first, once there are `count`.
async fn letters(
    world: &World,
    account: AccountId,
    special: SpecialUse,
    count: usize,
) -> Vec<String> {
    let mail = &world.server.app().mail;
    let folder = mail.special_folder(account, special).await.unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let ids: Vec<postamt::model::EmailId> = sqlx::query_scalar(
            "select email_id from message where account_id = $1 and folder_id = $2 order by uid",
        )
        .bind(account)
        .bind(folder)
        .fetch_all(&world.server.db.pool)
        .await
        .unwrap();
        if ids.len() >= count {
            assert_eq!(ids.len(), count);
            let mut all = Vec::new();
            for id in ids {
                let row = mail.email(account, id).await.unwrap();
                let bytes = mail.message_bytes(account, &row).await.unwrap();
                all.push(String::from_utf8_lossy(&bytes).into_owned());
            }
            return all;
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} messages",
            ids.len()
        );
        tokio::task::yield_now().await;
    }
}

async fn queued(world: &World) -> i64 {
    world
        .server
        .db
        .number(
            "select count(*) from outbound where account_id = $1",
            world.anna,
        )
        .await
}

#[tokio::test]
async fn mistake_2_a_message_is_sent_once_however_often_the_phone_tries() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    for _ in 0..3 {
        assert!(
            send(&phone, "SendMail", "C1", MAIL, &|_| {})
                .await
                .is_empty()
        );
    }
    let first = send(&phone, "SendMail", "C2", MAIL, &|_| {});
    let second = send(&phone, "SendMail", "C2", MAIL, &|_| {});
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_empty() && second.is_empty());
    assert_eq!(queued(&world).await, 2);
    let other = [MAIL, b"more\n"].concat();
    assert_eq!(
        status(&send(&phone, "SendMail", "C1", &other, &|_| {}).await),
        "118"
    );
    // Another phone has names of its own.
    assert!(
        send(
            &world.phone_named("14.1", "OTHER"),
            "SendMail",
            "C1",
            &other,
            &|_| {}
        )
        .await
        .is_empty()
    );
    assert_eq!(queued(&world).await, 3);
    let kept = letters(&world, world.anna, SpecialUse::Sent, 3).await;
    assert!(
        kept[0].contains("\r\nBcc: anna@x.test\r\n"),
        "the own copy knows everybody"
    );
    let came = letters(&world, world.bob, SpecialUse::Inbox, 3).await;
    assert!(!came[0].to_lowercase().contains("bcc:"), "{}", came[0]);
    assert!(
        came[0].contains("Erste Zeile\r\nZweite Zeile\r\n"),
        "{}",
        came[0]
    );
    assert!(
        came[0].contains("\r\nMessage-ID: <") && came[0].contains("\r\nDate: "),
        "{}",
        came[0]
    );
    letters(&world, world.anna, SpecialUse::Inbox, 3).await;
}

#[tokio::test]
async fn s_31_a_foreign_from_is_replaced() {
    let world = World::new().await;
    let phone = world.phone("14.0");
    let mail = b"From: Boss <boss@other.test>\r\nSender: x@y.test\r\nTo: bob@x.test\r\nSubject: s\r\n\r\nText\r\n";
    assert!(
        send(&phone, "SendMail", "1", mail, &|_| {})
            .await
            .is_empty()
    );
    let came = letters(&world, world.bob, SpecialUse::Inbox, 1).await;
    assert!(
        came[0].contains("From: Anna Meier <anna@x.test>\r\n"),
        "{}",
        came[0]
    );
    assert!(
        !came[0].contains("other.test") && !came[0].contains("y.test"),
        "{}",
        came[0]
    );
}

#[tokio::test]
async fn mistake_17_what_cannot_be_sent_is_told_by_a_status() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let nobody = b"From: anna@x.test\r\nSubject: s\r\n\r\nText\r\n";
    assert_eq!(
        status(&send(&phone, "SendMail", "1", nobody, &|_| {}).await),
        "119"
    );
    assert_eq!(
        status(&send(&phone, "SendMail", "2", b"", &|_| {}).await),
        "107"
    );
    let missing = send(&phone, "SmartReply", "3", MAIL, &|out| {
        out.element(c::SOURCE, |out| out.text(c::ITEM_ID, "1:99"));
    });
    assert_eq!(status(&missing.await), "150");
    assert_eq!(
        status(&send(&phone, "SmartForward", "4", MAIL, &|_| {}).await),
        "150"
    );
    let no_mime = phone
        .send("SendMail", |out| {
            out.element(c::SEND_MAIL, |out| out.text(c::CLIENT_ID, "5"))
        })
        .await;
    assert_eq!(status(&no_mime), "103");
    assert_eq!(queued(&world).await, 0);
}

async fn original(world: &World) -> (String, i64) {
    let inbox = world.inbox().await;
    let raw = b"From: Carla <carla@other.test>\r\nTo: anna@x.test\r\nSubject: Plan\r\nMessage-ID: <plan@other.test>\r\n\
        Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nDer alte Text\r\n--a\r\nContent-Type: application/pdf\r\n\
        Content-Disposition: attachment; filename=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nUERGUERG\r\n--a--\r\n";
    let uid = world.raw(world.anna, inbox, raw).await;
    (inbox.to_string(), uid)
}

fn source(folder: &str, uid: i64) -> impl Fn(&mut Encoder) {
    let (folder, id) = (folder.to_owned(), format!("{folder}:{uid}"));
    move |out| {
        out.element(c::SOURCE, |out| {
            out.text(c::FOLDER_ID, &folder);
            out.text(c::ITEM_ID, &id);
        });
    }
}

#[tokio::test]
async fn ascmd_2_2_1_20_a_smart_reply_quotes_and_marks_the_original() {
    let world = World::new().await;
    let (folder, uid) = original(&world).await;
    let phone = world.phone("14.1");
    assert!(
        send(&phone, "SmartReply", "1", MAIL, &source(&folder, uid))
            .await
            .is_empty()
    );
    let came = letters(&world, world.bob, SpecialUse::Inbox, 1).await;
    let text = &came[0];
    assert!(
        text.contains("Erste Zeile") && text.contains("> Der alte Text") && text.contains("Carla:"),
        "{text}"
    );
    assert!(
        text.contains("In-Reply-To: <plan@other.test>") && !text.contains("plan.pdf"),
        "{text}"
    );
    let flags = "select flags::bigint from message where account_id = $1 and keywords = '{}' and flags & 2 <> 0";
    assert_eq!(
        world.server.db.number(flags, world.anna).await & 3,
        2,
        "answered, and not read for it"
    );
}

#[tokio::test]
async fn ascmd_2_2_1_19_a_smart_forward_takes_the_files_along() {
    let world = World::new().await;
    let (folder, uid) = original(&world).await;
    let phone = world.phone("14.1");
    assert!(
        send(&phone, "SmartForward", "1", MAIL, &source(&folder, uid))
            .await
            .is_empty()
    );
    let came = letters(&world, world.bob, SpecialUse::Inbox, 1).await;
    let text = &came[0];
    assert!(
        text.contains("Der alte Text") && text.contains("plan.pdf") && text.contains("UERGUERG"),
        "{text}"
    );
    assert!(text.contains("Weitergeleitete Nachricht"), "{text}");
    // With ReplaceMime nothing is added, but the thread.
    let more = |out: &mut Encoder| {
        source(&folder, uid)(out);
        out.empty(c::REPLACE_MIME);
    };
    assert!(
        send(&phone, "SmartForward", "2", MAIL, &more)
            .await
            .is_empty()
    );
    let came = letters(&world, world.bob, SpecialUse::Inbox, 2).await;
    assert!(
        !came[1].contains("Der alte Text") && came[1].contains("References: <plan@other.test>"),
        "{}",
        came[1]
    );
}

#[tokio::test]
async fn ascmd_12_1_sends_the_message_as_the_body() {
    let world = World::new().await;
    let (folder, uid) = original(&world).await;
    let phone = world.phone("12.1");
    let post = async |command: &str, more: &str, body: &[u8]| {
        let mut headers = phone.own_headers();
        headers.push(("content-type", "message/rfc822".to_owned()));
        phone
            .request(
                Method::POST,
                &phone.target(command, more),
                &headers,
                body.to_vec(),
            )
            .await
    };
    for _ in 0..2 {
        assert!(post("SendMail", "&SaveInSent=T", MAIL).await.is_empty());
    }
    let reply = [b"X-Second: 1\n", MAIL].concat();
    let item = format!("&CollectionId={folder}&ItemId={folder}%3A{uid}");
    assert!(post("SmartReply", &item, &reply).await.is_empty());
    assert_eq!(
        queued(&world).await,
        2,
        "the same octets are the same message"
    );
    letters(&world, world.anna, SpecialUse::Sent, 1).await;
    let came = letters(&world, world.bob, SpecialUse::Inbox, 2).await;
    assert!(came.iter().any(|text| text.contains("> Der alte Text")));
    let missing = post("SmartForward", "&CollectionId=1&ItemId=1%3A99", MAIL).await;
    assert_eq!(missing.status, StatusCode::INTERNAL_SERVER_ERROR);
}
