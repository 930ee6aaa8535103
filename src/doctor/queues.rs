//! The network device's queues against the shards: with fewer queues, few cores take in all packets.

use std::fs;

use super::Finding;

pub(super) fn check(shards: usize) -> Finding {
    let Some(device) = fs::read_to_string("/proc/net/route").ok().as_deref().and_then(device) else {
        return Finding::ok(CHECK, "no default route", "clients come from this host only");
    };
    let Ok(queues) = fs::read_dir(format!("/sys/class/net/{device}/queues")) else {
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
        return Finding::ok(CHECK, value, "packets are spread over cores by software");
    }
    if queues >= shards {
        return Finding::ok(CHECK, value, format!("enough for {shards} shards"));
    }
    Finding::warn(
        CHECK,
        value,
        format!("fewer than {shards} shards: few cores take in the packets of all, and others wait for them"),
        format!("sudo ethtool -L {device} combined {shards}; where the device cannot: sudo tuning/rps.sh apply"),
        page!("tuning/rps.sh"),
    )
}

/// The device of the default route.
fn device(routes: &str) -> Option<String> {
    let routes = routes.lines().map(|line| line.split_whitespace());
    routes
        .filter_map(|mut words| Some((words.next()?, words.next()?)))
        .find_map(|(device, destination)| (destination == "00000000").then(|| device.to_owned()))
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

    #[test]
    fn the_device_is_that_of_the_default_route() {
        let routes = "Iface\tDestination\tGateway\nlo\t0000007F\t0\neth0\t00000000\t0101A8C0\n";
        assert_eq!(device(routes).as_deref(), Some("eth0"));
        assert_eq!(device("Iface\tDestination\n"), None);
    }
}
