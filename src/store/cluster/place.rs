//! The folders of one data folder: who owns them, who holds their lock, what is kept secret in them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{ClusterError, Settings};

/// The folders of one data folder, and who owns them.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) owner: Option<Owner>,
}

/// The unprivileged user that runs PostgreSQL when we are root.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Place {
    pub(super) fn prepare(settings: &Settings) -> Result<Self, ClusterError> {
        let root = rustix::process::geteuid().is_root();
        // As root the folder is passed through by PostgreSQL's user; what is secret in it is closed by itself.
        let mode = if root { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&settings.folder)
            .map_err(io_error("cannot make the data folder", &settings.folder))?;
        let folder = fs::canonicalize(&settings.folder)
            .map_err(io_error("cannot find the data folder", &settings.folder))?;
        let cluster = folder.join("pg");
        let owner = if root {
            let owner = Owner::choose(settings.user.as_deref(), &cluster)?;
            owner.check_can_enter(&folder)?;
            Some(owner)
        } else {
            None
        };
        Ok(Self {
            folder,
            cluster,
            owner,
        })
    }

    pub(super) fn lock(&self) -> Result<File, ClusterError> {
        let path = self.folder.join("postamt.lock");
        let fail = io_error("cannot lock", &path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(&fail)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).map_err(&fail)?;
                file.rewind().map_err(&fail)?;
                writeln!(file, "{}", std::process::id()).map_err(&fail)?;
                Ok(file)
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(&fail)?;
                let who = match pid.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                Err(ClusterError::InUse {
                    folder: self.folder.clone(),
                    who,
                })
            }
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }

    /// The major version that made the cluster; none when there is no cluster yet.
    pub(super) fn made_by(&self) -> Result<Option<u32>, ClusterError> {
        let path = self.cluster.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("cannot read", &path)(error)),
        }
    }

    pub(super) fn read_password(&self) -> Result<Option<String>, ClusterError> {
        let path = self.folder.join("pg.password");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("cannot read", &path)(error)),
        }
    }

    /// The role's password: the one on disk, or a new one while there is no cluster yet.
    pub(super) fn password(&self) -> Result<String, ClusterError> {
        let path = self.folder.join("pg.password");
        if let Some(password) = self.read_password()? {
            return Ok(password);
        }
        if self.cluster.exists() {
            return Err(ClusterError::NoPassword { path });
        }
        let password = random_hex();
        write_secret(&path, &password)?;
        Ok(password)
    }

    /// Makes the folder of the socket, closed to all but PostgreSQL's user.
    pub(super) fn socket_folder(&self) -> Result<PathBuf, ClusterError> {
        let near = self.folder.join("run");
        let folder = if near.as_os_str().len() + SOCKET_NAME.len() < SOCKET_PATH_LIMIT {
            near
        } else {
            let digest = Sha256::digest(self.folder.as_os_str().as_encoded_bytes());
            let name = hex(digest.iter().take(8));
            let parent = if self.owner.is_some() { "/run" } else { "/tmp" };
            Path::new(parent).join(format!("postamt-{name}"))
        };
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => self.give(&folder)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("cannot make", &folder)(error)),
        }
        let found = fs::symlink_metadata(&folder).map_err(io_error("cannot look at", &folder))?;
        let wanted = self
            .owner
            .as_ref()
            .map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
        if !found.is_dir() || found.uid() != wanted || found.permissions().mode() & 0o077 != 0 {
            return Err(ClusterError::ForeignSocketFolder { path: folder });
        }
        Ok(folder)
    }

    /// The socket folder that the running postmaster wrote down (line 5 of its pid file).
    pub(super) fn recorded_socket(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.cluster.join("postmaster.pid")).ok()?;
        text.lines()
            .nth(4)
            .filter(|line| !line.is_empty())
            .map(PathBuf::from)
    }

    /// Gives a path to PostgreSQL's user when we are root.
    pub(super) fn give(&self, path: &Path) -> Result<(), ClusterError> {
        match &self.owner {
            Some(owner) => std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid))
                .map_err(io_error("cannot give away", path)),
            None => Ok(()),
        }
    }
}

impl Owner {
    fn choose(configured: Option<&str>, cluster: &Path) -> Result<Self, ClusterError> {
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if let Some(name) = configured {
            return Self::named(&users, name).ok_or_else(|| ClusterError::NoUser {
                wanted: name.to_owned(),
            });
        }
        if let Ok(found) = fs::metadata(cluster)
            && found.uid() != 0
        {
            let name = format!("with number {}", found.uid());
            return Ok(Self {
                name,
                uid: found.uid(),
                gid: found.gid(),
            });
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::named(&users, name))
            .ok_or_else(|| ClusterError::NoUser {
                wanted: "postgres".to_owned(),
            })
    }

    /// A line of passwd(5): name, password, uid, gid, …
    fn named(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self {
                name: name.to_owned(),
                uid,
                gid,
            })
        })
    }

    fn check_can_enter(&self, folder: &Path) -> Result<(), ClusterError> {
        for step in folder.ancestors() {
            let found = fs::metadata(step).map_err(io_error("cannot look at", step))?;
            let mode = found.permissions().mode();
            let open = if found.uid() == self.uid {
                mode & 0o100
            } else if found.gid() == self.gid {
                mode & 0o010
            } else {
                mode & 0o001
            };
            if open == 0 {
                return Err(ClusterError::Closed {
                    user: self.name.clone(),
                    closed: step.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn random_hex() -> String {
    hex(rand::random::<[u8; 24]>().iter())
}

fn hex<'a>(octets: impl Iterator<Item = &'a u8>) -> String {
    octets.fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// Writes a file only we can read, whole or not at all.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<(), ClusterError> {
    let fail = io_error("cannot write", path);
    let draft = path.with_extension("part");
    if draft.exists() {
        fs::remove_file(&draft).map_err(&fail)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(&fail)?;
    writeln!(file, "{text}").map_err(&fail)?;
    file.sync_all().map_err(&fail)?;
    fs::rename(&draft, path).map_err(&fail)
}

pub(super) fn sync_folder(path: &Path) -> Result<(), ClusterError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("cannot sync", path))
}

pub(super) fn io_error<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> ClusterError + 'a {
    move |source| ClusterError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

const SOCKET_NAME: &str = "/.s.PGSQL.5432.lock";
/// `sun_path` holds 108 octets with its final zero.
const SOCKET_PATH_LIMIT: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:105:113:PostgreSQL:/var/lib:/bin/sh\n";
        let owner = Owner::named(users, "postgres").unwrap();
        assert_eq!((owner.uid, owner.gid), (105, 113));
        assert!(Owner::named(users, "root").is_none(), "never root");
        assert!(Owner::named(users, "postgre").is_none());
    }
}
