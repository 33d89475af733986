//! Known answers, the round trip of any tree, every limit at its edge, and octets at random.

use proptest::prelude::*;

use super::filter::{Collation, Place, TextMatch};
use super::report::{Report, report};
use super::request::{Asked, Change, instant, make_collection, propfind, proppatch};
use super::*;

fn read(xml: &str) -> Element {
    parse(xml.as_bytes(), Limits::default()).unwrap()
}

fn asked_names(asked: &Asked) -> Vec<String> {
    match asked {
        Asked::These(asks) => asks.iter().map(|ask| ask.name.local.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn propfind_in_its_three_forms() {
    let named = read(
        r#"<?xml version="1.0" encoding="utf-8" ?>
           <propfind xmlns="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:z="http://z.test/">
             <prop><displayname/><c:calendar-home-set/><z:bigbox/><displayname/></prop></propfind>"#,
    );
    let Asked::These(asks) = propfind(&named).unwrap() else {
        panic!()
    };
    let names: Vec<_> = asks.iter().map(|ask| ask.name.to_string()).collect();
    assert_eq!(
        names,
        [
            "{DAV:}displayname",
            "{urn:ietf:params:xml:ns:caldav}calendar-home-set",
            "{http://z.test/}bigbox"
        ]
    );
    let all = read(
        "<D:propfind xmlns:D='DAV:'><D:allprop/><D:include><D:supported-report-set/></D:include></D:propfind>",
    );
    assert!(matches!(propfind(&all).unwrap(), Asked::All(more) if more.len() == 1));
    let names = read("<D:propfind xmlns:D='DAV:'><x xmlns='u:x'/><D:propname/></D:propfind>");
    assert_eq!(propfind(&names).unwrap(), Asked::Names);
    for bad in [
        "<D:propfind xmlns:D='DAV:'/>",
        "<D:propfind xmlns:D='DAV:'><D:propname/><D:allprop/></D:propfind>",
        "<propfind><prop/></propfind>",
    ] {
        assert!(propfind(&read(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_property_nobody_knows_is_kept_with_everything_inside() {
    let body = read(
        r#"<D:propertyupdate xmlns:D="DAV:" xmlns:z="http://z.test/" xmlns:w="u:w">
             <D:set><D:prop><z:a w:k="1 &amp; &quot;2&quot;" xml:lang="de"> x<z:b/>&#13;<c>]]&gt;</c> </z:a></D:prop></D:set>
             <D:remove><D:prop><z:gone/></D:prop></D:remove>
             <D:set><D:prop><D:displayname>Büro</D:displayname></D:prop></D:set>
           </D:propertyupdate>"#,
    );
    let changes = proppatch(&body).unwrap();
    assert_eq!(changes.len(), 3);
    let Change::Set(kept) = &changes[0] else {
        panic!()
    };
    assert_eq!(Element::from_text(&kept.to_text()).as_ref(), Some(kept));
    assert_eq!(
        Name::from_clark(&kept.name.clark()).as_ref(),
        Some(&kept.name)
    );
    assert_eq!(
        changes[1],
        Change::Remove(Name::new(Ns::of("http://z.test/"), "gone"))
    );
    assert!(matches!(&changes[2], Change::Set(e) if e.text() == "Büro"));
}

#[test]
fn collections_are_made_by_two_methods() {
    let calendar = read(
        "<C:mkcalendar xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:set><D:prop>
           <D:displayname>Lisas Termine</D:displayname></D:prop></D:set></C:mkcalendar>",
    );
    assert_eq!(
        make_collection(&calendar).unwrap()[0].text(),
        "Lisas Termine"
    );
    let book = read(
        "<D:mkcol xmlns:D='DAV:' xmlns:R='urn:ietf:params:xml:ns:carddav'><D:set><D:prop><D:resourcetype>
           <D:collection/><R:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>",
    );
    let set = make_collection(&book).unwrap();
    assert!(set[0].child(&Ns::CardDav, "addressbook").is_some());
    let wrong =
        read("<D:mkcol xmlns:D='DAV:'><D:remove><D:prop><D:a/></D:prop></D:remove></D:mkcol>");
    assert!(make_collection(&wrong).is_err());
}

/// RFC 4791 7.8.1: a query for parts of the events of a range.
#[test]
fn a_calendar_query_is_read_whole() {
    let body = read(
        r#"<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
          <D:prop><D:getetag/><C:calendar-data>
            <C:comp name="VCALENDAR"><C:prop name="VERSION"/>
              <C:comp name="vevent"><C:prop name="SUMMARY"/><C:prop name="UID" novalue="yes"/></C:comp>
              <C:comp name="VTIMEZONE"/></C:comp>
            <C:expand start="20260104T000000Z" end="20260105T000000Z"/>
          </C:calendar-data></D:prop>
          <C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">
            <C:time-range start="20260104T000000Z" end="20260105T000000Z"/>
            <C:prop-filter name="SUMMARY"><C:text-match collation="i;octet" negate-condition="yes">Rat</C:text-match></C:prop-filter>
            <C:prop-filter name="ATTENDEE"><C:param-filter name="PARTSTAT"><C:text-match>NEEDS-ACTION</C:text-match></C:param-filter></C:prop-filter>
            <C:comp-filter name="VALARM"><C:is-not-defined/></C:comp-filter>
          </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"#,
    );
    let Report::CalendarQuery { asked, filter, .. } = report(&body, 10).unwrap() else {
        panic!()
    };
    let Asked::These(asks) = asked else { panic!() };
    let data = asks[1].data.as_ref().unwrap();
    assert!(!data.is_whole());
    assert_eq!(data.expand.unwrap().start, instant("20260104T000000Z"));
    let event = &data.part.as_ref().unwrap().comps.as_ref().unwrap()[0];
    assert_eq!(event.name, "VEVENT");
    assert_eq!(
        event.props,
        Some(vec![
            ("SUMMARY".to_owned(), false),
            ("UID".to_owned(), true)
        ])
    );
    let zone = &data.part.as_ref().unwrap().comps.as_ref().unwrap()[1];
    assert_eq!((&zone.props, &zone.comps), (&None, &None));
    let event = &filter.comps[0];
    assert_eq!(event.range.unwrap().end, instant("20260105T000000Z"));
    assert_eq!(event.props[0].texts[0].collation, Collation::Octet);
    assert!(event.props[0].texts[0].negate);
    assert_eq!(event.props[1].params[0].name, "PARTSTAT");
    assert!(event.comps[0].is_not_defined);
}

#[test]
fn filters_that_the_rfc_forbids_are_named() {
    let query = |inside: &str| {
        let xml = format!(
            "<C:calendar-query xmlns:C='urn:ietf:params:xml:ns:caldav'><C:filter>{inside}</C:filter></C:calendar-query>"
        );
        report(&read(&xml), 10).map(|_| ())
    };
    assert_eq!(query("<C:comp-filter name='VCALENDAR'/>"), Ok(()));
    for bad in [
        "",
        "<C:comp-filter name='VEVENT'/>",
        "<C:comp-filter/>",
        "<C:comp-filter name='VCALENDAR'/><C:comp-filter name='VCALENDAR'/>",
        "<C:comp-filter name='VCALENDAR'><C:time-range start='20260101T000000Z'/></C:comp-filter>",
        "<C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range/></C:comp-filter></C:comp-filter>",
        "<C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range start='20260101T000000'/></C:comp-filter></C:comp-filter>",
        "<C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range start='20260102T000000Z' end='20260101T000000Z'/></C:comp-filter></C:comp-filter>",
        "<C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:is-not-defined/><C:time-range start='20260102T000000Z'/></C:comp-filter></C:comp-filter>",
    ] {
        assert!(matches!(query(bad), Err(BadRequest::Filter(_))), "{bad}");
    }
    assert_eq!(
        query(
            "<C:comp-filter name='VCALENDAR'><C:prop-filter name='X'><C:text-match collation='i;klingon'>x</C:text-match></C:prop-filter></C:comp-filter>"
        ),
        Err(BadRequest::Collation)
    );
}

#[test]
fn the_other_reports_are_read() {
    let sync = read(
        "<sync-collection xmlns='DAV:'><sync-token/><sync-level>1</sync-level><limit><nresults>5</nresults></limit>
           <prop><getetag/></prop></sync-collection>",
    );
    let Ok(Report::Sync {
        asked,
        token,
        is_infinite: false,
        limit: Some(5),
    }) = report(&sync, 10)
    else {
        panic!()
    };
    assert_eq!(
        (asked_names(&asked), token.as_str()),
        (vec!["getetag".to_owned()], "")
    );
    let get = read(
        "<C:addressbook-multiget xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:carddav'><prop><C:address-data
           content-type='text/vcard' version='4.0'><C:prop name='email'/></C:address-data></prop><href> /a </href><href>b</href></C:addressbook-multiget>",
    );
    let Ok(Report::Multiget {
        is_calendar: false,
        asked: Asked::These(asks),
        hrefs,
    }) = report(&get, 10)
    else {
        panic!()
    };
    assert_eq!(hrefs, ["/a", "b"]);
    let data = asks[0].data.as_ref().unwrap();
    assert_eq!(
        data.content_type,
        Some(("text/vcard".to_owned(), Some("4.0".to_owned())))
    );
    assert_eq!(data.card_props, Some(vec!["EMAIL".to_owned()]));
    let Ok(Report::Multiget { hrefs, .. }) = report(&get, 1) else {
        panic!()
    };
    assert_eq!(
        hrefs.len(),
        2,
        "one more than the limit tells that there are more"
    );
    let cards = read(
        "<C:addressbook-query xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:carddav'><prop><getetag/></prop>
           <C:filter test='allof'><C:prop-filter name='FN' test='anyof'><C:text-match match-type='starts-with'>da</C:text-match></C:prop-filter>
           </C:filter><C:limit><C:nresults>2</C:nresults></C:limit></C:addressbook-query>",
    );
    let Ok(Report::CardQuery { filter, limit, .. }) = report(&cards, 10) else {
        panic!()
    };
    assert_eq!((filter.any, limit), (false, Some(2)));
    assert_eq!(filter.props[0].texts[0].place, Place::Starts);
    let expand = read(
        "<expand-property xmlns='DAV:'><property name='current-user-principal'><property name='displayname'/>
           <property name='calendar-home-set' namespace='urn:ietf:params:xml:ns:caldav'/></property></expand-property>",
    );
    let Ok(Report::Expand(asks)) = report(&expand, 10) else {
        panic!()
    };
    assert_eq!(asks[0].inner[1].name.ns, Ns::CalDav);
    assert_eq!(
        report(&read("<x xmlns='DAV:'/>"), 10),
        Err(BadRequest::Report)
    );
}

#[test]
fn text_is_matched_by_its_collation() {
    use Collation::{AsciiCasemap, Octet, UnicodeCasemap};

    let matches = |value: &str, wanted: &str, collation, place, negate| {
        TextMatch {
            value: wanted.to_owned(),
            collation,
            place,
            negate,
        }
        .matches(value)
    };
    assert!(matches(
        "Müller",
        "MÜLL",
        UnicodeCasemap,
        Place::Starts,
        false
    ));
    assert!(!matches(
        "Müller",
        "MÜLL",
        AsciiCasemap,
        Place::Starts,
        false
    ));
    assert!(matches(
        "Straße",
        "STRASSE",
        UnicodeCasemap,
        Place::Equals,
        false
    ));
    assert!(!matches("abc", "ABC", Octet, Place::Contains, false));
    assert!(matches("abc", "ABC", Octet, Place::Contains, true));
    assert!(matches("abc", "BC", AsciiCasemap, Place::Ends, false));
}

#[test]
fn what_is_not_plain_xml_is_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY x '1'><!ENTITY y '&x;&x;'>]><a>&y;</a>";
    for (body, why) in [
        (bomb, BadXml::Active),
        (
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            BadXml::Active,
        ),
        ("<a>&nbsp;</a>", BadXml::Active),
        ("<a b='&x;'/>", BadXml::Active),
        ("<a><?php x?></a>", BadXml::Active),
        ("", BadXml::Broken),
        ("   ", BadXml::Broken),
        ("<a>", BadXml::Broken),
        ("<a></b>", BadXml::Broken),
        ("<a/><b/>", BadXml::Broken),
        ("x<a/>", BadXml::Broken),
        ("<p:a/>", BadXml::Broken),
        ("<a b='1' b='2'/>", BadXml::Broken),
        ("<a>\u{1}</a>", BadXml::Broken),
        ("<a>&#0;</a>", BadXml::Broken),
        ("<a b=c/>", BadXml::Broken),
    ] {
        assert_eq!(
            parse(body.as_bytes(), Limits::default()),
            Err(why),
            "{body}"
        );
    }
    assert_eq!(
        parse(b"<a>\xff</a>", Limits::default()),
        Err(BadXml::Broken)
    );
}

#[test]
fn utf_16_is_read_by_its_mark() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>ä</a>";
    let mut octets = vec![0xff, 0xfe];
    octets.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(parse(&octets, Limits::default()).unwrap().text(), "ä");
}

#[test]
fn every_limit_holds_at_its_edge() {
    let limits = Limits {
        octets: 2_000,
        depth: 4,
        elements: 6,
        attributes: 3,
    };
    let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    let flat = |n: usize| format!("<r>{}</r>", "<a/>".repeat(n - 1));
    let with = |n: usize| {
        let attributes: Vec<String> = (0..n).map(|i| format!(" a{i}='1'")).collect();
        let attributes = attributes.concat();
        format!("<r{attributes}/>")
    };
    let long = |n: usize| format!("<r>{}</r>", "x".repeat(n - 7));
    let try_it = |text: String| parse(text.as_bytes(), limits).map(|_| ());
    assert_eq!(try_it(nested(4)), Ok(()));
    assert_eq!(try_it(nested(5)), Err(BadXml::TooDeep));
    assert_eq!(try_it(flat(6)), Ok(()));
    assert_eq!(try_it(flat(7)), Err(BadXml::TooManyElements));
    assert_eq!(try_it(with(3)), Ok(()));
    assert_eq!(try_it(with(4)), Err(BadXml::TooManyAttributes));
    assert_eq!(try_it(long(2_000)), Ok(()));
    assert_eq!(try_it(long(2_001)), Err(BadXml::TooLarge));
    let deep = nested(200_000);
    assert_eq!(
        parse(deep.as_bytes(), Limits::default()),
        Err(BadXml::TooDeep)
    );
}

#[test]
fn an_answer_is_handed_out_in_pieces() {
    let mut writer = Writer::document(&Ns::Dav, "multistatus");
    let first = writer.take();
    assert!(first.ends_with('>') && first.contains("xmlns:D=\"DAV:\""));
    writer.leaf(
        &Ns::CalDav,
        "calendar-data",
        "BEGIN:VCALENDAR\r\nX:a<b&c\u{0}\r\n",
    );
    writer.empty(&Ns::Other("u:\"z".to_owned()), "q");
    assert!(writer.waiting() > 50);
    writer.close(&Ns::Dav, "multistatus");
    let whole = first + &writer.take();
    let root = read(&whole);
    assert_eq!(
        root.child(&Ns::CalDav, "calendar-data").unwrap().text(),
        "BEGIN:VCALENDAR\r\nX:a<b&c\r\n",
        "line ends survive, what XML cannot say is left out"
    );
    assert!(root.child(&Ns::Other("u:\"z".to_owned()), "q").is_some());
}

fn any_name() -> impl Strategy<Value = Name> {
    let ns = prop_oneof![
        Just(Ns::Dav),
        Just(Ns::CalDav),
        Just(Ns::Apple),
        Just(Ns::Empty),
        "[a-z]{1,4}:[a-z&<\" ]{1,6}x".prop_map(|uri| Ns::of(&uri)),
    ];
    (ns, "[a-zA-Zäß_][a-zA-Z0-9.-]{0,6}").prop_map(|(ns, local)| Name::new(ns, &local))
}

fn any_element() -> impl Strategy<Value = Element> {
    let leaf = (any_name(), proptest::collection::vec(any_attribute(), 0..3)).prop_map(
        |(name, attributes)| {
            let mut element = Element::new(name);
            for (key, value) in attributes {
                if !element.attributes.iter().any(|(k, _)| *k == key) {
                    element.attributes.push((key, value));
                }
            }
            element
        },
    );
    leaf.prop_recursive(4, 24, 4, |inner| {
        (
            inner.clone(),
            proptest::collection::vec(
                prop_oneof![
                    inner.prop_map(Node::Element),
                    "[ -~äöü\r\n\t€]{1,12}".prop_map(Node::Text)
                ],
                0..4,
            ),
        )
            .prop_map(|(mut element, children)| {
                for child in children {
                    match child {
                        Node::Text(text) => element.push_text(&text),
                        element_node @ Node::Element(_) => element.children.push(element_node),
                    }
                }
                element
            })
    })
}

fn any_attribute() -> impl Strategy<Value = (Name, String)> {
    (any_name(), "[ -~ä\r\n\t]{0,8}")
}

proptest! {
    #[test]
    fn any_tree_comes_back(element in any_element()) {
        prop_assert_eq!(Element::from_text(&element.to_text()), Some(element));
    }
}

#[test]
fn octets_at_random_break_nothing() {
    bolero::check!().for_each(|octets: &[u8]| {
        let Ok(root) = parse(octets, Limits::default()) else {
            return;
        };
        assert_eq!(Element::from_text(&root.to_text()).as_ref(), Some(&root));
        let _ = propfind(&root);
        let _ = proppatch(&root);
        let _ = make_collection(&root);
        let _ = report(&root, 100);
    });
}
