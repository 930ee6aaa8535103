//! What was encoded, as whole frames one after the other, and which conns get which part.
//!
//! There are two batches. The young one is written to; the old one only leaves, slice by slice. When all of the old one
//! has left, the young one becomes old: so what waits for a long fan-out is bounded, and neither is ever moved. In a
//! batch, what is for many conns and what is for one lie apart, so that what a burst brings to many lies side by side
//! although its publisher is answered in between.

use super::Tag;
use crate::limits::{ARENA_FLUSH_BYTES, SPANS_FLUSH};

/// No span.
pub(super) const NONE: u32 = u32::MAX;

/// For how many conns a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// A room of more than one slice.
    Many,
    /// A room that one slice serves.
    Few,
    /// One conn.
    One,
}

/// A part of an arena: one or more whole frames. It is to be attached before the next flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    arena: u8,
    reach: Reach,
    start: u32,
    end: u32,
}

impl Extent {
    /// Bytes.
    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it can wait for its turn among the slices.
    pub(super) fn is_large(self) -> bool {
        self.reach == Reach::Many
    }

    /// Adds the extent that lies beside this one, if `other` does.
    pub(super) fn join(&mut self, other: Self) -> bool {
        let beside = self.arena == other.arena && self.end == other.start;
        if beside {
            self.end = other.end;
        }
        beside
    }
}

/// A part of what one conn gets, and where the next part is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) extent: Extent,
    pub(super) tag: Tag,
    pub(super) next: u32,
}

#[derive(Debug)]
struct Arena {
    bytes: Vec<u8>,
    /// Where each frame ends, ascending.
    ends: Vec<u32>,
}

impl Arena {
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(2 * ARENA_FLUSH_BYTES), ends: Vec::new() }
    }

    fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
        if self.bytes.capacity() > 8 * ARENA_FLUSH_BYTES {
            // One giant frame must not keep its memory for ever.
            self.bytes.shrink_to(2 * ARENA_FLUSH_BYTES);
        }
    }
}

/// Both batches.
#[derive(Debug)]
pub(super) struct Batches {
    /// The arenas of the first batch, then those of the second: what is for many, and what is for one.
    arenas: [Arena; 4],
    /// By batch. A span's number is its place, doubled, and its batch.
    spans: [Vec<Span>; 2],
    /// By batch: what it brings to large rooms, bytes to send.
    large_bytes: [usize; 2],
    young: u8,
}

impl Batches {
    pub(super) fn new() -> Self {
        Self {
            arenas: std::array::from_fn(|_| Arena::new()),
            spans: [Vec::new(), Vec::new()],
            large_bytes: [0; 2],
            young: 0,
        }
    }

    /// Appends one frame to the young batch.
    pub(super) fn write(&mut self, reach: Reach, write: impl FnOnce(&mut Vec<u8>)) -> Extent {
        let number = 2 * self.young + u8::from(reach == Reach::One);
        let arena = &mut self.arenas[usize::from(number)];
        let start = arena.bytes.len() as u32;
        write(&mut arena.bytes);
        let end = u32::try_from(arena.bytes.len()).expect("an arena is flushed long before 4 GiB");
        arena.ends.push(end);
        Extent { arena: number, reach, start, end }
    }

    /// So many bytes of the young batch are to be sent to a large room.
    pub(super) fn expect(&mut self, bytes: usize) {
        self.large_bytes[usize::from(self.young)] += bytes;
    }

    /// What both batches bring to large rooms, bytes to send, until a batch has left.
    pub(super) fn large_bytes(&self) -> usize {
        self.large_bytes[0] + self.large_bytes[1]
    }

    /// Appends a span to the young batch; returns its number.
    #[inline]
    pub(super) fn push(&mut self, extent: Extent, tag: Tag) -> u32 {
        let spans = &mut self.spans[usize::from(self.young & 1)];
        let number = (spans.len() as u32) << 1 | u32::from(self.young);
        spans.push(Span { extent, tag, next: NONE });
        number
    }

    #[inline]
    pub(super) fn span(&self, number: u32) -> Span {
        self.spans[number as usize & 1][number as usize >> 1]
    }

    #[inline]
    pub(super) fn span_mut(&mut self, number: u32) -> &mut Span {
        &mut self.spans[number as usize & 1][number as usize >> 1]
    }

    /// What lies there.
    #[inline]
    pub(super) fn bytes(&self, extent: Extent) -> &[u8] {
        &self.arenas[usize::from(extent.arena & 3)].bytes[extent.start as usize..extent.end as usize]
    }

    /// Frames that were joined, one by one.
    pub(super) fn each(&self, extent: Extent) -> impl Iterator<Item = &[u8]> {
        let arena = &self.arenas[usize::from(extent.arena)];
        let first = arena.ends.partition_point(|end| *end <= extent.start);
        let ends = arena.ends[first..].iter().take_while(move |end| **end <= extent.end);
        ends.scan(extent.start, |start, &end| {
            let start = std::mem::replace(start, end);
            Some(&arena.bytes[start as usize..end as usize])
        })
    }

    /// Whether the young batch has all that it may hold: its bytes should stay in the cache, and a large room has many
    /// spans.
    pub(super) fn is_full(&self) -> bool {
        let young = usize::from(self.young);
        let bytes = self.arenas[2 * young].bytes.len() + self.arenas[2 * young + 1].bytes.len();
        bytes >= ARENA_FLUSH_BYTES || self.spans[young].len() >= SPANS_FLUSH
    }

    /// All of the old batch has left: it is written anew, and the young one is the old one from now on.
    pub(super) fn turn(&mut self) {
        self.young ^= 1;
        self.clear(self.young);
    }

    /// Everything has left.
    pub(super) fn clear_all(&mut self) {
        self.clear(0);
        self.clear(1);
    }

    fn clear(&mut self, batch: u8) {
        let batch = usize::from(batch);
        self.spans[batch].clear();
        self.large_bytes[batch] = 0;
        self.arenas[2 * batch].clear();
        self.arenas[2 * batch + 1].clear();
    }

    #[cfg(test)]
    pub(super) fn spans(&self) -> usize {
        self.spans.iter().map(Vec::len).sum()
    }

    #[cfg(test)]
    pub(super) fn bytes_held(&self) -> usize {
        self.arenas.iter().map(|arena| arena.bytes.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn capacities(&self) -> Vec<usize> {
        let arenas = self.arenas.iter().flat_map(|arena| [arena.bytes.capacity(), arena.ends.capacity()]);
        arenas.chain(self.spans.iter().map(Vec::capacity)).collect()
    }
}
