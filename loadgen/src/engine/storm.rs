//! Clients that come all at once: for the first time, or again after their connections broke. Sans-IO: time is an
//! argument.
//!
//! Every client of the storm is in, under way, waiting for its time, or given up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use crate::fault::{Fault, Faults};
use crate::measure::{Interval, Measure};
use crate::plan::{self, Breakage};
use crate::share::{Part, Share};

/// A client that is not in.
#[derive(Clone, Copy, Debug, Default)]
struct Absence {
    since_ns: u64,
    /// How often it was turned away.
    attempts: u32,
}

/// The coming of all.
#[derive(Debug)]
pub(super) struct Storm {
    begin_ns: u64,
    breakage: Option<Breakage>,
    backoff_ns: u64,
    backoff_max_ns: u64,
    random: Rng,
    /// The first client's number.
    first_client: u32,
    /// By client, from the first on.
    absences: Vec<Absence>,
    /// Who waits for its time, the earliest first: when, and which client.
    waiting: BinaryHeap<Reverse<(u64, u32)>>,
    under_way: usize,
    /// True exactly until the connections are broken that the clients break themselves.
    breaks: bool,
    attempts_failed: u64,
}

impl Storm {
    /// It breaks loose at `begin_ns`; the clients of the share take part.
    pub(super) fn new(plan: &plan::Storm, share: &Share, begin_ns: u64) -> Self {
        let plan::Storm { clients, breakage, backoff_ns, backoff_max_ns } = *plan;
        let Part { index, of } = share.part;
        let mut storm = Self {
            begin_ns,
            breakage,
            backoff_ns,
            backoff_max_ns,
            random: Rng::with_seed(index.into()),
            first_client: if breakage.is_some() { 0 } else { share.plan.clients.len() as u32 },
            absences: vec![Absence { since_ns: begin_ns, attempts: 0 }; clients as usize],
            waiting: BinaryHeap::new(),
            under_way: 0,
            breaks: matches!(breakage, Some(Breakage::Close | Breakage::Reset)),
            attempts_failed: 0,
        };
        match breakage {
            Some(Breakage::Server) => {}
            Some(Breakage::Close | Breakage::Reset) => {
                let own = share.clients.iter().take_while(|client| **client < clients);
                own.for_each(|client| storm.wait(*client, begin_ns));
            }
            None => {
                let own = (index..clients).step_by(of as usize);
                own.for_each(|number| storm.wait(storm.first_client + number, begin_ns));
            }
        }
        storm
    }

    fn absence(&mut self, client: u32) -> &mut Absence {
        &mut self.absences[(client - self.first_client) as usize]
    }

    /// The client comes again when its time is over.
    fn wait(&mut self, client: u32, now_ns: u64) {
        let attempts = self.absence(client).attempts;
        let longest_ns = self.backoff_ns.saturating_mul(1 << attempts.min(63)).min(self.backoff_max_ns);
        let due_ns = now_ns + self.random.u64(0..=longest_ns);
        self.waiting.push(Reverse((due_ns, client)));
    }

    /// How the connections of so many clients are to end now; told once.
    pub(super) fn break_loose(&mut self, now_ns: u64) -> Option<(Breakage, u32)> {
        let breakage = self.breakage.filter(|_| self.breaks && now_ns >= self.begin_ns)?;
        self.breaks = false;
        Some((breakage, self.absences.len() as u32))
    }

    /// Takes the next client that is due: its number, and when it was due.
    pub(super) fn come(&mut self, now_ns: u64, interval: &mut Interval) -> Option<(u32, u64)> {
        let Reverse((due_ns, client)) = *self.waiting.peek()?;
        if due_ns > now_ns {
            return None;
        }
        self.waiting.pop();
        self.under_way += 1;
        interval.record(Measure::Lateness, now_ns - due_ns);
        Some((client, due_ns))
    }

    /// A client that was due then is in.
    pub(super) fn welcomed(&mut self, client: u32, due_ns: u64, now_ns: u64, interval: &mut Interval) {
        self.under_way -= 1;
        interval.record(Measure::Connect, now_ns - due_ns);
        if self.breakage.is_some() {
            interval.record(Measure::Reconnect, now_ns - self.absence(client).since_ns);
        }
    }

    /// A client was turned away. Whether it will come again.
    pub(super) fn turned_away(&mut self, client: u32, now_ns: u64) -> bool {
        self.under_way -= 1;
        let comes_again = self.backoff_ns > 0;
        if comes_again {
            self.attempts_failed += 1;
            self.absence(client).attempts += 1;
            self.wait(client, now_ns);
        }
        comes_again
    }

    /// The server has ended the connection of a client that was in. Whether that was to be expected.
    pub(super) fn ended(&mut self, client: u32, now_ns: u64) -> bool {
        let is_expected = self.breakage == Some(Breakage::Server);
        if is_expected {
            *self.absence(client) = Absence { since_ns: now_ns, attempts: 0 };
            self.wait(client, now_ns);
        }
        is_expected
    }

    /// When somebody is due next.
    pub(super) fn next_due_ns(&self) -> u64 {
        let begin_ns = if self.breaks { self.begin_ns } else { u64::MAX };
        self.waiting.peek().map_or(u64::MAX, |Reverse((due_ns, _))| *due_ns).min(begin_ns)
    }

    /// Clients on their way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether all have come. As long as the server ends connections, more may.
    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0 && self.breakage != Some(Breakage::Server)
    }

    /// How often clients were turned away that came again.
    pub(super) fn attempts_failed(&self) -> u64 {
        self.attempts_failed
    }

    /// Who is not in now never will be.
    pub(super) fn finish(&self, faults: &mut Faults) {
        let missing = self.waiting.len() + self.under_way;
        if missing > 0 {
            faults.note_many(Fault::NotConnected, missing as u64, || {
                format!("{missing} clients were not in at the end: a longer `duration_s` gives them more time")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Load, Plan};

    const MS: u64 = 1_000_000;
    const BEGIN_NS: u64 = 1000 * MS;

    fn storm(clients: u32, breakage: Option<Breakage>, backoff_ms: u64) -> (Storm, Interval, Faults) {
        let (backoff_ns, backoff_max_ns) = (backoff_ms * MS, 100 * MS);
        let plan = plan::Storm { clients, breakage, backoff_ns, backoff_max_ns };
        (Storm::new(&plan, &Share::whole(all(plan)), BEGIN_NS), Interval::default(), Faults::default())
    }

    /// A plan with 40 clients before the storm.
    fn all(storm: plan::Storm) -> Plan {
        Plan { clients: vec![Vec::new(); 40], channels: 0, streams: Vec::new(), load: Load::Storm(storm) }
    }

    fn come_all(storm: &mut Storm, now_ns: u64, interval: &mut Interval) -> Vec<(u32, u64)> {
        std::iter::from_fn(|| storm.come(now_ns, interval)).collect()
    }

    #[test]
    fn clients_that_were_never_there_come_all_at_once_and_are_measured_from_then() {
        let (mut storm, mut interval, _) = storm(3, None, 0);
        assert_eq!(storm.next_due_ns(), BEGIN_NS);
        assert!(come_all(&mut storm, BEGIN_NS - 1, &mut interval).is_empty() && !storm.is_over());
        let coming = come_all(&mut storm, BEGIN_NS + MS, &mut interval);
        assert_eq!(coming, [40, 41, 42].map(|client| (client, BEGIN_NS)));
        for (client, due_ns) in coming {
            assert!(!storm.is_over());
            storm.welcomed(client, due_ns, BEGIN_NS + 5 * MS, &mut interval);
        }
        assert!(storm.is_over() && storm.break_loose(BEGIN_NS).is_none());
        let counts = [Measure::Connect, Measure::Reconnect, Measure::Lateness].map(|of| interval.histogram(of).len());
        assert_eq!(counts, [3, 0, 3]);
        assert!(interval.histogram(Measure::Connect).min().abs_diff(5 * MS) < MS / 100);
    }

    #[test]
    fn load_processes_share_the_clients_of_a_storm() {
        for breakage in [None, Some(Breakage::Reset)] {
            let plan = plan::Storm { clients: 7, breakage, backoff_ns: 0, backoff_max_ns: 0 };
            let mut came = Vec::new();
            for index in [0, 1] {
                let share = Share::of(all(plan), Part { index, of: 2 }).unwrap();
                let mut storm = Storm::new(&plan, &share, BEGIN_NS);
                came.extend(come_all(&mut storm, BEGIN_NS, &mut Interval::default()).iter().map(|(client, _)| *client));
            }
            came.sort_unstable();
            let first = if breakage.is_some() { 0 } else { 40 };
            assert_eq!(came, (first..first + 7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn connections_break_once_and_their_clients_are_measured_from_the_break_too() {
        let (mut storm, mut interval, _) = storm(2, Some(Breakage::Reset), 20);
        assert_eq!((storm.break_loose(BEGIN_NS - 1), storm.next_due_ns()), (None, BEGIN_NS));
        assert_eq!(storm.break_loose(BEGIN_NS), Some((Breakage::Reset, 2)));
        assert_eq!(storm.break_loose(BEGIN_NS), None);
        let coming = come_all(&mut storm, BEGIN_NS + 20 * MS, &mut interval);
        assert!(coming.iter().all(|(_, due_ns)| (BEGIN_NS..=BEGIN_NS + 20 * MS).contains(due_ns)), "{coming:?}");
        assert!(coming[0].1 != coming[1].1, "the times are random: {coming:?}");
        for (client, due_ns) in coming {
            storm.welcomed(client, due_ns, due_ns + MS, &mut interval);
        }
        assert!(interval.histogram(Measure::Connect).max().abs_diff(MS) < MS / 100);
        assert!(interval.histogram(Measure::Reconnect).max() > interval.histogram(Measure::Connect).max());
    }

    #[test]
    fn a_client_that_is_turned_away_waits_longer_each_time_up_to_a_bound() {
        let (mut storm, mut interval, mut faults) = storm(1, Some(Breakage::Close), 10);
        storm.break_loose(BEGIN_NS);
        let mut waits_ms = Vec::new();
        let mut now_ns = BEGIN_NS;
        for _ in 0..64 {
            let due_ns = storm.next_due_ns();
            waits_ms.push((due_ns - now_ns) / MS);
            now_ns = due_ns;
            let (client, _) = storm.come(now_ns, &mut interval).unwrap();
            assert!(storm.turned_away(client, now_ns), "it comes again");
        }
        assert!(waits_ms[0] <= 10 && waits_ms.iter().all(|wait| *wait <= 100), "{waits_ms:?}");
        assert!(waits_ms.iter().any(|wait| *wait > 50), "{waits_ms:?}");
        assert_eq!(storm.attempts_failed(), 64);
        storm.finish(&mut faults);
        assert_eq!(faults.count(Fault::NotConnected), 1, "it was never let in");
    }

    #[test]
    fn without_backoff_a_client_comes_once_only() {
        let (mut storm, mut interval, mut faults) = storm(1, None, 0);
        let (client, _) = storm.come(BEGIN_NS, &mut interval).unwrap();
        assert!(!storm.turned_away(client, BEGIN_NS));
        storm.finish(&mut faults);
        assert!(storm.is_over() && faults.is_empty(), "whoever turned it away has told so");
    }

    #[test]
    fn only_a_server_that_is_expected_to_end_connections_may() {
        let (mut honest, mut interval, _) = storm(2, Some(Breakage::Server), 10);
        assert_eq!((honest.next_due_ns(), honest.break_loose(BEGIN_NS)), (u64::MAX, None));
        assert!(honest.ended(1, 2 * BEGIN_NS) && !honest.is_over());
        let (client, due_ns) = honest.come(3 * BEGIN_NS, &mut interval).unwrap();
        honest.welcomed(client, due_ns, due_ns + MS, &mut interval);
        assert!(!honest.is_over(), "the server may end more");
        assert!(!storm(2, Some(Breakage::Reset), 10).0.ended(1, BEGIN_NS));
    }
}
