//! Draws that follow from a seed, from what they are for, and from its number.
//!
//! Nothing is drawn in a row: who does the thousandth errand does not depend on what came of those before it, nor on
//! how fast the server is. The same seed is the same day.

/// A quantity that is drawn, each from a sequence of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    Speaker,
    Room,
    IsDirect,
    IsTyping,
    Contact,
    Asker,
    AskedRoom,
    Mover,
    LeftRoom,
    NewRoom,
    Dropper,
    Device,
    Pause,
    Node,
}

/// All draws of a day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice {
    seed: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn bits(self, draw: Draw, number: u64) -> u64 {
        mix(mix(self.seed ^ ((draw as u64) << 56)) ^ number)
    }

    /// A number from 0 to below `bound`, which is not 0.
    pub(crate) fn below(self, draw: Draw, number: u64, bound: usize) -> usize {
        ((u128::from(self.bits(draw, number)) * bound as u128) >> 64) as usize
    }

    /// Yes, in such a share of all numbers.
    pub(crate) fn share(self, draw: Draw, number: u64, share: f64) -> bool {
        (self.bits(draw, number) >> 11) as f64 / (1u64 << 53) as f64 <= share && share > 0.0
    }
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the number.
fn mix(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_does_not() {
        let row = |seed| -> Vec<_> { (0..100).map(|number| Dice::new(seed).below(Draw::Room, number, 50)).collect() };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
        let other: Vec<_> = (0..100).map(|number| Dice::new(1).below(Draw::Speaker, number, 50)).collect();
        assert_ne!(row(1), other);
    }

    #[test]
    fn every_number_is_drawn_as_often_as_any_other() {
        let mut counts = [0u32; 10];
        (0..10_000).for_each(|number| counts[Dice::new(7).below(Draw::Mover, number, 10)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_share_is_kept() {
        let count = |share| (0..10_000).filter(|number| Dice::new(7).share(Draw::IsDirect, *number, share)).count();
        assert_eq!((count(0.0), count(1.0)), (0, 10_000));
        assert!((2800..3200).contains(&count(0.3)), "{}", count(0.3));
    }
}
