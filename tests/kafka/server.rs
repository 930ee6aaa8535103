//! A Kafka for tests: of one broker, or of several, each on free ports of loopback, with a folder of its own, ended with its
//! owner. A broker takes some seconds to start, and 300 MB: tests that leave it in peace share one, with topics of their own.
#![allow(dead_code, reason = "each test takes of it what it needs")]

pub(crate) mod broker;
pub(crate) mod rights;

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::Signal;

use self::broker::{Broker, Seat, java};

/// How long a Kafka may take to come up, or to do one thing, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a Kafka of three brokers has beside: one that is dead is left in three seconds, not in nine.
const OF_THREE: &str = "broker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
    controller.quorum.election.timeout.ms=500\ncontroller.quorum.fetch.timeout.ms=1000\noffsets.topic.min.isr=2";

/// The one that tests share, as long as one of them has it.
static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());

/// Brokers, of which some may not run.
pub(crate) struct Kafka {
    brokers: Vec<Broker>,
    /// What a client says beside where it is.
    options: Vec<(&'static str, String)>,
    prefixes: AtomicU32,
    /// Made for the first record: a connection of its own for each would take as long as a broker needs to take a thousand.
    producer: OnceLock<FutureProducer>,
}

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) at_unix_ms: i64,
}

impl Kept {
    /// Its value, which is JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.value)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.value)))
    }

    /// The value of a header, which is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(of, _)| of == name)?;
        Some(std::str::from_utf8(value).expect("it is text"))
    }
}

impl Kafka {
    /// The broker that tests share, which none of them stops.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let kafka = Arc::new(Self::start());
            *shared = Arc::downgrade(&kafka);
            kafka
        })
    }

    /// One for this test alone.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// One with more lines in its properties.
    pub(crate) fn start_with(lines: &str) -> Self {
        Self::start_for(&[], lines)
    }

    /// One whose clients are to say this, with more lines in its properties.
    pub(crate) fn start_for(options: &[(&'static str, &str)], lines: &str) -> Self {
        Self::of(vec![Seat::take(1)], options, lines)
    }

    /// One that keeps what it has in this folder.
    pub(crate) fn start_in(folder: &std::path::Path) -> Self {
        Self::start_with(&format!("log.dirs={}", folder.display()))
    }

    /// One of three brokers. What is written counts once two have it.
    pub(crate) fn three() -> Self {
        Self::of((1..=3).map(Seat::take).collect(), &[], OF_THREE)
    }

    fn of(seats: Vec<Seat>, options: &[(&'static str, &str)], lines: &str) -> Self {
        let voters: Vec<_> = seats.iter().map(Seat::as_voter).collect();
        let text = include_str!("server.properties").replace("VOTERS", &voters.join(","));
        let text = text.replace("COPIES", &seats.len().to_string());
        let properties = format!("{text}{lines}\n");
        let brokers = thread::scope(|scope| {
            let starting: Vec<_> =
                seats.into_iter().map(|seat| scope.spawn(|| Broker::start(seat, &properties))).collect();
            starting.into_iter().map(|starting| starting.join().expect("it has started")).collect()
        });
        let options = options.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let (prefixes, producer) = (AtomicU32::new(0), OnceLock::new());
        let mut kafka = Self { brokers, options, prefixes, producer };
        kafka.wait();
        kafka
    }

    /// What begins the names of topics and groups that nobody else has.
    pub(crate) fn prefix(&self) -> String {
        format!("t{}.", self.prefixes.fetch_add(1, Ordering::Relaxed))
    }

    /// Where its brokers are, as `host:port`, with commas between.
    pub(crate) fn address(&self) -> String {
        let addresses: Vec<_> = self.brokers.iter().map(|broker| broker.seat.address()).collect();
        addresses.join(",")
    }

    /// Ends all brokers as a loss of power would, but for what the kernel has.
    pub(crate) fn kill(&mut self) {
        self.brokers.iter_mut().for_each(Broker::kill);
    }

    /// Starts it again, with what it has.
    pub(crate) fn restart(&mut self) {
        self.brokers.iter_mut().for_each(Broker::run_again);
        self.wait();
    }

    /// Ends one broker as a loss of power would.
    pub(crate) fn kill_one(&mut self, id: i32) {
        self.broker(id).kill();
    }

    /// Starts one broker again, and does not wait for it.
    pub(crate) fn run_again(&mut self, id: i32) {
        self.broker(id).run_again();
    }

    /// As [`Kafka::signal`], to one broker.
    pub(crate) fn signal_one(&mut self, id: i32, signal: Signal) {
        self.broker(id).signal(signal);
    }

    /// Starts one broker again, and waits until all are there and every copy of what they have is in step.
    pub(crate) fn restart_one(&mut self, id: i32) {
        self.broker(id).run_again();
        self.wait();
        let all = |topics: &Metadata| {
            let of = topics.topics().iter().flat_map(|topic| topic.partitions());
            of.into_iter().all(|partition| partition.isr().len() == partition.replicas().len())
        };
        wait(&format!("broker {id} comes back into step"), || self.metadata().is_ok_and(|metadata| all(&metadata)));
    }

    /// Whether all brokers have ended, by themselves or not.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.brokers.iter_mut().all(Broker::has_ended)
    }

    /// Such as `STOP`, after which it stands still until `CONT`.
    pub(crate) fn signal(&self, signal: Signal) {
        self.brokers.iter().for_each(|broker| broker.signal(signal));
    }

    /// The broker that leads a partition: it takes what is written there. Those of `__consumer_offsets`, which has one, are where
    /// groups are kept.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> i32 {
        let metadata = self.metadata().expect("a broker answers");
        let found = metadata.topics().iter().find(|of| of.name() == topic).expect("the topic is there");
        found.partitions().iter().find(|of| of.id() == partition).expect("the partition is there").leader()
    }

    /// The broker that is the controller of them all, as far as they know.
    pub(crate) fn controller(&self) -> i32 {
        let said = |broker: &Broker| {
            let text = fs::read(broker.seat.data().join("__cluster_metadata-0/quorum-state")).ok()?;
            let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
            Some((state["leaderEpoch"].as_i64()?, i32::try_from(state["leaderId"].as_i64()?).ok()?))
        };
        self.brokers.iter().filter_map(said).max().expect("one of them knows").1
    }

    fn broker(&mut self, id: i32) -> &mut Broker {
        self.brokers.iter_mut().find(|broker| broker.seat.id == id).expect("there is such a broker")
    }

    fn metadata(&self) -> KafkaResult<Metadata> {
        self.consumer("reader").fetch_metadata(None, Duration::from_secs(2))
    }

    /// Makes a topic.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        self.topic_with(name, partitions, &[]);
    }

    /// Makes a topic with some options, such as `("max.message.bytes", "1000")`. All brokers have a copy of it.
    pub(crate) fn topic_with(&self, name: &str, partitions: i32, options: &[(&str, &str)]) {
        let copies = self.brokers.len() as i32;
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
        let topic = if copies > 1 { topic.set("min.insync.replicas", "2") } else { topic };
        let topic = options.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let admin = self.admin();
        let made = block_on(admin.create_topics([&topic], &patience())).expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{name}: {made:?}");
        // The controller has answered; the brokers hear of it a little later, or much later where they make many topics.
        let has_leaders = |metadata: &Metadata| {
            let made = metadata.topics().iter().flat_map(|of| of.partitions());
            made.filter(|partition| partition.leader() >= 0).count() == partitions as usize
        };
        let metadata = || admin.inner().fetch_metadata(Some(name), PATIENCE);
        wait(&format!("a broker has {name}"), || metadata().is_ok_and(|metadata| has_leaders(&metadata)));
    }

    /// Gives a topic more partitions: so many in all.
    pub(crate) fn grow(&self, topic: &str, partitions: usize) {
        let more = NewPartitions::new(topic, partitions);
        let grown = block_on(self.admin().create_partitions(&[more], &patience())).expect("the broker answers");
        assert!(grown.iter().all(Result::is_ok), "{topic}: {grown:?}");
    }

    /// Deletes a topic with all that it has.
    pub(crate) fn delete(&self, topic: &str) {
        let deleted = block_on(self.admin().delete_topics(&[topic], &patience())).expect("the broker answers");
        assert!(deleted.iter().all(Result::is_ok), "{topic}: {deleted:?}");
    }

    /// Sets an option of a topic, such as `("max.message.bytes", "1000")`; the others are as they are by default.
    pub(crate) fn set(&self, topic: &str, (key, value): (&str, &str)) {
        let (admin, of) = (self.admin(), ResourceSpecifier::Topic(topic));
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let set = block_on(admin.alter_configs([&config], &patience())).expect("the broker answers");
        assert!(set.iter().all(Result::is_ok), "{topic}: {set:?}");
        // The controller has answered; the broker hears of it a little later.
        let said = || block_on(admin.describe_configs([&of], &patience())).unwrap_or_default();
        let is_so = |said: &ConfigResource| said.get(key).is_some_and(|entry| entry.value.as_deref() == Some(value));
        wait(&format!("{topic} has {key}"), || said().iter().flatten().any(is_so));
    }

    /// How much each client may write, bytes a second; as much as it likes where nothing is said.
    pub(crate) fn quota(&self, bytes_per_second: Option<u32>) {
        let mut config = java("kafka.admin.ConfigCommand");
        config.args(["--bootstrap-server", &self.address(), "--alter", "--entity-type", "clients", "--entity-default"]);
        match bytes_per_second {
            Some(rate) => config.arg("--add-config").arg(format!("producer_byte_rate={rate}")),
            None => config.args(["--delete-config", "producer_byte_rate"]),
        };
        let output = config.output().expect("tests/packages installs it");
        let said = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        assert!(output.status.success() && !said.contains("Error"), "{said}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("the options are right")
    }

    /// Writes a record by the partitioner of Java's clients, and says where it lies: partition and offset.
    pub(crate) fn write(&self, topic: &str, key: Option<&str>, value: &[u8], headers: &[(&str, &[u8])]) -> (i32, i64) {
        let make = || self.client().set("partitioner", "murmur2_random").create().expect("the options are right");
        let producer = self.producer.get_or_init(make);
        let with = |all: OwnedHeaders, (key, value): &(&str, &[u8])| all.insert(Header { key, value: Some(*value) });
        let headers = headers.iter().fold(OwnedHeaders::new(), with);
        let record = FutureRecord { key, ..FutureRecord::to(topic).payload(value).headers(headers) };
        let written = block_on(producer.send(record, PATIENCE)).map_err(|(error, _)| error);
        let written = written.unwrap_or_else(|error| panic!("{topic}: {error}"));
        (written.partition, written.offset)
    }

    /// All records of a topic, once there are so many: those of a partition in their order.
    pub(crate) fn read(&self, topic: &str, count: usize) -> Vec<Kept> {
        let (consumer, mut read) = self.read_until(topic, count);
        // What is more than was awaited is there at once.
        let until = Instant::now() + PATIENCE;
        while consumer_has_more(&consumer, &mut read) {
            assert!(Instant::now() < until, "{topic} is written to all the time");
        }
        read
    }

    /// So many records of a topic in which there may be more all the time: those of a partition in their order.
    pub(crate) fn read_some(&self, topic: &str, count: usize) -> Vec<Kept> {
        self.read_until(topic, count).1
    }

    fn read_until(&self, topic: &str, count: usize) -> (BaseConsumer, Vec<Kept>) {
        let consumer = self.consumer("reader");
        consumer.assign(&self.partitions(&consumer, topic, Offset::Beginning)).expect("the topic is there");
        let (mut read, until) = (Vec::new(), Instant::now() + PATIENCE);
        while read.len() < count {
            assert!(Instant::now() < until, "{topic} has {} records, not {count}: {read:?}", read.len());
            consumer_has_more(&consumer, &mut read);
        }
        (consumer, read)
    }

    /// Up to where a group has committed, by partition; -1 for one where it has not.
    pub(crate) fn committed(&self, group: &str, topic: &str) -> Vec<i64> {
        let consumer = self.consumer(group);
        let partitions = self.partitions(&consumer, topic, Offset::Invalid);
        let committed = consumer.committed_offsets(partitions, PATIENCE).expect("the broker answers");
        committed
            .elements_for_topic(topic)
            .iter()
            .map(|of| of.offset().to_raw().filter(|at| *at >= 0))
            .map(|at| at.unwrap_or(-1))
            .collect()
    }

    /// How many members a group has.
    pub(crate) fn members(&self, group: &str) -> usize {
        let list = self.consumer("reader").fetch_group_list(Some(group), PATIENCE).expect("the broker answers");
        list.groups().iter().map(|of| of.members().len()).sum()
    }

    fn partitions(&self, consumer: &BaseConsumer, topic: &str, offset: Offset) -> TopicPartitionList {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("the broker answers");
        let mut partitions = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            partitions.add_partition_offset(topic, partition.id(), offset).expect("the offset is one");
        }
        assert!(partitions.count() > 0, "{topic} is not there");
        partitions
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut client = self.client();
        client.set("group.id", group).set("enable.auto.commit", "false");
        client.create().expect("the options are right")
    }

    /// What a client of it begins with.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address());
        self.options.iter().for_each(|(name, value)| _ = client.set(*name, value));
        client
    }

    /// Waits until all brokers are there.
    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !self.metadata().is_ok_and(|metadata| metadata.brokers().len() == self.brokers.len()) {
            for broker in &mut self.brokers {
                assert!(!broker.has_ended(), "a broker has ended: {}", broker.log());
            }
            assert!(Instant::now() < until, "Kafka does not answer: {}", self.brokers[0].log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until something holds.
fn wait(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn patience() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}

/// Puts the next record behind what was read, if there is one by now.
fn consumer_has_more(consumer: &BaseConsumer, read: &mut Vec<Kept>) -> bool {
    let Some(polled) = consumer.poll(Duration::from_millis(100)) else { return false };
    // What comes between, such as a broker that is away for a moment, is no record.
    let Ok(message) = polled else { return true };
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    read.push(Kept {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.map(|of| (of.key.to_owned(), of.value.unwrap_or_default().to_vec())).collect(),
        at_unix_ms: message.timestamp().to_millis().unwrap_or_default(),
    });
    true
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the host gives what a runtime takes").block_on(future)
}
