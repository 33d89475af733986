//! Objects in the manner of real clients (`tests/corpus/make.py`) go in and come out byte for byte, and an edit of one field
//! changes that field.

use std::fs;
use std::path::PathBuf;

use postamt::format::ical::{Limits, Object, Zones, expanded, index, limited};
use postamt::format::recur::{Caps, TimeRange};
use postamt::format::vcard::{Card, CardLimits, Version, convert, index_card};
use postamt::model::{CollectionKind, ItemId};
use time::macros::datetime;

use crate::store::World;

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().path())
        .map(|p| {
            (
                p.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&p).unwrap(),
            )
        })
        .collect();
    all.sort();
    all
}

/// Physical lines without those of one property, continuations included.
fn without(bytes: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut out = Vec::new();
    let mut is_named = false;
    for line in text.split_inclusive('\n') {
        if !line.starts_with([' ', '\t']) {
            is_named = line
                .split([':', ';'])
                .next()
                .is_some_and(|n| n.eq_ignore_ascii_case(name));
        }
        if !is_named {
            out.push(line.to_owned());
        }
    }
    out
}

#[test]
fn the_corpus_is_as_large_as_promised() {
    assert!(files("ical").len() >= 150);
    assert!(files("vcard").len() >= 80);
}

#[test]
fn every_calendar_object_is_written_as_it_was_read() {
    for (name, bytes) in files("ical") {
        let object =
            Object::parse(&bytes, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(object.tree().to_bytes(), bytes, "{name}");
        let index = index(
            &object,
            chrono_tz::Europe::Berlin,
            datetime!(2026-05-01 0:00 UTC),
        );
        assert!(!index.summary.is_empty(), "{name}");
        assert!(!index.search.words.is_empty(), "{name}");
        if name.contains("-event-") {
            assert!(index.starts_at.is_some(), "{name}");
        }
    }
}

#[test]
fn an_edit_changes_its_line_and_no_other() {
    for (name, bytes) in files("ical") {
        let mut object = Object::parse(&bytes, &Limits::default()).unwrap();
        let word = object.kind().word();
        for mut part in object.root_mut().children_mut() {
            if part.read().is(word) {
                part.set_text(
                    "SUMMARY",
                    "Neuer Titel; mit Ümlaut, und so lang, daß er über fünfundsiebzig Oktette geht",
                );
            }
        }
        let edited = object.tree().to_bytes();
        assert_eq!(
            without(&edited, "SUMMARY"),
            without(&bytes, "SUMMARY"),
            "{name}"
        );
        let again = Object::parse(&edited, &Limits::default()).unwrap();
        for part in again.parts() {
            assert!(
                part.text("SUMMARY")
                    .unwrap()
                    .starts_with("Neuer Titel; mit Ümlaut, und"),
                "{name}"
            );
        }
        let longest = edited
            .split(|b| *b == b'\n')
            .map(<[u8]>::len)
            .max()
            .unwrap();
        let longest_before = bytes.split(|b| *b == b'\n').map(<[u8]>::len).max().unwrap();
        assert!(longest <= longest_before.max(76), "{name}");
        // The same value once more changes nothing at all.
        let mut same = Object::parse(&bytes, &Limits::default()).unwrap();
        for mut part in same.root_mut().children_mut() {
            if let Some(raw) = part.read().first("SUMMARY").map(|p| p.raw().into_owned()) {
                part.set_value("SUMMARY", &raw);
            }
        }
        assert_eq!(same.tree().to_bytes(), bytes, "{name}");
    }
}

#[test]
fn what_a_report_returns_is_an_object_too() {
    let range = TimeRange {
        from: Some(datetime!(2026-06-01 0:00 UTC)),
        to: Some(datetime!(2026-09-01 0:00 UTC)),
    };
    for (name, bytes) in files("ical") {
        let object = Object::parse(&bytes, &Limits::default()).unwrap();
        let zones = Zones::of(object.tree().root(), chrono_tz::Europe::Berlin);
        let some = limited(&object, &zones, range);
        let some =
            Object::parse(&some, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(some.parts().count() <= object.parts().count());
        let (all, is_cut) = expanded(&object, &zones, range, Caps::default());
        assert!(!is_cut, "{name}");
        let text = String::from_utf8(all).unwrap();
        assert!(
            !text.contains("RRULE:") && !text.contains("BEGIN:VTIMEZONE") && !text.contains("TZID"),
            "{name}\n{text}"
        );
        let count = text
            .matches(&format!("BEGIN:{}\r\n", object.kind().word()))
            .count()
            + text
                .matches(&format!("BEGIN:{}\n", object.kind().word()))
                .count();
        if name.ends_with("-event-03.ics") {
            // Mondays and Wednesdays from June to August, one of them moved to a Tuesday.
            assert_eq!(count, 27, "{name}\n{text}");
            assert!(text.contains("RECURRENCE-ID:20260803T070000Z"), "{name}");
        }
    }
}

#[test]
fn every_card_is_written_as_it_was_read_and_edited_alone() {
    for (name, bytes) in files("vcard") {
        let mut card =
            Card::parse(&bytes, &CardLimits::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(card.to_bytes(), bytes, "{name}");
        assert!(!index_card(&card).summary.is_empty(), "{name}");
        card.set_text(
            "NOTE",
            "Eine neue Notiz; mit Komma, und so lang, daß sie über fünfundsiebzig Oktette geht",
        );
        let edited = card.to_bytes();
        assert_eq!(without(&edited, "NOTE"), without(&bytes, "NOTE"), "{name}");
        let again = Card::parse(&edited, &CardLimits::default()).unwrap();
        assert!(
            again
                .text("NOTE")
                .unwrap()
                .starts_with("Eine neue Notiz; mit Komma, und"),
            "{name}"
        );
    }
}

#[test]
fn a_card_in_another_version_says_the_same() {
    for (name, bytes) in files("vcard") {
        let card = Card::parse(&bytes, &CardLimits::default()).unwrap();
        let before = index_card(&card);
        for to in [Version::V3, Version::V4] {
            let made = convert(&card, to);
            let other = Card::parse(&made, &CardLimits::default())
                .unwrap_or_else(|e| panic!("{name}: {e}\n{}", String::from_utf8_lossy(&made)));
            assert_eq!(other.version(), to, "{name}");
            let after = index_card(&other);
            let values = |all: &[postamt::format::vcard::Labelled]| -> Vec<String> {
                all.iter().map(|l| l.value.clone()).collect()
            };
            assert_eq!(after.summary, before.summary, "{name}");
            assert_eq!(after.uid, before.uid, "{name}");
            assert_eq!(after.facts.kind, before.facts.kind, "{name}");
            assert_eq!(after.facts.members, before.facts.members, "{name}");
            assert_eq!(
                values(&after.facts.mails),
                values(&before.facts.mails),
                "{name}"
            );
            assert_eq!(
                values(&after.facts.phones),
                values(&before.facts.phones),
                "{name}"
            );
            assert_eq!(after.facts.photo, before.facts.photo, "{name}");
            for (a, b) in card.all("PHOTO").zip(other.all("PHOTO")) {
                assert_eq!(a.binary(), b.binary(), "{name}");
            }
            assert!(made.split(|b| *b == b'\n').all(|l| l.len() <= 76), "{name}");
        }
    }
}

#[tokio::test]
async fn the_whole_corpus_goes_through_the_store() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let mut shelves = Vec::new();
    for kind in [
        CollectionKind::Calendar,
        CollectionKind::Tasks,
        CollectionKind::Notes,
        CollectionKind::Contacts,
    ] {
        shelves.push(world.shelf(anna, kind, kind.word()).await);
    }
    let mut all = files("ical");
    all.extend(files("vcard"));
    for (name, bytes) in &all {
        let at = match name {
            n if n.contains("-event-") => shelves[0],
            n if n.contains("-task-") => shelves[1],
            n if n.contains("-note-") => shelves[2],
            _ => shelves[3],
        };
        let text = bytes.clone();
        world
            .app
            .items
            .put(
                at,
                name,
                text,
                postamt::service::items::Precondition::Absent,
            )
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            &world.app.items.item(at, name).await.unwrap().source,
            bytes,
            "{name}"
        );
    }
    let mut held = 0;
    for at in shelves {
        held += world
            .app
            .items
            .list(at, ItemId(0), 1_000)
            .await
            .unwrap()
            .len();
    }
    assert_eq!(held, all.len());
    world.db.assert_adds_up(anna).await;
}
