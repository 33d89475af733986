//! In which shape an object goes out: as it is stored, or the parts, instances or version a client asked for.

use std::borrow::Cow;

use chrono_tz::Tz;

use super::reply::{Condition, Fault};
use crate::format::davxml::render;
use crate::format::davxml::request::DataAsk;
use crate::format::vcard::Version;
use crate::service::items::{ItemRow, Shelf};

/// How objects are looked at in one answer.
#[derive(Debug, Clone, Default)]
pub struct Lens {
    ask: DataAsk,
    version: Option<Version>,
    zone: Option<Tz>,
}

impl Lens {
    /// What was asked for.
    ///
    /// # Errors
    /// 403 with `supported-calendar-data` or `supported-address-data-conversion` for a type we cannot make.
    pub fn of(ask: &DataAsk) -> Result<Self, Fault> {
        let mut version = None;
        if let Some((kind, wanted)) = &ask.content_type {
            let wanted = wanted.as_deref();
            match (kind.as_str(), wanted) {
                ("text/calendar", None | Some("2.0")) | ("text/vcard", None) => {}
                ("text/vcard", Some("3.0")) => version = Some(Version::V3),
                ("text/vcard", Some("4.0")) => version = Some(Version::V4),
                ("text/vcard", _) => {
                    return Err(Fault::forbidden(Condition::carddav(
                        "supported-address-data-conversion",
                    )));
                }
                _ => {
                    return Err(Fault::forbidden(Condition::caldav(
                        "supported-calendar-data",
                    )));
                }
            }
        }
        Ok(Self {
            ask: ask.clone(),
            version,
            zone: None,
        })
    }

    /// The same on somebody's clock: floating times and days are told on it.
    #[must_use]
    pub fn on_clock(mut self, zone: Tz) -> Self {
        self.zone = Some(zone);
        self
    }
}

/// The object as text; none when it has more instances in the asked range than are written out.
#[must_use]
pub fn show<'s>(
    source: &'s [u8],
    lens: &Lens,
    shelf: &Shelf,
    item: &ItemRow,
) -> Option<Cow<'s, str>> {
    if item.component == "VCARD" {
        let props = lens.ask.card_props.as_deref();
        return Some(render::card(source, props, lens.version));
    }
    if lens.ask.is_whole() {
        return Some(String::from_utf8_lossy(source));
    }
    let zone = shelf
        .row
        .time_zone
        .as_deref()
        .and_then(|name| name.parse().ok())
        .or(lens.zone)
        .unwrap_or(Tz::UTC);
    render::calendar(source, &lens.ask, zone)
}
