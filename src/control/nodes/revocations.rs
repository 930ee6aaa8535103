//! What is known here of tokens that were called back, so that only what is new is told to the shards, and what Redis has lost
//! is told to Redis again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::auth::{Revocation, Subject};
use crate::clock;
use crate::cluster::bridge::BridgeView;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::revocations::UNTIL_MAX_UNIX_S;
use crate::limits::{REVOCATIONS_MAX, REVOCATIONS_READ_AT_ONCE};

/// Before what failed is read again.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Known {
    /// Before when they were issued, and until when they are refused.
    by_subject: Mutex<BTreeMap<Subject, (i64, i64)>>,
    /// Who has one reads a bucket.
    pub(super) reads: Arc<Semaphore>,
}

impl Default for Known {
    fn default() -> Self {
        Self { by_subject: Mutex::default(), reads: Arc::new(Semaphore::new(REVOCATIONS_READ_AT_ONCE)) }
    }
}

impl Known {
    fn by_subject(&self) -> MutexGuard<'_, BTreeMap<Subject, (i64, i64)>> {
        self.by_subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a revocation in. Whether it says anything new.
    pub(super) fn learn(&self, revocation: &Revocation) -> bool {
        let mut known = self.by_subject();
        if known.len() >= REVOCATIONS_MAX {
            let now_unix_s = clock::unix_ms() / 1000;
            known.retain(|_, (_, until)| *until > now_unix_s);
        }
        let reach = known.entry(revocation.subject.clone()).or_insert((i64::MIN, i64::MIN));
        let wider = (reach.0.max(revocation.issued_before_unix_s), reach.1.max(revocation.until_unix_s));
        std::mem::replace(reach, wider) != wider
    }

    /// Reads what is called back in a bucket, until that succeeds or the node acts dead, and has Redis told again what it does
    /// not know.
    pub(super) async fn read(&self, view: &BridgeView, bucket: u16) -> Vec<Revocation> {
        loop {
            // It is read when the node is back.
            let Some(functions) = view.functions.borrow().clone() else { return Vec::new() };
            let known = self.of(|subject| functions.bucket_of_subject(subject) == bucket);
            let read = view.call(move |functions, _| async move {
                let found = read_all(&functions, bucket).await?;
                let is_there = |one: &Revocation| found.iter().any(|other| reaches(other, one));
                for lost in known.iter().filter(|one| !is_there(one)) {
                    functions.revoke(lost).await?;
                }
                Ok(found)
            });
            match read.await {
                Ok(found) => return found,
                Err(Fault::Dead) => return Vec::new(),
                Err(fault) => tracing::warn!(bucket, "what is called back cannot be read: {fault}"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Those that are not over, of these subjects: what a node knows is looked through for each bucket, and copied once for all.
    fn of(&self, is_meant: impl Fn(&Subject) -> bool) -> Vec<Revocation> {
        let now_unix_s = clock::unix_ms() / 1000;
        let known = self.by_subject();
        let living = known.iter().filter(|(_, (_, until))| *until > now_unix_s);
        living
            .filter(|(subject, _)| is_meant(subject))
            .map(|(subject, (issued_before_unix_s, until_unix_s))| Revocation {
                subject: subject.clone(),
                issued_before_unix_s: *issued_before_unix_s,
                until_unix_s: *until_unix_s,
            })
            .collect()
    }
}

/// Whether what was found says all of what is known, as far as Redis can say it: a widening may be lost and the rest be there.
fn reaches(found: &Revocation, known: &Revocation) -> bool {
    found.subject == known.subject
        && found.issued_before_unix_s >= known.issued_before_unix_s
        && found.until_unix_s >= known.until_unix_s.min(UNTIL_MAX_UNIX_S)
}

async fn read_all(functions: &Functions, bucket: u16) -> Result<Vec<Revocation>, Fault> {
    let (mut found, mut cursor) = (Vec::new(), 0);
    loop {
        let (next, page) = functions.revocations(bucket, cursor).await?;
        found.extend(page);
        if next == 0 {
            return Ok(found);
        }
        cursor = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_known_a_bucket_is_given_its_own_that_is_not_over() {
        let (known, now_unix_s) = (Known::default(), clock::unix_ms() / 1000);
        for (user, until_unix_s) in [("ann", now_unix_s + 100), ("bob", now_unix_s + 100), ("eve", now_unix_s - 1)] {
            let subject = Subject::User(user.into());
            assert!(known.learn(&Revocation { subject, issued_before_unix_s: 10, until_unix_s }));
        }
        let of = |names: &[&str]| {
            let found = known.of(|subject| names.iter().any(|name| *subject == Subject::User((*name).into())));
            found.into_iter().map(|one| one.subject).collect::<Vec<_>>()
        };
        assert_eq!(of(&["bob", "eve"]), [Subject::User("bob".into())]);
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn what_has_lost_its_widening_is_told_again_and_what_redis_cannot_say_is_not_told_for_ever() {
        let revocation = |issued_before_unix_s, until_unix_s| Revocation {
            subject: Subject::User("ann".into()),
            issued_before_unix_s,
            until_unix_s,
        };
        let found = revocation(10, 100);
        assert!(reaches(&found, &found) && reaches(&found, &revocation(9, 99)));
        assert!(!reaches(&found, &revocation(11, 100)) && !reaches(&found, &revocation(10, 101)));
        assert!(reaches(&revocation(i64::MAX, UNTIL_MAX_UNIX_S), &revocation(i64::MAX, i64::MAX)));
        let other = Revocation { subject: Subject::Token("ann".into()), ..found.clone() };
        assert!(!reaches(&found, &other));
    }
}
