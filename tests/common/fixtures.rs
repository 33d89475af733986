//! Accounts and letters in the shape the write path takes, without parsing or hashing passwords.

use std::collections::HashMap;

use bytes::Bytes;
use postamt::error::Refusal;
use postamt::model::{AccountId, Charge, CollectionKind, Flags, FolderId, SpecialUse, ThreadId};
use postamt::store::body::{Place, Stored};
use postamt::store::collection::NewCollection;
use postamt::store::item::NewItem;
use postamt::store::mail::{Added, NewEmail, Placement, Target};
use postamt::store::{Committed, Store};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::TestDb;

/// An account with its first folders.
#[derive(Debug, Clone)]
pub struct TestAccount {
    /// Its id.
    pub id: AccountId,
    /// Its address.
    pub address: String,
    folders: HashMap<SpecialUse, FolderId>,
}

impl TestAccount {
    /// The folder for `special`.
    pub fn folder(&self, special: SpecialUse) -> FolderId {
        self.folders[&special]
    }

    /// INBOX.
    pub fn inbox(&self) -> FolderId {
        self.folder(SpecialUse::Inbox)
    }
}

impl TestDb {
    /// An account with its first folders and no usable password; its domain is made when it is missing.
    pub async fn account(&self, address: &str, quota_bytes: i64) -> TestAccount {
        let (_, domain) = address.split_once('@').expect("a whole address");
        let id: AccountId = sqlx::query_scalar(
            "with d as (
                 insert into mail_domain (name)
                 values ($1)
                 on conflict (name) do update set name = excluded.name
                 returning domain_id
             ), a as (
                 insert into account (domain_id, address, display_name, password_hash, quota_bytes)
                 select domain_id, $2, $2, '!', $3
                   from d
                 returning account_id
             ), p as (
                 insert into address (address, domain_id, account_id, is_primary)
                 select $2, domain_id, account_id, true
                   from d, a
             )
             select account_id from a",
        )
        .bind(domain)
        .bind(address)
        .bind(quota_bytes)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let mut write = self
            .store
            .draft()
            .await
            .unwrap()
            .lock(id, Charge::NONE)
            .await
            .unwrap();
        let mut folders = HashMap::new();
        for (special, name) in SpecialUse::FIRST {
            folders.insert(
                special,
                write.create_folder(name, Some(special)).await.unwrap(),
            );
        }
        quiet(write.commit().await.unwrap());
        TestAccount {
            id,
            address: address.to_owned(),
            folders,
        }
    }

    /// Delivers a letter into a folder; panics when it is refused.
    pub async fn deliver(&self, to: &TestAccount, folder: FolderId, letter: &Letter) -> Added {
        deliver(&self.store, to.id, folder, letter).await.unwrap().0
    }
}

/// Delivers a letter by the one write path.
pub async fn deliver(
    store: &Store,
    account: AccountId,
    folder: FolderId,
    letter: &Letter,
) -> Result<(Added, Committed), Refusal> {
    let mut draft = store.draft().await?;
    let body = draft.put_body(account, &letter.stored()).await?;
    let mut write = draft.lock(account, Charge::mail(body.size_bytes)).await?;
    let keywords: Vec<String> = letter.keywords.clone();
    let added = write
        .add_message(
            body,
            &fake_email(letter),
            &Placement {
                target: Target::Folder(folder),
                flags: letter.flags,
                keywords: &keywords,
                received_at: letter.received_at,
                thread: letter.thread,
            },
        )
        .await?;
    Ok((added, write.commit().await?))
}

/// Says that nobody is to be woken.
pub fn quiet(_: Committed) {}

/// A letter as a test describes it.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Without angle brackets; drawn at random.
    pub message_id: String,
    /// Message-IDs, nearest first.
    pub references: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// The subject began with a reply mark.
    pub is_reply: bool,
    /// Address of the sender.
    pub from: String,
    /// Address of the recipient.
    pub to: String,
    /// The whole message.
    pub bytes: Vec<u8>,
    /// Flags it arrives with.
    pub flags: Flags,
    /// Keywords it arrives with.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// Has a part that a reader would call an attachment.
    pub has_attachment: bool,
    /// Forced conversation.
    pub thread: Option<ThreadId>,
}

impl Letter {
    /// A small letter of its own conversation, received now.
    pub fn subject(subject: &str) -> Self {
        let message_id = format!("{:x}@letter.test", rand::random::<u64>());
        Self {
            bytes: format!("Message-ID: <{message_id}>\r\nSubject: {subject}\r\n\r\n{subject}\r\n")
                .into_bytes(),
            message_id,
            references: Vec::new(),
            subject: subject.to_owned(),
            is_reply: false,
            from: "bob@elsewhere.test".to_owned(),
            to: "anna@x.test".to_owned(),
            flags: Flags::NONE,
            keywords: Vec::new(),
            received_at: now(),
            has_attachment: false,
            thread: None,
        }
    }

    /// An answer that names what it answers.
    #[must_use]
    pub fn answering(mut self, earlier: &Self) -> Self {
        self.references.push(earlier.message_id.clone());
        self.references.extend(earlier.references.iter().cloned());
        self
    }

    /// Exactly so many octets, all different letters of one size.
    #[must_use]
    pub fn of_size(mut self, bytes: usize) -> Self {
        let mut text = self.message_id.clone().into_bytes();
        text.resize(bytes, b'x');
        self.bytes = text;
        self
    }

    /// Received at another time.
    #[must_use]
    pub fn received(mut self, at: OffsetDateTime) -> Self {
        self.received_at = at;
        self
    }

    /// Arrives with flags.
    #[must_use]
    pub fn flagged(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// As bytes whose end has been seen.
    pub fn stored(&self) -> Stored {
        stored(self.bytes.clone())
    }
}

/// Bytes in memory as the write path takes them.
pub fn stored(bytes: Vec<u8>) -> Stored {
    Stored {
        size_bytes: i64::try_from(bytes.len()).unwrap(),
        sha256: Sha256::digest(&bytes).into(),
        place: Place::Memory(Bytes::from(bytes)),
    }
}

/// The immutable facts of a letter, as delivery would compute them.
pub fn fake_email(letter: &Letter) -> NewEmail {
    let base = letter.subject.trim_start_matches("Re: ").to_lowercase();
    NewEmail {
        message_id: letter.message_id.clone(),
        sent_at: letter.received_at,
        sender_name: String::new(),
        sender_address: letter.from.clone(),
        recipients: letter.to.clone(),
        participants: vec![letter.from.clone(), letter.to.clone()],
        subject: letter.subject.clone(),
        subject_hash: (!base.is_empty())
            .then(|| i64::from_be_bytes(hash(&base)[..8].try_into().unwrap())),
        is_reply: letter.is_reply,
        preview: letter.subject.clone(),
        has_attachment: letter.has_attachment,
        envelope: b"()".to_vec(),
        structure: b"()".to_vec(),
        parts: serde_json::json!([]),
        facts: serde_json::json!({}),
        words: base.split_whitespace().map(str::to_owned).collect(),
        search_text: base.clone(),
        links: std::iter::once(&letter.message_id)
            .chain(&letter.references)
            .map(|id| hash(id))
            .collect(),
        crlf_bytes: 0,
        header_text: format!("subject: {base}\n"),
        body_text: String::new(),
        sent_day: 0,
        is_text_cut: false,
    }
}

fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// The present moment as the database keeps it, in microseconds.
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(now.nanosecond() / 1000 * 1000)
        .unwrap()
}

/// An object of a collection, as the format layer would hand it over.
pub fn fake_item(href: &str, text: &str) -> NewItem {
    NewItem {
        href: href.to_owned(),
        uid: format!("uid of {href}"),
        component: "VEVENT".to_owned(),
        source: format!("BEGIN:VCALENDAR\r\n{text}\r\nEND:VCALENDAR\r\n").into_bytes(),
        summary: text.to_owned(),
        starts_at: Some(now()),
        ends_at: Some(now()),
        last_ends_at: Some(now()),
        next_alarm_at: None,
        facts: serde_json::json!({}),
        words: vec![text.to_lowercase()],
        search_text: text.to_lowercase(),
    }
}

/// A collection as a test describes it.
pub fn new_collection(kind: CollectionKind, slug: &str) -> NewCollection<'_> {
    NewCollection {
        kind,
        slug,
        name: slug,
        color: None,
        description: "",
        sort_order: 0,
        is_default: false,
        time_zone: None,
    }
}
