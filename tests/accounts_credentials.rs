//! Passwords, sessions, app passwords, second factors, preferences: what an account's owner does.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::people::{HOME, PASSWORD, Try, World, settings, word};
use postamt::error::Refusal;
use postamt::model::{AccountId, Protocol, Role};
use postamt::service::App;
use postamt::service::accounts::admin::CreateAccount;
use postamt::service::accounts::preferences::{NewIdentity, OwnChange, Theme};
use postamt::service::accounts::{LoginRefused, Preferences};
use postamt::web::session_store::{self, DbSessions};
use serde_json::json;
use tower_sessions::session::{Id, Record};
use tower_sessions::{Expiry, Session, SessionStore};

const NEW: &str = "ganz-anders 88 Kiesel";

async fn world() -> (World, AccountId) {
    let w = World::new().await;
    w.domain("a.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    (w, anna)
}

fn web(password: &str) -> Try {
    Try::new("anna@a.test", password)
        .by(Protocol::Web)
        .from(HOME)
}

async fn change(w: &World, account: AccountId, old: &str, new: &str) -> Result<(), Refusal> {
    let proof = web(old);
    w.app
        .accounts
        .change_password(account, &proof.login(), new, None)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asks_for_the_old_password_and_keeps_the_rules() {
    let (w, anna) = world().await;
    for (new, rule) in [
        ("kurz", "password-short"),
        ("Sommer2026!", "password-weak"),
        ("anna@a.test", "password-weak"),
        ("tab\tulator 4711 xyz", "password-characters"),
    ] {
        let refused = change(&w, anna, "wrong", new).await;
        assert!(
            matches!(refused, Err(Refusal::Invalid(r)) if r == rule),
            "{new}: {refused:?}"
        );
    }
    // A new password that will not do has cost no try; a wrong old one does.
    let refused = change(&w, anna, "wrong", NEW).await;
    assert!(
        matches!(refused, Err(Refusal::Invalid("password-wrong"))),
        "{refused:?}"
    );
    let refused = change(&w, anna, PASSWORD, PASSWORD).await;
    assert!(
        matches!(refused, Err(Refusal::Invalid("password-unchanged"))),
        "{refused:?}"
    );
    change(&w, anna, PASSWORD, NEW).await.unwrap();
    assert_eq!(web(NEW).word(&w.app).await, "ok");
    assert_eq!(web(PASSWORD).word(&w.app).await, "wrong");
    for _ in 0..4 {
        change(&w, anna, "wrong", "noch ein anderes 77 Moos")
            .await
            .unwrap_err();
    }
    let refused = change(&w, anna, NEW, "noch ein anderes 77 Moos").await;
    assert!(
        matches!(refused, Err(Refusal::TooMany { .. })),
        "{refused:?}"
    );
    // Somebody else's password proves nothing.
    w.account("bert@a.test", Role::User).await;
    let proof = Try::new("bert@a.test", PASSWORD).by(Protocol::Web);
    let refused = w
        .app
        .accounts
        .change_password(anna, &proof.login(), NEW, None)
        .await;
    assert!(matches!(refused, Err(Refusal::NotAllowed)));
}

/// S-24: what was opened with the old password closes, on every node.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_ends_connections_and_remembered_log_ins_everywhere() {
    let (w, anna) = world().await;
    let other = w.node(settings()).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let hubs = [w.app.changes.clone(), other.changes.clone()];
    for hub in hubs {
        let stop = stop.clone();
        tokio::spawn(async move { hub.run(stop).await });
    }
    let phone = Try::new("anna@a.test", PASSWORD).from(HOME);
    let here = phone.at(&w.app).await.unwrap();
    let there = phone.at(&other).await.unwrap();
    assert_eq!(phone.word(&other).await, "ok");
    let ended = async |app: &App, version: i32| {
        tokio::time::timeout(Duration::from_secs(30), app.accounts.ended(anna, version)).await
    };
    let (first, second, ()) = tokio::join!(
        ended(&w.app, here.password_version),
        ended(&other, there.password_version),
        async { change(&w, anna, PASSWORD, NEW).await.unwrap() }
    );
    assert!(first.is_ok() && second.is_ok());
    assert!(
        !other
            .accounts
            .is_current(anna, there.password_version)
            .await
            .unwrap()
    );
    assert_eq!(
        phone.word(&other).await,
        "wrong",
        "remembered on the other node"
    );
    assert_eq!(phone.word(&w.app).await, "wrong");
    stop.cancel();
}

/// A phone that still has the old password does not lock its owner out; a browser with it counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_previous_password_is_refused_and_not_counted() {
    let (w, anna) = world().await;
    assert_eq!(web(PASSWORD).word(&w.app).await, "ok");
    change(&w, anna, PASSWORD, NEW).await.unwrap();
    for protocol in [
        Protocol::Imap,
        Protocol::Smtp,
        Protocol::Pop3,
        Protocol::Dav,
        Protocol::Eas,
    ] {
        for _ in 0..3 {
            assert_eq!(web(PASSWORD).by(protocol).word(&w.app).await, "wrong");
        }
    }
    let count = "select count(*) from login_failure where name = (select address from account where account_id = $1)";
    assert_eq!(w.db.number(count, anna).await, 0);
    for _ in 0..4 {
        assert_eq!(web(PASSWORD).word(&w.app).await, "wrong");
    }
    assert_eq!(web(PASSWORD).word(&w.app).await, "locked");
    // After 30 days it is a wrong password like any other.
    w.db.tamper(
        "update account set previous_until = now() - interval '1 s' where account_id = $1",
        anna,
    )
    .await;
    let elsewhere = Try::new("anna@a.test", PASSWORD).from("198.51.100.7");
    w.db.tamper("delete from login_failure where $1 > 0", anna)
        .await;
    elsewhere.at(&w.app).await.unwrap_err();
    assert_eq!(w.db.number(count, anna).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_initial_password_is_changed_first_on_the_web_and_taken_elsewhere() {
    let w = World::new().await;
    w.domain("a.test").await;
    let new = CreateAccount {
        address: "anna@a.test",
        ..CreateAccount::default()
    };
    let made = w.app.accounts.create_account(&w.host, &new).await.unwrap();
    let initial = made.password.unwrap().password;
    assert!(web(initial.expose()).at(&w.app).await.unwrap().must_change);
    assert!(
        web(initial.expose())
            .by(Protocol::Imap)
            .at(&w.app)
            .await
            .is_ok()
    );
    let accounts = &w.app.accounts;
    let same = accounts
        .set_first_password(made.account, initial.expose(), None)
        .await;
    assert!(
        matches!(same, Err(Refusal::Invalid("password-unchanged"))),
        "{same:?}"
    );
    accounts
        .set_first_password(made.account, NEW, None)
        .await
        .unwrap();
    assert!(!web(NEW).at(&w.app).await.unwrap().must_change);
    let again = accounts
        .set_first_password(made.account, "noch ein anderes 77 Moos", None)
        .await;
    assert!(matches!(again, Err(Refusal::NotAllowed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_older_parameters_is_renewed_at_the_next_right_log_in() {
    let (w, anna) = world().await;
    let mut newer = settings();
    newer.password.memory_kib = 20_480;
    let newer = w.node(newer).await;
    let version = w.app.accounts.account(anna).await.unwrap().password_version;
    assert_eq!(web("wrong").word(&newer).await, "wrong");
    assert!(hash(&w, anna).await.contains("m=19456"));
    assert_eq!(web(PASSWORD).word(&newer).await, "ok");
    assert!(hash(&w, anna).await.contains("m=20480"));
    assert_eq!(
        w.app.accounts.account(anna).await.unwrap().password_version,
        version
    );
    assert_eq!(web(PASSWORD).word(&w.app).await, "ok");
}

async fn hash(w: &World, account: AccountId) -> String {
    sqlx::query_scalar("select password_hash from account where account_id = $1")
        .bind(account)
        .fetch_one(&w.db.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn app_passwords_open_their_doors_until_they_are_revoked() {
    let (w, anna) = world().await;
    let accounts = &w.app.accounts;
    let made = accounts
        .create_app_password(anna, "Telefon", &[Protocol::Imap, Protocol::Smtp])
        .await
        .unwrap();
    assert_eq!(made.expose().len(), 24);
    let app = |protocol| {
        Try::new("anna@a.test", made.expose())
            .by(protocol)
            .from(HOME)
    };
    for _ in 0..2 {
        let entered = app(Protocol::Imap).at(&w.app).await.unwrap();
        assert!(entered.app_password.is_some() && !entered.must_change);
    }
    assert_eq!(app(Protocol::Smtp).word(&w.app).await, "ok");
    assert_eq!(app(Protocol::Pop3).word(&w.app).await, "wrong");
    assert_eq!(app(Protocol::Web).word(&w.app).await, "wrong");
    let listed = accounts.app_passwords(anna).await.unwrap();
    assert_eq!(listed[0].scopes, ["imap", "smtp"]);
    assert!(listed[0].used_at.is_some());
    let bert = w.account("bert@a.test", Role::User).await;
    let foreign = accounts
        .revoke_app_password(bert, listed[0].app_password_id)
        .await;
    assert!(matches!(foreign, Err(Refusal::NotFound)));
    accounts
        .revoke_app_password(anna, listed[0].app_password_id)
        .await
        .unwrap();
    assert_eq!(
        app(Protocol::Imap).word(&w.app).await,
        "wrong",
        "remembered or not"
    );
    for bad in [
        accounts.create_app_password(anna, "x", &[]).await,
        accounts
            .create_app_password(anna, "x", &[Protocol::Web])
            .await,
    ] {
        assert!(matches!(bad, Err(Refusal::Invalid("scopes"))));
    }
}

fn code(secret: &str, steps_on: u64) -> String {
    let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    let totp = totp_rs::Builder::new()
        .with_secret(totp_rs::Secret::try_from_base32(secret).unwrap())
        .with_account_name("x")
        .build()
        .unwrap();
    totp.generate(now + 30 * steps_on).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let (w, anna) = world().await;
    let accounts = &w.app.accounts;
    let new = accounts.begin_totp(anna).await.unwrap();
    assert!(new.url.expose().starts_with("otpauth://totp/"));
    let wrong = accounts
        .confirm_totp(anna, new.secret.expose(), "000000")
        .await;
    assert!(matches!(wrong, Err(Refusal::Invalid("code"))) || wrong.is_ok());
    let recovery = accounts
        .confirm_totp(anna, new.secret.expose(), &code(new.secret.expose(), 0))
        .await
        .unwrap();
    assert_eq!(recovery.len(), 10);

    let step_two = async |code: &str| {
        let Err(LoginRefused::NeedsCode { pending }) = web(PASSWORD).at(&w.app).await else {
            panic!("no code asked for");
        };
        let login = web("");
        word(
            &accounts
                .login_with_code(&login.login(), &pending, code)
                .await,
        )
    };
    assert_eq!(
        step_two(&code(new.secret.expose(), 0)).await,
        "wrong",
        "used when it was set up"
    );
    let next = code(new.secret.expose(), 1);
    assert_eq!(step_two(&next).await, "ok");
    assert_eq!(step_two(&next).await, "wrong", "a code is good once");
    let spelled = recovery[0].expose().to_uppercase().replace('-', " ");
    assert_eq!(step_two(&spelled).await, "ok");
    assert_eq!(step_two(&spelled).await, "wrong");
    assert_eq!(accounts.recovery_codes_left(anna).await.unwrap(), 9);

    // The other doors take app passwords only; the right main password there does not count.
    for _ in 0..6 {
        assert_eq!(web(PASSWORD).by(Protocol::Imap).word(&w.app).await, "code");
    }
    let app = accounts
        .create_app_password(anna, "Rechner", &[Protocol::Imap])
        .await
        .unwrap();
    assert_eq!(
        web(app.expose()).by(Protocol::Imap).word(&w.app).await,
        "ok"
    );

    // Guessing codes locks like guessing passwords; a forged proof gets nowhere.
    let login = web("");
    let forged = accounts
        .login_with_code(&login.login(), &format!("{anna}.1.99.00"), "123456")
        .await;
    assert_eq!(word(&forged), "wrong");
    let Err(LoginRefused::NeedsCode { pending }) = web(PASSWORD).at(&w.app).await else {
        panic!("no code asked for");
    };
    let mut last = "";
    for _ in 0..5 {
        last = word(
            &accounts
                .login_with_code(&login.login(), &pending, "abcdef")
                .await,
        );
    }
    assert_eq!(last, "locked");
}

async fn sessions(w: &World) -> (Arc<DbSessions>, Arc<DbSessions>) {
    let other = w.node(settings()).await;
    (
        Arc::new(DbSessions::new(w.app.clone())),
        Arc::new(DbSessions::new(other)),
    )
}

fn record(account: Option<AccountId>, stays: bool) -> Record {
    let mut data = std::collections::HashMap::from([
        (session_store::SOURCE.to_owned(), json!(HOME)),
        (session_store::USER_AGENT.to_owned(), json!("Browser\r\n 1")),
        (session_store::STAYS.to_owned(), json!(stays)),
        ("draft".to_owned(), json!({"a": 1})),
    ]);
    if let Some(account) = account {
        data.insert(session_store::ACCOUNT.to_owned(), json!(account.0));
    }
    Record {
        id: Id::default(),
        data,
        expiry_date: time::OffsetDateTime::now_utc() + Duration::from_mins(1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_kept_hashed_shared_by_nodes_and_stay_ended() {
    let (w, anna) = world().await;
    let (here, there) = sessions(&w).await;
    let mut first = record(Some(anna), false);
    here.create(&mut first).await.unwrap();
    let mut second = record(Some(anna), false);
    there.create(&mut second).await.unwrap();
    let loaded = there.load(&first.id).await.unwrap().unwrap();
    assert_eq!(loaded.data, first.data);
    assert!(here.load(&Id::default()).await.unwrap().is_none());
    let stored: Vec<Vec<u8>> = sqlx::query_scalar("select session_hash from session")
        .fetch_all(&w.db.pool)
        .await
        .unwrap();
    assert!(
        stored
            .iter()
            .all(|hash| hash.len() == 32 && hash != &first.id.0.to_le_bytes())
    );

    let listed = w.app.accounts.sessions(anna).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (listed[0].source.as_str(), listed[0].user_agent.as_str()),
        (HOME, "Browser 1")
    );
    let bert = w.account("bert@a.test", Role::User).await;
    let hash = session_store::hash_of(first.id);
    assert!(matches!(
        w.app.accounts.end_session(bert, &hash).await,
        Err(Refusal::NotFound)
    ));
    w.app.accounts.end_session(anna, &hash).await.unwrap();
    assert!(here.load(&first.id).await.unwrap().is_none());
    here.save(&first).await.unwrap();
    assert!(
        here.load(&first.id).await.unwrap().is_none(),
        "saving brings nothing back"
    );
    assert!(here.load(&second.id).await.unwrap().is_some());

    // A change of the password ends all but the acting one.
    let mut third = record(Some(anna), true);
    here.create(&mut third).await.unwrap();
    let keep = session_store::hash_of(third.id);
    let proof = web(PASSWORD);
    w.app
        .accounts
        .change_password(anna, &proof.login(), NEW, Some(&keep))
        .await
        .unwrap();
    assert!(here.load(&second.id).await.unwrap().is_none());
    assert!(here.load(&third.id).await.unwrap().is_some());
    // A new initial password ends that one too.
    w.app
        .accounts
        .set_password(&w.host, anna, None)
        .await
        .unwrap();
    assert!(here.load(&third.id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_by_idle_and_absolute_time() {
    let (w, anna) = world().await;
    let (store, _) = sessions(&w).await;
    let mut short = record(Some(anna), false);
    let mut long = record(Some(anna), true);
    let mut nobody = record(None, false);
    for one in [&mut short, &mut long, &mut nobody] {
        store.create(one).await.unwrap();
    }
    let hours = async |id: Id| {
        let record = store.load(&id).await.unwrap()?;
        Some((record.expiry_date - time::OffsetDateTime::now_utc()).whole_minutes())
    };
    assert!(matches!(hours(short.id).await, Some(719 | 720)));
    assert!(matches!(hours(long.id).await, Some(43_199 | 43_200)));
    assert!(matches!(hours(nobody.id).await, Some(59 | 60)));
    // Use prolongs, up to the absolute end.
    let age = "update session
                  set created_at = created_at - interval '29 days 20 hours', seen_at = seen_at - interval '1 hour',
                      expires_at = expires_at - interval '1 hour'";
    sqlx::query(age).execute(&w.db.pool).await.unwrap();
    assert!(
        matches!(hours(short.id).await, Some(239 | 240)),
        "four hours to the absolute end"
    );
    assert!(matches!(hours(long.id).await, Some(239 | 240)));
    assert!(
        hours(nobody.id).await.is_none(),
        "an hour without anybody signing in"
    );
    sqlx::query("update session set expires_at = now()")
        .execute(&w.db.pool)
        .await
        .unwrap();
    assert!(hours(long.id).await.is_none());
    w.app.accounts.sweep().await.unwrap();
    let left: i64 = sqlx::query_scalar("select count(*) from session")
        .fetch_one(&w.db.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_gives_a_new_id_and_signing_out_ends_it() {
    let (w, anna) = world().await;
    let (store, _) = sessions(&w).await;
    let before = Session::new(None, store.clone(), Some(Expiry::OnSessionEnd));
    before.insert("token", 1).await.unwrap();
    before.save().await.unwrap();
    let pre_session = before.id().unwrap();
    before.cycle_id().await.unwrap();
    before.insert(session_store::ACCOUNT, anna.0).await.unwrap();
    before.save().await.unwrap();
    let signed_in = before.id().unwrap();
    assert_ne!(pre_session, signed_in);
    assert!(store.load(&pre_session).await.unwrap().is_none());
    assert_eq!(w.app.accounts.sessions(anna).await.unwrap().len(), 1);
    before.flush().await.unwrap();
    assert!(store.load(&signed_in).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_are_the_owners() {
    let (w, anna) = world().await;
    let bert = w.account("bert@a.test", Role::User).await;
    let accounts = &w.app.accounts;
    assert_eq!(
        accounts.preferences(anna).await.unwrap(),
        Preferences::default()
    );
    accounts
        .set_preference(anna, "theme", json!("dark"))
        .await
        .unwrap();
    accounts
        .set_preference(anna, "mark_read_ms", json!(null))
        .await
        .unwrap();
    for (name, value) in [
        ("theme", json!("pink")),
        ("undo_seconds", json!(61)),
        ("nothing", json!(1)),
        ("undo_seconds", json!(-1)),
    ] {
        let refused = accounts.set_preference(anna, name, value).await;
        assert!(
            matches!(refused, Err(Refusal::Invalid("preference"))),
            "{name}"
        );
    }
    let read = accounts.preferences(anna).await.unwrap();
    assert_eq!((read.theme, read.mark_read_ms), (Theme::Dark, None));
    assert_eq!(
        accounts.preferences(bert).await.unwrap(),
        Preferences::default()
    );
    accounts
        .set_preferences(anna, &Preferences::default())
        .await
        .unwrap();
    assert_eq!(
        w.db.number(
            "select count(*) from preference where account_id = $1",
            anna
        )
        .await,
        0
    );

    let own = OwnChange {
        time_zone: Some("Mars/Olympus".to_owned()),
        ..OwnChange::default()
    };
    assert!(matches!(
        accounts.change_own(anna, &own).await,
        Err(Refusal::Invalid("time-zone"))
    ));
    let own = OwnChange {
        display_name: Some(" Anna A. ".to_owned()),
        locale: Some("en".to_owned()),
        time_zone: Some("Europe/Zurich".to_owned()),
    };
    accounts.change_own(anna, &own).await.unwrap();
    let row = accounts.account(anna).await.unwrap();
    assert_eq!(
        (
            row.display_name.as_str(),
            row.locale.as_str(),
            row.time_zone.as_str()
        ),
        ("Anna A.", "en", "Europe/Zurich")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_and_identities_are_the_owners() {
    let (w, anna) = world().await;
    let bert = w.account("bert@a.test", Role::User).await;
    let accounts = &w.app.accounts;
    let html = "<p>Viele <b>Grüße</b><script>alert(1)</script></p>";
    let id = accounts
        .save_signature(anna, None, "Kurz", html)
        .await
        .unwrap();
    let saved = accounts.signatures(anna).await.unwrap();
    assert!(
        !saved[0].html.contains("script") && saved[0].html.contains("<b>"),
        "{}",
        saved[0].html
    );
    assert_eq!(saved[0].plain.trim(), "Viele Grüße");
    assert!(matches!(
        accounts.save_signature(bert, Some(id), "x", "x").await,
        Err(Refusal::NotFound)
    ));
    assert!(matches!(
        accounts.delete_signature(bert, id).await,
        Err(Refusal::NotFound)
    ));

    let identities = accounts.identities(anna).await.unwrap();
    assert_eq!(
        (
            identities.len(),
            identities[0].address.as_str(),
            identities[0].is_default
        ),
        (1, "anna@a.test", true)
    );
    accounts
        .create_alias(&w.host, "info@a.test", &["anna@a.test"])
        .await
        .unwrap();
    let new = NewIdentity {
        address: "Info@a.test",
        name: "Auskunft",
        signature: Some(id),
        is_default: true,
        ..NewIdentity::default()
    };
    let identity = accounts.save_identity(anna, &new).await.unwrap();
    let foreign = NewIdentity {
        address: "bert@a.test",
        ..new.clone()
    };
    assert!(matches!(
        accounts.save_identity(anna, &foreign).await,
        Err(Refusal::Invalid("address"))
    ));
    let identities = accounts.identities(anna).await.unwrap();
    assert_eq!(
        identities
            .iter()
            .map(|i| i.address.as_str())
            .collect::<Vec<_>>(),
        ["info@a.test", "anna@a.test"]
    );
    accounts.delete_signature(anna, id).await.unwrap();
    assert_eq!(
        accounts.identities(anna).await.unwrap()[0].signature_id,
        None
    );
    // An address that is no longer owned is no longer offered.
    accounts.delete_alias(&w.host, "info@a.test").await.unwrap();
    assert_eq!(accounts.identities(anna).await.unwrap().len(), 1);
    accounts.delete_identity(anna, identity).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_password_leaves_a_notice_in_the_mailbox() {
    let (w, anna) = world().await;
    let (tasks, stop) = (
        tokio_util::task::TaskTracker::new(),
        tokio_util::sync::CancellationToken::new(),
    );
    w.app.start(&tasks, &stop);
    let mut watch = w.app.changes.watch(anna);
    w.app
        .accounts
        .set_password(&w.host, anna, Some(NEW))
        .await
        .unwrap();
    change(&w, anna, NEW, "noch ein anderes 77 Moos")
        .await
        .unwrap();
    let arrived = async {
        while w
            .db
            .number("select count(*) from message where account_id = $1", anna)
            .await
            < 2
        {
            watch.changed().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived)
        .await
        .unwrap();
    let subjects: Vec<String> =
        sqlx::query_scalar("select subject from email where account_id = $1")
            .bind(anna)
            .fetch_all(&w.db.pool)
            .await
            .unwrap();
    assert_eq!(subjects, ["Ihr Passwort wurde geändert"; 2]);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}
