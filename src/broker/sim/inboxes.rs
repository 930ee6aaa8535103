//! The world's part in channels that are received at least once: who acts there, who looks at the homes, and the end, when
//! everybody comes back and receives all.

use rand::Rng;

use super::Trouble;
use super::configuration::INBOXES;
use super::whims::Message;
use super::world::World;

/// So often everybody says what they have received, at the end.
const ROUNDS: usize = 200;

/// Whether a user may be in a channel.
fn may_be_in(channel: &str, user: &str) -> bool {
    channel.split_once('#').is_none_or(|(_, named)| named == user)
}

impl World {
    /// A client does something in a channel that is received at least once.
    pub(super) fn act_in_inbox(&mut self, client: usize) {
        let channel = INBOXES[self.random.random_range(0..INBOXES.len())];
        let Self { clients, fresh, chronicle, random, .. } = self;
        if !clients[client].user.as_ref().is_some_and(|user| may_be_in(channel, user)) {
            return;
        }
        let command = clients[client].inbox_command(channel, fresh, chronicle, random);
        let command: Vec<_> = command.into_iter().collect();
        if !command.is_empty() {
            self.send(client, &command);
        }
    }

    /// A backend publishes there; or a device is taken to have received what it was not given, where that is planted.
    pub(super) fn publish_in_inbox(&mut self) {
        let channel = INBOXES[self.random.random_range(0..INBOXES.len())];
        let home = self.home_of(channel);
        if self.brokers[home].is_congested() {
            return;
        }
        if matches!(self.trouble, Trouble::Inboxes { passes_one: true, .. }) && self.random.random_bool(0.3) {
            let top = self.brokers[home].stands(channel).map_or(0, |(_, top)| top);
            if let Some((place, floor)) = self.chronicle.ledger.unreceived(channel, top) {
                let (place, now) = (place.clone(), self.now);
                self.brokers[home].take_for_received(&place, floor + 1, now);
                return self.after(home);
            }
        }
        let data = self.fresh.data("backend", &mut self.random);
        self.publish_by_backend(channel, &Message::plain(data));
    }

    /// What a shard knows of members of the channels at home there.
    pub(super) fn look_at_inboxes(&mut self, shard: usize) {
        if !matches!(self.trouble, Trouble::Inboxes { .. }) {
            return;
        }
        for channel in INBOXES.into_iter().filter(|channel| self.placement.of(channel) == shard as u16) {
            self.brokers[shard].observe(&mut self.chronicle, channel, self.now);
            self.brokers[shard].observe_inbox(&mut self.chronicle, channel);
        }
    }

    /// Everybody comes back, reads and says so: all is received in the end, or told.
    pub(super) fn receive_all(&mut self) {
        if !matches!(self.trouble, Trouble::Inboxes { .. }) {
            return;
        }
        for _ in 0..ROUNDS {
            for client in 1..self.clients.len() {
                let Some(user) = self.clients[client].user.clone() else { continue };
                if self.places[client].is_none() {
                    self.link(client);
                    self.settle();
                    let again = self.clients[client].sends_again();
                    again.into_iter().for_each(|command| self.send(client, &[command]));
                }
                for channel in INBOXES.into_iter().filter(|channel| may_be_in(channel, &user)) {
                    let one = &mut self.clients[client];
                    let command = match one.is_idle_in(channel) {
                        true if one.is_connected => Some(one.subscribe(channel, (true, true), true)),
                        _ => one.receives(channel, 0),
                    };
                    command.into_iter().for_each(|command| self.send(client, &[command]));
                    self.settle();
                }
            }
            let top = |channel: &str| self.brokers[self.home_of(channel)].stands(channel).map_or(0, |(_, top)| top);
            if self.chronicle.ledger.is_all_received(top) {
                self.chronicle.ledger.check_quiet();
                return;
            }
            self.wait(200);
        }
        panic!("not everything is received in the end: {:?}", self.chronicle.ledger);
    }
}
