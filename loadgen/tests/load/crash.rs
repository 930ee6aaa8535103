//! Crash trials of a real node in a process of its own, which keeps or forgets, and of one that does not come back.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use ringpost::config::{ChannelOptions, Duration, Log, Namespace};
use ringpost_loadgen::crash::{Handling, Order, Told, Wrong, run};
use ringpost_loadgen::target::Target;
use tempfile::TempDir;

use crate::harness::{SECRET, TestNode};
use crate::server::free_port;

/// Where the node of a trial listens.
const PORT: &str = "CRASH_TEST_PORT";
/// Where it keeps what is published to `disk:`.
const STORE: &str = "CRASH_TEST_STORE";

/// Is the node of a trial, when a trial starts this program so.
#[test]
#[ignore = "it is the node of the trials, and runs until it is killed"]
fn is_the_node_of_a_trial() {
    let Ok(port) = std::env::var(PORT) else { return };
    let _node = TestNode::with(|config| {
        config.tcp_server.port = port.parse().unwrap();
        let kept = ChannelOptions {
            history_size: 100_000,
            history_ttl: Duration::from_secs(600),
            force_recovery: true,
            allow_history_for_subscriber: true,
            ..config.channel.without_namespace.clone()
        };
        config.store.path = std::env::var(STORE).unwrap();
        config.store.segment_size = 4 << 20;
        let on_disk = ChannelOptions { log: Log::Disk, ..kept.clone() };
        let namespace = |name: &str, options| Namespace { name: name.into(), options };
        config.channel.namespaces = vec![namespace("memory", kept), namespace("disk", on_disk)];
    });
    loop {
        std::thread::park();
    }
}

/// A trial of a node in a namespace, killed so often, with its store in a folder.
fn order(namespace: &str, kills: u32, folder: &Path) -> Order {
    let port = free_port();
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let store = format!("{STORE}={}", folder.display());
    let node = ["env".into(), format!("{PORT}={port}"), store, program, "crash::is_the_node_of_a_trial".into()];
    Order {
        target: Target::parse(&format!("tcp://127.0.0.1:{port}")).unwrap(),
        secret: Some(SECRET.into()),
        channel_prefix: namespace.into(),
        handling: Handling::Own(node.into_iter().chain(["--exact".into(), "--ignored".into()]).collect()),
        kills,
        life_s: 0.4,
        channels: 4,
        rate_per_s: 500.0,
        payload_bytes: 200,
        seed: 1,
        command: "crash".into(),
    }
}

/// A folder on the disk of the checkout.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn told(order: &Order) -> anyhow::Result<Told> {
    run(order, &AtomicBool::new(false), |_| {})
}

#[test]
fn what_a_node_keeps_on_disk_is_there_whenever_it_was_killed() {
    let told = told(&order("disk:", 3, folder().path())).unwrap();
    assert!(told.is_good() && told.total().acknowledged > 50, "{told:?}");
    assert_eq!(told.kills(), 3, "{told:?}");
}

#[test]
fn what_a_node_forgets_when_it_is_killed_is_found() {
    let told = told(&order("memory:", 2, folder().path())).unwrap();
    let total = told.total();
    assert!(!told.is_good() && total.acknowledged > 50, "{told:?}");
    assert_eq!(total.of(Wrong::Missing), total.acknowledged + total.unanswered_kept, "all of it is gone: {told:?}");
    assert!(total.of(Wrong::Epoch) >= 4, "channels begin anew: {told:?}");
    let others = [Wrong::Vanished, Wrong::Hole, Wrong::Reused, Wrong::Twice, Wrong::Duplicate, Wrong::Gap];
    assert_eq!(others.map(|wrong| total.of(wrong)), [0; 6], "and is told as such: {told:?}");
}

#[test]
fn a_node_that_keeps_nothing_is_no_node_for_a_trial() {
    let error = told(&order("", 1, folder().path())).unwrap_err().to_string();
    assert!(error.contains("cannot recover"), "{error}");
}

#[test]
fn a_node_that_does_not_start_says_why() {
    let order = Order { handling: Handling::Own(vec!["false".into()]), ..order("memory:", 1, folder().path()) };
    let error = told(&order).unwrap_err().to_string();
    assert!(error.contains("instead of taking connections"), "{error}");
}

#[test]
fn a_trial_that_is_interrupted_looks_once_more_and_ends() {
    let told = run(&order("memory:", 5, folder().path()), &AtomicBool::new(true), |_| {}).unwrap();
    assert!(told.is_interrupted && told.kills() == 0, "{told:?}");
}
