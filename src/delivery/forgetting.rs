//! Devices that were away for too long are forgotten, so that no account is kept of one that never returns.
//!
//! A walk through all members, a few at a time: no device is registered for it. One that returns all the same is a new one, and
//! is told that it may have missed something.

use std::sync::Arc;

use slab::Slab;

use super::change::Changed;
use super::desk::Desk;
use super::inbox::Inbox;
use crate::limits::MEMBERS_LOOKED_AT_PER_SWEEP;
use crate::time::Now;

/// How far the walk has come.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The inbox that is next, by its place, and the last of its members that was looked at.
    inbox: usize,
    member: Option<Arc<str>>,
}

impl Walk {
    /// Looks at the next members.
    pub(super) fn go_on(&mut self, inboxes: &mut Slab<Inbox>, now: Now, desk: &mut Desk) {
        for _ in 0..MEMBERS_LOOKED_AT_PER_SWEEP {
            if self.inbox >= inboxes.capacity() {
                // Once round is enough for a sweep.
                *self = Self::default();
                return;
            }
            let next = inboxes.get_mut(self.inbox).and_then(|inbox| {
                let user = inbox.members.after(self.member.as_deref()).next()?.user.into();
                inbox.forget_away(&user, now, desk);
                Some(user)
            });
            self.inbox += usize::from(next.is_none());
            self.member = next;
        }
    }
}

impl Inbox {
    /// Forgets the devices of a member that were away for too long.
    fn forget_away(&mut self, user: &Arc<str>, now: Now, desk: &mut Desk) {
        let expired_s = i64::from(desk.seen_s(now)).saturating_sub_unsigned(self.options.device_ttl_ms / 1000);
        while let Some(row) = self.members.get(user)
            && let Some((id, _)) = row.longest_away().filter(|(_, device)| i64::from(device.seen_s) < expired_s)
        {
            let id: Box<str> = id.into();
            self.forget(user, &id, desk);
        }
    }

    /// Forgets a device of a member, which is away.
    pub(super) fn forget(&mut self, user: &Arc<str>, id: &str, desk: &mut Desk) {
        let device = self.members.forget_device(user, id).expect("it is known, and away");
        self.devices -= 1;
        self.owe(-((self.top - device.floor()) as i64), desk);
        self.requeued.forget_device(user, id);
        self.keep(desk, || Changed::DeviceGone { user: user.clone(), device: id.into() });
    }
}
