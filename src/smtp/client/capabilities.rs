//! What another host offers in its answer to EHLO (RFC 5321 4.1.1.1), as far as we use it. Unknown words are passed over.

use crate::smtp::reply::Reply;

/// The extensions of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a keyword that is there or not"
)]
pub struct Capabilities {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 1870: the largest message; none: not offered or without a limit.
    pub size: Option<u64>,
    /// SIZE is offered, so MAIL may say how large the message is.
    pub has_size: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 4954: the mechanisms, in upper case.
    pub auth: Vec<String>,
}

impl Capabilities {
    /// Reads the lines behind the first, which names the host.
    #[must_use]
    pub fn read(ehlo: &Reply) -> Self {
        let mut all = Self::default();
        for line in ehlo.lines().iter().skip(1) {
            let upper = line.to_ascii_uppercase();
            let mut words = upper.split_ascii_whitespace();
            let Some(keyword) = words.next() else {
                continue;
            };
            match keyword {
                "PIPELINING" => all.pipelining = true,
                "SIZE" => {
                    all.has_size = true;
                    all.size = words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                }
                "8BITMIME" => all.eight_bit_mime = true,
                "SMTPUTF8" => all.smtputf8 = true,
                "DSN" => all.dsn = true,
                "STARTTLS" => all.starttls = true,
                "AUTH" => all.auth.extend(words.map(str::to_owned)),
                // Old servers write AUTH=LOGIN beside or instead of AUTH LOGIN.
                _ => {
                    if let Some(first) = keyword.strip_prefix("AUTH=") {
                        all.auth.push(first.to_owned());
                        all.auth.extend(words.map(str::to_owned));
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_in_any_case_and_order() {
        let ehlo = Reply::many(
            250,
            [
                "STARTTLS is my name",
                "size 1000",
                "Pipelining",
                "AUTH=LOGIN PLAIN",
                "AUTH PLAIN",
                "X-UNKNOWN STARTTLS",
                "",
                "DSN",
            ],
        );
        let all = Capabilities::read(&ehlo);
        assert_eq!((all.size, all.has_size), (Some(1_000), true));
        assert!(all.pipelining && all.dsn && !all.starttls && !all.smtputf8);
        assert_eq!(all.auth, ["LOGIN", "PLAIN", "PLAIN"]);
        let open = Capabilities::read(&Reply::many(250, ["x", "SIZE 0"]));
        assert_eq!((open.size, open.has_size), (None, true));
    }
}
