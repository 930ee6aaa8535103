//! The different filters of a room's subscribers, each asked once for a publication however many have it.
//!
//! Owns the filters and how many subscribers have each; a subscriber holds a number. Bounded by what asking all of them
//! costs. A room whose subscribers want everything has none of this.

use std::num::NonZeroU16;
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use crate::limits::ROOM_FILTER_NODES_MAX;
use crate::model::{Tags, TagsFilter};

/// A filter among those of a room: one more than its place, so that to have none takes no room.
pub(super) type FilterNumber = NonZeroU16;

#[derive(Debug)]
struct Entry {
    filter: Arc<TagsFilter>,
    subscribers: u32,
    /// Whether the publication passes that is being delivered.
    passes: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Filters {
    entries: Slab<Entry>,
    // Clients choose filters: two that collide must not be theirs to find.
    by_filter: HashMap<Arc<TagsFilter>, FilterNumber, foldhash::quality::RandomState>,
    cost: u32,
}

impl Filters {
    /// Whether a subscriber with this filter can be taken: there is one like it, or room for one more.
    pub(super) fn has_room_for(&self, filter: &TagsFilter) -> bool {
        self.by_filter.contains_key(filter) || self.cost + filter.cost() <= ROOM_FILTER_NODES_MAX
    }

    /// One subscriber more has this filter.
    pub(super) fn enter(&mut self, filter: Arc<TagsFilter>) -> FilterNumber {
        if let Some(number) = self.by_filter.get(&filter) {
            self.entries[place(*number)].subscribers += 1;
            return *number;
        }
        self.cost += filter.cost();
        let at = self.entries.insert(Entry { filter: filter.clone(), subscribers: 1, passes: false });
        let number = u16::try_from(at + 1).ok().and_then(NonZeroU16::new);
        let number = number.expect("a filter has a node at least, and a room's nodes are bounded");
        self.by_filter.insert(filter, number);
        number
    }

    /// One subscriber less has this filter.
    pub(super) fn leave(&mut self, number: FilterNumber) {
        let entry = &mut self.entries[place(number)];
        entry.subscribers -= 1;
        if entry.subscribers == 0 {
            let entry = self.entries.remove(place(number));
            self.cost -= entry.filter.cost();
            self.by_filter.remove(&entry.filter);
        }
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

    /// Whether a subscriber with this filter wants the publication that was asked about last.
    #[inline]
    pub(super) fn passes(&self, number: Option<FilterNumber>) -> bool {
        number.is_none_or(|number| self.entries[place(number)].passes)
    }
}

fn place(number: FilterNumber) -> usize {
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
        let mut filters = Filters::default();
        let (one, same, other) = (filters.enter(is("a")), filters.enter(is("a")), filters.enter(is("b")));
        assert_eq!((one, filters.cost()), (same, 2));
        assert_eq!(filters.ask(Some(&tagged("a"))), 1, "who wants b");
        assert!(filters.passes(Some(one)) && filters.passes(None) && !filters.passes(Some(other)));
        filters.leave(one);
        assert_eq!(filters.ask(None), 2);
        filters.leave(other);
        filters.leave(same);
        assert!(filters.is_empty());
        assert_eq!(filters.cost(), 0);
    }

    #[test]
    fn a_room_takes_no_more_filters_than_can_be_asked_at_once() {
        let mut filters = Filters::default();
        let mut taken = 0;
        while filters.has_room_for(&is(&taken.to_string())) {
            filters.enter(is(&taken.to_string()));
            taken += 1;
        }
        assert_eq!(taken, ROOM_FILTER_NODES_MAX);
        assert!(filters.has_room_for(&is("0")), "one that is there already costs nothing more");
    }
}
