//! What grows beside the work, and what the work is.

use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::scenario::{Scenario, find, read, set};

/// Something that there is more and more of.
pub(crate) struct Growth {
    /// What it is.
    pub(crate) by: &'static str,
    /// How many there are, from point to point.
    pub(crate) points: &'static [u64],
    /// What the node is told.
    pub(crate) node: fn(u64) -> Shards,
    /// What stands by.
    settings: fn(u64) -> Vec<String>,
}

/// The shards of a node: cores, and how many on each.
pub(crate) struct Shards {
    /// As `shards.cores` has it.
    pub(crate) cores: &'static str,
    /// As `shards.per_core` has it.
    pub(crate) per_core: u64,
}

/// Work whose cost is measured.
pub(crate) struct Work {
    /// What is done.
    pub(crate) name: &'static str,
    /// What the cost counts.
    pub(crate) unit: &'static str,
    /// What the server's processor time is divided by.
    pub(crate) per: Measure,
    scenario: &'static str,
    settings: &'static [&'static str],
}

const ONE_SHARD: Shards = Shards { cores: "0", per_core: 1 };

/// Connections that make the channels exist: as many at every point, so that channels alone are what grows. Each
/// subscribes to at most 100 of them, within the node's limit for a session.
const HOLDERS: u64 = 10_000;

/// All growths.
pub(crate) const GROWTHS: [Growth; 3] = [
    Growth {
        by: "idle connections",
        points: &[100, 1000, 5000, 10_000, 18_000],
        node: |_| ONE_SHARD,
        settings: |idle| {
            vec![format!("bystanders.count={idle}"), format!("bystanders.channel_count={}", idle.div_ceil(10))]
        },
    },
    Growth {
        by: "channels",
        points: &[1, 100, 10_000, 100_000, 1_000_000],
        node: |_| ONE_SHARD,
        settings: |channels| {
            vec![
                format!("bystanders.count={HOLDERS}"),
                format!("bystanders.channel_count={channels}"),
                format!("bystanders.channels_each={}", channels.div_ceil(HOLDERS)),
            ]
        },
    },
    Growth {
        by: "shards",
        points: &[1, 2, 4],
        node: |shards| match shards {
            1 => ONE_SHARD,
            shards => Shards { cores: "0-1", per_core: shards / 2 },
        },
        settings: |_| Vec::new(),
    },
];

/// The work: the saturating kinds, in which the least of what the server does is waking up.
pub(crate) const WORKS: [Work; 2] = [
    Work {
        name: "fan-out 1 to 1,000",
        unit: "ns CPU per delivery",
        per: Measure::Delivery,
        scenario: "fanout",
        settings: &["outstanding=16", "burst=16"],
    },
    Work {
        name: "publish with reply",
        unit: "ns CPU per publish",
        per: Measure::Reply,
        scenario: "publish",
        settings: &["channels=100", "outstanding=32", "burst=32"],
    },
];

impl Work {
    /// What is run where there are so many.
    pub(crate) fn scenario(&self, growth: &Growth, at: u64, secs: u64) -> anyhow::Result<Scenario> {
        let settings = self.settings.iter().map(|setting| (*setting).to_owned()).chain((growth.settings)(at));
        let settings = settings.chain([format!("duration_s={secs}"), format!("warm_up_s={}", secs as f64 / 4.0)]);
        let scenario = read(&find(self.scenario)?)?;
        settings.into_iter().try_fold(scenario, |scenario, setting| set(&scenario, &setting))
    }
}
