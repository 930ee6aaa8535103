//! `ringpost cluster check`: whether Redis, and Kafka where there is one, are such that nodes can use them.

use std::process::ExitCode;

use clap::Args;

use crate::cli::findings;
use crate::cli::source::Source;
use crate::cluster::kafka;
use crate::cluster::redis::examine::examine;
use crate::cluster::redis::link::Link;

/// Look at Redis: version, memory policy, persistence, replicas, coverage of a Cluster; load the Functions; and at Kafka's topics
///
/// Ends with code 1 if something would keep nodes from using them.
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
        let mut found = runtime.block_on(examine(&link, redis));
        let words = match config.cluster.kafka.is_set() {
            true => {
                found.extend(runtime.block_on(kafka::examine::examine_for(&config)));
                findings::Words {
                    fails: "nodes cannot use this Redis and Kafka",
                    well: "nodes can use this Redis and Kafka",
                }
            }
            false => findings::Words { fails: "nodes cannot use this Redis", well: "nodes can use this Redis" },
        };
        findings::tell(&found, self.json, &words)
    }
}
