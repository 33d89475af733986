//! A document as text, for logs and tests. What people wrote is left out where a log is to be kept.

use std::fmt::Write;

use super::{Event, Limits, Tag, Tokenizer, WbxmlError, pages};

/// A document as indented XML without namespaces. `redact` leaves out every text but numbers, so that only the shape is told.
///
/// # Errors
/// [`WbxmlError`].
pub fn to_xml(input: &[u8], limits: Limits, redact: bool) -> Result<String, WbxmlError> {
    let mut tokens = Tokenizer::new(input, limits)?;
    let mut out = String::new();
    let mut open: Vec<(Tag, bool)> = Vec::new();
    while let Some(event) = tokens.next()? {
        match event {
            Event::Start(tag) => {
                if let Some((_, has_content)) = open.last_mut() {
                    if !*has_content {
                        out.push('>');
                    }
                    *has_content = true;
                }
                if !out.is_empty() {
                    out.push('\n');
                }
                indent(&mut out, open.len());
                let page = pages::PAGES
                    .get(usize::from(tag.page))
                    .map_or("?", |p| p.name);
                // A String takes everything.
                let _ = match tag.name() {
                    "?" => write!(out, "<{page}:{:02X}.{:02X}", tag.page, tag.code),
                    name => write!(out, "<{page}:{name}"),
                };
                open.push((tag, false));
            }
            Event::End => {
                let Some((tag, has_content)) = open.pop() else {
                    return Err(WbxmlError::Nesting);
                };
                if has_content {
                    if out.ends_with('>') {
                        out.push('\n');
                        indent(&mut out, open.len());
                    }
                    let _ = write!(out, "</{}>", tag.name());
                } else {
                    out.push_str("/>");
                }
            }
            Event::Text(text) => content(&mut out, &mut open, &shown(text, redact)),
            Event::Char(c) => content(&mut out, &mut open, &shown(&c.to_string(), redact)),
            Event::Opaque(octets) => {
                content(&mut out, &mut open, &format!("[{} octets]", octets.len()));
            }
        }
    }
    out.push('\n');
    Ok(out)
}

fn content(out: &mut String, open: &mut [(Tag, bool)], text: &str) {
    if let Some((_, has_content)) = open.last_mut() {
        if !*has_content {
            out.push('>');
        }
        *has_content = true;
    }
    out.push_str(text);
}

fn shown(text: &str, redact: bool) -> String {
    let is_number = !text.is_empty()
        && text.len() <= 12
        && text.bytes().all(|b| b.is_ascii_digit() || b == b':');
    if redact && !is_number {
        return format!("[{} characters]", text.chars().count());
    }
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}
