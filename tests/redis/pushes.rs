//! Channels that are to be looked at for pushes, step by step, against real servers.

use std::time::Duration;

use ringpost::cluster::redis::functions::Functions;
use ringpost::cluster::redis::pushes::{Again, DuePushes, ToldUpTo};
use ringpost::model::Life;
use tokio::time::sleep;

use crate::functions::{node, with_each};

/// What is due at once, for so long to nobody else.
async fn due(node: &Functions, lease_ms: u64) -> Vec<DuePushes> {
    let mut due = Vec::new();
    for place in 0..node.push_places() {
        due.extend(node.push_due(place, 10, lease_ms).await.unwrap());
    }
    due.sort_by(|one, other| one.channel.cmp(&other.channel));
    due
}

/// How long who looks at a channel has it alone: longer than some calls take on a host that has much to do.
const LEASE_MS: u64 = 1_500;

async fn channels(node: &Functions, lease_ms: u64) -> Vec<String> {
    due(node, lease_ms).await.into_iter().map(|due| due.channel).collect()
}

fn told(offset: u64) -> Option<ToldUpTo> {
    Some(ToldUpTo { life: Life { generation: 7, created: 9 }, offset })
}

#[test]
fn what_was_armed_is_due_after_a_while_to_one_node_until_it_has_looked_or_has_died() {
    with_each(async |link, config, _| {
        let (one, two) = (node(&link, &config, 1, 1), node(&link, &config, 2, 1));
        one.push_arm(&[("a", 1_500), ("b", 1_500), ("later", 600_000)]).await.unwrap();
        assert_eq!(due(&one, LEASE_MS).await, [], "not before its time");
        sleep(Duration::from_millis(1_550)).await;
        // Armed once more it is not put off.
        two.push_arm(&[("a", 600_000)]).await.unwrap();
        assert_eq!(channels(&one, LEASE_MS).await, ["a", "b"]);
        assert_eq!(channels(&two, LEASE_MS).await, [""; 0], "one has them");
        one.push_done("a", Again::WhenArmed, 100, told(5)).await.unwrap();
        sleep(Duration::from_millis(LEASE_MS + 50)).await;
        let again = due(&two, LEASE_MS).await;
        assert_eq!(again.len(), 1, "one has died with b: {again:?}");
        assert_eq!((&*again[0].channel, again[0].told), ("b", None));
        two.push_done("b", Again::After(50), 100, told(3)).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        let again = due(&one, LEASE_MS).await;
        assert_eq!((again.len(), &*again[0].channel, again[0].told), (1, "b", told(3)));
        assert!(again[0].since_unix_ms > 1_600_000_000_000);
    });
}

#[test]
fn what_is_looked_at_stays_as_long_as_something_may_be_on_its_way_and_goes_then() {
    with_each(async |link, config, server| {
        let node = node(&link, &config, 1, 1);
        let key = |name: &str| format!("{}:{name}", node.keys().head(node.keys().bucket_of("a") % node.push_places()));
        let count = |name: &str, command: &str| server.cli(&[command, &key(name)]).trim().to_owned();
        node.push_arm(&[("a", 1)]).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(channels(&node, 1).await, ["a"]);
        node.push_done("a", Again::WhenArmed, 1, told(1)).await.unwrap();
        assert_eq!((count("a", "ZCARD"), count("b", "HLEN")), ("1".into(), "1".into()), "an append may follow");
        // As if a minute had passed.
        let long_ago = "redis.call('HSET', KEYS[1], 'a', struct.pack('>I6I6', 1, 1))";
        server.cli(&["EVAL", long_ago, "1", &key("b")]);
        node.push_done("a", Again::WhenArmed, 1, told(1)).await.unwrap();
        assert_eq!((count("a", "ZCARD"), count("b", "HLEN")), ("0".into(), "0".into()));
    });
}
