//! Several nodes over one Redis, beside one node alone and beside Centrifugo's library: `cargo bench -p ringpost-loadgen --bench
//! cluster`.
//!
//! All nodes and Redis share core 0, the load generator has core 1: more nodes do not do more here, and what counts is what a
//! message costs the nodes, what it costs Redis, and how long it is on its way. Rooms of fifty, members and talkers spread over the
//! nodes, history and positioning on; all servers at the same rate. Then the nodes at shares of what saturates them: the rate at which
//! their core has no time left, by what a message cost nodes and Redis in a closed loop, as `benches/node` has it.

#[path = "../node/binary.rs"]
mod binary;
mod contenders;
#[path = "../node/load.rs"]
mod load;
#[path = "../node/server.rs"]
mod server;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::row::{NODE, PLAIN};
use ringpost_loadgen::results::{Bench, Goal, Measured, Raw, ResultOptions, Round, Row};
use ringpost_loadgen::scenario::{Scenario, find, read, set};

use self::contenders::{Contender, PREFIX, Started};
use self::load::{CLIENT_CORE, SECRET, load};

/// The core of the servers.
const SERVER_CORE: usize = 0;

/// How long a message is on its way from node to node, 99 %, nanoseconds: the design's goal.
const GOAL_NS: f64 = 5e6;

const ABOUT: &str = "Rooms of fifty whose members and talkers are spread over the nodes, 96 bytes, history and positioning on. All \
                     nodes and Redis share one core, the load generator has another. Plain: one node alone, log in memory. \
                     Medians.";

/// Measures several nodes.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement; a quarter as long goes before it.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Measurements of each server for each number of nodes; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Messages a second.
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Numbers of nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    nodes: Vec<usize>,
    #[command(flatten)]
    result: ResultOptions,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Whose processor time is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Watched {
    Nodes,
    Redis,
    /// Both: all that the servers' core does.
    All,
}

/// At which shares of saturation it is told how long messages are on their way; the goal is that of a half.
const SHARES: [(&str, f64); 3] = [("an eighth", 0.125), ("a quarter", 0.25), ("half", HALF)];
const HALF: f64 = 0.5;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ringpost::doctor::raise_limits()?;
    let contenders = Contender::all(&binary::node()?);
    let settings = [
        ("cores", format!("servers {SERVER_CORE}, load generator {CLIENT_CORE}")),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
    ];
    let of_servers = contenders.iter().map(|one| (one.name.to_owned(), one.settings()));
    let others = contenders.iter().filter(|one| one.is_of_others());
    let bench = Bench {
        target: "cluster",
        about: ABOUT.into(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(of_servers).collect(),
        versions: others.map(|one| (one.name.to_owned(), one.version.clone())).collect(),
    };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let started = Instant::now();
    let mut raw = Raw::default();
    for nodes in &options.nodes {
        eprintln!("{nodes} nodes ({} s)", started.elapsed().as_secs());
        raw.rows.extend(measure(*nodes, &contenders, &options, &command)?);
        raw.rows.extend(at_shares(*nodes, &contenders, &options, &command)?);
    }
    print!("{}", taking.end(&raw)?);
    Ok(())
}

/// Every server in turn at the same rate: what a delivery costs the nodes, how long it takes, and what a message costs Redis.
fn measure(nodes: usize, contenders: &[Contender], options: &Options, command: &str) -> anyhow::Result<Vec<Row>> {
    let work = format!("rooms of 50 over {nodes} nodes, {} messages a second", options.rate);
    let row = |unit: &str| Row {
        work: work.clone(),
        unit: unit.into(),
        goal: None,
        beside: PLAIN.into(),
        servers: Vec::new(),
    };
    let (mut of_nodes, mut of_redis) = (row("ns CPU of all nodes per delivery"), row("ns CPU of Redis per message"));
    for round in 1..=options.rounds {
        for contender in contenders {
            for (watched, row) in [(Watched::Nodes, &mut of_nodes), (Watched::Redis, &mut of_redis)] {
                if watched == Watched::Redis && !contender.shares() {
                    continue;
                }
                eprintln!("  {} {round}/{} ({watched:?})", contender.name, options.rounds);
                let count = if contender.shares() { nodes } else { 1 };
                let record =
                    measure_once(contender, count, watched, &scenario(options.rate.into(), options.secs)?, command);
                match record {
                    Ok(record) => note(row, contender.name, round_of(watched, record)?),
                    // What one of the others cannot do says nothing of the rest.
                    Err(error) if contender.is_of_others() => {
                        eprintln!("{} has no figure here: {error:#}", contender.name)
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let mut waits = Row { unit: "ns from due to delivered, p99".into(), ..of_nodes.clone() };
    for round in waits.servers.iter_mut().flat_map(|measured| &mut measured.rounds) {
        round.cost = p99_ns(round.records.last().context("a round has a record")?)?;
    }
    Ok(vec![of_nodes, of_redis, waits])
}

/// How long a message is on its way at shares of what saturates the nodes.
fn at_shares(nodes: usize, contenders: &[Contender], options: &Options, command: &str) -> anyhow::Result<Vec<Row>> {
    let node = contenders.iter().find(|contender| contender.name == NODE).context("the node is measured")?;
    let most = set(&scenario(1.0, options.secs)?, "outstanding=4")?;
    let most = round_of(Watched::All, measure_once(node, nodes, Watched::All, &most, command)?)?;
    let mut rows = Vec::new();
    for (name, share) in SHARES {
        let rate = (share * 1e9 / most.cost).max(1.0).round();
        let mut row = Row {
            work: format!("rooms of 50 over {nodes} nodes, {name} of saturation, {rate} messages a second"),
            unit: "ns from due to delivered, p99".into(),
            goal: (share == HALF).then_some(Goal::Cost(GOAL_NS)),
            beside: PLAIN.into(),
            servers: Vec::new(),
        };
        for round in 1..=options.rounds {
            for contender in contenders.iter().filter(|contender| !contender.is_of_others()) {
                eprintln!("  {} {round}/{} ({name})", contender.name, options.rounds);
                let count = if contender.shares() { nodes } else { 1 };
                let record = measure_once(contender, count, Watched::All, &scenario(rate, options.secs)?, command)?;
                note(&mut row, contender.name, Round { cost: p99_ns(&record)?, records: vec![record] });
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

fn note(row: &mut Row, server: &str, round: Round) {
    match row.servers.iter_mut().find(|measured| measured.server == server) {
        Some(measured) => measured.rounds.push(round),
        None => row.servers.push(Measured { server: server.into(), rounds: vec![round] }),
    }
}

fn round_of(watched: Watched, record: Record) -> anyhow::Result<Round> {
    let measure = if watched == Watched::Nodes { Measure::Delivery } else { Measure::Reply };
    let used = record.server.as_ref().context("processes were watched")?;
    let cost = *used.cpu_ns_per.get(&measure).context("nothing was measured")?;
    Ok(Round { cost, records: vec![record] })
}

fn p99_ns(record: &Record) -> anyhow::Result<f64> {
    Ok(record.whole.get(&Measure::Delivery).context("nothing was delivered")?.summary.p99_ns as f64)
}

fn measure_once(
    contender: &Contender,
    nodes: usize,
    watched: Watched,
    scenario: &Scenario,
    command: &str,
) -> anyhow::Result<Record> {
    let started = contender.start(nodes, Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let (pids, name) = (pids(&started, watched), format!("{nodes} nodes"));
    let record = load(pids, &started.urls, Some(SECRET), name, scenario.clone(), command).and_then(Record::good);
    record.with_context(|| format!("{} did it wrong", contender.name))
}

fn pids(started: &Started, watched: Watched) -> Vec<i32> {
    let (nodes, redis) = (started.nodes.iter(), started.redis.iter());
    let servers: Vec<_> = match watched {
        Watched::Nodes => nodes.collect(),
        Watched::Redis => redis.collect(),
        Watched::All => nodes.chain(redis).collect(),
    };
    servers.into_iter().map(server::Server::pid).collect()
}

fn scenario(rate_per_s: f64, secs: u64) -> anyhow::Result<Scenario> {
    ensure!(rate_per_s > 0.0, "some messages are sent");
    let settings = [
        format!("rate_per_s={rate_per_s}"),
        format!("channel_prefix={PREFIX}"),
        format!("duration_s={secs}"),
        format!("warm_up_s={}", secs as f64 / 4.0),
    ];
    settings.iter().try_fold(read(&find("fanout-rooms")?)?, |scenario, setting| set(&scenario, setting))
}
