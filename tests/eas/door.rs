//! The HTTP layer: verbs, both query forms, sign-in and the lock, bodies, codes per version (MS-ASHTTP).

use std::io::Read as _;

use hyper::{Method, StatusCode};
use postamt::format::mime::codec;
use postamt::format::wbxml::Encoder;
use postamt::format::wbxml::pages::folders as f;
use postamt::format::wbxml::pages::settings as s;

use crate::device::{Answer, Device, World};

const PATH: &str = "/Microsoft-Server-ActiveSync";

async fn options(phone: &Device, headers: &[(&str, String)]) -> Answer {
    phone
        .request(Method::OPTIONS, PATH, headers, Vec::new())
        .await
}

fn folder_sync(out: &mut Encoder, key: &str) {
    out.element(f::FOLDER_SYNC, |out| out.text(f::SYNC_KEY, key));
}

#[tokio::test]
async fn ashttp_2_2_3_options_names_versions_and_commands() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let answer = options(&phone, &phone.own_headers()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.is_empty());
    assert_eq!(
        answer.header("ms-asprotocolversions"),
        Some("12.1,14.0,14.1")
    );
    let commands = answer.header("ms-asprotocolcommands").unwrap();
    assert!(commands.split(',').any(|c| c == "FolderSync"), "{commands}");
    assert_eq!(answer.header("ms-server-activesync"), Some("15.1"));
    assert_eq!(answer.header("allow"), Some("OPTIONS,POST"));
    // Every command that is named answers something else than "not built".
    for command in commands.split(',') {
        let answer = phone.post(command, Vec::new()).await;
        assert_ne!(answer.status, StatusCode::NOT_IMPLEMENTED, "{command}");
        let is_not_built = !answer.body.is_empty()
            && answer.header("content-type") == Some("application/vnd.ms-sync.wbxml")
            && answer.root().kids.iter().any(|kid| kid.octets == b"137");
        assert!(!is_not_built, "{command}");
    }
}

#[tokio::test]
async fn ashttp_other_verbs_are_501() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = phone
            .request(method, PATH, &phone.own_headers(), Vec::new())
            .await;
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
    }
}

#[tokio::test]
async fn paths_in_any_case_are_served() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    for path in [
        "/microsoft-server-activesync",
        "/Microsoft-Server-Activesync",
        "/Microsoft-Server-ActiveSync/",
    ] {
        let answer = phone
            .request(Method::OPTIONS, path, &phone.own_headers(), Vec::new())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_request_without_a_password_is_asked_for_one_and_never_counts() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    for _ in 0..10 {
        let answer = options(&phone, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic realm=")
        );
    }
    assert_eq!(
        options(&phone, &phone.own_headers()).await.status,
        StatusCode::OK
    );
    assert_eq!(phone.requests(), 11);
}

#[tokio::test]
async fn mistake_25_password_dialogs_the_lock_is_503_and_not_401() {
    let world = World::new().await;
    let mut phone = world.phone("14.1");
    phone.password = "wrong password".to_owned();
    for _ in 0..4 {
        let answer = phone.send("FolderSync", |out| folder_sync(out, "0")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    phone.send("FolderSync", |out| folder_sync(out, "0")).await;
    let locked = phone.send("FolderSync", |out| folder_sync(out, "0")).await;
    assert_eq!(locked.status, StatusCode::SERVICE_UNAVAILABLE);
    let seconds: u32 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&seconds), "{seconds}");
    // The right password does not help while the lock holds, and is not asked for.
    let right = world.phone("14.1");
    let answer = right.send("FolderSync", |out| folder_sync(out, "0")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    // A name that nobody has behaves alike.
    let mut nobody = world.phone("14.1");
    nobody.user = "nobody@x.test".to_owned();
    nobody.password = "wrong password".to_owned();
    let answer = nobody.send("FolderSync", |out| folder_sync(out, "0")).await;
    assert!(
        [StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_windows_domain_in_front_of_the_name_is_ignored_and_so_is_the_query_s_user() {
    let world = World::new().await;
    let mut phone = world.phone("14.1");
    phone.user = "FIRMA\\anna@x.test".to_owned();
    let answer = phone.send("FolderSync", |out| folder_sync(out, "0")).await;
    assert_eq!(answer.root().text(&[f::STATUS]), "1");
}

/// The packed query of a command for a version.
fn packed(version: u8, command: u8, device: &[u8]) -> String {
    let mut octets = vec![version, command, 7, 4, u8::try_from(device.len()).unwrap()];
    octets.extend_from_slice(device);
    octets.extend([0, 4]);
    octets.extend_from_slice(b"Test");
    codec::base64(&octets)
}

#[tokio::test]
async fn ashttp_2_2_1_1_1_1_the_packed_query_is_the_same_device_as_the_plain_one() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let first = phone
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await
        .root();
    let key = first.text(&[f::SYNC_KEY]);
    let mut out = Encoder::new();
    folder_sync(&mut out, &key);
    // No version header: the packed form has it.
    let headers = [("authorization", phone.authorization())];
    let target = format!("{PATH}?{}", packed(141, 9, b"PHONE1"));
    let again = phone
        .request(Method::POST, &target, &headers, out.finish().bytes)
        .await
        .root();
    assert_eq!(again.text(&[f::STATUS]), "1");
    assert_eq!(again.text(&[f::SYNC_KEY]), key, "nothing is new");
    assert_eq!(again.text(&[f::CHANGES, f::COUNT]), "0");
}

#[tokio::test]
async fn queries_that_cannot_be_read_are_400_and_unknown_commands_501() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let ask = async |query: &str, headers: &[(&str, String)]| {
        let target = format!("{PATH}?{query}");
        phone
            .request(Method::POST, &target, headers, Vec::new())
            .await
            .status
    };
    let own = phone.own_headers();
    assert_eq!(ask("", &own).await, StatusCode::BAD_REQUEST);
    assert_eq!(ask("%00%01", &own).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        ask("Cmd=Sync&DeviceType=x", &own).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ask("Cmd=Dance&DeviceId=x&DeviceType=x", &own).await,
        StatusCode::NOT_IMPLEMENTED
    );
    let no_version = [("authorization", phone.authorization())];
    assert_eq!(
        ask("Cmd=Sync&DeviceId=x&DeviceType=x", &no_version).await,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn ascmd_2_2_2_what_is_no_document_is_400_before_14_and_a_status_after() {
    let world = World::new().await;
    let bad: [&[u8]; 5] = [
        b"\x03\x01\x6A\x00\x45",
        b"<xml/>",
        b"\x03\x01\x04\x00\x05",
        b"\x03\x01\x6A\x00\x00\x07\x56\x80\x01",
        b"\x00",
    ];
    for body in bad {
        let old = world.phone("12.1").post("FolderSync", body.to_vec()).await;
        assert_eq!(old.status, StatusCode::BAD_REQUEST, "{body:x?}");
        for version in ["14.0", "14.1"] {
            let new = world
                .phone(version)
                .post("FolderSync", body.to_vec())
                .await
                .root();
            assert_eq!(new.tag, f::FOLDER_SYNC);
            assert_eq!(new.text(&[f::STATUS]), "102", "{body:x?}");
        }
    }
    // Another command's document.
    let wrong = world
        .phone("14.1")
        .send("FolderSync", |out| out.empty(s::SETTINGS))
        .await;
    assert_eq!(wrong.root().text(&[f::STATUS]), "103");
}

#[tokio::test]
async fn a_document_nested_beyond_32_is_refused() {
    let world = World::new().await;
    let phone = world.phone("14.1");
    let mut out = Encoder::new();
    for _ in 0..40 {
        out.open(f::FOLDER_SYNC);
    }
    out.empty(f::STATUS);
    let answer = phone.post("FolderSync", out.finish().bytes).await;
    assert_eq!(answer.root().text(&[f::STATUS]), "102");
}

#[tokio::test]
async fn bodies_may_come_and_go_packed() {
    let world = World::new().await;
    let mut phone = world.phone("14.1");
    let mut out = Encoder::new();
    folder_sync(&mut out, "0");
    let plain = out.finish().bytes;
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(&plain[..], flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    phone.headers = vec![("content-encoding", "gzip".to_owned())];
    let answer = phone.post("FolderSync", packed.clone()).await;
    assert_eq!(answer.root().text(&[f::STATUS]), "1");
    // Half of it, and a second layer.
    let half = phone
        .post("FolderSync", packed[..packed.len() / 2].to_vec())
        .await;
    assert_eq!(half.status, StatusCode::BAD_REQUEST);
    phone.headers = vec![("content-encoding", "gzip, gzip".to_owned())];
    assert_eq!(
        phone.post("FolderSync", packed).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    // A long answer is packed for whoever takes it, and only then.
    for n in 0..40 {
        let mail = &world.server.app().mail;
        mail.create_folder(
            world.anna,
            None,
            &format!("A rather long name of folder {n}"),
        )
        .await
        .unwrap();
    }
    phone.headers = vec![("accept-encoding", "gzip".to_owned())];
    let answer = phone.post("FolderSync", plain.clone()).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&answer.body[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked.starts_with(&[3, 1, 0x6A, 0]) && unpacked.len() > answer.body.len());
    phone.headers.clear();
    assert_eq!(
        phone
            .post("FolderSync", plain)
            .await
            .header("content-encoding"),
        None
    );
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let world = World::with(|config| config.eas.request_body = 65_536).await;
    let phone = world.phone("14.1");
    let answer = phone.post("FolderSync", vec![0; 65_537]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_blocked_device_is_403_before_14_and_129_after() {
    let world = World::new().await;
    for version in ["12.1", "14.1"] {
        let phone = world.phone(version);
        phone
            .send("FolderSync", |out| folder_sync(out, "0"))
            .await
            .root();
        let devices = &world.server.app().devices;
        devices.block(world.anna, "PHONE1", true).await.unwrap();
        let answer = phone.send("FolderSync", |out| folder_sync(out, "0")).await;
        if version == "12.1" {
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        } else {
            assert_eq!(answer.root().text(&[f::STATUS]), "129");
        }
        devices.block(world.anna, "PHONE1", false).await.unwrap();
        let answer = phone.send("FolderSync", |out| folder_sync(out, "0")).await;
        assert_eq!(answer.root().text(&[f::STATUS]), "1");
    }
}

#[tokio::test]
async fn a_device_too_many_is_177() {
    let world = World::with(|config| config.eas.devices_per_account = 2).await;
    for id in ["ONE", "TWO"] {
        let answer = world
            .phone_named("14.1", id)
            .send("FolderSync", |out| folder_sync(out, "0"))
            .await;
        assert_eq!(answer.root().text(&[f::STATUS]), "1");
    }
    let answer = world
        .phone_named("14.1", "THREE")
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await;
    assert_eq!(answer.root().text(&[f::STATUS]), "177");
    let answer = world
        .phone_named("12.1", "THREE")
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // Those that are known go on.
    let answer = world
        .phone_named("14.1", "ONE")
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await;
    assert_eq!(answer.root().text(&[f::STATUS]), "1");
}

#[tokio::test]
async fn a_version_that_is_not_offered_is_refused() {
    let world = World::with(|config| config.eas.versions = vec!["14.1".to_owned()]).await;
    let answer = world
        .phone("14.1")
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await;
    assert_eq!(answer.root().text(&[f::STATUS]), "1");
    let answer = world
        .phone("12.1")
        .send("FolderSync", |out| folder_sync(out, "0"))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

const QUESTION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006\">\
    <Request><EMailAddress>anna@x.test</EMailAddress><AcceptableResponseSchema>SCHEMA</AcceptableResponseSchema></Request></Autodiscover>";

#[tokio::test]
async fn autodiscover_needs_only_the_address_and_the_password() {
    let world = World::with(|config| config.web.public_port = 443).await;
    let phone = world.phone("14.1");
    let ask = async |schema: &str, path: &str| {
        let body = QUESTION.replace("SCHEMA", schema).into_bytes();
        let headers = [
            ("authorization", phone.authorization()),
            ("content-type", "text/xml".to_owned()),
        ];
        phone.request(Method::POST, path, &headers, body).await
    };
    let mobile =
        "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006";
    for path in [
        "/autodiscover/autodiscover.xml",
        "/Autodiscover/Autodiscover.xml",
    ] {
        let answer = ask(mobile, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        let text = String::from_utf8(answer.body).unwrap();
        assert!(
            text.contains("<Url>https://mail.x.test/Microsoft-Server-ActiveSync</Url>"),
            "{text}"
        );
        assert!(
            text.contains("<EMailAddress>anna@x.test</EMailAddress>"),
            "{text}"
        );
        assert!(
            text.contains("<DisplayName>Anna Meier</DisplayName>"),
            "{text}"
        );
    }
    let outlook = ask(
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
        "/autodiscover/autodiscover.xml",
    )
    .await;
    let text = String::from_utf8(outlook.body).unwrap();
    assert!(
        text.contains("<Type>IMAP</Type><Server>mail.x.test</Server>")
            && text.contains("<Type>SMTP</Type>"),
        "{text}"
    );
    let other = ask("http://other/", "/autodiscover/autodiscover.xml").await;
    assert!(
        String::from_utf8(other.body)
            .unwrap()
            .contains("<ErrorCode>601</ErrorCode>")
    );
    let headers = [("authorization", phone.authorization())];
    let nonsense = phone
        .request(
            Method::POST,
            "/autodiscover/autodiscover.xml",
            &headers,
            b"<!DOCTYPE x>".to_vec(),
        )
        .await;
    assert!(
        String::from_utf8(nonsense.body)
            .unwrap()
            .contains("<ErrorCode>600</ErrorCode>")
    );
    let probe = phone
        .request(
            Method::POST,
            "/autodiscover/autodiscover.xml",
            &[],
            Vec::new(),
        )
        .await;
    assert_eq!(probe.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn autodiscover_in_json_needs_no_password() {
    let world = World::with(|config| config.web.public_port = 443).await;
    let phone = world.phone("14.1");
    for path in [
        "/autodiscover/autodiscover.json?Email=anna%40x.test&Protocol=ActiveSync",
        "/Autodiscover/Autodiscover.json?Email=anna%40x.test&Protocol=activesync",
        "/autodiscover/autodiscover.json/v1.0/anna@x.test?Protocol=ActiveSync",
    ] {
        let answer = phone.request(Method::GET, path, &[], Vec::new()).await;
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!(
            text,
            r#"{"Protocol":"ActiveSync","Url":"https://mail.x.test/Microsoft-Server-ActiveSync"}"#
        );
    }
    let other = phone
        .request(
            Method::GET,
            "/autodiscover/autodiscover.json?Protocol=Ews",
            &[],
            Vec::new(),
        )
        .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
}
