//! Keeping house: what has had its time goes, once however many nodes run.
//!
//! One node at a time holds the advisory lock of a round. Accounts come in bites by ascending id; each step is a transaction of
//! its own, so that nobody waits long for an account's row.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Refusal;
use crate::model::AccountId;
use crate::service::App;

/// Time between two rounds.
const ROUND: Duration = Duration::from_hours(1);
/// Accounts read at once.
const ACCOUNTS: i64 = 500;
/// Days a tombstone is kept (DESIGN.md 3); an older sync token starts anew.
const TOMBSTONE_DAYS: i32 = 90;
/// Hours a sender's retry is known as one.
const DELIVERY_HOURS: i32 = 24;
/// Hours after which bytes that no session finished are given up.
const SPOOL_HOURS: i32 = 24;
/// Minutes a body that nobody refers to is left alone.
const BODY_MINUTES: i32 = 60;

/// Sweeps every hour until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    let mut hourly = tokio::time::interval(ROUND);
    hourly.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hourly.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep(&app) => if let Err(e) = swept {
                tracing::warn!(error = %e, "old rows were not swept");
            }
        }
    }
}

/// One round; at once back when another node is at it.
///
/// # Errors
/// [`Refusal::Unavailable`]; the next round goes on.
pub async fn sweep(app: &App) -> Result<(), Refusal> {
    let store = app.store();
    let Some(turn) = store.take_turn("sweep").await? else {
        return Ok(());
    };
    store.spool_sweep(SPOOL_HOURS).await?;
    store.prune_deliveries(DELIVERY_HOURS).await?;
    let mut after = AccountId(0);
    loop {
        let bite = store.accounts_after(after, ACCOUNTS).await?;
        let Some(last) = bite.last() else { break };
        after = *last;
        for account in bite {
            store.prune_tombstones(account, TOMBSTONE_DAYS).await?;
            store.prune_removed(account).await?;
            store.prune_undo(account).await?;
            while store.purge_bodies(account, BODY_MINUTES).await? > 0 {}
        }
    }
    turn.end().await?;
    Ok(())
}
