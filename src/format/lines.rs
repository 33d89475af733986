//! A message as lines that end in CRLF, dots doubled and the end marked: how POP3 sends it (RFC 1939 3).
//!
//! A lone CR or a lone LF becomes CRLF, so that no reader who takes another line end than ours finds an end of data
//! inside the message (S-32), and a last line without an end gets one. [`crlf_missing`] says beforehand how many
//! octets that adds; doubled dots and the end mark do not count (RFC 1939 11).
//!
//! Works on pieces of any size and copies nothing: the sink is given stretches of the input.

use memchr::{memchr, memchr2};

/// How much of a message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The header, the blank line, and so many lines of the body (RFC 1939 7, TOP).
    Top(u32),
}

/// Encodes one message, piece by piece.
#[derive(Debug)]
pub struct LineWriter {
    /// The line so far is empty.
    at_line_start: bool,
    /// The last octet was a CR; it is written, its LF is not.
    after_cr: bool,
    in_header: bool,
    /// Lines of the body still wanted; none without a limit.
    left: Option<u32>,
    is_done: bool,
}

impl LineWriter {
    /// A writer at the beginning of a message.
    #[must_use]
    pub fn new(extent: Extent) -> Self {
        Self {
            at_line_start: true,
            after_cr: false,
            in_header: true,
            left: match extent {
                Extent::Whole => None,
                Extent::Top(lines) => Some(lines),
            },
            is_done: false,
        }
    }

    /// Everything that was asked for has been written; what follows is not needed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Gives the wire form of the next piece to `out`.
    pub fn push(&mut self, text: &[u8], out: &mut impl FnMut(&[u8])) {
        let mut rest = text;
        // Octets at the front of `rest` that go out as they are.
        let mut plain = 0;
        while let Some(next) = rest.get(plain).copied()
            && !self.is_done
        {
            if self.after_cr {
                self.after_cr = false;
                if next == b'\n' {
                    plain += 1;
                } else {
                    rest = give(rest, plain, out);
                    plain = 0;
                    out(b"\n");
                }
                self.end_line();
                continue;
            }
            if self.at_line_start && next == b'.' {
                rest = give(rest, plain, out);
                plain = 0;
                out(b".");
            }
            let line = rest.get(plain..).unwrap_or_default();
            let Some(at) = memchr2(b'\r', b'\n', line) else {
                self.at_line_start = false;
                plain = rest.len();
                break;
            };
            self.at_line_start &= at == 0;
            plain += at;
            if line.get(at) == Some(&b'\r') {
                plain += 1;
                self.after_cr = true;
            } else {
                rest = give(rest, plain, out).get(1..).unwrap_or_default();
                plain = 0;
                out(b"\r\n");
                self.end_line();
            }
        }
        if plain > 0 {
            give(rest, plain, out);
        }
    }

    /// Ends the last line and marks the end.
    pub fn finish(mut self, out: &mut impl FnMut(&[u8])) {
        if self.after_cr {
            out(b"\n");
            self.end_line();
        }
        if !self.at_line_start {
            out(b"\r\n");
        }
        out(b".\r\n");
    }

    fn end_line(&mut self) {
        let is_blank = self.at_line_start;
        self.at_line_start = true;
        if self.in_header {
            self.in_header = !is_blank;
            self.is_done = is_blank && self.left == Some(0);
        } else if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            self.is_done = *left == 0;
        }
    }
}

/// Writes the first `count` octets and returns the others.
fn give<'a>(text: &'a [u8], count: usize, out: &mut impl FnMut(&[u8])) -> &'a [u8] {
    let (now, later) = text.split_at_checked(count).unwrap_or((text, b""));
    if !now.is_empty() {
        out(now);
    }
    later
}

/// Octets that are missing for every line to end in CRLF: one for each lone CR and LF, two for a last line without an end.
#[must_use]
pub fn crlf_missing(message: &[u8]) -> usize {
    let mut missing = 0;
    let mut rest = message;
    while !rest.is_empty() {
        let Some(at) = memchr(b'\n', rest) else {
            let crs = lone_crs(rest);
            let ends = rest.last() == Some(&b'\r');
            return missing + crs + if ends { 0 } else { 2 };
        };
        let (line, tail) = rest.split_at_checked(at).unwrap_or((rest, b""));
        missing += match line.strip_suffix(b"\r") {
            Some(line) => lone_crs(line),
            None => lone_crs(line) + 1,
        };
        rest = tail.get(1..).unwrap_or_default();
    }
    missing
}

fn lone_crs(line: &[u8]) -> usize {
    memchr::memchr_iter(b'\r', line).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(pieces: &[&[u8]], extent: Extent) -> Vec<u8> {
        let mut said = Vec::new();
        let mut out = |octets: &[u8]| said.extend_from_slice(octets);
        let mut writer = LineWriter::new(extent);
        for piece in pieces {
            writer.push(piece, &mut out);
        }
        writer.finish(&mut out);
        said
    }

    fn whole(text: &str) -> String {
        String::from_utf8(written(&[text.as_bytes()], Extent::Whole)).unwrap()
    }

    fn top(text: &str, lines: u32) -> String {
        String::from_utf8(written(&[text.as_bytes()], Extent::Top(lines))).unwrap()
    }

    #[test]
    fn lines_end_in_crlf_and_dots_are_doubled() {
        for (text, wire) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\nb", "a\r\nb\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n"),
            ("a\r", "a\r\n.\r\n"),
            ("\r\n\n\r.", "\r\n\r\n\r\n..\r\n.\r\n"),
            ("..a.\r\n.b", "...a.\r\n..b\r\n.\r\n"),
        ] {
            assert_eq!(whole(text), wire, "{text:?}");
        }
    }

    #[test]
    fn the_top_is_the_header_and_some_lines() {
        let text = "A: b\r\n c\r\n\r\n.one\r\ntwo\r\n\r\nfour\r\n";
        for (lines, wire) in [
            (0, "A: b\r\n c\r\n\r\n.\r\n"),
            (1, "A: b\r\n c\r\n\r\n..one\r\n.\r\n"),
            (2, "A: b\r\n c\r\n\r\n..one\r\ntwo\r\n.\r\n"),
            (3, "A: b\r\n c\r\n\r\n..one\r\ntwo\r\n\r\n.\r\n"),
        ] {
            assert_eq!(top(text, lines), wire, "{lines}");
        }
        assert_eq!(top(text, 4), whole(text));
        assert_eq!(top(text, u32::MAX), whole(text));
        assert_eq!(top("A: b\nC: d", 0), "A: b\r\nC: d\r\n.\r\n");
        assert_eq!(top("\n\nbody", 1), "\r\n\r\n.\r\n");
        assert_eq!(top("A: b\n\nx\ny", 1), "A: b\r\n\r\nx\r\n.\r\n");
    }

    #[test]
    fn missing_octets() {
        for (text, missing) in [
            ("", 0),
            ("a\r\n", 0),
            ("a", 2),
            ("a\n", 1),
            ("a\nb\n", 2),
            ("a\rb\r\n", 1),
            ("a\r\r\n", 1),
            ("a\r", 1),
            ("\n", 1),
            ("\r", 1),
            ("a\r\nb", 2),
        ] {
            assert_eq!(crlf_missing(text.as_bytes()), missing, "{text:?}");
        }
    }

    /// What a reader of RFC 1939 makes of it, or none if the end came early.
    fn read(wire: &[u8]) -> Option<Vec<u8>> {
        let body = wire.strip_suffix(b".\r\n")?;
        let mut message = Vec::new();
        for line in body.split_inclusive(|octet| *octet == b'\n') {
            let text = line.strip_suffix(b"\r\n")?;
            if text == b"." || text.contains(&b'\r') {
                return None;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        Some(message)
    }

    proptest! {
        #[test]
        fn the_announced_octets_arrive(text in "[ab.\r\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5)) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            let wire = written(&pieces, Extent::Whole);
            prop_assert_eq!(&wire, &written(&[text], Extent::Whole));
            let message = read(&wire).expect("no end inside, no lone CR or LF");
            prop_assert_eq!(message.len(), text.len() + crlf_missing(text));
            prop_assert_eq!(crlf_missing(&message), 0);
            for lines in 0..4 {
                let part = written(&pieces, Extent::Top(lines));
                prop_assert_eq!(&part, &written(&[text], Extent::Top(lines)));
                prop_assert!(message.starts_with(&read(&part).unwrap()));
            }
        }
    }
}
