//! MIME messages: reading (RFC 2045-2049, 5322) and writing.
