//! What is measured: scenarios of the load generator with settings, and the figure of their records that counts.

use anyhow::Context as _;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::Goal;
use ringpost_loadgen::scenario::{Scenario, find, read, set};

/// One kind of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// What is done.
    pub(crate) name: &'static str,
    /// What the cost counts.
    pub(crate) unit: &'static str,
    /// What the node's cost should be.
    pub(crate) goal: Option<Goal>,
    work: Work,
    /// What the floor does meanwhile, where it cannot do the same.
    floor: Option<Work>,
}

#[derive(Clone, Copy, Debug)]
struct Work {
    scenario: &'static str,
    settings: &'static [&'static str],
    cost: Cost,
}

/// The figure that counts; less is better.
#[derive(Clone, Copy, Debug)]
enum Cost {
    /// The server's processor time for each, nanoseconds.
    CpuPer(Measure),
    /// The server's memory for each client of the second half, bytes.
    Memory,
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

const ONE_AT_A_TIME: Work =
    Work { scenario: "fanout", settings: &["outstanding=1"], cost: Cost::CpuPer(Measure::Delivery) };

/// All cells.
pub(crate) const ALL: [Cell; 7] = [
    Cell {
        name: "fan-out 1 to 1,000, 16 messages a send",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.25)),
        work: Work { settings: &["outstanding=16", "burst=16"], ..ONE_AT_A_TIME },
        floor: None,
    },
    Cell {
        name: "fan-out 1 to 1,000, one message at a time",
        unit: "ns CPU per delivery",
        goal: Some(Goal::Ratio(1.15)),
        work: ONE_AT_A_TIME,
        floor: None,
    },
    Cell {
        name: "publish with reply, 100 conns, 1 outstanding",
        unit: "ns CPU per publish",
        goal: Some(Goal::Ratio(1.25)),
        work: Work {
            scenario: "publish",
            settings: &["channels=1", "outstanding=1"],
            cost: Cost::CpuPer(Measure::Reply),
        },
        floor: None,
    },
    Cell {
        name: "publish with reply, 100 conns, 32 outstanding",
        unit: "ns CPU per publish",
        goal: Some(Goal::Ratio(4.0)),
        work: Work {
            scenario: "publish",
            settings: &["channels=1", "outstanding=32", "burst=32"],
            cost: Cost::CpuPer(Measure::Reply),
        },
        floor: None,
    },
    Cell {
        name: "an idle, authenticated, subscribed connection",
        unit: "bytes of user memory",
        goal: Some(Goal::Cost(1024.0)),
        work: Work { scenario: "idle", settings: &[], cost: Cost::Memory },
        floor: None,
    },
    Cell {
        name: "a new connection (TCP, upgrade, JWT, connect, subscribe), of 2,000 at once",
        unit: "ns CPU per connection",
        goal: Some(Goal::Ratio(15.0)),
        work: Work {
            scenario: "connect-storm",
            settings: &["clients=2000", "channels=200"],
            cost: Cost::CpuPer(Measure::Connect),
        },
        floor: Some(ONE_AT_A_TIME),
    },
    Cell {
        // Here the server sleeps and wakes several times for each, which is most of the cost.
        name: "the same, 1,000 a second",
        unit: "ns CPU per connection",
        goal: None,
        work: Work { scenario: "connect", settings: &["channels=200"], cost: Cost::CpuPer(Measure::Connect) },
        floor: Some(ONE_AT_A_TIME),
    },
];

impl Cell {
    fn work(&self, is_floor: bool) -> Work {
        self.floor.filter(|_| is_floor).unwrap_or(self.work)
    }

    /// What is run, each against a server that has just started.
    pub(crate) fn scenarios(&self, is_floor: bool, extent: Extent) -> anyhow::Result<Vec<Scenario>> {
        let Work { scenario, settings, cost } = self.work(is_floor);
        let Extent { secs, idle } = extent;
        let mut all: Vec<_> = settings.iter().map(|setting| (*setting).to_owned()).collect();
        all.extend([format!("duration_s={secs}"), format!("warm_up_s={}", secs as f64 / 4.0)]);
        match scenario {
            // Those who have come stay, since only coming is measured.
            "connect" => all.extend([format!("rate_per_s={ARRIVALS_PER_S}"), format!("stay_s={}", 2 * secs)]),
            // It ends with the last who comes in.
            "connect-storm" => all.push("duration_s=60".into()),
            _ => {}
        }
        let scenario = all.iter().try_fold(read(&find(scenario)?)?, |scenario, setting| set(&scenario, setting))?;
        let with = |clients: u32| {
            let channels = format!("channels={}", clients.div_ceil(10));
            set(&set(&scenario, &format!("clients={clients}"))?, &channels)
        };
        match cost {
            Cost::Memory => [idle / 2, idle].into_iter().map(with).collect(),
            Cost::CpuPer(_) => Ok(vec![scenario]),
        }
    }

    /// The figure that counts.
    pub(crate) fn cost(&self, is_floor: bool, records: &[Record]) -> anyhow::Result<f64> {
        let cost = match (self.work(is_floor).cost, records) {
            (Cost::CpuPer(measure), [record]) => cpu_ns_per(measure, record),
            // What the server needs anyway is in both.
            (Cost::Memory, [half, all]) => bytes(half)
                .zip(bytes(all))
                .map(|(half_bytes, all_bytes)| (all_bytes - half_bytes) / (all.clients - half.clients) as f64),
            _ => unreachable!("as many records as scenarios"),
        };
        cost.with_context(|| format!("nothing was measured of {}", self.name))
    }
}

fn cpu_ns_per(measure: Measure, record: &Record) -> Option<f64> {
    record.server.as_ref()?.cpu_ns_per.get(&measure).copied()
}

/// Memory of all clients.
fn bytes(record: &Record) -> Option<f64> {
    Some(record.server.as_ref()?.bytes_per_client? * record.clients as f64)
}
