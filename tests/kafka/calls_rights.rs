//! Calls in a topic of which the node's user loses a right while it runs.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::calls::Calls;
use crate::harness::Node;
use crate::kafka::Kafka;
use crate::kafka::rights::{PASSWORD, Thing, as_user};
use crate::server::wait;

#[test]
fn what_is_refused_while_a_node_runs_waits_and_is_carried_out_once_in_its_order_when_it_may_be() {
    let calls = Calls::on(Box::new(Kafka::with_users()), 2);
    let node = Node::start("one", &calls.section(&as_user(PASSWORD)));
    let (topic, group, dead) = (calls.topic(), calls.group(), calls.dead_topic());
    let mut written = 0;
    let mut publishes = |count: usize| {
        (0..count).for_each(|_| {
            calls.publish("chat:a", written);
            written += 1;
        });
        (0..written).map(Value::from).collect::<Vec<_>>()
    };
    let all = publishes(1);
    wait("it is carried out", || node.history("chat:a") == all);

    let (read, describe) = ((Thing::Topic(&topic), "READ"), (Thing::Topic(&topic), "DESCRIBE"));
    for (thing, operation) in [read, describe, (Thing::Group(&group), "READ")] {
        let before = node.history("chat:a").len();
        calls.kafka.refuse(thing, operation);
        if (thing, operation) == read {
            // What was asked for before is still given.
            wait("it is told", || node.logged("authorization failed") > 0);
        }
        let all = publishes(5);
        let answer = node.api("publish", &json!({"channel": "chat:beside", "data": 1}));
        assert!(answer["result"]["offset"].is_u64(), "the node serves: {answer}");
        sleep(Duration::from_secs(2));
        if (thing, operation) == read {
            assert_eq!(node.history("chat:a").len(), before, "nothing is read");
        }
        calls.kafka.restore(thing, operation);
        wait(&format!("{operation} of {thing:?} is back"), || node.history("chat:a").len() >= all.len());
        wait("all is committed", || calls.committed() == all.len() as i64);
        assert_eq!(node.history("chat:a"), all, "each once, in its order");
    }

    // What cannot be carried out, and cannot be brought to the dead, waits; other keys go on.
    calls.kafka.refuse(Thing::Topic(&dead), "WRITE");
    let before = calls.committed();
    calls.write("chat:b", &json!({"method": "publish", "params": {"channel": "nowhere:x", "data": 1}}));
    calls.publish("chat:b", "behind");
    calls.publish("chat:c", "beside");
    wait("others go on", || node.history("chat:c") == ["beside"]);
    wait("it is told", || node.logged("waits to be kept") > 0);
    assert_eq!(node.history("chat:b"), [Value::Null; 0]);
    calls.kafka.restore(Thing::Topic(&dead), "WRITE");
    wait("its key goes on", || node.history("chat:b") == ["behind"]);
    assert_eq!(calls.dead(1).len(), 1);
    wait("all is committed", || calls.committed() == before + 3);
}
