//! From a host name to the collections, who is let in, and that everybody sees the own things only.

use postamt::format::davxml::Ns;

use crate::client::{BOOK, CALENDAR, NS, World, basic};
use crate::common::people::PASSWORD;

#[tokio::test]
async fn a_client_finds_its_calendars_from_the_host_alone() {
    let world = World::new().await;
    let anna = world.anna();
    for path in [
        "/.well-known/caldav",
        "/.well-known/carddav",
        "/",
        "/principals/",
    ] {
        let answer = world.stranger().send("PROPFIND", path, &[], "").await;
        assert_eq!(answer.code(), 307, "{path}");
        assert_eq!(answer.header("location"), "/dav/");
    }
    let root = anna
        .propfind("/dav/", "0", "<D:current-user-principal/><D:resourcetype/>")
        .await
        .only();
    let principal = root.href("current-user-principal");
    assert_eq!(principal, "/dav/principals/anna@x.test/");
    let me = anna
        .propfind(
            &principal,
            "0",
            "<D:displayname/><D:resourcetype/><C:calendar-home-set/><R:addressbook-home-set/>\
             <C:calendar-user-address-set/><S:email-address-set/><D:principal-URL/>",
        )
        .await
        .only();
    assert_eq!(me.text("displayname"), "Anna Weiß");
    assert_eq!(me.inside("resourcetype"), ["collection", "principal"]);
    let addresses = me.props["calendar-user-address-set"]
        .all(&Ns::Dav, "href")
        .map(postamt::format::davxml::Element::text)
        .collect::<Vec<_>>();
    assert!(addresses.contains(&"mailto:anna@x.test".to_owned()));
    let home = me.href("calendar-home-set");
    let all = anna
        .propfind(
            &home,
            "1",
            "<D:resourcetype/><D:displayname/><C:supported-calendar-component-set/>\
             <D:current-user-privilege-set/><D:quota-available-bytes/><D:quota-used-bytes/><D:supported-report-set/>",
        )
        .await
        .responses();
    let calendar = &all[CALENDAR];
    assert_eq!(calendar.inside("resourcetype"), ["collection", "calendar"]);
    assert!(
        calendar
            .inside("current-user-privilege-set")
            .contains(&"write".to_owned())
    );
    assert!(
        calendar
            .inside("supported-report-set")
            .contains(&"sync-collection".to_owned())
    );
    assert_eq!(
        calendar.props["supported-calendar-component-set"]
            .elements()
            .map(|c| c.attribute("name").unwrap())
            .collect::<Vec<_>>(),
        ["VEVENT"]
    );
    for (href, told) in &all {
        let free: i64 = told.text("quota-available-bytes").parse().unwrap();
        assert!(free > 0, "{href}");
        assert_eq!(told.text("quota-used-bytes"), "0", "{href}");
    }
    let books = anna
        .propfind(&me.href("addressbook-home-set"), "1", "<D:resourcetype/>")
        .await
        .responses();
    assert_eq!(
        books[BOOK].inside("resourcetype"),
        ["collection", "addressbook"]
    );
}

#[tokio::test]
async fn nobody_comes_in_without_a_password_and_never_past_the_lock() {
    let world = World::new().await;
    let mut dav = world.stranger();
    let answer = dav.propfind("/dav/", "0", "<D:displayname/>").await;
    assert_eq!(answer.code(), 401);
    assert!(
        answer
            .header("www-authenticate")
            .starts_with("Basic realm=\"Postamt\"")
    );
    assert_eq!(answer.header("set-cookie"), "");
    let options = dav.send("OPTIONS", CALENDAR, &[], "").await;
    assert_eq!(options.code(), 200);
    for class in ["1", "3", "calendar-access", "addressbook", "extended-mkcol"] {
        assert!(
            options.header("dav").split(", ").any(|c| c == class),
            "{class}"
        );
    }
    assert!(options.header("allow").contains("MKCALENDAR"));
    // A path of nobody's answers like one of somebody's: first comes who asks.
    assert_eq!(dav.get("/dav/nothing/at/all").await.code(), 401);
    for _ in 0..5 {
        dav.authorization = Some(basic("anna@x.test", "wrong password"));
        assert_eq!(dav.get(CALENDAR).await.code(), 401);
    }
    dav.authorization = Some(basic("anna@x.test", PASSWORD));
    assert_eq!(dav.get(CALENDAR).await.code(), 401, "locked");
    assert_eq!(world.ben().get("/dav/").await.code(), 200);
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let world = World::new().await;
    let anna = world.anna();
    let event = crate::client::event("1", "20260301T100000Z", "");
    assert_eq!(
        anna.put(&format!("{CALENDAR}a.ics"), &event).await.code(),
        201
    );
    let foreign = [
        CALENDAR.to_owned(),
        format!("{CALENDAR}a.ics"),
        "/dav/calendars/anna@x.test/".to_owned(),
        BOOK.to_owned(),
        "/dav/calendars/nobody@x.test/".to_owned(),
        "/dav/calendars/nobody@x.test/calendar/a.ics".to_owned(),
    ];
    for dav in [world.ben(), world.eve()] {
        for path in &foreign {
            for (method, body) in [
                ("GET", ""),
                ("PROPFIND", ""),
                ("DELETE", ""),
                (
                    "PROPPATCH",
                    "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>",
                ),
                (
                    "REPORT",
                    "<D:sync-collection xmlns:D='DAV:'><D:sync-token/><D:prop/></D:sync-collection>",
                ),
            ] {
                let answer = dav.send(method, path, &[("depth", "0")], body).await;
                assert_eq!(answer.code(), 404, "{method} {path}");
            }
        }
        let put = dav.put(&format!("{CALENDAR}b.ics"), &event).await;
        assert_eq!(put.code(), 404);
        let moved = dav
            .send(
                "MOVE",
                &format!("{CALENDAR}a.ics"),
                &[("destination", "/dav/calendars/ben@x.test/calendar/a.ics")],
                "",
            )
            .await;
        assert_eq!(moved.code(), 404);
        let got = dav
            .report(
                "/dav/calendars/ben@x.test/calendar/",
                &format!("<C:calendar-multiget {NS}><D:prop><C:calendar-data/></D:prop><D:href>{CALENDAR}a.ics</D:href></C:calendar-multiget>"),
            )
            .await;
        // Ben's own calendar is there and holds no such object; Eve has none of that name.
        match got.code() {
            207 => assert_eq!(got.only().status, Some(404)),
            code => assert_eq!(code, 404),
        }
    }
    // A colleague's principal is seen, a stranger's and an unknown one are not.
    let principal = |who: &'static str| format!("/dav/principals/{who}/");
    let ben = world.ben();
    let props = "<D:displayname/><C:calendar-home-set/>";
    let seen = ben
        .propfind(&principal("anna@x.test"), "0", props)
        .await
        .only();
    assert_eq!(seen.text("displayname"), "Anna Weiß");
    assert_eq!(seen.others["calendar-home-set"], 404);
    for who in ["eve@y.test", "nobody@x.test"] {
        assert_eq!(ben.propfind(&principal(who), "0", props).await.code(), 404);
    }
    assert_eq!(anna.get(&format!("{CALENDAR}a.ics")).await.code(), 200);
}

#[tokio::test]
async fn principals_are_searched_and_expanded() {
    let world = World::new().await;
    let ben = world.ben();
    let search = |text: &str| {
        format!(
            "<D:principal-property-search {NS}><D:property-search><D:prop><D:displayname/></D:prop>\
             <D:match>{text}</D:match></D:property-search><D:prop><D:displayname/></D:prop></D:principal-property-search>"
        )
    };
    let found = ben.report("/dav/principals/", &search("weiß")).await;
    assert_eq!(
        found.responses().into_keys().collect::<Vec<_>>(),
        ["/dav/principals/anna@x.test/"]
    );
    let none = ben.report("/dav/principals/", &search("eve")).await;
    assert!(none.responses().is_empty());
    let set = ben
        .report("/dav/", &format!("<D:principal-search-property-set {NS}/>"))
        .await;
    assert_eq!(set.code(), 200);
    assert!(set.text().contains("displayname"));
    let me = ben
        .report(
            "/dav/principals/",
            &format!("<D:principal-match {NS}><D:self/><D:prop><D:displayname/></D:prop></D:principal-match>"),
        )
        .await
        .only();
    assert_eq!(me.text("displayname"), "Ben");
    let expanded = ben
        .report(
            "/dav/",
            &format!(
                "<D:expand-property {NS}><D:property name='current-user-principal'><D:property name='displayname'/>\
                 <D:property name='calendar-home-set' namespace='urn:ietf:params:xml:ns:caldav'>\
                 <D:property name='resourcetype'/></D:property></D:property></D:expand-property>"
            ),
        )
        .await
        .only();
    let inside = expanded.inside("current-user-principal");
    assert_eq!(inside.iter().filter(|n| *n == "response").count(), 2);
    assert!(inside.contains(&"displayname".to_owned()));
}

#[tokio::test]
async fn clients_of_a_sogo_host_go_on() {
    let world = World::new().await;
    let anna = world.anna();
    let me = anna
        .propfind(
            "/SOGo/dav/anna@x.test/",
            "0",
            "<C:calendar-home-set/><R:addressbook-home-set/>",
        )
        .await
        .only();
    assert_eq!(
        me.href("calendar-home-set"),
        "/SOGo/dav/anna@x.test/Calendar/"
    );
    let path = "/SOGo/dav/anna/Calendar/personal/a.ics";
    let event = crate::client::event("1", "20260301T100000Z", "");
    assert_eq!(anna.put(path, &event).await.code(), 201);
    assert_eq!(anna.get(path).await.text(), event);
    assert_eq!(anna.get(&format!("{CALENDAR}a.ics")).await.text(), event);
    let got = anna
        .report(
            "/SOGo/dav/anna@x.test/Calendar/personal/",
            &format!("<C:calendar-multiget {NS}><D:prop><D:getetag/></D:prop><D:href>/SOGo/dav/anna@x.test/Calendar/personal/a.ics</D:href></C:calendar-multiget>"),
        )
        .await
        .only();
    assert!(!got.text("getetag").is_empty());
    let card = crate::client::card("c", "Cem", "");
    let path = "/SOGo/dav/anna@x.test/Contacts/personal/c.vcf";
    assert_eq!(anna.put(path, &card).await.code(), 201);
    assert_eq!(anna.get(&format!("{BOOK}c.vcf")).await.text(), card);

    let without = World::with(|config| config.dav.sogo_alias = false).await;
    assert_eq!(
        without.anna().get("/SOGo/dav/anna@x.test/").await.code(),
        404
    );
}
