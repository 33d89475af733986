//! Plays every file of `tests/dialogues/client/` to the SMTP client: the file is the other host. Adding a case is adding a
//! file.
//!
//! ```text
//! # a comment             @to, @notify, @env, @protection starttls    what is sent, at the top
//! S: what the host says   S: (closes)                                 it hangs up
//! C: what it must hear    @told verdict status [words]                what each recipient is told, in order
//!                         @trouble status                             there is no connection
//! ```

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use postamt::config::Config;
use postamt::error::StoreError;
use postamt::service::outgoing::transport::{
    Answer, Mail, MailContent, MailRecipient, Peer, Protection, Transport, Trouble, Verdict,
};
use postamt::smtp::client::SmtpTransport;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const TEXT: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";

struct Text;

impl MailContent for Text {
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::iter([Ok(Bytes::from_static(TEXT))]).boxed()
    }
}

#[tokio::test]
async fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues/client");
    let mut played = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, play(&name, &text))
            .await
            .unwrap_or_else(|_| panic!("{name}: somebody waits for ever"));
        played += 1;
    }
    assert!(played >= 12);
}

async fn play(name: &str, text: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer {
        host: "foo.example".to_owned(),
        address: listener.local_addr().unwrap(),
        protection: match said(text, "@protection").as_slice() {
            ["starttls"] => Protection::Starttls,
            _ => Protection::Opportunistic,
        },
        verifies: false,
        login: None,
    };
    let (heard, outcome) = tokio::join!(host(listener, text), client(&peer, text));
    heard.unwrap_or_else(|why| panic!("{name}: {why}; the client came to {outcome:?}"));
    match outcome {
        Err(trouble) => assert_eq!(said(text, "@trouble"), [trouble.status], "{name}"),
        Ok(answers) => {
            assert!(said(text, "@trouble").is_empty(), "{name}");
            let told = said(text, "@told");
            assert_eq!(told.len(), answers.len(), "{name}");
            for (expected, answer) in told.iter().zip(&answers) {
                let words: Vec<&str> = expected.splitn(3, ' ').collect();
                let verdict = match answer.verdict {
                    Verdict::Sent => "sent",
                    Verdict::Failed => "failed",
                    Verdict::Elsewhere => "elsewhere",
                    Verdict::Later => "later",
                };
                assert_eq!(
                    words[..2],
                    [verdict, answer.status.as_str()],
                    "{name}: {answer:?}"
                );
                assert!(
                    words.get(2).is_none_or(|text| *text == answer.text),
                    "{name}: {answer:?}"
                );
            }
        }
    }
}

/// The values of a mark's lines.
fn said<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(mark))
        .map(str::trim)
        .collect()
}

/// The host of the file; says what it heard instead of what the file wants.
async fn host(listener: TcpListener, text: &str) -> Result<(), String> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut io = BufReader::new(stream);
    for line in text.lines() {
        if line == "S: (closes)" {
            return Ok(());
        }
        if let Some(says) = line.strip_prefix("S: ") {
            let says = format!("{says}\r\n");
            io.get_mut().write_all(says.as_bytes()).await.ok();
        } else if let Some(expected) = line.strip_prefix("C:") {
            let mut heard = String::new();
            io.read_line(&mut heard).await.map_err(|e| e.to_string())?;
            let expected = format!("{}\r\n", expected.strip_prefix(' ').unwrap_or(expected));
            if heard != expected {
                return Err(format!("heard {heard:?}, not {expected:?}"));
            }
        }
    }
    let mut more = String::new();
    io.read_line(&mut more).await.ok();
    if more.is_empty() {
        Ok(())
    } else {
        Err(format!("heard {more:?} at the end"))
    }
}

async fn client(peer: &Peer, text: &str) -> Result<Vec<Answer>, Trouble> {
    let mut config = Config::default();
    "us.test".clone_into(&mut config.server.hostname);
    config.queue.command_timeout = Duration::from_secs(5);
    let mut connection = SmtpTransport::new(&config).connect(peer).await?;
    let notify: Vec<String> = said(text, "@notify")
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::to_owned)
        .collect();
    let to = said(text, "@to ");
    let recipients: Vec<MailRecipient<'_>> = to
        .iter()
        .flat_map(|line| line.split(' '))
        .map(|address| MailRecipient {
            address,
            notify: &notify,
            orcpt: None,
        })
        .collect();
    let env = said(text, "@env");
    let answers = connection
        .send(&Mail {
            sender: "a@x.test",
            ret_full: false,
            env_id: env.first().copied(),
            needs_utf8: false,
            size_bytes: i64::try_from(TEXT.len()).unwrap(),
            recipients: &recipients,
            content: &Text,
        })
        .await;
    connection.quit().await;
    Ok(answers)
}
