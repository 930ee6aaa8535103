//! Runs against several nodes: those that are one server, through wires to it, and those that are not; and what disturbs them.

use std::path::Path;
use std::thread;
use std::time::Duration;

use ringpost_loadgen::fault::Fault;
use ringpost_loadgen::measure::{Count, Measure};
use ringpost_loadgen::run::{Order, run};

use crate::chat::{self, counted};
use crate::disk::{folder, on_disk};
use crate::harness::{TestNode, count, order_of_nodes, record};
use crate::proxy::{self, Mischief};

/// Twenty users in four rooms, who come and go.
const FEW: [&str; 7] = [
    "users=20",
    "rooms=4",
    "zipf=0",
    "messages_per_s=200",
    "channel_prefix=chat:",
    "pause_s=0.1",
    "reconnects_per_s=20",
];

/// A wire to a node: another way to the same server.
fn wire(node: &TestNode, mischief: Mischief) -> String {
    proxy::start(node.tcp_url().trim_start_matches("tcp://").parse().unwrap(), mischief)
}

#[test]
fn clients_are_spread_over_the_nodes_and_who_comes_back_comes_to_the_next_one() {
    let node = TestNode::with(chat::namespaces);
    let urls = [node.tcp_url(), wire(&node, Mischief::Nothing)];
    let mut order = order_of_nodes("cluster", &urls, &[&FEW[..], &["moves_per_s=0"]].concat());
    let one = record(&order);
    assert!(one.is_good(), "{:?}", one.faults);
    assert!(counted(&one, Count::Drops) > 5, "{:?}", one.counts);
    assert_eq!(
        one.nodes.iter().map(|node| (&node.url, node.clients)).collect::<Vec<_>>(),
        [(&urls[0], 10), (&urls[1], 10)]
    );
    assert!(one.nodes.iter().all(|node| node.came > 0 && node.ended == 0 && node.version == ringpost::VERSION));
    // Who is away at the end comes back, and is not measured.
    let came = one.nodes.iter().map(|node| node.came).sum::<u64>();
    assert!(came >= count(&one, Measure::Connect), "{came} in {:?}", one.whole);
    order.processes = Some(2);
    let two = record(&order);
    assert!(two.is_good(), "{:?}", two.faults);
    assert_eq!(two.nodes.iter().map(|node| node.clients).collect::<Vec<_>>(), [10, 10], "of both load processes");
}

#[test]
fn what_one_of_the_nodes_does_wrong_is_found() {
    let node = TestNode::with(chat::namespaces);
    for (mischief, fault) in [(Mischief::Drop, Fault::Lost), (Mischief::Repeat, Fault::Duplicate)] {
        let urls = [node.tcp_url(), wire(&node, mischief)];
        let record =
            record(&order_of_nodes("cluster", &urls, &[&FEW[..6], &["reconnects_per_s=0", "moves_per_s=0"]].concat()));
        assert_eq!(record.faults.counts().collect::<Vec<_>>(), [(fault, 1)], "{:?}", record.faults);
    }
}

#[test]
fn nodes_that_do_not_share_their_channels_are_not_one_server() {
    let nodes = [TestNode::with(chat::namespaces), TestNode::with(chat::namespaces)];
    let urls = nodes.each_ref().map(TestNode::tcp_url);
    let error = run(&order_of_nodes("cluster", &urls, &FEW), |_| {}).unwrap_err().to_string();
    assert!(error.contains("the nodes are not one server") && error.contains("[cluster]"), "{error}");
}

/// A run that is disturbed once, half a second after its beginning, by what restarts the node: the command is there from then
/// until it was restarted.
fn disturbed_by_restart(order: &mut Order, node: &mut TestNode, folder: &Path) -> ringpost_loadgen::record::Record {
    let sign = folder.join("restart");
    let path = sign.display();
    order.scenario.disturbance.command = format!("touch {path}; while [ -e {path} ]; do sleep 0.02; done");
    thread::scope(|scope| {
        let run = scope.spawn(|| record(order));
        while !sign.exists() {
            assert!(!run.is_finished(), "nothing has disturbed it");
            thread::sleep(Duration::from_millis(5));
        }
        node.restart();
        std::fs::remove_file(&sign).unwrap();
        run.join().unwrap()
    })
}

#[test]
fn a_server_that_is_restarted_loses_nothing_and_all_are_back_after_a_while() {
    let folder = folder();
    let mut node = TestNode::with(|config| on_disk(config, folder.path()));
    // Everybody is in every room, so that something was published in each: a channel without anything begins anew.
    let settings = [
        &FEW[..6],
        &["rooms_per_user=4", "direct_share=0", "expect_recovery=false", "pause_s=0.2", "duration_s=10"],
        &["disturbance.times=1", "after_s=0.5"],
    ];
    let mut order = order_of_nodes("rolling", &[node.tcp_url()], &settings.concat());
    let record = disturbed_by_restart(&mut order, &mut node, folder.path());
    assert!(record.is_good(), "{:?}", record.faults);
    assert_eq!(record.disturbed.len(), 1);
    assert!(record.disturbed[0].at_s >= 0.5 && record.disturbed[0].took_s > 0.0, "{:?}", record.disturbed);
    assert_eq!((counted(&record, Count::Ended), count(&record, Measure::Reconnect)), (20, 20), "{:?}", record.counts);
    assert_eq!((record.nodes[0].clients, record.nodes[0].came, record.nodes[0].ended), (20, 20, 20));
    assert!(counted(&record, Count::Recovered) > 0, "{:?}", record.counts);
}

#[test]
fn a_failover_without_a_command_or_with_one_that_fails_is_no_run() {
    let node = TestNode::with(chat::namespaces);
    let mut order = order_of_nodes("failover", &[node.tcp_url()], &[&FEW[..], &["after_s=0.1"]].concat());
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("--set command="), "{error}");
    order.scenario.disturbance.command = "exit 3".into();
    let error = run(&order, |_| {}).unwrap_err().to_string();
    assert!(error.contains("`exit 3` failed"), "{error}");
}
