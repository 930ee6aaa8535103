//! What time it is for people and records, for a shard's reactor and for whoever is told none by its tick.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

/// For how many whole seconds something has waited since a time in Unix milliseconds; 0 where nothing waits since 0.
pub fn age_s(since_unix_ms: u64) -> u64 {
    match since_unix_ms {
        0 => 0,
        since_unix_ms => (unix_ms().max(0) as u64).saturating_sub(since_unix_ms) / 1000,
    }
}
