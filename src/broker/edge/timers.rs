//! What the passing of time does to a session and to the hub.

use super::Edge;
use crate::model::refusal::{Disconnect, Unsubscribe};
use crate::protocol::word::Push;
use crate::session::{Awaits, HeartbeatEvent, Overdue, State};
use crate::time::Now;

impl Edge {
    /// Does what is due for a session. Returns when it next wants to be looked at, monotonic milliseconds;
    /// `None` when it has ended.
    pub(in crate::broker) fn timer(&mut self, session: u32, now: Now) -> Option<u64> {
        let entry = &mut self.sessions[session as usize];
        let overdue = match entry.state {
            State::Connected => {
                if !self.heartbeat(session, now) || !self.expire(session, now) {
                    return None;
                }
                None
            }
            _ if !entry.heartbeat.is_stale(now.mono_ms) => None,
            State::Fresh if entry.awaits == Awaits::Nothing => Some(Disconnect::STALE),
            State::Fresh | State::Connecting(_) => Some(Disconnect::SERVER_ERROR),
        };
        if let Some(disconnect) = overdue {
            self.close(session, disconnect);
            return None;
        }
        Some(self.next_due_ms(session, now))
    }

    /// When a session next wants to be looked at, monotonic milliseconds.
    pub(in crate::broker) fn next_due_ms(&mut self, session: u32, now: Now) -> u64 {
        self.with_session(session, now, |session, context| session.next_due_ms(context)).max(now.mono_ms + 1)
    }

    fn heartbeat(&mut self, session: u32, now: Now) -> bool {
        match self.sessions[session as usize].heartbeat.check(now.mono_ms) {
            HeartbeatEvent::Nothing => {}
            HeartbeatEvent::Ping => self.push(session, &Push::Ping),
            HeartbeatEvent::Dead => {
                self.close(session, Disconnect::NO_PONG);
                return false;
            }
        }
        true
    }

    fn expire(&mut self, session: u32, now: Now) -> bool {
        while let Some(overdue) = self.with_session(session, now, |session, context| session.overdue(context)) {
            match overdue {
                Overdue::Connection => {
                    self.close(session, Disconnect::EXPIRED);
                    return false;
                }
                Overdue::ServerSubscription => {
                    self.close(session, Disconnect::SUB_EXPIRED);
                    return false;
                }
                Overdue::Subscription(channel) => {
                    self.unsubscribe(session, &channel, Unsubscribe::EXPIRED);
                }
            }
        }
        true
    }
}
