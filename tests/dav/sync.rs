//! `sync-collection`: first, incremental, cut, stale; and random edits with a client that keeps in step by tokens alone.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::client::{BOOK, CALENDAR, Dav, NS, World, event};

fn at(name: &str) -> String {
    format!("{CALENDAR}{name}.ics")
}

#[tokio::test]
async fn changes_are_told_since_a_token() {
    let world = World::new().await;
    let anna = world.anna();
    let empty = anna.sync(CALENDAR, "", None).await;
    assert!(empty.responses().is_empty());
    let token = empty.sync_token();
    for name in ["a", "b", "c"] {
        anna.put(&at(name), &event(name, "20260301T100000Z", ""))
            .await;
    }
    let first = anna.sync(CALENDAR, "", None).await;
    let all: Vec<String> = first.responses().into_keys().collect();
    assert_eq!(all, [at("a"), at("b"), at("c")]);
    let since = anna.sync(CALENDAR, &token, None).await;
    assert_eq!(since.responses().len(), 3);
    let token = since.sync_token();
    let shown = anna
        .propfind(CALENDAR, "0", "<D:sync-token/><S:getctag/>")
        .await
        .only();
    assert_eq!(
        shown.text("sync-token"),
        token,
        "a client that compares sees that nothing is new"
    );
    // Something elsewhere in the account changes; here nothing does.
    anna.put(&format!("{BOOK}x.vcf"), &crate::client::card("x", "X", ""))
        .await;
    let quiet = anna.sync(CALENDAR, &token, None).await;
    assert!(quiet.responses().is_empty());
    assert_eq!(quiet.sync_token(), token);
    let later = anna.propfind(CALENDAR, "0", "<S:getctag/>").await.only();
    assert_eq!(later.text("getctag"), shown.text("getctag"));

    anna.send("DELETE", &at("b"), &[], "").await;
    let changed = anna
        .put(&at("c"), &event("c", "20260302T100000Z", ""))
        .await;
    anna.put(&at("d"), &event("d", "20260302T100000Z", ""))
        .await;
    anna.send("DELETE", &at("d"), &[], "").await;
    let told = anna.sync(CALENDAR, &token, None).await;
    let by = told.responses();
    assert_eq!(by[&at("b")].status, Some(404));
    assert_eq!(by[&at("c")].text("getetag"), changed.header("etag"));
    assert_eq!(by[&at("d")].status, Some(404));
    assert!(!by.contains_key(&at("a")));
    // A name that lives again has not left.
    anna.put(&at("b"), &event("b", "20260303T100000Z", ""))
        .await;
    let told = anna.sync(CALENDAR, &token, None).await.responses();
    assert_eq!(told[&at("b")].status, None);
    let data = format!(
        "<D:sync-collection {NS}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><C:calendar-data/><D:getlastmodified/></D:prop></D:sync-collection>"
    );
    let told = anna.report(CALENDAR, &data).await.responses();
    assert!(told[&at("b")].text("calendar-data").contains("UID:b"));
}

#[tokio::test]
async fn a_limit_cuts_and_the_token_goes_on() {
    let world = World::new().await;
    let anna = world.anna();
    for n in 0..7 {
        anna.put(
            &at(&n.to_string()),
            &event(&n.to_string(), "20260301T100000Z", ""),
        )
        .await;
    }
    let (mut token, mut seen, mut rounds) = (String::new(), Vec::new(), 0);
    loop {
        let answer = anna.sync(CALENDAR, &token, Some(3)).await;
        token = answer.sync_token();
        let mut told = answer.responses();
        let cut = told.remove(CALENDAR);
        assert!(told.len() <= 3);
        seen.extend(told.into_keys());
        rounds += 1;
        match cut {
            Some(cut) => assert_eq!(cut.status, Some(507)),
            None => break,
        }
    }
    assert_eq!((seen.len(), rounds), (7, 3));
    let rest = anna.sync(CALENDAR, &token, Some(3)).await;
    assert!(rest.responses().is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_ours_or_too_old_is_refused_by_name() {
    let world = World::new().await;
    let anna = world.anna();
    anna.put(&at("a"), &event("a", "20260301T100000Z", ""))
        .await;
    let token = anna.sync(CALENDAR, "", None).await.sync_token();
    let of_book = anna.sync(BOOK, "", None).await.sync_token();
    for bad in [
        of_book.as_str(),
        "http://sabre.io/ns/sync/5",
        "urn:postamt:sync:1.1.999999.-.999999",
        "x",
        &format!("{token}9"),
    ] {
        let answer = anna.sync(CALENDAR, bad, None).await;
        assert_eq!(
            (answer.code(), answer.condition().as_str()),
            (403, "valid-sync-token"),
            "{bad}"
        );
    }
    anna.send("DELETE", &at("a"), &[], "").await;
    let db = &world.server.db;
    db.tamper(
        "update tombstone set deleted_at = now() - interval '91 days' where account_id = $1",
        world.anna,
    )
    .await;
    db.store.prune_tombstones(world.anna, 90).await.unwrap();
    let answer = anna.sync(CALENDAR, &token, None).await;
    assert_eq!(answer.condition(), "valid-sync-token");
    let again = anna.sync(CALENDAR, "", None).await;
    assert!(again.responses().is_empty());
    let next = anna.sync(CALENDAR, &again.sync_token(), None).await;
    assert_eq!(next.code(), 207, "the new token is good");
    let deep = format!(
        "<D:sync-collection {NS}><D:sync-token/><D:sync-level>infinite</D:sync-level><D:prop/></D:sync-collection>"
    );
    assert_eq!(
        anna.report(CALENDAR, &deep).await.condition(),
        "sync-traversal-supported"
    );
    let home = anna.sync("/dav/calendars/anna@x.test/", "", None).await;
    assert_eq!(home.condition(), "supported-report");
}

/// A client that knows names and entity tags from tokens alone.
struct Mirror {
    token: String,
    items: BTreeMap<String, String>,
}

impl Mirror {
    async fn follow(&mut self, dav: &Dav<'_>, limit: Option<usize>) {
        loop {
            let answer = dav.sync(CALENDAR, &self.token, limit).await;
            self.token = answer.sync_token();
            let mut is_cut = false;
            for (href, told) in answer.responses() {
                match told.status {
                    Some(507) => is_cut = true,
                    Some(404) => {
                        self.items.remove(&href);
                    }
                    _ => {
                        self.items.insert(href, told.text("getetag"));
                    }
                }
            }
            if !is_cut {
                return;
            }
        }
    }
}

#[tokio::test]
async fn random_edits_are_followed_by_tokens() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let anna = world.anna();
    let mut mirrors = [None, Some(1), Some(4)].map(|limit| {
        (
            limit,
            Mirror {
                token: String::new(),
                items: BTreeMap::new(),
            },
        )
    });
    for round in 0..25 {
        for _ in 0..rng.random_range(1..5) {
            let name = at(&rng.random_range(0..12).to_string());
            match rng.random_range(0..4) {
                0 => {
                    anna.send("DELETE", &name, &[], "").await;
                }
                1 => {
                    let to = at(&rng.random_range(0..12).to_string());
                    anna.send("MOVE", &name, &[("destination", &to)], "").await;
                }
                _ => {
                    let uid = format!("{}-{round}", rng.random::<u32>());
                    anna.put(&name, &event(&uid, "20260301T100000Z", "")).await;
                }
            }
        }
        for (limit, mirror) in &mut mirrors {
            if rng.random_bool(0.6) {
                mirror.follow(&anna, *limit).await;
            }
        }
    }
    let truth: BTreeMap<String, String> = anna
        .propfind(CALENDAR, "1", "<D:getetag/>")
        .await
        .responses()
        .into_iter()
        .filter(|(href, _)| href != CALENDAR)
        .map(|(href, told)| (href, told.text("getetag")))
        .collect();
    for (limit, mirror) in &mut mirrors {
        mirror.follow(&anna, *limit).await;
        assert_eq!(mirror.items, truth, "limit {limit:?}, seed {seed}");
    }
    world.server.db.assert_adds_up(world.anna).await;
}
