//! A node: its shards and its control plane, from the first listener to the last goodbye.

use std::net::SocketAddr;

use crate::config::{Config, ConfigError};

/// Reads the configuration again, for SIGHUP.
pub type Reload = Box<dyn Fn() -> Result<Config, ConfigError> + Send>;

/// A node that runs.
#[derive(Debug)]
pub struct Node {
    /// Where the HTTP port listens.
    pub http_address: SocketAddr,
    /// Where the TCP port listens, if it does.
    pub tcp_address: Option<SocketAddr>,
    /// The core of each shard.
    pub cores: Vec<usize>,
}

impl Node {
    /// Binds the ports and starts shards and control plane.
    ///
    /// # Errors
    /// What the host lacks, with how to give it.
    pub fn start(config: Config, reload: Reload) -> anyhow::Result<Self> {
        let _ = (config, reload);
        anyhow::bail!("not yet")
    }

    /// Waits until the node has ended: after SIGTERM or SIGINT, or [`Node::stop`].
    ///
    /// # Errors
    /// When a shard or the control plane failed.
    pub fn wait(self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Begins the drain, as SIGTERM does.
    pub fn stop(&self) {}
}
