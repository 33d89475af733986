//! SEARCH, SORT and THREAD of the mailbox service against what the messages really hold.

mod common;

use common::people::World;
use postamt::format::imap::search::{Algorithm, DateKey, SearchKey, SortKey, Which};
use postamt::format::imap::set::SequenceSet;
use postamt::format::mime::{self, FullText, Needle};
use postamt::model::{AccountId, Flags, Role};
use postamt::service::mailbox::{Progress, Question, View};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use time::macros::{date, datetime};
use time::{Date, OffsetDateTime};

/// A user's inbox.
struct Inbox {
    world: World,
    account: AccountId,
    /// What lies there, oldest first.
    messages: Vec<String>,
}

impl Inbox {
    async fn new() -> Self {
        let world = World::new().await;
        world.domain("x.test").await;
        let account = world.account("anna@x.test", Role::User).await;
        Self {
            world,
            account,
            messages: Vec::new(),
        }
    }

    async fn add(&mut self, message: &str) {
        let mail = &self.world.app.mail;
        let received = mail.receive_whole(message.as_bytes()).await.unwrap();
        for delivered in mail.deliver(&received, &[self.account]).await {
            delivered.outcome.unwrap();
        }
        self.messages.push(message.to_owned());
    }

    async fn view(&self) -> View {
        let mailboxes = &self.world.app.mailbox;
        mailboxes.open(self.account, "INBOX").await.unwrap().view
    }

    async fn search(&self, key: &SearchKey) -> Vec<u32> {
        let question = Question {
            key,
            saved: &[2, 3],
            recent_from: 3,
            now: OffsetDateTime::now_utc(),
        };
        let view = self.view().await;
        let progress = Progress::default();
        let mailboxes = &self.world.app.mailbox;
        let found = mailboxes.search(&view, &question, &progress).await.unwrap();
        let (done, goal) = progress.now();
        assert_eq!(done, goal, "it says that it is done");
        found
    }
}

fn header(name: &str, text: &str) -> SearchKey {
    SearchKey::Header(name.to_owned(), text.to_owned())
}

fn body(text: &str) -> SearchKey {
    SearchKey::Body(text.to_owned())
}

fn text(text: &str) -> SearchKey {
    SearchKey::Text(text.to_owned())
}

fn sent(how: DateKey, day: Date) -> SearchKey {
    SearchKey::Date(Which::Sent, how, day)
}

const LETTERS: [&str; 4] = [
    "From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\r\nTo: anna@x.test\r\nSubject: Am Hauptbahnhof\r\nDate: Mon, 7 Feb 1994 23:30:00 -0800\r\n\r\nTreffen um acht.\r\n",
    "From: b@x.test\r\nCc: Carl <c@y.test>\r\nSubject: Rechnung\r\nX-Kind: invoice\r\nDate: Tue, 8 Feb 1994 09:00:00 +0100\r\n\r\nDer Betrag ist 100 EUR.\r\nBahnhof\r\n",
    "From: b@x.test\r\nSubject: quoted\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe aus K=C3=B6ln, lange Ze=\r\nile\r\n",
    "Subject: no date and no sender\r\n\r\nX-Kind: invoice\r\n",
];

/// RFC 9051 6.4.4, key by key.
#[tokio::test]
async fn each_key_finds_what_it_names() {
    let mut inbox = Inbox::new().await;
    for letter in LETTERS {
        inbox.add(letter).await;
    }
    let today = OffsetDateTime::now_utc().date();
    let arrived = |how, day| SearchKey::Date(Which::Arrived, how, day);
    let not = |key| SearchKey::Not(Box::new(key));
    let or = |a, b| SearchKey::Or(Box::new(a), Box::new(b));
    let set = |text: &str| SequenceSet::parse(text.as_bytes(), 100).unwrap();
    let sizes: Vec<u64> = LETTERS
        .iter()
        .map(|l| u64::try_from(l.len()).unwrap())
        .collect();
    for (key, uids) in [
        (SearchKey::All, vec![1, 2, 3, 4]),
        (body("bahnhof"), vec![2]),
        (text("bahnhof"), vec![1, 2]),
        (header("subject", "BAHNHOF"), vec![1]),
        (header("from", "jürgen"), vec![1]),
        (header("from", "JURGEN"), vec![1]),
        (header("from", "juergen"), vec![1]),
        (header("from", "<j@x"), vec![1]),
        (header("cc", "carl"), vec![2]),
        (header("x-kind", "voice"), vec![2]),
        (header("x-kind", ""), vec![2]),
        (
            header("date", ""),
            vec![1, 2, 3].into_iter().filter(|n| *n != 3).collect(),
        ),
        (header("from", ""), vec![1, 2, 3]),
        (text("x-kind: invoice"), vec![2, 4]),
        (body("x-kind: invoice"), vec![4]),
        (body("grüße aus köln"), vec![3]),
        (body("gruesse AUS koeln"), vec![3]),
        (body("lange zeile"), vec![3]),
        (body("=C3"), vec![]),
        (body(""), vec![1, 2, 3, 4]),
        (body("eur. bahnhof"), vec![2]),
        (not(text("bahnhof")), vec![3, 4]),
        (or(body("acht"), header("subject", "rech")), vec![1, 2]),
        (
            SearchKey::And(vec![text("bahnhof"), header("from", "b@")]),
            vec![2],
        ),
        (SearchKey::And(vec![]), vec![1, 2, 3, 4]),
        (SearchKey::Sequence(set("2:3")), vec![2, 3]),
        (SearchKey::Sequence(set("*")), vec![4]),
        (SearchKey::Uid(set("3:*")), vec![3, 4]),
        (SearchKey::Saved, vec![2, 3]),
        (SearchKey::Recent, vec![3, 4]),
        (SearchKey::Flag(Flags::SEEN, true), vec![]),
        (SearchKey::Flag(Flags::SEEN, false), vec![1, 2, 3, 4]),
        (SearchKey::Keyword("work".to_owned(), true), vec![]),
        (SearchKey::Larger(sizes[3]), vec![1, 2, 3]),
        (SearchKey::Smaller(sizes[3]), vec![]),
        (SearchKey::Smaller(sizes[3] + 1), vec![4]),
        // The day as the sender's clock showed it, whatever day it was elsewhere.
        (sent(DateKey::On, date!(1994 - 02 - 07)), vec![1]),
        (sent(DateKey::On, date!(1994 - 02 - 08)), vec![2]),
        (sent(DateKey::Before, date!(1994 - 02 - 08)), vec![1]),
        (sent(DateKey::Since, date!(1994 - 02 - 08)), vec![2, 3, 4]),
        (arrived(DateKey::On, today), vec![1, 2, 3, 4]),
        (arrived(DateKey::Before, today), vec![]),
        (arrived(DateKey::Since, today), vec![1, 2, 3, 4]),
        (
            SearchKey::Date(Which::Saved, DateKey::Since, today),
            vec![1, 2, 3, 4],
        ),
        (SearchKey::SaveDateSupported, vec![1, 2, 3, 4]),
        (SearchKey::Older(3_600), vec![]),
        (SearchKey::Younger(3_600), vec![1, 2, 3, 4]),
        (SearchKey::EmailId("T1".to_owned()), vec![]),
        (SearchKey::EmailId("M999999".to_owned()), vec![]),
        (SearchKey::ModSeq(1), vec![1, 2, 3, 4]),
        (SearchKey::ModSeq(1 << 40), vec![]),
    ] {
        assert_eq!(inbox.search(&key).await, uids, "{key:?}");
    }
}

/// Messages stored before texts were kept, and messages too long to be kept whole, are looked into themselves.
#[tokio::test]
async fn what_is_not_kept_is_read() {
    let mut inbox = Inbox::new().await;
    for letter in LETTERS {
        inbox.add(letter).await;
    }
    let db = &inbox.world.db;
    let first = "delete from email_text where account_id = $1 and email_id = (select min(email_id) from email where account_id = $1)";
    assert_eq!(db.tamper(first, inbox.account).await, 1);
    let cut = "update email_text set is_cut = true, body_text = 'der' where account_id = $1 and header_text like '%rechnung%'";
    assert_eq!(db.tamper(cut, inbox.account).await, 1);
    for (key, uids) in [
        (text("bahnhof"), vec![1, 2]),
        (body("acht"), vec![1]),
        (header("from", "jürgen"), vec![1]),
        (SearchKey::Not(Box::new(body("bahnhof"))), vec![1, 3, 4]),
        (header("x-kind", "invoice"), vec![2]),
        (sent(DateKey::On, date!(1994 - 02 - 08)), vec![1, 2]),
    ] {
        assert_eq!(inbox.search(&key).await, uids, "{key:?}");
    }
}

/// Random trees over random messages, against reading every message.
#[tokio::test]
async fn any_tree_finds_what_reading_would() {
    let mut runner = TestRunner::deterministic();
    let mut inbox = Inbox::new().await;
    let word = prop_oneof![
        Just("alpha"),
        Just("Beta"),
        Just("grün"),
        Just("al"),
        Just("TAB le"),
        Just("x@y")
    ];
    let message = (
        prop::collection::vec(word.clone(), 0..3),
        prop::collection::vec(word.clone(), 0..5),
        prop::option::of(word.clone()),
    )
        .prop_map(|(subject, words, extra)| {
            let extra = extra.map_or(String::new(), |e| format!("X-Extra: {e}\r\n"));
            format!(
                "Subject: {}\r\n{extra}\r\n{}\r\n",
                subject.join(" "),
                words.join("\r\n")
            )
        });
    for _ in 0..40 {
        let message = message.new_tree(&mut runner).unwrap().current();
        inbox.add(&message).await;
    }
    inbox
        .world
        .db
        .tamper(
            "delete from email_text where account_id = $1 and email_id % 7 = 0",
            inbox.account,
        )
        .await;
    let leaf = prop_oneof![
        word.clone().prop_map(body),
        word.clone().prop_map(text),
        word.clone().prop_map(|w| header("subject", w)),
        word.clone().prop_map(|w| header("x-extra", w)),
        Just(header("x-extra", "")),
        (1_u32..45).prop_map(|n| SearchKey::Sequence(SequenceSet::range(1, n))),
        (1_u32..15).prop_map(|n| SearchKey::Sequence(SequenceSet::of([n, n + 13, n + 26]))),
        (100_u64..160).prop_map(SearchKey::Larger),
    ];
    let tree = leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(SearchKey::And),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| SearchKey::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|key| SearchKey::Not(Box::new(key))),
        ]
    });
    for _ in 0..150 {
        let key = tree.new_tree(&mut runner).unwrap().current();
        let expected: Vec<u32> = (1_u32..)
            .zip(&inbox.messages)
            .filter(|(number, message)| reads(&key, *number, message))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(inbox.search(&key).await, expected, "{key:?}");
    }
}

/// Whether a key fits a message, by reading it.
fn reads(key: &SearchKey, number: u32, message: &str) -> bool {
    let now = datetime!(2026-11-23 12:00 UTC);
    let parts = mime::parse(message.as_bytes(), now, now).parts;
    let full = FullText::of(message.as_bytes(), &parts);
    match key {
        SearchKey::And(all) => all.iter().all(|key| reads(key, number, message)),
        SearchKey::Or(a, b) => reads(a, number, message) || reads(b, number, message),
        SearchKey::Not(key) => !reads(key, number, message),
        SearchKey::Sequence(set) => set.has(number, 40),
        SearchKey::Larger(octets) => u64::try_from(message.len()).unwrap() > *octets,
        SearchKey::Header(name, text) => Needle::new(text).is_in_field(&full.header, name),
        SearchKey::Body(text) => Needle::new(text).is_in(&full.body),
        SearchKey::Text(text) => {
            let needle = Needle::new(text);
            needle.is_in(&full.header) || needle.is_in(&full.body)
        }
        other => panic!("{other:?}"),
    }
}

/// A message that leaves during a search is not found, and the search goes on.
#[tokio::test]
async fn what_left_meanwhile_is_left_out() {
    let mut inbox = Inbox::new().await;
    for letter in LETTERS {
        inbox.add(letter).await;
    }
    let view = inbox.view().await;
    let maildrop = inbox.world.app.maildrop(inbox.account).await.unwrap();
    assert!(maildrop.remove(2..=2).await.refused.is_none());
    let question = Question {
        key: &text("bahnhof"),
        saved: &[],
        recent_from: u32::MAX,
        now: OffsetDateTime::now_utc(),
    };
    let mailboxes = &inbox.world.app.mailbox;
    let found = mailboxes
        .search(&view, &question, &Progress::default())
        .await;
    assert_eq!(found.unwrap(), [1]);
}

/// RFC 5256 3, RFC 5957: criteria, reversed and combined.
#[tokio::test]
async fn sorts_by_what_is_asked() {
    let mut inbox = Inbox::new().await;
    for (from, subject, date, more) in [
        (
            "Zoe <a@x.test>",
            "Re: beta",
            "Mon, 7 Feb 1994 10:00:00 +0000",
            10,
        ),
        ("b@x.test", "Alpha", "Mon, 7 Feb 1994 13:00:00 +0500", 500),
        (
            "Anton <c@x.test>",
            "[list] BETA",
            "Mon, 7 Feb 1994 09:00:00 +0000",
            10,
        ),
        (
            "=?utf-8?q?=C3=84rzte?= <B@x.test>",
            "alpha",
            "no date at all",
            100,
        ),
    ] {
        let letter = format!(
            "From: {from}\r\nTo: k@x.test\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{}\r\n",
            "x".repeat(more)
        );
        inbox.add(&letter).await;
    }
    let view = inbox.view().await;
    let all = [1, 2, 3, 4];
    for (by, uids) in [
        (vec![(SortKey::Arrival, false)], [1, 2, 3, 4]),
        (vec![(SortKey::Arrival, true)], [4, 3, 2, 1]),
        (vec![(SortKey::Subject, false)], [2, 4, 1, 3]),
        (vec![(SortKey::Subject, true)], [1, 3, 2, 4]),
        (
            vec![(SortKey::Subject, false), (SortKey::Date, false)],
            [2, 4, 3, 1],
        ),
        (vec![(SortKey::Date, false)], [2, 3, 1, 4]),
        (vec![(SortKey::From, false)], [1, 2, 4, 3]),
        (vec![(SortKey::DisplayFrom, false)], [3, 4, 2, 1]),
        (vec![(SortKey::Size, true)], [2, 4, 1, 3]),
        (
            vec![(SortKey::To, false), (SortKey::Cc, false)],
            [1, 2, 3, 4],
        ),
    ] {
        let found = inbox
            .world
            .app
            .mailbox
            .sort(&view, &all, &by)
            .await
            .unwrap();
        let expected: Vec<u32> = if by == [(SortKey::Size, true)] {
            // 1 and 3 differ by a few octets of their headers.
            let longer = |n: usize| inbox.messages[n - 1].len();
            let (a, b) = if longer(1) >= longer(3) {
                (1, 3)
            } else {
                (3, 1)
            };
            vec![2, 4, a, b]
        } else {
            uids.to_vec()
        };
        assert_eq!(found, expected, "{by:?}");
    }
    let some = inbox
        .world
        .app
        .mailbox
        .sort(&view, &[4, 2, 9], &[(SortKey::Arrival, false)])
        .await;
    assert_eq!(some.unwrap(), [2, 4], "only those that are there");
}

/// RFC 5256 3: by References, by In-Reply-To where there are none, and by subject; with UIDs or with numbers.
#[tokio::test]
async fn threads_as_the_headers_say() {
    let mut inbox = Inbox::new().await;
    for (id, head, subject) in [
        ("one", "", "Plan"),
        ("two", "References: <one@x>\r\n", "Re: Plan"),
        ("three", "In-Reply-To: <two@x>\r\n", "Re: Plan"),
        ("four", "", "Other"),
        ("five", "In-Reply-To: <lost@x>\r\n", "Re: Other"),
    ] {
        let letter = format!("Message-ID: <{id}@x>\r\n{head}Subject: {subject}\r\n\r\nx\r\n");
        inbox.add(&letter).await;
    }
    let maildrop = inbox.world.app.maildrop(inbox.account).await.unwrap();
    assert!(maildrop.remove(2..=2).await.refused.is_none());
    let view = inbox.view().await;
    let uids = view.rows().uids().to_vec();
    assert_eq!(uids, [1, 3, 4, 5]);
    for (algorithm, by_uid, written) in [
        (Algorithm::References, true, "(1 3)(4 5)"),
        (Algorithm::References, false, "(1 2)(3 4)"),
        (Algorithm::OrderedSubject, true, "(1 3)(4 5)"),
    ] {
        let mailbox = &inbox.world.app.mailbox;
        let forest = mailbox
            .threads(&view, &uids, algorithm, by_uid)
            .await
            .unwrap();
        let mut out = Vec::new();
        forest.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), written, "{algorithm:?}");
    }
}
