//! A member of a consumer group that begins where its role says: what was assigned flows only after [`Consumer::begin_at`], so that
//! a role can look first up to where its own state is.
//!
//! Positions are committed by the role alone. Rebalances are eager: what a role has is taken from it as a whole, and given anew.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::pulse::{Partition, Pulse};
use crate::cluster::kafka::client;
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::trouble::Trouble;
use crate::config::KafkaConfig;
use crate::limits::{KAFKA_ASK_MS, KAFKA_FETCHED_BYTES_MAX, KAFKA_STATISTICS_MS};
use crate::vital;

/// What a consumer has been assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Assignment {
    /// Counts assignments.
    number: u64,
    /// `None`: it was taken away, or is yet to come.
    partitions: Option<Vec<Partition>>,
}

/// What comes next.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// These partitions are this process' from now on, and no others; nothing comes of them before [`Consumer::begin_at`].
    Assigned(Vec<Partition>),
    /// Nothing is this process' any more, until it is assigned something anew.
    Revoked,
    /// A record.
    Record(BorrowedMessage<'a>),
    /// All was read that this partition had, for now. Behind its last record may lie what is none: the end of a transaction, one that
    /// was called off.
    End(i32),
}

/// Hears of librdkafka what becomes of the group.
struct Context {
    assigned: watch::Sender<Assignment>,
    pulse: Arc<Pulse>,
    trouble: Trouble,
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let is_up = statistics.brokers.values().any(|broker| broker.state == "UP");
        let is_member = statistics.cgrp.as_ref().is_some_and(|group| group.join_state == "steady");
        if is_up && is_member {
            self.pulse.beat();
        }
        let mine = self.assigned.borrow().partitions.clone().unwrap_or_default();
        let lag = |(topic, partition): Partition| {
            let of = statistics.topics.get(&topic)?.partitions.get(&partition)?;
            // Below 0 where it is not known yet.
            let lag = u64::try_from(of.consumer_lag).ok()?;
            Some(((topic, partition), lag))
        };
        self.pulse.set_lag(mine.into_iter().filter_map(lag).collect());
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.trouble.note(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // That all was read is no trouble, and comes among the records.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            self.trouble.tell(&error, reason);
        }
    }
}

impl ConsumerContext for Context {
    /// librdkafka waits for the assignment to be taken up until [`Consumer::begin_at`] does so.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let is_assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let named = || partitions.elements().iter().map(|of| (of.topic().to_owned(), of.partition())).collect();
        let partitions = is_assigned.then(named);
        if !is_assigned && let Err(error) = consumer.unassign() {
            tracing::error!(%error, "a consumer cannot give its partitions back");
        }
        self.assigned.send_modify(|assigned| {
            *assigned = Assignment { number: assigned.number + 1, partitions };
        });
    }
}

/// See the module.
pub struct Consumer {
    consumer: Arc<StreamConsumer<Context>>,
    assigned: watch::Receiver<Assignment>,
    pulse: Arc<Pulse>,
    is_paused: bool,
}

/// Whether Kafka refuses a topic or a group, or does not have the topic: librdkafka says so once, and goes on asking.
pub fn is_refusal(error: &KafkaError) -> bool {
    matches!(Fault::from(error), Fault::Forbidden(_) | Fault::NoTopic(_))
}

impl Consumer {
    /// Joins a group. Must be called within a runtime; does not wait for any broker.
    ///
    /// # Errors
    /// An option that librdkafka does not know, or a file of its that cannot be read.
    pub fn new(
        config: &KafkaConfig,
        client_id: &str,
        group: &str,
        topics: &[&str],
        pulse: Arc<Pulse>,
    ) -> anyhow::Result<Self> {
        let mut options = client::options(config, client_id);
        options.set("group.id", group);
        options.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        options.set("auto.offset.reset", "earliest").set("allow.auto.create.topics", "false");
        options.set("enable.partition.eof", "true");
        options.set("partition.assignment.strategy", "range,roundrobin");
        // What a process that was killed had is another's after so long.
        options.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "3000");
        options.set("statistics.interval.ms", KAFKA_STATISTICS_MS.to_string());
        options.set("queued.max.messages.kbytes", (KAFKA_FETCHED_BYTES_MAX / 1024).to_string());
        let (sender, assigned) = watch::channel(Assignment::default());
        let context = Context { assigned: sender, pulse: pulse.clone(), trouble: Trouble::of("a role's consumer") };
        let consumer: StreamConsumer<Context> = options.create_with_context(context)?;
        consumer.subscribe(topics)?;
        Ok(Self { consumer: Arc::new(consumer), assigned, pulse, is_paused: false })
    }

    /// Waits for what comes next. Giving up the wait loses nothing.
    ///
    /// # Errors
    /// Kafka's; most go by themselves, and the next wait may succeed.
    pub async fn next(&mut self) -> Result<Incoming<'_>, KafkaError> {
        let Self { consumer, assigned, pulse, .. } = self;
        tokio::select! {
            biased;
            Ok(()) = assigned.changed() => {
                let partitions = assigned.borrow_and_update().partitions.clone();
                if partitions.as_ref().is_some_and(Vec::is_empty) {
                    // Of the others it is known once something is read, or that there is nothing.
                    pulse.refused(false);
                }
                Ok(partitions.map_or(Incoming::Revoked, Incoming::Assigned))
            }
            read = consumer.recv() => read_of(pulse, read),
        }
    }

    /// Takes what is ready now, if it is of a partition.
    pub fn ready(&mut self) -> Option<Result<Incoming<'_>, KafkaError>> {
        // A change of the assignment is for `next`.
        if self.assigned.has_changed().unwrap_or(true) {
            return None;
        }
        self.consumer.recv().now_or_never().map(|read| read_of(&self.pulse, read))
    }

    /// Begins with all that was assigned, or goes back or on in it, each partition at its offset; those that are not named begin
    /// where the group stands. Nothing where the assignment is another by now.
    ///
    /// # Errors
    /// Kafka's.
    pub fn begin_at(&self, offsets: &BTreeMap<Partition, i64>) -> Result<(), KafkaError> {
        let assigned = self.assigned.borrow();
        let Some(partitions) = &assigned.partitions else { return Ok(()) };
        if self.assigned.has_changed().unwrap_or(true) {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let offset = offsets.get(partition).map_or(Offset::Stored, |offset| Offset::Offset(*offset));
            list.add_partition_offset(&partition.0, partition.1, offset)?;
        }
        self.consumer.assign(&list)?;
        if self.is_paused { self.consumer.pause(&list) } else { Ok(()) }
    }

    /// Whether records come, of what was assigned and of what will be. Who pauses goes on to wait for what comes next, so that the
    /// group knows that it is there.
    ///
    /// # Errors
    /// Kafka's.
    pub fn pause(&mut self, is_paused: bool) -> Result<(), KafkaError> {
        self.is_paused = is_paused;
        let list = self.consumer.assignment()?;
        if is_paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) }
    }

    /// Says what is done: of each partition the offset that is next. Does not wait.
    ///
    /// # Errors
    /// Kafka's.
    pub fn commit(&self, next: &BTreeMap<Partition, i64>) -> Result<(), KafkaError> {
        self.consumer.commit(&list_of(next)?, CommitMode::Async)
    }

    /// What the group has committed of a partition.
    ///
    /// # Errors
    /// Kafka's.
    pub async fn committed(&self, partition: &Partition) -> Result<Option<i64>, KafkaError> {
        let (consumer, (topic, number)) = (self.consumer.clone(), partition.clone());
        let asked = vital::blocking(move || -> KafkaResult<Option<i64>> {
            let mut list = TopicPartitionList::new();
            list.add_partition(&topic, number);
            let found = consumer.committed_offsets(list, Duration::from_millis(KAFKA_ASK_MS))?;
            let of = found.find_partition(&topic, number).map(|of| of.offset());
            Ok(match of {
                Some(Offset::Offset(offset)) => Some(offset),
                _ => None,
            })
        });
        // Nobody waits for a runtime that ends; where it has panicked the node leaves.
        asked.await.unwrap_or(Err(KafkaError::Canceled))
    }

    /// The first offset that a partition keeps, and the one that comes next.
    ///
    /// # Errors
    /// Kafka's.
    pub async fn watermarks(&self, partition: &Partition) -> Result<(i64, i64), KafkaError> {
        let (consumer, (topic, number)) = (self.consumer.clone(), partition.clone());
        let asked =
            vital::blocking(move || consumer.fetch_watermarks(&topic, number, Duration::from_millis(KAFKA_ASK_MS)));
        // As above.
        asked.await.unwrap_or(Err(KafkaError::Canceled))
    }
}

/// What was read. That a partition has no more is librdkafka's error.
fn read_of<'m>(pulse: &Pulse, read: KafkaResult<BorrowedMessage<'m>>) -> KafkaResult<Incoming<'m>> {
    let read = match read {
        Err(KafkaError::PartitionEOF(partition)) => Ok(Incoming::End(partition)),
        read => read.map(Incoming::Record),
    };
    match &read {
        Ok(_) => pulse.refused(false),
        Err(error) if is_refusal(error) => pulse.refused(true),
        Err(_) => {}
    }
    read
}

fn list_of(offsets: &BTreeMap<Partition, i64>) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

impl fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Consumer({:?})", *self.assigned.borrow())
    }
}
