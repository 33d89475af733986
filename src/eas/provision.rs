//! `Provision`: the policy in two steps, and the wipe (MS-ASPROV).
//!
//! The policy asks nothing of anybody: no password, no encryption, nothing forbidden. It exists because phones ask for one while an
//! account is set up, and some give up when there is none. Who never asks is served all the same.

use super::call::{Call, Fault, Reply};
use super::settings;
use crate::format::wbxml::pages::{provision as p, settings as s};
use crate::format::wbxml::{Element, Encoder, Tag};

/// The one policy type since 12.0.
const POLICY_TYPE: &str = "MS-EAS-Provisioning-WBXML";

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let (account, device) = (call.account(), call.device.device_id.as_str());
    let root = call.document()?;
    let root = root.as_ref();
    let is_wiping = matches!(call.device.wipe.as_str(), "asked" | "sent");
    if let Some(wiped) = root.and_then(|root| root.child(p::REMOTE_WIPE)) {
        // 2 says that the phone could not; it is asked again.
        let is_done = wiped
            .text_of(p::STATUS)
            .is_some_and(|status| status.trim() == "1");
        if is_done {
            call.app.devices.wipe_done(account, device).await?;
        }
        return Ok(verdict(1));
    }
    if is_wiping {
        call.app.devices.wipe_sent(account, device).await?;
        let mut out = Encoder::new();
        out.element(p::PROVISION, |out| {
            out.value(p::STATUS, 1);
            out.empty(p::REMOTE_WIPE);
        });
        return Ok(Reply::Document(out));
    }
    let Some(root) = root else {
        return Ok(verdict(2));
    };
    let mut told = false;
    if let Some(information) = root.child(s::DEVICE_INFORMATION) {
        settings::keep_information(call, information).await?;
        told = true;
    }
    let Some(policy) = root.at(&[p::POLICIES, p::POLICY]) else {
        if told {
            let mut out = Encoder::new();
            out.element(p::PROVISION, |out| {
                information_taken(out);
                out.value(p::STATUS, 1);
            });
            return Ok(Reply::Document(out));
        }
        return Ok(verdict(2));
    };
    let answer = policy_answer(call, policy).await?;
    let Some(answer) = answer else {
        return Ok(verdict(2));
    };
    let mut out = Encoder::new();
    out.element(p::PROVISION, |out| {
        if told {
            information_taken(out);
        }
        out.value(p::STATUS, 1);
        out.element(p::POLICIES, |out| {
            out.element(p::POLICY, |out| {
                out.text(p::POLICY_TYPE, &answer.policy_type);
                out.value(p::STATUS, answer.status);
                if let Some(key) = answer.key {
                    out.value(p::POLICY_KEY, key);
                }
                if answer.with_document {
                    out.element(p::DATA, harmless);
                }
            });
        });
    });
    Ok(Reply::Document(out))
}

fn information_taken(out: &mut Encoder) {
    out.element(s::DEVICE_INFORMATION, |out| out.value(s::STATUS, 1));
}

struct PolicyAnswer {
    policy_type: String,
    status: u8,
    key: Option<u32>,
    with_document: bool,
}

/// None: the request is not one (no type named).
async fn policy_answer(call: &Call, policy: &Element<'_>) -> Result<Option<PolicyAnswer>, Fault> {
    let (account, device) = (call.account(), call.device.device_id.as_str());
    let Some(policy_type) = policy.text_of(p::POLICY_TYPE) else {
        return Ok(None);
    };
    let mut answer = PolicyAnswer {
        policy_type: policy_type.clone().into_owned(),
        status: 1,
        key: None,
        with_document: false,
    };
    if policy_type.trim() != POLICY_TYPE {
        answer.status = 3;
        return Ok(Some(answer));
    }
    let is_acknowledged = policy.child(p::STATUS).is_some();
    if is_acknowledged {
        let key = policy
            .text_of(p::POLICY_KEY)
            .and_then(|key| key.trim().parse().ok())
            .unwrap_or(0);
        answer.key = call
            .app
            .devices
            .acknowledge_policy(account, device, key)
            .await?;
        if answer.key.is_none() {
            answer.status = 5;
        }
    } else {
        answer.key = Some(call.app.devices.offer_policy(account, device).await?);
        answer.with_document = true;
    }
    Ok(Some(answer))
}

fn verdict(status: u8) -> Reply {
    let mut out = Encoder::new();
    out.element(p::PROVISION, |out| out.value(p::STATUS, status));
    Reply::Document(out)
}

/// The policy: everything is allowed. In this order; with no password wanted, nothing else is said about passwords.
fn harmless(out: &mut Encoder) {
    const POLICY: [(Tag, &str); 24] = [
        (p::DEVICE_PASSWORD_ENABLED, "0"),
        (p::ATTACHMENTS_ENABLED, "1"),
        (p::ALLOW_SIMPLE_DEVICE_PASSWORD, "1"),
        (p::ALLOW_STORAGE_CARD, "1"),
        (p::ALLOW_CAMERA, "1"),
        (p::ALLOW_UNSIGNED_APPLICATIONS, "1"),
        (p::ALLOW_UNSIGNED_INSTALLATION_PACKAGES, "1"),
        (p::ALLOW_WI_FI, "1"),
        (p::ALLOW_TEXT_MESSAGING, "1"),
        (p::ALLOW_POPIMAP_EMAIL, "1"),
        (p::ALLOW_BLUETOOTH, "2"),
        (p::ALLOW_IR_DA, "1"),
        (p::REQUIRE_MANUAL_SYNC_WHEN_ROAMING, "0"),
        (p::ALLOW_DESKTOP_SYNC, "1"),
        (p::MAX_CALENDAR_AGE_FILTER, "0"),
        (p::ALLOW_HTML_EMAIL, "1"),
        (p::MAX_EMAIL_AGE_FILTER, "0"),
        (p::MAX_EMAIL_BODY_TRUNCATION_SIZE, "-1"),
        (p::MAX_EMAIL_HTML_BODY_TRUNCATION_SIZE, "-1"),
        (p::ALLOW_SMIME_SOFT_CERTS, "1"),
        (p::ALLOW_BROWSER, "1"),
        (p::ALLOW_CONSUMER_EMAIL, "1"),
        (p::ALLOW_REMOTE_DESKTOP, "1"),
        (p::ALLOW_INTERNET_SHARING, "1"),
    ];
    out.element(p::EAS_PROVISION_DOC, |out| {
        for (tag, value) in POLICY {
            out.text(tag, value);
        }
    });
}
