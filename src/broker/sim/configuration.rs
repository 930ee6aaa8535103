//! The namespaces of the simulated node, and bounds that its clients get to.

use crate::config::{ChannelOptions, Config, Delivery, Duration, ForceRecoveryMode, Log, Namespace, SlowConsumer};

pub(crate) const SECRET: &str = "a secret that the sessions of the simulation share";

/// Channels that keep publications.
pub(crate) const KEPT: [&str; 5] = ["kept:a", "kept:b", "wish:a", "cache:a", FILTERED];
/// The one of them whose subscribers may have filters.
pub(crate) const FILTERED: &str = "tags:a";
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
        config.channel.namespaces.iter_mut().filter(|namespace| ["kept", "cache", "tags"].contains(&&*namespace.name))
    {
        namespace.options.log = Log::Disk;
    }
    config
}

/// Those that are.
pub(crate) const DURABLE: [&str; 4] = ["kept:a", "kept:b", "cache:a", FILTERED];

/// Channels that are received at least once, on disk: who subscribes is a member, or who is named; in `quiet` nobody is sent
/// their own.
pub(crate) const INBOXES: [&str; 4] = ["letters:a", "letters:b", "quiet:a", "direct:a#user1"];

/// Who is in them.
pub(crate) const MEMBERS: [&str; 2] = ["user0", "user1"];

/// So often a publication is sent there.
pub(crate) const ATTEMPTS_MAX: u16 = 3;

/// So many publications a device is sent there before it has received any.
pub(crate) const UNACKED_MAX: u32 = 4;

/// As [`configuration_on_disk`], with [`INBOXES`].
pub(crate) fn configuration_with_inboxes() -> Config {
    let mut config = configuration_on_disk();
    config.client.user_connection_limit = 4;
    let letters = ChannelOptions {
        log: Log::Disk,
        history_size: 12,
        history_ttl: Duration::from_secs(100),
        history_meta_ttl: Duration::from_secs(200),
        delivery: Delivery::AtLeastOnce,
        members_by_subscribing: true,
        ack_timeout: Duration::from_secs(1),
        retry_backoff_max: Duration::from_secs(2),
        max_attempts: ATTEMPTS_MAX,
        max_unacked: UNACKED_MAX,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    let direct = ChannelOptions { members_by_subscribing: false, allow_user_limited_channels: true, ..letters.clone() };
    config.channel.namespaces.extend([
        namespace("quiet", ChannelOptions { echo: false, ..letters.clone() }),
        namespace("direct", direct),
        namespace("letters", letters),
    ]);
    config
}

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
        namespace("tags", ChannelOptions { force_recovery: true, allow_tags_filter: true, ..kept.clone() }),
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
