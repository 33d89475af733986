//! Postamt: a mail host's whole groupware in one program on one `PostgreSQL` schema.
//!
//! This page is written to be read once. It says what there is, how it hangs together, what always holds, and what is absent on
//! purpose. It names few functions, so that it stays true.
//!
//! # The house
//!
//! ```text
//! front doors   smtp   imap   pop3   web   dav   eas   bytes <-> ONE call; own replies, own limits
//!                   \   |
//! offices        service    accounts mail outgoing changes   what is true at every door
//!                   |   \___ format (mime, html, query ...)   pure: bytes <-> values, no I/O
//! cellar         store      account mail body queue ...      the only SQL, the only transactions
//!                   |
//! ground         PostgreSQL, one schema                      model, error: the words everybody may use
//! ```
//!
//! Data goes down this stair and comes back up it: socket loop, handler, service, store; four hops, never sideways. A door decides
//! nothing that must be true at another door too. `tests/architecture.rs` reads the `use crate::` lines and fails when an arrow
//! points the wrong way.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`config`] | typed settings; every limit with its default, its reason, its RFC minimum |
//! | [`server`] | wires the pieces: database, certificates, listeners, workers, graceful stop |
//! | [`net`] | TLS, STARTTLS, line reader, connection gate, deadlines: what all socket doors share |
//! | [`smtp`] | the MX and submission doors, and the client that sends mail on |
//! | [`imap`] | for desktop programs and phones: folders held open, kept true by the change stream |
//! | [`pop3`] | for programs that collect mail: a snapshot of the inbox, read and emptied |
//! | [`dav`] | calendars and address books over HTTP |
//! | [`web`] | the browser's door: pages, forms, one event stream |
//! | [`eas`] | phones over ActiveSync, beside the pages |
//! | [`service`] | accounts and the lock, mail, the outgoing queue, items and sharing, scheduling, the hub that wakes sessions |
//! | [`format`] | MIME, addresses, HTML cleaning, the search language, iCalendar, recurrence, vCard |
//! | [`store`] | the write path and all SQL; the private cluster |
//! | [`i18n`] | German and English |
//! | [`model`], [`error`] | ids, change numbers, flags; why a service said no |
//!
//! # What always holds
//!
//! * **Everything an account owns changes under the lock of its one row**, with one change number, in one transaction. The types
//!   make another order impossible: `Draft` (bodies go in, nothing locked) -> `lock` -> `Write` -> `commit` -> `Committed`, which
//!   only the hub takes. IMAP's MODSEQ, WebDAV's tokens, ActiveSync's keys and the browser's events are views of that number.
//! * **The quota is the write path**: the statement that locks also charges, and has no row for what does not fit.
//! * **An answer is written after the commit**, never before. What arrives slowly never holds a transaction; it waits in memory
//!   (one chunk) or in the spool.
//! * **Wakes carry no content.** Whoever is woken looks; a lost wake is found by the safety net.
//! * **Nothing secret in clear**: AUTH is not offered before TLS, the web is HTTPS only, passwords exist as Argon2id hashes.
//! * **Every statement begins with `account_id = $1`**, or says that its table is global.
//! * **Message HTML is cleaned, framed and under its own policy**: each of the three would do alone.
//!
//! # Three walkthroughs
//!
//! **A message comes in.** `net` accepts the connection and counts it; [`smtp`]'s loop reads a line, its pure grammar makes a
//! command of it, a table says whether it is legal now. RCPT asks the accounts service, which answers with one query: whose, full,
//! unknown. After DATA the reader undoes dots and refuses bare line ends; the mail service takes the octets, keeps one chunk in
//! memory and commits the rest to the spool. At the end of the data the message is parsed once: envelope, structure, part index,
//! preview, words. Then, one account after the other in ascending order: bodies in, row locked and charged, message added with
//! its UID, counters and conversation by one statement, commit, wake. Only now `250`.
//!
//! **It appears in an open page.** The hub signals the watchers on this node and gathers the account's id for the others, which
//! hear of it by one `pg_notify` within 20 ms. The event stream of the page looks what is newer than its last number and sends
//! ids and counters. The page's leader tab fetches the list block, which is an index range over `folder_thread`, rendered by the
//! same template as the whole page.
//!
//! **An answer goes out.** The compose page keeps a draft with a revision number. Sending is one commit: queue rows with their
//! own copy of the octets, the copy in Sent, the draft's removal, the answered flag. A worker leases what is due with
//! `skip locked`, finds the hosts of the destination, offers STARTTLS whenever the other side does, and records what was said in
//! the transaction that ends the recipient. What cannot be delivered becomes a notice to the sender, never to a stranger.
//!
//! # Where the design's page is departed from
//!
//! * `spool` is keyed by a random number, not a UUID; nothing else ever refers to it.
//! * A delivery asks for "the inbox", not for a folder id: finding the id first was a round trip of its own.
//! * A small message for one account is one statement, not a draft, a lock, a write and a commit: on a fast disk the exchanges
//!   cost more than the work. It takes the lock only while the change number is the one it saw, else it goes the long way.
//! * The tables that a delivery writes bear no foreign key to `account`: the check would take a share lock on the very row that
//!   the write path locks, before it does. Deleting an account names its tables; a test holds the list.
//! * Lexemes are made in Rust and stored with `array_to_tsvector`, the field in front of the word (`f:` from, `s:` subject), so
//!   that one index answers searches of any field. Phrases are checked on the folded text.
//!
//! # Absent on purpose
//!
//! An ORM, triggers, stored functions, a second database, a plug-in system, a message queue beside the tables, caches that
//! could disagree with the database, LDAP and SAML, reading another person's mailbox "for support", and any way to lift a lock.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod config;
pub mod dav;
pub mod eas;
pub mod error;
pub mod format;
pub mod i18n;
pub mod imap;
pub mod model;
pub mod net;
pub mod pop3;
pub mod server;
pub mod service;
pub mod smtp;
pub mod store;
pub mod web;
