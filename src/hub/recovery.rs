//! What the store had of the channels at home here, read when the node starts.
//!
//! Records of a channel come in the order in which they were written, but for a snapshot: it says again what lives, while
//! publications go on. So offsets decide, not the order, and what is known already is passed over.
//!
//! The age of a record is how much older it is than the newest one, never what the clock says now: a clock that is wrong at
//! the start would have everything expire at once.

use std::sync::Arc;

use super::history::Stream;
use super::{Hub, HubOptions, Version};
use crate::model::Position;
use crate::store::record::{PublicationRecord, StreamRecord, VersionOf};
use crate::store::{Journal, Record};
use crate::time::Now;

impl Hub {
    /// Takes a record of a channel with these options, which must be durable.
    pub fn recover(&mut self, record: &Record<'_>, options: HubOptions, now: Now) {
        match record {
            Record::Publication(publication) => self.recover_publication(publication, None, options, now),
            Record::Timed(timed) => self.recover_publication(&timed.publication, timed.ttl_ms, options, now),
            Record::Stream(place) => self.recover_place(place, options, now),
            Record::Key(key) => {
                self.newest_unix_ms = self.newest_unix_ms.max(key.time_unix_ms);
                let position = Position { offset: key.offset, epoch: Arc::from(key.epoch) };
                self.recover_key(key.channel, key.key, position, key.time_unix_ms);
            }
            Record::Over(channel) => {
                if let Some(key) = self.by_name.remove(*channel) {
                    self.channels.remove(key);
                }
            }
            // The journal's own, those of inboxes, and what is of no channel.
            _ => {}
        }
    }

    fn recover_publication(
        &mut self,
        record: &PublicationRecord<'_>,
        ttl_ms: Option<u64>,
        options: HubOptions,
        now: Now,
    ) {
        self.newest_unix_ms = self.newest_unix_ms.max(record.time_unix_ms);
        let time = (on_records_clock(record.time_unix_ms), ttl_ms);
        let stream = self.recovered_stream(record.channel, record.epoch);
        stream.restore(record.to_publication(), record.version.map(version), options, time);
        stream.use_with(options, now);
        if let Some(key) = record.idempotency_key {
            let position = Position { offset: record.offset, epoch: Arc::from(record.epoch) };
            self.recover_key(record.channel, key, position, record.time_unix_ms);
        }
    }

    fn recover_place(&mut self, record: &StreamRecord<'_>, options: HubOptions, now: Now) {
        let stream = self.recovered_stream(record.channel, record.epoch);
        stream.restore_place(record.first, record.top, record.version.map(version));
        stream.use_with(options, now);
    }

    fn recover_key(&mut self, channel: &str, key: &str, position: Position, time_unix_ms: i64) {
        let keys = self.keys(key);
        let until_ms = on_records_clock(time_unix_ms) + keys.bounds.window_ms;
        keys.restore(channel, key, position, until_ms);
    }

    /// The stream of this epoch: another one is that of an earlier life.
    fn recovered_stream(&mut self, channel: &str, epoch: &str) -> &mut Stream {
        let key = self.entry(channel, || Arc::from(channel));
        let stream = &mut self.channels[key].stream;
        if stream.as_ref().is_none_or(|stream| **stream.epoch() != *epoch) {
            *stream = Some(Box::new(Stream::new(Arc::from(epoch), true)));
        }
        stream.as_mut().expect("it was made above")
    }

    /// When the newest record was taken that recovery has read, Unix milliseconds by the clock of then; 0 where there was none.
    pub fn newest_record_unix_ms(&self) -> i64 {
        self.newest_unix_ms
    }

    /// All was read, and from now on records go to this journal. Says how many publications are of no use, since others are
    /// missing behind them: none, unless somebody else has written to the store.
    pub fn recovered(&mut self, journal: Journal, now: Now) -> usize {
        self.log.open(journal);
        let newest_ms = on_records_clock(self.newest_unix_ms);
        // What was taken last was taken now.
        let mono_ms = |ms: u64| (now.mono_ms + ms).saturating_sub(newest_ms);
        self.idempotency.restored(mono_ms);
        self.client_messages.restored(mono_ms);
        let mut lost = 0;
        let mut keys: Vec<(i64, usize)> = Vec::with_capacity(self.channels.len());
        for (key, channel) in &mut self.channels {
            let Some(stream) = &mut channel.stream else { continue };
            lost += stream.restored(mono_ms);
            stream.expire(now);
            keys.push((stream.kept_from(0).next_back().map_or(0, |newest| newest.time_unix_ms), key));
        }
        // Who was published to last is the last to go if memory is short.
        keys.sort_unstable();
        for (_, key) in keys {
            if self.channels.contains(key) {
                self.settle(key, 0);
            }
        }
        lost
    }
}

fn version(version: VersionOf<'_>) -> Version {
    Version { number: version.number, epoch: version.epoch.into() }
}

fn on_records_clock(unix_ms: i64) -> u64 {
    u64::try_from(unix_ms).unwrap_or(0)
}
