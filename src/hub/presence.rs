//! Who is in channels: the subscribers that are listed, and how they are seen.

use std::sync::Arc;

use super::Hub;
use super::channel::Channel;
use crate::model::{ClientId, ClientInfo, PresenceStats};

impl Hub {
    /// A subscriber is seen with other information from now on, by whoever asks for presence and when it leaves. Whether
    /// others hear of its coming and going, if it is listed in presence.
    pub fn appear(&mut self, channel: &str, info: Arc<ClientInfo>) -> Option<bool> {
        let key = self.by_name.get(channel)?;
        self.channels[*key].appear(info)
    }

    /// Who is in a channel, by client id.
    pub fn presence(&self, channel: &str) -> Vec<Arc<ClientInfo>> {
        self.find(channel).map_or_else(Vec::new, Channel::presence)
    }

    /// Who of a channel is listed in presence, in no order, and whether others hear of its coming and going.
    pub fn listed(&self, channel: &str) -> impl Iterator<Item = (&Arc<ClientInfo>, bool)> {
        self.find(channel).into_iter().flat_map(Channel::listed)
    }

    /// Whether a session subscribes to a channel.
    pub fn has_subscriber(&self, channel: &str, client: ClientId) -> bool {
        self.find(channel).is_some_and(|channel| channel.has(client))
    }

    /// How long the list of who is in a channel is, bytes, as [`ClientInfo::weight`] counts them.
    pub fn presence_weight(&self, channel: &str) -> usize {
        self.find(channel).map_or(0, Channel::presence_weight)
    }

    /// How many are in a channel.
    pub fn presence_stats(&self, channel: &str) -> PresenceStats {
        self.find(channel).map_or_else(PresenceStats::default, Channel::presence_stats)
    }
}
