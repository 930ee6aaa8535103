//! Versions of what publications say: a backend numbers the states of a thing, and an older one that comes late is dropped.

use crate::store::record::VersionOf;

/// Which state of a thing a publication tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Grows with each state; above 0.
    pub number: u64,
    /// Which count the number belongs to; empty goes by the number alone.
    pub epoch: Box<str>,
}

impl Version {
    /// Whether `newest` is this one, or a later one of the same count.
    pub(super) fn is_passed_by(&self, newest: &Self) -> bool {
        (self.epoch.is_empty() || self.epoch == newest.epoch) && self.number <= newest.number
    }

    /// As it is kept on disk.
    pub fn record(&self) -> VersionOf<'_> {
        VersionOf { number: self.number, epoch: &self.epoch }
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.epoch.len()
    }
}
