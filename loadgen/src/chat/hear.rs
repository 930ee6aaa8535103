//! What the server said, held against what it had to say.

use super::user::{Asked, Place, Stage, Step};
use super::{Action, Chat};
use crate::fault::{Fault, Faults};
use crate::ledger::Contradiction;
use crate::measure::{Count, Interval, Measure};
use crate::payload::{Damaged, Stamp};
use crate::presence::Presence;
use crate::protocol::Joined;

/// A publication as it came.
#[derive(Clone, Copy, Debug)]
pub struct Publication {
    /// The channel that it came in.
    pub channel: u32,
    /// Its offset, 0 where the channel has none.
    pub offset: u64,
    /// The stamp of the load generator, or that it is none.
    pub message: Result<Stamp, Damaged>,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Code and message.
    pub why: &'a str,
    /// Whether the same may succeed later.
    pub is_temporary: bool,
}

impl Chat {
    /// A subscriber has heard a publication.
    pub fn heard(
        &mut self,
        user: u32,
        publication: Publication,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        if let Some(stamp) = self.check(user, publication, faults) {
            interval.record(Measure::Delivery, now_ns.saturating_sub(stamp.due_ns));
        }
    }

    /// A publication came with the reply to a subscription, which was heard just before.
    pub fn recovered(
        &mut self,
        user: u32,
        offset: u64,
        message: Result<Stamp, Damaged>,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let Some(channel) = self.answered else { return };
        let publication = Publication { channel, offset, message };
        if self.check(user, publication, faults).is_some() {
            interval.count(Count::Recovered, 1);
        }
    }

    /// The stamp of a publication, if it is new to the user.
    fn check(&mut self, user: u32, publication: Publication, faults: &mut Faults) -> Option<Stamp> {
        let Publication { channel, offset, message } = publication;
        let subscription = self.users[user as usize].subscription(channel);
        let Some(subscription) = subscription.filter(|subscription| subscription.stage != Stage::Joining) else {
            let told = || format!("user {user} heard channel {channel}, to which it is not subscribed");
            faults.note(Fault::Misdelivered, told);
            return None;
        };
        let is_kept = self.day.is_kept(channel);
        let ledger = &self.ledgers[channel as usize];
        // Who has not been told of a new life of the channel hears the last of the one before.
        let is_newest = subscription.place.as_ref().is_none_or(|place| ledger.is_newest(&place.epoch));
        if is_kept {
            let step = subscription.step(offset);
            if !self.check_step(user, publication, step, faults) {
                return None;
            }
        }
        let Ok(stamp) = message else {
            faults.note(Fault::Damaged, || format!("user {user} heard a message that was changed"));
            return None;
        };
        if stamp.stream != channel {
            let told = || format!("user {user} heard in channel {channel} what was sent to {}", stamp.stream);
            faults.note(Fault::Misdelivered, told);
        } else if is_kept
            && is_newest
            && let Err(contradiction) = self.ledgers[channel as usize].hear(offset, stamp.sequence)
        {
            note(contradiction, user, publication, stamp.sequence, faults);
        }
        Some(stamp)
    }

    /// Whether what came is new.
    fn check_step(&mut self, user: u32, publication: Publication, step: Step, faults: &mut Faults) -> bool {
        let Publication { channel, offset, .. } = publication;
        match step {
            Step::Next => true,
            Step::Over(count) => {
                let overtaken = (offset - count..offset).map(|offset| (user, channel, offset));
                self.missing.overtake(count, overtaken);
                true
            }
            Step::Back if self.missing.came(&(user, channel, offset)) => {
                let told = || format!("user {user} heard offset {offset} of channel {channel} after a later one");
                faults.note(Fault::OutOfOrder, told);
                true
            }
            Step::Back => {
                let told = || format!("user {user} heard offset {offset} of channel {channel} again");
                faults.note(Fault::Duplicate, told);
                false
            }
        }
    }

    /// A subscription was answered; what comes with it follows.
    pub fn joined(
        &mut self,
        user: u32,
        id: u32,
        joined: Joined<'_>,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        self.answered = None;
        let join = |asked| if let Asked::Join { channel, due_ns } = asked { Some((channel, due_ns)) } else { None };
        let Some((channel, due_ns)) = self.answer(user, id, join, faults) else { return };
        self.answered = Some(channel);
        if self.day.is_kept(channel) {
            self.stand(user, channel, joined, interval, faults);
            if let Some(due_ns) = due_ns {
                interval.record(Measure::Join, now_ns.saturating_sub(due_ns));
            }
        }
        if let Some(subscription) = self.users[user as usize].subscription(channel) {
            subscription.stage = Stage::Live;
        }
    }

    /// Where a subscriber stands now in a channel that is kept.
    fn stand(&mut self, user: u32, channel: u32, joined: Joined<'_>, interval: &mut Interval, faults: &mut Faults) {
        let Joined { offset, epoch, is_recoverable, is_recovered } = joined;
        if !is_recoverable {
            faults.note(Fault::Unrecovered, || {
                format!("user {user} cannot recover channel {channel}: the server does not keep its messages")
            });
        }
        let has_begun = self.agenda.is_some() || self.end_ns != u64::MAX;
        if !has_begun && self.ledgers[channel as usize].is_news(epoch) {
            faults.note(Fault::Split, || {
                format!(
                    "user {user} was told another life of channel {channel} than others: the nodes are not one server"
                )
            });
        }
        let epoch = self.ledgers[channel as usize].told(offset, epoch);
        let Some(subscription) = self.users[user as usize].subscription(channel) else { return };
        match &mut subscription.place {
            Some(place) if is_recovered => {
                // What lies between was not recovered, whatever the reply says.
                let missed = place.offset + 1..offset + 1;
                if !missed.is_empty() {
                    self.missing.overtake(offset - place.offset, missed.map(|offset| (user, channel, offset)));
                    place.offset = offset;
                }
            }
            Some(place) => {
                interval.count(Count::Gaps, 1);
                if self.day.expect_recovery {
                    let from = place.offset;
                    faults.note(Fault::Unrecovered, || {
                        format!("user {user} was not given what it missed in channel {channel} after offset {from}")
                    });
                }
                *place = Place { offset, epoch };
            }
            none => *none = Some(Place { offset, epoch }),
        }
    }

    /// The server has ended a subscription. Where that is expected, whether the user subscribes anew, from where it is.
    pub fn unsubscribed(&mut self, user: u32, channel: u32, interval: &mut Interval) -> Option<bool> {
        if !self.is_disturbed() {
            return None;
        }
        let member = &mut self.users[user as usize];
        let Some(subscription) = member.subscription(channel).filter(|has| has.stage == Stage::Live) else {
            // What it is leaving or joining is answered anyway.
            return Some(false);
        };
        subscription.stage = Stage::Joining;
        let id = member.ask(Asked::Join { channel, due_ns: None });
        self.actions.push_back(Action::Join { user, id, channel });
        interval.count(Count::Unsubscribed, 1);
        Some(true)
    }

    /// The end of a subscription was answered.
    pub fn left(&mut self, user: u32, id: u32, faults: &mut Faults) {
        let leave = |asked| if let Asked::Leave { channel } = asked { Some(channel) } else { None };
        if let Some(channel) = self.answer(user, id, leave, faults) {
            self.forget(user, channel);
        }
    }

    fn forget(&mut self, user: u32, channel: u32) {
        self.users[user as usize].subscriptions.retain(|subscription| subscription.channel != channel);
    }

    /// A message was taken.
    pub fn acknowledged(&mut self, user: u32, id: u32, now_ns: u64, interval: &mut Interval, faults: &mut Faults) {
        let publish = |asked| match asked {
            Asked::Publish { channel, sequence, due_ns } => Some((channel, sequence, due_ns)),
            _ => None,
        };
        if let Some((channel, sequence, due_ns)) = self.answer(user, id, publish, faults) {
            self.ledgers[channel as usize].taken(sequence);
            interval.record(Measure::Reply, now_ns.saturating_sub(due_ns));
        }
    }

    /// So many clients are in a room, the one that asked among them.
    pub fn present(
        &mut self,
        user: u32,
        id: u32,
        clients: usize,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let ask = |asked| if let Asked::Presence { channel, due_ns } = asked { Some((channel, due_ns)) } else { None };
        if let Some((channel, due_ns)) = self.answer(user, id, ask, faults) {
            interval.record(Measure::Presence, now_ns.saturating_sub(due_ns));
            if clients == 0 {
                faults.note(Fault::Absent, || format!("user {user} was told that nobody is in channel {channel}"));
            }
        }
    }

    /// A command was refused, and may succeed later. Whether that is expected.
    fn refused_for_now(&mut self, user: u32, asked: Asked, now_ns: u64, interval: &mut Interval) -> bool {
        if !self.is_disturbed() {
            return false;
        }
        match asked {
            // Whether it was taken nobody knows: its answer may be what did not come.
            Asked::Publish { .. } => interval.count(Count::Refused, 1),
            Asked::Presence { .. } => {}
            // It comes back with all its subscriptions.
            Asked::Join { .. } | Asked::Leave { .. } => {
                let member = &mut self.users[user as usize];
                member.ended_ns = Some(now_ns);
                member.lose_connection(Presence::Away);
                self.away_for_a_while(user, now_ns);
                self.actions.push_back(Action::Drop { user });
            }
        }
        true
    }

    /// A command was refused.
    pub fn refused(
        &mut self,
        user: u32,
        id: u32,
        refusal: Refusal<'_>,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let Refusal { why, is_temporary } = refusal;
        let Some(asked) = self.answer(user, id, Some, faults) else { return };
        if is_temporary && self.refused_for_now(user, asked, now_ns, interval) {
            return;
        }
        let what = match asked {
            Asked::Publish { channel, .. } => {
                self.ledgers[channel as usize].refused();
                format!("a message to channel {channel}")
            }
            Asked::Presence { channel, .. } => format!("the question who is in channel {channel}"),
            Asked::Join { channel, .. } => {
                self.forget(user, channel);
                format!("the subscription to channel {channel}")
            }
            Asked::Leave { channel } => {
                self.forget(user, channel);
                format!("the end of the subscription to channel {channel}")
            }
        };
        faults.note(Fault::Refused, || format!("user {user} was refused {what}: {why}"));
    }

    /// What of a command that was answered, if it is one that is answered so.
    fn answer<T>(
        &mut self,
        user: u32,
        id: u32,
        pick: impl FnOnce(Asked) -> Option<T>,
        faults: &mut Faults,
    ) -> Option<T> {
        let answered = self.users[user as usize].commands.answer(id).and_then(pick);
        if answered.is_none() {
            let told = || format!("user {user} was answered a command {id} that it did not send, or that is another");
            faults.note(Fault::Unasked, told);
        }
        answered
    }
}

#[cold]
fn note(contradiction: Contradiction, user: u32, publication: Publication, sequence: u32, faults: &mut Faults) {
    let Publication { channel, offset, .. } = publication;
    let (fault, what) = contradiction.told();
    faults.note(fault, || {
        format!("user {user} heard message {sequence} of channel {channel} at offset {offset}, {what}")
    });
}
