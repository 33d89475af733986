//! What a device knows: the cases of the two generations, lost answers, filters, and random writers against it.

use postamt::format::wbxml::Encoder;
use postamt::format::wbxml::pages::airsync as a;
use postamt::model::{Flags, SpecialUse};
use postamt::service::mail::actions::{Action, FlagSet};

use crate::client::{Client, More, collection, id_command, read_command};
use crate::device::World;

fn flag(set: Flags, clear: Flags) -> Action {
    Action::Flag(FlagSet { set, clear })
}

const SEEN: Flags = Flags::SEEN;

fn names(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("Brief {n:03}")).collect()
}

#[tokio::test]
async fn mistake_1_a_lost_answer_loses_no_mail_and_doubles_none() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 12).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 5;
    let before = client.key.clone();
    let lost = client.ask(&More::default()).await;
    for _ in 0..3 {
        let again = client.ask(&More::default()).await;
        assert_eq!(
            again.root(),
            lost.root(),
            "the same stretch under the same key"
        );
    }
    // What happens meanwhile: one of them read, one deleted, one new.
    world
        .act(inbox, "Brief 011", &flag(SEEN, Flags::NONE))
        .await;
    world.act(inbox, "Brief 010", &Action::Purge).await;
    world.mail(inbox, "Brief 012").await;
    assert_eq!(client.key, before);
    assert!(client.sync().await);
    assert_eq!(
        client.subjects(),
        ["Brief 007", "Brief 008", "Brief 009", "Brief 011"]
    );
    client.settle().await;
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn ascmd_a_key_that_was_never_given_or_is_two_steps_old_is_3() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 3).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 1;
    let first = client.key.clone();
    assert!(client.sync().await);
    assert!(client.sync().await);
    let status = async |client: &Client<'_>, key: &str| {
        let mut other = Client::new(client.device, inbox);
        other.key = key.to_owned();
        collection(&other.ask(&More::default()).await.root()).text(&[a::STATUS])
    };
    assert_eq!(status(&client, &first).await, "3");
    assert_eq!(status(&client, "nonsense").await, "3");
    // A key of another device, and a folder this one never began.
    let other = world.phone_named("14.1", "OTHER");
    assert_eq!(status(&Client::new(&other, inbox), &client.key).await, "3");
    // All this broke nothing.
    client.settle().await;
    assert_eq!(client.items.len(), 3);
}

#[tokio::test]
async fn key_0_again_while_the_first_line_fills_replaces_it() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 4).await;
    let phone = world.phone("14.1");
    let mut old = Client::primed(&phone, inbox).await;
    old.window = 2;
    old.sync().await;
    let mut new = Client::primed(&phone, inbox).await;
    let late = old.ask(&More::default()).await.root();
    assert_eq!(collection(&late).text(&[a::STATUS]), "3");
    new.settle().await;
    assert_eq!(new.items.len(), 4);
}

#[tokio::test]
async fn flags_go_both_ways_and_the_device_s_own_do_not_come_back() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 3).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    let key = client.key.clone();
    let read = read_command(client.id_of("Brief 001"), true);
    let answer = client
        .ask(&More {
            commands: Some(&read),
            ..More::default()
        })
        .await;
    let root = answer.root();
    assert_eq!(
        collection(&root).names(),
        ["SyncKey", "CollectionId", "Status"],
        "success is silent, and no echo"
    );
    assert!(!client.take(&answer));
    assert_ne!(client.key, key);
    assert!(client.ask(&More::default()).await.is_empty());
    assert_eq!(
        world.truth(inbox).await[1],
        ("Brief 001".to_owned(), true, false)
    );
    // The other way.
    world
        .act(inbox, "Brief 002", &flag(Flags::FLAGGED, Flags::NONE))
        .await;
    client.settle().await;
    assert!(client.items[&client.id_of("Brief 002")].flagged);
    client
        .items
        .get_mut(&client.id_of("Brief 001"))
        .unwrap()
        .read = true;
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn another_door_s_change_under_the_device_s_own_is_still_told() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    world
        .act(inbox, "Brief 000", &flag(Flags::FLAGGED, Flags::NONE))
        .await;
    let read = read_command(client.id_of("Brief 000"), true);
    client
        .sync_with(&More {
            commands: Some(&read),
            ..More::default()
        })
        .await;
    client.settle().await;
    assert_eq!(client.held(), [("Brief 000".to_owned(), true, true)]);
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn get_changes_0_runs_commands_and_swallows_nothing() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 2).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    world.mail(inbox, "Neu").await;
    let key = client.key.clone();
    let read = read_command(client.id_of("Brief 000"), true);
    let answer = client
        .ask(&More {
            commands: Some(&read),
            get_changes: Some(false),
            ..More::default()
        })
        .await;
    assert!(collection(&answer.root()).find(&[a::COMMANDS]).is_none());
    client.take(&answer);
    assert_ne!(client.key, key);
    let id = client.id_of("Brief 000");
    client.items.get_mut(&id).unwrap().read = true;
    client.settle().await;
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn filters_widen_narrow_and_turn_round() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 12).await;
    for n in 0..12 {
        world.age(&format!("Brief {n:03}"), 2 * (12 - n)).await;
    }
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 2;
    client.filter = Some(3);
    client.settle().await;
    assert_eq!(client.subjects(), names(9, 12), "one week");
    client.filter = Some(4);
    client.settle().await;
    assert_eq!(client.subjects(), names(5, 12), "two weeks");
    client.filter = Some(0);
    assert!(client.sync().await);
    assert_eq!(
        client.subjects(),
        names(3, 12),
        "the newest of the older ones first"
    );
    client.filter = Some(3);
    client.settle().await;
    assert_eq!(
        client.subjects(),
        names(9, 12),
        "back again from the middle"
    );
    client.filter = Some(0);
    client.settle().await;
    assert_eq!(client.subjects(), names(0, 12));
    client.filter = Some(8);
    let root = client.ask(&More::default()).await.root();
    assert_eq!(root.text(&[a::STATUS]), "4");
}

#[tokio::test]
async fn mistake_21_two_syncs_at_once_do_not_interleave() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 30).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 10;
    let (more, less) = (More::default(), More::default());
    let (first, second) = tokio::join!(client.ask(&more), client.ask(&less));
    // One made the page, the other got the same one again.
    assert_eq!(first.root(), second.root());
    client.take(&first);
    client.settle().await;
    assert_eq!(client.subjects(), names(0, 30));
}

#[tokio::test]
async fn an_empty_request_repeats_the_last_one_with_the_keys_of_now() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 2).await;
    let phone = world.phone("14.1");
    assert_eq!(
        phone
            .post("Sync", Vec::new())
            .await
            .root()
            .text(&[a::STATUS]),
        "13",
        "nothing is kept yet"
    );
    let mut client = Client::filled(&phone, inbox).await;
    assert!(phone.post("Sync", Vec::new()).await.is_empty());
    world.mail(inbox, "Neu").await;
    let answer = phone.post("Sync", Vec::new()).await;
    client.take(&answer);
    assert_eq!(client.items.len(), 3);
    assert!(phone.post("Sync", Vec::new()).await.is_empty());
    // A part of a request, with nothing but a window.
    let partial = phone
        .send("Sync", |out| {
            out.element(a::SYNC, |out| {
                out.value(a::WINDOW_SIZE, 5);
                out.empty(a::PARTIAL);
            });
        })
        .await;
    assert!(partial.is_empty());
}

/// Random writers against one device that loses answers: in the end it has the truth, and it was never told of what it never had.
#[tokio::test]
async fn in_the_end_the_device_has_the_truth_whatever_was_lost() {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let world = World::new().await;
    let (inbox, archive) = (world.inbox().await, world.folder(SpecialUse::Archive).await);
    world.mails(inbox, 15).await;
    let phone = world.phone("14.1");
    let mut clients = [
        Client::primed(&phone, inbox).await,
        Client::primed(&phone, archive).await,
    ];
    let mut made = 15;
    // What a device did and has not been answered: it does it again with its next request.
    let mut pending: [Option<(String, bool, bool)>; 2] = [None, None];
    for _ in 0..220 {
        let folder = if rng.random_bool(0.6) { inbox } else { archive };
        let other = if folder == inbox { archive } else { inbox };
        let there = world.truth(folder).await;
        let pick = (!there.is_empty()).then(|| there[rng.random_range(0..there.len())].0.clone());
        match (rng.random_range(0..14), pick) {
            (0..=1, _) => {
                world.mail(folder, &format!("Brief {made:03}")).await;
                made += 1;
            }
            (2, Some(one)) => world.act(folder, &one, &Action::Move(other)).await,
            (3, Some(one)) => world.act(folder, &one, &Action::Purge).await,
            (4, Some(one)) => world.act(folder, &one, &flag(SEEN, Flags::NONE)).await,
            (5, Some(one)) => world.act(folder, &one, &flag(Flags::FLAGGED, SEEN)).await,
            (6, Some(one)) => world.age(&one, rng.random_range(0..3)).await,
            (n, _) => {
                let at = usize::from(n % 2 == 0);
                let client = &mut clients[at];
                client.window = rng.random_range(1..6);
                let ids: Vec<String> = client.items.keys().cloned().collect();
                if pending[at].is_none() && !ids.is_empty() && rng.random_bool(0.4) {
                    let id = ids[rng.random_range(0..ids.len())].clone();
                    pending[at] = Some((id, rng.random_bool(0.5), rng.random_bool(0.2)));
                }
                let doing = pending[at].clone();
                let commands = move |out: &mut Encoder| match &doing {
                    Some((id, _, true)) => id_command(a::DELETE, id.clone())(out),
                    Some((id, read, false)) => read_command(id.clone(), *read)(out),
                    None => {}
                };
                let more = More {
                    commands: pending[at]
                        .is_some()
                        .then_some(&commands as &dyn Fn(&mut Encoder)),
                    ..More::default()
                };
                let answer = client.ask(&more).await;
                if rng.random_bool(0.35) {
                    // Lost.
                    continue;
                }
                let was_missing = !answer.body.is_empty()
                    && collection(&answer.root()).find(&[a::RESPONSES]).is_some();
                if let Some((id, read, is_delete)) = pending[at].take() {
                    if is_delete {
                        client.items.remove(&id);
                    } else if !was_missing {
                        client.items.get_mut(&id).unwrap().read = read;
                    }
                }
                client.take(&answer);
            }
        }
    }
    for (client, folder) in clients.iter_mut().zip([inbox, archive]) {
        client.window = 4;
        client.settle().await;
        assert_eq!(client.held(), world.truth(folder).await, "seed {seed}");
    }
    world.server.db.assert_adds_up(world.anna).await;
}
