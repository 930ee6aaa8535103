//! Clients whose connections break, who miss messages while they are away, and who all recover them at once. Sans-IO:
//! time is an argument.
//!
//! First the connections break, then all is published and acknowledged that is to be missed, then all clients come.
//! Nothing is published before and after, so that the place where a channel's subscribers stood is the same for all.

use crate::fault::{Fault, Faults};
use crate::limits::RECOVERY_UNANSWERED_MAX;
use crate::measure::{Interval, Measure};
use crate::payload::{Damaged, Stamp};
use crate::plan;
use crate::protocol::Joined;

/// The first command of the publisher that is a publish.
const FIRST_ID: u32 = 16;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The connections of so many clients break.
    Break(u32),
    /// The publisher publishes.
    Publish {
        /// Its answer has it, too.
        id: u32,
        /// Where, and what.
        stamp: Stamp,
    },
    /// A client comes that was due then.
    Come {
        /// By number, as in the plan.
        client: u32,
        /// When it is to be done, nanoseconds of the clock of the run.
        due_ns: u64,
    },
}

/// Where the subscribers of a channel stood when their connections broke.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    offset: u64,
    epoch: String,
}

/// The breaking, the missing and the recovering.
#[derive(Debug)]
pub(super) struct Recovery {
    plan: plan::Recovery,
    /// When the connections break; `u64::MAX` while the clients gather.
    begin_ns: u64,
    breaks: bool,
    /// By channel.
    places: Vec<Option<Place>>,
    published: u32,
    acknowledged: u32,
    /// When the clients are due: once all is acknowledged.
    due_ns: Option<u64>,
    come: u32,
    under_way: usize,
    /// By client: messages that it was given back.
    recovered: Vec<u32>,
    /// Whether it came to an end before anybody came.
    is_given_up: bool,
}

impl Recovery {
    /// Nothing happens yet.
    pub(super) fn new(plan: plan::Recovery) -> Self {
        Self {
            begin_ns: u64::MAX,
            breaks: true,
            places: vec![None; plan.channels as usize],
            published: 0,
            acknowledged: 0,
            due_ns: None,
            come: 0,
            under_way: 0,
            recovered: vec![0; plan.clients as usize],
            is_given_up: false,
            plan,
        }
    }

    /// The connections break then.
    pub(super) fn begin(&mut self, begin_ns: u64) {
        self.begin_ns = begin_ns;
    }

    /// Who publishes what the others miss.
    pub(super) fn publisher(&self) -> u32 {
        self.plan.clients
    }

    fn channel(&self, client: u32) -> u32 {
        client % self.plan.channels
    }

    /// Messages that are missed in all channels.
    fn total(&self) -> u32 {
        self.plan.channels * self.plan.missed
    }

    /// What a client says from where it wants to hear on.
    pub(super) fn since(&self, client: u32) -> Option<(u64, &str)> {
        let place = self.places[self.channel(client) as usize].as_ref().filter(|_| !self.breaks)?;
        Some((place.offset, &place.epoch))
    }

    /// The next thing to be done, if it is time.
    pub(super) fn take(&mut self, now_ns: u64, interval: &mut Interval) -> Option<Action> {
        if now_ns < self.begin_ns || self.is_given_up {
            return None;
        }
        if std::mem::take(&mut self.breaks) {
            return Some(Action::Break(self.plan.clients));
        }
        if self.published < self.total() {
            return (self.published - self.acknowledged < RECOVERY_UNANSWERED_MAX).then(|| self.publish(now_ns));
        }
        let due_ns = self.due_ns?;
        if self.come == self.plan.clients {
            return None;
        }
        let client = self.come;
        self.come += 1;
        self.under_way += 1;
        interval.record(Measure::Lateness, now_ns - due_ns);
        Some(Action::Come { client, due_ns })
    }

    fn publish(&mut self, now_ns: u64) -> Action {
        let number = self.published;
        self.published += 1;
        let (stream, sequence) = (number % self.plan.channels, number / self.plan.channels);
        Action::Publish { id: FIRST_ID + number, stamp: Stamp { stream, sequence, due_ns: now_ns } }
    }

    /// The publisher was told that a message was taken. After the last one all clients are due.
    pub(super) fn acknowledged(&mut self, now_ns: u64) {
        self.acknowledged += 1;
        if self.acknowledged == self.total() {
            self.due_ns = Some(now_ns);
        }
    }

    /// What is to be missed is not taken: nobody is to come any more.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// A subscription of a client begins; what it missed follows.
    pub(super) fn joined(&mut self, client: u32, joined: Joined<'_>, faults: &mut Faults) {
        let channel = self.channel(client) as usize;
        if !joined.is_recoverable {
            faults.note(Fault::Unrecovered, || {
                format!("client {client} cannot recover channel {channel}: the server does not keep its messages")
            });
        } else if self.breaks {
            self.places[channel] = Some(Place { offset: joined.offset, epoch: joined.epoch.into() });
        } else if !joined.is_recovered {
            faults.note(Fault::Unrecovered, || format!("client {client} was not given what it missed"));
        }
    }

    /// A client was given back a message that it missed.
    pub(super) fn recovered(&mut self, client: u32, offset: u64, message: Result<Stamp, Damaged>, faults: &mut Faults) {
        let (channel, sequence) = (self.channel(client), self.recovered[client as usize]);
        self.recovered[client as usize] += 1;
        let stood = self.places[channel as usize].as_ref().map_or(0, |place| place.offset);
        let expected = stood + 1 + u64::from(sequence);
        match message {
            Err(Damaged) => faults.note(Fault::Damaged, || format!("client {client} recovered a changed message")),
            Ok(stamp) if stamp.stream != channel => {
                faults.note(Fault::Misdelivered, || format!("client {client} recovered what is of another channel"));
            }
            Ok(stamp) if stamp.sequence != sequence || offset != expected => {
                faults.note(Fault::OutOfOrder, || format!("client {client} recovered offset {offset}, not {expected}"))
            }
            Ok(_) => {}
        }
    }

    /// A client that was due then is in.
    pub(super) fn welcomed(&mut self, due_ns: u64, now_ns: u64, interval: &mut Interval) {
        self.under_way -= 1;
        interval.record(Measure::Connect, now_ns - due_ns);
    }

    /// A client will not come.
    pub(super) fn failed(&mut self) {
        self.under_way -= 1;
    }

    /// When something is due next.
    pub(super) fn next_due_ns(&self) -> u64 {
        let waits = self.published - self.acknowledged >= RECOVERY_UNANSWERED_MAX
            || self.published == self.total() && self.due_ns.is_none()
            || self.come == self.plan.clients
            || self.is_given_up;
        if waits { u64::MAX } else { self.begin_ns }
    }

    /// Clients on their way, and messages that were not acknowledged.
    pub(super) fn under_way(&self) -> u64 {
        if self.is_given_up { 0 } else { self.under_way as u64 + u64::from(self.published - self.acknowledged) }
    }

    /// Whether all have come.
    pub(super) fn is_over(&self) -> bool {
        self.is_given_up || self.come == self.plan.clients && self.under_way == 0
    }

    /// What was not given back now never will be.
    pub(super) fn finish(&self, faults: &mut Faults) {
        if self.is_given_up {
            return;
        }
        let absent = u64::from(self.plan.clients - self.come) + self.under_way as u64;
        if absent > 0 {
            faults.note_many(Fault::NotConnected, absent, || {
                format!("{absent} clients were not in at the end: a longer `duration_s` gives them more time")
            });
        }
        let missing = self.recovered.iter().map(|recovered| u64::from(self.plan.missed.saturating_sub(*recovered)));
        let lost = missing.sum::<u64>().saturating_sub(absent * u64::from(self.plan.missed));
        if lost > 0 {
            faults.note_many(Fault::Lost, lost, || format!("{lost} messages were missed and never given back"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN_NS: u64 = 1_000_000;

    fn joined(offset: u64, is_recovered: bool) -> Joined<'static> {
        Joined { offset, epoch: "life", is_recoverable: true, is_recovered }
    }

    /// Three clients in two channels that stood at offset 7, whose connections have broken and who missed two messages.
    fn away() -> (Recovery, Interval, Faults) {
        let mut recovery = Recovery::new(plan::Recovery { clients: 3, channels: 2, missed: 2 });
        let (mut interval, mut faults) = (Interval::default(), Faults::default());
        (0..3).for_each(|client| recovery.joined(client, joined(7, false), &mut faults));
        assert_eq!(recovery.since(0), None);
        assert_eq!(recovery.take(u64::MAX - 1, &mut interval), None);
        recovery.begin(BEGIN_NS);
        assert_eq!(recovery.take(BEGIN_NS - 1, &mut interval), None);
        assert_eq!(recovery.take(BEGIN_NS, &mut interval), Some(Action::Break(3)));
        (recovery, interval, faults)
    }

    fn come_all(recovery: &mut Recovery, interval: &mut Interval) {
        let publish = |action| matches!(action, Some(Action::Publish { .. }));
        while publish(recovery.take(BEGIN_NS, interval)) {}
        (0..4).for_each(|number| recovery.acknowledged(BEGIN_NS + number));
        for client in 0..3 {
            let due_ns = BEGIN_NS + 3;
            assert_eq!(recovery.take(2 * BEGIN_NS, interval), Some(Action::Come { client, due_ns }));
        }
        assert!(recovery.take(2 * BEGIN_NS, interval).is_none() && !recovery.is_over());
    }

    #[test]
    fn all_is_acknowledged_that_is_missed_before_anybody_comes() {
        let (mut recovery, mut interval, _) = away();
        let taken: Vec<_> = std::iter::from_fn(|| recovery.take(BEGIN_NS, &mut interval)).collect();
        let place = |action: &Action| match action {
            Action::Publish { id, stamp } => (*id, stamp.stream, stamp.sequence),
            other => panic!("{other:?}"),
        };
        let places: Vec<_> = taken.iter().map(place).collect();
        assert_eq!(places, [(16, 0, 0), (17, 1, 0), (18, 0, 1), (19, 1, 1)]);
        (0..3).for_each(|_| recovery.acknowledged(BEGIN_NS));
        assert_eq!((recovery.take(BEGIN_NS, &mut interval), recovery.next_due_ns()), (None, u64::MAX));
        recovery.acknowledged(BEGIN_NS);
        assert!(recovery.take(BEGIN_NS, &mut interval).is_some());
        assert_eq!(recovery.since(2), Some((7, "life")));
    }

    #[test]
    fn clients_that_are_given_back_everything_are_measured_from_when_they_were_due() {
        let (mut recovery, mut interval, mut faults) = away();
        come_all(&mut recovery, &mut interval);
        for client in 0..3 {
            recovery.joined(client, joined(7, true), &mut faults);
            for sequence in 0..2 {
                let stamp = Stamp { stream: client % 2, sequence, due_ns: 0 };
                recovery.recovered(client, 8 + u64::from(sequence), Ok(stamp), &mut faults);
            }
            recovery.welcomed(BEGIN_NS + 3, 3 * BEGIN_NS, &mut interval);
        }
        recovery.finish(&mut faults);
        assert!(recovery.is_over() && faults.is_empty(), "{faults:?}");
        assert_eq!(interval.histogram(Measure::Connect).len(), 3);
    }

    #[test]
    fn where_nothing_can_be_missed_nobody_comes_and_it_is_over() {
        let (mut recovery, mut interval, mut faults) = away();
        assert!(matches!(recovery.take(BEGIN_NS, &mut interval), Some(Action::Publish { .. })));
        recovery.give_up();
        assert_eq!((recovery.take(BEGIN_NS, &mut interval), recovery.next_due_ns()), (None, u64::MAX));
        recovery.finish(&mut faults);
        assert!(recovery.is_over() && recovery.under_way() == 0 && faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn what_is_not_given_back_or_in_the_wrong_place_is_a_fault() {
        let (mut recovery, mut interval, mut faults) = away();
        come_all(&mut recovery, &mut interval);
        recovery.joined(0, joined(7, false), &mut faults);
        recovery.joined(1, joined(7, true), &mut faults);
        let stamp = |stream, sequence| Ok(Stamp { stream, sequence, due_ns: 0 });
        recovery.recovered(1, 9, stamp(1, 0), &mut faults);
        recovery.recovered(1, 9, stamp(0, 1), &mut faults);
        recovery.recovered(2, 8, Err(Damaged), &mut faults);
        (0..2).for_each(|_| recovery.welcomed(BEGIN_NS + 3, 3 * BEGIN_NS, &mut interval));
        recovery.finish(&mut faults);
        let counts = [Fault::Unrecovered, Fault::OutOfOrder, Fault::Misdelivered, Fault::Damaged, Fault::NotConnected];
        assert_eq!(counts.map(|fault| faults.count(fault)), [1; 5], "{faults:?}");
        // Two of the first client and one of the third, who is not in and counts as that.
        assert_eq!(faults.count(Fault::Lost), 1);
    }
}
