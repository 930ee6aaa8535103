//! What the access log and the events are told of sessions. Nothing is kept where nobody wants to know.

use std::borrow::Cow;

use super::Edge;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::session::Session;
use crate::time::Now;

impl Edge {
    /// A session is connected.
    pub(super) fn tell_connected(&mut self, session: u32, now: Now) {
        let entry = &self.sessions[session as usize];
        if self.policy.config.is_told_of(entry.info.client) {
            let event = VisitEvent::Connected(guest(entry));
            self.visits.push(visit(entry, event, now));
        }
    }

    /// A session has ended. One that was never connected counts where it was refused; who only left was never there.
    pub(super) fn tell_ended(&mut self, entry: &Session, ending: Ending, reason: Option<&Cow<'static, str>>, now: Now) {
        let is_refused = matches!(ending, Ending::Disconnect(_) | Ending::Violation(_));
        let event = if !entry.is_connected() {
            if !is_refused || !self.policy.config.is_told_of_refusals() {
                return;
            }
            VisitEvent::Refused { ending, reason: reason.cloned() }
        } else if self.policy.config.is_told_of(entry.info.client) {
            let duration_ms = now.unix_ms.saturating_sub(entry.connected_unix_ms).max(0).unsigned_abs();
            VisitEvent::Closed { guest: guest(entry), ending, reason: reason.cloned(), duration_ms }
        } else {
            return;
        };
        self.visits.push(visit(entry, event, now));
    }
}

fn visit(entry: &Session, event: VisitEvent, now: Now) -> Visit {
    Visit { time_unix_ms: now.unix_ms, address: entry.address(), format: Some(entry.format), event }
}

fn guest(entry: &Session) -> Guest {
    Guest { user: entry.info.user.clone(), client: entry.info.client, device: entry.device.clone() }
}
