//! What homes have ceased to keep since the configuration was read again, until all rooms have taken it in.

use std::sync::Arc;

use crate::hub::Placement;
use crate::session::access::Access;

/// Another configuration of one home.
#[derive(Debug)]
struct Change {
    /// Which of all changes it is.
    number: u32,
    home: u16,
    access: Arc<Access>,
}

/// Changes that some rooms may have yet to take in.
#[derive(Debug)]
pub(super) struct Changes {
    placement: Placement,
    pending: Vec<Change>,
    /// The room that the walk looks at next, by its number.
    pub(super) next: usize,
}

impl Changes {
    pub(super) fn new(placement: Placement) -> Self {
        Self { placement, pending: Vec::new(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// A home goes by another configuration: the walk begins anew.
    pub(super) fn push(&mut self, number: u32, home: u16, access: Arc<Access>) {
        self.pending.push(Change { number, home, access });
        self.next = 0;
    }

    /// All rooms have taken in everything.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }

    /// Whether a channel's home has ceased to keep its publications, if only for a while, since the change of this number.
    pub(super) fn has_ceased_to_keep(&self, channel: &str, since: u32) -> bool {
        let home = self.placement.of(channel);
        let mut of_home = self.pending.iter().filter(|change| change.number > since && change.home == home);
        of_home.any(|change| change.access.resolve(channel).is_ok_and(|known| !known.has_history()))
    }
}
