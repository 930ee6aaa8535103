//! What `--dev` starts from: everything open on loopback, the channels of the demo page, an inbox, and channels without a namespace
//! that keep nothing.

use super::{ChannelOptions, Config, Delivery, DemoConfig, Duration, Namespace};

/// What development tokens are signed with; it is no secret.
pub(super) const SECRET: &str = "ringpost-development-secret-not-for-production";

impl Config {
    /// Defaults for trying the node out. Listens on loopback only.
    pub fn dev() -> Self {
        let mut config = Self { demo: DemoConfig { enabled: true }, ..Self::default() };
        config.http_server.address = "127.0.0.1".into();
        config.tcp_server.address = "127.0.0.1".into();
        // Pages that a backend of yours serves from this host, on whatever port.
        config.client.allowed_origins = vec!["http://127.0.0.1:*".into(), "http://localhost:*".into()];
        config.client.allow_anonymous_connect_without_token = true;
        config.client.token.hmac_secret_key = SECRET.into();
        config.client.subscribe_to_user_personal_channel.enabled = true;
        config.http_api.key = "dev".into();
        config.shutdown.drain_time = Duration::from_millis(500);
        config.channel.without_namespace = ChannelOptions {
            allow_subscribe_for_client: true,
            allow_subscribe_for_anonymous: true,
            allow_publish_for_client: true,
            allow_publish_for_anonymous: true,
            ..ChannelOptions::default()
        };
        config.channel.namespaces = vec![
            Namespace {
                name: "chat".into(),
                options: ChannelOptions {
                    history_size: 100,
                    history_ttl: Duration::from_secs(3600),
                    force_recovery: true,
                    ..open()
                },
            },
            Namespace {
                name: "inbox".into(),
                options: ChannelOptions {
                    history_size: 1000,
                    history_ttl: Duration::from_secs(86_400),
                    delivery: Delivery::AtLeastOnce,
                    members_by_subscribing: true,
                    allow_user_limited_channels: true,
                    ..open()
                },
            },
            // Nobody need be told that they type.
            Namespace { name: "typing".into(), options: ChannelOptions { echo: false, ..open() } },
        ];
        config
    }
}

fn open() -> ChannelOptions {
    ChannelOptions {
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
        allow_history_for_subscriber: true,
        allow_history_for_anonymous: true,
        allow_presence_for_subscriber: true,
        allow_presence_for_anonymous: true,
        // Names of rooms in every language: without an expression they would be ASCII.
        channel_regex: ".*".into(),
        ..ChannelOptions::default()
    }
}
