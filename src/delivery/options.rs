//! What a namespace promises about being received, as its configuration has it.

/// The options of an at-least-once namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxOptions {
    /// How long a device may take to say that it has received what it was sent, milliseconds.
    pub ack_timeout_ms: u64,
    /// By how much each attempt waits longer than the one before.
    pub backoff_factor: u32,
    /// No attempt waits longer than this, milliseconds.
    pub backoff_max_ms: u64,
    /// So often a publication is sent before it is given up.
    pub max_attempts: u16,
    /// So many publications a device is sent beyond its floor.
    pub max_unacked: u32,
    /// A device that was away for longer may be forgotten, milliseconds.
    pub device_ttl_ms: u64,
    /// So many devices a member has at most.
    pub devices_max: usize,
    /// Whether members, floors and dead letters are kept on disk.
    pub is_durable: bool,
    /// Whether several nodes share the channel: its ledger has members, floors and dead letters, and here are the rows of the
    /// devices only that are connected here.
    pub is_shared: bool,
    /// Whether a session is not sent what it has published itself.
    pub skips_own: bool,
    /// Whether a user becomes a member by subscribing.
    pub members_subscribe: bool,
    /// Members who have not noticed a publication after so long are to be told of it by a push, milliseconds; 0 for never.
    pub push_after_ms: u64,
    /// The number of the namespace in the configuration, 0 for none.
    pub namespace: u32,
}

impl InboxOptions {
    /// When a device was here is kept on disk by steps of so many seconds: an eighth of what it may be away, so that one that
    /// comes and goes is not written each time.
    pub fn seen_step_s(&self) -> u32 {
        u32::try_from(self.device_ttl_ms / 8_000).unwrap_or(u32::MAX).max(1)
    }

    /// How long an attempt is waited for, milliseconds, where `failed` attempts of the same publication have failed. `jitter`
    /// is random, so that devices that were lost together do not come back together: it adds up to a quarter.
    pub fn wait_ms(&self, failed: u16, jitter: u8) -> u64 {
        let factor = u64::from(self.backoff_factor).saturating_pow(failed.into());
        let cap_ms = self.backoff_max_ms.max(self.ack_timeout_ms);
        let wait_ms = self.ack_timeout_ms.saturating_mul(factor).min(cap_ms);
        match failed {
            0 => wait_ms,
            _ => wait_ms.saturating_add(wait_ms / 1024 * u64::from(jitter)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_waits_longer_up_to_the_cap_and_never_overflows() {
        let options = InboxOptions {
            ack_timeout_ms: 1_000,
            backoff_factor: 2,
            backoff_max_ms: 5_000,
            ..crate::delivery::tests::OPTIONS
        };
        assert_eq!(
            [0, 1, 2, 3, u16::MAX].map(|failed| options.wait_ms(failed, 0)),
            [1_000, 2_000, 4_000, 5_000, 5_000]
        );
        assert_eq!(options.wait_ms(2, 255), 4_000 + 3 * 255);
        assert_eq!(options.wait_ms(0, 255), 1_000, "the first is as configured");
        let endless = InboxOptions { ack_timeout_ms: u64::MAX, backoff_factor: u32::MAX, backoff_max_ms: 0, ..options };
        assert!(endless.wait_ms(u16::MAX, 255) > 0);
    }
}
