//! The configuration is read again while sessions are connected.

use super::*;

/// The same configuration with `kept:` and `wish:` keeping nothing.
fn without_history() -> Config {
    let mut config = config();
    for namespace in &mut config.channel.namespaces {
        let options = &mut namespace.options;
        (options.history_size, options.history_ttl) = (0, Duration::from_secs(0));
        options.force_recovery = false;
    }
    config
}

fn reload(node: &mut Node, shard: usize, config: &Config) {
    node.brokers[shard].order(Order::Reload(Arc::new(config.clone())), node.now);
    node.after(shard);
}

fn by_token(channel: &str) -> Value {
    json!({"sub": "7", "channels": [channel]})
}

/// Allows `kept:` to be published to.
fn open_to_publishers(mut config: Config) -> Config {
    config.channel.namespaces.iter_mut().for_each(|namespace| namespace.options.allow_publish_for_client = true);
    config
}

#[test]
fn a_history_that_goes_and_comes_back_harms_nobody_who_publishes_then() {
    for home in 0..2 {
        let mut node = Node::with(open_to_publishers(config()));
        let channel = node.at(home, "kept");
        let peer = node.connect(0, by_token(&channel));
        for config in [without_history(), config()] {
            for shard in 0..2 {
                reload(&mut node, shard, &open_to_publishers(config.clone()));
            }
            node.publish(&channel, "1", None);
            node.carry();
        }
        assert_eq!(node.goodbye(peer), Some(3010));
        let again = node.connect(0, by_token(&channel));
        let words = node.say(again, &publication(2, &channel, 2));
        assert!(kinds(&words).contains(&"2:publish".to_string()), "{words:?}");
    }
}

#[test]
fn a_publisher_whose_own_publication_shows_a_gap_is_answered_before_it_goes() {
    let mut node = Node::with(open_to_publishers(config()));
    let channel = node.at(0, "kept");
    let peer = node.connect(0, by_token(&channel));
    let room = node.brokers[0].edge.audience.find(&channel).expect("it is subscribed");
    node.brokers[0].edge.audience.room_mut(room).offset = 7;
    let frame = [publication(2, &channel, 1), publication(3, &channel, 2)].join("\n");
    assert_eq!(node.brokers[0].input(peer.session, frame.as_bytes(), node.now), Input::Ended);
    assert_eq!(kinds(&node.hear(peer)), ["2:publish"]);
    node.after(0);
    assert_eq!(node.goodbye(peer), Some(3010));
    assert_eq!((node.brokers[0].sessions(), node.brokers[0].home.hub.active()), (0, 0));
}

#[test]
fn positioned_subscriptions_end_when_their_channel_ceases_to_keep_and_no_others() {
    for home in 0..2 {
        let mut node = Node::new();
        let (kept, wish, open) = (node.at(home, "kept"), node.at(home, "wish"), node.at(home, "open"));
        let server_side = node.connect(0, by_token(&kept));
        let by_command = node.connect(0, json!({"sub": "8"}));
        for (id, channel) in [&kept, &wish, &open].into_iter().enumerate() {
            node.say(by_command, &subscribe(id as u32 + 2, channel));
        }
        node.hear(by_command);
        let pending = node.connect(0, json!({"sub": "9"}));
        node.tell(pending, &subscribe(2, &kept));
        node.carry_one();
        reload(&mut node, home, &without_history());
        node.carry();
        assert_eq!(node.goodbye(server_side), Some(3010));
        assert_eq!(kinds(&node.hear(by_command)), ["unsubscribe 2500"], "`wish` was not positioned");
        assert_eq!(kinds(&node.hear(pending)), ["2:subscribe", "unsubscribe 2500"]);
        reload(&mut node, 1 - home, &without_history());
        let words = node.say(by_command, &subscribe(9, &kept));
        assert_eq!(words[0]["subscribe"], json!({}), "there is nothing to count on");
    }
}

#[test]
fn a_home_that_keeps_nothing_any_more_does_not_promise_it() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let peer = node.connect(0, json!({"sub": "7"}));
    reload(&mut node, 1, &without_history());
    let words = node.say(peer, &subscribe(2, &channel));
    assert_eq!(words[0]["subscribe"], json!({}));
    // The shard of the session has yet to learn of it: what comes without a place is no gap.
    node.publish(&channel, "1", None);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), ["pub 1"]);
}

#[test]
fn a_change_that_touches_no_channel_ends_nothing() {
    let mut node = Node::new();
    let channel = node.at(0, "kept");
    let peer = node.connect(0, by_token(&channel));
    let mut other = config();
    other.client.channel_limit = 1;
    reload(&mut node, 0, &other);
    node.publish(&channel, "1", None);
    assert_eq!((kinds(&node.hear(peer)), node.goodbye(peer)), (vec!["pub 1".to_string()], None));
}

#[test]
fn two_changes_that_come_to_a_home_late_end_what_was_begun_between_them() {
    let mut node = Node::with(open_to_publishers(config()));
    let channel = node.at(1, "kept");
    reload(&mut node, 0, &without_history());
    reload(&mut node, 0, &open_to_publishers(config()));
    // The home has yet to learn of either.
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &subscribe(2, &channel));
    reload(&mut node, 1, &open_to_publishers(without_history()));
    node.publish(&channel, "1", None);
    node.carry();
    assert_eq!(kinds(&node.hear(peer)), ["unsubscribe 2500"]);
    reload(&mut node, 1, &open_to_publishers(config()));
    node.publish(&channel, "2", None);
    node.carry();
    assert!(node.hear(peer).is_empty());
}

#[test]
fn a_change_ends_a_subscription_once_when_the_home_has_taken_it() {
    let mut node = Node::new();
    let channel = node.at(1, "kept");
    let peer = node.connect(0, by_token(&channel));
    reload(&mut node, 0, &without_history());
    node.publish(&channel, "1", None);
    node.carry();
    assert_eq!((kinds(&node.hear(peer)), node.goodbye(peer)), (vec!["pub 1".to_string()], None), "it is still kept");
    reload(&mut node, 1, &without_history());
    node.carry();
    assert_eq!(node.goodbye(peer), Some(3010));
}

#[test]
fn a_change_is_taken_in_by_many_rooms_a_part_in_each_tick_and_by_one_at_its_next_use() {
    const ROOMS: usize = 100;
    let mut node = Node::new();
    let channels: Vec<_> = (0..)
        .map(|number| format!("kept:{number}"))
        .filter(|channel| node.placement.of(channel) == 1)
        .take(ROOMS)
        .collect();
    let peers: Vec<_> = channels.iter().map(|channel| node.connect(0, by_token(channel))).collect();
    let ended = |node: &Node| peers.iter().filter(|peer| node.goodbye(**peer) == Some(3010)).count();
    reload(&mut node, 1, &without_history());
    // The last room would be the last that the walk comes to.
    node.publish(&channels[ROOMS - 1], "1", None);
    node.carry();
    let first = ended(&node);
    assert!(first > 0 && first < ROOMS, "{first} at once");
    assert_eq!(node.goodbye(peers[ROOMS - 1]), Some(3010), "it takes it in before the publication");
    assert_eq!(kinds(&node.hear(peers[ROOMS - 1])), [""; 0]);
    let mut ticks = 0;
    while node.brokers[0].waits_for_tick() {
        node.brokers[0].begin_tick(node.now);
        node.after(0);
        ticks += 1;
    }
    node.carry();
    assert_eq!(ended(&node), ROOMS);
    assert!(ticks > 2, "{ticks} ticks");
}
