//! What the passing of time does to a session and to the hub.

use super::Edge;
use crate::model::refusal::{DisconnectKind, Unsubscribe};
use crate::protocol::word::Push;
use crate::session::{Awaits, HeartbeatEvent, Overdue, State};
use crate::time::Now;

impl Edge {
    /// Does what is due for a session. Returns when it next wants to be looked at, monotonic milliseconds;
    /// `None` when it has ended.
    pub(in crate::broker) fn timer(&mut self, session: u32, now: Now) -> Option<u64> {
        let entry = &mut self.sessions[session as usize];
        match entry.state {
            State::Connected => {
                self.heartbeat(session, now);
                self.expire(session, now);
            }
            _ if !entry.heartbeat.is_stale(now.mono_ms) => {}
            // Who waits for others has done its part.
            State::Fresh if entry.awaits == Awaits::Nothing && !entry.gives_way => {
                self.close(session, DisconnectKind::Stale)
            }
            State::Fresh | State::Connecting(_) => self.close(session, DisconnectKind::ServerError),
        }
        (!self.sessions[session as usize].is_ending).then(|| self.next_due_ms(session, now))
    }

    /// When a session next wants to be looked at, monotonic milliseconds.
    pub(in crate::broker) fn next_due_ms(&mut self, session: u32, now: Now) -> u64 {
        self.with_session(session, now, |session, context| session.next_due_ms(context)).max(now.mono_ms + 1)
    }

    fn heartbeat(&mut self, session: u32, now: Now) {
        match self.sessions[session as usize].heartbeat.check(now.mono_ms) {
            HeartbeatEvent::Nothing => {}
            HeartbeatEvent::Ping => self.push(session, &Push::Ping),
            HeartbeatEvent::Dead => self.close(session, DisconnectKind::NoPong),
        }
    }

    fn expire(&mut self, session: u32, now: Now) {
        while !self.sessions[session as usize].is_ending
            && let Some(overdue) = self.with_session(session, now, |session, context| session.overdue(context))
        {
            match overdue {
                Overdue::Connection => self.close(session, DisconnectKind::Expired),
                Overdue::ServerSubscription => self.close(session, DisconnectKind::SubExpired),
                Overdue::Subscription(channel) => self.unsubscribe(session, &channel, Unsubscribe::Expired),
            }
        }
    }
}
