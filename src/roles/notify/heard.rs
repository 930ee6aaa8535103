//! What the role hears of Kafka, without a hold on its consumer.

use rdkafka::message::{BorrowedMessage, Message as _};

use crate::cluster::kafka::dead::Dead;
use crate::cluster::kafka::headers::header;
use crate::events::CONTENT_TYPE;
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
    Failed(String),
}

/// A record that was read.
#[derive(Debug)]
pub(super) struct Taken {
    /// Its topic.
    pub(super) topic: String,
    /// Its partition.
    pub(super) partition: i32,
    /// Its place there.
    pub(super) offset: i64,
    /// Its key.
    pub(super) key: Option<Vec<u8>>,
    /// What it says.
    pub(super) value: Vec<u8>,
    /// What its header says that the value is.
    pub(super) content_type: Option<Vec<u8>>,
    /// When it was written, where it says so.
    pub(super) written_unix_ms: Option<i64>,
}

impl Taken {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().unwrap_or_default().to_vec(),
            content_type: header(message, CONTENT_TYPE).map(<[u8]>::to_vec),
            written_unix_ms: message.timestamp().to_millis(),
        }
    }

    /// As it is kept where nothing can be made of it.
    pub(super) fn dead(&self) -> Dead<'_> {
        Dead {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            key: self.key.as_deref(),
            value: &self.value,
            content_type: self.content_type.as_deref(),
            headers: &[],
        }
    }
}

/// Waits for what comes next. Giving up the wait loses nothing.
pub(super) async fn hear(consumer: &mut Consumer) -> Heard {
    match consumer.next().await {
        Ok(Incoming::Record(message)) => Heard::Record(Taken::of(&message)),
        Ok(Incoming::Assigned(partitions)) => Heard::Assigned(partitions),
        Ok(Incoming::Revoked) => Heard::Revoked,
        Err(error) => Heard::Failed(error.to_string()),
    }
}
