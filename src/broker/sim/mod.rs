//! A seeded simulation: brokers, the mailboxes between them, sockets and clients, with virtual time.
//!
//! [`World`](world::World) carries letters in the order of each lane of each pair of shards but lanes and pairs in any
//! order, through mailboxes of one to four letters; it gives sockets that take a part, and clients that stop reading, drop and come back. [`Client`](client::Client)
//! speaks the protocol in bytes and complains as soon as it is told something that cannot be.
//! [`Chronicle`](chronicle::Chronicle) writes down what every channel's home put in order: the truth that
//! clients are compared with.
//!
//! `SEED=7 cargo test --lib broker::sim` runs one seed, `SEEDS=10000 cargo test --lib broker::sim` that many, `FIRST=5000`
//! says from which on. `make soak` runs very many of all simulations.

mod bucket_ledger;
pub(crate) mod buckets;
pub(crate) mod chronicle;
pub(crate) mod client;
pub(crate) mod configuration;
pub(crate) mod devices;
pub(crate) mod dialect;
pub(crate) mod disk;
mod durability;
mod ending;
mod inboxes;
mod kafka;
pub(crate) mod ledger;
mod link;
mod lists;
mod mail;
mod page;
mod probe;
pub(crate) mod receiver;
mod steps;
mod subscription;
pub(crate) mod whims;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use self::world::World;
use crate::store::sim::fault::Fault;

const STEPS: usize = 600;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// What goes wrong in a run, beside what clients and sockets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// Some publications in channels whose subscribers are all positioned never arrive.
    Losses,
    /// The configuration is read again: histories go and come back, with publications in between or none.
    Reloads,
    /// Channels are kept on a disk that is slow and fails, and the node is killed and starts again on it.
    Kills(Option<Fault>),
    /// Publications in channels on such a disk are received at least once; perhaps one is taken to be that is not.
    Inboxes {
        disk: Option<Fault>,
        passes_one: bool,
    },
    /// One user has many devices of limited kinds, and connections die without a word.
    Devices,
}

impl Trouble {
    /// Whether channels are kept on a disk, and what is wrong with that.
    fn disk(self) -> Option<Option<Fault>> {
        match self {
            Self::Kills(disk) | Self::Inboxes { disk, .. } => Some(disk),
            _ => None,
        }
    }
}

fn run(seed: u64, trouble: Trouble) -> u64 {
    let life = AssertUnwindSafe(|| {
        let mut world = World::new(seed, trouble);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        world.recover_from_failures();
        world.receive_all();
        world.check_everyone_is_current();
        world.part();
        world.check_everything_is_given_back();
        world.trace()
    });
    catch_unwind(life).unwrap_or_else(|panic| {
        eprintln!("the simulation failed; again: SEED={seed} cargo test --lib sim");
        resume_unwind(panic)
    })
}

/// Runs the seed that `SEED` names, or as many as `SEEDS` says from `FIRST` on.
pub(crate) fn each_seed(usually: u64, run: impl Fn(u64)) {
    match number("SEED") {
        Some(seed) => run(seed),
        None => {
            let first = number("FIRST").unwrap_or(0);
            (first..first + number("SEEDS").unwrap_or(usually)).for_each(run);
        }
    }
}

fn run_all(trouble: Trouble) {
    each_seed(100, |seed| _ = run(seed, trouble));
}

#[test]
fn clients_see_one_order_without_holes() {
    run_all(Trouble::Nothing);
}

#[test]
fn a_publication_that_is_lost_between_shards_is_told_to_who_counts_on_it() {
    run_all(Trouble::Losses);
}

#[test]
fn a_configuration_that_is_read_again_harms_nobody_and_is_told_to_who_counted_on_it() {
    run_all(Trouble::Reloads);
}

#[test]
fn what_was_told_survives_a_kill_and_nothing_is_told_before_it_does() {
    run_all(Trouble::Kills(None));
}

#[test]
fn faults_of_the_disk_are_found() {
    let faults = [
        Fault::TellsTooEarly,
        Fault::IgnoresFailedSync,
        Fault::NeverTells,
        Fault::TellsTwice,
        Fault::ForgetsLast,
        Fault::TakesTailForWhole,
    ];
    for fault in faults {
        let is_found = |seed| catch_unwind(|| run(seed, Trouble::Kills(Some(fault)))).is_err();
        assert!((0..30).any(is_found), "{fault:?} is not found");
    }
}

#[test]
fn nodes_are_killed_while_the_disk_writes_and_disks_fail() {
    let (mut kills, mut failures, mut discarded) = (0, 0, 0);
    for seed in 0..30 {
        let mut world = World::new(seed, Trouble::Kills(None));
        (0..STEPS).for_each(|_| world.step());
        kills += world.kills_in_flight;
        failures += world.failures;
        discarded += world.disk.been.discarded;
    }
    assert!(kills > 50 && failures > 10 && discarded > 10, "{kills} kills, {failures} failures, {discarded} segments");
}

#[test]
fn no_device_skips_what_is_received_at_least_once_and_no_answered_floor_goes_back() {
    each_seed(60, |seed| _ = run(seed, Trouble::Inboxes { disk: None, passes_one: false }));
}

#[test]
fn faults_of_delivery_are_found() {
    let disks = [Fault::TellsTooEarly, Fault::IgnoresFailedSync, Fault::ForgetsFloors, Fault::ForgetsLast];
    let faults = disks.map(|fault| Trouble::Inboxes { disk: Some(fault), passes_one: false });
    for fault in faults.into_iter().chain([Trouble::Inboxes { disk: None, passes_one: true }]) {
        let is_found = |seed| catch_unwind(|| run(seed, fault)).is_err();
        assert!((0..30).any(is_found), "{fault:?} is not found");
    }
}

#[test]
fn publications_are_given_up_lost_and_sent_again() {
    let (mut given_up, mut losses) = (0, 0);
    for seed in 0..20 {
        let mut world = World::new(seed, Trouble::Inboxes { disk: None, passes_one: false });
        (0..STEPS).for_each(|_| world.step());
        given_up += world.chronicle.ledger.given_up();
        losses += world.chronicle.ledger.losses;
    }
    assert!(given_up > 20 && losses > 10, "{given_up} were given up, {losses} lost");
}

#[test]
fn no_more_devices_are_connected_than_may_be_and_a_client_that_comes_back_is_no_other_one() {
    run_all(Trouble::Devices);
}

#[test]
fn devices_are_sent_away_replaced_and_refused() {
    let mut goodbyes = std::collections::BTreeMap::new();
    for seed in 0..20 {
        let mut world = World::new(seed, Trouble::Devices);
        (0..STEPS).for_each(|_| world.step());
        world.goodbyes.into_iter().for_each(|(code, count)| *goodbyes.entry(code).or_insert(0) += count);
    }
    assert!([4501, 4502, 4503].iter().all(|code| goodbyes.get(code).is_some_and(|count| *count > 5)), "{goodbyes:?}");
}

#[test]
fn mailboxes_are_full_windows_shut_and_clients_not_read() {
    let (mut windows_shut, mut congestions) = (0, 0);
    for seed in 0..20 {
        let mut world = World::new(seed, Trouble::Nothing);
        (0..STEPS).for_each(|_| world.step());
        windows_shut += world.windows_shut;
        congestions += world.congestions;
    }
    assert!(windows_shut > 100 && congestions > 100, "{windows_shut} and {congestions} times");
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..5 {
        assert_eq!(run(seed, Trouble::Nothing), run(seed, Trouble::Nothing), "SEED={seed}");
    }
}
