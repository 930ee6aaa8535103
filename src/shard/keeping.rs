//! How long what is kept takes to the disk, and when more of it may go.

/// What is measured of a batch on its way to the disk. Nanoseconds of the shard's clock.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// When the oldest record was appended that waits for a write.
    pub(super) oldest_ns: Option<u64>,
    /// When the write in flight was asked for, and when its oldest record was appended.
    pub(super) writing_ns: (u64, u64),
    /// When a write may be asked for that is too early yet.
    pub(super) write_due_ns: Option<u64>,
}
