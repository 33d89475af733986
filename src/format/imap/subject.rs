//! The base subject of RFC 5256 2.1: what SORT and THREAD compare.
//!
//! To the letter, unlike [`crate::format::mime::subject`], which knows the reply marks of other languages and is what the
//! pages show conversations by: a client that sorts or threads itself must come to the same groups.
//!
//! ```text
//! subj-refwd  = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"        subj-trailer = "(fwd)" / WSP
//! subj-blob   = "[" *BLOBCHAR "]" *WSP                            subj-fwd     = "[fwd:" ... "]"
//! subj-leader = (*subj-blob subj-refwd) / WSP
//! ```

/// A subject without what replies and forwards put around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseSubject {
    /// What remains; white space folded to single blanks.
    pub text: String,
    /// Something was taken off that a reply or a forward puts there.
    pub is_reply_or_forward: bool,
}

/// The base subject of a decoded subject.
#[must_use]
pub fn base_subject(subject: &str) -> BaseSubject {
    // Step 1: blanks for tabs and folds, one for many.
    let whole = subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = whole.as_str();
    let mut is_reply_or_forward = false;
    loop {
        // Step 2: trailers.
        loop {
            text = text.trim_end_matches(' ');
            match strip_end(text, "(fwd)") {
                Some(rest) => {
                    is_reply_or_forward = true;
                    text = rest;
                }
                None => break,
            }
        }
        // Steps 3 to 5: leaders, and blobs as long as something stands behind them.
        loop {
            text = text.trim_start_matches(' ');
            if let Some(rest) = strip_leader(text) {
                is_reply_or_forward = true;
                text = rest;
            } else if let Some(rest) = strip_blob(text).filter(|rest| !rest.is_empty()) {
                text = rest;
            } else {
                break;
            }
        }
        // Step 6: one wrapped forward, and all over again.
        match strip_start(text, "[fwd:").and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => {
                is_reply_or_forward = true;
                text = inside;
            }
            None => {
                return BaseSubject {
                    text: text.to_owned(),
                    is_reply_or_forward,
                };
            }
        }
    }
}

/// `*subj-blob subj-refwd`
fn strip_leader(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(behind) = strip_blob(rest) {
        rest = behind;
    }
    let rest = strip_start(rest, "re")
        .or_else(|| strip_start(rest, "fwd"))
        .or_else(|| strip_start(rest, "fw"))?;
    let rest = rest.trim_start_matches(' ');
    let rest = strip_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

/// `[` without brackets `]` and blanks.
fn strip_blob(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(['[', ']'])?;
    let (_, rest) = inside.split_at_checked(end)?;
    Some(rest.strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn strip_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    let (rest, tail) = text.split_at_checked(at)?;
    tail.eq_ignore_ascii_case(end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bases() {
        for (subject, text, is_reply) in [
            ("", "", false),
            ("hello", "hello", false),
            ("  hello \t world\r\n ", "hello world", false),
            ("Re: hello", "hello", true),
            ("RE:hello", "hello", true),
            ("re  : hello", "hello", true),
            ("Fw: hello", "hello", true),
            ("FWD: hello", "hello", true),
            ("Re: Fwd: Re: hello", "hello", true),
            ("Re[2]: hello", "hello", true),
            ("Re [2] : hello", "hello", true),
            ("Re [2]: hello", "hello", true),
            ("[list] hello", "hello", false),
            ("[list] Re: hello", "hello", true),
            ("Re: [list] hello", "hello", true),
            ("[a] [b] hello", "hello", false),
            ("[a][b] Re: [c] hello", "hello", true),
            ("[only a blob]", "[only a blob]", false),
            ("Re: [blob]", "[blob]", true),
            ("hello (fwd)", "hello", true),
            ("hello (FWD) (fwd)  ", "hello", true),
            ("(fwd)", "", true),
            ("[fwd: hello]", "hello", true),
            ("[Fwd: Re: hello (fwd)]", "hello", true),
            ("[fwd: [fwd: hello]]", "hello", true),
            ("Re:", "", true),
            ("Reply: hello", "Reply: hello", false),
            ("AW: hello", "AW: hello", false),
            ("re", "re", false),
            ("[unclosed hello", "[unclosed hello", false),
            ("[a[b] hello", "[a[b] hello", false),
            ("hello (fwd) world", "hello (fwd) world", false),
            ("Re: \u{e4}\u{f6}", "\u{e4}\u{f6}", true),
        ] {
            let base = base_subject(subject);
            assert_eq!(
                (base.text.as_str(), base.is_reply_or_forward),
                (text, is_reply),
                "{subject:?}"
            );
        }
    }

    #[test]
    fn endless_marks_end() {
        assert_eq!(base_subject(&"Re: ".repeat(100_000)).text, "");
        assert_eq!(
            base_subject(&format!(
                "{}x{}",
                "[fwd: ".repeat(10_000),
                "]".repeat(10_000)
            ))
            .text,
            "x"
        );
    }

    proptest! {
        #[test]
        fn a_base_has_no_marks_left(subject in "(Re|fw|fwd|\\[x\\]|\\[fwd:|\\]|:| |\\(fwd\\)|a|b){0,12}") {
            let base = base_subject(&subject).text;
            prop_assert_eq!(&base_subject(&base).text, &base);
            prop_assert_eq!(base_subject(&format!("Re: {base}")).text, base);
        }
    }
}
