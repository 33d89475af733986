//! What the schema promises (DESIGN.md 5), read from PostgreSQL's own catalogue: `account_id` leads, deletion reaches every
//! table, instants are instants, nothing is hidden in triggers.

mod common;

use std::collections::BTreeSet;

use common::TestDb;
use postamt::store::account::admin::OWNED_TABLES;

/// Tables that belong to the host, not to an account: small, or led by what they are asked for. An `account_id` in them
/// is a reference that the database follows itself when an account goes.
const GLOBAL: [&str; 20] = [
    "account",
    "address",
    "audit_event",
    "certificate",
    "delivery_seen",
    "domain_grant",
    "job",
    "kept_sender",
    "known_source",
    "login_failure",
    "mail_domain",
    "outbound",
    "outbound_chunk",
    "outbound_recipient",
    "secret_link",
    "session",
    "setting",
    "spool",
    "upkeep",
    "_sqlx_migrations",
];

async fn words(db: &TestDb, sql: &'static str) -> BTreeSet<String> {
    sqlx::query_scalar::<_, String>(sql)
        .fetch_all(&db.pool)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[tokio::test]
async fn every_table_is_global_by_name_or_owned_by_an_account() {
    let db = TestDb::new().await;
    let all = words(
        &db,
        "select relname from pg_class where relnamespace = 'postamt'::regnamespace and relkind in ('r', 'p')",
    )
    .await;
    let global = set(&GLOBAL);
    let owned: BTreeSet<String> = all.difference(&global).cloned().collect();
    assert_eq!(
        owned,
        set(&OWNED_TABLES),
        "owned tables and those that deletion empties"
    );
    assert!(
        global.is_subset(&all),
        "no name here of a table that is gone"
    );
    let with_account = words(
        &db,
        "select c.relname
           from pg_class c
           join pg_attribute a on a.attrelid = c.oid and a.attname = 'account_id' and a.attnotnull
          where c.relnamespace = 'postamt'::regnamespace
            and c.relkind in ('r', 'p')",
    )
    .await;
    assert!(
        owned.is_subset(&with_account),
        "an owner in every owned table: {:?}",
        owned.difference(&with_account)
    );
}

#[tokio::test]
async fn account_id_leads_the_primary_key_and_every_index_of_an_owned_table() {
    let db = TestDb::new().await;
    let indexes: Vec<(String, String, bool, String)> = sqlx::query_as(
        "select t.relname, i.relname, x.indisprimary, pg_get_indexdef(i.oid, 1, true)
           from pg_index x
           join pg_class i on i.oid = x.indexrelid
           join pg_class t on t.oid = x.indrelid
          where t.relnamespace = 'postamt'::regnamespace",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    let mut with_key = BTreeSet::new();
    for (table, index, is_primary, first) in indexes {
        if GLOBAL.contains(&table.as_str()) {
            continue;
        }
        assert_eq!(first, "account_id", "first column of {index} on {table}");
        if is_primary {
            with_key.insert(table);
        }
    }
    assert_eq!(
        with_key,
        set(&OWNED_TABLES),
        "a primary key on every owned table"
    );
}

#[tokio::test]
async fn a_reference_to_an_account_is_followed_when_it_goes_and_is_not_on_the_delivery_path() {
    let db = TestDb::new().await;
    let references: Vec<(String, String)> = sqlx::query_as(
        "select r.relname, k.confdeltype::text
           from pg_constraint k
           join pg_class r on r.oid = k.conrelid
          where k.contype = 'f'
            and k.confrelid = 'postamt.account'::regclass",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    for (table, action) in &references {
        assert!(
            GLOBAL.contains(&table.as_str()),
            "{table} would lock the account's row with every insert"
        );
        assert!(
            ["c", "n"].contains(&action.as_str()),
            "{table}: cascade or set null, not {action}"
        );
    }
    let referring: BTreeSet<String> = references.into_iter().map(|(table, _)| table).collect();
    let global_with_account = words(
        &db,
        "select c.relname
           from pg_class c
           join pg_attribute a on a.attrelid = c.oid and a.attname = 'account_id'
          where c.relnamespace = 'postamt'::regnamespace
            and c.relkind = 'r'",
    )
    .await;
    for table in GLOBAL
        .iter()
        .filter(|t| **t != "account" && global_with_account.contains(**t))
    {
        assert!(
            referring.contains(*table),
            "{table} keeps rows of a deleted account"
        );
    }
}

#[tokio::test]
async fn instants_have_a_zone_and_say_that_they_are_instants() {
    let db = TestDb::new().await;
    let naive = words(
        &db,
        "select table_name || '.' || column_name
           from information_schema.columns
          where table_schema = 'postamt'
            and data_type in ('timestamp without time zone', 'date', 'time without time zone', 'time with time zone')",
    )
    .await;
    assert_eq!(naive, BTreeSet::new());
    let unnamed = words(
        &db,
        "select table_name || '.' || column_name
           from information_schema.columns
          where table_schema = 'postamt'
            and udt_name in ('timestamptz', '_timestamptz')
            and table_name <> '_sqlx_migrations'
            and column_name !~ '(^|_)(at|until|after)$'",
    )
    .await;
    assert_eq!(
        unnamed,
        BTreeSet::new(),
        "an instant's name ends in at, until or after"
    );
}

#[tokio::test]
async fn sizes_ids_and_numbers_are_wide_enough() {
    let db = TestDb::new().await;
    let narrow = words(
        &db,
        "select table_name || '.' || column_name || ' ' || data_type
           from information_schema.columns
          where table_schema = 'postamt'
            and (column_name ~ '_bytes$' or column_name ~ '(^|_)modseq$' or column_name ~ '^(account|folder|collection|item|email|body|thread|queue|draft|first|last|parent)_id$')
            and data_type <> 'bigint'",
    )
    .await;
    assert_eq!(narrow, BTreeSet::new());
}

#[tokio::test]
async fn a_counter_cannot_fall_below_zero() {
    let db = TestDb::new().await;
    let counters = [
        ("account", "used_bytes"),
        ("account", "mail_bytes"),
        ("account", "calendar_bytes"),
        ("account", "contact_bytes"),
        ("account", "task_bytes"),
        ("account", "note_bytes"),
        ("folder", "message_count"),
        ("folder", "unseen_count"),
        ("folder", "total_bytes"),
        ("collection", "item_count"),
        ("collection", "total_bytes"),
        ("folder_thread", "unseen"),
        ("folder_thread", "starred"),
        ("folder_thread", "attachments"),
    ];
    let checks = words(
        &db,
        "select r.relname || ' ' || pg_get_constraintdef(k.oid)
           from pg_constraint k
           join pg_class r on r.oid = k.conrelid
          where k.contype = 'c'
            and r.relnamespace = 'postamt'::regnamespace",
    )
    .await;
    for (table, column) in counters {
        let rule = format!("{table} CHECK (({column} >= 0))");
        assert!(checks.contains(&rule), "{rule}");
    }
    assert!(
        checks
            .iter()
            .any(|c| c.starts_with("account CHECK ((used_bytes = (((")),
        "used_bytes is the sum of its kinds: {checks:?}"
    );
}

#[tokio::test]
async fn nothing_is_hidden_in_the_database() {
    let db = TestDb::new().await;
    for (what, sql) in [
        (
            "triggers",
            "select tgname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'postamt'::regnamespace and not tgisinternal",
        ),
        (
            "views",
            "select relname::text from pg_class where relnamespace = 'postamt'::regnamespace and relkind in ('v', 'm')",
        ),
        (
            "functions",
            "select p.proname::text
               from pg_proc p
              where p.pronamespace = 'postamt'::regnamespace
                and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')",
        ),
    ] {
        assert_eq!(words(&db, sql).await, BTreeSet::new(), "{what}");
    }
}

#[tokio::test]
async fn stored_bytes_are_not_compressed_again() {
    let db = TestDb::new().await;
    let storage = words(
        &db,
        "select c.relname || ' ' || a.attstorage::text
           from pg_class c
           join pg_attribute a on a.attrelid = c.oid
          where c.relnamespace = 'postamt'::regnamespace
            and c.relname in ('body_chunk', 'spool', 'outbound_chunk')
            and a.attname = 'bytes'",
    )
    .await;
    assert_eq!(
        storage,
        set(&["body_chunk e", "outbound_chunk e", "spool e"])
    );
}

#[tokio::test]
async fn deleting_an_account_leaves_nothing_of_it() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let bob = db.account("bob@x.test", 1 << 20).await;
    for account in [&anna, &bob] {
        db.deliver(
            account,
            account.inbox(),
            &common::fixtures::Letter::subject("Hello"),
        )
        .await;
    }
    db.tamper(
        "update account set deleted_at = now() where account_id = $1",
        anna.id,
    )
    .await;
    assert_eq!(db.store.deleted_accounts().await.unwrap(), [anna.id]);
    db.store.purge_account(anna.id).await.unwrap();
    let mut left = Vec::new();
    for table in OWNED_TABLES.into_iter().chain([
        "account",
        "address",
        "session",
        "delivery_seen",
        "known_source",
    ]) {
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select count(*) from {table} where account_id = $1"
        )))
        .bind(anna.id)
        .fetch_one(&db.pool)
        .await
        .unwrap();
        if count > 0 {
            left.push((table, count));
        }
    }
    assert_eq!(left, []);
    db.assert_adds_up(bob.id).await;
    assert_eq!(
        db.number("select count(*) from message where account_id = $1", bob.id)
            .await,
        1
    );
}
