//! What a scenario comes down to: who connects, who hears which channel, who publishes where, at which pace.

use serde::{Deserialize, Serialize};

/// What a run does. Clients, channels and streams are numbered from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The channels that each client subscribes to.
    pub clients: Vec<Vec<u32>>,
    /// How many channels there are.
    pub channels: u32,
    /// Each a publisher and a channel.
    pub streams: Vec<Stream>,
    /// What is done once all clients are there.
    pub load: Load,
}

/// The messages of one client to one channel, which have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// By number.
    pub publisher: u32,
    /// By number.
    pub channel: u32,
}

/// What is done once all clients are there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Nothing.
    Idle,
    /// The streams' messages, in turn.
    Publish(Pace),
    /// The streams' clients, in turn, ping the server.
    Ping(Pace),
    /// The streams' messages, in turn, while some of their subscribers do not read.
    Slow(Slow),
    /// The streams' messages, in turn, while their subscribers say how far they have received.
    Receive(Receive),
    /// More clients come and go.
    Connect {
        /// How many a second.
        rate_per_s: f64,
        /// How long each stays, nanoseconds.
        stay_ns: u64,
    },
    /// Clients come all at once, when the measuring begins.
    Storm(Storm),
    /// Clients lose their connections, miss messages, and recover them all at once.
    Recover(Recovery),
    /// People talk, write to one another, look who is there, move, and lose their connections.
    Chat(Day),
    /// Devices of users receive at least once, and lose their connections.
    Inbox(Inbox),
}

impl Load {
    /// Whether it can be checked only by who sees all of it: then each load process has one of its own.
    pub fn is_seen_whole(&self) -> bool {
        matches!(self, Self::Chat(_) | Self::Inbox(_))
    }

    /// Whether somebody says how far it has received, which the server knows by its user and device.
    pub fn is_received(&self) -> bool {
        matches!(self, Self::Inbox(_) | Self::Receive(_))
    }

    /// Whether each message of a stream waits for those before it to arrive.
    pub fn is_closed_loop(&self) -> bool {
        let (Self::Publish(pace) | Self::Receive(Receive { pace, .. })) = self else { return false };
        matches!(pace, Pace::Closed { .. })
    }
}

/// Subscribers that stop reading when the measuring begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// How fast messages are sent: an open loop, which waits for nobody.
    pub pace: Pace,
    /// How many stop: the first clients of the plan.
    pub clients: u32,
    /// How long they do not read, nanoseconds; `None`: until the load ends.
    pub pause_ns: Option<u64>,
    /// Receive buffer of their sockets, bytes.
    pub receive_buffer_bytes: usize,
}

/// Subscribers that receive at least once, each of one channel, and say how far they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Receive {
    /// How fast messages are sent.
    pub pace: Pace,
    /// How many: the first clients of the plan.
    pub clients: u32,
    /// How long after one word of a subscriber the next one is due, nanoseconds.
    pub every_ns: u64,
    /// Whether each word is answered. Where not, the last of each subscriber is.
    pub are_answered: bool,
    /// Whether a word that is due waits for the next message to go with, for as long again at the most.
    pub with_messages: bool,
}

/// Clients that come all at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Storm {
    /// How many come.
    pub clients: u32,
    /// How the connections end that they have: they are the first clients of the plan. `None`: they are further
    /// clients and have none yet.
    pub breakage: Option<Breakage>,
    /// Each comes after a random time up to this, nanoseconds, and twice as long for each time that it is turned
    /// away; 0: at once and once only.
    pub backoff_ns: u64,
    /// The longest of these times, nanoseconds.
    pub backoff_max_ns: u64,
}

/// Clients that miss messages and recover them all at once. One more client publishes what they miss: the last of the
/// plan, a stream in each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How many: the first clients of the plan, in turn over the channels.
    pub clients: u32,
    /// How many channels.
    pub channels: u32,
    /// Messages that are missed in each channel.
    pub missed: u32,
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Breakage {
    /// The clients close them.
    Close,
    /// The clients reset them, as if they were gone.
    Reset,
    /// The server ends them, when it will.
    Server,
}

/// A day of a chat. Every client is a user; channels are rooms first, then one for the typing in each room where that
/// is shown, then one of each user's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Day {
    /// How many rooms.
    pub rooms: u32,
    /// What all that is drawn follows from.
    pub seed: u64,
    /// Messages a second, of all users together.
    pub messages_per_s: f64,
    /// Share of messages that go to a user instead of a room.
    pub direct_share: f64,
    /// Share of messages in rooms that are seen being written.
    pub typing_share: f64,
    /// How long before its message, nanoseconds.
    pub typing_lead_ns: u64,
    /// Questions a second who is in a room.
    pub presence_per_s: f64,
    /// Users a second who leave a room for another one.
    pub moves_per_s: f64,
    /// Users a second who lose their connection.
    pub drops_per_s: f64,
    /// How long they are away, nanoseconds.
    pub pause_ns: u64,
    /// Whether it is a fault when a server cannot give them all that they missed.
    pub expect_recovery: bool,
    /// Whether the server may end connections and subscriptions, and refuse for a while: who is cut off comes back.
    pub restarts: bool,
}

impl Day {
    /// Channels that all users together have no part in: rooms, and the typing in them.
    fn shared(&self) -> u32 {
        if self.typing_share > 0.0 { 2 * self.rooms } else { self.rooms }
    }

    /// Whether a channel is a room.
    pub fn is_room(&self, channel: u32) -> bool {
        channel < self.rooms
    }

    /// Where the typing in a room is shown, if it is.
    pub fn typing_in(&self, room: u32) -> Option<u32> {
        (self.typing_share > 0.0).then_some(self.rooms + room)
    }

    /// A user's own channel.
    pub fn own(&self, user: u32) -> u32 {
        self.shared() + user
    }

    /// Whether what is published in a channel is kept for those who are away.
    pub fn is_kept(&self, channel: u32) -> bool {
        self.is_room(channel) || channel >= self.shared()
    }
}

/// Users who receive at least once, each with several devices and in one channel. The first clients are their devices,
/// user after user; then comes a publisher for each channel, who hears nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inbox {
    /// How many users, in turn over the channels.
    pub users: u32,
    /// How many devices each has.
    pub devices: u32,
    /// How many channels.
    pub channels: u32,
    /// What all that is drawn follows from.
    pub seed: u64,
    /// Messages a second, of all publishers together.
    pub messages_per_s: f64,
    /// Devices a second that lose their connection.
    pub drops_per_s: f64,
    /// How long they are away, nanoseconds.
    pub pause_ns: u64,
    /// Whether the server may end connections: who loses one so comes back as well.
    pub restarts: bool,
}

impl Inbox {
    /// How many clients are devices.
    pub fn all_devices(&self) -> u32 {
        self.users * self.devices
    }

    /// The user whose device a client is, and which one; publishers are users of their own.
    pub fn who(&self, client: u32) -> (u32, Option<u32>) {
        match client.checked_sub(self.all_devices()) {
            None => (client / self.devices, Some(client % self.devices)),
            Some(publisher) => (self.users + publisher, None),
        }
    }

    /// The channel where a client hears, or publishes.
    pub fn channel(&self, client: u32) -> u32 {
        match self.who(client) {
            (user, Some(_)) => user % self.channels,
            (publisher, None) => publisher - self.users,
        }
    }
}

/// What decides when a message is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// A schedule: an open loop.
    Open {
        /// Messages a second, of all streams together.
        rate_per_s: f64,
        /// Messages that are due at once.
        burst: u32,
    },
    /// The messages before it: a closed loop. So many of each stream are under way.
    Closed {
        /// Messages of a stream that may be under way at once.
        outstanding: u32,
        /// Messages of a stream that are due at once, when there is room for as many.
        burst: u32,
    },
}

impl Plan {
    /// The receive buffer of a client's socket, bytes; `None`: the kernel chooses.
    pub fn receive_buffer_bytes(&self, client: u32) -> Option<usize> {
        match &self.load {
            Load::Slow(slow) if client < slow.clients => Some(slow.receive_buffer_bytes),
            _ => None,
        }
    }

    /// The number of a client's user, and of the user's device where several have one.
    pub fn who(&self, client: u32) -> (u32, Option<u32>) {
        match &self.load {
            Load::Inbox(inbox) => inbox.who(client),
            _ => (client, None),
        }
    }

    /// How many clients hear each channel.
    pub fn audiences(&self) -> Vec<u32> {
        let mut audiences = vec![0; self.channels as usize];
        for channel in self.clients.iter().flatten() {
            audiences[*channel as usize] += 1;
        }
        audiences
    }
}
