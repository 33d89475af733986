//! The limits of the cleaner at n-1, n and n+1, and that none of them takes long to reach (S-11, S-12).

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use postamt::format::html::{
    CleanOptions, Cleaned, MAX_ATTRIBUTES, MAX_DEPTH, MAX_NODES, Purpose, clean, html_to_text,
};

use crate::{PNG, harmless, read};

/// Generous, because the build is not optimised. Anything quadratic takes longer.
const SOON: Duration = Duration::from_secs(10);

/// Time that this thread has had the processor, where the system tells (Linux); else the time of day. A busy
/// machine must not fail a test.
fn spent() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| START.elapsed(), Duration::from_nanos)
}

#[track_caller]
fn quickly(html: &str) -> Cleaned {
    let start = spent();
    let cleaned = harmless(html);
    let text = html_to_text(html);
    assert!(text.len() <= html.len() * 4 + 100);
    let took = spent().saturating_sub(start);
    let head: String = html.chars().take(60).collect();
    assert!(took < SOON, "{took:?} for {} bytes: {head}", html.len());
    cleaned
}

#[test]
fn depth() {
    // `html`, `body` and the element around the message count.
    let deep = |n: usize| read(&"<div>".repeat(n - 3)).too_complex;
    assert!(!deep(MAX_DEPTH - 1));
    assert!(!deep(MAX_DEPTH));
    assert!(deep(MAX_DEPTH + 1));
}

#[test]
fn nodes() {
    // 20 nodes are kept free for what stands around the message.
    let wide = |n: usize| read(&"<br>".repeat(n)).too_complex;
    assert!(!wide(MAX_NODES - 20));
    assert!(wide(MAX_NODES + 1));
}

#[test]
fn attributes_of_one_tag() {
    let wide = |n: usize| {
        let names: Vec<String> = (0..n).map(|i| format!("a{i}=x")).collect();
        read(&format!("<p {}>x", names.join(" "))).too_complex
    };
    assert!(!wide(MAX_ATTRIBUTES - 1));
    assert!(!wide(MAX_ATTRIBUTES));
    assert!(wide(MAX_ATTRIBUTES + 1));
}

#[test]
fn length() {
    let opts = CleanOptions {
        max_bytes: 10,
        ..CleanOptions::new(Purpose::Read)
    };
    let cut = |text: &str| {
        let cleaned = clean(text, &opts);
        (cleaned.html.contains(text), cleaned.cut)
    };
    assert_eq!(cut("123456789"), (true, false));
    assert_eq!(cut("1234567890"), (true, false));
    assert_eq!(cut("12345678901"), (false, true));
    assert_eq!(cut("123456789ä"), (false, true));
}

#[test]
fn pictures_in_addresses() {
    let sized = |bytes: usize| {
        let body = format!("{}{}", &PNG[..24], "A".repeat(bytes / 3 * 4 - 24));
        let cleaned = harmless(&format!("<img src='data:image/png;base64,{body}'>"));
        cleaned.html.contains("data:")
    };
    assert!(sized(256 * 1024 - 4));
    assert!(sized(256 * 1024 - 1));
    assert!(!sized(256 * 1024 + 2));
}

#[test]
fn five_thousand_nested_divs() {
    let cleaned = quickly(&format!(
        "{}x{}",
        "<div>".repeat(5_000),
        "</div>".repeat(5_000)
    ));
    assert!(cleaned.too_complex);
    assert_eq!(cleaned.html, "");
    let text = html_to_text(&format!("{}Hallo", "<div>".repeat(5_000)));
    assert_eq!(text, "Hallo");
}

fn many(part: &str) -> String {
    part.repeat(80_000 / part.len())
}

fn numbered(n: usize, one: impl Fn(usize) -> String) -> String {
    (0..n).map(one).collect()
}

#[test]
fn markup_is_never_quadratic() {
    let attributes = numbered(60_000, |i| format!("a{i} "));
    for html in [
        many("<div>"),
        many("<p><b>"),
        many("<a href=x>"),
        many("<table>"),
        many("<table><tr><td>"),
        many("<table><p>"),
        many("<table>x"),
        many("</p>"),
        many("</b>"),
        many("<b></p>"),
        many("<svg>"),
        many("<svg><g>"),
        many("<select><option>"),
        many("<template>"),
        many("<ruby><rt>"),
        many("<li><ul>"),
        many("<"),
        many("<!--"),
        many("&"),
        many("&amp"),
        many("<a b='"),
        many("<a title=\""),
        many("<style>"),
        many("<font color=a><font color=b>"),
        format!("<p {attributes}>x"),
        format!("<p title=\"<\" {attributes}>x"),
        format!("<!-- <a b=\" --><p {attributes}>x"),
        format!("<p x={attributes:?}>x"),
        numbered(20_000, |i| format!("<b id=i{i}>")),
        numbered(10_000, |i| format!("<div><b id=i{i}></div>")),
        format!(
            "<div><b style=\"{}\"></div>{}",
            "color:red;".repeat(1_500),
            many("<p>x")
        ),
        format!("<div><a title=\"{}\"></div>{}", many("x"), many("<p>x")),
        format!(
            "{}{}",
            numbered(480, |i| format!("<b id=i{i} class=c{i} lang=de dir=ltr>")),
            many("<b id=x></b>")
        ),
    ] {
        quickly(&html);
    }
}

#[test]
fn styles_and_links_are_never_quadratic() {
    let rules = numbered(15_000, |i| format!(".c{i}{{color:red}}"));
    let selectors = numbered(30_000, |i| format!(".c{i},"));
    for html in [
        many("<td style='color:red'>x</td>"),
        many("<p style='color:red'>x"),
        format!("<style>{rules}</style>x"),
        format!("<style>{selectors}p{{color:red}}</style>x"),
        format!("<style>{}</style>x", many("{")),
        format!("<style>{}</style>x", many("@media all{")),
        format!("<style>p{{width:{}</style>x", many("calc(")),
        format!("<style>p{{{}</style>x", many("a:(")),
        format!("<style>p{{{}</style>x", many("color:red;")),
        format!("<p style='width:{}'>x", many("(")),
        format!("<p style='{}'>x", many("color:red;")),
        format!("<a href='https://evil.example'>{}</a>", many("bank.com ")),
        format!("<a href='{}'>x</a>", many("http://a ")),
        many("<a href='https://evil.example'>bank.com</a>"),
        format!(
            "<img src='data:image/png;base64,{}'>",
            many("iVBORw0KGgoAAAAN/")
        ),
        format!("<p class='{}'>x", many("a ")),
    ] {
        quickly(&html);
    }
}

#[test]
fn huge_tables_keep_sane_spans() {
    let cleaned = harmless("<table><tr><td colspan=99999 rowspan=65534>x</table>");
    assert!(
        cleaned
            .html
            .contains("<td colspan=\"1000\" rowspan=\"1000\">"),
        "{}",
        cleaned.html
    );
    let big = format!("<table>{}</table>", "<tr><td>a<td>b<td>c".repeat(5_000));
    let cleaned = quickly(&big);
    assert!(!cleaned.too_complex);
    assert_eq!(cleaned.html.matches("<tr>").count(), 5_000);
}
