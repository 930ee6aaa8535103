//! What waits for each bucket, oldest first: one call in flight per bucket, and with it goes as much as waits.
//!
//! Nothing that waits is dropped: while Redis is away, or the node has no lease, a call is made again until it is answered. What
//! has come to a bucket counts as moved when those who listen were told of it, or that has failed, which their nodes see. The next call
//! does not wait for that, only until what is kept lies in the topic of publications, and what was refused with the dead: the bucket
//! knows what became of the records of one call, and nothing of a call that was refused as a whole.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use super::graves::Graves;
use super::metrics::MoverMetrics;
use crate::broker::bridge::Publish;
use crate::cluster::complaints::Complaints;
use crate::cluster::kafka::taken::Taken;
use crate::cluster::kafka::{deliver, publications, record};
use crate::cluster::redis::bucket::Generation;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::keys::Keys;
use crate::cluster::redis::moves::{Moved, MovedUp};
use crate::cluster::redis::streams::{self, Outcome};
use crate::events::{self, Format};
use crate::limits::{MOVER_WAITING_BYTES_MAX, MOVER_WAITING_MAX, REDIS_BATCH_BYTES, REDIS_BATCH_MAX};

/// How long to wait before a call is made again: at first, and at the most.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A record on its way into its bucket.
#[derive(Debug)]
pub(super) struct Moving {
    /// In which reading of its partition it was read.
    pub(super) reading: u64,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Into which generation of its bucket: in another one what lies before it has to come again first.
    pub(super) generation: Generation,
    pub(super) publish: Publish,
    /// The record itself, where its bucket may refuse it.
    pub(super) remains: Option<Box<Taken>>,
}

impl Moving {
    /// Bytes that its bucket is asked to take.
    fn bytes(&self) -> usize {
        self.publish.channel.len() + self.publish.body.len()
    }

    /// Bytes that it holds.
    fn held_bytes(&self) -> usize {
        self.bytes() + self.remains.as_ref().map_or(0, |remains| remains.bytes())
    }

    /// The channel, and after how many milliseconds it is looked whom to tell by a push, where somebody is to be told.
    fn arms(&self) -> Option<(&str, u64)> {
        let publish = &self.publish;
        (publish.push_after_ms > 0 && publish.keep.size > 0).then(|| (&*publish.channel, publish.push_after_ms))
    }

    /// The record, where it is held no more: as a node would have written it.
    fn rebuilt(&self, format: Format) -> Taken {
        let publish = &self.publish;
        // What is not packed by a record that was read has none.
        let value = record::written(publish).map(|record| events::encode(&record, format)).unwrap_or_default();
        Taken {
            partition: self.partition,
            offset: self.offset,
            written_unix_ms: None,
            key: Some(publish.channel.as_bytes().into()),
            value,
            content_type: Some(format.content_type().as_bytes().to_vec()),
        }
    }

    fn as_asked(&self) -> (Moved, streams::Publish<'_>) {
        let publish = &self.publish;
        let asked = streams::Publish {
            channel: &publish.channel,
            body: &publish.body,
            keep: publish.keep,
            key: publish.key.as_ref().map(|(key, window_ms)| (&**key, *window_ms)),
            sender: publish.sender.as_deref(),
            version: publish.version.as_ref().map(|version| (version.number, &*version.epoch)),
        };
        (Moved { partition: self.partition as u32, offset: self.offset as u64 }, asked)
    }
}

/// A record that was read is on its way no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) reading: u64,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// What it came to.
    pub(super) came_to: CameTo,
}

/// What a record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CameTo {
    /// This bucket has it.
    Bucket(u16),
    /// It is with the dead.
    Grave,
    /// The bucket is in another generation: it is to be read again.
    Nothing,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Moving>,
    /// Whether somebody moves what waits.
    is_served: bool,
}

/// See the module.
pub(super) struct Queues {
    /// That of the way up.
    topic: String,
    queues: Box<[Mutex<Queue>]>,
    /// Buckets whose first record waits for [`Queues::begin`].
    to_begin: Mutex<Vec<u16>>,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    functions: watch::Receiver<Option<Arc<Functions>>>,
    /// Where calls are made.
    runtime: Handle,
    deliver: deliver::Writer,
    publications: publications::Writer,
    graves: Graves,
    done: flume::Sender<Vec<Done>>,
    metrics: Arc<MoverMetrics>,
    complaints: Complaints,
    keys: Keys,
    format: Format,
}

/// Where records come from and go to, by the configuration.
pub(super) struct Ways {
    /// The topic of the way up.
    pub(super) topic: String,
    /// The names of the buckets' keys.
    pub(super) keys: Keys,
    /// In which records are written.
    pub(super) format: Format,
}

/// The topics that are written to when records have come to their buckets.
pub(super) struct Writers {
    pub(super) deliver: deliver::Writer,
    pub(super) publications: publications::Writer,
    pub(super) graves: Graves,
}

impl Queues {
    /// What is done is told there.
    pub(super) fn new(
        ways: Ways,
        functions: watch::Receiver<Option<Arc<Functions>>>,
        runtime: Handle,
        writers: Writers,
        done: flume::Sender<Vec<Done>>,
        metrics: Arc<MoverMetrics>,
    ) -> Arc<Self> {
        let Writers { deliver, publications, graves } = writers;
        let Ways { topic, keys, format } = ways;
        let queues = (0..keys.buckets()).map(|_| Mutex::default()).collect();
        let (to_begin, waiting, waiting_bytes, complaints) = Default::default();
        Arc::new(Self {
            topic,
            queues,
            to_begin,
            waiting,
            waiting_bytes,
            functions,
            runtime,
            deliver,
            publications,
            graves,
            done,
            metrics,
            complaints,
            keys,
            format,
        })
    }

    /// A record is to come to this bucket, after those before it, from the next [`Queues::begin`] on.
    pub(super) fn put(&self, bucket: u16, moving: Moving) {
        self.count(1, moving.held_bytes());
        let mut queue = self.queue(bucket);
        queue.waiting.push_back(moving);
        if !queue.is_served {
            queue.is_served = true;
            self.to_begin().push(bucket);
        }
    }

    /// What was put begins to move, together: each task that comes from another thread wakes the runtime by a system call.
    pub(super) fn begin(self: &Arc<Self>) {
        let begun = std::mem::take(&mut *self.to_begin());
        if !begun.is_empty() {
            let queues = self.clone();
            self.runtime.spawn(async move {
                begun.into_iter().for_each(|bucket| _ = tokio::spawn(queues.clone().serve(bucket)));
            });
        }
    }

    /// A record is to come to the dead.
    pub(super) fn bury(self: &Arc<Self>, remains: Box<Taken>, reason: String, done: Done) {
        let bytes = remains.bytes();
        self.count(1, bytes);
        let queues = self.clone();
        self.runtime.spawn(async move { queues.inter(&remains, &reason, bytes, done).await });
    }

    /// Whether no more is to be read for now.
    pub(super) fn are_full(&self) -> bool {
        self.waiting() >= MOVER_WAITING_MAX || self.waiting_bytes() >= MOVER_WAITING_BYTES_MAX
    }

    /// Records on their way.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Bytes of these.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    fn count(&self, records: usize, bytes: usize) {
        self.waiting.fetch_add(records, Ordering::Relaxed);
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn uncount(&self, records: usize, bytes: usize) {
        self.waiting.fetch_sub(records, Ordering::Relaxed);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn to_begin(&self) -> MutexGuard<'_, Vec<u16>> {
        self.to_begin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, bucket: u16) -> MutexGuard<'_, Queue> {
        self.queues[usize::from(bucket)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self: Arc<Self>, bucket: u16) {
        loop {
            let batch = self.next(bucket);
            if batch.is_empty() || !self.bring(bucket, batch).await {
                return;
            }
        }
    }

    /// Brings records to their bucket. False once the bridge has ended: others go on where the group stands.
    async fn bring(self: &Arc<Self>, bucket: u16, batch: Vec<Moving>) -> bool {
        match self.move_up(bucket, &batch).await {
            None => return false,
            Some(Ok(moved)) => self.settle(bucket, batch, moved).await,
            Some(Err(_)) => {
                // The call has changed nothing: that which is not of all of them is told for each.
                for moving in batch {
                    match self.move_up(bucket, std::slice::from_ref(&moving)).await {
                        None => return false,
                        Some(Ok(moved)) => self.settle(bucket, vec![moving], moved).await,
                        // The next call would have the bucket say that this record was moved.
                        Some(Err(foreign)) => self.bury_foreign(moving, &foreign).await,
                    }
                }
            }
        }
        true
    }

    /// The next batch of a bucket: what is for one generation. Where nothing waits, nobody serves it any more.
    fn next(&self, bucket: u16) -> Vec<Moving> {
        let mut queue = self.queue(bucket);
        let (mut bytes, mut number) = (0, 0);
        let generation = queue.waiting.front().map(|moving| moving.generation);
        let fits = |moving: &&Moving| {
            bytes += moving.bytes();
            number += 1;
            // One that is larger than a batch goes alone.
            (bytes <= REDIS_BATCH_BYTES || number == 1) && Some(moving.generation) == generation
        };
        let count = queue.waiting.iter().take(REDIS_BATCH_MAX).take_while(fits).count();
        queue.is_served = count > 0;
        queue.waiting.drain(..count).collect()
    }

    /// Asks the bucket until it answers, or is found to hold something foreign by which it cannot; nothing once the bridge has ended.
    /// Channels whose members are told by pushes are armed before.
    async fn move_up(&self, bucket: u16, batch: &[Moving]) -> Option<Result<MovedUp, Fault>> {
        let generation = batch[0].generation;
        let asked: Vec<_> = batch.iter().map(Moving::as_asked).collect();
        let mut armed: Vec<_> = batch.iter().filter_map(Moving::arms).collect();
        armed.sort_unstable();
        armed.dedup();
        let mut functions = self.functions.clone();
        let mut pause = PAUSE;
        loop {
            let functions = functions.wait_for(Option::is_some).await.ok()?.clone()?;
            let moved = async {
                if !armed.is_empty() {
                    functions.push_arm(&armed).await?;
                }
                functions.move_up(bucket, &self.topic, generation, &asked).await
            };
            match moved.await {
                Ok(moved) => return Some(Ok(moved)),
                // No repetition would do.
                Err(fault @ Fault::Foreign(_)) => return Some(Err(fault)),
                Err(fault) => self.complain(&fault),
            }
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    fn complain(&self, fault: &Fault) {
        self.metrics.failed(fault.kind());
        self.complaints.tell("move_up", fault);
    }

    /// Tells whoever is to know what has come to a bucket; that it is done is told when they were.
    async fn settle(self: &Arc<Self>, bucket: u16, mut batch: Vec<Moving>, moved: MovedUp) {
        let MovedUp::Done { came, told } = moved else { return self.finish(batch, CameTo::Nothing) };
        let telling = self.deliver.tell(bucket, &told).await;
        self.metrics.told_here.add(telling.here as u64);
        let moved: Vec<_> = batch.iter().map(|moving| &moving.publish).zip(came.iter().copied()).collect();
        self.metrics.left_out.add(self.publications.keep(&moved).await as u64);
        let outcomes = || came.iter().map(|came| came.receipt.outcome);
        outcomes().for_each(|outcome| self.metrics.came(outcome));
        let (mut of_each, refusals) = (outcomes(), outcomes().filter(Outcome::refuses));
        let refused = batch.extract_if(.., |_| of_each.next().is_some_and(|outcome| outcome.refuses()));
        let refused: Vec<_> = refused.zip(refusals).collect();
        if telling.written() == 0 {
            self.finish(batch, CameTo::Bucket(bucket));
        } else {
            let queues = self.clone();
            tokio::spawn(async move {
                let written = telling.written();
                let untold = telling.lost().await;
                queues.metrics.told.add((written - untold) as u64);
                queues.metrics.untold.add(untold as u64);
                queues.finish(batch, CameTo::Bucket(bucket));
            });
        }
        join_all(refused.into_iter().map(|(moving, outcome)| self.bury_refused(moving, outcome))).await;
    }

    /// Tells what records have come to.
    fn finish(&self, batch: Vec<Moving>, came_to: CameTo) {
        self.tell(batch.iter().map(|moving| done(moving, came_to)).collect());
        // Whoever waits for what is on its way finds all of it told.
        self.uncount(batch.len(), batch.iter().map(Moving::held_bytes).sum());
    }

    /// Its bucket has refused a record, and none beside it.
    async fn bury_refused(&self, moving: Moving, outcome: Outcome) {
        match outcome {
            Outcome::Foreign(foreign) => {
                let fault = foreign.fault(&self.keys, &moving.publish.channel);
                self.bury_foreign(moving, &fault).await;
            }
            _ => self.bury_moving(moving, "its sender has too many messages with an id").await,
        }
    }

    /// A record cannot come to its bucket for something that is not ours.
    async fn bury_foreign(&self, moving: Moving, fault: &Fault) {
        self.complain(fault);
        self.bury_moving(moving, &fault.to_string()).await;
    }

    /// Brings a record to the dead that was to come to its bucket.
    async fn bury_moving(&self, mut moving: Moving, reason: &str) {
        let bytes = moving.held_bytes();
        let remains = moving.remains.take().unwrap_or_else(|| Box::new(moving.rebuilt(self.format)));
        self.inter(&remains, reason, bytes, done(&moving, CameTo::Grave)).await;
    }

    /// Brings a record that is counted with so many bytes to the dead, and tells that.
    async fn inter(&self, remains: &Taken, reason: &str, bytes: usize, done: Done) {
        self.graves.bury(remains, reason, &self.metrics).await;
        self.tell(vec![done]);
        self.uncount(1, bytes);
    }

    /// All of a call together.
    fn tell(&self, done: Vec<Done>) {
        // A mover that has ended needs to know nothing.
        let _ = self.done.send(done);
    }
}

fn done(moving: &Moving, came_to: CameTo) -> Done {
    Done { reading: moving.reading, partition: moving.partition, offset: moving.offset, came_to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::bridge::Ticket;
    use crate::cluster::kafka::producer::Producer;
    use crate::config::{KafkaConfig, RedisConfig};
    use crate::model::Keep;

    /// Before a Redis that is not asked for anything, since there are no calls to ask by.
    fn queues() -> Arc<Queues> {
        let config = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..KafkaConfig::default() };
        let producer = Arc::new(Producer::new(&config, "test").unwrap());
        let deliver = deliver::Writer::new(producer.clone(), &config, Arc::default());
        let publications = publications::Writer::new(producer.clone(), &config);
        let writers = Writers { deliver, publications, graves: Graves::new(producer, config.topics.clone()) };
        let (functions, done) = (watch::channel(None).1, flume::unbounded().0);
        let redis = RedisConfig { buckets: 2, ..RedisConfig::default() };
        let ways = Ways { topic: "up".into(), keys: Keys::new(&redis), format: config.format };
        Queues::new(ways, functions, Handle::current(), writers, done, Arc::default())
    }

    fn moving(offset: i64, generation: u8, bytes: usize) -> Moving {
        let publish = Publish {
            ticket: Ticket(0),
            channel: "room".into(),
            body: vec![0; bytes].into(),
            keep: Keep { size: 1, ttl_ms: 1, meta_ttl_ms: 1 },
            key: None,
            sender: None,
            version: None,
            push_after_ms: 0,
            is_relayed: true,
        };
        let generation = Generation([generation; 8]);
        Moving { reading: 1, partition: 0, offset, generation, publish, remains: None }
    }

    #[tokio::test]
    async fn a_call_is_for_one_generation_in_order_and_what_is_large_goes_alone() {
        let queues = queues();
        let all = [(1, 7, 1), (2, 7, 1), (3, 7, REDIS_BATCH_BYTES + 1), (4, 7, 1), (5, 8, 1), (6, 8, 1), (7, 7, 1)];
        all.into_iter().for_each(|(offset, generation, bytes)| queues.put(1, moving(offset, generation, bytes)));
        (8..8 + REDIS_BATCH_MAX as i64 + 1).for_each(|offset| queues.put(1, moving(offset, 7, 1)));
        let next = || Some(queues.next(1)).filter(|batch| !batch.is_empty());
        let batches: Vec<Vec<_>> =
            std::iter::from_fn(next).map(|batch| batch.iter().map(|moving| moving.offset).collect()).collect();
        assert_eq!(batches[..4], [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
        let sizes: Vec<_> = batches[4..].iter().map(Vec::len).collect();
        assert_eq!(sizes, [REDIS_BATCH_MAX, 2]);
        assert!(batches.concat().is_sorted() && queues.next(0).is_empty());
    }

    #[tokio::test]
    async fn they_are_full_in_number_or_bytes() {
        let few_and_large = queues();
        few_and_large.put(0, moving(1, 7, MOVER_WAITING_BYTES_MAX / 2));
        assert!(!few_and_large.are_full());
        few_and_large.put(1, moving(2, 7, MOVER_WAITING_BYTES_MAX / 2));
        assert!(few_and_large.are_full());
        let many = queues();
        (1..=MOVER_WAITING_MAX as i64).for_each(|offset| many.put(0, moving(offset, 7, 1)));
        assert!(many.are_full() && many.waiting() == MOVER_WAITING_MAX);
        let kept_whole = queues();
        let value = vec![0; MOVER_WAITING_BYTES_MAX];
        let (key, content_type, written_unix_ms) = (None, None, None);
        let remains = Taken { partition: 0, offset: 1, written_unix_ms, key, value, content_type };
        kept_whole.put(0, Moving { remains: Some(Box::new(remains)), ..moving(1, 7, 1) });
        assert!(kept_whole.are_full(), "what may have to be buried is held as well");
    }

    #[test]
    fn members_are_told_by_pushes_of_what_is_kept() {
        let mut pushed = moving(1, 7, 1);
        assert_eq!(pushed.arms(), None);
        pushed.publish.push_after_ms = 5;
        assert_eq!(pushed.arms(), Some(("room", 5)));
        pushed.publish.keep.size = 0;
        assert_eq!(pushed.arms(), None);
    }
}
