//! Patterns of LIST (RFC 9051 6.3.9): `*` matches anything, `%` anything but the separator.
//!
//! Matching walks all states at once, so that no pattern of stars takes more than (pattern × name) steps.

/// The separator of levels.
pub const SEPARATOR: char = '/';

/// One pattern, reference included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Vec<char>,
}

impl Pattern {
    /// The pattern behind a reference: they are simply joined (RFC 9051 6.3.9), `INBOX` at its front folded.
    #[must_use]
    pub fn new(reference: &str, pattern: &str) -> Self {
        let whole = format!("{reference}{pattern}");
        let first = whole.split(SEPARATOR).next().unwrap_or_default();
        let text = if first.eq_ignore_ascii_case("INBOX") {
            "INBOX".chars().chain(whole.chars().skip(5)).collect()
        } else {
            whole.chars().collect()
        };
        Self { text }
    }

    /// Whether a name matches whole.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let folded = self.folds_to_inbox(name);
        let end = self.text.len();
        let mut at = vec![false; end + 1];
        set(&mut at, 0);
        self.skip_wildcards(&mut at);
        for (i, c) in name.chars().enumerate() {
            let mut next = vec![false; end + 1];
            for state in (0..end).filter(|s| at.get(*s) == Some(&true)) {
                match self.text.get(state) {
                    Some('*') => set(&mut next, state),
                    Some('%') if c != SEPARATOR => set(&mut next, state),
                    Some(p) if *p == c || (folded && i < 5 && p.eq_ignore_ascii_case(&c)) => {
                        set(&mut next, state + 1);
                    }
                    _ => {}
                }
            }
            self.skip_wildcards(&mut next);
            at = next;
        }
        at.get(end) == Some(&true)
    }

    /// `INBOX` matches in any case: `inb*` is one of its patterns.
    fn folds_to_inbox(&self, name: &str) -> bool {
        name.split(SEPARATOR).next() == Some("INBOX")
            && self.text.iter().any(char::is_ascii_lowercase)
    }

    /// A wildcard also matches nothing.
    fn skip_wildcards(&self, at: &mut [bool]) {
        for state in 0..self.text.len() {
            if at.get(state) == Some(&true) && matches!(self.text.get(state), Some('*' | '%')) {
                set(at, state + 1);
            }
        }
    }
}

fn set(states: &mut [bool], at: usize) {
    if let Some(state) = states.get_mut(at) {
        *state = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(reference: &str, pattern: &str) -> Vec<&'static str> {
        let pattern = Pattern::new(reference, pattern);
        ["INBOX", "INBOX/a", "Sent", "a", "a/b", "a/b/c", "ab"]
            .into_iter()
            .filter(|n| pattern.matches(n))
            .collect()
    }

    #[test]
    fn wildcards() {
        assert_eq!(matching("", "*").len(), 7);
        assert_eq!(matching("", "%"), ["INBOX", "Sent", "a", "ab"]);
        assert_eq!(matching("", "a/%"), ["a/b"]);
        assert_eq!(matching("a/", "%"), ["a/b"]);
        assert_eq!(matching("a/", "*"), ["a/b", "a/b/c"]);
        assert_eq!(matching("", "%/%"), ["INBOX/a", "a/b"]);
        assert_eq!(matching("", "a*"), ["a", "a/b", "a/b/c", "ab"]);
        assert_eq!(matching("", "*b"), ["a/b", "ab"]);
        assert_eq!(matching("", "%%%"), ["INBOX", "Sent", "a", "ab"]);
        assert_eq!(matching("", ""), Vec::<&str>::new());
        assert_eq!(matching("", "sent"), Vec::<&str>::new());
    }

    #[test]
    fn inbox_has_no_case() {
        for pattern in ["inbox", "InBoX", "inb*", "INB%", "*box"] {
            assert_eq!(matching("", pattern)[0], "INBOX", "{pattern}");
        }
        assert_eq!(matching("", "inbox/a"), ["INBOX/a"]);
        assert_eq!(matching("", "inbox/A"), Vec::<&str>::new());
    }

    #[test]
    fn stars_without_end_are_quick() {
        let pattern = Pattern::new("", &"*a".repeat(500));
        assert!(!pattern.matches(&"a".repeat(400)));
        assert!(pattern.matches(&"a".repeat(500)));
    }
}
