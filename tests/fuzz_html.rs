//! Fuzzing of everything that reads a message's HTML, styles, text and names. A few seconds each under
//! `cargo test`; the same targets run for hours under `cargo bolero`.

use std::time::{Duration, Instant};

use postamt::format::html::{
    CleanOptions, FrameOptions, Purpose, TextOptions, clean, content_disposition, document,
    html_to_text, html_to_words, inline_type, safe_filename, sniff, text_document, visible,
};

#[path = "hostile_mail/markup.rs"]
mod markup;

const FUZZ_TIME: Duration = Duration::from_secs(3);
/// A slow input is a failure; inputs are a few kilobytes, the build is not optimised.
const SLOW: Duration = Duration::from_secs(5);

/// Bytes as markup: half of the values stand for whole pieces, so that tags come about.
fn as_markup(bytes: &[u8]) -> String {
    const PIECES: &[&str] = &[
        "<div>",
        "</div>",
        "<p ",
        ">",
        "<a href='",
        "'",
        "\"",
        "<b>",
        "</b>",
        "<table>",
        "</table>",
        "<tr>",
        "<td>",
        "<style>",
        "</style>",
        "{",
        "}",
        "<svg>",
        "</svg>",
        "<math>",
        "<mtext>",
        "<img src='",
        "https://a.example/",
        "javascript:",
        "data:image/png;base64,",
        "cid:",
        "<!--",
        "-->",
        "&#",
        "&lt;",
        " style=\"",
        "color:red;",
        "background:url(",
        ")",
        "calc(",
        "@media ",
        "<select>",
        "<option>",
        "<template>",
        "<form>",
        "</form>",
        "<li>",
        "<ul>",
        "<pre>",
        "\n",
        " class='",
        " id=x",
        " width=1 ",
        " height=1 ",
        "<script>",
        "</script>",
        "<title>",
        "<textarea>",
        "<noscript>",
        "<h1>",
        "<h2>",
        "</a>",
        "<i>",
        "</i>",
        "<font color=",
        "<br>",
        "<![CDATA[",
        "]]>",
        "www.bank.com",
    ];
    let mut out = String::new();
    for b in bytes {
        match PIECES.get(usize::from(*b) % 128) {
            Some(piece) if *b >= 64 => out.push_str(piece),
            _ => out.push(char::from(*b)),
        }
    }
    out
}

fn examine(html: &str) {
    let start = Instant::now();
    for purpose in [Purpose::Read, Purpose::Edit, Purpose::Send] {
        let opts = CleanOptions::new(purpose);
        let once = clean(html, &opts);
        assert_eq!(clean(&once.html, &opts).html, once.html, "{html:?}");
        if purpose == Purpose::Read {
            markup::assert_harmless(&once.html);
            let page = document(&once, &FrameOptions::default());
            assert!(page.ends_with("</body></html>\n"));
        }
    }
    assert!(html_to_text(html).len() <= html.len() * 8 + 1_000);
    assert!(!html_to_words(html).contains('\n'));
    assert!(start.elapsed() < SLOW, "{:?}: {html:?}", start.elapsed());
}

#[test]
fn markup_of_pieces() {
    bolero::check!()
        .with_test_time(FUZZ_TIME)
        .for_each(|bytes: &[u8]| examine(&as_markup(bytes)));
}

#[test]
fn any_bytes() {
    bolero::check!()
        .with_test_time(FUZZ_TIME)
        .for_each(|bytes: &[u8]| examine(&String::from_utf8_lossy(bytes)));
}

#[test]
fn styles() {
    bolero::check!()
        .with_test_time(FUZZ_TIME)
        .for_each(|bytes: &[u8]| {
            let css = String::from_utf8_lossy(bytes);
            examine(&format!("<style>{css}</style>x"));
            examine(&format!(
                "<p style=\"{}\">x",
                css.replace('&', "&amp;").replace('"', "&quot;")
            ));
        });
}

#[test]
fn texts_and_names() {
    bolero::check!()
        .with_test_time(FUZZ_TIME)
        .for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for flowed in [false, true] {
                let opts = TextOptions {
                    flowed,
                    delsp: flowed,
                    ..TextOptions::default()
                };
                let page = text_document(&text, &opts, &FrameOptions::default());
                assert!(!page.contains("<script"), "{page}");
            }
            assert!(!visible(&text).chars().any(char::is_control));
            let name = safe_filename(&text);
            assert!((1..=200).contains(&name.len()) && !name.contains(['/', '\\', '\0']));
            assert!(content_disposition(&text, true).is_ascii());
            if sniff(bytes).is_none() {
                assert_eq!(inline_type("image/png", bytes), None);
            }
        });
}
