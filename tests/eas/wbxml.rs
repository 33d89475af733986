//! WBXML by chance: what is written is read again, whatever comes is survived, and another implementation reads the same.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use postamt::format::wbxml::{
    Element, Encoder, Event, Limits, Node, Tag, Tokenizer, pages, to_xml,
};
use proptest::prelude::*;

/// A document by its content.
#[derive(Debug, Clone, PartialEq)]
struct Tree {
    tag: Tag,
    inside: Inside,
}

#[derive(Debug, Clone, PartialEq)]
enum Inside {
    Trees(Vec<Tree>),
    Text(String),
    Octets(Vec<u8>),
}

impl Tree {
    fn write(&self, out: &mut Encoder) {
        match &self.inside {
            Inside::Trees(trees) => out.element(self.tag, |out| {
                for tree in trees {
                    tree.write(out);
                }
            }),
            Inside::Text(text) => out.text(self.tag, text),
            Inside::Octets(octets) => out.opaque(self.tag, octets),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        self.write(&mut out);
        out.finish().bytes
    }

    fn of(element: &Element<'_>) -> Self {
        let inside = match element.nodes.first() {
            Some(Node::Text(_)) => Inside::Text(element.text().into_owned()),
            Some(Node::Opaque(_)) => Inside::Octets(element.bytes().into_owned()),
            _ => Inside::Trees(element.elements().map(Self::of).collect()),
        };
        Self {
            tag: element.tag,
            inside,
        }
    }

    /// With octets where libwbxml writes base64 whatever it gets, and with text elsewhere, where it writes what it gets.
    fn tamed(mut self) -> Self {
        match &mut self.inside {
            Inside::Trees(trees) => {
                *trees = std::mem::take(trees).into_iter().map(Self::tamed).collect();
            }
            Inside::Text(text) if BASE64.contains(&self.tag) => {
                self.inside = Inside::Octets(text.as_bytes().to_vec());
            }
            Inside::Octets(octets) if !BASE64.contains(&self.tag) || octets.is_empty() => {
                self.inside = if octets.is_empty() {
                    Inside::Trees(Vec::new())
                } else {
                    Inside::Text(base64(octets))
                };
            }
            Inside::Octets(_) | Inside::Text(_) => {}
        }
        self
    }

    /// As libwbxml's `wbxml2xml -m 2` writes it.
    fn foreign(&self, page: Option<u8>, out: &mut String) {
        let name = foreign_name(self.tag);
        out.push('<');
        out.push_str(name);
        if page != Some(self.tag.page) {
            write!(out, " xmlns=\"{}:\"", foreign_page(self.tag.page)).unwrap();
        }
        match &self.inside {
            Inside::Trees(trees) if trees.is_empty() => {
                out.push_str("/>");
                return;
            }
            Inside::Trees(trees) => {
                out.push('>');
                for tree in trees {
                    tree.foreign(Some(self.tag.page), out);
                }
            }
            Inside::Text(text) => {
                out.push('>');
                for c in text.chars() {
                    match c {
                        '&' => out.push_str("&amp;"),
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '"' => out.push_str("&quot;"),
                        '\'' => out.push_str("&apos;"),
                        '\r' => out.push_str("&#13;"),
                        '\n' => out.push_str("&#10;"),
                        '\t' => out.push_str("&#9;"),
                        c => out.push(c),
                    }
                }
            }
            Inside::Octets(octets) => {
                out.push('>');
                out.push_str(&base64(octets));
            }
        }
        write!(out, "</{name}>").unwrap();
    }
}

/// What libwbxml takes for octets.
const BASE64: [Tag; 8] = [
    pages::resolve::DATA,
    pages::search::CONVERSATION_ID,
    pages::gal::DATA,
    pages::base::CONTENT,
    pages::operations::CONVERSATION_ID,
    pages::compose::MIME,
    pages::email2::CONVERSATION_ID,
    pages::email2::CONVERSATION_INDEX,
];

/// What libwbxml calls a tag, where it is not what MS-ASWBXML calls it today; its tables are of 2012.
const OTHER_NAMES: &[((u8, u8), &str)] = &[
    ((1, 0x07), "AssistantTelephoneNumber"),
    ((1, 0x0D), "BusinessCity"),
    ((1, 0x0E), "BusinessCountry"),
    ((1, 0x0F), "BusinessPostalCode"),
    ((1, 0x10), "BusinessState"),
    ((1, 0x11), "BusinessStreet"),
    ((1, 0x21), "HomeCity"),
    ((1, 0x22), "HomeCountry"),
    ((1, 0x23), "HomePostalCode"),
    ((1, 0x24), "HomeState"),
    ((1, 0x25), "HomeStreet"),
    ((1, 0x2D), "OtherCity"),
    ((1, 0x2E), "OtherCountry"),
    ((1, 0x2F), "OtherPostalCode"),
    ((1, 0x30), "OtherState"),
    ((1, 0x31), "OtherStreet"),
    ((2, 0x19), "Reply-To"),
    ((2, 0x1D), "DTStamp"),
    ((2, 0x29), "Recurrence_Type"),
    ((2, 0x2A), "Recurrence_Until"),
    ((2, 0x2B), "Recurrence_Occurrences"),
    ((2, 0x2C), "Recurrence_Interval"),
    ((2, 0x2D), "Recurrence_DayOfWeek"),
    ((2, 0x2E), "Recurrence_DayOfMonth"),
    ((2, 0x2F), "Recurrence_WeekOfMonth"),
    ((2, 0x30), "Recurrence_MonthOfYear"),
    ((2, 0x3B), "FlagStatus"),
    ((4, 0x05), "TimeZone"),
    ((4, 0x09), "Attendee_Email"),
    ((4, 0x0A), "Attendee_Name"),
    ((4, 0x10), "Compressed_RTF"),
    ((4, 0x11), "DTStamp"),
    ((4, 0x15), "Exception_Deleted"),
    ((4, 0x16), "Exception_StartTime"),
    ((4, 0x19), "Organizer_Email"),
    ((4, 0x1A), "Organizer_Name"),
    ((4, 0x1C), "Recurrence_Type"),
    ((4, 0x1D), "Recurrence_Until"),
    ((4, 0x1E), "Recurrence_Occurrences"),
    ((4, 0x1F), "Recurrence_Interval"),
    ((4, 0x20), "Recurrence_DayOfWeek"),
    ((4, 0x21), "Recurrence_DayOfMonth"),
    ((4, 0x22), "Recurrence_WeekOfMonth"),
    ((4, 0x23), "Recurrence_MonthOfYear"),
    ((4, 0x29), "Attendee_Status"),
    ((4, 0x2A), "Attendee_Type"),
    ((9, 0x0D), "UTCDueDate"),
    ((9, 0x10), "Recurrence_Type"),
    ((9, 0x11), "Recurrence_Start"),
    ((9, 0x12), "Recurrence_Until"),
    ((9, 0x13), "Recurrence_Occurrences"),
    ((9, 0x14), "Recurrence_Interval"),
    ((9, 0x15), "Recurrence_DayOfMonth"),
    ((9, 0x16), "Recurrence_DayOfWeek"),
    ((9, 0x17), "Recurrence_WeekOfMonth"),
    ((9, 0x18), "Recurrence_MonthOfYear"),
    ((9, 0x19), "Recurrence_Regenerate"),
    ((9, 0x1A), "Recurrence_DeadOccur"),
    ((9, 0x1F), "UTCStartDate"),
    ((14, 0x10), "DeviceEncryptionEnabled"),
    ((18, 0x1F), "SmtpAddress"),
    ((18, 0x2B), "ihsManagementInformation"),
    ((21, 0x10), "MIME"),
    ((21, 0x17), "ForwardeeName"),
    ((21, 0x18), "ForwardeeEmail"),
    ((24, 0x12), "RMOwner"),
    ((24, 0x18), "RemoveRightsManagementDistribution"),
];

/// Whether libwbxml has the tag at all: what came with 16.x, and legacy names of page 4, it has not.
fn is_foreign_too(tag: Tag) -> bool {
    !matches!(
        (tag.page, tag.code),
        (4, 0x2B..=0x32) | (8, 0x10 | 0x11) | (13, 0x0E) | (14, 0x3B) | (21, 0x0A) | (25, _)
    )
}

fn foreign_name(tag: Tag) -> &'static str {
    OTHER_NAMES
        .iter()
        .find(|(key, _)| *key == (tag.page, tag.code))
        .map_or(pages::name(tag), |(_, name)| name)
}

fn foreign_page(page: u8) -> &'static str {
    pages::PAGES[usize::from(page)].name
}

fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in octets.chunks(3) {
        let bits = three
            .iter()
            .fold(0_u32, |bits, b| bits << 8 | u32::from(*b))
            << (8 * (3 - three.len()));
        for i in 0..4 {
            out.push(if i <= three.len() {
                char::from(LETTERS[usize::try_from(bits >> (18 - 6 * i) & 63).unwrap()])
            } else {
                '='
            });
        }
    }
    out
}

fn known_tag() -> impl Strategy<Value = Tag> {
    let all: Vec<Tag> = pages::PAGES
        .iter()
        .flat_map(|page| page.entries.iter().map(|entry| entry.tag))
        .collect();
    prop::sample::select(all)
}

fn any_tag() -> impl Strategy<Value = Tag> {
    prop_oneof![
        9 => known_tag(),
        1 => (any::<u8>(), 0x05_u8..=0x3F).prop_map(|(page, code)| Tag { page, code }),
    ]
}

/// Text that goes over the wire unchanged; not empty, which is an empty element.
fn text() -> impl Strategy<Value = String> {
    "[^\\x00-\\x08\\x0B\\x0C\\x0E-\\x1F\u{FFFE}\u{FFFF}]{1,40}"
}

fn tree(tag: impl Strategy<Value = Tag> + Clone + 'static) -> impl Strategy<Value = Tree> {
    let leaf = (
        tag.clone(),
        prop_oneof![
            Just(Inside::Trees(Vec::new())),
            text().prop_map(Inside::Text),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Inside::Octets),
        ],
    )
        .prop_map(|(tag, inside)| Tree { tag, inside });
    leaf.prop_recursive(8, 64, 8, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..8)).prop_map(|(tag, trees)| Tree {
            tag,
            inside: Inside::Trees(trees),
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(tree in tree(any_tag().boxed())) {
        let octets = tree.encode();
        let root = Element::parse(&octets, Limits::default()).unwrap();
        prop_assert_eq!(Tree::of(&root), tree.clone());
        // And the reading written again is the same document.
        prop_assert_eq!(Tree::of(&root).encode(), octets);
    }

    #[test]
    fn a_document_cut_anywhere_is_refused(tree in tree(any_tag().boxed()), at in any::<prop::sample::Index>()) {
        let octets = tree.encode();
        let cut = at.index(octets.len());
        prop_assert!(Element::parse(&octets[..cut], Limits::default()).is_err());
    }
}

#[test]
fn no_octets_are_too_strange() {
    bolero::check!()
        .with_iterations(20_000)
        .for_each(|input: &[u8]| {
            for head in [&[][..], &[0x03, 0x01, 0x6A, 0x00, 0x45]] {
                survive(&[head, input].concat());
            }
        });
}

/// Reads to the end or the first error; the tree, the log and the events agree about which it is.
fn survive(octets: &[u8]) {
    let limits = Limits::default();
    let mut depth = 0_i32;
    let is_whole = match Tokenizer::new(octets, limits) {
        Ok(mut tokens) => loop {
            match tokens.next() {
                Ok(Some(Event::Start(_))) => depth += 1,
                Ok(Some(Event::End)) => depth -= 1,
                Ok(Some(_)) => {}
                Ok(None) => break true,
                Err(_) => break false,
            }
            assert!((0..=32).contains(&depth));
        },
        Err(_) => false,
    };
    assert!(!is_whole || depth == 0);
    assert_eq!(Element::parse(octets, limits).is_ok(), is_whole);
    assert_eq!(to_xml(octets, limits, true).is_ok(), is_whole);
}

const ORACLE: &str = "wbxml2xml";

/// Whether the other implementation is here. It must be where the tests of a change are run.
fn has_oracle() -> bool {
    let found = Command::new(ORACLE)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "{ORACLE} is missing: .ci/setup test installs it"
        );
        eprintln!("{ORACLE} is missing, nothing was compared: .ci/setup test installs it");
    }
    found
}

fn foreign(octets: &[u8]) -> Option<String> {
    let mut child = Command::new(ORACLE)
        .args(["-l", "ACTIVESYNC", "-m", "2", "-k", "-o", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(octets).unwrap();
    let out = child.wait_with_output().unwrap();
    if !out.status.success() {
        return None;
    }
    let text = String::from_utf8(out.stdout).unwrap();
    let from = text.find("\"http://www.microsoft.com/\">")?;
    Some(text[from..].split_once('>')?.1.to_owned())
}

#[test]
fn another_implementation_names_every_tag_alike() {
    if !has_oracle() {
        return;
    }
    let mut differences = Vec::new();
    for entry in pages::PAGES.iter().flat_map(|page| page.entries) {
        let tree = Tree {
            tag: entry.tag,
            inside: Inside::Trees(Vec::new()),
        };
        let mut ours = String::new();
        tree.foreign(None, &mut ours);
        let theirs = foreign(&tree.encode()).unwrap();
        let agrees = if is_foreign_too(entry.tag) {
            theirs == ours
        } else {
            theirs.starts_with("<unknown ")
        };
        if !agrees {
            differences.push((entry.tag, ours, theirs));
        }
    }
    assert_eq!(differences, []);
}

#[test]
fn another_implementation_reads_what_we_write() {
    if !has_oracle() {
        return;
    }
    let tags = known_tag().prop_filter("libwbxml has it", |tag| {
        // Inside an `Add` it takes every `Data` for that of SyncML.
        is_foreign_too(*tag) && pages::name(*tag) != "Data"
    });
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        cases: 128,
        failure_persistence: None,
        ..Default::default()
    });
    runner
        .run(&tree(tags.boxed()).prop_map(Tree::tamed), |tree| {
            let mut ours = String::new();
            tree.foreign(None, &mut ours);
            prop_assert_eq!(foreign(&tree.encode()), Some(ours));
            Ok(())
        })
        .unwrap();
}
