//! `[dav]`: calendars and address books over HTTP (`security.md` 2, "HTTP").

use serde::{Deserialize, Serialize};

use super::settings;
use super::value::size;

settings! {
    /// `[dav]`: `CalDAV` and `CardDAV`. Addresses, times and connection limits are those of `[web]`.
    pub struct Dav in "dav" {
        /// Whether `/SOGo/dav/` answers too, in `SOGo`'s address shape, so that clients of a host that moved here go on as
        /// they were set up.
        sogo_alias: bool = true;
        /// Octets of an XML body.
        #[serde(with = "size")]
        xml_body: usize = 4_194_304, 65_536..=16_777_216;
        /// Elements inside each other.
        xml_depth: usize = 32, 16..=64;
        /// Elements of a body.
        xml_elements: usize = 50_000, 1_000..=1_000_000;
        /// Attributes of one element.
        xml_attributes: usize = 64, 16..=1_000;
        /// Addresses in one multiget; for those beyond them the answer says 507.
        hrefs: usize = 1_000, 10..=10_000;
    }
}
