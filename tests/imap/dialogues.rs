//! Plays every file of `tests/dialogues/imap/` against the whole program. Adding a case is adding a file.
//!
//! ```text
//! # a comment
//! @plain                  the connection is in clear, nobody is signed in; at the top. Without it: TLS, signed in
//! @tls                    TLS from the first octet, nobody is signed in; at the top
//! C: a NOOP               a line, CRLF is added; {user} and {pass} are those of the dialogue's own account
//! C> NOOP\r\nQUIT\r\n     octets as they are
//! S: a OK *               the next response, literals inside it as \r\n and octets; `*` is any text
//! S~ * 1 EXISTS           some response comes that looks so, before the next tagged one
//! S! * BYE*               up to the next tagged response none looks so; that one is not taken
//! @second / @first        speaks as another client, signed in to the same account / as the first again
//! @handshake              the client's handshake, after STARTTLS was answered
//! @deflate                from here on deflated
//! @closed                 the server has closed
//! @letter Subject         a message arrives in the inbox
//! ```
//!
//! In both directions `\r \n \0 \\ \xHH` are octets; `{x*9}` is a text nine times, `{b64 text}` is base64.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postamt::format::sasl::encode_base64;

use super::client::{Client, PASSWORD, account, server};
use crate::common::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/imap");
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
    let server = Arc::new(server().await);
    let mut failed = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let server = Arc::clone(&server);
        match tokio::spawn(async move { play(&path, &server).await }).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => failed.push(format!("{name}: {why}")),
            Err(panic) => failed.push(format!("{name}: {panic}")),
        }
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

async fn play(path: &Path, server: &TestServer) -> Result<(), String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .filter(|(_, l)| !l.starts_with('#') && !l.is_empty())
        .collect();
    let (_, user) = account(server, 1 << 30).await;
    let mut player = Player {
        server,
        clients: [None, None],
        now: 0,
        user,
        next: None,
    };
    let addresses = server.addresses();
    let has = |word: &str| lines.iter().any(|(_, l)| *l == word);
    player.clients[0] = Some(if has("@plain") {
        Client::plain(addresses.imap[0]).await
    } else if has("@tls") {
        Client::tls(addresses.imaps[0]).await
    } else {
        Client::signed_in(server, &player.user).await
    });
    for (at, line) in lines {
        player
            .step(line)
            .await
            .map_err(|why| format!("line {}: {line}\n    {why}", at + 1))?;
    }
    Ok(())
}

struct Player<'a> {
    server: &'a TestServer,
    clients: [Option<Client>; 2],
    now: usize,
    user: String,
    /// A response that was looked at and not taken.
    next: Option<String>,
}

impl Player<'_> {
    fn client(&mut self) -> &mut Client {
        self.clients[self.now].as_mut().expect("@second first")
    }

    async fn response(&mut self) -> Result<String, String> {
        match self.next.take() {
            Some(response) => Ok(response),
            None => self.client().response().await,
        }
    }

    fn expand(&self, text: &str) -> Vec<u8> {
        let text = text
            .replace("{user}", &self.user)
            .replace("{pass}", PASSWORD);
        let mut out = Vec::new();
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{b64 ") {
                let (inside, after) = after.split_once('}').expect("{b64 text}");
                out.extend(encode_base64(&self.expand(inside)).bytes());
                rest = after;
            } else if let Some((inside, after)) = rest
                .strip_prefix('{')
                .and_then(|r| r.split_once('}'))
                .filter(|(i, _)| i.contains('*'))
            {
                let (one, count) = inside.rsplit_once('*').unwrap();
                out.extend(one.as_bytes().repeat(count.parse().unwrap()));
                rest = after;
            } else if let Some(after) = rest
                .strip_prefix('\\')
                .filter(|a| a.starts_with(['r', 'n', '0', '\\', 'x']))
            {
                let octet = match after.as_bytes()[0] {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b'0' => 0,
                    b'\\' => b'\\',
                    _ => u8::from_str_radix(&after[1..3], 16).unwrap(),
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

    /// A pattern for responses: escapes, but no repetition, because `*` is special there.
    fn pattern(&self, text: &str) -> String {
        text.replace("{user}", &self.user)
            .replace("\\r", "\r")
            .replace("\\n", "\n")
    }

    async fn step(&mut self, line: &str) -> Result<(), String> {
        let (kind, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match kind {
            "C:" => {
                let mut octets = self.expand(rest);
                octets.extend_from_slice(b"\r\n");
                self.client().send(&octets).await;
            }
            "C>" => {
                let octets = self.expand(rest);
                self.client().send(&octets).await;
            }
            "S:" => {
                let said = self.response().await?;
                if !like(&self.pattern(rest), &said) {
                    return Err(format!("but the server said {said:?}"));
                }
            }
            "S~" => {
                let pattern = self.pattern(rest);
                let mut heard = Vec::new();
                loop {
                    let said = self.response().await?;
                    if like(&pattern, &said) {
                        return Ok(());
                    }
                    let is_tagged = !said.starts_with(['*', '+']);
                    heard.push(said);
                    if is_tagged {
                        return Err(format!("not in {heard:#?}"));
                    }
                }
            }
            "S!" => {
                let pattern = self.pattern(rest);
                loop {
                    let said = self.response().await?;
                    if like(&pattern, &said) {
                        return Err(format!("but the server said {said:?}"));
                    }
                    if !said.starts_with(['*', '+']) {
                        self.next = Some(said);
                        return Ok(());
                    }
                }
            }
            _ => return self.directive(line).await,
        }
        Ok(())
    }

    async fn directive(&mut self, line: &str) -> Result<(), String> {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "@plain" | "@tls" => {}
            "@first" => self.now = 0,
            "@second" => {
                self.now = 1;
                if self.clients[1].is_none() {
                    self.clients[1] = Some(Client::signed_in(self.server, &self.user).await);
                }
            }
            "@handshake" => self.client().start_tls().await,
            "@deflate" => self.client().start_deflate().await,
            "@closed" => self.client().expect_close().await?,
            "@letter" => {
                let app = self.server.app();
                let raw = format!(
                    "From: a@b.test\r\nTo: {}\r\nSubject: {rest}\r\n\r\nHello\r\n",
                    self.user
                );
                let received = app.mail.receive_whole(raw.as_bytes()).await.unwrap();
                let whose = app.accounts.account_by_name(&self.user).await.unwrap();
                for delivered in app.mail.deliver(&received, &[whose.account_id]).await {
                    delivered.outcome.unwrap();
                }
            }
            _ => return Err("not a step of a dialogue".to_owned()),
        }
        Ok(())
    }
}

/// `*` stands for any text, but at the front, where it is what untagged responses begin with; nothing else is special.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = match (pattern.strip_prefix("* "), text.strip_prefix("* ")) {
        (Some(pattern), Some(text)) => (pattern, text),
        (Some(_), None) => return false,
        _ => (pattern, text),
    };
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}
