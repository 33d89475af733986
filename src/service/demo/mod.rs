//! A demo domain: two mailboxes with known passwords, some sixty letters, events, contacts, tasks and notes, for looking at Postamt and for its browser tests.
//!
//! The letters are text files in `letters/`, read by `script.rs`, which also says how they are written; small files that hang on
//! them are drawn by `files.rs`. They take the way all mail takes ([`Mail::receive_whole`], [`Mail::append`]), so what the demo
//! shows is what delivery makes of such mail.
//!
//! Nothing but the demo has known passwords, and only the names below can be made with them. A mailbox that exists is left
//! as it is, whatever its owner did to it: a second run adds nothing. A run that broke off is mended by removing the mailbox.
//!
//! [`Mail::receive_whole`]: super::mail::Mail::receive_whole
//! [`Mail::append`]: super::mail::Mail::append

mod files;
mod items;
mod script;

use time::OffsetDateTime;

use super::App;
use super::accounts::admin::{Actor, CreateAccount};
use super::accounts::preferences::NewIdentity;
use super::mail::Arrival;
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::model::{AccountId, FolderId, Role, SpecialUse};
use crate::store::mail::Target;

/// The demo's mail domain; `.test` can never be a real one (RFC 6761 6.2).
pub const DOMAIN: &str = "demo.test";

/// A mailbox of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Its address.
    pub address: &'static str,
    /// The name people see.
    pub name: &'static str,
    /// Its password, known to everybody.
    pub password: &'static str,
    /// What it may do.
    pub role: Role,
    /// The language of its pages.
    pub lang: Lang,
    /// Own folders, a parent before what lies in it; levels separated by `/`.
    folders: &'static [&'static str],
    /// HTML below its letters.
    signature: &'static str,
}

/// Administrator of the domain, reads German.
pub const JANA: Person = Person {
    address: "jana@demo.test",
    name: "Jana Brandt",
    password: "Wolkenbruch-im-Mai-31",
    role: Role::DomainAdmin,
    lang: Lang::De,
    folders: &["Kunden", "Kunden/Hofmann Bau", "Rechnungen", "Verein"],
    signature: "<p>Jana Brandt<br>Brandt &amp; Kern Gestaltung<br>Lindenhof 4, 12043 Berlin<br>+49 30 5550 1420</p>",
};

/// An ordinary user, reads English.
pub const TOBIAS: Person = Person {
    address: "tobias@demo.test",
    name: "Tobias Kern",
    password: "blaue-Teekanne-58",
    role: Role::User,
    lang: Lang::En,
    folders: &["Projects", "Travel"],
    signature: "<p>Tobias Kern<br>Brandt &amp; Kern Gestaltung<br>Lindenhof 4, 12043 Berlin</p>",
};

/// Everybody in the demo.
pub const PEOPLE: [Person; 2] = [JANA, TOBIAS];

/// Addresses beside the mailboxes: where they lead.
const ALIASES: [(&str, &[&str]); 2] = [
    ("info@demo.test", &[JANA.address]),
    ("team@demo.test", &[JANA.address, TOBIAS.address]),
];

/// What a run added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Made {
    /// Mailboxes.
    pub mailboxes: usize,
    /// Messages in them.
    pub messages: usize,
    /// Events, contacts, tasks and notes.
    pub items: usize,
}

/// Creates what is missing of the demo; its letters are dated back from `now`.
///
/// # Errors
/// [`Refusal::Unavailable`] and its kind; what was made until then stays.
pub async fn create(app: &App, now: OffsetDateTime) -> Result<Made, Refusal> {
    let actor = Actor::command_line();
    unless_there(app.accounts.create_domain(&actor, DOMAIN).await)?;
    let mut new = Vec::new();
    for person in PEOPLE {
        if let Some(account) = move_in(app, &actor, &person).await? {
            new.push((person, account));
        }
    }
    for (address, targets) in ALIASES {
        unless_there(app.accounts.create_alias(&actor, address, targets).await)?;
    }
    let letters = script::letters(now).ok_or(Refusal::Internal("a letter of the demo"))?;
    let mut made = Made {
        mailboxes: new.len(),
        ..Made::default()
    };
    for (person, account) in new {
        furnish(app, account, &person).await?;
        made.messages += fill(app, account, &person, &letters).await?;
        made.items += items::fill(app, account, &person, now).await?;
    }
    // Jana invites Tobias: the invitation is there when the demo is.
    app.items.deliver_waiting().await?;
    Ok(made)
}

/// The mailbox with its folders; none when it exists already.
async fn move_in(app: &App, actor: &Actor, person: &Person) -> Result<Option<AccountId>, Refusal> {
    let new = CreateAccount {
        address: person.address,
        display_name: person.name,
        role: Some(person.role),
        lang: Some(person.lang),
        password: Some(person.password),
        must_change: Some(false),
        ..CreateAccount::default()
    };
    let Some(created) = unless_there(app.accounts.create_account(actor, &new).await)? else {
        return Ok(None);
    };
    for path in person.folders {
        let (parent, name) = match path.rsplit_once('/') {
            Some((parent, name)) => (Some(folder(app, created.account, parent).await?), name),
            None => (None, *path),
        };
        app.mail
            .create_folder(created.account, parent, name)
            .await?;
    }
    Ok(Some(created.account))
}

/// Signature and identity.
async fn furnish(app: &App, account: AccountId, person: &Person) -> Result<(), Refusal> {
    let signature = app
        .accounts
        .save_signature(account, None, SIGNATURE_NAME, person.signature)
        .await?;
    let identity = NewIdentity {
        address: person.address,
        name: person.name,
        signature: Some(signature),
        is_default: true,
        ..NewIdentity::default()
    };
    app.accounts.save_identity(account, &identity).await?;
    Ok(())
}

/// Puts the person's letters into the mailbox, oldest first, as they would have come.
async fn fill(
    app: &App,
    account: AccountId,
    person: &Person,
    letters: &[script::Letter],
) -> Result<usize, Refusal> {
    let who = person.address.split('@').next().unwrap_or_default();
    let mut put = 0;
    for letter in letters {
        for place in letter.places.iter().filter(|place| place.who == who) {
            let target = match SpecialUse::from_word(&place.folder) {
                Some(special) => Target::Special(special),
                None => Target::Folder(folder(app, account, &place.folder).await?),
            };
            let received = app.mail.receive_whole(&letter.bytes).await?;
            let arrival = Arrival {
                received_at: letter.at,
                ..Arrival::to(target, place.flags)
            };
            app.mail.append(account, &received, &arrival).await?;
            put += 1;
        }
    }
    Ok(put)
}

async fn folder(app: &App, account: AccountId, path: &str) -> Result<FolderId, Refusal> {
    let folders = app.mail.folders(account).await?;
    folders
        .iter()
        .find(|row| row.name == path)
        .map(|row| row.folder_id)
        .ok_or(Refusal::NoFolder)
}

fn unless_there<T>(outcome: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match outcome {
        Ok(made) => Ok(Some(made)),
        Err(Refusal::Exists) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

const SIGNATURE_NAME: &str = "Brandt & Kern";
