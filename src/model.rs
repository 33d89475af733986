//! Ids, change numbers, flags: the words that every layer may use.
