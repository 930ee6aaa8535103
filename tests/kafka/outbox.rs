//! The transactional outbox, as docs/CONSUMERS.md has it: its SQL and its relay, before a real PostgreSQL.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::calls::Calls;
use crate::harness::Node;
use crate::postgres::Postgres;
use crate::server::wait;

/// Where tests/packages puts Python with what the relay imports.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// The pieces of the guide in a language, in their order.
fn pieces(language: &str) -> Vec<&'static str> {
    let guide = include_str!("../../docs/CONSUMERS.md");
    let fence = format!("```{language}\n");
    guide.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a piece ends")).collect()
}

/// The relay of the guide, killed with its owner.
struct Relay(Child);

impl Relay {
    fn start(postgres: &Postgres, broker: &str, topic: &str) -> Self {
        let [relay] = pieces("python")[..] else { panic!("the guide has one relay") };
        let mut told = relay.to_owned();
        for (in_guide, here) in [("10.0.0.5:9092", broker), ("ringpost.calls", topic)] {
            assert!(told.contains(in_guide), "the guide says {in_guide} no more");
            told = told.replace(in_guide, here);
        }
        let child = postgres.reached(PYTHON).args(["-c", &told]).stdin(Stdio::null()).spawn();
        Self(child.expect("tests/packages installs it"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_commits_is_published_once_in_its_order_though_the_relay_is_killed_and_what_does_not_is_not() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section(""));
    let postgres = Postgres::start();
    let [schema, transaction] = pieces("sql")[..] else { panic!("the guide has a schema and a transaction") };
    postgres.run("CREATE TABLE messages (chat int, text text)");
    postgres.run(schema);
    let transaction = transaction.replace("chat:42", "chat:a");
    let write = |number: u32| {
        let one = transaction.replace("hello", &number.to_string());
        // One in five is called off.
        postgres.run(&if number.is_multiple_of(5) { one.replace("COMMIT", "ROLLBACK") } else { one });
    };
    let committed = |until: u32| (0..until).filter(|number| !number.is_multiple_of(5)).collect::<Vec<_>>();
    let published = || {
        let text = |data: Value| data["text"].as_str().expect("it is of the guide").parse::<u32>().expect("a number");
        node.history("chat:a").into_iter().map(text).collect::<Vec<_>>()
    };
    (0..20).for_each(write);
    let (broker, topic) = (calls.kafka.address(), calls.topic());
    {
        // Rows cannot be deleted: the relay dies between Kafka and the table.
        let mut lock = postgres.session();
        lock.run("BEGIN; LOCK TABLE ringpost_outbox IN SHARE MODE;");
        let _relay = Relay::start(&postgres, &broker, &topic);
        assert_eq!(calls.kafka.read(&topic, 16).len(), 16);
    }
    wait("the first have come", || published() == committed(20));
    let _relay = Relay::start(&postgres, &broker, &topic);
    (20..30).for_each(write);
    wait("all have come", || published() == committed(30));
    wait("nothing is left", || postgres.run("SELECT count(*) FROM ringpost_outbox") == "0");
    assert_eq!(calls.kafka.read(&topic, 16 + 24).len(), 16 + 24, "the first were written twice");
    assert_eq!(published(), committed(30));
}
