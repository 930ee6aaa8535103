//! Whose turn it is, where several take turns and not all of them are here.

/// Numbers from 0, each the turn of one of so many who follow one another in a circle; of those, the ones that are here.
#[derive(Clone, Debug)]
pub struct Turns {
    /// Who is here, ascending.
    own: Vec<u32>,
    /// How many there are in all.
    all: u32,
    /// How many turns were taken here.
    taken: u64,
    /// The number at which the present round begins.
    round: u64,
    /// Who of those here is next.
    next: usize,
}

impl Turns {
    /// Of `all` who take turns, these are here.
    ///
    /// # Panics
    /// When one of them is none of all, or they are not in ascending order.
    pub fn new(own: Vec<u32>, all: u32) -> Self {
        assert!(own.is_sorted_by(|one, next| one < next) && own.last().is_none_or(|last| *last < all));
        Self { own, all, taken: 0, round: 0, next: 0 }
    }

    /// All of so many are here.
    pub fn all(all: u32) -> Self {
        Self::new((0..all).collect(), all)
    }

    /// Who is next; `None` where nobody is here.
    #[inline]
    pub fn next(&self) -> Option<u32> {
        self.own.get(self.next).copied()
    }

    /// The number of the next turn.
    #[inline]
    pub fn number(&self) -> Option<u64> {
        Some(self.round + u64::from(self.next()?))
    }

    /// The turn was taken.
    #[inline]
    pub fn advance(&mut self) {
        self.taken += 1;
        self.next += 1;
        if self.next == self.own.len() {
            self.next = 0;
            self.round += u64::from(self.all);
        }
    }

    /// How many turns with smaller numbers are to be taken here.
    pub fn left_before(&self, number: u64) -> u64 {
        let all = u64::from(self.all.max(1));
        let in_last_round = self.own.partition_point(|own| u64::from(*own) < number % all);
        let turns = number / all * self.own.len() as u64 + in_last_round as u64;
        turns.saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_here_have_their_numbers_in_every_round() {
        let mut turns = Turns::new(vec![1, 4], 5);
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push((turns.number().unwrap(), turns.next().unwrap()));
            turns.advance();
        }
        assert_eq!(taken, [(1, 1), (4, 4), (6, 1), (9, 4), (11, 1)]);
    }

    #[test]
    fn what_is_left_counts_what_is_here_only() {
        let mut turns = Turns::new(vec![1, 4], 5);
        assert_eq!([0, 1, 2, 5, 7, 10].map(|number| turns.left_before(number)), [0, 0, 1, 2, 3, 4]);
        turns.advance();
        assert_eq!([0, 2, 5, 10].map(|number| turns.left_before(number)), [0, 0, 1, 3]);
    }

    #[test]
    fn nobody_has_no_turn() {
        let turns = Turns::new(Vec::new(), 5);
        assert_eq!((turns.next(), turns.number(), turns.left_before(100)), (None, None, 0));
    }
}
