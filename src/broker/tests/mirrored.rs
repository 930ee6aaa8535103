//! Channels that several nodes share, over a model of their buckets: brokers of two nodes, step by step.

use super::*;
use crate::broker::bridge::Delivery;
use crate::broker::sim::buckets::Buckets;
use crate::config::{self, Acknowledge, ForceRecoveryMode, Log};
use crate::hub::Version;
use crate::limits::{ASKED_OF_BUCKETS_MAX, MIRROR_HELD_MAX, MIRROR_LINGER_MS, MIRRORS_HELD_BYTES_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{HistoryFilter, HistoryPage};

/// Two nodes of two shards over four buckets.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) buckets: Buckets,
}

/// `room:` keeps ten and recovers, `news:` as well, the latest, `talk:` keeps nothing and announces who comes and goes, `hall:`
/// lists them besides, `mute:` is as `room:` without echo, `sent:` as `room:` by way of Kafka, `here:` is this node's alone. Of at least once are `inbox:`, which makes
/// members of those who subscribe, `named:`, which has the members that its channels name, and `told:`, as `inbox:` with pushes to
/// phones.
pub(super) fn shared() -> Config {
    let open = ChannelOptions {
        log: Log::Redis,
        allow_subscribe_for_client: true,
        allow_publish_for_client: true,
        allow_history_for_client: true,
        ..ChannelOptions::default()
    };
    let kept =
        ChannelOptions { history_size: 10, history_ttl: Duration::from_secs(60), force_recovery: true, ..open.clone() };
    let inbox = ChannelOptions {
        history_size: 100,
        history_ttl: Duration::from_secs(3600),
        force_recovery: false,
        delivery: config::Delivery::AtLeastOnce,
        ack_timeout: Duration::from_secs(10),
        max_attempts: 3,
        max_unacked: 3,
        ..kept.clone()
    };
    let namespace = |name: &str, options| Namespace { name: name.into(), options };
    let mut config = Config { name: "node".into(), ..Config::default() };
    config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
    config.cluster.redis.buckets = 4;
    config.client.token.hmac_secret_key = SECRET.into();
    config.channel.namespaces = vec![
        namespace("room", ChannelOptions { allow_tags_filter: true, ..kept.clone() }),
        namespace("news", ChannelOptions { force_recovery_mode: ForceRecoveryMode::Cache, ..kept.clone() }),
        namespace("loose", ChannelOptions { force_recovery: false, ..kept.clone() }),
        namespace("talk", ChannelOptions { join_leave: true, force_push_join_leave: true, ..open.clone() }),
        namespace("hall", hall(open)),
        namespace("mute", ChannelOptions { echo: false, ..kept.clone() }),
        namespace("sent", ChannelOptions { acknowledge: Acknowledge::Kafka, ..kept.clone() }),
        namespace("inbox", ChannelOptions { members_by_subscribing: true, ..inbox.clone() }),
        namespace("named", ChannelOptions { allow_user_limited_channels: true, ..inbox.clone() }),
        namespace("here", ChannelOptions { log: Log::Memory, ..kept }),
        namespace(
            "told",
            ChannelOptions {
                members_by_subscribing: true,
                push_after: Duration::from_secs(30),
                push_device_kinds: vec!["phone".into()],
                ..inbox
            },
        ),
    ];
    config
}

fn hall(open: ChannelOptions) -> ChannelOptions {
    ChannelOptions {
        presence: true,
        allow_presence_for_client: true,
        join_leave: true,
        force_push_join_leave: true,
        ..open
    }
}

impl Cluster {
    pub(super) fn new() -> Self {
        let nodes: Vec<_> = [1, 2].into_iter().map(|secret| Node::seeded(secret, 2, shared())).collect();
        let mut buckets = Buckets::new(4, nodes.iter().map(|node| node.placement.clone()).collect());
        buckets.now_unix_ms = nodes[0].now.unix_ms;
        Self { nodes, buckets }
    }

    /// Takes what homes ask of buckets.
    pub(super) fn ask(&mut self) {
        for (number, node) in self.nodes.iter_mut().enumerate() {
            node.carry();
            for (shard, broker) in (0..).zip(&mut node.brokers) {
                broker.take_outgoing().into_iter().for_each(|outgoing| self.buckets.take(number, shard, outgoing));
            }
        }
    }

    /// Gives a node the answers that are due.
    pub(super) fn answer(&mut self, node: usize) {
        self.give_all(node, false);
    }

    /// Gives a node what it is told, but for what must come after an answer.
    pub(super) fn deliver(&mut self, node: usize) {
        self.give_all(node, true);
    }

    fn give_all(&mut self, node: usize, is_told: bool) {
        self.ask();
        for shard in 0..2 {
            while self.give(node, shard, is_told) {
                self.nodes[node].carry();
            }
        }
    }

    /// Gives a shard the next answer, or the next that it is told. False where there is none.
    pub(super) fn give(&mut self, node: usize, shard: u16, is_told: bool) -> bool {
        let Self { nodes, buckets } = self;
        let Node { brokers, now, .. } = &mut nodes[node];
        let broker = &mut brokers[usize::from(shard)];
        if is_told {
            let Some(delivery) = buckets.next_delivery(node, shard) else { return false };
            broker.bridge_delivered(delivery, *now);
        } else {
            let Some(answer) = buckets.next_answer(node, shard) else { return false };
            broker.bridge_answered(answer, *now);
        }
        nodes[node].after(shard.into());
        true
    }

    /// Time passes everywhere; one node has a tick.
    pub(super) fn pass(&mut self, node: usize, ms: u64) {
        self.buckets.now_unix_ms += ms as i64;
        self.nodes.iter_mut().for_each(|node| node.wait(ms));
        let node = &mut self.nodes[node];
        for shard in 0..2 {
            node.brokers[shard].begin_tick(node.now);
            node.brokers[shard].sweep(node.now);
            node.after(shard);
        }
    }

    /// A node dies with all that it knows; another begins in its place.
    pub(super) fn kill(&mut self, node: usize, seed: u64) {
        let now = self.nodes[node].now;
        self.buckets.leave(node);
        self.nodes[node] = Node::seeded(seed, 2, shared());
        self.nodes[node].now = now;
    }

    /// Carries everything everywhere.
    pub(super) fn flow(&mut self) {
        loop {
            (0..self.nodes.len()).for_each(|node| {
                self.answer(node);
                self.deliver(node);
            });
            self.ask();
            if self.buckets.is_quiet() {
                return;
            }
        }
    }

    pub(super) fn connect(&mut self, node: usize, user: &str) -> Peer {
        self.nodes[node].connect(node, json!({"sub": user}))
    }

    /// Sends a frame, carries everything everywhere, and reads what there is to read.
    pub(super) fn say(&mut self, node: usize, peer: Peer, frame: &str) -> Vec<String> {
        self.nodes[node].tell(peer, frame);
        self.flow();
        self.hear(node, peer)
    }

    pub(super) fn hear(&mut self, node: usize, peer: Peer) -> Vec<String> {
        kinds(&self.nodes[node].hear(peer))
    }

    /// A peer that has subscribed.
    pub(super) fn subscriber(&mut self, node: usize, channel: &str) -> Peer {
        let peer = self.connect(node, "ada");
        assert_eq!(self.say(node, peer, &subscribe(2, channel)), ["2:subscribe"]);
        peer
    }

    pub(super) fn order<T>(
        &mut self,
        node: usize,
        channel: &str,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let node = &mut self.nodes[node];
        let home = usize::from(node.placement.of(channel));
        node.brokers[home].begin_tick(node.now);
        node.brokers[home].order(order(answer), node.now);
        node.after(home);
        answered
    }

    /// A backend publishes at a node, and is answered.
    pub(super) fn publish(&mut self, node: usize, publish: Publish) -> Result<Position, Error> {
        let channel = publish.channel.clone();
        let mut answered = self.order(node, &channel, |answer| Order::Publish(Box::new(publish), answer));
        self.flow();
        answered.try_recv().expect("a bucket answers")
    }

    fn publish_all(&mut self, node: usize, channel: &str, data: std::ops::Range<u32>) {
        data.for_each(|data| _ = self.publish(node, message(channel, &data.to_string())).unwrap());
    }

    pub(super) fn history(&mut self, node: usize, channel: &str, filter: HistoryFilter) -> Result<HistoryPage, Error> {
        let named = Arc::from(channel);
        let mut answered = self.order(node, channel, |answer| Order::History { channel: named, filter, answer });
        self.flow();
        answered.try_recv().expect("a bucket answers")
    }

    pub(super) fn wait(&mut self, ms: u64) {
        for node in &mut self.nodes {
            node.wait(ms);
        }
        self.buckets.now_unix_ms += ms as i64;
        for _ in 0..4 {
            for node in &mut self.nodes {
                (0..2).for_each(|shard| {
                    node.brokers[shard].begin_tick(node.now);
                    node.brokers[shard].sweep(node.now);
                    node.after(shard);
                });
            }
            self.flow();
        }
    }

    pub(super) fn mirrors(&self, node: usize) -> usize {
        self.nodes[node].brokers.iter().map(|broker| broker.home.mirrors.len()).sum()
    }

    pub(super) fn held_bytes(&self, node: usize) -> usize {
        self.nodes[node].brokers.iter().map(|broker| broker.home.mirrors.held_bytes()).sum()
    }
}

/// Recovers from a place.
pub(super) fn recover(id: u32, channel: &str, position: &Position) -> String {
    let Position { offset, epoch } = position;
    json!({"id": id, "subscribe": {"channel": channel, "recover": true, "offset": offset, "epoch": &**epoch}})
        .to_string()
}

pub(super) const ALL: HistoryFilter = HistoryFilter { limit: -1, since: None, reverse: false };

pub(super) fn data(page: &HistoryPage) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    page.publications.iter().map(|publication| text(&publication.data.bytes)).collect()
}

/// Reads as `pub 1`, and so on.
pub(super) fn pubs(data: std::ops::Range<u32>) -> Vec<String> {
    data.map(|data| format!("pub {data}")).collect()
}

#[test]
fn two_nodes_hear_one_order_and_each_publication_once() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.subscriber(0, "room:1"), cluster.subscriber(1, "room:1"));
    for data in 0..4 {
        let (node, peer) = [(0, ada), (1, bob)][data as usize % 2];
        cluster.nodes[node].tell(peer, &publication(10 + data, "room:1", data));
    }
    cluster.flow();
    let heard = [cluster.hear(0, ada), cluster.hear(1, bob)];
    let order = |words: &[String]| words.iter().filter(|word| word.starts_with("pub")).cloned().collect::<Vec<_>>();
    assert_eq!(order(&heard[0]), order(&heard[1]));
    assert_eq!(order(&heard[0]).len(), 4);
    assert!(heard[0].contains(&"10:publish".into()) && heard[0].contains(&"12:publish".into()), "{heard:?}");
    assert!(heard[1].contains(&"11:publish".into()) && heard[1].contains(&"13:publish".into()), "{heard:?}");
}

#[test]
fn the_home_delivers_nothing_before_the_bucket_has_told_it() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.nodes[0].tell(ada, &publication(3, "room:1", 7));
    cluster.nodes[0].carry();
    assert_eq!(cluster.hear(0, ada), [""; 0]);
    cluster.answer(0);
    assert_eq!(cluster.hear(0, ada), ["3:publish"], "the receipt is the bucket's");
    cluster.deliver(0);
    assert_eq!(cluster.hear(0, ada), ["pub 7"]);
}

#[test]
fn what_was_missed_is_recovered_on_another_node() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    let since = cluster.publish(1, message("room:1", "0")).unwrap();
    cluster.nodes[0].drop(ada);
    cluster.publish_all(0, "room:1", 1..4);
    let peer = cluster.connect(1, "ada");
    cluster.nodes[1].tell(peer, &recover(2, "room:1", &since));
    cluster.flow();
    let words = cluster.nodes[1].hear(peer);
    let reply = &words[0]["subscribe"];
    assert_eq!(reply["recovered"], true);
    assert_eq!(reply["publications"].as_array().unwrap().len(), 3, "{reply}");
    assert_eq!((&reply["epoch"], &reply["offset"]), (&json!(&*since.epoch), &json!(1)));
    // Who comes later finds what is there, and what lies before it is read.
    let other = cluster.connect(1, "bob");
    let from_the_start = Position { offset: 0, ..since };
    cluster.nodes[1].tell(other, &recover(2, "room:1", &from_the_start));
    cluster.flow();
    let words = cluster.nodes[1].hear(other);
    assert_eq!(words[0]["subscribe"]["publications"].as_array().unwrap().len(), 4, "{words:?}");
}

#[test]
fn who_was_on_a_node_that_died_recovers_on_its_successor() {
    let mut cluster = Cluster::new();
    cluster.subscriber(0, "room:1");
    let since = cluster.publish(1, message("room:1", "0")).unwrap();
    cluster.buckets.leave(0);
    cluster.publish_all(1, "room:1", 1..3);
    cluster.nodes[0] = Node::seeded(3, 2, shared());
    let ada = cluster.connect(0, "ada");
    cluster.nodes[0].tell(ada, &recover(2, "room:1", &since));
    cluster.flow();
    let words = cluster.nodes[0].hear(ada);
    assert_eq!(words[0]["subscribe"]["recovered"], true, "{words:?}");
    assert_eq!(words[0]["subscribe"]["publications"].as_array().unwrap().len(), 2);
    cluster.publish_all(1, "room:1", 3..4);
    assert_eq!(cluster.hear(0, ada), ["pub 3"]);
}

#[test]
fn a_client_that_has_seen_more_elsewhere_is_not_told_that_it_has_missed_something() {
    let mut cluster = Cluster::new();
    let bob = cluster.subscriber(1, "room:1");
    let seen = cluster.publish(0, message("room:1", "0")).unwrap();
    let mut answered = cluster.order(0, "room:1", |answer| Order::Publish(Box::new(message("room:1", "1")), answer));
    cluster.answer(0);
    let seen = Position { offset: answered.try_recv().unwrap().unwrap().offset, ..seen };
    // Node 1 has yet to be told.
    let ada = cluster.connect(1, "ada");
    cluster.nodes[1].tell(ada, &recover(2, "room:1", &seen));
    assert_eq!(cluster.hear(1, ada), [""; 0], "it is asked for first");
    cluster.answer(1);
    let words = cluster.nodes[1].hear(ada);
    assert_eq!((&words[0]["subscribe"]["recovered"], &words[0]["subscribe"]["offset"]), (&json!(true), &json!(2)));
    cluster.flow();
    assert_eq!(cluster.hear(1, bob), ["pub 0", "pub 1"]);
    assert_eq!(cluster.hear(1, ada), [""; 0], "nothing twice");
}

#[test]
fn who_has_seen_more_waits_for_a_join_of_its_own_where_one_is_on_its_way_already() {
    let mut cluster = Cluster::new();
    let epoch = cluster.publish(0, message("room:1", "0")).unwrap().epoch;
    let bob = cluster.connect(1, "bob");
    cluster.nodes[1].tell(bob, &subscribe(2, "room:1"));
    // The join is done, and its answer on its way, when more is published and seen elsewhere.
    cluster.ask();
    let mut answered = cluster.order(0, "room:1", |answer| Order::Publish(Box::new(message("room:1", "1")), answer));
    cluster.answer(0);
    let offset = answered.try_recv().unwrap().unwrap().offset;
    let ada = cluster.connect(1, "ada");
    cluster.nodes[1].tell(ada, &recover(2, "room:1", &Position { offset, epoch }));
    cluster.flow();
    let words = cluster.nodes[1].hear(ada);
    assert_eq!((kinds(&words), &words[0]["subscribe"]["recovered"]), (vec!["2:subscribe".into()], &json!(true)));
    assert_eq!(cluster.hear(1, bob), ["2:subscribe", "pub 1"]);
}

#[test]
fn a_hole_is_filled_without_anybody_noticing() {
    for is_told in [true, false] {
        let mut cluster = Cluster::new();
        let ada = cluster.subscriber(0, "room:1");
        cluster.publish_all(1, "room:1", 0..1);
        for data in 1..4 {
            cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", &data.to_string())), answer));
        }
        cluster.ask();
        let bucket = cluster.buckets.bucket_of("room:1");
        cluster.buckets.drop_deliveries(0, bucket, is_told);
        cluster.publish_all(1, "room:1", 4..6);
        assert_eq!(cluster.hear(0, ada), pubs(0..6), "told: {is_told}");
    }
}

#[test]
fn a_hole_that_is_longer_than_a_page_is_filled_page_by_page() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.buckets.page = 3;
    for data in 0..8 {
        cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", &data.to_string())), answer));
    }
    cluster.ask();
    cluster.buckets.drop_deliveries(0, cluster.buckets.bucket_of("room:1"), true);
    cluster.flow();
    assert_eq!(cluster.hear(0, ada), pubs(0..8));
}

// Nine pages are too many.
const _: () = assert!(crate::limits::MIRROR_PAGES_MAX < 8);

#[test]
fn a_hole_that_cannot_be_filled_ends_those_who_count_on_all_and_nobody_else() {
    for pages in [false, true] {
        let mut cluster = Cluster::new();
        let (strict, loose) = (cluster.subscriber(0, "room:1"), cluster.subscriber(0, "loose:1"));
        for channel in ["room:1", "loose:1"] {
            for data in 0..9 {
                cluster
                    .order(1, channel, |answer| Order::Publish(Box::new(message(channel, &data.to_string())), answer));
            }
            cluster.ask();
            cluster.buckets.drop_deliveries(0, cluster.buckets.bucket_of(channel), true);
            if pages {
                cluster.buckets.page = 1;
            } else {
                cluster.buckets.trim(channel, 2);
            }
        }
        cluster.flow();
        let (strict_heard, loose_heard) = (cluster.hear(0, strict), cluster.hear(0, loose));
        assert_eq!(strict_heard.last().map(String::as_str), Some("unsubscribe 2500"), "{strict_heard:?}");
        assert!(!loose_heard.iter().any(|word| word.starts_with("unsubscribe")), "{loose_heard:?}");
        cluster.buckets.page = 100;
        cluster.publish_all(0, "room:1", 9..10);
        cluster.publish_all(0, "loose:1", 9..10);
        assert_eq!((cluster.hear(0, strict), cluster.hear(0, loose)), (vec![], vec!["pub 9".into()]));
        // Whoever comes back recovers what is there, from wherever it was.
        assert_eq!(cluster.say(0, strict, &subscribe(3, "room:1")), ["3:subscribe"]);
        cluster.publish_all(1, "room:1", 10..11);
        assert_eq!(cluster.hear(0, strict), ["pub 10"]);
    }
}

#[test]
fn lost_writes_begin_another_epoch_in_which_no_offset_of_before_counts() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.subscriber(0, "room:1"), cluster.subscriber(1, "room:1"));
    let before = cluster.publish(0, message("room:1", "0")).unwrap();
    cluster.hear(0, ada);
    cluster.hear(1, bob);
    cluster.buckets.lose_writes(cluster.buckets.bucket_of("room:1"));
    cluster.flow();
    assert_eq!(
        (cluster.hear(0, ada), cluster.hear(1, bob)),
        (vec!["unsubscribe 2500".into()], vec!["unsubscribe 2500".into()])
    );
    let after = cluster.publish(1, message("room:1", "1")).unwrap();
    assert_eq!(after.offset, 1);
    assert_ne!(after.epoch, before.epoch);
    for (node, peer) in [(0, ada), (1, bob)] {
        cluster.nodes[node].tell(peer, &recover(3, "room:1", &before));
        cluster.flow();
        let words = cluster.nodes[node].hear(peer);
        assert_ne!(words[0]["subscribe"]["recovered"], true, "{words:?}");
        assert_eq!(words[0]["subscribe"]["epoch"], json!(&*after.epoch));
    }
    cluster.publish_all(0, "room:1", 2..3);
    assert_eq!((cluster.hear(0, ada), cluster.hear(1, bob)), (pubs(2..3), pubs(2..3)));
}

#[test]
fn what_was_told_before_writes_were_lost_and_comes_after_the_join_is_dropped() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "loose:1");
    cluster.order(1, "loose:1", |answer| Order::Publish(Box::new(message("loose:1", "0")), answer));
    cluster.ask();
    cluster.buckets.forget("loose:1");
    cluster.order(1, "loose:1", |answer| Order::Publish(Box::new(message("loose:1", "1")), answer));
    cluster.flow();
    cluster.publish_all(1, "loose:1", 2..3);
    assert_eq!(cluster.hear(0, ada), pubs(0..3), "a stream that begins anew goes on for who does not count");
}

#[test]
fn a_stream_that_begins_anew_unasked_ends_those_who_count_on_it() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.publish_all(1, "room:1", 0..2);
    cluster.buckets.forget("room:1");
    cluster.publish_all(1, "room:1", 2..4);
    assert_eq!(cluster.hear(0, ada), ["pub 0", "pub 1", "unsubscribe 2500"]);
}

#[test]
fn a_key_and_a_version_count_on_all_nodes() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(1, "room:1");
    let keyed = |data: &str| Publish { idempotency_key: Some("k".into()), ..message("room:1", data) };
    let first = cluster.publish(0, keyed("0")).unwrap();
    assert_eq!(cluster.publish(1, keyed("1")).unwrap(), first);
    let version = |number, data: &str| {
        let version = Some(Box::new(Version { number, epoch: "".into() }));
        Publish { version, ..message("room:1", data) }
    };
    cluster.publish(0, version(5, "2")).unwrap();
    assert_eq!(cluster.publish(1, version(4, "3")).unwrap().offset, 2);
    assert_eq!(cluster.hear(1, ada), ["pub 0", "pub 2"]);
    // A key counts where nothing is kept, too.
    let bob = cluster.connect(0, "bob");
    assert_eq!(cluster.say(0, bob, &subscribe(2, "talk:1")), ["2:subscribe", "join"]);
    for node in [0, 1] {
        let told = Publish { idempotency_key: Some("k".into()), ..message("talk:1", "4") };
        assert_eq!(cluster.publish(node, told).unwrap(), Position::default());
    }
    assert_eq!(cluster.hear(0, bob), ["pub 4"]);
}

#[test]
fn what_waits_for_buckets_is_bounded_and_more_is_refused_at_once() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "here:1");
    let publish = || Box::new(message("room:1", "0"));
    let mut waiting: Vec<_> = (0..ASKED_OF_BUCKETS_MAX)
        .map(|_| cluster.order(0, "room:1", |answer| Order::Publish(publish(), answer)))
        .collect();
    let mut refused = cluster.order(0, "room:1", |answer| Order::Publish(publish(), answer));
    assert_eq!(refused.try_recv().unwrap().unwrap_err().kind, ErrorKind::Internal);
    let mut heard = cluster.nodes[0].say(ada, &publication(3, "here:1", 1)).iter().map(kind).collect::<Vec<_>>();
    heard.sort_unstable();
    assert_eq!(heard, ["3:publish", "pub 1"], "other channels go on");
    cluster.flow();
    assert!(waiting.iter_mut().all(|answered| answered.try_recv().unwrap().is_ok()));
    cluster.publish(0, message("room:1", "0")).unwrap();
}

#[test]
fn a_publish_is_answered_by_name_so_that_one_slow_bucket_holds_up_no_other() {
    let mut cluster = Cluster::new();
    for shard in 0..2 {
        let peer = cluster.nodes[0].connect(shard, json!({"sub": "ada"}));
        let here = cluster.nodes[0].at(0, "here");
        cluster.nodes[0].tell(peer, &publication(3, "room:1", 1));
        assert_eq!(kinds(&cluster.nodes[0].say(peer, &publication(4, &here, 1))), ["4:publish"]);
        cluster.flow();
        assert_eq!(cluster.hear(0, peer), ["3:publish"]);
    }
}

#[test]
fn a_session_that_goes_while_something_of_it_is_on_its_way_leaves_nothing_behind() {
    let mut cluster = Cluster::new();
    for shard in 0..2 {
        let peer = cluster.nodes[0].connect(shard, json!({"sub": "ada"}));
        cluster.nodes[0].tell(peer, &publication(3, "room:1", 1));
        cluster.nodes[0].tell(peer, &subscribe(4, "talk:1"));
        cluster.nodes[0].tell(peer, &json!({"id": 5, "history": {"channel": "room:2", "limit": 1}}).to_string());
        cluster.nodes[0].carry();
        cluster.nodes[0].drop(peer);
        cluster.flow();
    }
    assert_eq!(cluster.buckets.kept("room:1").len(), 2, "they were published");
    assert!(cluster.nodes[0].brokers.iter().all(|broker| broker.home.hub.active() == 0 && !broker.awaits_bridge()));
    cluster.wait(MIRROR_LINGER_MS);
    assert_eq!(cluster.mirrors(0), 0);
}

#[test]
fn a_mirror_that_nobody_uses_stays_for_a_while_and_then_leaves() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.wait(3 * MIRROR_LINGER_MS);
    assert!(cluster.buckets.is_heard(0, "room:1"), "somebody listens");
    cluster.nodes[0].drop(ada);
    cluster.flow();
    cluster.wait(MIRROR_LINGER_MS - 1);
    assert!(cluster.buckets.is_heard(0, "room:1"));
    cluster.wait(1);
    assert!(!cluster.buckets.is_heard(0, "room:1"));
    assert_eq!(cluster.mirrors(0), 0);
    assert_eq!(cluster.nodes[0].brokers.iter().map(|broker| broker.home.hub.len()).sum::<usize>(), 0);
    cluster.publish_all(0, "room:1", 0..1);
    assert_eq!(cluster.mirrors(0), 0, "publishing makes none");
}

#[test]
fn the_history_of_a_channel_that_nobody_listens_to_is_read_in_every_direction() {
    let mut cluster = Cluster::new();
    cluster.publish_all(0, "room:1", 0..12);
    for page in [100, 3] {
        cluster.buckets.page = page;
        let newest = cluster.history(1, "room:1", HistoryFilter { limit: 2, reverse: true, ..ALL }).unwrap();
        assert_eq!((data(&newest), newest.position.offset), (vec!["11".into(), "10".into()], 12));
        let all = cluster.history(1, "room:1", ALL).unwrap();
        assert_eq!(data(&all), (2..12).map(|data| data.to_string()).collect::<Vec<_>>());
        let since = Some(Position { offset: 5, epoch: all.position.epoch.clone() });
        let part = cluster.history(1, "room:1", HistoryFilter { limit: 2, since, reverse: false }).unwrap();
        assert_eq!(data(&part), ["5", "6"]);
        let gone = Some(Position { offset: 1, epoch: all.position.epoch });
        let refused =
            cluster.history(1, "room:1", HistoryFilter { limit: 2, since: gone, reverse: false }).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::UnrecoverablePosition);
        cluster.wait(MIRROR_LINGER_MS);
        assert_eq!(cluster.mirrors(1), 0);
    }
}

#[test]
fn a_history_of_a_stream_that_has_ended_unheard_is_that_of_the_next() {
    let mut cluster = Cluster::new();
    cluster.publish_all(0, "room:1", 0..3);
    let ada = cluster.subscriber(1, "room:1");
    cluster.buckets.forget("room:1");
    let page = cluster.history(1, "room:1", ALL).unwrap();
    assert_eq!((data(&page), page.position.offset), (vec![], 0));
    assert_eq!(cluster.hear(1, ada), ["unsubscribe 2500"]);
}

#[test]
fn a_history_that_is_longer_than_can_be_read_at_once_is_given_page_by_page() {
    let mut cluster = Cluster::new();
    let long = format!("\"{}\"", "x".repeat(1_000));
    (0..10).for_each(|_| _ = cluster.publish(0, message("room:1", &long)).unwrap());
    cluster.buckets.page = 1;
    let page = cluster.history(1, "room:1", HistoryFilter { limit: 2, ..ALL }).unwrap();
    assert_eq!(page.publications.iter().map(|publication| publication.offset).collect::<Vec<_>>(), [1, 2]);
    let refused = cluster.history(1, "room:1", HistoryFilter { reverse: true, ..ALL }).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::LimitExceeded);
}

#[test]
fn a_subscriber_reads_what_passes_its_filter_as_far_back_as_the_bucket_has_it() {
    let long = format!("\"{}\"", "x".repeat(1_000));
    // Of the second as much as can be read at once is a part.
    for (data, bucket_page) in [("1", 100), (&*long, 1)] {
        let mut cluster = Cluster::new();
        for number in 1..=10_u32 {
            let tags = [("n".into(), number.to_string().into())];
            cluster.publish(0, Publish { tags: Some(tags.into()), ..message("room:1", data) }).unwrap();
        }
        cluster.buckets.page = bucket_page;
        let mut read = |most: &str, reverse: bool| {
            let peer = cluster.connect(1, "ada");
            let tf = json!({"key": "n", "cmp": "in", "vals": [most, "11"]});
            let subscribe = json!({"id": 2, "subscribe": {"channel": "room:1", "tf": tf}}).to_string();
            assert_eq!(cluster.say(1, peer, &subscribe), ["2:subscribe"]);
            let history = json!({"channel": "room:1", "limit": 1, "reverse": reverse});
            cluster.nodes[1].tell(peer, &json!({"id": 3, "history": history}).to_string());
            cluster.flow();
            let reply = cluster.nodes[1].hear(peer)[0].clone();
            let page = reply["history"]["publications"]
                .as_array()
                .map(|page| page.iter().map(|one| one["offset"].clone()).collect());
            page.ok_or(reply["error"]["code"].clone())
        };
        assert_eq!(read("1", false), Ok(vec![json!(1)]));
        let (last, backwards) = (read("10", false), read("1", true));
        match bucket_page {
            100 => assert_eq!((last, backwards), (Ok(vec![json!(10)]), Ok(vec![json!(1)]))),
            _ => assert_eq!(
                (last, backwards),
                (Err(json!(106)), Err(json!(106))),
                "it may be there, for all that is known"
            ),
        }
    }
}

#[test]
fn who_has_published_reads_what_it_has_published() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    cluster.nodes[0].tell(ada, &publication(3, "room:1", 7));
    cluster.answer(0);
    cluster.nodes[0].tell(ada, &json!({"id": 4, "history": {"channel": "room:1", "limit": 10}}).to_string());
    // What it was told in the room may still be on its way.
    cluster.answer(0);
    let words = cluster.nodes[0].hear(ada);
    let reply = words.iter().find(|word| word["id"] == 4).expect("it is answered");
    assert_eq!(reply["history"]["publications"][0]["data"], 7);
    cluster.flow();
    assert_eq!(cluster.hear(0, ada), [""; 0], "the page has brought it to the room as well");
}

#[test]
fn a_removed_history_is_gone_on_every_node_and_offsets_go_on() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.subscriber(0, "room:1"), cluster.subscriber(1, "room:1"));
    cluster.publish_all(0, "room:1", 0..3);
    cluster.hear(0, ada);
    let mut answered = cluster.order(0, "room:1", |answer| Order::HistoryRemove { channel: "room:1".into(), answer });
    cluster.answer(0);
    answered.try_recv().unwrap().unwrap();
    assert_eq!(data(&cluster.history(0, "room:1", ALL).unwrap()), [""; 0], "at once where it was asked for");
    cluster.flow();
    cluster.publish_all(1, "room:1", 3..4);
    for node in [0, 1] {
        let page = cluster.history(node, "room:1", ALL).unwrap();
        assert_eq!((data(&page), page.position.offset), (vec!["3".into()], 4), "node {node}");
    }
    assert_eq!((cluster.hear(0, ada), cluster.hear(1, bob)), (pubs(3..4), pubs(0..4)));
}

#[test]
fn what_was_removed_does_not_come_back_with_a_read_that_was_on_its_way() {
    let mut cluster = Cluster::new();
    cluster.publish_all(0, "room:1", 0..3);
    let ada = cluster.subscriber(1, "room:1");
    let named = Arc::from("room:1");
    let mut page = cluster.order(1, "room:1", |answer| Order::History { channel: named, filter: ALL, answer });
    cluster.ask();
    cluster.order(0, "room:1", |answer| Order::HistoryRemove { channel: "room:1".into(), answer });
    cluster.ask();
    cluster.deliver(1);
    cluster.flow();
    assert_eq!(data(&page.try_recv().unwrap().unwrap()), [""; 0]);
    assert_eq!(cluster.hear(1, ada), [""; 0]);
}

#[test]
fn a_channel_without_history_is_heard_everywhere_and_so_is_who_comes_and_goes() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.connect(0, "ada"), cluster.connect(1, "bob"));
    assert_eq!(cluster.say(0, ada, &subscribe(2, "talk:1")), ["2:subscribe", "join"]);
    assert_eq!(cluster.say(1, bob, &subscribe(2, "talk:1")), ["2:subscribe", "join"]);
    assert_eq!(cluster.hear(0, ada), ["join"]);
    assert_eq!(cluster.say(1, bob, &publication(3, "talk:1", 1)), ["3:publish", "pub 1"]);
    cluster.nodes[1].drop(bob);
    cluster.flow();
    assert_eq!(cluster.hear(0, ada), ["pub 1", "leave"]);
}

#[test]
fn a_message_that_is_not_kept_takes_its_place_among_those_that_are() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(1, "room:1");
    cluster.publish_all(0, "room:1", 0..1);
    cluster.publish(0, Publish { skip_history: true, ..message("room:1", "1") }).unwrap();
    cluster.publish_all(0, "room:1", 2..3);
    assert_eq!(cluster.hear(1, ada), pubs(0..3));
    assert_eq!(data(&cluster.history(1, "room:1", ALL).unwrap()), ["0", "2"]);
}

#[test]
fn the_session_that_published_without_echo_hears_nothing_and_all_others_do() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.subscriber(0, "mute:1"), cluster.subscriber(1, "mute:1"));
    assert_eq!(cluster.say(0, ada, &publication(3, "mute:1", 1)), ["3:publish"]);
    assert_eq!(cluster.hear(1, bob), ["pub 1"]);
}

#[test]
fn a_cache_brings_the_latest_wherever_it_was_published() {
    let mut cluster = Cluster::new();
    cluster.publish_all(0, "news:1", 0..5);
    for _ in 0..2 {
        let ada = cluster.connect(1, "ada");
        cluster.nodes[1].tell(ada, &recover(2, "news:1", &Position::default()));
        cluster.flow();
        let reply = &cluster.nodes[1].hear(ada)[0]["subscribe"];
        assert_eq!((&reply["recovered"], &reply["publications"][0]["data"]), (&json!(true), &json!(4)));
        assert_eq!(reply["publications"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn what_is_delivered_before_the_answer_to_the_join_is_held_and_lies_before_the_subscription() {
    let mut cluster = Cluster::new();
    let ada = cluster.connect(0, "ada");
    cluster.nodes[0].tell(ada, &subscribe(2, "room:1"));
    cluster.ask();
    for data in 0..3 {
        cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", &data.to_string())), answer));
    }
    cluster.deliver(0);
    assert_eq!(cluster.hear(0, ada), [""; 0]);
    cluster.flow();
    let words = cluster.nodes[0].hear(ada);
    assert_eq!((kinds(&words), &words[0]["subscribe"]["offset"]), (vec!["2:subscribe".into()], &json!(3)));
    assert_eq!(cluster.held_bytes(0), 0);
    cluster.publish_all(1, "room:1", 3..4);
    assert_eq!(cluster.hear(0, ada), ["pub 3"]);
    assert_eq!(data(&cluster.history(0, "room:1", ALL).unwrap()), ["0", "1", "2", "3"]);
}

#[test]
fn what_a_mirror_holds_is_bounded_and_what_it_lets_go_is_read_again() {
    let mut cluster = Cluster::new();
    let ada = cluster.connect(0, "ada");
    cluster.nodes[0].tell(ada, &subscribe(2, "room:1"));
    cluster.ask();
    for data in 0..MIRROR_HELD_MAX as u32 + 3 {
        cluster.order(1, "room:1", |answer| Order::Publish(Box::new(message("room:1", &data.to_string())), answer));
        cluster.deliver(0);
        assert!(cluster.held_bytes(0) <= MIRRORS_HELD_BYTES_MAX);
    }
    cluster.flow();
    let heard = cluster.hear(0, ada);
    assert_eq!(heard[0], "2:subscribe");
    // Ten are kept: the others were published before it was answered.
    assert_eq!(cluster.held_bytes(0), 0);
    cluster.publish_all(1, "room:1", 100..101);
    assert_eq!(cluster.hear(0, ada).last().map(String::as_str), Some("pub 100"));
}

#[test]
fn a_crowded_shard_takes_no_deliveries_and_all_answers() {
    let mut cluster = Cluster::new();
    let ada = cluster.subscriber(0, "room:1");
    let home = usize::from(cluster.nodes[0].placement.of("room:1"));
    cluster.nodes[0].brokers[home].crowd(1 - home as u16, 100);
    assert!(!cluster.nodes[0].brokers[home].takes_deliveries());
    cluster.nodes[0].tell(ada, &publication(3, "room:1", 1));
    cluster.nodes[0].after(home);
    cluster.answer(0);
    assert!(cluster.hear(0, ada).contains(&"3:publish".to_string()));
    cluster.nodes[0].carry();
    assert!(cluster.nodes[0].brokers[home].takes_deliveries());
}

#[test]
fn a_publication_that_cannot_be_read_is_a_gap_to_who_counts_on_all() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.subscriber(0, "room:1"), cluster.subscriber(0, "loose:1"));
    for channel in ["room:1", "loose:1"] {
        let position = cluster.publish(1, message(channel, "0")).unwrap();
        let life = crate::broker::bridge::Life::parse(&position.epoch).unwrap();
        let kept = crate::broker::bridge::Kept { offset: 2, time_unix_ms: 1, body: "\u{9}later".into() };
        let home = usize::from(cluster.nodes[0].placement.of(channel));
        let now = cluster.nodes[0].now;
        cluster.nodes[0].brokers[home].bridge_delivered(Delivery::Said { channel: channel.into(), life, kept }, now);
        cluster.nodes[0].after(home);
        cluster.flow();
    }
    assert_eq!(cluster.hear(0, ada), ["pub 0", "unsubscribe 2500"]);
    assert_eq!(cluster.hear(0, bob), ["pub 0"]);
}
