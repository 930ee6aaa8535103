//! A broker seen from the inside, as only simulations look at it.

use super::chronicle::Chronicle;
use crate::broker::Broker;
use crate::model::ClientId;
use crate::time::Now;

impl Broker {
    /// Writes down what a channel at home here has.
    pub(crate) fn observe(&self, chronicle: &mut Chronicle, channel: &str, now: Now) {
        let policy = &self.home.policy;
        let options = policy.access.resolve(channel).expect("configured").hub_options(&policy.config.channel);
        chronicle.observe(&self.home.hub, channel, options, now);
    }

    /// Writes down that a channel's history was removed.
    pub(crate) fn observe_removal(&self, chronicle: &mut Chronicle, channel: &str) {
        chronicle.removed(&self.home.hub, channel);
    }

    /// Epoch and top of a channel at home here.
    pub(crate) fn stands(&self, channel: &str) -> Option<(String, u64)> {
        let (position, _) = self.home.hub.kept(channel)?;
        Some((position.epoch.to_string(), position.offset))
    }

    /// Who is in a channel at home here.
    pub(crate) fn present(&self, channel: &str) -> Vec<ClientId> {
        self.home.hub.presence(channel).iter().map(|info| info.client).collect()
    }

    /// Sessions that have a place in the roster here.
    pub(crate) fn users_enrolled(&self) -> usize {
        self.home.roster.sessions()
    }

    /// Nobody is left, and nothing of them.
    pub(crate) fn check_is_empty(&self) {
        assert_eq!(self.sessions(), 0);
        assert_eq!((self.edge.audience.rooms(), self.edge.audience.subscribers()), (0, 0));
        assert!(self.edge.users.is_empty());
        assert_eq!(self.home.roster.sessions(), 0);
        assert_eq!(self.home.hub.active(), 0);
        assert!(self.home.hub.is_empty());
        assert_eq!(self.edge.outbox.backlog_bytes(), 0);
        assert!(self.home.has_told_all() && self.edge.errands.is_empty());
    }
}
