//! The topics of records that cannot be used: each lies there as it was, with the reason.

use super::fault::Fault;
use super::producer::{Place, Producer, Record};
use crate::events::CONTENT_TYPE;

/// A record that cannot be used, and where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Dead<'r> {
    /// Its topic.
    pub topic: &'r str,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// What is in it.
    pub value: &'r [u8],
    /// What its header says that the value is.
    pub content_type: Option<&'r [u8]>,
    /// What else stays of its headers.
    pub headers: &'r [(&'r str, &'r [u8])],
}

/// Writes a record to a topic of such, and waits until Kafka has it. A value that is too large there is left out: what it was can
/// be read where it lies.
///
/// # Errors
/// Why Kafka has not taken it; it may be tried again.
pub async fn bury(producer: &Producer, to: &str, dead: Dead<'_>, reason: &str) -> Result<Place, Fault> {
    match write(producer, to, dead, reason).await {
        Err(Fault::TooLarge) if !dead.value.is_empty() => {
            write(producer, to, Dead { value: &[], ..dead }, reason).await
        }
        written => written,
    }
}

async fn write(producer: &Producer, to: &str, dead: Dead<'_>, reason: &str) -> Result<Place, Fault> {
    let (partition, offset) = (dead.partition.to_string(), dead.offset.to_string());
    let mut headers: Vec<(&str, &[u8])> = vec![
        ("ringpost-reason", reason.as_bytes()),
        ("ringpost-topic", dead.topic.as_bytes()),
        ("ringpost-partition", partition.as_bytes()),
        ("ringpost-offset", offset.as_bytes()),
    ];
    headers.extend(dead.content_type.map(|content_type| (CONTENT_TYPE, content_type)));
    headers.extend(dead.headers);
    let key = dead.key.map(String::from_utf8_lossy);
    let record = Record { topic: to, key: key.as_deref(), partition: None, value: dead.value, headers: &headers };
    producer.written(record).await
}
