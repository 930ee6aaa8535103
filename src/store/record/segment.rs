//! The first record of a segment: where those before it ended.

use super::fields::{Fields, Unreadable, put_u64};
use crate::store::segment::SegmentId;

/// Where a segment ended, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The segment.
    pub segment: SegmentId,
    /// Behind its last block.
    pub at: u64,
}

/// Where the segments ended that were written before this one and that no other names: the shard's last one, or those
/// that were found at the start of the node. If less is found of one of them later, something was lost.
#[derive(Clone, Copy, Debug)]
pub enum BeginRecord<'a> {
    /// To be written.
    Held(&'a [End]),
    /// As it was read: pairs of numbers. Checked when the record was read.
    Read(&'a [u8]),
}

impl<'a> BeginRecord<'a> {
    /// The ends.
    pub fn ends(self) -> impl Iterator<Item = End> + 'a {
        let (held, read) = match self {
            Self::Held(held) => (held, &[][..]),
            Self::Read(read) => (&[][..], read),
        };
        let mut fields = Fields(read);
        let read =
            std::iter::from_fn(move || Some(End { segment: SegmentId(fields.u64().ok()?), at: fields.u64().ok()? }));
        held.iter().copied().chain(read)
    }

    pub(super) fn encode(self, into: &mut Vec<u8>) {
        for end in self.ends() {
            put_u64(into, end.segment.0);
            put_u64(into, end.at);
        }
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        let pairs = fields.take(fields.0.len())?;
        if pairs.len().is_multiple_of(16) { Ok(Self::Read(pairs)) } else { Err(Unreadable::Short) }
    }
}

impl PartialEq for BeginRecord<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ends().eq(other.ends())
    }
}

impl Eq for BeginRecord<'_> {}
