//! What shards write to each other.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::lane::Lane;
use crate::delivery::{Dispatch, Sending};
use crate::hub::HubOptions;
use crate::limits::FILTER_BYTES_MAX;
use crate::model::refusal::{Disconnect, DisconnectKind, Error};
use crate::model::{
    ClientId, ClientInfo, HistoryFilter, HistoryPage, Payload, PayloadKind, PayloadRef, PresenceStats, Publication,
    Subscribed, TagsFilter,
};
use crate::protocol::centrifuge::Encoding;
use crate::session::access::Access;
use crate::session::{Enrolment, InboxAsk, Terms};

/// Which command of which session a question belongs to, and what it counts. The shard is the one that the letter came
/// from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The session's place in its shard's slab.
    pub session: u32,
    /// Told apart from an earlier session in the same place.
    pub generation: u32,
    /// The command's id; 0 where no reply is due.
    pub id: u32,
    /// What the question counts among what the session has in flight, bytes.
    pub bytes: u32,
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
/// another of a slower level. Where several nodes share a channel they are named, since each bucket is slow by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It is in the memory of its channel's home.
    Memory,
    /// It is on the disk of the node.
    Disk,
}

impl Level {
    /// How many there are.
    pub const COUNT: usize = 2;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Memory, Self::Disk];

    /// The level of a channel with these options.
    pub fn of(options: HubOptions) -> Self {
        if options.is_durable { Self::Disk } else { Self::Memory }
    }
}

/// A publish whose answer waits for more than its home: that of another channel must not wait for it.
#[derive(Debug)]
pub struct NamedPublish {
    /// Where the answer goes.
    pub asker: Asker,
    /// The channel and the message.
    pub envelope: Envelope,
    /// The publisher as subscribers see it.
    pub info: Arc<ClientInfo>,
}

/// What a session reads of a channel's history.
#[derive(Debug)]
pub struct HistoryAsk {
    /// As the client asked, unchecked.
    pub part: HistoryFilter,
    /// No more than this.
    pub max: usize,
    /// Of its subscription, if that has one: only what passes is read.
    pub tags: Option<Arc<TagsFilter>>,
}

/// One message from shard to shard. Letters of one lane of one pair of shards arrive in the order of sending.
#[derive(Debug)]
pub enum Letter {
    /// To the home shard: put this in order.
    Publish {
        /// The channel and the message.
        envelope: Envelope,
        /// The publisher as subscribers see it.
        info: Arc<ClientInfo>,
        /// At which level the asker awaits its receipt, whatever the home has learned of the channel since.
        level: Level,
    },
    /// To the home shard: put this in order, and answer it by its name.
    PublishByName(Box<NamedPublish>),
    /// To the shard that asked: the next of its publishes, as many, are in their places, and are on their way.
    Published {
        /// To which level they are kept.
        level: Level,
        /// Publishes without a receipt of their own, at least one.
        count: u32,
    },
    /// To the shard that asked: the next of its publishes is refused.
    Refused {
        /// To which level it was to be kept.
        level: Level,
        /// For the client that published.
        error: Error,
    },
    /// To the home shard: begin a subscription.
    Subscribe {
        /// Where the answer goes.
        asker: Asker,
        /// At home on the shard that gets the letter, as in all letters to a home.
        channel: Arc<str>,
        /// What its session was granted.
        terms: Box<Terms>,
    },
    /// To the home shard: a subscription has ended.
    Leave {
        /// One that the client is in.
        channel: Arc<str>,
        /// Which of its subscribers has gone.
        client: ClientId,
    },
    /// To the home shard: a subscriber is seen with other information from now on.
    Appear {
        /// One that the client is in.
        channel: Arc<str>,
        /// How it is seen there.
        info: Arc<ClientInfo>,
    },
    /// To the home shard: read history.
    History {
        /// Where the answer goes.
        asker: Asker,
        /// Must keep history: the asker has looked.
        channel: Arc<str>,
        /// Which part.
        ask: Box<HistoryAsk>,
    },
    /// To the home shard: who is there?
    Presence {
        /// Where the answer goes.
        asker: Asker,
        /// Must keep presence: the asker has looked.
        channel: Arc<str>,
        /// As the asker's replies are written.
        encoding: Encoding,
    },
    /// To the home shard: how many are there?
    PresenceStats {
        /// Where the answer goes.
        asker: Asker,
        /// Must keep presence: the asker has looked.
        channel: Arc<str>,
    },
    /// To the home shard: what a device of a member says or asks.
    Inbox {
        /// Where the answer goes.
        asker: Asker,
        /// Of at least once: the asker has looked.
        channel: Arc<str>,
        /// The device, and what it says.
        ask: Box<InboxAsk>,
    },
    /// To the user's home shard: may one more session of the user begin?
    Enrol {
        /// Where the answer goes.
        asker: Asker,
        /// Decides which shard is home, as a channel does; never empty.
        user: Arc<str>,
        /// What is asked for.
        enrolment: Box<Enrolment>,
    },
    /// To the user's home shard: a session that was enrolled has ended.
    Discharge {
        /// As in the letter that enrolled it.
        user: Arc<str>,
        /// As in the letter that enrolled it.
        client: ClientId,
    },
    /// From the user's home shard: a session has lost its place to another, and is to go.
    Dismiss {
        /// As in the letter that enrolled it.
        user: Arc<str>,
        /// It may have gone meanwhile.
        client: ClientId,
        /// What it is told.
        why: DisconnectKind,
    },
    /// To the shard that asked.
    Answer {
        /// As in the letter that is answered.
        asker: Asker,
        /// What the home shard says.
        answer: Answer,
    },
    /// To every shard with subscribers: a publication in its place.
    Publication {
        /// Whose room here hears of it, if there still is one.
        channel: Arc<str>,
        /// Shared with all shards: a reference, no copy.
        publication: Arc<Publication>,
        /// The session that does not get it.
        exclude: Option<ClientId>,
    },
    /// To the shard of one session: what the home of a channel has to say to it by its name.
    Dispatch(Box<Dispatch>),
    /// To every shard with subscribers: something that was published between what came before and what comes after is missing.
    Gap(Arc<str>),
    /// To every other shard: the channels at home here have these options from now on.
    Changed {
        /// Their rules.
        access: Arc<Access>,
    },
    /// To every shard with subscribers: somebody came or left.
    Announce {
        /// Whose room here hears of it, if there still is one.
        channel: Arc<str>,
        /// As it is seen by others.
        info: Arc<ClientInfo>,
        /// Came, or left.
        joined: bool,
    },
}

/// Who is in a channel, as a reply brings it ([`ReplyBody::Encoded`](crate::protocol::word::ReplyBody::Encoded)).
#[derive(Clone, Debug)]
pub struct MemberList {
    /// Shared by all who ask until the list changes.
    pub encoded: Arc<[u8]>,
    /// Members that were encoded for this answer: none where the list was kept.
    pub newly: u32,
}

/// What is answered to a device of what it has said or asked.
#[derive(Debug)]
pub enum InboxAnswer {
    /// It was taken, and so many sessions hear of it a little later.
    Taken(u32),
    /// This, JSON.
    Told(Payload),
}

/// What a home shard says.
#[derive(Debug)]
pub enum Answer {
    /// The publication is in its place, or why not.
    Published(Result<(), Error>),
    /// A subscription has begun, or why not.
    Subscribed {
        /// The one that was asked for.
        channel: Arc<str>,
        /// The session may have gone meanwhile.
        client: ClientId,
        /// With what was missed, or why it did not begin.
        result: Box<Result<Subscribed, Error>>,
    },
    /// A page, within the bytes that one reply may have.
    History(Result<Box<HistoryPage>, Error>),
    /// All subscribers, or a refusal where they are too many.
    Presence(Result<MemberList, Error>),
    /// Sessions and distinct users, or why they cannot be said.
    PresenceStats(Result<PresenceStats, Error>),
    /// What is answered to a device.
    Inbox(Result<InboxAnswer, Error>),
    /// Whether other nodes have nothing against the session; if they have, what it is told.
    Entered(Result<(), Disconnect>),
    /// Whether the user may have one more session.
    Enrolled {
        /// As in the letter that asked.
        user: Arc<str>,
        /// As in the letter that asked.
        client: ClientId,
        /// Whether the session may begin; if not, what it is told.
        outcome: Result<(), DisconnectKind>,
    },
}

impl Letter {
    /// Which way it goes.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Publish { .. }
            | Self::PublishByName(_)
            | Self::Subscribe { .. }
            | Self::History { .. }
            | Self::Presence { .. }
            | Self::PresenceStats { .. }
            | Self::Inbox { .. }
            | Self::Enrol { .. } => Lane::Asks,
            // It must not overtake the subscribe that it is about.
            Self::Appear { .. } => Lane::Asks,
            Self::Publication { .. } | Self::Announce { .. } | Self::Gap(_) | Self::Changed { .. } => Lane::Deliveries,
            // Its place among publications says which of them the session hears.
            Self::Dispatch(_) => Lane::Deliveries,
            // It says which publications follow it.
            Self::Answer { answer: Answer::Subscribed { .. }, .. } => Lane::Deliveries,
            Self::Answer { .. } | Self::Published { .. } | Self::Refused { .. } => Lane::Answers,
            // Behind the answer that gave the session its place.
            Self::Leave { .. } | Self::Discharge { .. } | Self::Dismiss { .. } => Lane::Answers,
        }
    }

    /// What it keeps in memory until it is read, bytes: itself, and what applications have sent. Names and identities are
    /// shared with channels and sessions.
    pub fn bytes(&self) -> usize {
        let more = match self {
            Self::Publish { envelope, .. } => envelope.bytes(),
            Self::PublishByName(publish) => size_of::<NamedPublish>() + publish.envelope.bytes(),
            Self::Publication { publication, .. } => publication.bytes(),
            Self::Subscribe { terms, .. } => {
                let filter = if terms.filter.is_some() { FILTER_BYTES_MAX } else { 0 };
                size_of::<Terms>() + terms.data.as_ref().map_or(0, |data| data.bytes.len()) + filter
            }
            // The filter is its subscription's.
            Self::History { .. } => size_of::<HistoryAsk>(),
            Self::Inbox { ask, .. } => ask.bytes(),
            Self::Dispatch(dispatch) => size_of::<Dispatch>() + told(&dispatch.what),
            Self::Enrol { enrolment, .. } => enrolment.bytes(),
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
            Self::Presence(Ok(list)) => list.encoded.len(),
            Self::Inbox(Ok(InboxAnswer::Told(payload))) => payload.bytes.len(),
            _ => 0,
        }
    }
}

fn told(what: &Sending) -> usize {
    match what {
        Sending::Publications { publications, .. } => publications.iter().map(|one| one.bytes()).sum(),
        Sending::Positions(message) => message.bytes.len(),
        Sending::Gap => 0,
    }
}
