//! The grammar of SMTP commands (RFC 5321 4.1.1, and the extensions that our EHLO announces:
//! RFC 1870 SIZE, RFC 2920 PIPELINING, RFC 3030 BDAT, RFC 3207 STARTTLS, RFC 3461 DSN, RFC 4954 AUTH,
//! RFC 6152 8BITMIME, RFC 6531 SMTPUTF8).
//!
//! One line in, one [`Command`] or one [`CommandError`] out; no input, no output, no state. Whether a
//! command is legal at this moment is the session's question. A [`Command`] writes itself too, which is
//! how our client side speaks and how the tests prove that reading and writing agree.
//!
//! A bare CR, a bare LF or a NUL in a line is never looked past (promise S-32).
//!
//! Departure: spaces after the colon of `MAIL FROM:` and `RCPT TO:` are taken (RFC 5321 3.3 forbids
//! them): printers and scanners send them, and nothing else can follow there.

use std::fmt;

use super::params::{MailParams, ParamError, RcptParams};
use super::path::{ForwardPath, MAX_DOMAIN, PathError, PathLimits, ReversePath, split_path};
use crate::format::sasl::Secret;

/// A command, its arguments read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `EHLO` (RFC 5321 4.1.1.1)
    Ehlo(ClientName),
    /// `HELO` (RFC 5321 4.1.1.1)
    Helo(ClientName),
    /// `MAIL FROM:` (RFC 5321 4.1.1.2)
    Mail {
        /// Where failures go.
        from: ReversePath,
        /// What stands behind it.
        params: MailParams,
    },
    /// `RCPT TO:` (RFC 5321 4.1.1.3)
    Rcpt {
        /// Where the message goes.
        to: ForwardPath,
        /// What stands behind it.
        params: RcptParams,
    },
    /// `DATA` (RFC 5321 4.1.1.4)
    Data,
    /// `BDAT` (RFC 3030 2)
    Bdat {
        /// Octets that follow the line.
        size_bytes: u64,
        /// Whether the message ends with them.
        last: bool,
    },
    /// `RSET` (RFC 5321 4.1.1.5)
    Rset,
    /// `NOOP` (RFC 5321 4.1.1.9); its argument means nothing.
    Noop,
    /// `VRFY` (RFC 5321 4.1.1.6)
    Vrfy,
    /// `EXPN` (RFC 5321 4.1.1.7)
    Expn,
    /// `HELP` (RFC 5321 4.1.1.8)
    Help,
    /// `QUIT` (RFC 5321 4.1.1.10)
    Quit,
    /// `STARTTLS` (RFC 3207 4)
    StartTls,
    /// `AUTH` (RFC 4954 4)
    Auth {
        /// The mechanism, upper case.
        mechanism: String,
        /// The initial response, still in base64; `=` stands for an empty one.
        initial: Option<Secret>,
    },
}

/// What a client calls itself: 1 to 255 printable octets, which the session only ever prints.
///
/// RFC 5321 4.1.4 forbids to refuse mail over a wrong name, so this is deliberately wider than
/// `Domain / address-literal`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName(String);

/// Why a line is not a command. Each has one reply (`reply.rs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A CR, LF or NUL inside the line.
    #[error("a bare CR, LF or NUL in a command")]
    BareControl,
    /// A line beyond the limit; the reader says so.
    #[error("the line is too long")]
    TooLong,
    /// No command of ours.
    #[error("unknown command")]
    Unknown,
    /// A command of RFC 5321 or its family that is not offered.
    #[error("command not implemented")]
    NotImplemented,
    /// The arguments do not follow the command's grammar.
    #[error("syntax error in the arguments")]
    Arguments,
    /// The path of `MAIL FROM`.
    #[error("sender: {0}")]
    Sender(PathError),
    /// The path of `RCPT TO`.
    #[error("recipient: {0}")]
    Recipient(PathError),
    /// A UTF-8 path in `MAIL FROM` without `SMTPUTF8` (RFC 6531 3.5).
    #[error("a UTF-8 address needs SMTPUTF8")]
    NeedsSmtpUtf8,
    /// A parameter of `MAIL` or `RCPT`.
    #[error("{0}")]
    Param(ParamError),
}

impl ClientName {
    /// Takes a name of 1 to 255 octets without control characters.
    ///
    /// # Errors
    /// [`CommandError::Arguments`] otherwise.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        if text.is_empty() || text.len() > MAX_DOMAIN || text.contains(char::is_control) {
            return Err(CommandError::Arguments);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name in printable ASCII for a trace line; what is not that is a `?`, and so are the
    /// characters that would end a comment or begin another one.
    #[must_use]
    pub fn for_trace(&self) -> String {
        self.0
            .chars()
            .map(|c| match c {
                '(' | ')' | '\\' | '"' | ';' => '?',
                '!'..='~' => c,
                _ => '?',
            })
            .collect()
    }

    /// The name as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads one line, its CRLF already taken away.
///
/// # Errors
/// [`CommandError`] says which rule was broken.
pub fn parse(line: &[u8], limits: &PathLimits) -> Result<Command, CommandError> {
    if line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err(CommandError::BareControl);
    }
    let (verb, arguments) = split_verb(line);
    let verb = verb.to_ascii_uppercase();
    // RFC 5321 4.1.1: trailing white space is tolerated. Undecodable octets are an argument's fault.
    let arguments = std::str::from_utf8(arguments).map(|a| a.trim_end_matches([' ', '\t']));
    if let Ok(known) = arguments {
        command(&verb, known, limits)
    } else {
        command(&verb, "", limits).and(Err(CommandError::Arguments))
    }
}

/// The table of commands; everything longer than a line is a function below.
fn command(verb: &[u8], arguments: &str, limits: &PathLimits) -> Result<Command, CommandError> {
    match verb {
        b"EHLO" => ClientName::parse(arguments.trim_start()).map(Command::Ehlo),
        b"HELO" => ClientName::parse(arguments.trim_start()).map(Command::Helo),
        b"MAIL" => mail(arguments, limits),
        b"RCPT" => rcpt(arguments, limits),
        b"DATA" => bare(arguments, Command::Data),
        b"BDAT" => bdat(arguments),
        b"RSET" => bare(arguments, Command::Rset),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" if arguments.is_empty() => Err(CommandError::Arguments),
        b"VRFY" => Ok(Command::Vrfy),
        b"EXPN" => Ok(Command::Expn),
        b"QUIT" => bare(arguments, Command::Quit),
        b"STARTTLS" => bare(arguments, Command::StartTls),
        b"AUTH" => auth(arguments),
        b"SEND" | b"SOML" | b"SAML" | b"TURN" | b"ETRN" | b"ATRN" | b"BURL" | b"LHLO" => {
            Err(CommandError::NotImplemented)
        }
        _ => Err(CommandError::Unknown),
    }
}

/// The first word and what follows the space behind it.
fn split_verb(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(line.len());
    let (verb, rest) = line.split_at_checked(end).unwrap_or((line, b""));
    (verb, rest.get(1..).unwrap_or_default())
}

/// A command without arguments (RFC 5321 4.1.1: anything behind it is 501).
fn bare(arguments: &str, command: Command) -> Result<Command, CommandError> {
    if arguments.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Arguments)
    }
}

/// `MAIL FROM:<reverse-path> [SP parameters]`
fn mail(arguments: &str, limits: &PathLimits) -> Result<Command, CommandError> {
    let after = after_colon(arguments, "FROM:")?;
    let (path, params) = split_path(after).map_err(CommandError::Sender)?;
    let from = ReversePath::parse(path, limits).map_err(CommandError::Sender)?;
    let params = MailParams::parse(params).map_err(CommandError::Param)?;
    if !params.smtputf8 && from.mailbox().is_some_and(|m| !m.is_ascii()) {
        return Err(CommandError::NeedsSmtpUtf8);
    }
    Ok(Command::Mail { from, params })
}

/// `RCPT TO:<forward-path> [SP parameters]`
fn rcpt(arguments: &str, limits: &PathLimits) -> Result<Command, CommandError> {
    let after = after_colon(arguments, "TO:")?;
    let (path, params) = split_path(after).map_err(CommandError::Recipient)?;
    let to = ForwardPath::parse(path, limits).map_err(CommandError::Recipient)?;
    let params = RcptParams::parse(params).map_err(CommandError::Param)?;
    Ok(Command::Rcpt { to, params })
}

/// What follows `FROM:` or `TO:`, which must go on with a `<`.
fn after_colon<'a>(arguments: &'a str, word: &str) -> Result<&'a str, CommandError> {
    let arguments = arguments.trim_start_matches(' ');
    arguments
        .split_at_checked(word.len())
        .filter(|(front, _)| front.eq_ignore_ascii_case(word))
        .map(|(_, rest)| rest.trim_start_matches(' '))
        .filter(|rest| rest.starts_with('<'))
        .ok_or(CommandError::Arguments)
}

/// `BDAT SP chunk-size [SP "LAST"]`, `chunk-size = 1*DIGIT`
fn bdat(arguments: &str) -> Result<Command, CommandError> {
    let mut words = arguments.split(' ').filter(|w| !w.is_empty());
    let size = words.next().ok_or(CommandError::Arguments)?;
    if !size.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommandError::Arguments);
    }
    let size_bytes = size.parse().map_err(|_| CommandError::Arguments)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(CommandError::Arguments),
    };
    match words.next() {
        None => Ok(Command::Bdat { size_bytes, last }),
        Some(_) => Err(CommandError::Arguments),
    }
}

/// `AUTH SP sasl-mech [SP initial-response]`, `sasl-mech` as in RFC 4422 3.1
fn auth(arguments: &str) -> Result<Command, CommandError> {
    let mut words = arguments.split(' ').filter(|w| !w.is_empty());
    let mechanism = words.next().ok_or(CommandError::Arguments)?;
    let good = mechanism.len() <= 20
        && mechanism
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let initial = words.next().map(|w| Secret::new(w.as_bytes().to_vec()));
    if !good || words.next().is_some() {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Auth {
        mechanism: mechanism.to_ascii_uppercase(),
        initial,
    })
}

/// Writes the line without its CRLF. An AUTH line is written without its secret: who sends one writes
/// the response apart, so that no log can catch it.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ehlo(name) => write!(f, "EHLO {}", name.0),
            Self::Helo(name) => write!(f, "HELO {}", name.0),
            Self::Mail { from, params } => write!(f, "MAIL FROM:{from}{params}"),
            Self::Rcpt { to, params } => write!(f, "RCPT TO:{to}{params}"),
            Self::Data => f.write_str("DATA"),
            Self::Bdat { size_bytes, last } => {
                write!(f, "BDAT {size_bytes}{}", if *last { " LAST" } else { "" })
            }
            Self::Rset => f.write_str("RSET"),
            Self::Noop => f.write_str("NOOP"),
            Self::Vrfy => f.write_str("VRFY postmaster"),
            Self::Expn => f.write_str("EXPN postmaster"),
            Self::Help => f.write_str("HELP"),
            Self::Quit => f.write_str("QUIT"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Auth { mechanism, .. } => write!(f, "AUTH {mechanism}"),
        }
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
