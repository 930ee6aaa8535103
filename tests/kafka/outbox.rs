//! The transactional outbox, as docs/CONSUMERS.md has it: its SQL, its relay and its properties of Debezium, before a real PostgreSQL.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::calls::Calls;
use crate::harness::Node;
use crate::kafka::broker::java_beside;
use crate::postgres::Postgres;
use crate::server::wait;

/// Where tests/packages puts Python with what the relay imports.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// What Kafka Connect itself is told.
const WORKER: &str = "bootstrap.servers=BROKER\noffset.storage.file.filename=FOLDER/offsets\noffset.flush.interval.ms=1000\n\
    listeners=http://127.0.0.1:0\nplugin.discovery=only_scan\n\
    key.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter=org.apache.kafka.connect.json.JsonConverter\n";

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

/// Kafka Connect with Debezium as the guide has it, killed with its owner.
struct Debezium {
    child: Child,
    folder: TempDir,
}

impl Debezium {
    fn start(postgres: &Postgres, broker: &str, topic: &str) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let [connector] = pieces("properties")[..] else { panic!("the guide has one connector") };
        let mut told = connector.to_owned();
        let port = postgres.port.to_string();
        for (in_guide, here) in [("10.0.0.7", "127.0.0.1"), ("5432", &port), ("…", "none"), ("ringpost.calls", topic)]
        {
            assert!(told.contains(in_guide), "the guide says {in_guide} no more");
            told = told.replace(in_guide, here);
        }
        fs::write(folder.path().join("connector.properties"), told).expect("the file is written");
        let worker = WORKER.replace("BROKER", broker).replace("FOLDER", &folder.path().display().to_string());
        fs::write(folder.path().join("worker.properties"), worker).expect("the file is written");
        let child = Self::run(&folder);
        Self { child, folder }
    }

    fn run(folder: &TempDir) -> Child {
        let mut java = java_beside("org.apache.kafka.connect.cli.ConnectStandalone");
        java.args(["worker.properties", "connector.properties"]);
        let log = File::create(folder.path().join("log")).expect("the file is made");
        java.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        java.spawn().expect("tests/packages installs it")
    }

    /// Ends it as a loss of power would, and starts it where it says that it was.
    fn is_killed(&mut self) {
        self.kill();
        self.child = Self::run(&self.folder);
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Debezium {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The outbox of the guide in a database, beside a table of its application.
struct Outbox {
    postgres: Postgres,
    transaction: String,
}

impl Outbox {
    fn of(postgres: Postgres) -> Self {
        let [schema, transaction] = pieces("sql")[..] else { panic!("the guide has a schema and a transaction") };
        postgres.run("CREATE TABLE messages (chat int, text text)");
        postgres.run(schema);
        Self { postgres, transaction: transaction.replace("chat:42", "chat:a") }
    }

    /// Runs the transaction of the guide for a number, with more SQL in it. One in five is called off.
    fn write(&self, number: u32, more: &str) {
        let one = self.transaction.replace("hello", &number.to_string());
        let end = if number.is_multiple_of(5) { "ROLLBACK" } else { "COMMIT" };
        self.postgres.run(&one.replace("COMMIT", &format!("{more}{end}")));
    }
}

/// Of so many what was committed.
fn committed(until: u32) -> Vec<u32> {
    (0..until).filter(|number| !number.is_multiple_of(5)).collect()
}

/// What was published of that.
fn published(node: &Node) -> Vec<u32> {
    let text = |data: Value| data["text"].as_str().expect("it is of the guide").parse::<u32>().expect("a number");
    node.history("chat:a").into_iter().map(text).collect()
}

#[test]
fn what_commits_is_published_once_in_its_order_though_the_relay_is_killed_and_what_does_not_is_not() {
    let calls = Calls::shared(1);
    let node = Node::start("one", &calls.section(""));
    let outbox = Outbox::of(Postgres::start());
    let postgres = &outbox.postgres;
    (0..20).for_each(|number| outbox.write(number, ""));
    let (broker, topic) = (calls.kafka.address(), calls.topic());
    {
        // Rows cannot be deleted: the relay dies between Kafka and the table.
        let mut lock = postgres.session();
        lock.run("BEGIN; LOCK TABLE ringpost_outbox IN SHARE MODE;");
        let _relay = Relay::start(postgres, &broker, &topic);
        assert_eq!(calls.kafka.read(&topic, 16).len(), 16);
    }
    wait("the first have come", || published(&node) == committed(20));
    let _relay = Relay::start(postgres, &broker, &topic);
    (20..30).for_each(|number| outbox.write(number, ""));
    wait("all have come", || published(&node) == committed(30));
    wait("nothing is left", || postgres.run("SELECT count(*) FROM ringpost_outbox") == "0");
    assert_eq!(calls.kafka.read(&topic, 16 + 24).len(), 16 + 24, "the first were written twice");
    assert_eq!(published(&node), committed(30));
}

#[test]
fn what_commits_is_published_once_in_its_order_by_debezium_though_it_is_killed_and_rows_are_deleted_at_once() {
    let calls = Calls::shared(2);
    let node = Node::start("one", &calls.section(""));
    let outbox = Outbox::of(Postgres::start_logical());
    (0..10).for_each(|number| outbox.write(number, ""));
    let mut debezium = Debezium::start(&outbox.postgres, &calls.kafka.address(), &calls.topic());
    wait("those that were there have come", || published(&node) == committed(10));
    (10..20).for_each(|number| outbox.write(number, "DELETE FROM ringpost_outbox;\n"));
    wait("those that are deleted have come", || published(&node) == committed(20));
    debezium.is_killed();
    (20..30).for_each(|number| outbox.write(number, ""));
    wait("all have come", || published(&node) == committed(30));
    let written = calls.kafka.read(&calls.topic(), 24);
    assert!(written.iter().all(|record| record.key.as_deref() == Some("chat:a")), "{written:?}");
    wait("all is committed", || calls.committed() == written.len() as i64);
    assert_eq!(published(&node), committed(30));
}
