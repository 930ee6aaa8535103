//! A run: load threads make the load; this one gives them their cues, watches them and the server, adds up what they
//! measured, and writes the record.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::crew::{Assignment, Crew};
use crate::engine::{Cue, News, Outcome};
use crate::limits::{LOAD_LEAD_MS, PROCESSES_MAX, SHARED_STREAMS_MAX};
use crate::measure::{Count, Interval, Measure, Stage, Summary, histogram};
use crate::plan::{Load, Plan};
use crate::ramp;
use crate::record::{Looks, Machine, Record, Second, ServerUse, Whole, cost_each};
use crate::scenario::Scenario;
use crate::seconds::Seconds;
use crate::server::{Metrics, Probe, Usage, change};
use crate::share::Part;
use crate::swarm;
use crate::target::Target;
use crate::traffic::Tally;

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
    /// How many load processes; `None` for as many as the connections need. One is a thread of this process.
    pub processes: Option<u32>,
    /// The cores of the load threads, in turn.
    pub cores: Vec<usize>,
    /// This program, of which load processes are started where there is more than one.
    pub program: PathBuf,
    /// The server's process, to be watched.
    pub pid: Option<i32>,
    /// The server's metrics, to be read.
    pub metrics_url: Option<String>,
    /// What was typed, without the secret.
    pub command: String,
}

impl Order {
    /// How many load processes make the load of a plan.
    fn processes(&self, plan: &Plan) -> anyhow::Result<u32> {
        let needed = swarm::processes(self.scenario.connections_max(plan));
        let processes = self.processes.unwrap_or(needed.min(PROCESSES_MAX));
        ensure!(
            (1..=PROCESSES_MAX).contains(&processes),
            "{processes} load processes are asked for: --processes takes 1 to {PROCESSES_MAX}"
        );
        ensure!(
            processes == 1 || plan.streams.len() <= SHARED_STREAMS_MAX,
            "{processes} load processes cannot share {} pairs of a publisher and a channel, only {SHARED_STREAMS_MAX}: \
             ask for fewer publishers",
            plan.streams.len()
        );
        if processes > 1 && matches!(plan.load, Load::Chat(_)) {
            for index in 0..processes {
                self.scenario.part(Part { index, of: processes }).plan().with_context(|| {
                    format!(
                        "each of {processes} load processes has a chat of its own, with some of the users and rooms"
                    )
                })?;
            }
        }
        Ok(processes)
    }

    /// Starts those who make the load.
    fn crew(&self, processes: u32, clock: Clock) -> anyhow::Result<Crew> {
        ensure!(!self.cores.is_empty(), "the load needs a core: name one with --core");
        let assignment = |index: u32| Assignment {
            scenario: self.scenario.clone(),
            part: Part { index, of: processes },
            target: self.target.clone(),
            secret: self.secret.clone(),
            core: self.cores[index as usize % self.cores.len()],
            clock,
        };
        if processes == 1 {
            return Crew::thread(assignment(0));
        }
        Crew::processes(&self.program, &(0..processes).map(assignment).collect::<Vec<_>>())
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// One process may not have as many descriptors as this takes, or several processes were asked for.
    Shared {
        /// So many connections.
        connections: u64,
        /// So many load processes.
        processes: u32,
    },
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
    let probe = Probe::new(order.pid, order.metrics_url.as_deref())?;
    let processes = order.processes(&plan)?;
    if processes > 1 {
        watch(Progress::Shared { connections: order.scenario.connections_max(&plan), processes });
    }
    let clients = plan.clients.len() as u64;
    drop(plan);
    let (started, clock) = (SystemTime::now(), Clock::start());
    let crew = order.crew(processes, clock)?;
    let total_s = order.scenario.run.warm_up_s + order.scenario.run.duration_s;
    let mut watcher = Watcher::new(&probe, crew, clock, total_s, clients);
    let outcome = watcher.watch(watch)?;
    watcher.record(order, outcome, started.duration_since(UNIX_EPOCH).context("the clock is before 1970")?)
}

/// What is gathered of a run while it goes on.
struct Watcher<'a> {
    probe: &'a Probe,
    crew: Crew,
    clock: Clock,
    total_s: f64,
    clients: u64,
    /// By load process: clients that are there.
    gathered: Vec<u64>,
    looks: Looks,
    last_usage: Usage,
    metrics_before: Option<Metrics>,
    metrics_after: Option<Metrics>,
    /// Seconds that some load processes have told of.
    pending: Seconds,
    /// All that counts, by measure; and of that, how much came while it was measured.
    whole: [(Histogram<u64>, u64); Measure::ALL.len()],
    counts: BTreeMap<Count, u64>,
    seconds: Vec<Second>,
    measured_ns: u64,
    drained_ns: u64,
    elapsed_ns: u64,
    /// By load process: how long it was at work while it was measured.
    busy_ns: Vec<u64>,
    /// Processor time of all load processes, from the beginning of the measuring to the end.
    cpu_ns: u64,
}

impl<'a> Watcher<'a> {
    fn new(probe: &'a Probe, crew: Crew, clock: Clock, total_s: f64, clients: u64) -> Self {
        let before = probe.usage().unwrap_or_default();
        let processes = crew.len();
        Self {
            probe,
            crew,
            clock,
            total_s,
            clients,
            gathered: vec![0; processes],
            looks: Looks { before, gathered: before, ..Looks::default() },
            last_usage: Usage::default(),
            metrics_before: None,
            metrics_after: None,
            pending: Seconds::new(processes),
            whole: std::array::from_fn(|_| (histogram(), 0)),
            counts: BTreeMap::new(),
            seconds: Vec::new(),
            measured_ns: 0,
            drained_ns: 0,
            elapsed_ns: 0,
            busy_ns: vec![0; processes],
            cpu_ns: 0,
        }
    }

    /// Leads all load threads through the run, phase by phase: each phase begins when all have ended the one before.
    fn watch(&mut self, watch: &mut impl FnMut(Progress)) -> anyhow::Result<Outcome> {
        let (mut tally, mut outcome) = (Tally::default(), Outcome::default());
        let mut is_measuring = false;
        loop {
            let (member, news) = self.crew.next()?;
            match news {
                News::Gathered(ready) => {
                    self.gathered[member] = ready;
                    watch(Progress::Gathering { ready: self.gathered.iter().sum(), total: self.clients });
                }
                News::Ready => {
                    if self.crew.waits(member) {
                        self.looks.gathered = self.probe.usage().unwrap_or_default();
                        self.crew.cue(Cue::Load(self.clock.now_ns() + LOAD_LEAD_MS * 1_000_000))?;
                    }
                }
                // All of them measure from the same time on.
                News::Measuring if is_measuring => {}
                News::Measuring => {
                    is_measuring = true;
                    self.metrics_before = self.probe.metrics();
                    self.looks.measuring = self.probe.usage().unwrap_or_default();
                    self.last_usage = self.looks.measuring;
                }
                News::Interval(interval) => self.take(member, interval).into_iter().for_each(&mut *watch),
                News::Draining(_) => {}
                News::Loaded(sent) => {
                    tally.learn(&sent);
                    if self.crew.waits(member) {
                        self.crew.cue(Cue::Drain(tally.clone()))?;
                    }
                }
                News::Settled(sent) => {
                    tally.learn(&sent);
                    if self.crew.waits(member) {
                        self.looks.settled = self.probe.usage().unwrap_or_default();
                        self.metrics_after = self.probe.metrics();
                        self.crew.cue(Cue::Finish(std::mem::take(&mut tally)))?;
                    }
                }
                News::Ended(ended) => {
                    outcome.add(ended.map_err(|why| anyhow!(why))?);
                    if self.crew.waits(member) {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    /// Takes what one load process has told of a second; what happened in it, once all have.
    fn take(&mut self, member: usize, interval: Box<Interval>) -> Option<Progress> {
        if interval.stage == Stage::Measured {
            self.busy_ns[member] += interval.busy_ns;
        }
        let interval = self.pending.add(interval)?;
        let progress = self.take_whole(&interval);
        self.crew.spare(interval);
        progress
    }

    fn take_whole(&mut self, interval: &Interval) -> Option<Progress> {
        let (stage, span_ns) = (interval.stage, interval.span_ns());
        self.elapsed_ns += span_ns;
        if stage != Stage::WarmUp {
            self.cpu_ns += interval.cpu_ns;
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
        let busy_by_process: Vec<_> =
            self.busy_ns.iter().map(|busy_ns| *busy_ns as f64 / self.measured_ns as f64).collect();
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
            busy: busy_by_process.iter().copied().fold(0.0, f64::max),
            busy_by_process,
            cpu_ns_per: cost_each(self.cpu_ns, &whole),
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
