//! A letter from one shard to another: what both sides pay together.

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use ringpost::protocol::word::{Payload, Publication};
use ringpost::shard::letter::Letter;
use ringpost::shard::mailbox::Mailboxes;
use ringpost::shard::waker::Waker;

pub(crate) fn bench(criterion: &mut Criterion) {
    const BATCH: usize = 64;
    let wakers = [(); 2].map(|()| Arc::new(Waker::new().expect("a descriptor is left")));
    let mut mesh = Mailboxes::mesh(2048, &wakers);
    let [one, two] = &mut mesh[..] else { unreachable!("there are two shards") };
    let channel: Arc<str> = Arc::from("room");
    let publication = Arc::new(Publication {
        offset: 1,
        data: Payload::json(vec![b'1'; 96]),
        info: None,
        tags: None,
        time_unix_ms: 0,
    });
    let mut group = criterion.benchmark_group("mailbox");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function(format!("{BATCH} publications, sent and received"), |bencher| {
        bencher.iter(|| {
            for _ in 0..BATCH {
                let (channel, publication) = (channel.clone(), publication.clone());
                one.send(1, Letter::Publication { channel, publication, exclude: None });
            }
            one.flush();
            let mut got = 0;
            while let Some(letter) = two.receive(0) {
                drop(letter);
                got += 1;
            }
            assert_eq!(got, BATCH);
        });
    });
    group.finish();
}
