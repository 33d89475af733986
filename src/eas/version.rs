//! Protocol versions, ordered.

use std::fmt;

/// A protocol version as ten times its number: 121 is 12.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u16);

impl Version {
    /// 12.1
    pub const V12_1: Self = Self(121);
    /// 14.0
    pub const V14_0: Self = Self(140);
    /// 14.1
    pub const V14_1: Self = Self(141);

    const ALL: [Self; 3] = [Self::V12_1, Self::V14_0, Self::V14_1];

    /// Of the packed query.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.0 == number)
    }

    /// Of the header: `14.1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
    }

    /// From 14.0 on, verdicts are told inside a good HTTP answer; before, by its code.
    #[must_use]
    pub fn tells_in_band(self) -> bool {
        self >= Self::V14_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}
