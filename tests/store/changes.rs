//! What changed since a point, how answers are cut, and what pruning does to points.

use postamt::model::{
    Charge, CollectionId, CollectionKind, Flags, FolderId, ItemId, ModSeq, SyncPoint, Uid,
};
use postamt::store::Write;
use postamt::store::changes::{ChangesError, Naming};
use postamt::store::item::Precondition;
use postamt::store::mail::FlagEdit;

use crate::common::TestDb;
use crate::common::fixtures::{Letter, TestAccount, fake_item, new_collection, quiet};

async fn write(db: &TestDb, account: &TestAccount) -> Write {
    db.store
        .draft()
        .await
        .unwrap()
        .lock(account.id, Charge::NONE)
        .await
        .unwrap()
}

async fn with_letters(count: usize) -> (TestDb, TestAccount, SyncPoint) {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1_000_000).await;
    for n in 0..count {
        db.deliver(
            &anna,
            anna.inbox(),
            &Letter::subject(&format!("letter {n}")),
        )
        .await;
    }
    let point = SyncPoint::at(db.store.modseq(anna.id).await.unwrap());
    (db, anna, point)
}

async fn flag(db: &TestDb, anna: &TestAccount, uids: &[i64], flags: Flags) -> ModSeq {
    let mut w = write(db, anna).await;
    let edit = FlagEdit {
        set: flags,
        ..FlagEdit::default()
    };
    w.set_flags(anna.inbox(), uids, &edit).await.unwrap();
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    modseq
}

async fn expunge(db: &TestDb, anna: &TestAccount, uids: &[i64]) -> ModSeq {
    let mut w = write(db, anna).await;
    w.expunge(anna.inbox(), uids, None).await.unwrap();
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    modseq
}

#[tokio::test]
async fn a_folder_tells_what_changed_and_what_left() {
    let (db, anna, point) = with_letters(6).await;
    let quiet_answer = db
        .store
        .folder_changes(anna.id, anna.inbox(), point, 50)
        .await
        .unwrap();
    assert!(quiet_answer.messages.is_empty() && quiet_answer.gone.is_empty() && !quiet_answer.more);
    assert_eq!(quiet_answer.next, point);
    let flagged = flag(&db, &anna, &[5], Flags::SEEN).await;
    let expunged = expunge(&db, &anna, &[2, 3, 6]).await;
    let new = db
        .deliver(&anna, anna.inbox(), &Letter::subject("new"))
        .await;
    let changes = db
        .store
        .folder_changes(anna.id, anna.inbox(), point, 50)
        .await
        .unwrap();
    let told: Vec<(i64, i32)> = changes
        .messages
        .iter()
        .map(|m| (m.uid.0, m.flags.0))
        .collect();
    assert_eq!(told, [(5, 1), (7, 0)]);
    assert_eq!(changes.messages[0].modseq, flagged);
    assert!(
        changes.messages[0].created_modseq <= point.modseq,
        "known before"
    );
    assert!(changes.messages[1].created_modseq > point.modseq, "new");
    assert_eq!(changes.messages[1].email_id, new.email_id);
    let gone: Vec<(i64, i64, ModSeq)> = changes
        .gone
        .iter()
        .map(|g| (g.first.0, g.last.0, g.modseq))
        .collect();
    assert_eq!(gone, [(2, 3, expunged), (6, 6, expunged)]);
    assert_eq!(changes.next.modseq, db.store.modseq(anna.id).await.unwrap());
    let other = db.account("bob@x.test", 1000).await;
    let not_his = db
        .store
        .folder_changes(other.id, anna.inbox(), point, 50)
        .await;
    assert!(matches!(not_his, Err(ChangesError::NotFound)));
}

#[tokio::test]
async fn an_answer_cut_inside_one_change_goes_on_behind_that_object() {
    let (db, anna, point) = with_letters(5).await;
    flag(&db, &anna, &[1, 2, 3, 4, 5], Flags::SEEN).await;
    expunge(&db, &anna, &[4]).await;
    let (mut since, mut told, mut answers) = (point, Vec::new(), 0);
    loop {
        let page = db
            .store
            .folder_changes(anna.id, anna.inbox(), since, 2)
            .await
            .unwrap();
        told.extend(page.messages.iter().map(|m| m.uid.0));
        told.extend(page.gone.iter().map(|g| -g.first.0));
        assert!(page.next > since);
        since = page.next;
        answers += 1;
        if !page.more {
            break;
        }
        if answers == 1 {
            // Edited again behind the cut: it comes later, not twice.
            flag(&db, &anna, &[3], Flags::FLAGGED).await;
        }
    }
    assert_eq!(told, [1, 2, 5, -4, 3]);
    assert_eq!(answers, 3);
    let nothing = db
        .store
        .folder_changes(anna.id, anna.inbox(), point, 0)
        .await
        .unwrap();
    assert_eq!((nothing.next, nothing.more), (point, true));
}

#[tokio::test]
async fn a_point_before_the_pruning_mark_or_from_the_future_is_too_old() {
    let (db, anna, point) = with_letters(3).await;
    expunge(&db, &anna, &[2]).await;
    let fresh = SyncPoint::at(db.store.modseq(anna.id).await.unwrap());
    assert_eq!(
        db.store.prune_tombstones(anna.id, 1).await.unwrap(),
        0,
        "too young"
    );
    assert_eq!(db.store.prune_tombstones(anna.id, 0).await.unwrap(), 1);
    let inbox = anna.inbox();
    let old = db.store.folder_changes(anna.id, inbox, point, 50).await;
    assert!(matches!(old, Err(ChangesError::TooOld)));
    db.store
        .folder_changes(anna.id, inbox, fresh, 50)
        .await
        .unwrap();
    // A full sync that began after the deletion is not thrown back by the pruning, however far behind its point is.
    let full = SyncPoint::full(fresh.modseq);
    assert_eq!(
        db.store
            .folder_changes(anna.id, inbox, full, 50)
            .await
            .unwrap()
            .messages
            .len(),
        2
    );
    // Another folder lost nothing.
    let archive = anna.folder(postamt::model::SpecialUse::Archive);
    db.store
        .folder_changes(anna.id, archive, point, 50)
        .await
        .unwrap();
    let future = SyncPoint::at(ModSeq(fresh.modseq.0 + 1));
    let restored = db.store.folder_changes(anna.id, inbox, future, 50).await;
    assert!(matches!(restored, Err(ChangesError::TooOld)));
    assert_eq!(
        db.store.modseq(anna.id).await.unwrap(),
        fresh.modseq,
        "pruning is no change"
    );
}

#[tokio::test]
async fn a_point_cut_inside_a_number_is_too_old_when_that_number_was_pruned() {
    let (db, anna, point) = with_letters(6).await;
    expunge(&db, &anna, &[2, 4, 6]).await;
    let inbox = anna.inbox();
    let cut = db
        .store
        .folder_changes(anna.id, inbox, point, 2)
        .await
        .unwrap();
    assert!(cut.more);
    db.store.prune_tombstones(anna.id, 0).await.unwrap();
    // UID 6 is still owed, and nobody knows of it any more.
    let rest = db.store.folder_changes(anna.id, inbox, cut.next, 2).await;
    assert!(matches!(rest, Err(ChangesError::TooOld)));
}

#[tokio::test]
async fn a_full_sync_is_not_told_of_what_died_before_it_began() {
    let (db, anna, _) = with_letters(3).await;
    expunge(&db, &anna, &[1]).await;
    let full = SyncPoint::full(db.store.modseq(anna.id).await.unwrap());
    expunge(&db, &anna, &[3]).await;
    let changes = db
        .store
        .folder_changes(anna.id, anna.inbox(), full, 50)
        .await
        .unwrap();
    assert_eq!(changes.messages.len(), 1);
    assert_eq!(
        changes.gone.iter().map(|g| g.first).collect::<Vec<_>>(),
        [Uid(3)]
    );
}

async fn calendar(db: &TestDb, anna: &TestAccount) -> CollectionId {
    let mut w = write(db, anna).await;
    let id = w
        .create_collection(&new_collection(CollectionKind::Calendar, "home"))
        .await
        .unwrap();
    quiet(w.commit().await.unwrap());
    id
}

async fn put(db: &TestDb, anna: &TestAccount, at: CollectionId, href: &str) {
    let mut w = write(db, anna).await;
    w.put_item(at, &fake_item(href, "x"), Precondition::Any)
        .await
        .unwrap();
    quiet(w.commit().await.unwrap());
}

async fn remove(db: &TestDb, anna: &TestAccount, at: CollectionId, href: &str) {
    let mut w = write(db, anna).await;
    w.remove_item(at, href, Precondition::Any, None)
        .await
        .unwrap();
    quiet(w.commit().await.unwrap());
}

#[tokio::test]
async fn a_name_that_lives_again_has_not_left_but_its_old_id_has() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1_000_000).await;
    let home = calendar(&db, &anna).await;
    for href in ["a", "b", "c"] {
        put(&db, &anna, home, href).await;
    }
    let point = SyncPoint::at(db.store.modseq(anna.id).await.unwrap());
    remove(&db, &anna, home, "a").await;
    put(&db, &anna, home, "a").await;
    // Came and left twice: told once.
    for _ in 0..2 {
        remove(&db, &anna, home, "b").await;
        put(&db, &anna, home, "b").await;
    }
    remove(&db, &anna, home, "b").await;
    let by_name = db
        .store
        .collection_changes(anna.id, home, point, 50, Naming::Href)
        .await
        .unwrap();
    let names: Vec<&str> = by_name.gone.iter().map(|g| g.href.as_str()).collect();
    assert_eq!(names, ["b"]);
    assert_eq!(
        by_name
            .items
            .iter()
            .map(|i| i.href.as_str())
            .collect::<Vec<_>>(),
        ["a"]
    );
    let by_id = db
        .store
        .collection_changes(anna.id, home, point, 50, Naming::Id)
        .await
        .unwrap();
    let ids: Vec<ItemId> = by_id.gone.iter().map(|g| g.item_id).collect();
    assert_eq!(ids, [1, 2, 5, 6].map(ItemId));
    assert_eq!(by_id.items[0].item_id, ItemId(4));
    let page = db
        .store
        .collection_changes(anna.id, home, point, 1, Naming::Href)
        .await
        .unwrap();
    assert!(page.more);
    db.store.prune_tombstones(anna.id, 0).await.unwrap();
    let old = db
        .store
        .collection_changes(anna.id, home, point, 50, Naming::Href)
        .await;
    assert!(matches!(old, Err(ChangesError::TooOld)));
    let missing = db
        .store
        .collection_changes(anna.id, CollectionId(999), point, 50, Naming::Id)
        .await;
    assert!(matches!(missing, Err(ChangesError::NotFound)));
}

#[tokio::test]
async fn ranges_of_ids_are_read_from_either_end() {
    let (db, anna, _) = with_letters(6).await;
    let (id, inbox) = (anna.id, anna.inbox());
    let uids = |m: Vec<postamt::store::changes::ChangedMessage>| -> Vec<i64> {
        m.iter().map(|m| m.uid.0).collect()
    };
    let up = db
        .store
        .messages_between(id, inbox, Uid(2), Uid(5), false, 3)
        .await
        .unwrap();
    assert_eq!(uids(up), [2, 3, 4]);
    let down = db
        .store
        .messages_between(id, inbox, Uid(2), Uid(5), true, 3)
        .await
        .unwrap();
    assert_eq!(uids(down), [5, 4, 3]);
    let home = calendar(&db, &anna).await;
    for href in ["a", "b", "c"] {
        put(&db, &anna, home, href).await;
    }
    let down = db
        .store
        .items_between(id, home, ItemId(1), ItemId(9), true, 2)
        .await
        .unwrap();
    assert_eq!(down.iter().map(|i| i.item_id.0).collect::<Vec<_>>(), [3, 2]);
    let up = db
        .store
        .items_between(id, home, ItemId(2), ItemId(9), false, 9)
        .await
        .unwrap();
    assert_eq!(up.iter().map(|i| i.item_id.0).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn an_account_tells_which_folders_and_collections_to_look_into() {
    let (db, anna, point) = with_letters(1).await;
    let since = point.modseq;
    let none = db.store.account_changes(anna.id, since).await.unwrap();
    assert!(none.folders.is_empty() && none.collections.is_empty() && none.gone_folders.is_empty());
    assert_eq!(none.upto, since);
    let home = calendar(&db, &anna).await;
    let mut w = write(&db, &anna).await;
    let work = w.create_folder("Work", None).await.unwrap();
    let old = w.create_folder("Old", None).await.unwrap();
    quiet(w.commit().await.unwrap());
    flag(&db, &anna, &[1], Flags::SEEN).await;
    let mut w = write(&db, &anna).await;
    w.delete_folder(old).await.unwrap();
    quiet(w.commit().await.unwrap());
    let changes = db.store.account_changes(anna.id, since).await.unwrap();
    let ids: Vec<FolderId> = changes.folders.iter().map(|f| f.folder_id).collect();
    assert_eq!(ids, [anna.inbox(), work]);
    assert_eq!(changes.folders[0].unseen_count, 0);
    assert_eq!(
        changes
            .collections
            .iter()
            .map(|c| c.collection_id)
            .collect::<Vec<_>>(),
        [home]
    );
    assert_eq!(changes.gone_folders, [old]);
    assert_eq!(changes.upto, db.store.modseq(anna.id).await.unwrap());

    let mut w = write(&db, &anna).await;
    w.delete_collection(home).await.unwrap();
    quiet(w.commit().await.unwrap());
    let later = db
        .store
        .account_changes(anna.id, changes.upto)
        .await
        .unwrap();
    assert_eq!(
        (later.gone_collections, later.gone_folders),
        (vec![home], vec![])
    );
    assert_eq!(db.store.prune_tombstones(anna.id, 0).await.unwrap(), 2);
    assert!(matches!(
        db.store.account_changes(anna.id, since).await,
        Err(ChangesError::TooOld)
    ));
    db.store.account_changes(anna.id, later.upto).await.unwrap();
}

#[tokio::test]
async fn what_is_over_is_swept() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let bob = db.account("bob@x.test", 1000).await;
    for sql in [
        "insert into session (session_hash, account_id, data, expires_at) values ('\\x01', $1, '{}', now())",
        "insert into session (session_hash, account_id, data, expires_at) values ('\\x02', $1, '{}', now() + interval '1 hour')",
        "insert into undo (account_id, token, action, expires_at) values ($1, 'a', '{}', now())",
        "insert into undo (account_id, token, action, expires_at) values ($1, 'b', '{}', now() + interval '1 minute')",
        "insert into removed (account_id, kind, parent_id, snapshot, size_bytes, expires_at) values ($1, 'message', 1, '{}', 1, now())",
    ] {
        db.tamper(sql, anna.id).await;
    }
    assert_eq!(db.store.prune_sessions().await.unwrap(), 1);
    assert_eq!(db.store.prune_undo(anna.id).await.unwrap(), 1);
    assert_eq!(db.store.prune_undo(bob.id).await.unwrap(), 0);
    assert_eq!(db.store.prune_removed(bob.id).await.unwrap(), 0);
    assert_eq!(db.store.prune_removed(anna.id).await.unwrap(), 1);
    let all = db
        .store
        .accounts_after(postamt::model::AccountId(0), 10)
        .await
        .unwrap();
    assert_eq!(all, [anna.id, bob.id]);
    assert_eq!(
        db.store.accounts_after(anna.id, 10).await.unwrap(),
        [bob.id]
    );
}
