//! What devices say of what they were sent: that they have received it, or do not want it yet.

use super::desk::Desk;
use super::device::Known;
use super::dispatch::Sending;
use super::inbox::{Inbox, Whose};
use super::live::Pace;
use super::member::Member;
use super::members::Place;
use super::receipts::Moved;
use super::trace::What;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::AGAIN_BYTES_MAX;
use crate::model::ClientId;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

impl Inbox {
    /// The last offset that a device can have received.
    pub(super) fn reached(&self, known: Known) -> u64 {
        match known {
            Known::Here(at) if self.live[at as usize].pace == Pace::Along => self.top,
            // What it was sent on another node is not known here.
            Known::Here(_) if self.options.is_shared => self.top,
            known => self.look_up(known).reached(),
        }
    }

    /// What is known of a device that says something, and of its member, with where that is: looked up by the session where that
    /// has a seat, since of all that devices say this is said most.
    fn speaker(&mut self, whose: Whose<'_>, client: ClientId) -> Result<(Place, Member, Known), Error> {
        if let Some(at) = self.seats.get(&client).copied() {
            let live = &mut self.live[at as usize];
            if *live.user == **whose.user && *live.id == *whose.device {
                let found = self.members.look_up_again(&mut live.row, &live.user);
                let (place, member) = found.expect("who has a seat is a member");
                return Ok((place, member, Known::Here(at)));
            }
        }
        self.named(whose)
    }

    /// The same, looked up by names.
    fn named(&self, whose: Whose<'_>) -> Result<(Place, Member, Known), Error> {
        let (place, row) = self.members.look_up(whose.user).ok_or(ErrorKind::PermissionDenied)?;
        let never = || ErrorKind::BadRequest.because("bad request: this device was sent nothing in the channel");
        let known = row.device(whose.device).ok_or_else(never)?;
        Ok((place, row.member, known))
    }

    /// Whether a device can mean this place.
    fn check_reached(&self, known: Known, epoch: &str, offset: u64) -> Result<(), Error> {
        if !epoch.is_empty() && *epoch != *self.epoch {
            return Err(ErrorKind::UnrecoverablePosition.into());
        }
        match offset <= self.reached(known) {
            true => Ok(()),
            false => Err(ErrorKind::BadRequest.because("bad request: the offset lies beyond what the device was sent")),
        }
    }

    /// A device has received all up to an offset: its session says so. How many sessions are told of it that would be told nothing otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] for another epoch, [`ErrorKind::BadRequest`] beyond what it was sent,
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub(super) fn received(
        &mut self,
        whose: Whose<'_>,
        client: ClientId,
        (epoch, offset): (&str, u64),
        shelf: Shelf<'_>,
        now: Now,
        desk: &mut Desk,
    ) -> Result<u32, Error> {
        self.agree(shelf, desk);
        let (place, mut member, known) = self.speaker(whose, client)?;
        self.check_reached(known, epoch, offset)?;
        self.received_requeued(whose, offset, now, desk);
        let mut device = self.look_up(known);
        let before = device.floor();
        let by = device.advance(offset);
        let is_ahead = std::mem::take(&mut device.is_ahead);
        let furthest = member.received;
        if by > 0 {
            (device.seen_s, device.has_lost) = (desk.seen_s(now), false);
            let known_so_far = member;
            member.received = furthest.max(offset);
            if self.is_noticed(known) {
                member.noticed = member.noticed.max(offset);
            }
            if member != known_so_far {
                self.members.set_at(place, &member);
            }
        }
        match known {
            Known::Here(at) => self.live[at as usize].device = device,
            Known::Away(_) => self.members.set_device(whose.user, whose.device, Known::Away(device)),
        }
        if by == 0 {
            if is_ahead || self.options.is_shared {
                // What was passed over for it is answered now, and must be known after a restart; a ledger may not have taken
                // what was said before.
                self.keep_device(whose, now, desk);
            }
            return Ok(0);
        }
        desk.note(&self.channel, (before + 1, offset), What::Received, Some((whose.user, whose.device, 0)), now);
        self.owe(-(by as i64), desk);
        if let Known::Here(at) = known {
            let live = &mut self.live[at as usize];
            live.deadline_ms = now.mono_ms + self.options.ack_timeout_ms;
            if live.pace == Pace::Again {
                live.pace = Pace::Behind;
            }
            self.pass_over(at, shelf, now, desk);
            self.pump(at, (self.options.max_unacked, AGAIN_BYTES_MAX), shelf, now, desk);
        }
        self.keep_device(whose, now, desk);
        Ok(self.moved(whose.user, Moved::Received, (furthest, offset), now, desk))
    }

    /// Whether what a device has received is noticed. Of one that is not connected nothing else is known.
    pub(super) fn is_noticed(&self, known: Known) -> bool {
        match known {
            Known::Here(at) => self.options.push_after_ms == 0 || self.live[at as usize].notices(),
            Known::Away(_) => true,
        }
    }

    /// A device does not want what follows its floor before `delay_ms` have passed. That attempt has failed then, once, however
    /// often it is said before.
    ///
    /// # Errors
    /// As [`Inbox::received`].
    pub(super) fn retry(
        &mut self,
        whose: Whose<'_>,
        (epoch, offset): (&str, u64),
        delay_ms: u64,
        now: Now,
        desk: &mut Desk,
    ) -> Result<(), Error> {
        let (.., known) = self.named(whose)?;
        self.check_reached(known, epoch, offset)?;
        let floor = self.look_up(known).floor();
        if offset <= floor {
            return Err(ErrorKind::BadRequest.because("bad request: the device has received it"));
        }
        let Known::Here(at) = known else {
            return Err(ErrorKind::NotAvailable.because("not available: the device is not subscribed to the channel"));
        };
        let next = floor + 1;
        self.leave_others(at);
        let live = &mut self.live[at as usize];
        let is_known = std::mem::replace(&mut live.pace, Pace::Again) == Pace::Again;
        live.deadline_ms = now.mono_ms + delay_ms;
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(live.deadline_ms));
        // Who says it again and again moves the time, and has nothing written each time.
        let attempt = (next, live.device.failed);
        if std::mem::replace(&mut live.put_off, attempt) != attempt {
            desk.note(&self.channel, (next, next), What::Retry, Some((whose.user, whose.device, 0)), now);
        }
        if !is_known {
            self.say(at, Sending::behind(), desk);
        }
        Ok(())
    }
}
