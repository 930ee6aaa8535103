//! What goes out: one send per conn for everything that waits for it, a slice of the conns at a time.
//!
//! Between two slices the shard looks whether there is something else to do, so that a large room holds up nobody.

use std::io;

use super::Shard;
use super::conn::Phase;
use super::reactor::{Reactor, Socket};
use crate::broker::metrics::ShardMetrics;
use crate::limits::{SLICES_PER_LOOK, SLICES_PER_TICK};
use crate::model::refusal::DisconnectKind;
use crate::outbox::Flushed;
use crate::time::Now;

// Inlined: the kernel is faster in a loop without calls (`Outbox::flush`).
#[inline(always)]
fn send(socket: &impl Socket, bytes: &[u8], metrics: &ShardMetrics) -> io::Result<usize> {
    let sent = socket.send(bytes)?;
    metrics.bytes_out.add(sent as u64);
    Ok(sent)
}

impl<R: Reactor> Shard<R> {
    /// Brings what this tick made to where it belongs: letters first, and of what waits for sockets one slice, small things
    /// first. One ending can make another; letters that it makes leave in the next tick.
    pub(super) fn settle(&mut self, now: Now) {
        loop {
            self.say_goodbyes(now);
            self.post(now);
            self.flush(now);
            self.part();
            if self.broker.edge.closings.is_empty() {
                break;
            }
        }
        self.errand();
    }

    /// Sends some slices of what is in the outbox, and more while there is nothing else to do. The kernel is slower after
    /// every look around than in a loop that only sends (docs/decisions/outbox.md).
    pub(super) fn flush(&mut self, now: Now) {
        for slice in 1..=SLICES_PER_TICK {
            if !self.broker.edge.outbox.is_dirty() {
                return;
            }
            self.flush_slice(now);
            self.glance(now);
            if slice % SLICES_PER_LOOK == 0 {
                if self.has_more_to_do() || self.has_been_written_to() {
                    return;
                }
                // Nobody waits: what comes next has waited from here on.
                self.looked();
            }
        }
    }

    pub(super) fn flush_slice(&mut self, now: Now) {
        let Self { broker, conns, metrics, unsent, .. } = self;
        broker.edge.outbox.flush(
            |conn, bytes| send(&conns[conn as usize].socket, bytes, metrics),
            |conn, flushed| unsent.push((conn, flushed)),
        );
        while let Some((conn, flushed)) = self.unsent.pop() {
            self.not_sent(conn, flushed, now);
        }
    }

    fn not_sent(&mut self, conn: u32, flushed: Flushed, now: Now) {
        match flushed {
            Flushed::Sent => {}
            Flushed::Blocked => self.await_writable(conn, now),
            Flushed::Slow => {
                self.await_writable(conn, now);
                if let Some(session) = self.conns[conn as usize].session() {
                    self.broker.close(session, DisconnectKind::Slow, now);
                    self.say_goodbyes(now);
                }
            }
            Flushed::Failed(errno) => self.broken(conn, errno, now),
        }
    }

    fn await_writable(&mut self, conn: u32, now: Now) {
        let entry = &mut self.conns[conn as usize];
        if entry.in_flight.begin_writable() {
            self.reactor.await_writable(&entry.socket, conn);
            self.watch_progress(conn, now);
        }
    }

    /// Has a client looked at when its socket will have taken nothing for too long. Returns whether it has already.
    fn watch_progress(&mut self, conn: u32, now: Now) -> bool {
        let entry = &self.conns[conn as usize];
        if entry.session().is_none() || entry.half_closed {
            // It has a deadline of its own.
            return false;
        }
        let Some(since_ms) = self.broker.edge.outbox.stuck_since_ms(conn, now.mono_ms) else { return false };
        let until_ms = since_ms.saturating_add(self.broker.config().client.write_timeout.as_millis());
        if now.mono_ms < until_ms {
            self.look_at(conn, until_ms);
        }
        now.mono_ms >= until_ms
    }

    /// Whether a client's socket takes nothing of what waits for it, for too long. The kernel says that a socket is
    /// writable when a third of its buffer is free, which takes a slow link longer than that: so it is tried.
    pub(super) fn is_stuck(&mut self, conn: u32, now: Now) -> bool {
        if !self.watch_progress(conn, now) {
            return false;
        }
        let flushed = self.resume(conn);
        self.not_sent(conn, flushed, now);
        self.conns.contains(conn as usize) && self.watch_progress(conn, now)
    }

    /// A socket that was full takes bytes again.
    pub(super) fn writable(&mut self, conn: u32, now: Now) {
        let entry = &mut self.conns[conn as usize];
        entry.in_flight.end_writable();
        let closing = entry.phase == Phase::Closing;
        let flushed = self.resume(conn);
        self.not_sent(conn, flushed, now);
        if closing {
            self.part_from(conn);
        }
    }

    /// Sends what waits for a conn, as much as its socket takes.
    pub(super) fn resume(&mut self, conn: u32) -> Flushed {
        let Self { broker, conns, metrics, .. } = self;
        let entry = &conns[conn as usize];
        let flushed = broker.edge.outbox.resume(conn, |bytes| send(&entry.socket, bytes, metrics));
        if entry.paused
            && let Some(session) = entry.session()
        {
            broker.drained(session);
        }
        flushed
    }

    /// Leaves letters in the other shards' mailboxes, as many as there is room for.
    pub(super) fn post(&mut self, now: Now) {
        let Self { broker, mailboxes, metrics, .. } = self;
        let mut left = 0;
        broker.post(now, |to, lane, bytes, letter| {
            mailboxes.push(to, lane, bytes, letter)?;
            left += 1;
            Ok(())
        });
        if left > 0 {
            metrics.letters.add(left);
            mailboxes.wake();
        }
    }

    /// Gives the control plane what the broker asks of it. There is at most one errand per session.
    fn errand(&mut self) {
        for errand in self.broker.edge.errands.drain(..) {
            // A control plane that has ended answers nothing: the node is about to end.
            let _ = self.errands.send(errand);
        }
    }
}
