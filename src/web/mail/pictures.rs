//! Remote pictures: our proxy, and the reader's consent (ui.md 7.11, security.md 7).
//!
//! ```text
//! reader page -- decides: consent for this message now, or for its sender -- body?pictures={mac}
//! body frame  -- the mac is good: every picture's address becomes /mail/m/{id}/remote/{mac || address}
//! remote      -- the mac is good for this account and message: fetched, decoded, served as what it is
//! ```
//!
//! Consent for once lives in an address that only a page of this session can make: another site that opens the frame by
//! its bare address gets the message without its pictures. A picture's address is bound to account and message, so nobody
//! can have us fetch what no message of theirs shows.

use std::sync::Arc;

use askama::Template;
use async_trait::async_trait;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::RowId;
use super::body::file;
use super::list::find_folder;
use super::reader::{self, MessagePart};
use crate::config::Fetch;
use crate::error::Refusal;
use crate::format::picture;
use crate::model::{AccountId, EmailId};
use crate::net::fetch::{FetchError, Fetcher, Lookup};
use crate::service::App;
use crate::service::accounts::keys::{Keys, Purpose};
use crate::service::outgoing::resolve::{DnsNames, Names};
use crate::web::error::{Page, WebError, redirect};
use crate::web::form::Form;
use crate::web::headers::wants_part;
use crate::web::me::Me;
use crate::web::signed;

/// The longest address of a picture; the signed one must fit a request line.
const ADDRESS: usize = 4_000;
/// How long a browser may keep a picture.
const KEPT: &str = "private, max-age=86400, immutable";
/// What a request for a picture asks for.
const ACCEPT: &str = "image/webp,image/png,image/jpeg,image/gif;q=0.9,*/*;q=0.1";

/// The routes of remote pictures.
pub fn routes(app: &App) -> Router<App> {
    let proxy = Arc::new(Proxy::new(&app.config.fetch, &app.config.dns));
    Router::new()
        .route("/mail/m/{id}/remote/{signed}", get(remote))
        .layer(Extension(proxy))
        .route("/mail/m/{id}/images", post(consent))
}

/// What fetches and looks at pictures.
struct Proxy {
    fetcher: Option<Fetcher>,
    decoders: Semaphore,
    limits: Fetch,
}

impl Proxy {
    fn new(limits: &Fetch, dns: &crate::config::Dns) -> Self {
        let fetcher = match DnsNames::new(dns) {
            Ok(names) => Some(Fetcher::new(limits.clone(), Box::new(Dns(names)))),
            Err(error) => {
                tracing::error!(protocol = "web", %error, "remote pictures cannot be fetched");
                None
            }
        };
        Self {
            fetcher,
            decoders: Semaphore::new(limits.decoders),
            limits: limits.clone(),
        }
    }

    /// The picture at an address: what it is, and its bytes as they came.
    async fn picture(&self, address: &str) -> Result<(&'static str, Vec<u8>), NoPicture> {
        let fetcher = self.fetcher.as_ref().ok_or(NoPicture::Resolver)?;
        let found = fetcher.get(address, ACCEPT, self.limits.body).await?;
        let _permit = self
            .decoders
            .acquire()
            .await
            .map_err(|_| NoPicture::Resolver)?;
        let pixels = self.limits.pixels;
        tokio::task::spawn_blocking(move || {
            picture::check(&found.bytes, pixels)
                .filter(|picture| !picture.is_tracker())
                .map(|picture| (picture.kind.media_type(), found.bytes))
        })
        .await
        .ok()
        .flatten()
        .ok_or(NoPicture::Content)
    }
}

/// Why a picture is not shown; for the log.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error("no resolver")]
    Resolver,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("no picture that is shown")]
    Content,
}

/// The name servers that mail is sent by.
struct Dns(DnsNames);

#[async_trait]
impl Lookup for Dns {
    async fn addresses(&self, host: &str) -> Option<Vec<std::net::IpAddr>> {
        self.0.addresses(host).await.ok()
    }
}

/// `GET /mail/m/{id}/remote/{signed}`: a picture from elsewhere, fetched by us.
///
/// Whatever went wrong there, the answer is the same: no such picture.
async fn remote(
    me: Me,
    Path((id, signed)): Path<(EmailId, String)>,
    Extension(proxy): Extension<Arc<Proxy>>,
) -> Page {
    let keys = me.app.accounts.keys().await?;
    let address = signed::open(keys, Purpose::Picture, &address_of(me.account, id), &signed)
        .ok_or(Refusal::NotFound)?;
    me.app.mail.email(me.account, id).await?;
    let (kind, bytes) = match proxy.picture(&address).await {
        Ok(found) => found,
        Err(error) => {
            metrics::counter!("postamt_remote_pictures_total", "outcome" => "failed").increment(1);
            tracing::debug!(protocol = "web", account = me.account.0, %error, "a remote picture is not shown");
            return Err(Refusal::NotFound.into());
        }
    };
    metrics::counter!("postamt_remote_pictures_total", "outcome" => "shown").increment(1);
    let name = kind.replace('/', ".");
    let mut response = file(Some(kind), &name, Body::from(bytes));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    Ok(response)
}

/// The address under which our proxy serves a picture of this message; `None`: it stays a placeholder.
#[must_use]
pub fn proxied(keys: &Keys, account: AccountId, id: EmailId, address: &str) -> Option<String> {
    (address.len() <= ADDRESS).then(|| {
        let sealed = signed::seal(keys, Purpose::Picture, &address_of(account, id), address);
        format!("/mail/m/{id}/remote/{sealed}")
    })
}

fn address_of(account: AccountId, id: EmailId) -> String {
    format!("address {account} {id}")
}

/// The word by which a page of this session tells the body frame that pictures are shown.
///
/// # Errors
/// [`WebError`] when the key cannot be read.
pub async fn consent_word(me: &Me, id: EmailId) -> Result<String, WebError> {
    let keys = me.app.accounts.keys().await?;
    Ok(signed::seal(
        keys,
        Purpose::Picture,
        &consent_of(me, id),
        "",
    ))
}

/// Whether `word` is that word.
///
/// # Errors
/// [`WebError`] when the key cannot be read.
pub async fn is_consent(me: &Me, id: EmailId, word: &str) -> Result<bool, WebError> {
    if word.is_empty() {
        return Ok(false);
    }
    let keys = me.app.accounts.keys().await?;
    Ok(signed::open(keys, Purpose::Picture, &consent_of(me, id), word).is_some())
}

fn consent_of(me: &Me, id: EmailId) -> String {
    format!("consent {} {id} {}", me.account, me.csrf)
}

/// The message of `?pictures={message}.{word}` on a reader's page, when the word is right.
///
/// # Errors
/// [`WebError`] when the key cannot be read.
pub async fn consented(me: &Me, value: &str) -> Result<Option<EmailId>, WebError> {
    let Some((id, word)) = value.split_once('.') else {
        return Ok(None);
    };
    let Ok(id) = id.parse() else {
        return Ok(None);
    };
    Ok(is_consent(me, id, word).await?.then_some(id))
}

/// The reader's decision about the pictures of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConsentForm {
    /// `once` or `sender`.
    scope: String,
    /// The folder the reader is in.
    folder: String,
    /// The row that is open there.
    row: String,
}

/// `POST /mail/m/{id}/images`: shows the pictures of a message, now or from this sender always.
async fn consent(
    me: Me,
    Path(id): Path<EmailId>,
    headers: HeaderMap,
    Form(form): Form<ConsentForm>,
) -> Page {
    let email = me.app.mail.email(me.account, id).await?;
    if form.scope == "sender" {
        me.app.mail.consent_to_sender(me.account, &email).await?;
    }
    let row = RowId::parse(&form.row).unwrap_or(RowId::Email(id));
    if !wants_part(&headers) {
        let word = consent_word(&me, id).await?;
        let folder = crate::web::query_escape(&form.folder);
        return Ok(redirect(&format!(
            "/mail/{folder}/{row}?pictures={id}.{word}#m-{id}"
        )));
    }
    let folder = find_folder(&me, &form.folder).await?;
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let shown = reader::build(&me, &c, folder, &folders, row, Some(id)).await?;
    let mut m = shown
        .hidden
        .into_iter()
        .chain(shown.messages)
        .find(|m| m.email == id.0)
        .ok_or(Refusal::NoMessage)?;
    m.is_folded = false;
    Ok(Html(MessagePart { c: &c, m: &m }.render()?).into_response())
}
