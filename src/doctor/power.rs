//! Clock and sleep of the cores: a shard that sleeps often looks idle to the host, which slows the core down.

use std::collections::BTreeSet;
use std::fs;

use super::{Finding, proc};

/// A core that takes longer than this to wake shows in the latency of single messages, microseconds.
const WAKE_US_MAX: u64 = 50;

pub(super) fn check(cores: &[usize]) -> [Finding; 2] {
    let folders = || cores.iter().map(|core| format!("/sys/devices/system/cpu/cpu{core}"));
    let governors = folders().filter_map(|core| proc::read(&format!("{core}/cpufreq/scaling_governor")).ok());
    let wakes_us = folders().flat_map(|core| enabled_states(&format!("{core}/cpuidle")));
    [judge_clock(&governors.collect()), judge_sleep(wakes_us.max())]
}

/// How long each idle state that is not switched off takes to leave, microseconds.
fn enabled_states(folder: &str) -> Vec<u64> {
    let Ok(states) = fs::read_dir(folder) else { return Vec::new() };
    let state = |path: std::path::PathBuf| {
        let number = |file| proc::read::<u64>(path.join(file).to_str()?).ok();
        (number("disable")? == 0).then_some(number("latency")?)
    };
    states.flatten().filter_map(|entry| state(entry.path())).collect()
}

fn judge_clock(governors: &BTreeSet<String>) -> Finding {
    const CHECK: &str = "clock";
    if governors.is_empty() {
        return Finding::ok(CHECK, "no governor", "the clock of the cores is not this system's to choose");
    }
    let value = governors.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if governors.iter().all(|governor| governor == "performance") {
        return Finding::ok(CHECK, value, "the cores run at their highest clock");
    }
    Finding::warn(
        CHECK,
        value,
        "the clock falls while a shard waits: latency at low load may be worse than at half load",
        "sudo tuning/cpu-governor.sh apply",
        page!("tuning/cpu-governor.sh"),
    )
}

fn judge_sleep(longest_us: Option<u64>) -> Finding {
    const CHECK: &str = "sleep";
    let Some(longest_us) = longest_us else {
        return Finding::ok(CHECK, "no idle states", "the sleep of the cores is not this system's to choose");
    };
    let value = format!("up to {longest_us} us");
    if longest_us <= WAKE_US_MAX {
        return Finding::ok(CHECK, value, "the cores wake quickly");
    }
    Finding::warn(
        CHECK,
        value,
        "a core that slept deeply wakes slowly: single messages may be late at low load",
        "sudo tuning/cpu-idle.sh apply",
        page!("tuning/cpu-idle.sh"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn clock(governors: &[&str]) -> Verdict {
        judge_clock(&governors.iter().map(|governor| (*governor).to_owned()).collect()).verdict
    }

    #[test]
    fn one_core_with_a_saving_governor_is_said() {
        assert_eq!(clock(&["performance"]), Verdict::Ok);
        assert_eq!(clock(&["performance", "powersave"]), Verdict::Warn);
        assert_eq!(clock(&[]), Verdict::Ok);
    }

    #[test]
    fn a_state_that_takes_long_to_leave_is_said() {
        assert_eq!(judge_sleep(Some(133)).verdict, Verdict::Warn);
        assert_eq!(judge_sleep(Some(2)).verdict, Verdict::Ok);
        assert_eq!(judge_sleep(None).verdict, Verdict::Ok);
    }
}
