//! The queue's workers on one node: take what is due, deliver, record.
//!
//! One dispatcher claims and spawns; a delivery keeps its connection for further messages to the same destination. Nodes know
//! nothing of each other: the claim keeps them apart, and the lease takes up what a dead one held (S-07).
//!
//! The order that makes S-07 true: the other host says 250, then one transaction records it and drops the bytes. If that
//! transaction fails the record is tried again as long as the lease lasts; if this process dies there, the message is sent
//! a second time after the lease, and never lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use super::bounce::{Decision, decide};
use super::deliver::Line;
use super::resolve::Names;
use super::transport::Transport;
use crate::error::Refusal;
use crate::service::App;
use crate::store::queue::{Claim, Fate, Outcome, Queue};

/// The workers of one node.
pub struct Worker {
    pub(super) app: App,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) names: Arc<dyn Names>,
    pub(super) queue: Queue,
    /// Deliveries at work, by destination.
    busy: Mutex<HashMap<String, usize>>,
    /// A delivery ended: there is room for another.
    freed: Notify,
}

impl Worker {
    /// Workers that reach other hosts by `transport` and find them by `names`.
    #[must_use]
    pub fn new(app: App, transport: Arc<dyn Transport>, names: Arc<dyn Names>) -> Self {
        Self {
            queue: app.outgoing.queue.clone(),
            app,
            transport,
            names,
            busy: Mutex::new(HashMap::new()),
            freed: Notify::new(),
        }
    }

    /// The same, as it will be when `by` has passed: for tests that do not wait five days.
    #[must_use]
    pub fn ahead(mut self, by: Duration) -> Self {
        self.queue = self.queue.ahead(by);
        self
    }

    /// Works until `stop`; what is at work then is finished first.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut housekeeping = interval_at(Instant::now() + FIRST_SWEEP, SWEEP);
        let mut counting = interval(COUNT);
        loop {
            while let Some(ended) = tasks.try_join_next() {
                note(ended);
            }
            if stop.is_cancelled() {
                break;
            }
            let wait = match self.fill(&mut tasks, &stop).await {
                Ok(wait) => wait,
                Err(e) => {
                    tracing::error!(error = %e, "the outgoing queue cannot be read");
                    self.app.config.queue.poll
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.app.outgoing.wake.notified() => {}
                () = self.freed.notified() => {}
                () = sleep(wait) => {}
                _ = counting.tick() => self.count().await,
                _ = housekeeping.tick() => self.sweep().await,
            }
        }
        while let Some(ended) = tasks.join_next().await {
            note(ended);
        }
    }

    /// Delivers everything that is due, one after the other, and returns how many claims that were. What `run` does, for
    /// tests and for a queue that is to be emptied once.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn drain(&self) -> Result<usize, Refusal> {
        let mut done = 0;
        let mut line = None;
        while let Some(claim) = self.claim(&[], None).await? {
            self.process(claim, &mut line).await;
            done += 1;
        }
        if let Some(line) = line {
            line.quit().await;
        }
        Ok(done)
    }

    /// Starts as many deliveries as there is work and room for; says how long to sleep when nobody wakes us.
    async fn fill(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<Duration, Refusal> {
        let settings = &self.app.config.queue;
        while tasks.len() < settings.workers {
            let full = self.full_destinations();
            let Some(claim) = self.claim(&full, None).await? else {
                let due = self.queue.next_due().await?.unwrap_or(settings.poll);
                // Due, but its destination is full: `freed` wakes us.
                return Ok(if full.is_empty() {
                    due.clamp(SHORTEST_SLEEP, settings.poll)
                } else {
                    settings.poll
                });
            };
            let place = Place::take(Arc::clone(self), &claim.destination);
            let (worker, stop) = (Arc::clone(self), stop.clone());
            tasks.spawn(async move {
                worker.follow(claim, &stop).await;
                drop(place);
            });
        }
        Ok(settings.poll)
    }

    /// One claim, and then others to the same destination as long as the connection is good.
    async fn follow(&self, first: Claim, stop: &CancellationToken) {
        let destination = first.destination.clone();
        let mut line = None;
        let mut next = Some(first);
        while let Some(claim) = next.take() {
            self.process(claim, &mut line).await;
            if line.is_some() && !stop.is_cancelled() {
                next = match self.claim(&[], Some(&destination)).await {
                    Ok(next) => next,
                    Err(e) => {
                        tracing::error!(error = %e, "the outgoing queue cannot be read");
                        None
                    }
                };
            }
        }
        if let Some(line) = line {
            line.quit().await;
        }
    }

    async fn claim(&self, full: &[String], only: Option<&str>) -> Result<Option<Claim>, Refusal> {
        let settings = &self.app.config.queue;
        let recipients = i64::try_from(settings.recipients).unwrap_or(i64::MAX);
        Ok(self
            .queue
            .claim(full, only, recipients, settings.lease)
            .await?)
    }

    /// Delivers one claim, holding its lease meanwhile, and records what became of it.
    async fn process(&self, claim: Claim, line: &mut Option<Line>) {
        let lease = self.app.config.queue.lease;
        let mut held = claim.clone();
        let mut renewal = interval_at(Instant::now() + lease / 3, lease / 3);
        let told = {
            let mut delivery = std::pin::pin!(self.deliver(&claim, line));
            loop {
                tokio::select! {
                    told = &mut delivery => break told,
                    _ = renewal.tick() => match self.queue.renew(&mut held, lease).await {
                        Ok(true) => {}
                        // Dropped by an operator, or taken over after a long outage: not ours any more.
                        Ok(false) => return,
                        Err(e) => tracing::warn!(queue_id = claim.queue_id.0, error = %e, "lease not renewed"),
                    },
                }
            }
        };
        let settings = &self.app.config.queue;
        let decisions: Vec<Decision> = claim
            .recipients
            .iter()
            .zip(&told)
            .map(|(recipient, told)| decide(&held, recipient, told, settings))
            .collect();
        self.record(&held, &decisions).await;
    }

    /// Tries to record as long as the lease lasts: a delivery that is not recorded happens twice.
    async fn record(&self, claim: &Claim, decisions: &[Decision]) {
        let until = Instant::now() + self.app.config.queue.lease;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.record_once(claim, decisions).await {
                Ok(()) => break,
                Err(e) if Instant::now() + pause < until => {
                    tracing::error!(queue_id = claim.queue_id.0, error = %e, "a delivery is not recorded yet");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(e) => {
                    tracing::error!(queue_id = claim.queue_id.0, error = %e, "a delivery was not recorded and will be repeated");
                    return;
                }
            }
        }
        for decision in decisions {
            log(claim, decision);
        }
        if let Some(account) = claim.account
            && let Err(e) = self.app.tell_of_sending(account, claim.queue_id).await
        {
            // It is recorded; only the open pages hear of it late.
            tracing::debug!(queue_id = claim.queue_id.0, error = %e, "pages were not told of a delivery");
        }
    }

    async fn record_once(&self, claim: &Claim, decisions: &[Decision]) -> Result<(), Refusal> {
        let written = self.notices(claim, decisions).await?;
        let notices: Vec<_> = written
            .iter()
            .map(|w| w.notice(&self.app.outgoing))
            .collect();
        let outcomes: Vec<Outcome> = decisions.iter().map(|d| d.outcome.clone()).collect();
        let done = self.queue.finish(claim, &outcomes, &notices).await?;
        if done.notices > 0 {
            self.app.outgoing.wake();
        }
        Ok(())
    }

    fn full_destinations(&self) -> Vec<String> {
        let most = self.app.config.queue.per_destination;
        self.busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(_, n)| **n >= most)
            .map(|(destination, _)| destination.clone())
            .collect()
    }

    /// The gauges of `/metrics`.
    async fn count(&self) {
        if let Ok(counts) = self.queue.counts().await {
            for (name, value) in [
                ("postamt_queue_messages", counts.messages),
                ("postamt_queue_recipients_waiting", counts.waiting),
                ("postamt_queue_recipients_deferred", counts.deferred),
                ("postamt_queue_recipients_leased", counts.leased),
            ] {
                metrics::gauge!(name).set(f64::from(i32::try_from(value).unwrap_or(i32::MAX)));
            }
            metrics::gauge!("postamt_queue_oldest_seconds").set(counts.oldest_secs);
        }
    }

    /// Removes what is old from the delivery log.
    async fn sweep(&self) {
        loop {
            match self.queue.sweep(self.app.config.queue.history).await {
                Ok(500) => {}
                Ok(_) => return,
                Err(e) => {
                    tracing::warn!(error = %e, "the delivery log was not swept");
                    return;
                }
            }
        }
    }
}

/// A delivery's place in the count of its destination; dropping it makes room.
struct Place {
    worker: Arc<Worker>,
    destination: String,
}

impl Place {
    fn take(worker: Arc<Worker>, destination: &str) -> Self {
        *worker
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(destination.to_owned())
            .or_default() += 1;
        Self {
            worker,
            destination: destination.to_owned(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut busy = self
            .worker
            .busy
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = busy.get_mut(&self.destination) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                busy.remove(&self.destination);
            }
        }
        drop(busy);
        self.worker.freed.notify_one();
    }
}

/// One line and one count a recipient; the words of the other host, never the message's.
fn log(claim: &Claim, decision: &Decision) {
    let outcome = &decision.outcome;
    let result = match outcome.fate {
        Fate::Sent => "sent",
        Fate::Failed => "failed",
        Fate::Retry { .. } => "deferred",
    };
    let tls = outcome.tls.clone().unwrap_or_else(|| "-".to_owned());
    metrics::counter!("postamt_outgoing_total", "result" => result, "tls" => tls.clone())
        .increment(1);
    if decision.is_silent_failure {
        // No sender who may be told: a notice that failed itself, or mail of the program.
        metrics::counter!("postamt_outgoing_dropped_total").increment(1);
    }
    tracing::info!(
        queue_id = claim.queue_id.0,
        account = claim.account.map(|a| a.0),
        recipient = outcome.recipient_id,
        destination = %claim.destination,
        result,
        tls = %tls,
        host = %outcome.host,
        status = %outcome.status,
        reply = %outcome.reply,
        dropped = decision.is_silent_failure,
        "outgoing delivery"
    );
}

/// A delivery that panicked is one delivery: its lease runs out and it is tried again.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(e) = ended
        && e.is_panic()
    {
        metrics::counter!("postamt_panics_total", "door" => "queue").increment(1);
        tracing::error!("a delivery panicked");
    }
}

/// The queue is not looked through more often than this, whatever is due.
const SHORTEST_SLEEP: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const FIRST_SWEEP: Duration = Duration::from_mins(1);
const COUNT: Duration = Duration::from_secs(15);
const SWEEP: Duration = Duration::from_hours(1);
