//! What shards write to each other.

use std::sync::Arc;

use crate::protocol::codes::Error;
use crate::protocol::word::{
    ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, PresenceStats, Publication, Subscribed,
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

/// One message from shard to shard. Letters of one pair of shards arrive in the order of sending.
#[derive(Debug)]
pub enum Letter {
    /// To the home shard: put this in order.
    Publish {
        /// Who asks.
        asker: Asker,
        /// The channel.
        channel: Arc<str>,
        /// The message.
        data: Payload,
        /// Who publishes.
        info: Arc<ClientInfo>,
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
        result: Result<Box<Subscribed>, Error>,
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
