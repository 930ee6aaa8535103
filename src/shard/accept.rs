//! Sockets that come in.

use std::io;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use rustix::io::Errno;

use super::Shard;
use super::conn::Conn;
use super::reactor::Reactor;
use crate::broker::ending::Ending;
use crate::broker::order::Arrival;
use crate::config::Purpose;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Opens every door that has a listener.
    pub(super) fn open_doors(&mut self) {
        for door in self.doors.numbers() {
            self.accept_at(door);
        }
    }

    fn accept_at(&mut self, door: u32) {
        if let Some(listener) = self.doors.listener(door) {
            self.reactor.accept(listener, door);
        }
    }

    pub(super) fn accepted(&mut self, door: u32, socket: io::Result<R::Socket>, more: bool, now: Now) {
        let pause = match socket {
            Ok(socket) => {
                // Who slips in while the door is being shut would only hold the drain up.
                if self.drain.is_none()
                    && let Some(conn) = self.welcome(socket, self.doors.purpose(door), now)
                {
                    self.expect_proxy(conn);
                }
                false
            }
            Err(error) => self.accept_failed(&error),
        };
        if more {
            return;
        }
        if self.drain.is_some() {
            self.doors.shut(door);
        } else if pause {
            self.paused_doors.push(door);
        } else {
            self.accept_at(door);
        }
    }

    /// Takes a conn back from the control plane, as if it had just come and said so much.
    pub(super) fn adopt(&mut self, socket: OwnedFd, read: Bytes, arrival: Arrival, now: Now) {
        let Some(socket) = self.reactor.adopt(socket) else { return };
        let Some(conn) = self.welcome(socket, arrival.purpose, now) else { return };
        self.told.insert(conn, arrival.address);
        self.conns[conn as usize].unread = read.into();
        self.read_on(conn, now);
    }

    fn welcome(&mut self, socket: R::Socket, purpose: Purpose, now: Now) -> Option<u32> {
        self.metrics.accepts.add(1);
        let Some(place) = self.place_for(purpose, now) else {
            // Dropping the socket closes it at once, which costs the least.
            self.metrics.endings.count(Ending::TurnedAway);
            return None;
        };
        let conn = self.conns.insert(Conn::new(socket, purpose, place)) as u32;
        let Self { strangers, callers, conns, .. } = self;
        if purpose == Purpose::Internal { callers } else { strangers }.come(conns, conn);
        self.broker.edge.outbox.open(conn);
        self.receive(conn);
        self.look_at(conn, now.mono_ms + self.broker.config().client.stale_close_delay.as_millis());
        Some(conn)
    }

    /// Asks the reactor for the conn's bytes.
    pub(super) fn receive(&mut self, conn: u32) {
        let entry = &mut self.conns[conn as usize];
        if entry.in_flight.begin_receive() {
            self.reactor.receive(&entry.socket, conn);
        }
    }

    /// Whether accepting must rest for a while: without descriptors or memory it would only spin. Who waits
    /// stays in the kernel's queue.
    fn accept_failed(&mut self, error: &io::Error) -> bool {
        let scarce = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        let code = error.raw_os_error().map(Errno::from_raw_os_error);
        let pause = code.is_some_and(|code| scarce.contains(&code));
        if pause {
            if self.metrics.accept_pauses.get().is_multiple_of(100) {
                tracing::warn!(
                    %error,
                    "no connection can be accepted: raise the limit of descriptors (`ringpost doctor` tells how)"
                );
            }
            self.metrics.accept_pauses.add(1);
        }
        pause
    }

    /// Accepting has rested; tries again.
    pub(super) fn reopen_doors(&mut self) {
        for door in std::mem::take(&mut self.paused_doors) {
            self.accept_at(door);
        }
    }
}
