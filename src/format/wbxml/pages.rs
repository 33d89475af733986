//! The code pages 0 to 25 as constants, and what a tag is called (MS-ASWBXML 2.1.2.1).
//!
//! Tags are told apart by (page, code), never by their name: `Status`, `Type` and `Data` exist many times. The tables also
//! say in which protocol versions a tag exists, as numbers: 121 is 12.1. What was last in 2.5 is there to be read.

mod items;
mod rest;
mod sync;

pub use items::*;
pub use rest::*;
pub use sync::*;

use super::Tag;

/// One line of a code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub tag: Tag,
    /// Its name.
    pub name: &'static str,
    /// The first protocol version with it; 0: since ever.
    pub since: u16,
    /// The last protocol version with it.
    pub until: u16,
}

/// A code page.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Its number.
    pub number: u8,
    /// Its name.
    pub name: &'static str,
    /// Its tags, ascending.
    pub entries: &'static [Entry],
}

/// All pages, by number.
pub const PAGES: [Page; 26] = [
    airsync::PAGE,
    contacts::PAGE,
    email::PAGE,
    airnotify::PAGE,
    calendar::PAGE,
    moves::PAGE,
    estimate::PAGE,
    folders::PAGE,
    meeting::PAGE,
    tasks::PAGE,
    resolve::PAGE,
    validate::PAGE,
    contacts2::PAGE,
    ping::PAGE,
    provision::PAGE,
    search::PAGE,
    gal::PAGE,
    base::PAGE,
    settings::PAGE,
    documents::PAGE,
    operations::PAGE,
    compose::PAGE,
    email2::PAGE,
    notes::PAGE,
    rights::PAGE,
    find::PAGE,
];

/// What the tables know of a tag; nothing for a page or code that they do not have.
#[must_use]
pub fn entry(tag: Tag) -> Option<&'static Entry> {
    let page: &'static Page = PAGES.get(usize::from(tag.page))?;
    let at = page
        .entries
        .binary_search_by_key(&tag.code, |entry| entry.tag.code)
        .ok()?;
    page.entries.get(at)
}

/// A tag's name, for logs and tests; `?` when it has none.
#[must_use]
pub fn name(tag: Tag) -> &'static str {
    entry(tag).map_or("?", |entry| entry.name)
}

macro_rules! table {
    ($($(#[$doc:meta])* $page:ident = $number:literal $title:literal {
        $($tag:ident = $code:literal $name:literal $(since $since:literal)? $(until $until:literal)?,)*
    })*) => {$(
        $(#[$doc])*
        pub mod $page {
            use crate::format::wbxml::Tag;
            use crate::format::wbxml::pages::{Entry, Page};

            $(
                #[doc = concat!("`", $name, "`")]
                pub const $tag: Tag = Tag { page: $number, code: $code };
            )*

            /// The whole page.
            pub const PAGE: Page = Page {
                number: $number,
                name: $title,
                entries: &[$(Entry {
                    tag: $tag,
                    name: $name,
                    since: 0 $(+ $since)?,
                    until: super::super::until!($($until)?),
                },)*],
            };
        }
    )*};
}

macro_rules! until {
    () => {
        u16::MAX
    };
    ($until:literal) => {
        $until
    };
}

use {table, until};
