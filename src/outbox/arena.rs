//! The bytes that a tick encodes, as whole frames one after the other.
//!
//! What is for many conns and what is for one lie apart, so that what a burst brings to many lies side by side although
//! its publisher is answered in between.

use crate::limits::ARENA_FLUSH_BYTES;

/// A part of an arena: one or more whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    reach: Reach,
    start: u32,
    end: u32,
}

impl Frame {
    /// Bytes.
    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Adds the frame that lies beside this one, if `other` does.
    pub(super) fn join(&mut self, other: Self) -> bool {
        let beside = self.reach == other.reach && self.end == other.start;
        if beside {
            self.end = other.end;
        }
        beside
    }
}

/// For how many conns a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Many,
    One,
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

/// All that a tick has encoded.
#[derive(Debug)]
pub(super) struct Arenas {
    many: Arena,
    one: Arena,
}

impl Arenas {
    pub(super) fn new() -> Self {
        Self { many: Arena::new(), one: Arena::new() }
    }

    fn of(&self, reach: Reach) -> &Arena {
        match reach {
            Reach::Many => &self.many,
            Reach::One => &self.one,
        }
    }

    /// Appends one frame.
    pub(super) fn write(&mut self, reach: Reach, write: impl FnOnce(&mut Vec<u8>)) -> Frame {
        let arena = match reach {
            Reach::Many => &mut self.many,
            Reach::One => &mut self.one,
        };
        let start = arena.bytes.len() as u32;
        write(&mut arena.bytes);
        let end = u32::try_from(arena.bytes.len()).expect("an arena is flushed long before 4 GiB");
        arena.ends.push(end);
        Frame { reach, start, end }
    }

    /// Bytes of all frames.
    pub(super) fn len(&self) -> usize {
        self.many.bytes.len() + self.one.bytes.len()
    }

    /// What a frame consists of.
    pub(super) fn bytes(&self, frame: Frame) -> &[u8] {
        &self.of(frame.reach).bytes[frame.start as usize..frame.end as usize]
    }

    /// Frames that were joined, one by one.
    pub(super) fn each(&self, frame: Frame) -> impl Iterator<Item = &[u8]> {
        let arena = self.of(frame.reach);
        let first = arena.ends.partition_point(|end| *end <= frame.start);
        let ends = arena.ends[first..].iter().take_while(move |end| **end <= frame.end);
        ends.scan(frame.start, |start, &end| {
            let start = std::mem::replace(start, end);
            Some(&arena.bytes[start as usize..end as usize])
        })
    }

    /// Forgets all frames.
    pub(super) fn clear(&mut self) {
        self.many.clear();
        self.one.clear();
    }

    #[cfg(test)]
    pub(super) fn capacities(&self) -> [usize; 4] {
        let Self { many, one } = self;
        [many.bytes.capacity(), many.ends.capacity(), one.bytes.capacity(), one.ends.capacity()]
    }
}
