//! What keeps the role from going on, by what is to be done about it: all but a loss is tried again from where the role stood.

use rdkafka::error::KafkaError;

use crate::cluster::kafka;
use crate::cluster::redis;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Redis does not do what it is asked.
    #[error(transparent)]
    Redis(#[from] redis::fault::Fault),
    /// Kafka does not give what it is asked for.
    #[error("Kafka: {0}")]
    Read(#[from] KafkaError),
    /// Kafka does not take what is to be told.
    #[error(transparent)]
    Write(kafka::fault::Fault),
    /// A bucket knows less of this partition than it did: it is to be read again.
    #[error("Redis has lost some of the state")]
    Lost(i32),
    /// This partition has begun anew, or has lost its end: it is to be found out where it stands.
    #[error("the login log has begun anew, or has lost its end")]
    Anew(i32),
}

impl Trouble {
    /// One word for its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Redis(fault) => fault.kind(),
            Self::Read(_) => "kafka_read",
            Self::Write(_) => "kafka_write",
            Self::Lost(_) => "lost",
            Self::Anew(_) => "topic_anew",
        }
    }
}
