//! Cores that the kernel keeps free of other programs since boot, against those of the shards.

use super::{Finding, proc};
use crate::cores::{parse, write};

const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
const CHECK: &str = "isolated cores";

pub(super) fn check(cores: &[usize]) -> Finding {
    // Empty where none is; a host with more than a node can have is judged by the shards' alone.
    let isolated = proc::read::<String>(ISOLATED).ok().and_then(|list| parse(&list).ok()?);
    judge(&isolated.unwrap_or_default(), cores)
}

fn judge(isolated: &[usize], cores: &[usize]) -> Finding {
    let see = page!("tuning/isolated-cores.sh");
    if isolated.is_empty() {
        let meaning = "other programs run on the cores of shards too: it shows in p99.9, if anywhere";
        return Finding::ok(CHECK, "none at boot", meaning).see(see);
    }
    let value = write(isolated);
    let exposed: Vec<_> = cores.iter().copied().filter(|core| !isolated.contains(core)).collect();
    if exposed.is_empty() {
        return Finding::ok(CHECK, value, "the shards have their cores to themselves");
    }
    let fix = format!("CPUAffinity={value} in the systemd unit, and `shards.cores` = \"{value}\"");
    let meaning = format!("shards run on {}, beside other programs, though these cores are kept free", write(&exposed));
    Finding::warn(CHECK, value, meaning, fix, see)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn isolated_cores_without_shards_are_said() {
        let finding = judge(&[2, 3], &[0, 1, 2]);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.meaning.contains("run on 0-1,"), "{finding}");
        assert!(finding.fix.unwrap().ends_with("`shards.cores` = \"2-3\""));
    }

    #[test]
    fn shards_on_isolated_cores_or_on_a_host_without_any_are_fine() {
        assert_eq!(judge(&[2, 3], &[3]).verdict, Verdict::Ok);
        let finding = judge(&[], &[0, 1]);
        assert_eq!((finding.verdict, finding.see), (Verdict::Ok, Some("tuning/isolated-cores.sh")));
    }
}
