//! A host of ours with its queue, and the names it believes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postamt::config::{Config, Route, RouteTls};
use postamt::model::QueueId;
use postamt::service::App;
use postamt::service::outgoing::resolve::{NameError, Names};
use postamt::service::outgoing::{Submission, SubmissionRecipient, Worker};
use postamt::smtp::client::SmtpTransport;
use postamt::store::Store;
use postamt::store::queue::QueueRow;

use crate::common::TestDb;
use crate::common::fixtures::TestAccount;
use crate::peer::Peer;

/// A DNS of two tables; what is in neither does not exist.
#[derive(Default)]
pub struct Zone {
    /// MX records by domain.
    pub mx: HashMap<&'static str, Vec<(u16, &'static str)>>,
    /// Addresses by host.
    pub hosts: HashMap<&'static str, Vec<IpAddr>>,
}

#[async_trait]
impl Names for Zone {
    async fn mx(&self, domain: &str) -> Result<Vec<(u16, String)>, NameError> {
        self.mx
            .get(domain)
            .map(|all| all.iter().map(|(p, h)| (*p, (*h).to_owned())).collect())
            .ok_or(NameError::NoSuchName)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        self.hosts.get(host).cloned().ok_or(NameError::NoSuchName)
    }
}

/// Our host.
pub struct World {
    /// The database.
    pub db: TestDb,
    /// The program.
    pub app: App,
    config: Arc<Config>,
    names: Arc<Zone>,
}

impl World {
    /// With mail for `y.test` going to `peer`.
    pub async fn with_peer(peer: &Peer) -> Self {
        Self::new(|config| {
            config.queue.routes.insert("y.test".to_owned(), route(peer));
        })
        .await
    }

    /// With settings of one's own and a DNS that knows nothing.
    pub async fn new(settings: impl FnOnce(&mut Config)) -> Self {
        Self::with_names(settings, Zone::default()).await
    }

    /// With a DNS too.
    pub async fn with_names(settings: impl FnOnce(&mut Config), names: Zone) -> Self {
        let db = TestDb::new().await;
        let mut config = Config::default();
        "mail.x.test".clone_into(&mut config.server.hostname);
        config.queue.poll = Duration::from_mins(5);
        settings(&mut config);
        config.validate().unwrap();
        let config = Arc::new(config);
        Self {
            app: App::new(Arc::clone(&config), db.store.clone()),
            db,
            config,
            names: Arc::new(names),
        }
    }

    /// A worker of this node.
    pub fn worker(&self) -> Worker {
        self.worker_of(&self.app)
    }

    /// A worker of another node on the same database.
    pub fn node(&self, store: Store) -> Worker {
        self.worker_of(&App::new(Arc::clone(&self.config), store))
    }

    fn worker_of(&self, app: &App) -> Worker {
        Worker::new(
            app.clone(),
            Arc::new(SmtpTransport::new(&self.config)),
            Arc::<Zone>::clone(&self.names),
        )
    }

    /// Delivers what is due when `hours` have passed.
    pub async fn drain_after(&self, hours: u64) -> usize {
        let worker = self.worker().ahead(Duration::from_hours(hours));
        worker.drain().await.unwrap()
    }

    /// Submits a small message.
    pub async fn submit(&self, from: &TestAccount, to: &[&str]) -> QueueId {
        let text = format!("From: {}\r\nSubject: Hello\r\n\r\nText\r\n", from.address);
        self.submit_text(from, to, &text).await.unwrap()
    }

    /// Submits any message.
    pub async fn submit_text(
        &self,
        from: &TestAccount,
        to: &[&str],
        text: &str,
    ) -> Result<QueueId, postamt::error::Refusal> {
        let message = self.app.mail.receive_whole(text.as_bytes()).await?;
        self.app
            .outgoing
            .submit(&submission(from, to), &message)
            .await
    }

    /// Everything in the queue and the log.
    pub async fn rows(&self) -> Vec<QueueRow> {
        self.app
            .outgoing
            .list(QueueId(0), true, 1_000)
            .await
            .unwrap()
    }

    /// The states of all recipients, in order.
    pub async fn states(&self) -> Vec<String> {
        self.rows().await.into_iter().map(|row| row.state).collect()
    }

    /// Subjects in an account's inbox, oldest first.
    pub async fn subjects(&self, account: &TestAccount) -> Vec<String> {
        sqlx::query_scalar(
            "select e.subject
               from message m
               join email e using (account_id, email_id)
              where m.account_id = $1
                and m.folder_id = $2
              order by m.uid",
        )
        .bind(account.id)
        .bind(account.inbox())
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }

    /// The newest message in an account's inbox, whole.
    pub async fn newest(&self, account: &TestAccount) -> String {
        let body: i64 = self
            .db
            .number(
                "select e.body_id
                   from message m
                   join email e using (account_id, email_id)
                  where m.account_id = $1
                  order by m.uid desc
                  limit 1",
                account.id,
            )
            .await;
        let bytes = self
            .db
            .store
            .body_whole(account.id, postamt::model::BodyId(body))
            .await
            .unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

/// A route to a peer.
pub fn route(peer: &Peer) -> Route {
    Route {
        host: peer.address.to_string(),
        tls: RouteTls::Opportunistic,
        verify: None,
        username: None,
        password: None,
    }
}

/// A plain submission.
pub fn submission(from: &TestAccount, to: &[&str]) -> Submission {
    Submission {
        account: from.id,
        sender: Some(from.address.parse().unwrap()),
        ret_full: false,
        env_id: None,
        smtputf8: false,
        client_id: None,
        recipients: to
            .iter()
            .map(|address| SubmissionRecipient {
                address: address.parse().unwrap(),
                notify: Vec::new(),
                orcpt: None,
            })
            .collect(),
    }
}
