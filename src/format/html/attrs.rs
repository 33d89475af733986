//! Values of the attributes that are kept: each by its own small grammar, `None` when it does not fit.

/// Clean the value of an attribute that needs nothing but itself.
///
/// `href`, `src`, `style`, `background`, `class` and `id` are not here; they need the message around them.
pub(super) fn plain_value(element: &str, name: &str, value: &str) -> Option<String> {
    match name {
        "align" => one_of(
            value,
            &[
                "left",
                "right",
                "center",
                "justify",
                "char",
                "top",
                "middle",
                "bottom",
                "absmiddle",
            ],
        ),
        "valign" => one_of(value, &["top", "middle", "bottom", "baseline"]),
        "dir" => one_of(value, &["ltr", "rtl", "auto"]),
        "bgcolor" | "color" => colour(value),
        "border" | "cellpadding" | "cellspacing" | "hspace" | "vspace" | "colspan" | "rowspan"
        | "span" => number(value, 1_000),
        "width" | "height" => length(value),
        "size" => signed(value, 100),
        "start" => signed(value, 1_000_000_000),
        "lang" => language(value),
        "face" => Some(text(value, 200)),
        "title" | "alt" => Some(text(value, 1_000)),
        "type" => match element {
            "ol" | "ul" | "li" => list_type(value),
            "blockquote" => one_of(value, &["cite"]),
            _ => None,
        },
        _ => None,
    }
}

fn one_of(value: &str, allowed: &[&str]) -> Option<String> {
    let value = value.trim().to_ascii_lowercase();
    allowed.contains(&value.as_str()).then_some(value)
}

fn list_type(value: &str) -> Option<String> {
    let value = value.trim();
    // The letters differ by case alone: `a` and `A` are two kinds of list.
    if ["1", "a", "A", "i", "I"].contains(&value) {
        return Some(value.to_owned());
    }
    one_of(value, &["disc", "circle", "square"])
}

pub(super) fn colour(value: &str) -> Option<String> {
    let value = value.trim();
    let body = value.strip_prefix('#').unwrap_or(value);
    let ok = (1..=30).contains(&body.len()) && body.bytes().all(|b| b.is_ascii_alphanumeric());
    ok.then(|| value.to_owned())
}

fn number(value: &str, most: u32) -> Option<String> {
    let digits: String = value
        .trim()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let number: u32 = digits.parse().ok()?;
    Some(number.min(most).to_string())
}

fn signed(value: &str, most: u32) -> Option<String> {
    let value = value.trim();
    let (sign, rest) = match value.as_bytes().first()? {
        b'-' => ("-", value.get(1..)?),
        b'+' => ("+", value.get(1..)?),
        _ => ("", value),
    };
    Some(format!("{sign}{}", number(rest, most)?))
}

/// A length as HTML has it: pixels, or per cent of the room.
fn length(value: &str) -> Option<String> {
    let value = value.trim();
    let pixels = number(value, 20_000)?;
    let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    Some(if rest.trim_start().starts_with('%') {
        format!("{pixels}%")
    } else {
        pixels
    })
}

/// Pixels of a `width` or `height` attribute, when it says pixels.
pub(super) fn pixels(value: &str) -> Option<u32> {
    length(value)?.parse().ok()
}

/// A language tag (RFC 5646) by its shape.
pub(super) fn language(value: &str) -> Option<String> {
    let value = value.trim().replace('_', "-");
    let ok = (2..=35).contains(&value.len())
        && value
            .split('-')
            .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    ok.then_some(value)
}

fn text(value: &str, most: usize) -> String {
    value
        .chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

/// The names of a `class` attribute with the prefix of this message.
///
/// A name that has the prefix already keeps it, so that cleaning twice is cleaning once; it can only meet other
/// names of the same message.
pub(super) fn classes(value: &str, prefix: &str) -> Option<String> {
    let names: Vec<String> = value
        .split_ascii_whitespace()
        .take(100)
        .filter_map(|name| own_name(name, prefix))
        .collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// One class name or id with the prefix of this message.
pub(super) fn own_name(name: &str, prefix: &str) -> Option<String> {
    let ok = (1..=200).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    ok.then(|| {
        if name.starts_with(prefix) {
            name.to_owned()
        } else {
            format!("{prefix}{name}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(plain_value("td", "colspan", "999").as_deref(), Some("999"));
        assert_eq!(
            plain_value("td", "colspan", "1000").as_deref(),
            Some("1000")
        );
        assert_eq!(
            plain_value("td", "colspan", "1001").as_deref(),
            Some("1000")
        );
        assert_eq!(plain_value("td", "colspan", "99999999999"), None);
        assert_eq!(plain_value("td", "width", "50%").as_deref(), Some("50%"));
        assert_eq!(plain_value("td", "width", "12.5px").as_deref(), Some("12"));
        assert_eq!(plain_value("td", "width", "auto"), None);
        assert_eq!(plain_value("font", "size", "+2").as_deref(), Some("+2"));
    }

    #[test]
    fn names_get_the_prefix_once() {
        assert_eq!(classes("a  m-b\tc", "m-").as_deref(), Some("m-a m-b m-c"));
        assert_eq!(classes(" ", "m-"), None);
    }

    #[test]
    fn a_language_is_a_tag() {
        assert_eq!(language("de_DE").as_deref(), Some("de-DE"));
        assert_eq!(language("de\" onload"), None);
        assert_eq!(language("x"), None);
    }
}
