//! Records that cannot be published go to the topic of the dead, with the reason: nobody's position sticks at one.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use tokio::time::sleep;

use super::metrics::MoverMetrics;
use crate::cluster::kafka::dead::{Dead, bury};
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::headers::header;
use crate::cluster::kafka::producer::Producer;
use crate::config::TopicsConfig;

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// So often a topic of the dead is tried that cannot be written to although Kafka is there.
const TRIES: u32 = 10;

/// A record that cannot be published, as it was.
#[derive(Debug)]
pub(super) struct Remains {
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    content_type: Option<Vec<u8>>,
}

impl Remains {
    /// Of a record that was read.
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Box<Self> {
        Box::new(Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            content_type: header(message, "content-type").map(<[u8]>::to_vec),
        })
    }

    /// What it takes while it waits.
    pub(super) fn bytes(&self) -> usize {
        self.value.len() + self.key.as_ref().map_or(0, Vec::len)
    }
}

/// Where they go.
pub(super) struct Graves {
    producer: Arc<Producer>,
    topics: TopicsConfig,
}

impl Graves {
    /// Writes by this producer.
    pub(super) fn new(producer: Arc<Producer>, topics: TopicsConfig) -> Self {
        Self { producer, topics }
    }

    /// Buries a record: until Kafka has it, or refuses it again and again.
    pub(super) async fn bury(&self, remains: &Remains, reason: &str, metrics: &MoverMetrics) {
        let Remains { partition, offset, .. } = *remains;
        let dead = || Dead {
            topic: &self.topics.publish,
            partition,
            offset,
            key: remains.key.as_deref(),
            value: &remains.value,
            content_type: remains.content_type.as_deref(),
            headers: &[],
        };
        let mut refused = 0;
        loop {
            match bury(&self.producer, &self.topics.publish_dead, dead(), reason).await {
                Ok(_) => return metrics.buried.add(1),
                Err(Fault::Late | Fault::Crowded | Fault::FewReplicas) => {}
                Err(fault) if refused == TRIES => {
                    tracing::error!(partition, offset, reason, "a record of the way up is passed over: {fault}");
                    return metrics.passed_over.add(1);
                }
                Err(_) => refused += 1,
            }
            sleep(PAUSE).await;
        }
    }
}
