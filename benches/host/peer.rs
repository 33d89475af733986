//! Whom to measure beside us, as `BENCH_PEER` names it.

use std::net::SocketAddr;

use serde::Deserialize;

use super::mail::Target;

/// A server that takes mail for `u0001` and so on.
pub struct Peer {
    pub name: String,
    pub target: Target,
    pattern: String,
}

#[derive(Deserialize)]
struct File {
    name: String,
    ingest: Ingest,
    users: Users,
}

#[derive(Deserialize)]
struct Ingest {
    protocol: String,
    host: String,
    port: u16,
    #[serde(default)]
    starttls: bool,
}

#[derive(Deserialize)]
struct Users {
    pattern: String,
}

impl Peer {
    /// The peer, if one is named.
    pub fn from_environment() -> Option<Self> {
        let path = std::env::var("BENCH_PEER").ok().filter(|p| !p.is_empty())?;
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("BENCH_PEER {path}: {error}"));
        let file: File =
            toml::from_str(&text).unwrap_or_else(|error| panic!("BENCH_PEER {path}: {error}"));
        let address: SocketAddr = format!("{}:{}", file.ingest.host, file.ingest.port)
            .parse()
            .unwrap_or_else(|error| {
                panic!("BENCH_PEER {path}: ingest.host is no address: {error}")
            });
        Some(Self {
            name: format!("{} by {}", file.name, file.ingest.protocol),
            target: Target {
                address,
                is_lmtp: file.ingest.protocol == "lmtp",
                starts_tls: file.ingest.starttls,
            },
            pattern: file.users.pattern,
        })
    }

    /// The address of user `n`: the pattern's `{n:04d}` or `{n}` filled in.
    pub fn address(&self, n: usize) -> String {
        self.pattern
            .replace("{n:04d}", &format!("{n:04}"))
            .replace("{n}", &n.to_string())
    }
}
