//! The generations of all buckets into which records were moved.
//!
//! A bucket that has lost writes is in another generation, and knows nothing of what was moved: all of it that may still be had
//! is moved again. So that a loss is seen although no mover was there at the time, the group is told beside where it stands
//! into which generations all before it was moved.

use aws_lc_rs::digest::{SHA256, digest};

use crate::cluster::redis::bucket::Generation;

/// By bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Generations(Box<[Generation]>);

impl Generations {
    /// Of so many buckets, of which nothing is known.
    pub(super) fn unknown(buckets: u16) -> Self {
        Self((0..buckets).map(|_| Generation::default()).collect())
    }

    /// Learns those that are not known from what buckets were last heard to be in; whether others have changed.
    pub(super) fn compare(&mut self, heard: impl Iterator<Item = Generation>) -> bool {
        let mut has_changed = false;
        for (known, heard) in self.0.iter_mut().zip(heard) {
            match (*known == Generation::default(), heard == Generation::default()) {
                (_, true) => {}
                (true, false) => *known = heard,
                (false, false) => has_changed |= *known != heard,
            }
        }
        has_changed
    }

    /// Takes over what buckets have said that they are in.
    pub(super) fn replace(&mut self, said: Box<[Generation]>) {
        self.0 = said;
    }

    /// Whether those of all buckets are known.
    pub(super) fn are_known(&self) -> bool {
        self.0.iter().all(|generation| *generation != Generation::default())
    }

    /// A bucket's.
    pub(super) fn of(&self, bucket: u16) -> Generation {
        self.0[usize::from(bucket)]
    }

    /// All of them in some letters: others have others.
    pub(super) fn said(&self) -> String {
        let all: Vec<_> = self.0.iter().flat_map(|generation| generation.0).collect();
        let digest = digest(&SHA256, &all);
        digest.as_ref()[..16].iter().fold("1 ".to_owned(), |said, byte| said + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Generation = Generation([1; 8]);
    const B: Generation = Generation([2; 8]);

    #[test]
    fn what_was_not_known_is_learnt_and_what_changes_is_told_until_it_is_taken_over() {
        let mut generations = Generations::unknown(2);
        assert!(!generations.compare([A, Generation::default()].into_iter()));
        assert!(!generations.are_known());
        assert!(!generations.compare([A, A].into_iter()) && generations.are_known());
        let before = generations.said();
        assert!(!generations.compare([Generation::default(), A].into_iter()), "what is not heard yet has not changed");
        assert!(generations.compare([A, B].into_iter()) && generations.compare([A, B].into_iter()));
        assert_eq!((generations.of(1), generations.said()), (A, before.clone()));
        generations.replace([A, B].into());
        assert!(!generations.compare([A, B].into_iter()));
        assert_ne!(generations.said(), before);
        assert_eq!(before.len(), 34, "{before}");
    }
}
