//! What a reload means for rooms.
//!
//! A home tells of another configuration in the order of its publications: what was promised of a history holds up to there.
//! A shard may have very many rooms, so that each takes in what it has not yet at its next use, before anything else, or when
//! the walk comes by that has a part of each tick; whichever is first.

use std::sync::Arc;

use super::Edge;
use crate::limits::LOOKS_PER_STEP;
use crate::session::access::Access;

impl Edge {
    /// The channels of a home have other options from now on. Where one has ceased to keep its publications, nobody can be
    /// told any more what is missing: positioned subscriptions end, as they do at a gap. Those that have not begun here hear
    /// of it with the answer of the home.
    pub(in crate::broker) fn home_changed(&mut self, home: u16, access: Arc<Access>) {
        let number = self.audience.outdate();
        self.changes.push(number, home, access);
    }

    /// Whether rooms may have changes to take in.
    pub(in crate::broker) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The walk goes on: some more rooms take in what has changed.
    pub(in crate::broker) fn go_on_with_changes(&mut self) {
        let mut looks = 0;
        while self.has_changes() && looks < LOOKS_PER_STEP {
            if self.changes.next >= self.audience.capacity() {
                return self.changes.clear();
            }
            let room = self.changes.next as u32;
            self.changes.next += 1;
            looks += 1 + self.audience.subscribers_of(room);
            self.take_in(room);
        }
    }

    /// A room takes in what it has not yet. It may be gone then, with all who counted on seeing everything.
    #[cold]
    pub(super) fn take_in(&mut self, room: u32) {
        let Some((channel, generation)) = self.audience.update(room) else { return };
        if self.changes.has_ceased_to_keep(&channel, generation) {
            self.gap(room);
        }
    }
}
