//! Descriptors: one per connection, and a few of the node's own.

use rustix::process::Resource;

use super::limit::Limit;
use super::{Finding, proc};
use crate::limits::DESCRIPTORS_RESERVED;

/// Where nothing is configured, a node should have room for this many connections.
const CONNECTIONS_EXPECTED: u64 = 10_000;

/// The connections that a node should have room for; 0 is no configured limit.
pub(super) fn connections_expected(connection_limit: usize) -> u64 {
    if connection_limit > 0 { connection_limit as u64 } else { CONNECTIONS_EXPECTED }
}

pub(super) fn check(connection_limit: usize) -> Finding {
    // A limit past this is refused even to root.
    let most = proc::read("/proc/sys/fs/nr_open").unwrap_or(u64::MAX);
    judge(Limit::of(Resource::Nofile), connection_limit, most)
}

fn judge(limit: Limit, connection_limit: usize, most: u64) -> Finding {
    const CHECK: &str = "descriptors";
    let own = DESCRIPTORS_RESERVED as u64;
    let connections = limit.0.saturating_sub(own);
    let goal = connections_expected(connection_limit);
    let needed = goal.saturating_add(own);
    let mut fix = format!(
        "LimitNOFILE={needed} in the systemd unit, `--ulimit nofile={needed}` for a container, or \
         `sudo prlimit --pid $$ --nofile={needed}` for this shell"
    );
    let mut see = page!("tuning/limits.conf");
    if needed > most {
        see = page!("tuning/descriptors.sh");
        fix = format!("sudo sysctl -w fs.nr_open={needed}; then {fix}");
    }
    if connections == 0 {
        return Finding::fail(CHECK, limit, format!("a node needs {own} for itself"), fix, see);
    }
    let room =
        if limit.0 == u64::MAX { "any number of connections".into() } else { format!("{connections} connections") };
    if connections < goal {
        let wish = if connection_limit > 0 { "`client.connection_limit` asks for" } else { "a node should take" };
        return Finding::warn(CHECK, limit, format!("room for {room}; {wish} {goal}"), fix, see);
    }
    Finding::ok(CHECK, limit, format!("room for {room}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const OWN: u64 = DESCRIPTORS_RESERVED as u64;
    const MOST: u64 = 1_048_576;

    #[test]
    fn the_room_is_what_the_node_leaves() {
        let finding = judge(Limit(OWN + 20_000), 0, MOST);
        assert_eq!((finding.verdict, finding.meaning.as_str()), (Verdict::Ok, "room for 20000 connections"));
    }

    #[test]
    fn a_configured_number_of_connections_must_fit() {
        let finding = judge(Limit(OWN + 20_000), 50_000, MOST);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert!(finding.fix.unwrap().contains(&format!("LimitNOFILE={}", OWN + 50_000)));
        assert_eq!(judge(Limit(OWN + 500), 500, MOST).verdict, Verdict::Ok);
    }

    #[test]
    fn a_limit_that_leaves_nothing_to_clients_fails() {
        assert_eq!(judge(Limit(OWN), 0, MOST).verdict, Verdict::Fail);
        assert_eq!(judge(Limit(OWN + 1), 0, MOST).verdict, Verdict::Warn);
    }

    #[test]
    fn past_what_the_kernel_grants_its_own_bound_comes_first() {
        let finding = judge(Limit(MOST), 2_000_000, MOST);
        assert_eq!(finding.see, Some("tuning/descriptors.sh"));
        let fix = finding.fix.unwrap();
        assert!(fix.starts_with(&format!("sudo sysctl -w fs.nr_open={}; then", OWN + 2_000_000)), "{fix}");
    }

    #[test]
    fn no_limit_is_room_for_any_number() {
        let finding = judge(Limit(u64::MAX), 1_000_000, u64::MAX);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Ok, "unlimited"));
    }
}
