//! `postamt domain | account | alias`.

use std::process::ExitCode;

use postamt::i18n::Lang;
use postamt::model::{AccountId, Role};
use postamt::service::App;
use postamt::service::accounts::admin::{AccountChange, Actor, CreateAccount};

use super::{explain, read_password};
use crate::{Account, Alias, ChangedAccount, Domain, Language, NewAccount};

/// `postamt domain …`
pub async fn domain(app: &App, command: Domain) -> anyhow::Result<ExitCode> {
    let actor = Actor::command_line();
    match command {
        Domain::Add { name } => {
            app.accounts
                .create_domain(&actor, &name)
                .await
                .map_err(|why| explain(why, &name))?;
            println!("{name} is taken on. Next: postamt account add ADDRESS --admin");
        }
        Domain::List => {
            for domain in app.accounts.domains(&actor).await? {
                let state = if domain.is_enabled {
                    ""
                } else {
                    "  (switched off)"
                };
                println!(
                    "{:<40} {:>6} mailboxes{state}",
                    domain.name, domain.accounts
                );
            }
        }
        Domain::Remove { name } => {
            app.accounts
                .delete_domain(&actor, &name)
                .await
                .map_err(|why| explain(why, &name))?;
            println!("{name} is given up.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `postamt account …`
pub async fn account(app: &App, command: Account) -> anyhow::Result<ExitCode> {
    match command {
        Account::Add(new) => add(app, new).await?,
        Account::Passwd {
            address,
            password_stdin,
        } => {
            let account = find(app, &address).await?;
            let password = if password_stdin {
                Some(read_password()?)
            } else {
                None
            };
            let made = app
                .accounts
                .set_password(
                    &Actor::command_line(),
                    account,
                    password.as_ref().map(|text| text.as_str()),
                )
                .await
                .map_err(|why| explain(why, &address))?;
            println!("{address} has a new initial password; its sessions are ended.");
            if let Some(made) = made {
                println!("Initial password (shown once): {}", made.password.expose());
            }
        }
        Account::Set(changed) => set(app, changed).await?,
        Account::List { domain } => list(app, domain).await?,
        Account::Remove { address, confirm } => {
            anyhow::ensure!(address == confirm, "--confirm must repeat the address");
            let account = find(app, &address).await?;
            let actor = Actor::command_line();
            app.accounts
                .delete_account(&actor, account)
                .await
                .map_err(|why| explain(why, &address))?;
            app.accounts.purge_deleted().await?;
            println!("{address} is deleted.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(app: &App, new: NewAccount) -> anyhow::Result<()> {
    let password = if new.password_stdin {
        Some(read_password()?)
    } else {
        None
    };
    let created = app
        .accounts
        .create_account(
            &Actor::command_line(),
            &CreateAccount {
                address: &new.address,
                display_name: &new.name,
                role: new.admin.then_some(Role::DomainAdmin),
                lang: Some(lang(new.language)),
                quota_bytes: new.quota,
                password: password.as_ref().map(|text| text.as_str()),
                ..CreateAccount::default()
            },
        )
        .await
        .map_err(|why| explain(why, &new.address))?;
    println!("{} is created.", created.address);
    if let Some(made) = created.password {
        println!("Initial password (shown once): {}", made.password.expose());
    }
    Ok(())
}

async fn set(app: &App, changed: ChangedAccount) -> anyhow::Result<()> {
    let account = find(app, &changed.address).await?;
    let changes = changed.changes;
    let change = AccountChange {
        display_name: changes.name,
        role: changes.role.map(role),
        locale: changes
            .language
            .map(|language| lang(language).as_str().to_owned()),
        is_enabled: changes.enabled,
        quota_bytes: changes.quota,
        ..AccountChange::default()
    };
    app.accounts
        .change_account(&Actor::command_line(), account, &change)
        .await
        .map_err(|why| explain(why, &changed.address))?;
    println!("{} is changed.", changed.address);
    Ok(())
}

async fn list(app: &App, domain: Option<String>) -> anyhow::Result<()> {
    let actor = Actor::command_line();
    let domain = match &domain {
        Some(name) => {
            let row = app
                .accounts
                .domain(&actor, name)
                .await
                .map_err(|why| explain(why, name))?;
            Some(row.domain_id)
        }
        None => None,
    };
    let mut after = String::new();
    loop {
        let page = app.accounts.accounts(&actor, domain, &after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        last.address.clone_into(&mut after);
        for row in page {
            let state = if row.is_enabled {
                ""
            } else {
                "  (switched off)"
            };
            println!(
                "{:<40} {:<13} {:>9} of {:>9}{state}",
                row.address,
                row.role,
                size(row.used_bytes),
                size(row.quota_bytes),
            );
        }
    }
}

/// `postamt alias …`
pub async fn alias(app: &App, command: Alias) -> anyhow::Result<ExitCode> {
    let actor = Actor::command_line();
    match command {
        Alias::Add { address, targets } => {
            let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
            app.accounts
                .create_alias(&actor, &address, &targets)
                .await
                .map_err(|why| explain(why, &address))?;
            println!("Mail for {address} goes to {}.", targets.join(", "));
        }
        Alias::List { domain } => {
            let rows = app
                .accounts
                .addresses(&actor, &domain)
                .await
                .map_err(|why| explain(why, &domain))?;
            for row in rows {
                let leads_to = match row.mailbox {
                    Some(_) if row.is_primary => "mailbox".to_owned(),
                    Some(mailbox) => format!("-> {mailbox}"),
                    None => format!("-> {}", row.targets.join(", ")),
                };
                println!("{:<40} {leads_to}", row.address);
            }
        }
        Alias::Remove { address } => {
            app.accounts
                .delete_alias(&actor, &address)
                .await
                .map_err(|why| explain(why, &address))?;
            println!("{address} is deleted.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(app: &App, address: &str) -> anyhow::Result<AccountId> {
    let row = app
        .accounts
        .account_by_name(address)
        .await
        .map_err(|why| explain(why, address))?;
    Ok(row.account_id)
}

fn role(role: crate::Role) -> Role {
    match role {
        crate::Role::User => Role::User,
        crate::Role::DomainAdmin => Role::DomainAdmin,
        crate::Role::HostAdmin => Role::HostAdmin,
    }
}

fn lang(language: Language) -> Lang {
    match language {
        Language::De => Lang::De,
        Language::En => Lang::En,
    }
}

/// Octets for a terminal, in steps of 1024.
fn size(octets: i64) -> String {
    let mut rest = octets;
    for unit in ["B", "KB", "MB", "GB"] {
        if rest < 10_240 {
            return format!("{rest} {unit}");
        }
        rest /= 1_024;
    }
    format!("{rest} TB")
}

const PAGE: i64 = 500;
