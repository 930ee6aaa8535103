//! Where a partition of the topic stands, and where it is to begin: the buckets know up to which of its records they are, Kafka up to
//! which the group is.
//!
//! A bucket that knows nothing of a partition has lost all that it had, or is new: the partition is read from its beginning. One
//! that knows less than it did has lost its last writes: the partition is read from there. Other buckets pass over what they have.

use std::ops::Range;

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The next offset.
    pub(super) next: i64,
    /// Before this offset nothing is told: what is read there was told before, or is not so any more. `None`: all is told.
    pub(super) quiet_until: Option<i64>,
    /// By bucket: the highest record of the partition that it is known to have applied.
    pub(super) known: Vec<i64>,
}

/// How a partition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The first offset to read.
    pub(super) start: i64,
    /// As in [`Place`]. Where it is one, something was lost, or is new: to be remembered until all is read.
    pub(super) quiet_until: Option<i64>,
    /// Buckets have records that the topic does not: it has begun anew, and what they say counts for nothing.
    pub(super) forgets: bool,
}

impl Plan {
    /// That of a partition that keeps these, and nothing of what is known of it.
    pub(super) fn anew(kept: Range<i64>) -> Self {
        Self { start: kept.start, quiet_until: Some(kept.end), forgets: true }
    }
}

/// A rebuild that was begun, by whichever process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rebuild {
    /// From where.
    pub(super) from: i64,
    /// Up to where nothing is told.
    pub(super) until: i64,
}

impl Rebuild {
    /// As it is kept.
    pub(super) fn text(self) -> String {
        format!("{} {}", self.from, self.until)
    }

    /// As it was kept.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (from, until) = text.split_once(' ')?;
        Some(Self { from: from.parse().ok()?, until: until.parse().ok()? })
    }
}

/// Plans a partition's beginning: what it keeps, what the group has committed, a rebuild that is not over, what each bucket has
/// applied, and, where it was read before, how it stood then.
pub(super) fn plan(
    kept: Range<i64>,
    committed: Option<i64>,
    rebuild: Option<Rebuild>,
    positions: &[Option<i64>],
    before: Option<&Place>,
) -> Plan {
    let within = |offset: i64| offset.clamp(kept.start, kept.end);
    let told = before.map_or(0, |place| place.next.max(place.quiet_until.unwrap_or_default()));
    let forgets = positions.iter().flatten().any(|position| *position >= kept.end);
    if forgets || positions.contains(&None) {
        return Plan { start: kept.start, quiet_until: Some(kept.end), forgets };
    }
    let known = before.map(|place| place.known.as_slice()).unwrap_or_default();
    let is_behind = |(position, known): &(&i64, &i64)| position < known;
    let behind = positions.iter().flatten().zip(known).filter(is_behind).map(|(position, _)| *position).min();
    if let Some(least) = behind {
        return Plan { start: within(least + 1), quiet_until: Some(within(told)), forgets };
    }
    let start = within(committed.unwrap_or(kept.start));
    match rebuild {
        // That the group goes back was not heard.
        Some(Rebuild { from, until }) if start >= within(until) && from < until => {
            Plan { start: within(from), quiet_until: Some(within(until)), forgets }
        }
        Some(Rebuild { until, .. }) => Plan { start, quiet_until: Some(within(until)), forgets },
        None => Plan { start, quiet_until: None, forgets },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Range<i64> = 10..100;

    fn start_of(plan: Plan) -> (i64, Option<i64>) {
        (plan.start, plan.quiet_until)
    }

    #[test]
    fn where_nothing_is_lost_it_goes_on_where_the_group_stands_within_what_is_kept() {
        let positions = [Some(70), Some(9)];
        assert_eq!(start_of(plan(KEPT, Some(71), None, &positions, None)), (71, None));
        assert_eq!(start_of(plan(KEPT, Some(3), None, &positions, None)), (10, None), "the rest is kept no more");
        assert_eq!(start_of(plan(KEPT, None, None, &positions, None)), (10, None), "buckets pass over what they have");
    }

    #[test]
    fn a_bucket_that_knows_nothing_has_the_whole_partition_read_quietly() {
        let planned = plan(KEPT, Some(71), None, &[Some(70), None], None);
        assert!(start_of(planned) == (10, Some(100)) && !planned.forgets);
        let empty = plan(100..100, Some(71), None, &[Some(70), None], None);
        assert_eq!(start_of(empty), (100, Some(100)), "also where nothing is kept: nodes may have sessions");
    }

    #[test]
    fn a_bucket_that_knows_less_than_before_has_the_partition_read_from_there() {
        let before = Place { next: 91, quiet_until: None, known: vec![90, 40, 9] };
        let planned = plan(KEPT, Some(91), None, &[Some(60), Some(40), Some(9)], Some(&before));
        assert_eq!(start_of(planned), (61, Some(91)));
    }

    #[test]
    fn a_topic_that_has_begun_anew_is_read_from_its_beginning_whatever_buckets_have() {
        let planned = plan(0..5, Some(71), None, &[Some(70), Some(-1)], None);
        assert!(start_of(planned) == (0, Some(5)) && planned.forgets);
    }

    #[test]
    fn a_rebuild_that_another_process_has_begun_goes_on_and_begins_again_where_the_group_has_not_gone_back() {
        let rebuild = Rebuild { from: 10, until: 80 };
        assert_eq!(start_of(plan(KEPT, Some(30), Some(rebuild), &[Some(29)], None)), (30, Some(80)));
        assert_eq!(start_of(plan(KEPT, Some(90), Some(rebuild), &[Some(29)], None)), (10, Some(80)));
        assert_eq!(Rebuild::read(&rebuild.text()), Some(rebuild));
        assert_eq!(Rebuild::read("10"), None);
    }
}
