//! The commands of POP3 as values (RFC 1939 3 to 7, RFC 2449 4 and 5, RFC 2595 4, RFC 5034 4, RFC 6856 2).
//!
//! A pure function from one line, without its ending, to a [`Command`]. Whether a command is legal now is the door's
//! business, and so are messages that do not exist: a number too large for anything is [`u32::MAX`], which no maildrop
//! holds.
//!
//! Tolerated beyond the grammar, because programs in use send it: keywords in any case (RFC 1939 3 says so), several
//! blanks between arguments and blanks at the end (Departure: old Outlook, hand-typed sessions), zeros in front of a number.
//! Not tolerated: control characters, arguments that a command does not take.

use super::sasl::Secret;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `CAPA` (RFC 2449 5).
    Capa,
    /// `STLS` (RFC 2595 4).
    Stls,
    /// `USER name`; the name as typed, blanks around it gone.
    User(String),
    /// `PASS string`; everything behind the first blank, blanks included (RFC 1939 7).
    Pass(Secret),
    /// `AUTH mechanism [initial-response]` (RFC 5034 4).
    Auth {
        /// The mechanism in upper case; none for the bare word, which asks what there is.
        mechanism: Option<String>,
        /// What came with the command, not decoded yet.
        initial: Option<Secret>,
    },
    /// `UTF8` (RFC 6856 2).
    Utf8,
    /// `STAT`.
    Stat,
    /// `LIST [message]`.
    List(Option<u32>),
    /// `UIDL [message]`.
    Uidl(Option<u32>),
    /// `RETR message`.
    Retr(u32),
    /// `TOP message lines`.
    Top {
        /// The message.
        number: u32,
        /// Lines of its body.
        lines: u32,
    },
    /// `DELE message`.
    Dele(u32),
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A keyword that nobody knows here.
    #[error("unknown command")]
    Unknown,
    /// The arguments are not those of the command.
    #[error("wrong arguments")]
    Arguments,
    /// A control character.
    #[error("control character in a command")]
    Control,
}

/// Reads one line without its ending.
///
/// # Errors
/// [`CommandError`].
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let at = line.iter().position(|octet| *octet == b' ');
    let (keyword, rest) = match at.and_then(|at| line.split_at_checked(at)) {
        Some((keyword, rest)) => (keyword, rest.get(1..)),
        None => (line, None),
    };
    let keyword = keyword.to_ascii_uppercase();
    if keyword == b"PASS" {
        return pass(rest);
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(CommandError::Control);
    }
    let text = std::str::from_utf8(rest.unwrap_or_default()).map_err(|_| CommandError::Arguments);
    let mut words = text
        .unwrap_or_default()
        .split(' ')
        .filter(|w| !w.is_empty());
    let command = match keyword.as_slice() {
        b"USER" => return user(text?),
        b"AUTH" => Command::Auth {
            mechanism: words.next().map(str::to_ascii_uppercase),
            initial: words.next().map(|w| Secret::new(w.as_bytes().to_vec())),
        },
        b"CAPA" => Command::Capa,
        b"STLS" => Command::Stls,
        b"UTF8" => Command::Utf8,
        b"STAT" => Command::Stat,
        b"LIST" => Command::List(words.next().map(number).transpose()?),
        b"UIDL" => Command::Uidl(words.next().map(number).transpose()?),
        b"RETR" => Command::Retr(one(words.next())?),
        b"TOP" => Command::Top {
            number: one(words.next())?,
            lines: one(words.next())?,
        },
        b"DELE" => Command::Dele(one(words.next())?),
        b"RSET" => Command::Rset,
        b"NOOP" => Command::Noop,
        b"QUIT" => Command::Quit,
        _ => return Err(CommandError::Unknown),
    };
    text?;
    match words.next() {
        None => Ok(command),
        Some(_) => Err(CommandError::Arguments),
    }
}

/// `PASS`: a password is never trimmed and may hold anything but NUL.
fn pass(rest: Option<&[u8]>) -> Result<Command, CommandError> {
    match rest {
        None | Some(b"") => Err(CommandError::Arguments),
        Some(password) if password.contains(&0) => Err(CommandError::Control),
        Some(password) => Ok(Command::Pass(Secret::new(password.to_vec()))),
    }
}

/// `USER`: one name; a blank inside it is left to the lock, which counts names that cannot exist too.
fn user(name: &str) -> Result<Command, CommandError> {
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_control) {
        return Err(CommandError::Arguments);
    }
    Ok(Command::User(name.to_owned()))
}

fn one(word: Option<&str>) -> Result<u32, CommandError> {
    number(word.ok_or(CommandError::Arguments)?)
}

/// Digits only; what passes 32 bits is the largest number.
fn number(word: &str) -> Result<u32, CommandError> {
    if word.is_empty() || !word.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(CommandError::Arguments);
    }
    let significant = word.trim_start_matches('0');
    Ok(if significant.is_empty() {
        0
    } else {
        significant.parse().unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec())
    }

    #[test]
    fn commands_of_rfc_1939() {
        for (line, command) in [
            ("STAT", Command::Stat),
            ("LIST", Command::List(None)),
            ("LIST 2", Command::List(Some(2))),
            ("RETR 1", Command::Retr(1)),
            ("DELE 1", Command::Dele(1)),
            ("NOOP", Command::Noop),
            ("RSET", Command::Rset),
            ("QUIT", Command::Quit),
            (
                "TOP 1 10",
                Command::Top {
                    number: 1,
                    lines: 10,
                },
            ),
            ("UIDL", Command::Uidl(None)),
            ("UIDL 2", Command::Uidl(Some(2))),
            ("USER mrose", Command::User("mrose".to_owned())),
            ("PASS secret", Command::Pass(secret("secret"))),
            ("CAPA", Command::Capa),
            ("STLS", Command::Stls),
            ("UTF8", Command::Utf8),
            (
                "AUTH",
                Command::Auth {
                    mechanism: None,
                    initial: None,
                },
            ),
            (
                "auth plain dGVzdA==",
                Command::Auth {
                    mechanism: Some("PLAIN".to_owned()),
                    initial: Some(secret("dGVzdA==")),
                },
            ),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(command.clone()), "{line}");
            if !line.starts_with("PASS") {
                let spaced = format!("{}  ", line.replace(' ', "   "));
                assert_eq!(parse(spaced.as_bytes()), Ok(command), "{spaced:?}");
            }
        }
        assert_eq!(parse(b"qUiT"), Ok(Command::Quit));
    }

    #[test]
    fn a_password_is_taken_as_it_stands() {
        for password in [" two  blanks ", "x", "\ttab", "p\u{e4}ss", " "] {
            let line = format!("pass {password}");
            assert_eq!(parse(line.as_bytes()), Ok(Command::Pass(secret(password))));
        }
        assert_eq!(
            parse(b"PASS \xff\xfe"),
            Ok(Command::Pass(Secret::new(vec![0xff, 0xfe])))
        );
        assert_eq!(parse(b"PASS"), Err(CommandError::Arguments));
        assert_eq!(parse(b"PASS "), Err(CommandError::Arguments));
        assert_eq!(parse(b"PASS a\0b"), Err(CommandError::Control));
    }

    #[test]
    fn a_name_may_be_any_text() {
        for (line, name) in [
            ("USER anna@x.test", "anna@x.test"),
            (
                "USER  J\u{fc}rgen@m\u{fc}ller.test ",
                "J\u{fc}rgen@m\u{fc}ller.test",
            ),
            ("USER two words", "two words"),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::User(name.to_owned())));
        }
        for line in [&b"USER"[..], b"USER ", b"USER    ", b"USER \xff"] {
            assert_eq!(parse(line), Err(CommandError::Arguments), "{line:?}");
        }
        assert_eq!(parse(b"USER a\tb"), Err(CommandError::Control));
        assert_eq!(
            parse("USER a\u{85}b".as_bytes()),
            Err(CommandError::Arguments)
        );
    }

    #[test]
    fn numbers_have_no_sign_and_no_end() {
        for (line, number) in [
            ("RETR 0", 0),
            ("RETR 000", 0),
            ("RETR 007", 7),
            ("RETR 4294967295", u32::MAX),
            ("RETR 4294967296", u32::MAX),
            ("RETR 99999999999999999999999999", u32::MAX),
            ("RETR 0000000000000000000000000001", 1),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Retr(number)), "{line}");
        }
        for line in [
            "RETR",
            "RETR ",
            "RETR -1",
            "RETR +1",
            "RETR x",
            "RETR 1x",
            "RETR 1 2",
            "TOP 1",
            "TOP 1 -1",
            "TOP 1 2 3",
            "DELE",
            "LIST x",
            "LIST 1 2",
            "UIDL 1 2",
            "STAT 1",
            "NOOP x",
            "QUIT now",
            "CAPA x",
            "STLS x",
            "RSET 1",
            "UTF8 x",
            "AUTH PLAIN a b",
            "RETR \u{661}",
        ] {
            assert_eq!(
                parse(line.as_bytes()),
                Err(CommandError::Arguments),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_no_command() {
        for line in [
            "",
            " ",
            " STAT",
            "APOP mrose c4c9334bac560ecc979e58001b3e22fb",
            "LAST",
            "LANG",
            "XTND XLST",
            "GET / HTTP/1.1",
            "EHLO x",
            "STATS",
            "ST\u{c4}T",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(CommandError::Unknown), "{line}");
        }
        for line in ["STAT\0", "RETR 1\r", "LIST\t1", "\u{7f}", "NO\nOP"] {
            assert_eq!(
                parse(line.as_bytes()),
                Err(CommandError::Control),
                "{line:?}"
            );
        }
        assert_eq!(parse(b"RETR \xff"), Err(CommandError::Arguments));
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            // No panic, and what was taken holds no control character but in a password.
            if let Ok(Command::User(name)) = parse(&line) {
                prop_assert!(!name.contains(char::is_control) && !name.is_empty());
            }
        }

        #[test]
        fn numbers_come_back(number in any::<u32>(), lines in any::<u32>()) {
            let line = format!("top {number} {lines}");
            prop_assert_eq!(parse(line.as_bytes()), Ok(Command::Top { number, lines }));
        }
    }
}
