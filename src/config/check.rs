//! Rules that a configuration must keep beyond the types of its keys. All that is broken is told at once.

use std::net::IpAddr;

use regex::Regex;

use super::{
    Acknowledge, ChannelOptions, Config, Delivery, Duration, ForceRecoveryMode, Listener, Log, Port, Role, SlowConsumer,
};
use crate::limits;

impl Config {
    /// Every broken rule, one line each; empty when all hold.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_bounds(&mut problems);
        self.check_node(&mut problems);
        self.check_doors(&mut problems);
        self.check_client(&mut problems);
        self.check_devices(&mut problems);
        self.check_channels(&mut problems);
        self.cluster.redis.check(&mut problems);
        self.cluster.kafka.check(&mut problems);
        self.discovery.consul.check(self.health.enabled, &mut problems);
        self.roles.check(self.cluster.redis.is_set(), self.cluster.kafka.is_set(), &mut problems);
        self.check_state(&mut problems);
        self.grpc_api.check(&mut problems);
        let is_on = self.roles.has(Role::Notify);
        self.notify.check(is_on, &self.cluster.kafka.topics, &self.channel, &mut problems);
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
            shards.receive_buffers.is_power_of_two(),
            format!("`shards.receive_buffers` is {}: it must be a power of two", shards.receive_buffers),
        );
        rule(
            shards.ring_entries.is_power_of_two(),
            format!("`shards.ring_entries` is {}: it must be a power of two", shards.ring_entries),
        );
        rule(
            shards.mailbox_capacity == 0 || shards.mailbox_capacity >= 16,
            "`shards.mailbox_capacity` must be 16 or more, or 0 to be chosen by the number of shards".into(),
        );
        match crate::cores::parse(&shards.cores) {
            Err(problem) => rule(false, format!("`shards.cores`: {problem}")),
            Ok(cores) => rule(
                cores.is_none_or(|cores| cores.len().saturating_mul(shards.per_core) <= limits::SHARDS_MAX),
                format!(
                    "`shards.per_core` on each of `shards.cores` is more than the {} shards of a node: lower one of them",
                    limits::SHARDS_MAX
                ),
            ),
        }
        let namespaces = self.channel.namespaces.iter().map(|namespace| &namespace.options);
        let is_on_disk = |options: &ChannelOptions| options.log == Log::Disk;
        rule(
            self.store.is_set() || ![&self.channel.without_namespace].into_iter().chain(namespaces).any(is_on_disk),
            "`log = \"disk\"` needs `store.path`, a directory for what is kept".into(),
        );
        let namespaces = self.channel.namespaces.iter().map(|namespace| &namespace.options);
        let is_shared = |options: &ChannelOptions| options.log == Log::Redis;
        rule(
            self.cluster.redis.is_set()
                || ![&self.channel.without_namespace].into_iter().chain(namespaces).any(is_shared),
            "`log = \"redis\"` needs `cluster.redis.addresses`, the Redis that the nodes share".into(),
        );
        let namespaces = self.channel.namespaces.iter().map(|namespace| &namespace.options);
        let is_pushed = |options: &ChannelOptions| options.push_after.as_millis() > 0;
        let kafka = &self.cluster.kafka;
        rule(
            (kafka.is_set() && !kafka.topics.push.is_empty())
                || ![&self.channel.without_namespace].into_iter().chain(namespaces).any(is_pushed),
            "`push_after` needs `cluster.kafka.brokers` and `cluster.kafka.topics.push`: there it is told who is to be pushed to".into(),
        );
        rule(
            self.cluster.kafka.is_set() || !self.channel.relays(),
            "`acknowledge = \"kafka\"` needs `cluster.kafka.brokers`, the Kafka that has a publish before it is answered".into(),
        );
        // A record has a message and what tokens say of its publisher, and must leave half of a segment.
        let least = limits::STORE_SEGMENT_MESSAGES_MIN.saturating_mul(self.client.message_size_limit as u64);
        rule(
            !self.store.is_set() || self.store.segment_size >= least,
            format!("`store.segment_size` must be {least} or more: four of the longest messages"),
        );
        // Backends may bring longer ones, and what they say of a publisher. Such a record follows on a batch that is nearly full.
        let longest = self.client.queue_max_size.min(2 * limits::API_BODY_BYTES_MAX);
        let least = 2 * (limits::STORE_BATCH_BYTES_MAX + longest) as u64;
        rule(
            !self.store.is_set() || self.store.segment_size >= least,
            format!(
                "`store.segment_size` must be {least} or more: twice what `client.queue_max_size` lets backends publish"
            ),
        );
        if let Err(problem) = super::log_filter(&self.log.level) {
            rule(false, format!("`log.level`: {problem}"));
        }
        rule(
            self.shutdown.timeout.as_millis() >= self.shutdown.drain_time.as_millis().saturating_add(limits::LINGER_MS),
            format!(
                "`shutdown.timeout` must be {} longer than `shutdown.drain_time`: so long the last clients may take to go",
                Duration::from_millis(limits::LINGER_MS)
            ),
        );
    }

    /// What the role `state` reads and writes.
    fn check_state(&self, problems: &mut Vec<String>) {
        let topics = &self.cluster.kafka.topics;
        if self.roles.has(Role::State) && (topics.login.is_empty() || topics.session.is_empty()) {
            problems.push(
                "`roles` has \"state\", which reads `cluster.kafka.topics.login` and writes `cluster.kafka.topics.session`: \
                 name both"
                    .into(),
            );
        }
    }

    fn check_doors(&self, problems: &mut Vec<String>) {
        let mut rule = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let (http, internal) = (&self.http_server, &self.internal_server);
        for Port { section, address, .. } in self.ports() {
            rule(
                address.parse::<IpAddr>().is_ok(),
                format!("`{section}.address` is \"{address}\": it must be an IP address, such as 0.0.0.0"),
            );
        }
        for Listener { section, proxy_protocol, .. } in self.listeners() {
            rule(
                !proxy_protocol || self.roles.has(Role::Edge),
                format!(
                    "`{section}.proxy_protocol` is true, but `roles` has no \"edge\": shards alone read that header"
                ),
            );
            rule(
                !proxy_protocol || !self.proxies.trusted.is_empty(),
                format!(
                    "`{section}.proxy_protocol` is true, but `proxies.trusted` is empty: name the proxies that send it"
                ),
            );
        }
        let ports = self.ports();
        for (at, one) in ports.iter().enumerate() {
            let same = |other: &&Port<'_>| other.port == one.port && other.port != 0;
            if let Some(other) = ports[..at].iter().find(same) {
                rule(false, format!("`{}.port` and `{}.port` are both {}", one.section, other.section, one.port));
            }
        }
        rule(
            internal.is_set() || internal.port == 0,
            format!("`internal_server.port` is {}, but `internal_server.address` is empty: set it, too", internal.port),
        );
        let path = http.websocket_path.as_str();
        let taken = ["/api", "/health", "/metrics"];
        let is_taken = taken.iter().any(|taken| path.strip_prefix(taken).is_some_and(|rest| !rest.starts_with('-')));
        rule(
            path.len() > 1 && path.starts_with('/') && !path.contains(['?', '#', ' ']) && !is_taken,
            format!(
                "`http_server.websocket_path` is \"{path}\": it must be a path of its own, such as /connection/websocket"
            ),
        );
    }

    fn check_client(&self, problems: &mut Vec<String>) {
        let client = &self.client;
        let mut rule = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.into());
            }
        };
        // In base64 a message is a third longer, and it comes with its channel, its publisher and its tags.
        rule(
            client.queue_max_size / 2 >= client.message_size_limit,
            "`client.queue_max_size` must be twice `client.message_size_limit` or more: subscribers could not be given the \
             longest messages",
        );
        rule(
            client.ping_interval.as_millis() == 0 || client.ping_interval.as_millis() >= 1000,
            "`client.ping_interval` must be 0 or at least 1s: clients count in seconds",
        );
        rule(
            client.pong_timeout < client.ping_interval || client.ping_interval.as_millis() == 0,
            "`client.pong_timeout` must be shorter than `client.ping_interval`",
        );
        rule(
            client.revocation_ttl <= client.revocation_ttl_max,
            "`client.revocation_ttl` must not be longer than `client.revocation_ttl_max`",
        );
        rule(client.pong_misses > 0, "`client.pong_misses` must be 1 or more");
        let personal = &client.subscribe_to_user_personal_channel;
        let namespace = personal.personal_channel_namespace.as_str();
        rule(
            !personal.enabled
                || namespace.is_empty()
                || self.channel.namespaces.iter().any(|known| known.name == namespace),
            "`client.subscribe_to_user_personal_channel.personal_channel_namespace` is not configured",
        );
        for origin in client.allowed_origins.iter().filter(|origin| !is_origin(origin)) {
            problems.push(format!(
                "`client.allowed_origins`: \"{origin}\" is no origin: write scheme and host as browsers send them, \
                 https://app.example.com, null, or *"
            ));
        }
        if let Err(error) = crate::auth::Verifier::new(&client.tokens(), None) {
            problems.push(error.to_string());
        }
    }

    fn check_devices(&self, problems: &mut Vec<String>) {
        let kinds = &self.client.devices.kinds;
        if kinds.len() > limits::DEVICE_KINDS_MAX {
            problems.push(format!("`client.devices.kinds` has more than {} kinds", limits::DEVICE_KINDS_MAX));
        }
        for (at, kind) in kinds.iter().enumerate() {
            let name = kind.name.as_str();
            if name.is_empty() || name.len() > limits::DEVICE_NAME_BYTES_MAX {
                problems.push(format!(
                    "`client.devices.kinds[{at}].name` is \"{name}\": it must have 1 to {} bytes",
                    limits::DEVICE_NAME_BYTES_MAX
                ));
            }
            if kinds[..at].iter().any(|other| other.name == name) {
                problems.push(format!("the kind of device `{name}` is configured twice"));
            }
        }
    }

    fn check_channels(&self, problems: &mut Vec<String>) {
        let channel = &self.channel;
        check_options(&channel.without_namespace, channel.history_meta_ttl, "channel.without_namespace", problems);
        if channel.without_namespace.users_status {
            problems
                .push("`channel.without_namespace.users_status`: every name would be a user's; use a namespace".into());
        }
        for (at, namespace) in channel.namespaces.iter().enumerate() {
            let name = namespace.name.as_str();
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
                problems.push(format!(
                    "`channel.namespaces[{at}].name` is \"{name}\": use letters, digits, `-`, `_` and `.`"
                ));
            }
            let boundary = channel.namespace_boundary.as_str();
            if !boundary.is_empty() && name.contains(boundary) {
                problems.push(format!("the namespace `{name}` contains `channel.namespace_boundary`"));
            }
            if channel.namespaces[..at].iter().any(|other| other.name == name) {
                problems.push(format!("the namespace `{name}` is configured twice"));
            }
            let place = format!("the namespace `{name}`");
            check_options(&namespace.options, channel.history_meta_ttl, &place, problems);
        }
    }
}

/// RFC 6454, 6.1: an origin is scheme, host and port, without a path. Pages of local files have no host, others no
/// origin at all; a star at the beginning stands for a scheme too.
fn is_origin(text: &str) -> bool {
    let host = match text.split_once("://") {
        Some(("file", "")) => return true,
        Some((_, host)) => host,
        None if text == "null" => return true,
        None if text.starts_with('*') => text,
        None => return false,
    };
    !host.is_empty() && !host.contains(['/', '?', '#', ' '])
}

fn check_options(options: &ChannelOptions, meta_ttl: Duration, place: &str, problems: &mut Vec<String>) {
    let history = options.history_size > 0 && options.history_ttl.as_millis() > 0;
    if (options.history_size > 0) != (options.history_ttl.as_millis() > 0) {
        problems.push(format!("{place}: `history_size` and `history_ttl` are both needed to keep history"));
    }
    let own = options.history_meta_ttl;
    let meta_ttl = if own.as_millis() > 0 { own } else { meta_ttl };
    if meta_ttl < options.history_ttl {
        problems.push(format!(
            "{place}: `history_meta_ttl` ({meta_ttl}) must not be shorter than `history_ttl` ({}): what is kept would lose \
             its epoch",
            options.history_ttl
        ));
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
    if options.users_status && (options.log != Log::Memory || options.delivery != Delivery::AtMostOnce) {
        problems.push(format!(
            "{place}: `users_status` needs `log = \"memory\"` and at most once: each node tells its own subscribers"
        ));
    }
    if options.delivery == Delivery::AtLeastOnce {
        check_at_least_once(options, place, problems);
    }
    check_pushes(options, place, problems);
    if options.log == Log::Disk && !history {
        problems
            .push(format!("{place}: `log = \"disk\"` needs `history_size` and `history_ttl`: else nothing is kept"));
    }
    match (options.log, options.acknowledge) {
        (Log::Memory, Acknowledge::Disk) => {
            problems.push(format!("{place}: `acknowledge = \"disk\"` needs `log = \"disk\"`"));
        }
        (Log::Disk, Acknowledge::Memory) => problems.push(format!(
            "{place}: `acknowledge = \"memory\"` contradicts `log = \"disk\"`: an offset that was told and then lost \
             would be another publication's after a restart"
        )),
        (Log::Redis, Acknowledge::Memory | Acknowledge::Disk) => problems.push(format!(
            "{place}: a publish with `log = \"redis\"` is answered once it is there, or in Kafka: leave `acknowledge` at \"log\", \
             or make it \"kafka\""
        )),
        (Log::Memory | Log::Disk, Acknowledge::Kafka) => problems.push(format!(
            "{place}: `acknowledge = \"kafka\"` needs `log = \"redis\"`: what Kafka has is moved from there into an order that all \
             nodes share"
        )),
        _ => {}
    }
    if let Err(error) = Regex::new(&options.channel_regex) {
        problems.push(format!("{place}: `channel_regex` does not compile: {error}"));
    }
}

/// What contradicts that members are told of by pushes.
fn check_pushes(options: &ChannelOptions, place: &str, problems: &mut Vec<String>) {
    let mut rule = |holds: bool, problem: &str| {
        if !holds {
            problems.push(format!("{place}: `push_after` {problem}"));
        }
    };
    let kinds = &options.push_device_kinds;
    if options.push_after.as_millis() == 0 {
        return rule(kinds.is_empty(), "is 0, but `push_device_kinds` is set: say after how long");
    }
    rule(
        options.delivery == Delivery::AtLeastOnce,
        "needs `delivery = \"at_least_once\"`: else nobody knows who has what",
    );
    rule(
        options.push_after < options.history_ttl,
        "must be shorter than `history_ttl`: what is no longer kept cannot be told of",
    );
    let is_name = |kind: &String| !kind.is_empty() && kind.len() <= limits::DEVICE_NAME_BYTES_MAX;
    rule(
        kinds.len() <= limits::DEVICE_KINDS_MAX && kinds.iter().all(is_name),
        "has too many `push_device_kinds`, or too long ones",
    );
}

/// What contradicts the promise that every device receives everything.
fn check_at_least_once(options: &ChannelOptions, place: &str, problems: &mut Vec<String>) {
    let mut rule = |holds: bool, problem: &str| {
        if !holds {
            problems.push(format!("{place}: `delivery = \"at_least_once\"` {problem}"));
        }
    };
    let history = options.history_size > 0 && options.history_ttl.as_millis() > 0;
    rule(history, "needs `history_size` and `history_ttl`: what was not received is sent again from there");
    rule(
        !history || options.history_size >= options.max_unacked,
        "needs a `history_size` of `max_unacked` or more: what a device may still have to receive must be kept",
    );
    rule(
        options.force_recovery_mode == ForceRecoveryMode::Stream,
        "contradicts `force_recovery_mode = \"cache\"`, which brings the latest publication alone",
    );
    rule(
        options.slow_consumer == SlowConsumer::Disconnect,
        "contradicts `slow_consumer = \"conflate\"`, which drops publications",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Namespace;

    fn broken(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        config.check()
    }

    fn assert_refused(key: &str, change: impl FnOnce(&mut Config)) {
        let problems = broken(change);
        assert!(problems.len() == 1 && problems[0].contains(key), "{key}: {problems:?}");
    }

    #[test]
    fn the_defaults_and_those_of_development_hold_the_rules() {
        assert_eq!(Config::default().check(), [""; 0]);
        assert_eq!(Config::dev().check(), [""; 0]);
    }

    #[test]
    fn what_a_ring_cannot_take_is_refused() {
        assert_refused("shards.receive_buffers", |config| config.shards.receive_buffers = 1000);
        assert_refused("shards.receive_buffer_size", |config| config.shards.receive_buffer_size = 16);
        assert_refused("shards.ring_entries", |config| config.shards.ring_entries = 32);
        assert_refused("shards.mailbox_capacity", |config| config.shards.mailbox_capacity = 1);
        assert_refused("shards.per_core", |config| config.shards.per_core = 0);
        assert_refused("lower one of them", |config| {
            (config.shards.cores, config.shards.per_core) = ("0-3".into(), 17);
        });
        assert_refused("shards.cores", |config| config.shards.cores = "first".into());
    }

    #[test]
    fn doors_that_cannot_open_are_refused() {
        assert_refused("http_server.address", |config| config.http_server.address = "localhost".into());
        assert_refused("are both 8000", |config| config.tcp_server.port = 8000);
        assert_refused("http_server.backlog", |config| config.http_server.backlog = 0);
        for path in ["ws", "/", "/api/ws", "/health", "/ws?x"] {
            assert_refused("websocket_path", |config| config.http_server.websocket_path = path.into());
        }
    }

    #[test]
    fn a_proxy_header_is_expected_from_proxies_that_are_named() {
        let expecting = |config: &mut Config| config.tcp_server.proxy_protocol = true;
        assert_refused("tcp_server.proxy_protocol", expecting);
        let from = |config: &mut Config| config.proxies.trusted = vec!["10.0.0.0/8".parse().unwrap()];
        assert_eq!(
            broken(|config| {
                expecting(config);
                from(config);
            }),
            [""; 0]
        );
    }

    #[test]
    fn a_segment_takes_what_backends_may_publish() {
        assert_refused("store.segment_size", |config| {
            (config.store.path, config.store.segment_size) = ("store".into(), 4 << 20);
            config.client.queue_max_size = 4 << 20;
        });
        assert_eq!(
            broken(|config| {
                (config.store.path, config.store.segment_size) = ("store".into(), 64 << 20);
                config.client.queue_max_size = 1 << 30;
            }),
            [""; 0],
            "no more than a call may bring"
        );
    }

    #[test]
    fn both_ports_may_be_chosen_by_the_kernel() {
        let any = |config: &mut Config| (config.http_server.port, config.tcp_server.port) = (0, 0);
        assert_eq!(broken(|config| any(config)), [""; 0]);
    }

    #[test]
    fn bounds_of_a_connection_that_contradict_each_other_are_refused() {
        assert_refused("queue_max_size", |config| {
            config.client.queue_max_size = 2 * config.client.message_size_limit - 1;
        });
        assert_refused("stale_close_delay", |config| config.client.stale_close_delay = Duration::default());
        assert_refused("expired_close_delay", |config| config.client.expired_close_delay = Duration::default());
        assert_refused("pong_timeout", |config| config.client.pong_timeout = Duration::from_secs(30));
        assert_refused("pong_misses", |config| config.client.pong_misses = 0);
        assert_refused("ping_interval", |config| {
            config.client.ping_interval = Duration::from_millis(500);
            config.client.pong_timeout = Duration::from_millis(100);
        });
        assert_refused("shutdown.timeout", |config| {
            config.shutdown.timeout = Duration::from_millis(config.shutdown.drain_time.as_millis() + 1999);
        });
    }

    #[test]
    fn an_origin_with_a_path_or_without_a_scheme_is_refused() {
        for origin in ["app.example.com", "https://app.example.com/", "https://", "", "*.example.com/", "file:///"] {
            assert_refused("allowed_origins", |config| config.client.allowed_origins = vec![origin.into()]);
        }
        let known = ["*", "https://app.example.com", "https://*.example.com", "http://localhost:3000"];
        let without_host = ["null", "file://", "file://*", "*.example.com", "capacitor://localhost"];
        for origin in known.into_iter().chain(without_host) {
            assert_eq!(broken(|config| config.client.allowed_origins = vec![origin.into()]), [""; 0]);
        }
    }

    #[test]
    fn a_leeway_that_makes_expiry_meaningless_is_refused() {
        assert_refused("client.token.leeway", |config| config.client.token.leeway = Duration::from_secs(301));
        let own = |config: &mut Config| config.client.subscription_token.token.leeway = Duration::from_secs(301);
        assert_refused("client.subscription_token.leeway", own);
    }

    #[test]
    fn a_log_level_that_is_none_is_refused() {
        assert_refused("log.level", |config| config.log.level = "verbose".into());
    }

    #[test]
    fn a_namespace_has_a_name_of_its_own() {
        let named = |name: &str| Namespace { name: name.into(), ..Namespace::default() };
        assert_refused("use letters", |config| config.channel.namespaces = vec![named("")]);
        assert_refused("twice", |config| config.channel.namespaces = vec![named("a"), named("b"), named("a")]);
        assert_refused("namespace_boundary", |config| {
            config.channel.namespace_boundary = ".".into();
            config.channel.namespaces = vec![named("a.b")];
        });
    }

    #[test]
    fn a_personal_channel_needs_its_namespace() {
        let personal = |config: &mut Config| {
            config.client.subscribe_to_user_personal_channel.enabled = true;
            config.client.subscribe_to_user_personal_channel.personal_channel_namespace = "personal".into();
        };
        assert_refused("personal_channel_namespace", personal);
    }

    #[test]
    fn options_that_need_history_are_refused_without_it() {
        assert_refused("both needed", |config| config.channel.without_namespace.history_size = 10);
        assert_refused("history_meta_ttl", |config| {
            let options = &mut config.channel.without_namespace;
            (options.history_size, options.history_ttl) = (10, Duration::from_secs(60));
            options.history_meta_ttl = Duration::from_secs(59);
        });
        assert_refused("recovery and positioning", |config| config.channel.without_namespace.allow_recovery = true);
        assert_refused("channel_regex", |config| config.channel.without_namespace.channel_regex = "(".into());
    }

    #[test]
    fn a_log_on_disk_is_refused_where_nothing_is_kept_or_answers_do_not_wait_for_it() {
        let logged = |log, acknowledge, size| {
            move |config: &mut Config| {
                config.store.path = "/store".into();
                let options = &mut config.channel.without_namespace;
                (options.log, options.acknowledge) = (log, acknowledge);
                (options.history_size, options.history_ttl) = (size, Duration::from_secs(60 * u64::from(size)));
            }
        };
        assert_refused("needs `history_size`", logged(Log::Disk, Acknowledge::Log, 0));
        assert_refused("needs `log = \"disk\"`", logged(Log::Memory, Acknowledge::Disk, 10));
        assert_refused("contradicts", logged(Log::Disk, Acknowledge::Memory, 10));
        assert_refused("needs `store.path`", |config| {
            logged(Log::Disk, Acknowledge::Log, 10)(config);
            config.store.path.clear();
        });
        for (log, acknowledge) in [(Log::Disk, Acknowledge::Disk), (Log::Memory, Acknowledge::Memory)] {
            assert_eq!(broken(logged(log, acknowledge, 10)), [""; 0]);
        }
    }

    #[test]
    fn a_log_that_nodes_share_needs_a_redis_and_answers_from_there() {
        let shared = |change: fn(&mut Config)| {
            move |config: &mut Config| {
                config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
                config.channel.without_namespace.log = Log::Redis;
                change(config);
            }
        };
        assert_eq!(broken(shared(|_| ())), [""; 0], "without history as well");
        let at_least_once = shared(|config| {
            let options = &mut config.channel.without_namespace;
            (options.history_size, options.history_ttl) = (100, Duration::from_secs(60));
            options.delivery = Delivery::AtLeastOnce;
        });
        assert_eq!(broken(at_least_once), [""; 0]);
        assert_refused("cluster.redis.addresses", shared(|config| config.cluster.redis.addresses.clear()));
        assert_refused(
            "answered once it is there",
            shared(|config| {
                config.channel.without_namespace.acknowledge = Acknowledge::Memory;
            }),
        );
        assert_eq!(broken(shared(|config| config.channel.without_namespace.presence = true)), [""; 0]);
    }

    #[test]
    fn a_publish_that_kafka_acknowledges_needs_kafka_and_an_order_that_nodes_share() {
        let relayed = |change: fn(&mut Config)| {
            move |config: &mut Config| {
                config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
                config.cluster.kafka.brokers = vec!["127.0.0.1:9092".into()];
                let options = &mut config.channel.without_namespace;
                (options.log, options.acknowledge) = (Log::Redis, Acknowledge::Kafka);
                change(config);
            }
        };
        assert_eq!(broken(relayed(|_| ())), [""; 0]);
        assert_refused("cluster.kafka.brokers", relayed(|config| config.cluster.kafka.brokers.clear()));
        assert_refused("log = \"redis\"", relayed(|config| config.channel.without_namespace.log = Log::Memory));
    }

    #[test]
    fn conflation_is_refused_where_everything_is_promised() {
        let conflating = |mode| {
            move |config: &mut Config| {
                let options = &mut config.channel.without_namespace;
                (options.history_size, options.history_ttl) = (10, Duration::from_secs(60));
                (options.force_recovery, options.force_recovery_mode) = (true, mode);
                options.slow_consumer = SlowConsumer::Conflate;
            }
        };
        assert_refused("conflate", conflating(ForceRecoveryMode::Stream));
        assert_eq!(broken(conflating(ForceRecoveryMode::Cache)), [""; 0]);
    }

    #[test]
    fn channels_that_tell_who_is_online_are_each_nodes_own_and_have_a_namespace() {
        let told = |change: fn(&mut ChannelOptions)| {
            move |config: &mut Config| {
                let mut options = ChannelOptions { users_status: true, ..ChannelOptions::default() };
                change(&mut options);
                config.channel.namespaces.push(Namespace { name: "online".into(), options });
                config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
            }
        };
        assert_eq!(broken(told(|_| ())), [""; 0]);
        assert_refused("users_status", told(|options| options.log = Log::Redis));
        assert_refused("users_status", |config| config.channel.without_namespace.users_status = true);
    }

    #[test]
    fn pushes_need_somebody_to_tell_and_members_that_are_known() {
        let pushes = |change: fn(&mut Config)| {
            move |config: &mut Config| {
                config.cluster.kafka.brokers = vec!["127.0.0.1:9092".into()];
                config.channel.without_namespace = ChannelOptions {
                    delivery: Delivery::AtLeastOnce,
                    history_size: 100,
                    history_ttl: Duration::from_secs(60),
                    push_after: Duration::from_secs(30),
                    push_device_kinds: vec!["phone".into()],
                    ..ChannelOptions::default()
                };
                change(config);
            }
        };
        assert_eq!(broken(pushes(|_| ())), [""; 0]);
        assert_refused("cluster.kafka.brokers", pushes(|config| config.cluster.kafka.brokers.clear()));
        assert_refused("cluster.kafka.topics.push", pushes(|config| config.cluster.kafka.topics.push.clear()));
        assert_refused(
            "at_least_once",
            pushes(|config| config.channel.without_namespace.delivery = Delivery::AtMostOnce),
        );
        assert_refused(
            "history_ttl",
            pushes(|config| config.channel.without_namespace.push_after = Duration::from_secs(60)),
        );
        assert_refused(
            "push_after",
            pushes(|config| config.channel.without_namespace.push_after = Duration::from_millis(1)),
        );
        assert_refused(
            "push_device_kinds",
            pushes(|config| config.channel.without_namespace.push_after = Duration::default()),
        );
        let nameless = |config: &mut Config| config.channel.without_namespace.push_device_kinds.push(String::new());
        assert_refused("push_device_kinds", pushes(nameless));
    }

    #[test]
    fn at_least_once_is_refused_beside_what_drops_publications() {
        let at_least_once = |change: fn(&mut ChannelOptions)| {
            move |config: &mut Config| {
                let options = &mut config.channel.without_namespace;
                (options.history_size, options.history_ttl) = (100, Duration::from_secs(60));
                options.delivery = Delivery::AtLeastOnce;
                change(options);
            }
        };
        assert_eq!(broken(at_least_once(|_| ())), [""; 0]);
        assert_refused("cache", at_least_once(|options| options.force_recovery_mode = ForceRecoveryMode::Cache));
        assert_refused("conflate", at_least_once(|options| options.slow_consumer = SlowConsumer::Conflate));
        assert_refused("max_unacked", at_least_once(|options| options.history_size = 63));
        let without_history = |options: &mut ChannelOptions| {
            (options.history_size, options.history_ttl) = (0, Duration::default());
        };
        assert_refused("needs `history_size`", at_least_once(without_history));
    }
}
