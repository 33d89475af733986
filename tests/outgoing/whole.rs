//! Two whole programs: a user of one signs in and submits, the other takes it over STARTTLS; the first tells what failed.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use postamt::config::{Config, Route, RouteTls, Secret};
use postamt::error::StoreError;
use postamt::model::{AccountId, QueueId, Role};
use postamt::server::{self, Running};
use postamt::service::accounts::admin::{Actor, CreateAccount};
use postamt::service::outgoing::transport::{
    Login, Mail, MailContent, MailRecipient, Peer, Protection, Transport, Verdict,
};
use postamt::smtp::client::SmtpTransport;

use crate::common::TestDb;

const PASSWORD: &str = "right horse battery staple";

struct Program {
    running: Option<Running>,
    db: TestDb,
    folder: PathBuf,
    user: AccountId,
}

impl Program {
    /// A host of one domain with one user, anna.
    async fn start(domain: &str, change: impl FnOnce(&mut Config)) -> Self {
        let db = TestDb::new().await;
        let folder =
            std::env::temp_dir().join(format!("postamt-whole-{:x}", rand::random::<u64>()));
        let mut config = Config::on_free_ports(&folder);
        config.database.url = Some(Secret::new(db.url()));
        config.database.allow_unsafe = true;
        config.server.hostname = format!("mail.{domain}");
        config.queue.poll = Duration::from_mins(5);
        change(&mut config);
        let running = server::start(config).await.unwrap();
        let accounts = &running.app().accounts;
        let host = Actor::command_line();
        accounts.create_domain(&host, domain).await.unwrap();
        let new = CreateAccount {
            address: &format!("anna@{domain}"),
            role: Some(Role::User),
            password: Some(PASSWORD),
            ..CreateAccount::default()
        };
        let user = accounts.create_account(&host, &new).await.unwrap().account;
        Self {
            running: Some(running),
            db,
            folder,
            user,
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Waits until so many messages arrived, and gives the newest's bytes.
    async fn mail(&self, messages: usize) -> String {
        let mut watch = self.running().app().changes.watch(self.user);
        let wait = async {
            loop {
                let bodies: Vec<(i64,)> = sqlx::query_as(
                    "select body_id from email where account_id = $1 order by email_id",
                )
                .bind(self.user)
                .fetch_all(&self.db.pool)
                .await
                .unwrap();
                if bodies.len() >= messages {
                    let body = postamt::model::BodyId(bodies.last().unwrap().0);
                    break self.db.store.body_whole(self.user, body).await.unwrap();
                }
                watch.changed().await;
            }
        };
        let bytes = tokio::time::timeout(Duration::from_secs(30), wait)
            .await
            .expect("mail comes in time");
        String::from_utf8(bytes).unwrap()
    }

    async fn stop(mut self) {
        self.running.take().unwrap().stop().await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

struct Text(String);

impl MailContent for Text {
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::iter([Ok(Bytes::from(self.0.clone()))]).boxed()
    }
}

#[tokio::test]
async fn from_a_users_program_to_another_host_and_back() {
    let there = Program::start("y.test", |_| {}).await;
    let mx = there.running().addresses().mx[0];
    let here = Program::start("x.test", |config| {
        config.queue.routes.insert(
            "y.test".to_owned(),
            Route {
                host: mx.to_string(),
                tls: RouteTls::Starttls,
                verify: None,
                username: None,
                password: None,
            },
        );
    })
    .await;
    let mut connection = SmtpTransport::new(&Config::default())
        .connect(&Peer {
            host: "mail.x.test".to_owned(),
            address: here.running().addresses().submission[0],
            protection: Protection::Starttls,
            verifies: false,
            login: Some(Login {
                name: "anna@x.test".to_owned(),
                password: Secret::new(PASSWORD.to_owned()),
            }),
        })
        .await
        .unwrap();
    let text = Text(
        "From: anna@x.test\r\nSubject: Over two hosts\r\n\r\n.\r\nGr\u{fc}\u{df}e\r\n".to_owned(),
    );
    let recipients = ["anna@y.test", "nobody@y.test"].map(|address| MailRecipient {
        address,
        notify: &[],
        orcpt: None,
    });
    let answers = connection
        .send(&Mail {
            sender: "anna@x.test",
            ret_full: false,
            env_id: None,
            needs_utf8: false,
            size_bytes: i64::try_from(text.0.len()).unwrap(),
            recipients: &recipients,
            content: &text,
        })
        .await;
    assert!(
        answers.iter().all(|a| a.verdict == Verdict::Sent),
        "{answers:?}"
    );
    connection.quit().await;

    let arrived = there.mail(1).await;
    assert!(
        arrived.starts_with("Return-Path: <anna@x.test>\r\nReceived: from mail.x.test "),
        "{arrived}"
    );
    assert!(
        arrived.ends_with("\r\n\r\n.\r\nGr\u{fc}\u{df}e\r\n"),
        "{arrived}"
    );
    assert_eq!(arrived.matches("Received: ").count(), 2, "{arrived}");
    let bounce = here.mail(1).await;
    assert!(
        bounce.contains("Final-Recipient: rfc822; nobody@y.test")
            && bounce.contains("Status: 5.1.1"),
        "{bounce}"
    );
    let log = here
        .running()
        .app()
        .outgoing
        .list(QueueId(0), true, 10)
        .await
        .unwrap();
    assert_eq!(log[0].tls.as_deref(), Some("TLSv1.3"));
    here.stop().await;
    there.stop().await;
}
