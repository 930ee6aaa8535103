//! Users who receive at least once, each with several devices: who has received what, what is due, what has come of it.
//! Sans-IO: time is an argument.
//!
//! Inputs are [`Inbox::take`] (time has passed), what the server said (a file: `hear`), and the lives of connections
//! ([`Inbox::come`], [`Inbox::arrived`], [`Inbox::lost`]). What is measured goes to the interval, what is wrong to the
//! faults.
//!
//! What must hold, over however many connections: every device has every message of its channel, in order. On one
//! connection each comes once, unless it says that it is another attempt. What comes again was not answered to be
//! received. Where a subscription begins lies between what the device was answered and what it has said: a floor that
//! went back and one that passed what the device never had both show. So does a message that was given up.

mod device;
mod hear;
mod settle;

use std::collections::VecDeque;

use self::device::{Asked, Device, Ending, Said};
pub use self::hear::Publication;
use crate::commands::Commands;
use crate::dice::{Dice, Draw};
use crate::ledger::Ledger;
use crate::limits::{CANDIDATES_MAX, RETURN_PAUSE_MS_MIN, UNANSWERED_MAX};
use crate::measure::{Count, Interval, Measure};
use crate::payload::Stamp;
use crate::plan;
use crate::presence::{Away, Presence};
use crate::protocol::InboxCall;
use crate::schedule::Schedule;
use crate::turns::Turns;

/// All devices and publishers.
#[derive(Debug)]
pub struct Inbox {
    plan: plan::Inbox,
    dice: Dice,
    /// What is due; `None` before the load and after it.
    agenda: Option<Agenda>,
    /// The first clients.
    devices: Vec<Device>,
    /// By channel: the clients after them.
    publishers: Vec<Publisher>,
    /// By user: what it has received with any device.
    received: Vec<Said>,
    /// By user: what it has read; `None` before the server was asked.
    read: Vec<Option<Said>>,
    /// By channel.
    ledgers: Vec<Ledger>,
    away: Away,
    /// What is to be done at once.
    actions: VecDeque<Action>,
    /// How many there have been.
    connections: u32,
    /// When the load ends, once that is known.
    end_ns: u64,
    /// What was due and was not begun, once the load is over.
    behind: u64,
}

#[derive(Debug)]
struct Agenda {
    messages: Schedule,
    drops: Option<Schedule>,
}

/// Who publishes to a channel.
#[derive(Debug)]
struct Publisher {
    presence: Presence,
    /// The number of its connection among all: what is sent on one connection keeps its order.
    connection: u32,
    /// The sequence of each publish that is not answered, and when it was due.
    commands: Commands<(u32, u64)>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish.
    Publish {
        /// By number, as in the plan.
        client: u32,
        /// Its answer has it, too.
        id: u32,
        /// In the message; its stream is the channel.
        stamp: Stamp,
    },
    /// Say or ask something about a channel.
    Call {
        /// By number, as in the plan.
        client: u32,
        /// Its answer has it, too.
        id: u32,
        /// By number, as in the plan.
        channel: u32,
        /// What.
        call: InboxCall,
    },
    /// Break the connection.
    Drop {
        /// By number, as in the plan.
        client: u32,
    },
    /// Connect again.
    Return {
        /// By number, as in the plan.
        client: u32,
        /// When it was due.
        due_ns: u64,
    },
}

impl Inbox {
    /// Everybody is to come.
    pub fn new(plan: plan::Inbox) -> Self {
        let publisher = || Publisher { presence: Presence::Coming, connection: 0, commands: Commands::default() };
        Self {
            dice: Dice::new(plan.seed),
            agenda: None,
            devices: (0..plan.all_devices()).map(|_| Device::new()).collect(),
            publishers: (0..plan.channels).map(|_| publisher()).collect(),
            received: vec![Said::default(); plan.users as usize],
            read: vec![None; plan.users as usize],
            ledgers: (0..plan.channels).map(|_| Ledger::default()).collect(),
            away: Away::default(),
            actions: VecDeque::new(),
            connections: 0,
            end_ns: u64::MAX,
            behind: 0,
            plan,
        }
    }

    /// The load begins.
    pub fn begin(&mut self, now_ns: u64) {
        let schedule = |rate_per_s| Schedule::new(now_ns, rate_per_s, 1, Turns::all(1));
        self.agenda = Some(Agenda {
            messages: schedule(self.plan.messages_per_s),
            drops: (self.plan.drops_per_s > 0.0).then(|| schedule(self.plan.drops_per_s)),
        });
    }

    /// When [`Inbox::take`] will have something.
    pub fn next_due_ns(&self) -> u64 {
        let schedules = self.agenda.iter().flat_map(|agenda| [Some(&agenda.messages), agenda.drops.as_ref()]);
        let due = schedules.flatten().filter_map(Schedule::next_due_ns);
        due.chain(self.away.next_due_ns()).min().unwrap_or(u64::MAX)
    }

    /// Takes the next action if one is due.
    pub fn take(&mut self, now_ns: u64, interval: &mut Interval) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if let Some((due_ns, client)) = self.away.take(now_ns) {
                interval.record(Measure::Lateness, now_ns - due_ns);
                *self.presence(client) = Presence::Coming;
                return Some(Action::Return { client, due_ns });
            }
            let Agenda { messages, drops } = self.agenda.as_mut()?;
            let message = messages.next_number().zip(messages.take(now_ns));
            let drop = drops.as_mut().and_then(|drops| drops.next_number().zip(drops.take(now_ns)));
            if message.is_none() && drop.is_none() {
                return None;
            }
            for (_, due_ns) in message.iter().chain(&drop) {
                interval.record(Measure::Lateness, now_ns - due_ns);
            }
            let is_dropped = drop.is_none_or(|(number, due_ns)| self.drop_connection(number, due_ns, interval));
            let is_sent = message.is_none_or(|(number, due_ns)| self.publish(number, due_ns));
            interval.count(Count::NotDone, u64::from(!is_sent) + u64::from(!is_dropped));
        }
    }

    fn presence(&mut self, client: u32) -> &mut Presence {
        match client.checked_sub(self.plan.all_devices()) {
            None => &mut self.devices[client as usize].presence,
            Some(publisher) => &mut self.publishers[publisher as usize].presence,
        }
    }

    /// The next channel's turn.
    fn publish(&mut self, number: u64, due_ns: u64) -> bool {
        let channel = (number % u64::from(self.plan.channels)) as u32;
        let publisher = &mut self.publishers[channel as usize];
        if publisher.presence != Presence::Here || publisher.commands.waiting() >= UNANSWERED_MAX {
            return false;
        }
        let sequence = self.ledgers[channel as usize].send(publisher.connection);
        let id = publisher.commands.send((sequence, due_ns));
        let client = self.plan.all_devices() + channel;
        self.actions.push_back(Action::Publish { client, id, stamp: Stamp { stream: channel, sequence, due_ns } });
        true
    }

    /// A device is away from now on: the one that was drawn, or the next one that is there.
    fn drop_connection(&mut self, number: u64, due_ns: u64, interval: &mut Interval) -> bool {
        let count = self.devices.len();
        let first = self.dice.below(Draw::Device, number, count);
        let mut candidates = (first..first + count.min(CANDIDATES_MAX as usize)).map(|at| at % count);
        let Some(at) = candidates.find(|at| self.devices[*at].presence == Presence::Here) else { return false };
        self.devices[at].lose_connection(Presence::Away);
        self.away.insert(due_ns + self.plan.pause_ns, at as u32);
        self.actions.push_back(Action::Drop { client: at as u32 });
        interval.count(Count::Drops, 1);
        true
    }

    /// A client is welcome: the subscription that it asks for, its id and channel. A publisher asks for none.
    pub fn come(&mut self, client: u32) -> Option<(u32, u32)> {
        if let Some(device) = self.devices.get_mut(client as usize) {
            return Some((device.commands.send(Asked::Join), self.plan.channel(client)));
        }
        self.connections = self.connections.wrapping_add(1);
        self.publishers[self.plan.channel(client) as usize].connection = self.connections;
        None
    }

    /// Whether a client has all that it missed. A publisher misses nothing.
    pub fn is_in(&self, client: u32) -> bool {
        self.devices.get(client as usize).is_none_or(Device::is_in)
    }

    /// A client that was due then is in. Who comes back reads what came meanwhile.
    pub fn arrived(&mut self, client: u32, due_ns: u64, now_ns: u64, interval: &mut Interval) {
        *self.presence(client) = Presence::Here;
        // When the load is over all come at once.
        if due_ns < self.end_ns {
            interval.record(Measure::Connect, now_ns - due_ns);
        }
        if let Some(device) = self.devices.get(client as usize) {
            let have = device.have;
            self.say_read(client, have);
            self.go_on(client, now_ns);
        }
    }

    fn call(&mut self, client: u32, asked: Asked, call: InboxCall) {
        let (id, channel) = (self.devices[client as usize].commands.send(asked), self.plan.channel(client));
        self.actions.push_back(Action::Call { client, id, channel, call });
    }

    fn say_read(&mut self, client: u32, offset: u64) {
        let (user, _) = self.plan.who(client);
        if let Some(read) = &mut self.read[user as usize] {
            read.say(offset);
            self.call(client, Asked::Read { offset }, InboxCall::Read { offset });
        }
    }

    /// What a device says next: what it has, one word after the other; once the load is over and it has all, that its
    /// user has read it; then it asks how far the server thinks that the user is.
    fn go_on(&mut self, client: u32, now_ns: u64) {
        let device = &mut self.devices[client as usize];
        if let Some(offset) = device.take_word() {
            self.received[self.plan.who(client).0 as usize].say(offset);
            return self.call(client, Asked::Received { offset, said_ns: now_ns }, InboxCall::Received { offset });
        }
        let is_done = self.end_ns <= now_ns && device.presence == Presence::Here && device.commands.waiting() == 0;
        let (offset, top) = (device.have, self.ledgers[self.plan.channel(client) as usize].top());
        if !is_done || offset < top {
            return;
        }
        match device.ending {
            Ending::Open => {
                device.ending = Ending::Read;
                self.say_read(client, offset);
            }
            Ending::Read => {
                device.ending = Ending::Asked;
                let (user, _) = self.plan.who(client);
                let received = self.received[user as usize].answered;
                let read = self.read[user as usize].unwrap_or_default().answered;
                self.call(client, Asked::Position { received, read }, InboxCall::Positions);
            }
            Ending::Asked => {}
        }
    }

    /// A client has no connection any more, or got none. Whether that is expected: then it comes back.
    pub fn lost(&mut self, client: u32, now_ns: u64) -> bool {
        let is_expected = self.plan.restarts && (self.agenda.is_some() || self.end_ns != u64::MAX);
        let presence = if is_expected { Presence::Away } else { Presence::Gone };
        match client.checked_sub(self.plan.all_devices()) {
            None => self.devices[client as usize].lose_connection(presence),
            Some(publisher) => {
                let publisher = &mut self.publishers[publisher as usize];
                (publisher.presence, publisher.commands) = (presence, Commands::default());
            }
        }
        if is_expected {
            let pause_ns = self.plan.pause_ns.max(RETURN_PAUSE_MS_MIN * 1_000_000);
            self.away.insert(now_ns + pause_ns, client);
        }
        is_expected
    }
}

#[cfg(test)]
mod tests;
