//! `ItemOperations` and `GetAttachment` (MS-ASCMD 2.2.1.10, 2.2.1.8): a message, a file, an emptied folder.
//!
//! A file comes as base64 inside the document, or as it is in a part of its own when the device takes parts:
//!
//! ```text
//! count u32le, count x ( offset u32le, length u32le ), document, part 1, part 2 ..
//! ```
//!
//! Fetching marks nothing as read. A range is told only to whom asked for one: iOS fails on a range that it did not ask for.

use super::body::Options;
use super::call::{Call, Fault, Reply};
use super::email::{self, place};
use crate::error::Refusal;
use crate::format::mime::codec;
use crate::format::wbxml::pages::{airsync as a, base as b, operations as o, search};
use crate::format::wbxml::{Element, Encoder, Tag};
use crate::model::FolderId;
use crate::service::devices::hierarchy::mail_folder;

/// A part of an answer.
type Parts = Vec<Vec<u8>>;

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let asked: Vec<&Element<'_>> = root.elements().collect();
    let mut out = Encoder::new();
    out.open(o::ITEM_OPERATIONS);
    if asked.is_empty() || asked.len() > MOST {
        out.value(o::STATUS, if asked.is_empty() { 2 } else { 11 });
        return Ok(Reply::Document(out));
    }
    out.value(o::STATUS, 1);
    out.open(o::RESPONSE);
    let mut parts: Parts = Vec::new();
    for one in asked {
        match one.tag {
            o::FETCH => fetch(call, &mut out, one, &mut parts).await?,
            o::EMPTY_FOLDER_CONTENTS => empty(call, &mut out, one).await?,
            // Conversations are not moved as such.
            tag => out.element(tag, |out| out.value(o::STATUS, 2)),
        }
    }
    if !call.asked.multipart {
        return Ok(Reply::Document(out));
    }
    Ok(Reply::Raw {
        content_type: "application/vnd.ms-sync.multipart".to_owned(),
        bytes: multipart(&out.finish().bytes, &parts),
    })
}

/// The table of parts and the parts (MS-ASCMD 2.2.1.10.1.1).
fn multipart(document: &[u8], parts: &Parts) -> Vec<u8> {
    let all: Vec<&[u8]> = std::iter::once(document)
        .chain(parts.iter().map(Vec::as_slice))
        .collect();
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = number(all.len()).to_vec();
    let mut at = 4 + all.len() * 8;
    for part in &all {
        out.extend(number(at));
        out.extend(number(part.len()));
        at += part.len();
    }
    for part in all {
        out.extend_from_slice(part);
    }
    out
}

async fn fetch(
    call: &Call,
    out: &mut Encoder,
    asked: &Element<'_>,
    parts: &mut Parts,
) -> Result<(), Fault> {
    let store = asked.text_of(o::STORE).unwrap_or_default();
    if !store.trim().eq_ignore_ascii_case("mailbox") {
        out.element(o::FETCH, |out| out.value(o::STATUS, 9));
        return Ok(());
    }
    if let Some(reference) = asked.text_of(b::FILE_REFERENCE) {
        return file(call, out, asked, reference.trim(), parts).await;
    }
    let long_id = asked
        .text_of(search::LONG_ID)
        .map(|id| id.trim().to_owned());
    let id = match &long_id {
        Some(id) => Some(id.clone()),
        None => asked.text_of(a::SERVER_ID).map(|id| id.trim().to_owned()),
    };
    let mark = out.mark();
    out.open(o::FETCH);
    if let Err(refusal) = item(call, out, asked, (id.as_deref(), long_id.as_deref())).await {
        let status = match &refusal {
            Refusal::NoMessage | Refusal::NoFolder => 6,
            Refusal::TooLarge { .. } => 11,
            Refusal::Invalid(_) => 2,
            _ if Fault::of(&refusal) == 111 => return Err(refusal.into()),
            _ => 14,
        };
        out.rewind(mark);
        out.element(o::FETCH, |out| {
            out.value(o::STATUS, status);
            if let Some(id) = &long_id {
                out.text(search::LONG_ID, id);
            } else {
                names(out, asked, &[a::COLLECTION_ID, a::SERVER_ID]);
            }
        });
        return Ok(());
    }
    out.close();
    Ok(())
}

/// What the request named is named again.
fn names(out: &mut Encoder, asked: &Element<'_>, tags: &[Tag]) {
    for tag in tags {
        if let Some(text) = asked.text_of(*tag) {
            out.text(*tag, text.trim());
        }
    }
}

async fn item(
    call: &Call,
    out: &mut Encoder,
    asked: &Element<'_>,
    (id, long_id): (Option<&str>, Option<&str>),
) -> Result<(), Refusal> {
    let (folder, uid) = id.and_then(place).ok_or(Refusal::NoMessage)?;
    let options = match asked.child(o::OPTIONS) {
        Some(options) => Options::read(options).ok_or(Refusal::Invalid("options"))?,
        None => Options::default(),
    };
    let rows = call
        .app
        .devices
        .messages(call.account(), folder, &[uid])
        .await?;
    let row = rows.first().ok_or(Refusal::NoMessage)?;
    out.value(o::STATUS, 1);
    if let Some(id) = long_id {
        out.text(search::LONG_ID, id);
    } else {
        out.text(a::COLLECTION_ID, &folder.to_string());
        out.text(a::SERVER_ID, &email::server_id(folder, uid));
    }
    out.text(a::CLASS, "Email");
    out.open(o::PROPERTIES);
    email::write(call, out, row, &options).await?;
    out.close();
    Ok(())
}

async fn file(
    call: &Call,
    out: &mut Encoder,
    asked: &Element<'_>,
    reference: &str,
    parts: &mut Parts,
) -> Result<(), Fault> {
    let refused = |out: &mut Encoder, status: u8| {
        out.element(o::FETCH, |out| {
            out.value(o::STATUS, status);
            out.text(b::FILE_REFERENCE, reference);
        });
    };
    let found = match attached(call, reference).await {
        Ok(found) => found,
        Err(refusal) if Fault::of(&refusal) == 111 => return Err(refusal.into()),
        Err(Refusal::TooLarge { .. }) => {
            refused(out, 11);
            return Ok(());
        }
        Err(_) => {
            refused(out, 15);
            return Ok(());
        }
    };
    let (content_type, bytes) = found;
    let range = match asked.at(&[o::OPTIONS, o::RANGE]) {
        None => None,
        Some(range) => {
            let Some(range) = range_of(&range.text(), bytes.len()) else {
                refused(out, 8);
                return Ok(());
            };
            Some(range)
        }
    };
    let (from, to) = range.unwrap_or((0, bytes.len()));
    let piece = bytes.get(from..to).unwrap_or_default();
    out.element(o::FETCH, |out| {
        out.value(o::STATUS, 1);
        out.text(b::FILE_REFERENCE, reference);
        out.element(o::PROPERTIES, |out| {
            out.text(b::CONTENT_TYPE, &content_type);
            if range.is_some() {
                out.text(o::RANGE, &format!("{from}-{}", to.saturating_sub(1)));
                out.value(o::TOTAL, bytes.len());
            }
            if call.asked.multipart {
                parts.push(piece.to_vec());
                out.value(o::PART, parts.len());
            } else {
                out.text(o::DATA, &codec::base64(piece));
            }
        });
    });
    Ok(())
}

/// The octets of `m-n`, the last one included; what reaches beyond the end is cut there.
fn range_of(text: &str, length: usize) -> Option<(usize, usize)> {
    let (from, to) = text.trim().split_once('-')?;
    let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to && from < length).then(|| (from, to.saturating_add(1).min(length)))
}

/// A file by its reference: `<folder>:<uid>:<section>`.
async fn attached(call: &Call, reference: &str) -> Result<(String, Vec<u8>), Refusal> {
    let (folder, uid, section) = file_place(reference).ok_or(Refusal::NoMessage)?;
    let rows = call
        .app
        .devices
        .messages(call.account(), folder, &[uid])
        .await?;
    let row = rows.first().ok_or(Refusal::NoMessage)?;
    let part = call
        .app
        .mail
        .part(call.account(), row.email_id, section)
        .await?;
    Ok((part.part.content_type, part.bytes))
}

fn file_place(reference: &str) -> Option<(FolderId, i64, &str)> {
    let (id, section) = reference.rsplit_once(':')?;
    let (folder, uid) = place(id)?;
    Some((folder, uid, section))
}

async fn empty(call: &Call, out: &mut Encoder, asked: &Element<'_>) -> Result<(), Fault> {
    let id = asked
        .text_of(a::COLLECTION_ID)
        .unwrap_or_default()
        .trim()
        .to_owned();
    let status = match mail_folder(&id) {
        None => 6,
        Some(folder) => match call.app.mail.empty_folder(call.account(), folder).await {
            Ok(_) => 1,
            Err(Refusal::NoFolder) => 6,
            // Only the trash and what is unwanted are emptied for good.
            Err(Refusal::NotAllowed) => 16,
            Err(refusal) => return Err(refusal.into()),
        },
    };
    out.element(o::EMPTY_FOLDER_CONTENTS, |out| {
        out.value(o::STATUS, status);
        out.text(a::COLLECTION_ID, &id);
    });
    Ok(())
}

/// `GetAttachment` of 12.1: the octets alone.
pub(super) async fn get_attachment(call: &Call) -> Result<Reply, Fault> {
    let reference = call.asked.attachment.as_deref().unwrap_or_default();
    match attached(call, reference).await {
        Ok((content_type, bytes)) => Ok(Reply::Raw {
            content_type,
            bytes,
        }),
        Err(refusal) if Fault::of(&refusal) == 111 => Err(refusal.into()),
        Err(_) => Err(Fault::Http(axum::http::StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

/// Operations of one request.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_their_last_octet_and_end_at_the_end() {
        assert_eq!(range_of("0-9", 100), Some((0, 10)));
        assert_eq!(range_of("90-200", 100), Some((90, 100)));
        for bad in ["", "5", "9-5", "100-101", "a-b", "-1-2"] {
            assert_eq!(range_of(bad, 100), None, "{bad}");
        }
    }

    #[test]
    fn parts_are_found_by_their_table() {
        let whole = multipart(
            b"doc",
            &vec![b"one".to_vec(), Vec::new(), b"three".to_vec()],
        );
        let number = |at: usize| {
            usize::try_from(u32::from_le_bytes(whole[at..at + 4].try_into().unwrap())).unwrap()
        };
        assert_eq!(number(0), 4);
        let part = |n: usize| &whole[number(4 + 8 * n)..][..number(8 + 8 * n)];
        assert_eq!(
            [part(0), part(1), part(2), part(3)],
            [&b"doc"[..], b"one", b"", b"three"]
        );
    }

    #[test]
    fn files_lie_in_messages() {
        assert_eq!(file_place("3:7:2.1"), Some((FolderId(3), 7, "2.1")));
        for bad in ["", "3:7", ":::", "x:7:1"] {
            assert_eq!(file_place(bad), None, "{bad}");
        }
    }
}
