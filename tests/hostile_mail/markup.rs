//! A reader of cleaned markup that shares nothing with the cleaner: it takes the text apart by itself and
//! complains of everything that the rules do not allow (security.md section 6).

/// Elements that may be in a cleaned message.
pub const ELEMENTS: &str = " a abbr address article aside b bdi bdo big blockquote br caption center cite code col \
colgroup dd del details div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li \
main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot \
th thead time tr tt u ul var wbr ";

/// Attributes that may be in a message cleaned for reading.
pub const ATTRIBUTES: &str = " align alt bgcolor border cellpadding cellspacing class color colspan dir face height \
href hspace id lang rel rowspan size span src start style target title type valign vspace width ";

/// Words that may not occur in any style.
const STYLE_WORDS: &[&str] = &[
    "url(",
    "expression(",
    "@import",
    "position:",
    "z-index",
    "transform",
    "filter",
    "animation",
    "transition",
    "content:",
    "cursor",
    "behavior",
    "-moz-binding",
    "var(",
    "env(",
    "attr(",
    "image-set(",
    "cross-fade(",
    "src(",
    "element(",
    "paint(",
    "@font-face",
    "@namespace",
    "@property",
    "@layer",
    "@container",
    "@supports",
    "@keyframes",
    "javascript",
    "<",
    "--",
];

/// Fail when the markup holds anything that a cleaned message may not hold.
#[track_caller]
pub fn assert_harmless(html: &str) {
    let complaint = complaint(html);
    assert!(
        complaint.is_none(),
        "{}\n{html}",
        complaint.unwrap_or_default()
    );
}

/// The first thing in the markup that may not be there.
pub fn complaint(html: &str) -> Option<String> {
    let mut rest = html;
    if let Some(sheet) = rest.strip_prefix("<style>") {
        let (css, tail) = sheet.split_once("</style>")?;
        if let Some(word) = bad_style(css) {
            return Some(format!("style sheet with {word}"));
        }
        rest = tail;
    }
    while let Some((_, tag)) = rest.split_once('<') {
        let Some((tag, tail)) = tag.split_once('>') else {
            return Some("unclosed tag".into());
        };
        rest = tail;
        let name_end = tag.find(' ').unwrap_or(tag.len());
        let (name, attributes) = tag.split_at(name_end);
        let bare = name.strip_prefix('/').unwrap_or(name);
        if bare.is_empty() || !ELEMENTS.contains(&format!(" {bare} ")) {
            return Some(format!("element {name:?}"));
        }
        if let Some(complaint) = bad_attributes(bare, attributes) {
            return Some(complaint);
        }
    }
    None
}

fn bad_attributes(element: &str, text: &str) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        let Some((name, tail)) = rest.split_once("=\"") else {
            return Some(format!("attributes {text:?}"));
        };
        let Some((value, tail)) = tail.split_once('"') else {
            return Some(format!("attributes {text:?}"));
        };
        rest = tail;
        let name = name.strip_prefix(' ').unwrap_or("no space");
        if !ATTRIBUTES.contains(&format!(" {name} ")) {
            return Some(format!("attribute {name:?} of {element}"));
        }
        let value = value
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        let known = |schemes: &[&str]| schemes.iter().any(|s| value.starts_with(s));
        let fine = match name {
            "href" => {
                element == "a"
                    && known(&[
                        "http://", "https://", "mailto:", "tel:", "sip:", "xmpp:", "#m-",
                    ])
            }
            "src" => element == "img" && known(&["data:image/"]),
            "target" => value == "_blank",
            "rel" => value == "noopener noreferrer nofollow",
            "class" => value
                .split(' ')
                .all(|c| c.starts_with("m-") || c.starts_with("pm-")),
            "id" => value.starts_with("m-"),
            "style" => value.starts_with("all:initial!important") || bad_style(&value).is_none(),
            _ => true,
        };
        if !fine {
            return Some(format!("{name}={value:?} of {element}"));
        }
    }
    None
}

fn bad_style(css: &str) -> Option<&'static str> {
    // Selectors may hold any name; strings are names of fonts.
    let css = css.to_ascii_lowercase();
    let values: String = css
        .split('{')
        .map(|part| part.split('}').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let values = if css.contains('{') {
        values
    } else {
        css.clone()
    };
    STYLE_WORDS
        .iter()
        .find(|word| {
            let text = if word.starts_with('@') || **word == "<" {
                &css
            } else {
                &values
            };
            text.contains(**word)
        })
        .copied()
}
