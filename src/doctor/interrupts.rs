//! Interrupts of the network device: which cores they reach, and whether they come for every batch of packets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Finding, device, proc};

/// Parts of names of interrupts that bring no packets: of the device's administration, of sending alone.
const NO_RECEIVE: [&str; 6] = ["async", "config", "control", "mgmnt", "pages", "output"];

pub(super) fn check() -> Vec<Finding> {
    let Some(device) = device::name() else { return Vec::new() };
    let folder = device::folder(&device);
    let cores = ["device/msi_irqs", "device/../msi_irqs"]
        .iter()
        .find_map(|irqs| fs::read_dir(folder.join(irqs)).ok())
        .map(|irqs| {
            let irqs = irqs.flatten().filter_map(|irq| irq.file_name().into_string().ok());
            irqs.filter(|irq| brings_packets(irq)).filter_map(|irq| cores_of(&irq)).collect()
        })
        .unwrap_or_default();
    let flush_ns = number(&folder, "gro_flush_timeout");
    vec![judge_cores(&device, cores), judge_deferral(&device, flush_ns, number(&folder, "napi_defer_hard_irqs"))]
}

/// Queues have a number at the end of their interrupt's name: `eth0-TxRx-3`, `virtio2-input.0`, `mlx5_comp3@pci:…`.
fn brings_packets(irq: &str) -> bool {
    let name = fs::read_to_string(format!("/sys/kernel/irq/{irq}/actions")).unwrap_or_default();
    is_of_a_receive_queue(name.trim())
}

fn is_of_a_receive_queue(name: &str) -> bool {
    let name = name.split('@').next().unwrap_or_default();
    !NO_RECEIVE.iter().any(|part| name.contains(part)) && name.ends_with(|char: char| char.is_ascii_digit())
}

/// Where the kernel delivers an interrupt, as it writes it: `0`, `2-3`.
fn cores_of(irq: &str) -> Option<String> {
    ["effective_affinity_list", "smp_affinity_list"]
        .iter()
        .find_map(|file| proc::read::<String>(&format!("/proc/irq/{irq}/{file}")).ok())
        .filter(|cores| !cores.is_empty())
}

fn number(folder: &Path, file: &str) -> u64 {
    folder.join(file).to_str().and_then(|path| proc::read(path).ok()).unwrap_or(0)
}

fn judge_cores(device: &str, cores: Vec<String>) -> Finding {
    const CHECK: &str = "interrupts";
    let queues = cores.len();
    let cores: BTreeSet<_> = cores.into_iter().collect();
    let list = cores.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (queues, cores.len()) {
        (0, _) => Finding::ok(CHECK, "none to place", format!("{device} has no interrupt per queue")),
        (1, _) => Finding::ok(CHECK, format!("one, on core {list}"), "the queues are the bound, if anything is"),
        (_, 1) => Finding::warn(
            CHECK,
            format!("{queues}, all on core {list}"),
            "one core takes in all packets, though the device has a queue for others too",
            "sudo tuning/irq-affinity.sh apply",
            page!("tuning/irq-affinity.sh"),
        ),
        _ => Finding::ok(CHECK, format!("{queues}, on cores {list}"), "several cores take in packets")
            .see(page!("tuning/irq-affinity.sh")),
    }
}

fn judge_deferral(device: &str, flush_ns: u64, deferred: u64) -> Finding {
    const CHECK: &str = "deferred interrupts";
    let see = page!("tuning/busy-poll.sh");
    if flush_ns == 0 || deferred == 0 {
        let meaning = format!("{device} interrupts for every batch of packets: early, and dear at high rates");
        return Finding::ok(CHECK, "off", meaning).see(see);
    }
    Finding::ok(CHECK, format!("{} us", flush_ns / 1000), "the device waits so long for more packets").see(see)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn placed(cores: &[&str]) -> Verdict {
        judge_cores("eth0", cores.iter().map(|core| (*core).to_owned()).collect()).verdict
    }

    #[test]
    fn several_queues_on_one_core_are_said() {
        assert_eq!(placed(&["0", "0", "0"]), Verdict::Warn);
        assert_eq!(placed(&["0", "1", "0"]), Verdict::Ok);
    }

    #[test]
    fn one_queue_has_nowhere_else_to_go() {
        assert_eq!(placed(&["0"]), Verdict::Ok);
        assert_eq!(placed(&[]), Verdict::Ok);
    }

    #[test]
    fn a_receive_queue_is_known_by_its_name() {
        for name in ["eth0-TxRx-3", "virtio2-input.0", "mlx5_comp3@pci:0000:01:00.0"] {
            assert!(is_of_a_receive_queue(name), "{name}");
        }
        for name in
            ["virtio2-config", "virtio2-output.0", "mlx5_async0@pci:0000:01:00.0", "ena-mgmnt@pci:0000:00:05.0", ""]
        {
            assert!(!is_of_a_receive_queue(name), "{name}");
        }
    }

    #[test]
    fn interrupts_are_deferred_when_both_numbers_say_so() {
        assert_eq!(judge_deferral("eth0", 20_000, 2).value, "20 us");
        assert_eq!(judge_deferral("eth0", 20_000, 0).value, "off");
        assert_eq!(judge_deferral("eth0", 0, 2).value, "off");
    }
}
