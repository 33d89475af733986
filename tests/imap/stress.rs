//! A random stress of many sessions on the same mailboxes, each checked against a model of what it was told.
//!
//! A session believes only its responses: numbers of messages, their UIDs and flags. Every response must fit what it
//! believes: no number beyond the last, UIDs ascending and never another under the same number, no EXPUNGE inside FETCH and
//! STORE by number. At the end every session's belief is the truth, and every message that was appended lies in exactly one
//! place. The seed is printed; `STRESS_SEED` plays it again, `STRESS_STEPS` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::{Client, account, server};
use crate::common::server::TestServer;

const FOLDERS: [&str; 2] = ["INBOX", "Archive"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_twice_when_twenty_sessions_move_and_append() {
    play(20, 40, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_stay_right_while_others_expunge_and_copy() {
    play(8, 100, true).await;
}

async fn play(sessions: u64, steps: usize, removes: bool) {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse().unwrap());
    let seed: u64 = number("STRESS_SEED").unwrap_or_else(rand::random);
    let steps = number("STRESS_STEPS").map_or(steps, |n| usize::try_from(n).unwrap());
    eprintln!("STRESS_SEED={seed}");
    let server = Arc::new(server().await);
    let (id, user) = account(&server, 1 << 30).await;
    let appended = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..sessions {
        let (server, user, appended) = (Arc::clone(&server), user.clone(), Arc::clone(&appended));
        tasks.push(tokio::spawn(async move {
            let mut session =
                Session::start(&server, &user, seed.wrapping_add(n), removes, appended).await;
            for _ in 0..steps {
                session.step().await;
            }
            session
        }));
    }
    let mut ended = Vec::new();
    for task in tasks {
        ended.push(
            task.await
                .unwrap_or_else(|e| panic!("STRESS_SEED={seed}: {e}")),
        );
    }
    for session in &mut ended {
        session.settle().await;
    }
    server.db.assert_adds_up(id).await;
    if !removes {
        check_conserved(&server, &user, appended.load(Ordering::SeqCst)).await;
    }
}

/// Every appended message lies in exactly one folder.
async fn check_conserved(server: &TestServer, user: &str, appended: usize) {
    let mut client = Client::signed_in(server, user).await;
    let mut subjects = Vec::new();
    for folder in FOLDERS {
        client.run(&format!("EXAMINE {folder}")).await.ok();
        for response in client
            .run("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
            .await
            .ok()
        {
            subjects.push(response.lines().nth(1).unwrap().to_owned());
        }
    }
    let once: BTreeSet<&String> = subjects.iter().collect();
    assert_eq!((subjects.len(), once.len()), (appended, appended));
}

/// What a session believes of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Belief {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

struct Session {
    client: Client,
    random: StdRng,
    folder: &'static str,
    qresync: bool,
    removes: bool,
    messages: Vec<Belief>,
    appended: Arc<AtomicUsize>,
}

impl Session {
    async fn start(
        server: &TestServer,
        user: &str,
        seed: u64,
        removes: bool,
        appended: Arc<AtomicUsize>,
    ) -> Self {
        let mut session = Self {
            client: Client::signed_in(server, user).await,
            random: StdRng::seed_from_u64(seed),
            folder: FOLDERS[0],
            qresync: seed.is_multiple_of(2),
            removes,
            messages: Vec::new(),
            appended,
        };
        if session.qresync {
            session.client.run("ENABLE QRESYNC").await.ok();
        }
        session.select().await;
        session
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    async fn select(&mut self) {
        self.folder = self.pick(&FOLDERS);
        self.messages.clear();
        let folder = self.folder;
        self.run(&format!("SELECT {folder}"), true).await;
    }

    /// A command whose responses are believed; whether it was OK.
    async fn run(&mut self, command: &str, may_expunge: bool) -> bool {
        let answer = self.client.run(command).await;
        for response in &answer.untagged {
            self.believe(response, may_expunge, command);
        }
        assert!(
            !answer.tagged.starts_with("BAD"),
            "{command}: {}",
            answer.tagged
        );
        answer.is_ok()
    }

    fn believe(&mut self, response: &str, may_expunge: bool, command: &str) {
        let words: Vec<&str> = response.split(' ').collect();
        if words.get(1) == Some(&"VANISHED") {
            assert!(may_expunge, "{command}: {response}");
            let gone = words.last().unwrap();
            if words.get(2) == Some(&"(EARLIER)") {
                return;
            }
            for range in gone.split(',') {
                let (first, last) = range.split_once(':').unwrap_or((range, range));
                for uid in first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap() {
                    // A message that came within this very command has no UID yet: it is one of those.
                    let at = self.messages.iter().position(|m| m.uid == Some(uid));
                    let at = at.or_else(|| self.messages.iter().position(|m| m.uid.is_none()));
                    self.messages.remove(
                        at.unwrap_or_else(|| panic!("{command}: {response}: {uid} was not there")),
                    );
                }
            }
            return;
        }
        let Some(number) = words.get(1).and_then(|w| w.parse::<usize>().ok()) else {
            return;
        };
        match words[2] {
            "EXISTS" => {
                assert!(
                    number >= self.messages.len(),
                    "{command}: {response}, but {} were there",
                    self.messages.len()
                );
                self.messages.resize(number, Belief::default());
            }
            "EXPUNGE" => {
                assert!(may_expunge, "{command}: {response}");
                assert!(
                    number >= 1 && number <= self.messages.len(),
                    "{command}: {response}"
                );
                self.messages.remove(number - 1);
            }
            "FETCH" => {
                assert!(
                    number >= 1 && number <= self.messages.len(),
                    "{command}: {response}"
                );
                self.fetched(number, response, command);
            }
            _ => {}
        }
    }

    fn fetched(&mut self, number: usize, response: &str, command: &str) {
        if let Some((_, rest)) = response.split_once("UID ") {
            let uid: u32 = rest.split([' ', ')']).next().unwrap().parse().unwrap();
            let known = self.messages[number - 1].uid;
            assert!(
                known.is_none_or(|k| k == uid),
                "{command}: {response}, but it was {known:?}"
            );
            self.messages[number - 1].uid = Some(uid);
            let uids: Vec<u32> = self.messages.iter().filter_map(|m| m.uid).collect();
            assert!(
                uids.is_sorted_by(|a, b| a < b),
                "{command}: {response} in {uids:?}"
            );
        }
        if let Some((_, rest)) = response.split_once("FLAGS (") {
            let flags = rest.split(')').next().unwrap();
            self.messages[number - 1].flags = Some(
                flags
                    .split(' ')
                    .filter(|f| !f.is_empty() && *f != "\\Recent")
                    .map(str::to_owned)
                    .collect(),
            );
        }
    }

    /// Some numbers that are there; none in an empty mailbox.
    fn some(&mut self) -> Option<String> {
        let last = self.messages.len();
        if last == 0 {
            return None;
        }
        let (a, b) = (
            self.random.random_range(1..=last),
            self.random.random_range(1..=last),
        );
        Some(match self.random.random_range(0..4) {
            0 => format!("{a}"),
            1 => format!("{}:{}", a.min(b), a.max(b).min(a.min(b) + 5)),
            2 => format!("{a},{b}"),
            _ => format!("{}:*", last.saturating_sub(3).max(1)),
        })
    }

    async fn learn_uids(&mut self) {
        // A session with QRESYNC keeps all UIDs, or VANISHED would tell it nothing.
        if self.qresync && self.messages.iter().any(|m| m.uid.is_none()) {
            self.run("FETCH 1:* (UID FLAGS)", false).await;
        }
    }

    async fn step(&mut self) {
        self.learn_uids().await;
        let flag = self.pick(&[
            "\\Seen",
            "\\Flagged",
            "\\Answered",
            "$Work",
            "$Junk",
            "Blue",
        ]);
        let sign = self.pick(&["+", "-"]);
        let other = self.pick(&FOLDERS);
        let choice = self
            .random
            .random_range(0..if self.removes { 14 } else { 11 });
        match choice {
            0 | 1 => {
                let n = self.random.random::<u64>();
                let message = format!("Subject: s{n:x}\r\n\r\nHello {n}\r\n");
                let folder = other;
                let command = format!(
                    "APPEND {folder} ({flag}) {{{}+}}\r\n{message}",
                    message.len()
                );
                if self.run(&command, true).await {
                    self.appended.fetch_add(1, Ordering::SeqCst);
                }
            }
            2 => {
                self.run("NOOP", true).await;
            }
            3 => {
                if self.random.random_range(0..4) == 0 {
                    self.select().await;
                } else {
                    self.run("FETCH 1:* (FLAGS)", false).await;
                }
            }
            10 => self.idle().await,
            _ => {
                let Some(set) = self.some() else { return };
                match choice {
                    4 => {
                        self.run(&format!("STORE {set} {sign}FLAGS ({flag})"), false)
                            .await;
                    }
                    5 => {
                        self.run(&format!("STORE {set} FLAGS.SILENT ({flag})"), false)
                            .await;
                        // What was silent is asked for, so that the belief is whole.
                        self.run(&format!("FETCH {set} (FLAGS)"), false).await;
                    }
                    6 => {
                        self.run(
                            &format!("FETCH {set} (UID FLAGS ENVELOPE BODYSTRUCTURE)"),
                            false,
                        )
                        .await;
                    }
                    7 => {
                        self.run(&format!("FETCH {set} (UID BODY.PEEK[TEXT]<0.20>)"), false)
                            .await;
                    }
                    8 | 9 => {
                        self.run(&format!("MOVE {set} {other}"), true).await;
                    }
                    11 => {
                        self.run(&format!("COPY {set} {other}"), true).await;
                    }
                    12 => {
                        self.run(&format!("STORE {set} +FLAGS (\\Deleted)"), false)
                            .await;
                    }
                    _ => {
                        self.run("EXPUNGE", true).await;
                    }
                }
            }
        }
    }

    async fn idle(&mut self) {
        self.client.send(b"i IDLE\r\n").await;
        let go = self.client.response().await.unwrap();
        if !go.starts_with('+') {
            self.believe(&go, true, "IDLE");
        }
        self.client.send(b"DONE\r\n").await;
        let answer = self.client.finish("i").await;
        for response in &answer.untagged {
            self.believe(response, true, "IDLE");
        }
        assert!(answer.is_ok());
    }

    /// Nothing happens any more: the belief becomes and is the truth.
    async fn settle(&mut self) {
        self.run("NOOP", true).await;
        self.learn_uids().await;
        let believed = self.messages.clone();
        self.run("FETCH 1:* (UID FLAGS)", false).await;
        for (before, after) in believed.iter().zip(&self.messages) {
            if before.flags.is_some() {
                assert_eq!(
                    before.flags, after.flags,
                    "flags were not told of {after:?}"
                );
            }
        }
        let mine: BTreeMap<u32, BTreeSet<String>> = self
            .messages
            .iter()
            .map(|m| (m.uid.unwrap(), m.flags.clone().unwrap()))
            .collect();
        assert_eq!(mine.len(), self.messages.len());
        // Opened anew, it is the same.
        let folder = self.folder;
        self.messages.clear();
        self.run(&format!("EXAMINE {folder}"), true).await;
        self.run("UID FETCH 1:* (FLAGS)", true).await;
        let fresh: BTreeMap<u32, BTreeSet<String>> = self
            .messages
            .iter()
            .map(|m| (m.uid.unwrap(), m.flags.clone().unwrap()))
            .collect();
        assert_eq!(mine, fresh);
    }
}
