//! The different filters of a room's subscribers, each asked once for a publication however many have it.
//!
//! Owns the filters, how many subscribers have each, and which subscriber has which, by its place in the room. Bounded by
//! what asking all of them costs. A room whose subscribers want everything has none of this.

use std::num::NonZeroU16;
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use crate::limits::ROOM_FILTER_NODES_MAX;
use crate::model::{Tags, TagsFilter};

/// A filter among those of a room: one more than its place, so that to have none takes no room.
type FilterNumber = NonZeroU16;

#[derive(Debug)]
struct Entry {
    filter: Arc<TagsFilter>,
    subscribers: u32,
    /// Whether the publication passes that is being delivered.
    passes: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Filters {
    /// That of each subscriber, in the order of the room; `None` wants all.
    of: Vec<Option<FilterNumber>>,
    entries: Slab<Entry>,
    // Clients choose filters: two that collide must not be theirs to find.
    by_filter: HashMap<Arc<TagsFilter>, FilterNumber, foldhash::quality::RandomState>,
    cost: u32,
}

impl Filters {
    /// Of a room whose subscribers, so many, want everything.
    pub(super) fn new(subscribers: usize) -> Self {
        Self { of: vec![None; subscribers], entries: Slab::new(), by_filter: HashMap::default(), cost: 0 }
    }

    /// Whether a subscriber with this filter can be taken: there is one like it, or room for one more.
    pub(super) fn has_room_for(&self, filter: &TagsFilter) -> bool {
        self.by_filter.contains_key(filter) || self.cost + filter.cost() <= ROOM_FILTER_NODES_MAX
    }

    /// A subscriber has come, in the last place.
    pub(super) fn enter(&mut self, filter: Option<Arc<TagsFilter>>) {
        let number = filter.map(|filter| self.number(filter));
        self.of.push(number);
    }

    fn number(&mut self, filter: Arc<TagsFilter>) -> FilterNumber {
        if let Some(number) = self.by_filter.get(&filter) {
            self.entries[index(*number)].subscribers += 1;
            return *number;
        }
        self.cost += filter.cost();
        let at = self.entries.insert(Entry { filter: filter.clone(), subscribers: 1, passes: false });
        let number = u16::try_from(at + 1).ok().and_then(NonZeroU16::new);
        let number = number.expect("a filter has a node at least, and a room's nodes are bounded");
        self.by_filter.insert(filter, number);
        number
    }

    /// The subscriber in this place has gone, and the last one has taken it.
    pub(super) fn leave(&mut self, place: usize) {
        let Some(number) = self.of.swap_remove(place) else { return };
        let entry = &mut self.entries[index(number)];
        entry.subscribers -= 1;
        if entry.subscribers == 0 {
            let entry = self.entries.remove(index(number));
            self.cost -= entry.filter.cost();
            self.by_filter.remove(&entry.filter);
        }
    }

    /// That of the subscriber in this place.
    pub(super) fn of(&self, place: usize) -> Option<&Arc<TagsFilter>> {
        self.of[place].map(|number| &self.entries[index(number)].filter)
    }

    /// Whether no subscriber has a filter.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What asking all of them once costs, in nodes.
    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    /// Asks every filter about a publication; how many subscribers do not want it.
    pub(super) fn ask(&mut self, tags: Option<&Tags>) -> usize {
        let mut kept_out = 0;
        for (_, entry) in &mut self.entries {
            entry.passes = entry.filter.passes(tags);
            kept_out += if entry.passes { 0 } else { entry.subscribers as usize };
        }
        kept_out
    }

    /// Whether the subscriber in this place wants the publication that was asked about last.
    #[inline]
    pub(super) fn passes(&self, place: usize) -> bool {
        self.of[place].is_none_or(|number| self.entries[index(number)].passes)
    }
}

fn index(number: FilterNumber) -> usize {
    usize::from(number.get()) - 1
}

const _: () = assert!(ROOM_FILTER_NODES_MAX < u16::MAX as u32);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Condition, Test};

    fn is(value: &str) -> Arc<TagsFilter> {
        let condition = Condition::Tag { key: "k".into(), test: Test::Is(value.into()) };
        Arc::new(TagsFilter::new(condition).unwrap())
    }

    fn tagged(value: &str) -> Tags {
        [("k".into(), value.into())].into()
    }

    #[test]
    fn subscribers_with_equal_filters_share_one() {
        let mut filters = Filters::new(1);
        for filter in [Some(is("a")), Some(is("a")), Some(is("b")), None] {
            filters.enter(filter);
        }
        assert_eq!(filters.cost(), 2);
        assert_eq!(filters.ask(Some(&tagged("a"))), 1, "who wants b");
        assert_eq!([0, 1, 2, 3, 4].map(|place| filters.passes(place)), [true, true, true, false, true]);
        filters.leave(0);
        assert_eq!(filters.ask(None), 3);
        assert_eq!([0, 1, 2, 3].map(|place| filters.passes(place)), [true, false, false, false]);
        (0..3).for_each(|_| filters.leave(1));
        assert!(filters.is_empty());
        assert_eq!(filters.cost(), 0);
    }

    #[test]
    fn a_room_takes_no_more_filters_than_can_be_asked_at_once() {
        let mut filters = Filters::new(0);
        let mut taken = 0;
        while filters.has_room_for(&is(&taken.to_string())) {
            filters.enter(Some(is(&taken.to_string())));
            taken += 1;
        }
        assert_eq!(taken, ROOM_FILTER_NODES_MAX);
        assert!(filters.has_room_for(&is("0")), "one that is there already costs nothing more");
    }
}
