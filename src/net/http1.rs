//! The framing of HTTP/1 requests, watched in front of the parser that reads them (RFC 9112 2.2, 5, 6, 7.1; `security.md` 2,
//! "ambiguous framing").
//!
//! Where a request ends must be beyond doubt, or a proxy and we see different requests in the same octets. hyper lets several
//! doubtful forms pass: two equal `Content-Length`, `Content-Length` beside `Transfer-Encoding`, line ends without CR. [`Framing`]
//! follows the octets of a connection and names the first that makes them doubtful. The connection puts a NUL in its place and
//! an empty line behind it, and nothing more, so hyper answers 400 in the right order, behind what it has answered already, and
//! closes.
//!
//! ```text
//! request line -> field* -> empty line -+-> body of Content-Length octets ------------------+-> request line -> …
//!                                       +-> chunk size -> octets CRLF -> … -> 0 -> trailer* -+
//!                                       +-> nothing -------------------------------------- -+
//! "PRI * HTTP/2.0" as the first line: everything behind it is HTTP/2 and passes.
//! ```
//!
//! Faults: a line end that is not CRLF, a CR or control character inside a line, a folded field, a name that is no token (a space
//! before the colon), a second `Content-Length` or `Host`, a length that is not digits only, `Transfer-Encoding` that is not
//! exactly `chunked`, twice, in HTTP/1.0 or beside a length, no `Host` in HTTP/1.1, a chunk that does not end where it said.
//!
//! Not here: sizes. What is over-long is refused behind the parser (414, 431); from a header with an over-long line on nothing
//! more is passed, so that what was not judged frames nothing.

/// What is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line that does not end with CRLF, or a CR inside it.
    #[error("a line end that is not CRLF")]
    LineEnd,
    /// NUL or another control character.
    #[error("a control character")]
    Control,
    /// No HTTP version behind the target.
    #[error("no request line")]
    RequestLine,
    /// A line that goes on in the next one (obs-fold).
    #[error("a folded field")]
    Folded,
    /// No colon, or a name that is no token.
    #[error("a field without a proper name")]
    Name,
    /// A length that is no number, or a second one.
    #[error("a doubtful length")]
    Length,
    /// A coding that is not `chunked`, a second one, or one beside a length.
    #[error("a doubtful transfer coding")]
    Coding,
    /// None in HTTP/1.1, or two.
    #[error("no host, or two")]
    Host,
    /// A chunk's size or its end.
    #[error("a broken chunk")]
    Chunk,
}

/// How far octets may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// All of them.
    All,
    /// So many, and nothing ever after: the rest is not looked at.
    Only(usize),
    /// The octet at this place makes it doubtful; nothing behind it is to be passed on.
    Doubtful(usize, Fault),
}

/// Follows the octets that a client sends on one connection.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    /// The line so far, without its end.
    line: Vec<u8>,
    cr_seen: bool,
    head: Head,
    most_line: usize,
    is_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Field,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    /// Behind a chunk's octets.
    ChunkEnd,
    Trailer,
    Http2,
    End,
}

/// What the header of the present request has said.
#[derive(Debug, Default)]
struct Head {
    is_http10: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_host: bool,
    is_overlong: bool,
}

impl Framing {
    /// A fresh connection; no line that counts is longer than `most_line` octets.
    #[must_use]
    pub fn new(most_line: usize) -> Self {
        Self {
            place: Place::RequestLine,
            line: Vec::new(),
            cr_seen: false,
            head: Head::default(),
            most_line,
            is_first: true,
        }
    }

    /// Looks at the next octets.
    pub fn feed(&mut self, octets: &[u8]) -> Passed {
        let mut at = 0;
        while let Some(octet) = octets.get(at) {
            let left = octets.len() - at;
            let passed = match &mut self.place {
                Place::Http2 => return Passed::All,
                Place::End => return Passed::Only(at),
                Place::Body(rest) => {
                    let here = take(rest, left);
                    if *rest == 0 {
                        self.next_request();
                    }
                    here
                }
                Place::Chunk(rest) => {
                    let here = take(rest, left);
                    if *rest == 0 {
                        self.place = Place::ChunkEnd;
                    }
                    here
                }
                Place::RequestLine
                | Place::Field
                | Place::ChunkSize
                | Place::ChunkEnd
                | Place::Trailer => {
                    if let Err(fault) = self.octet(*octet) {
                        self.place = Place::End;
                        return Passed::Doubtful(at, fault);
                    }
                    1
                }
            };
            at += passed;
        }
        Passed::All
    }

    /// Whether the client has said nothing since the end of its last request.
    #[must_use]
    pub fn is_between(&self) -> bool {
        match self.place {
            Place::Http2 => true,
            Place::RequestLine => self.line.is_empty() && !self.cr_seen,
            _ => false,
        }
    }

    fn octet(&mut self, octet: u8) -> Result<(), Fault> {
        match (self.cr_seen, octet) {
            (true, b'\n') => {
                self.cr_seen = false;
                let line = std::mem::take(&mut self.line);
                self.end_of_line(&line)
            }
            (true, _) | (false, b'\n') => Err(Fault::LineEnd),
            (false, b'\r') => {
                self.cr_seen = true;
                Ok(())
            }
            (false, 0..=0x08 | 0x0b..=0x1f | 0x7f) => Err(Fault::Control),
            (false, _) if self.line.len() == self.most_line => {
                if matches!(self.place, Place::RequestLine | Place::Field) {
                    self.head.is_overlong = true;
                    Ok(())
                } else {
                    Err(Fault::Chunk)
                }
            }
            (false, _) => {
                self.line.push(octet);
                Ok(())
            }
        }
    }

    fn end_of_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        match self.place {
            Place::RequestLine => self.request_line(line)?,
            Place::Field if line.is_empty() => self.end_of_header()?,
            Place::Field => self.head.field(line)?,
            Place::ChunkSize => {
                self.place = match chunk_size(line)? {
                    0 => Place::Trailer,
                    size => Place::Chunk(size),
                };
            }
            Place::ChunkEnd if line.is_empty() => self.place = Place::ChunkSize,
            Place::ChunkEnd => return Err(Fault::Chunk),
            Place::Trailer if line.is_empty() => self.next_request(),
            // A trailer frames nothing; only its form counts.
            Place::Trailer => drop(split_field(line)?),
            Place::Body(_) | Place::Chunk(_) | Place::Http2 | Place::End => {}
        }
        Ok(())
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.is_empty() {
            // RFC 9112 2.2: an empty line in front of a request is nothing.
            return Ok(());
        }
        if self.is_first && line == b"PRI * HTTP/2.0" {
            self.place = Place::Http2;
            return Ok(());
        }
        self.head.is_http10 = line.ends_with(b" HTTP/1.0");
        if !self.head.is_overlong && !self.head.is_http10 && !line.ends_with(b" HTTP/1.1") {
            return Err(Fault::RequestLine);
        }
        self.place = Place::Field;
        Ok(())
    }

    fn end_of_header(&mut self) -> Result<(), Fault> {
        let head = &self.head;
        if head.is_overlong {
            self.place = Place::End;
            return Ok(());
        }
        if !head.has_host && !head.is_http10 {
            return Err(Fault::Host);
        }
        if head.is_chunked {
            if head.length.is_some() || head.is_http10 {
                return Err(Fault::Coding);
            }
            self.place = Place::ChunkSize;
            return Ok(());
        }
        match head.length.unwrap_or_default() {
            0 => self.next_request(),
            length => self.place = Place::Body(length),
        }
        Ok(())
    }

    fn next_request(&mut self) {
        self.place = Place::RequestLine;
        self.head = Head::default();
        self.is_first = false;
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), Fault> {
        if self.is_overlong {
            // Its end was not kept; the request is refused for its length and nothing follows it.
            return Ok(());
        }
        let (name, value) = split_field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = digits(value).ok_or(Fault::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Fault::Length);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Coding);
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if self.has_host {
                return Err(Fault::Host);
            }
            self.has_host = true;
        }
        Ok(())
    }
}

/// Takes what it can of `rest`; how many octets that is.
fn take(rest: &mut u64, left: usize) -> usize {
    let here = usize::try_from(*rest).unwrap_or(usize::MAX).min(left);
    *rest = rest.saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
    here
}

/// Name and value, the white space around the value gone.
fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.first().is_some_and(|octet| is_blank(*octet)) {
        return Err(Fault::Folded);
    }
    let colon = line
        .iter()
        .position(|octet| *octet == b':')
        .ok_or(Fault::Name)?;
    let (name, rest) = line.split_at(colon);
    if name.is_empty() || !name.iter().all(|octet| is_token(*octet)) {
        return Err(Fault::Name);
    }
    let mut value = rest.get(1..).unwrap_or_default();
    while let [first, more @ ..] = value
        && is_blank(*first)
    {
        value = more;
    }
    while let [more @ .., last] = value
        && is_blank(*last)
    {
        value = more;
    }
    Ok((name, value))
}

fn is_blank(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// RFC 9110 5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// RFC 9110 8.6: digits and nothing else, within 63 bits.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// RFC 9112 7.1: hex digits, and extensions that nobody uses and that say nothing to us.
fn chunk_size(line: &[u8]) -> Result<u64, Fault> {
    let size = line
        .split(|octet| *octet == b';')
        .next()
        .unwrap_or_default();
    if size.is_empty() || size.len() > 15 || !size.iter().all(u8::is_ascii_hexdigit) {
        return Err(Fault::Chunk);
    }
    let text = std::str::from_utf8(size).map_err(|_| Fault::Chunk)?;
    u64::from_str_radix(text, 16).map_err(|_| Fault::Chunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 60;

    fn whole(text: &[u8]) -> (Passed, Place) {
        let mut framing = Framing::new(MOST);
        (framing.feed(text), framing.place)
    }

    /// What comes in pieces is judged as what comes at once.
    fn in_two(text: &[u8], cut: usize) -> Passed {
        let mut framing = Framing::new(MOST);
        let (early, late) = text.split_at(cut);
        match framing.feed(early) {
            Passed::All => {}
            ended => return ended,
        }
        match framing.feed(late) {
            Passed::Doubtful(at, fault) => Passed::Doubtful(at + cut, fault),
            Passed::Only(count) => Passed::Only(count + cut),
            Passed::All => Passed::All,
        }
    }

    fn fault(text: &str) -> Option<Fault> {
        let (passed, _) = whole(text.as_bytes());
        for cut in 0..=text.len() {
            assert_eq!(in_two(text.as_bytes(), cut), passed, "{text:?} at {cut}");
        }
        match passed {
            Passed::Doubtful(_, fault) => Some(fault),
            Passed::All | Passed::Only(_) => None,
        }
    }

    #[test]
    fn plain_requests_pass_and_end_where_they_end() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nhost:a\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na\nb",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t 0 \r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\r\n\r\n0\r\nT: u\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        ] {
            assert_eq!(fault(text), None, "{text:?}");
            assert_eq!(
                whole(text.as_bytes()),
                (Passed::All, Place::RequestLine),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_leaves_a_doubt_is_a_fault() {
        let post = |fields: &str| fault(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        for (fields, expected) in [
            ("Content-Length: 1\r\nContent-Length: 1\r\n", Fault::Length),
            ("Content-Length: 1\r\nContent-Length: 2\r\n", Fault::Length),
            ("Content-Length: 1, 1\r\n", Fault::Length),
            ("Content-Length: +1\r\n", Fault::Length),
            ("Content-Length: 1 1\r\n", Fault::Length),
            ("Content-Length:\r\n", Fault::Length),
            ("Content-Length: 0x1\r\n", Fault::Length),
            ("Content-Length: 99999999999999999999\r\n", Fault::Length),
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                Fault::Coding,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
                Fault::Coding,
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Fault::Coding,
            ),
            ("Transfer-Encoding: gzip, chunked\r\n", Fault::Coding),
            ("Transfer-Encoding: chunked, chunked\r\n", Fault::Coding),
            ("Transfer-Encoding: identity\r\n", Fault::Coding),
            ("Transfer-Encoding:\r\n", Fault::Coding),
            ("Transfer-Encoding: \u{b}chunked\r\n", Fault::Control),
            ("X: a\r\n b\r\n", Fault::Folded),
            ("X: a\r\n\tb\r\n", Fault::Folded),
            ("Content-Length : 1\r\n", Fault::Name),
            ("Content Length: 1\r\n", Fault::Name),
            (": 1\r\n", Fault::Name),
            ("X\r\n", Fault::Name),
            ("X: \0\r\n", Fault::Control),
            ("X: a\nY: b\r\n", Fault::LineEnd),
            ("X: a\rY: b\r\n", Fault::LineEnd),
            ("X: a\r\r\n", Fault::LineEnd),
            ("Host: b\r\n", Fault::Host),
        ] {
            assert_eq!(post(fields), Some(expected), "{fields:?}");
        }
        for (text, expected) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Fault::LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", Fault::LineEnd),
            ("GET / HTTP/1.1\r\n\r\n", Fault::Host),
            ("GET /\r\n", Fault::RequestLine),
            ("GET / HTTP/2.0\r\n", Fault::RequestLine),
            ("\0\r\n", Fault::Control),
            (
                "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::Coding,
            ),
        ] {
            assert_eq!(fault(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn chunks_end_where_they_say() {
        let chunks = |text: &str| {
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            fault(&format!("{head}{text}"))
        };
        for (text, expected) in [
            ("2\r\nab\r\n0\r\n\r\n", None),
            ("", None),
            ("2\r\nabc\r\n", Some(Fault::Chunk)),
            ("2\nab\r\n", Some(Fault::LineEnd)),
            ("2\r\nab\n0\r\n", Some(Fault::LineEnd)),
            ("-2\r\n", Some(Fault::Chunk)),
            ("0x2\r\n", Some(Fault::Chunk)),
            (" 2\r\n", Some(Fault::Chunk)),
            ("\r\n", Some(Fault::Chunk)),
            ("fffffffffffffffff\r\n", Some(Fault::Chunk)),
            ("0\r\n folded\r\n", Some(Fault::Folded)),
            ("0\r\nX : y\r\n", Some(Fault::Name)),
        ] {
            assert_eq!(chunks(text), expected, "{text:?}");
        }
        let long = format!("1;{}\r\n", "x".repeat(MOST));
        assert_eq!(chunks(&long), Some(Fault::Chunk));
    }

    #[test]
    fn behind_an_overlong_header_nothing_is_passed() {
        let long = "y".repeat(MOST);
        for head in [
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {long}\r\n\r\n"),
        ] {
            let text = format!("{head}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(whole(text.as_bytes()).0, Passed::Only(head.len()));
            assert_eq!(fault(&text), None);
        }
        let bare = format!("GET /{long} HTTP/1.1\nHost: a\n\n");
        assert_eq!(fault(&bare), Some(Fault::LineEnd));
    }

    #[test]
    fn http2_passes_only_as_the_first_line() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04";
        assert_eq!(whole(preface), (Passed::All, Place::Http2));
        let later = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\n";
        assert!(matches!(
            whole(later).0,
            Passed::Doubtful(_, Fault::RequestLine)
        ));
    }

    proptest! {
        /// Requests in a row, however they are cut, pass whole and end where the last one ends; one octet less, and
        /// something is missing.
        #[test]
        fn requests_in_a_row_pass(
            bodies in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), any::<bool>()), 1..6),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut all = Vec::new();
            for (body, chunked) in &bodies {
                all.extend_from_slice(b"POST /x HTTP/1.1\r\nHost: a\r\n");
                if *chunked {
                    all.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                    for piece in body.chunks(7) {
                        all.extend(format!("{:X}\r\n", piece.len()).bytes());
                        all.extend_from_slice(piece);
                        all.extend_from_slice(b"\r\n");
                    }
                    all.extend_from_slice(b"0\r\n\r\n");
                } else {
                    all.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                    all.extend_from_slice(body);
                }
            }
            prop_assert_eq!(whole(&all), (Passed::All, Place::RequestLine));
            prop_assert_eq!(in_two(&all, cut.index(all.len())), Passed::All);
            let mut short = Framing::new(MOST);
            prop_assert_eq!(short.feed(&all[..all.len() - 1]), Passed::All);
            prop_assert!(!short.is_between());
        }
    }

    #[test]
    fn any_octets_are_judged_alike_however_they_come() {
        bolero::check!().for_each(|octets: &[u8]| {
            let (passed, _) = whole(octets);
            assert_eq!(in_two(octets, octets.len() / 2), passed);
            if let Passed::Doubtful(at, _) | Passed::Only(at) = passed {
                assert!(at < octets.len());
            }
        });
    }
}
