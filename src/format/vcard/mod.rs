//! vCards (RFC 6350, 2426, vCard 2.1): guarded reading, a lossless list of lines, what the index keeps, edits of single lines.
//!
//! A card is kept byte for byte and comes back so in the version it came in; another version is made for those who ask for it.
//! 2.1 is read, never written. The crate that reads and writes content lines (vcard-rs) is seen nowhere outside this folder.
//!
//! | file | what |
//! | --- | --- |
//! | `card` | [`Card`], [`Line`]: reading under limits, walking, changing single lines |
//! | `convert` | a card in another version |
//! | `index` | [`CardIndex`]: what the item's row keeps beside the bytes |
//!
//! Invariants: no recursion, every limit of [`CardLimits`] is held while reading, time linear in the input.

mod card;
mod convert;
mod index;

pub use card::{Card, CardFault, CardLimits, Line, NewLine, Version};
pub use convert::convert;
pub use index::{CardFacts, CardIndex, CardKind, Labelled, index_card};
