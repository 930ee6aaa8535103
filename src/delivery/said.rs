//! How far a snapshot of members and dead letters has come.

use std::sync::Arc;

use super::dead_letters::Place;

/// How far saying again has come.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The inbox that is next, by its place, and the last of its members that was said.
    pub(super) inbox: usize,
    pub(super) member: Option<Arc<str>>,
    /// The dead letter that is next.
    pub(super) dead: Option<Place>,
    pub(super) is_all: bool,
}
