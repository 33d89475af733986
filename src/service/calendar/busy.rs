//! When somebody is free (RFC 6638 5, RFC 4791 7.10).
//!
//! Everybody of a domain may see when the others of it are busy, as in a company's calendar; of another domain's people only what
//! was shared. Subtracted are what a person declined, what is called off, what is marked as free, and calendars that are set not
//! to count.

use chrono_tz::Tz;
use serde_json::Value;

use crate::error::Refusal;
use crate::format::ical::{Object, Zones, address};
use crate::format::recur::{Busy, BusyKind, Caps, Series, Window, merge_busy};
use crate::model::{AccountId, CollectionId, CollectionKind, ItemId, Rights};
use crate::service::items::{ItemFilter, Items};

/// The longest stretch of one question, in days.
const MAX_DAYS: i64 = 366;
/// Items read at once.
const PAGE: i64 = 500;

/// When somebody is busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeBusy {
    /// Whose times these are.
    pub account: AccountId,
    /// By start, not overlapping.
    pub busy: Vec<Busy>,
}

impl Items {
    /// When the person of an address is busy, as far as the asker may know.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for an address that is nobody's here or of whom the asker may know nothing,
    /// [`Refusal::Invalid`] for a window that is none or longer than a year.
    pub async fn free_busy(
        &self,
        reader: AccountId,
        of: &str,
        window: Window,
    ) -> Result<FreeBusy, Refusal> {
        if window.to <= window.from || (window.to - window.from).whole_days() > MAX_DAYS {
            return Err(Refusal::Invalid("window"));
        }
        let (account, domain) = self
            .store
            .account_at(&of.trim().to_lowercase())
            .await?
            .ok_or(Refusal::NotFound)?;
        let is_colleague = account == reader || self.store.domain_of(reader).await? == Some(domain);
        let mut calendars: Vec<CollectionId> = Vec::new();
        if is_colleague {
            for row in self.store.collections(account).await? {
                if row.kind() == Some(CollectionKind::Calendar)
                    && row.subscribed_url.is_none()
                    && !is_transparent(&row.properties)
                {
                    calendars.push(row.collection_id);
                }
            }
        } else {
            for shelf in self.shelves(reader).await? {
                if shelf.at.owner == account
                    && shelf.kind() == Some(CollectionKind::Calendar)
                    && shelf.rights.has(Rights::FREE_BUSY)
                    && !is_transparent(&shelf.row.properties)
                {
                    calendars.push(shelf.at.collection);
                }
            }
            if calendars.is_empty() {
                return Err(Refusal::NotFound);
            }
        }
        let own = self.store.own_addresses(account).await?;
        let zone: Tz = self
            .store
            .zone_of(account)
            .await?
            .and_then(|z| z.parse().ok())
            .unwrap_or(Tz::UTC);
        let mut all = Vec::new();
        for calendar in calendars {
            all.extend(self.busy_in(account, calendar, window, zone, &own).await?);
        }
        Ok(FreeBusy {
            account,
            busy: merge_busy(&all),
        })
    }

    async fn busy_in(
        &self,
        owner: AccountId,
        calendar: CollectionId,
        window: Window,
        zone: Tz,
        own: &[String],
    ) -> Result<Vec<Busy>, Refusal> {
        let filter = ItemFilter {
            component: Some("VEVENT".to_owned()),
            uid: None,
            // Days begin at the owner's midnight, wherever that is.
            starts_before: window.to.checked_add(time::Duration::days(1)),
            ends_after: window.from.checked_sub(time::Duration::days(1)),
        };
        let mut after = ItemId(0);
        let mut busy = Vec::new();
        loop {
            let page = self
                .store
                .scan_items(owner, calendar, &filter, after, PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(busy);
            };
            after = last.row.item_id;
            for item in &page {
                let Ok(object) = Object::parse(&item.source, &self.limits) else {
                    continue;
                };
                let zones = Zones::of(object.tree().root(), zone);
                if let Some(series) = Series::read(&object, &zones) {
                    busy.extend(series.busy(window, Caps::default(), |part| {
                        let kind = BusyKind::of_event(part)?;
                        let mine = part
                            .all("ATTENDEE")
                            .find(|a| own.contains(&address(*a)))
                            .and_then(|a| a.parameter("PARTSTAT"))
                            .unwrap_or_default();
                        match mine.to_ascii_uppercase().as_str() {
                            "DECLINED" => None,
                            "TENTATIVE" | "NEEDS-ACTION" => Some(BusyKind::Tentative),
                            _ => Some(kind),
                        }
                    }));
                }
            }
        }
    }
}

/// Whether a calendar was set not to count (RFC 6638 9.1), however the door that keeps the property spells its name.
fn is_transparent(properties: &Value) -> bool {
    properties.as_object().is_some_and(|all| {
        all.iter().any(|(name, value)| {
            name.ends_with("schedule-calendar-transp") && value.to_string().contains("transparent")
        })
    })
}
