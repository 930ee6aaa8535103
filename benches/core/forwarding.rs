//! What a publish costs where its channel is at home on another shard: the work of both sides, each on a core of its
//! own, beside the same publish at home. Waiting for the other side does not count.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use ringpost::broker::Broker;
use ringpost::broker::lane::Lane;
use ringpost::broker::letter::Letter;
use ringpost::protocol::Format;
use ringpost::shard::mailbox::Mailboxes;
use ringpost::shard::waker::Waker;

use crate::operations::{NOW, shard, token};

/// Publishes of one tick.
const PUBLISHES: u64 = 64;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forwarding");
    group.throughput(Throughput::Elements(PUBLISHES));
    for (name, shards) in [("publishes with reply, at home", 1), ("publishes with reply, at home on another shard", 2)]
    {
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| publishes(shards, rounds)));
    }
    group.finish();
}

/// One shard, and its ends of the mailboxes.
struct Side {
    broker: Broker,
    mailboxes: Mailboxes,
    active: Duration,
    /// Answers that came.
    answers: u64,
}

impl Side {
    /// Does one tick with what it does at its beginning.
    fn tick(&mut self, begin: impl FnOnce(&mut Broker)) {
        let begun = Instant::now();
        begin(&mut self.broker);
        for from in 0..self.mailboxes.shards() {
            for lane in [Lane::Answers, Lane::Deliveries, Lane::Asks] {
                for _ in 0..self.mailboxes.waiting(from, lane) {
                    let letter = self.mailboxes.receive(from, lane).expect("it waits");
                    if let Letter::Published { count, .. } = letter {
                        self.answers += u64::from(count);
                    }
                    self.broker.letter_arrived(from, letter, NOW);
                }
            }
        }
        shard::flush(&mut self.broker);
        let Self { broker, mailboxes, .. } = self;
        broker.post(NOW, |to, lane, bytes, letter| mailboxes.push(to, lane, bytes, letter));
        self.mailboxes.wake();
        self.active += begun.elapsed();
    }
}

/// The time that both sides worked.
fn publishes(shards: u16, rounds: u64) -> Duration {
    let wakers: Vec<_> = (0..shards).map(|_| Arc::new(Waker::new().expect("a descriptor is left"))).collect();
    let mesh = Mailboxes::mesh(2048, &wakers);
    let sides = shard::shards(shards).into_iter().zip(mesh);
    let mut sides = sides.map(|(broker, mailboxes)| Side { broker, mailboxes, active: Duration::ZERO, answers: 0 });
    let mut mine = sides.next().expect("there is one");
    let peers: Vec<_> = sides.collect();
    let frame = shard::publish(&shard::channel_at(shards - 1, shards));
    let is_forwarded = shards > 1;
    let session = shard::connect(&mut mine.broker, 0, Format::WebSocketJson, &token::token());
    shard::flush(&mut mine.broker);
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let peers: Vec<_> = peers
            .into_iter()
            .map(|mut peer| {
                scope.spawn(move || {
                    pin(1);
                    while !is_over.load(Ordering::Relaxed) {
                        match peer.mailboxes.has_letters() {
                            true => peer.tick(|_| {}),
                            false => spin_loop(),
                        }
                    }
                    peer.active
                })
            })
            .collect();
        pin(0);
        for round in 1..=rounds {
            mine.tick(|broker| (0..PUBLISHES).for_each(|_| shard::tell(broker, session, &frame)));
            while is_forwarded && mine.answers < round * PUBLISHES {
                match mine.mailboxes.has_letters() {
                    true => mine.tick(|_| {}),
                    false => spin_loop(),
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        mine.active + peers.into_iter().map(|peer| peer.join().expect("it does not panic")).sum::<Duration>()
    })
}

/// Binds the thread to the nth core that the process may use; the scheduler chooses where there are fewer.
fn pin(core: usize) {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.get(core).map(|core| core_affinity::set_for_current(*core));
}
