//! The `Received` field that this host puts in front of a message (RFC 5321 4.4, RFC 3848 and RFC 6531 4.3
//! for the word behind `with`, RFC 8314 4.3 for `tls`).
//!
//! What the client said about itself is cleaned to printable ASCII (`ClientName::for_trace`), so it can
//! neither end the field nor a comment in it.
//!
//! Departure: on submission there is no `from` clause (RFC 5321 4.4 demands one): it would tell every
//! recipient the user's address and device name, which `security.md` 9 forbids.

use std::fmt::Write as _;
use std::net::IpAddr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::path::{ForwardPath, Host, Literal};
use super::state::{Door, Hello};

/// What is known of a message's last hop.
#[derive(Debug)]
pub struct Hop<'a> {
    /// The listener.
    pub door: Door,
    /// How the client introduced itself.
    pub hello: &'a Hello,
    /// Its address.
    pub peer: IpAddr,
    /// Our name.
    pub hostname: &'a str,
    /// Protocol version and cipher suite, as TLS names them.
    pub tls: Option<(&'a str, &'a str)>,
    /// Whether MAIL said SMTPUTF8.
    pub smtputf8: bool,
    /// The name of this message in our log.
    pub id: &'a str,
    /// The recipient, named only if it is the only one: nobody learns of the others.
    pub only_recipient: Option<&'a ForwardPath>,
    /// The moment.
    pub at: OffsetDateTime,
}

impl Hop<'_> {
    /// The whole field with its CRLF.
    #[must_use]
    pub fn received(&self) -> String {
        let mut out = String::from("Received: ");
        if self.door == Door::Mx {
            let peer = Host::Literal(match self.peer.to_canonical() {
                IpAddr::V4(v4) => Literal::V4(v4),
                IpAddr::V6(v6) => Literal::V6(v6),
            });
            let _ = write!(out, "from {} ({peer})\r\n\t", self.hello.name.for_trace());
        }
        let _ = write!(
            out,
            "by {} with {} id {}",
            self.hostname,
            self.with(),
            self.id
        );
        if let Some((version, cipher)) = self.tls {
            let _ = write!(out, "\r\n\ttls {cipher} ({version})");
        }
        if let Some(recipient) = self.only_recipient {
            let _ = write!(out, "\r\n\tfor {recipient}");
        }
        let at = self.at.format(&Rfc2822).unwrap_or_default();
        let _ = write!(out, ";\r\n\t{at}\r\n");
        out
    }

    /// The transmission type (RFC 3848, RFC 6531 4.3).
    fn with(&self) -> &'static str {
        let signed_in = self.door == Door::Submission;
        match (
            self.hello.extended,
            self.smtputf8,
            self.tls.is_some(),
            signed_in,
        ) {
            (false, false, false, false) => "SMTP",
            (_, false, false, false) => "ESMTP",
            (_, false, true, false) => "ESMTPS",
            (_, false, false, true) => "ESMTPA",
            (_, false, true, true) => "ESMTPSA",
            (_, true, false, false) => "UTF8SMTP",
            (_, true, true, false) => "UTF8SMTPS",
            (_, true, false, true) => "UTF8SMTPA",
            (_, true, true, true) => "UTF8SMTPSA",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::command::ClientName;
    use crate::smtp::path::PathLimits;

    fn hello(name: &str, extended: bool) -> Hello {
        Hello {
            name: ClientName::parse(name).unwrap(),
            extended,
        }
    }

    fn hop(hello: &Hello, door: Door) -> Hop<'_> {
        Hop {
            door,
            hello,
            peer: "::ffff:192.0.2.7".parse().unwrap(),
            hostname: "mx.example",
            tls: None,
            smtputf8: false,
            id: "a1",
            only_recipient: None,
            at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn at_the_mx() {
        let client = hello("client.example", true);
        assert_eq!(
            hop(&client, Door::Mx).received(),
            "Received: from client.example ([192.0.2.7])\r\n\tby mx.example with ESMTP id a1;\r\n\t\
             Thu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        let to = ForwardPath::parse("<a@b.example>", &PathLimits::default()).unwrap();
        let whole = Hop {
            peer: "2001:db8::1".parse().unwrap(),
            tls: Some(("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
            smtputf8: true,
            only_recipient: Some(&to),
            ..hop(&client, Door::Mx)
        };
        assert_eq!(
            whole.received(),
            "Received: from client.example ([IPv6:2001:db8::1])\r\n\tby mx.example with UTF8SMTPS id a1\r\n\t\
             tls TLS_AES_256_GCM_SHA384 (TLSv1.3)\r\n\tfor <a@b.example>;\r\n\t\
             Thu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
    }

    #[test]
    fn a_client_cannot_forge_the_trace() {
        let client = hello("x (y) by z; Mon (ü", false);
        let field = hop(&client, Door::Mx).received();
        assert!(
            field.starts_with("Received: from x??y??by?z??Mon???"),
            "{field}"
        );
        assert!(field.contains("with SMTP id"));
    }

    #[test]
    fn submission_tells_nothing_of_the_user() {
        let client = hello("annas-laptop.local", true);
        let field = Hop {
            tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
            ..hop(&client, Door::Submission)
        }
        .received();
        assert!(!field.contains("laptop") && !field.contains("192.0.2.7"));
        assert!(field.starts_with("Received: by mx.example with ESMTPSA id a1"));
    }
}
