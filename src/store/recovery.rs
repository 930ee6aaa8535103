//! What a shard finds in the store at its start: its segments' records, in the order in which they were written.
//!
//! A segment is read up to what is no whole block. That is its end if the last write was torn there: nothing can lie
//! behind it, and no other segment may know of more. Everything else is damage, and nothing is guessed.

use serde::Serialize;

use super::catalog::{Catalog, Damage, Entry};
use super::record::{End, Record, Unreadable};
use super::segment::{Blocks, Found, SegmentId, ShardOf};
use crate::limits::STORE_ENDS_MAX;

/// What was found, beside the records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Where the segments end that no other knows the end of.
    pub ends: Vec<End>,
    /// The segments that were read, oldest first.
    pub segments: Vec<Found>,
    /// Records of the reader's.
    pub records: u64,
    /// Bytes of whole blocks.
    pub bytes: u64,
}

/// Why a store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError<E> {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file cannot be read.
    #[error(transparent)]
    Read(E),
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its segment.
    pub segment: SegmentId,
    /// Its batch's block.
    pub at: u64,
    /// Its batch.
    pub batch: super::Batch,
}

/// Reads all that is of a shard. `is_mine` says it of a channel, where a segment has others, too; `read` fills a
/// buffer with a segment's file; `take` gets the records.
///
/// # Errors
/// [`RecoveryError`]: the store is damaged, or cannot be read.
pub fn recover<E>(
    catalog: &Catalog,
    reader: ShardOf,
    is_mine: impl Fn(&str) -> bool,
    mut read: impl FnMut(SegmentId, &mut Vec<u8>) -> Result<(), E>,
    mut take: impl FnMut(&Record<'_>),
) -> Result<Recovered, RecoveryError<E>> {
    let mut found = Recovered::default();
    let mut bytes = Vec::new();
    let mut snapshot = SegmentId(0);
    for entry in catalog.of_shard(reader) {
        read(entry.head.segment, &mut bytes).map_err(RecoveryError::Read)?;
        let is_own = entry.head.shards == reader.shards;
        let end = read_segment(catalog, entry, &bytes, |_, record| {
            match record {
                Record::Begin(_) => return,
                Record::Snapshot(since) => return snapshot = snapshot.max(*since),
                _ => {}
            }
            if is_own || record.is_for_all() || record.channel().is_some_and(&is_mine) {
                found.records += 1;
                take(record);
            }
        })?;
        let (segment, bytes) = (entry.head.segment, entry.head.size);
        found.segments.push(Found { segment, bytes, is_shared: !is_own });
        found.bytes += end;
        if catalog.end_of(entry.head.segment).is_none() {
            found.ends.push(End { segment: entry.head.segment, at: end, writer: entry.head.writer() });
        }
    }
    let named = catalog.named_for(reader);
    if let Some(damage) = missing(catalog, named, snapshot).next() {
        return Err(damage.into());
    }
    found.ends.drain(..found.ends.len().saturating_sub(STORE_ENDS_MAX));
    Ok(found)
}

/// Reads a segment from its bytes. Returns where it ends.
///
/// # Errors
/// It is damaged. What came before was taken.
pub fn read_segment(
    catalog: &Catalog,
    entry: &Entry,
    bytes: &[u8],
    mut take: impl FnMut(Place, &Record<'_>),
) -> Result<u64, Damage> {
    let segment = entry.head.segment;
    let known = catalog.end_of(segment);
    // What a start did not find is not there, whatever has come to light since.
    let until = known.and_then(|end| usize::try_from(end).ok()).map_or(bytes.len(), |end| end.min(bytes.len()));
    let mut blocks = Blocks::new(&bytes[..until], entry.seed);
    let mut at = blocks.at();
    while let Some(block) = blocks.next() {
        let unreadable = |error| Damage::Unreadable { segment, at, error };
        let mut count = 0;
        for record in block.records() {
            take(Place { segment, at, batch: block.batch }, &Record::decode(record).map_err(unreadable)?);
            count += 1;
        }
        if count != block.count() {
            return Err(unreadable(Unreadable::Short));
        }
        at = blocks.at();
    }
    if blocks.hole().is_some() {
        return Err(Damage::Hole { segment, at });
    }
    match known {
        Some(end) if end != at => Err(Damage::Short { segment, found: at, at: end }),
        _ => Ok(at),
    }
}

/// Those of the segments that have gone though the newest snapshot, which begins with `snapshot`, does not stand for them.
pub fn missing(
    catalog: &Catalog,
    named: impl Iterator<Item = SegmentId>,
    snapshot: SegmentId,
) -> impl Iterator<Item = Damage> {
    let gone = named.filter(move |segment| *segment >= snapshot && !catalog.has(*segment));
    gone.map(|segment| Damage::Missing { segment })
}

/// Whether something whole lies in a segment without a first block: then that was changed.
///
/// # Errors
/// [`Damage::Hole`].
pub fn check_empty(entry: &Entry, bytes: &[u8]) -> Result<(), Damage> {
    let blocks = Blocks::new(bytes, entry.seed);
    match blocks.hole() {
        Some(_) => Err(Damage::Hole { segment: entry.head.segment, at: blocks.at() }),
        None => Ok(()),
    }
}
