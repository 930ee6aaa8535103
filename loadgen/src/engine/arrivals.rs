//! Clients that come by a schedule, stay for a while and leave. Load processes take turns. Sans-IO: time is an
//! argument.

use std::collections::VecDeque;

use crate::fault::{Fault, Faults};
use crate::limits::ARRIVALS_MAX;
use crate::measure::{Interval, Measure};
use crate::schedule::Schedule;
use crate::share::Part;
use crate::turns::Turns;

/// The coming and going.
#[derive(Debug)]
pub(super) struct Arrivals {
    schedule: Schedule,
    stay_ns: u64,
    /// The first client's number.
    first_client: u32,
    under_way: usize,
    /// Who is there: until when, client, connection.
    present: VecDeque<(u64, u32, u32)>,
}

impl Arrivals {
    /// From `now_ns` on; the first client has this number.
    pub(super) fn new(rate_per_s: f64, stay_ns: u64, first_client: u32, part: Part, now_ns: u64) -> Self {
        let schedule = Schedule::new(now_ns, rate_per_s, 1, Turns::new(vec![part.index], part.of));
        Self { schedule, stay_ns, first_client, under_way: 0, present: VecDeque::new() }
    }

    /// Takes the next client if it is due and not too many are under way: its number, and when it was due.
    pub(super) fn arrive(&mut self, now_ns: u64, interval: &mut Interval) -> Option<(u32, u64)> {
        if self.under_way >= ARRIVALS_MAX {
            return None;
        }
        let number = self.schedule.next_number()? as u32;
        let due_ns = self.schedule.take(now_ns)?;
        interval.record(Measure::Lateness, now_ns - due_ns);
        self.under_way += 1;
        Some((self.first_client + number, due_ns))
    }

    /// A client that was due then is there, and stays for its time.
    pub(super) fn welcomed(&mut self, client: u32, key: u32, due_ns: u64, now_ns: u64, interval: &mut Interval) {
        interval.record(Measure::Connect, now_ns - due_ns);
        self.under_way -= 1;
        self.present.push_back((now_ns + self.stay_ns, client, key));
    }

    /// A client will not come.
    pub(super) fn failed(&mut self) {
        self.under_way -= 1;
    }

    /// Takes a client that has stayed long enough: client and connection.
    pub(super) fn depart(&mut self, now_ns: u64) -> Option<(u32, u32)> {
        self.present.pop_front_if(|(until_ns, ..)| *until_ns <= now_ns).map(|(_, client, key)| (client, key))
    }

    /// When somebody comes or goes next.
    pub(super) fn next_due_ns(&self) -> u64 {
        let departure_ns = self.present.front().map_or(u64::MAX, |(until_ns, ..)| *until_ns);
        let arrival_ns = self.schedule.next_due_ns().filter(|_| self.under_way < ARRIVALS_MAX);
        departure_ns.min(arrival_ns.unwrap_or(u64::MAX))
    }

    /// Clients on their way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Who is not there now never will be.
    pub(super) fn finish(&self, faults: &mut Faults) {
        if self.under_way > 0 {
            let under_way = self.under_way;
            faults.note_many(Fault::NotConnected, under_way as u64, || {
                format!("{under_way} clients still waited to be let in at the end")
            });
        }
    }

    /// Clients that were due before `end_ns` and were not sent.
    pub(super) fn behind(&self, end_ns: u64) -> u64 {
        self.schedule.behind(end_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_when_due_and_go_when_they_have_stayed() {
        let mut interval = Interval::default();
        let mut arrivals = Arrivals::new(1000.0, 5_000_000, 40, Part::WHOLE, 0);
        assert_eq!(arrivals.arrive(0, &mut interval), Some((40, 0)));
        assert_eq!(arrivals.arrive(0, &mut interval), None);
        arrivals.welcomed(40, 7, 0, 300_000, &mut interval);
        assert_eq!(arrivals.arrive(1_200_000, &mut interval), Some((41, 1_000_000)));
        assert_eq!((arrivals.depart(5_299_999), arrivals.depart(5_300_000)), (None, Some((40, 7))));
        assert_eq!(arrivals.under_way(), 1);
        let mut faults = Faults::default();
        arrivals.finish(&mut faults);
        assert_eq!(faults.count(Fault::NotConnected), 1);
        arrivals.failed();
        assert_eq!(arrivals.under_way(), 0);
        assert_eq!(interval.histogram(Measure::Connect).len(), 1);
        assert!(interval.histogram(Measure::Lateness).max() >= 200_000);
    }

    #[test]
    fn a_server_that_welcomes_nobody_holds_the_schedule_back() {
        let mut interval = Interval::default();
        let mut arrivals = Arrivals::new(1e9, 0, 0, Part::WHOLE, 0);
        let second_ns = 1_000_000_000;
        assert_eq!(std::iter::from_fn(|| arrivals.arrive(second_ns, &mut interval)).count(), ARRIVALS_MAX);
        assert_eq!(arrivals.next_due_ns(), u64::MAX);
        assert_eq!(arrivals.behind(second_ns), second_ns - ARRIVALS_MAX as u64);
        arrivals.welcomed(0, 0, 0, second_ns, &mut interval);
        // The next one was due long ago, and says so.
        assert_eq!(arrivals.arrive(second_ns, &mut interval), Some((ARRIVALS_MAX as u32, ARRIVALS_MAX as u64)));
    }
}
