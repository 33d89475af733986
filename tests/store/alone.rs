//! Messages added in one statement of their own: what it does, what it leaves to the long way.

use postamt::model::{Charge, Flags, FolderId, SpecialUse, Uid};
use postamt::store::account::Locked;
use postamt::store::mail::{Added, Placement, Target};

use crate::common::TestDb;
use crate::common::fixtures::{Letter, TestAccount, fake_email, now, quiet};

/// What one statement adds is what the long way would have added.
#[tokio::test]
async fn a_message_added_alone_counts_like_any_other() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let first = Letter::subject("Alone");
    let (added, usage) = alone(&db, &anna, &first, inbox(), true).await.unwrap();
    assert_eq!((added.folder_id, added.uid), (anna.inbox(), Uid(1)));
    assert_eq!(usage.used_bytes, first.stored().size_bytes);
    // An answer finds the conversation; the same bytes again share their body.
    let answer = Letter::subject("Re: Alone").answering(&first);
    let (second, _) = alone(&db, &anna, &answer, inbox(), true).await.unwrap();
    assert_eq!((second.uid, second.thread_id), (Uid(2), added.thread_id));
    let (third, _) = alone(&db, &anna, &first, inbox(), true).await.unwrap();
    assert_eq!((third.uid, third.thread_id), (Uid(3), added.thread_id));
    let bodies = db
        .number("select count(*) from body where account_id = $1", anna.id)
        .await;
    assert_eq!(bodies, 2);
    let archive = Target::Folder(anna.folder(SpecialUse::Archive));
    alone(&db, &anna, &answer, archive, true).await.unwrap();
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_message_added_alone_is_refused_without_a_trace() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let large = Letter::subject("Large").of_size(20_000);
    let before = db.store.modseq(anna.id).await.unwrap();
    assert!(alone(&db, &anna, &large, inbox(), true).await.is_none());
    let nowhere = Target::Folder(FolderId(4711));
    let small = Letter::subject("Small");
    assert!(alone(&db, &anna, &small, nowhere, true).await.is_none());
    let huge = Letter::subject("Huge").of_size(300_000);
    assert!(alone(&db, &anna, &huge, inbox(), false).await.is_none());
    assert_eq!(db.store.modseq(anna.id).await.unwrap(), before);
    let bodies = db
        .number("select count(*) from body where account_id = $1", anna.id)
        .await;
    assert_eq!(bodies, 0);
    // What may not be refused for quota goes in all the same.
    assert!(alone(&db, &anna, &large, inbox(), false).await.is_some());
    db.assert_adds_up(anna.id).await;
}

/// Who waited for another write decides nothing on what it saw before: the other may have begun the conversation.
#[tokio::test]
async fn a_message_added_alone_gives_way_to_a_write_that_came_first() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let first = Letter::subject("Question");
    let mut draft = db.store.draft().await.unwrap();
    let body = draft.put_body(anna.id, &first.stored()).await.unwrap();
    let mut w = draft
        .lock(anna.id, Charge::mail(body.size_bytes))
        .await
        .unwrap();
    let answer = Letter::subject("Re: Question").answering(&first);
    let waiting = alone(&db, &anna, &answer, inbox(), true);
    let holding = async {
        let added = w
            .add_message(body, &fake_email(&first), &placement(inbox()))
            .await;
        let mut waits = false;
        while !waits {
            waits = sqlx::query_scalar(
                "select count(*) > 0 from pg_stat_activity
                  where datname = current_database() and wait_event_type = 'Lock'",
            )
            .fetch_one(&db.pool)
            .await
            .unwrap();
        }
        quiet(w.commit().await.unwrap());
        added.unwrap()
    };
    let (gave_way, added) = tokio::join!(waiting, holding);
    assert!(gave_way.is_none());
    let (second, _) = alone(&db, &anna, &answer, inbox(), true).await.unwrap();
    assert_eq!((second.uid, second.thread_id), (Uid(2), added.thread_id));
    db.assert_adds_up(anna.id).await;
}

fn inbox() -> Target {
    Target::Special(SpecialUse::Inbox)
}

fn placement(target: Target) -> Placement<'static> {
    Placement {
        target,
        flags: Flags::NONE,
        keywords: &[],
        received_at: now(),
        thread: None,
    }
}

async fn alone(
    db: &TestDb,
    anna: &TestAccount,
    letter: &Letter,
    target: Target,
    guarded: bool,
) -> Option<(Added, Locked)> {
    let done = db
        .store
        .add_alone(
            anna.id,
            &letter.stored(),
            &fake_email(letter),
            &placement(target),
            guarded,
        )
        .await
        .unwrap();
    done.map(|(added, locked, committed)| {
        quiet(committed);
        (added, locked)
    })
}
