//! What a request says before its body: the query in both forms, and the headers that go with the plain one
//! (MS-ASHTTP 2.2.1.1.1).
//!
//! ```text
//! plain    Cmd=Sync&User=anna%40example.org&DeviceId=ABC&DeviceType=iPhone      version and key in headers
//! base64   version(1) command(1) locale(2) len id len key(0|4) len type { tag len value }*
//! ```
//!
//! The user named in it is not looked at: who somebody is, says the Authorization field alone.

use super::version::Version;
use crate::format::mime::codec::{self, Encoding};
use crate::format::wbxml::Tag;
use crate::format::wbxml::pages::{
    airsync, compose, estimate, find, folders, meeting, moves, operations, ping, provision,
    resolve, search, settings, validate,
};

/// A command (MS-ASHTTP 2.2.1.1.1.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Sync,
    SendMail,
    SmartForward,
    SmartReply,
    GetAttachment,
    FolderSync,
    FolderCreate,
    FolderDelete,
    FolderUpdate,
    MoveItems,
    GetItemEstimate,
    MeetingResponse,
    Search,
    Settings,
    Ping,
    ItemOperations,
    Provision,
    ResolveRecipients,
    ValidateCert,
    Find,
}

/// Name, code, root element, and the element that holds the verdict.
type Line = (Command, &'static str, u8, Option<(Tag, Tag)>);

const COMMANDS: [Line; 20] = [
    (
        Command::Sync,
        "Sync",
        0,
        Some((airsync::SYNC, airsync::STATUS)),
    ),
    (
        Command::SendMail,
        "SendMail",
        1,
        Some((compose::SEND_MAIL, compose::STATUS)),
    ),
    (
        Command::SmartForward,
        "SmartForward",
        2,
        Some((compose::SMART_FORWARD, compose::STATUS)),
    ),
    (
        Command::SmartReply,
        "SmartReply",
        3,
        Some((compose::SMART_REPLY, compose::STATUS)),
    ),
    (Command::GetAttachment, "GetAttachment", 4, None),
    (
        Command::FolderSync,
        "FolderSync",
        9,
        Some((folders::FOLDER_SYNC, folders::STATUS)),
    ),
    (
        Command::FolderCreate,
        "FolderCreate",
        10,
        Some((folders::FOLDER_CREATE, folders::STATUS)),
    ),
    (
        Command::FolderDelete,
        "FolderDelete",
        11,
        Some((folders::FOLDER_DELETE, folders::STATUS)),
    ),
    (
        Command::FolderUpdate,
        "FolderUpdate",
        12,
        Some((folders::FOLDER_UPDATE, folders::STATUS)),
    ),
    (
        Command::MoveItems,
        "MoveItems",
        13,
        Some((moves::MOVE_ITEMS, moves::STATUS)),
    ),
    (
        Command::GetItemEstimate,
        "GetItemEstimate",
        14,
        Some((estimate::GET_ITEM_ESTIMATE, estimate::STATUS)),
    ),
    (
        Command::MeetingResponse,
        "MeetingResponse",
        15,
        Some((meeting::MEETING_RESPONSE, meeting::STATUS)),
    ),
    (
        Command::Search,
        "Search",
        16,
        Some((search::SEARCH, search::STATUS)),
    ),
    (
        Command::Settings,
        "Settings",
        17,
        Some((settings::SETTINGS, settings::STATUS)),
    ),
    (Command::Ping, "Ping", 18, Some((ping::PING, ping::STATUS))),
    (
        Command::ItemOperations,
        "ItemOperations",
        19,
        Some((operations::ITEM_OPERATIONS, operations::STATUS)),
    ),
    (
        Command::Provision,
        "Provision",
        20,
        Some((provision::PROVISION, provision::STATUS)),
    ),
    (
        Command::ResolveRecipients,
        "ResolveRecipients",
        21,
        Some((resolve::RESOLVE_RECIPIENTS, resolve::STATUS)),
    ),
    (
        Command::ValidateCert,
        "ValidateCert",
        22,
        Some((validate::VALIDATE_CERT, validate::STATUS)),
    ),
    (Command::Find, "Find", 23, Some((find::FIND, find::STATUS))),
];

impl Command {
    fn line(self) -> Option<&'static Line> {
        COMMANDS.iter().find(|line| line.0 == self)
    }

    fn from_name(name: &str) -> Option<Self> {
        COMMANDS
            .iter()
            .find(|line| line.1.eq_ignore_ascii_case(name))
            .map(|line| line.0)
    }

    fn from_code(code: u8) -> Option<Self> {
        COMMANDS
            .iter()
            .find(|line| line.2 == code)
            .map(|line| line.0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.line().map_or("", |line| line.1)
    }

    /// The root element of its answers and the element of a verdict on the whole; none for what answers with raw octets.
    #[must_use]
    pub fn root(self) -> Option<(Tag, Tag)> {
        self.line().and_then(|line| line.3)
    }
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The version of this request.
    pub version: Version,
    /// What to do.
    pub command: Command,
    /// The device, 1..=64 printable characters.
    pub device_id: String,
    /// What kind of device it says it is.
    pub device_type: String,
    /// The key of the policy it holds; 0: none.
    pub policy_key: u32,
    /// The answer may be in parts.
    pub multipart: bool,
    /// Of `SendMail` up to 12.1.
    pub save_in_sent: bool,
    /// Of `GetAttachment`.
    pub attachment: Option<String>,
    /// Of `SmartReply` and `SmartForward` up to 12.1.
    pub collection_id: Option<String>,
    /// Likewise.
    pub item_id: Option<String>,
    /// Likewise.
    pub long_id: Option<String>,
}

/// Why nothing was asked. The number is the status of MS-ASCMD 2.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// The query cannot be read.
    #[error("the query cannot be read")]
    Malformed,
    /// No version, or none that exists.
    #[error("no protocol version")]
    Version,
    /// No command, or none that exists.
    #[error("no such command")]
    Command,
    /// No device id, or none that could be one.
    #[error("no device id")]
    Device,
}

/// The headers that the plain form needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `MS-ASProtocolVersion`
    pub version: Option<&'a str>,
    /// `X-MS-PolicyKey`
    pub policy_key: Option<&'a str>,
    /// `MS-ASAcceptMultiPart`
    pub multipart: Option<&'a str>,
}

/// Reads a query in either form. Where both carry a value, the base64 form wins.
///
/// # Errors
/// [`BadQuery`]
pub fn read(query: &str, headers: Headers<'_>) -> Result<Asked, BadQuery> {
    let asked = if query.contains("Cmd=") {
        plain(query, headers)?
    } else {
        packed(query, headers)?
    };
    let is_id = (1..=DEVICE_ID).contains(&asked.device_id.len())
        && asked.device_id.bytes().all(|b| b.is_ascii_graphic());
    if !is_id {
        return Err(BadQuery::Device);
    }
    Ok(asked)
}

fn plain(query: &str, headers: Headers<'_>) -> Result<Asked, BadQuery> {
    let mut command = None;
    let mut device_id = String::new();
    let mut device_type = String::new();
    let mut attachment = None;
    let mut collection_id = None;
    let mut item_id = None;
    let mut long_id = None;
    let mut save_in_sent = false;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "Cmd" => command = Some(Command::from_name(&value).ok_or(BadQuery::Command)?),
            "DeviceId" => device_id = value.into_owned(),
            "DeviceType" => device_type = printable(&value),
            "AttachmentName" => attachment = Some(value.into_owned()),
            "CollectionId" => collection_id = Some(value.into_owned()),
            "ItemId" => item_id = Some(value.into_owned()),
            "LongId" => long_id = Some(value.into_owned()),
            "SaveInSent" => save_in_sent = value.eq_ignore_ascii_case("T"),
            _ => {}
        }
    }
    Ok(Asked {
        version: headers
            .version
            .and_then(Version::parse)
            .ok_or(BadQuery::Version)?,
        command: command.ok_or(BadQuery::Command)?,
        device_id,
        device_type,
        policy_key: policy_key(headers),
        multipart: wants_parts(headers),
        save_in_sent,
        attachment,
        collection_id,
        item_id,
        long_id,
    })
}

fn policy_key(headers: Headers<'_>) -> u32 {
    headers
        .policy_key
        .and_then(|key| key.trim().parse().ok())
        .unwrap_or(0)
}

fn wants_parts(headers: Headers<'_>) -> bool {
    headers
        .multipart
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("T"))
}

fn packed(query: &str, headers: Headers<'_>) -> Result<Asked, BadQuery> {
    let octets = unpack(query).ok_or(BadQuery::Malformed)?;
    let mut rest = Octets(&octets);
    let version = rest.octet().ok_or(BadQuery::Malformed)?;
    let version = Version::from_number(version.into()).ok_or(BadQuery::Version)?;
    let code = rest.octet().ok_or(BadQuery::Malformed)?;
    rest.take(2).ok_or(BadQuery::Malformed)?;
    let id = rest.counted().ok_or(BadQuery::Malformed)?;
    let key = match *rest.counted().ok_or(BadQuery::Malformed)? {
        [] => policy_key(headers),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
        _ => return Err(BadQuery::Malformed),
    };
    let kind = rest.counted().ok_or(BadQuery::Malformed)?;
    let mut asked = Asked {
        version,
        command: Command::from_code(code).ok_or(BadQuery::Command)?,
        device_id: device_id(id),
        device_type: printable(&String::from_utf8_lossy(kind)),
        policy_key: key,
        multipart: wants_parts(headers),
        save_in_sent: false,
        attachment: None,
        collection_id: None,
        item_id: None,
        long_id: None,
    };
    while let Some(tag) = rest.octet() {
        let value = rest.counted().ok_or(BadQuery::Malformed)?;
        let text = || Some(String::from_utf8_lossy(value).into_owned());
        match tag {
            0 => asked.attachment = text(),
            1 => asked.collection_id = text(),
            3 => asked.item_id = text(),
            4 => asked.long_id = text(),
            7 => {
                let options = value.first().copied().unwrap_or(0);
                asked.save_in_sent = options & 0x01 != 0;
                asked.multipart |= options & 0x02 != 0;
            }
            _ => {}
        }
    }
    Ok(asked)
}

/// Base64, perhaps percent-encoded, perhaps without its padding.
fn unpack(query: &str) -> Option<Vec<u8>> {
    // `+` is a letter of base64 here, not a blank.
    let text: String = url::form_urlencoded::parse(query.replace('+', "%2B").as_bytes())
        .next()
        // The first `=` of the padding looks like the end of a name.
        .filter(|(_, value)| value.chars().all(|c| c == '='))
        .map(|(name, _)| name.into_owned())?;
    let text = text.trim_end_matches('=');
    let is_base64 = !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    is_base64.then(|| codec::decode(text.as_bytes(), Encoding::Base64))
}

/// A text, or the octets of a GUID, which are written as hexadecimal digits: the same name on every request.
fn device_id(octets: &[u8]) -> String {
    if octets.iter().all(u8::is_ascii_graphic) {
        String::from_utf8_lossy(octets).into_owned()
    } else {
        use std::fmt::Write as _;
        octets.iter().fold(String::new(), |mut all, b| {
            // A String takes everything.
            let _ = write!(all, "{b:02X}");
            all
        })
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(DEVICE_TYPE)
        .collect()
}

struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.octet()?;
        self.take(length.into())
    }
}

/// Characters of a device's name for itself.
const DEVICE_ID: usize = 64;
/// Characters of its kind.
const DEVICE_TYPE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: Headers<'_> = Headers {
        version: Some("14.1"),
        policy_key: Some("77"),
        multipart: None,
    };

    #[test]
    fn the_documents_example_of_the_packed_form_is_read() {
        for form in [
            "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l",
            "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l=",
            "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l%3D%3D",
        ] {
            let asked = read(form, Headers::default()).unwrap();
            assert_eq!(asked.version, Version::V14_0, "{form}");
            assert_eq!(asked.command, Command::Sync);
            assert_eq!(asked.device_id, "v140Device");
            assert_eq!(asked.device_type, "SmartPhone");
            assert_eq!(asked.policy_key, 0);
        }
    }

    fn packed_query(octets: &[u8]) -> String {
        codec::base64(octets)
    }

    #[test]
    fn a_guid_is_the_same_device_on_every_request() {
        let mut octets = vec![141, 18, 7, 4, 16];
        octets.extend([0xF0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        octets.extend([
            4, 0xD2, 2, 0x96, 0x49, 2, b'W', b'P', 7, 1, 0x03, 99, 2, b'?', b'?',
        ]);
        let asked = read(&packed_query(&octets), Headers::default()).unwrap();
        assert_eq!(asked.device_id, "F00102030405060708090A0B0C0D0E0F");
        assert_eq!(asked.policy_key, 1_234_567_890);
        assert_eq!(asked.command, Command::Ping);
        assert!(asked.save_in_sent && asked.multipart);
    }

    #[test]
    fn a_packed_query_cut_anywhere_is_refused_or_shorter() {
        let mut octets = vec![141, 3, 7, 4, 3, b'a', b'b', b'c', 0, 2, b'W', b'P'];
        let whole = octets.len();
        octets.extend([1, 2, b'1', b'2', 3, 2, b'1', b'4']);
        for cut in 0..octets.len() {
            let query = packed_query(&octets[..cut]);
            let read = read(&query, Headers::default());
            let between = [whole, whole + 4].contains(&cut);
            assert_eq!(read.is_ok(), between, "{cut}");
        }
        let asked = read(&packed_query(&octets), Headers::default()).unwrap();
        assert_eq!(asked.collection_id.as_deref(), Some("12"));
        assert_eq!(asked.item_id.as_deref(), Some("14"));
    }

    #[test]
    fn the_plain_form_takes_any_order_and_signs() {
        let asked = read(
            "User=an%20na&DeviceType=SAMSUNG+SM&SaveInSent=T&DeviceId=SEC1&Cmd=sendmail&Unknown=1",
            HEADERS,
        )
        .unwrap();
        assert_eq!(asked.command, Command::SendMail);
        assert_eq!(asked.device_type, "SAMSUNG SM");
        assert_eq!(asked.policy_key, 77);
        assert!(asked.save_in_sent);
    }

    #[test]
    fn what_is_missing_is_named() {
        let bad = |query: &str, headers| read(query, headers).unwrap_err();
        assert_eq!(bad("Cmd=Sync&DeviceType=x", HEADERS), BadQuery::Device);
        assert_eq!(bad("Cmd=Dance&DeviceId=x", HEADERS), BadQuery::Command);
        assert_eq!(
            bad("Cmd=Sync&DeviceId=x", Headers::default()),
            BadQuery::Version
        );
        assert_eq!(bad("", HEADERS), BadQuery::Malformed);
        assert_eq!(bad("%%%", HEADERS), BadQuery::Malformed);
        let long = format!("Cmd=Sync&DeviceId={}", "x".repeat(65));
        assert_eq!(bad(&long, HEADERS), BadQuery::Device);
        assert!(read(&long[..long.len() - 1], HEADERS).is_ok());
        assert_eq!(bad("Cmd=Sync&DeviceId=a%0Ab", HEADERS), BadQuery::Device);
    }

    #[test]
    fn every_command_has_a_code_of_its_own() {
        for line in COMMANDS {
            assert_eq!(Command::from_code(line.2), Some(line.0));
            assert_eq!(Command::from_name(line.1), Some(line.0));
            assert_eq!(line.0.name(), line.1);
        }
        assert_eq!(Command::from_code(5), None);
    }
}
