//! At least once over several nodes: a user's devices wherever they are, what they have received, and what becomes of the rest.

use std::collections::VecDeque;

use ringpost::auth::mint::hs256;
use serde_json::{Value, json};

use crate::client::LineClient;
use crate::groups::{behind_a_sentinel, replicate};
use crate::harness::{Node, SECRET, publish_in_the_end};
use crate::server::{Kind, Server, wait};

const NAMES: [&str; 3] = ["one", "two", "three"];

/// A device of a user, which notes all that it hears.
pub(crate) struct Device {
    client: LineClient,
    /// Offsets of publications, and messages, that were not taken yet.
    offsets: VecDeque<u64>,
    messages: VecDeque<Value>,
}

impl Device {
    pub(crate) fn connect(node: &Node, user: &str, device: &str) -> Self {
        let mut client = LineClient::silent(node.tcp());
        let reply = client.ask(json!({"connect": {"token": hs256(SECRET, &json!({"sub": user, "device": device}))}}));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        Self { client, offsets: VecDeque::new(), messages: VecDeque::new() }
    }

    /// One that subscribes, once that is possible.
    pub(crate) fn subscribed(node: &Node, user: &str, device: &str, channel: &str) -> Self {
        let mut this = Self::connect(node, user, device);
        this.subscribe(channel);
        this
    }

    fn subscribe(&mut self, channel: &str) -> Value {
        let mut reply = Value::Null;
        wait("it is subscribed", || {
            reply = self.ask(&json!({"subscribe": {"channel": channel}}));
            reply["subscribe"].is_object()
        });
        reply["subscribe"].take()
    }

    fn note(&mut self, word: &Value) {
        let push = &word["push"];
        self.offsets.extend(push["pub"]["offset"].as_u64());
        if push["message"].is_object() {
            self.messages.push_back(push["message"]["data"].clone());
        }
    }

    fn ask(&mut self, command: &Value) -> Value {
        let id = self.client.tell(command.clone());
        loop {
            let word = self.client.word();
            if word["id"] == id {
                return word;
            }
            self.note(&word);
        }
    }

    /// Calls a method of the inbox: what is answered.
    pub(crate) fn inbox(&mut self, method: &str, data: &Value) -> Value {
        let reply = self.ask(&json!({"rpc": {"method": format!("inbox.{method}"), "data": data}}));
        match reply["rpc"]["data"].is_object() {
            true => reply["rpc"]["data"].clone(),
            false => reply["error"].clone(),
        }
    }

    /// Says that it has received all up to an offset.
    pub(crate) fn received(&mut self, channel: &str, offset: u64) {
        assert_eq!(self.inbox("received", &json!({"channel": channel, "offset": offset})), json!({}));
    }

    /// The next publication that it hears.
    pub(crate) fn next(&mut self) -> u64 {
        while self.offsets.is_empty() {
            let word = self.client.word();
            self.note(&word);
        }
        self.offsets.pop_front().expect("there is one")
    }

    /// Hears these, in order, and nothing between them.
    fn hears(&mut self, offsets: impl IntoIterator<Item = u64>) {
        offsets.into_iter().for_each(|offset| assert_eq!(self.next(), offset));
    }

    /// The next message of this type.
    fn message(&mut self, of: &str) -> Value {
        loop {
            if let Some(message) = self.messages.pop_front() {
                if message["type"] == of {
                    return message;
                }
                continue;
            }
            let word = self.client.word();
            self.note(&word);
        }
    }
}

/// Nodes over one Redis, by their names.
fn nodes<const N: usize>(redis: &Server) -> [Node; N] {
    std::array::from_fn(|at| Node::start_with(NAMES[at], redis, ""))
}

fn members(node: &Node, channel: &str) -> Value {
    node.api("members_list", &json!({ "channel": channel }))["result"]["members"].clone()
}

fn letters(node: &Node, channel: &str) -> Vec<u64> {
    let list = node.api("dead_letters_list", &json!({ "channel": channel }));
    let letters = list["result"]["dead_letters"].as_array().unwrap_or_else(|| panic!("{list}"));
    letters.iter().filter_map(|letter| letter["publication"]["offset"].as_u64()).collect()
}

#[test]
fn each_device_of_a_user_on_three_nodes_goes_on_from_its_floor_when_one_of_them_is_killed() {
    const ROOM: &str = "inbox:room";
    for kind in [Kind::Redis, Kind::Valkey] {
        let redis = Server::start(kind, &[]);
        let mut nodes: [Node; 3] = nodes(&redis);
        let mut devices = ["phone", "laptop", "tablet"].into_iter().zip(&nodes);
        let mut devices: [Device; 3] = std::array::from_fn(|_| {
            let (device, node) = devices.next().expect("a node each");
            Device::subscribed(node, "ann", device, ROOM)
        });
        (1..=10).for_each(|at: usize| assert_eq!(nodes[at % 3].publish(ROOM, at)["result"]["offset"], at));
        devices.iter_mut().for_each(|device| device.hears(1..=10));
        let [phone, laptop, tablet] = &mut devices;
        phone.received(ROOM, 4);
        laptop.received(ROOM, 10);
        tablet.received(ROOM, 7);
        nodes[0].kill();
        (11..=12).for_each(|at| drop(publish_in_the_end(&nodes[1], ROOM, &at.to_string())));
        let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
        phone.hears(5..=12);
        laptop.hears(11..=12);
        phone.received(ROOM, 12);
        // Once more elsewhere: nothing that was answered comes again.
        let mut phone = Device::subscribed(&nodes[2], "ann", "phone", ROOM);
        publish_in_the_end(&nodes[2], ROOM, "13");
        phone.hears([13]);
        let mut tablet = Device::subscribed(&nodes[1], "ann", "tablet", ROOM);
        tablet.hears(8..=13);
        let member = &members(&nodes[1], ROOM)[0];
        assert_eq!((&member["user"], &member["received"]), (&json!("ann"), &json!(12)), "{kind:?}");
        let positions = nodes[2].api("inbox_positions", &json!({"channel": ROOM, "user": "ann"}));
        assert_eq!(positions["result"]["devices"].as_object().map(serde_json::Map::len), Some(3), "{positions}");
    }
}

#[test]
fn what_a_user_has_read_is_told_to_the_devices_on_other_nodes_and_known_to_all() {
    const ROOM: &str = "inbox:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    let mut laptop = Device::subscribed(&nodes[1], "ann", "laptop", ROOM);
    let mut bob = Device::subscribed(&nodes[1], "bob", "phone", ROOM);
    (1..=5).for_each(|at| drop(nodes[0].publish(ROOM, at)));
    for device in [&mut phone, &mut laptop, &mut bob] {
        device.hears(1..=5);
    }
    assert_eq!(phone.inbox("read", &json!({"channel": ROOM, "offset": 3})), json!({}));
    for device in [&mut laptop, &mut bob] {
        let told = device.message("inbox.positions");
        assert_eq!((&told["users"][0]["user"], &told["users"][0]["read"]), (&json!("ann"), &json!(3)), "{told}");
    }
    for device in [&mut phone, &mut laptop] {
        let unread = device.inbox("unread", &json!({ "channel": ROOM }));
        assert_eq!((&unread["read"], &unread["unread"]), (&json!(3), &json!(2)), "{unread}");
    }
    let unread = nodes[1].api("inbox_unread", &json!({"channel": ROOM, "user": "ann"}));
    assert_eq!(unread["result"]["unread"], 2, "{unread}");
}

#[test]
fn a_message_with_an_id_that_is_sent_again_to_another_node_is_there_once() {
    const ROOM: &str = "inbox:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    let send = json!({"channel": ROOM, "id": "m1", "data": "hello"});
    let first = phone.inbox("send", &send);
    assert_eq!(first["offset"], 1, "{first}");
    let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
    assert_eq!(phone.inbox("send", &send), first);
    let mut bob = Device::subscribed(&nodes[1], "bob", "phone", ROOM);
    assert_eq!(bob.inbox("send", &send)["offset"], 2, "ids are each user's own");
}

#[test]
fn what_nobody_receives_becomes_a_dead_letter_that_any_node_lists_and_sends_once_more() {
    const ROOM: &str = "stern:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    nodes[1].publish(ROOM, "x");
    // It is sent twice, and says nothing.
    phone.hears([1, 1]);
    wait("it is given up", || letters(&nodes[1], ROOM) == [1]);
    assert_eq!(letters(&nodes[0], ROOM), [1]);
    let again = nodes[1].api("dead_letters_requeue", &json!({"channel": ROOM, "offset": 1}));
    assert_eq!(again["result"]["offset"], 1, "{again}");
    phone.hears([1]);
    phone.received(ROOM, 1);
    wait("it is received", || letters(&nodes[1], ROOM).is_empty());
    nodes[1].publish(ROOM, "y");
    // It may have been sent once more before it was received.
    let mut next = phone.next();
    while next == 1 {
        next = phone.next();
    }
    assert_eq!([next, phone.next()], [2, 2]);
    wait("it is given up", || letters(&nodes[0], ROOM) == [2]);
    let purged = nodes[1].api("dead_letters_purge", &json!({ "channel": ROOM }));
    assert!(purged["result"].is_object() && letters(&nodes[0], ROOM).is_empty(), "{purged}");
}

/// A page of the dead letters of all channels: channels and offsets, and where the next begins.
fn page(node: &Node, limit: u32, cursor: &Value) -> (Vec<(String, u64)>, Value) {
    let mut ask = json!({ "limit": limit });
    if cursor.is_string() {
        ask["cursor"] = cursor.clone();
    }
    let mut list = node.api("dead_letters_list", &ask);
    let letters = list["result"]["dead_letters"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    let place = |letter: &Value| {
        let channel = letter["channel"].as_str().expect("it has one").to_owned();
        (channel, letter["publication"]["offset"].as_u64().expect("it has one"))
    };
    (letters.map(place).collect(), list["result"]["next"].take())
}

#[test]
fn the_dead_letters_of_all_channels_are_listed_by_any_node_a_page_at_a_time() {
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let rooms: Vec<_> = (0..5).map(|at| format!("stern:{at}")).collect();
    let mut phone = Device::connect(&nodes[0], "ann", "phone");
    for room in &rooms {
        phone.subscribe(room);
        (1..=2).for_each(|at| assert_eq!(nodes[1].publish(room, "x")["result"]["offset"], at));
    }
    // Nothing is received: of each room the first is given up, and then the second.
    let all = |node: &Node| page(node, 100, &Value::Null).0.len();
    wait("all are given up", || all(&nodes[1]) == 2 * rooms.len());
    let wanted: Vec<_> = rooms.iter().flat_map(|room| [1, 2].map(|offset| (room.clone(), offset))).collect();
    for node in &nodes {
        let (mut found, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..wanted.len() {
            let (letters, next) = page(node, 3, &cursor);
            assert!(letters.len() <= 3);
            found.extend(letters);
            cursor = next;
            if cursor.is_null() {
                break;
            }
        }
        assert!(cursor.is_null(), "it ends: {cursor}");
        found.sort();
        assert_eq!(found, wanted, "each once");
    }
    let refused = nodes[0].api("dead_letters_list", &json!({"cursor": "somewhere"}));
    assert_eq!(refused["error"]["code"], 107, "{refused}");
}

#[test]
fn in_a_large_room_the_sender_is_told_how_many_on_all_nodes_have_received_and_read_a_message() {
    const ROOM: &str = "inbox:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let others: Vec<_> = (0..100).map(|at| format!("user{at}")).collect();
    let added = nodes[1].api("members_add", &json!({"channel": ROOM, "users": others}));
    assert!(added["result"].is_object(), "{added}");
    let mut ann = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    let mut bob = Device::subscribed(&nodes[0], "bob", "phone", ROOM);
    let mut eve = Device::subscribed(&nodes[1], "eve", "phone", ROOM);
    let sent = ann.ask(&json!({"publish": {"channel": ROOM, "data": "hello"}}));
    assert!(sent["publish"].is_object(), "{sent}");
    for device in [&mut ann, &mut bob, &mut eve] {
        device.hears([1]);
        device.received(ROOM, 1);
    }
    assert_eq!(eve.inbox("read", &json!({"channel": ROOM, "offset": 1})), json!({}));
    let mut told = Value::Null;
    wait("all was counted", || {
        told = ann.message("inbox.receipts")["receipts"][0].clone();
        told["received"] == 2 && told["read"] == 1
    });
    assert_eq!(told, json!({"offset": 1, "received": 2, "read": 1, "members": 102}));
}

#[test]
fn a_trace_is_of_all_nodes_and_says_which_has_not_answered() {
    use rustix::process::Signal;
    const ROOM: &str = "inbox:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    let mut bob = Device::subscribed(&nodes[1], "bob", "phone", ROOM);
    nodes[1].publish(ROOM, "x");
    for device in [&mut phone, &mut bob] {
        device.hears([1]);
        device.received(ROOM, 1);
    }
    let trace = |node: &Node| node.api("trace", &json!({"channel": ROOM, "offset": 1}))["result"].clone();
    let receivers = |trace: &Value| {
        let events = trace["events"].as_array().unwrap_or_else(|| panic!("{trace}")).iter();
        let received = events.filter(|event| event["what"] == "received").filter_map(|event| event["user"].as_str());
        let mut users: Vec<_> = received.map(str::to_owned).collect();
        users.sort();
        users
    };
    for node in &nodes {
        let all = trace(node);
        assert_eq!((receivers(&all), all.get("unanswered")), (vec!["ann".into(), "bob".into()], None), "{all}");
    }
    nodes[1].signal(Signal::STOP);
    let mut part = Value::Null;
    // A host that has much to do stops its threads a little later.
    wait("it stands still", || {
        part = trace(&nodes[0]);
        part["unanswered"].is_array()
    });
    nodes[1].signal(Signal::CONT);
    assert_eq!((receivers(&part), &part["unanswered"]), (vec!["ann".into()], &json!(["two"])), "{part}");
}

#[test]
fn members_that_a_backend_names_on_one_node_are_those_of_all() {
    const ROOM: &str = "named:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    nodes[0].publish(ROOM, "before");
    let added = nodes[0].api("members_add", &json!({"channel": ROOM, "users": ["ann", "bob"]}));
    assert!(added["result"].is_object(), "{added}");
    nodes[1].publish(ROOM, "after");
    let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
    phone.hears([2]);
    assert_eq!(members(&nodes[1], ROOM).as_array().map(Vec::len), Some(2));
    let removed = nodes[1].api("members_remove", &json!({"channel": ROOM, "users": ["ann"]}));
    assert!(removed["result"].is_object(), "{removed}");
    wait("nothing is to be received by whom was removed", || {
        phone.inbox("received", &json!({"channel": ROOM, "offset": 2}))["code"] == 103
    });
    assert_eq!(members(&nodes[0], ROOM)[0]["user"], "bob");
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn while_redis_is_away_nothing_is_answered_that_is_lost_and_floors_go_on_after_it() {
    const ROOM: &str = "inbox:room";
    let mut redis = Server::start(Kind::Redis, &["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    (1..=5).for_each(|at| drop(nodes[1].publish(ROOM, at)));
    phone.hears(1..=5);
    phone.received(ROOM, 2);
    redis.kill();
    let answer = phone.inbox("received", &json!({"channel": ROOM, "offset": 4}));
    redis.restart();
    publish_in_the_end(&nodes[1], ROOM, "6");
    // What is refused for now may be kept all the same; what is answered is.
    let floors = if answer == json!({}) { 4..=4 } else { 2..=4 };
    let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
    let first = phone.next();
    assert!(floors.contains(&(first - 1)), "{answer} and then {first}");
    phone.hears(first + 1..=6);
    phone.received(ROOM, 6);
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_redis_that_has_lost_its_data_is_told_as_a_gap_and_what_follows_is_received() {
    const ROOM: &str = "inbox:room";
    let mut redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    (1..=3).for_each(|at| drop(nodes[1].publish(ROOM, at)));
    phone.hears(1..=3);
    phone.received(ROOM, 3);
    redis.restart();
    wait("the nodes have begun anew", || {
        nodes.iter().all(|node| node.metrics().contains("\nringpost_leases_lost_total 1\n"))
    });
    let taken = publish_in_the_end(&nodes[1], ROOM, "new");
    let mut phone = Device::connect(&nodes[1], "ann", "phone");
    let begun = phone.subscribe(ROOM);
    assert_eq!(begun["epoch"], taken["result"]["epoch"], "{begun}");
    let next = publish_in_the_end(&nodes[0], ROOM, "newer")["result"]["offset"].as_u64().expect("it is kept");
    while phone.next() != next {}
    phone.received(ROOM, next);
    assert!(letters(&nodes[0], ROOM).is_empty(), "what was lost is no dead letter");
}

#[test]
#[ignore = "some seconds: make test-cluster"]
fn a_failover_to_a_replica_that_has_all_takes_no_floor_back() {
    const ROOM: &str = "inbox:room";
    let (mut primary, replica, sentinel) = behind_a_sentinel(500);
    let nodes = ["one", "two"].map(|name| Node::over_with(name, &sentinel.section(), ""));
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    (1..=5).for_each(|at| drop(nodes[1].publish(ROOM, at)));
    phone.hears(1..=5);
    phone.received(ROOM, 4);
    replicate(&primary, &replica);
    primary.kill();
    publish_in_the_end(&nodes[1], ROOM, "6");
    let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
    phone.hears(5..=6);
    phone.received(ROOM, 6);
}

#[test]
#[ignore = "the time of a lease: make test-cluster"]
fn a_node_that_slept_through_its_lease_takes_back_no_floor_of_its_devices() {
    use rustix::process::Signal;
    const ROOM: &str = "inbox:room";
    let redis = Server::start(Kind::Redis, &[]);
    let nodes: [Node; 2] = nodes(&redis);
    let mut sleeper = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    (1..=4).for_each(|at| drop(nodes[1].publish(ROOM, at)));
    sleeper.hears(1..=4);
    sleeper.received(ROOM, 1);
    nodes[0].signal(Signal::STOP);
    // The same device comes back elsewhere, and goes on.
    let mut phone = Device::subscribed(&nodes[1], "ann", "phone", ROOM);
    phone.hears(2..=4);
    phone.received(ROOM, 4);
    std::thread::sleep(std::time::Duration::from_secs(12));
    nodes[0].signal(Signal::CONT);
    publish_in_the_end(&nodes[0], ROOM, "5");
    phone.hears([5]);
    phone.received(ROOM, 5);
    let mut phone = Device::subscribed(&nodes[0], "ann", "phone", ROOM);
    publish_in_the_end(&nodes[1], ROOM, "6");
    phone.hears([6]);
}
