//! What goes to other shards: letters by shard and lane, in order, until the mailboxes take them.
//!
//! Nobody ever waits for room in a mailbox: what does not fit stays here. What can gather here is bounded, since a shard
//! whose letters gather takes less work on: no asks of a shard that has made too much ([`Post::takes_asks`]), and nothing
//! of its own clients and backends while their asks or deliveries wait ([`Post::is_congested`]).

use std::collections::VecDeque;

use super::credit::Credit;
use super::lane::Lane;
use super::letter::{Letter, Level};
use crate::hub::ShardSet;
use crate::limits::{ASKS_WAITING_BYTES_MAX, WINDOW_BYTES};
use crate::model::refusal::Error;

/// A letter that waits.
#[derive(Debug)]
struct Waiting {
    letter: Letter,
    bytes: usize,
    stamp: u64,
}

/// What waits for one shard in one lane, oldest first.
#[derive(Debug, Default)]
struct Queue {
    letters: VecDeque<Waiting>,
    bytes: usize,
}

/// What waits for all shards in one lane.
#[derive(Debug)]
struct Queues {
    by_shard: Vec<Queue>,
    /// Those for which something waits.
    busy: ShardSet,
}

impl Queues {
    fn put(&mut self, to: u16, letter: Letter, bytes: usize, stamp: u64) {
        let queue = &mut self.by_shard[usize::from(to)];
        queue.bytes += bytes;
        queue.letters.push_back(Waiting { letter, bytes, stamp });
        self.busy.insert(to);
    }

    /// Gives away what is taken, of the shards that are not `behind`.
    fn give(&mut self, behind: ShardSet, mut push: impl FnMut(u16, usize, Letter) -> Result<(), Letter>) {
        for to in self.busy.without(behind).iter() {
            let queue = &mut self.by_shard[usize::from(to)];
            while let Some(Waiting { letter, bytes, stamp }) = queue.letters.pop_front() {
                if let Err(letter) = push(to, bytes, letter) {
                    queue.letters.push_front(Waiting { letter, bytes, stamp });
                    break;
                }
                queue.bytes -= bytes;
            }
            if queue.letters.is_empty() {
                self.busy.remove(to);
            }
        }
    }

    /// Whether the letter with this stamp has left for all of these shards.
    fn has_left(&self, to: ShardSet, stamp: u64) -> bool {
        let first = |to: u16| self.by_shard[usize::from(to)].letters.front();
        to.iter().all(|to| first(to).is_none_or(|waiting| waiting.stamp > stamp))
    }

    fn bytes(&self) -> usize {
        self.by_shard.iter().map(|queue| queue.bytes).sum()
    }

    fn letters(&self) -> usize {
        self.by_shard.iter().map(|queue| queue.letters.len()).sum()
    }
}

/// Letters on their way out, and what their makers owe.
#[derive(Debug)]
pub(super) struct Post {
    me: u16,
    lanes: [Queues; Lane::COUNT],
    /// The last delivery.
    stamp: u64,
    credit: Credit,
    /// Shards whose mailboxes had no room for all deliveries at the last attempt.
    behind: ShardSet,
    /// Shards for which more asks wait than should.
    crowded: ShardSet,
    /// Receipts and refusals of publishes of this shard's own sessions, in order.
    own: VecDeque<(Level, Result<u32, Error>)>,
}

impl Post {
    /// Of shard `me`, between so many.
    pub(super) fn new(me: u16, shards: u16) -> Self {
        let queues = || Queues { by_shard: (0..shards).map(|_| Queue::default()).collect(), busy: ShardSet::EMPTY };
        Self {
            me,
            lanes: [queues(), queues(), queues()],
            stamp: 0,
            credit: Credit::new(shards),
            behind: ShardSet::EMPTY,
            crowded: ShardSet::EMPTY,
            own: VecDeque::new(),
        }
    }

    fn lane(&mut self, lane: Lane) -> &mut Queues {
        &mut self.lanes[lane.index()]
    }

    /// A question to a home.
    pub(super) fn ask(&mut self, home: u16, letter: Letter) {
        let bytes = letter.bytes();
        let asks = &mut self.lanes[Lane::Asks.index()];
        asks.put(home, letter, bytes, 0);
        if asks.by_shard[usize::from(home)].bytes >= ASKS_WAITING_BYTES_MAX {
            self.crowded.insert(home);
        }
    }

    /// Something that is given back to a home.
    pub(super) fn tell(&mut self, home: u16, letter: Letter) {
        let bytes = letter.bytes();
        self.lane(Lane::Answers).put(home, letter, bytes, 0);
    }

    /// An answer to a shard.
    pub(super) fn answer(&mut self, shard: u16, letter: Letter) {
        match letter.lane() {
            Lane::Deliveries => {
                let mut letter = Some(letter);
                self.deliver(shard, ShardSet::of(shard), || letter.take().expect("one shard, one letter"));
            }
            _ => self.tell(shard, letter),
        }
    }

    /// The same for several shards, made on behalf of shard `by`.
    pub(super) fn deliver(&mut self, by: u16, to: ShardSet, mut letter: impl FnMut() -> Letter) {
        self.stamp += 1;
        let mut made = 0;
        for shard in to.iter() {
            let letter = letter();
            let bytes = letter.bytes();
            made += bytes;
            self.lanes[Lane::Deliveries.index()].put(shard, letter, bytes, self.stamp);
        }
        self.credit.charge(by, to, self.stamp, made);
    }

    /// A publish of a shard is in its place, and what it made is charged.
    pub(super) fn owe_receipt(&mut self, shard: u16, level: Level) {
        self.credit.owe_receipt(shard, level);
    }

    /// A publish of a shard is refused.
    pub(super) fn owe_refusal(&mut self, shard: u16, level: Level, error: Error) {
        self.credit.owe_refusal(shard, level, error);
    }

    /// The last delivery that was made.
    pub(super) fn mark(&self) -> u64 {
        self.stamp
    }

    /// Whether what this shard's own sessions have published since then must wait for room somewhere.
    pub(super) fn is_behind(&self, mark: u64) -> bool {
        self.stamp > mark && self.credit.is_for(self.me, self.behind)
    }

    /// Whether a shard may ask more: not while what its asks have made, or the answers, wait for room.
    #[inline]
    pub(super) fn takes_asks(&self, from: u16) -> bool {
        let answers = &self.lanes[Lane::Answers.index()].by_shard[usize::from(from)];
        self.credit.is_open(from) && answers.bytes < WINDOW_BYTES
    }

    /// Whether the shard's own clients and backends must wait.
    #[inline]
    pub(super) fn is_congested(&self) -> bool {
        !self.crowded.is_empty() || !self.may_make_more()
    }

    /// Whether this shard may have more made for others by itself: not while what it has made waits for room in the mailboxes.
    #[inline]
    pub(super) fn may_make_more(&self) -> bool {
        self.credit.is_open(self.me)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.busy.is_empty()) && self.credit.is_clear()
    }

    /// Letters that wait, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let letters = self.lanes.iter().map(Queues::letters).sum();
        (letters, self.lanes.iter().map(Queues::bytes).sum())
    }

    /// Gives the letters away, in the order of each lane: `push` gives back what there is no room for.
    pub(super) fn give(&mut self, push: &mut impl FnMut(u16, Lane, usize, Letter) -> Result<(), Letter>) {
        let [_, deliveries, _] = &mut self.lanes;
        deliveries.give(ShardSet::EMPTY, |to, bytes, letter| push(to, Lane::Deliveries, bytes, letter));
        self.behind = deliveries.busy;
        self.settle();
        let [asks, _, answers] = &mut self.lanes;
        answers.give(ShardSet::EMPTY, |to, bytes, letter| push(to, Lane::Answers, bytes, letter));
        // What was told before an ask is heard before it.
        asks.give(answers.busy, |to, bytes, letter| push(to, Lane::Asks, bytes, letter));
        for home in self.crowded.iter() {
            if asks.by_shard[usize::from(home)].bytes < ASKS_WAITING_BYTES_MAX {
                self.crowded.remove(home);
            }
        }
    }

    /// Writes the receipts of what has left.
    fn settle(&mut self) {
        if self.credit.is_clear() {
            return;
        }
        let Self { me, lanes: [_, deliveries, answers], credit, own, .. } = self;
        let has_left = |to, stamp| deliveries.busy.is_empty() || deliveries.has_left(to, stamp);
        credit.settle(has_left, |shard, level, outcome| {
            let letter = match outcome {
                outcome if shard == *me => return own.push_back((level, outcome)),
                Ok(count) => Letter::Published { level, count },
                Err(error) => Letter::Refused { level, error },
            };
            answers.put(shard, letter, size_of::<Letter>(), 0);
        });
    }

    /// The next receipts, or the next refusal, for this shard's own sessions.
    pub(super) fn next_own(&mut self) -> Option<(Level, Result<u32, Error>)> {
        self.own.pop_front()
    }
}
