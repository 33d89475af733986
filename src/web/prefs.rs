//! A user's choices as pages and scripts are told of them.

use super::page::{After, Client, Density, Font, Keys, Look, Reader, Theme};
use crate::service::accounts::preferences::Preferences;

/// How it looks.
#[must_use]
pub fn look(prefs: &Preferences) -> Look {
    Look {
        theme: Theme::parse(prefs.theme.as_str()),
        density: Density::parse(prefs.density.as_str()),
        font: Font::parse(prefs.font.as_str()),
        reader: Reader::parse(prefs.reader.as_str()),
    }
}

/// What the scripts are told.
#[must_use]
pub fn client(prefs: &Preferences) -> Client {
    Client {
        keys: Keys::parse(prefs.keys.as_str()),
        mark_read_ms: prefs.mark_read_ms,
        undo_send_s: prefs.undo_seconds,
        after: After::parse(prefs.after.as_str()),
        attachment_reminder: prefs.attachment_reminder,
        modseq: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::accounts::preferences as stored;

    #[test]
    fn every_choice_has_its_counterpart() {
        for (stored, shown) in stored::Theme::ALL.iter().zip(Theme::ALL) {
            assert_eq!(stored.as_str(), shown.as_str());
        }
        for (stored, shown) in stored::Density::ALL.iter().zip(Density::ALL) {
            assert_eq!(stored.as_str(), shown.as_str());
        }
        for (stored, shown) in stored::Reader::ALL.iter().zip(Reader::ALL) {
            assert_eq!(stored.as_str(), shown.as_str());
        }
        for (stored, shown) in stored::Keys::ALL.iter().zip(Keys::ALL) {
            assert_eq!(stored.as_str(), shown.as_str());
        }
        for (stored, shown) in stored::After::ALL.iter().zip(After::ALL) {
            assert_eq!(stored.as_str(), shown.as_str());
        }
    }
}
