//! What the control plane asks of a shard, and how the shard answers.
//!
//! Orders travel through a bounded `flume` channel per shard; each carries the one-shot sender of its
//! answer. A channel's orders go to its home shard, a user's to every shard.

use core::net::IpAddr;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub use super::home::Following;
use super::inbox_order::InboxOrder;
pub use super::listing::Part;
pub use super::publish::Publish;
pub use super::responder::Responder;
use super::schedule_order::ScheduleOrder;
use crate::auth::grant::Grant;
use crate::auth::{Revocation, Subject, Verifier};
use crate::config::{Config, Purpose};
use crate::hub::Pattern;
use crate::limits::{API_REPLY_BYTES_MAX, LISTED_BYTES};
use crate::model::refusal::{Disconnect, Error, ErrorKind, Unsubscribe};
use crate::model::{
    Attributes, ClientId, ClientInfo, Device, Expiry, HistoryFilter, HistoryPage, Payload, Position, PresenceStats,
    Recover,
};
use crate::protocol::Format;

/// One request to a shard.
#[derive(Debug)]
pub enum Order {
    /// To the channel's home shard: put a message in order. Answered with its place.
    Publish(Box<Publish>, Responder<Position>),
    /// To the channel's home shard: who is there?
    Presence {
        /// Must keep presence.
        channel: Arc<str>,
        /// All of them, or a refusal where the list is too long.
        answer: Responder<Arc<[Arc<ClientInfo>]>>,
    },
    /// To the channel's home shard: how many are there?
    PresenceStats {
        /// Must keep presence.
        channel: Arc<str>,
        /// Sessions and distinct users.
        answer: Responder<PresenceStats>,
    },
    /// To the channel's home shard: read history.
    History {
        /// Must keep history.
        channel: Arc<str>,
        /// From where, how many, in which direction.
        filter: HistoryFilter,
        /// With where the stream stands.
        answer: Responder<HistoryPage>,
    },
    /// To the channel's home shard: forget its publications; offsets go on.
    HistoryRemove {
        /// Must keep history.
        channel: Arc<str>,
        /// Told when the home or the shard has done it, not when clients have read it.
        answer: Responder<()>,
    },
    /// To the channel's home shard: about its members, and what they have received.
    Inbox(InboxOrder),
    /// To the channel's home shard: about publications that are to come.
    Schedule(ScheduleOrder),
    /// To every shard: the channels at home there that have subscribers.
    Channels {
        /// Which names.
        pattern: Arc<Pattern>,
        /// Which of them.
        part: Part<Arc<str>>,
        /// Gets the channels, in order, each with its number of subscribers.
        answer: Responder<Vec<(Arc<str>, u32)>>,
    },
    /// To every shard: the user's sessions get the subscription. Answered when it has begun to be asked for.
    Subscribe(Arc<Subscribe>, Responder<()>),
    /// To every shard: the user's sessions lose a subscription.
    Unsubscribe {
        /// A user, or one session.
        who: Arc<Who>,
        /// The channel; empty is every channel.
        channel: Arc<str>,
        /// What the clients are told.
        reason: Unsubscribe,
        /// Told when the home or the shard has done it, not when clients have read it.
        answer: Responder<()>,
    },
    /// To every shard: the user's sessions end.
    Disconnect {
        /// A user, or one session.
        who: Arc<Who>,
        /// Sessions that stay connected.
        whitelist: Arc<HashSet<ClientId>>,
        /// What the clients are told.
        reason: Disconnect,
        /// Told when the home or the shard has done it, not when clients have read it.
        answer: Responder<()>,
    },
    /// To every shard: a new expiry, and perhaps new information, for the user's sessions.
    Refresh {
        /// A user, or one session.
        who: Arc<Who>,
        /// They have expired: end them.
        expired: bool,
        /// When they expire from now on, Unix seconds; `None` is never.
        expire_at_unix_s: Option<i64>,
        /// What others see of them from now on; `None` leaves it as it is.
        info: Option<Payload>,
        /// Told when the home or the shard has done it, not when clients have read it.
        answer: Responder<()>,
    },
    /// To every shard: what the application says of sessions changes.
    Attributes {
        /// A user, or one session.
        who: Arc<Who>,
        /// These are set.
        set: Arc<Attributes>,
        /// These are removed then.
        removed: Arc<[String]>,
        /// Gets what is said of each now. [`ErrorKind::LimitExceeded`] where that would be too much for one: it stays as it is,
        /// and so do those that would have followed.
        answer: Responder<Vec<(ClientId, Arc<Attributes>)>>,
    },
    /// To every shard: the user's sessions.
    Sessions {
        /// Empty has none: sessions without a user are told by their id only.
        user: Arc<str>,
        /// Which of them, by client.
        part: Part<ClientId>,
        /// Gets the sessions on that shard, in order.
        answer: Responder<Vec<SessionInfo>>,
    },
    /// To every shard: which of these users have sessions?
    Online {
        /// In any order.
        users: Arc<[Arc<str>]>,
        /// Gets an answer each.
        answer: Responder<Vec<bool>>,
    },
    /// To every shard: which channels there that tell whether a user is online have new subscribers, or none any more, since
    /// this was last asked?
    Followed {
        /// Gets each channel once.
        answer: Responder<Vec<Following>>,
    },
    /// To every shard: tokens are called back. Their sessions end. Answered when that is done.
    Revoke {
        /// Which tokens.
        revocation: Arc<Revocation>,
        /// [`ErrorKind::LimitExceeded`] where too many are in force.
        answer: Responder<()>,
    },
    /// To one shard, since all have the same: which revocations are in force?
    Revocations {
        /// The last that is known already.
        after: Option<Subject>,
        /// No more than this.
        limit: usize,
        /// Gets them, in the order of their subjects.
        answer: Responder<Vec<Revocation>>,
    },
    /// To every shard: counts for `info`.
    Info {
        /// One part of the sum over all shards.
        answer: Responder<ShardInfo>,
    },
    /// To every shard: what tokens are checked with from now on.
    Verifier(Arc<Verifier>),
    /// To every shard: the configuration was read again.
    Reload(Arc<Config>),
    /// To every shard: stop accepting, tell clients to reconnect over this time, flush, end.
    Drain(Duration),
    /// To one shard: a conn that served requests of HTTP, and now asks for an upgrade.
    Adopt {
        /// The socket, blocking, with nothing in flight.
        socket: std::os::fd::OwnedFd,
        /// The head of the upgrade, and what was read behind it.
        read: bytes::Bytes,
        /// Where it came from.
        arrival: Arrival,
    },
    /// To the shard that asked with [`Errand::FetchKeys`]. Where the fetch succeeded, an [`Order::Verifier`]
    /// came before.
    KeysFetched {
        /// As in the errand.
        ticket: u64,
        /// Whether the keys are those of now: if not, whether the token is good cannot be said.
        fetched: bool,
    },
    /// The shard fails, as it would where an invariant is broken.
    #[cfg(test)]
    Panic,
}

impl Order {
    /// Whether nobody waits for the answer any more: whoever asked was told, when time was up, that it failed.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Publish(_, answer) => answer.is_closed(),
            Self::Presence { answer, .. } => answer.is_closed(),
            Self::PresenceStats { answer, .. } => answer.is_closed(),
            Self::History { answer, .. } => answer.is_closed(),
            Self::Inbox(order) => order.is_abandoned(),
            Self::Schedule(order) => order.is_abandoned(),
            Self::Channels { answer, .. } => answer.is_closed(),
            Self::Attributes { answer, .. } => answer.is_closed(),
            Self::Sessions { answer, .. } => answer.is_closed(),
            Self::Online { answer, .. } => answer.is_closed(),
            Self::Followed { answer } => answer.is_closed(),
            Self::Revocations { answer, .. } => answer.is_closed(),
            Self::Info { answer } => answer.is_closed(),
            Self::Subscribe(_, answer)
            | Self::HistoryRemove { answer, .. }
            | Self::Unsubscribe { answer, .. }
            | Self::Disconnect { answer, .. }
            | Self::Refresh { answer, .. }
            | Self::Revoke { answer, .. } => answer.is_closed(),
            Self::Verifier(_) | Self::Reload(_) | Self::Drain(_) | Self::Adopt { .. } | Self::KeysFetched { .. } => {
                false
            }
            #[cfg(test)]
            Self::Panic => false,
        }
    }
}

/// Whom an order is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The user; every session of theirs, unless `client` narrows it.
    pub user: Box<str>,
    /// Narrows it to one session; `None` is all of them.
    pub client: Option<ClientId>,
}

/// Fields of a subscribe order.
#[derive(Debug)]
pub struct Subscribe {
    /// A user, or one session.
    pub who: Who,
    /// Its namespace must be configured.
    pub channel: Arc<str>,
    /// What a subscription token would say.
    pub grant: Grant,
    /// Recover from here at once.
    pub recover: Option<Recover>,
}

/// One session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// By which orders name it.
    pub client: ClientId,
    /// How its words are written.
    pub format: Format,
    /// The device, as far as it is known.
    pub device: Device,
    /// Which shard serves it.
    pub shard: u16,
    /// The client's address.
    pub address: IpAddr,
    /// When it connected, Unix milliseconds.
    pub connected_unix_ms: i64,
    /// When its token is over; never, for one without.
    pub expiry: Expiry,
    /// Those that it is subscribed to, or about to be.
    pub channels: Vec<Arc<str>>,
    /// What its token says of it, for others to see.
    pub info: Option<Payload>,
    /// What the application says of it.
    pub attributes: Arc<Attributes>,
}

impl SessionInfo {
    /// Bytes that it takes in a list, about.
    pub fn bytes(&self) -> usize {
        LISTED_BYTES
            + [&self.device.id, &self.device.kind, &self.device.app].map(|name| name.len()).iter().sum::<usize>()
            + self.info.as_ref().map_or(0, Payload::weight)
            + self.attributes.pack().len()
            + self.channels.iter().map(|channel| channel.len() + LISTED_BYTES).sum::<usize>()
    }
}

/// Whether a list of so many bytes can be given to a backend.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] where it is longer than a reply may be: a part of it would be taken for the whole.
pub fn check_list(bytes: usize) -> Result<(), Error> {
    if bytes > API_REPLY_BYTES_MAX {
        let why = format!("limit exceeded: the list takes more than {API_REPLY_BYTES_MAX} bytes; ask for less");
        return Err(ErrorKind::LimitExceeded.because(why));
    }
    Ok(())
}

/// Counts of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardInfo {
    /// Sessions that are connected.
    pub num_clients: u32,
    /// Distinct users among them; who has sessions on two shards counts on both.
    pub num_users: u32,
    /// Subscriptions of the sessions here.
    pub num_subs: u32,
    /// Channels at home here with at least one subscriber on any shard.
    pub num_channels: u32,
}

/// Where a conn came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What the listener is for that it came through.
    pub purpose: Purpose,
    /// Whose it is: its peer's address, or the one that a proxy has told before the first byte.
    pub address: IpAddr,
    /// Its first request came with the API's key.
    pub is_backend: bool,
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
        /// Where it came from.
        arrival: Arrival,
    },
    /// A token's key is not known: fetch the key sets anew (rate limited) and answer with
    /// [`Order::KeysFetched`].
    FetchKeys {
        /// The shard that asks.
        shard: u16,
        /// Opaque: given back in the answer.
        ticket: u64,
    },
    /// The roles beside the edge have ended: after a drain, or because they failed.
    RolesEnded,
    /// The shard has ended: after a drain, or because it failed.
    Ended {
        /// By number: the control plane tells the others by it.
        shard: u16,
    },
    /// The way to the other nodes has ended: after the shards, or because it failed.
    BridgeEnded,
}
