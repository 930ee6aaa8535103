//! Descriptors: one per connection, and a few of the node's own.

use rustix::process::Resource;

use super::limit::Limit;
use super::{Finding, proc};
use crate::limits::descriptors_reserved;

/// Where nothing is configured, a node should have room for this many connections.
const CONNECTIONS_EXPECTED: u64 = 10_000;

/// The connections that a node should have room for; 0 is no configured limit.
pub(super) fn connections_expected(connection_limit: usize) -> u64 {
    if connection_limit > 0 { connection_limit as u64 } else { CONNECTIONS_EXPECTED }
}

/// Descriptors that are not for clients, of as many as the limit allows.
fn own(limit: u64, shards: usize) -> u64 {
    descriptors_reserved(usize::try_from(limit).unwrap_or(usize::MAX), shards) as u64
}

pub(super) fn check(connection_limit: usize, shards: usize) -> Finding {
    // A limit past this is refused even to root.
    let most = proc::read("/proc/sys/fs/nr_open").unwrap_or(u64::MAX);
    judge(Limit::of(Resource::Nofile), connection_limit, shards, most)
}

fn judge(limit: Limit, connection_limit: usize, shards: usize, most: u64) -> Finding {
    const CHECK: &str = "descriptors";
    let connections = limit.0.saturating_sub(own(limit.0, shards));
    let goal = connections_expected(connection_limit);
    // What is kept grows with the limit, up to what it is for very many.
    let needed = goal.saturating_add(own(goal.saturating_add(own(u64::MAX, shards)), shards));
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
        return Finding::fail(CHECK, limit, format!("a node needs {} for itself", own(limit.0, shards)), fix, see);
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

    const MOST: u64 = 1_048_576;

    #[test]
    fn the_room_is_what_the_node_leaves() {
        let finding = judge(Limit(20_000), 0, 2, MOST);
        let room = format!("room for {} connections", 20_000 - own(20_000, 2));
        assert_eq!((finding.verdict, finding.meaning), (Verdict::Ok, room));
    }

    #[test]
    fn a_configured_number_of_connections_must_fit() {
        let finding = judge(Limit(20_000), 50_000, 2, MOST);
        assert_eq!(finding.verdict, Verdict::Warn);
        let fix = finding.fix.unwrap();
        let needed: u64 = fix.split(['=', ' ']).nth(1).unwrap().parse().unwrap();
        assert_eq!(judge(Limit(needed), 50_000, 2, MOST).verdict, Verdict::Ok, "the fix is enough");
        assert_eq!(judge(Limit(needed - 100), 50_000, 2, MOST).verdict, Verdict::Warn, "and not far too much");
    }

    #[test]
    fn a_limit_that_leaves_nothing_to_clients_fails() {
        let own = own(1, 2);
        assert_eq!(judge(Limit(own), 0, 2, MOST).verdict, Verdict::Fail);
        assert_eq!(judge(Limit(own + 1), 0, 2, MOST).verdict, Verdict::Warn);
    }

    #[test]
    fn past_what_the_kernel_grants_its_own_bound_comes_first() {
        let finding = judge(Limit(MOST), 2_000_000, 2, MOST);
        assert_eq!(finding.see, Some("tuning/descriptors.sh"));
        let fix = finding.fix.unwrap();
        let needed = 2_000_000 + own(2_000_000, 2);
        assert!(fix.starts_with(&format!("sudo sysctl -w fs.nr_open={needed}; then")), "{fix}");
    }

    #[test]
    fn no_limit_is_room_for_any_number() {
        let finding = judge(Limit(u64::MAX), 1_000_000, 2, u64::MAX);
        assert_eq!((finding.verdict, finding.value.as_str()), (Verdict::Ok, "unlimited"));
    }
}
