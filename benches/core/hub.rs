//! Putting a message in order, with few channels and with many.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput};
use ringpost::hub::{Hub, HubOptions, NewPublication};
use ringpost::protocol::word::Payload;
use ringpost::time::Now;

const NOW: Now = Now { mono_ms: 1000, unix_ms: 1 << 40 };

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(1));
    let history = HubOptions { history_size: 10, history_ttl_ms: 60_000, history_meta_ttl_ms: 3_600_000 };
    for (name, options) in [("without history", HubOptions::default()), ("with history", history)] {
        for channels in [1usize, 100_000] {
            let names: Vec<Arc<str>> = (0..channels).map(|number| format!("room{number}").into()).collect();
            let mut hub = Hub::new(1);
            let data = Payload::json(vec![b'1'; 96]);
            let mut publish = |at: usize| {
                let message = NewPublication {
                    data: data.clone(),
                    info: None,
                    tags: None,
                    skip_history: false,
                    idempotency_key: None,
                };
                hub.publish(&names[at % channels], message, options, NOW)
            };
            (0..channels * 10).for_each(|at| drop(publish(at)));
            let mut at = 0;
            group.bench_function(format!("publish {name}, {channels} channels"), |bencher| {
                bencher.iter(|| {
                    // A stride that visits the channels out of order.
                    at += 7919;
                    black_box(publish(at))
                });
            });
        }
    }
    group.finish();
}
