//! Events in a real Kafka: who came and went, and whom a push is to tell, as strangers read it.

use std::process::Command;
use std::time::{Duration, Instant};

use prost_reflect::{DescriptorPool, DynamicMessage};
use ringpost::auth::mint::hs256;
use ringpost::events::{PushOffline, UserLogin, decode};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::harness::Node;
use crate::kafka::{Kafka, Kept};
use crate::server::{Kind, Server, wait};

const SECRET: &str = "a secret of thirty-two bytes or so";

/// Topics of a test's own, and the configuration of a node that tells there.
struct Topics {
    login: String,
    push: String,
}

impl Topics {
    fn of(kafka: &Kafka) -> Self {
        let prefix = kafka.prefix();
        let topics = Self { login: format!("{prefix}login"), push: format!("{prefix}push") };
        kafka.topic(&topics.login, 3);
        kafka.topic(&topics.push, 3);
        topics
    }

    fn config(&self, kafka: &Kafka, more: &str) -> String {
        let (login, push) = (&self.login, &self.push);
        format!(
            r#"
[client.token]
hmac_secret_key = "{SECRET}"
[cluster.kafka]
brokers = ["{}"]
timeout = "2s"
{more}
[cluster.kafka.topics]
login = "{login}"
push = "{push}"
"#,
            kafka.address()
        )
    }
}

/// A namespace whose members are to be told of what they have not noticed within some seconds.
fn pushed(log: &str) -> String {
    format!(
        r#"
[[channel.namespaces]]
name = "inbox"
log = "{log}"
history_size = 100
history_ttl = "600s"
delivery = "at_least_once"
push_after = "4s"
allow_subscribe_for_client = true
"#
    )
}

fn connect(node: &Node, user: &str, device: &str) -> (LineClient, Value) {
    connect_by(node, user, device, "phone")
}

/// By a device of this kind.
fn connect_by(node: &Node, user: &str, device: &str, kind: &str) -> (LineClient, Value) {
    let mut client = LineClient::silent(node.tcp());
    let claims = json!({"sub": user, "device": device, "device_kind": kind});
    let token = hs256(SECRET, &claims);
    let reply = client.ask(json!({"connect": {"token": token, "name": "stranger", "version": "7.1"}}));
    let id = reply["connect"]["client"].clone();
    assert!(id.is_string(), "{reply}");
    (client, id)
}

fn read<E: ringpost::events::Event>(kept: &Kept) -> E {
    assert_eq!(kept.header("ringpost-schema"), Some(E::SCHEMA));
    decode(kept.header("content-type").map(str::as_bytes), &kept.value).expect("it is readable")
}

/// All events of a topic, once there are so many.
fn logins(kafka: &Kafka, topic: &str, count: usize) -> Vec<UserLogin> {
    kafka.read(topic, count).iter().map(read).collect()
}

/// The event of this kind of a user.
fn of<'a>(events: &'a [UserLogin], user: &str, kind: &str) -> &'a UserLogin {
    let mut found = events.iter().filter(|event| event.user == user && event.kind == kind);
    let event = found.next().unwrap_or_else(|| panic!("{user} {kind}: {events:?}"));
    assert!(found.next().is_none(), "{user} {kind} twice: {events:?}");
    event
}

#[test]
fn who_comes_goes_and_is_refused_is_told_with_the_user_as_key() {
    let kafka = Kafka::shared();
    let topics = Topics::of(&kafka);
    let mut node = Node::start("edge-1", &topics.config(&kafka, ""));
    let (_ann, id) = connect(&node, "ann", "pixel");
    node.api("disconnect", &json!({"user": "ann", "disconnect": {"code": 4001, "reason": "enough"}}));
    let mut stranger = LineClient::silent(node.tcp());
    stranger.tell(json!({"connect": {"token": "no token"}}));
    assert_eq!(stranger.disconnect_code(), 3500);
    let events = logins(&kafka, &topics.login, 3);
    let (connected, disconnected) = (of(&events, "ann", "connected"), of(&events, "ann", "disconnected"));
    let refused = of(&events, "", "refused");
    for event in [connected, disconnected] {
        let device = event.device.as_ref().expect("it is known");
        let sdk = event.sdk.as_ref().expect("it is told");
        assert_eq!((&*event.node, &*event.client), ("edge-1", id.as_str().expect("it is text")));
        assert_eq!((&*device.id, &*device.kind, &*sdk.name, &*sdk.version), ("pixel", "phone", "stranger", "7.1"));
        assert_eq!((&*event.transport, &*event.address, event.incarnation), ("tcp", "127.0.0.1", 0));
    }
    assert_eq!((disconnected.code, &*disconnected.reason, &*disconnected.cause), (4001, "enough", "disconnect"));
    assert!(disconnected.at_unix_ms >= connected.at_unix_ms && disconnected.connected_ms < 60_000);
    assert_eq!((&*refused.client, refused.code), ("", 3500));
    let keys: Vec<_> = kafka.read(&topics.login, 3).into_iter().filter_map(|kept| kept.key).collect();
    assert_eq!(keys, ["ann", "ann"]);
    // Who is there when the node ends is told to have gone before it has ended.
    let (_bob, _) = connect(&node, "bob", "laptop");
    node.end();
    assert_eq!(of(&logins(&kafka, &topics.login, 5), "bob", "disconnected").code, 3001);
}

#[test]
fn other_programs_read_both_formats() {
    let kafka = Kafka::shared();
    let topics = Topics::of(&kafka);
    let node = Node::start("edge-1", &topics.config(&kafka, "format = \"json\""));
    let (_client, id) = connect(&node, "ann", "pixel");
    assert_eq!(kafka.read(&topics.login, 1).len(), 1);
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-q", "-e", "-b", &kafka.address(), "-t", &topics.login, "-f", "%k %h %s\n"]);
    let told = kcat.output().expect("tests/packages installs it").stdout;
    let told = String::from_utf8(told).expect("it is text");
    let head = "ann content-type=application/json,ringpost-schema=user.login.log/1 ";
    let event = told.trim_end().strip_prefix(head).unwrap_or_else(|| panic!("{told}"));
    let event: Value = serde_json::from_str(event).expect("it is JSON");
    assert_eq!((&event["client"], &event["device"]["kind"]), (&id, &json!("phone")));

    // By another implementation of Protobuf, and the published schema.
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    let published = protox::compile([format!("{docs}/events.proto")], [docs]).expect("it can be compiled");
    let pool = DescriptorPool::from_file_descriptor_set(published).expect("it is whole");
    let message = pool.get_message_by_name("ringpost.events.UserLogin").expect("it is there");
    let topics = Topics::of(&kafka);
    let node = Node::start("edge-1", &topics.config(&kafka, "format = \"protobuf\""));
    let (_client, id) = connect(&node, "ann", "pixel");
    let kept = kafka.read(&topics.login, 1).remove(0);
    assert_eq!(kept.header("content-type"), Some("application/protobuf"));
    let event = DynamicMessage::decode(message, &*kept.value).expect("it is such a message");
    assert_eq!(event.unknown_fields().count(), 0);
    let text = |name: &str| event.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned));
    assert_eq!((text("client").as_deref(), text("kind").as_deref()), (id.as_str(), Some("connected")));
}

fn pushes(kafka: &Kafka, topic: &str, count: usize) -> Vec<PushOffline> {
    kafka.read(topic, count).iter().inspect(|kept| assert_eq!(kept.key.as_deref(), Some("inbox:a"))).map(read).collect()
}

/// Kind, offset, and each user with the reason.
fn short(event: &PushOffline) -> (&str, u64, Vec<(&str, u64, &str)>) {
    let users = event.users.iter().map(|to| (&*to.user, to.unread, &*to.reason));
    (&event.kind, event.offset, users.collect())
}

fn publish(node: &Node, data: Value) {
    let publish = json!({"channel": "inbox:a", "data": data, "tags": {"k": "v"}});
    wait("it is published", || node.api("publish", &publish)["result"].is_object());
}

fn enlist(node: &Node, users: &[&str]) {
    let add = json!({"channel": "inbox:a", "users": users});
    wait("they are members", || node.api("members_add", &add)["result"].is_object());
}

fn subscribe(client: &mut LineClient) {
    wait("it is subscribed", || client.ask(json!({"subscribe": {"channel": "inbox:a"}}))["subscribe"].is_object());
}

fn inbox(client: &mut LineClient, method: &str, mut data: Value) {
    data["channel"] = "inbox:a".into();
    let call = json!({"rpc": {"method": format!("inbox.{method}"), "data": data}});
    // What was published on another node may not have come yet.
    wait("it is taken", || client.ask(call.clone())["rpc"]["data"] == json!({}));
}

#[test]
fn members_who_are_away_or_do_not_look_are_told_of_and_no_more_when_they_have_read() {
    let kafka = Kafka::shared();
    let topics = Topics::of(&kafka);
    let node = Node::start("edge-1", &(topics.config(&kafka, "") + &pushed("memory")));
    enlist(&node, &["ann", "bob", "cyd"]);
    let (mut ann, _) = connect(&node, "ann", "pixel");
    let (mut bob, _) = connect(&node, "bob", "pixel");
    for client in [&mut ann, &mut bob] {
        subscribe(client);
    }
    inbox(&mut bob, "background", json!({"background": true}));
    publish(&node, json!({"text": "hello"}));
    inbox(&mut ann, "received", json!({"offset": 1}));
    inbox(&mut bob, "received", json!({"offset": 1}));
    let events = pushes(&kafka, &topics.push, 1);
    assert_eq!(short(&events[0]), ("offline", 1, vec![("bob", 1, "background"), ("cyd", 1, "away")]));
    assert_eq!((&events[0].data[..], events[0].tags["k"].as_str()), (&br#"{"text":"hello"}"#[..], "v"));
    let (mut cyd, _) = connect(&node, "cyd", "pixel");
    subscribe(&mut cyd);
    inbox(&mut cyd, "read", json!({"offset": 1}));
    inbox(&mut bob, "background", json!({"background": false}));
    wait("both are withdrawn", || {
        pushes(&kafka, &topics.push, 2).iter().map(|event| event.users.len()).sum::<usize>() == 4
    });
    for event in &pushes(&kafka, &topics.push, 2)[1..] {
        assert_eq!((&*event.kind, event.offset), ("withdrawn", 1));
    }
    assert_eq!(node.sample("ringpost_events_dropped_total{topic=\"push\",reason=\"crowded\"}"), Some(0));
}

#[test]
fn over_nodes_one_tells_though_the_one_that_published_is_killed() {
    let (kafka, redis) = (Kafka::shared(), Server::start(Kind::Redis, &[]));
    let topics = Topics::of(&kafka);
    let more = format!("\n[cluster.redis]\naddresses = [\"{}\"]\nbuckets = 64\n", redis.address());
    let config = topics.config(&kafka, "") + &more + &pushed("redis");
    let (mut one, two) = (Node::start("one", &config), Node::start("two", &config));
    enlist(&one, &["ann", "bob", "cyd"]);
    let (mut ann, _) = connect(&two, "ann", "pixel");
    subscribe(&mut ann);
    publish(&one, json!(1));
    one.kill();
    inbox(&mut ann, "received", json!({"offset": 1}));
    let events = pushes(&kafka, &topics.push, 1);
    assert_eq!(short(&events[0]), ("offline", 1, vec![("bob", 1, "away"), ("cyd", 1, "away")]));
    // What follows is told of by whoever is left, once.
    publish(&two, json!(2));
    inbox(&mut ann, "received", json!({"offset": 2}));
    let events = pushes(&kafka, &topics.push, 2);
    assert_eq!(short(&events[1]), ("offline", 2, vec![("bob", 2, "away"), ("cyd", 2, "away")]));
    let (mut bob, _) = connect(&two, "bob", "pixel");
    subscribe(&mut bob);
    inbox(&mut bob, "received", json!({"offset": 2}));
    let events = pushes(&kafka, &topics.push, 3);
    assert_eq!(short(&events[2]), ("withdrawn", 2, vec![("bob", 2, "")]));
}

#[test]
fn what_is_published_by_way_of_kafka_is_told_of_though_the_node_that_published_is_killed() {
    let (kafka, redis) = (Kafka::shared(), Server::start(Kind::Redis, &[]));
    let (topics, prefix) = (Topics::of(&kafka), kafka.prefix());
    let [up, dead, down] = ["publish", "publish.dead", "deliver"].map(|topic| format!("{prefix}{topic}"));
    [&up, &dead, &down].into_iter().for_each(|topic| kafka.topic(topic, 2));
    let ways = format!("publish = \"{up}\"\npublish_dead = \"{dead}\"\ndeliver = \"{down}\"\npublications = \"\"\n");
    let more = format!("[cluster.redis]\naddresses = [\"{}\"]\nbuckets = 64\n", redis.address());
    let group = format!("group = \"{prefix}nodes\"");
    let config = topics.config(&kafka, &group) + &ways + &more + &pushed("redis") + "acknowledge = \"kafka\"\n";
    let (mut one, two) = (Node::start("one", &config), Node::start("two", &config));
    enlist(&one, &["ann", "bob"]);
    let (mut ann, _) = connect(&two, "ann", "pixel");
    subscribe(&mut ann);
    publish(&one, json!(1));
    assert_eq!(ann.publication().1, 1);
    one.kill();
    inbox(&mut ann, "received", json!({"offset": 1}));
    let events = pushes(&kafka, &topics.push, 1);
    assert_eq!(short(&events[0]), ("offline", 1, vec![("bob", 1, "away")]));
    let (mut bob, _) = connect(&two, "bob", "pixel");
    subscribe(&mut bob);
    inbox(&mut bob, "received", json!({"offset": 1}));
    let events = pushes(&kafka, &topics.push, 2);
    assert_eq!(short(&events[1]), ("withdrawn", 1, vec![("bob", 1, "")]));
}

#[test]
fn a_kafka_that_stands_still_loses_events_that_are_counted_and_delays_nobody() {
    let kafka = Kafka::start();
    let topics = Topics::of(&kafka);
    let node = Node::start("edge-1", &topics.config(&kafka, ""));
    let (_first, _) = connect(&node, "ann", "pixel");
    assert_eq!(logins(&kafka, &topics.login, 1).len(), 1);
    kafka.signal(Signal::STOP);
    let since = Instant::now();
    let _clients: Vec<_> = (0..50).map(|number| connect(&node, &format!("user{number}"), "pixel")).collect();
    // If each waited for Kafka, it were as many times its timeout of two seconds.
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let late = "ringpost_events_dropped_total{topic=\"login\",reason=\"late\"}";
    wait("what Kafka did not take is counted", || node.sample(late).is_some_and(|dropped| dropped >= 50));
    kafka.signal(Signal::CONT);
    let (_last, _) = connect(&node, "zoe", "pixel");
    wait("events arrive again", || {
        std::thread::sleep(Duration::from_millis(200));
        kafka.read(&topics.login, 1).iter().any(|kept| kept.key.as_deref() == Some("zoe"))
    });
}

#[test]
fn over_nodes_neither_another_kind_of_device_nor_one_at_which_nobody_looks_keeps_an_event_away() {
    let (kafka, redis) = (Kafka::shared(), Server::start(Kind::Redis, &[]));
    let topics = Topics::of(&kafka);
    let more = format!("\n[cluster.redis]\naddresses = [\"{}\"]\nbuckets = 64\n", redis.address());
    let config = topics.config(&kafka, "") + &more + &pushed("redis") + "push_device_kinds = [\"phone\"]\n";
    let (mut one, two) = (Node::start("one", &config), Node::start("two", &config));
    enlist(&one, &["ann", "bob", "cyd"]);
    let (mut ann, _) = connect_by(&one, "ann", "mac", "desktop");
    let (mut bob, _) = connect(&two, "bob", "pixel");
    let (mut cyd, _) = connect(&two, "cyd", "pixel");
    for client in [&mut ann, &mut bob, &mut cyd] {
        subscribe(client);
    }
    inbox(&mut bob, "background", json!({"background": true}));
    publish(&one, json!(1));
    for client in [&mut ann, &mut bob, &mut cyd] {
        inbox(client, "received", json!({"offset": 1}));
    }
    let events = pushes(&kafka, &topics.push, 1);
    assert_eq!(short(&events[0]), ("offline", 1, vec![("ann", 1, "away"), ("bob", 1, "background")]));
    // What was received on the desktop is noticed when a phone comes, on another node.
    let (mut phone, _) = connect(&two, "ann", "pixel");
    subscribe(&mut phone);
    assert_eq!(short(&pushes(&kafka, &topics.push, 2)[1]), ("withdrawn", 1, vec![("ann", 1, "")]));
    inbox(&mut bob, "background", json!({"background": false}));
    assert_eq!(short(&pushes(&kafka, &topics.push, 3)[2]), ("withdrawn", 1, vec![("bob", 1, "")]));
    // Whoever looks at what was noticed where, the first node is there no longer.
    one.kill();
    publish(&two, json!(2));
    for client in [&mut phone, &mut bob] {
        inbox(client, "received", json!({"offset": 2}));
    }
    assert_eq!(short(&pushes(&kafka, &topics.push, 4)[3]), ("offline", 2, vec![("cyd", 2, "away")]));
}

#[test]
fn without_kafka_clients_notice_nothing_and_what_is_lost_is_counted() {
    let mut kafka = Kafka::start();
    let topics = Topics::of(&kafka);
    let node = Node::start("edge-1", &topics.config(&kafka, ""));
    let (_first, _) = connect(&node, "ann", "pixel");
    assert_eq!(logins(&kafka, &topics.login, 1).len(), 1);
    kafka.kill();
    for number in 0..50 {
        let (mut client, _) = connect(&node, &format!("user{number}"), "pixel");
        let reply = client.ask(json!({"subscribe": {"channel": "chat:a"}}));
        assert!(reply["subscribe"].is_object(), "{reply}");
        let answer = node.api("publish", &json!({"channel": "chat:a", "data": number}));
        assert_eq!(answer["result"]["offset"], number + 1);
    }
    let late = "ringpost_events_dropped_total{topic=\"login\",reason=\"late\"}";
    wait("what Kafka did not take is counted", || node.sample(late).is_some_and(|dropped| dropped >= 50));
    kafka.restart();
    let (_last, _) = connect(&node, "zoe", "pixel");
    wait("events arrive again", || {
        std::thread::sleep(Duration::from_millis(200));
        kafka.read(&topics.login, 1).iter().any(|kept| kept.key.as_deref() == Some("zoe"))
    });
}
