//! What waits for a socket: encoded once, attached to many, sent once per conn and tick.
//!
//! Owns the *arenas* (the bytes that this tick encoded), the *spans* (which parts of them each conn gets) and a slot per
//! conn. [`Outbox::flush`] sends each conn's spans in one go; only what the kernel did not take is copied into a
//! [`Backlog`]. A conn that keeps up therefore owns no buffer at all.
//!
//! Invariants: spans and arenas live for one tick; a conn whose slot has a span is in `dirty` (one that was
//! closed or cut since may be there without); bytes of one conn leave in the order in which they were attached.
//! Never touches a socket: the caller sends. Never knows what a frame says: the caller writes.

mod arena;
mod backlog;
#[cfg(test)]
mod tests;

use std::io;

pub use arena::Frame;
pub use backlog::Backlog;

use self::arena::{Arenas, Reach};
use crate::limits::{ARENA_FLUSH_BYTES, SEND_BYTES_MAX, SPANS_FLUSH};

const NONE: u32 = u32::MAX;

/// What may become of a frame that a slow reader has not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(u32);

impl Tag {
    /// It must be delivered, or the conn be closed.
    pub const KEEP: Self = Self(NONE);

    /// It is delivered even then: a goodbye, a control frame.
    pub const CONTROL: Self = Self(NONE - 1);

    fn is_replaceable(self) -> bool {
        self != Self::KEEP && self != Self::CONTROL
    }

    /// A newer frame of the same channel, by number, replaces it.
    pub fn latest_of(channel: u32) -> Self {
        assert!(channel < Self::CONTROL.0);
        Self(channel)
    }
}

#[derive(Clone, Copy, Debug)]
struct Span {
    frame: Frame,
    tag: Tag,
    next: u32,
}

/// All that waits for one conn, where it is one span.
#[derive(Clone, Copy, Debug)]
struct Parcel {
    conn: u32,
    span: u32,
    frame: Frame,
}

#[derive(Debug)]
struct Slot {
    first: u32,
    last: u32,
    backlog: Option<Box<Backlog>>,
}

impl Slot {
    const EMPTY: Self = Self { first: NONE, last: NONE, backlog: None };
}

/// What became of one conn's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All were taken.
    Sent,
    /// Some wait; ask to be told when the socket is writable.
    Blocked,
    /// More wait than the bound allows; the excess was not kept. Close the conn.
    Slow,
    /// The socket is broken.
    Failed,
}

/// Everything of one shard that waits to be sent.
#[derive(Debug)]
pub struct Outbox {
    arenas: Arenas,
    spans: Vec<Span>,
    dirty: Vec<u32>,
    parcels: Vec<Parcel>,
    slots: Vec<Slot>,
    scratch: Vec<u8>,
    backlog_bytes: usize,
    bytes_max: usize,
}

impl Outbox {
    /// An empty outbox whose backlogs hold at most `bytes_max` each.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            arenas: Arenas::new(),
            spans: Vec::new(),
            dirty: Vec::new(),
            parcels: Vec::new(),
            slots: Vec::new(),
            scratch: Vec::with_capacity(SEND_BYTES_MAX),
            backlog_bytes: 0,
            bytes_max,
        }
    }

    /// Changes the bound of every backlog from now on.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Makes room for a conn.
    pub fn open(&mut self, conn: u32) {
        let index = conn as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || Slot::EMPTY);
        }
        let slot = &self.slots[index];
        assert!(slot.first == NONE && slot.backlog.is_none(), "conn {conn} opened twice");
    }

    /// Forgets a conn and all that waits for it.
    pub fn close(&mut self, conn: u32) {
        let slot = &mut self.slots[conn as usize];
        if let Some(backlog) = &slot.backlog {
            self.backlog_bytes -= backlog.len();
        }
        *slot = Slot::EMPTY;
    }

    /// Whether it is time to flush although the tick is not over: the arenas should stay in the cache, and a large
    /// room has many spans.
    pub fn is_full(&self) -> bool {
        self.arenas.len() >= ARENA_FLUSH_BYTES || self.spans.len() >= SPANS_FLUSH
    }

    /// Whether anything was attached since the last flush.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Whether anything waits for this conn.
    pub fn is_waiting(&self, conn: u32) -> bool {
        let slot = &self.slots[conn as usize];
        slot.first != NONE || slot.backlog.is_some()
    }

    /// Bytes in all backlogs.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    /// Keeps what is written as one frame for any number of conns, until the next flush.
    pub fn encode(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        self.arenas.write(Reach::Many, write)
    }

    /// Attaches what is written as one frame for one conn.
    pub fn write(&mut self, conn: u32, tag: Tag, write: impl FnOnce(&mut Vec<u8>)) {
        let frame = self.arenas.write(Reach::One, write);
        self.attach(conn, frame, tag);
    }

    /// Gives an encoded frame to a conn. Neighbouring frames become one span, so that a burst in one channel
    /// is sent straight from the arena.
    #[inline]
    pub fn attach(&mut self, conn: u32, frame: Frame, tag: Tag) {
        let slot = &mut self.slots[conn as usize];
        let number = self.spans.len() as u32;
        if slot.last != NONE {
            let last = &mut self.spans[slot.last as usize];
            if last.tag == Tag::KEEP && tag == Tag::KEEP && last.frame.join(frame) {
                return;
            }
            last.next = number;
        } else {
            slot.first = number;
            self.dirty.push(conn);
        }
        slot.last = number;
        self.spans.push(Span { frame, tag, next: NONE });
    }

    /// Sends what was attached since the last flush. `send` is called at most a few times per conn;
    /// `flushed` is told of every conn whose bytes did not all leave, and must not call back.
    ///
    /// What lies in one piece is sent in a loop that does nothing else: what a program does between two sends decides how
    /// fast the kernel is within them (docs/decisions/outbox.md).
    pub fn flush(
        &mut self,
        mut send: impl FnMut(u32, &[u8]) -> io::Result<usize>,
        mut flushed: impl FnMut(u32, Flushed),
    ) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for conn in dirty.drain(..) {
            let slot = &mut self.slots[conn as usize];
            let first = std::mem::replace(&mut slot.first, NONE);
            slot.last = NONE;
            if first == NONE {
                continue;
            }
            let span = self.spans[first as usize];
            let outcome = if slot.backlog.is_some() {
                self.keep(conn, first, 0)
            } else if span.next == NONE {
                self.parcels.push(Parcel { conn, span: first, frame: span.frame });
                continue;
            } else {
                self.send_gathered(conn, first, &mut send)
            };
            if outcome != Flushed::Sent {
                flushed(conn, outcome);
            }
        }
        self.dirty = dirty;
        let mut parcels = std::mem::take(&mut self.parcels);
        for Parcel { conn, span, frame } in parcels.drain(..) {
            let sent = send(conn, self.arenas.bytes(frame));
            if !matches!(sent, Ok(taken) if taken == frame.len()) {
                flushed(conn, self.not_sent(conn, span, sent));
            }
        }
        self.parcels = parcels;
        self.spans.clear();
        self.arenas.clear();
    }

    /// Sends the spans from `at` on, as many together as one send takes.
    fn send_gathered(
        &mut self,
        conn: u32,
        mut at: u32,
        send: &mut impl FnMut(u32, &[u8]) -> io::Result<usize>,
    ) -> Flushed {
        while at != NONE {
            let first = at;
            self.scratch.clear();
            while at != NONE {
                let span = self.spans[at as usize];
                if !self.scratch.is_empty() && self.scratch.len() + span.frame.len() > SEND_BYTES_MAX {
                    break;
                }
                self.scratch.extend_from_slice(self.arenas.bytes(span.frame));
                at = span.next;
            }
            let sent = send(conn, &self.scratch);
            if !matches!(sent, Ok(taken) if taken == self.scratch.len()) {
                return self.not_sent(conn, first, sent);
            }
        }
        Flushed::Sent
    }

    /// Of the spans from `first` on, less was sent than was to be.
    #[cold]
    fn not_sent(&mut self, conn: u32, first: u32, sent: io::Result<usize>) -> Flushed {
        match sent {
            Ok(taken) => self.keep(conn, first, taken),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.keep(conn, first, 0),
            Err(_) => Flushed::Failed,
        }
    }

    /// Copies the spans from `at` on, less the `taken` bytes that left, to the conn's backlog.
    fn keep(&mut self, conn: u32, mut at: u32, taken: usize) -> Flushed {
        let backlog = self.slots[conn as usize].backlog.get_or_insert_default();
        assert!(taken == 0 || backlog.is_empty());
        let before = backlog.len();
        while at != NONE {
            let Span { frame, tag, next } = self.spans[at as usize];
            for frame in self.arenas.each(frame) {
                backlog.append(frame, tag);
            }
            at = next;
        }
        backlog.advance(taken);
        if backlog.len() > self.bytes_max {
            backlog.conflate();
        }
        let over = backlog.len() > self.bytes_max;
        if over {
            backlog.cut();
        }
        self.backlog_bytes = self.backlog_bytes + backlog.len() - before;
        if over { Flushed::Slow } else { Flushed::Blocked }
    }

    /// Continues a conn's backlog when its socket takes bytes again.
    pub fn resume(&mut self, conn: u32, mut send: impl FnMut(&[u8]) -> io::Result<usize>) -> Flushed {
        let slot = &mut self.slots[conn as usize];
        let Some(backlog) = &mut slot.backlog else { return Flushed::Sent };
        while !backlog.is_empty() {
            match send(backlog.bytes()) {
                Ok(0) => return Flushed::Blocked,
                Ok(taken) => {
                    backlog.advance(taken);
                    self.backlog_bytes -= taken;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(_) => return Flushed::Failed,
            }
        }
        slot.backlog = None;
        Flushed::Sent
    }

    /// Drops what waits for a conn, but for control frames and the rest of a frame of which the peer has a part:
    /// what is attached next (a close frame) can then be understood.
    pub fn cut(&mut self, conn: u32) {
        let slot = &mut self.slots[conn as usize];
        slot.first = NONE;
        slot.last = NONE;
        if let Some(backlog) = &mut slot.backlog {
            let before = backlog.len();
            backlog.cut();
            self.backlog_bytes -= before - backlog.len();
            if backlog.is_empty() {
                slot.backlog = None;
            }
        }
    }
}
