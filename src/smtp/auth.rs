//! The exchanges of AUTH (RFC 4954 4): PLAIN with or without an initial response, LOGIN with its two prompts.
//!
//! Whether it may begin was decided by `state.rs`: under TLS, on submission, before a message. Whether the
//! password is right is the service's answer. A client that gives up (`*`) or sends no base64 gets 501, and
//! nothing about the account is learned from it.

use super::reply::{Reply, Status};
use super::session::{Next, Session};
use super::state::Mechanism;
use crate::format::sasl::{self, Credentials, LOGIN_NAME, LOGIN_PASSWORD, SaslError, Secret};
use crate::net::line::WireError;

/// Why an exchange ended without credentials.
enum Ended {
    /// The client sent `*`.
    Cancelled,
    /// A line beyond the limit, or one with a bare CR or LF.
    Line,
    /// What the lines held.
    Sasl(SaslError),
}

impl Session<'_> {
    /// Carries the exchange out and asks the service.
    pub(super) async fn sign_in(
        &mut self,
        mechanism: Mechanism,
        initial: Option<Secret>,
    ) -> Result<Next, WireError> {
        let read = match mechanism {
            Mechanism::Plain => self.plain(initial).await?,
            Mechanism::Login => self.login(initial).await?,
        };
        Ok(match read {
            Ok(credentials) => self.check(credentials).await,
            Err(ended) => Next::Answer(ended.into()),
        })
    }

    /// One message: in the command, or after an empty prompt.
    async fn plain(
        &mut self,
        initial: Option<Secret>,
    ) -> Result<Result<Credentials, Ended>, WireError> {
        let message = match initial {
            Some(initial) => decode(initial.expose()),
            None => self.prompt("").await?,
        };
        Ok(message.and_then(|m| sasl::plain(&m).map_err(Ended::Sasl)))
    }

    /// Two messages; some clients send the first with the command.
    async fn login(
        &mut self,
        initial: Option<Secret>,
    ) -> Result<Result<Credentials, Ended>, WireError> {
        let name = match initial {
            Some(initial) => decode(initial.expose()),
            None => self.prompt(LOGIN_NAME).await?,
        };
        let name = match name {
            Ok(name) => name,
            Err(ended) => return Ok(Err(ended)),
        };
        let password = self.prompt(LOGIN_PASSWORD).await?;
        Ok(password.and_then(|p| sasl::login(&name, &p).map_err(Ended::Sasl)))
    }

    /// Sends a challenge and reads the response.
    async fn prompt(&mut self, challenge: &str) -> Result<Result<Secret, Ended>, WireError> {
        self.answer(&Reply::plain(334, challenge));
        Ok(match self.auth_line().await? {
            None => Err(Ended::Line),
            Some(line) if line[..] == *b"*" => Err(Ended::Cancelled),
            Some(line) => sasl::decode_base64(&line).map_err(Ended::Sasl),
        })
    }
}

/// An initial response; `=` stands for an empty one (RFC 4954 4).
fn decode(initial: &[u8]) -> Result<Secret, Ended> {
    if initial == b"=" {
        return Ok(Secret::default());
    }
    sasl::decode_base64(initial).map_err(Ended::Sasl)
}

/// RFC 4954 4 and 6.
impl From<Ended> for Reply {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Cancelled => Self::new(501, Status(5, 7, 0), "Cancelled"),
            Ended::Line => Self::new(500, Status(5, 5, 6), "Line is too long or not clean"),
            Ended::Sasl(SaslError::Base64) => Self::new(501, Status(5, 5, 2), "Not base64"),
            Ended::Sasl(SaslError::Message) => {
                Self::new(501, Status(5, 5, 2), "Not a response of this mechanism")
            }
            Ended::Sasl(SaslError::Authzid) => Self::new(
                535,
                Status(5, 7, 8),
                "Acting as another user is not possible",
            ),
        }
    }
}
