//! The encoder: one pass, canonical, always a document that phones read.
//!
//! Text never carries what makes clients give up a whole answer: NUL and the control characters that XML 1.0 does not have are
//! left out. What is large is not written but left as a [`Hole`] of known length, which the door fills while it sends.

use std::fmt::Display;

use super::Tag;
use super::read::{CONTENT, END, OPAQUE, STR_I, SWITCH_PAGE};

/// Where octets are missing that will be sent from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// How many octets stand before it, holes not counted.
    pub at: usize,
    /// How many octets belong into it.
    pub length: u32,
}

/// A finished document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// All octets but those of the holes.
    pub bytes: Vec<u8>,
    /// The holes, ascending.
    pub holes: Vec<Hole>,
}

impl Encoded {
    /// Octets in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        let octets = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.holes
            .iter()
            .map(|hole| u64::from(hole.length))
            .sum::<u64>()
            .saturating_add(octets(self.bytes.len()))
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place to which the encoder can go back.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    length: usize,
    holes: usize,
    open: usize,
    page: u8,
}

/// Writes one document.
#[derive(Debug, Clone)]
pub struct Encoder {
    bytes: Vec<u8>,
    holes: Vec<Hole>,
    page: u8,
    /// Where the octet of each open element stands.
    open: Vec<usize>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Begins with the header.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0x03, 0x01, 0x6A, 0x00],
            holes: Vec::new(),
            page: 0,
            open: Vec::new(),
        }
    }

    /// Begins a piece of a document that goes into another one by [`Encoder::append`].
    #[must_use]
    pub fn fragment() -> Self {
        Self {
            bytes: Vec::new(),
            holes: Vec::new(),
            page: NO_PAGE,
            open: Vec::new(),
        }
    }

    /// Writes a fragment, whatever page it ends on; what is open in it is closed.
    pub fn append(&mut self, mut fragment: Self) {
        while !fragment.open.is_empty() {
            fragment.close();
        }
        let at = self.bytes.len();
        self.holes.extend(fragment.holes.iter().map(|hole| Hole {
            at: at + hole.at,
            ..*hole
        }));
        self.bytes.append(&mut fragment.bytes);
        if fragment.page != NO_PAGE {
            self.page = fragment.page;
        }
    }

    /// Begins an element.
    pub fn open(&mut self, tag: Tag) {
        if tag.page != self.page {
            self.bytes.extend([SWITCH_PAGE, tag.page]);
            self.page = tag.page;
        }
        self.open.push(self.bytes.len());
        self.bytes.push(tag.code | CONTENT);
    }

    /// Ends the innermost element. One without content is written as a single octet.
    pub fn close(&mut self) {
        debug_assert!(
            !self.open.is_empty(),
            "an element is closed that was never opened"
        );
        let Some(at) = self.open.pop() else { return };
        if at + 1 == self.bytes.len() {
            if let Some(code) = self.bytes.get_mut(at) {
                *code &= !CONTENT;
            }
        } else {
            self.bytes.push(END);
        }
    }

    /// An element and what `inside` writes.
    pub fn element(&mut self, tag: Tag, inside: impl FnOnce(&mut Self)) {
        self.open(tag);
        inside(self);
        self.close();
    }

    /// An element without content.
    pub fn empty(&mut self, tag: Tag) {
        self.open(tag);
        self.close();
    }

    /// An element with text; without text it is empty.
    pub fn text(&mut self, tag: Tag, text: &str) {
        self.open(tag);
        let start = self.bytes.len();
        self.bytes.push(STR_I);
        push_clean(&mut self.bytes, text);
        if self.bytes.len() == start + 1 {
            self.bytes.truncate(start);
        } else {
            self.bytes.push(0);
        }
        self.close();
    }

    /// An element with a value's text.
    pub fn value(&mut self, tag: Tag, value: impl Display) {
        self.text(tag, &value.to_string());
    }

    /// An element with `1` or `0`.
    pub fn flag(&mut self, tag: Tag, flag: bool) {
        self.text(tag, if flag { "1" } else { "0" });
    }

    /// An element with octets.
    pub fn opaque(&mut self, tag: Tag, octets: &[u8]) {
        self.open(tag);
        self.bytes.push(OPAQUE);
        push_number(&mut self.bytes, octets.len());
        self.bytes.extend_from_slice(octets);
        self.close();
    }

    /// An element with `length` octets that are sent from elsewhere.
    pub fn opaque_hole(&mut self, tag: Tag, length: u32) {
        self.open(tag);
        self.bytes.push(OPAQUE);
        push_number(
            &mut self.bytes,
            usize::try_from(length).unwrap_or(usize::MAX),
        );
        self.hole(length);
        self.close();
    }

    /// An element with `length` octets of text that are sent from elsewhere; they hold no NUL.
    pub fn text_hole(&mut self, tag: Tag, length: u32) {
        self.open(tag);
        self.bytes.push(STR_I);
        self.hole(length);
        self.bytes.push(0);
        self.close();
    }

    fn hole(&mut self, length: u32) {
        self.holes.push(Hole {
            at: self.bytes.len(),
            length,
        });
    }

    /// Octets so far, holes counted.
    #[must_use]
    pub fn size(&self) -> u64 {
        let holes: u64 = self.holes.iter().map(|hole| u64::from(hole.length)).sum();
        u64::try_from(self.bytes.len())
            .unwrap_or(u64::MAX)
            .saturating_add(holes)
    }

    /// The place now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            length: self.bytes.len(),
            holes: self.holes.len(),
            open: self.open.len(),
            page: self.page,
        }
    }

    /// Forgets everything written after a mark: the element that did not come out, say. Only elements that were opened after the
    /// mark may be open now.
    pub fn rewind(&mut self, mark: Mark) {
        debug_assert!(
            mark.open <= self.open.len(),
            "an element of before the mark was closed"
        );
        self.bytes.truncate(mark.length);
        self.holes.truncate(mark.holes);
        self.open.truncate(mark.open);
        self.page = mark.page;
    }

    /// The document; what is still open is closed.
    #[must_use]
    pub fn finish(mut self) -> Encoded {
        while !self.open.is_empty() {
            self.close();
        }
        Encoded {
            bytes: self.bytes,
            holes: self.holes,
        }
    }
}

/// No page has this number: whatever comes first in a fragment names its page.
const NO_PAGE: u8 = u8::MAX;

/// Text without the characters that a string cannot carry or that XML 1.0 does not have.
fn push_clean(to: &mut Vec<u8>, text: &str) {
    let is_bad = |c: char| matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}');
    for piece in text.split(is_bad) {
        to.extend_from_slice(piece.as_bytes());
    }
}

/// `mb_u_int32`: seven bits an octet, the highest first.
fn push_number(to: &mut Vec<u8>, number: usize) {
    let mut shift = 28_u32;
    let mut begun = false;
    loop {
        let bits = u8::try_from(number >> shift & 0x7F).unwrap_or(0x7F);
        begun |= bits != 0 || shift == 0;
        if begun {
            to.push(if shift == 0 { bits } else { bits | 0x80 });
        }
        match shift.checked_sub(7) {
            Some(next) => shift = next,
            None => return,
        }
    }
}
