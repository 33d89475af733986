//! The kinds of value a setting can hold beside numbers and words: times, sizes, networks, secrets.
//!
//! Times are written `"300s"`, `"30min"`, `"12h"`, `"5d"` or as whole seconds; sizes `"50MB"`, `"5G"` or as octets.
//! Size suffixes count in 1024, as the competitors of this trade do (`5G` of quota is 5 GiB).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// What a file may hold where a time or a size is expected.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

/// Serde's door for [`std::time::Duration`]; use as `#[serde(with = "duration")]`.
pub mod duration {
    use super::{Deserialize, Deserializer, NumberOrText, Serializer, de, parse_duration};
    use std::time::Duration;

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if value.subsec_millis() == 0 {
            serializer.serialize_str(&format!("{}s", value.as_secs()))
        } else {
            serializer.serialize_str(&format!("{}ms", value.as_millis()))
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(seconds) => Ok(Duration::from_secs(seconds)),
            NumberOrText::Text(text) => parse_duration(&text).map_err(de::Error::custom),
        }
    }
}

/// Serde's door for sizes in octets; use as `#[serde(with = "size")]` on `u64` and `usize`.
pub mod size {
    use super::{Deserialize, Deserializer, NumberOrText, Serialize, Serializer, de, parse_size};

    pub(in crate::config) fn serialize<S: Serializer, T: Serialize>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let octets = match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(octets) => octets,
            NumberOrText::Text(text) => parse_size(&text).map_err(de::Error::custom)?,
        };
        T::try_from(octets).map_err(|_| de::Error::custom("this size is too large"))
    }
}

/// A text of the operator that is no value of its kind; says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {kind}; write it like {example}")]
pub struct BadValue {
    given: String,
    kind: &'static str,
    example: &'static str,
}

/// Reads `"300s"`, `"30 min"`, `"12h"`, `"5d"`, `"250ms"` or bare seconds.
///
/// # Errors
/// [`BadValue`] when the text is none of these.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, BadValue> {
    let bad = || BadValue {
        given: text.to_owned(),
        kind: "span of time",
        example: "300s, 30min, 12h or 5d",
    };
    let (number, unit) = split_unit(text).ok_or_else(bad)?;
    let per_unit = match unit {
        "ms" => return Ok(std::time::Duration::from_millis(number)),
        "" | "s" | "sec" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let seconds = number.checked_mul(per_unit).ok_or_else(bad)?;
    Ok(std::time::Duration::from_secs(seconds))
}

/// Reads `"50MB"`, `"5G"`, `"256 KiB"` or bare octets; every suffix counts in 1024.
///
/// # Errors
/// [`BadValue`] when the text is none of these.
pub fn parse_size(text: &str) -> Result<u64, BadValue> {
    let bad = || BadValue {
        given: text.to_owned(),
        kind: "size",
        example: "256K, 50MB or 5G",
    };
    let (number, unit) = split_unit(text).ok_or_else(bad)?;
    let unit = unit.to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(bad()),
    };
    number.checked_mul(1 << shift).ok_or_else(bad)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// A network as `192.0.2.0/24` or `2001:db8::/32`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies inside; an IPv4 address in its IPv6 form counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (width, base, address) = match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => (
                32,
                u128::from(base.to_bits()),
                u128::from(address.to_bits()),
            ),
            (IpAddr::V6(base), IpAddr::V6(address)) => (128, base.to_bits(), address.to_bits()),
            _ => return false,
        };
        let host_bits = width - u32::from(self.prefix);
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        base & mask == address & mask
    }
}

impl FromStr for Network {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = || BadValue {
            given: text.to_owned(),
            kind: "network",
            example: "192.0.2.0/24 or 2001:db8::1",
        };
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.trim().parse().map_err(|_| bad())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.trim().parse().map_err(|_| bad())?,
            None => width,
        };
        if prefix > width {
            return Err(bad());
        }
        Ok(Self { base, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A setting that must not be printed: `Debug` and `Serialize` show nothing of it, and it is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("…")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_read_in_every_unit() {
        for (text, seconds) in [
            ("300", 300),
            ("300s", 300),
            ("30 min", 1_800),
            ("12h", 43_200),
            ("5d", 432_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in [
            "",
            "s",
            "-1s",
            "1.5h",
            "10 years",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_count_in_1024() {
        for (text, octets) in [
            ("0", 0),
            ("512", 512),
            ("256K", 262_144),
            ("50MB", 52_428_800),
            ("5 GiB", 5 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(octets), "{text}");
        }
        for text in ["", "MB", "5X", "-5G", "1.5G", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_hold_what_lies_inside() {
        let inside = |net: &str, addr: &str| {
            net.parse::<Network>()
                .unwrap()
                .contains(addr.parse().unwrap())
        };
        assert!(inside("192.0.2.0/24", "192.0.2.255"));
        assert!(inside("192.0.2.0/24", "::ffff:192.0.2.7"));
        assert!(!inside("192.0.2.0/24", "192.0.3.0"));
        assert!(inside("0.0.0.0/0", "203.0.113.9"));
        assert!(inside("::/0", "2001:db8::1"));
        assert!(!inside("::/0", "192.0.2.1"));
        assert!(inside("2001:db8::1", "2001:db8::1"));
        assert!(!inside("2001:db8::1", "2001:db8::2"));
        for text in [
            "",
            "192.0.2.0/33",
            "2001:db8::/129",
            "net/8",
            "192.0.2.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_prints_nothing() {
        assert_eq!(
            format!("{:?}", Secret::new("hunter2".to_owned())),
            "Secret(…)"
        );
    }
}
