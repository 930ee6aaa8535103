//! Reads the records of the partitions that are this node's, on a thread of its own, and says up to where they were moved.
//!
//! One turn: what has come of rebalances, what is done, some records; twice a second where the buckets and the group stand.
//! Where too much is on its way nothing more is read, which is Kafka's to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::generations::Generations;
use super::group::{Committed, Group, Rebalance};
use super::metrics::MoverMetrics;
use super::partition::Partition;
use super::places::Places;
use super::queues::{CameTo, Done, Moving, Queues};
use crate::clock;
use crate::cluster::kafka::headers::header;
use crate::cluster::kafka::record::{self, Unusable};
use crate::cluster::kafka::taken::Taken;
use crate::cluster::redis::functions::Functions;
use crate::config::Config;
use crate::events::{self, CONTENT_TYPE, Publish};
use crate::model::bucket_of;
use crate::session::access::Access;

/// How long a turn waits for a record.
const TURN: Duration = Duration::from_millis(20);

/// Records of one turn.
const RECORDS_AT_ONCE: usize = 256;

/// How often it is looked where buckets and group stand.
const LOOK: Duration = Duration::from_millis(500);

/// For so long what is on its way may be too much before partitions are paused: what was fetched of them is fetched again then.
const FULL_FOR: Duration = Duration::from_secs(2);

/// How long buckets may take to say up to where records were moved.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long records on their way are waited for at the end, and then the group. What nobody hears of is read again.
const LINGER: Duration = Duration::from_secs(2);
const COMMIT_LINGER: Duration = Duration::from_secs(1);

/// By what records are read: the configuration in force.
struct Rules {
    config: Arc<Config>,
    access: Access,
}

impl Rules {
    fn of(config: Arc<Config>) -> anyhow::Result<Self> {
        Ok(Self { access: Access::new(&config.channel)?, config })
    }
}

/// What the reader is given.
pub(super) struct ReaderSetup {
    pub(super) group: Group,
    pub(super) queues: Arc<Queues>,
    /// What becomes of what was put into the queues.
    pub(super) done: flume::Receiver<Vec<Done>>,
    /// The calls of the node's incarnation, and where they are made.
    pub(super) functions: watch::Receiver<Option<Arc<Functions>>>,
    pub(super) runtime: Handle,
    /// The configuration in force.
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) metrics: Arc<MoverMetrics>,
}

/// See the module.
pub(super) struct Reader {
    group: Group,
    done: flume::Receiver<Vec<Done>>,
    functions: watch::Receiver<Option<Arc<Functions>>>,
    runtime: Handle,
    config: watch::Receiver<Arc<Config>>,
    /// Whether it is in the group. A node that cannot reach Redis leaves the partitions to those who can.
    is_member: bool,
    /// Partitions that have come and are not begun.
    coming: BTreeSet<i32>,
    readings: u64,
    full_since: Option<Instant>,
    is_paused: bool,
    desk: Desk,
}

/// What a record is looked up in.
struct Desk {
    queues: Arc<Queues>,
    rules: Rules,
    buckets: u16,
    generations: Generations,
    partitions: BTreeMap<i32, Partition>,
    metrics: Arc<MoverMetrics>,
}

impl Reader {
    /// # Errors
    /// A `channel_regex` that does not compile; `Config::load` has refused those already.
    pub(super) fn new(setup: ReaderSetup) -> anyhow::Result<Self> {
        let ReaderSetup { group, queues, done, functions, runtime, config, metrics } = setup;
        let in_force = config.borrow().clone();
        let buckets = in_force.cluster.redis.buckets;
        let (rules, generations) = (Rules::of(in_force)?, Generations::unknown(buckets));
        let desk = Desk { queues, rules, buckets, generations, partitions: BTreeMap::new(), metrics };
        let (is_member, coming, readings, full_since, is_paused) = Default::default();
        Ok(Self { group, done, functions, runtime, config, is_member, coming, readings, full_since, is_paused, desk })
    }

    /// Reads until it is to end.
    pub(super) fn run(mut self, ending: &watch::Receiver<bool>) {
        let mut looks_at = Instant::now();
        while !*ending.borrow() && ending.has_changed().is_ok() {
            self.read();
            self.desk.queues.begin();
            while let Ok(done) = self.done.try_recv() {
                self.desk.settle(done);
            }
            let has_come = self.take_rebalances();
            if has_come || looks_at <= Instant::now() {
                self.look();
                looks_at = Instant::now() + LOOK;
            }
        }
        self.end();
    }

    /// Reads some records, or waits until there is room.
    fn read(&mut self) {
        if !self.desk.is_full() {
            self.full_since = None;
            if std::mem::take(&mut self.is_paused) {
                self.group.resume(self.desk.partitions.keys().copied());
            }
        } else if !self.is_paused {
            if self.full_since.get_or_insert_with(Instant::now).elapsed() < FULL_FOR {
                if let Ok(done) = self.done.recv_timeout(TURN) {
                    self.desk.settle(done);
                }
                return;
            }
            // The group is to hear of this node, whatever Redis does.
            self.group.pause(self.desk.partitions.keys().copied());
            self.is_paused = true;
        }
        let mut patience = TURN;
        for _ in 0..RECORDS_AT_ONCE {
            let Some(message) = self.group.poll(patience) else { return };
            self.desk.take(&message);
            if self.desk.is_full() {
                return;
            }
            patience = Duration::ZERO;
        }
    }

    /// Whether partitions have come.
    fn take_rebalances(&mut self) -> bool {
        let mut has_come = false;
        while let Some(rebalance) = self.group.next_rebalance() {
            match rebalance {
                Rebalance::Come(partitions) => {
                    self.coming.extend(partitions);
                    has_come = true;
                }
                Rebalance::Gone(partitions) => {
                    for partition in partitions {
                        self.coming.remove(&partition);
                        self.desk.partitions.remove(&partition);
                    }
                }
            }
        }
        has_come
    }

    /// Looks where the buckets and the group stand.
    fn look(&mut self) {
        if self.config.has_changed().unwrap_or(false)
            && let Ok(rules) = Rules::of(self.config.borrow_and_update().clone())
        {
            self.desk.rules = rules;
        }
        let functions = self.functions.borrow().clone();
        self.enter_or_stand_back(functions.is_some());
        if let Some(functions) = functions {
            let heard = (0..self.desk.buckets).map(|bucket| functions.known(bucket).generation);
            let has_lost = self.desk.generations.compare(heard);
            if has_lost && let Err(error) = self.replay(&functions) {
                tracing::warn!("Redis has lost writes, and what is to be moved again is not known yet: {error:#}");
            }
            if !self.coming.is_empty()
                && self.desk.generations.are_known()
                && let Err(error) = self.begin(&functions)
            {
                tracing::warn!("where records of the way up are to be moved from is not known yet: {error:#}");
            }
        }
        self.commit();
        self.tell();
    }

    /// Tells the outside how far behind it is.
    fn tell(&self) {
        let Desk { queues, partitions, metrics, .. } = &self.desk;
        metrics.partitions.set(partitions.len() as u64);
        metrics.waiting.set(queues.waiting() as u64);
        metrics.waiting_bytes.set(queues.waiting_bytes() as u64);
        let ends = self.group.ends();
        let behind = |(number, partition): (&i32, &Partition)| {
            ends.get(number).map_or(0, |end| end.saturating_sub(partition.stands()).max(0) as u64)
        };
        metrics.lag.set(partitions.iter().map(behind).sum());
        let oldest = partitions.values().filter_map(Partition::oldest_unix_ms).min();
        // A stranger's record may say any time.
        metrics.lag_ms.set(oldest.map_or(0, |oldest| clock::unix_ms().saturating_sub(oldest).max(0) as u64));
    }

    fn enter_or_stand_back(&mut self, has_redis: bool) {
        match (self.is_member, has_redis) {
            (false, true) => match self.group.enter() {
                Ok(()) => self.is_member = true,
                Err(error) => self.group.complain("entering the group", &error),
            },
            (is_member, false) if is_member || !self.coming.is_empty() => {
                self.group.stand_back(std::mem::take(&mut self.coming).into_iter());
                self.is_member = false;
            }
            _ => {}
        }
    }

    /// Begins partitions that have come: where the group stands, if all before it is in the buckets as they are now.
    fn begin(&mut self, functions: &Arc<Functions>) -> anyhow::Result<()> {
        let numbers: Vec<_> = self.coming.iter().copied().collect();
        let committed = self.group.committed(&numbers)?;
        let said = self.desk.generations.said();
        // Who has set the group's position by hand has said nothing beside it.
        let holds = |committed: &Committed| committed.said == said || committed.said.is_empty();
        let (whole, lost): (Vec<_>, Vec<_>) =
            committed.into_iter().partition(|(_, committed)| committed.as_ref().is_some_and(holds));
        let mut begun = Vec::new();
        for (partition, committed) in whole {
            let offset = committed.map_or(0, |committed| committed.offset);
            begun.push((partition, offset, offset, vec![-1; self.desk.buckets.into()].into()));
        }
        if !lost.is_empty() {
            let numbers: Vec<_> = lost.iter().map(|(partition, _)| *partition).collect();
            let places = self.ask_places(functions)?;
            let since: BTreeMap<_, _> = self.since(&numbers)?.into_iter().collect();
            for (partition, committed) in lost {
                let since = *since.get(&partition).context("Kafka does not say since when")?;
                let committed = committed.map(|committed| committed.offset);
                let start = committed.map_or(since, |committed| committed.min(since));
                let is_known = |bucket, generation| self.desk.generations.of(bucket) == generation;
                begun.push((partition, start, committed.unwrap_or(start), places.moved(partition, is_known)));
                tracing::info!(partition, start, committed, "records of the way up are moved that may not have been");
            }
            self.desk.metrics.replays.add(1);
        }
        let starts: Vec<_> = begun.iter().map(|(partition, start, ..)| (*partition, *start)).collect();
        // What has gone meanwhile is told of by a rebalance.
        self.group.begin(&starts)?;
        self.coming.clear();
        if self.is_paused {
            self.group.pause(starts.iter().map(|(partition, _)| *partition));
        }
        for (partition, start, judged, moved) in begun {
            self.readings += 1;
            let partition_begun = Partition::begins(self.readings, start, judged, moved);
            self.desk.partitions.insert(partition, partition_begun);
        }
        Ok(())
    }

    /// Reads again what may not be in buckets that have lost writes.
    fn replay(&mut self, functions: &Arc<Functions>) -> anyhow::Result<()> {
        let numbers: Vec<_> = self.desk.partitions.keys().copied().collect();
        let places = self.ask_places(functions)?;
        let mut begun = Vec::new();
        if !numbers.is_empty() {
            for (number, since) in self.since(&numbers)? {
                let partition = self.desk.partitions.get(&number).context("Kafka speaks of another partition")?;
                begun.push((number, partition.stands().min(since), partition.judged()));
            }
            let starts: Vec<_> = begun.iter().map(|(number, start, _)| (*number, *start)).collect();
            self.group.seek(&starts)?;
            tracing::warn!(?starts, "Redis has lost writes: records of the way up are moved again");
            self.desk.metrics.replays.add(1);
        }
        for (number, start, judged) in begun {
            self.readings += 1;
            let partition = Partition::begins(self.readings, start, judged, places.moved(number, |_, _| true));
            self.desk.partitions.insert(number, partition);
        }
        self.desk.generations.replace(places.generations);
        Ok(())
    }

    /// Where partitions stood `relay_replay` ago, by what the topic says.
    fn since(&self, partitions: &[i32]) -> anyhow::Result<Vec<(i32, i64)>> {
        let replay_ms = self.desk.rules.config.cluster.kafka.relay_replay.as_millis();
        Ok(self.group.since(clock::unix_ms() - replay_ms as i64, partitions)?)
    }

    fn ask_places(&self, functions: &Arc<Functions>) -> anyhow::Result<Places> {
        let (told, hears) = flume::bounded(1);
        let asked = Places::ask(functions.clone(), self.desk.rules.config.cluster.kafka.topics.publish.clone());
        self.runtime.spawn(async move { told.send(asked.await) });
        let places = hears.recv_timeout(PATIENCE).context("Redis has not answered")??;
        if places.generations.contains(&Default::default()) {
            bail!("a bucket has yet to begin anew");
        }
        Ok(places)
    }

    /// Tells the group where it stands, where that has changed or was not taken. Whether it was told something.
    fn commit(&mut self) -> bool {
        let partitions = &mut self.desk.partitions;
        for (number, offset) in self.group.next_taken().into_iter().flatten() {
            if let Some(partition) = partitions.get_mut(&number) {
                partition.was_taken(offset);
            }
        }
        let next_commit = |(number, partition): (&i32, &mut Partition)| Some((*number, partition.next_commit()?));
        let stands: Vec<_> = partitions.iter_mut().filter_map(next_commit).collect();
        if stands.is_empty() {
            return false;
        }
        match self.group.commit(&stands, &self.desk.generations.said()) {
            Ok(()) => true,
            Err(error) => {
                self.group.complain("a commit", &error);
                partitions.values_mut().for_each(Partition::commits_again);
                false
            }
        }
    }

    /// What is on its way comes to its end, for a while; then others have the partitions.
    fn end(mut self) {
        let until = Instant::now() + LINGER;
        while self.desk.queues.waiting() > 0 && Instant::now() < until {
            if let Ok(done) = self.done.recv_timeout(TURN) {
                self.desk.settle(done);
            }
        }
        while let Ok(done) = self.done.try_recv() {
            self.desk.settle(done);
        }
        // What was told last may not have been taken.
        self.desk.partitions.values_mut().for_each(Partition::commits_again);
        if self.commit() {
            self.group.await_commit(self.desk.partitions.keys().copied(), COMMIT_LINGER);
        }
        self.desk.metrics.partitions.set(0);
        self.group.leave(self.coming.into_iter());
    }
}

impl Desk {
    /// Whether no more is to be read for now.
    fn is_full(&self) -> bool {
        self.queues.are_full() || self.partitions.values().any(Partition::is_full)
    }

    /// A record was read: it goes to its bucket, or to the dead.
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let (number, offset) = (message.partition(), message.offset());
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if !partition.reads(offset) {
            return;
        }
        let reading = partition.reading;
        match self.rules.read(message) {
            Ok(publish) => {
                let bucket = bucket_of(&publish.channel, self.buckets);
                if partition.has_moved(bucket, offset) {
                    return;
                }
                partition.sends(offset, message.timestamp().to_millis());
                let remains = publish.sender.is_some().then(|| Box::new(Taken::of(message)));
                let generation = self.generations.of(bucket);
                let moving = Moving { reading, partition: number, offset, generation, publish, remains };
                self.queues.put(bucket, moving);
            }
            Err(_) if partition.has_judged(offset) => {}
            Err(Unusable(reason)) => {
                partition.sends(offset, message.timestamp().to_millis());
                let done = Done { reading, partition: number, offset, came_to: CameTo::Grave };
                self.queues.bury(Box::new(Taken::of(message)), reason, done);
            }
        }
    }

    /// Records are on their way no more.
    fn settle(&mut self, done: Vec<Done>) {
        done.into_iter().for_each(|done| self.settle_one(done));
    }

    /// One that has come to nothing is read again when its partition is.
    fn settle_one(&mut self, done: Done) {
        let partition = self.partitions.get_mut(&done.partition).filter(|of| of.reading == done.reading);
        match (partition, done.came_to) {
            (None, _) | (_, CameTo::Nothing) => {}
            (Some(partition), CameTo::Bucket(bucket)) => partition.done(done.offset, Some(bucket)),
            (Some(partition), CameTo::Grave) => partition.done(done.offset, None),
        }
    }
}

impl Rules {
    fn read(&self, message: &BorrowedMessage<'_>) -> Result<crate::broker::bridge::Publish, Unusable> {
        let content_type = header(message, CONTENT_TYPE);
        let record = events::decode::<Publish>(content_type, message.payload().unwrap_or_default());
        let record = record.map_err(|unreadable| Unusable(unreadable.to_string()))?;
        record::read(record, message.key(), &self.access, &self.config)
    }
}
