//! Tests of `state.rs`: the order of commands and every counted limit at n and n+1, without a socket.

use proptest::prelude::*;

use super::*;
use crate::smtp::command::parse;
use crate::smtp::path::PathLimits;

type Plain = State<(), ()>;

fn open(door: Door, tls: bool) -> Plain {
    let limits = SessionLimits::from_config(door, &Smtp::default(), &Submission::default());
    State::new(door, "mx.example", tls, limits)
}

/// Steps and carries out what a session would, every service saying yes; gives the reply's code back,
/// 0 for a hang-up.
fn say(state: &mut Plain, line: &str) -> (u16, bool) {
    let action = state.step(parse(line.as_bytes(), &PathLimits::default()), false);
    carry_out(state, action)
}

fn carry_out(state: &mut Plain, action: Action) -> (u16, bool) {
    match action {
        Action::Reply(reply) | Action::Slow(reply) | Action::Discard { reply, .. } => {
            (reply.code(), false)
        }
        Action::Close(reply) => (reply.code(), true),
        Action::Hangup => (0, true),
        Action::StartTls(reply) => {
            state.tls_started();
            (reply.code(), false)
        }
        Action::SignIn { .. } => (state.signed_in(()).code(), false),
        Action::Sender { from, params } => (state.begin(from, params).code(), false),
        Action::Recipient { to, params } => (state.add(to, params, ()).code(), false),
        Action::Data => {
            state.end();
            (250, false)
        }
        Action::Chunk { last, .. } => {
            if last {
                state.end();
            }
            (250, false)
        }
    }
}

fn story(state: &mut Plain, steps: &[(&str, u16)]) {
    for (line, code) in steps {
        assert_eq!(say(state, line).0, *code, "{line}");
    }
}

#[test]
fn a_message_at_the_mx() {
    let mut state = open(Door::Mx, false);
    assert_eq!(state.greeting().to_string(), "220 mx.example ESMTP\r\n");
    story(
        &mut state,
        &[
            ("NOOP", 250),
            ("MAIL FROM:<a@b.example>", 503),
            ("RCPT TO:<a@b.example>", 503),
            ("DATA", 503),
            ("STARTTLS", 503),
            ("AUTH PLAIN", 502),
            ("EHLO client.example", 250),
            ("AUTH PLAIN", 502),
            ("RCPT TO:<a@b.example>", 503),
            ("MAIL FROM:<a@b.example> SIZE=52428800", 250),
            ("MAIL FROM:<a@b.example>", 503),
            ("DATA", 503),
            ("RCPT TO:<grün@b.example>", 553),
            ("RCPT TO:<a@b.example>", 250),
            ("DATA", 250),
            ("DATA", 503),
            ("MAIL FROM:<a@b.example> SIZE=52428801", 552),
            ("MAIL FROM:<> SMTPUTF8", 250),
            ("RCPT TO:<grün@b.example>", 250),
            ("RSET", 250),
            ("RCPT TO:<a@b.example>", 503),
            ("MAIL FROM:<>", 250),
            ("HELO client.example", 250),
            ("RCPT TO:<a@b.example>", 503),
            ("VRFY a", 252),
            ("EXPN a", 502),
            ("HELP", 214),
            ("QUIT", 221),
        ],
    );
}

#[test]
fn s21_no_auth_before_tls() {
    let mut state = open(Door::Submission, false);
    let ehlo = |state: &mut Plain| {
        let Action::Reply(reply) =
            state.step(parse(b"EHLO c.example", &PathLimits::default()), false)
        else {
            panic!("EHLO")
        };
        reply.lines().to_vec()
    };
    let offered = ehlo(&mut state);
    assert!(offered.contains(&"STARTTLS".to_owned()));
    assert!(!offered.iter().any(|l| l.starts_with("AUTH")));
    story(
        &mut state,
        &[
            ("AUTH PLAIN AGEAYg==", 538),
            ("AUTH LOGIN", 538),
            ("MAIL FROM:<a@b.example>", 530),
            ("STARTTLS", 220),
            ("MAIL FROM:<a@b.example>", 503),
            ("AUTH PLAIN AGEAYg==", 503),
        ],
    );
    let offered = ehlo(&mut state);
    assert!(!offered.contains(&"STARTTLS".to_owned()));
    assert!(offered.contains(&"AUTH PLAIN LOGIN".to_owned()));
    story(
        &mut state,
        &[
            ("STARTTLS", 503),
            ("MAIL FROM:<a@b.example>", 530),
            ("AUTH CRAM-MD5", 504),
            ("AUTH PLAIN AGEAYg==", 235),
            ("AUTH PLAIN AGEAYg==", 503),
            ("MAIL FROM:<a@b.example>", 250),
        ],
    );
}

#[test]
fn the_mx_never_offers_auth() {
    for tls in [false, true] {
        let mut state = open(Door::Mx, tls);
        let Action::Reply(reply) =
            state.step(parse(b"EHLO c.example", &PathLimits::default()), false)
        else {
            panic!("EHLO")
        };
        assert!(!reply.to_string().contains("AUTH"));
        assert_eq!(reply.to_string().contains("STARTTLS"), !tls);
        assert!(reply.to_string().contains("SIZE 52428800"));
    }
}

#[test]
fn s33_octets_behind_starttls_and_data() {
    let mut state = open(Door::Mx, false);
    story(&mut state, &[("EHLO c.example", 250)]);
    assert_eq!(state.step(Ok(Command::StartTls), true), Action::Hangup);
    story(
        &mut state,
        &[("MAIL FROM:<>", 250), ("RCPT TO:<a@b.example>", 250)],
    );
    let action = state.step(Ok(Command::Data), true);
    assert!(matches!(&action, Action::Close(r) if r.code() == 503));
}

#[test]
fn tls_forgets_what_was_said() {
    let mut state = open(Door::Mx, false);
    story(
        &mut state,
        &[
            ("EHLO c.example", 250),
            ("MAIL FROM:<>", 250),
            ("RCPT TO:<a@b.example>", 250),
            ("STARTTLS", 220),
        ],
    );
    assert!(state.hello().is_none() && state.transaction().is_none());
    story(&mut state, &[("DATA", 503), ("MAIL FROM:<>", 503)]);
}

#[test]
fn chunks() {
    let mut state = open(Door::Mx, false);
    story(
        &mut state,
        &[
            ("EHLO c.example", 250),
            ("BDAT 10", 503),
            ("MAIL FROM:<>", 250),
            ("BDAT 10 LAST", 503),
            ("RCPT TO:<a@b.example>", 250),
            ("BDAT 0", 250),
            ("DATA", 503),
            ("RCPT TO:<c@b.example>", 503),
            ("MAIL FROM:<>", 503),
            ("BDAT 52428800", 250),
            ("BDAT 0 LAST", 250),
            ("BDAT 1 LAST", 503),
            ("MAIL FROM:<>", 250),
            ("RCPT TO:<a@b.example>", 250),
            ("BDAT 52428800", 250),
            ("BDAT 1", 552),
            ("BDAT 1 LAST", 503),
        ],
    );
    assert_eq!(say(&mut state, "BDAT 52428801"), (503, true));
    assert_eq!(say(&mut state, "BDAT 18446744073709551615"), (503, true));
}

#[test]
fn wrong_commands() {
    let mut state = open(Door::Mx, false);
    for n in 1..=20 {
        let action = state.step(Err(CommandError::Unknown), false);
        match n {
            1..=10 => assert!(matches!(action, Action::Reply(_)), "{n}"),
            _ => assert!(matches!(action, Action::Slow(_)), "{n}"),
        }
    }
    let action = state.step(Err(CommandError::Unknown), false);
    assert!(matches!(action, Action::Close(r) if r.code() == 421));
}

#[test]
fn idle_commands() {
    let mut state = open(Door::Mx, false);
    story(&mut state, &[("EHLO c.example", 250)]);
    for _ in 0..99 {
        assert_eq!(say(&mut state, "NOOP"), (250, false));
    }
    assert_eq!(say(&mut state, "RSET"), (421, true));
}

#[test]
fn unknown_recipients() {
    let mut state = open(Door::Mx, false);
    let no = || Reply::new(550, Status(5, 1, 1), "No such user here");
    for _ in 0..10 {
        assert!(matches!(state.unknown_recipient(no()), Action::Reply(_)));
    }
    assert!(matches!(state.unknown_recipient(no()), Action::Close(r) if r.code() == 421));
}

#[test]
fn auth_tries() {
    let mut state = open(Door::Submission, true);
    story(&mut state, &[("EHLO c.example", 250)]);
    for _ in 0..3 {
        let action = state.step(parse(b"AUTH LOGIN", &PathLimits::default()), false);
        assert!(matches!(action, Action::SignIn { .. }));
    }
    assert_eq!(say(&mut state, "AUTH LOGIN"), (421, true));
}

#[test]
fn recipients_and_messages() {
    for (door, most) in [(Door::Mx, 1_000), (Door::Submission, 200)] {
        let mut state = open(door, true);
        story(&mut state, &[("EHLO c.example", 250)]);
        if door == Door::Submission {
            story(&mut state, &[("AUTH PLAIN AGEAYg==", 235)]);
        }
        story(&mut state, &[("MAIL FROM:<>", 250)]);
        for _ in 0..most {
            assert_eq!(say(&mut state, "RCPT TO:<a@b.example>"), (250, false));
        }
        assert_eq!(say(&mut state, "RCPT TO:<a@b.example>"), (452, false));
        assert_eq!(say(&mut state, "DATA"), (250, false));
        for _ in 1..100 {
            story(
                &mut state,
                &[
                    ("MAIL FROM:<>", 250),
                    ("RCPT TO:<a@b.example>", 250),
                    ("DATA", 250),
                ],
            );
        }
        assert_eq!(say(&mut state, "MAIL FROM:<>"), (421, true));
    }
}

proptest! {
    /// Whatever the order: no message without a sender, a recipient and, on submission, TLS and a sign-in;
    /// and no connection lives for ever.
    #[test]
    fn no_order_of_commands_gets_around_the_table(
        submission in any::<bool>(),
        lines in prop::collection::vec(prop::sample::select(vec![
            "EHLO a.example", "HELO a.example", "STARTTLS", "AUTH PLAIN AGEAYg==", "MAIL FROM:<>",
            "RCPT TO:<a@b.example>", "DATA", "BDAT 5", "BDAT 5 LAST", "RSET", "NOOP", "XYZZY",
        ]), 0..300),
    ) {
        let door = if submission { Door::Submission } else { Door::Mx };
        let mut state = open(door, false);
        let (mut tls, mut hello, mut signed_in, mut sender, mut recipients) = (false, false, false, false, 0);
        for line in lines {
            let action = state.step(parse(line.as_bytes(), &PathLimits::default()), false);
            match &action {
                Action::StartTls(_) => {
                    prop_assert!(!tls);
                    (tls, hello, signed_in, sender, recipients) = (true, false, false, false, 0);
                }
                Action::SignIn { .. } => {
                    prop_assert!(submission && tls && hello && !signed_in && !sender);
                    signed_in = true;
                }
                Action::Sender { .. } => {
                    prop_assert!(hello && !sender && (!submission || tls && signed_in));
                    (sender, recipients) = (true, 0);
                }
                Action::Recipient { .. } => {
                    prop_assert!(sender);
                    recipients += 1;
                }
                Action::Data | Action::Chunk { .. } => prop_assert!(sender && recipients > 0),
                _ => {}
            }
            let over = matches!(action, Action::Data | Action::Chunk { last: true, .. });
            let (code, closed) = carry_out(&mut state, action);
            if closed {
                break;
            }
            if line.contains("LO ") && code == 250 {
                hello = true;
            }
            if over || (code == 250 && (line == "RSET" || line.contains("LO "))) {
                (sender, recipients) = (false, 0);
            }
        }
    }
}
