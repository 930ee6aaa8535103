//! Sizes of rooms by Zipf's law: the `k`th largest has a share in proportion to `1 / k^exponent`.
//!
//! Sizes are apportioned, not drawn: the same settings give the same rooms, which sum up exactly.

use anyhow::ensure;

/// Steeper laws leave next to nothing to the second room.
const EXPONENT_MAX: f64 = 4.0;

/// The sizes of rooms that share `total` members, the largest first. Each has at least one; the rest follows the
/// law, by the method of the largest remainders. With the exponent 0 all are as large as one another.
///
/// # Errors
/// When the exponent makes no sense, or there are fewer members than rooms.
pub(super) fn zipf(total: u32, rooms: u32, exponent: f64) -> anyhow::Result<Vec<u32>> {
    ensure!(
        (0.0..=EXPONENT_MAX).contains(&exponent),
        "`zipf` is {exponent}: it must be 0 (rooms of one size) to {EXPONENT_MAX}"
    );
    ensure!(total >= rooms, "{total} members do not fill {rooms} rooms: each has at least one");
    let weights: Vec<_> = (1..=rooms).map(|rank| f64::from(rank).powf(-exponent)).collect();
    let spare = total - rooms;
    let per_weight = f64::from(spare) / weights.iter().sum::<f64>();
    let quotas: Vec<_> = weights.iter().map(|weight| weight * per_weight).collect();
    let mut sizes: Vec<_> = quotas.iter().map(|quota| 1 + *quota as u32).collect();
    let given = sizes.iter().sum::<u32>() - rooms;
    let mut by_remainder: Vec<_> = (0..rooms as usize).collect();
    by_remainder.sort_by(|a, b| quotas[*b].fract().total_cmp(&quotas[*a].fract()));
    for room in by_remainder.into_iter().take((spare - given) as usize) {
        sizes[room] += 1;
    }
    Ok(sizes)
}

/// The members of all rooms in one row, each as its room, so that every stretch of the row has its share of every
/// room. The rooms begin at different places of the row, as far from one another as multiples of the golden ratio
/// are: otherwise all small rooms would come at once.
pub(super) fn mixed(sizes: &[u32]) -> Vec<u32> {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let places = |(room, size): (usize, &u32)| {
        let (begin, size) = ((room as f64 * GOLDEN).fract(), *size);
        (0..size).map(move |member| ((f64::from(member) + begin) / f64::from(size), room as u32))
    };
    let mut row: Vec<_> = sizes.iter().enumerate().flat_map(places).collect();
    row.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    row.into_iter().map(|(_, room)| room).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_room_is_half_as_large_and_the_third_a_third() {
        let sizes = zipf(11_000 + 100, 100, 1.0).unwrap();
        let beyond_the_first = |room: usize| f64::from(sizes[room] - 1);
        assert!((beyond_the_first(0) / beyond_the_first(1) - 2.0).abs() < 0.01, "{sizes:?}");
        assert!((beyond_the_first(0) / beyond_the_first(2) - 3.0).abs() < 0.01, "{sizes:?}");
    }

    #[test]
    fn without_an_exponent_all_are_of_one_size() {
        assert_eq!(zipf(12, 4, 0.0).unwrap(), [3; 4]);
        assert_eq!(zipf(14, 4, 0.0).unwrap(), [4, 4, 3, 3]);
    }

    #[test]
    fn laws_and_rooms_without_sense_are_refused() {
        for (total, rooms, exponent) in [(10, 2, -1.0), (10, 2, f64::NAN), (10, 2, 5.0), (1, 2, 1.0)] {
            assert!(zipf(total, rooms, exponent).is_err(), "{total} {rooms} {exponent}");
        }
    }

    #[test]
    fn rooms_of_one_size_take_turns() {
        let row = mixed(&[5; 7]);
        for round in row.chunks(7) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, [0, 1, 2, 3, 4, 5, 6]);
        }
    }

    proptest! {
        #[test]
        fn sizes_sum_up_fall_and_leave_no_room_empty(rooms in 1..300u32, more in 0..5000u32, exponent in 0.0..4.0) {
            let sizes = zipf(rooms + more, rooms, exponent).unwrap();
            prop_assert_eq!(sizes.iter().sum::<u32>(), rooms + more);
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.iter().all(|size| *size > 0), "{:?}", sizes);
        }

        /// A room may be one member early or late; that all others may too shifts its share.
        #[test]
        fn every_stretch_has_its_share_of_every_room(
            sizes in proptest::collection::vec(1..40u32, 1..30),
            cut in 0.0..1.0,
        ) {
            let row = mixed(&sizes);
            let stretch = &row[..(row.len() as f64 * cut) as usize];
            for (room, size) in sizes.iter().enumerate() {
                let count = stretch.iter().filter(|other| **other == room as u32).count() as f64;
                let of_row = f64::from(*size) / row.len() as f64;
                let (share, shift) = (of_row * stretch.len() as f64, of_row * sizes.len() as f64);
                prop_assert!((count - share).abs() <= 1.0 + shift, "room {} of {:?}: {} of {}", room, sizes, count, share);
            }
        }
    }
}
