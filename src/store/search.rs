//! Finding messages: lexemes under GIN narrow, everything else is checked on what is left.

use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::Store;
use crate::error::StoreError;
use crate::model::{AccountId, EmailId, Flags, FolderId, ThreadId, Uid};

/// A search as the store runs it: every group must hold, of a group any condition.
#[derive(Debug, Clone, Default)]
pub struct SearchSpec {
    /// The groups.
    pub groups: Vec<Vec<Condition>>,
    /// Only these folders; none: all but `but`.
    pub only: Option<Vec<FolderId>>,
    /// Folders that are left out.
    pub but: Vec<FolderId>,
    /// Older than this message: where the page before ended.
    pub before: Option<EmailId>,
}

/// One condition, or its opposite.
#[derive(Debug, Clone)]
pub struct Condition {
    /// It must not hold.
    pub is_not: bool,
    /// What.
    pub test: Test,
}

/// What a condition tests.
#[derive(Debug, Clone)]
pub enum Test {
    /// A `tsquery` over the lexemes, made by the service from folded words.
    Lexemes(String),
    /// The folded text has this in it.
    Phrase {
        /// The `tsquery` that narrows.
        lexemes: String,
        /// The folded phrase.
        text: String,
    },
    /// Has an attachment.
    Attachment,
    /// All these flags.
    Flags(Flags),
    /// None of these flags.
    NoFlags(Flags),
    /// In one of these folders.
    In(Vec<FolderId>),
    /// Sent before.
    Before(OffsetDateTime),
    /// Sent at or after.
    Since(OffsetDateTime),
    /// At least so many octets.
    Larger(i64),
    /// At most so many octets.
    Smaller(i64),
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct FoundRow {
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Where it lies (one place, when there are several).
    pub folder_id: FolderId,
    /// Its place there.
    pub uid: Uid,
    /// Its flags.
    pub flags: Flags,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// Who wrote it.
    pub sender_name: String,
    /// Their address.
    pub sender_address: String,
    /// To whom.
    pub recipients: String,
    /// Subject.
    pub subject: String,
    /// First words.
    pub preview: String,
    /// Has a part that a reader would call an attachment.
    pub has_attachment: bool,
}

impl Store {
    /// The newest `limit` messages that fit, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search(
        &self,
        account: AccountId,
        spec: &SearchSpec,
        limit: i64,
    ) -> Result<Vec<FoundRow>, StoreError> {
        let mut q = QueryBuilder::new(
            "select e.email_id, e.thread_id, m.folder_id, m.uid, m.flags, m.received_at, e.sender_name, e.sender_address,
                    e.recipients, e.subject, e.preview, e.has_attachment
               from email e
              cross join lateral (
                    select m.folder_id, m.uid, m.flags, m.received_at
                      from message m
                     where m.account_id = e.account_id
                       and m.email_id = e.email_id",
        );
        match &spec.only {
            Some(only) => {
                q.push(" and m.folder_id = any(")
                    .push_bind(ids(only))
                    .push(")");
            }
            None => {
                q.push(" and m.folder_id <> all(")
                    .push_bind(ids(&spec.but))
                    .push(")");
            }
        }
        q.push(" limit 1) m where e.account_id = ")
            .push_bind(account);
        if let Some(before) = spec.before {
            q.push(" and e.email_id < ").push_bind(before);
        }
        for group in &spec.groups {
            q.push(" and (");
            for (n, condition) in group.iter().enumerate() {
                if n > 0 {
                    q.push(" or ");
                }
                if condition.is_not {
                    q.push("not ");
                }
                push_test(&mut q, &condition.test);
            }
            q.push(")");
        }
        q.push(" order by e.email_id desc limit ").push_bind(limit);
        // Planned for these very words: a plan for any word would be wrong for rare or for frequent ones.
        Ok(q.build_query_as()
            .persistent(false)
            .fetch_all(self.pool())
            .await?)
    }
}

fn push_test(q: &mut QueryBuilder<Postgres>, test: &Test) {
    match test {
        Test::Lexemes(lexemes) => {
            q.push("e.search @@ ")
                .push_bind(lexemes.clone())
                .push("::tsquery");
        }
        Test::Phrase { lexemes, text } => {
            q.push("(e.search @@ ")
                .push_bind(lexemes.clone())
                .push("::tsquery and position(")
                .push_bind(text.clone())
                .push(" in e.search_text) > 0)");
        }
        Test::Attachment => {
            q.push("e.has_attachment");
        }
        Test::Flags(flags) => {
            q.push("m.flags & ")
                .push_bind(*flags)
                .push(" = ")
                .push_bind(*flags);
        }
        Test::NoFlags(flags) => {
            q.push("m.flags & ").push_bind(*flags).push(" = 0");
        }
        Test::In(folders) => {
            q.push("m.folder_id = any(")
                .push_bind(ids(folders))
                .push(")");
        }
        Test::Before(at) => {
            q.push("e.sent_at < ").push_bind(*at);
        }
        Test::Since(at) => {
            q.push("e.sent_at >= ").push_bind(*at);
        }
        Test::Larger(octets) => {
            q.push("e.size_bytes >= ").push_bind(*octets);
        }
        Test::Smaller(octets) => {
            q.push("e.size_bytes <= ").push_bind(*octets);
        }
    }
}

fn ids(folders: &[FolderId]) -> Vec<i64> {
    folders.iter().map(|f| f.0).collect()
}
