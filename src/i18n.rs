//! The language tables (German, English) and the words every door may need.
