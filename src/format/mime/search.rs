//! Search text: what delivery indexes, and the same folding for the words of a query.
//!
//! Folding is lower case without accents. An umlaut is folded twice, `ä` to `a` and to `ae`: a word with umlauts is
//! indexed in both forms and asked for in both, so `Müller`, `Mueller` and `Muller` typed by the one find `Müller`
//! written by the other (`Mueller` and `Muller` stay different words, as they are to anybody who writes them).
//!
//! Words are lexemes ready for an index: the bare word for a search anywhere, and with a prefix for a field:
//! `f:` from, `t:` to/cc/bcc, `s:` subject, `n:` names of attachments. Text without blanks between words (Chinese,
//! Japanese) is indexed as pairs of characters, and so is a query.

use std::borrow::Cow;
use std::collections::HashSet;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::read::Parsed;
use super::{part, text};
use crate::format::address::Mailbox;

/// Distinct lexemes kept of one message, field forms included.
pub const MAX_WORDS: usize = 2_000;
/// Bytes of folded text kept of one message.
pub const MAX_TEXT: usize = 65_536;
/// Words shorter than this are not indexed.
pub const MIN_WORD: usize = 2;
/// Longer words are cut to this many characters, in the index and in queries.
pub const MAX_WORD: usize = 40;
/// Bytes of one text part that are read.
const MAX_PART: usize = 524_288;

/// What search keeps of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchText {
    /// Distinct lexemes, those of the header first.
    pub words: Vec<String>,
    /// Folded text for substring search; the `ae` forms of its words stand at the end.
    pub text: String,
}

/// A word as it is indexed and asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FoldedWord {
    /// Accents dropped: `muller`.
    pub plain: String,
    /// Umlauts written out: `mueller`, when that is another word.
    pub expanded: Option<String>,
}

impl FoldedWord {
    /// All forms; a query matches when any of them is in the index.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.plain.as_str()).chain(self.expanded.as_deref())
    }
}

/// Folds a text for substring search: lower case, no accents, white space as single blanks.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in composed(text).chars() {
        if c.is_whitespace() || c.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            fold_char(c, false, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// [`fold`] with umlauts written out (`ae`): the second form a substring query must try.
#[must_use]
pub fn fold_expanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in composed(text).chars() {
        if c.is_whitespace() || c.is_control() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            fold_char(c, true, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The words of a text in order, folded as the index folds them; too short ones are left out.
#[must_use]
pub fn fold_words(text: &str) -> Vec<FoldedWord> {
    let mut out = Vec::new();
    each_word(text, |word| {
        out.push(word);
        true
    });
    out
}

/// The text with its accents joined to their letters; mail is mostly so already.
fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Calls `take` for each word until it says stop.
fn each_word(text: &str, mut take: impl FnMut(FoldedWord) -> bool) {
    let mut word = WordInProgress::default();
    let mut before_pair: Option<char> = None;
    for c in composed(text).chars().chain(std::iter::once(' ')) {
        if is_unspaced(c) {
            if word.end().is_some_and(|w| !take(w)) {
                return;
            }
            if let Some(first) = before_pair.replace(c) {
                let plain: String = [first, c].iter().collect();
                if !take(FoldedWord {
                    plain,
                    expanded: None,
                }) {
                    return;
                }
            }
            continue;
        }
        before_pair = None;
        if c.is_alphanumeric() || is_mark(c) {
            word.push(c);
        } else if word.end().is_some_and(|w| !take(w)) {
            return;
        }
    }
}

#[derive(Default)]
struct WordInProgress {
    plain: String,
    expanded: String,
    chars: usize,
}

impl WordInProgress {
    fn push(&mut self, c: char) {
        if self.chars < MAX_WORD {
            let before = self.plain.len();
            fold_char(c, false, &mut self.plain);
            fold_char(c, true, &mut self.expanded);
            self.chars += self.plain.get(before..).map_or(0, |s| s.chars().count());
        }
    }

    fn end(&mut self) -> Option<FoldedWord> {
        let (plain, expanded) = (
            std::mem::take(&mut self.plain),
            std::mem::take(&mut self.expanded),
        );
        self.chars = 0;
        if plain.chars().count() < MIN_WORD {
            return None;
        }
        let expanded = (expanded != plain).then_some(expanded);
        Some(FoldedWord { plain, expanded })
    }
}

/// Scripts written without blanks: Han, Hiragana, Katakana (Hangul and Thai are left to substring search).
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{2FA1F}')
}

/// Accents and points that are dropped: Latin, Greek and Cyrillic accents, Hebrew points, Arabic vowels.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05C7}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{FE00}'..='\u{FE0F}' | '\u{00AD}' | '\u{200B}'..='\u{200D}' | '\u{FEFF}')
}

fn fold_char(c: char, expand: bool, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for lower in c.to_lowercase() {
        let special = match lower {
            'ä' if expand => "ae",
            'ö' | 'ø' if expand => "oe",
            'ü' if expand => "ue",
            'å' if expand => "aa",
            'ø' => "o",
            'ß' => "ss",
            'æ' => "ae",
            'œ' => "oe",
            'ł' => "l",
            'đ' | 'ð' => "d",
            'þ' => "th",
            'ı' => "i",
            'ς' => "σ",
            '’' | '‘' => "'",
            '“' | '”' | '„' => "\"",
            '–' | '—' | '‐' | '‑' => "-",
            _ => "",
        };
        if special.is_empty() {
            out.extend(std::iter::once(lower).nfkd().filter(|d| !is_mark(*d)));
        } else {
            out.push_str(special);
        }
    }
}

/// Makes the search text of a parsed message.
#[must_use]
pub(super) fn collect(parsed: &Parsed, body: &str) -> SearchText {
    let mut index = Index::default();
    index.field(Some("s:"), &parsed.subject);
    for person in parsed
        .from
        .iter()
        .chain(&parsed.sender)
        .chain(&parsed.reply_to)
    {
        index.person("f:", person);
    }
    for person in parsed.to.iter().chain(&parsed.cc).chain(&parsed.bcc) {
        index.person("t:", person);
    }
    for attachment in part::attachments(&parsed.parts) {
        if let Some(name) = &attachment.name {
            index.field(Some("n:"), name);
        }
    }
    index.field(None, body);
    index.finish()
}

/// The readable text of a message, its plain form; HTML with the tags off.
pub(super) fn body_text(raw: &[u8], parts: &[super::Part], skip_quotes: bool) -> String {
    let mut out = String::new();
    for shown in part::text_body(parts) {
        let bytes = shown.raw_body(raw);
        let bytes = bytes.get(..bytes.len().min(MAX_PART)).unwrap_or_default();
        let text = part::part_text(bytes, shown);
        if !out.is_empty() {
            out.push('\n');
        }
        if shown.content_type == "text/html" {
            out.push_str(&text::from_html(&text, skip_quotes, MAX_PART));
        } else if shown.is_flowed {
            out.push_str(&text::unflow(&text, shown.is_delsp));
        } else {
            out.push_str(&text);
        }
        if out.len() >= MAX_PART {
            break;
        }
    }
    out
}

#[derive(Default)]
struct Index {
    words: Vec<String>,
    seen: HashSet<String>,
    text: String,
    expanded: String,
}

impl Index {
    fn person(&mut self, prefix: &str, person: &Mailbox) {
        self.field(Some(prefix), &person.name);
        self.field(Some(prefix), &person.address);
    }

    fn field(&mut self, prefix: Option<&str>, text: &str) {
        let left = MAX_TEXT.saturating_sub(self.text.len() + self.expanded.len());
        if left > 1 && !text.is_empty() {
            let folded = fold(cut(text, left));
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(cut(&folded, left - 1));
        }
        each_word(text, |word| {
            if let Some(form) = &word.expanded
                && !self.seen.contains(form)
                && self.text.len() + self.expanded.len() + form.len() < MAX_TEXT
            {
                self.expanded.push(' ');
                self.expanded.push_str(form);
            }
            for form in word.forms() {
                if let Some(prefix) = prefix {
                    self.add(format!("{prefix}{form}"));
                }
                self.add(form.to_owned());
            }
            self.words.len() < MAX_WORDS
        });
    }

    fn add(&mut self, word: String) {
        if self.words.len() < MAX_WORDS && self.seen.insert(word.clone()) {
            self.words.push(word);
        }
    }

    fn finish(mut self) -> SearchText {
        if !self.expanded.is_empty() {
            self.text.push('\n');
            self.text.push_str(self.expanded.trim_start());
        }
        SearchText {
            words: self.words,
            text: self.text,
        }
    }
}

/// At most `max` bytes, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let mut end = max;
    while end > 0 && !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        fold_words(text).into_iter().map(|w| w.plain).collect()
    }

    #[test]
    fn umlauts_match_both_ways() {
        for written in ["Müller", "Mu\u{308}ller"] {
            let word = fold_words(written).pop().unwrap();
            assert_eq!(word.forms().collect::<Vec<_>>(), ["muller", "mueller"]);
        }
        assert_eq!(
            fold_words("Mueller")[0].forms().collect::<Vec<_>>(),
            ["mueller"]
        );
        assert_eq!(fold("Größe  ÉCOLE\n Łódź"), "grosse ecole lodz");
        assert_eq!(fold_expanded("Größe"), "groesse");
    }

    #[test]
    fn words_are_parted_and_bounded() {
        assert_eq!(
            plain("anna.schmidt+x@firma-a.de, 3 Äpfel"),
            ["anna", "schmidt", "firma", "de", "apfel"]
        );
        assert_eq!(plain(&"a".repeat(100)), ["a".repeat(40)]);
        assert_eq!(plain("東京都 abc"), ["東京", "京都", "abc"]);
        assert_eq!(plain(""), Vec::<String>::new());
    }

    #[test]
    fn the_index_is_bounded() {
        let mut index = Index::default();
        let long = (0..100_000)
            .map(|i| format!("wort{i} "))
            .collect::<Vec<_>>()
            .concat();
        index.field(Some("s:"), "Grüße");
        index.field(None, &long);
        let found = index.finish();
        assert_eq!(found.words.len(), MAX_WORDS);
        assert!(found.text.len() <= MAX_TEXT + 1);
        assert_eq!(
            &found.words[..4],
            ["s:grusse", "grusse", "s:gruesse", "gruesse"]
        );
        assert!(found.text.ends_with("gruesse"));
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["Straße İstanbul ﬁn Ǆ", "ΌΔΟΣ ς", "e\u{301}\u{327}"] {
            assert_eq!(fold(&fold(text)), fold(text));
        }
    }
}
