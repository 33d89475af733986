//! The outbox: what is on its way out, why it is still here, and what can be done about it (ui.md 6.2).

use askama::Template;
use axum::extract::Path;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::column::{Column, column_of};
use super::view::{Ctx, subject};
use crate::format::html::visible;
use crate::model::QueueId;
use crate::service::outgoing::outbox::OnItsWay;
use crate::web::error::{Page, redirect};
use crate::web::form::Form;
use crate::web::me::Me;
use crate::web::page::{Area, Layout, Toast};

/// A message on its way, as the page says it.
#[derive(Debug, Clone)]
struct Line {
    id: QueueId,
    subject: String,
    /// "To: …"
    people: String,
    /// "Leaves tomorrow at 08:00", "Next try 14:05".
    state: String,
    /// What the other host said.
    reason: String,
    failed: String,
    is_held: bool,
    can_recall: bool,
    waits: bool,
    icon: &'static str,
}

#[derive(Template)]
#[template(path = "mail/outbox.html")]
struct OutboxPage {
    layout: Layout,
    c: Ctx,
    column: Column,
    lines: Vec<Line>,
}

/// `GET /mail/outbox`.
pub async fn outbox(me: Me) -> Page {
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let layout = me.layout(Area::Mail, me.lang.t("outbox"), &folders).await?;
    let column = column_of(&c, &folders, "outbox", &layout);
    let found = me.app.outgoing.outbox(me.account).await?;
    let page = OutboxPage {
        lines: found.into_iter().map(|one| line(&c, &one)).collect(),
        layout,
        c,
        column,
    };
    Ok(Html(page.render()?).into_response())
}

fn line(c: &Ctx, one: &OnItsWay) -> Line {
    let names = |all: &[String]| {
        let shown: Vec<String> = all.iter().map(|a| visible(a)).collect();
        shown.join(", ")
    };
    let at = |time| c.dates.full(time);
    let state = match (one.held_until, one.next_at) {
        (Some(until), _) => c.lang.t_args("outbox-held", &[("time", at(until).into())]),
        (None, Some(next)) => c.lang.t_args("outbox-next", &[("time", at(next).into())]),
        (None, None) if one.waiting.is_empty() => c.lang.t("outbox-failed"),
        (None, None) => c.lang.t("outbox-leaving"),
    };
    Line {
        id: one.id,
        subject: subject(c.lang, one.subject.as_deref().unwrap_or_default()),
        people: c
            .lang
            .t_args("list-to", &[("names", names(&one.waiting).into())]),
        state,
        reason: one.reason.as_deref().map(visible).unwrap_or_default(),
        failed: if one.failed.is_empty() {
            String::new()
        } else {
            c.lang
                .t_args("outbox-not-to", &[("names", names(&one.failed).into())])
        },
        is_held: one.held_until.is_some(),
        can_recall: one.can_recall,
        waits: !one.waiting.is_empty(),
        icon: if one.waiting.is_empty() {
            "warn"
        } else {
            "outbox"
        },
    }
}

/// What is done about a message.
#[derive(Debug, Deserialize)]
pub struct OutboxForm {
    op: String,
}

/// `POST /mail/outbox/{id}`: `op` is recall, now, retry or drop.
pub async fn act(me: Me, Path(id): Path<QueueId>, Form(form): Form<OutboxForm>) -> Page {
    let (app, account) = (&me.app, me.account);
    let said = match form.op.as_str() {
        "recall" => {
            let draft = app.drafts().recall(account, id).await?;
            return Ok(redirect(&format!("/mail/compose?draft={draft}")));
        }
        "now" => {
            app.drafts().send_now(account, id).await?;
            "compose-on-its-way"
        }
        "retry" => {
            app.retry_sending(account, id).await?;
            "compose-on-its-way"
        }
        "drop" => {
            app.give_up_sending(account, id).await?;
            "outbox-dropped"
        }
        _ => return Err(crate::web::error::WebError::Bad("error-bad-request")),
    };
    let toast = Toast {
        text: me.lang.t(said),
        ..Toast::default()
    };
    me.flash(toast).await?;
    Ok(redirect("/mail/outbox"))
}
