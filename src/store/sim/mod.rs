//! A seeded simulation of the store alone: journals of some shards, a disk that keeps what was not synced apart, and loss of
//! power at every step.
//!
//! `SEED=7 cargo test --lib store::sim` runs one seed, `SEEDS=10000` that many, `FIRST=5000` says from which on.

pub(crate) mod disk;
pub(crate) mod fault;
mod world;

use self::fault::Fault;
use self::world::{World, Wrong};
use crate::broker::sim::each_seed;

const STEPS: usize = 500;

/// Runs a seed to its end, or to what is wrong.
fn run(seed: u64, fault: Option<Fault>) -> Result<World, Wrong> {
    let mut world = World::new(seed, fault);
    for _ in 0..STEPS {
        world.step()?;
    }
    world.restart()?;
    Ok(world)
}

#[test]
fn what_was_committed_is_found_in_order_and_nothing_that_was_never_appended() {
    each_seed(1000, |seed| {
        if let Err(wrong) = run(seed, None) {
            panic!("{wrong}; again: SEED={seed} cargo test --lib store::sim");
        }
    });
}

#[test]
fn the_world_goes_everywhere() {
    let mut been = world::Been::default();
    for seed in 0..300 {
        been.add(&run(seed, None).expect("it holds").been);
    }
    let world::Been {
        restarts,
        full,
        snapshots,
        shards,
        disk: disk::Been { torn, unsynced, failed, refused, reused, discarded, held_up },
    } = been;
    let counts = [restarts, torn, unsynced, failed, refused, full, snapshots, discarded, held_up, reused, shards];
    assert!(counts.iter().all(|count| *count > 50), "{been:?}");
}

#[test]
fn planted_faults_are_found() {
    let faults = [
        Fault::IgnoresFailedSync,
        Fault::SeedsAllAlike,
        Fault::TakesTailForWhole,
        Fault::TellsTooEarly,
        Fault::ForgetsLast,
        Fault::TrustsTheKernel,
    ];
    for fault in faults {
        let finds = (0..200).filter(|seed| run(*seed, Some(fault)).is_err()).count();
        assert!(finds > 0, "{fault:?} is not found");
    }
}

#[test]
fn a_journal_that_is_always_full_still_finishes_its_snapshots() {
    each_seed(30, |seed| {
        let mut world = World::new(seed, None);
        world.saturate(600);
        let (discarded, segments) = (world.discarded(), world.segments());
        assert!(discarded > 20, "{discarded} discarded; again: SEED={seed} cargo test --lib store::sim");
        assert!(segments < 40, "{segments} segments; again: SEED={seed} cargo test --lib store::sim");
        world.restart().unwrap_or_else(|wrong| panic!("{wrong}; again: SEED={seed} cargo test --lib store::sim"));
    });
}

#[test]
fn a_bit_that_flips_at_rest_refuses_the_start_or_changes_nothing_that_was_kept() {
    each_seed(300, |seed| {
        let mut world = run(seed, None).expect("it holds");
        if let Err(wrong) = world.flip_a_bit(true) {
            panic!("{wrong}; again: SEED={seed} cargo test --lib store::sim");
        }
    });
}

#[test]
fn a_reader_that_takes_wrong_checksums_is_found() {
    let finds = |seed| {
        let mut world = run(seed, Some(Fault::TakesWrongSums)).expect("nothing has flipped yet");
        world.flip_a_bit(true).is_err()
    };
    assert!((0..100).any(finds));
}

#[test]
fn a_bit_that_flips_where_a_shard_still_wrote_costs_its_last_batch_at_the_most() {
    each_seed(300, |seed| {
        let mut world = run(seed, None).expect("it holds");
        if let Err(wrong) = world.flip_a_bit(false) {
            panic!("{wrong}; again: SEED={seed} cargo test --lib store::sim");
        }
    });
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..5 {
        let traces = [(); 2].map(|()| run(seed, None).expect("it holds").trace());
        assert_eq!(traces[0], traces[1], "SEED={seed}");
    }
}
