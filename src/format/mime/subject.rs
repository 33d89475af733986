//! Subjects: what remains when reply and forward marks are taken off (RFC 5256 2.1, widened to German and others).

/// A subject without its marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// The subject without marks, white space folded to single blanks.
    pub text: String,
    /// A reply mark (`Re:`, `AW:`, ...) was taken off; forward marks alone do not count.
    pub is_reply: bool,
}

/// Takes off reply and forward marks in any order and number, `[Fwd: ...]`, trailing `(fwd)`; list tags
/// (`[name]`) are taken off only where a mark stands before or behind them.
#[must_use]
pub fn base(subject: &str) -> BaseSubject {
    let mut text = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut is_reply = false;
    for _ in 0..MAX_MARKS {
        let before = text.len();
        if let Some(rest) = strip_suffix_ignore_case(&text, "(fwd)") {
            text = rest.trim_end().to_owned();
        }
        if let Some((rest, reply)) = strip_mark(&text) {
            is_reply |= reply;
            text = rest.to_owned();
        } else if let Some((tag, rest)) = list_tag(&text)
            && let Some((after, reply)) = strip_mark(rest)
        {
            // "[list] Re: x" and "Re: [list] x" are one thread: the tag goes to the front and stays.
            is_reply |= reply;
            text = format!("{tag} {after}");
        } else if let Some(inner) =
            strip_prefix_ignore_case(&text, "[fwd:").and_then(|t| t.strip_suffix(']'))
        {
            text = inner.trim().to_owned();
        }
        if text.len() == before {
            break;
        }
    }
    BaseSubject { text, is_reply }
}

/// Marks taken off one subject; each costs a copy of it.
const MAX_MARKS: usize = 50;

/// Marks of a reply, lower case, without colon.
const REPLY: [&str; 10] = [
    "re", "aw", "antw", "antwort", "sv", "rif", "ref", "res", "vs", "odp",
];
/// Marks of a forward.
const FORWARD: [&str; 9] = [
    "fwd",
    "fw",
    "wg",
    "wtr",
    "tr",
    "rv",
    "enc",
    "doorst",
    "weitergeleitet",
];

/// Takes one mark off the front: `Re:`, `Re[2]:`, `RE^3:`, `Aw (4) :`, a full-width colon too.
fn strip_mark(text: &str) -> Option<(&str, bool)> {
    let end = text.find([':', '：'])?;
    let (mark, rest) = text.split_at_checked(end)?;
    if mark.len() > 24 {
        return None;
    }
    let rest = rest.strip_prefix([':', '：'])?.trim_start();
    let word_end = mark
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(mark.len());
    let (word, count) = mark.split_at_checked(word_end)?;
    let is_count = count
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^' | '*' | ' '));
    if !is_count {
        return None;
    }
    let word = word.to_lowercase();
    let is_reply = REPLY.contains(&word.as_str());
    let is_forward = FORWARD.contains(&word.as_str());
    (is_reply || is_forward).then_some((rest, is_reply))
}

/// `[tag]` at the front and what follows it.
fn list_tag(text: &str) -> Option<(&str, &str)> {
    let end = text.strip_prefix('[')?.find(']')? + 2;
    let (tag, rest) = text.split_at_checked(end)?;
    (tag.len() <= 64 && !tag.contains(':')).then(|| (tag, rest.trim_start()))
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (head, tail) = text.split_at_checked(at)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_off_in_both_languages() {
        for (subject, text, is_reply) in [
            ("Angebot", "Angebot", false),
            ("Re: Angebot", "Angebot", true),
            ("AW: Re: WG:  Angebot", "Angebot", true),
            ("Antw.: x", "Antw.: x", false),
            ("Antwort: Angebot", "Angebot", true),
            ("Fwd: Angebot", "Angebot", false),
            ("RE[2]: Angebot", "Angebot", true),
            ("Re^3: Angebot (fwd)", "Angebot", true),
            ("[Fwd: Angebot]", "Angebot", false),
            ("[rust] Re: lifetimes", "[rust] lifetimes", true),
            ("Re: [rust] lifetimes", "[rust] lifetimes", true),
            ("Re： Angebot", "Angebot", true),
            ("Ref: Termin: 12:30", "Termin: 12:30", true),
            ("Reise: Plan", "Reise: Plan", false),
            ("Re:", "", true),
            ("", "", false),
        ] {
            assert_eq!(
                base(subject),
                BaseSubject {
                    text: text.to_owned(),
                    is_reply
                },
                "{subject}"
            );
        }
    }

    #[test]
    fn endless_marks_end() {
        assert_eq!(base(&"Re: ".repeat(40)).text, "");
        assert!(base(&"Re: ".repeat(100_000)).is_reply);
    }
}
