//! What a channel's stream keeps, seen without use: for whoever sends it again.

use std::sync::Arc;

use super::history::Stream;
use crate::model::Publication;
use crate::time::Now;

/// A look at a channel's stream.
#[derive(Clone, Copy, Debug)]
pub struct Shelf<'a> {
    pub(super) stream: &'a Stream,
    pub(super) now: Now,
}

impl<'a> Shelf<'a> {
    /// Which life of the stream it is.
    pub fn epoch(self) -> &'a Arc<str> {
        self.stream.epoch()
    }

    /// The offset of the oldest publication that is kept; one more than the newest where none is.
    pub fn first(self) -> u64 {
        self.stream.first_kept()
    }

    /// The offset of the newest publication, 0 before the first. What is on its way to the disk is none yet.
    pub fn top(self) -> u64 {
        self.stream.top()
    }

    /// The publication of this offset, if it is kept.
    pub fn get(self, offset: u64) -> Option<&'a Arc<Publication>> {
        self.stream.get(offset)
    }

    /// Whether a publication that is kept has ended by itself: it is given to nobody.
    pub fn has_ended(self, publication: &Publication) -> bool {
        self.stream.has_ended(publication, self.now)
    }
}
