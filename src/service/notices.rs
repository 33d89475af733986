//! The program's own mails to an account: the quota notices (security.md 9), the change of a password (3).
//!
//! One quota mail when the use crosses 90 % and one at 100 %, once per crossing; the lock statement forgets a crossing once the use
//! is below 90 % again. Services drop a [`Notice`] into the queue, which never blocks; [`run`] writes the mails.

use rand::RngExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::format::mime::{codec, date, write};
use crate::i18n::Lang;
use crate::model::AccountId;
use crate::service::App;
use crate::service::mail::Arrival;
use crate::store::account::{Locked, Owner};

/// Notices that may wait; what does not fit is found again by the next write.
const WAITING: usize = 1000;

/// What the owner should learn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    account: AccountId,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// So many percent of the quota were crossed.
    Quota(i16),
    /// The password was changed, by its owner or by an administrator.
    Password { by_owner: bool },
}

impl Notice {
    /// The notice that a write's usage calls for, if any.
    #[must_use]
    pub fn after_write(account: AccountId, usage: Locked) -> Option<Self> {
        let is_near = usage.quota_bytes > 0 && usage.used_bytes / 9 >= usage.quota_bytes / 10;
        (is_near && usage.quota_notice < 90).then_some(Self {
            account,
            what: What::Quota(90),
        })
    }

    /// The password was changed.
    #[must_use]
    pub fn password_changed(account: AccountId, by_owner: bool) -> Self {
        Self {
            account,
            what: What::Password { by_owner },
        }
    }
}

/// Where services drop notices.
#[derive(Debug, Clone)]
pub struct Notices {
    sender: mpsc::Sender<Notice>,
}

impl Notices {
    /// The queue's two ends.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender }, receiver)
    }

    /// Takes a notice, if there is one.
    pub fn look(&self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            // A full queue means that mails are being written already; the next write asks again.
            let _ = self.sender.try_send(notice);
        }
    }

    /// A write was refused for want of room: the crossing of 100 %.
    pub fn refused_for_quota(&self, account: AccountId) {
        self.look(Some(Notice {
            account,
            what: What::Quota(100),
        }));
    }
}

/// Writes the mails until `stop`.
pub async fn run(app: App, mut waiting: mpsc::Receiver<Notice>, stop: CancellationToken) {
    loop {
        let notice = tokio::select! {
            () = stop.cancelled() => return,
            notice = waiting.recv() => match notice {
                Some(notice) => notice,
                None => return,
            },
        };
        if let Err(e) = write_notice(&app, notice).await {
            tracing::warn!(account = notice.account.0, error = %e, "a notice was not written");
        }
    }
}

async fn write_notice(app: &App, notice: Notice) -> Result<(), crate::error::Refusal> {
    if let What::Quota(percent) = notice.what
        && !app
            .store()
            .claim_quota_notice(notice.account, percent)
            .await?
    {
        return Ok(());
    }
    let Some(owner) = app.store().owner(notice.account).await? else {
        return Ok(());
    };
    let lang: Lang = owner.locale.parse().unwrap_or_default();
    let args = [
        ("used", lang.size(owner.used_bytes).into()),
        ("quota", lang.size(owner.quota_bytes).into()),
        ("address", owner.address.clone().into()),
    ];
    let (subject, text) = match notice.what {
        What::Quota(100..) => ("notice-quota-full-subject", "notice-quota-full-text"),
        What::Quota(_) => ("notice-quota-near-subject", "notice-quota-near-text"),
        What::Password { by_owner: true } => ("notice-password-subject", "notice-password-text"),
        What::Password { by_owner: false } => {
            ("notice-password-subject", "notice-password-admin-text")
        }
    };
    let (subject, text) = (lang.t_args(subject, &args), lang.t_args(text, &args));
    let mail = mail_to(&owner, &subject, &text, &app.config.server.hostname);
    let message = app.mail.receive_whole(&mail).await?;
    let arrival = Arrival {
        never_refused: true,
        ..Arrival::inbox()
    };
    app.mail.append(notice.account, &message, &arrival).await?;
    Ok(())
}

/// A plain message from the domain's postmaster to the owner. It is put into the mailbox directly, so it has no envelope.
fn mail_to(owner: &Owner, subject: &str, text: &str, host: &str) -> Vec<u8> {
    let now = time::OffsetDateTime::now_utc();
    let id = rand::rng().random::<u128>();
    let mut out = format!(
        "From: Postamt <postmaster@{domain}>\r\nTo: <{address}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
         Message-ID: <{id:032x}@{host}>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        domain = owner.domain(),
        address = owner.address,
        subject = write::encode_words(subject).replace("?= =?", "?=\r\n =?"),
        date = date::format(now),
    )
    .into_bytes();
    codec::quoted_printable(text, &mut out);
    out.extend_from_slice(b"\r\n");
    out
}
