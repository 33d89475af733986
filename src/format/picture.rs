//! Pictures that come from outside: what they are by their content, and whether they can be shown.
//!
//! Nothing is believed that the sender or a web server says about a picture. It is one when its first bytes are those of a
//! type every browser shows and when it decodes, within the limits, to the end. The caller runs this in the blocking pool
//! (security.md S-13).

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::html::{SafeType, sniff};

/// The longest side of a picture; a browser shows no larger one.
pub const MAX_SIDE: u32 = 16_384;
/// A picture of this many pixels a side, or fewer, is there to be counted, not to be seen.
pub const TRACKER_SIDE: u32 = 2;

/// A picture that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// What it is.
    pub kind: SafeType,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

impl Picture {
    /// Too small to be seen.
    #[must_use]
    pub fn is_tracker(self) -> bool {
        self.width <= TRACKER_SIDE && self.height <= TRACKER_SIDE
    }
}

/// Decodes a picture of at most `pixels` pixels; `None` when it is none, is broken or too large.
#[must_use]
pub fn check(bytes: &[u8], pixels: u32) -> Option<Picture> {
    let kind = sniff(bytes)?;
    let format = match kind {
        SafeType::Png => ImageFormat::Png,
        SafeType::Jpeg => ImageFormat::Jpeg,
        SafeType::Gif => ImageFormat::Gif,
        SafeType::Webp => ImageFormat::WebP,
        SafeType::Pdf => return None,
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(u64::from(pixels).saturating_mul(4));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if width.checked_mul(height)? > pixels {
        return None;
    }
    DynamicImage::from_decoder(decoder).ok()?;
    Some(Picture {
        kind,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height)
            .write_to(&mut out, format)
            .unwrap();
        out.into_inner()
    }

    #[test]
    fn the_four_types_are_told_by_their_content() {
        for (format, kind) in [
            (ImageFormat::Png, SafeType::Png),
            (ImageFormat::Jpeg, SafeType::Jpeg),
            (ImageFormat::Gif, SafeType::Gif),
            (ImageFormat::WebP, SafeType::Webp),
        ] {
            let found = check(&encoded(30, 20, format), 600).unwrap();
            assert_eq!((found.kind, found.width, found.height), (kind, 30, 20));
            assert!(!found.is_tracker());
        }
    }

    #[test]
    fn more_pixels_than_allowed_are_not_decoded() {
        let bytes = encoded(30, 20, ImageFormat::Png);
        assert!(check(&bytes, 600).is_some());
        assert!(check(&bytes, 599).is_none());
    }

    #[test]
    fn what_does_not_decode_is_no_picture() {
        let png = encoded(30, 20, ImageFormat::Png);
        assert!(check(&png[..png.len() / 2], 600).is_none());
        for other in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"<!doctype html><script>alert(1)</script>",
            b"%PDF-1.7",
            b"GIF89a<script>alert(1)</script>",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0",
            b"RIFF\0\0\0\0WEBPVP8 ",
        ] {
            assert!(check(other, 600).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_head_that_promises_a_huge_picture_costs_nothing() {
        // IHDR of 16,000 x 16,000 with 40 octets of data behind it.
        let mut png = encoded(1, 1, ImageFormat::Png);
        png[16..20].copy_from_slice(&16_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&16_000_u32.to_be_bytes());
        assert!(check(&png, 24_000_000).is_none());
    }

    #[test]
    fn a_dot_is_a_tracker() {
        for (width, height, is) in [(1, 1, true), (2, 2, true), (3, 1, false), (2, 3, false)] {
            let found = check(&encoded(width, height, ImageFormat::Gif), 600).unwrap();
            assert_eq!(found.is_tracker(), is, "{width}x{height}");
        }
    }
}
