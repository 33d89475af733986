//! A DAV client with sync-collection (RFC 6578): an opaque token a collection, answers cut by a limit, names not ids.

use std::collections::BTreeMap;

use postamt::model::{AccountId, CollectionId, SyncPoint};
use postamt::store::Store;
use postamt::store::changes::{ChangesError, Naming};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::truth::{Truth, differ};
use crate::{Client, World};

pub struct SyncCollection {
    n: usize,
    store: Store,
    account: AccountId,
    collections: BTreeMap<i64, Cache>,
    resets: u32,
}

#[derive(Default)]
struct Cache {
    /// The token: a full sync of this point on is under way until it was answered whole once.
    token: Option<SyncPoint>,
    filling: bool,
    /// Href -> ETag.
    items: BTreeMap<String, i64>,
}

impl SyncCollection {
    pub fn new(world: &World, n: usize) -> Self {
        Self {
            n,
            store: world.store(n),
            account: world.account,
            collections: BTreeMap::new(),
            resets: 0,
        }
    }

    async fn list(&mut self) -> Vec<CollectionId> {
        let all = self.store.collections(self.account).await.unwrap();
        self.collections
            .retain(|id, _| all.iter().any(|c| c.collection_id.0 == *id));
        for c in &all {
            self.collections.entry(c.collection_id.0).or_default();
        }
        all.iter().map(|c| c.collection_id).collect()
    }

    /// One REPORT; says whether more is waiting.
    async fn report(&mut self, collection: CollectionId, limit: i64) -> bool {
        let cache = self.collections.get_mut(&collection.0).unwrap();
        let since = if let Some(token) = cache.token {
            token
        } else {
            cache.filling = true;
            cache.items.clear();
            SyncPoint::full(self.store.modseq(self.account).await.unwrap())
        };
        match self
            .store
            .collection_changes(self.account, collection, since, limit, Naming::Href)
            .await
        {
            Ok(changes) => {
                for gone in &changes.gone {
                    cache.items.remove(&gone.href);
                }
                for item in &changes.items {
                    cache.items.insert(item.href.clone(), item.modseq.0);
                }
                let total = changes.gone.len() + changes.items.len();
                assert!(i64::try_from(total).unwrap() <= limit);
                cache.token = Some(changes.next);
                cache.filling &= changes.more;
                changes.more
            }
            Err(ChangesError::TooOld) => {
                // DAV:valid-sync-token
                assert!(
                    cache.token.is_some(),
                    "a first answer is never too old: its floor is of now"
                );
                self.resets += 1;
                cache.token = None;
                true
            }
            Err(ChangesError::NotFound) => false,
            Err(ChangesError::Store(e)) => panic!("{e:?}"),
        }
    }
}

impl Client for SyncCollection {
    fn name(&self) -> String {
        format!("sync-collection client {} ({} resets)", self.n, self.resets)
    }

    async fn step(&mut self, rng: &mut StdRng) {
        for collection in self.list().await {
            if rng.random_bool(0.7) {
                self.report(collection, rng.random_range(1..8)).await;
            }
        }
    }

    async fn settle(&mut self) {
        for collection in self.list().await {
            while self.report(collection, 3).await {}
        }
    }

    fn compare(&self, truth: &Truth) -> Result<(), String> {
        for (id, cache) in &self.collections {
            assert!(!cache.filling, "collection {id} was answered whole");
        }
        let mine = self.collections.keys().map(|id| (*id, ())).collect();
        let real = truth.items.keys().map(|id| (*id, ())).collect();
        differ("collection", &mine, &real)?;
        for (id, items) in &truth.items {
            let etags = items
                .iter()
                .map(|(href, (_, modseq))| (href.clone(), *modseq))
                .collect();
            differ(
                &format!("collection {id}: href"),
                &self.collections[id].items,
                &etags,
            )?;
        }
        Ok(())
    }
}
