//! One `PostgreSQL` cluster a test program, in a temporary folder, reached by unix socket only.
//!
//! A shell runs it and reads from a pipe of ours: the pipe closes when this process is gone, for whatever reason, and the
//! shell stops the server and removes the folder. All of it runs as the user `postgres` when the tests run as root.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postamt::store::{OpenOptions, SessionLimits, Store};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{mpsc, oneshot};

/// The superuser of the test cluster.
pub const ROLE: &str = "postamt";
const TEMPLATE: &str = "postamt_template";

/// The cluster of this test program.
pub struct TestCluster {
    socket: PathBuf,
    jobs: mpsc::UnboundedSender<Job>,
    _shell: Child,
    _pipe: ChildStdin,
}

enum Job {
    Create(oneshot::Sender<String>),
    Drop(String),
}

static CLUSTER: OnceLock<TestCluster> = OnceLock::new();
static DURABLE: AtomicBool = AtomicBool::new(false);

impl TestCluster {
    /// For benches, before the first use: commits are flushed, and the data lies in `/var/tmp`, which is on a disk.
    pub fn make_durable() {
        DURABLE.store(true, Ordering::Relaxed);
    }

    /// The cluster; the first caller starts it.
    pub fn get() -> &'static Self {
        CLUSTER.get_or_init(Self::start)
    }

    /// How to connect; the caller names the database.
    pub fn options(&self) -> PgConnectOptions {
        connect_options(&self.socket)
    }

    /// Where its unix socket is.
    pub fn socket_folder(&self) -> &Path {
        &self.socket
    }

    /// A copy of the migrated template.
    pub async fn create_database(&self) -> String {
        let (reply, name) = oneshot::channel();
        self.jobs.send(Job::Create(reply)).unwrap();
        name.await.expect("the database clerk lives")
    }

    /// Drops a database, sooner or later.
    pub fn drop_database(&self, name: &str) {
        self.jobs.send(Job::Drop(name.to_owned())).ok();
    }

    fn start() -> Self {
        let durable = DURABLE.load(Ordering::Relaxed);
        let above = if durable { "/var/tmp" } else { "/tmp" };
        let folder = PathBuf::from(format!("{above}/postamt-test-{:x}", rand::random::<u64>()));
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(SCRIPT)
            .arg("postamt-test-cluster")
            .arg(&folder)
            .arg(programs())
            .arg(ROLE)
            .arg(if durable { "on" } else { "off" })
            .current_dir("/tmp")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        if rustix::process::geteuid().is_root() {
            shell.uid(id_of_postgres("-u")).gid(id_of_postgres("-g"));
        }
        let mut shell = shell.spawn().expect("sh starts");
        let pipe = shell.stdin.take().expect("stdin is piped");
        let mut said = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("the shell speaks");
        assert_eq!(line, "ready\n", "PostgreSQL did not start");
        let (jobs, todo) = mpsc::unbounded_channel();
        let socket = folder.clone();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(clerk(&socket, todo));
        });
        Self {
            socket: folder,
            jobs,
            _shell: shell,
            _pipe: pipe,
        }
    }
}

/// Makes the template, then makes and drops databases one by one: `create database` bears no neighbour on its template.
async fn clerk(socket: &Path, mut todo: mpsc::UnboundedReceiver<Job>) {
    let mut conn = PgConnection::connect_with(&connect_options(socket).database("postgres"))
        .await
        .expect("the test cluster answers");
    run(&mut conn, format!("create database {TEMPLATE}")).await;
    let store = Store::open(OpenOptions {
        connect: connect_options(socket).database(TEMPLATE),
        max_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        session: SessionLimits::default(),
    })
    .await
    .expect("the template opens");
    store.migrate().await.expect("the migrations run");
    store.close().await;
    let mut made = 0_u32;
    while let Some(job) = todo.recv().await {
        match job {
            Job::Create(reply) => {
                made += 1;
                let name = format!("test_{made}");
                run(
                    &mut conn,
                    format!("create database {name} template {TEMPLATE}"),
                )
                .await;
                reply.send(name).ok();
            }
            Job::Drop(name) => {
                run(&mut conn, format!("drop database {name} with (force)")).await;
            }
        }
    }
}

async fn run(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(conn)
        .await
        .expect("a statement of the clerk");
}

fn connect_options(socket: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .username(ROLE)
}

/// The newest `PostgreSQL` programs of this machine.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .filter_map(|v| {
            let number: u32 = v.file_name().to_str()?.parse().ok()?;
            let bin = v.path().join("bin");
            bin.join("initdb").exists().then_some((number, bin))
        })
        .max()
        .map_or_else(|| PathBuf::from("/usr/bin"), |(_, bin)| bin)
}

fn id_of_postgres(what: &str) -> u32 {
    let out = Command::new("id")
        .arg(what)
        .arg("postgres")
        .output()
        .expect("id runs");
    String::from_utf8(out.stdout)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .expect("a user named postgres")
}

/// `$1` the folder, `$2` the programs, `$3` the superuser, `$4` whether commits are flushed. Says `ready`, lives until its standard input ends.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
folder=$1 bin=$2
umask 077
mkdir "$folder" || exit 1
"$bin/initdb" --no-sync --auth=trust --encoding=UTF8 --locale=C.UTF-8 --username="$3" -D "$folder/data" \
    >"$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }
"$bin/postgres" -D "$folder/data" -c listen_addresses= -c unix_socket_directories="$folder" -c max_connections=500 \
    -c fsync="$4" -c full_page_writes="$4" -c shared_buffers=64MB -c max_wal_size=512MB -c autovacuum_naptime=5s \
    </dev/null >>"$folder/log" 2>&1 &
server=$!
until "$bin/pg_isready" -q -h "$folder" -d postgres -U "$3"; do
    kill -0 $server 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.05
done
echo ready
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$folder"
"#;
