//! One channel whose publications are received at least once: its members, their devices, who of them is connected.
//!
//! Publications go along with everybody in the channel, and cost the same however many devices there are: a device that
//! keeps up is registered at the offset that it must not be sent before it has received more, and the channel at the time
//! at which devices are looked at (`rounds`). Who is late, or comes back, is sent to by its name.
//!
//! Invariants: a floor never goes back; every offset that a floor passes was received, was given up (and is a dead
//! letter), was not for the device (kept out by its filter, over, its own), or was no longer kept and is told as lost. It
//! never encodes, and never sees a session.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::change::{Change, Changed};
use super::desk::{Account, Count, Desk};
use super::device::Device;
use super::dispatch::{Dispatch, Sending};
use super::live::{Listener, Live, Pace};
use super::member::Members;
use super::options::InboxOptions;
use super::receipts::{Moved, Receipts};
use super::requeued::Requeued;
use super::trace::What;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::{AGAIN_BYTES_MAX, ARRIVAL_BYTES_MAX, ARRIVAL_PUBLICATIONS};
use crate::model::ClientId;
use crate::model::refusal::{Error, ErrorKind};
use crate::time::Now;

/// A device of a user, as a session names it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The user, never empty.
    pub user: &'a Arc<str>,
    /// The device; empty for sessions without an id.
    pub device: &'a str,
}

/// A device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// All up to here was received, or is lost; what follows it is sent.
    pub floor: u64,
    /// Nothing is lost that was not told before.
    pub whole: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) channel: Arc<str>,
    /// Its place among the inboxes of the home.
    pub(super) key: u32,
    pub(super) options: InboxOptions,
    /// Of the configuration that the options are from.
    pub(super) generation: u32,
    /// Of the stream that the floors are places in; empty before there was one.
    pub(super) epoch: Arc<str>,
    /// Where that stream stands.
    pub(super) top: u64,
    pub(super) members: Members,
    pub(super) devices: u64,
    /// Publications that devices have yet to receive, all together.
    pub(super) unreceived: u64,
    pub(super) live: Slab<Live>,
    pub(super) seats: HashMap<ClientId, u32>,
    /// Devices that keep up, by the offset that they must not be sent along with everybody.
    pub(super) stops: BTreeSet<(u64, u32)>,
    /// When connected devices are looked at.
    pub(super) look_ms: Option<u64>,
    /// Where the look goes on, and where the stream stood when it began.
    pub(super) look: (usize, u64),
    /// How many have received and read what members have sent, in a large channel.
    pub(super) receipts: Receipts,
    /// Whose positions have changed, and when that is told.
    pub(super) changed: BTreeSet<Arc<str>>,
    pub(super) positions_ms: Option<u64>,
    /// Dead letters that are sent once more.
    pub(super) requeued: Requeued,
}

impl Inbox {
    pub(super) fn new(channel: Arc<str>, key: u32, options: InboxOptions) -> Self {
        Self {
            channel,
            key,
            options,
            generation: 0,
            epoch: Arc::default(),
            top: 0,
            members: Members::new(),
            devices: 0,
            unreceived: 0,
            live: Slab::new(),
            seats: HashMap::new(),
            stops: BTreeSet::new(),
            look_ms: None,
            look: (0, 0),
            receipts: Receipts::default(),
            changed: BTreeSet::new(),
            positions_ms: None,
            requeued: Requeued::default(),
        }
    }

    /// Whether nobody belongs to the channel.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn count(&self, count: Count, desk: &mut Desk) {
        let account = match self.generation == desk.generation {
            true => Account::Namespace(self.options.namespace),
            false => Account::Channel(self.channel.clone()),
        };
        desk.counts.push((account, count));
    }

    pub(super) fn owe(&mut self, more: i64, desk: &mut Desk) {
        if more != 0 {
            self.unreceived = self.unreceived.checked_add_signed(more).expect("what is taken away was added");
            self.count(Count::Unreceived(more), desk);
        }
    }

    /// Has a change kept on disk, where the channel is.
    pub(super) fn keep(&self, desk: &mut Desk, what: impl FnOnce() -> Changed) {
        if self.options.is_durable {
            let (channel, epoch) = (self.channel.clone(), self.epoch.clone());
            desk.changes.push(Change { channel, epoch, what: what() });
        }
    }

    /// As [`Inbox::keep`], of a member.
    pub(super) fn keep_member(&self, user: &Arc<str>, desk: &mut Desk) {
        let Some(member) = self.members.get(user) else { return };
        let (received, read) = (member.received, member.read);
        self.keep(desk, || Changed::Member { user: user.clone(), received, read });
    }

    /// As [`Inbox::keep`], of a device.
    pub(super) fn keep_device(&self, whose: Whose<'_>, now: Now, desk: &mut Desk) {
        let Some(member) = self.members.get(whose.user) else { return };
        let Some(device) = member.device(whose.device) else { return };
        self.keep(desk, || Changed::Device {
            user: whose.user.clone(),
            device: whose.device.into(),
            floor: device.floor(),
            received: member.received,
            seen_unix_s: now.unix_s().max(0) as u64,
            failed: device.failed,
            has_lost: device.has_lost,
        });
    }

    /// A device is here. That is kept on disk now and then: where it is all that is known of one that has nothing to receive,
    /// it must not seem to have been away.
    fn see(&mut self, whose: Whose<'_>, now: Now, desk: &mut Desk) {
        let step_s = self.options.seen_step_s();
        let device = self.members.get_mut(whose.user).and_then(|member| member.device_mut(whose.device));
        if device.is_some_and(|device| device.see(seen_s(now), step_s)) {
            self.keep_device(whose, now, desk);
        }
    }

    /// The floors are places in this stream from now on. Where it has begun anew, nothing of it was received, and what was
    /// before is told as lost.
    pub(super) fn agree(&mut self, shelf: Shelf<'_>, desk: &mut Desk) {
        if self.epoch != *shelf.epoch() {
            if !self.epoch.is_empty() {
                self.begin_anew();
                self.stops.clear();
                for (_, live) in &mut self.live {
                    (live.pace, live.stop_at) = (Pace::Behind, 0);
                }
                self.say_to(None, &Sending::Gap, desk);
            }
            self.epoch = shelf.epoch().clone();
            let owed = self.devices * shelf.top();
            self.owe(owed as i64 - self.unreceived as i64, desk);
            self.top = shelf.top();
        }
        self.reach(shelf.top(), desk);
    }

    /// The stream stands here: one publication further than before, or more where a reload had the namespace promise nothing
    /// for a while.
    pub(super) fn reach(&mut self, top: u64, desk: &mut Desk) {
        self.owe((self.devices * (top - self.top)) as i64, desk);
        self.top = top;
    }

    /// Nobody belongs to the channel any more: nothing is due.
    pub(super) fn rest(&mut self, desk: &mut Desk) {
        desk.wakes.move_to(Wake::Inbox(self.key), &mut self.look_ms, None);
        desk.wakes.move_to(Wake::Positions(self.key), &mut self.positions_ms, None);
        desk.wakes.move_to(Wake::Requeued(self.key), &mut self.requeued.wake_ms, None);
    }

    /// Nothing of another life of the stream was received.
    pub(super) fn begin_anew(&mut self) {
        self.requeued.clear();
        for member in self.members.values_mut() {
            (member.received, member.read) = (0, 0);
            member.forgotten = member.forgotten.map(|_| 0);
            member.devices.iter_mut().for_each(Device::begin_anew);
        }
        self.receipts.clear();
    }

    // ------------------------------------------------------------ devices come and go

    /// Makes room for a device of a member, if it is not known.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where the member has as many devices as may be, and all are connected.
    pub(super) fn admit(&mut self, whose: Whose<'_>, desk: &mut Desk, now: Now) -> Result<(), Error> {
        let member = self.members.get_mut(whose.user).ok_or(ErrorKind::PermissionDenied)?;
        if member.device(whose.device).is_some() {
            return Ok(());
        }
        let (floor, forgotten, devices_max) = (member.received, member.forgotten, self.options.devices_max);
        if member.devices.len() >= devices_max
            && let Some(at) = member.longest_away()
        {
            self.forget(whose.user, at, desk);
        }
        let member = self.members.get_mut(whose.user).expect("it was found");
        if member.devices.len() >= devices_max {
            return Err(ErrorKind::LimitExceeded.because("limit exceeded: the user has too many devices"));
        }
        let mut device = Device::new(whose.device, floor, seen_s(now));
        // It may be one that was forgotten.
        device.has_lost = forgotten.is_some_and(|forgotten| forgotten < floor);
        member.devices.push(device);
        self.devices += 1;
        self.owe((self.top - floor) as i64, desk);
        self.keep_device(whose, now, desk);
        Ok(())
    }

    /// A session of a device that was admitted has begun its subscription. It is sent what follows its floor.
    pub(super) fn arrive(
        &mut self,
        whose: Whose<'_>,
        listener: Listener,
        shelf: Shelf<'_>,
        now: Now,
        desk: &mut Desk,
    ) -> Arrival {
        self.agree(shelf, desk);
        let known = self.members.get(whose.user).and_then(|member| member.device(whose.device));
        let at = known.expect("it was admitted").live;
        if at != Device::AWAY {
            self.leave_others(at);
        }
        let device = self.members.get_mut(whose.user).and_then(|member| member.device_mut(whose.device));
        let device = device.expect("it was admitted");
        let (before, first) = (device.floor(), shelf.first());
        let passed = device.advance(first - 1);
        // It may never hear the answer: it is told until it has received something that was sent after it.
        device.has_lost |= passed > 0;
        let has_lost = device.has_lost;
        device.rewind();
        let at = match at {
            Device::AWAY => self.live.insert(Live {
                user: whose.user.clone(),
                device: whose.device.into(),
                listeners: SmallVec::new(),
                pace: Pace::Behind,
                stop_at: 0,
                due_ms: None,
                deadline_ms: 0,
            }) as u32,
            at => at,
        };
        device.live = at;
        let floor = device.floor();
        if passed > 0 {
            self.count(Count::Lost, desk);
            desk.note(&self.channel, (before + 1, first - 1), What::Lost, Some((whose.user, whose.device, 0)), now);
            self.owe(-(passed as i64), desk);
            self.keep_device(whose, now, desk);
        }
        self.seats.insert(listener.seat.client, at);
        self.live[at as usize].listeners.push(listener);
        self.live[at as usize].pace = Pace::Behind;
        self.see(whose, now, desk);
        self.pump(at, (ARRIVAL_PUBLICATIONS, ARRIVAL_BYTES_MAX), shelf, now, desk);
        self.resume_requeued(whose, now, desk);
        Arrival { floor, whole: !has_lost }
    }

    /// A session has left the channel.
    pub(super) fn depart(&mut self, client: ClientId, now: Now, desk: &mut Desk) {
        let Some(at) = self.seats.remove(&client) else { return };
        let live = &mut self.live[at as usize];
        live.listeners.retain(|listener| listener.seat.client != client);
        if !live.listeners.is_empty() {
            return;
        }
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, None);
        // What it was sent it may have received: it can say so later.
        self.leave_others(at);
        let live = self.live.remove(at as usize);
        let device = self.members.get_mut(&live.user).and_then(|member| member.device_mut(&live.device));
        let device = device.expect("a connected device is a member's");
        device.live = Device::AWAY;
        self.see(Whose { user: &live.user, device: &live.device }, now, desk);
    }

    /// A user belongs to the channel no longer. Sessions that are subscribed go along with everybody from now on.
    pub(super) fn remove(&mut self, user: &str, desk: &mut Desk) -> bool {
        let Some(member) = self.members.remove(user) else { return false };
        for device in &member.devices {
            self.devices -= 1;
            self.owe(-((self.top - device.floor()) as i64), desk);
            if !device.is_away() {
                self.say(device.live, Sending::along(), desk);
                let live = self.live.get_mut(device.live as usize).expect("it is connected");
                desk.wakes.move_to(Wake::Device(self.key, device.live), &mut live.due_ms, None);
                let live = self.live.remove(device.live as usize);
                self.stops.remove(&(live.stop_at, device.live));
                for listener in live.listeners {
                    self.seats.remove(&listener.seat.client);
                }
            }
        }
        self.changed.remove(user);
        self.requeued.forget(user);
        self.keep(desk, || Changed::MemberGone { user: user.into() });
        true
    }

    pub(super) fn say(&self, at: u32, what: Sending, desk: &mut Desk) {
        let live = &self.live[at as usize];
        // What is said to a device with one session is what that wants.
        let is_one = live.listeners.len() == 1;
        desk.out.extend(live.listeners.iter().map(|listener| Dispatch {
            channel: self.channel.clone(),
            seat: listener.seat,
            what: if is_one { what.clone() } else { what.for_listener(listener) },
        }));
    }

    /// Says something to all sessions of a member, or of all members.
    pub(super) fn say_to(&self, user: Option<&str>, what: &Sending, desk: &mut Desk) {
        match user {
            None => self.live.iter().for_each(|(at, _)| self.say(at as u32, what.clone(), desk)),
            Some(user) => {
                let devices = self.members.get(user).into_iter().flat_map(|member| &member.devices);
                devices.filter(|device| !device.is_away()).for_each(|device| self.say(device.live, what.clone(), desk));
            }
        }
    }

    // ------------------------------------------------------------ what devices say

    fn known(&self, epoch: &str) -> Result<(), Error> {
        match epoch.is_empty() || *epoch == *self.epoch {
            true => Ok(()),
            false => Err(ErrorKind::UnrecoverablePosition.into()),
        }
    }

    /// The last offset that a device can have received.
    fn reached(&self, whose: Whose<'_>) -> Result<u64, Error> {
        let member = self.members.get(whose.user).ok_or(ErrorKind::PermissionDenied)?;
        let never = || ErrorKind::BadRequest.because("bad request: this device was sent nothing in the channel");
        let device = member.device(whose.device).ok_or_else(never)?;
        let is_along = !device.is_away() && self.live[device.live as usize].pace == Pace::Along;
        Ok(if is_along { self.top } else { device.reached() })
    }

    fn check_reached(&self, whose: Whose<'_>, epoch: &str, offset: u64) -> Result<(), Error> {
        let reached = self.reached(whose)?;
        self.known(epoch)?;
        match offset <= reached {
            true => Ok(()),
            false => Err(ErrorKind::BadRequest.because("bad request: the offset lies beyond what the device was sent")),
        }
    }

    /// A device has received all up to an offset.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] for another epoch, [`ErrorKind::BadRequest`] beyond what it was sent,
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub(super) fn received(
        &mut self,
        whose: Whose<'_>,
        (epoch, offset): (&str, u64),
        shelf: Shelf<'_>,
        now: Now,
        desk: &mut Desk,
    ) -> Result<(), Error> {
        self.agree(shelf, desk);
        self.check_reached(whose, epoch, offset)?;
        self.received_requeued(whose, offset, now, desk);
        let member = self.members.get_mut(whose.user).expect("it was looked at");
        let device = member.device_mut(whose.device).expect("it was looked at");
        let (before, at) = (device.floor(), device.live);
        let by = device.advance(offset);
        let is_ahead = std::mem::take(&mut device.is_ahead);
        if by == 0 {
            if is_ahead {
                // What was passed over for it is answered now, and must be known after a restart.
                self.keep_device(whose, now, desk);
            }
            return Ok(());
        }
        (device.seen_s, device.has_lost) = (seen_s(now), false);
        let furthest = member.received;
        member.received = furthest.max(offset);
        desk.note(&self.channel, (before + 1, offset), What::Received, Some((whose.user, whose.device, 0)), now);
        self.owe(-(by as i64), desk);
        if at != Device::AWAY {
            let live = &mut self.live[at as usize];
            live.deadline_ms = now.mono_ms + self.options.ack_timeout_ms;
            if live.pace == Pace::Again {
                live.pace = Pace::Behind;
            }
            self.pass_over(at, shelf, now, desk);
            self.pump(at, (self.options.max_unacked, AGAIN_BYTES_MAX), shelf, now, desk);
        }
        self.keep_device(whose, now, desk);
        self.moved(whose.user, Moved::Received, (furthest, offset), now, desk);
        Ok(())
    }

    /// A device does not want what follows its floor before `delay_ms` have passed. That attempt has failed.
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
        self.check_reached(whose, epoch, offset)?;
        let member = self.members.get_mut(whose.user).expect("it was looked at");
        let device = member.device_mut(whose.device).expect("it was looked at");
        if offset <= device.floor() {
            return Err(ErrorKind::BadRequest.because("bad request: the device has received it"));
        }
        let (at, next) = (device.live, device.floor() + 1);
        if at == Device::AWAY {
            return Err(ErrorKind::NotAvailable.because("not available: the device is not subscribed to the channel"));
        }
        self.leave_others(at);
        let live = &mut self.live[at as usize];
        live.pace = Pace::Again;
        live.deadline_ms = now.mono_ms + delay_ms;
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, Some(live.deadline_ms));
        desk.note(&self.channel, (next, next), What::Retry, Some((whose.user, whose.device, 0)), now);
        self.say(at, Sending::behind(), desk);
        Ok(())
    }
}

/// When a device is seen, Unix seconds.
pub(super) fn seen_s(now: Now) -> u32 {
    u32::try_from(now.unix_s()).unwrap_or(u32::MAX)
}
