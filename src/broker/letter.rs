//! What shards write to each other.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use crate::model::refusal::Error;
use crate::model::{
    ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, PayloadKind, PayloadRef, PresenceStats, Publication,
    Subscribed,
};
use crate::session::Terms;

/// Which command of which session a question belongs to. The shard is the one that the letter came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The session's place in its shard's slab.
    pub session: u32,
    /// Told apart from an earlier session in the same place.
    pub generation: u32,
    /// The command's id; 0 where no reply is due.
    pub id: u32,
}

/// A channel's name and a message for it in one piece of memory: what one shard allocates and another frees is dear.
#[derive(Debug)]
pub struct Envelope {
    name_bytes: u32,
    /// The name, then the data.
    bytes: Bytes,
    kind: PayloadKind,
}

impl Envelope {
    /// Copies both. One allocation.
    pub fn new(channel: &str, data: &PayloadRef<'_>) -> Self {
        let mut bytes = Vec::with_capacity(channel.len() + data.bytes.len());
        bytes.extend_from_slice(channel.as_bytes());
        bytes.extend_from_slice(&data.bytes);
        Self { name_bytes: channel.len() as u32, bytes: bytes.into(), kind: data.kind }
    }

    /// Appends the channel's name to `name`, and leaves the message.
    pub fn open(self, name: &mut String) -> Payload {
        let Self { name_bytes, mut bytes, kind } = self;
        name.push_str(str::from_utf8(&bytes[..name_bytes as usize]).expect("the name was text"));
        bytes.advance(name_bytes as usize);
        Payload { bytes, kind }
    }
}

/// One message from shard to shard. Letters of one pair of shards arrive in the order of sending.
#[derive(Debug)]
pub enum Letter {
    /// To the home shard: put this in order.
    Publish {
        /// The channel and the message.
        envelope: Envelope,
        /// Who publishes.
        info: Arc<ClientInfo>,
    },
    /// To the shard that asked: the next of its publishes, as many, are in their places.
    Published {
        /// How many.
        count: u32,
    },
    /// To the shard that asked: the next of its publishes is refused.
    Refused {
        /// Why.
        error: Error,
    },
    /// To the home shard: begin a subscription.
    Subscribe {
        /// Who asks.
        asker: Asker,
        /// The channel.
        channel: Arc<str>,
        /// On which terms.
        terms: Box<Terms>,
    },
    /// To the home shard: a subscription has ended.
    Leave {
        /// The channel.
        channel: Arc<str>,
        /// Whose.
        client: ClientId,
    },
    /// To the home shard: a subscriber is seen with other information from now on.
    Appear {
        /// The channel.
        channel: Arc<str>,
        /// How it is seen there.
        info: Arc<ClientInfo>,
    },
    /// To the home shard: read history.
    History {
        /// Who asks.
        asker: Asker,
        /// The channel.
        channel: Arc<str>,
        /// Which part, and no more than this.
        filter: Box<(HistoryFilter, usize)>,
    },
    /// To the home shard: who is there?
    Presence {
        /// Who asks.
        asker: Asker,
        /// The channel.
        channel: Arc<str>,
    },
    /// To the home shard: how many are there?
    PresenceStats {
        /// Who asks.
        asker: Asker,
        /// The channel.
        channel: Arc<str>,
    },
    /// To the user's home shard: may one more session of the user begin?
    Enrol {
        /// Who asks.
        asker: Asker,
        /// The user.
        user: Arc<str>,
        /// How many sessions the user may have.
        limit: u32,
    },
    /// To the user's home shard: a session that was enrolled has ended.
    Discharge {
        /// The user.
        user: Arc<str>,
    },
    /// To the shard that asked.
    Answer {
        /// Who asked.
        asker: Asker,
        /// What the home shard says.
        answer: Answer,
    },
    /// To every shard with subscribers: a publication in its place.
    Publication {
        /// The channel.
        channel: Arc<str>,
        /// The message.
        publication: Arc<Publication>,
        /// The session that does not get it.
        exclude: Option<ClientId>,
    },
    /// To every shard with subscribers: somebody came or left.
    Announce {
        /// The channel.
        channel: Arc<str>,
        /// Who.
        info: Arc<ClientInfo>,
        /// Came, or left.
        joined: bool,
    },
}

/// What a home shard says.
#[derive(Debug)]
pub enum Answer {
    /// To publish.
    Published(Result<(), Error>),
    /// To subscribe.
    Subscribed {
        /// The channel.
        channel: Arc<str>,
        /// Whose subscription.
        client: ClientId,
        /// How it began.
        result: Box<Result<Subscribed, Error>>,
    },
    /// To history.
    History(Result<Box<HistoryPage>, Error>),
    /// To presence.
    Presence(Vec<Arc<ClientInfo>>),
    /// To presence_stats.
    PresenceStats(PresenceStats),
    /// To enrol.
    Enrolled {
        /// The user.
        user: Arc<str>,
        /// Whether the session may begin.
        admitted: bool,
    },
}
