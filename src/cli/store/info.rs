//! `ringpost store info`: which store it is, and what it takes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::print::print;
use crate::store::Directory;

/// Tell whose store it is, and what it takes
#[derive(Debug, Args)]
pub(in crate::cli) struct Info {
    /// The directory, `store.path` of a node
    directory: PathBuf,
}

impl Info {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let directory = Directory::look(&self.directory)?;
        let identity = directory.identity();
        let mut text = format!(
            "store     {}\nnode      {}\nformat    {}\nstarts    {}\nspares    {}\n",
            identity.store,
            identity.node,
            identity.version,
            identity.starts,
            directory.spares().len()
        );
        let mut shards = BTreeMap::<(u16, u16), (u64, u64)>::new();
        for entry in directory.catalog().entries().filter(|entry| entry.has_begun) {
            let (segments, bytes) = shards.entry((entry.head.shards, entry.head.shard)).or_default();
            *segments += 1;
            *bytes += entry.head.size;
        }
        for ((shards, shard), (segments, bytes)) in shards {
            text += &format!("segments  {segments} of shard {shard} among {shards}, {bytes} bytes\n");
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
