//! What operators see of inboxes: how many devices are behind, and since when the oldest publication waits for one.
//!
//! A round looks at all members, a part in each sweep; what it has found holds until the next is through, so that nothing is
//! looked up when somebody asks. Looking changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use slab::Slab;

use super::inbox::Inbox;
use crate::hub::{Hub, Shelf};
use crate::limits::SURVEY_LOOKS_PER_SWEEP;
use crate::time::Now;

/// What a round has found in one namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Devices that have something to receive, connected or not.
    pub devices: u64,
    /// When the oldest that one of them has yet to receive was published, Unix milliseconds; `None` where there is none.
    pub oldest_unix_ms: Option<i64>,
}

/// How far a round has come.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The inbox that is next, by its place, and the last of its members that was looked at.
    inbox: usize,
    member: Option<Arc<str>>,
    found: BTreeMap<u32, Behind>,
}

impl Survey {
    /// Looks at some more. What the round has found, by the number of the namespace, where it is through: the next begins.
    pub(super) fn go_on(
        &mut self,
        inboxes: &Slab<Inbox>,
        generation: u32,
        hub: &mut Hub,
        now: Now,
    ) -> Option<BTreeMap<u32, Behind>> {
        let mut looks_left = SURVEY_LOOKS_PER_SWEEP;
        while looks_left > 0 {
            if self.inbox >= inboxes.capacity() {
                return Some(std::mem::take(self).found);
            }
            looks_left -= 1;
            // The number of the namespace of another may be another's by now.
            if let Some(inbox) = inboxes.get(self.inbox).filter(|inbox| inbox.generation == generation) {
                looks_left = self.look(inbox, hub.shelf(&inbox.channel, now), looks_left);
            }
            if self.member.is_none() {
                self.inbox += 1;
            }
        }
        None
    }

    /// Looks at the next members of an inbox, at so many devices at the most but for the last member's; how many may still
    /// be looked at.
    fn look(&mut self, inbox: &Inbox, shelf: Option<Shelf<'_>>, mut looks_left: usize) -> usize {
        let found = self.found.entry(inbox.options.namespace).or_default();
        // Nothing waits in a channel that keeps nothing.
        let Some(shelf) = shelf else { return looks_left };
        let after = self.member.take();
        for row in inbox.members.after(after.as_deref()) {
            let mut looks = 1;
            for (_, known) in row.devices() {
                looks += 1;
                let floor = inbox.look_up(known).floor();
                if floor < shelf.top() {
                    found.devices += 1;
                    let next = shelf.get(shelf.first().max(floor + 1));
                    let oldest_ms = next.map(|next| next.time_unix_ms);
                    found.oldest_unix_ms = [found.oldest_unix_ms, oldest_ms].into_iter().flatten().min();
                }
            }
            looks_left = looks_left.saturating_sub(looks);
            if looks_left == 0 {
                self.member = Some(row.user.into());
                break;
            }
        }
        looks_left
    }
}
