//! What a shard asks of the world outside: sockets, time, and a place to sleep in.
//!
//! There are two: the [`Kernel`](super::kernel::Kernel), and the simulator of the tests. The driver is generic over them,
//! never `dyn`: the loop that sends must stay without a call (docs/decisions/outbox.md).
//!
//! Operations are asked for and reported later by an [`Event`] with the same number. A socket must outlive what was asked
//! for it; the driver keeps it until then.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;
use std::ops::DerefMut;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use rustix::net::Shutdown;

use super::waker::Waker;
use crate::broker::order::{Arrival, Errand};
use crate::ring::Event;
use crate::store::SegmentId;
use crate::time::Now;

/// What a reactor of this kind reports.
pub(super) type EventOf<R> = Event<<R as Reactor>::Socket, <R as Reactor>::Buffer>;

/// The world outside of one shard.
pub trait Reactor: Debug {
    /// A connection or a listener. Dropping it closes it.
    type Socket: Socket;
    /// Received bytes. Dropping them makes room for others.
    type Buffer: DerefMut<Target = [u8]> + Debug;

    /// What time it is. The monotonic clock begins at one second, so that 0 is always past.
    fn now(&self) -> Now;

    /// The monotonic clock in nanoseconds, to measure with.
    fn mono_ns(&self) -> u64;

    /// Accepts connections until told to stop: [`Event::Accepted`] for each.
    fn accept(&mut self, listener: &Self::Socket, door: u32);

    /// Stops accepting: the last [`Event::Accepted`] says that no more come.
    fn stop_accepting(&mut self, door: u32);

    /// Receives until the peer has ended or told to stop: [`Event::Received`] for each buffer.
    fn receive(&mut self, socket: &Self::Socket, conn: u32);

    /// Stops receiving: the last [`Event::Received`] says that no more come.
    fn stop_receiving(&mut self, conn: u32);

    /// Waits once until the socket takes bytes again: [`Event::Writable`].
    fn await_writable(&mut self, socket: &Self::Socket, conn: u32);

    /// Reports each wake-up: [`Event::Woken`].
    fn watch(&mut self, waker: &Waker);

    /// One [`Event::Elapsed`] after so long.
    fn timer(&mut self, after: Duration);

    /// Whether something has happened, as far as can be seen without a system call.
    fn is_ready(&mut self) -> bool;

    /// Hands over what was asked and lets happen what is ready, without waiting.
    ///
    /// # Errors
    /// The reactor has failed: the shard cannot go on.
    fn enter(&mut self) -> io::Result<()>;

    /// As [`Reactor::enter`], but sleeps until something has happened, or for so long.
    ///
    /// # Errors
    /// As [`Reactor::enter`].
    fn enter_and_wait(&mut self, at_most: Option<Duration>) -> io::Result<()>;

    /// Appends what has happened, in the order in which it happened.
    fn events(&mut self, events: &mut Vec<EventOf<Self>>);

    /// Has a segment of the store made: [`Event::Prepared`]. Of one shard one is being made at a time.
    fn prepare(&mut self, for_snapshot: bool);

    /// The next segments of the store are needed soon.
    fn hurry(&mut self);

    /// Writes into a segment, and syncs what was written: [`Event::Written`]. One write is in flight at a time.
    fn write(&mut self, segment: SegmentId, at: u64, bytes: Vec<u8>);

    /// A segment is needed no more.
    fn discard(&mut self, segment: SegmentId);

    /// What the control plane is told of a socket that is no client's, of which so much was read.
    fn hand_over(&mut self, socket: Self::Socket, read: Bytes, arrival: Arrival) -> Option<Errand>;

    /// A socket that comes back from the control plane, if sockets are descriptors.
    fn adopt(&mut self, socket: OwnedFd) -> Option<Self::Socket>;
}

/// What a shard does with a connection at once, without an event.
pub trait Socket: Debug {
    /// Gives the peer some of the bytes; returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when the socket is full; all others mean that it is broken.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The address of its peer; `None` where the peer is gone already.
    fn peer(&self) -> Option<IpAddr>;

    /// Ends one direction or both. What is in flight there comes back. A socket that is broken has ended already.
    fn shutdown(&self, how: Shutdown);
}
