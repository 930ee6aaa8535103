//! Endings: of a subscription, of a session.

use std::sync::Arc;

use super::{Closing, Core};
use crate::broker::letter::Letter;
use crate::hub::ShardSet;
use crate::model::refusal::{Disconnect, Unsubscribe};
use crate::model::{ClientId, ClientInfo};
use crate::protocol::word::Push;
use crate::session::{Session, Stage};
use crate::time::Now;

impl Core {
    /// Ends a session's subscription, if it has one that has begun, and tells the channel's home.
    pub(super) fn leave(&mut self, session: u32, channel: &str, now: Now) {
        let entry = &mut self.sessions[session as usize];
        let Some(at) = entry.subscriptions.iter().position(|subscription| &*subscription.channel == channel) else {
            return;
        };
        let Stage::Live { room, place } = entry.subscriptions[at].stage else {
            unreachable!("a subscription that has not begun cannot end");
        };
        let client = entry.info.client;
        let subscription = entry.subscriptions.swap_remove(at);
        self.leave_room(room, place);
        self.leave_home(subscription.channel, client, now);
    }

    /// Ends a session's subscription and says why. One that has not begun yet ends as soon as it does.
    pub(super) fn unsubscribe(&mut self, session: u32, channel: &str, reason: Unsubscribe, now: Now) {
        let Some(subscription) = self.sessions[session as usize].subscription_mut(channel) else { return };
        if !subscription.is_live() {
            subscription.stage = Stage::Ending(Box::new(reason));
            return;
        }
        self.leave(session, channel, now);
        self.push(session, &Push::Unsubscribe { channel, reason });
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

    /// Ends a session and has its conn closed. The session must exist.
    pub fn close(&mut self, session: u32, disconnect: Disconnect, now: Now) {
        let conn = self.sessions[session as usize].conn;
        self.end(session, now);
        self.closings.push(Closing { conn, disconnect });
    }

    /// Tells up to `count` sessions, connected or not, to reconnect elsewhere. Called until none is left, it
    /// visits each once.
    pub fn farewell(&mut self, count: usize, now: Now) {
        let mut left = count.min(self.sessions.len());
        while left > 0 {
            let session = self.farewell_at;
            self.farewell_at = if session + 1 < self.sessions.capacity() { session + 1 } else { 0 };
            if self.sessions.contains(session) {
                self.close(session as u32, Disconnect::SHUTDOWN, now);
                left -= 1;
            }
        }
    }

    /// Ends a session whose conn has gone: gives all back that it held. What other shards have yet to answer
    /// is given back when the answer comes.
    pub fn end(&mut self, session: u32, now: Now) {
        let entry = self.sessions.remove(session as usize);
        self.forget_user(&entry, session);
        let client = entry.info.client;
        for subscription in &entry.subscriptions {
            if let Stage::Live { room, place } = subscription.stage {
                self.leave_room(room, place);
                self.leave_home(subscription.channel.clone(), client, now);
            }
        }
        if entry.enrolled {
            self.discharge(entry.info.user.clone());
        }
    }

    fn forget_user(&mut self, entry: &Session, session: u32) {
        let Some(sessions) = self.users.get_mut(entry.user()) else { return };
        let at = sessions.iter().position(|other| *other == session).expect("a user's sessions are listed");
        sessions.swap_remove(at);
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
