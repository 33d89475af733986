//! Another mail host, on loopback, that behaves as a test wants it to, and remembers what it was told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What the host does about STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Does not offer it.
    None,
    /// Offers and speaks it.
    Good,
    /// Offers it and answers the hello with nonsense.
    Broken,
    /// Says more than `220 ready`.
    Talkative,
    /// TLS from the first octet.
    Implicit,
}

/// What the host does instead of what hosts usually do.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says these lines.
    Say(String),
    /// Says this line and hangs up.
    SayAndClose(String),
    /// Hangs up.
    Close,
    /// Says nothing more, ever.
    Silence,
}

type Manner = dyn Fn(&Moment<'_>) -> Option<Act> + Send + Sync;

/// When a host is asked how to behave.
#[derive(Debug)]
pub struct Moment<'a> {
    /// Which connection, from 1.
    pub connection: usize,
    /// The line: empty for the greeting, `.` for the end of data, `...` after each line of data.
    pub line: &'a str,
    /// Messages taken so far.
    pub taken: usize,
}

/// A message the host took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The MAIL line.
    pub mail: String,
    /// The RCPT lines that were accepted.
    pub rcpts: Vec<String>,
    /// The text as it came over the wire, dots still doubled, without the end mark.
    pub data: String,
    /// Whether it came under TLS.
    pub tls: bool,
    /// Over which connection.
    pub connection: usize,
}

/// What a host remembers.
#[derive(Debug, Default)]
pub struct Log {
    /// Connections so far.
    pub connections: usize,
    /// Every command line.
    pub lines: Vec<String>,
    /// Every message.
    pub taken: Vec<Taken>,
    /// Octets of data seen, ended or not.
    pub data_octets: usize,
}

/// A running host; it ends with the test's runtime.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    count: watch::Receiver<usize>,
}

struct Host {
    tls: Tls,
    extensions: Vec<&'static str>,
    manner: Box<Manner>,
    log: Arc<Mutex<Log>>,
    count: watch::Sender<usize>,
    acceptor: TlsAcceptor,
}

impl Peer {
    /// A well-behaved host with every extension.
    pub async fn good(tls: Tls) -> Self {
        Self::start(tls, &ALL, |_| None).await
    }

    /// A host with a manner of its own.
    pub async fn start(
        tls: Tls,
        extensions: &[&'static str],
        manner: impl Fn(&Moment<'_>) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let (sender, count) = watch::channel(0);
        let host = Arc::new(Host {
            tls,
            extensions: extensions.to_vec(),
            manner: Box::new(manner),
            log: Arc::clone(&log),
            count: sender,
            acceptor: acceptor(),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let host = Arc::clone(&host);
                tokio::spawn(async move { host.connection(stream).await });
            }
        });
        Self {
            address,
            log,
            count,
        }
    }

    /// A look at what it remembers.
    pub fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.lock().unwrap())
    }

    /// The messages it took.
    pub fn taken(&self) -> Vec<Taken> {
        self.log(|log| log.taken.clone())
    }

    /// Waits until it took so many messages.
    pub async fn wait_for(&self, messages: usize) {
        let mut count = self.count.clone();
        tokio::time::timeout(
            std::time::Duration::from_secs(30),
            count.wait_for(|n| *n >= messages),
        )
        .await
        .expect("the messages come in time")
        .unwrap();
    }
}

impl Host {
    async fn connection(&self, stream: TcpStream) {
        let connection = {
            let mut log = self.log.lock().unwrap();
            log.connections += 1;
            log.connections
        };
        if self.tls == Tls::Implicit {
            if let Ok(stream) = self.acceptor.accept(stream).await {
                let mut io = BufReader::new(stream);
                self.session(&mut io, connection, true, true).await;
            }
            return;
        }
        let mut io = BufReader::new(stream);
        if !self.session(&mut io, connection, false, true).await {
            return;
        }
        let mut stream = io.into_inner();
        if self.tls == Tls::Good {
            if let Ok(stream) = self.acceptor.accept(stream).await {
                let mut io = BufReader::new(stream);
                self.session(&mut io, connection, true, false).await;
            }
            return;
        }
        let mut hello = [0; 5];
        if stream.read_exact(&mut hello).await.is_ok() {
            stream.write_all(b"what is this noise?\r\n").await.ok();
        }
    }

    /// True: STARTTLS was said, and it is the caller's turn.
    async fn session(
        &self,
        io: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        connection: usize,
        tls: bool,
        greets: bool,
    ) -> bool {
        let mut mail = None;
        let mut rcpts: Vec<String> = Vec::new();
        if greets
            && !self
                .answer(io, connection, "", "220 peer.test here\r\n")
                .await
                .unwrap_or(false)
        {
            return false;
        }
        let mut line = String::new();
        loop {
            line.clear();
            if io.read_line(&mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            let command = line.trim_end().to_owned();
            self.log.lock().unwrap().lines.push(command.clone());
            let verb = command
                .split([' ', ':'])
                .next()
                .unwrap()
                .to_ascii_uppercase();
            let usual = match verb.as_str() {
                "EHLO" => self.ehlo(tls),
                "STARTTLS" if self.tls == Tls::Talkative => {
                    "220 ready\r\n250 and more\r\n".to_owned()
                }
                "STARTTLS" => "220 ready\r\n".to_owned(),
                "DATA" if rcpts.is_empty() => "554 nobody\r\n".to_owned(),
                "DATA" => "354 go on\r\n".to_owned(),
                "AUTH" => "235 welcome\r\n".to_owned(),
                "QUIT" => "221 bye\r\n".to_owned(),
                _ => "250 2.0.0 ok\r\n".to_owned(),
            };
            let Some(positive) = self.answer(io, connection, &command, &usual).await else {
                return false;
            };
            match verb.as_str() {
                "STARTTLS" if positive => return true,
                "MAIL" if positive => mail = Some(command),
                "RCPT" if positive => rcpts.push(command),
                "RSET" => {
                    mail = None;
                    rcpts.clear();
                }
                "DATA" if positive => {
                    let taken = Taken {
                        mail: mail.take().unwrap_or_default(),
                        rcpts: std::mem::take(&mut rcpts),
                        data: String::new(),
                        tls,
                        connection,
                    };
                    if !self.data(io, taken).await {
                        return false;
                    }
                }
                "QUIT" => return false,
                _ => {}
            }
        }
    }

    async fn data(
        &self,
        io: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        mut taken: Taken,
    ) -> bool {
        let connection = taken.connection;
        loop {
            let mut line = Vec::new();
            if io.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return false;
            }
            if line == b".\r\n" {
                break;
            }
            taken.data.push_str(&String::from_utf8_lossy(&line));
            self.log.lock().unwrap().data_octets += line.len();
            if self.moment(connection, "...").is_some() {
                return false;
            }
        }
        let act = self.moment(connection, ".");
        let refused =
            matches!(&act, Some(Act::Say(text) | Act::SayAndClose(text)) if !text.starts_with('2'));
        if !refused {
            let mut log = self.log.lock().unwrap();
            log.taken.push(taken);
            self.count.send_replace(log.taken.len());
        }
        self.perform(io, act, "250 2.0.0 taken\r\n").await.is_some()
    }

    fn ehlo(&self, tls: bool) -> String {
        let mut lines = vec!["peer.test"];
        lines.extend(&self.extensions);
        if !tls && self.tls != Tls::None {
            lines.push("STARTTLS");
        }
        let last = lines.len() - 1;
        lines
            .iter()
            .enumerate()
            .map(|(n, line)| {
                if n == last {
                    format!("250 {line}\r\n")
                } else {
                    format!("250-{line}\r\n")
                }
            })
            .collect::<Vec<_>>()
            .concat()
    }

    fn moment(&self, connection: usize, line: &str) -> Option<Act> {
        let taken = self.log.lock().unwrap().taken.len();
        (self.manner)(&Moment {
            connection,
            line,
            taken,
        })
    }

    /// Says what the manner wants, else the usual; `None` when the connection is over.
    async fn answer(
        &self,
        io: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        connection: usize,
        line: &str,
        usual: &str,
    ) -> Option<bool> {
        let act = self.moment(connection, line);
        self.perform(io, act, usual).await
    }

    async fn perform(
        &self,
        io: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        act: Option<Act>,
        usual: &str,
    ) -> Option<bool> {
        let (said, goes_on) = match act {
            None => (usual.to_owned(), true),
            Some(Act::Say(text)) => (format!("{text}\r\n"), true),
            Some(Act::SayAndClose(text)) => (format!("{text}\r\n"), false),
            Some(Act::Close) => return None,
            Some(Act::Silence) => std::future::pending().await,
        };
        io.get_mut().write_all(said.as_bytes()).await.ok()?;
        io.get_mut().flush().await.ok()?;
        goes_on.then(|| said.starts_with(['2', '3']))
    }
}

/// What modern hosts offer.
pub const ALL: [&str; 5] = ["PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN"];

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["somebody.else.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
