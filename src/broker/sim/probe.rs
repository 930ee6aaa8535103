//! A broker seen from the inside, as only simulations look at it.

use std::sync::Arc;

use super::chronicle::Chronicle;
use super::configuration::{ATTEMPTS_MAX, MEMBERS};
use super::ledger::Place;
use crate::broker::Broker;
use crate::delivery::{DeadLetterFilter, Whose};
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

    /// Writes down how far devices are in a channel at home here, and what was given up.
    pub(crate) fn observe_inbox(&self, chronicle: &mut Chronicle, channel: &str) {
        let delivery = &self.home.delivery;
        let (user, since_unix_ms, limit) = ("".into(), i64::MIN, usize::MAX);
        let of_channel =
            DeadLetterFilter { after: (channel.into(), 0), channel: channel.into(), user, since_unix_ms, limit };
        for letter in delivery.dead_letters().list(&of_channel).0 {
            chronicle.ledger.look_at_dead(&letter, ATTEMPTS_MAX);
        }
        for user in MEMBERS {
            chronicle.look_at_member(channel, user, delivery.devices(channel, user).ok().as_ref());
        }
    }

    /// A fault: a device is taken to have received a publication that it may never have been given.
    pub(crate) fn take_for_received(&mut self, (channel, user, device): &Place, offset: u64, now: Now) {
        let Some(shelf) = self.home.hub.shelf(channel, now) else { return };
        let user: Arc<str> = user.as_str().into();
        let whose = Whose { user: &user, device };
        // It was never sent that far.
        let _ = self.home.delivery.received(channel, whose, ClientId::nil(), ("", offset), shelf, now);
        self.home.dispatch();
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
