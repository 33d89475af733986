//! Refusal: why a service said no. Every protocol maps every variant; there is no `_ =>` in those matches.

/// The database did not answer as it must.
///
/// `Gone` and `Full` are the environment's fault and temporary; `Broken` is ours.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, a lost one, a time-out, a shutdown: try again later.
    #[error("the database is not reachable")]
    Gone(#[source] sqlx::Error),
    /// Disk full or read only.
    #[error("the database takes no writes")]
    Full(#[source] sqlx::Error),
    /// A statement failed in a way it never should.
    #[error("the database refused a statement")]
    Broken(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(e: sqlx::Error) -> Self {
        if let sqlx::Error::Database(db) = &e {
            // SQLSTATE classes: 08 connection, 53 resources, 57 operator intervention, 40 rollback, 55P03 lock not available,
            // 25006 read-only transaction, 58 system error.
            let code = db.code().unwrap_or_default();
            return match code.as_ref() {
                "53100" | "25006" | "58030" => Self::Full(e),
                c if c.starts_with("08")
                    || c.starts_with("53")
                    || c.starts_with("57")
                    || c.starts_with("40")
                    || c.starts_with("58")
                    || c == "55P03"
                    || c == "25P03" =>
                {
                    Self::Gone(e)
                }
                _ => Self::Broken(e),
            };
        }
        match e {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Gone(e),
            other => Self::Broken(other),
        }
    }
}

/// Why a service refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The write does not fit into the account's quota.
    #[error("account is over its quota of {limit_bytes} bytes")]
    OverQuota {
        /// The account's whole quota.
        limit_bytes: i64,
    },
    /// One object is larger than allowed at all.
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: u64,
    },
    /// No such folder, or not the asker's.
    #[error("no such folder")]
    NoFolder,
    /// No such message, or not the asker's.
    #[error("no such message")]
    NoMessage,
    /// No such object of another kind (draft, session, domain, account, alias ...).
    #[error("no such object")]
    NotFound,
    /// Something of this name stands there already.
    #[error("exists already")]
    Exists,
    /// The object changed since the asker saw it.
    #[error("changed meanwhile")]
    Stale,
    /// A name or value breaks a rule; the word names the rule.
    #[error("not valid: {0}")]
    Invalid(&'static str),
    /// The asker's role or rights do not reach so far.
    #[error("not allowed")]
    NotAllowed,
    /// A rate limit; try again after so many seconds.
    #[error("too many, retry after {retry_after_secs} s")]
    TooMany {
        /// Seconds until it is worth trying again.
        retry_after_secs: u32,
    },
    /// The storage is full or read only: nothing was written.
    #[error("storage takes no writes")]
    StorageFull(#[source] StoreError),
    /// The storage is away: nothing was written, or it was written whole.
    #[error("storage is unavailable")]
    Unavailable(#[source] StoreError),
    /// Our own fault: an invariant is broken.
    #[error("internal error")]
    Internal(&'static str),
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Full(_) => Self::StorageFull(e),
            StoreError::Gone(_) | StoreError::Broken(_) => Self::Unavailable(e),
        }
    }
}
