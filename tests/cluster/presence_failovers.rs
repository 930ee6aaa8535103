//! Who is in a channel while a primary of Redis and a whole node die at once.

use crate::groups::{behind_a_sentinel, cluster, has_slot, info, is_primary, keys, replicate, section};
use crate::harness::Node;
use crate::presence::{Guest, HALL, ids, lists};
use crate::server::{Server, wait};

/// How many come to each node.
const GUESTS: usize = 20;

/// Three nodes with guests. One of them dies with the primary, while others come and go: those that live list who is on them in the
/// end, and nobody else; who was on the dead one has left, and nobody was told anything twice.
fn lists_are_true_in_the_end(section: &str, fail: impl FnOnce()) {
    let mut nodes = ["one", "two", "three"].map(|name| Node::over(name, section));
    let enter = |node| (0..GUESTS).map(|_| Guest::enter(node)).collect::<Vec<_>>();
    let [mut ones, mut twos, threes] = nodes.each_ref().map(enter);
    lists(&nodes[0], &ids(ones.iter().chain(&twos).chain(&threes)));
    fail();
    nodes[2].kill();
    let dead = ids(&threes);
    drop(threes);
    let gone = twos.pop().expect("there are some");
    let gone_id = gone.id.clone();
    drop(gone);
    ones.push(Guest::enter(&nodes[0]));
    for node in &nodes[..2] {
        lists(node, &ids(ones.iter().chain(&twos)));
    }
    for guest in [&mut ones[0], &mut twos[0]] {
        for other in &dead {
            wait("it has left", || guest.told_of(other).last() == Some(&false));
        }
        guest.told_of(&gone_id);
    }
}

#[test]
#[ignore = "some 20 seconds: make test-cluster"]
fn behind_sentinels_lists_are_true_after_a_primary_and_a_node_have_died_at_once() {
    let (mut primary, replica, sentinel) = behind_a_sentinel(500);
    lists_are_true_in_the_end(&sentinel.section(), || {
        replicate(&primary, &replica);
        primary.kill();
    });
    assert!(is_primary(&replica));
}

#[test]
#[ignore = "some 20 seconds: make test-cluster"]
fn in_a_cluster_lists_are_true_after_the_primary_that_has_them_and_a_node_have_died_at_once() {
    let mut servers = cluster(3, 1, &["--cluster-node-timeout", "2000"]);
    let section = section(&servers);
    let bucket = keys().head(keys().bucket_of(HALL)).to_owned();
    let dies = servers[..3].iter().position(|server| has_slot(server, &bucket)).expect("one has it");
    let port = servers[dies].port.to_string();
    let of_it = |server: &Server| info(server, "replication", "master_port").as_deref() == Some(port.as_str());
    let successor = servers[3..].iter().position(of_it).expect("it has one") + 3;
    lists_are_true_in_the_end(&section, || {
        replicate(&servers[dies], &servers[successor]);
        servers[dies].kill();
    });
    assert!(is_primary(&servers[successor]));
}
