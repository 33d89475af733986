//! HTML bodies as text: for replies in plain text, previews, and search.
//!
//! Written from the same tree that the cleaner reads, so it has the same limits and is linear. (A renderer with
//! columns of its own was tried: it is quadratic in depth and gives up on narrow columns.)

use super::clean::head_of;
use super::css;
use super::link::{self, Target};
use super::parse;
use super::rules::{self, Treatment};
use super::tree::{Element, Id, Kind, Tree};

/// The part of a body that is turned into text.
const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Longest address that is written beside its link.
const MAX_ADDRESS: usize = 500;

/// A body as text for people: paragraphs, lists, quotes with `> `, addresses of links in angle brackets.
///
/// What the message hides is left out.
#[must_use]
pub fn html_to_text(html: &str) -> String {
    convert(html, true)
}

/// A body as words: as [`html_to_text`] but without addresses, marks and quotes' signs, and with the line
/// that senders hide for previews. For the list's preview and for search.
#[must_use]
pub fn html_to_words(html: &str) -> String {
    let text = convert(html, false);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn convert(html: &str, marks: bool) -> String {
    let html = head_of(html, MAX_BYTES);
    let Some(tree) = parse::parse(html) else {
        return without_tags(html);
    };
    let Some(body) = tree.body() else {
        return String::new();
    };
    let mut writer = Writer::new(marks);
    writer.run(&tree, body);
    writer.out.truncate(writer.out.trim_end().len());
    writer.out
}

/// What stands between the last character and the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    /// Between two cells of a table's row.
    Tab,
}

struct Writer {
    marks: bool,
    out: String,
    /// Line ends owed before the next character, and the least quote depth between here and there.
    breaks: usize,
    break_quotes: usize,
    gap: Gap,
    joiner: Option<char>,
    quotes: usize,
    pre: usize,
    /// One entry a list: the number of the next item, or 0 for a bullet.
    lists: Vec<usize>,
    /// Written at the start of the next line, after the quote marks: the mark of a list item.
    bullet: Option<String>,
    line_start: bool,
}

/// What is to be done when an element ends.
struct Open<'t> {
    next: Option<Id>,
    element: Option<&'t Element>,
    /// Where a link's text began.
    link: Option<(usize, String)>,
}

impl Writer {
    fn new(marks: bool) -> Self {
        Self {
            marks,
            out: String::new(),
            breaks: 0,
            break_quotes: 0,
            gap: Gap::None,
            joiner: None,
            quotes: 0,
            pre: 0,
            lists: Vec::new(),
            bullet: None,
            line_start: true,
        }
    }

    fn run(&mut self, tree: &Tree, top: Id) {
        let mut open = vec![Open {
            next: tree.first(top),
            element: None,
            link: None,
        }];
        while let Some(frame) = open.last_mut() {
            let Some(id) = frame.next else {
                if let Some(frame) = open.pop() {
                    self.leave(&frame);
                }
                continue;
            };
            frame.next = tree.next(id);
            match tree.kind(id) {
                Kind::Text(text) => self.text(text),
                Kind::Element(element) if self.wanted(element) => {
                    let link = self.enter(element);
                    open.push(Open {
                        next: tree.first(id),
                        element: Some(element),
                        link,
                    });
                }
                _ => {}
            }
        }
    }

    fn wanted(&self, element: &Element) -> bool {
        let hidden = self.marks
            && element
                .attr("style")
                .is_some_and(|s| css::attribute(s, &mut |_| None).contains("display:none"));
        element.is_html && !hidden && rules::treatment(&element.name) != Treatment::Drop
    }

    fn enter(&mut self, element: &Element) -> Option<(usize, String)> {
        let name = &*element.name;
        self.owe(margin(name));
        match name {
            "br" => self.line_end(),
            "hr" if self.marks => {
                self.text("----------");
                self.owe(1);
            }
            "img" => self.text(element.attr("alt").unwrap_or_default()),
            "blockquote" => self.quotes += 1,
            "pre" => self.pre += 1,
            "ul" => self.lists.push(0),
            "ol" => {
                let start = element.attr("start").and_then(|v| v.parse().ok());
                self.lists.push(start.filter(|n| *n > 0).unwrap_or(1));
            }
            "li" => self.item(),
            "td" | "th" if !self.line_start && self.breaks == 0 => self.gap = Gap::Tab,
            "a" if self.marks => {
                let target = link::target(element.attr("href")?)?;
                if let Target::Address(address) = target {
                    return Some((self.out.len(), address));
                }
            }
            _ => {}
        }
        None
    }

    fn leave(&mut self, open: &Open<'_>) {
        let Some(element) = open.element else {
            return;
        };
        match &*element.name {
            "blockquote" => self.quotes = self.quotes.saturating_sub(1),
            "pre" => self.pre = self.pre.saturating_sub(1),
            "ul" | "ol" => {
                self.lists.pop();
            }
            _ => {}
        }
        if let Some((start, address)) = &open.link {
            self.address(*start, address);
        }
        self.owe(margin(&element.name));
    }

    /// Write where a link leads, unless its text says it already.
    fn address(&mut self, start: usize, address: &str) {
        let text = self.out.get(start..).unwrap_or_default().trim();
        let bare = |a: &str| {
            let a = a.strip_prefix("mailto:").unwrap_or(a);
            let a = a.strip_prefix("https://").unwrap_or(a);
            let a = a.strip_prefix("http://").unwrap_or(a);
            a.strip_prefix("www.")
                .unwrap_or(a)
                .trim_end_matches('/')
                .to_lowercase()
        };
        let says_it = text.is_empty() || bare(text) == bare(address);
        if says_it || address.len() > MAX_ADDRESS {
            return;
        }
        self.gap = Gap::Space;
        self.text(&format!("<{}>", address.trim_start_matches("mailto:")));
    }

    fn item(&mut self) {
        if !self.marks {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(10));
        self.bullet = Some(match self.lists.last_mut() {
            Some(0) | None => format!("{indent}- "),
            Some(number) => {
                let text = format!("{indent}{number}. ");
                *number = number.saturating_add(1);
                text
            }
        });
    }

    /// At least this many line ends before what comes next.
    fn owe(&mut self, breaks: usize) {
        if breaks > 0 {
            self.break_quotes = if self.breaks == 0 {
                self.quotes
            } else {
                self.break_quotes.min(self.quotes)
            };
            self.breaks = self.breaks.max(breaks);
            self.gap = Gap::None;
            self.joiner = None;
        }
    }

    /// A line end that counts even beside another: `br`.
    fn line_end(&mut self) {
        self.flush_breaks();
        self.begin_line();
        self.end_line();
    }

    fn flush_breaks(&mut self) {
        let breaks = std::mem::take(&mut self.breaks);
        if self.out.is_empty() {
            return;
        }
        if breaks > 0 && !self.line_start {
            self.end_line();
        }
        if breaks > 1 && !self.out.ends_with("\n\n") {
            let quotes = std::mem::replace(&mut self.quotes, self.break_quotes);
            self.begin_line();
            self.end_line();
            self.quotes = quotes;
        }
    }

    fn end_line(&mut self) {
        let kept = self.out.trim_end_matches([' ', '\t']).len();
        self.out.truncate(kept);
        self.out.push('\n');
        self.line_start = true;
        self.gap = Gap::None;
        self.joiner = None;
    }

    fn begin_line(&mut self) {
        if !self.line_start {
            return;
        }
        if self.marks {
            for _ in 0..self.quotes.min(16) {
                self.out.push_str("> ");
            }
        }
        self.line_start = false;
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if self.pre > 0 && c == '\n' {
                self.line_end();
            } else if c.is_whitespace() && self.pre == 0 {
                self.gap = self.gap.max(Gap::Space);
            } else if matches!(c, '\u{200c}' | '\u{200d}') {
                // Part of a word only between two of its letters; else the filling of a hidden preview line.
                self.joiner = Some(c);
            } else if !link::is_invisible(c) && c != '\u{34f}' && (!c.is_control() || c == '\t') {
                self.push(c);
            }
        }
    }

    fn push(&mut self, c: char) {
        self.flush_breaks();
        let at_start = self.line_start;
        self.begin_line();
        if let Some(bullet) = self.bullet.take() {
            self.out.push_str(&bullet);
        } else if self.gap == Gap::Tab && !at_start {
            self.out.push('\t');
        } else if self.gap == Gap::Space && !at_start {
            self.out.push(' ');
        } else if let Some(joiner) = self.joiner
            && !at_start
        {
            self.out.push(joiner);
        }
        self.gap = Gap::None;
        self.joiner = None;
        self.out.push(c);
    }
}

/// Line ends around an element: 2 leave a blank line.
fn margin(name: &str) -> usize {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "ul" | "ol" | "dl"
        | "pre" | "table" => 2,
        _ if rules::is_block(name) => 1,
        _ => 0,
    }
}

/// The text of markup that is too strange to parse: what stands outside of tags, roughly. Linear.
fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    let mut skip_to: Option<&str> = None;
    while !rest.is_empty() {
        let (text, tail) = rest.split_once('<').unwrap_or((rest, ""));
        if skip_to.is_none() {
            out.push_str(text);
        }
        let (tag, after) = tail.split_once('>').unwrap_or((tail, ""));
        let name: String = tag
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
            .take(12)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        match (skip_to, name.as_str()) {
            (Some(end), name) if name == end => skip_to = None,
            (None, "script") => skip_to = Some("/script"),
            (None, "style") => skip_to = Some("/style"),
            (None, "br" | "/p" | "/div" | "/tr" | "/li" | "/h1" | "/h2" | "/h3") => out.push('\n'),
            (None, _) => out.push(' '),
            (Some(_), _) => {}
        }
        rest = after;
    }
    let mut text = String::new();
    for (from, to) in [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ] {
        out = out.replace(from, to);
    }
    for line in out.lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_lists_and_quotes() {
        let html = "<h1>Titel</h1><p>Ein   <b>Absatz</b>\nmit Text.</p><ul><li>eins<li>zwei</ul>\
<ol start=3><li>drei</ol><blockquote>Zitat<br>weiter<p>noch</blockquote>Ende";
        assert_eq!(
            html_to_text(html),
            "Titel\n\nEin Absatz mit Text.\n\n- eins\n- zwei\n\n3. drei\n\n> Zitat\n> weiter\n>\n> noch\n\nEnde"
        );
    }

    #[test]
    fn links_say_where_they_lead() {
        assert_eq!(
            html_to_text(
                "<a href='https://a.example/x'>hier</a> und <a href='https://a.example/'>www.a.example</a>"
            ),
            "hier <https://a.example/x> und www.a.example"
        );
        assert_eq!(html_to_text("<a href='javascript:x'>hier</a>"), "hier");
        assert_eq!(
            html_to_text("<a href='mailto:x@a.example'>Max</a>"),
            "Max <x@a.example>"
        );
    }

    #[test]
    fn tables_and_pre_keep_their_shape() {
        assert_eq!(
            html_to_text("<table><tr><td>a</td><td>b</td></tr><tr><td>c<td>d</table>"),
            "a\tb\nc\td"
        );
        assert_eq!(html_to_text("x<pre>\n a\n  b</pre>y"), "x\n\n a\n  b\n\ny");
    }

    #[test]
    fn what_is_no_text_is_not_there() {
        let html = "<style>p{}</style><script>x</script><title>t</title>A<svg>B</svg>\
<div style='display:none'>versteckt</div><!-- c --><img alt='Bild' src=x>";
        assert_eq!(html_to_text(html), "ABild");
        assert_eq!(html_to_words(html), "A versteckt Bild");
        assert_eq!(
            html_to_words("Vorschau&zwnj;&nbsp;&zwnj;&nbsp;&#8203;&shy; <p>می\u{200c}خواهم"),
            "Vorschau می\u{200c}خواهم"
        );
    }

    #[test]
    fn strange_markup_still_gives_its_words() {
        let deep = format!("{}Hallo &amp; Welt", "<div>".repeat(20_000));
        assert_eq!(html_to_text(&deep), "Hallo & Welt");
    }
}
