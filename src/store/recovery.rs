//! What a shard finds in the store at its start: its segments' records, in the order in which they were written.
//!
//! A segment is read up to what is no whole block. That is its end if the last write was torn there: nothing can lie
//! behind it, and no other segment may know of more. Everything else is damage, and nothing is guessed.
//!
//! What is read is what the kernel has, and the disk perhaps not: of a node that was killed while it wrote, or whose write has
//! failed. So the last batch of a segment whose end nobody has written down yet is written once more, before anybody is told of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalog::{Catalog, Damage, Entry};
use super::record::{End, Record, Unreadable};
use super::segment::{Blocks, Found, HEAD_BYTES, SegmentId, ShardOf};
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
    /// A file cannot be read, or what was read not be written once more.
    #[error(transparent)]
    Files(E),
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

/// The files of segments.
pub trait Segments {
    /// Why one cannot be read or written.
    type Error;

    /// Fills a buffer with a segment's file.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&mut self, segment: SegmentId, into: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// Writes what was read at this byte once more, and syncs it.
    ///
    /// # Errors
    /// It cannot be written.
    fn secure(&mut self, segment: SegmentId, at: u64, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// The newest snapshot of each shard, of all numbers of shards that there were: the segment that it begins with.
#[derive(Debug, Default)]
pub struct Snapshots(BTreeMap<u16, BTreeMap<u16, SegmentId>>);

impl Snapshots {
    /// A shard has made one.
    pub fn note(&mut self, writer: ShardOf, since: SegmentId) {
        let newest = self.0.entry(writer.shards).or_default().entry(writer.shard).or_default();
        *newest = since.max(*newest);
    }

    /// Whether what a shard has of a segment, or had, was said again.
    fn has_said(&self, shard: ShardOf, segment: SegmentId) -> bool {
        let newest = self.0.get(&shard.shards).and_then(|shards| shards.get(&shard.shard));
        newest.is_some_and(|since| segment < *since)
    }

    /// Whether a segment may have gone: its writer has said again what was in it, or all shards have of a time with more or
    /// fewer of them, each what is its own.
    fn stand_for(&self, end: &End) -> bool {
        let has_said = |shard, shards| self.has_said(ShardOf { shard, shards }, end.segment);
        let others = self.0.keys().filter(|shards| **shards != end.writer.shards);
        self.has_said(end.writer, end.segment)
            || others.copied().any(|shards| (0..shards).all(|shard| has_said(shard, shards)))
    }
}

/// Reads all that is of a shard. `is_mine` says it of a channel, where a segment has others, too; `take` gets the records.
///
/// # Errors
/// [`RecoveryError`]: the store is damaged, or cannot be read.
pub fn recover<S: Segments>(
    catalog: &Catalog,
    reader: ShardOf,
    is_mine: impl Fn(&str) -> bool,
    segments: &mut S,
    mut take: impl FnMut(&Record<'_>),
) -> Result<Recovered, RecoveryError<S::Error>> {
    let mut found = Recovered::default();
    let mut bytes = Vec::new();
    let mut snapshots = Snapshots::default();
    for entry in catalog.of_shard(reader) {
        segments.read(entry.head.segment, &mut bytes).map_err(RecoveryError::Files)?;
        let (writer, is_own) = (entry.head.writer(), entry.head.shards == reader.shards);
        let mut last_at = HEAD_BYTES;
        let end = read_segment(catalog, entry, &bytes, |place, record| {
            last_at = place.at;
            match record {
                Record::Begin(_) => return,
                Record::Snapshot(since) => return snapshots.note(writer, *since),
                _ => {}
            }
            if is_own || record.is_for_all() || record.channel().is_some_and(&is_mine) {
                found.records += 1;
                take(record);
            }
        })?;
        let segment = entry.head.segment;
        found.segments.push(Found { segment, bytes: entry.head.size, is_shared: !is_own });
        found.bytes += end;
        if catalog.end_of(segment).is_none() {
            found.ends.push(End { segment, at: end, writer });
            // One reader does for all: none tells anybody anything before all have read.
            if writer.shard % reader.shards == reader.shard {
                let last = &bytes[last_at as usize..end as usize];
                segments.secure(segment, last_at, last).map_err(RecoveryError::Files)?;
            }
        }
    }
    // What others still need of a segment that has gone is theirs to miss.
    let named = catalog.named_for(reader).filter(|end| !snapshots.has_said(reader, end.segment));
    if let Some(damage) = missing(catalog, named, &snapshots).next() {
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

/// Those of the segments that have gone though no snapshot stands for them.
pub fn missing(
    catalog: &Catalog,
    named: impl Iterator<Item = End>,
    snapshots: &Snapshots,
) -> impl Iterator<Item = Damage> {
    let gone = named.filter(|end| !catalog.has(end.segment) && !snapshots.stand_for(end));
    gone.map(|end| Damage::Missing { segment: end.segment })
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
