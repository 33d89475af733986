//! From rows to what templates print: strings and numbers, nothing to decide any more.

use std::collections::HashSet;

use crate::format::html::visible;
use crate::i18n::Lang;
use crate::i18n::dates::{Dates, Group};
use crate::model::{Flags, SpecialUse};
use crate::service::mail::FolderRow;
use crate::service::mail::{Order, ThreadFilter, ThreadRow};
use crate::web::page::hue;

use super::{RowId, key_of};

/// What a template needs beside its rows.
#[derive(Debug, Clone)]
pub struct Ctx {
    /// The reader's language.
    pub lang: Lang,
    /// The token of forms.
    pub csrf: String,
    /// Dates as the reader writes them, now.
    pub dates: Dates,
    /// The reader's own addresses, for "me".
    pub own: HashSet<String>,
}

/// One line of a list: a head between groups of days, or a row.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Key and name of a group.
    Head(String, String),
    /// A conversation or message.
    Row(Box<Row>),
}

/// A conversation or a message in a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// `t12` or `m12`.
    pub id: String,
    /// Its address.
    pub href: String,
    /// Numbers of its messages, separated by blanks.
    pub emails: String,
    /// Place in the whole list, from 1.
    pub index: i64,
    /// Something in it is unread.
    pub unread: bool,
    /// Something in it is starred.
    pub starred: bool,
    /// It is the open one.
    pub is_open: bool,
    /// Who wrote, or in Sent to whom.
    pub from: String,
    /// Messages in the conversation; 1 is not shown.
    pub messages: i32,
    /// `10:42`, `Mo 18:20`, `12. Nov.`
    pub time: String,
    /// For `datetime`.
    pub iso: String,
    /// For `title`.
    pub full: String,
    /// Subject or "(no subject)".
    pub subject: String,
    /// First words.
    pub preview: String,
    /// The newest was answered.
    pub answered: bool,
    /// The newest was forwarded.
    pub forwarded: bool,
    /// Has an attachment.
    pub attachment: bool,
    /// Is or has a draft.
    pub draft: bool,
}

/// A chip that narrows the list.
#[derive(Debug, Clone)]
pub struct Chip {
    /// Its label.
    pub label: String,
    /// The list with this chip turned over.
    pub href: String,
    /// Whether it is on.
    pub on: bool,
}

/// A list with everything around it.
#[derive(Debug, Clone)]
pub struct ListView {
    /// The folder as addresses name it; `search` for results.
    pub key: String,
    /// Heading.
    pub title: String,
    /// What stands small beside it.
    pub counts: String,
    /// The list's own address, filter included.
    pub href: String,
    /// Where further windows come from.
    pub rows_href: String,
    /// The part of the query that windows repeat.
    pub query: String,
    /// `unread,attachment` or empty.
    pub filter: String,
    /// Conversations under the filter.
    pub total: i64,
    /// State of the list: what "everything" means.
    pub modseq: i64,
    /// Place of the first entry.
    pub offset: i64,
    /// Rows in this window.
    pub count: usize,
    /// The window.
    pub entries: Vec<Entry>,
    /// Orders to choose from; none where there is but one.
    pub orders: Vec<Chip>,
    /// Places of the first and the last row, for the windows beside this one; empty where there are none.
    pub cursors: (String, String),
    /// Of search results: the last one's number.
    pub last: String,
    /// Narrowing.
    pub chips: Vec<Chip>,
    /// Lifts all narrowing, when there is any.
    pub lift: Option<String>,
    /// The page before, for readers without scripts.
    pub newer: Option<String>,
    /// The page after.
    pub older: Option<String>,
    /// What an empty list says: a drawing and a sentence.
    pub empty: (&'static str, String),
    /// Another link an empty list offers.
    pub empty_link: Option<(String, String)>,
    /// Deleting here is for good.
    pub deletes_for_good: bool,
    /// It is the junk folder.
    pub is_junk: bool,
    /// Offer to archive.
    pub can_archive: bool,
    /// Offer to empty it.
    pub can_empty: bool,
    /// Targets of "move".
    pub targets: Vec<(String, String)>,
}

/// Names of the list's filters, in the order of the chips.
pub const FILTERS: [&str; 4] = ["unread", "starred", "attachment", "tome"];

/// Reads `unread,attachment`.
#[must_use]
pub fn parse_filter(text: &str) -> ThreadFilter {
    let mut filter = ThreadFilter::default();
    for word in text.split(',') {
        match word {
            "unread" => filter.unseen = true,
            "starred" => filter.starred = true,
            "attachment" => filter.attachment = true,
            "tome" => filter.to_me = true,
            _ => {}
        }
    }
    filter
}

/// Which of [`FILTERS`] are on.
#[must_use]
pub fn filter_on(filter: ThreadFilter) -> [bool; 4] {
    [
        filter.unseen,
        filter.starred,
        filter.attachment,
        filter.to_me,
    ]
}

/// Names of the orders, in the order of the menu; the first one is the usual.
pub const ORDERS: [(&str, Order); 6] = [
    ("", Order::Newest),
    ("oldest", Order::Oldest),
    ("sender", Order::Sender),
    ("subject", Order::Subject),
    ("size", Order::Size),
    ("starred", Order::Starred),
];

/// Writes it back.
#[must_use]
pub fn filter_text(filter: ThreadFilter) -> String {
    let on = filter_on(filter);
    let words: Vec<&str> = FILTERS
        .into_iter()
        .zip(on)
        .filter(|(_, on)| *on)
        .map(|(w, _)| w)
        .collect();
    words.join(",")
}

/// The shown name of a folder: special ones in the reader's language, others by their last level.
#[must_use]
pub fn folder_name(folder: &FolderRow, lang: Lang) -> String {
    match folder.special_use() {
        Some(SpecialUse::Inbox) => lang.t("inbox"),
        Some(SpecialUse::Drafts) => lang.t("drafts"),
        Some(SpecialUse::Sent) => lang.t("sent"),
        Some(SpecialUse::Archive) => lang.t("archive-folder"),
        Some(SpecialUse::Junk) => lang.t("junk"),
        Some(SpecialUse::Trash) => lang.t("trash"),
        Some(SpecialUse::Snoozed) => lang.t("snoozed"),
        None => visible(folder.name.rsplit('/').next().unwrap_or(&folder.name)),
    }
}

/// The shown path of a folder.
#[must_use]
pub fn folder_path(folder: &FolderRow, lang: Lang) -> String {
    if folder.special_use.is_some() {
        folder_name(folder, lang)
    } else {
        visible(&folder.name).replace('/', " / ")
    }
}

/// Turns rows into entries, with a head before each group of days.
#[must_use]
pub fn entries(
    ctx: &Ctx,
    folder: &FolderRow,
    rows: &[ThreadRow],
    offset: i64,
    open: Option<RowId>,
    order: Order,
) -> Vec<Entry> {
    let key = key_of(folder);
    let shows_recipients = matches!(
        folder.special_use(),
        Some(SpecialUse::Sent | SpecialUse::Drafts)
    );
    let mut out = Vec::with_capacity(rows.len() + 8);
    let mut last = None;
    for (row, index) in rows.iter().zip(offset + 1..) {
        if matches!(order, Order::Newest | Order::Oldest) {
            push_head(ctx, &mut out, &mut last, ctx.dates.group(row.newest_at));
        }
        let id = RowId::Thread(row.thread_id);
        out.push(Entry::Row(Box::new(Row {
            id: id.to_string(),
            href: format!("/mail/{key}/{id}"),
            emails: row
                .emails
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            index,
            unread: row.unseen > 0,
            starred: row.starred > 0,
            is_open: open == Some(id),
            from: if shows_recipients {
                recipients(ctx, &row.recipients)
            } else {
                senders(ctx, &row.senders)
            },
            messages: row.messages,
            time: ctx.dates.short(row.newest_at),
            iso: ctx.dates.iso(row.newest_at),
            full: ctx.dates.full(row.newest_at),
            subject: subject(ctx.lang, &row.subject),
            preview: visible(&row.preview),
            answered: row.flags.has(Flags::ANSWERED),
            forwarded: row.flags.has(Flags::FORWARDED),
            attachment: row.attachments > 0,
            draft: row.flags.has(Flags::DRAFT),
        })));
    }
    out
}

/// Puts a head in front of the next row when its group is another one.
pub fn push_head(ctx: &Ctx, out: &mut Vec<Entry>, last: &mut Option<Group>, group: Group) {
    if *last != Some(group) {
        *last = Some(group);
        out.push(Entry::Head(group_key(group), ctx.dates.group_name(group)));
    }
}

fn group_key(group: Group) -> String {
    match group {
        Group::Future => "future".to_owned(),
        Group::Today => "today".to_owned(),
        Group::Yesterday => "yesterday".to_owned(),
        Group::ThisWeek => "this-week".to_owned(),
        Group::LastWeek => "last-week".to_owned(),
        Group::Month { year, month } => format!("{year}-{month:02}"),
    }
}

/// The subject, or the words for none.
#[must_use]
pub fn subject(lang: Lang, subject: &str) -> String {
    if subject.trim().is_empty() {
        lang.t("no-subject")
    } else {
        visible(subject)
    }
}

/// "To: ..." of a sent message's row.
#[must_use]
pub fn recipients(ctx: &Ctx, recipients: &str) -> String {
    if recipients.is_empty() {
        ctx.lang.t("list-no-recipient")
    } else {
        ctx.lang
            .t_args("list-to", &[("names", visible(recipients).into())])
    }
}

/// Up to three people of a conversation, the latest last; the reader is "me".
fn senders(ctx: &Ctx, names_and_addresses: &[String]) -> String {
    let mut people: Vec<String> = Vec::new();
    for pair in names_and_addresses.chunks(2) {
        let (name, address) = match pair {
            [name, address] => (name.as_str(), address.as_str()),
            _ => continue,
        };
        let shown = person(ctx, name, address);
        people.retain(|p| *p != shown);
        people.push(shown);
    }
    let skip = people.len().saturating_sub(3);
    let several = people.len() > 1;
    people
        .into_iter()
        .skip(skip)
        .map(|p| if several { short_name(&p) } else { p })
        .collect::<Vec<_>>()
        .join(", ")
}

/// How a list calls somebody.
#[must_use]
pub fn person(ctx: &Ctx, name: &str, address: &str) -> String {
    if ctx.own.contains(&address.to_lowercase()) {
        ctx.lang.t("me")
    } else if name.trim().is_empty() {
        if address.is_empty() {
            ctx.lang.t("list-no-sender")
        } else {
            visible(address)
        }
    } else {
        visible(name)
    }
}

/// A person's first name where several share a line; addresses and companies stay whole.
fn short_name(name: &str) -> String {
    match name.split_once(' ') {
        Some((first, rest))
            if !name.contains('@') && rest.split(' ').count() == 1 && first.chars().count() > 2 =>
        {
            first.to_owned()
        }
        _ => name.to_owned(),
    }
}

/// A round picture: initials and hue.
#[must_use]
pub fn picture(name: &str, address: &str) -> (String, u8) {
    let name = if name.trim().is_empty() {
        address
    } else {
        name
    };
    (crate::web::page::initials(name), hue(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_read_back() {
        for text in [
            "",
            "unread",
            "unread,attachment",
            "unread,starred,attachment",
        ] {
            assert_eq!(filter_text(parse_filter(text)), text);
        }
        assert_eq!(filter_text(parse_filter("bogus,starred")), "starred");
    }

    #[test]
    fn first_names_only_where_it_is_a_persons_name() {
        assert_eq!(short_name("Miriam Hofmann"), "Miriam");
        assert_eq!(
            short_name("Stadtwerke Lindau Service"),
            "Stadtwerke Lindau Service"
        );
        assert_eq!(short_name("info@x.test"), "info@x.test");
        assert_eq!(short_name("Dr Engel"), "Dr Engel");
    }
}
