//! The simulated side of [`Reactor`]: operations that are in flight, and what the kernel reports of them.
//!
//! Completions come in any order and only when the shard enters; a receive may end by itself, find no buffer, or bring
//! several. Checks what the real ring cannot: nothing in flight outlives its socket, and no operation is asked for twice.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::seq::SliceRandom;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::fault::Fault;
use super::network::Shared;
use super::node::SharedDisk;
use crate::broker::order::{Arrival, Errand};
use crate::ring::{Event, Received};
use crate::shard::reactor::{EventOf, Reactor, Socket};
use crate::shard::waker::Waker;
use crate::store::{Request, SegmentId};
use crate::time::Now;

/// How often a write fails.
const WRITES_FAIL: f64 = 0.005;

/// What is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Accept { door: u32 },
    Receive { conn: u32 },
    Writable { conn: u32 },
}

/// One shard's ring.
#[derive(Debug)]
pub(super) struct Simulated {
    network: Shared,
    /// Each with the number of its listener or pipe.
    in_flight: BTreeMap<Operation, usize>,
    completed: VecDeque<EventOf<Self>>,
    /// Receive buffers, one reference each while it is taken.
    pool: Rc<()>,
    buffers: usize,
    buffer_bytes: usize,
    elapses_ms: Option<u64>,
    is_watching: bool,
    /// A conn of which nothing is reported until then, monotonic milliseconds: a fault.
    delayed: Option<(u32, u64)>,
    disk: SharedDisk,
    /// How quick it is: how likely it does something when the shard looks.
    pace: f64,
    me: u16,
}

impl Simulated {
    /// Of shard `me`, with so many receive buffers of so many bytes.
    pub(super) fn new(network: Shared, (buffers, buffer_bytes): (usize, usize), disk: SharedDisk, me: u16) -> Self {
        let pace = network.borrow_mut().random.random_range(0.05..0.8);
        Self {
            network,
            in_flight: BTreeMap::new(),
            completed: VecDeque::new(),
            pool: Rc::default(),
            buffers,
            buffer_bytes,
            elapses_ms: None,
            is_watching: false,
            delayed: None,
            disk,
            pace,
            me,
        }
    }

    /// The shard's waker was rung.
    pub(super) fn woken(&mut self) {
        assert!(self.is_watching, "nobody watches the waker");
        let more = self.network.borrow_mut().random.random_bool(0.9);
        self.is_watching = more;
        self.completed.push_back(Event::Woken { more });
    }

    /// Whether a receive and a wait for writability are in flight for a conn, or their ends not yet reported.
    pub(super) fn in_flight(&self, conn: u32) -> (bool, bool) {
        let ends_receive =
            |event: &EventOf<Self>| matches!(event, Event::Received { conn: of, more: false, .. } if *of == conn);
        let ends_wait = |event: &EventOf<Self>| matches!(event, Event::Writable { conn: of } if *of == conn);
        (
            self.in_flight.contains_key(&Operation::Receive { conn }) || self.completed.iter().any(ends_receive),
            self.in_flight.contains_key(&Operation::Writable { conn }) || self.completed.iter().any(ends_wait),
        )
    }

    /// Conns of which something is in flight.
    pub(super) fn conns(&self) -> impl Iterator<Item = u32> {
        self.in_flight.keys().filter_map(|operation| match operation {
            Operation::Accept { .. } => None,
            Operation::Receive { conn } | Operation::Writable { conn } => Some(*conn),
        })
    }

    /// All buffers have come back.
    pub(super) fn check_is_at_rest(&self) {
        assert_eq!(Rc::strong_count(&self.pool), 1, "a receive buffer did not come back");
        assert_eq!(self.conns().count(), 0, "something is in flight: {:?}", self.in_flight);
    }

    fn begin(&mut self, operation: Operation, number: usize) {
        let before = self.in_flight.insert(operation, number);
        assert!(before.is_none(), "{operation:?} was in flight already");
    }

    fn can_complete(&self, operation: Operation, number: usize) -> bool {
        let network = self.network.borrow();
        match operation {
            Operation::Accept { .. } => network.is_waited_at(number),
            Operation::Receive { conn } => network.is_readable(number) && !self.is_delayed(conn, network.now),
            Operation::Writable { .. } => network.is_writable(number),
        }
    }

    fn is_delayed(&self, conn: u32, now: Now) -> bool {
        self.delayed.is_some_and(|(delayed, until_ms)| delayed == conn && now.mono_ms < until_ms)
    }

    fn has_elapsed(&self) -> bool {
        self.elapses_ms.is_some_and(|at_ms| at_ms <= self.network.borrow().now.mono_ms)
    }

    fn strikes(&self, fault: Fault) -> bool {
        self.network.borrow_mut().strikes(fault)
    }

    /// The kernel does some of what it can do; something, if there is anything.
    fn progress(&mut self) {
        let mut ready: Vec<_> = self
            .in_flight
            .iter()
            .map(|(op, number)| (*op, *number))
            .filter(|(op, number)| self.can_complete(*op, *number))
            .collect();
        ready.shuffle(&mut self.network.borrow_mut().random);
        let has_elapsed = self.has_elapsed();
        if has_elapsed {
            self.elapses_ms = None;
            if !self.strikes(Fault::LosesTimer) {
                self.completed.push_back(Event::Elapsed);
            }
        }
        self.progress_on_disk();
        for (operation, number) in ready {
            // What has come is reported no later than a timer that elapsed after it.
            let is_due = has_elapsed && matches!(operation, Operation::Receive { .. });
            if !is_due && !self.completed.is_empty() && self.network.borrow_mut().random.random_bool(0.3) {
                continue;
            }
            match operation {
                Operation::Accept { door } => self.complete_accept(door, number),
                Operation::Receive { conn } => self.complete_receive(conn, number, is_due),
                Operation::Writable { conn } => {
                    self.in_flight.remove(&operation);
                    if !self.strikes(Fault::LosesWritable) {
                        self.completed.push_back(Event::Writable { conn });
                    }
                }
            }
        }
    }

    fn progress_on_disk(&mut self) {
        let (random, disk) = (&mut self.network.borrow_mut().random, &mut *self.disk.borrow_mut());
        if random.random_bool(self.pace) {
            disk.work();
        }
        if let Some(made) = disk.next_made(self.me) {
            self.completed.push_back(Event::Prepared(made));
        }
        if random.random_bool(self.pace) {
            let is_synced = !random.random_bool(WRITES_FAIL);
            for (is_synced, bytes) in disk.complete(self.me, is_synced) {
                let result = if is_synced { Ok(()) } else { Err(Errno::IO) };
                self.completed.push_back(Event::Written { result, bytes });
            }
        }
    }

    fn complete_accept(&mut self, door: u32, listener: usize) {
        let (draw, pipe) = {
            let network = &mut *self.network.borrow_mut();
            let draw = network.random.random_range(0..100);
            (draw, if draw < 5 { None } else { network.accept(listener) })
        };
        let socket = match pipe {
            Some(number) => Ok(SimulatedSocket { kind: Kind::Pipe, number, network: self.network.clone() }),
            None if draw < 2 => Err(Errno::MFILE.into()),
            None => Err(Errno::CONNABORTED.into()),
        };
        let more = socket.is_ok() && draw < 95;
        if !more {
            self.in_flight.remove(&Operation::Accept { door });
        }
        self.completed.push_back(Event::Accepted { door, socket, more });
    }

    /// Reports some of what has come, or all of it.
    fn complete_receive(&mut self, conn: u32, pipe: usize, all: bool) {
        if self.strikes(Fault::DelaysReceived) {
            self.delayed = Some((conn, self.now().mono_ms + 30_000));
            return;
        }
        let some = self.network.borrow_mut().random.random_range(1..=3);
        let buffers = if all { usize::MAX } else { some };
        for _ in 0..buffers {
            if !self.network.borrow().is_readable(pipe) {
                return;
            }
            if Rc::strong_count(&self.pool) > self.buffers {
                return self.end_receive(conn, Received::NoBuffer);
            }
            let Some(bytes) = self.network.borrow_mut().receive(pipe, self.buffer_bytes) else {
                if self.strikes(Fault::LosesEnd) {
                    self.in_flight.remove(&Operation::Receive { conn });
                    return;
                }
                let is_reset = self.network.borrow().is_reset(pipe);
                let end = if is_reset { Received::Failed(Errno::CONNRESET) } else { Received::End };
                return self.end_receive(conn, end);
            };
            if self.strikes(Fault::LosesReceived) {
                continue;
            }
            if self.strikes(Fault::ReceivesTwice) {
                let received = Received::Bytes(self.buffer(bytes.clone()));
                self.completed.push_back(Event::Received { conn, received, more: true });
            }
            if self.strikes(Fault::KeepsBuffer) {
                std::mem::forget(self.pool.clone());
            }
            let received = Received::Bytes(self.buffer(bytes));
            if self.network.borrow_mut().random.random_bool(0.05) {
                return self.end_receive(conn, received);
            }
            self.completed.push_back(Event::Received { conn, received, more: true });
        }
    }

    fn buffer(&self, bytes: Vec<u8>) -> SimulatedBuffer {
        SimulatedBuffer { bytes, _taken: self.pool.clone() }
    }

    fn end_receive(&mut self, conn: u32, received: Received<SimulatedBuffer>) {
        self.in_flight.remove(&Operation::Receive { conn });
        let more = matches!(received, Received::Bytes(_)) && self.strikes(Fault::HidesEndOfReceive);
        self.completed.push_back(Event::Received { conn, received, more });
    }
}

impl Reactor for Simulated {
    type Socket = SimulatedSocket;
    type Buffer = SimulatedBuffer;

    fn now(&self) -> Now {
        self.network.borrow().now
    }

    fn mono_ns(&self) -> u64 {
        self.now().mono_ms * 1_000_000
    }

    fn accept(&mut self, listener: &SimulatedSocket, door: u32) {
        self.begin(Operation::Accept { door }, listener.number);
    }

    fn stop_accepting(&mut self, door: u32) {
        if self.in_flight.remove(&Operation::Accept { door }).is_some() {
            let socket = Err(Errno::CANCELED.into());
            self.completed.push_back(Event::Accepted { door, socket, more: false });
        }
    }

    fn receive(&mut self, socket: &SimulatedSocket, conn: u32) {
        self.begin(Operation::Receive { conn }, socket.number);
    }

    fn stop_receiving(&mut self, conn: u32) {
        if self.in_flight.contains_key(&Operation::Receive { conn }) {
            self.end_receive(conn, Received::Stopped);
        }
    }

    fn await_writable(&mut self, socket: &SimulatedSocket, conn: u32) {
        self.begin(Operation::Writable { conn }, socket.number);
    }

    fn watch(&mut self, _: &Waker) {
        self.is_watching = true;
    }

    fn timer(&mut self, after: Duration) {
        assert!(self.elapses_ms.is_none(), "the timer runs already");
        let late_ms = if self.strikes(Fault::DelaysTimer) { 5_000 } else { 0 };
        self.elapses_ms = Some(self.now().mono_ms + after.as_millis() as u64 + late_ms);
    }

    fn is_ready(&mut self) -> bool {
        !self.completed.is_empty()
            || self.has_elapsed()
            || self.disk.borrow().is_busy(self.me)
            || self.in_flight.iter().any(|(operation, number)| self.can_complete(*operation, *number))
    }

    fn enter(&mut self) -> io::Result<()> {
        self.progress();
        Ok(())
    }

    fn enter_and_wait(&mut self, _: Option<Duration>) -> io::Result<()> {
        unreachable!("the world lets shards sleep")
    }

    fn events(&mut self, events: &mut Vec<EventOf<Self>>) {
        events.extend(self.completed.drain(..));
        let dead = events.iter().find_map(|event| match event {
            Event::Received { conn, received: Received::End | Received::Failed(_), more: false } => Some(*conn),
            _ => None,
        });
        if let Some(conn) = dead
            && self.strikes(Fault::ReportsTheDead)
        {
            self.completed.push_back(Event::Received { conn, received: Received::End, more: false });
        }
    }

    fn prepare(&mut self, for_snapshot: bool) {
        self.disk.borrow_mut().ask(self.me, Request::Prepare { for_snapshot });
    }

    fn hurry(&mut self) {
        self.disk.borrow_mut().ask(self.me, Request::Hurry);
    }

    fn write(&mut self, segment: SegmentId, at: u64, bytes: Vec<u8>) {
        self.disk.borrow_mut().ask(self.me, Request::Write { segment, at, bytes });
    }

    fn discard(&mut self, segment: SegmentId) {
        self.disk.borrow_mut().ask(self.me, Request::Discard { segment });
    }

    fn hand_over(&mut self, socket: SimulatedSocket, read: Bytes, _: Arrival) -> Option<Errand> {
        self.network.borrow_mut().hand_over(socket.number, &read);
        None
    }

    fn adopt(&mut self, _: OwnedFd) -> Option<SimulatedSocket> {
        None
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Listener,
    Pipe,
}

/// Where all simulated connections come from.
pub(super) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The node's end of a pipe, or a listener.
#[derive(Debug)]
pub(super) struct SimulatedSocket {
    kind: Kind,
    number: usize,
    network: Shared,
}

impl SimulatedSocket {
    /// Begins to listen.
    pub(super) fn listener(network: &Shared) -> Self {
        let number = network.borrow_mut().listen();
        Self { kind: Kind::Listener, number, network: network.clone() }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }
}

impl Socket for SimulatedSocket {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.network.borrow_mut().send(self.number, bytes) {
            Some(0) => Err(io::ErrorKind::WouldBlock.into()),
            Some(taken) => Ok(taken),
            None => Err(Errno::PIPE.into()),
        }
    }

    fn peer(&self) -> Option<IpAddr> {
        Some(PROXY)
    }

    fn shutdown(&self, how: Shutdown) {
        self.network.borrow_mut().shutdown(self.number, how == Shutdown::Both);
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        // It is borrowed where a failed check unwinds.
        let Ok(mut network) = self.network.try_borrow_mut() else { return };
        match self.kind {
            Kind::Listener => network.shut(self.number),
            Kind::Pipe => network.close(self.number),
        }
    }
}

/// Received bytes, and the buffer of the pool that they take.
#[derive(Debug)]
pub(super) struct SimulatedBuffer {
    bytes: Vec<u8>,
    _taken: Rc<()>,
}

impl Deref for SimulatedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for SimulatedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}
