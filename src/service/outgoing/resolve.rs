//! Which hosts take the mail of a domain (RFC 5321 5.1; RFC 7505 null MX), by DNS or by the operator's route table.
//!
//! Hosts come by preference, shuffled among equals; a host's addresses come IPv6 first. Addresses inside (loopback, private
//! networks) are no mail host of anybody's, unless the operator says so: a stranger's DNS must not make us talk to
//! machines of our own network. A route is the operator's word and goes anywhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use rand::RngExt;
use rand::seq::SliceRandom;

use super::transport::{Login, Protection};
use crate::config::{Config, Dns, Queue, Route, RouteTls};

/// The questions we have for the DNS.
#[async_trait]
pub trait Names: Send + Sync {
    /// MX records as (preference, host); empty: the domain is there and has none. The host `.` comes as an empty name.
    ///
    /// # Errors
    /// [`NameError`].
    async fn mx(&self, domain: &str) -> Result<Vec<(u16, String)>, NameError>;

    /// IPv6 and IPv4 addresses of a host; empty: it is there and has none.
    ///
    /// # Errors
    /// [`NameError`].
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError>;
}

/// Why the DNS gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// NXDOMAIN.
    #[error("no such domain")]
    NoSuchName,
    /// No answer, or an answer that helps nobody; later, perhaps.
    #[error("{0}")]
    Temporary(String),
}

/// One host that takes a domain's mail, its addresses not looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: Protection,
    /// Whether its certificate must be right.
    pub verifies: bool,
    /// What a smarthost knows us by.
    pub login: Option<Login>,
    /// The operator named it, so its address may be anywhere.
    pub is_route: bool,
}

/// Why there is no host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoWay {
    /// Waiting does not help.
    pub is_permanent: bool,
    /// The enhanced status code.
    pub status: &'static str,
    /// In words.
    pub text: String,
}

impl NoWay {
    fn never(status: &'static str, text: impl Into<String>) -> Self {
        Self {
            is_permanent: true,
            status,
            text: text.into(),
        }
    }

    fn later(status: &'static str, text: impl Into<String>) -> Self {
        Self {
            is_permanent: false,
            status,
            text: text.into(),
        }
    }
}

/// The hosts for mail to `domain`, best first.
///
/// # Errors
/// [`NoWay`].
pub async fn hops(domain: &str, config: &Config, names: &dyn Names) -> Result<Vec<Hop>, NoWay> {
    if let Some(route) = config.queue.route(domain) {
        return Ok(vec![Hop::by_route(route)?]);
    }
    if let Some(inside) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        let address = literal(inside)
            .ok_or_else(|| NoWay::never("5.1.2", format!("{domain} is no address of a host")))?;
        return Ok(vec![Hop::by_name(address.to_string(), &config.queue)]);
    }
    let found = match names.mx(domain).await {
        Ok(found) => found,
        Err(NameError::NoSuchName) => {
            return Err(NoWay::never(
                "5.1.2",
                format!("The domain {domain} does not exist"),
            ));
        }
        Err(NameError::Temporary(why)) => {
            return Err(NoWay::later(
                "4.4.3",
                format!("No answer of the DNS for {domain}: {why}"),
            ));
        }
    };
    if found.is_empty() {
        // RFC 5321 5.1: the implicit MX.
        return Ok(vec![Hop::by_name(domain.to_owned(), &config.queue)]);
    }
    // RFC 7505 3: one record, the root as its host.
    if found.iter().all(|(_, host)| host.is_empty()) {
        return Err(NoWay::never(
            "5.1.10",
            format!("The domain {domain} takes no mail (null MX)"),
        ));
    }
    let hosts = order(
        found,
        &[&config.server.hostname, config.helo()],
        &mut rand::rng(),
    );
    if hosts.is_empty() {
        return Err(NoWay::never(
            "5.4.6",
            format!("The MX of {domain} is this host, which knows no such domain"),
        ));
    }
    Ok(hosts
        .into_iter()
        .map(|host| Hop::by_name(host, &config.queue))
        .collect())
}

/// Hosts by preference, shuffled among equals; without ourselves and everybody who is not better than us (RFC 5321 5.1:
/// else two backup hosts pass a message to and fro).
fn order(mut found: Vec<(u16, String)>, own: &[&str], random: &mut impl RngExt) -> Vec<String> {
    let ours = found
        .iter()
        .filter(|(_, host)| own.iter().any(|own| own.eq_ignore_ascii_case(host)))
        .map(|(preference, _)| *preference)
        .min();
    found.retain(|(preference, host)| {
        !host.is_empty() && ours.is_none_or(|ours| *preference < ours)
    });
    found.shuffle(random);
    found.sort_by_key(|(preference, _)| *preference);
    found.into_iter().map(|(_, host)| host).collect()
}

impl Hop {
    fn by_name(host: String, settings: &Queue) -> Self {
        Self {
            host,
            port: settings.mx_port,
            protection: Protection::Opportunistic,
            verifies: false,
            login: None,
            is_route: false,
        }
    }

    fn by_route(route: &Route) -> Result<Self, NoWay> {
        let (host, port) = route
            .host_and_port()
            .ok_or_else(|| NoWay::later("4.3.5", "The route table names no host"))?;
        Ok(Self {
            host: host.to_owned(),
            port,
            protection: match route.tls {
                RouteTls::Opportunistic => Protection::Opportunistic,
                RouteTls::Starttls => Protection::Starttls,
                RouteTls::Implicit => Protection::Implicit,
                RouteTls::None => Protection::Never,
            },
            verifies: route.verifies(),
            login: route
                .username
                .clone()
                .zip(route.password.clone())
                .map(|(name, password)| Login { name, password }),
            is_route: true,
        })
    }

    /// Where the host listens, IPv6 first.
    ///
    /// # Errors
    /// [`NoWay`].
    pub async fn addresses(
        &self,
        settings: &Queue,
        names: &dyn Names,
    ) -> Result<Vec<SocketAddr>, NoWay> {
        let mut found = match self.host.parse() {
            Ok(address) => vec![address],
            Err(_) => names.addresses(&self.host).await.map_err(|e| match e {
                NameError::NoSuchName if self.is_route => {
                    NoWay::later("4.4.4", format!("The host {} does not exist", self.host))
                }
                NameError::NoSuchName => NoWay::never(
                    "5.4.4",
                    format!("The mail host {} does not exist", self.host),
                ),
                NameError::Temporary(why) => NoWay::later(
                    "4.4.3",
                    format!("No answer of the DNS for {}: {why}", self.host),
                ),
            })?,
        };
        if found.is_empty() {
            return Err(NoWay::never(
                "5.4.4",
                format!("The mail host {} has no address", self.host),
            ));
        }
        if !self.is_route && !settings.allow_private_addresses {
            found.retain(|address| is_public(*address));
            if found.is_empty() {
                return Err(NoWay::never(
                    "5.4.4",
                    format!("The mail host {} is not on the public net", self.host),
                ));
            }
        }
        found.sort_by_key(IpAddr::is_ipv4);
        Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address, self.port))
            .collect())
    }
}

/// RFC 5321 4.1.3 without the brackets.
fn literal(inside: &str) -> Option<IpAddr> {
    match inside.split_once(':') {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6") => {
            rest.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
        }
        _ => inside.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Whether an address is one of the public net, as a mail host's must be.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            let embedded = match s {
                // Mapped, NAT64 and 6to4 lead to the IPv4 address inside.
                [0, 0, 0, 0, 0, 0xffff, hi, lo] | [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => {
                    Some((hi, lo))
                }
                [0x2002, hi, lo, ..] => Some((hi, lo)),
                _ => None,
            };
            if let Some((hi, lo)) = embedded {
                return is_public_v4(Ipv4Addr::from_bits(u32::from(hi) << 16 | u32::from(lo)));
            }
            let [first, ..] = s;
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || first == 0)
        }
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    !(v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)))
}

/// The DNS by hickory, with the operator's name servers or the system's.
pub struct DnsNames {
    resolver: TokioResolver,
}

impl DnsNames {
    /// A resolver by the settings. Without a readable `/etc/resolv.conf` the machine's own resolver at 127.0.0.1 is asked.
    ///
    /// # Errors
    /// [`NameError::Temporary`] when it cannot be built.
    pub fn new(settings: &Dns) -> Result<Self, NameError> {
        let config = if settings.servers.is_empty() {
            None
        } else {
            Some(settings.servers.clone())
        };
        let builder = match config {
            None => TokioResolver::builder_tokio().unwrap_or_else(|_| {
                with_servers(&[SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53)])
            }),
            Some(servers) => with_servers(&servers),
        };
        let mut builder = builder;
        tune(builder.options_mut(), settings);
        let resolver = builder
            .build()
            .map_err(|e| NameError::Temporary(e.to_string()))?;
        Ok(Self { resolver })
    }
}

fn with_servers(servers: &[SocketAddr]) -> hickory_resolver::ResolverBuilder<TokioRuntimeProvider> {
    let servers = servers
        .iter()
        .map(|server| {
            let mut one = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut one.connections {
                connection.port = server.port();
            }
            one
        })
        .collect();
    TokioResolver::builder_with_config(
        ResolverConfig::from_name_servers(servers),
        TokioRuntimeProvider::default(),
    )
}

fn tune(options: &mut ResolverOpts, settings: &Dns) {
    options.timeout = settings.timeout;
    options.attempts = settings.attempts;
    options.cache_size = settings.cache_entries;
    options.negative_max_ttl = Some(NEGATIVE_TTL);
    options.ndots = 1;
}

#[async_trait]
impl Names for DnsNames {
    async fn mx(&self, domain: &str) -> Result<Vec<(u16, String)>, NameError> {
        match self.resolver.mx_lookup(full(domain)).await {
            Ok(found) => Ok(found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some((mx.preference, plain(&mx.exchange.to_ascii()))),
                    _ => None,
                })
                .collect()),
            Err(e) => nothing(&e),
        }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let (six, four) = tokio::join!(
            self.resolver.ipv6_lookup(full(host)),
            self.resolver.ipv4_lookup(full(host))
        );
        let mut all = Vec::new();
        let mut error = None;
        for found in [six, four] {
            match found {
                Ok(found) => all.extend(found.answers().iter().filter_map(|r| match &r.data {
                    RData::AAAA(a) => Some(IpAddr::V6(a.0)),
                    RData::A(a) => Some(IpAddr::V4(a.0)),
                    _ => None,
                })),
                Err(e) => {
                    if let Err(why) = nothing::<IpAddr>(&e) {
                        error = Some(why);
                    }
                }
            }
        }
        match error {
            // One family without an answer does no harm while the other has one.
            Some(why) if all.is_empty() => Err(why),
            _ => Ok(all),
        }
    }
}

/// Fully qualified, so that no search domain of the machine is appended.
fn full(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

/// Without the final dot; the root is empty.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn nothing<T>(error: &NetError) -> Result<Vec<T>, NameError> {
    if error.is_nx_domain() {
        Err(NameError::NoSuchName)
    } else if error.is_no_records_found() {
        Ok(Vec::new())
    } else {
        Err(NameError::Temporary(error.to_string()))
    }
}

/// A domain that was missing a moment ago may be there soon: the queue asks again.
const NEGATIVE_TTL: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests;
