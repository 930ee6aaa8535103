//! The role `state`: who is online, since when, and who was seen when, derived from `user.login.log`.
//!
//! ```text
//! user.login.log ─→ consumer ─→ happened ─→ buckets (Redis: state and position in one step) ─→ teller ─→ session.update
//!                       place (where a partition begins, what was lost)      ↑
//!                       owners (nodes that have died without a goodbye) ─────┤
//!                       walk (what nodes have and no record told of) ────────┘
//! API ←─ view ─→ buckets
//! ```
//!
//! What the role does lies in a file each: `beginnings` (partitions), `records`, `builds` (what was read anew), `rounds` (looking again
//! and again), `deaths` (of nodes).
//!
//! A record is applied once: the bucket of its user keeps up to which record of each partition it is. What follows from it waits in
//! the bucket until `session.update` has it, and only then does the group's position go on. So any process may die at any moment,
//! and any other goes on. Order is that of a user's records in their partition; no clock but that of Redis is believed.

mod beginnings;
mod buckets;
mod builds;
mod deaths;
mod dying;
mod happened;
mod library;
mod metrics;
mod owners;
mod passed;
mod place;
mod records;
mod rounds;
mod teller;
mod trouble;
pub mod view;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use self::buckets::Buckets;
use self::dying::Dying;
use self::happened::Taken;
pub use self::metrics::StateMetrics;
use self::owners::Owners;
use self::passed::PassedOver;
use self::place::Place;
use self::teller::Teller;
use self::trouble::Trouble;
use self::view::StateView;
use self::walk::Walk;
use super::consumer::{Consumer, Incoming};
use super::pulse::{Partition, Pulse};
use crate::cluster::kafka::producer::Producer;
use crate::config::Config;
use crate::limits::STATE_BATCH_MAX;

/// How often it is looked for what nothing tells of.
const PAUSE: Duration = Duration::from_secs(1);

/// After something has gone wrong, before the same is tried again.
const PAUSE_AWAY: Duration = Duration::from_millis(500);

/// See the module.
pub struct StateRole {
    consumer: Consumer,
    topic: String,
    buckets: Buckets,
    teller: Teller,
    metrics: Arc<StateMetrics>,
    passed_over: Arc<PassedOver>,
    pulse: Arc<Pulse>,
    /// Where the partitions stand that are this process'.
    places: BTreeMap<i32, Place>,
    /// Those whose places are to be found, or found again.
    unready: BTreeSet<i32>,
    /// Those of which what is known of them is of records that are no more.
    anew: BTreeSet<i32>,
    owners: Owners,
    /// Incarnations whose leases live.
    living: Vec<u8>,
    dying: Option<Dying>,
    walk: Walk,
    looks: u32,
    /// The bucket that is looked at next.
    next_look: u16,
    /// Buckets in which something was to be told when they were looked at last.
    waiting: BTreeSet<u16>,
    adopting_rounds: u32,
    /// Whether what was asked of Kafka last has failed.
    is_deaf: bool,
    said: &'static str,
    id: String,
}

/// What has come, without a hold on the consumer.
enum Heard {
    Time,
    Assigned(Vec<Partition>),
    Revoked,
    /// Records, and then that these partitions have no more for now.
    Records(Vec<Taken>, Vec<i32>),
    Failed(KafkaError),
}

impl StateRole {
    /// Must be called within the runtime of the roles. Nothing is waited for.
    ///
    /// # Errors
    /// Options that a client does not know, files that cannot be read.
    pub fn new(config: &Config, producer: Arc<Producer>, view: &StateView) -> anyhow::Result<Self> {
        let kafka = &config.cluster.kafka;
        let (metrics, pulse) = (view.metrics.clone(), view.pulse.clone());
        let (client_id, group) = (format!("{}-state", config.name), format!("{}.state", kafka.group));
        let topic = kafka.topics.login.clone();
        let passed_over = Arc::new(PassedOver::new(metrics.clone()));
        Ok(Self {
            consumer: Consumer::new(kafka, &client_id, &group, &[&topic], pulse.clone())?,
            topic,
            buckets: Buckets::new(&config.cluster.redis)?,
            teller: Teller::new(producer, kafka, metrics.clone(), passed_over.clone()),
            metrics,
            passed_over,
            pulse,
            places: BTreeMap::new(),
            unready: BTreeSet::new(),
            anew: BTreeSet::new(),
            owners: Owners::default(),
            living: Vec::new(),
            dying: None,
            walk: Walk::begin(Instant::now()),
            looks: 0,
            next_look: 0,
            waiting: BTreeSet::new(),
            adopting_rounds: 0,
            is_deaf: false,
            said: "",
            id: Uuid::new_v4().to_string(),
        })
    }

    /// Goes on until it is to end; what was read is done by then, or another process' to do.
    ///
    /// # Errors
    /// Nothing that time may mend.
    pub async fn run(mut self, mut ending: watch::Receiver<bool>) -> anyhow::Result<()> {
        let mut timer = interval(PAUSE);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = tokio::select! {
                biased;
                _ = ending.wait_for(|ending| *ending) => break,
                _ = timer.tick() => Heard::Time,
                heard = hear(&mut self.consumer) => heard,
            };
            match self.take_in(heard).await {
                Ok(()) => self.well(),
                Err(trouble) => {
                    self.trouble(&trouble);
                    tokio::select! {
                        _ = ending.wait_for(|ending| *ending) => break,
                        () = sleep(PAUSE_AWAY) => {}
                    }
                }
            }
        }
        Ok(())
    }

    async fn take_in(&mut self, heard: Heard) -> Result<(), Trouble> {
        match heard {
            Heard::Time => self.look().await,
            Heard::Assigned(partitions) => {
                self.places.clear();
                self.unready = partitions.into_iter().map(|(_, partition)| partition).collect();
                // Of the others it is known once something is read, or that there is nothing.
                self.is_deaf &= !self.unready.is_empty();
                self.make_ready().await
            }
            Heard::Revoked => {
                self.places.clear();
                self.unready.clear();
                Ok(())
            }
            Heard::Records(records, ended) => {
                self.is_deaf = false;
                self.take(records).await?;
                self.have_ended(ended).await
            }
            Heard::Failed(error) => {
                // Who has no partitions reads nothing by which it would be known that it is over.
                self.is_deaf = !self.places.is_empty() || !self.unready.is_empty();
                Err(error.into())
            }
        }
    }

    fn well(&mut self) {
        if self.is_deaf {
            return;
        }
        self.pulse.failing(false);
        if !std::mem::take(&mut self.said).is_empty() {
            tracing::info!("the role state goes on");
        }
    }

    /// What was read and not done is read again.
    fn trouble(&mut self, trouble: &Trouble) {
        self.metrics.failed(trouble.kind());
        match trouble {
            Trouble::Lost(partition) => {
                tracing::warn!(partition, "the role state has lost something in Redis, and reads it again");
                self.unready.insert(*partition);
                return;
            }
            Trouble::Anew(partition) => {
                tracing::warn!(
                    partition,
                    "the login log has begun anew, or has lost its end: the state is compared with it"
                );
                self.anew.insert(*partition);
                self.unready.insert(*partition);
                return;
            }
            _ => self.pulse.failing(true),
        }
        if self.said != trouble.kind() {
            tracing::warn!(%trouble, "the role state cannot go on for now");
            self.said = trouble.kind();
        }
        if let Err(error) = self.begin() {
            tracing::debug!(%error, "the role state cannot go back");
        }
    }
}

/// Waits for what comes next, and takes with it what is there already.
async fn hear(consumer: &mut Consumer) -> Heard {
    let (mut records, mut ended) = (Vec::new(), Vec::new());
    match consumer.next().await {
        Ok(Incoming::Record(message)) => records.push(Taken::of(&message)),
        Ok(Incoming::End(partition)) => ended.push(partition),
        Ok(Incoming::Assigned(partitions)) => return Heard::Assigned(partitions),
        Ok(Incoming::Revoked) => return Heard::Revoked,
        Err(error) => return Heard::Failed(error),
    }
    while records.len() < STATE_BATCH_MAX {
        match consumer.ready() {
            Some(Ok(Incoming::Record(message))) => records.push(Taken::of(&message)),
            Some(Ok(Incoming::End(partition))) => ended.push(partition),
            _ => break,
        }
    }
    Heard::Records(records, ended)
}

impl std::fmt::Debug for StateRole {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StateRole({} partitions)", self.places.len())
    }
}
