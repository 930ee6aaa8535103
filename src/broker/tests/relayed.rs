//! Channels whose publishes Kafka acknowledges: what homes ask for, and what publishers are told.

use super::*;
use crate::broker::bridge::{Answer, Life, Outgoing, Publish as Asked, Receipt};
use crate::broker::schedule_order::ScheduleOrder;
use crate::config::{Acknowledge, Log};
use crate::model::refusal::{Error, ErrorKind};

/// `kept:` keeps a history, `told:` none; both go by way of Kafka.
fn node() -> Node {
    let open = ChannelOptions {
        log: Log::Redis,
        acknowledge: Acknowledge::Kafka,
        allow_publish_for_client: true,
        ..ChannelOptions::default()
    };
    let kept = ChannelOptions { history_size: 10, history_ttl: Duration::from_secs(60), ..open.clone() };
    let namespace = |name: &str, options| Namespace { name: name.into(), options };
    let mut config = Config { name: "node".into(), ..Config::default() };
    config.cluster.redis.addresses = vec!["127.0.0.1:6379".into()];
    config.cluster.kafka.brokers = vec!["127.0.0.1:9092".into()];
    config.client.token.hmac_secret_key = SECRET.into();
    config.channel.namespaces = vec![namespace("kept", kept), namespace("told", open)];
    Node::of(2, config)
}

/// What the homes of a node ask to be published, with their shards.
fn asked(node: &mut Node) -> Vec<(u16, Box<Asked>)> {
    node.carry();
    let mut asked = Vec::new();
    for (shard, broker) in (0..).zip(&mut node.brokers) {
        asked.extend(broker.take_outgoing().into_iter().map(|what| match what {
            Outgoing::Publish(publish) => (shard, publish),
            other => panic!("{other:?}"),
        }));
    }
    asked
}

/// Kafka has it, or has not taken it.
fn answer(node: &mut Node, (shard, publish): (u16, Box<Asked>), result: Result<(), Error>) {
    let receipt = result.map(|()| Receipt { life: Life::default(), offset: 0 });
    let now = node.now;
    node.brokers[usize::from(shard)].bridge_answered(Answer::Published(publish.ticket, receipt), now);
    node.after(shard.into());
    node.carry();
}

#[test]
fn a_client_is_answered_when_kafka_has_it_or_told_that_it_has_not() {
    let mut node = node();
    for shard in 0..2 {
        let peer = node.connect(shard, json!({"sub": "ada"}));
        for channel in ["kept:1", "told:1", "kept:2"] {
            let publish = json!({"id": 3, "publish": {"channel": channel, "data": 1}}).to_string();
            for (result, said) in [
                (Ok(()), json!({"id": 3, "publish": {}})),
                (
                    Err(ErrorKind::Internal.because("internal server error: Kafka has not answered")),
                    json!({"id": 3, "error": {"code": 100, "message": "internal server error: Kafka has not answered",
                        "temporary": true}}),
                ),
            ] {
                node.tell(peer, &publish);
                let [asked] = <[_; 1]>::try_from(asked(&mut node)).expect("one publish");
                assert!(asked.1.is_relayed && (asked.1.keep.size > 0) == channel.starts_with("kept"), "{asked:?}");
                assert!(node.hear(peer).is_empty(), "nobody is answered before");
                answer(&mut node, asked, result);
                assert_eq!(node.hear(peer), [said]);
            }
        }
    }
    assert!(node.brokers.iter().all(|broker| !broker.awaits_bridge()));
}

#[test]
fn a_backend_is_told_no_place() {
    let mut node = node();
    let home = usize::from(node.placement.of("kept:1"));
    let (told, mut hears) = oneshot::channel();
    let publish = Box::new(Publish { idempotency_key: Some("k".into()), ..message("kept:1", "1") });
    let now = node.now;
    node.brokers[home].order(Order::Publish(publish, told), now);
    let [asked] = <[_; 1]>::try_from(asked(&mut node)).expect("one publish");
    assert_eq!(asked.1.key.as_ref().map(|(key, _)| &**key), Some("k"));
    answer(&mut node, asked, Ok(()));
    assert_eq!(hears.try_recv().unwrap(), Ok(Position::default()));
}

#[test]
fn nothing_is_delayed_past_kafka() {
    let mut node = node();
    let home = usize::from(node.placement.of("kept:1"));
    let scheduled = node
        .order(home, |answer| Order::Schedule(ScheduleOrder::Publish(Box::new(message("kept:1", "1")), 1_000, answer)));
    assert_eq!(scheduled.unwrap_err().kind, ErrorKind::NotAvailable);
    assert!(asked(&mut node).is_empty());
}
