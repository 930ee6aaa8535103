//! Nodes of two versions over one Redis: an older library of Functions, and an older binary.

use ringpost::cluster::redis::library::{Library, Loaded, REVISION, SOURCE};
use ringpost::cluster::redis::link::Link;
use ringpost::config::{RedisConfig, RedisMode};
use tokio::runtime;

use crate::groups::cluster;
use crate::harness::{Node, over, publish_in_the_end, subscribe};
use crate::process;
use crate::server::{Kind, Place, Server, wait};

/// The revision of the Functions that are there.
fn revision(redis: &Server) -> u64 {
    redis.cli(&["FCALL", "ringpost_1_revision", "0"]).trim().parse().unwrap_or(0)
}

/// The Functions, as another revision has them.
fn revised(revision: u64) -> String {
    let (own, other) = (format!("local REVISION = {REVISION}\n"), format!("local REVISION = {revision}\n"));
    assert!(SOURCE.contains(&own));
    SOURCE.replace(&own, &other)
}

#[test]
fn functions_of_an_earlier_version_are_replaced_by_nodes_that_run_and_nobody_notices() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let nodes = [Node::start("one", &redis), Node::start("two", &redis)];
        let mut listener = nodes[1].client();
        subscribe(&mut listener, "shared:room", None);
        let older = revised(REVISION - 1);
        for at in 1..=20 {
            if at == 5 {
                redis.cli(&["FUNCTION", "LOAD", "REPLACE", &older]);
                assert_eq!(revision(&redis), REVISION - 1);
            }
            if at == 10 {
                wait("they are replaced", || revision(&redis) == REVISION);
            }
            assert_eq!(nodes[0].publish("shared:room", at)["result"]["offset"], at);
            assert_eq!(listener.publication().1, at);
        }
    }
}

/// What a node finds, and has done, whose Functions are of this revision.
async fn loads(link: &Link, revision: u64) -> Loaded {
    let source = Box::leak(revised(revision).into_boxed_str());
    Library { source, revision, tells_revision: "ringpost_1_revision" }.load(link).await.expect("it may")
}

#[test]
fn a_primary_that_was_emptied_is_no_reason_for_an_older_node_to_put_its_functions_over_newer_ones() {
    let servers = cluster(3, 0, &[]);
    let there = || servers.iter().map(revision).collect::<Vec<_>>();
    let config = RedisConfig {
        mode: RedisMode::Cluster,
        addresses: servers.iter().map(Server::address).collect(),
        ..RedisConfig::default()
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("the host gives threads");
    runtime.block_on(async {
        let link = Link::new(&config, None).expect("it is configured rightly");
        assert_eq!(loads(&link, REVISION).await, Loaded::Now);
        servers[1].cli(&["FUNCTION", "FLUSH"]);
        // An older node is the first that sees it.
        assert_eq!(loads(&link, REVISION - 1).await, Loaded::Now);
        assert_eq!(there(), [REVISION, REVISION - 1, REVISION]);
        // Where some are newer than one's own, they are left to whoever has loaded those.
        servers[0].cli(&["FUNCTION", "LOAD", "REPLACE", &revised(REVISION + 1)]);
        assert_eq!(loads(&link, REVISION).await, Loaded::Was(REVISION - 1));
        assert_eq!(there(), [REVISION + 1, REVISION - 1, REVISION]);
        assert_eq!(loads(&link, REVISION + 1).await, Loaded::Now);
        assert_eq!(there(), [REVISION + 1; 3]);
    });
}

/// The place of a node of the version before, whose binary the environment names.
fn before() -> Place {
    let binary = process::before();
    // In place of the binary that the tests are of.
    let through = ["sh", "-c", "shift; exec \"$0\" \"$@\"", &binary].map(String::from).into();
    Place { through, ..Place::here() }
}

#[test]
#[ignore = "needs the binary of an earlier version: make test-upgrade"]
fn three_nodes_are_upgraded_one_after_the_other_and_back_and_nothing_is_lost_or_comes_twice() {
    const ROOM: &str = "shared:room";
    const INBOX: &str = "inbox:1";
    let redis = Server::start(Kind::Redis, &[]);
    let (old, new) = (before(), Place::here());
    let mut nodes = ["one", "two", "three"].map(|name| Node::at(&old, name, &over(&redis)));
    let old_revision = revision(&redis);
    let begun = subscribe(&mut nodes[0].client(), ROOM, None);
    let epoch = begun["epoch"].as_str().expect("an epoch").to_owned();
    let (mut published, mut heard) = (0, 0);
    for (step, place) in [(0, &new), (1, &new), (2, &new), (0, &old), (1, &old), (2, &old)] {
        nodes[step].end();
        let name = ["one", "two", "three"][step];
        nodes[step] = Node::at(place, name, &over(&redis));
        // What the others have published is recovered on the one that has come, and goes on there.
        let mut listener = nodes[step].client();
        let recovered = subscribe(&mut listener, ROOM, Some((heard, &epoch)));
        assert_eq!((&recovered["recovered"], &recovered["epoch"]), (&true.into(), &epoch.as_str().into()));
        heard += recovered["publications"].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(heard, published);
        let mut device = nodes[step].client();
        subscribe(&mut device, INBOX, None);
        for (at, node) in nodes.iter().enumerate() {
            for channel in [ROOM, INBOX] {
                let taken = publish_in_the_end(node, channel, &at.to_string());
                assert_eq!(taken["result"]["offset"], published + 1, "{channel} at step {step}");
            }
            published += 1;
            assert_eq!(listener.publication().1, published);
            heard = published;
        }
    }
    assert_eq!(revision(&redis), REVISION.max(old_revision), "the newest Functions stay");
}
