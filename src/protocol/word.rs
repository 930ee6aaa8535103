//! The vocabulary: what clients ask, what the node answers, what it pushes.
//!
//! A *word* belongs to no protocol. Adapters (`protocol::centrifuge`, others beside it) turn frames into
//! [`Command`]s and write [`Reply`]s and [`Push`]es; session, hub and outbox know only what is here.
//!
//! Commands borrow from the receive buffer. What outlives the tick (publications, client information) is
//! owned and shared by reference count.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::refusal::{Disconnect, Error, Unsubscribe};
use crate::model::{
    ClientId, ClientInfo, Expiry, HistoryFilter, HistoryPage, Payload, PayloadRef, PresenceStats, Publication, Recover,
    Subscribed,
};

// ---------------------------------------------------------------- client → node

/// One request of a client.
#[derive(Debug, PartialEq)]
pub struct Command<'a> {
    /// Chosen by the client and echoed in the reply; 0 where none is expected.
    pub id: u32,
    /// What is asked.
    pub verb: Verb<'a>,
}

/// What a client can ask.
#[derive(Debug, PartialEq)]
pub enum Verb<'a> {
    /// Authenticate; the first command of every connection.
    Connect(Box<Connect<'a>>),
    /// Join a channel.
    Subscribe(Box<Subscribe<'a>>),
    /// Leave a channel.
    Unsubscribe {
        /// The channel.
        channel: Cow<'a, str>,
    },
    /// Put a message into a channel.
    Publish {
        /// The channel.
        channel: Cow<'a, str>,
        /// The message.
        data: PayloadRef<'a>,
    },
    /// Who is in a channel.
    Presence {
        /// The channel.
        channel: Cow<'a, str>,
    },
    /// How many are in a channel.
    PresenceStats {
        /// The channel.
        channel: Cow<'a, str>,
    },
    /// Read past publications.
    History(History<'a>),
    /// Answer me.
    Ping,
    /// The answer to the node's ping (a command without id and request).
    Pong,
    /// A message to the application without an answer.
    Send {
        /// The message.
        data: PayloadRef<'a>,
    },
    /// A call to the application.
    Rpc {
        /// The method, may be empty.
        method: Cow<'a, str>,
        /// Its argument.
        data: PayloadRef<'a>,
    },
    /// A new connection token.
    Refresh {
        /// The token.
        token: Cow<'a, str>,
    },
    /// A new subscription token.
    SubRefresh {
        /// The channel.
        channel: Cow<'a, str>,
        /// The token.
        token: Cow<'a, str>,
    },
    /// A command that counts on something of its protocol that this node does not have: what, for a person.
    Unavailable(&'static str),
    /// A command that carries none of the known requests.
    Unknown,
}

/// Fields of a connect command.
#[derive(Debug, Default, PartialEq)]
pub struct Connect<'a> {
    /// JWT, or empty.
    pub token: Cow<'a, str>,
    /// Application data for a connect proxy.
    pub data: Option<PayloadRef<'a>>,
    /// Where the client stood in its server-side subscriptions: channel → position.
    pub subs: Vec<(Cow<'a, str>, Recover)>,
    /// Name of the SDK or application.
    pub name: Cow<'a, str>,
    /// Version of the SDK or application.
    pub version: Cow<'a, str>,
    /// Headers that the SDK emulates where it cannot set real ones.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Fields of a subscribe command.
#[derive(Debug, Default, PartialEq)]
pub struct Subscribe<'a> {
    /// The channel.
    pub channel: Cow<'a, str>,
    /// Subscription JWT, or empty.
    pub token: Cow<'a, str>,
    /// Application data for a subscribe proxy.
    pub data: Option<PayloadRef<'a>>,
    /// What to recover.
    pub recover: Recover,
    /// Ask for gap detection.
    pub positioned: bool,
    /// Ask for recovery later.
    pub recoverable: bool,
    /// Ask for join and leave pushes.
    pub join_leave: bool,
    /// Refuse with 112 what cannot be recovered whole: the client has its own way to catch up.
    pub whole: bool,
}

/// Fields of a history command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History<'a> {
    /// The channel.
    pub channel: Cow<'a, str>,
    /// What part.
    pub filter: HistoryFilter,
}

// ---------------------------------------------------------------- node → client

/// The answer to one command.
#[derive(Debug, PartialEq)]
pub struct Reply<'a> {
    /// The command's id.
    pub id: u32,
    /// The answer.
    pub body: ReplyBody<'a>,
}

/// What a command is answered with.
#[derive(Debug, PartialEq)]
pub enum ReplyBody<'a> {
    /// It was refused.
    Error(Error),
    /// To connect.
    Connect(&'a Connected),
    /// To subscribe.
    Subscribe(&'a Subscribed),
    /// To unsubscribe.
    Unsubscribe,
    /// To publish.
    Publish,
    /// To presence.
    Presence(&'a [Arc<ClientInfo>]),
    /// To presence_stats.
    PresenceStats(PresenceStats),
    /// To history.
    History(&'a HistoryPage),
    /// To ping.
    Ping,
    /// To rpc.
    Rpc(&'a Payload),
    /// To refresh.
    Refresh(&'a Refreshed),
    /// To sub_refresh.
    SubRefresh(Expiry),
}

/// A session's welcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connected {
    /// The session's identity.
    pub client: ClientId,
    /// The node's version.
    pub version: &'static str,
    /// When the token expires.
    pub expiry: Expiry,
    /// Application data.
    pub data: Option<Payload>,
    /// Server-side subscriptions.
    pub subs: Vec<(Arc<str>, Subscribed)>,
    /// How often the node pings, seconds; 0 never.
    pub ping_s: u32,
    /// Whether the node expects an answer to its pings.
    pub pong: bool,
    /// Name of the node and shard that serve the session.
    pub node: Arc<str>,
    /// The node's clock, Unix milliseconds; 0 when it is not told.
    pub time_unix_ms: i64,
}

/// The answer to a new connection token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refreshed {
    /// The session.
    pub client: ClientId,
    /// The node's version.
    pub version: &'static str,
    /// When the new token expires.
    pub expiry: Expiry,
}

/// What the node sends unasked.
#[derive(Debug, PartialEq)]
pub enum Push<'a> {
    /// The node's ping.
    Ping,
    /// A message in a channel.
    Publication {
        /// The channel.
        channel: &'a str,
        /// The message.
        publication: &'a Publication,
    },
    /// Somebody came.
    Join {
        /// The channel.
        channel: &'a str,
        /// Who.
        info: &'a ClientInfo,
    },
    /// Somebody left.
    Leave {
        /// The channel.
        channel: &'a str,
        /// Who.
        info: &'a ClientInfo,
    },
    /// The node ended a subscription.
    Unsubscribe {
        /// The channel.
        channel: &'a str,
        /// Why.
        reason: Unsubscribe,
    },
    /// A message to this session only.
    Message {
        /// The message.
        data: &'a Payload,
    },
    /// The node began a subscription.
    Subscribe {
        /// The channel.
        channel: &'a str,
        /// How it began; publications are not part of the push.
        subscribed: &'a Subscribed,
    },
    /// The node is about to close the connection (transports without close codes of their own).
    Disconnect(&'a Disconnect),
    /// The node changed when the session expires.
    Refresh(Expiry),
}
