//! The tokenizer: octets to events, nothing copied, nothing built, never a panic.

use super::{Limits, Tag, WbxmlError};

/// What a document is made of. An empty element is a `Start` followed by an `End`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// An element begins.
    Start(Tag),
    /// The innermost open element ends.
    End,
    /// Text, a piece of it.
    Text(&'a str),
    /// One character written as its number.
    Char(char),
    /// Octets.
    Opaque(&'a [u8]),
}

/// Reads one document.
#[derive(Debug, Clone)]
pub struct Tokenizer<'a> {
    rest: &'a [u8],
    limits: Limits,
    page: u8,
    depth: u8,
    elements: u32,
    /// An element without content has begun; its end is still to be told.
    ends: bool,
    has_root: bool,
}

impl<'a> Tokenizer<'a> {
    /// Begins with the header.
    ///
    /// # Errors
    /// [`WbxmlError::Header`], [`WbxmlError::Short`], [`WbxmlError::Number`].
    pub fn new(input: &'a [u8], limits: Limits) -> Result<Self, WbxmlError> {
        let mut reader = Self {
            rest: input,
            limits,
            page: 0,
            depth: 0,
            elements: 0,
            ends: false,
            has_root: false,
        };
        let version = reader.octet()?;
        let public = reader.number()?;
        if public == 0 {
            // A public id in the string table, which must be empty.
            return Err(WbxmlError::Header);
        }
        let charset = reader.number()?;
        let table = reader.number()?;
        if !(1..=3).contains(&version) || charset != UTF_8 || table != 0 {
            return Err(WbxmlError::Header);
        }
        Ok(reader)
    }

    /// The next event; none after the root's end.
    ///
    /// # Errors
    /// [`WbxmlError`]; what comes after an error means nothing.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator cannot stop at its first error"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'a>>, WbxmlError> {
        if self.ends {
            self.ends = false;
            return self.end().map(Some);
        }
        loop {
            if self.has_root && self.depth == 0 {
                return if self.rest.is_empty() {
                    Ok(None)
                } else {
                    Err(WbxmlError::Nesting)
                };
            }
            let token = self.octet()?;
            return match token {
                SWITCH_PAGE => {
                    self.page = self.octet()?;
                    continue;
                }
                END => self.end().map(Some),
                ENTITY => {
                    let c = char::from_u32(self.number()?).ok_or(WbxmlError::Text)?;
                    self.inside()?;
                    Ok(Some(Event::Char(c)))
                }
                STR_I => {
                    self.inside()?;
                    self.string().map(Event::Text).map(Some)
                }
                OPAQUE => {
                    self.inside()?;
                    self.opaque().map(Event::Opaque).map(Some)
                }
                0x05..=0x3F => {
                    self.ends = true;
                    self.start(token).map(Some)
                }
                0x45..=0x7F => self.start(token & CODE).map(Some),
                _ => Err(WbxmlError::Token(token)),
            };
        }
    }

    /// Passes over what is left of the element whose `Start` came last.
    ///
    /// # Errors
    /// [`WbxmlError`].
    pub fn skip_element(&mut self) -> Result<(), WbxmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn start(&mut self, code: u8) -> Result<Event<'a>, WbxmlError> {
        if self.depth >= self.limits.depth || self.elements >= self.limits.elements {
            return Err(WbxmlError::Limit);
        }
        self.depth += 1;
        self.elements += 1;
        self.has_root = true;
        Ok(Event::Start(Tag {
            page: self.page,
            code,
        }))
    }

    fn end(&mut self) -> Result<Event<'a>, WbxmlError> {
        self.depth = self.depth.checked_sub(1).ok_or(WbxmlError::Nesting)?;
        Ok(Event::End)
    }

    fn inside(&self) -> Result<(), WbxmlError> {
        if self.depth == 0 {
            return Err(WbxmlError::Nesting);
        }
        Ok(())
    }

    fn octet(&mut self) -> Result<u8, WbxmlError> {
        let (first, rest) = self.rest.split_first().ok_or(WbxmlError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// `mb_u_int32`: seven bits an octet, the highest first.
    fn number(&mut self) -> Result<u32, WbxmlError> {
        let mut number: u64 = 0;
        for _ in 0..5 {
            let octet = self.octet()?;
            number = number << 7 | u64::from(octet & 0x7F);
            if octet & 0x80 == 0 {
                return u32::try_from(number).map_err(|_| WbxmlError::Number);
            }
        }
        Err(WbxmlError::Number)
    }

    fn string(&mut self) -> Result<&'a str, WbxmlError> {
        let reach = self.rest.get(..=self.limits.string).unwrap_or(self.rest);
        let Some(end) = memchr::memchr(0, reach) else {
            return Err(if reach.len() > self.limits.string {
                WbxmlError::Limit
            } else {
                WbxmlError::Short
            });
        };
        let (text, rest) = self.rest.split_at_checked(end).ok_or(WbxmlError::Short)?;
        self.rest = rest.get(1..).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| WbxmlError::Text)
    }

    fn opaque(&mut self) -> Result<&'a [u8], WbxmlError> {
        let length = usize::try_from(self.number()?).map_err(|_| WbxmlError::Number)?;
        if length > self.rest.len() {
            return Err(WbxmlError::Number);
        }
        if length > self.limits.opaque {
            return Err(WbxmlError::Limit);
        }
        let (octets, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WbxmlError::Short)?;
        self.rest = rest;
        Ok(octets)
    }
}

pub(super) const SWITCH_PAGE: u8 = 0x00;
pub(super) const END: u8 = 0x01;
const ENTITY: u8 = 0x02;
pub(super) const STR_I: u8 = 0x03;
pub(super) const OPAQUE: u8 = 0xC3;
pub(super) const CONTENT: u8 = 0x40;
const CODE: u8 = 0x3F;
const UTF_8: u32 = 106;
