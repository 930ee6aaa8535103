//! Who on this shard listens to which channel.
//!
//! Owns the rooms: one per channel with a subscriber here. A room's subscribers lie side by side, since
//! fan-out walks them for every publication. Each knows its session; each session's subscription knows its
//! room and place, so that leaving costs no search.

use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

use super::filters::Filters;
use crate::broker::namespaces::NamespaceMetrics;
use crate::model::TagsFilter;
use crate::protocol::Format;
use crate::session::Flags;

/// One subscriber as fan-out needs it.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber {
    /// Where its bytes go.
    pub conn: u32,
    /// Its session's place in the slab.
    pub session: u32,
    /// How its words are written.
    pub format: Format,
    /// What holds for its subscription.
    pub flags: Flags,
}

// Fan-out walks them.
const _: () = assert!(size_of::<Subscriber>() == 12);

/// One channel's subscribers on this shard.
#[derive(Debug)]
pub struct Room {
    /// Whose publications come here.
    pub channel: Arc<str>,
    /// The offset of the last publication that came, 0 before the first or without history.
    pub offset: u64,
    /// Its subscribers, in no order.
    pub subscribers: Vec<Subscriber>,
    /// The counts of its namespace.
    pub counts: Arc<NamespaceMetrics>,
    /// The filters of its subscribers, if any has one.
    pub(super) filters: Option<Box<Filters>>,
    /// It has taken in all changes up to this one.
    generation: u32,
}

impl Room {
    /// Whether the subscriber in this place wants the publication that the room's filters were asked about last.
    #[inline]
    pub(super) fn wants(&self, place: usize) -> bool {
        self.filters.as_ref().is_none_or(|filters| filters.passes(place))
    }
}

/// All rooms of one shard.
#[derive(Debug, Default)]
pub struct Audience {
    subscribers: usize,
    /// The number of the newest change that rooms are to take in.
    generation: u32,
    rooms: Slab<Room>,
    by_channel: HashMap<Arc<str>, u32, foldhash::fast::RandomState>,
}

impl Audience {
    /// Channels with subscribers here.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Subscribers of all rooms together.
    pub fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// The number of a channel's room.
    pub fn find(&self, channel: &str) -> Option<u32> {
        self.by_channel.get(channel).copied()
    }

    /// More than the number of any room.
    pub(super) fn capacity(&self) -> usize {
        self.rooms.capacity()
    }

    /// Who listens in a room, 0 where there is none of this number.
    pub(super) fn subscribers_of(&self, room: u32) -> usize {
        self.rooms.get(room as usize).map_or(0, |room| room.subscribers.len())
    }

    /// All rooms have another change to take in, of this number.
    pub(super) fn outdate(&mut self) -> u32 {
        self.generation += 1;
        self.generation
    }

    /// Whether a room that exists has changes to take in.
    #[inline]
    pub(super) fn is_outdated(&self, room: u32) -> bool {
        self.rooms[room as usize].generation != self.generation
    }

    /// A room takes in all changes: its channel, and the number of the last that it had taken in. `None` where there is no
    /// such room, or nothing to take in.
    pub(super) fn update(&mut self, room: u32) -> Option<(Arc<str>, u32)> {
        let newest = self.generation;
        let room = self.rooms.get_mut(room as usize).filter(|room| room.generation != newest)?;
        Some((room.channel.clone(), std::mem::replace(&mut room.generation, newest)))
    }

    /// A room that exists.
    pub fn room(&self, room: u32) -> &Room {
        &self.rooms[room as usize]
    }

    /// A room that exists.
    pub fn room_mut(&mut self, room: u32) -> &mut Room {
        &mut self.rooms[room as usize]
    }

    /// Whether a channel can take a subscriber with this filter: asking all filters of a room has a bound.
    pub(super) fn has_room_for(&self, channel: &str, filter: &TagsFilter) -> bool {
        let filters = self.find(channel).and_then(|room| self.room(room).filters.as_deref());
        filters.is_none_or(|filters| filters.has_room_for(filter))
    }

    /// Adds a subscriber, who knows where the stream stands if it is positioned, and wants what passes the filter;
    /// returns its room and place. `counts` finds those of the channel's namespace, for a room that begins.
    pub(super) fn join(
        &mut self,
        channel: &Arc<str>,
        subscriber: Subscriber,
        offset: Option<u64>,
        filter: Option<Arc<TagsFilter>>,
        counts: impl FnOnce() -> Arc<NamespaceMetrics>,
    ) -> (u32, u32) {
        let room = match self.by_channel.get(channel) {
            Some(room) => *room,
            None => {
                let subscribers = Vec::with_capacity(1);
                let room = Room {
                    channel: channel.clone(),
                    offset: 0,
                    subscribers,
                    counts: counts(),
                    filters: None,
                    generation: self.generation,
                };
                let number = u32::try_from(self.rooms.insert(room)).expect("rooms are bounded by subscriptions");
                self.by_channel.insert(channel.clone(), number);
                number
            }
        };
        self.subscribers += 1;
        let entry = self.room_mut(room);
        entry.offset = offset.unwrap_or(entry.offset);
        entry.subscribers.push(subscriber);
        if filter.is_some() || entry.filters.is_some() {
            let others = entry.subscribers.len() - 1;
            entry.filters.get_or_insert_with(|| Box::new(Filters::new(others))).enter(filter);
        }
        entry.counts.subscriptions.add(1);
        entry.counts.subscribes.add(1);
        (room, entry.subscribers.len() as u32 - 1)
    }

    /// Removes a subscriber. Returns the one that took its place, if any: its subscription must be told.
    pub fn leave(&mut self, room: u32, place: u32) -> Option<Subscriber> {
        self.subscribers -= 1;
        let entry = &mut self.rooms[room as usize];
        entry.subscribers.swap_remove(place as usize);
        if let Some(filters) = &mut entry.filters {
            filters.leave(place as usize);
            entry.filters = entry.filters.take().filter(|filters| !filters.is_empty());
        }
        entry.counts.subscriptions.add(-1);
        if entry.subscribers.is_empty() {
            let entry = self.rooms.remove(room as usize);
            self.by_channel.remove(&entry.channel);
            return None;
        }
        // Big rooms that have emptied give their memory back.
        if entry.subscribers.capacity() > 64 && entry.subscribers.len() < entry.subscribers.capacity() / 4 {
            let half = entry.subscribers.capacity() / 2;
            entry.subscribers.shrink_to(half);
        }
        entry.subscribers.get(place as usize).copied()
    }
}
