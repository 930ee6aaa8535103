//! A Redis as nodes need it, of which nothing lasts.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::server::{Server, free_address};

/// Starts one on the core of this thread; where it listens.
pub(crate) fn start(folder: &Path) -> anyhow::Result<(Server, SocketAddr)> {
    let address = free_address()?;
    let mut redis = Command::new("redis-server");
    redis.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(folder);
    Ok((Server::start(redis, address)?, address))
}
