//! Where the node stands among others.

/// Where the node stands among those that share a Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Which life of the node, larger for a later one; 0 where nodes share nothing.
    pub incarnation: u64,
    /// Its place, from 1; 0 where nodes share nothing.
    pub slot: u8,
}
