//! Calls of the API that backends write to a topic.

use std::sync::Arc;

use ringpost::events::{self, Call, Format};
use serde_json::{Value, json};

use crate::harness::Node;
use crate::kafka::{Kafka, Kept};
use crate::kcat::kcat_writes;
use crate::server::wait;

/// A broker with topics of calls that no other test has.
pub(crate) struct Calls<K> {
    pub(crate) kafka: K,
    prefix: String,
}

impl Calls<Arc<Kafka>> {
    pub(crate) fn shared(partitions: i32) -> Self {
        Self::on(Kafka::shared(), partitions)
    }
}

impl<K: AsRef<Kafka>> Calls<K> {
    pub(crate) fn on(kafka: K, partitions: i32) -> Self {
        let calls = Self::without_topics(kafka);
        calls.kafka.as_ref().topic(&calls.topic(), partitions);
        calls.kafka.as_ref().topic(&calls.dead_topic(), 1);
        calls
    }

    /// Their names only.
    fn without_topics(kafka: K) -> Self {
        let prefix = kafka.as_ref().prefix();
        Self { kafka, prefix }
    }

    pub(crate) fn topic(&self) -> String {
        format!("{}calls", self.prefix)
    }

    pub(crate) fn dead_topic(&self) -> String {
        format!("{}calls.dead", self.prefix)
    }

    /// What of the configuration names them, with more of the section of Kafka.
    pub(crate) fn section(&self, more: &str) -> String {
        format!(
            "[cluster.kafka]\nbrokers = [\"{}\"]\ngroup = \"{}group\"\n{more}\n[cluster.kafka.topics]\ncalls = \"{}\"\n\
             calls_dead = \"{}\"\n",
            self.kafka.as_ref().address(),
            self.prefix,
            self.topic(),
            self.dead_topic(),
        )
    }

    pub(crate) fn write(&self, key: &str, call: &Value) {
        self.kafka.as_ref().write(&self.topic(), Some(key), call.to_string().as_bytes(), &[]);
    }

    pub(crate) fn publish(&self, channel: &str, data: impl Into<Value>) {
        let params = json!({"channel": channel, "data": data.into()});
        self.write(channel, &json!({"method": "publish", "params": params}));
    }

    /// What lies with the dead, once there is so much.
    pub(crate) fn dead(&self, count: usize) -> Vec<Kept> {
        self.kafka.as_ref().read(&self.dead_topic(), count)
    }

    /// Records that are done, as the group has committed.
    pub(crate) fn committed(&self) -> i64 {
        self.kafka.as_ref().committed(&self.group(), &self.topic()).into_iter().map(|of| of.max(0)).sum()
    }

    /// How many nodes the group has.
    pub(crate) fn members(&self) -> usize {
        self.kafka.as_ref().members(&self.group())
    }

    pub(crate) fn group(&self) -> String {
        format!("{}group.calls", self.prefix)
    }
}

#[test]
fn calls_are_carried_out_in_either_form_and_committed_when_they_are_done() {
    let calls = Calls::shared(2);
    let node = Node::start("one", &calls.section(""));
    let mut client = node.client();
    client.ask(json!({"subscribe": {"channel": "chat:a"}}));
    calls.publish("chat:a", 1);
    assert_eq!(client.publication(), ("chat:a".into(), 1, json!(1)));
    let broadcast = json!({"channels": ["chat:a", "chat:b"], "data": {"z": 1.50, "a": "é"}});
    calls.write("b", &json!({"method": "broadcast", "payload": broadcast}));
    wait("it is in both", || node.history("chat:b").len() == 1);
    assert_eq!(node.history("chat:a"), [json!(1), json!({"z": 1.50, "a": "é"})]);
    kcat_writes(&calls.kafka, &calls.topic(), "c", &[], r#"{"method":"history_remove","params":{"channel":"chat:b"}}"#);
    wait("it is removed", || node.history("chat:b").is_empty());
    wait("all is committed", || calls.committed() == 3);
    assert_eq!(node.metric("ringpost_kafka_calls_total{outcome=\"done\"}"), 3);
    assert_eq!(node.metric("ringpost_kafka_calls_waiting"), 0);
}

#[test]
fn what_cannot_be_carried_out_lies_in_the_dead_topic_with_the_reason_and_holds_nothing_up() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section("call_methods = [\"publish\", \"broadcast\"]"));
    calls.kafka.write(&calls.topic(), Some("k"), b"no call", &[("content-type", b"application/json")]);
    calls.write("k", &json!({"method": "disconnect", "params": {"user": "ann"}}));
    calls.publish("nowhere:x", 1);
    calls.write("k", &json!({"method": "publish", "params": {"channel": 7}}));
    let channels = json!({"channels": ["chat:a", "nowhere:x"], "data": 2});
    calls.write("k", &json!({"method": "broadcast", "params": channels}));
    calls.kafka.write(&calls.topic(), None, b"", &[]);
    calls.publish("chat:a", 3);
    wait("what can be done is done", || node.history("chat:a").len() == 2);
    let dead = calls.dead(6);
    let reason = |offset: i64| {
        let kept = dead.iter().find(|kept| kept.header("ringpost-offset") == Some(offset.to_string().as_str()));
        let kept = kept.unwrap_or_else(|| panic!("{offset} is not in {dead:?}"));
        assert_eq!(
            (kept.header("ringpost-topic"), kept.header("ringpost-partition")),
            (Some(&*calls.topic()), Some("0"))
        );
        kept.header("ringpost-reason").expect("it has a reason").to_owned()
    };
    for (offset, said) in [
        (0, "cannot be read"),
        (1, "disconnect"),
        (2, "102: unknown channel"),
        (3, "107"),
        (4, "102"),
        (5, "cannot be read"),
    ] {
        assert!(reason(offset).contains(said), "{offset}: {}", reason(offset));
    }
    let first = dead.iter().find(|kept| kept.value == b"no call").expect("its value is as it was");
    assert_eq!((first.key.as_deref(), first.header("content-type")), (Some("k"), Some("application/json")));
    wait("the position goes on", || calls.committed() == 7);
    let count = |outcome| node.metric(&format!("ringpost_kafka_calls_total{{outcome=\"{outcome}\"}}"));
    assert_eq!([count("done"), count("unreadable"), count("not_allowed"), count("refused")], [1, 2, 1, 3]);
}

#[test]
fn the_same_call_written_twice_is_carried_out_once() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section(""));
    let params = json!({"channel": "chat:a", "data": 1});
    let call = json!({"method": "publish", "params": params, "idempotency_key": "row 1"});
    calls.write("a", &call);
    calls.write("b", &call);
    calls.publish("chat:a", 2);
    calls.publish("chat:a", 2);
    wait("all are done", || calls.committed() == 4);
    assert_eq!(node.history("chat:a"), [1, 2, 2], "without a key each record is a call of its own");
}

#[test]
fn a_header_whose_name_is_no_text_harms_nobody() {
    let calls = Calls::shared(1);
    let mut node = Node::start("one", &calls.section(""));
    let call = |data| json!({"method": "publish", "params": {"channel": "chat:a", "data": data}}).to_string();
    kcat_writes(&calls.kafka, &calls.topic(), "a", &[b"content-type=application/json", b"\xff\xfe=1"], &call(1));
    kcat_writes(&calls.kafka, &calls.topic(), "a", &[], &call(2));
    wait("both are carried out", || node.history("chat:a") == [1, 2]);
    assert!(node.end().success(), "it was well");
}

#[test]
fn a_call_in_protobuf_is_one_as_well() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section(""));
    let params = json!({"channel": "chat:a", "data": [1, "é"]}).to_string();
    let call = Call { method: "publish".into(), params: params.into(), idempotency_key: String::new() };
    let value = events::encode(&call, Format::Protobuf);
    calls.kafka.write(&calls.topic(), Some("a"), &value, &events::headers::<Call>(Format::Protobuf));
    wait("it is carried out", || node.history("chat:a") == [json!([1, "é"])]);
}

#[test]
fn a_record_that_is_too_large_for_the_dead_topic_lies_there_without_its_value() {
    let calls = Calls::without_topics(Kafka::shared());
    calls.kafka.topic(&calls.topic(), 1);
    calls.kafka.topic_with(&calls.dead_topic(), 1, &[("max.message.bytes", "2000")]);
    let node = Node::start("one", &calls.section(""));
    calls.kafka.write(&calls.topic(), Some("a"), &[b'x'; 100_000], &[]);
    calls.publish("chat:a", 1);
    wait("the next is carried out", || node.history("chat:a") == [1]);
    let [dead] = &calls.dead(1)[..] else { panic!("there is one") };
    assert_eq!((dead.value.len(), dead.header("ringpost-offset"), dead.key.as_deref()), (0, Some("0"), Some("a")));
    wait("the position goes on", || calls.committed() == 2);
}

#[test]
fn a_topic_that_is_made_later_is_consumed_then() {
    let calls = Calls::without_topics(Kafka::shared());
    let node = Node::start("one", &calls.section(""));
    assert_eq!(node.api("publish", &json!({"channel": "chat:a", "data": 1}))["result"]["offset"], 1, "it serves");
    calls.kafka.topic(&calls.topic(), 1);
    calls.publish("chat:a", 2);
    wait("it is consumed", || node.history("chat:a") == [1, 2]);
}
