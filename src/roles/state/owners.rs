//! Which incarnations of nodes have sessions, and which of them have died without a goodbye.
//!
//! A node counts as dead when its lease has been gone for as long as a lease: what it still had to say is in Kafka by then.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::redis::functions::Incarnation;
use crate::cluster::redis::leases::Leases;
use crate::limits::LEASE_MS;

#[derive(Debug)]
struct Owner {
    of: Incarnation,
    /// When its lease was renewed last, as far as that was seen, Unix milliseconds by the clock of Redis.
    seen_unix_ms: u64,
    dead_since: Option<Instant>,
}

/// See the module. By name: `slot.incarnation`.
#[derive(Debug, Default)]
pub(super) struct Owners(BTreeMap<String, Owner>);

impl Owners {
    /// These have sessions.
    pub(super) fn heard(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if let Some(of) = incarnation(&name) {
                self.0.entry(name).or_insert(Owner { of, seen_unix_ms: 0, dead_since: None });
            }
        }
    }

    /// Takes in which leases there are.
    pub(super) fn judge(&mut self, leases: &Leases, now: Instant) {
        for owner in self.0.values_mut() {
            if let Some(lease) = leases.all.iter().find(|lease| lease.of == owner.of) {
                owner.seen_unix_ms = lease.ends_ms.saturating_sub(LEASE_MS).max(owner.seen_unix_ms);
            } else if owner.seen_unix_ms == 0 {
                owner.seen_unix_ms = leases.now_ms.saturating_sub(LEASE_MS);
            }
            if leases.may_live(owner.of) {
                owner.dead_since = None;
            } else {
                owner.dead_since.get_or_insert(now);
            }
        }
    }

    /// One that has been dead for long enough, and when it was seen last.
    pub(super) fn dead(&self, now: Instant) -> Option<(String, u64)> {
        let is_dead =
            |owner: &Owner| owner.dead_since.is_some_and(|since| now - since >= Duration::from_millis(LEASE_MS));
        self.0.iter().find(|(_, owner)| is_dead(owner)).map(|(name, owner)| (name.clone(), owner.seen_unix_ms))
    }

    /// It has no sessions any more, or another process sees to it: for as long as before it is not looked at.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

fn incarnation(name: &str) -> Option<Incarnation> {
    let (slot, number) = name.split_once('.')?;
    Some(Incarnation { slot: slot.parse().ok()?, number: number.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::redis::leases::Lease;

    fn leases(now_ms: u64, living: &[(u8, u64)]) -> Leases {
        let lease = |(slot, number): &(u8, u64)| Lease {
            of: Incarnation { slot: *slot, number: *number },
            ends_ms: now_ms + LEASE_MS,
            name: String::new(),
            about: bytes::Bytes::new(),
        };
        Leases { now_ms, said_between: [tokio::time::Instant::now(); 2], all: living.iter().map(lease).collect() }
    }

    #[test]
    fn a_node_is_dead_a_lease_after_its_lease_has_gone_and_was_seen_when_it_last_renewed() {
        let (mut owners, began) = (Owners::default(), Instant::now());
        owners.heard(["1.50".into(), "2.60".into(), "nobody".into()]);
        owners.judge(&leases(100_000, &[(1, 50), (2, 60)]), began);
        let later = began + Duration::from_millis(LEASE_MS);
        owners.judge(&leases(110_000, &[(2, 60)]), began);
        assert_eq!(owners.dead(began), None);
        assert_eq!(owners.dead(later), Some(("1.50".into(), 100_000)));
        owners.judge(&leases(120_000, &[(1, 50), (2, 60)]), later);
        assert_eq!(owners.dead(later + Duration::from_secs(60)), None, "it was heard of again");
    }

    #[test]
    fn where_all_leases_are_lost_nobody_is_dead() {
        let (mut owners, began) = (Owners::default(), Instant::now());
        owners.heard(["1.50".into()]);
        owners.judge(&leases(100_000, &[]), began);
        assert_eq!(owners.dead(began + Duration::from_secs(60)), None, "Redis was emptied");
        owners.judge(&leases(110_000, &[(1, 70)]), began);
        assert_eq!(owners.dead(began + Duration::from_secs(60)), Some(("1.50".into(), 90_000)));
    }
}
