//! The control plane: one tokio thread beside the shards.

pub mod order;

use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::hub::Home;
use crate::shard::handle::ShardHandle;
use order::Errand;

/// What the control plane is made of.
pub struct ControlSetup {
    pub config: Arc<Config>,
    pub reload: crate::node::Reload,
    pub shards: Vec<ShardHandle>,
    pub home: Home,
    pub errands: flume::Receiver<Errand>,
    pub stop: flume::Receiver<()>,
    pub started: SystemTime,
}
/// placeholder
pub fn run(setup: ControlSetup) -> anyhow::Result<()> {
    while let Ok(errand) = setup.errands.recv() {
        println!("{errand:?}");
    }
    Ok(())
}
