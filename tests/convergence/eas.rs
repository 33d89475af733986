//! An ActiveSync device and its server's state, as `reference/activesync.md` 5.2 to 5.4 draw them: two generations, an id
//! interval instead of a list of sent ids, replies that are lost whole or half, keys that are repeated.
//!
//! The server half stands here on the store alone; it has no filter bound and takes no commands.

use std::collections::BTreeMap;

use postamt::model::{AccountId, CollectionId, FolderId, ItemId, ModSeq, SyncPoint, Uid};
use postamt::store::Store;
use postamt::store::changes::{ChangesError, Naming};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::truth::{Truth, differ};
use crate::{Client, World};

/// A mail folder or a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Folder(i64),
    Collection(i64),
}

/// What the device has if it got the answer that led here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Generation {
    point: SyncPoint,
    frontier: i64,
    backfill: i64,
}

impl Generation {
    fn knows(self, id: i64) -> bool {
        self.backfill < id && id <= self.frontier
    }
}

/// The server's row of one device and place.
#[derive(Debug, Clone)]
struct State {
    line: u32,
    /// The key of `current`; that of `previous` is one less.
    generation: u32,
    current: Generation,
    previous: Option<Generation>,
}

/// `prefix:counter`.
type Key = (u32, u32);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    /// Add or Change, with the content of now (here: the change number).
    Put(i64, i64),
    Delete(i64, i64),
}

enum Answer {
    Commands {
        key: Key,
        commands: Vec<Command>,
        more: bool,
    },
    /// Status 3: begin again with key 0.
    InvalidKey,
    /// Status 8 or 12: the folder is gone.
    NotFound,
}

/// Live objects and what left, as pages behind a point.
struct Changes {
    live: Vec<(ModSeq, i64)>,
    gone: Vec<(ModSeq, i64, i64)>,
    next: SyncPoint,
    more: bool,
}

struct Server {
    store: Store,
    account: AccountId,
    states: BTreeMap<Place, State>,
    lines: u32,
}

impl Server {
    async fn sync(&mut self, place: Place, key: Option<Key>, window: usize) -> Answer {
        match self.try_sync(place, key, window).await {
            Ok(answer) => answer,
            Err(ChangesError::TooOld) => {
                self.states.remove(&place);
                Answer::InvalidKey
            }
            Err(ChangesError::NotFound) => {
                self.states.remove(&place);
                Answer::NotFound
            }
            Err(ChangesError::Store(e)) => panic!("{e:?}"),
        }
    }

    async fn try_sync(
        &mut self,
        place: Place,
        key: Option<Key>,
        window: usize,
    ) -> Result<Answer, ChangesError> {
        let Some(key) = key else {
            return self.begin(place).await;
        };
        let Some(state) = self.states.get(&place).cloned() else {
            return Ok(Answer::InvalidKey);
        };
        if key == (state.line, state.generation) {
            self.go_on(place, state, window).await
        } else if let Some(previous) = state.previous
            && key == (state.line, state.generation - 1)
        {
            self.again(place, &state, previous).await
        } else {
            Ok(Answer::InvalidKey)
        }
    }

    /// Key 0: everything there now is to come by backfill.
    async fn begin(&mut self, place: Place) -> Result<Answer, ChangesError> {
        let upto = self.store.modseq(self.account).await?;
        let highest = self.highest(place).await?;
        self.lines += 1;
        let state = State {
            line: self.lines,
            generation: 1,
            current: Generation {
                point: SyncPoint::at(upto),
                frontier: highest,
                backfill: highest,
            },
            previous: None,
        };
        let key = (state.line, state.generation);
        self.states.insert(place, state);
        Ok(Answer::Commands {
            key,
            commands: Vec::new(),
            more: true,
        })
    }

    /// The current key: receipt is proven, a new generation is cut.
    async fn go_on(
        &mut self,
        place: Place,
        mut state: State,
        window: usize,
    ) -> Result<Answer, ChangesError> {
        let old = state.current;
        let mut new = old;
        let mut commands = Vec::new();

        // 1 Deletes and Changes of what is known, by (modseq, id).
        let mut more = true;
        while more && commands.len() < window {
            let page = self
                .changes(place, new.point, window - commands.len())
                .await?;
            for (first, last) in page.gone.iter().map(|(_, first, last)| (*first, *last)) {
                let (first, last) = (first.max(old.backfill + 1), last.min(old.frontier));
                if first <= last {
                    commands.push(Command::Delete(first, last));
                }
            }
            for (modseq, id) in &page.live {
                if old.knows(*id) {
                    commands.push(Command::Put(*id, modseq.0));
                }
            }
            new.point = page.next;
            more = page.more;
        }
        // 2 What is new, ascending.
        let highest = self.highest(place).await?;
        let room = window.saturating_sub(commands.len());
        let arrivals = self
            .between(place, new.frontier + 1, i64::MAX, false, room + 1)
            .await?;
        more |= arrivals.len() > room;
        for (modseq, id) in arrivals.iter().take(room) {
            commands.push(Command::Put(*id, modseq.0));
            new.frontier = *id;
        }
        if arrivals.len() <= room {
            new.frontier = new.frontier.max(highest);
        }
        // 3 The first sync, newest first.
        if new.backfill > 0 {
            let room = window.saturating_sub(commands.len());
            let below = self.between(place, 1, new.backfill, true, room + 1).await?;
            more |= below.len() > room;
            for (modseq, id) in below.iter().take(room) {
                commands.push(Command::Put(*id, modseq.0));
                new.backfill = id - 1;
            }
            if below.len() <= room {
                new.backfill = 0;
            }
        }

        if commands.is_empty() && !more {
            // Nothing to say: the same key, and the point moves in place.
            state.current = new;
            let key = (state.line, state.generation);
            state.previous = None;
            self.states.insert(place, state);
            return Ok(Answer::Commands {
                key,
                commands,
                more,
            });
        }
        state.previous = Some(old);
        state.current = new;
        state.generation += 1;
        let key = (state.line, state.generation);
        self.states.insert(place, state);
        Ok(Answer::Commands {
            key,
            commands,
            more,
        })
    }

    /// The previous key: the answer was lost. The same stretch again with the content of now; the state stays.
    async fn again(
        &mut self,
        place: Place,
        state: &State,
        old: Generation,
    ) -> Result<Answer, ChangesError> {
        let new = state.current;
        let mut commands = Vec::new();
        let all = self.changes(place, old.point, 1_000_000).await?;
        for (_, first, last) in all.gone {
            for id in first..=last {
                if old.knows(id) || new.knows(id) {
                    commands.push(Command::Delete(id, id));
                }
            }
        }
        for (modseq, id) in all.live {
            if old.knows(id) && (modseq, id) <= (new.point.modseq, new.point.object) {
                commands.push(Command::Put(id, modseq.0));
            }
        }
        for (modseq, id) in self
            .between(place, new.backfill + 1, new.frontier, false, 1_000_000)
            .await?
        {
            if !old.knows(id) {
                commands.push(Command::Put(id, modseq.0));
            }
        }
        Ok(Answer::Commands {
            key: (state.line, state.generation),
            commands,
            more: true,
        })
    }

    async fn changes(
        &self,
        place: Place,
        since: SyncPoint,
        limit: usize,
    ) -> Result<Changes, ChangesError> {
        let limit = i64::try_from(limit).unwrap();
        Ok(match place {
            Place::Folder(id) => {
                let c = self
                    .store
                    .folder_changes(self.account, FolderId(id), since, limit)
                    .await?;
                Changes {
                    live: c.messages.iter().map(|m| (m.modseq, m.uid.0)).collect(),
                    gone: c
                        .gone
                        .iter()
                        .map(|g| (g.modseq, g.first.0, g.last.0))
                        .collect(),
                    next: c.next,
                    more: c.more,
                }
            }
            Place::Collection(id) => {
                let c = self
                    .store
                    .collection_changes(self.account, CollectionId(id), since, limit, Naming::Id)
                    .await?;
                Changes {
                    live: c.items.iter().map(|i| (i.modseq, i.item_id.0)).collect(),
                    gone: c
                        .gone
                        .iter()
                        .map(|g| (g.modseq, g.item_id.0, g.item_id.0))
                        .collect(),
                    next: c.next,
                    more: c.more,
                }
            }
        })
    }

    async fn between(
        &self,
        place: Place,
        first: i64,
        last: i64,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<(ModSeq, i64)>, ChangesError> {
        let limit = i64::try_from(limit).unwrap();
        Ok(match place {
            Place::Folder(id) => self
                .store
                .messages_between(
                    self.account,
                    FolderId(id),
                    Uid(first),
                    Uid(last),
                    newest_first,
                    limit,
                )
                .await?
                .iter()
                .map(|m| (m.modseq, m.uid.0))
                .collect(),
            Place::Collection(id) => self
                .store
                .items_between(
                    self.account,
                    CollectionId(id),
                    ItemId(first),
                    ItemId(last),
                    newest_first,
                    limit,
                )
                .await?
                .iter()
                .map(|i| (i.modseq, i.item_id.0))
                .collect(),
        })
    }

    /// The highest id given so far.
    async fn highest(&self, place: Place) -> Result<i64, ChangesError> {
        let next = match place {
            Place::Folder(id) => self
                .store
                .folder(self.account, FolderId(id))
                .await?
                .map(|f| f.uid_next.0),
            Place::Collection(id) => self
                .store
                .collection(self.account, CollectionId(id))
                .await?
                .map(|c| c.next_item_id.0),
        };
        Ok(next.ok_or(ChangesError::NotFound)? - 1)
    }
}

/// What the device holds of one place: id -> content.
#[derive(Default)]
struct Held {
    key: Option<Key>,
    objects: BTreeMap<i64, i64>,
}

pub struct Device {
    n: usize,
    server: Server,
    places: BTreeMap<Place, Held>,
    resets: u32,
    lost: u32,
}

/// What becomes of an answer on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrives,
    /// The device saw nothing of it.
    Lost,
    /// The device stored some of it, but not the key.
    Half(usize),
}

impl Device {
    pub fn new(world: &World, n: usize) -> Self {
        Self {
            n,
            server: Server {
                store: world.store(n),
                account: world.account,
                states: BTreeMap::new(),
                lines: 0,
            },
            places: BTreeMap::new(),
            resets: 0,
            lost: 0,
        }
    }

    /// `FolderSync`: the hierarchy is small and compared whole.
    async fn folder_sync(&mut self) -> Vec<Place> {
        let (store, account) = (&self.server.store, self.server.account);
        let mut all: Vec<Place> = store
            .folders(account)
            .await
            .unwrap()
            .iter()
            .map(|f| Place::Folder(f.folder_id.0))
            .collect();
        all.extend(
            store
                .collections(account)
                .await
                .unwrap()
                .iter()
                .map(|c| Place::Collection(c.collection_id.0)),
        );
        self.places.retain(|place, _| all.contains(place));
        for place in &all {
            self.places.entry(*place).or_default();
        }
        all
    }

    /// One `Sync`; says whether to ask again at once.
    async fn sync(&mut self, place: Place, window: usize, fate: Fate) -> bool {
        let held = self.places.get_mut(&place).unwrap();
        if held.key.is_none() {
            held.objects.clear();
        }
        let (key, commands, more) = match self.server.sync(place, held.key, window).await {
            Answer::Commands {
                key,
                commands,
                more,
            } => (key, commands, more),
            Answer::InvalidKey => {
                self.resets += 1;
                held.key = None;
                return true;
            }
            Answer::NotFound => return false,
        };
        let taken = match fate {
            Fate::Arrives => {
                held.key = Some(key);
                commands.len()
            }
            Fate::Lost => 0,
            Fate::Half(n) => n.min(commands.len()),
        };
        self.lost += u32::from(fate != Fate::Arrives);
        for command in &commands[..taken] {
            match *command {
                Command::Put(id, content) => {
                    held.objects.insert(id, content);
                }
                Command::Delete(first, last) => {
                    held.objects.retain(|id, _| *id < first || *id > last);
                }
            }
        }
        more
    }
}

impl Client for Device {
    fn name(&self) -> String {
        format!(
            "ActiveSync device {} ({} resets, {} lost replies)",
            self.n, self.resets, self.lost
        )
    }

    async fn step(&mut self, rng: &mut StdRng) {
        for place in self.folder_sync().await {
            if rng.random_bool(0.4) {
                let fate = match rng.random_range(0..10) {
                    0..2 => Fate::Lost,
                    2..4 => Fate::Half(rng.random_range(0..6)),
                    _ => Fate::Arrives,
                };
                self.sync(place, rng.random_range(1..9), fate).await;
            }
        }
    }

    async fn settle(&mut self) {
        for place in self.folder_sync().await {
            while self.sync(place, 5, Fate::Arrives).await {}
        }
    }

    fn compare(&self, truth: &Truth) -> Result<(), String> {
        let mine = self.places.keys().map(|p| (*p, ())).collect();
        let folders = truth.folders.keys().map(|id| (Place::Folder(*id), ()));
        let collections = truth.items.keys().map(|id| (Place::Collection(*id), ()));
        differ("place", &mine, &folders.chain(collections).collect())?;
        for (id, messages) in &truth.messages {
            let real = messages.iter().map(|(uid, (_, _, m))| (*uid, *m)).collect();
            let held = &self.places[&Place::Folder(*id)].objects;
            differ(&format!("folder {id}: object"), held, &real)?;
        }
        for (id, items) in &truth.items {
            let real = items.values().copied().collect();
            let held = &self.places[&Place::Collection(*id)].objects;
            differ(&format!("collection {id}: object"), held, &real)?;
        }
        Ok(())
    }
}
