//! What the server said, held against what it had to say.

use super::Inbox;
use super::device::{Asked, Ending, Said, Step};
use crate::fault::{Fault, Faults};
use crate::measure::{Count, Interval, Measure};
use crate::payload::{Damaged, Stamp};
use crate::protocol::{InboxCall, InboxPosition, InboxUnread, Joined};

/// A publication as it came, in the channel of who hears it.
#[derive(Clone, Copy, Debug)]
pub struct Publication {
    /// Its place in the channel.
    pub offset: u64,
    /// Which attempt it says that it is.
    pub attempt: u32,
    /// The stamp of the load generator, or that it is none.
    pub message: Result<Stamp, Damaged>,
}

impl Inbox {
    /// A device has heard a publication.
    pub fn heard(
        &mut self,
        client: u32,
        publication: Publication,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let Publication { offset, attempt, message } = publication;
        let Some(device) = self.devices.get_mut(client as usize).filter(|device| device.epoch.is_some()) else {
            return faults.note(Fault::Misdelivered, || format!("client {client} heard what it did not subscribe to"));
        };
        let step = device.step(offset, attempt);
        let (came_ns, is_of_this_run) = (device.came_ns, device.from.is_some_and(|from| offset > from));
        match step {
            Step::New | Step::Late | Step::Again if !is_of_this_run => {}
            Step::New | Step::Late => {
                device.ending = Ending::Open;
                if step == Step::Late {
                    let told = || format!("client {client} heard offset {offset} after a later one");
                    faults.note(Fault::OutOfOrder, told);
                }
                self.check(client, offset, message, faults);
                match message {
                    Ok(stamp) if stamp.due_ns < came_ns => interval.count(Count::Recovered, 1),
                    Ok(stamp) => interval.record(Measure::Delivery, now_ns.saturating_sub(stamp.due_ns)),
                    Err(Damaged) => {}
                }
            }
            Step::Again => {
                interval.count(Count::Redelivered, 1);
                self.check(client, offset, message, faults);
            }
            Step::Twice => {
                let answered = device.received.answered;
                faults.note(Fault::Duplicate, || {
                    format!("client {client} heard offset {offset} again, and was answered up to {answered}")
                });
            }
        }
        self.go_on(client, now_ns);
    }

    /// Whether it is what others heard there.
    fn check(&mut self, client: u32, offset: u64, message: Result<Stamp, Damaged>, faults: &mut Faults) {
        let channel = self.plan.channel(client);
        let Ok(stamp) = message else {
            return faults.note(Fault::Damaged, || format!("client {client} heard a message that was changed"));
        };
        if stamp.stream != channel {
            let told = || format!("client {client} heard in channel {channel} what was sent to {}", stamp.stream);
            return faults.note(Fault::Misdelivered, told);
        }
        if let Err(contradiction) = self.ledgers[channel as usize].hear(offset, stamp.sequence) {
            let (fault, what) = contradiction.told();
            faults.note(fault, || {
                format!("client {client} heard message {} of channel {channel} at {offset}, {what}", stamp.sequence)
            });
        }
    }

    /// A subscription was answered: it begins behind the device's floor.
    pub fn joined(&mut self, client: u32, id: u32, joined: Joined<'_>, now_ns: u64, faults: &mut Faults) {
        let join = |asked| matches!(asked, Asked::Join).then_some(());
        if self.answer(client, id, join, faults).is_none() {
            return;
        }
        let Joined { offset: floor, epoch, is_recoverable, is_recovered } = joined;
        if !is_recoverable {
            return faults.note(Fault::Unrecovered, || {
                format!("client {client} cannot recover: the server does not keep its messages")
            });
        }
        let device = &mut self.devices[client as usize];
        let Said { said, answered } = device.received;
        let is_first = device.epoch.is_none();
        if !is_first && (!is_recovered || device.epoch.as_deref() != Some(epoch)) {
            faults.note(Fault::Unrecovered, || {
                format!("client {client} was told that it will not get all that it missed: longer history_size?")
            });
        } else if !is_first && !device.received.may_be(floor, answered) {
            faults.note(Fault::Position, || {
                format!("client {client} begins behind {floor}, has said {said} and was answered {answered}")
            });
        }
        device.epoch = Some(epoch.into());
        device.begin(floor, now_ns);
        let (user, _) = self.plan.who(client);
        self.received[user as usize].answer(floor);
        let read = self.read[user as usize].map_or(0, |read| read.answered);
        self.call(client, Asked::Unread { read }, InboxCall::Unread);
    }

    /// A device was told where its channel stands, and what its user has not read.
    pub fn unread(&mut self, client: u32, id: u32, told: InboxUnread, now_ns: u64, faults: &mut Faults) {
        let unread = |asked| if let Asked::Unread { read } = asked { Some(read) } else { None };
        let Some(answered) = self.answer(client, id, unread, faults) else { return };
        let InboxUnread { offset: top, read, unread } = told;
        let (channel, (user, _)) = (self.plan.channel(client), self.plan.who(client));
        let known = self.read[user as usize].get_or_insert(Said { said: read, answered: read });
        if !known.may_be(read, answered) || unread != top.saturating_sub(read) {
            let Said { said, .. } = *known;
            faults.note(Fault::Position, || {
                format!(
                    "user {user} has {unread} unread of {top} and has read {read}, as is told: it has said {said} and was \
                     answered {answered}"
                )
            });
        }
        let device = &mut self.devices[client as usize];
        device.missed = Some(top);
        device.from.get_or_insert(top);
        let epoch = device.epoch.clone().unwrap_or_default();
        let has_begun = self.agenda.is_some() || self.end_ns != u64::MAX;
        if !has_begun && self.ledgers[channel as usize].is_news(&epoch) {
            faults.note(Fault::Split, || {
                format!("client {client} was told another life of channel {channel} than others: the nodes are not one server")
            });
        }
        self.ledgers[channel as usize].told(top, &epoch);
        self.go_on(client, now_ns);
    }

    /// A device was told how far its user is.
    pub fn position(&mut self, client: u32, id: u32, told: &[InboxPosition<'_>], name: &str, faults: &mut Faults) {
        let position = |asked| match asked {
            Asked::Position { received, read } => Some((received, read)),
            _ => None,
        };
        let Some(answered) = self.answer(client, id, position, faults) else { return };
        let user = self.plan.who(client).0 as usize;
        let (received, read) = (self.received[user], self.read[user].unwrap_or_default());
        let own = told.iter().find(|position| position.user == name);
        let is_it =
            own.is_some_and(|own| received.may_be(own.received, answered.0) && read.may_be(own.read, answered.1));
        if !is_it {
            faults.note(Fault::Position, || {
                format!("{name} is told to be at {own:?}: {received:?} was received, {read:?} was read")
            });
        }
    }

    /// A message was taken, or what a device has said is known.
    pub fn acknowledged(&mut self, client: u32, id: u32, now_ns: u64, interval: &mut Interval, faults: &mut Faults) {
        if client >= self.plan.all_devices() {
            let channel = self.plan.channel(client) as usize;
            let Some((sequence, due_ns)) = self.publishers[channel].commands.answer(id) else {
                return unasked(client, id, faults);
            };
            self.ledgers[channel].taken(sequence);
            return interval.record(Measure::Reply, now_ns.saturating_sub(due_ns));
        }
        let user = self.plan.who(client).0 as usize;
        match self.answer(client, id, Some, faults) {
            Some(Asked::Received { offset, said_ns }) => {
                self.devices[client as usize].received.answer(offset);
                self.received[user].answer(offset);
                interval.record(Measure::Received, now_ns - said_ns);
            }
            Some(Asked::Read { offset }) => self.read[user].get_or_insert_default().answer(offset),
            Some(_) => return unasked(client, id, faults),
            None => return,
        }
        self.go_on(client, now_ns);
    }

    /// A command was refused.
    pub fn refused(&mut self, client: u32, id: u32, why: &str, faults: &mut Faults) {
        if client >= self.plan.all_devices() {
            let channel = self.plan.channel(client) as usize;
            if self.publishers[channel].commands.answer(id).is_none() {
                return unasked(client, id, faults);
            }
            self.ledgers[channel].refused();
            return faults.note(Fault::Refused, || format!("a message to channel {channel} was refused: {why}"));
        }
        if let Some(asked) = self.answer(client, id, Some, faults) {
            faults.note(Fault::Refused, || format!("client {client} was refused {asked:?}: {why}"));
        }
    }

    /// What of a device's command that was answered, if it is one that is answered so.
    fn answer<T>(
        &mut self,
        client: u32,
        id: u32,
        pick: impl FnOnce(Asked) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let asked = self.devices.get_mut(client as usize).and_then(|device| device.commands.answer(id));
        let answered = asked.and_then(pick);
        if answered.is_none() {
            unasked(client, id, faults);
        }
        answered
    }
}

#[cold]
fn unasked(client: u32, id: u32, faults: &mut Faults) {
    faults.note(Fault::Unasked, || {
        format!("client {client} was answered a command {id} that it did not send, or that is another")
    });
}
