//! A record that was read, as one's own: for as long as it is at work, or until it is buried.

use rdkafka::message::{BorrowedMessage, Message as _};

use super::dead::Dead;
use super::headers::header;
use crate::events::CONTENT_TYPE;

/// See the module. Whoever reads knows its topic.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was written, by whatever clock that goes, Unix milliseconds; where it says so.
    pub written_unix_ms: Option<i64>,
    /// Its key.
    pub key: Option<Box<[u8]>>,
    /// What is in it.
    pub value: Vec<u8>,
    /// What its header says that the value is.
    pub content_type: Option<Vec<u8>>,
}

impl Taken {
    /// A copy of what librdkafka holds.
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition(),
            offset: message.offset(),
            written_unix_ms: message.timestamp().to_millis(),
            key: message.key().map(Into::into),
            value: message.payload().unwrap_or_default().to_vec(),
            content_type: header(message, CONTENT_TYPE).map(<[u8]>::to_vec),
        }
    }

    /// Bytes that it holds: a stranger may put them anywhere.
    pub fn bytes(&self) -> usize {
        let (key, content_type) = (self.key.as_ref(), self.content_type.as_ref());
        self.value.len() + key.map_or(0, |key| key.len()) + content_type.map_or(0, Vec::len)
    }

    /// As it lies in a topic of records that cannot be used; it came from this one.
    pub fn dead<'r>(&'r self, topic: &'r str) -> Dead<'r> {
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
}
