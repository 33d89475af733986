//! Sync of mail (MS-ASCMD 2.2.1.21), the cases of the two generations, and the mistakes others made.

use hyper::StatusCode;
use postamt::format::wbxml::Encoder;
use postamt::format::wbxml::pages::{
    airsync as a, base as b, email as e, email2 as e2, estimate as g, moves as m,
};
use postamt::model::{Flags, SpecialUse};
use postamt::service::mail::actions::{Action, FlagSet};

use crate::client::{Client, More, collection, id_command, item, letter, read_command};
use crate::device::{Device, Tree, World};

fn flag(set: Flags, clear: Flags) -> Action {
    Action::Flag(FlagSet { set, clear })
}

const SEEN: Flags = Flags::SEEN;

fn names(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("Brief {n:03}")).collect()
}

#[tokio::test]
async fn ascmd_2_2_3_181_key_0_gives_a_key_and_nothing_else() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 3).await;
    for version in ["12.1", "14.0", "14.1"] {
        let phone = world.phone(version);
        let client = Client::new(&phone, inbox);
        // GetChanges with key 0 is tolerated and brings nothing.
        for get_changes in [None, Some(true), Some(false)] {
            let root = client
                .ask(&More {
                    get_changes,
                    ..More::default()
                })
                .await
                .root();
            let found = collection(&root);
            assert_eq!(found.names(), ["SyncKey", "CollectionId", "Status"]);
            assert_eq!(found.text(&[a::STATUS]), "1");
            assert_ne!(found.text(&[a::SYNC_KEY]), "0");
        }
    }
}

#[tokio::test]
async fn the_first_sync_brings_the_newest_first_page_by_page() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 25).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 10;
    assert!(client.sync().await);
    assert_eq!(client.subjects(), names(15, 25));
    // What arrives meanwhile goes before the older ones.
    world.mail(inbox, "Brief 025").await;
    assert!(client.sync().await);
    assert_eq!(client.subjects(), names(6, 26));
    assert!(!client.sync().await);
    assert_eq!(client.subjects(), names(0, 26));
    assert!(client.ask(&More::default()).await.is_empty());
}

#[tokio::test]
async fn a_page_of_exactly_the_window_says_more_only_when_there_is() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 10).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    client.window = 10;
    assert!(!client.sync().await, "all ten are told");
    assert_eq!(client.subjects(), names(0, 10));
}

#[tokio::test]
async fn asemail_2_2_2_a_message_has_its_elements_in_every_version() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world
        .mail(inbox, "=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=")
        .await;
    for version in ["12.1", "14.0", "14.1"] {
        let phone = world.phone(version);
        let client = Client::primed(&phone, inbox).await;
        let options = |out: &mut Encoder| {
            out.element(b::BODY_PREFERENCE, |out| out.value(b::TYPE, 1));
        };
        let root = client
            .ask(&More {
                options: Some(&options),
                ..More::default()
            })
            .await
            .root();
        let data = collection(&root).at(&[a::COMMANDS, a::ADD, a::APPLICATION_DATA]);
        assert_eq!(data.text(&[e::SUBJECT]), "Grüße aus Köln");
        assert_eq!(data.text(&[e::FROM]), "\"Meier, Bob\" <bob@x.test>");
        assert_eq!(data.text(&[e::TO]), "Anna <anna@x.test>, C D <c@d.test>");
        assert_eq!(data.text(&[e::CC]), "e@f.test");
        assert_eq!(data.text(&[e::DISPLAY_TO]), "Anna; C D");
        assert_eq!(data.text(&[e::IMPORTANCE]), "1");
        assert_eq!(data.text(&[e::READ]), "0");
        assert_eq!(data.text(&[e::MESSAGE_CLASS]), "IPM.Note");
        assert_eq!(data.text(&[e::INTERNET_CPID]), "65001");
        assert!(data.at(&[e::FLAG]).kids.is_empty());
        let received = data.text(&[e::DATE_RECEIVED]);
        assert!(
            received.len() == 24 && received.ends_with('Z') && received.contains('.'),
            "{received}"
        );
        let body = data.at(&[b::BODY]);
        assert_eq!(
            body.names(),
            ["Type", "EstimatedDataSize", "Data"],
            "no Truncated 0"
        );
        assert_eq!(body.text(&[b::DATA]), "Hallo\r\nWelt\r\n");
        assert_eq!(
            data.find(&[e2::CONVERSATION_ID]).is_some(),
            version != "12.1"
        );
        if version != "12.1" {
            assert_eq!(data.at(&[e2::CONVERSATION_ID]).octets.len(), 16);
        }
    }
}

#[tokio::test]
async fn asairs_bodies_come_as_html_mime_and_cut() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let raw = b"From: b@x.test\r\nTo: anna@x.test\r\nSubject: H\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n\
        <html><meta charset=iso-8859-1><p>Gr\xFC\xDFe</p></html>\r\n--a\r\nContent-Type: application/pdf; name=\"R\xC3\xA4.pdf\"\r\n\
        Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nUERG\r\n--a--\r\n";
    let uid = world.raw(world.anna, inbox, raw).await;
    let phone = world.phone("14.1");
    let fetch = async |support: u8, kind: u8, size: Option<u32>| {
        let client = Client::primed(&phone, inbox).await;
        let options = move |out: &mut Encoder| {
            out.value(a::MIME_SUPPORT, support);
            out.element(b::BODY_PREFERENCE, |out| {
                out.value(b::TYPE, kind);
                if let Some(size) = size {
                    out.value(b::TRUNCATION_SIZE, size);
                }
            });
        };
        let root = client
            .ask(&More {
                options: Some(&options),
                ..More::default()
            })
            .await
            .root();
        collection(&root)
            .at(&[a::COMMANDS, a::ADD, a::APPLICATION_DATA])
            .clone()
    };
    let html = fetch(0, 2, None).await;
    assert_eq!(html.text(&[b::BODY, b::TYPE]), "2");
    let data = html.text(&[b::BODY, b::DATA]);
    assert!(
        data.contains("<p>Grüße</p>") && !data.contains("iso-8859-1"),
        "{data}"
    );
    assert_eq!(html.text(&[b::NATIVE_BODY_TYPE]), "2");
    let attachment = html.at(&[b::ATTACHMENTS, b::ATTACHMENT]);
    assert_eq!(
        attachment.text(&[b::FILE_REFERENCE]),
        format!("{inbox}:{uid}:2")
    );
    assert_eq!(attachment.text(&[b::ESTIMATED_DATA_SIZE]), "3");
    assert_eq!(attachment.text(&[b::METHOD]), "1");
    let plain = fetch(0, 1, None).await;
    assert!(plain.text(&[b::BODY, b::DATA]).contains("Grüße"));
    let cut = fetch(0, 1, Some(3)).await;
    assert_eq!(cut.text(&[b::BODY, b::TRUNCATED]), "1");
    assert_eq!(
        cut.text(&[b::BODY, b::DATA]),
        "Gr",
        "mistake 9: not inside the ü"
    );
    let whole = fetch(2, 4, None).await;
    assert_eq!(whole.text(&[b::BODY, b::TYPE]), "4");
    let stored = whole.at(&[b::BODY, b::DATA]).octets.clone();
    assert!(
        stored.windows(5).any(|w| w == b"Gr\xFC\xDFe"),
        "mistake 27: octet by octet"
    );
}

#[tokio::test]
async fn asemail_follow_up_flags_and_categories_are_written() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let other = world.phone_named("14.1", "OTHER");
    let mut client = Client::filled(&phone, inbox).await;
    let mut watcher = Client::filled(&other, inbox).await;
    let id = client.id_of("Brief 000");
    let change = |inside: &'static dyn Fn(&mut Encoder)| {
        let id = id.clone();
        move |out: &mut Encoder| {
            out.element(a::CHANGE, |out| {
                out.text(a::SERVER_ID, &id);
                out.element(a::APPLICATION_DATA, |out| inside(out));
            });
        }
    };
    let mut run = async |inside: &'static dyn Fn(&mut Encoder)| {
        let command = change(inside);
        client
            .sync_with(&More {
                commands: Some(&command),
                ..More::default()
            })
            .await;
        let answer = watcher.ask(&More::default()).await;
        let data = collection(&answer.root())
            .at(&[a::COMMANDS, a::CHANGE, a::APPLICATION_DATA])
            .clone();
        watcher.take(&answer);
        data
    };
    let active = run(&|out| out.element(e::FLAG, |out| out.value(e::STATUS, 2))).await;
    assert_eq!(active.text(&[e::FLAG, e::STATUS]), "2");
    let done = run(&|out| out.element(e::FLAG, |out| out.value(e::STATUS, 1))).await;
    assert_eq!(done.text(&[e::FLAG, e::STATUS]), "1");
    let clear = run(&|out| out.empty(e::FLAG)).await;
    assert!(clear.at(&[e::FLAG]).kids.is_empty());
    let both = run(&|out| {
        out.element(e::CATEGORIES, |out| {
            out.text(e::CATEGORY, "Privat");
            out.text(e::CATEGORY, "Reise");
        })
    })
    .await;
    assert_eq!(both.at(&[e::CATEGORIES]).all(e::CATEGORY).len(), 2);
    let one = run(&|out| out.element(e::CATEGORIES, |out| out.text(e::CATEGORY, "Reise"))).await;
    assert_eq!(one.text(&[e::CATEGORIES, e::CATEGORY]), "Reise");
    let none = run(&|out| out.empty(e::CATEGORIES)).await;
    assert!(none.at(&[e::CATEGORIES]).kids.is_empty());
}

#[tokio::test]
async fn commands_that_cannot_be_run_are_answered_each_by_its_status() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let sent = world.folder(SpecialUse::Sent).await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    let good = client.id_of("Brief 000");
    let commands = |out: &mut Encoder| {
        read_command(format!("{inbox}:999"), true)(out);
        read_command(format!("{sent}:1"), true)(out);
        read_command("rubbish".to_owned(), true)(out);
        out.element(a::CHANGE, |out| {
            out.text(a::SERVER_ID, &good);
            out.element(a::APPLICATION_DATA, |out| out.text(e::READ, "7"));
        });
        id_command(a::DELETE, format!("{inbox}:998"))(out);
        out.element(a::ADD, |out| {
            out.text(a::CLIENT_ID, "C1");
            out.element(a::APPLICATION_DATA, |out| out.text(e::SUBJECT, "x"));
        });
    };
    let answer = client
        .ask(&More {
            commands: Some(&commands),
            ..More::default()
        })
        .await;
    let root = answer.root();
    let responses = collection(&root).at(&[a::RESPONSES]);
    let of = |tag, id: &str, by| {
        responses
            .all(tag)
            .into_iter()
            .find(|r| r.text(&[by]) == id)
            .map(|r| r.text(&[a::STATUS]))
    };
    assert_eq!(
        of(a::CHANGE, &format!("{inbox}:999"), a::SERVER_ID).as_deref(),
        Some("8")
    );
    assert_eq!(
        of(a::CHANGE, &format!("{sent}:1"), a::SERVER_ID).as_deref(),
        Some("8")
    );
    assert_eq!(of(a::CHANGE, "rubbish", a::SERVER_ID).as_deref(), Some("8"));
    assert_eq!(of(a::CHANGE, &good, a::SERVER_ID).as_deref(), Some("6"));
    assert_eq!(of(a::ADD, "C1", a::CLIENT_ID).as_deref(), Some("6"));
    assert!(responses.all(a::DELETE).is_empty(), "what is gone is gone");
    client.take(&answer);
    client.settle().await;
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn deleted_mail_goes_to_the_trash_and_from_there_for_good() {
    let world = World::new().await;
    let (inbox, trash) = (world.inbox().await, world.folder(SpecialUse::Trash).await);
    world.mails(inbox, 3).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    let mut bin = Client::filled(&phone, trash).await;
    let delete = id_command(a::DELETE, client.id_of("Brief 000"));
    let answer = client
        .ask(&More {
            commands: Some(&delete),
            ..More::default()
        })
        .await;
    assert!(
        collection(&answer.root()).find(&[a::COMMANDS]).is_none(),
        "its own deletion does not come back"
    );
    client.take(&answer);
    let gone = client.id_of("Brief 000");
    client.items.remove(&gone);
    bin.settle().await;
    assert_eq!(bin.subjects(), ["Brief 000"]);
    let for_good = id_command(a::DELETE, client.id_of("Brief 001"));
    client
        .sync_with(&More {
            commands: Some(&for_good),
            deletes_as_moves: Some(false),
            ..More::default()
        })
        .await;
    let gone = client.id_of("Brief 001");
    client.items.remove(&gone);
    assert!(!bin.sync().await && bin.subjects() == ["Brief 000"]);
    let empty = id_command(a::DELETE, bin.id_of("Brief 000"));
    bin.sync_with(&More {
        commands: Some(&empty),
        ..More::default()
    })
    .await;
    assert_eq!(world.truth(trash).await, []);
    client.settle().await;
    assert_eq!(client.held(), world.truth(inbox).await);
}

#[tokio::test]
async fn mistake_8_fetching_marks_nothing_as_read() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let client = Client::filled(&phone, inbox).await;
    let fetch = |out: &mut Encoder| {
        id_command(a::FETCH, client.id_of("Brief 000"))(out);
        id_command(a::FETCH, format!("{inbox}:77"))(out);
    };
    let root = client
        .ask(&More {
            commands: Some(&fetch),
            ..More::default()
        })
        .await
        .root();
    let fetched = collection(&root).at(&[a::RESPONSES]).all(a::FETCH);
    assert_eq!(fetched[0].text(&[a::STATUS]), "1");
    let data = item(fetched[0].at(&[a::APPLICATION_DATA]));
    assert_eq!(
        (data.subject.as_str(), data.body.as_deref()),
        ("Brief 000", Some("Hallo\r\nWelt\r\n"))
    );
    assert_eq!(fetched[1].text(&[a::STATUS]), "8");
    assert!(!world.truth(inbox).await[0].1);
}

#[tokio::test]
async fn mistake_7_the_size_of_an_answer_is_bounded_and_a_large_message_goes_alone() {
    let world = World::with(|config| config.eas.answer_body = 65_536).await;
    let inbox = world.inbox().await;
    let text = "Zeile\r\n".repeat(2_000);
    world
        .raw(
            world.anna,
            inbox,
            &letter("groß", &"Zeile\r\n".repeat(20_000)),
        )
        .await;
    for n in 0..12 {
        world
            .raw(world.anna, inbox, &letter(&format!("{n:02}"), &text))
            .await;
    }
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    let options = |out: &mut Encoder| out.element(b::BODY_PREFERENCE, |out| out.value(b::TYPE, 1));
    let more = More {
        options: Some(&options),
        ..More::default()
    };
    let mut pages = 0;
    loop {
        let answer = client.ask(&more).await;
        let adds = collection(&answer.root()).at(&[a::COMMANDS]).kids.len();
        assert!(
            answer.body.len() <= 65_536 + 200 || adds == 1,
            "{} octets, {adds} messages",
            answer.body.len()
        );
        pages += 1;
        if !client.take(&answer) {
            break;
        }
    }
    assert!(pages >= 4, "{pages}");
    assert_eq!(client.items.len(), 13);
}

#[tokio::test]
async fn mistake_6_control_characters_in_a_message_hold_nothing_up() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world
        .raw(
            world.anna,
            inbox,
            b"From: \"A\x01B\" <b@x.test>\r\nSubject: a\x0bb\x00c\r\n\r\nte\x00xt\x08\r\n",
        )
        .await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let client = Client::filled(&phone, inbox).await;
    assert_eq!(client.items.len(), 2);
    for item in client.items.values() {
        assert!(!item.subject.chars().any(char::is_control), "{item:?}");
    }
}

#[tokio::test]
async fn ascmd_folders_that_are_not_there_are_12_and_the_others_go_on() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 1).await;
    let foreign = world
        .server
        .app()
        .mail
        .special_folder(world.bob, SpecialUse::Inbox)
        .await
        .unwrap();
    let phone = world.phone("14.1");
    let root = phone
        .send("Sync", |out| {
            out.element(a::SYNC, |out| {
                out.element(a::COLLECTIONS, |out| {
                    for id in [
                        "RI".to_owned(),
                        foreign.to_string(),
                        "999999".to_owned(),
                        inbox.to_string(),
                    ] {
                        out.element(a::COLLECTION, |out| {
                            out.text(a::SYNC_KEY, "0");
                            out.text(a::COLLECTION_ID, &id);
                        });
                    }
                });
            });
        })
        .await
        .root();
    let all = root.at(&[a::COLLECTIONS]).all(a::COLLECTION);
    let statuses: Vec<String> = all.iter().map(|c| c.text(&[a::STATUS])).collect();
    assert_eq!(statuses, ["12", "12", "12", "1"]);
}

#[tokio::test]
async fn ascmd_requests_that_are_none_are_4() {
    let world = World::new().await;
    let inbox = world.inbox().await.to_string();
    let phone = world.phone("14.1");
    let status = async |write: &dyn Fn(&mut Encoder)| {
        phone
            .send("Sync", |out| out.element(a::SYNC, |out| write(out)))
            .await
            .root()
            .text(&[a::STATUS])
    };
    let one = |out: &mut Encoder, inside: &dyn Fn(&mut Encoder)| {
        out.element(a::COLLECTIONS, |out| {
            out.element(a::COLLECTION, |out| inside(out))
        });
    };
    assert_eq!(
        status(&|out| one(out, &|out| out.text(a::COLLECTION_ID, &inbox))).await,
        "4"
    );
    assert_eq!(
        status(&|out| one(out, &|out| out.text(a::SYNC_KEY, "0"))).await,
        "4"
    );
    assert_eq!(status(&|_| {}).await, "4");
    let twice = |out: &mut Encoder| {
        one(out, &|out| {
            out.text(a::SYNC_KEY, "0");
            out.text(a::COLLECTION_ID, &inbox);
        });
    };
    assert_eq!(
        status(&|out| {
            twice(out);
            out.value(a::WAIT, 5);
            out.value(a::HEARTBEAT_INTERVAL, 300);
        })
        .await,
        "4"
    );
    // Beyond the limits: the nearest is told.
    for (tag, value, limit) in [
        (a::WAIT, 60, "59"),
        (a::WAIT, 0, "1"),
        (a::HEARTBEAT_INTERVAL, 9_999, "3540"),
        (a::HEARTBEAT_INTERVAL, 5, "60"),
    ] {
        let root = phone
            .send("Sync", |out| {
                out.element(a::SYNC, |out| {
                    twice(out);
                    out.value(tag, value);
                });
            })
            .await
            .root();
        assert_eq!(
            (
                root.text(&[a::STATUS]).as_str(),
                root.text(&[a::LIMIT]).as_str()
            ),
            ("14", limit)
        );
    }
}

fn moves(client: &Client<'_>, id: &str, to: &str) -> impl Fn(&mut Encoder) + use<> {
    let (from, id, to) = (client.folder.clone(), id.to_owned(), to.to_owned());
    move |out| {
        out.element(m::MOVE_ITEMS, |out| {
            out.element(m::MOVE, |out| {
                out.text(m::SRC_MSG_ID, &id);
                out.text(m::SRC_FLD_ID, &from);
                out.text(m::DST_FLD_ID, &to);
            });
        });
    }
}

#[tokio::test]
async fn ascmd_2_2_1_12_a_moved_message_arrives_under_the_id_that_was_told() {
    let world = World::new().await;
    let (inbox, archive) = (world.inbox().await, world.folder(SpecialUse::Archive).await);
    world.mails(inbox, 2).await;
    let phone = world.phone("14.1");
    let mut client = Client::filled(&phone, inbox).await;
    let mut there = Client::filled(&phone, archive).await;
    let id = client.id_of("Brief 000");
    let mut first = None;
    for _ in 0..3 {
        let root = phone
            .send("MoveItems", moves(&client, &id, &archive.to_string()))
            .await
            .root();
        let response = root.at(&[m::RESPONSE]);
        assert_eq!(
            response.text(&[m::STATUS]),
            "3",
            "3 is success, also the second time"
        );
        let new = response.text(&[m::DST_MSG_ID]);
        assert_eq!(*first.get_or_insert(new.clone()), new);
    }
    client.settle().await;
    there.settle().await;
    assert_eq!(client.subjects(), ["Brief 001"]);
    assert_eq!(there.id_of("Brief 000"), first.unwrap());
    let status = async |id: &str, to: &str| {
        phone
            .send("MoveItems", moves(&client, id, to))
            .await
            .root()
            .text(&[m::RESPONSE, m::STATUS])
    };
    let good = client.id_of("Brief 001");
    assert_eq!(
        status(&format!("{inbox}:99"), &archive.to_string()).await,
        "1"
    );
    assert_eq!(status("rubbish", &archive.to_string()).await, "1");
    assert_eq!(status(&good, "999999").await, "2");
    assert_eq!(status(&good, "outbox").await, "2");
    assert_eq!(status(&good, &inbox.to_string()).await, "4");
}

async fn estimate(phone: &Device, folder: &str, key: &str) -> Tree {
    phone
        .send("GetItemEstimate", |out| {
            out.element(g::GET_ITEM_ESTIMATE, |out| {
                out.element(g::COLLECTIONS, |out| {
                    out.element(g::COLLECTION, |out| {
                        out.text(a::SYNC_KEY, key);
                        out.text(g::COLLECTION_ID, folder);
                    });
                });
            });
        })
        .await
        .root()
        .at(&[g::RESPONSE])
        .clone()
}

#[tokio::test]
async fn ascmd_2_2_1_9_the_estimate_is_what_the_next_sync_brings() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    world.mails(inbox, 7).await;
    let phone = world.phone("14.1");
    let mut client = Client::primed(&phone, inbox).await;
    let folder = inbox.to_string();
    let count = async |key: &str| {
        let response = estimate(&phone, &folder, key).await;
        assert_eq!(response.text(&[g::STATUS]), "1");
        response.text(&[g::COLLECTION, g::ESTIMATE])
    };
    assert_eq!(count(&client.key).await, "7");
    client.settle().await;
    assert_eq!(count(&client.key).await, "0");
    world.mail(inbox, "Neu").await;
    world
        .act(inbox, "Brief 003", &flag(SEEN, Flags::NONE))
        .await;
    assert_eq!(count(&client.key).await, "2");
    assert_eq!(estimate(&phone, &folder, "0").await.text(&[g::STATUS]), "3");
    assert_eq!(estimate(&phone, &folder, "x").await.text(&[g::STATUS]), "4");
    assert_eq!(
        estimate(&phone, "999999", "x").await.text(&[g::STATUS]),
        "2"
    );
    let old = estimate(&world.phone("12.1"), &folder, &client.key).await;
    assert_eq!(
        old.at(&[g::COLLECTION]).names(),
        ["Class", "CollectionId", "Estimate"]
    );
    client.settle().await;
}

#[tokio::test]
async fn a_body_without_a_type_is_a_document_all_the_same() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let phone = world.phone("14.1");
    let mut out = Encoder::new();
    out.element(a::SYNC, |out| {
        out.element(a::COLLECTIONS, |out| {
            out.element(a::COLLECTION, |out| {
                out.text(a::SYNC_KEY, "0");
                out.text(a::COLLECTION_ID, &inbox.to_string());
            });
        });
    });
    let answer = phone
        .request(
            hyper::Method::POST,
            &phone.target("Sync", ""),
            &phone.own_headers(),
            out.finish().bytes,
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(collection(&answer.root()).text(&[a::STATUS]), "1");
}
