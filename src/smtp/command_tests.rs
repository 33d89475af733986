//! Tests of `command.rs`: known answers, writing and reading, the oracle, the fuzz target.

use std::borrow::Cow;

use proptest::prelude::*;
use smtp_proto::Request;

use super::*;
use crate::smtp::params::tests::{any_mail_params, any_rcpt_params};
use crate::smtp::params::{BodyType, Notify, Ret};
use crate::smtp::path::tests::any_mailbox;

fn read_octets(line: &[u8]) -> Result<Command, CommandError> {
    parse(line, &PathLimits::default())
}

fn read(line: &str) -> Result<Command, CommandError> {
    read_octets(line.as_bytes())
}

/// The commands of the scenarios in RFC 5321 appendix D, RFC 1870 6, RFC 3030 4, RFC 3461 10, RFC 4954 6.
#[test]
fn commands_of_the_rfcs() {
    for line in [
        "EHLO bar.com",
        "HELO bar.com",
        "MAIL FROM:<Smith@bar.com>",
        "RCPT TO:<Jones@foo.com>",
        "RCPT TO:<Postmaster>",
        "MAIL FROM:<>",
        "MAIL FROM:<ned@thor.innosoft.com> SIZE=500000",
        "DATA",
        "RSET",
        "QUIT",
        "STARTTLS",
        "NOOP",
        "HELP",
        "BDAT 86 LAST",
        "BDAT 0 LAST",
        "BDAT 100000",
        "MAIL FROM:<Alice@Example.ORG> RET=HDRS ENVID=QQ314159",
        "RCPT TO:<Bob@Example.COM> NOTIFY=SUCCESS ORCPT=rfc822;Bob@Example.COM",
        "RCPT TO:<Dana@Ivory.EDU> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Dana@Ivory.EDU",
    ] {
        assert_eq!(read(line).unwrap().to_string(), line);
    }
}

#[test]
fn what_is_tolerated() {
    assert_eq!(read("quit"), Ok(Command::Quit));
    assert_eq!(read("DaTa  \t "), Ok(Command::Data));
    assert_eq!(read("NOOP is it you?"), Ok(Command::Noop));
    assert_eq!(read("VRFY joe"), Ok(Command::Vrfy));
    assert_eq!(read("EXPN list"), Ok(Command::Expn));
    assert_eq!(read("HELP MAIL"), Ok(Command::Help));
    assert_eq!(
        read("mail  from: <a@b.example>  size=1 "),
        read("MAIL FROM:<a@b.example> SIZE=1")
    );
    assert_eq!(read("bdat  5   last"), read("BDAT 5 LAST"));
    assert!(read("EHLO [192.0.2.1]").is_ok());
    assert!(read("EHLO my_pc").is_ok());
    assert!(read(&format!("EHLO {}", "a".repeat(255))).is_ok());
}

#[test]
fn the_reason_of_each_refusal() {
    use CommandError as E;
    for (line, why) in [
        ("", E::Unknown),
        (" QUIT", E::Unknown),
        ("XYZZY", E::Unknown),
        ("GET / HTTP/1.1", E::Unknown),
        ("MAILFROM:<a@b>", E::Unknown),
        ("ETRN x", E::NotImplemented),
        ("LHLO x", E::NotImplemented),
        ("TURN", E::NotImplemented),
        ("EHLO", E::Arguments),
        ("HELO ", E::Arguments),
        ("EHLO a\x01b", E::Arguments),
        ("DATA now", E::Arguments),
        ("QUIT now", E::Arguments),
        ("RSET x", E::Arguments),
        ("STARTTLS x", E::Arguments),
        ("VRFY", E::Arguments),
        ("MAIL", E::Arguments),
        ("MAIL TO:<a@b>", E::Arguments),
        ("MAIL FROM", E::Arguments),
        ("MAIL FROM:", E::Arguments),
        ("MAIL FROM:nobody", E::Arguments),
        ("MAIL FROM:a@b.example", E::Arguments),
        ("MAIL FROM <a@b.example>", E::Arguments),
        ("MAIL FROM:<a@b", E::Sender(PathError::Syntax)),
        ("MAIL FROM:<a b@c>", E::Sender(PathError::Syntax)),
        ("MAIL FROM:<Postmaster>", E::Sender(PathError::Syntax)),
        ("MAIL FROM:<a@b>SIZE=1", E::Param(ParamError::Malformed)),
        ("MAIL FROM:<a@b> FOO=1", E::Param(ParamError::Unknown)),
        (
            "MAIL FROM:<a@b> BODY=BINARYMIME",
            E::Param(ParamError::NotImplemented),
        ),
        ("MAIL FROM:<grün@b>", E::NeedsSmtpUtf8),
        ("RCPT TO:<>", E::Recipient(PathError::Syntax)),
        ("RCPT TO:<@a:b@c>", E::Recipient(PathError::SourceRoute)),
        ("RCPT TO:a@b", E::Arguments),
        ("RCPT FROM:<a@b>", E::Arguments),
        ("BDAT", E::Arguments),
        ("BDAT -1", E::Arguments),
        ("BDAT 1 FIRST", E::Arguments),
        ("BDAT 1 LAST LAST", E::Arguments),
        ("BDAT 99999999999999999999", E::Arguments),
        ("BDAT +1 LAST", E::Arguments),
        ("AUTH", E::Arguments),
        ("AUTH PL@IN", E::Arguments),
        ("AUTH PLAIN a b", E::Arguments),
        ("AUTH ABCDEFGHIJKLMNOPQRSTU", E::Arguments),
    ] {
        assert_eq!(read(line), Err(why), "{line}");
    }
    assert_eq!(
        read(&format!("EHLO {}", "a".repeat(256))),
        Err(CommandError::Arguments)
    );
}

/// Promise S-32: a bare CR, LF or NUL in a command is never looked past.
#[test]
fn s32_bare_control_in_a_command() {
    for line in [
        &b"QUIT\n"[..],
        b"NOOP\nQUIT",
        b"NOOP\rQUIT",
        b"MAIL FROM:<a@b>\nRCPT TO:<c@d>",
        b"EHLO a\0b",
        b"\r",
        b"QUIT\r",
    ] {
        assert_eq!(read_octets(line), Err(CommandError::BareControl));
    }
}

#[test]
fn octets_that_are_not_utf8() {
    assert_eq!(
        read_octets(b"MAIL FROM:<\xe4@b> SMTPUTF8"),
        Err(CommandError::Arguments)
    );
    assert_eq!(read_octets(b"EHLO \xff"), Err(CommandError::Arguments));
    assert_eq!(read_octets(b"\xff\xfe"), Err(CommandError::Unknown));
}

#[test]
fn auth_hides_its_secret() {
    let auth = read("auth plain AHRpbQB0YW5zdGFhZg==").unwrap();
    let Command::Auth { mechanism, initial } = &auth else {
        panic!("AUTH")
    };
    assert_eq!(mechanism, "PLAIN");
    assert_eq!(initial.as_ref().unwrap().expose(), b"AHRpbQB0YW5zdGFhZg==");
    assert!(!format!("{auth:?} {auth}").contains("AHRp"));
    let empty = read("AUTH EXTERNAL =").unwrap();
    assert!(matches!(empty, Command::Auth { initial: Some(i), .. } if i.expose() == b"="));
}

#[test]
fn a_client_name_in_a_trace() {
    let name = |t: &str| ClientName::parse(t).unwrap().for_trace();
    assert_eq!(name("host.example"), "host.example");
    assert_eq!(name("[IPv6:::1]"), "[IPv6:::1]");
    assert_eq!(name("grün (a) b;c"), "gr?n??a??b?c");
}

fn any_command() -> impl Strategy<Value = Command> {
    let name = "[!-~]([ -~]{0,40}[!-~])?".prop_map(|n| ClientName::parse(&n).unwrap());
    let from = prop_oneof![
        1 => Just(ReversePath::Null),
        4 => any_mailbox().prop_map(ReversePath::Mailbox),
    ];
    let to = prop_oneof![
        1 => Just(ForwardPath::Postmaster),
        4 => any_mailbox().prop_map(ForwardPath::Mailbox),
    ];
    prop_oneof![
        2 => name.clone().prop_map(Command::Ehlo),
        1 => name.prop_map(Command::Helo),
        8 => (from, any_mail_params()).prop_map(|(from, mut params)| {
            params.smtputf8 |= from.mailbox().is_some_and(|m| !m.is_ascii());
            Command::Mail { from, params }
        }),
        8 => (to, any_rcpt_params()).prop_map(|(to, params)| Command::Rcpt { to, params }),
        2 => (any::<u64>(), any::<bool>())
            .prop_map(|(size_bytes, last)| Command::Bdat { size_bytes, last }),
        1 => prop::sample::select(vec![
            Command::Data,
            Command::Rset,
            Command::Noop,
            Command::Vrfy,
            Command::Expn,
            Command::Help,
            Command::Quit,
            Command::StartTls,
        ]),
        1 => "[A-Z0-9_-]{1,20}".prop_map(|mechanism| Command::Auth {
            mechanism,
            initial: None,
        }),
    ]
}

/// Compares with the oracle what both of them understand. The known differences (postmaster without a
/// domain, quoted local parts) are left out by the caller.
fn agrees(ours: &Command, theirs: &Request<Cow<'_, str>>) -> bool {
    match (ours, theirs) {
        (Command::Ehlo(n), Request::Ehlo { host }) | (Command::Helo(n), Request::Helo { host }) => {
            n.as_str() == host
        }
        (Command::Mail { from, params }, Request::Mail { from: theirs }) => {
            let address = from.mailbox().map(ToString::to_string).unwrap_or_default();
            let mut flags = 0;
            flags |= match params.body {
                Some(BodyType::SevenBit) => smtp_proto::MAIL_BODY_7BIT,
                Some(BodyType::EightBitMime) => smtp_proto::MAIL_BODY_8BITMIME,
                None => 0,
            };
            flags |= match params.ret {
                Some(Ret::Full) => smtp_proto::MAIL_RET_FULL,
                Some(Ret::Headers) => smtp_proto::MAIL_RET_HDRS,
                None => 0,
            };
            if params.smtputf8 {
                flags |= smtp_proto::MAIL_SMTPUTF8;
            }
            address == theirs.address
                && flags == theirs.flags
                && params.size_bytes.unwrap_or_default() == theirs.size as u64
                && params.envid.as_deref() == theirs.env_id.as_deref()
        }
        (Command::Rcpt { to, params }, Request::Rcpt { to: theirs }) => {
            let address = to.mailbox().map(ToString::to_string).unwrap_or_default();
            let flags = match params.notify {
                None => 0,
                Some(Notify::NEVER) => smtp_proto::RCPT_NOTIFY_NEVER,
                Some(notify) => {
                    (u64::from(notify.success) * smtp_proto::RCPT_NOTIFY_SUCCESS)
                        | (u64::from(notify.failure) * smtp_proto::RCPT_NOTIFY_FAILURE)
                        | (u64::from(notify.delay) * smtp_proto::RCPT_NOTIFY_DELAY)
                }
            };
            address == theirs.address && flags == theirs.flags
        }
        (
            Command::Bdat { size_bytes, last },
            Request::Bdat {
                chunk_size,
                is_last,
            },
        ) => *size_bytes == *chunk_size as u64 && last == is_last,
        (Command::Data, Request::Data)
        | (Command::Rset, Request::Rset)
        | (Command::Noop, Request::Noop { .. })
        | (Command::Vrfy, Request::Vrfy { .. })
        | (Command::Expn, Request::Expn { .. })
        | (Command::Help, Request::Help { .. })
        | (Command::Quit, Request::Quit)
        | (Command::StartTls, Request::StartTls)
        | (Command::Auth { .. }, Request::Auth { .. }) => true,
        _ => false,
    }
}

/// What the oracle cannot be asked about, each for a reason.
fn beyond_the_oracle(command: &Command) -> bool {
    let odd = |m: &crate::smtp::path::Mailbox| {
        // It drops the quotes of a local part, and it wants a name, not `[tag:literal]` or U-labels.
        let text = m.to_string();
        text.starts_with('"') || text.contains('[') || !text.is_ascii()
    };
    match command {
        Command::Mail { from, params } => {
            // It keeps `AUTH=` in xtext and saturates a size near the end of its integer.
            from.mailbox().is_some_and(odd)
                || params.auth.is_some()
                || params.size_bytes.is_some_and(|s| s > u64::MAX / 16)
        }
        Command::Rcpt { to, params } => to.mailbox().is_none_or(odd) || params.orcpt.is_some(),
        Command::Bdat { size_bytes, .. } => *size_bytes > u64::MAX / 16,
        // It takes the text up to the first space as the name, and knows only registered mechanisms.
        Command::Ehlo(name) | Command::Helo(name) => name.as_str().contains(' '),
        Command::Auth { .. } => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn written_then_read(command in any_command()) {
        prop_assert_eq!(read_octets(command.to_string().as_bytes()), Ok(command));
    }

    #[test]
    fn the_oracle_reads_the_same(command in any_command()) {
        prop_assume!(!beyond_the_oracle(&command));
        let line = format!("{command}\r\n");
        let theirs = Request::parse(&mut line.as_bytes().iter());
        let same = matches!(&theirs, Ok(theirs) if agrees(&command, theirs));
        prop_assert!(same, "{command:?} is {theirs:?} to the oracle");
    }

    #[test]
    fn never_panics_on_near_misses(
        verb in prop::sample::select(vec!["MAIL FROM:", "RCPT TO:", "EHLO ", "AUTH ", "BDAT ", ""]),
        rest in "[ -~äß\t]{0,60}",
    ) {
        let _ = read(&format!("{verb}{rest}"));
    }
}

/// Whatever comes, reading ends, and what was understood is understood again when it is written.
#[test]
fn fuzz_command_line() {
    bolero::check!().for_each(|line: &[u8]| {
        if let Ok(command) = read_octets(line)
            && !matches!(command, Command::Auth { .. })
        {
            assert_eq!(read_octets(command.to_string().as_bytes()), Ok(command));
        }
    });
}
