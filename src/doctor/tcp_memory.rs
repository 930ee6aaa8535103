//! The kernel's memory for TCP: the bound of all sockets together.

use std::fs;

use super::Finding;

/// What a socket's send buffer begins with (`net.ipv4.tcp_wmem`, the second number), bytes.
const SEND_BUFFER_BYTES: u64 = 16 * 1024;

pub(super) fn check(connections: u64) -> Finding {
    match fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok().as_deref().and_then(most_pages) {
        Some(pages) => judge(pages.saturating_mul(rustix::param::page_size() as u64), connections),
        // A container's network does not show it.
        None => Finding::ok(CHECK, "unknown", "it is the host's, and can be looked at there"),
    }
}

const CHECK: &str = "net.ipv4.tcp_mem";

fn judge(bytes: u64, connections: u64) -> Finding {
    let value = format!("{} MiB", bytes >> 20);
    let each = bytes / connections.max(1);
    let meaning = format!("{} KiB for each of {connections} connections, if all wait at once", each / 1024);
    if each >= SEND_BUFFER_BYTES {
        return Finding::ok(CHECK, value, meaning);
    }
    let meaning = format!("{meaning}: past it every connection of the host becomes slow");
    Finding::warn(CHECK, value, meaning, "sudo tuning/tcp-memory.sh apply", page!("tuning/tcp-memory.sh"))
}

/// The last of three numbers: low, pressure, most.
fn most_pages(text: &str) -> Option<u64> {
    text.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_send_buffer_for_each_connection_must_fit() {
        assert_eq!(judge(10_000 * SEND_BUFFER_BYTES, 10_000).verdict, Verdict::Ok);
        assert_eq!(judge(10_000 * SEND_BUFFER_BYTES, 10_001).verdict, Verdict::Warn);
    }

    #[test]
    fn the_bound_is_the_last_of_three_numbers() {
        assert_eq!(most_pages("287901\t383869\t575802\n"), Some(575_802));
        assert_eq!(most_pages("1 2\n"), None);
    }
}
