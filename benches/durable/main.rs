//! What an acknowledged publish waits for where it must be kept: `cargo bench -p ringpost-loadgen --bench durable`.
//!
//! The servers run on core 0, the load generator on core 1. A hundred publishers send messages of 200 bytes by a schedule, at
//! the same rates to each server in turn. The floor (`benches/node/floor.rs`) answers once it has written and synced all that
//! came while it wrote the last (`RWF_DSYNC`), and does nothing else: no channels, no checksums. The figure is the 99th
//! percentile from due to answered; beside it the server's CPU time for each. All keep their data on the same file system.

#[path = "../node/binary.rs"]
mod binary;
mod contenders;
#[path = "../node/floor.rs"]
mod floor;
#[path = "../node/load.rs"]
mod load;
mod log;
mod prepare;
#[path = "../node/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use ringpost_loadgen::measure::Measure;
use ringpost_loadgen::record::Record;
use ringpost_loadgen::results::row::FLOOR;
use ringpost_loadgen::results::{Bench, Goal, Measured, Raw, ResultOptions, Round, Row};
use ringpost_loadgen::scenario::{Scenario, find, read, set};

use self::contenders::Contender;
use self::load::{CLIENT_CORE, load};
use self::log::Log;

/// The core of the servers.
const SERVER_CORE: usize = 0;

/// How many times longer than a bare write and sync: the design's goal.
const GOAL: f64 = 3.0;

const ABOUT: &str = "How long an acknowledged publish of 200 bytes waits where the server must have kept it, 100 publishers, open \
                     loop; one core for the server, another for the load generator. The floor writes and syncs the same \
                     batches and does nothing else. Kafka does not sync by default, JetStream every two minutes: they are \
                     here for what they are commonly run as. Medians.";

/// Measures what acknowledged publishes wait for.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds per measurement; half as long goes before it.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    secs: u64,
    /// Measurements of each server at each rate; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Publishes a second.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 50_000])]
    rates: Vec<u32>,
    /// Only servers whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Where the servers keep their data; it must be a disk.
    #[arg(long, value_name = "FOLDER", default_value = env!("CARGO_TARGET_TMPDIR"))]
    folder: PathBuf,
    #[command(flatten)]
    result: ResultOptions,
    /// Serve the floor there, with its log in this file (the bench starts itself so).
    #[arg(long, hide = true, num_args = 2)]
    floor: Option<Vec<String>>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    ringpost::doctor::raise_limits()?;
    if let Some([address, file]) = options.floor.as_deref() {
        let mut log = Log::new(Path::new(file))?;
        return floor::serve(address.parse()?, Some(Box::new(move |bytes| log.keep(bytes))));
    }
    let contenders: Vec<_> = Contender::all(binary::node()?)
        .into_iter()
        .filter(|contender| contender.name.contains(&options.filter) || contender.name == FLOOR)
        .collect();
    let bench = Bench {
        target: "durable",
        about: ABOUT.into(),
        settings: settings(&options, &contenders),
        versions: contenders.iter().filter(|one| one.is_of_others()).map(Contender::told).collect(),
    };
    let command = bench.command();
    let taking = bench.begin(&options.result)?;
    let started = Instant::now();
    let mut raw = Raw::default();
    for rate_per_s in &options.rates {
        eprintln!("{rate_per_s} a second ({} s)", started.elapsed().as_secs());
        raw.rows.extend(measure(*rate_per_s, &contenders, &options, &command)?);
    }
    ensure!(!raw.rows.is_empty(), "nothing was measured");
    print!("{}", taking.end(&raw)?);
    Ok(())
}

fn settings(options: &Options, contenders: &[Contender]) -> BTreeMap<String, String> {
    let own = [
        ("cores", format!("servers {SERVER_CORE}, load generator {CLIENT_CORE}")),
        ("rounds", options.rounds.to_string()),
        ("seconds each", options.secs.to_string()),
    ];
    let servers = contenders.iter().map(|contender| (contender.name.to_owned(), contender.settings()));
    own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(servers).collect()
}

/// Every server in turn at a rate: what 99 % waited at most, and what each publish cost the server.
fn measure(rate_per_s: u32, contenders: &[Contender], options: &Options, command: &str) -> anyhow::Result<[Row; 2]> {
    let work = format!("acknowledged publishes of 200 bytes, {rate_per_s} a second");
    let servers = contenders.iter().map(|contender| Measured { server: contender.name.into(), rounds: Vec::new() });
    let mut waits = Row {
        work: work.clone(),
        unit: "ns from due to answered, p99".into(),
        goal: Some(Goal::Ratio(GOAL)),
        beside: FLOOR.into(),
        servers: servers.collect(),
    };
    for round in 1..=options.rounds {
        for contender in contenders {
            let mut servers = waits.servers.iter_mut();
            let Some(measured) = servers.find(|measured| measured.server == contender.name) else { continue };
            eprintln!("  {} {round}/{}", contender.name, options.rounds);
            match measure_once(&work, rate_per_s, contender, options, command) {
                Ok(round) => measured.rounds.push(round),
                // What one of the others cannot do says nothing of the rest.
                Err(error) if contender.is_of_others() => {
                    eprintln!("{} has no figure here: {error:#}", contender.name);
                    waits.servers.retain(|measured| measured.server != contender.name);
                }
                Err(error) => return Err(error),
            }
        }
    }
    let mut costs = Row { unit: "ns CPU per publish".into(), goal: None, ..waits.clone() };
    for round in costs.servers.iter_mut().flat_map(|measured| &mut measured.rounds) {
        let server = round.records.last().and_then(|record| record.server.as_ref());
        round.cost = server.and_then(|server| server.cpu_ns_per.get(&Measure::Reply).copied()).unwrap_or(f64::NAN);
    }
    Ok([waits, costs])
}

fn measure_once(
    name: &str,
    rate_per_s: u32,
    contender: &Contender,
    options: &Options,
    command: &str,
) -> anyhow::Result<Round> {
    let started = contender.start(&options.folder)?;
    let scenario = scenario(rate_per_s, contender.prefix, options.secs)?;
    let record = load(
        vec![started.server.pid()],
        std::slice::from_ref(&started.url),
        contender.secret,
        name.into(),
        scenario,
        command,
    )
    .and_then(Record::good)
    .with_context(|| format!("{} did it wrong", contender.name))?;
    let reply = record.whole.get(&Measure::Reply).context("nothing was answered")?;
    Ok(Round { cost: reply.summary.p99_ns as f64, records: vec![record] })
}

fn scenario(rate_per_s: u32, prefix: &str, secs: u64) -> anyhow::Result<Scenario> {
    let settings = [
        "outstanding=0".into(),
        format!("rate_per_s={rate_per_s}"),
        "payload_bytes=200".into(),
        format!("channel_prefix={prefix}"),
        format!("duration_s={secs}"),
        format!("warm_up_s={}", secs as f64 / 2.0),
    ];
    settings.iter().try_fold(read(&find("publish")?)?, |scenario, setting: &String| set(&scenario, setting))
}
