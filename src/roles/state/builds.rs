//! The state that was built anew from a partition: what came of it is told, and what the nodes' register has besides is taken up.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::StateRole;
use super::buckets::Changed;
use super::trouble::Trouble;
use crate::limits::{STATE_ADOPTED_AT_ONCE, STATE_CALLS_AT_ONCE, STATE_USERS_AT_ONCE};

/// Rounds through all buckets after a rebuild in which the nodes' register is looked through again: nodes that have lost it as well
/// put their sessions anew.
const ADOPTING_ROUNDS: u32 = 6;

impl StateRole {
    /// All of a partition is read that was to be read quietly: what came of it is told.
    pub(super) async fn finish(&mut self, partition: i32) -> Result<(), Trouble> {
        self.living = self.leases().await?;
        let of_each = (0..self.buckets.count()).map(|bucket| self.finish_in(bucket, partition));
        stream::iter(of_each).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        let key = self.buckets.key(&format!("p{partition}"));
        self.buckets.link().call(redis::cmd("DEL").arg(key)).await?;
        if let Some(place) = self.places.get_mut(&partition) {
            place.quiet_until = None;
        }
        self.metrics.rebuilds.add(1);
        self.adopting_rounds = ADOPTING_ROUNDS;
        tracing::info!(partition, "the state is built");
        Ok(())
    }

    /// All is read that partitions had. Of those that were read quietly nothing more is to come before what is to be told, although the last
    /// offset was no record's.
    pub(super) async fn have_ended(&mut self, partitions: Vec<i32>) -> Result<(), Trouble> {
        for partition in partitions {
            // Until all are ready they are read again.
            let is_quiet = self.places.get(&partition).is_some_and(|place| place.quiet_until.is_some());
            if self.unready.is_empty() && is_quiet {
                self.finish(partition).await?;
            }
        }
        Ok(())
    }

    async fn finish_in(&self, bucket: u16, partition: i32) -> Result<(), Trouble> {
        loop {
            let settled = self.buckets.settle(bucket, partition, STATE_USERS_AT_ONCE).await?;
            if self.have_changed("settle", bucket, settled).await? == 0 {
                return self.adopt_in(bucket).await;
            }
        }
    }

    /// Takes up what the nodes' register has and no record told of.
    pub(super) async fn adopt_in(&self, bucket: u16) -> Result<(), Trouble> {
        for slot in &self.living {
            let mut cursor = 0;
            loop {
                let adopted = self.buckets.adopt(bucket, *slot, cursor, STATE_ADOPTED_AT_ONCE).await?;
                self.metrics.adopted.add(adopted.count);
                cursor = self.have_changed("adopt", bucket, adopted).await?;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn check_in(&self, bucket: u16, owner: &str) -> Result<(), Trouble> {
        let mut cursor = 0;
        loop {
            let ended = self.buckets.check(bucket, owner, cursor, STATE_USERS_AT_ONCE).await?;
            self.metrics.ended_untold.add(ended.count);
            cursor = self.have_changed("check", bucket, ended).await?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Tells what came of a call, and of what was passed over in it. Answers where to go on.
    pub(super) async fn have_changed(&self, call: &'static str, bucket: u16, changed: Changed) -> Result<u64, Trouble> {
        self.passed_over.tell(call, changed.foreign);
        self.teller.tell(&self.buckets, BTreeMap::from([(bucket, changed.told)])).await?;
        Ok(changed.next)
    }
}
