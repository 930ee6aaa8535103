//! Time as an argument: the one value that says what time it is, and how long something takes as people write it.
//! Only the shard's tick reads a clock.

mod duration;

pub use duration::Duration;

/// One instant on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never goes back; its zero means nothing.
    pub mono_ms: u64,
    /// Milliseconds since the Unix epoch, for what people and tokens say about time.
    pub unix_ms: i64,
}

impl Now {
    /// Whole seconds since the Unix epoch.
    pub fn unix_s(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}
