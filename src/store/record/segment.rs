//! The first record of a segment: where those before it ended.

use serde::{Serialize, Serializer};

use super::fields::{Fields, Unreadable, put_u64};
use crate::store::segment::{SegmentId, ShardOf};

/// What an end takes, bytes.
pub const END_BYTES: usize = 20;

/// Where a segment ended, in bytes from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The segment.
    pub segment: SegmentId,
    /// Behind its last block.
    pub at: u64,
    /// The shard that wrote it.
    pub writer: ShardOf,
}

impl End {
    fn decode(fields: &mut Fields<'_>) -> Result<Self, Unreadable> {
        let (segment, at) = (SegmentId(fields.u64()?), fields.u64()?);
        Ok(Self { segment, at, writer: ShardOf { shard: fields.u16()?, shards: fields.u16()? } })
    }
}

/// Where the segments ended that were written before this one and that no other names: the shard's last one, or those
/// that were found at the start of the node. If less is found of one of them later, something was lost.
#[derive(Clone, Copy, Debug)]
pub enum BeginRecord<'a> {
    /// To be written.
    Held(&'a [End]),
    /// As it was read. Checked when the record was read.
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
        let read = std::iter::from_fn(move || End::decode(&mut fields).ok());
        held.iter().copied().chain(read)
    }

    pub(super) fn encode(self, into: &mut Vec<u8>) {
        for end in self.ends() {
            put_u64(into, end.segment.0);
            put_u64(into, end.at);
            into.extend_from_slice(&end.writer.shard.to_le_bytes());
            into.extend_from_slice(&end.writer.shards.to_le_bytes());
        }
    }

    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Unreadable> {
        let ends = fields.take(fields.0.len())?;
        if ends.len().is_multiple_of(END_BYTES) { Ok(Self::Read(ends)) } else { Err(Unreadable::Short) }
    }
}

impl Serialize for BeginRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ends())
    }
}

impl PartialEq for BeginRecord<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.ends().eq(other.ends())
    }
}

impl Eq for BeginRecord<'_> {}
