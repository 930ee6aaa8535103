//! What a tick asks over the bridge to the other nodes, and what comes back over it.

use super::Shard;
use super::bridge::ShardBridge;
use super::reactor::Reactor;
use crate::time::Now;

impl<R: Reactor> Shard<R> {
    /// Asks for all that the broker wants of the buckets.
    pub(super) fn ask_over_bridge(&mut self) {
        if let Some(bridge) = &self.bridge
            && self.broker.has_outgoing()
        {
            bridge.ask(self.broker.take_outgoing(), self.broker.take_attendance());
        }
    }

    /// Whether something has come over the bridge.
    pub(super) fn has_come_over_bridge(&self) -> bool {
        self.bridge.as_ref().is_some_and(ShardBridge::has_come)
    }

    /// Takes the answers that have come, and what buckets have told, as long as there is room for it. No more than was there at
    /// the beginning.
    pub(super) fn take_from_bridge(&mut self, now: Now) -> bool {
        if !self.has_come_over_bridge() {
            return false;
        }
        self.take_answers(now);
        let mut batches = self.bridge.as_ref().map_or(0, ShardBridge::delivered);
        while self.take_deliveries(now) && batches > 0 && self.begin_deliveries() {
            batches -= 1;
            // Who was answered to have joined before its bucket was lost must not take that for what followed.
            self.take_answers(now);
        }
        true
    }

    fn take_answers(&mut self, now: Now) {
        for _ in 0..self.bridge.as_ref().map_or(0, ShardBridge::answered) {
            let Some(answers) = self.bridge.as_ref().and_then(ShardBridge::next_answers) else { return };
            for answer in answers {
                self.broker.bridge_answered(answer, now);
                self.say_goodbyes(now);
                self.relieve(now);
            }
        }
    }

    fn begin_deliveries(&mut self) -> bool {
        let waited = self.bridge.as_mut().and_then(ShardBridge::begin_deliveries);
        waited.iter().for_each(|waited| self.metrics.told_waits.record(waited.as_nanos() as u64));
        waited.is_some()
    }

    /// Takes what is left of the batch of deliveries. False where there is no room for all.
    fn take_deliveries(&mut self, now: Now) -> bool {
        while self.broker.takes_deliveries() {
            let Some(delivery) = self.bridge.as_mut().and_then(ShardBridge::next_delivery) else { return true };
            self.broker.bridge_delivered(delivery, now);
            self.say_goodbyes(now);
            self.relieve(now);
        }
        false
    }
}
