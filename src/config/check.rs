//! Rules that a configuration must keep beyond the types of its keys. All that is broken is told at once.

use std::net::IpAddr;

use regex::Regex;

use super::{ChannelOptions, Config, ForceRecoveryMode, SlowConsumer};
use crate::limits;

impl Config {
    /// Every broken rule, one line each; empty when all hold.
    pub(super) fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_node(&mut problems);
        self.check_client(&mut problems);
        self.check_channels(&mut problems);
        problems
    }

    fn check_node(&self, problems: &mut Vec<String>) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let shards = &self.shards;
        rule(
            shards.receive_buffers.is_power_of_two() && shards.receive_buffers <= 32768,
            format!("`shards.receive_buffers` is {}: it must be a power of two up to 32768", shards.receive_buffers),
        );
        rule(
            (512..=1 << 20).contains(&shards.receive_buffer_size),
            format!("`shards.receive_buffer_size` is {}: it must be 512 to 1048576", shards.receive_buffer_size),
        );
        rule(
            shards.ring_entries.is_power_of_two() && (64..=32768).contains(&shards.ring_entries),
            format!("`shards.ring_entries` is {}: it must be a power of two, 64 to 32768", shards.ring_entries),
        );
        rule(shards.mailbox_capacity >= 16, "`shards.mailbox_capacity` must be 16 or more".into());
        if let Err(problem) = crate::shard::cores::parse(&shards.cores) {
            rule(false, format!("`shards.cores`: {problem}"));
        }
        for (key, address) in [("http_server", &self.http_server.address), ("tcp_server", &self.tcp_server.address)] {
            rule(
                address.parse::<IpAddr>().is_ok(),
                format!("`{key}.address` is \"{address}\": it must be an IP address, such as 0.0.0.0"),
            );
        }
        rule(
            !self.tcp_server.enabled || self.tcp_server.port != self.http_server.port || self.http_server.port == 0,
            format!("`tcp_server.port` and `http_server.port` are both {}", self.http_server.port),
        );
        rule(
            self.http_server.websocket_path.starts_with('/'),
            "`http_server.websocket_path` must begin with a slash".into(),
        );
    }

    fn check_client(&self, problems: &mut Vec<String>) {
        let client = &self.client;
        let mut rule = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.into());
            }
        };
        rule(
            (1024..=16 << 20).contains(&client.message_size_limit),
            "`client.message_size_limit` must be 1024 to 16777216",
        );
        rule(
            client.queue_max_size >= client.message_size_limit,
            "`client.queue_max_size` must not be below `client.message_size_limit`",
        );
        rule(
            (1..=limits::CHANNELS_PER_SESSION_MAX).contains(&client.channel_limit),
            "`client.channel_limit` must be 1 to 65535",
        );
        rule(
            client.ping_interval.as_millis() == 0 || client.ping_interval.as_millis() >= 1000,
            "`client.ping_interval` must be 0 or at least 1s: clients count in seconds",
        );
        rule(
            client.pong_timeout < client.ping_interval || client.ping_interval.as_millis() == 0,
            "`client.pong_timeout` must be shorter than `client.ping_interval`",
        );
        rule(client.stale_close_delay.as_millis() > 0, "`client.stale_close_delay` must not be 0");
        let personal = &client.subscribe_to_user_personal_channel;
        let namespace = personal.personal_channel_namespace.as_str();
        rule(
            !personal.enabled
                || namespace.is_empty()
                || self.channel.namespaces.iter().any(|known| known.name == namespace),
            "`client.subscribe_to_user_personal_channel.personal_channel_namespace` is not configured",
        );
        if let Err(error) = crate::auth::Verifier::new(client, None) {
            problems.push(error.to_string());
        }
    }

    fn check_channels(&self, problems: &mut Vec<String>) {
        let channel = &self.channel;
        if !(1..=limits::CHANNEL_NAME_BYTES_MAX).contains(&channel.max_length) {
            problems.push(format!("`channel.max_length` must be 1 to {}", limits::CHANNEL_NAME_BYTES_MAX));
        }
        check_options(&channel.without_namespace, "channel.without_namespace", problems);
        for (at, namespace) in channel.namespaces.iter().enumerate() {
            let name = namespace.name.as_str();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                problems.push(format!(
                    "`channel.namespaces[{at}].name` is \"{name}\": use letters, digits, `-`, `_` and `.`"
                ));
            }
            if channel.namespaces[..at].iter().any(|other| other.name == name) {
                problems.push(format!("the namespace `{name}` is configured twice"));
            }
            check_options(&namespace.options, &format!("the namespace `{name}`"), problems);
        }
    }
}

fn check_options(options: &ChannelOptions, place: &str, problems: &mut Vec<String>) {
    let history = options.history_size > 0 && options.history_ttl.as_millis() > 0;
    if (options.history_size > 0) != (options.history_ttl.as_millis() > 0) {
        problems.push(format!("{place}: `history_size` and `history_ttl` are both needed to keep history"));
    }
    let stream =
        options.force_recovery || options.allow_recovery || options.force_positioning || options.allow_positioning;
    if stream && !history {
        problems.push(format!("{place}: recovery and positioning need `history_size` and `history_ttl`"));
    }
    let all = options.force_recovery_mode == ForceRecoveryMode::Stream
        && (options.force_recovery || options.force_positioning);
    if options.slow_consumer == SlowConsumer::Conflate && all {
        problems.push(format!(
            "{place}: `slow_consumer = \"conflate\"` drops publications, which `force_recovery` and \
             `force_positioning` promise not to; use `force_recovery_mode = \"cache\"`"
        ));
    }
    if let Err(error) = Regex::new(&options.channel_regex) {
        problems.push(format!("{place}: `channel_regex` does not compile: {error}"));
    }
}
