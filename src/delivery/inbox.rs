//! One channel whose publications are received at least once: its members, their devices, who of them is connected.
//!
//! Publications go along with everybody in the channel, and cost the same however many devices there are: a device that
//! keeps up is registered at the offset that it must not be sent before it has received more, and the channel at the time
//! at which devices are looked at (`rounds`). Who is late, or comes back, is sent to by its name.
//!
//! Invariants: a floor never goes back; every offset that a floor passes was received, was given up (and is a dead
//! letter), was not for the device (kept out by its filter, over, its own), or was no longer kept and is told as lost. It
//! never encodes, and never sees a session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;
use smallvec::SmallVec;

use super::change::{Change, Changed};
use super::desk::{Account, Count, Desk};
use super::device::{Device, Known};
use super::dispatch::{Dispatch, Sending};
use super::ledger::Ledger;
use super::live::{Listener, Live, Pace};
use super::member::{Member, MemberPosition};
use super::members::{Hint, Members};
use super::options::InboxOptions;
use super::pushes::Pushes;
use super::receipts::Receipts;
use super::requeued::Requeued;
use super::trace::What;
use super::wakes::Wake;
use crate::hub::Shelf;
use crate::limits::{ARRIVAL_BYTES_MAX, ARRIVAL_PUBLICATIONS};
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
    /// Whose positions have changed, how they are, and when that is told.
    pub(super) changed: BTreeMap<Arc<str>, MemberPosition>,
    pub(super) positions_ms: Option<u64>,
    /// Whom pushes are to tell of what was published.
    pub(super) pushes: Pushes,
    /// Dead letters that are sent once more.
    pub(super) requeued: Requeued,
    /// What is known of its ledger, where several nodes share it.
    pub(super) ledger: Ledger,
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
            members: Members::default(),
            devices: 0,
            unreceived: 0,
            live: Slab::new(),
            seats: HashMap::new(),
            stops: BTreeSet::new(),
            look_ms: None,
            look: (0, 0),
            receipts: Receipts::default(),
            changed: BTreeMap::new(),
            positions_ms: None,
            pushes: Pushes::default(),
            requeued: Requeued::default(),
            ledger: Ledger::default(),
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

    /// Whether what changes outlives the process.
    fn is_kept(&self) -> bool {
        self.options.is_durable || self.options.is_shared
    }

    /// Has a change kept, on disk or in the channel's ledger, where it is.
    pub(super) fn keep(&self, desk: &mut Desk, what: impl FnOnce() -> Changed) {
        if self.is_kept() {
            let (channel, epoch) = (self.channel.clone(), self.epoch.clone());
            desk.changes.push(Change { channel, is_shared: self.options.is_shared, epoch, what: what() });
        }
    }

    /// As [`Inbox::keep`], of a member.
    pub(super) fn keep_member(&self, user: &Arc<str>, desk: &mut Desk) {
        let Some(Member { received, read, .. }) = self.members.get(user).map(|row| row.member) else { return };
        self.keep(desk, || Changed::Member { user: user.clone(), received, read });
    }

    /// As [`Inbox::keep`], of a device.
    pub(super) fn keep_device(&self, whose: Whose<'_>, now: Now, desk: &mut Desk) {
        if !self.is_kept() {
            return;
        }
        let Some(row) = self.members.get(whose.user) else { return };
        let Some(known) = row.device(whose.device) else { return };
        let device = self.look_up(known);
        let seen_unix_s = desk.seen_s(now).into();
        self.keep(desk, || Changed::Device {
            user: whose.user.clone(),
            device: whose.device.into(),
            floor: device.floor(),
            received: row.member.received,
            noticed: row.member.noticed,
            seen_unix_s,
            failed: device.failed,
            has_lost: device.has_lost,
            is_background: self.is_in_background(known),
        });
    }

    /// A device, wherever it is.
    pub(super) fn look_up(&self, known: Known) -> Device {
        match known {
            Known::Away(device) => device,
            Known::Here(at) => self.live[at as usize].device,
        }
    }

    /// What is known of a device of a member.
    pub(super) fn known(&self, user: &str, device: &str) -> Option<Known> {
        self.members.get(user)?.device(device)
    }

    /// A connected device is here, still. That is kept now and then: where it is all that is known of one that has
    /// nothing to receive, it must not seem to have been away.
    fn see(&mut self, at: u32, now: Now, desk: &mut Desk) {
        let (step_s, seen_s) = (self.options.seen_step_s(), desk.seen_s(now));
        if self.live[at as usize].device.see(seen_s, step_s) {
            let live = &self.live[at as usize];
            self.keep_device(Whose { user: &live.user, device: &live.id }, now, desk);
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
                    live.device.begin_anew();
                    (live.pace, live.stop_at) = (Pace::Over, 0);
                }
                if !self.live.is_empty() {
                    // There may be very many.
                    self.look = (0, 0);
                    desk.wakes.move_to(Wake::Inbox(self.key), &mut self.look_ms, Some(0));
                }
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
        desk.wakes.move_to(Wake::Pushes(self.key), &mut self.pushes.wake_ms, None);
        self.withdraw(desk);
    }

    /// Nothing of another life of the stream was received.
    pub(super) fn begin_anew(&mut self) {
        self.requeued.clear();
        self.members.begin_anew();
        self.receipts.clear();
        self.ledger.watched_until_ms = 0;
        self.changed.clear();
        self.pushes.begin_anew();
    }

    // ------------------------------------------------------------ devices come and go

    /// Makes room for a device of a member, if it is not known.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where the member has as many devices as may be, and all are connected.
    pub(super) fn admit(&mut self, whose: Whose<'_>, desk: &mut Desk, now: Now) -> Result<(), Error> {
        let row = self.members.get(whose.user).ok_or(ErrorKind::PermissionDenied)?;
        if row.device(whose.device).is_some() {
            return Ok(());
        }
        let Member { received: floor, forgotten, .. } = row.member;
        if row.devices().count() >= self.options.devices_max {
            let many = || ErrorKind::LimitExceeded.because("limit exceeded: the user has too many devices");
            let longest_away: Box<str> = row.longest_away().ok_or_else(many)?.0.into();
            self.forget(whose.user, &longest_away, desk);
        }
        let mut device = Device::new(floor, desk.seen_s(now));
        // It may be one that was forgotten.
        device.has_lost = forgotten.is_some_and(|forgotten| forgotten < floor);
        self.members.set_device(whose.user, whose.device, Known::Away(device));
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
        let known = self.known(whose.user, whose.device).expect("it was admitted");
        if let Known::Here(at) = known {
            self.leave_others(at);
            self.tell_over(at, desk);
        }
        let mut device = self.look_up(known);
        let (before, first) = (device.floor(), shelf.first());
        let passed = device.advance(first - 1);
        // It may never hear the answer: it is told until it has received something that was sent after it.
        device.has_lost |= passed > 0;
        device.rewind();
        let Device { has_lost, .. } = device;
        let floor = device.floor();
        let at = self.seat(whose, known, device);
        if passed > 0 {
            self.count(Count::Lost, desk);
            desk.note(&self.channel, (before + 1, first - 1), What::Lost, Some((whose.user, whose.device, 0)), now);
            self.owe(-(passed as i64), desk);
            self.keep_device(whose, now, desk);
        }
        self.seats.insert(listener.seat.client, at);
        self.live[at as usize].listeners.push(listener);
        self.live[at as usize].pace = Pace::Behind;
        self.see(at, now, desk);
        self.pump(at, (ARRIVAL_PUBLICATIONS, ARRIVAL_BYTES_MAX), shelf, now, desk);
        self.resume_requeued(whose, now, desk);
        Arrival { floor, whole: !has_lost }
    }

    /// A device is connected: its place.
    fn seat(&mut self, whose: Whose<'_>, known: Known, device: Device) -> u32 {
        if let Known::Here(at) = known {
            self.live[at as usize].device = device;
            return at;
        }
        let at = self.live.insert(Live {
            user: whose.user.clone(),
            id: whose.device.into(),
            device,
            row: Hint::default(),
            listeners: SmallVec::new(),
            pace: Pace::Behind,
            stop_at: 0,
            due_ms: None,
            deadline_ms: 0,
            put_off: (0, 0),
        }) as u32;
        self.members.set_device(whose.user, whose.device, Known::Here(at));
        at
    }

    /// A session has left the channel.
    pub(super) fn depart(&mut self, client: ClientId, now: Now, desk: &mut Desk) {
        let Some(at) = self.seats.remove(&client) else { return };
        let live = &mut self.live[at as usize];
        let was_background = live.is_in_background();
        live.listeners.retain(|listener| listener.seat.client != client);
        if !live.listeners.is_empty() {
            let is_news = self.options.is_shared && was_background != live.is_in_background();
            let (user, id) = (live.user.clone(), live.id.clone());
            if is_news {
                self.keep_device(Whose { user: &user, device: &id }, now, desk);
            }
            return;
        }
        desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, None);
        // What it was sent it may have received: it can say so later.
        self.leave_others(at);
        self.see(at, now, desk);
        let live = self.live.remove(at as usize);
        self.members.set_device(&live.user, &live.id, Known::Away(live.device));
        if self.options.is_shared {
            self.detach(&live.user, &live.id, desk);
        }
    }

    /// A user belongs to the channel no longer. Sessions that are subscribed go along with everybody from now on.
    pub(super) fn remove(&mut self, user: &str, desk: &mut Desk) -> bool {
        let Some(row) = self.members.get(user) else { return false };
        for known in row.devices().map(|(_, known)| known).collect::<SmallVec<[Known; 4]>>() {
            self.devices -= 1;
            self.owe(-((self.top - self.look_up(known).floor()) as i64), desk);
            if let Known::Here(at) = known {
                self.tell_over(at, desk);
                self.say(at, Sending::along(), desk);
                let mut live = self.live.remove(at as usize);
                desk.wakes.move_to(Wake::Device(self.key, at), &mut live.due_ms, None);
                self.stops.remove(&(live.stop_at, at));
                for listener in live.listeners {
                    self.seats.remove(&listener.seat.client);
                }
            }
        }
        self.members.remove(user);
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
                for (_, known) in self.members.get(user).into_iter().flat_map(|row| row.devices()) {
                    if let Known::Here(at) = known {
                        self.say(at, what.clone(), desk);
                    }
                }
            }
        }
    }
}
