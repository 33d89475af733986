//! A whole command (RFC 9051 9, `command`), literals inside its octets.

use super::command::{
    Authenticate, Body, Command, FlagList, Messages, Notify, NotifyFilter, NotifyGroup, Resync,
    Select, SetAcl, Store, StoreHow,
};
use super::cursor::{Cursor, Read, utf8};
use super::{Limits, Refused, Why, fetch, list, search, write};
use crate::format::sasl::Secret;
use crate::model::{Flags, SpecialUse};

/// Reads a command: its lines and literals as they came, without the last CRLF.
///
/// # Errors
/// [`Refused`]: for `BAD`, or `NO [BADCHARSET]`.
pub fn parse(octets: &[u8], limits: &Limits) -> Result<Command, Refused> {
    let mut c = Cursor::new(octets, limits);
    let tag = match c.tag() {
        Ok(tag) => tag.to_owned(),
        Err(why) => return Err(Refused { tag: None, why }),
    };
    let body = c.space().and_then(|()| body(&mut c)).and_then(|body| {
        c.end()?;
        Ok(body)
    });
    match body {
        Ok(body) => Ok(Command { tag, body }),
        Err(why) => Err(Refused {
            tag: Some(tag),
            why,
        }),
    }
}

fn body(c: &mut Cursor<'_>) -> Read<Body> {
    let verb = c.upper()?;
    if let Some(body) = bare(&verb) {
        return Ok(body);
    }
    if verb == "UID" {
        c.space()?;
        let verb = c.upper()?;
        return by_uid(c, &verb);
    }
    if let Some(body) = on_messages(c, &verb, false)? {
        return Ok(body);
    }
    if let Some(body) = on_mailboxes(c, &verb)? {
        return Ok(body);
    }
    if let Some(body) = on_rights_and_data(c, &verb)? {
        return Ok(body);
    }
    on_session(c, &verb)
}

/// Commands without arguments.
fn bare(verb: &str) -> Option<Body> {
    Some(match verb {
        "CAPABILITY" => Body::Capability,
        "NOOP" => Body::Noop,
        "LOGOUT" => Body::Logout,
        "STARTTLS" => Body::StartTls,
        "UNAUTHENTICATE" => Body::Unauthenticate,
        "NAMESPACE" => Body::Namespace,
        "IDLE" => Body::Idle,
        "CHECK" => Body::Check,
        "CLOSE" => Body::Close,
        "UNSELECT" => Body::Unselect,
        "EXPUNGE" => Body::Expunge(None),
        _ => return None,
    })
}

fn by_uid(c: &mut Cursor<'_>, verb: &str) -> Read<Body> {
    if verb == "EXPUNGE" {
        c.space()?;
        return Ok(Body::Expunge(Some(fetch::messages(c)?)));
    }
    on_messages(c, verb, true)?.ok_or(Why::Unknown)
}

/// Commands that have a UID form.
fn on_messages(c: &mut Cursor<'_>, verb: &str, uid: bool) -> Read<Option<Body>> {
    Ok(Some(match verb {
        "FETCH" => {
            c.space()?;
            Body::Fetch(fetch::fetch(c, uid)?)
        }
        "STORE" => {
            c.space()?;
            Body::Store(store(c, uid)?)
        }
        "COPY" | "MOVE" => {
            c.space()?;
            let messages = fetch::messages(c)?;
            c.space()?;
            Body::Copy {
                uid,
                messages,
                mailbox: c.mailbox()?,
                is_move: verb == "MOVE",
            }
        }
        "SEARCH" => Body::Search(search::search(c, uid)?),
        "SORT" => Body::Sort(search::sort(c, uid)?),
        "THREAD" => Body::Thread(search::thread(c, uid)?),
        "APPEND" | "REPLACE" => return Err(Why::Syntax("a message literal is missing")),
        _ => return Ok(None),
    }))
}

fn on_mailboxes(c: &mut Cursor<'_>, verb: &str) -> Read<Option<Body>> {
    let known = [
        "SELECT",
        "EXAMINE",
        "CREATE",
        "DELETE",
        "RENAME",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST",
        "LSUB",
        "STATUS",
    ];
    if !known.contains(&verb) {
        return Ok(None);
    }
    c.space()?;
    Ok(Some(match verb {
        "SELECT" => Body::Select(select(c, false)?),
        "EXAMINE" => Body::Select(select(c, true)?),
        "CREATE" => create(c)?,
        "DELETE" => Body::Delete(c.mailbox()?),
        "RENAME" => {
            let from = c.mailbox()?;
            c.space()?;
            Body::Rename {
                from,
                to: c.mailbox()?,
            }
        }
        "SUBSCRIBE" => Body::Subscribe(c.mailbox()?),
        "UNSUBSCRIBE" => Body::Unsubscribe(c.mailbox()?),
        "LIST" => Body::List(list::list(c)?),
        "LSUB" => Body::List(list::lsub(c)?),
        _ => {
            let mailbox = c.mailbox()?;
            c.space()?;
            Body::Status {
                mailbox,
                items: list::status_items(c)?,
            }
        }
    }))
}

fn on_rights_and_data(c: &mut Cursor<'_>, verb: &str) -> Read<Option<Body>> {
    let known = [
        "GETQUOTA",
        "GETQUOTAROOT",
        "SETQUOTA",
        "GETACL",
        "SETACL",
        "DELETEACL",
        "LISTRIGHTS",
        "MYRIGHTS",
        "GETMETADATA",
        "SETMETADATA",
    ];
    if !known.contains(&verb) {
        return Ok(None);
    }
    c.space()?;
    Ok(Some(match verb {
        "GETQUOTA" => Body::GetQuota(c.text()?),
        "GETQUOTAROOT" => Body::GetQuotaRoot(c.mailbox()?),
        "SETQUOTA" => {
            let root = c.text()?;
            c.space()?;
            c.list(0, |c| {
                c.atom()?;
                c.space()?;
                c.number()
            })?;
            Body::SetQuota(root)
        }
        "GETACL" => Body::GetAcl(c.mailbox()?),
        "SETACL" => Body::SetAcl(set_acl(c)?),
        "DELETEACL" => {
            let (mailbox, identifier) = mailbox_and_identifier(c)?;
            Body::DeleteAcl {
                mailbox,
                identifier,
            }
        }
        "LISTRIGHTS" => {
            let (mailbox, identifier) = mailbox_and_identifier(c)?;
            Body::ListRights {
                mailbox,
                identifier,
            }
        }
        "MYRIGHTS" => Body::MyRights(c.mailbox()?),
        "GETMETADATA" => get_metadata(c)?,
        _ => {
            let mailbox = c.mailbox()?;
            c.space()?;
            let entries = c.list(1, |c| {
                let name = entry(c)?;
                c.space()?;
                let value = if c.word("NIL") {
                    None
                } else {
                    Some(c.string8()?.into_owned())
                };
                Ok((name, value))
            })?;
            Body::SetMetadata { mailbox, entries }
        }
    }))
}

fn on_session(c: &mut Cursor<'_>, verb: &str) -> Read<Body> {
    let known = [
        "ID",
        "LOGIN",
        "AUTHENTICATE",
        "ENABLE",
        "COMPRESS",
        "NOTIFY",
    ];
    if !known.contains(&verb) {
        return Err(Why::Unknown);
    }
    c.space()?;
    Ok(match verb {
        "ID" => Body::Id(id(c)?),
        "LOGIN" => {
            let name = c.text()?;
            c.space()?;
            Body::Login {
                name,
                password: Secret::new(c.astring()?.into_owned()),
            }
        }
        "AUTHENTICATE" => {
            let mechanism = c.upper()?;
            let initial = if c.take(b' ') {
                Some(Secret::new(c.atom()?.as_bytes().to_vec()))
            } else {
                None
            };
            Body::Authenticate(Authenticate { mechanism, initial })
        }
        "ENABLE" => {
            let mut names = vec![c.upper()?];
            while c.take(b' ') {
                if names.len() >= c.limits.items {
                    return Err(Why::TooMany("extensions"));
                }
                names.push(c.upper()?);
            }
            Body::Enable(names)
        }
        "COMPRESS" => Body::Compress(c.upper()?),
        _ => Body::Notify(notify(c)?),
    })
}

fn select(c: &mut Cursor<'_>, is_read_only: bool) -> Read<Select> {
    let mut select = Select {
        mailbox: c.mailbox()?,
        is_read_only,
        condstore: false,
        resync: None,
    };
    if c.take(b' ') {
        c.list(1, |c| {
            match c.name()?.as_str() {
                "CONDSTORE" => select.condstore = true,
                "QRESYNC" => {
                    c.space()?;
                    select.resync = Some(resync(c)?);
                }
                _ => return Err(Why::Syntax("no such parameter of SELECT")),
            }
            Ok(())
        })?;
    }
    Ok(select)
}

/// `(uidvalidity modseq [known-uids] [(seqs uids)])`
fn resync(c: &mut Cursor<'_>) -> Read<Resync> {
    c.open()?;
    let uid_validity = i64::from(c.nz_number()?);
    c.space()?;
    let mut resync = Resync {
        uid_validity,
        modseq: c.modseq()?,
        known: None,
        sample: None,
    };
    if c.take(b' ') {
        let mut more = true;
        if c.peek() != Some(b'(') {
            resync.known = Some(without_star(c)?);
            more = c.take(b' ');
        }
        if more {
            c.open()?;
            let numbers = without_star(c)?;
            c.space()?;
            resync.sample = Some((numbers, without_star(c)?));
            c.close()?;
        }
    }
    c.close()?;
    Ok(resync)
}

/// RFC 7162 7: these sets hold no `*`.
fn without_star(c: &mut Cursor<'_>) -> Read<super::set::SequenceSet> {
    let set = c.set()?;
    if set.has_last() {
        return Err(Why::Syntax("* is not allowed here"));
    }
    Ok(set)
}

fn create(c: &mut Cursor<'_>) -> Read<Body> {
    let mailbox = c.mailbox()?;
    let mut uses = Vec::new();
    if c.take(b' ') {
        c.open()?;
        if !c.word("USE") {
            return Err(Why::Syntax("no such parameter of CREATE"));
        }
        c.space()?;
        uses = c.list(0, |c| {
            c.expect(b'\\', "a special use is missing")?;
            Ok(special_use(&c.upper()?))
        })?;
        c.close()?;
    }
    Ok(Body::Create { mailbox, uses })
}

fn special_use(word: &str) -> Option<SpecialUse> {
    Some(match word {
        "DRAFTS" => SpecialUse::Drafts,
        "SENT" => SpecialUse::Sent,
        "ARCHIVE" => SpecialUse::Archive,
        "JUNK" => SpecialUse::Junk,
        "TRASH" => SpecialUse::Trash,
        _ => return None,
    })
}

fn store(c: &mut Cursor<'_>, uid: bool) -> Read<Store> {
    let messages = fetch::messages(c)?;
    c.space()?;
    let mut unchanged_since = None;
    if c.peek() == Some(b'(') {
        c.list(1, |c| {
            if c.name()? != "UNCHANGEDSINCE" {
                return Err(Why::Syntax("no such modifier of STORE"));
            }
            c.space()?;
            unchanged_since = Some(c.modseq()?);
            Ok(())
        })?;
        c.space()?;
    }
    let how = if c.take(b'+') {
        StoreHow::Add
    } else if c.take(b'-') {
        StoreHow::Remove
    } else {
        StoreHow::Replace
    };
    let silent = match c.name()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(Why::Syntax("FLAGS is missing")),
    };
    c.space()?;
    let list = if c.peek() == Some(b'(') {
        flag_list(c)?
    } else {
        let mut list = FlagList::default();
        flag(c, &mut list)?;
        while c.take(b' ') {
            if list.keywords.len() > c.limits.items {
                return Err(Why::TooMany("flags"));
            }
            flag(c, &mut list)?;
        }
        list
    };
    Ok(Store {
        uid,
        messages,
        unchanged_since,
        how,
        silent,
        list,
    })
}

/// `(\Seen $x ..)`
pub(super) fn flag_list(c: &mut Cursor<'_>) -> Read<FlagList> {
    let mut list = FlagList::default();
    c.list(0, |c| flag(c, &mut list))?;
    Ok(list)
}

fn flag(c: &mut Cursor<'_>, list: &mut FlagList) -> Read<()> {
    if c.take(b'\\') {
        let word = c.atom()?;
        match write::system_flag(word) {
            Some(bit) => list.flags = list.flags.with(bit),
            // It is the server's alone, and clients that copy flags send it: nothing to set.
            None if word.eq_ignore_ascii_case("Recent") => {}
            None => return Err(Why::Syntax("no such system flag")),
        }
        return Ok(());
    }
    let word = c.atom()?;
    match write::flag_bit(word) {
        Some(bit) => list.flags = list.flags.with(bit),
        None if list.keywords.iter().any(|k| k.eq_ignore_ascii_case(word)) => {}
        None => list.keywords.push(word.to_owned()),
    }
    Ok(())
}

fn id(c: &mut Cursor<'_>) -> Read<Vec<super::command::Entry>> {
    if c.word("NIL") {
        return Ok(Vec::new());
    }
    // RFC 2971 3.3: at most 30 pairs; the limit of lists holds anyway.
    c.list(0, |c| {
        let name = utf8(&c.string()?)?;
        c.space()?;
        Ok((name, c.nstring()?.map(std::borrow::Cow::into_owned)))
    })
}

fn mailbox_and_identifier(c: &mut Cursor<'_>) -> Read<(String, String)> {
    let mailbox = c.mailbox()?;
    c.space()?;
    Ok((mailbox, c.text()?))
}

fn set_acl(c: &mut Cursor<'_>) -> Read<SetAcl> {
    let (mailbox, identifier) = mailbox_and_identifier(c)?;
    c.space()?;
    let text = c.text()?;
    let sign = text.chars().next().filter(|s| matches!(s, '+' | '-'));
    let rights = text.trim_start_matches(['+', '-']).to_owned();
    if !rights
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    {
        return Err(Why::Syntax("rights are lower case letters and digits"));
    }
    Ok(SetAcl {
        mailbox,
        identifier,
        sign,
        rights,
    })
}

fn get_metadata(c: &mut Cursor<'_>) -> Read<Body> {
    let (mut max_size, mut depth) = (None, Some(0));
    let mut options = |c: &mut Cursor<'_>| {
        c.list(1, |c| {
            match c.name()?.as_str() {
                "MAXSIZE" => {
                    c.space()?;
                    max_size = Some(c.number()?);
                }
                "DEPTH" => {
                    c.space()?;
                    depth = match c.upper()?.as_str() {
                        "0" => Some(0),
                        "1" => Some(1),
                        "INFINITY" => None,
                        _ => return Err(Why::Syntax("DEPTH is 0, 1 or infinity")),
                    };
                }
                _ => return Err(Why::Syntax("no such option of GETMETADATA")),
            }
            Ok(())
        })
    };
    // RFC 5464 4.2 has the options before the mailbox, its own examples and most clients behind it.
    if c.peek() == Some(b'(') {
        options(c)?;
        c.space()?;
    }
    let mailbox = c.mailbox()?;
    c.space()?;
    if c.peek() == Some(b'(') && !c.rest().starts_with(b"(/") && !c.rest().starts_with(b"(\"") {
        options(c)?;
        c.space()?;
    }
    let entries = if c.peek() == Some(b'(') {
        c.list(1, entry)?
    } else {
        vec![entry(c)?]
    };
    Ok(Body::GetMetadata {
        mailbox,
        entries,
        max_size,
        depth,
    })
}

/// An entry name (RFC 5464 3.1): case does not count.
fn entry(c: &mut Cursor<'_>) -> Read<String> {
    let name = c.text()?.to_ascii_lowercase();
    if !name.starts_with('/')
        || name.ends_with('/')
        || name.contains("//")
        || name.contains(['*', '%'])
    {
        return Err(Why::Syntax("not an entry name"));
    }
    Ok(name)
}

fn notify(c: &mut Cursor<'_>) -> Read<Option<Notify>> {
    if c.word("NONE") {
        return Ok(None);
    }
    if !c.word("SET") {
        return Err(Why::Syntax("SET or NONE is missing"));
    }
    c.space()?;
    let status = c.word("STATUS");
    if status {
        c.space()?;
    }
    let mut groups = vec![notify_group(c)?];
    while c.take(b' ') {
        if groups.len() >= c.limits.items {
            return Err(Why::TooMany("event groups"));
        }
        groups.push(notify_group(c)?);
    }
    Ok(Some(Notify { status, groups }))
}

fn notify_group(c: &mut Cursor<'_>) -> Read<NotifyGroup> {
    c.open()?;
    let filter = match c.name()?.as_str() {
        "SELECTED" => NotifyFilter::Selected,
        "SELECTED-DELAYED" => NotifyFilter::SelectedDelayed,
        "INBOXES" => NotifyFilter::Inboxes,
        "PERSONAL" => NotifyFilter::Personal,
        "SUBSCRIBED" => NotifyFilter::Subscribed,
        "SUBTREE" => NotifyFilter::Subtree(notify_names(c)?),
        "MAILBOXES" => NotifyFilter::Mailboxes(notify_names(c)?),
        _ => return Err(Why::Syntax("no such mailbox filter")),
    };
    c.space()?;
    let mut group = NotifyGroup {
        filter,
        events: Vec::new(),
        fetch: Vec::new(),
    };
    if !c.word("NONE") {
        c.open()?;
        loop {
            let event = c.name()?;
            let is_new = event == "MESSAGENEW";
            group.events.push(event);
            if group.events.len() > c.limits.items {
                return Err(Why::TooMany("events"));
            }
            let mut ahead = c.clone();
            if is_new && ahead.take(b' ') && ahead.peek() == Some(b'(') {
                group.fetch = fetch::items(&mut ahead)?;
                *c = ahead;
            }
            if !c.take(b' ') {
                break;
            }
        }
        c.close()?;
    }
    c.close()?;
    Ok(group)
}

fn notify_names(c: &mut Cursor<'_>) -> Read<Vec<String>> {
    c.space()?;
    if c.peek() == Some(b'(') {
        return c.list(1, Cursor::mailbox);
    }
    Ok(vec![c.mailbox()?])
}

impl Body {
    /// The command's name, for answers and counters.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Capability => "CAPABILITY",
            Self::Noop => "NOOP",
            Self::Logout => "LOGOUT",
            Self::Id(_) => "ID",
            Self::StartTls => "STARTTLS",
            Self::Authenticate(_) => "AUTHENTICATE",
            Self::Login { .. } => "LOGIN",
            Self::Unauthenticate => "UNAUTHENTICATE",
            Self::Enable(_) => "ENABLE",
            Self::Compress(_) => "COMPRESS",
            Self::Select(select) if select.is_read_only => "EXAMINE",
            Self::Select(_) => "SELECT",
            Self::Create { .. } => "CREATE",
            Self::Delete(_) => "DELETE",
            Self::Rename { .. } => "RENAME",
            Self::Subscribe(_) => "SUBSCRIBE",
            Self::Unsubscribe(_) => "UNSUBSCRIBE",
            Self::List(list) if list.verb == list::ListVerb::Lsub => "LSUB",
            Self::List(_) => "LIST",
            Self::Namespace => "NAMESPACE",
            Self::Status { .. } => "STATUS",
            Self::Idle => "IDLE",
            Self::Check => "CHECK",
            Self::Close => "CLOSE",
            Self::Unselect => "UNSELECT",
            Self::Expunge(_) => "EXPUNGE",
            Self::Search(_) => "SEARCH",
            Self::Sort(_) => "SORT",
            Self::Thread(_) => "THREAD",
            Self::Fetch(_) => "FETCH",
            Self::Store(_) => "STORE",
            Self::Copy { is_move: true, .. } => "MOVE",
            Self::Copy { .. } => "COPY",
            Self::GetQuota(_) => "GETQUOTA",
            Self::GetQuotaRoot(_) => "GETQUOTAROOT",
            Self::SetQuota(_) => "SETQUOTA",
            Self::GetAcl(_) => "GETACL",
            Self::SetAcl(_) => "SETACL",
            Self::DeleteAcl { .. } => "DELETEACL",
            Self::ListRights { .. } => "LISTRIGHTS",
            Self::MyRights(_) => "MYRIGHTS",
            Self::GetMetadata { .. } => "GETMETADATA",
            Self::SetMetadata { .. } => "SETMETADATA",
            Self::Notify(_) => "NOTIFY",
        }
    }

    /// Whether sequence numbers may not change while it runs (RFC 9051 7.5.1).
    #[must_use]
    pub fn freezes_numbers(&self) -> bool {
        match self {
            Self::Fetch(f) => !f.uid,
            Self::Store(s) => !s.uid,
            Self::Search(s) => !s.uid,
            Self::Sort(s) => !s.search.uid,
            Self::Thread(t) => !t.search.uid,
            _ => false,
        }
    }

    /// Whether it names messages by number, also inside a search.
    #[must_use]
    pub fn messages(&self) -> Option<&Messages> {
        match self {
            Self::Fetch(f) => Some(&f.messages),
            Self::Store(s) => Some(&s.messages),
            Self::Copy { messages, .. } => Some(messages),
            Self::Expunge(messages) => messages.as_ref(),
            _ => None,
        }
    }
}

/// Bits that a STORE without sign takes away when it does not name them.
pub const SETTABLE: Flags = Flags(1023);
