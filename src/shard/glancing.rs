//! What a shard knows of its glances.

use super::reactor::{EventOf, Reactor};
use crate::limits::GLANCE_READS;

/// A tick's glances.
#[derive(Debug)]
pub(super) struct Glances<R: Reactor> {
    /// The tick has read what it has taken itself.
    pub(super) are_open: bool,
    /// A glance of this tick has read something, of which the shard does not know yet what there is to do.
    pub(super) have_read: bool,
    /// What a glance sees; kept for its memory.
    pub(super) events: Vec<EventOf<R>>,
}

impl<R: Reactor> Glances<R> {
    pub(super) fn new() -> Self {
        Self { are_open: false, have_read: false, events: Vec::with_capacity(GLANCE_READS) }
    }

    /// A tick begins.
    pub(super) fn begin(&mut self) {
        self.have_read = false;
    }
}
