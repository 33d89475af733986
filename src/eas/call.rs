//! One request of a device, and what becomes of it.

use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::query::Asked;
use super::version::Version;
use crate::error::Refusal;
use crate::format::wbxml::{Element, Encoder, Limits};
use crate::model::AccountId;
use crate::service::App;
use crate::service::accounts::LoggedIn;
use crate::service::devices::DeviceRow;

/// A request of a device that has signed in.
pub(super) struct Call {
    /// The services.
    pub app: App,
    /// Query and headers.
    pub asked: Asked,
    /// Who signed in.
    pub who: LoggedIn,
    /// With what.
    pub device: DeviceRow,
    /// The body, unpacked.
    pub body: Vec<u8>,
    /// The program stops.
    pub stop: CancellationToken,
}

impl Call {
    /// Whose account it is.
    pub fn account(&self) -> AccountId {
        self.who.account.account_id
    }

    /// The version of this request.
    pub fn version(&self) -> Version {
        self.asked.version
    }

    /// The body as a document. None when it is empty.
    pub fn document(&self) -> Result<Option<Element<'_>>, Fault> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let limits = Limits {
            opaque: self.body.len(),
            ..Limits::default()
        };
        let root = Element::parse(&self.body, limits).map_err(|e| {
            tracing::debug!(account = self.account().0, protocol = "eas", error = %e, "no document");
            Fault::Status(102)
        })?;
        match self.asked.command.root() {
            Some((tag, _)) if tag != root.tag => Err(Fault::Status(103)),
            _ => Ok(Some(root)),
        }
    }

    /// The body as a document that must be there.
    pub fn needed(&self) -> Result<Element<'_>, Fault> {
        self.document()?.ok_or(Fault::Status(103))
    }
}

/// What a command answers.
pub(super) enum Reply {
    /// A good answer without a body.
    Empty,
    /// A document.
    Document(Encoder),
    /// Octets of a kind of their own.
    Raw {
        /// `Content-Type`
        content_type: String,
        /// The body.
        bytes: Vec<u8>,
    },
}

/// Why there is no answer of the command's own.
#[derive(Debug)]
pub(super) enum Fault {
    /// A verdict on the whole, by the numbers of MS-ASCMD 2.2.2 (101 and up) or the command's own below that.
    Status(u16),
    /// An HTTP answer whatever the version.
    Http(StatusCode),
    /// A service said no.
    Refused(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Fault {
    /// The status of a refusal for the whole command.
    ///
    /// Never 110, which says "never try again", for what may work in a minute.
    pub fn of(refusal: &Refusal) -> u16 {
        match refusal {
            Refusal::OverQuota { .. } => 113,
            Refusal::TooLarge { .. } => 122,
            Refusal::NoFolder | Refusal::NoMessage | Refusal::NotFound => 150,
            Refusal::NotAllowed => 130,
            Refusal::Invalid(_) | Refusal::Exists => 101,
            Refusal::TooMany { .. }
            | Refusal::Stale
            | Refusal::StorageFull(_)
            | Refusal::Unavailable(_)
            | Refusal::Internal(_) => 111,
        }
    }
}

/// The code of the HTTP answer that says a status to a client up to 12.1 (MS-ASCMD 2.2.2).
pub(super) fn http_code(status: u16) -> StatusCode {
    match status {
        101..=109 | 138 | 147 => StatusCode::BAD_REQUEST,
        111 | 133 => StatusCode::SERVICE_UNAVAILABLE,
        112 | 123..=131 | 177 => StatusCode::FORBIDDEN,
        113 => StatusCode::INSUFFICIENT_STORAGE,
        137 => StatusCode::NOT_IMPLEMENTED,
        122 => StatusCode::PAYLOAD_TOO_LARGE,
        140..=144 => code(449),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A code that has no name.
pub(super) fn code(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
