//! A chat's day: who is where, what is due, what has come of it. Sans-IO: time is an argument.
//!
//! Inputs are [`Chat::take`] (time has passed), what the server said (a file: `hear`), and the lives of connections
//! ([`Chat::come`], [`Chat::arrived`], [`Chat::lost`]). What is measured goes to the interval, what is wrong to the
//! faults.
//!
//! Who was where is known at every moment, and so is what each user must hear: in a channel that is kept, every offset
//! from the one that its first subscribe reply names, also across a lost connection. Between an unsubscribe and its
//! reply, messages may come or not.

mod agenda;
mod errand;
mod hear;
mod settle;
mod user;

use std::collections::VecDeque;

use self::agenda::Agenda;
pub use self::hear::{Publication, Refusal};
use self::user::{Asked, User};
use crate::dice::{Dice, Draw};
use crate::ledger::Ledger;
use crate::limits::RETURN_PAUSE_MS_MIN;
use crate::measure::{Count, Interval, Measure};
use crate::missing::Missing;
use crate::payload::Stamp;
use crate::plan::{Day, Plan};
use crate::presence::{Away, Presence};

/// A chat's day.
#[derive(Debug)]
pub struct Chat {
    day: Day,
    dice: Dice,
    /// `None` before the load and after it.
    agenda: Option<Agenda>,
    users: Vec<User>,
    /// By membership as the day begins: its room. Who moves draws one, so that rooms keep their sizes.
    homes: Vec<u32>,
    /// By channel.
    ledgers: Vec<Ledger>,
    away: Away,
    /// What is still to be done of the errand that was taken last.
    actions: VecDeque<Action>,
    /// How many there have been.
    connections: u32,
    /// How often the server has made somebody come back.
    returns: u64,
    /// When the day ends, once that is known.
    end_ns: u64,
    /// What was due and was not begun, once the day is over.
    behind: u64,
    /// The channel of the subscription that was answered last: what comes with the reply follows at once.
    answered: Option<u32>,
    /// User, channel and offset of what was overtaken.
    missing: Missing<(u32, u32, u64)>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish.
    Publish {
        /// By number, as in the plan.
        user: u32,
        /// Its answer has it, too.
        id: u32,
        /// In the message; its stream is the channel.
        stamp: Stamp,
        /// Whether it is typing, which is shorter than a message.
        is_typing: bool,
    },
    /// Ask who is in a channel.
    Ask {
        /// By number, as in the plan.
        user: u32,
        /// Its answer has it, too.
        id: u32,
        /// By number, as in the plan.
        channel: u32,
    },
    /// Subscribe to a channel, for the first time or again: [`Chat::since`].
    Join {
        /// By number, as in the plan.
        user: u32,
        /// Its answer has it, too.
        id: u32,
        /// By number, as in the plan.
        channel: u32,
    },
    /// Unsubscribe from a channel.
    Leave {
        /// By number, as in the plan.
        user: u32,
        /// The command's id.
        id: u32,
        /// By number, as in the plan.
        channel: u32,
    },
    /// Break the connection.
    Drop {
        /// By number, as in the plan.
        user: u32,
    },
    /// Connect again.
    Return {
        /// By number, as in the plan.
        user: u32,
        /// When it was due.
        due_ns: u64,
    },
}

/// A subscription by which a user comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its answer has it, too.
    pub id: u32,
    /// By number, as in the plan.
    pub channel: u32,
    /// Offset and epoch to recover from, unless the user was never there.
    pub since: Option<(u64, &'a str)>,
}

impl Chat {
    /// Everybody is to come.
    pub fn new(plan: &Plan, day: Day) -> Self {
        let memberships = plan.clients.iter().flatten().copied();
        Self {
            day,
            dice: Dice::new(day.seed),
            agenda: None,
            users: plan.clients.iter().map(|channels| User::new(channels)).collect(),
            homes: memberships.filter(|channel| day.is_room(*channel)).collect(),
            ledgers: (0..plan.channels).map(|_| Ledger::default()).collect(),
            away: Away::default(),
            actions: VecDeque::new(),
            connections: 0,
            returns: 0,
            end_ns: u64::MAX,
            behind: 0,
            answered: None,
            missing: Missing::default(),
        }
    }

    /// The day begins.
    pub fn begin(&mut self, now_ns: u64) {
        self.agenda = Some(Agenda::new(&self.day, now_ns));
    }

    /// When [`Chat::take`] will have something.
    pub fn next_due_ns(&self) -> u64 {
        let errand_ns = self.agenda.as_ref().map_or(u64::MAX, Agenda::next_due_ns);
        errand_ns.min(self.away.next_due_ns().unwrap_or(u64::MAX))
    }

    /// Takes the next action if one is due.
    pub fn take(&mut self, now_ns: u64, interval: &mut Interval) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if let Some((due_ns, user)) = self.away.take(now_ns) {
                interval.record(Measure::Lateness, now_ns - due_ns);
                self.users[user as usize].presence = Presence::Coming;
                return Some(Action::Return { user, due_ns });
            }
            let due = self.agenda.as_mut()?.take(now_ns)?;
            interval.record(Measure::Lateness, now_ns - due.due_ns);
            if !self.run_errand(due, interval) {
                interval.count(Count::NotDone, 1);
            }
        }
    }

    /// A user is welcome: the subscriptions that it asks for.
    pub fn come(&mut self, user: u32) -> impl Iterator<Item = Entry<'_>> {
        let User { connection, commands, subscriptions, .. } = &mut self.users[user as usize];
        self.connections = self.connections.wrapping_add(1);
        *connection = self.connections;
        subscriptions.iter().map(|subscription| {
            let channel = subscription.channel;
            let since = subscription.place.as_ref().map(|place| (place.offset, &*place.epoch));
            Entry { id: commands.send(Asked::Join { channel, due_ns: None }), channel, since }
        })
    }

    /// All subscriptions of a user who was due then are answered. Who comes back because the day is over is not measured:
    /// all of them come at once.
    pub fn arrived(&mut self, user: u32, due_ns: u64, now_ns: u64, interval: &mut Interval) {
        self.users[user as usize].presence = Presence::Here;
        if let Some(ended_ns) = self.users[user as usize].ended_ns.take() {
            interval.record(Measure::Reconnect, now_ns.saturating_sub(ended_ns));
        }
        if due_ns < self.end_ns {
            interval.record(Measure::Connect, now_ns - due_ns);
        }
    }

    /// Where a user goes on in a channel that it subscribes to: offset and epoch, unless it was never there.
    pub fn since(&self, user: u32, channel: u32) -> Option<(u64, &str)> {
        let mut subscriptions = self.users[user as usize].subscriptions.iter();
        let place = subscriptions.find(|has| has.channel == channel)?.place.as_ref()?;
        Some((place.offset, &place.epoch))
    }

    /// A user has no connection any more, or got none. Whether that is expected: then it comes back.
    pub fn lost(&mut self, user: u32, now_ns: u64, interval: &mut Interval) -> bool {
        let is_expected = self.is_disturbed();
        let member = &mut self.users[user as usize];
        if is_expected && member.presence == Presence::Here {
            member.ended_ns = Some(now_ns);
            interval.count(Count::Ended, 1);
        }
        member.lose_connection(if is_expected { Presence::Away } else { Presence::Gone });
        if is_expected {
            self.away_for_a_while(user, now_ns);
        }
        is_expected
    }

    /// Whether a user is about to end its connection, or has none: what is still heard there is of no interest.
    pub fn is_away(&self, user: u32) -> bool {
        self.users[user as usize].presence == Presence::Away
    }

    /// Whether the server may do now what else is a fault.
    fn is_disturbed(&self) -> bool {
        self.day.restarts && (self.agenda.is_some() || self.end_ns != u64::MAX)
    }

    /// A user comes back after a while, as long as clients wait who do not want to come all at once.
    fn away_for_a_while(&mut self, user: u32, now_ns: u64) {
        let pause_ns = self.day.pause_ns.max(2 * RETURN_PAUSE_MS_MIN * 1_000_000);
        self.returns += 1;
        let more_ns = self.dice.below(Draw::Pause, self.returns, pause_ns as usize) as u64;
        self.away.insert(now_ns + pause_ns / 2 + more_ns, user);
    }
}

#[cfg(test)]
mod tests;
