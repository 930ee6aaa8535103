//! The role as the control plane sees it: badges and mutes for the API, by a connection of its own, and what is counted.

use std::sync::Arc;

use super::metrics::NotifyMetrics;
use super::standing::Standing;
use crate::config::Config;
use crate::roles::pulse::Pulse;

/// See the module.
#[derive(Clone, Debug)]
pub struct NotifyView {
    /// Badges and mutes.
    pub standing: Standing,
    /// Whether the role consumes.
    pub pulse: Arc<Pulse>,
    /// What the role counts.
    pub metrics: Arc<NotifyMetrics>,
}

impl NotifyView {
    /// Of a role that is yet to begin; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { standing: Standing::new(&config.cluster.redis)?, pulse: Arc::default(), metrics: Arc::default() })
    }
}
