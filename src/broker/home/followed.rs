//! The channels of this home that tell whether a user is online, as long as they have subscribers, and which of them the control
//! plane is to hear of: those that somebody has subscribed to since it last asked, and those that nobody is in any more.
//!
//! It tells all subscribers of a channel that has a new one, so that each hears the state without asking for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::FOLLOWED_MAX;
use crate::model::refusal::{Error, ErrorKind};

/// What has become of such a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// The channel.
    pub channel: Arc<str>,
    /// The user whose state it tells.
    pub user: Arc<str>,
    /// Whether it has subscribers, of whom some are new; otherwise it has none any more.
    pub is_followed: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Followed {
    /// Those that have subscribers, and their users.
    channels: BTreeMap<Arc<str>, Arc<str>>,
    news: BTreeMap<Arc<str>, Following>,
}

impl Followed {
    /// Whether somebody may subscribe to a channel of this name.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub(super) fn admit(&self, channel: &str) -> Result<(), Error> {
        match self.channels.len() < FOLLOWED_MAX || self.channels.contains_key(channel) {
            true => Ok(()),
            false => Err(ErrorKind::LimitExceeded.because("limit exceeded: too many users are followed on this node")),
        }
    }

    /// Somebody has subscribed.
    pub(super) fn begin(&mut self, channel: &Arc<str>, user: &str) {
        let user = self.channels.entry(channel.clone()).or_insert_with(|| user.into()).clone();
        self.news.insert(channel.clone(), Following { channel: channel.clone(), user, is_followed: true });
    }

    /// Nobody is in a channel any more.
    pub(super) fn end(&mut self, channel: &Arc<str>) {
        if let Some(user) = self.channels.remove(channel) {
            let following = Following { channel: channel.clone(), user, is_followed: false };
            self.news.insert(channel.clone(), following);
        }
    }

    /// Whether there is no such channel.
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// What the control plane has yet to hear, each channel once.
    pub(in crate::broker) fn take_news(&mut self) -> Vec<Following> {
        std::mem::take(&mut self.news).into_values().collect()
    }
}
