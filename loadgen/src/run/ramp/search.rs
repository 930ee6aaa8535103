//! Which rate to try next. Sans-IO.

use crate::scenario::Ramp;

/// The search for the highest rate that holds: up until one breaks, then between.
#[derive(Debug)]
pub(super) struct Search {
    first: f64,
    factor: f64,
    steps_left: u32,
    refinements_left: u32,
    /// The highest rate that held.
    held: Option<f64>,
    /// The lowest rate that broke, always above `held`.
    broken: Option<f64>,
}

impl Search {
    /// From a rate on.
    pub(super) fn new(ramp: &Ramp, first: f64) -> Self {
        let Ramp { factor, steps_max, refinements, .. } = *ramp;
        Self { first, factor, steps_left: steps_max, refinements_left: refinements, held: None, broken: None }
    }

    /// The rate to try, unless the search is over.
    pub(super) fn next_rate(&mut self) -> Option<f64> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        match (self.held, self.broken) {
            (None, None) => Some(self.first),
            (Some(held), None) => Some(held * self.factor),
            (Some(held), Some(broken)) => {
                self.refinements_left = self.refinements_left.checked_sub(1)?;
                Some((held * broken).sqrt())
            }
            (None, Some(_)) => None,
        }
    }

    /// What came of the rate.
    pub(super) fn tell(&mut self, rate: f64, held: bool) {
        let bound = if held { &mut self.held } else { &mut self.broken };
        *bound = Some(rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried against a server that keeps up to a limit.
    fn tried(ramp: &Ramp, first: f64, limit: f64) -> Vec<f64> {
        let mut search = Search::new(ramp, first);
        let next = || {
            let rate = search.next_rate()?;
            search.tell(rate, rate <= limit);
            Some(rate)
        };
        std::iter::from_fn(next).collect()
    }

    fn ramp() -> Ramp {
        Ramp { factor: 2.0, refinements: 3, steps_max: 30, ..Ramp::default() }
    }

    #[test]
    fn rates_double_until_one_breaks_and_then_close_in_on_the_limit() {
        let tried = tried(&ramp(), 100.0, 1150.0);
        let rounded: Vec<_> = tried.iter().map(|rate| rate.round()).collect();
        assert_eq!(rounded, [100.0, 200.0, 400.0, 800.0, 1600.0, 1131.0, 1345.0, 1234.0]);
    }

    #[test]
    fn the_search_ends_where_the_first_rate_breaks() {
        assert_eq!(tried(&ramp(), 100.0, 99.0), [100.0]);
    }

    #[test]
    fn a_server_without_limits_is_tried_as_often_as_was_asked() {
        assert_eq!(tried(&Ramp { steps_max: 4, ..ramp() }, 1.0, f64::INFINITY), [1.0, 2.0, 4.0, 8.0]);
    }
}
