//! Threads: those that a node starts, all of them before its first client.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Resource, getuid};
use rustix::thread::CapabilitySet;

use super::Finding;
use super::limit::{Limit, is_exempt, is_root};
use super::proc;
use crate::config::Config;

/// The first one, the log, the signals, the control plane, and the one that looks names up; an access log has its own, a
/// store one and one a shard.
const OF_A_NODE: u64 = 5;

/// The way to the other nodes, and the one that looks names up for it.
const OF_A_BRIDGE: u64 = 2;

/// The shard itself, and the executor's for calls that block.
const OF_A_SHARD: u64 = 2;

/// A bound, and what others than this process have of it.
struct Bound {
    name: &'static str,
    limit: u64,
    others: u64,
}

pub(super) fn check(shards: usize, config: &Config) -> Finding {
    let own = fs::read_dir("/proc/self/task").map_or(1, |threads| threads.count() as u64);
    let mut bounds = Vec::new();
    if let Some(limit) = number("pids.max") {
        let others = number("pids.current").unwrap_or_default().saturating_sub(own);
        bounds.push(Bound { name: "of the control group", limit, others });
    }
    // fork(2), EAGAIN.
    if !is_root() && !is_exempt(CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_ADMIN) {
        let limit = Limit::of(Resource::Nproc).0;
        bounds.push(Bound { name: "of the user", limit, others: threads_of_user().saturating_sub(own) });
    }
    // The kernel's own threads that write for a ring count, too: one, since a shard has one write in flight.
    let of_store = if config.store.is_set() { 1 + shards as u64 } else { 0 };
    let of_files = u64::from(config.access_log.enabled) + of_store;
    let of_bridge = if config.cluster.redis.is_set() { OF_A_BRIDGE } else { 0 };
    judge(&bounds, shards, OF_A_NODE + of_files + of_bridge + OF_A_SHARD * shards as u64)
}

fn judge(bounds: &[Bound], shards: usize, needed: u64) -> Finding {
    const CHECK: &str = "threads";
    let tightest = bounds.iter().min_by_key(|bound| bound.limit.saturating_sub(bound.others));
    let Some(Bound { name, limit, others }) = tightest.filter(|bound| bound.limit != u64::MAX) else {
        return Finding::ok(CHECK, "unlimited", format!("{shards} shards need {needed}"));
    };
    let value = format!("{} of the {limit} {name}", limit.saturating_sub(*others));
    let meaning = format!("{shards} shards need {needed}; {others} are others'");
    if limit.saturating_sub(*others) >= needed {
        return Finding::ok(CHECK, value, meaning);
    }
    let whole = others + needed;
    let fix = format!(
        "TasksMax={whole} and LimitNPROC={whole} in the systemd unit, `--pids-limit {whole}` for a container, or \
         `sudo prlimit --pid $$ --nproc={whole}` for this shell"
    );
    Finding::fail(CHECK, value, meaning, fix, page!("tuning/ringpost.service"))
}

/// A number of the control group; "max" is none.
fn number(file: &str) -> Option<u64> {
    proc::cgroup(file)?.trim().parse().ok()
}

/// Threads of all processes of this user.
fn threads_of_user() -> u64 {
    let user = getuid().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let processes = entries.flatten().filter(|entry| {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        is_process && entry.metadata().is_ok_and(|about| about.uid() == user)
    });
    // A process that has ended meanwhile has none.
    processes.map(|entry| fs::read_dir(entry.path().join("task")).map_or(0, |threads| threads.count() as u64)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn of_user(limit: u64, others: u64) -> Bound {
        Bound { name: "of the user", limit, others }
    }

    #[test]
    fn every_thread_of_every_shard_must_fit_beside_what_others_have() {
        assert_eq!(judge(&[of_user(19, 10)], 2, 9).verdict, Verdict::Ok);
        let finding = judge(&[of_user(18, 10)], 2, 9);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Fail, "8 of the 18 of the user"));
        assert!(finding.fix.unwrap().starts_with("TasksMax=19 "));
    }

    #[test]
    fn the_tighter_bound_counts() {
        let group = Bound { name: "of the control group", limit: 8, others: 0 };
        assert_eq!(judge(&[of_user(100, 10), group], 2, 9).value, "8 of the 8 of the control group");
    }

    #[test]
    fn where_nothing_bounds_them_there_are_enough() {
        assert_eq!(judge(&[], 64, 133).verdict, Verdict::Ok);
        assert_eq!(judge(&[of_user(u64::MAX, 10)], 64, 133).value, "unlimited");
    }

    #[test]
    fn this_process_is_counted() {
        assert!(threads_of_user() >= 1);
    }
}
