//! The role `notify`: tells the application of users whom no device reaches, by webhooks, and clients of users who come online or go
//! offline.
//!
//! ```text
//! push.offline ─→ pushes ─→ gathering (per user, for a while) ─→ delivery ┬ standing (Redis: badges, mutes)
//!                                                                         ├ webhook, signature → endpoint ⟲ retry
//!                                                                         └ given up → the topic of what is dead
//! session.update ─→ sessions ─→ outgoing ─→ the way up of a channel per user
//! reader, marks: which records are done, and so up to where positions are committed
//! ```
//!
//! A record is done when all that it has to tell was taken or is kept as dead, and the group's position never goes past one that is
//! not: whoever takes over tells it again. Everything waits in memory that is bounded: beyond, nothing more is read.

mod delivery;
mod endpoint;
mod gathering;
mod heard;
mod marks;
mod metrics;
mod outgoing;
mod patience;
mod push;
mod pushes;
mod reader;
mod retry;
mod sessions;
mod signature;
pub mod standing;
pub mod view;
mod webhook;

use std::sync::Arc;

use tokio::sync::watch;

pub use self::metrics::NotifyMetrics;
use self::pushes::Pushes;
use self::sessions::Sessions;
use self::view::NotifyView;
use crate::cluster::kafka::producer::Producer;
use crate::config::Config;
use crate::roles::pulse::Pulse;

/// See the module.
pub struct NotifyRole {
    pushes: Option<Pushes>,
    sessions: Option<Sessions>,
}

impl NotifyRole {
    /// Must be called within the runtime of the roles. Nothing is waited for.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read; an endpoint that is none.
    pub fn new(
        config: &Config,
        producer: &Arc<Producer>,
        view: &NotifyView,
        ending: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let pushes = |pulse: &Arc<Pulse>| Pushes::new(config, producer.clone(), view, pulse, ending.clone());
        let sessions = |pulse: &Arc<Pulse>| Sessions::new(config, producer.clone(), view, pulse, ending.clone());
        Ok(Self {
            pushes: view.pushes.as_ref().map(pushes).transpose()?,
            sessions: view.sessions.as_ref().map(sessions).transpose()?,
        })
    }

    /// Goes on until it is to end. What was read and is not done by then is another process' to do.
    ///
    /// # Errors
    /// Nothing that time may mend.
    pub async fn run(self, ending: watch::Receiver<bool>) -> anyhow::Result<()> {
        let pushes = async {
            match self.pushes {
                Some(pushes) => pushes.run(ending.clone()).await,
                None => Ok(()),
            }
        };
        let sessions = async {
            match self.sessions {
                Some(sessions) => sessions.run(ending.clone()).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(pushes, sessions).map(drop)
    }
}
