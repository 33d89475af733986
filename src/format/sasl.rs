//! What SASL sends, at every door that signs in by it: strict base64, and the messages of PLAIN (RFC 4616) and LOGIN.
//!
//! Only bytes into values. Whether a mechanism may be used at this moment is decided by the session,
//! whether the password is right by `service/accounts.rs`. Secrets live in [`Secret`], which is wiped
//! when it is dropped and prints nothing.

use std::fmt;

use zeroize::Zeroizing;

/// Octets that must not be printed, logged or left in memory.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// A name and a password, as a mechanism carried them.
#[derive(Debug)]
pub struct Credentials {
    /// The authentication identity, as sent.
    pub name: String,
    /// The password as sent; [`Secret::expose_str`] when it is UTF-8, as every password of ours is.
    pub password: Secret,
}

/// Why a SASL message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// Not base64, or with padding that does not belong there (RFC 4954 4: 501 5.5.2).
    #[error("not base64")]
    Base64,
    /// The decoded message does not follow the mechanism.
    #[error("the message does not follow the mechanism")]
    Message,
    /// PLAIN asked to act as somebody else than it proves to be.
    #[error("acting as another user is not possible")]
    Authzid,
}

impl Secret {
    /// Takes the octets over.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Decodes base64 (RFC 4648 4) strictly: no white space, no missing padding, no stray bits at the end.
///
/// # Errors
/// [`SaslError::Base64`]
pub fn decode_base64(text: &[u8]) -> Result<Secret, SaslError> {
    if !text.len().is_multiple_of(4) {
        return Err(SaslError::Base64);
    }
    let padding = text.iter().rev().take_while(|&&b| b == b'=').count();
    let digits = text.len().saturating_sub(padding);
    let text = text.get(..digits).ok_or(SaslError::Base64)?;
    if padding > 2 {
        return Err(SaslError::Base64);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bits: u32 = 0;
    let mut held: u32 = 0;
    for &digit in text {
        bits = (bits << 6) | digit_value(digit).ok_or(SaslError::Base64)?;
        held = held.saturating_add(6);
        if held >= 8 {
            held = held.saturating_sub(8);
            out.push(u8::try_from((bits >> held) & 0xff).unwrap_or_default());
            bits &= (1 << held) - 1;
        }
    }
    if bits != 0 {
        return Err(SaslError::Base64);
    }
    Ok(Secret(out))
}

/// Encodes base64 with padding; our client side sends PLAIN, and the tests write what they read.
#[must_use]
pub fn encode_base64(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len().div_ceil(3).saturating_mul(4));
    for group in octets.chunks(3) {
        let mut bits: u32 = 0;
        for at in 0..3 {
            bits = (bits << 8) | u32::from(group.get(at).copied().unwrap_or_default());
        }
        for at in 0..4_usize {
            if at > group.len() {
                out.push('=');
            } else {
                let shift = 18 - 6 * at;
                let digit = usize::try_from((bits >> shift) & 0x3f).unwrap_or_default();
                out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'A')));
            }
        }
    }
    out
}

/// Reads the one message of PLAIN: `[authzid] NUL authcid NUL password` (RFC 4616 2).
///
/// # Errors
/// [`SaslError::Message`] when there are not three fields or no name, [`SaslError::Authzid`] when the
/// authorization identity is there and is not the authentication identity.
pub fn plain(message: &Secret) -> Result<Credentials, SaslError> {
    let mut fields = message.expose().split(|&b| b == 0);
    let (Some(acting), Some(name), Some(password), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(SaslError::Message);
    };
    if !acting.is_empty() && acting != name {
        return Err(SaslError::Authzid);
    }
    credentials(name, password)
}

/// Puts the two answers of LOGIN together (never an RFC; the prompts are what every client expects).
///
/// # Errors
/// [`SaslError::Message`] when the name is empty or not UTF-8.
pub fn login(name: &Secret, password: &Secret) -> Result<Credentials, SaslError> {
    credentials(name.expose(), password.expose())
}

fn credentials(name: &[u8], password: &[u8]) -> Result<Credentials, SaslError> {
    let name = std::str::from_utf8(name).map_err(|_| SaslError::Message)?;
    if name.is_empty() || name.contains(char::is_control) {
        return Err(SaslError::Message);
    }
    Ok(Credentials {
        name: name.to_owned(),
        password: Secret::new(password.to_vec()),
    })
}

fn digit_value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The prompt of LOGIN for the name: `Username:` in base64.
pub const LOGIN_NAME: &str = "VXNlcm5hbWU6";
/// The prompt of LOGIN for the password: `Password:` in base64.
pub const LOGIN_PASSWORD: &str = "UGFzc3dvcmQ6";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Username:", LOGIN_NAME),
            ("Password:", LOGIN_PASSWORD),
        ] {
            assert_eq!(encode_base64(octets.as_bytes()), text);
            assert_eq!(
                decode_base64(text.as_bytes()).unwrap().expose(),
                octets.as_bytes()
            );
        }
    }

    #[test]
    fn base64_is_strict() {
        for text in [
            "Zg", "Zg=", "Z===", "====", "Zm9v=", "Zm9 v", "Zg==Zg==", "Zh==", "Zm9=", "Zm_v",
            "Zm9v\r\n", "Z=g=",
        ] {
            assert_eq!(
                decode_base64(text.as_bytes()),
                Err(SaslError::Base64),
                "{text}"
            );
        }
    }

    /// The example of RFC 4616 4.
    #[test]
    fn plain_of_the_rfc() {
        let read = |m: &[u8]| plain(&Secret::new(m.to_vec()));
        let tim = read(b"\0tim\0tanstaaftanstaaf").unwrap();
        assert_eq!(tim.name, "tim");
        assert_eq!(tim.password.expose_str(), Some("tanstaaftanstaaf"));
        assert!(read(b"tim\0tim\0x").is_ok());
        assert_eq!(
            read(b"Ursel\0Kurt\0xipj3plmq").unwrap_err(),
            SaslError::Authzid
        );
        for broken in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\0pw",
            b"tim",
            b"\0tim",
            b"\0a\0b\0c",
            b"\0\xff\0b",
        ] {
            assert_eq!(read(broken).unwrap_err(), SaslError::Message);
        }
    }

    #[test]
    fn a_secret_prints_nothing() {
        let read = plain(&Secret::new(b"\0tim\0tanstaaf".to_vec())).unwrap();
        assert!(!format!("{read:?}").contains("tanstaaf"));
    }

    proptest! {
        #[test]
        fn base64_there_and_back(octets in prop::collection::vec(any::<u8>(), 0..100)) {
            let text = encode_base64(&octets);
            let decoded = decode_base64(text.as_bytes()).unwrap();
            prop_assert_eq!(decoded.expose(), &octets[..]);
        }

        #[test]
        fn what_decodes_encodes_to_itself(text in "[A-Za-z0-9+/=]{0,40}") {
            if let Ok(octets) = decode_base64(text.as_bytes()) {
                prop_assert_eq!(encode_base64(octets.expose()), text);
            }
        }
    }
}
