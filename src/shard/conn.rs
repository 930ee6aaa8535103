//! One socket and how far it has come.
//!
//! ```text
//! Accepted ─head incomplete→ Upgrading ─┬─upgraded, or TCP's first byte→ Open ─→ Closing → gone
//!                                       └─no upgrade→ Leaving → the control plane's
//! ```
//!
//! Before that, one that comes from a proxy is `Proxied` until the proxy has told whose it is. `Open` has a session, whose
//! own states are connecting and connected; a peer may have ended its side of it. A conn is removed only when nothing that it
//! asked of the ring is still in flight, so that no event can reach its successor in the slab (docs/ARCHITECTURE.md, "A
//! socket's life on the ring").

use super::admission::Place;
use crate::config::Purpose;
use crate::protocol::Format;
use crate::ring::InFlight;
use crate::wire::websocket::Fragments;

/// How far a conn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It comes from a proxy that has to tell first whose it is.
    Proxied,
    /// Nothing was read.
    Accepted,
    /// The head of an HTTP request was begun.
    Upgrading,
    /// It carries a session.
    Open {
        /// The session's place in the broker.
        session: u32,
        /// How its frames are read.
        format: Format,
    },
    /// It is no client: it goes to the control plane as soon as the ring has let go of it.
    Leaving,
    /// The goodbye was written; what is read is thrown away until the peer ends or time is up.
    Closing,
}

/// A socket, how far it has come, and what is in flight for it.
#[derive(Debug)]
pub struct Conn<S> {
    /// Closed when the conn is dropped.
    pub socket: S,
    /// What the listener is for that it came through.
    pub purpose: Purpose,
    /// How far it has come.
    pub phase: Phase,
    /// Bytes that were read and are not yet understood: the beginning of a frame, or what waits while the
    /// session is paused. Empty, and without memory, most of the time.
    pub unread: Vec<u8>,
    /// A WebSocket message whose last fragment has not come.
    pub fragments: Option<Box<Fragments>>,
    /// The tick of the wheel at which it is looked at.
    pub due_tick: u32,
    /// What the reactor was asked for it and has not given back.
    pub in_flight: InFlight,
    /// The session cannot take the next frame yet.
    pub paused: bool,
    /// In the list of those that wait until the mailboxes have room.
    pub held: bool,
    /// What it counts against.
    pub place: Place,
    /// Its turn among those that give way; 0 once it is a client, or about to go.
    pub turn: u32,
    /// Bytes that were last counted as in its hand, where it is no client yet.
    pub in_hand: u32,
    /// In the list of those that have something in hand.
    pub is_holding: bool,
    /// Turns of the wheel for which it has waited for a place.
    pub turns_waited: u8,
    /// Its request came with the API's key.
    pub is_backend: bool,
    /// Counted among the node's clients.
    pub is_client: bool,
    /// The peer has ended its side: its session ends when all that it asked is answered.
    pub half_closed: bool,
}

impl<S> Conn<S> {
    /// A conn of which nothing is known.
    pub fn new(socket: S, purpose: Purpose, place: Place) -> Self {
        Self {
            socket,
            purpose,
            phase: Phase::Accepted,
            unread: Vec::new(),
            fragments: None,
            due_tick: u32::MAX,
            in_flight: InFlight::default(),
            paused: false,
            held: false,
            place,
            turn: 0,
            in_hand: 0,
            is_holding: false,
            turns_waited: 0,
            is_backend: false,
            is_client: false,
            half_closed: false,
        }
    }

    /// The session that it carries.
    pub fn session(&self) -> Option<u32> {
        match self.phase {
            Phase::Open { session, .. } => Some(session),
            _ => None,
        }
    }

    /// It closes: what was read is not needed any more, and nothing waits to be read.
    pub fn close(&mut self) {
        self.phase = Phase::Closing;
        self.unread = Vec::new();
        self.fragments = None;
        self.paused = false;
        self.held = false;
    }

    /// Whether what it sends has to wait.
    pub fn waits(&self) -> bool {
        self.paused || self.held
    }
}
