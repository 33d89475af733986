//! Mail that attacks its reader: the set of `design/ui.md` 14.6 and `reference/security.md` section 6.
//!
//! What comes out is judged by a reader of its own (`markup`), not by the cleaner's tree.

use postamt::format::html::{CleanOptions, Cleaned, Purpose, Remote, clean, quote_html};

mod limits;
mod markup;
mod properties;

fn read(html: &str) -> Cleaned {
    clean(html, &CleanOptions::new(Purpose::Read))
}

#[track_caller]
fn harmless(html: &str) -> Cleaned {
    let cleaned = read(html);
    markup::assert_harmless(&cleaned.html);
    cleaned
}

#[test]
fn scripts_and_handlers_are_gone() {
    for html in [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<img src=x oNeRrOr=alert(1)//",
        "<body onload=alert(1)>",
        "<details open ontoggle=alert(1)>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"jav&#x09;ascript:alert(1)\">x</a>",
        "<a href=\"&#1;javascript:alert(1)\">x</a>",
        "<a href=' javascript:alert(1)'>x</a>",
        "<a href='vbscript:x'>x</a>",
        "<a href='data:text/html;base64,PHNjcmlwdD4='>x</a>",
        "<a href=x ping=//evil.example>x</a>",
        "<img srcset='http://evil.example/a 1x' src=x>",
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "<div is=x-y popover contenteditable autofocus tabindex=1 accesskey=x draggable=true>x</div>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<svg><script>alert(1)</script></svg>",
        "<svg/onload=alert(1)>",
        "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
        "<template><script>alert(1)</script></template>",
        "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
        "<textarea><p title=\"</textarea><img src=x onerror=alert(1)>\">",
        "<title><p title=\"</title><img src=x onerror=alert(1)>\">",
        "<select><style></select><img src=x onerror=alert(1)></style>",
        "<!--><img src=x onerror=alert(1)>-->",
        "<!--!><img src=x onerror=alert(1)>--!>",
        "<![CDATA[<img src=x onerror=alert(1)>]]>",
        "<?xml-stylesheet href='javascript:alert(1)'?>",
        "<a style=\"behavior:url(#default#time2)\" onbegin=alert(1)>",
        "<plaintext><img src=x onerror=alert(1)>",
        "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
        "<object data=javascript:alert(1)><embed src=javascript:alert(1)>",
        "<video><source onerror=alert(1)></video><audio src=x onerror=alert(1)>",
        "<marquee onstart=alert(1)>x</marquee>",
        "<isindex action=javascript:alert(1) type=image>",
        "<table background=javascript:alert(1)><td background='javascript:x'>",
        "<img src=\"x` `<script>alert(1)</script>\"` `>",
        "<a href='http://a/?\"><script>alert(1)</script>'>x</a>",
        "<p title='\"><script>alert(1)</script>'>x",
        "<portal src=x><dialog open>x</dialog><slot onslotchange=x>",
        "\u{feff}<script>alert(1)</script>",
        "<\u{0}script>alert(1)</\u{0}script>",
        "<math><mi><select><mi><select><a><b><mi><b><xmp><a><mi><select><b><mi></xmp><svg onload=x>",
        "<table><caption><svg><desc><table><caption></table><a title=\"</desc><img src onerror=x>\">",
        "<svg><foreignobject><p><style><!--</style><img src onerror=alert(1)>--></style>",
    ] {
        let cleaned = harmless(html);
        assert!(
            !cleaned.html.contains("<script"),
            "{html}: {}",
            cleaned.html
        );
    }
}

#[test]
fn base_form_and_refresh_do_nothing() {
    let cleaned = harmless(
        "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example'>\
         <link rel=stylesheet href='https://evil.example/x.css'><form action='https://evil.example'>\
         <input name=password><button>Anmelden</button></form><a href='relative'>x</a><p>Text</p>",
    );
    assert!(cleaned.html.contains("<p>Text</p>"));
    assert!(!cleaned.html.contains("evil"), "{}", cleaned.html);
    assert!(!cleaned.html.contains("href"), "{}", cleaned.html);
}

#[test]
fn nothing_covers_the_page() {
    let cleaned = harmless(
        "<style>.x{position:fixed;inset:0;z-index:9999;transform:scale(9);color:red}</style>\
         <div class=x style='position:absolute;top:0;left:0;width:100%;margin:-500px;opacity:.5'>x</div>",
    );
    assert!(
        cleaned.html.contains(".pm-m-root .m-x{color:red}"),
        "{}",
        cleaned.html
    );
    assert!(
        cleaned
            .html
            .contains("style=\"width:100%;margin:0;opacity:0.5\""),
        "{}",
        cleaned.html
    );
}

#[test]
fn styles_load_nothing() {
    let cleaned = harmless(
        "<style>@import url(https://evil.example/a.css);@import 'https://evil.example/b.css';\
         @font-face{font-family:x;src:url(https://evil.example/f)}\
         p{background:url(https://evil.example/bg.png)}\
         p::after{content:url(https://evil.example/c)}\
         p{list-style-image:url(https://evil.example/l)}\
         </style><p style='background-image:u\\72l(https://evil.example/d.png);cursor:url(https://evil.example/e)'>x</p>",
    );
    assert!(!cleaned.html.contains("evil"), "{}", cleaned.html);
    assert_eq!(
        cleaned.remote_pictures,
        ["https://evil.example/bg.png", "https://evil.example/d.png"]
    );
    assert_eq!(cleaned.blocked_count, 2);
}

#[test]
fn a_style_sheet_cannot_end_its_element() {
    let cleaned = harmless(
        "<style>p{font-family:'</style><script>alert(1)</script>'}</style>\
         <style>.\\3c\\2fstyle\\3e{color:red} p{color:red;font-family:\"\\3c/style>\"}</style><p>x",
    );
    assert_eq!(
        cleaned.html.matches("</style").count(),
        1,
        "{}",
        cleaned.html
    );
}

#[test]
fn remote_pictures_wait_for_consent() {
    let html = "<img src='https://a.example/1.png' width=100 height=50 alt=Logo>\
        <img src='https://a.example/1.png'><IMG SRC='HTTP://b.example/2.gif'>\
        <img src='//c.example/x'><img src='\\\\c.example\\x'><img src='ftp://c.example/x'>";
    let blocked = harmless(html);
    assert_eq!(
        blocked.remote_pictures,
        ["https://a.example/1.png", "http://b.example/2.gif"]
    );
    assert_eq!(blocked.blocked_count, 3);
    assert!(!blocked.html.contains("src="), "{}", blocked.html);
    let placeholder = "<span class=\"pm-blocked\" style=\"width:100px;height:50px\">Logo</span>";
    assert!(blocked.html.contains(placeholder), "{}", blocked.html);

    let map = |url: &str| Some(format!("/mail/m/1/remote/{}", url.len()));
    let opts = CleanOptions {
        remote: Remote::Allow(&map),
        ..CleanOptions::new(Purpose::Read)
    };
    let allowed = clean(html, &opts);
    assert_eq!(allowed.blocked_count, 0);
    assert_eq!(allowed.html.matches("src=\"/mail/m/1/remote/").count(), 3);
    assert!(!allowed.html.contains("a.example"), "{}", allowed.html);
}

#[test]
fn trackers_never_load() {
    let map = |_: &str| Some("/proxied".to_owned());
    let opts = CleanOptions {
        remote: Remote::Allow(&map),
        ..CleanOptions::new(Purpose::Read)
    };
    for tiny in [
        "width=1 height=1",
        "width=2 height=2",
        "width=0 height=0",
        "height=1",
        "width=1",
        "style='width:1px;height:1px'",
        "style='width:1px!important;height:2px!important' width=500 height=500",
        "width='1px' height='1px'",
    ] {
        let cleaned = clean(
            &format!("<img src='https://t.example/p.gif' {tiny}>"),
            &opts,
        );
        assert_eq!(cleaned.trackers, 1, "{tiny}");
        assert!(!cleaned.html.contains("img"), "{tiny}: {}", cleaned.html);
        assert!(cleaned.remote_pictures.is_empty());
    }
    for visible in [
        "width=3 height=3",
        "width=600 height=1",
        "width=2 height=3",
        "width=100% height=1",
        "",
    ] {
        let cleaned = clean(
            &format!("<img src='https://t.example/p.gif' {visible}>"),
            &opts,
        );
        assert_eq!(
            (cleaned.trackers, cleaned.remote_pictures.len()),
            (0, 1),
            "{visible}"
        );
    }
}

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn pictures_in_addresses_are_checked() {
    let kept = harmless(&format!("<img src='data:image/png;base64,{PNG}'>"));
    assert!(
        kept.html.contains("src=\"data:image/png;base64,iVBOR"),
        "{}",
        kept.html
    );
    for bad in [
        format!("data:image/svg+xml;base64,{PNG}"),
        "data:image/svg+xml,<svg onload=alert(1)>".to_owned(),
        format!("data:image/png,{PNG}"),
        format!("data:text/html;base64,{PNG}"),
        "data:image/png;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+".to_owned(),
        "data:image/png;base64,iVBOR\"onerror=alert(1)".to_owned(),
    ] {
        let cleaned = harmless(&format!("<p>x<img src='{bad}'></p>"));
        assert!(!cleaned.html.contains("data:"), "{bad}: {}", cleaned.html);
    }
}

#[test]
fn parts_are_found_by_their_content_id() {
    let find = |id: &str| (id == "logo@a.example").then(|| "/mail/m/7/part/2".to_owned());
    let opts = CleanOptions {
        cid: &find,
        ..CleanOptions::new(Purpose::Read)
    };
    let cleaned = clean(
        "<img src='cid:logo%40a.example'><img src=cid:other alt=x><a href='cid:logo@a.example'>y</a>",
        &opts,
    );
    assert!(cleaned.html.contains("src=\"/mail/m/7/part/2\""));
    assert!(cleaned.html.contains("<span class=\"pm-blocked\">x</span>"));
    assert!(cleaned.html.contains("href=\"/mail/m/7/part/2\""));
    assert_eq!(cleaned.blocked_count, 0);
}

#[test]
fn a_link_that_names_another_host_is_marked() {
    let opts = CleanOptions {
        link_warning: "führt zu {host}",
        ..CleanOptions::new(Purpose::Read)
    };
    let cleaned = clean(
        "<p><a href='https://evil.example/x'>https://www.bank.example/</a> ok",
        &opts,
    );
    assert_eq!(cleaned.suspicious_links, 1);
    assert!(cleaned.html.contains("</a><span class=\"pm-link-warning\""));
    assert!(cleaned.html.contains(">führt zu evil.example</span>"));
    let honest = read(
        "<a href='https://www.bank.example/x'>bank.example</a> <a href='https://a.example'>hier</a>",
    );
    assert_eq!(honest.suspicious_links, 0);
}

#[test]
fn a_message_cannot_forge_or_hide_our_marks() {
    let cleaned = harmless(
        "<style>.pm-link-warning,span{display:none!important}</style>\
         <span class='pm-link-warning'>führt zu bank.example</span>\
         <div class='pm-fold pm-blocked x'>y</div><a href='https://evil.example'>bank.com</a>",
    );
    assert!(!cleaned.html.contains("bank.example"), "{}", cleaned.html);
    assert!(cleaned.html.contains("<div class=\"m-x\">y</div>"));
    assert!(cleaned.html.contains("display:inline!important"));
}

#[test]
fn links_open_outside_and_tell_nothing() {
    let cleaned = harmless(
        "<a href='https://a.example/' target=_top rel=opener>x</a><a href='#s'>y</a><a name=s>z</a>",
    );
    let link = "<a href=\"https://a.example/\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">x</a>";
    assert!(cleaned.html.contains(link), "{}", cleaned.html);
    let inside = "<a href=\"#m-s\">y</a><a id=\"m-s\">z</a>";
    assert!(cleaned.html.contains(inside), "{}", cleaned.html);
}

#[test]
fn ids_and_classes_cannot_shadow_ours() {
    let cleaned =
        harmless("a<div id=pm class='pm-m-root toolbar'><form id=x></form><p id=getElementById>t");
    assert!(
        cleaned
            .html
            .contains("<div class=\"m-toolbar\" id=\"m-pm\"><p id=\"m-getElementById\">"),
        "{}",
        cleaned.html
    );
}

#[test]
fn direction_tricks_in_link_texts_are_seen_through() {
    for text in [
        "ba\u{200b}nk.com",
        "\u{202e}moc.knab\u{202c} bank.com",
        "ｂａｎｋ．com",
    ] {
        let cleaned = harmless(&format!("<a href='https://evil.example'>{text}</a>"));
        assert_eq!(cleaned.suspicious_links, 1, "{text:?}");
    }
}

#[test]
fn ordinary_newsletters_keep_their_look() {
    let cleaned = harmless(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\"><html lang=de><head><title>T</title>\
         <style type='text/css'>body{background:#f4f4f4} .btn{background-color:#c00;padding:8px 12px}\
         @media only screen and (max-width:600px){.w{width:100%!important}}</style></head>\
         <body bgcolor='#eeeeee' style='margin:0'><!--[if mso]><table><![endif]-->\
         <center><table class=w width=600 cellpadding=0 cellspacing=0 border=0 align=center><tr>\
         <td bgcolor=#ffffff style='padding:20px;font-family:Arial,sans-serif'><h1>Hallo</h1>\
         <a class=btn href='https://shop.example/?a=1&amp;b=2' style='color:#fff;text-decoration:none'>Kaufen</a>\
         <o:p>&nbsp;</o:p></td></tr></table></center></body></html>",
    );
    assert_eq!(cleaned.lang.as_deref(), Some("de"));
    assert_eq!(
        cleaned.html,
        "<style>.pm-m-root{background-color:#f4f4f4}.pm-m-root .m-btn{background-color:#c00;padding:8px 12px}\
@media only screen and (max-width:600px){.pm-m-root .m-w{width:100%!important}}</style>\
<div class=\"pm-m-root\" lang=\"de\" style=\"background-color:#eeeeee;margin:0\">\
<center><table align=\"center\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" class=\"m-w\" width=\"600\">\
<tbody><tr><td bgcolor=\"#ffffff\" style=\"padding:20px;font-family:Arial,sans-serif\"><h1>Hallo</h1>\
<a class=\"m-btn\" href=\"https://shop.example/?a=1&amp;b=2\" rel=\"noopener noreferrer nofollow\" \
style=\"color:#fff;text-decoration:none\" target=\"_blank\">Kaufen</a>&nbsp;</td></tr></tbody></table></center></div>"
    );
    assert!(!cleaned.empty && !cleaned.too_complex && !cleaned.cut);
}

#[test]
fn an_empty_message_says_so() {
    assert!(read("").empty);
    assert!(read("<html><body> &nbsp;<br></body></html>").empty);
    assert!(!read("<img src=cid:x>").empty);
    assert!(!read("<img src='https://a.example/x'>").empty);
}

#[test]
fn quoting_keeps_what_the_answer_needs() {
    let find = |id: &str| Some(format!("/mail/m/1/part/{id}"));
    let opts = CleanOptions {
        cid: &find,
        ..CleanOptions::new(Purpose::Edit)
    };
    let html = "<style>p{color:red}</style><p class=x id=y style='color:blue;position:fixed'>Hallo \
        <a href='https://evil.example' onclick=x>www.bank.example</a><img src=cid:2>\
        <img src='https://a.example/l.png' width=9></p><script>x</script>";
    let quoted = quote_html(html, &opts);
    assert_eq!(
        quoted,
        "<blockquote type=\"cite\"><p style=\"color:blue\">Hallo <a href=\"https://evil.example/\">\
www.bank.example</a><img data-pm-cid=\"2\" src=\"/mail/m/1/part/2\">\
<img class=\"pm-blocked\" data-pm-src=\"https://a.example/l.png\" width=\"9\"></p></blockquote>"
    );
    let own = |url: &str| {
        url.strip_prefix("/upload/")
            .map(|n| format!("cid:{n}@postamt"))
    };
    let leaving = CleanOptions {
        own: &own,
        ..CleanOptions::new(Purpose::Send)
    };
    let sent = clean(
        &format!("{quoted}<img src='/upload/7'><img src='/mail/other'>"),
        &leaving,
    );
    assert_eq!(
        sent.html,
        "<blockquote type=\"cite\"><p style=\"color:blue\">Hallo <a href=\"https://evil.example/\">\
www.bank.example</a><img src=\"cid:2\"><img src=\"https://a.example/l.png\" width=\"9\"></p></blockquote>\
<img src=\"cid:7@postamt\">"
    );
}

#[test]
fn the_answered_message_is_folded() {
    let opts = CleanOptions {
        fold_label: "Frühere Nachricht",
        ..CleanOptions::new(Purpose::Read)
    };
    let shown = |html: &str| {
        let cleaned = clean(html, &opts);
        markup::assert_harmless(&cleaned.html);
        assert_eq!(clean(&cleaned.html, &opts).html, cleaned.html);
        cleaned
            .html
            .replace("<details class=\"pm-fold\">", "[")
            .replace(
                "<summary class=\"pm-fold-label\">Frühere Nachricht</summary>",
                "",
            )
            .replace("</details>", "]")
            .replace(['\n'], "")
    };
    let inside = |html: &str| {
        shown(html)
            .split_once('[')
            .and_then(|(_, rest)| rest.rsplit_once(']'))
            .map(|(inner, _)| inner.to_owned())
    };
    assert_eq!(
        inside("<p>Ja</p><blockquote type=cite>Nein?<blockquote type=cite>alt</blockquote></blockquote>"),
        Some("<blockquote type=\"cite\">Nein?<blockquote type=\"cite\">alt</blockquote></blockquote>".into())
    );
    assert_eq!(
        inside(
            "<div>Ja</div><div class=gmail_quote>Am … schrieb:<blockquote>Nein?</blockquote></div>\n<br>"
        ),
        Some(
            "<div class=\"m-gmail_quote\">Am … schrieb:<blockquote>Nein?</blockquote></div>".into()
        )
    );
    assert_eq!(
        inside("Ja<hr><div id=divRplyFwdMsg>Von: A</div><p>Nein?</p>"),
        Some("<div id=\"m-divRplyFwdMsg\">Von: A</div><p>Nein?</p>".into())
    );
    let line = "border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm";
    assert_eq!(
        inside(&format!(
            "<p>Ja</p><div><div style='{line}'>Von: A</div></div><p>Nein?</p>"
        ))
        .map(|s| s.ends_with("Von: A</div></div><p>Nein?</p>")),
        Some(true)
    );
    // An answer below or between, and a forward without a word, stay as they are.
    for open in [
        "<blockquote type=cite>Nein?</blockquote>Ja",
        "Ja<blockquote type=cite>Nein?</blockquote>Doch",
        "<div class=gmail_quote>Forwarded message</div>",
        "Ja",
    ] {
        assert_eq!(inside(open), None, "{open}");
    }
    assert!(
        !read("Ja<blockquote type=cite>x</blockquote>")
            .html
            .contains("details")
    );
}
