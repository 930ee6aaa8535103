//! A channel's place in the list of channels that only their stream keeps (see `unused`).

/// Nobody.
pub(super) const NONE: u32 = u32::MAX;

/// A channel's place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) older: u32,
    pub(super) newer: u32,
    pub(super) listed: bool,
}

impl Link {
    pub(super) const OUT: Self = Self { older: NONE, newer: NONE, listed: false };
}
