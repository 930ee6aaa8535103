//! What waits for a socket: encoded once, attached to many, sent once per conn and turn.
//!
//! Owns two *batches* (the bytes that were encoded, and the *spans*: which parts of them each conn gets), two *lanes* of
//! conns in line, and a slot per conn. [`Outbox::flush`] sends a *slice*: so many conns, each everything that waits for it
//! in one go; only what the kernel did not take is copied into a [`Backlog`]. A conn that keeps up therefore owns no
//! buffer at all. Who has something small coming (a reply, a control frame, a small room's publication) is in the small
//! lane, which goes first; who waits for a large room alone is in the large one.
//!
//! Invariants: a conn whose slot has a span is in a lane (one that was closed, cut or served since may be there without);
//! bytes of one conn leave in the order in which they were attached, whichever lane it is in; what lies in the old batch
//! was attached before its lanes' ends were noted, so that all of it has left when those have been served.
//! Never touches a socket: the caller sends. Never knows what a frame says: the caller writes.

mod arena;
mod backlog;
mod lane;
mod tag;
#[cfg(test)]
mod tests;

use std::io;

use rustix::io::Errno;
use slab::Slab;

pub use arena::Extent;
pub use backlog::Backlog;
pub use tag::Tag;

use self::arena::{Batches, NONE, Reach};
use self::lane::Lane;
use crate::limits::{LARGE_BYTES_WAITING_MAX, LARGE_ROOM, SEND_BYTES_MAX, SESSIONS_RESERVED, SLICE_BYTES, SLICE_SENDS};

/// All that waits for one conn, where it is one span.
#[derive(Clone, Copy, Debug)]
struct Parcel {
    conn: u32,
    span: u32,
    extent: Extent,
}

/// In the lane for large rooms.
const LARGE: u8 = 1;
/// In the lane that goes first.
const SMALL: u8 = 2;

#[derive(Debug)]
struct Slot {
    first: u32,
    last: u32,
    /// Its place among the backlogs.
    backlog: u32,
    /// [`SMALL`] and [`LARGE`], together.
    lanes: u8,
}

impl Slot {
    const EMPTY: Self = Self { first: NONE, last: NONE, backlog: NONE, lanes: 0 };
}

fn failed(error: &io::Error) -> Flushed {
    Flushed::Failed(Errno::from_io_error(error).unwrap_or(Errno::IO))
}

/// How much a slice has sent.
#[derive(Debug, Default)]
struct Slice {
    sends: usize,
    bytes: usize,
}

/// What became of one conn's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// The kernel took all.
    Sent,
    /// Some wait; ask to be told when the socket is writable.
    Blocked,
    /// More waits than the bound allows, answers not counted; the excess was not kept. Close the conn.
    Slow,
    /// The connection broke.
    Failed(Errno),
}

/// Everything of one shard that waits to be sent.
#[derive(Debug)]
pub struct Outbox {
    batches: Batches,
    small: Lane,
    large: Lane,
    /// The ends of both lanes when the old batch became old.
    old_until: (u64, u64),
    parcels: Vec<Parcel>,
    slots: Vec<Slot>,
    backlogs: Slab<Backlog>,
    scratch: Vec<u8>,
    backlog_bytes: usize,
    bytes_max: usize,
}

impl Outbox {
    /// An empty outbox whose backlogs hold at most `bytes_max` each, beside answers.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            batches: Batches::new(),
            small: Lane::default(),
            large: Lane::default(),
            old_until: (0, 0),
            parcels: Vec::new(),
            slots: Vec::with_capacity(SESSIONS_RESERVED),
            backlogs: Slab::new(),
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
        assert!(slot.first == NONE && slot.backlog == NONE, "conn {conn} opened twice");
    }

    /// Forgets a conn and all that waits for it. Its place in a lane stays, for whoever has its number next.
    pub fn close(&mut self, conn: u32) {
        let slot = &mut self.slots[conn as usize];
        (slot.first, slot.last) = (NONE, NONE);
        self.drop_backlog(conn);
    }

    fn drop_backlog(&mut self, conn: u32) {
        let place = std::mem::replace(&mut self.slots[conn as usize].backlog, NONE);
        if place != NONE {
            self.backlog_bytes -= self.backlogs.remove(place as usize).len();
        }
    }

    /// Whether no more may be attached before a flush: what waits for large rooms has become too much.
    pub fn is_full(&self) -> bool {
        self.batches.is_full()
    }

    /// Whether so much waits for large rooms that nothing more should be made for them before some of it has left.
    pub fn is_crowded(&self) -> bool {
        self.batches.large_bytes() >= LARGE_BYTES_WAITING_MAX
    }

    /// Whether a flush has something to do.
    pub fn is_dirty(&self) -> bool {
        !self.small.is_empty() || !self.large.is_empty()
    }

    /// Whether anything waits for this conn.
    pub fn is_waiting(&self, conn: u32) -> bool {
        self.is_in_line(conn) || self.slots[conn as usize].backlog != NONE
    }

    /// Whether a flush to come has something for this conn.
    pub fn is_in_line(&self, conn: u32) -> bool {
        self.slots[conn as usize].first != NONE
    }

    /// Bytes of answers that a conn's socket has not taken.
    pub fn answer_bytes(&self, conn: u32) -> usize {
        match self.slots[conn as usize].backlog {
            NONE => 0,
            place => self.backlogs[place as usize].answers(),
        }
    }

    /// When it was first seen that a conn's socket takes nothing of what waits for it, monotonic milliseconds: now, unless
    /// it was seen before and the socket has taken nothing since. `None` where nothing waits.
    pub fn stuck_since_ms(&mut self, conn: u32, now_ms: u64) -> Option<u64> {
        match self.slots[conn as usize].backlog {
            NONE => None,
            place => Some(self.backlogs[place as usize].stuck_since_ms(now_ms)),
        }
    }

    /// Nobody has looked for so long, milliseconds: no socket can be late by it.
    pub fn make_up_for(&mut self, pause_ms: u64) {
        self.backlogs.iter_mut().for_each(|(_, backlog)| backlog.make_up_for(pause_ms));
    }

    /// Bytes in all backlogs.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog_bytes
    }

    /// Keeps what is written as one frame for so many conns, until the next flush.
    pub fn encode(&mut self, conns: usize, write: impl FnOnce(&mut Vec<u8>)) -> Extent {
        let reach = if conns > LARGE_ROOM { Reach::Many } else { Reach::Few };
        let extent = self.batches.write(reach, write);
        if extent.is_large() {
            self.batches.expect(conns * extent.len());
        }
        extent
    }

    /// Attaches what is written as one frame for one conn.
    pub fn write(&mut self, conn: u32, tag: Tag, write: impl FnOnce(&mut Vec<u8>)) {
        let extent = self.batches.write(Reach::One, write);
        self.attach(conn, extent, tag);
    }

    /// Gives what was encoded to a conn. Neighbouring frames become one span, so that a burst in one channel
    /// is sent straight from the arena. Inlined as far as that: it is the inner loop of every fan-out.
    #[inline(always)]
    pub fn attach(&mut self, conn: u32, extent: Extent, tag: Tag) {
        let slot = &self.slots[conn as usize];
        let lane = if extent.is_large() { LARGE } else { SMALL };
        // Who is in the small lane needs no place in the large one.
        if slot.last != NONE && slot.lanes >= lane {
            let last = self.batches.span_mut(slot.last);
            if last.tag == tag && !tag.is_replaceable() && last.extent.join(extent) {
                return;
            }
        }
        self.append(conn, extent, tag, lane);
    }

    /// Gives a conn a span of its own, and a place in the lane unless it has one there or in a better one.
    #[inline]
    fn append(&mut self, conn: u32, extent: Extent, tag: Tag, lane: u8) {
        let number = self.batches.push(extent, tag);
        let slot = &mut self.slots[conn as usize];
        let last = std::mem::replace(&mut slot.last, number);
        if last == NONE {
            slot.first = number;
        } else {
            self.batches.span_mut(last).next = number;
        }
        if slot.lanes < lane {
            slot.lanes |= lane;
            let line = if lane == SMALL { &mut self.small } else { &mut self.large };
            line.push(conn);
        }
    }

    /// Sends a slice of what waits, small things first; call again while the outbox is dirty. `send` is called at most a
    /// few times per conn; `flushed` is told of every conn whose bytes did not all leave, and must not call back.
    ///
    /// What lies in one piece is sent in a loop that does nothing else: what a program does between two sends decides how
    /// fast the kernel is within them (docs/decisions/outbox.md).
    pub fn flush(
        &mut self,
        mut send: impl FnMut(u32, &[u8]) -> io::Result<usize>,
        mut flushed: impl FnMut(u32, Flushed),
    ) {
        let mut slice = Slice::default();
        while slice.sends < SLICE_SENDS
            && slice.bytes < SLICE_BYTES
            && let Some(conn) = self.small.pop()
        {
            self.slots[conn as usize].lanes &= !SMALL;
            self.serve(conn, &mut slice, &mut send, &mut flushed);
        }
        // Whatever is small, a quarter of the slice is for large rooms.
        slice.sends = slice.sends.min(SLICE_SENDS / 4 * 3);
        slice.bytes = slice.bytes.min(SLICE_BYTES / 4 * 3);
        while slice.sends < SLICE_SENDS
            && slice.bytes < SLICE_BYTES
            && let Some(conn) = self.large.pop()
        {
            self.slots[conn as usize].lanes &= !LARGE;
            self.serve(conn, &mut slice, &mut send, &mut flushed);
        }
        let mut parcels = std::mem::take(&mut self.parcels);
        for Parcel { conn, span, extent } in parcels.drain(..) {
            let sent = send(conn, self.batches.bytes(extent));
            if !matches!(sent, Ok(taken) if taken == extent.len()) {
                flushed(conn, self.not_sent(conn, span, sent));
            }
        }
        self.parcels = parcels;
        self.forget();
    }

    /// Lists what waits for a conn to be sent in this slice, or sends it at once where it is in several pieces.
    #[inline]
    fn serve(
        &mut self,
        conn: u32,
        slice: &mut Slice,
        send: &mut impl FnMut(u32, &[u8]) -> io::Result<usize>,
        flushed: &mut impl FnMut(u32, Flushed),
    ) {
        let slot = &mut self.slots[conn as usize];
        let first = std::mem::replace(&mut slot.first, NONE);
        slot.last = NONE;
        if first == NONE {
            return;
        }
        let is_behind = slot.backlog != NONE;
        let span = self.batches.span(first);
        slice.sends += 1;
        slice.bytes += span.extent.len();
        let outcome = if is_behind {
            self.keep(conn, first, 0)
        } else if span.next == NONE {
            self.parcels.push(Parcel { conn, span: first, extent: span.extent });
            return;
        } else {
            self.send_gathered(conn, first, slice, send)
        };
        if outcome != Flushed::Sent {
            flushed(conn, outcome);
        }
    }

    /// Forgets what has left.
    fn forget(&mut self) {
        if !self.is_dirty() {
            self.batches.clear_all();
        } else if self.small.has_served(self.old_until.0) && self.large.has_served(self.old_until.1) {
            self.batches.turn();
            self.old_until = (self.small.end(), self.large.end());
        }
    }

    /// Sends the spans from `at` on, as many together as one send takes.
    fn send_gathered(
        &mut self,
        conn: u32,
        mut at: u32,
        slice: &mut Slice,
        send: &mut impl FnMut(u32, &[u8]) -> io::Result<usize>,
    ) -> Flushed {
        while at != NONE {
            let first = at;
            self.scratch.clear();
            while at != NONE {
                let span = self.batches.span(at);
                if !self.scratch.is_empty() && self.scratch.len() + span.extent.len() > SEND_BYTES_MAX {
                    break;
                }
                at = span.next;
                if span.extent.len() >= SEND_BYTES_MAX {
                    // It would only leave its size behind in the scratch space.
                    break;
                }
                self.scratch.extend_from_slice(self.batches.bytes(span.extent));
            }
            let bytes = match self.scratch.is_empty() {
                true => self.batches.bytes(self.batches.span(first).extent),
                false => &self.scratch,
            };
            slice.bytes += bytes.len();
            let sent = send(conn, bytes);
            if !matches!(sent, Ok(taken) if taken == bytes.len()) {
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
            Err(error) => failed(&error),
        }
    }

    /// Copies the spans from `at` on, less the `taken` bytes that left, to the conn's backlog.
    fn keep(&mut self, conn: u32, mut at: u32, taken: usize) -> Flushed {
        let place = &mut self.slots[conn as usize].backlog;
        if *place == NONE {
            *place = self.backlogs.insert(Backlog::default()) as u32;
        }
        let backlog = &mut self.backlogs[*place as usize];
        assert!(taken == 0 || backlog.is_empty());
        let before = backlog.len();
        while at != NONE {
            let span = self.batches.span(at);
            for frame in self.batches.each(span.extent) {
                backlog.append(frame, span.tag);
            }
            at = span.next;
        }
        backlog.advance(taken);
        if backlog.unasked() > self.bytes_max {
            backlog.conflate();
        }
        let over = backlog.unasked() > self.bytes_max;
        if over {
            backlog.cut();
        }
        self.backlog_bytes = self.backlog_bytes + backlog.len() - before;
        if over { Flushed::Slow } else { Flushed::Blocked }
    }

    /// Continues a conn's backlog when its socket takes bytes again.
    pub fn resume(&mut self, conn: u32, mut send: impl FnMut(&[u8]) -> io::Result<usize>) -> Flushed {
        let place = self.slots[conn as usize].backlog;
        if place == NONE {
            return Flushed::Sent;
        }
        let backlog = &mut self.backlogs[place as usize];
        while !backlog.is_empty() {
            match send(backlog.bytes()) {
                Ok(0) => return Flushed::Blocked,
                Ok(taken) => {
                    backlog.advance(taken);
                    self.backlog_bytes -= taken;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(error) => return failed(&error),
            }
        }
        self.drop_backlog(conn);
        Flushed::Sent
    }

    /// Drops what waits for a conn, but for control frames and the rest of a frame of which the peer has a part:
    /// what is attached next (a close frame) can then be understood.
    pub fn cut(&mut self, conn: u32) {
        let slot = &mut self.slots[conn as usize];
        (slot.first, slot.last) = (NONE, NONE);
        if slot.backlog == NONE {
            return;
        }
        let backlog = &mut self.backlogs[slot.backlog as usize];
        let before = backlog.len();
        backlog.cut();
        self.backlog_bytes -= before - backlog.len();
        if backlog.is_empty() {
            self.drop_backlog(conn);
        }
    }
}
