//! Where the partitions of this process begin: found in the buckets and in Kafka, and found again after a loss.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use rdkafka::error::KafkaError;
use redis::Value;

use super::StateRole;
use super::buckets::Look;
use super::place::{Place, Plan, Rebuild, plan};
use super::trouble::Trouble;
use crate::cluster::redis::fault::Fault;
use crate::limits::STATE_CALLS_AT_ONCE;
use crate::roles::pulse::Partition;

impl StateRole {
    pub(super) fn named(&self, partition: i32) -> Partition {
        (self.topic.clone(), partition)
    }

    /// Has all partitions begin where they stand, once that is known of all.
    pub(super) fn begin(&self) -> Result<(), KafkaError> {
        if !self.unready.is_empty() {
            return Ok(());
        }
        let next = self.places.iter().map(|(partition, place)| (self.named(*partition), place.next));
        self.consumer.begin_at(&next.collect())
    }

    /// Finds out where partitions stand of which that is not known.
    pub(super) async fn make_ready(&mut self) -> Result<(), Trouble> {
        if !self.unready.is_empty() {
            self.buckets.load().await?;
        }
        while let Some(partition) = self.unready.first().copied() {
            let place = self.find(partition).await?;
            self.places.insert(partition, place);
            self.unready.remove(&partition);
            self.anew.remove(&partition);
        }
        self.begin()?;
        Ok(())
    }

    async fn find(&self, partition: i32) -> Result<Place, Trouble> {
        let of = self.named(partition);
        let (first, end) = self.consumer.watermarks(&of).await?;
        let committed = self.consumer.committed(&of).await?;
        let all: Vec<u16> = (0..self.buckets.count()).collect();
        let looks = self.look_at(&all, &[partition]).await?;
        let positions: Vec<_> = looks.iter().map(|look| look.positions.first().copied().flatten()).collect();
        let (before, rebuild) = (self.places.get(&partition), self.rebuild(partition).await?);
        let planned = match self.anew.contains(&partition) {
            true => Plan::anew(first..end.max(first)),
            false => plan(first..end.max(first), committed, rebuild, &positions, before),
        };
        if let Some(until) = planned.quiet_until {
            let rebuild = Rebuild { from: planned.start, until };
            tracing::info!(partition, from = rebuild.from, until = rebuild.until, "the state is built from the topic");
            // In this order: whoever finds buckets that have begun finds this as well.
            let key = self.buckets.key(&format!("p{partition}"));
            self.buckets.link().call(redis::cmd("SET").arg(key).arg(rebuild.text())).await?;
            self.consumer.commit(&BTreeMap::from([(of, planned.start)]))?;
        }
        // Up to what a bucket without records of the partition has it.
        let floor = planned.start - 1;
        let begun = all.iter().zip(&positions).filter(|(_, position)| planned.forgets || position.is_none());
        let begun = begun.map(|(bucket, _)| self.buckets.begin(*bucket, partition, floor, planned.forgets));
        stream::iter(begun).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        let known = positions.iter().map(|position| position.filter(|_| !planned.forgets).unwrap_or(floor)).collect();
        Ok(Place { next: planned.start, quiet_until: planned.quiet_until, known })
    }

    async fn rebuild(&self, partition: i32) -> Result<Option<Rebuild>, Trouble> {
        let key = self.buckets.key(&format!("p{partition}"));
        match self.buckets.ask_of(redis::cmd("GET").arg(&key), &key).await? {
            Value::Nil => Ok(None),
            Value::BulkString(text) => {
                let rebuild = std::str::from_utf8(&text).ok().and_then(Rebuild::read);
                Ok(Some(rebuild.ok_or(Fault::Foreign(key))?))
            }
            _ => Err(Fault::Garbled.into()),
        }
    }

    /// What buckets have, in their order.
    pub(super) async fn look_at(&self, buckets: &[u16], partitions: &[i32]) -> Result<Vec<Look>, Trouble> {
        let looks = buckets.iter().map(|bucket| self.buckets.look(*bucket, partitions));
        Ok(stream::iter(looks).buffered(STATE_CALLS_AT_ONCE).try_collect().await?)
    }
}
