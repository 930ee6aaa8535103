//! Whose processor time a message takes: that of whoever is measured, of its Redis, and of Kafka.

use std::collections::BTreeMap;

use anyhow::Context as _;
use ringpost_loadgen::server::Probe;
use serde::{Deserialize, Serialize};

/// A process that has to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    /// The node, or the bare producer and consumer.
    Measured,
    /// The Redis of the node, or that between the bare ones.
    Redis,
    /// Kafka.
    Broker,
}

/// Nanoseconds of processor time, by part.
pub(crate) type CpuNs = BTreeMap<Part, u64>;

/// Looks at what all of them have used.
pub(crate) struct Parts(Vec<(Part, Probe)>);

impl Parts {
    /// Looks at these processes.
    pub(crate) fn new(pids: &[(Part, i32)]) -> anyhow::Result<Self> {
        let probe = |(part, pid): &(Part, i32)| Ok((*part, Probe::new(&[*pid], None)?));
        Ok(Self(pids.iter().map(probe).collect::<anyhow::Result<_>>()?))
    }

    /// What each has used since it began.
    pub(crate) fn used(&self) -> anyhow::Result<CpuNs> {
        let used = |(part, probe): &(Part, Probe)| {
            Ok((*part, probe.usage().with_context(|| format!("{part:?} has ended"))?.cpu_ns))
        };
        self.0.iter().map(used).collect()
    }
}

/// What each of so many messages took between two looks.
pub(crate) fn each(before: &CpuNs, after: &CpuNs, messages: u64) -> BTreeMap<Part, f64> {
    let one = |(part, ns): (&Part, &u64)| {
        (*part, ns.saturating_sub(before.get(part).copied().unwrap_or_default()) as f64 / messages.max(1) as f64)
    };
    after.iter().map(one).collect()
}
