//! What a client may cause, and who has to wait for it.

use super::*;
use crate::limits::{EXCESSES_MAX, TURN_NS};

/// A node whose clients may cause `work` a second, and `burst` at once.
fn frugal(work_ms: u64, burst_ms: u64) -> Node {
    let mut config = config();
    config.client.work_limit = Duration::from_millis(work_ms);
    config.client.work_burst = Duration::from_millis(burst_ms);
    Node::with(config)
}

fn publish(id: u32, channel: &str) -> String {
    json!({"id": id, "publish": {"channel": channel, "data": "x"}}).to_string()
}

/// Commands in one frame.
fn frame(commands: impl Iterator<Item = String>) -> String {
    commands.collect::<Vec<_>>().join("\n")
}

/// A room with `members`, of whom the first is returned.
fn room(node: &mut Node, channel: &str, members: usize) -> Peer {
    let subscribe = json!({"id": 2, "subscribe": {"channel": channel}}).to_string();
    let peers: Vec<_> = (0..members)
        .map(|number| {
            let peer = node.connect(0, json!({"sub": number.to_string()}));
            node.tell(peer, &subscribe);
            peer
        })
        .collect();
    node.carry();
    peers.into_iter().inspect(|peer| drop(node.hear(*peer))).next().expect("somebody is there")
}

fn code_of(word: &Value) -> Option<u64> {
    word["error"]["code"].as_u64()
}

#[test]
fn who_causes_more_than_is_allowed_is_refused_until_time_has_paid_for_it() {
    let mut node = frugal(100, 1_000);
    let channel = node.at(0, "wish");
    let publisher = room(&mut node, &channel, 100);
    // A publish into the room costs about 100 × 1 µs × 2 shards.
    let (mut taken, mut refused) = (0, 0);
    for id in 3..6_000 {
        for word in node.say(publisher, &publish(id, &channel)) {
            taken += u32::from(word.get("publish").is_some());
            refused += u32::from(code_of(&word) == Some(111));
        }
        if refused > 0 {
            break;
        }
    }
    assert!((3_000..6_000).contains(&taken) && refused == 1, "{taken} taken, {refused} refused");
    node.wait(1_000);
    let words = node.say(publisher, &publish(7_000, &channel));
    assert!(words.iter().any(|word| word.get("publish").is_some()), "{words:?}");
}

#[test]
fn who_goes_on_although_it_is_refused_is_closed_with_a_code_after_which_it_comes_back() {
    let mut node = frugal(1, 10);
    let peer = node.connect(0, json!({"sub": "7"}));
    let pings = |count: u32| frame((2..count + 2).map(|id| json!({"id": id, "ping": {}}).to_string()));
    for _ in 0..100 {
        node.tell(peer, &pings(1_000));
        if node.goodbye(peer).is_some() {
            break;
        }
    }
    assert_eq!(node.goodbye(peer), Some(3013));
    let refused = node.cores[0].edge.metrics.errors().find(|(code, _)| *code == 111).map(|(_, number)| number);
    assert_eq!(refused, Some(u64::from(EXCESSES_MAX) - 1));
}

#[test]
fn one_user_is_allowed_no_more_by_many_sessions() {
    let mut config = config();
    config.client.user_work_limit = Duration::from_millis(1);
    config.client.user_work_burst = Duration::from_millis(20);
    let mut node = Node::with(config);
    let (one, other) = (node.connect(0, json!({"sub": "7"})), node.connect(0, json!({"sub": "7"})));
    let stranger = node.connect(0, json!({"sub": "8"}));
    let pings = frame((2..102).map(|id| json!({"id": id, "ping": {}}).to_string()));
    while !node.say(one, &pings).iter().any(|word| code_of(word) == Some(111)) {}
    // Its own next command is charged with what its user owes.
    let mut asked = 0;
    while !node.say(other, &pings).iter().any(|word| code_of(word) == Some(111)) {
        asked += 1;
    }
    assert!(asked <= 20, "a millisecond's worth: {asked}");
    assert!(node.say(stranger, r#"{"id":2,"ping":{}}"#)[0].get("ping").is_some());
}

#[test]
fn coming_and_going_where_it_is_announced_is_charged_like_publishing() {
    let mut node = frugal(1, 100);
    let channel = node.at(0, "open");
    room(&mut node, &channel, 100);
    let peer = node.connect(0, json!({"sub": "walker"}));
    let mut refused_at = None;
    for id in 1..2_000u32 {
        let words = node.say(peer, &json!({"id": 2 * id, "subscribe": {"channel": channel}}).to_string());
        if words.iter().any(|word| code_of(word) == Some(111)) {
            refused_at = Some(id);
            break;
        }
        node.say(peer, &json!({"id": 2 * id + 1, "unsubscribe": {"channel": channel}}).to_string());
    }
    // Each time costs about 2 × 100 × 1 µs × 2 shards.
    let refused_at = refused_at.expect("it is refused");
    assert!((200..400).contains(&refused_at), "{refused_at}");
}

#[test]
fn what_ends_work_or_keeps_a_client_connected_is_never_refused() {
    let mut node = frugal(1, 10);
    let channel = node.at(0, "wish");
    let peer = room(&mut node, &channel, 1);
    while !node.say(peer, r#"{"id":9,"ping":{}}"#).iter().any(|word| code_of(word) == Some(111)) {}
    let words = node.say(peer, &json!({"id": 10, "unsubscribe": {"channel": channel}}).to_string());
    assert!(words[0].get("unsubscribe").is_some(), "{words:?}");
}

#[test]
fn a_burst_gives_way_after_its_share_of_a_tick_and_is_carried_out_whole_and_in_order() {
    const PUBLISHES: u32 = 400;
    let mut node = frugal(0, 1_000);
    let channel = node.at(0, "wish");
    let publisher = room(&mut node, &channel, 1_000);
    let other = node.connect(0, json!({"sub": "other"}));
    let burst = frame((2..PUBLISHES + 2).map(|id| publish(id, &channel)));
    let mut input = node.cores[0].input(publisher.session, burst.as_bytes(), node.now);
    let mut ticks = 0;
    while input == Input::Paused {
        // Between two shares everybody else has a turn.
        let core = &mut node.cores[0];
        assert!(core.waits_for_tick());
        assert_eq!(core.input(other.session, br#"{"id":2,"ping":{}}"#, node.now), Input::Ready);
        core.begin_tick();
        assert_eq!(core.edge.resumed.pop(), Some(publisher.session));
        input = core.resume(publisher.session, node.now);
        ticks += 1;
    }
    assert!(ticks >= PUBLISHES / 20 - 1, "twenty publishes into this room are a share: {ticks} ticks");
    let words = node.hear(publisher);
    let ids = words.iter().filter(|word| word.get("publish").is_some()).map(|word| word["id"].as_u64().unwrap());
    assert!(ids.eq(2..u64::from(PUBLISHES) + 2));
}

#[test]
fn bursts_of_several_clients_go_on_in_turn() {
    let mut node = frugal(0, 1_000);
    let channel = node.at(0, "wish");
    room(&mut node, &channel, 1_000);
    let publishers: Vec<_> = (0..3).map(|number| node.connect(0, json!({"sub": format!("p{number}")}))).collect();
    for peer in &publishers {
        node.say(*peer, &json!({"id": 2, "subscribe": {"channel": channel}}).to_string());
    }
    for peer in &publishers {
        let burst = frame((3..203).map(|id| publish(id, &channel)));
        node.cores[0].input(peer.session, burst.as_bytes(), node.now);
    }
    for _ in 0..5 {
        let core = &mut node.cores[0];
        core.begin_tick();
        let mut sessions = std::mem::take(&mut core.edge.resumed);
        sessions.sort_unstable();
        sessions.dedup();
        let mut expected: Vec<_> = publishers.iter().map(|peer| peer.session).collect();
        expected.sort_unstable();
        assert_eq!(sessions, expected, "each has one share of the tick");
        for session in sessions {
            assert_eq!(node.cores[0].resume(session, node.now), Input::Paused);
        }
    }
}

#[test]
fn refused_commands_are_part_of_their_sessions_turn() {
    let mut node = frugal(1, 10);
    let peer = node.connect(0, json!({"sub": "7"}));
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick();
    broker.edge.take_turn(peer.session);
    broker.edge.charge(peer.session, TURN_NS.max(1_000_000_000), now);
    let pings = frame((2..5).map(|id| json!({"id": id, "ping": {}}).to_string()));
    assert_eq!(broker.input(peer.session, pings.as_bytes(), now), Input::Paused);
    assert!(broker.waits_for_tick());
    assert_eq!(kinds(&node.hear(peer)), ["2:error 111"], "the others have their turn first");
}
