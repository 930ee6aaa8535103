//! The `channel` section: names, namespaces and what each allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// Channel names, namespaces and their options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChannelConfig {
    /// Longest channel name, bytes.
    pub max_length: usize,
    /// Channels whose names begin so are private: only a subscription token opens them. Empty switches
    /// private channels off.
    pub private_prefix: String,
    /// What separates a namespace from the rest of the name. Empty switches namespaces off.
    pub namespace_boundary: String,
    /// What begins the list of users of a user-limited channel. Empty switches them off.
    pub user_boundary: String,
    /// What separates the users of a user-limited channel.
    pub user_separator: String,
    /// How long a stream's epoch and offset outlive its last use, where a namespace does not say otherwise.
    pub history_meta_ttl: Duration,
    /// Most bytes that the streams of all channels take on the node, spread over its shards, about. Where it is reached,
    /// the streams of channels without subscribers go, the longest unused first, then the oldest publications of the
    /// channel that is published to. Clients that come back to them are told that they have missed something.
    pub history_memory: usize,
    /// The options of channels without a namespace.
    pub without_namespace: ChannelOptions,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            max_length: crate::limits::CHANNEL_NAME_BYTES_MAX,
            private_prefix: "$".into(),
            namespace_boundary: ":".into(),
            user_boundary: "#".into(),
            user_separator: ",".into(),
            history_meta_ttl: Duration::from_secs(30 * 86_400),
            history_memory: 2 << 30,
            without_namespace: ChannelOptions::default(),
            namespaces: Vec::new(),
        }
    }
}

impl ChannelConfig {
    /// Whether what is published goes by way of Kafka in any namespace.
    pub fn relays(&self) -> bool {
        let namespaces = self.namespaces.iter().map(|namespace| &namespace.options);
        [&self.without_namespace].into_iter().chain(namespaces).any(|options| options.acknowledge == Acknowledge::Kafka)
    }
}

/// A namespace: a name and the options of its channels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Namespace {
    /// The part of a channel's name before the boundary.
    pub name: String,
    /// The options of its channels.
    #[serde(flatten)]
    pub options: ChannelOptions,
}

/// How clients of a channel recover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForceRecoveryMode {
    /// Everything that was missed, or the answer that it is not all there.
    #[default]
    Stream,
    /// The latest publication.
    Cache,
}

/// Where publications are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// In memory: gone with the process.
    #[default]
    Memory,
    /// On the node's disk as well: they survive the process and the host, not the disk.
    Disk,
    /// In the Redis that several nodes share: they have one order on all of them.
    Redis,
}

/// When a publish is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// Once it is where the log keeps it.
    #[default]
    Log,
    /// Once it is in memory.
    Memory,
    /// Once it is on the disk.
    Disk,
    /// Once Kafka has it, which takes it to where the log keeps it.
    Kafka,
}

/// What happens to a subscriber that reads too slowly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlowConsumer {
    /// It is disconnected with 3008.
    #[default]
    Disconnect,
    /// Of what waits for it, only the latest publication of each channel is kept.
    Conflate,
}

/// What is promised of publications to those who are to receive them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// They go to whoever is subscribed.
    #[default]
    AtMostOnce,
    /// They go to every device of every member of the channel until it says that it has received them.
    AtLeastOnce,
}

/// What the channels of a namespace are and allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChannelOptions {
    /// Subscribers are listed, for the presence calls; with `log = "redis"` those of all nodes.
    pub presence: bool,
    /// Coming and going of subscribers is announced to those that ask for it.
    pub join_leave: bool,
    /// Coming and going is announced to every subscriber.
    pub force_push_join_leave: bool,
    /// Publications kept per channel; 0 keeps none.
    pub history_size: u32,
    /// How long publications are kept; 0 keeps none.
    pub history_ttl: Duration,
    /// How long epoch and offset outlive the last use; 0 takes `channel.history_meta_ttl`.
    pub history_meta_ttl: Duration,
    /// Where publications are kept: in `memory`, or on `disk`, too, which needs `store.path`, or in the `redis` that several
    /// nodes share, which needs `cluster.redis.addresses`. Only a restart changes it. With `redis` the channels are the same on
    /// all nodes, those without history, too.
    /// All that is on disk is in memory, too: what `history_size`, `history_ttl` or `channel.history_memory` lets go is gone
    /// from both.
    pub log: Log,
    /// When a publish is answered: once it is in `memory`, on `disk`, or where `log` keeps it. With `kafka`, which needs
    /// `log = "redis"` and `cluster.kafka.brokers`, once all replicas in step of the topic `cluster.kafka.topics.publish` have it,
    /// and without an offset: one of the nodes moves it from there into the channel's order. A message with a key or an id that was
    /// published before is answered like any other, and dropped on its way. `delay` is refused there. Only a restart changes it
    /// from or to `kafka`.
    pub acknowledge: Acknowledge,
    /// Every subscription watches for gaps.
    pub force_positioning: bool,
    /// Clients may ask for gaps to be watched for.
    pub allow_positioning: bool,
    /// Every subscription recovers what it missed while it was away.
    pub force_recovery: bool,
    /// Clients may ask for recovery.
    pub allow_recovery: bool,
    /// How clients recover: everything (`stream`) or the latest publication (`cache`).
    pub force_recovery_mode: ForceRecoveryMode,
    /// What is promised of publications: they go to whoever is subscribed (`at_most_once`), or to every device of every member
    /// until it says that it has received them (`at_least_once`), which needs history. Who that is and how far each is lies where
    /// `log` says.
    pub delivery: Delivery,
    /// At least once: a user becomes a member of a channel by subscribing to it. Users whom a channel's name lists
    /// (`name#7,8`) are always members.
    pub members_by_subscribing: bool,
    /// At least once: how long a device may take to say that it has received what it was sent; then it is sent again.
    pub ack_timeout: Duration,
    /// At least once: so often a publication is sent to a device before it is given up and becomes a dead letter.
    pub max_attempts: u16,
    /// At least once: so many publications a device is sent before it has said that it has received the first of them. Clients say so
    /// twice a second, or where half of this has come: twice as many as come in half a second are enough.
    pub max_unacked: u32,
    /// At least once: each attempt is waited for so many times as long as the one before.
    pub retry_backoff_factor: u32,
    /// At least once: no attempt is waited for longer, but for a random quarter more.
    pub retry_backoff_max: Duration,
    /// At least once: a device of a member that was not connected for longer is forgotten. One that returns after that is told
    /// that it may have missed something.
    pub device_ttl: Duration,
    /// At least once: the devices that a member has at most. Beyond, that which was away longest is forgotten.
    pub devices_max: u32,
    /// At least once: a member of whom no device has said within so long that it has received a publication, and who has not read it
    /// either, is told of by an event `push.offline` (docs/EVENTS.md), for a push; 0 for never. Needs `cluster.kafka`.
    pub push_after: Duration,
    /// At least once: only devices of these kinds count for `push_after`, as tokens name them (`device_kind`); empty for any.
    pub push_device_kinds: Vec<String>,
    /// The channels tell whether users are online: `name:42` is told within a second of each subscription, and whenever it
    /// changes, whether user `42` has a session, on any node. With `log = "memory"`, in a namespace.
    pub users_status: bool,
    /// Clients may subscribe without a subscription token.
    pub allow_subscribe_for_client: bool,
    /// Anonymous clients may too.
    pub allow_subscribe_for_anonymous: bool,
    /// Clients may publish.
    pub allow_publish_for_client: bool,
    /// Clients may publish where they are subscribed.
    pub allow_publish_for_subscriber: bool,
    /// Anonymous clients may publish too, where clients or subscribers may.
    pub allow_publish_for_anonymous: bool,
    /// What a client publishes comes to itself, too, where it is subscribed. With `false` the connection that published does
    /// not get it as a push; the user's other connections do, and who recovers or reads history is given all.
    pub echo: bool,
    /// A client that subscribes may name a filter over the tags of publications (`tf`): it gets those that pass, live and when
    /// it recovers. At least once: what the filter keeps out counts as received.
    pub allow_tags_filter: bool,
    /// Clients may read history.
    pub allow_history_for_client: bool,
    /// Clients may read history where they are subscribed.
    pub allow_history_for_subscriber: bool,
    /// Anonymous clients may read history too, where clients or subscribers may.
    pub allow_history_for_anonymous: bool,
    /// Clients may ask who is present.
    pub allow_presence_for_client: bool,
    /// Clients may ask who is present where they are subscribed.
    pub allow_presence_for_subscriber: bool,
    /// Anonymous clients may ask who is present too, where clients or subscribers may.
    pub allow_presence_for_anonymous: bool,
    /// A name may list the users who may subscribe: `name#7,8`. Without this nobody may, but with a token.
    pub allow_user_limited_channels: bool,
    /// What the name after the namespace must match where a client gives it, a regular expression; empty
    /// matches every name in ASCII.
    pub channel_regex: String,
    /// What happens to a subscriber that reads too slowly: `disconnect` or `conflate`.
    pub slow_consumer: SlowConsumer,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            history_size: 0,
            history_ttl: Duration::default(),
            history_meta_ttl: Duration::default(),
            log: Log::default(),
            acknowledge: Acknowledge::default(),
            force_positioning: false,
            allow_positioning: false,
            force_recovery: false,
            allow_recovery: false,
            force_recovery_mode: ForceRecoveryMode::default(),
            delivery: Delivery::default(),
            members_by_subscribing: false,
            ack_timeout: Duration::from_secs(30),
            max_attempts: 10,
            max_unacked: 64,
            retry_backoff_factor: 2,
            retry_backoff_max: Duration::from_secs(600),
            device_ttl: Duration::from_secs(30 * 86_400),
            devices_max: 8,
            push_after: Duration::default(),
            push_device_kinds: Vec::new(),
            users_status: false,
            allow_subscribe_for_client: false,
            allow_subscribe_for_anonymous: false,
            allow_publish_for_client: false,
            allow_publish_for_subscriber: false,
            allow_publish_for_anonymous: false,
            echo: true,
            allow_tags_filter: false,
            allow_history_for_client: false,
            allow_history_for_subscriber: false,
            allow_history_for_anonymous: false,
            allow_presence_for_client: false,
            allow_presence_for_subscriber: false,
            allow_presence_for_anonymous: false,
            allow_user_limited_channels: false,
            channel_regex: String::new(),
            slow_consumer: SlowConsumer::default(),
        }
    }
}
