//! Endings: a goodbye is written, the peer may read it, then the socket goes.
//!
//! A peer that has only ended its side still gets what it asked for, for a while. Every ending is counted once, by its
//! cause, when the conn begins to close.

use rustix::io::Errno;
use rustix::net::Shutdown;

use super::Shard;
use super::conn::{Conn, Phase};
use super::reactor::{Reactor, Socket};
use super::recv::Progress;
use crate::broker::Closing;
use crate::broker::ending::Ending;
use crate::config::Purpose;
use crate::limits::{HALF_CLOSED_MS, LINGER_MS};
use crate::model::refusal::DisconnectKind;
use crate::outbox::Tag;
use crate::time::Now;
use crate::wire::websocket;

impl<R: Reactor> Shard<R> {
    /// Tells the clients whose sessions the broker has ended. Must follow every call of the broker that can end
    /// sessions before the next frame is read: a conn's session number may mean another by then.
    pub(super) fn say_goodbyes(&mut self, now: Now) {
        while let Some(Closing { conn, disconnect }) = self.broker.edge.closings.pop() {
            let Phase::Open { format, .. } = self.conns[conn as usize].phase else {
                unreachable!("a session's conn is open until the session has ended");
            };
            tracing::debug!(kind = ?disconnect.kind, reason = disconnect.reason.as_deref(), "a client is disconnected");
            if disconnect.kind == DisconnectKind::Slow {
                // What waits is more than the client will read in time.
                self.broker.edge.outbox.cut(conn);
            }
            self.broker.edge.outbox.write(conn, Tag::CONTROL, |out| format.write_goodbye(&disconnect, out));
            self.begin_closing(conn, Ending::Disconnect(disconnect.kind), now);
        }
    }

    /// The last bytes are in the outbox: from now on what the peer sends is thrown away, and it has a while to
    /// read. Closing at once could reset the connection and take the goodbye with it.
    pub(super) fn begin_closing(&mut self, conn: u32, ending: Ending, now: Now) {
        self.linger(conn, ending, now.mono_ms + LINGER_MS);
        self.receive(conn);
    }

    /// What is in the outbox has until then to leave, monotonic milliseconds.
    fn linger(&mut self, conn: u32, ending: Ending, until_ms: u64) {
        self.count_ending(conn, ending);
        self.strangers.drop_bytes(&mut self.conns[conn as usize]);
        let entry = &mut self.conns[conn as usize];
        entry.close();
        // What the session wanted to be looked at for is no reason to look earlier.
        entry.due_tick = u32::MAX;
        self.look_at(conn, until_ms);
        self.parting.push(conn);
    }

    /// Every way out of the phases in which a conn can go on comes by here, and none twice.
    pub(super) fn count_ending(&self, conn: u32, ending: Ending) {
        if self.conns[conn as usize].phase != Phase::Closing {
            self.metrics.endings.count(ending);
        }
    }

    /// The peer sent a close frame.
    pub(super) fn peer_closed(&mut self, conn: u32, session: u32, code: Option<u16>, now: Now) -> Progress {
        self.broker.end(session, Ending::PeerClosed, now);
        self.broker.edge.outbox.write(conn, Tag::CONTROL, |out| websocket::write_close_answer(code, out));
        self.begin_closing(conn, Ending::PeerClosed, now);
        Progress::Ended
    }

    /// The peer has ended its side.
    pub(super) fn peer_ended(&mut self, conn: u32, now: Now) {
        match self.conns[conn as usize].phase {
            Phase::Leaving => self.hand_over(conn),
            Phase::Closing => self.parting.push(conn),
            Phase::Proxied | Phase::Accepted => self.linger(conn, Ending::PeerEnded, now.mono_ms + LINGER_MS),
            Phase::Upgrading => self.cut_short(conn, now),
            Phase::Open { session, .. } => {
                self.broker.ask_no_more(session);
                let entry = &mut self.conns[conn as usize];
                entry.half_closed = true;
                // Nothing else that could be due makes it end earlier, nor later.
                entry.due_tick = u32::MAX;
                self.look_at(conn, now.mono_ms + HALF_CLOSED_MS);
                self.end_half_closed(conn, now);
            }
        }
    }

    /// Ends the session of a peer that has ended its side, once all that it asked is answered.
    pub(super) fn end_half_closed(&mut self, conn: u32, now: Now) {
        let entry = &self.conns[conn as usize];
        if let Some(session) = entry.session()
            && entry.half_closed
            && !entry.waits()
            && self.broker.is_answered(session)
        {
            self.broker.end(session, Ending::PeerEnded, now);
            // The answers have as long to leave as they had to come.
            self.linger(conn, Ending::PeerEnded, now.mono_ms + HALF_CLOSED_MS);
        }
    }

    /// The connection broke, as a receive or a send tells: nobody is there to be told anything.
    pub(super) fn broken(&mut self, conn: u32, errno: Errno, now: Now) {
        tracing::debug!(%errno, "a connection broke");
        if let Some(session) = self.conns[conn as usize].session() {
            self.broker.end(session, Ending::Broken(errno), now);
        }
        self.abandon(conn, Ending::Broken(errno));
    }

    /// Ends a conn whose peer will read nothing more.
    pub(super) fn abandon(&mut self, conn: u32, ending: Ending) {
        self.count_ending(conn, ending);
        self.broker.edge.outbox.close(conn);
        let entry = &mut self.conns[conn as usize];
        entry.close();
        if entry.in_flight.is_empty() {
            self.remove(conn);
        } else {
            // Whatever is in flight comes back with an error.
            entry.socket.shutdown(Shutdown::Both);
        }
    }

    /// Goes on with the endings whose last bytes may have left. Who is still in line is looked at after the next slice.
    pub(super) fn part(&mut self) {
        let mut parting = std::mem::take(&mut self.parting);
        parting.retain(|conn| {
            let in_line = self.broker.edge.outbox.is_in_line(*conn);
            if !in_line {
                self.part_from(*conn);
            }
            in_line
        });
        self.parting.append(&mut parting);
    }

    /// Lets a closing conn go if its last bytes have left; otherwise its socket's next event, or the end of its
    /// time, brings it here again.
    pub(super) fn part_from(&mut self, conn: u32) {
        let Some(entry) = self.conns.get(conn as usize) else { return };
        if entry.phase != Phase::Closing || self.broker.edge.outbox.is_waiting(conn) {
            return;
        }
        if entry.in_flight.is_empty() {
            self.remove(conn);
        } else {
            let how = if entry.in_flight.receives() { Shutdown::Write } else { Shutdown::Both };
            entry.socket.shutdown(how);
        }
    }

    fn remove(&mut self, conn: u32) {
        let entry = self.take_out(conn);
        assert!(entry.in_flight.is_empty(), "the reactor still has something of conn {conn}");
    }

    /// Forgets a conn, and gives back what it counted against.
    pub(super) fn take_out(&mut self, conn: u32) -> Conn<R::Socket> {
        let mut entry = self.conns.remove(conn as usize);
        match entry.purpose {
            Purpose::Internal => self.callers.leave(&mut entry),
            Purpose::Http | Purpose::Tcp => self.strangers.leave(&mut entry),
        }
        if entry.is_client {
            self.admission.client_goes();
        }
        self.admission.give_back(entry.place);
        self.broker.edge.outbox.close(conn);
        self.forget_told(conn);
        entry
    }
}
