//! What a client hears from the node, spelled as the protocol spells it (`client.proto`).

use std::borrow::Cow;

use serde::Deserialize;

use super::borrowed::{opaque, pairs, text};
use crate::model::{Expiry, PresenceStats};
use crate::protocol::centrifuge::codes::{CodedDisconnect, CodedError, CodedUnsubscribe};

/// A reply or a push.
#[derive(Debug, PartialEq)]
pub enum FromNode<'a> {
    /// The node's ping: answer it with [`Verb::Pong`](crate::protocol::word::Verb::Pong) if the connect reply
    /// said so.
    Ping,
    /// The answer to a command.
    Reply {
        /// The command's id.
        id: u32,
        /// Of the kind of the command, or an error.
        answer: Answer<'a>,
    },
    /// Something came that no command asked for.
    Push {
        /// The channel; empty where the push is the session's.
        channel: Cow<'a, str>,
        /// What has happened.
        push: Pushed<'a>,
    },
}

/// The answer to a command.
#[derive(Debug, PartialEq)]
pub enum Answer<'a> {
    /// The command was refused.
    Error(CodedError<'a>),
    /// The session has begun.
    Connect(Box<Connected<'a>>),
    /// The subscription has begun, with what was missed.
    Subscribe(Box<Subscribed<'a>>),
    /// The subscription is over.
    Unsubscribe,
    /// The publication is in its place.
    Publish,
    /// All clients in the channel, by client id.
    Presence(Vec<(Cow<'a, str>, ClientInfo<'a>)>),
    /// How many are in the channel.
    PresenceStats(PresenceStats),
    /// A page, and where the stream stands.
    History(HistoryPage<'a>),
    /// The node is there.
    Ping,
    /// What the method says.
    Rpc(&'a [u8]),
    /// The new connection token is taken.
    Refresh(Refreshed<'a>),
    /// The new subscription token is taken.
    SubRefresh(Expiry),
}

/// What comes unasked.
#[derive(Debug, PartialEq)]
pub enum Pushed<'a> {
    /// A message in a channel.
    Publication(Publication<'a>),
    /// A client has subscribed.
    Join(ClientInfo<'a>),
    /// A client's subscription has ended.
    Leave(ClientInfo<'a>),
    /// The node ended a subscription.
    Unsubscribe(CodedUnsubscribe<'a>),
    /// A message to this session.
    Message(&'a [u8]),
    /// The node began a subscription.
    Subscribe(Box<Subscribed<'a>>),
    /// The node is about to close the connection.
    Disconnect(CodedDisconnect<'a>),
    /// The node changed when the session expires.
    Refresh(Expiry),
}

/// One message in a channel.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Publication<'a> {
    /// What the application sent; in JSON the raw value.
    #[serde(borrow, deserialize_with = "opaque")]
    pub data: &'a [u8],
    /// Who published, if a client did.
    #[serde(borrow)]
    pub info: Option<ClientInfo<'a>>,
    /// Its place in the channel, 0 without history.
    pub offset: u64,
    /// Names and values that a backend added.
    #[serde(borrow, deserialize_with = "pairs")]
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Unix milliseconds, 0 when it is not told.
    #[serde(rename = "time")]
    pub time_unix_ms: i64,
}

/// Who did something.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct ClientInfo<'a> {
    /// The user, empty when anonymous.
    #[serde(borrow, deserialize_with = "text")]
    pub user: Cow<'a, str>,
    /// Client id: one per session.
    #[serde(borrow, deserialize_with = "text")]
    pub client: Cow<'a, str>,
    /// Of the connection token; empty when there is none.
    #[serde(borrow, deserialize_with = "opaque")]
    pub conn_info: &'a [u8],
    /// Of the subscription; empty when there is none.
    #[serde(borrow, deserialize_with = "opaque")]
    pub chan_info: &'a [u8],
}

/// The answer to connect.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Connected<'a> {
    /// The session's identity.
    #[serde(borrow, deserialize_with = "text")]
    pub client: Cow<'a, str>,
    /// The node's version.
    #[serde(borrow, deserialize_with = "text")]
    pub version: Cow<'a, str>,
    /// Whether the session expires.
    pub expires: bool,
    /// In how many seconds.
    #[serde(rename = "ttl")]
    pub ttl_s: u32,
    /// Application data; empty when there is none.
    #[serde(borrow, deserialize_with = "opaque")]
    pub data: &'a [u8],
    /// Server-side subscriptions by channel.
    #[serde(borrow, deserialize_with = "pairs")]
    pub subs: Vec<(Cow<'a, str>, Subscribed<'a>)>,
    /// How often the node pings, seconds; 0 never.
    #[serde(rename = "ping")]
    pub ping_s: u32,
    /// Whether the node expects an answer to its pings.
    pub pong: bool,
    /// Name of the node.
    #[serde(borrow, deserialize_with = "text")]
    pub node: Cow<'a, str>,
    /// The node's clock, Unix milliseconds; 0 when it is not told.
    #[serde(rename = "time")]
    pub time_unix_ms: i64,
}

/// How a subscription began.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Subscribed<'a> {
    /// Whether the subscription expires.
    pub expires: bool,
    /// In how many seconds.
    #[serde(rename = "ttl")]
    pub ttl_s: u32,
    /// Whether the client may recover later.
    pub recoverable: bool,
    /// Which life of the channel the offset belongs to.
    #[serde(borrow, deserialize_with = "text")]
    pub epoch: Cow<'a, str>,
    /// What was missed, oldest first.
    #[serde(borrow)]
    pub publications: Vec<Publication<'a>>,
    /// All that was missed is in `publications`.
    pub recovered: bool,
    /// Where the stream stands.
    pub offset: u64,
    /// Whether gaps are watched for.
    pub positioned: bool,
    /// Application data; empty when there is none.
    #[serde(borrow, deserialize_with = "opaque")]
    pub data: &'a [u8],
    /// The client asked for recovery.
    pub was_recovering: bool,
}

/// The answer to history.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct HistoryPage<'a> {
    /// In the order asked for.
    #[serde(borrow)]
    pub publications: Vec<Publication<'a>>,
    /// Which life of the channel the offset belongs to.
    #[serde(borrow, deserialize_with = "text")]
    pub epoch: Cow<'a, str>,
    /// Where the stream stands.
    pub offset: u64,
}

/// The answer to refresh.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Refreshed<'a> {
    /// Client id: one per session.
    #[serde(borrow, deserialize_with = "text")]
    pub client: Cow<'a, str>,
    /// The node's version.
    #[serde(borrow, deserialize_with = "text")]
    pub version: Cow<'a, str>,
    /// Whether the session expires.
    pub expires: bool,
    /// In how many seconds.
    #[serde(rename = "ttl")]
    pub ttl_s: u32,
}
