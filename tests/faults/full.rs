//! Promise S-05: a full disk is refused with a word for it at every door, what was taken stays, reading goes on, and when there
//! is room again so is the service.
//!
//! Twice: with a real small disk (a tmpfs that holds the tables of mail, for whoever may mount one), and with PostgreSQL
//! raising its own error for a full disk (53100) at the same statements, which needs no rights.

use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use hyper::StatusCode;
use postamt::model::AccountId;
use sqlx::AssertSqlSafe;

use crate::browser::{Browser, user};
use crate::common::server::TestServer;
use crate::common::smtp::Client;
use crate::senders::{assert_exactly_once, deliver, greeted};

/// A program with anna and bob.
async fn program() -> (TestServer, AccountId) {
    let program = TestServer::start_with(|config| {
        config.smtp.messages = u32::MAX;
        config.smtp.messages_per_source = u32::MAX;
    })
    .await;
    let anna = user(program.app(), "anna").await;
    user(program.app(), "bob").await;
    (program, anna)
}

async fn sql(program: &TestServer, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&program.db.pool)
        .await
        .unwrap_or_else(|e| panic!("{statement}: {e}"));
}

/// Sends letters until one is refused; the numbers of those that were taken.
async fn fill(client: &mut Client, from: usize) -> std::collections::BTreeSet<usize> {
    let mut taken = std::collections::BTreeSet::new();
    for id in from..from + 100_000 {
        let answer = deliver(client, id).await.unwrap();
        if !answer.starts_with("250 ") {
            assert!(answer.starts_with("452 4.3.1 "), "{answer}");
            return taken;
        }
        taken.insert(id);
    }
    panic!("the disk never fills");
}

/// What a full disk looks like from outside, and that it harms nothing.
async fn assert_full(program: &TestServer, browser: &Browser, client: &mut Client) {
    let answer = deliver(client, 999_999).await.unwrap();
    assert!(answer.starts_with("452 4.3.1 "), "{answer}");
    let list = browser.get("/mail/inbox").await;
    assert_eq!(list.status, StatusCode::OK, "reading goes on");
    let healthy = browser.get("/healthz").await;
    assert_eq!(healthy.status, StatusCode::OK);
    let folder = format!("_t={}&name=Half", browser.csrf);
    let refused = browser.post("/mail/folders", &folder).await;
    assert_eq!(
        refused.status,
        StatusCode::INSUFFICIENT_STORAGE,
        "{}",
        refused.text
    );
    let words = [
        postamt::i18n::Lang::De.t("error-storage-full"),
        postamt::i18n::Lang::En.t("error-storage-full"),
    ];
    assert!(
        words.iter().any(|w| refused.text.contains(w)),
        "{}",
        refused.text
    );
    let half: i64 = sqlx::query_scalar("select count(*) from folder where name = 'Half'")
        .fetch_one(&program.db.pool)
        .await
        .unwrap();
    assert_eq!(half, 0, "nothing by half");
}

async fn assert_room(
    program: &TestServer,
    browser: &Browser,
    client: &mut Client,
    mut taken: std::collections::BTreeSet<usize>,
    anna: AccountId,
) {
    let answer = deliver(client, 999_999).await.unwrap();
    assert!(answer.starts_with("250 "), "{answer}");
    taken.insert(999_999);
    assert_exactly_once(&program.db.pool, &taken).await;
    program.db.assert_adds_up(anna).await;
    let folder = format!("_t={}&name=Whole", browser.csrf);
    let made = browser.post("/mail/folders", &folder).await;
    assert!(
        made.status.is_redirection() || made.status.is_success(),
        "{}",
        made.status
    );
}

#[tokio::test]
async fn s05_postgresql_says_that_its_disk_is_full() {
    let (program, anna) = program().await;
    let browser = Browser::signed_in(program.https(), "anna").await;
    let mut client = greeted(program.addresses().mx[0]).await.unwrap();
    let taken = (0..5).collect();
    for id in 0..5 {
        assert!(deliver(&mut client, id).await.unwrap().starts_with("250 "));
    }
    sql(
        &program,
        "create function no_room() returns trigger language plpgsql as $$
         begin
             raise exception 'could not extend file: No space left on device' using errcode = '53100';
         end $$",
    )
    .await;
    let tables = ["email", "body_chunk", "message", "folder", "spool"];
    for table in tables {
        let trigger =
            format!("create trigger no_room before insert on {table} execute function no_room()");
        sql(&program, &trigger).await;
    }
    assert_full(&program, &browser, &mut client).await;
    for table in tables {
        sql(&program, &format!("drop trigger no_room on {table}")).await;
    }
    assert_room(&program, &browser, &mut client, taken, anna).await;
    program.stop().await;
}

/// A disk of a few megabytes with a file that can be removed to make room.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None, with the reason printed, where nothing can be mounted.
    fn mount() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!(
                "skipped: only root may mount a small disk; the error itself is tested beside"
            );
            return None;
        }
        let folder = PathBuf::from(format!("/tmp/postamt-disk-{:x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(&folder)
            .output();
        match mounted {
            Ok(done) if done.status.success() => {}
            other => {
                println!("skipped: no tmpfs can be mounted here: {other:?}");
                std::fs::remove_dir(&folder).unwrap();
                return None;
            }
        }
        let disk = Self(folder);
        let tables = disk.0.join("tables");
        std::fs::create_dir(&tables).unwrap();
        let owner =
            std::fs::metadata(crate::common::cluster::TestCluster::get().socket_folder()).unwrap();
        let (uid, gid) = {
            use std::os::unix::fs::MetadataExt;
            (owner.uid(), owner.gid())
        };
        chown(&tables, Some(uid), Some(gid)).unwrap();
        std::fs::write(disk.0.join("ballast"), vec![0; 8 << 20]).unwrap();
        Some(disk)
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
        drop(std::fs::remove_dir(&self.0));
    }
}

#[tokio::test]
async fn s05_a_small_disk_runs_full_in_the_middle_of_deliveries() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let (program, anna) = program().await;
    let browser = Browser::signed_in(program.https(), "anna").await;
    let place = disk.0.join("tables");
    let space = format!("small_{:x}", rand::random::<u32>());
    sql(
        &program,
        &format!("create tablespace {space} location '{}'", place.display()),
    )
    .await;
    for table in ["email", "body_chunk", "message", "folder", "spool"] {
        sql(
            &program,
            &format!("alter table {table} set tablespace {space}"),
        )
        .await;
    }
    let mut client = greeted(program.addresses().mx[0]).await.unwrap();
    let taken = fill(&mut client, 0).await;
    println!("{} letters of 7 KB fit", taken.len());
    assert!(taken.len() > 20, "{}", taken.len());
    let ballast = deliver(&mut client, 500_000).await.unwrap();
    assert!(ballast.starts_with("452 4.3.1 "), "{ballast}");
    assert_exactly_once(&program.db.pool, &taken).await;
    assert_eq!(browser.get("/mail/inbox").await.status, StatusCode::OK);
    disk.make_room();
    assert_room(&program, &browser, &mut client, taken, anna).await;
    for table in ["email", "body_chunk", "message", "folder", "spool"] {
        sql(
            &program,
            &format!("alter table {table} set tablespace pg_default"),
        )
        .await;
    }
    sql(&program, &format!("drop tablespace {space}")).await;
    program.stop().await;
}
