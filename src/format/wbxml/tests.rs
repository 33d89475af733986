//! Known answers, worked out by hand from the token tables.

use super::pages::{airsync as a, base, email, email2, folders};
use super::*;

fn events(input: &[u8]) -> Result<Vec<Event<'_>>, WbxmlError> {
    events_within(input, Limits::default())
}

fn events_within(input: &[u8], limits: Limits) -> Result<Vec<Event<'_>>, WbxmlError> {
    let mut tokens = Tokenizer::new(input, limits)?;
    let mut found = Vec::new();
    while let Some(event) = tokens.next()? {
        found.push(event);
    }
    Ok(found)
}

fn document(body: &[u8]) -> Vec<u8> {
    [&[0x03, 0x01, 0x6A, 0x00], body].concat()
}

#[test]
fn a_folder_sync_with_key_0_is_thirteen_octets() {
    let mut out = Encoder::new();
    out.element(folders::FOLDER_SYNC, |out| out.text(folders::SYNC_KEY, "0"));
    let octets = document(&[0x00, 0x07, 0x56, 0x52, 0x03, b'0', 0x00, 0x01, 0x01]);
    assert_eq!(out.finish().bytes, octets);
    let root = Element::parse(&octets, Limits::default()).unwrap();
    assert_eq!(root.tag, folders::FOLDER_SYNC);
    assert_eq!(root.text_of(folders::SYNC_KEY).as_deref(), Some("0"));
}

#[test]
fn the_page_stays_switched_over_ends_and_siblings() {
    let mut out = Encoder::new();
    out.open(a::SYNC);
    out.empty(email::READ);
    out.element(email::FLAG, |out| out.empty(email::STATUS));
    out.empty(a::STATUS);
    out.close();
    let octets = document(&[
        0x45, 0x00, 0x02, 0x15, 0x7A, 0x3B, 0x01, 0x00, 0x00, 0x0E, 0x01,
    ]);
    assert_eq!(out.finish().bytes, octets);
    let tags: Vec<Tag> = events(&octets)
        .unwrap()
        .into_iter()
        .filter_map(|event| match event {
            Event::Start(tag) => Some(tag),
            _ => None,
        })
        .collect();
    assert_eq!(
        tags,
        [a::SYNC, email::READ, email::FLAG, email::STATUS, a::STATUS]
    );
}

#[test]
fn a_page_may_be_switched_twice_in_a_row_and_to_itself() {
    let octets = document(&[
        0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x45, 0x00, 0x11, 0x00, 0x11, 0x05, 0x01,
    ]);
    assert_eq!(
        events(&octets).unwrap(),
        [
            Event::Start(a::SYNC),
            Event::Start(base::BODY_PREFERENCE),
            Event::End,
            Event::End
        ]
    );
}

#[test]
fn an_empty_element_reads_the_same_in_both_forms() {
    let short = document(&[0x45, 0x13, 0x01]);
    let long = document(&[0x45, 0x53, 0x01, 0x01]);
    assert_eq!(events(&short), events(&long));
    let root = Element::parse(&long, Limits::default()).unwrap();
    assert_eq!(root.child(a::GET_CHANGES).unwrap().flag(), Some(true));
    assert!(root.child(a::PARTIAL).is_none());
}

#[test]
fn strings_and_octets_in_a_row_are_one_value() {
    let octets = document(&[
        0x45, 0x03, b'a', 0x00, 0xC3, 0x02, b'b', 0xC3, 0xC3, 0x01, 0xBC, 0x02, 0x2D, 0x03, b'c',
        0x00, 0x01,
    ]);
    let root = Element::parse(&octets, Limits::default()).unwrap();
    assert_eq!(root.bytes().as_ref(), "abü-c".as_bytes());
    // Cut inside a character, a piece at a time is not text; the octets are whole.
    let octets = document(&[0x45, 0xC3, 0x03, b'x', b'y', 0x00, 0x01]);
    assert_eq!(
        Element::parse(&octets, Limits::default()).unwrap().text(),
        "xy"
    );
}

#[test]
fn lengths_of_octet_blocks_at_every_border_of_the_number() {
    for (length, number) in [
        (0, &[0x00][..]),
        (1, &[0x01]),
        (127, &[0x7F]),
        (128, &[0x81, 0x00]),
        (16_383, &[0xFF, 0x7F]),
        (16_384, &[0x81, 0x80, 0x00]),
        (2_097_151, &[0xFF, 0xFF, 0x7F]),
        (2_097_152, &[0x81, 0x80, 0x80, 0x00]),
    ] {
        let content = vec![0xA5; length];
        let mut out = Encoder::new();
        out.opaque(email2::CONVERSATION_ID, &content);
        let written = out.finish().bytes;
        let head = document(&[&[0x00, 0x16, 0x49, 0xC3], number].concat());
        assert_eq!(written.get(..head.len()), Some(&*head), "{length}");
        let root = Element::parse(&written, Limits::default()).unwrap();
        assert_eq!(root.bytes().as_ref(), content, "{length}");
    }
}

#[test]
fn a_number_has_five_octets_and_32_bits_at_most() {
    for (number, why) in [
        (
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..],
            WbxmlError::Number,
        ),
        (&[0x90, 0x80, 0x80, 0x80, 0x00], WbxmlError::Number),
        (&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F], WbxmlError::Number),
        (&[0x85], WbxmlError::Short),
        (&[0x05, 0x01], WbxmlError::Number),
    ] {
        let octets = document(&[&[0x45, 0xC3], number].concat());
        assert_eq!(events(&octets), Err(why), "{number:x?}");
    }
    // Leading zeros are a number all the same.
    let octets = document(&[0x45, 0xC3, 0x80, 0x80, 0x01, b'x', 0x01]);
    assert_eq!(events(&octets).unwrap()[1], Event::Opaque(b"x"));
}

#[test]
fn the_header_may_say_1_1_to_1_3_and_any_public_id_but_only_utf_8() {
    for head in [
        &[0x03, 0x01, 0x6A, 0x00][..],
        &[0x01, 0x01, 0x6A, 0x00],
        &[0x02, 0x05, 0x6A, 0x00],
        &[0x03, 0x9F, 0x10, 0x6A, 0x00],
    ] {
        assert!(events(&[head, &[0x05]].concat()).is_ok(), "{head:x?}");
    }
    for head in [
        &[0x00, 0x01, 0x6A, 0x00][..],
        &[0x04, 0x01, 0x6A, 0x00],
        &[0x03, 0x00, 0x6A, 0x00],
        &[0x03, 0x01, 0x04, 0x00],
        &[0x03, 0x01, 0x6A, 0x01],
    ] {
        assert_eq!(
            events(&[head, &[0x05]].concat()),
            Err(WbxmlError::Header),
            "{head:x?}"
        );
    }
    assert_eq!(events(&[0x03, 0x01, 0x6A]), Err(WbxmlError::Short));
    assert_eq!(events(&[]), Err(WbxmlError::Short));
    assert_eq!(events(&document(&[])), Err(WbxmlError::Short));
}

#[test]
fn every_forbidden_token_is_refused_and_entities_are_read() {
    for token in [
        0x04, 0x40, 0x41, 0x42, 0x43, 0x44, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0xBF, 0xC0, 0xC1,
        0xC2, 0xC4, 0xC5, 0xFF,
    ] {
        let octets = document(&[0x45, token, 0x01, 0x01, 0x01]);
        assert_eq!(events(&octets), Err(WbxmlError::Token(token)), "{token:x}");
    }
    let octets = document(&[0x45, 0x03, b'a', 0x00, 0x02, 0x81, 0x7C, 0x01]);
    assert_eq!(
        Element::parse(&octets, Limits::default()).unwrap().text(),
        "aü"
    );
    assert_eq!(
        events(&document(&[0x45, 0x02, 0x83, 0xB0, 0x00, 0x01])),
        Err(WbxmlError::Text)
    );
}

#[test]
fn what_does_not_nest_is_refused() {
    for (body, why) in [
        (&[0x01][..], WbxmlError::Nesting),
        (&[0x05, 0x05], WbxmlError::Nesting),
        (&[0x05, 0x00], WbxmlError::Nesting),
        (&[0x03, b'a', 0x00], WbxmlError::Nesting),
        (&[0x45], WbxmlError::Short),
        (&[0x45, 0x46, 0x01], WbxmlError::Short),
        (&[0x45, 0x03, b'a'], WbxmlError::Short),
        (&[0x45, 0x00], WbxmlError::Short),
        (&[0x45, 0x03, 0xFF, 0x00, 0x01], WbxmlError::Text),
    ] {
        assert_eq!(events(&document(body)), Err(why), "{body:x?}");
    }
}

#[test]
fn every_limit_holds_at_its_number() {
    let limits = Limits {
        depth: 3,
        elements: 4,
        string: 5,
        opaque: 6,
    };
    let nested = |n: usize| document(&[vec![0x45; n], vec![0x01; n]].concat());
    assert!(events_within(&nested(3), limits).is_ok());
    assert_eq!(events_within(&nested(4), limits), Err(WbxmlError::Limit));
    let wide = |n: usize| document(&[vec![0x45], vec![0x05; n], vec![0x01]].concat());
    assert!(events_within(&wide(3), limits).is_ok());
    assert_eq!(events_within(&wide(4), limits), Err(WbxmlError::Limit));
    let text = |n: usize| document(&[&[0x45, 0x03][..], &vec![b'a'; n], &[0, 1]].concat());
    assert!(events_within(&text(5), limits).is_ok());
    assert_eq!(events_within(&text(6), limits), Err(WbxmlError::Limit));
    let octets =
        |n: u8| document(&[&[0x45, 0xC3, n][..], &vec![b'a'; usize::from(n)], &[1]].concat());
    assert!(events_within(&octets(6), limits).is_ok());
    assert_eq!(events_within(&octets(7), limits), Err(WbxmlError::Limit));
}

#[test]
fn an_unknown_element_is_passed_over_with_all_that_is_in_it() {
    let octets = document(&[
        0x45, 0x00, 0xFE, 0x45, 0x46, 0x03, b'x', 0x00, 0x01, 0x06, 0x01, 0x00, 0x00, 0x0E, 0x01,
    ]);
    let mut tokens = Tokenizer::new(&octets, Limits::default()).unwrap();
    tokens.next().unwrap();
    assert_eq!(
        tokens.next().unwrap(),
        Some(Event::Start(Tag {
            page: 0xFE,
            code: 0x05
        }))
    );
    tokens.skip_element().unwrap();
    assert_eq!(tokens.next().unwrap(), Some(Event::Start(a::STATUS)));
    tokens.skip_element().unwrap();
    assert_eq!(tokens.next().unwrap(), Some(Event::End));
    assert_eq!(tokens.next().unwrap(), None);
}

#[test]
fn text_that_phones_cannot_read_is_left_out() {
    let mut out = Encoder::new();
    out.text(
        email::SUBJECT,
        "a\0b\u{1}\u{8}c\u{B}\u{C}d\u{E}\u{1F}e\u{FFFE}\u{FFFF}f\t\r\ng\u{7F}\u{85}\u{1F600}",
    );
    let written = out.finish().bytes;
    let root = Element::parse(&written, Limits::default()).unwrap();
    assert_eq!(root.text(), "abcdef\t\r\ng\u{7F}\u{85}\u{1F600}");
    let mut out = Encoder::new();
    out.text(email::SUBJECT, "\0");
    assert_eq!(out.finish().bytes, document(&[0x00, 0x02, 0x14]));
}

#[test]
fn going_back_forgets_elements_pages_and_holes() {
    let mut out = Encoder::new();
    out.open(a::SYNC);
    let plain = out.clone();
    let mark = out.mark();
    out.open(email::SUBJECT);
    out.opaque_hole(base::DATA, 77);
    out.rewind(mark);
    out.empty(a::STATUS);
    let mut plain = plain;
    plain.empty(a::STATUS);
    assert_eq!(out.finish(), plain.finish());
}

#[test]
fn a_fragment_keeps_its_pages_and_leaves_its_last_one_behind() {
    let mut piece = Encoder::fragment();
    piece.empty(a::STATUS);
    piece.open(email::SUBJECT);
    piece.opaque_hole(base::DATA, 5);
    let mut out = Encoder::new();
    out.open(a::SYNC);
    out.empty(email::READ);
    out.append(piece);
    out.append(Encoder::fragment());
    out.empty(base::BODY);
    let written = out.finish();
    assert_eq!(
        written.bytes,
        document(&[
            0x45, 0x00, 0x02, 0x15, 0x00, 0x00, 0x0E, 0x00, 0x02, 0x54, 0x00, 0x11, 0x4B, 0xC3,
            0x05, 0x01, 0x01, 0x0A, 0x01
        ])
    );
    assert_eq!(written.holes, [Hole { at: 19, length: 5 }]);
}

#[test]
fn a_hole_stands_where_its_octets_belong() {
    let mut out = Encoder::new();
    out.element(a::SYNC, |out| {
        out.opaque_hole(base::DATA, 300);
        out.text_hole(base::CONTENT_ID, 2);
    });
    assert_eq!(
        out.size(),
        4 + 1 + (2 + 1 + 1 + 2 + 300 + 1) + (1 + 1 + 2 + 1 + 1) + 1
    );
    let written = out.finish();
    let mut whole = Vec::new();
    let mut from = 0;
    for (hole, content) in written.holes.iter().zip([vec![b'x'; 300], b"hi".to_vec()]) {
        whole.extend_from_slice(&written.bytes[from..hole.at]);
        whole.extend(content);
        from = hole.at;
    }
    whole.extend_from_slice(&written.bytes[from..]);
    assert_eq!(u64::try_from(whole.len()).unwrap(), written.len());
    let root = Element::parse(&whole, Limits::default()).unwrap();
    assert_eq!(
        root.child(base::DATA).unwrap().bytes().as_ref(),
        [b'x'; 300]
    );
    assert_eq!(root.text_of(base::CONTENT_ID).unwrap(), "hi");
}

#[test]
fn the_tables_are_whole_and_ascending() {
    let mut count = 0;
    for (number, page) in (0_u8..).zip(pages::PAGES) {
        assert_eq!(page.number, number);
        for pair in page.entries.windows(2) {
            assert!(
                pair[0].tag.code < pair[1].tag.code,
                "{} {}",
                page.name,
                pair[1].name
            );
        }
        for entry in page.entries {
            assert!((0x05..=0x3F).contains(&entry.tag.code));
            assert_eq!(entry.tag.page, number);
            assert_eq!(pages::entry(entry.tag), Some(entry));
            count += 1;
        }
    }
    assert_eq!(count, 654);
    assert_eq!(
        pages::name(Tag {
            page: 0,
            code: 0x3F
        }),
        "?"
    );
    assert_eq!(pages::name(Tag { page: 254, code: 5 }), "?");
}

#[test]
fn a_log_shows_shape_and_numbers_only() {
    let mut out = Encoder::new();
    out.element(a::SYNC, |out| {
        out.text(a::SYNC_KEY, "7:1");
        out.text(email::SUBJECT, "secret <plan>");
        out.opaque(base::DATA, b"secret");
        out.empty(a::PARTIAL);
        out.empty(Tag { page: 200, code: 9 });
    });
    let octets = out.finish().bytes;
    let shown = to_xml(&octets, Limits::default(), true).unwrap();
    assert_eq!(
        shown,
        "<AirSync:Sync>\n  <AirSync:SyncKey>7:1</SyncKey>\n  <Email:Subject>[13 characters]</Subject>\n  \
         <AirSyncBase:Data>[6 octets]</Data>\n  <AirSync:Partial/>\n  <?:C8.09/>\n</Sync>\n"
    );
    let open = to_xml(&octets, Limits::default(), false).unwrap();
    assert!(open.contains("secret &lt;plan&gt;"));
}
