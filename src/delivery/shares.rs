//! What each channel has of a shard's dead letters, and whose go where there are too many: the oldest of the channel that has
//! most. So a channel whose devices take nothing loses its own, and pushes out nobody else's.
//!
//! *Most* is in number or in bytes, by which of them there is too much. Of several channels that have as much, the one with the
//! oldest letter has most.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How old a dead letter is beside others: since when it is one, Unix milliseconds, and its number among those of the same time.
pub(super) type Age = (i64, u64);

/// Of what there may be too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Number,
    Bytes,
}

/// A channel among the others: what it has, how old its oldest letter is, and its name.
type Rank = (usize, Reverse<Age>, Arc<str>);

/// What one channel has.
#[derive(Debug, Default)]
struct Share {
    /// The offsets of its letters.
    by_age: BTreeMap<Age, u64>,
    bytes: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_channel: BTreeMap<Arc<str>, Share>,
    by_number: BTreeSet<Rank>,
    by_bytes: BTreeSet<Rank>,
}

impl Share {
    /// Its ranks by number and by bytes. `None` where it has nothing.
    fn ranks(&self, channel: &Arc<str>) -> Option<[Rank; 2]> {
        let (oldest, _) = self.by_age.first_key_value()?;
        Some([self.by_age.len(), self.bytes].map(|has| (has, Reverse(*oldest), channel.clone())))
    }
}

impl Shares {
    /// A channel has a letter more, of so many bytes.
    pub(super) fn add(&mut self, channel: &Arc<str>, age: Age, offset: u64, bytes: usize) {
        self.change(channel, |share| {
            share.by_age.insert(age, offset);
            share.bytes += bytes;
        });
    }

    /// A channel has one less.
    pub(super) fn remove(&mut self, channel: &Arc<str>, age: Age, bytes: usize) {
        self.change(channel, |share| {
            share.by_age.remove(&age);
            share.bytes -= bytes;
        });
    }

    /// The letter that goes first: channel and offset.
    pub(super) fn first_to_go(&self, by: Measure) -> Option<(Arc<str>, u64)> {
        let ranks = match by {
            Measure::Number => &self.by_number,
            Measure::Bytes => &self.by_bytes,
        };
        let (.., channel) = ranks.last()?;
        let (_, offset) = self.by_channel.get(channel)?.by_age.first_key_value()?;
        Some((channel.clone(), *offset))
    }

    fn change(&mut self, channel: &Arc<str>, change: impl FnOnce(&mut Share)) {
        let share = self.by_channel.entry(channel.clone()).or_default();
        let before = share.ranks(channel);
        change(share);
        let after = share.ranks(channel);
        if let Some([number, bytes]) = before {
            self.by_number.remove(&number);
            self.by_bytes.remove(&bytes);
        }
        match after {
            Some([number, bytes]) => {
                self.by_number.insert(number);
                self.by_bytes.insert(bytes);
            }
            None => drop(self.by_channel.remove(channel)),
        }
    }

    /// Whether nothing is held.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_channel.is_empty() && self.by_number.is_empty() && self.by_bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_of_the_channel_that_has_most() {
        let mut shares = Shares::default();
        let [few, many] = ["few", "many"].map(Arc::<str>::from);
        shares.add(&few, (1, 0), 1, 500);
        shares.add(&many, (2, 1), 7, 10);
        shares.add(&many, (3, 2), 5, 10);
        assert_eq!(shares.first_to_go(Measure::Number), Some((many.clone(), 7)));
        assert_eq!(shares.first_to_go(Measure::Bytes), Some((few.clone(), 1)));
        shares.remove(&many, (2, 1), 10);
        assert_eq!(shares.first_to_go(Measure::Number), Some((few.clone(), 1)), "of two with one each the older");
        shares.remove(&few, (1, 0), 500);
        assert_eq!(shares.first_to_go(Measure::Bytes), Some((many.clone(), 5)));
        shares.remove(&many, (3, 2), 10);
        assert!(shares.is_empty() && shares.first_to_go(Measure::Number).is_none());
    }
}
