//! The parts of a shard by themselves, without a socket: `cargo bench --bench core`.

mod codec;
mod fan_out;
mod hub;
mod mailbox;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, codec::bench, hub::bench, mailbox::bench, fan_out::bench);
criterion_main!(benches);
