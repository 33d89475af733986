//! The parameters of `MAIL` and `RCPT` (RFC 5321 4.1.2 `esmtp-param`, RFC 1869 before it).
//!
//! Known are exactly those that our EHLO announces: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8
//! (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461, RFC 6533 for UTF-8) and AUTH (RFC 4954 5).
//! Another keyword is 555, a keyword given twice or a value that its document does not know is 501
//! (RFC 5321 4.1.1.11), BODY=BINARYMIME is 504 because it is known and not offered.

use std::fmt;

use super::path::{Mailbox, PathLimits};

/// What `MAIL FROM` said beside the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    /// `SIZE=`: the message's octets as the client counts them; a number too large for us is `u64::MAX`.
    pub size_bytes: Option<u64>,
    /// `BODY=`
    pub body: Option<BodyType>,
    /// `SMTPUTF8`: envelope and header may hold UTF-8.
    pub smtputf8: bool,
    /// `RET=`
    pub ret: Option<Ret>,
    /// `ENVID=`, decoded.
    pub envid: Option<String>,
    /// `AUTH=`: who submitted the message first. Read, never trusted (RFC 4954 5).
    pub auth: Option<AuthParam>,
}

/// What `RCPT TO` said beside the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParams {
    /// `NOTIFY=`; `None` lets the host decide, which means failure and delay (RFC 3461 4.1).
    pub notify: Option<Notify>,
    /// `ORCPT=`
    pub orcpt: Option<OriginalRecipient>,
}

/// `BODY=` (RFC 6152 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}

/// `RET=` (RFC 3461 4.3): what a failure notice brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// `FULL`
    Full,
    /// `HDRS`
    Headers,
}

/// `NOTIFY=` (RFC 3461 4.1): when a notice is wanted. All three unset is `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `SUCCESS`
    pub success: bool,
    /// `FAILURE`
    pub failure: bool,
    /// `DELAY`
    pub delay: bool,
}

/// `ORCPT=` (RFC 3461 4.2): the recipient as the first sender named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8` or another registered type, lower case.
    pub addr_type: String,
    /// The address, decoded.
    pub address: String,
}

/// `AUTH=` on `MAIL` (RFC 4954 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthParam {
    /// `<>`: unknown, or not to be told.
    Unknown,
    /// The submitter.
    Mailbox(Mailbox),
}

/// Why a parameter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// Not `keyword[=value]`, twice the same keyword, or a value outside its grammar.
    #[error("a parameter is malformed")]
    Malformed,
    /// A keyword that EHLO did not announce.
    #[error("a parameter is not recognized")]
    Unknown,
    /// A value that its document knows and we do not offer.
    #[error("a parameter's value is not implemented")]
    NotImplemented,
}

impl MailParams {
    /// Reads what follows the path of `MAIL FROM`.
    ///
    /// # Errors
    /// [`ParamError`] says which rule was broken.
    pub fn parse(text: &str) -> Result<Self, ParamError> {
        let mut out = Self::default();
        for (keyword, value) in split(text)? {
            match (keyword.as_str(), value) {
                ("SIZE", Some(v)) => put(&mut out.size_bytes, size(v)?)?,
                ("BODY", Some(v)) => put(&mut out.body, body(v)?)?,
                ("SMTPUTF8", None) if !out.smtputf8 => out.smtputf8 = true,
                ("RET", Some(v)) => put(&mut out.ret, ret(v)?)?,
                ("ENVID", Some(v)) => put(&mut out.envid, envid(v)?)?,
                ("AUTH", Some(v)) => put(&mut out.auth, auth(v)?)?,
                ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => {
                    return Err(ParamError::Malformed);
                }
                _ => return Err(ParamError::Unknown),
            }
        }
        Ok(out)
    }
}

impl RcptParams {
    /// Reads what follows the path of `RCPT TO`.
    ///
    /// # Errors
    /// [`ParamError`] says which rule was broken.
    pub fn parse(text: &str) -> Result<Self, ParamError> {
        let mut out = Self::default();
        for (keyword, value) in split(text)? {
            match (keyword.as_str(), value) {
                ("NOTIFY", Some(v)) => put(&mut out.notify, Notify::parse(v)?)?,
                ("ORCPT", Some(v)) => put(&mut out.orcpt, OriginalRecipient::parse(v)?)?,
                ("NOTIFY" | "ORCPT", _) => return Err(ParamError::Malformed),
                _ => return Err(ParamError::Unknown),
            }
        }
        Ok(out)
    }
}

impl Notify {
    /// `NEVER`: no notice of any kind.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };

    /// The words in upper case.
    #[must_use]
    pub fn words(self) -> Vec<String> {
        let words = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
            (self == Self::NEVER, "NEVER"),
        ];
        words
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, word)| word.to_owned())
            .collect()
    }

    /// `notify-esmtp-value = "NEVER" / 1#notify-list-element`
    fn parse(text: &str) -> Result<Self, ParamError> {
        let mut out = Self::NEVER;
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(out);
        }
        for element in text.split(',') {
            let wanted = match element.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut out.success,
                "FAILURE" => &mut out.failure,
                "DELAY" => &mut out.delay,
                _ => return Err(ParamError::Malformed),
            };
            *wanted = true;
        }
        Ok(out)
    }
}

impl OriginalRecipient {
    /// `original-recipient-address = addr-type ";" xtext`, at most 500 characters.
    fn parse(text: &str) -> Result<Self, ParamError> {
        let (addr_type, address) = text.split_once(';').ok_or(ParamError::Malformed)?;
        let type_is_good = !addr_type.is_empty()
            && addr_type
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if text.len() > 500 || !type_is_good || address.is_empty() {
            return Err(ParamError::Malformed);
        }
        let addr_type = addr_type.to_ascii_lowercase();
        let address = if addr_type == "utf-8" {
            decode_utf8_xtext(address)?
        } else {
            decode_xtext(address)?
        };
        Ok(Self { addr_type, address })
    }
}

/// Splits ` KEYWORD=value KEYWORD ...`; keywords come back in upper case.
fn split(text: &str) -> Result<Vec<(String, Option<&str>)>, ParamError> {
    if !(text.is_empty() || text.starts_with(' ')) {
        return Err(ParamError::Malformed);
    }
    let mut out = Vec::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let keyword_is_good = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let value_is_good =
            value.is_none_or(|v| !v.is_empty() && !v.contains(|c: char| c.is_control()));
        if !keyword_is_good || !value_is_good {
            return Err(ParamError::Malformed);
        }
        out.push((keyword.to_ascii_uppercase(), value));
    }
    Ok(out)
}

/// Takes the value unless the keyword was there already.
fn put<T>(place: &mut Option<T>, value: T) -> Result<(), ParamError> {
    if place.replace(value).is_some() {
        return Err(ParamError::Malformed);
    }
    Ok(())
}

/// `size-value = 1*20DIGIT`; more than `u64` holds is as large as can be said.
fn size(text: &str) -> Result<u64, ParamError> {
    if text.len() > 20 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParamError::Malformed);
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

fn body(text: &str) -> Result<BodyType, ParamError> {
    match text.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(BodyType::SevenBit),
        "8BITMIME" => Ok(BodyType::EightBitMime),
        "BINARYMIME" => Err(ParamError::NotImplemented),
        _ => Err(ParamError::Malformed),
    }
}

fn ret(text: &str) -> Result<Ret, ParamError> {
    match text.to_ascii_uppercase().as_str() {
        "FULL" => Ok(Ret::Full),
        "HDRS" => Ok(Ret::Headers),
        _ => Err(ParamError::Malformed),
    }
}

/// `envid-parameter = xtext`, at most 100 characters, printable once decoded (RFC 3461 4.4).
fn envid(text: &str) -> Result<String, ParamError> {
    if text.len() > 100 {
        return Err(ParamError::Malformed);
    }
    decode_xtext(text)
}

/// `"<>"` or a mailbox, as xtext.
fn auth(text: &str) -> Result<AuthParam, ParamError> {
    let text = decode_xtext(text)?;
    if text == "<>" {
        return Ok(AuthParam::Unknown);
    }
    Mailbox::parse(&text, &PathLimits::default())
        .map(AuthParam::Mailbox)
        .map_err(|_| ParamError::Malformed)
}

/// Decodes `xtext` (RFC 3461 4): printable ASCII but `+` and `=`, and `+XX` in upper case hex.
///
/// What it stands for must be printable ASCII too: it is written into headers later.
fn decode_xtext(text: &str) -> Result<String, ParamError> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'+' => hex_pair(bytes.next(), bytes.next()).ok_or(ParamError::Malformed)?,
            b'=' => return Err(ParamError::Malformed),
            b'!'..=b'~' => byte,
            _ => return Err(ParamError::Malformed),
        };
        if !matches!(plain, b' '..=b'~') {
            return Err(ParamError::Malformed);
        }
        out.push(char::from(plain));
    }
    Ok(out)
}

fn hex_pair(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    };
    Some(digit(high?)? << 4 | digit(low?)?)
}

/// Decodes `utf-8-addr-xtext` and `utf-8-addr-unitext` (RFC 6533 3): `\x{HEX}` for a code point, or UTF-8.
fn decode_utf8_xtext(text: &str) -> Result<String, ParamError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\\x{") {
            let (hex, after) = after.split_once('}').ok_or(ParamError::Malformed)?;
            let good = (2..=6).contains(&hex.len())
                && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
            let code = u32::from_str_radix(hex, 16).ok().filter(|_| good);
            let c = code.and_then(char::from_u32).filter(|c| !c.is_control());
            out.push(c.ok_or(ParamError::Malformed)?);
            rest = after;
        } else {
            if matches!(c, '+' | '=' | '\\' | ' ') || c.is_control() {
                return Err(ParamError::Malformed);
            }
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(out)
}

/// Encodes as `xtext` (RFC 3461 4).
#[must_use]
pub fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'+' | b'=') => out.push(char::from(byte)),
            _ => {
                let digit = |n: u8| {
                    char::from(
                        b"0123456789ABCDEF"
                            .get(usize::from(n))
                            .copied()
                            .unwrap_or(b'0'),
                    )
                };
                out.extend(['+', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out
}

/// Writes `utf-8-addr-xtext`, which goes through hosts without SMTPUTF8 as well.
fn write_utf8_xtext(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '!'..='~' if !matches!(c, '+' | '=' | '\\') => write!(f, "{c}")?,
            _ => write!(f, "\\x{{{:02X}}}", u32::from(c))?,
        }
    }
    Ok(())
}

impl fmt::Display for MailParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size_bytes {
            write!(f, " SIZE={size}")?;
        }
        match self.body {
            Some(BodyType::SevenBit) => f.write_str(" BODY=7BIT")?,
            Some(BodyType::EightBitMime) => f.write_str(" BODY=8BITMIME")?,
            None => {}
        }
        if self.smtputf8 {
            f.write_str(" SMTPUTF8")?;
        }
        match self.ret {
            Some(Ret::Full) => f.write_str(" RET=FULL")?,
            Some(Ret::Headers) => f.write_str(" RET=HDRS")?,
            None => {}
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", xtext(envid))?;
        }
        match &self.auth {
            Some(AuthParam::Unknown) => f.write_str(" AUTH=<>")?,
            Some(AuthParam::Mailbox(mailbox)) => {
                write!(f, " AUTH={}", xtext(&mailbox.to_string()))?;
            }
            None => {}
        }
        Ok(())
    }
}

impl fmt::Display for RcptParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(orcpt) = &self.orcpt {
            write!(f, " ORCPT={orcpt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(","))
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};", self.addr_type)?;
        if self.addr_type == "utf-8" {
            write_utf8_xtext(f, &self.address)
        } else {
            f.write_str(&xtext(&self.address))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::path::tests::any_mailbox;

    #[test]
    fn mail_parameters() {
        let all =
            " size=1000 BODY=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ314159+2B AUTH=e+3Dmc2@example.com";
        let read = MailParams::parse(all).unwrap();
        assert_eq!(read.size_bytes, Some(1000));
        assert_eq!(read.body, Some(BodyType::EightBitMime));
        assert!(read.smtputf8);
        assert_eq!(read.ret, Some(Ret::Headers));
        assert_eq!(read.envid.as_deref(), Some("QQ314159+"));
        let Some(AuthParam::Mailbox(auth)) = &read.auth else {
            panic!("RFC 4954 5.1")
        };
        assert_eq!(auth.local(), "e=mc2");
        assert_eq!(MailParams::parse("   ").unwrap(), MailParams::default());
        let huge = MailParams::parse(" SIZE=99999999999999999999").unwrap();
        assert_eq!(huge.size_bytes, Some(u64::MAX));
    }

    #[test]
    fn rcpt_parameters() {
        let read =
            RcptParams::parse(" NOTIFY=success,FAILURE ORCPT=rfc822;Bob@Example.COM").unwrap();
        assert_eq!(read.notify.unwrap().to_string(), "SUCCESS,FAILURE");
        assert_eq!(read.orcpt.unwrap().address, "Bob@Example.COM");
        let never = RcptParams::parse(" NOTIFY=NEVER").unwrap();
        assert_eq!(never.notify, Some(Notify::NEVER));
        for wide in [" ORCPT=utf-8;gr\\x{FC}n@x", " ORCPT=UTF-8;grün@x"] {
            let read = RcptParams::parse(wide).unwrap().orcpt.unwrap();
            assert_eq!(read.address, "grün@x");
        }
    }

    #[test]
    fn broken_parameters() {
        for text in [
            "SIZE=1",
            " SIZE",
            " SIZE=",
            " SIZE=-1",
            " SIZE=1k",
            " SIZE=999999999999999999999",
            " SIZE=1 SIZE=1",
            " SMTPUTF8=1",
            " SMTPUTF8 SMTPUTF8",
            " BODY=9BIT",
            " RET=ALL",
            " ENVID=a+2",
            " ENVID=a+2b",
            " ENVID=a+0D+0A",
            " =x",
            " -x=y",
            " AUTH=nobody",
            " ENVID=a\tb",
        ] {
            assert_eq!(
                MailParams::parse(text),
                Err(ParamError::Malformed),
                "{text}"
            );
        }
        let long = format!(" ENVID={}", "a".repeat(101));
        assert_eq!(MailParams::parse(&long), Err(ParamError::Malformed));
        assert!(MailParams::parse(&long[..107]).is_ok());
        for text in [
            " NOTIFY=NEVER,SUCCESS",
            " NOTIFY=",
            " NOTIFY=success,",
            " ORCPT=rfc822",
            " ORCPT=;x",
            " ORCPT=rfc822;",
            " ORCPT=rfc822;a+0Ab",
            " ORCPT=utf-8;\\x{110000}",
            " ORCPT=utf-8;\\x{0A}",
            " ORCPT=utf-8;\\x{fc}",
        ] {
            assert_eq!(
                RcptParams::parse(text),
                Err(ParamError::Malformed),
                "{text}"
            );
        }
        for text in [" XYZZY", " BY=120;R", " HOLDFOR=60", " NOTIFY=NEVER"] {
            assert_eq!(MailParams::parse(text), Err(ParamError::Unknown));
        }
        assert_eq!(RcptParams::parse(" SIZE=1"), Err(ParamError::Unknown));
        assert_eq!(
            MailParams::parse(" BODY=BINARYMIME"),
            Err(ParamError::NotImplemented)
        );
    }

    pub(crate) fn any_mail_params() -> impl Strategy<Value = MailParams> {
        (
            any::<Option<u64>>(),
            prop::option::of(prop_oneof![
                Just(BodyType::SevenBit),
                Just(BodyType::EightBitMime)
            ]),
            any::<bool>(),
            prop::option::of(prop_oneof![Just(Ret::Full), Just(Ret::Headers)]),
            prop::option::of("[ -~]{1,33}"),
            prop::option::of(prop_oneof![
                Just(AuthParam::Unknown),
                any_mailbox()
                    .prop_filter("xtext is ASCII", Mailbox::is_ascii)
                    .prop_map(AuthParam::Mailbox)
            ]),
        )
            .prop_map(
                |(size_bytes, body, smtputf8, ret, envid, auth)| MailParams {
                    size_bytes,
                    body,
                    smtputf8,
                    ret,
                    envid,
                    auth,
                },
            )
    }

    pub(crate) fn any_rcpt_params() -> impl Strategy<Value = RcptParams> {
        let notify =
            (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(success, failure, delay)| {
                Notify {
                    success,
                    failure,
                    delay,
                }
            });
        let orcpt = prop_oneof![
            "[ -~]{1,80}".prop_map(|address| OriginalRecipient {
                addr_type: "rfc822".into(),
                address
            }),
            "[ -~äöü漢]{1,40}".prop_map(|address| OriginalRecipient {
                addr_type: "utf-8".into(),
                address
            }),
        ];
        (prop::option::of(notify), prop::option::of(orcpt))
            .prop_map(|(notify, orcpt)| RcptParams { notify, orcpt })
    }

    proptest! {
        #[test]
        fn mail_written_then_read(params in any_mail_params()) {
            prop_assert_eq!(MailParams::parse(&params.to_string()), Ok(params));
        }

        #[test]
        fn rcpt_written_then_read(params in any_rcpt_params()) {
            prop_assert_eq!(RcptParams::parse(&params.to_string()), Ok(params));
        }
    }
}
