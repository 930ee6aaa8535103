//! What a publisher waits for: the replies to what it has sent.

use std::collections::VecDeque;

/// The first id of a publish command: those below belong to connect and subscribe commands.
const FIRST_ID: u32 = 1 << 20;
/// Ids go round after so many.
const IDS: u32 = 1 << 31;

/// A publish command that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// Its stream.
    pub(super) stream: u32,
    /// Its place there.
    pub(super) sequence: u32,
    /// When it was due.
    pub(super) due_ns: u64,
}

/// What one client waits for.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    /// Of all its commands, the number of the first in `unanswered`; goes round with the ids.
    first: u32,
    /// By number; `None` where the answer has come.
    unanswered: VecDeque<Option<Unanswered>>,
}

impl Publisher {
    /// A command is about to be sent: the id that it goes by.
    pub(super) fn send(&mut self, command: Unanswered) -> u32 {
        let number = (self.first + self.unanswered.len() as u32) % IDS;
        self.unanswered.push_back(Some(command));
        FIRST_ID + number
    }

    /// The command that a reply with this id belongs to.
    pub(super) fn answer(&mut self, id: u32) -> Option<Unanswered> {
        let number = id.checked_sub(FIRST_ID)?;
        let at = number.wrapping_sub(self.first) % IDS;
        let answered = self.unanswered.get_mut(at as usize)?.take();
        while self.unanswered.front() == Some(&None) {
            self.unanswered.pop_front();
            self.first = (self.first + 1) % IDS;
        }
        answered
    }

    /// The id of the oldest command that has no answer; if all have, of the next one.
    pub(super) fn oldest(&self) -> u32 {
        FIRST_ID + self.first
    }

    /// Commands since the oldest that has no answer.
    pub(super) fn waiting(&self) -> usize {
        self.unanswered.len()
    }

    /// What has no answer.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Unanswered> {
        self.unanswered.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(sequence: u32) -> Unanswered {
        Unanswered { stream: 0, sequence, due_ns: 0 }
    }

    #[test]
    fn replies_find_their_commands_in_any_order_and_once() {
        let mut publisher = Publisher::default();
        let ids: Vec<_> = (0..3).map(|sequence| publisher.send(command(sequence))).collect();
        assert_eq!(publisher.answer(ids[1]), Some(command(1)));
        assert_eq!(publisher.answer(ids[1]), None);
        assert_eq!(publisher.waiting(), 3, "the oldest still waits");
        assert_eq!(publisher.answer(ids[0]), Some(command(0)));
        assert_eq!(publisher.waiting(), 1);
        assert_eq!(publisher.unanswered().collect::<Vec<_>>(), [&command(2)]);
        assert_eq!(publisher.answer(ids[0]), None);
    }

    #[test]
    fn ids_that_were_never_given_are_unknown() {
        let mut publisher = Publisher::default();
        let id = publisher.send(command(0));
        assert_eq!([0, FIRST_ID - 1, id + 1, u32::MAX].map(|id| publisher.answer(id)), [None; 4]);
    }

    #[test]
    fn ids_go_round() {
        let mut publisher = Publisher { first: IDS - 1, ..Publisher::default() };
        let (last, first) = (publisher.send(command(7)), publisher.send(command(8)));
        assert_eq!((last, first), (FIRST_ID + IDS - 1, FIRST_ID));
        assert_eq!(publisher.answer(first), Some(command(8)));
        assert_eq!(publisher.answer(last), Some(command(7)));
        assert_eq!(publisher.waiting(), 0);
    }
}
