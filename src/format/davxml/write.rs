//! Answers, written front to back and handed out in pieces.

use super::tree::is_xml_char;
use super::{Element, Name, Node, Ns};

/// A document being written.
///
/// Elements of the namespaces we speak bear the prefixes that the document element declares; a foreign one declares its own.
/// [`Writer::take`] hands out what is there so far, so that a long answer never stands in memory whole.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
}

impl Writer {
    /// A document whose outermost element is this one; close it in the end.
    #[must_use]
    pub fn document(ns: &Ns, local: &str) -> Self {
        let mut writer = Self {
            out: String::with_capacity(1_024),
        };
        writer
            .out
            .push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<");
        writer.tag(ns, local);
        for (prefix, uri) in Ns::known() {
            writer.out.push_str(" xmlns:");
            writer.out.push_str(prefix);
            writer.out.push_str("=\"");
            writer.out.push_str(uri);
            writer.out.push('"');
        }
        writer.out.push('>');
        writer
    }

    /// Begins an element.
    pub fn open(&mut self, ns: &Ns, local: &str) {
        self.out.push('<');
        self.tag(ns, local);
        self.declare(ns);
        self.out.push('>');
    }

    /// Begins an element with attributes that have no namespace.
    pub fn open_with(&mut self, ns: &Ns, local: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.tag(ns, local);
        self.declare(ns);
        self.attributes(attributes);
        self.out.push('>');
    }

    /// Ends it.
    pub fn close(&mut self, ns: &Ns, local: &str) {
        self.out.push_str("</");
        self.tag(ns, local);
        self.out.push('>');
    }

    /// An element with nothing inside.
    pub fn empty(&mut self, ns: &Ns, local: &str) {
        self.empty_with(ns, local, &[]);
    }

    /// The same with attributes that have no namespace.
    pub fn empty_with(&mut self, ns: &Ns, local: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.tag(ns, local);
        self.declare(ns);
        self.attributes(attributes);
        self.out.push_str("/>");
    }

    /// An element with text inside.
    pub fn leaf(&mut self, ns: &Ns, local: &str, text: &str) {
        self.open(ns, local);
        self.text(text);
        self.close(ns, local);
    }

    /// An element with one `href` inside: how properties name resources.
    pub fn href(&mut self, ns: &Ns, local: &str, href: &str) {
        self.open(ns, local);
        self.leaf(&Ns::Dav, "href", href);
        self.close(ns, local);
    }

    /// Text. What XML cannot say is left out; carriage returns are written by number, because a reader would lose them.
    pub fn text(&mut self, text: &str) {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let instead = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '\r' => "&#13;",
                c if is_xml_char(c) => continue,
                _ => "",
            };
            self.out.push_str(text.get(plain..at).unwrap_or_default());
            self.out.push_str(instead);
            plain = at + c.len_utf8();
        }
        self.out.push_str(text.get(plain..).unwrap_or_default());
    }

    /// An element as it was read.
    pub fn element(&mut self, element: &Element) {
        self.foreign(element);
    }

    /// What was written since the last call.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Octets waiting to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// What was written since [`Writer::waiting`] said this much.
    #[must_use]
    pub fn since(&self, from: usize) -> &str {
        self.out.get(from..).unwrap_or_default()
    }

    /// Takes back what was written since [`Writer::waiting`] said this much.
    pub fn rewind(&mut self, to: usize) {
        self.out.truncate(to);
    }

    /// Recursion is bounded by the depth a tree can have ([`super::Limits::depth`]).
    fn foreign(&mut self, element: &Element) {
        self.out.push('<');
        self.tag(&element.name.ns, &element.name.local);
        self.declare(&element.name.ns);
        for (n, (name, value)) in element.attributes.iter().enumerate() {
            self.attribute(name, value, n);
        }
        if element.children.is_empty() {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        for child in &element.children {
            match child {
                Node::Element(child) => self.foreign(child),
                Node::Text(text) => self.text(text),
            }
        }
        self.close(&element.name.ns, &element.name.local);
    }

    /// An attribute of any namespace; `xml:` needs no declaration, a foreign one gets a prefix of its own.
    fn attribute(&mut self, name: &Name, value: &str, n: usize) {
        self.out.push(' ');
        match &name.ns {
            Ns::Empty => {}
            Ns::Other(uri) if uri == XML_NS => self.out.push_str("xml:"),
            Ns::Other(uri) => {
                let prefix = format!("a{n}");
                self.out.push_str("xmlns:");
                self.out.push_str(&prefix);
                self.out.push_str("=\"");
                self.value(uri);
                self.out.push_str("\" ");
                self.out.push_str(&prefix);
                self.out.push(':');
            }
            known => {
                self.out.push_str(known.prefix().unwrap_or_default());
                self.out.push(':');
            }
        }
        self.out.push_str(&name.local);
        self.out.push_str("=\"");
        self.value(value);
        self.out.push('"');
    }

    fn tag(&mut self, ns: &Ns, local: &str) {
        match ns {
            Ns::Empty => {}
            Ns::Other(_) => self.out.push_str("x:"),
            known => {
                self.out.push_str(known.prefix().unwrap_or_default());
                self.out.push(':');
            }
        }
        self.out.push_str(local);
    }

    fn declare(&mut self, ns: &Ns) {
        if let Ns::Other(uri) = ns {
            self.out.push_str(" xmlns:x=\"");
            self.value(uri);
            self.out.push('"');
        }
    }

    fn attributes(&mut self, attributes: &[(&str, &str)]) {
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.value(value);
            self.out.push('"');
        }
    }

    /// An attribute's value: white space other than blanks goes by number, for a reader would make blanks of it.
    fn value(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#9;"),
                '\n' => self.out.push_str("&#10;"),
                '\r' => self.out.push_str("&#13;"),
                c if is_xml_char(c) => self.out.push(c),
                _ => {}
            }
        }
    }
}

impl Element {
    /// The element as a document of its own, to be kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut writer = Writer::document(&Ns::Dav, "kept");
        writer.element(self);
        writer.close(&Ns::Dav, "kept");
        writer.take()
    }

    /// An element that a writer wrote into a document of ours, read back.
    #[must_use]
    pub fn from_written(text: &str) -> Option<Self> {
        let mut document = Writer::document(&Ns::Dav, "kept");
        document.out.push_str(text);
        document.close(&Ns::Dav, "kept");
        Self::from_text(&document.out)
    }

    /// What [`Element::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let kept = super::parse(text.as_bytes(), super::Limits::default()).ok()?;
        kept.elements().next().cloned()
    }
}

const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";
