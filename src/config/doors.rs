//! The doors' settings: addresses and every limit of SMTP, MIME and HTTP (`security.md` 2).
//!
//! The range beside a default is the hard ceiling (and, where a document asks for one, the floor) that
//! [`super::Config::validate`] holds. Load tests raise the per-source limits; nothing else should need to.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value::{duration, size};
use super::{days, hours, loopback, minutes, secs, settings};

/// What to do with a bare CR or LF inside a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareNewline {
    /// `550 5.6.11`: the sender is broken or smuggling.
    Refuse,
    /// Store it as CRLF; only CRLF `.` CRLF ends the data all the same.
    Normalize,
}

settings! {
    /// `[smtp]`: mail from other hosts (MX), and the limits it shares with submission.
    pub struct Smtp in "smtp" {
        /// Addresses of the MX listener; production: port 25 (RFC 5321 4.5.4.2). Empty: no mail comes in.
        listen: Vec<SocketAddr> = loopback(&[2025]);
        /// Bare CR or LF in DATA: `refuse` is the safe choice, `normalize` for hosts with very old senders.
        bare_newline: BareNewline = BareNewline::Refuse;
        /// Octets of a command line with its CRLF (RFC 5321 4.5.3.1.4 asks for 512 at least; extensions add to it).
        #[serde(with = "size")]
        command_line: usize = 2_048, 512..=65_536;
        /// The same for AUTH and its continuation lines (RFC 4954 4 asks for 12,288 at least).
        #[serde(with = "size")]
        auth_line: usize = 12_288, 12_288..=65_536;
        /// Octets without a line end after which the connection is closed; nobody sane writes this.
        #[serde(with = "size")]
        line_flood: usize = 65_536, 12_288..=1_048_576;
        /// Octets of a path in MAIL and RCPT (RFC 5321 4.5.3.1.3: 256).
        path: usize = 256, 256..=4_096;
        /// Octets of a local part (RFC 5321 4.5.3.1.1: 64).
        local_part: usize = 64, 64..=1_024;
        /// Octets of a domain (RFC 5321 4.5.3.1.2: 255).
        domain: usize = 255, 255..=255;
        /// Octets of a text line that are taken and stored as they are (RFC 5321 4.5.3.1.6 asks for 1,000).
        #[serde(with = "size")]
        text_line: usize = 65_536, 1_000..=1_048_576;
        /// Octets of a message, announced as SIZE (RFC 1870; RFC 5321 4.5.3.1.7 asks for 64K at least).
        #[serde(with = "size")]
        message_size: u64 = 52_428_800, 65_536..=209_715_200;
        /// Octets of the header block.
        #[serde(with = "size")]
        header_block: usize = 1_048_576, 65_536..=4_194_304;
        /// Octets of one header field, folds included.
        #[serde(with = "size")]
        header_field: usize = 262_144, 998..=1_048_576;
        /// Header fields in a message.
        header_fields: usize = 5_000, 100..=20_000;
        /// `Received` fields after which a message loops (S-34; RFC 5321 6.3 asks for 100 at least where nothing
        /// else is checked; 50 hops do not occur, and our own `Delivered-To` is checked too).
        received_fields: usize = 50, 25..=200;
        /// Recipients of one message (RFC 5321 4.5.3.1.8: 100 at least).
        recipients: usize = 1_000, 100..=10_000;
        /// Messages on one connection.
        messages: u32 = 100, 1..=100_000;
        /// Wrong commands before each further one waits a second.
        wrong_before_delay: u32 = 10, 1..=1_000;
        /// Wrong commands before the connection is closed.
        wrong_before_close: u32 = 20, 1..=1_000;
        /// Unknown recipients on one connection before it is closed.
        unknown_recipients: u32 = 10, 1..=10_000;
        /// Unknown recipients of one source within ten minutes before it is refused for a while.
        unknown_recipients_per_source: u32 = 100, 1..=1_000_000;
        /// How long a source that guessed too many recipients is refused.
        #[serde(with = "duration")]
        guesser_refused_for: Duration = minutes(30), secs(1)..=days(1);
        /// NOOP, RSET, VRFY, HELO between two messages.
        idle_commands: u32 = 100, 10..=10_000;
        /// AUTH tries on one connection.
        auth_tries: u32 = 3, 1..=10;
        /// Connections from one source (an IPv4 address or an IPv6 /64).
        connections_per_source: usize = 20, 1..=100_000;
        /// Connections of all SMTP listeners together.
        connections: usize = 500, 10..=200_000;
        /// Of these, kept free for the submission listeners, so that a flood from outside never stops users.
        connections_kept_for_submission: usize = 50, 0..=100_000;
        /// New connections from one source within a minute.
        new_connections_per_minute: u32 = 60, 1..=1_000_000;
        /// Wait for a command (RFC 5321 4.5.3.2.7: 5 min at least).
        #[serde(with = "duration")]
        command_timeout: Duration = minutes(5), minutes(5)..=hours(1);
        /// Wait for the first command after the greeting (S-14: idle strangers cost memory).
        #[serde(with = "duration")]
        greeting_timeout: Duration = secs(60), secs(5)..=hours(1);
        /// Wait for a block of data (RFC 5321 4.5.3.2.5: 3 min at least).
        #[serde(with = "duration")]
        data_timeout: Duration = minutes(3), minutes(3)..=hours(1);
        /// Time for storing a message after the end of its data (RFC 5321 4.5.3.2.6: clients wait 10 min).
        #[serde(with = "duration")]
        end_of_data_timeout: Duration = minutes(10), minutes(1)..=minutes(10);
        /// Time a connection may live.
        #[serde(with = "duration")]
        session_timeout: Duration = minutes(30), minutes(5)..=days(1);
        /// Octets a second, averaged over a minute, below which DATA is given up. 0 switches it off.
        minimum_rate: u64 = 500, 0..=1_000_000;
        /// Wait for the other side to take our reply.
        #[serde(with = "duration")]
        write_timeout: Duration = secs(60), secs(5)..=minutes(10);
        /// Messages of one source within a minute.
        messages_per_source: u32 = 500, 1..=10_000_000;
        /// Octets of one source within a minute.
        #[serde(with = "size")]
        bytes_per_source: u64 = 1_048_576_000, 1_048_576..=u64::MAX;
        /// How long an answered message is remembered so that a retry after a partial failure stores nothing twice.
        #[serde(with = "duration")]
        received_memory: Duration = hours(24), hours(1)..=days(7);
    }
}

settings! {
    /// `[submission]`: mail from our users (RFC 6409, RFC 8314). Limits not named here are those of `[smtp]`.
    pub struct Submission in "submission" {
        /// Addresses that speak STARTTLS first; production: port 587.
        listen: Vec<SocketAddr> = loopback(&[2587]);
        /// Addresses that are TLS from the first octet; production: port 465.
        listen_tls: Vec<SocketAddr> = loopback(&[2465]);
        /// Recipients of one message (RFC 5321 4.5.3.1.8: 100 at least).
        recipients: usize = 200, 100..=10_000;
        /// Messages of one account within a minute.
        messages_per_minute: u32 = 60, 1..=1_000_000;
        /// Messages of one account within an hour.
        messages_per_hour: u32 = 500, 1..=10_000_000;
        /// Recipients of one account within a day.
        recipients_per_day: u32 = 2_000, 1..=100_000_000;
    }
}

settings! {
    /// `[imap]`: the IMAP door (RFC 3501, RFC 9051).
    pub struct Imap in "imap" {
        /// Addresses that speak STARTTLS first; production: port 143.
        listen: Vec<SocketAddr> = loopback(&[2143]);
        /// Addresses that are TLS from the first octet; production: port 993.
        listen_tls: Vec<SocketAddr> = loopback(&[2993]);
        /// Octets of a command without its literals, before the sign-in.
        #[serde(with = "size")]
        command_line_before_login: usize = 8_192, 1_024..=65_536;
        /// Octets of a command without its literals (RFC 7162 4 asks for 8,192 at least; programs name thousands of UIDs).
        #[serde(with = "size")]
        command_line: usize = 65_536, 8_192..=1_048_576;
        /// Octets of a line inside an AUTHENTICATE exchange (as in SMTP, RFC 4954 4).
        #[serde(with = "size")]
        auth_line: usize = 12_288, 12_288..=65_536;
        /// Octets without a line end after which the connection is closed.
        #[serde(with = "size")]
        line_flood: usize = 1_048_576, 65_536..=4_194_304;
        /// Octets of a literal before the sign-in.
        #[serde(with = "size")]
        literal_before_login: usize = 1_024, 256..=65_536;
        /// Literals of a command before the sign-in.
        literals_before_login: usize = 4, 2..=100;
        /// Octets of a literal that is not an appended message.
        #[serde(with = "size")]
        literal: usize = 65_536, 4_096..=1_048_576;
        /// Literals of a command, appended messages not counted.
        literals: usize = 100, 10..=1_000;
        /// Messages of one APPEND (RFC 3502): all of them go in at once.
        appended_messages: usize = 200, 1..=10_000;
        /// Parentheses inside one another, and search keys.
        depth: usize = 32, 8..=64;
        /// Keys of a search.
        search_keys: usize = 500, 50..=10_000;
        /// Ranges of a set of messages after merging.
        ranges: usize = 10_000, 1_000..=1_000_000;
        /// Items of a FETCH, entries of any other list.
        fetch_items: usize = 200, 50..=10_000;
        /// Wrong commands before each further one waits a second.
        wrong_before_delay: u32 = 10, 1..=1_000;
        /// Wrong commands before the connection is closed.
        wrong_before_close: u32 = 20, 1..=1_000;
        /// Failed sign-ins on one connection before it is closed.
        sign_in_tries: u32 = 3, 1..=10;
        /// How long the answer to a failed sign-in waits.
        #[serde(with = "duration")]
        sign_in_delay: Duration = secs(2), secs(0)..=secs(30);
        /// Connections of one account: desktop programs open one a folder.
        connections_per_account: usize = 50, 1..=10_000;
        /// Connections from one source (an IPv4 address or an IPv6 /64).
        connections_per_source: usize = 100, 1..=100_000;
        /// Connections of all IMAP listeners together.
        connections: usize = 5_000, 10..=500_000;
        /// New connections from one source within a minute.
        new_connections_per_minute: u32 = 600, 1..=10_000_000;
        /// Wait for a command before the sign-in (S-14: idle strangers cost memory).
        #[serde(with = "duration")]
        greeting_timeout: Duration = secs(60), secs(5)..=hours(1);
        /// Time until the sign-in, whatever is said before it.
        #[serde(with = "duration")]
        sign_in_timeout: Duration = minutes(3), secs(10)..=hours(1);
        /// Wait for a command after the sign-in, and the longest IDLE (RFC 9051 5.4: 30 min at least).
        #[serde(with = "duration")]
        idle_timeout: Duration = minutes(30), minutes(30)..=days(1);
        /// How often an IDLE without news is told that the connection lives, so that no router forgets it.
        #[serde(with = "duration")]
        idle_sign: Duration = minutes(2), secs(10)..=minutes(29);
        /// Wait for the other side to take what we send.
        #[serde(with = "duration")]
        write_timeout: Duration = secs(60), secs(5)..=minutes(10);
    }
}

settings! {
    /// `[pop3]`: the POP3 door (RFC 1939).
    pub struct Pop3 in "pop3" {
        /// Addresses that speak STLS first; production: port 110.
        listen: Vec<SocketAddr> = loopback(&[2110]);
        /// Addresses that are TLS from the first octet; production: port 995.
        listen_tls: Vec<SocketAddr> = loopback(&[2995]);
        /// Octets of a command line with its ending (RFC 2449 4 asks for 255).
        #[serde(with = "size")]
        command_line: usize = 512, 255..=65_536;
        /// Octets of a line inside an AUTH exchange (as in SMTP, RFC 4954 4).
        #[serde(with = "size")]
        auth_line: usize = 12_288, 12_288..=65_536;
        /// Octets without a line end after which the connection is closed.
        #[serde(with = "size")]
        line_flood: usize = 65_536, 12_288..=1_048_576;
        /// Wrong commands before each further one waits a second.
        wrong_before_delay: u32 = 10, 1..=1_000;
        /// Wrong commands before the connection is closed.
        wrong_before_close: u32 = 20, 1..=1_000;
        /// Failed sign-ins on one connection before it is closed.
        sign_in_tries: u32 = 3, 1..=10;
        /// How long the answer to a failed sign-in waits.
        #[serde(with = "duration")]
        sign_in_delay: Duration = secs(2), secs(0)..=secs(30);
        /// Connections of one account: every phone and program has its own snapshot, nobody is locked out by another.
        connections_per_account: usize = 10, 1..=1_000;
        /// Connections from one source (an IPv4 address or an IPv6 /64).
        connections_per_source: usize = 100, 1..=100_000;
        /// Connections of all POP3 listeners together.
        connections: usize = 2_000, 10..=200_000;
        /// New connections from one source within a minute: an office of fifty that asks for mail every ten seconds.
        new_connections_per_minute: u32 = 300, 1..=1_000_000;
        /// Wait for a command before the sign-in (S-14: idle strangers cost memory).
        #[serde(with = "duration")]
        greeting_timeout: Duration = secs(60), secs(5)..=hours(1);
        /// Time until the sign-in, whatever is said before it.
        #[serde(with = "duration")]
        sign_in_timeout: Duration = minutes(3), secs(10)..=hours(1);
        /// Wait for a command (RFC 1939 3: 10 min at least).
        #[serde(with = "duration")]
        idle_timeout: Duration = minutes(10), minutes(10)..=days(1);
        /// Wait for the other side to take what we send.
        #[serde(with = "duration")]
        write_timeout: Duration = secs(60), secs(5)..=minutes(10);
    }
}

settings! {
    /// `[mime]`: one parser for every door. Beyond a limit the message is kept, only read less deeply.
    pub struct Mime in "mime" {
        /// Levels of multipart and message/rfc822 together; deeper content is one opaque part.
        depth: usize = 64, 8..=64;
        /// Parts; the rest belongs to the last one.
        parts: usize = 5_000, 100..=20_000;
        /// Header fields of a part.
        part_header_fields: usize = 500, 50..=5_000;
        /// Octets of a part's header.
        #[serde(with = "size")]
        part_header: usize = 65_536, 4_096..=1_048_576;
        /// Parameters of one field, and pieces of one RFC 2231 parameter.
        parameters: usize = 100, 10..=1_000;
        /// Encoded words of one field; more are shown as they are.
        encoded_words: usize = 1_000, 100..=10_000;
        /// Octets of a boundary (RFC 2046 5.1.1: 70); longer is no multipart.
        boundary: usize = 200, 70..=1_000;
        /// Addresses of a message that are indexed; the rest stays in the message only.
        addresses: usize = 2_000, 100..=20_000;
        /// Nested comments in an address field.
        comment_depth: usize = 32, 4..=64;
        /// Octets of a decoded text part that are shown before "show all".
        #[serde(with = "size")]
        shown_text: usize = 2_097_152, 65_536..=16_777_216;
        /// Last References used for threading.
        references: usize = 100, 10..=1_000;
        /// Octets of all message bodies held for parsing at one time, in the whole process.
        #[serde(with = "size")]
        body_budget: usize = 268_435_456, 67_108_864..=17_179_869_184;
        /// Octets of one message that stay in memory before they go to the spool.
        #[serde(with = "size")]
        memory_before_spool: usize = 262_144, 4_096..=4_194_304;
    }
}

settings! {
    /// `[web]`: the browser's door.
    pub struct Web in "web" {
        /// HTTPS addresses; production: port 443.
        listen: Vec<SocketAddr> = loopback(&[8443]);
        /// HTTP addresses, which only redirect; production: port 80.
        listen_http: Vec<SocketAddr> = loopback(&[8080]);
        /// Names under which browsers reach this host beside `server.hostname` and the mail domains'.
        hosts: Vec<String> = Vec::new();
        /// The port browsers use, when a proxy or a port forward stands before us. 0: the port we listen on.
        public_port: u16 = 0;
        /// Address of the operator's legal notice, linked on the sign-in page.
        imprint: Option<String> = None;
        /// Address of the operator's privacy page.
        privacy: Option<String> = None;
        /// Whether `Strict-Transport-Security` covers subdomains.
        hsts_subdomains: bool = true;
        /// Octets of the request line.
        #[serde(with = "size")]
        request_line: usize = 8_192, 1_024..=65_536;
        /// Octets of one header field.
        #[serde(with = "size")]
        header_field: usize = 8_192, 1_024..=65_536;
        /// Octets of the header block.
        #[serde(with = "size")]
        header_block: usize = 32_768, 8_192..=262_144;
        /// Header fields.
        header_fields: usize = 100, 20..=1_000;
        /// Octets of a form.
        #[serde(with = "size")]
        form_body: usize = 1_048_576, 65_536..=16_777_216;
        /// Octets of the compose form.
        #[serde(with = "size")]
        compose_body: usize = 10_485_760, 1_048_576..=104_857_600;
        /// Octets of a JSON body.
        #[serde(with = "size")]
        json_body: usize = 1_048_576, 65_536..=16_777_216;
        /// Fields of a multipart form.
        multipart_fields: usize = 200, 10..=2_000;
        /// Octets of the draft a browser sends while its page goes away (browsers allow 64 KB).
        #[serde(with = "size")]
        beacon_body: usize = 65_536, 16_384..=65_536;
        /// Requests at work for one account, long polls not counted.
        requests_per_account: usize = 20, 1..=10_000;
        /// Requests at work from one source without a session.
        requests_per_source: usize = 50, 1..=100_000;
        /// Event streams of one account (open pages and devices).
        streams_per_account: usize = 20, 1..=1_000;
        /// Connections from one source (an IPv4 address or an IPv6 /64).
        connections_per_source: usize = 200, 1..=100_000;
        /// Connections in all.
        connections: usize = 10_000, 10..=500_000;
        /// New connections from one source within a minute.
        new_connections_per_minute: u32 = 600, 1..=10_000_000;
        /// Time for the header of a request.
        #[serde(with = "duration")]
        header_timeout: Duration = secs(15), secs(1)..=minutes(5);
        /// Time for a body, to which a second per 64 KB is added.
        #[serde(with = "duration")]
        body_timeout: Duration = secs(30), secs(1)..=minutes(10);
        /// Idle time of a kept connection.
        #[serde(with = "duration")]
        idle_timeout: Duration = secs(75), secs(5)..=hours(1);
        /// Time of a whole request, long polls excepted.
        #[serde(with = "duration")]
        request_timeout: Duration = secs(120), secs(10)..=hours(1);
        /// HTTP/2 streams of one connection.
        h2_streams: u32 = 100, 10..=1_000;
        /// Octets of an HTTP/2 header list.
        #[serde(with = "size")]
        h2_header_list: u32 = 16_384, 8_192..=262_144;
        /// HTTP/2 streams reset and not yet accounted for; the guard against floods of resets.
        h2_pending_resets: usize = 50, 5..=1_000;
        /// Time between two signs of life on an event stream, so that proxies keep it open.
        #[serde(with = "duration")]
        stream_keep_alive: Duration = secs(25), secs(5)..=minutes(5);
        /// A session that nobody used for this long ends.
        #[serde(with = "duration")]
        session_idle: Duration = hours(12), minutes(5)..=days(30);
        /// The same with "stay signed in".
        #[serde(with = "duration")]
        session_stay: Duration = days(30), hours(1)..=days(365);
        /// A session ends after this long whatever happens.
        #[serde(with = "duration")]
        session_absolute: Duration = days(30), hours(1)..=days(365);
        /// How long the cookie of a known device is good.
        #[serde(with = "duration")]
        device_cookie: Duration = days(180), days(1)..=days(400);
    }
}
