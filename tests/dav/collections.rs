//! Making, changing, listing and deleting collections.

use crate::client::{CALENDAR, NS, TASKS, World, event};

const HOME: &str = "/dav/calendars/anna@x.test/";

#[tokio::test]
async fn calendars_and_books_are_made_with_their_properties() {
    let world = World::new().await;
    let anna = world.anna();
    let body = format!(
        "<C:mkcalendar {NS}><D:set><D:prop><D:displayname>Lisas &amp; Ottos</D:displayname>\
         <C:calendar-description>Beide</C:calendar-description><A:calendar-color>#FF2968FF</A:calendar-color>\
         <A:calendar-order>7</A:calendar-order><C:supported-calendar-component-set><C:comp name='VTODO'/>\
         </C:supported-calendar-component-set><Z:thing q='1'>x<Z:y/></Z:thing></D:prop></D:set></C:mkcalendar>"
    );
    let path = format!("{HOME}lisa/");
    let made = anna.send("MKCALENDAR", &path, &[], body).await;
    assert_eq!(made.code(), 201, "{}", made.text());
    let props = "<D:displayname/><C:calendar-description/><A:calendar-color/><A:calendar-order/>\
                 <C:supported-calendar-component-set/><Z:thing/><C:schedule-calendar-transp/><S:getctag/><D:sync-token/>";
    let told = anna.propfind(&path, "0", props).await.only();
    assert_eq!(told.text("displayname"), "Lisas & Ottos");
    assert_eq!(told.text("calendar-description"), "Beide");
    assert_eq!(told.text("calendar-color"), "#FF2968FF");
    assert_eq!(told.text("calendar-order"), "7");
    assert_eq!(told.inside("thing"), ["y"]);
    assert_eq!(told.props["thing"].attribute("q"), Some("1"));
    assert_eq!(told.inside("schedule-calendar-transp"), ["opaque"]);
    assert_eq!(
        told.props["supported-calendar-component-set"]
            .elements()
            .next()
            .unwrap()
            .attribute("name"),
        Some("VTODO")
    );
    let taken = anna.send("MKCALENDAR", &path, &[], "").await;
    assert_eq!(
        (taken.code(), taken.condition().as_str()),
        (403, "resource-must-be-null")
    );
    let book = format!(
        "<D:mkcol {NS}><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype>\
         <D:displayname>Verein</D:displayname><R:addressbook-description>Alle</R:addressbook-description></D:prop></D:set></D:mkcol>"
    );
    let path = "/dav/addressbooks/anna@x.test/verein/";
    assert_eq!(
        anna.send("MKCOL", path, &[], book.clone()).await.code(),
        201
    );
    assert_eq!(anna.send("MKCOL", path, &[], book).await.code(), 405);
    let told = anna
        .propfind(
            path,
            "0",
            "<D:displayname/><R:addressbook-description/><R:supported-address-data/>",
        )
        .await
        .only();
    assert_eq!(told.text("addressbook-description"), "Alle");
    assert_eq!(told.inside("supported-address-data").len(), 2);
}

#[tokio::test]
async fn collections_stand_where_they_may() {
    let world = World::new().await;
    let anna = world.anna();
    for (method, path, body, code) in [
        (
            "MKCALENDAR",
            "/dav/calendars/anna@x.test/calendar/inside/",
            "",
            403,
        ),
        ("MKCALENDAR", "/dav/addressbooks/anna@x.test/cal/", "", 403),
        ("MKCALENDAR", "/dav/calendars/ben@x.test/new/", "", 409),
        ("MKCALENDAR", "/dav/other/", "", 404),
        ("MKCOL", "/dav/calendars/anna@x.test/plain/", "", 403),
        ("MKCALENDAR", "/dav/calendars/anna@x.test/x/", "<a/>", 400),
    ] {
        let answer = anna.send(method, path, &[], body).await;
        assert_eq!(answer.code(), code, "{method} {path} {}", answer.text());
    }
    // All or nothing: what cannot be set stops it, and says which.
    let body = format!(
        "<C:mkcalendar {NS}><D:set><D:prop><D:displayname>x</D:displayname><D:getetag>1</D:getetag></D:prop></D:set></C:mkcalendar>"
    );
    let path = format!("{HOME}never/");
    let refused = anna.send("MKCALENDAR", &path, &[], body).await;
    assert_eq!(refused.code(), 207);
    assert!(refused.text().contains("403") && refused.text().contains("424"));
    assert_eq!(anna.get(&path).await.code(), 404);
}

#[tokio::test]
async fn properties_change_together_or_not_at_all() {
    let world = World::new().await;
    let anna = world.anna();
    let patch = |inside: &str| format!("<D:propertyupdate {NS}>{inside}</D:propertyupdate>");
    let set = |inside: &str| format!("<D:set><D:prop>{inside}</D:prop></D:set>");
    let send =
        async |path: &str, inside: &str| anna.send("PROPPATCH", path, &[], patch(inside)).await;
    let zone = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Vienna\r\nBEGIN:STANDARD\r\n\
                DTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";
    let done = send(
        CALENDAR,
        &set(&format!(
            "<D:displayname>Arbeit</D:displayname><A:calendar-color>#00aa00</A:calendar-color><Z:k>1</Z:k>\
             <C:calendar-timezone>{}</C:calendar-timezone><C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>",
            zone.replace('\r', "&#13;")
        )),
    )
    .await;
    assert_eq!(done.only().props.len(), 5, "{}", done.text());
    let props = "<D:displayname/><A:calendar-color/><Z:k/><C:calendar-timezone/><C:calendar-timezone-id/><C:schedule-calendar-transp/>";
    let told = anna.propfind(CALENDAR, "0", props).await.only();
    assert_eq!(told.text("displayname"), "Arbeit");
    assert_eq!(told.text("calendar-color"), "#00aa00");
    assert_eq!(told.text("k"), "1");
    assert_eq!(told.text("calendar-timezone"), zone);
    assert_eq!(told.text("calendar-timezone-id"), "Europe/Vienna");
    assert_eq!(told.inside("schedule-calendar-transp"), ["transparent"]);
    let half = send(
        CALENDAR,
        &set("<D:displayname>Nie</D:displayname><D:getetag>1</D:getetag><A:calendar-color>red</A:calendar-color>"),
    )
    .await
    .only();
    assert_eq!(half.others["displayname"], 424);
    assert_eq!(half.others["getetag"], 403);
    assert_eq!(half.others["calendar-color"], 403);
    let removed = send(CALENDAR, "<D:remove><D:prop><Z:k/></D:prop></D:remove>").await;
    assert_eq!(removed.code(), 207);
    let told = anna.propfind(CALENDAR, "0", props).await.only();
    assert_eq!(told.text("displayname"), "Arbeit");
    assert_eq!(told.others["k"], 404);
    let minimal = anna
        .send(
            "PROPPATCH",
            CALENDAR,
            &[("prefer", "return=minimal")],
            patch(&set("<D:displayname>Kurz</D:displayname>")),
        )
        .await;
    assert_eq!((minimal.code(), minimal.octets.len()), (200, 0));
    let principal = send("/dav/principals/anna@x.test/", &set("<Z:k>1</Z:k>")).await;
    assert_eq!(principal.only().others["k"], 403);
}

#[tokio::test]
async fn allprop_and_propname_tell_what_there_is() {
    let world = World::new().await;
    let anna = world.anna();
    anna.put(
        &format!("{CALENDAR}a.ics"),
        &event("1", "20260301T100000Z", ""),
    )
    .await;
    let body =
        format!("<D:propfind {NS}><D:allprop/><D:include><S:getctag/></D:include></D:propfind>");
    let all = anna
        .send("PROPFIND", CALENDAR, &[("depth", "1")], body)
        .await
        .responses();
    assert_eq!(all.len(), 2);
    let (calendar, object) = (&all[CALENDAR], &all[&format!("{CALENDAR}a.ics")]);
    assert!(calendar.props.contains_key("displayname") && calendar.props.contains_key("getctag"));
    assert!(!calendar.props.contains_key("sync-token"));
    assert!(object.props.contains_key("getetag") && !object.props.contains_key("calendar-data"));
    assert_eq!(object.others["getctag"], 404, "who names it is told");
    assert!(
        !object.others.contains_key("displayname"),
        "who does not is not"
    );
    let empty = anna
        .send("PROPFIND", CALENDAR, &[("depth", "0")], "")
        .await
        .only();
    assert!(empty.props.contains_key("resourcetype"));
    let names = anna
        .send(
            "PROPFIND",
            CALENDAR,
            &[("depth", "0")],
            format!("<D:propfind {NS}><D:propname/></D:propfind>"),
        )
        .await
        .only();
    assert!(
        names.props.contains_key("sync-token") && names.props["sync-token"].children.is_empty()
    );
    let minimal = anna
        .send(
            "PROPFIND",
            CALENDAR,
            &[("depth", "0"), ("prefer", "return=minimal")],
            format!("<D:propfind {NS}><D:prop><D:displayname/><Z:none/></D:prop></D:propfind>"),
        )
        .await;
    assert_eq!(minimal.header("preference-applied"), "return=minimal");
    let minimal = minimal.only();
    assert!(minimal.others.is_empty() && minimal.props.len() == 1);
    let deep = anna
        .send("PROPFIND", CALENDAR, &[("depth", "infinity")], "")
        .await;
    assert_eq!(
        (deep.code(), deep.condition().as_str()),
        (403, "propfind-finite-depth")
    );
    assert_eq!(
        anna.send("PROPFIND", CALENDAR, &[("depth", "2")], "")
            .await
            .code(),
        400
    );
}

#[tokio::test]
async fn a_collection_goes_with_all_that_is_in_it() {
    let world = World::new().await;
    let anna = world.anna();
    let path = format!("{HOME}gone/");
    anna.send("MKCALENDAR", &path, &[], "").await;
    for n in 0..3 {
        anna.put(
            &format!("{path}{n}.ics"),
            &event(&n.to_string(), "20260301T100000Z", ""),
        )
        .await;
    }
    let half = anna.send("DELETE", &path, &[("depth", "0")], "").await;
    assert_eq!(half.code(), 400);
    assert_eq!(anna.send("DELETE", &path, &[], "").await.code(), 204);
    assert_eq!(anna.get(&format!("{path}1.ics")).await.code(), 404);
    assert_eq!(anna.send("DELETE", HOME, &[], "").await.code(), 403);
    // New tasks must go somewhere.
    assert_eq!(anna.send("DELETE", TASKS, &[], "").await.code(), 403);
    world.server.db.assert_adds_up(world.anna).await;
}
