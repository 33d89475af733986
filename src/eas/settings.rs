//! `Settings`: what the device says about itself, and who its owner is (MS-ASCMD 2.2.1.18).
//!
//! Each part is answered in the order it was asked, with a status of its own.

use super::call::{Call, Fault, Reply};
use super::version::Version;
use crate::format::wbxml::pages::settings as s;
use crate::format::wbxml::{Element, Encoder, Tag};

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let mut out = Encoder::new();
    out.open(s::SETTINGS);
    let mut seen: Vec<Tag> = Vec::new();
    if root.elements().any(|part| {
        let again = seen.contains(&part.tag);
        seen.push(part.tag);
        again
    }) {
        // Each part at most once.
        out.value(s::STATUS, 2);
        return Ok(Reply::Document(out));
    }
    out.value(s::STATUS, 1);
    for part in root.elements() {
        match part.tag {
            s::DEVICE_INFORMATION => {
                keep_information(call, part).await?;
                out.element(s::DEVICE_INFORMATION, |out| out.value(s::STATUS, 1));
            }
            s::USER_INFORMATION => user_information(call, &mut out).await?,
            // There is no recovery of a phone's own code here (7: denied by policy), no rights management (168), and automatic
            // replies are not kept by this door yet known to it (3: access denied).
            s::DEVICE_PASSWORD => out.element(part.tag, |out| out.value(s::STATUS, 7)),
            s::RIGHTS_MANAGEMENT_INFORMATION => {
                out.element(part.tag, |out| out.value(s::STATUS, 168));
            }
            s::OOF => out.element(part.tag, |out| out.value(s::STATUS, 3)),
            _ => {}
        }
    }
    Ok(Reply::Document(out))
}

/// Who somebody is: the primary address and all others. Phones decide by it who organises a meeting.
async fn user_information(call: &Call, out: &mut Encoder) -> Result<(), Fault> {
    let account = &call.who.account;
    let addresses = call.app.accounts.own_addresses(account.account_id).await?;
    let all = |out: &mut Encoder, names_primary: bool| {
        out.element(s::EMAIL_ADDRESSES, |out| {
            for address in &addresses {
                out.value(s::SMTP_ADDRESS, address);
            }
            if names_primary {
                out.text(s::PRIMARY_SMTP_ADDRESS, &account.address);
            }
        });
    };
    out.element(s::USER_INFORMATION, |out| {
        out.value(s::STATUS, 1);
        out.element(s::GET, |out| {
            if call.version() < Version::V14_1 {
                all(out, false);
                return;
            }
            out.element(s::ACCOUNTS, |out| {
                out.element(s::ACCOUNT, |out| {
                    if !account.display_name.is_empty() {
                        out.text(s::USER_DISPLAY_NAME, &account.display_name);
                    }
                    all(out, true);
                });
            });
        });
    });
    Ok(())
}

/// Keeps what a device tells about itself, so that its owner knows it again.
pub(super) async fn keep_information(call: &Call, part: &Element<'_>) -> Result<(), Fault> {
    const KEPT: [(Tag, &str); 8] = [
        (s::MODEL, "model"),
        (s::FRIENDLY_NAME, "friendly_name"),
        (s::OS, "os"),
        (s::OS_LANGUAGE, "os_language"),
        (s::USER_AGENT, "user_agent"),
        (s::MOBILE_OPERATOR, "mobile_operator"),
        (s::IMEI, "imei"),
        (s::PHONE_NUMBER, "phone_number"),
    ];
    let Some(set) = part.child(s::SET) else {
        return Ok(());
    };
    let told: Vec<(&'static str, String)> = KEPT
        .iter()
        .filter_map(|(tag, name)| {
            let text: String = set
                .text_of(*tag)?
                .chars()
                .filter(|c| !c.is_control())
                .take(INFORMATION)
                .collect();
            (!text.is_empty()).then_some((*name, text))
        })
        .collect();
    let device = call.device.device_id.as_str();
    call.app
        .devices
        .set_info(call.account(), device, &told)
        .await?;
    Ok(())
}

/// Characters of one fact a device tells about itself.
const INFORMATION: usize = 200;
