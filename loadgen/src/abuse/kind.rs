//! The kinds of abuse: who there is, and what an abuser says.

use clap::ValueEnum;

use crate::payload::{Payloads, Stamp};
use crate::protocol::Writer;

/// A way to ask for too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Clients of a large room ask who is there, thousands of times in one write, and read nothing
    PresenceFlood,
    /// One client publishes a megabyte of small messages at a time into a room whose members read
    PublishFlood,
    /// Clients join and leave a room in a loop; worst where the members are told of each
    SubscribeLoop,
    /// Two clients publish messages of 2 KB as fast as they are taken into a room whose members are on all shards
    ShardFlood,
    /// Clients on a slow link ask for a history of 250 messages of 8 KB, again and again
    SlowHistory,
    /// HTTP connections that make one request and stay
    IdleHttp,
    /// Sockets that say nothing
    SilentSockets,
    /// One client publishes 60 times a second into a large room; no abuse, but work that others must not wait for
    LargeRoom,
}

/// What an abuser says at once.
#[derive(Debug)]
pub(super) struct Batch {
    /// Commands of the batch.
    commands: u32,
    /// What each of them is.
    command: Command,
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Presence,
    Publish,
    JoinAndLeave,
    History,
}

/// How an abuser goes on after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With another batch, once this one has left.
    WhenSent,
    /// With another batch, after so many milliseconds.
    After(u64),
    /// It reads nothing, and comes anew after so many milliseconds.
    Anew(u64),
}

/// A request that an abuser makes in plain HTTP: one that needs no key.
pub(super) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: abuse\r\n\r\n";

/// Messages that a history is made of before it is asked for.
const HISTORY_MESSAGES: u32 = 250;

impl Kind {
    /// How many members the room has, unless others are asked for.
    pub fn members(self) -> u32 {
        match self {
            Self::PresenceFlood => 15_000,
            Self::PublishFlood => 2_000,
            Self::SubscribeLoop | Self::LargeRoom => 1_000,
            Self::ShardFlood => 1_500,
            Self::SlowHistory | Self::IdleHttp | Self::SilentSockets => 0,
        }
    }

    /// How many abusers there are, unless others are asked for.
    pub fn abusers(self) -> u32 {
        match self {
            Self::PresenceFlood | Self::SubscribeLoop => 10,
            Self::PublishFlood | Self::LargeRoom => 1,
            Self::ShardFlood => 2,
            Self::SlowHistory => 20,
            Self::IdleHttp => 512,
            Self::SilentSockets => 3_000,
        }
    }

    /// Whether abusers speak the client protocol.
    pub(super) fn are_clients(self) -> bool {
        !matches!(self, Self::IdleHttp | Self::SilentSockets)
    }

    /// Whether abusers are members of the room before they begin: asking who is there, and for its history, takes that.
    pub(super) fn are_in_the_room(self) -> bool {
        matches!(self, Self::PresenceFlood | Self::SlowHistory)
    }

    /// Of each message that is published, bytes.
    pub(super) fn payload_bytes(self) -> usize {
        match self {
            Self::ShardFlood => 2 * 1024,
            Self::SlowHistory => 8 * 1024,
            _ => 64,
        }
    }

    /// What abusers read at most, bytes a second; `None`: all that comes.
    pub(super) fn reads_per_s(self) -> Option<usize> {
        // 2 Mbit.
        (self == Self::SlowHistory).then_some(250_000)
    }

    /// What the first abuser says once, before anybody begins.
    pub(super) fn prelude(self) -> Option<Batch> {
        (self == Self::SlowHistory).then_some(Batch { commands: HISTORY_MESSAGES, command: Command::Publish })
    }

    /// What an abuser says at once, and how it goes on.
    pub(super) fn batch(self) -> (Batch, Next) {
        let (commands, command, next) = match self {
            // About 460 KB.
            Self::PresenceFlood => (8_500, Command::Presence, Next::Anew(1_000)),
            // About a megabyte.
            Self::PublishFlood => (8_000, Command::Publish, Next::WhenSent),
            Self::SubscribeLoop => (100, Command::JoinAndLeave, Next::WhenSent),
            Self::ShardFlood => (32, Command::Publish, Next::WhenSent),
            Self::SlowHistory => (1, Command::History, Next::After(500)),
            Self::LargeRoom => (1, Command::Publish, Next::After(1_000 / 60)),
            Self::IdleHttp | Self::SilentSockets => unreachable!("they are no clients"),
        };
        (Batch { commands, command }, next)
    }
}

impl Batch {
    /// Appends the batch: commands to a room, the first with this id. The id of the next one.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        payloads: &mut Payloads,
        room: &str,
        first_id: u32,
        out: &mut Vec<u8>,
    ) -> u32 {
        let mut id = first_id;
        for sequence in 0..self.commands {
            match self.command {
                Command::Presence => writer.presence(id, room, out),
                Command::Publish => {
                    writer.publish(id, room, payloads.write(Stamp { stream: 0, sequence, due_ns: 0 }), out);
                }
                Command::JoinAndLeave => {
                    writer.subscribe(id, room, out);
                    id += 1;
                    writer.unsubscribe(id, room, out);
                }
                Command::History => writer.history(id, room, None, HISTORY_MESSAGES, out),
            }
            id += 1;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use ringpost::protocol::centrifuge::Encoding;

    use super::*;
    use crate::protocol::Terms;
    use crate::target::Target;

    fn written(kind: Kind) -> usize {
        let target = Target::parse("ws://127.0.0.1:1/").unwrap();
        let payload_bytes = kind.payload_bytes();
        let terms = Terms { encoding: Encoding::Json, payload_bytes, has_audience: true };
        let (mut writer, mut payloads, mut out) =
            (Writer::new(&target, &terms), Payloads::new(payload_bytes), Vec::new());
        let (batch, _) = kind.batch();
        assert!(batch.write(&mut writer, &mut payloads, "seen:abuse", 100, &mut out) > 100);
        out.len()
    }

    #[test]
    fn floods_are_as_long_as_those_that_broke_servers() {
        let presence = written(Kind::PresenceFlood);
        assert!((440_000..480_000).contains(&presence), "{presence}");
        let publishes = written(Kind::PublishFlood);
        assert!((950_000..1_150_000).contains(&publishes), "{publishes}");
        assert!(written(Kind::ShardFlood) > 32 * 2048);
    }

    #[test]
    fn every_kind_has_somebody_who_asks_for_too_much() {
        for kind in Kind::value_variants() {
            assert!(kind.abusers() > 0, "{kind:?}");
            assert_eq!(kind.prelude().is_some(), *kind == Kind::SlowHistory);
            assert!(kind.are_clients() || kind.members() == 0, "{kind:?}");
        }
    }
}
