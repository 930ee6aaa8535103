//! Who is in channels that several nodes share, over a model of their buckets: brokers of two nodes, step by step.

use super::mirrored::Cluster;
use super::*;
use crate::limits::{PRESENCE_RENEW_MS, PRESENCE_REST_MS, PRESENCE_RETRY_MS, PRESENCE_UNSURE_MS, PRESENCES_SENT_MAX};
use crate::model::refusal::{Error, ErrorKind};
use crate::model::{ClientInfo, PresenceStats};

const HALL: &str = "hall:1";

impl Cluster {
    /// A peer of this user that is in the hall, and has heard what there was to hear.
    fn guest(&mut self, node: usize, user: &str) -> Peer {
        let peer = self.connect(node, user);
        let words = self.say(node, peer, &subscribe(2, HALL));
        assert_eq!(words, ["2:subscribe", "join"]);
        peer
    }

    /// The users that a backend is told are in the hall.
    fn users(&mut self, node: usize) -> Vec<String> {
        let clients = self.listed_by(node).expect("the bucket answers");
        let mut users: Vec<_> = clients.iter().map(|info| info.user.to_string()).collect();
        users.sort();
        users
    }

    pub(super) fn listed_by(&mut self, node: usize) -> Result<Arc<[Arc<ClientInfo>]>, Error> {
        let channel = HALL.into();
        let mut answered = self.order(node, HALL, |answer| Order::Presence { channel, answer });
        self.flow();
        answered.try_recv().expect("a bucket answers")
    }

    fn counted_by(&mut self, node: usize) -> Result<PresenceStats, Error> {
        let channel = HALL.into();
        let mut answered = self.order(node, HALL, |answer| Order::PresenceStats { channel, answer });
        self.flow();
        answered.try_recv().expect("a bucket answers")
    }

    /// What of this node's sessions the buckets have yet to hear.
    fn unheard(&self, node: usize) -> usize {
        self.nodes[node].brokers.iter().map(|broker| broker.home.presences.waiting()).sum()
    }
}

fn presence(id: u32) -> String {
    json!({"id": id, "presence": {"channel": HALL}}).to_string()
}

/// Who was told to come or to leave, by user.
fn comings(words: &[Value]) -> Vec<String> {
    let coming = |word: &Value| {
        let push = &word["push"];
        let user = |name: &str| push[name]["info"]["user"].as_str().map(|user| format!("{name} {user}"));
        user("join").or_else(|| user("leave"))
    };
    words.iter().filter_map(coming).collect()
}

#[test]
fn every_node_lists_and_counts_who_is_on_any() {
    let mut cluster = Cluster::new();
    let ada = cluster.guest(0, "ada");
    let bob = cluster.guest(1, "bob");
    cluster.guest(1, "ada");
    for node in [0, 1] {
        assert_eq!(cluster.users(node), ["ada", "ada", "bob"], "node {node}");
        assert_eq!(cluster.counted_by(node), Ok(PresenceStats { num_clients: 3, num_users: 2 }));
    }
    for (node, peer) in [(0, ada), (1, bob)] {
        cluster.nodes[node].hear(peer);
        cluster.nodes[node].tell(peer, &presence(3));
        cluster.nodes[node].tell(peer, &json!({"id": 4, "presence_stats": {"channel": HALL}}).to_string());
        cluster.flow();
        let mut words = cluster.nodes[node].hear(peer);
        words.sort_by_key(|word| word["id"].as_u64());
        assert_eq!(words[0]["presence"]["presence"].as_object().map(|list| list.len()), Some(3), "{words:?}");
        assert_eq!(words[1]["presence_stats"], json!({"num_clients": 3, "num_users": 2}));
    }
    cluster.nodes[1].drop(bob);
    cluster.flow();
    assert_eq!(cluster.users(0), ["ada", "ada"]);
    assert_eq!(cluster.buckets.listed(&HALL.into()).len(), 2);
}

#[test]
fn who_asks_at_once_finds_itself() {
    let mut cluster = Cluster::new();
    cluster.guest(0, "bob");
    for shard in 0..2 {
        // Somebody else's question is answered already, without it.
        let channel = HALL.into();
        let mut asked = cluster.order(0, HALL, |answer| Order::Presence { channel, answer });
        cluster.ask();
        let ada = cluster.nodes[0].connect(shard, json!({"sub": "ada"}));
        cluster.nodes[0].tell(ada, &subscribe(2, HALL));
        cluster.nodes[0].tell(ada, &presence(3));
        cluster.flow();
        let words = cluster.nodes[0].hear(ada);
        let reply = words.iter().find(|word| word["id"] == 3).expect("it is answered");
        let client = cluster.nodes[0].client(ada);
        assert!(reply["presence"]["presence"].get(client.to_string()).is_some(), "{words:?}");
        let others = asked.try_recv().unwrap().unwrap();
        assert!(others.iter().all(|info| info.client != client), "it waits for a question of its own");
    }
}

#[test]
fn many_who_ask_at_once_are_served_by_two_questions() {
    let mut cluster = Cluster::new();
    let peers: Vec<_> = (0..6).map(|_| cluster.guest(0, "ada")).collect();
    peers.iter().for_each(|peer| _ = cluster.nodes[0].hear(*peer));
    let before = cluster.buckets.asked_who;
    for peer in &peers {
        cluster.nodes[0].tell(*peer, &presence(3));
        cluster.nodes[0].carry();
    }
    cluster.flow();
    for peer in peers {
        assert_eq!(cluster.hear(0, peer), ["3:presence"]);
    }
    assert_eq!(cluster.buckets.asked_who - before, 2);
}

#[test]
fn all_nodes_are_told_once_who_comes_and_then_who_leaves() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.guest(0, "ada"), cluster.guest(1, "bob"));
    assert_eq!(cluster.hear(0, ada), ["join"]);
    // Both are on their way at once.
    let eve = cluster.connect(1, "eve");
    cluster.nodes[1].tell(eve, &subscribe(2, HALL));
    cluster.answer(1);
    cluster.nodes[1].drop(eve);
    cluster.flow();
    for (node, peer) in [(0, ada), (1, bob)] {
        assert_eq!(comings(&cluster.nodes[node].hear(peer)), ["join eve", "leave eve"], "node {node}");
    }
    assert_eq!((cluster.users(0).len(), cluster.unheard(0), cluster.unheard(1)), (2, 0, 0));
}

#[test]
fn who_was_on_a_node_that_died_is_listed_no_more_and_leaves_once() {
    let mut cluster = Cluster::new();
    let ada = cluster.guest(0, "ada");
    cluster.guest(1, "bob");
    cluster.nodes[0].hear(ada);
    cluster.buckets.leave(1);
    assert_eq!(cluster.users(0), ["ada"]);
    assert_eq!(cluster.counted_by(0), Ok(PresenceStats { num_clients: 1, num_users: 1 }));
    assert_eq!(cluster.hear(0, ada), [""; 0], "nobody has cleared it away yet");
    cluster.buckets.reap();
    cluster.buckets.reap();
    cluster.flow();
    assert_eq!(comings(&cluster.nodes[0].hear(ada)), ["leave bob"]);
}

#[test]
fn a_node_that_was_taken_for_dead_lists_its_sessions_again_and_those_on_it_notice_nothing() {
    for is_cleared in [false, true] {
        let mut cluster = Cluster::new();
        let (ada, bob) = (cluster.guest(0, "ada"), cluster.guest(1, "bob"));
        cluster.nodes[0].hear(ada);
        cluster.buckets.take_for_dead(1);
        if is_cleared {
            cluster.buckets.reap();
        }
        cluster.flow();
        cluster.wait(PRESENCE_REST_MS);
        let told: &[&str] = if is_cleared { &["leave bob", "join bob"] } else { &[] };
        assert_eq!(comings(&cluster.nodes[0].hear(ada)), told, "cleared: {is_cleared}");
        assert_eq!(comings(&cluster.nodes[1].hear(bob)), [""; 0]);
        assert_eq!(cluster.users(0), ["ada", "bob"]);
        assert_eq!(cluster.listed_by(1).unwrap_err().kind, ErrorKind::Internal, "others may have been away, too");
        cluster.wait(PRESENCE_UNSURE_MS);
        // It is cleared away as the dead node's by nobody.
        cluster.buckets.reap();
        cluster.flow();
        assert_eq!((cluster.users(1), cluster.hear(0, ada)), (vec!["ada".into(), "bob".into()], vec![]));
        cluster.nodes[1].drop(bob);
        cluster.flow();
        assert_eq!(comings(&cluster.nodes[0].hear(ada)), ["leave bob"]);
    }
}

#[test]
fn who_goes_while_its_node_is_taken_for_dead_leaves_once() {
    for is_cleared in [false, true] {
        let mut cluster = Cluster::new();
        let ada = cluster.guest(0, "ada");
        cluster.guest(1, "bob");
        let eve = cluster.guest(1, "eve");
        cluster.nodes[0].hear(ada);
        cluster.buckets.take_for_dead(1);
        cluster.nodes[1].drop(eve);
        if is_cleared {
            cluster.buckets.reap();
        }
        cluster.flow();
        cluster.wait(PRESENCE_REST_MS);
        assert_eq!(cluster.users(0), ["ada", "bob"]);
        cluster.buckets.reap();
        cluster.flow();
        let told = comings(&cluster.nodes[0].hear(ada));
        assert_eq!(told.iter().filter(|told| *told == "leave eve").count(), 1, "{told:?}");
        assert!(told.last().is_some_and(|told| told.ends_with(if is_cleared { "join bob" } else { "leave eve" })));
    }
}

#[test]
fn lists_that_were_lost_are_put_again_and_nobody_is_told_of_it() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.guest(0, "ada"), cluster.guest(1, "bob"));
    let eve = cluster.guest(1, "eve");
    cluster.nodes[0].hear(ada);
    cluster.nodes[1].hear(bob);
    cluster.buckets.lose_writes(cluster.buckets.bucket_of(HALL));
    // Before its node has heard of it, somebody goes, and somebody comes.
    cluster.nodes[1].drop(eve);
    let joe = cluster.connect(1, "joe");
    cluster.nodes[1].tell(joe, &subscribe(2, HALL));
    // Who has not heard of it either sees that the list is another.
    assert_eq!(cluster.listed_by(0).unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(cluster.counted_by(1).unwrap_err().kind, ErrorKind::Internal);
    cluster.wait(PRESENCE_UNSURE_MS);
    assert_eq!(cluster.users(0), ["ada", "bob", "joe"]);
    assert_eq!(cluster.users(1), ["ada", "bob", "joe"]);
    for (node, peer) in [(0, ada), (1, bob)] {
        let mut told = comings(&cluster.nodes[node].hear(peer));
        told.sort();
        assert_eq!(told, ["join joe", "leave eve"], "node {node}");
    }
    assert_eq!((cluster.unheard(0), cluster.unheard(1)), (0, 0));
}

#[test]
fn while_buckets_are_away_nobody_is_told_a_part_and_they_hear_of_all_when_they_are_back() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.guest(0, "ada"), cluster.guest(1, "bob"));
    let eve = cluster.guest(0, "eve");
    cluster.nodes[0].hear(ada);
    cluster.nodes[1].hear(bob);
    cluster.buckets.is_away = true;
    assert_eq!(cluster.say(0, ada, &presence(3)), ["3:error 100"]);
    assert_eq!(
        cluster.say(0, ada, &json!({"id": 4, "presence_stats": {"channel": HALL}}).to_string()),
        ["4:error 100"]
    );
    assert_eq!(cluster.listed_by(0).unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(cluster.counted_by(0).unwrap_err().kind, ErrorKind::Internal);
    // The node listens to the channel already, and lets sessions come and go.
    cluster.nodes[0].drop(eve);
    let joe = cluster.connect(0, "joe");
    assert_eq!(cluster.say(0, joe, &subscribe(2, HALL)), ["2:subscribe"]);
    let max = cluster.connect(0, "max");
    cluster.say(0, max, &subscribe(2, HALL));
    cluster.nodes[0].drop(max);
    cluster.wait(3 * PRESENCE_RETRY_MS);
    cluster.buckets.is_away = false;
    cluster.wait(PRESENCE_RETRY_MS);
    assert_eq!(cluster.users(1), ["ada", "bob", "joe"]);
    let mut told = comings(&cluster.nodes[1].hear(bob));
    told.sort();
    assert_eq!(told, ["join joe", "leave eve"], "one that came and went unheard is nobody's news");
    assert_eq!(cluster.unheard(0), 0);
}

#[test]
fn a_list_that_is_too_long_is_refused_and_counted() {
    let mut config = super::mirrored::shared();
    config.client.reply_max_size = 2_048;
    let mut cluster = Cluster::new();
    cluster.nodes[0] = Node::seeded(1, 2, config);
    let peers: Vec<_> = (0..20).map(|_| cluster.guest(0, "ada")).collect();
    cluster.nodes[0].hear(peers[0]);
    assert_eq!(cluster.say(0, peers[0], &presence(3)), ["3:error 106"]);
    assert_eq!(cluster.counted_by(0), Ok(PresenceStats { num_clients: 20, num_users: 1 }));
    assert_eq!(cluster.users(0).len(), 20, "a backend may be given more");
}

#[test]
fn who_is_seen_anew_is_so_on_all_nodes_and_has_not_come_again() {
    let mut cluster = Cluster::new();
    let (ada, bob) = (cluster.guest(0, "ada"), cluster.guest(1, "bob"));
    cluster.nodes[0].hear(ada);
    let token = hs256(SECRET, &json!({"sub": "ada", "info": {"name": "Ada"}}));
    cluster.say(0, ada, &json!({"id": 3, "refresh": {"token": token}}).to_string());
    let clients = cluster.listed_by(1).unwrap();
    let info = clients.iter().find(|info| &*info.user == "ada").and_then(|info| info.conn_info.clone());
    assert_eq!(info.map(|info| info.bytes), Some("{\"name\":\"Ada\"}".into()));
    assert_eq!(cluster.hear(1, bob), [""; 0]);
}

#[test]
fn a_list_is_renewed_as_long_as_somebody_is_in_it_and_put_again_where_it_has_gone() {
    let mut cluster = Cluster::new();
    let ada = cluster.guest(0, "ada");
    cluster.buckets.expire_list(HALL);
    assert_eq!(cluster.users(1), [""; 0]);
    cluster.wait(PRESENCE_RENEW_MS);
    assert_eq!(cluster.users(1), ["ada"]);
    cluster.nodes[0].drop(ada);
    cluster.flow();
    cluster.wait(PRESENCE_RENEW_MS);
    assert_eq!(cluster.users(1), [""; 0]);
    assert!(cluster.nodes[0].brokers.iter().all(|broker| broker.home.presences.is_empty()));
}

#[test]
fn what_is_said_again_leaves_room_for_others() {
    let mut cluster = Cluster::new();
    let guests = 5 * PRESENCES_SENT_MAX;
    (0..guests).for_each(|_| _ = cluster.guest(0, "ada"));
    cluster.buckets.lose_writes(cluster.buckets.bucket_of(HALL));
    cluster.flow();
    assert_eq!(cluster.buckets.listed(&HALL.into()).len(), 0, "nobody listens again yet");
    let node = &mut cluster.nodes[0];
    node.wait(PRESENCE_REST_MS);
    (0..2).for_each(|shard| node.brokers[shard].sweep(node.now));
    cluster.ask();
    assert_eq!(cluster.buckets.listed(&HALL.into()).len(), PRESENCES_SENT_MAX);
    cluster.flow();
    cluster.wait(PRESENCE_UNSURE_MS);
    assert_eq!(cluster.users(1).len(), guests);
}
