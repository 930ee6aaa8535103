//! A node that has died, while its sessions end bucket by bucket.

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Dying {
    /// `slot.incarnation`.
    pub(super) owner: String,
    /// When it was seen last, Unix milliseconds.
    pub(super) seen: u64,
    /// The bucket in which they end next.
    pub(super) next: u16,
    /// How many have ended, sessions.
    pub(super) ended: u64,
}
