//! Who asks: the extractor of every signed-in page.
//!
//! The session layer (`auth.rs`) puts a [`Signed`] into the request; [`Me`] takes it out again, or sends the asker to the sign-in
//! page and back.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chrono_tz::Tz;
use time::OffsetDateTime;
use tower_sessions::Session;

use super::auth;
use super::error::WebError;
use super::mail::view::Ctx;
use super::page::{Area, Client, Layout, Look, Module, Quota, Toast, Who};
use super::session_store::STAYS;
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::i18n::dates::Dates;
use crate::model::{AccountId, SpecialUse};
use crate::service::App;
use crate::service::accounts::preferences::RemotePictures;
use crate::service::mail::FolderRow;

/// Where the session keeps what the next page shall say.
const FLASH: &str = "flash";

/// What the session layer knows of a signed-in request.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Whose session.
    pub account: AccountId,
    /// The primary address.
    pub address: String,
    /// The shown name.
    pub name: String,
    /// Language of the pages.
    pub lang: Lang,
    /// The reader's clock.
    pub zone: Tz,
    /// How it looks.
    pub look: Look,
    /// What the scripts are told.
    pub client: Client,
    /// The session's token for forms.
    pub csrf: String,
    /// Pictures that lie elsewhere.
    pub pictures: RemotePictures,
    /// Must choose a new password before anything else.
    pub must_change: bool,
    /// The session itself.
    pub session: Session,
}

/// The signed-in asker, with everything a handler needs.
#[derive(Clone)]
pub struct Me {
    /// The services.
    pub app: App,
    signed: Arc<Signed>,
    /// This request's path and query.
    pub path: String,
}

impl std::ops::Deref for Me {
    type Target = Signed;
    fn deref(&self) -> &Signed {
        &self.signed
    }
}

impl FromRequestParts<App> for Me {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, WebError> {
        let path = parts
            .uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), |p| p.as_str().to_owned());
        let Some(signed) = parts.extensions.get::<Arc<Signed>>() else {
            let back = if parts.method == axum::http::Method::GET {
                path
            } else {
                "/".to_owned()
            };
            return Err(WebError::SignIn(back));
        };
        if signed.must_change {
            return Err(WebError::FirstPassword);
        }
        Ok(Self {
            app: app.clone(),
            signed: Arc::clone(signed),
            path,
        })
    }
}

impl Me {
    /// What a template needs beside its rows.
    ///
    /// # Errors
    /// [`WebError`] when the own addresses cannot be read.
    pub async fn ctx(&self) -> Result<Ctx, WebError> {
        let own: HashSet<String> = self
            .app
            .accounts
            .own_addresses(self.account)
            .await?
            .iter()
            .map(crate::format::address::Address::compare_form)
            .collect();
        Ok(Ctx {
            lang: self.lang,
            csrf: self.csrf.clone(),
            dates: self.dates(),
            own,
        })
    }

    /// Dates as the reader writes them, now.
    #[must_use]
    pub fn dates(&self) -> Dates {
        Dates {
            lang: self.lang,
            zone: self.zone,
            now: OffsetDateTime::now_utc(),
        }
    }

    /// The frame around a page of `area`.
    ///
    /// # Errors
    /// [`WebError`] when quota or session cannot be read.
    pub async fn layout(
        &self,
        area: Area,
        title: String,
        folders: &[FolderRow],
    ) -> Result<Layout, WebError> {
        let usage = self.app.mail.usage(self.account).await?;
        let who = Who::new(&self.name, &self.address);
        let mut layout = Layout::new(self.lang, who, self.csrf.clone(), area, title);
        layout.look = self.look;
        layout.client = self.client.clone();
        layout.path.clone_from(&self.path);
        layout.modules = modules(folders);
        layout.quota = Quota {
            used_bytes: u64::try_from(usage.used_bytes).unwrap_or(0),
            limit_bytes: u64::try_from(usage.quota_bytes).unwrap_or(0),
        };
        if area == Area::Mail {
            layout.outbox = self.app.outgoing.outbox_count(self.account).await?;
        }
        layout.banners.extend(layout.quota.banner(self.lang));
        layout.toast = self.take_flash().await;
        Ok(layout)
    }

    /// Removing marks the session as changed even where nothing was: then every page would write it.
    async fn take_flash(&self) -> Option<Toast> {
        let toast = self.session.get(FLASH).await.ok().flatten()?;
        self.session.remove_value(FLASH).await.ok();
        self.keep_cookie().await;
        Some(toast)
    }

    /// A changed session sends its cookie again; one that stays must not shrink to the browser's own session.
    async fn keep_cookie(&self) {
        if let Ok(Some(true)) = self.session.get::<bool>(STAYS).await {
            self.session.set_expiry(Some(auth::stay(&self.app)));
        }
    }

    /// What the next page shall say, after a redirect.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when the session takes no values.
    pub async fn flash(&self, toast: Toast) -> Result<(), WebError> {
        self.session
            .insert(FLASH, toast)
            .await
            .map_err(|_| Refusal::Internal("session"))?;
        self.keep_cookie().await;
        Ok(())
    }
}

/// The areas that exist, the inbox's unread count on the mail.
fn modules(folders: &[FolderRow]) -> Vec<Module> {
    let mut mail = Module::new(Area::Mail);
    mail.badge = folders
        .iter()
        .find(|f| f.special_use() == Some(SpecialUse::Inbox))
        .map_or(0, |f| u64::try_from(f.unseen_count).unwrap_or(0));
    vec![mail, Module::new(Area::Settings)]
}
