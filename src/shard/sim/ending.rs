//! What must hold when all is quiet, and when all have gone.

use std::time::Duration;

use rand::Rng;

use super::check;
use super::world::World;
use crate::broker::order::Order;
use crate::broker::sim::configuration::{FLEETING, KEPT};
use crate::broker::sim::whims::Message;

impl World {
    /// Everything is brought to its end, and looked at. Returns a number for all that was sent.
    pub(super) fn end(mut self) -> u64 {
        self.settle();
        if self.is_durable {
            self.return_from_the_last_loss();
        }
        if self.chronicle.has_changed {
            self.reload(self.config.clone());
            self.settle();
        }
        if self.has_devices {
            self.check_devices();
        }
        self.check_everyone_is_current();
        if self.has_devices {
            self.check_who_stays();
        }
        if self.random.random_bool(0.5) {
            self.part();
            for node in &self.nodes {
                check::check_is_empty(&node.shard);
            }
        }
        self.drain();
        assert!(self.places.are_free(), "who went holds no place: {:?}", self.places);
        assert!(self.network.borrow().is_at_rest(), "every socket is closed");
        self.network.borrow().trace()
    }

    /// Everyone who is subscribed has what the channels have.
    fn check_everyone_is_current(&mut self) {
        for channel in KEPT.into_iter().chain(FLEETING) {
            let data = self.fresh.data("epilogue", &mut self.random);
            assert!(self.publish_by_backend(channel, &Message::plain(data)), "the shards have read their orders");
            self.settle();
        }
        assert!(self.pending.is_empty(), "an order was never answered");
        for peer in &self.peers {
            let stands = |channel: &str| self.nodes[self.home_of(channel)].shard.broker.stands(channel);
            peer.client.check_current(&self.chronicle, stands);
        }
        self.chronicle.check_parts();
        self.chronicle.check_acknowledged();
        for channel in KEPT.into_iter().chain(FLEETING) {
            let there = self.peers.iter().map(|peer| &peer.client).filter(|client| client.is_live_in(channel));
            let mut there: Vec<_> = there.map(|client| client.id).collect();
            there.sort_unstable();
            assert_eq!(self.nodes[self.home_of(channel)].shard.broker.present(channel), there, "{channel}: presence");
        }
        let enrolled: usize = self.nodes.iter().map(|node| node.shard.broker.users_enrolled()).sum();
        let clients = self.peers.iter().map(|peer| &peer.client);
        let users = clients.filter(|client| client.user.is_some() && client.is_connected).count();
        assert_eq!(enrolled, users, "the roster has who is connected");
    }

    /// All but the witness leave, and so much time passes that streams end.
    pub(super) fn night(&mut self) {
        self.lay_ghosts();
        for peer in 1..self.peers.len() {
            self.unlink(peer);
        }
        self.settle();
        self.pass(60_000);
    }

    /// Nobody does anything for longer than streams live without use.
    pub(super) fn lull(&mut self) {
        self.pass(50_000);
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 5000 {
            self.settle();
            self.wait(5000);
        }
        self.settle();
    }

    /// Everybody leaves.
    fn part(&mut self) {
        self.unlink(0);
        self.night();
        // Strangers have no session, or are never heard of again.
        for stranger in std::mem::take(&mut self.strangers) {
            self.network.borrow_mut().abandon(stranger.pipe);
        }
        self.pass(300_000);
    }

    /// The node is told to end: everybody hears a goodbye, and nothing is left.
    fn drain(&mut self) {
        for shard in 0..self.nodes.len() {
            assert!(self.order(shard, Order::Drain(Duration::from_secs(2))), "the shards have read their orders");
        }
        for _ in 0..400 {
            self.settle();
        }
        assert!(self.peers.iter().all(|peer| peer.wire.is_none()), "somebody is still connected");
        for node in &mut self.nodes {
            node.orders = None;
            assert!(node.shard.has_ended(), "a shard goes on: {:?}", node.shard);
            check::check_is_empty(&node.shard);
        }
    }
}
