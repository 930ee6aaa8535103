//! Centrifugo's names of keys: what version 5 calls what version 6 names by path, where each is in our configuration, and why
//! some are nowhere. docs/MIGRATION.md shows the same to people; a test holds the two together.

use toml::Value;

/// Keys of the top level of version 5, and their paths in version 6.
const RENAMED_SINCE_5: [(&str, &str); 23] = [
    ("name", "node.name"),
    ("engine", "engine.type"),
    ("address", "http_server.address"),
    ("port", "http_server.port"),
    ("internal_address", "http_server.internal_address"),
    ("internal_port", "http_server.internal_port"),
    ("http3", "http_server.http3.enabled"),
    ("allowed_origins", "client.allowed_origins"),
    ("ping_interval", "client.ping_interval"),
    ("pong_timeout", "client.pong_timeout"),
    ("allow_anonymous_connect_without_token", "client.allow_anonymous_connect_without_token"),
    ("disallow_anonymous_connection_tokens", "client.disallow_anonymous_connection_tokens"),
    ("separate_subscription_token_config", "client.subscription_token.enabled"),
    ("user_subscribe_to_personal", "client.subscribe_to_user_personal_channel.enabled"),
    ("user_personal_channel_namespace", "client.subscribe_to_user_personal_channel.personal_channel_namespace"),
    ("user_personal_single_connection", "client.subscribe_to_user_personal_channel.single_connection"),
    ("global_history_meta_ttl", "channel.history_meta_ttl"),
    ("namespaces", "channel.namespaces"),
    ("channel_patterns", "channel.patterns"),
    ("channel_regex", "channel.without_namespace.channel_regex"),
    ("api_disable", "http_api.disabled"),
    ("websocket_disable", "websocket.disabled"),
    ("usage_stats_disable", "usage_stats.disabled"),
];

/// How keys of the top level of version 5 begin, and the sections of version 6 that have the rest of the name.
const SECTIONS_SINCE_5: [(&str, &str); 26] = [
    ("admin_", "admin"),
    ("api_", "http_api"),
    ("channel_", "channel"),
    ("client_", "client"),
    ("emulation_", "emulation"),
    ("global_redis_", "engine.redis"),
    ("global_", "engine.redis"),
    ("graphite_", "graphite"),
    ("grpc_api_", "grpc_api"),
    ("health_", "health"),
    ("http_stream_", "http_stream"),
    ("log_", "log"),
    ("nats_", "broker.nats"),
    ("opentelemetry_", "opentelemetry"),
    ("prometheus_", "prometheus"),
    ("proxy_", "proxy"),
    ("redis_", "engine.redis"),
    ("rpc_", "rpc"),
    ("shutdown_", "shutdown"),
    ("sse_", "sse"),
    ("subscription_token_", "client.subscription_token"),
    ("swagger_", "swagger"),
    ("tls_", "http_server.tls"),
    ("token_", "client.token"),
    ("uni_", "uni"),
    ("websocket_", "websocket"),
];

/// Sections of version 6 that version 5 switches on by their bare names.
const SWITCHES_OF_5: [&str; 13] = [
    "admin",
    "debug",
    "graphite",
    "grpc_api",
    "health",
    "http_stream",
    "opentelemetry",
    "prometheus",
    "sse",
    "swagger",
    "tls",
    "tls_autocert",
    "webtransport",
];

/// Where a key that version 6 knows is another one of ours. All others that are taken over have the same path.
pub(super) const MOVED: [(&str, &str); 5] = [
    ("node.name", "name"),
    ("http_server.internal_address", "internal_server.address"),
    ("http_server.internal_port", "internal_server.port"),
    ("websocket.handler_prefix", "http_server.websocket_path"),
    ("websocket.message_size_limit", "client.message_size_limit"),
];

/// Values that hold there where a key is left out, and are others here.
pub(super) fn defaults() -> [(&'static str, Value); 5] {
    [
        ("client.ping_interval", "25s".into()),
        ("client.pong_timeout", "8s".into()),
        ("health.enabled", false.into()),
        ("prometheus.enabled", false.into()),
        // There is no such door.
        ("tcp_server.enabled", false.into()),
    ]
}

const NO_HOOKS: &str = "the node asks no backend: sign connection and subscription tokens instead, or subscribe clients by \
                        the API; `rpc` is refused";
const SHARED: &str = "channels, history and presence are in memory, on disk (`log`), or in a Redis that nodes share in a layout of their \
                      own: see docs/CLUSTER.md";
const NO_DATABASE: &str = "the node needs no database";
const NO_TLS: &str = "the node speaks plain TCP: let a proxy before it do TLS";
const BY_WORK: &str = "clients are limited by the work that they cause: `client.work_limit`, `client.user_work_limit`";
const OWN_SOCKETS: &str = "how sockets are read and written follows from `shards`";
const FIXED_PATHS: &str = "the paths of API, health and metrics are fixed: /api, /health, /metrics";
const ONE_WAY: &str = "there are no unidirectional doors";
const EXACT: &str = "presence and positions are exact: nothing is renewed or checked by time";
const WHOLE: &str = "every publication is sent whole, there is no delta compression";

/// What is not taken over, by path or by section, and why. The first that fits holds.
pub(super) const LEFT_OUT: [(&str, &str); 74] = [
    ("engine", SHARED),
    ("broker", SHARED),
    ("brokers", SHARED),
    ("presence_manager", SHARED),
    ("presence_managers", SHARED),
    ("map_broker", "there are no map subscriptions"),
    ("redis", SHARED),
    ("node.info_metrics_aggregate_interval", "metrics are counted as things happen"),
    ("http_server.tls", NO_TLS),
    ("http_server.tls_autocert", NO_TLS),
    ("http_server.tls_external", NO_TLS),
    ("tls", NO_TLS),
    ("tls_autocert", NO_TLS),
    ("tls_external", NO_TLS),
    ("http_server.http3", "there is no HTTP/3"),
    ("http_server.internal_tls", NO_TLS),
    ("websocket.disabled", "the WebSocket door is always open"),
    ("websocket.compression", "there is no `permessage-deflate`"),
    ("websocket.compression_min_size", "there is no `permessage-deflate`"),
    ("websocket.compression_level", "there is no `permessage-deflate`"),
    (
        "websocket.write_timeout",
        "a client is slow that takes nothing of what waits for it for `client.write_timeout`, 30s; it is not a time for one \
         write",
    ),
    ("websocket", OWN_SOCKETS),
    ("webtransport", "there is no WebTransport: SDKs go on to WebSocket"),
    ("sse", "there is no SSE: SDKs need WebSocket"),
    ("http_stream", "there is no HTTP streaming: SDKs need WebSocket"),
    ("emulation", "there is no emulation over HTTP: SDKs need WebSocket"),
    ("uni_websocket", ONE_WAY),
    ("uni_sse", ONE_WAY),
    ("uni_http_stream", ONE_WAY),
    ("uni_grpc", ONE_WAY),
    ("uni", ONE_WAY),
    (
        "grpc_api.tls",
        "name the files: `grpc_api.tls_cert_file`, `grpc_api.tls_key_file`, `grpc_api.tls_client_ca_file`",
    ),
    ("grpc_api.max_receive_message_size", "the longest message is fixed: 8 MiB"),
    ("http_api.handler_prefix", FIXED_PATHS),
    ("http_api.external", "where `internal_server` is set, the API answers there only"),
    ("health.handler_prefix", FIXED_PATHS),
    ("prometheus", "`/metrics` is fixed, and so are its names: see docs/MIGRATION.md"),
    ("admin", "there is no admin page: `/metrics` and the API's `info` tell"),
    ("swagger", "the API's document is at `/api/openapi.json`"),
    ("debug", "there are no profiling endpoints"),
    ("dev", "`ringpost serve --dev` is for trying things out"),
    ("init", "there is no such endpoint"),
    ("opentelemetry", "there is no tracing: `/metrics` and the log tell"),
    ("graphite", "metrics are given to Prometheus only"),
    ("usage_stats", "nothing is reported to anybody"),
    ("log.file", "the log goes to standard error: the service manager keeps it"),
    ("pid_file", "the service manager knows the process"),
    ("enable_unreleased_features", "there are none"),
    ("proxies", NO_HOOKS),
    ("proxy", NO_HOOKS),
    ("rpc", NO_HOOKS),
    ("consumers", "calls are read from Kafka alone, by `cluster.kafka.topics.calls`: see docs/CONSUMERS.md"),
    ("client.proxy", NO_HOOKS),
    ("client.connect_proxy_name", NO_HOOKS),
    ("client.refresh_proxy_name", NO_HOOKS),
    ("client.presence_update_interval", EXACT),
    ("client.channel_position_check_delay", EXACT),
    ("client.channel_position_max_time_lag", EXACT),
    ("client.connect_include_server_time", "the connect reply always has the server's time"),
    ("client.connect_code_to_unidirectional_disconnect", ONE_WAY),
    ("client.concurrency", OWN_SOCKETS),
    ("client.write_delay", OWN_SOCKETS),
    ("client.reply_without_queue", OWN_SOCKETS),
    ("client.max_messages_in_frame", OWN_SOCKETS),
    ("client.queue_initial_cap", OWN_SOCKETS),
    ("client.user_id_http_header", "users are known by their tokens only"),
    ("client.rate_limit", BY_WORK),
    ("client.allowed_delta_types", WHOLE),
    (
        "client.subscribe_to_user_personal_channel.single_connection",
        "`client.devices.stay = \"newest\"` ends the first connection when a second one comes",
    ),
    ("channel.proxy", NO_HOOKS),
    ("channel.patterns", "channels belong to namespaces"),
    ("license", "there is nothing to license"),
    ("database", NO_DATABASE),
    ("cache", NO_DATABASE),
];

/// As `LEFT_OUT`, for the options of channels, by how their names begin.
const OPTIONS_LEFT_OUT: [(&str, &str); 17] = [
    ("proxy_", NO_HOOKS),
    ("subscribe_proxy_", NO_HOOKS),
    ("publish_proxy_", NO_HOOKS),
    ("sub_refresh_proxy_", NO_HOOKS),
    ("subscribe_stream_", NO_HOOKS),
    ("cache_empty_proxy_", NO_HOOKS),
    ("subscribe_cel", NO_HOOKS),
    ("publish_cel", NO_HOOKS),
    ("history_cel", NO_HOOKS),
    ("presence_cel", NO_HOOKS),
    ("allowed_delta_types", WHOLE),
    ("delta_publish", WHOLE),
    ("keep_latest_publication", WHOLE),
    ("shared_position_sync", SHARED),
    ("state_events", NO_HOOKS),
    ("broker_name", SHARED),
    ("presence_manager_name", SHARED),
];

/// The path in version 6 of a key of the top level. `is_section`: it has keys of its own, which version 5 does not know;
/// `is_option`: channels have it here, too.
pub(super) fn path_of(key: &str, is_section: bool, is_option: bool) -> String {
    if let Some((_, path)) = RENAMED_SINCE_5.iter().find(|(old, _)| *old == key && !is_section) {
        return (*path).into();
    }
    if is_section {
        return key.into();
    }
    if SWITCHES_OF_5.contains(&key) {
        return format!("{key}.enabled");
    }
    if is_option || (why_not_option(key).is_some() && !key.starts_with("proxy_")) {
        return format!("channel.without_namespace.{key}");
    }
    let of_section = |(begin, section): &(&str, &str)| Some(format!("{section}.{}", key.strip_prefix(begin)?));
    SECTIONS_SINCE_5.iter().find_map(of_section).unwrap_or_else(|| key.into())
}

/// Why a key is not taken over; `None` for one that Centrifugo does not have either, as far as is known here.
pub(super) fn why_not(path: &str) -> Option<&'static str> {
    let within =
        |section: &str| path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some(option) = path.strip_prefix("channel.without_namespace.") {
        return why_not_option(option);
    }
    LEFT_OUT.iter().find(|(section, _)| within(section)).map(|(_, why)| *why)
}

/// As [`why_not`], for an option of channels.
pub(super) fn why_not_option(option: &str) -> Option<&'static str> {
    OPTIONS_LEFT_OUT.iter().find(|(begin, _)| option.starts_with(begin)).map(|(_, why)| *why)
}
