//! Content transfer encodings (RFC 2045 6): base64 and quoted-printable, both ways.
//!
//! Decoding never fails: what is not of the alphabet is skipped (RFC 2045 6.8), a wrong escape stands as it is
//! (RFC 2045 6.7, the advice to "robust implementations"). The same walk counts the decoded size without a buffer.
//! Encoding is strict: lines of at most 76 characters, CRLF.

use serde::{Deserialize, Serialize};

/// A `Content-Transfer-Encoding` (RFC 2045 6.1, RFC 3030 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Encoding {
    #[default]
    #[serde(rename = "7")]
    SevenBit,
    #[serde(rename = "8")]
    EightBit,
    #[serde(rename = "n")]
    Binary,
    #[serde(rename = "b")]
    Base64,
    #[serde(rename = "q")]
    QuotedPrintable,
}

impl Encoding {
    /// Reads the header's value; a mechanism nobody knows counts as `8bit`, so that something is shown.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let token = value.split(['(', ';']).next().unwrap_or_default().trim();
        match token.to_ascii_lowercase().as_str() {
            "" | "7bit" | "7-bit" => Self::SevenBit,
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            "binary" => Self::Binary,
            _ => Self::EightBit,
        }
    }

    /// The registered name, as IMAP BODYSTRUCTURE shows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBit => "8BIT",
            Self::Binary => "BINARY",
            Self::Base64 => "BASE64",
            Self::QuotedPrintable => "QUOTED-PRINTABLE",
        }
    }

    /// Whether the bytes stand as they are.
    #[must_use]
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }
}

/// Decodes a body.
#[must_use]
pub fn decode(raw: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Base64 => {
            out.reserve(raw.len() / 4 * 3);
            base64_to(raw, |b| out.push(b));
        }
        Encoding::QuotedPrintable => {
            out.reserve(raw.len());
            quoted_printable_to(raw, |b| out.push(b));
        }
        _ => out.extend_from_slice(raw),
    }
    out
}

/// The size [`decode`] would give.
#[must_use]
pub fn decoded_size(raw: &[u8], encoding: Encoding) -> usize {
    let mut size = 0_usize;
    match encoding {
        Encoding::Base64 => base64_to(raw, |_| size += 1),
        Encoding::QuotedPrintable => quoted_printable_to(raw, |_| size += 1),
        _ => size = raw.len(),
    }
    size
}

/// Base64, tolerant: foreign bytes are skipped, padding ends a group and decoding goes on after it.
pub(super) fn base64_to(raw: &[u8], mut put: impl FnMut(u8)) {
    let (mut bits, mut have) = (0_u32, 0_u32);
    for &b in raw {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                (bits, have) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            put(low_byte(bits >> have));
            bits &= (1 << have) - 1;
        }
    }
}

/// Quoted-printable, tolerant (RFC 2045 6.7): soft line breaks may carry trailing blanks.
fn quoted_printable_to(raw: &[u8], mut put: impl FnMut(u8)) {
    let mut at = 0;
    while let Some(&b) = raw.get(at) {
        at += 1;
        match b {
            b'=' => {
                if let (Some(high), Some(low)) = (hex(raw.get(at)), hex(raw.get(at + 1))) {
                    put((high << 4) | low);
                    at += 2;
                } else if let Some(next) = soft_break(raw, at) {
                    at = next;
                } else {
                    put(b'=');
                }
            }
            b' ' | b'\t' => {
                // Blanks before a line break were added on the way (RFC 2045 6.7 rule 3).
                let rest = raw.get(at..).unwrap_or_default();
                let run = rest
                    .iter()
                    .take_while(|b| matches!(b, b' ' | b'\t'))
                    .count();
                let after = at + run;
                let ends_line = match raw.get(after) {
                    None | Some(b'\n') => true,
                    Some(b'\r') => raw.get(after + 1) == Some(&b'\n'),
                    _ => false,
                };
                if !ends_line {
                    put(b);
                    for &blank in rest.get(..run).unwrap_or_default() {
                        put(blank);
                    }
                }
                at = after;
            }
            b => put(b),
        }
    }
}

/// Where the line after a soft break begins, if only blanks stand between `at` and the line's end.
fn soft_break(raw: &[u8], at: usize) -> Option<usize> {
    let rest = raw.get(at..)?;
    let run = rest
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    match rest.get(run) {
        None => Some(at + run),
        Some(b'\n') => Some(at + run + 1),
        Some(b'\r') if rest.get(run + 1) == Some(&b'\n') => Some(at + run + 2),
        _ => None,
    }
}

/// The value of a hexadecimal digit in either case.
pub(super) fn hex(digit: Option<&u8>) -> Option<u8> {
    match *digit? {
        b @ b'0'..=b'9' => Some(b - b'0'),
        b @ b'A'..=b'F' => Some(b - b'A' + 10),
        b @ b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    }
}

fn low_byte(value: u32) -> u8 {
    let [_, _, _, low] = value.to_be_bytes();
    low
}

/// Base64 in one line, padded.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let (a, b, c) = (
            group.first().copied().unwrap_or_default(),
            group.get(1).copied().unwrap_or_default(),
            group.get(2).copied().unwrap_or_default(),
        );
        out.push(base64_char(a >> 2));
        out.push(base64_char(((a & 3) << 4) | (b >> 4)));
        out.push(if group.len() > 1 {
            base64_char(((b & 15) << 2) | (c >> 6))
        } else {
            '='
        });
        out.push(if group.len() > 2 {
            base64_char(c & 63)
        } else {
            '='
        });
    }
    out
}

fn base64_char(value: u8) -> char {
    char::from(match value {
        0..=25 => b'A' + value,
        26..=51 => b'a' + (value - 26),
        52..=61 => b'0' + (value - 52),
        62 => b'+',
        _ => b'/',
    })
}

/// Base64 in lines of 76 characters, each ended by CRLF.
pub fn base64_lines(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.chunks(57) {
        out.extend_from_slice(base64(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Quoted-printable of a text; its line ends (CRLF, LF or CR) become CRLF.
pub fn quoted_printable(text: &str, out: &mut Vec<u8>) {
    for line in Lines(text) {
        let mut column = 0_usize;
        let bytes = line.as_bytes();
        for (i, &b) in bytes.iter().enumerate() {
            let last = i + 1 == bytes.len();
            let plain = match b {
                b' ' | b'\t' => !last,
                b'=' => false,
                // A lone dot or a From_ line must not meet a mailer that would change it.
                b'.' => !(column == 0 && bytes.len() == 1),
                b'F' => {
                    !(column == 0
                        && bytes
                            .get(i..)
                            .is_some_and(|rest| rest.starts_with(b"From ")))
                }
                b => (33..=126).contains(&b),
            };
            let width = if plain { 1 } else { 3 };
            if column + width > if last { 76 } else { 75 } {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if plain {
                out.push(b);
            } else {
                out.push(b'=');
                out.push(hex_digit(b >> 4));
                out.push(hex_digit(b & 15));
            }
            column += width;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// An upper-case hexadecimal digit.
pub(super) fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'A' + (value - 10)
    }
}

/// The lines of a text without their ends; CRLF, LF and a lone CR end a line, a last empty line is none.
pub struct Lines<'a>(pub &'a str);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.find(['\r', '\n']).unwrap_or(self.0.len());
        let line = self.0.get(..end).unwrap_or_default();
        let rest = self.0.get(end..).unwrap_or_default();
        self.0 = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.strip_prefix(['\r', '\n']))
            .unwrap_or_default();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_known_answers() {
        // RFC 4648 10
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(decode(coded.as_bytes(), Encoding::Base64), plain.as_bytes());
        }
    }

    #[test]
    fn broken_base64_gives_what_can_be_read() {
        assert_eq!(decode(b"Zm9v!!YmFy", Encoding::Base64), b"foobar");
        assert_eq!(decode(b"Zm9vYg==\r\nZm9v", Encoding::Base64), b"foobfoo");
        assert_eq!(decode(b"Zm9vY", Encoding::Base64), b"foo");
        assert_eq!(decode(b"====", Encoding::Base64), b"");
    }

    #[test]
    fn quoted_printable_known_answers() {
        let q = |raw: &[u8]| decode(raw, Encoding::QuotedPrintable);
        assert_eq!(
            q(b"Now's the time =\r\nfor all folk to come=\r\n to the aid of their country."),
            b"Now's the time for all folk to come to the aid of their country."
        );
        assert_eq!(q(b"f=C3=BCr  \t\r\nx"), "für\r\nx".as_bytes());
        assert_eq!(q(b"a= \nb=\nc="), b"abc");
        assert_eq!(q(b"1+1=2 =zz =e4"), b"1+1=2 =zz \xe4");
    }

    #[test]
    fn a_blank_run_is_walked_once() {
        let hostile = b" ".repeat(1_000_000);
        assert_eq!(decoded_size(&hostile, Encoding::QuotedPrintable), 0);
    }

    proptest! {
        #[test]
        fn base64_round_trip(bytes: Vec<u8>) {
            let mut lines = Vec::new();
            base64_lines(&bytes, &mut lines);
            prop_assert_eq!(decode(&lines, Encoding::Base64), bytes);
        }

        #[test]
        fn quoted_printable_round_trip(text in "([ -~äß€😀\t]{0,100}\r\n){0,6}") {
            let mut coded = Vec::new();
            quoted_printable(&text, &mut coded);
            prop_assert!(coded.split(|b| *b == b'\n').all(|line| line.len() <= 77));
            prop_assert!(coded.is_ascii());
            prop_assert_eq!(decode(&coded, Encoding::QuotedPrintable), text.as_bytes());
        }

        #[test]
        fn size_is_the_decoded_size(bytes: Vec<u8>) {
            for e in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::SevenBit] {
                prop_assert_eq!(decoded_size(&bytes, e), decode(&bytes, e).len());
            }
        }
    }
}
