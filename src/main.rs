//! The command line: `postamt serve | domain | account | alias | queue | migrate | check | demo`.
//!
//! A command beside a running server works on its database; without one it starts the private cluster for its own
//! run. What a command answers goes to standard output, what it logs and why it fails to standard error.

#![expect(
    clippy::doc_markdown,
    reason = "doc comments of the command line are its help text, read in a terminal"
)]

mod cli;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Mail, calendar and contacts for a mail host, in one program on one PostgreSQL schema.
#[derive(Debug, Parser)]
#[command(
    name = "postamt",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Settings file (TOML); each setting can also stand in the environment as POSTAMT_SECTION_KEY
    #[arg(long, global = true, value_name = "FILE", env = "POSTAMT_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the mail host
    Serve,
    /// Mail domains of this host
    #[command(subcommand)]
    Domain(Domain),
    /// Mailboxes
    #[command(subcommand)]
    Account(Account),
    /// Addresses that lead to mailboxes or to other hosts
    #[command(subcommand)]
    Alias(Alias),
    /// Mail on its way out
    #[command(subcommand)]
    Queue(Queue),
    /// Bring the database schema up to date and end
    Migrate,
    /// Prove that every counter, hash and audit row is what it must be
    Check,
    /// Create the domain demo.test with two mailboxes and sample mail where it is missing, and print how to sign in
    Demo,
}

#[derive(Debug, Subcommand)]
enum Domain {
    /// Take on a mail domain
    Add {
        /// The domain, like example.org
        name: String,
    },
    /// Show all mail domains
    List,
    /// Give up a mail domain that has no mailboxes any more
    Remove {
        /// The domain
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum Account {
    /// Create a mailbox; without --password-stdin an initial password is made and shown once
    Add(NewAccount),
    /// Set a new initial password; a lock after wrong passwords stays as it is
    Passwd {
        /// The mailbox
        address: String,
        /// Read the password from standard input instead of making one
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change a mailbox
    Set(ChangedAccount),
    /// Show all mailboxes, or those of one domain
    List {
        /// The domain
        domain: Option<String>,
    },
    /// Delete a mailbox with everything in it, for good
    Remove {
        /// The mailbox
        address: String,
        /// Its address once more, so that nobody is deleted by a slip
        #[arg(long, value_name = "ADDRESS")]
        confirm: String,
    },
}

#[derive(Debug, Args)]
struct NewAccount {
    /// The mailbox, like anna@example.org; its domain exists
    address: String,
    /// The name people see
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// What it may hold, like 5G
    #[arg(long, value_name = "SIZE", value_parser = cli::quota)]
    quota: Option<i64>,
    /// Make it an administrator of its domain
    #[arg(long)]
    admin: bool,
    /// Language of its pages
    #[arg(long, value_enum, default_value_t = Language::De)]
    language: Language,
    /// Read the password from standard input instead of making one
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct AccountChanges {
    /// What it may do
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// What it may hold, like 5G
    #[arg(long, value_name = "SIZE", value_parser = cli::quota)]
    quota: Option<i64>,
    /// The name people see
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Language of its pages
    #[arg(long, value_enum)]
    language: Option<Language>,
    /// Whether it takes mail and its owner may sign in
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
}

#[derive(Debug, Args)]
struct ChangedAccount {
    /// The mailbox
    address: String,
    #[command(flatten)]
    changes: AccountChanges,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// The own mailbox only
    User,
    /// Manages the mailboxes of the own domain
    DomainAdmin,
    /// Manages the whole host
    HostAdmin,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// German
    De,
    /// English
    En,
}

#[derive(Debug, Subcommand)]
enum Alias {
    /// Create an alias; @example.org catches every address of the domain that is nobody's
    Add {
        /// The address
        address: String,
        /// Where its mail goes
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Show all addresses of a domain
    List {
        /// The domain
        domain: String,
    },
    /// Delete an alias
    Remove {
        /// The address
        address: String,
    },
}

#[derive(Debug, Subcommand)]
enum Queue {
    /// Show what waits
    List {
        /// Also what came to its end: the delivery log
        #[arg(long)]
        all: bool,
    },
    /// Try again now
    Retry {
        /// One message; without it all
        id: Option<i64>,
    },
    /// Give a message up without telling its sender
    Drop {
        /// The message
        id: i64,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("postamt: {error:#}");
            ExitCode::FAILURE
        }
    }
}
