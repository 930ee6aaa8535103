//! What was sent, answered and shown, and what of it a node that was killed still knows.
//!
//! A message is *acknowledged* when its publish was answered, *unanswered* when its connection ended before. What anybody
//! was shown at an offset (as it came, by recovery, or on a page of history) must be there ever after, as long as the epoch
//! lasts; so must be what was acknowledged. What was not answered may be there or not.
//!
//! Knows no connection and no clock. A *look* is the whole history of a channel, page by page.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::told::{Counts, Wrong};
use crate::limits::FAULT_EXAMPLES_MAX;

/// A message: the stream of its publisher in a channel, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    /// Of a publisher to a channel.
    pub(super) stream: u32,
    /// From 0, in the order in which they were sent.
    pub(super) sequence: u32,
}

/// What is known of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    UnderWay,
    Acknowledged,
    Unanswered,
    /// Nothing more is to be found out: it was refused, found, or missed once.
    Settled,
}

#[derive(Debug, Default)]
struct Channel {
    epoch: String,
    /// The offset up to which its subscriber has all.
    position: u64,
    /// What anybody was shown, by offset.
    shown: BTreeMap<u64, Message>,
    /// The same by message.
    places: HashMap<Message, u64>,
    fates: HashMap<Message, Fate>,
    /// The look that is under way.
    look: BTreeMap<u64, Message>,
}

/// What was sent, answered and shown in all channels.
#[derive(Debug)]
pub(super) struct Ledger {
    channels: Vec<Channel>,
    counts: Counts,
    examples: Vec<String>,
}

impl Ledger {
    /// Of so many channels, in which nothing was sent.
    pub(super) fn new(channels: usize) -> Self {
        let channels = std::iter::repeat_with(Channel::default).take(channels).collect();
        Self { channels, counts: Counts::default(), examples: Vec::new() }
    }

    /// What was counted since this was asked for the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The first things that were wrong, for a person.
    pub(super) fn examples(&self) -> &[String] {
        &self.examples
    }

    fn wrong(&mut self, wrong: Wrong, describe: impl FnOnce() -> String) {
        *self.counts.wrong.entry(wrong).or_default() += 1;
        if self.examples.len() < FAULT_EXAMPLES_MAX {
            self.examples.push(describe());
        }
    }

    /// Where a channel's subscriber goes on: offset and epoch; `None` before it has begun.
    pub(super) fn position(&self, channel: usize) -> Option<(u64, &str)> {
        let Channel { position, epoch, .. } = &self.channels[channel];
        (!epoch.is_empty()).then_some((*position, epoch.as_str()))
    }

    /// A message goes out.
    pub(super) fn sends(&mut self, channel: usize, message: Message) {
        self.channels[channel].fates.insert(message, Fate::UnderWay);
    }

    /// Its publish was answered.
    pub(super) fn acknowledged(&mut self, channel: usize, message: Message) {
        self.channels[channel].fates.insert(message, Fate::Acknowledged);
        self.counts.acknowledged += 1;
    }

    /// Its publish was refused.
    pub(super) fn refused(&mut self, channel: usize, message: Message) {
        self.channels[channel].fates.insert(message, Fate::Settled);
        self.counts.refused += 1;
    }

    /// All connections have ended: what is under way is never answered.
    pub(super) fn cut(&mut self) {
        for fate in self.channels.iter_mut().flat_map(|channel| channel.fates.values_mut()) {
            if *fate == Fate::UnderWay {
                *fate = Fate::Unanswered;
                self.counts.unanswered += 1;
            }
        }
    }

    /// The subscriber of a channel is in: the offset before what follows, and whether all that it missed does.
    pub(super) fn joined(&mut self, at: usize, epoch: &str, offset: u64, is_recovered: bool) {
        let channel = &mut self.channels[at];
        let (is_first, is_same, position) = (channel.epoch.is_empty(), channel.epoch == epoch, channel.position);
        channel.position = offset;
        if !is_same {
            channel.epoch = epoch.to_owned();
            channel.shown.clear();
            channel.places.clear();
        }
        if is_first {
            return;
        }
        if !is_same {
            self.wrong(Wrong::Epoch, || format!("channel {at} has begun anew, in epoch {epoch}"));
        }
        if !is_recovered {
            self.wrong(Wrong::Unrecovered, || format!("the subscriber of channel {at} did not recover"));
        } else if offset != position {
            self.wrong(Wrong::Gap, || format!("channel {at} goes on after {offset}, its subscriber was at {position}"));
        }
    }

    /// The subscriber of a channel hears a message, as it comes or by recovery.
    pub(super) fn heard(&mut self, at: usize, offset: u64, message: Message) {
        let channel = &mut self.channels[at];
        let position = channel.position;
        channel.position = position.max(offset);
        if offset <= position {
            self.wrong(Wrong::Duplicate, || format!("offset {offset} of channel {at} came again after {position}"));
        } else if offset != position + 1 {
            self.wrong(Wrong::Gap, || format!("offset {offset} of channel {at} came after {position}"));
        }
        self.shows(at, offset, message);
    }

    /// Something else than a message of ours was in a channel.
    pub(super) fn damaged(&mut self, channel: usize) {
        self.wrong(Wrong::Strange, || format!("what came in channel {channel} was never sent"));
    }

    /// Somebody is shown a message at an offset.
    fn shows(&mut self, at: usize, offset: u64, message: Message) {
        let channel = &mut self.channels[at];
        let is_known = channel.fates.contains_key(&message);
        let before = channel.shown.insert(offset, message);
        let place = channel.places.insert(message, offset);
        if !is_known {
            self.damaged(at);
        }
        if before.is_some_and(|before| before != message) {
            self.wrong(Wrong::Reused, || format!("offset {offset} of channel {at} is of two messages"));
        }
        if let Some(place) = place.filter(|place| *place != offset) {
            self.wrong(Wrong::Twice, || format!("a message is at {place} and at {offset} of channel {at}"));
        }
    }

    /// A message is on a page of the history.
    pub(super) fn kept(&mut self, channel: usize, offset: u64, message: Message) {
        self.channels[channel].look.insert(offset, message);
    }

    /// The pages of a channel have all been read, up to `top`: is everything there?
    pub(super) fn looked(&mut self, at: usize, top: u64) {
        let look = std::mem::take(&mut self.channels[at].look);
        let shown = std::mem::take(&mut self.channels[at].shown);
        for (offset, _) in shown.range(..).filter(|(offset, _)| !look.contains_key(offset)) {
            self.wrong(Wrong::Vanished, || format!("offset {offset} of channel {at} was shown and is gone"));
        }
        self.channels[at].shown = shown;
        let holes = (top as usize).saturating_sub(look.len());
        if holes > 0 {
            self.wrong(Wrong::Hole, || format!("{holes} of {top} offsets of channel {at} are not in its history"));
        }
        for (offset, message) in &look {
            self.shows(at, *offset, *message);
        }
        self.look_at_order(at, &look);
        self.settle(at, &look);
    }

    /// The messages of one publisher must be in the order in which they were sent.
    fn look_at_order(&mut self, at: usize, look: &BTreeMap<u64, Message>) {
        let mut last: HashMap<u32, u32> = HashMap::new();
        for (offset, Message { stream, sequence }) in look {
            if last.insert(*stream, *sequence).is_some_and(|before| before > *sequence) {
                self.wrong(Wrong::OutOfOrder, || format!("offset {offset} of channel {at} comes before its turn"));
            }
        }
    }

    /// What was acknowledged must be there; what was not answered may be.
    fn settle(&mut self, at: usize, look: &BTreeMap<u64, Message>) {
        let found: HashSet<_> = look.values().collect();
        let mut missing = Vec::new();
        let Self { channels, counts, .. } = self;
        for (message, fate) in &mut channels[at].fates {
            match (*fate, found.contains(message)) {
                (Fate::Acknowledged, false) => {
                    *fate = Fate::Settled;
                    missing.push(*message);
                }
                (Fate::Unanswered, true) => {
                    // From now on it has been shown, and must stay.
                    *fate = Fate::Acknowledged;
                    counts.unanswered_kept += 1;
                }
                (Fate::Unanswered, false) => *fate = Fate::Settled,
                _ => {}
            }
        }
        missing.sort_unstable();
        for Message { stream, sequence } in missing {
            self.wrong(Wrong::Missing, || {
                format!("message {sequence} of publisher {stream} to channel {at} was acknowledged and is gone")
            });
        }
    }
}

#[cfg(test)]
mod tests;
