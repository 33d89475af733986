//! The settings of ActiveSync (reference: MS-ASHTTP, MS-ASCMD; limits of `security.md` 2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::{duration, size};
use super::{ConfigError, minutes, secs, settings};

settings! {
    /// `[eas]`: phones over ActiveSync, on the addresses of `[web]`.
    pub struct Eas in "eas" {
        /// Protocol versions offered, ascending. Taking one away breaks the devices that use it.
        versions: Vec<String> = ["12.1", "14.0", "14.1"].map(str::to_owned).to_vec();
        /// The shortest wait of a Ping or Sync.
        #[serde(with = "duration")]
        heartbeat_min: Duration = secs(60), secs(1)..=minutes(10);
        /// The longest wait of a Ping or Sync; whatever stands in front of us must wait longer.
        #[serde(with = "duration")]
        heartbeat_max: Duration = secs(3_540), secs(60)..=secs(3_540);
        /// Folders of one Ping.
        ping_folders: usize = 200, 10..=1_000;
        /// Changes of one Sync answer when the device asks for none or for too many.
        window: u32 = 100, 10..=512;
        /// Octets of one Sync answer; a larger item goes alone.
        #[serde(with = "size")]
        answer_body: usize = 1_048_576, 65_536..=16_777_216;
        /// Octets of a request without a message in it.
        #[serde(with = "size")]
        request_body: usize = 10_485_760, 65_536..=104_857_600;
        /// Devices of one account.
        devices_per_account: u32 = 20, 1..=1_000;
    }
}

/// What is built; a version that is only half there is never offered.
const BUILT: [&str; 3] = ["12.1", "14.0", "14.1"];

impl Eas {
    /// Holds what the ranges cannot say.
    pub(super) fn check_versions(&self) -> Result<(), ConfigError> {
        let wrong = |why: &str| ConfigError::Contradiction {
            key: "eas.versions".to_owned(),
            why: why.to_owned(),
        };
        if let Some(unknown) = self.versions.iter().find(|v| !BUILT.contains(&v.as_str())) {
            return Err(wrong(&format!("{unknown} is none of {}", BUILT.join(", "))));
        }
        if self.versions.is_empty() || !self.versions.is_sorted_by(|a, b| a < b) {
            return Err(wrong("the versions must be named once each, ascending"));
        }
        if self.heartbeat_min > self.heartbeat_max {
            return Err(ConfigError::Contradiction {
                key: "eas.heartbeat_min".to_owned(),
                why: "is longer than eas.heartbeat_max".to_owned(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_that_are_built_are_offered_in_ascending_order() {
        let with = |versions: &[&str]| Eas {
            versions: versions.iter().map(|v| (*v).to_owned()).collect(),
            ..Eas::default()
        };
        assert!(Eas::default().check_versions().is_ok());
        assert!(with(&["14.1"]).check_versions().is_ok());
        for bad in [
            &[][..],
            &["14.1", "12.1"],
            &["14.1", "14.1"],
            &["16.1"],
            &["2.5"],
        ] {
            assert!(with(bad).check_versions().is_err(), "{bad:?}");
        }
    }
}
