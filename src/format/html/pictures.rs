//! Pictures of a message: its own parts, small ones inside their address, and those from elsewhere.
//!
//! A picture from elsewhere tells its sender when and from where it was looked at. So it is a placeholder until
//! the reader agrees, then the address of our own proxy, and never anything at all when it is too small to see.

use std::collections::HashSet;

use super::attrs;
use super::clean::{CleanOptions, Purpose, Remote, add_class};
use super::link;
use super::sniff::{SafeType, sniff};
use super::tree::Element;

/// Largest picture inside an address, decoded.
const MAX_DATA_PICTURE: usize = 256 * 1024;
/// The class of a picture that is not loaded.
pub(super) const BLOCKED_CLASS: &str = "pm-blocked";

/// Remote pictures met so far.
pub(super) struct Pictures<'o> {
    opts: &'o CleanOptions<'o>,
    seen: HashSet<String>,
    pub list: Vec<String>,
    pub blocked: usize,
    pub trackers: usize,
}

impl<'o> Pictures<'o> {
    pub fn new(opts: &'o CleanOptions<'o>) -> Self {
        Self {
            opts,
            seen: HashSet::new(),
            list: Vec::new(),
            blocked: 0,
            trackers: 0,
        }
    }

    /// The address to load a remote picture from, or `None`, and then it is counted.
    fn remote(&mut self, address: &str) -> Option<String> {
        if self.seen.insert(address.to_owned()) {
            self.list.push(address.to_owned());
        }
        let allowed = match self.opts.remote {
            Remote::Block => None,
            Remote::Allow(map) => map(address),
        };
        if allowed.is_none() {
            self.blocked += 1;
        }
        allowed
    }

    pub fn background(&mut self, raw: &str) -> Option<String> {
        if self.opts.purpose != Purpose::Read {
            return None;
        }
        self.remote(&link::http(raw)?)
    }

    /// Set the attributes of a picture, or `None`: it goes.
    pub fn picture(&mut self, source: &Element, element: &mut Element) -> Option<()> {
        let raw: String = source
            .attr("src")
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        let raw = raw.trim();
        let editing = self.opts.purpose != Purpose::Read;
        if editing && let Some(kept) = source.attr("data-pm-src").and_then(link::http) {
            return self.remote_picture(&kept, element);
        }
        if editing && let Some(id) = source.attr("data-pm-cid").and_then(link::content_id) {
            self.part_picture(&id, element);
            return Some(());
        }
        if raw.is_empty() {
            blocked(element);
            return Some(());
        }
        let scheme = raw.split_once(':').map(|(s, _)| s.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => self.remote_picture(&link::http(raw)?, element),
            Some("cid") => {
                self.part_picture(&link::content_id(raw.get(4..)?)?, element);
                Some(())
            }
            Some("data") => {
                element.set("src", data_picture(raw)?);
                Some(())
            }
            _ if self.opts.purpose == Purpose::Send => {
                element.set("src", (self.opts.own)(raw)?);
                Some(())
            }
            _ => None,
        }
    }

    fn remote_picture(&mut self, address: &str, element: &mut Element) -> Option<()> {
        if is_tiny(element) {
            self.trackers += 1;
            return None;
        }
        if self.opts.purpose == Purpose::Send {
            element.set("src", address);
            return Some(());
        }
        match self.remote(address) {
            Some(proxied) => element.set("src", proxied),
            None => blocked(element),
        }
        if self.opts.purpose == Purpose::Edit {
            element.set("data-pm-src", address);
        }
        Some(())
    }

    fn part_picture(&mut self, id: &str, element: &mut Element) {
        if self.opts.purpose == Purpose::Send {
            element.set("src", format!("cid:{id}"));
            return;
        }
        match (self.opts.cid)(id) {
            Some(address) => element.set("src", address),
            None => blocked(element),
        }
        if self.opts.purpose == Purpose::Edit {
            element.set("data-pm-cid", id);
        }
    }
}

/// What the reader sees in place of a picture that is not loaded: a box of its size with its description. Not
/// an `img` without an address, which browsers show as a broken one.
pub(super) fn placeholder(picture: &Element) -> (Element, String) {
    let mut span = Element::new("span");
    for name in ["class", "id", "title", "lang", "dir"] {
        if let Some(value) = picture.attr(name) {
            span.attrs.push((name.into(), value.to_owned()));
        }
    }
    let mut style = picture.attr("style").unwrap_or_default().to_owned();
    for name in ["width", "height"] {
        if let Some(value) = picture.attr(name)
            && declared(&style, name).is_none()
        {
            let unit = if value.ends_with('%') { "" } else { "px" };
            let gap = if style.is_empty() { "" } else { ";" };
            style = format!("{style}{gap}{name}:{value}{unit}");
        }
    }
    if !style.is_empty() {
        span.set("style", style);
    }
    (span, picture.attr("alt").unwrap_or_default().to_owned())
}

fn blocked(picture: &mut Element) {
    add_class(picture, BLOCKED_CLASS);
}

/// Whether the said sides are those of a picture, not of a line or a spacer made of one stretched dot. Such a
/// picture may be scaled down to the width of the frame without being squeezed.
pub(super) fn has_picture_shape(picture: &Element) -> bool {
    let side = |name: &str| picture.attr(name).and_then(attrs::pixels);
    match (side("width"), side("height")) {
        (Some(w), Some(h)) => h >= 40 && w / h <= 12,
        _ => false,
    }
}

/// Whether a picture is said to be 2x2 or smaller; a side that is not said is taken to be like the other.
fn is_tiny(picture: &Element) -> bool {
    let side = |name: &str| {
        let styled = picture.attr("style").and_then(|s| style_length(s, name));
        styled.or_else(|| picture.attr(name).and_then(html_length))
    };
    match (side("width"), side("height")) {
        (Some(w), Some(h)) => w <= 2.0 && h <= 2.0,
        (Some(one), None) | (None, Some(one)) => one <= 2.0,
        (None, None) => false,
    }
}

fn html_length(value: &str) -> Option<f32> {
    if value.ends_with('%') {
        return Some(f32::MAX);
    }
    value.parse().ok()
}

/// A length of a cleaned style in pixels; anything else than a small unit counts as large.
fn style_length(style: &str, name: &str) -> Option<f32> {
    let value = declared(style, name)?.trim_end_matches("!important");
    if value == "auto" {
        return None;
    }
    let number = value.trim_end_matches("px").trim_end_matches("pt");
    Some(number.parse().unwrap_or(f32::MAX))
}

/// The value of a property in a cleaned style.
fn declared<'s>(style: &'s str, name: &str) -> Option<&'s str> {
    style
        .rsplit(';')
        .filter_map(|d| d.split_once(':'))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// A picture inside its own address (RFC 2397): a safe type by name and by content, base64, not too large.
fn data_picture(raw: &str) -> Option<String> {
    let (head, body) = raw.split_once(',')?;
    let head = head.to_ascii_lowercase();
    let kind = ["png", "jpeg", "gif", "webp"]
        .into_iter()
        .find(|kind| head == format!("data:image/{kind};base64"))
        .or_else(|| (head == "data:image/jpg;base64").then_some("jpeg"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let text = body.trim_end_matches('=');
    let ok = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
        && text.len() / 4 * 3 <= MAX_DATA_PICTURE
        && body.len() - text.len() <= 2;
    let shown = ok && sniff(&base64_head(text)).is_some_and(SafeType::is_picture);
    shown.then(|| format!("data:image/{kind};base64,{body}"))
}

/// The first bytes of a base64 text, enough to tell a picture by.
fn base64_head(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bits: u32 = 0;
    for (n, b) in text.bytes().take(24).enumerate() {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        if n % 4 == 3 {
            let [_, a, b, c] = bits.to_be_bytes();
            out.extend([a, b, c]);
            bits = 0;
        }
    }
    out
}
