//! Which elements and attributes a message may have, as tables (security.md section 6).

/// Elements that stay.
const KEPT: &[&str] = &[
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements that go together with everything inside them. (`style` is here too; its rules are read before.)
const DROPPED: &[&str] = &[
    "applet",
    "audio",
    "base",
    "button",
    "canvas",
    "dialog",
    "embed",
    "form",
    "frame",
    "frameset",
    "iframe",
    "input",
    "link",
    "math",
    "meta",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "optgroup",
    "option",
    "plaintext",
    "portal",
    "script",
    "select",
    "slot",
    "source",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "track",
    "video",
    "xmp",
];

/// Elements whose text is no part of the message but which never reach the tree by themselves.
const STRUCTURE: &[&str] = &["html", "head", "body", "image"];

/// Attributes that some rule in `attrs.rs` or `clean.rs` looks at.
const ATTRIBUTES: &[&str] = &[
    "align",
    "alt",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "color",
    "colspan",
    "dir",
    "face",
    "height",
    "hspace",
    "id",
    "lang",
    "rowspan",
    "size",
    "span",
    "start",
    "style",
    "title",
    "type",
    "valign",
    "vspace",
    "width",
    "background",
];

/// What happens to an element of the parsed tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Keep,
    /// The element goes, its children stay.
    Unwrap,
    /// The element goes with everything inside it.
    Drop,
}

pub(super) fn treatment(name: &str) -> Treatment {
    if KEPT.contains(&name) {
        Treatment::Keep
    } else if DROPPED.contains(&name) {
        Treatment::Drop
    } else {
        Treatment::Unwrap
    }
}

/// Whether the tree builder is told of this tag at all. `frame` and `frameset` are not told because they would
/// throw the body away; a tag that is in no table is not told so that its absence is the parser's business.
pub(super) fn reaches_the_tree(name: &str) -> bool {
    !matches!(name, "frame" | "frameset")
        && (KEPT.contains(&name) || DROPPED.contains(&name) || STRUCTURE.contains(&name))
}

/// Whether the tree builder is told of this attribute.
pub(super) fn attribute_reaches_the_tree(element: &str, attribute: &str) -> bool {
    match attribute {
        "href" | "name" | "target" | "rel" => element == "a",
        "src" | "data-pm-src" | "data-pm-cid" => matches!(element, "img" | "image"),
        "media" => element == "style",
        _ => ATTRIBUTES.contains(&attribute),
    }
}

/// Elements without an end tag.
pub(super) fn is_void(name: &str) -> bool {
    matches!(name, "br" | "col" | "hr" | "img" | "wbr")
}

/// Elements that the parser opens again after they were closed by another (HTML 13.2.4.3).
pub(super) fn is_formatting(name: &str) -> bool {
    matches!(
        name,
        "a" | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "s"
            | "small"
            | "strike"
            | "strong"
            | "tt"
            | "u"
    )
}

/// Elements that begin on a line of their own when a message is written as text.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "div"
            | "dl"
            | "dt"
            | "figcaption"
            | "figure"
            | "footer"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hr"
            | "li"
            | "main"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "tr"
            | "ul"
    )
}
