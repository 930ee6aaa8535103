//! Runs on channels that a node keeps on disk, and restarts of it in the middle of them: nothing that it acknowledged is
//! missing, whoever was there.

use std::path::Path;

use ringpost::config::{ChannelOptions, Config, Duration, Log, Namespace};
use ringpost_loadgen::measure::{Count, Measure};
use tempfile::TempDir;

use crate::chat::{self, counted};
use crate::harness::{TestNode, count, order, record, record_with_restart};
use crate::inbox;

/// A folder on the disk of the checkout.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// All namespaces that keep anything keep it in the folder.
pub(crate) fn on_disk(config: &mut Config, folder: &Path) {
    chat::namespaces(config);
    inbox::namespace(config);
    let durable = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(60),
        ..config.channel.without_namespace.clone()
    };
    config.channel.namespaces.push(Namespace { name: "durable".into(), options: durable });
    let keeping = config.channel.namespaces.iter_mut().filter(|namespace| namespace.options.history_size > 0);
    keeping.for_each(|namespace| namespace.options.log = Log::Disk);
    config.store.path = folder.display().to_string();
    config.store.segment_size = 4 << 20;
}

#[test]
fn publishes_are_answered_and_delivered_once_they_are_on_disk() {
    let folder = folder();
    let node = TestNode::with(|config| on_disk(config, folder.path()));
    let record = record(&order("durable", &node.websocket_url(), &["users=20", "rate_per_s=300"]));
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(count(&record, Measure::Delivery) > 100 && count(&record, Measure::Reply) > 100, "{record:?}");
}

#[test]
fn a_chat_goes_on_over_a_restart_and_nobody_misses_what_was_acknowledged() {
    let folder = folder();
    let mut node = TestNode::with(|config| on_disk(config, folder.path()));
    // A channel to which nothing was ever published begins a new life, which is told as an honest gap.
    let settings =
        [&chat::BUSY[..], &["expect_recovery=false", "restarts=true", "duration_s=8", "rooms_per_user=1"]].concat();
    let record = record_with_restart(&order("chat", &node.tcp_url(), &settings), &mut node);
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(counted(&record, Count::Recovered) > 10, "{:?}", record.counts);
    assert!(count(&record, Measure::Connect) > 40, "all came back: {:?}", record.counts);
}

#[test]
fn devices_have_everything_over_a_restart_and_no_floor_that_was_answered_goes_back() {
    let folder = folder();
    let mut node = TestNode::with(|config| on_disk(config, folder.path()));
    let settings = [&inbox::BUSY[..], &["restarts=true", "duration_s=8"]].concat();
    let record = record_with_restart(&order("inbox", &node.tcp_url(), &settings), &mut node);
    assert!(record.is_good(), "{:?}", record.faults);
    assert!(counted(&record, Count::Recovered) > 10, "{:?}", record.counts);
    assert!(count(&record, Measure::Connect) > 24, "all came back: {:?}", record.counts);
}

#[test]
fn floors_that_are_in_memory_are_gone_with_it_and_that_is_found() {
    let mut node = TestNode::with(inbox::namespace);
    let settings = [&inbox::BUSY[..], &["restarts=true", "duration_s=3"]].concat();
    let record = record_with_restart(&order("inbox", &node.tcp_url(), &settings), &mut node);
    assert!(!record.is_good(), "what was acknowledged is gone");
}
