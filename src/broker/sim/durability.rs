//! The disk's part of the world: it writes when it likes, it fails, and the node is killed while it does.

use rand::Rng;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::configuration::{DURABLE, INBOXES};
use super::disk;
use super::whims::Message;
use super::world::World;
use crate::model::Position;
use crate::model::refusal::{Error, ErrorKind};

/// What a backend waits for.
#[derive(Debug)]
pub(super) enum Unanswered {
    Publish { channel: String, message: Message, answered: Receiver<Result<Position, Error>> },
    Removal { channel: String, answered: Receiver<Result<(), Error>> },
}

impl World {
    /// Backends hear what has been answered.
    pub(super) fn hear_answers(&mut self) {
        for mut waiting in std::mem::take(&mut self.unanswered) {
            let is_open = match &mut waiting {
                Unanswered::Publish { channel, message, answered } => {
                    hear(answered, |answer| self.published(channel, message, answer))
                }
                Unanswered::Removal { channel, answered } => hear(answered, |answer| self.removed(channel, answer)),
            };
            if is_open {
                self.unanswered.push(waiting);
            }
        }
    }

    fn may_fail(&self, channel: &str) -> bool {
        self.trouble.disk().is_some() && DURABLE.into_iter().chain(INBOXES).any(|durable| durable == channel)
    }

    fn published(&mut self, channel: &str, message: &Message, answer: Result<Position, Error>) {
        match answer {
            Ok(position) => {
                if let Some(client) = message.exclude {
                    self.chronicle.exclude(channel, position.offset, &message.data, client);
                }
                self.chronicle.acknowledge(channel, &message.data);
            }
            Err(error) => {
                assert!(self.may_fail(channel) && error.kind == ErrorKind::Internal, "{channel}: {error:?}");
            }
        }
    }

    fn removed(&mut self, channel: &str, answer: Result<(), Error>) {
        let home = self.home_of(channel);
        match answer {
            Ok(()) => self.brokers[home].observe_removal(&mut self.chronicle, channel),
            // A write that failed may be there.
            Err(error) if self.may_fail(channel) && error.kind == ErrorKind::Internal => {
                self.chronicle.may_be_removed(channel);
            }
            Err(error) => assert_eq!(error, ErrorKind::NotAvailable.into(), "{channel} is a known channel"),
        }
    }

    /// The write of a shard is through, or fails.
    pub(super) fn write(&mut self, shard: usize) -> bool {
        if !self.disk.is_writing(shard as u16) {
            return false;
        }
        let is_synced = self.random.random_bool(0.99);
        self.failures += u32::from(!is_synced);
        disk::complete(&mut self.disk, shard, &mut self.brokers[shard], is_synced, self.now);
        self.after(shard);
        true
    }

    /// The writes of all shards are through.
    pub(super) fn write_all(&mut self) -> bool {
        let mut moves = false;
        for shard in 0..self.brokers.len() {
            if self.disk.is_writing(shard as u16) {
                moves = true;
                disk::complete(&mut self.disk, shard, &mut self.brokers[shard], true, self.now);
                self.after(shard);
            }
        }
        moves
    }

    /// The node is killed, and starts again with some shards. What was told is there; of what was in flight, anything may be.
    pub(super) fn kill(&mut self) {
        let durable = || DURABLE.into_iter().chain(INBOXES);
        let stood: Vec<_> = durable().map(|channel| self.brokers[self.home_of(channel)].stands(channel)).collect();
        self.kills_in_flight += u32::from((0..self.brokers.len()).any(|shard| self.disk.is_writing(shard as u16)));
        self.disk.cut();
        let unanswered = std::mem::take(&mut self.unanswered);
        for waiting in &unanswered {
            if let Unanswered::Removal { channel, .. } = waiting {
                self.chronicle.may_be_removed(channel);
            }
        }
        // Where there is no room, a snapshot makes some.
        self.disk.is_full = self.random.random_bool(0.3);
        // Mostly as many as before: then the old segments are somebody's, and go with a snapshot.
        let others = self.random.random_bool(0.3).then(|| self.random.random_range(1..=4));
        self.start_again(others.unwrap_or(self.brokers.len() as u16));
        for (channel, before) in durable().zip(stood) {
            let Some((epoch, top)) = before.filter(|(_, top)| *top > 0) else { continue };
            let after = self.brokers[self.home_of(channel)].stands(channel);
            let is_there = after.as_ref().is_some_and(|(life, at)| *life == epoch && *at >= top);
            assert!(is_there, "{channel} stood at {top} in {epoch}, and after the start at {after:?}");
        }
        // Who has no answer asks again, with the same key: it is published once.
        for waiting in unanswered {
            if let Unanswered::Publish { channel, message, .. } = waiting
                && message.idempotency_key.is_some()
            {
                self.publish_by_backend(&channel, &message);
            }
        }
    }

    /// The end of a run: disks that have failed are replaced by a start.
    pub(super) fn recover_from_failures(&mut self) {
        if self.trouble.disk().is_some() {
            self.kill();
            self.disk.is_full = false;
            // Journals ask for segments again.
            self.wait(0);
            self.settle();
        }
    }
}

/// Whether an answer is yet to come.
fn hear<T>(answered: &mut Receiver<T>, act: impl FnOnce(T)) -> bool {
    match answered.try_recv() {
        Ok(answer) => act(answer),
        Err(TryRecvError::Empty) => return true,
        Err(TryRecvError::Closed) => panic!("never answered"),
    }
    false
}
