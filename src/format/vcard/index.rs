//! What the row of a card keeps beside its bytes.

use serde::{Deserialize, Serialize};

use super::card::{Card, Line};
use crate::format::mime::SearchText;
use crate::format::words::{Field, of_fields};

/// What a card stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardKind {
    /// One person.
    #[default]
    Individual,
    /// A distribution list: `KIND:group` or Apple's `X-ADDRESSBOOKSERVER-KIND`.
    Group,
    /// An organisation: `KIND:org` or Apple's `X-ABShowAs:COMPANY`.
    Org,
    /// A place.
    Location,
}

/// A number or address with what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Labelled {
    /// As written.
    pub value: String,
    /// TYPE words in lower case (`home`, `cell`), or the writer's own label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// Rarer facts of a card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardFacts {
    /// What it stands for.
    pub kind: CardKind,
    /// Family name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub family: String,
    /// Given name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub given: String,
    /// Organisation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub org: String,
    /// Mail addresses, the preferred first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mails: Vec<Labelled>,
    /// Phone numbers, the preferred first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<Labelled>,
    /// `BDAY` as written (`1985-04-12`, `--0412`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birthday: Option<String>,
    /// `CATEGORIES`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// UIDs or addresses of a list's members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// It has a picture.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub photo: bool,
}

/// The columns of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardIndex {
    /// Its UID, when it has one.
    pub uid: Option<String>,
    /// The name it is shown by.
    pub summary: String,
    /// The rest.
    pub facts: CardFacts,
    /// For search.
    pub search: SearchText,
}

/// Most of each list that is indexed; the bytes keep them all.
const MAX_LISTED: usize = 100;
/// Members of a list that are indexed.
const MAX_MEMBERS: usize = 1_000;
/// Characters of one indexed text.
const MAX_SHORT: usize = 300;

/// Indexes a card.
#[must_use]
pub fn index_card(card: &Card<'_>) -> CardIndex {
    let facts = facts(card);
    let full = card.text("FN").map(|t| short(&t)).unwrap_or_default();
    let summary = [
        full,
        short(format!("{} {}", facts.given, facts.family).trim()),
        facts.org.clone(),
        facts
            .mails
            .first()
            .map(|m| m.value.clone())
            .unwrap_or_default(),
        facts
            .phones
            .first()
            .map(|p| p.value.clone())
            .unwrap_or_default(),
    ]
    .into_iter()
    .find(|s| !s.is_empty())
    .unwrap_or_default();
    CardIndex {
        uid: card.text("UID").map(|u| u.trim().to_owned()),
        summary,
        search: words(card, &facts),
        facts,
    }
}

fn short(text: &str) -> String {
    text.trim()
        .chars()
        .take(MAX_SHORT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn facts(card: &Card<'_>) -> CardFacts {
    let name = card.first("N").map(Line::structure).unwrap_or_default();
    let part = |n: usize| {
        name.get(n)
            .map(|values| short(&values.join(" ")))
            .unwrap_or_default()
    };
    let kind = match card
        .text("KIND")
        .or_else(|| card.text("X-ADDRESSBOOKSERVER-KIND"))
        .unwrap_or_default()
        .to_ascii_lowercase()
        .as_str()
    {
        "group" => CardKind::Group,
        "org" => CardKind::Org,
        "location" => CardKind::Location,
        _ if card
            .text("X-ABShowAs")
            .is_some_and(|s| s.eq_ignore_ascii_case("COMPANY")) =>
        {
            CardKind::Org
        }
        _ => CardKind::Individual,
    };
    CardFacts {
        kind,
        family: part(0),
        given: part(1),
        org: card
            .first("ORG")
            .map(|o| {
                let parts: Vec<String> = o.structure().into_iter().map(|p| p.join(" ")).collect();
                short(parts.first().map_or("", String::as_str))
            })
            .unwrap_or_default(),
        mails: labelled(card, "EMAIL", |v| v.trim().to_owned()),
        phones: labelled(card, "TEL", |v| {
            v.trim().strip_prefix("tel:").unwrap_or(v.trim()).to_owned()
        }),
        birthday: card
            .first("BDAY")
            .map(|b| short(&b.raw()))
            .filter(|b| !b.is_empty()),
        categories: card
            .all("CATEGORIES")
            .flat_map(Line::texts)
            .map(|c| short(&c))
            .take(MAX_LISTED)
            .collect(),
        members: card
            .lines()
            .filter(|l| l.is("MEMBER") || l.is("X-ADDRESSBOOKSERVER-MEMBER"))
            .map(|l| short(&l.text()))
            .take(MAX_MEMBERS)
            .collect(),
        photo: card.first("PHOTO").is_some(),
    }
}

fn labelled(card: &Card<'_>, name: &str, clean: impl Fn(&str) -> String) -> Vec<Labelled> {
    let mut all: Vec<(bool, Labelled)> = card
        .all(name)
        .map(|line| {
            let words = line
                .types()
                .iter()
                .filter(|t| !["PREF", "INTERNET", "VOICE"].contains(&t.as_str()))
                .map(|t| t.to_ascii_lowercase())
                .collect::<Vec<_>>()
                .join(" ");
            (
                !line.is_preferred(),
                Labelled {
                    value: short(&clean(&line.text())),
                    label: short(&card.label_of(line).unwrap_or(words)),
                },
            )
        })
        .filter(|(_, l)| !l.value.is_empty())
        .take(MAX_LISTED)
        .collect();
    all.sort_by_key(|(is_later, _)| *is_later);
    all.into_iter().map(|(_, l)| l).collect()
}

fn words(card: &Card<'_>, facts: &CardFacts) -> SearchText {
    let mut texts: Vec<(Option<&'static str>, String)> = Vec::new();
    for name in [
        "FN",
        "N",
        "NICKNAME",
        "ORG",
        "X-PHONETIC-FIRST-NAME",
        "X-PHONETIC-LAST-NAME",
    ] {
        for line in card.all(name) {
            texts.push((Some("s:"), line.text()));
        }
    }
    for mail in &facts.mails {
        texts.push((Some("f:"), mail.value.clone()));
    }
    for phone in &facts.phones {
        // Found by its digits too, however it is grouped.
        let digits: String = phone.value.chars().filter(char::is_ascii_digit).collect();
        texts.push((None, phone.value.clone()));
        texts.push((None, digits));
    }
    for name in ["TITLE", "ROLE", "ADR", "CATEGORIES", "NOTE", "URL"] {
        for line in card.all(name).take(MAX_LISTED) {
            texts.push((None, line.text()));
        }
    }
    let fields: Vec<Field<'_>> = texts
        .iter()
        .map(|(prefix, text)| Field {
            prefix: *prefix,
            text,
        })
        .collect();
    of_fields(&fields)
}
