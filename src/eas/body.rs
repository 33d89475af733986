//! Bodies as a device asks for them (MS-ASAIRS 2.2.2.9, 2.2.2.12): which form, cut where.
//!
//! Cut on a character's border, in HTML also never inside a tag or an entity. `Truncated` is written only when something was cut:
//! there are clients that stop at `Truncated 0`.

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::format::html::{TextOptions, html_to_text, text_to_html};
use crate::format::mime;
use crate::format::wbxml::pages::{airsync as a, base as b};
use crate::format::wbxml::{Element, Encoder};
use crate::service::mail::read::ShownBody;

/// A form in which a device takes bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BodyPreference {
    /// 1 plain, 2 HTML, 3 RTF, 4 MIME.
    pub kind: u8,
    /// Octets at most.
    pub truncation: Option<u32>,
    /// Nothing rather than a piece.
    pub all_or_none: bool,
    /// Characters of a preview.
    pub preview: Option<u8>,
}

/// What a device wants to see; remembered until it says something else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    /// `FilterType`
    pub filter: u8,
    /// `MIMESupport`
    pub mime_support: u8,
    /// `MIMETruncation`
    pub mime_truncation: Option<u8>,
    /// In the device's order.
    pub bodies: Vec<BodyPreference>,
}

impl Options {
    /// Reads an `Options` element, in `Sync` and wherever else it stands. None: it holds what cannot be.
    pub fn read(element: &Element<'_>) -> Option<Self> {
        let small = |tag| match element.child(tag) {
            Some(value) => u8::try_from(value.number()?).ok().map(Some),
            None => Some(None),
        };
        let filter = small(a::FILTER_TYPE)?.unwrap_or(0);
        let mime_support = small(a::MIME_SUPPORT)?.unwrap_or(0);
        let mime_truncation = small(a::MIME_TRUNCATION)?;
        if filter > 7 || mime_support > 2 || mime_truncation.is_some_and(|n| n > 8) {
            return None;
        }
        let bodies = element
            .children(b::BODY_PREFERENCE)
            .map(BodyPreference::read)
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            filter,
            mime_support,
            mime_truncation,
            bodies,
        })
    }

    /// Those kept for a folder.
    pub fn of(kept: &serde_json::Value) -> Self {
        Self::deserialize(kept).unwrap_or_default()
    }

    /// Days of mail; none: all of it.
    pub fn days(kept: &serde_json::Value) -> Option<u16> {
        days_of(Self::of(kept).filter)
    }

    fn wants_mime(&self, is_smime: bool) -> Option<&BodyPreference> {
        let may = self.mime_support == 2 || (self.mime_support == 1 && is_smime);
        self.bodies.iter().find(|p| p.kind == MIME).filter(|_| may)
    }

    fn mime_limit(&self, preference: &BodyPreference) -> Option<usize> {
        const SIZES: [u32; 8] = [0, 4_096, 5_120, 7_168, 10_240, 20_480, 51_200, 102_400];
        let own = preference.truncation;
        let by_table = self
            .mime_truncation
            .and_then(|n| SIZES.get(usize::from(n)).copied());
        match (own, by_table) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
        .and_then(|n| usize::try_from(n).ok())
    }
}

/// Days of a `FilterType` of mail (MS-ASCMD 2.2.3.68); longer ones are taken as they are for calendars.
pub(super) fn days_of(filter: u8) -> Option<u16> {
    Some(match filter {
        1 => 1,
        2 => 3,
        3 => 7,
        4 => 14,
        5 => 31,
        6 => 92,
        7 => 183,
        _ => return None,
    })
}

impl BodyPreference {
    fn read(element: &Element<'_>) -> Option<Self> {
        let kind = u8::try_from(element.child(b::TYPE)?.number()?).ok()?;
        if !(1..=4).contains(&kind) {
            return None;
        }
        let truncation = match element.child(b::TRUNCATION_SIZE) {
            Some(size) => Some(u32::try_from(size.number()?).unwrap_or(u32::MAX)),
            None => None,
        };
        Some(Self {
            kind,
            truncation,
            all_or_none: element
                .child(b::ALL_OR_NONE)
                .and_then(Element::flag)
                .unwrap_or(false),
            preview: element
                .child(b::PREVIEW)
                .and_then(Element::number)
                .map(|n| u8::try_from(n).unwrap_or(u8::MAX)),
        })
    }

    fn limit(&self) -> Option<usize> {
        self.truncation.and_then(|n| usize::try_from(n).ok())
    }
}

/// A body, chosen and cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// 1, 2 or 4.
    pub kind: u8,
    /// Octets of the whole.
    pub full_size: usize,
    /// Something is missing.
    pub is_cut: bool,
    /// What is told; none: nothing but the size.
    pub data: Option<Data>,
    /// A beginning without markup.
    pub preview: Option<u8>,
}

/// Text or a whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Data {
    /// Plain or HTML.
    Text(String),
    /// A message as it is stored; its first so many octets.
    Mime(usize),
}

/// The plain text of a message with CR LF: some clients show text with bare LF as one line.
fn plain(shown: &ShownBody) -> String {
    let text = match (&shown.text, &shown.html) {
        (Some(text), _) if shown.is_flowed => mime::text::unflow(text, shown.is_delsp),
        (Some(text), _) => text.clone(),
        (None, Some(html)) => html_to_text(html),
        (None, None) => String::new(),
    };
    crlf(&text)
}

fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut before = '\0';
    for c in text.chars() {
        match c {
            '\n' if before != '\r' => out.push_str("\r\n"),
            c => {
                if before == '\r' && c != '\n' {
                    out.push('\n');
                }
                out.push(c);
            }
        }
        before = c;
    }
    if before == '\r' {
        out.push('\n');
    }
    out
}

/// The HTML of a message; it is UTF-8 on the wire, whatever a `meta` in it says, so that goes.
fn html(shown: &ShownBody) -> String {
    match (&shown.html, &shown.text) {
        (Some(html), _) => without_charset(html),
        (None, text) => {
            let options = TextOptions {
                flowed: shown.is_flowed,
                delsp: shown.is_delsp,
                fold: false,
                fold_label: "",
            };
            let inside = text_to_html(text.as_deref().unwrap_or_default(), &options);
            format!("<html><body>{inside}</body></html>")
        }
    }
}

/// Leaves out every `meta` that names a character set.
fn without_charset(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let lower = html.to_ascii_lowercase();
    let mut base = 0;
    while let Some(at) = lower.get(base..).and_then(|text| text.find("<meta")) {
        let start = base + at;
        let Some(length) = html.get(start..).and_then(|text| text.find('>')) else {
            break;
        };
        let end = start + length + 1;
        let names_charset = lower
            .get(start..end)
            .is_some_and(|tag| tag.contains("charset"));
        let keep_to = if names_charset { start } else { end };
        out.push_str(html.get(base..keep_to).unwrap_or_default());
        base = end;
        rest = html.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Chooses among a device's preferences. `size` is that of the whole message, `shown` its text.
pub(super) fn choose(options: &Options, is_smime: bool, size: usize, shown: &ShownBody) -> Chosen {
    if let Some(preference) = options.wants_mime(is_smime) {
        let limit = options.mime_limit(preference).unwrap_or(usize::MAX);
        if size <= limit || !preference.all_or_none {
            return Chosen {
                kind: MIME,
                full_size: size,
                is_cut: size > limit,
                data: (limit > 0).then_some(Data::Mime(size.min(limit))),
                preview: preference.preview,
            };
        }
    }
    let native = if shown.html.is_some() { HTML } else { PLAIN };
    let other = if native == HTML { PLAIN } else { HTML };
    let mut refused = None;
    for kind in [native, other] {
        let Some(preference) = options.bodies.iter().find(|p| p.kind == kind) else {
            continue;
        };
        let text = if kind == HTML {
            html(shown)
        } else {
            plain(shown)
        };
        let limit = preference.limit().unwrap_or(usize::MAX);
        if text.len() > limit && preference.all_or_none {
            refused.get_or_insert(Chosen {
                kind,
                full_size: text.len(),
                is_cut: true,
                data: None,
                preview: preference.preview,
            });
            continue;
        }
        return chosen(kind, text, limit, preference.preview, shown.is_cut);
    }
    refused.unwrap_or_else(|| chosen(PLAIN, plain(shown), DEFAULT_TEXT, None, shown.is_cut))
}

fn chosen(kind: u8, mut text: String, limit: usize, preview: Option<u8>, is_part: bool) -> Chosen {
    let full_size = text.len();
    let is_cut = full_size > limit;
    if is_cut {
        text.truncate(if kind == HTML {
            html_border(&text, limit)
        } else {
            text.floor_char_boundary(limit)
        });
    }
    Chosen {
        kind,
        full_size,
        is_cut: is_cut || is_part,
        data: (limit > 0).then_some(Data::Text(text)),
        preview,
    }
}

/// The last place at or before `limit` that is inside no character, tag or entity.
fn html_border(html: &str, limit: usize) -> usize {
    let at = html.floor_char_boundary(limit);
    let before = html.get(..at).unwrap_or_default();
    let at = match before.rfind('<') {
        Some(open) if before.get(open..).is_some_and(|tag| !tag.contains('>')) => open,
        _ => at,
    };
    let before = html.get(..at).unwrap_or_default();
    match before.rfind('&') {
        Some(amp)
            if at - amp <= LONGEST_ENTITY
                && before
                    .get(amp..)
                    .is_some_and(|e| !e.contains(';') && !e.contains(char::is_whitespace)) =>
        {
            amp
        }
        _ => at,
    }
}

/// Writes a `Body`; `message` holds the stored octets when they are asked for.
pub(super) fn write(
    out: &mut Encoder,
    version: Version,
    body: &Chosen,
    message: &[u8],
    preview: &str,
) {
    out.element(b::BODY, |out| {
        out.value(b::TYPE, body.kind);
        out.value(b::ESTIMATED_DATA_SIZE, body.full_size);
        if body.is_cut {
            out.flag(b::TRUNCATED, true);
        }
        match &body.data {
            Some(Data::Text(text)) => out.text(b::DATA, text),
            Some(Data::Mime(length)) => {
                out.opaque(b::DATA, message.get(..*length).unwrap_or(message));
            }
            None => {}
        }
        if let (Some(most), true) = (body.preview, version >= Version::V14_0) {
            let text: String = preview.chars().take(most.into()).collect();
            if !text.is_empty() {
                out.text(b::PREVIEW, &text);
            }
        }
    });
}

const PLAIN: u8 = 1;
pub(super) const HTML: u8 = 2;
pub(super) const MIME: u8 = 4;
/// Octets of text for a device that says nothing about bodies.
const DEFAULT_TEXT: usize = 512;
const LONGEST_ENTITY: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: Option<&str>, text: Option<&str>) -> ShownBody {
        ShownBody {
            html: html.map(str::to_owned),
            text: text.map(str::to_owned),
            is_flowed: false,
            is_delsp: false,
            is_cut: false,
        }
    }

    fn wants(kinds: &[(u8, Option<u32>, bool)], mime_support: u8) -> Options {
        Options {
            mime_support,
            bodies: kinds
                .iter()
                .map(|(kind, truncation, all_or_none)| BodyPreference {
                    kind: *kind,
                    truncation: *truncation,
                    all_or_none: *all_or_none,
                    preview: None,
                })
                .collect(),
            ..Options::default()
        }
    }

    fn text(chosen: &Chosen) -> &str {
        match &chosen.data {
            Some(Data::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn asairs_the_form_it_is_stored_in_wins_if_asked_for() {
        let both = wants(&[(1, None, false), (2, None, false)], 0);
        assert_eq!(
            choose(&both, false, 9, &shown(Some("<p>a</p>"), None)).kind,
            2
        );
        assert_eq!(choose(&both, false, 9, &shown(None, Some("a"))).kind, 1);
        let plain = wants(&[(1, None, false)], 0);
        let from_html = choose(&plain, false, 9, &shown(Some("<p>a</p><p>b</p>"), None));
        assert_eq!(from_html.kind, 1);
        assert!(text(&from_html).contains("\r\n") && !text(&from_html).contains('<'));
        let html = choose(
            &wants(&[(2, None, false)], 0),
            false,
            9,
            &shown(None, Some("a < b")),
        );
        assert_eq!(html.kind, 2);
        assert!(text(&html).contains("a &lt; b"), "{}", text(&html));
    }

    #[test]
    fn mime_is_given_only_where_its_support_permits() {
        let mail = shown(None, Some("a"));
        let kind = |support, smime| {
            choose(
                &wants(&[(4, None, false), (1, None, false)], support),
                smime,
                70,
                &mail,
            )
            .kind
        };
        assert_eq!(
            [kind(0, true), kind(1, false), kind(1, true), kind(2, false)],
            [1, 1, 4, 4]
        );
        let cut = choose(&wants(&[(4, Some(50), false)], 2), false, 70, &mail);
        assert_eq!(
            (cut.data, cut.is_cut, cut.full_size),
            (Some(Data::Mime(50)), true, 70)
        );
    }

    #[test]
    fn all_or_none_tries_the_next_form_and_then_tells_the_size() {
        let mail = shown(Some("<p>0123456789</p>"), None);
        let next = choose(
            &wants(&[(2, Some(5), true), (1, Some(100), false)], 0),
            false,
            9,
            &mail,
        );
        assert_eq!(next.kind, 1);
        let none = choose(&wants(&[(2, Some(5), true)], 0), false, 9, &mail);
        assert_eq!(
            (none.kind, none.data, none.is_cut, none.full_size),
            (2, None, true, 17)
        );
    }

    #[test]
    fn a_size_of_zero_tells_the_size_alone_and_nothing_asked_gives_512() {
        let none = choose(
            &wants(&[(1, Some(0), false)], 0),
            false,
            9,
            &shown(None, Some("abc")),
        );
        assert_eq!((none.data, none.is_cut, none.full_size), (None, true, 3));
        let long = "ü".repeat(400);
        let given = choose(&Options::default(), false, 9, &shown(None, Some(&long)));
        assert_eq!(
            (given.kind, text(&given).len(), given.full_size),
            (1, 512, 800)
        );
    }

    #[test]
    fn mistake_9_nothing_is_cut_inside_a_character_a_tag_or_an_entity() {
        let html = "<p>a</p><img src=\"x\">&auml;ü&nbsp;b & c";
        for limit in 0..=html.len() {
            let at = html_border(html, limit);
            assert!(at <= limit && html.is_char_boundary(at));
            let head = &html[..at];
            assert_eq!(
                head.matches('<').count(),
                head.matches('>').count(),
                "{head}"
            );
            assert!(
                !head.ends_with("&au") && !head.ends_with("&nbsp") && !head.ends_with('&'),
                "{head}"
            );
        }
        assert_eq!(html_border(html, html.len()), html.len());
    }

    #[test]
    fn a_charset_of_another_time_is_left_out() {
        assert_eq!(
            without_charset(
                "<head><META http-equiv=x content=\"text/html; charset=iso-8859-1\"><meta name=a></head>ü"
            ),
            "<head><meta name=a></head>ü"
        );
        assert_eq!(without_charset("<meta charset=x"), "<meta charset=x");
        assert_eq!(without_charset("İ<meta charset=utf-8>b"), "İb");
    }

    #[test]
    fn lines_end_with_cr_lf() {
        assert_eq!(crlf("a\nb\r\nc\rd\r"), "a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(crlf(""), "");
    }
}
