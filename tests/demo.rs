//! The demo: what `postamt demo` creates is all there, is readable, and is created once.

mod common;

use common::people::{HOME, Try, World};
use postamt::format::html::{
    CleanOptions, FrameOptions, Purpose, TextOptions, clean, document, text_document,
};
use postamt::model::{AccountId, EmailId};
use postamt::service::demo::{self, Made, PEOPLE, Person};
use postamt::service::mail::Mail;
use time::OffsetDateTime;

#[tokio::test]
async fn the_demo_is_created_once_and_every_message_can_be_read() {
    let world = World::new().await;
    let made = demo::create(&world.app, OffsetDateTime::now_utc())
        .await
        .unwrap();
    assert_eq!(made.mailboxes, PEOPLE.len());
    assert!(made.messages >= 60, "{made:?}");
    assert!(made.items >= 30, "{made:?}");

    let again = demo::create(&world.app, OffsetDateTime::now_utc()).await;
    assert_eq!(again.unwrap(), Made::default());

    let mut found = 0;
    for person in PEOPLE {
        let entered = Try::new(person.address, person.password)
            .from(HOME)
            .at(&world.app)
            .await
            .expect("its password is right");
        let account = entered.account.account_id;
        let (messages, shown) = read_all(&world, account, &person).await;
        println!("{}: {messages} messages, {shown}", person.address);
        found += messages;
        world.db.assert_adds_up(account).await;
        let signatures = world.app.accounts.signatures(account).await.unwrap();
        assert_eq!(signatures.len(), 1);
    }
    assert_eq!(found, made.messages);
}

/// Reads every message as the reader does; how many, and of which kinds.
async fn read_all(world: &World, account: AccountId, person: &Person) -> (usize, String) {
    let emails: Vec<EmailId> =
        sqlx::query_scalar("select email_id from email where account_id = $1")
            .bind(account)
            .fetch_all(&world.db.pool)
            .await
            .unwrap();
    let (mut html, mut flowed, mut files, mut blocked, mut suspicious) = (0, 0, 0, 0, 0);
    for id in &emails {
        let email = world.app.mail.email(account, *id).await.unwrap();
        let about = format!("{}: {}", person.address, email.message_id);
        assert!(
            !email.message_id.is_empty() && !email.sender_address.is_empty(),
            "{about}"
        );
        for text in [&email.subject, &email.sender_name, &email.preview] {
            assert!(
                !text.contains("=?") && !text.contains('\u{fffd}'),
                "{about}: {text}"
            );
        }
        let parts = Mail::parts(&email.parts).unwrap();
        for part in parts.iter().filter(|part| part.name.is_some()) {
            files += 1;
            let read = world
                .app
                .mail
                .part(account, *id, &part.section)
                .await
                .unwrap();
            assert!(!read.bytes.is_empty(), "{about}: {}", part.section);
        }
        let shown = world
            .app
            .mail
            .shown_body(account, &email, false)
            .await
            .unwrap();
        let frame = FrameOptions {
            lang: person.lang.as_str(),
            title: &email.subject,
            dark: false,
        };
        let page = if let Some(source) = &shown.html {
            html += 1;
            let cleaned = clean(source, &CleanOptions::new(Purpose::Read));
            assert!(!cleaned.empty && !cleaned.too_complex, "{about}");
            assert!(!cleaned.html.contains("<script"), "{about}");
            blocked += usize::from(!cleaned.remote_pictures.is_empty());
            suspicious += cleaned.suspicious_links;
            document(&cleaned, &frame)
        } else {
            let text = shown.text.as_deref().unwrap_or_default();
            assert!(!text.trim().is_empty(), "{about}: no text");
            assert!(!text.contains('\u{fffd}'), "{about}: {text}");
            flowed += usize::from(shown.is_flowed);
            let options = TextOptions {
                flowed: shown.is_flowed,
                fold: true,
                ..TextOptions::default()
            };
            text_document(text, &options, &frame)
        };
        assert!(page.starts_with("<!doctype html>"), "{about}");
    }
    let threads: i64 = world
        .db
        .number(
            "select count(distinct thread_id) from email where account_id = $1",
            account,
        )
        .await;
    (
        emails.len(),
        format!(
            "{threads} conversations, {html} in HTML ({blocked} with remote pictures, {suspicious} suspicious links), {flowed} flowed, {files} files"
        ),
    )
}
