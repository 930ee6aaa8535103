//! What the control plane asks of a shard, and how the shard answers.
//!
//! Orders travel through a bounded `flume` channel per shard; each carries the one-shot sender of its
//! answer. A channel's orders go to its home shard, a user's to every shard.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::auth::grant::Grant;
use crate::auth::{ConnectionClaims, SubscriptionClaims, TokenError, Verifier};
use crate::config::Config;
use crate::protocol::codes::{Disconnect, Error, Unsubscribe};
use crate::protocol::word::{
    ClientId, ClientInfo, Expiry, HistoryFilter, HistoryPage, Payload, Position, PresenceStats, Recover, Tags,
};

/// Where an answer goes. A receiver that has gone is no error.
pub type Answer<T> = oneshot::Sender<T>;

/// One request to a shard.
#[derive(Debug)]
pub enum Order {
    /// To the channel's home shard.
    Publish(Box<Publish>, Answer<Result<Position, Error>>),
    /// To the channel's home shard.
    Presence { channel: Arc<str>, answer: Answer<Result<Vec<Arc<ClientInfo>>, Error>> },
    /// To the channel's home shard.
    PresenceStats { channel: Arc<str>, answer: Answer<Result<PresenceStats, Error>> },
    /// To the channel's home shard.
    History { channel: Arc<str>, filter: HistoryFilter, answer: Answer<Result<HistoryPage, Error>> },
    /// To the channel's home shard.
    HistoryRemove { channel: Arc<str>, answer: Answer<Result<(), Error>> },
    /// To every shard: its channels with subscribers and their number, names matched by `pattern`
    /// (`*` stands for any characters; empty matches all).
    Channels { pattern: Arc<str>, answer: Answer<Result<Vec<(Arc<str>, u32)>, Error>> },
    /// To every shard: the user's sessions get the subscription.
    Subscribe(Arc<Subscribe>, Answer<Result<(), Error>>),
    /// To every shard.
    Unsubscribe { who: Arc<Who>, channel: Arc<str>, reason: Unsubscribe, answer: Answer<Result<(), Error>> },
    /// To every shard.
    Disconnect { who: Arc<Who>, whitelist: Arc<[ClientId]>, reason: Disconnect, answer: Answer<Result<(), Error>> },
    /// To every shard: a new expiry for the user's sessions.
    Refresh { who: Arc<Who>, expired: bool, expire_at_unix_s: Option<i64>, answer: Answer<Result<(), Error>> },
    /// To every shard: the user's sessions.
    Sessions { user: Arc<str>, answer: Answer<Result<Vec<SessionInfo>, Error>> },
    /// To one shard: counts for `info`.
    Info { answer: Answer<ShardInfo> },
    /// To every shard: what tokens are checked with from now on.
    Verifier(Arc<Verifier>),
    /// To every shard: the configuration was read again.
    Reload(Arc<Config>),
    /// To every shard: stop accepting, tell clients to reconnect over this time, flush, end.
    Drain(Duration),
    /// To the shard that asked with [`Errand::Verify`].
    Verified(Verified),
}

/// Fields of a publish order.
#[derive(Debug)]
pub struct Publish {
    /// The channel.
    pub channel: Arc<str>,
    /// The message.
    pub data: Payload,
    /// Application tags.
    pub tags: Option<Tags>,
    /// Do not keep it in the channel's history.
    pub skip_history: bool,
    /// Publishing again with the same key within the window gives the first result and no message.
    pub idempotency_key: Option<Box<str>>,
    /// The session that does not get the message (the sender, on whose behalf a backend publishes).
    pub exclude_client: Option<ClientId>,
}

/// Whom an order is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The user; every session of theirs, unless `client` narrows it.
    pub user: Box<str>,
    /// Only this session.
    pub client: Option<ClientId>,
}

/// Fields of a subscribe order.
#[derive(Debug)]
pub struct Subscribe {
    /// Whose sessions.
    pub who: Who,
    /// The channel.
    pub channel: Arc<str>,
    /// On which terms.
    pub grant: Grant,
    /// Recover from here at once.
    pub recover: Option<Recover>,
}

/// One session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its identity.
    pub client: ClientId,
    /// The device: header or claim `device`, else the SDK's name.
    pub device: Box<str>,
    /// Which shard serves it.
    pub shard: u16,
    /// When it connected, Unix milliseconds.
    pub connected_unix_ms: i64,
    /// Its expiry.
    pub expiry: Expiry,
    /// Its channels.
    pub channels: Vec<Arc<str>>,
}

/// Counts of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardInfo {
    /// Sessions that are connected.
    pub num_clients: u32,
    /// Distinct users among them (on this shard).
    pub num_users: u32,
    /// Subscriptions.
    pub num_subs: u32,
    /// Channels at home here with at least one subscriber on any shard.
    pub num_channels: u32,
}

/// What a shard asks of the control plane.
#[derive(Debug)]
pub enum Errand {
    /// A conn whose first request is no upgrade: serve it.
    Http {
        /// The socket, non-blocking, with nothing in flight.
        socket: std::os::fd::OwnedFd,
        /// What was read already.
        read: bytes::Bytes,
    },
    /// A token whose key is not known: fetch the key set anew (rate limited), check, answer with
    /// [`Order::Verified`].
    Verify {
        /// The shard that asks.
        shard: u16,
        /// Opaque: given back in the answer.
        ticket: u64,
        /// The token.
        token: Box<str>,
        /// For a connection or a subscription.
        kind: TokenKind,
    },
    /// The shard has ended after a drain.
    Ended {
        /// Which.
        shard: u16,
    },
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A connection.
    Connection,
    /// A subscription.
    Subscription,
}

/// The answer to [`Errand::Verify`].
#[derive(Debug)]
pub enum Verified {
    /// A connection token.
    Connection { ticket: u64, result: Result<Box<ConnectionClaims>, TokenError> },
    /// A subscription token.
    Subscription { ticket: u64, result: Result<Box<SubscriptionClaims>, TokenError> },
}
