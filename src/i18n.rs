//! The language tables (German, English) and how each language writes dates, sizes and numbers.
//!
//! Words live in `templates/lang/{de,en}/*.ftl` (Fluent), one file an area, built into the program. A page
//! asks `lang.t("inbox")` or `lang.t_args("count-messages", &[("n", 3.into())])`; plurals are decided in the
//! table. A test holds both tables to the same keys, and every key that a template or a source line names to
//! the tables.
//!
//! Names of special folders are stored by role and translated here; a user's own folder name never is.

pub mod dates;
pub mod numbers;

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;

use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::fluent_bundle::memoizer::MemoizerKind;
use fluent_templates::{LanguageIdentifier, Loader as _, langid, static_loader};
use serde::{Deserialize, Serialize};

pub use dates::Dates;
/// A value for a placeable of the table: an integer (grouped by rule, decides plurals) or a text.
pub use fluent_templates::fluent_bundle::FluentValue as Arg;

/// A language of the interface. German is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    #[default]
    De,
    En,
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::De, Self::En];

    /// The tag for `<html lang>` and for storing: `de` or `en`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }

    /// The language's name in itself.
    #[must_use]
    pub fn own_name(self) -> &'static str {
        match self {
            Self::De => "Deutsch",
            Self::En => "English",
        }
    }

    /// The best of our languages for an `Accept-Language` value (RFC 9110 12.5.4): highest weight first, the
    /// first named wins a tie; German when none of ours is named.
    #[must_use]
    pub fn from_accept_language(header: &str) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for item in header.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let Ok(lang) = parts.next().unwrap_or("").parse::<Self>() else {
                continue;
            };
            let weight = parts
                .find_map(|p| p.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if weight > 0.0 && best.is_none_or(|(than, _)| weight > than) {
                best = Some((weight, lang));
            }
        }
        best.map_or(Self::default(), |(_, lang)| lang)
    }

    /// The word for `key`. A key that is in no table (a test prevents that) comes back as it is.
    #[must_use]
    pub fn t(self, key: &str) -> String {
        TABLES.try_lookup(self.id(), key).unwrap_or_else(|| {
            debug_assert!(false, "no word for {key}");
            key.to_owned()
        })
    }

    /// The word for `key` with its placeables filled.
    #[must_use]
    pub fn t_args(self, key: &str, args: &[(&'static str, Arg<'_>)]) -> String {
        let args: HashMap<Cow<'static, str>, FluentValue<'_>> = args
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), value.clone()))
            .collect();
        TABLES
            .try_lookup_with_args(self.id(), key, &args)
            .unwrap_or_else(|| {
                debug_assert!(false, "no word for {key}");
                key.to_owned()
            })
    }

    /// `lang.t_args(key, [("n", n)])`, which is what most templates need.
    #[must_use]
    pub fn t_n(self, key: &str, n: impl Count) -> String {
        self.t_args(key, &[("n", n.count().into())])
    }

    /// True when the table of this language has `key`.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        TABLES.try_lookup(self.id(), key).is_some()
    }

    fn id(self) -> &'static LanguageIdentifier {
        match self {
            Self::De => &DE,
            Self::En => &EN,
        }
    }
}

/// A number of things: any integer, or (as templates pass them) a reference to one.
pub trait Count {
    /// The number, at the ends of `i64` when it is beyond them.
    fn count(&self) -> i64;
}

macro_rules! count {
    ($($int:ty),*) => {$(
        impl Count for $int {
            fn count(&self) -> i64 {
                i64::try_from(*self).unwrap_or(i64::MAX)
            }
        }
    )*};
}
count!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl<T: Count + ?Sized> Count for &T {
    fn count(&self) -> i64 {
        (**self).count()
    }
}

/// Not one of our languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a language of this program")]
pub struct NoSuchLang;

impl FromStr for Lang {
    type Err = NoSuchLang;

    /// Reads a language tag by its primary part, in any case: `de`, `de-AT`, `EN_us`.
    fn from_str(tag: &str) -> Result<Self, NoSuchLang> {
        let primary = tag.split(['-', '_']).next().unwrap_or("");
        Self::ALL
            .into_iter()
            .find(|lang| primary.eq_ignore_ascii_case(lang.as_str()))
            .ok_or(NoSuchLang)
    }
}

impl std::fmt::Display for Lang {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

static DE: LanguageIdentifier = langid!("de");
static EN: LanguageIdentifier = langid!("en");

static_loader! {
    static TABLES = {
        locales: "./templates/lang",
        fallback_language: "de",
        // No direction marks around values (both languages run left to right and the values are escaped
        // text), and integers are grouped as everywhere else.
        customise: |bundle| {
            bundle.set_use_isolating(false);
            bundle.set_formatter(Some(group_integers));
        },
    };
}

fn group_integers<M: MemoizerKind>(value: &FluentValue<'_>, _: &M) -> Option<String> {
    match value {
        FluentValue::Number(n) if n.value.fract() == 0.0 => {
            Some(numbers::group(&format!("{:.0}", n.value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_plurals_and_grouped_numbers() {
        assert_eq!(Lang::De.t("inbox"), "Posteingang");
        assert_eq!(Lang::En.t("inbox"), "Inbox");
        assert_eq!(Lang::De.t_n("count-messages", 1), "1 Nachricht");
        assert_eq!(
            Lang::De.t_n("count-messages", 1284),
            "1\u{202f}284 Nachrichten"
        );
        assert_eq!(Lang::En.t_n("count-messages", 0), "0 messages");
        assert_eq!(
            Lang::En.t_args(
                "quota-used",
                &[("used", "1 GB".into()), ("limit", "5 GB".into())]
            ),
            "1 GB of 5 GB used"
        );
    }

    #[test]
    fn accept_language_is_weighed() {
        let pick = Lang::from_accept_language;
        assert_eq!(pick(""), Lang::De);
        assert_eq!(pick("en-GB,en;q=0.9,de;q=0.8"), Lang::En);
        assert_eq!(pick("fr, de-CH;q=0.3, en;q=0.2"), Lang::De);
        assert_eq!(pick("de;q=0, en;q=0.1"), Lang::En);
        assert_eq!(pick("de,en"), Lang::De);
        assert_eq!(pick("*"), Lang::De);
        assert_eq!(pick("en;q=x"), Lang::De);
    }

    #[test]
    fn tags_are_read_by_their_primary_part() {
        assert_eq!("DE-at".parse(), Ok(Lang::De));
        assert_eq!("en_US".parse(), Ok(Lang::En));
        assert_eq!("".parse::<Lang>(), Err(NoSuchLang));
        assert_eq!("eng".parse::<Lang>(), Err(NoSuchLang));
        assert_eq!(serde_json::to_string(&Lang::En).unwrap(), "\"en\"");
    }
}
