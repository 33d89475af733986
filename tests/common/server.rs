//! The whole program in this process: every door on a free loopback port, a database and a data folder of its own.
//!
//! ```ignore
//! let server = TestServer::start().await;
//! let mx = server.addresses().mx[0];
//! server.stop().await;                    // gracefully; dropping it just drops everything
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postamt::config::{Config, Secret};
use postamt::net::outbound::{Demand, connector};
use postamt::server::{self, Addresses, Running};
use postamt::service::App;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TestDb;

/// A running program.
pub struct TestServer {
    /// Its database.
    pub db: Arc<TestDb>,
    /// Its data folder.
    pub folder: PathBuf,
    running: Option<Running>,
}

impl TestServer {
    /// A program with the settings of tests.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(Arc::new(TestDb::new().await), change).await
    }

    /// A program on a database that is there already: a second node.
    pub async fn start_on(db: Arc<TestDb>, change: impl FnOnce(&mut Config)) -> Self {
        let folder =
            std::env::temp_dir().join(format!("postamt-server-{:x}", rand::random::<u64>()));
        let mut config = settings(&db, &folder);
        change(&mut config);
        let running = server::start(config).await.unwrap();
        Self {
            db,
            folder,
            running: Some(running),
        }
    }

    /// Where its doors are.
    pub fn addresses(&self) -> &Addresses {
        self.running().addresses()
    }

    /// The port of the pages.
    pub fn https(&self) -> SocketAddr {
        self.addresses().https[0]
    }

    /// Its services.
    pub fn app(&self) -> &App {
        self.running().app()
    }

    /// The program itself.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("not stopped")
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(mut self) {
        self.running.take().expect("not stopped").stop().await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Free ports, the tests' database, hashes that cost a third, a short patience at the end.
pub fn settings(db: &TestDb, folder: &Path) -> Config {
    let mut config = Config::on_free_ports(folder);
    config.database.url = Some(Secret::new(db.url()));
    // The cluster of the tests trades durability for speed.
    config.database.allow_unsafe = true;
    config.server.stop_timeout = Duration::from_secs(5);
    config.password.memory_kib = 19_456;
    config
}

/// A TLS connection to a door that speaks it first; any certificate will do.
pub async fn tls(address: SocketAddr, alpn: &[u8]) -> TlsStream<TcpStream> {
    let (any, _) = connector(Demand::Any).unwrap();
    let mut config = (**any.config()).clone();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}
