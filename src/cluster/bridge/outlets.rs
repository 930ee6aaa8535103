//! What is told to shards: gathered over some events, then given in one go.
//!
//! The bridge never waits for a shard. What a shard has no room for is dropped, and its bucket owes the shard a hole; what ends
//! a bucket's promises is owed instead of dropped. A shard that has room again is told first what is owed.

use std::collections::BTreeMap;

use crate::broker::bridge::Delivery;
use crate::hub::Placement;
use crate::limits::BRIDGE_DELIVERIES_BYTES_MAX;
use crate::shard::bridge::BridgeEnd;

/// What is told of a whole bucket; the greater one says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Break {
    /// Something was not heard.
    Hole,
    /// Nothing that was promised holds.
    Lost,
}

impl Break {
    fn of(self, bucket: u16) -> Delivery {
        match self {
            Self::Hole => Delivery::Hole(bucket),
            Self::Lost => Delivery::Lost(bucket),
        }
    }
}

/// One shard's.
#[derive(Debug)]
struct Outlet {
    end: BridgeEnd,
    ready: Vec<Delivery>,
    ready_bytes: usize,
    owed: BTreeMap<u16, Break>,
}

/// All shards'.
#[derive(Debug)]
pub(super) struct Outlets {
    outlets: Vec<Outlet>,
    placement: Placement,
}

impl Outlets {
    /// The ways to all shards, by number.
    pub(super) fn new(ends: &[BridgeEnd], placement: Placement) -> Self {
        let outlet =
            |end: &BridgeEnd| Outlet { end: end.clone(), ready: Vec::new(), ready_bytes: 0, owed: BTreeMap::new() };
        Self { outlets: ends.iter().map(outlet).collect(), placement }
    }

    /// The home shard of a channel.
    pub(super) fn home_of(&self, channel: &str) -> u16 {
        self.placement.of(channel)
    }

    /// Tells a channel's home shard what its bucket has said, bytes of it. False where that was dropped.
    pub(super) fn say(&mut self, home: u16, bucket: u16, bytes: usize, delivery: Delivery) -> bool {
        self.outlets[usize::from(home)].say(bucket, bytes, delivery)
    }

    /// Tells all shards of a bucket.
    pub(super) fn tell(&mut self, bucket: u16, what: Break) {
        self.outlets.iter_mut().for_each(|outlet| outlet.owe(bucket, what));
    }

    /// Gives the shards what was told, as far as there is room for what is owed.
    pub(super) fn flush(&mut self) {
        self.outlets.iter_mut().for_each(Outlet::flush);
    }
}

impl Outlet {
    fn has_room(&self, bytes: usize) -> bool {
        self.end.waiting_bytes() + self.ready_bytes + bytes <= BRIDGE_DELIVERIES_BYTES_MAX
    }

    fn put(&mut self, bytes: usize, delivery: Delivery) {
        self.ready_bytes += bytes;
        self.ready.push(delivery);
    }

    fn say(&mut self, bucket: u16, bytes: usize, delivery: Delivery) -> bool {
        // What comes after a break of its bucket must not come before it.
        if self.owed.contains_key(&bucket) {
            self.pay();
        }
        let bytes = bytes + size_of::<Delivery>();
        let fits = !self.owed.contains_key(&bucket) && self.has_room(bytes);
        match fits {
            true => self.put(bytes, delivery),
            false => self.owe(bucket, Break::Hole),
        }
        fits
    }

    fn owe(&mut self, bucket: u16, what: Break) {
        let owed = self.owed.entry(bucket).or_insert(what);
        *owed = what.max(*owed);
    }

    fn pay(&mut self) {
        while self.has_room(size_of::<Delivery>())
            && let Some((bucket, what)) = self.owed.pop_first()
        {
            self.put(size_of::<Delivery>(), what.of(bucket));
        }
    }

    fn flush(&mut self) {
        self.pay();
        if !self.ready.is_empty() {
            self.end.deliver(std::mem::take(&mut self.ready), std::mem::take(&mut self.ready_bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::bridge::{Kept, Life};
    use crate::shard::asked;
    use crate::shard::bridge::ShardBridge;
    use crate::shard::waker::Waker;

    const LARGE: usize = BRIDGE_DELIVERIES_BYTES_MAX / 2;

    fn said(offset: u64) -> Delivery {
        let kept = Kept { offset, time_unix_ms: 0, body: "x".into() };
        Delivery::Said { channel: "room".into(), life: Life::default(), kept }
    }

    fn taken(shard: &mut ShardBridge) -> String {
        let mut taken = Vec::new();
        while shard.begin_deliveries().is_some() {
            taken.extend(std::iter::from_fn(|| shard.next_delivery()));
        }
        let taken = taken.into_iter().map(|delivery| match delivery {
            Delivery::Said { kept, .. } => format!("{} ", kept.offset),
            Delivery::Removed { up_to, .. } => format!("removed{up_to} "),
            Delivery::Ledger { news, .. } => format!("{news:?} "),
            Delivery::Announced { .. } => "announced ".into(),
            Delivery::Hole(bucket) => format!("hole{bucket} "),
            Delivery::Lost(bucket) => format!("lost{bucket} "),
        });
        taken.collect()
    }

    #[test]
    fn what_a_shard_has_no_room_for_is_a_hole_before_what_follows_and_a_lost_bucket_is_never_dropped() {
        let (asked, _asked) = asked::way();
        let (mut shard, end) = ShardBridge::new(0, Arc::new(Waker::new().unwrap()), asked);
        let mut outlets = Outlets::new(&[end], Placement::new(1, 7));
        assert!(outlets.say(0, 5, LARGE, said(1)));
        assert!(!outlets.say(0, 5, LARGE, said(2)));
        outlets.flush();
        assert!(!outlets.say(0, 5, LARGE, said(3)));
        assert!(outlets.say(0, 6, 1, said(1)), "another bucket has room");
        outlets.flush();
        outlets.tell(5, Break::Lost);
        outlets.tell(5, Break::Hole);
        outlets.flush();
        assert_eq!(taken(&mut shard), "1 hole5 1 hole5 lost5 ");
        assert!(outlets.say(0, 5, LARGE, said(4)));
        outlets.flush();
        assert_eq!(taken(&mut shard), "4 ");
    }

    #[test]
    fn a_break_comes_before_what_its_bucket_says_after_it() {
        let (asked, _asked) = asked::way();
        let (mut shard, end) = ShardBridge::new(0, Arc::new(Waker::new().unwrap()), asked);
        let mut outlets = Outlets::new(&[end], Placement::new(1, 7));
        outlets.say(0, 5, 1, said(1));
        outlets.tell(5, Break::Lost);
        outlets.say(0, 5, 1, said(2));
        outlets.flush();
        assert_eq!(taken(&mut shard), "1 lost5 2 ");
    }
}
