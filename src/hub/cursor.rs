//! How far a snapshot of what lives has come.

use std::sync::Arc;

use crate::store::Batch;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// What was committed when it began: it lies in the segments that are to go.
    pub(super) begun: Option<Batch>,
    /// The channel that is next, by its place.
    pub(super) key: usize,
    /// Of that one, the epoch and the publication that are next; `None` where nothing was said of it.
    pub(super) within: Option<(Arc<str>, u64)>,
    /// The idempotency key that is next, by its number.
    pub(super) number: u64,
    /// Those of backends were said: it is one of a client's message.
    pub(super) of_clients: bool,
}
