//! `postamt check`: proves that what is stored adds up, account by account (DESIGN.md 4, security.md 10).
//!
//! It repairs nothing. A finding is damage or our own fault, and wants a person.

use crate::error::Refusal;
use crate::service::App;
use crate::service::accounts::admin::{AccountRow, Actor};

/// Something that is not as it must be, in words for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The account's address, or the host.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    /// Accounts whose counters were compared.
    pub accounts: u64,
    /// Message bodies that were read again.
    pub bodies: u64,
}

/// Compares every counter with what it counts, every body with its hash, every audit row with its predecessor.
///
/// # Errors
/// [`Refusal::Unavailable`] when the database goes away; findings are no error.
pub async fn check(app: &App, mut tell: impl FnMut(Finding)) -> Result<Looked, Refusal> {
    let looked = every_account(app, true, &mut tell).await?;
    for row in app.accounts.audit_breaks().await? {
        tell(Finding {
            place: "audit".to_owned(),
            what: format!("row {row} does not follow from the one before it"),
        });
    }
    Ok(looked)
}

/// Compares every counter with what it counts: the nightly part, which reads no bodies.
///
/// # Errors
/// As [`check`].
pub async fn counters(app: &App, mut tell: impl FnMut(Finding)) -> Result<Looked, Refusal> {
    every_account(app, false, &mut tell).await
}

async fn every_account(
    app: &App,
    reads_bodies: bool,
    tell: &mut impl FnMut(Finding),
) -> Result<Looked, Refusal> {
    let mut looked = Looked::default();
    let actor = Actor::command_line();
    let mut after = String::new();
    loop {
        let page = app.accounts.accounts(&actor, None, &after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        last.address.clone_into(&mut after);
        for row in page {
            check_account(app, &row, tell).await?;
            if reads_bodies {
                looked.bodies += check_bodies(app, &row, tell).await?;
            }
            looked.accounts += 1;
        }
    }
    Ok(looked)
}

async fn check_account(
    app: &App,
    row: &AccountRow,
    tell: &mut impl FnMut(Finding),
) -> Result<(), Refusal> {
    for wrong in app.store().check_account(row.account_id).await? {
        let number =
            |value: Option<i64>| value.map_or_else(|| "nothing".to_owned(), |n| n.to_string());
        let what = format!(
            "{} of {}: stored {}, counted {}",
            wrong.rule,
            wrong.object,
            number(wrong.stored),
            number(wrong.counted)
        );
        tell(Finding {
            place: row.address.clone(),
            what,
        });
    }
    Ok(())
}

async fn check_bodies(
    app: &App,
    row: &AccountRow,
    tell: &mut impl FnMut(Finding),
) -> Result<u64, Refusal> {
    let bodies = app.store().check_bodies(row.account_id).await?;
    for body in &bodies.damaged {
        let what = format!("body {body} does not have the hash it was stored with");
        tell(Finding {
            place: row.address.clone(),
            what,
        });
    }
    Ok(bodies.read)
}

const PAGE: i64 = 500;
