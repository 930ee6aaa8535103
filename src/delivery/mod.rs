//! At least once: who must receive what is published in a channel, what each of their devices has received, and sending
//! again what it has not.
//!
//! At the channel's home, without I/O: the time is an argument, publications are looked up on the channel's
//! [`Shelf`], and what sessions are to be told is left in [`Delivery::out`], which the caller takes
//! after each input. A channel of an at-least-once namespace has an *inbox* while it has members.
//!
//! ```text
//! published ─→ along with everybody ──received──→ the floor moves
//!                  │ not in time                       ↑
//!                  └─→ sent again, by name, one by one ┴─ as often as may be ─→ dead letter
//! ```

mod change;
mod dead_letters;
mod desk;
mod device;
mod dispatch;
mod forgetting;
mod founders;
mod heard;
mod inbox;
mod ledger;
mod live;
mod member;
mod members;
mod options;
mod positions;
mod push;
mod pushes;
mod pushing;
mod receipts;
mod recovery;
mod requeued;
mod requeueing;
mod rounds;
mod row;
mod said;
mod shared;
mod shares;
mod survey;
#[cfg(test)]
mod tests;
mod trace;
mod wakes;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use slab::Slab;

pub use change::Change;
pub use dead_letters::{DeadLetter, DeadLetterFilter, DeadLetters, Failure, Place, Requeue};
pub use desk::{Account, Count};
pub use dispatch::{Dispatch, Sending};
pub use inbox::{Arrival, Whose};
pub use live::{Listener, Seat};
pub use member::MemberPosition;
pub use options::InboxOptions;
pub use positions::{DevicePosition, MemberDevices, Positions, Unread};
pub use push::{Push, PushTo, PushWhat};
pub use receipts::Receipt;
pub use survey::Behind;
pub use trace::{Trace, TraceEvent, What};

use self::change::Changed;
use self::desk::Desk;
use self::forgetting::Walk;
use self::founders::Founders;
use self::inbox::Inbox;
use self::member::Member;
use self::said::Said;
use self::survey::Survey;
use self::wakes::Wake;
use crate::hub::{Hub, Shelf};
use crate::limits::{INBOXES_RENEWED_PER_SWEEP, MEMBERS_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientId, Position};
use crate::time::Now;

/// The inboxes of the channels at home on one shard.
#[derive(Debug)]
pub struct Delivery {
    inboxes: Slab<Inbox>,
    by_channel: HashMap<Arc<str>, u32>,
    founders: Founders,
    desk: Desk,
    /// How far a snapshot of what lives has come.
    said: Said,
    survey: Survey,
    /// The next inbox that is told of a configuration that was read again.
    renewed: usize,
    /// How far looking for devices that are away too long has come.
    walk: Walk,
}

impl Delivery {
    /// Without members. Jitter follows from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            inboxes: Slab::new(),
            by_channel: HashMap::new(),
            founders: Founders::default(),
            desk: Desk::new(seed),
            said: Said::default(),
            survey: Survey::default(),
            renewed: 0,
            walk: Walk::default(),
        }
    }

    /// Output: what sessions are to be told, in order, before what is published next.
    pub fn out(&mut self) -> std::vec::Drain<'_, Dispatch> {
        self.desk.out.drain(..)
    }

    /// Output: what is to be counted.
    pub fn counts(&mut self) -> std::vec::Drain<'_, (Account, Count)> {
        self.desk.counts.drain(..)
    }

    /// Output: what is to be kept, on disk or in ledgers, in order.
    pub fn changes(&mut self) -> std::vec::Drain<'_, Change> {
        self.desk.changes.drain(..)
    }

    /// Whether there is output to take.
    pub fn has_output(&self) -> bool {
        self.has_news() || !self.desk.counts.is_empty()
    }

    /// Whether there is more of it than what is to be counted, as most words of what was received leave nothing else.
    pub fn has_news(&self) -> bool {
        let Desk { out, changes, pushes, .. } = &self.desk;
        !(out.is_empty() && changes.is_empty() && pushes.is_empty())
    }

    /// What was given up.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.desk.dead
    }

    /// Has a dead letter sent once more to the devices that have not received it. It is one until they have. `shelf` is the
    /// channel's, which may have begun anew, or be gone, since anybody was there.
    ///
    /// # Errors
    /// [`ErrorKind::NotAvailable`] where there is none, or none of its devices is known any more.
    pub fn requeue(
        &mut self,
        channel: &str,
        offset: u64,
        shelf: Option<Shelf<'_>>,
        now: Now,
    ) -> Result<Requeue, Error> {
        let unknown = || ErrorKind::NotAvailable.because("not available: no such dead letter");
        let letter = self.desk.dead.find(channel, offset).ok_or_else(unknown)?.clone();
        let nobody = || ErrorKind::NotAvailable.because("not available: none of its devices is known any more");
        let (inbox, desk) = self.find(channel).ok_or_else(nobody)?;
        if let Some(shelf) = shelf {
            inbox.agree(shelf, desk);
        }
        if shelf.is_none() || inbox.epoch != letter.epoch {
            return Ok(Requeue::Anew(letter.publication));
        }
        match inbox.requeue(&letter, now, desk) {
            0 => Err(nobody()),
            _ => Ok(Requeue::Again(Position { offset, epoch: letter.epoch })),
        }
    }

    /// Forgets one dead letter of a channel, or all; how many those were. Whether that is kept on disk is the channel's.
    pub fn purge(&mut self, channel: &Arc<str>, offset: Option<u64>, is_durable: bool) -> usize {
        let gone: Vec<_> = match offset {
            Some(offset) => self.desk.dead.remove(channel, offset).into_iter().collect(),
            None => self.desk.dead.purge(channel),
        };
        if let Some((inbox, _)) = self.find(channel) {
            gone.iter().for_each(|letter| inbox.requeued.forget_letter(letter));
        }
        if is_durable {
            self.desk.changes.extend(gone.iter().map(|letter| Change {
                channel: channel.clone(),
                is_shared: false,
                epoch: letter.epoch.clone(),
                what: Changed::DeadLetterGone { offset: letter.publication.offset },
            }));
        }
        gone.len()
    }

    /// What has happened.
    pub fn trace(&self) -> &Trace {
        &self.desk.trace
    }

    fn find(&mut self, channel: &str) -> Option<(&mut Inbox, &mut Desk)> {
        let key = *self.by_channel.get(channel)?;
        Some((&mut self.inboxes[key as usize], &mut self.desk))
    }

    /// The inbox of a channel, which may be new, under these options from now on.
    fn entry(
        &mut self,
        channel: &Arc<str>,
        options: InboxOptions,
        shelf: Option<Shelf<'_>>,
    ) -> (&mut Inbox, &mut Desk) {
        let key = match self.by_channel.get(channel) {
            Some(key) => *key,
            None => {
                let entry = self.inboxes.vacant_entry();
                let key = u32::try_from(entry.key()).expect("channels are bounded by memory");
                entry.insert(Inbox::new(channel.clone(), key, options));
                self.by_channel.insert(channel.clone(), key);
                key
            }
        };
        let (inbox, desk) = (&mut self.inboxes[key as usize], &mut self.desk);
        (inbox.options, inbox.generation) = (options, desk.generation);
        if let Some(shelf) = shelf {
            inbox.agree(shelf, desk);
        }
        (inbox, desk)
    }

    // ------------------------------------------------------------ members

    /// A user belongs to a channel from now on, and is to receive what follows `since`: nothing changes for one who did
    /// before. False for such a one.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where there are too many.
    pub fn add_member(
        &mut self,
        channel: &Arc<str>,
        user: &Arc<str>,
        since: u64,
        options: InboxOptions,
        shelf: Option<Shelf<'_>>,
    ) -> Result<bool, Error> {
        let (inbox, desk) = self.entry(channel, options, shelf);
        if inbox.members.contains(user) {
            return Ok(false);
        }
        if inbox.members.len() >= MEMBERS_MAX {
            return Err(ErrorKind::LimitExceeded.because("limit exceeded: the channel has too many members"));
        }
        inbox.members.set(user, &Member::since(since));
        inbox.keep_member(user, desk);
        Ok(true)
    }

    /// As [`Delivery::add_member`], by the user's own subscription: nobody can be the first in channels without end, since what
    /// is kept of a channel's members stays.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where there are too many, or the user was the first in too many channels.
    pub fn join(
        &mut self,
        channel: &Arc<str>,
        user: &Arc<str>,
        since: u64,
        options: InboxOptions,
        shelf: Option<Shelf<'_>>,
    ) -> Result<bool, Error> {
        let is_first = !self.by_channel.contains_key(channel);
        if is_first && !self.founders.may_found(user) {
            let why = "limit exceeded: the user was the first member in too many channels";
            return Err(ErrorKind::LimitExceeded.because(why));
        }
        let is_new = self.add_member(channel, user, since, options, shelf)?;
        if is_first {
            self.founders.found(channel, user);
        }
        Ok(is_new)
    }

    /// A user belongs to a channel no longer. False for one who did not.
    pub fn remove_member(&mut self, channel: &str, user: &str) -> bool {
        let Some((inbox, desk)) = self.find(channel) else { return false };
        let removed = inbox.remove(user, desk);
        self.forget_if_empty(channel);
        removed
    }

    fn forget_if_empty(&mut self, channel: &str) {
        if let Some((inbox, desk)) = self.find(channel)
            && inbox.is_empty()
        {
            inbox.rest(desk);
            self.forget_inbox(channel);
        }
    }

    fn forget_inbox(&mut self, channel: &str) {
        let key = self.by_channel.remove(channel).expect("it exists");
        self.inboxes.remove(key as usize);
        self.founders.forget(channel);
    }

    /// An inbox stands where its channel's stream does, which may have begun anew while nobody was there.
    pub fn agree(&mut self, channel: &str, shelf: Shelf<'_>) {
        if let Some((inbox, desk)) = self.find(channel) {
            inbox.agree(shelf, desk);
        }
    }

    /// Whether a user belongs to a channel.
    pub fn is_member(&self, channel: &str, user: &str) -> bool {
        let inbox = self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize]);
        inbox.is_some_and(|inbox| inbox.members.contains(user))
    }

    /// Whether a device of a member is known.
    pub fn has_device(&self, channel: &str, whose: Whose<'_>) -> bool {
        let inbox = self.by_channel.get(channel).map(|key| &self.inboxes[*key as usize]);
        inbox.is_some_and(|inbox| inbox.known(whose.user, whose.device).is_some())
    }

    // ------------------------------------------------------------ sessions

    /// A session of a member is about to subscribe: makes room for its device.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] where the user has too many devices.
    pub fn admit(&mut self, channel: &str, whose: Whose<'_>, now: Now) -> Result<(), Error> {
        let (inbox, desk) = self.find(channel).ok_or(ErrorKind::PermissionDenied)?;
        inbox.admit(whose, desk, now)
    }

    /// A session of a device that was admitted has subscribed, on a shard. It is sent what follows the floor of the device.
    pub fn arrive(
        &mut self,
        channel: &str,
        whose: Whose<'_>,
        listener: Listener,
        shelf: Shelf<'_>,
        now: Now,
    ) -> Arrival {
        let (inbox, desk) = self.find(channel).expect("its device was admitted");
        let before = inbox.noticed_by(whose.user);
        let arrival = inbox.arrive(whose, listener, shelf, now, desk);
        inbox.notice_what_came(whose, now, desk);
        inbox.tell_noticed(whose.user, before, now, desk);
        arrival
    }

    /// A session has left a channel.
    pub fn depart(&mut self, channel: &str, client: ClientId, now: Now) {
        if let Some((inbox, desk)) = self.find(channel) {
            inbox.depart(client, now, desk);
            self.forget_if_empty(channel);
        }
    }

    /// A publication has got its place on its channel's shelf, and goes to everybody there but `exclude` after what is in
    /// [`Delivery::out`].
    pub fn published(&mut self, channel: &str, offset: u64, exclude: Option<ClientId>, shelf: Shelf<'_>, now: Now) {
        if let Some((inbox, desk)) = self.find(channel) {
            inbox.published(offset, exclude, shelf, now, desk);
        }
    }

    /// A device has received all up to a place, an epoch and an offset, by the word of its session; an empty epoch is any. How many
    /// sessions are told of it a little later that would be told nothing otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::UnrecoverablePosition`] for another epoch, [`ErrorKind::BadRequest`] beyond what it was sent,
    /// [`ErrorKind::PermissionDenied`] for one who is no member.
    pub fn received(
        &mut self,
        channel: &str,
        whose: Whose<'_>,
        client: ClientId,
        place: (&str, u64),
        shelf: Shelf<'_>,
        now: Now,
    ) -> Result<u32, Error> {
        let (inbox, desk) = self.find(channel).ok_or(ErrorKind::PermissionDenied)?;
        let before = inbox.noticed_by(whose.user);
        let hear = inbox.received(whose, client, place, shelf, now, desk)?;
        inbox.tell_noticed(whose.user, before, now, desk);
        Ok(hear)
    }

    /// A device does not want what follows its floor before `delay_ms` have passed.
    ///
    /// # Errors
    /// As [`Delivery::received`]; [`ErrorKind::BadRequest`] for what it has received.
    pub fn retry(
        &mut self,
        channel: &str,
        whose: Whose<'_>,
        place: (&str, u64),
        delay_ms: u64,
        now: Now,
    ) -> Result<(), Error> {
        let (inbox, desk) = self.find(channel).ok_or(ErrorKind::PermissionDenied)?;
        inbox.retry(whose, place, delay_ms, now, desk)
    }

    /// What is promised in a channel, where that is known to be of the configuration in force.
    pub fn options(&self, channel: &str) -> Option<InboxOptions> {
        let inbox = &self.inboxes[*self.by_channel.get(channel)? as usize];
        (inbox.generation == self.desk.generation).then_some(inbox.options)
    }

    /// Another configuration is in force: what inboxes go by is asked for with [`Delivery::renew`].
    pub fn outdate(&mut self) {
        self.desk.generation = self.desk.generation.wrapping_add(1);
        (self.renewed, self.survey) = (0, Survey::default());
    }

    /// Has some inboxes go by the configuration in force, until all do: `options` are those of a channel that promises
    /// something. So many at a time; call it about ten times a second.
    pub fn renew(&mut self, options: impl Fn(&str) -> Option<InboxOptions>) {
        let until = self.inboxes.capacity().min(self.renewed + INBOXES_RENEWED_PER_SWEEP);
        for key in self.renewed..until {
            if let Some(inbox) = self.inboxes.get_mut(key)
                && let Some(options) = options(&inbox.channel)
            {
                (inbox.options, inbox.generation) = (options, self.desk.generation);
            }
        }
        self.renewed = until;
    }

    /// Looks at how far devices are behind, at some members at a time. What a round has found by the number of the namespace,
    /// where one is through.
    pub fn survey(&mut self, hub: &mut Hub, now: Now) -> Option<BTreeMap<u32, Behind>> {
        self.survey.go_on(&self.inboxes, self.desk.generation, hub, now)
    }

    /// Does what is due: looks at devices that have had time to say what they have received, tells positions, and forgets
    /// devices that were away too long. So much at a time; call it about ten times a second.
    pub fn sweep(&mut self, hub: &mut Hub, now: Now) {
        self.walk.go_on(&mut self.inboxes, now, &mut self.desk);
        self.desk.begin_sweep();
        while self.desk.has_looks()
            && let Some(wake) = self.desk.wakes.pop(now.mono_ms)
        {
            self.desk.looked_at(1);
            let (Wake::Inbox(key)
            | Wake::Device(key, _)
            | Wake::Requeued(key)
            | Wake::Positions(key)
            | Wake::Pushes(key)
            | Wake::Withdrawals(key)) = wake;
            let (inbox, desk) = (&mut self.inboxes[key as usize], &mut self.desk);
            let shelf = hub.shelf(&inbox.channel, now);
            if let Some(shelf) = shelf {
                inbox.agree(shelf, desk);
            }
            match (wake, shelf) {
                (Wake::Requeued(_), _) => inbox.send_requeued(now, desk),
                (Wake::Positions(_), _) => inbox.tell_positions(now, desk),
                (Wake::Pushes(_), shelf) => inbox.look_for_pushes(shelf, now, desk),
                (Wake::Withdrawals(_), _) => inbox.withdraw(desk),
                (Wake::Inbox(_), Some(shelf)) => inbox.look(shelf, now, desk),
                (Wake::Device(_, at), Some(shelf)) => inbox.woken(at, shelf, now, desk),
                // A stream lives as long as anybody subscribes; without one nothing is to be received.
                (Wake::Inbox(_), None) => inbox.look_ms = None,
                (Wake::Device(_, at), None) => inbox.live[at as usize].due_ms = None,
            }
        }
    }
}
