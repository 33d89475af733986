//! Plays every file of `tests/dialogues/pop3/`. Adding a case is adding a file.
//!
//! ```text
//! # a comment
//! @door pop3                 pop3s (default) or pop3; at the top
//! @set pop3.idle_timeout 20  a setting; at the top; such a dialogue has a server of its own
//! @letters 3                 so many small messages come into the user's inbox
//! @mail From: a\r\n\r\nb     this message comes into it
//! @sign_in                   greeting, USER and PASS of the dialogue's own user
//! C: STAT                    a line, CRLF is added; `{user}` and `{password}` are the user's
//! C> NOOP\r\nQUIT\r\n        octets as they are
//! S: +OK *                   the next line; `*` is any text
//! M: +OK *                   the next line and the lines behind it up to the end mark
//! M+ TOP                     they hold a line like this
//! M! SASL*                   they hold none
//! @tls                       the client's handshake, after STLS was answered
//! @closed                    the server has closed
//! @connect                   a new connection
//! @repeat 3 .. @end          `{n}` is the number of the round
//! @each a|b .. @end          `{each}` is one of these
//! @inbox 2                   so many messages are in the inbox
//! @remove 2                  another door removes the second one
//! @disable                   the account is switched off
//! ```
//!
//! In what the client sends, `\r \n \0 \\ \xHH` are octets, `{x*9}` is a text nine times, `{b64 text}` is base64.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use postamt::format::sasl::encode_base64;
use postamt::model::AccountId;
use postamt::service::accounts::admin::{AccountChange, Actor};

use super::client::{Client, World};
use super::common::people::PASSWORD;

/// One line of a dialogue with its number.
type Step = (usize, String);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/pop3");
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
    let shared = Arc::new(World::start().await);
    let played = futures_util::stream::iter(files).map(|file| {
        let shared = Arc::clone(&shared);
        async move {
            let dialogue = Dialogue::read(&file);
            let world = if dialogue.settings.is_empty() {
                shared
            } else {
                let settings = dialogue.settings.clone();
                Arc::new(World::start_with(|config| set(config, &settings)).await)
            };
            guarded(dialogue, world).await
        }
    });
    let mut failed: Vec<String> = played
        .buffer_unordered(4)
        .filter_map(std::future::ready)
        .collect()
        .await;
    failed.sort();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// Settings by their names, without the ranges an operator is held to.
fn set(config: &mut postamt::config::Config, settings: &[(String, String)]) {
    for (key, value) in settings {
        let number = || value.parse().unwrap();
        let time = || std::time::Duration::from_millis(value.parse().unwrap());
        match key.as_str() {
            "pop3.idle_timeout" => config.pop3.idle_timeout = time(),
            "pop3.greeting_timeout" => config.pop3.greeting_timeout = time(),
            "pop3.sign_in_timeout" => config.pop3.sign_in_timeout = time(),
            "pop3.connections_per_account" => config.pop3.connections_per_account = number(),
            "pop3.connections_per_source" => config.pop3.connections_per_source = number(),
            "lock.failures" => config.lock.failures = value.parse().unwrap(),
            other => panic!("no setting {other}"),
        }
    }
}

/// One file.
struct Dialogue {
    name: String,
    door: String,
    settings: Vec<(String, String)>,
    steps: Vec<Step>,
}

impl Dialogue {
    fn read(path: &Path) -> Self {
        let mut dialogue = Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            door: "pop3s".to_owned(),
            settings: Vec::new(),
            steps: Vec::new(),
        };
        let text = std::fs::read_to_string(path).unwrap();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, l)| !l.starts_with('#')) {
            if let Some(name) = line.strip_prefix("@door ") {
                name.clone_into(&mut dialogue.door);
            } else if let Some(setting) = line.strip_prefix("@set ") {
                let (key, value) = setting.split_once(' ').expect("@set key value");
                dialogue.settings.push((key.to_owned(), value.to_owned()));
            } else {
                dialogue.steps.push((number, line.to_owned()));
            }
        }
        dialogue
    }
}

/// Plays a dialogue; what went wrong, a panic included, comes back as a sentence.
async fn guarded(dialogue: Dialogue, world: Arc<World>) -> Option<String> {
    let name = dialogue.name.clone();
    let played = tokio::spawn(async move {
        let mut player = Player {
            world: &world,
            user: dialogue.name.clone(),
            account: world.user(&dialogue.name).await,
            client: world.connect(&dialogue.door).await,
            door: dialogue.door.clone(),
            lines: Vec::new(),
        };
        player.run(&dialogue.steps, &[]).await
    });
    match played.await {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(format!("{name}.txt: {why}")),
        Err(panic) => Some(format!("{name}.txt: {panic}")),
    }
}

/// One dialogue under way.
struct Player<'a> {
    world: &'a World,
    user: String,
    account: AccountId,
    client: Client,
    door: String,
    /// The lines of the last long answer.
    lines: Vec<String>,
}

impl Player<'_> {
    async fn run(&mut self, steps: &[Step], values: &[(&str, String)]) -> Result<(), String> {
        let mut at = 0;
        while let Some((number, line)) = steps.get(at) {
            at += 1;
            let rounds: Option<Vec<(&str, String)>> = if let Some(n) = line.strip_prefix("@repeat ")
            {
                let count: usize = n.parse().unwrap();
                Some((1..=count).map(|n| ("n", n.to_string())).collect())
            } else {
                line.strip_prefix("@each ")
                    .map(|all| all.split('|').map(|one| ("each", one.to_owned())).collect())
            };
            let Some(rounds) = rounds else {
                self.step(line, values)
                    .await
                    .map_err(|why| format!("line {number}: {line}\n    {why}"))?;
                continue;
            };
            let rest = &steps[at..];
            let length = rest.iter().position(|(_, l)| l == "@end").expect("@end");
            for round in rounds {
                Box::pin(self.run(&rest[..length], &[round])).await?;
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
                let mut octets = self.expand(rest, values);
                octets.extend_from_slice(b"\r\n");
                self.client.send(&octets).await;
            }
            "C>" => {
                let octets = self.expand(rest, values);
                self.client.send(&octets).await;
            }
            "S:" | "M:" => {
                let wanted = String::from_utf8(self.expand(rest, values)).unwrap();
                let said = self.client.try_line().await?;
                if !like(&wanted, &said) {
                    return Err(format!("but the server said {said:?}"));
                }
                if kind == "M:" {
                    self.lines = self.client.lines().await?;
                }
            }
            "M+" if !self.lines.iter().any(|l| like(rest, l)) => {
                return Err(format!("not in {:?}", self.lines));
            }
            "M!" if self.lines.iter().any(|l| like(rest, l)) => {
                return Err(format!("it is in {:?}", self.lines));
            }
            "M+" | "M!" => {}
            _ => return self.directive(line).await,
        }
        Ok(())
    }

    async fn directive(&mut self, line: &str) -> Result<(), String> {
        let (name, what) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "@tls" => self.client.start_tls().await,
            "@closed" => self.client.expect_close().await?,
            "@connect" => self.client = self.world.connect(&self.door).await,
            "@sign_in" => self.client = self.world.sign_in(&self.user).await,
            "@letters" => {
                self.world
                    .letters(self.account, what.parse().unwrap())
                    .await;
            }
            "@mail" => {
                let message = self.expand(what, &[]);
                self.world.deliver(self.account, &message).await;
            }
            "@remove" => {
                let number: u32 = what.parse().unwrap();
                self.world.remove(self.account, number..=number).await;
            }
            "@disable" => {
                let off = AccountChange {
                    is_enabled: Some(false),
                    ..AccountChange::default()
                };
                let accounts = &self.world.app.accounts;
                let host = Actor::command_line();
                let done = accounts.change_account(&host, self.account, &off).await;
                done.map(drop).map_err(|refusal| refusal.to_string())?;
            }
            "@inbox" => {
                let there = self.world.inbox(self.account).await;
                if there.to_string() != what {
                    return Err(format!("there are {there}"));
                }
                self.world.db.assert_adds_up(self.account).await;
            }
            _ => return Err("not a step of a dialogue".to_owned()),
        }
        Ok(())
    }

    /// What the client sends: values, escapes and repetitions put in.
    fn expand(&self, text: &str, values: &[(&str, String)]) -> Vec<u8> {
        let mut text = text.to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        let text = text
            .replace("{user}", &format!("{}@x.test", self.user))
            .replace("{password}", PASSWORD);
        octets(&text)
    }
}

fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("{b64 ") {
            let (inside, after) = after.split_once('}').expect("{b64 text}");
            out.extend(encode_base64(&octets(inside)).bytes());
            rest = after;
        } else if let Some((inside, after)) = rest
            .strip_prefix('{')
            .and_then(|r| r.split_once('}'))
            .filter(|(inside, _)| inside.contains('*'))
        {
            let (one, count) = inside.split_once('*').unwrap();
            out.extend(octets(one).repeat(count.parse().unwrap()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\\') {
            out.push(match after.as_bytes()[0] {
                b'r' => b'\r',
                b'n' => b'\n',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => u8::from_str_radix(&after[1..3], 16).unwrap(),
                other => panic!("\\{} is no escape", char::from(other)),
            });
            rest = &after[if after.starts_with('x') { 3 } else { 1 }..];
        } else {
            let length = c.len_utf8();
            out.extend_from_slice(&rest.as_bytes()[..length]);
            rest = &rest[length..];
        }
    }
    out
}

/// `*` stands for any text, and nothing else is special.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn the_runner_itself() {
    assert!(
        like("+OK *", "+OK 2 320") && like("+OK", "+OK") && like("*", "") && like("a*a", "aaa")
    );
    assert!(!like("+OK", "+OK 2") && !like("+OK *", "-ERR no") && !like("a*c", "abd"));
    assert!(!like("a*a", "a"));
    assert_eq!(octets("a\\r\\n\\x41{xy*2}"), b"a\r\nAxyxy");
    assert_eq!(octets("{b64 \\0tim\\0pw}"), b"AHRpbQBwdw==");
}
