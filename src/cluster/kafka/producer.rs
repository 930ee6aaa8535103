//! Writes records. A record is copied into librdkafka's bounded queue; whether Kafka has taken it is told on librdkafka's thread.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;

use super::client;
use super::fault::Fault;
use super::metrics::ProducerMetrics;
use super::trouble::Trouble;
use crate::cluster::seldom::Seldom;
use crate::config::KafkaConfig;
use crate::limits::{KAFKA_WAITING_BYTES_MAX, KAFKA_WAITING_MAX};
use crate::vital;

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
    pub key: Option<&'a [u8]>,
    /// A partition of the writer's own choice, in place of the key's.
    pub partition: Option<i32>,
    /// What is in it.
    pub value: &'a [u8],
    /// Names and values beside it.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Tells what became of a record, whether that is waited for or not.
#[derive(Debug)]
pub struct Fate(oneshot::Receiver<Result<Place, Fault>>);

impl Future for Fate {
    type Output = Result<Place, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let told = Pin::new(&mut self.0).poll(context);
        told.map(|told| told.unwrap_or_else(|_| Err(Fault::Other("the producer has ended".into()))))
    }
}

/// How long a record waits for others to go with it, milliseconds, where the configuration does not say: somebody waits for most of
/// them. Where much is written, records gather all the same while others are on their way.
const LINGER_MS: &str = "1";

/// The options of whatever writes records.
pub fn options(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut options = client::options(config, client_id);
    // Taken by all replicas in step, once and in order, by the partition of Java's clients.
    options.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    options.set("delivery.timeout.ms", config.timeout.as_millis().to_string());
    if ["linger.ms", "queue.buffering.max.ms"].iter().all(|name| options.get(name).is_none()) {
        options.set("linger.ms", LINGER_MS);
    }
    options.set("queue.buffering.max.messages", KAFKA_WAITING_MAX.to_string());
    options.set("queue.buffering.max.kbytes", (KAFKA_WAITING_BYTES_MAX / 1024).to_string());
    options
}

/// How long one of librdkafka's producers is kept that Kafka has refused for good, before another asks again.
const PAUSE: Duration = Duration::from_secs(5);

type Done = Box<dyn FnOnce(Result<Place, Fault>) + Send + Sync>;

/// Told on librdkafka's thread what became of records, and on the writer's what was refused at once.
struct Told {
    metrics: Arc<ProducerMetrics>,
    complaints: Arc<Seldom>,
    trouble: Arc<Trouble>,
    /// Why Kafka has refused the producer, where it has.
    refusal: Mutex<Option<Fault>>,
}

impl Told {
    fn new() -> Self {
        let (metrics, complaints, refusal) = Default::default();
        Self { metrics, complaints, trouble: Arc::new(Trouble::of("the producer of records")), refusal }
    }

    /// For another producer in place of this one.
    fn successor(&self) -> Self {
        let (metrics, complaints, trouble) = (self.metrics.clone(), self.complaints.clone(), self.trouble.clone());
        Self { metrics, complaints, trouble, refusal: Mutex::default() }
    }

    fn failed(&self, error: &KafkaError) -> Fault {
        let refusal = || self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let fault = has_ended(error).then(refusal).flatten().unwrap_or_else(|| Fault::from(error));
        self.metrics.failed(fault.kind());
        if let Some(untold) = self.complaints.is_due(fault.kind()) {
            tracing::warn!(untold, "a record was not written: {fault}");
        }
        fault
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.trouble.note(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.trouble.tell(&error, reason);
        let fault = Fault::from(&error);
        if matches!(fault, Fault::Forbidden(_)) {
            *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        }
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = Box<Done>;

    fn delivery(&self, result: &DeliveryResult<'_>, done: Box<Done>) {
        let (Ok(message) | Err((_, message))) = result;
        self.metrics.leaves(message.payload_len() + message.key_len());
        done(match result {
            Ok(message) => {
                self.metrics.taken();
                Ok(Place { partition: message.partition(), offset: message.offset() })
            }
            Err((error, _)) => Err(self.failed(error)),
        });
    }
}

/// Whether this is said by a producer that takes nothing any more, whatever Kafka says later.
fn has_ended(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal)
}

/// One of librdkafka's. It ends for good where Kafka refuses it a number of its own, as for want of a right; another may have it then.
struct Current {
    producer: ThreadedProducer<Told>,
    since: Instant,
}

impl Current {
    fn begin(options: &ClientConfig, told: Told) -> anyhow::Result<Self> {
        Ok(Self { producer: options.create_with_context(told)?, since: Instant::now() })
    }
}

/// See the module. One serves a whole process, from any thread.
pub struct Producer {
    options: ClientConfig,
    metrics: Arc<ProducerMetrics>,
    current: RwLock<Current>,
}

impl Producer {
    /// Does not wait for any broker.
    ///
    /// # Errors
    /// An option that librdkafka does not know, or a file of its that cannot be read.
    pub fn new(config: &KafkaConfig, client_id: &str) -> anyhow::Result<Self> {
        let options = options(config, client_id);
        let told = Told::new();
        let metrics = told.metrics.clone();
        Ok(Self { current: RwLock::new(Current::begin(&options, told)?), options, metrics })
    }

    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another of librdkafka's producers, now and then, in place of one that has ended for good.
    fn renew(&self) {
        // Whoever is at it now writes by it; the next record finds it ended again.
        let Ok(mut current) = self.current.try_write() else { return };
        if current.since.elapsed() < PAUSE {
            return;
        }
        match Current::begin(&self.options, current.producer.context().successor()) {
            Ok(next) => {
                let ended = std::mem::replace(&mut *current, next);
                drop(current);
                // It takes a moment to end. Without a thread it ends here.
                let _ = vital::spawn("ended-producer", move || drop(ended));
            }
            Err(error) => tracing::error!("no producer in place of one that has ended: {error:#}"),
        }
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<ProducerMetrics> {
        &self.metrics
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
        let bytes = record.value.len() + record.key.map_or(0, <[u8]>::len);
        self.metrics.enters(bytes);
        let current = self.current();
        let Err((error, refused)) = current.producer.send(written) else { return };
        let fault = current.producer.context().failed(&error);
        drop(current);
        self.metrics.leaves(bytes);
        if has_ended(&error) {
            self.renew();
        }
        (refused.delivery_opaque)(Err(fault));
    }

    /// Writes a record. What became of it is told by what is given back.
    pub fn written(&self, record: Record<'_>) -> Fate {
        let (told, hears) = oneshot::channel();
        // Who has given up waiting is not told.
        self.write(record, move |result| drop(told.send(result)));
        Fate(hears)
    }

    /// Records that wait, or are on their way.
    pub fn waiting(&self) -> usize {
        self.current().producer.in_flight_count().max(0) as usize
    }

    /// Waits until nothing waits any more, as long as this at most.
    pub fn flush(&self, patience: Duration) {
        let _ = self.current().producer.flush(patience);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Producer({} waiting)", self.waiting())
    }
}
