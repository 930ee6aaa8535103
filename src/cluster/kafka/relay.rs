//! The way up: what is published in channels with `acknowledge = "kafka"` is written to the topic of the way up, and answered
//! when Kafka has it.
//!
//! It needs neither Redis nor the node's lease: while Redis is away, records wait in Kafka until they are moved. What one
//! shard publishes in one channel lies there in its order, since a producer keeps the order of a partition.

use std::sync::Arc;

use super::fault::Fault;
use super::producer::{Producer, Record};
use super::record;
use crate::broker::bridge::{Answer, Life, Outgoing, Publish, Receipt};
use crate::config::KafkaConfig;
use crate::events::{self, Format};
use crate::model::refusal::{Error, ErrorKind};
use crate::shard::asked::Asked;
use crate::shard::bridge::BridgeEnd;

/// See the module.
#[derive(Debug)]
pub struct Relay {
    producer: Arc<Producer>,
    topic: String,
    format: Format,
    ends: Arc<[BridgeEnd]>,
}

impl Relay {
    /// Writes by this producer for shards that are at these ends.
    pub fn new(config: &KafkaConfig, producer: Arc<Producer>, ends: Arc<[BridgeEnd]>) -> Self {
        Self { producer, topic: config.topics.publish.clone(), format: config.format, ends }
    }

    /// Takes what goes to Kafka out of what a shard has asked.
    pub fn take(&self, asked: &mut Asked) {
        let is_relayed = |what: &mut Outgoing| matches!(what, Outgoing::Publish(publish) if publish.is_relayed);
        let mut value = Vec::new();
        for what in asked.all.extract_if(.., is_relayed) {
            if let Outgoing::Publish(publish) = what {
                value.clear();
                self.write(asked.shard, &publish, &mut value);
            }
        }
    }

    /// `value` has room for the record, which is copied.
    fn write(&self, shard: u16, publish: &Publish, value: &mut Vec<u8>) {
        let (ends, ticket) = (self.ends.clone(), publish.ticket);
        let answer = move |result: Result<Receipt, Error>| {
            ends[usize::from(shard)].gather(Answer::Published(ticket, result));
        };
        let Ok(record) = record::written(publish) else {
            return answer(Err(ErrorKind::Internal.into()));
        };
        events::encode_into(value, &record, self.format);
        let headers = events::headers::<events::Publish>(self.format);
        let written = Record {
            topic: &self.topic,
            key: Some(publish.channel.as_bytes()),
            partition: None,
            value,
            headers: &headers,
        };
        self.producer.write(written, move |result| {
            let nowhere = Receipt { life: Life::default(), offset: 0 };
            answer(result.map(|_| nowhere).map_err(|fault| error_of(&fault)));
        });
    }
}

/// What homes are told of a fault. The log has it whole.
fn error_of(fault: &Fault) -> Error {
    let why = match fault {
        Fault::TooLarge => {
            return ErrorKind::LimitExceeded.because("limit exceeded: the message is larger than Kafka takes");
        }
        Fault::Late => "internal server error: Kafka has not answered",
        Fault::Crowded => "internal server error: too much waits for Kafka",
        Fault::NoTopic(_) => "internal server error: Kafka has no such topic",
        Fault::Forbidden(_) => "internal server error: Kafka refuses the node",
        Fault::FewReplicas => "internal server error: Kafka has too few replicas in step",
        Fault::Other(_) => "internal server error: Kafka has not taken it",
    };
    ErrorKind::Internal.because(why)
}
