//! Writes records. A record is copied into librdkafka's bounded queue; whether Kafka has taken it is told on librdkafka's thread.

use std::fmt;
use std::sync::Arc;

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::client;
use super::fault::Fault;
use super::metrics::ProducerMetrics;
use crate::cluster::seldom::Seldom;
use crate::config::KafkaConfig;
use crate::limits::{KAFKA_WAITING_BYTES_MAX, KAFKA_WAITING_MAX};

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The partition of its topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Records of one key keep their order, and lie in the partition where Java's clients put them; none is spread.
    pub key: Option<&'a str>,
    /// A partition of the writer's own choice, in place of the key's.
    pub partition: Option<i32>,
    /// What is in it.
    pub value: &'a [u8],
    /// Names and values beside it.
    pub headers: &'a [(&'a str, &'a [u8])],
}

type Done = Box<dyn FnOnce(Result<Place, Fault>) + Send + Sync>;

/// Told on librdkafka's thread what became of records, and on the writer's what was refused at once.
#[derive(Default)]
struct Told {
    metrics: Arc<ProducerMetrics>,
    complaints: Seldom,
}

impl Told {
    fn failed(&self, error: &KafkaError) -> Fault {
        let fault = Fault::from(error);
        self.metrics.failed(fault.kind());
        if let Some(untold) = self.complaints.is_due(fault.kind()) {
            tracing::warn!(untold, "a record was not written: {fault}");
        }
        fault
    }
}

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = Box<Done>;

    fn delivery(&self, result: &DeliveryResult<'_>, done: Box<Done>) {
        done(match result {
            Ok(message) => {
                self.metrics.taken();
                Ok(Place { partition: message.partition(), offset: message.offset() })
            }
            Err((error, _)) => Err(self.failed(error)),
        });
    }
}

/// See the module. One serves a whole process, from any thread.
pub struct Producer(ThreadedProducer<Told>);

impl Producer {
    /// Does not wait for any broker.
    ///
    /// # Errors
    /// An option that librdkafka does not know, or a file of its that cannot be read.
    pub fn new(config: &KafkaConfig, client_id: &str) -> anyhow::Result<Self> {
        let mut options = client::options(config, client_id);
        // Taken by all replicas in step, once and in order, by the partition of Java's clients.
        options.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
        options.set("delivery.timeout.ms", config.timeout.as_millis().to_string());
        options.set("queue.buffering.max.messages", KAFKA_WAITING_MAX.to_string());
        options.set("queue.buffering.max.kbytes", (KAFKA_WAITING_BYTES_MAX / 1024).to_string());
        Ok(Self(options.create_with_context(Told::default())?))
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<ProducerMetrics> {
        &self.0.context().metrics
    }

    /// Writes a record; `done` is called once, from any thread, and must not wait. A refusal comes before the return.
    pub fn write(&self, record: Record<'_>, done: impl FnOnce(Result<Place, Fault>) + Send + Sync + 'static) {
        let mut written =
            BaseRecord::with_opaque_to(record.topic, Box::new(Box::new(done) as Done)).payload(record.value);
        if let Some(key) = record.key {
            written = written.key(key);
        }
        if let Some(partition) = record.partition {
            written = written.partition(partition);
        }
        if !record.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(record.headers.len());
            let one = |headers: OwnedHeaders, (key, value): &(&str, &[u8])| {
                headers.insert(Header { key, value: Some(*value) })
            };
            written = written.headers(record.headers.iter().fold(headers, one));
        }
        if let Err((error, refused)) = self.0.send(written) {
            (refused.delivery_opaque)(Err(self.0.context().failed(&error)));
        }
    }

    /// Writes a record, whether what is given back is waited for or not: that tells what became of it.
    pub fn written(&self, record: Record<'_>) -> impl Future<Output = Result<Place, Fault>> + use<> {
        let (told, hears) = oneshot::channel();
        // Who has given up waiting is not told.
        self.write(record, move |result| drop(told.send(result)));
        async { hears.await.unwrap_or_else(|_| Err(Fault::Other("the producer has ended".into()))) }
    }

    /// Records that wait, or are on their way.
    pub fn waiting(&self) -> usize {
        self.0.in_flight_count().max(0) as usize
    }

    /// Waits until nothing waits any more, as long as this at most.
    pub fn flush(&self, patience: std::time::Duration) {
        let _ = self.0.flush(patience);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Producer({} waiting)", self.waiting())
    }
}
