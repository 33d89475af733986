//! What a device holds of a mail folder: applies answers as a phone does, and minds what a phone minds.

use std::collections::BTreeMap;

use postamt::format::wbxml::pages::{airsync as a, base as b, email as e};
use postamt::format::wbxml::{Encoder, Tag};
use postamt::model::{AccountId, Flags, FolderId, SpecialUse};
use postamt::service::mail::Arrival;
use postamt::store::mail::Target;

use crate::device::{Answer, Device, Tree, World};

/// What a phone shows of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    pub subject: String,
    pub read: bool,
    pub flagged: bool,
    pub body: Option<String>,
}

/// One folder on a device.
pub struct Client<'a> {
    pub device: &'a Device,
    pub folder: String,
    pub key: String,
    pub items: BTreeMap<String, Item>,
    pub window: usize,
    /// Written into every request, when it is there.
    pub filter: Option<u8>,
    /// The last answer said "more" and had nothing in it.
    empty_more: bool,
}

/// What a request has beside key and folder.
#[derive(Default)]
pub struct More<'a> {
    pub commands: Option<&'a dyn Fn(&mut Encoder)>,
    pub options: Option<&'a dyn Fn(&mut Encoder)>,
    pub get_changes: Option<bool>,
    pub deletes_as_moves: Option<bool>,
    pub heartbeat: Option<u32>,
}

impl<'a> Client<'a> {
    pub fn new(device: &'a Device, folder: FolderId) -> Self {
        Self {
            device,
            folder: folder.to_string(),
            key: "0".to_owned(),
            items: BTreeMap::new(),
            window: 100,
            filter: None,
            empty_more: false,
        }
    }

    /// Primed: it has a first key and nothing else.
    pub async fn primed(device: &'a Device, folder: FolderId) -> Self {
        let mut client = Self::new(device, folder);
        let answer = client.ask(&More::default()).await.root();
        client.key = collection(&answer).text(&[a::SYNC_KEY]);
        client
    }

    /// Primed, and everything fetched.
    pub async fn filled(device: &'a Device, folder: FolderId) -> Self {
        let mut client = Self::primed(device, folder).await;
        client.settle().await;
        client
    }

    pub async fn ask(&self, more: &More<'_>) -> Answer {
        self.device
            .send("Sync", |out| {
                out.element(a::SYNC, |out| {
                    out.element(a::COLLECTIONS, |out| self.write(out, more));
                    if let Some(heartbeat) = more.heartbeat {
                        out.value(a::HEARTBEAT_INTERVAL, heartbeat);
                    }
                });
            })
            .await
    }

    fn write(&self, out: &mut Encoder, more: &More<'_>) {
        out.element(a::COLLECTION, |out| {
            out.text(a::SYNC_KEY, &self.key);
            out.text(a::COLLECTION_ID, &self.folder);
            if let Some(moves) = more.deletes_as_moves {
                out.flag(a::DELETES_AS_MOVES, moves);
            }
            if let Some(get) = more.get_changes {
                out.flag(a::GET_CHANGES, get);
            }
            out.value(a::WINDOW_SIZE, self.window);
            if more.options.is_some() || self.filter.is_some() {
                out.element(a::OPTIONS, |out| {
                    if let Some(filter) = self.filter {
                        out.value(a::FILTER_TYPE, filter);
                    }
                    if let Some(options) = more.options {
                        options(out);
                    }
                });
            }
            if let Some(commands) = more.commands {
                out.element(a::COMMANDS, |out| commands(out));
            }
        });
    }

    /// Asks and takes the answer. Returns whether there is more.
    pub async fn sync(&mut self) -> bool {
        self.sync_with(&More::default()).await
    }

    pub async fn sync_with(&mut self, more: &More<'_>) -> bool {
        let answer = self.ask(more).await;
        self.take(&answer)
    }

    /// Takes an answer as a phone does.
    pub fn take(&mut self, answer: &Answer) -> bool {
        if answer.is_empty() {
            return false;
        }
        let root = answer.root();
        let found = collection(&root);
        assert_eq!(found.text(&[a::STATUS]), "1", "{}", root.shown(0));
        let key = found.text(&[a::SYNC_KEY]);
        let more = found.find(&[a::MORE_AVAILABLE]).is_some();
        assert!(
            !more || key != self.key,
            "mistake 5: more, but the same key"
        );
        assert!(key.len() <= 64);
        let names = found.names();
        let order = [
            "SyncKey",
            "CollectionId",
            "Status",
            "MoreAvailable",
            "Responses",
            "Commands",
        ];
        let places: Vec<usize> = names
            .iter()
            .map(|n| order.iter().position(|o| o == n).unwrap())
            .collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{names:?}");
        self.key = key;
        if let Some(commands) = found.find(&[a::COMMANDS]) {
            assert!(!commands.kids.is_empty(), "an empty Commands");
            self.empty_more = false;
            for command in &commands.kids {
                self.apply(command);
            }
        } else {
            // Once it may be: what a lost answer told of is gone by now. The key is another one all the same.
            assert!(
                !(more && self.empty_more),
                "mistake 5: more, but nothing in it, twice"
            );
            self.empty_more = more;
        }
        more
    }

    fn apply(&mut self, command: &Tree) {
        let id = command.text(&[a::SERVER_ID]);
        assert!(id.len() <= 64);
        match command.tag {
            a::ADD => {
                self.items
                    .insert(id, item(command.at(&[a::APPLICATION_DATA])));
            }
            a::CHANGE => {
                let known = self
                    .items
                    .get_mut(&id)
                    .unwrap_or_else(|| panic!("a Change of {id}, which nobody had"));
                let data = command.at(&[a::APPLICATION_DATA]);
                assert!(data.find(&[b::BODY]).is_none(), "a body for a flag");
                known.read = data.text(&[e::READ]) == "1";
                known.flagged = data.find(&[e::FLAG, e::STATUS]).is_some();
            }
            a::DELETE | a::SOFT_DELETE => {
                self.items.remove(&id);
            }
            other => panic!("{}", other.name()),
        }
    }

    /// Asks until there is nothing more; panics when that never comes.
    pub async fn settle(&mut self) {
        for _ in 0..200 {
            if !self.sync().await {
                assert!(
                    self.ask(&More::default()).await.is_empty(),
                    "quiet means quiet"
                );
                return;
            }
        }
        panic!("never quiet");
    }

    pub fn subjects(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.items.values().map(|i| i.subject.as_str()).collect();
        all.sort_unstable();
        all
    }

    pub fn id_of(&self, subject: &str) -> String {
        let found = self.items.iter().find(|(_, item)| item.subject == subject);
        found
            .unwrap_or_else(|| panic!("no {subject} in {:?}", self.items))
            .0
            .clone()
    }
}

/// The one folder of an answer.
pub fn collection(root: &Tree) -> &Tree {
    root.at(&[a::COLLECTIONS, a::COLLECTION])
}

pub fn item(data: &Tree) -> Item {
    Item {
        subject: data.text(&[e::SUBJECT]),
        read: data.text(&[e::READ]) == "1",
        flagged: data.find(&[e::FLAG, e::STATUS]).is_some(),
        body: data
            .find(&[b::BODY, b::DATA])
            .map(|d| String::from_utf8_lossy(&d.octets).into_owned()),
    }
}

/// A Change of one yes or no.
pub fn read_command(id: String, read: bool) -> impl Fn(&mut Encoder) {
    move |out| {
        out.element(a::CHANGE, |out| {
            out.text(a::SERVER_ID, &id);
            out.element(a::APPLICATION_DATA, |out| out.flag(e::READ, read));
        });
    }
}

pub fn id_command(tag: Tag, id: String) -> impl Fn(&mut Encoder) {
    move |out| out.element(tag, |out| out.text(a::SERVER_ID, &id))
}

impl World {
    pub async fn folder(&self, special: SpecialUse) -> FolderId {
        self.server
            .app()
            .mail
            .special_folder(self.anna, special)
            .await
            .unwrap()
    }

    pub async fn inbox(&self) -> FolderId {
        self.folder(SpecialUse::Inbox).await
    }

    /// Puts a short message into a folder of anna's; returns its UID.
    pub async fn mail(&self, folder: FolderId, subject: &str) -> i64 {
        self.raw(self.anna, folder, &letter(subject, "Hallo\r\nWelt\r\n"))
            .await
    }

    pub async fn raw(&self, account: AccountId, folder: FolderId, bytes: &[u8]) -> i64 {
        let mail = &self.server.app().mail;
        let received = mail.receive_whole(bytes).await.unwrap();
        let arrival = Arrival::to(Target::Folder(folder), Flags::NONE);
        mail.append(account, &received, &arrival)
            .await
            .unwrap()
            .uid
            .0
    }

    pub async fn mails(&self, folder: FolderId, count: usize) {
        for n in 0..count {
            self.mail(folder, &format!("Brief {n:03}")).await;
        }
    }

    /// Makes a message so many days older than it is.
    pub async fn age(&self, subject: &str, days: i32) {
        sqlx::query(
            "update message m set received_at = m.received_at - make_interval(days => $3)
               from email e where m.account_id = $1 and e.account_id = $1 and e.email_id = m.email_id and e.subject = $2",
        )
        .bind(self.anna)
        .bind(subject)
        .bind(days)
        .execute(&self.server.db.pool)
        .await
        .unwrap();
        // The list of conversations keeps the newest date; what made the message older has to tell it.
        sqlx::query(
            "update folder_thread t set newest_at = n.received_at, newest_uid = n.uid
               from (select distinct on (folder_id, thread_id) folder_id, thread_id, received_at, uid
                       from message where account_id = $1
                      order by folder_id, thread_id, received_at desc, uid desc) n
              where t.account_id = $1 and t.folder_id = n.folder_id and t.thread_id = n.thread_id",
        )
        .bind(self.anna)
        .execute(&self.server.db.pool)
        .await
        .unwrap();
    }

    /// What another door does to messages of a folder.
    pub async fn act(
        &self,
        folder: FolderId,
        subject: &str,
        action: &postamt::service::mail::actions::Action,
    ) {
        let ids: Vec<postamt::model::EmailId> = sqlx::query_scalar(
            "select e.email_id from email e join message m on m.account_id = e.account_id and m.email_id = e.email_id
              where e.account_id = $1 and m.folder_id = $2 and e.subject = $3",
        )
        .bind(self.anna)
        .bind(folder)
        .bind(subject)
        .fetch_all(&self.server.db.pool)
        .await
        .unwrap();
        let selection = postamt::service::mail::actions::Selection::Emails(folder, ids);
        self.server
            .app()
            .mail
            .act(self.anna, &selection, action)
            .await
            .unwrap();
    }

    /// (subject, read, flagged) of a folder as the database has it.
    pub async fn truth(&self, folder: FolderId) -> Vec<(String, bool, bool)> {
        let mut rows: Vec<(String, i32)> = sqlx::query_as(
            "select e.subject, m.flags from message m join email e on e.account_id = m.account_id and e.email_id = m.email_id
              where m.account_id = $1 and m.folder_id = $2",
        )
        .bind(self.anna)
        .bind(folder)
        .fetch_all(&self.server.db.pool)
        .await
        .unwrap();
        rows.sort();
        rows.into_iter()
            .map(|(subject, flags)| (subject, flags & 1 != 0, flags & 4 != 0))
            .collect()
    }
}

impl Client<'_> {
    /// The same of what the device has.
    pub fn held(&self) -> Vec<(String, bool, bool)> {
        let mut all: Vec<_> = self
            .items
            .values()
            .map(|i| (i.subject.clone(), i.read, i.flagged))
            .collect();
        all.sort();
        all
    }
}

pub fn letter(subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: \"Meier, Bob\" <bob@x.test>\r\nTo: Anna <anna@x.test>, C D <c@d.test>\r\nCc: e@f.test\r\nSubject: {subject}\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{subject}@x.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}"
    )
    .into_bytes()
}
