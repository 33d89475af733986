//! Properties of the cleaner over generated mail: clean twice is clean once, what comes out parses to itself,
//! nothing forbidden comes out, and text bodies stay text.

use postamt::format::html::{
    CleanOptions, Purpose, TextOptions, clean, html_to_text, html_to_words, text_to_html,
};
use proptest::prelude::*;

use crate::markup::{ATTRIBUTES, ELEMENTS, assert_harmless, complaint};

/// Pieces that hostile mail is made of, to be put together at random; one a line.
const PIECES: &str = r#"<div>
</div>
<p>
</p>
<b>
</b>
<i class='x y'>
</i>
<a href='https://a.example/?q=1&b'>
</a>
<a>
<table>
</table>
<tr>
<td width=10>
</td>
</tr>
<caption>
<col>
<colgroup>
<tbody>
<ul>
<li>
</li>
</ul>
<dl>
<dt>
<dd>
<h1>
<h2>
</h1>
<pre>
</pre>
<ruby>
<rt>
<rp>
<br>
<hr>
</br>
<blockquote>
</blockquote>
<font color=red size=7>
</font>
<center>
<details>
<summary>
</details>
<marquee>
</marquee>
<foo>
</foo>
<nobr>
<svg>
</svg>
<math>
<mtext>
<mglyph>
<foreignObject>
<desc>
<annotation-xml encoding='text/html'>
</math>
<style>
</style>
<style>p{color:red}
<script>
</script>
<template>
</template>
<select>
<option>
</select>
<textarea>
</textarea>
<title>
</title>
<xmp>
</xmp>
<noscript>
</noscript>
<iframe>
</iframe>
<noembed>
</noembed>
<plaintext>
<form>
</form>
<button>
</button>
<object>
</object>
<applet>
<input type=hidden>
<frameset>
<frame>
<body onload=x style='color:red'>
</body>
<html lang=de dir=rtl>
</html>
<head>
</head>
<base href=//x>
<meta http-equiv=refresh>
<img src=x onerror=alert(1)>
<img src='https://a.example/p.png' width=9>
<img src=cid:x>
<image src=y>
<img src='https://t.example/1' width=1 height=1>
<!--
-->
--!>
<![CDATA[
]]>
<!doctype html>
<?pi?>
<a href='javascript:x'>
<a href='https://evil.example'>www.bank.com</a>
<a name=n id=i>
<span class='pm-link-warning'>
<div class='pm-m-root'>
<div class='m-x' id='m-y'>
<blockquote type=cite>
<div class=gmail_quote>
<div id=divRplyFwdMsg>
<details class=pm-fold>
<summary class=pm-fold-label>
</span>
style='position:fixed'
title="
'
"
>
<
</
&
&lt;
&#0;
&#13;
&nbsp;
&#x3c;
x
ä
`
=
/
text www.a.example
<p style="background:url('https://a.example/b')">
<td background='https://a.example/c'>
<p style='margin:-1px;width:calc(1px + 2px);font-family:"a"'>
<p style='color:red;;x'>
<style>body .a,td>#b:hover{margin:-1px}@media(max-width:9px){*{color:red!important}}</style>
<style media=print>p{font:12px/1 'x y'}</style>
<style>@import 'x';.\61{color:r\65 d}</style>"#;

fn soup() -> impl Strategy<Value = String> {
    let pieces: Vec<&str> = PIECES.lines().collect();
    let white = prop::sample::select(vec![
        " ", "\t", "\n", "\r", "\r\n", "\u{c}", "\u{0}", "\u{feff}", "\u{202e}",
    ]);
    let piece = prop_oneof![
        20 => prop::sample::select(pieces).prop_map(str::to_owned),
        3 => white.prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|parts| parts.concat())
}

fn declaration() -> impl Strategy<Value = String> {
    const NAMES: &str = "color background background-image margin width font font-family position display \
        overflow b\\61ckground --x border COLOR";
    const VALUES: &str = "red #fff url(x) u\\72l(x) URL('x') expression(x) calc(1px+2px) -3px 1e9px 'x' \"y ( ) { } \
        [ ] ; !important /**/ <!-- </style> \\ \\3c var(--x) rgba(1,2,3,.4) rgb(1,2 -webkit-x 1px .5em +1 1\\70x 1e3 \
        50% , / * image-set('x') Arial \u{0} \n a\\ 99vh fixed none table-cell auto hidden";
    let names: Vec<&str> = NAMES.split_ascii_whitespace().collect();
    let values: Vec<&str> = VALUES.split(' ').collect();
    (
        prop::sample::select(names),
        prop::collection::vec(prop::sample::select(values), 0..8),
        prop::bool::ANY,
    )
        .prop_map(|(name, values, spaced)| {
            format!("{name}:{}", values.join(if spaced { " " } else { "" }))
        })
}

fn again(html: &str, purpose: Purpose) -> (String, String) {
    let opts = CleanOptions {
        fold_label: "…",
        ..CleanOptions::new(purpose)
    };
    let once = clean(html, &opts).html;
    let twice = clean(&once, &opts).html;
    (once, twice)
}

/// Parse and write again by another program with the same tables.
fn by_ammonia(html: &str) -> String {
    ammonia::Builder::new()
        .tags(ELEMENTS.split_ascii_whitespace().collect())
        .generic_attributes(ATTRIBUTES.split_ascii_whitespace().collect())
        .clean_content_tags(std::collections::HashSet::new())
        .url_schemes(["http", "https", "mailto", "tel", "data"].into())
        .url_relative(ammonia::UrlRelative::PassThrough)
        .link_rel(None)
        .clean(html)
        .to_string()
}

/// Quotation marks in text may be written as they are. The line feed that a parser eats after `<pre>` is doubled
/// by us only.
fn plainly_escaped(html: &str) -> String {
    let mut html = html
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#13;", "\r");
    while html.contains(">\n\n") {
        html = html.replace(">\n\n", ">\n");
    }
    html
}

fn tag() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["<p>", "<b>", "<br>", "<div>", "<li>", "<h2>"])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn cleaning_twice_is_cleaning_once(html in soup()) {
        for purpose in [Purpose::Read, Purpose::Edit, Purpose::Send] {
            let (once, twice) = again(&html, purpose);
            prop_assert_eq!(&once, &twice, "{:?} of {:?}", purpose, html);
        }
    }

    #[test]
    fn another_cleaner_finds_nothing_to_do(html in soup()) {
        let out = clean(&html, &CleanOptions::new(Purpose::Read)).html;
        let out = out.split_once("</style>").map_or(out.as_str(), |(_, body)| body);
        prop_assert_eq!(plainly_escaped(&by_ammonia(out)), plainly_escaped(out), "of {:?}", html);
    }

    #[test]
    fn nothing_forbidden_comes_out(html in soup()) {
        let cleaned = clean(&html, &CleanOptions::new(Purpose::Read));
        prop_assert!(!cleaned.too_complex, "{:?}", html);
        let complaint = complaint(&cleaned.html);
        prop_assert!(complaint.is_none(), "{:?} of {:?} in {}", complaint, html, cleaned.html);
    }

    #[test]
    fn styles_settle_and_stay_harmless(declarations in prop::collection::vec(declaration(), 0..6)) {
        let css = declarations.join(";");
        let attribute = css.replace('&', "&amp;").replace('"', "&quot;");
        for html in [
            format!("<p style=\"{attribute}\">x"),
            format!("<style>p{{{css}}}</style>x"),
            format!("<style>{css}{{color:red}}</style>x"),
        ] {
            let (once, twice) = again(&html, Purpose::Read);
            assert_harmless(&once);
            prop_assert_eq!(&once, &twice, "{}", html);
        }
    }

    #[test]
    fn text_stays_text(
        text in "\\PC{0,80}|([>< \n\"'&@.:/]|http://|www\\.|mailto:|-- |[a-z]{1,5}){0,60}",
        flowed: bool,
    ) {
        let opts = TextOptions { flowed, ..TextOptions::default() };
        let mut html = text_to_html(&text, &opts)
            .replace("<div class=\"pm-t\">", "<div>")
            .replace("<div class=\"sig\">", "<div>")
            .replace(" class=\"pm-fold\"", "");
        for level in 1..=5 {
            html = html.replace(&format!("<blockquote class=\"q{level}\">"), "<blockquote>");
        }
        let complaint = complaint(&html);
        prop_assert!(complaint.is_none(), "{:?} of {:?} in {}", complaint, text, html);
    }

    #[test]
    fn words_of_a_message_survive(
        words in prop::collection::vec("[a-zäöü]{1,8}", 1..20),
        tags in prop::collection::vec(tag(), 20),
    ) {
        let parts: Vec<String> = words.iter().zip(&tags).map(|(w, t)| format!("{t}{w} ")).collect();
        let html = parts.concat();
        prop_assert_eq!(html_to_words(&html), words.join(" "));
        for word in &words {
            prop_assert!(html_to_text(&html).contains(word.as_str()));
        }
    }
}
