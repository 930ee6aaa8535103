//! What waited for the disk, and what has become of it.
//!
//! The caller gives each change back once, in the order in which it got them.

use super::placed::{Change, OnItsWay, Placed, Published};
use super::{Hub, Version};
use crate::model::Position;
use crate::model::refusal::Error;
use crate::store::Record;
use crate::store::record::StreamRecord;
use crate::time::Now;

impl Hub {
    /// Forgets a channel's publications; offsets go on.
    ///
    /// # Errors
    /// As [`Hub::publish`].
    pub fn history_remove(&mut self, channel: &str) -> Result<Placed<()>, Error> {
        let Some(key) = self.by_name.get(channel).copied() else { return Ok(Placed::Done(())) };
        let channel = &mut self.channels[key];
        let Some(stream) = &channel.stream else { return Ok(Placed::Done(())) };
        let at = stream.promised();
        if stream.is_durable() && at.offset > 0 {
            self.log.check_room()?;
            let (first, top) = (at.offset + 1, at.offset);
            let version = stream.promised_version().map(Version::record);
            let record = StreamRecord { channel: &channel.name, epoch: &at.epoch, first, top, version };
            let batch = self.log.append(&Record::Stream(record));
            channel.on_its_way += 1;
            return Ok(Placed::Later(batch, OnItsWay { key, what: Change::Removal }));
        }
        let before = self.stream_bytes_of(key);
        self.clear_stream(key);
        self.settle(key, before);
        Ok(Placed::Done(()))
    }

    fn clear_stream(&mut self, key: usize) {
        if let Some(stream) = &mut self.channels[key].stream {
            self.remains.bury(stream.clear());
        }
    }

    /// The batch of a change is committed: it happens. The place is the beginning where there is none to tell.
    pub fn commit(&mut self, change: OnItsWay, now: Now) -> Published {
        let OnItsWay { key, what } = change;
        let before = self.stream_bytes_of(key);
        self.channels[key].on_its_way -= 1;
        let published = match what {
            Change::Kept { publication, epoch, version, ttl_ms, options, .. } => {
                let channel = &mut self.channels[key];
                let stream = channel.stream.as_mut().expect("a stream stays while something is on its way");
                stream.append(publication.clone(), version, options, now);
                if let Some(ttl_ms) = ttl_ms {
                    stream.end_newest(ttl_ms, now);
                }
                let position = Position { offset: publication.offset, epoch };
                Published { position, fan_out: channel.fan_out(publication) }
            }
            Change::Fleeting(publication, options) => self.deliver_fleeting(key, publication, options),
            Change::Known(position) => Published { position, fan_out: None },
            Change::Removal => {
                self.clear_stream(key);
                Published { position: Position::default(), fan_out: None }
            }
        };
        self.settle(key, before);
        published
    }

    /// The batch of a change has failed, and so has all that was written after it: it never happened.
    pub fn take_back(&mut self, change: OnItsWay) {
        let OnItsWay { key, what } = change;
        let before = self.stream_bytes_of(key);
        let channel = &mut self.channels[key];
        channel.on_its_way -= 1;
        if let Change::Kept { idempotency_key, .. } = what {
            channel.stream.as_mut().expect("a stream stays while something is on its way").take_back();
            if let Some(idempotency_key) = idempotency_key {
                let channel = channel.name.clone();
                self.keys(&idempotency_key).take_back(&channel, &idempotency_key);
            }
        }
        self.settle(key, before);
    }
}
