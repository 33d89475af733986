//! The text of a message on its way out: clean CR LF, dots doubled, the end marked (RFC 5321 2.3.8, 4.5.2; S-32).
//!
//! A lone CR or a lone LF becomes CR LF, so that nothing we send can be read as an end of data by a host that is less
//! strict than we are. Works on pieces of any size.

/// Encodes one message.
#[derive(Debug)]
pub struct BodyWriter {
    at_line_start: bool,
    after_cr: bool,
}

impl Default for BodyWriter {
    fn default() -> Self {
        Self {
            at_line_start: true,
            after_cr: false,
        }
    }
}

impl BodyWriter {
    /// Appends the wire form of the next piece.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        out.reserve(text.len());
        let mut rest = text;
        while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
            let (line, tail) = rest.split_at(at);
            self.text(line, out);
            match tail.first() {
                Some(b'\n') if self.after_cr => self.after_cr = false,
                Some(b'\n') => end_line(out, &mut self.at_line_start),
                // CR: the line ends here, whatever follows; an LF behind it is swallowed.
                _ => {
                    self.after_cr = true;
                    end_line(out, &mut self.at_line_start);
                }
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.text(rest, out);
    }

    /// Appends the end of data.
    pub fn finish(self, out: &mut Vec<u8>) {
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if let Some(first) = text.first() {
            self.after_cr = false;
            if self.at_line_start && *first == b'.' {
                out.push(b'.');
            }
            self.at_line_start = false;
            out.extend_from_slice(text);
        }
    }
}

fn end_line(out: &mut Vec<u8>, at_line_start: &mut bool) {
    out.extend_from_slice(b"\r\n");
    *at_line_start = true;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Smtp;
    use crate::smtp::content::ContentLimits;
    use crate::smtp::data::DataReader;

    fn wire(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = BodyWriter::default();
        for piece in pieces {
            body.push(piece, &mut out);
        }
        body.finish(&mut out);
        out
    }

    #[test]
    fn dots_and_line_ends() {
        for (text, expected) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".a\r\n..\r\n", "..a\r\n...\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n.\r\n"),
            ("a\n.\r\nEVIL", "a\r\n..\r\nEVIL\r\n.\r\n"),
        ] {
            assert_eq!(wire(&[text.as_bytes()]), expected.as_bytes(), "{text:?}");
        }
    }

    proptest! {
        /// What we send, our own strict reader reads as the same text, however both sides cut it.
        #[test]
        fn our_reader_reads_what_we_write(
            lines in prop::collection::vec("[.a-z\u{e4}]{0,6}", 0..12),
            cut in 1..20_usize,
        ) {
            let text = lines.iter().fold(String::new(), |all, l| all + l + "\r\n");
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let sent = wire(&pieces);
            let mut reader = DataReader::new(ContentLimits::from_config(&Smtp::default()));
            let mut read = Vec::new();
            let fed = reader.feed(&sent, &mut read);
            prop_assert!(fed.ended && fed.used == sent.len());
            reader.finish(&mut read).unwrap();
            prop_assert_eq!(read, text.into_bytes());
        }

        /// No input makes a bare CR or LF, or an early end of data.
        #[test]
        fn only_one_end(text in prop::collection::vec(prop::sample::select(b"\r\n.a".to_vec()), 0..40), cut in 1..9_usize) {
            let pieces: Vec<&[u8]> = text.chunks(cut).collect();
            let sent = wire(&pieces);
            let mut reader = DataReader::new(ContentLimits::from_config(&Smtp::default()));
            let mut read = Vec::new();
            let fed = reader.feed(&sent, &mut read);
            prop_assert!(fed.ended && fed.used == sent.len(), "{:?}", fed);
            prop_assert!(reader.finish(&mut read).is_ok());
        }
    }

    #[test]
    fn fuzz_pieces() {
        bolero::check!()
            .with_type::<(Vec<u8>, usize)>()
            .for_each(|(text, cut)| {
                let at = cut.checked_rem(text.len() + 1).unwrap_or(0);
                assert_eq!(wire(&[text]), wire(&[&text[..at], &text[at..]]));
            });
    }
}
