//! By way of Kafka, beside a bare producer and a bare consumer of librdkafka: `cargo bench -p ringpost-loadgen --bench kafka`.
//!
//! Both have the same broker, channels (keys), sizes of records, numbers of messages under way, and options of librdkafka. Whoever
//! is measured has core 0, the node with its Redis; Kafka and the load generator have core 1, which the bare ones' schedule does
//! not need. So the node has less of both cores. Since the node moves what it hears itself, a message goes through Kafka once, as
//! the bare ones' does; what one node moves for another goes through it a second time, which is not measured here. A second pair of
//! bare ones has the order of Redis between, by plain commands: what is left of the floor with an order and a history. First as much
//! as goes with so many messages under way, a closed loop: the next is published when one is answered and heard. Then all at
//! half of what the node can, open loop.

mod bare;
#[path = "../node/binary.rs"]
mod binary;
mod broker;
#[path = "../node/load.rs"]
#[expect(dead_code, reason = "loads are made with looks at several processes")]
mod load;
mod node;
mod ordered;
mod parts;
mod redis_server;
#[path = "../node/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Parser;
use ringpost_loadgen::measure::{Measure, Summary};
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::row::{FLOOR, NODE};
use ringpost_loadgen::results::{Bench, Goal, Measured, Raw, ResultOptions, Round, Row};
use ringpost_loadgen::scenario::{Scenario, find, read, set};
use serde::{Deserialize, Serialize};

use self::broker::Broker;
use self::load::CLIENT_CORE;
use self::parts::Part;

/// The core of whoever is measured.
const SERVER_CORE: usize = 0;

/// The bare ones with the order of Redis between.
const ORDERED: &str = "floor with order";

/// What channel names begin with.
const PREFIX: &str = "kafka:";

/// Channels, each with a publisher and a subscriber.
const CHANNELS: u32 = 64;

/// The time between two messages beside the bare ones': the design's goal, 0.8 times as many.
const GOAL: f64 = 1.0 / 0.8;

const ABOUT: &str = "64 channels with a publisher and a subscriber each, 96 bytes, acknowledged by Kafka. The floor is a bare \
                     producer and a bare consumer of librdkafka with records as large, the same options and as much under way. \
                     It has one core, as the node has with its Redis; Kafka has the other, with the load generator. The node hears \
                     what it moves itself, so that a message goes through Kafka once. The floor with order has a Redis on its core, too: the \
                     consumer writes each record into a stream and publishes it (XADD, PUBLISH, pipelined), and a subscriber of \
                     Redis hears it. Medians.";

/// Measures a node by way of Kafka.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement; half as long goes before it.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(2..))]
    secs: u64,
    /// Measurements of each; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Messages under way of each channel.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 128])]
    outstanding: Vec<u32>,
    /// Who is measured.
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_values = [NODE, FLOOR, ORDERED], conflicts_with = "result")]
    only: Vec<String>,
    /// An option of librdkafka, as name=value, for the node and the bare ones; may be given several times.
    #[arg(long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// The node's binary; it is built if not given. Not for a result, which is of the checkout.
    #[arg(long, value_name = "PATH", conflicts_with = "result")]
    node: Option<PathBuf>,
    /// The core of Kafka.
    #[arg(long, default_value_t = CLIENT_CORE)]
    broker_core: usize,
    #[command(flatten)]
    result: ResultOptions,
    /// Be the bare producer and consumer (the bench starts itself so).
    #[arg(long, hide = true)]
    bare: Option<String>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What came of one measurement.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    record: Record,
    /// Processor time for each message, nanoseconds, by whose it is.
    cpu_ns: BTreeMap<Part, f64>,
}

/// Those who are measured, on one broker.
struct Contenders<'a> {
    node: PathBuf,
    broker: &'a Broker,
    options: &'a [String],
    command: &'a str,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(job) = &options.bare {
        return bare::serve(job);
    }
    ringpost::doctor::raise_limits()?;
    let settings = [
        ("cores", format!("node, floors, Redis {SERVER_CORE}; Kafka {}; load {CLIENT_CORE}", options.broker_core)),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
        ("Kafka", Broker::settings()),
        (NODE, node::settings(&options.options)),
        (FLOOR, "benches/kafka/bare.rs, with the node's options for its producer".into()),
        (ORDERED, "the same with benches/kafka/ordered.rs between".into()),
    ];
    let bench = Bench {
        target: "kafka",
        about: ABOUT.into(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        versions: [("Kafka".to_owned(), Broker::version())].into(),
    };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let node = options.node.clone().map_or_else(binary::node, Ok)?;
    let broker = Broker::start(options.broker_core, Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let contenders = Contenders { node, broker: &broker, options: &options.options, command: &command };
    print!("{}", taking.end(&measure(&contenders, &options)?)?);
    Ok(())
}

fn measure(contenders: &Contenders<'_>, options: &Options) -> anyhow::Result<Raw> {
    let (started, mut raw) = (Instant::now(), Raw::default());
    let mut rate = 0.0;
    for (number, outstanding) in options.outstanding.iter().enumerate() {
        eprintln!("{outstanding} under way of each channel ({} s)", started.elapsed().as_secs());
        let most = scenario(&format!("outstanding={outstanding}"), options.secs)?;
        if number == 0 {
            // What the broker's virtual machine has to compile it has compiled then.
            contenders.measure(&options.only[0], &most)?;
        }
        let row = Row {
            work: format!("{} messages under way", CHANNELS * outstanding),
            unit: "ns between two messages".into(),
            goal: Some(Goal::Ratio(GOAL)),
            beside: FLOOR.into(),
            servers: Vec::new(),
        };
        let [row] =
            rounds(contenders, &most, options, [row], |taken| Ok([Some(1e9 / delivered(&taken.record)?.per_s)]))?;
        rate = row.cost(NODE).map_or(rate, |ns| 1e9 / ns);
        raw.rows.push(row);
    }
    let rate = (rate / 2.0).max(1.0).round();
    eprintln!("half of the most, {rate} messages a second ({} s)", started.elapsed().as_secs());
    let half = scenario(&format!("rate_per_s={rate}"), options.secs)?;
    let row = |unit: &str| Row {
        work: format!("half of the node's most, {rate} messages a second"),
        unit: unit.into(),
        goal: None,
        beside: FLOOR.into(),
        servers: Vec::new(),
    };
    let rows = [
        row("ns from due to delivered, p50"),
        row("ns from due to delivered, p99"),
        row("ns from due to delivered, p99.9"),
        row("ns CPU per message"),
        row("ns CPU of Redis per message"),
        row("ns CPU of Kafka per message"),
    ];
    raw.rows.extend(rounds(contenders, &half, options, rows, |Taken { record, cpu_ns }| {
        let Summary { p50_ns, p99_ns, p99_9_ns, .. } = *delivered(record)?;
        let waits = [p50_ns, p99_ns, p99_9_ns].map(|ns| Some(ns as f64));
        let costs = [Part::Measured, Part::Redis, Part::Broker].map(|part| cpu_ns.get(&part).copied());
        Ok([waits[0], waits[1], waits[2], costs[0], costs[1], costs[2]])
    })?);
    Ok(raw)
}

/// All in turn, so many times; what each measurement costs in each row, where it costs anything there.
fn rounds<const N: usize>(
    contenders: &Contenders<'_>,
    scenario: &Scenario,
    options: &Options,
    mut rows: [Row; N],
    costs: impl Fn(&Taken) -> anyhow::Result<[Option<f64>; N]>,
) -> anyhow::Result<[Row; N]> {
    for round in 1..=options.rounds {
        for who in &options.only {
            eprintln!("  {who} {round}/{}", options.rounds);
            let taken = contenders.measure(who, scenario)?;
            for (row, cost) in rows.iter_mut().zip(costs(&taken)?) {
                if let Some(cost) = cost {
                    note(row, who, Round { cost, records: vec![taken.record.clone()] });
                }
            }
        }
    }
    Ok(rows)
}

fn note(row: &mut Row, server: &str, round: Round) {
    match row.servers.iter_mut().find(|measured| measured.server == server) {
        Some(measured) => measured.rounds.push(round),
        None => row.servers.push(Measured { server: server.into(), rounds: vec![round] }),
    }
}

fn delivered(record: &Record) -> anyhow::Result<&Summary> {
    Ok(&record.whole.get(&Measure::Delivery).context("nothing was delivered")?.summary)
}

impl Contenders<'_> {
    fn measure(&self, who: &str, scenario: &Scenario) -> anyhow::Result<Taken> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let taken = match who {
            NODE => node::measure(self, scenario, folder),
            ORDERED => bare::measure_ordered(self, scenario, folder),
            FLOOR => bare::measure(self, scenario, None),
            other => bail!("nobody here is named {other}"),
        };
        let taken = taken.with_context(|| format!("{who} did it wrong"))?;
        eprintln!("    {:.0} messages a second", delivered(&taken.record)?.per_s);
        Ok(taken)
    }
}

fn scenario(pace: &str, secs: u64) -> anyhow::Result<Scenario> {
    let settings = [
        format!("channels={CHANNELS}"),
        "subscribers=1".into(),
        pace.to_owned(),
        format!("channel_prefix={PREFIX}"),
        format!("duration_s={secs}"),
        format!("warm_up_s={}", secs as f64 / 2.0),
    ];
    settings.iter().try_fold(read(&find("fanout")?)?, |scenario, setting| set(&scenario, setting))
}
