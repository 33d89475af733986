//! Domains, accounts and aliases by the administrator's functions, and what an address means at RCPT.

mod common;

use std::sync::Arc;

use common::TestDb;
use postamt::config::Config;
use postamt::error::Refusal;
use postamt::format::address::Address;
use postamt::model::{AccountId, Role, SpecialUse};
use postamt::service::App;
use postamt::service::accounts::admin::{Actor, CreateAccount};
use postamt::service::accounts::{Delivery, Recipient};
use postamt::store::account::admin::{AccountChange, OWNED_TABLES};
use postamt::store::domain::DomainChange;

struct World {
    db: TestDb,
    app: App,
    host: Actor,
}

impl World {
    async fn new() -> Self {
        let db = TestDb::new().await;
        let mut config = Config::default();
        config.password.memory_kib = 19_456;
        let app = App::new(Arc::new(config), db.store.clone());
        Self {
            db,
            app,
            host: Actor::command_line(),
        }
    }

    async fn domain(&self, name: &str) {
        self.app
            .accounts
            .create_domain(&self.host, name)
            .await
            .unwrap();
    }

    async fn account(&self, address: &str, role: Role) -> AccountId {
        let new = CreateAccount {
            address,
            role: Some(role),
            password: Some("vK9x_wQz7!"),
            ..CreateAccount::default()
        };
        self.app
            .accounts
            .create_account(&self.host, &new)
            .await
            .unwrap()
            .account
    }

    async fn alias(&self, address: &str, targets: &[&str]) {
        self.app
            .accounts
            .create_alias(&self.host, address, targets)
            .await
            .unwrap();
    }

    async fn at(&self, address: &str, size: u64) -> Recipient {
        let address = Address::parse(address).unwrap();
        self.app.accounts.recipient(&address, size).await.unwrap()
    }

    async fn owns(&self, account: AccountId, address: &str) -> bool {
        let address = Address::parse(address).unwrap();
        self.app
            .accounts
            .owns_address(account, &address)
            .await
            .unwrap()
    }
}

fn to(accounts: &[AccountId]) -> Recipient {
    Recipient::Deliver(Delivery {
        accounts: accounts.to_vec(),
        outside: Vec::new(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_has_its_folders_collections_and_a_password_shown_once() {
    let w = World::new().await;
    w.domain("Müller.test").await;
    let new = CreateAccount {
        address: " Anna@MÜLLER.test",
        display_name: "Anna Müller",
        ..CreateAccount::default()
    };
    let created = w.app.accounts.create_account(&w.host, &new).await.unwrap();
    assert_eq!(created.address, "anna@xn--mller-kva.test");
    let made = created.password.unwrap();
    assert_eq!(made.bits, 71);
    let row = w
        .app
        .accounts
        .account_by_name("ANNA@müller.test")
        .await
        .unwrap();
    assert_eq!(row.account_id, created.account);
    assert_eq!(
        (row.display_name.as_str(), row.role(), row.must_change),
        ("Anna Müller", Role::User, true)
    );
    assert_eq!(row.quota_bytes, 5 << 30);
    for (special, name) in SpecialUse::FIRST {
        let folder =
            w.db.store
                .special_folder(created.account, special)
                .await
                .unwrap();
        assert!(folder.is_some(), "{name}");
    }
    let collections = "select count(*) from collection where account_id = $1 and is_default";
    assert_eq!(w.db.number(collections, created.account).await, 4);
    // Nothing in the database knows the password.
    let hash: String =
        sqlx::query_scalar("select password_hash from account where account_id = $1")
            .bind(created.account)
            .fetch_one(&w.db.pool)
            .await
            .unwrap();
    assert!(hash.starts_with("$argon2id$") && !hash.contains(made.password.expose()));
    let again = w.app.accounts.create_account(&w.host, &new).await;
    assert!(matches!(again, Err(Refusal::Exists)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_addresses_and_weak_passwords_are_refused() {
    let w = World::new().await;
    w.domain("a.test").await;
    let create = async |address: &str, password: &str| {
        let new = CreateAccount {
            address,
            password: Some(password),
            ..CreateAccount::default()
        };
        w.app
            .accounts
            .create_account(&w.host, &new)
            .await
            .map(|_| ())
    };
    for address in [
        "",
        "a.test",
        "@a.test",
        "a b@a.test",
        "a+b@a.test",
        "a@[127.0.0.1]x",
    ] {
        let refused = create(address, "vK9x_wQz7!").await;
        assert!(
            matches!(refused, Err(Refusal::Invalid("address"))),
            "{address}: {refused:?}"
        );
    }
    assert!(matches!(
        create("a@b.test", "vK9x_wQz7!").await,
        Err(Refusal::NotFound)
    ));
    let refused = create("oberhuber@a.test", "Oberhuber1").await;
    assert!(
        matches!(refused, Err(Refusal::Invalid("password-weak"))),
        "{refused:?}"
    );
    for name in ["", "a b", "[127.0.0.1]", "a..b", "@"] {
        let refused = w.app.accounts.create_domain(&w.host, name).await;
        assert!(
            matches!(refused, Err(Refusal::Invalid("domain"))),
            "{name}: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_are_mailboxes_tags_aliases_and_catch_alls() {
    let w = World::new().await;
    w.domain("a.test").await;
    w.domain("b.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    let bert = w.account("bert@a.test", Role::User).await;
    let carl = w.account("carl@b.test", Role::User).await;
    assert_eq!(w.at("anna@a.test", 0).await, to(&[anna]));
    assert_eq!(w.at("ANNA+shop@A.test", 0).await, to(&[anna]));
    assert_eq!(w.at("nobody@a.test", 0).await, Recipient::Unknown);
    assert_eq!(w.at("nobody+x@a.test", 0).await, Recipient::Unknown);
    assert_eq!(w.at("anna@c.test", 0).await, Recipient::Foreign);
    assert_eq!(w.at("anna%a.test@a.test", 0).await, Recipient::Unknown);
    assert_eq!(w.at("\"anna@a.test\"@a.test", 0).await, Recipient::Unknown);

    w.alias("info@a.test", &["anna@a.test"]).await;
    w.alias(
        "team@a.test",
        &["info@a.test", "bert@a.test", "anna@a.test", "carl@b.test"],
    )
    .await;
    w.alias("far@a.test", &["team@a.test", "Max@Elsewhere.test"])
        .await;
    assert_eq!(w.at("info+news@a.test", 0).await, to(&[anna]));
    assert_eq!(w.at("team@a.test", 0).await, to(&[anna, bert, carl]));
    let Recipient::Deliver(far) = w.at("far@a.test", 0).await else {
        panic!("far is not delivered");
    };
    assert_eq!(far.outside, [Address::parse("max@elsewhere.test").unwrap()]);
    assert_eq!(far.accounts, [anna, bert, carl]);

    w.alias("@b.test", &["carl@b.test"]).await;
    assert_eq!(w.at("whoever@b.test", 0).await, to(&[carl]));
    assert!(w.app.accounts.is_local_domain("B.TEST").await.unwrap());
    assert!(!w.app.accounts.is_local_domain("c.test").await.unwrap());

    // S-31: an account owns what reaches it alone.
    for mine in [
        "anna@a.test",
        "anna+x@a.test",
        "info@a.test",
        "info+x@a.test",
    ] {
        assert!(w.owns(anna, mine).await, "{mine}");
        assert!(!w.owns(bert, mine).await, "{mine}");
    }
    for not_mine in [
        "team@a.test",
        "far@a.test",
        "bert@a.test",
        "nobody@a.test",
        "anna@c.test",
    ] {
        assert!(!w.owns(anna, not_mine).await, "{not_mine}");
    }
    assert!(w.owns(carl, "sales@b.test").await);
    let own = w.app.accounts.own_addresses(anna).await.unwrap();
    assert_eq!(
        own,
        [
            Address::parse("anna@a.test").unwrap(),
            Address::parse("info@a.test").unwrap()
        ]
    );

    w.app
        .accounts
        .delete_alias(&w.host, "INFO@a.test")
        .await
        .unwrap();
    assert_eq!(w.at("info@a.test", 0).await, Recipient::Unknown);
    let primary = w.app.accounts.delete_alias(&w.host, "anna@a.test").await;
    assert!(matches!(primary, Err(Refusal::NotFound)));
    let unknown = w
        .app
        .accounts
        .create_alias(&w.host, "x@a.test", &["nobody@a.test"])
        .await;
    assert!(
        matches!(unknown, Err(Refusal::Invalid("target-unknown"))),
        "{unknown:?}"
    );
    let taken = w
        .app
        .accounts
        .create_alias(&w.host, "bert@a.test", &["anna@a.test"])
        .await;
    assert!(matches!(taken, Err(Refusal::Exists)), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn alias_loops_end() {
    let w = World::new().await;
    w.domain("a.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    w.alias("one@a.test", &["anna@a.test", "far@elsewhere.test"])
        .await;
    w.alias("two@a.test", &["one@a.test", "far@elsewhere.test"])
        .await;
    // one -> two -> one: the first was made before the second, so only its own row can close the ring.
    sqlx::query(
        "update address set targets = '{two@a.test,anna@a.test}' where address = 'one@a.test'",
    )
    .execute(&w.db.pool)
    .await
    .unwrap();
    let Recipient::Deliver(found) = w.at("one@a.test", 0).await else {
        panic!("not delivered");
    };
    assert_eq!(found.accounts, [anna]);
    sqlx::query("update address set targets = '{one@a.test}' where address = 'two@a.test'")
        .execute(&w.db.pool)
        .await
        .unwrap();
    sqlx::query("update address set targets = '{two@a.test}' where address = 'one@a.test'")
        .execute(&w.db.pool)
        .await
        .unwrap();
    assert_eq!(w.at("two@a.test", 0).await, Recipient::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn postmaster_and_abuse_always_have_a_reader() {
    let w = World::new().await;
    w.domain("a.test").await;
    w.domain("b.test").await;
    let user = w.account("anna@a.test", Role::User).await;
    let chief = w.account("chief@b.test", Role::HostAdmin).await;
    let far_user = w.account("zoe@b.test", Role::User).await;
    assert_eq!(w.at("Postmaster@a.test", 0).await, to(&[chief]));
    assert_eq!(w.at("abuse@b.test", 0).await, to(&[chief]));
    let admin = w.account("admin@a.test", Role::DomainAdmin).await;
    w.account("admin2@a.test", Role::DomainAdmin).await;
    assert_eq!(w.at("postmaster+x@a.test", 0).await, to(&[admin]));
    assert_eq!(w.at("abuse@a.test", 0).await, to(&[admin]));
    let bare = w.app.accounts.bare_postmaster(0).await.unwrap();
    assert_eq!(bare, to(&[chief]));
    // An alias of that name goes before.
    w.alias("abuse@a.test", &["anna@a.test"]).await;
    assert_eq!(w.at("abuse@a.test", 0).await, to(&[user]));
    // A catch-all does not swallow them.
    w.alias("@b.test", &["zoe@b.test"]).await;
    assert_eq!(w.at("postmaster@b.test", 0).await, to(&[chief]));
    assert_eq!(w.at("other@b.test", 0).await, to(&[far_user]));
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_and_state_are_read_fresh() {
    let w = World::new().await;
    w.domain("a.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    let change = |change: AccountChange| {
        w.app
            .accounts
            .change_account(&w.host, anna, Box::leak(Box::new(change)))
    };
    change(AccountChange {
        quota_bytes: Some(1_000),
        ..AccountChange::default()
    })
    .await
    .unwrap();
    assert_eq!(w.at("anna@a.test", 1_000).await, to(&[anna]));
    assert_eq!(
        w.at("anna@a.test", 1_001).await,
        Recipient::TooLarge { limit_bytes: 1_000 }
    );
    w.db.tamper(
        "update account set used_bytes = 600, mail_bytes = 600 where account_id = $1",
        anna,
    )
    .await;
    assert_eq!(w.at("anna@a.test", 400).await, to(&[anna]));
    assert_eq!(w.at("anna@a.test", 401).await, Recipient::Full);
    change(AccountChange {
        is_enabled: Some(false),
        ..AccountChange::default()
    })
    .await
    .unwrap();
    assert_eq!(w.at("anna@a.test", 1).await, Recipient::Disabled);
    change(AccountChange {
        is_enabled: Some(true),
        ..AccountChange::default()
    })
    .await
    .unwrap();
    let off = DomainChange {
        is_enabled: Some(false),
        ..DomainChange::default()
    };
    w.app
        .accounts
        .change_domain(&w.host, "a.test", &off)
        .await
        .unwrap();
    assert_eq!(w.at("anna@a.test", 1).await, Recipient::Disabled);
}

/// S-26 and S-25: what lies outside a domain administrator's domain does not exist for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_administrator_reaches_the_own_domain_only() {
    let w = World::new().await;
    w.domain("a.test").await;
    w.domain("b.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    let bert = w.account("bert@b.test", Role::User).await;
    let chief = w.account("chief@a.test", Role::HostAdmin).await;
    let admin = w.account("admin@a.test", Role::DomainAdmin).await;
    let accounts = &w.app.accounts;
    let row = accounts.account(anna).await.unwrap();
    assert!(matches!(Actor::of(&row), Err(Refusal::NotAllowed)));
    let actor = Actor::of(&accounts.account(admin).await.unwrap()).unwrap();
    let rename = AccountChange {
        display_name: Some("X".to_owned()),
        ..AccountChange::default()
    };
    accounts
        .change_account(&actor, anna, &rename)
        .await
        .unwrap();
    assert!(
        accounts
            .set_password(&actor, anna, None)
            .await
            .unwrap()
            .is_some()
    );
    for account in [bert, AccountId(999_999)] {
        assert!(matches!(
            accounts.change_account(&actor, account, &rename).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            accounts.set_password(&actor, account, None).await,
            Err(Refusal::NotFound)
        ));
        assert!(matches!(
            accounts.delete_account(&actor, account).await,
            Err(Refusal::NotFound)
        ));
    }
    assert!(matches!(
        accounts.delete_account(&actor, chief).await,
        Err(Refusal::NotAllowed)
    ));
    let promote = AccountChange {
        role: Some(Role::HostAdmin),
        ..AccountChange::default()
    };
    assert!(matches!(
        accounts.change_account(&actor, anna, &promote).await,
        Err(Refusal::NotAllowed)
    ));
    let own = AccountChange {
        is_enabled: Some(false),
        ..AccountChange::default()
    };
    assert!(matches!(
        accounts.change_account(&actor, admin, &own).await,
        Err(Refusal::Invalid("own-account"))
    ));
    assert!(matches!(
        accounts.create_domain(&actor, "c.test").await,
        Err(Refusal::NotAllowed)
    ));
    for missing in ["b.test", "nowhere.test"] {
        assert!(matches!(
            accounts.domain(&actor, missing).await,
            Err(Refusal::NotFound)
        ));
        let alias = format!("x@{missing}");
        let refused = accounts
            .create_alias(&actor, &alias, &["anna@a.test"])
            .await;
        assert!(matches!(refused, Err(Refusal::NotFound)), "{refused:?}");
    }
    let seen = accounts.domains(&actor).await.unwrap();
    assert_eq!(
        seen.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(),
        ["a.test"]
    );
    let seen = accounts.accounts(&actor, None, "", 100).await.unwrap();
    assert!(seen.iter().all(|a| a.domain == "a.test") && seen.len() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_account_leaves_nothing_and_frees_its_address() {
    let w = World::new().await;
    w.domain("a.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    w.alias("info@a.test", &["anna@a.test"]).await;
    w.db.tamper(
        "insert into preference (account_id, name, value) values ($1, 'x', '1')",
        anna,
    )
    .await;
    w.app.accounts.delete_account(&w.host, anna).await.unwrap();
    assert_eq!(w.at("anna@a.test", 0).await, Recipient::Unknown);
    assert_eq!(w.at("info@a.test", 0).await, Recipient::Unknown);
    for table in OWNED_TABLES {
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select count(*) from {table} where account_id = $1"
        )))
        .bind(anna)
        .fetch_one(&w.db.pool)
        .await
        .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let again = w.account("anna@a.test", Role::User).await;
    assert_ne!(again, anna);
    // Every table that names an account is either emptied by name or by its foreign key.
    let named: Vec<String> = sqlx::query_scalar(
        "select c.table_name::text
           from information_schema.columns c
           join information_schema.tables t using (table_schema, table_name)
          where c.table_schema = 'postamt' and c.column_name = 'account_id' and t.table_type = 'BASE TABLE'
            and not exists (select
                              from pg_constraint f
                             where f.contype = 'f'
                               and f.conrelid = format('postamt.%I', c.table_name)::regclass
                               and f.confrelid = 'postamt.account'::regclass)
            and c.table_name <> 'account'",
    )
    .fetch_all(&w.db.pool)
    .await
    .unwrap();
    for table in &named {
        assert!(
            OWNED_TABLES.contains(&table.as_str()),
            "{table} is not emptied"
        );
    }
    assert_eq!(named.len(), OWNED_TABLES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_chain_and_tampering_shows() {
    let w = World::new().await;
    w.domain("a.test").await;
    let anna = w.account("anna@a.test", Role::User).await;
    let change = AccountChange {
        quota_bytes: Some(7),
        ..AccountChange::default()
    };
    w.app
        .accounts
        .change_account(&w.host, anna, &change)
        .await
        .unwrap();
    w.app
        .accounts
        .set_password(&w.host, anna, None)
        .await
        .unwrap();
    let domain = w.app.accounts.account(anna).await.unwrap().domain_id;
    let rows = w
        .app
        .accounts
        .audit(&w.host, Some(domain), None, 10)
        .await
        .unwrap();
    let actions: Vec<&str> = rows.iter().map(|r| r.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "account.password",
            "account.change",
            "account.create",
            "domain.create"
        ]
    );
    assert_eq!(rows[1].detail.0["quota"], format!("{} -> 7", 5_i64 << 30));
    assert!(w.app.accounts.audit_breaks().await.unwrap().is_empty());
    sqlx::query("update audit_event set detail = '{\"quota\": \"1 -> 7\"}' where event_id = $1")
        .bind(rows[1].event_id)
        .execute(&w.db.pool)
        .await
        .unwrap();
    assert_eq!(
        w.app.accounts.audit_breaks().await.unwrap(),
        [rows[1].event_id]
    );
}
