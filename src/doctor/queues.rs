//! The network device's queues against the shards: with fewer queues, few cores take in all packets.

use std::fs;

use super::{Finding, device};

pub(super) fn check(shards: usize) -> Finding {
    let Some(device) = device::name() else {
        return Finding::ok(CHECK, "no default route", "clients come from this host only");
    };
    let Ok(queues) = fs::read_dir(device::folder(&device).join("queues")) else {
        return Finding::ok(CHECK, device, "the device does not tell its queues");
    };
    let queues: Vec<_> =
        queues.flatten().filter(|queue| queue.file_name().as_encoded_bytes().starts_with(b"rx-")).collect();
    let is_spread = queues.iter().any(|queue| {
        let mask = fs::read_to_string(queue.path().join("rps_cpus")).unwrap_or_default();
        mask.bytes().any(|byte| matches!(byte, b'1'..=b'9' | b'a'..=b'f'))
    });
    judge(&device, queues.len(), is_spread, shards)
}

const CHECK: &str = "receive queues";

fn judge(device: &str, queues: usize, is_spread: bool, shards: usize) -> Finding {
    let value = format!("{queues} on {device}");
    if is_spread {
        return Finding::ok(CHECK, value, "packets are spread over cores by software").see(page!("tuning/rps.sh"));
    }
    if queues >= shards {
        let meaning = format!("enough for {shards} shards; which shard gets a connection is a hash's choice");
        return Finding::ok(CHECK, value, meaning).see(page!("tuning/reuseport-steering.sh"));
    }
    Finding::warn(
        CHECK,
        value,
        format!("fewer than {shards} shards: few cores take in the packets of all, and others wait for them"),
        format!("sudo ethtool -L {device} combined {shards}; where the device cannot: sudo tuning/rps.sh apply"),
        page!("tuning/rps.sh"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn fewer_queues_than_shards_are_said_unless_software_spreads() {
        assert_eq!(judge("eth0", 1, false, 4).verdict, Verdict::Warn);
        assert_eq!(judge("eth0", 1, true, 4).verdict, Verdict::Ok);
        assert_eq!(judge("eth0", 4, false, 4).verdict, Verdict::Ok);
    }
}
