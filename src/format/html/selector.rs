//! Selectors and media queries of a message's style sheet.
//!
//! Every selector is bound to the message's own element (class `pm-<prefix>root`), `html` and `body` become that
//! element, and classes and ids get the message's prefix. What is not understood is dropped, selector by
//! selector: attribute selectors, pseudo-elements, `:is()`, `:not()`, `:has()`.

use std::fmt::Write as _;

use cssparser::{Parser, ToCss, Token, parse_nth, serialize_identifier};

use super::attrs::own_name;

/// Most selectors in one rule.
const MAX_SELECTORS: usize = 200;
/// Most compounds in one selector.
const MAX_COMPOUNDS: usize = 20;

/// The class of the element that holds a cleaned message.
pub(super) fn root_class(prefix: &str) -> String {
    format!("pm-{prefix}root")
}

/// Read a selector list and write it scoped; `None` when no selector is left.
pub(super) fn list(input: &mut Parser<'_>, prefix: &str) -> Option<String> {
    let root = root_class(prefix);
    let mut out: Vec<String> = Vec::new();
    loop {
        let (selector, ended) = one(input, prefix, &root);
        if let Some(selector) = selector.and_then(|s| scoped(&s, &root))
            && out.len() < MAX_SELECTORS
        {
            out.push(selector);
        }
        if ended {
            break;
        }
    }
    (!out.is_empty()).then(|| out.join(","))
}

/// One compound: `td.a:hover` with the combinator before it.
#[derive(Default)]
struct Compound {
    combinator: char,
    element: Option<String>,
    rest: String,
    is_root: bool,
}

impl Compound {
    fn is_empty(&self) -> bool {
        self.element.is_none() && self.rest.is_empty() && !self.is_root
    }
}

/// Read to the next comma or the end; the second value says whether it was the end.
fn one(input: &mut Parser<'_>, prefix: &str, root: &str) -> (Option<Vec<Compound>>, bool) {
    let mut done: Vec<Compound> = Vec::new();
    let mut now = Compound {
        combinator: ' ',
        ..Compound::default()
    };
    let mut good = true;
    let mut combinator: Option<char> = None;
    let ended = loop {
        let Ok(token) = input.next_including_whitespace() else {
            break true;
        };
        let token = token.clone();
        match &token {
            Token::Comma => break false,
            Token::WhiteSpace(_) => {
                if !now.is_empty() {
                    combinator.get_or_insert(' ');
                }
            }
            Token::Delim(c @ ('>' | '+' | '~')) => {
                good &= !now.is_empty() && combinator.is_none_or(|old| old == ' ');
                combinator = Some(*c);
            }
            _ => {
                if let Some(c) = combinator.take() {
                    let next = Compound {
                        combinator: c,
                        ..Compound::default()
                    };
                    done.push(std::mem::replace(&mut now, next));
                }
                good &= done.len() < MAX_COMPOUNDS
                    && simple(&token, input, &mut now, prefix, root).is_some();
            }
        }
    };
    good &= !now.is_empty() && combinator.is_none_or(|c| c == ' ');
    done.push(now);
    (good.then_some(done), ended)
}

/// Add one simple selector to a compound.
fn simple(
    token: &Token<'_>,
    input: &mut Parser<'_>,
    now: &mut Compound,
    prefix: &str,
    root: &str,
) -> Option<()> {
    match token {
        Token::Ident(name) if now.is_empty() => {
            let name = name.to_ascii_lowercase();
            if name == "html" || name == "body" {
                now.is_root = true;
            } else {
                let known = name.len() <= 30 && name.bytes().all(|b| b.is_ascii_alphanumeric());
                now.element = known.then_some(name);
                now.element.as_ref()?;
            }
        }
        Token::Delim('*') if now.is_empty() => now.element = Some("*".to_owned()),
        Token::Delim('.') => {
            let Ok(Token::Ident(name)) = input.next_including_whitespace() else {
                return None;
            };
            if **name == *root && now.element.is_none() {
                now.is_root = true;
            } else {
                now.rest.push('.');
                serialize_identifier(&own_name(name, prefix)?, &mut now.rest).ok()?;
            }
        }
        Token::IDHash(name) | Token::Hash(name) => {
            now.rest.push('#');
            serialize_identifier(&own_name(name, prefix)?, &mut now.rest).ok()?;
        }
        Token::Colon => pseudo(input, now)?,
        _ => return None,
    }
    Some(())
}

fn pseudo(input: &mut Parser<'_>, now: &mut Compound) -> Option<()> {
    const PLAIN: &[&str] = &[
        "link",
        "visited",
        "hover",
        "active",
        "focus",
        "first-child",
        "last-child",
        "only-child",
        "first-of-type",
        "last-of-type",
    ];
    const COUNTED: &[&str] = &["nth-child", "nth-last-child", "nth-of-type"];
    match input.next_including_whitespace().ok()?.clone() {
        Token::Ident(name) => {
            let name = name.to_ascii_lowercase();
            if name == "root" && now.is_empty() {
                now.is_root = true;
            } else if PLAIN.contains(&name.as_str()) {
                now.rest.push(':');
                now.rest.push_str(&name);
            } else {
                return None;
            }
        }
        Token::Function(name) => {
            let name = name.to_ascii_lowercase();
            if !COUNTED.contains(&name.as_str()) {
                return None;
            }
            let (a, b) = input
                .parse_nested_block(|inner| {
                    let nth = parse_nth(inner)?;
                    inner.expect_exhausted()?;
                    Ok::<_, cssparser::ParseError<()>>(nth)
                })
                .ok()?;
            write!(now.rest, ":{name}({a}n{b:+})").ok()?;
        }
        _ => return None,
    }
    Some(())
}

/// Write a selector below the message's element.
fn scoped(compounds: &[Compound], root: &str) -> Option<String> {
    let mut out = format!(".{root}");
    let roots = compounds.iter().take_while(|c| c.is_root).count();
    let (head, tail) = compounds.split_at_checked(roots)?;
    for compound in head {
        // `html body` and `html > body` are one element here, `html + body` is none.
        if matches!(compound.combinator, '+' | '~') {
            return None;
        }
        out.push_str(&compound.rest);
    }
    for (at, compound) in tail.iter().enumerate() {
        // Beside the message's element stand things that are not the message's.
        let beside = at == 0 && matches!(compound.combinator, '+' | '~');
        if compound.is_root || beside {
            return None;
        }
        out.push(compound.combinator);
        out.push_str(compound.element.as_deref().unwrap_or_default());
        out.push_str(&compound.rest);
    }
    Some(out)
}

/// Read a media query list and write what is understood of it (Media Queries 4); `None` when nothing is left.
pub(super) fn media(input: &mut Parser<'_>) -> Option<String> {
    let mut queries: Vec<String> = Vec::new();
    loop {
        let (query, ended) = media_query(input);
        if let Some(query) = query
            && queries.len() < 20
        {
            queries.push(query);
        }
        if ended {
            break;
        }
    }
    (!queries.is_empty()).then(|| queries.join(","))
}

fn media_query(input: &mut Parser<'_>) -> (Option<String>, bool) {
    const WORDS: &[&str] = &["only", "not", "screen", "all", "print", "and"];
    let mut out = String::new();
    let mut good = true;
    let ended = loop {
        let Ok(token) = input.next() else {
            break true;
        };
        let part = match token.clone() {
            Token::Comma => break false,
            Token::Ident(word) => {
                let word = word.to_ascii_lowercase();
                WORDS.contains(&word.as_str()).then_some(word)
            }
            Token::ParenthesisBlock => input
                .parse_nested_block(|inner| {
                    Ok::<_, cssparser::ParseError<()>>(media_feature(inner))
                })
                .ok()
                .flatten(),
            _ => None,
        };
        match part {
            Some(part) => {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(&part);
            }
            None => good = false,
        }
    };
    let fits = good && !out.is_empty() && out.len() <= 200;
    (fits.then_some(out), ended)
}

fn media_feature(input: &mut Parser<'_>) -> Option<String> {
    const LENGTHS: &[&str] = &[
        "width",
        "min-width",
        "max-width",
        "device-width",
        "min-device-width",
        "max-device-width",
    ];
    let name = input.expect_ident().ok()?.to_ascii_lowercase();
    input.expect_colon().ok()?;
    let value = input.next().ok()?.clone();
    input.expect_exhausted().ok()?;
    let value = match (&value, name.as_str()) {
        (Token::Dimension { unit, value: n, .. }, name) if LENGTHS.contains(&name) => {
            let unit = unit.to_ascii_lowercase();
            let ok = ["px", "em", "rem"].contains(&unit.as_str()) && n.is_finite();
            ok.then(|| value.to_css_string())?
        }
        (Token::Number { value: n, .. }, name) if LENGTHS.contains(&name) && *n == 0.0 => {
            "0".to_owned()
        }
        (Token::Ident(word), "prefers-color-scheme") => {
            let word = word.to_ascii_lowercase();
            ["light", "dark"].contains(&word.as_str()).then_some(word)?
        }
        _ => return None,
    };
    Some(format!("({name}:{value})"))
}
