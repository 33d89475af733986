//! Delivers scheduling messages: leases a job row, one transaction a guest, and notes how far it came.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::schedule::{Batch, KIND, payload};
use crate::error::Refusal;
use crate::service::App;
use crate::service::items::{Denied, Items};

/// How long a node may be silent before another takes its work.
const LEASE_SECONDS: i32 = 60;
/// How long work waits after the database was away.
const PAUSE_SECONDS: i32 = 10;
/// Beyond so many attempts a job is given up.
const MAX_ATTEMPTS: i32 = 50;
/// How often rows of other nodes are looked for.
const POLL: Duration = Duration::from_secs(5);
/// Messages between two notes of how far it came.
const NOTE_EVERY: usize = 20;

/// Delivers until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.items.work.notified() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        if let Err(e) = app.items.deliver_waiting().await {
            debug!(error = %e, "scheduling messages wait");
        }
    }
}

impl Items {
    /// Delivers every scheduling message that waits; returns how many were taken in or refused.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]: the rest waits.
    pub async fn deliver_waiting(&self) -> Result<usize, Refusal> {
        let mut delivered = 0;
        while let Some(job) = self.store.lease_job(KIND, LEASE_SECONDS).await? {
            let Ok(mut batch) = serde_json::from_value::<Batch>(job.payload) else {
                warn!(job = job.job_id, "a scheduling job cannot be read");
                self.store.end_job(job.job_id).await?;
                continue;
            };
            if job.attempts > MAX_ATTEMPTS {
                warn!(
                    job = job.job_id,
                    done = batch.done,
                    of = batch.letters.len(),
                    "a scheduling job is given up"
                );
                self.store.end_job(job.job_id).await?;
                continue;
            }
            while let Some(letter) = batch.letters.get(batch.done) {
                let text = batch.texts.get(letter.text).map_or("", String::as_str);
                match self.take_in(&batch.from, letter, text).await {
                    Ok(()) => {}
                    Err(Denied::Refused(
                        e @ (Refusal::Unavailable(_) | Refusal::StorageFull(_)),
                    )) => {
                        self.store
                            .keep_job(job.job_id, &payload(&batch)?, 0)
                            .await?;
                        self.store.put_off_job(job.job_id, PAUSE_SECONDS).await?;
                        return Err(e);
                    }
                    // A full account, or one without a calendar, misses this message.
                    Err(e) => {
                        warn!(account = letter.to.0, error = %e, "a scheduling message was not taken in");
                    }
                }
                batch.done += 1;
                delivered += 1;
                if batch.done % NOTE_EVERY == 0 {
                    self.store
                        .keep_job(job.job_id, &payload(&batch)?, LEASE_SECONDS)
                        .await?;
                }
            }
            self.store.end_job(job.job_id).await?;
        }
        Ok(delivered)
    }
}
