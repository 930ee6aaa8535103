//! Saying again what lives, so that older segments of the store can go: channel by channel, a part per tick, while
//! publications go on.
//!
//! What is appended meanwhile lies behind the beginning of the snapshot as well, so that nothing has to stand still: of a
//! channel that changes between two parts, the rest is said or is not needed.

use super::cursor::Cursor;
use super::{Hub, Version};
use crate::limits::{SNAPSHOT_BYTES_PER_TICK, SWEEP_BUDGET};
use crate::model::refusal::Error;
use crate::store::record::{KeyRecord, PublicationRecord, StreamRecord, TimedRecord};
use crate::store::{Batch, Record};
use crate::time::Now;

impl Hub {
    /// Keeps a record that is of no channel, if there is a store.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::model::refusal::ErrorKind::Internal) where the disk has failed, is full, or is too slow.
    pub fn keep(&mut self, record: &Record<'_>) -> Result<(), Error> {
        if self.log.journal().is_some() {
            self.log.check_room()?;
            self.log.append(record);
        }
        Ok(())
    }

    /// Whether the journal wants a part of what lives to be said now. `waiting` is the batch of the oldest change that was
    /// not given to [`Hub::commit`].
    pub fn wants_snapshot(&mut self, waiting: Option<Batch>) -> bool {
        if !self.log.journal().is_some_and(|journal| journal.snapshot_wants()) {
            return false;
        }
        let begun = *self.snapshot.begun.get_or_insert(self.log.committed());
        // Up to there a change is not in its stream yet, and its record goes.
        waiting.is_none_or(|batch| batch > begun)
    }

    /// Whether a snapshot has begun and is not whole: it goes on where it was when the journal wants more.
    pub fn is_in_snapshot(&self) -> bool {
        self.snapshot.begun.is_some()
    }

    /// Says a part of what lives; after [`Hub::wants_snapshot`]. True where more is to be said at once.
    pub fn snapshot(&mut self, now: Now) -> bool {
        let mut bytes = 0;
        for _ in 0..SWEEP_BUDGET {
            if bytes >= SNAPSHOT_BYTES_PER_TICK {
                return true;
            }
            bytes += match self.snapshot.key < self.channels.capacity() {
                true => self.say_channel(SNAPSHOT_BYTES_PER_TICK - bytes),
                false => match self.say_key(now) {
                    Some(bytes) => bytes,
                    None => {
                        self.snapshot = Cursor::default();
                        // A journal that has failed keeps nothing more, and lets nothing go.
                        let _ = self.log.journal_mut().map(|journal| journal.snapshot_done());
                        return false;
                    }
                },
            };
        }
        true
    }

    /// Says what the next channel keeps, or a part of it. About how many bytes that took.
    fn say_channel(&mut self, bytes_max: usize) -> usize {
        let Self { snapshot, channels, log, .. } = self;
        let live = channels.get(snapshot.key).and_then(|channel| Some((channel, channel.stream.as_ref()?)));
        let Some((channel, stream)) = live.filter(|(_, stream)| stream.is_on_disk()) else {
            (snapshot.key, snapshot.within) = (snapshot.key + 1, None);
            return 0;
        };
        let at = stream.position();
        let mut bytes = channel.name.len();
        let from = match snapshot.within.take() {
            Some((epoch, from)) if epoch == at.epoch => from,
            // Another life has begun since: all of it lies behind the beginning of the snapshot.
            Some(_) => at.offset + 1,
            None => {
                let version = stream.version().map(Version::record);
                let (first, top) = (stream.first_kept(), at.offset);
                let record = StreamRecord { channel: &channel.name, epoch: &at.epoch, first, top, version };
                log.append(&Record::Stream(record));
                first
            }
        };
        for publication in stream.kept_from(from) {
            if bytes >= bytes_max {
                snapshot.within = Some((at.epoch, publication.offset));
                return bytes;
            }
            let record = PublicationRecord::of(&channel.name, &at.epoch, publication, publication.time_unix_ms);
            log.append(&match stream.ttl_ms(publication.offset) {
                None => Record::Publication(record),
                ttl_ms => Record::Timed(TimedRecord { ttl_ms, scheduled: None, publication: record }),
            });
            bytes += publication.bytes();
        }
        snapshot.key += 1;
        bytes
    }

    /// Says the next idempotency key, if it is of a durable channel; its bytes, about. `None` where there is none.
    fn say_key(&mut self, now: Now) -> Option<usize> {
        let Self { snapshot, channels, by_name, idempotency, client_messages, log, .. } = self;
        let keys = if snapshot.of_clients { client_messages } else { idempotency };
        let Some(next) = keys.next(snapshot.number) else {
            let is_all = std::mem::replace(&mut snapshot.of_clients, true);
            snapshot.number = 0;
            return (!is_all).then_some(0);
        };
        snapshot.number = next.number + 1;
        let stream = by_name.get(next.channel).and_then(|key| channels[*key].stream.as_ref());
        if stream.is_none_or(|stream| !stream.is_durable() || stream.has_promised(next.position)) {
            return Some(0);
        }
        let left_ms = next.until_ms.saturating_sub(now.mono_ms).min(keys.bounds.window_ms);
        log.append(&Record::Key(KeyRecord {
            channel: next.channel,
            key: next.key,
            epoch: &next.position.epoch,
            offset: next.position.offset,
            time_unix_ms: now.unix_ms - (keys.bounds.window_ms - left_ms) as i64,
        }));
        Some(next.channel.len() + next.key.len())
    }
}
