//! Bodies and requests that mean no good: bombs, depth, floods, wrong types; the door says no and lives on.

use crate::client::{CALENDAR, NS, World, event};

#[tokio::test]
async fn xml_that_is_more_than_plain_is_refused() {
    let world = World::with(|config| {
        config.dav.xml_body = 65_536;
        config.dav.xml_elements = 1_000;
    })
    .await;
    let anna = world.anna();
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><D:propfind xmlns:D='DAV:'>&c;</D:propfind>";
    let outside = "<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><D:propfind xmlns:D='DAV:'>&a;</D:propfind>";
    let deep = format!(
        "<D:propfind xmlns:D='DAV:'>{}{}</D:propfind>",
        "<a>".repeat(40),
        "</a>".repeat(40)
    );
    let wide = format!(
        "<D:propfind {NS}><D:prop>{}</D:prop></D:propfind>",
        "<D:a/>".repeat(1_000)
    );
    let long = format!(
        "<D:propfind {NS}><D:prop/>{}</D:propfind>",
        " ".repeat(65_536)
    );
    for (body, code) in [
        (laughs.to_owned(), 400),
        (outside.to_owned(), 400),
        (deep, 400),
        (wide, 400),
        (long, 413),
        ("<D:propfind xmlns:D='DAV:'>".to_owned(), 400),
        ("not xml".to_owned(), 400),
        ("<D:other xmlns:D='DAV:'/>".to_owned(), 400),
    ] {
        for method in ["PROPFIND", "PROPPATCH", "REPORT", "MKCALENDAR"] {
            let path = if method == "MKCALENDAR" {
                "/dav/calendars/anna@x.test/new/"
            } else {
                CALENDAR
            };
            let answer = anna
                .send(method, path, &[("depth", "0")], body.clone())
                .await;
            let expected = match (method, body.contains("D:other")) {
                ("REPORT", true) => 403,
                // The propfind element is no report.
                ("REPORT", false)
                    if code == 400 && body.starts_with("<D:propfind") && body.len() > 2_000 =>
                {
                    400
                }
                _ => code,
            };
            assert_eq!(
                answer.code(),
                expected,
                "{method} {}: {}",
                body.get(..40).unwrap_or_default(),
                answer.text()
            );
            assert!(!answer.text().contains("root:"), "a file was read");
        }
    }
    assert_eq!(anna.get(CALENDAR).await.code(), 200);
    let wrong = anna
        .send(
            "PROPFIND",
            CALENDAR,
            &[("depth", "0"), ("content-type", "application/json")],
            "{}",
        )
        .await;
    assert_eq!(wrong.code(), 415);
    let typed = anna
        .send(
            "PROPFIND",
            CALENDAR,
            &[
                ("depth", "0"),
                ("content-type", "text/xml; charset=\"utf-8\""),
            ],
            format!("<D:propfind {NS}><D:propname/></D:propfind>"),
        )
        .await;
    assert_eq!(typed.code(), 207);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let world = World::new().await;
    let anna = world.anna();
    for method in ["POST", "PATCH", "LOCK", "UNLOCK", "ACL", "TRACE", "BREW"] {
        let answer = anna.send(method, CALENDAR, &[], "").await;
        assert_eq!(answer.code(), 405, "{method}");
        assert!(answer.header("allow").contains("PROPFIND"), "{method}");
    }
    for path in [
        "/dav/calendars/anna@x.test/../ben@x.test/",
        "/dav/calendars/anna@x.test/calendar/a%2Fb.ics",
        "/dav/calendars/anna@x.test/calendar/%00.ics",
        "/dav/calendars/anna@x.test/calendar/a/b.ics",
        "/dav/calendars/anna@x.test//a.ics",
    ] {
        let answer = anna.put(path, &event("1", "20260301T100000Z", "")).await;
        assert_eq!(answer.code(), 404, "{path}");
    }
    let unknown = anna.report(CALENDAR, &format!("<Z:mine {NS}/>")).await;
    assert_eq!(
        (unknown.code(), unknown.condition().as_str()),
        (403, "supported-report")
    );
    let filter = anna
        .report(
            CALENDAR,
            &format!("<C:calendar-query {NS}><D:prop/><C:filter/></C:calendar-query>"),
        )
        .await;
    assert_eq!(
        (filter.code(), filter.condition().as_str()),
        (403, "valid-filter")
    );
    assert_eq!(anna.report(CALENDAR, "").await.code(), 400);
}

#[tokio::test]
async fn rules_that_never_end_cost_little() {
    let world = World::new().await;
    let anna = world.anna();
    for (name, rule) in [
        ("secondly", "RRULE:FREQ=SECONDLY\r\n"),
        ("never", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n"),
        ("old", "RRULE:FREQ=DAILY\r\n"),
    ] {
        let body = event(name, "19700101T100000Z", rule);
        assert_eq!(
            anna.put(&format!("{CALENDAR}{name}.ics"), &body)
                .await
                .code(),
            201,
            "{name}"
        );
    }
    let began = std::time::Instant::now();
    let body = format!(
        "<C:calendar-query {NS}><D:prop><C:calendar-data><C:expand start='20260301T000000Z' end='20260401T000000Z'/></C:calendar-data></D:prop>\
         <C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'>\
         <C:time-range start='20260301T000000Z' end='20260401T000000Z'/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    );
    let told = anna.report(CALENDAR, &body).await.responses();
    assert_eq!(told.len(), 1);
    let old = told[&format!("{CALENDAR}old.ics")].text("calendar-data");
    assert_eq!(old.matches("BEGIN:VEVENT").count(), 31);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    // More instances than are written out: this one is refused by name, the others are shown.
    anna.put(
        &format!("{CALENDAR}one.ics"),
        &event("one", "20240301T100000Z", ""),
    )
    .await;
    let years = body
        .replace("20260301T", "20240101T")
        .replace("20260401T", "20280101T");
    let told = anna.report(CALENDAR, &years).await.responses();
    assert_eq!(told[&format!("{CALENDAR}old.ics")].status, Some(403));
    assert!(
        told[&format!("{CALENDAR}one.ics")]
            .props
            .contains_key("calendar-data")
    );
}

#[tokio::test]
async fn packed_bodies_are_unpacked_once() {
    use std::io::Write as _;

    let world = World::new().await;
    let anna = world.anna();
    let gzip = |octets: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(octets).unwrap();
        packer.finish().unwrap()
    };
    let body = event("1", "20260301T100000Z", "");
    let path = format!("{CALENDAR}a.ics");
    let put = async |encoding: &str, octets: Vec<u8>| {
        anna.send("PUT", &path, &[("content-encoding", encoding)], octets)
            .await
    };
    assert_eq!(put("gzip", gzip(body.as_bytes())).await.code(), 201);
    assert_eq!(anna.get(&path).await.text(), body);
    assert_eq!(
        put("gzip, gzip", gzip(&gzip(body.as_bytes()))).await.code(),
        415
    );
    let bomb = put("gzip", gzip(&vec![b' '; 50_000_000])).await;
    assert_eq!(
        (bomb.code(), bomb.condition().as_str()),
        (413, "max-resource-size")
    );
}
