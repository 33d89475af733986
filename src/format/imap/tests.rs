//! Commands of the RFCs' examples, what must be refused, rubbish, and a second reader.

use proptest::prelude::*;

use super::command::{FlagList, Messages, StoreHow};
use super::fetch::{FetchItem, Section, SectionText, Window};
use super::list::ListVerb;
use super::search::{Algorithm, DateKey, Search, SearchKey, SortKey, Which};
use super::*;
use crate::model::Flags;

fn read(text: &str) -> Result<Body, Refused> {
    parse(text.as_bytes(), &Limits::default()).map(|c| c.body)
}

fn good(text: &str) -> Body {
    read(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn key(text: &str) -> SearchKey {
    match good(&format!("a SEARCH {text}")) {
        Body::Search(s) => s.key,
        other => panic!("{other:?}"),
    }
}

fn items(text: &str) -> Vec<FetchItem> {
    match good(&format!("a FETCH 1 {text}")) {
        Body::Fetch(f) => f.items,
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_without_arguments() {
    for (text, verb) in [
        ("a1 capability", "CAPABILITY"),
        ("1 NOOP", "NOOP"),
        ("abcd LOGOUT", "LOGOUT"),
        (". StartTLS", "STARTTLS"),
        ("a IDLE", "IDLE"),
        ("a expunge", "EXPUNGE"),
        ("a NAMESPACE", "NAMESPACE"),
    ] {
        assert_eq!(good(text).verb(), verb);
        assert!(read(&format!("{text} x")).is_err());
        assert!(read(&format!("{text} ")).is_err());
    }
}

#[test]
fn tags_come_back() {
    let tag = |text: &str| read(text).unwrap_err().tag;
    assert_eq!(tag("a FOO").as_deref(), Some("a"));
    assert_eq!(tag("A-1].x SELECT").as_deref(), Some("A-1].x"));
    assert_eq!(tag(""), None);
    assert_eq!(tag(" a NOOP"), None);
    assert_eq!(tag("+ NOOP"), None);
    assert_eq!(tag("* NOOP"), None);
    assert_eq!(tag("a").as_deref(), Some("a"));
    assert_eq!(read("a FOO").unwrap_err().why, Why::Unknown);
    assert_eq!(read("a UID FOO").unwrap_err().why, Why::Unknown);
}

#[test]
fn login_in_all_forms() {
    for text in [
        "a LOGIN SMITH SESAME",
        "a login \"SMITH\" \"SESAME\"",
        "a LOGIN {5}\r\nSMITH {6+}\r\nSESAME",
    ] {
        let Body::Login { name, password } = good(text) else {
            panic!()
        };
        assert_eq!(
            (name.as_str(), password.expose()),
            ("SMITH", &b"SESAME"[..])
        );
    }
    let Body::Login { password, .. } = good("a LOGIN x \"a\\\"b\\\\c\"") else {
        panic!()
    };
    assert_eq!(password.expose(), b"a\"b\\c");
    for bad in [
        "a LOGIN",
        "a LOGIN x",
        "a LOGIN x y z",
        "a LOGIN x \"y",
        "a LOGIN x \"\\n\"",
        "a LOGIN x {9}\r\nshort",
        "a LOGIN x {1}\r\n\0",
    ] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    let Body::Authenticate(auth) = good("a AUTHENTICATE plain =") else {
        panic!()
    };
    assert_eq!(auth.mechanism, "PLAIN");
    assert_eq!(auth.initial.unwrap().expose(), b"=");
}

#[test]
fn names_of_mailboxes() {
    let name = |text: &str, utf8| {
        let limits = Limits {
            utf8,
            ..Limits::default()
        };
        match parse(format!("a SELECT {text}").as_bytes(), &limits)
            .unwrap()
            .body
        {
            Body::Select(s) => s.mailbox,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(name("inBox", false), "INBOX");
    assert_eq!(name("inbox/a", false), "INBOX/a");
    assert_eq!(name("inboxes", false), "inboxes");
    assert_eq!(name("Entw&APw-rfe", false), "Entwürfe");
    assert_eq!(name("Entw&APw-rfe", true), "Entw&APw-rfe");
    assert_eq!(name("Entwürfe", true), "Entwürfe");
    assert_eq!(name("Entwürfe", false), "Entwürfe");
    assert_eq!(name("R&D", false), "R&D");
    assert_eq!(name("R&-D", false), "R&D");
    assert_eq!(name("{3}\r\na b", false), "a b");
    assert!(parse(b"a SELECT \"\xff\"", &Limits::default()).is_err());
    assert!(read("a SELECT a*b").is_err());
}

#[test]
fn select_with_parameters() {
    let select = |text: &str| match good(text) {
        Body::Select(s) => s,
        other => panic!("{other:?}"),
    };
    assert!(select("a EXAMINE x").is_read_only);
    assert!(select("a SELECT x (CONDSTORE)").condstore);
    // RFC 7162 3.2.5
    let resync = |text: &str| select(text).resync.unwrap();
    let r = resync("A03 SELECT INBOX (QRESYNC (67890007 90060115194045000 41:211,214:541))");
    assert_eq!(
        (r.uid_validity, r.modseq),
        (67_890_007, 90_060_115_194_045_000)
    );
    assert_eq!(r.known.unwrap().to_string(), "41:211,214:541");
    let r = resync(
        "B04 SELECT INBOX (QRESYNC (67890007 90060115194045000 1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997)))",
    );
    assert!(r.sample.is_some());
    let r = resync("a SELECT INBOX (QRESYNC (1 2 (1 2)))");
    assert!(r.known.is_none() && r.sample.is_some());
    for bad in [
        "a SELECT",
        "a SELECT x ()",
        "a SELECT x (FOO)",
        "a SELECT x (QRESYNC (0 1))",
        "a SELECT x (QRESYNC (1 1 1:*))",
        "a SELECT x (QRESYNC 1 1)",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn fetch_items() {
    assert_eq!(items("ALL").len(), 4);
    assert_eq!(items("FULL").len(), 5);
    assert_eq!(items("fast").len(), 3);
    assert_eq!(
        items("(UID FLAGS MODSEQ EMAILID THREADID SAVEDATE PREVIEW)").len(),
        7
    );
    assert_eq!(
        items("(PREVIEW (LAZY) UID)"),
        [FetchItem::Preview, FetchItem::Uid]
    );
    let section = |text: &str| match items(text).remove(0) {
        FetchItem::Section(s) => s,
        other => panic!("{other:?}"),
    };
    let s = section("BODY[HEADER.FIELDS (DATE \"From\")]");
    assert_eq!(
        s.section.text,
        SectionText::Fields(vec!["DATE".into(), "From".into()])
    );
    assert!(!s.peek);
    assert_eq!(s.section.write(), b"HEADER.FIELDS (DATE From)");
    let s = section("BODY.PEEK[1.2.MIME]<0.2048>");
    assert_eq!(
        (s.section.part.as_slice(), s.partial, s.peek),
        (&[1, 2][..], Some((0, 2048)), true)
    );
    assert_eq!(section("BODY[]").section, Section::default());
    assert_eq!(section("BODY[3]").section.write(), b"3");
    assert!(section("RFC822.HEADER").peek);
    assert!(!section("RFC822").peek);
    assert_eq!(items("BODY"), [FetchItem::Body]);
    assert_eq!(
        items("BINARY.SIZE[1.2]"),
        [FetchItem::BinarySize(vec![1, 2])]
    );
    assert!(matches!(
        &items("BINARY.PEEK[1]<1.2>")[..],
        [FetchItem::Binary {
            peek: true,
            partial: Some((1, 2)),
            ..
        }]
    ));
    for bad in [
        "",
        "()",
        "(UID",
        "FOO",
        "BODY[",
        "BODY[1.]",
        "BODY[0]",
        "BODY[MIME]",
        "BODY[]<1>",
        "BODY[]<1.0>",
        "BODY[]<-1.1>",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[TEXT.1]",
        "(ALL)",
        "(UID  FLAGS)",
        "UID FLAGS",
        "BODY[ ]",
    ] {
        assert!(read(&format!("a FETCH 1 {bad}")).is_err(), "{bad}");
    }
    assert!(read("a FETCH 1 BODY[18446744073709551616]").is_err());
    assert!(read(&format!("a FETCH 1 BODY[{}1]", "1.".repeat(64))).is_err());
}

#[test]
fn fetch_modifiers() {
    let fetch = |text: &str| match good(text) {
        Body::Fetch(f) => f,
        other => panic!("{other:?}"),
    };
    let f = fetch("s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)");
    assert!(f.uid && f.vanished && f.changed_since == Some(12345));
    let f = fetch("a UID FETCH 25900:26600 (UID FLAGS) (PARTIAL -1:-100)");
    assert_eq!(
        f.partial,
        Some(Window {
            first: 1,
            last: 100,
            from_end: true
        })
    );
    assert_eq!(fetch("a FETCH $ FLAGS").messages, Messages::Saved);
    for bad in [
        "a FETCH 1 FLAGS (VANISHED)",
        "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "a UID FETCH 1 FLAGS (PARTIAL 1:-2)",
        "a UID FETCH 1 FLAGS ()",
        "a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn store_forms() {
    let store = |text: &str| match good(text) {
        Body::Store(s) => s,
        other => panic!("{other:?}"),
    };
    let s = store("A003 STORE 2:4 +FLAGS (\\Deleted)");
    assert_eq!(
        (s.how, s.silent, s.list.flags),
        (StoreHow::Add, false, Flags::DELETED)
    );
    let s = store(
        "d105 STORE 7,5,9 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\\Deleted $junk Work work)",
    );
    assert_eq!(s.unchanged_since, Some(320_162_338));
    assert!(s.silent);
    assert_eq!(s.list.flags, Flags::DELETED.with(Flags::JUNK));
    assert_eq!(s.list.keywords, ["Work"]);
    let s = store("a UID STORE 1 FLAGS \\Seen \\Answered x");
    assert_eq!((s.how, s.list.keywords.len()), (StoreHow::Replace, 1));
    assert_eq!(store("a STORE 1 FLAGS ()").list, FlagList::default());
    assert_eq!(
        store("a STORE 1 FLAGS (\\Recent)").list,
        FlagList::default()
    );
    for bad in [
        "a STORE 1 FLAGS",
        "a STORE 1 FLAGS (\\Foo)",
        "a STORE 1 FLAGS (\\)",
        "a STORE 1 FLAGZ (x)",
        "a STORE 1 *FLAGS (x)",
        "a STORE 0 FLAGS (x)",
        "a STORE 1 FLAGS (a]b)",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn search_keys() {
    assert_eq!(key("ALL"), SearchKey::All);
    // RFC 9051 6.4.4
    assert_eq!(
        key("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
        SearchKey::And(vec![
            SearchKey::Flag(Flags::FLAGGED, true),
            SearchKey::Date(
                Which::Arrived,
                DateKey::Since,
                time::macros::date!(1994 - 02 - 01)
            ),
            SearchKey::Not(Box::new(SearchKey::Header("from".into(), "Smith".into()))),
        ])
    );
    assert_eq!(
        key("TEXT \"string not in mailbox\""),
        SearchKey::Text("string not in mailbox".into())
    );
    assert_eq!(
        key("CHARSET UTF-8 TEXT {12}\r\nпривет"),
        SearchKey::Text("привет".into())
    );
    assert_eq!(
        key("UID 2:4"),
        SearchKey::Uid(set::SequenceSet::range(2, 4))
    );
    assert_eq!(
        key("((1:3))"),
        SearchKey::Sequence(set::SequenceSet::range(1, 3))
    );
    assert_eq!(key("$"), SearchKey::Saved);
    assert_eq!(key("UID $"), SearchKey::Saved);
    assert!(matches!(key("OR (SEEN DELETED) $"), SearchKey::Or(..)));
    assert_eq!(key("KEYWORD $Junk"), SearchKey::Flag(Flags::JUNK, true));
    assert_eq!(
        key("UNKEYWORD Work"),
        SearchKey::Keyword("Work".into(), false)
    );
    assert_eq!(
        key("MODSEQ \"/flags/\\\\draft\" all 620162338"),
        SearchKey::ModSeq(620_162_338)
    );
    assert_eq!(
        key("HEADER Message-ID \"\""),
        SearchKey::Header("message-id".into(), String::new())
    );
    assert_eq!(key("OLDER 3600"), SearchKey::Older(3600));
    let latin = parse(
        b"a SEARCH CHARSET ISO-8859-1 SUBJECT \"\xfc\"",
        &Limits::default(),
    )
    .unwrap();
    assert!(
        matches!(latin.body, Body::Search(Search { key: SearchKey::Header(_, t), .. }) if t == "ü")
    );
    assert_eq!(
        read("a SEARCH CHARSET X-FOO ALL").unwrap_err().why,
        Why::BadCharset
    );
    for bad in [
        "a SEARCH",
        "a SEARCH FOO",
        "a SEARCH NOT",
        "a SEARCH OR ALL",
        "a SEARCH ()",
        "a SEARCH (ALL",
        "a SEARCH ON 32-Feb-1994",
        "a SEARCH LARGER -1",
        "a SEARCH OLDER 0",
        "a SEARCH ALL ",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn search_returns_sort_thread() {
    let search = |text: &str| match good(text) {
        Body::Search(s) => s,
        other => panic!("{other:?}"),
    };
    assert!(search("a SEARCH RETURN () ALL").returns.unwrap().all);
    let r = search("a UID SEARCH RETURN (MIN MAX COUNT SAVE) ALL")
        .returns
        .unwrap();
    assert!(r.min && r.max && r.count && r.save && !r.all);
    assert!(
        search("a UID SEARCH RETURN (PARTIAL 1:500) ALL")
            .returns
            .unwrap()
            .partial
            .is_some()
    );
    assert!(read("a SEARCH RETURN (ALL PARTIAL 1:5) ALL").is_err());
    let Body::Sort(sort) = good("A282 SORT (SUBJECT REVERSE DATE) UTF-8 SINCE 1-Feb-1994") else {
        panic!()
    };
    assert_eq!(sort.by, [(SortKey::Subject, false), (SortKey::Date, true)]);
    for bad in [
        "a SORT () UTF-8 ALL",
        "a SORT (REVERSE) UTF-8 ALL",
        "a SORT (REVERSE REVERSE DATE) UTF-8 ALL",
        "a SORT (DATE) ALL",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let Body::Thread(thread) = good("a UID THREAD REFERENCES UTF-8 ALL") else {
        panic!()
    };
    assert!(thread.search.uid && thread.algorithm == Algorithm::References);
}

#[test]
fn listings() {
    let list = |text: &str| match good(text) {
        Body::List(l) => l,
        other => panic!("{other:?}"),
    };
    assert_eq!(list("A101 LIST \"\" \"\"").patterns, [""]);
    assert_eq!(list("A202 LIST ~/Mail/ %").patterns, ["%"]);
    let l = list(
        "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" \"Drafts\" \"Sent/%\") RETURN (CHILDREN STATUS (MESSAGES UNSEEN SIZE))",
    );
    assert!(l.select.recursive && l.returns.children && l.returns.subscribed);
    assert_eq!((l.patterns.len(), l.returns.status.len()), (3, 3));
    assert!(
        list("a LIST \"\" % RETURN (SPECIAL-USE)")
            .returns
            .special_use
    );
    assert!(list("a LIST () \"\" %").returns.is_extended);
    assert_eq!(list("a LSUB \"\" *").verb, ListVerb::Lsub);
    for bad in [
        "a LIST",
        "a LIST \"\"",
        "a LIST (RECURSIVEMATCH) \"\" *",
        "a LIST (FOO) \"\" *",
        "a LIST \"\" () ",
        "a LIST \"\" * RETURN",
        "a STATUS x ()",
        "a STATUS x (FOO)",
        "a STATUS x MESSAGES",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_rest() {
    for text in [
        "a ID NIL",
        "a ID (\"name\" \"x\" \"os\" NIL)",
        "a ENABLE CONDSTORE X-GOOD-IDEA",
        "a COMPRESS DEFLATE",
        "a CREATE x (USE (\\Drafts \\Sent))",
        "a CREATE owatagusiam/",
        "a RENAME a b",
        "a UID EXPUNGE 3000:3002",
        "a UID MOVE 42:69 foo",
        "a GETQUOTA \"\"",
        "a GETQUOTAROOT INBOX",
        "a SETQUOTA \"\" (STORAGE 512)",
        "a SETACL INBOX Fred +rwipslxetad",
        "a MYRIGHTS INBOX",
        "a LISTRIGHTS ~/Mail/saved smith",
        "a GETMETADATA \"\" /shared/comment",
        "a GETMETADATA (DEPTH 1 MAXSIZE 1024) INBOX (/shared/comment /private/comment)",
        "a GETMETADATA \"INBOX\" (DEPTH 1) (/private/filters/values)",
        "a SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)",
        "a SETMETADATA INBOX (/private/comment NIL)",
        "a NOTIFY NONE",
        "a NOTIFY SET STATUS (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) (subtree Lists MessageNew)",
        "a NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) (personal NONE)",
        "a NOTIFY SET (mailboxes (a b) (MessageNew))",
    ] {
        if text.contains("(subtree Lists MessageNew)") {
            assert!(read(text).is_err(), "events stand in parentheses");
        } else {
            good(text);
        }
    }
}

#[test]
fn limits_are_held() {
    let deep = |n: usize| format!("a SEARCH {}ALL{}", "(".repeat(n), ")".repeat(n));
    assert!(read(&deep(32)).is_ok());
    assert_eq!(
        read(&deep(33)).unwrap_err().why,
        Why::TooMany("parentheses")
    );
    assert!(read(&format!("a SEARCH {}ALL", "NOT ".repeat(32))).is_ok());
    assert!(read(&format!("a SEARCH {}ALL", "NOT ".repeat(33))).is_err());
    assert!(read(&format!("a SEARCH {}", "OR ALL ".repeat(40) + "ALL")).is_err());
    let keys = |n: usize| format!("a SEARCH ALL{}", " ALL".repeat(n - 1));
    assert!(read(&keys(500)).is_ok());
    assert_eq!(
        read(&keys(501)).unwrap_err().why,
        Why::TooMany("search keys")
    );
    let items = |n: usize| format!("a FETCH 1 (UID{})", " UID".repeat(n - 1));
    assert!(read(&items(200)).is_ok());
    assert_eq!(
        read(&items(201)).unwrap_err().why,
        Why::TooMany("items in a list")
    );
    let ranges = |n: u32| {
        (1..=n)
            .map(|i| (2 * i).to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    assert!(read(&format!("a FETCH {} UID", ranges(10_000))).is_ok());
    assert_eq!(
        read(&format!("a FETCH {} UID", ranges(10_001)))
            .unwrap_err()
            .why,
        Why::TooMany("ranges in the set")
    );
    assert!(read(&format!("a FETCH {} UID", ranges(100_000))).is_err());
}

/// Every command of `imap-codec`'s own generator would be best; these are ones both must read.
#[test]
fn a_second_reader_agrees() {
    use imap_codec::CommandCodec;
    use imap_codec::decode::Decoder;
    let codec = CommandCodec::new();
    for text in [
        "a LOGIN x y",
        "a LOGIN \"x\\\"\" \"\"",
        "a SELECT inbox",
        "a SELECT \"a b\"",
        "a SELECT a*",
        "a SELECT (",
        "a FETCH 1:* (FLAGS UID)",
        "a FETCH 1,2:3,*:9 ALL",
        "a FETCH 0 ALL",
        "a FETCH 1 BODY[1.2.HEADER]",
        "a FETCH 1 BODY[]<0.10>",
        "a FETCH 1 BODY[HEADER.FIELDS (a b)]",
        "a FETCH 1 (BODY BODYSTRUCTURE)",
        "a UID FETCH 1 RFC822.TEXT",
        "a STORE 1 +FLAGS (\\Seen x)",
        "a STORE 1 -FLAGS.SILENT \\Seen \\Deleted",
        "a STORE 1 FLAGS ()",
        "a COPY 1 x",
        "a UID COPY 1:2 x",
        "a SEARCH ALL",
        "a SEARCH OR SEEN NOT 1",
        "a SEARCH (ALL SEEN) BEFORE 1-Jan-2020",
        "a SEARCH SUBJECT x LARGER 5",
        "a SEARCH",
        "a SEARCH FOO",
        "a STATUS x (MESSAGES UIDNEXT)",
        "a STATUS x (FOO)",
        "a LIST \"\" *",
        "a LSUB \"\" %",
        "a LIST x",
        "a CREATE x",
        "a DELETE x",
        "a RENAME x y",
        "a RENAME x",
        "a SUBSCRIBE x",
        "a NOOP",
        "a NOOP ",
        "a CHECK",
        "a CLOSE",
        "a EXPUNGE",
        "a CAPABILITY",
        "a LOGOUT",
        "a IDLE",
        "a ENABLE CONDSTORE",
        "a ENABLE",
        "a COMPRESS DEFLATE",
        "a MOVE 1 x",
        "a UNSELECT",
        "a GETQUOTAROOT x",
        "a AUTHENTICATE PLAIN",
        "a AUTHENTICATE PLAIN dGVzdA==",
        "a FOO",
        "",
        " ",
        "a",
        "a ",
        "(a NOOP",
    ] {
        let line = format!("{text}\r\n");
        let theirs = codec.decode(line.as_bytes());
        let theirs = matches!(&theirs, Ok((rest, _)) if rest.is_empty());
        assert_eq!(read(text).is_ok(), theirs, "{text}");
    }
}

proptest! {
    #[test]
    fn rubbish_is_refused_and_never_panics(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&octets, &Limits::default());
        let _ = append::start(&octets, &Limits::default());
        let _ = announced(&octets);
    }

    #[test]
    fn almost_commands_never_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", " ", " ", " ", "(", ")", "FETCH", "UID", "STORE", "SEARCH", "NOT", "OR", "1:*", "$", "BODY", "[", "]", "<0.1>", "\"x\"", "\"", "\\", "{3}\r\nabc",
            "{9999999}\r\n", "~{1}\r\n\0", "FLAGS", "+", "-", "\\Seen", "RETURN", "(ALL)", "LIST", "*", "%", "NIL", "APPEND", "HEADER.FIELDS", "MODSEQ", "SORT", "NOTIFY", "SET", "&", "&AOQ-", "ü",
        ]), 0..24),
        utf8 in any::<bool>(),
    ) {
        let text = words.concat();
        let limits = Limits { utf8, ..Limits::default() };
        let _ = parse(text.as_bytes(), &limits);
        let _ = append::start(text.as_bytes(), &limits);
    }

    #[test]
    fn strings_come_back(octets in prop::collection::vec(1u8..=255, 0..60)) {
        let mut line = b"a LOGIN x ".to_vec();
        write::astring(&mut line, &octets);
        let read = parse(&line, &Limits::default()).unwrap();
        let Body::Login { password, .. } = read.body else { panic!() };
        prop_assert_eq!(password.expose(), octets);
    }

    #[test]
    fn names_come_back(name in "[^\u{0}]{1,30}", utf8 in any::<bool>()) {
        prop_assume!(!name.to_lowercase().starts_with("inbox"));
        let mut line = b"a SELECT ".to_vec();
        write::mailbox(&mut line, &name, utf8);
        let limits = Limits { utf8, ..Limits::default() };
        let read = parse(&line, &limits).unwrap();
        let Body::Select(select) = read.body else { panic!() };
        prop_assert_eq!(select.mailbox, name);
    }

    #[test]
    fn sections_come_back(part in prop::collection::vec(1u32..100, 0..5), which in 0..6, fields in prop::collection::vec("[A-Za-z -]{1,10}", 1..4)) {
        let text = match which {
            0 => SectionText::Whole,
            1 => SectionText::Header,
            2 => SectionText::Text,
            3 => SectionText::Fields(fields),
            4 => SectionText::FieldsNot(fields),
            _ if part.is_empty() => SectionText::Whole,
            _ => SectionText::Mime,
        };
        let section = Section { part, text };
        let line = format!("a FETCH 1 BODY[{}]", String::from_utf8(section.write()).unwrap());
        let Body::Fetch(f) = parse(line.as_bytes(), &Limits::default()).unwrap().body else { panic!() };
        let FetchItem::Section(s) = &f.items[0] else { panic!() };
        prop_assert_eq!(&s.section, &section);
    }
}

/// What commands are made of. An octet below 200 stands for a fragment (the table repeats), any other for itself.
const FRAGMENTS: &[&str] = &[
    "a ",
    " ",
    "(",
    ")",
    "[",
    "]",
    "<0.1>",
    "\"",
    "\\",
    "\\Seen",
    "{3}\r\nabc",
    "{3+}\r\nabc",
    "~{1}\r\n\0",
    "{9}\r\n",
    "FETCH ",
    "UID ",
    "STORE ",
    "+FLAGS ",
    "SEARCH ",
    "SORT ",
    "THREAD ",
    "RETURN ",
    "NOT ",
    "OR ",
    "1:*",
    "$",
    "*",
    "%",
    "BODY",
    "HEADER.FIELDS",
    "PEEK",
    "1.2",
    "LIST ",
    "SELECT ",
    "QRESYNC",
    "APPEND ",
    "REPLACE ",
    "UTF8 ",
    "NOTIFY ",
    "SET ",
    "GETMETADATA ",
    "SETACL ",
    "CHARSET ",
    "utf-8 ",
    "1-Feb-1994",
    "\"17-Jul-1996 02:44:25 -0700\"",
    "&AOQ-",
    "&",
    "ü",
    "NIL",
    "INBOX",
    "MODSEQ ",
    "PARTIAL ",
    "-1:-2",
    ",",
];

#[test]
fn octets_of_any_kind_are_read_or_refused() {
    bolero::check!().for_each(|input: &[u8]| {
        let mut octets = Vec::new();
        for b in input {
            if *b < 200 {
                octets.extend_from_slice(FRAGMENTS[usize::from(*b) % FRAGMENTS.len()].as_bytes());
            } else {
                octets.push(*b);
            }
        }
        for utf8 in [false, true] {
            let limits = Limits {
                utf8,
                ..Limits::default()
            };
            let _ = parse(input, &limits);
            let _ = parse(&octets, &limits);
            if let Some(Ok(head)) = append::start(&octets, &limits) {
                let _ = append::next(input, &head.first, &limits);
            }
        }
    });
}
