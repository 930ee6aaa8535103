//! How far a drain has come.

/// A drain under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// Sessions told to go at every turn of the wheel.
    pub(super) per_turn: usize,
    /// Those of them that are still to be told: no more than [`FAREWELLS_PER_TICK`](crate::limits::FAREWELLS_PER_TICK) are
    /// in one tick.
    pub(super) due: usize,
    /// The control plane has been told that nothing is left.
    pub(super) ended: bool,
}
