//! What folders and files must never name, as ARCHITECTURE.md and LOADGEN.md have it.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::tree::{Tree, Use};

/// A place that must never name some others.
#[derive(Debug)]
pub(crate) struct Never {
    /// Folders or files, from the folder of the crate's source.
    pub(crate) places: &'static [&'static str],
    /// Folders and files of the crate, and paths of other crates.
    pub(crate) named: &'static [&'static str],
}

/// Clocks, sockets and threads: time and bytes are arguments below the shard.
const IO: [&str; 9] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "clock.rs",
    "std::net",
    "std::os::fd",
    "std::thread",
    "std::fs",
    "tokio",
    "glommio",
];

/// Of the node. `shard`, `control`, `node` and `cli` may be named by those above them only.
pub(crate) const NODE: [Never; 19] = [
    Never { places: &["model", "wire", "protocol", "session", "hub", "delivery", "outbox"], named: &IO },
    // The rest of the store is its files.
    Never {
        places: &[
            "store/batch.rs",
            "store/block.rs",
            "store/catalog.rs",
            "store/discards.rs",
            "store/journal.rs",
            "store/journal",
            "store/record",
            "store/recovery.rs",
            "store/segment.rs",
        ],
        named: &IO,
    },
    // Its orders carry sockets that go to a shard, and the way back for an answer.
    Never {
        places: &["broker"],
        named: &[
            "std::time::Instant",
            "std::time::SystemTime",
            "clock.rs",
            "std::net",
            "std::thread",
            "std::fs",
            "glommio",
        ],
    },
    Never {
        places: &["model", "wire", "protocol", "session", "hub", "delivery", "outbox", "auth", "broker"],
        named: &ABOVE,
    },
    Never {
        places: &["model", "wire", "ring"],
        named: &["protocol", "session", "hub", "outbox", "broker", "auth", "config"],
    },
    Never { places: &["wire", "model", "protocol", "session", "hub", "outbox", "auth", "broker"], named: &["ring"] },
    Never { places: &["ring"], named: &["wire", "model", "shard", "control", "node", "cli"] },
    Never { places: &["protocol"], named: &["session", "hub", "outbox", "broker", "auth", "config"] },
    Never { places: &["hub"], named: &["wire", "protocol", "session", "delivery", "outbox", "broker", "auth"] },
    Never {
        places: &["delivery"],
        named: &["wire", "protocol", "session", "outbox", "broker", "auth", "config", "ring"],
    },
    Never { places: &["session"], named: &["wire", "outbox", "broker"] },
    Never { places: &["outbox"], named: &["session", "hub", "broker", "auth", "config"] },
    // Schemas, of which everybody may know.
    Never {
        places: &["events"],
        named: &[
            "wire",
            "session",
            "hub",
            "delivery",
            "outbox",
            "broker",
            "auth",
            "config",
            "ring",
            "store",
            "cluster",
            "shard",
            "control",
            "node",
            "cli",
            "std::thread",
            "std::fs",
            "tokio",
            "glommio",
            "rdkafka",
        ],
    },
    Never {
        places: &["cluster/redis"],
        named: &[
            "wire", "protocol", "session", "hub", "delivery", "outbox", "broker", "ring", "store", "shard", "control",
            "node", "cli", "glommio",
        ],
    },
    // The mover reads names of channels as sessions do (`session/access.rs`), and the relay answers shards.
    Never {
        places: &["cluster/kafka"],
        named: &["wire", "protocol", "delivery", "outbox", "ring", "store", "control", "node", "cli", "glommio"],
    },
    Never {
        places: &["cluster/bridge"],
        named: &[
            "wire", "protocol", "session", "delivery", "outbox", "ring", "store", "control", "node", "cli", "glommio",
        ],
    },
    // It knows the API's methods, and nothing of what they ask.
    Never {
        places: &["control/grpc"],
        named: &[
            "wire", "protocol", "session", "hub", "delivery", "outbox", "broker", "auth", "ring", "store", "shard",
            "cluster", "node", "cli",
        ],
    },
    Never {
        places: &["roles"],
        named: &[
            "wire", "protocol", "session", "hub", "delivery", "outbox", "ring", "store", "shard", "control", "node",
            "cli", "glommio",
        ],
    },
    Never {
        places: &["store"],
        named: &[
            "wire", "protocol", "session", "hub", "delivery", "outbox", "broker", "auth", "config", "ring", "shard",
            "node",
        ],
    },
];

/// What drives all else.
const ABOVE: [&str; 6] = ["shard", "control", "node", "cli", "doctor", "roles"];

/// Of the load generator.
pub(crate) const LOAD_GENERATOR: [Never; 4] = [
    Never { places: &["chat", "traffic", "schedule.rs", "turns.rs", "measure.rs", "plan.rs", "share.rs"], named: &IO },
    Never { places: &["chat", "traffic", "plan.rs", "share.rs"], named: &["swarm", "engine", "scenario"] },
    Never { places: &["protocol"], named: &["swarm", "engine", "traffic", "chat", "scenario", "run", "crew"] },
    Never {
        places: &["report", "record.rs", "climb.rs"],
        named: &["engine", "swarm", "crew", "run", "results", "cli"],
    },
];

/// What is named that must never be.
pub(crate) fn broken(tree: &Tree, nevers: &[Never]) -> Vec<String> {
    let uses = tree.uses();
    let mut broken = Vec::new();
    for Never { places, named } in nevers {
        for place in *places {
            assert!(tree.has(place), "{place} is a rule's, and is no more");
            let of_place = uses.iter().filter(|tie| tie.from.starts_with(place));
            broken.extend(of_place.filter(|tie| named.iter().any(|named| is_in(tie, named))).map(Use::to_string));
        }
    }
    broken
}

/// Codes of the client protocol: unsubscribes and disconnects. Those of errors are numbers that others need, too.
const CODES: [RangeInclusive<u64>; 2] = [2000..=2502, 3000..=3509];

/// The codes that files of these places write.
pub(crate) fn codes(tree: &Tree, places: &[&str]) -> Vec<String> {
    let is_code = |number: &u64| CODES.iter().any(|codes| codes.contains(number));
    let said = places.iter().flat_map(|place| tree.numbers(place)).filter(|(_, number)| is_code(number));
    said.map(|(file, number)| format!("{} says {number}", file.display())).collect()
}

fn is_in(tie: &Use, named: &str) -> bool {
    let of_another_crate = tie.to.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    of_another_crate || Path::new(&tie.to).starts_with(named)
}
