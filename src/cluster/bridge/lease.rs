//! The node's own lease: how long it lives, by the node's own clock.
//!
//! A lease counts from before the call that has renewed it, so that the node stops no later than others take it for dead. One
//! that has run out is never taken back; the node goes on as another incarnation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::complaints::Complaints;
use super::metrics::BridgeMetrics;
use crate::cluster::redis::fault::{Fault, Remedy};
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::{self, Leases};
use crate::cluster::redis::library::{self, Loaded};
use crate::limits::{LEASE_MS, LEASE_RENEW_MS};

/// How long to wait before a renewal that failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Lease {
    ends: Mutex<Instant>,
    ended: Notify,
}

impl Lease {
    /// One that was taken by a call that began then.
    pub(super) fn taken(began: Instant) -> Self {
        Self { ends: Mutex::new(began + Duration::from_millis(LEASE_MS)), ended: Notify::new() }
    }

    fn ends(&self) -> MutexGuard<'_, Instant> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has not run out.
    pub(super) fn lives(&self) -> bool {
        self.lives_at(Instant::now())
    }

    fn lives_at(&self, now: Instant) -> bool {
        now < *self.ends()
    }

    /// It is known to be lost.
    pub(super) fn end(&self) {
        *self.ends() = Instant::now();
        self.ended.notify_one();
    }

    /// It was renewed by a call that began and ended then; one that has run out meanwhile stays lost.
    fn renewed(&self, began: Instant, ended: Instant) {
        let mut ends = self.ends();
        if ended < *ends {
            *ends = began + Duration::from_millis(LEASE_MS);
        }
    }
}

/// What keeps a lease.
pub(super) struct Keeper {
    /// The lease.
    pub(super) lease: Arc<Lease>,
    /// The calls of the incarnation.
    pub(super) functions: Arc<Functions>,
    /// What the node says of itself.
    pub(super) about: watch::Receiver<Bytes>,
    /// Gets all leases, whenever they were seen.
    pub(super) seen: watch::Sender<Option<Leases>>,
    /// Counts renewals.
    pub(super) metrics: Arc<BridgeMetrics>,
    /// Told of what goes wrong.
    pub(super) complaints: Arc<Complaints>,
}

impl Keeper {
    /// Renews the lease until it is lost, and has dead nodes reaped.
    pub(super) async fn keep(self) {
        let mut next = Instant::now() + Duration::from_millis(LEASE_RENEW_MS);
        let mut reaping = None;
        while self.lease.lives() {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.lease.ended.notified() => continue,
            }
            let ends = *self.lease.ends();
            let (began, about) = (Instant::now(), self.about.borrow().clone());
            let (link, keys) = (self.functions.link(), self.functions.keys());
            let renewal = leases::renew(link, keys, self.functions.incarnation(), &about);
            match timeout_at(ends, renewal).await.unwrap_or(Err(Fault::Late)) {
                Ok(leases) => {
                    self.lease.renewed(began, Instant::now());
                    self.metrics.renewed();
                    self.take_in(leases, &mut reaping);
                    self.see_functions().await;
                    next = began + Duration::from_millis(LEASE_RENEW_MS);
                }
                Err(fault) => {
                    self.complaints.tell("lease_renew", &fault);
                    if fault.remedy() == Remedy::Die {
                        self.lease.end();
                    }
                    next = Instant::now() + PAUSE;
                }
            }
        }
    }

    /// A Redis that was emptied may have been given the Functions of an earlier version, by a node of that one.
    async fn see_functions(&self) {
        match timeout(PAUSE, library::load(self.functions.link())).await.unwrap_or(Err(Fault::Late)) {
            Ok(Loaded::Was(_)) => {}
            Ok(Loaded::Now) => {
                tracing::warn!(revision = library::REVISION, "the Functions in Redis were of an earlier version")
            }
            Err(fault) => self.complaints.tell("revision", &fault),
        }
    }

    fn take_in(&self, leases: Leases, reaping: &mut Option<JoinHandle<()>>) {
        self.functions.set_nodes(leases.living().count().try_into().unwrap_or(u8::MAX));
        if let Some(dead) = leases.dead().next()
            && reaping.as_ref().is_none_or(JoinHandle::is_finished)
        {
            let (functions, complaints) = (self.functions.clone(), self.complaints.clone());
            let metrics = self.metrics.clone();
            let (dead, node) = (dead.of, dead.name.clone());
            *reaping = Some(tokio::spawn(async move {
                match functions.reap(dead).await {
                    Ok(Some(entries)) => {
                        metrics.cleared.add(entries);
                        tracing::info!(node, entries, "what a node has left was cleared away");
                    }
                    // Another node does it.
                    Ok(None) => {}
                    Err(fault) => complaints.tell("reap", &fault),
                }
            }));
        }
        self.metrics.nodes.set(leases.living().count() as u64);
        self.seen.send_replace(Some(leases));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_before_its_renewal_and_stays_lost() {
        let taken = Instant::now();
        let at = |ms| taken + Duration::from_millis(ms);
        let lease = Lease::taken(taken);
        lease.renewed(at(1000), at(3000));
        assert!(lease.lives_at(at(LEASE_MS + 999)));
        assert!(!lease.lives_at(at(LEASE_MS + 1000)));
        lease.renewed(at(LEASE_MS), at(LEASE_MS + 1000));
        assert!(!lease.lives_at(at(LEASE_MS + 1000)), "the answer came too late");
    }
}
