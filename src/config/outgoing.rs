//! `[queue]` and `[dns]`: how mail leaves, by which way, and how long it is tried (RFC 5321 4.5.4, 5).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::{Secret, duration};
use super::{ConfigError, days, hours, minutes, secs, settings};

settings! {
    /// `[queue]`: the outgoing queue.
    pub struct Queue in "queue" {
        /// Deliveries at work on this node.
        workers: usize = 20, 1..=1_000;
        /// Deliveries at work to one destination, all nodes counted each for itself.
        per_destination: usize = 4, 1..=100;
        /// Recipients in one outgoing transaction (RFC 5321 4.5.3.1.8: receivers take 100).
        recipients: usize = 100, 1..=1_000;
        /// How long a claimed message belongs to its worker; a dead worker's mail is taken up after it (S-07).
        #[serde(with = "duration")]
        lease: Duration = minutes(15), minutes(1)..=hours(6);
        /// Wait before the second try; each further wait is twice as long.
        #[serde(with = "duration")]
        retry_first: Duration = secs(300), secs(1)..=hours(6);
        /// The longest wait between two tries (RFC 5321 4.5.4.1 speaks of 30 min; shorter does no harm to few).
        #[serde(with = "duration")]
        retry_longest: Duration = secs(4_000), secs(1)..=days(1);
        /// Time after which mail is given up and bounced (RFC 5321 4.5.4.1: 4 to 5 days).
        #[serde(with = "duration")]
        give_up: Duration = days(5), secs(1)..=days(14);
        /// Time after which the sender is told that it takes longer.
        #[serde(with = "duration")]
        delay_notice: Duration = hours(4), secs(1)..=days(5);
        /// How often the queue is looked through for mail that came due.
        #[serde(with = "duration")]
        poll: Duration = secs(5), secs(1)..=minutes(5);
        /// Time for a connection to one address.
        #[serde(with = "duration")]
        connect_timeout: Duration = secs(30), secs(1)..=minutes(5);
        /// Wait for the greeting and for answers to commands (RFC 5321 4.5.3.2: 5 min).
        #[serde(with = "duration")]
        command_timeout: Duration = minutes(5), secs(1)..=minutes(30);
        /// Wait for the answer to DATA (RFC 5321 4.5.3.2.4: 2 min).
        #[serde(with = "duration")]
        data_timeout: Duration = minutes(2), secs(1)..=minutes(30);
        /// Wait for the other side to take a block of the message (RFC 5321 4.5.3.2.5: 3 min).
        #[serde(with = "duration")]
        block_timeout: Duration = minutes(3), secs(1)..=minutes(30);
        /// Wait for the answer to the end of the data (RFC 5321 4.5.3.2.6: 10 min).
        #[serde(with = "duration")]
        end_of_data_timeout: Duration = minutes(10), secs(1)..=hours(1);
        /// The longest a delivery may take in all, so that hosts that take a block every few minutes do not hold all workers.
        #[serde(with = "duration")]
        delivery_timeout: Duration = hours(1), minutes(1)..=days(1);
        /// Messages over one connection.
        messages_per_connection: u32 = 100, 1..=10_000;
        /// How long a finished delivery stays in the log (`postamt queue list --all`); the sending limits need a day.
        #[serde(with = "duration")]
        history: Duration = days(30), days(1)..=days(400);
        /// How many days what comes back to mail that an alias led on still finds its sender (SRS).
        return_days: u32 = 21, 7..=365;
        /// The name we greet with. Empty: `server.hostname`.
        helo: String = String::new();
        /// The port of MX hosts.
        mx_port: u16 = 25;
        /// Whether MX hosts may stand at addresses inside (loopback, private networks). Tests and closed networks only.
        allow_private_addresses: bool = false;
        /// Where mail goes instead of its MX: by recipient domain, or `"*"` for every other.
        routes: BTreeMap<String, Route> = BTreeMap::new();
    }
}

impl Queue {
    /// The route for mail to `domain`, if it does not go by MX.
    #[must_use]
    pub fn route(&self, domain: &str) -> Option<&Route> {
        let domain = domain.to_ascii_lowercase();
        self.routes.get(&domain).or_else(|| self.routes.get("*"))
    }

    pub(super) fn check_routes(&self) -> Result<(), ConfigError> {
        for (domain, route) in &self.routes {
            let bad = |why: &str| ConfigError::Contradiction {
                key: format!("queue.routes.{domain:?}"),
                why: why.to_owned(),
            };
            if route.host_and_port().is_none() {
                return Err(bad("host must be like \"smtp.example.net:587\""));
            }
            if route.username.is_some() != route.password.is_some() {
                return Err(bad("username and password belong together"));
            }
            if route.username.is_some()
                && !matches!(route.tls, RouteTls::Starttls | RouteTls::Implicit)
            {
                return Err(bad(
                    "a password never travels in clear: set tls to \"starttls\" or \"implicit\"",
                ));
            }
            if domain.chars().any(|c| c.is_ascii_uppercase()) {
                return Err(bad("write the domain in lower case"));
            }
        }
        Ok(())
    }
}

/// Where and how the mail of one domain leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `name:port` or `address:port` (`[2001:db8::1]:25`).
    pub host: String,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: RouteTls,
    /// Whether the certificate must be right. Unset: yes when there is a login, else no.
    #[serde(default)]
    pub verify: Option<bool>,
    /// Login name for the smarthost.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
}

impl Route {
    /// The host without brackets, and the port.
    #[must_use]
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        if let Ok(address) = self.host.parse::<SocketAddr>() {
            let host = self.host.rsplit_once(':')?.0;
            return Some((host.trim_matches(['[', ']']), address.port()));
        }
        let (host, port) = self.host.rsplit_once(':')?;
        (!host.is_empty() && !host.contains([':', '/', ' ']))
            .then(|| port.parse().ok().map(|port| (host, port)))?
    }

    /// Whether the certificate must be right.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.verify.unwrap_or(self.username.is_some())
    }
}

/// How a route's connection is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTls {
    /// STARTTLS when it is offered, else in clear: what mail between hosts does.
    #[default]
    Opportunistic,
    /// STARTTLS or nothing.
    Starttls,
    /// TLS from the first octet.
    Implicit,
    /// Never TLS.
    None,
}

settings! {
    /// `[dns]`: where names are looked up.
    pub struct Dns in "dns" {
        /// Name servers. Empty: those of the system (`/etc/resolv.conf`).
        servers: Vec<SocketAddr> = Vec::new();
        /// Wait for one answer.
        #[serde(with = "duration")]
        timeout: Duration = secs(5), secs(1)..=secs(60);
        /// Tries for one question.
        attempts: usize = 2, 1..=10;
        /// Answers kept.
        cache_entries: u64 = 4_096, 0..=1_000_000;
    }
}
