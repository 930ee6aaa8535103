//! This node in the group of those that consume the topic of calls: which partitions are its own, what it has taken of them, and
//! up to where all is done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::carry_out::carry_out;
use super::lanes::{Key, Lanes, Record};
use crate::cluster::kafka::client;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::taken::Taken;
use crate::cluster::kafka::trouble::Trouble;
use crate::config::KafkaConfig;
use crate::control::state::ControlState;
use crate::limits::{CALLS_COMMIT_MS, CALLS_FETCHED_BYTES_MAX, CALLS_LEAVE_MS, CALLS_SESSION_MS, CALLS_TOPIC_MS};

/// What a record holds beside what is in it, about.
const OVERHEAD_BYTES: usize = 128;

/// See the module.
pub(super) struct Group {
    consumer: StreamConsumer<Rebalances>,
    state: Arc<ControlState>,
    producer: Arc<Producer>,
    topic: String,
    /// Those of which something was taken since they are this node's.
    partitions: HashMap<i32, Partition>,
    /// How many there have been.
    lives: u64,
    /// Partitions that are another node's from now on.
    revoked: flume::Receiver<Vec<i32>>,
    finished: (flume::Sender<Finished>, flume::Receiver<Finished>),
    trouble: Arc<Trouble>,
    is_leaving: bool,
}

/// A partition from when it became this node's. When it is that no more, what is being carried out of it is let go where it stands:
/// who has it then begins with what was not committed.
struct Partition {
    life: u64,
    lanes: Lanes<Taken>,
    at_work: JoinSet<()>,
    is_paused: bool,
}

/// A record of which nothing more is to be done.
struct Finished {
    life: u64,
    record: Taken,
}

/// Told by librdkafka, while this node polls, which partitions it has no more, and what goes wrong.
struct Rebalances {
    revokes: flume::Sender<Vec<i32>>,
    trouble: Arc<Trouble>,
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.trouble.note(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.tell(&error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let partitions = partitions.elements().iter().map(|of| of.partition()).collect();
            // Without a group the node is ending.
            let _ = self.revokes.send(partitions);
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // One that was paused when it left is not paused when it comes back.
        if let Rebalance::Assign(partitions) = rebalance {
            let _ = consumer.resume(partitions);
        }
    }
}

impl Group {
    /// Joins the group, some time later. Must be called within a runtime.
    ///
    /// # Errors
    /// An option that librdkafka refuses.
    pub(super) fn join(state: Arc<ControlState>, producer: Arc<Producer>) -> anyhow::Result<Self> {
        let config = state.config();
        let kafka = &config.cluster.kafka;
        let (revokes, revoked) = flume::unbounded();
        let trouble = Arc::new(Trouble::of("the consumer of calls"));
        let context = Rebalances { revokes, trouble: trouble.clone() };
        let consumer: StreamConsumer<Rebalances> =
            options(kafka, &config.name).create_with_context(context).context("the consumer cannot be made")?;
        let topic = kafka.topics.calls.clone();
        consumer.subscribe(&[&topic])?;
        let (partitions, finished) = (HashMap::new(), flume::unbounded());
        let (lives, is_leaving) = (0, false);
        Ok(Self { consumer, state, producer, topic, partitions, lives, revoked, finished, trouble, is_leaving })
    }

    /// Carries calls out until it is asked to leave.
    pub(super) async fn run(mut self, mut ending: watch::Receiver<bool>) {
        loop {
            self.forget_revoked();
            tokio::select! {
                _ = ending.wait_for(|is_ending| *is_ending) => break,
                finished = self.finished.1.recv_async() => self.finish(finished.expect("this end is kept")),
                taken = async { self.consumer.recv().await.map(|message| Taken::of(&message)) } => match taken {
                    Ok(record) => {
                        self.forget_revoked();
                        self.take(record);
                    }
                    Err(error) => {
                        self.trouble.tell(&error, "no record is read");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        self.leave().await;
    }

    /// Finishes what is at work, for a while, and leaves the group: what was done is committed.
    async fn leave(mut self) {
        self.is_leaving = true;
        let until = Instant::now() + Duration::from_millis(CALLS_LEAVE_MS);
        while self.partitions.values().any(|partition| !partition.at_work.is_empty()) {
            match timeout_at(until, self.finished.1.recv_async()).await {
                Ok(Ok(finished)) => self.finish(finished),
                _ => break,
            }
        }
        for partition in self.partitions.values_mut() {
            partition.at_work.shutdown().await;
        }
        self.partitions.clear();
        self.tell_waiting();
        // Shards run as long as somebody may give them orders, and to leave the group may take long.
        let Self { consumer, state, producer, .. } = self;
        drop((state, producer));
        drop(consumer);
    }

    fn take(&mut self, record: Taken) {
        let number = record.partition;
        self.forget_what_was_before(&record);
        let lives = &mut self.lives;
        let partition = self.partitions.entry(number).or_insert_with(|| {
            *lives += 1;
            Partition { life: *lives, lanes: Lanes::new(), at_work: JoinSet::new(), is_paused: false }
        });
        let first = partition.lanes.take(record);
        let is_full = partition.lanes.is_full() && !partition.is_paused;
        if let Some(first) = first {
            self.begin(number, first);
        }
        if is_full {
            self.pause(number, true);
        }
        self.tell_waiting();
    }

    /// Where a partition is read from anew, what was taken of it before is of a log that is no more, or comes again. It is let go as
    /// if the partition had gone to another node: beside what comes now the order of a key would be lost.
    fn forget_what_was_before(&mut self, record: &Taken) {
        let number = record.partition;
        let Some(old) = self.partitions.get(&number).filter(|partition| partition.lanes.is_before(record)) else {
            return;
        };
        tracing::warn!(
            topic = self.topic,
            partition = number,
            offset = record.offset,
            let_go = old.lanes.len(),
            "the topic of calls was made anew, or was cut off: it is read from here on"
        );
        if old.is_paused {
            self.pause(number, false);
        }
        self.partitions.remove(&number);
    }

    fn begin(&mut self, number: i32, record: Taken) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        let (state, producer, finished) = (self.state.clone(), self.producer.clone(), self.finished.0.clone());
        let life = partition.life;
        partition.at_work.spawn(async move {
            carry_out(&state, &producer, &record).await;
            // Without a group the node is ending.
            let _ = finished.send(Finished { life, record });
        });
    }

    fn finish(&mut self, Finished { life, record }: Finished) {
        let number = record.partition;
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.life == life) else {
            return;
        };
        // One that has panicked is a death of the thread, which `vital` tells.
        while partition.at_work.try_join_next().is_some() {}
        let next = partition.lanes.done(&record);
        let has_room = partition.is_paused && partition.lanes.has_room();
        if let Some(last) = partition.lanes.settle()
            && let Err(error) = self.consumer.store_offset(&self.topic, number, last)
        {
            // It is another node's by now, which carries it out again.
            tracing::debug!(partition = number, offset = last, "not committed: {error}");
        }
        if let Some(next) = next.filter(|_| !self.is_leaving) {
            self.begin(number, next);
        }
        if has_room {
            self.pause(number, false);
        }
        self.tell_waiting();
    }

    /// Takes no more of a partition for a while, or goes on.
    fn pause(&mut self, number: i32, is_paused: bool) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, number);
        let told = if is_paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = told {
            tracing::debug!(partition = number, is_paused, "{error}");
        }
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.is_paused = is_paused;
        }
    }

    fn forget_revoked(&mut self) {
        for number in self.revoked.try_iter().flatten() {
            self.partitions.remove(&number);
        }
    }

    fn tell_waiting(&self) {
        let waiting: usize = self.partitions.values().map(|partition| partition.lanes.len()).sum();
        self.state.call_counts.waiting.set(waiting as i64);
    }
}

impl Record for Taken {
    fn key(&self) -> &Key {
        &self.key
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn bytes(&self) -> usize {
        self.bytes() + OVERHEAD_BYTES
    }
}

/// What the promises of consuming rest on, over the options of the configuration.
fn options(kafka: &KafkaConfig, node: &str) -> rdkafka::ClientConfig {
    let mut options = client::options(kafka, &format!("{node}-calls"));
    options.set("group.id", format!("{}.calls", kafka.group));
    // Where nobody has consumed yet all is to be carried out that is kept.
    options.set("auto.offset.reset", "earliest");
    // Committed is what is stored, and stored is what is done.
    options.set("enable.auto.offset.store", "false").set("enable.auto.commit", "true");
    options.set("auto.commit.interval.ms", CALLS_COMMIT_MS.to_string());
    // A topic that is not there yet is looked for.
    options.set("topic.metadata.refresh.interval.ms", CALLS_TOPIC_MS.to_string());
    // A partition that stays where it is goes on while others move.
    options.set("partition.assignment.strategy", "cooperative-sticky");
    options.set("session.timeout.ms", CALLS_SESSION_MS.to_string());
    options.set("queued.max.messages.kbytes", (CALLS_FETCHED_BYTES_MAX / 1024).to_string());
    options
}
