//! `[password]` and `[lock]`: how passwords are kept, tried and refused (`security.md` 3, 4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::{duration, size};
use super::{days, hours, minutes, secs, settings};

settings! {
    /// `[password]`: rules for passwords and the cost of trying one.
    pub struct Password in "password" {
        /// Argon2id memory in KiB; about 40 ms on a small machine. Raise it where a try takes under 30 ms.
        memory_kib: u32 = 47_104, 19_456..=1_048_576;
        /// Argon2id passes.
        passes: u32 = 1, 1..=16;
        /// Argon2id lanes.
        lanes: u32 = 1, 1..=16;
        /// Verifications at one time; 0 is as many as cores. Each takes `memory_kib`.
        at_once: usize = 0, 0..=1_024;
        /// Verifications that may wait; more are told to try later.
        queue: usize = 200, 1..=100_000;
        /// How long one waits before it is told to try later.
        #[serde(with = "duration")]
        wait: Duration = secs(5), secs(1)..=secs(60);
        /// How long a right login is remembered in memory, so that clients which log in each minute cost no Argon2.
        #[serde(with = "duration")]
        remembered: Duration = minutes(10), secs(0)..=hours(1);
        /// Characters a new password needs.
        characters: usize = 10, 8..=64;
        /// Octets a password may have after normalisation.
        #[serde(with = "size")]
        octets: usize = 256, 64..=1_024;
        /// Strength a new password needs, by zxcvbn's scale of 0 to 4.
        score: u8 = 3, 2..=4;
        /// How long the previous password, sent by a mail client, is refused without being counted.
        #[serde(with = "duration")]
        previous_kept: Duration = days(30), secs(0)..=days(90);
    }
}

settings! {
    /// `[lock]`: the lock after wrong passwords. Nobody lifts it early; these are the only words about it.
    pub struct Lock in "lock" {
        /// Wrong passwords that lock.
        failures: u32 = 5, 1..=100;
        /// Minutes a lock lasts, and minutes within which the failures count.
        minutes: u32 = 60, 1..=10_080;
        /// Whether the owner's known devices go on while all others are locked out.
        spares_known_devices: bool = true;
        /// Wrong passwords of one source, over all accounts, that lock the source.
        source_failures: u32 = 20, 1..=100_000;
        /// Different names a source must have tried for that.
        source_names: u32 = 5, 1..=10_000;
        /// The same limit for a source from which several accounts log in rightly (an office behind one address).
        office_failures: u32 = 100, 1..=1_000_000;
        /// Different accounts with right logins within seven days that make an office.
        office_accounts: u32 = 3, 1..=1_000;
        /// How long a device is known after a right login.
        #[serde(with = "duration")]
        device_known: Duration = days(30), days(1)..=days(365);
        /// Known sources kept for one account.
        devices_kept: u32 = 20, 1..=1_000;
    }
}
