//! The topic of publications: every one that a channel of the way through Kafka keeps, in its place, for archives and search.
//!
//! Whoever has moved a record to its channel writes it before the record counts as moved: at least once. Of a channel they come in
//! order, but for repetitions. While the topic takes nothing although Kafka is there, they are left out: nobody waits for it for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::fault::Fault;
use super::producer::{Producer, Record};
use super::record;
use super::refusals::Refusals;
use crate::broker::bridge::Publish;
use crate::cluster::redis::moves::Came;
use crate::cluster::redis::streams::Outcome;
use crate::cluster::seldom::Seldom;
use crate::config::KafkaConfig;
use crate::events::{self, Format, Publication};

/// How long to wait before what Kafka did not take is written again.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes publications.
#[derive(Debug)]
pub struct Writer {
    producer: Arc<Producer>,
    /// None where the configuration names none.
    topic: Option<Arc<str>>,
    format: Format,
    refusals: Refusals,
    complaints: Seldom,
}

/// Some of those that are written together were not taken.
struct Untaken {
    /// How many of the first are done: what follows comes again.
    done: usize,
    /// How many of these are larger than Kafka takes.
    too_large: usize,
    /// How many were not taken.
    count: usize,
    /// Why the first of them was not.
    fault: Fault,
}

/// A record that is written.
struct Written {
    channel: Arc<str>,
    value: Vec<u8>,
}

impl Writer {
    /// Writes by this producer.
    pub fn new(producer: Arc<Producer>, config: &KafkaConfig) -> Self {
        let topic = Some(&config.topics.publications).filter(|topic| !topic.is_empty());
        let (refusals, complaints) = Default::default();
        Self { producer, topic: topic.map(|topic| topic.as_str().into()), format: config.format, refusals, complaints }
    }

    /// Writes those of a call that are kept. Returns when Kafka has them all, however long it is away, or refuses them for too long: how
    /// many are left out then. What is larger than it takes is left out, too.
    pub async fn keep(&self, moved: &[(&Publish, Came)]) -> usize {
        let Some(topic) = &self.topic else { return 0 };
        let mut left: Vec<_> = moved.iter().filter_map(|(publish, came)| self.written(publish, *came)).collect();
        let mut tries = self.refusals.begin();
        let mut left_out = 0;
        loop {
            match self.write(topic, &left).await {
                Ok(too_large) => {
                    tries.end();
                    return left_out + too_large;
                }
                Err(Untaken { done, too_large, count, fault }) => {
                    left.drain(..done);
                    left_out += too_large;
                    if !tries.go_on(&fault) {
                        self.complain(topic, &left[0].channel, count, &fault);
                        return left_out + count;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn complain(&self, topic: &str, channel: &str, count: usize, fault: &Fault) {
        if let Some(untold) = self.complaints.is_due("left out") {
            tracing::error!(untold, topic, channel, count, "publications are left out of their topic: {fault}");
        }
    }

    /// Writes all of these; how many are larger than Kafka takes.
    ///
    /// # Errors
    /// What was not taken, and may be later.
    async fn write(&self, topic: &str, all: &[Written]) -> Result<usize, Untaken> {
        let headers = events::headers::<Publication>(self.format);
        let written = all.iter().map(|Written { channel, value }| {
            self.producer.written(Record {
                topic,
                key: Some(channel.as_bytes()),
                partition: None,
                value,
                headers: &headers,
            })
        });
        let written: Vec<_> = written.collect();
        let mut result = Ok(0);
        for (at, is_done) in written.into_iter().enumerate() {
            let Err(fault) = is_done.await else { continue };
            match &mut result {
                Ok(too_large) if fault.is_temporary() => {
                    result = Err(Untaken { done: at, too_large: *too_large, count: 1, fault });
                }
                Ok(too_large) => {
                    self.complain(topic, &all[at].channel, 1, &fault);
                    *too_large += 1;
                }
                Err(untaken) if fault.is_temporary() => untaken.count += 1,
                // It comes again.
                Err(_) => {}
            }
        }
        result
    }

    /// The record of what has come to its channel; nothing for what is not kept, or was written before.
    fn written(&self, publish: &Publish, came: Came) -> Option<Written> {
        let receipt = came.receipt;
        let is_kept = matches!(receipt.outcome, Outcome::Published | Outcome::Moved) && receipt.offset > 0;
        if !is_kept {
            return None;
        }
        // It was packed here, out of a record that was read.
        let events::Publish { data, b64data, tags, info, .. } = record::written(publish).ok()?;
        let publication = Publication {
            channel: publish.channel.to_string(),
            epoch: receipt.generation.life(receipt.created).epoch().to_string(),
            offset: receipt.offset,
            time_unix_ms: came.time_ms as i64,
            data,
            b64data,
            tags,
            info,
        };
        Some(Written { channel: publish.channel.clone(), value: events::encode(&publication, self.format) })
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use tokio::time::timeout;

    use super::*;
    use crate::broker::body::Told;
    use crate::broker::bridge::Ticket;
    use crate::cluster::redis::bucket::Generation;
    use crate::cluster::redis::streams::Receipt;
    use crate::model::{Keep, Payload};

    fn publish() -> Publish {
        let data = Payload::json("{\"a\":1}");
        Publish {
            ticket: Ticket(0),
            channel: "room".into(),
            body: Told::Publication { data, info: None, tags: None, exclude: None, ttl_ms: None }.pack(),
            keep: Keep { size: 1, ttl_ms: 1, meta_ttl_ms: 1 },
            key: None,
            sender: None,
            version: None,
            is_relayed: true,
            push_after_ms: 0,
        }
    }

    #[test]
    fn what_has_a_place_is_written_and_so_is_what_may_not_have_been_by_who_moved_it_first() {
        let config = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..KafkaConfig::default() };
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config);
        let written = |outcome, offset| {
            let receipt = Receipt { outcome, generation: Generation([1; 8]), created: 3, offset };
            let written = writer.written(&publish(), Came { receipt, time_ms: 5 })?;
            Some(events::decode::<Publication>(None, &written.value).unwrap())
        };
        let epoch = Generation([1; 8]).life(3).epoch().to_string();
        for outcome in [Outcome::Published, Outcome::Moved] {
            let data = "{\"a\":1}".into();
            let expected = Publication {
                channel: "room".into(),
                epoch: epoch.clone(),
                offset: 7,
                time_unix_ms: 5,
                data,
                ..Publication::default()
            };
            assert_eq!(written(outcome, 7), Some(expected));
            assert_eq!(written(outcome, 0), None, "it has no place, or was settled");
        }
        for outcome in [Outcome::Repeated, Outcome::Passed, Outcome::TooMany] {
            assert_eq!(written(outcome, 7), None, "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn what_is_larger_than_kafka_takes_is_left_out_and_counted() {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig { brokers: vec![cluster.bootstrap_servers()], ..KafkaConfig::default() };
        cluster.create_topic(&config.topics.publications, 1, 1).unwrap();
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config);
        let receipt = Receipt { outcome: Outcome::Published, generation: Generation([1; 8]), created: 3, offset: 7 };
        let data = Payload::binary(vec![b'x'; 1 << 20]);
        let body = Told::Publication { data, info: None, tags: None, exclude: None, ttl_ms: None }.pack();
        let large = Publish { body, ..publish() };
        let came = Came { receipt, time_ms: 5 };
        assert_eq!(writer.keep(&[(&publish(), came), (&large, came), (&publish(), came)]).await, 1);
        assert_eq!(writer.producer.metrics().written(), 2);
    }

    #[tokio::test]
    async fn without_a_topic_nothing_is_written() {
        let mut config = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..KafkaConfig::default() };
        config.topics.publications.clear();
        let writer = Writer::new(Arc::new(Producer::new(&config, "test").unwrap()), &config);
        let receipt = Receipt { outcome: Outcome::Published, generation: Generation([1; 8]), created: 3, offset: 7 };
        let kept = [(&publish(), Came { receipt, time_ms: 5 })];
        timeout(Duration::from_secs(10), writer.keep(&kept)).await.expect("no broker is waited for");
    }
}
