//! What the disk has of members, devices and dead letters: read when the node starts, and said again for snapshots.

use std::sync::Arc;

use super::Delivery;
use super::change::{Change, Changed};
use super::dead_letters::{DeadLetter, Failure};
use super::desk::Desk;
use super::device::{Device, Known};
use super::inbox::Inbox;
use super::member::Member;
use super::options::InboxOptions;
use super::requeued::Again;
use super::row::Row;
use super::said::Said;
use crate::hub::{Hub, Shelf};
use crate::limits::{PUSH_RESTART_MS, SNAPSHOT_BYTES_PER_TICK, SWEEP_BUDGET};
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
                let mut member = inbox.restored_member(record.user);
                member.received = member.received.max(record.received);
                member.read = member.read.max(record.read);
                inbox.members.set(record.user, &member);
            }
            Record::MemberGone(channel, user) => self.restore_gone(channel, user),
            Record::Device(record) => {
                let (inbox, _) = self.entry(&record.channel.into(), options, None);
                inbox.restore_device(record);
            }
            Record::DeviceGone(channel, user, device) => {
                let inbox = self.find(channel).map(|(inbox, _)| inbox);
                if let Some(inbox) = inbox {
                    _ = inbox.members.forget_device(user, device);
                    inbox.requeued.forget_device(&(*user).into(), device);
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
                let place = (failure.user.clone(), failure.device.clone(), publication.offset);
                self.desk.dead.restore(&channel, &epoch, &publication, failure);
                // It was given up, or given up again.
                _ = self.find(&channel).map(|(inbox, _)| inbox.requeued.remove(&place));
            }
            Record::DeadLetterMore(channel, offset, more) => {
                self.desk.dead.restore_more(channel, *offset, u32::try_from(*more).unwrap_or(u32::MAX));
            }
            Record::DeadLetterReceived(channel, offset, user, device) => {
                _ = self.desk.dead.resolve(channel, *offset, user, device);
                let place = ((*user).into(), (*device).into(), *offset);
                _ = self.find(channel).map(|(inbox, _)| inbox.requeued.remove(&place));
            }
            Record::DeadLetterRequeued(channel, offset, user, device) => {
                let letter = self.desk.dead.find(channel, *offset).filter(|letter| letter.has_failed(user, device));
                if let Some(publication) = letter.map(|letter| letter.publication.clone())
                    && let Some((inbox, _)) = self.find(channel)
                {
                    // Its device is away, and comes back.
                    let place = ((*user).into(), (*device).into(), *offset);
                    inbox.requeued.set(&place, Again::new(publication, None));
                }
            }
            Record::DeadLetterTried(channel, offset, user, device, attempts) => {
                let place = ((*user).into(), (*device).into(), *offset);
                if let Some((inbox, _)) = self.find(channel) {
                    inbox.requeued.restore_attempts(&place, u16::try_from(*attempts).unwrap_or(u16::MAX));
                }
            }
            Record::DeadLetterGone(channel, offset) => {
                let letter = self.desk.dead.remove(channel, *offset);
                if let (Some(letter), Some((inbox, _))) = (letter, self.find(channel)) {
                    inbox.requeued.forget_letter(&letter);
                }
            }
            _ => {}
        }
        // What was read is on disk already.
        self.desk.changes.clear();
    }

    /// As [`Delivery::remove_member`], before anything is counted.
    fn restore_gone(&mut self, channel: &str, user: &str) {
        let Some((inbox, _)) = self.find(channel) else { return };
        inbox.members.remove(user);
        inbox.requeued.forget(user);
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
        let newest_unix_ms = hub.newest_record_unix_ms();
        let newest_s = inboxes.iter().filter_map(|(_, inbox)| inbox.newest_seen_s()).max().unwrap_or(0);
        desk.begin_at(newest_s, now);
        let down_s = desk.seen_s(now).saturating_sub(newest_s);
        for (_, inbox) in inboxes {
            let shelf = hub.shelf(&inbox.channel, now);
            inbox.restored(shelf, down_s, desk);
            if let Some(shelf) = shelf {
                // A little more than what had not waited long enough when the node ended.
                let waits_ms = inbox.options.push_after_ms + inbox.options.push_after_ms / 8 + PUSH_RESTART_MS;
                let since_unix_ms = newest_unix_ms.saturating_sub_unsigned(waits_ms);
                inbox.expect_noticed_since(since_unix_ms, shelf, now, desk);
            }
        }
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
        let Self { inboxes, by_channel, desk, said, .. } = self;
        if said.inbox < inboxes.capacity() {
            let inbox = inboxes.get(said.inbox).filter(|inbox| inbox.options.is_durable);
            let next = inbox.and_then(|inbox| Some((inbox, inbox.members.after(said.member.as_deref()).next()?)));
            let Some((inbox, row)) = next else {
                (said.inbox, said.member) = (said.inbox + 1, None);
                return 1;
            };
            let user: Arc<str> = row.user.into();
            inbox.say_member(&user, row, desk.seen_s(now), keep);
            said.member = Some(user);
            return 1 + row.devices().count();
        }
        let place = said.dead.take().unwrap_or_else(|| (Arc::default(), 0));
        let Some(letter) = desk.dead.from(&place).next() else {
            said.is_all = true;
            return 1;
        };
        let DeadLetter { channel, epoch, publication, .. } = letter;
        let offset = publication.offset;
        let requeued = by_channel.get(channel).map(|key| &inboxes[*key as usize].requeued);
        let mut say = |what| {
            let (channel, epoch) = (channel.clone(), epoch.clone());
            keep(&Change { channel, is_shared: false, epoch, what }.record());
        };
        for failure in &letter.failures {
            let (user, device) = (failure.user.clone(), failure.device.clone());
            say(Changed::DeadLetter { publication: publication.clone(), failure: failure.clone() });
            let again = requeued.and_then(|requeued| requeued.by_place.get(&(user.clone(), device.clone(), offset)));
            if let Some(Again { attempts, .. }) = again {
                say(Changed::DeadLetterRequeued { offset, user: user.clone(), device: device.clone() });
                if *attempts > 0 {
                    say(Changed::DeadLetterTried { offset, user, device, attempts: *attempts });
                }
            }
        }
        if letter.more > 0 {
            say(Changed::DeadLetterMore { offset, more: letter.more });
        }
        said.dead = Some((channel.clone(), offset + 1));
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

    /// A member as it is known so far.
    fn restored_member(&self, user: &str) -> Member {
        self.members.get(user).map_or(Member::since(0), |row| row.member)
    }

    fn restore_device(&mut self, record: &DeviceRecord<'_>) {
        self.restore_life(record.epoch);
        let mut member = self.restored_member(record.user);
        member.received = member.received.max(record.received);
        self.members.set(record.user, &member);
        let known = self.known(record.user, record.device).map(|known| self.look_up(known));
        let mut device = known.unwrap_or_else(|| Device::new(record.floor, 0));
        device.advance(record.floor);
        device.has_lost = record.has_lost;
        if device.floor() == record.floor {
            device.failed = u16::try_from(record.failed).unwrap_or(u16::MAX);
        }
        device.seen_s = u32::try_from(record.seen_unix_s).unwrap_or(u32::MAX);
        self.members.set_device(record.user, record.device, Known::Away(device));
    }

    /// When the last of the devices was here, which are all away.
    fn newest_seen_s(&self) -> Option<u32> {
        let devices = self.members.after(None).flat_map(|row| row.devices());
        devices.map(|(_, known)| self.look_up(known).seen_s).max()
    }

    /// All was read: floors are places in this stream. One beyond what the store has is where that ends.
    fn restored(&mut self, shelf: Option<Shelf<'_>>, down_s: u32, desk: &mut Desk) {
        let top = shelf.map_or(0, Shelf::top);
        let is_same = shelf.is_some_and(|shelf| self.epoch.is_empty() || *shelf.epoch() == self.epoch);
        if !is_same && !self.epoch.is_empty() {
            self.begin_anew();
        }
        self.epoch = shelf.map_or_else(Arc::default, |shelf| shelf.epoch().clone());
        self.top = top;
        let (mut devices, mut owed) = (0, 0);
        let cut = |member: &mut Member| {
            (member.received, member.read) = (member.received.min(top), member.read.min(top));
            // The disk does not know better.
            member.noticed = member.received;
        };
        self.members.change_all(cut, |device| {
            device.cut(top);
            device.seen_s = device.seen_s.saturating_add(down_s);
            devices += 1;
            owed += top - device.floor();
        });
        self.devices = devices;
        self.owe(owed as i64 - self.unreceived as i64, desk);
    }

    fn say_member(&self, user: &Arc<str>, row: Row<'_>, seen_s: u32, keep: &mut impl FnMut(&Record<'_>)) {
        let mut say = |what| {
            let (channel, epoch) = (self.channel.clone(), self.epoch.clone());
            keep(&Change { channel, is_shared: false, epoch, what }.record());
        };
        let Member { received, read, forgotten, .. } = row.member;
        say(Changed::Member { user: user.clone(), received, read });
        if let Some(floor) = forgotten {
            // One stands for all that were forgotten.
            let (user, device) = (|| user.clone(), || FORGOTTEN.into());
            say(Changed::Device {
                user: user(),
                device: device(),
                floor,
                received,
                noticed: 0,
                seen_unix_s: 0,
                failed: 0,
                has_lost: false,
                is_background: false,
            });
            say(Changed::DeviceGone { user: user(), device: device() });
        }
        for (id, known) in row.devices() {
            let device = self.look_up(known);
            let is_here = matches!(known, Known::Here(_));
            say(Changed::Device {
                user: user.clone(),
                device: id.into(),
                floor: device.floor(),
                received,
                noticed: row.member.noticed,
                has_lost: device.has_lost,
                seen_unix_s: if is_here { seen_s } else { device.seen_s }.into(),
                failed: device.failed,
                is_background: self.is_in_background(known),
            });
        }
    }
}
