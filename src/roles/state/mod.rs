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
//! A record is applied once: the bucket of its user keeps up to which record of each partition it is. What follows from it waits in
//! the bucket until `session.update` has it, and only then does the group's position go on. So any process may die at any moment,
//! and any other goes on. Order is that of a user's records in their partition; no clock but that of Redis is believed.

mod buckets;
mod happened;
mod library;
mod metrics;
mod owners;
mod place;
mod teller;
mod trouble;
pub mod view;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rdkafka::error::KafkaError;
use redis::Value;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use self::buckets::{Applied, Buckets, Happening, Look};
use self::happened::{Said, Taken};
pub use self::metrics::StateMetrics;
use self::owners::Owners;
use self::place::{Place, Rebuild, plan};
use self::teller::Teller;
use self::trouble::Trouble;
use self::view::StateView;
use self::walk::Walk;
use super::consumer::{Consumer, Incoming};
use super::pulse::{Partition, Pulse};
use crate::cluster::kafka::producer::Producer;
use crate::cluster::redis::leases;
use crate::config::Config;
use crate::limits::{
    STATE_ADOPTED_AT_ONCE, STATE_BATCH_MAX, STATE_CALLS_AT_ONCE, STATE_CHECK_MS, STATE_CLAIM_MS, STATE_LOOKS_PER_ROUND,
    STATE_USERS_AT_ONCE,
};

/// How often it is looked for what nothing tells of.
const PAUSE: Duration = Duration::from_secs(1);

/// After something has gone wrong, before the same is tried again.
const PAUSE_AWAY: Duration = Duration::from_millis(500);

/// After so many looks the leases are looked at.
const LOOKS_PER_LEASES: u32 = 3;

/// Rounds through all buckets after a rebuild in which the nodes' register is looked through again: nodes that have lost it as well
/// put their sessions anew.
const ADOPTING_ROUNDS: u32 = 6;

/// See the module.
pub struct StateRole {
    consumer: Consumer,
    topic: String,
    buckets: Buckets,
    teller: Teller,
    metrics: Arc<StateMetrics>,
    pulse: Arc<Pulse>,
    /// Where the partitions stand that are this process'.
    places: BTreeMap<i32, Place>,
    /// Those whose places are to be found, or found again.
    unready: BTreeSet<i32>,
    owners: Owners,
    /// Incarnations whose leases live.
    living: Vec<u8>,
    /// A dead node, when it was seen last, and the bucket in which its sessions are ended next.
    dying: Option<(String, u64, u16)>,
    walk: Walk,
    looks: u32,
    /// The bucket that is looked at next.
    next_look: u16,
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
    Records(Vec<Taken>),
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
        Ok(Self {
            consumer: Consumer::new(kafka, &client_id, &group, &[&topic], pulse.clone())?,
            topic,
            buckets: Buckets::new(&config.cluster.redis)?,
            teller: Teller::new(producer, kafka, metrics.clone()),
            metrics,
            pulse,
            places: BTreeMap::new(),
            unready: BTreeSet::new(),
            owners: Owners::default(),
            living: Vec::new(),
            dying: None,
            walk: Walk::begin(Instant::now()),
            looks: 0,
            next_look: 0,
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
                self.is_deaf = false;
                self.make_ready().await
            }
            Heard::Revoked => {
                self.places.clear();
                self.unready.clear();
                Ok(())
            }
            Heard::Records(records) => {
                self.is_deaf = false;
                self.take(records).await
            }
            Heard::Failed(error) => {
                self.is_deaf = true;
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

    fn named(&self, partition: i32) -> Partition {
        (self.topic.clone(), partition)
    }

    /// Has all partitions begin where they stand, once that is known of all.
    fn begin(&self) -> Result<(), KafkaError> {
        if !self.unready.is_empty() {
            return Ok(());
        }
        let next = self.places.iter().map(|(partition, place)| (self.named(*partition), place.next));
        self.consumer.begin_at(&next.collect())
    }

    /// Finds out where partitions stand of which that is not known.
    async fn make_ready(&mut self) -> Result<(), Trouble> {
        if !self.unready.is_empty() {
            self.buckets.load().await?;
        }
        while let Some(partition) = self.unready.first().copied() {
            let place = self.find(partition).await?;
            self.places.insert(partition, place);
            self.unready.remove(&partition);
        }
        self.begin()?;
        Ok(())
    }

    async fn find(&self, partition: i32) -> Result<Place, Trouble> {
        let of = self.named(partition);
        let (first, end) = self.consumer.watermarks(&of).await?;
        let committed = self.consumer.committed(&of).await?;
        let all: Vec<u16> = (0..self.buckets.count()).collect();
        let looks = self.look_at(&all, &[partition]).await?;
        let positions: Vec<_> = looks.iter().map(|look| look.positions.first().copied().flatten()).collect();
        let (before, rebuild) = (self.places.get(&partition), self.rebuild(partition).await?);
        let planned = plan(first..end.max(first), committed, rebuild, &positions, before);
        if let Some(until) = planned.quiet_until {
            let rebuild = Rebuild { from: planned.start, until };
            tracing::info!(partition, from = rebuild.from, until = rebuild.until, "the state is built from the topic");
            // In this order: whoever finds buckets that have begun finds this as well.
            let key = self.buckets.key(&format!("p{partition}"));
            self.buckets.link().call(redis::cmd("SET").arg(key).arg(rebuild.text())).await?;
            self.consumer.commit(&BTreeMap::from([(of, planned.start)]))?;
        }
        // Up to what a bucket without records of the partition has it.
        let floor = planned.start - 1;
        let begun = all.iter().zip(&positions).filter(|(_, position)| planned.forgets || position.is_none());
        let begun = begun.map(|(bucket, _)| self.buckets.begin(*bucket, partition, floor, planned.forgets));
        stream::iter(begun).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        let known = positions.iter().map(|position| position.filter(|_| !planned.forgets).unwrap_or(floor)).collect();
        Ok(Place { next: planned.start, quiet_until: planned.quiet_until, known })
    }

    async fn rebuild(&self, partition: i32) -> Result<Option<Rebuild>, Trouble> {
        let key = self.buckets.key(&format!("p{partition}"));
        match self.buckets.link().call(redis::cmd("GET").arg(key)).await? {
            Value::BulkString(text) => Ok(std::str::from_utf8(&text).ok().and_then(Rebuild::read)),
            _ => Ok(None),
        }
    }

    /// What buckets have, in their order.
    async fn look_at(&self, buckets: &[u16], partitions: &[i32]) -> Result<Vec<Look>, Trouble> {
        let looks = buckets.iter().map(|bucket| self.buckets.look(*bucket, partitions));
        Ok(stream::iter(looks).buffered(STATE_CALLS_AT_ONCE).try_collect().await?)
    }

    /// Takes records in, each partition's in turn.
    async fn take(&mut self, records: Vec<Taken>) -> Result<(), Trouble> {
        // All partitions begin anew once the last is ready. Until then what comes may lie behind what was given up with a loss.
        if !self.unready.is_empty() {
            return Ok(());
        }
        let mut by_partition = BTreeMap::<i32, Vec<Taken>>::new();
        for record in records {
            by_partition.entry(record.partition).or_default().push(record);
        }
        for (partition, mut records) in by_partition {
            // What comes of others was on its way before they went.
            let Some(place) = self.places.get(&partition) else { continue };
            records.retain(|record| record.offset >= place.next);
            let quiet_until = place.quiet_until;
            let is_quiet = |record: &Taken| quiet_until.is_some_and(|until| record.offset < until);
            let loud = records.split_off(records.partition_point(is_quiet));
            self.apply(partition, records, true).await?;
            if !loud.is_empty() {
                if quiet_until.is_some() {
                    self.finish(partition).await?;
                }
                self.apply(partition, loud, false).await?;
            }
        }
        Ok(())
    }

    async fn apply(&mut self, partition: i32, records: Vec<Taken>, is_quiet: bool) -> Result<(), Trouble> {
        let Some(last) = records.last().map(|record| record.offset) else { return Ok(()) };
        let (mut by_bucket, mut passed, mut unusable) = (BTreeMap::<u16, Vec<Happening>>::new(), 0, 0);
        for record in records {
            match record.said {
                Said::Happened(happening) => {
                    by_bucket.entry(self.buckets.of(&happening.user)).or_default().push(happening);
                }
                Said::Nothing => passed += 1,
                Said::Unusable => unusable += 1,
            }
        }
        let (place, buckets) = (&self.places[&partition], &self.buckets);
        let calls = by_bucket.iter().map(|(bucket, happened)| async move {
            let known = place.known[usize::from(*bucket)];
            (*bucket, buckets.apply(*bucket, partition, known, is_quiet, happened).await)
        });
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(STATE_CALLS_AT_ONCE).collect().await;
        let (mut pending, mut failed) = (BTreeMap::new(), None);
        let place = self.places.get_mut(&partition).expect("its place was just looked at");
        for (bucket, answer) in answers {
            let happened = &by_bucket[&bucket];
            match answer {
                Ok(Applied::Done(applied, transitions)) => {
                    let known = &mut place.known[usize::from(bucket)];
                    *known = happened.last().map_or(*known, |last| last.offset.max(*known));
                    self.metrics.applied.add(applied);
                    self.metrics.repeated.add((happened.len() as u64).saturating_sub(applied));
                    pending.insert(bucket, transitions);
                }
                Ok(Applied::Lost) => failed = Some(Trouble::Lost(partition)),
                Err(fault) => failed = failed.or(Some(fault.into())),
            }
        }
        if let Some(trouble) = failed {
            return Err(trouble);
        }
        self.teller.tell(&self.buckets, pending).await?;
        self.metrics.passed.add(passed);
        self.metrics.unusable.add(unusable);
        let place = self.places.get_mut(&partition).expect("it is ready");
        place.next = last + 1;
        let next = BTreeMap::from([(self.named(partition), last + 1)]);
        self.consumer.commit(&next)?;
        Ok(())
    }

    /// All of a partition is read that was to be read quietly: what came of it is told.
    async fn finish(&mut self, partition: i32) -> Result<(), Trouble> {
        self.living = self.leases().await?;
        let of_each = (0..self.buckets.count()).map(|bucket| self.finish_in(bucket, partition));
        stream::iter(of_each).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        let key = self.buckets.key(&format!("p{partition}"));
        self.buckets.link().call(redis::cmd("DEL").arg(key)).await?;
        if let Some(place) = self.places.get_mut(&partition) {
            place.quiet_until = None;
        }
        self.metrics.rebuilds.add(1);
        self.adopting_rounds = ADOPTING_ROUNDS;
        tracing::info!(partition, "the state is built");
        Ok(())
    }

    async fn finish_in(&self, bucket: u16, partition: i32) -> Result<(), Trouble> {
        loop {
            let (left, pending) = self.buckets.settle(bucket, partition, STATE_USERS_AT_ONCE).await?;
            self.teller.tell(&self.buckets, BTreeMap::from([(bucket, pending)])).await?;
            if left == 0 {
                return self.adopt_in(bucket).await;
            }
        }
    }

    /// Takes up what the nodes' register has and no record told of.
    async fn adopt_in(&self, bucket: u16) -> Result<(), Trouble> {
        for slot in &self.living {
            let mut cursor = 0;
            loop {
                let (next, adopted, pending) = self.buckets.adopt(bucket, *slot, cursor, STATE_ADOPTED_AT_ONCE).await?;
                self.metrics.adopted.add(adopted);
                self.teller.tell(&self.buckets, BTreeMap::from([(bucket, pending)])).await?;
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks for what nothing tells of: what was lost in Redis, and nodes that have died.
    async fn look(&mut self) -> Result<(), Trouble> {
        if !self.unready.is_empty() {
            self.make_ready().await?;
        }
        let is_over = |place: &Place| place.quiet_until.is_some_and(|until| place.next >= until);
        while let Some(partition) = self.places.iter().find(|(_, place)| is_over(place)).map(|(of, _)| *of) {
            self.finish(partition).await?;
        }
        self.look_at_some().await?;
        if self.looks.is_multiple_of(LOOKS_PER_LEASES) {
            self.living = self.leases().await?;
        }
        self.looks = self.looks.wrapping_add(1);
        self.end_dead().await?;
        self.compare().await
    }

    /// Looks at some of the buckets; at all of them once in a round.
    async fn look_at_some(&mut self) -> Result<(), Trouble> {
        let count = self.buckets.count();
        let some = count.div_ceil(STATE_LOOKS_PER_ROUND);
        let buckets: Vec<u16> = (self.next_look..count.min(self.next_look.saturating_add(some))).collect();
        let partitions: Vec<i32> = self.places.keys().copied().collect();
        let looks = self.look_at(&buckets, &partitions).await?;
        for (bucket, look) in buckets.iter().zip(looks) {
            self.owners.heard(look.owners);
            for (partition, position) in partitions.iter().zip(&look.positions) {
                let known = self.places[partition].known[usize::from(*bucket)];
                if position.is_none_or(|position| position < known) {
                    return Err(Trouble::Lost(*partition));
                }
            }
        }
        if self.adopting_rounds > 0 {
            let adopting = buckets.iter().map(|bucket| self.adopt_in(*bucket));
            stream::iter(adopting).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        }
        self.next_look = buckets.last().map_or(0, |last| last + 1);
        if self.next_look >= count {
            self.next_look = 0;
            self.adopting_rounds = self.adopting_rounds.saturating_sub(1);
        }
        Ok(())
    }

    /// The slots of nodes that live; who has died is noted.
    async fn leases(&mut self) -> Result<Vec<u8>, Trouble> {
        let leases = leases::look(self.buckets.link(), self.buckets.keys()).await?;
        self.owners.judge(&leases, Instant::now());
        Ok(leases.living().map(|lease| lease.of.slot).collect())
    }

    /// Ends sessions of a node that has died, in some of the buckets.
    async fn end_dead(&mut self) -> Result<(), Trouble> {
        if self.dying.is_none()
            && let Some((owner, seen)) = self.owners.dead(Instant::now())
        {
            if self.claim(&owner, STATE_CLAIM_MS).await? {
                tracing::info!(node = owner, "a node has died: its sessions end");
                self.dying = Some((owner, seen, 0));
            } else {
                self.owners.forget(&owner);
            }
        }
        let Some((owner, seen, first)) = self.dying.clone() else { return Ok(()) };
        let count = self.buckets.count();
        let some = count.div_ceil(STATE_LOOKS_PER_ROUND);
        let buckets = first..count.min(first.saturating_add(some));
        let end = buckets.end;
        let ending = buckets.map(|bucket| self.end_in(bucket, &owner, seen));
        stream::iter(ending).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        self.dying = (end < count).then_some((owner.clone(), seen, end));
        if self.dying.is_none() {
            self.owners.forget(&owner);
        }
        Ok(())
    }

    async fn end_in(&self, bucket: u16, owner: &str, seen: u64) -> Result<(), Trouble> {
        loop {
            let (left, ended, pending) = self.buckets.end_node(bucket, owner, seen, STATE_USERS_AT_ONCE).await?;
            self.metrics.ended_with_node.add(ended);
            self.teller.tell(&self.buckets, BTreeMap::from([(bucket, pending)])).await?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Compares a bucket with the nodes' register, when its time has come, for what no record told of: an edge drops events when
    /// Kafka is away for long.
    async fn compare(&mut self) -> Result<(), Trouble> {
        // What is read anew is compared when it is there.
        if self.places.values().any(|place| place.quiet_until.is_some()) {
            return Ok(());
        }
        let Some(bucket) = self.walk.step(self.buckets.count(), Instant::now()) else { return Ok(()) };
        if !self.claim(&format!("check:{bucket}"), STATE_CHECK_MS / 2).await? {
            return Ok(());
        }
        self.adopt_in(bucket).await?;
        for owner in self.buckets.look(bucket, &[]).await?.owners {
            self.check_in(bucket, &owner).await?;
        }
        Ok(())
    }

    async fn check_in(&self, bucket: u16, owner: &str) -> Result<(), Trouble> {
        let mut cursor = 0;
        loop {
            let (next, ended, pending) = self.buckets.check(bucket, owner, cursor, STATE_USERS_AT_ONCE).await?;
            self.metrics.ended_untold.add(ended);
            self.teller.tell(&self.buckets, BTreeMap::from([(bucket, pending)])).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Whether this process is to do something for so long, milliseconds: end the sessions of a dead node, compare a bucket. Where two
    /// do, nothing is told twice in sequence.
    async fn claim(&self, what: &str, for_ms: u64) -> Result<bool, Trouble> {
        let key = format!("{}:{what}", self.buckets.key("claims"));
        let mut command = redis::cmd("SET");
        command.arg(key).arg(&self.id).arg("NX").arg("PX").arg(for_ms);
        Ok(self.buckets.link().call(&command).await? == Value::Okay)
    }
}

/// Waits for what comes next, and takes with it what is there already.
async fn hear(consumer: &mut Consumer) -> Heard {
    let first = match consumer.next().await {
        Ok(Incoming::Record(message)) => Taken::of(&message),
        Ok(Incoming::Assigned(partitions)) => return Heard::Assigned(partitions),
        Ok(Incoming::Revoked) => return Heard::Revoked,
        Err(error) => return Heard::Failed(error),
    };
    let mut records = vec![first];
    while records.len() < STATE_BATCH_MAX
        && let Some(Ok(message)) = consumer.ready()
    {
        records.push(Taken::of(&message));
    }
    Heard::Records(records)
}

impl std::fmt::Debug for StateRole {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StateRole({} partitions)", self.places.len())
    }
}
