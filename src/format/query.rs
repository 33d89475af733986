//! The search language of the mail pages, German and English at once (ui.md 7.7).
//!
//! ```text
//! query  = group *( blank group )            every group must hold
//! group  = term *( blank ("OR" / "ODER") blank term )
//! term   = ["-"] ( word / "\"" phrase "\"" / operator ":" value )
//! ```
//!
//! An unknown operator is plain text. Pure: times are given, nothing is looked up here.

use time::{Date, Duration, Month};

use super::mime::{FoldedWord, fold, fold_words};

/// Octets of a query that are read.
pub const MAX_QUERY: usize = 1_000;
/// Terms of a query that are read.
pub const MAX_TERMS: usize = 50;

/// What somebody looks for: every group must hold, of a group any term.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// The groups.
    pub groups: Vec<Vec<Term>>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// It must not hold.
    pub is_not: bool,
    /// What.
    pub what: What,
}

/// What a term asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// All these words, somewhere in the field.
    Words {
        /// Which field.
        field: Field,
        /// Folded; each may be the beginning of a word unless `is_phrase`.
        words: Vec<FoldedWord>,
        /// The folded phrase, when it was quoted: it must stand like this.
        phrase: Option<String>,
    },
    /// Has an attachment.
    Attachment,
    /// Not read.
    Unread,
    /// Read.
    Read,
    /// Starred.
    Starred,
    /// Answered.
    Answered,
    /// Lies in this folder, by its shown or stored name.
    In(String),
    /// Sent before this day.
    Before(Date),
    /// Sent on this day or later.
    Since(Date),
    /// At least so many octets.
    Larger(i64),
    /// At most so many octets.
    Smaller(i64),
}

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Anywhere.
    Any,
    /// From.
    From,
    /// To, Cc, Bcc.
    To,
    /// Subject.
    Subject,
    /// Names of attachments.
    File,
}

impl Field {
    /// What stands before a lexeme of this field in the index.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::From => "f:",
            Self::To => "t:",
            Self::Subject => "s:",
            Self::File => "n:",
        }
    }
}

impl Query {
    /// Reads what was typed; `today` gives meaning to "yesterday" and "older:30d".
    #[must_use]
    pub fn parse(text: &str, today: Date) -> Self {
        let text = text
            .get(..text.floor_char_boundary(MAX_QUERY))
            .unwrap_or_default();
        let mut groups: Vec<Vec<Term>> = Vec::new();
        let mut joins = false;
        for token in tokens(text).take(MAX_TERMS) {
            if !token.is_quoted
                && matches!(token.text.as_str(), "OR" | "ODER")
                && !groups.is_empty()
            {
                joins = true;
                continue;
            }
            let Some(term) = term(&token, today) else {
                continue;
            };
            match groups.last_mut() {
                Some(group) if joins => group.push(term),
                _ => groups.push(vec![term]),
            }
            joins = false;
        }
        Self { groups }
    }

    /// Nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Names a folder, so that trash and junk are looked at too.
    #[must_use]
    pub fn names_folder(&self) -> bool {
        self.groups
            .iter()
            .flatten()
            .any(|t| matches!(t.what, What::In(_)))
    }
}

#[derive(Debug, Default)]
struct Token {
    is_not: bool,
    /// Before the colon, lower case.
    operator: Option<String>,
    text: String,
    is_quoted: bool,
}

/// Splits at blanks outside quotes.
fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        rest.peek()?;
        let mut token = Token::default();
        if rest.next_if_eq(&'-').is_some() {
            token.is_not = true;
        }
        let mut in_quotes = false;
        while let Some(c) = rest.next_if(|c| in_quotes || !c.is_whitespace()) {
            match c {
                '"' | '„' | '“' | '”' => {
                    in_quotes = !in_quotes;
                    token.is_quoted = true;
                }
                ':' if !in_quotes && token.operator.is_none() && is_operator(&token.text) => {
                    token.operator = Some(std::mem::take(&mut token.text).to_lowercase());
                }
                c => token.text.push(c),
            }
        }
        Some(token)
    })
}

fn is_operator(word: &str) -> bool {
    OPERATORS
        .iter()
        .any(|(names, _)| names.contains(&word.to_lowercase().as_str()))
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    Words(Field),
    Has,
    Is,
    In,
    Before,
    Since,
    Older,
    Newer,
    Larger,
    Smaller,
}

const OPERATORS: [(&[&str], Operator); 14] = [
    (&["von", "from"], Operator::Words(Field::From)),
    (&["an", "to", "cc", "bcc"], Operator::Words(Field::To)),
    (&["betreff", "subject"], Operator::Words(Field::Subject)),
    (&["text", "body"], Operator::Words(Field::Any)),
    (&["datei", "filename"], Operator::Words(Field::File)),
    (&["hat", "has"], Operator::Has),
    (&["ist", "is"], Operator::Is),
    (&["in"], Operator::In),
    (&["vor", "before"], Operator::Before),
    (&["nach", "after", "seit", "since"], Operator::Since),
    (&["älter", "aelter", "older"], Operator::Older),
    (&["neuer", "newer"], Operator::Newer),
    (&["größer", "groesser", "larger"], Operator::Larger),
    (&["kleiner", "smaller"], Operator::Smaller),
];

fn term(token: &Token, today: Date) -> Option<Term> {
    let operator = token.operator.as_deref().and_then(|name| {
        OPERATORS
            .iter()
            .find(|(names, _)| names.contains(&name))
            .map(|(_, op)| *op)
    });
    let what = match operator {
        None => words(Field::Any, token),
        // What an operator does not understand is looked for as text.
        Some(op) => value(op, token, today).or_else(|| {
            let text = format!(
                "{} {}",
                token.operator.as_deref().unwrap_or_default(),
                token.text
            );
            words(
                Field::Any,
                &Token {
                    text,
                    ..Token::default()
                },
            )
        }),
    }?;
    Some(Term {
        is_not: token.is_not,
        what,
    })
}

fn value(operator: Operator, token: &Token, today: Date) -> Option<What> {
    let value = token.text.to_lowercase();
    Some(match operator {
        Operator::Words(field) => return words(field, token),
        Operator::Has => match value.as_str() {
            "anhang" | "anhänge" | "attachment" | "attachments" => What::Attachment,
            _ => return None,
        },
        Operator::Is => match value.as_str() {
            "ungelesen" | "unread" => What::Unread,
            "gelesen" | "read" => What::Read,
            "markiert" | "starred" | "flagged" => What::Starred,
            "beantwortet" | "answered" => What::Answered,
            _ => return None,
        },
        Operator::In if !value.is_empty() => What::In(token.text.clone()),
        Operator::In => return None,
        Operator::Before => What::Before(day(&value, today)?),
        Operator::Since => What::Since(day(&value, today)?),
        Operator::Older => What::Before(today - span(&value)?),
        Operator::Newer => What::Since(today - span(&value)?),
        Operator::Larger => What::Larger(octets(&value)?),
        Operator::Smaller => What::Smaller(octets(&value)?),
    })
}

fn words(field: Field, token: &Token) -> Option<What> {
    let words = fold_words(&token.text);
    if words.is_empty() {
        return None;
    }
    Some(What::Words {
        field,
        phrase: (token.is_quoted && field == Field::Any).then(|| fold(&token.text)),
        words,
    })
}

/// `23.11.2026`, `23.11.`, `2026-11-23`, `gestern`, `letzte woche` (quoted) ...
fn day(text: &str, today: Date) -> Option<Date> {
    match text {
        "heute" | "today" => return Some(today),
        "gestern" | "yesterday" => return today.previous_day(),
        "letzte woche" | "letztewoche" | "last week" | "lastweek" => {
            return today.checked_sub(Duration::weeks(1));
        }
        _ => {}
    }
    let numbers = |text: &str, separator: char| -> Vec<i32> {
        text.trim_end_matches(separator)
            .split(separator)
            .map_while(|n| n.parse().ok())
            .collect()
    };
    let (year, month, day) = if text.contains('-') {
        match numbers(text, '-')[..] {
            [y, m, d] => (y, m, d),
            _ => return None,
        }
    } else {
        match numbers(text, '.')[..] {
            [d, m, y] => (if y < 100 { 2000 + y } else { y }, m, d),
            [d, m] => (today.year(), m, d),
            _ => return None,
        }
    };
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()
}

/// `30t`, `30d`, `2w`, `6m`, `1j`, `1y`.
fn span(text: &str) -> Option<Duration> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let number: i64 = number.parse().ok().filter(|n| *n <= 10_000)?;
    let days = match unit {
        "" | "t" | "d" => 1,
        "w" => 7,
        "m" => 30,
        "j" | "y" => 365,
        _ => return None,
    };
    Some(Duration::days(number * days))
}

/// `5m`, `500k`, `1g`, `1000`.
fn octets(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('b');
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let number: i64 = number.parse().ok().filter(|n| *n <= 1_000_000_000_000)?;
    Some(match unit {
        "" => number,
        "k" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(1_000_000)?,
        "g" => number.checked_mul(1_000_000_000)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    const TODAY: Date = date!(2026 - 11 - 23);

    fn one(text: &str) -> Term {
        let query = Query::parse(text, TODAY);
        assert_eq!(query.groups.len(), 1, "{text}: {query:?}");
        query.groups[0][0].clone()
    }

    #[test]
    fn operators_in_both_languages() {
        for (de, en) in [
            ("von:hofmann", "from:hofmann"),
            ("an:jana", "to:jana"),
            ("betreff:angebot", "subject:angebot"),
            ("datei:plan", "filename:plan"),
            ("hat:anhang", "has:attachment"),
            ("ist:ungelesen", "is:unread"),
            ("ist:markiert", "is:starred"),
            ("vor:23.11.2026", "before:2026-11-23"),
            ("nach:gestern", "after:yesterday"),
            ("älter:30t", "older:30d"),
            ("größer:5m", "larger:5m"),
        ] {
            assert_eq!(one(de), one(en), "{de}");
        }
        assert_eq!(one("older:30d").what, What::Before(date!(2026 - 10 - 24)));
        assert_eq!(one("larger:5MB").what, What::Larger(5_000_000));
        assert_eq!(one("vor:1.2.").what, What::Before(date!(2026 - 02 - 01)));
    }

    #[test]
    fn unknown_operators_are_text() {
        for text in ["foo:bar", "is:blue", "before:never", "http://x.test/a"] {
            assert!(
                matches!(
                    one(text).what,
                    What::Words {
                        field: Field::Any,
                        ..
                    }
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn phrases_negation_and_or() {
        let term = one("\"neue Dämmung\"");
        assert_eq!(
            term.what,
            What::Words {
                field: Field::Any,
                words: fold_words("neue Dämmung"),
                phrase: Some("neue dammung".to_owned()),
            }
        );
        assert!(one("-rechnung").is_not);
        let query = Query::parse("a1 OR b2 c3 ODER d4", TODAY);
        assert_eq!(
            query.groups.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2]
        );
        assert_eq!(Query::parse("OR", TODAY).groups.len(), 1);
    }

    #[test]
    fn nothing_and_too_much() {
        assert!(Query::parse("  - \"\" ", TODAY).is_empty());
        let many = "wort ".repeat(10_000);
        assert!(Query::parse(&many, TODAY).groups.len() <= MAX_TERMS);
        let _ = Query::parse(&"ä".repeat(MAX_QUERY), TODAY);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            let query = Query::parse(&text, TODAY);
            proptest::prop_assert!(query.groups.iter().all(|g| !g.is_empty()));
        }
    }
}
