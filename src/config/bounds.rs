//! The bounds of every number and time in the configuration, in one table: a value outside is refused before it can
//! overflow, fill the memory or be refused by the kernel.

use std::ops::RangeInclusive;

use super::{ChannelOptions, Config, Duration};
use crate::auth::TokenConfig;
use crate::limits::{
    BACKLOG_MAX, CHANNEL_NAME_BYTES_MAX, CHANNELS_PER_SESSION_MAX, CLUSTER_BUCKETS_MAX, CONNECTIONS_MAX,
    DEVICES_PER_USER_MAX, HISTORY_BYTES_MAX, HISTORY_PUBLICATIONS_MAX, KEEP_MS_MAX, MAILBOX_LETTERS_MAX,
    MESSAGE_BYTES_MAX, QUEUE_BYTES_MAX, RECEIVE_BUFFERS_MAX, REDIS_WAIT_MS_MAX, REPLY_PUBLICATIONS_MAX,
    RING_ENTRIES_MAX, SHARDS_MAX, STORE_BYTES_MAX, STORE_SEGMENT_BYTES_MAX, STORE_SEGMENT_BYTES_MIN,
    TOKEN_LEEWAY_MS_MAX, WAIT_MS_MAX,
};

type Number = (&'static str, u64, RangeInclusive<u64>);
type Time = (&'static str, Duration, RangeInclusive<u64>);

impl Config {
    /// Every number and time that is out of its bounds, one line each.
    pub(super) fn check_bounds(&self, problems: &mut Vec<String>) {
        self.numbers().into_iter().for_each(|number| check_number("", number, problems));
        self.times().into_iter().for_each(|time| check_time("", time, problems));
        for (at, kind) in self.client.devices.kinds.iter().enumerate() {
            let section = format!("client.devices.kinds[{at}].");
            check_number(&section, ("limit", kind.limit.into(), 1..=DEVICES_PER_USER_MAX.into()), problems);
        }
        check_options(&self.channel.without_namespace, "channel.without_namespace.", problems);
        for (at, namespace) in self.channel.namespaces.iter().enumerate() {
            check_options(&namespace.options, &format!("channel.namespaces[{at}]."), problems);
        }
    }

    /// Those that a type bounds already, ports and misses, are not here.
    fn numbers(&self) -> [Number; 28] {
        let (shards, client) = (&self.shards, &self.client);
        let connections = u64::from(CONNECTIONS_MAX);
        [
            ("shards.per_core", shards.per_core as u64, 1..=SHARDS_MAX as u64),
            ("shards.receive_buffers", shards.receive_buffers.into(), 1..=RECEIVE_BUFFERS_MAX.into()),
            ("shards.receive_buffer_size", shards.receive_buffer_size as u64, 512..=1 << 20),
            ("shards.ring_entries", shards.ring_entries.into(), 64..=RING_ENTRIES_MAX.into()),
            ("shards.mailbox_capacity", shards.mailbox_capacity as u64, 0..=MAILBOX_LETTERS_MAX as u64),
            ("http_server.backlog", self.http_server.backlog.into(), 1..=BACKLOG_MAX.into()),
            ("client.channel_limit", client.channel_limit as u64, 1..=CHANNELS_PER_SESSION_MAX as u64),
            ("client.message_size_limit", client.message_size_limit as u64, 1024..=MESSAGE_BYTES_MAX as u64),
            ("client.queue_max_size", client.queue_max_size as u64, 2048..=QUEUE_BYTES_MAX as u64),
            ("client.reply_max_size", client.reply_max_size as u64, 2048..=QUEUE_BYTES_MAX as u64),
            ("client.user_connection_limit", client.user_connection_limit.into(), 0..=connections),
            ("client.devices.limit", client.devices.limit.into(), 1..=DEVICES_PER_USER_MAX.into()),
            ("client.connection_limit", client.connection_limit as u64, 0..=connections),
            ("client.connection_rate_limit", client.connection_rate_limit.into(), 0..=connections),
            ("channel.history_memory", self.channel.history_memory as u64, 1 << 20..=HISTORY_BYTES_MAX),
            ("channel.max_length", self.channel.max_length as u64, 1..=CHANNEL_NAME_BYTES_MAX as u64),
            until("client.token.hmac_previous_secret_key_valid_until", &client.token),
            until("client.subscription_token.hmac_previous_secret_key_valid_until", &client.subscription_token.token),
            ("store.segment_size", self.store.segment_size, STORE_SEGMENT_BYTES_MIN..=STORE_SEGMENT_BYTES_MAX),
            ("store.max_size", self.store.max_size, STORE_SEGMENT_BYTES_MIN..=STORE_BYTES_MAX),
            ("cluster.redis.buckets", self.cluster.redis.buckets.into(), 1..=CLUSTER_BUCKETS_MAX.into()),
            ("store.syncs_per_second", self.store.syncs_per_second.into(), 0..=1_000_000),
            ("notify.concurrency", self.notify.concurrency.into(), 1..=1000),
            ("notify.batch_max", self.notify.batch_max.into(), 1..=1000),
            ("notify.retry_attempts", self.notify.retry_attempts.into(), 1..=100),
            ("access_log.sample", self.access_log.sample.into(), 1..=1_000_000),
            publications("client.history_max_publication_limit", client.history_max_publication_limit),
            publications("client.recovery_max_publication_limit", client.recovery_max_publication_limit),
        ]
    }

    fn times(&self) -> [Time; 29] {
        // A deadline is seen by the timer wheel, which turns ten times a second.
        const SOON_MS: u64 = 100;
        let client = &self.client;
        [
            ("client.revocation_ttl", client.revocation_ttl, 1000..=KEEP_MS_MAX),
            ("client.revocation_ttl_max", client.revocation_ttl_max, 1000..=KEEP_MS_MAX),
            ("client.ping_interval", client.ping_interval, 0..=WAIT_MS_MAX),
            ("client.pong_timeout", client.pong_timeout, 0..=WAIT_MS_MAX),
            ("client.stale_close_delay", client.stale_close_delay, SOON_MS..=WAIT_MS_MAX),
            // Less would be met by mobile links that are lost for a moment.
            ("client.write_timeout", client.write_timeout, 1000..=WAIT_MS_MAX),
            // SDKs ask for a new token when the old one has expired.
            ("client.expired_close_delay", client.expired_close_delay, 1000..=WAIT_MS_MAX),
            ("client.expired_sub_close_delay", client.expired_sub_close_delay, 1000..=WAIT_MS_MAX),
            ("client.token.leeway", client.token.leeway, 0..=TOKEN_LEEWAY_MS_MAX),
            ("client.subscription_token.leeway", client.subscription_token.token.leeway, 0..=TOKEN_LEEWAY_MS_MAX),
            ("channel.history_meta_ttl", self.channel.history_meta_ttl, 1000..=KEEP_MS_MAX),
            // A shard has a second a second.
            ("client.work_limit", client.work_limit, 0..=1000),
            ("client.work_burst", client.work_burst, 10..=WAIT_MS_MAX),
            ("client.user_work_limit", client.user_work_limit, 0..=1000),
            ("client.user_work_burst", client.user_work_burst, 10..=WAIT_MS_MAX),
            ("cluster.redis.connect_timeout", self.cluster.redis.connect_timeout, SOON_MS..=REDIS_WAIT_MS_MAX),
            ("cluster.redis.timeout", self.cluster.redis.timeout, SOON_MS..=REDIS_WAIT_MS_MAX),
            ("cluster.redis.wait_timeout", self.cluster.redis.wait_timeout, 1..=REDIS_WAIT_MS_MAX),
            ("cluster.kafka.timeout", self.cluster.kafka.timeout, SOON_MS..=WAIT_MS_MAX),
            ("cluster.kafka.relay_replay", self.cluster.kafka.relay_replay, 0..=KEEP_MS_MAX),
            ("cluster.kafka.call_retry", self.cluster.kafka.call_retry, 0..=KEEP_MS_MAX),
            ("discovery.consul.check_interval", self.discovery.consul.check_interval, 1000..=WAIT_MS_MAX),
            ("notify.timeout", self.notify.timeout, SOON_MS..=WAIT_MS_MAX),
            ("notify.batch_wait", self.notify.batch_wait, 0..=WAIT_MS_MAX),
            ("notify.max_age", self.notify.max_age, 1000..=KEEP_MS_MAX),
            ("notify.retry_backoff_min", self.notify.retry_backoff_min, SOON_MS..=WAIT_MS_MAX),
            ("notify.retry_backoff_max", self.notify.retry_backoff_max, SOON_MS..=WAIT_MS_MAX),
            ("shutdown.drain_time", self.shutdown.drain_time, 0..=WAIT_MS_MAX),
            ("shutdown.timeout", self.shutdown.timeout, 1..=2 * WAIT_MS_MAX),
        ]
    }
}

/// Unix seconds, up to the end of the year 9999. A negative one is above all bounds.
fn until(key: &'static str, token: &TokenConfig) -> Number {
    (key, token.hmac_previous_secret_key_valid_until as u64, 0..=253_402_300_799)
}

fn publications(key: &'static str, count: usize) -> Number {
    (key, count as u64, 0..=REPLY_PUBLICATIONS_MAX as u64)
}

fn check_options(options: &ChannelOptions, section: &str, problems: &mut Vec<String>) {
    let size = ("history_size", options.history_size.into(), 0..=HISTORY_PUBLICATIONS_MAX.into());
    check_number(section, size, problems);
    let times = [("history_ttl", options.history_ttl), ("history_meta_ttl", options.history_meta_ttl)];
    for (key, time) in times {
        check_time(section, (key, time, 0..=KEEP_MS_MAX), problems);
    }
    let numbers: [Number; 4] = [
        ("max_attempts", options.max_attempts.into(), 1..=1000),
        ("max_unacked", options.max_unacked.into(), 1..=10_000),
        ("retry_backoff_factor", options.retry_backoff_factor.into(), 1..=100),
        ("devices_max", options.devices_max.into(), 1..=100),
    ];
    numbers.into_iter().for_each(|number| check_number(section, number, problems));
    // What is sent again is looked for ten times a second.
    let times = [("ack_timeout", options.ack_timeout), ("retry_backoff_max", options.retry_backoff_max)];
    times.into_iter().for_each(|(key, time)| check_time(section, (key, time, 500..=WAIT_MS_MAX), problems));
    check_time(section, ("device_ttl", options.device_ttl, 1000..=KEEP_MS_MAX), problems);
    if options.push_after.as_millis() > 0 {
        check_time(section, ("push_after", options.push_after, 500..=KEEP_MS_MAX), problems);
    }
}

fn check_number(section: &str, (key, value, bounds): Number, problems: &mut Vec<String>) {
    if !bounds.contains(&value) {
        let (least, most) = bounds.into_inner();
        problems.push(format!("`{section}{key}` is {value}: it must be {least} to {most}"));
    }
}

fn check_time(section: &str, (key, value, bounds): Time, problems: &mut Vec<String>) {
    if !bounds.contains(&value.as_millis()) {
        let (least, most) = bounds.into_inner();
        let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
        problems.push(format!("`{section}{key}` is {value}: it must be {least} to {most}"));
    }
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    use super::*;
    use crate::config::Namespace;

    /// Every number and time of a table, as a path and a value that is as large as TOML allows.
    fn extremes(table: &Table, path: &str, found: &mut Vec<(String, Value)>) {
        for (key, value) in table {
            let here = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                Value::Table(inner) => extremes(inner, &here, found),
                Value::Integer(_) => found.push((here, Value::Integer(i64::MAX))),
                Value::String(text) if !text.is_empty() && Duration::parse(text).is_some() => {
                    found.push((here, Value::String("106751991167d".into())));
                }
                _ => {}
            }
        }
    }

    /// Sees that a value is refused; where only the type of 32 bits refuses it, the largest that fits must be, too.
    fn assert_refused(write: impl Fn(&Value) -> String, key: &str, value: &Value) {
        let text = write(value);
        let refused = Config::parse(&text, std::iter::empty(), false).expect_err(&text).to_string();
        assert!(refused.contains(key), "{text}: {refused}");
        if refused.contains(&format!("from 0 to {}", u32::MAX)) {
            assert_refused(write, key, &Value::Integer(u32::MAX.into()));
        }
    }

    #[test]
    fn no_number_and_no_time_is_without_bounds() {
        let mut found = Vec::new();
        extremes(&Table::try_from(Config::default()).unwrap(), "", &mut found);
        assert!(found.len() > 25, "{found:?}");
        for (path, value) in found {
            let (section, key) = path.rsplit_once('.').expect("every number is in a section");
            assert_refused(|value| format!("[{section}]\n{key} = {value}\n"), &path, &value);
        }
    }

    #[test]
    fn the_options_of_a_namespace_have_bounds_too() {
        let mut found = Vec::new();
        extremes(&Table::try_from(Namespace::default()).unwrap(), "", &mut found);
        assert_eq!(found.len(), 11, "{found:?}");
        for (key, value) in found {
            let write = |value: &Value| format!("[[channel.namespaces]]\nname = \"a\"\n{key} = {value}\n");
            assert_refused(write, &key, &value);
        }
    }

    #[test]
    fn what_the_kernel_or_the_memory_would_refuse_is_refused_first() {
        for text in ["[shards]\nring_entries = 32768\n", "[shards]\nmailbox_capacity = 1000000000\n"] {
            let refused = Config::parse(text, std::iter::empty(), false).expect_err(text);
            assert!(refused.problems[0].contains(": it must be "), "{refused}");
        }
    }
}
