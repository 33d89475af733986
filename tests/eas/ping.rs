//! Ping and the waiting Sync (MS-ASCMD 2.2.1.13, 2.2.3.84): woken by a change, never for nothing.

use std::time::{Duration, Instant};

use postamt::format::wbxml::pages::{airsync as a, folders as f, ping as p};
use postamt::model::{Flags, SpecialUse};
use postamt::service::App;
use postamt::service::mail::actions::{Action, FlagSet};

use crate::client::{Client, More, collection, read_command};
use crate::device::{Device, Tree, World};

async fn quick() -> World {
    World::with(|config| config.eas.heartbeat_min = Duration::from_secs(1)).await
}

async fn ping(phone: &Device, heartbeat: Option<u32>, folders: &[String]) -> Tree {
    phone
        .send("Ping", |out| {
            out.element(p::PING, |out| {
                if let Some(heartbeat) = heartbeat {
                    out.value(p::HEARTBEAT_INTERVAL, heartbeat);
                }
                if !folders.is_empty() {
                    out.element(p::FOLDERS, |out| {
                        for id in folders {
                            out.element(p::FOLDER, |out| {
                                out.text(p::ID, id);
                                out.text(p::CLASS, "Email");
                            });
                        }
                    });
                }
            });
        })
        .await
        .root()
}

/// Until anna's phone has a long request open.
async fn until_it_waits(app: &App) {
    let anna = app
        .accounts
        .account_by_name("anna@x.test")
        .await
        .unwrap()
        .account_id;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !app.devices.is_waiting(anna, "PHONE1") {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::task::yield_now().await;
    }
}

fn status(root: &Tree) -> String {
    root.text(&[p::STATUS])
}

async fn know_folders(phone: &Device) {
    phone
        .send("FolderSync", |out| {
            out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, "0"))
        })
        .await
        .root();
}

#[tokio::test]
async fn a_quiet_folder_lets_the_heartbeat_pass() {
    let world = quick().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 2).await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    Client::filled(&phone, inbox).await;
    let began = Instant::now();
    assert_eq!(
        status(&ping(&phone, Some(1), &[inbox.to_string()]).await),
        "1"
    );
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Both values are kept: an empty one waits for the same.
    assert_eq!(status(&phone.post("Ping", Vec::new()).await.root()), "1");
    assert_eq!(status(&ping(&phone, Some(1), &[]).await), "1");
}

#[tokio::test]
async fn new_mail_wakes_a_waiting_ping_and_names_its_folder() {
    let world = quick().await;
    let (inbox, trash) = (world.inbox().await, world.folder(SpecialUse::Trash).await);
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    let mut client = Client::filled(&phone, inbox).await;
    Client::filled(&phone, trash).await;
    let folders = [trash.to_string(), inbox.to_string()];
    let waiting = ping(&phone, Some(60), &folders);
    let app = world.server.app().clone();
    let arrives = async {
        until_it_waits(&app).await;
        world.mail(inbox, "Neu").await;
        Instant::now()
    };
    let (root, arrived) = tokio::join!(waiting, arrives);
    assert!(arrived.elapsed() < Duration::from_secs(2));
    assert_eq!(status(&root), "2");
    let named: Vec<String> = root
        .at(&[p::FOLDERS])
        .all(p::FOLDER)
        .iter()
        .map(|folder| folder.text(&[]))
        .collect();
    assert_eq!(named, [inbox.to_string()]);
    client.settle().await;
    assert_eq!(client.subjects(), ["Neu"]);
}

#[tokio::test]
async fn a_change_between_two_requests_is_never_missed() {
    let world = quick().await;
    let inbox = world.inbox().await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    Client::filled(&phone, inbox).await;
    world.mail(inbox, "Neu").await;
    let began = Instant::now();
    assert_eq!(
        status(&ping(&phone, Some(60), &[inbox.to_string()]).await),
        "2"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn mistake_4_ping_says_2_only_when_sync_brings_something() {
    let world = quick().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 3).await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    let mut client = Client::filled(&phone, inbox).await;
    // The device's own change, and changes of what is outside its filter, are no news.
    let read = read_command(client.id_of("Brief 000"), true);
    client
        .sync_with(&More {
            commands: Some(&read),
            ..More::default()
        })
        .await;
    assert_eq!(
        status(&ping(&phone, Some(1), &[inbox.to_string()]).await),
        "1"
    );
    world.age("Brief 001", 30).await;
    client.filter = Some(3);
    client.settle().await;
    assert_eq!(client.items.len(), 2);
    let seen = Action::Flag(FlagSet {
        set: Flags::SEEN,
        clear: Flags::NONE,
    });
    world.act(inbox, "Brief 001", &seen).await;
    assert_eq!(
        status(&ping(&phone, Some(1), &[inbox.to_string()]).await),
        "1"
    );
    // From here on every 2 is followed by a Sync that brings something, until it is quiet.
    world.act(inbox, "Brief 002", &seen).await;
    world.mail(inbox, "Neu").await;
    let before = phone.requests();
    loop {
        let root = ping(&phone, Some(1), &[inbox.to_string()]).await;
        if status(&root) == "1" {
            break;
        }
        let answer = client.ask(&More::default()).await;
        assert!(!answer.is_empty(), "2, and then nothing");
        client.take(&answer);
    }
    assert!(
        phone.requests() - before <= 3,
        "{} requests",
        phone.requests() - before
    );
}

#[tokio::test]
async fn ascmd_ping_s_parameters_are_held_to_their_limits() {
    let world = World::new().await;
    let inbox = world.inbox().await.to_string();
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    assert_eq!(status(&phone.post("Ping", Vec::new()).await.root()), "3");
    assert_eq!(status(&ping(&phone, Some(300), &[]).await), "3");
    for (asked, nearest) in [(10, "60"), (9_999, "3540")] {
        let root = ping(&phone, Some(asked), std::slice::from_ref(&inbox)).await;
        assert_eq!(
            (
                status(&root).as_str(),
                root.text(&[p::HEARTBEAT_INTERVAL]).as_str()
            ),
            ("5", nearest)
        );
    }
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let root = ping(&phone, Some(60), &many).await;
    assert_eq!(
        (
            status(&root).as_str(),
            root.text(&[p::MAX_FOLDERS]).as_str()
        ),
        ("6", "200")
    );
    for unknown in ["999999", "rubbish"] {
        assert_eq!(
            status(&ping(&phone, Some(60), &[unknown.to_owned()]).await),
            "7"
        );
    }
    let bad = phone
        .send("Ping", |out| {
            out.element(p::PING, |out| out.text(p::HEARTBEAT_INTERVAL, "soon"))
        })
        .await;
    assert_eq!(status(&bad.root()), "4");
}

#[tokio::test]
async fn a_folder_never_synchronised_is_passed_over_and_new_folders_are_7() {
    let world = quick().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    let ids = [inbox.to_string(), "outbox".to_owned()];
    assert_eq!(status(&ping(&phone, Some(1), &ids).await), "1");
    world
        .server
        .app()
        .mail
        .create_folder(world.anna, None, "Neu")
        .await
        .unwrap();
    assert_eq!(status(&ping(&phone, Some(60), &ids).await), "7");
}

#[tokio::test]
async fn a_newer_request_of_the_device_ends_the_older_wait() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    Client::filled(&phone, inbox).await;
    let ids = [inbox.to_string()];
    let older = ping(&phone, Some(600), &ids);
    let app = world.server.app().clone();
    let newer = async {
        until_it_waits(&app).await;
        Client::new(&phone, inbox)
            .ask(&More::default())
            .await
            .root();
    };
    let began = Instant::now();
    let (root, ()) = tokio::join!(older, newer);
    assert_eq!(status(&root), "1");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn mistake_29_a_stop_answers_everybody_who_waits() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    Client::filled(&phone, inbox).await;
    let ids = [inbox.to_string()];
    let waiting = ping(&phone, Some(600), &ids);
    let app = world.server.app().clone();
    let stops = async {
        until_it_waits(&app).await;
        world.server.stop().await;
    };
    let began = Instant::now();
    let (root, ()) = tokio::join!(waiting, stops);
    assert_eq!(status(&root), "1");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_waiting_sync_answers_with_the_change_itself_or_with_nothing() {
    let world = quick().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    let quiet = client
        .ask(&More {
            heartbeat: Some(1),
            ..More::default()
        })
        .await;
    assert!(quiet.is_empty());
    let more = More {
        heartbeat: Some(60),
        ..More::default()
    };
    let waiting = client.ask(&more);
    let app = world.server.app().clone();
    let arrives = async {
        until_it_waits(&app).await;
        world.mail(inbox, "Neu").await;
    };
    let (answer, ()) = tokio::join!(waiting, arrives);
    client.take(&answer);
    assert_eq!(client.subjects(), ["Brief 000", "Neu"]);
    // What is pending, a key of 0, and commands are answered at once.
    world.mail(inbox, "Neuer").await;
    let began = Instant::now();
    client
        .sync_with(&More {
            heartbeat: Some(60),
            ..More::default()
        })
        .await;
    let read = read_command(client.id_of("Neu"), true);
    let answer = client
        .ask(&More {
            heartbeat: Some(60),
            commands: Some(&read),
            ..More::default()
        })
        .await;
    assert_eq!(collection(&answer.root()).text(&[a::STATUS]), "1");
    Client::new(&phone, inbox)
        .ask(&More {
            heartbeat: Some(60),
            ..More::default()
        })
        .await
        .root();
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_device_that_is_told_twice_and_does_not_ask_is_slowed_down() {
    let world = quick().await;
    let inbox = world.inbox().await;
    let phone = world.phone("14.1");
    know_folders(&phone).await;
    Client::filled(&phone, inbox).await;
    world.mail(inbox, "Neu").await;
    let ids = [inbox.to_string()];
    let took = async |heartbeat| {
        let began = Instant::now();
        assert_eq!(status(&ping(&phone, Some(heartbeat), &ids).await), "2");
        began.elapsed()
    };
    assert!(took(60).await < Duration::from_secs(4));
    assert!(took(60).await < Duration::from_secs(4));
    assert!(took(60).await >= Duration::from_secs(5));
}
