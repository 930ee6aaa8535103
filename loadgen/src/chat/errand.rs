//! How errands are done: who does them, where, and what that is in commands.

use super::agenda::{Due, Errand};
use super::user::{Asked, Stage, Subscription, User};
use super::{Action, Chat};
use crate::dice::Draw;
use crate::limits::{CANDIDATES_MAX, UNANSWERED_MAX};
use crate::measure::{Count, Interval};
use crate::payload::Stamp;
use crate::presence::Presence;

impl Chat {
    /// Does an errand; what it comes down to are the actions. Whether there was anybody who could do it.
    pub(super) fn run_errand(&mut self, due: Due, interval: &mut Interval) -> bool {
        let Due { errand, number, due_ns } = due;
        match errand {
            Errand::Type => self.speak(number, due_ns, true, interval),
            Errand::Speak => self.speak(number, due_ns, false, interval),
            Errand::Ask => self.ask(number, due_ns),
            Errand::Move => self.move_on(number, due_ns, interval),
            Errand::Drop => self.drop_connection(number, due_ns, interval),
        }
        .is_some()
    }

    /// The user that was drawn, or the next one who can.
    fn somebody(&self, draw: Draw, number: u64, can: impl Fn(&User) -> bool) -> Option<u32> {
        let users = self.users.len() as u32;
        let first = self.dice.below(draw, number, self.users.len()) as u32;
        let candidates = (0..users.min(CANDIDATES_MAX)).map(|next| (first + next) % users);
        candidates.into_iter().find(|user| {
            let user = &self.users[*user as usize];
            user.presence == Presence::Here && user.commands.waiting() < UNANSWERED_MAX && can(user)
        })
    }

    /// One of the rooms that a user is in.
    fn room_of(&self, user: u32, draw: Draw, number: u64) -> Option<u32> {
        let mut rooms = self.users[user as usize].rooms(&self.day);
        let count = rooms.clone().count();
        rooms.nth(self.dice.below(draw, number, count.max(1)))
    }

    /// A message, or the typing before it. Both draw the same user and the same room.
    fn speak(&mut self, number: u64, due_ns: u64, is_typing: bool, interval: &mut Interval) -> Option<()> {
        let is_direct = self.dice.share(Draw::IsDirect, number, self.day.direct_share);
        if is_typing && (is_direct || !self.dice.share(Draw::IsTyping, number, self.day.typing_share)) {
            return Some(());
        }
        let (channel, user, count) = if is_direct {
            let user = self.somebody(Draw::Speaker, number, |_| true)?;
            let others = self.users.len() - 1;
            let contact = user as usize + 1 + self.dice.below(Draw::Contact, number, others);
            (self.day.own((contact % self.users.len()) as u32), user, Count::Direct)
        } else {
            let user = self.somebody(Draw::Speaker, number, |user| user.is_in_a_room(&self.day))?;
            let room = self.room_of(user, Draw::Room, number)?;
            match is_typing {
                true => (self.day.typing_in(room)?, user, Count::Typing),
                false => (room, user, Count::InRooms),
            }
        };
        let speaker = &mut self.users[user as usize];
        let sequence = self.ledgers[channel as usize].send(speaker.connection);
        let id = speaker.ask(Asked::Publish { channel, sequence, due_ns });
        let stamp = Stamp { stream: channel, sequence, due_ns };
        self.actions.push_back(Action::Publish { user, id, stamp, is_typing });
        interval.count(count, 1);
        Some(())
    }

    fn ask(&mut self, number: u64, due_ns: u64) -> Option<()> {
        let user = self.somebody(Draw::Asker, number, |user| user.is_in_a_room(&self.day))?;
        let channel = self.room_of(user, Draw::AskedRoom, number)?;
        let id = self.users[user as usize].ask(Asked::Presence { channel, due_ns });
        self.actions.push_back(Action::Ask { user, id, channel });
        Some(())
    }

    /// From one room to another, with the typing in them.
    fn move_on(&mut self, number: u64, due_ns: u64, interval: &mut Interval) -> Option<()> {
        let user = self.somebody(Draw::Mover, number, |user| user.is_settled() && user.is_in_a_room(&self.day))?;
        let from = self.room_of(user, Draw::LeftRoom, number)?;
        let to = self.new_room(user, number)?;
        let pairs = [(Some(from), Some(to)), (self.day.typing_in(from), self.day.typing_in(to))];
        for (from, to) in pairs.into_iter().filter_map(|(from, to)| from.zip(to)) {
            self.leave(user, from);
            self.join(user, to, due_ns);
        }
        interval.count(Count::Moves, 1);
        Some(())
    }

    /// A room that the user is not in, as likely as it was large when the day began.
    fn new_room(&self, user: u32, number: u64) -> Option<u32> {
        let subscriptions = &self.users[user as usize].subscriptions;
        let first = self.dice.below(Draw::NewRoom, number, self.homes.len());
        let candidates = self.homes[first..].iter().chain(&self.homes[..first]).take(CANDIDATES_MAX as usize);
        candidates.copied().find(|room| subscriptions.iter().all(|has| has.channel != *room))
    }

    fn leave(&mut self, user: u32, channel: u32) {
        let member = &mut self.users[user as usize];
        if let Some(subscription) = member.subscription(channel) {
            subscription.stage = Stage::Leaving;
            let id = member.ask(Asked::Leave { channel });
            self.actions.push_back(Action::Leave { user, id, channel });
        }
    }

    fn join(&mut self, user: u32, channel: u32, due_ns: u64) {
        let member = &mut self.users[user as usize];
        member.subscriptions.push(Subscription::new(channel));
        let id = member.ask(Asked::Join { channel, due_ns: Some(due_ns) });
        self.actions.push_back(Action::Join { user, id, channel });
    }

    /// Somebody is away from now on. What was not answered is not waited for.
    fn drop_connection(&mut self, number: u64, due_ns: u64, interval: &mut Interval) -> Option<()> {
        let user = self.somebody(Draw::Dropper, number, |_| true)?;
        self.users[user as usize].lose_connection(Presence::Away);
        self.away.insert(due_ns + self.day.pause_ns, user);
        self.actions.push_back(Action::Drop { user });
        interval.count(Count::Drops, 1);
        Some(())
    }
}
