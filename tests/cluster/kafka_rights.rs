//! A Kafka that refuses the nodes' user something, or the user itself.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Node, publish_in_the_end, subscribe};
use crate::kafka::Kafka;
use crate::kafka::rights::{PASSWORD, Thing, as_user};
use crate::kafka_faults::{before, faults, is_refused_alone};
use crate::load::heard_until;
use crate::relays::topics;
use crate::server::{Kind, Server, wait};

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_topic_group_or_way_down_that_is_refused_stops_nothing_else_and_loses_nothing() {
    let kafka = Kafka::with_users();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, &as_user(PASSWORD));
    let (up, down) = (format!("{prefix}publish"), format!("{prefix}deliver"));
    let movers = format!("{prefix}nodes.movers");

    kafka.refuse(Thing::Topic(&up), "WRITE");
    wait("the broker refuses", || nodes[0].publish("relayed:room", "refused")["error"]["code"] == 100);
    is_refused_alone(&nodes[0], "refuses the node");
    assert!(faults(&nodes[0], "forbidden") > 0);
    kafka.restore(Thing::Topic(&up), "WRITE");
    publish_in_the_end(&nodes[0], "relayed:room", "taken again");
    let heard = heard_until(&mut listener, &json!("taken again"));
    assert!(heard.iter().filter(|data| **data == json!("taken again")).count() == 1, "{heard:?}");

    // What may be written and not read waits for its right.
    kafka.refuse(Thing::Group(&movers), "READ");
    sleep(Duration::from_secs(1));
    for at in 0..10 {
        assert_eq!(nodes[at % 2].publish("relayed:room", at)["result"], json!({}), "{at}");
    }
    assert!(nodes[0].publish("shared:room", 1)["result"]["offset"].is_u64(), "the others go on");
    kafka.restore(Thing::Group(&movers), "READ");
    publish_in_the_end(&nodes[0], "relayed:room", "moved again");
    let heard = heard_until(&mut listener, &json!("moved again"));
    let numbers: std::collections::BTreeSet<_> = heard.iter().filter_map(serde_json::Value::as_u64).collect();
    assert!(heard.len() == 11 && numbers.into_iter().eq(0..10), "{heard:?}");

    // What is not told by Kafka, or not heard there, is read from the history.
    for operation in ["WRITE", "READ"] {
        kafka.refuse(Thing::Topic(&down), operation);
        sleep(Duration::from_secs(1));
        for at in 0..5 {
            assert_eq!(nodes[0].publish("relayed:room", at)["result"], json!({}), "{at}");
        }
        publish_in_the_end(&nodes[0], "relayed:room", operation);
        let heard = heard_until(&mut listener, &json!(operation));
        assert!(heard.into_iter().eq((0..5).map(serde_json::Value::from).chain([json!(operation)])));
        kafka.restore(Thing::Topic(&down), operation);
    }
}

#[test]
#[ignore = "a Kafka of its own, and the time until what is refused is left out: make test-cluster"]
fn what_may_not_be_written_beside_the_way_is_left_out_and_counted_and_holds_nothing_up_for_long() {
    let kafka = Kafka::with_users();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, &as_user(PASSWORD));
    let (kept, dead) = (format!("{prefix}publications"), format!("{prefix}publish.dead"));
    let count = |name: &str| nodes.iter().map(|node| node.sample(name).unwrap_or(0)).sum::<u64>();
    publish_in_the_end(&nodes[0], "relayed:room", "kept");
    heard_until(&mut listener, &json!("kept"));
    let written = kafka.read(&kept, 2).len();

    kafka.refuse(Thing::Topic(&kept), "WRITE");
    kafka.refuse(Thing::Topic(&dead), "WRITE");
    kafka.write(&format!("{prefix}publish"), Some("relayed:room"), b"of no use", &[]);
    assert_eq!(nodes[0].publish("relayed:room", "left out")["result"], json!({}));
    heard_until(&mut listener, &json!("left out"));
    wait("it is counted", || {
        count("ringpost_mover_left_out_total") == 1 && count("ringpost_mover_passed_over_total") == 1
    });
    for at in 0..5 {
        assert_eq!(nodes[at % 2].publish("relayed:room", at)["result"], json!({}), "{at}");
    }
    heard_until(&mut listener, &json!(4));

    kafka.restore(Thing::Topic(&kept), "WRITE");
    kafka.restore(Thing::Topic(&dead), "WRITE");
    // A broker may hear of it some moments later: what comes until then is left out as well.
    let (mut tries, mut kept_again) = (0, String::new());
    wait("it is kept again", || {
        let [moved, left_out] = ["moved", "left_out"].map(|name| count(&format!("ringpost_mover_{name}_total")));
        (tries, kept_again) = (tries + 1, format!("kept again {tries}"));
        publish_in_the_end(&nodes[0], "relayed:room", &kept_again);
        heard_until(&mut listener, &json!(kept_again));
        wait("it is moved", || count("ringpost_mover_moved_total") > moved);
        count("ringpost_mover_left_out_total") == left_out
    });
    let kept = kafka.read(&kept, written + 1);
    let data: Vec<_> = kept.iter().map(|one| one.json()["data"].clone()).collect();
    assert!(data.contains(&json!(kept_again)) && !data.contains(&json!("left out")), "{data:?}");
    kafka.write(&format!("{prefix}publish"), Some("relayed:room"), b"of no use", &[]);
    assert_eq!(kafka.read(&dead, 1)[0].value, b"of no use");
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_place_that_the_group_was_not_told_of_is_told_though_nothing_more_comes() {
    let kafka = Kafka::with_users();
    let (_redis, prefix, nodes, mut listener) = before(&kafka, &as_user(PASSWORD));
    let (up, movers) = (format!("{prefix}publish"), format!("{prefix}nodes.movers"));
    let committed = || kafka.committed(&movers, &up).into_iter().map(|at| at.max(0)).sum::<i64>();
    publish_in_the_end(&nodes[0], "relayed:room", "told");
    heard_until(&mut listener, &json!("told"));
    let written = kafka.read(&up, 2).len() as i64;
    wait("the group was told", || committed() == written);

    // For less than the session of a member, which would begin anew where the group stands.
    kafka.refuse(Thing::Group(&movers), "READ");
    assert_eq!(nodes[0].publish("relayed:room", "untold")["result"], json!({}));
    heard_until(&mut listener, &json!("untold"));
    sleep(Duration::from_secs(1));
    assert_eq!(committed(), written, "it may not be told");
    kafka.restore(Thing::Group(&movers), "READ");
    wait("the group is told", || committed() == written + 1);
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_node_with_a_wrong_password_refuses_what_goes_by_kafka_and_serves_the_rest() {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::with_users());
    let prefix = topics(&kafka);
    let start = |name, password| Node::by_kafka_with(name, &redis, &kafka.address(), &prefix, &as_user(password));
    let (well, wrong) = (start("one", PASSWORD), start("two", "wrong"));
    let mut listener = wrong.client();
    subscribe(&mut listener, "relayed:room", None);
    is_refused_alone(&wrong, "Kafka");
    assert_eq!(well.publish("relayed:room", "after")["result"], json!({}));
    // It hears nothing by Kafka, and reads what it misses.
    assert_eq!(heard_until(&mut listener, &json!("after")), [json!("after")]);
}

#[test]
#[ignore = "a Kafka of its own: make test-cluster"]
fn a_node_that_may_write_nowhere_writes_once_it_may() {
    let (redis, kafka) = (Server::start(Kind::Redis, &[]), Kafka::with_users());
    let prefix = topics(&kafka);
    let all: Vec<_> = ["publish", "publish.dead", "publications", "deliver"].map(|of| format!("{prefix}{of}")).into();
    kafka.refuse(Thing::Topic("*"), "WRITE");
    let node = Node::by_kafka_with("one", &redis, &kafka.address(), &prefix, &as_user(PASSWORD));
    is_refused_alone(&node, "Kafka");
    kafka.restore(Thing::Topic("*"), "WRITE");
    publish_in_the_end(&node, "relayed:room", "taken");
    assert_eq!(kafka.read(&all[2], 1).len(), 1);
}
