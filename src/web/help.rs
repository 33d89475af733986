//! `/help/{topic}`: short pages for everybody, signed in or not (ui.md 6.8).

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::get;

use super::error::{WebError, request_lang};
use super::page::{Bare, Look};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::service::App;

/// The routes of this module.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/help", get(index))
        .route("/help/{topic}", get(topic))
}

async fn index(State(app): State<App>) -> Result<Html<String>, WebError> {
    show(&app, Topic::Index)
}

/// `GET /help/{topic}`: 404 for a topic there is not.
async fn topic(State(app): State<App>, Path(name): Path<String>) -> Result<Html<String>, WebError> {
    let topic = match name.as_str() {
        "keys" => Topic::Keys,
        "search" => Topic::Search,
        "calendars" => Topic::Calendars,
        "licences" => Topic::Licences,
        _ => return Err(Refusal::NotFound.into()),
    };
    show(&app, topic)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Topic {
    Index,
    Keys,
    Search,
    Calendars,
    Licences,
}

#[derive(Template)]
#[template(path = "help/page.html")]
struct Help {
    layout: Bare,
    topic: Topic,
}

impl Help {
    /// Keys and what they do, from the same words as the dialog of the scripts.
    fn keys(&self) -> Vec<(String, String)> {
        let lang = self.layout.lang;
        KEYS.iter()
            .map(|(keys, word)| {
                let keys = keys.replace("Ctrl", &lang.t("compose-ctrl"));
                (keys, lang.t(word))
            })
            .collect()
    }

    /// Operators of the search and what they find.
    fn operators(&self) -> Vec<(&'static str, String)> {
        let table = match self.layout.lang {
            Lang::De => &OPERATORS_DE,
            Lang::En => &OPERATORS_EN,
        };
        table
            .iter()
            .map(|(operator, word)| (*operator, self.layout.lang.t(word)))
            .collect()
    }
}

fn show(app: &App, topic: Topic) -> Result<Html<String>, WebError> {
    let lang = request_lang();
    let (title, path) = match topic {
        Topic::Index => ("help", "/help"),
        Topic::Keys => ("keyboard-shortcuts", "/help/keys"),
        Topic::Search => ("help-search", "/help/search"),
        Topic::Calendars => ("help-calendars", "/help/calendars"),
        Topic::Licences => ("licences", "/help/licences"),
    };
    let page = Help {
        layout: Bare {
            lang,
            look: Look::default(),
            title: lang.t(title),
            csrf: String::new(),
            host: app.config.server.hostname.clone(),
            path: path.to_owned(),
            imprint: None,
            privacy: None,
        },
        topic,
    };
    Ok(Html(page.render()?))
}

/// ui.md 8, as far as pages with these keys exist.
const KEYS: [(&str, &str); 22] = [
    ("Ctrl K", "js-palette"),
    ("?", "js-keys"),
    ("/", "search"),
    ("C", "new-message"),
    ("J K", "js-key-move"),
    ("Enter", "open"),
    ("X", "js-key-select"),
    ("N P", "help-key-message"),
    ("E", "archive"),
    ("#", "delete"),
    ("!", "junk"),
    ("S", "star"),
    ("U", "js-key-read"),
    ("V", "move"),
    ("R", "reply"),
    ("A", "reply-all"),
    ("F", "forward"),
    ("Z", "undo"),
    ("G I", "inbox"),
    ("G D", "drafts"),
    ("G S", "sent"),
    ("Ctrl Enter", "send"),
];

const OPERATORS_DE: [(&str, &str); 9] = [
    ("von:hofmann", "help-op-from"),
    ("an:jana", "help-op-to"),
    ("betreff:angebot", "help-op-subject"),
    ("hat:anhang", "help-op-attachment"),
    ("ist:ungelesen", "help-op-unread"),
    ("vor:23.11.2026", "help-op-before"),
    ("nach:gestern", "help-op-after"),
    ("\"Position 4\"", "help-op-phrase"),
    ("-rechnung", "help-op-not"),
];

const OPERATORS_EN: [(&str, &str); 9] = [
    ("from:hofmann", "help-op-from"),
    ("to:jana", "help-op-to"),
    ("subject:offer", "help-op-subject"),
    ("has:attachment", "help-op-attachment"),
    ("is:unread", "help-op-unread"),
    ("before:2026-11-23", "help-op-before"),
    ("after:yesterday", "help-op-after"),
    ("\"item 4\"", "help-op-phrase"),
    ("-invoice", "help-op-not"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_renders_in_both_languages() {
        for lang in Lang::ALL {
            for topic in [
                Topic::Index,
                Topic::Keys,
                Topic::Search,
                Topic::Calendars,
                Topic::Licences,
            ] {
                let page = Help {
                    layout: Bare {
                        lang,
                        look: Look::default(),
                        title: lang.t("help"),
                        csrf: String::new(),
                        host: "mail.example".to_owned(),
                        path: "/help".to_owned(),
                        imprint: None,
                        privacy: None,
                    },
                    topic,
                };
                let html = page.render().unwrap();
                assert_eq!(html.matches("<h1>").count(), 1);
                if topic == Topic::Keys {
                    assert!(html.contains(&lang.t("archive")));
                }
                if topic == Topic::Calendars {
                    assert!(html.contains("https://mail.example/dav/"));
                }
            }
        }
    }
}
