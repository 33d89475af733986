//! Styles of a message: declarations that are let through, value by value (security.md section 6, "CSS").
//!
//! A real parser (cssparser) reads the text, and what comes out is written from its tokens, so an escape
//! (`u\72l(`), a comment or an unclosed string cannot carry anything past the tables. Functions are let through
//! by name, which settles `url()`, `expression()`, `var()`, `env()`, `attr()`, `image-set()`, `src()`,
//! `element()`, `paint()` and whatever comes next in one stroke.
//!
//! Departure: `background-repeat`, `-position`, `-size`, `box-sizing`, `table-layout`, `word-break` and
//! `overflow-wrap` are let through beyond the list; newsletters are unreadable without them and none of them can
//! load or cover anything. `background` is read for its colour and its picture. Lengths in `vh` and its kin go:
//! the frame is as high as its content, so they would grow without end.

use std::fmt::Write as _;

use cssparser::{
    AtRuleParser, BasicParseErrorKind, CowRcStr, DeclarationParser, ParseError, Parser,
    ParserState, QualifiedRuleParser, RuleBodyItemParser, RuleBodyParser, StyleSheetParser, ToCss,
    Token, serialize_string,
};

use super::selector;

/// Longest style sheet of a message, all its `style` elements together.
pub(super) const MAX_SHEET: usize = 512 * 1024;
/// Longest `style` attribute.
const MAX_ATTRIBUTE: usize = 16 * 1024;
/// Most declarations in one rule.
const MAX_DECLARATIONS: usize = 500;
/// Deepest nesting of parentheses in a value, and of `@media`.
const MAX_NESTING: usize = 4;
/// Most numbers in one `calc()`.
const MAX_TERMS: usize = 8;
/// Greatest number in a value.
const MAX_NUMBER: f32 = 100_000.0;

type Failed = ParseError<()>;

/// Turns the address of a background picture into one that may be loaded now.
pub(super) type Picture<'a> = dyn FnMut(&str) -> Option<String> + 'a;

/// Clean the value of a `style` attribute; empty when nothing is left.
pub(super) fn attribute(css: &str, picture: &mut Picture<'_>) -> String {
    if css.len() > MAX_ATTRIBUTE {
        return String::new();
    }
    let mut input = Parser::new(css);
    declarations(&mut input, picture)
}

/// Clean a style sheet: its rules, each selector kept inside the message's own element.
///
/// `media` is the attribute of that name. Source for the shape of a sheet: CSS Syntax 3, section 9.
pub(super) fn sheet(
    css: &str,
    media: Option<&str>,
    prefix: &str,
    picture: &mut Picture<'_>,
) -> String {
    let mut rules = Rules {
        prefix,
        picture,
        depth: 0,
    };
    let out = rules.list(&mut Parser::new(css));
    match media.map(str::trim).filter(|m| !m.is_empty()) {
        None => out,
        Some(media) => match selector::media(&mut Parser::new(media)) {
            Some(query) if !out.is_empty() => format!("@media {query}{{{out}}}"),
            _ => String::new(),
        },
    }
}

struct Rules<'p, 'f> {
    prefix: &'p str,
    picture: &'p mut Picture<'f>,
    depth: usize,
}

impl Rules<'_, '_> {
    fn list(&mut self, input: &mut Parser<'_>) -> String {
        let mut out = String::new();
        for rule in StyleSheetParser::new(input, self).flatten() {
            out.push_str(&rule);
        }
        out
    }
}

impl<'i> QualifiedRuleParser<'i> for Rules<'_, '_> {
    type Prelude = String;
    type QualifiedRule = String;
    type Error = ();

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<String, Failed> {
        selector::list(input, self.prefix).ok_or_else(Failed::unexpected_token)
    }

    fn parse_block(
        &mut self,
        selectors: String,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<String, Failed> {
        let body = declarations(input, self.picture);
        let rule = format!("{selectors}{{{body}}}");
        // The sheet stands in a raw-text element, which ends at `</style` wherever that is.
        if body.is_empty() || rule.contains('<') {
            return Err(Failed::unexpected_token());
        }
        Ok(rule)
    }
}

impl<'i> AtRuleParser<'i> for Rules<'_, '_> {
    type Prelude = String;
    type AtRule = String;
    type Error = ();

    fn parse_prelude(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
    ) -> Result<String, Failed> {
        if !name.eq_ignore_ascii_case("media") || self.depth >= MAX_NESTING {
            return Err(Failed::from_basic_kind(BasicParseErrorKind::AtRuleInvalid));
        }
        selector::media(input).ok_or_else(Failed::unexpected_token)
    }

    fn parse_block(
        &mut self,
        query: String,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<String, Failed> {
        self.depth += 1;
        let body = self.list(input);
        self.depth -= 1;
        if body.is_empty() {
            return Err(Failed::unexpected_token());
        }
        Ok(format!("@media {query}{{{body}}}"))
    }
}

fn declarations(input: &mut Parser<'_>, picture: &mut Picture<'_>) -> String {
    let mut out = String::new();
    let mut body = Body { picture };
    for declaration in RuleBodyParser::new(input, &mut body)
        .take(MAX_DECLARATIONS)
        .flatten()
    {
        if !out.is_empty() && !declaration.is_empty() {
            out.push(';');
        }
        out.push_str(&declaration);
    }
    out
}

struct Body<'p, 'f> {
    picture: &'p mut Picture<'f>,
}

impl<'i> DeclarationParser<'i> for Body<'_, '_> {
    type Declaration = String;
    type Error = ();

    fn parse_value(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
        _: &ParserState,
    ) -> Result<String, Failed> {
        let name = name.to_ascii_lowercase();
        let property = property(&name).ok_or_else(Failed::unexpected_token)?;
        if property == Property::Background {
            return background(input, self.picture);
        }
        let mut value = Value::new(property);
        value.tokens(input, 0, self.picture)?;
        value.finish(&name)
    }
}

impl QualifiedRuleParser<'_> for Body<'_, '_> {
    type Prelude = ();
    type QualifiedRule = String;
    type Error = ();
}

impl AtRuleParser<'_> for Body<'_, '_> {
    type Prelude = ();
    type AtRule = String;
    type Error = ();
}

impl RuleBodyItemParser<'_, String, ()> for Body<'_, '_> {
    fn parse_declarations(&self) -> bool {
        true
    }

    fn parse_qualified(&self) -> bool {
        false
    }
}

/// What a property's value is looked at for, beyond what holds for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Plain,
    /// Strings are names of fonts.
    Font,
    /// Nothing below zero, nothing computed: a negative margin covers what stands beside it.
    Margin,
    Display,
    Overflow,
    BackgroundImage,
    Background,
}

fn property(name: &str) -> Option<Property> {
    let family = |head: &str| {
        name.strip_prefix(head)
            .is_some_and(|tail| tail.is_empty() || tail.starts_with('-'))
    };
    Some(match name {
        "background" => Property::Background,
        "background-image" => Property::BackgroundImage,
        "display" => Property::Display,
        "overflow" => Property::Overflow,
        "font" | "font-family" => Property::Font,
        "color"
        | "background-color"
        | "background-repeat"
        | "background-position"
        | "background-size"
        | "font-size"
        | "font-style"
        | "font-weight"
        | "font-variant"
        | "font-stretch"
        | "line-height"
        | "letter-spacing"
        | "word-spacing"
        | "text-align"
        | "text-align-last"
        | "text-decoration"
        | "text-decoration-color"
        | "text-decoration-line"
        | "text-decoration-style"
        | "text-decoration-thickness"
        | "text-indent"
        | "text-overflow"
        | "text-shadow"
        | "text-transform"
        | "text-underline-offset"
        | "width"
        | "height"
        | "min-width"
        | "max-width"
        | "min-height"
        | "max-height"
        | "vertical-align"
        | "white-space"
        | "list-style"
        | "list-style-type"
        | "list-style-position"
        | "float"
        | "clear"
        | "opacity"
        | "direction"
        | "box-sizing"
        | "table-layout"
        | "word-break"
        | "overflow-wrap"
        | "word-wrap" => Property::Plain,
        _ if family("margin") => Property::Margin,
        _ if family("border-image") => return None,
        _ if family("padding") || family("border") => Property::Plain,
        _ => return None,
    })
}

/// A value being written from its tokens.
struct Value {
    property: Property,
    out: String,
    /// White space or a comment stood before the next token.
    space: bool,
    important: bool,
    terms: usize,
}

impl Value {
    fn new(property: Property) -> Self {
        Self {
            property,
            out: String::new(),
            space: false,
            important: false,
            terms: 0,
        }
    }

    fn finish(self, name: &str) -> Result<String, Failed> {
        if self.out.is_empty() || self.out.len() > 1_000 {
            return Err(Failed::unexpected_token());
        }
        let word = self.out.to_ascii_lowercase();
        let fits = match self.property {
            Property::Display => {
                ["block", "inline", "inline-block", "none", "list-item"].contains(&word.as_str())
                    || word.starts_with("table") && !word.contains(' ')
            }
            Property::Overflow => word == "hidden" || word == "auto",
            _ => true,
        };
        if !fits {
            return Err(Failed::unexpected_token());
        }
        let important = if self.important { "!important" } else { "" };
        Ok(format!("{name}:{}{important}", self.out))
    }

    fn write(&mut self, token: &Token<'_>) {
        self.push(&token.to_css_string());
    }

    /// Add a token. Two that stood side by side get a space between them, so that they stay two: `fixed.5em`
    /// is two tokens, `fixed0.5em` is one.
    fn push(&mut self, text: &str) {
        let after = self.out.is_empty() || self.out.ends_with(['(', ' ', ',']);
        let tight = self.out.ends_with(['/', '*']) || text.starts_with(['/', '*']);
        if !after && (self.space || !tight) {
            self.out.push(' ');
        }
        self.space = false;
        self.out.push_str(text);
    }

    fn tokens(
        &mut self,
        input: &mut Parser<'_>,
        depth: usize,
        picture: &mut Picture<'_>,
    ) -> Result<(), Failed> {
        let refuse = || Err(Failed::unexpected_token());
        while let Ok(token) = input.next_including_whitespace_and_comments() {
            let token = token.clone();
            if self.important && !matches!(token, Token::WhiteSpace(_) | Token::Comment(_)) {
                return refuse();
            }
            match &token {
                Token::WhiteSpace(_) | Token::Comment(_) => self.space = true,
                Token::Ident(word) if is_word(word) => self.write(&token),
                Token::Hash(word) | Token::IDHash(word) if is_hex_colour(word) => {
                    self.write(&token);
                }
                Token::Number { value, .. } => self.number(*value, &token)?,
                Token::Percentage { unit_value, .. } => {
                    self.number(*unit_value * 100.0, &token)?;
                }
                Token::Dimension { value, unit, .. } => {
                    if !is_unit(unit) {
                        return refuse();
                    }
                    self.number(*value, &token)?;
                }
                Token::Comma => {
                    self.space = false;
                    self.out.push(',');
                }
                Token::Delim('/') => self.write(&token),
                Token::Delim('+' | '-' | '*') if depth > 0 => self.write(&token),
                Token::Delim('!') if depth == 0 => {
                    input.expect_ident_matching("important")?;
                    self.important = true;
                }
                Token::QuotedString(text) if self.property == Property::Font && is_font(text) => {
                    self.write(&token);
                }
                Token::UnquotedUrl(address) if self.property == Property::BackgroundImage => {
                    self.picture(address, picture)?;
                }
                Token::Function(name) => self.function(name, input, depth, picture)?,
                Token::ParenthesisBlock if depth > 0 => {
                    self.nested("(", input, depth, picture)?;
                }
                _ => return refuse(),
            }
        }
        Ok(())
    }

    fn number(&mut self, value: f32, token: &Token<'_>) -> Result<(), Failed> {
        self.terms += 1;
        if !value.is_finite() || value.abs() > MAX_NUMBER || self.terms > 32 {
            return Err(Failed::unexpected_token());
        }
        if self.property == Property::Margin && value <= 0.0 {
            self.push("0");
        } else {
            self.write(token);
        }
        Ok(())
    }

    fn picture(&mut self, address: &str, picture: &mut Picture<'_>) -> Result<(), Failed> {
        let address = picture(address).ok_or_else(Failed::unexpected_token)?;
        self.push("url(");
        serialize_string(&address, &mut self.out).map_err(|_| Failed::unexpected_token())?;
        self.out.push(')');
        Ok(())
    }

    fn function(
        &mut self,
        name: &str,
        input: &mut Parser<'_>,
        depth: usize,
        picture: &mut Picture<'_>,
    ) -> Result<(), Failed> {
        let name = name.to_ascii_lowercase();
        if name == "url" && self.property == Property::BackgroundImage {
            let address = quoted_url(input)?;
            return self.picture(&address, picture);
        }
        let colour = COLOUR_FUNCTIONS.contains(&name.as_str());
        let sum = ["calc", "min", "max", "clamp"].contains(&name.as_str());
        if !colour && (!sum || self.property == Property::Margin) {
            return Err(Failed::unexpected_token());
        }
        let before = self.terms;
        self.nested(&format!("{name}("), input, depth, picture)?;
        if self.terms - before > MAX_TERMS {
            return Err(Failed::unexpected_token());
        }
        Ok(())
    }

    fn nested(
        &mut self,
        open: &str,
        input: &mut Parser<'_>,
        depth: usize,
        picture: &mut Picture<'_>,
    ) -> Result<(), Failed> {
        if depth >= MAX_NESTING {
            return Err(Failed::unexpected_token());
        }
        self.push(open);
        input.parse_nested_block(|inner| self.tokens(inner, depth + 1, picture))?;
        self.space = false;
        self.out.push(')');
        Ok(())
    }
}

const COLOUR_FUNCTIONS: &[&str] = &[
    "rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch",
];

/// `background` is a dozen properties in one; its colour and its picture are what a message needs.
fn background(input: &mut Parser<'_>, picture: &mut Picture<'_>) -> Result<String, Failed> {
    let mut colour = None;
    let mut image = None;
    let mut important = "";
    while let Ok(token) = input.next() {
        let token = token.clone();
        match &token {
            Token::Hash(word) | Token::IDHash(word) if is_hex_colour(word) => {
                colour = Some(token.to_css_string());
            }
            Token::Ident(word) if is_colour_word(word) => colour = Some(word.to_ascii_lowercase()),
            Token::UnquotedUrl(address) => image = picture(address),
            Token::Function(name) if name.eq_ignore_ascii_case("url") => {
                image = picture(&quoted_url(input)?);
            }
            Token::Function(name)
                if COLOUR_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) =>
            {
                let mut value = Value::new(Property::Plain);
                value.function(name, input, 0, picture)?;
                colour = Some(value.out);
            }
            Token::Delim('!') => {
                input.expect_ident_matching("important")?;
                important = "!important";
            }
            _ => {}
        }
    }
    let mut out = String::new();
    if let Some(colour) = colour {
        let _ = write!(out, "background-color:{colour}{important}");
    }
    if let Some(address) = image {
        if !out.is_empty() {
            out.push(';');
        }
        out.push_str("background-image:url(");
        serialize_string(&address, &mut out).map_err(|_| Failed::unexpected_token())?;
        out.push(')');
        out.push_str(important);
    }
    if out.is_empty() {
        return Err(Failed::unexpected_token());
    }
    Ok(out)
}

fn quoted_url(input: &mut Parser<'_>) -> Result<String, Failed> {
    input.parse_nested_block(|inner| {
        let address = inner.expect_string()?.to_string();
        inner.expect_exhausted()?;
        Ok(address)
    })
}

fn is_colour_word(word: &str) -> bool {
    word.eq_ignore_ascii_case("transparent")
        || word.eq_ignore_ascii_case("currentcolor")
        || cssparser::color::parse_named_color(word).is_ok()
}

fn is_hex_colour(word: &str) -> bool {
    matches!(word.len(), 3 | 4 | 6 | 8) && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A word that is written without an escape.
fn is_word(word: &str) -> bool {
    (1..=100).contains(&word.len())
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}

fn is_font(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '+' | '&'))
}

fn is_unit(unit: &str) -> bool {
    const UNITS: &[&str] = &[
        "px", "pt", "pc", "em", "rem", "ex", "ch", "cm", "mm", "in", "q", "vw", "deg",
    ];
    UNITS.contains(&unit.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(css: &str) -> String {
        attribute(css, &mut |_| None)
    }

    fn with_picture(css: &str) -> String {
        attribute(css, &mut |a| {
            a.starts_with("http").then(|| "/proxy".to_owned())
        })
    }

    #[test]
    fn ordinary_styles_stay() {
        for (css, want) in [
            ("color: red", "color:red"),
            ("COLOR:#FFF !important;", "color:#FFF!important"),
            (
                "font: bold 12px/1.5 'Segoe UI', Arial",
                "font:bold 12px/1.5 \"Segoe UI\",Arial",
            ),
            (
                "margin:0 auto;padding : 1px 2px",
                "margin:0 auto;padding:1px 2px",
            ),
            ("width:calc(100% - 20px)", "width:calc(100% - 20px)"),
            ("color:rgba(0, 0, 0, .5)", "color:rgba(0,0,0,0.5)"),
            ("background:#eee none repeat", "background-color:#eee"),
            ("display:table-cell", "display:table-cell"),
            ("border-left:1px solid #ccc", "border-left:1px solid #ccc"),
        ] {
            assert_eq!(clean(css), want, "{css}");
        }
    }

    #[test]
    fn everything_active_goes() {
        for css in [
            "position:fixed",
            "top:0",
            "z-index:9",
            "transform:scale(9)",
            "behavior:url(x)",
            "-moz-binding:url(x)",
            "--x:1",
            "color:var(--x)",
            "width:expression(alert(1))",
            "wi\\64th:exp\\72 ession(1)",
            "background-image:url(javascript:1)",
            "color:url(http://e)",
            "color:u\\72l(http://e)",
            "list-style:url('http://e')",
            "border-image:url(x)",
            "cursor:url(x)",
            "content:'x'",
            "content:attr(x)",
            "width:env(x)",
            "background-image:image-set('x' 1x)",
            "background-image:cross-fade(url(a),url(b))",
            "background-image:-webkit-image-set(url(x) 1x)",
            "background-image:element(#a)",
            "background-image:paint(a)",
            "background-image:src('x')",
            "width:calc(1px + 1px + 1px + 1px + 1px + 1px + 1px + 1px + 1px)",
            "display:flex",
            "display:grid",
            "overflow:scroll",
            "height:100vh",
            "width:1e9px",
            "color:'red'",
            "font-family:'\\3c/style'",
            "color:red} body{display:none",
            "filter:progid:DXImageTransform.Microsoft.Alpha(opacity=0)",
            "margin:calc(0px - 99px)",
            "color:\u{0}",
        ] {
            assert_eq!(clean(css), "", "{css}");
        }
    }

    #[test]
    fn negative_margins_are_nothing() {
        assert_eq!(clean("margin:-10px 5px -1em"), "margin:0 5px 0");
        assert_eq!(clean("margin-left:-100%"), "margin-left:0");
    }

    #[test]
    fn calc_may_have_eight_terms() {
        let sum = |n: usize| format!("width:calc({})", vec!["1px"; n].join(" + "));
        assert!(!clean(&sum(7)).is_empty());
        assert!(!clean(&sum(8)).is_empty());
        assert!(clean(&sum(9)).is_empty());
    }

    #[test]
    fn a_background_picture_needs_leave() {
        assert_eq!(clean("background-image:url(http://e/a.png)"), "");
        assert_eq!(
            with_picture("background-image:url( 'http://e/a.png' )"),
            "background-image:url(\"/proxy\")"
        );
        assert_eq!(
            with_picture("background: red url(http://e/a) no-repeat"),
            "background-color:red;background-image:url(\"/proxy\")"
        );
        assert_eq!(with_picture("background:url(data:x)"), "");
    }

    #[test]
    fn one_bad_declaration_does_not_take_the_next() {
        assert_eq!(
            clean("position:fixed;color:red;x:y;;float:left"),
            "color:red;float:left"
        );
    }

    #[test]
    fn sheets_are_scoped() {
        let out = |css: &str| sheet(css, None, "m-", &mut |_| None);
        assert_eq!(out("td{color:red}"), ".pm-m-root td{color:red}");
        assert_eq!(
            out("<!-- body, .a > #b:hover { margin: 0 } -->"),
            ".pm-m-root,.pm-m-root .m-a>#m-b:hover{margin:0}"
        );
        assert_eq!(
            out("@media only screen and (max-width:600px){.w{width:100%!important}}"),
            "@media only screen and (max-width:600px){.pm-m-root .m-w{width:100%!important}}"
        );
        assert_eq!(
            out("@media (prefers-color-scheme: dark){p{color:#fff}}"),
            "@media (prefers-color-scheme:dark){.pm-m-root p{color:#fff}}"
        );
        for gone in [
            "@import url(http://e);",
            "@import 'x';",
            "@font-face{font-family:x;src:url(y)}",
            "@namespace x url(y);",
            "@keyframes a{from{color:red}}",
            "@supports (color:red){p{color:red}}",
            "@layer a{p{color:red}}",
            "@container (width>1px){p{color:red}}",
            "@property --x{syntax:'*'}",
            "@media (hover){p{color:red}}",
            "a[href^='x']{color:red}",
            "p::before{color:red}",
            "p:has(a){color:red}",
            "p{position:fixed}",
            "{color:red}",
        ] {
            assert_eq!(out(gone), "", "{gone}");
        }
        assert_eq!(out("@import 'x'; p{color:red}"), ".pm-m-root p{color:red}");
    }

    #[test]
    fn scoping_twice_is_scoping_once() {
        let css = "html body .x{color:red} body>p{color:red} .m-y #z{color:red} *{color:red}
            @media print{h1,h2{color:#000}}";
        let once = sheet(css, None, "m-", &mut |_| None);
        assert_eq!(sheet(&once, None, "m-", &mut |_| None), once);
        assert!(
            once.contains(".pm-m-root .m-x{") && once.contains(".pm-m-root>p{"),
            "{once}"
        );
    }
}
