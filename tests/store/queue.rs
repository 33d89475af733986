//! The outgoing queue: in, out, taken back, claimed by one of many, finished with the bytes in the same commit.

use std::time::Duration;

use futures_util::TryStreamExt;
use postamt::error::Refusal;
use postamt::model::{Charge, DraftId, QueueId, SpoolId};
use postamt::store::Store;
use postamt::store::queue::{
    Claim, Content, Enqueued, Fate, NewOutbound, NewRecipient, Notice, Outcome, Queue, SendLimits,
    Source,
};

use crate::common::TestDb;
use crate::common::fixtures::{TestAccount, quiet, stored};

const LEASE: Duration = Duration::from_mins(15);
const DAY: Duration = Duration::from_hours(24);

fn to(addresses: &[&str]) -> Vec<NewRecipient> {
    addresses
        .iter()
        .map(|address| NewRecipient {
            address: (*address).to_owned(),
            destination: address.split_once('@').unwrap().1.to_owned(),
            ..NewRecipient::default()
        })
        .collect()
}

fn new<'a>(content: Content<'a>, recipients: &'a [NewRecipient]) -> NewOutbound<'a> {
    NewOutbound {
        sender: "anna@x.test",
        ret_full: false,
        env_id: None,
        client_id: None,
        needs_utf8: false,
        is_bounce: false,
        draft: None,
        hold: Duration::ZERO,
        give_up: DAY * 5,
        content,
        recipients,
    }
}

async fn put(queue: &Queue, recipients: &[&str]) -> QueueId {
    let recipients = to(recipients);
    let mail = new(Content::bytes(b"a: b\r\n\r\nc\r\n"), &recipients);
    queue.enqueue(None, &mail, None).await.unwrap().queue_id
}

async fn write(
    store: &Store,
    account: &TestAccount,
    mail: &NewOutbound<'_>,
) -> Result<Enqueued, Refusal> {
    let draft = store.draft().await?;
    let mut write = draft.lock(account.id, Charge::NONE).await?;
    let done = write.enqueue(mail, None).await?;
    quiet(write.commit().await?);
    Ok(done)
}

async fn content(queue: &Queue, id: QueueId) -> Vec<u8> {
    queue
        .content(id)
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn claim(queue: &Queue) -> Option<Claim> {
    queue.claim(&[], None, 100, LEASE).await.unwrap()
}

fn outcomes(claim: &Claim, fate: Fate) -> Vec<Outcome> {
    claim
        .recipients
        .iter()
        .map(|r| Outcome {
            recipient_id: r.recipient_id,
            fate,
            status: "2.0.0".to_owned(),
            reply: "250 2.0.0 ok".to_owned(),
            host: "mx.y.test".to_owned(),
            tls: Some("TLSv1.3".to_owned()),
        })
        .collect()
}

fn later(secs: u64) -> Fate {
    Fate::Retry {
        wait: Duration::from_secs(secs),
        tells_delay: true,
    }
}

#[tokio::test]
async fn bytes_are_copied_from_memory_spool_and_body_with_another_head() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10 << 20).await;
    let queue = db.store.queue();
    let recipients = to(&["b@y.test"]);
    let whole: Vec<u8> = (0..700_000_u32).flat_map(u32::to_be_bytes).collect();
    let spool = SpoolId(77);
    for (n, chunk) in (0..).zip(whole.chunks(262_144)) {
        db.store.spool_push(spool, n, chunk).await.unwrap();
    }
    let mut draft = db.store.draft().await.unwrap();
    let body = draft
        .put_body(anna.id, &stored(whole.clone()))
        .await
        .unwrap();
    quiet(
        draft
            .lock(anna.id, Charge::NONE)
            .await
            .unwrap()
            .commit()
            .await
            .unwrap(),
    );
    let size = i64::try_from(whole.len()).unwrap();
    for skip in [0, 5, 262_144, 300_000, size] {
        for rest in [
            Source::Memory(&whole),
            Source::Spool(spool, size),
            Source::Body(body),
        ] {
            let head: &[u8] = if skip == 5 { b"" } else { b"new head\r\n" };
            let mail = new(Content { head, skip, rest }, &recipients);
            let id = write(&db.store, &anna, &mail).await.unwrap().queue_id;
            let expected = [head, &whole[usize::try_from(skip).unwrap()..]].concat();
            assert!(
                content(&queue, id).await == expected,
                "{skip} of {rest:.20?}"
            );
            let claim = claim(&queue).await.unwrap();
            assert_eq!(
                (claim.queue_id, claim.size_bytes),
                (id, i64::try_from(expected.len()).unwrap())
            );
        }
    }
}

#[tokio::test]
async fn the_same_client_id_sends_nothing_twice() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let berta = db.account("berta@x.test", 1 << 20).await;
    let recipients = to(&["b@y.test"]);
    let mut mail = new(Content::bytes(b"x"), &recipients);
    mail.client_id = Some("device-1");
    let first = write(&db.store, &anna, &mail).await.unwrap();
    let again = write(&db.store, &anna, &mail).await.unwrap();
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.queue_id, again.queue_id);
    assert!(write(&db.store, &berta, &mail).await.unwrap().is_new);
    assert_eq!(db.store.queue().counts().await.unwrap().messages, 2);
}

#[tokio::test]
async fn sending_limits_hold_under_concurrency() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let queue = db.store.queue();
    let limits = SendLimits {
        messages_per_minute: 5,
        messages_per_hour: 7,
        recipients_per_day: 12,
    };
    let one = to(&["b@y.test"]);
    let send = |recipients: &[NewRecipient]| {
        let (queue, recipients) = (queue.clone(), recipients.to_vec());
        async move {
            let mail = new(Content::bytes(b"x"), &recipients);
            queue.enqueue(Some(anna.id), &mail, Some(&limits)).await
        }
    };
    let all = futures_util::future::join_all((0..20).map(|_| send(&one))).await;
    assert_eq!(all.iter().filter(|r| r.is_ok()).count(), 5);
    let wait = |r: Result<Enqueued, Refusal>| match r {
        Err(Refusal::TooMany { retry_after_secs }) => retry_after_secs,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(send(&one).await), 60);
    db.tamper(
        "update outbound set created_at = now() - interval '2 minutes' where account_id = $1",
        anna.id,
    )
    .await;
    send(&one).await.unwrap();
    send(&one).await.unwrap();
    assert_eq!(wait(send(&one).await), 600);
    db.tamper(
        "update outbound set created_at = now() - interval '2 hours' where account_id = $1",
        anna.id,
    )
    .await;
    let many = to(&["b@y.test"; 6]);
    assert_eq!(wait(send(&many).await), 3_600);
    send(&many[1..]).await.unwrap();
    db.tamper(
        "update outbound set created_at = now() - interval '2 days' where account_id = $1",
        anna.id,
    )
    .await;
    send(&many).await.unwrap();
}

#[tokio::test]
async fn undo_send_takes_back_what_nobody_claimed() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let queue = db.store.queue();
    let recipients = to(&["b@y.test", "c@z.test"]);
    let mut mail = new(Content::bytes(b"x"), &recipients);
    mail.draft = Some(DraftId(4));
    mail.hold = Duration::from_secs(20);
    write(&db.store, &anna, &mail).await.unwrap();
    let cancel = || async {
        let draft = db.store.draft().await.unwrap();
        let mut write = draft.lock(anna.id, Charge::NONE).await.unwrap();
        let done = write.cancel_outbound(DraftId(4)).await.unwrap();
        quiet(write.commit().await.unwrap());
        done
    };
    assert!(claim(&queue).await.is_none(), "it is held");
    assert!(cancel().await);
    assert!(!cancel().await, "once");
    assert_eq!(queue.counts().await.unwrap().waiting, 0);
    write(&db.store, &anna, &mail).await.unwrap();
    let due = queue.clone().ahead(Duration::from_secs(21));
    assert!(claim(&due).await.is_some(), "the hold is over");
    assert!(
        !cancel().await,
        "one recipient is on its way, so none is taken back"
    );
    assert_eq!(queue.counts().await.unwrap().waiting, 2);
}

#[tokio::test]
async fn many_workers_never_hold_the_same_recipient() {
    let db = TestDb::new().await;
    let stores = [db.store.clone(), db.second_store().await];
    let queue = db.store.queue();
    for n in 0..40 {
        let a = format!("a{n}@y.test");
        put(&queue, &[&a, "b@y.test", "c@z.test"]).await;
    }
    let workers = (0..8).map(|n| {
        let queue = stores[n % 2].queue();
        async move {
            let mut held = Vec::new();
            while let Some(claim) = claim(&queue).await {
                assert!(
                    claim
                        .recipients
                        .iter()
                        .all(|r| r.address.ends_with(&claim.destination))
                );
                held.extend(
                    claim
                        .recipients
                        .iter()
                        .map(|r| (claim.queue_id, r.recipient_id)),
                );
            }
            held
        }
    });
    let mut held: Vec<_> = futures_util::future::join_all(workers).await.concat();
    let all = held.len();
    held.sort_unstable();
    held.dedup();
    assert_eq!((held.len(), all), (120, 120));
    assert_eq!(queue.counts().await.unwrap().leased, 120);
    let dead = queue.ahead(LEASE + Duration::from_secs(1));
    assert!(
        claim(&dead).await.is_some(),
        "a dead worker's work is taken up after its lease (S-07)"
    );
}

#[tokio::test]
async fn claims_pass_over_busy_destinations_and_stay_with_an_open_one() {
    let db = TestDb::new().await;
    let queue = db.store.queue();
    let first = put(&queue, &["a@y.test", "b@y.test", "c@y.test", "d@z.test"]).await;
    let second = put(&queue, &["a@y.test"]).await;
    let got = queue
        .claim(&["y.test".to_owned()], None, 100, LEASE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (got.destination.as_str(), got.recipients.len()),
        ("z.test", 1)
    );
    let got = queue
        .claim(&[], Some("y.test"), 2, LEASE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((got.queue_id, got.recipients.len()), (first, 2));
    assert_eq!(
        claim(&queue).await.unwrap().recipients[0].address,
        "c@y.test"
    );
    assert!(
        queue
            .claim(&[], Some("q.test"), 2, LEASE)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        queue
            .claim(&[], Some("y.test"), 2, LEASE)
            .await
            .unwrap()
            .unwrap()
            .queue_id,
        second
    );
    queue.release(&got).await.unwrap();
    assert_eq!(
        claim(&queue).await.unwrap().recipients,
        got.recipients,
        "given back, untried"
    );
}

#[tokio::test]
async fn s07_the_bytes_leave_with_the_last_recipient() {
    let db = TestDb::new().await;
    let queue = db.store.queue();
    let id = put(&queue, &["a@y.test", "b@z.test"]).await;
    let one = claim(&queue).await.unwrap();
    let two = claim(&queue).await.unwrap();
    let done = queue
        .finish(&one, &outcomes(&one, Fate::Sent), &[])
        .await
        .unwrap();
    assert_eq!(done.recipients, 1);
    assert!(!content(&queue, id).await.is_empty());
    queue
        .finish(&two, &outcomes(&two, later(300)), &[])
        .await
        .unwrap();
    assert!(claim(&queue).await.is_none());
    assert!(queue.next_due().await.unwrap().unwrap() > Duration::from_secs(290));
    let rows = queue.list(QueueId(0), true, 10).await.unwrap();
    assert_eq!(
        (rows[0].state.as_str(), rows[0].tls.as_deref()),
        ("sent", Some("TLSv1.3"))
    );
    assert_eq!((rows[1].state.as_str(), rows[1].attempts), ("waiting", 1));
    assert_eq!(queue.list(QueueId(0), false, 10).await.unwrap().len(), 1);
    assert_eq!(queue.sweep(DAY).await.unwrap(), 0);
    let then = queue.clone().ahead(Duration::from_secs(301));
    let two = claim(&then).await.unwrap();
    assert!(two.recipients[0].delay_told && two.age >= Duration::from_secs(301));
    then.finish(&two, &outcomes(&two, Fate::Failed), &[])
        .await
        .unwrap();
    assert!(content(&queue, id).await.is_empty());
    assert_eq!(queue.clone().ahead(DAY * 2).sweep(DAY).await.unwrap(), 1);
    assert!(queue.list(QueueId(0), true, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_lease_records_what_was_sent_and_nothing_else() {
    let db = TestDb::new().await;
    let queue = db.store.queue();
    put(&queue, &["a@y.test"]).await;
    let mut slow = claim(&queue).await.unwrap();
    assert!(queue.renew(&mut slow, LEASE).await.unwrap());
    let then = queue.clone().ahead(LEASE * 2);
    let fast = claim(&then).await.unwrap();
    assert!(!queue.renew(&mut slow, LEASE).await.unwrap());
    let bounce_to = to(&["anna@x.test"]);
    let notice = || Notice {
        about: vec![slow.recipients[0].recipient_id],
        mail: new(Content::bytes(b"bounce"), &bounce_to),
    };
    let done = queue
        .finish(&slow, &outcomes(&slow, Fate::Failed), &[notice()])
        .await
        .unwrap();
    assert_eq!((done.recipients, done.notices), (0, 0));
    let done = queue
        .finish(&slow, &outcomes(&slow, Fate::Sent), &[])
        .await
        .unwrap();
    assert_eq!(done.recipients, 1);
    let done = queue
        .finish(&fast, &outcomes(&fast, Fate::Failed), &[notice()])
        .await
        .unwrap();
    assert_eq!((done.recipients, done.notices), (0, 0));
}

#[tokio::test]
async fn a_bounce_is_queued_in_the_commit_that_gives_up() {
    let db = TestDb::new().await;
    let queue = db.store.queue();
    put(&queue, &["a@y.test"]).await;
    let held = claim(&queue).await.unwrap();
    let recipients = to(&["anna@x.test"]);
    let notice = Notice {
        about: vec![1],
        mail: NewOutbound {
            sender: "",
            is_bounce: true,
            ..new(Content::bytes(b"bounce"), &recipients)
        },
    };
    queue
        .finish(&held, &outcomes(&held, Fate::Failed), &[notice])
        .await
        .unwrap();
    let bounce = claim(&queue).await.unwrap();
    assert!(bounce.is_bounce && bounce.sender.is_empty() && bounce.account.is_none());
    assert_eq!(content(&queue, bounce.queue_id).await, b"bounce");
}

#[tokio::test]
async fn an_operator_retries_and_drops() {
    let db = TestDb::new().await;
    let queue = db.store.queue();
    let id = put(&queue, &["a@y.test"]).await;
    let held = claim(&queue).await.unwrap();
    assert_eq!(queue.retry(Some(id)).await.unwrap(), 0, "a worker has it");
    queue
        .finish(&held, &outcomes(&held, later(4_000)), &[])
        .await
        .unwrap();
    assert!(claim(&queue).await.is_none());
    assert_eq!(queue.retry(None).await.unwrap(), 1);
    assert!(claim(&queue).await.is_some());
    assert_eq!(queue.drop_message(id).await.unwrap(), 1);
    assert!(content(&queue, id).await.is_empty());
    assert_eq!(
        queue.list(QueueId(0), true, 9).await.unwrap()[0].state,
        "dropped"
    );
}
