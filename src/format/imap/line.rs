//! The end of a line that announces a literal (RFC 9051 4.3, RFC 7888, RFC 3516 4.4).

/// A literal that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Octets of it.
    pub size_bytes: u64,
    /// The client waits for `+` before it sends them; otherwise they come by themselves.
    pub is_synchronizing: bool,
    /// `literal8`: any octet, NUL too.
    pub is_binary: bool,
    /// Where the announcement begins in the line.
    pub at: usize,
}

/// The literal that a line (without its CRLF) announces at its end.
#[must_use]
pub fn announced(line: &[u8]) -> Option<Announced> {
    let inside = line.strip_suffix(b"}")?;
    let (inside, is_synchronizing) = match inside.strip_suffix(b"+") {
        Some(inside) => (inside, false),
        None => (inside, true),
    };
    let open = inside.iter().rposition(|b| *b == b'{')?;
    let digits = inside.get(open + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Far beyond any limit is as good as any other number beyond it.
    let size_bytes = std::str::from_utf8(digits)
        .ok()?
        .parse()
        .unwrap_or(u64::MAX);
    let is_binary = open > 0 && inside.get(open - 1) == Some(&b'~');
    Some(Announced {
        size_bytes,
        is_synchronizing,
        is_binary,
        at: open - usize::from(is_binary),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines() {
        let is = |line: &str| {
            announced(line.as_bytes())
                .map(|a| (a.size_bytes, a.is_synchronizing, a.is_binary, a.at))
        };
        assert_eq!(is("a LOGIN {11}"), Some((11, true, false, 8)));
        assert_eq!(is("a LOGIN {11+}"), Some((11, false, false, 8)));
        assert_eq!(is("a APPEND x ~{3}"), Some((3, true, true, 11)));
        assert_eq!(is("~{3+}"), Some((3, false, true, 0)));
        assert_eq!(
            is("{99999999999999999999999}"),
            Some((u64::MAX, true, false, 0))
        );
        for none in [
            "", "}", "{}", "{+}", "{1", "{1}x", "{-1}", "{1++}", "a {b}", "{1 }",
        ] {
            assert_eq!(is(none), None, "{none}");
        }
    }
}
