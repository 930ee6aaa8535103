use super::*;
use crate::config::{ForceRecoveryMode, Namespace};

/// A file in the layout of version 6 with what a team has that signs tokens and publishes from a backend.
const SIX: &str = r#"
node:
  name: eu-1
http_server:
  address: "0.0.0.0"
  port: "9000"
  internal_port: 9001
log:
  level: none
client:
  allowed_origins: [https://app.example.com]
  token:
    hmac_secret_key: a-secret-of-the-team-that-is-long-enough
  ping_interval: 12.5s
  channel_limit: 64
channel:
  history_meta_ttl: 168h
  without_namespace:
    presence: true
  namespaces:
    - name: chat
      history_size: 50
      history_ttl: 300s
      force_recovery: true
      force_recovery_mode: cache
      allow_subscribe_for_client: true
    - name: news
http_api:
  key: the-key-of-the-backend
health:
  enabled: true
websocket:
  handler_prefix: /ws
  message_size_limit: 32768
"#;

/// What [`SIX`] says, in the layout of version 5.
const FIVE: &str = r#"{
  "name": "eu-1",
  "address": "0.0.0.0",
  "port": 9000,
  "internal_port": "9001",
  "log_level": "none",
  "allowed_origins": ["https://app.example.com"],
  "token_hmac_secret_key": "a-secret-of-the-team-that-is-long-enough",
  "ping_interval": "12.5s",
  "client_channel_limit": 64,
  "global_history_meta_ttl": "168h",
  "presence": true,
  "namespaces": [
    {"name": "chat", "history_size": 50, "history_ttl": "300s", "force_recovery": true, "force_recovery_mode": "cache",
     "allow_subscribe_for_client": true},
    {"name": "news"}
  ],
  "api_key": "the-key-of-the-backend",
  "health": true,
  "websocket_handler_prefix": "/ws",
  "websocket_message_size_limit": 32768
}"#;

fn imported(text: &str, format: Format) -> (Import, Config) {
    let import = import(text, format).expect("the file is right");
    assert_eq!(import.problems, [""; 0], "{}", import.toml);
    let config = Config::parse(&import.toml, std::iter::empty(), false).expect("it passes `config check`");
    (import, config)
}

fn notes(text: &str) -> Vec<String> {
    imported(text, Format::Yaml).0.notes
}

#[test]
fn what_means_the_same_is_taken_over() {
    let (import, config) = imported(SIX, Format::Yaml);
    assert_eq!(import.notes, [""; 0]);
    assert_eq!((config.name.as_str(), config.log.level.as_str()), ("eu-1", "off"));
    assert_eq!((config.http_server.port, config.http_server.websocket_path.as_str()), (9000, "/ws"));
    assert_eq!((config.internal_server.address.as_str(), config.internal_server.port), ("0.0.0.0", 9001));
    assert_eq!(config.client.allowed_origins, ["https://app.example.com"]);
    assert_eq!(config.client.token.hmac_secret_key, "a-secret-of-the-team-that-is-long-enough");
    assert_eq!(config.client.ping_interval.as_millis(), 12_500);
    assert_eq!((config.client.channel_limit, config.client.message_size_limit), (64, 32_768));
    assert_eq!(config.http_api.key, "the-key-of-the-backend");
    assert_eq!(config.channel.history_meta_ttl.as_millis(), 7 * 86_400_000);
    assert!(config.channel.without_namespace.presence && config.health.enabled);
    let [Namespace { name, options }, Namespace { name: other, .. }] = &config.channel.namespaces[..] else {
        panic!("two namespaces: {:?}", config.channel.namespaces)
    };
    assert_eq!((name.as_str(), other.as_str()), ("chat", "news"));
    assert_eq!((options.history_size, options.history_ttl.as_millis()), (50, 300_000));
    assert_eq!(options.force_recovery_mode, ForceRecoveryMode::Cache);
    assert!(options.force_recovery && options.allow_subscribe_for_client);
}

#[test]
fn both_layouts_and_all_formats_give_the_same() {
    let (_, config) = imported(SIX, Format::Yaml);
    assert_eq!(imported(FIVE, Format::Json).1, config);
    for text in [SIX, FIVE] {
        let tree = Json::Object(Format::Yaml.read(text).expect("JSON is YAML"));
        assert_eq!(imported(&tree.to_string(), Format::Json).1, config);
        assert_eq!(imported(&toml::to_string(&tree).unwrap(), Format::Toml).1, config);
    }
}

#[test]
fn what_a_file_leaves_out_stays_as_it_was_there() {
    let (_, config) = imported("{}", Format::Json);
    assert_eq!((config.client.ping_interval.as_millis(), config.client.pong_timeout.as_millis()), (25_000, 8_000));
    assert!(!config.health.enabled && !config.prometheus.enabled && !config.tcp_server.enabled);
}

#[test]
fn what_cannot_be_taken_over_is_told_with_its_reason_and_without_its_value() {
    let text = "
engine: {type: redis, redis: {address: 'redis://:swordfish@cache:6379'}}
admin: {enabled: true, password: swordfish}
grpc_api: {enabled: false, port: 10000}
http_server: {tls: {enabled: true, cert_pem: swordfish}}
client: {proxy: {connect: {enabled: true, endpoint: 'https://swordfish'}}}
channel: {namespaces: [{name: chat, subscribe_proxy_enabled: true, allowed_delta_types: [fossil], delta_publish: false}]}
prometheus: {enabled: true, handler_prefix: /prometheus}
";
    let (import, config) = imported(text, Format::Yaml);
    let begins: Vec<_> = import.notes.iter().filter_map(|note| note.split_once(": ")).map(|(keys, _)| keys).collect();
    let left_out = [
        "engine",
        "admin",
        "http_server.tls",
        "client.proxy, channel.namespaces.chat.subscribe_proxy_enabled",
        "channel.namespaces.chat.allowed_delta_types",
        "prometheus.handler_prefix",
    ];
    assert_eq!(begins, left_out);
    assert!(config.prometheus.enabled);
    for note in &import.notes {
        assert!(import.toml.contains(&format!("\n# - {note}\n")), "{note}: {}", import.toml);
    }
    assert!(!import.toml.contains("swordfish"), "{}", import.toml);
}

#[test]
fn a_key_that_nobody_knows_is_named_with_the_nearest() {
    let notes = notes(
        "
client: {alowed_origins: ['*']}
channel: {namespaces: [{name: a, histroy_size: 3}]}
tokn_hmac_secret_key: x
",
    );
    assert_eq!(
        notes,
        [
            "client.alowed_origins: no such key is known; perhaps it is `allowed_origins`",
            "channel.namespaces.a.histroy_size: no such key is known; perhaps it is `history_size`",
            "tokn_hmac_secret_key: no such key is known",
        ]
    );
}

#[test]
fn an_api_that_is_off_there_is_off_here() {
    let (import, config) = imported("http_api: {disabled: true, key: k, insecure: true}", Format::Yaml);
    assert_eq!((config.http_api.key.as_str(), config.http_api.insecure), ("", false));
    assert!(import.notes[0].starts_with("http_api.disabled: "), "{:?}", import.notes);
}

#[test]
fn a_value_of_another_kind_is_told_and_not_guessed() {
    let notes = notes("client: {ping_interval: 25, channel_limit: many, insecure: [true]}");
    assert_eq!(
        notes,
        [
            "client.ping_interval: the value is no time with a unit, such as 25s",
            "client.channel_limit: the value is no whole number",
            "client.insecure: the value is neither true nor false",
        ]
    );
}

#[test]
fn what_must_be_mended_by_hand_is_a_problem() {
    for (text, key) in [
        ("http_server: {port: 70000}", "70000"),
        ("channel: {namespaces: [{name: a, force_recovery: true}]}", "recovery"),
        ("channel: {namespaces: [a]}", "name"),
    ] {
        let import = import(text, Format::Yaml).expect("it is YAML");
        assert!(import.problems.len() == 1 && import.problems[0].contains(key), "{key}: {:?}", import.problems);
    }
}

#[test]
fn a_file_that_is_not_of_its_format_is_refused() {
    for (text, format) in [("{", Format::Json), ("a: [", Format::Yaml), ("a =", Format::Toml), ("[1]", Format::Json)] {
        assert!(import(text, format).is_err(), "{text}");
    }
    assert_eq!(imported("", Format::Yaml).0.notes, [""; 0]);
}

#[test]
fn the_guide_names_what_is_called_otherwise_and_what_is_left_out() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/MIGRATION.md");
    let guide = std::fs::read_to_string(path).unwrap_or_default();
    for (there, ours) in names::MOVED {
        assert!(guide.contains(&format!("| `{there}` | `{ours}` |")), "{there}");
    }
    for (key, value) in names::defaults() {
        assert!(guide.contains(&format!("| `{key}` | `{value}` |")), "{key} = {value}");
    }
    for (section, _) in names::LEFT_OUT {
        assert!(guide.contains(&format!("`{section}`")), "{section}");
    }
}
