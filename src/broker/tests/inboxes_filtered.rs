//! At least once: what is not for a device counts as received, without a word from it.

use super::durable::start_at;
use super::inboxes::call;
use super::*;
use crate::config::{Delivery, Log};

/// `picky:` has filters, `short:` forgets devices after a minute, `disk:` is as both and on disk.
fn choosy() -> Config {
    let mut config = config();
    let kept = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(24 * 3600),
        delivery: Delivery::AtLeastOnce,
        members_by_subscribing: true,
        ack_timeout: Duration::from_secs(10),
        max_attempts: 3,
        max_unacked: 3,
        allow_subscribe_for_client: true,
        allow_tags_filter: true,
        ..ChannelOptions::default()
    };
    let short = ChannelOptions { device_ttl: Duration::from_secs(60), ..kept.clone() };
    let disk = ChannelOptions { log: Log::Disk, ..short.clone() };
    for (name, options) in [("picky", kept), ("short", short), ("disk", disk)] {
        config.channel.namespaces.push(Namespace { name: name.into(), options });
    }
    config
}

/// The node is killed, and another starts on its disk after so long.
fn restart_after(mut node: Node, ms: u64) -> Node {
    node.wait(ms);
    node.disk.lose();
    start_at(node.now, 2, node.disk, choosy())
}

impl Node {
    fn tagged(&mut self, channel: &str, data: u32, tag: &str) {
        self.short(channel, data, tag, None);
    }

    fn short(&mut self, channel: &str, data: u32, tag: &str, ttl_ms: Option<u64>) {
        let tags = Some([("k".into(), tag.into())].into());
        let publish = Publish { tags, ttl_ms, ..message(channel, &data.to_string()) };
        let home = usize::from(self.placement.of(channel));
        let (answer, mut answered) = oneshot::channel();
        self.brokers[home].begin_tick(self.now);
        self.brokers[home].order(Order::Publish(Box::new(publish), answer), self.now);
        self.after(home);
        self.sync();
        answered.try_recv().expect("it is answered").expect("it is kept");
        self.carry();
    }

    /// As [`Node::member`], of what has the tag alone. Also the reply.
    fn choosy_member(&mut self, device: &str, channel: &str, tag: &str) -> (Peer, Vec<String>, Value) {
        let peer = self.connect(0, json!({"sub": "ada", "meta": {"device": device}}));
        let filter = json!({"key": "k", "cmp": "eq", "val": tag});
        let mut heard = self.say(peer, &json!({"id": 2, "subscribe": {"channel": channel, "tf": filter}}).to_string());
        // What a membership waits for.
        self.sync();
        heard.extend(self.hear(peer));
        (peer, kinds(&heard), heard.first().cloned().unwrap_or_default())
    }

    fn unreceived(&self, namespace: &str) -> u64 {
        self.counted(namespace, |of| of.unreceived.get())
    }
}

#[test]
fn what_a_filter_keeps_out_counts_as_received_and_is_never_sent_again() {
    for home in 0..2 {
        let mut node = Node::with(choosy());
        let channel = node.at(home, "picky");
        let (peer, ..) = node.choosy_member("phone", &channel, "1");
        for data in 1..=7 {
            node.tagged(&channel, data, "0");
        }
        node.tagged(&channel, 8, "1");
        node.tagged(&channel, 9, "0");
        node.tagged(&channel, 10, "1");
        assert_eq!(kinds(&node.hear(peer)), ["pub 8", "pub 10"], "more than max_unacked were not for it");
        node.sweep(10_100);
        assert_eq!(kinds(&node.hear(peer)), ["pub 8"], "the first that is for it is sent again");
        assert_eq!(node.unreceived("picky"), 3);
        assert_eq!(node.receive(peer, &channel, 8), ["pub 10", "9:rpc"]);
        assert_eq!(node.receive(peer, &channel, 10), ["9:rpc"]);
        for data in 11..=13 {
            node.tagged(&channel, data, "0");
        }
        node.sweep(10_100);
        node.sweep(60_000);
        assert_eq!(kinds(&node.hear(peer)), ["message"], "positions, and nothing else");
        assert_eq!(node.unreceived("picky"), 0);
    }
}

#[test]
fn who_comes_back_to_much_that_is_not_for_it_is_sent_the_rest() {
    let mut node = Node::with(choosy());
    let channel = node.at(1, "picky");
    let (peer, ..) = node.choosy_member("phone", &channel, "1");
    node.drop(peer);
    node.carry();
    for data in 1..=40 {
        node.tagged(&channel, data, "0");
    }
    node.tagged(&channel, 41, "1");
    let (peer, heard, reply) = node.choosy_member("phone", &channel, "1");
    assert_eq!((heard, &reply["subscribe"]["recovered"]), (vec!["2:subscribe".to_string()], &json!(true)));
    node.tagged(&channel, 42, "1");
    (0..10).for_each(|_| node.sweep(100));
    assert_eq!(kinds(&node.hear(peer)), ["pub 41", "pub 42"]);
    assert_eq!(node.receive(peer, &channel, 42), ["9:rpc"]);
    node.tagged(&channel, 43, "1");
    assert_eq!(kinds(&node.hear(peer)), ["pub 43"], "it goes along with everybody");
}

#[test]
fn two_sessions_of_a_device_are_sent_what_each_wants_and_its_floor_passes_what_neither_does() {
    let mut node = Node::with(choosy());
    let channel = node.at(0, "picky");
    let (one, ..) = node.choosy_member("", &channel, "1");
    let (two, ..) = node.choosy_member("", &channel, "2");
    for (data, tag) in [(1, "0"), (2, "2"), (3, "1"), (4, "0")] {
        node.tagged(&channel, data, tag);
    }
    assert_eq!([one, two].map(|peer| kinds(&node.hear(peer))), [["pub 3"], ["pub 2"]]);
    node.sweep(10_100);
    assert_eq!([one, two].map(|peer| kinds(&node.hear(peer))), [vec![], vec!["pub 2".to_string()]]);
    assert_eq!(node.receive(two, &channel, 2), ["9:rpc"]);
    assert_eq!(kinds(&node.hear(one)), ["pub 3"]);
    assert_eq!(node.receive(one, &channel, 3), ["9:rpc"]);
    assert_eq!(node.unreceived("picky"), 0);
}

#[test]
fn what_has_ended_by_itself_is_not_sent_again_and_is_no_dead_letter() {
    for home in 0..2 {
        let mut node = Node::with(choosy());
        let channel = node.at(home, "picky");
        let (peer, ..) = node.choosy_member("phone", &channel, "1");
        node.short(&channel, 1, "1", Some(15_000));
        node.tagged(&channel, 2, "1");
        assert_eq!(kinds(&node.hear(peer)), ["pub 1", "pub 2"]);
        node.sweep(10_100);
        assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
        (0..3).for_each(|_| node.sweep(26_000));
        let again = kinds(&node.hear(peer));
        assert!(!again.is_empty() && again.iter().all(|word| word == "pub 2"), "{again:?}");
        assert!(node.brokers[home].home.delivery.dead_letters().find(&channel, 1).is_none());
        node.drop(peer);
        node.carry();
        node.short(&channel, 3, "1", Some(1_000));
        node.wait(1_000);
        let (peer, ..) = node.choosy_member("phone", &channel, "1");
        node.tagged(&channel, 4, "1");
        node.receive(peer, &channel, 2);
        node.receive(peer, &channel, 4);
        assert_eq!(node.unreceived("picky"), 0);
    }
}

#[test]
fn a_restart_knows_what_a_filter_has_kept_out() {
    let mut node = start_at(Node::with(choosy()).now, 2, Disk::default(), choosy());
    let channel = node.at(1, "disk");
    let (peer, ..) = node.choosy_member("phone", &channel, "1");
    for data in 1..=5 {
        node.tagged(&channel, data, "0");
    }
    node.sweep(10_100);
    node.sync();
    node.hear(peer);
    // Of the history nothing is left.
    let home = usize::from(node.placement.of(&channel));
    let (answer, _) = oneshot::channel();
    node.brokers[home].order(Order::HistoryRemove { channel: channel.as_str().into(), answer }, node.now);
    node.sync();
    let mut node = restart_after(node, 0);
    let (_, heard, reply) = node.choosy_member("phone", &channel, "1");
    assert_eq!((heard, &reply["subscribe"]["recovered"]), (vec!["2:subscribe".to_string()], &json!(true)));
    assert_eq!(node.unreceived("disk"), 0);
}

#[test]
fn a_device_that_does_not_return_is_forgotten_and_told_what_it_may_have_missed_when_it_does() {
    for (namespace, restarts) in [("short", false), ("disk", false), ("disk", true)] {
        let mut node = start_at(Node::with(choosy()).now, 2, Disk::default(), choosy());
        let channel = node.at(1, namespace);
        let (phone, ..) = node.choosy_member("phone", &channel, "1");
        let (mut tablet, ..) = node.choosy_member("tablet", &channel, "1");
        node.drop(phone);
        node.carry();
        node.tagged(&channel, 1, "1");
        node.receive(tablet, &channel, 1);
        node.sync();
        node.sweep(59_000);
        assert_eq!(node.unreceived(namespace), 1);
        node.sweep(2_000);
        assert_eq!(node.unreceived(namespace), 0, "{namespace}: nobody is waited for");
        node.sync();
        if restarts {
            node = restart_after(node, 0);
            tablet = node.choosy_member("tablet", &channel, "1").0;
        }
        node.hear(tablet);
        let (phone, _, reply) = node.choosy_member("phone", &channel, "1");
        let told = |reply: &Value| {
            [&reply["subscribe"]["was_recovering"], &reply["subscribe"]["recovered"]].map(Value::is_boolean)
        };
        assert_eq!(told(&reply), [true, false], "{namespace}: {reply}");
        node.drop(phone);
        node.carry();
        let (phone, _, reply) = node.choosy_member("phone", &channel, "1");
        assert_eq!(told(&reply), [true, false], "{namespace}: it may not have heard it: {reply}");
        node.tagged(&channel, 2, "1");
        node.receive(phone, &channel, 2);
        node.sync();
        node.drop(phone);
        node.carry();
        let (_, _, reply) = node.choosy_member("phone", &channel, "1");
        assert_eq!(told(&reply), [false, true], "{namespace}: it has received something since: {reply}");
    }
}

#[test]
fn a_clock_that_has_jumped_while_the_node_was_down_forgets_no_device() {
    let mut node = start_at(Node::with(choosy()).now, 2, Disk::default(), choosy());
    let channel = node.at(0, "disk");
    let (phone, ..) = node.choosy_member("phone", &channel, "1");
    node.tagged(&channel, 1, "1");
    node.receive(phone, &channel, 1);
    node.sync();
    let mut node = restart_after(node, 31_536_000_000);
    node.sweep(59_000);
    let home = usize::from(node.placement.of(&channel));
    assert_eq!(node.brokers[home].home.delivery.devices(&channel, "ada").map(|ada| ada.devices.len()), Ok(1));
    node.sweep(2_000);
    assert_eq!(node.brokers[home].home.delivery.devices(&channel, "ada").map(|ada| ada.devices.len()), Ok(0));
}

#[test]
fn failed_attempts_are_known_after_a_restart() {
    let mut node = start_at(Node::with(choosy()).now, 2, Disk::default(), choosy());
    let channel = node.at(0, "disk");
    let (mut peer, ..) = node.choosy_member("phone", &channel, "1");
    node.tagged(&channel, 1, "1");
    node.hear(peer);
    for attempt in ["2", "3"] {
        node.sweep(40_000);
        let words = node.hear(peer);
        assert_eq!(kinds(&words), ["pub 1"]);
        assert_eq!(words[0]["push"]["pub"]["tags"]["attempt"], attempt);
        node.sync();
        node = restart_after(node, 0);
        let heard;
        (peer, heard, _) = node.choosy_member("phone", &channel, "1");
        assert_eq!(heard, ["2:subscribe", "pub 1"]);
    }
    node.sweep(60_000);
    let home = usize::from(node.placement.of(&channel));
    let dead = node.brokers[home].home.delivery.dead_letters();
    assert_eq!(dead.find(&channel, 1).map(|letter| letter.failures[0].attempts), Some(3));
}

#[test]
fn a_device_that_comes_while_a_publication_is_on_its_way_is_sent_it_and_sent_it_again() {
    let mut node = start_at(Node::with(choosy()).now, 2, Disk::default(), choosy());
    let channel = node.at(0, "disk");
    let (peer, ..) = node.choosy_member("phone", &channel, "1");
    node.drop(peer);
    node.carry();
    let tags = Some([("k".into(), "1".into())].into());
    let publish = Publish { tags, ..message(&channel, "1") };
    let home = usize::from(node.placement.of(&channel));
    let (answer, _answered) = oneshot::channel();
    node.brokers[home].begin_tick(node.now);
    node.brokers[home].order(Order::Publish(Box::new(publish), answer), node.now);
    node.after(home);
    let peer = node.connect(1, json!({"sub": "ada", "meta": {"device": "phone"}}));
    node.say(peer, &subscribe(2, &channel));
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
    node.sweep(10_100);
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"], "it said nothing");
    node.say(peer, &call(9, "received", json!({"channel": channel, "offset": 1})));
    node.sync();
    assert_eq!(kinds(&node.hear(peer)), ["9:rpc"]);
}
