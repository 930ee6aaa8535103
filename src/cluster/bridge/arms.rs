//! Sees that a channel is armed before something is published there of which members may have to be told by a push
//! ([`pushes`](crate::cluster::redis::pushes)): the node may die before anybody has looked.
//!
//! What was armed lately is not armed again: Redis keeps a channel for longer than that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::requests::Request;
use crate::broker::bridge::Outgoing;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::limits::ARMED_CHANNELS_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arms(Mutex<HashMap<Arc<str>, Instant>>);

impl Arms {
    /// Waits until the channels of what is about to be published are armed.
    ///
    /// # Errors
    /// What went wrong: it must not be published.
    pub(super) async fn arm(&self, functions: &Functions, batch: &[Request]) -> Result<(), Fault> {
        let now = Instant::now();
        let wanted = self.wanted(batch, now);
        if wanted.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = wanted.iter().map(|(channel, after_ms)| (&**channel, *after_ms)).collect();
        functions.push_arm(&named).await?;
        let mut known = self.known();
        if known.len() + wanted.len() > ARMED_CHANNELS_MAX {
            known.clear();
        }
        known
            .extend(wanted.into_iter().map(|(channel, after_ms)| (channel, now + Duration::from_millis(after_ms / 2))));
        Ok(())
    }

    /// The channels that are to be armed, each with after how long it is looked at.
    fn wanted(&self, batch: &[Request], now: Instant) -> Vec<(Arc<str>, u64)> {
        let known = self.known();
        let mut wanted = Vec::new();
        for request in batch {
            let Outgoing::Publish(publish) = &request.what else { continue };
            let (channel, after_ms) = (&publish.channel, publish.push_after_ms);
            let is_armed = known.get(channel).is_some_and(|until| *until > now);
            let is_wanted = after_ms > 0 && publish.keep.size > 0 && !is_armed;
            if is_wanted && !wanted.iter().any(|(other, _)| other == channel) {
                wanted.push((channel.clone(), after_ms));
            }
        }
        wanted
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
