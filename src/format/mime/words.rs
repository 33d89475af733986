//! Encoded words (RFC 2047) and the raw text of headers.
//!
//! Wider than the RFC because senders are: words inside quoted strings and parameters are decoded too, blanks
//! inside a word are taken, adjacent words of one character set are joined *before* they are decoded (old
//! mailers cut them inside a character), and raw 8-bit text is UTF-8 (RFC 6532) or else windows-1252.

use super::{charset, codec};

/// Encoded words read from one header; those beyond are shown as they stand.
const MAX_WORDS: usize = 1_000;
/// Longer character set names are none.
const MAX_CHARSET: usize = 64;

/// The text of a raw header value: folds undone (RFC 5322 2.2.3), bytes decoded, control characters made blanks.
#[must_use]
pub fn raw_text(value: &[u8]) -> String {
    let flat: Vec<u8> = value
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    let mut text = charset::sniff(&flat);
    if text.chars().any(char::is_control) {
        text = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
    }
    text.trim().to_owned()
}

/// The text of a raw header value with its encoded words decoded.
#[must_use]
pub fn unstructured(value: &[u8]) -> String {
    decode(&raw_text(value)).trim().to_owned()
}

/// Decodes the encoded words of a text.
///
/// Blanks between two encoded words go (RFC 2047 6.2). What the words hold may contain control characters; they
/// become blanks, so a decoded header never breaks a line.
#[must_use]
pub fn decode(text: &str) -> String {
    // Nothing after the last end mark can be a word; knowing it first keeps the walk linear.
    let Some((mut rest, tail)) = text
        .rfind("?=")
        .and_then(|end| text.split_at_checked(end + 2))
    else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(text.len());
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut words = 0;
    while let Some(at) = rest.find("=?") {
        let before = rest.get(..at).unwrap_or_default();
        let from = rest.get(at + 2..).unwrap_or_default();
        if words >= MAX_WORDS {
            break;
        }
        let Some((word, after)) = encoded_word(from) else {
            flush(&mut out, &mut pending);
            out.push_str(before);
            out.push_str("=?");
            rest = from;
            continue;
        };
        words += 1;
        let adjacent = pending.is_some() && before.chars().all(char::is_whitespace);
        if !adjacent {
            flush(&mut out, &mut pending);
            out.push_str(before);
        }
        match &mut pending {
            Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) => {
                bytes.extend(word.bytes);
            }
            _ => {
                flush(&mut out, &mut pending);
                pending = Some((word.charset.to_owned(), word.bytes));
            }
        }
        rest = after;
    }
    flush(&mut out, &mut pending);
    out.push_str(rest);
    out.push_str(tail);
    out
}

struct Word<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
}

/// Reads `charset[*language]?encoding?text?=`, the opening `=?` being read, and what follows it.
fn encoded_word(from: &str) -> Option<(Word<'_>, &str)> {
    let head = from.as_bytes().get(..from.len().min(MAX_CHARSET))?;
    let end = head.iter().position(|b| *b == b'?')?;
    let charset = from.get(..end)?;
    if charset.is_empty() || charset.contains(char::is_whitespace) {
        return None;
    }
    let charset = charset.split('*').next().unwrap_or_default();
    let from = from.get(end + 1..)?;
    let encoding = from.as_bytes().first()?.to_ascii_uppercase();
    if !matches!(encoding, b'B' | b'Q') {
        return None;
    }
    let from = from.get(1..)?.strip_prefix('?')?;
    let end = from.find("?=")?;
    let text = from.get(..end)?;
    let after = from.get(end + 2..)?;
    let bytes = if encoding == b'B' {
        codec::decode(text.as_bytes(), codec::Encoding::Base64)
    } else {
        q_decode(text.as_bytes())
    };
    Some((Word { charset, bytes }, after))
}

/// The "Q" encoding (RFC 2047 4.2).
fn q_decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        at += 1;
        match b {
            b'_' => out.push(b' '),
            b'=' => {
                if let (Some(high), Some(low)) =
                    (codec::hex(text.get(at)), codec::hex(text.get(at + 1)))
                {
                    out.push((high << 4) | low);
                    at += 2;
                } else {
                    out.push(b'=');
                }
            }
            b => out.push(b),
        }
    }
    out
}

fn flush(out: &mut String, pending: &mut Option<(String, Vec<u8>)>) {
    if let Some((charset, bytes)) = pending.take() {
        let text = charset::decode(&bytes, Some(&charset));
        out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_2047_examples() {
        // RFC 2047 8
        for (coded, plain) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            (
                "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
                "Keith Moore <moore@cs.utk.edu>",
            ),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
            ("=?UTF-8*DE?Q?=C3=BCber?=", "über"),
        ] {
            assert_eq!(decode(coded), plain);
        }
    }

    #[test]
    fn a_character_cut_between_two_words_is_whole_again() {
        assert_eq!(decode("=?utf-8?Q?Gr=C3?= =?UTF-8?B?vMOfZQ==?="), "Grüße");
        assert_eq!(decode("=?utf-8?Q?f=C3?=\t=?utf-8?Q?=BCr?="), "für");
    }

    #[test]
    fn what_is_no_word_stands_as_it_is() {
        for text in [
            "=?",
            "?=",
            "=?a?=",
            "=?utf-8?x?abc?=",
            "2+2=?",
            "=? ?q?a?=",
            "a =?utf-8?q?b",
            "=??q?a?=",
        ] {
            assert_eq!(decode(text), text);
        }
        assert_eq!(decode("=?utf-8?q?a b?= =?utf-8?q?=zz?="), "a b=zz");
    }

    #[test]
    fn a_decoded_header_never_breaks_a_line() {
        assert_eq!(decode("=?utf-8?Q?a=0D=0ABcc:_b?="), "a  Bcc: b");
        assert_eq!(raw_text(b" a\r\n\tb\0c "), "a b c");
    }

    #[test]
    fn raw_bytes_are_utf_8_or_windows_1252() {
        assert_eq!(unstructured("Grüße".as_bytes()), "Grüße");
        assert_eq!(unstructured(b"Gr\xFC\xDFe"), "Grüße");
    }

    #[test]
    fn a_header_full_of_openings_is_walked_once() {
        let hostile = format!("{}?=", "=?".repeat(200_000));
        assert!(decode(&hostile).len() >= 200_000);
        let hostile = "=?a?q?".repeat(100_000);
        assert!(!decode(&hostile).is_empty());
    }
}
