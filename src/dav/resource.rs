//! What a path leads to for who asks.
//!
//! Everything lies in the asker's own homes: shared collections appear there too, as the items service names them. A home, a
//! collection or an object of somebody else answers exactly as one that does not exist (`security.md` S-25).

use std::sync::Arc;

use chrono_tz::Tz;

use super::path::{Family, Place, Proxy, Shape, is_default};
use super::reply::Fault;
use crate::error::Refusal;
use crate::model::{AccountId, CollectionKind};
use crate::service::App;
use crate::service::accounts::{LoggedIn, user_name};
use crate::service::items::{ItemRow, Shelf};

/// An account as others of its domain see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Its id.
    pub id: AccountId,
    /// Its primary address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// All its addresses, the primary one first.
    pub addresses: Vec<String>,
}

impl Person {
    /// The name, or the address of who has none.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() {
            &self.address
        } else {
            &self.name
        }
    }
}

/// Who asks, and in which address shape.
#[derive(Clone)]
pub struct Asker {
    /// The services.
    pub app: App,
    /// The account.
    pub me: Arc<Person>,
    /// How its client writes addresses.
    pub shape: Shape,
    /// Its clock.
    pub zone: Tz,
}

/// What is there.
#[derive(Debug, Clone)]
pub enum Resource {
    /// Where discovery begins.
    Root,
    /// All principals.
    Principals,
    /// An account.
    Principal(Arc<Person>),
    /// Who may act for an account.
    ProxyGroup(Arc<Person>, Proxy),
    /// All homes of a family.
    Homes(Family),
    /// The asker's collections of a family.
    Home(Family),
    /// One of them.
    Shelf(Arc<Shelf>),
    /// An object.
    Item(Arc<Shelf>, Box<ItemRow>),
}

impl Asker {
    /// Who came in. Its other addresses are read where a principal is shown, not on every request.
    #[must_use]
    pub fn new(app: &App, who: &LoggedIn, shape: Shape) -> Self {
        let account = &who.account;
        let me = Person {
            id: account.account_id,
            address: account.address.clone(),
            name: account.display_name.clone(),
            addresses: vec![account.address.clone()],
        };
        Self {
            app: app.clone(),
            me: Arc::new(me),
            shape,
            zone: account.time_zone.parse().unwrap_or(Tz::UTC),
        }
    }

    /// Whether a path's owner is the asker.
    #[must_use]
    pub fn is_me(&self, name: &str) -> bool {
        let name = user_name(name);
        name == self.me.address
            || (self.shape == Shape::Sogo
                && self
                    .me
                    .address
                    .split_once('@')
                    .is_some_and(|(local, _)| local == name))
    }

    /// Finds what is at a place.
    ///
    /// # Errors
    /// 404, 503.
    pub async fn find(&self, place: &Place) -> Result<Resource, Fault> {
        match place {
            Place::Root => Ok(Resource::Root),
            Place::Principals => Ok(Resource::Principals),
            Place::Homes(family) => Ok(Resource::Homes(*family)),
            Place::Principal(who) => Ok(Resource::Principal(self.person(who).await?)),
            Place::ProxyGroup(who, proxy) if self.is_me(who) => {
                Ok(Resource::ProxyGroup(Arc::clone(&self.me), *proxy))
            }
            Place::Home(family, who) if self.is_me(who) => Ok(Resource::Home(*family)),
            Place::Collection(family, who, slug) => {
                let shelf = self.shelf(*family, who, slug).await?;
                Ok(Resource::Shelf(Arc::new(shelf)))
            }
            Place::Item(family, who, slug, href) => {
                let shelf = self.shelf(*family, who, slug).await?;
                let item = self.app.items.item(shelf.at, href).await?;
                Ok(Resource::Item(Arc::new(shelf), Box::new(item.row)))
            }
            Place::ProxyGroup(..) | Place::Home(..) => Err(Fault::not_found()),
        }
    }

    /// One of the asker's collections.
    ///
    /// # Errors
    /// 404, 503.
    pub async fn shelf(&self, family: Family, who: &str, slug: &str) -> Result<Shelf, Fault> {
        if !self.is_me(who) {
            return Err(Fault::not_found());
        }
        let shelf = if is_default(self.shape, slug) {
            self.default_shelf(family).await?
        } else {
            self.app.items.shelf(self.me.id, slug).await?
        };
        if family_of(&shelf) == Some(family) {
            Ok(shelf)
        } else {
            Err(Fault::not_found())
        }
    }

    /// Where new objects of a family go.
    ///
    /// # Errors
    /// 404, 503.
    pub async fn default_shelf(&self, family: Family) -> Result<Shelf, Fault> {
        let kind = match family {
            Family::Calendars => CollectionKind::Calendar,
            Family::Books => CollectionKind::Contacts,
        };
        Ok(self.app.items.default_shelf(self.me.id, kind).await?)
    }

    /// All of the asker's collections of a family, but those it hid.
    ///
    /// # Errors
    /// 503.
    pub async fn shelves(&self, family: Family) -> Result<Vec<Arc<Shelf>>, Fault> {
        let all = self.app.items.shelves(self.me.id).await?;
        Ok(all
            .into_iter()
            .filter(|shelf| !shelf.is_hidden && family_of(shelf) == Some(family))
            .map(Arc::new)
            .collect())
    }

    /// An account of the asker's domain that it may find; the asker itself in any case.
    ///
    /// # Errors
    /// 404 for everybody else.
    pub async fn person(&self, name: &str) -> Result<Arc<Person>, Fault> {
        if self.is_me(name) {
            return Ok(Arc::new(person(&self.app, self.me.id).await?));
        }
        let found = self.app.accounts.colleague(self.me.id, name).await?;
        Ok(Arc::new(person(&self.app, found.account_id).await?))
    }

    /// Everybody the asker may find, with the primary address alone.
    ///
    /// # Errors
    /// 503.
    pub async fn colleagues(&self) -> Result<Vec<Arc<Person>>, Fault> {
        let found = self.app.accounts.colleagues(self.me.id).await?;
        Ok(found
            .into_iter()
            .map(|row| {
                Arc::new(Person {
                    id: row.account_id,
                    addresses: vec![row.address.clone()],
                    address: row.address,
                    name: row.display_name,
                })
            })
            .collect())
    }

    /// The clock on which floating times of a collection are told: its own, else its reader's.
    #[must_use]
    pub fn clock(&self, shelf: &Shelf) -> Tz {
        shelf
            .row
            .time_zone
            .as_deref()
            .and_then(|name| name.parse().ok())
            .unwrap_or(self.zone)
    }

    /// The path of a resource.
    #[must_use]
    pub fn href(&self, resource: &Resource) -> String {
        let me = || self.me.address.clone();
        let place = match resource {
            Resource::Root => Place::Root,
            Resource::Principals => Place::Principals,
            Resource::Principal(who) => Place::Principal(who.address.clone()),
            Resource::ProxyGroup(who, proxy) => Place::ProxyGroup(who.address.clone(), *proxy),
            Resource::Homes(family) => Place::Homes(*family),
            Resource::Home(family) => Place::Home(*family, me()),
            Resource::Shelf(shelf) => {
                return self.shelf_href(shelf);
            }
            Resource::Item(shelf, item) => return self.item_href(shelf, &item.href),
        };
        self.shape.href(&place)
    }

    /// The path of a collection.
    #[must_use]
    pub fn shelf_href(&self, shelf: &Shelf) -> String {
        let family = family_of(shelf).unwrap_or(Family::Calendars);
        self.shape.href(&Place::Collection(
            family,
            self.me.address.clone(),
            shelf.slug.clone(),
        ))
    }

    /// The path of an object.
    #[must_use]
    pub fn item_href(&self, shelf: &Shelf, href: &str) -> String {
        let family = family_of(shelf).unwrap_or(Family::Calendars);
        self.shape.href(&Place::Item(
            family,
            self.me.address.clone(),
            shelf.slug.clone(),
            href.to_owned(),
        ))
    }

    /// The path of a principal.
    #[must_use]
    pub fn principal_href(&self, address: &str) -> String {
        self.shape.href(&Place::Principal(address.to_owned()))
    }

    /// Where the asker's collections of a family are.
    #[must_use]
    pub fn home_href(&self, family: Family) -> String {
        self.shape
            .href(&Place::Home(family, self.me.address.clone()))
    }
}

/// In which home a collection stands.
#[must_use]
pub fn family_of(shelf: &Shelf) -> Option<Family> {
    Some(match shelf.kind()? {
        CollectionKind::Calendar | CollectionKind::Tasks | CollectionKind::Notes => {
            Family::Calendars
        }
        CollectionKind::Contacts => Family::Books,
    })
}

async fn person(app: &App, id: AccountId) -> Result<Person, Refusal> {
    let account = app.accounts.account(id).await?;
    let mut addresses = vec![account.address.clone()];
    for address in app.accounts.own_addresses(id).await? {
        let address = address.to_string();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(Person {
        id,
        address: account.address,
        name: account.display_name,
        addresses,
    })
}
