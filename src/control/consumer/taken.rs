//! A record that was taken from the topic of calls.

use rdkafka::message::{BorrowedMessage, Message as _};

use super::lanes::{Key, Record};
use crate::cluster::kafka::dead::Dead;
use crate::cluster::kafka::headers::header;

/// What a record holds beside what is in it, about.
const OVERHEAD_BYTES: usize = 128;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// Where it lies.
    pub(super) partition: i32,
    /// Where it lies there.
    pub(super) offset: i64,
    /// When it was written, by whatever clock that goes.
    pub(super) at_unix_ms: i64,
    key: Key,
    /// What is in it.
    pub(super) value: Vec<u8>,
    /// What that is, as its header says.
    pub(super) content_type: Option<Vec<u8>>,
}

impl Taken {
    /// A copy of what librdkafka holds.
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition(),
            offset: message.offset(),
            at_unix_ms: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().map(Into::into),
            value: message.payload().unwrap_or_default().to_vec(),
            content_type: header(message, "content-type").map(<[u8]>::to_vec),
        }
    }

    /// One with this value, for tests.
    #[cfg(test)]
    pub(super) fn with(value: &str) -> Self {
        Self { partition: 3, offset: 14, at_unix_ms: 15, key: None, value: value.into(), content_type: None }
    }

    /// As it lies in the topic of those that cannot be carried out.
    pub(super) fn dead<'r>(&'r self, topic: &'r str) -> Dead<'r> {
        Dead {
            topic,
            partition: self.partition,
            offset: self.offset,
            key: self.key.as_deref(),
            value: &self.value,
            content_type: self.content_type.as_deref(),
            headers: &[],
        }
    }

    /// What no other record has: where it lies, and when it was written, since a topic that is made anew counts anew.
    pub(super) fn place(&self, topic: &str) -> String {
        // An idempotency key has 255 bytes; a topic's name may have 249 of them.
        let topic = topic.get(topic.len().saturating_sub(180)..).unwrap_or(topic);
        format!("{topic}/{}/{}/{}", self.partition, self.offset, self.at_unix_ms)
    }
}

impl Record for Taken {
    fn key(&self) -> &Key {
        &self.key
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn bytes(&self) -> usize {
        self.value.len() + self.key.as_ref().map_or(0, |key| key.len()) + OVERHEAD_BYTES
    }
}
