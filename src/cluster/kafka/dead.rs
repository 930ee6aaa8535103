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

/// Writes a record to a topic of such, and waits until Kafka has it. What is too large there is left out, the value first, then its
/// key and what its headers said: what it was can be read where it lies.
///
/// # Errors
/// Why Kafka has not taken it; it may be tried again.
pub async fn bury(producer: &Producer, to: &str, mut dead: Dead<'_>, reason: &str) -> Result<Place, Fault> {
    let without_value = Dead { value: &[], ..dead };
    let bare = Dead { key: None, content_type: None, headers: &[], ..without_value };
    for smaller in [without_value, bare] {
        match write(producer, to, dead, reason).await {
            Err(Fault::TooLarge) => dead = smaller,
            written => return written,
        }
    }
    write(producer, to, dead, reason).await
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
    let record = Record { topic: to, key: dead.key, partition: None, value: dead.value, headers: &headers };
    producer.written(record).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::Message as _;
    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::cluster::kafka::client;
    use crate::config::KafkaConfig;

    #[tokio::test]
    async fn a_record_lies_there_as_it_was_and_of_one_that_is_too_large_what_goes_in() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("dead", 1, 1).unwrap();
        let config = KafkaConfig { brokers: vec![cluster.bootstrap_servers()], ..KafkaConfig::default() };
        let producer = Producer::new(&config, "test").unwrap();
        let large = vec![b'x'; 1 << 20];
        let small = &b"\xff\x00key"[..];
        for (key, value) in [(small, &b"value"[..]), (small, &large), (&large, b"value"), (&large, b"")] {
            let content_type = Some(&b"text/plain"[..]);
            let dead =
                Dead { topic: "from", partition: 1, offset: 2, key: Some(key), value, content_type, headers: &[] };
            bury(&producer, "dead", dead, "why").await.unwrap();
        }
        let consumer = client::reader_of(&config, "dead");
        let next = || {
            let record = consumer.poll(Duration::from_secs(30)).expect("it is there").unwrap();
            (record.key().map(<[u8]>::to_vec), record.payload().unwrap_or_default().to_vec())
        };
        assert_eq!(next(), (Some(small.to_vec()), b"value".to_vec()));
        assert_eq!(next(), (Some(small.to_vec()), Vec::new()));
        assert_eq!(next(), (None, Vec::new()), "a key that no topic takes");
        assert_eq!(next(), (None, Vec::new()));
    }
}
