//! Inboxes of channels that several nodes share: what their ledgers say, and what other nodes do.
//!
//! The ledger has all members with all devices; here are the rows of those that are connected here, from their arrival to their
//! departure. What is done with them is the same as elsewhere, and what changes is noted in the ledger.
//!
//! Invariants: no device is away, but while it arrives. A member without devices here has no row.

use std::sync::Arc;

use super::Delivery;
use super::change::Changed;
use super::desk::Desk;
use super::device::{Device, Known};
use super::dispatch::Sending;
use super::inbox::{Inbox, Whose};
use super::live::Pace;
use super::member::{Member, MemberPosition};
use super::options::InboxOptions;
use super::receipts::{Moved, Receipt};
use super::requeued::Again;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::{AGAIN_BYTES_MAX, RECEIPTS_WATCH_MS};
use crate::model::ledger::{DeviceName, Row};
use crate::model::{ClientId, Publication};
use crate::time::Now;

impl Delivery {
    /// Whether a device is connected here, by a session that is subscribed.
    pub fn is_here(&self, channel: &str, whose: Whose<'_>) -> bool {
        let inbox = self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize]);
        let known = inbox.and_then(|inbox| inbox.known(whose.user, whose.device));
        matches!(known, Some(Known::Here(_)))
    }

    /// A session of a device is about to subscribe, of which the ledger has said this; the channel has so many members. The shelf
    /// must be of the life of the row.
    pub fn admit_row(
        &mut self,
        channel: &Arc<str>,
        whose: Whose<'_>,
        (row, members): (&Row, u32),
        options: InboxOptions,
        shelf: Shelf<'_>,
        now: Now,
    ) {
        let (inbox, desk) = self.entry(channel, options, Some(shelf));
        inbox.ledger.members = members as usize;
        inbox.pushes.begin_at(inbox.top);
        inbox.take_row(whose, row, shelf, now, desk);
    }

    /// How many channels have an inbox here.
    #[cfg(test)]
    pub(crate) fn inboxes_here(&self) -> usize {
        self.inboxes.len()
    }

    /// A device that was to arrive does not, unless it is connected here already: whether it is.
    pub fn let_go(&mut self, channel: &str, whose: Whose<'_>) -> bool {
        let Some((inbox, desk)) = self.find(channel) else { return false };
        let known = inbox.known(whose.user, whose.device);
        if let Some(Known::Away(_)) = known {
            inbox.drop_row(whose.user, whose.device, desk);
            self.forget_if_empty(channel);
        }
        matches!(known, Some(Known::Here(_)))
    }

    /// A channel has so many members.
    pub fn count_members(&mut self, channel: &str, members: u32) {
        if let Some((inbox, _)) = self.find(channel) {
            inbox.ledger.members = members as usize;
        }
    }

    /// A channel's ledger cannot be told anything for now, or can again. Meanwhile nothing is given up.
    pub fn cut_off(&mut self, channel: &str, is_cut_off: bool) {
        if let Some((inbox, _)) = self.find(channel) {
            inbox.ledger.is_cut_off = is_cut_off;
        }
    }

    /// The row of a connected device holds no more: its subscriptions begin anew.
    pub fn interrupt(&mut self, channel: &str, whose: Whose<'_>) {
        if let Some((inbox, desk)) = self.find(channel)
            && let Some(Known::Here(at)) = inbox.known(whose.user, whose.device)
        {
            inbox.say(at, Sending::Gap, desk);
        }
    }

    /// A member's positions are these, as another node has noted: who is to hear of it is told.
    pub fn hear_positions(&mut self, channel: &str, position: MemberPosition, now: Now) {
        if let Some((inbox, desk)) = self.find(channel) {
            inbox.hear_positions(position, now, desk);
        }
    }

    /// Whether the ledger of a large channel is to be asked to tell of positions that move, for the session of this client sends a
    /// message there. If so it is taken to be.
    pub fn wants_watch(&mut self, channel: &str, client: ClientId, now: Now) -> bool {
        let Some((inbox, _)) = self.find(channel) else { return false };
        let is_due = inbox.ledger.watched_until_ms <= now.mono_ms + RECEIPTS_WATCH_MS / 2;
        let wants = is_due && !inbox.is_small() && inbox.seats.contains_key(&client);
        if wants {
            inbox.ledger.watched_until_ms = now.mono_ms + RECEIPTS_WATCH_MS;
        }
        wants
    }

    /// A ledger tells of positions that move, of so many members; or it could not be asked.
    pub fn watched(&mut self, channel: &str, members: Option<u32>) {
        if let Some((inbox, _)) = self.find(channel) {
            match members {
                Some(members) => inbox.ledger.members = members as usize,
                None => inbox.ledger.watched_until_ms = 0,
            }
        }
    }

    /// A position of a member of a large channel has moved, on any node: who has sent what lies between is told.
    pub fn hear_counted(&mut self, channel: &str, user: &str, is_read: bool, (from, to): (u64, u64), now: Now) {
        let what = if is_read { Moved::Read } else { Moved::Received };
        if let Some((inbox, desk)) = self.find(channel)
            && from < to
            && inbox.receipts.count(user, what, from, to)
        {
            inbox.tell_positions_later(now, desk);
        }
    }

    /// How many have received and read what a device has sent to a large channel.
    pub fn receipts_of(&self, channel: &str, whose: Whose<'_>) -> Vec<Receipt> {
        let inbox = self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize]);
        inbox.map(|inbox| inbox.receipts.of(whose.user, whose.device)).unwrap_or_default()
    }

    /// A device has dealt with all up to a floor, as another node has noted.
    pub fn hear_floor(&mut self, channel: &str, whose: Whose<'_>, floor: u64, shelf: Shelf<'_>, now: Now) {
        if let Some((inbox, desk)) = self.find(channel) {
            inbox.agree(shelf, desk);
            inbox.hear_floor(whose, floor, shelf, now, desk);
        }
    }

    /// A dead letter is sent once more to those of these devices that are connected here, or about to be.
    /// It was sent so often since it was requeued.
    pub fn hear_requeued(
        &mut self,
        channel: &str,
        names: &[DeviceName],
        (publication, attempts): (&Arc<Publication>, u16),
        now: Now,
    ) {
        let Some((inbox, desk)) = self.find(channel) else { return };
        for DeviceName { user, device } in names {
            let place = (user.clone(), device.clone(), publication.offset);
            if inbox.known(user, device).is_some() && !inbox.requeued.has(&place) {
                let again = Again { attempts, ..Again::new(publication.clone(), Some(now.mono_ms)) };
                inbox.requeued.set(&place, again);
            }
        }
        inbox.wake_for_requeued(desk);
    }

    /// A dead letter is sent to nobody any more, or none.
    pub fn hear_purged(&mut self, channel: &str, offset: Option<u64>) {
        if let Some((inbox, _)) = self.find(channel) {
            inbox.requeued.forget_offset(offset);
        }
    }
}

impl Inbox {
    /// How many members the channel has.
    pub(super) fn member_count(&self) -> usize {
        if self.options.is_shared { self.ledger.members } else { self.members.len() }
    }

    fn take_row(&mut self, whose: Whose<'_>, row: &Row, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        let known = self.known(whose.user, whose.device);
        if let Some(Known::Away(_)) = known {
            // Of before a reload had nodes share the channel.
            self.drop_row(whose.user, whose.device, desk);
        }
        let mut member = self.members.get(whose.user).map_or(Member::since(0), |row| row.member);
        member.received = member.received.max(row.received.min(self.top));
        member.read = member.read.max(row.read.min(self.top));
        member.noticed = member.noticed.max(row.noticed).min(member.received);
        self.members.set(whose.user, &member);
        if let Some(Known::Here(_)) = known {
            return self.hear_floor(whose, row.floor, shelf, now, desk);
        }
        let mut device = Device::new(row.floor.min(self.top), desk.seen_s(now));
        (device.failed, device.has_lost) = (row.failed, row.has_lost);
        self.members.set_device(whose.user, whose.device, Known::Away(device));
        self.devices += 1;
        self.owe((self.top - device.floor()) as i64, desk);
    }

    /// The last session of a device has left: the ledger knows the rest.
    pub(super) fn detach(&mut self, user: &Arc<str>, id: &str, desk: &mut Desk) {
        self.drop_row(user, id, desk);
        self.keep(desk, || Changed::Detached { user: user.clone(), device: id.into() });
    }

    fn drop_row(&mut self, user: &Arc<str>, id: &str, desk: &mut Desk) {
        let device = self.members.forget_device(user, id).expect("it is known, and away");
        self.devices -= 1;
        self.owe(-((self.top - device.floor()) as i64), desk);
        self.requeued.forget_device(user, id);
        if self.members.get(user).is_none_or(|row| row.devices().next().is_none()) {
            self.members.remove(user);
        }
    }

    /// Whether a device that would be given up is to wait, since nobody could be told of the letter.
    pub(super) fn waits_for_ledger(&mut self, at: u32, now: Now, desk: &mut Desk) -> bool {
        let live = &mut self.live[at as usize];
        if !self.ledger.is_cut_off || live.device.failed + 1 < self.options.max_attempts {
            return false;
        }
        live.deadline_ms = now.mono_ms + self.options.wait_ms(live.device.failed, desk.jitter());
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(live.deadline_ms));
        true
    }

    fn hear_positions(&mut self, position: MemberPosition, now: Now, desk: &mut Desk) {
        let MemberPosition { user, received, read } = &position;
        let mut has_read = false;
        if let Some(before) = self.members.get(user).map(|row| row.member) {
            let (received, read) = ((*received).min(self.top), (*read).min(self.top));
            if received <= before.received && read <= before.read {
                return;
            }
            has_read = read > before.read;
            let received = before.received.max(received);
            // How much of it was noticed is not told: the node on which it was has told who needs no push any more.
            let member = Member { received, read: before.read.max(read), ..before };
            self.members.set(user, &member);
        }
        if self.is_small() || has_read {
            self.changed.insert(user.clone(), position);
            self.tell_positions_later(now, desk);
        }
    }

    fn hear_floor(&mut self, whose: Whose<'_>, floor: u64, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        let Some(Known::Here(at)) = self.known(whose.user, whose.device) else { return };
        let live = &mut self.live[at as usize];
        let by = live.device.advance(floor.min(self.top));
        if by == 0 {
            return;
        }
        live.device.has_lost = false;
        live.deadline_ms = now.mono_ms + self.options.ack_timeout_ms;
        if live.pace == Pace::Again {
            live.pace = Pace::Behind;
        }
        self.owe(-(by as i64), desk);
        self.pass_over(at, shelf, now, desk);
        self.pump(at, (self.options.max_unacked, AGAIN_BYTES_MAX), shelf, now, desk);
    }
}
