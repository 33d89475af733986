//! Keeping house: what has had its time goes, once however many nodes run; and each night every counter is compared with what it
//! counts.
//!
//! One node at a time holds the advisory lock of a round. Accounts come in bites by ascending id; each step is a transaction of
//! its own, so that nobody waits long for an account's row.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Refusal;
use crate::model::AccountId;
use crate::service::{App, check};

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

/// Time after which the search index's waiting list is sorted in: a search may then have to read a second's deliveries in it.
const TIDY: Duration = Duration::from_secs(1);
/// The nightly check's name, and the hours that lie at least between two of them.
const CHECK: &str = "check";
const CHECK_HOURS: i32 = 20;
/// Hours after which it is made at daytime too: a host that is off at night, or one that is new.
const CHECK_LATE_HOURS: i32 = 40;
/// Hours of the night, in UTC; hosts of Europe and America are quiet then.
const NIGHT: std::ops::Range<u8> = 1..6;

/// Keeps the search index tidy until `stop`.
pub async fn tidy(app: App, stop: CancellationToken) {
    let mut pause = tokio::time::interval(TIDY);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = pause.tick() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            tidied = app.store().tidy_search() => if let Err(e) = tidied {
                tracing::debug!(error = %e, "the search index was not tidied");
            }
        }
    }
}

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
        let hour = time::OffsetDateTime::now_utc().hour();
        tokio::select! {
            () = stop.cancelled() => return,
            checked = nightly(&app, hour) => if let Err(e) = checked {
                tracing::warn!(error = %e, "the counters were not checked");
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
    // Behind the last day on which a return path is taken.
    let days = i32::try_from(app.config.queue.return_days).unwrap_or(i32::MAX);
    store.prune_kept_senders(days.saturating_add(2)).await?;
    turn.end().await?;
    Ok(())
}

/// The nightly check at `hour` (UTC), when it is due and no other node is at it; whether it was made.
///
/// Findings are logged and counted (`postamt_check_findings_total`); nothing is repaired.
///
/// # Errors
/// [`Refusal::Unavailable`]; the next round begins anew.
pub async fn nightly(app: &App, hour: u8) -> Result<bool, Refusal> {
    let hours = if NIGHT.contains(&hour) {
        CHECK_HOURS
    } else {
        CHECK_LATE_HOURS
    };
    let store = app.store();
    if !store.is_due(CHECK, hours).await? {
        return Ok(false);
    }
    let Some(turn) = store.take_turn(CHECK).await? else {
        return Ok(false);
    };
    // Another node may have ended its check between the question and our turn.
    let is_due = store.is_due(CHECK, hours).await?;
    if is_due {
        let looked = check::counters(app, |finding| {
            metrics::counter!("postamt_check_findings_total").increment(1);
            tracing::error!(
                place = finding.place,
                what = finding.what,
                "a counter is wrong"
            );
        })
        .await?;
        store.note_done(CHECK).await?;
        tracing::info!(accounts = looked.accounts, "all counters were checked");
    }
    turn.end().await?;
    Ok(is_due)
}
