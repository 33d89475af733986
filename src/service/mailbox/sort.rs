//! SORT and THREAD (RFC 5256, RFC 5957): what is compared is read in bites, the comparing is `format::imap`'s.

use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::format::imap::search::{Algorithm, SortKey};
use crate::format::imap::sort::{self, Compared, Sortable};
use crate::format::imap::thread::{self, Forest, Threadable};
use crate::format::mime::read::message_ids;
use crate::store::mailbox_search::{SortRow, SortWanted};

impl Mailboxes {
    /// The UIDs in the order of some criteria, each perhaps reversed; equal ones by their place in the folder. A message that
    /// left meanwhile may be missing.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn sort(
        &self,
        view: &View,
        uids: &[u32],
        by: &[(SortKey, bool)],
    ) -> Result<Vec<u32>, Refusal> {
        let has = |keys: &[SortKey]| by.iter().any(|(key, _)| keys.contains(key));
        let wanted = SortWanted {
            subject: has(&[SortKey::Subject]),
            threads: false,
            envelope: has(&[
                SortKey::From,
                SortKey::To,
                SortKey::Cc,
                SortKey::DisplayFrom,
                SortKey::DisplayTo,
            ]),
        };
        let mut messages = Vec::with_capacity(uids.len());
        for bite in uids.chunks(BITE) {
            for row in self.sort_bite(view, bite, wanted).await? {
                messages.push(sortable(&row, by)?);
            }
        }
        let by = by.to_vec();
        tokio::task::spawn_blocking(move || {
            messages.sort_unstable_by(|a, b| sort::order(a, b, &by));
            messages.into_iter().map(|message| message.number).collect()
        })
        .await
        .map_err(|_| Refusal::Internal("the sorter panicked"))
    }

    /// The threads of some messages, written with UIDs or with sequence numbers of the view.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn threads(
        &self,
        view: &View,
        uids: &[u32],
        algorithm: Algorithm,
        by_uid: bool,
    ) -> Result<Forest, Refusal> {
        let wanted = SortWanted {
            subject: true,
            threads: algorithm == Algorithm::References,
            envelope: false,
        };
        let mut messages = Vec::with_capacity(uids.len());
        for bite in uids.chunks(BITE) {
            for row in self.sort_bite(view, bite, wanted).await? {
                let uid = uid(&row)?;
                let number = if by_uid {
                    Some(uid)
                } else {
                    view.rows().number(uid)
                };
                messages.extend(number.map(|number| threadable(row, number)));
            }
        }
        tokio::task::spawn_blocking(move || thread::threads(algorithm, &messages))
            .await
            .map_err(|_| Refusal::Internal("the threader panicked"))
    }

    async fn sort_bite(
        &self,
        view: &View,
        uids: &[u32],
        wanted: SortWanted,
    ) -> Result<Vec<SortRow>, Refusal> {
        let uids: Vec<i64> = uids.iter().map(|uid| i64::from(*uid)).collect();
        Ok(self
            .store
            .sort_rows(view.account, view.folder, &uids, wanted)
            .await?)
    }
}

fn sortable(row: &SortRow, by: &[(SortKey, bool)]) -> Result<Sortable, Refusal> {
    let envelope = row.envelope.as_deref().unwrap_or_default();
    let keys = by.iter().map(|(key, _)| match key {
        SortKey::Arrival => Compared::Number(row.received_at.unix_timestamp_nanos()),
        SortKey::Date => Compared::Number(row.sent_at.unix_timestamp_nanos()),
        SortKey::Size => Compared::Number(i128::from(row.size_bytes)),
        SortKey::Subject => Compared::Text(sort::subject_key(
            row.subject.as_deref().unwrap_or_default(),
        )),
        SortKey::From | SortKey::To | SortKey::Cc | SortKey::DisplayFrom | SortKey::DisplayTo => {
            Compared::Text(sort::address_key(envelope, *key))
        }
    });
    Ok(Sortable {
        keys: keys.collect(),
        number: uid(row)?,
    })
}

/// RFC 5256 3: the references, or the first id of In-Reply-To when there are none.
fn threadable(row: SortRow, number: u32) -> Threadable {
    let mut references: Vec<String> = row
        .references
        .as_deref()
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    if references.is_empty()
        && let Some(text) = row.envelope.as_deref().and_then(sort::in_reply_to)
    {
        references.extend(message_ids(&text).into_iter().next());
    }
    Threadable {
        number,
        sent_at: row.sent_at.unix_timestamp_nanos(),
        message_id: row.message_id.unwrap_or_default(),
        references,
        subject: row.subject.unwrap_or_default(),
    }
}

fn uid(row: &SortRow) -> Result<u32, Refusal> {
    super::view::narrow(row.uid.0)
}

/// Messages read by one statement.
const BITE: usize = 1_000;
