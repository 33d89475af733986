//! Plays every file of `tests/dialogues/smtp/` against a whole server on a free port. Adding a case is adding a file.
//!
//! ```text
//! # a comment
//! @door submission           mx (default), submission, smtps; at the top
//! @set smtp.recipients 100   a setting; at the top; such a dialogue has a server of its own
//! @alone                     so has this one, for what it leaves behind; at the top
//! C: EHLO client.example     a line, CRLF is added
//! C> NOOP\r\nQUIT\r\n        octets as they are
//! S: 250 2.1.0 *             the next whole reply: code, status, text of its first line; `*` is any text
//! S+ SIZE *                  the same reply has a line like this
//! S! AUTH*                   the same reply has none
//! @tls                       the client's handshake, after STARTTLS was answered
//! @closed                    the server has closed
//! @connect                   a new connection
//! @repeat 3 .. @end          `{n}` is the number of the round
//! @each a|b .. @end          `{each}` is one of these
//! @mailbox anna 1            so many messages have come into her inbox
//! @stored anna some text     the newest of them holds this
//! @not_stored anna some text and this it does not hold
//! @queue 1                   so many recipients have come into the outgoing queue
//! ```
//!
//! In what the client sends, `\r \n \0 \\ \xHH` are octets, `{x*9}` is a text nine times (nested once in
//! parentheses: `{(ab{c*3})*2}`), `{b64 text}` is base64.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::smtp::{Client, Mark, Server};
use futures_util::StreamExt;
use postamt::format::sasl::encode_base64;

/// One line of a dialogue with its number.
type Step = (usize, String);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/smtp");
    let only = std::env::var("DIALOGUE").ok();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .filter(|path| {
            only.as_deref()
                .is_none_or(|only| path.file_stem().unwrap() == only)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let (alone, shared): (Vec<Dialogue>, Vec<Dialogue>) = files
        .iter()
        .map(|path| Dialogue::read(path))
        .partition(|d| d.is_alone);
    let together = tokio::spawn(async move {
        let server = Arc::new(Server::start(Vec::new()).await);
        let mut failed = Vec::new();
        for dialogue in shared {
            failed.extend(guarded(dialogue, Arc::clone(&server)).await);
        }
        failed
    });
    let apart = futures_util::stream::iter(alone).map(|dialogue| async {
        let server = Arc::new(Server::start(dialogue.settings.clone()).await);
        guarded(dialogue, server).await
    });
    let mut failed: Vec<String> = apart
        .buffer_unordered(2)
        .filter_map(std::future::ready)
        .collect()
        .await;
    failed.extend(together.await.unwrap());
    failed.sort();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// One file.
struct Dialogue {
    name: String,
    door: String,
    settings: Vec<(String, String)>,
    is_alone: bool,
    steps: Vec<(usize, String)>,
}

impl Dialogue {
    fn read(path: &Path) -> Self {
        let mut dialogue = Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            door: "mx".to_owned(),
            settings: Vec::new(),
            is_alone: false,
            steps: Vec::new(),
        };
        let text = std::fs::read_to_string(path).unwrap();
        for (at, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.starts_with('#'))
        {
            if let Some(name) = line.strip_prefix("@door ") {
                name.clone_into(&mut dialogue.door);
            } else if line == "@alone" {
                dialogue.is_alone = true;
            } else if let Some(setting) = line.strip_prefix("@set ") {
                let (key, value) = setting.split_once(' ').expect("@set key value");
                let variable = format!("POSTAMT_{}", key.to_uppercase().replace('.', "_"));
                dialogue.settings.push((variable, value.to_owned()));
                dialogue.is_alone = true;
            } else {
                dialogue.steps.push((at + 1, line.to_owned()));
            }
        }
        dialogue
    }
}

/// Plays a dialogue; what went wrong, a panic included, comes back as a sentence.
async fn guarded(dialogue: Dialogue, server: Arc<Server>) -> Option<String> {
    let name = dialogue.name.clone();
    let played = tokio::spawn(async move { Box::pin(play(&dialogue, &server)).await }).await;
    match played {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(format!("{name}.txt: {why}")),
        Err(panic) => Some(format!("{name}.txt: {panic}")),
    }
}

async fn play(dialogue: &Dialogue, server: &Server) -> Result<(), String> {
    let mut player = Player {
        server,
        door: &dialogue.door,
        client: server.connect(&dialogue.door).await,
        reply: Vec::new(),
        mark: server.mark().await,
    };
    player.run(&dialogue.steps, &[]).await
}

/// One dialogue under way.
struct Player<'a> {
    server: &'a Server,
    door: &'a str,
    client: Client,
    /// The lines of the last reply.
    reply: Vec<String>,
    /// What was there before.
    mark: Mark,
}

impl Player<'_> {
    async fn run(&mut self, steps: &[Step], values: &[(&str, String)]) -> Result<(), String> {
        let mut at = 0;
        while let Some((number, line)) = steps.get(at) {
            at += 1;
            let rounds = if let Some(count) = line.strip_prefix("@repeat ") {
                Some(
                    (1..=count.parse::<usize>().unwrap())
                        .map(|n| ("n", n.to_string()))
                        .collect(),
                )
            } else {
                line.strip_prefix("@each ").map(|all| {
                    all.split('|')
                        .map(|one| ("each", one.to_owned()))
                        .collect::<Vec<_>>()
                })
            };
            let Some(rounds) = rounds else {
                self.step(line, values)
                    .await
                    .map_err(|why| format!("line {number}: {line}\n    {why}"))?;
                continue;
            };
            let length = steps[at..]
                .iter()
                .position(|(_, l)| l == "@end")
                .expect("@end");
            for round in rounds {
                Box::pin(self.run(&steps[at..at + length], &[round])).await?;
            }
            at += length + 1;
        }
        Ok(())
    }

    async fn step(&mut self, line: &str, values: &[(&str, String)]) -> Result<(), String> {
        let (kind, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match kind {
            "C:" => {
                let mut octets = expand(rest, values);
                octets.extend_from_slice(b"\r\n");
                self.client.send(&octets).await;
                Ok(())
            }
            "C>" => {
                self.client.send(&expand(rest, values)).await;
                Ok(())
            }
            "S:" => {
                self.reply = self.client.reply().await?;
                let said = format!("{} {}", &self.reply[0][..3], &self.reply[0][4..]);
                let said = said.trim_end();
                like(rest, said)
                    .then_some(())
                    .ok_or(format!("but the server said {said:?}"))
            }
            "S+" => (self.reply.iter().any(|l| like(rest, &l[4..])))
                .then_some(())
                .ok_or(format!("not in {:?}", self.reply)),
            "S!" => (!self.reply.iter().any(|l| like(rest, &l[4..])))
                .then_some(())
                .ok_or(format!("it is in {:?}", self.reply)),
            _ => self.directive(line).await,
        }
    }

    async fn directive(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.splitn(3, ' ');
        let (name, who, what) = (words.next().unwrap(), words.next(), words.next());
        match (name, who, what) {
            ("@tls", None, None) => self.client.start_tls().await,
            ("@closed", None, None) => self.client.expect_close().await?,
            ("@connect", None, None) => self.client = self.server.connect(self.door).await,
            ("@mailbox", Some(who), Some(count)) => {
                let there = self.server.inbox(who, &self.mark).await.len();
                if there.to_string() != count {
                    return Err(format!("there are {there}"));
                }
            }
            ("@stored" | "@not_stored", Some(who), Some(text)) => {
                let inbox = self.server.inbox(who, &self.mark).await;
                let newest = inbox.last().ok_or("the inbox is empty")?;
                let wanted = expand(text, &[]);
                let is_there = newest.windows(wanted.len()).any(|w| w == wanted);
                if is_there != (name == "@stored") {
                    return Err(format!("stored is {:?}", String::from_utf8_lossy(newest)));
                }
            }
            ("@queue", Some(count), None) => {
                let waiting = self.server.queue(&self.mark).await;
                if waiting.to_string() != count {
                    return Err(format!("there are {waiting}"));
                }
            }
            _ => return Err("not a step of a dialogue".to_owned()),
        }
        Ok(())
    }
}

/// `*` stands for any text, and nothing else is special.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last_was_open = false;
    for part in parts {
        last_was_open = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || last_was_open
}

/// What the client sends: values, escapes and repetitions put in.
fn expand(text: &str, values: &[(&str, String)]) -> Vec<u8> {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    let mut out = Vec::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{b64 ") {
            let (inside, after) = after.split_once('}').expect("{b64 text}");
            out.extend(encode_base64(&expand(inside, &[])).bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{(") {
            let (inside, after) = after.split_once(")*").expect("{(text)*9}");
            let (count, after) = after.split_once('}').expect("{(text)*9}");
            out.extend(expand(inside, &[]).repeat(count.parse().unwrap()));
            rest = after;
        } else if let Some((inside, after)) = rest
            .strip_prefix('{')
            .and_then(|r| r.split_once('}'))
            .filter(|(i, _)| i.contains('*'))
        {
            let (one, count) = inside.split_once('*').unwrap();
            out.extend(one.as_bytes().repeat(count.parse().unwrap()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\\') {
            let octet = match after.as_bytes()[0] {
                b'r' => b'\r',
                b'n' => b'\n',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => u8::from_str_radix(&after[1..3], 16).unwrap(),
                other => panic!("\\{} is no escape", char::from(other)),
            };
            out.push(octet);
            rest = &after[if after.starts_with('x') { 3 } else { 1 }..];
        } else {
            let length = c.len_utf8();
            out.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        }
    }
    out
}

#[test]
fn the_runner_itself() {
    assert!(like("250 *", "250 2.0.0 Ok") && like("250 Ok", "250 Ok") && like("*", ""));
    assert!(!like("250 Ok", "250 Ok!") && !like("250 *", "550 no"));
    assert!(like("a*c", "abc") && !like("a*c", "abd"));
    assert_eq!(
        expand("a\\r\\n\\x41{x*3}{(y{z*2})*2}", &[]),
        b"a\r\nAxxxyzzyzz"
    );
    assert_eq!(
        expand("{b64 \\0tim\\0pw} {n}", &[("n", "7".to_owned())]),
        b"AHRpbQBwdw== 7"
    );
}
