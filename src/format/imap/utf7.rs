//! Modified UTF-7 of mailbox names (RFC 3501 5.1.3; RFC 9051 A.1).
//!
//! A name that is not well formed (`R&D` from a client that never heard of the encoding, or needlessly shifted ASCII) is
//! refused by [`decode`]; the caller decides whether to take it as it stands. So every name has one encoded form.

use Problem::{NotShifted, Stray, Unfinished};

/// Why a name is not modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// `&` without its `-`.
    #[error("a shift is not ended")]
    Unfinished,
    /// Octets or bits that the encoding has no place for.
    #[error("not modified base64 of UTF-16")]
    Stray,
    /// ASCII inside a shift, two shifts in a row.
    #[error("shifted what need not be")]
    NotShifted,
}

/// The name in its encoded form.
#[must_use]
pub fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            unshift(&mut out, &mut shifted);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    unshift(&mut out, &mut shifted);
    out
}

fn unshift(out: &mut String, shifted: &mut Vec<u16>) {
    if shifted.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut held) = (0_u32, 0_u32);
    for unit in shifted.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        held += 16;
        while held >= 6 {
            held -= 6;
            out.push(digit(bits >> held));
            bits &= (1 << held) - 1;
        }
    }
    if held > 0 {
        out.push(digit(bits << (6 - held)));
    }
    out.push('-');
}

fn digit(value: u32) -> char {
    let at = usize::try_from(value & 0x3f).unwrap_or_default();
    char::from(DIGITS.get(at).copied().unwrap_or(b'A'))
}

/// The name of an encoded form.
///
/// # Errors
/// [`Problem`] when it is not exactly what [`encode`] would write.
pub fn decode(text: &str) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut ended_shift = false;
    while let Some(c) = rest.chars().next() {
        if !(' '..='~').contains(&c) {
            return Err(Stray);
        }
        rest = rest.get(1..).unwrap_or_default();
        if c != '&' {
            out.push(c);
            ended_shift = false;
            continue;
        }
        let (inside, after) = rest.split_once('-').ok_or(Unfinished)?;
        rest = after;
        if inside.is_empty() {
            out.push('&');
            ended_shift = false;
            continue;
        }
        if ended_shift {
            return Err(NotShifted);
        }
        unbase(inside, &mut out)?;
        ended_shift = true;
    }
    Ok(out)
}

fn unbase(text: &str, out: &mut String) -> Result<(), Problem> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut units = Vec::with_capacity(text.len() / 2);
    for b in text.bytes() {
        let value = DIGITS.iter().position(|d| *d == b).ok_or(Stray)?;
        bits = (bits << 6) | u32::try_from(value).map_err(|_| Stray)?;
        held += 6;
        if held >= 16 {
            held -= 16;
            units.push(u16::try_from(bits >> held).map_err(|_| Stray)?);
            bits &= (1 << held) - 1;
        }
    }
    if held >= 6 || bits != 0 {
        return Err(Stray);
    }
    for c in char::decode_utf16(units) {
        let c = c.map_err(|_| Stray)?;
        if (' '..='~').contains(&c) {
            return Err(NotShifted);
        }
        out.push(c);
    }
    Ok(())
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_names() {
        for (name, encoded) in [
            ("INBOX", "INBOX"),
            // RFC 3501 5.1.3
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("R&D", "R&-D"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Kunden & Verträge", "Kunden &- Vertr&AOQ-ge"),
            ("😀", "&2D3eAA-"),
            ("a\tb", "a&AAk-b"),
        ] {
            assert_eq!(encode(name), encoded);
            assert_eq!(decode(encoded).unwrap(), name);
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, why) in [
            ("R&D", Unfinished),
            ("&", Unfinished),
            ("&APw", Unfinished),
            ("Entwürfe", Stray),
            ("&A-", Stray),
            ("&2D0-", Stray),
            ("&AP=-", Stray),
            // RFC 3501 5.1.3: superfluous shifts
            ("&U,BTFw-&ZeVnLIqe-", NotShifted),
            ("&AGE-", NotShifted),
            ("a\u{7}", Stray),
        ] {
            assert_eq!(decode(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(name in ".{0,40}") {
            prop_assert_eq!(decode(&encode(&name)).unwrap(), name);
        }

        #[test]
        fn what_decodes_has_one_form(text in "[ -~]{0,20}") {
            if let Ok(name) = decode(&text) {
                prop_assert_eq!(encode(&name), text);
            }
        }
    }
}
