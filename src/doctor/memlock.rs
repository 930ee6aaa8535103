//! Memory that the process may lock: the shards' rings, their executors' rings and registered buffers.

use rustix::process::Resource;
use rustix::thread::CapabilitySet;

use super::Finding;
use super::kernel;
use super::limit::{Limit, is_exempt};
use crate::config::ShardsConfig;
use crate::limits::{EXECUTOR_IO_BYTES, EXECUTOR_RING_ENTRIES};
use crate::ring::{RingSize, ring_bytes};

/// An executor refuses to start below this, whoever asks.
const EXECUTOR_BYTES_MIN: u64 = 512 * 1024;

/// Rings of an executor; its buffers are registered with each.
const EXECUTOR_RINGS: u64 = 3;

/// The ring that the doctor makes to see whether it can: the kernel gives its memory back some time after.
const TRIAL_BYTES: u64 = 16 * 1024;

/// The kernel that counts the memory of rings themselves, and not of registered buffers only.
const RINGS_COUNT_SINCE: (u32, u32) = (6, 14);

/// Whether the kernel counts what the rings of this process lock, and bounds it.
pub fn is_locked_memory_bound() -> bool {
    do_rings_count() && !is_exempt(CapabilitySet::IPC_LOCK) && Limit::of(Resource::Memlock).0 < u64::MAX
}

fn do_rings_count() -> bool {
    kernel::running().is_none_or(|version| version >= RINGS_COUNT_SINCE)
}

pub(super) fn check(shards: usize, config: &ShardsConfig) -> Finding {
    let size = RingSize {
        entries: config.ring_entries,
        buffers: config.receive_buffers,
        buffer_bytes: config.receive_buffer_size,
    };
    let exempt = is_exempt(CapabilitySet::IPC_LOCK);
    let needed = if exempt { EXECUTOR_BYTES_MIN } else { bytes_needed(shards as u64, size, do_rings_count()) };
    judge(Limit::of(Resource::Memlock), needed, shards, exempt)
}

/// What a node's shards lock together.
fn bytes_needed(shards: u64, size: RingSize, rings_count: bool) -> u64 {
    let registered = EXECUTOR_RINGS * EXECUTOR_IO_BYTES as u64;
    let rings = match rings_count {
        // The kernel makes twice as many completions as submissions where nobody says otherwise.
        true => size.locked_bytes() + EXECUTOR_RINGS * ring_bytes(EXECUTOR_RING_ENTRIES, 2 * EXECUTOR_RING_ENTRIES),
        false => 0,
    };
    EXECUTOR_BYTES_MIN.max(shards * (rings + registered) + TRIAL_BYTES)
}

fn judge(limit: Limit, needed: u64, shards: usize, exempt: bool) -> Finding {
    const CHECK: &str = "memlock";
    let value = match limit.0 {
        u64::MAX => limit.to_string(),
        bytes => format!("{} KiB", bytes / 1024),
    };
    let fix = format!(
        "LimitMEMLOCK={needed} in the systemd unit, `--ulimit memlock={needed}` for a container, or \
         `sudo prlimit --pid $$ --memlock={needed}` for this shell; less with a smaller `shards.ring_entries`"
    );
    let kib = needed.div_ceil(1024);
    let meaning = match exempt {
        true => format!("an executor asks for {kib} KiB; what is locked is not counted with CAP_IPC_LOCK"),
        false => format!("{shards} shards lock {kib} KiB; it is counted over all processes of the user"),
    };
    match limit.0 < needed {
        true => Finding::fail(CHECK, value, meaning, fix, page!("tuning/limits.conf")),
        false => Finding::ok(CHECK, value, meaning),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const KIB: u64 = 1024;

    fn size(entries: u32, buffers: u16) -> RingSize {
        RingSize { entries, buffers, buffer_bytes: 4096 }
    }

    /// Found on Linux 6.18 by trying: the least limit at which a node of a plain user starts, to 4 KiB.
    #[test]
    fn what_is_computed_is_what_a_node_was_seen_to_need() {
        let seen = [
            (1, 4096, 16, 793),
            (1, 4096, 2048, 823),
            (1, 4096, 32768, 1303),
            (1, 8192, 2048, 1348),
            (1, 16384, 2048, 2405),
            (2, 256, 16, 579),
            (2, 1024, 2048, 834),
            (2, 4096, 2048, 1625),
            (2, 16384, 2048, 4794),
        ];
        for (shards, entries, buffers, kib) in seen {
            let needed = bytes_needed(shards, size(entries, buffers), true).div_ceil(KIB);
            assert!((kib - 4..=kib + 32).contains(&needed), "{shards} × {entries}, {buffers}: {needed}, not {kib}");
        }
    }

    #[test]
    fn before_rings_were_counted_only_registered_buffers_are() {
        assert_eq!(bytes_needed(1, size(16384, 32768), false), EXECUTOR_BYTES_MIN);
        assert_eq!(bytes_needed(16, size(4096, 2048), false), 16 * 3 * 64 * KIB + TRIAL_BYTES);
    }

    #[test]
    fn below_what_is_needed_no_node_starts() {
        let verdict = |kib: u64| judge(Limit(kib * KIB), 900 * KIB, 1, false).verdict;
        assert_eq!((verdict(900), verdict(899)), (Verdict::Ok, Verdict::Fail));
        assert_eq!(judge(Limit(u64::MAX), 900 * KIB, 64, false).value, "unlimited");
    }

    #[test]
    fn the_remedy_gives_what_is_needed() {
        let finding = judge(Limit(64 * KIB), 900 * KIB, 1, false);
        assert_eq!(finding.value, "64 KiB");
        assert!(finding.fix.unwrap().contains("LimitMEMLOCK=921600"));
    }
}
