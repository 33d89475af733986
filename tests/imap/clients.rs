//! Other people's clients against the whole program: mbsync (isync), curl, Python's imaplib. `.ci/setup test` installs them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::process::Command;

use super::client::{Client, PASSWORD, account, server};
use crate::common::server::TestServer;

/// Runs a program to its end; what it printed. Panics when it fails.
async fn run(command: &mut Command) -> String {
    let done = command
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap_or_else(|e| panic!("{command:?} (does .ci/setup test install it?): {e}"));
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert!(done.status.success(), "{command:?}: {said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_reads_and_writes() {
    let server = server().await;
    let (_, user) = account(&server, 1 << 30).await;
    let port = server.addresses().imap[0].port();
    let script = format!(
        r#"
import imaplib, ssl
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
box = imaplib.IMAP4("127.0.0.1", {port})
assert "LOGINDISABLED" in box.capabilities, box.capabilities
box.starttls(context)
assert "AUTH=PLAIN" in box.capabilities, box.capabilities
box.login("{user}", "{PASSWORD}")
def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]
ok(box.create("Projekt"))
message = b"From: a@b.test\r\nSubject: one\r\n\r\nHello\r\n"
for flag in ("\\Seen", "\\Flagged", None):
    ok(box.append("Projekt", flag and "(" + flag + ")", imaplib.Time2Internaldate(1000000000), message))
assert ok(box.select("Projekt")) == [b"3"]
fetched = ok(box.fetch("1:3", "(FLAGS INTERNALDATE BODY.PEEK[])"))
assert [f[1] for f in fetched if isinstance(f, tuple)] == [message] * 3, fetched
assert b"09-Sep-2001" in fetched[0][0] or b" 9-Sep-2001" in fetched[0][0], fetched[0]
ok(box.store("1", "+FLAGS", "\\Deleted"))
assert ok(box.expunge()) == [b"1"]
ok(box.uid("COPY", "2:3", "Archive"))
assert ok(box.status("Archive", "(MESSAGES UNSEEN)")) == [b"Archive (MESSAGES 2 UNSEEN 2)"]
assert ok(box.noop())
ok(box.close()); ok(box.delete("Projekt"))
box.logout()
"#
    );
    run(Command::new("python3").arg("-c").arg(script)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_lists_uploads_and_fetches() {
    let server = server().await;
    let (_, user) = account(&server, 1 << 30).await;
    let base = format!("imaps://127.0.0.1:{}", server.addresses().imaps[0].port());
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["-sSk", "--user", &format!("{user}:{PASSWORD}")])
            .args(arguments);
        command
    };
    let listed = run(&mut curl(&[&format!("{base}/")])).await;
    assert!(listed.contains("\"/\" INBOX"), "{listed}");
    let file = server.folder.join("letter.eml");
    std::fs::write(&file, "Subject: by curl\r\n\r\nHello\r\n").unwrap();
    run(&mut curl(&[
        "-T",
        file.to_str().unwrap(),
        &format!("{base}/INBOX"),
    ]))
    .await;
    let fetched = run(&mut curl(&[&format!("{base}/INBOX;UID=1")])).await;
    assert_eq!(fetched, "Subject: by curl\r\n\r\nHello\r\n");
    let subject = run(&mut curl(&[&format!("{base}/INBOX;UID=1;SECTION=TEXT")])).await;
    assert_eq!(subject, "Hello\r\n");
}

/// A message's subject and the flags both sides know.
type Mail = BTreeMap<String, BTreeSet<char>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mbsync_keeps_a_maildir_in_step_over_random_edits() {
    let seed: u64 =
        std::env::var("STRESS_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    eprintln!("STRESS_SEED={seed}");
    let server = server().await;
    let (_, user) = account(&server, 1 << 30).await;
    let pair = Pair::new(&server, &user);
    let mut client = Client::signed_in(&server, &user).await;
    client.run("SELECT INBOX").await.ok();
    let mut random = StdRng::seed_from_u64(seed);
    pair.sync().await;
    for round in 0..30 {
        for edit in 0..10 {
            let subject = format!("r{round}e{edit}");
            match random.random_range(0..6) {
                0 | 1 => {
                    let raw = format!("Subject: {subject}\r\n\r\nHello\r\n");
                    client.append("INBOX", "", &raw).await.ok();
                }
                2 => pair.add_local(&subject),
                3 => pair.edit_local(&mut random),
                _ => edit_remote(&mut client, &mut random).await,
            }
        }
        pair.sync().await;
        // What both sides changed at once is settled by the next run at the latest.
        pair.sync().await;
        assert_eq!(
            pair.local(),
            remote(&mut client).await,
            "STRESS_SEED={seed} round {round}"
        );
    }
}

async fn edit_remote(client: &mut Client, random: &mut StdRng) {
    let there = remote_uids(client).await;
    if there.is_empty() {
        return;
    }
    let uid = there[random.random_range(0..there.len())];
    let change = [
        "+FLAGS (\\Seen)",
        "-FLAGS (\\Seen)",
        "+FLAGS (\\Flagged)",
        "+FLAGS (\\Answered)",
        "+FLAGS (\\Deleted)",
    ];
    let change = change[random.random_range(0..change.len())];
    client.run(&format!("UID STORE {uid} {change}")).await.ok();
    if change.contains("Deleted") {
        client.run(&format!("UID EXPUNGE {uid}")).await.ok();
    }
}

async fn remote_uids(client: &mut Client) -> Vec<u32> {
    client.run("NOOP").await.ok();
    let fetched = client.run("UID FETCH 1:* (UID)").await.ok();
    fetched
        .iter()
        .filter_map(|r| r.split_once("(UID ")?.1.trim_end_matches(')').parse().ok())
        .collect()
}

async fn remote(client: &mut Client) -> Mail {
    client.run("NOOP").await.ok();
    let fetched = client
        .run("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        .await
        .ok();
    let mut mail = Mail::new();
    for response in fetched.iter().filter(|r| r.contains("Subject: ")) {
        let subject = response
            .split_once("Subject: ")
            .unwrap()
            .1
            .lines()
            .next()
            .unwrap();
        let flags = [("\\Seen", 'S'), ("\\Flagged", 'F'), ("\\Answered", 'R')]
            .into_iter()
            .filter(|(flag, _)| response.contains(flag))
            .map(|(_, letter)| letter)
            .collect();
        assert!(
            mail.insert(subject.to_owned(), flags).is_none(),
            "{subject} is there twice"
        );
    }
    mail
}

/// A Maildir and how to bring it in step.
struct Pair {
    folder: PathBuf,
    config: PathBuf,
}

impl Pair {
    fn new(server: &TestServer, user: &str) -> Self {
        let folder = server.folder.join("maildir");
        std::fs::create_dir_all(&folder).unwrap();
        let certificate = std::fs::read_dir(server.folder.join("tls"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| {
                p.to_string_lossy().contains("cert")
                    || p.extension().is_some_and(|e| e == "pem" || e == "crt")
            })
            .expect("the certificate of the host");
        let config = server.folder.join("mbsyncrc");
        let text = format!(
            "IMAPAccount a\nHost localhost\nPort {port}\nUser {user}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
             CertificateFile {certificate}\nSystemCertificates no\n\nIMAPStore far\nAccount a\n\nMaildirStore near\n\
             Path {folder}/\nInbox {folder}/INBOX\n\nChannel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\n\
             Expunge Both\nSyncState *\n",
            port = server.addresses().imaps[0].port(),
            certificate = certificate.display(),
            folder = folder.display(),
        );
        std::fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    async fn sync(&self) {
        run(Command::new("mbsync").arg("-c").arg(&self.config).arg("c")).await;
    }

    fn files(&self) -> Vec<PathBuf> {
        let inbox = self.folder.join("INBOX");
        let mut all: Vec<PathBuf> = ["cur", "new"]
            .iter()
            .flat_map(|sub| std::fs::read_dir(inbox.join(sub)).into_iter().flatten())
            .map(|entry| entry.unwrap().path())
            .collect();
        all.sort();
        all
    }

    fn add_local(&self, subject: &str) {
        let file = self.folder.join(format!(
            "INBOX/new/{}.{subject}.test",
            rand::random::<u32>()
        ));
        std::fs::write(file, format!("Subject: {subject}\n\nHello\n")).unwrap();
    }

    /// Another flag, or the end, of some message.
    fn edit_local(&self, random: &mut StdRng) {
        let files = self.files();
        if files.is_empty() {
            return;
        }
        let file = &files[random.random_range(0..files.len())];
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let (base, flags) = name.split_once(":2,").unwrap_or((&name, ""));
        let letter = ['S', 'F', 'R', 'T'][random.random_range(0..4)];
        let mut flags: BTreeSet<char> = flags.chars().collect();
        if !flags.remove(&letter) {
            flags.insert(letter);
        }
        let flags: String = flags.into_iter().collect();
        let to = self
            .folder
            .join("INBOX/cur")
            .join(format!("{base}:2,{flags}"));
        std::fs::rename(file, to).unwrap();
    }

    fn local(&self) -> Mail {
        let mut mail = Mail::new();
        for file in self.files() {
            let text = std::fs::read_to_string(&file).unwrap();
            let subject = text
                .lines()
                .find_map(|l| l.strip_prefix("Subject: "))
                .unwrap()
                .trim_end();
            let flags = Path::new(&file)
                .file_name()
                .unwrap()
                .to_string_lossy()
                .split_once(":2,")
                .map(|(_, f)| f.chars().filter(|c| "SFR".contains(*c)).collect())
                .unwrap_or_default();
            assert!(
                mail.insert(subject.to_owned(), flags).is_none(),
                "{subject} is there twice"
            );
        }
        mail
    }
}
