//! Messages: adding, conversations, counters, flags, copies, moves, expunging.

use crate::common::TestDb;
use crate::common::fixtures::Letter;

#[tokio::test]
async fn a_delivered_letter_is_counted_everywhere() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let letter = Letter::subject("Hello").of_size(500);
    let added = db.deliver(&anna, anna.inbox(), &letter).await;
    assert_eq!(added.uid.0, 1);
    let folder = db
        .store
        .folder(anna.id, anna.inbox())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            folder.message_count,
            folder.unseen_count,
            folder.total_bytes,
            folder.uid_next.0
        ),
        (1, 1, 500, 2)
    );
    let usage = db.store.usage(anna.id).await.unwrap().unwrap();
    assert_eq!((usage.used_bytes, usage.mail_bytes), (500, 500));
}
