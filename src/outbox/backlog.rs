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

impl Mark {
    fn answer_bytes(self) -> usize {
        if self.tag == Tag::ANSWER { self.len as usize } else { 0 }
    }
}

/// The bytes that wait for one conn. Its bound is kept by the outbox.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: BytesMut,
    marks: VecDeque<Mark>,
    /// Bytes of answers among them.
    answers: usize,
    /// The peer has a part of the first frame: it must get the rest.
    started: bool,
    /// When it was first seen that the socket takes nothing, monotonic milliseconds; `None` since it last took something.
    stuck_since_ms: Option<u64>,
}

impl Backlog {
    /// Bytes that wait, with the rest of what the peer has a part of.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of answers that wait.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// Bytes that wait and that the peer has not asked for.
    pub fn unasked(&self) -> usize {
        self.bytes.len() - self.answers
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
        self.push(Mark { len: frame.len() as u32, tag });
    }

    fn push(&mut self, mark: Mark) {
        self.answers += mark.answer_bytes();
        self.marks.push_back(mark);
    }

    /// When it was first seen that the socket takes nothing: now, unless it was seen before.
    pub fn stuck_since_ms(&mut self, now_ms: u64) -> u64 {
        *self.stuck_since_ms.get_or_insert(now_ms)
    }

    /// Nobody has looked for so long.
    pub fn make_up_for(&mut self, pause_ms: u64) {
        self.stuck_since_ms = self.stuck_since_ms.map(|since_ms| since_ms + pause_ms);
    }

    /// The first `taken` bytes have left.
    pub fn advance(&mut self, mut taken: usize) {
        if taken > 0 {
            self.stuck_since_ms = None;
        }
        self.bytes.advance(taken);
        while taken > 0 {
            let mark = self.marks.front_mut().expect("marks cover the bytes");
            if taken < mark.len as usize {
                self.answers -= mark.answer_bytes();
                mark.len -= taken as u32;
                self.answers += mark.answer_bytes();
                self.started = true;
                return;
            }
            taken -= mark.len as usize;
            self.answers -= mark.answer_bytes();
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
        self.answers = 0;
        let mut start = 0;
        for (at, (mark, keep)) in marks.iter().zip(keep).enumerate() {
            let end = start + mark.len as usize;
            if *keep || (at == 0 && self.started) {
                self.bytes.extend_from_slice(&old[start..end]);
                self.push(*mark);
            }
            start = end;
        }
    }
}
