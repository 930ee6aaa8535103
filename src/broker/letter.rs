//! What shards write to each other.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::lane::Lane;
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

    /// How long both are.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the channel's name to `name`, and leaves the message.
    pub fn open(self, name: &mut String) -> Payload {
        let Self { name_bytes, mut bytes, kind } = self;
        name.push_str(str::from_utf8(&bytes[..name_bytes as usize]).expect("the name was text"));
        bytes.advance(name_bytes as usize);
        Payload { bytes, kind }
    }
}

/// To which level a publish is kept when it is acknowledged. Receipts are counted by level, so that one never waits behind
/// another of a slower level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is in the memory of its channel's home.
    Memory,
}

impl Level {
    /// How many there are.
    pub const COUNT: usize = 1;
}

/// One message from shard to shard. Letters of one lane of one pair of shards arrive in the order of sending.
#[derive(Debug)]
pub enum Letter {
    /// To the home shard: put this in order.
    Publish {
        /// The channel and the message.
        envelope: Envelope,
        /// Who publishes.
        info: Arc<ClientInfo>,
    },
    /// To the shard that asked: the next of its publishes, as many, are in their places, and are on their way.
    Published {
        /// To which level they are kept.
        level: Level,
        /// How many.
        count: u32,
    },
    /// To the shard that asked: the next of its publishes is refused.
    Refused {
        /// To which level it was to be kept.
        level: Level,
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
    Presence(Result<Vec<Arc<ClientInfo>>, Error>),
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

impl Letter {
    /// Which way it goes.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Publish { .. }
            | Self::Subscribe { .. }
            | Self::History { .. }
            | Self::Presence { .. }
            | Self::PresenceStats { .. }
            | Self::Enrol { .. } => Lane::Asks,
            // It must not overtake the subscribe that it is about.
            Self::Appear { .. } => Lane::Asks,
            Self::Publication { .. } | Self::Announce { .. } => Lane::Deliveries,
            // It says which publications follow it.
            Self::Answer { answer: Answer::Subscribed { .. }, .. } => Lane::Deliveries,
            Self::Answer { .. } | Self::Published { .. } | Self::Refused { .. } => Lane::Answers,
            Self::Leave { .. } | Self::Discharge { .. } => Lane::Answers,
        }
    }

    /// What it keeps in memory until it is read, bytes: itself, and what applications have sent. Names and identities are
    /// shared with channels and sessions.
    pub fn bytes(&self) -> usize {
        let more = match self {
            Self::Publish { envelope, .. } => envelope.bytes(),
            Self::Publication { publication, .. } => publication.bytes(),
            Self::Subscribe { .. } => size_of::<Terms>(),
            Self::History { .. } => size_of::<(HistoryFilter, usize)>(),
            Self::Answer { answer, .. } => answer.bytes(),
            _ => 0,
        };
        size_of::<Self>() + more
    }
}

impl Answer {
    fn bytes(&self) -> usize {
        let bytes_of = |publications: &[Arc<Publication>]| publications.iter().map(|one| one.bytes()).sum();
        match self {
            Self::Subscribed { result, .. } => match &**result {
                Ok(subscribed) => size_of::<Subscribed>() + bytes_of(&subscribed.publications),
                Err(_) => size_of::<Subscribed>(),
            },
            Self::History(Ok(page)) => bytes_of(&page.publications),
            Self::Presence(Ok(clients)) => size_of_val(&clients[..]),
            _ => 0,
        }
    }
}
