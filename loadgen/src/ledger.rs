//! One channel as all its subscribers together have seen it: which message has which offset.
//!
//! A subscriber checks for itself that it misses no offset. The ledger checks what no subscriber can see: that all
//! hear the same message at the same offset, that the messages of each connection keep their order, and that what the server
//! has taken has an offset at all. It needs no offset in the answer to a publish, since not every log knows it by then: each
//! message that was answered or heard must have one of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::fault::{Fault, Faults};
use crate::limits::{FORMER_LIVES_MAX, LEDGER_MESSAGES, LEDGER_SENT};

/// Stands where nobody has heard the message of an offset.
const UNHEARD: u32 = u32::MAX;

/// How a message contradicts what was heard or sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// Others have heard another message at this offset.
    Other,
    /// The message has another offset too.
    Twice,
    /// A later message of its connection has a lower offset.
    Overtaken,
    /// No such message was sent.
    Unsent,
}

impl Contradiction {
    /// What is wrong with the message, and how to say it behind its offset.
    pub(crate) fn told(self) -> (Fault, &'static str) {
        match self {
            Self::Other => (Fault::OutOfOrder, "where others heard another one"),
            Self::Overtaken => (Fault::OutOfOrder, "after a later one of the same connection"),
            Self::Twice => (Fault::Duplicate, "though it has another offset too"),
            Self::Unsent => (Fault::Damaged, "though it was never sent"),
        }
    }
}

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// The connection that sent it.
    connection: u32,
    place: Place,
}

/// What is known of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The server has not answered, and nobody has heard it.
    Unknown,
    /// The server has taken it, and nobody has heard it.
    Taken,
    /// It was heard at this offset.
    At(u64),
}

/// What was said in a channel, and who must have heard it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    epoch: Arc<str>,
    /// Its lives before: who has not been told of a new one is still in one of them.
    former: Vec<Arc<str>>,
    /// Where the stream stood when the first subscriber came; `None` before.
    base: Option<u64>,
    /// The highest offset that anybody was told or has heard.
    top: u64,
    /// By offset, up to `top`: the sequence of its message.
    heard: VecDeque<u32>,
    /// By sequence, up to the last that was sent.
    messages: VecDeque<Sent>,
    sent: u32,
    /// Messages that the server has taken, or somebody has heard: so many offsets there are at least.
    known: u32,
    refused: u32,
    /// The stream has begun anew: what was sent before may be in neither of its lives.
    has_begun_anew: bool,
}

impl Ledger {
    /// A message is about to be sent: its sequence.
    pub(crate) fn send(&mut self, connection: u32) -> u32 {
        push_bounded(&mut self.messages, Sent { connection, place: Place::Unknown }, LEDGER_SENT);
        self.sent += 1;
        self.sent - 1
    }

    /// The server has taken a message.
    pub(crate) fn taken(&mut self, sequence: u32) {
        if let Some(at) = self.at(sequence).filter(|at| self.messages[*at].place == Place::Unknown) {
            self.messages[at].place = Place::Taken;
            self.known += 1;
        }
    }

    /// The server has refused a message.
    pub(crate) fn refused(&mut self) {
        self.refused += 1;
    }

    /// Whether subscribers were told of another life of the stream, and of no such one.
    pub(crate) fn is_news(&self, epoch: &str) -> bool {
        self.base.is_some() && *self.epoch != *epoch && self.former(epoch).is_none()
    }

    fn former(&self, epoch: &str) -> Option<&Arc<str>> {
        self.former.iter().find(|former| ***former == *epoch)
    }

    /// Whether a subscriber who was told of this life is in the newest one.
    pub(crate) fn is_newest(&self, epoch: &Arc<str>) -> bool {
        // As a rule it is the one that was given out.
        Arc::ptr_eq(epoch, &self.epoch) || *epoch == self.epoch
    }

    /// A subscriber was told where the stream stands.
    pub(crate) fn told(&mut self, offset: u64, epoch: &str) -> Arc<str> {
        if let Some(former) = self.former(epoch) {
            return former.clone();
        }
        if self.base.is_none() || *self.epoch != *epoch {
            self.has_begun_anew = self.base.is_some();
            if self.has_begun_anew {
                self.former.push(self.epoch.clone());
                self.former.drain(..self.former.len().saturating_sub(FORMER_LIVES_MAX));
            }
            (self.epoch, self.base, self.top) = (epoch.into(), Some(offset), offset);
            self.heard.clear();
            // What was there before may come again, at other offsets.
            self.messages.iter_mut().for_each(|message| message.place = Place::Unknown);
            self.known = 0;
        }
        self.rise_to(offset);
        self.epoch.clone()
    }

    fn rise_to(&mut self, offset: u64) {
        let new = offset.saturating_sub(self.top).min(LEDGER_MESSAGES as u64);
        (0..new).for_each(|_| push_bounded(&mut self.heard, UNHEARD, LEDGER_MESSAGES));
        self.top = self.top.max(offset);
    }

    /// A subscriber has heard a message.
    ///
    /// # Errors
    /// How it contradicts what is known, as far back as that is remembered.
    pub(crate) fn hear(&mut self, offset: u64, sequence: u32) -> Result<(), Contradiction> {
        if sequence >= self.sent {
            return Err(Contradiction::Unsent);
        }
        self.rise_to(offset);
        let back = usize::try_from(self.top - offset).unwrap_or(usize::MAX);
        let at = self.heard.len().checked_sub(back + 1);
        match at.map(|at| self.heard[at]) {
            Some(heard) if heard == sequence => return Ok(()),
            Some(UNHEARD) | None => {}
            Some(_) => return Err(Contradiction::Other),
        }
        if let Some(at) = at {
            self.heard[at] = sequence;
        }
        self.place(sequence, offset)?;
        at.map_or(Ok(()), |at| self.check_order(at, sequence))
    }

    /// A message is at this offset, and nowhere else.
    fn place(&mut self, sequence: u32, offset: u64) -> Result<(), Contradiction> {
        let Some(at) = self.at(sequence) else { return Ok(()) };
        match std::mem::replace(&mut self.messages[at].place, Place::At(offset)) {
            Place::At(before) if before != offset => return Err(Contradiction::Twice),
            Place::At(_) | Place::Taken => {}
            Place::Unknown => self.known += 1,
        }
        Ok(())
    }

    /// The message that was first heard now, beside those around it.
    fn check_order(&self, at: usize, sequence: u32) -> Result<(), Contradiction> {
        let connection = self.connection(sequence);
        for (other_at, other) in self.heard.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            let in_order = (*other < sequence) == (other_at < at);
            if *other != UNHEARD && !in_order && connection.is_some() && self.connection(*other) == connection {
                return Err(Contradiction::Overtaken);
            }
        }
        Ok(())
    }

    /// Where a message is among those that are remembered.
    fn at(&self, sequence: u32) -> Option<usize> {
        self.messages.len().checked_sub((self.sent - sequence) as usize)
    }

    fn connection(&self, sequence: u32) -> Option<u32> {
        self.at(sequence).map(|at| self.messages[at].connection)
    }

    /// The highest offset that anybody was told or has heard.
    pub(crate) fn top(&self) -> u64 {
        self.top
    }

    /// How far a subscriber at this offset is behind.
    pub(crate) fn lag(&self, offset: u64) -> u64 {
        self.top.saturating_sub(offset)
    }

    /// Messages that were taken and have no offset, as far as others that nobody has heard cannot be they.
    pub(crate) fn lacks(&self) -> u64 {
        u64::from(self.known).saturating_sub(self.in_stream().unwrap_or(u64::MAX))
    }

    /// Offsets beyond what was sent and not refused.
    pub(crate) fn surplus(&self) -> u64 {
        self.in_stream().unwrap_or(0).saturating_sub(u64::from(self.sent - self.refused))
    }

    /// Nothing more comes: notes what the server has taken and given nobody, and what it has that nobody sent.
    pub(crate) fn finish(&self, channel: u32, faults: &mut Faults) {
        let (lacks, surplus) = (self.lacks(), self.surplus());
        if lacks > 0 {
            let told = || format!("{lacks} messages that channel {channel} has taken came to nobody");
            faults.note_many(Fault::Lost, lacks, told);
        }
        if surplus > 0 {
            let told = || format!("channel {channel} has {surplus} messages more than were sent");
            faults.note_many(Fault::Duplicate, surplus, told);
        }
    }

    /// How many offsets the stream has given, if that is known.
    fn in_stream(&self) -> Option<u64> {
        self.base.filter(|_| !self.has_begun_anew).map(|base| self.top - base)
    }
}

fn push_bounded<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A channel that stands at 10, with five messages by turns of the connections 0 and 1.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.told(10, "life");
        for connection in [0, 1, 0, 1, 0] {
            ledger.send(connection);
        }
        ledger
    }

    #[test]
    fn subscribers_who_hear_the_same_agree_however_late() {
        let mut ledger = ledger();
        for offset in [11, 11, 12, 13, 11, 12, 13] {
            assert_eq!(ledger.hear(offset, offset as u32 - 11), Ok(()));
        }
        assert_eq!((ledger.lag(11), ledger.lag(13)), (2, 0));
    }

    #[test]
    fn messages_of_different_connections_may_change_places() {
        let mut ledger = ledger();
        assert_eq!([(11, 1), (12, 0), (13, 2)].map(|(offset, sequence)| ledger.hear(offset, sequence)), [Ok(()); 3]);
    }

    #[test]
    fn messages_of_one_connection_may_not() {
        let mut ledger = ledger();
        assert_eq!([ledger.hear(11, 2), ledger.hear(12, 0)], [Ok(()), Err(Contradiction::Overtaken)]);
    }

    #[test]
    fn an_offset_has_one_message_and_a_message_one_offset() {
        let mut ledger = ledger();
        ledger.hear(11, 0).unwrap();
        assert_eq!(ledger.hear(11, 1), Err(Contradiction::Other));
        assert_eq!(ledger.hear(12, 0), Err(Contradiction::Twice));
    }

    #[test]
    fn what_was_never_sent_is_no_message() {
        assert_eq!(ledger().hear(11, 5), Err(Contradiction::Unsent));
    }

    #[test]
    fn what_was_taken_and_has_no_offset_is_lacking_and_what_was_not_sent_is_surplus() {
        let mut ledger = ledger();
        ledger.hear(13, 2).unwrap();
        (0..4).for_each(|sequence| ledger.taken(sequence));
        assert_eq!((ledger.lacks(), ledger.surplus()), (1, 0));
        ledger.refused();
        ledger.told(15, "life");
        assert_eq!((ledger.lacks(), ledger.surplus()), (0, 1));
    }

    #[test]
    fn what_was_not_answered_and_is_there_does_not_stand_for_what_was_answered_and_is_not() {
        let mut ledger = ledger();
        ledger.hear(11, 0).unwrap();
        ledger.hear(12, 1).unwrap();
        assert_eq!(ledger.lacks(), 0, "neither was answered yet");
        ledger.taken(2);
        ledger.taken(1);
        assert_eq!(ledger.lacks(), 1, "as many are there as were answered, but not those");
        // Nobody has heard what is at 13: it may be that one.
        ledger.told(13, "life");
        assert_eq!((ledger.lacks(), ledger.surplus()), (0, 0));
    }

    #[test]
    fn a_message_that_comes_again_long_after_is_found() {
        let mut ledger = ledger();
        ledger.hear(11, 0).unwrap();
        let later = 11 + 2 * LEDGER_MESSAGES as u64;
        assert_eq!(ledger.hear(later, 0), Err(Contradiction::Twice));
        assert_eq!(ledger.hear(later, 0), Ok(()), "it was told once");
    }

    #[test]
    fn a_message_may_come_again_in_another_life() {
        let mut ledger = ledger();
        ledger.hear(13, 0).unwrap();
        ledger.told(0, "another life");
        assert_eq!(ledger.hear(1, 0), Ok(()));
        assert_eq!(ledger.hear(2, 0), Err(Contradiction::Twice));
    }

    #[test]
    fn a_new_life_of_the_stream_counts_from_its_own_beginning_and_claims_nothing() {
        let mut ledger = ledger();
        ledger.hear(11, 0).unwrap();
        ledger.taken(1);
        ledger.told(0, "another life");
        assert_eq!((ledger.lacks(), ledger.surplus(), ledger.lag(0)), (0, 0, 0));
        assert_eq!(ledger.hear(1, 3), Ok(()));
    }

    #[test]
    fn who_is_still_in_a_former_life_is_known_and_brings_it_not_back() {
        let mut ledger = ledger();
        let before = ledger.told(12, "life");
        assert!(ledger.is_newest(&before) && ledger.is_news("another life"));
        let after = ledger.told(0, "another life");
        assert_eq!(ledger.told(13, "life"), before);
        assert!(ledger.is_newest(&after) && !ledger.is_newest(&before) && !ledger.is_news("life"));
        assert_eq!(ledger.top(), 0, "the new life is where it was");
    }

    #[test]
    fn an_offset_far_off_costs_no_memory() {
        let mut ledger = ledger();
        ledger.hear(11, 0).unwrap();
        ledger.hear(u64::MAX, 1).unwrap();
        assert_eq!(ledger.heard.len(), LEDGER_MESSAGES);
        assert_eq!(ledger.hear(12, 2), Ok(()), "too long ago to tell");
    }
}
