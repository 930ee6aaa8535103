//! The way down: what buckets tell nodes of publications that came to them from Kafka. A topic has a partition for each slot of a
//! node: slot 1 reads partition 0. A record is the number of a bucket, and a message as its listener takes it.
//!
//! Whoever moves records writes; each node reads what is written from the beginning of its term on. What is not written, or not
//! read, leaves a hole in the numbers of the messages: the node sees it, and reads the streams of the channels instead. What a node
//! tells itself goes by its [`Loopback`].

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::client;
use super::loopback::Loopback;
use super::producer::{Fate, Producer, Record};
use super::trouble::Trouble;
use crate::broker::counter::Counter;
use crate::cluster::redis::moves::Told;
use crate::cluster::redis::relayed::Relayed;
use crate::cluster::seldom::Seldom;
use crate::config::KafkaConfig;
use crate::limits::{DELIVER_AHEAD_KIB_MAX, DELIVER_WAITING_MAX};
use crate::vital;

/// How long a broker may take to say how long a partition is, and the pause before it is asked again.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);

/// How long to wait for a record before looking whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// The partition of a slot.
pub fn partition_of(slot: u8) -> i32 {
    i32::from(slot) - 1
}

/// Writes what nodes are told.
#[derive(Clone, Debug)]
pub struct Writer {
    producer: Arc<Producer>,
    topic: Arc<str>,
    loopback: Arc<Loopback>,
}

/// Nodes that are being told.
#[derive(Debug)]
pub struct Telling {
    /// How many messages the node itself was told.
    pub here: usize,
    /// What becomes of those that are written.
    fates: Vec<Fate>,
}

impl Telling {
    /// How many messages are written.
    pub fn written(&self) -> usize {
        self.fates.len()
    }

    /// Returns when each node was told, or will see that it was not: how many were not, of which the producer tells why.
    pub async fn lost(self) -> usize {
        let mut lost = 0;
        for fate in self.fates {
            lost += usize::from(fate.await.is_err());
        }
        lost
    }
}

impl Writer {
    /// Writes by this producer; what the node itself is told goes there.
    pub fn new(producer: Arc<Producer>, config: &KafkaConfig, loopback: Arc<Loopback>) -> Self {
        Self { producer, topic: config.topics.deliver.as_str().into(), loopback }
    }

    /// Tells the nodes: who is told more afterwards hears it afterwards, also where what is written is not waited for.
    pub async fn tell(&self, bucket: u16, told: &[Told]) -> Telling {
        let mut telling = Telling { here: 0, fates: Vec::new() };
        for one in told {
            if self.loopback.give(bucket, one).await {
                telling.here += 1;
                continue;
            }
            telling.fates.push(self.write(bucket, one));
        }
        telling
    }

    fn write(&self, bucket: u16, told: &Told) -> Fate {
        let value = [&bucket.to_be_bytes()[..], &told.message].concat();
        let (topic, partition) = (&*self.topic, Some(partition_of(told.slot)));
        self.producer.written(Record { topic, key: None, partition, value: &value, headers: &[] })
    }
}

/// What one term of the node reads.
#[derive(Debug)]
struct Order {
    slot: u8,
    to: mpsc::Sender<Relayed>,
}

/// Reads what the node is told, on a thread of its own, term after term.
#[derive(Debug)]
pub struct Reader {
    orders: Option<flume::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts the thread, which waits for the first term. No broker is waited for. `heard` counts what comes by Kafka; what the node
    /// tells itself comes by the loopback.
    ///
    /// # Errors
    /// An option that librdkafka does not know, a file of its that cannot be read, or no thread.
    pub fn start(
        config: &KafkaConfig,
        client_id: &str,
        loopback: Arc<Loopback>,
        heard: Arc<Counter>,
    ) -> anyhow::Result<Self> {
        let mut options = client::options(config, client_id);
        // No group is joined: librdkafka wants the name all the same.
        options.set("group.id", format!("{}.deliver", config.group));
        options.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        // What the topic has let go unread is a hole, which the numbers show.
        options.set("auto.offset.reset", "latest");
        options.set("queued.max.messages.kbytes", DELIVER_AHEAD_KIB_MAX.to_string());
        client::set_defaults(&mut options, [client::FULL_QUEUE_PAUSE]);
        let (topic, complaints) = (config.topics.deliver.clone(), Seldom::a_minute());
        let consumer = options.create_with_context(Trouble::of("what Kafka delivers"))?;
        let reading = Reading { consumer, topic, loopback, heard, complaints };
        let (orders_in, orders) = flume::unbounded();
        let thread = vital::spawn("deliver", move || reading.serve(&orders));
        let thread = thread.context("no thread for what Kafka delivers")?;
        Ok(Self { orders: Some(orders_in), thread: Some(thread) })
    }

    /// Begins a term with this slot, until what is read is taken no more.
    pub fn begin(&self, slot: u8) -> mpsc::Receiver<Relayed> {
        let (to, relayed) = mpsc::channel(DELIVER_WAITING_MAX);
        if let Some(orders) = &self.orders {
            // The thread ends after this, unless it has panicked.
            let _ = orders.send(Order { slot, to });
        }
        relayed
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Reading {
    consumer: BaseConsumer<Trouble>,
    topic: String,
    loopback: Arc<Loopback>,
    heard: Arc<Counter>,
    complaints: Seldom,
}

impl Reading {
    fn serve(&self, orders: &flume::Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            while let Err(error) = self.begin(order.slot) {
                if let Some(untold) = self.complaints.is_due("begin") {
                    tracing::warn!(untold, slot = order.slot, "what comes by Kafka is not heard yet: {error}");
                }
                thread::sleep(PAUSE);
                if order.to.is_closed() {
                    break;
                }
            }
            self.read(&order);
            self.loopback.close();
            if let Err(error) = self.consumer.unassign() {
                tracing::warn!("a partition is read on: {error}");
            }
        }
    }

    /// Reads what is written from now on. Asked for by its offset, the end is known to be that of now.
    fn begin(&self, slot: u8) -> KafkaResult<()> {
        let partition = partition_of(slot);
        let (_, end) = self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE)?;
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, partition, Offset::Offset(end))?;
        self.consumer.assign(&place)
    }

    /// Gives what is read until nobody takes it.
    fn read(&self, order: &Order) {
        let mut is_taken = self.loopback.open(order.slot, &order.to);
        while is_taken {
            is_taken = match self.consumer.poll(LOOK) {
                None => !order.to.is_closed(),
                Some(Ok(record)) => match record.payload().and_then(said) {
                    Some(said) => {
                        self.heard.add(1);
                        order.to.blocking_send(said).is_ok()
                    }
                    None => true,
                },
                // It passes by itself; what is missed meanwhile shows.
                Some(Err(error)) => {
                    if let Some(untold) = self.complaints.is_due("read") {
                        tracing::warn!(untold, "reading what Kafka delivers: {error}");
                    }
                    true
                }
            };
        }
    }
}

/// What a record says; nothing where it is none of the cluster's.
pub fn said(value: &[u8]) -> Option<Relayed> {
    let (bucket, message) = value.split_first_chunk::<2>()?;
    Some(Relayed::Said(u16::from_be_bytes(*bucket), Bytes::copy_from_slice(message)))
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use tokio::time::timeout;

    use super::*;

    /// A Kafka with a partition for each of two nodes.
    fn kafka() -> (MockCluster<'static, DefaultProducerContext>, KafkaConfig) {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig { brokers: vec![cluster.bootstrap_servers()], ..KafkaConfig::default() };
        cluster.create_topic(&config.topics.deliver, 2, 1).unwrap();
        (cluster, config)
    }

    fn told(slot: u8, message: &'static str) -> Told {
        Told { slot, message: message.into() }
    }

    async fn next(relayed: &mut mpsc::Receiver<Relayed>) -> Relayed {
        timeout(Duration::from_secs(30), relayed.recv()).await.expect("something comes").expect("it is read")
    }

    #[tokio::test]
    async fn a_node_is_told_what_is_written_for_its_slot_from_the_beginning_of_its_term_on() {
        let (_cluster, config) = kafka();
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config, Arc::default());
        writer.tell(7, &[told(1, "before"), told(2, "before")]).await.lost().await;
        let reader = Reader::start(&config, "test", Arc::default(), Arc::default()).unwrap();
        let mut first = reader.begin(1);
        assert_eq!(next(&mut first).await, Relayed::Begins);
        writer.tell(7, &[told(1, "a"), told(2, "another's")]).await.lost().await;
        writer.tell(65_535, &[told(1, "b")]).await.lost().await;
        assert_eq!(next(&mut first).await, Relayed::Said(7, "a".into()));
        assert_eq!(next(&mut first).await, Relayed::Said(65_535, "b".into()));
        drop(first);
        writer.tell(7, &[told(2, "between")]).await.lost().await;
        let mut second = reader.begin(2);
        assert_eq!(next(&mut second).await, Relayed::Begins);
        writer.tell(8, &[told(2, "c")]).await.lost().await;
        assert_eq!(next(&mut second).await, Relayed::Said(8, "c".into()));
    }

    #[tokio::test]
    async fn what_a_node_tells_itself_goes_by_no_kafka_while_its_term_lasts() {
        let (_cluster, config) = kafka();
        let loopback = Arc::<Loopback>::default();
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config, loopback.clone());
        let reader = Reader::start(&config, "test", loopback, Arc::default()).unwrap();
        let mut term = reader.begin(1);
        assert_eq!(next(&mut term).await, Relayed::Begins);
        let telling = writer.tell(7, &[told(1, "own"), told(2, "another's")]).await;
        assert_eq!((telling.here, telling.written(), telling.lost().await), (1, 1, 0));
        let written = Telling { here: 0, fates: vec![writer.write(7, &told(1, "by another"))] };
        assert_eq!(written.lost().await, 0);
        assert_eq!(next(&mut term).await, Relayed::Said(7, "own".into()));
        assert_eq!(next(&mut term).await, Relayed::Said(7, "by another".into()));
        drop(term);
        let telling = writer.tell(7, &[told(1, "later")]).await;
        assert_eq!((telling.here, telling.lost().await), (0, 0), "nobody hears, and it is written");
    }

    #[tokio::test]
    async fn a_slot_without_a_partition_holds_up_nobody() {
        let (_cluster, mut config) = kafka();
        config.timeout = crate::config::Duration::from_secs(1);
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config, Arc::default());
        let reader = Reader::start(&config, "test", Arc::default(), Arc::default()).unwrap();
        let mut first = reader.begin(1);
        assert_eq!(next(&mut first).await, Relayed::Begins);
        let told = [told(9, "lost"), told(1, "a")];
        let telling = writer.tell(7, &told).await;
        let lost = timeout(Duration::from_secs(30), telling.lost()).await.unwrap();
        assert_eq!(lost, 1);
        assert_eq!(next(&mut first).await, Relayed::Said(7, "a".into()));
    }

    #[test]
    fn what_is_too_short_says_nothing() {
        assert_eq!(said(b"\x01"), None);
        assert_eq!(said(b"\x01\x02"), Some(Relayed::Said(258, Bytes::new())));
    }
}
