//! Random writers on two nodes, and the pruner. Every write goes the one way; refusals are part of the play.

use std::time::Duration;

use postamt::error::Refusal;
use postamt::model::{Charge, CollectionId, CollectionKind, Flags, FolderId, ItemId, ModSeq, Uid};
use postamt::service::changes::Hub;
use postamt::store::item::Precondition;
use postamt::store::mail::FlagEdit;
use postamt::store::{Committed, Store, Write};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use time::OffsetDateTime;

use crate::World;
use crate::common::fixtures::{Letter, deliver, fake_item, new_collection};

pub struct Writer {
    world: World,
    store: Store,
    hub: Hub,
    n: usize,
    rng: StdRng,
    letters: Vec<Letter>,
}

impl Writer {
    pub fn new(world: &World, n: usize, rng: StdRng) -> Self {
        Self {
            world: world.clone(),
            store: world.store(n),
            hub: world.hub(n),
            n,
            rng,
            letters: Vec::new(),
        }
    }

    pub async fn work(mut self, steps: u64) {
        for step in 0..steps {
            let done = match self.rng.random_range(0..100) {
                0..30 => self.deliver(step).await,
                30..45 => self.flag().await,
                45..50 => self.flag_all().await,
                50..57 => self.carry(true).await,
                57..60 => self.carry(false).await,
                60..68 => self.expunge().await,
                68..71 => self.create_folder(step).await,
                71..73 => self.delete_folder().await,
                73..75 => self.rename_folder(step).await,
                75..86 => self.put_item().await,
                86..92 => self.remove_item().await,
                92..96 => self.move_item().await,
                96..98 => self.create_collection(step).await,
                _ => self.delete_collection().await,
            };
            match done {
                Ok(committed) => self.hub.wake(committed),
                Err(
                    Refusal::OverQuota { .. }
                    | Refusal::NoFolder
                    | Refusal::NotFound
                    | Refusal::Exists
                    | Refusal::Stale
                    | Refusal::Invalid(_),
                ) => {}
                Err(e) => panic!("writer {}: {e} {e:?}", self.n),
            }
        }
    }

    async fn write(&self) -> Result<Write, Refusal> {
        self.store
            .draft()
            .await?
            .lock(self.world.account, Charge::NONE)
            .await
    }

    async fn folder(&mut self) -> FolderId {
        let all = self.store.folders(self.world.account).await.unwrap();
        all.choose(&mut self.rng).unwrap().folder_id
    }

    async fn some_uids(&mut self, folder: FolderId, most: usize) -> Vec<i64> {
        let all = self
            .store
            .places_of_folder(self.world.account, folder, Uid(0), 500)
            .await
            .unwrap();
        let count = self.rng.random_range(0..=most);
        all.iter().map(|p| p.uid.0).sample(&mut self.rng, count)
    }

    async fn deliver(&mut self, step: u64) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let size = self.rng.random_range(100..1500);
        let mut letter = Letter::subject(&format!("letter {step} of {}", self.n)).of_size(size);
        if let Some(earlier) = self.letters.choose(&mut self.rng)
            && self.rng.random_ratio(1, 2)
        {
            letter = letter.answering(earlier);
        }
        // Out of order, as by APPEND.
        letter.received_at -= Duration::from_secs(self.rng.random_range(0..100_000));
        letter.flags = Flags(self.rng.random_range(0..64));
        letter.has_attachment = self.rng.random_ratio(1, 4);
        self.letters.push(letter.clone());
        let (_, committed) = deliver(&self.store, self.world.account, folder, &letter).await?;
        Ok(committed)
    }

    async fn flag(&mut self) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let uids = self.some_uids(folder, 8).await;
        let unchanged_since = if self.rng.random_ratio(1, 4) {
            Some(self.store.modseq(self.world.account).await?.0 - 10)
        } else {
            None
        };
        let edit = FlagEdit {
            set: Flags(self.rng.random_range(0..32)),
            clear: Flags(self.rng.random_range(0..32)),
            add_keywords: vec![format!("k{}", self.rng.random_range(0..3))],
            remove_keywords: vec![format!("k{}", self.rng.random_range(0..3))],
            unchanged_since,
            ..FlagEdit::default()
        };
        let mut w = self.write().await?;
        w.set_flags(folder, &uids, &edit).await?;
        Ok(w.commit().await?)
    }

    /// One change number over a whole folder: pages are cut inside it.
    async fn flag_all(&mut self) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let uids = self.some_uids(folder, 500).await;
        let edit = FlagEdit {
            set: Flags::SEEN,
            clear: Flags::FLAGGED,
            ..FlagEdit::default()
        };
        let mut w = self.write().await?;
        w.set_flags(folder, &uids, &edit).await?;
        Ok(w.commit().await?)
    }

    async fn carry(&mut self, is_move: bool) -> Result<Committed, Refusal> {
        let (from, to) = (self.folder().await, self.folder().await);
        let uids = self.some_uids(from, 6).await;
        let mut w = self.write().await?;
        if is_move {
            w.move_messages(from, &uids, to).await?;
            // Sometimes away and back in one write.
            if self.rng.random_ratio(1, 4) {
                let back: Vec<i64> = self
                    .store
                    .places_of_folder(self.world.account, to, Uid(0), 3)
                    .await?
                    .iter()
                    .map(|p| p.uid.0)
                    .collect();
                w.move_messages(to, &back, from).await?;
            }
        } else {
            w.copy_messages(from, &uids, to).await?;
        }
        Ok(w.commit().await?)
    }

    async fn expunge(&mut self) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let uids = self.some_uids(folder, 12).await;
        let keep = self.rng.random_bool(0.5).then_some(30);
        let mut w = self.write().await?;
        w.expunge(folder, &uids, keep).await?;
        Ok(w.commit().await?)
    }

    async fn create_folder(&mut self, step: u64) -> Result<Committed, Refusal> {
        let mut w = self.write().await?;
        w.create_folder(&format!("f{}-{step}", self.n), None)
            .await?;
        Ok(w.commit().await?)
    }

    async fn delete_folder(&mut self) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let mut w = self.write().await?;
        // The lock is held: nothing can come in between.
        let uids: Vec<i64> = self
            .store
            .places_of_folder(self.world.account, folder, Uid(0), 500)
            .await?
            .iter()
            .map(|p| p.uid.0)
            .collect();
        w.expunge(folder, &uids, Some(30)).await?;
        w.delete_folder(folder).await?;
        Ok(w.commit().await?)
    }

    async fn rename_folder(&mut self, step: u64) -> Result<Committed, Refusal> {
        let folder = self.folder().await;
        let mut w = self.write().await?;
        w.rename_folder(folder, &format!("r{}-{step}", self.n))
            .await?;
        Ok(w.commit().await?)
    }

    async fn collection(&mut self) -> Result<CollectionId, Refusal> {
        let all = self.store.collections(self.world.account).await?;
        let some = all.choose(&mut self.rng).ok_or(Refusal::NotFound)?;
        Ok(some.collection_id)
    }

    fn href(&mut self) -> String {
        format!("{}.ics", self.rng.random_range(0..25))
    }

    async fn put_item(&mut self) -> Result<Committed, Refusal> {
        let collection = self.collection().await?;
        let mut item = fake_item(&self.href(), &"x".repeat(self.rng.random_range(1..400)));
        // Also long past, so that a later edit makes a new object of it.
        item.last_ends_at = match self.rng.random_range(0..3) {
            0 => None,
            1 => Some(OffsetDateTime::now_utc() - Duration::from_hours(20 * 24)),
            _ => Some(OffsetDateTime::now_utc()),
        };
        let when = match self.rng.random_range(0..6) {
            0 => Precondition::Absent,
            1 => Precondition::Present,
            2 => self
                .store
                .item(self.world.account, collection, &item.href)
                .await?
                .map_or(Precondition::Is(ModSeq(1)), |i| Precondition::Is(i.modseq)),
            _ => Precondition::Any,
        };
        let mut w = self.write().await?;
        w.put_item(collection, &item, when).await?;
        Ok(w.commit().await?)
    }

    async fn remove_item(&mut self) -> Result<Committed, Refusal> {
        let (collection, href) = (self.collection().await?, self.href());
        let keep = self.rng.random_bool(0.5).then_some(30);
        let again = self.rng.random_ratio(1, 3);
        let mut w = self.write().await?;
        w.remove_item(collection, &href, Precondition::Any, keep)
            .await?;
        if again {
            // DELETE and PUT on one href make a new object.
            w.put_item(collection, &fake_item(&href, "again"), Precondition::Absent)
                .await?;
        }
        Ok(w.commit().await?)
    }

    async fn move_item(&mut self) -> Result<Committed, Refusal> {
        let from = (self.collection().await?, self.href());
        let to = (self.collection().await?, self.href());
        let mut w = self.write().await?;
        w.move_item((from.0, &from.1), (to.0, &to.1), Precondition::Any)
            .await?;
        Ok(w.commit().await?)
    }

    async fn create_collection(&mut self, step: u64) -> Result<Committed, Refusal> {
        let slug = format!("c{}-{step}", self.n);
        let mut w = self.write().await?;
        w.create_collection(&new_collection(CollectionKind::Calendar, &slug))
            .await?;
        Ok(w.commit().await?)
    }

    async fn delete_collection(&mut self) -> Result<Committed, Refusal> {
        let collection = self.collection().await?;
        if self.store.collections(self.world.account).await?.len() < 3 {
            return Err(Refusal::NotFound);
        }
        let mut w = self.write().await?;
        let items = self
            .store
            .items(self.world.account, collection, ItemId(0), 500)
            .await?;
        for item in items {
            w.remove_item(collection, &item.href, Precondition::Any, None)
                .await?;
        }
        w.delete_collection(collection).await?;
        Ok(w.commit().await?)
    }
}

/// Takes tombstones, expired removals and bodies away while everybody works.
pub async fn prune(world: World, mut rng: StdRng) {
    while !world.is_done() {
        let store = world.store(rng.random_range(0..2));
        store.prune_tombstones(world.account, 0).await.unwrap();
        store.purge_bodies(world.account, 0).await.unwrap();
        let pause = rng.random_range(20..200);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}
