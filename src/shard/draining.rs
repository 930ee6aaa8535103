//! How far a drain has come.

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// Sessions told to go at every turn of the wheel.
    pub(super) per_turn: usize,
    /// The control plane has been told that nothing is left.
    pub(super) ended: bool,
}
