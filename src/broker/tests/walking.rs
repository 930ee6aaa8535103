//! Orders that look at many: in parts, and others' work gets between.

use super::*;
use crate::broker::order::{Part, ShardInfo, Who, check_list};
use crate::hub::Pattern;
use crate::limits::{API_REPLY_BYTES_MAX, LOOKS_PER_TICK};
use crate::model::refusal::{DisconnectKind, ErrorKind};

impl Node {
    /// Gives shard 0 an order that may take several ticks.
    fn begin<T>(&mut self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        self.brokers[0].order(order(answer), self.now);
        self.after(0);
        answered
    }

    fn tick(&mut self) {
        self.brokers[0].begin_tick(self.now);
        self.after(0);
    }

    fn info(&mut self) -> ShardInfo {
        self.order(0, |answer| Order::Info { answer }).expect("it works")
    }

    fn disconnect(&mut self, spared: Peer) -> oneshot::Receiver<Result<(), crate::model::refusal::Error>> {
        let who = Arc::new(Who { user: "7".into(), client: None });
        let whitelist = Arc::new([self.client(spared)].into());
        let reason = DisconnectKind::ForceReconnect.into();
        self.begin(|answer| Order::Disconnect { who, whitelist, reason, answer })
    }
}

#[test]
fn the_sessions_of_a_user_with_very_many_end_a_part_per_tick() {
    const SESSIONS: usize = 5 * LOOKS_PER_TICK;
    let mut node = Node::new();
    let other = node.connect(0, json!({"sub": "8"}));
    let peers: Vec<Peer> = (0..SESSIONS).map(|_| node.connect(0, json!({"sub": "7"}))).collect();
    assert_eq!(node.info().num_clients as usize, SESSIONS + 1);
    node.brokers[0].begin_tick(node.now);
    let mut answered = node.disconnect(peers[SESSIONS / 2]);
    let (mut left, mut gone) = (SESSIONS, 0);
    loop {
        let now_left = peers.iter().filter(|peer| node.goodbye(**peer).is_none()).count();
        // What follows takes two ticks.
        assert!(left - now_left <= 2 * LOOKS_PER_TICK, "{left} sessions, then {now_left}");
        left = now_left;
        if answered.try_recv().is_ok() {
            break;
        }
        assert!(node.brokers[0].waits_for_tick(), "the shard does not sleep over it");
        // Some leave by themselves, another comes: those that were not looked at are, all the same.
        node.drop(peers[gone]);
        gone += 1;
        node.connect(0, json!({"sub": "7"}));
        assert_eq!(kinds(&node.say(other, r#"{"id":2,"ping":{}}"#)), ["2:ping"]);
    }
    assert!(gone >= 2 && left == gone + 1, "{left} are left, of whom {gone} have left by themselves and one is spared");
    assert_eq!(node.goodbye(peers[SESSIONS / 2]), None);
    assert!(!node.brokers[0].waits_for_tick());
    let sessions = node.brokers[0].sessions();
    assert_eq!(node.info().num_clients as usize, sessions);
}

#[test]
fn all_channels_are_listed_over_several_ticks_although_others_come_and_go() {
    const CHANNELS: usize = 4 * LOOKS_PER_TICK;
    let mut config = config();
    config.client.channel_limit = 2 * CHANNELS;
    let mut node = Node::with(config);
    let names: Vec<String> = (0..)
        .map(|number| format!("open:{number}"))
        .filter(|name| node.placement.of(name) == 0)
        .take(CHANNELS + 8)
        .collect();
    let (stay, come) = names.split_at(CHANNELS);
    let peer = node.connect(0, json!({"sub": "7"}));
    for channel in stay {
        node.say(peer, &subscribe(2, channel));
    }
    node.tick();
    let mut answered = node.begin(|answer| Order::Channels {
        pattern: Arc::new(Pattern::new("open:*").unwrap()),
        part: Part::all(),
        answer,
    });
    let mut ticks = 0;
    let found = loop {
        if let Ok(found) = answered.try_recv() {
            break found.expect("short enough");
        }
        node.tell(peer, &subscribe(3, &come[ticks]));
        node.tell(peer, &unsubscribe(4, &come[ticks / 2]));
        ticks += 1;
    };
    assert!(ticks >= CHANNELS / LOOKS_PER_TICK - 1, "{ticks} ticks");
    let mut listed: Vec<&str> = found.iter().map(|(channel, _)| &**channel).collect();
    listed.sort_unstable();
    assert!(listed.windows(2).all(|pair| pair[0] != pair[1]), "none twice");
    assert!(stay.iter().all(|channel| listed.binary_search(&&**channel).is_ok()));
}

#[test]
fn orders_that_walk_have_their_steps_in_turn_and_end_when_nobody_waits() {
    let mut node = Node::new();
    let peers: Vec<Peer> = (0..6 * LOOKS_PER_TICK).map(|_| node.connect(0, json!({"sub": "7"}))).collect();
    node.tick();
    let first = node.disconnect(peers[0]);
    let mut second = node.begin(|answer| Order::Channels {
        pattern: Arc::new(Pattern::new("").unwrap()),
        part: Part::all(),
        answer,
    });
    let mut ticks = 0;
    while second.try_recv().is_err() {
        node.tick();
        ticks += 1;
    }
    assert!(ticks <= 2, "a short one does not wait for the end of a long one: {ticks} ticks");
    drop(first);
    node.tick();
    assert!(!node.brokers[0].waits_for_tick());
    assert!(node.brokers[0].sessions() > LOOKS_PER_TICK, "the rest stays");
}

#[test]
fn a_list_that_is_too_long_to_give_is_refused() {
    assert_eq!(check_list(API_REPLY_BYTES_MAX), Ok(()));
    assert_eq!(check_list(API_REPLY_BYTES_MAX + 1).map_err(|error| error.kind), Err(ErrorKind::LimitExceeded));
}
