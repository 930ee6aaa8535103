//! How a subscription begins.

use std::sync::Arc;

use super::{Expiry, Payload, Position, Publication, TagsFilter};

/// A subscription's beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subscribed {
    /// When the subscription token expires.
    pub expiry: Expiry,
    /// Whether the client may recover later.
    pub recoverable: bool,
    /// Whether gaps are watched for.
    pub positioned: bool,
    /// Where the stream stands; told when positioned or recoverable.
    pub position: Position,
    /// The offset that the client recovers from, 0 where it asked for nothing.
    pub since: u64,
    /// What was missed, oldest first.
    pub publications: Vec<Arc<Publication>>,
    /// All that was missed is in `publications`.
    pub recovered: bool,
    /// The client asked for recovery.
    pub was_recovering: bool,
    /// What a token or a backend adds for the client.
    pub data: Option<Payload>,
    /// Which publications the subscriber wants; `None` is all. The client knows it: it is not told.
    pub filter: Option<Arc<TagsFilter>>,
}

impl Subscribed {
    /// The offset that the client is told. Where it is given what it missed, that is where it was: what it is given brings
    /// it on, and a client that notes the offset first and falters then misses nothing. Where its filter has
    /// kept out all that it missed, it is where the stream stands.
    pub fn told_offset(&self) -> u64 {
        let is_at_end = self.filter.is_some() && self.publications.is_empty();
        if self.recovered && !is_at_end { self.since } else { self.position.offset }
    }
}
