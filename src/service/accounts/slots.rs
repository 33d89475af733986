//! How many verifications of one name may run at once, and which of them are one (`security.md` 4.8).
//!
//! There are never more verifications under way than failures are left on the counters that bind them, so at most five
//! distinct wrong passwords are tried before the lock holds, however many connections ask. Who finds no slot waits for
//! one; nobody is refused for waiting. Attempts with identical credentials wait for one verification together.
//!
//! Only of this node: between nodes the counters' statement has the last word.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

/// The running verifications of this node, by name.
#[derive(Debug, Default)]
pub struct Slots {
    names: Mutex<HashMap<String, Running>>,
}

#[derive(Debug, Default)]
struct Running {
    by_source: HashMap<String, usize>,
    strangers: usize,
    /// Everybody who holds or awaits a slot of this name; the entry goes with the last one.
    users: usize,
    freed: Arc<Notify>,
}

/// How many failures are left on the counters that bind an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// On name and source.
    pub pair: usize,
    /// On the name alone; `None` for a known device, which it does not bind.
    pub name: Option<usize>,
}

/// Somebody who wants to verify; dropping it gives back what it holds.
#[derive(Debug)]
pub struct Waiter<'a> {
    slots: &'a Slots,
    name: &'a str,
    source: &'a str,
    holds: Option<Left>,
    freed: Arc<Notify>,
}

impl Slots {
    /// Lines up for a slot of `name`.
    pub fn wait<'a>(&'a self, name: &'a str, source: &'a str) -> Waiter<'a> {
        let mut names = lock(&self.names);
        let running = names.entry(name.to_owned()).or_default();
        running.users += 1;
        Waiter {
            slots: self,
            name,
            source,
            holds: None,
            freed: Arc::clone(&running.freed),
        }
    }
}

impl Waiter<'_> {
    /// Resolves at the next slot that is given back. Make it before asking [`Waiter::take`], so that none is missed.
    pub fn freed(&self) -> impl Future<Output = ()> + use<> {
        let freed = Arc::clone(&self.freed);
        let mut notified = Box::pin(freed.notified_owned());
        notified.as_mut().enable();
        notified
    }

    /// Takes a slot if fewer run than failures are `left`.
    pub fn take(&mut self, left: Left) -> bool {
        let mut names = lock(&self.slots.names);
        let Some(running) = names.get_mut(self.name) else {
            return false;
        };
        let same_source = running.by_source.get(self.source).copied().unwrap_or(0);
        if same_source >= left.pair || left.name.is_some_and(|name| running.strangers >= name) {
            return false;
        }
        running
            .by_source
            .insert(self.source.to_owned(), same_source + 1);
        if left.name.is_some() {
            running.strangers += 1;
        }
        self.holds = Some(left);
        true
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut names = lock(&self.slots.names);
        let Some(running) = names.get_mut(self.name) else {
            return;
        };
        if let Some(held) = self.holds {
            if held.name.is_some() {
                running.strangers = running.strangers.saturating_sub(1);
            }
            if let Some(count) = running.by_source.get_mut(self.source) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    running.by_source.remove(self.source);
                }
            }
            running.freed.notify_waiters();
        }
        running.users = running.users.saturating_sub(1);
        if running.users == 0 {
            names.remove(self.name);
        }
    }
}

/// Work that several ask for at once and one does.
#[derive(Debug)]
pub struct Shared<T> {
    under_way: Mutex<HashMap<[u8; 32], watch::Receiver<Option<T>>>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            under_way: Mutex::new(HashMap::new()),
        }
    }
}

/// What one gets from work that is shared.
#[derive(Debug)]
pub enum Share<T, M> {
    /// One did it oneself; `M` is what only the doer has.
    Did(T, M),
    /// Another one did it meanwhile.
    Got(T),
}

impl<T: Clone + Send + Sync> Shared<T> {
    /// Does `work`, or waits for the one who is at the same `key`. Who gives up half way leaves it to the next.
    pub async fn run<M, F: Future<Output = (T, M)>>(
        &self,
        key: [u8; 32],
        work: impl FnOnce() -> F,
    ) -> Share<T, M> {
        let (sender, _done) = loop {
            let mut other = {
                let mut under_way = lock(&self.under_way);
                let Some(other) = under_way.get(&key) else {
                    let (sender, receiver) = watch::channel(None);
                    under_way.insert(key, receiver);
                    break (sender, Done { shared: self, key });
                };
                other.clone()
            };
            let got = other.wait_for(Option::is_some).await;
            if let Ok(got) = got
                && let Some(got) = got.clone()
            {
                return Share::Got(got);
            }
        };
        let (outcome, mine) = work().await;
        sender.send_replace(Some(outcome.clone()));
        Share::Did(outcome, mine)
    }
}

struct Done<'a, T> {
    shared: &'a Shared<T>,
    key: [u8; 32],
}

impl<T> Drop for Done<'_, T> {
    fn drop(&mut self) {
        lock(&self.shared.under_way).remove(&self.key);
    }
}

/// The maps are plain data: a panic elsewhere leaves nothing half done in them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;

    const FIVE: Left = Left {
        pair: 5,
        name: Some(5),
    };

    #[test]
    fn no_more_run_than_failures_are_left() {
        let slots = Slots::default();
        let mut held: Vec<Waiter<'_>> = (0..5).map(|_| slots.wait("anna", "s")).collect();
        assert!(held.iter_mut().all(|w| w.take(FIVE)));
        let mut sixth = slots.wait("anna", "s");
        assert!(!sixth.take(FIVE));
        let mut elsewhere = slots.wait("anna", "t");
        assert!(!elsewhere.take(FIVE), "the name's counter binds strangers");
        assert!(
            elsewhere.take(Left {
                pair: 5,
                name: None
            }),
            "and no known device"
        );
        let mut other = slots.wait("bert", "s");
        assert!(other.take(FIVE));
        held.pop();
        assert!(sixth.take(FIVE));
        drop((held, sixth, elsewhere, other));
        assert!(lock(&slots.names).is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_a_slot_that_is_given_back() {
        let slots = Slots::default();
        let one = Left {
            pair: 1,
            name: Some(1),
        };
        let mut first = slots.wait("anna", "s");
        assert!(first.take(one));
        let mut second = slots.wait("anna", "s");
        let mut freed = Box::pin(second.freed());
        assert!(!second.take(one));
        assert!(poll!(freed.as_mut()).is_pending());
        drop(first);
        assert!(poll!(freed.as_mut()).is_ready());
        assert!(second.take(one));
    }

    #[tokio::test]
    async fn the_same_work_is_done_once() {
        let shared: Shared<u8> = Shared::default();
        let (go, gone) = tokio::sync::oneshot::channel();
        let first = shared.run([1; 32], async || {
            gone.await.unwrap();
            (7, ())
        });
        let mut first = std::pin::pin!(first);
        assert!(poll!(first.as_mut()).is_pending());
        let second = shared.run::<(), _>([1; 32], async || panic!("done twice"));
        let mut second = std::pin::pin!(second);
        assert!(poll!(second.as_mut()).is_pending());
        go.send(()).unwrap();
        assert!(matches!(first.await, Share::Did(7, ())));
        assert!(matches!(second.await, Share::Got(7)));
        assert!(lock(&shared.under_way).is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_work_to_the_next() {
        let shared: Shared<u8> = Shared::default();
        {
            let first = shared.run::<(), _>([1; 32], std::future::pending);
            let mut first = std::pin::pin!(first);
            assert!(poll!(first.as_mut()).is_pending());
        }
        let second = shared.run([1; 32], async || (9, ())).await;
        assert!(matches!(second, Share::Did(9, ())));
    }
}
