//! Tests of `transaction.rs`: every command refused in every way, pipelined and not, and what each recipient is told.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use proptest::prelude::*;

use super::*;
use crate::error::StoreError;
use crate::service::outgoing::transport::MailContent;

struct Nothing;

impl MailContent for Nothing {
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::empty().boxed()
    }
}

fn recipients<'a>(addresses: &[&'a str]) -> Vec<MailRecipient<'a>> {
    addresses
        .iter()
        .map(|address| MailRecipient {
            address,
            notify: &[],
            orcpt: None,
        })
        .collect()
}

fn mail<'a>(recipients: &'a [MailRecipient<'a>]) -> Mail<'a> {
    Mail {
        sender: "anna@x.test",
        ret_full: false,
        env_id: None,
        needs_utf8: false,
        size_bytes: 100,
        recipients,
        content: &Nothing,
    }
}

fn pipelining(pipelining: bool) -> Capabilities {
    Capabilities {
        pipelining,
        ..Capabilities::default()
    }
}

/// Plays the host: one reply for every command, the content written as `CONTENT`.
fn play(mut t: Transaction, replies: &[&str]) -> (String, Transaction) {
    let mut said = String::new();
    let mut replies = replies.iter();
    loop {
        match t.step() {
            Step::Write(bytes) => said.push_str(std::str::from_utf8(&bytes).unwrap()),
            Step::Content => {
                said.push_str("CONTENT\r\n");
                t.end_of_data();
            }
            Step::Done => break,
        }
        while t.awaited().is_some() {
            match replies.next() {
                Some(line) => {
                    let mut reader = crate::smtp::reply::ReplyReader::default();
                    t.reply(&reader.push(line.as_bytes()).unwrap().unwrap());
                }
                None => t.lost("gone"),
            }
        }
    }
    assert!(replies.next().is_none(), "a reply too many after {said}");
    (said.replace("\r\n", "|"), t)
}

fn verdicts(t: Transaction) -> Vec<(Verdict, String)> {
    t.answers()
        .into_iter()
        .map(|a| (a.verdict, a.status))
        .collect()
}

#[test]
fn the_usual() {
    let to = recipients(&["b@y.test", "c@y.test"]);
    let expected = "MAIL FROM:<anna@x.test>|RCPT TO:<b@y.test>|RCPT TO:<c@y.test>|DATA|CONTENT|";
    for fast in [false, true] {
        let t = Transaction::new(&mail(&to), &pipelining(fast));
        let (said, t) = play(
            t,
            &["250 ok", "250 ok", "251 ok", "354 go", "250 2.6.0 taken"],
        );
        assert_eq!(said, expected);
        assert!(t.leaves_usable());
        assert_eq!(verdicts(t), vec![(Verdict::Sent, "2.6.0".to_owned()); 2]);
    }
}

#[test]
fn each_recipient_has_its_own_answer() {
    let to = recipients(&["a@y.test", "b@y.test", "c@y.test", "d@y.test", "e@y.test"]);
    for fast in [false, true] {
        let t = Transaction::new(&mail(&to), &pipelining(fast));
        let (_, t) = play(
            t,
            &[
                "250 ok",
                "550 5.1.1 who",
                "450 4.2.1 later",
                "250 ok",
                "552 5.2.2 larger than the box",
                "552 too many",
                "354 go",
                "451 4.3.0 trouble",
            ],
        );
        let answers = verdicts(t);
        assert_eq!(
            answers,
            [
                (Verdict::Failed, "5.1.1".to_owned()),
                (Verdict::Elsewhere, "4.2.1".to_owned()),
                (Verdict::Later, "4.3.0".to_owned()),
                (Verdict::Failed, "5.2.2".to_owned()),
                (Verdict::Elsewhere, "5.0.0".to_owned()),
            ]
        );
    }
}

#[test]
fn refused_at_each_command() {
    let to = recipients(&["b@y.test"]);
    let cases: [(&[&str], &[&str], Verdict); 7] = [
        (
            &["550 5.7.1 no", "250 ok"],
            &["550 5.7.1 no", "503 x", "503 x", "250 ok"],
            Verdict::Failed,
        ),
        (
            &["451 4.0.0 no", "250 ok"],
            &["451 4.0.0 no", "503 x", "354 go", "554 x"],
            Verdict::Elsewhere,
        ),
        (
            &["250 ok", "550 5.1.1 no", "250 ok"],
            &["250 ok", "550 5.1.1 no", "354 go", "554 x"],
            Verdict::Failed,
        ),
        (
            &["250 ok", "250 ok", "554 5.0.0 no", "250 ok"],
            &["250 ok", "250 ok", "554 no", "250 ok"],
            Verdict::Failed,
        ),
        (
            &["250 ok", "250 ok", "250 what", "250 ok"],
            &["250 ok", "250 ok", "250 what", "250 ok"],
            Verdict::Elsewhere,
        ),
        (
            &["250 ok", "250 ok", "354 go", "552 5.3.4 no"],
            &["250 ok", "250 ok", "354 go", "552 no"],
            Verdict::Failed,
        ),
        (
            &["250 ok", "250 ok", "354 go", "354 what"],
            &["250 ok", "250 ok", "354 go", "354 what"],
            Verdict::Later,
        ),
    ];
    for (slow, fast, verdict) in cases {
        for (replies, is_fast) in [(slow, false), (fast, true)] {
            let t = Transaction::new(&mail(&to), &pipelining(is_fast));
            let (said, t) = play(t, replies);
            assert!(t.leaves_usable());
            assert_eq!(verdicts(t)[0].0, verdict, "{replies:?} {said}");
        }
    }
}

#[test]
fn a_host_that_hangs_up() {
    let to = recipients(&["a@y.test", "b@y.test"]);
    let full = ["250 ok", "250 ok", "550 5.1.1 who", "354 go", "250 ok"];
    for fast in [false, true] {
        for n in 0..5 {
            let (_, t) = play(Transaction::new(&mail(&to), &pipelining(fast)), &full[..n]);
            assert!(!t.leaves_usable());
            let expected = if n == 4 {
                Verdict::Later
            } else {
                Verdict::Elsewhere
            };
            assert_eq!(
                verdicts(t)[0].0,
                expected,
                "S-07: after the end of data nothing is tried elsewhere"
            );
        }
        let mut busy = full;
        busy[1] = "421 4.3.2 closing";
        let (_, t) = play(Transaction::new(&mail(&to), &pipelining(fast)), &busy[..2]);
        assert!(!t.leaves_usable());
        let answers = t.answers();
        assert_eq!(answers[0].text, "421 4.3.2 closing");
        assert!(
            answers[1].verdict == Verdict::Elsewhere
                && answers[1].text.contains("421 4.3.2 closing")
        );
    }
}

#[test]
fn parameters_as_the_host_offers_them() {
    let notify = ["SUCCESS".to_owned(), "DELAY".to_owned()];
    let to = [
        MailRecipient {
            address: "b@y.test",
            notify: &notify,
            orcpt: Some("rfc822;B+2Bx@y.test"),
        },
        MailRecipient {
            address: "\"c d\"@y.test",
            notify: &[],
            orcpt: Some("rfc822;a b"),
        },
    ];
    let all = Capabilities {
        pipelining: true,
        has_size: true,
        size: Some(100),
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        ..Capabilities::default()
    };
    let mut with = mail(&to);
    with.env_id = Some("QQ314159");
    with.needs_utf8 = true;
    let Step::Write(said) = Transaction::new(&with, &all).step() else {
        panic!()
    };
    assert_eq!(
        String::from_utf8(said).unwrap().replace("\r\n", "|"),
        "MAIL FROM:<anna@x.test> SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ314159|\
         RCPT TO:<b@y.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bx@y.test|RCPT TO:<\"c d\"@y.test>|DATA|"
    );
    let (_, t) = play(
        Transaction::new(&with, &all),
        &["250 a", "250 a", "250 a", "354 a", "250 a"],
    );
    assert!(t.answers().iter().all(|a| a.passes_dsn));
}

#[test]
fn what_the_host_cannot_take_is_not_tried() {
    let to = recipients(&[
        "b@y.test",
        "gr\u{fc}n@y.test",
        "a@b>c",
        "x\r\nRCPT TO:<e@v.il>@y.test",
    ]);
    let (said, t) = play(
        Transaction::new(&mail(&to), &pipelining(false)),
        &["250 a", "250 a", "354 a", "250 a"],
    );
    assert_eq!(
        said,
        "MAIL FROM:<anna@x.test>|RCPT TO:<b@y.test>|DATA|CONTENT|"
    );
    let statuses: Vec<String> = t.answers().into_iter().map(|a| a.status).collect();
    assert_eq!(statuses, ["2.0.0", "5.6.7", "5.1.3", "5.1.3"]);
    let small = Capabilities {
        size: Some(99),
        ..Capabilities::default()
    };
    let utf8 = Mail {
        needs_utf8: true,
        ..mail(&to)
    };
    let null = Mail {
        sender: "",
        ..mail(&to[..1])
    };
    for (t, status) in [
        (Transaction::new(&mail(&to), &small), "5.3.4"),
        (Transaction::new(&utf8, &Capabilities::default()), "5.6.7"),
    ] {
        let (said, t) = play(t, &[]);
        assert!(said.is_empty());
        assert!(
            verdicts(t)
                .iter()
                .all(|(v, s)| *v == Verdict::Failed && s == status)
        );
    }
    let (said, _) = play(
        Transaction::new(&null, &pipelining(false)),
        &["250 a", "250 a", "354 a", "250 a"],
    );
    assert!(said.starts_with("MAIL FROM:<>|"));
}

proptest! {
    /// Whatever a host answers, everybody gets one answer, and only a 2xx to the end of data is a delivery.
    #[test]
    fn no_answer_is_lost(
        codes in prop::collection::vec(prop::sample::select(vec![220, 250, 354, 421, 450, 452, 550, 552, 554]), 0..12),
        fast in any::<bool>(),
        n in 1..4_usize,
    ) {
        let to = recipients(&["a@y.test", "b@y.test", "c@y.test"][..n]);
        let mut t = Transaction::new(&mail(&to), &pipelining(fast));
        let (mut codes, mut ended) = (codes.into_iter(), None);
        loop {
            match t.step() {
                Step::Write(_) => {}
                Step::Content => {
                    t.end_of_data();
                    ended = Some(0);
                }
                Step::Done => break,
            }
            while t.awaited().is_some() {
                match codes.next() {
                    Some(code) => {
                        if ended == Some(0) {
                            ended = Some(code);
                        }
                        t.reply(&Reply::plain(code, "x"));
                    }
                    None => t.lost("gone"),
                }
            }
        }
        let answers = t.answers();
        prop_assert_eq!(answers.len(), n);
        let sent = answers.iter().any(|a| a.verdict == Verdict::Sent);
        prop_assert_eq!(sent, ended.is_some_and(|code: u16| code / 100 == 2));
    }
}
