//! What is said to a server and heard from it, in few words, and the protocols that say it: one adapter a file.
//!
//! The rest of the program knows [`Heard`] and the methods of [`Writer`] and [`Reader`] only. Another protocol comes
//! in beside the others, with the same words.

mod centrifuge;
mod floor;
mod floor_websocket;
mod jetstream;
mod kafka;
mod masks;
mod mqtt;
mod nats;
mod redis;
mod upgrade;
mod words;

use anyhow::ensure;

pub use self::words::{
    CONNECT_ID, Client, Heard, InboxCall, InboxPosition, InboxUnread, Joined, Page, Terms, Violation,
};
use crate::plan::{Load, Plan};
use crate::target::{Protocol, Target, Transport};

/// Whether a protocol can do what a plan asks for.
///
/// # Errors
/// Why it cannot, and what to change.
pub fn check(target: &Target, plan: &Plan, channel_names: &[String]) -> anyhow::Result<()> {
    let is_usual = match plan.load {
        Load::Chat(_) | Load::Inbox(_) | Load::Recover(_) | Load::Ping(_) => false,
        // The floor passes over what subscribers send.
        Load::Receive(receive) => !receive.are_answered && matches!(target.protocol, Protocol::Floor(Transport::Tcp)),
        _ => true,
    };
    ensure!(
        is_usual || target.knows_received(),
        "pings, presence, recovery by offset and inboxes are known here of the Centrifugo protocol only: give a URL that \
         begins with ws:// or tcp://, or run another scenario, such as `direct`"
    );
    match target.protocol {
        Protocol::Centrifuge(_) => Ok(()),
        Protocol::Floor(_) => floor::check(plan),
        Protocol::Nats => channel_names.iter().try_for_each(|name| nats::check(name)),
        Protocol::Mqtt => channel_names.iter().try_for_each(|name| mqtt::check(name)),
        Protocol::JetStream => jetstream::check(plan, channel_names),
        Protocol::Redis => redis::check(plan),
        Protocol::Kafka => kafka::check(plan),
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
    FloorWebSocket(floor_websocket::Writer),
    /// NATS.
    Nats(nats::Writer),
    /// MQTT 3.1.1.
    Mqtt(mqtt::Writer),
    /// NATS JetStream.
    JetStream(Box<jetstream::Writer>),
    /// Redis Streams.
    Redis(redis::Writer),
    /// Kafka.
    Kafka(kafka::Writer),
}

impl Writer {
    /// For the clients of a server.
    pub fn new(target: &Target, terms: &Terms) -> Self {
        match &target.protocol {
            Protocol::Centrifuge(transport) => Self::Centrifuge(centrifuge::Writer::new(transport, terms.encoding)),
            Protocol::Floor(Transport::Tcp) => Self::Floor(floor::Writer::new(terms)),
            Protocol::Floor(Transport::WebSocket { .. }) => Self::FloorWebSocket(floor_websocket::Writer::new(terms)),
            Protocol::Nats => Self::Nats(nats::Writer::new(terms)),
            Protocol::Mqtt => Self::Mqtt(mqtt::Writer),
            Protocol::JetStream => Self::JetStream(Box::new(jetstream::Writer::new(terms))),
            Protocol::Redis => Self::Redis(redis::Writer::new(terms)),
            Protocol::Kafka => Self::Kafka(kafka::Writer::default()),
        }
    }

    /// What opens a connection to a node. Nothing where [`Writer::connect`] comes first.
    pub fn open(&self, node: &Target, out: &mut Vec<u8>) {
        match (self, &node.protocol) {
            (Self::Centrifuge(writer), Protocol::Centrifuge(Transport::WebSocket { host, path })) => {
                writer.open(host, path, out);
            }
            (Self::FloorWebSocket(_), Protocol::Floor(Transport::WebSocket { host, path })) => {
                floor_websocket::open(host, path, out);
            }
            _ => {}
        }
    }

    /// Who the client is. It goes by [`CONNECT_ID`].
    pub fn connect(&mut self, client: &Client<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.connect(client.token, out),
            Self::Floor(writer) => writer.connect(client, out),
            Self::FloorWebSocket(writer) => writer.connect(client, out),
            Self::Nats(writer) => writer.connect(client, out),
            Self::Mqtt(writer) => writer.connect(client, out),
            Self::JetStream(writer) => writer.connect(client, out),
            Self::Redis(writer) => writer.connect(out),
            Self::Kafka(writer) => writer.connect(out),
        }
    }

    /// Joins a channel.
    pub fn subscribe(&mut self, id: u32, channel: &str, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.subscribe(id, channel, out),
            // There is one channel, and the client has said that it will hear it.
            Self::Floor(_) | Self::FloorWebSocket(_) => {}
            Self::Nats(writer) => writer.subscribe(id, channel, out),
            Self::Mqtt(writer) => writer.subscribe(id, channel, out),
            Self::JetStream(_) | Self::Redis(_) | Self::Kafka(_) => unreachable!("{REFUSED}"),
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

    /// Asks for publications of a channel, so many, oldest first: those after an offset of an epoch, or from the first.
    pub fn history(&mut self, id: u32, channel: &str, since: Option<(u64, &str)>, limit: u32, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.history(id, channel, since, limit, out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Says or asks something about a channel that is received at least once; where `id` is 0, without an answer.
    pub fn call_inbox(&mut self, id: u32, channel: &str, call: InboxCall, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.call_inbox(id, channel, call, out),
            Self::Floor(_) => floor::say_received(out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Pings the server, which answers as it answers [`Writer::publish`].
    pub fn ping(&mut self, id: u32, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.ping(id, out),
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Publishes.
    #[inline]
    pub fn publish(&mut self, id: u32, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.publish(id, channel, payload, out),
            Self::Floor(writer) => writer.publish(payload, out),
            Self::FloorWebSocket(writer) => writer.publish(payload, out),
            Self::Nats(writer) => writer.publish(channel, payload, out),
            Self::Mqtt(writer) => writer.publish(id, channel, payload, out),
            Self::JetStream(writer) => writer.publish(id, channel, payload, out),
            Self::Redis(writer) => writer.publish(channel, payload, out),
            Self::Kafka(writer) => writer.publish(id, channel, payload, out),
        }
    }

    /// Answers a ping.
    pub fn pong(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.pong(out),
            Self::Nats(writer) => writer.pong(out),
            Self::JetStream(writer) => writer.pong(out),
            _ => {}
        }
    }

    /// Answers a WebSocket ping.
    pub fn websocket_pong(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.websocket_pong(payload, out),
            Self::FloorWebSocket(writer) => writer.websocket_pong(payload, out),
            _ => {}
        }
    }

    /// Leaves. Nothing where the end of the connection says it.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Centrifuge(writer) => writer.close(out),
            Self::FloorWebSocket(writer) => writer.close(out),
            Self::Mqtt(writer) => writer.close(out),
            _ => {}
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
    FloorWebSocket(floor_websocket::Reader),
    /// NATS.
    Nats(nats::Reader),
    /// MQTT 3.1.1.
    Mqtt(mqtt::Reader),
    /// NATS JetStream.
    JetStream(jetstream::Reader),
    /// Redis Streams.
    Redis(redis::Reader),
    /// Kafka.
    Kafka(kafka::Reader),
}

impl Reader {
    /// For the clients of a server.
    pub fn new(target: &Target, terms: &Terms) -> Self {
        match &target.protocol {
            Protocol::Centrifuge(transport) => Self::Centrifuge(centrifuge::Reader::new(transport, terms)),
            Protocol::Floor(Transport::Tcp) => Self::Floor(floor::Reader::new(terms)),
            Protocol::Floor(Transport::WebSocket { .. }) => Self::FloorWebSocket(floor_websocket::Reader::new(terms)),
            Protocol::Nats => Self::Nats(nats::Reader::new(terms)),
            Protocol::Mqtt => Self::Mqtt(mqtt::Reader::new(terms)),
            Protocol::JetStream => Self::JetStream(jetstream::Reader),
            Protocol::Redis => Self::Redis(redis::Reader),
            Protocol::Kafka => Self::Kafka(kafka::Reader),
        }
    }

    /// Whether from now on messages are told with channel and offset, as [`Heard::Publication`]. They are read whole for it.
    pub fn read_whole(&mut self, is_whole: bool) {
        match self {
            Self::Centrifuge(reader) => reader.read_whole(is_whole),
            // There is nothing that it passes over.
            Self::Floor(_) => {}
            _ => unreachable!("{REFUSED}"),
        }
    }

    /// Whether the server speaks before [`Writer::connect`]: it answers [`Writer::open`], or introduces itself.
    pub fn speaks_first(&self) -> bool {
        match self {
            Self::Centrifuge(reader) => reader.answers_open(),
            Self::FloorWebSocket(_) | Self::Nats(_) | Self::JetStream(_) => true,
            Self::Floor(_) | Self::Mqtt(_) | Self::Redis(_) | Self::Kafka(_) => false,
        }
    }

    /// Whether [`Writer::publish`] is answered.
    pub fn answers_publish(&self) -> bool {
        match self {
            Self::Floor(reader) => reader.answers_publish(),
            Self::FloorWebSocket(reader) => reader.answers_publish(),
            _ => true,
        }
    }

    /// Reads what the server says first: how many bytes it has; `None` while it is not whole.
    ///
    /// # Errors
    /// When the server does not let the connection be opened so.
    pub fn open(&self, input: &[u8]) -> Result<Option<usize>, Violation> {
        match self {
            Self::Centrifuge(reader) => reader.open(input),
            Self::FloorWebSocket(reader) => reader.open(input),
            Self::Nats(reader) => reader.open(input),
            Self::JetStream(_) => nats::open(input),
            Self::Floor(_) | Self::Mqtt(_) | Self::Redis(_) | Self::Kafka(_) => Ok(Some(0)),
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
            Self::FloorWebSocket(reader) => reader.read(input, hear),
            Self::Nats(reader) => reader.read(input, hear),
            Self::Mqtt(reader) => reader.read(input, hear),
            Self::JetStream(reader) => reader.read(input, hear),
            Self::Redis(reader) => reader.read(input, hear),
            Self::Kafka(reader) => reader.read(input, hear),
        }
    }
}
