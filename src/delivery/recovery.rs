//! What the disk has of members, devices and dead letters: read when the node starts, and said again for snapshots.

use std::sync::Arc;

use super::Delivery;
use super::change::{Change, Changed};
use super::dead_letters::Failure;
use super::desk::Desk;
use super::device::Device;
use super::inbox::{Inbox, seen_s};
use super::member::Member;
use super::options::InboxOptions;
use super::said::Said;
use crate::hub::{Hub, Shelf};
use crate::limits::{SNAPSHOT_BYTES_PER_TICK, SWEEP_BUDGET};
use crate::store::Record;
use crate::store::record::DeviceRecord;
use crate::time::Now;

/// What stands in a snapshot for the devices of a member that were forgotten: hardly a device's own name.
const FORGOTTEN: &str = "\0";

impl Delivery {
    /// Takes a record of a channel with these options, which must be durable. Records come in the order in which they were
    /// written; the last one of a thing says how it is.
    pub fn recover(&mut self, record: &Record<'_>, options: InboxOptions) {
        match record {
            Record::Member(record) => {
                let channel: Arc<str> = record.channel.into();
                if !self.by_channel.contains_key(&channel) {
                    self.founders.found(&channel, &record.user.into());
                }
                let (inbox, _) = self.entry(&channel, options, None);
                inbox.restore_life(record.epoch);
                let member = inbox.restore_member(record.user);
                member.received = member.received.max(record.received);
                member.read = member.read.max(record.read);
            }
            Record::MemberGone(channel, user) => self.restore_gone(channel, user),
            Record::Device(record) => {
                let (inbox, _) = self.entry(&record.channel.into(), options, None);
                inbox.restore_device(record);
            }
            Record::DeviceGone(channel, user, device) => {
                let inbox = self.find(channel).map(|(inbox, _)| inbox);
                if let Some(member) = inbox.and_then(|inbox| inbox.members.get_mut(*user)) {
                    let known = member.devices.iter().position(|one| *one.id == **device);
                    _ = known.map(|at| member.forget(at));
                }
            }
            Record::DeadLetter(record) => {
                let failure = Failure {
                    user: record.user.into(),
                    device: record.device.into(),
                    attempts: u16::try_from(record.attempts).unwrap_or(u16::MAX),
                    at_unix_ms: i64::try_from(record.at_unix_ms).unwrap_or(i64::MAX),
                };
                let publication = Arc::new(record.publication.to_publication());
                let (channel, epoch) = (record.publication.channel.into(), record.publication.epoch.into());
                self.desk.dead.add(&channel, &epoch, &publication, failure);
            }
            Record::DeadLetterReceived(channel, offset, user, device) => {
                _ = self.desk.dead.resolve(channel, *offset, user, device);
            }
            Record::DeadLetterGone(channel, offset) => drop(self.desk.dead.remove(channel, *offset)),
            _ => {}
        }
        // What was read is on disk already.
        self.desk.changes.clear();
    }

    /// As [`Delivery::remove_member`], before anything is counted.
    fn restore_gone(&mut self, channel: &str, user: &str) {
        let Some((inbox, _)) = self.find(channel) else { return };
        inbox.members.remove(user);
        if inbox.is_empty() {
            self.forget_inbox(channel);
        }
    }

    /// All was read, of the streams as well.
    ///
    /// Devices were away for as long as the newest of them had not been seen when the node ended: a clock that jumped while
    /// the node was down has none forgotten.
    pub fn recovered(&mut self, hub: &mut Hub, now: Now) {
        let Self { inboxes, desk, .. } = self;
        let devices =
            |inbox: &Inbox| inbox.members.values().flat_map(|member| &member.devices).map(|one| one.seen_s).max();
        let newest_s = inboxes.iter().filter_map(|(_, inbox)| devices(inbox)).max().unwrap_or(0);
        let down_s = seen_s(now).saturating_sub(newest_s);
        for (_, inbox) in &mut *inboxes {
            let devices = inbox.members.values_mut().flat_map(|member| &mut member.devices);
            devices.for_each(|device| device.seen_s = device.seen_s.saturating_add(down_s));
        }
        inboxes.iter_mut().for_each(|(_, inbox)| inbox.restored(hub.shelf(&inbox.channel.clone(), now), desk));
    }

    /// Says a part of what lives to the journal. True when all was said, until [`Delivery::say_anew`].
    pub fn say(&mut self, now: Now, mut keep: impl FnMut(&Record<'_>)) -> bool {
        let mut left = SWEEP_BUDGET;
        while left > 0 && !self.said.is_all {
            left = left.saturating_sub(self.say_next(now, &mut keep));
        }
        self.said.is_all
    }

    /// The next snapshot begins at the beginning.
    pub fn say_anew(&mut self) {
        self.said = Said::default();
    }

    /// Says the next member with all devices, or dead letter; how many records of usual size those were, at least one.
    fn say_next(&mut self, now: Now, keep: &mut impl FnMut(&Record<'_>)) -> usize {
        let Self { inboxes, desk, said, .. } = self;
        if said.inbox < inboxes.capacity() {
            let inbox = inboxes.get(said.inbox).filter(|inbox| inbox.options.is_durable);
            let next = inbox.and_then(|inbox| Some((inbox, inbox.next_member(said.member.as_ref())?)));
            let Some((inbox, (user, member))) = next else {
                (said.inbox, said.member) = (said.inbox + 1, None);
                return 1;
            };
            inbox.say_member(user, member, now, keep);
            said.member = Some(user.clone());
            return 1 + member.devices.len();
        }
        let place = said.dead.take().unwrap_or_else(|| (Arc::default(), 0));
        let Some(letter) = desk.dead.from(&place).next() else {
            said.is_all = true;
            return 1;
        };
        let (channel, epoch) = (&letter.channel, &letter.epoch);
        for failure in &letter.failures {
            let what = Changed::DeadLetter { publication: letter.publication.clone(), failure: failure.clone() };
            keep(&Change { channel: channel.clone(), epoch: epoch.clone(), what }.record());
        }
        said.dead = Some((channel.clone(), letter.publication.offset + 1));
        letter.failures.len() * (1 + letter.publication.bytes() * SWEEP_BUDGET / SNAPSHOT_BYTES_PER_TICK)
    }
}

impl Inbox {
    /// A record belongs to this life of the stream. Another than before is a later one: nothing of it was received.
    fn restore_life(&mut self, epoch: &str) {
        if *self.epoch == *epoch {
            return;
        }
        if !self.epoch.is_empty() {
            self.begin_anew();
        }
        self.epoch = epoch.into();
    }

    fn restore_member(&mut self, user: &str) -> &mut Member {
        self.members.entry(user.into()).or_insert_with(|| Box::new(Member::since(0)))
    }

    fn restore_device(&mut self, record: &DeviceRecord<'_>) {
        self.restore_life(record.epoch);
        let member = self.restore_member(record.user);
        member.received = member.received.max(record.received);
        if member.device(record.device).is_none() {
            member.devices.push(Device::new(record.device, record.floor, 0));
        }
        let device = member.device_mut(record.device).expect("it was made above");
        device.advance(record.floor);
        device.has_lost = record.has_lost;
        if device.floor() == record.floor {
            device.failed = u16::try_from(record.failed).unwrap_or(u16::MAX);
        }
        device.seen_s = u32::try_from(record.seen_unix_s).unwrap_or(u32::MAX);
    }

    /// All was read: floors are places in this stream. One beyond what the store has is where that ends.
    fn restored(&mut self, shelf: Option<Shelf<'_>>, desk: &mut Desk) {
        let top = shelf.map_or(0, Shelf::top);
        let is_same = shelf.is_some_and(|shelf| self.epoch.is_empty() || *shelf.epoch() == self.epoch);
        if !is_same && !self.epoch.is_empty() {
            self.begin_anew();
        }
        self.epoch = shelf.map_or_else(Arc::default, |shelf| shelf.epoch().clone());
        self.top = top;
        self.devices = 0;
        let mut owed = 0;
        for member in self.members.values_mut() {
            member.received = member.received.min(top);
            member.read = member.read.min(top);
            for device in &mut member.devices {
                device.cut(top);
                self.devices += 1;
                owed += top - device.floor();
            }
        }
        self.owe(owed as i64 - self.unreceived as i64, desk);
    }

    /// The member after this one, or the first.
    pub(super) fn next_member(&self, after: Option<&Arc<str>>) -> Option<(&Arc<str>, &Member)> {
        match after {
            None => self.members.iter().next().map(|(user, member)| (user, &**member)),
            Some(user) => {
                let rest = (std::ops::Bound::Excluded(user.clone()), std::ops::Bound::Unbounded);
                self.members.range(rest).next().map(|(user, member)| (user, &**member))
            }
        }
    }

    fn say_member(&self, user: &Arc<str>, member: &Member, now: Now, keep: &mut impl FnMut(&Record<'_>)) {
        let mut say = |what| {
            let (channel, epoch) = (self.channel.clone(), self.epoch.clone());
            keep(&Change { channel, epoch, what }.record());
        };
        say(Changed::Member { user: user.clone(), received: member.received, read: member.read });
        let (received, user) = (member.received, || user.clone());
        if let Some(floor) = member.forgotten {
            // One stands for all that were forgotten.
            let device = || FORGOTTEN.into();
            say(Changed::Device {
                user: user(),
                device: device(),
                floor,
                received,
                seen_unix_s: 0,
                failed: 0,
                has_lost: false,
            });
            say(Changed::DeviceGone { user: user(), device: device() });
        }
        for device in &member.devices {
            say(Changed::Device {
                user: user(),
                device: device.id.clone(),
                floor: device.floor(),
                received,
                has_lost: device.has_lost,
                seen_unix_s: if device.is_away() { device.seen_s } else { seen_s(now) }.into(),
                failed: device.failed,
            });
        }
    }
}
