//! The world outside as it is: sockets of the kernel, a ring, and its clocks. The only place of a shard that reads one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::net::{SendFlags, Shutdown};

use super::disk::Disk;
use super::reactor::{EventOf, Reactor, Socket};
use super::waker::Waker;
use crate::broker::order::{Arrival, Errand};
use crate::clock;
use crate::config::ShardsConfig;
use crate::ring::{Buffer, Event, Ring, RingSize};
use crate::store::SegmentId;
use crate::time::Now;

/// From when all shards of the node count their milliseconds: what one has seen before another can be told.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A ring, and the shard's segments of the store.
#[derive(Debug)]
pub struct Kernel {
    ring: Ring,
    disk: Option<Disk>,
}

impl Kernel {
    /// Sets a ring up for the calling thread; the first of all starts the clock.
    ///
    /// # Errors
    /// As [`Ring::new`].
    pub fn new(config: &ShardsConfig) -> io::Result<Self> {
        let size = RingSize {
            entries: config.ring_entries,
            buffers: config.receive_buffers,
            buffer_bytes: config.receive_buffer_size,
        };
        LazyLock::force(&STARTED);
        Ok(Self { ring: Ring::new(size)?, disk: None })
    }

    /// The shard has a store from now on.
    pub fn keep_on(&mut self, disk: Disk) {
        self.disk = Some(disk);
    }

    fn disk(&mut self) -> &mut Disk {
        self.disk.as_mut().expect("who asks for it has a store")
    }
}

impl Reactor for Kernel {
    type Socket = OwnedFd;
    type Buffer = Buffer;

    fn now(&self) -> Now {
        Now { mono_ms: 1000 + STARTED.elapsed().as_millis() as u64, unix_ms: clock::unix_ms() }
    }

    fn mono_ns(&self) -> u64 {
        STARTED.elapsed().as_nanos() as u64
    }

    fn accept(&mut self, listener: &OwnedFd, door: u32) {
        self.ring.accept(listener.as_fd(), door);
    }

    fn stop_accepting(&mut self, door: u32) {
        self.ring.stop_accepting(door);
    }

    fn receive(&mut self, socket: &OwnedFd, conn: u32) {
        self.ring.receive(socket.as_fd(), conn);
    }

    fn stop_receiving(&mut self, conn: u32) {
        self.ring.stop_receiving(conn);
    }

    fn await_writable(&mut self, socket: &OwnedFd, conn: u32) {
        self.ring.await_writable(socket.as_fd(), conn);
    }

    fn watch(&mut self, waker: &Waker) {
        self.ring.watch(waker.as_fd());
    }

    fn timer(&mut self, after: Duration) {
        self.ring.timer(after);
    }

    fn is_ready(&mut self) -> bool {
        self.ring.is_ready() || self.disk.as_ref().is_some_and(Disk::has_prepared)
    }

    fn enter(&mut self) -> io::Result<()> {
        self.ring.enter()
    }

    fn enter_and_wait(&mut self, at_most: Option<Duration>) -> io::Result<()> {
        self.ring.enter_and_wait(at_most)
    }

    fn events(&mut self, events: &mut Vec<EventOf<Self>>) {
        self.ring.events(events);
        if let Some(disk) = &mut self.disk {
            events.extend(disk.next_prepared().map(Event::Prepared));
        }
    }

    fn prepare(&mut self, for_snapshot: bool) {
        self.disk().prepare(for_snapshot);
    }

    fn hurry(&mut self) {
        self.disk().hurry();
    }

    fn write(&mut self, segment: SegmentId, at: u64, bytes: Vec<u8>) {
        let disk = self.disk.as_mut().expect("who writes has a store");
        self.ring.write(disk.file(segment), at, bytes);
    }

    fn discard(&mut self, segment: SegmentId) {
        self.disk().discard(segment);
    }

    fn hand_over(&mut self, socket: OwnedFd, read: Bytes, arrival: Arrival) -> Option<Errand> {
        Some(Errand::Http { socket, read, arrival })
    }

    fn adopt(&mut self, socket: OwnedFd) -> Option<OwnedFd> {
        Some(socket)
    }
}

impl Socket for OwnedFd {
    // Inlined: the kernel is faster in a loop without calls (`Outbox::flush`).
    #[inline(always)]
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn peer(&self) -> Option<IpAddr> {
        let address = SocketAddr::try_from(rustix::net::getpeername(self).ok()??).ok()?;
        Some(address.ip().to_canonical())
    }

    fn shutdown(&self, how: Shutdown) {
        let _ = rustix::net::shutdown(self, how);
    }
}
