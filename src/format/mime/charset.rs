//! Character sets of mail: label to decoder, and what to do when the label is missing or lies.
//!
//! `encoding_rs` (the WHATWG encodings) knows what browsers know; the few that only mail knows (UTF-7, IBM 850)
//! come from `mail-parser`'s tables. Text without a label, or with one nobody knows, is UTF-8 when it is valid
//! UTF-8, else windows-1252: old German mailers send raw Latin-1 headers, new ones raw UTF-8 (RFC 6532).

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes` that claim to be in `label`; never fails, drops a byte order mark.
#[must_use]
pub fn decode(bytes: &[u8], label: Option<&str>) -> String {
    let label = label.map(str::trim).unwrap_or_default();
    let known = Encoding::for_label(label.as_bytes()).filter(|e| *e != REPLACEMENT);
    match known {
        Some(encoding) if encoding == UTF_8 => decode_utf8(bytes),
        // "us-ascii" and "iso-8859-1" are windows-1252 here; what is in truth UTF-8 is read as that.
        Some(encoding) if encoding == WINDOWS_1252 && is_ascii_label(label) => sniff(bytes),
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None if label.is_empty() || label.len() > MAX_LABEL => sniff(bytes),
        None => match charset_decoder(label.as_bytes()) {
            Some(decoder) if !is_replaced(label) => decoder(bytes),
            _ => sniff(bytes),
        },
    }
}

/// UTF-8 when it is valid UTF-8, else windows-1252.
#[must_use]
pub fn sniff(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned(),
    }
}

/// Text that says it is UTF-8: with faults it keeps its good characters, unless there is none beyond ASCII.
fn decode_utf8(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let lossy = String::from_utf8_lossy(bytes);
    let has_good = lossy
        .chars()
        .any(|c| !c.is_ascii() && c != char::REPLACEMENT_CHARACTER);
    if has_good {
        lossy.into_owned()
    } else {
        sniff(bytes)
    }
}

fn is_ascii_label(label: &str) -> bool {
    ["us-ascii", "ascii", "ansi_x3.4-1968"]
        .iter()
        .any(|known| label.eq_ignore_ascii_case(known))
}

/// Labels the tables answer with one replacement character for the whole text (the WHATWG's protection).
fn is_replaced(label: &str) -> bool {
    Encoding::for_label(label.as_bytes()) == Some(REPLACEMENT)
}

/// Longer labels name nothing (and the table of `mail-parser` looks at no more).
const MAX_LABEL: usize = 44;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_honoured() {
        assert_eq!(decode(b"f\xFCr", Some("iso-8859-1")), "für");
        assert_eq!(decode("für".as_bytes(), Some(" UTF-8 ")), "für");
        assert_eq!(
            decode(b"+ZYeB9FH6ckh5Pg-, 1980.", Some("utf-7")),
            "文致出版社, 1980."
        );
        assert_eq!(decode(b"\x1b$B%O%m!<\x1b(B", Some("ISO-2022-JP")), "ハロー");
        assert_eq!(decode(b"\x9b\x9c", Some("ibm850")), "ø£");
    }

    #[test]
    fn labels_that_lie_are_mended() {
        assert_eq!(decode(b"f\xFCr", None), "für");
        assert_eq!(decode("für".as_bytes(), None), "für");
        assert_eq!(decode(b"f\xFCr", Some("x-unknown")), "für");
        assert_eq!(decode("für".as_bytes(), Some("us-ascii")), "für");
        assert_eq!(decode(b"f\xFCr", Some("utf-8")), "für");
        assert_eq!(decode(b"\xC3\xBC\xC3", Some("utf-8")), "ü\u{FFFD}");
        assert_eq!(decode(b"a\x1b$)Cb", Some("iso-2022-kr")), "a\x1b$)Cb");
        assert_eq!(decode(b"x", Some(&"y".repeat(5_000))), "x");
    }

    #[test]
    fn byte_order_marks_go() {
        assert_eq!(decode(b"\xEF\xBB\xBFa", None), "a");
        assert_eq!(decode(b"\xEF\xBB\xBFa", Some("utf-8")), "a");
        assert_eq!(decode(b"\xFF\xFEa\0", Some("utf-16")), "a");
    }
}
