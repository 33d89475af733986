//! Live properties: which there are, on what, and their values.
//!
//! | from | properties |
//! | --- | --- |
//! | RFC 4918 15 | displayname, getcontentlength, getcontenttype, getetag, getlastmodified, resourcetype, supportedlock, lockdiscovery |
//! | RFC 3744, 5397 | owner, principal-URL, group-membership, privileges, principal-collection-set, current-user-principal |
//! | RFC 3253, 6578 | supported-report-set, sync-token |
//! | RFC 4331 | quota-available-bytes, quota-used-bytes |
//! | RFC 4791, 6638, 7809 | home set, limits, supported components and data, time zone, transparency, addresses of a user |
//! | RFC 6352 | home set, description, limits |
//! | calendarserver.org, Apple | getctag, email-address-set, calendar-proxy, calendar-color, calendar-order |
//!
//! `allprop` brings those of RFC 4918 and the dead ones, as the other documents ask. A property that makes no sense on a
//! resource is missing there (404), it is not empty.

use std::collections::HashMap;

use super::path::{Family, Proxy};
use super::resource::{Asker, Person, Resource};
use super::values::{of_item, of_shelf};
use crate::format::davxml::{Name, Ns, Writer};
use crate::model::{AccountId, CollectionKind, Rights};
use crate::service::items::{CollectionRow, Shelf};

/// A live property; each is named like the property it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    AclRestrictions,
    AddressbookDescription,
    AddressbookHomeSet,
    AddressData,
    AlternateUriSet,
    CalendarColor,
    CalendarData,
    CalendarDescription,
    CalendarHomeSet,
    CalendarOrder,
    CalendarTimezone,
    CalendarTimezoneId,
    CalendarUserAddressSet,
    CalendarUserType,
    CurrentUserPrincipal,
    CurrentUserPrivilegeSet,
    DisplayName,
    EmailAddressSet,
    GetContentLength,
    GetContentType,
    GetCtag,
    GetEtag,
    GetLastModified,
    GroupMembership,
    GroupMemberSet,
    LockDiscovery,
    MaxAttendees,
    MaxDateTime,
    MaxImageSize,
    MaxInstances,
    MaxResourceSize,
    MinDateTime,
    Owner,
    PrincipalCollectionSet,
    PrincipalUrl,
    ProxyReadFor,
    ProxyWriteFor,
    QuotaAvailable,
    QuotaUsed,
    ResourceType,
    ScheduleCalendarTransp,
    SupportedAddressData,
    SupportedCalendarComponentSet,
    SupportedCalendarComponentSets,
    SupportedCalendarData,
    SupportedCollationSet,
    SupportedCardCollationSet,
    SupportedLock,
    SupportedPrivilegeSet,
    SupportedReportSet,
    SyncToken,
}

/// Name, property, whether `allprop` brings it.
const TABLE: &[(Ns, &str, Live, bool)] = &[
    (Ns::Dav, "displayname", Live::DisplayName, true),
    (Ns::Dav, "getcontentlength", Live::GetContentLength, true),
    (Ns::Dav, "getcontenttype", Live::GetContentType, true),
    (Ns::Dav, "getetag", Live::GetEtag, true),
    (Ns::Dav, "getlastmodified", Live::GetLastModified, true),
    (Ns::Dav, "resourcetype", Live::ResourceType, true),
    (Ns::Dav, "supportedlock", Live::SupportedLock, true),
    (Ns::Dav, "lockdiscovery", Live::LockDiscovery, true),
    (
        Ns::Dav,
        "quota-available-bytes",
        Live::QuotaAvailable,
        false,
    ),
    (Ns::Dav, "quota-used-bytes", Live::QuotaUsed, false),
    (Ns::Dav, "owner", Live::Owner, false),
    (Ns::Dav, "acl-restrictions", Live::AclRestrictions, false),
    (Ns::Dav, "alternate-URI-set", Live::AlternateUriSet, false),
    (Ns::Dav, "principal-URL", Live::PrincipalUrl, false),
    (Ns::Dav, "group-membership", Live::GroupMembership, false),
    (Ns::Dav, "group-member-set", Live::GroupMemberSet, false),
    (
        Ns::Dav,
        "principal-collection-set",
        Live::PrincipalCollectionSet,
        false,
    ),
    (
        Ns::Dav,
        "current-user-principal",
        Live::CurrentUserPrincipal,
        false,
    ),
    (
        Ns::Dav,
        "current-user-privilege-set",
        Live::CurrentUserPrivilegeSet,
        false,
    ),
    (
        Ns::Dav,
        "supported-privilege-set",
        Live::SupportedPrivilegeSet,
        false,
    ),
    (
        Ns::Dav,
        "supported-report-set",
        Live::SupportedReportSet,
        false,
    ),
    (Ns::Dav, "sync-token", Live::SyncToken, false),
    (Ns::CalDav, "calendar-data", Live::CalendarData, false),
    (
        Ns::CalDav,
        "calendar-description",
        Live::CalendarDescription,
        false,
    ),
    (
        Ns::CalDav,
        "calendar-home-set",
        Live::CalendarHomeSet,
        false,
    ),
    (
        Ns::CalDav,
        "calendar-timezone",
        Live::CalendarTimezone,
        false,
    ),
    (
        Ns::CalDav,
        "calendar-timezone-id",
        Live::CalendarTimezoneId,
        false,
    ),
    (
        Ns::CalDav,
        "calendar-user-address-set",
        Live::CalendarUserAddressSet,
        false,
    ),
    (
        Ns::CalDav,
        "calendar-user-type",
        Live::CalendarUserType,
        false,
    ),
    (
        Ns::CalDav,
        "max-attendees-per-instance",
        Live::MaxAttendees,
        false,
    ),
    (Ns::CalDav, "max-date-time", Live::MaxDateTime, false),
    (Ns::CalDav, "max-instances", Live::MaxInstances, false),
    (
        Ns::CalDav,
        "max-resource-size",
        Live::MaxResourceSize,
        false,
    ),
    (Ns::CalDav, "min-date-time", Live::MinDateTime, false),
    (
        Ns::CalDav,
        "schedule-calendar-transp",
        Live::ScheduleCalendarTransp,
        false,
    ),
    (
        Ns::CalDav,
        "supported-calendar-component-set",
        Live::SupportedCalendarComponentSet,
        false,
    ),
    (
        Ns::CalDav,
        "supported-calendar-component-sets",
        Live::SupportedCalendarComponentSets,
        false,
    ),
    (
        Ns::CalDav,
        "supported-calendar-data",
        Live::SupportedCalendarData,
        false,
    ),
    (
        Ns::CalDav,
        "supported-collation-set",
        Live::SupportedCollationSet,
        false,
    ),
    (Ns::CardDav, "address-data", Live::AddressData, false),
    (
        Ns::CardDav,
        "addressbook-description",
        Live::AddressbookDescription,
        false,
    ),
    (
        Ns::CardDav,
        "addressbook-home-set",
        Live::AddressbookHomeSet,
        false,
    ),
    (Ns::CardDav, "max-image-size", Live::MaxImageSize, false),
    (
        Ns::CardDav,
        "max-resource-size",
        Live::MaxResourceSize,
        false,
    ),
    (
        Ns::CardDav,
        "supported-address-data",
        Live::SupportedAddressData,
        false,
    ),
    (
        Ns::CardDav,
        "supported-collation-set",
        Live::SupportedCardCollationSet,
        false,
    ),
    (
        Ns::CalendarServer,
        "calendar-proxy-read-for",
        Live::ProxyReadFor,
        false,
    ),
    (
        Ns::CalendarServer,
        "calendar-proxy-write-for",
        Live::ProxyWriteFor,
        false,
    ),
    (
        Ns::CalendarServer,
        "email-address-set",
        Live::EmailAddressSet,
        false,
    ),
    (Ns::CalendarServer, "getctag", Live::GetCtag, false),
    (Ns::Apple, "calendar-color", Live::CalendarColor, false),
    (Ns::Apple, "calendar-order", Live::CalendarOrder, false),
];

/// What the values of one answer need beside the resource.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Octets held and allowed, by owner.
    pub quotas: HashMap<AccountId, (i64, i64)>,
    /// Octets of a calendar object, of a card, of a picture in it.
    pub largest: [usize; 3],
    /// Instances of a series; guests of an event.
    pub instances: u32,
    /// Guests of an event.
    pub attendees: usize,
}

/// The property of a name, as it is called, and whether `allprop` brings it.
#[must_use]
pub fn find(name: &Name) -> Option<Live> {
    TABLE
        .iter()
        .find(|(ns, local, _, _)| name.is(ns, local))
        .map(|(_, _, live, _)| *live)
}

/// The names of all live properties; with `allprop` only those it brings.
pub fn all(allprop: bool) -> impl Iterator<Item = (Name, Live)> {
    TABLE
        .iter()
        .filter(move |(_, _, live, is_in_all)| {
            (!allprop || *is_in_all) && !matches!(live, Live::CalendarData | Live::AddressData)
        })
        .map(|(ns, local, live, _)| (Name::new(ns.clone(), local), *live))
}

/// The key of a dead property in a collection's row.
#[must_use]
pub fn dead<'r>(row: &'r CollectionRow, name: &Name) -> Option<&'r str> {
    row.properties.get(name.clark())?.as_str()
}

/// All dead properties of a collection.
pub fn all_dead(row: &CollectionRow) -> impl Iterator<Item = (Name, &str)> {
    row.properties
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, text)| Some((Name::from_clark(key)?, text.as_str()?)))
        .filter(|(name, _)| find(name).is_none())
}

impl Asker {
    /// Writes a property with its value. False, and nothing written, where the resource has no such property.
    #[must_use]
    pub fn write(&self, w: &mut Writer, name: &Name, live: Live, of: &Resource, f: &Facts) -> bool {
        let (ns, local) = (&name.ns, name.local.as_str());
        match live {
            Live::DisplayName => match self.display_name(of) {
                Some(text) => w.leaf(ns, local, &text),
                None => return false,
            },
            Live::ResourceType => resource_type(w, of),
            Live::SupportedLock | Live::LockDiscovery => w.empty(ns, local),
            Live::CurrentUserPrincipal => {
                w.href(ns, local, &self.principal_href(&self.me.address));
            }
            Live::PrincipalCollectionSet => {
                let href = self.href(&Resource::Principals);
                w.href(ns, local, &href);
            }
            Live::Owner => match of {
                Resource::Shelf(shelf) | Resource::Item(shelf, _) => {
                    w.href(ns, local, &self.principal_href(&shelf.owner_address));
                }
                Resource::Principal(who) | Resource::ProxyGroup(who, _) => {
                    w.href(ns, local, &self.principal_href(&who.address));
                }
                Resource::Home(_) => w.href(ns, local, &self.principal_href(&self.me.address)),
                Resource::Root | Resource::Principals | Resource::Homes(_) => return false,
            },
            Live::CurrentUserPrivilegeSet => {
                w.open(ns, local);
                for (ns, privilege) in privileges(of) {
                    w.open(&Ns::Dav, "privilege");
                    w.empty(&ns, privilege);
                    w.close(&Ns::Dav, "privilege");
                }
                w.close(ns, local);
            }
            Live::SupportedPrivilegeSet => supported_privileges(w),
            Live::AclRestrictions => {
                w.open(ns, local);
                w.empty(&Ns::Dav, "grant-only");
                w.empty(&Ns::Dav, "no-invert");
                w.close(ns, local);
            }
            Live::SupportedReportSet => supported_reports(w, of),
            Live::QuotaAvailable | Live::QuotaUsed => {
                let Some((used, allowed)) = self.quota(of, f) else {
                    return false;
                };
                let value = if live == Live::QuotaUsed {
                    used
                } else {
                    (allowed - used).max(0)
                };
                w.leaf(ns, local, &value.to_string());
            }
            _ => {
                return match of {
                    Resource::Principal(who) => self.of_principal(w, name, live, who),
                    Resource::ProxyGroup(..) => self.of_group(w, name, live),
                    Resource::Root | Resource::Homes(_) | Resource::Principals => {
                        self.of_principal_homes(w, name, live)
                    }
                    Resource::Home(family) => self.of_home(w, name, live, *family),
                    Resource::Shelf(shelf) => of_shelf(w, name, live, shelf, f),
                    Resource::Item(shelf, item) => of_item(w, name, live, shelf, item),
                };
            }
        }
        true
    }

    fn display_name(&self, of: &Resource) -> Option<String> {
        match of {
            Resource::Principal(who) => Some(who.shown().to_owned()),
            Resource::Shelf(shelf) => Some(shelf.row.name.clone()),
            Resource::Home(_) => Some(self.me.shown().to_owned()),
            Resource::Root
            | Resource::Principals
            | Resource::ProxyGroup(..)
            | Resource::Homes(_)
            | Resource::Item(..) => None,
        }
    }

    fn quota(&self, of: &Resource, f: &Facts) -> Option<(i64, i64)> {
        let owner = match of {
            Resource::Shelf(shelf) => shelf.at.owner,
            Resource::Item(..) => return None,
            _ => self.me.id,
        };
        f.quotas.get(&owner).copied()
    }

    fn of_principal(&self, w: &mut Writer, name: &Name, live: Live, who: &Person) -> bool {
        let (ns, local) = (&name.ns, name.local.as_str());
        let is_me = who.id == self.me.id;
        match live {
            Live::PrincipalUrl => w.href(ns, local, &self.principal_href(&who.address)),
            Live::CalendarHomeSet if is_me => w.href(ns, local, &self.home_href(Family::Calendars)),
            Live::AddressbookHomeSet if is_me => w.href(ns, local, &self.home_href(Family::Books)),
            Live::CalendarUserAddressSet => {
                w.open(ns, local);
                for address in &who.addresses {
                    let url = format!("mailto:{address}");
                    if *address == who.address {
                        // The one that clients should name in ORGANIZER.
                        w.open_with(&Ns::Dav, "href", &[("preferred", "1")]);
                        w.text(&url);
                        w.close(&Ns::Dav, "href");
                    } else {
                        w.leaf(&Ns::Dav, "href", &url);
                    }
                }
                w.leaf(&Ns::Dav, "href", &self.principal_href(&who.address));
                w.close(ns, local);
            }
            Live::CalendarUserType => w.leaf(ns, local, "INDIVIDUAL"),
            Live::EmailAddressSet => {
                w.open(ns, local);
                for address in &who.addresses {
                    w.leaf(&Ns::CalendarServer, "email-address", address);
                }
                w.close(ns, local);
            }
            Live::AlternateUriSet => w.href(ns, local, &format!("mailto:{}", who.address)),
            Live::GroupMembership | Live::GroupMemberSet => w.empty(ns, local),
            Live::ProxyReadFor | Live::ProxyWriteFor if is_me => w.empty(ns, local),
            _ => return false,
        }
        true
    }

    /// Clients that find the root only ask it where the asker's homes are.
    fn of_principal_homes(&self, w: &mut Writer, name: &Name, live: Live) -> bool {
        let (ns, local) = (&name.ns, name.local.as_str());
        match live {
            Live::PrincipalUrl => w.href(ns, local, &self.principal_href(&self.me.address)),
            Live::CalendarHomeSet => w.href(ns, local, &self.home_href(Family::Calendars)),
            Live::AddressbookHomeSet => w.href(ns, local, &self.home_href(Family::Books)),
            _ => return false,
        }
        true
    }

    fn of_group(&self, w: &mut Writer, name: &Name, live: Live) -> bool {
        match live {
            Live::GroupMemberSet | Live::GroupMembership => w.empty(&name.ns, &name.local),
            Live::PrincipalUrl => return self.of_principal_homes(w, name, live),
            _ => return false,
        }
        true
    }

    fn of_home(&self, w: &mut Writer, name: &Name, live: Live, family: Family) -> bool {
        let (ns, local) = (&name.ns, name.local.as_str());
        match (live, family) {
            // Each collection holds one kind of component (RFC 4791 5.2.3 lets a server say so).
            (Live::SupportedCalendarComponentSets, Family::Calendars) => {
                w.open(ns, local);
                for component in ["VEVENT", "VTODO", "VJOURNAL"] {
                    w.open(&Ns::CalDav, "supported-calendar-component-set");
                    w.empty_with(&Ns::CalDav, "comp", &[("name", component)]);
                    w.close(&Ns::CalDav, "supported-calendar-component-set");
                }
                w.close(ns, local);
                true
            }
            _ => self.of_principal_homes(w, name, live),
        }
    }
}

fn resource_type(w: &mut Writer, of: &Resource) {
    w.open(&Ns::Dav, "resourcetype");
    match of {
        Resource::Item(..) => {}
        Resource::Shelf(shelf) => {
            w.empty(&Ns::Dav, "collection");
            if shelf.kind() == Some(CollectionKind::Contacts) {
                w.empty(&Ns::CardDav, "addressbook");
            } else {
                w.empty(&Ns::CalDav, "calendar");
                if shelf.row.subscribed_url.is_some() {
                    w.empty(&Ns::CalendarServer, "subscribed");
                }
                if !shelf.at.is_own() {
                    w.empty(&Ns::CalendarServer, "shared");
                }
            }
        }
        Resource::Principal(_) => {
            w.empty(&Ns::Dav, "collection");
            w.empty(&Ns::Dav, "principal");
        }
        Resource::ProxyGroup(_, proxy) => {
            w.empty(&Ns::Dav, "collection");
            w.empty(&Ns::Dav, "principal");
            let kind = match proxy {
                Proxy::Read => "calendar-proxy-read",
                Proxy::Write => "calendar-proxy-write",
            };
            w.empty(&Ns::CalendarServer, kind);
        }
        Resource::Root | Resource::Principals | Resource::Homes(_) | Resource::Home(_) => {
            w.empty(&Ns::Dav, "collection");
        }
    }
    w.close(&Ns::Dav, "resourcetype");
}

fn privileges(of: &Resource) -> Vec<(Ns, &'static str)> {
    let read = [
        (Ns::Dav, "read"),
        (Ns::Dav, "read-current-user-privilege-set"),
    ];
    match of {
        Resource::Shelf(shelf) | Resource::Item(shelf, _) => shelf_privileges(shelf),
        Resource::Home(_) => {
            let mut all = read.to_vec();
            all.extend([(Ns::Dav, "write"), (Ns::Dav, "bind"), (Ns::Dav, "unbind")]);
            all
        }
        _ => read.to_vec(),
    }
}

fn shelf_privileges(shelf: &Shelf) -> Vec<(Ns, &'static str)> {
    let mut all = vec![(Ns::Dav, "read-current-user-privilege-set")];
    if shelf.rights.has(Rights::FREE_BUSY) {
        all.push((Ns::CalDav, "read-free-busy"));
    }
    if shelf.rights.has(Rights::READ) {
        all.push((Ns::Dav, "read"));
    }
    if shelf.is_writable() {
        all.extend([
            (Ns::Dav, "write-content"),
            (Ns::Dav, "bind"),
            (Ns::Dav, "unbind"),
        ]);
    }
    // Name and colour of a shared collection are its reader's own.
    all.push((Ns::Dav, "write-properties"));
    if shelf.rights.has(Rights::ADMINISTER) {
        all.extend([(Ns::Dav, "read-acl"), (Ns::Dav, "all")]);
        if shelf.is_writable() {
            all.push((Ns::Dav, "write"));
        }
    } else if shelf.is_writable() {
        all.push((Ns::Dav, "write"));
    }
    all
}

/// RFC 3744 5.3: the tree of privileges.
fn supported_privileges(w: &mut Writer) {
    let one = |w: &mut Writer, ns: &Ns, name: &str, text: &str, inner: &[(Ns, &str, &str)]| {
        w.open(&Ns::Dav, "supported-privilege");
        w.open(&Ns::Dav, "privilege");
        w.empty(ns, name);
        w.close(&Ns::Dav, "privilege");
        w.leaf(&Ns::Dav, "description", text);
        for (ns, name, text) in inner {
            w.open(&Ns::Dav, "supported-privilege");
            w.open(&Ns::Dav, "privilege");
            w.empty(ns, name);
            w.close(&Ns::Dav, "privilege");
            w.leaf(&Ns::Dav, "description", text);
            w.close(&Ns::Dav, "supported-privilege");
        }
        w.close(&Ns::Dav, "supported-privilege");
    };
    w.open(&Ns::Dav, "supported-privilege-set");
    w.open(&Ns::Dav, "supported-privilege");
    w.open(&Ns::Dav, "privilege");
    w.empty(&Ns::Dav, "all");
    w.close(&Ns::Dav, "privilege");
    w.leaf(&Ns::Dav, "description", "Everything");
    one(
        w,
        &Ns::Dav,
        "read",
        "Read",
        &[
            (Ns::CalDav, "read-free-busy", "See when somebody is busy"),
            (
                Ns::Dav,
                "read-current-user-privilege-set",
                "See one's own rights",
            ),
        ],
    );
    one(
        w,
        &Ns::Dav,
        "write",
        "Write",
        &[
            (Ns::Dav, "bind", "Add"),
            (Ns::Dav, "unbind", "Remove"),
            (Ns::Dav, "write-content", "Change"),
            (
                Ns::Dav,
                "write-properties",
                "Change name, colour and the like",
            ),
        ],
    );
    one(w, &Ns::Dav, "read-acl", "See all rights", &[]);
    w.close(&Ns::Dav, "supported-privilege");
    w.close(&Ns::Dav, "supported-privilege-set");
}

fn supported_reports(w: &mut Writer, of: &Resource) {
    let mut reports = vec![
        (Ns::Dav, "expand-property"),
        (Ns::Dav, "principal-match"),
        (Ns::Dav, "principal-property-search"),
        (Ns::Dav, "principal-search-property-set"),
    ];
    if let Resource::Shelf(shelf) | Resource::Item(shelf, _) = of {
        if shelf.kind() == Some(CollectionKind::Contacts) {
            reports.extend([
                (Ns::CardDav, "addressbook-multiget"),
                (Ns::CardDav, "addressbook-query"),
            ]);
        } else {
            reports.extend([
                (Ns::CalDav, "calendar-multiget"),
                (Ns::CalDav, "calendar-query"),
                (Ns::CalDav, "free-busy-query"),
            ]);
        }
        if matches!(of, Resource::Shelf(_)) {
            reports.push((Ns::Dav, "sync-collection"));
        }
    }
    w.open(&Ns::Dav, "supported-report-set");
    for (ns, report) in reports {
        w.open(&Ns::Dav, "supported-report");
        w.open(&Ns::Dav, "report");
        w.empty(&ns, report);
        w.close(&Ns::Dav, "report");
        w.close(&Ns::Dav, "supported-report");
    }
    w.close(&Ns::Dav, "supported-report-set");
}
