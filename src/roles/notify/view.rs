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
    /// Whether it reads pushes, where there is an endpoint for them.
    pub pushes: Option<Arc<Pulse>>,
    /// Whether it reads changes of sessions, where clients are told.
    pub sessions: Option<Arc<Pulse>>,
    /// What the role counts.
    pub metrics: Arc<NotifyMetrics>,
}

impl NotifyView {
    /// Of a role that is yet to begin; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let pulse = |is_used: bool| is_used.then(Arc::default);
        Ok(Self {
            standing: Standing::new(&config.cluster.redis)?,
            pushes: pulse(!config.notify.endpoint.is_empty()),
            sessions: pulse(!config.notify.session_channel.is_empty()),
            metrics: Arc::default(),
        })
    }
}
