//! Publications of a stream that end before the others: none of them is given to who recovers or reads after its time.
//!
//! Their places in the stream stay until what is around them goes, so that offsets have no gap. Few: a look at each is what
//! passing over them takes.

use std::collections::BTreeMap;

use crate::limits::ENDS_PER_STREAM_MAX;
use crate::model::Publication;
use crate::time::Now;

/// How long a publication is given to anybody in all, and for how long still, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// From when it was published.
    pub ttl_ms: u64,
    /// From now on.
    pub left_ms: u64,
}

/// When a publication ends.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Monotonic milliseconds.
    at_ms: u64,
    /// How long that is after it was published, milliseconds.
    ttl_ms: u64,
}

/// By offset.
#[derive(Debug, Default)]
pub(super) struct Ends {
    kept: BTreeMap<u64, End>,
    /// Those of publications that are on their way.
    promised: usize,
}

impl Ends {
    /// Whether there can be no more.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() + self.promised >= ENDS_PER_STREAM_MAX
    }

    /// A publication that will end is on its way.
    pub(super) fn promise(&mut self) {
        self.promised += 1;
    }

    /// Nothing is on its way any more.
    pub(super) fn take_back(&mut self) {
        self.promised = 0;
    }

    /// The publication of this offset ends so long after `since_ms`. It may have been promised.
    pub(super) fn note(&mut self, offset: u64, ttl_ms: u64, since_ms: u64) {
        self.promised = self.promised.saturating_sub(1);
        self.kept.insert(offset, End { at_ms: since_ms.saturating_add(ttl_ms), ttl_ms });
    }

    /// The publication of this offset, whose order is given elsewhere, ends by itself.
    pub(super) fn note_mirrored(&mut self, offset: u64, lifetime: Lifetime, now: Now) {
        let Lifetime { ttl_ms, left_ms } = lifetime;
        self.kept.insert(offset, End { at_ms: now.mono_ms.saturating_add(left_ms), ttl_ms });
    }

    /// How long a publication is given to anybody, if it ends by itself, milliseconds.
    pub(super) fn ttl_ms(&self, offset: u64) -> Option<u64> {
        self.kept.get(&offset).map(|end| end.ttl_ms)
    }

    /// Recovery has read all: from the records' clock to the node's.
    pub(super) fn restored(&mut self, mono_ms: impl Fn(u64) -> u64) {
        self.kept.values_mut().for_each(|end| end.at_ms = mono_ms(end.at_ms));
    }

    /// Nothing is kept. What is on its way still comes.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Nothing below this offset is kept.
    pub(super) fn forget_below(&mut self, offset: u64) {
        while let Some(first) = self.kept.first_entry().filter(|first| *first.key() < offset) {
            first.remove();
        }
    }

    /// Whether a publication has not ended.
    pub(super) fn spare(&self, publication: &Publication, now: Now) -> bool {
        self.kept.is_empty() || self.kept.get(&publication.offset).is_none_or(|end| end.at_ms > now.mono_ms)
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}
