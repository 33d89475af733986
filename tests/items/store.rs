//! The service over a real database: what is stored, refused, charged, moved, told.

use std::sync::Arc;

use postamt::config::Config;
use postamt::error::Refusal;
use postamt::format::ical::Fault;
use postamt::format::vcard::CardFault;
use postamt::model::{AccountId, CollectionKind, ItemId};
use postamt::service::App;
use postamt::service::items::{
    At, ChangesError, Denied, ItemFilter, Naming, NewShelf, Precondition, ShelfEdit, Target,
};
use time::macros::datetime;

use crate::common::TestDb;

pub struct World {
    pub db: TestDb,
    pub app: App,
}

pub fn new_shelf(kind: CollectionKind, slug: &str) -> NewShelf<'_> {
    NewShelf {
        kind,
        slug,
        name: "",
        color: None,
        description: "",
        sort_order: 0,
        time_zone: None,
        properties: None,
    }
}

impl World {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let app = App::new(Arc::new(Config::default()), db.store.clone());
        Self { db, app }
    }

    pub async fn account(&self, address: &str) -> AccountId {
        self.db.account(address, 1 << 20).await.id
    }

    pub async fn shelf(&self, account: AccountId, kind: CollectionKind, slug: &str) -> At {
        let id = self
            .app
            .items
            .create_shelf(account, &new_shelf(kind, slug))
            .await
            .unwrap();
        At::own(account, id)
    }

    pub async fn put(
        &self,
        at: At,
        href: &str,
        text: &str,
    ) -> Result<postamt::service::items::Put, Denied> {
        self.app
            .items
            .put(at, href, text.as_bytes().to_vec(), Precondition::Any)
            .await
    }
}

pub fn event(uid: &str, lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        lines.replace('\n', "\r\n")
    )
}

pub fn card(uid: &str, name: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nN:{name};;;;\r\nFN:{name}\r\nEND:VCARD\r\n")
}

#[tokio::test]
async fn what_is_stored_comes_back_byte_for_byte_and_is_indexed() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    // A byte-order mark, folds in odd places, LF and CRLF mixed, unknown properties.
    let odd = "\u{feff}BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME;X-A=b:Caf\r\n \u{e9}\r\nBEGIN:VEVENT\nUID:odd\r\n\
               DTSTART;TZID=Europe/Berlin:20260601T100000\r\nDURATION:PT1H\r\nSUMMARY:Fest\r\n\t 1\r\nX-FOO;BAR=\"a;b\":1\\;2\r\n\
               END:VEVENT\r\nEND:VCALENDAR\r\n\r\n";
    let put = world.put(home, "odd.ics", odd).await.unwrap();
    assert!(put.created);
    let back = world.app.items.item(home, "odd.ics").await.unwrap();
    assert_eq!(back.source, odd.as_bytes());
    assert_eq!(back.row.modseq, put.modseq);
    assert_eq!(back.row.uid, "odd");
    assert_eq!(back.row.summary, "Fest 1");
    assert_eq!(back.row.starts_at, Some(datetime!(2026-06-01 8:00 UTC)));
    assert_eq!(back.row.last_ends_at, Some(datetime!(2026-06-01 9:00 UTC)));
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn preconditions_hold_under_the_lock() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let text = event("1", "DTSTART:20260601T100000Z");
    let put = |when| {
        world
            .app
            .items
            .put(home, "1.ics", text.as_bytes().to_vec(), when)
    };
    let stale = |r| matches!(r, Err(Denied::Refused(Refusal::Stale)));
    assert!(stale(put(Precondition::Present).await));
    let first = put(Precondition::Absent).await.unwrap();
    assert!(stale(put(Precondition::Absent).await));
    let second = put(Precondition::Is(first.modseq)).await.unwrap();
    assert!(!second.created && second.modseq > first.modseq);
    assert!(stale(put(Precondition::Is(first.modseq)).await));
    let gone = world
        .app
        .items
        .remove(home, "1.ics", Precondition::Is(first.modseq))
        .await;
    assert!(matches!(gone, Err(Refusal::Stale)));
    world
        .app
        .items
        .remove(home, "1.ics", Precondition::Is(second.modseq))
        .await
        .unwrap();
    assert!(matches!(
        world.app.items.item(home, "1.ics").await,
        Err(Refusal::NotFound)
    ));
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn a_uid_stands_once_in_a_collection_and_the_answer_says_where() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let work = world.shelf(anna, CollectionKind::Calendar, "work").await;
    let text = event("same", "DTSTART:20260601T100000Z");
    world.put(home, "a.ics", &text).await.unwrap();
    match world.put(home, "b.ics", &text).await {
        Err(Denied::UidConflict { href }) => assert_eq!(href, "a.ics"),
        other => panic!("{other:?}"),
    }
    // Another collection is another matter, until one is moved there.
    world.put(work, "b.ics", &text).await.unwrap();
    let to = Target {
        at: work,
        href: "c.ics",
        when: Precondition::Absent,
    };
    match world
        .app
        .items
        .relocate(home, "a.ics", Precondition::Any, to)
        .await
    {
        Err(Denied::UidConflict { href }) => assert_eq!(href, "b.ics"),
        other => panic!("{other:?}"),
    }
    world.db.assert_adds_up(anna).await;
}

/// A bad object, and whether its fault is the right one.
type Case<F> = (String, fn(&F) -> bool);

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table, read whole")]
async fn bad_objects_are_refused_by_name_and_nothing_changes() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let book = world.shelf(anna, CollectionKind::Contacts, "book").await;
    let good = "DTSTART:20260601T100000Z";
    let many = |line: &str, n: usize| format!("{good}\n{}", vec![line; n].join("\n"));
    let alarms = many("BEGIN:VALARM\nTRIGGER:-PT1M\nEND:VALARM", 21);
    let nested = format!(
        "BEGIN:VCALENDAR\r\n{}{}END:VCALENDAR\r\n",
        "BEGIN:X\r\n".repeat(40),
        "END:X\r\n".repeat(40)
    );
    let folded_nested = format!("BEGIN:VCALENDAR\r\n{}", "BEG\r\n IN:X\r\n".repeat(20_000));
    let calendar: Vec<Case<Fault>> = vec![
        (String::new(), |f| matches!(f, Fault::Syntax(_))),
        ("hello".to_owned(), |f| matches!(f, Fault::Syntax(_))),
        (event("1", good).replace("END:VEVENT\r\n", ""), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", good).replace("END:VCALENDAR\r\n", ""), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", good).repeat(2), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", "DTSTART:20260601T100000Z\nno colon here"), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", "DTSTART:20261301T100000Z"), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", "SUMMARY:no start"), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (
            event("1", "DTSTART:20260601T100000Z\nRRULE:FREQ=DAILY;INTERVAL=0"),
            |f| matches!(f, Fault::Syntax(_)),
        ),
        (
            event("1", "DTSTART:20260601T100000Z\nRRULE:FREQ=NEVER"),
            |f| matches!(f, Fault::Syntax(_)),
        ),
        (
            event("1", "DTSTART:20260601T100000Z\nDURATION:P500D"),
            |f| matches!(f, Fault::Syntax(_)),
        ),
        (
            event(
                "1",
                "DTSTART:20260601T100000Z\nRRULE:FREQ=DAILY;COUNT=10000",
            ),
            |f| matches!(f, Fault::TooManyInstances { .. }),
        ),
        (event("1", "DTSTART:15990101T100000Z"), |f| {
            matches!(f, Fault::TooEarly)
        }),
        (event("1", "DTSTART:22010101T100000Z"), |f| {
            matches!(f, Fault::TooLate)
        }),
        (event("1", &many("ATTENDEE:mailto:a@x.test", 501)), |f| {
            matches!(f, Fault::TooManyAttendees { .. })
        }),
        (event("1", &many("COMMENT:x", 1_001)), |f| {
            matches!(f, Fault::Syntax(_))
        }),
        (event("1", &alarms), |f| matches!(f, Fault::Syntax(_))),
        (
            event(
                "1",
                &format!(
                    "{good}\nEXDATE:{}",
                    vec!["20260601T100000Z"; 1_001].join(",")
                ),
            ),
            |f| matches!(f, Fault::Syntax(_)),
        ),
        (nested, |f| matches!(f, Fault::Syntax(_))),
        (folded_nested, |f| matches!(f, Fault::Syntax(_))),
        (
            event(
                "1",
                &format!("{good}\nDESCRIPTION:{}", "x".repeat(1_048_576)),
            ),
            |f| matches!(f, Fault::TooLarge { .. }),
        ),
        (
            event("1", "DTSTART:20260601T100000Z\nSUMMARY:a\u{0}b"),
            |f| matches!(f, Fault::Syntax(_)),
        ),
        (event("1", good).replace("VEVENT", "VTODO"), |f| {
            matches!(f, Fault::Component)
        }),
        (event("1", good).replace("VEVENT", "VFREEBUSY"), |f| {
            matches!(f, Fault::Component)
        }),
        (
            event("1", good).replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"),
            |f| matches!(f, Fault::Object(_)),
        ),
        (event("1", good).replace("UID:1\r\n", ""), |f| {
            matches!(f, Fault::Object(_))
        }),
        (
            event(
                "1",
                &format!("{good}\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\n{good}"),
            ),
            |f| matches!(f, Fault::Object(_)),
        ),
        (
            event(
                "1",
                &format!("{good}\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\n{good}"),
            ),
            |f| matches!(f, Fault::Object(_)),
        ),
        (
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n".to_owned(),
            |f| matches!(f, Fault::Object(_)),
        ),
    ];
    for (text, is_it) in &calendar {
        match world.put(home, "x.ics", text).await {
            Err(Denied::Calendar(fault)) if is_it(&fault) => {}
            other => panic!("{other:?} for {}", &text[..text.len().min(300)]),
        }
    }
    let cards: Vec<Case<CardFault>> = vec![
        ("hello".to_owned(), |f| matches!(f, CardFault::Syntax(_))),
        (card("1", "A").repeat(2), |f| {
            matches!(f, CardFault::Syntax(_))
        }),
        (card("1", "A").replace("VERSION:3.0\r\n", ""), |f| {
            matches!(f, CardFault::Syntax(_))
        }),
        (card("1", "A").replace("END:VCARD\r\n", ""), |f| {
            matches!(f, CardFault::Syntax(_))
        }),
        (card("1", "A").replace("3.0", "9.0"), |f| {
            matches!(f, CardFault::Version)
        }),
        (card("1", &"A".repeat(524_288)), |f| {
            matches!(f, CardFault::TooLarge { .. })
        }),
    ];
    for (text, is_it) in &cards {
        match world.put(book, "x.vcf", text).await {
            Err(Denied::Card(fault)) if is_it(&fault) => {}
            other => panic!("{other:?} for {}", &text[..text.len().min(300)]),
        }
    }
    for href in ["", ".", "..", "a/b", "a\nb", &"x".repeat(256)] {
        let refused = world.put(home, href, &event("1", good)).await;
        assert!(
            matches!(refused, Err(Denied::Refused(Refusal::Invalid(_)))),
            "{href:?}"
        );
    }
    assert!(
        world
            .app
            .items
            .list(home, ItemId(0), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        world
            .app
            .items
            .list(book, ItemId(0), 10)
            .await
            .unwrap()
            .is_empty()
    );
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn every_byte_is_charged_and_a_full_account_refuses() {
    let world = World::new().await;
    let anna = world.db.account("anna@x.test", 2_000).await.id;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let small = event("1", "DTSTART:20260601T100000Z");
    world.put(home, "1.ics", &small).await.unwrap();
    let held = i64::try_from(small.len()).unwrap();
    assert_eq!(world.app.items.quota(anna).await.unwrap(), (held, 2_000));
    let large = event(
        "2",
        &format!(
            "DTSTART:20260601T100000Z\nDESCRIPTION:{}",
            "x".repeat(2_000)
        ),
    );
    let refused = world.put(home, "2.ics", &large).await;
    assert!(matches!(
        refused,
        Err(Denied::Refused(Refusal::OverQuota { limit_bytes: 2_000 }))
    ));
    let refused = world
        .put(home, "1.ics", &large.replace("UID:2", "UID:1"))
        .await;
    assert!(matches!(
        refused,
        Err(Denied::Refused(Refusal::OverQuota { .. }))
    ));
    assert_eq!(
        world.app.items.item(home, "1.ics").await.unwrap().source,
        small.as_bytes()
    );
    world
        .app
        .items
        .remove(home, "1.ics", Precondition::Any)
        .await
        .unwrap();
    assert_eq!(world.app.items.quota(anna).await.unwrap().0, 0);
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn what_is_not_ones_own_is_not_there() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let bob = world.account("bob@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let text = event("1", "DTSTART:20260601T100000Z");
    world.put(home, "1.ics", &text).await.unwrap();
    let stolen = At {
        reader: bob,
        ..home
    };
    let wrong = At {
        owner: bob,
        reader: bob,
        ..home
    };
    for at in [stolen, wrong] {
        assert!(matches!(
            world.app.items.item(at, "1.ics").await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.app.items.list(at, ItemId(0), 9).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.app.items.items_named(at, &["1.ics".into()]).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.app.items.sync_start(at).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.put(at, "2.ics", &text).await,
            Err(Denied::Refused(Refusal::NotFound))
        ));
        assert!(matches!(
            world.app.items.remove(at, "1.ics", Precondition::Any).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.app.items.delete_shelf(at).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            world.app.items.edit_shelf(at, &ShelfEdit::default()).await,
            Err(Refusal::NotFound)
        ));
        let since = postamt::model::SyncPoint::full(postamt::model::ModSeq(0));
        let changes = world.app.items.changes(at, since, 9, Naming::Href).await;
        assert!(matches!(changes, Err(ChangesError::NotFound)));
    }
    assert!(world.app.items.shelves(bob).await.unwrap().is_empty());
}

#[tokio::test]
async fn changes_are_told_in_pages_until_there_are_none() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let book = world.shelf(anna, CollectionKind::Contacts, "book").await;
    for n in 0..5 {
        world
            .put(book, &format!("{n}.vcf"), &card(&n.to_string(), "N"))
            .await
            .unwrap();
    }
    let mut point = world.app.items.sync_start(book).await.unwrap();
    let mut seen = Vec::new();
    loop {
        let page = world
            .app
            .items
            .changes(book, point, 2, Naming::Href)
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|i| i.href.clone()));
        point = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["0.vcf", "1.vcf", "2.vcf", "3.vcf", "4.vcf"]);
    world
        .app
        .items
        .remove(book, "3.vcf", Precondition::Any)
        .await
        .unwrap();
    world.put(book, "1.vcf", &card("1", "Neu")).await.unwrap();
    let page = world
        .app
        .items
        .changes(book, point, 10, Naming::Href)
        .await
        .unwrap();
    assert_eq!(
        page.items
            .iter()
            .map(|i| i.href.as_str())
            .collect::<Vec<_>>(),
        ["1.vcf"]
    );
    assert_eq!(
        page.gone
            .iter()
            .map(|i| i.href.as_str())
            .collect::<Vec<_>>(),
        ["3.vcf"]
    );
}

#[tokio::test]
async fn a_window_of_time_finds_what_may_lie_in_it() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    for (href, lines) in [
        (
            "past.ics",
            "DTSTART:20250601T100000Z\nDTEND:20250601T110000Z",
        ),
        (
            "now.ics",
            "DTSTART:20260601T100000Z\nDTEND:20260601T110000Z",
        ),
        (
            "later.ics",
            "DTSTART:20270601T100000Z\nDTEND:20270601T110000Z",
        ),
        ("always.ics", "DTSTART:19700601T100000Z\nRRULE:FREQ=DAILY"),
        (
            "ended.ics",
            "DTSTART:19700601T100000Z\nRRULE:FREQ=DAILY;COUNT=9",
        ),
    ] {
        world.put(home, href, &event(href, lines)).await.unwrap();
    }
    let filter = ItemFilter {
        component: Some("VEVENT".to_owned()),
        starts_before: Some(datetime!(2026-07-01 0:00 UTC)),
        ends_after: Some(datetime!(2026-06-01 0:00 UTC)),
        uid: None,
    };
    let found = world
        .app
        .items
        .scan(home, &filter, ItemId(0), 100)
        .await
        .unwrap();
    assert_eq!(
        found
            .iter()
            .map(|f| f.row.href.as_str())
            .collect::<Vec<_>>(),
        ["now.ics", "always.ics"]
    );
}

#[tokio::test]
async fn collections_come_change_and_go() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    for slug in ["", "..", "a/b", "shared.1.2", "home"] {
        let refused = world
            .app
            .items
            .create_shelf(anna, &new_shelf(CollectionKind::Calendar, slug))
            .await;
        assert!(refused.is_err(), "{slug:?}");
    }
    let edit = ShelfEdit {
        name: Some("Zuhause"),
        color: Some("#aabbcc"),
        ..ShelfEdit::default()
    };
    world.app.items.edit_shelf(home, &edit).await.unwrap();
    let shelf = world.app.items.shelf(anna, "home").await.unwrap();
    assert_eq!(
        (shelf.row.name.as_str(), shelf.row.color.as_deref()),
        ("Zuhause", Some("#aabbcc"))
    );
    for bad in [
        ShelfEdit {
            name: Some(" "),
            ..ShelfEdit::default()
        },
        ShelfEdit {
            color: Some("red"),
            ..ShelfEdit::default()
        },
        ShelfEdit {
            time_zone: Some("Nowhere"),
            ..ShelfEdit::default()
        },
    ] {
        assert!(matches!(
            world.app.items.edit_shelf(home, &bad).await,
            Err(Refusal::Invalid(_))
        ));
    }
    world
        .put(home, "1.ics", &event("1", "DTSTART:20260601T100000Z"))
        .await
        .unwrap();
    // The only calendar stays: new events would have no place.
    assert!(matches!(
        world.app.items.delete_shelf(home).await,
        Err(Refusal::NotAllowed)
    ));
    world.shelf(anna, CollectionKind::Calendar, "work").await;
    world.app.items.delete_shelf(home).await.unwrap();
    assert!(matches!(
        world.app.items.shelf(anna, "home").await,
        Err(Refusal::NotFound)
    ));
    assert_eq!(world.app.items.quota(anna).await.unwrap().0, 0);
    let kept = "select count(*) from removed where account_id = $1";
    assert_eq!(world.db.number(kept, anna).await, 1);
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn items_move_and_are_copied_as_they_are() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let work = world.shelf(anna, CollectionKind::Calendar, "work").await;
    let book = world.shelf(anna, CollectionKind::Contacts, "book").await;
    let text = event("1", "DTSTART:20260601T100000Z\nX-ODD:1");
    world.put(home, "1.ics", &text).await.unwrap();
    let to = |at, href| Target {
        at,
        href,
        when: Precondition::Absent,
    };
    let items = &world.app.items;
    items
        .copy(home, "1.ics", Precondition::Any, to(work, "2.ics"))
        .await
        .unwrap();
    assert_eq!(
        items.item(work, "2.ics").await.unwrap().source,
        text.as_bytes()
    );
    items
        .remove(work, "2.ics", Precondition::Any)
        .await
        .unwrap();
    let moved = items
        .relocate(home, "1.ics", Precondition::Any, to(work, "3.ics"))
        .await
        .unwrap();
    assert!(moved.created);
    assert_eq!(
        items.item(work, "3.ics").await.unwrap().source,
        text.as_bytes()
    );
    assert!(items.item(home, "1.ics").await.is_err());
    let refused = items
        .relocate(work, "3.ics", Precondition::Any, to(book, "3.vcf"))
        .await;
    assert!(matches!(refused, Err(Denied::Card(_))));
    world.db.assert_adds_up(anna).await;
}

#[tokio::test]
async fn words_find_what_is_ones_own_and_what_is_public_elsewhere() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let bob = world.account("bob@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    let book = world.shelf(anna, CollectionKind::Contacts, "book").await;
    let at = "DTSTART:20260601T100000Z\nSUMMARY:";
    world
        .put(home, "a", &event("a", &format!("{at}Müller treffen")))
        .await
        .unwrap();
    world
        .put(
            home,
            "b",
            &event("b", &format!("{at}Müller heimlich\nCLASS:CONFIDENTIAL")),
        )
        .await
        .unwrap();
    world.put(book, "c", &card("c", "Muller")).await.unwrap();
    let found = |who, text: &'static str| {
        let items = &world.app.items;
        async move {
            let mut all: Vec<String> = items
                .search(who, text, 10)
                .await
                .unwrap()
                .into_iter()
                .map(|h| h.row.href)
                .collect();
            all.sort_unstable();
            all
        }
    };
    assert_eq!(found(anna, "müll").await, ["a", "b", "c"]);
    assert_eq!(found(anna, "treffen Mueller").await, ["a"]);
    assert!(found(anna, "' | 'x").await.is_empty());
    assert!(found(anna, "  ").await.is_empty());
    assert!(found(bob, "müll").await.is_empty());
    let grantee = postamt::service::items::Grantee::Person("bob@x.test");
    let level = Some(postamt::service::items::Level::Read);
    world.app.items.share(home, grantee, level).await.unwrap();
    assert_eq!(found(bob, "müll").await, ["a"]);
}

#[tokio::test]
async fn a_task_that_repeats_is_completed_in_one_commit() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let list = world.shelf(anna, CollectionKind::Tasks, "tasks").await;
    let task = event(
        "t",
        "DTSTART;VALUE=DATE:20260601\nDUE;VALUE=DATE:20260601\nRRULE:FREQ=WEEKLY\nSUMMARY:Müll",
    )
    .replace("VEVENT", "VTODO");
    let put = world.put(list, "t.ics", &task).await.unwrap();
    let items = &world.app.items;
    let stale = items
        .complete_task(list, "t.ics", Some(postamt::model::ModSeq(1)))
        .await;
    assert!(matches!(stale, Err(Denied::Refused(Refusal::Stale))));
    let done = items
        .complete_task(list, "t.ics", Some(put.modseq))
        .await
        .unwrap();
    let moved = items.item(list, "t.ics").await.unwrap();
    assert_eq!(moved.row.modseq, done.modseq);
    assert!(
        String::from_utf8(moved.source)
            .unwrap()
            .contains("DUE;VALUE=DATE:20260608")
    );
    let kept = items.item(list, &done.kept_at.unwrap()).await.unwrap();
    assert_eq!(
        (kept.row.modseq, kept.row.last_ends_at.is_some()),
        (done.modseq, true)
    );
    let once = event("o", "SUMMARY:einmal").replace("VEVENT", "VTODO");
    world.put(list, "o.ics", &once).await.unwrap();
    assert!(
        items
            .complete_task(list, "o.ics", None)
            .await
            .unwrap()
            .kept_at
            .is_none()
    );
    items.reopen_task(list, "o.ics", None).await.unwrap();
    assert_eq!(
        items.item(list, "o.ics").await.unwrap().row.last_ends_at,
        None
    );
    world.db.assert_adds_up(anna).await;
}
