//! Multigets, queries and free-busy.

use std::collections::BTreeSet;

use crate::client::{BOOK, CALENDAR, Dav, NS, TASKS, World, card, event};

fn names(hrefs: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    hrefs
        .into_iter()
        .map(|href| {
            href.rsplit('/')
                .next()
                .unwrap()
                .trim_end_matches(".ics")
                .trim_end_matches(".vcf")
                .to_owned()
        })
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

async fn query(dav: &Dav<'_>, path: &str, filter: &str) -> BTreeSet<String> {
    let body = format!(
        "<C:calendar-query {NS}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name='VCALENDAR'>{filter}</C:comp-filter></C:filter></C:calendar-query>"
    );
    let answer = dav.report(path, &body).await;
    names(answer.responses().into_keys())
}

async fn events(dav: &Dav<'_>) {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:B\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\n\
                TZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n\
                DTSTART:19700329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n\
                END:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
    let weekly = event("weekly", "20260105T090000", "RRULE:FREQ=WEEKLY\r\nEXDATE;TZID=B:20260302T090000\r\n")
        .replace("DTSTART:", "DTSTART;TZID=B:")
        .replace("BEGIN:VEVENT\r\nUID", &format!("{zone}BEGIN:VEVENT\r\nUID"))
        .replace(
            "END:VCALENDAR",
            "BEGIN:VEVENT\r\nUID:weekly\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=B:20260309T090000\r\n\
             DTSTART;TZID=B:20260310T120000\r\nDURATION:PT1H\r\nSUMMARY:Verlegt\r\nEND:VEVENT\r\nEND:VCALENDAR",
        );
    let alarm = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-P1D\r\nEND:VALARM\r\n";
    for (name, body) in [
        (
            "march",
            event(
                "march",
                "20260315T100000Z",
                "LOCATION:Raum 5\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:a@b.test\r\n",
            ),
        ),
        ("april", event("april", "20260410T100000Z", alarm)),
        (
            "day",
            event("day", "20260320", "")
                .replace("DTSTART:", "DTSTART;VALUE=DATE:")
                .replace("DURATION:PT1H\r\n", ""),
        ),
        ("weekly", weekly),
    ] {
        let put = dav.put(&format!("{CALENDAR}{name}.ics"), &body).await;
        assert_eq!(put.code(), 201, "{name}: {}", put.text());
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn calendar_queries_find_by_every_filter() {
    let world = World::new().await;
    let anna = world.anna();
    events(&anna).await;
    let vevent = |inside: &str| format!("<C:comp-filter name='VEVENT'>{inside}</C:comp-filter>");
    let range =
        |start: &str, end: &str| vevent(&format!("<C:time-range start='{start}' end='{end}'/>"));
    for (filter, found) in [
        (String::new(), set(&["march", "april", "day", "weekly"])),
        (vevent(""), set(&["march", "april", "day", "weekly"])),
        ("<C:comp-filter name='VTODO'/>".to_owned(), set(&[])),
        (
            "<C:comp-filter name='VTODO'><C:is-not-defined/></C:comp-filter>".to_owned(),
            set(&["march", "april", "day", "weekly"]),
        ),
        (
            range("20260315T103000Z", "20260315T104000Z"),
            set(&["march"]),
        ),
        (range("20260315T110000Z", "20260315T120000Z"), set(&[])),
        (range("20260319T230000Z", "20260320T120000Z"), set(&["day"])),
        // 9:00 in Berlin is 8:00 in winter, 7:00 in summer; the 2nd of March was taken out, the 9th put off.
        (
            range("20260223T080000Z", "20260223T081000Z"),
            set(&["weekly"]),
        ),
        (range("20260302T080000Z", "20260302T090000Z"), set(&[])),
        (range("20260309T080000Z", "20260309T090000Z"), set(&[])),
        (
            range("20260310T110000Z", "20260310T111000Z"),
            set(&["weekly"]),
        ),
        (
            range("20260330T070000Z", "20260330T071000Z"),
            set(&["weekly"]),
        ),
        (
            vevent("<C:time-range start='20260401T000000Z'/>"),
            set(&["april", "weekly"]),
        ),
        (
            vevent("<C:time-range end='20260301T000000Z'/>"),
            set(&["weekly"]),
        ),
        (vevent("<C:prop-filter name='LOCATION'/>"), set(&["march"])),
        (
            vevent("<C:prop-filter name='LOCATION'><C:is-not-defined/></C:prop-filter>"),
            set(&["april", "day", "weekly"]),
        ),
        (
            vevent(
                "<C:prop-filter name='LOCATION'><C:text-match>RAUM</C:text-match></C:prop-filter>",
            ),
            set(&["march"]),
        ),
        (
            vevent(
                "<C:prop-filter name='LOCATION'><C:text-match collation='i;octet'>RAUM</C:text-match></C:prop-filter>",
            ),
            set(&[]),
        ),
        (
            vevent(
                "<C:prop-filter name='SUMMARY'><C:text-match negate-condition='yes'>march</C:text-match></C:prop-filter>",
            ),
            set(&["april", "day", "weekly"]),
        ),
        (
            vevent(
                "<C:prop-filter name='ATTENDEE'><C:param-filter name='PARTSTAT'><C:text-match>needs</C:text-match></C:param-filter></C:prop-filter>",
            ),
            set(&["march"]),
        ),
        (
            vevent(
                "<C:prop-filter name='UID'><C:text-match collation='i;octet'>april</C:text-match></C:prop-filter>",
            ),
            set(&["april"]),
        ),
        (
            vevent(
                "<C:comp-filter name='VALARM'><C:time-range start='20260409T095500Z' end='20260409T100500Z'/></C:comp-filter>",
            ),
            set(&["april"]),
        ),
        (
            vevent(
                "<C:comp-filter name='VALARM'><C:time-range start='20260410T095500Z' end='20260410T100500Z'/></C:comp-filter>",
            ),
            set(&[]),
        ),
        (
            vevent(
                "<C:time-range start='20260310T000000Z' end='20260311T000000Z'/><C:prop-filter name='SUMMARY'><C:text-match>Verlegt</C:text-match></C:prop-filter>",
            ),
            set(&["weekly"]),
        ),
        (
            vevent(
                "<C:time-range start='20260316T000000Z' end='20260317T000000Z'/><C:prop-filter name='SUMMARY'><C:text-match>Verlegt</C:text-match></C:prop-filter>",
            ),
            set(&[]),
        ),
    ] {
        assert_eq!(query(&anna, CALENDAR, &filter).await, found, "{filter}");
    }
}

#[tokio::test]
async fn tasks_are_found_by_the_table_of_the_rfc() {
    let world = World::new().await;
    let anna = world.anna();
    for (name, lines) in [
        ("due", "DUE:20260301T120000Z\r\n"),
        (
            "both",
            "DTSTART:20260301T100000Z\r\nDUE:20260303T100000Z\r\n",
        ),
        ("none", ""),
        ("done", "COMPLETED:20260301T100000Z\r\n"),
    ] {
        let body = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VTODO\r\nEND:VCALENDAR\r\n"
        );
        assert_eq!(
            anna.put(&format!("{TASKS}{name}.ics"), &body).await.code(),
            201
        );
    }
    let range = |start: &str, end: &str| {
        format!(
            "<C:comp-filter name='VTODO'><C:time-range start='{start}' end='{end}'/></C:comp-filter>"
        )
    };
    assert_eq!(
        query(&anna, TASKS, &range("20260301T000000Z", "20260302T000000Z")).await,
        set(&["due", "both", "none", "done"])
    );
    assert_eq!(
        query(&anna, TASKS, &range("20260302T000000Z", "20260303T000000Z")).await,
        set(&["both", "none"])
    );
    let open = "<C:comp-filter name='VTODO'><C:prop-filter name='COMPLETED'><C:is-not-defined/></C:prop-filter></C:comp-filter>";
    assert_eq!(
        query(&anna, TASKS, open).await,
        set(&["due", "both", "none"])
    );
}

#[tokio::test]
async fn objects_are_shown_in_the_shape_that_was_asked_for() {
    let world = World::new().await;
    let anna = world.anna();
    events(&anna).await;
    let ask = async |data: &str, filter: &str| {
        let body = format!(
            "<C:calendar-query {NS}><D:prop><C:calendar-data>{data}</C:calendar-data></D:prop><C:filter><C:comp-filter name='VCALENDAR'>\
             <C:comp-filter name='VEVENT'>{filter}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        anna.report(CALENDAR, &body).await.responses()
    };
    let week = "<C:time-range start='20260302T000000Z' end='20260317T000000Z'/>";
    let expanded = ask(
        "<C:expand start='20260302T000000Z' end='20260317T000000Z'/>",
        week,
    )
    .await;
    let weekly = expanded[&format!("{CALENDAR}weekly.ics")].text("calendar-data");
    assert_eq!(weekly.matches("BEGIN:VEVENT").count(), 2, "{weekly}");
    for line in [
        "DTSTART:20260310T110000Z",
        "RECURRENCE-ID:20260309T080000Z",
        "DTSTART:20260316T080000Z",
        "RECURRENCE-ID:20260316T080000Z",
    ] {
        assert!(weekly.contains(line), "{line} in {weekly}");
    }
    assert!(!weekly.contains("RRULE") && !weekly.contains("VTIMEZONE"));
    let limited = ask(
        "<C:limit-recurrence-set start='20260401T000000Z' end='20260501T000000Z'/>",
        "<C:time-range start='20260401T000000Z' end='20260501T000000Z'/>",
    )
    .await;
    let weekly = limited[&format!("{CALENDAR}weekly.ics")].text("calendar-data");
    assert!(
        weekly.contains("RRULE") && !weekly.contains("Verlegt"),
        "{weekly}"
    );
    let parts = ask(
        "<C:comp name='VCALENDAR'><C:prop name='VERSION'/><C:comp name='VEVENT'><C:prop name='UID'/><C:prop name='SUMMARY' novalue='yes'/></C:comp></C:comp>",
        "<C:prop-filter name='UID'><C:text-match>march</C:text-match></C:prop-filter>",
    )
    .await;
    assert_eq!(
        parts[&format!("{CALENDAR}march.ics")].text("calendar-data"),
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:march\r\nSUMMARY:\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let whole = ask(
        "",
        "<C:prop-filter name='UID'><C:text-match>march</C:text-match></C:prop-filter>",
    )
    .await;
    assert_eq!(
        whole[&format!("{CALENDAR}march.ics")].text("calendar-data"),
        anna.get(&format!("{CALENDAR}march.ics")).await.text()
    );
}

#[tokio::test]
async fn a_multiget_answers_every_address() {
    let world = World::with(|config| config.dav.hrefs = 10).await;
    let anna = world.anna();
    events(&anna).await;
    let get = async |hrefs: &[String]| {
        let hrefs = format!("<D:href>{}</D:href>", hrefs.join("</D:href><D:href>"));
        anna.report(
            CALENDAR,
            &format!("<C:calendar-multiget {NS}><D:prop><D:getetag/><C:calendar-data/></D:prop>{hrefs}</C:calendar-multiget>"),
        )
        .await
    };
    let march = format!("{CALENDAR}march.ics");
    let none = format!("{CALENDAR}none.ics");
    let url = format!("https://localhost{CALENDAR}april.ics");
    let answer = get(&[
        march.clone(),
        none.clone(),
        url,
        "/etc/passwd".to_owned(),
        TASKS.to_owned(),
    ])
    .await
    .responses();
    assert_eq!(answer.len(), 5);
    assert!(answer[&march].text("calendar-data").contains("UID:march"));
    assert!(
        answer[&format!("{CALENDAR}april.ics")]
            .text("calendar-data")
            .contains("UID:april")
    );
    for missing in [&none, "/etc/passwd", TASKS] {
        assert_eq!(answer[missing].status, Some(404), "{missing}");
    }
    let many: Vec<String> = (0..11).map(|n| format!("{CALENDAR}{n}.ics")).collect();
    let answer = get(&many).await.responses();
    assert_eq!(answer[&many[10]].status, Some(507));
    assert_eq!(answer[&many[9]].status, Some(404));
    let wrong = anna
        .report(
            BOOK,
            &format!(
                "<C:calendar-multiget {NS}><D:prop/><D:href>{march}</D:href></C:calendar-multiget>"
            ),
        )
        .await;
    assert_eq!(wrong.condition(), "supported-report");
}

#[tokio::test]
async fn address_books_are_searched() {
    let world = World::new().await;
    let anna = world.anna();
    for (name, body) in [
        (
            "cem",
            card(
                "cem",
                "Cem Öz",
                "EMAIL;TYPE=WORK:cem@work.test\r\nTEL;TYPE=CELL:1\r\n",
            ),
        ),
        (
            "dana",
            card(
                "dana",
                "Dana",
                "EMAIL;TYPE=HOME:dana@home.test\r\nNICKNAME:Da\r\n",
            ),
        ),
        ("emil", card("emil", "Emil", "")),
    ] {
        assert_eq!(
            anna.put(&format!("{BOOK}{name}.vcf"), &body).await.code(),
            201
        );
    }
    let ask = async |filter: &str, more: &str| {
        let body = format!(
            "<R:addressbook-query {NS}><D:prop><D:getetag/><R:address-data/></D:prop>{filter}{more}</R:addressbook-query>"
        );
        anna.report(BOOK, &body).await
    };
    let find = async |filter: &str| names(ask(filter, "").await.responses().into_keys());
    let text = |prop: &str, attributes: &str, value: &str| {
        format!(
            "<R:prop-filter name='{prop}'><R:text-match {attributes}>{value}</R:text-match></R:prop-filter>"
        )
    };
    for (filter, found) in [
        ("<R:filter/>".to_owned(), set(&["cem", "dana", "emil"])),
        (format!("<R:filter>{}</R:filter>", text("FN", "", "öz")), set(&["cem"])),
        (format!("<R:filter>{}</R:filter>", text("FN", "match-type='starts-with'", "em")), set(&["emil"])),
        (format!("<R:filter>{}</R:filter>", text("EMAIL", "match-type='ends-with'", "home.test")), set(&["dana"])),
        (format!("<R:filter>{}</R:filter>", text("FN", "match-type='equals'", "emil")), set(&["emil"])),
        (format!("<R:filter>{}{}</R:filter>", text("FN", "", "cem"), text("FN", "", "dana")), set(&["cem", "dana"])),
        (format!("<R:filter test='allof'>{}{}</R:filter>", text("FN", "", "d"), text("EMAIL", "", "work")), set(&[])),
        ("<R:filter><R:prop-filter name='NICKNAME'/></R:filter>".to_owned(), set(&["dana"])),
        ("<R:filter><R:prop-filter name='EMAIL'><R:is-not-defined/></R:prop-filter></R:filter>".to_owned(), set(&["emil"])),
        (
            "<R:filter><R:prop-filter name='EMAIL'><R:param-filter name='TYPE'><R:text-match>work</R:text-match></R:param-filter></R:prop-filter></R:filter>".to_owned(),
            set(&["cem"]),
        ),
    ] {
        assert_eq!(find(&filter).await, found, "{filter}");
    }
    let limited = ask(
        "<R:filter/>",
        "<R:limit><R:nresults>2</R:nresults></R:limit>",
    )
    .await
    .responses();
    assert_eq!(limited.len(), 3);
    assert_eq!(limited[BOOK].status, Some(507));
    let bad = ask(
        &format!(
            "<R:filter>{}</R:filter>",
            text("FN", "collation='i;x'", "a")
        ),
        "",
    )
    .await;
    assert_eq!(bad.condition(), "supported-collation");
    let body = format!(
        "<R:addressbook-multiget {NS}><D:prop><R:address-data content-type='text/vcard' version='4.0'><R:prop name='FN'/></R:address-data></D:prop>\
         <D:href>{BOOK}cem.vcf</D:href></R:addressbook-multiget>"
    );
    let got = anna.report(BOOK, &body).await.only().text("address-data");
    assert_eq!(
        got,
        "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Cem Öz\r\nEND:VCARD\r\n"
    );
}

#[tokio::test]
async fn free_busy_tells_when_and_not_why() {
    let world = World::new().await;
    let anna = world.anna();
    events(&anna).await;
    anna.put(
        &format!("{CALENDAR}free.ics"),
        &event("free", "20260316T200000Z", "TRANSP:TRANSPARENT\r\n"),
    )
    .await;
    anna.put(
        &format!("{CALENDAR}maybe.ics"),
        &event("maybe", "20260316T083000Z", "STATUS:TENTATIVE\r\n"),
    )
    .await;
    let ask = async |range: &str| {
        anna.report(
            CALENDAR,
            &format!("<C:free-busy-query {NS}><C:time-range {range}/></C:free-busy-query>"),
        )
        .await
    };
    let said = ask("start='20260316T000000Z' end='20260317T000000Z'").await;
    assert_eq!(said.code(), 200);
    assert!(said.header("content-type").starts_with("text/calendar"));
    let text = said.text();
    assert!(
        text.contains("FREEBUSY;FBTYPE=BUSY:20260316T080000Z/20260316T090000Z"),
        "{text}"
    );
    assert!(
        text.contains("FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260316T090000Z/20260316T093000Z"),
        "{text}"
    );
    assert!(!text.contains("Kaffee") && !text.contains("T200000Z"));
    assert_eq!(ask("start='20260316T000000Z'").await.code(), 403);
    assert_eq!(
        ask("start='20200101T000000Z' end='20300101T000000Z'")
            .await
            .code(),
        403
    );
}
