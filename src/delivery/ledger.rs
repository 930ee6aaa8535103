//! What a node knows of the ledger of a channel that several nodes share.

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// How many members it has.
    pub(super) members: usize,
    /// It cannot be told anything for now.
    pub(super) is_cut_off: bool,
    /// Until then it tells of each position that moves, monotonic milliseconds.
    pub(super) watched_until_ms: u64,
}
