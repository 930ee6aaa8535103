//! What is said to a server and heard from it, whatever the protocol.

use std::borrow::Cow;

use ringpost::protocol::centrifuge::Encoding;
use ringpost::protocol::centrifuge::client::FrameViolation;
use ringpost::wire::http::HttpViolation;
use serde::Deserialize;

use crate::payload::{Damaged, Stamp};

/// What a server said.
#[derive(Debug, PartialEq)]
pub enum Heard<'a> {
    /// A message of ours, to a subscriber.
    Message(Result<Stamp, Damaged>),
    /// A message was taken, or a ping was: the answer to [`Writer::publish`](super::Writer::publish) and
    /// [`Writer::ping`](super::Writer::ping).
    Acknowledged {
        /// Chosen by the writer of the command that is answered.
        id: u32,
    },
    /// The answer to [`Writer::connect`](super::Writer::connect).
    Welcome {
        /// Whether pings must be answered.
        pong: bool,
        /// The server's version.
        version: Cow<'a, str>,
    },
    /// The answer to [`Writer::subscribe`](super::Writer::subscribe).
    Subscribed,
    /// The answer to the oldest command that has none, in protocols that answer in order.
    Done,
    /// The server's version, in protocols where it does not come with the welcome.
    Version(String),
    /// Any message of ours, with what is around it: of a reader that reads whole ([`Reader::read_whole`](super::Reader::read_whole)).
    Publication {
        /// As the server spells it.
        channel: &'a str,
        /// Its place there, 0 where it has none.
        offset: u64,
        /// Where it may be sent again: which time this is.
        attempt: u32,
        /// The stamp of the load generator, or that it is none.
        message: Result<Stamp, Damaged>,
    },
    /// The answer to [`Writer::subscribe_since`](super::Writer::subscribe_since); what it brings follows.
    Joined {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// How the subscription begins.
        joined: Joined<'a>,
    },
    /// A message that the last answer to [`Writer::subscribe_since`](super::Writer::subscribe_since) has brought.
    Recovered {
        /// Its place in the channel.
        offset: u64,
        /// The stamp of the load generator, or that it is none.
        message: Result<Stamp, Damaged>,
    },
    /// The answer to [`Writer::history`](super::Writer::history); what is on the page follows.
    Page {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// Where the channel stands, and where the page ends.
        page: Page<'a>,
    },
    /// A message on the last page.
    Kept {
        /// Its place in the channel.
        offset: u64,
        /// The stamp of the load generator, or that it is none.
        message: Result<Stamp, Damaged>,
    },
    /// The answer to [`Writer::unsubscribe`](super::Writer::unsubscribe).
    Left {
        /// Chosen by the writer of the command that is answered.
        id: u32,
    },
    /// The answer to [`Writer::presence`](super::Writer::presence).
    Present {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// How many clients are in the channel.
        clients: usize,
    },
    /// The answer to [`InboxCall::Unread`].
    Unread {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// Where channel and user stand.
        unread: InboxUnread,
    },
    /// The answer to [`InboxCall::Positions`].
    Positions {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// Members of the channel: the one who asked, and others where there are few.
        users: &'a [InboxPosition<'a>],
    },
    /// Answer with [`Writer::pong`](super::Writer::pong), if the welcome said so.
    Ping,
    /// A WebSocket ping: answer with [`Writer::websocket_pong`](super::Writer::websocket_pong).
    WebSocketPing(&'a [u8]),
    /// A command was refused.
    Refused {
        /// Chosen by the writer of the command that is answered.
        id: u32,
        /// Code and message, as the server has them.
        why: String,
        /// Whether the server says that the same may succeed later.
        is_temporary: bool,
    },
    /// A subscription was ended.
    Unsubscribed {
        /// As the server spells it.
        channel: &'a str,
        /// Code and reason.
        why: String,
    },
    /// The server is about to end the connection: code and reason.
    Goodbye(String),
}

/// How a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined<'a> {
    /// The offset before the first message that comes with the answer or after it.
    pub offset: u64,
    /// Which life of the channel's stream the offset belongs to.
    pub epoch: &'a str,
    /// Whether the server keeps what a subscriber misses.
    pub is_recoverable: bool,
    /// Whether all comes that was missed.
    pub is_recovered: bool,
}

/// What a device says or asks about a channel that is received at least once. What is said is answered as
/// [`Heard::Acknowledged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxCall {
    /// It has received all up to here.
    Received {
        /// The last that it has.
        offset: u64,
    },
    /// Its user has read all up to here.
    Read {
        /// The last that was read.
        offset: u64,
    },
    /// What has its user not read?
    Unread,
    /// How far have its user and others received and read?
    Positions,
}

/// What a user has not read of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxUnread {
    /// The offset of the newest message.
    pub offset: u64,
    /// Up to where the user has read.
    pub read: u64,
    /// How many messages there are that it has not read.
    pub unread: u64,
}

/// How far one user is.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct InboxPosition<'a> {
    /// As it is called.
    #[serde(borrow)]
    pub user: Cow<'a, str>,
    /// The furthest that any of its devices has received.
    pub received: u64,
    /// Up to where it has read.
    pub read: u64,
}

/// A page of a channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// The offset of the newest message of the channel.
    pub top: u64,
    /// Which life of the channel's stream it belongs to.
    pub epoch: &'a str,
    /// The offset of the last message on the page; 0 where it is empty.
    pub last: u64,
}

/// How a server broke the protocol.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// The answer to the upgrade is no HTTP or belongs to another request.
    #[error("the upgrade was answered wrongly: {0:?}")]
    Upgrade(HttpViolation),
    /// There is no WebSocket at this path.
    #[error("the upgrade was answered with status {0}: is the path of the URL right?")]
    Status(u16),
    /// Bytes that are no frames.
    #[error("the server broke the framing: {0}")]
    Frame(#[from] FrameViolation),
    /// Frames that carry nothing known.
    #[error("the server sent something that is neither reply nor push: {0}")]
    Word(String),
}

/// Ids of the commands before the first publish.
pub const CONNECT_ID: u32 = 1;

/// What both sides of every connection of a run keep to.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How messages are written, where the protocol has a choice.
    pub encoding: Encoding,
    /// Bytes of each message.
    pub payload_bytes: usize,
    /// Whether any client subscribes.
    pub has_audience: bool,
}

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// In the token, where there is one.
    pub user: &'a str,
    /// What proves it; empty without.
    pub token: &'a str,
    /// Whether it will subscribe.
    pub subscribes: bool,
}
