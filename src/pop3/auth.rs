//! Signing in: USER and PASS (RFC 1939 7), AUTH with PLAIN and LOGIN (RFC 5034 4).
//!
//! Whether it may begin was decided by `state.rs`: under TLS and only once. Whether the password is right is the service's
//! answer. Every failure waits, the last try closes, and no text tells whether there is such an account (S-22).

use tokio::time::sleep;
use tracing::error;

use super::reply::{self, Reply};
use super::session::{Next, Open, Session};
use super::state::{Action, Mechanism};
use crate::format::sasl::{self, Credentials, LOGIN_NAME, LOGIN_PASSWORD, SaslError, Secret};
use crate::model::Protocol;
use crate::net::line::WireError;
use crate::service::accounts::{LoggedIn, Login, LoginRefused};

/// Why an exchange ended without credentials.
enum Broken {
    /// The client sent `*`.
    Cancelled,
    /// A line beyond the limit, or one with a bare CR.
    Line,
    /// What the lines held.
    Sasl(SaslError),
}

impl Session<'_> {
    /// AUTH: carries the exchange out and asks the service.
    pub(super) async fn exchange(
        &mut self,
        mechanism: Mechanism,
        initial: Option<Secret>,
    ) -> Result<Next, WireError> {
        let read = match mechanism {
            Mechanism::Plain => self.plain(initial).await?,
            Mechanism::Login => self.login(initial).await?,
        };
        match read {
            Ok(credentials) => self.sign_in(&credentials.name, &credentials.password).await,
            Err(broken) => {
                let action = self.state.wrong(broken.into());
                self.answered(action).await
            }
        }
    }

    /// One message: in the command, or after an empty challenge.
    async fn plain(
        &mut self,
        initial: Option<Secret>,
    ) -> Result<Result<Credentials, Broken>, WireError> {
        let message = match initial {
            Some(initial) => decode(&initial),
            None => self.prompt("").await?,
        };
        Ok(message.and_then(|m| sasl::plain(&m).map_err(Broken::Sasl)))
    }

    /// Two messages; some clients send the first with the command.
    async fn login(
        &mut self,
        initial: Option<Secret>,
    ) -> Result<Result<Credentials, Broken>, WireError> {
        let name = match initial {
            Some(initial) => decode(&initial),
            None => self.prompt(LOGIN_NAME).await?,
        };
        let name = match name {
            Ok(name) => name,
            Err(broken) => return Ok(Err(broken)),
        };
        let password = self.prompt(LOGIN_PASSWORD).await?;
        Ok(password.and_then(|p| sasl::login(&name, &p).map_err(Broken::Sasl)))
    }

    /// Sends a challenge and reads the response.
    async fn prompt(&mut self, challenge: &str) -> Result<Result<Secret, Broken>, WireError> {
        let limits = self.limits();
        let (most, flood) = (limits.auth_line, limits.line_flood);
        let deadline = self.deadline();
        self.wire.push(format!("+ {challenge}\r\n").as_bytes());
        self.wire.flush().await?;
        let line = match self.wire.read_line(most, flood, deadline).await {
            Ok(line) => line.octets,
            Err(WireError::LineTooLong) => return Ok(Err(Broken::Line)),
            Err(error) => return Err(error),
        };
        Ok(match line.as_ref() {
            b"*" => Err(Broken::Cancelled),
            line if line.contains(&b'\r') => Err(Broken::Line),
            line => sasl::decode_base64(line).map_err(Broken::Sasl),
        })
    }

    /// Asks the one way in for every door, and opens the maildrop.
    pub(super) async fn sign_in(
        &mut self,
        name: &str,
        password: &Secret,
    ) -> Result<Next, WireError> {
        let password = String::from_utf8_lossy(password.expose());
        let login = Login {
            name,
            password: &password,
            protocol: Protocol::Pop3,
            source: self.source,
            device_cookie: None,
            eas_device: None,
            client: "",
        };
        let refused = match self.pop3.app.accounts.login(&login).await {
            Ok(user) => return Ok(self.open(user).await),
            Err(refused) => refused,
        };
        let reply = match refused {
            LoginRefused::Wrong { .. }
            | LoginRefused::Locked { .. }
            | LoginRefused::Disabled
            | LoginRefused::NeedsCode { .. } => {
                self.wire.flush().await?;
                sleep(self.limits().sign_in_delay).await;
                reply::sign_in_failed()
            }
            LoginRefused::TryLater => reply::cannot_sign_in_now(),
            LoginRefused::Unavailable(cause) => {
                let cause: &(dyn std::error::Error + 'static) = &cause;
                error!(session = %self.id, protocol = "pop3", error = cause, "nobody can sign in");
                reply::cannot_sign_in_now()
            }
        };
        let action = self.state.sign_in_failed(reply);
        self.answered(action).await
    }

    /// Takes a place and a snapshot for somebody who signed in.
    async fn open(&mut self, user: LoggedIn) -> Next {
        let account = user.account.account_id;
        let pop3 = self.pop3;
        let Some(place) = pop3.place(account) else {
            return next(self.state.sign_in_failed(reply::too_many_sessions()));
        };
        let maildrop = match pop3.app.maildrop(account).await {
            Ok(maildrop) => maildrop,
            Err(refusal) => {
                let reply = self.refused(&refusal);
                return next(self.state.sign_in_failed(reply));
            }
        };
        let (messages, octets) = (maildrop.messages(), maildrop.octets());
        self.state.signed_in(messages);
        self.open = Some(Open {
            maildrop,
            ended: Box::pin(pop3.app.accounts.ended(account, user.password_version)),
            _place: place,
        });
        Next::Answer(Reply::ok(format!("{messages} messages ({octets} octets)")))
    }

    /// An answer of the state that is nothing but an answer.
    async fn answered(&mut self, action: Action) -> Result<Next, WireError> {
        if matches!(action, Action::Slow(_)) {
            self.wire.flush().await?;
            sleep(super::session::PENALTY).await;
        }
        Ok(next(action))
    }
}

fn next(action: Action) -> Next {
    match action {
        Action::Reply(reply) | Action::Slow(reply) => Next::Answer(reply),
        Action::Close(reply) => Next::Close(reply),
        _ => Next::Hangup,
    }
}

/// An initial response; `=` stands for an empty one (RFC 5034 4).
fn decode(initial: &Secret) -> Result<Secret, Broken> {
    if initial.expose() == b"=" {
        return Ok(Secret::default());
    }
    sasl::decode_base64(initial.expose()).map_err(Broken::Sasl)
}

impl From<Broken> for Reply {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Cancelled => Self::err("Cancelled"),
            Broken::Line => Self::err("Line is too long or not clean"),
            Broken::Sasl(SaslError::Base64) => Self::err("Not base64"),
            Broken::Sasl(SaslError::Message) => Self::err("Not a response of this mechanism"),
            Broken::Sasl(SaslError::Authzid) => {
                Self::coded(reply::Code::Auth, "Acting as another user is not possible")
            }
        }
    }
}
