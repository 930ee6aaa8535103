//! Records of the topic: each applied in the bucket of its user, and what follows from it told, before the group goes on.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};

use super::StateRole;
use super::buckets::{Applied, Happening};
use super::happened::{Said, Taken};
use super::trouble::Trouble;
use crate::limits::STATE_CALLS_AT_ONCE;

impl StateRole {
    /// Takes records in, each partition's in turn.
    pub(super) async fn take(&mut self, records: Vec<Taken>) -> Result<(), Trouble> {
        // All partitions begin anew once the last is ready. Until then what comes may lie behind what was given up with a loss.
        if !self.unready.is_empty() {
            return Ok(());
        }
        let mut by_partition = BTreeMap::<i32, Vec<Taken>>::new();
        for record in records {
            by_partition.entry(record.partition).or_default().push(record);
        }
        for (partition, mut records) in by_partition {
            // What comes of others was on its way before they went.
            let Some(place) = self.places.get(&partition) else { continue };
            // The topic was made anew under its name, or has lost its end: what was known of it is looked at again.
            if records.iter().any(|record| record.offset < place.next) {
                return Err(Trouble::Anew(partition));
            }
            let quiet_until = place.quiet_until;
            let is_quiet = |record: &Taken| quiet_until.is_some_and(|until| record.offset < until);
            let loud = records.split_off(records.partition_point(is_quiet));
            self.apply(partition, records, true).await?;
            if !loud.is_empty() {
                if quiet_until.is_some() {
                    self.finish(partition).await?;
                }
                self.apply(partition, loud, false).await?;
            }
        }
        Ok(())
    }

    async fn apply(&mut self, partition: i32, records: Vec<Taken>, is_quiet: bool) -> Result<(), Trouble> {
        let Some(last) = records.last().map(|record| record.offset) else { return Ok(()) };
        let (mut by_bucket, mut passed, mut unusable) = (BTreeMap::<u16, Vec<Happening>>::new(), 0, 0);
        for record in records {
            match record.said {
                Said::Happened(happening) => {
                    by_bucket.entry(self.buckets.of(&happening.user)).or_default().push(happening);
                }
                Said::Nothing => passed += 1,
                Said::Unusable => unusable += 1,
            }
        }
        let (place, buckets) = (&self.places[&partition], &self.buckets);
        let calls = by_bucket.iter().map(|(bucket, happened)| async move {
            let known = place.known[usize::from(*bucket)];
            (*bucket, buckets.apply(*bucket, partition, known, is_quiet, happened).await)
        });
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(STATE_CALLS_AT_ONCE).collect().await;
        let (mut pending, mut failed, mut passed_over) = (BTreeMap::new(), None, Vec::new());
        let place = self.places.get_mut(&partition).expect("its place was just looked at");
        for (bucket, answer) in answers {
            let happened = &by_bucket[&bucket];
            match answer {
                Ok(Applied::Done { applied, told, foreign }) => {
                    let known = &mut place.known[usize::from(bucket)];
                    *known = happened.last().map_or(*known, |last| last.offset.max(*known));
                    self.metrics.applied.add(applied);
                    self.metrics.repeated.add((happened.len() as u64).saturating_sub(applied));
                    pending.insert(bucket, told);
                    passed_over.extend(foreign);
                }
                Ok(Applied::Lost) => failed = Some(Trouble::Lost(partition)),
                Err(fault) => failed = failed.or(Some(fault.into())),
            }
        }
        self.passed_over.tell("apply", passed_over);
        if let Some(trouble) = failed {
            return Err(trouble);
        }
        self.teller.tell(&self.buckets, pending).await?;
        self.metrics.passed.add(passed);
        self.metrics.unusable.add(unusable);
        let place = self.places.get_mut(&partition).expect("it is ready");
        place.next = last + 1;
        let next = BTreeMap::from([(self.named(partition), last + 1)]);
        self.consumer.commit(&next)?;
        Ok(())
    }
}
