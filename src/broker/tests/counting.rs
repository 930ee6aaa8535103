//! What is counted by namespace.

use super::*;
use crate::broker::namespaces::NamespaceMetrics;

impl Node {
    /// What both shards have counted for a namespace.
    pub(super) fn counted(&self, namespace: &str, read: impl Fn(&NamespaceMetrics) -> u64) -> u64 {
        let of = |broker: &Broker| read(&broker.edge.metrics.namespaces.of(namespace));
        self.brokers.iter().map(of).sum()
    }

    /// How often both shards have refused with this code.
    pub(super) fn refused(&self, namespace: &str, code: u32) -> u64 {
        let of_code =
            |of: &NamespaceMetrics| of.errors.iter().filter(|(known, _)| *known == code).map(|(_, n)| n).sum();
        self.counted(namespace, of_code)
    }
}

#[test]
fn what_happens_in_a_channel_counts_for_its_namespace_wherever_it_is_at_home() {
    for home in 0..2 {
        let mut node = Node::new();
        let channel = node.at(home, "open");
        let [ann, ben] = [0, 1].map(|shard| node.connect(shard, json!({"sub": shard.to_string()})));
        for peer in [ann, ben] {
            node.say(peer, &json!({"id": 2, "subscribe": {"channel": channel}}).to_string());
            node.carry();
        }
        node.say(ann, &json!({"id": 3, "publish": {"channel": channel, "data": 1}}).to_string());
        node.carry();
        let counts = |node: &Node| {
            let of = |read: fn(&NamespaceMetrics) -> u64| node.counted("open", read);
            [of(|it| it.subscriptions.get()), of(|it| it.subscribes.get()), of(|it| it.publishes.get())]
        };
        assert_eq!(counts(&node), [2, 2, 1]);
        assert_eq!(node.counted("open", |of| of.deliveries.get()), 2);
        node.say(ben, &json!({"id": 4, "unsubscribe": {"channel": channel}}).to_string());
        node.carry();
        assert_eq!(counts(&node), [1, 2, 1]);
        let announced = [node.counted("open", |of| of.joins.get()), node.counted("open", |of| of.leaves.get())];
        assert_eq!(announced, [2, 1]);
        for namespace in ["kept", "(none)"] {
            assert_eq!(node.counted(namespace, |of| of.publishes.get() + of.subscribes.get()), 0, "{namespace}");
        }
    }
}

#[test]
fn a_refusal_counts_for_the_namespace_that_the_command_is_about_whoever_refuses() {
    for home in 0..2 {
        let mut node = Node::new();
        let (open, kept) = (node.at(home, "open"), node.at(home, "kept"));
        let peer = node.connect(0, json!({"sub": "7"}));
        for command in [
            // By the session: not subscribed; no history; no such namespace; nothing of a channel.
            json!({"id": 2, "publish": {"channel": open, "data": 1}}),
            json!({"id": 3, "history": {"channel": open}}),
            json!({"id": 4, "subscribe": {"channel": "nowhere:x"}}),
            json!({"id": 5, "rpc": {"method": "x"}}),
            // By the home: no such place.
            json!({"id": 6, "history": {"channel": kept, "limit": 1, "since": {"offset": 9, "epoch": "x"}}}),
        ] {
            node.say(peer, &command.to_string());
            node.carry();
        }
        let refused = [("open", 103), ("open", 108), ("(none)", 102), ("(none)", 108), ("kept", 112)];
        assert_eq!(refused.map(|(namespace, code)| node.refused(namespace, code)), [1; 5]);
    }
}

#[test]
fn a_namespace_keeps_its_counts_whatever_is_reloaded() {
    let mut node = Node::new();
    let channel = node.at(0, "open");
    let peer = node.connect(0, json!({"sub": "7"}));
    node.say(peer, &json!({"id": 2, "subscribe": {"channel": channel}}).to_string());
    node.carry();
    let mut moved = config();
    moved.channel.namespaces.reverse();
    for config in [moved, config()] {
        for shard in 0..2 {
            node.brokers[shard].order(Order::Reload(Arc::new(config.clone())), node.now);
            node.after(shard);
        }
        node.carry();
        node.publish(&channel, "1", None);
        node.carry();
    }
    let counts = [node.counted("open", |of| of.publishes.get()), node.counted("open", |of| of.deliveries.get())];
    assert_eq!(counts, [2, 2]);
    let mut gone = config();
    gone.channel.namespaces.retain(|namespace| namespace.name != "open");
    node.brokers[0].order(Order::Reload(Arc::new(gone)), node.now);
    node.after(0);
    node.brokers[0].end(peer.session, Ending::PeerEnded, node.now);
    node.carry();
    assert_eq!(node.counted("open", |of| of.subscriptions.get()), 0, "the room is of a namespace that is gone");
}
