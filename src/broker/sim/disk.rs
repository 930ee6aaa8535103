//! What the brokers of a node do with their simulated disk: read it when they start, ask for what their journals want, hear
//! what has come of it. Files are made at once.

use crate::broker::Broker;
use crate::hub::Placement;
use crate::store::Journal;
use crate::store::sim::disk::Disk;
use crate::time::Now;

/// Has the shards of a node that starts recover what there is, and opens their journals.
pub(crate) fn start(disk: &mut Disk, brokers: &mut [Broker], placement: &Placement, now: Now) {
    disk.begin(placement.shards()).unwrap_or_else(|damage| panic!("the start is refused: {damage}"));
    for (shard, broker) in (0..).zip(brokers) {
        let is_mine = |channel: &str| placement.of(channel) == shard;
        let setup = disk.recover(shard, is_mine, |record| broker.recover(record, now));
        broker.recovered(Journal::new(setup.unwrap_or_else(|damage| panic!("the start is refused: {damage}"))), now);
    }
}

/// Takes what a shard asks for. Its writes wait for [`complete`].
pub(crate) fn serve(disk: &mut Disk, shard: usize, broker: &mut Broker) {
    let shard = shard as u16;
    while let Some(request) = broker.next_request(0) {
        disk.ask(shard, request);
        while disk.work() {}
        if let Some(made) = disk.next_made(shard) {
            broker.prepared(made);
        }
    }
}

/// The write of a shard is synced, or fails.
pub(crate) fn complete(disk: &mut Disk, shard: usize, broker: &mut Broker, is_synced: bool, now: Now) {
    for (is_synced, memory) in disk.complete(shard as u16, is_synced) {
        broker.written(is_synced, memory, now, now.mono_ms * 1_000_000);
    }
}
