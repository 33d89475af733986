//! Objects: octet for octet in and out, conditions under the lock, copies and moves, every precondition by its name.

use crate::client::{BOOK, CALENDAR, TASKS, World, card, event};

fn at(name: &str) -> String {
    format!("{CALENDAR}{name}")
}

#[tokio::test]
async fn what_was_stored_comes_back_octet_for_octet() {
    let world = World::new().await;
    let anna = world.anna();
    // Odd, but iCalendar: line feeds alone, unknown properties, a fold in the middle of a letter's neighbour, no end of line.
    let odd = "BEGIN:VCALENDAR\nVERSION:2.0\nX-A;X-P=\"a;b\":1\nBEGIN:VEVENT\nUID:odd\nDTSTAMP:20260101T000000Z\n\
               DTSTART:20260301T100000Z\nSUMMARY:Ein\n  langer Titel mit ü\nx-unknown:kept\nEND:VEVENT\nEND:VCALENDAR";
    for (name, body) in [
        ("a.ics", event("1", "20260301T100000Z", "X-FOO:bar\r\n")),
        ("odd name ü.ics", odd.to_owned()),
    ] {
        let path = at(&name.replace(' ', "%20").replace('ü', "%C3%BC"));
        let put = anna.put(&path, &body).await;
        assert_eq!(put.code(), 201, "{}", put.text());
        let got = anna.get(&path).await;
        assert_eq!(got.octets, body.as_bytes());
        assert_eq!(got.header("etag"), put.header("etag"));
        assert!(got.header("content-type").starts_with("text/calendar"));
        let head = anna.send("HEAD", &path, &[], "").await;
        assert_eq!((head.code(), head.octets.len()), (200, 0));
        assert_eq!(head.header("etag"), put.header("etag"));
        assert_eq!(head.header("content-length"), body.len().to_string());
        let listed = anna
            .propfind(
                &path,
                "0",
                "<D:getcontentlength/><D:getetag/><D:getlastmodified/>",
            )
            .await
            .only();
        assert_eq!(listed.text("getcontentlength"), body.len().to_string());
        assert_eq!(listed.text("getetag"), put.header("etag"));
        assert!(listed.text("getlastmodified").ends_with(" GMT"));
    }
}

#[tokio::test]
async fn conditions_are_kept() {
    let world = World::new().await;
    let anna = world.anna();
    let (path, one, two) = (
        at("a.ics"),
        event("1", "20260301T100000Z", ""),
        event("1", "20260302T100000Z", ""),
    );
    let when = |name: &'static str, value: String| async move { (name, value) };
    let put = async |headers: &[(&str, &str)], body: &str| {
        anna.send("PUT", &path, headers, body.to_owned()).await
    };
    assert_eq!(put(&[("if-match", "*")], &one).await.code(), 412);
    assert_eq!(put(&[("if-match", "\"1\"")], &one).await.code(), 412);
    let first = put(&[("if-none-match", "*")], &one).await;
    assert_eq!(first.code(), 201);
    assert_eq!(put(&[("if-none-match", "*")], &two).await.code(), 412);
    let etag = first.header("etag").to_owned();
    let second = put(&[("if-match", &etag)], &two).await;
    assert_eq!(second.code(), 204);
    assert_ne!(second.header("etag"), etag);
    assert_eq!(put(&[("if-match", &etag)], &one).await.code(), 412, "stale");
    let (_, list) = when("x", format!("\"7777\", {}", second.header("etag"))).await;
    let third = put(&[("if-match", &list)], &one).await;
    assert_eq!(third.code(), 204);
    let same = anna
        .send("GET", &path, &[("if-none-match", third.header("etag"))], "")
        .await;
    assert_eq!((same.code(), same.octets.len()), (304, 0));
    let gone = anna.send("DELETE", &path, &[("if-match", &etag)], "").await;
    assert_eq!(gone.code(), 412);
    let gone = anna
        .send("DELETE", &path, &[("if-match", third.header("etag"))], "")
        .await;
    assert_eq!(gone.code(), 204);
    assert_eq!(anna.send("DELETE", &path, &[], "").await.code(), 404);
    assert_eq!(anna.get(&path).await.code(), 404);
    let whole = put(&[("prefer", "return=representation")], &one).await;
    assert_eq!((whole.code(), whole.text()), (201, one));
}

#[tokio::test]
async fn objects_are_copied_and_moved() {
    let world = World::new().await;
    let anna = world.anna();
    let body = event("1", "20260301T100000Z", "");
    anna.put(&at("a.ics"), &body).await;
    let other = "/dav/calendars/anna@x.test/other/";
    assert_eq!(anna.send("MKCALENDAR", other, &[], "").await.code(), 201);
    let transfer = async |method: &str, from: &str, to: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("destination", to)];
        headers.extend_from_slice(more);
        anna.send(method, from, &headers, "").await
    };
    let (a, b) = (at("a.ics"), at("b.ics"));
    let there = format!("https://localhost{other}a.ics");
    let copied = transfer("COPY", &a, &there, &[]).await;
    assert_eq!(copied.code(), 201, "{}", copied.text());
    assert_eq!(anna.get(&format!("{other}a.ics")).await.text(), body);
    // In one collection a UID stands once.
    let twice = transfer("COPY", &a, &b, &[]).await;
    assert_eq!(
        (twice.code(), twice.condition().as_str()),
        (409, "no-uid-conflict")
    );
    assert!(twice.text().contains(&a));
    assert_eq!(
        transfer("MOVE", &a, &b, &[("overwrite", "F")]).await.code(),
        201
    );
    assert_eq!(anna.get(&a).await.code(), 404);
    assert_eq!(anna.get(&b).await.text(), body);
    assert_eq!(
        transfer("MOVE", &b, &there, &[("overwrite", "F")])
            .await
            .code(),
        412
    );
    assert_eq!(transfer("MOVE", &b, &there, &[]).await.code(), 204);
    assert_eq!(anna.get(&b).await.code(), 404);
    let from = format!("{other}a.ics");
    for (to, code) in [
        ("https://elsewhere.test/dav/calendars/a/b/c.ics", 502),
        ("/dav/calendars/anna@x.test/none/a.ics", 409),
        ("/dav/calendars/ben@x.test/calendar/a.ics", 409),
        ("/somewhere", 409),
        (&from, 403),
    ] {
        assert_eq!(transfer("MOVE", &from, to, &[]).await.code(), code, "{to}");
    }
    let task = transfer("MOVE", &from, &format!("{TASKS}a.ics"), &[]).await;
    assert_eq!(task.condition(), "supported-calendar-component");
    let none = anna.send("MOVE", &from, &[], "").await;
    assert_eq!(none.code(), 400);
    assert_eq!(anna.get(&from).await.text(), body);
    world.server.db.assert_adds_up(world.anna).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn each_broken_rule_has_its_name() {
    let world = World::new().await;
    let anna = world.anna();
    anna.put(&at("a.ics"), &event("1", "20260301T100000Z", ""))
        .await;
    let start = "20260301T100000Z";
    let many = |line: &str, n: usize| line.repeat(n);
    let big = event(
        "2",
        start,
        &format!("DESCRIPTION:{}\r\n", "x".repeat(1_048_576)),
    );
    let wrapped =
        |inner: &str| format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{inner}END:VCALENDAR\r\n");
    let todo = wrapped("BEGIN:VTODO\r\nUID:t\r\nDTSTAMP:20260101T000000Z\r\nEND:VTODO\r\n");
    let two_uids = event(
        "5",
        start,
        "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:6\r\nDTSTART:20260301T100000Z\r\n",
    );
    for (body, code, condition) in [
        ("nonsense".to_owned(), 403, "valid-calendar-data"),
        (String::new(), 403, "valid-calendar-data"),
        (
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n".to_owned(),
            403,
            "valid-calendar-data",
        ),
        (wrapped(""), 403, "valid-calendar-object-resource"),
        (two_uids, 403, "valid-calendar-object-resource"),
        (
            event("7", start, "").replace("VERSION:2.0", "VERSION:2.0\r\nMETHOD:REQUEST"),
            403,
            "valid-calendar-object-resource",
        ),
        (todo, 403, "supported-calendar-component"),
        (big, 413, "max-resource-size"),
        (event("8", "15990101T000000Z", ""), 403, "min-date-time"),
        (event("8", "22010101T000000Z", ""), 403, "max-date-time"),
        (
            event("9", start, "RRULE:FREQ=DAILY;COUNT=10000\r\n"),
            403,
            "max-instances",
        ),
        (
            event("10", start, &many("ATTENDEE:mailto:a@b.test\r\n", 501)),
            403,
            "max-attendees-per-instance",
        ),
        (
            event(
                "11",
                start,
                &many(
                    "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n",
                    21,
                ),
            ),
            403,
            "valid-calendar-data",
        ),
        (
            format!(
                "{}{}",
                many("BEGIN:VCALENDAR\r\n", 20_000),
                many("END:VCALENDAR\r\n", 20_000)
            ),
            403,
            "valid-calendar-data",
        ),
        (event("1", start, ""), 409, "no-uid-conflict"),
    ] {
        let answer = anna.put(&at("b.ics"), &body).await;
        let shown = body.get(..60.min(body.len())).unwrap_or_default();
        assert_eq!(answer.code(), code, "{shown}: {}", answer.text());
        assert_eq!(answer.condition(), condition, "{shown}");
        assert_eq!(anna.get(&at("b.ics")).await.code(), 404);
    }
    let conflict = anna.put(&at("b.ics"), &event("1", start, "")).await;
    assert!(conflict.text().contains(&at("a.ics")));
    for (body, code, condition) in [
        ("nonsense".to_owned(), 403, "valid-address-data"),
        (
            card("1", "A", "").replace("3.0", "5.0"),
            403,
            "supported-address-data",
        ),
        (
            card("1", "A", &many("NOTE:x\r\n", 1_001)),
            403,
            "valid-address-data",
        ),
        (
            card("1", "A", &format!("NOTE:{}\r\n", "x".repeat(524_288))),
            413,
            "max-resource-size",
        ),
    ] {
        let answer = anna.put(&format!("{BOOK}b.vcf"), &body).await;
        assert_eq!(
            (answer.code(), answer.condition().as_str()),
            (code, condition)
        );
    }
    for (path, kind, condition) in [
        (at("c.ics"), "text/html", "supported-calendar-data"),
        (
            format!("{BOOK}c.vcf"),
            "text/calendar",
            "supported-address-data",
        ),
    ] {
        let body = event("c", start, "");
        let answer = anna
            .send("PUT", &path, &[("content-type", kind)], body)
            .await;
        assert_eq!(
            (answer.code(), answer.condition().as_str()),
            (403, condition)
        );
    }
    let nowhere = anna
        .put(
            "/dav/calendars/anna@x.test/none/a.ics",
            &event("n", start, ""),
        )
        .await;
    assert_eq!(nowhere.code(), 409);
    assert_eq!(anna.put(CALENDAR, &event("n", start, "")).await.code(), 405);
    world.server.db.assert_adds_up(world.anna).await;
}

#[tokio::test]
async fn a_full_account_takes_nothing_more() {
    let world = World::new().await;
    let anna = world.anna();
    let body = event("1", "20260301T100000Z", "");
    anna.put(&at("a.ics"), &body).await;
    let used: i64 = i64::try_from(body.len()).unwrap();
    world
        .server
        .db
        .tamper(
            "update account set quota_bytes = used_bytes + 100 where account_id = $1",
            world.anna,
        )
        .await;
    let refused = anna
        .put(&at("b.ics"), &event("2", "20260301T100000Z", ""))
        .await;
    assert_eq!(
        (refused.code(), refused.condition().as_str()),
        (507, "quota-not-exceeded")
    );
    let quota = anna
        .propfind(
            CALENDAR,
            "0",
            "<D:quota-available-bytes/><D:quota-used-bytes/>",
        )
        .await
        .only();
    let now: i64 = quota.text("quota-used-bytes").parse().unwrap();
    assert!(now >= used);
    assert_eq!(quota.text("quota-available-bytes"), "100");
    // A smaller object in the place of a larger one always fits.
    assert_eq!(
        anna.put(
            &at("a.ics"),
            &event("1", "20260301T100000Z", "").replace("Besuch", "B")
        )
        .await
        .code(),
        204
    );
    world.server.db.assert_adds_up(world.anna).await;
}

#[tokio::test]
async fn cards_are_given_in_the_version_that_was_asked_for() {
    let world = World::new().await;
    let anna = world.anna();
    let path = format!("{BOOK}c.vcf");
    let body = card("c", "Cem", "TEL;TYPE=CELL,VOICE:+49 30 1\r\n");
    assert_eq!(anna.put(&path, &body).await.code(), 201);
    assert_eq!(anna.get(&path).await.text(), body);
    let four = anna
        .send("GET", &path, &[("accept", "text/vcard; version=4.0")], "")
        .await;
    assert!(four.text().contains("VERSION:4.0"), "{}", four.text());
    assert!(four.header("content-type").contains("version=4.0"));
    let three = anna
        .send(
            "GET",
            &path,
            &[("accept", "text/vcard;version=\"3.0\"")],
            "",
        )
        .await;
    assert_eq!(three.text(), body);
}
