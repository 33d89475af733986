//! From an opened draft to what the templates print, and what is asked before sending when no script does.

use rand::RngExt;
use url::Url;

use crate::format::html::visible;
use crate::i18n::Lang;
use crate::model::DraftId;
use crate::service::drafts::open::{OpenFile, Opened, open_recipients};
use crate::service::drafts::{Content, Kind};
use crate::web::mail::reader::{kind_hue, kind_of};

/// A compose form.
#[derive(Debug, Clone)]
pub struct ComposeView {
    /// The draft.
    pub id: DraftId,
    /// 0: not stored yet.
    pub rev: i64,
    /// What stands on top.
    pub heading: String,
    /// Address, label, chosen.
    pub senders: Vec<(String, String, bool)>,
    /// The fields.
    pub content: Content,
    /// `html` or `text`.
    pub prefers: &'static str,
    /// Field name and number of the message it is about.
    pub origin: Option<(&'static str, i64)>,
    /// Files that are shown.
    pub files: Vec<FileRow>,
    /// Sections of the original that belong to the text.
    pub keep: Vec<String>,
    /// Why it was not sent.
    pub errors: Vec<String>,
    /// What is asked before sending.
    pub questions: Vec<String>,
    /// The questions above are answered by sending once more.
    pub is_sure: bool,
    /// The mailbox is full.
    pub is_full: bool,
    /// Tells this page from another one with the same draft.
    pub page: String,
}

/// A file of the message.
#[derive(Debug, Clone)]
pub struct FileRow {
    /// Its number, or `s1.2`.
    pub key: String,
    /// The section of the original, to be kept.
    pub keep: Option<String>,
    /// Shown name.
    pub name: String,
    /// `PDF`.
    pub kind: String,
    /// Hue of the type.
    pub hue: u8,
    /// `640 KB`.
    pub size: String,
}

impl FileRow {
    /// The view of a file.
    #[must_use]
    pub fn of(lang: Lang, file: &OpenFile) -> Self {
        let kind = kind_of(&file.name, &file.content_type);
        Self {
            key: file.key.clone(),
            keep: file.key.strip_prefix('s').map(str::to_owned),
            name: visible(&file.name),
            hue: kind_hue(&kind),
            kind,
            size: lang.size(file.size_bytes),
        }
    }
}

impl ComposeView {
    /// The view of an opened draft.
    #[must_use]
    pub fn of(lang: Lang, opened: Opened) -> Self {
        let heading = if opened.content.subject.trim().is_empty() {
            lang.t("new-message")
        } else {
            opened.content.subject.clone()
        };
        let from = opened.content.from.to_lowercase();
        let (inline, files): (Vec<_>, Vec<_>) =
            opened.files.into_iter().partition(|file| file.is_inline);
        Self {
            id: opened.id,
            rev: opened.rev,
            heading,
            senders: opened
                .senders
                .into_iter()
                .map(|(address, label)| {
                    let is_chosen = address.to_lowercase() == from;
                    (address, label, is_chosen)
                })
                .collect(),
            content: opened.content,
            prefers: if opened.prefers_html { "html" } else { "text" },
            origin: opened.origin.map(|(kind, email)| {
                let name = match kind {
                    Kind::Reply => "reply",
                    Kind::Forward => "forward",
                    Kind::Edit => "edit",
                };
                (name, email.0)
            }),
            files: files.iter().map(|file| FileRow::of(lang, file)).collect(),
            keep: inline
                .iter()
                .filter_map(|file| file.key.strip_prefix('s').map(str::to_owned))
                .collect(),
            errors: Vec::new(),
            questions: Vec::new(),
            is_sure: false,
            is_full: opened.is_full,
            page: format!("{:016x}", rand::rng().random::<u64>()),
        }
    }
}

/// The fields that a `mailto:` address fills in (RFC 6068); what is no such address fills in nothing.
#[must_use]
pub fn mailto(address: &str) -> Content {
    let mut content = Content::default();
    // A plus is itself there (RFC 6068 5), unlike in a form.
    let Ok(url) = Url::parse(&address.replace('+', "%2B")) else {
        return content;
    };
    if url.scheme() != "mailto" {
        return content;
    }
    let path = format!("to={}", url.path().replace('&', "%26"));
    let add = |field: &mut String, value: &str| {
        if !field.is_empty() && !value.is_empty() {
            field.push_str(", ");
        }
        field.push_str(value);
    };
    let pairs = url::form_urlencoded::parse(path.as_bytes())
        .into_owned()
        .chain(url.query_pairs().into_owned());
    for (name, value) in pairs {
        match name.to_ascii_lowercase().as_str() {
            "to" => add(&mut content.to, &value),
            "cc" => add(&mut content.cc, &value),
            "bcc" => add(&mut content.bcc, &value),
            "subject" => content.subject = value,
            "body" => content.text = value.replace("\r\n", "\n"),
            _ => {}
        }
    }
    content
}

/// More recipients than this in To and Cc, and somebody may have meant Bcc.
const MANY: usize = 20;

/// What is asked once before sending; a script asks the same in the browser.
#[must_use]
pub fn questions(lang: Lang, content: &Content, has_files: bool) -> Vec<String> {
    let mut questions = Vec::new();
    if content.subject.trim().is_empty() {
        questions.push(lang.t("js-no-subject"));
    }
    if !has_files && !content.is_html && mentions_attachment(&content.text) {
        questions.push(lang.t("js-no-attachment"));
    }
    if open_recipients(content) > MANY {
        questions.push(lang.t("js-many"));
    }
    questions
}

/// Whether the writer's own words, above quotation and signature, speak of an attachment.
fn mentions_attachment(text: &str) -> bool {
    const WORDS: [&str; 9] = [
        "anhang",
        "anhänge",
        "angehängt",
        "anbei",
        "anlage",
        "attached",
        "attachment",
        "attachments",
        "enclosed",
    ];
    text.lines()
        .take_while(|line| !line.starts_with('>') && line.trim_end() != "--")
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric()))
        .map(str::to_lowercase)
        .any(|word| {
            WORDS.contains(&word.as_str())
                || word.starts_with("beigefügt")
                || word.starts_with("beiliegend")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailto_fills_the_fields() {
        let c = mailto(
            "mailto:a+b@x.test,c@x.test?cc=d@x.test&subject=1+1%3D2&body=A%0D%0AB&to=e@x.test",
        );
        assert_eq!(c.to, "a+b@x.test,c@x.test, e@x.test");
        assert_eq!(c.cc, "d@x.test");
        assert_eq!(c.subject, "1+1=2");
        assert_eq!(c.text, "A\nB");
        assert_eq!(mailto("https://x.test/?to=a"), Content::default());
        assert_eq!(mailto(""), Content::default());
    }

    #[test]
    fn attachments_are_missed_in_own_words_only() {
        assert!(mentions_attachment("Anbei das Angebot."));
        assert!(mentions_attachment("die beigefügte Liste"));
        assert!(!mentions_attachment("Danke.\n> anbei"));
        assert!(!mentions_attachment("Danke.\n-- \nAnlagenbau Anlage"));
        assert!(!mentions_attachment("Anlagenbau"));
    }
}
