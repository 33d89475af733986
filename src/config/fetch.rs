//! Settings of the one guarded fetcher (`security.md` 7): what lies at an address that content or a user named.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::{duration, size};
use super::{secs, settings};

settings! {
    /// `[fetch]`: remote pictures after consent, subscriptions, imports. Only addresses of the public net, ports 80 and 443.
    pub struct Fetch in "fetch" {
        /// Octets of an answer, decoded.
        #[serde(with = "size")]
        body: usize = 5_242_880, 65_536..=52_428_800;
        /// Time for one address with all its redirects.
        #[serde(with = "duration")]
        timeout: Duration = secs(10), secs(1)..=secs(60);
        /// Redirects that are followed; each one is checked like the first address.
        redirects: usize = 3, 0..=10;
        /// Fetches at work in this process; more wait.
        at_once: usize = 32, 1..=1_000;
        /// Pictures that are decoded at the same time.
        decoders: usize = 2, 1..=64;
        /// Pixels of a picture; one of more is not shown. Decoding takes four octets for each.
        pixels: u32 = 24_000_000, 1_000_000..=200_000_000;
        /// Addresses of one's own network, with their port, that may be fetched all the same. For trials and for a host
        /// whose own pictures lie inside.
        allow: Vec<SocketAddr> = Vec::new();
    }
}
