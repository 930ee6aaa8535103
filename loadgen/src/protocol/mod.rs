//! What is said to a server and heard from it, in few words, and the protocols that say it: one adapter a file.
//!
//! The rest of the program knows [`Heard`] and the methods of [`Writer`] and [`Reader`] only. Another protocol comes
//! in beside the others, with the same words.

mod centrifuge;
mod floor;
mod hub;
mod masks;
mod mqtt;
mod nats;
mod upgrade;

use std::borrow::Cow;

use anyhow::ensure;
use ringpost::protocol::centrifuge::Encoding;
use ringpost::protocol::centrifuge::client::FrameViolation;
use ringpost::wire::http::HttpViolation;

use crate::payload::{Damaged, Stamp};
use crate::plan::{Load, Plan};
use crate::target::{Protocol, Target, Transport};

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
    /// The answer to the oldest command that has none, in protocols that answer in order.
    Done,
    /// The server's version, in protocols where it does not come with the welcome.
    Version(String),
    /// Any message of ours, with what is around it: of a reader that reads whole ([`Reader::read_whole`]).
    Publication {
        /// The channel.
        channel: &'a str,
        /// Its place there, 0 where it has none.
        offset: u64,
        /// What it carries.
        message: Result<Stamp, Damaged>,
    },
    /// The answer to [`Writer::subscribe_since`]; what it brings follows.
    Joined {
        /// The command.
        id: u32,
        /// How the subscription begins.
        joined: Joined<'a>,
    },
    /// A message that the last answer to [`Writer::subscribe_since`] has brought.
    Recovered {
        /// Its place in the channel.
        offset: u64,
        /// What it carries.
        message: Result<Stamp, Damaged>,
    },
    /// The answer to [`Writer::unsubscribe`].
    Left {
        /// The command.
        id: u32,
    },
    /// The answer to [`Writer::presence`].
    Present {
        /// The command.
        id: u32,
        /// How many clients are in the channel.
        clients: usize,
    },
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
    /// Of each message.
    pub payload_bytes: usize,
    /// Whether any client subscribes.
    pub has_audience: bool,
}

/// Who connects.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its name.
    pub user: &'a str,
    /// What proves it; empty without.
    pub token: &'a str,
    /// Whether it will subscribe.
    pub subscribes: bool,
}

/// Whether a protocol can do what a plan asks for.
///
/// # Errors
/// Why it cannot, and what to change.
pub fn check(target: &Target, plan: &Plan, channel_names: &[String]) -> anyhow::Result<()> {
    ensure!(
        matches!(target.protocol, Protocol::Centrifuge(_)) || !matches!(plan.load, Load::Chat(_)),
        "a chat needs presence, and recovery by offset, which are known here of the Centrifugo protocol only: give a \
         URL that begins with ws:// or tcp://, or run another scenario, such as `direct`"
    );
    match target.protocol {
        Protocol::Centrifuge(_) => Ok(()),
        Protocol::Floor(_) => floor::check(plan),
        Protocol::Nats => channel_names.iter().try_for_each(|name| nats::check(name)),
        Protocol::Mqtt => channel_names.iter().try_for_each(|name| mqtt::check(name)),
    }
}

/// Why other adapters are never asked for what only one can do.
const REFUSED: &str = "`check` lets no such plan through";

/// Writes what a client says.
#[derive(Debug)]
pub enum Writer {
    /// The Centrifugo client protocol.
    Centrifuge(centrifuge::Writer),
    /// The floor's wire.
    Floor(floor::Writer),
    /// The floor's wire in WebSocket messages.
    Hub(hub::Writer),
    /// NATS.
    Nats(nats::Writer),
    /// MQTT 3.1.1.
    Mqtt(mqtt::Writer),
}

impl Writer {
    /// For the clients of a server.
    pub fn new(target: &Target, terms: &Terms) -> Self {
        match &target.protocol {
            Protocol::Centrifuge(transport) => Self::Centrifuge(centrifuge::Writer::new(transport, terms.encoding)),
            Protocol::Floor(Transport::Tcp) => Self::Floor(floor::Writer::new(terms)),
            Protocol::Floor(Transport::WebSocket { host, path }) => Self::Hub(hub::Writer::new(host, path, terms)),
            Protocol::Nats => Self::Nats(nats::Writer::new(terms)),
            Protocol::Mqtt => Self::Mqtt(mqtt::Writer),
        }
    }

    /// What opens the connection. Nothing where [`Writer::connect`] comes first.
    pub fn open(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.open(out),
            Self::Hub(writer) => writer.open(out),
            Self::Floor(_) | Self::Nats(_) | Self::Mqtt(_) => {}
        }
    }

    /// Who the client is. It goes by [`CONNECT_ID`].
    pub fn connect(&mut self, client: &Client<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.connect(client.token, out),
            Self::Floor(writer) => writer.connect(client, out),
            Self::Hub(writer) => writer.connect(client, out),
            Self::Nats(writer) => writer.connect(client, out),
            Self::Mqtt(writer) => writer.connect(client, out),
        }
    }

    /// Joins a channel.
    pub fn subscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.subscribe(id, channel, out),
            // There is one channel, and the client has said that it will hear it.
            Self::Floor(_) | Self::Hub(_) => {}
            Self::Nats(writer) => writer.subscribe(id, channel, out),
            Self::Mqtt(writer) => writer.subscribe(id, channel, out),
        }
    }

    /// Joins a channel to hear everything: all that came after an offset of an epoch, or, for the first time, all that
    /// comes from now on.
    pub fn subscribe_since(&mut self, id: u32, channel: &str, since: Option<(u64, &str)>, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.subscribe_since(id, channel, since, out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Leaves a channel.
    pub fn unsubscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.unsubscribe(id, channel, out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Asks who is in a channel.
    pub fn presence(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.presence(id, channel, out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Publishes.
    #[inline]
    pub fn publish(&mut self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.publish(id, channel, payload, out),
            Self::Floor(writer) => writer.publish(payload, out),
            Self::Hub(writer) => writer.publish(payload, out),
            Self::Nats(writer) => writer.publish(channel, payload, out),
            Self::Mqtt(writer) => writer.publish(id, channel, payload, out),
        }
    }

    /// Answers a ping.
    pub fn pong(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.pong(out),
            Self::Nats(writer) => writer.pong(out),
            Self::Floor(_) | Self::Hub(_) | Self::Mqtt(_) => {}
        }
    }

    /// Answers a WebSocket ping.
    pub fn websocket_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.websocket_pong(payload, out),
            Self::Hub(writer) => writer.websocket_pong(payload, out),
            Self::Floor(_) | Self::Nats(_) | Self::Mqtt(_) => {}
        }
    }

    /// Leaves. Nothing where the end of the connection says it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.close(out),
            Self::Hub(writer) => writer.close(out),
            Self::Mqtt(writer) => writer.close(out),
            Self::Floor(_) | Self::Nats(_) => {}
        }
    }
}

/// Reads what a server says.
#[derive(Debug)]
pub enum Reader {
    /// The Centrifugo client protocol.
    Centrifuge(centrifuge::Reader),
    /// The floor's wire.
    Floor(floor::Reader),
    /// The floor's wire in WebSocket messages.
    Hub(hub::Reader),
    /// NATS.
    Nats(nats::Reader),
    /// MQTT 3.1.1.
    Mqtt(mqtt::Reader),
}

impl Reader {
    /// For the clients of a server.
    pub fn new(target: &Target, terms: &Terms) -> Self {
        match &target.protocol {
            Protocol::Centrifuge(transport) => Self::Centrifuge(centrifuge::Reader::new(transport, terms)),
            Protocol::Floor(Transport::Tcp) => Self::Floor(floor::Reader::new(terms)),
            Protocol::Floor(Transport::WebSocket { .. }) => Self::Hub(hub::Reader::new(terms)),
            Protocol::Nats => Self::Nats(nats::Reader::new(terms)),
            Protocol::Mqtt => Self::Mqtt(mqtt::Reader::new(terms)),
        }
    }

    /// From now on messages are told with channel and offset, as [`Heard::Publication`]. They are read whole for it.
    pub fn read_whole(&mut self) {
        match self {
            Self::Centrifuge(reader) => reader.read_whole(),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Whether the server speaks before [`Writer::connect`]: it answers [`Writer::open`], or introduces itself.
    pub fn speaks_first(&self) -> bool {
        match self {
            Self::Centrifuge(reader) => reader.answers_open(),
            Self::Hub(_) | Self::Nats(_) => true,
            Self::Floor(_) | Self::Mqtt(_) => false,
        }
    }

    /// Whether [`Writer::publish`] is answered.
    pub fn answers_publish(&self) -> bool {
        match self {
            Self::Centrifuge(_) | Self::Nats(_) | Self::Mqtt(_) => true,
            Self::Floor(reader) => reader.answers_publish(),
            Self::Hub(reader) => reader.answers_publish(),
        }
    }

    /// Reads what the server says first: how many bytes it has; `None` while it is not whole.
    ///
    /// # Errors
    /// When the server does not let the connection be opened so.
    pub fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        match self {
            Self::Centrifuge(reader) => reader.open(input),
            Self::Hub(reader) => reader.open(input),
            Self::Nats(reader) => reader.open(input),
            Self::Floor(_) | Self::Mqtt(_) => Ok(Some(0)),
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
            Self::Floor(reader) => reader.read(input, hear),
            Self::Hub(reader) => reader.read(input, hear),
            Self::Nats(reader) => reader.read(input, hear),
            Self::Mqtt(reader) => reader.read(input, hear),
        }
    }
}
