//! A model of the buckets that nodes share: what they do at once and whole, and what comes back later, way by way.
//!
//! Answers and deliveries of a shard come in order, each by itself; whoever drives it says which comes next. It loses writes,
//! drops deliveries as a told hole, and is away, on command.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::bucket_ledger::{At, Ledger};
use super::kafka::Kafka;
use super::lists::{Lists, News};
use crate::broker::bridge::{
    Answer, Delivery, Kept, Life, OfList, Outgoing, Page, Publish, Receipt, ScheduleAnswer, ScheduleAsk,
};
use crate::hub::{Placement, Version};
use crate::model::ledger::{DeviceName, LedgerAnswer, LedgerAsk, Noted};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientInfo, Keep, ScheduledId, bucket_of};

#[derive(Clone, Debug)]
struct Stream {
    created: u64,
    top: u64,
    kept: VecDeque<Kept>,
    version: Option<Version>,
}

#[derive(Debug, Default)]
struct Bucket {
    generation: u64,
    /// How often something changed.
    count: u64,
    streams: BTreeMap<Arc<str>, Stream>,
    results: BTreeMap<(Arc<str>, Box<str>), Receipt>,
    listeners: BTreeMap<Arc<str>, BTreeSet<usize>>,
    ledgers: BTreeMap<Arc<str>, Ledger>,
    /// By partition of Kafka's topic: the offset of the last record that was moved into this generation.
    moved: BTreeMap<usize, u64>,
    /// What was moved into this generation.
    came: Vec<(Arc<str>, Bytes)>,
}

/// What a shard of a node is told.
pub(crate) type Sent = (usize, u16, Delivery);

/// What became of a record of Kafka.
#[derive(Debug)]
pub(super) enum MovedUp {
    /// It has its place, and this is to be told.
    Done(Vec<Sent>),
    /// It was moved before.
    Already,
    /// The bucket is in another generation.
    Another,
}

#[derive(Debug, Default)]
struct Way {
    answers: VecDeque<Answer>,
    deliveries: VecDeque<Delivery>,
}

/// A promise that buckets break, for a test to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Node 1 is told two publications the other way round.
    AnotherOrder,
    /// Something is not told to node 0, and what follows takes its place.
    SilentLoss,
    /// Writes are lost, and the epoch stays.
    SameEpoch,
    /// What is noted is answered, and not kept.
    ForgottenNotes,
    /// A floor moves past what was given up, and no letter is kept.
    LostLetters,
    /// Whom a node has left that died is listed for ever.
    Ghosts,
    /// Who is put again into a list is told again.
    ToldAgain,
    /// Which record of Kafka was moved last is not kept.
    MovedTwice,
    /// Records of Kafka are moved into whatever generation there is.
    IntoAnyGeneration,
    /// The group of movers stands before records that were not moved.
    EarlyCommit,
}

/// All buckets of a cluster.
#[derive(Debug)]
pub(crate) struct Buckets {
    buckets: Vec<Bucket>,
    /// By node: which shard is a channel's home.
    placements: Vec<Placement>,
    /// By node and shard.
    ways: BTreeMap<(usize, u16), Way>,
    /// What they go by.
    pub(crate) now_unix_ms: i64,
    /// How many publications a page has at the most.
    pub(crate) page: usize,
    /// Nothing can be asked.
    pub(crate) is_away: bool,
    pub(crate) fault: Option<Fault>,
    /// What was last told of a channel, for faults.
    told: BTreeMap<Arc<str>, Kept>,
    /// What is to come.
    scheduled: BTreeMap<ScheduledId, Publish>,
    lists: Lists,
    /// What lies between nodes and buckets where a namespace says so.
    pub(super) kafka: Kafka,
    /// What is told of a record of Kafka, for its mover to tell.
    told_by_mover: Option<Vec<Sent>>,
    /// How often they were asked who, or how many, are in a channel.
    pub(crate) asked_who: usize,
}

impl Buckets {
    pub(crate) fn new(count: u16, placements: Vec<Placement>) -> Self {
        let bucket = |number: u16| Bucket { generation: 1_000 + u64::from(number), ..Bucket::default() };
        let shards = placements
            .iter()
            .enumerate()
            .flat_map(|(node, placement)| (0..placement.shards()).map(move |shard| (node, shard)));
        let ways = shards.map(|way| (way, Way::default())).collect();
        let buckets: Vec<_> = (0..count).map(bucket).collect();
        let generations: Vec<_> = buckets.iter().map(|bucket| bucket.generation).collect();
        Self {
            buckets,
            kafka: Kafka::new(placements.len(), &generations),
            told_by_mover: None,
            ways,
            lists: Lists::new(placements.len()),
            asked_who: 0,
            placements,
            now_unix_ms: 1,
            page: 100,
            is_away: false,
            fault: None,
            told: BTreeMap::new(),
            scheduled: BTreeMap::new(),
        }
    }

    pub(crate) fn bucket_of(&self, channel: &str) -> u16 {
        bucket_of(channel, self.buckets.len() as u16)
    }

    fn bucket(&mut self, channel: &str) -> &mut Bucket {
        let bucket = self.bucket_of(channel);
        &mut self.buckets[usize::from(bucket)]
    }

    /// A home of a node asks something.
    pub(crate) fn take(&mut self, node: usize, shard: u16, outgoing: Outgoing) {
        let away = || Error::from(ErrorKind::Internal);
        let answer = match outgoing {
            Outgoing::Publish(publish) if publish.is_relayed => {
                let ticket = publish.ticket;
                self.kafka.write(*publish);
                Some(Answer::Published(ticket, Ok(Receipt { life: Life::default(), offset: 0 })))
            }
            Outgoing::Publish(publish) if self.is_away => Some(Answer::Published(publish.ticket, Err(away()))),
            Outgoing::Publish(publish) => Some(Answer::Published(publish.ticket, Ok(self.append(*publish)))),
            Outgoing::Tell { ticket, .. } if self.is_away => {
                ticket.map(|ticket| Answer::Published(ticket, Err(away())))
            }
            Outgoing::Tell { ticket, channel, body } => {
                self.say(&channel, Life::default(), Kept { offset: 0, time_unix_ms: 0, body });
                ticket.map(|ticket| Answer::Published(ticket, Ok(Receipt { life: Life::default(), offset: 0 })))
            }
            Outgoing::Join { channel, .. } if self.is_away => Some(Answer::Joined(channel, Err(away()))),
            Outgoing::Join { channel, meta_ttl_ms, after, .. } => {
                self.bucket(&channel).listeners.entry(channel.clone()).or_default().insert(node);
                let page = match meta_ttl_ms {
                    Some(_) => self.join(&channel, after),
                    None => Page { life: Life::default(), top: 0, now_unix_ms: self.now_unix_ms, kept: Vec::new() },
                };
                Some(Answer::Joined(channel, Ok(page)))
            }
            Outgoing::Read { channel, .. } if self.is_away => Some(Answer::Read(channel, Err(away()))),
            Outgoing::Read { channel, from } => {
                let page = self.read(&channel, from);
                Some(Answer::Read(channel, Ok(page)))
            }
            Outgoing::Leave(channel) => {
                self.bucket(&channel).listeners.entry(channel).or_default().remove(&node);
                None
            }
            Outgoing::Enter(_)
            | Outgoing::Exit(_)
            | Outgoing::Renew(_)
            | Outgoing::Presence { .. }
            | Outgoing::PresenceStats(_) => Some(self.list(node, outgoing)),
            Outgoing::Remove { ticket, .. } if self.is_away => Some(Answer::Removed(ticket, Err(away()))),
            Outgoing::Schedule { ticket, .. } if self.is_away => Some(Answer::Schedule(ticket, Err(away()))),
            Outgoing::Schedule { ticket, channel, ask } => {
                let answer = self.schedule(&channel, *ask);
                Some(Answer::Schedule(ticket, Ok(answer)))
            }
            Outgoing::Ledger { ticket, channel, ask } => {
                let result = self.ask_ledger(node, &channel, *ask);
                Some(Answer::Ledger(ticket, result))
            }
            Outgoing::Remove { ticket, channel } => Some(Answer::Removed(ticket, Ok(self.remove(&channel)))),
        };
        self.ways.get_mut(&(node, shard)).expect("a shard of a node").answers.extend(answer);
    }

    fn schedule(&mut self, channel: &Arc<str>, ask: ScheduleAsk) -> ScheduleAnswer {
        match ask {
            ScheduleAsk::Add(delay_ms, publish) => {
                let key = publish.key.as_ref().map(|(key, _)| key);
                let is_it =
                    |other: &Publish| other.channel == *channel && other.key.as_ref().map(|(key, _)| key) == key;
                let waits = self.scheduled.iter().find(|(_, other)| key.is_some() && is_it(other));
                if let Some((id, _)) = waits {
                    return ScheduleAnswer::Waits(*id);
                }
                let name = key.map(|key| (channel.clone(), key.clone()));
                if let Some(known) = name.and_then(|name| self.bucket(channel).results.get(&name).copied()) {
                    return ScheduleAnswer::Published(known);
                }
                let number = self.scheduled.last_key_value().map_or(0, |(id, _)| id.number + 1);
                let id = ScheduledId { due_unix_ms: self.now_unix_ms + delay_ms as i64, number, life: 0 };
                self.scheduled.insert(id, publish);
                ScheduleAnswer::Waits(id)
            }
            ScheduleAsk::Cancel(id) => ScheduleAnswer::Cancelled(self.scheduled.remove(&id).is_some()),
            ScheduleAsk::List(limit) => {
                let of_channel = self.scheduled.iter().filter(|(_, publish)| publish.channel == *channel);
                let list = of_channel.take(limit as usize).map(|(id, publish)| (*id, publish.body.clone()));
                ScheduleAnswer::ToCome(list.collect())
            }
        }
    }

    /// What is due is published, once.
    fn publish_due(&mut self) {
        while let Some(first) = self.scheduled.first_entry().filter(|first| first.key().due_unix_ms <= self.now_unix_ms)
        {
            let publish = first.remove();
            self.append(publish);
        }
    }

    fn ask_ledger(&mut self, node: usize, channel: &Arc<str>, ask: LedgerAsk) -> Result<LedgerAnswer, Error> {
        let (now_unix_ms, fault) = (self.now_unix_ms, self.fault);
        // What is not answered may have been done.
        if self.is_away && now_unix_ms % 2 == 0 {
            return Err(ErrorKind::Internal.into());
        }
        if let (LedgerAsk::Note(notes), Some(Fault::ForgottenNotes)) = (&ask, fault) {
            return Ok(LedgerAnswer::Noted(vec![Noted::Kept; notes.len()]));
        }
        let bucket = self.bucket(channel);
        let life = match (&ask, bucket.streams.get(channel)) {
            (LedgerAsk::Attach(_) | LedgerAsk::Add { .. }, None) => bucket.life(channel),
            (_, stream) => Life { generation: bucket.generation, created: stream.map_or(0, |stream| stream.created) },
        };
        let top = bucket.streams.get(channel).map_or(0, |stream| stream.top);
        let ledger = bucket.ledgers.entry(channel.clone()).or_default();
        ledger.loses_letters = fault == Some(Fault::LostLetters);
        let (result, news) = ledger.take(node, ask, At { life, top, now_unix_ms });
        for (nodes, news) in news {
            let is_meant = |node: usize| nodes.as_ref().is_none_or(|nodes| nodes.contains(&node));
            let channel: Box<str> = (&**channel).into();
            let told = || Delivery::Ledger { channel: channel.clone(), life, news: Box::new(news.clone()) };
            self.tell(&channel, |node| is_meant(node).then(told));
        }
        if self.is_away { Err(ErrorKind::Internal.into()) } else { result }
    }

    /// The floor of a device; `None` for one that is not known.
    pub(crate) fn floor(&mut self, channel: &str, user: &str, device: &str) -> Option<u64> {
        self.bucket(channel).ledgers.get(channel)?.floor(user, device)
    }

    /// The floor of a device in a life of the stream, and whether it has yet to be told that it has missed something; `None` for
    /// one that is not known, or in another life.
    pub(crate) fn stand(&mut self, channel: &str, epoch: &str, user: &str, device: &str) -> Option<(u64, bool)> {
        self.bucket(channel).ledgers.get(channel)?.stand(epoch, user, device)
    }

    /// How much a member has noticed, and whether nobody looks at a device; `None` for one who is none.
    pub(crate) fn noticed(&mut self, channel: &str, user: &str) -> Option<(u64, bool)> {
        self.bucket(channel).ledgers.get(channel)?.noticed(user)
    }

    /// The dead letters of a device in a life of the stream.
    pub(crate) fn letters(&mut self, channel: &str, epoch: &str, user: &str, device: &str) -> BTreeSet<u64> {
        let ledger = self.bucket(channel).ledgers.get(channel);
        ledger.map_or_else(BTreeSet::new, |ledger| ledger.letters_of(epoch, user, device))
    }

    /// As if a device had never been.
    pub(crate) fn forget_device(&mut self, channel: &str, name: &DeviceName) {
        if let Some(ledger) = self.bucket(channel).ledgers.get_mut(channel) {
            ledger.forget_device(name);
        }
    }

    /// Something that concerns who is in a channel.
    fn list(&mut self, node: usize, outgoing: Outgoing) -> Answer {
        let away = self.is_away.then(|| Error::from(ErrorKind::Internal));
        (self.lists.keeps_ghosts, self.lists.repeats) =
            (self.fault == Some(Fault::Ghosts), self.fault == Some(Fault::ToldAgain));
        match outgoing {
            Outgoing::Enter(presence) | Outgoing::Exit(presence) if self.is_away => {
                Answer::Listed(presence.channel, presence.info.client, Err(ErrorKind::Internal.into()))
            }
            Outgoing::Enter(presence) => {
                let generation = self.bucket(&presence.channel).generation;
                let news = self.lists.enter(node, generation, &presence);
                self.announce(news);
                Answer::Listed(presence.channel, presence.info.client, Ok(generation))
            }
            Outgoing::Exit(presence) => {
                let generation = self.bucket(&presence.channel).generation;
                let news = self.lists.exit(node, generation, &presence);
                self.announce(news);
                Answer::Listed(presence.channel, presence.info.client, Ok(generation))
            }
            Outgoing::Renew(channel) => {
                let generation = self.bucket(&channel).generation;
                let lives = self.lists.renew(&channel, generation);
                Answer::Renewed(channel, away.map_or(Ok(lives), Err))
            }
            Outgoing::Presence { channel, bytes_max } => {
                self.asked_who += 1;
                let generation = self.bucket(&channel).generation;
                let clients = self.listed(&channel);
                let weight: usize = clients.iter().map(|info| info.weight()).sum();
                let list = OfList { generation, told: (weight <= bytes_max).then_some(clients) };
                Answer::Presence(channel, away.map_or(Ok(list), Err))
            }
            Outgoing::PresenceStats(channel) => {
                self.asked_who += 1;
                let generation = self.bucket(&channel).generation;
                let told = self.lists.stats(&channel, generation);
                Answer::PresenceStats(channel, away.map_or(Ok(OfList { generation, told }), Err))
            }
            other => unreachable!("{other:?} is about something else"),
        }
    }

    fn announce(&mut self, news: impl IntoIterator<Item = News>) {
        for news in news {
            self.tell(&news.channel, |_| Some(news.delivery()));
        }
    }

    /// Whom a bucket lists in a channel.
    pub(crate) fn listed(&mut self, channel: &Arc<str>) -> Vec<Arc<ClientInfo>> {
        let generation = self.bucket(channel).generation;
        self.lists.clients(channel, generation)
    }

    /// Whom dead nodes have left is taken away.
    pub(crate) fn reap(&mut self) {
        let news = self.lists.reap();
        self.announce(news);
    }

    /// The list of a channel has expired.
    pub(crate) fn expire_list(&mut self, channel: &str) {
        self.lists.expire(channel);
    }

    /// A node was taken for dead, and is back as another incarnation: nothing that it was told holds.
    pub(crate) fn take_for_dead(&mut self, node: usize) {
        self.lists.die(node);
        let buckets = self.buckets.len() as u16;
        for bucket in &mut self.buckets {
            bucket.listeners.values_mut().for_each(|nodes| _ = nodes.remove(&node));
        }
        for (_, way) in self.ways.iter_mut().filter(|((of, _), _)| *of == node) {
            way.deliveries.clear();
            way.deliveries.extend((0..buckets).map(Delivery::Lost));
        }
    }

    fn append(&mut self, publish: Publish) -> Receipt {
        let Publish { channel, body, keep, key, version, .. } = publish;
        let time_unix_ms = self.now_unix_ms;
        let bucket = self.bucket(&channel);
        let name = key.map(|(key, _)| (channel.clone(), key));
        if let Some(known) = name.as_ref().and_then(|name| bucket.results.get(name)) {
            return *known;
        }
        let Keep { size, .. } = keep;
        let (life, kept) = if size == 0 {
            (Life::default(), Kept { offset: 0, time_unix_ms: 0, body })
        } else {
            let life = bucket.life(&channel);
            let stream = bucket.streams.get_mut(&channel).expect("it has a life");
            if let Some(version) = &version
                && let Some(newest) = &stream.version
                && (version.epoch.is_empty() || version.epoch == newest.epoch)
                && version.number <= newest.number
            {
                return Receipt { life, offset: stream.top };
            }
            stream.top += 1;
            stream.version = version.map(|version| *version);
            let kept = Kept { offset: stream.top, time_unix_ms, body };
            stream.kept.push_back(kept.clone());
            while stream.kept.len() > size as usize {
                stream.kept.pop_front();
            }
            (life, kept)
        };
        let receipt = Receipt { life, offset: kept.offset };
        bucket.results.extend(name.map(|name| (name, receipt)));
        self.say(&channel, life, kept);
        receipt
    }

    fn say(&mut self, channel: &Arc<str>, life: Life, kept: Kept) {
        let before = self.told.insert(channel.clone(), kept.clone()).filter(|before| before.offset + 1 == kept.offset);
        let fault = self.fault;
        self.tell(channel, |node| {
            let mut kept = kept.clone();
            match (fault, &before) {
                (Some(Fault::AnotherOrder), Some(before)) if node == 1 && kept.offset.is_multiple_of(5) => {
                    kept.body = before.body.clone();
                }
                (Some(Fault::SilentLoss), _) if node == 0 && kept.offset == 3 => return None,
                (Some(Fault::SilentLoss), _) if node == 0 && kept.offset > 3 => kept.offset -= 1,
                _ => {}
            }
            Some(Delivery::Said { channel: (&**channel).into(), life, kept })
        });
    }

    fn tell(&mut self, channel: &str, delivery: impl Fn(usize) -> Option<Delivery>) {
        let nodes = self.bucket(channel).listeners.get(channel).cloned().unwrap_or_default();
        for node in nodes {
            let shard = self.placements[node].of(channel);
            let Some(delivery) = delivery(node) else { continue };
            match &mut self.told_by_mover {
                Some(told) => told.push((node, shard, delivery)),
                None => self.deliver(node, shard, delivery),
            }
        }
    }

    /// A shard of a node is told something.
    pub(super) fn deliver(&mut self, node: usize, shard: u16, delivery: Delivery) {
        self.ways.get_mut(&(node, shard)).expect("a shard of a node").deliveries.push_back(delivery);
    }

    /// A node is told that it has not heard something.
    pub(super) fn tell_hole(&mut self, node: usize, bucket: u16) {
        let ways = self.ways.iter_mut().filter(|((of, _), _)| *of == node);
        ways.for_each(|(_, way)| way.deliveries.push_back(Delivery::Hole(bucket)));
    }

    /// The generations of all buckets.
    pub(super) fn generations(&self) -> Vec<u64> {
        self.buckets.iter().map(|bucket| bucket.generation).collect()
    }

    /// A record of Kafka's topic, known by its partition and offset, comes to its bucket, if that is in this generation.
    pub(super) fn move_up(&mut self, (partition, offset): (usize, u64), generation: u64, publish: Publish) -> MovedUp {
        let fault = self.fault;
        let bucket = self.bucket(&publish.channel);
        if bucket.generation != generation && fault != Some(Fault::IntoAnyGeneration) {
            return MovedUp::Another;
        }
        let is_moved = bucket.moved.get(&partition).is_some_and(|last| *last >= offset);
        if is_moved && fault != Some(Fault::MovedTwice) {
            return MovedUp::Already;
        }
        bucket.moved.insert(partition, offset);
        bucket.came.push((publish.channel.clone(), publish.body.clone()));
        self.told_by_mover = Some(Vec::new());
        self.append(publish);
        MovedUp::Done(self.told_by_mover.take().unwrap_or_default())
    }

    /// What has come from Kafka into the generations of now, in any order.
    pub(super) fn came(&self) -> Vec<(Arc<str>, Bytes)> {
        let mut came: Vec<_> = self.buckets.iter().flat_map(|bucket| bucket.came.clone()).collect();
        came.sort();
        came
    }

    fn join(&mut self, channel: &Arc<str>, after: Option<(Life, u64)>) -> Page {
        let (most, now_unix_ms) = (self.page, self.now_unix_ms);
        let bucket = self.bucket(channel);
        let life = bucket.life(channel);
        let stream = &bucket.streams[channel];
        let offset = after.filter(|(of, _)| *of == life).map(|(_, offset)| offset);
        let follows = |kept: &&Kept| offset.is_some_and(|offset| kept.offset > offset);
        let kept = stream.kept.iter().filter(follows).take(most).cloned().collect();
        Page { life, top: stream.top, now_unix_ms, kept }
    }

    fn read(&mut self, channel: &str, from: u64) -> Page {
        let (most, now_unix_ms) = (self.page, self.now_unix_ms);
        let bucket = self.bucket(channel);
        let generation = bucket.generation;
        let Some(stream) = bucket.streams.get(channel) else {
            let life = Life { generation, created: 0 };
            return Page { life, top: 0, now_unix_ms, kept: Vec::new() };
        };
        let kept = stream.kept.iter().filter(|kept| kept.offset >= from).take(most).cloned().collect();
        let life = Life { generation, created: stream.created };
        Page { life, top: stream.top, now_unix_ms, kept }
    }

    fn remove(&mut self, channel: &Arc<str>) -> u64 {
        let bucket = self.bucket(channel);
        let generation = bucket.generation;
        let Some(stream) = bucket.streams.get_mut(channel) else { return 0 };
        stream.kept.clear();
        let (life, up_to) = (Life { generation, created: stream.created }, stream.top);
        self.tell(channel, |_| Some(Delivery::Removed { channel: (&**channel).into(), life, up_to }));
        up_to
    }

    /// What a shard is answered next.
    pub(crate) fn next_answer(&mut self, node: usize, shard: u16) -> Option<Answer> {
        self.ways.get_mut(&(node, shard))?.answers.pop_front()
    }

    /// What a shard is told next. That writes were lost it learns after all answers from before.
    pub(crate) fn next_delivery(&mut self, node: usize, shard: u16) -> Option<Delivery> {
        if !self.is_away {
            self.publish_due();
        }
        let way = self.ways.get_mut(&(node, shard))?;
        let is_early = matches!(way.deliveries.front(), Some(Delivery::Lost(_))) && !way.answers.is_empty();
        if is_early { None } else { way.deliveries.pop_front() }
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ways.values().all(|way| way.answers.is_empty() && way.deliveries.is_empty())
    }

    /// Whether a node listens to a channel.
    pub(crate) fn is_heard(&mut self, node: usize, channel: &str) -> bool {
        self.bucket(channel).listeners.get(channel).is_some_and(|nodes| nodes.contains(&node))
    }

    /// The bodies and offsets of what a channel keeps.
    pub(crate) fn kept(&mut self, channel: &str) -> Vec<(u64, Bytes)> {
        let stream = self.bucket(channel).streams.get(channel);
        stream.into_iter().flat_map(|stream| &stream.kept).map(|kept| (kept.offset, kept.body.clone())).collect()
    }

    /// What a bucket has told a node, and is on its way there, is lost; perhaps it is told that.
    pub(crate) fn drop_deliveries(&mut self, node: usize, bucket: u16, is_told: bool) {
        let count = self.buckets.len() as u16;
        let is_of = |channel: &str| bucket_of(channel, count) == bucket;
        for ((of, _), way) in &mut self.ways {
            if *of == node {
                way.deliveries.retain(|delivery| match delivery {
                    Delivery::Said { channel, .. }
                    | Delivery::Removed { channel, .. }
                    | Delivery::Ledger { channel, .. }
                    | Delivery::Announced { channel, .. } => !is_of(channel),
                    Delivery::Hole(_) | Delivery::Lost(_) => true,
                });
                way.deliveries.extend(is_told.then_some(Delivery::Hole(bucket)));
            }
        }
    }

    /// A failover: the bucket has lost writes, so that none of its streams holds any more. All are told, sooner or later.
    pub(crate) fn lose_writes(&mut self, bucket: u16) {
        let state = &mut self.buckets[usize::from(bucket)];
        if self.fault == Some(Fault::SameEpoch) {
            for stream in state.streams.values_mut() {
                stream.top -= u64::from(stream.kept.pop_back().is_some());
            }
            return;
        }
        state.generation += 1_000;
        state.streams.clear();
        state.results.clear();
        state.moved.clear();
        state.came.clear();
        self.ways.values_mut().for_each(|way| way.deliveries.push_back(Delivery::Lost(bucket)));
    }

    /// A stream has outlived its use, and begins anew when it is used again.
    pub(crate) fn forget(&mut self, channel: &str) {
        self.bucket(channel).streams.remove(channel);
    }

    /// Publications of a channel go, but for the newest.
    pub(crate) fn trim(&mut self, channel: &str, left: usize) {
        if let Some(stream) = self.bucket(channel).streams.get_mut(channel) {
            let gone = stream.kept.len().saturating_sub(left);
            stream.kept.drain(..gone);
        }
    }

    /// A node is no more, and nobody listens there.
    pub(crate) fn leave(&mut self, node: usize) {
        self.lists.die(node);
        for bucket in &mut self.buckets {
            bucket.listeners.values_mut().for_each(|nodes| _ = nodes.remove(&node));
            bucket.ledgers.values_mut().for_each(|ledger| ledger.leave(node));
        }
        self.ways.iter_mut().filter(|((of, _), _)| *of == node).for_each(|(_, way)| *way = Way::default());
    }
}

impl Bucket {
    /// Which life of a channel's stream this is; one begins where there is none.
    fn life(&mut self, channel: &Arc<str>) -> Life {
        self.count += 1;
        let count = self.count;
        let begin = || Stream { created: count, top: 0, kept: VecDeque::new(), version: None };
        let created = self.streams.entry(channel.clone()).or_insert_with(begin).created;
        Life { generation: self.generation, created }
    }
}
