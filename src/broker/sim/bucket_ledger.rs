//! A model of what buckets keep of members, devices and dead letters: `model/ledger.rs` has the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::limits::{DEAD_LETTER_DEVICES_MAX, RECEIPT_MEMBERS_MAX};
use crate::model::Life;
use crate::model::ledger::{
    Attach, Attached, DeviceName, Enlist, GivenUp, Happened, LedgerAnswer, LedgerAsk, LedgerMember, LedgerNews, Letter,
    LetterBody, LetterFilter, MemberPositions, MembersPage, Note, Noted, Requeued, Requeuing, Row,
};
use crate::model::refusal::{Error, ErrorKind};

#[derive(Clone, Debug)]
struct Device {
    id: Box<str>,
    floor: u64,
    failed: u16,
    has_lost: bool,
    is_background: bool,
    seen_unix_ms: i64,
    /// The nodes that it is attached to.
    here: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
struct Member {
    received: u64,
    noticed: u64,
    read: u64,
    forgotten: Option<u64>,
    devices: Vec<Device>,
}

#[derive(Clone, Debug)]
struct Dead {
    letter: Letter,
    /// For whom it was requeued, and how often it was sent since.
    requeued: BTreeMap<DeviceName, u16>,
}

/// Where a stream stands, and what time it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) life: Life,
    pub(super) top: u64,
    pub(super) now_unix_ms: i64,
}

/// What is told, and to whom: all who listen, or these nodes alone.
pub(super) type News = Vec<(Option<BTreeSet<usize>>, LedgerNews)>;

/// The ledger of a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    life: Life,
    members: BTreeMap<Arc<str>, Member>,
    dead: BTreeMap<u64, Dead>,
    /// Nodes that count who has received and read what, until then.
    watchers: BTreeMap<usize, i64>,
    /// A promise that is broken: letters are not kept.
    pub(super) loses_letters: bool,
}

impl Ledger {
    /// A node asks something: what it is answered, and what others are told.
    pub(super) fn take(&mut self, node: usize, ask: LedgerAsk, at: At) -> (Result<LedgerAnswer, Error>, News) {
        self.agree(at.life);
        let mut news = News::new();
        let answer = match ask {
            LedgerAsk::Attach(attach) => return (self.attach(node, &attach, at).map(LedgerAnswer::Attached), news),
            LedgerAsk::Detach(name) => {
                if let Some(device) = self.device(&name) {
                    device.here.remove(&node);
                    device.seen_unix_ms = at.now_unix_ms;
                }
                LedgerAnswer::Done
            }
            LedgerAsk::Note(notes) => {
                LedgerAnswer::Noted(notes.into_iter().map(|note| self.note(node, note, at, &mut news)).collect())
            }
            LedgerAsk::Watch(ttl_ms) => {
                self.watchers.insert(node, at.now_unix_ms + ttl_ms as i64);
                LedgerAnswer::Watched(self.members.len() as u32)
            }
            LedgerAsk::Add { users, .. } => {
                for (user, from_beginning) in users {
                    let since = if from_beginning { 0 } else { at.top };
                    let member = || Member { received: since, noticed: since, read: since, ..Member::default() };
                    self.members.entry(user).or_insert_with(member);
                }
                LedgerAnswer::Done
            }
            LedgerAsk::Remove(users) => {
                for user in users.into_iter().filter(|user| self.members.remove(user).is_some()).collect::<Vec<_>>() {
                    news.push((None, LedgerNews::Gone { user }));
                }
                LedgerAnswer::Done
            }
            LedgerAsk::Members { after, limit } => {
                let members = self.members.iter().filter(|(user, _)| ***user > *after).take(limit as usize);
                let users = members.map(|(user, member)| member.positions(user)).collect();
                let count = self.members.len() as u32;
                LedgerAnswer::Members(MembersPage { life: at.life, top: at.top, members: count, users })
            }
            LedgerAsk::Member(user) => LedgerAnswer::Member(self.member(&user, at).map(Box::new)),
            LedgerAsk::Letters(filter) => LedgerAnswer::Letters(self.letters(&filter)),
            LedgerAsk::Requeue(offset) => LedgerAnswer::Requeued(self.requeue(offset, at, &mut news)),
            LedgerAsk::Purge(offset) => {
                let before = self.dead.len();
                self.dead.retain(|of, _| offset.is_some_and(|offset| offset != *of));
                news.push((None, LedgerNews::Purged(offset)));
                LedgerAnswer::Purged((before - self.dead.len()) as u64)
            }
        };
        (Ok(answer), news)
    }

    /// A node is no more.
    pub(super) fn leave(&mut self, node: usize) {
        let devices = self.members.values_mut().flat_map(|member| &mut member.devices);
        devices.for_each(|device| _ = device.here.remove(&node));
        self.watchers.remove(&node);
    }

    fn agree(&mut self, life: Life) {
        if self.life == life || life.created == 0 {
            return;
        }
        if self.life.created > 0 {
            for member in self.members.values_mut() {
                (member.received, member.noticed, member.read) = (0, 0, 0);
                member.forgotten = member.forgotten.map(|_| 0);
                for device in &mut member.devices {
                    (device.floor, device.failed, device.has_lost) = (0, 0, true);
                }
            }
            self.dead.values_mut().for_each(|dead| dead.requeued.clear());
        }
        self.life = life;
    }

    fn device(&mut self, name: &DeviceName) -> Option<&mut Device> {
        self.members.get_mut(&name.user)?.devices.iter_mut().find(|device| device.id == name.device)
    }

    fn attach(&mut self, node: usize, attach: &Attach, at: At) -> Result<Attached, Error> {
        let Attach { name, enlist, devices_max, device_ttl_ms, .. } = attach;
        let since = match enlist {
            Enlist::No if !self.members.contains_key(&name.user) => {
                return Ok(Attached { life: at.life, members: self.members.len() as u32, row: None });
            }
            Enlist::No | Enlist::FromTop => at.top,
            Enlist::FromBeginning => 0,
        };
        let new = || Member { received: since, noticed: since, read: since, ..Member::default() };
        let member = self.members.entry(name.user.clone()).or_insert_with(new);
        let old_unix_ms = at.now_unix_ms - *device_ttl_ms as i64;
        member.forget(|device| device.id != name.device && device.here.is_empty() && device.seen_unix_ms < old_unix_ms);
        if !member.devices.iter().any(|device| device.id == name.device) {
            if member.devices.len() >= *devices_max as usize {
                let away = member.devices.iter().filter(|device| device.here.is_empty());
                let many = || ErrorKind::LimitExceeded.because("limit exceeded: the user has too many devices");
                let oldest = away.min_by_key(|device| device.seen_unix_ms).ok_or_else(many)?.id.clone();
                member.forget(|device| device.id == oldest);
            }
            let has_lost = member.forgotten.is_some_and(|floor| floor < member.received);
            let (id, floor) = (name.device.clone(), member.received);
            let here = BTreeSet::new();
            let (failed, is_background, seen_unix_ms) = (0, false, 0);
            member.devices.push(Device { id, floor, failed, has_lost, is_background, seen_unix_ms, here });
        }
        let (received, noticed, read) = (member.received, member.noticed, member.read);
        let device = member.devices.iter_mut().find(|device| device.id == name.device).expect("it is known now");
        device.here.insert(node);
        (device.seen_unix_ms, device.is_background) = (at.now_unix_ms, false);
        let (floor, failed, has_lost) = (device.floor, device.failed, device.has_lost);
        let requeued = self.dead.values().filter_map(|dead| {
            let attempts = *dead.requeued.get(name)?;
            Some(Requeued { letter: dead.letter.body.clone(), attempts })
        });
        let requeued = requeued.collect();
        let row = Row { received, read, noticed, floor, failed, has_lost, requeued };
        Ok(Attached { life: at.life, members: self.members.len() as u32, row: Some(row) })
    }

    fn note(&mut self, node: usize, note: Note, at: At, news: &mut News) -> Noted {
        let Note { life, name, what } = note;
        if life.is_some_and(|life| life != at.life) {
            return Noted::OtherLife;
        }
        let is_small = self.members.len() <= RECEIPT_MEMBERS_MAX;
        let Some(member) = self.members.get_mut(&name.user) else { return Noted::NoMember };
        let before = (member.received, member.read);
        match what {
            Happened::Read(offset) if offset > at.top => return Noted::Beyond,
            Happened::Read(offset) => member.read = member.read.max(offset),
            Happened::Floor { floor, received, noticed, failed, has_lost, is_background } => {
                let Some(device) = self.device(&name) else { return Noted::NoDevice };
                if floor > at.top {
                    return Noted::Beyond;
                }
                (device.seen_unix_ms, device.is_background) = (at.now_unix_ms, is_background);
                if floor > device.floor {
                    (device.failed, device.has_lost) = (failed, has_lost);
                    device.move_to(floor, node, &name, news);
                } else if floor == device.floor {
                    device.failed = device.failed.max(failed);
                    device.has_lost |= has_lost;
                }
                let member = self.members.get_mut(&name.user).expect("it was found");
                member.received = member.received.max(received);
                member.noticed = member.noticed.max(noticed).min(member.received);
            }
            Happened::GivenUp(given_up) => return self.give_up(node, &name, *given_up, at, news),
            Happened::Resolved(offset) => self.resolve(offset, &name),
            Happened::Tried { offset, attempts } => {
                let dead = self.dead.get_mut(&offset).and_then(|dead| dead.requeued.get_mut(&name));
                if let Some(before) = dead {
                    *before = attempts.max(*before);
                }
            }
        }
        let Some(member) = self.members.get(&name.user) else { return Noted::NoMember };
        let (received, read) = (member.received, member.read);
        if (received, read) != before && (is_small || read > before.1) {
            let nodes = || member.devices.iter().flat_map(|device| device.here.iter().copied()).collect();
            let user = name.user.clone();
            news.push(((!is_small).then(nodes), LedgerNews::Moved { user, received, read }));
        }
        let watchers = self.watchers.iter().filter(|(_, until_ms)| **until_ms > at.now_unix_ms);
        let watchers: BTreeSet<_> = watchers.map(|(node, _)| *node).collect();
        for (is_read, from, to) in [(false, before.0, received), (true, before.1, read)] {
            if !is_small && from < to && !watchers.is_empty() {
                let user = name.user.clone();
                news.push((Some(watchers.clone()), LedgerNews::Counted { user, is_read, from, to }));
            }
        }
        Noted::Kept
    }

    fn give_up(&mut self, node: usize, name: &DeviceName, given_up: GivenUp, at: At, news: &mut News) -> Noted {
        let GivenUp { letter, attempts, at_unix_ms } = given_up;
        let offset = letter.offset;
        let Some(device) = self.device(name) else { return Noted::NoDevice };
        let is_new = device.floor < offset;
        if is_new {
            device.failed = 0;
            device.move_to(offset, node, name, news);
        }
        let is_again = self.dead.get_mut(&offset).is_some_and(|dead| dead.requeued.remove(name).is_some());
        if self.loses_letters || !(is_new || is_again) {
            return Noted::Kept;
        }
        if self.dead.get(&offset).is_some_and(|dead| dead.letter.life != at.life) {
            self.dead.remove(&offset);
        }
        let empty = || Letter { life: at.life, body: letter, failures: Vec::new(), more: 0 };
        let new = || Dead { letter: empty(), requeued: BTreeMap::new() };
        let Letter { failures, more, .. } = &mut self.dead.entry(offset).or_insert_with(new).letter;
        failures.retain(|(of, ..)| of != name);
        match failures.len() < DEAD_LETTER_DEVICES_MAX {
            true => failures.push((name.clone(), attempts, at_unix_ms)),
            false => *more += 1,
        }
        Noted::Kept
    }

    fn resolve(&mut self, offset: u64, name: &DeviceName) {
        let Some(dead) = self.dead.get_mut(&offset) else { return };
        dead.requeued.remove(name);
        dead.letter.failures.retain(|(of, ..)| of != name);
        if dead.letter.failures.is_empty() {
            self.dead.remove(&offset);
        }
    }

    fn member(&self, user: &str, at: At) -> Option<LedgerMember> {
        let Member { received, read, devices, .. } = self.members.get(user)?;
        let devices = devices.iter().map(|device| (device.id.clone(), device.floor, !device.here.is_empty()));
        let members = self.members.len() as u32;
        let (life, top, devices) = (at.life, at.top, devices.collect());
        Some(LedgerMember { life, top, members, received: *received, read: *read, devices })
    }

    fn letters(&self, filter: &LetterFilter) -> Vec<Letter> {
        let is_meant = |(name, _, at_unix_ms): &(DeviceName, u16, i64)| {
            (filter.user.is_empty() || *name.user == *filter.user) && *at_unix_ms >= filter.since_unix_ms
        };
        let letters = self.dead.range(filter.after + 1..).map(|(_, dead)| &dead.letter);
        let letters = letters.filter(|letter| letter.failures.iter().any(is_meant));
        letters.take(filter.limit as usize).cloned().collect()
    }

    fn requeue(&mut self, offset: u64, at: At, news: &mut News) -> Requeuing {
        let Self { dead, members, .. } = self;
        let Some(Dead { letter, requeued }) = dead.get_mut(&offset) else { return Requeuing::None };
        if letter.life != at.life {
            return Requeuing::Anew(letter.body.clone());
        }
        let is_known = |name: &DeviceName| {
            members.get(&name.user).is_some_and(|member| member.devices.iter().any(|device| device.id == name.device))
        };
        let names: Vec<_> = letter.failures.iter().map(|(name, ..)| name.clone()).filter(is_known).collect();
        if names.is_empty() {
            return Requeuing::Nobody;
        }
        requeued.extend(names.iter().map(|name| (name.clone(), 0)));
        let letter: LetterBody = letter.body.clone();
        news.push((None, LedgerNews::Requeued { letter, names }));
        Requeuing::Again(at.life)
    }

    /// The dead letters of a device in a life of the stream.
    pub(super) fn letters_of(&self, epoch: &str, user: &str, device: &str) -> BTreeSet<u64> {
        let is_of = |name: &DeviceName| *name.user == *user && *name.device == *device;
        let dead = self.dead.iter().filter(|(_, dead)| *dead.letter.life.epoch() == *epoch);
        dead.filter(|(_, dead)| dead.letter.failures.iter().any(|(name, ..)| is_of(name))).map(|(at, _)| *at).collect()
    }

    /// As if a device had never been.
    pub(super) fn forget_device(&mut self, name: &DeviceName) {
        if let Some(member) = self.members.get_mut(&name.user) {
            member.devices.retain(|device| device.id != name.device);
        }
    }

    /// How much a member has noticed, and whether nobody looks at a device; `None` for one who is none.
    pub(super) fn noticed(&self, user: &str) -> Option<(u64, bool)> {
        let (user, member) = self.members.get_key_value(user)?;
        let MemberPositions { noticed, is_background, .. } = member.positions(user);
        Some((noticed, is_background))
    }

    /// The floor of a device in a life of the stream, and whether it has yet to be told that it has missed something; `None` for
    /// one that is not known, or in another life.
    pub(super) fn stand(&self, epoch: &str, user: &str, device: &str) -> Option<(u64, bool)> {
        let devices = &self.members.get(user).filter(|_| *self.life.epoch() == *epoch)?.devices;
        devices.iter().find(|one| *one.id == *device).map(|device| (device.floor, device.has_lost))
    }

    /// The floor of a device; `None` for one that is not known.
    pub(super) fn floor(&self, user: &str, device: &str) -> Option<u64> {
        let devices = &self.members.get(user)?.devices;
        devices.iter().find(|one| *one.id == *device).map(|device| device.floor)
    }
}

impl Member {
    fn positions(&self, user: &Arc<str>) -> MemberPositions {
        let Self { received, noticed, read, devices, .. } = self;
        let is_background = devices.iter().any(|device| device.is_background && !device.here.is_empty());
        MemberPositions { user: user.clone(), received: *received, read: *read, noticed: *noticed, is_background }
    }

    fn forget(&mut self, is_meant: impl Fn(&Device) -> bool) {
        for device in self.devices.extract_if(.., |device| is_meant(device)) {
            self.forgotten = Some(self.forgotten.map_or(device.floor, |lowest| lowest.min(device.floor)));
        }
    }
}

impl Device {
    fn move_to(&mut self, floor: u64, node: usize, name: &DeviceName, news: &mut News) {
        let others: BTreeSet<_> = self.here.iter().copied().filter(|other| *other != node).collect();
        if floor > self.floor && !others.is_empty() {
            news.push((Some(others), LedgerNews::Floor { name: name.clone(), floor }));
        }
        self.floor = floor;
    }
}
