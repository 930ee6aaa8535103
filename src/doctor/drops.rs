//! What the kernel has turned away since boot for want of room: connections that nobody accepted, packets that no
//! core looked at.

use std::fs;

use super::{Finding, proc};

const PACKET_BACKLOG: &str = "net.core.netdev_max_backlog";

/// What `tuning/backlog.sh` sets.
const PACKET_BACKLOG_ENOUGH: u64 = 16_384;

pub(super) fn check(backlog: u32) -> [Finding; 2] {
    let netstat = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let softnet = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    // It belongs to the host: a network of a container's own does not show it.
    let room = proc::read("/proc/sys/net/core/netdev_max_backlog").unwrap_or(PACKET_BACKLOG_ENOUGH);
    let queue = proc::read("/proc/sys/net/core/somaxconn").unwrap_or(backlog);
    [judge_connections(overflows(&netstat).unwrap_or(0), queue < backlog), judge_packets(dropped(&softnet), room)]
}

fn judge_connections(overflows: u64, is_backlog_cut: bool) -> Finding {
    const CHECK: &str = "connections turned away";
    if overflows == 0 {
        return Finding::ok(CHECK, 0, "no queue of a listener was full since boot");
    }
    if !is_backlog_cut {
        return Finding::ok(
            CHECK,
            overflows,
            "the queue of a listener was full at times; this node's is as long as `http_server.backlog`",
        );
    }
    Finding::warn(
        CHECK,
        overflows,
        "the queue of a listener was full, and its clients came again after 1, 3, 7 s",
        "sudo tuning/backlog.sh apply; restart the node",
        page!("tuning/backlog.sh"),
    )
}

fn judge_packets(dropped: u64, room: u64) -> Finding {
    const CHECK: &str = "packets dropped";
    if dropped == 0 {
        return Finding::ok(CHECK, 0, format!("{PACKET_BACKLOG} = {room} was enough since boot"));
    }
    if room >= PACKET_BACKLOG_ENOUGH {
        return Finding::ok(
            CHECK,
            dropped,
            format!("for want of room since boot; {PACKET_BACKLOG} = {room} is enough now"),
        );
    }
    Finding::warn(
        CHECK,
        dropped,
        format!("{PACKET_BACKLOG} = {room} was too little for loopback or RPS: each drop is a message 200 ms late"),
        "sudo tuning/backlog.sh apply",
        page!("tuning/backlog.sh"),
    )
}

/// `ListenOverflows` of the protocol's counters: a line of names, then one of numbers.
fn overflows(netstat: &str) -> Option<u64> {
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, numbers) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    names.zip(numbers).find(|(name, _)| *name == "ListenOverflows")?.1.parse().ok()
}

/// The second number of each core's line, in hexadecimal.
fn dropped(softnet: &str) -> u64 {
    let drops = softnet.lines().filter_map(|line| line.split_whitespace().nth(1));
    drops.filter_map(|drops| u64::from_str_radix(drops, 16).ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_full_queue_is_said_as_long_as_the_bound_is_low() {
        assert_eq!(judge_connections(3, true).verdict, Verdict::Warn);
        assert_eq!(judge_connections(3, false).verdict, Verdict::Ok);
        assert_eq!(judge_connections(0, true).verdict, Verdict::Ok);
    }

    #[test]
    fn dropped_packets_are_said_as_long_as_there_is_little_room() {
        assert_eq!(judge_packets(1, 1000).verdict, Verdict::Warn);
        assert_eq!(judge_packets(1, 16_384).verdict, Verdict::Ok);
        assert_eq!(judge_packets(0, 1000).verdict, Verdict::Ok);
    }

    #[test]
    fn counters_are_found_by_name_and_place() {
        let netstat =
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: InNoRoutes\nIpExt: 4\n";
        assert_eq!(overflows(netstat), Some(22));
        assert_eq!(overflows(""), None);
        assert_eq!(dropped("0000a 00000010 0 0\n0000b 00000001 0 0\n"), 17);
    }
}
