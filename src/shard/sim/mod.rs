//! A seeded simulation of the driver: shards over simulated sockets, mailboxes with room for few letters, clients that
//! speak every format in bytes, and strangers who break what they can.
//!
//! [`World`](world::World) has the shards, their clock and everybody who connects; [`Network`](network::Network) has the
//! connections, [`Simulated`](reactor::Simulated) is what a shard sees of them. After every step of a shard
//! [`check`](mod@check) looks at what must always hold. What clients may be told is judged as in `broker::sim`, against the
//! same chronicle.
//!
//! `SEED=7 cargo test --lib shard::sim` runs one seed, `SEEDS=10000 cargo test --lib shard::sim` that many,
//! `FIRST=5000` says from which on.

mod check;
mod deadlines;
mod devices;
mod ending;
mod fault;
mod network;
mod node;
mod peer;
mod reactor;
mod steps;
mod stranger;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use fault::{Fault, Planted};
use world::World;

use crate::broker::sim::each_seed;

const STEPS: usize = 500;

fn live(seed: u64, planted: Planted) -> u64 {
    let mut world = World::new(seed, planted);
    for _ in 0..STEPS {
        world.step();
    }
    world.end()
}

fn run(seed: u64) -> u64 {
    catch_unwind(AssertUnwindSafe(|| live(seed, Planted(None)))).unwrap_or_else(|panic| {
        eprintln!("the simulation failed; again: SEED={seed} cargo test --lib shard::sim");
        resume_unwind(panic)
    })
}

#[test]
fn clients_see_one_order_without_holes_through_the_whole_driver() {
    each_seed(200, |seed| _ = run(seed));
}

#[test]
fn the_power_goes_while_the_disk_writes() {
    let (mut cuts, mut in_flight) = (0, 0);
    for seed in (1..40).step_by(4) {
        let mut world = World::new(seed, Planted(None));
        (0..STEPS).for_each(|_| world.step());
        cuts += world.power_cuts;
        in_flight += world.cuts_in_flight;
    }
    assert!(cuts > 15 && in_flight > 5, "{cuts} times, {in_flight} of them while it wrote");
}

#[test]
fn one_seed_is_one_history_of_the_driver() {
    for seed in 0..3 {
        assert_eq!(run(seed), run(seed), "SEED={seed}");
    }
}

#[test]
fn every_planted_fault_is_found() {
    const SEEDS: u64 = 200;
    // Here a panic is what is hoped for: nobody wants to read hundreds of them. Other tests' are told.
    let here = std::thread::current().id();
    // What others add to the hook is there before it is taken, and stays.
    crate::vital::look_at_panics();
    let usual = Arc::new(std::panic::take_hook());
    let told = usual.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() != here {
            told(panic);
        }
    }));
    let finds = |fault: Fault| {
        let fails = |seed: &u64| catch_unwind(AssertUnwindSafe(|| live(*seed, Planted(Some(fault))))).is_err();
        (0..SEEDS).find(fails)
    };
    let found: Vec<(Fault, Option<u64>)> = Fault::ALL.iter().map(|fault| (*fault, finds(*fault))).collect();
    std::panic::set_hook(Box::new(move |panic| usual(panic)));
    println!("{found:?}");
    let unseen: Vec<Fault> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(fault, _)| *fault).collect();
    assert!(unseen.is_empty(), "not found within {SEEDS} seeds: {unseen:?}");
}
