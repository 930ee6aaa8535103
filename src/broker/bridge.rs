//! What homes send over the bridge to the other nodes, and what comes back over it.
//!
//! A channel with `log = "redis"` has its order in a bucket that all nodes share. On each node the channel's home keeps a
//! *mirror* of the stream while somebody there listens: it joins, is told of every publication in its place, reads what it
//! missed, and leaves. It delivers nothing by itself: its own publications come back like everybody's, and the answer to a
//! publish only settles the receipt.
//!
//! Three ways, each in order: what is sent, answers, deliveries. Between answers and deliveries there is no order: what was
//! published after a join may be delivered before the join is answered. A shard takes no deliveries while it is crowded, but
//! always answers. The bridge never waits for a shard: deliveries past its bound are dropped and told as a hole.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::Version;
pub use crate::model::Life;
use crate::model::ledger::{LedgerAnswer, LedgerAsk, LedgerNews};
use crate::model::refusal::{Disconnect, Error};
use crate::model::{ClientId, ClientInfo, Device, Keep, Position, PresenceStats, ScheduledId};
use crate::session::DevicePlace;

/// Names what waits for an answer; the home's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What a home asks of a bucket. What concerns one channel happens in the order in which it was sent.
#[derive(Debug)]
pub enum Outgoing {
    /// Give it the next offset, and tell all who listen. Answered with [`Answer::Published`]: without a place, and when Kafka has
    /// it, where it is relayed.
    Publish(Box<Publish>),
    /// Tell all who listen; nothing is kept, and a loss is silent. Answered with [`Answer::Published`] where there is a ticket.
    Tell {
        /// Who waits, if anybody does.
        ticket: Option<Ticket>,
        /// Where to.
        channel: Arc<str>,
        /// As [`Publish::body`].
        body: Bytes,
    },
    /// Begin to listen, or go on after a hole, and read what follows. Answered with [`Answer::Joined`].
    Join {
        /// Which channel.
        channel: Arc<str>,
        /// Where it keeps a stream: how long offsets and epoch live, milliseconds.
        meta_ttl_ms: Option<u64>,
        /// Somebody reads, and nobody has subscribed yet: where there is no stream its epoch need not live for long.
        is_read: bool,
        /// Read what follows this offset of this life; `None` reads nothing.
        after: Option<(Life, u64)>,
    },
    /// Read what lies before what is known: offsets from `from` on, as many as fit. Answered with [`Answer::Read`].
    Read {
        /// One that was joined.
        channel: Arc<str>,
        /// The first offset.
        from: u64,
    },
    /// Nobody here listens any more.
    Leave(Arc<str>),
    /// Take the publications away; offsets go on. Answered with [`Answer::Removed`].
    Remove {
        /// Who waits.
        ticket: Ticket,
        /// Which channel.
        channel: Arc<str>,
    },
    /// Something of the ledger of a channel of at least once. Answered with [`Answer::Ledger`].
    Ledger {
        /// Who waits, if anybody does.
        ticket: Ticket,
        /// Which channel.
        channel: Arc<str>,
        /// What.
        ask: Box<LedgerAsk>,
    },
    /// Something of what is to come in a channel. Answered with [`Answer::Schedule`].
    Schedule {
        /// Who waits.
        ticket: Ticket,
        /// Which channel.
        channel: Arc<str>,
        /// What.
        ask: Box<ScheduleAsk>,
    },
    /// List a session of this node, or see it anew, and tell that it came where nobody was told. Answered with
    /// [`Answer::Listed`].
    Enter(Box<Presence>),
    /// Take a session of this node off the list, and tell that it left. Answered with [`Answer::Listed`].
    Exit(Box<Presence>),
    /// Keep the list of a channel in which sessions of this node are. Answered with [`Answer::Renewed`].
    Renew(Arc<str>),
    /// Who is in a channel, on all nodes that live? Answered with [`Answer::Presence`].
    Presence {
        /// Which channel.
        channel: Arc<str>,
        /// How long the list may be, as [`ClientInfo::weight`] counts it.
        bytes_max: usize,
    },
    /// How many are in a channel, on all nodes that live? Answered with [`Answer::PresenceStats`].
    PresenceStats(Arc<str>),
}

/// What is asked of the publications of a channel that are to come.
#[derive(Debug)]
pub enum ScheduleAsk {
    /// Publish it after so many milliseconds, by the bucket's clock: once, and whichever nodes are there then. It gets its offset
    /// when it is due. Answered with [`ScheduleAnswer::Waits`], or [`ScheduleAnswer::Published`] where its idempotency key was
    /// published before; refused with [`ErrorKind::LimitExceeded`](crate::model::refusal::ErrorKind::LimitExceeded) where too
    /// much waits.
    Add(u64, Publish),
    /// Do not publish it. Answered with [`ScheduleAnswer::Cancelled`].
    Cancel(ScheduledId),
    /// Those that come next, so many at the most. Answered with [`ScheduleAnswer::ToCome`].
    List(u32),
}

/// What a bucket answers about what is to come.
#[derive(Debug)]
pub enum ScheduleAnswer {
    /// It waits, or one with the same idempotency key does: which.
    Waits(ScheduledId),
    /// One with this idempotency key was published before.
    Published(Receipt),
    /// Whether it has waited until now.
    Cancelled(bool),
    /// By when they are due; as homes pack publications.
    ToCome(Vec<(ScheduledId, Bytes)>),
}

/// A session that is present in a channel, or was until now.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Which channel.
    pub channel: Arc<str>,
    /// As others see it.
    pub info: Arc<ClientInfo>,
    /// Whether others are told that it came and left.
    pub announces: bool,
    /// In which generation of the bucket it was listed, so that all were told of it; 0 where that is not known.
    pub told_in: u64,
}

/// What other nodes are to know of this one's sessions.
#[derive(Debug)]
pub enum Attendance {
    /// One begins. Answered with [`Answer::Enrolled`].
    Comes(Box<Entrance>),
    /// What the application says of one that has begun so, from now on: whose, its client, and that.
    Says(Arc<str>, ClientId, Bytes),
    /// One that has begun so has ended: whose, and its client.
    Goes(Arc<str>, ClientId),
}

/// A session that asks for its place among those of its user on all nodes.
#[derive(Debug)]
pub struct Entrance {
    /// Who waits.
    pub ticket: Ticket,
    /// Whose session it is; not empty.
    pub user: Arc<str>,
    /// Its client.
    pub client: ClientId,
    /// When its token was issued, Unix seconds, 0 where that is not known; `None` where there is no token.
    pub issued_unix_s: Option<u32>,
    /// How many sessions the user may have; 0 is no limit.
    pub limit: u32,
    /// Its device.
    pub device: Device,
    /// The place that it takes among the user's devices, where those of its kind are limited.
    pub place: Option<DevicePlace>,
}

/// A publication on its way to its place.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Who waits.
    pub ticket: Ticket,
    /// Where to.
    pub channel: Arc<str>,
    /// What listeners are told, packed by the home.
    pub body: Bytes,
    /// What is kept.
    pub keep: Keep,
    /// The idempotency key, and for how long it is remembered at least, milliseconds.
    pub key: Option<(Box<str>, u32)>,
    /// Whose message's id the key is, where it is a client's: of one user no more than
    /// [`CLIENT_MESSAGES_PER_USER_MAX`](crate::limits::CLIENT_MESSAGES_PER_USER_MAX) are remembered, past which it is refused with
    /// [`ErrorKind::LimitExceeded`](crate::model::refusal::ErrorKind::LimitExceeded).
    pub sender: Option<Arc<str>>,
    /// Drops it where the channel has one that is as new.
    pub version: Option<Box<Version>>,
    /// After how long members are to be told of it by a push who have not received it, milliseconds; 0 for never.
    pub push_after_ms: u64,
    /// It goes to Kafka, which keeps it until one of the nodes has moved it to its bucket: the answer has no place then.
    pub is_relayed: bool,
}

/// Where a publication came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// In which life of the stream; that of no stream where nothing is kept.
    pub life: Life,
    /// Its offset, 0 where nothing is kept.
    pub offset: u64,
}

impl Receipt {
    /// As backends are told it.
    pub fn position(self) -> Position {
        match self.offset {
            0 => Position::default(),
            offset => Position { offset, epoch: self.life.epoch() },
        }
    }
}

/// A publication that the bucket keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its offset.
    pub offset: u64,
    /// When it was taken, Unix milliseconds by the bucket's clock.
    pub time_unix_ms: i64,
    /// As it was published.
    pub body: Bytes,
}

/// A part of a stream, and where the stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which life.
    pub life: Life,
    /// The offset of its newest publication.
    pub top: u64,
    /// What time it was, Unix milliseconds by the bucket's clock.
    pub now_unix_ms: i64,
    /// Oldest first, without a hole between them. It may end before `top`, where the rest did not fit.
    pub kept: Vec<Kept>,
}

/// What a bucket says of a list.
#[derive(Clone, Copy, Debug)]
pub struct OfList<T> {
    /// The bucket's generation: in another one the list began anew. 0: the bucket has none yet.
    pub generation: u64,
    /// What it says.
    pub told: T,
}

/// What a bucket answers. [`ErrorKind::Internal`](crate::model::refusal::ErrorKind::Internal) where it cannot be reached, is
/// full, or the node has lost its lease: whether it was done is not certain then.
#[derive(Debug)]
pub enum Answer {
    /// To [`Outgoing::Publish`] and [`Outgoing::Tell`].
    Published(Ticket, Result<Receipt, Error>),
    /// To [`Outgoing::Join`].
    Joined(Arc<str>, Result<Page, Error>),
    /// To [`Outgoing::Read`].
    Read(Arc<str>, Result<Page, Error>),
    /// To [`Outgoing::Remove`]: the offset of the newest publication that went; 0 where there is no stream.
    Removed(Ticket, Result<u64, Error>),
    /// To [`Outgoing::Schedule`].
    Schedule(Ticket, Result<ScheduleAnswer, Error>),
    /// To [`Outgoing::Ledger`].
    Ledger(Ticket, Result<LedgerAnswer, Error>),
    /// To [`Outgoing::Enter`] and [`Outgoing::Exit`]: the generation of the bucket in which it was done.
    Listed(Arc<str>, ClientId, Result<u64, Error>),
    /// To [`Outgoing::Renew`]: whether the list was there.
    Renewed(Arc<str>, Result<bool, Error>),
    /// To [`Outgoing::Presence`], by client id; none where the list is longer than it may be.
    Presence(Arc<str>, Result<OfList<Option<Vec<Arc<ClientInfo>>>>, Error>),
    /// To [`Outgoing::PresenceStats`].
    PresenceStats(Arc<str>, Result<OfList<PresenceStats>, Error>),
    /// To [`Attendance::Comes`]: the session has its place, as far as other nodes go, or what it is told. While Redis is away
    /// other nodes go for nothing.
    Enrolled(Ticket, Result<(), Disconnect>),
}

/// What a bucket tells those who listen.
#[derive(Debug)]
pub enum Delivery {
    /// A message in a channel, in the order of its bucket.
    Said {
        /// At home on the shard that is told.
        channel: Box<str>,
        /// In which life of the stream; that of no stream where it is not kept.
        life: Life,
        /// The message; its offset is 0 where it is not kept.
        kept: Kept,
    },
    /// The publications of a channel's stream were removed, in the order of its bucket; offsets go on.
    Removed {
        /// At home on the shard that is told.
        channel: Box<str>,
        /// In which life of the stream.
        life: Life,
        /// The offset of the newest that went.
        up_to: u64,
    },
    /// The ledger of a channel tells something, in the order of its bucket.
    Ledger {
        /// At home on the shard that is told.
        channel: Box<str>,
        /// In which life of the stream.
        life: Life,
        /// What.
        news: Box<LedgerNews>,
    },
    /// A session of a node that died was taken off the list of a channel, or was put there again by a node that was taken for
    /// dead, in the order of the bucket. The node that has the session knows better.
    Announced {
        /// At home on the shard that is told.
        channel: Box<str>,
        /// Who came or left, as [`Publish::body`].
        body: Bytes,
    },
    /// Something was said in this bucket that was not heard: mirrors join again.
    Hole(u16),
    /// This bucket has lost writes, or the node was away for too long: mirrors begin anew.
    Lost(u16),
}
