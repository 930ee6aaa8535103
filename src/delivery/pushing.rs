//! Whom a push is to tell of a publication: members who have not noticed it in time. And who needs none any more.
//!
//! A member has *noticed* what the user has read, and what was received by a device of a kind that pushes are for, while it was not in
//! the background. Publications wait in groups of about the same time; when a group has waited long enough, one walk over the members,
//! some at a time, finds who has not noticed which of them.
//!
//! Invariant: who was told of a publication once is told of it again only after a restart.

use std::sync::Arc;

use super::Delivery;
use super::desk::{Count, Desk};
use super::device::Known;
use super::inbox::{Inbox, Whose};
use super::live::Live;
use super::push::{Push, PushTo, PushWhat};
use super::pushes::{List, Walk};
use super::row::Row;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::{PUSH_USERS_MAX, PUSH_WITHDRAW_DELAY_MS};
use crate::model::ClientId;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

impl Delivery {
    /// Output: whom pushes are to tell, in order.
    pub fn pushes(&mut self) -> std::vec::Drain<'_, Push> {
        self.desk.pushes.drain(..)
    }

    /// Whether what a device receives is noticed, and whether it says that nobody looks. Of one that is not connected here nothing
    /// else is known than that it has received something.
    pub fn look_of(&self, channel: &str, whose: Whose<'_>) -> (bool, bool) {
        let inbox = self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize]);
        let Some((inbox, known)) = inbox.and_then(|inbox| Some((inbox, inbox.known(whose.user, whose.device)?))) else {
            return (true, false);
        };
        (inbox.is_noticed(known), inbox.is_in_background(known))
    }

    /// A session says that nobody looks at its device, or that somebody does again.
    ///
    /// # Errors
    /// [`ErrorKind::NotAvailable`] where it is not subscribed.
    pub fn look_away(&mut self, channel: &str, client: ClientId, is_background: bool, now: Now) -> Result<(), Error> {
        let absent = || ErrorKind::NotAvailable.because("not available: the device is not subscribed to the channel");
        let (inbox, desk) = self.find(channel).ok_or_else(absent)?;
        let at = *inbox.seats.get(&client).ok_or_else(absent)?;
        let user = inbox.live[at as usize].user.clone();
        let before = inbox.noticed_by(&user);
        let live = &mut inbox.live[at as usize];
        if let Some(listener) = live.listeners.iter_mut().find(|listener| listener.seat.client == client) {
            listener.is_background = is_background;
        }
        let device = live.id.clone();
        let whose = Whose { user: &user, device: &device };
        inbox.notice_what_came(whose, now, desk);
        inbox.tell_noticed(&user, before, now, desk);
        if inbox.options.is_shared {
            inbox.keep_device(whose, now, desk);
        }
        Ok(())
    }
}

impl Live {
    /// Whether what it receives is noticed.
    pub(super) fn notices(&self) -> bool {
        self.listeners.iter().any(|listener| listener.is_pushed && !listener.is_background)
    }

    /// Whether it says that nobody looks.
    pub(super) fn is_in_background(&self) -> bool {
        self.listeners.iter().any(|listener| listener.is_pushed && listener.is_background)
    }
}

impl Inbox {
    /// A publication has got its place, and is to be noticed.
    pub(super) fn expect_noticed(&mut self, offset: u64, now: Now, desk: &mut Desk) {
        let after_ms = self.options.push_after_ms;
        if after_ms > 0 {
            self.pushes.add(offset, after_ms, now);
            self.wake_for_pushes(now, desk);
        }
    }

    /// All was read from the disk, where it does not say what was told of: what was published from `since_unix_ms` on may not have been.
    pub(super) fn expect_noticed_since(&mut self, since_unix_ms: i64, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        if self.options.push_after_ms == 0 {
            return;
        }
        let newest_first = (shelf.first()..=shelf.top()).rev();
        let young = newest_first.take_while(|offset| {
            shelf.get(*offset).is_some_and(|publication| publication.time_unix_ms >= since_unix_ms)
        });
        if let Some(first) = young.last() {
            self.expect_noticed(first, now, desk);
        }
    }

    fn wake_for_pushes(&mut self, now: Now, desk: &mut Desk) {
        let due_ms = match self.pushes.walk {
            // In the next sweep.
            Some(_) => Some(now.mono_ms + 1),
            None => self.pushes.due_ms(self.options.push_after_ms),
        };
        desk.wakes.move_to(Wake::Pushes(self.key), &mut self.pushes.wake_ms, due_ms);
    }

    /// Publications have waited long enough: goes on with the walk over the members. As many as the sweep may.
    pub(super) fn look_for_pushes(&mut self, shelf: Option<Shelf<'_>>, now: Now, desk: &mut Desk) {
        self.pushes.wake_ms = None;
        if self.options.push_after_ms == 0 {
            // A reload has ended it.
            return self.pushes.begin_anew();
        }
        if self.pushes.walk.is_none() {
            self.pushes.begin_walk(self.top, self.options.push_after_ms, now);
        }
        if let Some(mut walk) = self.pushes.walk.take() {
            // Of a channel that nodes share one of them goes through the ledger.
            if self.options.is_shared || self.walk_on(&mut walk, shelf, desk) {
                self.pushes.told = walk.until;
            } else {
                self.pushes.walk = Some(walk);
            }
        }
        self.wake_for_pushes(now, desk);
    }

    /// Whether the walk is through all members.
    fn walk_on(&self, walk: &mut Walk, shelf: Option<Shelf<'_>>, desk: &mut Desk) -> bool {
        let first = self.pushes.told + 1;
        let (begin, mut last) = (walk.after.clone(), None);
        for row in self.members.after(begin.as_deref()) {
            if !desk.has_push_looks() {
                walk.after = last.map(Arc::from).or_else(|| begin.clone());
                return false;
            }
            desk.looked_for_pushes(1);
            last = Some(row.user);
            let from = self.noticed(&row).max(row.member.read).max(first - 1);
            let missed = (from + 1..=walk.until).filter(|offset| is_told_of(*offset, row.user, shelf));
            let mut user: Option<Arc<str>> = None;
            for offset in missed {
                desk.looked_for_pushes(1);
                let list = &mut walk.lists[(offset - first) as usize];
                list.users.push(user.get_or_insert_with(|| row.user.into()).clone());
                if list.users.len() == PUSH_USERS_MAX {
                    self.push_offline(offset, list, shelf, desk);
                }
            }
        }
        for (offset, list) in (first..).zip(&mut walk.lists) {
            self.push_offline(offset, list, shelf, desk);
        }
        true
    }

    fn push_offline(&self, offset: u64, list: &mut List, shelf: Option<Shelf<'_>>, desk: &mut Desk) {
        // A walk may take a while: who has noticed it meanwhile is told no more.
        let users = std::mem::take(&mut list.users).into_iter();
        let users: Vec<_> = users.filter_map(|user| self.push_to(user, offset)).collect();
        if users.is_empty() {
            return;
        }
        self.count(Count::Pushed(users.len() as u64), desk);
        let publication = shelf.and_then(|shelf| shelf.get(offset)).cloned();
        let what = PushWhat::Offline { publication, part: list.parts };
        list.parts += 1;
        desk.pushes.push(Push { channel: self.channel.clone(), epoch: self.epoch.clone(), offset, what, users });
    }

    /// How it is with a member who has not noticed a publication.
    fn push_to(&self, user: Arc<str>, offset: u64) -> Option<PushTo> {
        let row = self.members.get(&user)?;
        let is_background = self.lives(&row).any(Live::is_in_background);
        let unread = self.top.saturating_sub(row.member.read);
        let has_noticed = self.noticed(&row).max(row.member.read) >= offset;
        (!has_noticed).then_some(PushTo { user, unread, is_background })
    }

    /// Whether a device is here, and has said that nobody looks.
    pub(super) fn is_in_background(&self, known: Known) -> bool {
        matches!(known, Known::Here(at) if self.live[at as usize].is_in_background())
    }

    fn lives(&self, row: &Row<'_>) -> impl Iterator<Item = &Live> {
        row.devices().filter_map(move |(_, known)| match known {
            Known::Here(at) => Some(&self.live[at as usize]),
            Known::Away(_) => None,
        })
    }

    /// The furthest that a member has noticed, but for what was read: what a device that is here has received, or was not for it.
    fn noticed(&self, row: &Row<'_>) -> u64 {
        let here = self.lives(row).filter(|live| live.notices()).map(|live| live.device.floor());
        here.fold(row.member.noticed, u64::max)
    }

    /// The furthest that a member has noticed or read; 0 where nobody is told.
    pub(super) fn noticed_by(&self, user: &str) -> u64 {
        if self.options.push_after_ms == 0 {
            return 0;
        }
        self.members.get(user).map_or(0, |row| self.noticed(&row).max(row.member.read))
    }

    /// Somebody looks at a device, or may: what it has received is noticed then.
    pub(super) fn notice_what_came(&mut self, whose: Whose<'_>, now: Now, desk: &mut Desk) {
        let Some(row) = self.members.get(whose.user) else { return };
        let Some(Known::Here(at)) = row.device(whose.device) else { return };
        let (mut member, live) = (row.member, &self.live[at as usize]);
        let noticed = live.device.floor().min(member.received);
        if live.notices() && noticed > member.noticed {
            member.noticed = noticed;
            self.members.set(whose.user, &member);
            if self.options.is_shared {
                self.keep_device(whose, now, desk);
            }
        }
    }

    /// A member may have noticed more than `before`: what was told of needs no push any more, which is told a little later.
    pub(super) fn tell_noticed(&mut self, user: &Arc<str>, before: u64, now: Now, desk: &mut Desk) {
        if self.options.push_after_ms == 0 {
            return;
        }
        let after = self.noticed_by(user);
        if after <= before || before >= self.pushes.told_to(user) {
            return;
        }
        let Some(read) = self.members.get(user).map(|row| row.member.read) else { return };
        let users = self.pushes.withdrawn.entry(after).or_default();
        users.push(PushTo { user: user.clone(), unread: self.top.saturating_sub(read), is_background: false });
        if users.len() >= PUSH_USERS_MAX {
            self.withdraw(desk);
        } else if self.pushes.withdraw_ms.is_none() {
            let at_ms = now.mono_ms + PUSH_WITHDRAW_DELAY_MS;
            desk.wakes.move_to(Wake::Withdrawals(self.key), &mut self.pushes.withdraw_ms, Some(at_ms));
        }
    }

    /// Tells who needs no push any more.
    pub(super) fn withdraw(&mut self, desk: &mut Desk) {
        desk.wakes.move_to(Wake::Withdrawals(self.key), &mut self.pushes.withdraw_ms, None);
        let (channel, epoch) = (&self.channel, &self.epoch);
        desk.pushes.extend(std::mem::take(&mut self.pushes.withdrawn).into_iter().map(|(offset, users)| Push {
            channel: channel.clone(),
            epoch: epoch.clone(),
            offset,
            what: PushWhat::Withdrawn,
            users,
        }));
    }
}

/// Whether a user is to be told of a publication: it is not the user's own, and has not ended by itself.
fn is_told_of(offset: u64, user: &str, shelf: Option<Shelf<'_>>) -> bool {
    let Some((shelf, publication)) = shelf.and_then(|shelf| Some((shelf, shelf.get(offset)?))) else { return true };
    let is_own = publication.info.as_ref().is_some_and(|info| *info.user == *user);
    !is_own && !shelf.has_ended(publication)
}
