//! Plain text from what was written: HTML with its tags taken off, flowed lines joined, quotes set aside.
//!
//! This is for previews, search and plain quotes, not for display: HTML is shown only through the sanitiser
//! (`format::html`). The tag stripper is one pass without a tree, so nesting costs nothing.

/// What a preview shows at most.
pub const PREVIEW_CHARS: usize = 200;

/// Text of an HTML document: no tags, no scripts, styles and comments; blocks on lines of their own.
///
/// With `skip_quotes` what stands in `blockquote` (and Gmail's and Outlook's quote frames) is left out.
/// At most about `max` bytes are made.
#[must_use]
pub fn from_html(html: &str, skip_quotes: bool, max: usize) -> String {
    let mut out = Stripped::default();
    let mut rest = html;
    let mut quote_depth = 0_usize;
    while let Some(at) = rest.find('<') {
        let (text, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if quote_depth == 0 {
            out.text(text);
        }
        if out.buffer.len() > max {
            return out.finish();
        }
        if let Some(after) = tail.strip_prefix("<!--") {
            rest = after
                .find("-->")
                .and_then(|end| after.get(end + 3..))
                .unwrap_or_default();
            continue;
        }
        let Some((tag, after)) = read_tag(tail) else {
            // A lone "<" is text.
            out.text("<");
            rest = tail.get(1..).unwrap_or_default();
            continue;
        };
        rest = after;
        if !tag.closes
            && matches!(
                tag.name.as_str(),
                "script" | "style" | "title" | "template" | "noscript"
            )
        {
            rest = skip_element(after, &tag.name);
            continue;
        }
        if skip_quotes && tag.name == "blockquote" {
            quote_depth = if tag.closes {
                quote_depth.saturating_sub(1)
            } else {
                quote_depth + 1
            };
        } else if skip_quotes && !tag.closes && is_reply_frame(tag.source) {
            break;
        }
        if quote_depth == 0 {
            out.tag(&tag);
        }
    }
    if quote_depth == 0 && !rest.contains('<') {
        out.text(rest);
    }
    out.finish()
}

/// Joins `format=flowed` lines (RFC 3676 4.2) and takes off stuffed blanks.
#[must_use]
pub fn unflow(text: &str, delsp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.split('\n') {
        let depth = line.bytes().take_while(|b| *b == b'>').count();
        let body = line.get(depth..).unwrap_or_default();
        let body = body.strip_prefix(' ').unwrap_or(body);
        let is_signature = body == "-- ";
        let flows = body.ends_with(' ') && !is_signature;
        if open != Some(depth) || is_signature {
            if open.is_some() && !out.ends_with('\n') {
                out.push('\n');
            }
            if depth > 0 {
                out.extend(std::iter::repeat_n('>', depth));
                out.push(' ');
            }
        }
        out.push_str(if flows && delsp {
            body.strip_suffix(' ').unwrap_or(body)
        } else {
            body
        });
        if flows {
            open = Some(depth);
        } else {
            out.push('\n');
            open = None;
        }
    }
    // The split gave one line more than there are line breaks.
    if out.ends_with('\n') && !text.ends_with('\n') || text.ends_with('\n') && out.ends_with("\n\n")
    {
        out.pop();
    }
    out
}

/// The text without quoted lines, attribution lines, forwarded heads and signature.
#[must_use]
pub fn own_words(text: &str) -> String {
    let mut out = String::new();
    let lines: Vec<&str> = text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with('>') {
            continue;
        }
        if *line == "-- " || trimmed == "--" || is_divider(trimmed) || is_quoted_head(&lines, i) {
            break;
        }
        if is_attribution(&lines, i) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The first [`PREVIEW_CHARS`] characters of a text on one line: what its writer wrote, or else the quote.
#[must_use]
pub fn preview(text: &str) -> String {
    let own = one_line(&own_words(text));
    if own.is_empty() { one_line(text) } else { own }
}

/// White space folded, rulers and invisible characters dropped, cut at [`PREVIEW_CHARS`].
fn one_line(text: &str) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || is_filler(c)) {
        let ruler = word.chars().count() > 2 && word.chars().all(|c| "-_=*~#.─━".contains(c));
        if word.is_empty() || ruler {
            continue;
        }
        if chars > 0 {
            out.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars >= PREVIEW_CHARS {
                out.truncate(out.trim_end().len());
                return out;
            }
            out.push(c);
            chars += 1;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters newsletters fill their previews with, and controls.
fn is_filler(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFFC}')
}

/// `-----Original Message-----` and its kin.
fn is_divider(line: &str) -> bool {
    let inner = line.trim_matches(|c: char| c == '-' || c == '_' || c.is_whitespace());
    let dashes = line.len() - line.trim_start_matches('-').len();
    let lower = inner.to_lowercase();
    (dashes >= 2
        && [
            "original message",
            "ursprüngliche nachricht",
            "originalnachricht",
            "original-nachricht",
            "weitergeleitete nachricht",
            "forwarded message",
            "anfang der weitergeleiteten nachricht",
        ]
        .iter()
        .any(|known| lower.starts_with(known)))
        || [
            "anfang der weitergeleiteten nachricht:",
            "begin forwarded message:",
        ]
        .contains(&line.to_lowercase().as_str())
}

/// `Von: … / Gesendet: …` as Outlook puts it over what it quotes: the first line, followed by a second one.
fn is_quoted_head(lines: &[&str], at: usize) -> bool {
    let starts = |line: Option<&&str>, words: &[&str]| {
        line.is_some_and(|l| {
            let lower = l.trim().trim_start_matches('*').to_lowercase();
            words.iter().any(|w| lower.starts_with(w))
        })
    };
    starts(lines.get(at), &["von:", "from:"])
        && starts(
            lines.get(at + 1),
            &["gesendet:", "sent:", "datum:", "date:", "an:", "to:"],
        )
}

/// `Am 3. Mai schrieb Anna:` / `On May 3, Anna wrote:`, also over two lines, followed by a quote.
fn is_attribution(lines: &[&str], at: usize) -> bool {
    let line = lines.get(at).map_or("", |l| l.trim());
    if line.len() > 300 || line.is_empty() {
        return false;
    }
    let ends = |text: &str| {
        text.ends_with(':')
            && ["schrieb", "wrote", "geschrieben", "hat am"]
                .iter()
                .any(|w| text.contains(w))
    };
    let next = lines.get(at + 1).map_or("", |l| l.trim());
    let quoted_soon = |from: usize| {
        lines
            .iter()
            .skip(from)
            .find(|l| !l.trim().is_empty())
            .is_none_or(|l| l.trim_start().starts_with('>'))
    };
    let begins = ["Am ", "On ", "Le ", "El "]
        .iter()
        .any(|w| line.starts_with(w));
    (ends(line) && quoted_soon(at + 1))
        || (begins && !line.ends_with(['.', '!', '?']) && ends(next) && quoted_soon(at + 2))
}

#[derive(Default)]
struct Stripped {
    buffer: String,
    /// A blank is due before the next word.
    blank: bool,
}

impl Stripped {
    fn text(&mut self, raw: &str) {
        let decoded = if raw.contains('&') {
            entities(raw)
        } else {
            raw.to_owned()
        };
        for c in decoded.chars() {
            if c == '\u{A0}' || c.is_whitespace() {
                self.blank = true;
                continue;
            }
            if self.blank && !self.buffer.is_empty() && !self.buffer.ends_with('\n') {
                self.buffer.push(' ');
            }
            self.blank = false;
            self.buffer.push(c);
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "ul" | "ol"
            | "blockquote" | "pre" => self.lines(2),
            "br" => {
                self.buffer.push('\n');
                self.blank = false;
            }
            "div" | "tr" | "hr" | "section" | "article" | "header" | "footer" | "dl" | "dt"
            | "dd" | "body" | "center" => self.lines(1),
            "li" if !tag.closes => {
                self.lines(1);
                self.buffer.push_str("- ");
            }
            "td" | "th" | "img" => self.blank = true,
            _ => {}
        }
    }

    /// Sees to it that `count` line breaks end the text.
    fn lines(&mut self, count: usize) {
        self.blank = false;
        if self.buffer.is_empty() {
            return;
        }
        let have = self.buffer.len() - self.buffer.trim_end_matches('\n').len();
        self.buffer
            .extend(std::iter::repeat_n('\n', count.saturating_sub(have)));
    }

    fn finish(mut self) -> String {
        self.buffer.truncate(self.buffer.trim_end().len());
        self.buffer
    }
}

struct Tag<'a> {
    name: String,
    closes: bool,
    source: &'a str,
}

/// Reads `<name ...>`, its attributes' quotes heeded; `None` if this is no tag.
fn read_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let inner = text.strip_prefix('<')?;
    let (closes, inner) = match inner.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let first = inner.chars().next()?;
    if !first.is_ascii_alphabetic() && !matches!(first, '!' | '?') {
        return None;
    }
    let name_end = inner
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':')
        .unwrap_or(inner.len());
    let name = inner
        .get(..name_end.min(32))
        .unwrap_or_default()
        .to_ascii_lowercase();
    // A quote that is never closed would swallow the rest: such a tag ends at its first ">".
    let end = tag_end(inner)
        .or_else(|| inner.find('>'))
        .unwrap_or(inner.len());
    let source = inner.get(..end).unwrap_or_default();
    let after = inner.get(end + 1..).unwrap_or_default();
    Some((
        Tag {
            name,
            closes,
            source,
        },
        after,
    ))
}

/// The `>` that ends a tag, outside quoted attribute values; gives up after `MAX_TAG` bytes.
fn tag_end(inner: &str) -> Option<usize> {
    let mut quote: Option<u8> = None;
    let mut before = b' ';
    for (at, b) in inner.bytes().take(MAX_TAG).enumerate() {
        match (quote, b) {
            (Some(q), b) if q == b => quote = None,
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if before == b'=' => quote = Some(b),
            _ => {}
        }
        if !b.is_ascii_whitespace() {
            before = b;
        }
    }
    None
}

/// Bytes of one tag in which quotes are heeded (inline pictures are long).
const MAX_TAG: usize = 4_096;

/// What follows the closing tag of a raw text element.
fn skip_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        let tail = rest.get(at + 2..).unwrap_or_default();
        if tail
            .get(..name.len())
            .is_some_and(|n| n.eq_ignore_ascii_case(name))
        {
            return tail
                .find('>')
                .and_then(|end| tail.get(end + 1..))
                .unwrap_or_default();
        }
        rest = tail;
    }
    ""
}

/// The elements in which Gmail, Outlook, Yahoo and Thunderbird put what they quote or its head.
fn is_reply_frame(tag: &str) -> bool {
    [
        "gmail_quote",
        "divRplyFwdMsg",
        "appendonsend",
        "yahoo_quoted",
        "moz-cite-prefix",
        "moz-forward-container",
        "postamt-quote",
    ]
    .iter()
    .any(|mark| tag.contains(mark))
}

/// Character references (HTML 13.5): the common names, and numbers.
fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let tail = rest.get(at + 1..).unwrap_or_default();
        let end = tail
            .bytes()
            .take(12)
            .position(|b| !b.is_ascii_alphanumeric() && b != b'#');
        let name = tail
            .get(..end.unwrap_or(tail.len().min(12)))
            .unwrap_or_default();
        if let Some(c) = entity(name) {
            out.push(c);
            let after = tail.get(name.len()..).unwrap_or_default();
            rest = after.strip_prefix(';').unwrap_or(after);
        } else {
            out.push('&');
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0');
    }
    Some(match name {
        "nbsp" => '\u{A0}',
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "aacute" => 'á',
        "acirc" => 'â',
        "ecirc" => 'ê',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        "oacute" => 'ó',
        "iacute" => 'í',
        "uacute" => 'ú',
        "oslash" => 'ø',
        "aring" => 'å',
        "aelig" => 'æ',
        "euro" => '€',
        "pound" => '£',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "sect" => '§',
        "deg" => '°',
        "middot" => '·',
        "bull" => '•',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "sbquo" => '‚',
        "ldquo" => '“',
        "rdquo" => '”',
        "bdquo" => '„',
        "laquo" => '«',
        "raquo" => '»',
        "times" => '×',
        "rarr" => '→',
        "larr" => '←',
        "zwnj" => '\u{200C}',
        "zwj" => '\u{200D}',
        "shy" => '\u{AD}',
        "ensp" | "emsp" | "thinsp" => ' ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        from_html(text, false, usize::MAX)
    }

    #[test]
    fn html_becomes_lines() {
        for (source, want) in [
            ("a<br>b<p>c</p>d", "a\nb\n\nc\n\nd"),
            ("<ul><li>eins<li>zwei</ul>", "- eins\n- zwei"),
            ("<b>a</b>b <i> c</i>", "ab c"),
            ("<td>a</td><td>b</td>", "a b"),
            (
                "a &lt;b&gt; &amp;amp; &#228;&#xE4;&auml &unknown; &",
                "a <b> &amp; äää &unknown; &",
            ),
            ("1 < 2 > 0", "1 < 2 > 0"),
            (
                "<script>if (a<b) x('</p>')</script>y<STYLE>z</style >w",
                "yw",
            ),
            ("a<!-- x > y -->b<!doctype html>c<?php d ?>e", "abce"),
            ("<a title=\"a > b\">x</a>", "x"),
            ("<p title=\"never closed>x</p>y", "x\n\ny"),
            ("<title>no</title>yes", "yes"),
            ("a <", "a <"),
            ("<", "<"),
            ("", ""),
        ] {
            assert_eq!(html(source), want, "{source}");
        }
    }

    #[test]
    fn quotes_in_html_can_be_left_out() {
        let source = "neu<blockquote>alt<blockquote>älter</blockquote></blockquote>mehr<div class=\"gmail_quote\">Am schrieb<p>alt";
        assert_eq!(from_html(source, true, usize::MAX), "neu\n\nmehr");
        assert!(html(source).contains("älter"));
    }

    #[test]
    fn flowed_lines_are_joined() {
        // RFC 3676 4.1, 4.2, 4.3, 4.5
        for (source, want) in [
            ("a \nb\nc", "a b\nc"),
            ("a \nb\nc\n", "a b\nc\n"),
            ("> q \n> r\n>> s \nt", "> q r\n>> s \nt"),
            (" From x\n >y", "From x\n>y"),
            ("a \n-- \nSig", "a \n-- \nSig"),
            ("a\n\nb", "a\n\nb"),
            ("", ""),
        ] {
            assert_eq!(unflow(source, false), want, "{source:?}");
        }
        assert_eq!(unflow("Donau \ndampf", true), "Donaudampf");
    }

    #[test]
    fn a_preview_is_what_the_writer_wrote() {
        for (source, want) in [
            (
                "Hallo,\n\nAm 3. Mai schrieb Anna:\n> alt\n\ngern.\n-- \nJörg",
                "Hallo, gern.",
            ),
            (
                "ok\n\nOn Mon, May 3, 2026 at 9:00 AM Anna Schmidt\n<a@b.de> wrote:\n\n> old",
                "ok",
            ),
            (
                "ja\n\n-----Ursprüngliche Nachricht-----\nVon: Anna\nalt",
                "ja",
            ),
            ("ja\n\nVon: Anna <a@b.de>\nGesendet: Montag\nalt", "ja"),
            (
                "ja\n________________________________\nFrom: Anna\nSent: Monday\nold",
                "ja",
            ),
            ("> only a quote", "> only a quote"),
            ("Von: hier\nnach dort", "Von: hier nach dort"),
            ("Er schrieb: alles gut.", "Er schrieb: alles gut."),
            ("a\u{200B}\u{AD} b =====\n***** c", "a b c"),
            ("", ""),
        ] {
            assert_eq!(preview(source), want, "{source:?}");
        }
        let long = "wort ".repeat(100);
        assert_eq!(preview(&long).chars().count(), 199);
        assert_eq!(preview(&"ä".repeat(300)).chars().count(), 200);
    }
}
