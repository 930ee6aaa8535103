//! `ringpost cluster check`: whether Redis is one that nodes can use.

use std::process::ExitCode;

use clap::Args;

use crate::cli::findings;
use crate::cli::source::Source;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::link::Link;

/// Look at Redis: version, memory policy, persistence, replicas, coverage of a Cluster; load the Functions
///
/// Ends with code 1 if something would keep nodes from using it.
#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    source: Source,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.source.load()?;
        let redis = self.source.redis_of(&config)?;
        let link = Link::new(redis, None)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(examine(&link, redis));
        let words = findings::Words { fails: "nodes cannot use this Redis", well: "nodes can use this Redis" };
        findings::tell(&found, self.json, &words)
    }
}
