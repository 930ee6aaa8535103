//! What the access log is told: of sessions by the broker, of those that never got one here.

use super::Shard;
use super::reactor::Reactor;
use crate::access_log::Entry;
use crate::broker::ending::Ending;
use crate::broker::visit::{Visit, VisitEvent};
use crate::protocol::Format;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Somebody is refused who has no session.
    pub(super) fn tell_refused(&mut self, conn: u32, format: Option<Format>, ending: Ending, reason: &str, now: Now) {
        if self.access_log.is_on() {
            let event = VisitEvent::Refused { ending, reason: Some(reason.to_owned().into()) };
            let address = self.address_of(conn);
            self.broker.edge.visits.push(Visit { time_unix_ms: now.unix_ms, address, format, event });
        }
    }

    /// Passes on what a tick has left for the access log.
    pub(super) fn tell_visits(&mut self) {
        for visit in self.broker.edge.visits.drain(..) {
            self.access_log.write(Entry::Visit(visit));
        }
    }
}
