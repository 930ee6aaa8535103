//! The mailbox of one pair of shards: lanes of little room that overtake each other as they like, but for asks, which
//! never overtake what was told before them.

use std::collections::VecDeque;

use rand::Rng;
use rand::rngs::StdRng;

use crate::broker::lane::Lane;
use crate::broker::letter::Letter;

/// Letters on their way.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// By lane: each letter with how many answers were left before it.
    lanes: [VecDeque<(u64, Letter)>; Lane::COUNT],
    left_answers: u64,
    taken_answers: u64,
}

impl Mail {
    /// Leaves a letter; gives it back where its lane has no room.
    pub(super) fn leave(&mut self, lane: Lane, letter: Letter, capacity: usize) -> Result<(), Letter> {
        let letters = &mut self.lanes[lane.index()];
        if letters.len() >= capacity {
            return Err(letter);
        }
        letters.push_back((self.left_answers, letter));
        self.left_answers += u64::from(lane == Lane::Answers);
        Ok(())
    }

    /// Takes the oldest letter of a lane that may be taken now.
    pub(super) fn take(&mut self, takes_asks: bool, random: &mut StdRng) -> Option<Letter> {
        let first = random.random_range(0..Lane::COUNT);
        for lane in (0..Lane::COUNT).map(|step| (first + step) % Lane::COUNT) {
            if lane == Lane::Asks.index() {
                let heard = self.lanes[lane].front().is_some_and(|(told, _)| *told <= self.taken_answers);
                if !takes_asks || !heard {
                    continue;
                }
            }
            if let Some((_, letter)) = self.lanes[lane].pop_front() {
                self.taken_answers += u64::from(lane == Lane::Answers.index());
                return Some(letter);
            }
        }
        None
    }
}
