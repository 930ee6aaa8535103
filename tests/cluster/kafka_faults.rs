//! A Kafka that is slow, full, has lost a topic or takes nothing so large: what clients are told, and who is not disturbed.

use std::path::Path;
use std::process::Command;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::client::LineClient;
use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::kafka::Kafka;
use crate::load::heard_until;
use crate::outages::BEYOND_A_LEASE;
use crate::relays::topics;
use crate::server::{Kind, Server, wait};

/// A namespace that does not go by Kafka is not delayed.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Two nodes over a Kafka, and a subscriber at the second.
pub(crate) fn before(kafka: &Kafka, more: &str) -> (Server, String, [Node; 2], LineClient) {
    let redis = Server::start(Kind::Redis, &[]);
    let prefix = topics(kafka);
    let nodes = ["one", "two"].map(|name| Node::by_kafka_with(name, &redis, &kafka.address(), &prefix, more));
    let mut listener = nodes[1].client();
    subscribe(&mut listener, "relayed:room", None);
    publish_in_the_end(&nodes[0], "relayed:room", "before");
    heard_until(&mut listener, &json!("before"));
    (redis, prefix, nodes, listener)
}

/// Publishes of other namespaces are taken at once.
fn others_go_on(node: &Node) {
    let began = Instant::now();
    for channel in ["shared:room", "local:room"] {
        assert!(node.publish(channel, 1)["result"]["offset"].is_u64(), "{channel} goes on");
    }
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

/// A publish by way of Kafka is refused for now, with this in the reason; those of other namespaces are taken at once.
pub(crate) fn is_refused_alone(node: &Node, why: &str) {
    let mut client = node.client();
    client.tell(json!({"publish": {"channel": "relayed:room", "data": "refused"}}));
    others_go_on(node);
    let reply = client.word();
    assert_eq!((&reply["error"]["code"], &reply["error"]["temporary"]), (&json!(100), &json!(true)), "{reply}");
    let by_api = node.publish("relayed:room", "refused by API");
    assert_eq!(by_api["error"]["code"], 100, "{by_api}");
    let message = by_api["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(why), "{message}");
}

/// How many records were not taken for this kind of fault.
pub(crate) fn faults(node: &Node, kind: &str) -> u64 {
    node.sample(&format!("ringpost_kafka_errors_total{{kind=\"{kind}\"}}")).unwrap_or(0)
}

/// What is heard up to "after" is that, once, and of what was refused so many times no more than that: it may have been taken.
fn nothing_is_doubled(listener: &mut LineClient, times: usize) {
    let heard = heard_until(listener, &json!("after"));
    let count = |data: &str| heard.iter().filter(|of| *of == data).count();
    let (refused, by_api, after) = (count("refused"), count("refused by API"), count("after"));
    assert!(refused <= times && by_api <= times && after == 1, "{heard:?}");
    assert_eq!(heard.len(), refused + by_api + after, "{heard:?}");
}

#[test]
#[ignore = "a Kafka of its own, and the time of a lease: make test-cluster"]
fn a_kafka_that_stands_still_is_answered_as_late_and_goes_on_where_it_was() {
    let kafka = Kafka::start();
    let (_redis, _prefix, nodes, mut listener) = before(&kafka, "");
    kafka.signal(Signal::STOP);
    is_refused_alone(&nodes[0], "has not answered");
    assert!(faults(&nodes[0], "late") >= 2);
    sleep(BEYOND_A_LEASE);
    is_refused_alone(&nodes[1], "has not answered");
    kafka.signal(Signal::CONT);
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    nothing_is_doubled(&mut listener, 2);
}

/// A small file system, which goes with its owner.
struct Disk(TempDir);

impl Disk {
    fn of(mib: usize) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let size = format!("size={mib}m");
        mount(&["-t", "tmpfs", "-o", &size, "none"], folder.path());
        Self(folder)
    }

    fn grow(&self, mib: usize) {
        mount(&["-o", &format!("remount,size={mib}m")], self.0.path());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

fn mount(options: &[&str], folder: &Path) {
    let status = Command::new("mount").args(options).arg(folder).status().expect("the host has it");
    assert!(status.success(), "only root may mount");
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_kafka_whose_disk_is_full_refuses_and_has_what_it_acknowledged_when_there_is_room() {
    let disk = Disk::of(24);
    let mut kafka = Kafka::start_in(disk.0.path());
    let (_redis, _prefix, nodes, mut listener) = before(&kafka, "");
    let filler = "x".repeat(60_000);
    let mut taken = 0;
    wait("it is full", || {
        let answer = nodes[0].publish("passing:filler", filler.as_str());
        taken += u64::from(answer["result"].is_object());
        answer["error"]["code"] == 100
    });
    assert!(taken > 10, "{taken}");
    is_refused_alone(&nodes[1], "Kafka");
    disk.grow(200);
    kafka.restart();
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    nothing_is_doubled(&mut listener, 1);
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_node_that_a_quota_throttles_is_answered_as_late_and_everything_else_goes_on() {
    let kafka = Kafka::start();
    let (_redis, _prefix, nodes, mut listener) = before(&kafka, "");
    kafka.quota(Some(1_000));
    let filler = "x".repeat(60_000);
    // A broker throttles what comes after the first that was too much, and knows of a quota some time after it was told.
    wait("a quota makes answers late", || {
        thread::scope(|scope| {
            let publish = || nodes[0].publish("passing:filler", filler.as_str());
            let publishes: Vec<_> = (0..8).map(|_| scope.spawn(publish)).collect();
            while publishes.iter().any(|publish| !publish.is_finished()) {
                others_go_on(&nodes[0]);
            }
            for publish in publishes {
                let answer = publish.join().expect("it is answered");
                assert!(answer["result"].is_object() || answer["error"]["code"] == 100, "{answer}");
            }
        });
        faults(&nodes[0], "late") > 0
    });
    kafka.quota(None);
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    nothing_is_doubled(&mut listener, 1);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_message_that_is_larger_than_its_topic_takes_is_refused_for_good() {
    let kafka = Kafka::shared();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, "");
    kafka.set(&format!("{prefix}publish"), ("max.message.bytes", "2000"));
    let large = "x".repeat(4_000);
    wait("the broker knows", || nodes[0].publish("relayed:room", large.as_str())["error"]["code"] == 106);
    let reply = nodes[1].client().ask(json!({"publish": {"channel": "relayed:room", "data": large}}));
    assert_eq!(reply["error"]["code"], 106, "{reply}");
    assert!(!reply["error"]["temporary"].as_bool().unwrap_or_default(), "{reply}");
    assert!(faults(&nodes[0], "too_large") > 0);
    assert_eq!(nodes[0].publish("relayed:room", "after")["result"], json!({}));
    heard_until(&mut listener, &json!("after"));
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_topic_that_is_deleted_is_no_topic_for_publishes_and_everything_else_goes_on() {
    let kafka = Kafka::shared();
    let (_redis, prefix, nodes, _listener) = before(&kafka, "");
    kafka.delete(&format!("{prefix}publish"));
    wait("the nodes know", || {
        nodes.iter().all(|node| {
            let answer = node.publish("relayed:room", "refused");
            answer["error"]["message"].as_str().is_some_and(|message| message.contains("no such topic"))
        })
    });
    is_refused_alone(&nodes[0], "no such topic");
    assert!(faults(&nodes[0], "no_topic") > 0);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn without_the_topic_of_publications_movers_go_on_and_say_what_it_lacks() {
    let kafka = Kafka::shared();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, "");
    let publications = format!("{prefix}publications");
    kafka.read(&publications, 1);
    kafka.delete(&publications);
    let since = Instant::now();
    for at in 0..40 {
        assert_eq!(nodes[at % 2].publish(&format!("relayed:{at}"), at)["result"], json!({}));
    }
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    heard_until(&mut listener, &json!("after"));
    let up = format!("{prefix}publish");
    let ends = |kafka: &Kafka| kafka.committed(&format!("{prefix}nodes.movers"), &up).iter().sum::<i64>();
    wait("the group stands behind all", || ends(&kafka) >= 42);
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    let left_out = || nodes.iter().map(|node| node.sample("ringpost_mover_left_out_total").unwrap_or(0)).sum::<u64>();
    assert!(left_out() > 0, "it is counted");
    kafka.topic(&publications, 2);
    wait("it is written again", || {
        let before = left_out();
        publish_in_the_end(&nodes[0], "relayed:room", "kept");
        sleep(Duration::from_millis(500));
        left_out() == before
    });
    assert!(!kafka.read(&publications, 1).is_empty());
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn without_the_topic_of_the_dead_records_are_passed_over_and_nobody_waits_behind_them() {
    let kafka = Kafka::shared();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, "");
    kafka.delete(&format!("{prefix}publish.dead"));
    let up = format!("{prefix}publish");
    let (partition, offset) = kafka.write(&up, Some("relayed:room"), b"{", &[]);
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    heard_until(&mut listener, &json!("after"));
    wait("the group stands behind it", || {
        kafka.committed(&format!("{prefix}nodes.movers"), &up)[partition as usize] > offset
    });
    let passed_over = nodes.iter().map(|node| node.sample("ringpost_mover_passed_over_total").unwrap_or(0));
    assert_eq!(passed_over.sum::<u64>(), 1);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn what_the_way_down_does_not_bring_is_read_from_the_history() {
    let kafka = Kafka::shared();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, "");
    kafka.delete(&format!("{prefix}deliver"));
    for at in 0..20 {
        assert_eq!(nodes[0].publish("relayed:room", at)["result"], json!({}));
    }
    publish_in_the_end(&nodes[0], "relayed:room", "after");
    let heard = heard_until(&mut listener, &json!("after"));
    assert!(heard.into_iter().eq((0..20).map(serde_json::Value::from).chain([json!("after")])));
    let untold = nodes.iter().map(|node| node.sample("ringpost_deliver_lost_total").unwrap_or(0)).sum::<u64>();
    assert!(untold > 0, "it is counted");
    wait("holes are seen", || nodes[1].sample("ringpost_deliver_holes_total").is_some_and(|holes| holes > 0));
}
