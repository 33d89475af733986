//! Whether the database keeps what it confirms (S-02): asked once at start, told to the operator.

use super::Store;
use crate::error::StoreError;

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Durability {
    /// `server_version_num`: 150018 is 15.18.
    pub version: i32,
    /// The version as people write it.
    pub version_text: String,
    /// Writes reach the disk before they are confirmed.
    pub fsync: bool,
    /// A page torn by a power cut can be mended from the log.
    pub full_page_writes: bool,
    /// A commit is confirmed only after its log is on disk.
    pub synchronous_commit: bool,
    /// Damaged pages are noticed.
    pub data_checksums: bool,
}

impl Durability {
    /// Whether what is confirmed survives a power cut.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.fsync && self.full_page_writes && self.synchronous_commit
    }

    /// The settings that make it unsafe, for the operator.
    #[must_use]
    pub fn what_is_off(&self) -> String {
        let settings = [
            ("fsync", self.fsync),
            ("full_page_writes", self.full_page_writes),
            ("synchronous_commit", self.synchronous_commit),
        ];
        let off: Vec<&str> = settings
            .into_iter()
            .filter_map(|(name, on)| (!on).then_some(name))
            .collect();
        off.join(", ")
    }
}

impl Store {
    /// Asks the server for its version and for the settings on which durability stands.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it does not answer.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        // No table is read: a global statement.
        let row = sqlx::query_as(
            "select current_setting('server_version_num')::int as version,
                    current_setting('server_version') as version_text,
                    current_setting('fsync') = 'on' as fsync,
                    current_setting('full_page_writes') = 'on' as full_page_writes,
                    current_setting('synchronous_commit') <> 'off' as synchronous_commit,
                    current_setting('data_checksums') = 'on' as data_checksums",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(row)
    }
}
