//! The settings pages (ui.md 6.6): one page a section, each group saved by its own button.

mod security;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Page, WebError, redirect};
use super::form::Form;
use super::mail::view::folder_path;
use super::me::Me;
use super::page::{Area, Layout, Search, Toast};
use crate::error::Refusal;
use crate::format::html::visible;
use crate::i18n::Lang;
use crate::service::App;
use crate::service::accounts::preferences::{
    After, Density, Font, Keys, OwnChange, Preferences, Reader, RemotePictures, Theme,
};

/// The routes below `/settings`.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/settings",
            get(|_: Me| async { redirect("/settings/account") }),
        )
        .route("/settings/search", get(search))
        .route("/settings/quick", post(quick))
        .route("/settings/account", get(account).post(save_account))
        .route("/settings/language", get(language).post(save_language))
        .route("/settings/display", get(display).post(save_preferences))
        .route("/settings/mail", get(mail).post(save_preferences))
        .route("/settings/mail/pictures", post(withdraw_consent))
        .route("/settings/signatures", get(signatures).post(save_signature))
        .route("/settings/storage", get(storage))
        .route("/settings/security", get(security::page))
        .route(
            "/settings/security/password",
            post(security::change_password),
        )
        .route("/settings/security/strength", post(security::strength))
        .route("/settings/security/sessions", post(security::end_sessions))
}

/// The sections in order: key, drawing, key of the label.
const SECTIONS: [(&str, &str, &str); 7] = [
    ("account", "user", "set-account"),
    ("security", "key", "set-security"),
    ("language", "globe", "set-language"),
    ("display", "eye", "set-display"),
    ("mail", "mail", "set-mail"),
    ("signatures", "sig", "set-signatures"),
    ("storage", "db", "set-storage"),
];

/// A link of the column.
#[derive(Debug, Clone)]
pub struct Section {
    /// Last part of its address.
    pub key: &'static str,
    /// Drawing.
    pub icon: &'static str,
    /// Shown name.
    pub label: String,
    /// The open one.
    pub is_here: bool,
}

/// What every settings page has around its content.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The sections.
    pub sections: Vec<Section>,
    /// The reader's language.
    pub lang: Lang,
    /// The token of forms.
    pub csrf: String,
    /// Heading of the page.
    pub title: String,
}

/// Layout and frame of the section `key`.
async fn frame(me: &Me, key: &str) -> Result<(Layout, Frame), WebError> {
    let folders = me.app.mail.folders(me.account).await?;
    let title = title_of(me.lang, key);
    let mut layout = me.layout(Area::Settings, title.clone(), &folders).await?;
    layout.search = Search::settings(me.lang);
    let frame = Frame {
        sections: SECTIONS
            .iter()
            .map(|(section, icon, _)| Section {
                key: section,
                icon,
                label: title_of(me.lang, section),
                is_here: *section == key,
            })
            .collect(),
        lang: me.lang,
        csrf: me.csrf.clone(),
        title,
    };
    Ok((layout, frame))
}

fn title_of(lang: Lang, key: &str) -> String {
    match key {
        "account" => lang.t("set-account"),
        "security" => lang.t("set-security"),
        "language" => lang.t("set-language"),
        "display" => lang.t("set-display"),
        "mail" => lang.t("set-mail"),
        "signatures" => lang.t("set-signatures"),
        _ => lang.t("set-storage"),
    }
}

/// A choice of a select or a group of radios: value, label, whether it is the present one.
type Choice = (String, String, bool);

fn choices<T: Copy + PartialEq>(
    all: &[T],
    now: T,
    word: fn(T) -> &'static str,
    label: impl Fn(T) -> String,
) -> Vec<Choice> {
    all.iter()
        .map(|c| (word(*c).to_owned(), label(*c), *c == now))
        .collect()
}

async fn saved(me: &Me, key: &str) -> Page {
    me.flash(Toast {
        text: me.lang.t("saved"),
        ..Toast::default()
    })
    .await?;
    Ok(redirect(&format!("/settings/{key}")))
}

/// What was typed into the settings' search.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchQuery {
    q: String,
}

#[derive(Template)]
#[template(path = "settings/search.html")]
struct SearchPage {
    layout: Layout,
    f: Frame,
    found: Vec<(String, String, String)>,
}

/// `GET /settings/search?q=`: sections and groups whose words fit.
async fn search(me: Me, Query(query): Query<SearchQuery>) -> Page {
    let (mut layout, mut f) = frame(&me, "search").await?;
    f.title = me.lang.t("set-search");
    layout.search.value.clone_from(&query.q);
    let wanted = crate::format::mime::fold(&query.q);
    let lang = me.lang;
    let topics = [
        ("account", lang.t("set-topics-account")),
        ("security", lang.t("set-topics-security")),
        ("language", lang.t("set-topics-language")),
        ("display", lang.t("set-topics-display")),
        ("mail", lang.t("set-topics-mail")),
        ("signatures", lang.t("set-topics-signatures")),
        ("storage", lang.t("set-topics-storage")),
    ];
    let found = topics
        .into_iter()
        .filter(|(key, topics)| {
            let all = format!("{} {topics}", title_of(lang, key));
            wanted
                .split(' ')
                .all(|word| crate::format::mime::fold(&all).contains(word))
        })
        .map(|(key, topics)| (format!("/settings/{key}"), title_of(lang, key), topics))
        .collect();
    Ok(Html(SearchPage { layout, f, found }.render()?).into_response())
}

/// The frame's own switches: theme and language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Quick {
    back: String,
    theme: String,
    lang: String,
}

/// `POST /settings/quick`.
async fn quick(me: Me, Form(form): Form<Quick>) -> Page {
    if !form.theme.is_empty() {
        me.app
            .accounts
            .set_preference(me.account, "theme", json!(form.theme))
            .await?;
    }
    if !form.lang.is_empty() {
        let change = OwnChange {
            locale: Some(form.lang),
            ..OwnChange::default()
        };
        me.app.accounts.change_own(me.account, &change).await?;
    }
    Ok(redirect(if form.back.is_empty() {
        "/"
    } else {
        &form.back
    }))
}

#[derive(Template)]
#[template(path = "settings/account.html")]
struct AccountPage {
    layout: Layout,
    f: Frame,
    name: String,
    addresses: Vec<String>,
    error: String,
}

/// `GET /settings/account`.
async fn account(me: Me) -> Page {
    let name = me.name.clone();
    account_page(&me, name, String::new()).await
}

async fn account_page(me: &Me, name: String, error: String) -> Page {
    let (layout, f) = frame(me, "account").await?;
    let own = me.app.accounts.own_addresses(me.account).await?;
    let status = status_of(&error);
    let page = AccountPage {
        layout,
        f,
        name,
        addresses: own.iter().map(ToString::to_string).collect(),
        error,
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn status_of(error: &str) -> StatusCode {
    if error.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

/// Name, language, zone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OwnForm {
    name: String,
    lang: String,
    zone: String,
}

/// `POST /settings/account`.
async fn save_account(me: Me, Form(form): Form<OwnForm>) -> Page {
    let change = OwnChange {
        display_name: Some(form.name.clone()),
        ..OwnChange::default()
    };
    match me.app.accounts.change_own(me.account, &change).await {
        Ok(()) => saved(&me, "account").await,
        Err(e @ Refusal::Invalid(_)) => {
            let text = WebError::from(e).text(me.lang);
            account_page(&me, form.name, text).await
        }
        Err(e) => Err(e.into()),
    }
}

#[derive(Template)]
#[template(path = "settings/language.html")]
struct LanguagePage {
    layout: Layout,
    f: Frame,
    languages: Vec<Choice>,
    zones: Vec<Choice>,
    now: String,
}

/// `GET /settings/language`.
async fn language(me: Me) -> Page {
    let (layout, f) = frame(&me, "language").await?;
    let zone = me.zone;
    let page = LanguagePage {
        layout,
        f,
        languages: Lang::ALL
            .iter()
            .map(|l| {
                (
                    l.as_str().to_owned(),
                    l.own_name().to_owned(),
                    *l == me.lang,
                )
            })
            .collect(),
        zones: chrono_tz::TZ_VARIANTS
            .iter()
            .filter(|z| z.name().contains('/') || **z == chrono_tz::UTC)
            .map(|z| (z.name().to_owned(), z.name().replace('_', " "), *z == zone))
            .collect(),
        now: me.dates().full(time::OffsetDateTime::now_utc()),
    };
    Ok(Html(page.render()?).into_response())
}

/// `POST /settings/language`.
async fn save_language(me: Me, Form(form): Form<OwnForm>) -> Page {
    let change = OwnChange {
        locale: Some(form.lang),
        time_zone: Some(form.zone),
        ..OwnChange::default()
    };
    me.app.accounts.change_own(me.account, &change).await?;
    saved(&me, "language").await
}

#[derive(Template)]
#[template(path = "settings/display.html")]
struct DisplayPage {
    layout: Layout,
    f: Frame,
    themes: Vec<Choice>,
    densities: Vec<Choice>,
    readers: Vec<Choice>,
    fonts: Vec<Choice>,
    keys: Vec<Choice>,
}

/// `GET /settings/display`.
async fn display(me: Me) -> Page {
    let (layout, f) = frame(&me, "display").await?;
    let p = me.app.accounts.preferences(me.account).await?;
    let l = me.lang;
    let page = DisplayPage {
        layout,
        f,
        themes: choices(Theme::ALL, p.theme, Theme::as_str, |c| match c {
            Theme::System => l.t("theme-system"),
            Theme::Light => l.t("theme-light"),
            Theme::Dark => l.t("theme-dark"),
        }),
        densities: choices(Density::ALL, p.density, Density::as_str, |c| match c {
            Density::Komfortabel => l.t("density-komfortabel"),
            Density::Normal => l.t("density-normal"),
            Density::Kompakt => l.t("density-kompakt"),
        }),
        readers: choices(Reader::ALL, p.reader, Reader::as_str, |c| match c {
            Reader::Right => l.t("reader-right"),
            Reader::Below => l.t("reader-below"),
            Reader::Off => l.t("reader-off"),
        }),
        fonts: choices(Font::ALL, p.font, Font::as_str, |c| match c {
            Font::Inter => "Inter".to_owned(),
            Font::System => l.t("font-system"),
        }),
        keys: choices(Keys::ALL, p.keys, Keys::as_str, |c| match c {
            Keys::On => l.t("keys-on"),
            Keys::Lists => l.t("keys-lists"),
            Keys::Off => l.t("keys-off"),
        }),
    };
    Ok(Html(page.render()?).into_response())
}

#[derive(Template)]
#[template(path = "settings/mail.html")]
struct MailPage {
    layout: Layout,
    f: Frame,
    mark_read: Vec<Choice>,
    after: Vec<Choice>,
    pictures: Vec<Choice>,
    /// Name and address of everybody whose pictures are loaded by consent.
    senders: Vec<(String, String)>,
    undo: Vec<Choice>,
    reminder: bool,
    collect: bool,
}

/// `GET /settings/mail`.
async fn mail(me: Me) -> Page {
    let (layout, f) = frame(&me, "mail").await?;
    let p = me.app.accounts.preferences(me.account).await?;
    let l = me.lang;
    let marks = [Some(0), Some(2_000), Some(5_000), None];
    let page = MailPage {
        layout,
        f,
        mark_read: marks
            .into_iter()
            .map(|ms: Option<u32>| {
                let label = match ms {
                    Some(0) => l.t("mark-at-once"),
                    Some(ms) => l.t_n("mark-after-seconds", ms / 1_000),
                    None => l.t("mark-never"),
                };
                (
                    ms.map_or_else(String::new, |ms| ms.to_string()),
                    label,
                    ms == p.mark_read_ms,
                )
            })
            .collect(),
        after: choices(After::ALL, p.after, After::as_str, |c| match c {
            After::Older => l.t("after-older"),
            After::Newer => l.t("after-newer"),
            After::List => l.t("after-list"),
        }),
        pictures: choices(
            RemotePictures::ALL,
            p.remote_pictures,
            RemotePictures::as_str,
            |c| match c {
                RemotePictures::Ask => l.t("pictures-ask"),
                RemotePictures::Never => l.t("pictures-never"),
                RemotePictures::Known => l.t("pictures-known"),
            },
        ),
        senders: me
            .app
            .mail
            .picture_senders(me.account)
            .await?
            .into_iter()
            .map(|k| (visible(&k.name), k.address))
            .collect(),
        undo: [0, 5, 10, 20, 30]
            .into_iter()
            .map(|s: u32| {
                (
                    s.to_string(),
                    if s == 0 {
                        l.t("off")
                    } else {
                        l.t_n("seconds", s)
                    },
                    s == p.undo_seconds,
                )
            })
            .collect(),
        reminder: p.attachment_reminder,
        collect: p.collect_addresses,
    };
    Ok(Html(page.render()?).into_response())
}

/// Whose consent ends.
#[derive(Debug, Deserialize)]
struct SenderForm {
    address: String,
}

/// `POST /settings/mail/pictures`: a sender's pictures wait for consent again.
async fn withdraw_consent(me: Me, Form(form): Form<SenderForm>) -> Page {
    let mail = &me.app.mail;
    mail.withdraw_consent(me.account, &form.address).await?;
    saved(&me, "mail").await
}

/// Any of the choices of `display` and `mail`; `section` says which page sent it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PreferenceForm {
    section: String,
    theme: Option<String>,
    density: Option<String>,
    reader: Option<String>,
    font: Option<String>,
    keys: Option<String>,
    mark_read_ms: Option<String>,
    after: Option<String>,
    remote_pictures: Option<String>,
    undo_seconds: Option<u32>,
    /// Checkboxes send nothing when they are off; this says that they were there.
    boxes: Option<String>,
    attachment_reminder: Option<String>,
    collect_addresses: Option<String>,
}

/// `POST /settings/display`, `POST /settings/mail`.
async fn save_preferences(me: Me, Form(form): Form<PreferenceForm>) -> Page {
    let now = me.app.accounts.preferences(me.account).await?;
    let mut all = serde_json::to_value(&now).map_err(|_| Refusal::Internal("preferences"))?;
    let mut set = |name: &str, value: Option<Value>| {
        if let (Some(object), Some(value)) = (all.as_object_mut(), value) {
            object.insert(name.to_owned(), value);
        }
    };
    set("theme", form.theme.map(Value::from));
    set("density", form.density.map(Value::from));
    set("reader", form.reader.map(Value::from));
    set("font", form.font.map(Value::from));
    set("keys", form.keys.map(Value::from));
    set("after", form.after.map(Value::from));
    set("remote_pictures", form.remote_pictures.map(Value::from));
    set("undo_seconds", form.undo_seconds.map(Value::from));
    set(
        "mark_read_ms",
        form.mark_read_ms
            .map(|ms| ms.parse::<u32>().map_or(Value::Null, Value::from)),
    );
    if form.boxes.is_some() {
        set(
            "attachment_reminder",
            Some(form.attachment_reminder.is_some().into()),
        );
        set(
            "collect_addresses",
            Some(form.collect_addresses.is_some().into()),
        );
    }
    let new: Preferences =
        serde_json::from_value(all).map_err(|_| Refusal::Invalid("preference"))?;
    me.app.accounts.set_preferences(me.account, &new).await?;
    saved(
        &me,
        if form.section == "mail" {
            "mail"
        } else {
            "display"
        },
    )
    .await
}

#[derive(Template)]
#[template(path = "settings/signatures.html")]
struct SignaturesPage {
    layout: Layout,
    f: Frame,
    signatures: Vec<(i64, String, String)>,
}

/// `GET /settings/signatures`.
async fn signatures(me: Me) -> Page {
    let (layout, f) = frame(&me, "signatures").await?;
    let signatures = me
        .app
        .accounts
        .signatures(me.account)
        .await?
        .into_iter()
        .map(|s| (s.signature_id, s.name, s.plain))
        .collect();
    Ok(Html(
        SignaturesPage {
            layout,
            f,
            signatures,
        }
        .render()?,
    )
    .into_response())
}

/// A signature that was written, or is to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SignatureForm {
    id: Option<i64>,
    op: String,
    name: String,
    text: String,
}

/// `POST /settings/signatures`: the text as typed; lines stay lines.
async fn save_signature(me: Me, Form(form): Form<SignatureForm>) -> Page {
    if form.op == "delete" {
        let id = form.id.ok_or(Refusal::NotFound)?;
        me.app.accounts.delete_signature(me.account, id).await?;
        return saved(&me, "signatures").await;
    }
    let html = plain_as_html(&form.text);
    me.app
        .accounts
        .save_signature(me.account, form.id, &form.name, &html)
        .await?;
    saved(&me, "signatures").await
}

/// Typed text as HTML: escaped, a `<br>` for each line end.
fn plain_as_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for (n, line) in text
        .replace("\r\n", "\n")
        .trim_end()
        .split('\n')
        .enumerate()
    {
        if n > 0 {
            out.push_str("<br>");
        }
        for c in line.chars() {
            match c {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                '"' => out.push_str("&quot;"),
                c => out.push(c),
            }
        }
    }
    out
}

#[derive(Template)]
#[template(path = "settings/storage.html")]
struct StoragePage {
    layout: Layout,
    f: Frame,
    text: String,
    percent: u64,
    level: &'static str,
    kinds: Vec<(String, String, u64)>,
    folders: Vec<(String, String, String, String)>,
}

/// `GET /settings/storage`: what fills the box, and where to make room.
async fn storage(me: Me) -> Page {
    let (layout, f) = frame(&me, "storage").await?;
    let usage = me.app.mail.usage(me.account).await?;
    let l = me.lang;
    let share = |bytes: i64| {
        u64::try_from(bytes.max(0).saturating_mul(100) / usage.quota_bytes.max(1))
            .unwrap_or(0)
            .min(100)
    };
    let mut folders = me.app.mail.folders(me.account).await?;
    folders.retain(|f| f.message_count > 0);
    folders.sort_by_key(|f| std::cmp::Reverse(f.total_bytes));
    let page = StoragePage {
        text: layout.quota.text(&l),
        percent: layout.quota.percent(),
        level: layout.quota.level(),
        kinds: [
            (l.t("module-mail"), usage.mail_bytes),
            (l.t("calendar"), usage.calendar_bytes),
            (l.t("contacts"), usage.contact_bytes),
            (l.t("tasks"), usage.task_bytes),
            (l.t("notes"), usage.note_bytes),
        ]
        .into_iter()
        .map(|(name, bytes)| (name, l.size(bytes), share(bytes)))
        .collect(),
        folders: folders
            .iter()
            .take(10)
            .map(|f| {
                (
                    super::mail::key_of(f),
                    folder_path(f, l),
                    l.t_n("count-messages", f.message_count),
                    l.size(f.total_bytes),
                )
            })
            .collect(),
        layout,
        f,
    };
    Ok(Html(page.render()?).into_response())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_typed_signature_keeps_its_lines() {
        assert_eq!(
            super::plain_as_html("Jana <b>\r\nTel. 1 & 2\n"),
            "Jana &lt;b&gt;<br>Tel. 1 &amp; 2"
        );
    }
}
