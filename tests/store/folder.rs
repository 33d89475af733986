//! Folders: creating, renaming, subscribing, deleting.

use postamt::error::Refusal;
use postamt::model::{Charge, FolderId, ModSeq, SpecialUse};
use postamt::store::Write;

use crate::common::TestDb;
use crate::common::fixtures::{Letter, TestAccount, quiet};

async fn write(db: &TestDb, account: &TestAccount) -> Write {
    db.store
        .draft()
        .await
        .unwrap()
        .lock(account.id, Charge::NONE)
        .await
        .unwrap()
}

async fn create(db: &TestDb, anna: &TestAccount, name: &str) -> Result<FolderId, Refusal> {
    let mut w = write(db, anna).await;
    let made = w.create_folder(name, None).await;
    quiet(w.commit().await.unwrap());
    made
}

async fn names(db: &TestDb, anna: &TestAccount) -> Vec<String> {
    let all = db.store.folders(anna.id).await.unwrap();
    all.into_iter()
        .filter(|f| f.special_use().is_none())
        .map(|f| f.name)
        .collect()
}

#[tokio::test]
async fn a_new_account_has_its_first_folders() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let all = db.store.folders(anna.id).await.unwrap();
    assert_eq!(all.len(), SpecialUse::FIRST.len());
    for (special, name) in SpecialUse::FIRST {
        let id = db
            .store
            .special_folder(anna.id, special)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(id, anna.folder(special));
        let row = db.store.folder(anna.id, id).await.unwrap().unwrap();
        assert_eq!(
            (row.name.as_str(), row.special_use()),
            (name, Some(special))
        );
    }
    assert_eq!(
        db.store
            .special_folder(anna.id, SpecialUse::Snoozed)
            .await
            .unwrap(),
        None
    );
    let mut w = write(&db, &anna).await;
    assert_eq!(
        w.special_folder(SpecialUse::Junk).await.unwrap(),
        anna.folder(SpecialUse::Junk)
    );
    assert!(matches!(
        w.special_folder(SpecialUse::Snoozed).await,
        Err(Refusal::NoFolder)
    ));
    w.abandon().await.unwrap();
}

#[tokio::test]
async fn a_name_is_given_once_and_uid_validity_never_again() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let first = create(&db, &anna, "Work").await.unwrap();
    assert!(matches!(
        create(&db, &anna, "Work").await,
        Err(Refusal::Exists)
    ));
    let validity = db
        .store
        .folder(anna.id, first)
        .await
        .unwrap()
        .unwrap()
        .uid_validity;
    let mut w = write(&db, &anna).await;
    w.delete_folder(first).await.unwrap();
    quiet(w.commit().await.unwrap());
    let second = create(&db, &anna, "Work").await.unwrap();
    assert_ne!(first, second);
    assert!(
        db.store
            .folder(anna.id, second)
            .await
            .unwrap()
            .unwrap()
            .uid_validity
            > validity
    );
    assert!(
        matches!(
            write(&db, &anna)
                .await
                .create_folder("Other", Some(SpecialUse::Inbox))
                .await,
            Err(Refusal::Exists)
        ),
        "one folder a use"
    );
}

#[tokio::test]
async fn a_rename_takes_everything_below_along() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let mut ids = Vec::new();
    for name in ["a", "a/b", "a/b/c", "ab", "a%"] {
        ids.push(create(&db, &anna, name).await.unwrap());
    }
    let mut w = write(&db, &anna).await;
    w.rename_folder(ids[0], "z/y").await.unwrap();
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    assert_eq!(
        names(&db, &anna).await,
        ["a%", "ab", "z/y", "z/y/b", "z/y/b/c"]
    );
    let child = db.store.folder(anna.id, ids[2]).await.unwrap().unwrap();
    assert_eq!((child.name.as_str(), child.modseq), ("z/y/b/c", modseq));
    let other = db.store.folder(anna.id, ids[3]).await.unwrap().unwrap();
    assert!(other.modseq < modseq);
}

#[tokio::test]
async fn a_rename_never_takes_a_name_that_is_there() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let a = create(&db, &anna, "a").await.unwrap();
    create(&db, &anna, "a/x").await.unwrap();
    create(&db, &anna, "b").await.unwrap();
    create(&db, &anna, "c/x").await.unwrap();
    let mut w = write(&db, &anna).await;
    assert!(matches!(
        w.rename_folder(a, "b").await,
        Err(Refusal::Exists)
    ));
    assert!(
        matches!(w.rename_folder(a, "c").await, Err(Refusal::Exists)),
        "below it"
    );
    assert!(
        matches!(
            w.rename_folder(a, "a/deeper").await,
            Err(Refusal::Invalid(_))
        ),
        "into itself"
    );
    assert!(matches!(
        w.rename_folder(FolderId(9999), "q").await,
        Err(Refusal::NoFolder)
    ));
    // To its own name: nothing to do, nothing wrong.
    w.rename_folder(a, "a").await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!(names(&db, &anna).await, ["a", "a/x", "b", "c/x"]);
}

#[tokio::test]
async fn only_an_empty_folder_of_ones_own_is_deleted() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let work = create(&db, &anna, "Work").await.unwrap();
    db.deliver(&anna, work, &Letter::subject("in the way"))
        .await;
    let mut w = write(&db, &anna).await;
    assert!(matches!(
        w.delete_folder(work).await,
        Err(Refusal::NoFolder)
    ));
    assert!(matches!(
        w.delete_folder(anna.folder(SpecialUse::Trash)).await,
        Err(Refusal::NoFolder)
    ));
    w.abandon().await.unwrap();
    let mut w = write(&db, &anna).await;
    w.expunge(work, &[1], None).await.unwrap();
    w.delete_folder(work).await.unwrap();
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    let left: Vec<(String, i64, ModSeq)> =
        sqlx::query_as("select kind, first_id, modseq from tombstone where account_id = $1")
            .bind(anna.id)
            .fetch_all(&db.pool)
            .await
            .unwrap();
    assert_eq!(
        left,
        [("folder".to_owned(), work.0, modseq)],
        "its messages' tombstones go with it"
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_subscription_is_a_change_of_the_folder() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    let mut w = write(&db, &anna).await;
    w.subscribe_folder(anna.inbox(), false).await.unwrap();
    let modseq = w.modseq();
    assert!(matches!(
        w.subscribe_folder(FolderId(9999), false).await,
        Err(Refusal::NoFolder)
    ));
    quiet(w.commit().await.unwrap());
    let row = db
        .store
        .folder(anna.id, anna.inbox())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((row.is_subscribed, row.modseq), (false, modseq));
}
