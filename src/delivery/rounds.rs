//! How connected devices of a channel are sent to: along with everybody while they keep up, by their names while they are
//! late, and when they are looked at.

use std::sync::Arc;

use super::change::Changed;
use super::dead_letters::Failure;
use super::desk::{Count, Desk};
use super::dispatch::Sending;
use super::inbox::{Inbox, Whose};
use super::live::{Live, Pace};
use super::trace::What;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::{AGAIN_BYTES_MAX, PASSED_OVER_AT_ONCE, PASSED_OVER_PER_LOOK, STOPS_PER_PUBLICATION};
use crate::model::{ClientId, Publication};
use crate::time::Now;

impl Inbox {
    /// A publication has got its place, and is about to go to everybody in the channel but `exclude`.
    pub(super) fn published(
        &mut self,
        offset: u64,
        exclude: Option<ClientId>,
        shelf: Shelf<'_>,
        now: Now,
        desk: &mut Desk,
    ) {
        if self.epoch.is_empty() {
            self.epoch = shelf.epoch().clone();
        }
        if self.epoch != *shelf.epoch() {
            // Who comes next agrees with the new life of the stream; nobody is here, or it would have lived on.
            if self.options.push_after_ms > 0 {
                self.agree(shelf, desk);
                self.expect_noticed(offset, now, desk);
            }
            return;
        }
        if offset <= self.top {
            // Published before, with the same key.
            return;
        }
        desk.note(&self.channel, (offset, offset), What::Published, None, now);
        self.reach(offset, desk);
        self.expect_noticed(offset, now, desk);
        if let Some(at) = exclude.and_then(|client| self.seats.get(&client).copied()) {
            self.pass_own(at, offset, desk);
        }
        if !self.is_small()
            && let Some(publication) = shelf.get(offset)
        {
            self.open_receipt(publication);
        }
        for _ in 0..STOPS_PER_PUBLICATION {
            let stop = self.stops.first().copied().filter(|(stop_at, _)| *stop_at <= offset);
            let Some((stop_at, at)) = stop else { break };
            self.stops.remove(&(stop_at, at));
            self.stop(at, offset, shelf, now, desk);
        }
        if self.look_ms.is_none() && !self.live.is_empty() {
            self.look = (0, offset);
            let due_ms = now.mono_ms + self.options.ack_timeout_ms;
            desk.wakes.move_to(Wake::Inbox(self.key), &mut self.look_ms, Some(due_ms));
        }
    }

    /// The device of a member that has sent a publication is told how many receive it.
    fn open_receipt(&mut self, publication: &Publication) {
        let client = publication.info.as_ref().map(|info| info.client);
        let Some(at) = client.and_then(|client| self.seats.get(&client)) else { return };
        let live = &self.live[*at as usize];
        let others = u32::try_from(self.member_count() - 1).expect("members are bounded");
        self.receipts.open(publication.offset, (live.user.clone(), live.id.clone()), others);
    }

    /// What a connected device has published itself and is not sent counts as received, where nothing before it is missing.
    fn pass_own(&mut self, at: u32, offset: u64, desk: &mut Desk) {
        let device = &mut self.live[at as usize].device;
        let passed = if device.floor() + 1 == offset { device.pass(offset) } else { 0 };
        self.owe(-(passed as i64), desk);
    }

    /// A device that goes along with everybody is at its stop: unless it has received more meanwhile, it is not sent
    /// `offset` before it has.
    fn stop(&mut self, at: u32, offset: u64, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        self.pass_over(at, shelf, now, desk);
        let live = &mut self.live[at as usize];
        live.stop_at = 0;
        let stop_at = live.device.floor() + u64::from(self.options.max_unacked) + 1;
        if stop_at > offset {
            live.stop_at = stop_at;
            self.stops.insert((stop_at, at));
            return;
        }
        live.pace = Pace::Behind;
        live.device.send_up_to(offset - 1);
        live.deadline_ms = live.deadline_ms.max(now.mono_ms + self.options.ack_timeout_ms);
        let due_ms = live.due_ms.or(Some(live.deadline_ms));
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, due_ms);
        self.say(at, Sending::behind(), desk);
    }

    /// Sends a device what follows what it was sent, as much as it may have before it has received more: so many beyond its
    /// floor, and so many bytes at once, but for the first.
    pub(super) fn pump(
        &mut self,
        at: u32,
        (window, bytes_max): (u32, usize),
        shelf: Shelf<'_>,
        now: Now,
        desk: &mut Desk,
    ) {
        if self.live[at as usize].pace != Pace::Behind {
            return;
        }
        if self.pass_over(at, shelf, now, desk) {
            return self.go_on_passing(at, now, desk);
        }
        let skips_own = self.options.skips_own;
        let live = &mut self.live[at as usize];
        let (device, top) = (live.device, shelf.top());
        if device.floor() < top && device.floor() + 1 < shelf.first() {
            return self.say(at, Sending::Gap, desk);
        }
        let attempt = if device.sent() == device.floor() { device.failed + 1 } else { 1 };
        let until = top.min(device.floor() + u64::from(window));
        let (mut bytes, mut sent) = (0, device.sent());
        let mut publications = Vec::new();
        for publication in (device.sent() + 1..=until).map_while(|offset| shelf.get(offset)) {
            if is_for(live, publication, shelf, skips_own) {
                bytes += publication.weight();
                if bytes > bytes_max && !publications.is_empty() {
                    break;
                }
                publications.push(publication.clone());
            }
            sent = publication.offset;
        }
        if let (Some(first), Some(last)) = (publications.first(), publications.last()) {
            desk.note(
                &self.channel,
                (first.offset, last.offset),
                What::Sent,
                Some((&live.user, &live.id, attempt)),
                now,
            );
            desk.sent_bytes(bytes);
        }
        live.device.send_up_to(sent);
        let behind = sent < top;
        let floor = device.floor();
        if behind && publications.is_empty() {
            return;
        }
        live.deadline_ms = now.mono_ms + self.options.wait_ms(device.failed, 0);
        if !behind {
            live.pace = Pace::Along;
            live.stop_at = floor + u64::from(self.options.max_unacked) + 1;
            self.stops.insert((live.stop_at, at));
        }
        if floor < top && live.due_ms.is_none() {
            desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(live.deadline_ms));
        }
        self.say(at, Sending::Publications { publications: publications.into(), attempt, behind }, desk);
    }

    /// What follows the floor and is not for the device counts as received. So much at a time; true where more may follow.
    pub(super) fn pass_over(&mut self, at: u32, shelf: Shelf<'_>, now: Now, desk: &mut Desk) -> bool {
        let live = &self.live[at as usize];
        let floor = live.device.floor();
        let next = (floor + 1..=shelf.top()).map_while(|offset| shelf.get(offset)).take(PASSED_OVER_AT_ONCE);
        let passed = next.take_while(|next| !is_for(live, next, shelf, self.options.skips_own)).count();
        if passed == 0 {
            return false;
        }
        let last = floor + passed as u64;
        let (user, id) = (live.user.clone(), live.id.clone());
        self.live[at as usize].device.advance(last);
        desk.note(&self.channel, (floor + 1, last), What::PassedOver, Some((&user, &id, 0)), now);
        desk.looked_at(passed / PASSED_OVER_PER_LOOK);
        self.owe(-(passed as i64), desk);
        self.keep_device(Whose { user: &user, device: &id }, now, desk);
        let live = &mut self.live[at as usize];
        if live.pace == Pace::Again {
            // What was sent again was for it until now.
            live.pace = Pace::Behind;
        }
        passed == PASSED_OVER_AT_ONCE
    }

    /// A device is passed over more when sweeps get on. One that is behind hears nothing by the way meanwhile.
    fn go_on_passing(&mut self, at: u32, now: Now, desk: &mut Desk) {
        let live = &mut self.live[at as usize];
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(now.mono_ms));
        if live.pace == Pace::Behind {
            self.say(at, Sending::behind(), desk);
        }
    }

    /// A device goes along with everybody no longer. What it was sent that way counts.
    pub(super) fn leave_others(&mut self, at: u32) {
        let live = &mut self.live[at as usize];
        if live.pace == Pace::Along {
            self.stops.remove(&(live.stop_at, at));
            live.stop_at = 0;
            live.device.send_up_to(self.top);
        }
    }

    /// A device whose stream has begun anew is told so.
    pub(super) fn tell_over(&mut self, at: u32, desk: &mut Desk) {
        let pace = &mut self.live[at as usize].pace;
        if *pace == Pace::Over {
            *pace = Pace::Behind;
            self.say(at, Sending::Gap, desk);
        }
    }

    /// Connected devices are to be looked at: something was published a while ago, or the stream has begun anew. As many as the sweep may.
    pub(super) fn look(&mut self, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        self.look_ms = None;
        let (from, top) = self.look;
        let mut until = from;
        while until < self.live.capacity() && desk.has_looks() {
            desk.looked_at(1);
            match self.live.get(until) {
                Some(Live { pace: Pace::Along, due_ms: None, .. }) => self.due(until as u32, shelf, now, desk),
                Some(Live { pace: Pace::Over, .. }) => self.tell_over(until as u32, desk),
                _ => {}
            }
            until += 1;
        }
        let next_ms = if until < self.live.capacity() {
            self.look.0 = until;
            Some(now.mono_ms)
        } else if self.top > top && !self.live.is_empty() {
            self.look = (0, self.top);
            Some(now.mono_ms + self.options.ack_timeout_ms)
        } else {
            None
        };
        desk.wakes.move_to(Wake::Inbox(self.key), &mut self.look_ms, next_ms);
    }

    /// A device is looked at: has it received in time what it was sent?
    pub(super) fn woken(&mut self, at: u32, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        self.live[at as usize].due_ms = None;
        if self.live[at as usize].pace == Pace::Over {
            return self.tell_over(at, desk);
        }
        self.due(at, shelf, now, desk);
    }

    fn due(&mut self, at: u32, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        if self.pass_over(at, shelf, now, desk) {
            return self.go_on_passing(at, now, desk);
        }
        let live = &mut self.live[at as usize];
        let (floor, sent) = (live.device.floor(), live.device.sent());
        if floor >= shelf.top() || (live.pace == Pace::Behind && sent == floor) {
            // Nothing of what it was sent is missing.
            return self.pump(at, (self.options.max_unacked, AGAIN_BYTES_MAX), shelf, now, desk);
        }
        let Some(next) = shelf.get(floor + 1) else { return self.say(at, Sending::Gap, desk) };
        let mut deadline_ms = live.deadline_ms;
        if live.pace == Pace::Along {
            // The wall clock can jump: nothing was sent before the node began, nor will it be. What is to come has had its time.
            let (age_ms, timeout_ms) = (now.unix_ms - next.time_unix_ms, self.options.ack_timeout_ms);
            if age_ms.saturating_add_unsigned(timeout_ms) > 0 {
                let sent_ms = now.mono_ms.saturating_sub(age_ms.max(0).unsigned_abs());
                deadline_ms = deadline_ms.max(sent_ms + timeout_ms);
            }
        }
        if deadline_ms > now.mono_ms {
            desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(deadline_ms));
            return;
        }
        self.fail(at, next, shelf, now, desk);
    }

    /// The first after the floor was sent and not received in time.
    fn fail(&mut self, at: u32, next: &Arc<Publication>, shelf: Shelf<'_>, now: Now, desk: &mut Desk) {
        if self.waits_for_ledger(at, now, desk) {
            return;
        }
        self.leave_others(at);
        let live = &mut self.live[at as usize];
        let (channel, options) = (&self.channel, self.options);
        let device = &mut live.device;
        device.failed += 1;
        device.rewind();
        let attempts = device.failed;
        if attempts >= options.max_attempts {
            device.advance(next.offset);
            live.pace = Pace::Behind;
            desk.note(channel, (next.offset, next.offset), What::GivenUp, Some((&live.user, &live.id, attempts)), now);
            let (user, id) = (live.user.clone(), live.id.clone());
            let failure = Failure { user, device: id, attempts, at_unix_ms: now.unix_ms };
            let more = match options.is_shared {
                true => None,
                false => desk.dead.add(channel, &self.epoch, next, failure.clone()),
            };
            self.count(Count::GivenUp, desk);
            self.owe(-1, desk);
            let (user, id) = (failure.user.clone(), failure.device.clone());
            self.keep(desk, || match more {
                None => Changed::DeadLetter { publication: next.clone(), failure },
                // Not each device of a large room has a copy of the publication on the disk.
                Some(more) => Changed::DeadLetterMore { offset: next.offset, more },
            });
            // A ledger has moved the floor with the letter.
            self.keep_device(Whose { user: &user, device: &id }, now, desk);
            return self.pump(at, (options.max_unacked, AGAIN_BYTES_MAX), shelf, now, desk);
        }
        device.send_up_to(next.offset);
        live.pace = Pace::Again;
        live.deadline_ms = now.mono_ms + options.wait_ms(attempts, desk.jitter());
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(live.deadline_ms));
        let (user, id) = (live.user.clone(), live.id.clone());
        desk.note(channel, (next.offset, next.offset), What::Sent, Some((&user, &id, attempts + 1)), now);
        let publications = Arc::from([next.clone()]);
        desk.sent_bytes(next.weight());
        self.count(Count::Redelivery, desk);
        // Attempts are rare: none before `ack_timeout`, and each is waited for longer than the one before.
        self.keep_device(Whose { user: &user, device: &id }, now, desk);
        self.say(at, Sending::Publications { publications, attempt: attempts + 1, behind: true }, desk);
    }
}

/// Whether a publication is for a device: it has not ended by itself, one of its sessions wants it, and none has published it
/// that is not sent its own.
fn is_for(live: &Live, publication: &Publication, shelf: Shelf<'_>, skips_own: bool) -> bool {
    !shelf.has_ended(publication) && live.wants(publication) && !(skips_own && live.has_published(publication))
}
