//! Segments that were torn, changed, and used before.

use proptest::prelude::*;

use super::*;
use crate::store::block::BlockBuilder;
use crate::store::record::Record;

const SIZE: usize = 16 * 1024;

fn head(segment: u64) -> Head {
    Head { store: 77, segment: SegmentId(segment), start: 1, shard: 0, shards: 2, size: SIZE as u64 }
}

fn block(batch: u64, channels: &[&str], seed: u32) -> Vec<u8> {
    let mut builder = BlockBuilder::new(Vec::new());
    channels.iter().for_each(|channel| builder.add(|into| Record::Over(channel).encode(into)));
    builder.seal(Batch(batch), seed)
}

/// A segment with these batches of names of channels, over what the file held. Also where each block begins, and the end.
fn write(segment: u64, batches: &[(u64, &[&str])], mut file: Vec<u8>) -> (Vec<u8>, Vec<usize>) {
    let (encoded, seed) = head(segment).encode();
    file.resize(SIZE, 0);
    file[..HEAD_BYTES as usize].fill(0);
    file[..encoded.len()].copy_from_slice(&encoded);
    let mut begins = vec![HEAD_BYTES as usize];
    for (batch, channels) in batches {
        let (block, at) = (block(*batch, channels, seed), begins[begins.len() - 1]);
        file[at..at + block.len()].copy_from_slice(&block);
        begins.push(at + block.len());
    }
    (file, begins)
}

/// The batches that are found with the names in them, where the segment ends, and whether there is a hole.
fn read(file: &[u8]) -> (Vec<(u64, Vec<String>)>, u64, bool) {
    let (_, seed) = Head::decode(file).unwrap();
    let mut blocks = Blocks::new(file, seed);
    let mut found = Vec::new();
    for block in &mut blocks {
        let names = block.records().map(|record| match Record::decode(record) {
            Ok(Record::Over(channel)) => channel.to_owned(),
            record => panic!("{record:?} was not written"),
        });
        let names: Vec<String> = names.collect();
        assert_eq!(names.len(), block.count() as usize);
        found.push((block.batch.0, names));
    }
    (found, blocks.at(), blocks.hole().is_some())
}

const BATCHES: &[(u64, &[&str])] = &[(5, &["a", "bb"]), (6, &["ccc"]), (9, &["d", "e", "f"])];

fn written(count: usize) -> Vec<(u64, Vec<String>)> {
    let owned = |(batch, names): &(u64, &[&str])| (*batch, names.iter().map(|name| (*name).to_owned()).collect());
    BATCHES[..count].iter().map(owned).collect()
}

#[test]
fn a_segment_is_read_as_it_was_written() {
    let (file, begins) = write(1, BATCHES, Vec::new());
    assert_eq!(read(&file), (written(3), begins[3] as u64, false));
    assert_eq!(Head::decode(&file).unwrap().0, head(1));
}

#[test]
fn a_write_that_was_torn_at_any_byte_loses_the_last_batch_at_the_most() {
    let (file, begins) = write(1, BATCHES, Vec::new());
    for until in begins[2]..begins[3] {
        let mut torn = file.clone();
        torn[until..].fill(0);
        // Its last bytes may have been zeros anyway.
        let whole = if torn == file { 3 } else { 2 };
        assert_eq!(read(&torn), (written(whole), begins[whole] as u64, false), "torn at {until}");
        let mut later = file.clone();
        later[begins[2]..until].fill(0);
        let whole = if later == file { 3 } else { 2 };
        assert_eq!(read(&later), (written(whole), begins[whole] as u64, false), "begun at {until}");
    }
}

#[test]
fn a_bit_that_flips_before_the_last_batch_is_a_hole() {
    let (file, begins) = write(1, BATCHES, Vec::new());
    for bit in begins[0] * 8..begins[2] * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (found, _, hole) = read(&flipped);
        let is_padding = found == written(3);
        assert!(hole || is_padding, "bit {bit}");
        assert!(is_padding || found == written(found.len()), "bit {bit}");
    }
}

#[test]
fn a_hole_is_told_by_the_head_of_a_batch_behind_it_of_which_the_rest_is_torn() {
    let (file, begins) = write(1, BATCHES, Vec::new());
    for bit in begins[1] * 8..begins[2] * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // What is left is the seed, the checksum and the batch.
        flipped[begins[2] + 16..].fill(0);
        let (found, _, hole) = read(&flipped);
        let is_padding = found == written(2);
        assert!(hole || is_padding, "bit {bit}");
    }
}

#[test]
fn a_message_with_the_seed_in_it_that_was_torn_is_no_hole() {
    let (_, seed) = head(1).encode();
    let noise = "x".repeat(40);
    let (mut file, begins) = write(1, &[(5, &["a"]), (6, &[&noise])], Vec::new());
    file[begins[1] + 32..begins[1] + 36].copy_from_slice(&seed.to_le_bytes());
    assert_eq!(read(&file).1, begins[1] as u64);
    assert!(!read(&file).2, "no number of this start follows it");
}

#[test]
fn a_bit_that_flips_in_a_head_is_damage() {
    let (file, _) = write(1, BATCHES, Vec::new());
    for bit in 0..HEAD_LENGTH * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Head::decode(&flipped).is_err(), "bit {bit}");
    }
    assert_eq!(Head::decode(&file[..HEAD_LENGTH - 1]), Err(HeadError::Damaged));
}

#[test]
fn a_later_format_is_told_as_such() {
    let (mut file, _) = write(1, BATCHES, Vec::new());
    file[8..12].copy_from_slice(&(VERSION + 1).to_le_bytes());
    assert_eq!(Head::decode(&file), Err(HeadError::Newer(VERSION + 1)));
}

#[test]
fn blocks_that_an_earlier_use_of_the_file_has_left_are_none() {
    let (used, _) = write(1, BATCHES, Vec::new());
    let (again, begins) = write(2, &[], used.clone());
    assert_eq!(read(&again), (vec![], begins[0] as u64, false));
    // The old ones lie right behind the new one, and are of later batches.
    let (again, begins) = write(2, &[(2, &["a", "bb"])], used);
    assert_eq!(read(&again), (vec![(2, vec!["a".into(), "bb".into()])], begins[1] as u64, false));
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(noise in prop::collection::vec(any::<u8>(), 0..600), at in 0usize..200) {
        let (mut file, begins) = write(1, BATCHES, Vec::new());
        let at = begins[0] + at;
        file[at..at + noise.len()].copy_from_slice(&noise);
        let (found, end, _) = read(&file);
        prop_assert!(end <= SIZE as u64);
        prop_assert_eq!(&found[..], &written(3)[..found.len()]);
    }
}
