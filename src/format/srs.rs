//! The Sender Rewriting Scheme: return paths of mail that an alias leads on to another host.
//!
//! The next host checks with SPF whether *we* may send for the envelope sender's domain, so mail led on under the stranger's own
//! name is refused or lost. The sender becomes an address of ours that holds the stranger's, and what comes back to it goes to
//! them.
//!
//! ```text
//! SRS0=hash=day=host=local          @ our domain   for local@host
//! SRS0=hash=day=-=number            @ our domain   for a sender that does not fit: the host keeps it under this number
//! SRS1=hash=first==hash=day=host=.. @ our domain   for an SRS0 or SRS1 address of another host, which is named `first`
//! ```
//!
//! `hash`: 40 bits of a keyed hash over the word and what stands behind the hash, in lower case, for hosts on the way may fold it. `day`: two
//! base-32 letters, days since 1970 modulo 1,024. Without our hash no such address leads anywhere, so this opens no relay; with
//! it, it does so for some days only. An SRS1 bears no day of ours: the first host looks at its own.
//!
//! Not here: who may write to such an address (only the null sender, `smtp/calls.rs`), the key, the kept senders.
//!
//! Source: Meng Weng Wong, "Sender Rewriting Scheme" (the names and the order of the pieces; the hash is longer here).

use crate::format::address::{Address, MAX_LOCAL};

/// Makes and undoes such addresses with a key.
#[derive(Debug, Clone, Copy)]
pub struct Srs<S> {
    sign: S,
    valid_days: u32,
}

/// Where a return path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// To this address.
    Sender(Address),
    /// To the sender the host keeps under this number.
    Kept(i64),
}

/// Why an address leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReturn {
    /// It does not have the form.
    #[error("no return path")]
    Malformed,
    /// We did not write it.
    #[error("a forged return path")]
    Forged,
    /// Its days are over.
    #[error("a stale return path")]
    Stale,
}

/// Whether a local part claims to be one of these. Nobody's mailbox is called so.
#[must_use]
pub fn is_return(local: &str) -> bool {
    tail(local, "SRS0")
        .or_else(|| tail(local, "SRS1"))
        .is_some()
}

impl<S: Fn(&str) -> Vec<u8>> Srs<S> {
    /// `sign` is the keyed hash (at least 5 octets of it are used); addresses are good for `valid_days`.
    pub const fn new(sign: S, valid_days: u32) -> Self {
        Self { sign, valid_days }
    }

    /// The local part that stands for `sender` on `day` (since 1970). None: it does not fit, and must be kept.
    #[must_use]
    pub fn wrap(&self, sender: &Address, day: i64) -> Option<String> {
        let (local, host) = (sender.local(), sender.domain_ascii());
        let wrapped = if let Some(rest) = tail(local, "SRS0") {
            self.signed("SRS1", &format!("{host}={rest}"))
        } else if let Some((first, rest)) = tail(local, "SRS1").and_then(split_first_hop) {
            self.signed("SRS1", &format!("{first}={rest}"))
        } else {
            self.signed("SRS0", &format!("{}={host}={local}", stamp(day)))
        };
        (wrapped.len() <= MAX_LOCAL).then_some(wrapped)
    }

    /// The local part that stands for the sender kept under `number`.
    #[must_use]
    pub fn wrap_kept(&self, number: i64, day: i64) -> String {
        self.signed("SRS0", &format!("{}=-={number}", stamp(day)))
    }

    /// Where an address of ours with this local part leads on `day`.
    ///
    /// # Errors
    /// [`BadReturn`].
    pub fn unwrap(&self, local: &str, day: i64) -> Result<Origin, BadReturn> {
        if let Some(rest) = tail(local, "SRS0") {
            let signed = self.checked("SRS0", rest)?;
            let (made, origin) = signed.split_once('=').ok_or(BadReturn::Malformed)?;
            self.is_fresh(made, day)?;
            let (host, user) = origin.split_once('=').ok_or(BadReturn::Malformed)?;
            if host == "-" {
                return user
                    .parse()
                    .map(Origin::Kept)
                    .map_err(|_| BadReturn::Malformed);
            }
            return origin_of(user, host);
        }
        let rest = tail(local, "SRS1").ok_or(BadReturn::Malformed)?;
        let signed = self.checked("SRS1", rest)?;
        let (first, theirs) = signed.split_once('=').ok_or(BadReturn::Malformed)?;
        if !theirs.starts_with(['=', '+', '-']) {
            return Err(BadReturn::Malformed);
        }
        origin_of(&format!("SRS0{theirs}"), first)
    }

    fn signed(&self, word: &str, text: &str) -> String {
        format!("{word}={}={text}", self.hash(word, text))
    }

    /// What stands behind a right hash.
    fn checked<'a>(&self, word: &str, rest: &'a str) -> Result<&'a str, BadReturn> {
        let rest = rest.strip_prefix('=').ok_or(BadReturn::Malformed)?;
        let (hash, signed) = rest.split_once('=').ok_or(BadReturn::Malformed)?;
        let expected = self.hash(word, signed);
        let given = hash.to_ascii_lowercase();
        if bool::from(subtle::ConstantTimeEq::ct_eq(
            expected.as_bytes(),
            given.as_bytes(),
        )) {
            Ok(signed)
        } else {
            Err(BadReturn::Forged)
        }
    }

    /// The word is part of it: an SRS0 of ours is no SRS1.
    fn hash(&self, word: &str, text: &str) -> String {
        let mac = (self.sign)(&format!("{word}={text}").to_lowercase());
        let bits = mac
            .iter()
            .take(5)
            .fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
        base32(bits, 8)
    }

    /// A day's tolerance towards the future: the clocks of two nodes may stand on two sides of midnight.
    fn is_fresh(&self, made: &str, day: i64) -> Result<(), BadReturn> {
        let made = from_base32(made).ok_or(BadReturn::Malformed)?;
        let age = (day + 1 - made).rem_euclid(DAYS);
        if age <= i64::from(self.valid_days) + 1 {
            Ok(())
        } else {
            Err(BadReturn::Stale)
        }
    }
}

/// What stands behind `word`, in any case, and a separator; the separator included. Other hosts separate with + or - too.
fn tail<'a>(local: &'a str, word: &str) -> Option<&'a str> {
    let (head, rest) = local.split_at_checked(word.len())?;
    (head.eq_ignore_ascii_case(word) && rest.starts_with(['=', '+', '-'])).then_some(rest)
}

/// Of another host's SRS1: the first host, and what that host wrote.
fn split_first_hop(rest: &str) -> Option<(&str, &str)> {
    let (_hash, rest) = rest.get(1..)?.split_once('=')?;
    rest.split_once('=')
}

fn origin_of(local: &str, host: &str) -> Result<Origin, BadReturn> {
    Address::from_parts(local, host)
        .map(Origin::Sender)
        .map_err(|_| BadReturn::Malformed)
}

fn stamp(day: i64) -> String {
    base32(u64::try_from(day.rem_euclid(DAYS)).unwrap_or_default(), 2)
}

/// The lowest `letters * 5` bits.
fn base32(bits: u64, letters: u32) -> String {
    (0..letters)
        .rev()
        .map(|n| {
            let at = usize::try_from(bits >> (n * 5) & 31).unwrap_or_default();
            char::from(LETTERS.get(at).copied().unwrap_or_default())
        })
        .collect()
}

fn from_base32(text: &str) -> Option<i64> {
    if text.len() != 2 {
        return None;
    }
    text.bytes().try_fold(0, |sum, octet| {
        let octet = octet.to_ascii_lowercase();
        let at = LETTERS.iter().position(|letter| *letter == octet)?;
        Some(sum << 5 | i64::try_from(at).ok()?)
    })
}

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// What two letters hold.
const DAYS: i64 = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::hmac;

    use super::*;

    fn sign(text: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key of the tests");
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    }

    fn srs() -> Srs<fn(&str) -> Vec<u8>> {
        Srs::new(sign, 21)
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    const TODAY: i64 = 20_781;

    /// The hash was computed apart: HMAC-SHA256 of `srs0=jn=away.example=me`, five octets of it in base 32.
    #[test]
    fn known_answers() {
        let ours = srs().wrap(&address("me@away.example"), TODAY).unwrap();
        assert_eq!(ours, "SRS0=vbhd77mq=jn=away.example=me");
        assert_eq!(
            srs().unwrap(&ours, TODAY),
            Ok(Origin::Sender(address("me@away.example")))
        );
        let second = address("SRS0=HHH=TT=orig.example=user@hop.example");
        let ours = srs().wrap(&second, TODAY).unwrap();
        assert_eq!(ours, "SRS1=ukdkroke=hop.example==HHH=TT=orig.example=user");
        assert_eq!(
            srs().unwrap(&ours, TODAY),
            Ok(Origin::Sender(second.clone()))
        );
        let third = address("SRS1=KK=hop.example==HHH=TT=orig.example=user@other.example");
        assert_eq!(
            srs().wrap(&third, TODAY).unwrap(),
            ours,
            "straight back to the first host"
        );
        let plus = address("SRS0+HHH=TT=orig.example=user@hop.example");
        let ours = srs().wrap(&plus, TODAY).unwrap();
        assert!(
            ours.ends_with("=hop.example=+HHH=TT=orig.example=user"),
            "{ours}"
        );
        assert_eq!(srs().unwrap(&ours, TODAY), Ok(Origin::Sender(plus)));
    }

    #[test]
    fn what_does_not_fit_is_kept() {
        let long = format!("{}@bounces.example", "x".repeat(64));
        assert_eq!(srs().wrap(&address(&long), TODAY), None);
        let ours = srs().wrap_kept(i64::MAX, TODAY);
        assert!(ours.len() <= MAX_LOCAL);
        assert_eq!(srs().unwrap(&ours, TODAY), Ok(Origin::Kept(i64::MAX)));
        // Exactly 64: "SRS0=" 8 "=" 2 "=" 12 "=" and 34 of the local part.
        let fits = format!("{}@away.example", "x".repeat(34));
        assert_eq!(srs().wrap(&address(&fits), TODAY).unwrap().len(), 64);
        let beyond = format!("{}@away.example", "x".repeat(35));
        assert_eq!(srs().wrap(&address(&beyond), TODAY), None);
    }

    #[test]
    fn forged_changed_and_stale_ones_lead_nowhere() {
        let ours = srs().wrap(&address("Me@away.example"), TODAY).unwrap();
        let on = |local: &str, day: i64| srs().unwrap(local, day);
        let there = Ok(Origin::Sender(address("Me@away.example")));
        assert_eq!(on(&ours, TODAY + 21), there);
        assert_eq!(on(&ours, TODAY - 1), there);
        assert_eq!(on(&ours, TODAY + 22), Err(BadReturn::Stale));
        assert_eq!(on(&ours, TODAY - 2), Err(BadReturn::Stale));
        assert_eq!(on(&ours, TODAY + 512), Err(BadReturn::Stale));
        for forged in [
            ours.replace("away", "prey"),
            ours.replace("=Me", "=you"),
            ours.replace("=jn=", "=ja="),
            ours.replace("SRS0", "SRS1"),
            "SRS0=aaaaaaaa=jn=victim.example=anna".to_owned(),
            "SRS0==jn=victim.example=anna".to_owned(),
            "SRS0=HHHH=TT=victim.example=anna".to_owned(),
            "SRS1=aaaaaaaa=victim.example==HHH=TT=x.example=y".to_owned(),
        ] {
            assert_eq!(on(&forged, TODAY), Err(BadReturn::Forged), "{forged}");
        }
        for odd in [
            "SRS0",
            "SRS0=",
            "SRS0=x",
            "SRS0+x",
            "SRS2=a=b=c=d",
            "anna",
            "",
        ] {
            assert_eq!(on(odd, TODAY), Err(BadReturn::Malformed), "{odd}");
        }
        let other = Srs::new(|text: &str| sign(&format!("another key{text}")), 21);
        assert_eq!(other.unwrap(&ours, TODAY), Err(BadReturn::Forged));
        // On its way it may have been folded.
        assert_eq!(
            on(&ours.to_lowercase(), TODAY),
            Ok(Origin::Sender(address("me@away.example")))
        );
        assert_eq!(
            on(&ours.to_uppercase(), TODAY).map(|origin| match origin {
                Origin::Sender(address) => address.compare_form(),
                Origin::Kept(number) => number.to_string(),
            }),
            Ok("me@away.example".to_owned())
        );
    }

    #[test]
    fn only_return_paths_look_like_them() {
        assert!(is_return("SRS0=a") && is_return("srs1=b") && is_return("SRS0+x"));
        for other in [
            "SRS0",
            "srs",
            "SRS00=a",
            "xSRS0=a",
            "anna",
            "SRS\u{e9}=",
            "",
        ] {
            assert!(!is_return(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn every_sender_comes_back(
            local in "[A-Za-z0-9!#$%&'*/=?^_`{|}~.+ -]{1,64}",
            host in "[a-z0-9]{1,10}(\\.[a-z]{2,9}){1,3}",
            day in 0_i64..60_000,
            later in 0_i64..=21,
        ) {
            let Ok(sender) = Address::from_parts(local, &host) else { return Ok(()) };
            if let Some(ours) = srs().wrap(&sender, day) {
                prop_assert!(Address::from_parts(ours.clone(), "x.test").is_ok());
                prop_assert_eq!(srs().unwrap(&ours, day + later), Ok(Origin::Sender(sender)));
            }
        }
    }

    #[test]
    fn any_local_part_is_read_without_a_panic() {
        bolero::check!()
            .with_type::<String>()
            .for_each(|local: &String| {
                assert!(srs().unwrap(local, TODAY).is_err());
                if let Ok(address) = Address::from_parts(local.clone(), "a.example") {
                    let _ = srs().wrap(&address, TODAY);
                }
            });
    }
}
