//! From the greeting to a connection that is ready for MAIL, without I/O.
//!
//! ```text
//! greeting ── EHLO ──┬── STARTTLS ── handshake ── EHLO ──┬── AUTH ── ready
//!                    └─ refused: HELO ───────────────────┘
//! ```
//!
//! Everything a host said before the handshake is forgotten with it (RFC 3207 4.2).
//! Not here: what to do when a handshake fails; that needs another connection ([`super::SmtpTransport`]).

use zeroize::Zeroizing;

use super::capabilities::Capabilities;
use super::said;
use crate::format::sasl::encode_base64;
use crate::service::outgoing::transport::{Login, Protection, Trouble};
use crate::smtp::reply::Reply;

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes this line and reads one reply.
    Say(Zeroizing<String>),
    /// Starts TLS, then calls [`Opening::secured`].
    Handshake,
    /// The connection is ready.
    Ready(Capabilities),
    /// The connection is of no use.
    Fail(Trouble),
}

/// The dialogue.
#[derive(Debug)]
pub struct Opening<'a> {
    helo: &'a str,
    protection: Protection,
    login: Option<&'a Login>,
    is_secure: bool,
    state: State,
    capabilities: Capabilities,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    Starttls,
    Plain,
    LoginName,
    LoginPassword,
    LoginEnd,
}

impl<'a> Opening<'a> {
    /// Stands in front of the greeting; `is_secure` on a connection that is TLS from the first octet.
    #[must_use]
    pub fn new(
        helo: &'a str,
        protection: Protection,
        login: Option<&'a Login>,
        is_secure: bool,
    ) -> Self {
        Self {
            helo,
            protection,
            login,
            is_secure,
            state: State::Greeting,
            capabilities: Capabilities::default(),
        }
    }

    /// The handshake is done: everything begins anew, without a greeting.
    #[must_use]
    pub fn secured(&mut self) -> Act {
        self.is_secure = true;
        self.capabilities = Capabilities::default();
        self.say(State::Ehlo, format!("EHLO {}\r\n", self.helo))
    }

    /// Takes the next reply.
    #[must_use]
    pub fn reply(&mut self, reply: &Reply) -> Act {
        match self.state {
            State::Greeting if reply.code() == 220 => {
                self.say(State::Ehlo, format!("EHLO {}\r\n", self.helo))
            }
            State::Ehlo if reply.code() == 250 => {
                self.capabilities = Capabilities::read(reply);
                self.protect()
            }
            // A host that does not know EHLO (RFC 5321 3.2).
            State::Ehlo if reply.is_permanent() => {
                self.say(State::Helo, format!("HELO {}\r\n", self.helo))
            }
            State::Helo if reply.code() == 250 => self.protect(),
            State::Starttls if reply.code() == 220 => Act::Handshake,
            // Offered and then refused: as if it had not been offered.
            State::Starttls if self.protection == Protection::Opportunistic => self.log_in(),
            State::Plain | State::LoginEnd if reply.code() == 235 => {
                Act::Ready(std::mem::take(&mut self.capabilities))
            }
            State::LoginName if reply.code() == 334 => {
                let name = self.login.map_or("", |l| &l.name);
                self.say(
                    State::LoginPassword,
                    format!("{}\r\n", encode_base64(name.as_bytes())),
                )
            }
            State::LoginPassword if reply.code() == 334 => {
                let password = self.login.map_or("", |l| l.password.expose());
                self.say(
                    State::LoginEnd,
                    format!("{}\r\n", encode_base64(password.as_bytes())),
                )
            }
            _ => Act::Fail(self.refused(reply)),
        }
    }

    fn say(&mut self, state: State, line: String) -> Act {
        self.state = state;
        Act::Say(Zeroizing::new(line))
    }

    fn protect(&mut self) -> Act {
        let wants = match self.protection {
            _ if self.is_secure => false,
            Protection::Opportunistic => self.capabilities.starttls,
            Protection::Starttls => true,
            Protection::Implicit | Protection::Never => false,
        };
        if !wants {
            return self.log_in();
        }
        if !self.capabilities.starttls {
            return Act::Fail(Trouble::local(
                "4.7.4",
                "The host offers no STARTTLS, which the route demands",
            ));
        }
        self.say(State::Starttls, "STARTTLS\r\n".to_owned())
    }

    fn log_in(&mut self) -> Act {
        let Some(login) = self.login else {
            return Act::Ready(std::mem::take(&mut self.capabilities));
        };
        if !self.is_secure {
            return Act::Fail(Trouble::local(
                "4.7.4",
                "The route has a password, which never travels in clear",
            ));
        }
        let offers = |name: &str| self.capabilities.auth.iter().any(|m| m == name);
        if offers("PLAIN") {
            let text = Zeroizing::new(format!("\0{}\0{}", login.name, login.password.expose()));
            let text = Zeroizing::new(encode_base64(text.as_bytes()));
            return self.say(State::Plain, format!("AUTH PLAIN {}\r\n", text.as_str()));
        }
        if offers("LOGIN") {
            return self.say(State::LoginName, "AUTH LOGIN\r\n".to_owned());
        }
        Act::Fail(Trouble::local(
            "4.7.4",
            "The host offers neither AUTH PLAIN nor LOGIN",
        ))
    }

    /// A wrong password is the operator's affair, not the sender's: the mail waits for the right one.
    fn refused(&self, reply: &Reply) -> Trouble {
        let (status, text) = said(reply);
        let is_about_mail = matches!(self.state, State::Greeting | State::Ehlo | State::Helo);
        Trouble {
            status,
            text,
            is_remote: true,
            is_permanent: is_about_mail && reply.is_permanent(),
        }
    }
}

#[cfg(test)]
mod tests;
