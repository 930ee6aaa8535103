//! What waits for each bucket, oldest first: one call in flight per bucket, and with it goes as much of what waits as is alike.
//!
//! Of messages a bounded number of bytes waits, over all buckets: past it they are refused at once, so that nobody waits for a
//! Redis that does not keep up. A bucket is asked for nothing before the node hears it: what follows a page is heard then. One that is
//! not heard for as long as a call is repeated is one whose server is away: what waits for it is refused, as by that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::arms::Arms;
use super::calls;
use super::complaints::Complaints;
use super::lease::Lease;
use super::metrics::{BridgeMetrics, Call};
use super::requests::{Request, Sorted};
use crate::cluster::redis::fault::{Fault, Remedy};
use crate::cluster::redis::functions::Functions;
use crate::cluster::redis::leases::Leases;
use crate::limits::{REDIS_BATCH_BYTES, REDIS_BATCH_MAX, REDIS_PAGES_AT_ONCE, REDIS_RETRY_MS, REDIS_WAITING_BYTES_MAX};
use crate::shard::asked::Asked;
use crate::shard::bridge::BridgeEnd;

/// What waits for a bucket.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Request>,
    /// Whether somebody is sending what waits.
    is_served: bool,
    /// Whether the node hears the bucket.
    is_heard: bool,
}

/// All buckets' lines, before one incarnation's calls.
pub(super) struct Lines {
    functions: Arc<Functions>,
    lease: Arc<Lease>,
    /// All nodes' leases, as they were last seen.
    leases: watch::Receiver<Option<Leases>>,
    ends: Arc<[BridgeEnd]>,
    lines: Box<[Mutex<Line>]>,
    /// How many buckets the node does not hear yet.
    unheard: AtomicUsize,
    /// Until when what is asked of a bucket waits for it to be heard.
    patience: Instant,
    pages: Semaphore,
    arms: Arms,
    metrics: Arc<BridgeMetrics>,
    complaints: Arc<Complaints>,
}

impl Lines {
    pub(super) fn new(
        functions: Arc<Functions>,
        lease: Arc<Lease>,
        leases: watch::Receiver<Option<Leases>>,
        ends: Arc<[BridgeEnd]>,
        metrics: Arc<BridgeMetrics>,
        complaints: Arc<Complaints>,
    ) -> Arc<Self> {
        let lines: Box<[_]> = (0..functions.keys().buckets()).map(|_| Mutex::default()).collect();
        let unheard = AtomicUsize::new(lines.len());
        let pages = Semaphore::new(REDIS_PAGES_AT_ONCE);
        let (arms, patience) = (Arms::default(), Instant::now() + Duration::from_millis(REDIS_RETRY_MS));
        Arc::new(Self { functions, lease, leases, ends, lines, unheard, patience, pages, arms, metrics, complaints })
    }

    /// Takes what a shard's tick asks.
    pub(super) fn take(self: &Arc<Self>, asked: Asked) {
        let Asked { shard, all, since, .. } = asked;
        let mut refused = Vec::new();
        for what in all {
            let request = Request { shard, what, since };
            if !self.admits(&request) {
                refused.push(request);
                continue;
            }
            let bucket = self.functions.keys().bucket_of(request.channel());
            let mut line = self.line(bucket);
            line.waiting.push_back(request);
            self.serve_if_idle(bucket, &mut line);
        }
        if !refused.is_empty() {
            self.complaints.tell("append", &Fault::Crowded);
            Sorted::refused(refused, &Fault::Crowded).give(&self.ends);
        }
    }

    /// The node hears a bucket from now on.
    pub(super) fn hears(self: &Arc<Self>, bucket: u16) {
        let mut line = self.line(bucket);
        if !std::mem::replace(&mut line.is_heard, true) {
            self.unheard.fetch_sub(1, Ordering::Relaxed);
        }
        self.serve_if_idle(bucket, &mut line);
    }

    /// Refuses what waits for buckets that should be heard by now. Cheap once all of them are.
    pub(super) fn refuse_unheard(&self, now: Instant) {
        if now < self.patience || self.unheard.load(Ordering::Relaxed) == 0 {
            return;
        }
        for bucket in 0..self.functions.keys().buckets() {
            let mut line = self.line(bucket);
            if !line.is_heard && !line.waiting.is_empty() {
                let waiting = std::mem::take(&mut line.waiting);
                drop(line);
                self.complaints.tell("listen", &Fault::Down);
                self.refuse(waiting, &Fault::Down);
            }
        }
    }

    /// Waits until nothing waits any more, as long as a call is repeated: who announces that it goes is heard.
    pub(super) async fn drain(&self) {
        let until = Instant::now() + Duration::from_millis(REDIS_RETRY_MS);
        while self.metrics.waiting.get() > 0 && self.lease.lives() && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Refuses all that waits: the lease is lost. What is in flight is answered when its calls end.
    pub(super) fn give_up(&self) {
        for bucket in 0..self.functions.keys().buckets() {
            let waiting = std::mem::take(&mut self.line(bucket).waiting);
            self.refuse(waiting, &Fault::Dead);
        }
    }

    fn refuse(&self, waiting: VecDeque<Request>, fault: &Fault) {
        self.forget(&waiting);
        Sorted::refused(waiting, fault).give(&self.ends);
    }

    fn line(&self, bucket: u16) -> MutexGuard<'_, Line> {
        self.lines[usize::from(bucket)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve_if_idle(self: &Arc<Self>, bucket: u16, line: &mut Line) {
        if line.is_heard && !line.is_served && !line.waiting.is_empty() {
            line.is_served = true;
            tokio::spawn(self.clone().serve(bucket));
        }
    }

    /// Whether there is room for a request. What waits is counted where it is shown.
    fn admits(&self, request: &Request) -> bool {
        let weight = request.weight() as u64;
        let fits = weight == 0 || self.metrics.waiting_bytes.get() + weight <= REDIS_WAITING_BYTES_MAX as u64;
        if fits {
            self.metrics.waiting.add(1);
            self.metrics.waiting_bytes.add(weight as i64);
        }
        fits
    }

    /// Requests that wait no more.
    fn forget<'a>(&self, requests: impl IntoIterator<Item = &'a Request, IntoIter: ExactSizeIterator>) {
        let requests = requests.into_iter();
        self.metrics.waiting.add(-(requests.len() as i64));
        self.metrics.waiting_bytes.add(-(requests.map(Request::weight).sum::<usize>() as i64));
    }

    async fn serve(self: Arc<Self>, bucket: u16) {
        loop {
            let batch = self.next(bucket);
            let Some(first) = batch.first() else { return };
            let call = first.call();
            let result = self.call_if_alive(call, bucket, &batch).await;
            self.forget(&batch);
            if batch.len() == 1 || !matches!(result, Err(Fault::Foreign(_))) {
                self.answer(call, batch, result);
                continue;
            }
            // The call has changed nothing, and it is the fault of some of them only: the others are served.
            for request in batch {
                let (call, alone) = (request.call(), vec![request]);
                let result = self.call_if_alive(call, bucket, &alone).await;
                self.answer(call, alone, result);
            }
        }
    }

    async fn call_if_alive(&self, call: Call, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
        match self.lease.lives() {
            true => self.call(call, bucket, batch).await,
            false => Err(Fault::Dead),
        }
    }

    fn answer(&self, call: Call, batch: Vec<Request>, result: Result<Sorted, Fault>) {
        let answers = match result {
            // Who joined by a lease that was lost meanwhile is not told what follows.
            Ok(_) if matches!(call, Call::Join | Call::Attach) && !self.lease.lives() => {
                Sorted::refused(batch, &Fault::Dead)
            }
            Ok(answers) => answers,
            Err(fault) => self.failed(call, batch, &fault),
        };
        answers.give(&self.ends);
    }

    async fn call(&self, call: Call, bucket: u16, batch: &[Request]) -> Result<Sorted, Fault> {
        let _page = match batch.iter().any(Request::reads) {
            true => self.pages.acquire().await.ok(),
            false => None,
        };
        if call == Call::Append {
            self.arms.arm(&self.functions, batch).await?;
        }
        let began = Instant::now();
        let result = calls::call(&self.functions, &self.leases, bucket, batch, &self.complaints).await;
        self.metrics.called(call, began.elapsed().as_nanos() as u64);
        result
    }

    fn failed(&self, call: Call, batch: Vec<Request>, fault: &Fault) -> Sorted {
        self.complaints.tell(call.name(), fault);
        if fault.remedy() == Remedy::Die {
            self.lease.end();
        }
        Sorted::refused(batch, fault)
    }

    /// The next batch of a bucket; where nothing waits, nobody serves it any more.
    fn next(&self, bucket: u16) -> Vec<Request> {
        let mut line = self.line(bucket);
        let (mut bytes, mut entries) = (0, 0);
        let fits = |(at, request): &(usize, &Request)| {
            bytes += request.weight();
            entries += request.entries();
            // One that is larger than a batch goes alone.
            let is_small = (bytes <= REDIS_BATCH_BYTES && entries <= REDIS_BATCH_MAX) || *at == 0;
            is_small && line.waiting[0].goes_with(request)
        };
        let count = line.waiting.iter().take(REDIS_BATCH_MAX).enumerate().take_while(fits).count();
        line.is_served = count > 0;
        let batch: Vec<_> = line.waiting.drain(..count).collect();
        self.metrics.left(batch.iter().map(|request| request.since));
        batch
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::broker::bridge::{Answer, Outgoing, Publish, Ticket};
    use crate::cluster::redis::functions::Incarnation;
    use crate::cluster::redis::keys::Keys;
    use crate::cluster::redis::link::Link;
    use crate::config::RedisConfig;
    use crate::model::Keep;
    use crate::shard::asked;
    use crate::shard::bridge::ShardBridge;
    use crate::shard::waker::Waker;

    /// Lines before a Redis that is not asked for anything, since its one bucket is not heard, and a shard.
    fn lines() -> (Arc<Lines>, ShardBridge) {
        let config = RedisConfig { addresses: vec!["127.0.0.1:1".into()], buckets: 1, ..RedisConfig::default() };
        let link = Arc::new(Link::new(&config, None).unwrap());
        let functions = Functions::new(link, Keys::new(&config), Incarnation { slot: 1, number: 1 });
        let (shard, end) = ShardBridge::new(0, Arc::new(Waker::new().unwrap()), asked::way().0);
        let (lease, metrics) = (Arc::new(Lease::taken(Instant::now())), Arc::<BridgeMetrics>::default());
        let complaints = Arc::new(Complaints::new(metrics.clone()));
        let leases = watch::channel(None).1;
        (Lines::new(Arc::new(functions), lease, leases, [end].into(), metrics, complaints), shard)
    }

    fn publish(ticket: u64, body: Bytes) -> Outgoing {
        let keep = Keep { size: 1, ttl_ms: 1, meta_ttl_ms: 1 };
        let (ticket, channel) = (Ticket(ticket), "room".into());
        Outgoing::Publish(Box::new(Publish {
            ticket,
            channel,
            body,
            keep,
            key: None,
            sender: None,
            version: None,
            push_after_ms: 0,
            is_relayed: false,
        }))
    }

    fn join() -> Outgoing {
        Outgoing::Join { channel: "room".into(), meta_ttl_ms: None, is_read: false, after: None }
    }

    /// The tickets of publications that were refused, and how many joins were.
    fn refused(shard: &ShardBridge) -> (Vec<u64>, usize) {
        let (mut tickets, mut joins) = (Vec::new(), 0);
        for answer in std::iter::from_fn(|| shard.next_answers()).flatten() {
            match answer {
                Answer::Published(ticket, Err(_)) => tickets.push(ticket.0),
                Answer::Joined(_, Err(_)) => joins += 1,
                other => panic!("{other:?}"),
            }
        }
        (tickets, joins)
    }

    #[test]
    fn past_the_bound_in_bytes_messages_are_refused_at_once_and_what_waits_is_when_the_lease_is_lost() {
        const MIB: usize = 1 << 20;
        let (lines, shard) = lines();
        let (body, fit) = (Bytes::from(vec![0; MIB]), (REDIS_WAITING_BYTES_MAX / MIB) as u64 - 1);
        let all = (0..fit + 2).map(|ticket| publish(ticket, body.clone())).chain([join()]).collect();
        let since = std::time::Instant::now();
        lines.take(Asked { shard: 0, all, attendance: Vec::new(), since });
        assert_eq!(refused(&shard), (vec![fit, fit + 1], 0), "a join holds no message");
        assert_eq!(lines.metrics.waiting.get(), fit + 1);
        lines.give_up();
        assert_eq!(refused(&shard), ((0..fit).collect(), 1));
        assert_eq!((lines.metrics.waiting.get(), lines.metrics.waiting_bytes.get()), (0, 0));
    }

    #[test]
    fn what_waits_for_a_bucket_that_is_not_heard_in_time_is_refused_as_if_its_server_were_away() {
        let (lines, shard) = lines();
        let since = std::time::Instant::now();
        let ask =
            || lines.take(Asked { shard: 0, all: vec![publish(1, "x".into()), join()], attendance: Vec::new(), since });
        ask();
        lines.refuse_unheard(Instant::now());
        assert_eq!(refused(&shard), (Vec::new(), 0), "it may be heard any moment");
        let late = Instant::now() + Duration::from_millis(REDIS_RETRY_MS);
        lines.refuse_unheard(late);
        assert_eq!(refused(&shard), (vec![1], 1));
        assert_eq!((lines.metrics.waiting.get(), lines.metrics.waiting_bytes.get()), (0, 0));
        ask();
        lines.refuse_unheard(late);
        assert_eq!(refused(&shard), (vec![1], 1), "nothing waits any longer");
        assert_eq!(lines.metrics.failures(), [("down", 2)]);
        ask();
        // Nobody serves it here: it stands as one that is heard.
        lines.line(0).is_heard = true;
        lines.refuse_unheard(late);
        assert_eq!(lines.metrics.waiting.get(), 2);
    }

    #[test]
    fn what_is_alike_goes_by_one_call_in_order_and_what_is_large_alone() {
        let (lines, _shard) = lines();
        let since = std::time::Instant::now();
        let channel = Arc::<str>::from("room");
        let small = || Bytes::from_static(b"x");
        let tell = || Outgoing::Tell { ticket: None, channel: channel.clone(), body: small() };
        let all = vec![
            publish(1, small()),
            tell(),
            publish(2, Bytes::from(vec![0; REDIS_BATCH_BYTES + 1])),
            tell(),
            join(),
            join(),
            Outgoing::Leave(channel.clone()),
            Outgoing::Read { channel: channel.clone(), from: 1 },
            Outgoing::Read { channel: channel.clone(), from: 2 },
            Outgoing::Remove { ticket: Ticket(3), channel: channel.clone() },
        ];
        let count = all.len();
        lines.take(Asked { shard: 0, all, attendance: Vec::new(), since });
        lines.take(Asked {
            shard: 0,
            all: (0..REDIS_BATCH_MAX + 1).map(|_| tell()).collect(),
            attendance: Vec::new(),
            since,
        });
        let batches: Vec<_> = std::iter::from_fn(|| Some(lines.next(0)).filter(|batch| !batch.is_empty())).collect();
        let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 1, 1, 2, 1, 1, 1, 1, REDIS_BATCH_MAX, 1]);
        assert_eq!(sizes.iter().sum::<usize>(), count + REDIS_BATCH_MAX + 1);
        assert!(batches[0][0].call() == Call::Append && batches[2][0].call() == Call::Fleeting);
    }
}
