//! Publications of a stream that end before the others: none of them is given to who recovers or reads after its time.
//!
//! Their places in the stream stay until what is around them goes, so that offsets have no gap. Few: a look at each is what
//! passing over them takes.

use std::collections::BTreeMap;

use crate::limits::ENDS_PER_STREAM_MAX;
use crate::model::Publication;
use crate::time::Now;

/// By offset, when each ends, monotonic milliseconds.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeMap<u64, u64>);

impl Ends {
    /// Whether there can be no more.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= ENDS_PER_STREAM_MAX
    }

    /// The publication of this offset ends then.
    pub(super) fn note(&mut self, offset: u64, end_ms: u64) {
        self.0.insert(offset, end_ms);
    }

    /// Nothing below this offset is kept.
    pub(super) fn forget_below(&mut self, offset: u64) {
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() < offset) {
            first.remove();
        }
    }

    /// Whether a publication has not ended.
    pub(super) fn spare(&self, publication: &Publication, now: Now) -> bool {
        self.0.is_empty() || self.0.get(&publication.offset).is_none_or(|end_ms| *end_ms > now.mono_ms)
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
