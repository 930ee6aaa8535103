//! Tokens of strangers: what they cost is theirs together.

use super::*;
use crate::limits::STRANGERS_TURN_NS;
use crate::work::price::HMAC_NS;

const STRANGERS: usize = 100;

/// Tokens that one tick has time for.
const PER_TICK: usize = STRANGERS_TURN_NS.div_ceil(HMAC_NS) as usize;

/// Strangers who all say this in one tick; who of them had to wait.
fn flood(node: &mut Node, token: &str) -> Vec<Peer> {
    let peers: Vec<Peer> = (0..STRANGERS).map(|_| node.open(0)).collect();
    let connect = json!({"id": 1, "connect": {"token": token}}).to_string();
    node.brokers[0].begin_tick(node.now);
    for peer in &peers {
        node.brokers[0].input(peer.session, connect.as_bytes(), node.now);
    }
    node.after(0);
    peers
}

fn ended(node: &Node, peers: &[Peer]) -> usize {
    peers.iter().filter(|peer| node.goodbye(**peer) == Some(3500)).count()
}

#[test]
fn a_flood_of_wrong_tokens_has_a_part_of_each_tick_and_clients_the_rest() {
    let mut node = Node::new();
    let client = node.connect(0, json!({"sub": "7"}));
    let wrong = hs256("another secret", &json!({"sub": "7"}));
    let peers = flood(&mut node, &wrong);
    let mut before = ended(&node, &peers);
    assert_eq!(before, PER_TICK);
    while before < STRANGERS {
        assert!(node.brokers[0].waits_for_tick(), "the shard does not sleep over them");
        assert_eq!(kinds(&node.say(client, r#"{"id":2,"ping":{}}"#)), ["2:ping"]);
        let now = ended(&node, &peers);
        assert_eq!(now - before, PER_TICK.min(STRANGERS - before));
        before = now;
    }
    assert!(!node.brokers[0].waits_for_tick());
}

#[test]
fn who_comes_with_many_others_is_welcomed_in_turn_and_nobody_later_goes_first() {
    let mut node = Node::new();
    let peers = flood(&mut node, &hs256(SECRET, &json!({"sub": "7"})));
    let late = node.open(0);
    let connect = connect(&json!({"sub": "8"}));
    let mut welcomed = 0;
    node.tell(late, &connect);
    for tick in 0..STRANGERS {
        let now = peers.iter().filter(|peer| node.brokers[0].is_connected(peer.session)).count();
        assert!(peers[..now].iter().all(|peer| node.brokers[0].is_connected(peer.session)), "in order");
        assert!(now == STRANGERS || !node.brokers[0].is_connected(late.session), "tick {tick}");
        if now == welcomed {
            break;
        }
        welcomed = now;
        node.brokers[0].begin_tick(node.now);
        node.after(0);
    }
    assert_eq!(welcomed, STRANGERS);
    assert!(node.brokers[0].is_connected(late.session));
}

#[test]
fn who_has_waited_for_others_in_vain_is_told_to_come_again() {
    let mut node = Node::new();
    let peers = flood(&mut node, &hs256(SECRET, &json!({"sub": "7"})));
    let waiting = peers[STRANGERS - 1];
    assert!(!node.brokers[0].is_connected(waiting.session));
    node.wait(node.brokers[0].config().client.stale_close_delay.as_millis());
    node.timer(waiting);
    assert_eq!(node.goodbye(waiting), Some(3004));
    // Whoever has its number next is not let in for it.
    let next = node.open(0);
    assert_eq!(next.session, waiting.session);
    for _ in 0..STRANGERS {
        node.brokers[0].begin_tick(node.now);
        node.after(0);
    }
    assert!(!node.brokers[0].is_connected(next.session));
}

#[test]
fn who_tries_tokens_for_subscriptions_or_refreshes_without_end_pays_for_it() {
    let mut config = config();
    config.client.work_limit = Duration::from_millis(1);
    config.client.work_burst = Duration::from_millis(10);
    let mut node = Node::with(config);
    let refresh = |node: &Node, id: u32| {
        let token = hs256(SECRET, &json!({"sub": "7", "exp": node.now.unix_s() + 60}));
        json!({"id": id, "refresh": {"token": token}}).to_string()
    };
    let peer = node.connect(0, json!({"sub": "7", "exp": node.now.unix_s() + 60}));
    let mut refused = 0;
    for id in 2..20_000 {
        let command = refresh(&node, id);
        let words = node.say(peer, &command);
        if words.iter().any(|word| word["error"]["code"] == 111) {
            refused = id;
            break;
        }
    }
    assert!(refused > 100, "far more than a client ever needs: {refused}");
    node.wait(1_000);
    let command = refresh(&node, 30_000);
    assert!(node.say(peer, &command).iter().any(|word| word.get("refresh").is_some()), "time has paid for it");
}
