//! The namespaces of the simulated node, and bounds that its clients get to.

use crate::config::{ChannelOptions, Config, Duration, ForceRecoveryMode, Log, Namespace, SlowConsumer};

pub(crate) const SECRET: &str = "a secret that the sessions of the simulation share";

/// Channels that keep publications.
pub(crate) const KEPT: [&str; 4] = ["kept:a", "kept:b", "wish:a", "cache:a"];
/// Channels that keep none.
pub(crate) const FLEETING: [&str; 3] = ["live:a", "live:b", "live:c"];

fn namespace(name: &str, options: ChannelOptions) -> Namespace {
    let open = ChannelOptions {
        presence: true,
        join_leave: true,
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_anonymous: true,
        allow_history_for_client: true,
        allow_history_for_anonymous: true,
        allow_presence_for_client: true,
        allow_presence_for_anonymous: true,
        ..options
    };
    Namespace { name: name.into(), options: open }
}

/// As [`configuration`], but that some of the channels are kept on disk.
pub(crate) fn configuration_on_disk() -> Config {
    let mut config = configuration();
    for namespace in
        config.channel.namespaces.iter_mut().filter(|namespace| ["kept", "cache"].contains(&&*namespace.name))
    {
        namespace.options.log = Log::Disk;
    }
    config
}

/// Those that are.
pub(crate) const DURABLE: [&str; 3] = ["kept:a", "kept:b", "cache:a"];

pub(crate) fn configuration() -> Config {
    let mut config = Config { name: "sim".into(), ..Config::default() };
    config.client.allow_anonymous_connect_without_token = true;
    config.client.token.hmac_secret_key = SECRET.into();
    config.client.user_connection_limit = 2;
    config.client.queue_max_size = 3000;
    // Letters may take their time.
    config.client.stale_close_delay = Duration::from_secs(300);
    config.client.ping_interval = Duration::from_secs(100);
    let kept = ChannelOptions {
        history_size: 6,
        history_ttl: Duration::from_secs(20),
        history_meta_ttl: Duration::from_secs(40),
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    config.channel.namespaces = vec![
        namespace("kept", ChannelOptions { force_recovery: true, ..kept.clone() }),
        namespace("wish", ChannelOptions { allow_recovery: true, allow_positioning: true, ..kept.clone() }),
        namespace(
            "cache",
            ChannelOptions {
                history_size: 3,
                force_recovery: true,
                force_recovery_mode: ForceRecoveryMode::Cache,
                slow_consumer: SlowConsumer::Conflate,
                ..kept
            },
        ),
        namespace(
            "live",
            ChannelOptions {
                force_push_join_leave: true,
                allow_publish_for_subscriber: true,
                ..ChannelOptions::default()
            },
        ),
    ];
    config
}
