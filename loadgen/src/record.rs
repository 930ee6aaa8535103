//! What a run was and what came of it: what `--json` writes and `report` reads.

use std::collections::BTreeMap;

use anyhow::ensure;
use hdrhistogram::Histogram;
use procfs::Current as _;
use serde::{Deserialize, Serialize};

use crate::climb::Climb;
use crate::fault::Faults;
use crate::measure::{Count, Measure, Summary};
use crate::nodes::NodeUse;
use crate::scenario::Scenario;
use crate::server::{Metrics, Usage};
use crate::slow::SlowReaders;

/// All that is known of a run: what was asked, where, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// This program and its version.
    pub program: String,
    /// The scenario's name.
    pub name: String,
    /// What was done, every setting.
    pub scenario: Scenario,
    /// The settings that differ from the scenario's own, as `key=value`.
    #[serde(default)]
    pub changed: Vec<String>,
    /// What was typed, without the secret.
    pub command: String,
    /// Where the server was; where it has several nodes, where each of them was.
    pub url: String,
    /// The version that the server told its clients.
    pub server_version: String,
    /// What came of each of its nodes.
    #[serde(default)]
    pub nodes: Vec<NodeUse>,
    /// The machine of the load generator.
    pub machine: Machine,
    /// When it began, Unix milliseconds.
    pub started_unix_ms: u64,
    /// Clients that were there when the load began.
    pub clients: u64,
    /// How long was measured, seconds.
    pub measured_s: f64,
    /// Whether it was ended before its time.
    #[serde(default)]
    pub is_interrupted: bool,
    /// What was due and was not sent: the server was too slow.
    pub behind: u64,
    /// How often clients could not connect that tried again later.
    #[serde(default)]
    pub attempts_failed: u64,
    /// Share of the time in which the load generator was at work; of several load processes, the one that was at work
    /// most. Near 1 it may be what limits.
    pub busy: f64,
    /// The same, of each load process.
    #[serde(default)]
    pub busy_by_process: Vec<f64>,
    /// Processor time of the load generator for each thing that was measured, nanoseconds: all of it by the number of
    /// each.
    #[serde(default)]
    pub cpu_ns_per: BTreeMap<Measure, f64>,
    /// By second of the run, in order.
    pub seconds: Vec<Second>,
    /// By measure, over all seconds that count.
    pub whole: BTreeMap<Measure, Whole>,
    /// What was counted while it was measured.
    #[serde(default)]
    pub counts: BTreeMap<Count, u64>,
    /// What the server used, where that was asked.
    pub server: Option<ServerUse>,
    /// What the server says about itself, where that was asked: counters since the measuring began, others at its
    /// end.
    pub server_metrics: Metrics,
    /// By kind, how often; a run with any is no result.
    pub faults: Faults,
    /// What disturbed the server while it was measured, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disturbed: Vec<Disturbed>,
    /// What became of subscribers that stopped reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<SlowReaders>,
    /// The steps of a ramp, of which this is the knee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Climb>,
}

/// A machine, as far as a result depends on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its kernel: name and release.
    pub kernel: String,
    /// Model of the processor.
    pub processor: String,
    /// How many cores there are.
    pub cores: usize,
    /// Memory, bytes.
    #[serde(default)]
    pub memory_bytes: u64,
}

/// A command that was run to disturb the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disturbed {
    /// When it began, seconds since the measuring began.
    pub at_s: f64,
    /// How long until it was done, seconds.
    pub took_s: f64,
    /// The number of the node that was meant.
    pub node: u32,
}

/// A second of the measuring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// When it ended, seconds since the measuring began.
    pub at_s: f64,
    /// What happened in it.
    pub measures: BTreeMap<Measure, Summary>,
    /// What was counted in it.
    #[serde(default)]
    pub counts: BTreeMap<Count, u64>,
    /// Share of it in which the load generator was at work.
    pub busy: f64,
    /// Cores that the server kept busy, where that was asked.
    pub server_cores: Option<f64>,
    /// Memory of the server that was in RAM at its end, bytes, where that was asked.
    pub server_resident_bytes: Option<u64>,
}

/// All seconds together. What was under way at the end of the last one is in it; rates do not count that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whole {
    /// In a few numbers.
    pub summary: Summary,
    /// Shares, and within how many nanoseconds so many were: the curve of the distribution.
    pub curve: Vec<(f64, u64)>,
}

impl Whole {
    /// Of what happened in `measured_s` seconds, and of those so many within.
    pub fn of(histogram: &Histogram<u64>, within: u64, measured_s: f64) -> Self {
        const SHARES: [f64; 13] =
            [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999];
        let summary = Summary { per_s: within as f64 / measured_s, ..Summary::of(histogram, 1) };
        // Beyond this share there is no more than the maximum.
        let last = 1.0 - 1.0 / histogram.len().max(1) as f64;
        let shares = SHARES.iter().filter(|share| **share <= last);
        Self { summary, curve: shares.map(|share| (*share, histogram.value_at_quantile(*share))).collect() }
    }
}

/// What the server used while it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Cores that it kept busy.
    pub cores: f64,
    /// Of its processor time, the share in user mode.
    pub user_share: f64,
    /// Processor time for each thing that was measured, nanoseconds: all of it by the number of each.
    pub cpu_ns_per: BTreeMap<Measure, f64>,
    /// Memory that was in RAM at the end, bytes.
    pub resident_bytes: u64,
    /// Processor time for each client that came in before the load, nanoseconds.
    pub cpu_ns_per_client: Option<f64>,
    /// Memory that each of those clients takes, bytes: anonymous memory, before they came and at the end.
    pub bytes_per_client: Option<f64>,
    /// Times a second that its threads waited of their own will.
    pub voluntary_switches_per_s: f64,
    /// Times a second that its threads were made to wait.
    pub involuntary_switches_per_s: f64,
}

/// The server's process at the turns of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looks {
    /// Before the first client.
    pub before: Usage,
    /// When all clients of the plan were there.
    pub gathered: Usage,
    /// When the measuring began.
    pub measuring: Usage,
    /// When everything had arrived.
    pub settled: Usage,
}

/// Processor time for each thing that was done: all of it by the number of each.
pub fn cost_each(cpu_ns: u64, whole: &BTreeMap<Measure, Whole>) -> BTreeMap<Measure, f64> {
    let done = whole.iter().filter(|(measure, _)| **measure != Measure::Lateness);
    done.map(|(measure, whole)| (*measure, cpu_ns as f64 / whole.summary.count as f64)).collect()
}

impl ServerUse {
    /// From four looks, with as many clients, and `span_s` seconds between the last two.
    pub fn of(looks: &Looks, clients: u64, span_s: f64, whole: &BTreeMap<Measure, Whole>) -> Self {
        let Looks { before, gathered, measuring, settled } = looks;
        let since = |figure: fn(&Usage) -> u64| figure(settled).saturating_sub(figure(measuring)) as f64;
        let cpu_ns = settled.cpu_ns.saturating_sub(measuring.cpu_ns);
        let (user_ns, system_ns) = (since(|usage| usage.user_ns), since(|usage| usage.system_ns));
        let per_client = |total: u64| (clients > 0).then(|| total as f64 / clients as f64);
        Self {
            cores: cpu_ns as f64 / 1e9 / span_s,
            user_share: user_ns / (user_ns + system_ns).max(1.0),
            cpu_ns_per: cost_each(cpu_ns, whole),
            resident_bytes: settled.resident_bytes,
            cpu_ns_per_client: per_client(gathered.cpu_ns.saturating_sub(before.cpu_ns)),
            bytes_per_client: per_client(settled.anonymous_bytes.saturating_sub(before.anonymous_bytes)),
            voluntary_switches_per_s: since(|usage| usage.voluntary_switches) / span_s,
            involuntary_switches_per_s: since(|usage| usage.involuntary_switches) / span_s,
        }
    }
}

impl Record {
    /// Itself, if the server did everything right.
    ///
    /// # Errors
    /// What went wrong.
    pub fn good(self) -> anyhow::Result<Self> {
        ensure!(self.is_good(), "{} went wrong at {}: {}", self.name, self.url, self.faults.examples.join("; "));
        Ok(self)
    }

    /// Whether the server did everything right.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.ramp.as_ref().is_none_or(Climb::is_good)
    }
}

impl Machine {
    /// The machine that this runs on.
    pub fn this() -> Self {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
        Self {
            kernel: format!("{} {}", text(uname.sysname()), text(uname.release())),
            // Not every architecture names its models.
            processor: model.map_or_else(|| text(uname.machine()), |(_, model)| model.trim().to_owned()),
            // Of the machine, whichever of them this thread is bound to.
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_bytes: procfs::Meminfo::current().map_or(0, |memory| memory.mem_total),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    #[test]
    fn costs_are_of_the_measured_time_and_of_the_clients_that_gathered() {
        let usage = |cpu_ms: u64, user_ms: u64, system_ms: u64, kib: u64| Usage {
            cpu_ns: cpu_ms * 1_000_000,
            user_ns: user_ms * 1_000_000,
            system_ns: system_ms * 1_000_000,
            anonymous_bytes: kib * 1024,
            ..Usage::default()
        };
        let looks = Looks {
            before: usage(100, 50, 50, 1000),
            gathered: usage(150, 75, 75, 1900),
            measuring: usage(1150, 500, 650, 1950),
            settled: usage(3150, 1000, 2150, 2000),
        };
        let mut deliveries = histogram();
        deliveries.record_n(1000, 4000).unwrap();
        let whole = BTreeMap::from([(Measure::Delivery, Whole::of(&deliveries, 4000, 4.0))]);
        let server = ServerUse::of(&looks, 50, 4.0, &whole);
        assert_eq!((server.cores, server.user_share), (0.5, 0.25));
        assert_eq!(server.cpu_ns_per, BTreeMap::from([(Measure::Delivery, 500_000.0)]));
        assert_eq!((server.cpu_ns_per_client, server.bytes_per_client), (Some(1_000_000.0), Some(20.0 * 1024.0)));
    }

    #[test]
    fn a_curve_ends_where_there_is_no_more_to_tell() {
        let mut hundred = histogram();
        (1..=100).for_each(|us| hundred.record(us * 1000).unwrap());
        let whole = Whole::of(&hundred, 90, 2.0);
        assert_eq!(whole.curve.last().map(|(share, _)| *share), Some(0.99));
        assert_eq!((whole.summary.count, whole.summary.per_s), (100, 45.0));
    }
}
