//! Subscribers that stop reading while the others go on. Sans-IO: time is an argument.
//!
//! They stop when the measuring begins, and read again after a while, at the latest when the load ends: only by reading
//! does a client learn what became of it. From when they stop their deliveries are measured apart.

use crate::fault::Faults;
use crate::measure::{Interval, Measure};
use crate::payload::Stamp;
use crate::plan;
use crate::slow::{Cut, Fates};
use crate::traffic::Traffic;

/// Messages, and subscribers that stop reading.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) traffic: Traffic,
    stop_ns: u64,
    /// When they read again; `u64::MAX`: when the load ends.
    resume_ns: u64,
    progress: Progress,
    /// By client: those who stop are the first ones.
    readers: Vec<Reader>,
    fates: Fates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// They read like everybody.
    Before,
    /// They do not read.
    Stopped,
    /// They read again.
    Resumed,
}

#[derive(Clone, Copy, Debug)]
struct Reader {
    /// What it received since it was to stop.
    bytes: u64,
    /// When the last message was due that it heard since then.
    last_due_ns: u64,
    is_cut: bool,
}

/// What those who stop are to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Stop reading.
    Stop,
    /// Read again.
    Resume,
}

impl Slow {
    /// They stop at `stop_ns`.
    pub(super) fn new(plan: &plan::Slow, traffic: Traffic, stop_ns: u64) -> Self {
        let plan::Slow { clients, pause_ns, .. } = *plan;
        Self {
            traffic,
            stop_ns,
            resume_ns: pause_ns.map_or(u64::MAX, |pause_ns| stop_ns + pause_ns),
            progress: Progress::Before,
            readers: vec![Reader { bytes: 0, last_due_ns: stop_ns, is_cut: false }; clients as usize],
            fates: Fates::default(),
        }
    }

    /// What they are to do now; told once each.
    pub(super) fn turn(&mut self, now_ns: u64) -> Option<Turn> {
        match self.progress {
            Progress::Before if now_ns >= self.stop_ns => {
                self.progress = Progress::Stopped;
                Some(Turn::Stop)
            }
            Progress::Stopped if now_ns >= self.resume_ns => self.end(),
            _ => None,
        }
    }

    /// The load ends: those who have stopped read again.
    pub(super) fn end(&mut self) -> Option<Turn> {
        let resumes = self.progress == Progress::Stopped;
        self.progress = Progress::Resumed;
        resumes.then_some(Turn::Resume)
    }

    /// Those who stop: the first clients, so many.
    pub(super) fn clients(&self) -> u32 {
        self.readers.len() as u32
    }

    /// One of them has stopped.
    pub(super) fn stopped(&mut self) {
        self.fates.stopped += 1;
    }

    /// One that has stopped, or is reading again.
    fn slow_reader(&mut self, client: u32) -> Option<&mut Reader> {
        self.readers.get_mut(client as usize).filter(|_| self.progress != Progress::Before)
    }

    /// A client has received so many bytes.
    pub(super) fn received(&mut self, client: u32, bytes: usize) {
        if let Some(reader) = self.slow_reader(client) {
            reader.bytes += bytes as u64;
        }
    }

    /// A client has heard a message.
    pub(super) fn delivered(
        &mut self,
        client: u32,
        stamp: Stamp,
        now_ns: u64,
        interval: &mut Interval,
        faults: &mut Faults,
    ) {
        let mut measure = Measure::Delivery;
        if let Some(reader) = self.slow_reader(client) {
            if reader.is_cut {
                return;
            }
            reader.last_due_ns = reader.last_due_ns.max(stamp.due_ns);
            measure = Measure::SlowDelivery;
        }
        self.traffic.delivered(client, stamp, measure, now_ns, interval, faults);
    }

    /// The server has ended a client's connection or subscription. Whether that was to be expected.
    pub(super) fn cut(&mut self, client: u32, why: &str) -> bool {
        let stop_ns = self.stop_ns;
        let Some(reader) = self.slow_reader(client) else { return false };
        if !std::mem::replace(&mut reader.is_cut, true) {
            let cut = Cut { why: why.to_owned(), bytes: reader.bytes, span_ns: reader.last_due_ns - stop_ns };
            self.fates.cuts.push(cut);
            self.traffic.excuse(client);
        }
        true
    }

    /// When they stop or go on next, or a message is due.
    pub(super) fn next_due_ns(&self) -> u64 {
        let turn_ns = match self.progress {
            Progress::Before => self.stop_ns,
            Progress::Stopped => self.resume_ns,
            Progress::Resumed => u64::MAX,
        };
        self.traffic.next_due_ns().unwrap_or(u64::MAX).min(turn_ns)
    }

    /// What became of them.
    pub(super) fn fates(&self) -> &Fates {
        &self.fates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Load, Pace, Plan, Stream};
    use crate::share::Share;

    const MS: u64 = 1_000_000;

    /// Clients 0 and 1 hear client 2, every 10 ms; client 0 stops at 100 ms.
    fn slow(pause_ns: Option<u64>) -> Slow {
        let pace = Pace::Open { rate_per_s: 100.0, burst: 1 };
        let plan = plan::Slow { pace, clients: 1, pause_ns, receive_buffer_bytes: 65_536 };
        let all = Plan {
            clients: vec![vec![0], vec![0], vec![]],
            channels: 1,
            streams: vec![Stream { publisher: 2, channel: 0 }],
            load: Load::Slow(plan),
        };
        Slow::new(&plan, Traffic::new(&Share::whole(all), pace, 0), 100 * MS)
    }

    /// The message that is due at this time, heard by both.
    fn deliver(slow: &mut Slow, interval: &mut Interval, now_ns: u64) {
        let mut faults = Faults::default();
        let due = slow.traffic.take(now_ns, interval).unwrap();
        for client in [0, 1] {
            slow.received(client, 500);
            slow.delivered(client, due.stamp, now_ns, interval, &mut faults);
        }
        slow.traffic.acknowledged(2, due.id, now_ns, interval, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn they_stop_once_and_read_again_after_their_pause_or_at_the_end() {
        let mut patient = slow(Some(50 * MS));
        assert_eq!((patient.turn(99 * MS), patient.turn(100 * MS)), (None, Some(Turn::Stop)));
        assert_eq!((patient.turn(149 * MS), patient.turn(150 * MS)), (None, Some(Turn::Resume)));
        assert_eq!((patient.turn(900 * MS), patient.end()), (None, None));
        let mut stubborn = slow(None);
        assert_eq!((stubborn.turn(100 * MS), stubborn.turn(900 * MS)), (Some(Turn::Stop), None));
        assert_eq!((stubborn.end(), stubborn.end()), (Some(Turn::Resume), None));
        assert_eq!(slow(None).end(), None, "nobody had stopped");
    }

    #[test]
    fn deliveries_to_those_who_have_stopped_are_measured_apart() {
        let (mut slow, mut interval) = (slow(None), Interval::default());
        deliver(&mut slow, &mut interval, 0);
        slow.turn(100 * MS);
        deliver(&mut slow, &mut interval, 100 * MS);
        let counts = [Measure::Delivery, Measure::SlowDelivery].map(|measure| interval.histogram(measure).len());
        assert_eq!(counts, [3, 1]);
    }

    #[test]
    fn who_is_cut_off_is_expected_to_hear_no_more_and_tells_what_it_found() {
        let (mut slow, mut interval, mut faults) = (slow(None), Interval::default(), Faults::default());
        deliver(&mut slow, &mut interval, 0);
        assert!(!slow.cut(0, "3008 slow"), "it reads");
        slow.turn(100 * MS);
        slow.stopped();
        deliver(&mut slow, &mut interval, 110 * MS);
        assert!(
            slow.cut(0, "3008 slow") && slow.cut(0, "the connection was closed without a word"),
            "one cut is enough"
        );
        assert!(!slow.cut(1, "3008 slow"), "it never stopped");
        let missed = slow.traffic.take(120 * MS, &mut interval).unwrap();
        slow.delivered(1, missed.stamp, 120 * MS, &mut interval, &mut faults);
        slow.traffic.acknowledged(2, missed.id, 120 * MS, &mut interval, &mut faults);
        assert_eq!(slow.traffic.under_way(), 0);
        slow.traffic.finish(&mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        // The message that was due at 10 ms was heard after the stop at 100 ms.
        assert_eq!(slow.fates().cuts, [Cut { why: "3008 slow".into(), bytes: 500, span_ns: 0 }]);
    }
}
