//! The mover: takes the records of the way up into the order of their channels.
//!
//! ```text
//! Kafka ─records→ reader (a thread) ─by bucket→ queues ─a call a bucket→ Redis
//!   ↑ └──the group── ↑    │ unusable                        │ in its place
//!   │                └────┼────────────── done ─────────────┤
//!   └─── graves ──────────┘    loopback ← or ←─── deliver ←─┘
//! ```
//!
//! All nodes with edges share the partitions of the topic as one consumer group. A record is moved once per generation of its
//! bucket: the bucket keeps, in the call that gives the record its place, up to where the partition was moved, and skips what
//! comes again. So nothing hangs on the group's position but how much is read again. `docs/decisions/kafka.md` has the reasons.

mod generations;
mod graves;
mod group;
pub mod metrics;
mod partition;
mod places;
mod queues;
mod reader;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::graves::Graves;
use self::group::Group;
use self::metrics::MoverMetrics;
use self::queues::{Queues, Ways, Writers};
use self::reader::{Reader, ReaderSetup};
use super::deliver;
use super::loopback::Loopback;
use super::producer::Producer;
use super::publications;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::keys::Keys;
use crate::config::Config;
use crate::vital;

/// How long a node that ends waits for its mover, and between two looks.
const LEAVE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(10);

/// What a mover is given.
#[derive(Debug)]
pub struct MoverSetup {
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where records are written.
    pub producer: Arc<Producer>,
    /// The calls of the node's incarnation; none while it acts dead.
    pub functions: watch::Receiver<Option<Arc<Functions>>>,
    /// By which the node itself is told.
    pub loopback: Arc<Loopback>,
    /// Where calls are made.
    pub runtime: Handle,
    /// Told when the node is about to leave.
    pub ending: watch::Receiver<bool>,
}

/// A mover that runs.
#[derive(Debug)]
pub struct Mover {
    /// What it counts.
    pub metrics: Arc<MoverMetrics>,
    thread: JoinHandle<()>,
}

impl Mover {
    /// Starts it. No broker is waited for.
    ///
    /// # Errors
    /// An option that librdkafka does not know; no thread.
    pub fn start(setup: MoverSetup) -> anyhow::Result<Self> {
        let MoverSetup { config, producer, functions, loopback, runtime, ending } = setup;
        let in_force = config.borrow().clone();
        let kafka = &in_force.cluster.kafka;
        let group = Group::new(kafka, &in_force.name).context("cluster.kafka")?;
        let metrics = Arc::<MoverMetrics>::default();
        let writers = Writers {
            deliver: deliver::Writer::new(producer.clone(), kafka, loopback),
            publications: publications::Writer::new(producer.clone(), kafka),
            graves: Graves::new(producer, kafka.topics.clone()),
        };
        let (done_in, done) = flume::unbounded();
        let keys = Keys::new(&in_force.cluster.redis);
        let ways = Ways { topic: kafka.topics.publish.clone(), keys, format: kafka.format };
        let queues = Queues::new(ways, functions.clone(), runtime.clone(), writers, done_in, metrics.clone());
        let setup = ReaderSetup { group, queues, done, functions, runtime, config, metrics: metrics.clone() };
        let reader = Reader::new(setup)?;
        let thread = vital::spawn("mover", move || reader.run(&ending));
        Ok(Self { metrics, thread: thread.context("no thread for the mover")? })
    }

    /// Waits until it has ended, after it was told that the node is about to leave: for a while, since leaving a group whose brokers
    /// are away takes long. What it has not told them is read again.
    ///
    /// # Errors
    /// It has panicked.
    pub fn wait(self) -> anyhow::Result<()> {
        let until = Instant::now() + LEAVE;
        while !self.thread.is_finished() {
            if Instant::now() >= until {
                tracing::warn!("the mover of records has not left its group, which sees that after a session");
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        self.thread.join().map_err(|_| anyhow!("the mover panicked"))
    }
}
