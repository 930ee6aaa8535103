//! Nodes that have died without a goodbye: their sessions end, by the one process that has the claim.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use redis::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::StateRole;
use super::dying::Dying;
use super::trouble::Trouble;
use crate::cluster::redis::fault::Fault;
use crate::limits::{STATE_CALLS_AT_ONCE, STATE_CLAIM_MS, STATE_LOOKS_PER_ROUND, STATE_USERS_AT_ONCE};

impl StateRole {
    /// Ends sessions of a node that has died, in some of the buckets.
    pub(super) async fn end_dead(&mut self) -> Result<(), Trouble> {
        if self.dying.is_none()
            && let Some((owner, seen)) = self.owners.dead(Instant::now())
        {
            if self.claim(&owner, STATE_CLAIM_MS).await? {
                self.dying = Some(Dying { owner, seen, next: 0, ended: 0 });
            } else {
                self.owners.forget(&owner);
            }
        }
        let Some(Dying { owner, seen, next, ended }) = self.dying.clone() else { return Ok(()) };
        let count = self.buckets.count();
        let some = count.div_ceil(STATE_LOOKS_PER_ROUND);
        let buckets = next..count.min(next.saturating_add(some));
        let end = buckets.end;
        let ending = buckets.map(|bucket| self.end_in(bucket, &owner, seen));
        let ending = stream::iter(ending).buffer_unordered(STATE_CALLS_AT_ONCE);
        let ended = ended + ending.try_fold(0, |sum, ended| async move { Ok(sum + ended) }).await?;
        // One whose sessions cannot all end is looked at again and again.
        if ended > 0 && end == count {
            tracing::info!(node = owner, sessions = ended, "a node has died: its sessions have ended");
        }
        self.dying = (end < count).then_some(Dying { owner: owner.clone(), seen, next: end, ended });
        if self.dying.is_none() {
            self.owners.forget(&owner);
        }
        Ok(())
    }

    /// How many sessions ended.
    async fn end_in(&self, bucket: u16, owner: &str, seen: u64) -> Result<u64, Trouble> {
        let (mut cursor, mut count) = (0, 0);
        loop {
            let ended = self.buckets.end_node(bucket, owner, seen, cursor, STATE_USERS_AT_ONCE).await?;
            self.metrics.ended_with_node.add(ended.count);
            count += ended.count;
            cursor = self.have_changed("end_node", bucket, ended).await?;
            if cursor == 0 {
                return Ok(count);
            }
        }
    }

    /// Whether this process is to do something for so long, milliseconds: end the sessions of a dead node, compare a bucket. Where two
    /// do, nothing is told twice in sequence.
    pub(super) async fn claim(&self, what: &str, for_ms: u64) -> Result<bool, Trouble> {
        let key = format!("{}:{what}", self.buckets.key("claims"));
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&self.id).arg("NX").arg("GET").arg("PX").arg(for_ms);
        let is_process = |id: &[u8]| std::str::from_utf8(id).is_ok_and(|id| Uuid::parse_str(id).is_ok());
        match self.buckets.ask_of(&command, &key).await {
            Ok(Value::Nil) => Ok(true),
            Ok(Value::BulkString(id)) if is_process(&id) => Ok(false),
            // Whose it is, nobody can tell: others go on, and this waits until it is taken away.
            Ok(_) | Err(Fault::Foreign(_)) => {
                self.passed_over.tell("claim", vec![key]);
                Ok(false)
            }
            Err(fault) => Err(fault.into()),
        }
    }
}
