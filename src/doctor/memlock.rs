//! Memory that the process may lock, for the executors' rings and their registered buffers.

use rustix::process::Resource;

use super::Finding;
use super::limit::Limit;

/// An executor refuses to start below this, and 8 MiB carry 16 of them.
const BYTES_PER_SHARD: u64 = 512 * 1024;

pub(super) fn check(shards: usize) -> Finding {
    judge(Limit::of(Resource::Memlock), shards)
}

fn judge(limit: Limit, shards: usize) -> Finding {
    const CHECK: &str = "memlock";
    let needed = BYTES_PER_SHARD * shards as u64;
    let value = match limit.0 {
        u64::MAX => limit.to_string(),
        bytes => format!("{} KiB", bytes / 1024),
    };
    let fix = format!(
        "LimitMEMLOCK={needed} in the systemd unit, `--ulimit memlock={needed}` for a container, or \
         `sudo prlimit --pid $$ --memlock={needed}` for this shell"
    );
    let see = page!("tuning/limits.conf");
    let need = format!("{shards} shards may need {} KiB", needed / 1024);
    if limit.0 < BYTES_PER_SHARD {
        return Finding::fail(
            CHECK,
            value,
            format!("no shard starts below {} KiB; {need}", BYTES_PER_SHARD / 1024),
            fix,
            see,
        );
    }
    if limit.0 < needed {
        return Finding::warn(CHECK, value, format!("{need}; it is counted over all processes of the user"), fix, see);
    }
    Finding::ok(CHECK, value, format!("enough for the rings: {need}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_a_shard_locks_is_asked_for_each_shard() {
        let verdict = |kib: u64, shards| judge(Limit(kib * 1024), shards).verdict;
        assert_eq!(verdict(8192, 16), Verdict::Ok);
        assert_eq!(verdict(8192, 17), Verdict::Warn);
        assert_eq!(verdict(64, 1), Verdict::Fail);
        assert_eq!(judge(Limit(u64::MAX), 64).value, "unlimited");
    }

    #[test]
    fn the_remedy_gives_what_is_needed() {
        let finding = judge(Limit(64 * 1024), 2);
        assert_eq!(finding.value, "64 KiB");
        assert!(finding.fix.unwrap().contains("LimitMEMLOCK=1048576"));
    }
}
