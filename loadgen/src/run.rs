//! A run: the load thread makes the load; this one watches it and the server, and writes the record.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use hdrhistogram::Histogram;

use crate::engine::{Engine, Job, News, Outcome, pin};
use crate::measure::{Count, Interval, Measure, Stage, Summary, histogram};
use crate::ramp;
use crate::record::{Looks, Machine, Record, Second, ServerUse, Whole};
use crate::scenario::Scenario;
use crate::server::{Metrics, Probe, Usage, change};
use crate::swarm;
use crate::target::Target;

/// What is to be run, and beside what.
#[derive(Clone, Debug)]
pub struct Order {
    /// The scenario's name.
    pub name: String,
    /// What is done.
    pub scenario: Scenario,
    /// Against which server.
    pub target: Target,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// The core of the load thread.
    pub core: usize,
    /// The server's process, to be watched.
    pub pid: Option<i32>,
    /// The server's metrics, to be read.
    pub metrics_url: Option<String>,
    /// What was typed, without the secret.
    pub command: String,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Clients come in.
    Gathering {
        /// So many are there.
        ready: u64,
        /// So many will be.
        total: u64,
    },
    /// A step of a ramp is over.
    Step {
        /// How many a second were due.
        rate_per_s: f64,
        /// Whether the server kept up.
        held: bool,
        /// The longest of the 99th percentiles, nanoseconds.
        p99_ns: Option<u64>,
    },
    /// A second of load is over.
    Second {
        /// Whether it counted.
        measured: bool,
        /// Seconds since the load began.
        elapsed_s: f64,
        /// Seconds of load in all.
        total_s: f64,
        /// What the scenario is about.
        measure: Measure,
        /// What happened.
        summary: Summary,
    },
}

/// Runs a scenario; `watch` is told how far it has come.
///
/// # Errors
/// When the run cannot be made. What the server does wrong while it is made is in the record.
pub fn run(order: &Order, mut watch: impl FnMut(Progress)) -> anyhow::Result<Record> {
    match &order.scenario.ramp {
        Some(ramp) => ramp::climb(ramp, order, &mut watch),
        None => run_once(order, &mut watch),
    }
}

/// Runs a scenario, or one step of its ramp.
pub(crate) fn run_once(order: &Order, watch: &mut impl FnMut(Progress)) -> anyhow::Result<Record> {
    let plan = order.scenario.plan()?;
    swarm::allow(order.scenario.connections_max(&plan))?;
    let probe = Probe::new(order.pid, order.metrics_url.as_deref())?;
    let clients = plan.clients.len() as u64;
    let settings = &order.scenario.run;
    let nanoseconds = |s: f64| (s * 1e9) as u64;
    let job = Job {
        channel_names: order.scenario.channel_names(&plan),
        plan,
        target: order.target.clone(),
        encoding: settings.encoding.into(),
        payload_bytes: settings.payload_bytes,
        secret: order.secret.clone(),
        warm_up_ns: nanoseconds(settings.warm_up_s),
        duration_ns: nanoseconds(settings.duration_s),
    };
    let started = SystemTime::now();
    let (news_in, news) = mpsc::channel();
    let (spares, spares_out) = mpsc::channel();
    let mut watcher = Watcher::new(&probe, settings.warm_up_s + settings.duration_s, clients);
    let core = order.core;
    let load = thread::Builder::new().name("load".into()).spawn(move || {
        pin(core)?;
        Engine::new(job, news_in, spares_out)?.run()
    })?;
    watcher.watch(&news, &spares, watch);
    // The load thread has kept its connections for the last look at the server.
    drop(spares);
    let outcome = load.join().map_err(|_| anyhow!("the load thread panicked"))??;
    watcher.record(order, outcome, started.duration_since(UNIX_EPOCH).context("the clock is before 1970")?)
}

/// What is gathered of a run while it goes on.
struct Watcher<'a> {
    probe: &'a Probe,
    total_s: f64,
    clients: u64,
    looks: Looks,
    last_usage: Usage,
    metrics_before: Option<Metrics>,
    metrics_after: Option<Metrics>,
    /// All that counts, by measure; and of that, how much came while it was measured.
    whole: [(Histogram<u64>, u64); Measure::ALL.len()],
    counts: BTreeMap<Count, u64>,
    seconds: Vec<Second>,
    measured_ns: u64,
    drained_ns: u64,
    elapsed_ns: u64,
    busy_ns: u64,
}

impl<'a> Watcher<'a> {
    fn new(probe: &'a Probe, total_s: f64, clients: u64) -> Self {
        let before = probe.usage().unwrap_or_default();
        Self {
            probe,
            total_s,
            clients,
            looks: Looks { before, gathered: before, ..Looks::default() },
            last_usage: Usage::default(),
            metrics_before: None,
            metrics_after: None,
            whole: std::array::from_fn(|_| (histogram(), 0)),
            counts: BTreeMap::new(),
            seconds: Vec::new(),
            measured_ns: 0,
            drained_ns: 0,
            elapsed_ns: 0,
            busy_ns: 0,
        }
    }

    fn watch(&mut self, news: &Receiver<News>, spares: &mpsc::Sender<Box<Interval>>, watch: &mut impl FnMut(Progress)) {
        for news in news {
            match news {
                News::Gathered(ready) => {
                    if ready as u64 == self.clients {
                        self.looks.gathered = self.probe.usage().unwrap_or_default();
                    }
                    watch(Progress::Gathering { ready: ready as u64, total: self.clients });
                }
                News::Measuring => {
                    self.metrics_before = self.probe.metrics();
                    self.looks.measuring = self.probe.usage().unwrap_or_default();
                    self.last_usage = self.looks.measuring;
                }
                News::Interval(mut interval) => {
                    if let Some(progress) = self.take(&interval) {
                        watch(progress);
                    }
                    // Cleared here, since the load thread has better things to do.
                    interval.clear();
                    // A load thread that needs none any more is about to settle.
                    let _ = spares.send(interval);
                }
                News::Settled => {
                    self.looks.settled = self.probe.usage().unwrap_or_default();
                    self.metrics_after = self.probe.metrics();
                    return;
                }
            }
        }
    }

    fn take(&mut self, interval: &Interval) -> Option<Progress> {
        let (stage, span_ns) = (interval.stage, interval.span_ns());
        self.elapsed_ns += span_ns;
        if stage != Stage::WarmUp {
            for (measure, (whole, within)) in Measure::ALL.into_iter().zip(&mut self.whole) {
                let histogram = interval.histogram(measure);
                whole.add(histogram).expect("all histograms have the same bounds");
                *within += if stage == Stage::Measured { histogram.len() } else { 0 };
            }
        }
        match stage {
            Stage::WarmUp => {}
            Stage::Measured => self.take_second(interval),
            Stage::Drain => {
                self.drained_ns = span_ns;
                return None;
            }
        }
        let chief = Measure::ALL.into_iter().filter(|measure| measure.is_of_the_server());
        let measure = chief.max_by_key(|measure| interval.histogram(*measure).len())?;
        Some(Progress::Second {
            measured: stage == Stage::Measured,
            elapsed_s: self.elapsed_ns as f64 / 1e9,
            total_s: self.total_s,
            measure,
            summary: Summary::of(interval.histogram(measure), span_ns),
        })
    }

    fn take_second(&mut self, interval: &Interval) {
        let span_ns = interval.span_ns();
        self.measured_ns += span_ns;
        self.busy_ns += interval.busy_ns;
        interval.counts().for_each(|(count, number)| *self.counts.entry(count).or_default() += number);
        let usage = self.probe.usage();
        let server_cores =
            usage.map(|usage| usage.cpu_ns.saturating_sub(self.last_usage.cpu_ns) as f64 / span_ns as f64);
        self.last_usage = usage.unwrap_or_default();
        let happened = Measure::ALL.into_iter().filter(|measure| !interval.histogram(*measure).is_empty());
        self.seconds.push(Second {
            at_s: self.measured_ns as f64 / 1e9,
            measures: happened.map(|measure| (measure, Summary::of(interval.histogram(measure), span_ns))).collect(),
            counts: interval.counts().collect(),
            busy: interval.busy_ns as f64 / span_ns as f64,
            server_cores,
            server_resident_bytes: usage.map(|usage| usage.resident_bytes),
        });
    }

    fn record(self, order: &Order, outcome: Outcome, started: Duration) -> anyhow::Result<Record> {
        let measured_s = self.measured_ns as f64 / 1e9;
        let happened = Measure::ALL.into_iter().zip(&self.whole).filter(|(_, (whole, _))| !whole.is_empty());
        let whole: BTreeMap<_, _> = happened
            .map(|(measure, (histogram, within))| (measure, Whole::of(histogram, *within, measured_s)))
            .collect();
        let span_s = (self.measured_ns + self.drained_ns) as f64 / 1e9;
        let server = order.pid.map(|_| ServerUse::of(&self.looks, self.clients, span_s, &whole));
        let server_metrics = match (self.metrics_before, self.metrics_after) {
            (Some(before), Some(after)) => change(&before, &after),
            _ => Metrics::default(),
        };
        Ok(Record {
            program: format!("ringpost-loadgen {}", ringpost::VERSION),
            name: order.name.clone(),
            scenario: order.scenario.clone(),
            command: order.command.clone(),
            url: order.target.url.clone(),
            server_version: outcome.server_version,
            machine: Machine::this(),
            started_unix_ms: started.as_millis() as u64,
            clients: self.clients,
            measured_s,
            behind: outcome.behind,
            attempts_failed: outcome.attempts_failed,
            slow: outcome.fates.sum(),
            busy: self.busy_ns as f64 / self.measured_ns as f64,
            seconds: self.seconds,
            whole,
            counts: self.counts,
            server,
            server_metrics,
            faults: outcome.faults,
            ramp: None,
        })
    }
}
