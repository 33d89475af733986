//! Scheduling between accounts of one host: invitations, answers, updates, cancellations, proposals; and free-busy.

use postamt::config::Config;
use postamt::error::Refusal;
use postamt::format::recur::{BusyKind, Window};
use postamt::model::{AccountId, CollectionKind, ItemId};
use postamt::service::App;
use postamt::service::items::{At, FullItem, Grantee, Level, Precondition};
use postamt::store::item_read::ItemFilter;
use time::macros::datetime;

use crate::store::{World, event};

struct Office {
    world: World,
    anna: At,
    bob: At,
    eve: At,
}

async fn office() -> Office {
    let world = World::new().await;
    let mut all = Vec::new();
    for address in ["anna@x.test", "bob@x.test", "eve@x.test"] {
        let id: AccountId = world.account(address).await;
        all.push(world.shelf(id, CollectionKind::Calendar, "calendar").await);
    }
    Office {
        anna: all[0],
        bob: all[1],
        eve: all[2],
        world,
    }
}

const MEETING: &str = "ORGANIZER:mailto:anna@x.test\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@x.test\n\
    ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@x.test\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:gast@elsewhere.test\n\
    DTSTART;TZID=Europe/Berlin:20260601T100000\nDTEND;TZID=Europe/Berlin:20260601T110000\nSUMMARY:Runde";

impl Office {
    async fn deliver(&self) -> usize {
        self.world.app.items.deliver_waiting().await.unwrap()
    }

    async fn only(&self, at: At) -> Option<FullItem> {
        let mut all = self
            .world
            .app
            .items
            .scan(at, &ItemFilter::default(), ItemId(0), 10)
            .await
            .unwrap();
        assert!(all.len() <= 1);
        all.pop()
    }

    async fn text(&self, at: At) -> String {
        String::from_utf8(self.only(at).await.unwrap().source).unwrap()
    }

    async fn put(&self, at: At, href: &str, text: &str) {
        self.world.put(at, href, text).await.unwrap();
    }

    /// The guest's own copy with another answer.
    async fn answer(&self, at: At, answer: &str) {
        let item = self.only(at).await.unwrap();
        let text = String::from_utf8(item.source).unwrap();
        let text = text.replace(
            "PARTSTAT=NEEDS-ACTION:mailto:bob",
            &format!("PARTSTAT={answer}:mailto:bob"),
        );
        self.put(at, &item.row.href, &text).await;
    }
}

#[tokio::test]
async fn an_invitation_its_answer_its_update_and_its_end() {
    let office = office().await;
    office
        .put(office.anna, "m.ics", &event("m1", MEETING))
        .await;
    assert_eq!(
        office.deliver().await,
        1,
        "one guest is here, the other elsewhere"
    );
    let copy = office.text(office.bob).await;
    assert!(
        copy.contains("SUMMARY:Runde") && copy.contains("PARTSTAT=NEEDS-ACTION:mailto:bob@x.test")
    );
    assert!(office.only(office.eve).await.is_none());
    // The answer goes back.
    office.answer(office.bob, "ACCEPTED").await;
    assert_eq!(office.deliver().await, 1);
    let host = office.text(office.anna).await;
    assert!(
        host.replace("\r\n ", "")
            .contains("ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:bob@x.test"),
        "{host}"
    );
    // What the host's client then stores unchanged is no news.
    office.put(office.anna, "m.ics", &host).await;
    assert_eq!(office.deliver().await, 0);
    // Another title: the answer stands. Another time: it is asked again.
    office
        .put(office.anna, "m.ics", &host.replace("Runde", "Große Runde"))
        .await;
    assert_eq!(office.deliver().await, 1);
    let copy = office.text(office.bob).await;
    assert!(
        copy.contains("Große Runde") && copy.contains("PARTSTAT=ACCEPTED:mailto:bob@x.test"),
        "{copy}"
    );
    // Somebody comes in, somebody goes out.
    let host = office.text(office.anna).await;
    let other = host.replace("SUMMARY", "ATTENDEE:mailto:eve@x.test\r\nSUMMARY");
    let other: String = other
        .split_inclusive("\r\n")
        .filter(|l| {
            !l.contains("bob@x.test") && !l.starts_with(" mailto:bob") && !l.starts_with(' ')
        })
        .collect();
    let other = other.replace(
        "ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0:mailto:bob@x.test\r\n",
        "",
    );
    office.put(office.anna, "m.ics", &other).await;
    assert_eq!(office.deliver().await, 2);
    assert!(office.text(office.bob).await.contains("STATUS:CANCELLED"));
    assert!(office.text(office.eve).await.contains("Große Runde"));
    // The host deletes it.
    office
        .world
        .app
        .items
        .remove(office.anna, "m.ics", Precondition::Any)
        .await
        .unwrap();
    assert_eq!(office.deliver().await, 1);
    assert!(office.text(office.eve).await.contains("STATUS:CANCELLED"));
    // Throwing away what was called off says nothing.
    let gone = office.only(office.eve).await.unwrap().row.href;
    office
        .world
        .app
        .items
        .remove(office.eve, &gone, Precondition::Any)
        .await
        .unwrap();
    assert_eq!(office.deliver().await, 0);
    for at in [office.anna, office.bob, office.eve] {
        office.world.db.assert_adds_up(at.owner).await;
    }
}

#[tokio::test]
async fn deleting_an_invitation_declines_it() {
    let office = office().await;
    office
        .put(office.anna, "m.ics", &event("m1", MEETING))
        .await;
    office.deliver().await;
    let href = office.only(office.bob).await.unwrap().row.href;
    office
        .world
        .app
        .items
        .remove(office.bob, &href, Precondition::Any)
        .await
        .unwrap();
    assert_eq!(office.deliver().await, 1);
    assert!(
        office
            .text(office.anna)
            .await
            .replace("\r\n ", "")
            .contains("PARTSTAT=DECLINED;SCHEDULE-STATUS=2.0:mailto:bob@x.test")
    );
}

#[tokio::test]
async fn nobody_invites_or_answers_in_anothers_name() {
    let office = office().await;
    // Bob stores an event that says Anna invites Eve: he is no guest of it, nobody learns of it.
    office
        .put(
            office.bob,
            "f.ics",
            &event("f1", &MEETING.replace("bob@x.test", "eve@x.test")),
        )
        .await;
    assert_eq!(office.deliver().await, 0);
    assert!(office.only(office.eve).await.is_none() && office.only(office.anna).await.is_none());
    // Bob answers to an event of Anna's that he was never invited to.
    office
        .put(
            office.anna,
            "m.ics",
            &event("m1", &MEETING.replace("bob@x.test", "eve@x.test")),
        )
        .await;
    office.deliver().await;
    let before = office.text(office.anna).await;
    office
        .put(
            office.bob,
            "g.ics",
            &event(
                "m1",
                &MEETING.replace("NEEDS-ACTION:mailto:bob", "ACCEPTED:mailto:bob"),
            ),
        )
        .await;
    office.deliver().await;
    assert_eq!(office.text(office.anna).await, before);
}

#[tokio::test]
async fn work_that_was_begun_is_ended_by_another_node_and_done_once() {
    let office = office().await;
    office
        .put(
            office.anna,
            "m.ics",
            &event("m1", &MEETING.replace("gast@elsewhere.test", "eve@x.test")),
        )
        .await;
    // The node dies before it delivers; both its guests are waiting in one row.
    let waiting: i64 = sqlx::query_scalar("select count(*) from job where kind = 'itip'")
        .fetch_one(&office.world.db.pool)
        .await
        .unwrap();
    assert_eq!(waiting, 1);
    let other = App::new(
        std::sync::Arc::new(Config::default()),
        office.world.db.second_store().await,
    );
    let (one, two) = tokio::join!(
        other.items.deliver_waiting(),
        office.world.app.items.deliver_waiting()
    );
    assert_eq!(one.unwrap() + two.unwrap(), 2);
    assert!(office.only(office.bob).await.is_some() && office.only(office.eve).await.is_some());
    assert_eq!(office.deliver().await, 0);
}

#[tokio::test]
async fn a_full_guest_misses_it_and_the_others_do_not() {
    let office = office().await;
    office
        .world
        .db
        .tamper(
            "update account set quota_bytes = 10 where account_id = $1",
            office.bob.owner,
        )
        .await;
    office
        .put(
            office.anna,
            "m.ics",
            &event("m1", &MEETING.replace("gast@elsewhere.test", "eve@x.test")),
        )
        .await;
    assert_eq!(office.deliver().await, 2);
    assert!(office.only(office.bob).await.is_none() && office.only(office.eve).await.is_some());
}

#[tokio::test]
async fn a_proposal_reaches_the_host() {
    let office = office().await;
    office
        .put(office.anna, "m.ics", &event("m1", MEETING))
        .await;
    office.deliver().await;
    let href = office.only(office.bob).await.unwrap().row.href;
    let times = (
        datetime!(2026-06-01 13:00 UTC),
        datetime!(2026-06-01 14:00 UTC),
    );
    office
        .world
        .app
        .items
        .propose(office.bob, &href, times)
        .await
        .unwrap();
    assert_eq!(office.deliver().await, 1);
    let host = office.text(office.anna).await.replace("\r\n ", "");
    assert!(
        host.contains("PARTSTAT=TENTATIVE")
            && host.contains("X-POSTAMT-PROPOSED-START=20260601T130000Z"),
        "{host}"
    );
    let own = office
        .world
        .app
        .items
        .propose(office.anna, "m.ics", times)
        .await;
    assert!(own.is_err());
}

#[tokio::test]
async fn free_busy_tells_colleagues_when_and_nothing_else() {
    let office = office().await;
    let items = &office.world.app.items;
    for (uid, lines) in [
        (
            "a",
            "DTSTART:20260601T080000Z\nDTEND:20260601T090000Z\nCLASS:PRIVATE",
        ),
        (
            "b",
            "DTSTART:20260601T083000Z\nDTEND:20260601T100000Z\nSTATUS:TENTATIVE",
        ),
        (
            "c",
            "DTSTART:20260601T120000Z\nDTEND:20260601T130000Z\nTRANSP:TRANSPARENT",
        ),
        (
            "d",
            "DTSTART:20260601T140000Z\nDTEND:20260601T150000Z\nSTATUS:CANCELLED",
        ),
        (
            "e",
            "DTSTART:20200106T160000Z\nDTEND:20200106T170000Z\nRRULE:FREQ=WEEKLY",
        ),
        (
            "f",
            "DTSTART:20260601T180000Z\nDTEND:20260601T190000Z\nORGANIZER:mailto:z@y.test\nATTENDEE;PARTSTAT=DECLINED:mailto:anna@x.test",
        ),
    ] {
        office.put(office.anna, uid, &event(uid, lines)).await;
    }
    let window = Window {
        from: datetime!(2026-06-01 0:00 UTC),
        to: datetime!(2026-06-02 0:00 UTC),
    };
    let found = items
        .free_busy(office.bob.owner, "Anna@x.test", window)
        .await
        .unwrap();
    let busy: Vec<_> = found
        .busy
        .iter()
        .map(|b| (b.from.hour(), b.to.hour(), b.kind))
        .collect();
    assert_eq!(
        busy,
        [
            (8, 9, BusyKind::Busy),
            (9, 10, BusyKind::Tentative),
            (16, 17, BusyKind::Busy)
        ]
    );
    let stranger = office.world.account("fred@y.test").await;
    let refused = items.free_busy(stranger, "anna@x.test", window).await;
    assert!(matches!(refused, Err(Refusal::NotFound)));
    items
        .share(
            office.anna,
            Grantee::Person("fred@y.test"),
            Some(Level::FreeBusy),
        )
        .await
        .unwrap();
    assert_eq!(
        items
            .free_busy(stranger, "anna@x.test", window)
            .await
            .unwrap()
            .busy
            .len(),
        3
    );
    assert!(matches!(
        items.free_busy(stranger, "nobody@x.test", window).await,
        Err(Refusal::NotFound)
    ));
    let turned = Window {
        from: window.to,
        to: window.from,
    };
    assert!(matches!(
        items.free_busy(stranger, "anna@x.test", turned).await,
        Err(Refusal::Invalid(_))
    ));
}
