//! The small tree that commands are parsed from; text and octets stay in the request.

use std::borrow::Cow;

use super::{Event, Limits, Tag, Tokenizer, WbxmlError};

/// What stands inside an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// An element.
    El(Element<'a>),
    /// Text.
    Text(Cow<'a, str>),
    /// Octets.
    Opaque(&'a [u8]),
}

/// An element with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element<'a> {
    /// Which.
    pub tag: Tag,
    /// What is inside, in order.
    pub nodes: Vec<Node<'a>>,
}

impl<'a> Element<'a> {
    /// Reads a whole document.
    ///
    /// # Errors
    /// [`WbxmlError`].
    pub fn parse(input: &'a [u8], limits: Limits) -> Result<Self, WbxmlError> {
        let mut tokens = Tokenizer::new(input, limits)?;
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        while let Some(event) = tokens.next()? {
            match event {
                Event::Start(tag) => open.push(Self {
                    tag,
                    nodes: Vec::new(),
                }),
                Event::End => {
                    let done = open.pop().ok_or(WbxmlError::Nesting)?;
                    match open.last_mut() {
                        Some(parent) => parent.nodes.push(Node::El(done)),
                        None => root = Some(done),
                    }
                }
                Event::Text(text) => push(&mut open, Node::Text(Cow::Borrowed(text)))?,
                Event::Char(c) => push(&mut open, Node::Text(Cow::Owned(c.to_string())))?,
                Event::Opaque(octets) => push(&mut open, Node::Opaque(octets))?,
            }
        }
        root.ok_or(WbxmlError::Short)
    }

    /// The elements inside, in order.
    pub fn elements(&self) -> impl Iterator<Item = &Element<'a>> {
        self.nodes.iter().filter_map(|node| match node {
            Node::El(element) => Some(element),
            Node::Text(_) | Node::Opaque(_) => None,
        })
    }

    /// The first element of this tag inside.
    #[must_use]
    pub fn child(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements().find(|element| element.tag == tag)
    }

    /// All elements of this tag inside.
    pub fn children(&self, tag: Tag) -> impl Iterator<Item = &Element<'a>> {
        self.elements().filter(move |element| element.tag == tag)
    }

    /// The element at the end of a path of tags, the first of each.
    #[must_use]
    pub fn at(&self, path: &[Tag]) -> Option<&Element<'a>> {
        path.iter()
            .try_fold(self, |element, tag| element.child(*tag))
    }

    /// Text of the first element of this tag inside.
    #[must_use]
    pub fn text_of(&self, tag: Tag) -> Option<Cow<'_, str>> {
        self.child(tag).map(Element::text)
    }

    /// Everything written directly inside as one text; octets that are no UTF-8 are replaced.
    ///
    /// Several strings and octet blocks in a row are one value: iOS cuts long ones. A NUL that ends an octet block is not part
    /// of it.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut pieces = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(Cow::Borrowed(text.as_ref())),
            Node::Opaque(octets) => Some(String::from_utf8_lossy(octets)),
            Node::El(_) => None,
        });
        let Some(first) = pieces.next() else {
            return Cow::Borrowed("");
        };
        let mut whole = first;
        for piece in pieces {
            whole.to_mut().push_str(&piece);
        }
        if whole.ends_with('\0') {
            let kept = whole.trim_end_matches('\0').len();
            whole = match whole {
                Cow::Borrowed(text) => Cow::Borrowed(text.get(..kept).unwrap_or(text)),
                Cow::Owned(mut text) => {
                    text.truncate(kept);
                    Cow::Owned(text)
                }
            };
        }
        whole
    }

    /// Everything written directly inside as octets.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        let mut pieces = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_bytes()),
            Node::Opaque(octets) => Some(*octets),
            Node::El(_) => None,
        });
        let Some(first) = pieces.next() else {
            return Cow::Borrowed(&[]);
        };
        let mut whole = Cow::Borrowed(first);
        for piece in pieces {
            whole.to_mut().extend_from_slice(piece);
        }
        whole
    }

    /// The value as a number, white space around it ignored.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.text().trim().parse().ok()
    }

    /// A yes or no: `1` and the empty tag are yes (MS-ASCMD: `GetChanges`, `DeletesAsMoves`), `0` is no, else neither.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match self.text().trim() {
            "" | "1" => Some(true),
            "0" => Some(false),
            _ => None,
        }
    }
}

fn push<'a>(open: &mut [Element<'a>], node: Node<'a>) -> Result<(), WbxmlError> {
    open.last_mut().ok_or(WbxmlError::Nesting)?.nodes.push(node);
    Ok(())
}
