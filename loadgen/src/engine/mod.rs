//! The load thread: gathers the clients, makes the load, waits for what is under way.
//!
//! A message counts as arrived when the kernel has copied it into this process, so that one look at the clock
//! serves all that came in a turn. Until then it waits in its socket, which counts as latency: a server that is
//! too slow and a load generator that is too slow both show.

mod arrivals;
mod chat;
mod clients;
mod due;
mod slow;
mod storm;
mod work;

use std::sync::mpsc::{Receiver, Sender};

use anyhow::{Context as _, bail};
use ringpost::protocol::centrifuge::Encoding;
use ringpost::ring::{Event, Received};
use rustix::thread::{CpuSet, sched_setaffinity};

use self::clients::Clients;
use self::work::Work;
use crate::fault::Faults;
use crate::limits::{DRAIN_PATIENCE_MS, EVENTS_PER_TURN, GATHER_PATIENCE_MS, HANDSHAKES_MAX};
use crate::measure::{Interval, Stage};
use crate::payload::Payloads;
use crate::plan::Plan;
use crate::protocol::{self, Reader, Terms, Writer};
use crate::slow::Fates;
use crate::swarm::Swarm;
use crate::target::Target;

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;
/// How often a phase that waits looks around.
const LOOK_NS: u64 = 10 * MILLISECOND_NS;

/// What a load thread is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// Who does what.
    pub plan: Plan,
    /// Against which server.
    pub target: Target,
    /// In which encoding.
    pub encoding: Encoding,
    /// Of each message.
    pub payload_bytes: usize,
    /// What each channel is called.
    pub channel_names: Vec<String>,
    /// What tokens are signed with; without it there are none.
    pub secret: Option<String>,
    /// Load that does not count, nanoseconds.
    pub warm_up_ns: u64,
    /// Load that counts, nanoseconds.
    pub duration_ns: u64,
}

/// What the load thread tells while it runs, in this order.
#[derive(Debug)]
pub enum News {
    /// So many clients are there.
    Gathered(usize),
    /// The warm-up is over: what happens from now on counts.
    Measuring,
    /// A second is over, or what was left of one. Clear the interval and send it back when it was read.
    Interval(Box<Interval>),
    /// Everything has arrived, or will not. The connections stay open until nobody sends intervals back any more.
    Settled,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What the server did wrong.
    pub faults: Faults,
    /// What was due and was not sent.
    pub behind: u64,
    /// How often clients could not connect that tried again later.
    pub attempts_failed: u64,
    /// What became of subscribers that stopped reading.
    pub fates: Fates,
    /// The version that the server told.
    pub server_version: String,
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
    news: Sender<News>,
    spares: Receiver<Box<Interval>>,
}

impl Engine {
    /// Prepares a job. What happens goes to `news`; intervals that were read and cleared come back through `spares`.
    ///
    /// # Errors
    /// What the host lacks, or the protocol does not know.
    pub fn new(job: Job, news: Sender<News>, spares: Receiver<Box<Interval>>) -> anyhow::Result<Self> {
        protocol::check(&job.target, &job.plan, &job.channel_names)?;
        let has_audience = job.plan.clients.iter().any(|channels| !channels.is_empty());
        let terms = Terms { encoding: job.encoding, payload_bytes: job.payload_bytes, has_audience };
        let mut reader = Reader::new(&job.target, &terms);
        let work = Work::prepare(&job.plan);
        if let Work::Chat(_) = work {
            reader.read_whole();
        }
        let clients = Clients {
            swarm: Swarm::new(job.target.clone())?,
            keys: Vec::with_capacity(job.plan.clients.len()),
            plan: job.plan,
            work,
            interval: Box::default(),
            faults: Faults::default(),
            ready: 0,
            server_version: None,
            writer: Writer::new(&job.target, &terms),
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
            news,
            spares,
        })
    }

    /// Does it, from the first connection to the last.
    ///
    /// # Errors
    /// When the clients cannot all come in, or the kernel fails.
    pub fn run(mut self) -> anyhow::Result<Outcome> {
        self.gather()?;
        self.make_load()?;
        self.drain()?;
        self.tell(News::Settled);
        while self.spares.recv().is_ok() {}
        let clients = &mut self.clients;
        let behind = clients.work.finish(self.stage_end_ns, &mut clients.faults);
        let server_version = self.clients.server_version.unwrap_or_default();
        let attempts_failed = self.clients.work.attempts_failed();
        let fates = self.clients.work.fates();
        Ok(Outcome { faults: self.clients.faults, behind, attempts_failed, fates, server_version })
    }

    fn tell(&self, news: News) {
        // Without a listener the run goes on: its outcome is still to come.
        let _ = self.news.send(news);
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
                        Received::End => clients.ended(conn),
                        Received::NoBuffer | Received::Stopped => {}
                    }
                    if !more {
                        clients.swarm.receive_again(conn);
                    }
                }
                Event::Writable { conn } => clients.writable(conn, &self.reader),
                Event::Elapsed | Event::Accepted { .. } | Event::Woken { .. } => {}
            }
        }
        if self.stage != Stage::Drain {
            // What is due at the end of a stage belongs to the next one, and is not sent after the last.
            busy |= clients.act(now_ns.min(self.stage_end_ns.saturating_sub(1)));
        } else if let Work::Chat(_) = clients.work {
            // Who is away comes back.
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
        let total = self.clients.plan.clients.len();
        let (mut last_ready, mut patient_until_ns) = (0, GATHER_PATIENCE_MS * MILLISECOND_NS);
        while self.clients.ready < total {
            let now_ns = self.clients.swarm.now_ns();
            while self.clients.keys.len() < total && self.clients.keys.len() < self.clients.ready + HANDSHAKES_MAX {
                let client = self.clients.keys.len() as u32;
                self.clients.open(client, now_ns);
                if !self.clients.faults.is_empty() {
                    break;
                }
            }
            self.turn(now_ns + LOOK_NS)?;
            let ready = self.clients.ready;
            if ready > last_ready {
                (last_ready, patient_until_ns) = (ready, now_ns + GATHER_PATIENCE_MS * MILLISECOND_NS);
                self.tell(News::Gathered(ready));
            }
            if let Some(first) = self.clients.faults.examples.first() {
                bail!("{first}{}", advice(first));
            }
            if now_ns > patient_until_ns {
                bail!("only {ready} of {total} clients were let in, the others wait: is there a limit on connections?");
            }
        }
        Ok(())
    }

    /// Makes the load.
    fn make_load(&mut self) -> anyhow::Result<()> {
        let begin_ns = self.clients.swarm.now_ns();
        let clients = &mut self.clients;
        let measured_ns = begin_ns + self.warm_up_ns;
        clients.work.begin(&clients.plan, self.reader.answers_publish(), begin_ns, measured_ns);
        clients.interval.clear();
        clients.interval.begin_ns = begin_ns;
        let end_ns = measured_ns + self.duration_ns;
        for (stage, stage_end_ns) in [(Stage::WarmUp, measured_ns), (Stage::Measured, end_ns)] {
            self.begin(stage);
            self.stage_end_ns = stage_end_ns;
            while self.clients.interval.begin_ns < stage_end_ns {
                let interval_end_ns = stage_end_ns.min(self.clients.interval.begin_ns + SECOND_NS);
                while self.turn(self.clients.work.next_due_ns().min(interval_end_ns))? < interval_end_ns {
                    if self.clients.work.is_over() {
                        self.stage_end_ns = self.clients.swarm.now_ns();
                        self.cut(self.stage_end_ns);
                        return Ok(());
                    }
                }
                self.cut(interval_end_ns);
            }
        }
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
        let mut next = self.spares.try_recv().unwrap_or_default();
        (next.stage, next.begin_ns) = (self.stage, now_ns);
        let mut ended = std::mem::replace(&mut self.clients.interval, next);
        ended.end_ns = now_ns;
        self.tell(News::Interval(ended));
    }

    /// Waits for what is under way.
    fn drain(&mut self) -> anyhow::Result<()> {
        self.begin(Stage::Drain);
        self.clients.end_load(self.stage_end_ns);
        let mut now_ns = self.clients.swarm.now_ns();
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
        }
        self.cut(now_ns);
        Ok(())
    }
}

/// What a person can do about a server that does not let clients in.
fn advice(fault: &str) -> &'static str {
    let says = |text: &str| fault.contains(text);
    if says("refused (os error") {
        "\nIs the server running? Give its address with --url"
    } else if says("101: ") || says("3500 ") || says("3501 ") || says("109: ") {
        "\nGive the key that the server checks tokens with: --secret"
    } else if says("cannot recover") {
        "\nLet the server keep what is published: the namespace of `channel_prefix` needs history_size, history_ttl and \
         force_recovery or allow_recovery. docs/LOADGEN.md shows a configuration for `chat`"
    } else if says("102: ") || says("103: ") {
        "\nLet clients subscribe and publish in the server's configuration, or name a namespace in which they may: \
         --set channel_prefix=NAMESPACE:"
    } else {
        ""
    }
}
