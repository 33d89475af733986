//! A browser: it looks only when the hub wakes it, and asks what is new behind its last event id (DESIGN.md 3).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postamt::model::{AccountId, FolderId, ModSeq};
use postamt::service::changes::Watch;
use postamt::store::Store;
use postamt::store::changes::{AccountChanges, ChangesError};
use postamt::store::message::{ThreadFilter, Window};
use rand::rngs::StdRng;

use crate::truth::{Listed, Truth, differ};
use crate::{Client, World};

pub struct Browser {
    n: usize,
    store: Store,
    account: AccountId,
    watch: Watch,
    /// The last event's id; none before the page was loaded.
    seen: Option<ModSeq>,
    folders: BTreeMap<i64, (String, i64, i64, i64)>,
    lists: BTreeMap<i64, BTreeSet<Listed>>,
    collections: BTreeSet<i64>,
    reloads: u32,
}

impl Browser {
    pub fn new(world: &World, n: usize) -> Self {
        Self {
            n,
            store: world.store(n),
            account: world.account,
            watch: world.hub(n).watch(world.account),
            seen: None,
            folders: BTreeMap::new(),
            lists: BTreeMap::new(),
            collections: BTreeSet::new(),
            reloads: 0,
        }
    }

    async fn look(&mut self) {
        let Some(seen) = self.seen else {
            return self.reload().await;
        };
        match self.store.account_changes(self.account, seen).await {
            Ok(changes) => self.take(changes).await,
            Err(ChangesError::TooOld) => self.reload().await,
            Err(e) => panic!("{e:?}"),
        }
    }

    /// A page load: the number first, rows second.
    async fn reload(&mut self) {
        self.reloads += 1;
        let upto = self.store.modseq(self.account).await.unwrap();
        self.folders.clear();
        self.lists.clear();
        self.collections.clear();
        let all = AccountChanges {
            upto,
            folders: self.store.folders(self.account).await.unwrap(),
            collections: self.store.collections(self.account).await.unwrap(),
            gone_folders: Vec::new(),
            gone_collections: Vec::new(),
        };
        self.take(all).await;
    }

    async fn take(&mut self, changes: AccountChanges) {
        for folder in changes.gone_folders {
            self.folders.remove(&folder.0);
            self.lists.remove(&folder.0);
        }
        for collection in changes.gone_collections {
            self.collections.remove(&collection.0);
        }
        for f in changes.folders {
            let list = self.list(f.folder_id).await;
            self.lists.insert(f.folder_id.0, list);
            let row = (f.name, f.message_count, f.unseen_count, f.total_bytes);
            self.folders.insert(f.folder_id.0, row);
        }
        for c in changes.collections {
            self.collections.insert(c.collection_id.0);
        }
        self.seen = Some(changes.upto);
    }

    async fn list(&self, folder: FolderId) -> BTreeSet<Listed> {
        let all = ThreadFilter::default();
        self.store
            .thread_window(self.account, folder, all, Window::Top, 10_000)
            .await
            .unwrap()
            .iter()
            .map(|t| {
                (
                    t.thread_id.0,
                    t.newest_uid.0,
                    t.messages,
                    t.unseen,
                    t.starred,
                )
            })
            .collect()
    }
}

impl Client for Browser {
    fn name(&self) -> String {
        format!("browser {} ({} loads)", self.n, self.reloads)
    }

    async fn step(&mut self, _: &mut StdRng) {
        if self.seen.is_none() {
            return self.look().await;
        }
        // Wakes are the only reason to look; the end of the run ends the wait too.
        tokio::select! {
            _ = self.watch.changed() => self.look().await,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }

    /// The last wakes must come by themselves, from the other node as well.
    async fn settle(&mut self) {
        let newest = self.store.modseq(self.account).await.unwrap();
        let end = tokio::time::Instant::now() + Duration::from_secs(10);
        while self.seen.is_none_or(|seen| seen < newest) {
            if self.seen.is_some()
                && tokio::time::timeout_at(end, self.watch.changed())
                    .await
                    .is_err()
            {
                break;
            }
            self.look().await;
        }
    }

    fn compare(&self, truth: &Truth) -> Result<(), String> {
        if self.seen != Some(ModSeq(truth.modseq)) {
            return Err(format!(
                "woken up to {:?}, not to {}",
                self.seen, truth.modseq
            ));
        }
        differ("folder", &self.folders, &truth.folders)?;
        differ("conversations of folder", &self.lists, &truth.threads)?;
        let mine = self.collections.iter().map(|id| (*id, ())).collect();
        let real = truth.items.keys().map(|id| (*id, ())).collect();
        differ("collection", &mine, &real)
    }
}
