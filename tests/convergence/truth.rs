//! What is in the database at the end, read by plain SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use postamt::model::AccountId;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use crate::common::TestDb;

/// A message as a client holds it: (email, flags, change number).
pub type Held = (i64, i32, i64);

/// A row of a conversation list: (thread, newest UID, messages, unseen, starred).
pub type Listed = (i64, i64, i32, i32, i32);

/// Everything a client may hold.
pub struct Truth {
    pub modseq: i64,
    /// Folder id -> (name, messages, unseen, bytes).
    pub folders: BTreeMap<i64, (String, i64, i64, i64)>,
    /// Folder id -> UID -> message.
    pub messages: BTreeMap<i64, BTreeMap<i64, Held>>,
    /// Folder id -> conversations.
    pub threads: BTreeMap<i64, BTreeSet<Listed>>,
    /// Collection id -> href -> (item id, change number).
    pub items: BTreeMap<i64, BTreeMap<String, (i64, i64)>>,
}

impl Truth {
    pub async fn read(db: &TestDb, account: AccountId) -> Self {
        let mut truth = Self {
            modseq: db
                .number("select modseq from account where account_id = $1", account)
                .await,
            folders: BTreeMap::new(),
            messages: BTreeMap::new(),
            threads: BTreeMap::new(),
            items: BTreeMap::new(),
        };
        for (id, name, messages, unseen, bytes) in rows::<(i64, String, i64, i64, i64)>(
            db,
            account,
            "select folder_id, name, message_count, unseen_count, total_bytes from folder where account_id = $1",
        )
        .await
        {
            truth.folders.insert(id, (name, messages, unseen, bytes));
            truth.messages.insert(id, BTreeMap::new());
            truth.threads.insert(id, BTreeSet::new());
        }
        for (folder, uid, email, flags, modseq) in rows::<(i64, i64, i64, i32, i64)>(
            db,
            account,
            "select folder_id, uid, email_id, flags, modseq from message where account_id = $1",
        )
        .await
        {
            truth
                .messages
                .get_mut(&folder)
                .unwrap()
                .insert(uid, (email, flags, modseq));
        }
        for (folder, thread, newest, messages, unseen, starred) in
            rows::<(i64, i64, i64, i64, i64, i64)>(
                db,
                account,
                "select folder_id, thread_id, (array_agg(uid order by received_at desc, uid desc))[1], count(*),
                        count(*) filter (where flags & 1 = 0), count(*) filter (where flags & 4 <> 0)
                   from message where account_id = $1 group by 1, 2",
            )
            .await
        {
            let counts = [messages, unseen, starred].map(|n| i32::try_from(n).unwrap());
            truth
                .threads
                .get_mut(&folder)
                .unwrap()
                .insert((thread, newest, counts[0], counts[1], counts[2]));
        }
        for (id,) in rows::<(i64,)>(
            db,
            account,
            "select collection_id from collection where account_id = $1",
        )
        .await
        {
            truth.items.insert(id, BTreeMap::new());
        }
        for (collection, href, id, modseq) in rows::<(i64, String, i64, i64)>(
            db,
            account,
            "select collection_id, href, item_id, modseq from item where account_id = $1",
        )
        .await
        {
            truth
                .items
                .get_mut(&collection)
                .unwrap()
                .insert(href, (id, modseq));
        }
        truth
    }
}

async fn rows<T>(db: &TestDb, account: AccountId, sql: &'static str) -> Vec<T>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    sqlx::query(sql)
        .bind(account)
        .fetch_all(&db.pool)
        .await
        .unwrap()
        .iter()
        .inspect(|row| debug_assert!(row.len() > 0))
        .map(|row| T::from_row(row).unwrap())
        .collect()
}

/// Says what one map has and the other has not.
pub fn differ<K, V>(what: &str, mine: &BTreeMap<K, V>, truth: &BTreeMap<K, V>) -> Result<(), String>
where
    K: Ord + Debug,
    V: PartialEq + Debug,
{
    for (key, value) in truth {
        match mine.get(key) {
            None => return Err(format!("{what} {key:?} is missing ({value:?})")),
            Some(held) if held != value => {
                return Err(format!("{what} {key:?} is {held:?}, should be {value:?}"));
            }
            Some(_) => {}
        }
    }
    match mine.iter().find(|(key, _)| !truth.contains_key(key)) {
        None => Ok(()),
        Some((key, value)) => Err(format!("{what} {key:?} is a ghost ({value:?})")),
    }
}
