//! Ten senders at once, who remember what they were told, and a look into the mailboxes afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::common::smtp::Client;

/// What became of the letters of several senders.
#[derive(Debug, Default)]
pub struct Sent {
    /// Answered with 250.
    pub taken: BTreeSet<usize>,
    /// Without an answer, or told to come back.
    pub again: BTreeSet<usize>,
}

impl Sent {
    fn join(&mut self, other: Self) {
        self.taken.extend(other.taken);
        self.again.extend(other.again);
    }
}

/// Ten senders deliver different letters, numbered from `base` on, until the program is gone for good. `fault` happens when
/// so many letters were taken.
pub async fn ten_at_once(
    mx: SocketAddr,
    base: usize,
    letters: u32,
    fault: impl Future<Output = ()>,
) -> Sent {
    let enough = Arc::new(Semaphore::new(0));
    let senders: Vec<_> = (0..10)
        .map(|n| tokio::spawn(deliver_until_the_end(mx, base + n, Arc::clone(&enough))))
        .collect();
    enough.acquire_many(letters).await.unwrap().forget();
    fault.await;
    let mut sent = Sent::default();
    for sender in senders {
        sent.join(sender.await.unwrap());
    }
    sent
}

/// Delivers every tenth letter from `first` on until the connection breaks.
async fn deliver_until_the_end(mx: SocketAddr, first: usize, enough: Arc<Semaphore>) -> Sent {
    let mut sent = Sent::default();
    let Ok(mut client) = greeted(mx).await else {
        return sent;
    };
    for id in (first..).step_by(10) {
        match deliver(&mut client, id).await {
            Ok(answer) if answer.starts_with("250 ") => {
                sent.taken.insert(id);
                enough.add_permits(1);
            }
            Ok(answer) => {
                assert!(answer.starts_with('4'), "{answer}");
                sent.again.insert(id);
                return sent;
            }
            Err(_) => {
                sent.again.insert(id);
                return sent;
            }
        }
    }
    unreachable!("the fault comes some time")
}

/// A client that may send.
pub async fn greeted(mx: SocketAddr) -> Result<Client, String> {
    let mut client = Client::to(mx).await.map_err(|e| e.to_string())?;
    client.reply().await?;
    client.send(b"EHLO client.example\r\n").await;
    client.reply().await?;
    Ok(client)
}

/// Delivers one letter to anna and bob; the answer that decides. An error: the connection is gone.
pub async fn deliver(client: &mut Client, id: usize) -> Result<String, String> {
    for line in [
        "RSET",
        "MAIL FROM:<me@away.example>",
        "RCPT TO:<anna@x.test>",
        "RCPT TO:<bob@x.test>",
        "DATA",
    ] {
        client.send(format!("{line}\r\n").as_bytes()).await;
        let reply = client.reply().await?.swap_remove(0);
        if !reply.starts_with(['2', '3']) {
            return Ok(reply);
        }
    }
    let text = "x".repeat(70);
    let letter = format!(
        "Subject: letter {id}\r\n\r\n{}.\r\n",
        format!("{text}\r\n").repeat(100)
    );
    client.send(letter.as_bytes()).await;
    Ok(client.reply().await?.swap_remove(0))
}

/// How often each letter lies in a user's mailbox.
pub async fn letters(pool: &PgPool, user: &str) -> BTreeMap<usize, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select e.subject, count(*)
           from account a
           join message m on m.account_id = a.account_id
           join email e on e.account_id = a.account_id and e.email_id = m.email_id
          where a.address = $1
          group by e.subject",
    )
    .bind(format!("{user}@x.test"))
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter()
        .filter_map(|(subject, count)| {
            Some((subject.strip_prefix("letter ")?.parse().unwrap(), count))
        })
        .collect()
}

/// Everything taken is there once, for both; what was not answered at most once.
pub async fn assert_exactly_once(pool: &PgPool, taken: &BTreeSet<usize>) {
    for user in ["anna", "bob"] {
        let there = letters(pool, user).await;
        for id in taken {
            assert_eq!(there.get(id), Some(&1), "letter {id} of {user}");
        }
        assert!(there.values().all(|count| *count == 1), "{user}: {there:?}");
    }
}

/// The senders come back with what was not answered: then everything is there once.
pub async fn try_again(mx: SocketAddr, pool: &PgPool, sent: &Sent) {
    let mut client = greeted(mx).await.unwrap();
    for id in &sent.again {
        let answer = deliver(&mut client, *id).await.unwrap();
        assert!(answer.starts_with("250 "), "{answer}");
    }
    let all: BTreeSet<usize> = sent.taken.union(&sent.again).copied().collect();
    assert_exactly_once(pool, &all).await;
    assert_eq!(letters(pool, "anna").await.len(), all.len());
}
