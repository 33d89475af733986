//! Choosing what to tell: the page behind a generation, and the lost answer again.
//!
//! One page, in this order: what left and changed, what fell out of the filter, what arrived, the first sync's rest, what a wider
//! filter lets in. Numbers are read before rows, so what comes in between comes again and is never lost.

use super::Devices;
use super::mail_sync::{Entry, Generation, Page, Position, SyncFault, Tell};
use crate::model::{AccountId, FolderId, ModSeq, SyncPoint};
use crate::store::changes::ChangesError;
use crate::store::device_sync::{Bound, DeviceChange, Interval};

impl Devices {
    /// The page behind a generation, at most `window` entries.
    #[expect(
        clippy::too_many_lines,
        reason = "five groups in one order, each a straight line"
    )]
    pub(super) async fn page(
        &self,
        account: AccountId,
        folder: FolderId,
        from: &Generation,
        target: Bound,
        window: usize,
    ) -> Result<Page, SyncFault> {
        let mut place = from.position;
        let mut entries: Vec<Entry> = Vec::new();
        // One more than may be told says whether there is more.
        let most = window.saturating_add(1);
        let highest = loop {
            let found = self
                .store
                .device_changes(account, folder, place.point, place.known, BATCH)
                .await
                .map_err(changes_fault)?;
            for change in &found.changes {
                place.point.modseq = change.modseq;
                place.point.object = change.uid;
                if !is_own(&from.echo, change) {
                    let tell = if change.is_gone {
                        Tell::Delete
                    } else {
                        Tell::Change
                    };
                    entries.push(Entry {
                        tell,
                        uid: change.uid,
                        after: place,
                    });
                }
                if entries.len() == most {
                    return Ok(cut(entries, window, place));
                }
            }
            if !found.more {
                place.point = SyncPoint {
                    modseq: found.upto,
                    object: i64::MAX,
                    floor: place.point.floor,
                };
                break found.highest;
            }
        };
        if target > place.known.bound {
            let interval = (place.known.backfill, place.known.frontier);
            let bounds = (place.known.bound, target);
            let left = self
                .store
                .uids_by_date(
                    account,
                    folder,
                    interval,
                    bounds,
                    false,
                    most - entries.len(),
                )
                .await?;
            for message in left {
                place.known.bound = Bound {
                    at: message.received_at,
                    id: message.uid + 1,
                };
                entries.push(Entry {
                    tell: Tell::SoftDelete,
                    uid: message.uid,
                    after: place,
                });
                if entries.len() == most {
                    return Ok(cut(entries, window, place));
                }
            }
            place.known.bound = target;
        }
        if highest > place.known.frontier {
            let range = (place.known.frontier + 1, highest);
            let came = self
                .store
                .uids_between(
                    account,
                    folder,
                    range,
                    place.known.bound,
                    false,
                    most - entries.len(),
                )
                .await?;
            for uid in came {
                place.known.frontier = uid;
                entries.push(Entry {
                    tell: Tell::Add,
                    uid,
                    after: place,
                });
                if entries.len() == most {
                    return Ok(cut(entries, window, place));
                }
            }
            place.known.frontier = highest;
        }
        if place.known.backfill > 0 {
            let range = (1, place.known.backfill);
            let older = self
                .store
                .uids_between(
                    account,
                    folder,
                    range,
                    place.known.bound,
                    true,
                    most - entries.len(),
                )
                .await?;
            for uid in older {
                place.known.backfill = uid - 1;
                entries.push(Entry {
                    tell: Tell::Add,
                    uid,
                    after: place,
                });
                if entries.len() == most {
                    return Ok(cut(entries, window, place));
                }
            }
            place.known.backfill = 0;
        }
        if target < place.known.bound {
            let interval = (place.known.backfill, place.known.frontier);
            let bounds = (target, place.known.bound);
            let let_in = self
                .store
                .uids_by_date(
                    account,
                    folder,
                    interval,
                    bounds,
                    true,
                    most - entries.len(),
                )
                .await?;
            for message in let_in {
                place.known.bound = Bound {
                    at: message.received_at,
                    id: message.uid,
                };
                entries.push(Entry {
                    tell: Tell::Add,
                    uid: message.uid,
                    after: place,
                });
                if entries.len() == most {
                    return Ok(cut(entries, window, place));
                }
            }
            place.known.bound = target;
        }
        Ok(Page {
            entries,
            end: place,
            more: false,
        })
    }

    /// The lost answer again: the same stretch from `from` to `to`, with the content of now.
    pub(super) async fn lost_page(
        &self,
        account: AccountId,
        folder: FolderId,
        from: &Generation,
        to: &Generation,
        target: Bound,
    ) -> Result<Page, SyncFault> {
        let (old, new) = (from.position, to.position);
        let mut entries: Vec<Entry> = Vec::new();
        let mut push = |tell, uid| {
            entries.push(Entry {
                tell,
                uid,
                after: new,
            });
        };
        // What left, of whatever the device may have by now: from either interval, up to now.
        let either = Interval {
            backfill: old.known.backfill.min(new.known.backfill),
            frontier: old.known.frontier.max(new.known.frontier),
            bound: old.known.bound.min(new.known.bound),
        };
        let mut point = old.point;
        loop {
            let found = self
                .store
                .device_changes(account, folder, point, either, BATCH)
                .await
                .map_err(changes_fault)?;
            for change in &found.changes {
                point.modseq = change.modseq;
                point.object = change.uid;
                let is_told =
                    (change.modseq.0, change.uid) <= (new.point.modseq.0, new.point.object);
                // The device's own doings are told, too: it may have lost them with the answer, and knows them without harm.
                if change.is_gone {
                    push(Tell::Delete, change.uid);
                } else if is_told && knows(old.known, change.uid) {
                    push(Tell::Change, change.uid);
                }
            }
            if !found.more {
                break;
            }
        }
        if new.known.bound > old.known.bound {
            let interval = (old.known.backfill, old.known.frontier);
            let bounds = (old.known.bound, new.known.bound);
            for message in self
                .store
                .uids_by_date(account, folder, interval, bounds, false, usize::MAX)
                .await?
            {
                push(Tell::SoftDelete, message.uid);
            }
        }
        let fresh = self
            .store
            .uids_new_between(account, folder, old.known, new.known)
            .await?;
        for uid in fresh {
            push(Tell::Add, uid);
        }
        // An Add of now carries the flags of now.
        let added: Vec<i64> = entries
            .iter()
            .filter(|e| e.tell == Tell::Add)
            .map(|e| e.uid)
            .collect();
        entries.retain(|e| e.tell != Tell::Change || !added.contains(&e.uid));
        let more = !self
            .page(account, folder, to, target, 1)
            .await?
            .entries
            .is_empty();
        Ok(Page {
            entries,
            end: new,
            more,
        })
    }
}

fn changes_fault(e: ChangesError) -> SyncFault {
    match e {
        ChangesError::NotFound => SyncFault::NoFolder,
        ChangesError::TooOld => SyncFault::Key,
        ChangesError::Store(e) => SyncFault::Refused(e.into()),
    }
}

fn knows(known: Interval, uid: i64) -> bool {
    uid > known.backfill && uid <= known.frontier
}

fn is_own(echo: &[(i64, ModSeq)], change: &DeviceChange) -> bool {
    echo.contains(&(change.uid, change.modseq))
}

fn cut(mut entries: Vec<Entry>, window: usize, end: Position) -> Page {
    entries.truncate(window);
    Page {
        entries,
        end,
        more: true,
    }
}

/// Rows of one look.
const BATCH: usize = 512;
