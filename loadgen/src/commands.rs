//! The commands that a client has sent and waits to be answered about.

use std::collections::VecDeque;

/// The first id of such a command: those below belong to the commands by which a client comes in.
const FIRST_ID: u32 = 1 << 20;
/// Ids go round after so many.
const IDS: u32 = 1 << 31;

/// What one client waits for; each command has something to be remembered by.
#[derive(Debug)]
pub struct Commands<T> {
    /// Of all its commands, the number of the first in `unanswered`; goes round with the ids.
    first: u32,
    /// By number; `None` where the answer has come.
    unanswered: VecDeque<Option<T>>,
}

impl<T> Default for Commands<T> {
    fn default() -> Self {
        Self { first: 0, unanswered: VecDeque::new() }
    }
}

impl<T> Commands<T> {
    /// A command is about to be sent: the id that it goes by.
    pub fn send(&mut self, command: T) -> u32 {
        let number = (self.first + self.unanswered.len() as u32) % IDS;
        self.unanswered.push_back(Some(command));
        FIRST_ID + number
    }

    /// The command that a reply with this id belongs to.
    pub fn answer(&mut self, id: u32) -> Option<T> {
        let number = id.checked_sub(FIRST_ID)?;
        let at = number.wrapping_sub(self.first) % IDS;
        let answered = self.unanswered.get_mut(at as usize)?.take();
        while self.unanswered.pop_front_if(|command| command.is_none()).is_some() {
            self.first = (self.first + 1) % IDS;
        }
        answered
    }

    /// The id of the oldest command that has no answer; if all have, of the next one.
    pub fn oldest(&self) -> u32 {
        FIRST_ID + self.first
    }

    /// Commands since the oldest that has no answer.
    pub fn waiting(&self) -> usize {
        self.unanswered.len()
    }

    /// What has no answer.
    pub fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.unanswered.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_find_their_commands_in_any_order_and_once() {
        let mut commands = Commands::default();
        let ids: Vec<_> = (0..3).map(|command| commands.send(command)).collect();
        assert_eq!(commands.answer(ids[1]), Some(1));
        assert_eq!(commands.answer(ids[1]), None);
        assert_eq!(commands.waiting(), 3, "the oldest still waits");
        assert_eq!(commands.answer(ids[0]), Some(0));
        assert_eq!(commands.waiting(), 1);
        assert_eq!(commands.unanswered().collect::<Vec<_>>(), [&2]);
        assert_eq!(commands.answer(ids[0]), None);
    }

    #[test]
    fn ids_that_were_never_given_are_unknown() {
        let mut commands = Commands::default();
        let id = commands.send(0);
        assert_eq!([0, FIRST_ID - 1, id + 1, u32::MAX].map(|id| commands.answer(id)), [None; 4]);
    }

    #[test]
    fn ids_go_round() {
        let mut commands = Commands { first: IDS - 1, ..Commands::default() };
        let (last, first) = (commands.send(7), commands.send(8));
        assert_eq!((last, first), (FIRST_ID + IDS - 1, FIRST_ID));
        assert_eq!(commands.answer(first), Some(8));
        assert_eq!(commands.answer(last), Some(7));
        assert_eq!(commands.waiting(), 0);
    }
}
