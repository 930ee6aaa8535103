//! What a client may cause, and who has to wait for it.

use super::*;
use crate::limits::{EXCESSES_MAX, ROOM_TURN_NS, SHORT_TURN_NS, SLICE_SENDS, TICK_NS, TURN_NS};
use crate::work::price;

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

/// Somebody comes into a room and goes, so many times in one frame.
fn comings_and_goings(channel: &str, rounds: u32) -> String {
    let of = json!({"channel": channel});
    frame((1..=rounds).flat_map(|round| {
        [json!({"id": 2 * round, "subscribe": of}), json!({"id": 2 * round + 1, "unsubscribe": of})]
            .map(|command| command.to_string())
    }))
}

/// A room with `members`, of whom the first is returned.
fn room(node: &mut Node, channel: &str, members: usize) -> Peer {
    gather(node, channel, members)[0]
}

/// So many who are in a room.
fn gather(node: &mut Node, channel: &str, members: usize) -> Vec<Peer> {
    let subscribe = json!({"id": 2, "subscribe": {"channel": channel}}).to_string();
    let peers: Vec<_> = (0..members)
        .map(|number| {
            let peer = node.connect(0, json!({"sub": number.to_string()}));
            node.tell(peer, &subscribe);
            peer
        })
        .collect();
    node.carry();
    peers.into_iter().inspect(|peer| drop(node.hear(*peer))).collect()
}

fn code_of(word: &Value) -> Option<u64> {
    word["error"]["code"].as_u64()
}

#[test]
fn who_reads_history_by_a_filter_pays_for_all_that_may_be_looked_at() {
    let read = [json!(null), json!({"key": "n", "cmp": "ex"})].map(|tf| {
        let mut node = frugal(1, 1);
        let channel = node.at(1, "tags");
        let peer = node.connect(0, json!({"sub": "7"}));
        node.say(peer, &json!({"id": 2, "subscribe": {"channel": channel, "tf": tf}}).to_string());
        let ask = json!({"id": 3, "history": {"channel": channel, "limit": 1}}).to_string();
        (0..5_000).take_while(|_| code_of(&node.say(peer, &ask)[0]).is_none()).count()
    });
    assert!(0 < read[1] && read[1] < read[0] && read[0] < 5_000, "{read:?}");
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
    for _ in 0..1_000 {
        node.tell(peer, &pings(40));
        if node.goodbye(peer).is_some() {
            break;
        }
    }
    assert_eq!(node.goodbye(peer), Some(3013));
    let code_of = |number| move |(code, _): &(u32, u64)| *code == number;
    let namespaces = &node.brokers[0].edge.metrics.namespaces;
    let refused =
        namespaces.sum(|namespace| namespace.errors.iter().find(code_of(111)).map_or(0, |(_, number)| number));
    assert_eq!(refused, u64::from(EXCESSES_MAX) - 1);
}

#[test]
fn one_user_is_allowed_no_more_by_many_sessions() {
    let mut config = config();
    config.client.user_work_limit = Duration::from_millis(1);
    config.client.user_work_burst = Duration::from_millis(20);
    let mut node = Node::with(config);
    let (one, other) = (node.connect(0, json!({"sub": "7"})), node.connect(0, json!({"sub": "7"})));
    let stranger = node.connect(0, json!({"sub": "8"}));
    let pings = frame((2..42).map(|id| json!({"id": id, "ping": {}}).to_string()));
    while !node.say(one, &pings).iter().any(|word| code_of(word) == Some(111)) {}
    // Its own next command is charged with what its user owes.
    let mut asked = 0;
    while !node.say(other, &pings).iter().any(|word| code_of(word) == Some(111)) {
        asked += 1;
    }
    assert!(asked <= 50, "two milliseconds' worth: {asked}");
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

/// A client's questions, more than it has time for in so many turns.
fn burst(turns: u64) -> (u32, String) {
    let questions = (turns * TURN_NS / price::COMMAND_NS) as u32;
    (questions, frame((2..questions + 2).map(|id| json!({"id": id, "ping": {}}).to_string())))
}

#[test]
fn a_burst_gives_way_after_its_share_of_a_tick_and_is_carried_out_whole_and_in_order() {
    let mut node = frugal(0, 1_000);
    let asking = node.connect(0, json!({"sub": "asking"}));
    let other = node.connect(0, json!({"sub": "other"}));
    let (questions, burst) = burst(5);
    let mut input = node.brokers[0].input(asking.session, burst.as_bytes(), node.now);
    let mut ticks = 0;
    while input == Input::Paused {
        // Between two shares everybody else has a turn.
        let broker = &mut node.brokers[0];
        assert!(broker.waits_for_tick());
        assert_eq!(broker.input(other.session, br#"{"id":2,"ping":{}}"#, node.now), Input::Ready);
        assert_eq!(broker.next_resumed(), None, "not in the same tick");
        broker.begin_tick(node.now);
        assert_eq!(broker.next_resumed(), Some(asking.session));
        input = broker.resume(asking.session, node.now);
        ticks += 1;
    }
    assert!((5..10).contains(&ticks), "{ticks} ticks");
    let ids: Vec<_> = node.hear(asking).iter().map(|word| word["id"].as_u64().unwrap()).collect();
    assert!(ids.into_iter().eq(2..u64::from(questions) + 2));
}

#[test]
fn of_several_who_have_given_way_one_goes_on_in_each_tick_in_turn() {
    let mut node = frugal(0, 1_000);
    let peers: Vec<_> = (0..3).map(|number| node.connect(0, json!({"sub": format!("p{number}")}))).collect();
    let (_, burst) = burst(5);
    for peer in &peers {
        assert_eq!(node.brokers[0].input(peer.session, burst.as_bytes(), node.now), Input::Paused);
    }
    for round in 0..3 {
        for peer in &peers {
            let broker = &mut node.brokers[0];
            broker.begin_tick(node.now);
            assert_eq!(broker.next_resumed(), Some(peer.session), "round {round}");
            assert_eq!(broker.resume(peer.session, node.now), Input::Paused);
            assert_eq!(broker.next_resumed(), None, "round {round}");
        }
    }
}

#[test]
fn refused_commands_are_part_of_their_sessions_turn() {
    let mut node = frugal(1, 10);
    let peer = node.connect(0, json!({"sub": "7"}));
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    broker.edge.take_turn(peer.session);
    broker.edge.charge(peer.session, TURN_NS.max(1_000_000_000), now);
    let pings = frame((2..5).map(|id| json!({"id": id, "ping": {}}).to_string()));
    assert_eq!(broker.input(peer.session, pings.as_bytes(), now), Input::Paused);
    assert!(broker.waits_for_tick());
    assert_eq!(kinds(&node.hear(peer)), ["2:error 111"], "the others have their turn first");
}

#[test]
fn an_answer_from_elsewhere_brings_nobody_another_turn() {
    let mut node = frugal(0, 1_000);
    let channel = node.at(1, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    let (_, burst) = burst(2);
    let question = json!({"id": 1, "presence_stats": {"channel": channel}}).to_string();
    let input = node.brokers[0].input(peer.session, format!("{question}\n{burst}").as_bytes(), node.now);
    assert_eq!(input, Input::Paused);
    assert_eq!(node.brokers[0].resume(peer.session, node.now), Input::Paused, "its turn is over");
}

#[test]
fn nobody_who_has_given_way_goes_on_while_much_waits_for_a_large_room() {
    let mut node = frugal(0, 1_000);
    let channel = node.at(0, "wish");
    let publisher = room(&mut node, &channel, 100);
    let twice = frame((2..4).map(|id| publish(id, &channel)));
    let other = node.connect(0, json!({"sub": "other"}));
    let broker = &mut node.brokers[0];
    assert_eq!(broker.input(publisher.session, twice.as_bytes(), node.now), Input::Paused);
    let question = br#"{"id":2,"ping":{}}"#;
    assert_eq!(broker.input(other.session, question, node.now), Input::Ready, "who publishes nothing goes on");
    let mut ticks = 0;
    let input = loop {
        broker.begin_tick(node.now);
        if let Some(session) = broker.next_resumed() {
            break broker.resume(session, node.now);
        }
        broker.edge.outbox.flush(|_, bytes| Ok(bytes.len()), |_, flushed| panic!("{flushed:?}"));
        ticks += 1;
    };
    assert_eq!(input, Input::Paused, "the second publish is as large");
    let slices = 100 / SLICE_SENDS;
    assert!((slices - 1..=slices + 2).contains(&ticks), "{ticks} ticks");
}

/// Empties the outbox as sockets would that take everything.
fn send_all(broker: &mut Broker) {
    while broker.edge.outbox.is_dirty() {
        broker.edge.outbox.flush(|_, bytes| Ok(bytes.len()), |_, flushed| panic!("{flushed:?}"));
    }
}

#[test]
fn however_many_publish_into_rooms_a_tick_attaches_its_share_and_the_rest_follows_in_order() {
    let mut node = frugal(0, 1_000);
    let (channel, members) = (node.at(0, "wish"), 200);
    let share = (ROOM_TURN_NS / price::ATTACHING_NS) as usize;
    let peers = gather(&mut node, &channel, members);
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    let mut waiting = Vec::new();
    for peer in &peers {
        broker.input(peer.session, publish(2, &channel).as_bytes(), now);
        match broker.held_back(peer.session) {
            0 => assert!(waiting.is_empty(), "nobody passes who waits"),
            _ => waiting.push(peer.session),
        }
        send_all(broker);
    }
    assert_eq!(peers.len() - waiting.len(), share / members);
    assert!(broker.is_crowded(), "backends and other shards wait, too");
    let mut published = Vec::new();
    while broker.waits_for_tick() {
        let before = broker.edge.attached;
        broker.begin_tick(now);
        while let Some(session) = broker.next_resumed() {
            let waited = broker.held_back(session) > 0;
            broker.resume(session, now);
            if waited && broker.held_back(session) == 0 {
                published.push(session);
            }
            send_all(broker);
        }
        assert!(((broker.edge.attached - before) as usize) < share + members);
    }
    assert_eq!(published, waiting);
}

#[test]
fn who_leaves_a_large_room_gives_way_like_who_publishes_into_it() {
    let mut node = frugal(0, 1_000);
    let channel = node.at(0, "open");
    room(&mut node, &channel, 100);
    let leaver = node.connect(0, json!({"sub": "leaver"}));
    let rounds = 5;
    let comings_and_goings = comings_and_goings(&channel, rounds);
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    let mut input = broker.input(leaver.session, comings_and_goings.as_bytes(), now);
    let mut ticks = 0;
    while input == Input::Paused {
        send_all(broker);
        broker.begin_tick(now);
        while broker.next_resumed().is_some_and(|session| session != leaver.session) {}
        input = broker.resume(leaver.session, now);
        ticks += 1;
    }
    assert_eq!(ticks, 2 * rounds, "one for each coming and each going");
}

#[test]
fn when_a_tick_has_taken_long_everybody_else_still_has_a_word_in_it() {
    let mut node = frugal(0, 1_000);
    let long = (TICK_NS / TURN_NS) as usize;
    let peers: Vec<_> = (0..long + 3).map(|number| node.connect(0, json!({"sub": format!("p{number}")}))).collect();
    let (_, burst) = burst(2);
    let now = node.now;
    node.brokers[0].begin_tick(now);
    for peer in &peers {
        assert_eq!(node.brokers[0].input(peer.session, burst.as_bytes(), now), Input::Paused);
    }
    let answers: Vec<_> = peers.iter().map(|peer| node.hear(*peer).len() as u64).collect();
    let (first, rest) = answers.split_at(long);
    assert!(first.iter().all(|answers| *answers > TURN_NS / price::COMMAND_NS / 2), "{answers:?}");
    assert!(rest.iter().all(|answers| (1..=SHORT_TURN_NS / price::COMMAND_NS).contains(answers)), "{answers:?}");
}

#[test]
fn a_room_that_loses_its_members_at_once_is_told_over_several_ticks_and_of_all_in_order() {
    let mut node = frugal(0, 1_000);
    let (channel, members) = (node.at(0, "open"), 400);
    let peers = gather(&mut node, &channel, members);
    let share = (ROOM_TURN_NS / price::ATTACHING_NS) as usize;
    let now = node.now;
    let (stays, go) = peers.split_last().unwrap();
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    let before = broker.edge.attached;
    for peer in go {
        broker.end(peer.session, Ending::PeerEnded, now);
        broker.edge.outbox.close(peer.conn);
    }
    let told = (broker.edge.attached - before) as usize;
    assert!((share..share + members).contains(&told), "{told} of {}", members * (members - 1) / 2);
    assert!(broker.waits_for_tick());
    // Who comes now comes after those have gone.
    let comes = node.connect(0, json!({"sub": "new"}));
    node.tell(comes, &json!({"id": 2, "subscribe": {"channel": channel}}).to_string());
    let mut words = node.hear(*stays);
    while node.brokers[0].waits_for_tick() {
        node.brokers[0].begin_tick(now);
        words.extend(node.hear(*stays));
    }
    let kinds = kinds(&words);
    let (leaves, join) = kinds.split_at(go.len());
    assert!(leaves.iter().all(|kind| kind == "leave") && join == ["join"], "{kinds:?}");
}

#[test]
fn who_comes_and_goes_in_a_loop_waits_until_the_room_has_heard_of_it() {
    let mut node = frugal(0, 10_000);
    let (channel, members) = (node.at(0, "open"), 400);
    let peers = gather(&mut node, &channel, members);
    let walkers: Vec<_> = (0..4).map(|number| node.connect(0, json!({"sub": format!("w{number}")}))).collect();
    let rounds = 300;
    let comings_and_goings = comings_and_goings(&channel, rounds);
    let now = node.now;
    let broker = &mut node.brokers[0];
    broker.begin_tick(now);
    for walker in &walkers {
        broker.input(walker.session, comings_and_goings.as_bytes(), now);
    }
    for peer in &peers[members / 2..] {
        broker.end(peer.session, Ending::PeerEnded, now);
        broker.edge.outbox.close(peer.conn);
    }
    assert!(!broker.late.is_empty());
    let a_turn = (ROOM_TURN_NS / price::COMMAND_NS) as usize;
    let mut ticks = 0;
    while broker.waits_for_tick() {
        send_all(broker);
        broker.begin_tick(now);
        while let Some(session) = broker.next_resumed() {
            broker.resume(session, now);
        }
        assert!(broker.late.len() <= a_turn, "{} comings and goings wait to be told", broker.late.len());
        ticks += 1;
    }
    assert!(ticks > 50, "{ticks} ticks");
}

#[test]
fn who_comes_back_over_and_over_for_what_it_never_receives_pays_for_it() {
    let rounds = |published: u32| {
        let mut config = inboxes::config();
        config.client.work_limit = Duration::from_millis(10);
        config.client.work_burst = Duration::from_millis(10);
        let mut node = Node::with(config);
        let channel = node.at(0, "inbox");
        let (peer, _) = node.member(0, "ada", "phone", &channel);
        node.tell(peer, &unsubscribe(3, &channel));
        let data = format!("\"{}\"", "x".repeat(900));
        (0..published).for_each(|_| drop(node.publish(&channel, &data, None)));
        node.hear(peer);
        (0..600)
            .take_while(|_| {
                let words = node.say(peer, &comings_and_goings(&channel, 1));
                words.iter().all(|word| code_of(word).is_none())
            })
            .count()
    };
    assert_eq!(rounds(0), 600, "coming and going is cheap");
    let with_eight = rounds(8);
    assert!(with_eight < 600, "{with_eight} times 8 KB were paid for");
}

#[test]
fn positions_of_many_members_are_paid_for_by_their_length() {
    let asked = |members: usize| {
        let mut config = inboxes::config();
        config.client.work_limit = Duration::from_millis(10);
        config.client.work_burst = Duration::from_millis(10);
        let mut node = Node::with(config);
        let channel = node.at(0, "inbox");
        let peers: Vec<_> = (0..members).map(|user| node.member(0, &user.to_string(), "", &channel).0).collect();
        node.hear(peers[0]);
        let ask = inboxes::call(3, "positions", json!({"channel": channel}));
        (0..1_000).take_while(|_| kinds(&node.say(peers[0], &ask)) == ["3:rpc"]).count()
    };
    assert_eq!(asked(1), 1_000);
    assert!(asked(90) < 1_000);
}
