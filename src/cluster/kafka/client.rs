//! The options of librdkafka's clients.

use rdkafka::ClientConfig;

use crate::config::KafkaConfig;

/// How long a reader's full queue is left alone, milliseconds: what was read ahead may have been taken long before librdkafka's
/// second is over.
pub(super) const FULL_QUEUE_PAUSE: (&str, &str) = ("fetch.queue.backoff.ms", "20");

/// Sets what the configuration says nothing of.
pub(super) fn set_defaults<const N: usize>(options: &mut ClientConfig, defaults: [(&str, &str); N]) {
    for (name, value) in defaults {
        if options.get(name).is_none() {
            options.set(name, value);
        }
    }
}

/// What every client of the node begins with: where the brokers are, and the options of the configuration. What a client's
/// promises rest on is set over it.
pub fn options(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut options = ClientConfig::new();
    options.set("bootstrap.servers", config.brokers.join(","));
    options.set("client.id", client_id);
    // A broker that was away is tried again soon, and one that does not answer is left.
    options.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "2000");
    options.set("socket.keepalive.enable", "true");
    // A topic that was deleted is told from one that is slow, and one that was made since is found.
    options.set("topic.metadata.propagation.max.ms", "5000").set("topic.metadata.refresh.interval.ms", "30000");
    for (name, value) in config.options() {
        options.set(name, value);
    }
    if !config.password.is_empty() {
        options.set("sasl.password", &config.password);
    }
    options
}

/// What a test reads the only partition of a topic with, from its beginning.
#[cfg(test)]
pub(super) fn reader_of(config: &KafkaConfig, topic: &str) -> rdkafka::consumer::BaseConsumer {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

    let consumer: BaseConsumer = options(config, "test").set("group.id", "test").create().expect("they are right");
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, 0, Offset::Beginning).expect("it is an offset");
    consumer.assign(&place).expect("it is one");
    consumer
}
