//! One user: whether it is there, what it waits for, and where it stands in each of its channels.

use std::sync::Arc;

use crate::commands::Commands;
use crate::plan::Day;
use crate::presence::Presence;

/// A command that a user waits to be answered about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A publish that is not answered yet.
    Publish { channel: u32, sequence: u32, due_ns: u64 },
    /// Who is in a room.
    Presence { channel: u32, due_ns: u64 },
    /// A subscription; without a time where it is one of those by which a user comes.
    Join { channel: u32, due_ns: Option<u64> },
    /// The end of a subscription.
    Leave { channel: u32 },
}

/// How far a subscription has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not asked for, or not answered.
    Joining,
    /// Everything is heard.
    Live,
    /// Its end is not answered: what comes, comes.
    Leaving,
}

/// Where a subscriber stands in a channel: the last offset, in which life of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) epoch: Arc<str>,
}

/// What an offset is to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next one.
    Next,
    /// So many after the next one.
    Over(u64),
    /// One that it had, or has missed.
    Back,
}

/// One user's place in one channel.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) channel: u32,
    pub(super) stage: Stage,
    /// `None` before the first answer.
    pub(super) place: Option<Place>,
}

impl Subscription {
    /// One that is about to be asked for.
    pub(super) fn new(channel: u32) -> Self {
        Self { channel, stage: Stage::Joining, place: None }
    }

    /// Moves on to an offset that was heard.
    pub(super) fn step(&mut self, offset: u64) -> Step {
        let Some(place) = &mut self.place else { return Step::Back };
        match offset.checked_sub(place.offset) {
            None | Some(0) => Step::Back,
            Some(ahead) => {
                place.offset = offset;
                if ahead == 1 { Step::Next } else { Step::Over(ahead - 1) }
            }
        }
    }
}

/// A user: how connected, and what is under way.
#[derive(Debug)]
pub(super) struct User {
    pub(super) presence: Presence,
    /// The number of its connection among all of the day: what is sent on one connection keeps its order.
    pub(super) connection: u32,
    pub(super) commands: Commands<Asked>,
    pub(super) subscriptions: Vec<Subscription>,
    /// When the server ended the connection that it had last, nanoseconds, until it is back.
    pub(super) ended_ns: Option<u64>,
}

impl User {
    /// A user who is to come, into these channels.
    pub(super) fn new(channels: &[u32]) -> Self {
        let subscriptions = channels.iter().copied().map(Subscription::new).collect();
        Self { presence: Presence::Coming, connection: 0, commands: Commands::default(), subscriptions, ended_ns: None }
    }

    /// Its subscription to a channel.
    pub(super) fn subscription(&mut self, channel: u32) -> Option<&mut Subscription> {
        self.subscriptions.iter_mut().find(|subscription| subscription.channel == channel)
    }

    /// The rooms where everything is heard.
    pub(super) fn rooms(&self, day: &Day) -> impl Iterator<Item = u32> + Clone {
        let is_live_room = |channel: u32, stage| stage == Stage::Live && day.is_room(channel);
        let live = self.subscriptions.iter().filter(move |has| is_live_room(has.channel, has.stage));
        live.map(|subscription| subscription.channel)
    }

    /// Whether it hears everything of any room.
    pub(super) fn is_in_a_room(&self, day: &Day) -> bool {
        self.rooms(day).next().is_some()
    }

    /// Whether it is there and no subscription is under way.
    pub(super) fn is_settled(&self) -> bool {
        self.presence == Presence::Here && self.subscriptions.iter().all(|has| has.stage == Stage::Live)
    }

    /// A command is about to be sent: its id.
    pub(super) fn ask(&mut self, asked: Asked) -> u32 {
        self.commands.send(asked)
    }

    /// The connection is gone, and with it what waited for answers. What the user would not come back to is
    /// forgotten; the rest is to be recovered.
    pub(super) fn lose_connection(&mut self, presence: Presence) {
        self.presence = presence;
        self.commands = Commands::default();
        self.subscriptions.retain(|subscription| subscription.stage != Stage::Leaving);
        self.subscriptions.iter_mut().for_each(|subscription| subscription.stage = Stage::Joining);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_steps_from_the_last() {
        let place = Some(Place { offset: 4, epoch: "life".into() });
        let mut subscription = Subscription { place, ..Subscription::new(0) };
        let steps = [5, 6, 9, 7, 9, 10].map(|offset| subscription.step(offset));
        assert_eq!(steps, [Step::Next, Step::Next, Step::Over(2), Step::Back, Step::Back, Step::Next]);
    }

    #[test]
    fn who_loses_the_connection_keeps_its_places_and_forgets_what_it_was_leaving() {
        let mut user = User::new(&[0, 1, 2]);
        user.presence = Presence::Here;
        user.subscription(0).unwrap().stage = Stage::Leaving;
        user.subscription(1).unwrap().stage = Stage::Live;
        user.subscription(1).unwrap().place = Some(Place { offset: 4, epoch: "life".into() });
        user.ask(Asked::Leave { channel: 0 });
        user.lose_connection(Presence::Away);
        assert_eq!(user.commands.waiting(), 0);
        let left: Vec<_> = user.subscriptions.iter().map(|has| (has.channel, has.stage)).collect();
        assert_eq!(left, [(1, Stage::Joining), (2, Stage::Joining)]);
        assert_eq!(user.subscription(1).unwrap().place.as_ref().map(|place| place.offset), Some(4));
    }
}
