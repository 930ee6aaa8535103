//! Records that cannot be published go to the topic of the dead, with the reason: nobody's position sticks at one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::metrics::MoverMetrics;
use crate::cluster::kafka::dead::bury;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::refusals::Refusals;
use crate::cluster::kafka::taken::Taken;
use crate::config::TopicsConfig;

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Where they go.
pub(super) struct Graves {
    producer: Arc<Producer>,
    topics: TopicsConfig,
    refusals: Refusals,
}

impl Graves {
    /// Writes by this producer.
    pub(super) fn new(producer: Arc<Producer>, topics: TopicsConfig) -> Self {
        Self { producer, topics, refusals: Refusals::default() }
    }

    /// Buries a record: until Kafka has it, or refuses it for too long.
    pub(super) async fn bury(&self, remains: &Taken, reason: &str, metrics: &MoverMetrics) {
        let Taken { partition, offset, .. } = *remains;
        let mut tries = self.refusals.begin();
        loop {
            match bury(&self.producer, &self.topics.publish_dead, remains.dead(&self.topics.publish), reason).await {
                Ok(_) => {
                    tries.end();
                    return metrics.buried.add(1);
                }
                Err(fault) if tries.go_on(&fault) => sleep(PAUSE).await,
                Err(fault) => {
                    tracing::error!(partition, offset, reason, "a record of the way up is passed over: {fault}");
                    return metrics.passed_over.add(1);
                }
            }
        }
    }
}
