//! Memory: what is there against the receive buffers and the mailboxes, which are reserved at start.

use super::{Finding, proc};
use crate::config::ShardsConfig;
use crate::shard::mailbox::Mailboxes;

const MIB: u64 = 1 << 20;

pub(super) fn check(shards: usize, config: &ShardsConfig) -> Finding {
    let buffers = u64::from(config.receive_buffers) * config.receive_buffer_size as u64 * shards as u64;
    let mailboxes = Mailboxes::bytes(config.mailbox_letters(shards), shards);
    match available() {
        Some(available) => judge(available, proc::cgroup("memory.max").as_deref().and_then(number), buffers, mailboxes),
        None => Finding::unknown("memory", "/proc/meminfo does not tell what is available".into()),
    }
}

fn judge(available: u64, group: Option<u64>, buffers: u64, mailboxes: u64) -> Finding {
    const CHECK: &str = "memory";
    let (bytes, whose) = match group {
        Some(group) if group < available => (group, "the control group's limit"),
        _ => (available, "available"),
    };
    let value = format!("{} MiB {whose}", bytes / MIB);
    let meaning = format!(
        "once used, the receive buffers take {} MiB and the mailboxes {} MiB; connections and history grow on top",
        buffers / MIB,
        mailboxes / MIB
    );
    let fix = "lower `shards.receive_buffers`, `shards.mailbox_capacity` or the number of shards, or give the node more \
               memory";
    let see = page!("docs/OPERATIONS.md");
    let reserved = buffers.saturating_add(mailboxes);
    if reserved >= bytes {
        return Finding::fail(CHECK, value, meaning, fix, see);
    }
    if reserved > bytes / 4 {
        return Finding::warn(CHECK, value, meaning, fix, see);
    }
    Finding::ok(CHECK, value, meaning)
}

/// What the host can still give, bytes.
pub(super) fn available() -> Option<u64> {
    available_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(number(line.trim().strip_suffix("kB")?)? * 1024)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn buffers_and_mailboxes_may_take_a_quarter_of_what_is_there() {
        assert_eq!(judge(64 * MIB, None, 10 * MIB, 6 * MIB).verdict, Verdict::Ok);
        assert_eq!(judge(64 * MIB, None, 10 * MIB, 7 * MIB).verdict, Verdict::Warn);
        assert_eq!(judge(64 * MIB, None, 10 * MIB, 54 * MIB).verdict, Verdict::Fail);
    }

    #[test]
    fn the_tighter_of_host_and_group_counts() {
        assert_eq!(judge(8192 * MIB, Some(32 * MIB), 16 * MIB, 0).verdict, Verdict::Warn);
        assert_eq!(judge(32 * MIB, Some(8192 * MIB), 16 * MIB, 0).value, "32 MiB available");
    }

    #[test]
    fn what_is_available_is_read_in_bytes() {
        assert_eq!(available_of("MemTotal:  9 kB\nMemAvailable:   24173696 kB\n"), Some(24_173_696 * 1024));
        assert_eq!(available_of("MemTotal:  9 kB\n"), None);
        assert_eq!(number("max\n"), None);
    }
}
