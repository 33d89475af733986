//! Addresses and address lists (RFC 5321 4.1.2, RFC 5322 3.4, RFC 6531).
