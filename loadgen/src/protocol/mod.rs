//! What is said to a server and heard from it, in few words, and the protocols that say it: one adapter a file.
//!
//! The rest of the program knows [`Heard`] and the methods of [`Writer`] and [`Reader`] only. Another protocol comes
//! in beside the others, with the same words.

mod centrifuge;

use std::borrow::Cow;

use ringpost::protocol::centrifuge::Encoding;
use ringpost::protocol::centrifuge::client::FrameViolation;
use ringpost::wire::http::HttpViolation;

use crate::payload::{Damaged, Stamp};
use crate::target::Target;

/// What a server said.
#[derive(Debug, PartialEq)]
pub enum Heard<'a> {
    /// A message of ours, to a subscriber.
    Message(Result<Stamp, Damaged>),
    /// A message was taken: the answer to [`Writer::publish`].
    Acknowledged {
        /// The command.
        id: u32,
    },
    /// The answer to [`Writer::connect`].
    Welcome {
        /// Whether pings must be answered.
        pong: bool,
        /// The server's version.
        version: Cow<'a, str>,
    },
    /// The answer to [`Writer::subscribe`].
    Subscribed,
    /// Answer with [`Writer::pong`], if the welcome said so.
    Ping,
    /// A WebSocket ping: answer with [`Writer::websocket_pong`].
    WebSocketPing(&'a [u8]),
    /// A command was refused.
    Refused {
        /// The command.
        id: u32,
        /// Code and message.
        why: String,
    },
    /// A subscription was ended: code and reason.
    Unsubscribed(String),
    /// The server is about to end the connection: code and reason.
    Goodbye(String),
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

/// Writes what a client says.
#[derive(Debug)]
pub enum Writer {
    /// The Centrifugo client protocol.
    Centrifuge(centrifuge::Writer),
}

impl Writer {
    /// For the clients of a server.
    pub fn new(target: &Target, encoding: Encoding) -> Self {
        Self::Centrifuge(centrifuge::Writer::new(target, encoding))
    }

    /// What opens the connection. Nothing where [`Writer::connect`] comes first.
    pub fn open(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.open(out),
        }
    }

    /// Who the client is. It goes by [`CONNECT_ID`].
    pub fn connect(&mut self, token: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.connect(token, out),
        }
    }

    /// Joins a channel.
    pub fn subscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.subscribe(id, channel, out),
        }
    }

    /// Publishes.
    #[inline]
    pub fn publish(&mut self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.publish(id, channel, payload, out),
        }
    }

    /// Answers a ping.
    pub fn pong(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.pong(out),
        }
    }

    /// Answers a WebSocket ping.
    pub fn websocket_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.websocket_pong(payload, out),
        }
    }

    /// Leaves. Nothing where the end of the connection says it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.close(out),
        }
    }
}

/// Reads what a server says.
#[derive(Debug)]
pub enum Reader {
    /// The Centrifugo client protocol.
    Centrifuge(centrifuge::Reader),
}

impl Reader {
    /// For messages with such payloads.
    pub fn new(target: &Target, encoding: Encoding, payload_bytes: usize) -> Self {
        Self::Centrifuge(centrifuge::Reader::new(target, encoding, payload_bytes))
    }

    /// Whether the server answers [`Writer::open`].
    pub fn answers_open(&self) -> bool {
        match self {
            Self::Centrifuge(reader) => reader.answers_open(),
        }
    }

    /// Reads the answer to [`Writer::open`]: how many bytes it has; `None` while it is not whole.
    ///
    /// # Errors
    /// When the server does not let the connection be opened so.
    pub fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        match self {
            Self::Centrifuge(reader) => reader.open(input),
        }
    }

    /// Reads the whole frames at the beginning of the input; how many bytes they have.
    ///
    /// # Errors
    /// When the server broke the protocol.
    #[inline]
    pub fn read(&self, input: &mut [u8], hear: &mut impl FnMut(Heard<'_>)) -> Result<usize, Violation> {
        match self {
            Self::Centrifuge(reader) => reader.read(input, hear),
        }
    }
}
