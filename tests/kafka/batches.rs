//! Records that a node writes at once, and topics that take less at once.

use futures_util::future::join_all;
use ringpost::cluster::kafka::examine::examine;
use ringpost::cluster::kafka::fault::Fault;
use ringpost::cluster::kafka::producer::{Producer, Record};
use ringpost::config::KafkaConfig;
use tokio::runtime::Builder;

use crate::kafka::Kafka;

/// Writes small records that gather for a while: how many are refused as too large; and whether the topic is warned of.
fn refused(kafka: &Kafka, topic: &str, options: &[&str]) -> (usize, bool) {
    let mut config = KafkaConfig { brokers: vec![kafka.address()], ..KafkaConfig::default() };
    config.topics.login = topic.into();
    config.options = options.iter().map(|option| (*option).to_owned()).collect();
    let runtime = Builder::new_current_thread().enable_all().build().expect("there is one");
    let producer = Producer::new(&config, "test").expect("the options are right");
    let record = Record { topic, key: Some(b"a"), partition: None, value: &[b'x'; 1_000], headers: &[] };
    let written: Vec<_> = (0..100).map(|_| producer.written(record)).collect();
    let fates = runtime.block_on(join_all(written));
    let findings = runtime.block_on(examine(&config, false, false));
    let is_warned_of = findings.iter().any(|finding| finding.to_string().contains("refused together"));
    (fates.into_iter().filter(|fate| *fate == Err(Fault::TooLarge)).count(), is_warned_of)
}

#[test]
fn small_records_are_refused_together_where_a_topic_takes_less_at_once_than_is_written() {
    let kafka = Kafka::shared();
    let topic = format!("{}small", kafka.prefix());
    kafka.topic_with(&topic, 1, &[("max.message.bytes", "20000")]);
    let (count, is_warned_of) = refused(&kafka, &topic, &["linger.ms=200"]);
    assert!(count > 1 && is_warned_of, "{count} of 100, {is_warned_of}");
    assert_eq!(refused(&kafka, &topic, &["linger.ms=200", "batch.size=20000"]), (0, false), "as the warning says");
}
