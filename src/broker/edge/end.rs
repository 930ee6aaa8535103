//! Endings: of a subscription, of a session.

use std::borrow::Cow;

use super::{Closing, Edge, Notice};
use crate::broker::ending::Ending;
use crate::model::refusal::{Disconnect, DisconnectKind, Unsubscribe};
use crate::protocol::word::Push;
use crate::session::{Flags, Session, Stage};
use crate::time::Now;

impl Edge {
    /// Ends a session's subscription, if it has one that has begun, and tells the channel's home.
    pub(in crate::broker) fn leave(&mut self, session: u32, channel: &str) {
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
        self.notices.push(Notice::Leave { channel: subscription.channel, client });
    }

    /// Ends a session's subscription and says why. One that has not begun yet ends as soon as it does.
    pub(in crate::broker) fn unsubscribe(&mut self, session: u32, channel: &str, reason: Unsubscribe) {
        let Some(subscription) = self.sessions[session as usize].subscription_mut(channel) else { return };
        if !subscription.is_live() {
            subscription.stage = Stage::Ending(reason);
            return;
        }
        self.leave(session, channel);
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

    /// Tells a session to go, for the first reason that is given. It stays until [`Edge::end_told`], so that no session
    /// vanishes under whoever is at work on it, but hears nothing more in its channels.
    pub(in crate::broker) fn close(&mut self, session: u32, disconnect: impl Into<Disconnect>) {
        let entry = &mut self.sessions[session as usize];
        if std::mem::replace(&mut entry.is_ending, true) {
            return;
        }
        for subscription in &entry.subscriptions {
            if let Stage::Live { room, place } = subscription.stage {
                self.audience.room_mut(room).subscribers[place as usize].flags =
                    subscription.flags.with(Flags::MUTED, true);
            }
        }
        self.told.push((session, disconnect.into()));
    }

    /// Ends the sessions that were told to go, and has their conns closed. Called at the end of every input, and the one
    /// place where the broker ends sessions. False when there were none.
    pub(in crate::broker) fn end_told(&mut self, now: Now) -> bool {
        let told = std::mem::take(&mut self.told);
        let any = !told.is_empty();
        for (session, disconnect) in told {
            let conn = self.sessions[session as usize].conn;
            self.end(session, Ending::Disconnect(disconnect.kind), disconnect.reason.as_ref(), now);
            self.closings.push(Closing { conn, disconnect });
        }
        any
    }

    /// Tells up to `count` sessions, connected or not, to reconnect elsewhere. Called until none is left, it
    /// visits each once.
    pub(in crate::broker) fn farewell(&mut self, count: usize) {
        let mut left = count.min(self.sessions.len());
        while left > 0 {
            let session = self.farewell_at;
            self.farewell_at = if session + 1 < self.sessions.capacity() { session + 1 } else { 0 };
            if self.sessions.contains(session) {
                self.close(session as u32, DisconnectKind::Shutdown);
                left -= 1;
            }
        }
    }

    /// Ends a session whose conn has gone: gives all back that it held. What other shards have yet to answer
    /// is given back when the answer comes.
    pub(in crate::broker) fn end(
        &mut self,
        session: u32,
        ending: Ending,
        reason: Option<&Cow<'static, str>>,
        now: Now,
    ) {
        let entry = self.sessions.remove(session as usize);
        self.tell_ended(&entry, ending, reason, now);
        self.connected -= u32::from(entry.is_connected());
        self.forget_user(&entry, session);
        let client = entry.info.client;
        for subscription in &entry.subscriptions {
            if let Stage::Live { room, place } = subscription.stage {
                self.leave_room(room, place);
                self.notices.push(Notice::Leave { channel: subscription.channel.clone(), client });
            }
        }
        if !self.attributes.is_empty() {
            self.attributes.remove(&client);
        }
        if self.is_shared(entry.user()) {
            self.notices.push(Notice::Depart { user: entry.info.user.clone(), client });
        }
        if entry.enrolled {
            self.notices.push(Notice::Discharge { user: entry.info.user.clone(), client });
        }
    }

    fn forget_user(&mut self, entry: &Session, session: u32) {
        let Some(user) = self.users.get_mut(entry.user()) else { return };
        let sessions = &mut user.sessions;
        // From behind, as orders walk them.
        let at = sessions.iter().rposition(|other| *other == session).expect("a user's sessions are listed");
        sessions.swap_remove(at);
        if sessions.is_empty() {
            self.users.remove(entry.user());
        }
    }
}
