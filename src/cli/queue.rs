//! `postamt queue`.

use std::process::ExitCode;

use postamt::model::QueueId;
use postamt::service::App;
use time::OffsetDateTime;

use crate::Queue;

/// `postamt queue …`
pub async fn queue(app: &App, command: Queue) -> anyhow::Result<ExitCode> {
    match command {
        Queue::List { all } => list(app, all).await?,
        Queue::Retry { id } => {
            let due = app.outgoing.retry(id.map(QueueId)).await?;
            println!("{due} recipients are tried again now.");
        }
        Queue::Drop { id } => {
            let dropped = app.outgoing.drop_message(QueueId(id)).await?;
            anyhow::ensure!(
                dropped > 0,
                "no recipient of message {id} waits in the queue"
            );
            println!("Message {id} is dropped; {dropped} recipients do not get it.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, all: bool) -> anyhow::Result<()> {
    let mut after = QueueId(0);
    let mut shown = 0_u64;
    loop {
        let page = app.outgoing.list(after, all, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        // A message's recipients come together; the page that is full may end inside of them.
        let (whole, next) = match page.iter().position(|row| row.queue_id == last.queue_id) {
            Some(cut) if cut > 0 && i64::try_from(page.len())? == PAGE => (
                cut,
                page.get(cut - 1).map_or(last.queue_id, |row| row.queue_id),
            ),
            _ => (page.len(), last.queue_id),
        };
        after = next;
        for row in page.into_iter().take(whole) {
            shown += 1;
            let sender = if row.sender.is_empty() {
                "<>"
            } else {
                &row.sender
            };
            println!(
                "{:>8}  {:<8}  {} -> {}",
                row.queue_id.0, row.state, sender, row.address
            );
            let wait = (row.next_at - OffsetDateTime::now_utc())
                .whole_seconds()
                .max(0);
            let when = match (row.state.as_str(), row.is_leased) {
                ("waiting", true) => "under way".to_owned(),
                ("waiting", false) => format!("next try in {wait} s"),
                _ => format!("came {}", row.created_at.date()),
            };
            let tls = row.tls.unwrap_or_else(|| "no connection yet".to_owned());
            println!(
                "          {} octets, {} tries, {when}, {tls}",
                row.size_bytes, row.attempts
            );
            if let Some(reply) = row.last_reply {
                let host = row.last_host.unwrap_or_default();
                println!("          {host} {}", reply.escape_debug());
            }
        }
    }
    if shown == 0 {
        println!("The queue is empty.");
    }
    Ok(())
}

const PAGE: i64 = 500;
