//! A look at the ring in the middle of a tick: who has come meanwhile has a short turn between two parts of what others
//! have caused. So a client that asks for little waits for a slice of sends or another session's turn, never for a tick.
//!
//! Only what clients say is taken, and of few; everything else that has happened, and all that came after it was left,
//! waits for the tick in its order. Never while a tick is still at what it has taken itself: what a client said first would
//! be read last.

use std::mem::take;

use super::Shard;
use super::reactor::Reactor;
use crate::limits::{GLANCE_NS, GLANCE_READS};
use crate::ring::Event;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Whether a tick has to follow, for what the last one has seen at a glance.
    pub(super) fn has_glanced(&self) -> bool {
        self.glances.have_read || !self.events.is_empty()
    }

    /// Looks whether somebody has come, if the last look was long ago, and gives each a short turn.
    #[inline]
    pub(super) fn glance(&mut self, now: Now) {
        let is_due = || cfg!(test) || self.reactor.mono_ns() - self.looked_ns >= GLANCE_NS;
        if self.glances.are_open && is_due() && self.reactor.is_ready() {
            self.take_glance(now);
        }
    }

    fn take_glance(&mut self, now: Now) {
        let is_behind = self.events.iter().any(|event| matches!(event, Event::Received { .. }));
        // Where the reactor has failed, the next wait says so.
        if is_behind || self.broker.is_congested() || self.reactor.enter().is_err() {
            return;
        }
        self.looked();
        self.glances.are_open = false;
        self.broker.edge.set_glance(true);
        let mut events = take(&mut self.glances.events);
        self.reactor.events(&mut events);
        let mut read = 0;
        for event in events.drain(..) {
            match event {
                Event::Received { conn, received, more } if read < GLANCE_READS => {
                    read += 1;
                    self.received(conn, received, more, now);
                    self.relieve(now);
                }
                event => self.events.push(event),
            }
        }
        self.glances.events = events;
        self.glances.have_read |= read > 0;
        self.post(now);
        self.broker.edge.set_glance(false);
        self.glances.are_open = true;
    }
}
