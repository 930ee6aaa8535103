//! Nodes over a Redis that is more than one server: behind Sentinels, and a Cluster.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::groups::{behind_a_sentinel, cluster, move_slots, replicate, section};
use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::server::{Place, Server};

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_failover_by_sentinels_to_a_replica_that_has_all_goes_on_in_the_same_epoch() {
    let (mut primary, replica, sentinel) = behind_a_sentinel(500);
    let nodes = ["one", "two"].map(|name| Node::over(name, &sentinel.section()));
    let mut listener = nodes[1].client();
    let begun = subscribe(&mut listener, "shared:room", None);
    for at in 1..=20 {
        assert_eq!(nodes[0].publish("shared:room", at)["result"]["offset"], at);
        assert_eq!(listener.publication().1, at);
    }
    replicate(&primary, &replica);
    primary.kill();
    let taken = publish_in_the_end(&nodes[0], "shared:room", "after");
    assert_eq!((&taken["result"]["offset"], &taken["result"]["epoch"]), (&json!(21), &begun["epoch"]));
    assert_eq!(listener.publication().1, 21);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn nodes_over_a_cluster_have_one_order_in_every_channel_while_slots_move() {
    const CHANNELS: usize = 24;
    const EACH: usize = 20;
    let servers = cluster(3, 0, &[]);
    let section = section(&servers[..1]);
    let nodes = [Node::over("one", &section), Node::over("two", &section)];
    let mut listeners = nodes.each_ref().map(Node::client);
    let channels: Vec<_> = (0..CHANNELS).map(|at| format!("shared:{at}")).collect();
    for listener in &mut listeners {
        channels.iter().for_each(|channel| drop(subscribe(listener, channel, None)));
    }
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for _ in 0..EACH {
                for (at, channel) in channels.iter().enumerate() {
                    publish_in_the_end(&nodes[at % 2], channel, "x");
                }
            }
        });
        move_slots(&servers[0], &servers[1], 2000);
        publishing.join().expect("all is taken");
    });
    for listener in &mut listeners {
        let mut heard = BTreeMap::<String, u64>::new();
        for _ in 0..CHANNELS * EACH {
            let (channel, offset, _): (String, u64, Value) = listener.publication();
            let last = heard.entry(channel).or_default();
            assert_eq!(offset, *last + 1);
            *last = offset;
        }
        assert!(heard.values().all(|last| *last == EACH as u64) && heard.len() == CHANNELS);
    }
}

/// How many calls of Functions servers have carried out, and how many other commands.
fn calls(servers: &[Server]) -> (u64, u64) {
    let (mut functions, mut others) = (0, 0);
    let said: String = servers.iter().map(|server| server.cli(&["INFO", "commandstats"])).collect();
    for line in said.lines() {
        let Some((name, stats)) = line.strip_prefix("cmdstat_").and_then(|line| line.split_once(':')) else { continue };
        let calls = stats.strip_prefix("calls=").and_then(|stats| stats.split(',').next()?.parse().ok());
        match name {
            "fcall" => functions += calls.unwrap_or(0),
            _ => others += calls.unwrap_or(0),
        }
    }
    (functions, others)
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn an_idle_cluster_is_asked_a_few_times_a_second_and_not_once_for_each_bucket() {
    const SECONDS: u64 = 10;
    let servers = cluster(3, 0, &[]);
    let through = ["env", "RINGPOST_CLUSTER__REDIS__BUCKETS=1024"].map(String::from).into();
    let place = Place { through, ..Place::here() };
    let nodes = ["one", "two"].map(|name| Node::at(&place, name, &section(&servers)));
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "shared:room", None);
    thread::sleep(Duration::from_secs(6));
    let before = calls(&servers);
    thread::sleep(Duration::from_secs(SECONDS));
    let after = calls(&servers);
    let asked = after.0 - before.0;
    println!("{} calls a second, {} other commands", asked / SECONDS, (after.1 - before.1) / SECONDS);
    assert!(asked <= 40 * SECONDS, "two nodes have asked {asked} times in {SECONDS} s");
    nodes[0].publish("shared:room", "still");
    assert_eq!(listener.publication().2, json!("still"));
}
