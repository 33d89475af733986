//! Sync tokens (RFC 6578 4): a [`SyncPoint`] of one collection of one account, as a URI that means nothing to others.
//!
//! Its shape is checked, and that it belongs to the collection it is used on; more than other views of the own data it cannot
//! give, so it needs no signature, and it survives restarts and is good on every node.

use crate::model::{AccountId, CollectionId, ModSeq, SyncPoint};

const PREFIX: &str = "urn:postamt:sync:";

/// The token of a point.
#[must_use]
pub fn write(account: AccountId, collection: CollectionId, point: SyncPoint) -> String {
    let SyncPoint {
        modseq,
        object,
        floor,
    } = point;
    let object = if object == i64::MAX {
        "-".to_owned()
    } else {
        object.to_string()
    };
    format!("{PREFIX}{account}.{collection}.{modseq}.{object}.{floor}")
}

/// The point of a token of this collection; none of anything else.
#[must_use]
pub fn read(token: &str, account: AccountId, collection: CollectionId) -> Option<SyncPoint> {
    let mut fields = token.strip_prefix(PREFIX)?.split('.');
    let mut next = || fields.next();
    let number = |text: Option<&str>| {
        let text = text?;
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<i64>().ok()).flatten()
    };
    let owner = AccountId(number(next())?);
    let of = CollectionId(number(next())?);
    let modseq = ModSeq(number(next())?);
    let object = match next() {
        Some("-") => i64::MAX,
        text => number(text)?,
    };
    let floor = ModSeq(number(next())?);
    let is_all = next().is_none();
    // Once a first sync is through, its beginning no longer matters.
    let is_ours = object != i64::MAX || floor == modseq;
    (is_all && is_ours && owner == account && of == collection).then_some(SyncPoint {
        modseq,
        object,
        floor,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_nothing_else_does() {
        let (account, collection) = (AccountId(7), CollectionId(9));
        for point in [
            SyncPoint::at(ModSeq(12)),
            SyncPoint::full(ModSeq(40)),
            SyncPoint {
                modseq: ModSeq(3),
                object: 5,
                floor: ModSeq(40),
            },
        ] {
            let token = write(account, collection, point);
            assert_eq!(read(&token, account, collection), Some(point), "{token}");
            assert_eq!(read(&token, AccountId(8), collection), None);
            assert_eq!(read(&token, account, CollectionId(8)), None);
            assert_eq!(read(&format!("{token}.1"), account, collection), None);
        }
        for token in [
            "",
            "urn:postamt:sync:",
            "urn:postamt:sync:7.9.1.2",
            "urn:postamt:sync:7.9.-1.2.3",
            "urn:postamt:sync:7.9.1.-.3",
            "urn:postamt:sync:7.9.+1.2.3",
            "urn:postamt:sync:7.9.99999999999999999999.2.3",
            "http://sabre.io/ns/sync/4",
        ] {
            assert_eq!(read(token, account, collection), None, "{token}");
        }
    }
}
