//! What a file is by its first bytes, for what may be shown inline (security.md section 6, "Attachments").

/// A type that may be shown inside the program; everything else is a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SafeType {
    Png,
    Jpeg,
    Gif,
    Webp,
    Pdf,
}

impl SafeType {
    /// The media type to answer with, whatever the message said.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }

    /// Whether it is a picture that an `img` may show.
    #[must_use]
    pub fn is_picture(self) -> bool {
        !matches!(self, Self::Pdf)
    }
}

/// The type that the first bytes prove, if it is one of the safe ones.
///
/// Source: WHATWG MIME Sniffing 6.1 and 7.1; PDF 32000-1 7.5.2.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<SafeType> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(SafeType::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(SafeType::Jpeg)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Some(SafeType::Gif)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..14) == Some(b"WEBPVP") {
        Some(SafeType::Webp)
    } else if bytes.starts_with(b"%PDF-") {
        Some(SafeType::Pdf)
    } else {
        None
    }
}

/// The `Content-Type` under which a part may be shown inline, or `None`: then it is a download.
///
/// A picture or a PDF must be declared as one (any picture type will do, `application/octet-stream` too, since
/// many mailers write that) and be one by its content; the content's type is answered. Declared `text/plain` is
/// shown as such: with `nosniff` a browser does not look for anything else in it.
#[must_use]
pub fn inline_type(declared: &str, bytes: &[u8]) -> Option<&'static str> {
    let declared = declared.split(';').next().unwrap_or_default().trim();
    if declared.eq_ignore_ascii_case("text/plain") {
        return Some("text/plain; charset=utf-8");
    }
    let found = sniff(bytes)?;
    let (kind, subtype) = declared.split_once('/')?;
    let vague = declared.eq_ignore_ascii_case("application/octet-stream");
    let agrees = if found.is_picture() {
        kind.eq_ignore_ascii_case("image") && !subtype.to_ascii_lowercase().starts_with("svg")
    } else {
        ["pdf", "x-pdf"].contains(&subtype.to_ascii_lowercase().as_str())
    };
    (agrees || vague).then(|| found.media_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let png = b"\x89PNG\r\n\x1a\n0000";
        assert_eq!(inline_type("image/png", png), Some("image/png"));
        assert_eq!(inline_type("IMAGE/JPEG; name=x", png), Some("image/png"));
        assert_eq!(
            inline_type("application/octet-stream", png),
            Some("image/png")
        );
        assert_eq!(inline_type("text/html", png), None);
        assert_eq!(inline_type("image/svg+xml", png), None);
        assert_eq!(inline_type("image/png", b"<svg onload=alert(1)>"), None);
        assert_eq!(inline_type("image/svg+xml", b"<svg>"), None);
        assert_eq!(
            inline_type("application/pdf", b"%PDF-1.7"),
            Some("application/pdf")
        );
        assert_eq!(inline_type("application/pdf", b"<html>"), None);
        assert_eq!(
            inline_type("text/plain", b"<script>"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(inline_type("", b""), None);
    }

    #[test]
    fn every_safe_type_is_known_by_its_first_bytes() {
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Some(SafeType::Jpeg));
        assert_eq!(sniff(b"GIF89a"), Some(SafeType::Gif));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some(SafeType::Webp));
        assert_eq!(sniff(b"RIFF\0\0\0\0WAVEfmt "), None);
        assert_eq!(sniff(b"\x89PN"), None);
    }
}
