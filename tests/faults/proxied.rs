//! Behind a proxy the lock counts the client, and what a stranger claims about himself counts nothing (`security.md` 4.1).
//! One count for the pages and for submission.

use hyper::StatusCode;
use postamt::format::sasl::encode_base64;

use crate::browser::{Browser, user};
use crate::common::people::PASSWORD;
use crate::common::server::TestServer;
use crate::common::smtp::Client;

/// Signs in at the submission port, once a connection; `from`: a PROXY header of version 2 in front. The answer's code.
async fn submit_as(
    program: &TestServer,
    name: &str,
    password: &str,
    from: Option<[u8; 4]>,
) -> String {
    let mut client = Client::to(program.addresses().submissions[0])
        .await
        .unwrap();
    if let Some(from) = from {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend(from);
        header.extend([127, 0, 0, 1, 0x30, 0x39, 1, 0xd1]);
        client.send(&header).await;
    }
    client.start_tls().await;
    client.reply().await.unwrap();
    client.send(b"EHLO client.example\r\n").await;
    client.reply().await.unwrap();
    let secret = encode_base64(format!("\0{name}@x.test\0{password}").as_bytes());
    client
        .send(format!("AUTH PLAIN {secret}\r\n").as_bytes())
        .await;
    client.reply().await.unwrap()[0][..3].to_owned()
}

/// The sources that wrong passwords were counted for.
async fn counted(program: &TestServer) -> Vec<String> {
    sqlx::query_scalar(
        "select distinct source from login_failure where scope = 'pair' order by source",
    )
    .fetch_all(&program.db.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_locked_at_every_door() {
    let program = TestServer::start_with(|config| {
        config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()];
        config.proxy.mail_protocol = true;
        config.web.connections_per_source = 1;
        config.web.new_connections_per_minute = 1;
    })
    .await;
    for name in ["anna", "bob"] {
        user(program.app(), name).await;
    }
    let mut away = Browser::new(program.https());
    // The client's own claim stands further left, and is not believed.
    away.forwarded = Some("192.0.2.77, 203.0.113.9");
    for n in 0..5 {
        let answer = away.sign_in("anna", &format!("wrong {n}")).await;
        let expected = if n < 4 { 422 } else { 429 };
        assert!(
            [422, expected].contains(&answer.status.as_u16()),
            "{n}: {}",
            answer.status
        );
    }
    let locked = away.sign_in("anna", PASSWORD).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    let right = submit_as(&program, "anna", PASSWORD, Some([203, 0, 113, 9])).await;
    assert_eq!(right, "535", "the pair is locked at the mail ports too");
    assert_eq!(counted(&program).await, ["203.0.113.9"]);
    // Another client of the same proxy signs in, and so does another user of the locked one.
    assert_eq!(
        submit_as(&program, "bob", PASSWORD, Some([203, 0, 113, 10])).await,
        "235"
    );
    assert_eq!(
        away.sign_in("bob", PASSWORD).await.status,
        StatusCode::SEE_OTHER
    );
    program.stop().await;
}

#[tokio::test]
async fn nobody_else_is_believed_about_where_he_comes_from() {
    let program = TestServer::start().await;
    for name in ["anna", "bob"] {
        user(program.app(), name).await;
    }
    let mut browser = Browser::new(program.https());
    for (n, claim) in [
        "203.0.113.1",
        "203.0.113.2",
        "203.0.113.3, 203.0.113.4",
        "::1",
        "10.0.0.1",
    ]
    .into_iter()
    .enumerate()
    {
        browser.forwarded = Some(claim);
        browser.sign_in("anna", &format!("wrong {n}")).await;
    }
    assert_eq!(counted(&program).await, ["127.0.0.1"]);
    browser.forwarded = Some("203.0.113.5");
    let locked = browser.sign_in("anna", PASSWORD).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(submit_as(&program, "anna", PASSWORD, None).await, "535");

    // And the other way: five at the mail port lock the pages.
    for n in 0..5 {
        assert_eq!(
            submit_as(&program, "bob", &format!("wrong {n}"), None).await,
            "535"
        );
    }
    let locked = browser.sign_in("bob", PASSWORD).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(counted(&program).await, ["127.0.0.1"]);

    // A PROXY header that nobody asked for is no command of ours.
    let mut liar = Client::to(program.addresses().submission[0]).await.unwrap();
    liar.reply().await.unwrap();
    liar.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x30\x39\x02\x4b")
        .await;
    assert!(liar.reply().await.unwrap()[0].starts_with("500 "));
    program.stop().await;
}
