//! What is known of pushes in a channel: which publications wait to be noticed, and how far the walk over the members has come that
//! finds who has not. Nothing is kept by member and publication: who was told of what follows from these, and from how far each
//! member has noticed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::push::PushTo;
use crate::limits::{PUSH_GROUPS_MAX, PUSHED_AT_ONCE};
use crate::time::Now;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// All up to here was told to those who had not noticed it.
    pub(super) told: u64,
    /// What was published since.
    groups: VecDeque<Group>,
    pub(super) walk: Option<Walk>,
    /// When the walk begins or goes on.
    pub(super) wake_ms: Option<u64>,
    /// Who has noticed something that was told of, by the offset up to which.
    pub(super) withdrawn: BTreeMap<u64, Vec<PushTo>>,
    /// When that is told.
    pub(super) withdraw_ms: Option<u64>,
}

/// Publications of about the same time, from an offset to the one before the next group.
#[derive(Clone, Copy, Debug)]
struct Group {
    first: u64,
    begun_ms: u64,
    last_ms: u64,
}

/// How far a walk over the members has come.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) until: u64,
    /// The last member that was looked at.
    pub(super) after: Option<Arc<str>>,
    /// By publication: who is to be told.
    pub(super) lists: Vec<List>,
}

/// Who is to be told of a publication.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) users: Vec<Arc<str>>,
    /// How many were full before.
    pub(super) parts: u32,
}

impl Pushes {
    /// A publication has got its place.
    pub(super) fn add(&mut self, offset: u64, after_ms: u64, now: Now) {
        if self.groups.is_empty() && self.walk.is_none() {
            // What lies before was there before anybody was to be told.
            self.told = offset - 1;
        }
        let is_full = self.groups.len() >= PUSH_GROUPS_MAX;
        match self.groups.back_mut() {
            Some(last) if is_full || now.mono_ms < last.begun_ms + after_ms / 16 => last.last_ms = now.mono_ms,
            _ => self.groups.push_back(Group { first: offset, begun_ms: now.mono_ms, last_ms: now.mono_ms }),
        }
    }

    /// What was published before anybody was here may have been told of.
    pub(super) fn begin_at(&mut self, top: u64) {
        if self.told == 0 && self.groups.is_empty() && self.walk.is_none() {
            self.told = top;
        }
    }

    /// When the oldest group has waited long enough.
    pub(super) fn due_ms(&self, after_ms: u64) -> Option<u64> {
        self.groups.front().map(|group| group.last_ms + after_ms)
    }

    /// Takes the publications that have waited long enough, some of them; `top` is the last there is.
    pub(super) fn begin_walk(&mut self, top: u64, after_ms: u64, now: Now) {
        let most = self.told + PUSHED_AT_ONCE;
        let mut until = self.told;
        while until < most && self.due_ms(after_ms).is_some_and(|due_ms| due_ms <= now.mono_ms) {
            let last = self.groups.get(1).map_or(top, |next| next.first - 1);
            until = last.min(most);
            match until < last {
                true => self.groups[0].first = until + 1,
                false => _ = self.groups.pop_front(),
            }
        }
        if until > self.told {
            let lists = (self.told..until).map(|_| List::default()).collect();
            self.walk = Some(Walk { until, after: None, lists });
        }
    }

    /// Up to where a user was told of what was not noticed.
    pub(super) fn told_to(&self, user: &str) -> u64 {
        let walk = self.walk.as_ref().filter(|walk| walk.after.as_deref().is_some_and(|after| user <= after));
        walk.map_or(self.told, |walk| walk.until)
    }

    /// Nothing is known of another life of the stream. What is registered comes to nothing.
    pub(super) fn begin_anew(&mut self) {
        let Self { wake_ms, withdraw_ms, .. } = *self;
        *self = Self { wake_ms, withdraw_ms, ..Self::default() };
    }
}
