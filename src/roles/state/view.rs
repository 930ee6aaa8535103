//! The state as the API reads it: by a connection of its own, so that a role that is behind holds nobody up.

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::buckets::Buckets;
pub use super::buckets::UserState;
use super::metrics::StateMetrics;
use crate::cluster::redis::fault::Fault;
use crate::config::Config;
use crate::limits::USERS_PER_CALL;
use crate::roles::pulse::Pulse;

/// See the module.
#[derive(Clone, Debug)]
pub struct StateView {
    buckets: Buckets,
    /// Whether the role consumes.
    pub pulse: Arc<Pulse>,
    /// What the role counts.
    pub metrics: Arc<StateMetrics>,
}

impl StateView {
    /// Of a role that is yet to begin; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { buckets: Buckets::new(&config.cluster.redis)?, pulse: Arc::default(), metrics: Arc::default() })
    }

    /// What is known of users, an answer each. A call per bucket that they are in.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn look_up(&self, users: &[String]) -> Result<Vec<UserState>, Fault> {
        let mut by_bucket: Vec<_> = (0..users.len()).map(|at| (self.buckets.of(&users[at]), at)).collect();
        by_bucket.sort_unstable();
        let parts =
            by_bucket.chunk_by(|(one, _), (other, _)| one == other).flat_map(|part| part.chunks(USERS_PER_CALL));
        let calls = parts.map(|part| async move {
            let names: Vec<_> = part.iter().map(|(_, at)| users[*at].as_str()).collect();
            let found = self.buckets.read(part[0].0, &names).await?;
            Ok::<_, Fault>(part.iter().map(|(_, at)| *at).zip(found))
        });
        let mut states = vec![UserState::default(); users.len()];
        for (at, state) in try_join_all(calls).await?.into_iter().flatten() {
            states[at] = state;
        }
        Ok(states)
    }
}
