//! What is read of messages: rows in bites, pieces of the stored bytes by their place in the part index.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::format::imap::fetch::{Section, SectionText};
use crate::format::mime::{self, Part};
use crate::model::{AccountId, BodyId, ModSeq};
use crate::store::mailbox::{StoredRow, Wanted};

/// Where a section of a message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These octets of the stored message: the first, and how many.
    Range(u64, u64),
    /// Fields of the header that lies there: (first, how many), the names, and whether those are left out.
    Fields(u64, u64, Vec<String>, bool),
    /// There is no such section.
    Missing,
}

/// A body to read from: what is at hand of it already, and the rest by chunks.
#[derive(Debug, Clone)]
pub struct Octets {
    /// Whose it is.
    pub account: AccountId,
    /// Which.
    pub body: BodyId,
    /// All of it.
    pub size_bytes: u64,
    /// The first chunk, if it was read.
    pub first: Option<Bytes>,
}

/// Rows read in one statement.
const BITE: usize = 500;
/// Octets of bodies read ahead of a FETCH.
const AHEAD: i64 = 4 << 20;
/// Bodies no longer than this lie in one chunk.
const ONE_CHUNK: i64 = 262_144;
/// Octets of one read of a longer body.
const READ: u64 = 262_144;

impl Mailboxes {
    /// How many messages one call of [`Mailboxes::rows`] should be asked for.
    #[must_use]
    pub fn bite(&self) -> usize {
        BITE
    }

    /// What is wanted of some messages, by UID; messages that are gone are left out.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn rows(
        &self,
        view: &View,
        uids: &[u32],
        wanted: Wanted,
    ) -> Result<Vec<StoredRow>, Refusal> {
        let uids: Vec<i64> = uids.iter().map(|uid| i64::from(*uid)).collect();
        Ok(self
            .store
            .stored_rows(view.account, view.folder, &uids, wanted)
            .await?)
    }

    /// Whether [`Mailboxes::bodies`] would read this body ahead.
    #[must_use]
    pub fn reads_ahead(&self, row: &StoredRow) -> bool {
        row.size_bytes <= ONE_CHUNK
    }

    /// The bodies of some rows, short ones read ahead in one statement while they fit into a few megabytes.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn bodies(
        &self,
        account: AccountId,
        rows: &[StoredRow],
    ) -> Result<HashMap<BodyId, Bytes>, Refusal> {
        let mut left = AHEAD;
        let mut wanted = Vec::new();
        for row in rows {
            if let Some(body) = row.body_id.filter(|_| row.size_bytes <= ONE_CHUNK) {
                left -= row.size_bytes;
                if left < 0 {
                    break;
                }
                wanted.push(body.0);
            }
        }
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let chunks = self.store.first_chunks(account, &wanted).await?;
        Ok(chunks
            .into_iter()
            .map(|(body, bytes)| (body, Bytes::from(bytes)))
            .collect())
    }

    /// The next octets of a body from `from` on, at most `most` and at most one read; empty at its end.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn octets(&self, of: &Octets, from: u64, most: u64) -> Result<Bytes, Refusal> {
        let most = most.min(of.size_bytes.saturating_sub(from));
        if most == 0 {
            return Ok(Bytes::new());
        }
        if let Some(first) = &of.first {
            let at = usize::try_from(from).unwrap_or(usize::MAX);
            if at < first.len() {
                let end = at.saturating_add(usize::try_from(most).unwrap_or(usize::MAX));
                return Ok(first.slice(at..end.min(first.len())));
            }
        }
        // Up to the end of the chunk it begins in, so that no chunk is read twice.
        let most = most.min(READ - from % READ);
        let (from, most) = (
            i64::try_from(from).map_err(|_| Refusal::Internal("offset"))?,
            i64::try_from(most).map_err(|_| Refusal::Internal("length"))?,
        );
        Ok(Bytes::from(
            self.store
                .body_range(of.account, of.body, from, most)
                .await?,
        ))
    }

    /// A range of a body whole; for callers that know it is bounded.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn whole(&self, of: &Octets, from: u64, count: u64) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::with_capacity(usize::try_from(count.min(READ)).unwrap_or_default());
        let end = from.saturating_add(count).min(of.size_bytes);
        let mut at = from;
        while at < end {
            let some = self.octets(of, at, end - at).await?;
            if some.is_empty() {
                break;
            }
            at += u64::try_from(some.len()).unwrap_or(u64::MAX);
            out.extend_from_slice(&some);
        }
        Ok(out)
    }

    /// Change numbers of the messages that changed after `since`, by UID (RFC 7162 3.1.4.1).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn changed_since(
        &self,
        view: &View,
        since: ModSeq,
    ) -> Result<Vec<(u32, ModSeq)>, Refusal> {
        let rows = self
            .store
            .changed_uids(view.account, view.folder, since)
            .await?;
        Ok(rows
            .into_iter()
            .filter_map(|(uid, modseq)| Some((u32::try_from(uid).ok()?, ModSeq(modseq))))
            .collect())
    }

    /// Ranges of UIDs that left after `since`; none when that is no longer remembered: the caller takes everything below
    /// UIDNEXT that is not there (RFC 7162 3.2.5.1).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn vanished_since(
        &self,
        view: &View,
        since: ModSeq,
        pruned: ModSeq,
    ) -> Result<Option<Vec<(u32, u32)>>, Refusal> {
        if since < pruned {
            return Ok(None);
        }
        let ranges = self
            .store
            .vanished(view.account, view.folder, since)
            .await?;
        Ok(Some(
            ranges
                .into_iter()
                .filter_map(|(first, last)| {
                    Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?))
                })
                .collect(),
        ))
    }
}

/// The part index of a row.
#[must_use]
pub fn parts_of(row: &StoredRow) -> Vec<Part> {
    row.parts
        .as_ref()
        .and_then(|parts| serde_json::from_value(parts.clone()).ok())
        .unwrap_or_default()
}

/// Where a section lies (RFC 9051 6.4.5.1).
#[must_use]
pub fn locate(parts: &[Part], size_bytes: u64, section: &Section) -> Piece {
    let range = |from: usize, to: usize| {
        let (from, to) = (wide(from), wide(to).min(size_bytes));
        (from, to.saturating_sub(from))
    };
    let Some(top) = parts.first() else {
        return Piece::Missing;
    };
    // The header and the text a section speaks of, and the piece that is the whole of it.
    let (header, text, whole);
    if section.part.is_empty() {
        header = range(top.header_start, top.body_start);
        text = (
            wide(top.body_start),
            size_bytes.saturating_sub(wide(top.body_start)),
        );
        whole = (0, size_bytes);
    } else {
        let number: Vec<String> = section.part.iter().map(ToString::to_string).collect();
        let number = number.join(".");
        let Some(at) = parts.iter().position(|p| p.section == number) else {
            return Piece::Missing;
        };
        let Some(part) = parts.get(at) else {
            return Piece::Missing;
        };
        match section.text {
            SectionText::Whole => {
                let (from, count) = range(part.body_start, part.body_end);
                return Piece::Range(from, count);
            }
            SectionText::Mime => {
                let (from, count) = range(part.header_start, part.body_start);
                return Piece::Range(from, count);
            }
            _ => {}
        }
        // HEADER and TEXT of a numbered part are those of the message attached there.
        let Some(inner) = parts
            .iter()
            .find(|p| p.parent == Some(at) && p.in_message == Some(at))
        else {
            return Piece::Missing;
        };
        header = range(inner.header_start, inner.body_start);
        text = range(inner.body_start, inner.body_end);
        whole = range(inner.header_start, inner.body_end);
    }
    match &section.text {
        SectionText::Whole => Piece::Range(whole.0, whole.1),
        SectionText::Header => Piece::Range(header.0, header.1),
        SectionText::Text => Piece::Range(text.0, text.1),
        SectionText::Mime => Piece::Missing,
        SectionText::Fields(names) => Piece::Fields(header.0, header.1, lower(names), false),
        SectionText::FieldsNot(names) => Piece::Fields(header.0, header.1, lower(names), true),
    }
}

fn lower(names: &[String]) -> Vec<String> {
    names.iter().map(|n| n.to_ascii_lowercase()).collect()
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// The fields of a header block that are named, or those that are not; the empty line at its end stays.
#[must_use]
pub fn fields(header: &[u8], names: &[String], leaves_out: bool) -> Vec<u8> {
    mime::head::without(header, |name, _| {
        names.iter().any(|n| n == name) == leaves_out
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// What a section of a message is.
    fn section(raw: &[u8], text: &str) -> Option<String> {
        let now = datetime!(2026-11-23 12:00 UTC);
        let parts = mime::parse(raw, now, now).parts;
        let line = format!("a FETCH 1 BODY[{text}]");
        let command =
            crate::format::imap::parse(line.as_bytes(), &crate::format::imap::Limits::default());
        let Ok(crate::format::imap::Command {
            body: crate::format::imap::Body::Fetch(fetch),
            ..
        }) = command
        else {
            panic!("{text}")
        };
        let crate::format::imap::fetch::FetchItem::Section(item) = &fetch.items[0] else {
            panic!()
        };
        let at = |from: u64, count: u64| {
            &raw[usize::try_from(from).unwrap()..usize::try_from(from + count).unwrap()]
        };
        let found = match locate(&parts, u64::try_from(raw.len()).unwrap(), &item.section) {
            Piece::Missing => return None,
            Piece::Range(from, count) => at(from, count).to_vec(),
            Piece::Fields(from, count, names, not) => fields(at(from, count), &names, not),
        };
        Some(String::from_utf8(found).unwrap())
    }

    #[test]
    fn sections_of_a_simple_message() {
        let raw = b"From: a\r\nSubject: x\r\n y\r\nTo: b\r\n\r\nbody\r\n";
        assert_eq!(section(raw, "").unwrap().len(), raw.len());
        assert_eq!(
            section(raw, "HEADER").unwrap(),
            "From: a\r\nSubject: x\r\n y\r\nTo: b\r\n\r\n"
        );
        assert_eq!(section(raw, "TEXT").unwrap(), "body\r\n");
        assert_eq!(section(raw, "1").unwrap(), "body\r\n");
        assert_eq!(
            section(raw, "HEADER.FIELDS (subject DATE)").unwrap(),
            "Subject: x\r\n y\r\n\r\n"
        );
        assert_eq!(
            section(raw, "HEADER.FIELDS.NOT (subject)").unwrap(),
            "From: a\r\nTo: b\r\n\r\n"
        );
        assert_eq!(section(raw, "2"), None);
        assert_eq!(section(raw, "1.HEADER"), None);
    }

    #[test]
    fn sections_of_an_attached_message() {
        let raw = b"Subject: out\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: 1\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ninner\r\n--c--\r\n\r\n--b--\r\n";
        assert_eq!(section(raw, "1").unwrap(), "one");
        assert_eq!(section(raw, "1.MIME").unwrap(), "X: 1\r\n\r\n");
        assert_eq!(
            section(raw, "2.MIME").unwrap(),
            "Content-Type: message/rfc822\r\n\r\n"
        );
        assert!(section(raw, "2").unwrap().starts_with("Subject: in\r\n"));
        assert_eq!(
            section(raw, "2.HEADER.FIELDS (Subject)").unwrap(),
            "Subject: in\r\n\r\n"
        );
        assert_eq!(section(raw, "2.1").unwrap(), "inner");
        assert!(section(raw, "2.TEXT").unwrap().starts_with("--c\r\n"));
        assert_eq!(section(raw, "3"), None);
    }
}
