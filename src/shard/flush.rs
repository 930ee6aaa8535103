//! What goes out: one send per conn for everything that waits for it, a slice of the conns at a time.
//!
//! Between two slices the shard looks at its ring, so that a large room holds up nobody.

use std::io;

use super::Shard;
use super::conn::Phase;
use super::reactor::{Reactor, Socket};
use crate::broker::metrics::ShardMetrics;
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

    /// Sends a slice of what is in the outbox.
    pub(super) fn flush(&mut self, now: Now) {
        if !self.broker.edge.outbox.is_dirty() {
            return;
        }
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
            Flushed::Blocked => self.await_writable(conn),
            Flushed::Slow => {
                self.await_writable(conn);
                if let Some(session) = self.conns[conn as usize].session() {
                    self.broker.close(session, DisconnectKind::Slow, now);
                    self.say_goodbyes(now);
                }
            }
            Flushed::Failed => self.broken(conn, now),
        }
    }

    fn await_writable(&mut self, conn: u32) {
        let entry = &mut self.conns[conn as usize];
        if entry.in_flight.begin_writable() {
            self.reactor.await_writable(&entry.socket, conn);
        }
    }

    /// A socket that was full takes bytes again.
    pub(super) fn writable(&mut self, conn: u32, now: Now) {
        let Self { broker, conns, metrics, .. } = self;
        let entry = &mut conns[conn as usize];
        entry.in_flight.end_writable();
        let flushed = broker.edge.outbox.resume(conn, |bytes| send(&entry.socket, bytes, metrics));
        let closing = entry.phase == Phase::Closing;
        if entry.paused
            && let Some(session) = entry.session()
        {
            broker.drained(session);
        }
        self.not_sent(conn, flushed, now);
        if closing {
            self.part_from(conn);
        }
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
