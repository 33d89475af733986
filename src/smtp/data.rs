//! The framing of DATA (RFC 5321 4.1.1.4, 4.5.2): where it ends, and the dots that were put in front.
//!
//! ```text
//!            "."            CR             LF
//! LineStart -----> Dot --------> DotCr --------> the end
//!   ^  | other       | other        | other
//!   |  v             v              v
//!   |  Text <------- (that dot goes, the rest is text)
//!   |  | CR
//!   |  v
//!   +- Cr     only CR LF makes a new line; a lone CR or LF is text, for `content.rs` to judge
//!   LF
//! ```
//!
//! The end of data is exactly CR LF `.` CR LF, the CR LF of the DATA command itself counted (RFC 5321
//! 4.1.1.4: a message may be empty). Nothing else ends it, whatever `bare_newline` says: every shape of
//! the smuggling family stays inside the message and is refused there (promise S-32). Likewise a dot is
//! taken away only behind a real CR LF.

use super::content::{Content, ContentError, ContentLimits, ContentSummary};

/// Reads one message as DATA sends it, in pieces of any size.
#[derive(Debug)]
pub struct DataReader {
    place: Place,
    content: Content,
}

/// How far a piece of input got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Octets of the piece that belong to this message; what follows is the next command.
    pub used: usize,
    /// Whether the end of data was reached.
    pub ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Dot,
    DotCr,
    Text,
    Cr,
    Ended,
}

impl DataReader {
    /// A reader that stands right behind the line `DATA`.
    #[must_use]
    pub fn new(limits: ContentLimits) -> Self {
        Self {
            place: Place::LineStart,
            content: Content::new(limits),
        }
    }

    /// Takes the next octets and appends to `out` what is to be stored of them.
    ///
    /// A message that is refused is read to its end all the same, so that the refusal reaches the client
    /// and the next command is found.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Fed {
        let mut used = 0;
        while let Some(rest) = input.get(used..).filter(|rest| !rest.is_empty()) {
            if self.place == Place::Ended {
                break;
            }
            let taken = match self.place {
                Place::Text => self.text(rest, out),
                _ => self.edge(rest, out),
            };
            used = used.saturating_add(taken);
        }
        Fed {
            used,
            ended: self.place == Place::Ended,
        }
    }

    /// The rule that was broken so far, for a session that wants to stop spending room.
    #[must_use]
    pub fn error(&self) -> Option<ContentError> {
        self.content.error()
    }

    /// Says what was read, once [`Fed::ended`] was true.
    ///
    /// # Errors
    /// [`ContentError`]: the first rule that was broken.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<ContentSummary, ContentError> {
        self.content.finish(out)
    }

    /// Text up to the next CR goes on in one piece.
    fn text(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let end = rest
            .iter()
            .position(|&b| b == b'\r')
            .map_or(rest.len(), |cr| {
                self.place = Place::Cr;
                cr.saturating_add(1)
            });
        self.content.push(rest.get(..end).unwrap_or_default(), out);
        end
    }

    /// One octet near a line's end; says how many were used (none when it is plain text after all).
    fn edge(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(&octet) = rest.first() else { return 0 };
        match (self.place, octet) {
            (Place::LineStart, b'.') => self.place = Place::Dot,
            (Place::Dot, b'\r') => self.place = Place::DotCr,
            (Place::DotCr, b'\n') => self.place = Place::Ended,
            (Place::Cr, b'\n') => {
                self.content.push(b"\n", out);
                self.place = Place::LineStart;
            }
            (Place::Cr, b'\r') => self.content.push(b"\r", out),
            (Place::DotCr, _) => {
                // The dot is gone, its CR is the message's.
                self.content.push(b"\r", out);
                self.place = Place::Cr;
                return 0;
            }
            _ => {
                self.place = Place::Text;
                return 0;
            }
        }
        1
    }
}

/// Puts a dot in front of every line that begins with one and ends the data (RFC 5321 4.5.2).
///
/// `message` has CRLF line ends only; a missing last one is added. For our client side and the tests.
#[must_use]
pub fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len().saturating_add(5));
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !(out.is_empty() || out.ends_with(b"\r\n")) {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{BareNewline, Smtp};

    type Read = Result<(Vec<u8>, ContentSummary), ContentError>;

    fn limits() -> ContentLimits {
        ContentLimits::from_config(&Smtp::default())
    }

    /// Feeds `input` in pieces and gives back the message and what followed it; `None`: it did not end.
    fn read_in(pieces: &[&[u8]], limits: ContentLimits) -> Option<(Read, Vec<u8>)> {
        let mut reader = DataReader::new(limits);
        let mut out = Vec::new();
        let mut rest = Vec::new();
        let mut ended = false;
        for piece in pieces {
            let fed = reader.feed(piece, &mut out);
            assert!(fed.ended || fed.used == piece.len());
            ended = fed.ended;
            rest.extend_from_slice(&piece[fed.used..]);
        }
        let read = reader.finish(&mut out).map(|summary| {
            assert_eq!(summary.size_bytes, out.len() as u64);
            (out, summary)
        });
        ended.then_some((read, rest))
    }

    fn read(input: &[u8], limits: ContentLimits) -> Option<(Read, Vec<u8>)> {
        read_in(&[input], limits)
    }

    fn body(input: &[u8]) -> Vec<u8> {
        read(input, limits()).unwrap().0.unwrap().0
    }

    #[test]
    fn ends_and_dots() {
        assert_eq!(body(b".\r\n"), b"");
        assert_eq!(body(b"a: b\r\n\r\nc\r\n.\r\n"), b"a: b\r\n\r\nc\r\n");
        assert_eq!(body(b"..\r\n.\r\n"), b".\r\n");
        assert_eq!(body(b"...a\r\n..b.\r\n.\r\n"), b"..a\r\n.b.\r\n");
        assert_eq!(body(b".a\r\n.\r\n"), b"a\r\n");
        let (read, rest) = read(b"x\r\n.\r\nQUIT\r\n", limits()).unwrap();
        assert_eq!(read.unwrap().0, b"x\r\n");
        assert_eq!(rest, b"QUIT\r\n");
    }

    /// Promise S-32: none of these ends the data, and each message with one of them in it is refused.
    #[test]
    fn s32_smuggling_family() {
        for end in SMUGGLED {
            let mut input = b"Subject: a\r\n\r\nfirst".to_vec();
            input.extend_from_slice(end);
            let carrier = input.len();
            input.extend_from_slice(b"MAIL FROM:<evil@x.example>\r\nDATA\r\nsecond\r\n");
            assert!(read(&input, limits()).is_none(), "{end:?} ended the data");
            input.extend_from_slice(b".\r\nQUIT\r\n");
            let (refused, rest) = read(&input, limits()).unwrap();
            assert_eq!(refused, Err(ContentError::BareNewline), "{end:?}");
            assert_eq!(rest, b"QUIT\r\n");

            let mut lenient = limits();
            lenient.bare_newline = BareNewline::Normalize;
            let (stored, rest) = read(&input, lenient).unwrap();
            let stored = stored.unwrap().0;
            assert_eq!(rest, b"QUIT\r\n");
            assert!(stored.len() > carrier, "{end:?} cut the message");
            assert!(
                !String::from_utf8(stored)
                    .unwrap()
                    .replace("\r\n", "")
                    .contains(['\r', '\n']),
                "{end:?} left a bare newline"
            );
        }
    }

    const SMUGGLED: [&[u8]; 16] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\n.\r",
        b"\r.\n",
        b"\r\n\0.\n",
        b"\n\n.\n\n",
        b"\r\r\n.\r\r\n",
        b"\r\n.\n\r\n",
        b"\n.\n.\n",
        b"\r\n.\r.\r\n",
        b"\n\r.\n\r",
    ];

    #[test]
    fn a_real_end_behind_a_bare_cr_ends_and_is_refused() {
        let (refused, rest) = read(b"a\r\r\n.\r\nQUIT\r\n", limits()).unwrap();
        assert_eq!(refused, Err(ContentError::BareNewline));
        assert_eq!(rest, b"QUIT\r\n");
    }

    #[test]
    fn normalize_stores_crlf() {
        let mut lenient = limits();
        lenient.bare_newline = BareNewline::Normalize;
        let (stored, _) = read(b"a: b\n\nc\rd\r\ne\n.f\n\r\n.\r\n", lenient).unwrap();
        assert_eq!(stored.unwrap().0, b"a: b\r\n\r\nc\r\nd\r\ne\r\n.f\r\n\r\n");
    }

    #[test]
    fn stuffing_undone() {
        for text in ["", ".\r\n", "a\r\n.b\r\n..\r\n\r\n", "\r\n"] {
            assert_eq!(body(&stuff(text.as_bytes())), text.as_bytes());
        }
        assert_eq!(stuff(b"a"), b"a\r\n.\r\n");
    }

    /// Octets that meet every rule of the reader often.
    fn any_data() -> impl Strategy<Value = Vec<u8>> {
        let atom = prop_oneof![
            8 => Just(&b"\r\n"[..]),
            4 => Just(&b"."[..]),
            1 => Just(&b"\r"[..]),
            1 => Just(&b"\n"[..]),
            2 => Just(&b"\r\n.\r\n"[..]),
            6 => Just(&b"Received: by x"[..]),
            3 => Just(&b"Delivered-To: a@b"[..]),
            3 => Just(&b"X:"[..]),
            2 => Just(&b" "[..]),
            2 => Just(&b"From me"[..]),
            2 => Just(&b">From "[..]),
            4 => Just(&b"text that is a little longer"[..]),
            1 => Just(&b"\0\xff"[..]),
        ];
        prop::collection::vec(atom, 0..40).prop_map(|atoms| atoms.concat())
    }

    fn small_limits() -> impl Strategy<Value = ContentLimits> {
        (
            1..400_u64,
            3..80_usize,
            5..200_usize,
            5..90_usize,
            1..8_usize,
            0..4_usize,
            any::<bool>(),
        )
            .prop_map(
                |(
                    message,
                    text_line,
                    header_block,
                    header_field,
                    header_fields,
                    received_fields,
                    refuse,
                )| {
                    ContentLimits {
                        message,
                        text_line,
                        header_block,
                        header_field,
                        header_fields,
                        received_fields,
                        bare_newline: if refuse {
                            BareNewline::Refuse
                        } else {
                            BareNewline::Normalize
                        },
                    }
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// However the network cuts the message up, the result is the same.
        #[test]
        fn any_chunking_gives_the_same(
            data in any_data(),
            cuts in prop::collection::vec(1..9_usize, 1..6),
            limits in small_limits(),
        ) {
            let whole = read(&data, limits.clone());
            let mut pieces = Vec::new();
            let mut rest = &data[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            prop_assert_eq!(&read_in(&pieces, limits.clone()), &whole);
            let octets: Vec<&[u8]> = data.chunks(1).collect();
            prop_assert_eq!(&read_in(&octets, limits), &whole);
        }

        /// The end is where the first CRLF `.` CRLF is, and nowhere else.
        #[test]
        fn ends_where_the_text_says(data in any_data()) {
            let mut behind_data = b"\r\n".to_vec();
            behind_data.extend_from_slice(&data);
            let end = behind_data.windows(5).position(|w| w == b"\r\n.\r\n");
            let rest = read(&data, limits()).map(|(_, rest)| rest);
            prop_assert_eq!(rest, end.map(|at| data[at + 3..].to_vec()));
        }

        #[test]
        fn stuffed_then_read(lines in prop::collection::vec("[.a ]{0,5}", 0..20)) {
            let text: String = lines.iter().flat_map(|l| [l.as_str(), "\r\n"]).collect();
            let mut free = limits();
            free.header_fields = usize::MAX;
            let (stored, _) = read(&stuff(text.as_bytes()), free).unwrap();
            prop_assert_eq!(stored.unwrap().0, text.as_bytes());
        }
    }

    #[test]
    fn fuzz_data() {
        bolero::check!().for_each(|input: &[u8]| {
            let whole = read(input, limits());
            let octets: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(read_in(&octets, limits()), whole);
        });
    }
}
