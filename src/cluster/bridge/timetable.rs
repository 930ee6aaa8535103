//! When the publications of each bucket are due that are to come, and that they are published then.
//!
//! Every node knows when the next of a bucket is due: it looks when it begins to hear the bucket and after a gap, and is told of
//! changes. At that time one of the living nodes calls, another for each bucket; the others do a little later, each in its turn,
//! unless they were told meanwhile that it was done: the first may be dead. A call publishes what is due, and nothing twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::complaints::Complaints;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::Leases;
use crate::cluster::redis::schedules::{Due, Next};
use crate::limits::{SCHEDULE_TURN_MS, SCHEDULE_TURNS_MAX, SCHEDULES_AT_ONCE};

/// Before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Timetable {
    functions: Arc<Functions>,
    leases: watch::Receiver<Option<Leases>>,
    complaints: Arc<Complaints>,
    /// Buckets by when they are called.
    due: BTreeSet<(Instant, u16)>,
    /// By bucket, when it is called.
    at: Box<[Option<Instant>]>,
    /// Buckets that are to be looked at.
    unknown: VecDeque<u16>,
    calls: JoinSet<(u16, Result<Next, Fault>)>,
}

impl Timetable {
    /// Of one incarnation's calls. Nothing is known yet.
    pub(super) fn new(
        functions: Arc<Functions>,
        leases: watch::Receiver<Option<Leases>>,
        complaints: Arc<Complaints>,
    ) -> Self {
        let at = (0..functions.keys().buckets()).map(|_| None).collect();
        let (due, unknown, calls) = (BTreeSet::new(), VecDeque::new(), JoinSet::new());
        Self { functions, leases, complaints, due, at, unknown, calls }
    }

    /// What a bucket has to come is not known, or not any more.
    pub(super) fn look_at(&mut self, bucket: u16) {
        if !self.unknown.contains(&bucket) {
            self.unknown.push_back(bucket);
        }
    }

    /// A bucket has told when its next is due.
    pub(super) fn told(&mut self, bucket: u16, next: Next) {
        let at = self.time_of(bucket, next);
        self.call_at(bucket, at);
    }

    /// A bucket has answered when its next is due. What was told meanwhile may be of later, and holds.
    fn answered(&mut self, bucket: u16, next: Next) {
        let at = [self.time_of(bucket, next), self.at[usize::from(bucket)]].into_iter().flatten().min();
        self.call_at(bucket, at);
    }

    /// When this node calls.
    fn time_of(&self, bucket: u16, next: Next) -> Option<Instant> {
        let wait_ms = next.due_ms?.saturating_sub(next.now_ms) + self.turn_ms(bucket);
        Some(Instant::now() + Duration::from_millis(wait_ms))
    }

    /// By how much this node calls later than the first.
    fn turn_ms(&self, bucket: u16) -> u64 {
        let own = self.functions.incarnation().slot;
        let leases = self.leases.borrow();
        let slots: Vec<_> = leases.iter().flat_map(Leases::living).map(|lease| lease.of.slot).collect();
        let place = slots.iter().position(|slot| *slot == own).unwrap_or_default();
        let turn = (place + usize::from(bucket)) % slots.len().max(1);
        SCHEDULE_TURN_MS * turn.min(SCHEDULE_TURNS_MAX) as u64
    }

    fn call_at(&mut self, bucket: u16, at: Option<Instant>) {
        let before = std::mem::replace(&mut self.at[usize::from(bucket)], at);
        if let Some(before) = before {
            self.due.remove(&(before, bucket));
        }
        self.due.extend(at.map(|at| (at, bucket)));
    }

    /// Makes the calls whose time has come, and takes an answer, or waits for the time of the next.
    pub(super) async fn turn(&mut self) {
        self.call();
        let next = self.due.first().map(|(at, _)| *at).filter(|_| self.calls.len() < SCHEDULES_AT_ONCE);
        tokio::select! {
            Some(done) = self.calls.join_next() => match done {
                Ok((bucket, Ok(next))) => self.answered(bucket, next),
                Ok((bucket, Err(fault))) => {
                    self.complaints.tell("schedule_due", &fault);
                    self.call_at(bucket, Some(Instant::now() + PAUSE));
                }
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            else => std::future::pending().await,
        }
    }

    fn call(&mut self) {
        while self.calls.len() < SCHEDULES_AT_ONCE {
            let functions = self.functions.clone();
            if let Some((_, bucket)) = self.due.first().copied().filter(|(at, _)| *at <= Instant::now()) {
                self.call_at(bucket, None);
                let complaints = self.complaints.clone();
                self.calls.spawn(async move {
                    let due = functions.schedule_due(bucket).await;
                    if let Ok(Due { refused: 1.., .. }) = due {
                        let fault = Fault::Foreign(format!("{}, in a channel", functions.keys().head(bucket)));
                        complaints.tell("schedule_due", &fault);
                    }
                    (bucket, due.map(|due| due.next))
                });
            } else if let Some(bucket) = self.unknown.pop_front() {
                self.calls.spawn(async move { (bucket, functions.schedule_next(bucket).await) });
            } else {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::bridge::metrics::BridgeMetrics;
    use crate::cluster::redis::functions::Incarnation;
    use crate::cluster::redis::keys::Keys;
    use crate::cluster::redis::leases::Lease;
    use crate::cluster::redis::link::Link;
    use crate::config::RedisConfig;

    /// That of a node in this slot, among three that live and one that does not.
    fn timetable(slot: u8) -> Timetable {
        let config = RedisConfig { addresses: vec!["127.0.0.1:1".into()], buckets: 4, ..RedisConfig::default() };
        let link = Arc::new(Link::new(&config, None).unwrap());
        let functions = Arc::new(Functions::new(link, Keys::new(&config), Incarnation { slot, number: 1 }));
        let lease = |slot: u8| Lease {
            of: Incarnation { slot, number: 1 },
            ends_ms: if slot == 2 { 0 } else { 2 },
            name: String::new(),
            about: Default::default(),
        };
        let leases = watch::channel(Some(Leases {
            now_ms: 1,
            said_between: [Instant::now(); 2],
            all: [1, 2, 3, 4].map(lease).into(),
        }))
        .1;
        Timetable::new(functions, leases, Arc::new(Complaints::new(Arc::<BridgeMetrics>::default())))
    }

    #[test]
    fn for_each_bucket_another_of_the_living_nodes_calls_first() {
        let turns = |slot| [0, 1, 2, 3].map(|bucket| timetable(slot).turn_ms(bucket) / SCHEDULE_TURN_MS);
        assert_eq!([1, 3, 4].map(turns), [[0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2]]);
    }

    #[test]
    fn a_bucket_is_called_at_the_time_that_was_told_last() {
        let mut timetable = timetable(1);
        let next = |due_ms| Next { now_ms: 1_000, due_ms };
        timetable.told(0, next(Some(9_000)));
        timetable.told(3, next(Some(2_000)));
        assert_eq!(timetable.due.iter().map(|(_, bucket)| *bucket).collect::<Vec<_>>(), [3, 0]);
        timetable.told(0, next(Some(1_500)));
        assert_eq!(timetable.due.iter().map(|(_, bucket)| *bucket).collect::<Vec<_>>(), [0, 3]);
        timetable.answered(0, next(None));
        timetable.answered(3, next(Some(1_001)));
        assert_eq!(timetable.due.iter().map(|(_, bucket)| *bucket).collect::<Vec<_>>(), [3, 0], "what was told holds");
        timetable.told(0, next(None));
        timetable.told(3, next(None));
        assert!(timetable.due.is_empty());
    }
}
