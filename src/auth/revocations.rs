//! The revocations in force on a shard. All shards have the same: each is told of every one.
//!
//! Invariants: one a subject, which a later one of the same subject widens; no more than [`REVOCATIONS_MAX`]; none whose time
//! is over counts.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::claims::Stamp;
use super::revocation::{Mark, Revocation, Subject};
use crate::limits::REVOCATIONS_MAX;

/// How far the revocation of a subject reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    issued_before_unix_s: i64,
    until_unix_s: i64,
}

/// There are as many revocations as there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{REVOCATIONS_MAX} revocations are in force: call back by user or by time instead of token by token")]
pub struct Full;

/// See the module.
#[derive(Debug)]
pub struct Revocations {
    by_subject: BTreeMap<Subject, Reach>,
    /// When the next is over, Unix seconds, or earlier.
    next_end_unix_s: i64,
}

impl Default for Revocations {
    fn default() -> Self {
        Self { by_subject: BTreeMap::new(), next_end_unix_s: i64::MAX }
    }
}

impl Revocations {
    /// Calls tokens back from now on.
    ///
    /// # Errors
    /// [`Full`].
    pub fn add(&mut self, revocation: &Revocation, now_unix_s: i64) -> Result<(), Full> {
        self.end_old(now_unix_s);
        let Revocation { subject, issued_before_unix_s, until_unix_s } = revocation;
        let (issued_before_unix_s, until_unix_s) = (*issued_before_unix_s, *until_unix_s);
        if let Some(reach) = self.by_subject.get_mut(subject) {
            reach.issued_before_unix_s = reach.issued_before_unix_s.max(issued_before_unix_s);
            reach.until_unix_s = reach.until_unix_s.max(until_unix_s);
            return Ok(());
        }
        if self.by_subject.len() >= REVOCATIONS_MAX {
            return Err(Full);
        }
        self.by_subject.insert(subject.clone(), Reach { issued_before_unix_s, until_unix_s });
        self.next_end_unix_s = self.next_end_unix_s.min(until_unix_s);
        Ok(())
    }

    /// Forgets those whose time is over.
    pub fn end_old(&mut self, now_unix_s: i64) {
        if now_unix_s >= self.next_end_unix_s {
            self.by_subject.retain(|_, reach| reach.until_unix_s > now_unix_s);
            let ends = self.by_subject.values().map(|reach| reach.until_unix_s);
            self.next_end_unix_s = ends.min().unwrap_or(i64::MAX);
        }
    }

    /// Whether a token of this user, with which this device comes, is called back.
    pub fn revoke(&self, user: &str, device: &str, stamp: &Stamp, now_unix_s: i64) -> bool {
        if self.by_subject.is_empty() {
            // Most often.
            return false;
        }
        let mark = Mark::from(stamp);
        let reaches = |subject: &Subject| {
            let reach = self.by_subject.get(subject);
            reach.is_some_and(|reach| {
                mark.is_issued_before(reach.issued_before_unix_s) && now_unix_s < reach.until_unix_s
            })
        };
        reaches(&Subject::All)
            || stamp.id.as_ref().is_some_and(|id| reaches(&Subject::Token(id.clone())))
            || (!user.is_empty() && reaches(&Subject::User(user.into())))
            || (!device.is_empty() && reaches(&Subject::Device { user: user.into(), device: device.into() }))
    }

    /// Those after a subject, in the order of subjects.
    pub fn after(&self, subject: Option<&Subject>) -> impl Iterator<Item = Revocation> {
        let from = subject.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_subject.range((from, Bound::Unbounded)).map(|(subject, reach)| Revocation {
            subject: subject.clone(),
            issued_before_unix_s: reach.issued_before_unix_s,
            until_unix_s: reach.until_unix_s,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }
}
