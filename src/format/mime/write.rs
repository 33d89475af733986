//! The header writer: the one place where a value becomes a header line (RFC 5322 2.2, RFC 2047, RFC 2231).
//!
//! Values with CR, LF or NUL are refused, not cleaned: such a value is an attack or a fault of the caller.
//! Everything else is encoded so that what is written is ASCII, in lines of at most 78 characters where there is
//! a place to fold.

/// Encodes a text as RFC 2047 words of UTF-8, parted by single blanks; no word cuts a character.
///
/// "Q" when most of the text is ASCII, else "B". Used for a whole value: blanks are encoded too.
#[must_use]
pub fn encode_words(text: &str) -> String {
    let foreign = text
        .bytes()
        .filter(|b| !is_q_plain(*b) && *b != b' ')
        .count();
    let use_q = foreign * 3 <= text.len();
    let mut out = String::new();
    let mut chunk = String::new();
    let mut width = 0;
    for c in text.chars() {
        let mut buffer = [0_u8; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        let cost: usize = if use_q {
            bytes
                .iter()
                .map(|b| if is_q_plain(*b) || *b == b' ' { 1 } else { 3 })
                .sum()
        } else {
            bytes.len()
        };
        // 75 characters a word (RFC 2047 2): 63 beside "=?utf-8?Q??=", 45 bytes as base64.
        if width + cost > if use_q { 63 } else { 45 } {
            push_word(&mut out, &chunk, use_q);
            chunk.clear();
            width = 0;
        }
        chunk.push(c);
        width += cost;
    }
    if !chunk.is_empty() {
        push_word(&mut out, &chunk, use_q);
    }
    out
}

fn push_word(out: &mut String, chunk: &str, use_q: bool) {
    if !out.is_empty() {
        out.push(' ');
    }
    if use_q {
        out.push_str("=?utf-8?Q?");
        for b in chunk.bytes() {
            match b {
                b' ' => out.push('_'),
                b if is_q_plain(b) => out.push(char::from(b)),
                b => push_hex(out, '=', b),
            }
        }
    } else {
        out.push_str("=?utf-8?B?");
        out.push_str(&super::codec::base64(chunk.as_bytes()));
    }
    out.push_str("?=");
}

/// What may stand for itself in a "Q" word, in a phrase too (RFC 2047 5 rule 3).
fn is_q_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!*+-/".contains(&b)
}

fn push_hex(out: &mut String, mark: char, b: u8) {
    out.push(mark);
    out.push(char::from(super::codec::hex_digit(b >> 4)));
    out.push(char::from(super::codec::hex_digit(b & 15)));
}

/// An RFC 2231 extended value in UTF-8: `utf-8''f%C3%BCr`.
#[must_use]
pub fn percent_utf8(text: &str) -> String {
    let mut out = String::from("utf-8''");
    for b in text.bytes() {
        // RFC 5987 3.2.1 attr-char
        if b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b) {
            out.push(char::from(b));
        } else {
            push_hex(&mut out, '%', b);
        }
    }
    out
}
