//! An IMAP client with CONDSTORE and QRESYNC (RFC 7162): one number a folder, VANISHED and FETCH behind it.

use std::collections::BTreeMap;

use postamt::model::{AccountId, FolderId, ModSeq, SyncPoint, Uid};
use postamt::store::Store;
use postamt::store::changes::ChangesError;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::truth::{Held, Truth, differ};
use crate::{Client, World};

pub struct Qresync {
    n: usize,
    store: Store,
    account: AccountId,
    folders: BTreeMap<i64, Cache>,
    resets: u32,
}

/// What the client keeps of a folder.
struct Cache {
    uid_validity: i64,
    highest_modseq: ModSeq,
    messages: BTreeMap<i64, Held>,
}

impl Qresync {
    pub fn new(world: &World, n: usize) -> Self {
        Self {
            n,
            store: world.store(n),
            account: world.account,
            folders: BTreeMap::new(),
            resets: 0,
        }
    }

    /// `LIST`: what is gone goes, what has another UIDVALIDITY begins anew.
    async fn list(&mut self) -> Vec<FolderId> {
        let all = self.store.folders(self.account).await.unwrap();
        self.folders.retain(|id, cache| {
            all.iter()
                .any(|f| f.folder_id.0 == *id && f.uid_validity == cache.uid_validity)
        });
        for f in &all {
            self.folders.entry(f.folder_id.0).or_insert(Cache {
                uid_validity: f.uid_validity,
                highest_modseq: ModSeq(0),
                messages: BTreeMap::new(),
            });
        }
        all.iter().map(|f| f.folder_id).collect()
    }

    /// `SELECT` with `QRESYNC`.
    async fn select(&mut self, folder: FolderId) {
        let cache = self.folders.get_mut(&folder.0).unwrap();
        let since = SyncPoint::at(cache.highest_modseq);
        match self
            .store
            .folder_changes(self.account, folder, since, 1_000_000)
            .await
        {
            Ok(changes) => {
                assert!(!changes.more);
                for gone in changes.gone {
                    for uid in gone.first.0..=gone.last.0 {
                        cache.messages.remove(&uid);
                    }
                }
                for m in changes.messages {
                    let held = (m.email_id.0, m.flags.0, m.modseq.0);
                    cache.messages.insert(m.uid.0, held);
                }
                cache.highest_modseq = changes.next.modseq;
            }
            Err(ChangesError::TooOld) => {
                // VANISHED from the live set, FETCH of everything: the number first, rows second.
                self.resets += 1;
                let upto = self.store.modseq(self.account).await.unwrap();
                let (store, account) = (&self.store, self.account);
                let live = store
                    .messages_between(account, folder, Uid(1), Uid(i64::MAX), false, i64::MAX)
                    .await
                    .unwrap();
                cache.messages = live
                    .iter()
                    .map(|m| (m.uid.0, (m.email_id.0, m.flags.0, m.modseq.0)))
                    .collect();
                cache.highest_modseq = upto;
            }
            Err(ChangesError::NotFound) => {}
            Err(ChangesError::Store(e)) => panic!("{e:?}"),
        }
    }
}

impl Client for Qresync {
    fn name(&self) -> String {
        format!("QRESYNC client {} ({} resets)", self.n, self.resets)
    }

    async fn step(&mut self, rng: &mut StdRng) {
        for folder in self.list().await {
            if rng.random_bool(0.5) {
                self.select(folder).await;
            }
        }
    }

    async fn settle(&mut self) {
        for folder in self.list().await {
            self.select(folder).await;
        }
    }

    fn compare(&self, truth: &Truth) -> Result<(), String> {
        let mine = self.folders.keys().map(|id| (*id, ())).collect();
        let real = truth.folders.keys().map(|id| (*id, ())).collect();
        differ("folder", &mine, &real)?;
        for (id, messages) in &truth.messages {
            differ(
                &format!("folder {id}: UID"),
                &self.folders[id].messages,
                messages,
            )?;
        }
        Ok(())
    }
}
