//! Who of the own domain somebody may find.

use super::{Accounts, user_name};
use crate::error::Refusal;
use crate::model::AccountId;
pub use crate::store::directory::ColleagueRow;

impl Accounts {
    /// Those of the asker's domain that it may find, by address, the asker among them.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn colleagues(&self, asker: AccountId) -> Result<Vec<ColleagueRow>, Refusal> {
        Ok(self.store.colleagues(asker, None, MOST).await?)
    }

    /// The one with this primary address, if the asker may find it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] whether there is none or it is not to be found.
    pub async fn colleague(&self, asker: AccountId, name: &str) -> Result<ColleagueRow, Refusal> {
        let address = user_name(name);
        let found = self.store.colleagues(asker, Some(&address), 1).await?;
        found.into_iter().next().ok_or(Refusal::NotFound)
    }
}

/// People looked through at once.
const MOST: i64 = 10_000;
