//! The browser's door: pages, forms, live updates.

pub mod assets;
pub mod headers;
pub mod page;
