//! Putting messages in order.

use std::sync::Arc;

use super::placed::{Change, OnItsWay, Placed, Published};
use super::{Hub, HubOptions, NewPublication, Version};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{Position, Publication, ScheduledId};
use crate::store::Record;
use crate::store::record::{PublicationRecord, TimedRecord};
use crate::time::Now;

/// A message that is to be kept.
struct Draft {
    publication: Publication,
    idempotency_key: Option<Box<str>>,
    version: Option<Box<Version>>,
    ttl_ms: Option<u64>,
    scheduled: Option<ScheduledId>,
}

impl Hub {
    /// Puts a message into its place.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the channel is kept on disk, and the disk takes nothing more;
    /// [`ErrorKind::LimitExceeded`] where it keeps too many publications that end by themselves.
    pub fn publish(
        &mut self,
        channel: &str,
        message: NewPublication,
        options: HubOptions,
        now: Now,
    ) -> Result<Placed<Published>, Error> {
        let NewPublication { data, info, tags, skip_history, idempotency_key, version, ttl_ms, scheduled } = message;
        if let Some(idempotency_key) = &idempotency_key
            && let Some(position) = self.keys(idempotency_key).find(channel, idempotency_key, now)
        {
            self.release(channel, scheduled);
            return Ok(self.known(channel, position));
        }
        let time_unix_ms = if options.has_history() { now.unix_ms } else { 0 };
        let publication = Publication { offset: 0, data, info, tags, time_unix_ms };
        if options.has_history() && !skip_history {
            let draft = Draft { publication, idempotency_key, version, ttl_ms, scheduled };
            return self.publish_kept(channel, draft, options, now);
        }
        self.remember(channel, idempotency_key.as_deref(), &Position::default(), now);
        Ok(self.publish_fleeting(channel, publication, options, scheduled))
    }

    /// What was to come on disk is no longer, and is not kept: true where that is written down.
    fn release(&mut self, channel: &str, scheduled: Option<ScheduledId>) -> bool {
        if let Some(id) = scheduled {
            self.log.append(&Record::Unscheduled(channel, id));
        }
        scheduled.is_some()
    }

    /// The place of what was published with this idempotency key, if it is remembered.
    pub fn published_before(&mut self, channel: &str, idempotency_key: &str, now: Now) -> Option<Position> {
        self.idempotency.find(channel, idempotency_key, now)
    }

    fn publish_kept(
        &mut self,
        channel: &str,
        mut draft: Draft,
        options: HubOptions,
        now: Now,
    ) -> Result<Placed<Published>, Error> {
        let key = self.entry(channel, || Arc::from(channel));
        let before = self.stream_bytes_of(key);
        let waits = options.is_durable || self.channels[key].on_its_way > 0;
        let stream = self.stream(key, options, now);
        if draft.version.as_ref().is_some_and(|version| stream.has_passed(version)) {
            let position = stream.promised();
            self.settle(key, before);
            self.release(channel, draft.scheduled);
            self.remember(channel, draft.idempotency_key.as_deref(), &position, now);
            return Ok(self.known(channel, position));
        }
        if draft.ttl_ms.is_some() && stream.is_full_of_ends() {
            self.settle(key, before);
            let why = "limit exceeded: the channel keeps too many publications with a ttl";
            return Err(ErrorKind::LimitExceeded.because(why));
        }
        draft.publication.offset = stream.next_offset();
        if waits {
            let placed = self.promise(key, draft, options, now);
            self.settle(key, before);
            return placed;
        }
        let Draft { publication, idempotency_key, version, ttl_ms, scheduled } = draft;
        let publication = Arc::new(publication);
        stream.append(publication.clone(), version, options, now);
        if let Some(ttl_ms) = ttl_ms {
            stream.end_newest(ttl_ms, now);
        }
        let position = stream.position();
        let fan_out = self.channels[key].fan_out(publication);
        self.settle(key, before);
        self.release(channel, scheduled);
        self.remember(channel, idempotency_key.as_deref(), &position, now);
        Ok(Placed::Done(Published { position, fan_out }))
    }

    /// Gives a message its offset and writes it down. It is in the stream once that is on disk.
    fn promise(&mut self, key: usize, draft: Draft, options: HubOptions, now: Now) -> Result<Placed<Published>, Error> {
        self.log.check_room()?;
        let Draft { publication, idempotency_key, version, ttl_ms, scheduled } = draft;
        let channel = &mut self.channels[key];
        let stream = channel.stream.as_mut().expect("an offset is a stream's");
        stream.promise(version.as_deref(), ttl_ms.is_some());
        let position = stream.promised();
        let record = PublicationRecord {
            idempotency_key: idempotency_key.as_deref(),
            version: version.as_deref().map(Version::record),
            ..PublicationRecord::of(&channel.name, &position.epoch, &publication, now.unix_ms)
        };
        let batch = self.log.append(&match (ttl_ms, scheduled) {
            (None, None) => Record::Publication(record),
            _ => Record::Timed(TimedRecord { ttl_ms, scheduled, publication: record }),
        });
        channel.on_its_way += 1;
        let name = channel.name.clone();
        self.remember(&name, idempotency_key.as_deref(), &position, now);
        let publication = Arc::new(publication);
        let what = Change::Kept { publication, epoch: position.epoch, version, idempotency_key, ttl_ms, options };
        Ok(Placed::Later(batch, OnItsWay { key, what }))
    }

    /// One that was scheduled on disk comes when it is written down that it did: a crash must not bring it twice.
    fn publish_fleeting(
        &mut self,
        channel: &str,
        publication: Publication,
        options: HubOptions,
        scheduled: Option<ScheduledId>,
    ) -> Placed<Published> {
        let waits = self.release(channel, scheduled);
        let Some(key) = self.by_name.get(channel).copied() else {
            return Placed::Done(Published { position: Position::default(), fan_out: None });
        };
        let publication = Arc::new(publication);
        if waits || self.channels[key].on_its_way > 0 {
            return self.stand_in_line(key, Change::Fleeting(publication, options));
        }
        let before = self.stream_bytes_of(key);
        let published = self.deliver_fleeting(key, publication, options);
        self.settle(key, before);
        Placed::Done(published)
    }

    /// A message that is not kept has its turn.
    pub(super) fn deliver_fleeting(
        &mut self,
        key: usize,
        publication: Arc<Publication>,
        options: HubOptions,
    ) -> Published {
        if !options.has_history() && self.channels[key].on_its_way == 0 {
            // The namespace has ceased to keep history. Should it begin again, nobody may take what was kept
            // before and after for the whole.
            self.end_stream(key);
        }
        Published { position: Position::default(), fan_out: self.channels[key].fan_out(publication) }
    }

    /// A message that has its place already, or needs none: nobody is told before it is certain.
    fn known(&mut self, channel: &str, position: Position) -> Placed<Published> {
        if let Some(key) = self.by_name.get(channel).copied()
            && self.channels[key].stream.as_ref().is_some_and(|stream| stream.has_promised(&position))
        {
            return self.stand_in_line(key, Change::Known(position));
        }
        Placed::Done(Published { position, fan_out: None })
    }

    /// Behind all that is on its way.
    fn stand_in_line(&mut self, key: usize, what: Change) -> Placed<Published> {
        self.channels[key].on_its_way += 1;
        Placed::Later(self.log.newest(), OnItsWay { key, what })
    }

    /// In place: most publications have no key, and pay for no call.
    #[inline(always)]
    fn remember(&mut self, channel: &str, idempotency_key: Option<&str>, position: &Position, now: Now) {
        if let Some(idempotency_key) = idempotency_key {
            self.keys(idempotency_key).remember(channel, idempotency_key, position.clone(), now);
        }
    }
}
