//! What every page has around its content: [`Layout`] for the signed-in frame, [`Bare`] for pages without it.
//!
//! A page template begins with `{% extends "layout/app.html" %}` (or `bare.html`, `print.html`) and its struct
//! has a field `layout` of the type named here; words come from `layout.lang`. The blocks to fill are listed at
//! the top of each layout. Shared pieces are macros: `{% import "ui/_macros.html" as ui %}`, then
//! `{{ ui::icon("archive") }}`, `{{ ui::token(layout.csrf) }}`.
//!
//! The frame's own forms post to two addresses, which work without JavaScript:
//!
//! | form | address | fields |
//! | --- | --- | --- |
//! | theme, language | `POST /settings/quick` | `_t`, `back` (a path), and `theme` or `lang` |
//! | sign out | `POST /logout` | `_t` |
//! | undo in a flash message | `POST /undo/{token}` | `_t`, `back` |

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::i18n::Lang;

/// The frame of a signed-in page.
#[derive(Clone, Debug)]
pub struct Layout {
    pub lang: Lang,
    pub look: Look,
    /// The page's own name; the browser's title adds the unread count and the program's name.
    pub title: String,
    /// The session's token for forms (`_t`) and scripts (`X-CSRF-Token`).
    pub csrf: String,
    pub who: Who,
    /// The area this page belongs to, marked in the rail.
    pub area: Area,
    /// The areas that exist for this user, in order; only these are shown.
    pub modules: Vec<Module>,
    pub quota: Quota,
    pub banners: Vec<Banner>,
    /// What the last write said, after a redirect.
    pub toast: Option<Toast>,
    /// The account's messages on their way out.
    pub outbox: i64,
    pub search: Search,
    /// This page's own path and query, for forms that come back here.
    pub path: String,
    /// The element the skip link leads to.
    pub skip_to: &'static str,
    pub client: Client,
}

impl Layout {
    /// A frame with the modules every user has; the caller fills in what differs.
    #[must_use]
    pub fn new(lang: Lang, who: Who, csrf: String, area: Area, title: String) -> Self {
        Self {
            lang,
            look: Look::default(),
            title,
            csrf,
            who,
            area,
            modules: vec![Module::new(Area::Mail), Module::new(Area::Settings)],
            quota: Quota::default(),
            banners: Vec::new(),
            toast: None,
            outbox: 0,
            search: Search::mail(lang),
            path: area.href().to_owned(),
            skip_to: if area == Area::Mail { "list" } else { "main" },
            client: Client::default(),
        }
    }

    /// The number on the mail module, which also stands in the browser's title.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.modules
            .iter()
            .find(|m| m.area == Area::Mail)
            .map_or(0, |m| m.badge)
    }

    /// `(12) Posteingang – Postamt`.
    #[must_use]
    pub fn head_title(&self) -> String {
        let mut out = String::new();
        if self.unread() > 0 {
            // Writing to a String cannot fail.
            let _ = write!(out, "({}) ", self.unread());
        }
        if !self.title.is_empty() {
            out.push_str(&self.title);
            out.push_str(" – ");
        }
        out.push_str(&self.lang.t("app-name"));
        out
    }

    /// Modules in the upper part of the rail.
    pub fn upper(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|m| !m.area.is_low())
    }

    /// Modules at the foot of the rail: administration and settings.
    pub fn lower(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|m| m.area.is_low())
    }

    /// The text of `<template id="page-data">`: what the scripts need to know, at most 3 KB.
    #[must_use]
    pub fn data(&self) -> String {
        let words: &serde_json::Value = match self.lang {
            Lang::De => &WORDS_DE,
            Lang::En => &WORDS_EN,
        };
        json!({
            "lang": self.lang,
            "csrf": self.csrf,
            "area": self.area.as_str(),
            "address": self.who.address,
            "client": self.client,
            "t": words,
        })
        .to_string()
    }
}

/// A page without the frame: sign-in, first password, errors, printing.
#[derive(Clone, Debug)]
pub struct Bare {
    pub lang: Lang,
    pub look: Look,
    pub title: String,
    pub csrf: String,
    /// The name of this mail host, so that people see where they are.
    pub host: String,
    /// The page's own path, to which the language links add `?lang=`.
    pub path: String,
    /// Addresses of imprint and privacy pages, when the operator has set them.
    pub imprint: Option<String>,
    pub privacy: Option<String>,
}

impl Bare {
    /// `Anmelden – Postamt`.
    #[must_use]
    pub fn head_title(&self) -> String {
        format!("{} – {}", self.title, self.lang.t("app-name"))
    }
}

/// How the reader wants it to look; written on `<html>` so that nothing flashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    pub theme: Theme,
    pub density: Density,
    pub font: Font,
    pub reader: Reader,
}

/// Gives an enum its stored and printed spelling, used in attributes, forms and the database.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $first:ident = $first_text:literal, $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            #[default]
            #[serde(rename = $first_text)]
            $first,
            $(#[serde(rename = $text)] $variant),*
        }

        impl $name {
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant),*];

            /// The spelling in attributes, forms and the database.
            #[must_use]
            pub fn as_str(&self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text),*
                }
            }

            /// Reads that spelling; anything else is the default.
            #[must_use]
            pub fn parse(text: &str) -> Self {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).unwrap_or_default()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

spelled!(
    /// Light or dark; `system` follows the device.
    Theme { System = "system", Light = "light", Dark = "dark" }
);
spelled!(
    /// Height of a list row: three lines, two, one.
    Density { Komfortabel = "komfortabel", Normal = "normal", Kompakt = "kompakt" }
);
spelled!(
    /// Inter, or whatever the system uses.
    Font { Inter = "inter", System = "system" }
);
spelled!(
    /// Where an opened message is shown beside the list.
    Reader { Right = "right", Below = "below", Off = "off" }
);
spelled!(
    /// Keyboard shortcuts (WCAG 2.1.4): everywhere, only inside lists, not at all.
    Keys { On = "on", Lists = "lists", Off = "off" }
);
spelled!(
    /// What is opened after archiving or deleting the open message.
    After { Older = "older", Newer = "newer", List = "list" }
);
spelled!(
    /// A part of the program with a place in the rail.
    Area {
        Mail = "mail",
        Calendar = "calendar",
        Contacts = "contacts",
        Tasks = "tasks",
        Admin = "admin",
        Settings = "settings",
    }
);

impl Area {
    /// Where the area begins.
    #[must_use]
    pub fn href(self) -> &'static str {
        match self {
            Self::Mail => "/mail/inbox",
            Self::Calendar => "/calendar",
            Self::Contacts => "/contacts",
            Self::Tasks => "/tasks",
            Self::Admin => "/admin",
            Self::Settings => "/settings",
        }
    }

    /// Its drawing in the sprite.
    #[must_use]
    pub fn icon(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Calendar => "cal",
            Self::Contacts => "users",
            Self::Tasks => "task",
            Self::Admin => "admin",
            Self::Settings => "gear",
        }
    }

    /// Its name.
    #[must_use]
    pub fn label(self, lang: &Lang) -> String {
        match self {
            Self::Mail => lang.t("module-mail"),
            Self::Calendar => lang.t("module-calendar"),
            Self::Contacts => lang.t("module-contacts"),
            Self::Tasks => lang.t("module-tasks"),
            Self::Admin => lang.t("module-admin"),
            Self::Settings => lang.t("module-settings"),
        }
    }

    /// Its name where there is little room.
    #[must_use]
    pub fn short_label(self, lang: &Lang) -> String {
        match self {
            Self::Settings => lang.t("module-settings-short"),
            other => other.label(lang),
        }
    }

    fn is_low(self) -> bool {
        matches!(self, Self::Admin | Self::Settings)
    }
}

/// An area in the rail, with a number on it (0: none).
#[derive(Clone, Debug)]
pub struct Module {
    pub area: Area,
    pub href: String,
    pub badge: u64,
}

impl Module {
    #[must_use]
    pub fn new(area: Area) -> Self {
        Self {
            area,
            href: area.href().to_owned(),
            badge: 0,
        }
    }

    /// The number as the rail has room for it: `7`, `99+`.
    #[must_use]
    pub fn badge_text(&self) -> String {
        if self.badge > 99 {
            "99+".to_owned()
        } else {
            self.badge.to_string()
        }
    }
}

/// The signed-in person.
#[derive(Clone, Debug, Default)]
pub struct Who {
    pub name: String,
    pub address: String,
    pub initials: String,
    pub hue: u8,
}

impl Who {
    /// Without a name, the address stands in.
    #[must_use]
    pub fn new(name: &str, address: &str) -> Self {
        let name = if name.trim().is_empty() {
            address
        } else {
            name
        };
        Self {
            name: name.to_owned(),
            address: address.to_owned(),
            initials: initials(name),
            hue: hue(address),
        }
    }
}

/// One or two letters for the round picture of `name` (or of an address): first and last word.
#[must_use]
pub fn initials(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let mut letters = name
        .split(|c: char| c.is_whitespace() || matches!(c, '.' | '_' | '-' | '+' | ',' | '/'))
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let first = letters.next();
    let last = letters.next_back();
    let found: String = [first, last]
        .into_iter()
        .flatten()
        .flat_map(char::to_uppercase)
        .collect();
    if found.is_empty() {
        "?".to_owned()
    } else {
        found
    }
}

/// The hue (1 to 8) of an address, the same on every page and every node.
#[must_use]
pub fn hue(address: &str) -> u8 {
    // FNV-1a: short, stable between versions (std's hasher promises neither).
    let hash = address
        .bytes()
        .map(|b| b.to_ascii_lowercase())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // A remainder of 8 always fits.
    u8::try_from((hash >> 32) % 8).unwrap_or(0) + 1
}

/// Use of the account's storage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quota {
    pub used_bytes: u64,
    pub limit_bytes: u64,
}

impl Quota {
    /// 0 to 100; an account without a limit is never full.
    #[must_use]
    pub fn percent(&self) -> u64 {
        if self.limit_bytes == 0 {
            return 0;
        }
        let share = u128::from(self.used_bytes) * 100 / u128::from(self.limit_bytes);
        u64::try_from(share).unwrap_or(100).min(100)
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limit_bytes > 0 && self.used_bytes >= self.limit_bytes
    }

    /// The class of the meter: nothing, `w` from 90 %, `r` when full.
    #[must_use]
    pub fn level(&self) -> &'static str {
        match () {
            () if self.is_full() => "r",
            () if self.percent() >= 90 => "w",
            () => "",
        }
    }

    /// `3,2 GB von 5 GB belegt`.
    #[must_use]
    pub fn text(&self, lang: &Lang) -> String {
        lang.t_args(
            "quota-used",
            &[
                ("used", lang.size(self.used_bytes).into()),
                ("limit", lang.size(self.limit_bytes).into()),
            ],
        )
    }

    /// The banner this use calls for, if any.
    #[must_use]
    pub fn banner(&self, lang: Lang) -> Option<Banner> {
        let action = Some(("/settings/storage".to_owned(), lang.t("quota-manage")));
        if self.is_full() {
            return Some(Banner {
                id: None,
                tone: Tone::Danger,
                icon: "quota",
                text: lang.t("over-quota"),
                action,
            });
        }
        (self.percent() >= 90).then(|| Banner {
            id: Some("quota".to_owned()),
            tone: Tone::Warn,
            icon: "quota",
            text: lang.t_args(
                "quota-nearly",
                &[(
                    "percent",
                    i64::try_from(self.percent()).unwrap_or(100).into(),
                )],
            ),
            action,
        })
    }
}

/// How a banner or a toast is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Neutral,
    Warn,
    Danger,
    Ok,
}

impl Tone {
    /// The class that colours it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Neutral => "",
            Self::Warn => "w",
            Self::Danger => "r",
            Self::Ok => "g",
        }
    }
}

/// One line across the page, most important first.
#[derive(Clone, Debug)]
pub struct Banner {
    /// Set: the reader may put it away, and a script remembers that under this name for the session.
    pub id: Option<String>,
    pub tone: Tone,
    pub icon: &'static str,
    pub text: String,
    /// Address and label of a link.
    pub action: Option<(String, String)>,
}

/// What a write said: a short line at the foot, with "undo" while it can be taken back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Toast {
    pub text: String,
    #[serde(default)]
    pub danger: bool,
    /// Token of `POST /undo/{token}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

impl Toast {
    /// The value of `HX-Trigger` that shows this toast in a page that is already there.
    #[must_use]
    pub fn trigger(&self) -> String {
        header_json(&json!({ "toast": self }))
    }
}

/// JSON as a header may carry it.
#[must_use]
pub fn header_json(value: &serde_json::Value) -> String {
    // Header values are ASCII: everything else is written as \uXXXX.
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// The search field of the top bar: a plain `GET` form with `q`.
#[derive(Clone, Debug)]
pub struct Search {
    pub action: String,
    pub placeholder: String,
    pub value: String,
    /// Further fields to send along, such as `in`.
    pub hidden: Vec<(String, String)>,
}

impl Search {
    #[must_use]
    pub fn mail(lang: Lang) -> Self {
        Self {
            action: "/mail/search".to_owned(),
            placeholder: lang.t("search-mail"),
            value: String::new(),
            hidden: Vec::new(),
        }
    }

    #[must_use]
    pub fn settings(lang: Lang) -> Self {
        Self {
            action: "/settings/search".to_owned(),
            placeholder: lang.t("search-settings"),
            value: String::new(),
            hidden: Vec::new(),
        }
    }
}

/// What the scripts are told about the user's settings.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    pub keys: Keys,
    /// Milliseconds until an opened message counts as read; `null`: never by itself.
    #[serde(rename = "markRead")]
    pub mark_read_ms: Option<u32>,
    /// Seconds a sent message can be called back.
    #[serde(rename = "undoSend")]
    pub undo_send_s: u32,
    pub after: After,
    /// Ask when a text speaks of an attachment and there is none.
    #[serde(rename = "remind")]
    pub attachment_reminder: bool,
    /// The newest change the page shows; the event stream goes on from here.
    pub modseq: i64,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            keys: Keys::On,
            mark_read_ms: Some(2000),
            undo_send_s: 10,
            after: After::Older,
            attachment_reminder: true,
            modseq: 0,
        }
    }
}

/// The words scripts say by themselves. Everything else comes from the server as HTML.
pub const SCRIPT_WORDS: &[&str] = &[
    "js-undo",
    "js-retry",
    "js-failed",
    "js-yes",
    "js-cancel",
    "js-open",
    "js-send",
    "js-send-now",
    "js-sign-in",
    "js-sign-out",
    "js-over",
    "js-over-text",
    "js-offline",
    "js-selected",
    "js-unread",
    "js-unread-n",
    "js-new-one",
    "js-new",
    "js-prefs",
    "js-reload",
    "js-send-failed",
    "js-palette",
    "js-keys",
    "js-key-move",
    "js-key-open",
    "js-key-select",
    "js-key-archive",
    "js-key-delete",
    "js-key-junk",
    "js-key-star",
    "js-key-read",
    "js-key-search",
    "js-bad-address",
    "js-pill-hint",
    "js-uploading",
    "js-still-uploading",
    "js-drop",
    "js-kept-local",
    "js-docks-full",
    "js-draft-both",
    "js-draft-elsewhere",
    "js-no-recipient",
    "js-no-subject",
    "js-no-attachment",
    "js-many",
    "js-plain-ask",
    "js-link",
    "js-found-local",
    "js-copied",
    "js-grip",
    "js-unsent",
];

fn words(lang: Lang) -> serde_json::Value {
    SCRIPT_WORDS
        .iter()
        .map(|key| {
            let short = key.strip_prefix("js-").unwrap_or(key);
            (short.to_owned(), lang.t(key).into())
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

static WORDS_DE: LazyLock<serde_json::Value> = LazyLock::new(|| words(Lang::De));
static WORDS_EN: LazyLock<serde_json::Value> = LazyLock::new(|| words(Lang::En));

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
