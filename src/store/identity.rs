//! Which store a directory holds: a file that is replaced whole, never changed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::StoreError;
use super::segment::VERSION;

/// The file's name.
pub(super) const FILE: &str = "identity.json";

/// What tells a store from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of the format.
    pub version: u32,
    /// Which store it is.
    pub store: Uuid,
    /// The node whose store it is.
    pub node: String,
    /// What decides which shard a channel is at home on. Clients must not know it.
    pub placement_secret: u64,
    /// How often a node has started on it.
    pub starts: u32,
}

/// Of what a later version may have changed, this stays.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

impl Identity {
    /// A new store of a node.
    pub(super) fn new(node: &str) -> Self {
        Self {
            version: VERSION,
            store: Uuid::new_v4(),
            node: node.to_owned(),
            placement_secret: rand::random(),
            starts: 0,
        }
    }

    /// Reads it from a directory; `None` where it has none.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(StoreError::io(&path, "it cannot be read"))?,
        };
        if let Ok(Versioned { version }) = serde_json::from_slice(&text)
            && version > VERSION
        {
            return Err(StoreError::Newer { path: directory.into(), version });
        }
        let identity = serde_json::from_slice(&text).map_err(|error| error.into());
        identity.map(Some).map_err(StoreError::io(path, "it is damaged; bring it back from a copy"))
    }

    /// Puts it into a directory, in the place of the one before.
    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let (path, new) = (directory.join(FILE), directory.join("identity.new"));
        let mut text = serde_json::to_vec_pretty(self).expect("an identity is plain data");
        text.push(b'\n');
        let write = || {
            // The secret is for the node alone.
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(StoreError::io(&path, "it cannot be written"))
    }
}
