//! HTML mail: cleaning, text to HTML, HTML to text, quoting, names of files and people.
//!
//! Follows `reference/security.md` section 6. Pure functions; the caller runs them in the blocking pool (S-13).
//!
//! * [`clean`]: a message's HTML → HTML that may stand in the body frame or in the editor.
//! * [`document`], [`text_document`]: the whole page of the body frame.
//! * [`text_to_html`]: a text body → HTML with links, quote levels and signature.
//! * [`html_to_text`], [`html_to_words`]: for replies as plain text; for previews and search.
//! * [`quote_html`]: a cleaned blockquote for replies.
//! * [`visible`], [`safe_filename`], [`content_disposition`], [`sniff`], [`inline_type`]: attachments and names.
//!
//! ```text
//! bytes of a part --charset--> text --parse::parse--> tree --clean--> clean tree --serialise--> HTML
//!                                      limits          tables: rules, attrs, link, css
//! ```
//!
//! Invariants, each held by a property test: cleaning twice is cleaning once; what comes out parses to the tree
//! it was written from; no element, attribute, scheme or style function outside the tables comes out; time is
//! linear in the size of the input (the limits in `parse.rs` see to that).
//!
//! Not here: fetching pictures, deciding consent, HTTP headers of the frame (its policy is the second wall).

mod attrs;
mod clean;
mod css;
mod frame;
mod link;
mod names;
mod parse;
mod pictures;
mod plain;
mod quotes;
mod rules;
mod selector;
mod sniff;
mod text;
mod tree;

pub use clean::{CleanOptions, Cleaned, Purpose, Remote, clean, quote_html};
pub use frame::{FrameOptions, document, message_class, text_document};
pub use names::{content_disposition, safe_filename, visible};
pub use parse::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_NODES};
pub use plain::{html_to_text, html_to_words};
pub use sniff::{SafeType, inline_type, sniff};
pub use text::{TextOptions, text_to_html};
