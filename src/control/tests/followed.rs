//! Channels that tell whether users are online, on a node alone.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::node::{Setup, TestClient, TestNode};
use crate::config::{ChannelOptions, Config, Namespace};
use crate::limits::FOLLOWED_MAX;

fn node() -> TestNode {
    let mut config = Config::dev();
    let options = ChannelOptions { users_status: true, allow_subscribe_for_client: true, ..ChannelOptions::default() };
    config.channel.namespaces.push(Namespace { name: "online".into(), options });
    config.client.channel_limit = 4 * FOLLOWED_MAX;
    TestNode::start(Setup { config, ..Setup::default() })
}

fn follow(follower: TestClient<'_>, channel: &str) {
    follower.send(json!({ "id": 9, "subscribe": { "channel": channel } }));
}

/// What a follower is told next.
async fn told(follower: TestClient<'_>) -> Value {
    loop {
        if let [publication] = &follower.publications()[..] {
            return publication["data"].clone();
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn who_follows_a_user_is_told_how_it_is_and_whenever_that_changes() {
    let node = node();
    let ann = node.client(0, "ann");
    follow(ann, "online:ben");
    let ben = |online: bool| json!({ "user": "ben", "online": online });
    assert_eq!(told(ann).await, ben(false));
    let session = node.client(1, "ben");
    assert_eq!(told(ann).await, ben(true));
    // Who comes is told, and so is everybody.
    let cat = node.client(1, "cat");
    follow(cat, "online:ben");
    assert_eq!((told(cat).await, told(ann).await), (ben(true), ben(true)));
    assert_eq!(session.closed(), None);
    node.result("disconnect", json!({ "user": "ben" })).await;
    assert_eq!((told(cat).await, told(ann).await), (ben(false), ben(false)));
}

#[tokio::test]
async fn no_more_users_are_followed_than_can_be_looked_up_and_who_leaves_makes_room() {
    let node = node();
    let ann = node.client(0, "ann");
    let subscribe = |channel: &str| {
        follow(ann, channel);
        ann.received().iter().find(|reply| reply["id"] == 9).expect("it is answered")["error"]["code"].as_u64()
    };
    let names: Vec<_> = (0..).map(|at| format!("online:{at}")).take(4 * FOLLOWED_MAX).collect();
    let (taken, refused): (Vec<_>, Vec<_>) = names.iter().partition(|name| subscribe(name).is_none());
    assert!(!refused.is_empty() && taken.len() <= 2 * FOLLOWED_MAX, "{} of {}", taken.len(), names.len());
    assert_eq!(subscribe(refused[0]), Some(106));
    taken.iter().for_each(|name| ann.send(json!({ "id": 8, "unsubscribe": { "channel": name } })));
    assert_eq!(subscribe(refused[0]), None);
}
