//! What nothing tells of, looked for again and again: what was lost in Redis, whose lease lives, what differs from the nodes' register.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rdkafka::error::KafkaError;
use tokio::time::Instant;

use super::StateRole;
use super::place::Place;
use super::trouble::Trouble;
use crate::cluster::redis::leases;
use crate::limits::{STATE_CALLS_AT_ONCE, STATE_CHECK_MS, STATE_LOOKS_PER_ROUND};

/// After so many looks the leases are looked at.
const LOOKS_PER_LEASES: u32 = 3;

impl StateRole {
    /// Looks for what nothing tells of: what was lost in Redis, and nodes that have died.
    pub(super) async fn look(&mut self) -> Result<(), Trouble> {
        if !self.unready.is_empty() {
            self.make_ready().await?;
        }
        let is_over = |place: &Place| place.quiet_until.is_some_and(|until| place.next >= until);
        while let Some(partition) = self.places.iter().find(|(_, place)| is_over(place)).map(|(of, _)| *of) {
            self.finish(partition).await?;
        }
        self.look_at_some().await?;
        if self.looks.is_multiple_of(LOOKS_PER_LEASES) {
            self.living = self.leases().await?;
        }
        self.looks = self.looks.wrapping_add(1);
        self.end_dead().await?;
        self.compare().await
    }

    /// Looks at some of the buckets; at all of them once in a round.
    async fn look_at_some(&mut self) -> Result<(), Trouble> {
        if self.next_look == 0 {
            // An older edition may be there, and give answers that can be read.
            self.buckets.load().await?;
            self.commit_again()?;
        }
        let count = self.buckets.count();
        let some = count.div_ceil(STATE_LOOKS_PER_ROUND);
        let buckets: Vec<u16> = (self.next_look..count.min(self.next_look.saturating_add(some))).collect();
        let partitions: Vec<i32> = self.places.keys().copied().collect();
        let looks = self.look_at(&buckets, &partitions).await?;
        for (bucket, look) in buckets.iter().zip(looks) {
            self.owners.heard(look.owners);
            for (partition, position) in partitions.iter().zip(&look.positions) {
                let known = self.places[partition].known[usize::from(*bucket)];
                if position.is_none_or(|position| position < known) {
                    return Err(Trouble::Lost(*partition));
                }
            }
            // Whoever has put it there tells it at once, unless that process has died, or could not.
            if look.waiting == 0 {
                self.waiting.remove(bucket);
            } else if !self.waiting.insert(*bucket) {
                self.teller.tell_waiting(&self.buckets, *bucket).await?;
            }
        }
        if self.adopting_rounds > 0 {
            let adopting = buckets.iter().map(|bucket| self.adopt_in(*bucket));
            stream::iter(adopting).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        }
        self.next_look = buckets.last().map_or(0, |last| last + 1);
        if self.next_look >= count {
            self.next_look = 0;
            self.adopting_rounds = self.adopting_rounds.saturating_sub(1);
        }
        Ok(())
    }

    /// Says all positions once more: nobody tells of a commit that has failed, and where nothing more comes none follows it. One that
    /// is behind another process' costs it records that its buckets pass over.
    fn commit_again(&self) -> Result<(), KafkaError> {
        if !self.unready.is_empty() || self.places.is_empty() {
            return Ok(());
        }
        let next = self.places.iter().map(|(partition, place)| (self.named(*partition), place.next));
        self.consumer.commit(&next.collect())
    }

    /// The slots of nodes that live; who has died is noted.
    pub(super) async fn leases(&mut self) -> Result<Vec<u8>, Trouble> {
        let leases = leases::look(self.buckets.link(), self.buckets.keys()).await?;
        self.owners.judge(&leases, Instant::now());
        Ok(leases.living().map(|lease| lease.of.slot).collect())
    }

    /// Compares a bucket with the nodes' register, when its time has come, for what no record told of: an edge drops events when
    /// Kafka is away for long.
    async fn compare(&mut self) -> Result<(), Trouble> {
        // What is read anew is compared when it is there.
        if self.places.values().any(|place| place.quiet_until.is_some()) {
            return Ok(());
        }
        let Some(bucket) = self.walk.step(self.buckets.count(), Instant::now()) else { return Ok(()) };
        if !self.claim(&format!("check:{bucket}"), STATE_CHECK_MS / 2).await? {
            return Ok(());
        }
        self.adopt_in(bucket).await?;
        for owner in self.buckets.look(bucket, &[]).await?.owners {
            self.check_in(bucket, &owner).await?;
        }
        Ok(())
    }
}
