//! The load thread: gathers the clients, makes the load, waits for what is under way.
//!
//! A message counts as arrived when the kernel has copied it into this process, so that one look at the clock
//! serves all that came in a turn. Until then it waits in its socket, which counts as latency: a server that is
//! too slow and a load generator that is too slow both show.

mod arrivals;
mod chat;
mod clients;
mod due;
mod inbox;
mod news;
mod receive;
mod receiving;
mod recover;
mod recovery;
mod slow;
mod storm;
mod work;

use std::sync::mpsc::{Receiver, Sender, TryRecvError};

use anyhow::{Context as _, bail};
use ringpost::protocol::centrifuge::Encoding;
use ringpost::ring::{Event, Received};
use rustix::thread::{CpuSet, sched_setaffinity};

use self::clients::Clients;
pub use self::news::{Cue, News, Outcome};
use self::work::Work;
use crate::advice::advice;
use crate::clock::{Clock, thread_cpu_ns};
use crate::fault::Faults;
use crate::limits::{DRAIN_PATIENCE_MS, EVENTS_PER_TURN, GATHER_PATIENCE_MS, HANDSHAKES_MAX, STOP_LOOK_MS};
use crate::measure::{Interval, Stage};
use crate::nodes::NodeUse;
use crate::payload::Payloads;
use crate::protocol::{Reader, Terms, Writer};
use crate::share::{Part, Share};
use crate::swarm::Swarm;
use crate::target::Targets;
use crate::traffic::Tally;

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
/// How often a phase that waits looks around.
const LOOK_NS: u64 = 10 * MILLISECOND_NS;

/// What a load thread is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The part of the clients that this process plays.
    pub share: Share,
    /// The server's nodes, and how to reach them.
    pub targets: Targets,
    /// How words are written to the server.
    pub encoding: Encoding,
    /// Bytes of each message.
    pub payload_bytes: usize,
    /// Whether the thread polls its ring in place of waiting.
    pub busy_poll: bool,
    /// Whether clients acknowledge what they read at once, whatever they say.
    pub quick_ack: bool,
    /// What each channel is called.
    pub channel_names: Vec<String>,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// Load that does not count, nanoseconds.
    pub warm_up_ns: u64,
    /// Load that counts, nanoseconds.
    pub duration_ns: u64,
    /// The clock of the run.
    pub clock: Clock,
}

/// How a load thread is spoken with.
#[derive(Debug)]
pub struct Line {
    /// Which one of several load threads it is.
    pub member: usize,
    /// What happens goes here.
    pub news: Sender<(usize, News)>,
    /// When to go on comes from here.
    pub cues: Receiver<Cue>,
    /// Intervals that were read and cleared come back through this.
    pub spares: Receiver<Box<Interval>>,
}

/// Binds the calling thread to a core.
///
/// # Errors
/// When the process may not use it.
pub fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("core {core} cannot be used: choose another with --core"))
}

/// A load thread's work.
#[derive(Debug)]
pub struct Engine {
    clients: Clients,
    reader: Reader,
    events: Vec<Event>,
    stage: Stage,
    warm_up_ns: u64,
    duration_ns: u64,
    /// When the stage ends, once the load has begun.
    stage_end_ns: u64,
    /// Processor time of this thread when the interval began.
    cpu_ns: u64,
    line: Line,
}

/// The key of no connection: of a client that is not here.
const NO_KEY: u32 = u32::MAX;

impl Engine {
    /// Prepares a job.
    ///
    /// # Errors
    /// What the host lacks.
    pub fn new(job: Job, line: Line) -> anyhow::Result<Self> {
        let has_audience = job.share.has_audience;
        let terms = Terms { encoding: job.encoding, payload_bytes: job.payload_bytes, has_audience };
        let mut reader = Reader::new(job.targets.first(), &terms);
        let work = Work::prepare(&job.share.plan, job.targets.first().knows_received());
        if let Work::Chat(_) | Work::Inbox(_) | Work::Recovery(_) | Work::Receiving(_) = work {
            reader.read_whole(true);
        }
        let clients = Clients {
            keys: vec![NO_KEY; job.share.plan.clients.len()],
            connections: vec![0; job.share.plan.clients.len()],
            nodes: job.targets.iter().map(|target| NodeUse::new(&target.url)).collect(),
            writer: Writer::new(job.targets.first(), &terms),
            swarm: Swarm::new(job.targets, job.clock, job.share.part.index)?
                .busy_poll(job.busy_poll)
                .quick_ack(job.quick_ack),
            opened: 0,
            share: job.share,
            work,
            interval: Box::default(),
            faults: Faults::default(),
            ready: 0,
            payloads: Payloads::new(job.payload_bytes),
            channel_names: job.channel_names,
            secret: job.secret,
        };
        Ok(Self {
            clients,
            reader,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            stage: Stage::WarmUp,
            warm_up_ns: job.warm_up_ns,
            duration_ns: job.duration_ns,
            stage_end_ns: 0,
            cpu_ns: 0,
            line,
        })
    }

    /// Does it, from the first connection to the last.
    ///
    /// # Errors
    /// When the clients cannot all come in, or the kernel fails.
    pub fn run(mut self) -> anyhow::Result<Outcome> {
        self.gather()?;
        self.tell(News::Ready);
        let begin_ns = match self.await_cue()? {
            Cue::Load(begin_ns) => begin_ns,
            cue => unreachable!("{cue:?} before the load"),
        };
        self.make_load(begin_ns)?;
        self.begin(Stage::Drain);
        self.clients.end_load(self.stage_end_ns);
        self.tell(News::Loaded(self.tally()));
        self.learn()?;
        self.drain()?;
        self.tell(News::Settled(self.tally()));
        self.learn()?;
        let clients = &mut self.clients;
        let behind = clients.work.finish(self.stage_end_ns, &mut clients.faults);
        let attempts_failed = self.clients.work.attempts_failed();
        let fates = self.clients.work.fates();
        Ok(Outcome { faults: self.clients.faults, behind, attempts_failed, fates, nodes: self.clients.nodes })
    }

    fn tell(&self, news: News) {
        // Without a listener the run goes on until it needs a cue.
        let _ = self.line.news.send((self.line.member, news));
    }

    /// Waits until it may go on. Meanwhile clients hear and answer as ever.
    fn await_cue(&mut self) -> anyhow::Result<Cue> {
        loop {
            match self.line.cues.try_recv() {
                // The load has ended by itself.
                Ok(Cue::Stop(_)) => {}
                Ok(cue) => return Ok(cue),
                Err(TryRecvError::Disconnected) => bail!("the run was given up"),
                Err(TryRecvError::Empty) => drop(self.turn(self.clients.swarm.now_ns() + LOOK_NS)?),
            }
        }
    }

    /// What was sent, as far as it is known here.
    fn tally(&self) -> Tally {
        self.clients.work.traffic().map(|traffic| traffic.tally().clone()).unwrap_or_default()
    }

    /// Waits until others tell what they have sent.
    fn learn(&mut self) -> anyhow::Result<()> {
        let (Cue::Drain(tally) | Cue::Finish(tally)) = self.await_cue()? else { unreachable!("the load has been") };
        if let Some(traffic) = self.clients.work.traffic_mut() {
            traffic.learn(&tally);
        }
        Ok(())
    }

    /// One turn: what has happened, what is due, one send per connection. Waits until `until_ns` at the most.
    fn turn(&mut self, until_ns: u64) -> anyhow::Result<u64> {
        let clients = &mut self.clients;
        let woke_ns = clients.swarm.turn(until_ns, &mut self.events).context("the ring fails")?;
        let now_ns = clients.swarm.now_ns();
        let mut busy = !self.events.is_empty();
        for event in self.events.drain(..) {
            match event {
                Event::Received { conn, received, more } => {
                    match received {
                        Received::Bytes(mut bytes) => clients.received(conn, &mut bytes, &self.reader, now_ns),
                        Received::End | Received::Failed(_) => clients.ended(conn),
                        Received::NoBuffer | Received::Stopped => {}
                    }
                    if !more {
                        clients.swarm.receive_again(conn);
                    }
                }
                Event::Writable { conn } => clients.writable(conn, &self.reader),
                Event::Elapsed
                | Event::Accepted { .. }
                | Event::Woken { .. }
                | Event::Written { .. }
                | Event::Prepared(_) => {}
            }
        }
        if self.stage != Stage::Drain {
            // What is due at the end of a stage belongs to the next one, and is not sent after the last.
            busy |= clients.act(now_ns.min(self.stage_end_ns.saturating_sub(1)));
        } else if let Work::Chat(_) | Work::Inbox(_) | Work::Receiving(_) = clients.work {
            // Who is away comes back, and who has received says so.
            busy |= clients.act(now_ns);
        }
        clients.swarm.flush();
        if busy {
            clients.interval.busy_ns += clients.swarm.now_ns() - woke_ns;
        }
        Ok(now_ns)
    }

    /// Opens the connections of the plan.
    fn gather(&mut self) -> anyhow::Result<()> {
        let total = self.clients.share.clients.len();
        let handshakes_max = (HANDSHAKES_MAX / self.clients.share.part.of as usize).max(1);
        let (mut last_ready, mut patient_until_ns) =
            (0, self.clients.swarm.now_ns() + GATHER_PATIENCE_MS * MILLISECOND_NS);
        while self.clients.ready < total {
            let now_ns = self.clients.swarm.now_ns();
            while self.clients.opened < total && self.clients.opened < self.clients.ready + handshakes_max {
                let client = self.clients.share.clients[self.clients.opened];
                self.clients.opened += 1;
                self.clients.open(client, now_ns);
                if !self.clients.faults.is_empty() {
                    break;
                }
            }
            self.turn(now_ns + LOOK_NS)?;
            if matches!(self.line.cues.try_recv(), Err(TryRecvError::Disconnected)) {
                bail!("the run was given up");
            }
            let ready = self.clients.ready;
            if ready > last_ready {
                (last_ready, patient_until_ns) = (ready, now_ns + GATHER_PATIENCE_MS * MILLISECOND_NS);
                self.tell(News::Gathered(ready as u64));
            }
            if let Some(first) = self.clients.faults.examples.first() {
                bail!("{first}{}", advice(first));
            }
            if now_ns > patient_until_ns {
                let patience_s = GATHER_PATIENCE_MS / 1000;
                if ready == 0 {
                    let silence = format!("the server never answered any of {total} clients, in {patience_s} s");
                    bail!("{silence}{}", advice(&silence));
                }
                bail!(
                    "only {ready} of {total} clients were let in and none in the last {patience_s} s: is there a limit on \
                     connections?"
                );
            }
        }
        Ok(())
    }

    /// Makes the load.
    fn make_load(&mut self, begin_ns: u64) -> anyhow::Result<()> {
        while self.turn(begin_ns)? < begin_ns {}
        let clients = &mut self.clients;
        if let Work::Receiving(_) = clients.work {
            // All are in, and know their offsets.
            self.reader.read_whole(false);
        }
        let measured_ns = begin_ns + self.warm_up_ns;
        clients.work.begin(&clients.share, self.reader.answers_publish(), begin_ns, measured_ns);
        clients.nodes.iter_mut().for_each(NodeUse::begin);
        clients.interval.clear();
        clients.interval.begin_ns = begin_ns;
        self.cpu_ns = thread_cpu_ns();
        let end_ns = measured_ns + self.duration_ns;
        for (stage, stage_end_ns) in [(Stage::WarmUp, measured_ns), (Stage::Measured, end_ns)] {
            self.begin(stage);
            self.stage_end_ns = stage_end_ns;
            while self.clients.interval.begin_ns < self.stage_end_ns {
                self.pass_second()?;
            }
        }
        Ok(())
    }

    /// A second of load, or what is left of the stage.
    fn pass_second(&mut self) -> anyhow::Result<()> {
        let second_end_ns = self.clients.interval.begin_ns + SECOND_NS;
        let mut now_ns = self.clients.interval.begin_ns;
        while now_ns < second_end_ns.min(self.stage_end_ns) {
            let look_ns = now_ns + STOP_LOOK_MS * MILLISECOND_NS;
            let until_ns = self.clients.work.next_due_ns().min(look_ns).min(second_end_ns).min(self.stage_end_ns);
            now_ns = self.turn(until_ns)?;
            match self.line.cues.try_recv() {
                // A thread that hears it too late has a second that the others lack; its end cannot be before its beginning.
                Ok(Cue::Stop(at_ns)) => {
                    let at_ns = at_ns.max(self.clients.interval.begin_ns + 1);
                    self.stage_end_ns = self.stage_end_ns.min(at_ns);
                }
                Ok(cue) => unreachable!("{cue:?} while the load is made"),
                Err(TryRecvError::Disconnected) => bail!("the run was given up"),
                Err(TryRecvError::Empty) => {}
            }
            // Of several load processes none knows about the others.
            if self.clients.share.part == Part::WHOLE && self.clients.are_done() {
                self.stage_end_ns = now_ns;
            }
        }
        self.cut(second_end_ns.min(self.stage_end_ns));
        Ok(())
    }

    fn begin(&mut self, stage: Stage) {
        self.stage = stage;
        self.clients.interval.stage = stage;
        if stage == Stage::Measured {
            self.tell(News::Measuring);
        }
    }

    /// Ends the interval and begins the next.
    fn cut(&mut self, now_ns: u64) {
        let mut next = self.line.spares.try_recv().unwrap_or_default();
        (next.stage, next.begin_ns) = (self.stage, now_ns);
        let mut ended = std::mem::replace(&mut self.clients.interval, next);
        ended.end_ns = now_ns;
        let cpu_ns = thread_cpu_ns();
        ended.cpu_ns = cpu_ns - std::mem::replace(&mut self.cpu_ns, cpu_ns);
        self.tell(News::Interval(ended));
    }

    /// Waits for what is under way.
    fn drain(&mut self) -> anyhow::Result<()> {
        let mut now_ns = self.clients.swarm.now_ns();
        let mut told_ns = now_ns;
        let (mut last_under_way, mut patient_until_ns) = (u64::MAX, now_ns + DRAIN_PATIENCE_MS * MILLISECOND_NS);
        loop {
            let under_way = self.clients.work.under_way();
            if under_way < last_under_way {
                (last_under_way, patient_until_ns) = (under_way, now_ns + DRAIN_PATIENCE_MS * MILLISECOND_NS);
            }
            if under_way == 0 || now_ns > patient_until_ns {
                break;
            }
            now_ns = self.turn(now_ns + LOOK_NS)?;
            if now_ns > told_ns + SECOND_NS {
                told_ns = now_ns;
                self.tell(News::Draining(under_way));
            }
        }
        self.cut(now_ns);
        Ok(())
    }
}
