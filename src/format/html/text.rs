//! Text bodies as HTML: links, quote levels, signature (RFC 3676 for `format=flowed`).
//!
//! The order is the safety: a line is escaped whole before anything is looked for in it, and links are found in
//! the escaped text by a grammar of their own that ends at white space and at every character that means
//! something in HTML. One pass, linear: a link is looked at once, a mail address looks back at most 64 bytes.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::link::{self, Target};
use super::tree::{escape_text, escaped};

/// How to show a text body.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions<'a> {
    /// `format=flowed`: lines that end in a space go on (RFC 3676 4.1).
    pub flowed: bool,
    /// `delsp=yes`: the space at the end of a flowed line is not part of the text (RFC 3676 4.1).
    pub delsp: bool,
    /// Fold what is quoted twice and more.
    pub fold: bool,
    /// The words on the fold.
    pub fold_label: &'a str,
}

impl Default for TextOptions<'_> {
    fn default() -> Self {
        Self {
            flowed: false,
            delsp: false,
            fold: true,
            fold_label: "Show earlier messages",
        }
    }
}

/// Deepest quote level that is told apart.
const MAX_QUOTES: usize = 16;
/// Most quotes and links in one body; what comes after them is shown without.
const MAX_TAGS: usize = 20_000;
/// Quote levels with a colour of their own.
const COLOURED_QUOTES: usize = 5;

/// Turn a text body into HTML for the body frame.
///
/// The result is one `div` of class `pm-t` whose white space counts. Quotes are `blockquote`s of class `q1` to
/// `q5`, quotes of quotes stand in a closed `details`, the signature (from `-- ` on) is a `div` of class `sig`.
#[must_use]
pub fn text_to_html(text: &str, opts: &TextOptions<'_>) -> String {
    let mut page = Page {
        opts,
        out: String::with_capacity(text.len() + text.len() / 4 + 64),
        depth: 0,
        tags: 0,
        signature: false,
        fresh: true,
    };
    page.out.push_str("<div class=\"pm-t\">");
    let lines: Vec<Line> = Lines::new(text, opts).collect();
    let introductions = introductions(&lines);
    for (at, line) in lines.iter().enumerate() {
        if introductions.contains(&at) {
            page.close_signature();
        }
        page.line(line.depth, &line.text);
    }
    page.close_signature();
    page.set_depth(0);
    page.out.push_str("</div>");
    page.out
}

/// Most lines of an introduction.
const MAX_INTRODUCTION: usize = 3;

/// Where the paragraphs begin that introduce a quote ("On Monday Anna wrote:"). Many programs write them below
/// the signature, to which they do not belong.
fn introductions(lines: &[Line]) -> HashSet<usize> {
    let is_blank = |at: usize| lines.get(at).is_none_or(|l| l.text.trim().is_empty());
    let mut found = HashSet::new();
    for (before, pair) in lines.windows(2).enumerate() {
        let [line, next] = pair else { continue };
        if next.depth <= line.depth {
            continue;
        }
        let same = |at: usize| lines.get(at).is_some_and(|l| l.depth == line.depth);
        let mut last = before;
        if is_blank(last) && last > 0 && same(last - 1) {
            last -= 1;
        }
        if !lines
            .get(last)
            .is_some_and(|l| l.text.trim_end().ends_with(':'))
        {
            continue;
        }
        let mut first = last;
        while first > 0
            && same(first - 1)
            && !is_blank(first - 1)
            && last - first < MAX_INTRODUCTION
        {
            first -= 1;
        }
        if last - first < MAX_INTRODUCTION {
            found.insert(first);
        }
    }
    found
}

struct Page<'o> {
    opts: &'o TextOptions<'o>,
    out: String,
    depth: usize,
    /// Quotes and links so far.
    tags: usize,
    signature: bool,
    /// No line has been written since the last tag.
    fresh: bool,
}

impl Page<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        if depth != self.depth && (self.tags < MAX_TAGS || depth < self.depth) {
            self.close_signature();
            self.set_depth(depth);
        }
        if !self.fresh {
            self.out.push('\n');
        }
        if text == "-- " && !self.signature {
            self.out.push_str("<div class=\"sig\">");
            self.signature = true;
        }
        self.fresh = false;
        add_links(&escaped(text), &mut self.out, &mut self.tags);
    }

    fn close_signature(&mut self) {
        if self.signature {
            self.out.push_str("</div>");
            self.signature = false;
            self.fresh = true;
        }
    }

    fn set_depth(&mut self, depth: usize) {
        while self.depth < depth {
            self.depth += 1;
            self.tags += 1;
            if self.depth == 2 && self.opts.fold {
                self.out.push_str("<details class=\"pm-fold\"><summary>");
                escape_text(self.opts.fold_label, &mut self.out);
                self.out.push_str("</summary>");
            }
            let class = self.depth.min(COLOURED_QUOTES);
            let _ = write!(self.out, "<blockquote class=\"q{class}\">");
            self.fresh = true;
        }
        while self.depth > depth {
            self.out.push_str("</blockquote>");
            if self.depth == 2 && self.opts.fold {
                self.out.push_str("</details>");
            }
            self.depth -= 1;
            self.fresh = true;
        }
    }
}

struct Line {
    depth: usize,
    text: String,
}

/// The paragraphs of a text with their quote depth.
struct Lines<'t> {
    rest: Option<&'t str>,
    flowed: bool,
    delsp: bool,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str, opts: &TextOptions<'_>) -> Self {
        // A text ends with a line end, it does not begin another line.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Self {
            rest: Some(text),
            flowed: opts.flowed,
            delsp: opts.delsp,
        }
    }

    fn peek(&self) -> Option<(&'t str, Option<&'t str>)> {
        let rest = self.rest?;
        Some(match rest.split_once('\n') {
            Some((line, tail)) => (line.strip_suffix('\r').unwrap_or(line), Some(tail)),
            None => (rest, None),
        })
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let (raw, tail) = self.peek()?;
        self.rest = tail;
        let (depth, content) = quoted(raw, self.flowed);
        let mut text = content.to_owned();
        if self.flowed {
            let mut goes_on = is_flowed(content);
            while goes_on {
                let Some((raw, tail)) = self.peek() else {
                    break;
                };
                let (next_depth, content) = quoted(raw, true);
                if next_depth != depth || content == "-- " {
                    break;
                }
                if self.delsp {
                    text.pop();
                }
                text.push_str(content);
                self.rest = tail;
                goes_on = is_flowed(content);
            }
        }
        Some(Line { depth, text })
    }
}

fn is_flowed(content: &str) -> bool {
    content.ends_with(' ') && content != "-- "
}

/// Split the quote marks off a line. RFC 3676 4.5 for flowed text; elsewhere `> > x` is as common as `>> x`.
fn quoted(line: &str, flowed: bool) -> (usize, &str) {
    let mut depth = 0;
    let mut rest = line;
    loop {
        let next = if flowed || depth == 0 {
            rest.strip_prefix('>')
        } else {
            rest.strip_prefix('>').or_else(|| rest.strip_prefix(" >"))
        };
        let Some(next) = next else { break };
        rest = next;
        depth += 1;
    }
    if flowed || depth > 0 {
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    (depth.min(MAX_QUOTES), rest)
}

/// Copy escaped text and make links of the addresses in it.
fn add_links(text: &str, out: &mut String, tags: &mut usize) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&b) = bytes.get(at).filter(|_| *tags < MAX_TAGS) {
        let found = match b {
            b'h' | b'H' | b'w' | b'W' | b'm' | b'M' if !follows_word(bytes, at) => {
                address_at(text, at).map(|(end, href)| (at, end, href))
            }
            b'@' => mailbox_around(text, at, copied),
            _ => None,
        };
        if let Some((start, end, href)) = found {
            out.push_str(text.get(copied..start).unwrap_or_default());
            out.push_str("<a href=\"");
            escape_text(&href, out);
            out.push_str("\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">");
            out.push_str(text.get(start..end).unwrap_or_default());
            out.push_str("</a>");
            *tags += 1;
            copied = end;
            at = end;
        } else {
            at += 1;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80 || matches!(b, b'@' | b'_'))
}

/// The address that begins here: where it ends in the text, and where it leads.
fn address_at(text: &str, at: usize) -> Option<(usize, String)> {
    let rest = text.get(at..)?;
    let starts = |head: &str| {
        rest.get(..head.len())
            .is_some_and(|r| r.eq_ignore_ascii_case(head))
    };
    let before = if starts("http://") || starts("https://") || starts("mailto:") {
        ""
    } else if starts("www.") {
        "http://"
    } else {
        return None;
    };
    let length = trimmed(rest.get(..extent(rest))?).len();
    let raw = rest.get(..length)?.replace("&amp;", "&");
    match link::target(&format!("{before}{raw}"))? {
        // `http://.` and `www.` alone are words, not addresses.
        Target::Address(href) if raw.len() > "https://".len() || before.is_empty() => {
            Some((at + length, href))
        }
        _ => None,
    }
}

/// Up to the first white space, control or character that was escaped, `&` excepted.
fn extent(rest: &str) -> usize {
    let stop = |(at, c): (usize, char)| {
        let escaped = c == '&' && !rest.get(at..).is_some_and(|r| r.starts_with("&amp;"));
        (escaped || c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\''))
            .then_some(at)
    };
    rest.char_indices().find_map(stop).unwrap_or(rest.len())
}

/// Without the punctuation of the sentence around it; a closing bracket stays when it was opened inside.
fn trimmed(address: &str) -> &str {
    let count = |c: char| address.matches(c).count();
    let mut open_round = count(')').saturating_sub(count('('));
    let mut open_square = count(']').saturating_sub(count('['));
    let mut address = address;
    while let Some(last) = address.chars().next_back() {
        let cut = match last {
            ';' if address.ends_with("&amp;") => false,
            '.' | ',' | ';' | ':' | '!' | '?' | '*' | '|' | '“' | '”' | '’' | '«' | '»' | '…' => {
                true
            }
            ')' if open_round > 0 => {
                open_round -= 1;
                true
            }
            ']' if open_square > 0 => {
                open_square -= 1;
                true
            }
            _ => false,
        };
        if !cut {
            break;
        }
        address = address
            .get(..address.len() - last.len_utf8())
            .unwrap_or_default();
    }
    address
}

/// The mail address around an `@`, not reaching back before `from`.
fn mailbox_around(text: &str, at: usize, from: usize) -> Option<(usize, usize, String)> {
    let bytes = text.as_bytes();
    let local = bytes
        .get(from..at)?
        .iter()
        .rev()
        .take(65)
        .take_while(|b| b.is_ascii_alphanumeric() || b"._+-".contains(b))
        .count();
    let domain = bytes
        .get(at + 1..)?
        .iter()
        .take(254)
        .take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b))
        .count();
    let start = at - local;
    let host = text
        .get(at + 1..at + 1 + domain)?
        .trim_end_matches(['.', '-']);
    let name = text.get(start..at)?;
    let ends_well = host
        .rsplit_once('.')
        .is_some_and(|(_, top)| top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    let ok = (1..=64).contains(&local)
        && !name.starts_with('.')
        && !host.starts_with(['.', '-'])
        && !host.contains("..")
        && ends_well
        && !follows_word(bytes, start);
    ok.then(|| {
        let end = at + 1 + host.len();
        (start, end, format!("mailto:{name}@{host}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        text_to_html(text, &TextOptions::default())
    }

    fn links(text: &str) -> Vec<String> {
        show(text)
            .split("href=\"")
            .skip(1)
            .filter_map(|s| s.split('"').next().map(str::to_owned))
            .collect()
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            show("<b>&amp; \"x\" 'y'"),
            "<div class=\"pm-t\">&lt;b&gt;&amp;amp; &quot;x&quot; &#39;y&#39;</div>"
        );
    }

    #[test]
    fn addresses_become_links() {
        for (text, want) in [
            (
                "see https://a.example/x?y=1&z=2.",
                "https://a.example/x?y=1&amp;z=2",
            ),
            ("(http://a.example/w_(b))", "http://a.example/w_(b)"),
            ("<https://a.example/>", "https://a.example/"),
            ("\"https://a.example/q\"", "https://a.example/q"),
            ("www.a.example!", "http://www.a.example/"),
            ("mailto:x@a.example", "mailto:x@a.example"),
            ("an max.muster@a.example,", "mailto:max.muster@a.example"),
            ("HTTPS://A.EXAMPLE/", "https://a.example/"),
        ] {
            assert_eq!(links(text), [want], "{text}");
        }
        for text in [
            "javascript:alert(1)",
            "xhttp://a",
            "data:text/html,x",
            "a@b",
            "@x.de",
            "www.",
            "http://",
            "ftp://a.example",
        ] {
            assert_eq!(links(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_link_cannot_leave_its_attribute() {
        let html = show("http://a.example/\"onmouseover=alert(1) http://b.example/'><script>");
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(
            links("http://a.example/\"onmouseover=alert(1)"),
            ["http://a.example/"]
        );
    }

    #[test]
    fn quotes_are_nested_and_folded() {
        assert_eq!(
            show("Hallo\n> eins\n>> zwei\n> > auch\nEnde"),
            "<div class=\"pm-t\">Hallo<blockquote class=\"q1\">eins<details class=\"pm-fold\">\
<summary>Show earlier messages</summary><blockquote class=\"q2\">zwei\nauch</blockquote></details>\
</blockquote>Ende</div>"
        );
    }

    #[test]
    fn the_signature_is_set_apart() {
        assert_eq!(
            show("Text\n-- \nAnna\n> quote"),
            "<div class=\"pm-t\">Text\n<div class=\"sig\">-- \nAnna</div><blockquote class=\"q1\">quote</blockquote></div>"
        );
        assert!(!show("Text\n--\nAnna").contains("sig"));
        assert_eq!(
            show("> x\n> -- \n> Bo"),
            "<div class=\"pm-t\"><blockquote class=\"q1\">x\n<div class=\"sig\">-- \nBo</div></blockquote></div>"
        );
        assert!(
            show("-- \nAnna\n\nAm Montag\nschrieb Bo:\n> x")
                .contains("Anna\n</div>Am Montag\nschrieb Bo:<blockquote")
        );
    }

    #[test]
    fn flowed_lines_go_on() {
        let flowed = |text: &str, delsp: bool| {
            let opts = TextOptions {
                flowed: true,
                delsp,
                fold: false,
                ..TextOptions::default()
            };
            text_to_html(text, &opts)
                .replace("<div class=\"pm-t\">", "")
                .replace("</div>", "")
        };
        assert_eq!(flowed("one \r\ntwo\r\nthree\r\n", false), "one two\nthree");
        assert_eq!(flowed("eins \nzwei", true), "einszwei");
        assert_eq!(flowed(" From me\n  x", false), "From me\n x");
        assert_eq!(
            flowed(">> a \n>> b\n> c \nd", false),
            "<blockquote class=\"q1\"><blockquote class=\"q2\">a b</blockquote>c </blockquote>d"
        );
        assert_eq!(
            flowed("x \n-- \nme", false),
            "x \n<div class=\"sig\">-- \nme"
        );
    }

    #[test]
    fn tags_are_bounded() {
        let links = |n: usize| show(&"www.a.example ".repeat(n)).matches("<a ").count();
        assert_eq!(links(MAX_TAGS - 1), MAX_TAGS - 1);
        assert_eq!(links(MAX_TAGS), MAX_TAGS);
        assert_eq!(links(MAX_TAGS + 1), MAX_TAGS);
        let deep = format!("{}x\nzz\n", ">".repeat(MAX_QUOTES)).repeat(5_000);
        let html = show(&deep);
        assert!(html.matches("<blockquote").count() < MAX_TAGS + MAX_QUOTES);
        assert_eq!(
            html.matches("<blockquote").count(),
            html.matches("</blockquote").count()
        );
        assert_eq!(html.matches("zz").count(), 5_000);
    }

    #[test]
    fn depth_is_bounded() {
        let html = show(&format!("{}x", ">".repeat(5_000)));
        assert_eq!(html.matches("<blockquote").count(), MAX_QUOTES);
    }
}
