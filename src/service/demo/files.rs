//! Small files that hang on the demo's letters: a page of PDF (ISO 32000-1, as little as a viewer needs) and a picture.

use std::fmt::Write;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A page of A4 with these lines, the first one large. Characters beyond ISO-8859-1 become `?`.
#[must_use]
pub fn pdf(text: &str) -> Vec<u8> {
    let mut content = b"BT /F1 18 Tf 60 770 Td 20 TL\n".to_vec();
    for (n, line) in text.lines().enumerate() {
        if n == 1 {
            content.extend_from_slice(b"/F1 11 Tf 16 TL\n");
        }
        content.push(b'(');
        for c in line.chars() {
            let octet = u8::try_from(c).unwrap_or(b'?');
            if matches!(octet, b'(' | b')' | b'\\') {
                content.push(b'\\');
            }
            content.push(octet);
        }
        content.extend_from_slice(b") Tj T*\n");
    }
    content.extend_from_slice(b"ET\n");
    let mut stream = format!("<< /Length {} >>\nstream\n", content.len()).into_bytes();
    stream.extend_from_slice(&content);
    stream.extend_from_slice(b"endstream");
    let objects: [&[u8]; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R /Resources << /Font << /F1 4 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        &stream,
    ];
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut table = "0000000000 65535 f \n".to_owned();
    for (n, object) in objects.iter().enumerate() {
        // A string takes everything that is written to it.
        let _ = writeln!(table, "{:010} 00000 n ", out.len());
        out.extend_from_slice(format!("{} 0 obj\n", n + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let end = format!(
        "xref\n0 6\n{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{}\n%%EOF\n",
        out.len()
    );
    out.extend_from_slice(end.as_bytes());
    out
}

/// A landscape in shades of one colour (`0xRRGGBB`): a sky that grows lighter, a sun, two hills.
#[must_use]
pub fn png(width: u32, height: u32, colour: u32) -> Option<Vec<u8>> {
    let [_, red, green, blue] = colour.to_be_bytes();
    // `weight` of 255 parts colour, the rest white.
    let shade = |weight: u32| {
        Rgb([red, green, blue].map(|part| {
            let mixed = (u32::from(part) * weight + 255 * (255 - weight)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        }))
    };
    let hill = |x: u32, middle: u32, top: u32| top + x.abs_diff(middle).pow(2) / width.max(1);
    let (sun_x, sun_y, sun) = (width * 3 / 4, height / 4, height / 9);
    let picture = RgbImage::from_fn(width, height, |x, y| {
        if y > hill(x, width / 5, height * 3 / 5) {
            shade(255)
        } else if y > hill(x, width * 7 / 10, height / 2) {
            shade(180)
        } else if x.abs_diff(sun_x).pow(2) + y.abs_diff(sun_y).pow(2) < sun.pow(2) {
            Rgb([255, 214, 102])
        } else {
            shade(110 - 90 * y / height.max(1))
        }
    });
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Png).ok()?;
    Some(out.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_pdf_points_at_its_objects() {
        let pdf = pdf("Rechnung (Entwurf)\nBüroräume\n");
        let text: String = pdf.iter().map(|b| char::from(*b)).collect();
        let octets: Vec<char> = text.chars().collect();
        let table = text.split("f \n").nth(1).unwrap();
        for (n, line) in table.lines().take(5).enumerate() {
            let at: usize = line[..10].parse().unwrap();
            let found: String = octets[at..at + 7].iter().collect();
            assert_eq!(found, format!("{} 0 obj", n + 1));
        }
        assert!(text.contains("(Rechnung \\(Entwurf\\)) Tj"));
    }

    #[test]
    fn the_picture_has_its_size() {
        let read = image::load_from_memory(&png(64, 40, 0x2f_6f_5e).unwrap()).unwrap();
        assert_eq!((read.width(), read.height()), (64, 40));
    }
}
