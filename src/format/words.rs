//! Search words of items (events, cards, tasks, notes), folded as mail's are, so that one search answers for all.

use std::collections::HashSet;

use super::mime::search::{MAX_TEXT, MAX_WORDS, fold_expanded};
use super::mime::{SearchText, fold, fold_words};

/// A field of an item.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The lexemes' prefix for a search in this field alone, as mail's fields have: `s:` titles, `f:` people.
    pub prefix: Option<&'static str>,
    /// Its text.
    pub text: &'a str,
}

/// What search keeps of an item: distinct lexemes, those of the first fields first, and folded text.
#[must_use]
pub fn of_fields(fields: &[Field<'_>]) -> SearchText {
    let mut seen = HashSet::new();
    let mut found = SearchText::default();
    for field in fields {
        let folded = fold(field.text);
        if folded.is_empty() {
            continue;
        }
        for word in fold_words(field.text) {
            for form in word.forms() {
                let prefixed = field.prefix.map(|p| format!("{p}{form}"));
                for lexeme in std::iter::once(form.to_owned()).chain(prefixed) {
                    if found.words.len() < MAX_WORDS && seen.insert(lexeme.clone()) {
                        found.words.push(lexeme);
                    }
                }
            }
        }
        push_line(&mut found.text, &folded);
        let expanded = fold_expanded(field.text);
        if expanded != folded {
            push_line(&mut found.text, &expanded);
        }
    }
    found
}

fn push_line(text: &mut String, line: &str) {
    let room = MAX_TEXT.saturating_sub(text.len() + 1);
    let mut end = line.len().min(room);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if end > 0 {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line.get(..end).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_found_everywhere_and_as_a_title() {
        let found = of_fields(&[
            Field {
                prefix: Some("s:"),
                text: "Müller treffen",
            },
            Field {
                prefix: None,
                text: "Raum 12",
            },
        ]);
        for word in ["muller", "mueller", "s:muller", "treffen", "raum", "12"] {
            assert!(found.words.iter().any(|w| w == word), "{word}");
        }
        assert!(!found.words.iter().any(|w| w == "s:raum"));
        assert!(found.text.contains("muller treffen") && found.text.contains("mueller"));
    }

    #[test]
    fn a_long_text_is_cut_at_a_letter() {
        let long = "ß漢".repeat(40_000);
        let found = of_fields(&[Field {
            prefix: None,
            text: &long,
        }]);
        assert!(found.text.len() <= MAX_TEXT && found.words.len() <= MAX_WORDS);
    }
}
