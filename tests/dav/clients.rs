//! Clients that others wrote, driven by scripts against a whole server: vdirsyncer, and the `caldav` library of Python.
//! `.ci/setup test` installs both.

use std::path::Path;
use std::process::{Command, Output};

use ring::digest;
use rustls::pki_types::CertificateDer;

use crate::client::World;
use crate::common::people::PASSWORD;
use crate::common::server::tls;

/// The SHA-256 fingerprint of the server's certificate, as vdirsyncer wants it.
async fn fingerprint(world: &World) -> String {
    let stream = tls(world.server.https(), b"http/1.1").await;
    let (_, session) = stream.get_ref();
    let certificate: &CertificateDer<'_> = &session.peer_certificates().unwrap()[0];
    digest::digest(&digest::SHA256, certificate)
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

/// Runs a script with Debian's Python, which has the libraries that `.ci/setup` installs.
async fn script(name: &str, arguments: Vec<String>) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/dav/clients")
        .join(name);
    tokio::task::spawn_blocking(move || {
        Command::new("/usr/bin/python3")
            .arg(path)
            .args(arguments)
            .output()
            .expect("python3 of the system; .ci/setup test installs what these tests need")
    })
    .await
    .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vdirsyncer_keeps_two_machines_in_step() {
    let world = World::new().await;
    let folder = world.server.folder.join("vdirsyncer");
    std::fs::create_dir_all(&folder).unwrap();
    let seed = rand::random::<u32>();
    let output = script(
        "vdirsyncer.py",
        vec![
            format!("https://localhost:{}/", world.server.https().port()),
            "anna@x.test".to_owned(),
            PASSWORD.to_owned(),
            folder.display().to_string(),
            "200".to_owned(),
            seed.to_string(),
            fingerprint(&world).await,
        ],
    )
    .await;
    assert!(output.status.success(), "seed {seed}: {}", said(&output));
    assert!(said(&output).starts_with("ok "), "{}", said(&output));
    world.server.db.assert_adds_up(world.anna).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caldav_library_of_python_finds_its_way() {
    let world = World::new().await;
    let output = script(
        "caldav_library.py",
        vec![
            format!("https://localhost:{}/", world.server.https().port()),
            "anna@x.test".to_owned(),
            PASSWORD.to_owned(),
        ],
    )
    .await;
    assert!(output.status.success(), "{}", said(&output));
    world.server.db.assert_adds_up(world.anna).await;
}
