//! What one conn's socket did not take: bytes in order, cut where frames end.
//!
//! Exists only while a conn is behind. Knows no encoding: the frame lengths come with the bytes.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

use super::Tag;

#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Bytes of the frame that still wait.
    len: u32,
    tag: Tag,
}

/// The bytes that wait for one conn. Its bound is kept by the outbox.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: BytesMut,
    marks: VecDeque<Mark>,
    /// The peer has a part of the first frame: it must get the rest.
    started: bool,
}

impl Backlog {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What to send next.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds one whole frame.
    pub fn append(&mut self, frame: &[u8], tag: Tag) {
        if frame.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(frame);
        self.marks.push_back(Mark { len: frame.len() as u32, tag });
    }

    /// The first `taken` bytes have left.
    pub fn advance(&mut self, mut taken: usize) {
        self.bytes.advance(taken);
        while taken > 0 {
            let mark = self.marks.front_mut().expect("marks cover the bytes");
            if taken < mark.len as usize {
                mark.len -= taken as u32;
                self.started = true;
                return;
            }
            taken -= mark.len as usize;
            self.marks.pop_front();
            self.started = false;
        }
    }

    /// Keeps of every channel only the newest frame, in place of the newest.
    pub fn conflate(&mut self) {
        let mut seen = hashbrown::HashSet::new();
        let mut keep: Vec<bool> =
            self.marks.iter().rev().map(|mark| !mark.tag.is_replaceable() || seen.insert(mark.tag)).collect();
        keep.reverse();
        self.retain(&keep);
    }

    /// Drops all but control frames.
    pub fn cut(&mut self) {
        let keep: Vec<bool> = self.marks.iter().map(|mark| mark.tag == Tag::CONTROL).collect();
        self.retain(&keep);
    }

    /// One verdict per frame. A frame of which the peer has a part stays in any case.
    fn retain(&mut self, keep: &[bool]) {
        let old = std::mem::take(&mut self.bytes);
        let marks = std::mem::take(&mut self.marks);
        let mut start = 0;
        for (at, (mark, keep)) in marks.iter().zip(keep).enumerate() {
            let end = start + mark.len as usize;
            if *keep || (at == 0 && self.started) {
                self.bytes.extend_from_slice(&old[start..end]);
                self.marks.push_back(*mark);
            }
            start = end;
        }
    }
}
