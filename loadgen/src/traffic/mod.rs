//! The messages of a run: which is due, what has come of each. Sans-IO: time is an argument.

mod tally;
mod verify;
mod window;

pub use self::tally::Tally;
use self::verify::Verifier;
use self::window::Window;
use crate::commands::Commands;
use crate::fault::{Fault, Faults};
use crate::limits::UNANSWERED_MAX;
use crate::measure::{Interval, Measure};
use crate::payload::Stamp;
use crate::plan::{Pace, Stream};
use crate::schedule::Schedule;
use crate::share::Share;
use crate::turns::Turns;

/// The messages of a load process: those that its clients publish, and those that they hear.
///
/// Inputs are [`Traffic::take`] (time has passed), [`Traffic::delivered`], [`Traffic::acknowledged`],
/// [`Traffic::refused`] and [`Traffic::learn`] (what other processes have sent); what is measured goes to the interval,
/// what is wrong to the faults.
#[derive(Debug)]
pub struct Traffic {
    pace: Paced,
    streams: Vec<Stream>,
    /// By stream: messages sent, by this process and by others as far as they told.
    tally: Tally,
    /// By channel: those of this process who hear it.
    audiences: Vec<u32>,
    /// By client: what it has under way.
    publishers: Vec<Commands<Unanswered>>,
    verifier: Verifier,
    unanswered: u64,
    /// Deliveries that are to come. Below 0 while more was heard of other processes than they told.
    undelivered: i64,
    /// Whether publishers are told that their messages were taken. Where they are not, somebody must hear them.
    pub is_answered: bool,
}

#[derive(Debug)]
enum Paced {
    Open(Schedule),
    Closed(Window),
}

/// A message whose publisher was not answered.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    stream: u32,
    sequence: u32,
    due_ns: u64,
}

/// A message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// By number of the client.
    pub publisher: u32,
    /// By number of the channel.
    pub channel: u32,
    /// The command's id.
    pub id: u32,
    /// What its payload begins with.
    pub stamp: Stamp,
}

impl Traffic {
    /// From `now_ns` on.
    pub fn new(share: &Share, pace: Pace, now_ns: u64) -> Self {
        let plan = &share.plan;
        let turns = Turns::new(share.streams.clone(), plan.streams.len() as u32);
        let pace = match pace {
            Pace::Open { rate_per_s, burst } => Paced::Open(Schedule::new(now_ns, rate_per_s, burst, turns)),
            Pace::Closed { outstanding, burst } => {
                Paced::Closed(Window::new(plan.streams.len() as u32, &share.streams, outstanding, burst))
            }
        };
        Self {
            pace,
            streams: plan.streams.clone(),
            tally: Tally::new(plan.streams.len()),
            audiences: plan.audiences(),
            publishers: plan.clients.iter().map(|_| Commands::default()).collect(),
            verifier: Verifier::new(plan),
            unanswered: 0,
            undelivered: 0,
            is_answered: true,
        }
    }

    /// When [`Traffic::take`] will have something; `None` while that is up to the server.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.next_stream()?;
        Some(match &self.pace {
            Paced::Open(schedule) => schedule.next_due_ns()?,
            Paced::Closed(_) => 0,
        })
    }

    /// Whose turn it is, unless its publisher is too far behind with its replies.
    fn next_stream(&self) -> Option<u32> {
        match &self.pace {
            Paced::Open(schedule) => {
                let stream = schedule.next_turn()?;
                let publisher = self.streams[stream as usize].publisher;
                (self.publishers[publisher as usize].waiting() < UNANSWERED_MAX).then_some(stream)
            }
            Paced::Closed(window) => window.next(),
        }
    }

    /// Takes the next message if it is due.
    pub fn take(&mut self, now_ns: u64, interval: &mut Interval) -> Option<Due> {
        let stream = self.next_stream()?;
        let Stream { publisher, channel } = self.streams[stream as usize];
        let audience = self.audiences[channel as usize];
        let due_ns = match &mut self.pace {
            Paced::Open(schedule) => {
                let due_ns = schedule.take(now_ns)?;
                interval.record(Measure::Lateness, now_ns - due_ns);
                due_ns
            }
            Paced::Closed(window) => {
                window.send(audience + u32::from(self.is_answered));
                now_ns
            }
        };
        let sent = &mut self.tally.sent[stream as usize];
        let sequence = *sent;
        *sent += 1;
        self.undelivered += i64::from(audience);
        let id = if self.is_answered {
            self.unanswered += 1;
            self.publishers[publisher as usize].send(Unanswered { stream, sequence, due_ns })
        } else {
            0
        };
        Some(Due { publisher, channel, id, stamp: Stamp { stream, sequence, due_ns } })
    }

    /// A client has heard a message; its latency counts as this measure. Whether it is one that it was to hear, and had not.
    #[inline]
    pub fn delivered(
        &mut self,
        client: u32,
        stamp: Stamp,
        measure: Measure,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) -> bool {
        if !self.verifier.hear(client, stamp, faults) {
            return false;
        }
        interval.record(measure, now_ns.saturating_sub(stamp.due_ns));
        self.undelivered -= 1;
        if let Paced::Closed(window) = &mut self.pace {
            window.arrive(stamp.stream, stamp.sequence);
        }
        true
    }

    /// A client was told that it will hear no more: nothing more is expected to reach it.
    pub fn excuse(&mut self, client: u32) {
        for (stream, heard) in self.verifier.excuse(client) {
            self.undelivered -= i64::from(self.tally.taken(stream)) - i64::from(heard);
        }
        for channel in self.verifier.channels(client) {
            self.audiences[channel as usize] -= 1;
        }
    }

    /// A publisher was told that its message was taken.
    pub fn acknowledged(&mut self, client: u32, id: u32, now_ns: u64, interval: &mut Interval, faults: &mut Faults) {
        if let Some(Unanswered { stream, sequence, due_ns }) = self.answered(client, id, faults) {
            interval.record(Measure::Reply, now_ns.saturating_sub(due_ns));
            if let Paced::Closed(window) = &mut self.pace {
                window.arrive(stream, sequence);
            }
        }
    }

    /// The same, without saying which: it is the oldest that has no answer.
    pub fn acknowledged_oldest(&mut self, client: u32, now_ns: u64, interval: &mut Interval, faults: &mut Faults) {
        let oldest = self.publishers.get(client as usize).map_or(0, Commands::oldest);
        self.acknowledged(client, oldest, now_ns, interval, faults);
    }

    /// A publisher was told that its message was refused. In a closed loop its stream ends: nobody hears it.
    pub fn refused(&mut self, client: u32, id: u32, why: &str, faults: &mut Faults) {
        if let Some(Unanswered { stream, sequence, .. }) = self.answered(client, id, faults) {
            self.undelivered -= i64::from(self.audience(stream));
            self.tally.refused[stream as usize] += 1;
            faults.note(Fault::Refused, || format!("message {sequence} of client {client} was refused: {why}"));
        }
    }

    fn answered(&mut self, client: u32, id: u32, faults: &mut Faults) -> Option<Unanswered> {
        let answered = self.publishers.get_mut(client as usize).and_then(|publisher| publisher.answer(id));
        if answered.is_none() {
            faults.note(Fault::Unasked, || format!("client {client} was answered a command {id} that it did not send"));
        }
        self.unanswered -= u64::from(answered.is_some());
        answered
    }

    /// How many of this process hear a stream.
    fn audience(&self, stream: u32) -> u32 {
        self.audiences[self.streams[stream as usize].channel as usize]
    }

    /// What this process knows of all streams.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Another process has told what it sent: that is to be heard here, too.
    ///
    /// # Panics
    /// When it knows other streams.
    pub fn learn(&mut self, tally: &Tally) {
        assert_eq!((tally.sent.len(), tally.refused.len()), (self.streams.len(), self.streams.len()));
        self.undelivered -= self.deliveries();
        self.tally.learn(tally);
        self.undelivered += self.deliveries();
    }

    /// Deliveries here of all that is known to have been sent.
    fn deliveries(&self) -> i64 {
        let streams = 0..self.streams.len() as u32;
        streams.map(|stream| i64::from(self.tally.taken(stream)) * i64::from(self.audience(stream))).sum()
    }

    /// Replies and deliveries that are still to come.
    pub fn under_way(&self) -> u64 {
        self.unanswered + self.undelivered.max(0) as u64
    }

    /// Messages that were due before `end_ns` and were not sent.
    pub fn behind(&self, end_ns: u64) -> u64 {
        match &self.pace {
            Paced::Open(schedule) => schedule.behind(end_ns),
            Paced::Closed(_) => 0,
        }
    }

    /// What has not arrived now never will.
    pub fn finish(&self, faults: &mut Faults) {
        let refused = (0..).zip(&self.tally.refused);
        let excused = refused.map(|(stream, refused)| u64::from(*refused) * u64::from(self.audience(stream))).sum();
        self.verifier.finish(|stream| self.tally.sent[stream as usize], excused, faults);
        for (client, publisher) in self.publishers.iter().enumerate() {
            for Unanswered { stream, sequence, .. } in publisher.unanswered() {
                faults.note(Fault::Unanswered, || {
                    format!("client {client} was not answered about message {sequence} of stream {stream}")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
