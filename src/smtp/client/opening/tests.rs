//! Tests of `opening.rs`: each way through the drawing, and where it ends.

use super::*;
use crate::config::Secret;

/// Plays a host's lines; returns what was said, a `*` for a handshake, and where it ended.
fn play(protection: Protection, login: Option<&Login>, replies: &[&str]) -> (Vec<String>, Act) {
    let mut opening = Opening::new(
        "us.test",
        protection,
        login,
        protection == Protection::Implicit,
    );
    let mut said = Vec::new();
    for reply in replies {
        let lines: Vec<&str> = reply.split('|').collect();
        let code = lines[0][..3].parse().unwrap();
        let texts: Vec<&str> = lines.iter().map(|l| l.get(4..).unwrap_or("")).collect();
        let mut act = opening.reply(&Reply::many(code, texts));
        if act == Act::Handshake {
            said.push("*".to_owned());
            act = opening.secured();
        }
        match act {
            Act::Say(line) => said.push(line.trim_end().to_owned()),
            end => return (said, end),
        }
    }
    panic!("no end after {said:?}");
}

fn login() -> Login {
    Login {
        name: "tim".to_owned(),
        password: Secret::new("tanstaaftanstaaf".to_owned()),
    }
}

#[test]
fn tls_whenever_it_is_offered() {
    let (said, end) = play(
        Protection::Opportunistic,
        None,
        &["220 hi", "250-x|250 STARTTLS", "220 go", "250-x|250 SIZE 9"],
    );
    assert_eq!(said, ["EHLO us.test", "STARTTLS", "*", "EHLO us.test"]);
    let Act::Ready(now) = end else { panic!() };
    assert!(
        !now.starttls && now.size == Some(9),
        "forgotten with the handshake"
    );
}

#[test]
fn clear_when_it_is_not_offered_or_refused() {
    for replies in [
        &["220 hi", "250-x|250 DSN"][..],
        &["220 hi", "250-x|250-DSN|250 STARTTLS", "454 not now"][..],
    ] {
        let (_, end) = play(Protection::Opportunistic, None, replies);
        assert!(matches!(end, Act::Ready(c) if c.dsn));
    }
    let (said, end) = play(Protection::Never, None, &["220 hi", "250-x|250 STARTTLS"]);
    assert_eq!(said, ["EHLO us.test"]);
    assert!(matches!(end, Act::Ready(_)));
}

#[test]
fn a_route_that_demands_tls_gets_it_or_nothing() {
    for replies in [
        &["220 hi", "250 x"][..],
        &["220 hi", "250-x|250 STARTTLS", "454 not now"][..],
        &["220 hi", "502 what", "250 x"][..],
    ] {
        let (_, end) = play(Protection::Starttls, None, replies);
        assert!(matches!(end, Act::Fail(t) if !t.is_permanent));
    }
}

#[test]
fn helo_for_hosts_of_old() {
    let (said, end) = play(
        Protection::Opportunistic,
        None,
        &["220 hi", "500 what", "250 x"],
    );
    assert_eq!(said, ["EHLO us.test", "HELO us.test"]);
    assert_eq!(end, Act::Ready(Capabilities::default()));
}

#[test]
fn hosts_that_do_not_want_us() {
    for (replies, is_permanent) in [
        (&["421 busy"][..], false),
        (&["554 go away"][..], true),
        (&["521 no mail here"][..], true),
        (&["250 what"][..], false),
        (&["220 hi", "451 later"][..], false),
        (&["220 hi", "550 no", "550 no"][..], true),
    ] {
        let (_, end) = play(Protection::Opportunistic, None, replies);
        let Act::Fail(trouble) = end else {
            panic!("{end:?}")
        };
        assert_eq!(trouble.is_permanent, is_permanent, "{replies:?}");
    }
}

/// RFC 4616 4 has this name and password.
#[test]
fn a_smarthost_learns_the_password_under_tls_only() {
    let login = login();
    let (said, end) = play(
        Protection::Implicit,
        Some(&login),
        &["220 hi", "250-x|250 AUTH LOGIN PLAIN", "235 ok"],
    );
    assert_eq!(said[1], "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    assert!(matches!(end, Act::Ready(_)));
    let (said, end) = play(
        Protection::Implicit,
        Some(&login),
        &["220 hi", "250-x|250 AUTH LOGIN", "334 a", "334 b", "235 ok"],
    );
    assert_eq!(
        said[1..],
        ["AUTH LOGIN", "dGlt", "dGFuc3RhYWZ0YW5zdGFhZg=="]
    );
    assert!(matches!(end, Act::Ready(_)));
    for replies in [
        &["220 hi", "250-x|250 AUTH CRAM-MD5"][..],
        &["220 hi", "250-x|250 AUTH PLAIN", "535 no"][..],
    ] {
        let (_, end) = play(Protection::Implicit, Some(&login), replies);
        assert!(
            matches!(end, Act::Fail(t) if !t.is_permanent),
            "{replies:?}"
        );
    }
    let (said, end) = play(
        Protection::Opportunistic,
        Some(&login),
        &["220 hi", "250-x|250 AUTH PLAIN"],
    );
    assert!(
        said.len() == 1 && matches!(end, Act::Fail(_)),
        "never in clear"
    );
}
