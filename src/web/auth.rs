//! Signing in and out, the first password, and the layer that knows who asks (ui.md 6.1, security.md 4 and 5).
//!
//! The session id changes at sign-in; the form itself is protected by the token of a session that nobody has signed in to yet.
//! A wrong name and a wrong password are the same answer. These pages need no script.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::error::{Page, WebError, redirect, request_lang};
use super::form::token_is;
use super::me::Signed;
use super::page::{Bare, Look};
use super::session_store::{ACCOUNT, DbSessions, SOURCE, STAYS, USER_AGENT, hash_of};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::model::{AccountId, Protocol, Source};
use crate::service::App;
use crate::service::accounts::login::{LoggedIn, Login, LoginRefused};

/// The session's cookie.
const SESSION_COOKIE: &str = "__Host-sid";
/// The cookie that makes a browser known to its owner (security.md 4.1).
const DEVICE_COOKIE: &str = "__Host-dev";
/// Where an unfinished sign-in keeps the proof of its password.
const PENDING: &str = "pending";
/// The name that proof is for.
const PENDING_NAME: &str = "pending_name";
/// Whether that sign-in asked to stay.
const PENDING_STAYS: &str = "pending_stays";
/// Marks a session that only holds a form's token.
const FORM: &str = "form";

/// The layer that keeps sessions.
#[must_use]
pub fn session_layer(app: &App) -> SessionManagerLayer<DbSessions> {
    SessionManagerLayer::new(DbSessions::new(app.clone()))
        .with_name(SESSION_COOKIE)
        .with_secure(true)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnSessionEnd)
}

/// How long the cookie of somebody lives who asked to stay signed in.
pub fn stay(app: &App) -> Expiry {
    let days = app.config.web.session_stay;
    Expiry::OnInactivity(Duration::try_from(days).unwrap_or(Duration::days(30)))
}

/// Finds out who asks and puts it into the request.
pub async fn recognise(
    State(app): State<App>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Response {
    match signed(&app, &session).await {
        Ok(Some(signed)) => {
            request.extensions_mut().insert(Arc::new(signed));
        }
        Ok(None) => {}
        Err(e) => return e.into_response(),
    }
    next.run(request).await
}

async fn signed(app: &App, session: &Session) -> Result<Option<Signed>, WebError> {
    let Some(account) = session
        .get::<i64>(ACCOUNT)
        .await
        .map_err(|_| broken_session())?
    else {
        return Ok(None);
    };
    let account = AccountId(account);
    let row = match app.accounts.account(account).await {
        Ok(row) if row.is_enabled && row.domain_enabled => row,
        Ok(_) | Err(Refusal::NotFound) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let prefs = app.accounts.preferences(account).await?;
    let Some(id) = session.id() else {
        return Ok(None);
    };
    let csrf = app.accounts.keys().await?.csrf_token(&id.to_string());
    Ok(Some(Signed {
        account,
        address: row.address,
        name: row.display_name,
        lang: row.locale.parse().unwrap_or_default(),
        zone: row.time_zone.parse().unwrap_or(chrono_tz::Europe::Berlin),
        look: super::prefs::look(&prefs),
        client: super::prefs::client(&prefs),
        pictures: prefs.remote_pictures,
        csrf,
        must_change: row.must_change,
        session: session.clone(),
    }))
}

/// The session could not be read: the database is away.
fn broken_session() -> WebError {
    WebError::Unavailable
}

/// What the sign-in page shows.
#[derive(Template)]
#[template(path = "auth/login.html")]
struct LoginPage {
    layout: Bare,
    name: String,
    stays: bool,
    next: String,
    error: String,
}

#[derive(Template)]
#[template(path = "auth/code.html")]
struct CodePage {
    layout: Bare,
    next: String,
    error: String,
}

#[derive(Template)]
#[template(path = "auth/first.html")]
struct FirstPage {
    layout: Bare,
    address: String,
    suggestion: String,
    bits: u32,
    error: String,
}

/// Where to go afterwards, and in which language.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoginQuery {
    next: String,
    lang: String,
}

/// The sign-in form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoginForm {
    #[serde(rename = "_t")]
    token: String,
    name: String,
    password: String,
    stays: String,
    next: String,
    code: String,
}

/// `GET /login`.
pub async fn login_page(
    State(app): State<App>,
    session: Session,
    signed: Option<axum::Extension<Arc<Signed>>>,
    Query(query): Query<LoginQuery>,
) -> Page {
    if let Ok(lang) = query.lang.parse::<Lang>() {
        return Ok(in_lang(lang, &with_next("/login", &query.next)));
    }
    if signed.is_some() {
        return Ok(redirect(&own_path(&query.next)));
    }
    let layout = bare(&app, &session, request_lang(), "sign-in", "/login").await?;
    let page = LoginPage {
        layout,
        name: String::new(),
        stays: false,
        next: own_path(&query.next),
        error: String::new(),
    };
    Ok(Html(page.render()?).into_response())
}

/// `POST /login`.
pub async fn login(
    State(app): State<App>,
    session: Session,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<LoginForm>,
) -> Page {
    check_token(&app, &session, &form.token).await?;
    let lang = request_lang();
    let device = cookie(&headers, DEVICE_COOKIE);
    let attempt = Login {
        name: &form.name,
        password: &form.password,
        protocol: Protocol::Web,
        source: source(peer),
        device_cookie: device.as_deref(),
        eas_device: None,
        client: user_agent(&headers),
    };
    let stays = form.stays == "1";
    match app.accounts.login(&attempt).await {
        Ok(who) => enter(&app, &session, who, stays, &attempt, &form.next).await,
        Err(LoginRefused::NeedsCode { pending }) => {
            put(&session, PENDING, pending).await?;
            put(&session, PENDING_NAME, form.name.clone()).await?;
            put(&session, PENDING_STAYS, stays).await?;
            Ok(redirect(&with_next("/login/code", &form.next)))
        }
        Err(refused) => {
            let (status, error) = refusal(lang, refused)?;
            let page = LoginPage {
                layout: bare(&app, &session, lang, "sign-in", "/login").await?,
                name: form.name,
                stays,
                next: own_path(&form.next),
                error,
            };
            Ok((status, Html(page.render()?)).into_response())
        }
    }
}

/// `GET /login/code`: the second step.
pub async fn code_page(
    State(app): State<App>,
    session: Session,
    Query(query): Query<LoginQuery>,
) -> Page {
    if let Ok(lang) = query.lang.parse::<Lang>() {
        return Ok(in_lang(lang, &with_next("/login/code", &query.next)));
    }
    let page = CodePage {
        layout: bare(
            &app,
            &session,
            request_lang(),
            "second-factor",
            "/login/code",
        )
        .await?,
        next: own_path(&query.next),
        error: String::new(),
    };
    Ok(Html(page.render()?).into_response())
}

/// `POST /login/code`.
pub async fn code(
    State(app): State<App>,
    session: Session,
    peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<LoginForm>,
) -> Page {
    check_token(&app, &session, &form.token).await?;
    let pending: Option<String> = session.get(PENDING).await.map_err(|_| broken_session())?;
    let name: Option<String> = session
        .get(PENDING_NAME)
        .await
        .map_err(|_| broken_session())?;
    let stays: Option<bool> = session
        .get(PENDING_STAYS)
        .await
        .map_err(|_| broken_session())?;
    let (Some(pending), Some(name)) = (pending, name) else {
        return Ok(redirect("/login"));
    };
    let device = cookie(&headers, DEVICE_COOKIE);
    let attempt = Login {
        name: &name,
        password: "",
        protocol: Protocol::Web,
        source: source(peer),
        device_cookie: device.as_deref(),
        eas_device: None,
        client: user_agent(&headers),
    };
    match app
        .accounts
        .login_with_code(&attempt, &pending, form.code.trim())
        .await
    {
        Ok(who) => {
            enter(
                &app,
                &session,
                who,
                stays.unwrap_or(false),
                &attempt,
                &form.next,
            )
            .await
        }
        Err(refused) => {
            let lang = request_lang();
            let (status, mut error) = refusal(lang, refused)?;
            if status == StatusCode::UNPROCESSABLE_ENTITY {
                error = lang.t("login-code-wrong");
            }
            let page = CodePage {
                layout: bare(&app, &session, lang, "second-factor", "/login/code").await?,
                next: own_path(&form.next),
                error,
            };
            Ok((status, Html(page.render()?)).into_response())
        }
    }
}

/// Turns the anonymous session into the owner's: new id, the account in it, the browser known from now on.
async fn enter(
    app: &App,
    session: &Session,
    who: LoggedIn,
    stays: bool,
    attempt: &Login<'_>,
    next: &str,
) -> Page {
    session.flush().await.map_err(|_| broken_session())?;
    session.cycle_id().await.map_err(|_| broken_session())?;
    put(session, ACCOUNT, who.account.account_id.0).await?;
    put(session, STAYS, stays).await?;
    put(session, SOURCE, attempt.source.to_string()).await?;
    put(session, USER_AGENT, attempt.client.to_owned()).await?;
    if stays {
        session.set_expiry(Some(stay(app)));
    }
    let to = if who.must_change {
        "/password/first".to_owned()
    } else {
        own_path(next)
    };
    let mut response = redirect(&to);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let value = app
        .accounts
        .keys()
        .await?
        .device_cookie(who.account.account_id, now);
    let seconds = app.config.web.device_cookie.as_secs();
    let cookie = format!(
        "{DEVICE_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    );
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

/// Status and sentence of a refused sign-in.
fn refusal(lang: Lang, refused: LoginRefused) -> Result<(StatusCode, String), WebError> {
    Ok(match refused {
        LoginRefused::Wrong { tries_left } => {
            let mut text = lang.t("login-wrong");
            if (1..=2).contains(&tries_left) {
                text.push(' ');
                text.push_str(&lang.t_n("login-tries-left", tries_left));
            }
            (StatusCode::UNPROCESSABLE_ENTITY, text)
        }
        LoginRefused::Locked { seconds_left } => (
            StatusCode::TOO_MANY_REQUESTS,
            lang.t_n("login-locked", seconds_left.div_ceil(60)),
        ),
        LoginRefused::TryLater => (StatusCode::SERVICE_UNAVAILABLE, lang.t("login-later")),
        LoginRefused::Disabled => (StatusCode::FORBIDDEN, lang.t("login-disabled")),
        LoginRefused::NeedsCode { .. } => (StatusCode::UNPROCESSABLE_ENTITY, lang.t("login-wrong")),
        LoginRefused::Unavailable(e) => return Err(e.into()),
    })
}

/// `POST /logout`: ends the session and clears what the browser keeps for us.
pub async fn logout(
    session: Session,
    signed: Option<axum::Extension<Arc<Signed>>>,
    headers: HeaderMap,
    axum::Form(form): axum::Form<LoginForm>,
) -> Page {
    if let Some(axum::Extension(signed)) = signed {
        let in_header = headers
            .get(super::form::TOKEN_HEADER)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !token_is(&form.token, &signed.csrf) && !token_is(in_header, &signed.csrf) {
            return Err(WebError::Forbidden);
        }
        session.flush().await.map_err(|_| broken_session())?;
    }
    let mut response = redirect("/login");
    response.headers_mut().insert(
        "clear-site-data",
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}

/// `GET /password/first`: choose a password of one's own.
pub async fn first_page(
    State(app): State<App>,
    signed: Option<axum::Extension<Arc<Signed>>>,
    Query(query): Query<LoginQuery>,
) -> Page {
    if let Ok(lang) = query.lang.parse::<Lang>() {
        return Ok(in_lang(lang, "/password/first"));
    }
    let Some(axum::Extension(signed)) = signed else {
        return Err(WebError::SignIn("/password/first".to_owned()));
    };
    if !signed.must_change {
        return Ok(redirect("/mail/inbox"));
    }
    Ok(Html(first(&app, &signed, request_lang(), String::new())?).into_response())
}

/// The form of the first password.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FirstForm {
    #[serde(rename = "_t")]
    token: String,
    new: String,
    again: String,
}

/// `POST /password/first`.
pub async fn first_change(
    State(app): State<App>,
    signed: Option<axum::Extension<Arc<Signed>>>,
    axum::Form(form): axum::Form<FirstForm>,
) -> Page {
    let Some(axum::Extension(signed)) = signed else {
        return Err(WebError::SignIn("/password/first".to_owned()));
    };
    if !token_is(&form.token, &signed.csrf) {
        return Err(WebError::Forbidden);
    }
    let lang = request_lang();
    let error = if form.new == form.again {
        let keep = signed.session.id().map(hash_of);
        match app
            .accounts
            .set_first_password(signed.account, &form.new, keep.as_deref())
            .await
        {
            Ok(()) => return Ok(redirect("/mail/inbox")),
            Err(e @ Refusal::Invalid(_)) => WebError::from(e).text(lang),
            Err(e) => return Err(e.into()),
        }
    } else {
        lang.t("error-password-again")
    };
    let html = first(&app, &signed, lang, error)?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(html)).into_response())
}

fn first(app: &App, signed: &Signed, lang: Lang, error: String) -> Result<String, WebError> {
    let made = crate::service::accounts::generator::generate(
        crate::service::accounts::generator::Recipe::INITIAL,
    )?;
    let page = FirstPage {
        layout: Bare {
            lang,
            look: signed.look,
            title: lang.t("first-title"),
            csrf: signed.csrf.clone(),
            host: app.config.server.hostname.clone(),
            path: "/password/first".to_owned(),
            imprint: app.config.web.imprint.clone(),
            privacy: app.config.web.privacy.clone(),
        },
        address: signed.address.clone(),
        suggestion: made.password.expose().to_owned(),
        bits: made.bits,
        error,
    };
    Ok(page.render()?)
}

/// A page without the frame, with a session behind it for the form's token.
async fn bare(
    app: &App,
    session: &Session,
    lang: Lang,
    title: &str,
    path: &str,
) -> Result<Bare, WebError> {
    if session.id().is_none()
        || session
            .get::<bool>(FORM)
            .await
            .map_err(|_| broken_session())?
            .is_none()
    {
        put(session, FORM, true).await?;
        session.save().await.map_err(|_| broken_session())?;
    }
    let id = session.id().ok_or_else(broken_session)?;
    Ok(Bare {
        lang,
        look: Look::default(),
        title: lang.t(title),
        csrf: app.accounts.keys().await?.csrf_token(&id.to_string()),
        host: app.config.server.hostname.clone(),
        path: path.to_owned(),
        imprint: app.config.web.imprint.clone(),
        privacy: app.config.web.privacy.clone(),
    })
}

async fn check_token(app: &App, session: &Session, given: &str) -> Result<(), WebError> {
    let Some(id) = session.id() else {
        return Err(WebError::Forbidden);
    };
    if app
        .accounts
        .keys()
        .await?
        .is_csrf_token(&id.to_string(), given)
    {
        Ok(())
    } else {
        Err(WebError::Forbidden)
    }
}

async fn put<T: serde::Serialize>(session: &Session, key: &str, value: T) -> Result<(), WebError> {
    session
        .insert(key, value)
        .await
        .map_err(|_| broken_session())
}

/// A path of our own, or the start page.
fn own_path(next: &str) -> String {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/\\")
        && !next.contains(['\r', '\n']);
    if is_own {
        next.to_owned()
    } else {
        "/".to_owned()
    }
}

fn with_next(path: &str, next: &str) -> String {
    if next.is_empty() || next == "/" {
        path.to_owned()
    } else {
        format!("{path}?next={}", super::query_escape(&own_path(next)))
    }
}

/// Remembers a language for a reader who is not signed in, a year long.
fn in_lang(lang: Lang, to: &str) -> Response {
    let mut response = redirect(to);
    let cookie = format!("lang={lang}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|pair| {
            pair.trim()
                .strip_prefix(name)?
                .strip_prefix('=')
                .map(str::to_owned)
        })
}

/// The browser's name for itself; the history shows it.
pub fn user_agent(headers: &HeaderMap) -> &str {
    headers
        .get(header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

/// Where a request comes from, as the limits see it.
pub fn source(peer: Option<axum::Extension<ConnectInfo<SocketAddr>>>) -> Source {
    Source::of(peer.map_or(
        std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        |axum::Extension(ConnectInfo(a))| a.ip(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_paths_are_gone_to() {
        assert_eq!(own_path("/mail/inbox?x=1"), "/mail/inbox?x=1");
        for bad in [
            "",
            "https://evil.test/",
            "//evil.test",
            "/\\evil.test",
            "mail",
            "/a\r\nb",
        ] {
            assert_eq!(own_path(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=1; x__Host-dev=2; __Host-dev=3"),
        );
        assert_eq!(cookie(&headers, DEVICE_COOKIE).as_deref(), Some("3"));
        assert_eq!(cookie(&headers, "b"), None);
    }
}
