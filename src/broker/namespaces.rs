//! What a shard counts for each namespace of channels.
//!
//! Namespaces are configured, so there are few. One keeps its counts for as long as the node lives, by its name, whatever is
//! reloaded meanwhile. The lock is taken when a shard takes a configuration and when Prometheus asks; what is counted
//! is found by the number of the namespace, or with the room of the channel.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::counter::{Counter, Gauge};
use super::errors::Errors;
use super::histogram::DurationHistogram;
use crate::delivery::Behind;

/// Channels without a namespace, and what names none that is configured. No namespace can have this name.
pub const NO_NAMESPACE: &str = "(none)";

/// The counts of one namespace on one shard.
#[derive(Debug, Default)]
pub struct NamespaceMetrics {
    /// Subscriptions of the sessions here.
    pub subscriptions: Gauge,
    /// Subscriptions of sessions here that began.
    pub subscribes: Counter,
    /// Publications put in order at home here.
    pub publishes: Counter,
    /// Publications times the subscribers here that they went to.
    pub deliveries: Counter,
    /// Publications times the subscribers here whose filter kept them out.
    pub filtered: Counter,
    /// Times that channels at home here had somebody's coming announced.
    pub joins: Counter,
    /// Times that channels at home here had somebody's going announced.
    pub leaves: Counter,
    /// Publications that devices of members have yet to say that they have received, in channels at home here.
    pub unreceived: Gauge,
    /// Devices of members that have something to receive, in channels at home here, as the last round has found.
    pub devices_behind: Gauge,
    /// When the oldest that one of them has yet to receive was published, Unix milliseconds; 0 where there is none.
    pub oldest_unreceived_unix_ms: Gauge,
    /// Publications that were sent again to a device that had not said in time that it received them.
    pub redeliveries: Counter,
    /// Publications that were given up for a device.
    pub dead_letters: Counter,
    /// Times that a device was told that something is no longer kept that it had not received.
    pub lost: Counter,
    /// Publications times the members who are to be told of them by a push, in channels at home here.
    pub pushed: Counter,
    /// How long publications and removals in channels at home here waited until the disk had them.
    pub keeps: DurationHistogram,
    /// Bytes of those: names of channels and messages.
    pub kept_bytes: Counter,
    /// Publications and removals in channels at home here that were refused since the disk would not keep them.
    pub disk_refusals: Counter,
    /// Commands on its channels that were refused: those of sessions here, and those that came to a home here.
    pub errors: Errors,
}

impl NamespaceMetrics {
    /// A round through the inboxes at home here has found this.
    pub(super) fn tell_behind(&self, behind: Behind) {
        self.devices_behind.set(behind.devices);
        self.oldest_unreceived_unix_ms.set(behind.oldest_unix_ms.map_or(0, |unix_ms| unix_ms.max(1) as u64));
    }
}

/// The counts of every namespace that the shard has known.
#[derive(Debug, Default)]
pub struct Namespaces(Mutex<BTreeMap<Box<str>, Arc<NamespaceMetrics>>>);

impl Namespaces {
    /// The counts of a namespace.
    pub fn of(&self, name: &str) -> Arc<NamespaceMetrics> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.into()).or_default().clone()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<(Box<str>, Arc<NamespaceMetrics>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, metrics)| (name.clone(), metrics.clone())).collect()
    }

    /// What all of them have counted together.
    pub fn sum(&self, read: impl Fn(&NamespaceMetrics) -> u64) -> u64 {
        self.all().iter().map(|(_, metrics)| read(metrics)).sum()
    }
}
