//! The kernel's memory for TCP: the bound of all sockets together, and what slow readers may take.

use std::fs;

use super::descriptors::connections_expected;
use super::{Finding, memory};
use crate::config::ClientConfig;

/// What a socket's send buffer begins with (`net.ipv4.tcp_wmem`, the second number), bytes.
const SEND_BUFFER_BYTES: u64 = 16 * 1024;

/// One connection in this many reads too slowly on a bad day; see the capacity model in `docs/OPERATIONS.md`.
const CONNECTIONS_PER_SLOW_READER: u64 = 100;

pub(super) fn check(client: &ClientConfig) -> [Finding; 2] {
    let connections = connections_expected(client.connection_limit);
    let pages = third("/proc/sys/net/ipv4/tcp_mem");
    let bytes = pages.map(|pages| pages.saturating_mul(rustix::param::page_size() as u64));
    let send = third("/proc/sys/net/ipv4/tcp_wmem").zip(memory::available());
    [
        // A container's network does not show it.
        bytes.map_or_else(|| hidden(ALL), |bytes| judge_all(bytes, connections)),
        send.map_or_else(
            || hidden(EACH),
            |(send, available)| judge_each(send, client.queue_max_size as u64, connections, available),
        ),
    ]
}

const ALL: &str = "net.ipv4.tcp_mem";
const EACH: &str = "net.ipv4.tcp_wmem";

fn hidden(check: &'static str) -> Finding {
    Finding::ok(check, "unknown", "it is the host's, and can be looked at there")
}

fn judge_all(bytes: u64, connections: u64) -> Finding {
    let value = format!("{} MiB", bytes >> 20);
    let each = bytes / connections.max(1);
    let meaning = format!("{} KiB for each of {connections} connections, if all wait at once", each / 1024);
    if each >= SEND_BUFFER_BYTES {
        return Finding::ok(ALL, value, meaning);
    }
    let meaning = format!("{meaning}: past it every connection of the host becomes slow");
    Finding::warn(ALL, value, meaning, "sudo tuning/tcp-memory.sh apply", page!("tuning/tcp-memory.sh"))
}

fn judge_each(send: u64, queue: u64, connections: u64, available: u64) -> Finding {
    let value = format!("up to {} KiB", send >> 10);
    let slow = connections.div_ceil(CONNECTIONS_PER_SLOW_READER);
    let bytes = slow.saturating_mul(send.saturating_add(queue));
    let meaning = format!(
        "a client that does not read takes so much of the kernel, and then `client.queue_max_size`: {} MiB for {slow} of them",
        bytes >> 20
    );
    if bytes <= available / 4 {
        return Finding::ok(EACH, value, meaning);
    }
    let fix = "sudo tuning/tcp-memory.sh apply; restart the node";
    Finding::warn(EACH, value, meaning, fix, page!("tuning/tcp-memory.sh"))
}

/// The last of three numbers: low, pressure, most, or least, first, most.
fn third(path: &str) -> Option<u64> {
    last_of_three(&fs::read_to_string(path).ok()?)
}

fn last_of_three(text: &str) -> Option<u64> {
    text.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_send_buffer_for_each_connection_must_fit() {
        assert_eq!(judge_all(10_000 * SEND_BUFFER_BYTES, 10_000).verdict, Verdict::Ok);
        assert_eq!(judge_all(10_000 * SEND_BUFFER_BYTES, 10_001).verdict, Verdict::Warn);
    }

    #[test]
    fn one_slow_reader_in_a_hundred_may_take_a_quarter_of_the_memory() {
        let finding = judge_each(4 * MIB, MIB, 10_000, 2000 * MIB);
        assert_eq!(finding.verdict, Verdict::Ok);
        assert!(finding.meaning.ends_with("500 MiB for 100 of them"), "{finding}");
        assert_eq!(judge_each(4 * MIB, MIB, 10_001, 2000 * MIB).verdict, Verdict::Warn);
    }

    #[test]
    fn the_bound_is_the_last_of_three_numbers() {
        assert_eq!(last_of_three("287901\t383869\t575802\n"), Some(575_802));
        assert_eq!(last_of_three("1 2\n"), None);
    }
}
