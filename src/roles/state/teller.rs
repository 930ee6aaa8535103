//! Writes who has come online or gone offline where all can read it, in the order of each user's sequence, at least once.
//!
//! A transition waits in its bucket until Kafka has it. Whoever asks the bucket next writes it again, with the same sequence.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::buckets::{Buckets, Transition};
use super::metrics::StateMetrics;
use super::trouble::Trouble;
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::producer::{Producer, Record};
use crate::config::KafkaConfig;
use crate::events::{self, Format, SessionUpdate};

/// See the module.
pub(super) struct Teller {
    producer: Arc<Producer>,
    topic: String,
    format: Format,
    metrics: Arc<StateMetrics>,
}

impl Teller {
    pub(super) fn new(producer: Arc<Producer>, config: &KafkaConfig, metrics: Arc<StateMetrics>) -> Self {
        Self { producer, topic: config.topics.session.clone(), format: config.format, metrics }
    }

    /// Writes what buckets have to tell, until none has any more.
    pub(super) async fn tell(
        &self,
        buckets: &Buckets,
        mut pending: BTreeMap<u16, Vec<Transition>>,
    ) -> Result<(), Trouble> {
        loop {
            pending.retain(|_, transitions| !transitions.is_empty());
            if pending.is_empty() {
                return Ok(());
            }
            self.write(pending.values().flatten()).await?;
            let calls = pending.iter().map(|(bucket, transitions)| async move {
                let last = transitions.last().map_or(0, |transition| transition.number);
                Ok::<_, Trouble>((*bucket, buckets.written(*bucket, last).await?))
            });
            pending = try_join_all(calls).await?.into_iter().collect();
        }
    }

    async fn write(&self, transitions: impl Iterator<Item = &Transition>) -> Result<(), Trouble> {
        let mut waiting = Vec::new();
        for transition in transitions {
            let value = events::encode(&record_of(transition), self.format);
            let headers = events::headers::<SessionUpdate>(self.format);
            let record = Record {
                topic: &self.topic,
                key: Some(transition.user.as_bytes()),
                partition: None,
                value: &value,
                headers: &headers,
            };
            waiting.push((transition.cause, self.producer.written(record)));
        }
        for (cause, written) in waiting {
            match written.await {
                Ok(_) => self.metrics.told(cause),
                // No later attempt would be better.
                Err(fault @ Fault::TooLarge) => self.metrics.failed(fault.kind()),
                Err(fault) => return Err(Trouble::Write(fault)),
            }
        }
        Ok(())
    }
}

fn record_of(transition: &Transition) -> SessionUpdate {
    SessionUpdate {
        user: transition.user.clone(),
        online: transition.online,
        at_unix_ms: transition.at_unix_ms,
        last_seen_unix_ms: transition.last_seen_unix_ms,
        devices: transition.devices,
        sequence: transition.sequence,
        cause: transition.cause.as_str().into(),
    }
}
