//! What shards ask of the buckets, on its way to the bridge.
//!
//! Who asks wakes the bridge when what was asked lies there and nothing is locked: where both have one core, it may run at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::broker::bridge::{Attendance, Outgoing};

/// What a shard's tick asks of the buckets.
#[derive(Debug)]
pub struct Asked {
    /// Which shard.
    pub shard: u16,
    /// In order.
    pub all: Vec<Outgoing>,
    /// What other nodes are to know of its sessions, in order.
    pub attendance: Vec<Attendance>,
    /// When.
    pub since: Instant,
}

/// The shards' end.
#[derive(Clone, Debug)]
pub struct Asker {
    to: mpsc::UnboundedSender<Asked>,
    waiting: Arc<AtomicUsize>,
}

/// The bridge's end.
#[derive(Debug)]
pub struct Asks {
    from: mpsc::UnboundedReceiver<Asked>,
    waiting: Arc<AtomicUsize>,
}

/// Both ends of a way.
pub fn way() -> (Asker, Asks) {
    let ((to, from), waiting) = (mpsc::unbounded_channel(), Arc::<AtomicUsize>::default());
    (Asker { to, waiting: waiting.clone() }, Asks { from, waiting })
}

impl Asker {
    /// Asks.
    pub(super) fn ask(&self, asked: Asked) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A bridge that has failed ends the node: nobody waits for its answers for long.
        let _ = self.to.send(asked);
    }

    /// Ticks of all shards whose requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Asks {
    /// What was asked next; nothing once all shards have ended. Nothing is lost where this is given up.
    pub async fn next(&mut self) -> Option<Asked> {
        let asked = self.from.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(asked)
    }

    /// What was asked next, where something was.
    #[cfg(test)]
    pub(super) fn try_next(&mut self) -> Option<Asked> {
        let asked = self.from.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(asked)
    }
}
