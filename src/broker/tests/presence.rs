//! Lists of members: encoded once, true at once.

use super::*;
use crate::protocol::centrifuge::Encoding;

fn presence(id: u32, channel: &str) -> String {
    json!({"id": id, "presence": {"channel": channel}}).to_string()
}

/// The users that an answer lists.
fn users(words: &[Value]) -> Vec<String> {
    let answer = words.iter().find_map(|word| word["presence"]["presence"].as_object()).expect("an answer");
    let mut users: Vec<_> = answer.values().map(|info| info["user"].as_str().unwrap_or_default().to_owned()).collect();
    users.sort();
    users
}

impl Node {
    /// Members that the next question about a channel of shard 0 has encoded anew.
    fn newly(&mut self, channel: &str) -> u32 {
        self.brokers[0].home.member_list(channel, Encoding::Json).expect("short enough").newly
    }

    fn join(&mut self, shard: usize, user: &str, channel: &str) -> Peer {
        let peer = self.connect(shard, json!({"sub": user}));
        self.say(peer, &subscribe(2, channel));
        peer
    }
}

#[test]
fn a_list_is_encoded_once_however_many_ask() {
    let mut node = Node::new();
    let channel = node.at(0, "wish");
    let peers: Vec<_> = (0..6).map(|number| node.join(number % 2, &format!("user{number}"), &channel)).collect();
    assert_eq!(users(&node.say(peers[0], &presence(3, &channel))).len(), 6);
    for peer in &peers {
        assert_eq!(users(&node.say(*peer, &presence(4, &channel))).len(), 6);
        assert_eq!(node.newly(&channel), 0);
    }
}

#[test]
fn a_list_is_that_of_now_after_every_change() {
    let mut node = Node::new();
    let channel = node.at(0, "wish");
    let ada = node.join(1, "ada", &channel);
    assert_eq!(users(&node.say(ada, &presence(3, &channel))), ["ada"]);
    let bob = node.join(0, "bob", &channel);
    assert_eq!(users(&node.say(ada, &presence(4, &channel))), ["ada", "bob"]);
    assert_eq!(node.newly(&channel), 0);
    node.drop(bob);
    assert_eq!(users(&node.say(ada, &presence(5, &channel))), ["ada"]);
    let token = hs256(SECRET, &json!({"sub": "ada", "info": {"name": "Ada"}}));
    node.say(ada, &json!({"id": 6, "refresh": {"token": token}}).to_string());
    let words = node.say(ada, &presence(7, &channel));
    let info = words[0]["presence"]["presence"].as_object().and_then(|list| list.values().next()).expect("ada");
    assert_eq!(info["conn_info"]["name"], "Ada");
}

#[test]
fn who_asks_pays_for_the_encoding_only_where_it_was_needed() {
    let mut questions = Vec::new();
    for changes in [false, true] {
        let mut config = config();
        config.client.work_limit = Duration::from_millis(1);
        config.client.work_burst = Duration::from_millis(10);
        let mut node = Node::with(config);
        let channel = node.at(0, "wish");
        let peers: Vec<_> = (0..50).map(|number| node.join(0, &number.to_string(), &channel)).collect();
        let answered = (3..).take_while(|id| {
            if changes {
                let info = node.brokers[0].edge.sessions[peers[1].session as usize].info.clone();
                let now = node.now;
                node.brokers[0].home.appear(&channel.as_str().into(), info, now);
            }
            node.say(peers[0], &presence(*id, &channel)).iter().any(|word| word.get("presence").is_some())
        });
        questions.push(answered.count());
    }
    assert!(questions[0] > questions[1] && questions[1] > 1, "{questions:?}");
}

#[test]
fn a_backend_is_given_the_same_list_until_it_changes() {
    let mut node = Node::new();
    let channel = node.at(0, "wish");
    node.join(1, "ada", &channel);
    let ask = |node: &mut Node| {
        let channel = channel.as_str().into();
        node.order(0, |answer| Order::Presence { channel, answer }).expect("it has presence")
    };
    let (first, second) = (ask(&mut node), ask(&mut node));
    assert!(Arc::ptr_eq(&first, &second) && first.len() == 1);
    node.join(1, "bob", &channel);
    assert_eq!(ask(&mut node).len(), 2);
}
