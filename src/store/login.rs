//! Log-ins: the failure counters and locks, known sources, log-in events, app passwords, second factors.
//!
//! The counters live in `login_failure`, a global table keyed by the compared name (existing or not) and the source. Each
//! row holds the times of its failures within the window, so the window slides exactly. A failure is counted by one
//! `insert .. on conflict .. returning` a counter, which has the last word: on a locked counter it changes nothing and says
//! so. All times are the database's. There is deliberately no function here that ends a lock.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::Store;
use super::audit::{self, AuditEntry};
use crate::error::StoreError;
use crate::model::{AccountId, DomainId, Protocol};

/// Who asks to come in, in the forms the counters are keyed by.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The compared user name.
    pub name: &'a str,
    /// The source's stored form.
    pub source: &'a str,
    /// The ActiveSync device, when there is one.
    pub eas_device: Option<&'a str>,
}

/// The numbers of `[lock]` the statements need.
#[derive(Debug, Clone, Copy)]
pub struct LockRules {
    /// Failures that lock a pair or a name.
    pub failures: i32,
    /// Minutes a lock lasts, and minutes a failure counts.
    pub minutes: i32,
    /// Failures that lock a source.
    pub source_failures: i32,
    /// Different names needed for that.
    pub source_names: i32,
    /// Failures that lock an office's source.
    pub office_failures: i32,
    /// Accounts that make an office.
    pub office_accounts: i32,
    /// How long a device stays known, in seconds.
    pub known_seconds: f64,
    /// Known sources kept.
    pub known_kept: i32,
}

/// Everything a decision needs, read by one statement: the account if there is one, and the three counters.
#[derive(Debug, Clone, FromRow)]
pub struct LoginState {
    /// The account of that name.
    pub account_id: Option<AccountId>,
    /// Its Argon2id hash.
    pub password_hash: Option<String>,
    /// The hash before it, while it is kept.
    pub previous_hash: Option<String>,
    /// Rises with every change that ends remembered log-ins.
    pub password_version: Option<i32>,
    /// Whether account and domain are switched on.
    pub is_enabled: Option<bool>,
    /// Whether a second factor is asked for.
    pub has_totp: Option<bool>,
    /// Whether the account logged in from this source, or this device synced, lately.
    pub is_known: bool,
    /// Seconds the pair of name and source stays locked.
    pub pair_locked: Option<i32>,
    /// Seconds the name stays locked for unknown devices.
    pub name_locked: Option<i32>,
    /// Seconds the source stays locked.
    pub source_locked: Option<i32>,
    /// The pair's failures that still count.
    pub pair_failures: i32,
    /// The name's failures that still count.
    pub name_failures: i32,
}

/// What counting a failure found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Counted {
    /// False: the counter was locked before, and nothing was changed.
    pub is_counted: bool,
    /// Failures that count now.
    pub failures: i32,
    /// Seconds the counter stays locked.
    pub locked: Option<i32>,
}

/// What a failure did to the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Name and source.
    pub pair: Counted,
    /// The name alone.
    pub name: Counted,
    /// The source alone.
    pub source: Counted,
}

/// A log-in as it is written down.
#[derive(Debug, Clone, Copy)]
pub struct LoginNote<'a> {
    /// The door.
    pub protocol: Protocol,
    /// The client's own name.
    pub client: &'a str,
}

/// A row of the sign-in history.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LoginEvent {
    /// Its place.
    pub event_id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// `ok`, `failed`, `locked`.
    pub outcome: String,
    /// The door.
    pub protocol: String,
    /// From where.
    pub source: String,
    /// The client's own name.
    pub client: String,
}

impl Store {
    /// Reads what a decision needs; on the global counters and the account of that name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn login_state(
        &self,
        who: Who<'_>,
        rules: &LockRules,
    ) -> Result<LoginState, StoreError> {
        let mut conn = self.pool().acquire().await?;
        login_state(&mut conn, who, rules).await
    }

    /// Counts a failure on the pair, then, unless that was locked before, on the name and the source; writes it down.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was counted.
    pub async fn count_failure(
        &self,
        who: Who<'_>,
        rules: &LockRules,
        account: Option<AccountId>,
        note: LoginNote<'_>,
    ) -> Result<Failure, StoreError> {
        let mut tx = self.pool().begin().await?;
        let pair = count(
            &mut tx,
            ("pair", who.name, who.source),
            (rules.failures, 1),
            who,
            rules,
        )
        .await?;
        if !pair.is_counted {
            tx.rollback().await?;
            return Ok(Failure {
                pair,
                name: pair,
                source: pair,
            });
        }
        let name = count(
            &mut tx,
            ("name", who.name, ""),
            (rules.failures, 1),
            who,
            rules,
        )
        .await?;
        let office: i64 = sqlx::query_scalar(
            "select count(distinct account_id)
               from known_source
              where source = $1
                and seen_at > now() - interval '7 days'",
        )
        .bind(who.source)
        .fetch_one(&mut *tx)
        .await?;
        let most = if office >= i64::from(rules.office_accounts) {
            rules.office_failures
        } else {
            rules.source_failures
        };
        let key = ("source", "", who.source);
        let source = count(&mut tx, key, (most, rules.source_names), who, rules).await?;
        let failure = Failure { pair, name, source };
        let is_locking = [pair, name, source]
            .iter()
            .any(|c| c.is_counted && c.locked.is_some());
        event(&mut tx, account, "failed", who, note, None).await?;
        let domain = domain_of(&mut tx, who.name).await?;
        // What is no account's name may be a password in the wrong field.
        let name_shown = account.map_or("unknown name", |_| who.name);
        let mut entry = AuditEntry::new(name_shown, "login.failed", name_shown)
            .with("protocol", note.protocol.word())
            .with("source", who.source);
        if is_locking {
            let locked: Vec<&str> = [("pair", pair), ("name", name), ("source", source)]
                .iter()
                .filter(|(_, c)| c.is_counted && c.locked.is_some())
                .map(|(scope, _)| *scope)
                .collect();
            entry.action = "login.locked";
            entry = entry
                .with("locks", locked.join(" "))
                .with("minutes", rules.minutes.to_string());
        }
        audit::append(&mut tx, domain, &entry).await?;
        tx.commit().await?;
        Ok(failure)
    }

    /// A right password came: resets the pair's counter, remembers the source, writes it down; unless a lock was set
    /// meanwhile, which is told by the state as it is now.
    ///
    /// `is_bound` says whether that state refuses.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was changed.
    pub async fn note_success(
        &self,
        who: Who<'_>,
        rules: &LockRules,
        account: AccountId,
        note: LoginNote<'_>,
        is_bound: impl FnOnce(&LoginState) -> bool,
    ) -> Result<LoginState, StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query(
            "delete from login_failure
              where scope = 'pair'
                and name = $1
                and source = $2
                and (locked_until is null or locked_until <= now())",
        )
        .bind(who.name)
        .bind(who.source)
        .execute(&mut *tx)
        .await?;
        // A statement of its own: it sees what was committed while the one above waited.
        let state = login_state(&mut tx, who, rules).await?;
        if is_bound(&state) || state.account_id != Some(account) {
            tx.rollback().await?;
            return Ok(state);
        }
        sqlx::query(
            "insert into known_source (account_id, source)
             values ($1, $2)
             on conflict (account_id, source) do update set seen_at = now()",
        )
        .bind(account)
        .bind(who.source)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "delete from known_source
              where account_id = $1
                and source in (select source
                                 from known_source
                                where account_id = $1
                                order by seen_at desc
                               offset $2)",
        )
        .bind(account)
        .bind(rules.known_kept)
        .execute(&mut *tx)
        .await?;
        // Mail clients come every few minutes; once an hour is enough to be told of them.
        let again = (note.protocol != Protocol::Web).then_some(60);
        if event(&mut tx, Some(account), "ok", who, note, again).await? {
            let domain = domain_of(&mut tx, who.name).await?;
            let entry = AuditEntry::new(who.name, "login.ok", who.name)
                .with("protocol", note.protocol.word())
                .with("source", who.source);
            audit::append(&mut tx, domain, &entry).await?;
        }
        tx.commit().await?;
        Ok(state)
    }

    /// Writes down that an attempt met a lock, once a minute for each door and source.
    ///
    /// Does as much for a name that is nobody's, and waits for no disk: the time tells nothing (S-22).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_locked(
        &self,
        who: Who<'_>,
        account: Option<AccountId>,
        note: LoginNote<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("set local synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
        event(&mut tx, account, "locked", who, note, Some(1)).await?;
        Ok(tx.commit().await?)
    }

    /// Puts a hash of today's parameters in the place of an older one of the same password; no log-in ends by it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew_hash(
        &self,
        account: AccountId,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update account set password_hash = $3 where account_id = $1 and password_hash = $2",
        )
        .bind(account)
        .bind(old)
        .bind(new)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// What open connections and remembered log-ins are compared with; none when the account is gone or switched off.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn password_version(&self, account: AccountId) -> Result<Option<i32>, StoreError> {
        Ok(sqlx::query_scalar(
            "select a.password_version
               from account a
               join mail_domain d on d.domain_id = a.domain_id
              where a.account_id = $1
                and a.deleted_at is null
                and a.is_enabled
                and d.is_enabled",
        )
        .bind(account)
        .fetch_optional(self.pool())
        .await?)
    }

    /// A page of an account's sign-in history before `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn login_events(
        &self,
        account: AccountId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<LoginEvent>, StoreError> {
        Ok(sqlx::query_as(
            "select event_id, at, outcome, protocol, source, client
               from login_event
              where account_id = $1
                and event_id < $2
              order by event_id desc
              limit $3",
        )
        .bind(account)
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// When the locks that concern a name end, the latest first, and how many failures count now: what an administrator
    /// sees. On the global counters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lock_shown(
        &self,
        name: &str,
        minutes: i32,
    ) -> Result<(Option<OffsetDateTime>, i64), StoreError> {
        Ok(sqlx::query_as(
            "select max(locked_until) filter (where locked_until > now()),
                    coalesce(max((select count(*)
                                    from unnest(failed_at) t
                                   where t > now() - make_interval(mins => $2))) filter (where scope = 'name'), 0)
               from login_failure
              where scope in ('pair', 'name')
                and name = $1",
        )
        .bind(name)
        .bind(minutes)
        .fetch_one(self.pool())
        .await?)
    }

    /// Drops what no decision looks at any more: counters without a lock and without failures in the window, sources and
    /// events older than they are shown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_logins(&self, rules: &LockRules, event_days: i32) -> Result<(), StoreError> {
        sqlx::query(
            "delete from login_failure
              where (locked_until is null or locked_until < now())
                and not exists (select from unnest(failed_at) t where t > now() - make_interval(mins => $1))",
        )
        .bind(rules.minutes)
        .execute(self.pool())
        .await?;
        sqlx::query("delete from known_source where seen_at < now() - make_interval(secs => $1)")
            .bind(rules.known_seconds)
            .execute(self.pool())
            .await?;
        sqlx::query("delete from login_event where at < now() - make_interval(days => $1)")
            .bind(event_days)
            .execute(self.pool())
            .await?;
        sqlx::query(
            "update account
                set previous_hash = null
              where previous_hash is not null
                and previous_until < now()",
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// A value the whole host shares, made by whichever node asks first; on the global settings.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared_value(&self, name: &str, proposed: &[u8]) -> Result<Vec<u8>, StoreError> {
        sqlx::query("insert into setting (name, value) values ($1, $2) on conflict do nothing")
            .bind(name)
            .bind(proposed)
            .execute(self.pool())
            .await?;
        Ok(
            sqlx::query_scalar("select value from setting where name = $1")
                .bind(name)
                .fetch_one(self.pool())
                .await?,
        )
    }
}

async fn login_state(
    conn: &mut PgConnection,
    who: Who<'_>,
    rules: &LockRules,
) -> Result<LoginState, StoreError> {
    Ok(sqlx::query_as(
        "select a.account_id, a.password_hash, a.password_version,
                case when a.previous_until > now() then a.previous_hash end as previous_hash,
                a.is_enabled and d.is_enabled as is_enabled,
                a.totp_secret is not null as has_totp,
                exists (select
                          from known_source k
                         where k.account_id = a.account_id
                           and k.source = $2
                           and k.seen_at > now() - make_interval(secs => $5))
                  or exists (select
                               from device v
                              where v.account_id = a.account_id
                                and v.device_id = $4
                                and v.synced_at > now() - make_interval(secs => $5)) as is_known,
                case when p.locked_until > now() then ceil(extract(epoch from p.locked_until - now()))::integer end as pair_locked,
                case when n.locked_until > now() then ceil(extract(epoch from n.locked_until - now()))::integer end as name_locked,
                case when s.locked_until > now() then ceil(extract(epoch from s.locked_until - now()))::integer end as source_locked,
                (select count(*)::integer from unnest(p.failed_at) t where t > now() - make_interval(mins => $3)) as pair_failures,
                (select count(*)::integer from unnest(n.failed_at) t where t > now() - make_interval(mins => $3)) as name_failures
           from (values ($1::text)) as q (name)
           left join account a on a.address = q.name and a.deleted_at is null
           left join mail_domain d on d.domain_id = a.domain_id
           left join login_failure p on p.scope = 'pair' and p.name = q.name and p.source = $2
           left join login_failure n on n.scope = 'name' and n.name = q.name and n.source = ''
           left join login_failure s on s.scope = 'source' and s.name = '' and s.source = $2",
    )
    .bind(who.name)
    .bind(who.source)
    .bind(rules.minutes)
    .bind(who.eas_device)
    .bind(rules.known_seconds)
    .fetch_one(conn)
    .await?)
}

/// One counter: `key` is its scope, name and source; `most` how many failures, over how many names, lock it.
async fn count(
    conn: &mut PgConnection,
    key: (&str, &str, &str),
    most: (i32, i32),
    who: Who<'_>,
    rules: &LockRules,
) -> Result<Counted, StoreError> {
    Ok(sqlx::query_as(
        "insert into login_failure as f (scope, name, source, failed_at, failed_name, locked_until)
         values ($1, $2, $3, array[now()], array[$7::text],
                 case when $5::integer <= 1 and $6::integer <= 1 then now() + make_interval(mins => $4) end)
         on conflict (scope, name, source) do update
            set (failed_at, failed_name, locked_until) =
                (select case when f.locked_until > now() then f.failed_at else r.times || now() end,
                        case when f.locked_until > now() then f.failed_name else r.names || $7::text end,
                        case when f.locked_until > now() then f.locked_until
                             when cardinality(r.times) + 1 >= $5::integer
                              and (select count(distinct x) from unnest(r.names || $7::text) x) >= $6::integer
                             then now() + make_interval(mins => $4)
                        end
                   from (select coalesce(array_agg(u.failed_at order by u.n), '{}') as times,
                                coalesce(array_agg(u.name order by u.n), '{}') as names
                           from unnest(f.failed_at, f.failed_name) with ordinality as u (failed_at, name, n)
                          where u.failed_at > now() - make_interval(mins => $4)) r)
         returning failed_at[cardinality(failed_at)] = now() as is_counted,
                   cardinality(failed_at) as failures,
                   case when locked_until > now() then ceil(extract(epoch from locked_until - now()))::integer end as locked",
    )
    .bind(key.0)
    .bind(key.1)
    .bind(key.2)
    .bind(rules.minutes)
    .bind(most.0)
    .bind(most.1)
    .bind(who.name)
    .fetch_one(conn)
    .await?)
}

/// Adds to the sign-in history, unless the same was written down within `again` minutes; nothing for nobody.
async fn event(
    conn: &mut PgConnection,
    account: Option<AccountId>,
    outcome: &str,
    who: Who<'_>,
    note: LoginNote<'_>,
    again: Option<i32>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into login_event (account_id, outcome, protocol, source, client)
         select $1, $2, $3, $4, $5
          where $1::bigint is not null
            and not exists (select
                              from login_event
                             where account_id = $1
                               and at > now() - make_interval(mins => $6)
                               and outcome = $2
                               and protocol = $3
                               and source = $4
                               and client = $5)",
    )
    .bind(account)
    .bind(outcome)
    .bind(note.protocol.word())
    .bind(who.source)
    .bind(note.client)
    .bind(again.unwrap_or(0))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The domain whose audit chain a name belongs to; the host's own when it is none of ours.
async fn domain_of(conn: &mut PgConnection, name: &str) -> Result<Option<DomainId>, StoreError> {
    Ok(
        sqlx::query_scalar("select domain_id from mail_domain where name = $1")
            .bind(name.rsplit_once('@').map_or("", |(_, domain)| domain))
            .fetch_optional(conn)
            .await?,
    )
}
