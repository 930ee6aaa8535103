//! Keeping sessions alive, and ending them.

use super::*;
use crate::limits::{ARENA_FLUSH_BYTES, REFUSALS_MAX};

#[test]
fn who_answers_pings_stays_and_who_does_not_goes() {
    let mut node = Node::new();
    let (answers, silent) = (node.connect(0, json!({"sub": "7"})), node.connect(0, json!({"sub": "8"})));
    let mut pings = 0;
    for _ in 0..150 {
        node.wait(1_000);
        node.timer(answers);
        for word in node.hear(answers) {
            assert_eq!(kind(&word), "ping");
            pings += 1;
            node.tell(answers, "{}");
        }
        if node.goodbye(silent).is_none() {
            node.timer(silent);
        }
    }
    assert!((4..=5).contains(&pings), "{pings} pings in 150 s");
    assert_eq!((node.goodbye(answers), node.goodbye(silent)), (None, Some(3012)));
}

#[test]
fn an_expired_connection_is_closed_unless_it_is_refreshed() {
    let mut node = Node::new();
    let now = node.now.unix_s();
    let (stays, goes) =
        (node.connect(0, json!({"sub": "7", "exp": now + 10})), node.connect(0, json!({"sub": "8", "exp": now + 10})));
    let token = |user: &str, exp: i64| hs256(SECRET, &json!({"sub": user, "exp": exp}));
    let refresh = |token: String| json!({"id": 2, "refresh": {"token": token}}).to_string();
    let words = node.say(stays, &refresh(token("7", now + 1000)));
    assert_eq!(words[0]["refresh"]["ttl"], 1000);
    node.wait(35_000);
    assert!(node.timer(stays).is_some());
    assert_eq!(node.timer(goes), None);
    assert_eq!(node.goodbye(goes), Some(3005));

    for (token, code) in [(token("8", now + 1000), 3500), (token("7", now - 10), 3005), ("no token".into(), 3500)] {
        let peer = node.connect(0, json!({"sub": "7"}));
        node.tell(peer, &refresh(token));
        assert_eq!(node.goodbye(peer), Some(code));
    }
}

/// Presence, publications and the leave have this information.
pub(super) fn assert_is_seen_as(node: &mut Node, channel: &str, peer: Peer, witness: Peer, info: &Value) {
    let client = node.client(peer).to_string();
    let presence = json!({"id": 90, "presence": {"channel": channel}}).to_string();
    let present = node.say(witness, &presence)[0]["presence"]["presence"][&client].clone();
    assert_eq!(&present["conn_info"], info);
    node.say(peer, &publication(91, channel, 1));
    assert_eq!(&node.hear(witness)[0]["push"]["pub"]["info"]["conn_info"], info);
    node.drop(peer);
    node.carry();
    assert_eq!(&node.hear(witness)[0]["push"]["leave"]["info"]["conn_info"], info);
}

fn refresh(claims: &Value) -> String {
    json!({"id": 2, "refresh": {"token": hs256(SECRET, claims)}}).to_string()
}

#[test]
fn the_information_of_a_new_token_is_what_others_see() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "open");
        let claims = |name: &str| json!({"sub": "7", "info": {"name": name}, "channels": [channel]});
        let peer = node.connect(0, claims("old"));
        let witness = node.connect(1, json!({"sub": "8", "channels": [channel]}));
        assert!(kinds(&node.say(peer, &refresh(&claims("new")))).contains(&"2:refresh".to_string()));
        // A token without information leaves it as it is.
        node.say(peer, &refresh(&json!({"sub": "7", "channels": [channel]})));
        node.hear(witness);
        assert_is_seen_as(&mut node, &channel, peer, witness, &json!({"name": "new"}));
    }
}

#[test]
fn the_information_of_a_new_subscription_token_is_what_others_see() {
    let mut node = Node::new();
    let channel = node.at(1, "open");
    let token = |role: &str| hs256(SECRET, &json!({"sub": "7", "channel": channel, "info": {"role": role}}));
    let peer = node.connect(0, json!({"sub": "7", "info": {"name": "Ada"}}));
    node.say(peer, &json!({"id": 2, "subscribe": {"channel": channel, "token": token("guest")}}).to_string());
    node.say(peer, &json!({"id": 3, "sub_refresh": {"channel": channel, "token": token("host")}}).to_string());
    let presence = json!({"id": 4, "presence": {"channel": channel}}).to_string();
    let client = node.client(peer).to_string();
    let present = node.say(peer, &presence)[0]["presence"]["presence"][&client].clone();
    assert_eq!((&present["chan_info"], &present["conn_info"]), (&json!({"role": "host"}), &json!({"name": "Ada"})));
}

#[test]
fn a_new_token_that_names_other_channels_makes_the_client_come_again() {
    let mut node = Node::new();
    let (one, other) = (node.at(0, "open"), node.at(1, "kept"));
    let by_command = node.at(0, "wish");
    let before = json!({"sub": "7", "channels": [one], "subs": { other.as_str(): {} }});
    for (names, code) in [(vec![&one, &other], None), (vec![&one], Some(3010)), (vec![&one, &other, &by_command], None)]
    {
        let peer = node.connect(0, before.clone());
        node.say(peer, &subscribe(5, &by_command));
        node.say(peer, &refresh(&json!({"sub": "7", "channels": names})));
        assert_eq!(node.goodbye(peer), code, "{names:?}");
    }
    let peer = node.connect(0, before);
    node.say(peer, &refresh(&json!({"sub": "7", "channels": [one, other, by_command]})));
    assert_eq!(node.goodbye(peer), Some(3010), "it gets the new channel when it is back");
}

#[test]
fn who_speaks_by_itself_is_not_closed_for_pings_without_answer() {
    let mut node = Node::new();
    let peer = node.connect(0, json!({"sub": "7"}));
    for second in 1..=1000 {
        node.wait(1_000);
        if second % 30 == 0 {
            node.tell(peer, r#"{"id":2,"ping":{}}"#);
        }
        node.timer(peer).expect("it is alive");
    }
}

#[test]
fn a_session_keeps_the_rhythm_that_it_was_told() {
    let reloaded = |interval_s: u64| {
        let mut before = config();
        (before.client.ping_interval, before.client.pong_timeout) = (Duration::from_secs(4), Duration::from_secs(2));
        let mut after = before.clone();
        after.client.ping_interval = Duration::from_secs(interval_s);
        let mut node = Node::with(before);
        let peer = node.connect(0, json!({"sub": "7"}));
        node.brokers[0].order(Order::Reload(Arc::new(after)), node.now);
        let mut pings = 0;
        for _ in 0..400 {
            node.wait(100);
            node.timer(peer).expect("it answers");
            for word in node.hear(peer) {
                assert_eq!(kind(&word), "ping");
                pings += 1;
                node.tell(peer, "{}");
            }
        }
        let newcomer = node.open(0);
        let told = node.say(newcomer, &connect(&json!({"sub": "8"})))[0]["connect"].clone();
        (pings, told["ping"].as_u64().unwrap_or(0))
    };
    assert_eq!(reloaded(0), (10, 0));
    assert_eq!(reloaded(40), (10, 40));
}

#[test]
fn who_is_refused_only_is_closed() {
    let mut node = Node::new();
    let peer = node.connect(0, json!({"sub": "7"}));
    for _ in 0..2 {
        for _ in 1..REFUSALS_MAX {
            node.tell(peer, r#"{"id":2,"presence":{"channel":"nowhere:1"}}"#);
        }
        assert_eq!(node.goodbye(peer), None);
        node.tell(peer, r#"{"id":3,"ping":{}}"#);
    }
    for _ in 0..REFUSALS_MAX {
        node.tell(peer, r#"{"id":2,"presence":{"channel":"nowhere:1"}}"#);
        if node.goodbye(peer).is_some() {
            break;
        }
    }
    assert_eq!(node.goodbye(peer), Some(3509));
}

#[test]
fn a_frame_that_cannot_be_read_ends_the_session_after_what_came_before_it() {
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    let other = node.connect(0, json!({"sub": "8", "channels": [channel]}));
    let frame = [subscribe(2, &channel), publication(3, &channel, 1), "{\"id\":".into()].join("\n");
    assert_eq!(node.tell(peer, &frame), Input::Ended);
    assert_eq!(node.goodbye(peer), Some(3501));
    assert_eq!(kinds(&node.hear(other)), ["pub 1"]);
}

#[test]
fn short_questions_with_long_answers_are_answered_bit_by_bit() {
    const QUESTIONS: u32 = 500;
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    for _ in 0..10 {
        node.publish(&channel, &json!("x".repeat(10_000)).to_string(), None);
    }
    let questions: Vec<String> = (0..QUESTIONS)
        .map(|number| json!({"id": number + 2, "history": {"channel": channel, "limit": 10}}).to_string())
        .collect();
    let mut input = node.brokers[0].input(peer.session, questions.join("\n").as_bytes(), node.now);
    let (mut sent_bytes, mut turns) = (0, 0);
    loop {
        let broker = &mut node.brokers[0];
        let mut gathered_bytes = 0;
        while broker.edge.outbox.is_dirty() {
            broker.edge.outbox.flush(
                |_, bytes| {
                    gathered_bytes += bytes.len();
                    Ok(bytes.len())
                },
                |_, flushed| panic!("{flushed:?}"),
            );
        }
        assert!(gathered_bytes < ARENA_FLUSH_BYTES + 200_000, "{gathered_bytes} bytes gather");
        sent_bytes += gathered_bytes;
        if input == Input::Ready {
            break;
        }
        broker.begin_tick(node.now);
        assert_eq!(broker.next_resumed(), Some(peer.session));
        input = broker.resume(peer.session, node.now);
        turns += 1;
    }
    assert!(sent_bytes > QUESTIONS as usize * 100_000 && turns > 100, "{sent_bytes} bytes in {turns} turns");
}

#[test]
fn a_farewell_is_said_to_every_session_once() {
    let mut node = Node::new();
    let mut peers: Vec<_> = (0..5).map(|number| node.connect(0, json!({"sub": number.to_string()}))).collect();
    peers.push(node.open(0));
    node.brokers[0].farewell(2, node.now);
    node.after(0);
    assert_eq!(node.goodbyes.len(), 2);
    // Who came meanwhile is told too, in a place that was told already.
    peers.push(node.connect(0, json!({"sub": "late"})));
    node.brokers[0].farewell(100, node.now);
    node.after(0);
    assert!(peers.iter().all(|peer| node.goodbye(*peer) == Some(3001)));
    assert_eq!((node.goodbyes.len(), node.brokers[0].sessions()), (7, 0));
    node.brokers[0].farewell(1, node.now);
    assert!(node.brokers[0].edge.closings.is_empty());
}

#[test]
fn the_report_counts_what_there_is() {
    let mut node = Node::new();
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &subscribe(2, &node.at(0, "open")));
    node.say(peer, &subscribe(3, &node.at(1, "open")));
    let report = |node: &Node| {
        node.brokers[0].report();
        let metrics = &node.brokers[0].edge.metrics;
        (
            metrics.sessions.get(),
            metrics.namespaces.sum(|namespace| namespace.subscriptions.get()),
            metrics.channels.get(),
        )
    };
    assert_eq!(report(&node), (1, 2, 1));
    node.drop(peer);
    assert_eq!(report(&node), (0, 0, 0));
}
