//! What must hold when all is quiet, and when all have gone.

use super::Trouble;
use super::configuration::{FLEETING, KEPT};
use super::devices;
use super::whims::Message;
use super::world::World;
use crate::broker::Broker;

impl World {
    /// Everyone who is subscribed has what the channels have.
    pub(super) fn check_everyone_is_current(&mut self) {
        if self.trouble == Trouble::Devices {
            self.lay_ghosts();
            self.settle();
            devices::check(self.clients.iter());
        }
        self.trouble = Trouble::Nothing;
        for channel in KEPT.into_iter().chain(FLEETING) {
            let data = self.fresh.data("epilogue", &mut self.random);
            self.publish_by_backend(channel, &Message::plain(data));
        }
        self.settle();
        let stands = |channel: &str| self.brokers[self.home_of(channel)].stands(channel);
        for client in &self.clients {
            client.check_current(&self.chronicle, stands);
        }
        self.chronicle.check_parts();
        self.chronicle.check_acknowledged();
        for channel in KEPT.into_iter().chain(FLEETING) {
            let mut there: Vec<_> =
                self.clients.iter().filter(|client| client.is_live_in(channel)).map(|client| client.id).collect();
            there.sort_unstable();
            assert_eq!(self.brokers[self.home_of(channel)].present(channel), there, "{channel}: presence");
        }
        let roster: usize = self.brokers.iter().map(Broker::users_enrolled).sum();
        let users = self.clients.iter().filter(|client| client.user.is_some() && client.is_connected).count();
        assert_eq!(roster, users, "the roster has who is connected");
    }

    /// All but the witness leave, and so much time passes that streams end.
    pub(super) fn night(&mut self) {
        self.lay_ghosts();
        for client in 1..self.clients.len() {
            self.drop_link(client);
        }
        self.settle();
        self.wait(60_000);
    }

    /// Nobody does anything for longer than streams live without use.
    pub(super) fn lull(&mut self) {
        for _ in 0..10 {
            self.settle();
            self.wait(5_000);
        }
    }

    /// Everybody leaves.
    pub(super) fn part(&mut self) {
        self.drop_link(0);
        self.night();
        self.wait(400_000);
    }

    pub(super) fn check_everything_is_given_back(&self) {
        self.brokers.iter().for_each(Broker::check_is_empty);
    }
}
