//! What the role hears of Kafka, without a hold on its consumer.

use rdkafka::error::KafkaError;

use crate::cluster::kafka::taken::Taken;
use crate::roles::consumer::{Consumer, Incoming};
use crate::roles::pulse::Partition;

/// What has come.
#[derive(Debug)]
pub(super) enum Heard {
    /// These partitions are this process', and no others.
    Assigned(Vec<Partition>),
    /// None is, until some are assigned.
    Revoked,
    /// A record.
    Record(Taken),
    /// Kafka's error, which may go by itself.
    Failed(KafkaError),
}

/// Waits for what comes next. Giving up the wait loses nothing.
pub(super) async fn hear(consumer: &mut Consumer) -> Heard {
    loop {
        return match consumer.next().await {
            Ok(Incoming::Record(message)) => Heard::Record(Taken::of(&message)),
            Ok(Incoming::Assigned(partitions)) => Heard::Assigned(partitions),
            Ok(Incoming::Revoked) => Heard::Revoked,
            Ok(Incoming::End(_)) => continue,
            Err(error) => Heard::Failed(error),
        };
    }
}
