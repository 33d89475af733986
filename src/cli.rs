//! What the commands do: each opens the database, makes one call of a service, and prints its answer.

mod accounts;
mod demo;
mod queue;
mod serve;

use std::io::Read;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use postamt::config::value::parse_size;
use postamt::config::{Config, LogFormat};
use postamt::error::Refusal;
use postamt::server::database::{Database, For};
use postamt::server::init_log;
use postamt::service::{App, check};
use zeroize::Zeroizing;

use super::{Cli, Command};

/// Runs one command.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(cli.config.as_deref())?;
    if !matches!(cli.command, Command::Serve) {
        // A command speaks to somebody at a terminal: trouble only, and in words.
        config.log.format = LogFormat::Text;
        "warn".clone_into(&mut config.log.level);
    }
    init_log(&config.log).map_err(|error| anyhow::anyhow!("setting log.level: {error}"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(dispatch(cli.command, config))
}

async fn dispatch(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve => Box::pin(serve::serve(config)).await,
        Command::Migrate => {
            // Opening migrates.
            Database::open(&config, For::ACommand).await?.close().await;
            println!("The schema is up to date.");
            Ok(ExitCode::SUCCESS)
        }
        other => {
            with_app(config, async |app| match other {
                Command::Domain(command) => accounts::domain(app, command).await,
                Command::Account(command) => accounts::account(app, command).await,
                Command::Alias(command) => accounts::alias(app, command).await,
                Command::Queue(command) => queue::queue(app, command).await,
                Command::Check => check(app).await,
                Command::Demo => demo::demo(app).await,
                Command::Serve | Command::Migrate => Ok(ExitCode::SUCCESS),
            })
            .await
        }
    }
}

/// Opens the database, gives the services to `work`, tells running nodes what changed, and closes.
async fn with_app(
    config: Config,
    work: impl AsyncFnOnce(&App) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let database = Database::open(&config, For::ACommand).await?;
    let app = App::new(Arc::new(config), database.store.clone());
    let done = work(&app).await;
    app.changes.flush().await;
    drop(app);
    database.close().await;
    done
}

async fn check(app: &App) -> anyhow::Result<ExitCode> {
    let mut findings = 0_u64;
    let looked = check::check(app, |finding| {
        findings += 1;
        println!("{}: {}", finding.place, finding.what);
    })
    .await?;
    println!(
        "{} mailboxes and {} message bodies checked, {findings} findings.",
        looked.accounts, looked.bodies
    );
    Ok(if findings == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A quota as the operator writes it.
pub fn quota(text: &str) -> Result<i64, String> {
    let octets = parse_size(text).map_err(|error| error.to_string())?;
    i64::try_from(octets).map_err(|_| "this size is too large".to_owned())
}

/// A password from standard input: the first line, or all of it when there is no line end.
fn read_password() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(MOST_PASSWORD_OCTETS)
        .read_to_string(&mut text)
        .context("cannot read the password from standard input")?;
    let line = text.lines().next().unwrap_or_default();
    anyhow::ensure!(!line.is_empty(), "standard input holds no password");
    Ok(Zeroizing::new(line.to_owned()))
}

/// A refusal in the operator's words; `what` is the object the command named.
fn explain(refusal: Refusal, what: &str) -> anyhow::Error {
    let why = match &refusal {
        Refusal::NotFound => "there is no such domain, mailbox or address",
        Refusal::Exists => "exists already",
        Refusal::Invalid("domain") => "is no domain name like example.org",
        Refusal::Invalid("address") => "is no address like anna@example.org",
        Refusal::Invalid("domain-has-accounts") => "still has mailboxes: remove them first",
        Refusal::Invalid("name") => "the name is too long or holds control characters",
        Refusal::Invalid("quota") => "the quota must lie between nothing and the largest number",
        Refusal::Invalid("targets") => "one to 100 targets are needed, each an address",
        Refusal::Invalid("target-unknown") => "a target is an address of ours that is nobody's",
        Refusal::Invalid("password-short") => "the password is too short",
        Refusal::Invalid("password-long") => "the password is too long",
        Refusal::Invalid("password-characters") => "the password holds control characters",
        Refusal::Invalid("password-weak") => "the password is too easy to guess",
        _ => return anyhow::Error::new(refusal).context(what.to_owned()),
    };
    anyhow::anyhow!("{what}: {why}")
}

const MOST_PASSWORD_OCTETS: u64 = 4_096;
