//! The headers of records that strangers wrote.

use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};

use crate::vital;

/// Headers that are looked at, from the last on: a record of a mebibyte may have a quarter of a million.
const LOOKED_AT: usize = 64;

/// The value of the last header of this name, as those who append headers mean it; `None` where there is none among the last 64, or
/// it has no value.
pub fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m [u8]> {
    let headers = message.headers()?;
    // rdkafka 0.39 panics over a name that is no UTF-8, which the broker lets anybody write.
    let named = |at| vital::caught(|| headers.try_get(at)).ok().flatten();
    let of_name = (0..headers.count()).rev().take(LOOKED_AT).filter_map(named).find(|header| header.key == name);
    of_name?.value
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::mocking::MockCluster;

    use super::*;
    use crate::cluster::kafka::client;
    use crate::cluster::kafka::producer::{Producer, Record};
    use crate::config::KafkaConfig;

    #[tokio::test]
    async fn the_last_of_a_name_counts_and_no_more_are_looked_at_than_a_bound() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("topic", 1, 1).unwrap();
        let config = KafkaConfig { brokers: vec![cluster.bootstrap_servers()], ..KafkaConfig::default() };
        let producer = Producer::new(&config, "test").unwrap();
        for others in [LOOKED_AT - 1, LOOKED_AT] {
            let first = [("name", &b"early"[..]), ("name", b"late")];
            let headers: Vec<_> = first.into_iter().chain((0..others).map(|_| ("other", &b""[..]))).collect();
            let record = Record { topic: "topic", key: None, partition: None, value: b"", headers: &headers };
            producer.written(record).await.unwrap();
        }
        let consumer = client::reader_of(&config, "topic");
        for expected in [Some(&b"late"[..]), None] {
            let message = consumer.poll(Duration::from_secs(30)).expect("it is there").unwrap();
            assert_eq!(header(&message, "name"), expected);
        }
    }
}
