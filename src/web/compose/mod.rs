//! Writing mail (ui.md 6.2 "Compose"): the page, the dock, and what both post. static/ts/compose.ts has the contract.
//!
//! Every form here works without a script: saving leads back to the page, sending to the list. A script that says
//! `Accept: application/json` reads the outcome itself.

mod form;
mod view;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use self::form::{Posted, read, wants_json};
use self::view::{ComposeView, FileRow};
use super::error::{Page, WebError, redirect};
use super::form::Form;
use super::headers::{editor_frame, varies, wants_part};
use super::mail::act::too_late;
use super::mail::body::file;
use super::me::Me;
use super::page::{Area, Layout, Toast, header_json, hue, initials};
use crate::error::Refusal;
use crate::format::html::inline_type;
use crate::i18n::Lang;
use crate::model::{DraftId, DraftPartId, EmailId, QueueId};
use crate::service::App;
use crate::service::drafts::open::{OpenFile, Start, Writer};
use crate::service::drafts::send::{Outcome, Sent};

/// The routes of writing. `largest` is the most octets of a form with files.
pub fn routes(largest: usize) -> Router<App> {
    Router::new()
        .route("/mail/draft/{id}", post(save))
        .route("/mail/draft/{id}/file", post(upload))
        .route("/mail/draft/{id}/file/{part}/remove", post(remove))
        .route("/mail/draft/{id}/send", post(send))
        .route("/mail/draft/{id}/discard", post(discard))
        .layer(DefaultBodyLimit::max(largest))
        .route("/mail/compose", get(open))
        .route("/mail/draft/{id}/file/{part}", get(part))
        .route("/mail/editor", get(editor))
        .route("/mail/outbox/{id}/now", post(now))
        .route("/people", get(people))
}

/// What a link to the compose page may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ComposeQuery {
    to: String,
    cc: String,
    bcc: String,
    subject: String,
    body: String,
    mailto: String,
    reply: Option<EmailId>,
    all: String,
    forward: Option<EmailId>,
    draft: Option<DraftId>,
    edit: Option<EmailId>,
}

impl ComposeQuery {
    fn start(self) -> Start {
        if let Some(draft) = self.draft {
            return Start::Draft(draft);
        }
        if let Some(email) = self.edit {
            return Start::Edit(email);
        }
        if let Some(email) = self.reply {
            return Start::Reply(email, self.all == "1");
        }
        if let Some(email) = self.forward {
            return Start::Forward(email);
        }
        let mut content = view::mailto(&self.mailto);
        for (given, field) in [
            (self.to, &mut content.to),
            (self.cc, &mut content.cc),
            (self.bcc, &mut content.bcc),
            (self.subject, &mut content.subject),
            (self.body, &mut content.text),
        ] {
            if !given.is_empty() {
                *field = given;
            }
        }
        Start::New(Box::new(content))
    }
}

#[derive(Template)]
#[template(path = "compose/page.html")]
struct ComposePage {
    layout: Layout,
    lang: Lang,
    csrf: String,
    v: ComposeView,
}

#[derive(Template)]
#[template(path = "compose/_compose.html")]
struct ComposePart<'a> {
    lang: Lang,
    csrf: &'a str,
    v: &'a ComposeView,
}

#[derive(Template)]
#[template(path = "compose/_file.html")]
struct FilePart<'a> {
    lang: Lang,
    draft: DraftId,
    f: &'a FileRow,
}

#[derive(Template)]
#[template(path = "compose/editor.html")]
struct EditorPage {
    lang: Lang,
    title: String,
}

fn writer(me: &Me) -> Writer {
    Writer {
        account: me.account,
        lang: me.lang,
        zone: me.zone,
    }
}

/// `GET /mail/compose`: changes nothing.
async fn open(me: Me, Query(query): Query<ComposeQuery>, headers: HeaderMap) -> Page {
    let opened = me.app.drafts().open(writer(&me), &query.start()).await?;
    let v = ComposeView::of(me.lang, opened);
    if wants_part(&headers) {
        let part = ComposePart {
            lang: me.lang,
            csrf: &me.csrf,
            v: &v,
        };
        return Ok((varies(), Html(part.render()?)).into_response());
    }
    show(&me, v, StatusCode::OK).await
}

/// The whole page.
async fn show(me: &Me, v: ComposeView, status: StatusCode) -> Page {
    let folders = me.app.mail.folders(me.account).await?;
    let mut layout = me.layout(Area::Mail, v.heading.clone(), &folders).await?;
    layout.skip_to = "main";
    let page = ComposePage {
        layout,
        lang: me.lang,
        csrf: me.csrf.clone(),
        v,
    };
    Ok((status, varies(), Html(page.render()?)).into_response())
}

/// A draft's page again, with what is wrong or asked.
async fn again(me: &Me, id: DraftId, errors: Vec<String>, questions: Vec<String>) -> Page {
    let opened = me.app.drafts().open(writer(me), &Start::Draft(id)).await?;
    let mut v = ComposeView::of(me.lang, opened);
    v.is_sure = errors.is_empty() && !questions.is_empty();
    v.errors = errors;
    v.questions = questions;
    show(me, v, StatusCode::UNPROCESSABLE_ENTITY).await
}

/// Answers a script's request that failed in words it can show.
fn told(is_json: bool, lang: Lang, outcome: Page) -> Page {
    match outcome {
        Err(e) if is_json && !matches!(e, WebError::SignIn(_)) => {
            let (status, _) = e.status();
            if status.is_server_error() {
                tracing::error!(protocol = "web", error = ?e, "a draft's request failed");
            }
            Ok((status, Json(json!({ "error": e.text(lang) }))).into_response())
        }
        other => other,
    }
}

/// Takes the files of a form that was posted without a script.
async fn attach(me: &Me, id: DraftId, posted: &mut Posted) -> Result<(), WebError> {
    for upload in std::mem::take(&mut posted.files) {
        me.app
            .drafts()
            .add_file(me.account, id, upload, false)
            .await?;
    }
    Ok(())
}

/// `POST /mail/draft/{id}`.
async fn save(me: Me, Path(id): Path<DraftId>, request: Request) -> Page {
    let is_json = wants_json(request.headers());
    let lang = me.lang;
    told(is_json, lang, save_it(&me, id, is_json, request).await)
}

async fn save_it(me: &Me, id: DraftId, is_json: bool, request: Request) -> Page {
    let mut posted = read(me, request).await?;
    attach(me, id, &mut posted).await?;
    let saved = me
        .app
        .drafts()
        .save(me.account, id, &posted.draft())
        .await?;
    let words = if saved.is_full {
        me.lang.t("compose-full")
    } else {
        let time = me.dates().time(time::OffsetDateTime::now_utc());
        me.lang.t_args("compose-saved", &[("time", time.into())])
    };
    if is_json {
        let status = match (saved.is_fork, saved.is_full) {
            (true, _) => StatusCode::CONFLICT,
            (false, true) => StatusCode::INSUFFICIENT_STORAGE,
            (false, false) => StatusCode::OK,
        };
        let mut body = json!({ "rev": saved.rev, "saved": words });
        if let (true, Some(body)) = (saved.is_fork, body.as_object_mut()) {
            body.insert("draft".to_owned(), saved.id.to_string().into());
        }
        return Ok((status, Json(body)).into_response());
    }
    let text = if saved.is_fork {
        me.lang.t("js-draft-both")
    } else {
        words
    };
    me.flash(Toast {
        text,
        danger: saved.is_full,
        ..Toast::default()
    })
    .await?;
    Ok(redirect(&if posted.text("close") == "1" {
        "/mail/drafts".to_owned()
    } else {
        format!("/mail/compose?draft={}", saved.id)
    }))
}

/// `POST /mail/draft/{id}/file`.
async fn upload(me: Me, Path(id): Path<DraftId>, request: Request) -> Page {
    let is_json = wants_json(request.headers());
    let lang = me.lang;
    told(is_json, lang, upload_it(&me, id, request).await)
}

async fn upload_it(me: &Me, id: DraftId, request: Request) -> Page {
    let mut posted = read(me, request).await?;
    let is_inline = posted.text("inline") == "1";
    let mut rows = String::new();
    let mut shown_at = None;
    for upload in std::mem::take(&mut posted.files) {
        let part = me
            .app
            .drafts()
            .add_file(me.account, id, upload, is_inline)
            .await?;
        if is_inline {
            shown_at = Some(format!("/mail/draft/{id}/file/{}", part.part_id));
        }
        let row = FilePart {
            lang: me.lang,
            draft: id,
            f: &FileRow::of(me.lang, &OpenFile::of(&part)),
        };
        rows.push_str(&row.render()?);
    }
    let mut response = Html(rows).into_response();
    if let Some(Ok(value)) = shown_at.map(HeaderValue::try_from) {
        response.headers_mut().insert("x-part", value);
    }
    Ok(response)
}

/// `POST /mail/draft/{id}/file/{n}/remove`.
async fn remove(me: Me, Path((id, key)): Path<(DraftId, String)>, request: Request) -> Page {
    let is_json = wants_json(request.headers());
    let lang = me.lang;
    told(
        is_json,
        lang,
        remove_it(&me, id, &key, is_json, request).await,
    )
}

async fn remove_it(me: &Me, id: DraftId, key: &str, is_json: bool, request: Request) -> Page {
    let mut posted = read(me, request).await?;
    if is_json {
        me.app.drafts().remove_file(me.account, id, key).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    attach(me, id, &mut posted).await?;
    let mut fields = posted.draft();
    if let Some(section) = key.strip_prefix('s') {
        fields.keep.retain(|kept| kept != section);
    }
    let saved = me.app.drafts().save(me.account, id, &fields).await?;
    me.app
        .drafts()
        .remove_file(me.account, saved.id, key)
        .await?;
    Ok(redirect(&format!("/mail/compose?draft={}", saved.id)))
}

/// `POST /mail/draft/{id}/send`.
async fn send(me: Me, Path(id): Path<DraftId>, request: Request) -> Page {
    let is_json = wants_json(request.headers());
    let lang = me.lang;
    told(is_json, lang, send_it(&me, id, is_json, request).await)
}

async fn send_it(me: &Me, id: DraftId, is_json: bool, request: Request) -> Page {
    let mut posted = read(me, request).await?;
    attach(me, id, &mut posted).await?;
    let fields = posted.draft();
    if !is_json && posted.text("sure") != "1" {
        let has_files = fields.keep.len() + me.app.drafts().files(me.account, id).await?.len() > 0;
        let reminds = me
            .app
            .accounts
            .preferences(me.account)
            .await?
            .attachment_reminder;
        let questions = view::questions(me.lang, &fields.content, has_files || !reminds);
        if !questions.is_empty() {
            let saved = me.app.drafts().save(me.account, id, &fields).await?;
            return again(me, saved.id, Vec::new(), questions).await;
        }
    }
    match me.app.drafts().send(me.account, id, &fields).await? {
        Outcome::Sent(sent) => {
            if is_json {
                return Ok(triggered(&json!({ "toast": sent_toast(me, &sent) })));
            }
            me.flash(Toast {
                text: sent_words(me, &sent),
                undo: sent.undo,
                ..Toast::default()
            })
            .await?;
            Ok(redirect("/mail/inbox"))
        }
        Outcome::Wrong { id, rev, wrong } => {
            let words: Vec<(&str, String)> = wrong
                .iter()
                .map(|w| {
                    let args = [("what", w.what.clone().into())];
                    (w.field, me.lang.t_args(w.key, &args))
                })
                .collect();
            if !is_json {
                let errors = words.into_iter().map(|(_, text)| text).collect();
                return again(me, id, errors, Vec::new()).await;
            }
            let errors: Vec<Value> = words
                .into_iter()
                .map(|(field, text)| json!({ "field": field, "text": text }))
                .collect();
            let body = json!({ "errors": errors, "draft": id.to_string(), "rev": rev });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
        }
    }
}

fn sent_words(me: &Me, sent: &Sent) -> String {
    let lang = me.lang;
    if let Some(at) = sent.later {
        let time = me.dates().full(at);
        return lang.t_args("outbox-held", &[("time", time.into())]);
    }
    if sent.is_kept {
        lang.t("compose-sent")
    } else {
        lang.t("compose-sent-full")
    }
}

fn sent_toast(me: &Me, sent: &Sent) -> Value {
    let mut toast = json!({ "text": sent_words(me, sent) });
    if let (Some(undo), Some(toast)) = (&sent.undo, toast.as_object_mut()) {
        toast.insert("undo".to_owned(), undo.clone().into());
        if sent.later.is_some() {
            return Value::Object(std::mem::take(toast));
        }
        toast.insert("seconds".to_owned(), sent.hold_seconds.into());
        let now = format!("/mail/outbox/{}/now", sent.queue_id);
        toast.insert("now".to_owned(), now.into());
    }
    toast
}

/// 200 with events for the page that is there.
fn triggered(events: &Value) -> Response {
    let mut response = StatusCode::OK.into_response();
    if let Ok(value) = HeaderValue::from_str(&header_json(events)) {
        response.headers_mut().insert("HX-Trigger", value);
    }
    response
}

/// `POST /mail/draft/{id}/discard`.
async fn discard(me: Me, Path(id): Path<DraftId>, request: Request) -> Page {
    let is_json = wants_json(request.headers());
    let lang = me.lang;
    told(is_json, lang, discard_it(&me, id, is_json, request).await)
}

async fn discard_it(me: &Me, id: DraftId, is_json: bool, request: Request) -> Page {
    read(me, request).await?;
    let toast = Toast {
        text: me.lang.t("compose-discarded"),
        undo: me.app.drafts().discard(me.account, id).await?,
        ..Toast::default()
    };
    if is_json {
        return Ok(triggered(&json!({ "toast": toast })));
    }
    me.flash(toast).await?;
    Ok(redirect("/mail/inbox"))
}

/// `GET /mail/draft/{id}/file/{n}`: a file of a draft; pictures of the text are looked at, everything else is saved.
async fn part(me: Me, Path((id, part)): Path<(DraftId, DraftPartId)>) -> Page {
    let found = me.app.drafts().file(me.account, id, part).await?;
    let inline = inline_type(&found.part.content_type, &found.bytes);
    let mut response = file(inline, &found.part.name, Body::from(found.bytes));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    Ok(response)
}

/// `GET /mail/editor`: the document inside the editor's frame.
async fn editor(me: Me) -> Page {
    let page = EditorPage {
        lang: me.lang,
        title: me.lang.t("compose-body"),
    };
    Ok((editor_frame(), Html(page.render()?)).into_response())
}

/// A form with nothing but its token.
#[derive(Debug, Deserialize)]
struct Nothing {}

/// `POST /mail/outbox/{id}/now`: ends the time in which a message can be taken back.
async fn now(
    me: Me,
    Path(id): Path<QueueId>,
    headers: HeaderMap,
    Form(Nothing {}): Form<Nothing>,
) -> Page {
    let toast = match me.app.drafts().send_now(me.account, id).await {
        Ok(()) => Toast {
            text: me.lang.t("compose-on-its-way"),
            ..Toast::default()
        },
        Err(Refusal::NotFound) => too_late(me.lang),
        Err(e) => return Err(e.into()),
    };
    if wants_part(&headers) {
        return Ok(triggered(&json!({ "toast": toast })));
    }
    me.flash(toast).await?;
    Ok(redirect("/mail/inbox"))
}

/// What is typed into an address field.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeopleQuery {
    q: String,
}

/// People shown under an address field.
const PEOPLE: i64 = 8;

/// `GET /people?q=`.
async fn people(me: Me, Query(query): Query<PeopleQuery>) -> Page {
    let found = me.app.drafts().people(me.account, &query.q, PEOPLE).await?;
    let list: Vec<Value> = found
        .iter()
        .map(|person| {
            let name = if person.name.is_empty() {
                &person.address
            } else {
                &person.name
            };
            json!({
                "name": person.name,
                "address": person.address,
                "initials": initials(name),
                "hue": hue(&person.address),
            })
        })
        .collect();
    Ok(Json(list).into_response())
}
