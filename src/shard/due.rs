//! What is due: deadlines of conns, house-keeping, the steps of a drain.

use std::time::Duration;

use super::Shard;
use super::conn::Phase;
use super::reactor::Reactor;
use super::wheel::{WHEEL_TICK_MS, Wheel};
use crate::broker::ending::Ending;
use crate::limits::TICKS_APART_MS_MAX;
use crate::model::refusal::DisconnectKind;
use crate::time::Now;
use crate::wire::http::Status;

impl<R: Reactor> Shard<R> {
    /// Has the conn looked at no later than `due_ms`, monotonic milliseconds.
    pub(super) fn look_at(&mut self, conn: u32, due_ms: u64) {
        if due_ms == u64::MAX {
            // Never, where nobody is pinged: such entries would only gather in the wheel.
            return;
        }
        let entry = &mut self.conns[conn as usize];
        let tick = Wheel::tick_for(due_ms);
        // An earlier look finds out by itself when the next is due.
        if tick < entry.due_tick {
            entry.due_tick = tick;
            self.wheel.set(conn, tick);
        }
    }

    /// Has the reactor wake the shard at the next turn of the wheel.
    pub(super) fn wind(&mut self) {
        self.reactor.timer(Duration::from_millis(WHEEL_TICK_MS));
    }

    /// Deadlines are for time in which the shard looked. Where it did not (the process was stopped, the host asleep, a tick
    /// took long), who was to say something in that time has as much longer.
    pub(super) fn make_up_for_pause(&mut self, now: Now) {
        let pause_ms = now.mono_ms.saturating_sub(self.looked_ms).saturating_sub(TICKS_APART_MS_MAX);
        self.looked_ms = now.mono_ms;
        if pause_ms == 0 {
            return;
        }
        self.broker.make_up_for(pause_ms);
        let pause_ticks = u32::try_from(pause_ms.div_ceil(WHEEL_TICK_MS)).unwrap_or(u32::MAX);
        let Self { conns, wheel, .. } = self;
        for (conn, entry) in conns {
            // Sessions find out by themselves when they are looked at.
            let is_session = matches!(entry.phase, Phase::Open { .. }) && !entry.half_closed;
            if entry.due_tick != u32::MAX && !is_session {
                entry.due_tick = entry.due_tick.saturating_add(pause_ticks);
                wheel.set(conn as u32, entry.due_tick);
            }
        }
    }

    /// One turn of the wheel.
    pub(super) fn turn(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.turn(now.mono_ms, &mut due);
        for entry in due.drain(..) {
            let conn = entry.conn;
            if let Some(waiting) = self.conns.get_mut(conn as usize)
                && waiting.due_tick == entry.tick
            {
                waiting.due_tick = u32::MAX;
                self.conn_due(conn, now);
            }
        }
        self.due = due;
        self.broker.sweep(now);
        self.grant_wanted(now);
        self.ask_again(now);
        self.reopen_doors();
        self.drain_step();
        self.report();
    }

    fn conn_due(&mut self, conn: u32, now: Now) {
        match self.conns[conn as usize].phase {
            // Not all was answered in time.
            Phase::Open { session, .. } if self.conns[conn as usize].half_closed => {
                self.broker.end(session, Ending::PeerEnded, now);
                self.abandon(conn, Ending::PeerEnded);
            }
            Phase::Open { session, .. } => self.session_due(conn, session, now),
            // No whole request came in time.
            Phase::Upgrading => {
                self.refuse(conn, Status::REQUEST_TIMEOUT, "the request did not arrive in time", now);
            }
            Phase::Proxied => self.abandon(conn, Ending::ProxyHeader),
            Phase::Accepted | Phase::Closing => self.abandon(conn, Ending::Silent),
            Phase::Leaving => {}
        }
    }

    fn session_due(&mut self, conn: u32, session: u32, now: Now) {
        if self.is_stuck(conn, now) {
            self.broker.close(session, DisconnectKind::Slow, now);
        } else if self.broker.conn_of(session) == Some(conn) {
            // Its socket was not found broken.
            if self.holds_input(conn, session) {
                self.broker.heard(session);
            }
            if let Some(next_ms) = self.broker.timer(session, now) {
                self.look_at(conn, next_ms);
            }
        }
        self.say_goodbyes(now);
    }

    /// Whether something of a client has come that its session cannot take yet: it need not say it twice. One that does not
    /// read its own answers is found out by its socket.
    fn holds_input(&self, conn: u32, session: u32) -> bool {
        let entry = &self.conns[conn as usize];
        entry.waits() && !entry.unread.is_empty() || self.broker.held_back(session) > 0
    }

    /// Copies what is not counted message by message to the metrics.
    fn report(&mut self) {
        self.broker.report();
        if let Some(journal) = self.broker.journal() {
            self.metrics.store.waiting_bytes.set(journal.waiting_bytes() as u64);
            self.metrics.store.kept_bytes.set(journal.kept_bytes());
        }
        self.metrics.conns.set(self.conns.len() as u64);
        self.metrics.strangers.set((self.strangers.len() + self.callers.len()) as u64);
        self.metrics.stranger_bytes.set(self.strangers.bytes() as u64);
        self.metrics.mailbox_depth.set(self.mailboxes.depth() as u64);
        self.metrics.mailbox_bytes.set(self.mailboxes.unread_bytes() as u64);
    }
}
