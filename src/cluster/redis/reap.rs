//! What a dead node has left: taken out of every bucket, in pages, by the one node that has the claim.

use redis::Value;

use super::fault::Fault;
use super::functions::{Functions, Incarnation};
use super::leases;
use super::pack::{list, number, string};
use crate::limits::REAP_AT_ONCE;

impl Functions {
    /// Reaps a dead incarnation everywhere, if nobody else does. How many entries of presence and sessions went; none where
    /// another has the claim.
    ///
    /// # Errors
    /// What went wrong; another attempt goes on where this one ended.
    pub async fn reap(&self, dead: Incarnation) -> Result<Option<u64>, Fault> {
        let mut removed = 0;
        for bucket in 0..self.keys().buckets() {
            // Renewed with each bucket: a claim lasts as long as a lease.
            if !leases::claim(self.link(), self.keys(), dead, self.incarnation().slot).await? {
                return Ok(None);
            }
            removed += self.reap_bucket(bucket, dead).await?;
        }
        leases::free(self.link(), self.keys(), dead).await?;
        Ok(Some(removed))
    }

    /// Reaps a dead incarnation in one bucket, and refuses its calls there from now on. How many entries went.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn reap_bucket(&self, bucket: u16, dead: Incarnation) -> Result<u64, Fault> {
        let (mut removed, mut at, mut cursor) = (0, bytes::Bytes::new(), bytes::Bytes::from_static(b"0"));
        loop {
            let answer = self.numbered("reap", bucket, |command| {
                command.arg(dead.slot).arg(dead.number).arg(REAP_AT_ONCE).arg(&at[..]).arg(&cursor[..]);
            });
            let answer = <[Value; 4]>::try_from(list(answer.await?)?).map_err(|_| Fault::Garbled)?;
            let [_stand, gone, next, place] = answer;
            removed += number(&gone)?;
            (at, cursor) = (string(next)?, string(place)?);
            if &at[..] == b"." {
                return Ok(removed);
            }
        }
    }
}
