//! Writes who has come online or gone offline where all can read it, in the order of each user's sequence, at least once.
//!
//! A transition waits in its bucket until Kafka has it. Whoever asks the bucket next writes it again, with the same sequence.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::buckets::{Buckets, Pending, Transition};
use super::metrics::StateMetrics;
use super::passed::PassedOver;
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
    passed_over: Arc<PassedOver>,
}

impl Teller {
    pub(super) fn new(
        producer: Arc<Producer>,
        config: &KafkaConfig,
        metrics: Arc<StateMetrics>,
        passed_over: Arc<PassedOver>,
    ) -> Self {
        Self { producer, topic: config.topics.session.clone(), format: config.format, metrics, passed_over }
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
                self.left(buckets, *bucket, last).await
            });
            pending = try_join_all(calls).await?.into_iter().collect();
        }
    }

    /// Tells what waits in a bucket, whoever has put it there.
    pub(super) async fn tell_waiting(&self, buckets: &Buckets, bucket: u16) -> Result<(), Trouble> {
        let pending = self.left(buckets, bucket, 0).await?;
        self.tell(buckets, BTreeMap::from([pending])).await
    }

    /// What a bucket has to tell once all is written up to the transition of this number.
    async fn left(&self, buckets: &Buckets, bucket: u16, number: u64) -> Result<(u16, Vec<Transition>), Trouble> {
        let Pending { told, foreign } = buckets.written(bucket, number).await?;
        self.passed_over.tell("written", foreign);
        Ok((bucket, told))
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
