//! One connection: its socket, what has come of a frame, what waits to be sent.

use std::os::fd::OwnedFd;

use ringpost::ring::InFlight;

/// How far a connection has come. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The socket connects.
    Connecting,
    /// The answer to the opening has not come.
    Opening,
    /// The server has not welcomed the client.
    Joining,
    /// So many subscriptions are not answered.
    Subscribing(u32),
    /// It does its work.
    Ready,
    /// It was told to end.
    Leaving,
    /// The server has ended it.
    Ended,
}

/// A connection: its socket, how far it has come, and what is in flight.
#[derive(Debug)]
pub struct Conn {
    /// The number of its client.
    pub client: u32,
    /// The number of the node that it goes to.
    pub node: u32,
    /// How far it has come.
    pub phase: Phase,
    /// When it was due.
    pub due_ns: u64,
    /// Whether pings must be answered.
    pub pong: bool,
    pub(super) socket: OwnedFd,
    /// The beginning of a frame whose end has not come.
    pub(super) input: Vec<u8>,
    /// What waits to be sent.
    pub(super) output: Vec<u8>,
    /// True exactly while it is in the list of those with something to send.
    pub(super) is_pending: bool,
    /// What the ring was asked for it and has not given back.
    pub(super) in_flight: InFlight,
    /// Whether the ring is to receive for it.
    pub(super) reads: bool,
}

impl Conn {
    pub(super) fn new(client: u32, node: u32, due_ns: u64, socket: OwnedFd) -> Self {
        Self {
            client,
            node,
            phase: Phase::Connecting,
            due_ns,
            pong: false,
            socket,
            input: Vec::new(),
            output: Vec::new(),
            is_pending: false,
            in_flight: InFlight::default(),
            reads: true,
        }
    }

    /// Whether it may be forgotten: nothing of it is in the ring.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Leaving | Phase::Ended) && self.in_flight.is_empty()
    }
}
