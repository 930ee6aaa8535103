//! A page of a list that is found in no order: the first entries that follow a place, by their keys.
//!
//! Who is there from one page to the next is on one of them, whoever comes and goes meanwhile. No more is held than the page.

use std::collections::BTreeMap;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<K> {
    /// Only what follows this key: the last of the page before.
    pub after: Option<K>,
    /// No more than so many; 0 is all.
    pub limit: usize,
}

impl<K> Part<K> {
    /// The whole list.
    pub fn all() -> Self {
        Self { after: None, limit: 0 }
    }
}

/// A page in the making.
#[derive(Debug)]
pub(super) struct Listing<K, V> {
    part: Part<K>,
    /// By key, each with what it takes in an answer, bytes.
    found: BTreeMap<K, (V, usize)>,
    bytes: usize,
}

impl<K: Ord, V> Listing<K, V> {
    /// Nothing yet.
    pub(super) fn new(part: Part<K>) -> Self {
        Self { part, found: BTreeMap::new(), bytes: 0 }
    }

    /// Whether an entry of this key belongs to the page, as far as it is known.
    pub(super) fn wants(&self, key: &K) -> bool {
        let is_full = self.part.limit > 0 && self.found.len() >= self.part.limit;
        let fits = || !is_full || self.found.last_key_value().is_some_and(|(last, _)| key < last);
        self.part.after.as_ref().is_none_or(|after| after < key) && fits()
    }

    /// Takes an entry that takes so many bytes; the last goes where it is one too many.
    pub(super) fn put(&mut self, key: K, value: V, bytes: usize) {
        if !self.wants(&key) {
            return;
        }
        self.bytes += bytes;
        let before = self.found.insert(key, (value, bytes));
        let gone = match before {
            None if self.part.limit > 0 && self.found.len() > self.part.limit => {
                self.found.pop_last().map(|(_, last)| last)
            }
            before => before,
        };
        self.bytes -= gone.map_or(0, |(_, bytes)| bytes);
    }

    /// What the page takes, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The page, in order.
    pub(super) fn end(self) -> Vec<(K, V)> {
        self.found.into_iter().map(|(key, (value, _))| (key, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<u8>, limit: usize, all: impl IntoIterator<Item = u8>) -> (Vec<u8>, usize) {
        let mut listing = Listing::new(Part { after, limit });
        all.into_iter().for_each(|key| listing.put(key, (), usize::from(key)));
        let bytes = listing.bytes();
        (listing.end().into_iter().map(|(key, ())| key).collect(), bytes)
    }

    #[test]
    fn a_page_is_the_first_that_follow_in_whatever_order_they_are_found() {
        for all in [[5, 1, 9, 3, 7], [9, 7, 5, 3, 1], [1, 3, 5, 7, 9]] {
            assert_eq!(page(None, 0, all), (vec![1, 3, 5, 7, 9], 25));
            assert_eq!(page(None, 2, all), (vec![1, 3], 4));
            assert_eq!(page(Some(3), 2, all), (vec![5, 7], 12));
            assert_eq!(page(Some(4), 9, all), (vec![5, 7, 9], 21));
            assert_eq!(page(Some(9), 2, all), (vec![], 0));
        }
    }

    #[test]
    fn what_is_found_twice_is_there_once() {
        assert_eq!(page(None, 2, [3, 3, 1, 3, 1]), (vec![1, 3], 4));
    }
}
