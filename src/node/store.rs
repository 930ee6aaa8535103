//! The store of a node.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use signal_hook::consts::SIGXFSZ;

use crate::config::Config;
use crate::hub::Placement;
use crate::shard::ShardStore;
use crate::store::files::{Files, FilesHandle, Layout, Open};
use crate::store::{Directory, StoreError};

/// The store of a node, before its shards have it.
pub(super) struct NodeStore {
    pub(super) directory: Arc<Directory>,
    files: Files,
    firsts: Vec<Open>,
}

impl NodeStore {
    /// Opens the directory and makes a segment for each shard; `None` where the node has no store.
    pub(super) fn open(config: &Config, shards: usize) -> anyhow::Result<Option<Self>> {
        if !config.store.is_set() {
            return Ok(None);
        }
        // A limit of a file's size is as a full disk, not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default()).context("signals cannot be caught")?;
        let open = || {
            let directory = Arc::new(Directory::open(Path::new(&config.store.path), &config.name)?);
            let layout = Layout {
                shards: shards as u16,
                segment_size: config.store.segment_size,
                max_size: config.store.max_size,
            };
            let mut files = Files::new(directory.clone(), layout);
            let firsts = (0..layout.shards).map(|shard| files.prepare(shard)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Self { directory, files, firsts })
        };
        open().map(Some).context("store.path")
    }

    /// Each shard's part, and the thread of the files.
    pub(super) fn share(self, placement: &Placement) -> anyhow::Result<(Vec<ShardStore>, Option<JoinHandle<()>>)> {
        let (files, thread) = FilesHandle::start(self.files).context("no thread for the store")?;
        let part = |first| ShardStore {
            directory: self.directory.clone(),
            files: files.clone(),
            first,
            placement: placement.clone(),
        };
        Ok((self.firsts.into_iter().map(part).collect(), Some(thread)))
    }
}
