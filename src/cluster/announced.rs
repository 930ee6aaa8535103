//! What a node says of itself: to the others in its lease, and to whoever asks by the API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::redis::leases::Lease;

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Tells this run of the node from every other.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Clients that are connected.
    pub num_clients: u32,
    /// Distinct users; one whose sessions lie on several shards counts on each.
    pub num_users: u32,
    /// Subscriptions of all sessions together.
    pub num_subs: u32,
    /// Channels with subscribers.
    pub num_channels: u32,
    /// What members of channels of at least once have yet to receive.
    pub inboxes: Inboxes,
    /// Seconds since it began.
    pub uptime: u64,
    /// What the kernel says.
    pub process: Process,
}

/// What members of all channels of at least once have yet to receive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inboxes {
    /// Publications times the devices that have yet to say that they have received them.
    pub unreceived: u64,
    /// Devices that have something to receive, connected or not: as the last round through all members has found, which takes a
    /// second for ten thousand of a shard.
    pub devices_behind: u64,
    /// Seconds since the oldest that one of them has yet to receive was published; found by the same round.
    pub oldest_unreceived_age: u64,
    /// Dead letters that are kept.
    pub dead_letters: u64,
}

/// What the kernel says about a node's process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    /// Processor time since the node began, percent of one core.
    pub cpu: f64,
    /// Memory in RAM, bytes.
    pub rss: u64,
}

/// What a lease carries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Announced {
    /// How the node is.
    #[serde(flatten)]
    pub node: NodeInfo,
    /// Where its HTTP port listens.
    pub address: String,
}

impl Announced {
    /// As a lease carries it.
    pub fn pack(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and texts")
    }

    /// What a lease says; of a node that has just come its name alone.
    pub fn of(lease: &Lease) -> Self {
        serde_json::from_slice(&lease.about).unwrap_or_else(|_| Self {
            node: NodeInfo { name: lease.name.clone(), ..NodeInfo::default() },
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::redis::functions::Incarnation;

    #[test]
    fn a_lease_tells_what_was_announced_and_of_who_has_just_come_its_name() {
        let node = NodeInfo { name: "a".into(), num_clients: 7, ..NodeInfo::default() };
        let announced = Announced { node, address: "0.0.0.0:8000".into() };
        let lease = |about: Vec<u8>| Lease {
            of: Incarnation { slot: 1, number: 2 },
            ends_ms: 3,
            name: "a".into(),
            about: about.into(),
        };
        assert_eq!(Announced::of(&lease(announced.pack())), announced);
        assert_eq!(Announced::of(&lease(Vec::new())).node.name, "a");
    }
}
