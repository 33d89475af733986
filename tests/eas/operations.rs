//! `ItemOperations` and `GetAttachment` (MS-ASCMD 2.2.1.10, 2.2.1.8).

use hyper::{Method, StatusCode};
use postamt::format::wbxml::pages::{airsync as a, base as b, email as e, operations as o, search};
use postamt::format::wbxml::{Element, Encoder, Limits};
use postamt::model::SpecialUse;

use crate::device::{Device, Tree, World};

const MAIL: &[u8] = b"From: b@x.test\r\nTo: anna@x.test\r\nSubject: Datei\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nText\r\n--a\r\n\
    Content-Type: image/png; name=b.png\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    MDEyMzQ1Njc4OQ==\r\n--a--\r\n";

fn fetch(inside: impl Fn(&mut Encoder)) -> impl Fn(&mut Encoder) {
    move |out| {
        out.element(o::ITEM_OPERATIONS, |out| {
            out.element(o::FETCH, |out| {
                out.text(o::STORE, "Mailbox");
                inside(out);
            });
        });
    }
}

async fn one(phone: &Device, inside: impl Fn(&mut Encoder)) -> Tree {
    let root = phone.send("ItemOperations", fetch(inside)).await.root();
    assert_eq!(root.text(&[o::STATUS]), "1");
    root.at(&[o::RESPONSE, o::FETCH]).clone()
}

#[tokio::test]
async fn ascmd_2_2_1_10_a_message_is_fetched_by_its_id_and_by_a_search_result_s() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let uid = world.raw(world.anna, inbox, MAIL).await;
    let id = format!("{inbox}:{uid}");
    for version in ["12.1", "14.1"] {
        let phone = world.phone(version);
        let found = one(&phone, |out| {
            out.text(a::COLLECTION_ID, &inbox.to_string());
            out.text(a::SERVER_ID, &id);
            out.element(o::OPTIONS, |out| {
                out.value(a::MIME_SUPPORT, 2);
                out.element(b::BODY_PREFERENCE, |out| out.value(b::TYPE, 4));
            });
        })
        .await;
        assert_eq!(
            found.names(),
            ["Status", "CollectionId", "ServerId", "Class", "Properties"]
        );
        assert_eq!(found.at(&[o::PROPERTIES, b::BODY, b::DATA]).octets, MAIL);
        let by_long_id = one(&phone, |out| out.text(search::LONG_ID, &id)).await;
        assert_eq!(
            by_long_id.names(),
            ["Status", "LongId", "Class", "Properties"]
        );
        assert_eq!(by_long_id.text(&[o::PROPERTIES, e::SUBJECT]), "Datei");
        let missing = one(&phone, |out| {
            out.text(a::COLLECTION_ID, &inbox.to_string());
            out.text(a::SERVER_ID, &format!("{inbox}:99"));
        })
        .await;
        assert_eq!(missing.text(&[o::STATUS]), "6");
    }
    assert!(!world.truth(inbox).await[0].1, "mistake 8: not read for it");
}

#[tokio::test]
async fn ascmd_files_come_as_base64_or_as_parts_and_by_ranges() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let uid = world.raw(world.anna, inbox, MAIL).await;
    let mut phone = world.phone("14.1");
    let reference = format!("{inbox}:{uid}:2");
    let whole = one(&phone, |out| out.text(b::FILE_REFERENCE, &reference)).await;
    assert_eq!(
        whole.at(&[o::PROPERTIES]).names(),
        ["ContentType", "Data"],
        "no range that nobody asked for"
    );
    assert_eq!(whole.text(&[o::PROPERTIES, b::CONTENT_TYPE]), "image/png");
    assert_eq!(whole.text(&[o::PROPERTIES, o::DATA]), "MDEyMzQ1Njc4OQ==");
    let ranged = |range: &'static str| {
        let reference = reference.clone();
        move |out: &mut Encoder| {
            out.text(b::FILE_REFERENCE, &reference);
            out.element(o::OPTIONS, |out| out.text(o::RANGE, range));
        }
    };
    let piece = one(&phone, ranged("2-4")).await;
    assert_eq!(piece.text(&[o::PROPERTIES, o::RANGE]), "2-4");
    assert_eq!(piece.text(&[o::PROPERTIES, o::TOTAL]), "10");
    assert_eq!(piece.text(&[o::PROPERTIES, o::DATA]), "MjM0");
    assert_eq!(one(&phone, ranged("20-30")).await.text(&[o::STATUS]), "8");
    let bob = world
        .server
        .app()
        .mail
        .special_folder(world.bob, SpecialUse::Inbox)
        .await
        .unwrap();
    let foreign = world.raw(world.bob, bob, MAIL).await;
    for bad in [
        String::new(),
        format!("{inbox}:{uid}:9"),
        format!("{bob}:{foreign}:2"),
        "x".to_owned(),
    ] {
        assert_eq!(
            one(&phone, |out| out.text(b::FILE_REFERENCE, &bad))
                .await
                .text(&[o::STATUS]),
            "15",
            "{bad}"
        );
    }
    phone.headers = vec![("ms-asacceptmultipart", "T".to_owned())];
    let answer = phone
        .send(
            "ItemOperations",
            fetch(|out| out.text(b::FILE_REFERENCE, &reference)),
        )
        .await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.ms-sync.multipart")
    );
    let number = |at: usize| {
        usize::try_from(u32::from_le_bytes(
            answer.body[at..at + 4].try_into().unwrap(),
        ))
        .unwrap()
    };
    assert_eq!(number(0), 2);
    let part = |n: usize| &answer.body[number(4 + 8 * n)..][..number(8 + 8 * n)];
    let root = Tree::of(&Element::parse(part(0), Limits::default()).unwrap());
    assert_eq!(
        root.text(&[o::RESPONSE, o::FETCH, o::PROPERTIES, o::PART]),
        "1"
    );
    assert_eq!(part(1), b"0123456789");
}

#[tokio::test]
async fn ascmd_2_2_1_8_12_1_fetches_a_file_as_it_is() {
    let world = World::new().await;
    let inbox = world.inbox().await;
    let uid = world.raw(world.anna, inbox, MAIL).await;
    let phone = world.phone("12.1");
    let get = async |reference: &str| {
        let target = phone.target("GetAttachment", &format!("&AttachmentName={reference}"));
        phone
            .request(Method::POST, &target, &phone.own_headers(), Vec::new())
            .await
    };
    let answer = get(&format!("{inbox}%3A{uid}%3A2")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("image/png"));
    assert_eq!(answer.body, b"0123456789");
    assert_eq!(
        get("nothing").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn ascmd_empty_folder_contents_empties_the_trash_and_no_other() {
    let world = World::new().await;
    let (inbox, trash) = (world.inbox().await, world.folder(SpecialUse::Trash).await);
    world.mails(trash, 3).await;
    world.mails(inbox, 1).await;
    let phone = world.phone("14.1");
    let empty = async |id: &str| {
        let root = phone
            .send("ItemOperations", |out| {
                out.element(o::ITEM_OPERATIONS, |out| {
                    out.element(o::EMPTY_FOLDER_CONTENTS, |out| {
                        out.text(a::COLLECTION_ID, id)
                    });
                });
            })
            .await
            .root();
        root.text(&[o::RESPONSE, o::EMPTY_FOLDER_CONTENTS, o::STATUS])
    };
    assert_eq!(empty(&trash.to_string()).await, "1");
    assert_eq!(empty(&inbox.to_string()).await, "16");
    assert_eq!(empty("999999").await, "6");
    assert_eq!(world.truth(trash).await, []);
    assert_eq!(world.truth(inbox).await.len(), 1);
}

#[tokio::test]
async fn ascmd_too_many_operations_are_11_and_other_stores_9() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let root = phone
        .send("ItemOperations", |out| {
            out.element(o::ITEM_OPERATIONS, |out| {
                for _ in 0..101 {
                    out.element(o::FETCH, |out| out.text(o::STORE, "Mailbox"));
                }
            });
        })
        .await
        .root();
    assert_eq!(root.text(&[o::STATUS]), "11");
    let root = phone
        .send("ItemOperations", |out| {
            out.element(o::ITEM_OPERATIONS, |out| {
                out.element(o::FETCH, |out| out.text(o::STORE, "DocumentLibrary"))
            });
        })
        .await
        .root();
    assert_eq!(root.text(&[o::RESPONSE, o::FETCH, o::STATUS]), "9");
}
