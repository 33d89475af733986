//! What the program does for itself, once however many nodes run.

use postamt::model::Role;
use postamt::service::check;
use postamt::service::house::nightly;

use crate::common::fixtures::Letter;
use crate::common::people::{World, settings};

#[tokio::test]
async fn counters_are_checked_once_a_night_over_all_nodes() {
    let world = World::new().await;
    world.domain("x.test").await;
    let anna = world.account("anna@x.test", Role::User).await;
    let other = world.node(settings()).await;
    let (a, b) = tokio::join!(nightly(&world.app, 12), nightly(&other, 12));
    assert!(
        a.unwrap() ^ b.unwrap(),
        "a new host is checked at once, and by one node"
    );
    for hour in [2, 12] {
        assert!(!nightly(&other, hour).await.unwrap(), "it was done");
    }
    let age = |hours: i32| {
        sqlx::query("update upkeep set done_at = now() - make_interval(hours => $1)")
            .bind(hours)
            .execute(&world.db.pool)
    };
    age(25).await.unwrap();
    assert!(
        !nightly(&world.app, 12).await.unwrap(),
        "it waits for the night"
    );
    assert!(nightly(&world.app, 2).await.unwrap());
    age(41).await.unwrap();
    assert!(nightly(&world.app, 12).await.unwrap(), "but not for ever");

    let mut found = Vec::new();
    check::counters(&world.app, |finding| found.push(finding))
        .await
        .unwrap();
    assert_eq!(found, []);
    world
        .db
        .tamper(
            "update account set used_bytes = used_bytes + 1, mail_bytes = mail_bytes + 1 where account_id = $1",
            anna,
        )
        .await;
    let looked = check::counters(&world.app, |finding| found.push(finding))
        .await
        .unwrap();
    assert_eq!((looked.accounts, looked.bodies), (1, 0));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|f| f.place == "anna@x.test"), "{found:?}");
    assert!(found.iter().any(|f| f.what.contains("used")), "{found:?}");
}

/// What is delivered waits on a list beside the search index, which every search reads from end to end, until it is sorted in.
#[tokio::test]
async fn the_search_index_is_tidied() {
    let world = World::new().await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    for n in 0..20 {
        let letter = Letter::subject(&format!("letter {n}"));
        world.db.deliver(&anna, anna.inbox(), &letter).await;
    }
    let store = &world.db.store;
    assert!(store.tidy_search().await.unwrap() > Some(0));
    assert_eq!(store.tidy_search().await.unwrap(), Some(0));
}
