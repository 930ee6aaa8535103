//! The way between a shard and the bridge to the other nodes: a shard's end of it, and the bridge's.
//!
//! A message a tick goes over with all that the tick asks ([`asked`](super::asked)). Answers come back always: what a home has asked bounds them. Those that
//! are given one by one wait together until the shard takes them.
//! Deliveries wait while the shard is crowded, bounded in bytes by who sends them. Neither end ever waits for the other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::vec;

use super::asked::{Asked, Asker};
use super::waker::Waker;
use crate::broker::bridge::{Answer, Attendance, Delivery, Outgoing};
use crate::limits::{BRIDGE_TICKS_WAITING_MAX, REDIS_BATCH_MAX};

/// Answers that were given one by one and are taken together at the most: as many as those of a call.
const GATHERED_MAX: usize = REDIS_BATCH_MAX;

/// Deliveries of one go.
#[derive(Debug)]
struct Delivered {
    all: Vec<Delivery>,
    /// What they count.
    bytes: usize,
    /// When they were given.
    since: Instant,
}

/// Answers on their way.
#[derive(Debug)]
enum Answers {
    /// Those of a call.
    All(Vec<Answer>),
    /// Those that have gathered by now, so many at the most.
    Gathered,
}

/// Answers that were given one by one and are not taken yet. For each [`GATHERED_MAX`] of them, or what is left of these, there is one
/// [`Answers::Gathered`] on its way.
#[derive(Debug, Default)]
struct Gathered(Mutex<VecDeque<Answer>>);

impl Gathered {
    /// Whether another [`Answers::Gathered`] is to go.
    fn put(&self, answer: Answer) -> bool {
        let mut gathered = self.gathered();
        gathered.push_back(answer);
        gathered.len() % GATHERED_MAX == 1
    }

    fn take(&self) -> Vec<Answer> {
        let mut gathered = self.gathered();
        let count = gathered.len().min(GATHERED_MAX);
        gathered.drain(..count).collect()
    }

    fn gathered(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's end.
#[derive(Debug)]
pub struct ShardBridge {
    shard: u16,
    asker: Asker,
    answers: flume::Receiver<Answers>,
    gathered: Arc<Gathered>,
    deliveries: flume::Receiver<Delivered>,
    /// The deliveries that are being taken, and what they count.
    current: (vec::IntoIter<Delivery>, usize),
    waiting_bytes: Arc<AtomicUsize>,
}

/// The bridge's end.
#[derive(Clone, Debug)]
pub struct BridgeEnd {
    answers: flume::Sender<Answers>,
    gathered: Arc<Gathered>,
    deliveries: flume::Sender<Delivered>,
    waiting_bytes: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

impl ShardBridge {
    /// Both ends of the way of a shard that this waker wakes; what it asks goes by `asker`.
    pub fn new(shard: u16, waker: Arc<Waker>, asker: Asker) -> (Self, BridgeEnd) {
        let ((answers_in, answers), (deliveries_in, deliveries)) = (flume::unbounded(), flume::unbounded());
        let (waiting_bytes, gathered) = (Arc::<AtomicUsize>::default(), Arc::<Gathered>::default());
        let end = BridgeEnd {
            answers: answers_in,
            gathered: gathered.clone(),
            deliveries: deliveries_in,
            waiting_bytes: waiting_bytes.clone(),
            waker,
        };
        (Self { shard, asker, answers, gathered, deliveries, current: Default::default(), waiting_bytes }, end)
    }

    /// Asks all of this.
    pub fn ask(&self, mut all: Vec<Outgoing>, attendance: Vec<Attendance>) {
        if self.asker.waiting() >= BRIDGE_TICKS_WAITING_MAX {
            all.retain(|what| !matches!(what, Outgoing::Tell { ticket: None, .. }));
        }
        self.asker.ask(Asked { shard: self.shard, all, attendance, since: Instant::now() });
    }

    /// The answers of a call, or such as have gathered.
    pub fn next_answers(&self) -> Option<Vec<Answer>> {
        Some(match self.answers.try_recv().ok()? {
            Answers::All(all) => all,
            Answers::Gathered => self.gathered.take(),
        })
    }

    /// How often answers wait to be taken.
    pub fn answered(&self) -> usize {
        self.answers.len()
    }

    /// Batches of deliveries that wait to be begun.
    pub fn delivered(&self) -> usize {
        self.deliveries.len()
    }

    /// Begins a batch of deliveries; for how long it has waited. Answers that were given before it was made have come by now: take
    /// them first.
    pub fn begin_deliveries(&mut self) -> Option<Duration> {
        assert!(self.current.0.len() == 0, "one batch after the other");
        let Delivered { all, bytes, since } = self.deliveries.try_recv().ok()?;
        self.current = (all.into_iter(), bytes);
        Some(since.elapsed())
    }

    /// The next delivery of the batch.
    pub fn next_delivery(&mut self) -> Option<Delivery> {
        let delivery = self.current.0.next();
        if delivery.is_none() {
            self.waiting_bytes.fetch_sub(std::mem::take(&mut self.current.1), Ordering::Relaxed);
        }
        delivery
    }

    /// Whether there is something to take.
    pub fn has_come(&self) -> bool {
        !self.answers.is_empty() || !self.deliveries.is_empty() || self.current.0.len() > 0
    }
}

impl BridgeEnd {
    /// Gives the answers of a call.
    pub fn answer(&self, answers: Vec<Answer>) {
        // A shard that has ended waits for none.
        let _ = self.answers.send(Answers::All(answers));
        self.waker.wake();
    }

    /// Gives an answer, which is taken with others that are given so: in their order, but not in that of calls.
    pub fn gather(&self, answer: Answer) {
        if self.gathered.put(answer) {
            let _ = self.answers.send(Answers::Gathered);
            self.waker.wake();
        }
    }

    /// Tells something that counts so many bytes.
    pub fn deliver(&self, all: Vec<Delivery>, bytes: usize) {
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let _ = self.deliveries.send(Delivered { all, bytes, since: Instant::now() });
        self.waker.wake();
    }

    /// Bytes of what was told and is not taken yet.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::bridge::Ticket;
    use crate::shard::asked::{self, Asks};

    fn way() -> (ShardBridge, BridgeEnd, Asks) {
        let (asker, asks) = asked::way();
        let (shard, end) = ShardBridge::new(3, Arc::new(Waker::new().unwrap()), asker);
        (shard, end, asks)
    }

    #[test]
    fn deliveries_count_until_they_are_taken() {
        let (mut shard, end, _asked) = way();
        assert!(!shard.has_come());
        end.deliver(vec![Delivery::Hole(1), Delivery::Hole(2)], 100);
        end.deliver(vec![Delivery::Lost(3)], 10);
        assert!(shard.has_come() && shard.begin_deliveries().is_some());
        let taken: Vec<_> = std::iter::from_fn(|| shard.next_delivery()).collect();
        assert!(matches!(taken[..], [Delivery::Hole(1), Delivery::Hole(2)]), "{taken:?}");
        assert_eq!(end.waiting_bytes(), 10);
        assert!(shard.begin_deliveries().is_some() && matches!(shard.next_delivery(), Some(Delivery::Lost(3))));
        assert!(shard.next_delivery().is_none() && !shard.has_come() && shard.begin_deliveries().is_none());
        assert_eq!(end.waiting_bytes(), 0);
    }

    #[test]
    fn answers_that_are_given_one_by_one_are_taken_together_in_order_and_none_is_left() {
        let (shard, end, _asked) = way();
        let removed = |number| Answer::Removed(Ticket(number), Ok(0));
        let taken = || {
            let answers = shard.next_answers().expect("something was given");
            let number = |answer| match answer {
                Answer::Removed(Ticket(number), _) => number,
                other => panic!("{other:?}"),
            };
            answers.into_iter().map(number).collect::<Vec<_>>()
        };
        let max = GATHERED_MAX as u64;
        end.gather(removed(0));
        end.answer(vec![removed(1_000)]);
        end.gather(removed(1));
        assert_eq!((shard.answered(), taken(), taken()), (2, vec![0, 1], vec![1_000]));
        assert!(!shard.has_come() && shard.next_answers().is_none());
        (0..=max).for_each(|number| end.gather(removed(number)));
        assert_eq!((shard.answered(), taken()), (2, (0..max).collect()), "no more at once");
        // What is left has its turn already; what comes meanwhile goes with it.
        (max + 1..2 * max + 3).for_each(|number| end.gather(removed(number)));
        assert_eq!(
            (shard.answered(), taken(), taken()),
            (2, (max..2 * max).collect(), vec![2 * max, 2 * max + 1, 2 * max + 2])
        );
        assert!(!shard.has_come(), "and nothing waits without one");
        (0..max).for_each(|number| end.gather(removed(number)));
        assert_eq!((shard.answered(), taken().len(), shard.has_come()), (1, GATHERED_MAX, false));
    }

    #[test]
    fn a_shard_whose_bridge_has_no_processor_drops_what_may_be_lost_and_nothing_else() {
        let (shard, _end, mut asks) = way();
        let channel = Arc::<str>::from("room");
        let all = || {
            let tell = Outgoing::Tell { ticket: None, channel: channel.clone(), body: "x".into() };
            vec![tell, Outgoing::Leave(channel.clone())]
        };
        (0..=BRIDGE_TICKS_WAITING_MAX).for_each(|_| shard.ask(all(), Vec::new()));
        let sizes: Vec<_> = std::iter::from_fn(|| asks.try_next()).map(|asked| asked.all.len()).collect();
        assert!(sizes[..BRIDGE_TICKS_WAITING_MAX].iter().all(|size| *size == 2));
        assert_eq!(sizes[BRIDGE_TICKS_WAITING_MAX..], [1]);
        shard.ask(all(), Vec::new());
        assert_eq!(asks.try_next().map(|asked| asked.all.len()), Some(2), "what was taken waits no more");
    }
}
