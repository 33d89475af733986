//! `free-busy-query` (RFC 4791 7.10): when somebody is busy, and nothing about why.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use time::{Duration, OffsetDateTime};

use super::super::multistatus::PAGE_WITH_SOURCE;
use super::super::reply::{Answer, Condition, Fault};
use super::super::resource::Asker;
use crate::error::Refusal;
use crate::format::davxml::filter::Range;
use crate::format::ical::{DateValue, Limits, Object, Zones};
use crate::format::recur::{Busy, BusyKind, Caps, Series, Window, merge_busy};
use crate::model::{CollectionKind, ItemId};
use crate::service::items::{ItemFilter, Shelf};

/// A VFREEBUSY over the range, of one calendar.
///
/// # Errors
/// 403 for a range that is open or longer than five years.
pub async fn freebusy(asker: Asker, shelf: Arc<Shelf>, range: Range) -> Answer {
    let (Some(from), Some(to)) = (range.start, range.end) else {
        return Err(Fault::forbidden(Condition::caldav("valid-filter")));
    };
    if to - from > LONGEST {
        return Err(Fault::forbidden(Condition::dav(
            "number-of-matches-within-limits",
        )));
    }
    let window = Window { from, to };
    let mut busy: Vec<Busy> = Vec::new();
    if shelf.kind() == Some(CollectionKind::Calendar) && is_opaque(&shelf) {
        let clock = asker.clock(&shelf);
        let filter = ItemFilter {
            component: Some("VEVENT".to_owned()),
            uid: None,
            starts_before: to.checked_add(Duration::days(1)),
            ends_after: from.checked_sub(Duration::days(1)),
        };
        let mut after = ItemId(0);
        loop {
            let read = asker
                .app
                .items
                .scan(shelf.at, &filter, after, PAGE_WITH_SOURCE)
                .await?;
            let Some(last) = read.last() else { break };
            after = last.row.item_id;
            let is_last = i64::try_from(read.len()).is_ok_and(|n| n < PAGE_WITH_SOURCE);
            let found = tokio::task::spawn_blocking(move || {
                read.iter()
                    .flat_map(|item| taken(&item.source, window, clock))
                    .collect::<Vec<_>>()
            })
            .await
            .map_err(|_| Fault::from(Refusal::Internal("a query panicked")))?;
            busy.extend(found);
            if is_last {
                break;
            }
        }
    }
    let mut response = Response::new(Body::from(write(window, &merge_busy(&busy))));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/calendar; charset=utf-8; component=vfreebusy"),
    );
    Ok(response)
}

/// RFC 6638 9.1: a calendar may take no part in free-busy.
fn is_opaque(shelf: &Shelf) -> bool {
    use crate::format::davxml::{Element, Name, Ns};
    let name = Name::new(Ns::CalDav, "schedule-calendar-transp");
    super::super::props::dead(&shelf.row, &name)
        .and_then(Element::from_text)
        .is_none_or(|kept| kept.child(&Ns::CalDav, "transparent").is_none())
}

fn taken(source: &[u8], window: Window, clock: chrono_tz::Tz) -> Vec<Busy> {
    let Ok(object) = Object::parse(source, &Limits::default()) else {
        return Vec::new();
    };
    let zones = Zones::of(object.tree().root(), clock);
    Series::read(&object, &zones)
        .map(|series| series.busy(window, Caps::default(), BusyKind::of_event))
        .unwrap_or_default()
}

fn write(window: Window, busy: &[Busy]) -> String {
    use std::fmt::Write as _;

    let utc = |at| DateValue::utc(at).to_ical();
    let mut out = String::from(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Postamt//CalDAV//EN\r\nBEGIN:VFREEBUSY\r\n",
    );
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "DTSTAMP:{}\r\nDTSTART:{}\r\nDTEND:{}\r\n",
        utc(OffsetDateTime::now_utc()),
        utc(window.from),
        utc(window.to)
    );
    for one in busy {
        let _ = write!(
            out,
            "FREEBUSY;FBTYPE={}:{}/{}\r\n",
            one.kind.word(),
            utc(one.from),
            utc(one.to)
        );
    }
    out.push_str("END:VFREEBUSY\r\nEND:VCALENDAR\r\n");
    out
}

const LONGEST: Duration = Duration::days(5 * 366);
