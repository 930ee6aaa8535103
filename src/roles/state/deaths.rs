//! Nodes that have died without a goodbye: their sessions end, by the one process that has the claim.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use redis::Value;
use tokio::time::Instant;

use super::StateRole;
use super::trouble::Trouble;
use crate::limits::{STATE_CALLS_AT_ONCE, STATE_CLAIM_MS, STATE_LOOKS_PER_ROUND, STATE_USERS_AT_ONCE};

impl StateRole {
    /// Ends sessions of a node that has died, in some of the buckets.
    pub(super) async fn end_dead(&mut self) -> Result<(), Trouble> {
        if self.dying.is_none()
            && let Some((owner, seen)) = self.owners.dead(Instant::now())
        {
            if self.claim(&owner, STATE_CLAIM_MS).await? {
                tracing::info!(node = owner, "a node has died: its sessions end");
                self.dying = Some((owner, seen, 0));
            } else {
                self.owners.forget(&owner);
            }
        }
        let Some((owner, seen, first)) = self.dying.clone() else { return Ok(()) };
        let count = self.buckets.count();
        let some = count.div_ceil(STATE_LOOKS_PER_ROUND);
        let buckets = first..count.min(first.saturating_add(some));
        let end = buckets.end;
        let ending = buckets.map(|bucket| self.end_in(bucket, &owner, seen));
        stream::iter(ending).buffer_unordered(STATE_CALLS_AT_ONCE).try_collect::<Vec<()>>().await?;
        self.dying = (end < count).then_some((owner.clone(), seen, end));
        if self.dying.is_none() {
            self.owners.forget(&owner);
        }
        Ok(())
    }

    async fn end_in(&self, bucket: u16, owner: &str, seen: u64) -> Result<(), Trouble> {
        loop {
            let (left, ended, pending) = self.buckets.end_node(bucket, owner, seen, STATE_USERS_AT_ONCE).await?;
            self.metrics.ended_with_node.add(ended);
            self.teller.tell(&self.buckets, BTreeMap::from([(bucket, pending)])).await?;
            if left == 0 {
                return Ok(());
            }
        }
    }

    /// Whether this process is to do something for so long, milliseconds: end the sessions of a dead node, compare a bucket. Where two
    /// do, nothing is told twice in sequence.
    pub(super) async fn claim(&self, what: &str, for_ms: u64) -> Result<bool, Trouble> {
        let key = format!("{}:{what}", self.buckets.key("claims"));
        let mut command = redis::cmd("SET");
        command.arg(key).arg(&self.id).arg("NX").arg("PX").arg(for_ms);
        Ok(self.buckets.link().call(&command).await? == Value::Okay)
    }
}
