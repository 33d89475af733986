//! `postamt demo`.

use std::net::SocketAddr;
use std::process::ExitCode;

use postamt::service::{App, demo};
use time::OffsetDateTime;

/// Creates the demo and says how to look at it.
pub async fn demo(app: &App) -> anyhow::Result<ExitCode> {
    let made = demo::create(app, OffsetDateTime::now_utc()).await?;
    if made.mailboxes > 0 {
        println!(
            "Demo: {} mailboxes with {} messages are made in {}.",
            made.mailboxes,
            made.messages,
            demo::DOMAIN
        );
    } else {
        println!("Demo: its mailboxes exist and stay as they are.");
    }
    let config = &app.config;
    let web = match config.web.listen.first() {
        Some(address) => format!(
            "https://localhost:{}/",
            port(*address, config.web.public_port)
        ),
        None => "(web.listen is empty)".to_owned(),
    };
    println!();
    println!("  Web         {web}   (its certificate is self-signed unless you set one)");
    for person in demo::PEOPLE {
        println!(
            "  {:<11} {}   password {}",
            person.name, person.address, person.password
        );
    }
    println!("  Mail in     SMTP {}", ports(&config.smtp.listen));
    println!(
        "  Submission  SMTP {} with STARTTLS, {} with TLS",
        ports(&config.submission.listen),
        ports(&config.submission.listen_tls)
    );
    println!();
    println!(
        "These passwords are known to everybody: remove the two mailboxes before others can reach this host."
    );
    Ok(ExitCode::SUCCESS)
}

/// The port a browser names: the one in front of us when there is one.
fn port(address: SocketAddr, public: u16) -> u16 {
    if public == 0 { address.port() } else { public }
}

fn ports(listen: &[SocketAddr]) -> String {
    if listen.is_empty() {
        return "(off)".to_owned();
    }
    let all: Vec<String> = listen.iter().map(ToString::to_string).collect();
    all.join(", ")
}
