//! Why a store cannot be used, for the person at the terminal, with what to do about it.

use std::io;
use std::path::PathBuf;

use super::catalog::Damage;
use super::segment::VERSION;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something could not be done with a file.
    #[error("{}: {what}: {error}{}", path.display(), hint(error))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        what: &'static str,
        /// Why it could not be.
        error: io::Error,
    },
    /// A node works in it.
    #[error(
        "{}: a node uses this directory; a second one needs another `store.path`, and `ringpost store` a node that has ended",
        path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// Nothing of ours is there, and it is not to be made.
    #[error("{}: there is no store", path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// The directory has other files.
    #[error("{}: there is no store here, but `{file}`: give `store.path` a directory of its own", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        file: String,
    },
    /// A later format.
    #[error("{}: the store is of format {version}, of a newer ringpost; this one reads format {VERSION}", path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Another node's.
    #[error(
        "{}: the store is of the node \"{of}\", and this one is \"{name}\": if it takes that one's place, set `name = \"{of}\"`; \
         otherwise give it a `store.path` of its own",
        path.display()
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        of: String,
        /// Who asks.
        name: String,
    },
    /// A network file system.
    #[error(
        "{}: this is a network file system ({kind}), where a sync may not reach a disk and a lock may not hold: give \
         `store.path` a local one",
        path.display()
    )]
    Network {
        /// The directory.
        path: PathBuf,
        /// Which one.
        kind: &'static str,
    },
    /// A file system that cannot write and sync at once.
    #[error("{}: the file system does not take writes with RWF_DSYNC: ext4 and XFS do", path.display())]
    NoDsync {
        /// The directory.
        path: PathBuf,
    },
    /// Something was lost or changed.
    #[error(
        "{}: the store is damaged: {damage}. Nothing was changed. `ringpost store check {}` tells all that is wrong. Bring a \
         copy of the directory back, or move it away to begin without what it holds",
        path.display(), path.display()
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        damage: Damage,
    },
}

impl StoreError {
    /// Something could not be done with a file.
    pub(super) fn io(path: impl Into<PathBuf>, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, what, error }
    }

    /// Whether there is no room on the disk, or in what a process may use of it.
    pub fn is_full(&self) -> bool {
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        matches!(self, Self::Io { error, .. } if kinds.contains(&error.kind()))
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ": each shard needs room for two segments (`store.segment_size`) at least"
        }
        io::ErrorKind::ReadOnlyFilesystem => ": mount it writable, or give another `store.path`",
        io::ErrorKind::PermissionDenied => {
            ": make it the node's user's, such as by StateDirectory= in the systemd unit"
        }
        _ => "",
    }
}
