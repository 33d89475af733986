//! Bodies: dedupe, chunks, taking over the spool, ranges, purging.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::TryStreamExt;
use postamt::model::{Charge, SpoolId};
use postamt::store::body::{CHUNK_BYTES, Place, Stored};
use sha2::{Digest, Sha256};

use crate::common::TestDb;
use crate::common::fixtures::{Letter, deliver, quiet, stored};

/// Bytes that no chunk border can hide in.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| u8::try_from((n * 31 + n / 251) % 256).unwrap())
        .collect()
}

async fn put(
    db: &TestDb,
    account: postamt::model::AccountId,
    bytes: &Stored,
) -> postamt::store::BodyRef {
    let mut draft = db.store.draft().await.unwrap();
    let body = draft.put_body(account, bytes).await.unwrap();
    quiet(
        draft
            .lock(account, Charge::NONE)
            .await
            .unwrap()
            .commit()
            .await
            .unwrap(),
    );
    body
}

/// Spools `len` octets chunk by chunk, holding one chunk at a time; `alike` makes the same bytes each time.
async fn spool(db: &TestDb, spool: SpoolId, len: usize) -> Stored {
    let mut hash = Sha256::new();
    let chunk = pattern(CHUNK_BYTES);
    let mut left = len;
    for n in 0.. {
        let some = &chunk[..left.min(CHUNK_BYTES)];
        hash.update(some);
        db.store.spool_push(spool, n, some).await.unwrap();
        left -= some.len();
        if left == 0 {
            break;
        }
    }
    Stored {
        size_bytes: i64::try_from(len).unwrap(),
        sha256: hash.finalize().into(),
        place: Place::Spool(spool),
    }
}

#[tokio::test]
async fn the_same_bytes_are_stored_once_an_account() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let bob = db.account("bob@x.test", 1 << 20).await;
    let bytes = stored(b"the same".to_vec());
    let first = put(&db, anna.id, &bytes).await;
    assert_eq!(put(&db, anna.id, &bytes).await, first);
    assert_ne!(
        put(&db, bob.id, &bytes).await.id,
        first.id,
        "accounts share nothing"
    );
    assert_eq!(
        db.number(
            "select count(*) from body_chunk where account_id = $1",
            anna.id
        )
        .await,
        1
    );
    assert_eq!(
        db.store.body_whole(anna.id, first.id).await.unwrap(),
        b"the same"
    );
    assert_eq!(
        db.store.body_whole(bob.id, first.id).await.unwrap(),
        b"",
        "not another's"
    );
}

#[tokio::test]
async fn bodies_of_any_size_come_back_whole_and_in_ranges() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    for len in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        3 * CHUNK_BYTES,
        3 * CHUNK_BYTES + 17,
    ] {
        let bytes = pattern(len);
        let body = put(&db, anna.id, &stored(bytes.clone())).await;
        assert_eq!(
            db.store.body_whole(anna.id, body.id).await.unwrap(),
            bytes,
            "{len} octets"
        );
        for (from, count) in [
            (0, 10),
            (CHUNK_BYTES - 5, 10),
            (CHUNK_BYTES, 1),
            (len / 2, len),
            (len, 5),
            (0, len),
            (7, 2 * CHUNK_BYTES + 3),
            (0, 0),
        ] {
            let range = db
                .store
                .body_range(
                    anna.id,
                    body.id,
                    i64::try_from(from).unwrap(),
                    i64::try_from(count).unwrap(),
                )
                .await
                .unwrap();
            let expected = &bytes[from.min(len)..(from + count).min(len)];
            assert!(
                range == expected,
                "{len} octets, {count} from {from}: {} came",
                range.len()
            );
        }
    }
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_spooled_message_is_taken_over_inside_the_database() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 30).await;
    for (n, len) in [(1, 1 << 20), (2, 50 << 20), (3, (1 << 20) + 1)] {
        let id = SpoolId(n);
        let bytes = spool(&db, id, len).await;
        assert_eq!(
            db.store.spool_chunk(id, 0).await.unwrap().map(|c| c.len()),
            Some(CHUNK_BYTES)
        );
        assert_eq!(db.store.spool_chunk(id, 1000).await.unwrap(), None);
        let body = put(&db, anna.id, &bytes).await;
        db.store.spool_drop(id).await.unwrap();
        assert_eq!(db.store.spool_chunk(id, 0).await.unwrap(), None);
        // Read as a stream, so that one chunk is held at a time.
        let (mut hash, mut most, mut total) = (Sha256::new(), 0, 0);
        let mut chunks = std::pin::pin!(db.store.body_stream(anna.id, body.id));
        while let Some(chunk) = chunks.try_next().await.unwrap() {
            most = most.max(chunk.len());
            total += chunk.len();
            hash.update(&chunk);
        }
        assert_eq!((total, most), (len, CHUNK_BYTES));
        assert_eq!(<[u8; 32]>::from(hash.finalize()), bytes.sha256);
        // A second copy, in memory or spooled, takes nothing.
        let again = spool(&db, SpoolId(n + 100), len).await;
        assert_eq!(put(&db, anna.id, &again).await, body);
    }
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn taking_over_50_mb_needs_little_memory() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 30).await;
    let len = 50 << 20;
    // A small one first: pools, buffers and statements exist.
    let small = spool(&db, SpoolId(1), 1 << 20).await;
    put(&db, anna.id, &small).await;
    reset_peak();
    let before = peak_bytes();
    let bytes = spool(&db, SpoolId(2), len).await;
    let body = put(&db, anna.id, &bytes).await;
    let mut chunks = std::pin::pin!(db.store.body_stream(anna.id, body.id));
    let mut total = 0;
    while let Some(chunk) = chunks.try_next().await.unwrap() {
        total += chunk.len();
    }
    assert_eq!(total, len);
    let grown = peak_bytes().saturating_sub(before);
    // Other tests of this program run beside; none holds a large message whole.
    assert!(
        grown < 24 << 20,
        "storing and reading 50 MB took {grown} more bytes of memory"
    );
}

fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

/// The largest resident size so far (`VmHWM`).
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kb: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb * 1024
}

#[tokio::test]
async fn stale_spools_are_swept() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    db.store.spool_push(SpoolId(1), 0, b"old").await.unwrap();
    db.tamper(
        "update spool set created_at = now() - interval '7 hours' where $1 > 0",
        anna.id,
    )
    .await;
    db.store.spool_push(SpoolId(2), 0, b"new").await.unwrap();
    assert_eq!(db.store.spool_sweep(6).await.unwrap(), 1);
    assert_eq!(
        db.store.spool_chunk(SpoolId(2), 0).await.unwrap(),
        Some(Bytes::from_static(b"new"))
    );
}

#[tokio::test]
async fn the_purge_takes_only_what_nobody_needs() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let old = "update body set touched_at = now() - interval '2 hours' where account_id = $1";
    let bodies = "select count(*) from body where account_id = $1";
    let kept = Letter::subject("kept");
    let removed = Letter::subject("restorable");
    let gone = Letter::subject("gone");
    for letter in [&kept, &removed, &gone] {
        db.deliver(&anna, anna.inbox(), letter).await;
    }
    put(&db, anna.id, &stored(b"of no message".to_vec())).await;
    for (uid, keep) in [(2, Some(30)), (3, None)] {
        let mut w = db
            .store
            .draft()
            .await
            .unwrap()
            .lock(anna.id, Charge::NONE)
            .await
            .unwrap();
        w.expunge(anna.inbox(), &[uid], keep).await.unwrap();
        quiet(w.commit().await.unwrap());
    }
    assert_eq!(
        db.store.purge_bodies(anna.id, 60).await.unwrap(),
        0,
        "all are young"
    );
    db.tamper(old, anna.id).await;
    // Taken again a moment ago: nobody refers to it yet, but somebody is about to.
    put(&db, anna.id, &gone.stored()).await;
    assert_eq!(
        db.store.purge_bodies(anna.id, 60).await.unwrap(),
        1,
        "the one of no message"
    );
    assert_eq!(db.number(bodies, anna.id).await, 3);
    db.tamper(old, anna.id).await;
    assert_eq!(
        db.store.purge_bodies(anna.id, 60).await.unwrap(),
        1,
        "the expunged one"
    );
    db.tamper(
        "update removed set expires_at = now() where account_id = $1",
        anna.id,
    )
    .await;
    assert_eq!(db.store.prune_removed(anna.id).await.unwrap(), 1);
    assert_eq!(
        db.store.purge_bodies(anna.id, 60).await.unwrap(),
        1,
        "no longer restorable"
    );
    assert_eq!(
        db.number(
            "select count(*) from body_chunk where account_id = $1",
            anna.id
        )
        .await,
        1
    );
    assert_eq!(
        db.number("select count(*) from email where account_id = $1", anna.id)
            .await,
        1
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_purge_beside_deliveries_of_the_same_bytes_never_takes_them() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 30).await;
    let letters: Vec<Letter> = (0..12)
        .map(|n| Letter::subject(&format!("again {n}")))
        .collect();
    let old = "update body set touched_at = now() - interval '2 hours' where account_id = $1";
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for w in 0..3_usize {
        let (store, letters, id, inbox) =
            (db.store.clone(), letters.clone(), anna.id, anna.inbox());
        writers.spawn(async move {
            for n in 0..40 {
                let letter = &letters[(n * (w + 5)) % letters.len()];
                let (added, committed) = deliver(&store, id, inbox, letter).await.unwrap();
                quiet(committed);
                let draft = store.draft().await.unwrap();
                let mut write = draft.lock(id, Charge::NONE).await.unwrap();
                write.expunge(inbox, &[added.uid.0], None).await.unwrap();
                quiet(write.commit().await.unwrap());
            }
        });
    }
    let purger = {
        let (store, id, pool, done) = (db.store.clone(), anna.id, db.pool.clone(), done.clone());
        tokio::spawn(async move {
            let mut purged = 0;
            while !done.load(Ordering::Relaxed) {
                sqlx::query(old).bind(id).execute(&pool).await.unwrap();
                purged += store.purge_bodies(id, 60).await.unwrap();
            }
            purged
        })
    };
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    for letter in &letters {
        db.deliver(&anna, anna.inbox(), letter).await;
    }
    done.store(true, Ordering::Relaxed);
    assert!(purger.await.unwrap() > 0, "the purge had something to do");
    let bodies = "select count(*) from body where account_id = $1";
    assert_eq!(db.number(bodies, anna.id).await, 12);
    db.assert_adds_up(anna.id).await;
}
