//! Provision, Settings and the folders (MS-ASPROV; MS-ASCMD 2.2.1.3 to 2.2.1.6, 2.2.1.18).

use hyper::StatusCode;
use postamt::format::wbxml::Encoder;
use postamt::format::wbxml::pages::{folders as f, provision as p, settings as s};

use crate::device::{Answer, Device, Tree, World};

const VERSIONS: [&str; 3] = ["12.1", "14.0", "14.1"];

async fn ask_policy(phone: &Device, kind: &str) -> Answer {
    phone
        .send("Provision", |out| {
            out.element(p::PROVISION, |out| {
                out.element(p::POLICIES, |out| {
                    out.element(p::POLICY, |out| out.text(p::POLICY_TYPE, kind))
                });
            });
        })
        .await
}

async fn acknowledge(phone: &Device, key: &str) -> Tree {
    phone
        .send("Provision", |out| {
            out.element(p::PROVISION, |out| {
                out.element(p::POLICIES, |out| {
                    out.element(p::POLICY, |out| {
                        out.text(p::POLICY_TYPE, "MS-EAS-Provisioning-WBXML");
                        out.text(p::POLICY_KEY, key);
                        out.text(p::STATUS, "1");
                    });
                });
            });
        })
        .await
        .root()
}

const POLICY: [postamt::format::wbxml::Tag; 2] = [p::POLICIES, p::POLICY];

fn of_policy(root: &Tree, tag: postamt::format::wbxml::Tag) -> String {
    root.text(&[POLICY[0], POLICY[1], tag])
}

#[tokio::test]
async fn asprov_3_1_5_2_the_policy_comes_in_two_steps() {
    let world = World::new().await;
    for version in VERSIONS {
        let phone = world.phone_named(version, &format!("P{}", version.replace('.', "")));
        let offer = ask_policy(&phone, "MS-EAS-Provisioning-WBXML").await.root();
        assert_eq!(offer.names(), ["Status", "Policies"], "the order is fixed");
        assert_eq!(offer.text(&[p::STATUS]), "1");
        assert_eq!(
            offer.at(&POLICY).names(),
            ["PolicyType", "Status", "PolicyKey", "Data"]
        );
        let document = offer.at(&[POLICY[0], POLICY[1], p::DATA, p::EAS_PROVISION_DOC]);
        assert_eq!(document.text(&[p::DEVICE_PASSWORD_ENABLED]), "0");
        assert!(
            document.find(&[p::MIN_DEVICE_PASSWORD_LENGTH]).is_none(),
            "Gmail refuses half a password rule"
        );
        let temporary = of_policy(&offer, p::POLICY_KEY);
        let done = acknowledge(&phone, &temporary).await;
        assert_eq!(of_policy(&done, p::STATUS), "1");
        assert!(done.find(&[POLICY[0], POLICY[1], p::DATA]).is_none());
        let permanent = of_policy(&done, p::POLICY_KEY);
        assert_ne!(permanent, temporary);
        for key in [&temporary, &permanent] {
            assert!(key.parse::<u32>().unwrap() > 0, "the iPhone refuses 0");
        }
        // The temporary key was for this once.
        let again = acknowledge(&phone, &temporary).await;
        assert_eq!(of_policy(&again, p::STATUS), "5");
    }
}

#[tokio::test]
async fn asprov_wrong_keys_and_types_are_told_in_the_policy() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    assert_eq!(
        of_policy(&acknowledge(&phone, "4711").await, p::STATUS),
        "5"
    );
    assert_eq!(of_policy(&acknowledge(&phone, "0").await, p::STATUS), "5");
    assert_eq!(
        of_policy(&acknowledge(&phone, "no number").await, p::STATUS),
        "5"
    );
    let old = ask_policy(&phone, "MS-WAP-Provisioning-XML").await.root();
    assert_eq!(of_policy(&old, p::STATUS), "3");
    let nothing = phone
        .send("Provision", |out| out.empty(p::PROVISION))
        .await
        .root();
    assert_eq!(nothing.text(&[p::STATUS]), "2");
    // A key of another phone is none of this one.
    let other = world.phone_named("14.1", "OTHER");
    let key = of_policy(
        &ask_policy(&other, "MS-EAS-Provisioning-WBXML").await.root(),
        p::POLICY_KEY,
    );
    assert_eq!(of_policy(&acknowledge(&phone, &key).await, p::STATUS), "5");
}

fn information(out: &mut Encoder) {
    out.element(s::DEVICE_INFORMATION, |out| {
        out.element(s::SET, |out| {
            out.text(s::MODEL, "iPhone11C8");
            out.text(s::FRIENDLY_NAME, "Annas Telefon");
            out.text(s::OS, "iOS 17.6.1\u{202E}");
        });
    });
}

#[tokio::test]
async fn asprov_device_information_is_answered_first_and_kept() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let root = phone
        .send("Provision", |out| {
            out.element(p::PROVISION, |out| {
                information(out);
                out.element(p::POLICIES, |out| {
                    out.element(p::POLICY, |out| {
                        out.text(p::POLICY_TYPE, "MS-EAS-Provisioning-WBXML")
                    });
                });
            });
        })
        .await
        .root();
    assert_eq!(root.names(), ["DeviceInformation", "Status", "Policies"]);
    assert_eq!(root.text(&[s::DEVICE_INFORMATION, s::STATUS]), "1");
    let devices = world.server.app().devices.list(world.anna).await.unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].name, "Annas Telefon");
    assert_eq!(devices[0].info["model"], "iPhone11C8");
    assert_eq!(devices[0].protocol, "14.1");
}

#[tokio::test]
async fn asprov_a_wipe_goes_to_its_device_alone_mistake_24() {
    let world = World::new().await;
    let (phone, other) = (world.phone("14.1"), world.phone_named("12.1", "OTHER"));
    for device in [&phone, &other] {
        device
            .send("FolderSync", |out| {
                out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, "0"))
            })
            .await
            .root();
    }
    let devices = &world.server.app().devices;
    devices.ask_wipe(world.anna, "PHONE1").await.unwrap();
    let sync = |key: &'static str| {
        move |out: &mut Encoder| out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, key))
    };
    assert_eq!(
        phone
            .send("FolderSync", sync("0"))
            .await
            .root()
            .text(&[f::STATUS]),
        "140"
    );
    assert_eq!(
        other
            .send("FolderSync", sync("0"))
            .await
            .root()
            .text(&[f::STATUS]),
        "1"
    );
    // A device that was not told cannot say that it did it.
    let done = |out: &mut Encoder| {
        out.element(p::PROVISION, |out| {
            out.text(p::STATUS, "1");
            out.element(p::REMOTE_WIPE, |out| out.text(p::STATUS, "1"));
        });
    };
    phone.send("Provision", done).await.root();
    assert_eq!(
        devices
            .list(world.anna)
            .await
            .unwrap()
            .iter()
            .find(|d| d.device_id == "PHONE1")
            .unwrap()
            .wipe,
        "asked"
    );
    let told = phone.post("Provision", Vec::new()).await.root();
    assert_eq!(told.names(), ["Status", "RemoteWipe"]);
    // The phone puts a status of its own first; it is passed over.
    let last = phone.send("Provision", done).await.root();
    assert_eq!(last.text(&[p::STATUS]), "1");
    assert_eq!(
        phone
            .send("FolderSync", sync("0"))
            .await
            .root()
            .text(&[f::STATUS]),
        "129"
    );
    assert_eq!(
        other
            .send("FolderSync", sync("0"))
            .await
            .root()
            .text(&[f::STATUS]),
        "1"
    );
    // An old device hears of it by a code.
    devices.ask_wipe(world.anna, "OTHER").await.unwrap();
    assert_eq!(
        other.send("FolderSync", sync("0")).await.status.as_u16(),
        449
    );
    assert_eq!(
        other.post("Provision", Vec::new()).await.root().names(),
        ["Status", "RemoteWipe"]
    );
    assert_eq!(
        other.send("FolderSync", sync("0")).await.status.as_u16(),
        449
    );
}

#[tokio::test]
async fn ascmd_2_2_1_18_settings_says_who_its_owner_is() {
    let world = World::new().await;
    let host = postamt::service::accounts::admin::Actor::command_line();
    let accounts = &world.server.app().accounts;
    accounts
        .create_alias(&host, "info@x.test", &["anna@x.test"])
        .await
        .unwrap();
    for version in VERSIONS {
        let phone = world.phone(version);
        let root = phone
            .send("Settings", |out| {
                out.element(s::SETTINGS, |out| {
                    out.element(s::USER_INFORMATION, |out| out.empty(s::GET));
                    information(out);
                });
            })
            .await
            .root();
        assert_eq!(
            root.names(),
            ["Status", "UserInformation", "DeviceInformation"]
        );
        assert_eq!(root.text(&[s::DEVICE_INFORMATION, s::STATUS]), "1");
        let get = root.at(&[s::USER_INFORMATION, s::GET]);
        let addresses = if version == "14.1" {
            let account = get.at(&[s::ACCOUNTS, s::ACCOUNT]);
            assert_eq!(account.text(&[s::USER_DISPLAY_NAME]), "Anna Meier");
            assert_eq!(
                account.text(&[s::EMAIL_ADDRESSES, s::PRIMARY_SMTP_ADDRESS]),
                "anna@x.test"
            );
            account.at(&[s::EMAIL_ADDRESSES])
        } else {
            get.at(&[s::EMAIL_ADDRESSES])
        };
        let mut all: Vec<String> = addresses
            .all(s::SMTP_ADDRESS)
            .iter()
            .map(|a| a.text(&[]))
            .collect();
        all.sort();
        assert_eq!(all, ["anna@x.test", "info@x.test"]);
    }
}

#[tokio::test]
async fn ascmd_settings_asked_twice_in_one_request_is_2() {
    let world = World::new().await;
    let root = world
        .phone("14.1")
        .send("Settings", |out| {
            out.element(s::SETTINGS, |out| {
                information(out);
                information(out);
            });
        })
        .await
        .root();
    assert_eq!(root.text(&[s::STATUS]), "2");
    assert_eq!(root.kids.len(), 1);
}

async fn sync(phone: &Device, key: &str) -> Tree {
    phone
        .send("FolderSync", |out| {
            out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, key))
        })
        .await
        .root()
}

async fn create(phone: &Device, key: &str, parent: &str, name: &str, kind: &str) -> Tree {
    phone
        .send("FolderCreate", |out| {
            out.element(f::FOLDER_CREATE, |out| {
                out.text(f::SYNC_KEY, key);
                out.text(f::PARENT_ID, parent);
                out.text(f::DISPLAY_NAME, name);
                out.text(f::TYPE, kind);
            });
        })
        .await
        .root()
}

async fn update(phone: &Device, key: &str, id: &str, parent: &str, name: &str) -> Tree {
    phone
        .send("FolderUpdate", |out| {
            out.element(f::FOLDER_UPDATE, |out| {
                out.text(f::SYNC_KEY, key);
                out.text(f::SERVER_ID, id);
                out.text(f::PARENT_ID, parent);
                out.text(f::DISPLAY_NAME, name);
            });
        })
        .await
        .root()
}

async fn delete(phone: &Device, key: &str, id: &str) -> Tree {
    phone
        .send("FolderDelete", |out| {
            out.element(f::FOLDER_DELETE, |out| {
                out.text(f::SYNC_KEY, key);
                out.text(f::SERVER_ID, id);
            });
        })
        .await
        .root()
}

fn key(root: &Tree) -> String {
    assert_eq!(root.text(&[f::STATUS]), "1", "{}", root.shown(0));
    root.text(&[f::SYNC_KEY])
}

/// (type, name) of what was added.
fn added(root: &Tree) -> Vec<(String, String)> {
    root.at(&[f::CHANGES])
        .all(f::ADD)
        .iter()
        .map(|add| (add.text(&[f::TYPE]), add.text(&[f::DISPLAY_NAME])))
        .collect()
}

#[tokio::test]
async fn mistake_20_every_default_folder_has_its_type_at_the_first_sign_in() {
    let world = World::new().await;
    for version in VERSIONS {
        let root = sync(&world.phone(version), "0").await;
        assert_eq!(root.names(), ["Status", "SyncKey", "Changes"]);
        let folders = added(&root);
        for kind in ["2", "3", "4", "5", "6"] {
            assert_eq!(
                folders.iter().filter(|(k, _)| k == kind).count(),
                1,
                "type {kind} in {folders:?}"
            );
        }
        assert!(
            folders.contains(&("2".to_owned(), "Posteingang".to_owned())),
            "{folders:?}"
        );
        assert!(
            folders.contains(&("12".to_owned(), "Spam".to_owned())),
            "{folders:?}"
        );
        let count = root.text(&[f::CHANGES, f::COUNT]);
        assert_eq!(count, folders.len().to_string());
    }
}

#[tokio::test]
async fn ascmd_2_2_1_5_folders_of_other_doors_come_change_and_leave() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = key(&sync(&phone, "0").await);
    let quiet = sync(&phone, &first).await;
    assert_eq!(key(&quiet), first, "nothing is new, so the key stays");
    assert_eq!(quiet.at(&[f::CHANGES]).names(), ["Count"]);

    let mail = &world.server.app().mail;
    let work = mail
        .create_folder(world.anna, None, "Arbeit")
        .await
        .unwrap();
    let below = mail
        .create_folder(world.anna, Some(work), "Kunden")
        .await
        .unwrap();
    let root = sync(&phone, &first).await;
    let second = key(&root);
    assert_ne!(second, first);
    assert_eq!(
        added(&root),
        [
            ("12".to_owned(), "Arbeit".to_owned()),
            ("12".to_owned(), "Kunden".to_owned())
        ]
    );
    let child = root.at(&[f::CHANGES]).all(f::ADD)[1];
    assert_eq!(child.text(&[f::PARENT_ID]), work.to_string());

    mail.rename_folder(world.anna, work, None, "Büro")
        .await
        .unwrap();
    let root = sync(&phone, &second).await;
    let third = key(&root);
    let changes = root.at(&[f::CHANGES]);
    assert_eq!(
        changes.names(),
        ["Count", "Update"],
        "the child keeps its parent and its name"
    );
    assert_eq!(changes.text(&[f::UPDATE, f::DISPLAY_NAME]), "Büro");
    assert_eq!(
        changes.text(&[f::UPDATE, f::SERVER_ID]),
        work.to_string(),
        "mistake 18: a rename keeps the id"
    );

    mail.delete_folder(world.anna, work).await.unwrap();
    let root = sync(&phone, &third).await;
    let gone: Vec<String> = root
        .at(&[f::CHANGES])
        .all(f::DELETE)
        .iter()
        .map(|d| d.text(&[f::SERVER_ID]))
        .collect();
    assert_eq!(
        gone,
        [below.to_string(), work.to_string()],
        "children first"
    );
}

#[tokio::test]
async fn mistake_1_a_lost_answer_is_given_again() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = key(&sync(&phone, "0").await);
    let mail = &world.server.app().mail;
    mail.create_folder(world.anna, None, "Eins").await.unwrap();
    let lost = sync(&phone, &first).await;
    // Meanwhile another one; the repeated answer leads to the same list under the same key.
    mail.create_folder(world.anna, None, "Zwei").await.unwrap();
    for _ in 0..3 {
        assert_eq!(sync(&phone, &first).await, lost);
    }
    let next = sync(&phone, &key(&lost)).await;
    assert_eq!(added(&next), [("12".to_owned(), "Zwei".to_owned())]);
    // Two steps back is too far.
    assert_eq!(sync(&phone, &first).await.text(&[f::STATUS]), "9");
    let nothing = sync(&phone, "never given").await;
    assert_eq!(nothing.names(), ["Status"]);
    assert_eq!(nothing.text(&[f::STATUS]), "9");
}

#[tokio::test]
async fn ascmd_a_key_of_another_device_is_9() {
    let world = World::new().await;
    let first = key(&sync(&world.phone("14.1"), "0").await);
    let other = world.phone_named("14.1", "OTHER");
    assert_eq!(sync(&other, &first).await.text(&[f::STATUS]), "9");
    sync(&other, "0").await;
    assert_eq!(sync(&other, &first).await.text(&[f::STATUS]), "9");
}

#[tokio::test]
async fn mistake_19_the_device_s_own_folder_is_not_told_to_it_again() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = key(&sync(&phone, "0").await);
    let made = create(&phone, &first, "0", "Reise", "12").await;
    assert_eq!(made.names(), ["Status", "SyncKey", "ServerId"]);
    let second = key(&made);
    let id = made.text(&[f::SERVER_ID]);
    // The answer was lost: the same folder again, not "exists".
    assert_eq!(create(&phone, &first, "0", "Reise", "12").await, made);
    let quiet = sync(&phone, &second).await;
    assert_eq!(quiet.text(&[f::CHANGES, f::COUNT]), "0");
    assert_eq!(key(&quiet), second);

    let child = create(&phone, &second, &id, "Fotos", "1").await;
    let third = key(&child);
    let fourth = key(&update(&phone, &third, &id, "0", "Reisen").await);
    assert_eq!(
        sync(&phone, &fourth).await.text(&[f::CHANGES, f::COUNT]),
        "0"
    );
    let fifth = key(&delete(&phone, &fourth, &id).await);
    assert_eq!(
        key(&delete(&phone, &fourth, &id).await),
        fifth,
        "a lost answer again"
    );
    assert_eq!(
        sync(&phone, &fifth).await.text(&[f::CHANGES, f::COUNT]),
        "0",
        "the child went along"
    );
    // Another device hears of what is left of it: nothing.
    let other = sync(&world.phone_named("14.1", "OTHER"), "0").await;
    assert!(
        !added(&other)
            .iter()
            .any(|(_, name)| name.starts_with("Reise") || name == "Fotos")
    );
}

#[tokio::test]
async fn ascmd_2_2_1_3_folders_that_cannot_be_are_refused_by_their_status() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let root = sync(&phone, "0").await;
    let first = key(&root);
    let id_of = |kind: &str| {
        root.at(&[f::CHANGES])
            .all(f::ADD)
            .into_iter()
            .find(|add| add.text(&[f::TYPE]) == kind)
            .unwrap()
            .text(&[f::SERVER_ID])
    };
    let inbox = id_of("2");
    let status = |tree: Tree| tree.text(&[f::STATUS]);
    mail_folder(&world, "Arbeit").await;
    assert_eq!(status(create(&phone, "x", "0", "A", "12").await), "9");
    assert_eq!(
        status(create(&phone, &first, "0", "A", "2").await),
        "10",
        "default types are not made"
    );
    assert_eq!(status(create(&phone, &first, "0", "", "12").await), "10");
    assert_eq!(
        status(create(&phone, &first, "0", &"x".repeat(257), "12").await),
        "10"
    );
    assert_eq!(
        status(create(&phone, &first, "99999", "A", "12").await),
        "5"
    );
    assert_eq!(
        status(create(&phone, &first, "0", "Arbeit", "12").await),
        "2"
    );
    let missing = phone
        .send("FolderCreate", |out| {
            out.element(f::FOLDER_CREATE, |out| out.text(f::SYNC_KEY, &first))
        })
        .await;
    assert_eq!(missing.root().text(&[f::STATUS]), "10");

    assert_eq!(
        status(update(&phone, &first, &inbox, "0", "Mein").await),
        "2",
        "special"
    );
    assert_eq!(status(update(&phone, &first, "99999", "0", "A").await), "4");
    assert_eq!(status(update(&phone, "x", "99999", "0", "A").await), "9");
    assert_eq!(status(delete(&phone, &first, &inbox).await), "3");
    assert_eq!(status(delete(&phone, &first, "99999").await), "4");
    assert_eq!(status(delete(&phone, &first, "outbox").await), "4");
    // A foreign account's folder is as unknown as one that never was.
    let foreign = world
        .server
        .app()
        .mail
        .create_folder(world.bob, None, "Geheim")
        .await
        .unwrap()
        .to_string();
    assert_eq!(status(delete(&phone, &first, &foreign).await), "4");
    assert_eq!(
        status(create(&phone, &first, &foreign, "A", "12").await),
        "5"
    );
    // Nothing of all this changed the list.
    let quiet = sync(&phone, &first).await;
    assert_eq!(added(&quiet), [("12".to_owned(), "Arbeit".to_owned())]);
}

async fn mail_folder(world: &World, name: &str) {
    world
        .server
        .app()
        .mail
        .create_folder(world.anna, None, name)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_slash_in_a_name_is_shown_by_its_twin() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = key(&sync(&phone, "0").await);
    let made = create(&phone, &first, "0", "Ein/Aus", "12").await;
    let news = sync(&phone, &key(&made)).await;
    let changes = news.at(&[f::CHANGES]);
    assert_eq!(changes.names(), ["Count", "Update"]);
    assert_eq!(
        changes.text(&[f::UPDATE, f::DISPLAY_NAME]),
        "Ein\u{2215}Aus"
    );
}

#[tokio::test]
async fn storage_that_is_away_is_never_a_wrong_password_or_a_lost_key() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = key(&sync(&phone, "0").await);
    sqlx::query("alter table device rename to device_away")
        .execute(&world.server.db.pool)
        .await
        .unwrap();
    let answer = phone
        .send("FolderSync", |out| {
            out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, &first))
        })
        .await;
    let is_temporary = answer.status == StatusCode::SERVICE_UNAVAILABLE
        || answer.root().text(&[f::STATUS]) == "111";
    assert!(is_temporary, "{answer:?}");
}
