//! What the homes of the channels put in order, written down as it happens.

use std::collections::{BTreeMap, BTreeSet};

use super::configuration::FLEETING;
use super::ledger::{Ledger, Place};
use crate::delivery::MemberDevices;
use crate::hub::{Hub, HubOptions};
use crate::model::ClientId;
use crate::time::Now;

/// Publications of a channel that can be in flight to a disk.
const IN_FLIGHT_MAX: u64 = 1000;

/// One publication as its home has it.
#[derive(Clone, Debug)]
struct Entry {
    data: String,
    at_ms: u64,
}

/// One life of a channel's stream.
#[derive(Debug, Default)]
struct Life {
    /// By offset, from 1; `None` where one came and went between two looks.
    entries: Vec<Option<Entry>>,
    /// Up to which offset the history was removed.
    removed: u64,
}

/// Who listens to a channel: which client, in which life of the stream, for which numbers.
#[derive(Debug)]
pub(crate) struct Listener<'a> {
    pub(crate) client: ClientId,
    pub(crate) epoch: Option<&'a str>,
    /// Those that it wants begin here, if it has a filter.
    pub(crate) least: Option<u32>,
}

/// The truth about every channel.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// Looks are so far apart that a channel may have kept and forgotten publications in between.
    may_miss: bool,
    /// How much channels keep has changed: what is not kept, or was forgotten before, is no fault.
    pub(crate) has_changed: bool,
    /// Publications that went by while their channels kept nothing.
    passed: usize,
    lives: BTreeMap<(String, String), Life>,
    /// Per channel without history: what somebody who always listened has heard.
    heard: BTreeMap<String, Vec<String>>,
    /// What others have heard there from when they came to when they left.
    parts: Vec<(String, Vec<String>)>,
    acknowledged: BTreeSet<(String, String)>,
    /// Who was not given what: by offset, and by data.
    excluded: BTreeSet<(String, u64, ClientId)>,
    withheld: BTreeSet<(String, ClientId)>,
    /// The number that a publication has as its tag, by data.
    tags: BTreeMap<String, u32>,
    /// The one that always listens was sent away: what others hear cannot be compared with it any more.
    pub(crate) has_lost_witness: bool,
    /// Of channels that are received at least once.
    pub(crate) ledger: Ledger,
}

impl Chronicle {
    /// A chronicle that may miss what a channel kept and forgot between two looks.
    pub(crate) fn seen_from_afar() -> Self {
        Self { may_miss: true, ..Self::default() }
    }

    /// Looks at a channel on its home shard.
    pub(crate) fn observe(&mut self, hub: &Hub, channel: &str, options: HubOptions, now: Now) {
        let Some((position, kept)) = hub.kept(channel) else { return };
        let life = self.lives.entry((channel.into(), position.epoch.to_string())).or_default();
        for publication in &kept {
            let data = String::from_utf8(publication.data.bytes.to_vec()).expect("clients publish JSON");
            let at = publication.offset as usize - 1;
            if self.may_miss && at > life.entries.len() {
                life.entries.resize_with(at, || None);
            }
            match life.entries.get(at) {
                Some(Some(entry)) => assert_eq!(entry.data, data, "{channel} offset {at} was another publication"),
                Some(None) => {}
                None => {
                    assert_eq!(at, life.entries.len(), "{channel} skipped an offset");
                    // When the home took it, which can be long before it was on disk.
                    let age_ms = (now.unix_ms - publication.time_unix_ms) as u64;
                    life.entries.push(Some(Entry { data, at_ms: now.mono_ms - age_ms }));
                }
            }
        }
        let top = position.offset as usize;
        if self.may_miss && top > life.entries.len() {
            life.entries.resize_with(top, || None);
        }
        assert_eq!(top, life.entries.len(), "{channel} has a top without a publication");
        if self.has_changed {
            return;
        }
        let must_be_kept = |offset: u64, entry: &Entry| {
            offset > life.removed
                && offset + u64::from(options.history_size) > position.offset
                && entry.at_ms + options.history_ttl_ms > now.mono_ms
        };
        for (at, entry) in life.entries.iter().enumerate() {
            let offset = at as u64 + 1;
            if entry.as_ref().is_some_and(|entry| must_be_kept(offset, entry)) {
                assert!(kept.iter().any(|other| other.offset == offset), "{channel} lost offset {offset}");
            }
        }
    }

    /// Looks at how far a user's devices are in a channel.
    pub(crate) fn look_at_member(&mut self, channel: &str, user: &str, member: Option<&MemberDevices>) {
        let Self { ledger, lives, .. } = self;
        let life = member.and_then(|member| lives.get(&(channel.into(), member.epoch.to_string())));
        let data_of = |offset: u64| Some(life?.entries.get(offset as usize - 1)?.as_ref()?.data.clone());
        ledger.look(channel, user, member, data_of);
    }

    /// A device was given a publication, after another in the same subscription, or after its floor.
    pub(crate) fn given(&mut self, place: &Place, epoch: &str, after: u64, offset: u64) {
        let Self { ledger, lives, .. } = self;
        let life = lives.get(&(place.0.clone(), epoch.into()));
        let data_of = |offset: u64| Some(life?.entries.get(offset as usize - 1)?.as_ref()?.data.clone());
        ledger.given(place, epoch, (after, offset), data_of);
    }

    /// So many publications went by while their channels kept nothing, beside those that were written down.
    pub(crate) fn let_pass(&mut self, count: usize) {
        self.passed += count;
    }

    /// A channel's history was removed.
    pub(crate) fn removed(&mut self, hub: &Hub, channel: &str) {
        if let Some((position, _)) = hub.kept(channel) {
            let life = self.lives.entry((channel.into(), position.epoch.to_string())).or_default();
            life.removed = position.offset;
        }
    }

    /// A channel's history may have been removed when the node was killed.
    pub(crate) fn may_be_removed(&mut self, channel: &str) {
        for (_, life) in self.lives.iter_mut().filter(|((name, _), _)| name == channel) {
            life.removed = life.entries.len() as u64 + IN_FLIGHT_MAX;
        }
    }

    /// The node has gone, and with it what nobody keeps: who has heard the last of that is nobody's to say.
    pub(crate) fn forget_what_is_fleeting(&mut self) {
        let Self { parts, heard, acknowledged, .. } = self;
        parts.clear();
        let was_heard = |channel: &String, data: &String| heard.get(channel).is_some_and(|all| all.contains(data));
        acknowledged.retain(|(channel, data)| !FLEETING.contains(&channel.as_str()) || was_heard(channel, data));
    }

    /// A publication was not for this client.
    pub(crate) fn exclude(&mut self, channel: &str, offset: u64, data: &str, client: ClientId) {
        self.excluded.insert((channel.into(), offset, client));
        self.withheld.insert((data.into(), client));
    }

    /// Whether this was not for the client.
    pub(crate) fn is_withheld(&self, data: &str, client: ClientId) -> bool {
        self.withheld.contains(&(data.into(), client))
    }

    /// A publication is to have this number as its tag.
    pub(crate) fn tag(&mut self, data: &str, number: u32) {
        self.tags.insert(data.into(), number);
    }

    /// Whether a filter that wants numbers from `least` on keeps this out.
    pub(crate) fn is_kept_out(&self, data: &str, least: u32) -> bool {
        self.tags.get(data).is_none_or(|number| *number < least)
    }

    /// Whether a client that stood at `from` may be given `to` next. What nobody has seen may be anything.
    pub(crate) fn follows(&self, channel: &str, from: u64, to: u64, who: &Listener<'_>) -> bool {
        let life = who.epoch.and_then(|epoch| self.lives.get(&(channel.into(), epoch.into())));
        let data_of = |offset: u64| Some(&life?.entries.get(offset as usize - 1)?.as_ref()?.data);
        let is_for_others = |offset| {
            self.excluded.contains(&(channel.into(), offset, who.client))
                || who.least.is_some_and(|least| data_of(offset).is_none_or(|data| self.is_kept_out(data, least)))
        };
        to > from && (from + 1..to).all(is_for_others)
    }

    /// A client was told of this publication. Of one that was missed, the first that is told has it.
    pub(crate) fn check(&mut self, channel: &str, epoch: &str, offset: u64, data: &str) {
        let place = (channel.to_string(), epoch.to_string());
        if self.may_miss && self.has_changed {
            // A life can begin and end between two looks.
            let life = self.lives.entry(place.clone()).or_default();
            life.entries.resize_with(life.entries.len().max(offset as usize), || None);
        }
        let life = self.lives.get_mut(&place);
        let entry = life.and_then(|life| life.entries.get_mut(offset as usize - 1));
        let entry = entry.unwrap_or_else(|| panic!("{channel} never had {offset} in {epoch}: {data}"));
        let entry = entry.get_or_insert_with(|| Entry { data: data.into(), at_ms: 0 });
        assert_eq!(entry.data, data, "{channel} has another publication at {offset}");
    }

    /// A client was told that its publication was taken.
    pub(crate) fn acknowledge(&mut self, channel: &str, data: &str) {
        self.acknowledged.insert((channel.into(), data.into()));
    }

    /// The one that always listens has heard this in a channel without history.
    pub(crate) fn hear(&mut self, channel: &str, data: &str) {
        self.heard.entry(channel.into()).or_default().push(data.into());
    }

    /// Somebody has ceased to listen. Whoever always listens may be about to hear the last of it.
    pub(crate) fn heard_in_part(&mut self, channel: &str, part: Vec<String>) {
        self.parts.push((channel.into(), part));
    }

    /// All is quiet: everybody heard a part of what there was to hear.
    pub(crate) fn check_parts(&self) {
        for (channel, part) in &self.parts {
            self.check_heard(channel, part, false);
        }
    }

    /// Whether what somebody heard is, without a hole, a part of what there was to hear; to the end, if they
    /// still listen.
    pub(crate) fn check_heard(&self, channel: &str, part: &[String], to_the_end: bool) {
        if self.has_lost_witness {
            return;
        }
        let all = self.heard.get(channel).map_or(&[][..], Vec::as_slice);
        let Some(first) = part.first() else { return };
        let from = all.iter().position(|data| data == first);
        let from = from.unwrap_or_else(|| panic!("{channel}: {first} was heard by one only"));
        let end = from + part.len();
        assert!(end <= all.len() && all[from..end] == *part, "{channel}: heard {part:?} of {:?}", &all[from..]);
        assert!(!to_the_end || end == all.len(), "{channel}: not heard {:?}", &all[end..]);
    }

    /// Every acknowledged publication has exactly one place.
    pub(crate) fn check_acknowledged(&self) {
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut missed: BTreeMap<&str, usize> = BTreeMap::new();
        let mut passed = self.passed;
        for ((channel, _), life) in &self.lives {
            for entry in &life.entries {
                match entry {
                    Some(entry) => *places.entry((channel, &entry.data)).or_default() += 1,
                    None => *missed.entry(channel).or_default() += 1,
                }
            }
        }
        for (channel, all) in &self.heard {
            for data in all {
                *places.entry((channel, data)).or_default() += 1;
            }
        }
        assert!(places.values().all(|count| *count == 1), "a publication has two places: {places:?}");
        for (channel, data) in &self.acknowledged {
            if places.contains_key(&(channel.as_str(), data.as_str())) {
                continue;
            }
            let is_unknown =
                if FLEETING.contains(&channel.as_str()) { self.has_lost_witness } else { self.has_changed };
            if is_unknown {
                continue;
            }
            // One of those that nobody saw.
            let left = missed.get_mut(channel.as_str()).filter(|left| **left > 0).unwrap_or(&mut passed);
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("{channel}: {data} is nowhere"));
        }
    }
}
