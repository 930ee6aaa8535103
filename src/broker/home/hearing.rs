//! What a home hears of buckets, and how its mirrors follow.
//!
//! A publication is taken if it follows the mirror's top; what comes before it has been there is held. A mirror that may have
//! missed something joins again, and reads on from its top: who listens notices only where that cannot be had.

use std::sync::Arc;

use bytes::Bytes;

use super::mirrors::{Heard, Ready, Taken, Until, Waiting};
use super::{Home, Spread, Spreading};
use crate::broker::body::Told;
use crate::broker::bridge::{Kept, Life, Outgoing, Page};
use crate::hub::{FanOut, HubOptions};
use crate::limits::{
    MIRROR_LINGER_MS, MIRROR_PAGES_MAX, MIRROR_RETRY_MS, MIRROR_RETRY_MS_MAX, MIRROR_UNSURE_MS, MIRRORS_PER_SWEEP,
};
use crate::model::refusal::Error;
use crate::model::{Payload, Publication};
use crate::time::Now;

/// Those who have waited, and how it goes on for each.
pub(in crate::broker) type Answered = Vec<(Waiting, Ready)>;

impl Home {
    /// A bucket has told something of a channel.
    pub(in crate::broker) fn heard(&mut self, channel: &str, life: Life, heard: Heard, now: Now) {
        let Some(key) = self.mirrors.find(channel) else { return };
        if let Heard::Said(kept) = &heard
            && kept.offset > 0
        {
            self.mirrors.set_clock(kept.time_unix_ms, now);
        }
        let early = match self.mirrors.holds(key) {
            true => Some(heard),
            false => self.hear(key, life, heard, now),
        };
        if let Some(heard) = early {
            self.mirrors.hold(key, life, heard);
            self.doubt(key, now);
        }
    }

    /// Takes what was told, or gives it back where it comes too early.
    fn hear(&mut self, key: usize, life: Life, heard: Heard, now: Now) -> Option<Heard> {
        let mirror = &self.mirrors[key];
        let Some(ours) = mirror.life else { return Some(heard) };
        // A namespace that is no more has nobody who listens.
        let Ok(options) = self.policy.hub_options(&mirror.channel) else { return None };
        let kept = match heard {
            Heard::Said(kept) if kept.offset == 0 || !options.has_history() => {
                self.tell(key, kept, options, now);
                return None;
            }
            Heard::Announced(body) => {
                self.tell_announced(key, body);
                return None;
            }
            heard if life != ours => {
                let is_over = life.generation == ours.generation && life.created < ours.created;
                return (!is_over).then_some(heard);
            }
            Heard::Removed(up_to) => {
                if self.hub.mirror(&mirror.channel).is_some_and(|at| at.top < up_to) {
                    return Some(heard);
                }
                self.forget_in_mirror(key, up_to);
                return None;
            }
            Heard::Said(kept) => kept,
        };
        let top = self.hub.mirror(&mirror.channel).map(|at| at.top);
        match top {
            Some(top) if kept.offset <= top => None,
            Some(top) if kept.offset == top + 1 => {
                self.append(key, kept, options, now);
                None
            }
            _ => Some(Heard::Said(kept)),
        }
    }

    /// A message that is not kept goes to who listens.
    fn tell(&mut self, key: usize, kept: Kept, options: HubOptions, now: Now) {
        let channel = &self.mirrors[key].channel;
        let Some((channel, shards)) = self.hub.listeners(channel) else { return };
        let what = match Told::unpack(kept.body) {
            Ok(Told::Announcement { info, joined }) => Spreading::Announcement { info, joined },
            Ok(Told::Publication { data, info, tags, exclude, ttl_ms: _ }) => {
                let time_unix_ms = if options.has_history() { now.unix_ms } else { 0 };
                let publication = Publication { offset: 0, data, info, tags, time_unix_ms };
                Spreading::Publication(Arc::new(publication), exclude)
            }
            Err(error) => return tracing::warn!(%channel, %error, "a message was dropped"),
        };
        self.spreads.push(Spread { channel, shards, what, by: self.me });
    }

    /// Who came or left goes to who listens, unless the session is here: those here have not seen it go.
    fn tell_announced(&mut self, key: usize, body: Bytes) {
        let channel = &self.mirrors[key].channel;
        let Some((channel, shards)) = self.hub.listeners(channel) else { return };
        match Told::unpack(body) {
            Ok(Told::Announcement { info, joined }) if !self.hub.has_subscriber(&channel, info.client) => {
                let what = Spreading::Announcement { info, joined };
                self.spreads.push(Spread { channel, shards, what, by: self.me });
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%channel, %error, "a message was dropped"),
        }
    }

    /// The publication that follows the mirror's top is kept, and goes to who listens.
    fn append(&mut self, key: usize, kept: Kept, options: HubOptions, now: Now) {
        let channel = self.mirrors[key].channel.clone();
        let offset = kept.offset;
        let Some(taken) = publication(&channel, kept) else { return self.skip_to(key, offset) };
        let Taken { publication, exclude, ttl_ms } = taken;
        let lifetime = self.mirrors.lifetime(&publication, ttl_ms, now);
        let fan_out = self.hub.mirror_append(&channel, publication, lifetime, options, now);
        let removed = self.mirrors[key].removed;
        if offset <= removed {
            self.hub.mirror_forget(&channel, removed);
        }
        if options.at_least_once {
            self.expect_received(&channel, offset, exclude, now);
        }
        if let Some(FanOut { channel, publication, shards }) = fan_out {
            let what = Spreading::Publication(publication, exclude);
            self.spreads.push(Spread { channel, shards, what, by: self.me });
        }
    }

    /// What lies between a mirror's top and this offset cannot be had. Who counts on it is told.
    fn skip_to(&mut self, key: usize, top: u64) {
        let channel = self.mirrors[key].channel.clone();
        self.hub.mirror_skip_to(&channel, top);
        self.mirrors[key].known_from = top + 1;
        self.tell_gap(&channel);
    }

    fn tell_gap(&mut self, channel: &str) {
        if let Some((channel, shards)) = self.hub.listeners(channel) {
            self.spreads.push(Spread { channel, shards, what: Spreading::Gap, by: self.me });
        }
    }

    /// A channel's publications are no more, up to an offset.
    pub(super) fn forget_in_mirror(&mut self, key: usize, up_to: u64) {
        let mirror = &mut self.mirrors[key];
        mirror.removed = mirror.removed.max(up_to);
        self.hub.mirror_forget(&mirror.channel, up_to);
    }

    /// A mirror may have missed something: it joins again.
    pub(super) fn doubt(&mut self, key: usize, now: Now) {
        let mirror = &mut self.mirrors[key];
        mirror.unsure_since_ms.get_or_insert(now.mono_ms);
        self.mirrors.look_at(key, now.mono_ms + MIRROR_UNSURE_MS);
        self.join_unless_failing(key, now);
    }

    /// Something that a bucket has said was not heard.
    pub(in crate::broker) fn missed(&mut self, bucket: u16, now: Now) {
        for key in self.mirrors.of(bucket) {
            // What was said after a join that is on its way may be missing, too.
            self.mirrors[key].joins_again = self.mirrors[key].is_joining;
            self.doubt(key, now);
        }
    }

    /// Nothing that a bucket has said holds any more.
    pub(in crate::broker) fn lost(&mut self, bucket: u16, now: Now) {
        self.presence_asks.lost(bucket, now);
        self.presences.rest(now);
        for key in self.mirrors.of(bucket) {
            let channel = self.mirrors[key].channel.clone();
            self.begin_anew(key, now);
            self.list_again(&channel, now);
        }
    }

    fn begin_anew(&mut self, key: usize, now: Now) {
        self.mirrors.let_go(key);
        let mirror = &mut self.mirrors[key];
        let channel = mirror.channel.clone();
        mirror.told = mirror.life.zip(self.hub.mirror(&channel).map(|at| at.top)).or(mirror.told);
        (mirror.life, mirror.wish, mirror.unsure_since_ms) = (None, None, None);
        (mirror.removed, mirror.promised, mirror.pages) = (0, 0, 0);
        mirror.joins_again = mirror.is_joining;
        mirror.spoil_reading();
        self.hub.end_mirror(&channel);
        self.tell_gap(&channel);
        if self.is_unused(key) {
            self.leave_bucket(key);
        } else {
            self.join_unless_failing(key, now);
        }
    }

    fn join_unless_failing(&mut self, key: usize, now: Now) {
        match self.mirrors[key].failures {
            0 => self.join_bucket(key),
            _ => self.mirrors.look_at(key, now.mono_ms + MIRROR_RETRY_MS),
        }
    }

    /// A join was answered.
    pub(in crate::broker) fn joined(&mut self, channel: &str, result: Result<Page, Error>, now: Now) -> Answered {
        let Some(key) = self.mirrors.find(channel) else { return Vec::new() };
        self.mirrors[key].is_joining = false;
        let page_top = result.as_ref().map_or(0, |page| page.top);
        let is_whole = match result {
            Ok(page) => self.take_page(key, page, now),
            Err(error) => return self.join_failed(key, &error, now),
        };
        let mirror = &mut self.mirrors[key];
        mirror.failures = 0;
        if !is_whole || mirror.joins_again {
            self.join_bucket(key);
            return Vec::new();
        }
        (mirror.pages, mirror.unsure_since_ms, mirror.wish) = (0, None, None);
        while let Some((life, heard)) = self.mirrors.next_held(key) {
            let ours = self.mirrors[key].life;
            if ours.is_some_and(|ours| ours.generation != life.generation) && life != Life::default() {
                // Of before the bucket lost writes.
                continue;
            }
            if let Some(early) = self.hear(key, life, heard, now) {
                self.mirrors.hold_on(key, life, early);
                self.doubt(key, now);
                break;
            }
        }
        if self.hub.mirror(channel).is_some_and(|at| at.top < page_top) {
            // It has begun where what was held began, and not all of that is here.
            self.join_bucket(key);
            return Vec::new();
        }
        let ready = self.mirrors.ready(key, |until| !until.is_read());
        let look_again = |mut waiting: Waiting| {
            waiting.tried.join |= waiting.until == Until::CaughtUp;
            (waiting, Ready::Again)
        };
        ready.into_iter().map(look_again).collect()
    }

    fn join_failed(&mut self, key: usize, error: &Error, now: Now) -> Answered {
        let ready = self.mirrors.ready(key, |until| !until.is_read());
        let mirror = &mut self.mirrors[key];
        mirror.failures += 1;
        mirror.is_subscribed = self.hub.subscribers(&mirror.channel) > 0;
        let pause_ms = MIRROR_RETRY_MS << (mirror.failures - 1).min(8);
        if mirror.life.is_some() && mirror.unsure_since_ms.is_none() {
            // Nothing is missing; somebody wanted more than there was.
            mirror.failures = 0;
        } else if mirror.life.is_none() && self.is_unused(key) {
            self.leave_bucket(key);
        } else {
            self.mirrors.look_at(key, now.mono_ms + pause_ms.min(MIRROR_RETRY_MS_MAX));
        }
        ready.into_iter().map(|waiting| (waiting, Ready::Refused(error.clone()))).collect()
    }

    /// Takes what a join has brought: whether that is all.
    fn take_page(&mut self, key: usize, page: Page, now: Now) -> bool {
        self.mirrors.set_clock(page.now_unix_ms, now);
        let channel = self.mirrors[key].channel.clone();
        let options = self.policy.hub_options(&channel).ok().filter(|options| options.has_history());
        let Some(options) = options else {
            self.mirrors[key].life = Some(page.life);
            return true;
        };
        let is_same = self.mirrors[key].life == Some(page.life) && self.hub.mirror(&channel).is_some();
        let (page_top, is_part) = (page.top, !page.kept.is_empty());
        let reached =
            if is_same { self.catch_up(key, page, options, now) } else { self.begin(key, &page, options, now) };
        if reached >= page_top {
            return true;
        }
        let mirror = &mut self.mirrors[key];
        mirror.pages += 1;
        if is_part && mirror.pages < MIRROR_PAGES_MAX {
            return false;
        }
        self.skip_to(key, page_top);
        true
    }

    /// Takes what follows the mirror's top: up to where.
    fn catch_up(&mut self, key: usize, page: Page, options: HubOptions, now: Now) -> u64 {
        let channel = self.mirrors[key].channel.clone();
        let top_of = |home: &Self| home.hub.mirror(&channel).map_or(0, |at| at.top);
        for kept in page.kept {
            let top = top_of(self);
            if kept.offset > top + 1 {
                // What lies between has gone meanwhile.
                self.skip_to(key, kept.offset - 1);
            }
            if kept.offset > top {
                self.append(key, kept, options, now);
            }
        }
        top_of(self)
    }

    /// Mirrors the stream that a page is of, from where the page ends, or what is held begins: up to where all is there.
    fn begin(&mut self, key: usize, page: &Page, options: HubOptions, now: Now) -> u64 {
        let held_from = self.mirrors.held_from(key, page.life);
        let mirror = &mut self.mirrors[key];
        let (channel, before) = (mirror.channel.clone(), mirror.life.replace(page.life));
        let reached = page.kept.last().map_or(page.top, |kept| kept.offset);
        // Who listens already, and counts on nothing, hears what has come since, and nothing twice.
        let told = mirror.told.take().filter(|(life, _)| *life == page.life).map_or(0, |(_, top)| top);
        let held_from = held_from.filter(|_| page.kept.is_empty());
        let top = held_from.map_or(reached, |from| reached.min(from - 1)).max(told);
        let first = page.kept.first().filter(|_| top == reached).map_or(top + 1, |kept| kept.offset);
        mirror.known_from =
            mirror.wish.filter(|(life, _)| *life == page.life).map_or(first, |(_, at)| first.min(at + 1));
        (mirror.removed, mirror.promised) = (0, 0);
        mirror.spoil_reading();
        self.hub.begin_mirror(&channel, page.life.epoch(), top, options, now);
        if before.is_some() {
            self.tell_gap(&channel);
        }
        let newest_first = page.kept.iter().rev().map_while(|kept| publication(&channel, kept.clone()));
        self.prepend(&channel, newest_first, options, now);
        reached
    }

    /// Nobody is subscribed, waits, or is about to be answered.
    fn is_unused(&self, key: usize) -> bool {
        let mirror = &self.mirrors[key];
        !mirror.is_joining
            && mirror.reading.is_none()
            && mirror.waiting.is_empty()
            && self.hub.subscribers(&mirror.channel) == 0
    }

    fn leave_bucket(&mut self, key: usize) {
        let channel = self.mirrors.remove(key);
        self.hub.end_mirror(&channel);
        self.mirrors.outgoing.push(Outgoing::Leave(channel));
    }

    /// Looks at mirrors whose time has come: those that nobody uses go, others try again.
    pub(in crate::broker) fn look_at_mirrors(&mut self, now: Now) {
        for _ in 0..MIRRORS_PER_SWEEP {
            let Some(key) = self.mirrors.next_due(now) else { return };
            let mirror = &self.mirrors[key];
            let lingers_until = mirror.used_ms + MIRROR_LINGER_MS;
            if self.is_unused(key) && lingers_until <= now.mono_ms {
                self.leave_bucket(key);
                continue;
            }
            if self.hub.subscribers(&mirror.channel) == 0 {
                self.mirrors.look_at(key, lingers_until.max(now.mono_ms + MIRROR_RETRY_MS));
            }
            let mirror = &self.mirrors[key];
            if let Some(since_ms) = mirror.unsure_since_ms {
                let until_ms = since_ms + MIRROR_UNSURE_MS;
                if until_ms <= now.mono_ms {
                    self.begin_anew(key, now);
                    continue;
                }
                self.mirrors.look_at(key, until_ms);
            }
            let mirror = &self.mirrors[key];
            if mirror.failures > 0 && (mirror.life.is_none() || mirror.unsure_since_ms.is_some()) {
                self.join_bucket(key);
            }
        }
    }
}

/// A publication as the bucket keeps it. Its memory is its own: the message that it came in has others.
pub(super) fn publication(channel: &str, kept: Kept) -> Option<Taken> {
    let Kept { offset, time_unix_ms, body } = kept;
    match Told::unpack(body) {
        Ok(Told::Publication { data, info, tags, exclude, ttl_ms }) => {
            let data = Payload { bytes: Bytes::copy_from_slice(&data.bytes), kind: data.kind };
            let publication = Arc::new(Publication { offset, data, info, tags, time_unix_ms });
            Some(Taken { publication, exclude, ttl_ms })
        }
        _ => {
            tracing::warn!(channel, offset, "a publication of another node cannot be read");
            None
        }
    }
}
