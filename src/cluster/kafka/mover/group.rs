//! The movers' consumer group, as one of them sees it: which partitions are its own, where each stands, and what is read.
//!
//! Partitions that come are not read before [`Group::begin`] says where from; those that go are given up at once, since whoever
//! has them next begins where the group stands, and what was moved beyond is known to the buckets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::cluster::kafka::client;
use crate::cluster::kafka::trouble::Trouble;
use crate::cluster::seldom::Seldom;
use crate::config::KafkaConfig;
use crate::limits::KAFKA_STATISTICS_MS;
use crate::vital;

/// How long Kafka may take to say where partitions stand.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fetched records that wait to be read, over all partitions, KiB.
const FETCHED_KIB_MAX: &str = "16384";

/// What has become of partitions.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// They are this mover's from now on.
    Come(Vec<i32>),
    /// They are another's.
    Gone(Vec<i32>),
}

/// Where the group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    /// The offset of the first record that may not have been moved.
    pub(super) offset: i64,
    /// What was said beside it; empty for nothing.
    pub(super) said: String,
}

/// Told of rebalances, and some seconds later of commits, within [`Group::poll`].
struct Told {
    rebalances: Mutex<VecDeque<Rebalance>>,
    topic: String,
    /// By partition, where it ends, as far as a broker has said so.
    ends: Mutex<BTreeMap<i32, i64>>,
    /// See [`Group::next_taken`].
    taken: Mutex<Option<BTreeMap<i32, i64>>>,
    is_closing: AtomicBool,
    complaints: Seldom,
    trouble: Trouble,
}

impl Told {
    fn new(topic: String) -> Self {
        let (rebalances, ends, taken, is_closing, complaints) = Default::default();
        let trouble = Trouble::of("the mover of records");
        Self { rebalances, topic, ends, taken, is_closing, complaints, trouble }
    }

    fn rebalances(&self) -> MutexGuard<'_, VecDeque<Rebalance>> {
        self.rebalances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, kind: &'static str, error: &KafkaError) {
        if let Some(untold) = self.complaints.is_due(kind) {
            tracing::warn!(untold, "the mover of records: {kind}: {error}");
        }
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.trouble.note(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.tell(&error, reason);
    }

    fn stats(&self, mut statistics: Statistics) {
        let partitions = statistics.topics.remove(&self.topic).map(|topic| topic.partitions).unwrap_or_default();
        let taken = partitions.iter().map(|(number, partition)| (*number, partition.committed_offset)).collect();
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        let known = partitions.into_iter().filter(|(_, partition)| partition.hi_offset >= 0);
        let ends = known.map(|(number, partition)| (number, partition.hi_offset)).collect();
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }
}

impl ConsumerContext for Told {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let numbers: Vec<i32> = partitions.elements().iter().map(|one| one.partition()).collect();
        let comes = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let result = match (comes, consumer.rebalance_protocol()) {
            (true, _) if !numbers.is_empty() && !self.is_closing.load(Ordering::Relaxed) => {
                return self.rebalances().push_back(Rebalance::Come(numbers));
            }
            // librdkafka waits for none to begin, too; and at the end nobody would begin those that come.
            (true, _) => consumer.incremental_assign(partitions),
            (false, RebalanceProtocol::Cooperative) => consumer.incremental_unassign(partitions),
            (false, _) => consumer.unassign(),
        };
        if let Err(error) = result {
            self.complain("a rebalance", &error);
        }
        self.rebalances().push_back(Rebalance::Gone(numbers));
    }
}

/// See the module.
pub(super) struct Group {
    consumer: BaseConsumer<Told>,
    topic: String,
}

impl Group {
    /// What has yet to enter it.
    ///
    /// # Errors
    /// An option that librdkafka does not know, or a file of its that cannot be read.
    pub(super) fn new(config: &KafkaConfig, name: &str) -> anyhow::Result<Self> {
        let mut options = client::options(config, name);
        let defaults = [
            // Who is dead is replaced as soon as a node's lease runs out.
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "3000"),
            ("queued.max.messages.kbytes", FETCHED_KIB_MAX),
            client::FULL_QUEUE_PAUSE,
        ];
        client::set_defaults(&mut options, defaults);
        options.set("group.id", format!("{}.movers", config.group));
        options.set("partition.assignment.strategy", "cooperative-sticky");
        options.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        options.set("statistics.interval.ms", KAFKA_STATISTICS_MS.to_string());
        // What the topic has let go cannot be moved: it goes on with the oldest that is there.
        options.set("auto.offset.reset", "earliest");
        let consumer = options.create_with_context(Told::new(config.topics.publish.clone()))?;
        Ok(Self { consumer, topic: config.topics.publish.clone() })
    }

    /// Enters it; partitions come some time later. No broker is waited for.
    ///
    /// # Errors
    /// librdkafka's.
    pub(super) fn enter(&self) -> KafkaResult<()> {
        self.consumer.subscribe(&[&self.topic])
    }

    /// Leaves it: its partitions go, and with them these, which have come and were not begun. It may enter again.
    pub(super) fn stand_back(&self, coming: impl Iterator<Item = i32>) {
        self.let_go(coming);
        self.consumer.unsubscribe();
    }

    /// The next record, where one comes in time. What goes wrong passes by itself; it is told in the log.
    pub(super) fn poll(&self, patience: Duration) -> Option<BorrowedMessage<'_>> {
        match self.consumer.poll(patience)? {
            Ok(message) => Some(message),
            Err(error) => {
                self.consumer.context().trouble.tell(&error, "reading");
                None
            }
        }
    }

    /// What has become of partitions, in order.
    pub(super) fn next_rebalance(&self) -> Option<Rebalance> {
        self.consumer.context().rebalances().pop_front()
    }

    /// By partition, where it ended some seconds ago, as far as that is known.
    pub(super) fn ends(&self) -> BTreeMap<i32, i64> {
        self.consumer.context().ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to read partitions that have come, each from there.
    ///
    /// # Errors
    /// They have gone meanwhile.
    pub(super) fn begin(&self, starts: &[(i32, i64)]) -> KafkaResult<()> {
        self.consumer.incremental_assign(&self.list(starts)?)
    }

    /// Reads on from there.
    ///
    /// # Errors
    /// No answer in time, or it is not read.
    pub(super) fn seek(&self, starts: &[(i32, i64)]) -> KafkaResult<()> {
        let sought = self.consumer.seek_partitions(self.list(starts)?, PATIENCE)?;
        sought.elements().iter().try_for_each(|one| one.error())
    }

    /// Where the group stands; none where it does not.
    ///
    /// # Errors
    /// No answer in time.
    pub(super) fn committed(&self, partitions: &[i32]) -> KafkaResult<Vec<(i32, Option<Committed>)>> {
        let mut list = TopicPartitionList::new();
        partitions.iter().for_each(|partition| _ = list.add_partition(&self.topic, *partition));
        let committed = self.consumer.committed_offsets(list, PATIENCE)?;
        let one = |one: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            one.error()?;
            // Who is no mover may have written what is no text there, over which rdkafka 0.39 panics.
            let said = vital::caught(|| one.metadata().to_owned()).unwrap_or_default();
            let committed = match one.offset() {
                Offset::Offset(offset) => Some(Committed { offset, said }),
                _ => None,
            };
            Ok((one.partition(), committed))
        };
        committed.elements().into_iter().map(one).collect()
    }

    /// The first records that were written at this time, Unix milliseconds, or later, by what the topic says of them; the end
    /// where there are none.
    ///
    /// # Errors
    /// No answer in time.
    pub(super) fn since(&self, unix_ms: i64, partitions: &[i32]) -> KafkaResult<Vec<(i32, i64)>> {
        let times: Vec<_> = partitions.iter().map(|partition| (*partition, unix_ms.max(0))).collect();
        let found = self.consumer.offsets_for_times(self.list(&times)?, PATIENCE)?;
        let one = |one: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            one.error()?;
            let offset = match one.offset() {
                Offset::Offset(offset) => offset,
                _ => self.consumer.fetch_watermarks(&self.topic, one.partition(), PATIENCE)?.1,
            };
            Ok((one.partition(), offset))
        };
        found.elements().into_iter().map(one).collect()
    }

    /// The group stands there from now on; `said` is said beside it. It is not waited for, and librdkafka tells nobody what becomes
    /// of a commit that is not: see [`Group::next_taken`].
    ///
    /// # Errors
    /// It cannot be asked.
    pub(super) fn commit(&self, stands: &[(i32, i64)], said: &str) -> KafkaResult<()> {
        let list = self.list(stands)?;
        list.elements().iter_mut().for_each(|one| one.set_metadata(said));
        self.consumer.commit(&list, CommitMode::Async)
    }

    /// By partition, which of this mover's commits was the last that Kafka has taken, below 0 where it has taken none; where that was
    /// heard since this was last asked, every few seconds.
    pub(super) fn next_taken(&self) -> Option<BTreeMap<i32, i64>> {
        self.consumer.context().taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until the group has answered to what was committed last, as long as this at most: what is asked behind it on the same
    /// connection is answered behind it.
    ///
    /// A commit that is awaited as librdkafka does it takes the time of a session where no broker is there.
    pub(super) fn await_commit(&self, partitions: impl Iterator<Item = i32>, patience: Duration) {
        if let Err(error) = self.consumer.committed_offsets(self.unsought(partitions), patience) {
            self.complain("the last commit", &error);
        }
    }

    /// Reads nothing more of them.
    pub(super) fn pause(&self, partitions: impl Iterator<Item = i32>) {
        if let Err(error) = self.consumer.pause(&self.unsought(partitions)) {
            self.complain("a pause", &error);
        }
    }

    /// Reads them again.
    pub(super) fn resume(&self, partitions: impl Iterator<Item = i32>) {
        if let Err(error) = self.consumer.resume(&self.unsought(partitions)) {
            self.complain("the end of a pause", &error);
        }
    }

    /// Something has gone wrong.
    pub(super) fn complain(&self, kind: &'static str, error: &KafkaError) {
        self.consumer.context().complain(kind, error);
    }

    /// Leaves it for good, with those that have come and were not begun. Its partitions are others' at once.
    pub(super) fn leave(self, coming: impl Iterator<Item = i32>) {
        self.consumer.context().is_closing.store(true, Ordering::Relaxed);
        self.let_go(coming);
        while let Some(rebalance) = self.next_rebalance() {
            if let Rebalance::Come(partitions) = rebalance {
                self.let_go(partitions.into_iter());
            }
        }
    }

    /// Before librdkafka leaves it waits for partitions to begin that have come.
    fn let_go(&self, coming: impl Iterator<Item = i32>) {
        let list = self.unsought(coming);
        if list.count() > 0
            && let Err(error) = self.consumer.incremental_assign(&list)
        {
            self.complain("a rebalance", &error);
        }
    }

    fn list(&self, offsets: &[(i32, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))?;
        }
        Ok(list)
    }

    fn unsought(&self, partitions: impl Iterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        partitions.for_each(|partition| _ = list.add_partition(&self.topic, partition));
        list
    }
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaApiKey;

    use super::*;
    use crate::config::TopicsConfig;

    /// Polls until something is there.
    fn until<T>(group: &Group, mut is_there: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(60);
        iter::from_fn(|| {
            assert!(Instant::now() < until, "it does not come");
            assert!(group.poll(Duration::from_millis(20)).is_none(), "nobody has written");
            Some(is_there())
        })
        .flatten()
        .next()
        .expect("it does not end")
    }

    #[test]
    fn a_commit_that_kafka_has_not_taken_is_known_by_what_it_has_taken() {
        let kafka = MockCluster::new(1).unwrap();
        kafka.create_topic("up", 1, 1).unwrap();
        let topics = TopicsConfig { publish: "up".into(), ..TopicsConfig::default() };
        let config = KafkaConfig { brokers: vec![kafka.bootstrap_servers()], topics, ..KafkaConfig::default() };
        let group = Group::new(&config, "one").unwrap();
        group.enter().unwrap();
        let come = until(&group, || group.next_rebalance());
        assert!(matches!(&come, Rebalance::Come(partitions) if *partitions == [0]), "{come:?}");
        group.begin(&[(0, 0)]).unwrap();

        let commits = |offset| {
            group.commit(&[(0, offset)], "said").unwrap();
            group.await_commit(iter::once(0), PATIENCE);
        };
        commits(3);
        kafka.request_errors(RDKafkaApiKey::OffsetCommit, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS]);
        commits(7);
        // What was heard until now was said before it.
        assert!(group.poll(Duration::from_millis(100)).is_none(), "nobody has written");
        drop(group.next_taken());
        assert_eq!(until(&group, || group.next_taken())[&0], 3, "it was refused");
        commits(7);
        let said = Some(Committed { offset: 7, said: "said".into() });
        assert_eq!(group.committed(&[0]).unwrap(), [(0, said)]);
        until(&group, || group.next_taken().filter(|taken| taken[&0] == 7));
        group.leave(iter::empty());
    }
}
