//! Mirrors: streams whose order is given elsewhere, for several nodes.
//!
//! Whoever keeps them begins each, brings what follows its top, or what lies before its oldest, and ends it: neither time nor
//! want of memory does. Of what it keeps the oldest go as of any stream.

use std::sync::Arc;

use super::channel::{Channel, FanOut};
use super::ends::Lifetime;
use super::history::Stream;
use super::{Hub, HubOptions, ShardSet};
use crate::model::Publication;
use crate::time::Now;

/// Where a mirror stands.
#[derive(Clone, Copy, Debug)]
pub struct Mirror<'a> {
    /// Which life of the stream.
    pub epoch: &'a Arc<str>,
    /// The offset of the newest publication, 0 before the first.
    pub top: u64,
    /// The offset of the oldest that is kept, or of the next to come.
    pub first: u64,
}

impl Hub {
    /// Where a channel's mirror stands, if it has one.
    pub fn mirror(&self, channel: &str) -> Option<Mirror<'_>> {
        let stream = self.find(channel)?.stream.as_ref().filter(|stream| stream.is_mirror())?;
        Some(Mirror { epoch: stream.epoch(), top: stream.top(), first: stream.first_kept() })
    }

    /// Mirrors a stream that stands at `top` from here on, in place of what the channel had.
    pub fn begin_mirror(&mut self, channel: &Arc<str>, epoch: Arc<str>, top: u64, options: HubOptions, now: Now) {
        let key = self.entry(channel, || channel.clone());
        let before = self.stream_bytes_of(key);
        self.end_stream(key);
        let mut stream = Stream::mirror(epoch, top);
        stream.use_with(options, now);
        self.channels[key].stream = Some(Box::new(stream));
        self.settle(key, before);
    }

    /// Ends a channel's mirror, if it has one.
    pub fn end_mirror(&mut self, channel: &str) {
        self.change_mirror(channel, |hub, key| hub.end_stream(key));
    }

    /// A publication that follows the mirror's top, and may end by itself: to whom it goes. Where there is no mirror nothing is
    /// kept.
    ///
    /// # Panics
    /// When it does not follow.
    pub fn mirror_append(
        &mut self,
        channel: &str,
        publication: Arc<Publication>,
        lifetime: Option<Lifetime>,
        options: HubOptions,
        now: Now,
    ) -> Option<FanOut> {
        self.change_mirror(channel, |hub, key| {
            let stream = hub.channels[key].stream.as_mut().expect("it was found");
            stream.append(publication.clone(), None, options, now);
            if let Some(lifetime) = lifetime {
                stream.end_mirrored(publication.offset, lifetime, now);
            }
        });
        self.find(channel)?.fan_out(publication)
    }

    /// Publications that lie before the oldest that is kept, the newest first, each with how long it is still kept,
    /// milliseconds, and whether it ends by itself. Those that there is no room for are left out.
    pub fn mirror_prepend(
        &mut self,
        channel: &str,
        newest_first: impl Iterator<Item = (Arc<Publication>, u64, Option<Lifetime>)>,
        options: HubOptions,
        now: Now,
    ) {
        self.change_mirror(channel, |hub, key| {
            let stream = hub.channels[key].stream.as_mut().expect("it was found");
            for (older, left_ms, lifetime) in newest_first {
                let offset = older.offset;
                if !stream.prepend(older, left_ms, options, now) {
                    return;
                }
                if let Some(lifetime) = lifetime {
                    stream.end_mirrored(offset, lifetime, now);
                }
            }
        });
    }

    /// What lies between a mirror's top and this offset cannot be had: it goes on there.
    pub fn mirror_skip_to(&mut self, channel: &str, top: u64) {
        self.change_mirror(channel, |hub, key| {
            let gone = hub.channels[key].stream.as_mut().expect("it was found").skip_to(top);
            hub.remains.bury(gone);
        });
    }

    /// The publications up to this offset are no more.
    pub fn mirror_forget(&mut self, channel: &str, up_to: u64) {
        self.change_mirror(channel, |hub, key| {
            let stream = hub.channels[key].stream.as_mut().expect("it was found");
            match stream.top() <= up_to {
                true => hub.remains.bury(stream.clear()),
                false => stream.forget_up_to(up_to),
            }
        });
    }

    fn change_mirror(&mut self, channel: &str, change: impl FnOnce(&mut Self, usize)) {
        let Some(key) = self.by_name.get(channel).copied() else { return };
        if self.channels[key].stream.as_ref().is_some_and(|stream| stream.is_mirror()) {
            let before = self.stream_bytes_of(key);
            change(self, key);
            self.settle(key, before);
        }
    }

    /// The channel, its name shared, and the shards with subscribers, if it has any.
    pub fn listeners(&self, channel: &str) -> Option<(Arc<str>, ShardSet)> {
        let channel = self.find(channel)?;
        let shards = channel.shard_set();
        (!shards.is_empty()).then(|| (channel.name.clone(), shards))
    }

    /// How many subscribe to a channel.
    pub fn subscribers(&self, channel: &str) -> u32 {
        self.find(channel).map_or(0, Channel::subscribers)
    }
}
