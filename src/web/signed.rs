//! Addresses that carry our signature: base64url (RFC 4648 5, unpadded) of a MAC and what it is over.

use crate::service::accounts::keys::{Keys, Purpose};

/// Octets of HMAC-SHA256.
const MAC: usize = 32;
/// The digits of RFC 4648 5.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `text` with a signature that is good for `purpose` in this `context` only.
#[must_use]
pub fn seal(keys: &Keys, purpose: Purpose, context: &str, text: &str) -> String {
    let mut bytes = keys.sign(purpose, &message(context, text));
    bytes.extend_from_slice(text.as_bytes());
    encode(&bytes)
}

/// The text of such a value, when the signature is ours.
#[must_use]
pub fn open(keys: &Keys, purpose: Purpose, context: &str, sealed: &str) -> Option<String> {
    let bytes = decode(sealed)?;
    let (mac, text) = bytes.split_at_checked(MAC)?;
    let text = std::str::from_utf8(text).ok()?;
    keys.is_ours(purpose, &message(context, text), mac)
        .then(|| text.to_owned())
}

/// What is signed: a context never runs into the text, whatever either of them holds.
fn message(context: &str, text: &str) -> Vec<u8> {
    let mut out = context.len().to_be_bytes().to_vec();
    out.extend_from_slice(context.as_bytes());
    out.extend_from_slice(text.as_bytes());
    out
}

fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        for (to, from) in bits.iter_mut().skip(1).zip(group) {
            *to = *from;
        }
        let bits = u32::from_be_bytes(bits);
        for n in 0..=group.len() {
            let digit = usize::try_from(bits >> (18 - 6 * n) & 63).unwrap_or_default();
            out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'A')));
        }
    }
    out
}

/// `None` for anything but what [`encode`] writes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let mut bits: u32 = 0;
        for n in 0..4 {
            let digit = match group.get(n) {
                Some(digit) => DIGITS.iter().position(|d| d == digit)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(digit).ok()?;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        let len = group.len().checked_sub(1).filter(|len| *len > 0)?;
        let (kept, rest) = bytes.split_at_checked(len)?;
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|b| DIGITS.contains(&b)));
            prop_assert_eq!(decode(&text).unwrap(), bytes);
        }

        #[test]
        fn one_text_is_one_value(text in "[A-Za-z0-9_-]{0,60}") {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }

    #[test]
    fn what_is_no_base64url_is_refused() {
        for bad in ["A", "AAAAA", "AA==", "A+", "A/", "AB", "AAB", "ä", "A A"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode("aGk_Pw").unwrap(), b"hi??");
    }
}
