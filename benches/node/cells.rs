//! What is measured: scenarios of the load generator with settings, and the figure of their records that counts.

mod all;

use anyhow::Context as _;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::{Goal, Row};
use ringpost_loadgen::scenario::{Scenario, find, read, set};

pub(crate) use self::all::ALL;

/// One kind of work.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// What is done.
    pub(crate) name: &'static str,
    /// What the cost counts.
    pub(crate) unit: &'static str,
    /// What the node's cost should be.
    pub(crate) goal: Option<Goal>,
    /// What the node does.
    pub(crate) work: Work,
    /// What its cost is measured by.
    pub(crate) beside: Beside,
}

/// What the cost of a cell is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside {
    /// The floor, which does the same socket work.
    Floor(Wire),
    /// The node at plainer work.
    Plain(Work),
}

/// What the floor speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Bytes.
    Tcp,
    /// Messages of a WebSocket, after its upgrade.
    WebSocket,
}

/// A scenario, and the figure that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    scenario: &'static str,
    settings: &'static [&'static str],
    cost: Cost,
    /// How many shards the node has, all on the servers' core.
    pub(crate) shards: u32,
    /// Whether the node has a store, which it works beside even where nothing is kept there.
    pub(crate) has_store: bool,
    /// At which rate, where it is not as fast as the server can.
    pub(crate) rate: Option<Rate>,
}

/// A share of what the node does at most. All servers of a cell are loaded alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    share: f64,
    /// What the scenario is set to so that it is as much as the node can.
    saturating: &'static [&'static str],
}

/// The figure that counts; less is better.
#[derive(Clone, Copy, Debug)]
enum Cost {
    /// The server's processor time for each, nanoseconds.
    CpuPer(Measure),
    /// The server's memory for each client of the second half, bytes.
    Memory,
    /// How long 99 % of it took at most, nanoseconds. How long 99.9 % did is a row of its own.
    P99(Measure),
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Seconds of each measurement; a quarter as much goes before it.
    pub(crate) secs: u64,
    /// Connections of the idle cell.
    pub(crate) idle: u32,
}

/// Connections a second where they come one after the other.
const ARRIVALS_PER_S: u64 = 1000;

/// Latencies are measured for so many times as long, since few messages are the slowest.
const LATENCY_EXTENT: u64 = 4;

impl Work {
    /// What is run, each against a server that has just started; at this rate, where there is one.
    pub(crate) fn scenarios(&self, extent: Extent, rate_per_s: Option<f64>) -> anyhow::Result<Vec<Scenario>> {
        let Extent { secs, idle } = extent;
        let secs = if self.rate.is_some() { LATENCY_EXTENT * secs } else { secs };
        let rate = rate_per_s.map(|rate_per_s| vec![format!("rate_per_s={rate_per_s}"), "outstanding=0".into()]);
        let scenario = self.scenario(self.settings, secs, rate.unwrap_or_default())?;
        let with = |clients: u32| {
            let channels = format!("channels={}", clients.div_ceil(10));
            set(&set(&scenario, &format!("clients={clients}"))?, &channels)
        };
        match self.cost {
            Cost::Memory => [idle / 2, idle].into_iter().map(with).collect(),
            Cost::CpuPer(_) | Cost::P99(_) => Ok(vec![scenario]),
        }
    }

    /// What is run to know as how much the rate is a share, if it is one.
    pub(crate) fn saturating(&self, extent: Extent) -> Option<anyhow::Result<Scenario>> {
        let rate = self.rate?;
        let settings = rate.saturating.iter().map(|setting| (*setting).to_owned()).collect();
        Some(self.scenario(self.settings, extent.secs, settings))
    }

    /// The rate, by what a publish costs the node's core: what came of it may be what the load generator can.
    pub(crate) fn rate_per_s(&self, saturated: &Record) -> anyhow::Result<f64> {
        let cpu_ns = cpu_ns_per(Measure::Reply, saturated).context("nothing was answered")?;
        let share = self.rate.map_or(1.0, |rate| rate.share);
        Ok((share * 1e9 / cpu_ns).max(1.0).round())
    }

    fn scenario(&self, settings: &[&str], secs: u64, more: Vec<String>) -> anyhow::Result<Scenario> {
        let mut all: Vec<_> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        all.extend([format!("duration_s={secs}"), format!("warm_up_s={}", secs as f64 / 4.0)]);
        match self.scenario {
            // Those who have come stay, since only coming is measured.
            "connect" => all.extend([format!("rate_per_s={ARRIVALS_PER_S}"), format!("stay_s={}", 2 * secs)]),
            // They end with the last who comes in.
            "connect-storm" | "reconnect-storm" | "recovery-storm" => all.push("duration_s=60".into()),
            _ => {}
        }
        all.extend(more);
        all.iter().try_fold(read(&find(self.scenario)?)?, |scenario, setting| set(&scenario, setting))
    }

    /// The figure that counts.
    pub(crate) fn cost(&self, records: &[Record]) -> anyhow::Result<f64> {
        let cost = match (self.cost, records) {
            (Cost::CpuPer(measure), [record]) => cpu_ns_per(measure, record),
            (Cost::P99(measure), [record]) => record.whole.get(&measure).map(|whole| whole.summary.p99_ns as f64),
            // What the server needs anyway is in both.
            (Cost::Memory, [half, all]) => bytes(half)
                .zip(bytes(all))
                .map(|(half_bytes, all_bytes)| (all_bytes - half_bytes) / (all.clients - half.clients) as f64),
            _ => unreachable!("as many records as scenarios"),
        };
        cost.with_context(|| format!("nothing was measured of {}", self.scenario))
    }
}

/// What the same runs say of the slowest, where it is latency that counts: a row beside theirs.
pub(crate) fn tail(cell: &Cell, row: &Row) -> Option<Row> {
    let Cost::P99(measure) = cell.work.cost else { return None };
    let mut tail = Row { unit: row.unit.replace("p99", "p99.9"), ..row.clone() };
    for round in tail.servers.iter_mut().flat_map(|measured| &mut measured.rounds) {
        let whole = round.records.last().and_then(|record| record.whole.get(&measure));
        round.cost = whole.map_or(f64::NAN, |whole| whole.summary.p99_9_ns as f64);
    }
    Some(tail)
}

fn cpu_ns_per(measure: Measure, record: &Record) -> Option<f64> {
    record.server.as_ref()?.cpu_ns_per.get(&measure).copied()
}

/// Memory of all clients.
fn bytes(record: &Record) -> Option<f64> {
    Some(record.server.as_ref()?.bytes_per_client? * record.clients as f64)
}
