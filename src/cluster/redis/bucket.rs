//! What a node knows of a bucket: the generation, the highest count, and up to where it has heard its messages.
//!
//! A bucket counts what it sends. Each counted message says the count of the one before it to the same listener, so that a hole
//! is seen; and a count that goes back says that the server has lost writes.

use bytes::Bytes;

use super::fault::Fault;
use super::pack::{Packed, Unpack};
use crate::model::Life;

/// Which life of a bucket: another one where writes were lost. Part of every epoch in it. All zeros: not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(pub [u8; 8]);

impl Generation {
    /// The generation that a life of a stream is in.
    pub fn of(life: Life) -> Self {
        Self(life.generation.to_be_bytes())
    }

    /// The life of a stream that was created so in it; that of no stream where nothing is kept.
    pub fn life(self, created: u64) -> Life {
        match created {
            0 => Life::default(),
            _ => Life { generation: u64::from_be_bytes(self.0), created },
        }
    }
}

/// Where a bucket stood when it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// Its generation.
    pub generation: Generation,
    /// How far it has counted.
    pub count: u64,
}

impl Stand {
    /// How many it is packed in.
    pub(super) const BYTES: usize = 14;

    pub(super) fn unpack(from: &mut Unpack) -> Result<Self, Fault> {
        Ok(Self { generation: Generation(from.eight()?), count: from.six()? })
    }

    /// Takes a later answer into account. Whether what was promised before still holds.
    pub fn learn(&mut self, other: Self) -> bool {
        let holds = self.generation == other.generation || self.generation == Generation::default();
        self.generation = other.generation;
        self.count = self.count.max(other.count);
        holds
    }
}

/// Which of its two channels a node hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// That of this node.
    Own,
    /// That of all nodes.
    All,
}

/// What kind of a message an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A publication, as its publisher packed it, or who came or left, packed likewise.
    Publication,
    /// A session was put: its client's id and its entry.
    SessionPut,
    /// A session was removed: its client's id.
    SessionRemoved,
    /// Who came or left, packed as by a publisher, where the node was dead, or taken for dead: a node that has the session knows
    /// better.
    Presence,
    /// Tokens were called back: until when they are refused, before when they were issued, and which.
    Revoked,
    /// The publications of a stream were removed, up to the offset; offsets go on.
    Removed,
    /// To its node: a session has lost its place to another of its user: its client's id, and why.
    Dismissed,
    /// A node asks this one.
    Asked,
    /// A node has answered this one.
    Answered,
    /// When the next publication of the bucket is due that is to come: the offset, Unix milliseconds, 0 for none; and what time it
    /// is there.
    Due,
    /// The ledger of a channel tells something ([`news::told`](super::news::told)).
    Ledger,
}

impl Kind {
    fn read(number: u8) -> Result<Self, Fault> {
        Ok(match number {
            0 => Self::Publication,
            1 => Self::SessionPut,
            2 => Self::SessionRemoved,
            3 => Self::Presence,
            4 => Self::Revoked,
            5 => Self::Removed,
            6 => Self::Dismissed,
            7 => Self::Asked,
            8 => Self::Answered,
            16 => Self::Ledger,
            17 => Self::Due,
            _ => return Err(Fault::Garbled),
        })
    }
}

/// One thing that a bucket tells its listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// The channel; of sessions 0x01 and the user.
    pub channel: String,
    /// Which creation of the stream within the generation; 0 where nothing is kept.
    pub created: u64,
    /// The publication's offset; 0 where nothing is kept.
    pub offset: u64,
    /// When Redis took it, Unix milliseconds; 0 where nothing is kept.
    pub time_ms: u64,
    /// What is told.
    pub body: Bytes,
}

impl Item {
    /// All that is left of a message.
    pub(super) fn unpack_all(mut from: Unpack) -> Result<Vec<Self>, Fault> {
        let mut items = Vec::new();
        while !from.is_empty() {
            items.push(Self::unpack(&mut from)?);
        }
        Ok(items)
    }

    fn unpack(from: &mut Unpack) -> Result<Self, Fault> {
        let kind = Kind::read(from.byte()?)?;
        let name = usize::from(from.byte()?);
        let (created, offset, time_ms, length) = (from.six()?, from.six()?, from.six()?, from.four()?);
        let channel = from.text_of(name)?;
        Ok(Self { kind, channel, created, offset, time_ms, body: from.take(length as usize)? })
    }
}

/// A publication as listeners take it; the place is creation, offset and time.
pub(super) fn publication(channel: &str, place: (u64, u64, u64), body: &[u8]) -> Vec<u8> {
    packed_publication(Packed::default(), channel, place, body).end()
}

/// The same, behind others.
pub(super) fn packed_publication(
    into: Packed,
    channel: &str,
    (created, offset, time_ms): (u64, u64, u64),
    body: &[u8],
) -> Packed {
    let item = into.byte(0).byte(channel.len() as u8).six(created).six(offset).six(time_ms);
    item.four(body.len() as u32).bytes(channel.as_bytes()).bytes(body)
}

/// What a message, or a comparison, shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// All was heard.
    Whole,
    /// Messages are missing before this one.
    Hole,
    /// The server knows less than what it has told: it has lost writes, and its generation must end.
    Behind,
    /// It is another generation.
    Another,
}

/// Up to where a node has heard a bucket.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    generation: Generation,
    /// The count of the last message by channel; none before the first comparison.
    last: [Option<u64>; 2],
    /// The server was seen to have lost writes of this generation: nothing of it counts any more, however it goes on.
    is_behind: bool,
}

impl Ear {
    /// Takes a message. Items of one that says that the server is behind are not to be delivered.
    ///
    /// # Errors
    /// [`Fault::Garbled`].
    pub fn hear(&mut self, channel: Channel, message: Bytes) -> Result<(Continuity, Vec<Item>), Fault> {
        let mut from = Unpack::new(message);
        let continuity = match from.byte()? {
            0 => Continuity::Whole,
            1 => {
                let stand = Stand::unpack(&mut from)?;
                let before = from.six()?;
                self.follow(channel, stand, before)
            }
            _ => return Err(Fault::Garbled),
        };
        Ok((continuity, Item::unpack_all(from)?))
    }

    fn follow(&mut self, channel: Channel, stand: Stand, before: u64) -> Continuity {
        if self.generation != stand.generation {
            let is_first = self.generation == Generation::default();
            *self = Self { generation: stand.generation, ..Self::default() };
            self.last[channel as usize] = Some(stand.count);
            return if is_first { Continuity::Whole } else { Continuity::Another };
        }
        if self.is_behind {
            return Continuity::Behind;
        }
        match self.last[channel as usize].replace(stand.count) {
            None => Continuity::Whole,
            Some(last) if before == last && stand.count > last => Continuity::Whole,
            Some(last) if before > last => Continuity::Hole,
            Some(_) => {
                self.is_behind = true;
                Continuity::Behind
            }
        }
    }

    /// Compares with what the server has sent, own and to all, when everything that had come until then was heard.
    pub fn compare(&mut self, generation: Generation, sent: [u64; 2]) -> Continuity {
        if self.generation != generation {
            let is_first = self.generation == Generation::default();
            *self = Self { generation, last: sent.map(Some), is_behind: false };
            return if is_first { Continuity::Whole } else { Continuity::Another };
        }
        if self.is_behind {
            return Continuity::Behind;
        }
        let mut continuity = Continuity::Whole;
        for (last, sent) in self.last.iter_mut().zip(sent) {
            match *last {
                Some(heard) if sent > heard => continuity = Continuity::Hole,
                // What was heard since the server answered is not in what it says.
                Some(_) => continue,
                // Another generation was heard of by the other channel; whether all of this one came is not known.
                None if sent > 0 => continuity = Continuity::Hole,
                None => {}
            }
            *last = Some(sent);
        }
        continuity
    }

    /// The generation of what was heard.
    pub fn generation(&self) -> Generation {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::Packed;
    use super::*;

    const FIRST: Generation = Generation([1; 8]);

    fn message(generation: Generation, count: u64, before: u64) -> Bytes {
        Packed::default().byte(1).bytes(&generation.0).six(count).six(before).end().into()
    }

    fn heard(ear: &mut Ear, count: u64, before: u64) -> Continuity {
        ear.hear(Channel::Own, message(FIRST, count, before)).unwrap().0
    }

    #[test]
    fn a_message_that_names_another_before_it_shows_a_hole() {
        let mut ear = Ear::default();
        assert_eq!(ear.compare(FIRST, [4, 0]), Continuity::Whole);
        assert_eq!(heard(&mut ear, 5, 4), Continuity::Whole);
        assert_eq!(heard(&mut ear, 9, 7), Continuity::Hole);
        assert_eq!(heard(&mut ear, 10, 9), Continuity::Whole);
    }

    #[test]
    fn the_two_channels_are_counted_apart() {
        let mut ear = Ear::default();
        ear.compare(FIRST, [4, 2]);
        assert_eq!(ear.hear(Channel::All, message(FIRST, 5, 2)).unwrap().0, Continuity::Whole);
        assert_eq!(heard(&mut ear, 6, 4), Continuity::Whole);
    }

    #[test]
    fn a_count_that_goes_back_shows_a_server_that_has_lost_writes() {
        let mut ear = Ear::default();
        ear.compare(FIRST, [9, 0]);
        assert_eq!(heard(&mut ear, 8, 7), Continuity::Behind);
        assert_eq!(
            heard(&mut ear, 10, 9),
            Continuity::Behind,
            "what follows is of the same generation, which must end"
        );
        assert_eq!(ear.compare(FIRST, [10, 0]), Continuity::Behind, "whoever was to end it has not");
        assert_eq!(ear.hear(Channel::Own, message(Generation([2; 8]), 11, 0)).unwrap().0, Continuity::Another);
    }

    #[test]
    fn a_silent_hole_is_found_by_comparing() {
        let mut ear = Ear::default();
        ear.compare(FIRST, [4, 0]);
        assert_eq!(ear.compare(FIRST, [4, 0]), Continuity::Whole);
        assert_eq!(ear.compare(FIRST, [6, 0]), Continuity::Hole);
        assert_eq!(heard(&mut ear, 7, 6), Continuity::Whole);
        assert_eq!(ear.compare(FIRST, [6, 0]), Continuity::Whole, "what came since is no loss");
    }

    #[test]
    fn what_the_other_channel_has_sent_before_a_generation_was_heard_of_may_be_missing() {
        let mut ear = Ear::default();
        ear.compare(FIRST, [4, 2]);
        let second = Generation([2; 8]);
        assert_eq!(ear.hear(Channel::Own, message(second, 11, 0)).unwrap().0, Continuity::Another);
        assert_eq!(ear.compare(second, [11, 10]), Continuity::Hole);
        assert_eq!(ear.compare(second, [11, 10]), Continuity::Whole);
    }

    #[test]
    fn what_is_cut_off_is_garbled() {
        let whole = Packed::default().byte(0).byte(0).byte(2).six(1).six(2).six(3).four(3).bytes(b"abxyz").end();
        let (_, items) = Ear::default().hear(Channel::Own, whole.clone().into()).unwrap();
        assert_eq!((items[0].channel.as_str(), &items[0].body[..]), ("ab", &b"xyz"[..]));
        for length in 2..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert_eq!(Ear::default().hear(Channel::Own, cut), Err(Fault::Garbled), "{length}");
        }
    }
}
