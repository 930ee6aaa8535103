//! What the access log and the events are told: of sessions by the broker, of those that never got one here; and whom pushes are
//! to tell.

use super::Shard;
use super::reactor::Reactor;
use crate::access_log;
use crate::broker::ending::Ending;
use crate::broker::visit::{Guest, Visit, VisitEvent};
use crate::event_log;
use crate::protocol::Format;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Somebody is refused who has no session.
    pub(super) fn tell_refused(&mut self, conn: u32, format: Option<Format>, ending: Ending, reason: &str, now: Now) {
        if self.broker.config().is_told_of_refusals() {
            let event = VisitEvent::Refused { ending, reason: Some(reason.to_owned().into()) };
            let address = self.address_of(conn);
            self.broker.edge.visits.push(Visit { time_unix_ms: now.unix_ms, address, format, event });
        }
    }

    /// Passes on what a tick has left for the access log and the events.
    pub(super) fn tell_visits(&mut self) {
        for push in self.broker.pushes() {
            self.event_log.write(event_log::Entry::Push(Box::new(push)));
        }
        if self.broker.edge.visits.is_empty() {
            return;
        }
        let visits = std::mem::take(&mut self.broker.edge.visits);
        let config = &self.broker.config().access_log;
        for visit in visits {
            if self.event_log.takes_visits() {
                self.event_log.write(event_log::Entry::Visit(visit.clone()));
            }
            let is_logged = |guest: &Guest| config.takes(guest.client);
            if visit.guest().map_or(config.enabled, is_logged) {
                self.access_log.write(access_log::Entry::Visit(visit));
            }
        }
    }
}
