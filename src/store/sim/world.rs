//! Shards that append, a disk that does what it is asked when the world says so, and the truth to compare with.
//!
//! A channel's records are numbered; its last few live. What a snapshot says again is marked. After a loss of power a start
//! must find, of each channel, all that lives of what was committed, and what was appended once in order.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::disk::{self, Disk};
use super::fault::Fault;
use crate::store::catalog::Damage;
use crate::store::{Batch, Journal, Record};

const CHANNELS: usize = 7;

/// How a record is marked: appended, or said again by a snapshot.
const ONCE: &str = "once";
const AGAIN: &str = "again";

/// Records of a channel that live.
const LIVING: u64 = 6;

/// What a channel's home knows.
#[derive(Clone, Debug, Default)]
struct Channel {
    /// The number of the last record.
    top: u64,
    /// Records that wait for their batch.
    waiting: Vec<(Batch, u64)>,
    /// The last that is committed.
    committed: u64,
    /// The last that was, before its shard's last batch.
    committed_before: u64,
}

impl Channel {
    fn living(top: u64) -> impl Iterator<Item = u64> {
        top.saturating_sub(LIVING) + 1..=top
    }
}

/// A shard that runs.
#[derive(Debug)]
struct Shard {
    journal: Journal,
    /// Channels that the snapshot has yet to say.
    left: Vec<usize>,
}

/// What a world has seen: so that a test can tell that it goes everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Been {
    pub(super) restarts: u64,
    pub(super) full: u64,
    pub(super) snapshots: u64,
    pub(super) shards: u64,
    pub(super) disk: disk::Been,
}

impl Been {
    pub(super) fn add(&mut self, other: &Self) {
        self.restarts += other.restarts;
        self.full += other.full;
        self.snapshots += other.snapshots;
        self.shards += other.shards;
        self.disk.torn += other.disk.torn;
        self.disk.unsynced += other.disk.unsynced;
        self.disk.failed += other.disk.failed;
        self.disk.refused += other.disk.refused;
        self.disk.reused += other.disk.reused;
        self.disk.discarded += other.disk.discarded;
        self.disk.held_up += other.disk.held_up;
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct World {
    random: StdRng,
    disk: Disk,
    shards: Vec<Shard>,
    channels: Vec<Channel>,
    pub(super) been: Been,
}

fn name(channel: usize, number: u64, mark: &str) -> String {
    format!("{channel} {number} {mark} {}", "x".repeat((number * 37 % 390) as usize))
}

impl World {
    pub(super) fn new(seed: u64, fault: Option<Fault>) -> Self {
        let mut world = Self {
            random: StdRng::seed_from_u64(seed),
            disk: Disk::new(seed ^ 1 << 40, fault),
            shards: Vec::new(),
            channels: vec![Channel::default(); CHANNELS],
            been: Been::default(),
        };
        world.start().expect("an empty disk is well");
        world
    }

    pub(super) fn trace(&self) -> String {
        format!("{:?} {:?} {}", self.channels, self.been, self.disk.segments())
    }

    pub(super) fn step(&mut self) -> Result<(), Wrong> {
        let shard = self.random.random_range(0..self.shards.len());
        match self.random.random_range(0..400) {
            0..2 => return self.restart(),
            2..4 => self.complete(shard, false),
            4..6 => self.disk.is_full ^= true,
            6..20 => self.shards[shard].journal.retry(),
            20..140 => (0..self.random.random_range(1..8)).for_each(|_| self.append()),
            140..200 => self.serve(shard),
            200..240 => self.work(),
            _ => {
                self.serve(shard);
                self.complete(shard, true);
                self.work();
                self.say_what_lives(shard);
            }
        }
        Ok(())
    }

    fn home(&self, channel: usize) -> usize {
        channel % self.shards.len()
    }

    fn append(&mut self) {
        let channel = self.random.random_range(0..CHANNELS);
        let home = self.home(channel);
        let journal = &mut self.shards[home].journal;
        if !journal.has_room() {
            self.been.full += 1;
            return;
        }
        let channel_state = &mut self.channels[channel];
        let number = channel_state.top + 1;
        let batch = journal.append(&Record::Over(&name(channel, number, ONCE))).expect("it has room");
        channel_state.top = number;
        channel_state.waiting.push((batch, number));
    }

    /// The disk takes what a shard asks for.
    fn serve(&mut self, number: usize) {
        while let Some(request) = self.shards[number].journal.next_request(0) {
            self.disk.ask(number as u16, request);
        }
    }

    /// The disk makes a file, or takes one away.
    fn work(&mut self) {
        self.disk.work();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            if let Some(made) = self.disk.next_made(number as u16) {
                shard.journal.prepared(made);
            }
        }
    }

    /// The write of a shard ends: it is on disk, or nobody knows how much of it.
    fn complete(&mut self, number: usize, is_synced: bool) {
        for (is_synced, memory) in self.disk.complete(number as u16, is_synced) {
            self.shards[number].journal.written(is_synced, memory);
        }
        let committed = self.shards[number].journal.committed();
        for channel in 0..CHANNELS {
            if self.home(channel) == number {
                let state = &mut self.channels[channel];
                let is_on_disk = |(batch, _): &mut (Batch, u64)| *batch <= committed;
                let on_disk = state.waiting.extract_if(.., is_on_disk).map(|(_, number)| number).max();
                state.committed_before = state.committed;
                state.committed = state.committed.max(on_disk.unwrap_or(0));
            }
        }
    }

    /// A shard's snapshot, channel by channel.
    fn say_what_lives(&mut self, number: usize) {
        if !self.shards[number].journal.snapshot_wants() {
            return;
        }
        if self.shards[number].left.is_empty() {
            self.shards[number].left = (0..CHANNELS).filter(|channel| self.home(*channel) == number).collect();
            self.been.snapshots += 1;
        }
        let channel = self.shards[number].left.pop();
        let shard = &mut self.shards[number];
        if let Some(channel) = channel {
            for living in Channel::living(self.channels[channel].top) {
                shard.journal.append(&Record::Over(&name(channel, living, AGAIN))).expect("it wants more");
            }
        }
        shard.journal.snapshot_said_part();
        if shard.left.is_empty() {
            shard.journal.snapshot_done().expect("it wants more");
        }
    }

    /// Publishers always have more: whatever the disk does, as much waits for it as may.
    pub(super) fn saturate(&mut self, writes: usize) {
        for _ in 0..writes {
            while self.shards.iter().any(|shard| shard.journal.has_room()) {
                self.append();
            }
            for number in 0..self.shards.len() {
                self.serve(number);
                self.say_what_lives(number);
                self.complete(number, true);
                (0..3).for_each(|_| self.work());
            }
        }
    }

    /// Segments that the disk has.
    pub(super) fn segments(&self) -> usize {
        self.disk.segments()
    }

    /// What was discarded so far.
    pub(super) fn discarded(&self) -> u64 {
        self.disk.been.discarded
    }

    /// The power goes, or the node is killed, and it starts again, perhaps with another number of shards.
    pub(super) fn restart(&mut self) -> Result<(), Wrong> {
        self.been.restarts += 1;
        self.shards.clear();
        match self.random.random_bool(0.5) {
            true => self.disk.cut(),
            false => self.disk.kill(),
        }
        self.start()
    }

    fn start(&mut self) -> Result<(), Wrong> {
        let shards: u16 = self.random.random_range(1..4);
        self.disk.begin(shards)?;
        self.been.shards += u64::from(self.disk.is_shared());
        for shard in 0..shards {
            let mut found = Found::default();
            let is_mine =
                |name: &str| parse(name).is_some_and(|said| said.channel % usize::from(shards) == usize::from(shard));
            let setup = self.disk.recover(shard, is_mine, |record| found.take(record))?;
            for channel in (usize::from(shard)..CHANNELS).step_by(shards.into()) {
                self.channels[channel] = found.check(channel, &self.channels[channel])?;
            }
            self.shards.push(Shard { journal: Journal::new(setup), left: Vec::new() });
        }
        self.been.disk = self.disk.been;
        Ok(())
    }

    /// All that waits is written, and a little more by each shard; then a bit flips in what earlier starts have left, or
    /// anywhere: what a shard wrote last cannot be told from what was torn.
    pub(super) fn flip_a_bit(&mut self, of_earlier: bool) -> Result<(), Wrong> {
        self.restart()?;
        self.disk.is_full = false;
        (0..100).for_each(|_| self.append());
        for number in 0..self.shards.len() {
            self.shards[number].journal.retry();
            while self.shards[number].journal.waiting_bytes() > 0 || self.disk.is_busy(number as u16) {
                self.serve(number);
                self.work();
                self.complete(number, true);
            }
        }
        if !self.disk.flip(of_earlier) {
            return Ok(());
        }
        if !of_earlier {
            self.channels.iter_mut().for_each(|channel| channel.committed = channel.committed_before);
        }
        match self.restart() {
            Err(Wrong::Refused(_)) => Ok(()),
            started => started,
        }
    }
}

/// What is wrong with a world.
#[derive(Debug, thiserror::Error)]
pub(super) enum Wrong {
    /// A start was refused.
    #[error("refused: {0}")]
    Refused(#[from] Damage),
    /// What was found is not what was kept.
    #[error("{0}")]
    Found(String),
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
struct Said {
    channel: usize,
    number: u64,
    is_again: bool,
}

/// What a start has found.
#[derive(Debug, Default)]
struct Found {
    /// By channel, in the order in which it was found.
    once: BTreeMap<usize, Vec<u64>>,
    all: BTreeMap<usize, BTreeSet<u64>>,
    never_said: Vec<String>,
}

impl Found {
    fn take(&mut self, record: &Record<'_>) {
        match record.channel().and_then(parse) {
            Some(Said { channel, number, is_again }) => {
                self.all.entry(channel).or_default().insert(number);
                if !is_again {
                    self.once.entry(channel).or_default().push(number);
                }
            }
            None => self.never_said.push(format!("{record:?}")),
        }
    }

    /// Compares with what a channel's home knew. Returns how the channel goes on.
    fn check(&mut self, channel: usize, knew: &Channel) -> Result<Channel, Wrong> {
        let wrong = |what: &str| Err(Wrong::Found(format!("channel {channel}, {knew:?}: {what}, {self:?}")));
        let all = self.all.get(&channel).cloned().unwrap_or_default();
        let once = self.once.get(&channel).map_or(&[][..], Vec::as_slice);
        let top = all.last().copied().unwrap_or(0);
        if !self.never_said.is_empty() || top > knew.top {
            return wrong("it was never appended");
        }
        if top < knew.committed || !Channel::living(knew.committed).all(|number| all.contains(&number)) {
            return wrong("what was committed is lost");
        }
        if !Channel::living(top).all(|number| all.contains(&number)) {
            return wrong("there is a hole");
        }
        if !once.is_sorted_by(|one, next| one < next) {
            return wrong("it comes twice, or in another order");
        }
        Ok(Channel { top, committed: top, committed_before: top, waiting: Vec::new() })
    }
}

/// What a name says; nothing where it is not one that the world gave.
fn parse(text: &str) -> Option<Said> {
    let mut words = text.split(' ');
    let (channel, number) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let is_again = words.next()? == AGAIN;
    let said = name(channel, number, if is_again { AGAIN } else { ONCE });
    (said == text && channel < CHANNELS).then_some(Said { channel, number, is_again })
}
