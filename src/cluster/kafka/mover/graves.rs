//! Records that cannot be published go to the topic of the dead, with the reason: nobody's position sticks at one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::metrics::MoverMetrics;
use crate::cluster::kafka::dead::bury;
use crate::cluster::kafka::fault::Fault;
use crate::cluster::kafka::producer::Producer;
use crate::cluster::kafka::taken::Taken;
use crate::config::TopicsConfig;

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// So often a topic of the dead is tried that cannot be written to although Kafka is there.
const TRIES: u32 = 10;

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
    pub(super) async fn bury(&self, remains: &Taken, reason: &str, metrics: &MoverMetrics) {
        let Taken { partition, offset, .. } = *remains;
        let mut refused = 0;
        loop {
            match bury(&self.producer, &self.topics.publish_dead, remains.dead(&self.topics.publish), reason).await {
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
