//! Messages: adding, conversations, counters, flags, copies, moves, expunging.

use postamt::error::Refusal;
use postamt::model::{Charge, EmailId, Flags, FolderId, ModSeq, SpecialUse, Uid};
use postamt::store::Write;
use postamt::store::mail::{FlagEdit, Moved, Placement, Target};
use postamt::store::message::{ThreadFilter, Window};
use time::Duration;

use crate::common::TestDb;
use crate::common::fixtures::{Letter, TestAccount, fake_email, now, quiet};

/// A write that charges nothing beforehand.
pub async fn write(db: &TestDb, account: &TestAccount) -> Write {
    db.store
        .draft()
        .await
        .unwrap()
        .lock(account.id, Charge::NONE)
        .await
        .unwrap()
}

async fn set(db: &TestDb, anna: &TestAccount, folder: FolderId, uids: &[i64], flags: Flags) {
    let mut w = write(db, anna).await;
    let edit = FlagEdit {
        set: flags,
        ..FlagEdit::default()
    };
    w.set_flags(folder, uids, &edit).await.unwrap();
    quiet(w.commit().await.unwrap());
}

/// What the conversation list says: (messages, unseen, starred, attachments, newest UID).
async fn list(db: &TestDb, anna: &TestAccount, folder: FolderId) -> Vec<(i32, i32, i32, i32, i64)> {
    db.store
        .thread_window(anna.id, folder, ThreadFilter::default(), Window::Top, 50)
        .await
        .unwrap()
        .iter()
        .map(|t| {
            (
                t.messages,
                t.unseen,
                t.starred,
                t.attachments,
                t.newest_uid.0,
            )
        })
        .collect()
}

/// (kind, first, last) of all tombstones of a folder, by change.
async fn tombstones(db: &TestDb, anna: &TestAccount, folder: FolderId) -> Vec<(i64, i64)> {
    sqlx::query_as(
        "select first_id, last_id from tombstone
          where account_id = $1 and kind = 'message' and parent_id = $2
          order by modseq, first_id",
    )
    .bind(anna.id)
    .bind(folder)
    .fetch_all(&db.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_delivered_letter_is_counted_everywhere() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let letter = Letter::subject("Hello").of_size(500);
    let added = db.deliver(&anna, anna.inbox(), &letter).await;
    assert_eq!(added.uid, Uid(1));
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
            folder.uid_next
        ),
        (1, 1, 500, Uid(2))
    );
    let usage = db.store.usage(anna.id).await.unwrap().unwrap();
    assert_eq!((usage.used_bytes, usage.mail_bytes), (500, 500));
    let row = db
        .store
        .message(anna.id, anna.inbox(), added.uid)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.subject, "Hello");
    assert_eq!(row.received_at, letter.received_at);
    assert_eq!(
        db.store.body_whole(anna.id, row.body_id).await.unwrap(),
        letter.bytes
    );
    let email = db
        .store
        .email(anna.id, added.email_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (email.body_id, email.message_id),
        (row.body_id, letter.message_id)
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_letter_finds_the_folder_by_its_use_and_none_is_refused() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let letter = Letter::subject("Hello");
    for (target, expected) in [
        (
            Target::Special(SpecialUse::Junk),
            Some(anna.folder(SpecialUse::Junk)),
        ),
        (Target::Special(SpecialUse::Snoozed), None),
        (Target::Folder(FolderId(999_999)), None),
    ] {
        let mut draft = db.store.draft().await.unwrap();
        let body = draft.put_body(anna.id, &letter.stored()).await.unwrap();
        let mut w = draft
            .lock(anna.id, Charge::mail(body.size_bytes))
            .await
            .unwrap();
        let place = Placement {
            target,
            flags: Flags::NONE,
            keywords: &[],
            received_at: now(),
            thread: None,
        };
        match (
            w.add_message(body, &fake_email(&letter), &place).await,
            expected,
        ) {
            (Ok(added), Some(folder)) => {
                assert_eq!(added.folder_id, folder);
                quiet(w.commit().await.unwrap());
            }
            (Err(Refusal::NoFolder), None) => w.abandon().await.unwrap(),
            (other, _) => panic!("{target:?}: {other:?}"),
        }
    }
    db.assert_adds_up(anna.id).await;
    assert_eq!(
        db.number("select count(*) from email where account_id = $1", anna.id)
            .await,
        1
    );
}

#[tokio::test]
async fn conversations_are_found_by_references_over_all_folders_and_never_merged() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let (inbox, sent) = (anna.inbox(), anna.folder(SpecialUse::Sent));
    let first = Letter::subject("Plan");
    let answer = Letter::subject("Entirely different").answering(&first);
    let a = db.deliver(&anna, inbox, &first).await;
    let b = db.deliver(&anna, sent, &answer).await;
    assert_eq!(a.thread_id, b.thread_id, "by References, in another folder");

    // The grandchild arrives before its parent: it joins by the older reference, and the parent joins it.
    let missing = Letter::subject("x").answering(&answer);
    let grandchild = Letter::subject("y").answering(&missing);
    assert_eq!(
        db.deliver(&anna, inbox, &grandchild).await.thread_id,
        a.thread_id
    );
    assert_eq!(
        db.deliver(&anna, inbox, &missing).await.thread_id,
        a.thread_id
    );

    // A letter whose reference nobody knows yet founds the conversation that the reference joins later.
    let unknown = Letter::subject("Later");
    let early = Letter::subject("Early").answering(&unknown);
    let e = db.deliver(&anna, inbox, &early).await;
    assert_eq!(
        db.deliver(&anna, inbox, &unknown).await.thread_id,
        e.thread_id
    );

    // References into two conversations: the nearest wins, and both go on apart.
    let mut both = Letter::subject("Both").answering(&early);
    both.references.push(first.message_id.clone());
    assert_eq!(db.deliver(&anna, inbox, &both).await.thread_id, e.thread_id);
    let again = Letter::subject("Still there").answering(&first);
    assert_eq!(
        db.deliver(&anna, inbox, &again).await.thread_id,
        a.thread_id
    );
    let thread = db
        .store
        .thread_messages(anna.id, a.thread_id, 50)
        .await
        .unwrap();
    assert_eq!(thread.len(), 5);
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_subject_joins_only_replies_among_the_same_people_within_90_days() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let inbox = anna.inbox();
    let first = db.deliver(&anna, inbox, &Letter::subject("Budget")).await;
    let mut reply = Letter::subject("Re: Budget");
    reply.is_reply = true;
    let mut same_words = reply.clone();
    same_words.is_reply = false;
    let mut stranger = reply.clone();
    stranger.from = "eve@foreign.test".to_owned();
    stranger.to = "list@foreign.test".to_owned();
    for (letter, joins) in [(&reply, true), (&same_words, false), (&stranger, false)] {
        // Message-IDs differ, or the thread link would decide.
        let letter = Letter {
            message_id: Letter::subject("").message_id,
            ..letter.clone()
        };
        let added = db.deliver(&anna, inbox, &letter).await;
        assert_eq!(added.thread_id == first.thread_id, joins, "{letter:?}");
    }
    db.tamper(
        "update email set created_at = now() - interval '91 days' where account_id = $1",
        anna.id,
    )
    .await;
    let late = Letter {
        message_id: Letter::subject("").message_id,
        ..reply
    };
    assert_ne!(
        db.deliver(&anna, inbox, &late).await.thread_id,
        first.thread_id
    );
}

#[tokio::test]
async fn a_saved_draft_stays_in_the_conversation_it_is_told() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let first = db
        .deliver(&anna, anna.inbox(), &Letter::subject("Plan"))
        .await;
    let mut draft = Letter::subject("No link at all");
    draft.thread = Some(first.thread_id);
    let saved = db
        .deliver(&anna, anna.folder(SpecialUse::Drafts), &draft)
        .await;
    assert_eq!(saved.thread_id, first.thread_id);
}

#[tokio::test]
async fn flags_keep_folder_and_conversation_counters() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let inbox = anna.inbox();
    let mut first = Letter::subject("Plan");
    first.has_attachment = true;
    db.deliver(&anna, inbox, &first).await;
    db.deliver(&anna, inbox, &Letter::subject("Answer").answering(&first))
        .await;
    assert_eq!(list(&db, &anna, inbox).await, [(2, 2, 0, 1, 2)]);

    let mut w = write(&db, &anna).await;
    let edit = FlagEdit {
        set: Flags::SEEN.with(Flags::FLAGGED),
        add_keywords: vec!["blue".to_owned(), "amber".to_owned()],
        ..FlagEdit::default()
    };
    let changed = w.set_flags(inbox, &[1, 77], &edit).await.unwrap();
    let modseq = w.modseq();
    quiet(w.commit().await.unwrap());
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].uid, changed[0].old_flags),
        (Uid(1), Flags::NONE)
    );
    assert_eq!(changed[0].keywords, ["amber", "blue"]);
    assert_eq!(list(&db, &anna, inbox).await, [(2, 1, 1, 1, 2)]);
    let folder = db.store.folder(anna.id, inbox).await.unwrap().unwrap();
    assert_eq!((folder.unseen_count, folder.content_modseq), (1, modseq));

    // The same again changes nothing, not even a change number.
    let mut w = write(&db, &anna).await;
    assert_eq!(w.set_flags(inbox, &[1], &edit).await.unwrap(), []);
    quiet(w.commit().await.unwrap());
    let row = db
        .store
        .message(anna.id, inbox, Uid(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.modseq, modseq);
    assert_eq!(row.flags, Flags::SEEN.with(Flags::FLAGGED));

    let mut w = write(&db, &anna).await;
    let back = FlagEdit {
        clear: Flags::SEEN,
        remove_keywords: vec!["blue".to_owned(), "never".to_owned()],
        ..FlagEdit::default()
    };
    assert_eq!(
        w.set_flags(inbox, &[1], &back).await.unwrap()[0].keywords,
        ["amber"]
    );
    quiet(w.commit().await.unwrap());
    assert_eq!(list(&db, &anna, inbox).await, [(2, 2, 1, 1, 2)]);
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn unchanged_since_leaves_messages_alone_that_somebody_else_changed() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let inbox = anna.inbox();
    for n in 0..3 {
        db.deliver(&anna, inbox, &Letter::subject(&format!("letter {n}")))
            .await;
    }
    let seen_by_client = db.store.modseq(anna.id).await.unwrap();
    set(&db, &anna, inbox, &[2], Flags::ANSWERED).await;
    let mut w = write(&db, &anna).await;
    let edit = FlagEdit {
        set: Flags::DELETED,
        unchanged_since: Some(seen_by_client.0),
        ..FlagEdit::default()
    };
    let mut changed: Vec<i64> = w
        .set_flags(inbox, &[1, 2, 3], &edit)
        .await
        .unwrap()
        .iter()
        .map(|c| c.uid.0)
        .collect();
    changed.sort_unstable();
    quiet(w.commit().await.unwrap());
    assert_eq!(changed, [1, 3]);
}

#[tokio::test]
async fn a_copy_shares_the_bytes_but_is_charged() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 2500).await;
    let (inbox, archive) = (anna.inbox(), anna.folder(SpecialUse::Archive));
    let letter = Letter::subject("Hello")
        .of_size(1000)
        .flagged(Flags::FLAGGED.with(Flags::DELETED));
    let added = db.deliver(&anna, inbox, &letter).await;
    let mut w = write(&db, &anna).await;
    let copied = w.copy_messages(inbox, &[1, 5], archive).await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!(
        copied,
        [Moved {
            from_uid: Uid(1),
            to_uid: Uid(1),
            email_id: added.email_id,
            thread_id: added.thread_id,
            size_bytes: 1000
        }]
    );
    let row = db
        .store
        .message(anna.id, archive, Uid(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.flags, row.received_at),
        (Flags::FLAGGED, letter.received_at)
    );
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().used_bytes,
        2000
    );
    assert_eq!(
        db.number("select count(*) from body where account_id = $1", anna.id)
            .await,
        1
    );
    assert_eq!(
        db.store
            .places_of_emails(anna.id, &[added.email_id])
            .await
            .unwrap()
            .len(),
        2
    );

    let mut w = write(&db, &anna).await;
    let refused = w.copy_messages(inbox, &[1], archive).await;
    assert!(
        matches!(refused, Err(Refusal::OverQuota { limit_bytes: 2500 })),
        "{refused:?}"
    );
    w.abandon().await.unwrap();
    let mut w = write(&db, &anna).await;
    let missing = w.copy_messages(inbox, &[1], FolderId(999_999)).await;
    assert!(matches!(missing, Err(Refusal::NoFolder)));
    drop(w);
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn a_move_gives_new_uids_in_order_and_leaves_ranges_behind() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 100_000).await;
    let (inbox, archive) = (anna.inbox(), anna.folder(SpecialUse::Archive));
    for n in 0..8 {
        db.deliver(&anna, inbox, &Letter::subject(&format!("letter {n}")))
            .await;
    }
    let mut w = write(&db, &anna).await;
    let moved = w
        .move_messages(inbox, &[8, 2, 3, 1, 6], archive)
        .await
        .unwrap();
    quiet(w.commit().await.unwrap());
    let pairs: Vec<(i64, i64)> = moved.iter().map(|m| (m.from_uid.0, m.to_uid.0)).collect();
    assert_eq!(pairs, [(1, 1), (2, 2), (3, 3), (6, 4), (8, 5)]);
    assert_eq!(
        tombstones(&db, &anna, inbox).await,
        [(1, 3), (6, 6), (8, 8)]
    );
    assert_eq!(list(&db, &anna, inbox).await.len(), 3);
    assert_eq!(list(&db, &anna, archive).await.len(), 5);
    db.assert_adds_up(anna.id).await;

    // Back again: a third id, and within one folder a new one too.
    let mut w = write(&db, &anna).await;
    let back = w.move_messages(archive, &[1], inbox).await.unwrap();
    let inside = w.move_messages(inbox, &[4], inbox).await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!((back[0].to_uid, inside[0].to_uid), (Uid(9), Uid(10)));
    db.assert_adds_up(anna.id).await;

    let mut w = write(&db, &anna).await;
    assert!(matches!(
        w.move_messages(inbox, &[9], FolderId(9999)).await,
        Err(Refusal::NoFolder)
    ));
    drop(w);
    let mut w = write(&db, &anna).await;
    assert_eq!(
        w.move_messages(inbox, &[1], archive).await.unwrap(),
        [],
        "already gone"
    );
    quiet(w.commit().await.unwrap());
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn expunging_gives_bytes_back_and_keeps_what_may_be_restored() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 3000).await;
    let inbox = anna.inbox();
    let first = Letter::subject("One").of_size(1000);
    db.deliver(&anna, inbox, &first).await;
    db.deliver(
        &anna,
        inbox,
        &Letter::subject("Two").of_size(1000).answering(&first),
    )
    .await;
    let mut w = write(&db, &anna).await;
    assert_eq!(w.expunge(inbox, &[2, 3], Some(30)).await.unwrap(), [Uid(2)]);
    quiet(w.commit().await.unwrap());
    assert_eq!(
        db.store.usage(anna.id).await.unwrap().unwrap().used_bytes,
        1000
    );
    assert_eq!(tombstones(&db, &anna, inbox).await, [(2, 2)]);
    assert_eq!(list(&db, &anna, inbox).await, [(1, 1, 0, 0, 1)]);
    let kept = "select count(*) from removed where account_id = $1";
    assert_eq!(db.number(kept, anna.id).await, 1);

    // At most one quota's worth is kept, the oldest leave first.
    for n in 0..4 {
        let added = db
            .deliver(
                &anna,
                inbox,
                &Letter::subject(&format!("n {n}")).of_size(1000),
            )
            .await;
        let mut w = write(&db, &anna).await;
        w.expunge(inbox, &[added.uid.0], Some(30)).await.unwrap();
        quiet(w.commit().await.unwrap());
    }
    assert_eq!(db.number(kept, anna.id).await, 3);
    let oldest = "select min(email_id) from removed where account_id = $1";
    assert_eq!(
        EmailId(db.number(oldest, anna.id).await),
        EmailId(
            db.number(
                "select max(email_id) - 2 from email where account_id = $1",
                anna.id
            )
            .await
        )
    );

    // Without keeping, nothing stays.
    let mut w = write(&db, &anna).await;
    w.expunge(inbox, &[1], None).await.unwrap();
    quiet(w.commit().await.unwrap());
    assert_eq!(db.number(kept, anna.id).await, 3);
    assert_eq!(list(&db, &anna, inbox).await, []);
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn an_abandoned_or_dropped_write_leaves_nothing() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let before = db.store.modseq(anna.id).await.unwrap();
    for abandon in [true, false] {
        let letter = Letter::subject("Never");
        let mut draft = db.store.draft().await.unwrap();
        let body = draft.put_body(anna.id, &letter.stored()).await.unwrap();
        let mut w = draft
            .lock(anna.id, Charge::mail(body.size_bytes))
            .await
            .unwrap();
        assert_eq!(w.modseq(), ModSeq(before.0 + 1));
        w.add_message(
            body,
            &fake_email(&letter),
            &Placement {
                target: Target::Folder(anna.inbox()),
                flags: Flags::NONE,
                keywords: &[],
                received_at: now(),
                thread: None,
            },
        )
        .await
        .unwrap();
        if abandon {
            w.abandon().await.unwrap();
        } else {
            drop(w);
        }
    }
    assert_eq!(db.store.modseq(anna.id).await.unwrap(), before);
    assert_eq!(
        db.number("select count(*) from body where account_id = $1", anna.id)
            .await,
        0
    );
    assert_eq!(
        db.number(
            "select count(*) from message where account_id = $1",
            anna.id
        )
        .await,
        0
    );
    db.assert_adds_up(anna.id).await;
}

#[tokio::test]
async fn served_accounts_are_remembered_for_a_retry() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 10_000).await;
    let bob = db.account("bob@x.test", 10_000).await;
    let mut w = write(&db, &anna).await;
    assert!(w.note_delivery(b"hash").await.unwrap());
    assert!(!w.note_delivery(b"hash").await.unwrap());
    quiet(w.commit().await.unwrap());
    assert_eq!(db.store.delivered_to(b"hash").await.unwrap(), [anna.id]);
    assert_eq!(db.store.delivered_to(b"other").await.unwrap(), []);
    db.tamper(
        "update delivery_seen set at = now() - interval '25 hours' where account_id = $1",
        anna.id,
    )
    .await;
    assert_eq!(db.store.delivered_to(b"hash").await.unwrap(), []);
    assert_eq!(db.store.prune_deliveries(24).await.unwrap(), 1);
    drop(bob);
}

#[tokio::test]
async fn list_windows_page_in_order_and_filter() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1_000_000).await;
    let inbox = anna.inbox();
    let start = now() - Duration::days(1);
    for n in 0..7_i64 {
        let mut letter = Letter::subject(&format!("n {n}"))
            // Two share one instant: the conversation id decides.
            .received(start + Duration::minutes(n / 2))
            .flagged(if n % 2 == 0 {
                Flags::SEEN
            } else {
                Flags::FLAGGED
            });
        letter.has_attachment = n == 3;
        db.deliver(&anna, inbox, &letter).await;
    }
    let window = |filter, window, limit| {
        db.store
            .thread_window(anna.id, inbox, filter, window, limit)
    };
    let all = ThreadFilter::default();
    let uids = |rows: &[postamt::store::message::ThreadRow]| -> Vec<i64> {
        rows.iter().map(|r| r.newest_uid.0).collect()
    };
    let top = window(all, Window::Top, 3).await.unwrap();
    assert_eq!(uids(&top), [7, 6, 5]);
    let last = &top[2];
    let next = window(all, Window::Before(last.newest_at, last.thread_id), 3)
        .await
        .unwrap();
    assert_eq!(uids(&next), [4, 3, 2]);
    let up = window(all, Window::After(next[1].newest_at, next[1].thread_id), 2)
        .await
        .unwrap();
    assert_eq!(uids(&up), [5, 4], "nearest to the row, newest first");
    assert_eq!(
        uids(&window(all, Window::Offset(5), 50).await.unwrap()),
        [2, 1]
    );
    let unseen = ThreadFilter {
        unseen: true,
        ..all
    };
    assert_eq!(
        uids(&window(unseen, Window::Top, 50).await.unwrap()),
        [6, 4, 2]
    );
    let both = ThreadFilter {
        starred: true,
        attachment: true,
        unseen: true,
        ..ThreadFilter::default()
    };
    assert_eq!(uids(&window(both, Window::Top, 50).await.unwrap()), [4]);
    assert_eq!(db.store.thread_count(anna.id, inbox, all).await.unwrap(), 7);
    assert_eq!(
        db.store.thread_count(anna.id, inbox, both).await.unwrap(),
        1
    );
    let bites = db
        .store
        .places_of_folder(anna.id, inbox, Uid(5), 500)
        .await
        .unwrap();
    assert_eq!(bites.iter().map(|p| p.uid.0).collect::<Vec<_>>(), [6, 7]);
    let some = db
        .store
        .places_of_threads(anna.id, inbox, &[top[0].thread_id, top[1].thread_id])
        .await
        .unwrap();
    assert_eq!(some.iter().map(|p| p.uid.0).collect::<Vec<_>>(), [6, 7]);
    assert_eq!(
        db.store
            .thread_messages(anna.id, top[0].thread_id, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_conversation_row_names_its_latest_senders() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1_000_000).await;
    let start = now() - Duration::days(1);
    let first = Letter::subject("Plan").received(start);
    db.deliver(&anna, anna.inbox(), &first).await;
    for n in 1..4_i64 {
        let mut letter = Letter::subject("Plan")
            .answering(&first)
            .received(start + Duration::minutes(n));
        letter.from = format!("person{n}@x.test");
        db.deliver(&anna, anna.inbox(), &letter).await;
    }
    let rows = db
        .store
        .thread_window(
            anna.id,
            anna.inbox(),
            ThreadFilter::default(),
            Window::Top,
            5,
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].messages, rows[0].newest_uid), (4, Uid(4)));
    assert_eq!(rows[0].sender_address, "person3@x.test");
    let addresses: Vec<&str> = rows[0]
        .senders
        .iter()
        .skip(1)
        .step_by(2)
        .map(String::as_str)
        .collect();
    assert_eq!(
        addresses.last(),
        Some(&"person3@x.test"),
        "oldest first: {addresses:?}"
    );
}

#[tokio::test]
async fn the_check_finds_what_does_not_add_up() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1_000_000).await;
    db.deliver(&anna, anna.inbox(), &Letter::subject("One"))
        .await;
    db.assert_adds_up(anna.id).await;
    for (sql, rule) in [
        (
            "update account set mail_bytes = mail_bytes + 1, used_bytes = used_bytes + 1 where account_id = $1",
            "account bytes",
        ),
        (
            "update folder set unseen_count = unseen_count + 1 where account_id = $1",
            "folder counters",
        ),
        (
            "update folder_thread set starred = starred + 1 where account_id = $1",
            "conversation list",
        ),
        (
            "update message set thread_id = 0 where account_id = $1",
            "message facts",
        ),
        (
            "update body_chunk set bytes = bytes || '\\x00' where account_id = $1",
            "body bytes",
        ),
        (
            "insert into tombstone select account_id, 'message', folder_id, 1, 1, 1 from folder where account_id = $1 and special_use = 'inbox'",
            "tombstones",
        ),
    ] {
        db.tamper(sql, anna.id).await;
        let found = db.store.check_account(anna.id).await.unwrap();
        assert!(found.iter().any(|d| d.rule == rule), "{rule}: {found:?}");
    }
}
