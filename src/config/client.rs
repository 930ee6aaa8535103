//! The `client` section: who may connect, and the bounds of one connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DevicesConfig, Duration};
use crate::auth::{TokenConfig, VerifierConfig};

/// Who may connect, and the bounds of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClientConfig {
    /// Web pages of these origins may connect: `https://app.example.com`, `https://*.example.com`, or `*` for
    /// all. A star stands for any characters. `file://*` are pages of local files, `null` pages that a browser
    /// gives no origin (sandboxed frames, local files): anybody can make such a page. Pages of the host that
    /// serves the connection always may; clients that are no browsers name no origin and are not asked for one.
    pub allowed_origins: Vec<String>,
    /// Nobody is asked for a token or a permission. For development only.
    pub insecure: bool,
    /// The signatures of tokens are not checked. For development only.
    pub insecure_skip_token_signature_verify: bool,
    /// Clients without a token may connect, as the user with the empty name.
    pub allow_anonymous_connect_without_token: bool,
    /// Tokens with an empty `sub` are refused.
    pub disallow_anonymous_connection_tokens: bool,
    /// How connection tokens are checked; subscription tokens too, unless they have keys of their own.
    pub token: TokenConfig,
    /// Keys of their own for subscription tokens. A node keeps one key set: `jwks_public_endpoint` is that of
    /// `client.token`, or empty.
    pub subscription_token: SubscriptionTokenConfig,
    /// How long a revocation of tokens holds (`tokens_revoke` of the API) where it does not say until when. At least as long
    /// as tokens are valid: one that outlives its revocation is taken again.
    pub revocation_ttl: Duration,
    /// How long a revocation may hold.
    pub revocation_ttl_max: Duration,
    /// Between two pings of the node; 0 sends none.
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping; 0 expects no answer.
    pub pong_timeout: Duration,
    /// Pings in a row without an answer that end the connection.
    pub pong_misses: u8,
    /// How long a connection may take to its connect command.
    pub stale_close_delay: Duration,
    /// Most channels of one session.
    pub channel_limit: usize,
    /// Longest frame or message from a client, bytes.
    pub message_size_limit: usize,
    /// Most bytes that wait for one client and that it has not asked for; past it the slow-consumer policy holds. A
    /// longer message is refused when it is published.
    pub queue_max_size: usize,
    /// How long a client's socket may take nothing of what waits for it; past it the client is slow, too. Who takes
    /// something, however little, is not.
    pub write_timeout: Duration,
    /// Most bytes of publications, or of clients, in one reply: a history page ends there, what cannot be recovered within
    /// it is not recovered, longer presence is refused. A client for which more of its answers waits is not read. Slow
    /// links need the default's two seconds (at 2 Mbit/s) within the five that SDKs wait for a reply.
    pub reply_max_size: usize,
    /// Most connections of one user on the node, or on all nodes that share a Redis; 0 sets no limit.
    pub user_connection_limit: u32,
    /// How many devices of a user stay connected when another one comes.
    pub devices: DevicesConfig,
    /// Most clients on the node; 0 sets no limit but that of descriptors, which holds in any case. Connections that are no
    /// clients yet share what clients leave.
    pub connection_limit: usize,
    /// Most new connections a second on the node; 0 sets no limit.
    pub connection_rate_limit: u32,
    /// Work that one connection may cause, in time of a shard per second, by a table of prices (docs/OPERATIONS.md, "What
    /// one client can cost"). Past it and `work_burst`, commands are refused with error 111; who goes on is disconnected
    /// with 3013. 0 sets no limit.
    pub work_limit: Duration,
    /// Work that one connection may cause at once, after a pause.
    pub work_burst: Duration,
    /// As `work_limit`, for all connections of one user on a shard together. Users without a name are not counted
    /// together.
    pub user_work_limit: Duration,
    /// As `work_burst`, for all connections of one user on a shard together.
    pub user_work_burst: Duration,
    /// How long after its expiry a connection waits for a new token.
    pub expired_close_delay: Duration,
    /// How long after its expiry a subscription waits for a new token.
    pub expired_sub_close_delay: Duration,
    /// Every user is subscribed to a channel of their own.
    pub subscribe_to_user_personal_channel: PersonalChannelConfig,
    /// Most publications of one history reply.
    pub history_max_publication_limit: usize,
    /// Most publications recovered for one subscription.
    pub recovery_max_publication_limit: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            insecure: false,
            insecure_skip_token_signature_verify: false,
            allow_anonymous_connect_without_token: false,
            disallow_anonymous_connection_tokens: false,
            token: TokenConfig::default(),
            subscription_token: SubscriptionTokenConfig::default(),
            revocation_ttl: Duration::from_secs(30 * 86_400),
            revocation_ttl_max: Duration::from_secs(366 * 86_400),
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(10),
            pong_misses: 3,
            stale_close_delay: Duration::from_secs(10),
            channel_limit: 128,
            message_size_limit: 64 * 1024,
            queue_max_size: 1024 * 1024,
            write_timeout: Duration::from_secs(30),
            reply_max_size: 512 * 1024,
            user_connection_limit: 0,
            devices: DevicesConfig::default(),
            connection_limit: 0,
            connection_rate_limit: 0,
            work_limit: Duration::from_millis(250),
            work_burst: Duration::from_secs(2),
            user_work_limit: Duration::from_millis(500),
            user_work_burst: Duration::from_secs(4),
            expired_close_delay: Duration::from_secs(25),
            expired_sub_close_delay: Duration::from_secs(25),
            subscribe_to_user_personal_channel: PersonalChannelConfig::default(),
            history_max_publication_limit: 300,
            recovery_max_publication_limit: 300,
        }
    }
}

impl ClientConfig {
    /// How subscription tokens are checked.
    pub fn subscription_tokens(&self) -> &TokenConfig {
        let own = &self.subscription_token;
        if own.enabled { &own.token } else { &self.token }
    }

    /// What tokens are checked with.
    pub fn tokens(&self) -> VerifierConfig<'_> {
        let own = &self.subscription_token;
        VerifierConfig {
            connection: &self.token,
            subscription: own.enabled.then_some(&own.token),
            skip_signature: self.insecure_skip_token_signature_verify,
        }
    }
}

/// Keys of their own for subscription tokens. A node keeps one key set: `jwks_public_endpoint` is that of
/// `client.token`, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubscriptionTokenConfig {
    /// Whether subscription tokens are checked with these keys instead of those of connection tokens.
    pub enabled: bool,
    /// How subscription tokens are checked.
    #[serde(flatten)]
    pub token: TokenConfig,
}

/// A channel for every user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PersonalChannelConfig {
    /// Whether users are subscribed to `#user` when they connect.
    pub enabled: bool,
    /// The namespace of the personal channels; empty is none.
    pub personal_channel_namespace: String,
}
