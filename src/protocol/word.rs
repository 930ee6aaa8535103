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
    BadFilter, ClientId, ClientInfo, Expiry, HistoryFilter, HistoryPage, Payload, PayloadRef, PresenceStats,
    Publication, Recover, Subscribed, TagsFilter,
};

// ---------------------------------------------------------------- client → node

/// One request of a client.
#[derive(Debug, PartialEq)]
pub struct Command<'a> {
    /// Chosen by the client and echoed in the reply; 0 where none is expected.
    pub id: u32,
    /// What it asks, or tells the node.
    pub verb: Verb<'a>,
}

/// What a client can ask.
#[derive(Debug, PartialEq)]
pub enum Verb<'a> {
    /// Authenticate; the first command of every connection.
    Connect(Box<Connect<'a>>),
    /// Begin a subscription, with what was missed where that is asked for.
    Subscribe(Box<Subscribe<'a>>),
    /// End a subscription; where there is none, that is no error.
    Unsubscribe {
        /// In which the client may be subscribed, or not.
        channel: Cow<'a, str>,
    },
    /// Put a message into a channel.
    Publish {
        /// Where to, as the client spelled it: permissions are looked up by it.
        channel: Cow<'a, str>,
        /// JSON or bytes, by the format of the conn.
        data: PayloadRef<'a>,
    },
    /// Who is in a channel.
    Presence {
        /// Whose presence is asked for.
        channel: Cow<'a, str>,
    },
    /// How many are in a channel.
    PresenceStats {
        /// Whose subscribers are counted.
        channel: Cow<'a, str>,
    },
    /// Read what the channel keeps, or where its stream stands.
    History(History<'a>),
    /// The client looks whether the node is there.
    Ping,
    /// The answer to the node's ping (a command without id and request).
    Pong,
    /// A message to the application without an answer.
    Send {
        /// What no application takes yet.
        data: PayloadRef<'a>,
    },
    /// A call to the application.
    Rpc {
        /// The method, may be empty.
        method: Cow<'a, str>,
        /// What the method gets.
        data: PayloadRef<'a>,
    },
    /// A new connection token.
    Refresh {
        /// A JWT like that of connect.
        token: Cow<'a, str>,
    },
    /// A new subscription token.
    SubRefresh {
        /// The subscription whose token it is.
        channel: Cow<'a, str>,
        /// A JWT like that of subscribe, for this channel and client.
        token: Cow<'a, str>,
    },
    /// A command that counts on something of its protocol that this node does not have: what, for a person.
    Unavailable(&'static str),
    /// A command that carries none of the known requests.
    Unknown,
}

impl Verb<'_> {
    /// The channel that the command is about, as the client spelled it.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Subscribe(subscribe) => Some(&subscribe.channel),
            Self::History(history) => Some(&history.channel),
            Self::Unsubscribe { channel }
            | Self::Publish { channel, .. }
            | Self::Presence { channel }
            | Self::PresenceStats { channel }
            | Self::SubRefresh { channel, .. } => Some(channel),
            _ => None,
        }
    }
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
    /// As the client spelled it: whether it may be is looked up by name.
    pub channel: Cow<'a, str>,
    /// Subscription JWT, or empty.
    pub token: Cow<'a, str>,
    /// Application data for a subscribe proxy.
    pub data: Option<PayloadRef<'a>>,
    /// From where to bring what was missed, if at all.
    pub recover: Recover,
    /// Ask for gap detection.
    pub positioned: bool,
    /// Ask for recovery later.
    pub recoverable: bool,
    /// Ask for join and leave pushes.
    pub join_leave: bool,
    /// Refuse what cannot be recovered whole: the client has its own way to catch up.
    pub whole: bool,
    /// Which publications it wants; `None` is all. Or what is wrong with what it asked for.
    pub filter: Option<Result<TagsFilter, BadFilter>>,
}

/// Fields of a history command.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History<'a> {
    /// One that keeps history, and that the session may read.
    pub channel: Cow<'a, str>,
    /// From where, how many, in which direction.
    pub filter: HistoryFilter,
}

// ---------------------------------------------------------------- node → client

/// The answer to one command.
#[derive(Debug, PartialEq)]
pub struct Reply<'a> {
    /// Of the command that is answered; never 0.
    pub id: u32,
    /// The result, or why there is none.
    pub body: ReplyBody<'a>,
}

/// What a command is answered with.
#[derive(Debug, PartialEq)]
pub enum ReplyBody<'a> {
    /// Nothing was done, and why.
    Error(Error),
    /// The session begins.
    Connect(&'a Connected),
    /// The subscription begins, with what was missed.
    Subscribe(&'a Subscribed),
    /// The subscription is over, if there was one.
    Unsubscribe,
    /// The publication is in its place.
    Publish,
    /// All sessions in the channel, never a part of them.
    Presence(&'a [Arc<ClientInfo>]),
    /// Any of these as [`Encoding::write_body`](super::centrifuge::Encoding::write_body) wrote it, in the reply's
    /// encoding.
    Encoded(&'a [u8]),
    /// How many sessions and users are in the channel.
    PresenceStats(PresenceStats),
    /// A page, and where the stream stands.
    History(&'a HistoryPage),
    /// The node is there.
    Ping,
    /// What the application's method says.
    Rpc(&'a Payload),
    /// The new connection token is taken.
    Refresh(&'a Refreshed),
    /// The new subscription token is taken.
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
    /// What a connect proxy adds; nothing sets it today.
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
    /// Which session it is that goes on.
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
        /// Where it was put in order.
        channel: &'a str,
        /// With its offset, where the channel keeps history.
        publication: &'a Publication,
    },
    /// A session has begun a subscription to the channel.
    Join {
        /// Where it came.
        channel: &'a str,
        /// Who came, as others see it.
        info: &'a ClientInfo,
    },
    /// A subscription of a session to the channel has ended.
    Leave {
        /// Where it left.
        channel: &'a str,
        /// Who left, as others saw it.
        info: &'a ClientInfo,
    },
    /// The node ended a subscription.
    Unsubscribe {
        /// The one that the client hears nothing more of.
        channel: &'a str,
        /// Decides whether the client subscribes again.
        reason: Unsubscribe,
    },
    /// A message to this session only.
    Message {
        /// Whatever a backend sends to one session.
        data: &'a Payload,
    },
    /// The node began a subscription.
    Subscribe {
        /// The one that the client need not have asked for.
        channel: &'a str,
        /// How it began; publications are not part of the push.
        subscribed: &'a Subscribed,
    },
    /// The node is about to close the connection (transports without close codes of their own).
    Disconnect(&'a Disconnect),
    /// The node changed when the session expires.
    Refresh(Expiry),
}
