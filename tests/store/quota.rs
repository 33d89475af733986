//! The quota: exact under concurrency, passed by the program's own notices, told once.

use postamt::error::Refusal;
use postamt::model::Charge;

use super::mail::write;
use crate::common::TestDb;
use crate::common::fixtures::{Letter, deliver, quiet};

#[tokio::test]
async fn the_quota_is_exact_under_ten_writers() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_500).await;
    let inbox = anna.inbox();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let store = db.store.clone();
        let id = anna.id;
        writers.spawn(async move {
            let mut refused = 0;
            for n in 0..3 {
                let letter = Letter::subject(&format!("n {n}")).of_size(1000);
                match deliver(&store, id, inbox, &letter).await {
                    Ok((_, committed)) => quiet(committed),
                    Err(Refusal::OverQuota {
                        limit_bytes: 10_500,
                    }) => refused += 1,
                    Err(e) => panic!("{e}"),
                }
            }
            refused
        });
    }
    let refused: i32 = writers.join_all().await.into_iter().sum();
    assert_eq!(refused, 20);
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().used_bytes,
        10_000
    );
    // A refused delivery leaves no body and no UID behind.
    assert_eq!(
        db.number("select count(*) from body where account_id = $1", anna.id)
            .await,
        10
    );
    assert_eq!(
        db.number(
            "select max(uid) from message where account_id = $1",
            anna.id
        )
        .await,
        10
    );
    // Exactly what is left still fits, one byte more does not.
    let too_much = deliver(
        &db.store,
        anna.id,
        inbox,
        &Letter::subject("+").of_size(501),
    )
    .await;
    assert!(matches!(too_much, Err(Refusal::OverQuota { .. })));
    db.deliver(&anna, inbox, &Letter::subject("=").of_size(500))
        .await;
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn the_programs_own_notice_passes_a_full_quota_and_tells_how_full_it_is() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100).await;
    let write = db
        .store
        .draft()
        .await
        .unwrap()
        .lock_unguarded(anna.id, Charge::mail(150))
        .await
        .unwrap();
    assert_eq!(
        (write.usage().used_bytes, write.usage().quota_bytes),
        (150, 100)
    );
    write.abandon().await.unwrap();
    let gone = db
        .store
        .draft()
        .await
        .unwrap()
        .lock(postamt::model::AccountId(0), Charge::NONE)
        .await;
    assert!(matches!(gone, Err(Refusal::NotFound)));
}

#[tokio::test]
async fn a_quota_notice_is_claimed_once_and_again_after_the_box_was_emptied() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1000).await;
    db.deliver(&anna, anna.inbox(), &Letter::subject("Big").of_size(950))
        .await;
    assert!(db.store.claim_quota_notice(anna.id, 90).await.unwrap());
    assert!(!db.store.claim_quota_notice(anna.id, 90).await.unwrap());
    let mut w = write(&db, &anna).await;
    w.expunge(anna.inbox(), &[1], None).await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().quota_notice,
        0
    );
    assert!(
        !db.store.claim_quota_notice(anna.id, 100).await.unwrap(),
        "one message too large for the room that is left does not make a box full"
    );
    db.deliver(&anna, anna.inbox(), &Letter::subject("Again").of_size(950))
        .await;
    assert!(db.store.claim_quota_notice(anna.id, 90).await.unwrap());
}
