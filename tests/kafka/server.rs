//! Brokers of Kafka for tests: each on free ports of loopback, with a folder of its own, ended with its owner. One takes some
//! seconds to start, and 300 MB: tests that leave it in peace share one, with topics of their own.
#![allow(dead_code, reason = "each test takes of it what it needs")]

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::free_port;

/// How long a broker may take to come up, or to do one thing, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where tests/packages puts the jars, as seen from the node's crate and from the load generator's.
const JARS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/target/tools/kafka/*:",
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/kafka/*"
);

/// The one that tests share, as long as one of them has it.
static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());

/// A broker that runs.
pub(crate) struct Kafka {
    child: Child,
    port: u16,
    folder: TempDir,
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
        let (folder, port, second) = (TempDir::new().expect("a folder can be made"), free_port(), free_port());
        let text = include_str!("server.properties").replace("FOLDER", &folder.path().display().to_string());
        let text = text.replace("SECOND", &second.to_string()).replace("PORT", &port.to_string());
        let path = folder.path().join("server.properties");
        fs::write(&path, format!("{text}{lines}\n")).expect("the file is written");
        let mut format = java("kafka.tools.StorageTool");
        format.args(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"]).arg(&path);
        let output = format.output().expect("tests/packages installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut kafka =
            Self { child: run(&folder), port, folder, prefixes: AtomicU32::new(0), producer: OnceLock::new() };
        kafka.wait();
        kafka
    }

    /// What begins the names of topics and groups that nobody else has.
    pub(crate) fn prefix(&self) -> String {
        format!("t{}.", self.prefixes.fetch_add(1, Ordering::Relaxed))
    }

    /// Where it is, as `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as a loss of power would, but for what the kernel has.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, with what it has.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = run(&self.folder);
        self.wait();
    }

    /// Such as `STOP`, after which it stands still until `CONT`.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the broker is there");
    }

    /// Makes a topic.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        self.topic_with(name, partitions, &[]);
    }

    /// Makes a topic with some options, such as `("max.message.bytes", "1000")`.
    pub(crate) fn topic_with(&self, name: &str, partitions: i32, options: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("the options are right");
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = options.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let patience = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let made = block_on(admin.create_topics([&topic], &patience)).expect("the broker answers");
        assert!(made.iter().all(Result::is_ok), "{name}: {made:?}");
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
        let consumer = self.consumer("reader");
        consumer.assign(&self.partitions(&consumer, topic, Offset::Beginning)).expect("the topic is there");
        let (mut read, until) = (Vec::new(), Instant::now() + PATIENCE);
        // What is more than was awaited is there at once.
        while read.len() < count || consumer_has_more(&consumer, &mut read) {
            assert!(Instant::now() < until, "{topic} has {} records, not {count}: {read:?}", read.len());
            consumer_has_more(&consumer, &mut read);
        }
        read
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

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.address());
        client
    }

    /// Waits until it answers.
    fn wait(&mut self) {
        let until = Instant::now() + PATIENCE;
        let consumer = self.consumer("reader");
        while consumer.fetch_metadata(None, Duration::from_secs(1)).is_err() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().expect("it is a child").is_none(), "Kafka has ended: {}", log());
            assert!(Instant::now() < until, "Kafka does not answer: {}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.kill();
    }
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

fn java(class: &str) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", JARS, class]);
    java
}

fn run(folder: &TempDir) -> Child {
    let log = File::create(folder.path().join("log")).expect("the file is made");
    let mut java = java("kafka.Kafka");
    java.arg(folder.path().join("server.properties"));
    java.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("tests/packages installs it")
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the host gives what a runtime takes").block_on(future)
}
