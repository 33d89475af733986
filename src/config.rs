//! Typed settings: every limit with its default, its reason and its RFC minimum.
//!
//! Four layers, the later one wins: the defaults below, the file of `--config`, the environment
//! (`POSTAMT_<SECTION>_<KEY>`, so `POSTAMT_SMTP_MESSAGE_SIZE=20MB`; lists are comma-separated), and
//! `DATABASE_URL` for `database.url`. A key nobody knows is refused by its name, in the file and in the
//! environment alike: a limit with a typing error in it protects nothing. Times and sizes: [`value`].
//!
//! A default stands beside its hard range in one table a section ([`settings!`]); [`Config::validate`] holds both.
//! Not here: reading a setting twice. The program reads them once at start; only certificates reload.

mod dav;
mod doors;
mod eas;
mod fetch;
mod login;
mod outgoing;
pub mod value;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use dav::Dav;
pub use doors::{BareNewline, Imap, Mime, Pop3, Smtp, Submission, Web};
pub use eas::Eas;
pub use fetch::Fetch;
pub use login::{Lock, Password};
pub use outgoing::{Dns, Queue, Route, RouteTls};
pub use value::{Network, Secret};
use value::{duration, size};

/// One section: its fields with their defaults and, where one is needed, the range `validate` holds.
macro_rules! settings {
    (
        $(#[$section_meta:meta])*
        pub struct $name:ident in $section:literal {
            $( $(#[$field_meta:meta])* $field:ident: $kind:ty = $default:expr $(, $range:expr)?; )*
        }
    ) => {
        $(#[$section_meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $kind, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Holds the ranges of the table above.
            pub(in crate::config) fn check(&self) -> Result<(), crate::config::ConfigError> {
                $( $( crate::config::in_range(concat!($section, ".", stringify!($field)), &self.$field, &($range))?; )? )*
                Ok(())
            }
        }
    };
}
use settings;

/// All settings of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// This host and its folder.
    pub server: Server,
    /// Where the data is.
    pub database: Database,
    /// Certificates.
    pub tls: Tls,
    /// Who may speak for another address.
    pub proxy: Proxy,
    /// Mail from other hosts.
    pub smtp: Smtp,
    /// Mail from our users.
    pub submission: Submission,
    /// The IMAP door.
    pub imap: Imap,
    /// The POP3 door.
    pub pop3: Pop3,
    /// The browser's door.
    pub web: Web,
    /// Phones over ActiveSync.
    pub eas: Eas,
    /// Calendars and address books over HTTP.
    pub dav: Dav,
    /// Limits of the MIME parser.
    pub mime: Mime,
    /// Limits of what is fetched from elsewhere.
    pub fetch: Fetch,
    /// Outgoing mail.
    pub queue: Queue,
    /// Name servers.
    pub dns: Dns,
    /// Passwords.
    pub password: Password,
    /// The lock after wrong passwords.
    pub lock: Lock,
    /// What is logged.
    pub log: Log,
    /// What is counted.
    pub metrics: Metrics,
}

settings! {
    /// `[server]`: this host.
    pub struct Server in "server" {
        /// The host's name in greetings, `Received` fields and addresses of pages. Unset: the machine's own name.
        hostname: String = "localhost".to_owned();
        /// The folder of everything that is kept on this machine: the private database, its password, certificates.
        data_dir: PathBuf = PathBuf::from("data");
        /// How long a stop waits for what was accepted to be finished.
        #[serde(with = "duration")]
        stop_timeout: Duration = secs(30), secs(1)..=minutes(30);
        /// Days a deleted thing can be brought back (S-08).
        retention_days: u32 = 30, 1..=365;
        /// The quota of a new account when none is named.
        #[serde(with = "size")]
        default_quota: u64 = 5 << 30, 1_048_576..=1 << 50;
    }
}

settings! {
    /// `[database]`: a PostgreSQL of one's own by `url`, or the private one in the data folder.
    pub struct Database in "database" {
        /// `postgres://…` of the operator's server (15 or newer). Unset: the private cluster. `DATABASE_URL` sets it too.
        url: Option<Secret> = None;
        /// A second URL for migrations only, so that the running program needs no right to change tables.
        migrate_url: Option<Secret> = None;
        /// Connections of this node's pool.
        connections: u32 = 20, 2..=1_000;
        /// How long a request waits for a connection before it answers "try later".
        #[serde(with = "duration")]
        acquire_timeout: Duration = secs(5), secs(1)..=minutes(2);
        /// The longest statement (`statement_timeout`).
        #[serde(with = "duration")]
        statement_timeout: Duration = secs(30), secs(1)..=hours(1);
        /// The longest wait for a lock (`lock_timeout`).
        #[serde(with = "duration")]
        lock_timeout: Duration = secs(5), secs(1)..=minutes(10);
        /// The longest idle transaction (`idle_in_transaction_session_timeout`).
        #[serde(with = "duration")]
        idle_transaction_timeout: Duration = secs(60), secs(1)..=hours(1);
        /// Start on a server with `fsync` or `full_page_writes` off, where a power cut loses mail (S-02). For trials only.
        allow_unsafe: bool = false;
        /// The folder of `initdb` and `postgres` for the private cluster. Unset: PATH, then the newest of the system.
        programs: Option<PathBuf> = None;
        /// The unprivileged user of the private cluster when we are root. Unset: `postgres`, else `nobody`.
        user: Option<String> = None;
        /// `shared_buffers` of the private cluster.
        #[serde(with = "size")]
        shared_buffers: u64 = 128 << 20, 16 << 20..=1 << 40;
        /// Connections the private cluster allows to all programs together.
        private_connections: u32 = 100, 10..=5_000;
    }
}

settings! {
    /// `[tls]`: certificates. None named: a self-signed one is made at the first start and kept in the data folder.
    pub struct Tls in "tls" {
        /// PEM files, each for the names it carries; the first one answers a client that names no host.
        certificates: Vec<Certificate> = Vec::new();
        /// How often the files are looked at for a change; SIGHUP looks at once.
        #[serde(with = "duration")]
        reload: Duration = secs(60), secs(1)..=days(1);
        /// Time for the handshake (S-14).
        #[serde(with = "duration")]
        handshake_timeout: Duration = secs(10), secs(1)..=minutes(2);
    }
}

/// A certificate chain and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// PEM file of the chain, the host's own certificate first.
    pub cert: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

settings! {
    /// `[proxy]`: proxies that tell the real source of a connection. Believed from these networks only.
    pub struct Proxy in "proxy" {
        /// Proxies whose `X-Forwarded-For` is believed on the web ports.
        trusted: Vec<Network> = Vec::new();
        /// Whether the same proxies speak PROXY protocol v2 to the mail ports (then they must).
        mail_protocol: bool = false;
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading in a terminal.
    Text,
}

settings! {
    /// `[log]`: one line an event, to standard error.
    pub struct Log in "log" {
        /// `json` or `text`.
        format: LogFormat = LogFormat::Json;
        /// What is shown, in the words of `tracing` (`info`, `postamt=debug`).
        level: String = "info,sqlx=warn,html5ever=error".to_owned();
    }
}

settings! {
    /// `[metrics]`: Prometheus' page.
    pub struct Metrics in "metrics" {
        /// Addresses of `/metrics`, plain HTTP, loopback only. Empty: none.
        listen: Vec<SocketAddr> = loopback(&[9464]);
    }
}

/// Why the settings cannot be used. Each text names the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the settings file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML, or names a key or a value that does not exist.
    #[error("settings file {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Line, key and cause.
        why: String,
    },
    /// A variable of the environment names no setting or holds a value of another kind.
    #[error("environment variable {name}: {why}")]
    Variable {
        /// The variable.
        name: String,
        /// The cause.
        why: String,
    },
    /// A number beyond its hard range.
    #[error("setting {key} is {given}, but must lie between {low} and {high}")]
    OutOfRange {
        /// `section.key`.
        key: &'static str,
        /// The value.
        given: String,
        /// The least value.
        low: String,
        /// The greatest value.
        high: String,
    },
    /// Two settings that cannot both hold.
    #[error("setting {key}: {why}")]
    Contradiction {
        /// `section.key`.
        key: String,
        /// The cause.
        why: String,
    },
}

impl Config {
    /// Reads the file, the environment of this process, and checks the whole.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, variable or file that cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(
            file,
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// The same with an environment handed in.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_from(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut tree = match file {
            Some(path) => read_file(path)?,
            None => Value::Object(serde_json::Map::new()),
        };
        let named = tree.pointer("/server/hostname").is_some();
        let variables: BTreeMap<String, String> = environment.into_iter().collect();
        let mut config = apply_environment(&mut tree, &variables)?;
        if !named && !variables.contains_key("POSTAMT_SERVER_HOSTNAME") {
            config.server.hostname = machine_name();
        }
        config.validate()?;
        Ok(config)
    }

    /// The defaults with every listener on a free loopback port, for tests and trials in one process.
    #[must_use]
    pub fn on_free_ports(data_dir: &Path) -> Self {
        let mut config = Self::default();
        data_dir.clone_into(&mut config.server.data_dir);
        let free = loopback(&[0]);
        for listen in [
            &mut config.smtp.listen,
            &mut config.submission.listen,
            &mut config.submission.listen_tls,
            &mut config.imap.listen,
            &mut config.imap.listen_tls,
            &mut config.pop3.listen,
            &mut config.pop3.listen_tls,
            &mut config.web.listen,
            &mut config.web.listen_http,
            &mut config.metrics.listen,
        ] {
            listen.clone_from(&free);
        }
        config
    }

    /// The name we greet other hosts with.
    #[must_use]
    pub fn helo(&self) -> &str {
        if self.queue.helo.is_empty() {
            &self.server.hostname
        } else {
            &self.queue.helo
        }
    }

    /// Holds every hard range and what settings demand of each other.
    ///
    /// # Errors
    /// The first key that breaks a rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.server.check()?;
        self.database.check()?;
        self.tls.check()?;
        self.proxy.check()?;
        self.smtp.check()?;
        self.submission.check()?;
        self.imap.check()?;
        self.pop3.check()?;
        self.web.check()?;
        self.eas.check()?;
        self.eas.check_versions()?;
        self.dav.check()?;
        self.mime.check()?;
        self.fetch.check()?;
        self.queue.check()?;
        self.queue.check_routes()?;
        self.dns.check()?;
        self.password.check()?;
        self.lock.check()?;
        self.log.check()?;
        self.metrics.check()?;
        self.check_together()
    }

    fn check_together(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, why: &str| {
            Err(ConfigError::Contradiction {
                key: key.to_owned(),
                why: why.to_owned(),
            })
        };
        if !is_host_name(&self.server.hostname) {
            return refuse("server.hostname", "must be a name like mail.example.org");
        }
        if !self.queue.helo.is_empty() && !is_host_name(&self.queue.helo) {
            return refuse("queue.helo", "must be a name like mail.example.org");
        }
        if self.smtp.wrong_before_close < self.smtp.wrong_before_delay {
            return refuse(
                "smtp.wrong_before_close",
                "must not be below smtp.wrong_before_delay",
            );
        }
        if self.smtp.connections_kept_for_submission >= self.smtp.connections {
            return refuse(
                "smtp.connections_kept_for_submission",
                "must be below smtp.connections",
            );
        }
        if self.smtp.line_flood < self.smtp.command_line.max(self.smtp.auth_line) {
            return refuse(
                "smtp.line_flood",
                "must not be below smtp.command_line and smtp.auth_line",
            );
        }
        if self.imap.wrong_before_close < self.imap.wrong_before_delay {
            return refuse(
                "imap.wrong_before_close",
                "must not be below imap.wrong_before_delay",
            );
        }
        if self.imap.line_flood < self.imap.command_line.max(self.imap.auth_line) {
            return refuse(
                "imap.line_flood",
                "must not be below imap.command_line and imap.auth_line",
            );
        }
        if self.pop3.wrong_before_close < self.pop3.wrong_before_delay {
            return refuse(
                "pop3.wrong_before_close",
                "must not be below pop3.wrong_before_delay",
            );
        }
        if self.pop3.line_flood < self.pop3.command_line.max(self.pop3.auth_line) {
            return refuse(
                "pop3.line_flood",
                "must not be below pop3.command_line and pop3.auth_line",
            );
        }
        let two_messages = usize::try_from(self.smtp.message_size)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        if self.mime.body_budget < two_messages {
            return refuse(
                "mime.body_budget",
                "must hold two messages of smtp.message_size",
            );
        }
        if self.queue.retry_longest < self.queue.retry_first {
            return refuse("queue.retry_longest", "must not be below queue.retry_first");
        }
        if self.database.url.is_none()
            && self.database.private_connections < self.database.connections + 5
        {
            return refuse(
                "database.private_connections",
                "must be 5 above database.connections",
            );
        }
        if self
            .metrics
            .listen
            .iter()
            .any(|address| !address.ip().is_loopback())
        {
            return refuse(
                "metrics.listen",
                "must be loopback: the page is not protected",
            );
        }
        if self.proxy.mail_protocol && self.proxy.trusted.is_empty() {
            return refuse("proxy.mail_protocol", "needs proxy.trusted");
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<Value, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |why: String| ConfigError::File {
        path: path.to_owned(),
        why,
    };
    // Typed first: this reading knows the line of a wrong key. The tree is what the environment is laid over.
    toml::from_str::<Config>(&text).map_err(|error| wrong(error.to_string()))?;
    toml::from_str::<Value>(&text).map_err(|error| wrong(error.to_string()))
}

/// Lays the variables over the file's tree, one by one, so that a wrong one is named.
fn apply_environment(
    tree: &mut Value,
    variables: &BTreeMap<String, String>,
) -> Result<Config, ConfigError> {
    let wrong = |name: &str, why: String| ConfigError::Variable {
        name: name.to_owned(),
        why,
    };
    let known = serde_json::to_value(Config::default())
        .map_err(|error| wrong("POSTAMT_*", error.to_string()))?;
    let read = |tree: &Value, name: &str| {
        Config::deserialize(tree).map_err(|error| wrong(name, error.to_string()))
    };
    let mut config = read(tree, "POSTAMT_*")?;
    for (name, text) in variables {
        let (section, key) = match name.as_str() {
            "DATABASE_URL" if text.is_empty() => continue,
            "DATABASE_URL" => ("database".to_owned(), "url".to_owned()),
            // The command line's own, and the folder that scripts around us know.
            "POSTAMT_CONFIG" | "POSTAMT_DIR" => continue,
            _ => match name.strip_prefix("POSTAMT_") {
                Some(rest) => rest
                    .to_ascii_lowercase()
                    .split_once('_')
                    .map(|(section, key)| (section.to_owned(), key.to_owned()))
                    .ok_or_else(|| {
                        wrong(name, "is no setting; write POSTAMT_SECTION_KEY".to_owned())
                    })?,
                None => continue,
            },
        };
        let default = known
            .get(&section)
            .ok_or_else(|| wrong(name, format!("there is no section [{section}]")))?
            .get(&key)
            .ok_or_else(|| wrong(name, format!("there is no setting {key} in [{section}]")))?;
        let value = typed(text, default);
        if let Some(sections) = tree.as_object_mut() {
            let section = sections
                .entry(section)
                .or_insert_with(|| Value::Object(serde_json::Map::new()));
            if let Some(section) = section.as_object_mut() {
                section.insert(key, value);
            }
        }
        config = read(tree, name)?;
    }
    Ok(config)
}

/// A variable's text as the kind of value its setting has; what does not fit is left to serde to refuse.
fn typed(text: &str, default: &Value) -> Value {
    let as_text = || Value::String(text.to_owned());
    match default {
        Value::Bool(_) => text.parse().map_or_else(|_| as_text(), Value::Bool),
        Value::Number(_) => text.parse::<u64>().map_or_else(|_| as_text(), Value::from),
        Value::Array(_) if text.trim_start().starts_with('[') => {
            inline_toml(text).unwrap_or_else(as_text)
        }
        Value::Array(_) => text
            .split(',')
            .map(str::trim)
            .filter(|piece| !piece.is_empty())
            .map(|piece| Value::String(piece.to_owned()))
            .collect(),
        Value::Object(_) => inline_toml(text).unwrap_or_else(as_text),
        Value::Null | Value::String(_) => as_text(),
    }
}

fn inline_toml(text: &str) -> Option<Value> {
    let mut table: serde_json::Map<String, Value> =
        toml::from_str(&format!("value = {text}")).ok()?;
    table.remove("value")
}

/// Refuses a value outside its hard range, showing it as the operator writes it.
fn in_range<T: PartialOrd + std::fmt::Debug>(
    key: &'static str,
    given: &T,
    range: &std::ops::RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(given) {
        return Ok(());
    }
    Err(ConfigError::OutOfRange {
        key,
        given: format!("{given:?}"),
        low: format!("{:?}", range.start()),
        high: format!("{:?}", range.end()),
    })
}

/// The machine's own name, or `localhost` where it has none that can stand in a greeting.
fn machine_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_ascii_lowercase())
        .ok()
        .filter(|name| is_host_name(name))
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Letters, digits, hyphens in labels of 1 to 63, 253 in all (RFC 1123 2.1).
fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}
const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3_600)
}
const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

fn loopback(ports: &[u16]) -> Vec<SocketAddr> {
    ports
        .iter()
        .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_env(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load_from(
            None,
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    fn from_text(text: &str) -> Result<Config, ConfigError> {
        let dir = std::env::temp_dir().join(format!(
            "postamt-config-{}-{:x}",
            std::process::id(),
            rand::random::<u64>()
        ));
        std::fs::write(&dir, text).unwrap();
        let read = Config::load_from(Some(&dir), []);
        std::fs::remove_file(&dir).unwrap();
        read
    }

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
        from_env(&[]).unwrap();
    }

    #[test]
    fn the_environment_sets_every_kind_of_value() {
        let config = from_env(&[
            ("DATABASE_URL", "postgres://db.example/mail"),
            ("POSTAMT_SERVER_HOSTNAME", "mail.example.org"),
            ("POSTAMT_SMTP_MESSAGE_SIZE", "20MB"),
            ("POSTAMT_SMTP_LISTEN", "0.0.0.0:25, [::]:25"),
            ("POSTAMT_SMTP_COMMAND_TIMEOUT", "6min"),
            ("POSTAMT_SMTP_BARE_NEWLINE", "normalize"),
            ("POSTAMT_LOCK_SPARES_KNOWN_DEVICES", "false"),
            ("POSTAMT_PROXY_TRUSTED", "10.0.0.0/8"),
            (
                "POSTAMT_QUEUE_ROUTES",
                r#"{ "*" = { host = "relay.example:587", tls = "starttls" } }"#,
            ),
            ("UNRELATED", "x"),
        ])
        .unwrap();
        assert_eq!(
            config.database.url.unwrap().expose(),
            "postgres://db.example/mail"
        );
        assert_eq!(config.server.hostname, "mail.example.org");
        assert_eq!(config.smtp.message_size, 20 << 20);
        assert_eq!(config.smtp.listen.len(), 2);
        assert_eq!(config.smtp.command_timeout, minutes(6));
        assert_eq!(config.smtp.bare_newline, BareNewline::Normalize);
        assert!(!config.lock.spares_known_devices);
        assert!(config.proxy.trusted[0].contains("10.1.2.3".parse().unwrap()));
        assert_eq!(
            config
                .queue
                .route("anything.example")
                .unwrap()
                .host_and_port(),
            Some(("relay.example", 587))
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        for (name, part) in [
            ("POSTAMT_SMTP_MESAGE_SIZE", "mesage_size"),
            ("POSTAMT_SMPT_LISTEN", "[smpt]"),
            ("POSTAMT_LISTEN", "POSTAMT_LISTEN"),
        ] {
            let said = from_env(&[(name, "1")]).unwrap_err().to_string();
            assert!(said.contains(name) && said.contains(part), "{said}");
        }
        let said = from_text("[smtp]\nmesage_size = 5\n")
            .unwrap_err()
            .to_string();
        assert!(said.contains("mesage_size"), "{said}");
        let said = from_text("[smpt]\nlisten = []\n").unwrap_err().to_string();
        assert!(said.contains("smpt"), "{said}");
    }

    #[test]
    fn a_value_of_another_kind_is_refused_by_its_name() {
        let said = from_env(&[("POSTAMT_SMTP_LISTEN", "everywhere")])
            .unwrap_err()
            .to_string();
        assert!(said.contains("POSTAMT_SMTP_LISTEN"), "{said}");
        let said = from_env(&[("POSTAMT_LOCK_FAILURES", "five")])
            .unwrap_err()
            .to_string();
        assert!(said.contains("POSTAMT_LOCK_FAILURES"), "{said}");
    }

    #[test]
    fn the_file_yields_to_the_environment() {
        let path =
            std::env::temp_dir().join(format!("postamt-layers-{:x}.toml", rand::random::<u64>()));
        std::fs::write(&path, "[smtp]\nrecipients = 300\nmessages = 7\n").unwrap();
        let config = Config::load_from(
            Some(&path),
            [("POSTAMT_SMTP_RECIPIENTS".to_owned(), "400".to_owned())],
        )
        .unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((config.smtp.recipients, config.smtp.messages), (400, 7));
    }

    #[test]
    fn hard_ranges_hold_at_both_ends() {
        for (name, fits, beyond) in [
            ("POSTAMT_SMTP_RECIPIENTS", "100", "99"),
            ("POSTAMT_SMTP_RECIPIENTS", "10000", "10001"),
            ("POSTAMT_MIME_DEPTH", "64", "65"),
            ("POSTAMT_SMTP_COMMAND_TIMEOUT", "300", "299"),
        ] {
            from_env(&[(name, fits)]).unwrap();
            let said = from_env(&[(name, beyond)]).unwrap_err().to_string();
            assert!(said.contains("must lie between"), "{said}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "[server]\nhostname = \"bad name\"\n",
            "[smtp]\nwrong_before_close = 5\n",
            "[metrics]\nlisten = [\"0.0.0.0:9464\"]\n",
            "[proxy]\nmail_protocol = true\n",
            "[queue.routes.\"*\"]\nhost = \"relay.example\"\n",
            "[queue.routes.\"*\"]\nhost = \"relay.example:25\"\nusername = \"u\"\npassword = \"p\"\n",
        ] {
            assert!(
                matches!(from_text(text), Err(ConfigError::Contradiction { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn routes_are_found_by_domain_first() {
        let config = from_text(
            "[queue.routes.\"*\"]\nhost = \"relay.example:25\"\n[queue.routes.\"peer.test\"]\nhost = \"[::1]:2526\"\ntls = \"none\"\n",
        )
        .unwrap();
        assert_eq!(
            config.queue.route("Peer.Test").unwrap().host_and_port(),
            Some(("::1", 2526))
        );
        assert_eq!(
            config.queue.route("other.test").unwrap().host_and_port(),
            Some(("relay.example", 25))
        );
    }
}
