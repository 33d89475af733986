//! Sharing: what each step of rights opens, what classes hide, what a secret link shows.

use postamt::error::Refusal;
use postamt::model::{CollectionKind, ItemId, ModSeq, SyncPoint};
use postamt::service::items::{
    At, Denied, Grantee, Level, Naming, PersonalEdit, Precondition, ShelfEdit, directory_card,
};

use crate::store::{World, event};

const PUBLIC: &str = "DTSTART:20260601T100000Z\nSUMMARY:Feier\nLOCATION:Hof";

async fn shared(level: Level) -> (World, At, At) {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let bob = world.account("bob@x.test").await;
    let home = world.shelf(anna, CollectionKind::Calendar, "home").await;
    for (href, class) in [
        ("pub", "PUBLIC"),
        ("conf", "CONFIDENTIAL"),
        ("priv", "PRIVATE"),
        ("odd", "X-ODD"),
    ] {
        let text = event(href, &format!("{PUBLIC}\nCLASS:{class}"));
        world
            .put(home, &format!("{href}.ics"), &text)
            .await
            .unwrap();
    }
    world
        .app
        .items
        .share(home, Grantee::Person("Bob@X.test"), Some(level))
        .await
        .unwrap();
    let theirs = At {
        reader: bob,
        ..home
    };
    (world, home, theirs)
}

#[tokio::test]
async fn a_reader_reads_what_is_public_and_when_the_rest_is() {
    let (world, home, theirs) = shared(Level::Read).await;
    let items = &world.app.items;
    let seen = items.list(theirs, ItemId(0), 10).await.unwrap();
    let hrefs: Vec<&str> = seen.iter().map(|i| i.href.as_str()).collect();
    assert_eq!(hrefs, ["pub.ics", "conf.ics"]);
    assert_eq!(
        (seen[0].summary.as_str(), seen[1].summary.as_str()),
        ("Feier", "")
    );
    let masked = items.item(theirs, "conf.ics").await.unwrap();
    let text = String::from_utf8(masked.source).unwrap();
    assert!(
        text.contains("DTSTART:20260601T100000Z")
            && !text.contains("Feier")
            && !text.contains("Hof")
    );
    assert!(matches!(
        items.item(theirs, "priv.ics").await,
        Err(Refusal::NotFound)
    ));
    assert!(matches!(
        items.item(theirs, "odd.ics").await,
        Err(Refusal::NotFound)
    ));
    let named = items
        .items_named(theirs, &["pub.ics".into(), "priv.ics".into()])
        .await
        .unwrap();
    assert_eq!(named.len(), 1);
    // Pages are whole although what lies between them is hidden.
    assert_eq!(items.list(theirs, ItemId(0), 2).await.unwrap().len(), 2);
    // Reading is not writing.
    let text = event("new", PUBLIC);
    assert!(matches!(
        world.put(theirs, "new.ics", &text).await,
        Err(Denied::Refused(Refusal::NotAllowed))
    ));
    assert!(matches!(
        items.remove(theirs, "pub.ics", Precondition::Any).await,
        Err(Refusal::NotAllowed)
    ));
    assert!(matches!(
        items.shares(theirs).await,
        Err(Refusal::NotAllowed)
    ));
    // What becomes private leaves.
    let since = items.sync_start(theirs).await.unwrap();
    let start = items
        .changes(theirs, since, 100, Naming::Href)
        .await
        .unwrap();
    let first: Vec<_> = start.items.iter().map(|i| i.href.as_str()).collect();
    assert_eq!(first, ["pub.ics", "conf.ics"]);
    world
        .put(
            home,
            "pub.ics",
            &event("pub", &format!("{PUBLIC}\nCLASS:PRIVATE")),
        )
        .await
        .unwrap();
    let next = items
        .changes(theirs, start.next, 100, Naming::Href)
        .await
        .unwrap();
    assert!(next.items.is_empty());
    assert_eq!(
        next.gone
            .iter()
            .map(|g| g.href.as_str())
            .collect::<Vec<_>>(),
        ["pub.ics"]
    );
}

#[tokio::test]
async fn a_writer_writes_at_the_owners_cost_but_not_over_what_is_hidden() {
    let (world, home, theirs) = shared(Level::Write).await;
    let items = &world.app.items;
    let before = items.quota(home.owner).await.unwrap().0;
    let text = event("new", PUBLIC);
    world.put(theirs, "new.ics", &text).await.unwrap();
    assert_eq!(
        items.item(home, "new.ics").await.unwrap().source,
        text.as_bytes()
    );
    assert_eq!(
        items.quota(home.owner).await.unwrap().0,
        before + i64::try_from(text.len()).unwrap()
    );
    assert_eq!(items.quota(theirs.reader).await.unwrap().0, 0);
    for href in ["conf.ics", "priv.ics"] {
        let uid = href.trim_end_matches(".ics");
        let over = world.put(theirs, href, &event(uid, PUBLIC)).await;
        assert!(matches!(over, Err(Denied::Refused(Refusal::NotAllowed))));
        let gone = items.remove(theirs, href, Precondition::Any).await;
        assert!(matches!(gone, Err(Refusal::NotAllowed)));
    }
    // Sharing on is for those who administer.
    let share = items
        .share(theirs, Grantee::Domain, Some(Level::Read))
        .await;
    assert!(matches!(share, Err(Refusal::NotAllowed)));
    world.db.assert_adds_up(home.owner).await;
}

#[tokio::test]
async fn free_busy_only_opens_no_item() {
    let (world, _, theirs) = shared(Level::FreeBusy).await;
    let items = &world.app.items;
    assert_eq!(items.shelves(theirs.reader).await.unwrap().len(), 1);
    assert!(matches!(
        items.list(theirs, ItemId(0), 9).await,
        Err(Refusal::NotAllowed)
    ));
    assert!(matches!(
        items.item(theirs, "pub.ics").await,
        Err(Refusal::NotAllowed)
    ));
    let all = items
        .changes(theirs, SyncPoint::full(ModSeq(0)), 9, Naming::Href)
        .await;
    assert!(all.is_err());
}

#[tokio::test]
async fn a_shared_collection_is_in_the_readers_home_as_the_reader_likes() {
    let (world, home, theirs) = shared(Level::Administer).await;
    let items = &world.app.items;
    let slug = format!("shared.{}.{}", home.owner, home.collection);
    let shelf = items.shelf(theirs.reader, &slug).await.unwrap();
    assert_eq!(shelf.at, theirs);
    assert_eq!(shelf.row.name, "home (anna@x.test)");
    let edit = ShelfEdit {
        name: Some("Annas"),
        color: Some("#112233"),
        ..ShelfEdit::default()
    };
    items.edit_shelf(theirs, &edit).await.unwrap();
    let wish = PersonalEdit {
        alarms_off: Some(true),
        ..PersonalEdit::default()
    };
    items.personalize(theirs, &wish).await.unwrap();
    let shelf = items.shelf(theirs.reader, &slug).await.unwrap();
    assert_eq!(
        (
            shelf.row.name.as_str(),
            shelf.row.color.as_deref(),
            shelf.alarms_off,
            shelf.is_hidden
        ),
        ("Annas", Some("#112233"), true, false)
    );
    let own = items.shelf(home.owner, "home").await.unwrap();
    assert_eq!((own.row.name.as_str(), own.row.color), ("home", None));
    // Deleting gives back; the owner keeps everything.
    items.delete_shelf(theirs).await.unwrap();
    assert!(items.shelves(theirs.reader).await.unwrap().is_empty());
    assert_eq!(items.list(home, ItemId(0), 9).await.unwrap().len(), 4);
    assert!(items.shares(home).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_whole_domain_shares_and_strangers_do_not() {
    let (world, home, theirs) = shared(Level::Read).await;
    let items = &world.app.items;
    items
        .share(home, Grantee::Person("bob@x.test"), None)
        .await
        .unwrap();
    assert!(matches!(
        items.item(theirs, "pub.ics").await,
        Err(Refusal::NotFound)
    ));
    items
        .share(home, Grantee::Domain, Some(Level::Read))
        .await
        .unwrap();
    assert!(items.item(theirs, "pub.ics").await.is_ok());
    let shares = items.shares(home).await.unwrap();
    assert_eq!(
        (
            shares.len(),
            shares[0].address.as_str(),
            shares[0].grantee_id
        ),
        (1, "x.test", None)
    );
    let eve = world.account("eve@y.test").await;
    assert!(items.shelves(eve).await.unwrap().is_empty());
    assert!(matches!(
        items
            .item(
                At {
                    reader: eve,
                    ..home
                },
                "pub.ics"
            )
            .await,
        Err(Refusal::NotFound)
    ));
    // Leaving what everybody has hides it.
    items.leave(theirs).await.unwrap();
    assert!(items.shelves(theirs.reader).await.unwrap()[0].is_hidden);
    // Nobody here, nobody else, not oneself.
    for address in ["nobody@x.test", "a@elsewhere.test", "anna@x.test", ""] {
        let refused = items
            .share(home, Grantee::Person(address), Some(Level::Read))
            .await;
        assert!(matches!(refused, Err(Refusal::NotFound)), "{address}");
    }
}

#[tokio::test]
async fn a_deleted_collection_leaves_every_home() {
    let (world, home, theirs) = shared(Level::Read).await;
    let items = &world.app.items;
    items
        .share(home, Grantee::Domain, Some(Level::Read))
        .await
        .unwrap();
    let token = items.add_link(home, "Aushang", Level::Read).await.unwrap();
    world
        .shelf(home.owner, CollectionKind::Calendar, "other")
        .await;
    items.delete_shelf(home).await.unwrap();
    assert!(items.shelves(theirs.reader).await.unwrap().is_empty());
    assert!(matches!(
        items.linked(&token, ItemId(0), 9).await,
        Err(Refusal::NotFound)
    ));
    for left in [
        "select count(*) from grant_in where owner_id = $1",
        "select count(*) from grant_out where account_id = $1",
        "select count(*) from domain_grant where owner_id = $1",
        "select count(*) from secret_link where account_id = $1",
    ] {
        assert_eq!(world.db.number(left, home.owner).await, 0, "{left}");
    }
}

#[tokio::test]
async fn a_secret_link_shows_what_a_stranger_may_see_until_it_ends() {
    let (world, home, _) = shared(Level::Read).await;
    let items = &world.app.items;
    let token = items.add_link(home, "Aushang", Level::Read).await.unwrap();
    assert!(token.len() >= 32 && !token.contains(['/', '+', '=']));
    let (name, seen) = items.linked(&token, ItemId(0), 9).await.unwrap();
    let hrefs: Vec<&str> = seen.iter().map(|i| i.row.href.as_str()).collect();
    assert_eq!(
        (name.as_str(), hrefs),
        ("home", vec!["pub.ics", "conf.ics"])
    );
    assert!(seen[0].source.windows(5).any(|w| w == b"Feier"));
    let busy = items.add_link(home, "", Level::FreeBusy).await.unwrap();
    let (_, seen) = items.linked(&busy, ItemId(0), 9).await.unwrap();
    assert!(
        seen.iter()
            .all(|i| !i.source.windows(5).any(|w| w == b"Feier"))
    );
    assert!(matches!(
        items.add_link(home, "", Level::Write).await,
        Err(Refusal::NotAllowed)
    ));
    let links = items.links(home).await.unwrap();
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|l| l.used_at.is_some()));
    items.remove_link(home, &links[0].hash).await.unwrap();
    assert!(matches!(
        items.linked(&token, ItemId(0), 9).await,
        Err(Refusal::NotFound)
    ));
    assert!(items.linked(&busy, ItemId(0), 9).await.is_ok());
    assert!(matches!(
        items.linked("guess", ItemId(0), 9).await,
        Err(Refusal::NotFound)
    ));
}

#[tokio::test]
async fn the_domains_address_list_leaves_hidden_people_out() {
    let world = World::new().await;
    let anna = world.account("anna@x.test").await;
    let bob = world.account("bob@x.test").await;
    world.account("eve@y.test").await;
    world
        .db
        .tamper(
            "update account set is_hidden = true where account_id = $1",
            bob,
        )
        .await;
    let people = world.app.items.directory(anna).await.unwrap();
    let addresses: Vec<&str> = people.iter().map(|p| p.address.as_str()).collect();
    assert_eq!(addresses, ["anna@x.test"]);
    let text = directory_card(&people[0]);
    let limits = postamt::format::vcard::CardLimits::default();
    let card = postamt::format::vcard::Card::parse(text.as_bytes(), &limits).unwrap();
    assert_eq!(card.text("EMAIL").as_deref(), Some("anna@x.test"));
}
