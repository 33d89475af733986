//! Password, generator, sessions, sign-in history (security.md 3, 4.11, 5).

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::{Frame, frame, saved, status_of};
use crate::error::Refusal;
use crate::model::Protocol;
use crate::service::accounts::LoginEvent;
use crate::service::accounts::generator::{Recipe, generate};
use crate::service::accounts::login::Login;
use crate::web::auth::{source, user_agent};
use crate::web::error::{Page, WebError};
use crate::web::form::Form;
use crate::web::me::Me;
use crate::web::page::{Layout, Toast};
use crate::web::session_store::hash_of;

/// Rows of the sign-in history.
const HISTORY: i64 = 20;

#[derive(Template)]
#[template(path = "settings/security.html")]
struct SecurityPage {
    layout: Layout,
    f: Frame,
    address: String,
    changed: String,
    error: String,
    made: Option<Made>,
    recipe: String,
    sessions: Vec<SessionView>,
    history: Vec<EventView>,
}

/// A generated password: shown, not stored.
#[derive(Debug, Clone)]
struct Made {
    text: String,
    bits: u32,
}

#[derive(Debug, Clone)]
struct SessionView {
    key: String,
    browser: String,
    source: String,
    seen: String,
    is_this: bool,
}

#[derive(Debug, Clone)]
struct EventView {
    at: String,
    outcome: String,
    tone: &'static str,
    door: String,
    source: String,
    client: String,
}

/// What the page is asked for: a password of this kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecurityQuery {
    generate: String,
}

/// `GET /settings/security`.
pub async fn page(me: Me, Query(query): Query<SecurityQuery>) -> Page {
    render(&me, &query.generate, String::new()).await
}

async fn render(me: &Me, recipe: &str, error: String) -> Page {
    let (layout, f) = frame(me, "security").await?;
    let row = me.app.accounts.account(me.account).await?;
    let dates = me.dates();
    let l = me.lang;
    let made = match recipe {
        "words" => Some(generate(Recipe::INITIAL)?),
        "characters" => Some(generate(Recipe::Characters {
            count: 16,
            symbols: false,
        })?),
        _ => None,
    };
    let this = me.session.id().map(hash_of);
    let sessions = me
        .app
        .accounts
        .sessions(me.account)
        .await?
        .into_iter()
        .map(|s| SessionView {
            key: hex(&s.session_hash),
            browser: browser(&s.user_agent),
            source: s.source,
            seen: dates.date_time(s.seen_at),
            is_this: Some(&s.session_hash) == this.as_ref(),
        })
        .collect();
    let history = me
        .app
        .accounts
        .login_events(me.account, None, HISTORY)
        .await?
        .iter()
        .map(|e| event(me, e))
        .collect();
    let status = status_of(&error);
    let page = SecurityPage {
        layout,
        f,
        address: me.address.clone(),
        changed: l.t_args(
            "password-changed-on",
            &[("date", dates.date_long(row.password_changed_at).into())],
        ),
        error,
        made: made.map(|m| Made {
            text: m.password.expose().to_owned(),
            bits: m.bits,
        }),
        recipe: if recipe == "characters" {
            "characters".to_owned()
        } else {
            "words".to_owned()
        },
        sessions,
        history,
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn event(me: &Me, e: &LoginEvent) -> EventView {
    let (outcome, tone) = match e.outcome.as_str() {
        "ok" => (me.lang.t("login-ok"), "ok"),
        "locked" => (me.lang.t("login-was-locked"), "r"),
        _ => (me.lang.t("login-failed"), "w"),
    };
    EventView {
        at: me.dates().date_time(e.at),
        outcome,
        tone,
        door: match e.protocol.as_str() {
            "web" => "Web".to_owned(),
            other => other.to_uppercase(),
        },
        source: e.source.clone(),
        client: browser(&e.client),
    }
}

/// "Firefox auf Windows" out of what a browser says of itself; anything else as it is.
fn browser(user_agent: &str) -> String {
    let name = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]
    .into_iter()
    .find(|(mark, _)| user_agent.contains(mark))
    .map(|(_, name)| name);
    let system = [
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find(|(mark, _)| user_agent.contains(mark))
    .map(|(_, name)| name);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} · {system}"),
        (Some(name), None) => name.to_owned(),
        _ => user_agent.chars().take(60).collect(),
    }
}

/// The form that changes the password.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PasswordForm {
    old: String,
    new: String,
    again: String,
}

/// `POST /settings/security/password`.
pub async fn change_password(
    me: Me,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Page {
    if form.new != form.again {
        let text = me.lang.t("error-password-again");
        return render(&me, "", text).await;
    }
    let proof = Login {
        name: &me.address,
        password: &form.old,
        protocol: Protocol::Web,
        source: source(peer),
        device_cookie: None,
        eas_device: None,
        client: user_agent(&headers),
    };
    let keep = me.session.id().map(hash_of);
    match me
        .app
        .accounts
        .change_password(me.account, &proof, &form.new, keep.as_deref())
        .await
    {
        Ok(()) => {
            me.flash(Toast {
                text: me.lang.t("password-changed"),
                ..Toast::default()
            })
            .await?;
            Ok(crate::web::error::redirect("/settings/security"))
        }
        Err(e @ Refusal::Invalid(_)) => {
            let text = WebError::from(e).text(me.lang);
            render(&me, "", text).await
        }
        Err(Refusal::TooMany { retry_after_secs }) => {
            let text = me.lang.t_n("login-locked", retry_after_secs.div_ceil(60));
            let mut response = render(&me, "", text).await?;
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            Ok(response)
        }
        Err(e) => Err(e.into()),
    }
}

#[derive(Template)]
#[template(path = "settings/_strength.html")]
struct StrengthPart {
    level: u8,
    text: String,
}

/// `POST /settings/security/strength`: how good what is being typed would be.
pub async fn strength(me: Me, Form(form): Form<PasswordForm>) -> Page {
    let judged = me.app.accounts.strength(me.account, &form.new).await?;
    let l = me.lang;
    let text = match judged.problem {
        Some(problem) => WebError::Refused(Refusal::Invalid(problem.word())).text(l),
        None if judged.score >= 4 => l.t("strength-4"),
        None => l.t("strength-3"),
    };
    let level = if judged.problem.is_some() {
        judged.score.min(2)
    } else {
        judged.score
    };
    Ok(Html(StrengthPart { level, text }.render()?).into_response())
}

/// Which session is to end; none: all others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SessionForm {
    key: String,
}

/// `POST /settings/security/sessions`.
pub async fn end_sessions(me: Me, Form(form): Form<SessionForm>) -> Page {
    let this = me.session.id().map(hash_of).unwrap_or_default();
    if form.key.is_empty() {
        me.app
            .accounts
            .end_other_sessions(me.account, &this)
            .await?;
    } else {
        let hash = unhex(&form.key).ok_or(Refusal::NotFound)?;
        me.app.accounts.end_session(me.account, &hash).await?;
    }
    saved(&me, "security").await
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 128 {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_by_name() {
        let ua = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0";
        assert_eq!(browser(ua), "Firefox · Windows");
        assert_eq!(browser("swaks"), "swaks");
    }

    #[test]
    fn hashes_read_back() {
        let bytes = [0, 1, 254, 255];
        assert_eq!(unhex(&hex(&bytes)).as_deref(), Some(&bytes[..]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("abc"), None);
    }
}
