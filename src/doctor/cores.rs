//! Cores: those that the process may use against those that are configured, and the time a group is given.

use super::{Finding, proc};
use crate::config::ShardsConfig;
use crate::cores::{choose_among, write};
use crate::limits::SHARDS_MAX;

/// Where the executors look for the host's cores, and stop the node if there is nothing.
const TOPOLOGY: &str = "/sys/devices/system/cpu/online";

pub(super) fn check(config: &ShardsConfig, allowed: &[usize]) -> Finding {
    if let Err(problem) = proc::read::<String>(TOPOLOGY) {
        return judge_no_topology(problem);
    }
    judge(&config.cores, config.per_core, allowed, proc::cgroup("cpu.max").as_deref().and_then(quota))
}

fn judge_no_topology(problem: String) -> Finding {
    let fix = "mount /sys, read-only is enough: container runtimes do so by default";
    Finding::fail("cores", "unknown", problem, fix, page!("docs/OPERATIONS.md"))
}

fn judge(list: &str, per_core: usize, allowed: &[usize], quota: Option<f64>) -> Finding {
    const CHECK: &str = "cores";
    let value = format!("{} allowed ({})", allowed.len(), write(allowed));
    let chosen = match choose_among(list, allowed) {
        Ok(chosen) => chosen,
        Err(problem) => {
            let fix = "set `shards.cores` to cores of this host, or to \"all\"; `taskset -cp $$` shows what is allowed";
            let meaning = format!("`shards.cores` = \"{list}\": {problem}");
            return Finding::fail(CHECK, value, meaning, fix, page!("tuning/isolated-cores.sh"));
        }
    };
    if chosen.len() * per_core > SHARDS_MAX {
        return Finding::fail(
            CHECK,
            value,
            format!(
                "{} cores with {per_core} shards each are more than the {SHARDS_MAX} shards of a node",
                chosen.len()
            ),
            "lower `shards.per_core`, or name fewer cores in `shards.cores`",
            page!("tuning/isolated-cores.sh"),
        );
    }
    let shards = chosen.len();
    if let Some(quota) = quota
        && quota < shards as f64
    {
        let fewer = write(&chosen[..(quota as usize).max(1)]);
        return Finding::warn(
            CHECK,
            value,
            format!(
                "the control group gives {quota:.1} cores of time to {shards} shards: all of them stall when it is used up"
            ),
            format!("raise the CPU limit to {shards}, or run fewer shards: `shards.cores` = \"{fewer}\""),
            page!("tuning/ringpost.service"),
        );
    }
    if list.trim() == "all" && allowed.len() > SHARDS_MAX {
        return Finding::warn(
            CHECK,
            value,
            format!("a node runs at most {SHARDS_MAX} shards and leaves the other cores idle"),
            format!("choose them: `shards.cores` = \"{}\"; run a second node on the others", write(&chosen)),
            page!("tuning/isolated-cores.sh"),
        );
    }
    Finding::ok(CHECK, value, format!("{shards} shards, on {}", write(&chosen)))
}

/// Cores' worth of time from `cpu.max`: "quota period" in microseconds, or "max period".
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period) = (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?);
    (period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn all_allowed_cores_get_a_shard() {
        let finding = judge("all", 1, &[0, 1, 2, 3], None);
        assert_eq!((finding.verdict, finding.meaning.as_str()), (Verdict::Ok, "4 shards, on 0-3"));
    }

    #[test]
    fn a_configured_core_that_is_not_allowed_fails() {
        assert_eq!(judge("0-3", 1, &[0, 1], None).verdict, Verdict::Fail);
    }

    #[test]
    fn more_cores_than_a_node_has_shards_is_said() {
        let many: Vec<_> = (0..SHARDS_MAX + 1).collect();
        let finding = judge("all", 1, &many, None);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.fix.unwrap().contains("\"0-63\""));
    }

    #[test]
    fn more_shards_on_the_cores_than_a_node_has_fails() {
        assert_eq!(judge("all", SHARDS_MAX / 2, &[0, 1], None).verdict, Verdict::Ok);
        assert_eq!(judge("all", SHARDS_MAX / 2 + 1, &[0, 1], None).verdict, Verdict::Fail);
    }

    #[test]
    fn a_host_that_hides_its_cores_fails() {
        let finding = judge_no_topology("it cannot be read".into());
        assert_eq!((finding.verdict, finding.see), (Verdict::Fail, Some("docs/OPERATIONS.md")));
    }

    #[test]
    fn less_time_than_shards_is_said() {
        let finding = judge("all", 1, &[0, 1, 2, 3], quota("150000 100000\n"));
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.fix.unwrap().ends_with("`shards.cores` = \"0\""));
        assert_eq!(judge("all", 1, &[0, 1], quota("200000 100000")).verdict, Verdict::Ok);
    }

    #[test]
    fn a_group_without_a_quota_has_none() {
        assert_eq!(quota("max 100000\n"), None);
        assert_eq!(quota(""), None);
    }
}
