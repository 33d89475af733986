//! The page of the body frame: a document of its own, with the little style that mail needs.
//!
//! It is served under the policy of security.md section 6 and shown on white paper in either theme, because
//! mail is written for paper: dark text on whatever is below it.

use super::text::{TextOptions, text_to_html};
use super::tree::escaped;
use super::{Cleaned, selector};

/// What the page of a body needs to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameOptions<'a> {
    /// The language of the page when the message says none.
    pub lang: &'a str,
    /// The message's subject, for assistive technology; may be empty.
    pub title: &'a str,
    /// Turn the paper dark ("Dunkel anzeigen"): colours are turned round, pictures keep theirs.
    pub dark: bool,
}

/// The page for an HTML body.
#[must_use]
pub fn document(cleaned: &Cleaned, opts: &FrameOptions<'_>) -> String {
    let lang = cleaned.lang.as_deref().unwrap_or(opts.lang);
    page(&cleaned.html, lang, "pm-html", opts)
}

/// The page for a text body.
#[must_use]
pub fn text_document(text: &str, text_opts: &TextOptions<'_>, opts: &FrameOptions<'_>) -> String {
    page(&text_to_html(text, text_opts), opts.lang, "pm-plain", opts)
}

fn page(content: &str, lang: &str, class: &str, opts: &FrameOptions<'_>) -> String {
    let lang = super::attrs::language(lang).unwrap_or_else(|| "en".to_owned());
    let title = escaped(opts.title);
    let dark = if opts.dark { DARK } else { "" };
    format!(
        "<!doctype html>\n<html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"referrer\" content=\"no-referrer\"><title>{title}</title>\
<style>{STYLE}{dark}</style></head><body class=\"{class}\">{content}</body></html>\n"
    )
}

/// The class of the element that holds a cleaned message made with this prefix.
#[must_use]
pub fn message_class(prefix: &str) -> String {
    selector::root_class(prefix)
}

const STYLE: &str = "\
:root{color-scheme:light}\
html{background:#fff;color:#1b1d22;-webkit-text-size-adjust:100%;text-size-adjust:100%}\
body{margin:0;padding:2px;overflow:auto;overflow-wrap:anywhere;\
font:15px/1.6 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}\
img{max-width:100%}\
img:not([height]),img.pm-fit{height:auto}\
table{overflow-wrap:normal}\
a{color:#2450c0}\
pre{white-space:pre-wrap;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}\
hr{border:0;border-top:1px solid #d3d3cc}\
blockquote{margin:.5em 0;padding-left:12px;border-left:2px solid #d3d3cc;color:#4d515b}\
.pm-blocked{display:inline-block;box-sizing:border-box;min-width:24px;min-height:24px;max-width:100%;\
padding:2px 6px;overflow:hidden;vertical-align:middle;border:1px dashed #b9bbb4;border-radius:4px;\
background:#f4f4f1;color:#646974;font:12px/1.4 system-ui,sans-serif;text-align:left}\
.pm-plain{white-space:normal}\
.pm-t{white-space:pre-wrap;unicode-bidi:plaintext}\
.pm-t .q1,.pm-t .q2,.pm-t .q3,.pm-t .q4,.pm-t .q5{margin:2px 0;white-space:pre-wrap}\
.pm-t .q1{border-color:#2c57c9;color:#3c4048}\
.pm-t .q2{border-color:#1b7f6b}\
.pm-t .q3{border-color:#a86100}\
.pm-t .q4{border-color:#a83271}\
.pm-t .q5{border-color:#5b6270}\
.pm-t .sig{color:#646974}\
details.pm-fold>summary{display:inline-block;list-style:none;cursor:pointer;padding:0 8px;margin:2px 0;\
border-radius:8px;background:#e9e9e4;color:#4d515b;font-size:12px;line-height:18px;white-space:nowrap}\
details.pm-fold>summary::-webkit-details-marker{display:none}\
details.pm-fold>summary:focus-visible{outline:2px solid #2c57c9;outline-offset:1px}\
@media print{body{overflow:visible}details.pm-fold>summary{display:none}}";

/// White paper turned round gives dark paper; pictures are turned once more and so keep their colours.
const DARK: &str = "\
html{filter:invert(.91) hue-rotate(180deg)}\
img{filter:invert(1) hue-rotate(180deg)}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::html::{CleanOptions, Purpose, clean};

    #[test]
    fn a_page_says_its_language_and_runs_nothing() {
        let cleaned = clean("<html lang=fr><p>Oui", &CleanOptions::new(Purpose::Read));
        let opts = FrameOptions {
            lang: "de",
            title: "</title><script>x</script>",
            dark: false,
        };
        let page = document(&cleaned, &opts);
        assert!(page.starts_with("<!doctype html>\n<html lang=\"fr\">"));
        assert!(page.contains("<title>&lt;/title&gt;"));
        assert!(!page.contains("<script"));
        assert!(page.contains("<div class=\"pm-m-root\" lang=\"fr\"><p>Oui</p></div></body>"));
        let text = text_document("Ja", &TextOptions::default(), &opts);
        assert!(
            text.contains("<html lang=\"de\">") && text.contains("<div class=\"pm-t\">Ja</div>")
        );
        let odd = FrameOptions {
            lang: "\"><script>",
            ..opts
        };
        assert!(text_document("x", &TextOptions::default(), &odd).contains("<html lang=\"en\">"));
    }

    #[test]
    fn nothing_in_our_own_style_loads_or_leaves_its_element() {
        for style in [STYLE, DARK] {
            assert!(!style.contains("url(") && !style.contains('<'));
        }
    }
}
