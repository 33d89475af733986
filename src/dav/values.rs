//! Values of the live properties of collections and objects; those of principals and homes are in [`super::props`].

use time::OffsetDateTime;

use super::headers::write_etag;
use super::props::{Facts, Live, dead};
use super::token;
use crate::format::davxml::filter::Collation;
use crate::format::davxml::{Element, Name, Ns, Writer};
use crate::model::{CollectionKind, ModSeq, SyncPoint};
use crate::service::items::{ItemRow, Shelf};

/// The token of a collection as it is: it changes when anything inside does, and not when something elsewhere does.
#[must_use]
pub fn current_token(shelf: &Shelf) -> String {
    let row = &shelf.row;
    token::write(
        shelf.at.owner,
        row.collection_id,
        SyncPoint::at(row.content_modseq),
    )
}

/// Writes a property of a collection; false where it has none such.
pub(super) fn of_shelf(w: &mut Writer, name: &Name, live: Live, shelf: &Shelf, f: &Facts) -> bool {
    let (ns, local) = (&name.ns, name.local.as_str());
    match live {
        // Also when only its name changed: clients that poll it read the name again then.
        Live::GetCtag => {
            let newest: ModSeq = shelf.row.content_modseq.max(shelf.row.modseq);
            w.leaf(ns, local, &write_etag(newest));
            return true;
        }
        Live::SyncToken => {
            w.leaf(ns, local, &current_token(shelf));
            return true;
        }
        _ => {}
    }
    if shelf.kind() == Some(CollectionKind::Contacts) {
        of_book(w, name, live, shelf, f)
    } else {
        of_calendar(w, name, live, shelf, f)
    }
}

fn of_calendar(w: &mut Writer, name: &Name, live: Live, shelf: &Shelf, f: &Facts) -> bool {
    let (ns, local, row) = (&name.ns, name.local.as_str(), &shelf.row);
    let [largest, _, _] = f.largest;
    match live {
        Live::CalendarDescription if !row.description.is_empty() => {
            w.leaf(ns, local, &row.description);
        }
        Live::CalendarColor => match (&row.color, dead(row, name)) {
            (Some(color), kept) => w.leaf(ns, local, &color_for_apple(color, kept)),
            (None, _) => return false,
        },
        Live::CalendarOrder => w.leaf(ns, local, &row.sort_order.to_string()),
        Live::CalendarTimezone => {
            let Some(kept) = dead(row, name).and_then(Element::from_text) else {
                return false;
            };
            w.element(&kept);
        }
        Live::CalendarTimezoneId => match &row.time_zone {
            Some(zone) => w.leaf(ns, local, zone),
            None => return false,
        },
        Live::ScheduleCalendarTransp => {
            if let Some(kept) = dead(row, name).and_then(Element::from_text) {
                w.element(&kept);
            } else {
                w.open(ns, local);
                w.empty(&Ns::CalDav, "opaque");
                w.close(ns, local);
            }
        }
        Live::SupportedCalendarComponentSet => {
            w.open(ns, local);
            w.empty_with(&Ns::CalDav, "comp", &[("name", shelf.component())]);
            w.close(ns, local);
        }
        Live::SupportedCalendarData => {
            w.open(ns, local);
            let kind = [("content-type", "text/calendar"), ("version", "2.0")];
            w.empty_with(&Ns::CalDav, "calendar-data", &kind);
            w.close(ns, local);
        }
        Live::SupportedCollationSet => collations(w, name),
        Live::MaxResourceSize if *ns == Ns::CalDav => w.leaf(ns, local, &largest.to_string()),
        Live::MinDateTime => w.leaf(ns, local, "16000101T000000Z"),
        Live::MaxDateTime => w.leaf(ns, local, "22001231T235959Z"),
        Live::MaxInstances => w.leaf(ns, local, &f.instances.to_string()),
        Live::MaxAttendees => w.leaf(ns, local, &f.attendees.to_string()),
        _ => return false,
    }
    true
}

/// Apple writes `#RRGGBBAA`. What its client wrote comes back as long as the colour is still that one.
fn color_for_apple(color: &str, kept: Option<&str>) -> String {
    let kept = kept.and_then(Element::from_text).map(|e| e.text());
    match kept {
        Some(text)
            if text
                .trim()
                .get(..7)
                .is_some_and(|c| c.eq_ignore_ascii_case(color)) =>
        {
            text
        }
        _ => format!("{}FF", color.to_ascii_uppercase()),
    }
}

fn of_book(w: &mut Writer, name: &Name, live: Live, shelf: &Shelf, f: &Facts) -> bool {
    let (ns, local) = (&name.ns, name.local.as_str());
    let [_, largest, picture] = f.largest;
    match live {
        Live::AddressbookDescription if !shelf.row.description.is_empty() => {
            w.leaf(ns, local, &shelf.row.description);
        }
        Live::SupportedAddressData => {
            w.open(ns, local);
            for version in ["3.0", "4.0"] {
                let kind = [("content-type", "text/vcard"), ("version", version)];
                w.empty_with(&Ns::CardDav, "address-data-type", &kind);
            }
            w.close(ns, local);
        }
        Live::SupportedCardCollationSet => collations(w, name),
        Live::MaxResourceSize if *ns == Ns::CardDav => w.leaf(ns, local, &largest.to_string()),
        Live::MaxImageSize => w.leaf(ns, local, &picture.to_string()),
        _ => return false,
    }
    true
}

fn collations(w: &mut Writer, name: &Name) {
    w.open(&name.ns, &name.local);
    for (collation, _) in Collation::ALL {
        w.leaf(&name.ns, "supported-collation", collation);
    }
    w.close(&name.ns, &name.local);
}

/// Writes a property of an object; false where it has none such.
pub(super) fn of_item(
    w: &mut Writer,
    name: &Name,
    live: Live,
    shelf: &Shelf,
    item: &ItemRow,
) -> bool {
    let (ns, local) = (&name.ns, name.local.as_str());
    match live {
        Live::GetEtag => w.leaf(ns, local, &write_etag(item.modseq)),
        Live::GetContentType => w.leaf(ns, local, &content_type(shelf, item)),
        Live::GetContentLength => w.leaf(ns, local, &item.size_bytes.to_string()),
        Live::GetLastModified => w.leaf(ns, local, &http_date(item.updated_at)),
        _ => return false,
    }
    true
}

/// The media type of an object, with its component as RFC 5545 8.1 has it.
#[must_use]
pub fn content_type(shelf: &Shelf, item: &ItemRow) -> String {
    if shelf.kind() == Some(CollectionKind::Contacts) {
        "text/vcard; charset=utf-8".to_owned()
    } else {
        format!(
            "text/calendar; charset=utf-8; component={}",
            item.component.to_ascii_lowercase()
        )
    }
}

/// RFC 9110 5.6.7.
#[must_use]
pub fn http_date(at: OffsetDateTime) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    at.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}
