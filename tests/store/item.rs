//! Collections and items: ids, `ETag`s, preconditions, charges, moves.

use postamt::error::Refusal;
use postamt::model::{Charge, CollectionId, CollectionKind, ItemId};
use postamt::store::Write;
use postamt::store::collection::CollectionEdit;
use postamt::store::item::{Precondition, Put};
use time::Duration;

use crate::common::TestDb;
use crate::common::fixtures::{TestAccount, fake_item, new_collection, now, quiet};

async fn write(db: &TestDb, account: &TestAccount) -> Write {
    db.store
        .draft()
        .await
        .unwrap()
        .lock(account.id, Charge::NONE)
        .await
        .unwrap()
}

async fn collection(
    db: &TestDb,
    anna: &TestAccount,
    kind: CollectionKind,
    slug: &str,
) -> CollectionId {
    let mut w = write(db, anna).await;
    let id = w
        .create_collection(&new_collection(kind, slug))
        .await
        .unwrap();
    quiet(w.commit().await.unwrap());
    id
}

async fn put(
    db: &TestDb,
    anna: &TestAccount,
    at: CollectionId,
    href: &str,
    text: &str,
    when: Precondition,
) -> Result<Put, Refusal> {
    let mut w = write(db, anna).await;
    let put = w.put_item(at, &fake_item(href, text), when).await;
    if put.is_ok() {
        quiet(w.commit().await.unwrap());
    }
    put
}

#[tokio::test]
async fn a_put_gives_an_etag_and_a_replacement_keeps_the_id() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let first = put(&db, &anna, home, "a.ics", "one", Precondition::Absent)
        .await
        .unwrap();
    assert_eq!((first.item_id, first.created), (ItemId(1), true));
    let stale = put(&db, &anna, home, "a.ics", "two", Precondition::Absent).await;
    assert!(matches!(stale, Err(Refusal::Stale)));
    let second = put(
        &db,
        &anna,
        home,
        "a.ics",
        "second",
        Precondition::Is(first.modseq),
    )
    .await
    .unwrap();
    assert_eq!((second.item_id, second.created), (ItemId(1), false));
    assert!(second.modseq > first.modseq);
    let stale = put(
        &db,
        &anna,
        home,
        "a.ics",
        "three",
        Precondition::Is(first.modseq),
    )
    .await;
    assert!(matches!(stale, Err(Refusal::Stale)));
    let absent = put(&db, &anna, home, "b.ics", "b", Precondition::Present).await;
    assert!(matches!(absent, Err(Refusal::Stale)));

    let row = db
        .store
        .item(anna.id, home, "a.ics")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.modseq, row.created_modseq),
        (second.modseq, first.modseq)
    );
    assert_eq!(row.summary, "second");
    let source = fake_item("a.ics", "second").source;
    assert_eq!(
        db.store
            .item_sources(anna.id, home, &[ItemId(1), ItemId(2)])
            .await
            .unwrap(),
        [(ItemId(1), second.modseq, source.clone())]
    );
    let usage = db.store.usage(anna.id).await.unwrap().unwrap();
    let size = i64::try_from(source.len()).unwrap();
    assert_eq!((usage.used_bytes, usage.calendar_bytes), (size, size));
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn each_kind_is_charged_to_its_own_counter_and_all_to_one_quota() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    for (kind, slug) in [
        (CollectionKind::Calendar, "cal"),
        (CollectionKind::Contacts, "people"),
        (CollectionKind::Tasks, "todo"),
        (CollectionKind::Notes, "notes"),
    ] {
        let at = collection(&db, &anna, kind, slug).await;
        put(&db, &anna, at, "x", &"x".repeat(100), Precondition::Any)
            .await
            .unwrap();
    }
    let usage = db.store.usage(anna.id).await.unwrap().unwrap();
    let one = i64::try_from(fake_item("x", &"x".repeat(100)).source.len()).unwrap();
    assert_eq!(
        [
            usage.calendar_bytes,
            usage.contact_bytes,
            usage.task_bytes,
            usage.note_bytes,
            usage.used_bytes
        ],
        [one, one, one, one, 4 * one]
    );
    let cal = db.store.collections(anna.id).await.unwrap()[0].collection_id;
    let too_much = put(&db, &anna, cal, "y", &"x".repeat(900), Precondition::Any).await;
    assert!(matches!(
        too_much,
        Err(Refusal::OverQuota { limit_bytes: 1000 })
    ));
    // In place of the old one only the difference counts.
    let room = usize::try_from(1000 - usage.used_bytes).unwrap();
    put(
        &db,
        &anna,
        cal,
        "x",
        &"x".repeat(100 + room),
        Precondition::Present,
    )
    .await
    .unwrap();
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().used_bytes,
        1000
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_uid_stands_at_one_href_of_a_collection() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let work = collection(&db, &anna, CollectionKind::Calendar, "work").await;
    put(&db, &anna, home, "a.ics", "one", Precondition::Any)
        .await
        .unwrap();
    let mut same = fake_item("b.ics", "one");
    same.uid = fake_item("a.ics", "").uid;
    let mut w = write(&db, &anna).await;
    assert!(matches!(
        w.put_item(home, &same, Precondition::Any).await,
        Err(Refusal::Exists)
    ));
    w.put_item(work, &same, Precondition::Any).await.unwrap();
    let back = w
        .move_item((work, "b.ics"), (home, "c.ics"), Precondition::Any)
        .await;
    assert!(matches!(back, Err(Refusal::Exists)));
    let onto = w
        .move_item((work, "b.ics"), (home, "a.ics"), Precondition::Any)
        .await
        .unwrap();
    assert!(!onto.created);
    quiet(w.commit().await.unwrap());
    assert_eq!(
        db.store
            .items(anna.id, home, ItemId(0), 10)
            .await
            .unwrap()
            .len(),
        1
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_removed_item_leaves_its_name_and_may_be_restored() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let there = put(&db, &anna, home, "a.ics", "one", Precondition::Any)
        .await
        .unwrap();
    let mut w = write(&db, &anna).await;
    let missing = w.remove_item(home, "b.ics", Precondition::Any, None).await;
    assert!(matches!(missing, Err(Refusal::NotFound)));
    let stale = w
        .remove_item(home, "a.ics", Precondition::Absent, None)
        .await;
    assert!(matches!(stale, Err(Refusal::Stale)));
    let gone = w
        .remove_item(home, "a.ics", Precondition::Is(there.modseq), Some(30))
        .await
        .unwrap();
    assert_eq!(gone, there.item_id);
    quiet(w.commit().await.unwrap());
    let kept: (String, Vec<u8>) =
        sqlx::query_as("select kind, source from removed where account_id = $1")
            .bind(anna.id)
            .fetch_one(&db.pool)
            .await
            .unwrap();
    assert_eq!(
        kept,
        ("calendar".to_owned(), fake_item("a.ics", "one").source)
    );
    let left: (i64, String) = sqlx::query_as(
        "select first_id, href from tombstone where account_id = $1 and kind = 'item'",
    )
    .bind(anna.id)
    .fetch_one(&db.pool)
    .await
    .unwrap();
    assert_eq!(left, (1, "a.ics".to_owned()));
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().used_bytes,
        0
    );
    // The same name again is a new object.
    let again = put(&db, &anna, home, "a.ics", "one", Precondition::Absent)
        .await
        .unwrap();
    assert_eq!(again.item_id, ItemId(2));
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_move_ends_an_id_and_begins_a_new_one() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let work = collection(&db, &anna, CollectionKind::Calendar, "work").await;
    let people = collection(&db, &anna, CollectionKind::Contacts, "people").await;
    put(&db, &anna, home, "a.ics", "one", Precondition::Any)
        .await
        .unwrap();
    put(&db, &anna, work, "b.ics", "two", Precondition::Any)
        .await
        .unwrap();
    let mut w = write(&db, &anna).await;
    let occupied = w
        .move_item((home, "a.ics"), (work, "b.ics"), Precondition::Absent)
        .await;
    assert!(matches!(occupied, Err(Refusal::Stale)));
    let other_kind = w
        .move_item((home, "a.ics"), (people, "a.ics"), Precondition::Any)
        .await;
    assert!(matches!(other_kind, Err(Refusal::Invalid(_))));
    let nowhere = w
        .move_item(
            (home, "a.ics"),
            (CollectionId(999), "a.ics"),
            Precondition::Any,
        )
        .await;
    assert!(matches!(nowhere, Err(Refusal::NotFound)));
    let nothing = w
        .move_item((home, "x.ics"), (work, "x.ics"), Precondition::Any)
        .await;
    assert!(matches!(nothing, Err(Refusal::NotFound)));
    let moved = w
        .move_item((home, "a.ics"), (work, "a.ics"), Precondition::Absent)
        .await
        .unwrap();
    assert_eq!((moved.item_id, moved.created), (ItemId(2), true));
    let renamed = w
        .move_item((work, "a.ics"), (work, "c.ics"), Precondition::Any)
        .await
        .unwrap();
    assert_eq!(renamed.item_id, ItemId(3));
    quiet(w.commit().await.unwrap());
    assert_eq!(db.store.item(anna.id, home, "a.ics").await.unwrap(), None);
    assert_eq!(
        db.store
            .item(anna.id, work, "c.ics")
            .await
            .unwrap()
            .unwrap()
            .summary,
        "one"
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn an_edit_that_brings_back_a_long_past_event_makes_a_new_object() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let long_ago = Some(now() - Duration::days(20));
    let longer_ago = Some(now() - Duration::days(40));
    let mut id = 1;
    for (n, (before, after, is_new)) in [
        (long_ago, Some(now()), true),
        (long_ago, None, true),
        (longer_ago, long_ago, true),
        (long_ago, longer_ago, false),
        (long_ago, long_ago, false),
        (Some(now()), None, false),
        (None, long_ago, false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = write(&db, &anna).await;
        let mut item = fake_item(&format!("{n}.ics"), "x");
        item.last_ends_at = before;
        let first = w.put_item(home, &item, Precondition::Any).await.unwrap();
        assert_eq!(first.item_id, ItemId(id));
        item.last_ends_at = after;
        let second = w.put_item(home, &item, Precondition::Any).await.unwrap();
        assert_eq!(second.item_id != first.item_id, is_new, "case {n}");
        assert!(!second.created);
        quiet(w.commit().await.unwrap());
        id = second.item_id.0 + 1;
    }
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn collections_are_created_edited_and_deleted_when_empty() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let home = collection(&db, &anna, CollectionKind::Calendar, "home").await;
    let mut w = write(&db, &anna).await;
    let taken = w
        .create_collection(&new_collection(CollectionKind::Tasks, "home"))
        .await;
    assert!(matches!(taken, Err(Refusal::Exists)));
    let edit = CollectionEdit {
        name: Some("Zuhause"),
        color: Some("#336699"),
        ..CollectionEdit::default()
    };
    w.edit_collection(home, &edit).await.unwrap();
    assert!(matches!(
        w.edit_collection(CollectionId(999), &edit).await,
        Err(Refusal::NotFound)
    ));
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    let row = db.store.collection(anna.id, home).await.unwrap().unwrap();
    assert_eq!(
        (row.name.as_str(), row.color.as_deref(), row.modseq),
        ("Zuhause", Some("#336699"), modseq)
    );
    assert_eq!(row.kind(), Some(CollectionKind::Calendar));
    assert_eq!(row.slug, "home");

    put(&db, &anna, home, "a.ics", "one", Precondition::Any)
        .await
        .unwrap();
    let mut w = write(&db, &anna).await;
    assert!(matches!(
        w.delete_collection(home).await,
        Err(Refusal::NotFound)
    ));
    w.remove_item(home, "a.ics", Precondition::Any, None)
        .await
        .unwrap();
    w.delete_collection(home).await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!(db.store.collections(anna.id).await.unwrap(), []);
    let missing = put(&db, &anna, home, "a.ics", "one", Precondition::Any).await;
    assert!(matches!(missing, Err(Refusal::NotFound)));
    db.assert_adds_up(anna.id).await;
}
