//! Endings: of a subscription, of a session.

use std::sync::Arc;

use super::{Closing, Core};
use crate::hub::ShardSet;
use crate::protocol::codes::Disconnect;
use crate::protocol::word::{ClientId, ClientInfo};
use crate::session::{Session, Stage};
use crate::shard::letter::Letter;
use crate::time::Now;

impl Core {
    /// Ends a session's subscription, if it has one, and tells the channel's home.
    pub(super) fn leave(&mut self, session: u32, channel: &str, now: Now) {
        let entry = &mut self.sessions[session as usize];
        let Some(at) = entry.subscriptions.iter().position(|subscription| &*subscription.channel == channel) else {
            return;
        };
        match entry.subscriptions[at].stage {
            Stage::Abandoned => {}
            // The home shard's answer finds it so and gives the place back.
            Stage::Pending => {
                entry.subscriptions[at].stage = Stage::Abandoned;
                entry.abandoned += 1;
            }
            Stage::Live { room, place } => {
                let client = entry.info.client;
                let subscription = entry.subscriptions.swap_remove(at);
                self.subscriptions -= 1;
                self.leave_room(room, place);
                self.leave_home(subscription.channel, client, now);
            }
        }
    }

    fn leave_room(&mut self, room: u32, place: u32) {
        let Some(moved) = self.audience.leave(room, place) else { return };
        let entry = &mut self.sessions[moved.session as usize];
        let subscription = entry
            .subscriptions
            .iter_mut()
            .find(|subscription| matches!(subscription.stage, Stage::Live { room: other, .. } if other == room))
            .expect("who is in a room has a subscription to it");
        subscription.stage = Stage::Live { room, place };
    }

    /// At the channel's home: a session on `shard` has left.
    pub(super) fn leave_at_home(&mut self, channel: Arc<str>, client: ClientId, shard: u16, now: Now) {
        let Some(left) = self.hub.unsubscribe(&channel, shard, client, now) else { return };
        self.announce_to(&channel, &left.info, left.announce_to, false);
    }

    /// Sends the join announcements that subscriptions have left behind, after their answers.
    pub(super) fn announce(&mut self) {
        for (channel, info, shards) in std::mem::take(&mut self.announcements) {
            self.announce_to(&channel, &info, shards, true);
        }
    }

    fn announce_to(&mut self, channel: &Arc<str>, info: &Arc<ClientInfo>, shards: ShardSet, joined: bool) {
        for shard in shards.iter() {
            if shard == self.me {
                self.deliver_announcement(channel, info, joined);
            } else {
                let (channel, info) = (channel.clone(), info.clone());
                self.letters.push((shard, Letter::Announce { channel, info, joined }));
            }
        }
    }

    /// Ends a session and has its conn closed.
    pub fn close(&mut self, session: u32, disconnect: Disconnect, now: Now) {
        let conn = self.sessions[session as usize].conn;
        self.metrics.close(disconnect.code);
        self.end(session, now);
        self.closings.push(Closing { conn, disconnect });
    }

    /// Ends a session whose conn has gone or is about to go: gives all back that it held.
    pub fn end(&mut self, session: u32, now: Now) {
        let entry = self.sessions.remove(session as usize);
        self.forget_user(&entry, session);
        let client = entry.info.client;
        for subscription in &entry.subscriptions {
            self.subscriptions -= 1;
            if let Stage::Live { room, place } = subscription.stage {
                self.leave_room(room, place);
                self.leave_home(subscription.channel.clone(), client, now);
            }
        }
        if entry.enrolled {
            self.discharge(entry.info.user.clone());
        }
    }

    /// Tells up to `count` clients to come back to another node, connected or not.
    pub fn farewell(&mut self, count: usize, now: Now) {
        let leaving: Vec<u32> = self.sessions.iter().take(count).map(|(session, _)| session as u32).collect();
        for session in leaving {
            self.close(session, Disconnect::SHUTDOWN, now);
        }
    }

    fn forget_user(&mut self, entry: &Session, session: u32) {
        let Some(sessions) = self.users.get_mut(entry.user()) else { return };
        sessions.retain(|other| *other != session);
        if sessions.is_empty() {
            self.users.remove(entry.user());
        }
    }

    /// Gives a user's place in the roster back.
    pub(super) fn discharge(&mut self, user: Arc<str>) {
        let home = self.home.of(&user);
        if home == self.me {
            self.roster.discharge(&user);
        } else {
            self.letters.push((home, Letter::Discharge { user }));
        }
    }
}
