//! All connections of a thread, on one ring.
//!
//! A [`Swarm`] owns sockets and bytes, and knows no frame. Whoever holds it takes its events, reads what they bring, and
//! appends what is to be sent; everything a connection has to send in a turn goes out as one send. [`Clients`] do so word
//! by word.

mod clients;
mod conn;
mod socket;

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use ringpost::ring::{Event, Ring};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_quickack;
use rustix::net::{SendFlags, Shutdown, connect_unspec, send, shutdown};
use slab::Slab;

pub use self::clients::{Clients, read, turn};
pub use self::conn::{Conn, Phase};
pub use self::socket::{allow, processes};
use crate::clock::Clock;
use crate::limits::RING;
use crate::target::{Target, Targets};

/// Waits shorter than this are spun away: a sleep of that length may take twice as long.
const SPIN_NS: u64 = 100_000;

/// All connections of a thread.
#[derive(Debug)]
pub struct Swarm {
    targets: Targets,
    ring: Ring,
    conns: Slab<Conn>,
    /// Which load process this is: its connections come from addresses of their own.
    process: u32,
    opened: u64,
    /// Connections with something to send.
    pending: Vec<u32>,
    /// Whether the ring is polled in place of waiting.
    busy_poll: bool,
    /// Whether the kernel is to acknowledge at once what is read, also of a connection that has sent something.
    quick_ack: bool,
    /// When the last timer that the ring was given elapses.
    timer_ns: Option<u64>,
    clock: Clock,
}

impl Swarm {
    /// No connections yet, of the load process with this number.
    ///
    /// # Errors
    /// When the kernel gives no ring.
    pub fn new(targets: Targets, clock: Clock, process: u32) -> anyhow::Result<Self> {
        let ring = Ring::new(RING).context("the kernel gives no io_uring; `ringpost doctor` tells what it lacks")?;
        let (conns, pending) = (Slab::new(), Vec::new());
        Ok(Self {
            targets,
            ring,
            conns,
            process,
            opened: 0,
            pending,
            busy_poll: false,
            quick_ack: false,
            timer_ns: None,
            clock,
        })
    }

    /// Whether it polls its ring in place of waiting, so that the thread never sleeps: nobody who sends to it has to wake it.
    #[must_use]
    pub fn busy_poll(self, busy_poll: bool) -> Self {
        Self { busy_poll, ..self }
    }

    /// Whether connections acknowledge what they read at once. The kernel takes one that answers for a dialogue, of which it
    /// acknowledges half as often and while data comes, in place of when it is read.
    #[must_use]
    pub fn quick_ack(self, quick_ack: bool) -> Self {
        Self { quick_ack, ..self }
    }

    /// Nanoseconds since the run began.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Whether there is no connection at all.
    pub fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// A connection that is open, or about to end.
    pub fn conn(&mut self, key: u32) -> Option<&mut Conn> {
        self.conns.get_mut(key as usize)
    }

    /// Begins to connect a client to a node; the key of its connection. The receive buffer of its socket is the kernel's
    /// choice unless it is given, bytes.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open(
        &mut self,
        client: u32,
        node: u32,
        due_ns: u64,
        receive_buffer_bytes: Option<usize>,
    ) -> io::Result<u32> {
        let address = self.targets.node(node).address;
        let socket = socket::connect(address, self.process, self.opened, receive_buffer_bytes)?;
        self.opened += 1;
        let key = self.conns.insert(Conn::new(client, node, due_ns, socket)) as u32;
        self.await_writable(key);
        Ok(key)
    }

    /// The socket takes bytes. Sends what waits; for a new connection: whether it is one now.
    ///
    /// # Errors
    /// Why it is not.
    pub fn writable(&mut self, key: u32) -> io::Result<bool> {
        let Some(conn) = self.conns.get_mut(key as usize) else { return Ok(false) };
        conn.in_flight.end_writable();
        let is_new = conn.phase == Phase::Connecting;
        if is_new {
            if let Some(error) = socket::connect_error(&conn.socket) {
                self.conns.remove(key as usize);
                return Err(error);
            }
            self.receive(key);
        } else {
            self.flush_one(key);
            self.forget_if_over(key);
        }
        Ok(is_new)
    }

    /// Takes the beginning of a frame whose end had not come.
    pub fn take_input(&mut self, key: u32) -> Vec<u8> {
        self.conn(key).map(|conn| std::mem::take(&mut conn.input)).unwrap_or_default()
    }

    /// Keeps the beginning of a frame whose end has not come.
    pub fn keep_input(&mut self, key: u32, input: Vec<u8>) {
        if let Some(conn) = self.conn(key) {
            conn.input = input;
        }
    }

    /// Leaves what comes in the socket.
    pub fn stop_reading(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.reads = false;
        if conn.in_flight.receives() {
            self.ring.stop_receiving(key);
        }
    }

    /// Reads what has come, and what comes.
    pub fn read_again(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.reads = true;
        // Where the ring has not stopped yet, it is asked again when it has.
        self.receive(key);
    }

    /// The ring receives no more for the connection by itself: ask it again, unless the connection is about to end, or
    /// does not read.
    pub fn receive_again(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.in_flight.end_receive();
        self.receive(key);
        self.forget_if_over(key);
    }

    fn receive(&mut self, key: u32) {
        let conn = &mut self.conns[key as usize];
        let is_wanted = conn.reads && !matches!(conn.phase, Phase::Leaving | Phase::Ended);
        if is_wanted && conn.in_flight.begin_receive() {
            self.ring.receive(conn.socket.as_fd(), key);
        }
    }

    fn await_writable(&mut self, key: u32) {
        let conn = &mut self.conns[key as usize];
        if conn.in_flight.begin_writable() {
            self.ring.await_writable(conn.socket.as_fd(), key);
        }
    }

    /// The connection has ended; it is forgotten once the ring has let go of it.
    pub fn ended(&mut self, key: u32) {
        let conn = &mut self.conns[key as usize];
        conn.in_flight.end_receive();
        if conn.phase != Phase::Leaving {
            conn.phase = Phase::Ended;
        }
        self.forget_if_over(key);
    }

    /// Where to append what the connection is to send in this turn.
    pub fn output(&mut self, key: u32) -> Option<&mut Vec<u8>> {
        self.opening(key).map(|(_, output)| output)
    }

    /// The same, with the node that the connection goes to.
    pub fn opening(&mut self, key: u32) -> Option<(&Target, &mut Vec<u8>)> {
        let conn = self.conns.get_mut(key as usize)?;
        if matches!(conn.phase, Phase::Leaving | Phase::Ended) {
            return None;
        }
        if !conn.is_pending {
            conn.is_pending = true;
            self.pending.push(key);
        }
        Some((self.targets.node(conn.node), &mut conn.output))
    }

    /// What the connection has to send and has not sent, bytes.
    pub fn unsent_bytes(&self, key: u32) -> usize {
        self.conns.get(key as usize).map_or(0, |conn| conn.output.len())
    }

    /// Sends what the connection has to send and ends it.
    pub fn leave(&mut self, key: u32) {
        self.flush_one(key);
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.phase = Phase::Leaving;
        // Ends the ring's receive too, which holds the socket. A socket that is gone already is as good.
        let _ = shutdown(&conn.socket, Shutdown::Both);
        self.forget_if_over(key);
    }

    /// Breaks the connection without a word: the server is told that it was reset. Nothing waits to be sent any more.
    pub fn reset(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        conn.phase = Phase::Leaving;
        // For TCP this is the order to reset (POSIX: to dissolve the association). It ends the ring's receive too.
        let _ = connect_unspec(&conn.socket);
        self.forget_if_over(key);
    }

    fn forget_if_over(&mut self, key: u32) {
        if self.conns.get(key as usize).is_some_and(Conn::is_over) {
            self.conns.remove(key as usize);
        }
    }

    /// Sends what was appended in this turn.
    pub fn flush(&mut self) {
        while let Some(key) = self.pending.pop() {
            if let Some(conn) = self.conns.get_mut(key as usize) {
                conn.is_pending = false;
                self.flush_one(key);
            }
        }
    }

    fn flush_one(&mut self, key: u32) {
        let Some(conn) = self.conns.get_mut(key as usize) else { return };
        if conn.in_flight.awaits_writable() || conn.output.is_empty() {
            return;
        }
        match send(&conn.socket, &conn.output, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) if sent == conn.output.len() => conn.output.clear(),
            Ok(sent) => drop(conn.output.drain(..sent)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A broken connection: its receive says so.
            Err(_) => conn.output.clear(),
        }
        if self.quick_ack {
            // What was sent may have made a dialogue of it. A connection that is broken needs no acknowledgements.
            let _ = set_tcp_quickack(&conn.socket, true);
        }
        if !conn.output.is_empty() {
            self.await_writable(key);
        }
    }

    /// Appends what has happened; waits for it until `until_ns`. Until when it waited.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn turn(&mut self, until_ns: u64, events: &mut Vec<Event>) -> io::Result<u64> {
        let mut woke_ns = self.now_ns();
        let wait_ns = until_ns.saturating_sub(woke_ns);
        if self.ring.is_ready() || wait_ns == 0 {
            self.ring.enter()?;
        } else if wait_ns > SPIN_NS && !self.busy_poll {
            self.set_timer(until_ns - SPIN_NS / 2);
            self.ring.enter_and_wait(None)?;
            woke_ns = self.now_ns();
        } else {
            self.ring.enter()?;
            while !self.ring.is_ready() && self.now_ns() < until_ns {
                std::hint::spin_loop();
            }
            woke_ns = self.now_ns();
            self.ring.enter()?;
        }
        self.ring.events(events);
        Ok(woke_ns)
    }

    /// The ring wakes at this time or before.
    fn set_timer(&mut self, at_ns: u64) {
        let now_ns = self.now_ns();
        if !self.timer_ns.is_some_and(|timer_ns| (now_ns..=at_ns).contains(&timer_ns)) {
            // The time may have come since it was looked at.
            self.ring.timer(Duration::from_nanos(at_ns.saturating_sub(now_ns)));
            self.timer_ns = Some(at_ns);
        }
    }
}

#[cfg(test)]
mod tests;
