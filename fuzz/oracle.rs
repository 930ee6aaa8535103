//! A second reader of the store's segments, written from `docs/decisions/store.md` alone: slow and plain, with a checksum of its
//! own.

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The batch and the bytes of each record.
    pub(crate) records: Vec<(u64, Vec<u8>)>,
    /// Where it ends.
    pub(crate) end: usize,
    /// A whole block of a later batch lies behind its end, or the head of one, of the same start as the last whole one.
    pub(crate) has_hole: bool,
    /// A whole block has more or fewer records than it says.
    pub(crate) contradicts_itself: bool,
}

/// CRC32C (Castagnoli), a bit at a time, begun with another one.
fn crc32c(begun_with: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!begun_with, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 })
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The batch of the block at a byte, its records, and where the next one begins; `None` where no whole block is.
#[allow(clippy::type_complexity, reason = "a triple that is taken apart at once")]
fn block(file: &[u8], at: usize, seed: u32) -> Option<(u64, Vec<Vec<u8>>, usize)> {
    let length = u32_at(file, at + 16)? as usize;
    let covered = file.get(at + 8..(at + 24).checked_add(length)?)?;
    if u32_at(file, at)? != seed || u32_at(file, at + 4)? != crc32c(seed, covered) {
        return None;
    }
    let batch = u64::from_le_bytes(file[at + 8..at + 16].try_into().ok()?);
    let (mut records, mut next, end) = (Vec::new(), at + 24, at + 24 + length);
    while let Some(length) = u32_at(&file[..end], next)
        && let Some(record) = file[..end].get(next + 4..next + 4 + length as usize)
    {
        records.push(record.to_vec());
        next += 4 + length as usize;
    }
    Some((batch, records, end.div_ceil(8) * 8))
}

/// Reads a segment whose head is whole.
pub(crate) fn read(file: &[u8]) -> Segment {
    let seed = crc32c(0, &file[..52]);
    assert_eq!(u32_at(file, 52), Some(seed), "the head is whole");
    let (mut segment, mut last) = (Segment { end: 4096, ..Segment::default() }, 0);
    while let Some((batch, records, next)) = block(file, segment.end, seed).filter(|(batch, ..)| *batch >= last) {
        segment.contradicts_itself |= u32_at(file, segment.end + 20) != Some(records.len() as u32);
        segment.records.extend(records.into_iter().map(|record| (batch, record)));
        (segment.end, last) = (next, batch);
    }
    let mut behind = (segment.end..file.len()).step_by(8).skip(1);
    segment.has_hole = behind.any(|at| {
        let later = head(file, at, seed).filter(|batch| *batch > last);
        later.is_some_and(|batch| start(batch) == start(last) || block(file, at, seed).is_some())
    });
    segment
}

/// The batch that the head of a block at a byte names, whole or not.
fn head(file: &[u8], at: usize, seed: u32) -> Option<u64> {
    let batch = file.get(at + 8..at + 16)?.try_into().ok()?;
    (u32_at(file, at)? == seed).then(|| u64::from_le_bytes(batch))
}

/// The start of the node that a batch is of.
fn start(batch: u64) -> u64 {
    batch >> 40
}
