//! One run: load threads make the load; this one gives them their cues, watches them and the server, adds up what they
//! measured, and writes the record.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use hdrhistogram::Histogram;

use super::disturber::Disturber;
use super::order::Order;
use super::progress::Progress;
use crate::clock::Clock;
use crate::crew::Crew;
use crate::engine::{Cue, News, Outcome};
use crate::limits::{LOAD_LEAD_MS, STOP_LEAD_MS, STOP_LOOK_MS};
use crate::measure::{Count, Interval, Measure, Stage, Summary, histogram};
use crate::record::{Disturbed, Looks, Machine, Record, Second, ServerUse, Whole, cost_each};
use crate::seconds::Seconds;
use crate::server::{Metrics, Probe, Usage, change};
use crate::traffic::Tally;

/// Runs a scenario, or one step of its ramp, to its end or until it is to `stop`.
pub(super) fn run_once(order: &Order, stop: &AtomicBool, watch: &mut impl FnMut(Progress)) -> anyhow::Result<Record> {
    let plan = order.scenario.plan()?;
    let probe = Probe::new(&order.pids, order.metrics_url.as_deref())?;
    order.scenario.disturbance.check(order.scenario.run.duration_s)?;
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
    let (outcome, disturbed) = watcher.watch(order, stop, watch)?;
    let started = started.duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(Record { disturbed, ..watcher.record(order, outcome, started) })
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
    /// How far the load is; `None` while clients gather.
    stage: Option<Stage>,
    /// Whether the load is ended before its time.
    is_interrupted: bool,
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
            stage: None,
            is_interrupted: false,
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
    fn watch(
        &mut self,
        order: &Order,
        stop: &AtomicBool,
        watch: &mut impl FnMut(Progress),
    ) -> anyhow::Result<(Outcome, Vec<Disturbed>)> {
        let (mut tally, mut outcome, mut is_to_stop) = (Tally::default(), Outcome::default(), false);
        let (mut disturber, mut disturbed) = (None::<Disturber>, Vec::new());
        loop {
            disturber.as_mut().map_or(Ok(()), Disturber::look)?;
            if !is_to_stop && stop.load(Ordering::Relaxed) {
                is_to_stop = true;
                watch(Progress::Stopping);
                self.stop()?;
            }
            let Some((member, news)) = self.crew.next(Duration::from_millis(STOP_LOOK_MS))? else { continue };
            match news {
                News::Gathered(ready) => {
                    self.gathered[member] = ready;
                    watch(Progress::Gathering { ready: self.gathered.iter().sum(), total: self.clients });
                }
                News::Ready => {
                    if self.crew.waits(member) {
                        self.looks.gathered = self.probe.usage().unwrap_or_default();
                        self.crew.cue(Cue::Load(self.clock.now_ns() + LOAD_LEAD_MS * 1_000_000))?;
                        self.stage = Some(Stage::WarmUp);
                    }
                }
                // All of them measure from the same time on.
                News::Measuring if self.stage == Some(Stage::Measured) => {}
                News::Measuring => {
                    self.stage = Some(Stage::Measured);
                    self.metrics_before = self.probe.metrics();
                    self.looks.measuring = self.probe.usage().unwrap_or_default();
                    self.last_usage = self.looks.measuring;
                    disturber = Some(Disturber::start(order.scenario.disturbance.clone(), order.targets.clone())?);
                }
                News::Interval(interval) => self.take(member, interval).into_iter().for_each(&mut *watch),
                News::Draining(_) => {}
                News::Loaded(sent) => {
                    self.stage = Some(Stage::Drain);
                    if let Some(disturber) = disturber.take() {
                        disturbed = disturber.end()?;
                    }
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
                        return Ok((outcome, disturbed));
                    }
                }
            }
        }
    }

    /// Ends the load soon. A run whose load has ended by itself goes on: what is under way has a bound of its own.
    ///
    /// # Errors
    /// When nothing was measured that could be told.
    fn stop(&mut self) -> anyhow::Result<()> {
        let ready = self.gathered.iter().sum::<u64>();
        ensure!(
            self.stage.is_some(),
            "interrupted when {ready} of {} clients were there, before any load",
            self.clients
        );
        ensure!(self.stage != Some(Stage::WarmUp), "interrupted in the warm-up, before anything was measured");
        if self.stage == Some(Stage::Measured) {
            self.is_interrupted = true;
            self.crew.stop(self.clock.now_ns() + STOP_LEAD_MS * 1_000_000)?;
        }
        Ok(())
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

    fn record(self, order: &Order, outcome: Outcome, started: Duration) -> Record {
        let measured_s = self.measured_ns as f64 / 1e9;
        let happened = Measure::ALL.into_iter().zip(&self.whole).filter(|(_, (whole, _))| !whole.is_empty());
        let whole: BTreeMap<_, _> = happened
            .map(|(measure, (histogram, within))| (measure, Whole::of(histogram, *within, measured_s)))
            .collect();
        let span_s = (self.measured_ns + self.drained_ns) as f64 / 1e9;
        let busy_by_process: Vec<_> =
            self.busy_ns.iter().map(|busy_ns| *busy_ns as f64 / self.measured_ns as f64).collect();
        let server = (!order.pids.is_empty()).then(|| ServerUse::of(&self.looks, self.clients, span_s, &whole));
        let urls: Vec<_> = order.targets.iter().map(|target| target.url.as_str()).collect();
        let server_metrics = match (self.metrics_before, self.metrics_after) {
            (Some(before), Some(after)) => change(&before, &after),
            _ => Metrics::default(),
        };
        Record {
            program: format!("ringpost-loadgen {}", ringpost::VERSION),
            name: order.name.clone(),
            scenario: order.scenario.clone(),
            changed: Vec::new(),
            command: order.command.clone(),
            url: urls.join(" "),
            server_version: outcome.nodes.first().map(|node| node.version.clone()).unwrap_or_default(),
            nodes: outcome.nodes,
            machine: Machine::this(),
            started_unix_ms: started.as_millis() as u64,
            clients: self.clients,
            measured_s,
            is_interrupted: self.is_interrupted,
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
            disturbed: Vec::new(),
            ramp: None,
        }
    }
}
