//! The time that the parts of a shard take by themselves, without a socket: `cargo bench --bench core`.

mod forwarding;
#[path = "../operations/mod.rs"]
mod operations;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use self::operations::Run;

fn bench(criterion: &mut Criterion) {
    let operations = operations::all();
    for part in operations.chunk_by(|one, next| one.part == next.part) {
        let mut group = criterion.benchmark_group(part[0].part);
        for operation in part {
            group.throughput(Throughput::Elements(operation.units.into()));
            // Set up at its first turn: most are left out where a name is given.
            let mut run: Option<Run> = None;
            group.bench_function(&operation.name, |bencher| {
                bencher.iter(&mut *run.get_or_insert_with(|| (operation.prepare)()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, bench, forwarding::bench);
criterion_main!(benches);
