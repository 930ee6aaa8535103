//! What goes wrong with Kafka, by what is to be done about it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No broker answered in time. The record may have been taken.
    #[error("Kafka did not take the record within `cluster.kafka.timeout`")]
    Late,
    /// More waits for Kafka than may.
    #[error("too much waits for Kafka")]
    Crowded,
    /// Larger than the topic or the client takes; it never will be.
    #[error("the record is larger than Kafka takes")]
    TooLarge,
    /// The topic is not there, or has no such partition.
    #[error("the topic is not there: {0}")]
    NoTopic(String),
    /// User, password or ACL.
    #[error("Kafka refuses the node: {0}")]
    Forbidden(String),
    /// Fewer replicas than `min.insync.replicas` are in step.
    #[error("Kafka has too few replicas in step")]
    FewReplicas,
    /// Something else, in librdkafka's words.
    #[error("Kafka: {0}")]
    Other(String),
}

impl Fault {
    /// What metrics and the log call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Crowded => "crowded",
            Self::TooLarge => "too_large",
            Self::NoTopic(_) => "no_topic",
            Self::Forbidden(_) => "forbidden",
            Self::FewReplicas => "few_replicas",
            Self::Other(_) => "other",
        }
    }

    /// Whether Kafka is away, or does not keep up: where it is back it takes the same record.
    pub fn passes_by_itself(&self) -> bool {
        matches!(self, Self::Late | Self::Crowded | Self::FewReplicas)
    }

    /// Whether the same record may be taken later.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::TooLarge)
    }
}

impl From<&KafkaError> for Fault {
    fn from(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        let Some(code) = error.rdkafka_error_code() else { return Self::Other(error.to_string()) };
        match code {
            Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut | Code::AllBrokersDown => {
                Self::Late
            }
            Code::QueueFull => Self::Crowded,
            Code::MessageSizeTooLarge | Code::InvalidMessageSize => Self::TooLarge,
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition | Code::InvalidTopic => {
                Self::NoTopic(code.to_string())
            }
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Self::Forbidden(code.to_string()),
            Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Self::FewReplicas,
            code => Self::Other(code.to_string()),
        }
    }
}
