//! Names that came from outside: of people, folders and files.
//!
//! Sources: security.md section 6; RFC 6266 (Content-Disposition in HTTP), RFC 8187 (its encoding).

use std::fmt::Write as _;

/// Longest file name, in bytes.
const MAX_FILENAME: usize = 200;

/// A name with control characters and marks of writing direction made visible.
///
/// A tab or line end is a space. Other controls are shown by their picture (U+2400 and on), marks of direction
/// and characters without width by their abbreviation in angle brackets, so `annexe\u{202e}fdp.exe` reads
/// `annexe⟨RLO⟩fdp.exe`. The joiners U+200C and U+200D are part of Persian words and of emoji and stay.
#[must_use]
pub fn visible(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}') {
            out.push(' ');
        } else if let Some(mark) = abbreviation(c) {
            let _ = write!(out, "⟨{mark}⟩");
        } else if c.is_control() {
            out.push(control_picture(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn control_picture(c: char) -> char {
    let code = u32::from(c);
    let picture = match code {
        0..=0x1f => 0x2400 + code,
        0x7f => 0x2421,
        _ => 0xfffd,
    };
    char::from_u32(picture).unwrap_or('\u{fffd}')
}

fn abbreviation(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{ad}' => "SHY",
        '\u{61c}' => "ALM",
        '\u{180e}' => "MVS",
        '\u{200b}' => "ZWSP",
        '\u{200e}' => "LRM",
        '\u{200f}' => "RLM",
        '\u{202a}' => "LRE",
        '\u{202b}' => "RLE",
        '\u{202c}' => "PDF",
        '\u{202d}' => "LRO",
        '\u{202e}' => "RLO",
        '\u{2060}' => "WJ",
        '\u{2066}' => "LRI",
        '\u{2067}' => "RLI",
        '\u{2068}' => "FSI",
        '\u{2069}' => "PDI",
        '\u{feff}' => "BOM",
        _ => return None,
    })
}

/// A file name that is safe to write on any disk and to say in a header.
///
/// Control characters, marks of direction, path separators, characters that Windows forbids and leading dots
/// go; at most 200 bytes are kept, the ending among them; nothing left is `attachment`.
#[must_use]
pub fn safe_filename(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(MAX_FILENAME * 2));
    for c in name.chars().take(4_096) {
        match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => out.push('_'),
            '\t' | '\n' | '\r' => out.push(' '),
            '\u{200c}' | '\u{200d}' => out.push(c),
            c if c.is_control() || super::link::is_invisible(c) => {}
            c if c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    let name = out
        .trim_start_matches(|c: char| c == '.' || c.is_whitespace())
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    let name = shortened(name);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if name.is_empty() {
        "attachment".to_owned()
    } else if is_device(stem) {
        format!("_{name}")
    } else {
        name
    }
}

/// At most [`MAX_FILENAME`] bytes (one less, for the underscore of a device name), keeping a short ending.
fn shortened(name: &str) -> String {
    let room = MAX_FILENAME - 1;
    if name.len() <= MAX_FILENAME && !is_device(name.split('.').next().unwrap_or_default()) {
        return name.to_owned();
    }
    if name.len() <= room {
        return name.to_owned();
    }
    let ending = name
        .rfind('.')
        .and_then(|at| name.get(at..))
        .filter(|ending| ending.len() <= 20)
        .unwrap_or_default();
    let stem = name.strip_suffix(ending).unwrap_or(name);
    let stem = super::clean::head_of(stem, room - ending.len());
    format!("{}{ending}", stem.trim_end_matches(['.', ' ']))
}

/// Names that Windows gives to devices, whatever their ending.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let numbered = |head: &str| {
        stem.strip_prefix(head)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| matches!(b, b'1'..=b'9')))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// The value of `Content-Disposition` for a part, by [`safe_filename`].
///
/// `filename` carries ASCII for old programs and `filename*` the name itself when it is more than that.
#[must_use]
pub fn content_disposition(name: &str, inline: bool) -> String {
    let name = safe_filename(name);
    let kind = if inline { "inline" } else { "attachment" };
    let ascii: String = name
        .chars()
        .map(|c| if c.is_ascii() && c != '%' { c } else { '_' })
        .collect();
    let mut out = format!("{kind}; filename=\"{ascii}\"");
    if ascii != name {
        out.push_str("; filename*=UTF-8''");
        for b in name.bytes() {
            if b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b) {
                out.push(char::from(b));
            } else {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn direction_marks_are_shown() {
        assert_eq!(visible("annexe\u{202e}fdp.exe"), "annexe⟨RLO⟩fdp.exe");
        assert_eq!(visible("a\u{0}b\u{7f}c\u{85}"), "a␀b␡c\u{fffd}");
        assert_eq!(visible("zwei\r\n Zeilen"), "zwei   Zeilen");
        assert_eq!(
            visible("Jörg 👨\u{200d}👩\u{200d}👧 دوست"),
            "Jörg 👨\u{200d}👩\u{200d}👧 دوست"
        );
    }

    #[test]
    fn file_names_are_safe() {
        for (name, want) in [
            ("Rechnung 2026.pdf", "Rechnung 2026.pdf"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("..\\..\\boot.ini", "_.._boot.ini"),
            (".htaccess", "htaccess"),
            ("a\u{202e}gpj.exe", "agpj.exe"),
            ("a\r\nSet-Cookie: x", "a  Set-Cookie_ x"),
            ("", "attachment"),
            ("...", "attachment"),
            ("\u{200b}", "attachment"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1.log", "_com1.log"),
            ("a.txt. ", "a.txt"),
            ("Müller.pdf", "Müller.pdf"),
        ] {
            assert_eq!(safe_filename(name), want, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_ending() {
        for n in [MAX_FILENAME - 1, MAX_FILENAME, MAX_FILENAME + 1, 5_000] {
            let name = format!("{}.pdf", "ä".repeat(n / 2));
            let safe = safe_filename(&name);
            assert!(safe.len() <= MAX_FILENAME, "{n}");
            assert_eq!(safe.rsplit_once('.').map(|p| p.1), Some("pdf"), "{n}");
        }
        let exact = format!("{}.pdf", "a".repeat(MAX_FILENAME - 4));
        assert_eq!(safe_filename(&exact), exact);
    }

    #[test]
    fn dispositions_follow_rfc_6266_and_8187() {
        assert_eq!(
            content_disposition("plan.pdf", true),
            "inline; filename=\"plan.pdf\""
        );
        assert_eq!(
            content_disposition("Übersicht 50%.pdf", false),
            "attachment; filename=\"_bersicht 50_.pdf\"; filename*=UTF-8''%C3%9Cbersicht%2050%25.pdf"
        );
        assert_eq!(
            content_disposition("a\"; x=\"b", false),
            "attachment; filename=\"a_; x=_b\""
        );
    }

    proptest! {
        #[test]
        fn a_file_name_is_always_safe(name in "\\PC{0,300}|[./\\\\:\u{0}-\u{20}\u{202a}-\u{202e}a-zÄ]{0,260}") {
            let safe = safe_filename(&name);
            prop_assert!(!safe.is_empty() && safe.len() <= MAX_FILENAME);
            prop_assert!(!safe.starts_with('.') && !safe.contains(['/', '\\', '\0', '"', '\n', '\r']));
            prop_assert_eq!(safe_filename(&safe), safe.clone());
            let header = content_disposition(&name, false);
            prop_assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }
}
