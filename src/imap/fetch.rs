//! FETCH (RFC 9051 6.4.5, 7.5.2): flags from the view, envelopes and structures as delivery made them, bodies in pieces
//! from their chunks; no message is parsed again.
//!
//! A message that was removed meanwhile by somebody else is left out, and the answer says so (RFC 2180 4.1.2).

use std::collections::HashMap;

use bytes::Bytes;

use super::reply::Reply;
use super::session::Session;
use crate::error::Refusal;
use crate::format::imap::command::Messages;
use crate::format::imap::fetch::{Fetch, FetchItem, SectionItem, SectionText, Spelling, Window};
use crate::format::imap::write;
use crate::format::mime::{self, Part};
use crate::model::{BodyId, Flags, ModSeq};
use crate::net::line::WireError;
use crate::service::mailbox::read::{fields, locate, parts_of};
use crate::service::mailbox::{FlagWish, Octets, Piece, StoredRow, Wanted};

/// Why a FETCH stops.
enum Stop {
    Wire(WireError),
    Refused(Refusal),
    /// RFC 3516 4.3
    UnknownEncoding,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a FETCH reads.
struct Plan {
    items: Vec<FetchItem>,
    wanted: Wanted,
    /// The view alone answers it.
    from_memory: bool,
    /// Pieces of bodies are sent.
    has_bodies: bool,
}

impl Session<'_> {
    /// `FETCH` and `UID FETCH`
    pub(super) async fn fetch(&mut self, args: &Fetch) -> Result<Reply, WireError> {
        match self.fetch_all(args).await {
            Ok(reply) => Ok(reply),
            Err(Stop::Wire(error)) => Err(error),
            Err(Stop::Refused(refusal)) => Ok(Reply::refused(&refusal)),
            Err(Stop::UnknownEncoding) => {
                Ok(Reply::no("UNKNOWN-CTE", "This part cannot be decoded"))
            }
        }
    }

    async fn fetch_all(&mut self, args: &Fetch) -> Result<Reply, Stop> {
        if args.vanished && !self.enabled.qresync {
            return Ok(Reply::bad("QRESYNC was not enabled"));
        }
        let mut numbers = match self.numbers(args.uid, &args.messages) {
            Ok(numbers) => numbers,
            Err(reply) => return Ok(reply),
        };
        let mut plan = self.plan(args);
        let mut modseqs = HashMap::new();
        if let Some(since) = args.changed_since {
            modseqs = self.only_changed(args, &mut numbers, ModSeq(since)).await?;
        }
        if let Some(window) = args.partial {
            numbers = windowed(&numbers, window);
        }
        if plan.items.iter().any(FetchItem::marks_seen) {
            self.mark_seen(&numbers, &mut plan).await?;
        }
        let mut is_whole = true;
        let bite = self.imap.app.mailbox.bite();
        for some in numbers.chunks(bite) {
            if plan.from_memory {
                self.tell_from_memory(&plan, some, &modseqs).await?;
            } else {
                is_whole &= self.tell_from_rows(&plan, some).await?;
            }
        }
        Ok(if is_whole {
            Reply::ok("That is all")
        } else {
            Reply::refused(&Refusal::NoMessage)
        })
    }

    fn plan(&mut self, args: &Fetch) -> Plan {
        let mut items = args.items.clone();
        if args.uid && !items.contains(&FetchItem::Uid) && !self.enabled.uid_only {
            items.insert(0, FetchItem::Uid);
        }
        if self.enabled.uid_only {
            items.retain(|i| *i != FetchItem::Uid);
        }
        if args.changed_since.is_some() && !items.contains(&FetchItem::ModSeq) {
            items.push(FetchItem::ModSeq);
        }
        if items.contains(&FetchItem::ModSeq) {
            // RFC 7162 3.1.2
            self.enabled.condstore = true;
        }
        let mut wanted = Wanted::default();
        let mut has_bodies = false;
        for item in &items {
            match item {
                FetchItem::Envelope => wanted.envelope = true,
                FetchItem::Body | FetchItem::BodyStructure => wanted.structure = true,
                FetchItem::Preview => wanted.preview = true,
                FetchItem::Section(s) => {
                    has_bodies = true;
                    wanted.body = true;
                    wanted.parts |= !is_whole(s);
                }
                FetchItem::Binary { .. } => {
                    has_bodies = true;
                    wanted.body = true;
                    wanted.parts = true;
                }
                FetchItem::BinarySize(_) => wanted.parts = true,
                _ => {}
            }
        }
        let from_memory = items.iter().all(|item| {
            matches!(item, FetchItem::Uid | FetchItem::Flags)
                || (*item == FetchItem::ModSeq && args.changed_since.is_some())
        });
        Plan {
            items,
            wanted,
            from_memory,
            has_bodies,
        }
    }

    /// RFC 7162 3.1.4.1 and 3.2.6: keeps what changed, tells what vanished.
    async fn only_changed(
        &mut self,
        args: &Fetch,
        numbers: &mut Vec<u32>,
        since: ModSeq,
    ) -> Result<HashMap<u32, ModSeq>, Stop> {
        let Some(selected) = self.selected.as_deref() else {
            return Ok(HashMap::new());
        };
        let mailboxes = &self.imap.app.mailbox;
        let changed: HashMap<u32, ModSeq> = mailboxes
            .changed_since(&selected.view, since)
            .await?
            .into_iter()
            .map(|(uid, modseq)| (uid, selected.view.modseq(uid, modseq)))
            .collect();
        let rows = selected.view.rows();
        numbers.retain(|n| rows.uid(*n).is_some_and(|uid| changed.contains_key(&uid)));
        if args.vanished
            && let Messages::Set(set) = &args.messages
        {
            let pruned = selected.folder.pruned_modseq;
            let known = set.resolve(rows.last_uid().max(1));
            if let Some(ranges) = mailboxes
                .vanished_since(&selected.view, since, pruned)
                .await?
            {
                let gone = super::select::within(&ranges, &known);
                if !gone.is_empty() {
                    self.say(&format!("* VANISHED (EARLIER) {gone}\r\n"));
                }
            }
        }
        Ok(changed)
    }

    /// Reading a body marks it as read, unless the mailbox is open for reading only.
    async fn mark_seen(&mut self, numbers: &[u32], plan: &mut Plan) -> Result<(), Stop> {
        let Some(selected) = self.selected.as_deref_mut() else {
            return Ok(());
        };
        if selected.is_read_only {
            return Ok(());
        }
        let rows = selected.view.rows();
        let unseen: Vec<u32> = numbers
            .iter()
            .filter(|n| !rows.flags(**n).has(Flags::SEEN))
            .filter_map(|n| rows.uid(*n))
            .collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let wish = FlagWish {
            set: Flags::SEEN,
            ..FlagWish::default()
        };
        self.imap
            .app
            .mailbox
            .set_flags(&mut selected.view, &unseen, &wish)
            .await?;
        if !plan.items.contains(&FetchItem::Flags) {
            plan.items.push(FetchItem::Flags);
        }
        Ok(())
    }

    /// Flags and UIDs, without a question to the database.
    async fn tell_from_memory(
        &mut self,
        plan: &Plan,
        numbers: &[u32],
        modseqs: &HashMap<u32, ModSeq>,
    ) -> Result<(), Stop> {
        let mut out = Vec::with_capacity(numbers.len() * 48);
        if let Some(selected) = self.selected.as_deref() {
            for number in numbers {
                let Some(uid) = selected.view.rows().uid(*number) else {
                    continue;
                };
                self.begin_fetch(&mut out, *number, uid);
                for (i, item) in plan.items.iter().enumerate() {
                    if i > 0 {
                        out.push(b' ');
                    }
                    match item {
                        FetchItem::Flags => {
                            out.extend_from_slice(b"FLAGS ");
                            selected.write_flags(&mut out, *number, self.enabled.rev2);
                        }
                        FetchItem::ModSeq => {
                            let modseq = modseqs.get(&uid).copied().unwrap_or_default();
                            out.extend_from_slice(format!("MODSEQ ({modseq})").as_bytes());
                        }
                        _ => out.extend_from_slice(format!("UID {uid}").as_bytes()),
                    }
                }
                out.extend_from_slice(b")\r\n");
            }
        }
        self.wire.push(&out);
        self.relieve().await?;
        Ok(())
    }

    /// Everything else; false when some of the messages are gone.
    async fn tell_from_rows(&mut self, plan: &Plan, numbers: &[u32]) -> Result<bool, Stop> {
        let Some(selected) = self.selected.as_deref() else {
            return Ok(true);
        };
        let uids: Vec<u32> = numbers
            .iter()
            .filter_map(|n| selected.view.rows().uid(*n))
            .collect();
        let imap = self.imap;
        let rows = imap
            .app
            .mailbox
            .rows(&selected.view, &uids, plan.wanted)
            .await?;
        let account = selected.view.account();
        let is_whole = rows.len() == uids.len();
        let mut ahead: HashMap<BodyId, Bytes> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            if plan.has_bodies
                && imap.app.mailbox.reads_ahead(row)
                && row.body_id.is_some_and(|body| !ahead.contains_key(&body))
            {
                ahead = imap
                    .app
                    .mailbox
                    .bodies(account, rows.get(at..).unwrap_or_default())
                    .await?;
            }
            let octets = row.body_id.map(|body| Octets {
                account,
                body,
                size_bytes: u64::try_from(row.size_bytes).unwrap_or_default(),
                first: ahead.get(&body).cloned(),
            });
            self.row(plan, row, octets.as_ref()).await?;
            self.relieve().await?;
        }
        Ok(is_whole)
    }

    async fn row(
        &mut self,
        plan: &Plan,
        row: &StoredRow,
        octets: Option<&Octets>,
    ) -> Result<(), Stop> {
        let Ok(uid) = u32::try_from(row.uid.0) else {
            return Ok(());
        };
        let parts = if plan.wanted.parts {
            parts_of(row)
        } else {
            Vec::new()
        };
        let Some(number) = self
            .selected
            .as_deref()
            .and_then(|s| s.view.rows().number(uid))
        else {
            return Ok(());
        };
        let mut out = Vec::with_capacity(256);
        self.begin_fetch(&mut out, number, uid);
        for (i, item) in plan.items.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            match item {
                FetchItem::Section(section) => {
                    let Some(octets) = octets else { continue };
                    self.section(&mut out, section, &parts, octets).await?;
                }
                FetchItem::Binary { part, partial, .. } => {
                    let Some(octets) = octets else { continue };
                    self.binary(&mut out, part, *partial, &parts, octets)
                        .await?;
                }
                FetchItem::BinarySize(part) => {
                    let name = dotted(part);
                    let size = if part.is_empty() {
                        usize::try_from(row.size_bytes).unwrap_or_default()
                    } else {
                        parts
                            .iter()
                            .find(|p| p.section == name)
                            .map_or(0, |p| p.decoded_size)
                    };
                    out.extend_from_slice(format!("BINARY.SIZE[{name}] {size}").as_bytes());
                }
                simple => self.simple(&mut out, simple, row, number, uid),
            }
        }
        out.extend_from_slice(b")\r\n");
        self.wire.push(&out);
        Ok(())
    }

    /// Items that are a value of the row or the view.
    fn simple(&self, out: &mut Vec<u8>, item: &FetchItem, row: &StoredRow, number: u32, uid: u32) {
        let structure = row.structure.as_deref().unwrap_or(b"NIL");
        match item {
            FetchItem::Uid => out.extend_from_slice(format!("UID {uid}").as_bytes()),
            FetchItem::Flags => {
                out.extend_from_slice(b"FLAGS ");
                if let Some(selected) = self.selected.as_deref() {
                    selected.write_flags(out, number, self.enabled.rev2);
                }
            }
            FetchItem::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                write::date_time(out, row.received_at);
            }
            FetchItem::SaveDate => {
                out.extend_from_slice(b"SAVEDATE ");
                write::date_time(out, row.saved_at);
            }
            FetchItem::Size => {
                out.extend_from_slice(format!("RFC822.SIZE {}", row.size_bytes).as_bytes());
            }
            FetchItem::ModSeq => {
                let modseq = self
                    .selected
                    .as_deref()
                    .map_or(row.modseq, |s| s.view.modseq(uid, row.modseq));
                out.extend_from_slice(format!("MODSEQ ({modseq})").as_bytes());
            }
            FetchItem::EmailId => {
                out.extend_from_slice(
                    format!("EMAILID ({})", write::object_id('M', row.email_id.0)).as_bytes(),
                );
            }
            FetchItem::ThreadId => {
                out.extend_from_slice(
                    format!("THREADID ({})", write::object_id('T', row.thread_id.0)).as_bytes(),
                );
            }
            FetchItem::Envelope => {
                out.extend_from_slice(b"ENVELOPE ");
                out.extend_from_slice(row.envelope.as_deref().unwrap_or(b"NIL"));
            }
            FetchItem::BodyStructure => {
                out.extend_from_slice(b"BODYSTRUCTURE ");
                out.extend_from_slice(structure);
            }
            FetchItem::Body => {
                out.extend_from_slice(b"BODY ");
                out.extend_from_slice(&mime::body_of_structure(structure));
            }
            FetchItem::Preview => {
                out.extend_from_slice(b"PREVIEW ");
                write::text(out, row.preview.as_deref().unwrap_or_default(), self.utf8());
            }
            // Streamed, by the caller.
            FetchItem::Section(_) | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => {}
        }
    }

    /// A piece of the message as it stands, sent as it is read.
    async fn section(
        &mut self,
        out: &mut Vec<u8>,
        item: &SectionItem,
        parts: &[Part],
        octets: &Octets,
    ) -> Result<(), Stop> {
        match item.spelling {
            Spelling::Body => {
                out.extend_from_slice(b"BODY[");
                out.extend_from_slice(&item.section.write());
                out.push(b']');
            }
            Spelling::Rfc822 => out.extend_from_slice(b"RFC822"),
            Spelling::Rfc822Header => out.extend_from_slice(b"RFC822.HEADER"),
            Spelling::Rfc822Text => out.extend_from_slice(b"RFC822.TEXT"),
        }
        if let Some((first, _)) = item.partial {
            out.extend_from_slice(format!("<{first}>").as_bytes());
        }
        out.push(b' ');
        let piece = if is_whole(item) {
            Piece::Range(0, octets.size_bytes)
        } else {
            locate(parts, octets.size_bytes, &item.section)
        };
        match piece {
            Piece::Missing => out.extend_from_slice(b"NIL"),
            Piece::Range(from, count) => {
                let (skip, most) = item.partial.unwrap_or((0, u64::MAX));
                let skip = skip.min(count);
                self.stream(out, octets, from + skip, (count - skip).min(most))
                    .await?;
            }
            Piece::Fields(from, count, names, leaves_out) => {
                let header = self.imap.app.mailbox.whole(octets, from, count).await?;
                let chosen = fields(&header, &names, leaves_out);
                let chosen = cut(&chosen, item.partial);
                self.push_literal(out, chosen);
            }
        }
        Ok(())
    }

    /// A literal of these octets, read and sent in turns.
    async fn stream(
        &mut self,
        out: &mut Vec<u8>,
        octets: &Octets,
        from: u64,
        count: u64,
    ) -> Result<(), Stop> {
        out.extend_from_slice(format!("{{{count}}}\r\n").as_bytes());
        self.wire.push(out);
        out.clear();
        let mut sent = 0;
        while sent < count {
            let some = self
                .imap
                .app
                .mailbox
                .octets(octets, from + sent, count - sent)
                .await?;
            if some.is_empty() {
                // The announced octets cannot be given: only a closed connection says so.
                return Err(Stop::Wire(WireError::Closed));
            }
            sent += u64::try_from(some.len()).unwrap_or(count);
            for block in some.chunks(BLOCK) {
                push_clean(&mut self.wire, block);
                self.relieve().await?;
            }
        }
        Ok(())
    }

    fn push_literal(&mut self, out: &mut Vec<u8>, octets: &[u8]) {
        out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
        self.wire.push(out);
        out.clear();
        push_clean(&mut self.wire, octets);
    }

    /// A part with its transfer encoding undone (RFC 3516 4.2).
    async fn binary(
        &mut self,
        out: &mut Vec<u8>,
        part: &[u32],
        partial: Option<(u64, u64)>,
        parts: &[Part],
        octets: &Octets,
    ) -> Result<(), Stop> {
        let name = dotted(part);
        out.extend_from_slice(format!("BINARY[{name}]").as_bytes());
        if let Some((first, _)) = partial {
            out.extend_from_slice(format!("<{first}>").as_bytes());
        }
        out.push(b' ');
        if part.is_empty() {
            let (skip, most) = partial.unwrap_or((0, u64::MAX));
            let skip = skip.min(octets.size_bytes);
            return self
                .stream(out, octets, skip, (octets.size_bytes - skip).min(most))
                .await;
        }
        let Some(found) = parts.iter().find(|p| p.section == name) else {
            out.extend_from_slice(b"NIL");
            return Ok(());
        };
        if found.is_multipart() {
            return Err(Stop::UnknownEncoding);
        }
        let from = u64::try_from(found.body_start).unwrap_or_default();
        let count = u64::try_from(found.encoded_size()).unwrap_or_default();
        let raw = self.imap.app.mailbox.whole(octets, from, count).await?;
        let decoded = mime::decode_part(&raw, found);
        drop(raw);
        let decoded = cut(&decoded, partial);
        if decoded.contains(&0) {
            out.push(b'~');
            out.extend_from_slice(format!("{{{}}}\r\n", decoded.len()).as_bytes());
            self.wire.push(out);
            out.clear();
            self.wire.push(decoded);
        } else {
            self.push_literal(out, decoded);
        }
        Ok(())
    }
}

/// The whole message, which needs no part index.
fn is_whole(item: &SectionItem) -> bool {
    item.section.part.is_empty() && item.section.text == SectionText::Whole
}

fn dotted(part: &[u32]) -> String {
    let numbers: Vec<String> = part.iter().map(ToString::to_string).collect();
    numbers.join(".")
}

/// `<first.count>` of octets in memory.
fn cut(octets: &[u8], partial: Option<(u64, u64)>) -> &[u8] {
    let Some((first, count)) = partial else {
        return octets;
    };
    let at = usize::try_from(first)
        .unwrap_or(usize::MAX)
        .min(octets.len());
    let end = at
        .saturating_add(usize::try_from(count).unwrap_or(usize::MAX))
        .min(octets.len());
    octets.get(at..end).unwrap_or_default()
}

/// NUL has no place in a literal (RFC 9051 4.3); the count stays when another octet stands for it.
fn push_clean(wire: &mut crate::net::line::Wire, octets: &[u8]) {
    if octets.contains(&0) {
        let clean: Vec<u8> = octets
            .iter()
            .map(|b| if *b == 0 { 0x80 } else { *b })
            .collect();
        wire.push(&clean);
    } else {
        wire.push(octets);
    }
}

/// RFC 9394 3.3: a window of the messages, counted from the front or the end.
pub(super) fn windowed(numbers: &[u32], window: Window) -> Vec<u32> {
    let count = numbers.len();
    let first = usize::try_from(window.first)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let last = usize::try_from(window.last)
        .unwrap_or(usize::MAX)
        .min(count);
    let range = if window.from_end {
        count.saturating_sub(last)..count.saturating_sub(first)
    } else {
        first.min(last)..last
    };
    numbers.get(range).map(<[u32]>::to_vec).unwrap_or_default()
}

/// Octets pushed at a time.
const BLOCK: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        let at = |first, last, from_end| {
            windowed(
                &[1, 2, 3, 4, 5],
                Window {
                    first,
                    last,
                    from_end,
                },
            )
        };
        assert_eq!(at(1, 2, false), [1, 2]);
        assert_eq!(at(4, 9, false), [4, 5]);
        assert_eq!(at(6, 9, false), Vec::<u32>::new());
        assert_eq!(at(1, 2, true), [4, 5]);
        assert_eq!(at(4, 9, true), [1, 2]);
        assert_eq!(at(6, 9, true), Vec::<u32>::new());
    }

    #[test]
    fn pieces() {
        assert_eq!(cut(b"hello", Some((1, 3))), b"ell");
        assert_eq!(cut(b"hello", Some((9, 3))), b"");
        assert_eq!(cut(b"hello", Some((4, u64::MAX))), b"o");
    }
}
