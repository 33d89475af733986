//! LOGIN and AUTHENTICATE (RFC 9051 6.2): PLAIN with or without an initial response (RFC 4959), LOGIN for old clients.
//!
//! Neither is taken before TLS (S-21). Whether the password is right is the service's answer, in one text for everybody
//! (S-22). A failed sign-in waits, and three are enough.

use std::time::Duration;

use tokio::time::sleep;
use tracing::error;

use super::reply::Reply;
use super::session::{Next, Session, User};
use crate::format::imap::command::Authenticate;
use crate::format::sasl::{self, Credentials, LOGIN_NAME, LOGIN_PASSWORD, SaslError, Secret};
use crate::model::Protocol;
use crate::net::line::WireError;
use crate::service::accounts::{Login, LoginRefused};

impl Session<'_> {
    /// `LOGIN name password`.
    pub(super) async fn login(
        &mut self,
        name: String,
        password: Secret,
    ) -> Result<Next, WireError> {
        if let Some(reply) = self.sign_in_is_refused() {
            return Ok(reply.into());
        }
        self.sign_in(Credentials { name, password }).await
    }

    /// `AUTHENTICATE mechanism [initial]`.
    pub(super) async fn authenticate(&mut self, auth: Authenticate) -> Result<Next, WireError> {
        if let Some(reply) = self.sign_in_is_refused() {
            return Ok(reply.into());
        }
        let read = match auth.mechanism.as_str() {
            "PLAIN" => {
                let message = match auth.initial {
                    Some(initial) => decode(&initial),
                    None => self.prompt("").await?,
                };
                message.and_then(|m| sasl::plain(&m).map_err(Reply::from))
            }
            "LOGIN" => {
                let name = match auth.initial {
                    Some(initial) => decode(&initial),
                    None => self.prompt(LOGIN_NAME).await?,
                };
                match name {
                    Err(reply) => Err(reply),
                    Ok(name) => {
                        let password = self.prompt(LOGIN_PASSWORD).await?;
                        password.and_then(|p| sasl::login(&name, &p).map_err(Reply::from))
                    }
                }
            }
            _ => Err(Reply::no("CANNOT", "No such mechanism")),
        };
        match read {
            Ok(credentials) => self.sign_in(credentials).await,
            Err(reply) => Ok(reply.into()),
        }
    }

    fn sign_in_is_refused(&self) -> Option<Reply> {
        if self.user.is_some() {
            return Some(Reply::bad("Signed in already"));
        }
        (!self.is_secure).then(|| Reply::no("PRIVACYREQUIRED", "Only under TLS"))
    }

    /// Sends a challenge and reads the response.
    async fn prompt(&mut self, challenge: &str) -> Result<Result<Secret, Reply>, WireError> {
        self.say(&format!("+ {challenge}\r\n"));
        self.wire.flush().await?;
        let most = self.settings().auth_line;
        let line = match self.line(most).await {
            Ok(Ok(line)) => line,
            Ok(Err(_)) => return Ok(Err(Reply::bad("Ended"))),
            Err(WireError::LineTooLong) => return Ok(Err(Reply::bad("The response is too long"))),
            Err(error) => return Err(error),
        };
        if line.octets[..] == *b"*" {
            return Ok(Err(Reply::bad("Cancelled")));
        }
        Ok(sasl::decode_base64(&line.octets).map_err(Reply::from))
    }

    /// Asks the one way in for every door.
    async fn sign_in(&mut self, credentials: Credentials) -> Result<Next, WireError> {
        let imap = self.imap;
        let password = String::from_utf8_lossy(credentials.password.expose());
        let login = Login {
            name: &credentials.name,
            password: &password,
            protocol: Protocol::Imap,
            source: self.source,
            device_cookie: None,
            eas_device: None,
            client: &self.client,
        };
        let refused = match imap.app.accounts.login(&login).await {
            Ok(user) => {
                let account = user.account.account_id;
                let Some(place) = imap.place(account) else {
                    return Ok(Reply::no("LIMIT", "Too many connections of this account").into());
                };
                self.user = Some(User {
                    account,
                    ended: Box::pin(imap.app.accounts.ended(account, user.password_version)),
                    _place: place,
                });
                let code = format!("CAPABILITY {}", self.capabilities());
                return Ok(Reply::ok_with(code, "Signed in").into());
            }
            Err(refused) => refused,
        };
        let reply = match refused {
            LoginRefused::Wrong { .. }
            | LoginRefused::Locked { .. }
            | LoginRefused::Disabled
            | LoginRefused::NeedsCode { .. } => {
                Reply::no("AUTHENTICATIONFAILED", "Wrong name or password")
            }
            LoginRefused::TryLater => {
                return Ok(
                    Reply::no("UNAVAILABLE", "Too much to do, try again in a moment").into(),
                );
            }
            LoginRefused::Unavailable(cause) => {
                let cause: &(dyn std::error::Error + 'static) = &cause;
                error!(session = %self.id, protocol = "imap", error = cause, "nobody can sign in");
                return Ok(
                    Reply::no("UNAVAILABLE", "Nobody can sign in now, try again later").into(),
                );
            }
        };
        self.failed_sign_ins += 1;
        let delay: Duration = self.settings().sign_in_delay;
        self.wire.flush().await?;
        sleep(delay).await;
        if self.failed_sign_ins >= self.settings().sign_in_tries {
            // The tag is gone with the caller: BYE alone ends it, as RFC 9051 7.1.5 allows.
            return Ok(Next::Leave("Too many failed sign-ins"));
        }
        Ok(reply.into())
    }
}

/// An initial response; `=` stands for an empty one (RFC 4959 3).
fn decode(initial: &Secret) -> Result<Secret, Reply> {
    if initial.expose() == b"=" {
        return Ok(Secret::default());
    }
    sasl::decode_base64(initial.expose()).map_err(Reply::from)
}

impl From<SaslError> for Reply {
    fn from(error: SaslError) -> Self {
        match error {
            SaslError::Base64 => Self::bad("Not base64"),
            SaslError::Message => Self::bad("Not a response of this mechanism"),
            SaslError::Authzid => Self::no(
                "AUTHORIZATIONFAILED",
                "Acting as another user is not possible",
            ),
        }
    }
}
