//! A wire between a program and its database that can be cut, and mended again.

use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::common::TestDb;
use crate::common::cluster::TestCluster;

/// The wire.
pub struct Relay {
    folder: PathBuf,
    cut: CancellationToken,
}

impl Relay {
    /// A whole wire to the tests' cluster.
    pub fn new() -> Self {
        let name = format!("postamt-relay-{:x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut relay = Self {
            folder,
            cut: CancellationToken::new(),
        };
        relay.mend();
        relay
    }

    /// The database behind it.
    pub fn url(&self, db: &TestDb) -> String {
        let direct = TestCluster::get().socket_folder().display().to_string();
        let url = db
            .url()
            .replace(&direct, &self.folder.display().to_string());
        assert_ne!(url, db.url());
        url
    }

    /// All connections break, and no new one is taken.
    pub fn cut(&mut self) {
        std::fs::remove_file(self.folder.join(SOCKET)).unwrap();
        self.cut.cancel();
    }

    /// Connections are taken again.
    pub fn mend(&mut self) {
        self.cut = CancellationToken::new();
        let listener = UnixListener::bind(self.folder.join(SOCKET)).unwrap();
        let behind = TestCluster::get().socket_folder().join(SOCKET);
        tokio::spawn(take(listener, behind, self.cut.clone()));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut.cancel();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

async fn take(listener: UnixListener, behind: PathBuf, cut: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = cut.cancelled() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        tokio::spawn(pass(stream, behind.clone(), cut.clone()));
    }
}

async fn pass(mut here: UnixStream, behind: impl AsRef<Path>, cut: CancellationToken) {
    let Ok(mut there) = UnixStream::connect(behind).await else {
        return;
    };
    tokio::select! {
        () = cut.cancelled() => {}
        _ = tokio::io::copy_bidirectional(&mut here, &mut there) => {}
    }
}

const SOCKET: &str = ".s.PGSQL.5432";
