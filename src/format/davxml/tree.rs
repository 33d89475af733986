//! A body read into a tree, under limits, without DTD and entities.

use quick_xml::XmlVersion;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{Name, Ns};

/// What a body may cost (`security.md` 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets.
    pub octets: usize,
    /// Elements inside each other.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Attributes of one element, namespace declarations included.
    pub attributes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            octets: 4 * 1_048_576,
            depth: 32,
            elements: 50_000,
            attributes: 64,
        }
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadXml {
    /// Too many octets.
    #[error("the body is too large")]
    TooLarge,
    /// Elements too deep inside each other.
    #[error("elements are nested too deeply")]
    TooDeep,
    /// Too many elements.
    #[error("there are too many elements")]
    TooManyElements,
    /// Too many attributes.
    #[error("an element has too many attributes")]
    TooManyAttributes,
    /// A DOCTYPE, a processing instruction, an entity.
    #[error("document types, processing instructions and entities are not taken")]
    Active,
    /// Not XML, or in no encoding we read.
    #[error("the body is not well-formed XML")]
    Broken,
}

/// An element with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its name.
    pub name: Name,
    /// Its attributes but for namespace declarations.
    pub attributes: Vec<(Name, String)>,
    /// What is inside, in order.
    pub children: Vec<Node>,
}

/// What stands inside an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, entities resolved.
    Text(String),
}

impl Element {
    /// An element without anything in it.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// The elements inside.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element inside of this name.
    #[must_use]
    pub fn child(&self, ns: &Ns, local: &str) -> Option<&Element> {
        self.elements().find(|e| e.name.is(ns, local))
    }

    /// All elements inside of this name.
    pub fn all<'e>(&'e self, ns: &'e Ns, local: &'e str) -> impl Iterator<Item = &'e Element> {
        self.elements().filter(move |e| e.name.is(ns, local))
    }

    /// The text directly inside.
    #[must_use]
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// An attribute without a namespace.
    #[must_use]
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(name, _)| name.is(&Ns::Empty, local))
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Node::Text(last)) = self.children.last_mut() {
            last.push_str(text);
        } else {
            self.children.push(Node::Text(text.to_owned()));
        }
    }
}

/// Reads a body.
///
/// UTF-8, or UTF-16 with its mark (RFC 4918 8.2: both must be read).
///
/// # Errors
/// [`BadXml`].
pub fn parse(body: &[u8], limits: Limits) -> Result<Element, BadXml> {
    if body.len() > limits.octets {
        return Err(BadXml::TooLarge);
    }
    let text = decode(body)?;
    let mut reader = NsReader::from_str(&text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_comments = true;
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let (ns, event) = reader.read_resolved_event().map_err(|_| BadXml::Broken)?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if elements > limits.elements {
                    return Err(BadXml::TooManyElements);
                }
                if open.len() >= limits.depth {
                    return Err(BadXml::TooDeep);
                }
                if open.is_empty() && root.is_some() {
                    return Err(BadXml::Broken);
                }
                let name = named(namespace(&ns)?, start.local_name().into_inner())?;
                let attributes = attributes(&reader, &start, limits)?;
                open.push(Element {
                    name,
                    attributes,
                    children: Vec::new(),
                });
            }
            Event::End(_) => {
                let done = open.pop().ok_or(BadXml::Broken)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(Node::Element(done)),
                    None => root = Some(done),
                }
            }
            Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
            Event::CData(text) => match open.last_mut() {
                Some(parent) => parent.push_text(checked(&text.xml10_content())?),
                None => return Err(BadXml::Broken),
            },
            Event::GeneralRef(reference) => match open.last_mut() {
                Some(parent) => {
                    let mut utf8 = [0; 4];
                    parent.push_text(resolve(&reference)?.encode_utf8(&mut utf8));
                }
                None => return Err(BadXml::Broken),
            },
            Event::Decl(_) => {
                if elements > 0 {
                    return Err(BadXml::Broken);
                }
            }
            Event::Comment(_) => {}
            Event::DocType(_) | Event::PI(_) => return Err(BadXml::Active),
            // Expanded above.
            Event::Empty(_) => return Err(BadXml::Broken),
            Event::Eof => break,
        }
    }
    if open.is_empty() {
        root.ok_or(BadXml::Broken)
    } else {
        Err(BadXml::Broken)
    }
}

/// Text between elements; outside the document element only white space stands.
fn add_text(open: &mut [Element], text: &str) -> Result<(), BadXml> {
    match open.last_mut() {
        Some(parent) => parent.push_text(checked(text)?),
        None if text.chars().all(char::is_whitespace) => {}
        None => return Err(BadXml::Broken),
    }
    Ok(())
}

/// XML 1.0 2.2: no control characters but tab and line ends.
fn checked(text: &str) -> Result<&str, BadXml> {
    if text.chars().all(is_xml_char) {
        Ok(text)
    } else {
        Err(BadXml::Broken)
    }
}

/// Whether XML 1.0 can say this character at all.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A name that can be written back as it is (Namespaces in XML 1.0, `NCName`, a little wider).
fn named(ns: Ns, local: &str) -> Result<Name, BadXml> {
    let mut chars = local.chars();
    let starts = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if starts && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}')) {
        Ok(Name::new(ns, local))
    } else {
        Err(BadXml::Broken)
    }
}

fn namespace(resolved: &ResolveResult<'_>) -> Result<Ns, BadXml> {
    match resolved {
        ResolveResult::Unbound => Ok(Ns::Empty),
        // The reader hands the address out as it was written.
        ResolveResult::Bound(ns) => {
            let uri = unescape(ns.0).map_err(|_| BadXml::Active)?;
            Ok(Ns::of(checked(&uri)?))
        }
        ResolveResult::Unknown(_) => Err(BadXml::Broken),
    }
}

fn attributes(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    limits: Limits,
) -> Result<Vec<(Name, String)>, BadXml> {
    let mut found = Vec::new();
    for (n, attribute) in start.attributes().enumerate() {
        if n >= limits.attributes {
            return Err(BadXml::TooManyAttributes);
        }
        let attribute = attribute.map_err(|_| BadXml::Broken)?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let (ns, local) = reader.resolver().resolve_attribute(attribute.key);
        let name = named(namespace(&ns)?, local.into_inner())?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| BadXml::Active)?;
        found.push((name, checked(&value)?.to_owned()));
    }
    Ok(found)
}

/// One of XML's own entities or a character by number; there are no others without a DTD.
fn resolve(reference: &BytesRef<'_>) -> Result<char, BadXml> {
    if reference.is_char_ref() {
        return match reference.resolve_char_ref() {
            Ok(Some(c)) if is_xml_char(c) => Ok(c),
            _ => Err(BadXml::Broken),
        };
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(BadXml::Active),
    }
}

fn decode(body: &[u8]) -> Result<std::borrow::Cow<'_, str>, BadXml> {
    let encoding = encoding_rs::Encoding::for_bom(body).map_or(encoding_rs::UTF_8, |(e, _)| e);
    let (text, broken) = encoding.decode_with_bom_removal(body);
    if broken {
        Err(BadXml::Broken)
    } else {
        Ok(text)
    }
}
