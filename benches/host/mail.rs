//! One client for both sides: SMTP, in clear or after STARTTLS, and LMTP. It speaks command by command, as the plain
//! senders of the world do.

use std::net::SocketAddr;
use std::time::Duration;

use postamt::net::line::{Stream, Wire};
use postamt::net::outbound::{Demand, connector};
use tokio::net::TcpStream;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_mins(1);

/// Where and how to deliver.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub is_lmtp: bool,
    pub starts_tls: bool,
}

/// A connection that delivers.
pub struct Sender {
    wire: Wire,
}

impl Sender {
    pub async fn connect(target: &Target) -> Self {
        let stream = TcpStream::connect(target.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut sender = Self {
            wire: Wire::new(Stream::Plain(stream), PATIENCE),
        };
        sender.expect("220").await;
        let hello = if target.is_lmtp { "LHLO" } else { "EHLO" };
        sender
            .command(&format!("{hello} bench.example"), "250")
            .await;
        if target.starts_tls {
            sender.command("STARTTLS", "220").await;
            let (connector, _) = connector(Demand::Any).unwrap();
            let name = "localhost".try_into().unwrap();
            sender.wire = sender
                .wire
                .start_tls_as_client(&connector, name, Instant::now() + PATIENCE)
                .await
                .unwrap();
            sender.command("EHLO bench.example", "250").await;
        }
        sender
    }

    /// Delivers one message and waits for its 250. `data` ends with CRLF and has no line that begins with a dot.
    pub async fn send(&mut self, to: &str, data: &[u8]) {
        self.command("MAIL FROM:<absender@partner.example>", "250")
            .await;
        self.command(&format!("RCPT TO:<{to}>"), "250").await;
        self.command("DATA", "354").await;
        self.wire.send(data).await.unwrap();
        self.wire.send(b".\r\n").await.unwrap();
        self.expect("250").await;
    }

    async fn command(&mut self, line: &str, code: &str) {
        self.wire
            .send(format!("{line}\r\n").as_bytes())
            .await
            .unwrap();
        self.expect(code).await;
    }

    async fn expect(&mut self, code: &str) {
        loop {
            let line = self
                .wire
                .read_line(4_096, 8_192, Instant::now() + PATIENCE)
                .await
                .unwrap();
            let text = String::from_utf8_lossy(&line.octets).into_owned();
            assert!(text.starts_with(code), "{code} expected: {text}");
            if text.as_bytes().get(3) != Some(&b'-') {
                return;
            }
        }
    }
}

/// Words of the letters; about one letter in a hundred has [`RARE`], every letter has [`EVERYWHERE`].
const WORDS: [&str; 24] = [
    "Angebot",
    "Rechnung",
    "Besprechung",
    "Termin",
    "Vertrag",
    "Lieferung",
    "Rückfrage",
    "Büro",
    "Gespräch",
    "Unterlagen",
    "Prüfung",
    "Änderung",
    "Straße",
    "Projekt",
    "Übersicht",
    "Freigabe",
    "invoice",
    "meeting",
    "report",
    "draft",
    "budget",
    "schedule",
    "review",
    "please",
];
/// A word of one letter in a hundred.
pub const RARE: &str = "Quittungsblock";
/// A word of every letter.
pub const EVERYWHERE: &str = "Grüße";

/// A plain letter of about `size` octets, the same for the same number.
pub fn letter(number: usize, to: &str, size: usize) -> Vec<u8> {
    let mut seed = number.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut word = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        WORDS[(seed >> 33) % WORDS.len()]
    };
    let mut text = format!(
        "Return-Path: <absender@partner.example>\r\nFrom: Vroni =?utf-8?q?M=C3=B6ller?= <absender{}@partner.example>\r\n\
         To: <{to}>\r\nSubject: {} {number}\r\nDate: Mon, 23 Nov 2026 09:{:02}:{:02} +0100\r\n\
         Message-ID: <bench-{number}-{:x}@partner.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{EVERYWHERE}\r\n",
        number % 40,
        word(),
        number / 60 % 60,
        number % 60,
        rand::random::<u64>(),
    );
    if number % 100 == 7 {
        text.push_str(RARE);
        text.push_str("\r\n");
    }
    let mut column = 0;
    while text.len() < size {
        let next = word();
        if column + next.len() > 72 {
            text.push_str("\r\n");
            column = 0;
        }
        text.push_str(next);
        text.push(' ');
        column += next.len() + 1;
    }
    text.push_str("\r\n");
    text.into_bytes()
}
